"""Checkpoints: the value in a file, from which a run goes on."""

import numpy as np
import pytest

import regmdp as rm
from regmdp.algorithms import Checkpoint, ValueIteration, load_checkpoint

MDP = rm.models.garnet(50, 3, 4, discount=0.95)
SHANNON = rm.Shannon(0.1)


def run(iterations, callback=None, start=None, mdp=MDP):
    return rm.solve(
        mdp, SHANNON, ValueIteration(), tol=0, max_iterations=iterations, callback=callback,
        start=start,
    )  # fmt: skip


def test_a_run_goes_on_with_the_same_bits(tmp_path):
    path = tmp_path / "value.npz"
    run(7, Checkpoint(path, MDP, iterations=3))
    np.testing.assert_array_equal(load_checkpoint(path, MDP), run(6).value)
    np.testing.assert_array_equal(run(4, start=load_checkpoint(path, MDP)).value, run(10).value)


def test_checkpoints_are_written_after_minutes(tmp_path, monkeypatch):
    now = [0.0]
    monkeypatch.setattr("regmdp.algorithms.checkpoint.time.monotonic", lambda: now[0])
    path, written = tmp_path / "value.npz", []
    checkpoint = Checkpoint(path, MDP, minutes=2)

    def watch(event):
        now[0] = 50.0 * event.iteration
        checkpoint(event)
        if path.exists():
            written.append(event.iteration)
            path.unlink()

    run(10, watch)
    assert written == [3, 6, 9]


def test_nothing_is_written_before_the_first_iteration(tmp_path):
    run(0, Checkpoint(tmp_path / "value.npz", MDP, iterations=1))
    assert not list(tmp_path.iterdir())


def test_states_that_only_lose(tmp_path):
    rows = np.zeros((3, 1, 3))
    rows[0, 0, 0] = rows[1, 0, 2] = 1.0
    mdp = rm.MDP(rows, [[-1.0], [1.0], [0.0]], 1.0, available=[[True], [True], [False]])
    checkpoint = Checkpoint(tmp_path / "value.npz", mdp, iterations=1)
    rm.solve(mdp, tol=0, max_iterations=1, callback=checkpoint)
    value = load_checkpoint(tmp_path / "value.npz", mdp)
    np.testing.assert_array_equal(value, [-np.inf, 1.0, 0.0])
    assert rm.solve(mdp, start=value).status.ok


def test_checkpoints_of_other_models_and_damaged_ones_are_errors(tmp_path):
    path = tmp_path / "value.npz"
    run(1, Checkpoint(path, MDP, iterations=1))
    with pytest.raises(rm.SolverError, match="checkpoint of another model, with 50 states"):
        load_checkpoint(path, MDP.with_discount(0.9))
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(rm.FormatError, match="damaged"):
        load_checkpoint(path, MDP)
    run(1).save(path)
    with pytest.raises(rm.FormatError, match="holds a solution, not a checkpoint"):
        load_checkpoint(path, MDP)
    with pytest.raises(FileNotFoundError, match="there is no file"):
        load_checkpoint(tmp_path / "none.npz", MDP)
