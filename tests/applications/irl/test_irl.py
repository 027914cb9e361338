"""Recovery and identification of rewards, and invalid demonstrations."""

import numpy as np
import pytest

import regmdp as rm
from regmdp.applications._minimization import Search
from regmdp.applications.irl import (
    Demonstrations,
    expected_features,
    identify,
    match_features,
    maximize_likelihood,
    reward_with_value,
)
from regmdp.gradients import ModelFunction


def grid(discount=0.95):
    """A gridworld with a known cost of steps, and features of a column, a row and the action up."""
    mdp = rm.models.gridworld(5, 5, walls="open", slip=0.1, discount=discount)
    names = [mdp.describe(state) for state in range(mdp.n_states)]
    cells = np.array([["column 2" in name, "row 1" in name] for name in names], dtype=float)
    features = expected_features(
        mdp, successor=cells, action=np.eye(4)[:, :1], known=mdp.rewards - 0.6
    )
    return mdp, features, np.array([0.2, -0.5, 0.3])


@pytest.mark.parametrize("discount", [0.95, 1.0])
@pytest.mark.parametrize(
    "regularizer",
    [rm.Shannon(0.3), rm.KL(np.array([0.4, 0.3, 0.2, 0.1]), 0.3), rm.Tsallis(1.5, 0.3)],
)
def test_the_reward_of_a_known_policy_is_recovered(discount, regularizer):
    mdp, features, theta = grid(discount)
    expert = rm.solve(features.model(theta), regularizer, tol=1e-12).policy
    found = match_features(features, Demonstrations.from_policy(mdp, expert), regularizer)
    assert found.converged
    assert np.allclose(found.theta, theta, atol=1e-5)
    assert np.allclose(found.policy, expert, atol=1e-6)
    assert identify(found).n_identified == 3


@pytest.mark.parametrize("fit", [match_features, maximize_likelihood])
def test_the_reward_is_estimated_from_trajectories(fit):
    mdp, features, theta = grid(1.0)
    soft = rm.Shannon(0.3)
    expert = rm.solve(features.model(theta), soft, tol=1e-12).policy
    simulator = np.random.default_rng(0)
    trajectories = [walk(mdp, expert, simulator) for _ in range(800)]
    found = fit(features, Demonstrations.from_trajectories(mdp, trajectories), soft)
    assert found.converged
    assert np.allclose(found.theta, theta, atol=0.12)
    assert found.fraction_explained > 0.85


def walk(mdp, policy, rng):
    """Simulate one episode."""
    rows, state = mdp.transitions.to_csr(), int(rng.choice(mdp.n_states, p=mdp.initial))
    states, actions = [state], []
    while not mdp.terminal[state]:
        action = int(rng.choice(mdp.n_actions, p=policy[state]))
        row = rows[[state * mdp.n_actions + action]]
        state = int(rng.choice(row.indices, p=row.data / row.data.sum()))
        states.append(state)
        actions.append(action)
    return np.array(states), np.array(actions)


@pytest.mark.parametrize("fit", [match_features, maximize_likelihood])
def test_a_reward_function_agrees_with_features(fit):
    mdp, features, theta = grid()
    soft = rm.Shannon(0.3)
    demonstrations = Demonstrations.from_policy(
        mdp, rm.solve(features.model(theta), soft, tol=1e-12).policy
    )
    flat = features.features.reshape(*mdp.rewards.shape, 3)
    curved = ModelFunction(
        lambda x: features.mdp.rewards + flat @ np.array([np.exp(x[0]), x[1], x[2]]),
        lambda x: flat * np.array([np.exp(x[0]), 1.0, 1.0]),
        mdp=features.mdp,
    )
    found = fit(curved, demonstrations, soft, start=np.zeros(3))
    assert np.allclose([np.exp(found.theta[0]), *found.theta[1:]], theta, atol=1e-3)
    with pytest.raises(rm.SolverError, match="needs a start"):
        fit(curved, demonstrations, soft)


@pytest.mark.parametrize("discount", [0.99, 1.0])
@pytest.mark.parametrize("fit", [match_features, maximize_likelihood])
def test_derivatives_are_those_of_the_objective(fit, discount):
    mdp, features, theta = grid(discount)
    demonstrations = Demonstrations.from_policy(mdp, rm.uniform_policy(mdp))
    estimate = fit(features, demonstrations, rm.KL(np.array([0.1, 0.2, 0.3, 0.4]), 0.3), ridge=0.1)
    objective = Search(estimate.objective)
    steps = 1e-5 * np.eye(3)
    slope = [
        (objective.value(theta + step) - objective.value(theta - step)) / 2e-5 for step in steps
    ]
    gradient = objective.gradient(theta)
    assert np.allclose(gradient, slope, rtol=1e-5, atol=1e-6 * np.max(np.abs(gradient)))
    for step in steps:
        difference = (objective.gradient(theta + step) - objective.gradient(theta - step)) / 2e-5
        exact = objective.hessian_product(theta, step / 1e-5)
        assert np.allclose(exact, difference, rtol=1e-4, atol=1e-5 * np.max(np.abs(exact)))


