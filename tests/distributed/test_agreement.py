"""What one process finds, all of them learn, and none of them waits for another."""

import os
import signal

import numpy as np
import pytest
from distributed.conftest import open_both, save_and_open

import regmdp as rm
from regmdp._internal.mpi import join_all

LAST = join_all().size - 1


class Bomb(rm.Shannon):
    """Entropy that calls a function in one process, when it is used for the nth time there."""

    def __init__(self, temperature, rank, count, act):
        super().__init__(temperature)
        self._rank, self._left, self._act = rank, [count], act

    def maximum(self, q, available=None):
        self._left[0] -= 1
        if self._left[0] == 0 and join_all().rank == self._rank:
            self._act()
        return super().maximum(q, available)

    def at(self, states):
        return self


@pytest.fixture(autouse=True)
def forget_interrupts(monkeypatch):
    """Let an interrupt shortly after that of an earlier test count as another one."""
    monkeypatch.setattr(join_all(), "_last_interrupt", -np.inf)


def fail():
    raise ArithmeticError("a disk was lost")


def press_ctrl_c():
    os.kill(os.getpid(), signal.SIGINT)


@pytest.mark.parametrize("rank", [0, LAST])
@pytest.mark.parametrize("count", [1, 8, 13])
def test_an_error_in_one_process_is_that_of_all(rank, count):
    _, shared = open_both("masked")
    with pytest.raises(ArithmeticError, match="a disk was lost"):
        rm.solve(shared, Bomb(0.3, rank, count, fail), rm.algorithms.ValueIteration())
    assert rm.solve(shared, rm.Shannon(0.3)).status.ok  # and then all of them go on


@pytest.mark.parametrize("rank", [0, LAST])
def test_an_error_outside_the_blocks_is_that_of_all(rank, monkeypatch):
    _, shared = open_both("masked")
    if join_all().rank == rank:
        monkeypatch.setattr("regmdp.algorithms.loop.initial_value", lambda mdp, value: fail())
    with pytest.raises(ArithmeticError, match="a disk was lost"):
        rm.solve(shared, rm.Shannon(0.3))


@pytest.mark.parametrize("rank", [0, LAST])
def test_an_error_in_one_process_after_all_exchanges(rank, monkeypatch):
    _, shared = open_both("masked")
    if join_all().rank == rank:
        monkeypatch.setattr("regmdp._solve.Provenance", lambda **entries: fail())
    with pytest.raises(ArithmeticError, match="a disk was lost"):
        rm.solve(shared, rm.Shannon(0.3))


def test_an_error_of_a_rank_that_cannot_be_sent():
    class LocalError(Exception):
        pass

    def fail_locally():
        raise LocalError("only here")

    _, shared = open_both("masked")
    with pytest.raises((LocalError, rm.SolverError), match="only here"):
        rm.solve(shared, Bomb(0.3, LAST, 5, fail_locally))


@pytest.mark.parametrize("rank", [0, LAST])
def test_ctrl_c_in_one_process_ends_all_with_the_last_iterate(rank):
    alone, shared = open_both("masked")
    method = rm.algorithms.ValueIteration()
    found = rm.solve(shared, Bomb(0.3, rank, 40, press_ctrl_c), method, tol=0, max_iterations=500)
    assert found.status is rm.Status.INTERRUPTED
    counts = join_all().collect("iterations", lambda: found.iterations)
    assert len(set(counts)) == 1
    assert 0 < found.iterations < 500
    again = rm.solve(alone, Bomb(0.3, 0, 0, fail), method, tol=0, max_iterations=found.iterations)
    np.testing.assert_array_equal(found.value, again.value)
    np.testing.assert_array_equal(found.certificate.upper, again.certificate.upper)


def test_ctrl_c_in_all_processes_at_slightly_different_times():
    _, shared = open_both("masked")
    own = Bomb(0.3, join_all().rank, 40 + 3 * join_all().rank, press_ctrl_c)
    found = rm.solve(shared, own, rm.algorithms.ValueIteration(), tol=0, max_iterations=500)
    assert found.status is rm.Status.INTERRUPTED


def test_handlers_of_signals_are_restored():
    _, shared = open_both("masked")
    before = signal.getsignal(signal.SIGINT)
    rm.solve(shared)
    assert signal.getsignal(signal.SIGINT) is before


