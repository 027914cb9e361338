"""The search for a minimum: what is evaluated, reported, and returned when it ends early."""

import numpy as np
import pytest

from regmdp import Status, UnboundedError
from regmdp.applications._minimization import Objective, Search


class Barrier(Objective[np.ndarray]):
    """The sum of x - log x over coordinates, with its minimum at 1; infinite unless x > 0."""

    def __init__(self):
        self.evaluated = []

    def evaluate(self, point, previous):
        self.evaluated.append((point, previous))
        if np.any(point <= 0):
            raise UnboundedError("a coordinate is not positive")
        return point

    def value(self, x):
        return float(np.sum(x - np.log(x)))

    def gradient(self, x):
        return 1.0 - 1.0 / x

    def hessian(self, x):
        return np.diag(1.0 / x**2)

    def hessian_product(self, x, direction):
        return direction / x**2

    def measures(self, x, value):
        return {"objective": value}


@pytest.mark.parametrize("method", ["trust-exact", "trust-ncg", "BFGS"])
def test_each_method_finds_the_minimum(method):
    search = Search(Barrier())
    found = search.run(lambda: search.minimize(np.array([3.0, 0.2]), method, 1e-7, 200))
    assert found.status is None
    assert np.allclose(found.point, 1.0, atol=1e-6)
    assert np.array_equal(found.evaluation, found.point)


def test_the_search_returns_from_points_with_an_infinite_value():
    search = Search(Barrier())
    found = search.run(lambda: search.minimize(np.array([40.0]), "trust-exact", 1e-8, 200))
    assert np.allclose(found.point, 1.0)
    far = np.array([-1.0])
    assert search.value(far) == np.inf
    assert search.n_infeasible >= 1
    assert search.gradient(far) == 0.0
    assert search.hessian(far) == 1.0
    assert search.newton_step(far).decrement == np.inf
    with pytest.raises(UnboundedError, match="not positive"):
        search.evaluate(far)


def test_a_start_with_an_infinite_value_is_refused():
    search = Search(Barrier())
    with pytest.raises(UnboundedError, match="not positive"):
        search.run(lambda: (np.array([-1.0]), None))


def test_the_last_point_and_the_best_one_are_not_evaluated_again():
    objective = Barrier()
    search = Search(objective)
    for x in (1.0, 2.0, 2.0, 1.0, 2.0):
        search.value(np.array([x]))
        search.gradient(np.array([x]))
    assert [float(point[0]) for point, _ in objective.evaluated] == [1.0, 2.0]
    assert objective.evaluated[0][1] is None
    assert objective.evaluated[1][1] == 1.0
    assert search.n_evaluations == 2


def test_newton_steps_polish_a_point():
    search = Search(Barrier())
    point = search.polish(np.array([1.1]), goal=1e-12, max_steps=20)
    assert abs(point[0] - 1.0) < 1e-12
    exact = search.polish(np.array([1.1]), goal=1e-12, max_steps=20, is_exact=lambda point: True)
    assert exact[0] == 1.1
    assert search.polish(np.array([1.1]), goal=1e-12, max_steps=1)[0] == pytest.approx(0.99)


def test_an_iteration_limit_is_reported():
    search = Search(Barrier())
    found = search.run(lambda: search.minimize(np.array([40.0]), "trust-exact", 1e-8, 2))
    assert found.status is Status.ITERATION_LIMIT


def test_events_count_evaluations_on_from_an_earlier_stage():
    events = []
    search = Search(Barrier(), events.append, n_earlier=5)
    search.value(np.array([2.0]))
    search.value(np.array([-2.0]))  # infinite: not reported
    search.value(np.array([4.0]))
    assert [event.iteration for event in events] == [5, 7]
    assert [event.state for event in events] == [2.0, 4.0]
    assert events[0].measures == {"objective": pytest.approx(2.0 - np.log(2.0)), "gradient": 0.5}


@pytest.mark.parametrize("status", [Status.STOPPED, Status.INTERRUPTED])
def test_a_search_that_is_stopped_returns_the_best_point(status):
    def stop(event):
        if event.iteration == 2 and status is Status.INTERRUPTED:
            raise KeyboardInterrupt
        return event.iteration < 2

    search = Search(Barrier(), stop)
    points = iter(np.array([[3.0], [1.5], [6.0], [1.0]]))
    found = search.run(lambda: ([search.value(point) for point in points], None))
    assert found.status is status
    assert found.point == 1.5
    assert search.n_evaluations == 3


def test_an_interruption_before_the_first_value_is_passed_on():
    def interrupt():
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Search(Barrier()).run(interrupt)