def test_shaping_is_not_identified():
    mdp, features, theta = grid()
    soft = rm.Shannon(0.3)
    everything = expected_features(mdp, pair=np.eye(mdp.n_states * 4).reshape(mdp.n_states, 4, -1))
    demonstrations = Demonstrations.from_policy(
        mdp, rm.solve(features.model(theta), soft, tol=1e-12).policy
    )
    found = match_features(everything, demonstrations, soft, ridge=1e-6)
    identification = identify(found)
    # one for each state that is not terminal, whose value is arbitrary, and the four rewards of the
    # terminal state, which have no effect
    assert identification.unidentified.shape[1] == identification.n_shaping == 24 + 4
    assert "no demonstrations can identify them" in identification.summary()


def test_unvisited_states_are_not_identified():
    mdp = rm.models.gridworld(4, 4, walls="open", slip=0.0, discount=0.9)
    start = np.zeros(16)
    start[0] = 1.0
    mdp = mdp.with_initial(start)
    right_and_down = np.zeros((16, 4))
    right_and_down[:, 1] = right_and_down[:, 2] = 0.5
    right_and_down[mdp.terminal] = 0.0
    barred = rm.KL(np.array([0.0, 0.5, 0.5, 0.0]), 0.3)
    start[0], start[5] = 0.0, 1.0
    demonstrations = Demonstrations.from_policy(mdp.with_initial(start), right_and_down)
    features = expected_features(
        mdp, state=np.eye(16)[:, [0, 6]]
    )  # state 0 cannot be reached from state 5
    identification = identify(match_features(features, demonstrations, barred, ridge=1e-6))
    assert identification.n_identified == 1
    assert (
        identification.n_shaping == 1
    )  # all actions leave state 0, so its reward changes no policy


def test_the_likelihood_does_not_identify_rewards_of_other_states():
    mdp, soft = rm.models.chain(4), rm.Shannon(0.5)
    demonstrations = Demonstrations.from_trajectories(
        mdp, [(np.array([0]), np.array([action])) for action in (0, 0, 1)]
    )
    everything = expected_features(mdp, pair=np.eye(8).reshape(4, 2, 8))
    found = maximize_likelihood(everything, demonstrations, soft, ridge=1e-6)
    identification = identify(found)
    # two actions in the one state with demonstrations: one number is identified
    assert (identification.n_identified, identification.n_shaping) == (1, 4)
    assert "3 change the policy only in states without demonstrations" in identification.summary()
    assert found.log_likelihood == pytest.approx(2 * np.log(2 / 3) + np.log(1 / 3), abs=1e-3)


def test_a_policy_has_one_reward_for_each_value():
    mdp, features, theta = grid()
    for regularizer in (rm.Shannon(0.3), rm.Tsallis(1.2, 0.3), rm.LogBarrier(0.1)):
        policy = rm.solve(features.model(theta), regularizer, tol=1e-12).policy
        value = np.random.default_rng(0).normal(size=mdp.n_states)
        rewards = reward_with_value(mdp, policy, value, regularizer)
        again = rm.solve(mdp.with_rewards(rewards), regularizer, tol=1e-12)
        assert np.allclose(again.value, np.where(mdp.terminal, 0.0, value), atol=1e-9)
        assert np.allclose(again.policy, policy, atol=1e-7)


def test_a_policy_that_no_finite_reward_explains_is_refused():
    mdp = rm.models.bandit()
    with pytest.raises(
        rm.SolverError, match="no finite reward makes a policy optimal that gives .* probability 0"
    ):
        reward_with_value(mdp, np.array([[0.5, 0.5, 0.0]]), np.zeros(1), rm.Shannon(1.0))


def test_demonstrations_from_datasets_and_occupancies():
    mdp, features, theta = grid(1.0)
    policy = rm.solve(features.model(theta), rm.Shannon(0.3), tol=1e-12).policy
    exact = Demonstrations.from_policy(mdp, policy)
    assert np.allclose(
        Demonstrations.from_occupancy(mdp, exact.occupancy).occupancy, exact.occupancy
    )
    data = rm.samples.Dataset.from_columns(
        {
            "state": [0, 1, 0],
            "action": [1, 1, 2],
            "reward": [0.0] * 3,
            "next_state": [1, 2, 5],
            "episode": [0, 0, 1],
            "terminated": [False, False, False],
        },
        n_states=25,
        n_actions=4,
    )
    assert Demonstrations.from_dataset(mdp, data).counts.sum() == 3
    assert Demonstrations.from_dataset(mdp, data).initial[0] == 1.0


