import numpy as np
import pytest
from small_solvers import optimal_value, policy_value

import regmdp as rm


def test_capacity_one_has_the_documented_value():
    arrival, service, reward, holding, discount = 0.3, 0.2, 7.0, 0.5, 0.95
    mdp = rm.models.queue(
        1, arrival=arrival, service=service, reward=reward, holding=holding, discount=discount
    )
    expected = (
        (1 - discount * (1 - service)) * arrival * reward - discount * arrival * holding
    ) / ((1 - discount) * (1 - discount * (1 - arrival - service)))
    assert optimal_value(mdp)[0] == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize(
    "parameters",
    [{}, {"arrival": 0.5, "reward": 2.0}, {"arrival": 0.1, "service": 0.9, "holding": 0.5}],
)
def test_a_threshold_is_optimal(parameters):
    mdp = rm.models.queue(30, **parameters)
    value = optimal_value(mdp)
    candidates = []
    for threshold in range(31):
        policy = np.zeros((31, 2))
        policy[:, 1] = np.arange(31) < threshold
        policy[:, 0] = 1 - policy[:, 1]
        candidates.append(policy_value(mdp, policy))
    np.testing.assert_allclose(np.max(candidates, axis=0), value, rtol=1e-9, atol=1e-9)


def test_transitions_of_a_small_queue():
    mdp = rm.models.queue(2, arrival=0.4, service=0.5)
    P = mdp.to_array()
    np.testing.assert_allclose(P[0], [[1.0, 0.0, 0.0], [0.6, 0.4, 0.0]])
    np.testing.assert_allclose(P[1], [[0.5, 0.5, 0.0], [0.5, 0.1, 0.4]])
    np.testing.assert_allclose(P[2], [[0.0, 0.5, 0.5], [0.0, 0.0, 0.0]])
    np.testing.assert_array_equal(mdp.available, [[True, True], [True, True], [True, False]])
    np.testing.assert_allclose(mdp.rewards, [[0.0, 2.0], [-0.1, 1.9], [-0.2, 0.0]])


def test_arrival_and_service_may_sum_to_one():
    assert rm.models.queue(3, arrival=0.7, service=0.3).to_array().min() == 0.0


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"capacity": 0}, "capacity must be an integer, 1 or more"),
        (
            {"arrival": 0.7, "service": 0.5},
            "arrival \\+ service is 1.2.*must not exceed 1; make the periods shorter",
        ),
        ({"arrival": -0.1}, r"arrival must be a number in \[0, 1\]"),
        ({"holding": float("nan")}, "holding must be a finite number"),
    ],
)
def test_rejects_parameters_out_of_range(parameters, message):
    with pytest.raises(rm.ModelError, match=message):
        rm.models.queue(**parameters)
