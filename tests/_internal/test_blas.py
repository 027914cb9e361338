"""One thread for the BLAS while matrices are small, and as many as before afterwards."""

import threading

import numpy as np
import pytest
import scipy.linalg  # noqa: F401  # whose BLAS is another one than NumPy's
from threadpoolctl import OpenBLASController, ThreadpoolController

import regmdp as rm
from regmdp._internal.blas import MAX_SMALL_ROWS, limit_blas_threads, one_blas_thread


def count_threads():
    controller = ThreadpoolController().select(user_api="blas")
    return [library["num_threads"] for library in controller.info()]


@pytest.fixture
def two_threads():
    limiter = ThreadpoolController().limit(limits=2, user_api="blas")
    OpenBLASController.clear_controlling_thread(force=True)  # other threads may set limits, too
    yield
    limiter.restore_original_limits()
    OpenBLASController.clear_controlling_thread(force=True)


def test_threads_that_overlap_leave_the_number_as_it_was(two_threads):
    before = count_threads()
    seen, entered, leave = [], threading.Event(), threading.Event()

    def stay():
        with one_blas_thread():
            entered.set()
            leave.wait(30)

    def overlap():
        with one_blas_thread():
            seen.append(set(count_threads()))
            other.start()
            entered.wait(30)
        leave.set()  # the other thread leaves last
        other.join()

    other, first = threading.Thread(target=stay), threading.Thread(target=overlap)
    first.start()
    first.join()
    assert seen == [{1}]
    assert count_threads() == before
    with pytest.raises(ZeroDivisionError), one_blas_thread():
        1 / 0  # noqa: B018
    assert count_threads() == before


def test_large_matrices_have_all_threads(two_threads):
    before = count_threads()
    with limit_blas_threads(MAX_SMALL_ROWS + 1):
        assert count_threads() == before
    with limit_blas_threads(MAX_SMALL_ROWS):
        assert set(count_threads()) == {1}


@pytest.mark.parametrize("many", [False, True])
def test_small_models_are_solved_with_one_thread(two_threads, many):
    before, seen = count_threads(), []

    class Watching(rm.SquaredL2):
        def greedy(self, y, available=None):
            seen.append(set(count_threads()))
            return super().greedy(y, available)

    mdp = rm.models.garnet(5, 2, 2, discount=0.9)
    if many:
        rm.solve_many([mdp, mdp], Watching(0.1), absolute_tol=1e-3)
    else:
        rm.solve(mdp, Watching(0.1), callback=lambda event: seen.append(set(count_threads())))
    assert {1} in seen
    assert count_threads() == before


def test_estimators_use_one_thread(two_threads):
    before, seen = count_threads(), []
    features = np.zeros((5, 2, 2))
    features[:, 1, 0], features[:, 0, 1] = -1.0, -np.arange(5)
    utilities = rm.choice.LinearUtilities(features, ["replacement", "wear"])
    wear = rm.choice.Increments(np.array([[s, 0] for s in range(5)]), 2)
    model = rm.choice.ChoiceModel(utilities, wear, discount=0.9)
    truth = model.solve([2.0, 0.5, 0.3])
    panel = rm.choice.simulate(truth, individuals=20, periods=20, rng=np.random.default_rng(0))
    rm.choice.nested_fixed_point(
        model, panel, callback=lambda event: seen.append(set(count_threads()))
    )
    assert seen
    assert all(threads == {1} for threads in seen)
    assert count_threads() == before