@pytest.mark.parametrize(
    ("trajectories", "message"),
    [
        ([], "there are no demonstrations"),
        ([([0], [])], "trajectory 0 has 1 states and 0 actions"),
        ([([0, 1], [1]), ([0, 1, 2], [1])], "trajectory 1 has 3 states and 1 actions"),
        ([([0, 1], [1, 7])], "trajectory 0, step 1: there is no action 7; they run from 0 to 3"),
        ([([0, 99], [1, 1])], "trajectory 0, step 1: there is no state 99; they run from 0 to 24"),
        (
            [([0, 1, 3], [1, 1, 1])],
            (
                r"trajectory 0, step 2: state 1 .* does not lead to state 3 in the model; 1 "
                r"of 2 transitions is wrong; check"
            ),
        ),
        ([([24], [0])], "trajectory 0, step 0: state 24 .* is not available"),
        ([([0.5], [0])], "the states of trajectory 0 must be an array of integers, not of float64"),
        ([3], "trajectory 0 must be a pair"),
    ],
)
def test_invalid_trajectories_are_refused(trajectories, message):
    mdp, _, _ = grid()
    pairs = [
        one
        if isinstance(one, int)
        else tuple(
            np.array(part, dtype=int if not part or isinstance(part[0], int) else float)
            for part in one
        )
        for one in trajectories
    ]
    with pytest.raises(rm.SampleError, match=message):
        Demonstrations.from_trajectories(mdp, pairs)


def test_features_of_successors_become_expectations():
    mdp, _, _ = grid()
    rng = np.random.default_rng(0)
    of_next, of_all = (
        rng.normal(size=(mdp.n_states, 1)),
        rng.normal(size=(mdp.n_states, 4, mdp.n_states)),
    )
    features = expected_features(mdp, successor=of_next, transition=[of_all])
    rows = mdp.to_array()
    assert np.allclose(features.combine(np.array([1.0, 0.0])), (rows @ of_next)[..., 0])
    assert np.allclose(features.combine(np.array([0.0, 1.0])), np.sum(rows * of_all, axis=2))
    with pytest.raises(
        rm.SolverError, match=r"features of the successor must have shape \(25, K\), not \(25,\)"
    ):
        expected_features(mdp, successor=of_next[:, 0])
    with pytest.raises(rm.SolverError, match="there are no features"):
        expected_features(mdp)


def test_an_occupancy_that_does_not_balance_is_refused():
    mdp, _, _ = grid()
    with pytest.raises(
        rm.SampleError, match=r"leave state 0 .* and .* enter it, .*; 24 of 25 states are wrong"
    ):
        Demonstrations.from_occupancy(mdp, np.where(mdp.available, 1.0, 0.0))


def test_the_likelihood_needs_positive_probabilities():
    mdp, features, _ = grid()
    demonstrations = Demonstrations.from_policy(mdp, rm.uniform_policy(mdp))
    with pytest.raises(rm.RegularizerError, match="needs Shannon or KL"):
        maximize_likelihood(features, demonstrations, rm.Tsallis(1.5, 0.3))
    with pytest.raises(
        rm.RegularizerError, match="was demonstrated, but the reference gives it probability 0"
    ):
        maximize_likelihood(features, demonstrations, rm.KL(np.array([0.5, 0.5, 0.0, 0.0]), 0.3))


@pytest.mark.parametrize("status", [rm.Status.STOPPED, rm.Status.INTERRUPTED])
@pytest.mark.parametrize("fit", [match_features, maximize_likelihood])
def test_a_stopped_search_returns_the_best_parameters(fit, status):
    def stop(event):
        events.append(event)
        if len(events) == 3 and status is rm.Status.INTERRUPTED:
            raise KeyboardInterrupt
        return len(events) < 3

    events = []
    mdp, features, theta = grid()
    expert = rm.solve(features.model(theta), rm.Shannon(0.3)).policy
    demonstrations = Demonstrations.from_policy(mdp, expert)
    found = fit(features, demonstrations, rm.Shannon(0.3), callback=stop)
    assert found.status is status
    assert not found.converged
    assert found.message.startswith(f"{status.word}: the gradient's norm is")
    best = min(events, key=lambda event: event.measures["objective"])
    assert np.array_equal(found.theta, best.state.theta)
    assert best.measures["gradient"] == pytest.approx(np.linalg.norm(found.gradient))


def test_events_of_the_likelihood_have_its_logarithm():
    mdp, features, _ = grid()
    demonstrations = Demonstrations.from_policy(mdp, rm.uniform_policy(mdp))
    events = []
    found = maximize_likelihood(
        features, demonstrations, rm.Shannon(0.3), ridge=0.1, callback=events.append
    )
    best = min(events, key=lambda event: event.measures["objective"])
    assert best.measures["log_likelihood"] == pytest.approx(found.log_likelihood, abs=1e-8)
    ridge = 0.05 * float(best.state.theta @ best.state.theta)
    assert best.measures["objective"] == pytest.approx(ridge - found.log_likelihood, abs=1e-8)
