import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env
from small_solvers import policy_value

import regmdp as rm

MODELS = {
    "frozen lake": lambda: rm.io.from_gymnasium("FrozenLake-v1", discount=1.0),
    "taxi": lambda: rm.io.from_gymnasium("Taxi-v4", discount=1.0),
    "chain": rm.models.chain,
    "bandit": rm.models.bandit,
    "gridworld": rm.models.gridworld,
    "garnet, dense": lambda: rm.models.garnet(5, 3, 4),
}


# warnings are errors, so the checker's advice is heeded too
@pytest.mark.parametrize("max_steps", [None, 10])
@pytest.mark.parametrize("build", MODELS.values(), ids=MODELS)
def test_passes_gymnasiums_checker(build, max_steps):
    check_env(rm.io.to_gymnasium(build(), max_steps=max_steps))


def returns(mdp, policy, episodes, seed):
    env = rm.io.to_gymnasium(mdp)
    rng = np.random.default_rng(seed)
    totals = np.zeros(episodes)
    for episode in range(episodes):
        state, _ = env.reset(seed=int(rng.integers(2**31)))
        weight, over = 1.0, False
        while not over and weight > 1e-6:
            action = 0 if mdp.terminal[state] else rng.choice(mdp.n_actions, p=policy[state])
            state, reward, over, _, _ = env.step(action)
            totals[episode] += weight * reward
            weight *= mdp.discount
    return totals


def with_everything():
    """Masks, a terminal state, termination, an initial distribution that may begin at the end."""
    P = rm.models.garnet(6, 3, 3, rng=1).to_array()
    rng = np.random.default_rng(2)
    available = np.array([[True, False, True]] * 3 + [[True] * 3] * 2 + [[False] * 3])
    termination = 0.3 * rng.random((6, 3))
    initial = [0.2, 0.2, 0.2, 0.2, 0.1, 0.1]
    rewards = rng.standard_normal((6, 3))
    return rm.MDP(
        P * (1 - termination)[..., None],
        rewards,
        0.9,
        available=available,
        termination=termination,
        initial=initial,
    )


@pytest.mark.parametrize(
    ("build", "episodes"),
    [
        (MODELS["frozen lake"], 3000),
        (with_everything, 3000),
        (lambda: rm.models.queue(3, discount=0.8), 500),
    ],
    ids=["frozen lake", "everything", "queue"],
)
def test_mean_return_is_the_value(build, episodes):
    mdp = build()
    policy = rm.uniform_policy(mdp)
    sample = returns(mdp, policy, episodes, seed=3)
    z = (sample.mean() - mdp.initial @ policy_value(mdp, policy)) / (
        sample.std(ddof=1) / np.sqrt(episodes)
    )
    assert abs(z) < 4


def test_entering_a_terminal_state_terminates():
    env = rm.io.to_gymnasium(rm.models.gridworld_from_drawing("SG", slip=0.0))
    env.reset(seed=0)
    state, reward, terminated, truncated, info = env.step(1)
    assert (state, reward, terminated, truncated) == (1, 1.0, True, False)
    assert info["action_mask"].tolist() == [0, 0, 0, 0]
    with pytest.raises(gymnasium.error.ResetNeeded, match="call reset"):
        env.step(1)


def test_the_observation_after_termination_is_the_last_state():
    mdp = rm.MDP(np.zeros((1, 1, 1)), np.array([[3.0]]), 1.0, termination=np.array([[1.0]]))
    env = rm.io.to_gymnasium(mdp)
    env.reset(seed=0)
    assert env.step(0)[:4] == (0, 3.0, True, False)


def test_truncation():
    env = rm.io.to_gymnasium(rm.models.chain(), max_steps=2)
    env.reset(seed=0)
    assert env.step(1)[2:4] == (False, False)
    assert env.step(1)[2:4] == (False, True)
    with pytest.raises(rm.ModelError, match="max_steps must be an integer, 1 or more"):
        rm.io.to_gymnasium(rm.models.chain(), max_steps=0)


def test_unavailable_actions_are_errors_and_the_mask_avoids_them():
    mdp = rm.models.queue(1)
    env = rm.io.to_gymnasium(mdp)
    _, info = env.reset(seed=1)
    with pytest.raises(gymnasium.error.InvalidAction, match="actions are 0 to 1"):
        env.step(2)
    seen = set()
    for _ in range(100):
        state, _, _, _, info = env.step(env.action_space.sample(info["action_mask"]))
        seen.add(state)
    assert seen == {0, 1}
    while state != 1:
        state, *_ = env.step(1)
    with pytest.raises(
        gymnasium.error.InvalidAction, match=r"state 1, action 1 \(admit\) is not available"
    ):
        env.step(1)


def test_cannot_step_before_reset():
    with pytest.raises(gymnasium.error.ResetNeeded):
        rm.io.to_gymnasium(rm.models.chain()).step(0)