def test_callbacks_run_in_the_first_process_and_stop_all():
    alone, shared = open_both("masked")
    policies, ranks = [], []

    def stop(event):
        ranks.append(join_all().rank)
        policies.append(np.asarray(event.state.policy))
        return event.iteration < 2

    found = rm.solve(shared, rm.Shannon(0.3), callback=stop, tol=0, max_iterations=9)
    assert found.status is rm.Status.STOPPED
    assert found.iterations == 2
    assert ranks == ([0] * 3 if join_all().leads else [])
    recorder = rm.algorithms.Recorder()
    rm.solve(alone, rm.Shannon(0.3), callback=recorder, tol=0, max_iterations=2)
    for policy, state in zip(policies, recorder.states, strict=join_all().leads):
        np.testing.assert_array_equal(policy, state.policy)


@pytest.mark.parametrize("error", [ArithmeticError, KeyboardInterrupt])
def test_errors_of_callbacks_are_those_of_all(error):
    _, shared = open_both("masked")

    def raise_it(event):
        if event.iteration == 1:
            raise error("in a callback")

    if error is KeyboardInterrupt:
        found = rm.solve(shared, rm.Shannon(0.3), callback=raise_it)
        assert (found.status, found.iterations) == (rm.Status.INTERRUPTED, 1)
    else:
        with pytest.raises(error, match="in a callback"):
            rm.solve(shared, rm.Shannon(0.3), callback=raise_it)


def test_callbacks_cannot_do_what_needs_all_processes():
    _, shared = open_both("masked")

    def certify(event):
        return rm.certify(shared, value=event.state.value)

    with pytest.raises(rm.SolverError, match="in the first of . processes only"):
        rm.solve(shared, rm.Shannon(0.3), callback=certify)


def test_a_policy_that_others_do_not_hold_any_more_cannot_be_read():
    _, shared = open_both("masked")
    kept = [rm.uniform_policy(shared)]
    read = join_all().lead(np.asarray)
    np.testing.assert_array_equal(read(kept[0]), np.asarray(kept[0]))
    kept, first = [], kept[0] if join_all().leads else None
    with pytest.raises(rm.SolverError, match="do not hold this policy any more"):
        read(first)


def test_different_arguments_are_an_error():
    _, shared = open_both("masked")
    method = rm.algorithms.ValueIteration() if join_all().rank == LAST else "auto"
    with pytest.raises(rm.SolverError, match="do not do the same"):
        rm.solve(shared, rm.Shannon(0.3), method)


def test_a_damaged_block_is_an_error_of_all(folder):
    mdp = rm.models.garnet(40, 2, 3, discount=0.9)
    alone, shared = save_and_open(mdp, folder / "model")
    if join_all().leads:
        data = np.fromfile(folder / "model" / "data")
        data[-1] = 0.5 * data[-1]
        stat = (folder / "model" / "data").stat()
        with open(folder / "model" / "data", "r+b") as file:
            file.write(data.tobytes())
        os.utime(folder / "model" / "data", ns=(stat.st_atime_ns, stat.st_mtime_ns))
    join_all().run("damage", lambda: None)
    with pytest.raises(rm.FormatError, match="is damaged"):
        rm.solve(shared)
    with pytest.raises(rm.FormatError, match="is damaged"):
        rm.io.open_distributed(folder / "model", verify=True)
    with pytest.raises(rm.FormatError, match="is damaged"):
        rm.solve(alone)


def test_folders_that_differ_are_an_error(folder):
    rank = join_all().rank
    path = folder / f"model{rank}"
    rm.io.save_mapped(rm.models.chain(5 + (rank == LAST)), path)
    with pytest.raises(rm.FormatError, match=f"rank {LAST} finds another model there"):
        rm.io.open_distributed(path)
    with pytest.raises(FileNotFoundError, match="there is no folder"):
        rm.io.open_distributed(path if rank == 0 else folder / "none")
    with pytest.raises(FileNotFoundError, match="there is no folder"):
        rm.io.open_distributed(path if rank == LAST else folder / "none")


def test_policies_stay_with_their_processes():
    alone, shared = open_both("masked")
    policy = rm.solve(shared, rm.Shannon(0.3)).policy
    rows = shared.partition.rows
    assert policy.own.shape == (rows.stop - rows.start, shared.n_actions)
    whole = rm.solve(alone, rm.Shannon(0.3)).policy
    np.testing.assert_array_equal(policy.own, whole[rows])
    np.testing.assert_array_equal(policy.argmax(axis=1), whole.argmax(axis=1))
    np.testing.assert_array_equal(2.0 * policy, 2.0 * whole)
    np.testing.assert_array_equal(policy[3], whole[3])
    with pytest.raises(IndexError, match="writes the rows"):
        policy[: shared.n_states] = 0.0
    assert "other process" in repr(policy)
