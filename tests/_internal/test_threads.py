"""Work that is shared out among threads."""

import os
import subprocess
import sys
import threading

import numpy as np
import pytest

import regmdp as rm
from regmdp._internal import threads
from regmdp.mdp import transitions


@pytest.fixture(autouse=True)
def restored():
    before = rm.get_num_threads()
    yield
    rm.set_num_threads(before)


@pytest.mark.parametrize("count", [1, 2, 5])
def test_results_come_in_the_order_of_the_items(count):
    rm.set_num_threads(count)
    assert threads.parallel_map(range(100), lambda item: item**2) == [
        item**2 for item in range(100)
    ]
    assert threads.parallel_map([], lambda item: item) == []


def test_several_threads_do_the_work():
    rm.set_num_threads(3)
    meeting = threading.Barrier(3, timeout=30)
    assert (
        len(
            set(
                threads.parallel_map(
                    range(3), lambda item: (meeting.wait(), threading.get_ident())[1]
                )
            )
        )
        == 3
    )


@pytest.mark.parametrize("bad", [0, 3, 99])
def test_an_error_comes_out_wherever_it_happens(bad):
    rm.set_num_threads(3)

    def work(item):
        if item == bad:
            raise ZeroDivisionError(f"item {item}")

    with pytest.raises(ZeroDivisionError, match=f"item {bad}"):
        threads.parallel_map(range(100), work)
    assert threads.parallel_map(range(3), lambda item: item) == [0, 1, 2]


def test_work_may_share_out_work_of_its_own():
    rm.set_num_threads(2)
    assert threads.parallel_map(
        range(8), lambda item: sum(threads.parallel_map(range(8), lambda other: other + item))
    ) == [28 + 8 * item for item in range(8)]


def test_the_error_state_is_the_callers():
    rm.set_num_threads(2)
    meeting = threading.Barrier(2, timeout=30)

    def divide(item):
        meeting.wait()
        return np.float64(1.0) / np.float64(0.0)

    with np.errstate(divide="ignore"):
        assert threads.parallel_map(range(2), divide) == [np.inf, np.inf]


@pytest.mark.parametrize("count", [0, -1, 1.5, True, "2"])
def test_numbers_that_are_none_are_refused(count):
    with pytest.raises(rm.SolverError, match="the number of threads must be an integer, 1 or more"):
        rm.set_num_threads(count)


def told(environment, code="import regmdp as rm; print(rm.get_num_threads())"):
    command = [sys.executable, "-c", code]
    return subprocess.run(
        command,
        capture_output=True,
        text=True,
        env={**os.environ, **environment},
        timeout=120,
        check=False,
    )


def test_the_environment_sets_the_number():
    assert told({"REGMDP_NUM_THREADS": "7"}).stdout == "7\n"
    assert (
        "must be a number of threads, 1 or more, not 'many'"
        in told({"REGMDP_NUM_THREADS": "many"}).stderr
    )


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
def test_a_forked_process_has_threads_of_its_own():
    code = """
import os, warnings
import regmdp as rm
from regmdp._internal import threads
from regmdp.mdp import transitions
warnings.simplefilter("ignore")
rm.set_num_threads(2)
work = lambda item: sum(range(10_000)) + item
first = threads.parallel_map(range(50), work)
child = os.fork()
if child == 0:
    os._exit(0 if threads.parallel_map(range(50), work) == first else 1)
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""
    assert told({}, code).stdout == "0\n"


def run_together(*functions):
    """Run functions at once, each in a thread of its own; return their results, or raise."""
    results, errors = [None] * len(functions), []

    def call(index):
        try:
            results[index] = functions[index]()
        except BaseException as error:
            errors.append(error)

    together = [threading.Thread(target=call, args=(k,)) for k in range(len(functions))]
    for thread in together:
        thread.start()
    for thread in together:
        thread.join(timeout=120)
        assert not thread.is_alive(), "a thread does not end"
    if errors:
        raise errors[0]
    return results


def test_the_number_of_threads_may_be_set_while_others_work():
    stop = threading.Event()

    def change():
        for count in range(400):
            rm.set_num_threads(1 + count % 4)
        stop.set()

    def work():
        rounds = 0
        while not stop.is_set() or rounds < 20:
            assert threads.parallel_map(range(20), lambda item: item + 1) == list(range(1, 21))
            rounds += 1

    run_together(work, work, change)


@pytest.mark.parametrize("name", ["sparse", "dense"])
def test_solves_at_once_give_the_bits_of_solves_alone(name, monkeypatch):
    # small models are shared out among threads as well
    monkeypatch.setattr(transitions, "MAX_PAIRS_PER_BLOCK", 64)
    monkeypatch.setattr(transitions, "MIN_ENTRIES_FOR_THREADS", 0)
    mdp = rm.models.garnet(200, 2, 3, discount=0.9)
    if name == "dense":
        mdp = rm.MDP(mdp.to_array(), mdp.rewards, 0.9)
    assert len(mdp.transitions.blocks) > 3
    assert mdp.transitions.shared == (name == "sparse")  # dense products have threads of BLAS
    problems = [(mdp, None), (mdp, rm.Shannon(0.1)), (mdp, rm.KL([0.5, 0.5], 0.2))]
    rm.set_num_threads(3)
    alone = [rm.solve(*problem) for problem in problems]
    stop = threading.Event()

    def change():
        count = 0
        while not stop.wait(0.001):
            count += 1
            rm.set_num_threads(1 + count % 4)

    def solve_all(order):
        for index in order:
            found, expected = rm.solve(*problems[index]), alone[index]
            np.testing.assert_array_equal(found.value, expected.value)
            np.testing.assert_array_equal(found.policy, expected.policy)
            np.testing.assert_array_equal(found.certificate.upper, expected.certificate.upper)

    def solve_both():
        try:
            run_together(lambda: solve_all([0, 1, 2, 0]), lambda: solve_all([2, 0, 1, 1]))
        finally:
            stop.set()

    run_together(solve_both, change)


def test_an_interrupt_leaves_the_threads_usable():
    rm.set_num_threads(3)

    def work(item):
        if threading.current_thread() is threading.main_thread():
            interrupted.set()
            raise KeyboardInterrupt
        interrupted.wait(30)
        return item

    for _ in range(20):
        interrupted = threading.Event()
        with pytest.raises(KeyboardInterrupt):
            threads.parallel_map(range(1000), work)
        assert threads.parallel_map(range(5), lambda item: -item) == [0, -1, -2, -3, -4]
