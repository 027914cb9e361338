"""Where h is infinite or not a number, there is an error or an infinite bound, and never NaN."""

import numpy as np
import pytest

import regmdp as rm

MDP = rm.MDP(np.ones((1, 2, 1)), np.array([[0.0, 1.0]]), 0.9)
UNFEASIBLE = {
    "a barrier at a forbidden action": rm.KL([1.0, 0.0], 1.0) + rm.LogBarrier(1.0),
    "disjoint references": rm.KL([1.0, 0.0], 1.0) + rm.KL([0.0, 1.0], 1.0),
    "forbidden by different parts": rm.KL([1.0, 0.0], 1.0) + rm.Box(0.0, [0.0, 1.0]),
}


@pytest.mark.parametrize("kind", UNFEASIBLE)
@pytest.mark.parametrize("discount", [0.0, 0.9, 1.0])
def test_a_regularizer_that_permits_no_policy_is_refused(kind, discount):
    mdp = rm.MDP(0.5 * np.ones((1, 2, 1)), MDP.rewards, discount, termination=np.full((1, 2), 0.5))
    for attempt in (
        lambda h: rm.certify(mdp, h, value=[0.0]),
        lambda h: rm.certify(mdp, h, policy=[0]),
        lambda h: rm.evaluate(mdp, [0], h),
        lambda h: rm.solve(mdp, h),
    ):
        with pytest.raises(rm.RegularizerError, match="permits no policy in state 0"):
            attempt(UNFEASIBLE[kind])


def test_a_barrier_needs_only_the_available_actions():
    mdp = rm.MDP(MDP.to_array(), MDP.rewards, 0.9, available=[[True, False]])
    sum_of_both = rm.KL([1.0, 0.0], 1.0) + rm.LogBarrier(1.0)
    assert rm.solve(mdp, sum_of_both).status.ok


class Pure(rm.Regularizer):
    """A regularizer that is infinite at every policy with a zero, and has such greedy policies."""

    temperature = 1.0

    def __init__(self, at_zero):
        self.at_zero = at_zero

    def value(self, p, available=None):
        return np.where(np.all(p > 0, axis=-1), 0.0, self.at_zero)

    def greedy(self, y, available=None):
        return np.eye(y.shape[-1])[np.argmax(y, axis=-1)]

    def bounds(self, n_actions):
        return 0.0, np.inf


@pytest.mark.parametrize("at_zero", [np.inf, np.nan])
@pytest.mark.parametrize("n_states", [1, 3])
def test_a_policy_where_h_is_infinite_or_nan_has_no_bound_that_is_nan(at_zero, n_states):
    mdp = rm.models.garnet(n_states, 2, 1, discount=0.9)
    for attempt in (
        lambda h: rm.certify(mdp, h, value=np.zeros(n_states)),
        lambda h: rm.certify(mdp, h, policy=rm.uniform_policy(mdp), value=np.zeros(n_states)),
        lambda h: rm.solve(mdp, h, max_iterations=3).certificate,
    ):
        try:
            found = attempt(Pure(at_zero))
        except rm.RegmdpError:
            continue
        for name in ("lower", "upper", "policy_lower", "policy_upper", "gap", "initial_gap"):
            assert not np.isnan(getattr(found, name)).any()


@pytest.mark.parametrize("size", [1e300, 1e308, 1.7e308])
@pytest.mark.parametrize("discount", [0.0, 0.9, 1.0 - 2.0**-50])
def test_values_of_the_largest_size_give_no_nan(size, discount):
    mdp = rm.models.garnet(5, 3, 2, discount=discount)
    for value in (
        size * np.array([1.0, -1.0, 1.0, 0.0, -1.0]),
        np.full(5, size),
        np.full(5, -size),
    ):
        if size > 1e300:
            with pytest.raises(rm.SolverError, match="value of any model"):
                rm.certify(mdp, value=value)
            continue
        found = rm.certify(mdp, value=value)
        assert not np.isnan([found.lower, found.upper, found.policy_lower]).any()
        optimum = rm.solve(mdp).certificate
        assert np.all(found.lower <= optimum.upper)
        assert np.all(optimum.lower <= found.upper)
