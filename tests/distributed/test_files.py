"""Files of models and solutions that several processes share."""

import numpy as np
import pytest
from distributed.conftest import assert_same, open_both

import regmdp as rm
from regmdp._internal.mpi import join_all


@pytest.mark.parametrize("regularizer", [None, rm.Shannon(0.3)])
def test_a_solution_is_written_whole_by_the_first_process(folder, regularizer):
    alone, shared = open_both("masked")
    solution = rm.solve(shared, regularizer)
    solution.save(folder / "solution.npz")
    assert sorted(path.name for path in folder.iterdir()) == ["solution.npz"]
    join_all().run("listed", lambda: None)
    assert_same(rm.solve(alone, regularizer), rm.Solution.load(folder / "solution.npz"))


def test_a_solution_that_cannot_be_written_is_an_error_of_all(folder):
    _, shared = open_both("masked")
    solution = rm.solve(shared, rm.Shannon(0.3))
    with pytest.raises(FileNotFoundError, match="there is no folder"):
        solution.save(folder / "none" / "solution.npz")
    (folder / "taken").mkdir(exist_ok=True)
    with pytest.raises(rm.WriteError, match="a folder with this name"):
        solution.save(folder / "taken")
    solution.save(folder / "solution.npz")


def test_a_saved_solution_is_a_start(folder):
    alone, shared = open_both("masked")
    rm.solve(shared, rm.Shannon(0.3), max_iterations=1).save(folder / "solution.npz")
    join_all().run("saved", lambda: None)
    start = rm.Solution.load(folder / "solution.npz")
    one, other = (rm.solve(mdp, rm.Shannon(0.3), start=start) for mdp in (alone, shared))
    assert_same(one, other)


def test_copies_of_a_model():
    alone, shared = open_both("masked")
    for change in (
        lambda mdp: mdp.with_discount(0.5),
        lambda mdp: mdp.with_rewards(2.0 * np.asarray(mdp.rewards)),
        lambda mdp: mdp.with_initial(np.eye(mdp.n_states)[2]),
        lambda mdp: mdp.with_available(
            np.ones(mdp.rewards.shape, bool) * (np.arange(mdp.n_actions) < 2)
        ),
        lambda mdp: mdp.with_goal([0], objective="reach"),
    ):
        one, other = change(alone), change(shared)
        assert one.digest == other.digest
        assert_same(rm.solve(one), rm.solve(other))
