"""Vector environments: every reset mode samples the transitions of the model."""

import sys

import gymnasium
import numpy as np
import pytest
from gymnasium.spaces import Box, Discrete, MultiDiscrete
from gymnasium.vector import AutoresetMode, SyncVectorEnv, VectorEnv

import regmdp as rm
from regmdp.evaluation import Rollouts, RunBatch
from regmdp.samples import RandomStreams

MODES = list(AutoresetMode)

each_mode = pytest.mark.parametrize("mode", MODES, ids=[mode.value for mode in MODES])


def made(name, count, mode, **options):
    return gymnasium.make_vec(
        name,
        num_envs=count,
        vectorization_mode="sync",
        vector_kwargs={"autoreset_mode": mode},
        **options,
    )


def some_policy(shape, seed=0):
    return 0.5 / shape[1] + 0.5 * np.random.default_rng(seed).dirichlet(
        np.ones(shape[1]), size=shape[0]
    )


def streams(seed=0):
    return RandomStreams([np.random.default_rng(seed)])


# ---- the transitions ----


class Line(gymnasium.Env):
    """A line of places, from 10 on: action 7 moves on, and from place 13 to the end; action 8
    waits. Cut off after 5 steps.
    """

    def __init__(self, start=10, actions=7):
        self.observation_space, self.action_space = (
            Discrete(4, start=start),
            Discrete(2, start=actions),
        )
        self.start, self.go = start, actions

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.place, self.age = int(self.np_random.integers(2)), 0
        return np.int64(self.start + self.place), {}

    def step(self, action):
        assert self.action_space.contains(action)
        self.age += 1
        before = self.place
        ends = action == self.go and self.place == 3
        self.place = min(3, self.place + (action == self.go))
        return (
            np.int64(self.start + self.place),
            10.0 * before + (action - self.go),
            bool(ends),
            self.age >= 5,
            {},
        )


@each_mode
@pytest.mark.parametrize("wait", [False, True])
def test_transitions_are_those_of_the_environment(mode, wait):
    env = SyncVectorEnv([Line] * 6, autoreset_mode=mode)
    source = rm.io.from_vector_env(env, 0.9)
    assert (source.n_states, source.n_actions, source.n_envs) == (4, 2, 6)
    walk = source.start_rollout(6, streams())
    rng = np.random.default_rng(1)
    age, ends, cuts, begins, rests = np.zeros(6, dtype=int), 0, 0, [], 0
    for _ in range(60):
        state = walk.state.copy()
        begins.extend(state[0, age == 0])
        assert np.isin(state[0, age == 0], (0, 1)).all()
        resetting = (
            np.zeros((1, 6), dtype=bool) if walk.resetting is None else walk.resetting.copy()
        )
        action = (
            (rng.random((1, 6)) < 0.5).astype(np.int64)
            if wait
            else np.zeros((1, 6), dtype=np.int64)
        )
        step = walk.step(action)
        live = ~resetting[0]
        age = np.where(live, age + 1, 0)
        terminated = (state == 3) & (action == 0)
        np.testing.assert_array_equal(step.reward[0, live], (10.0 * state + action)[0, live])
        np.testing.assert_array_equal(
            step.next_state[0, live], np.minimum(state + (action == 0), 3)[0, live]
        )
        np.testing.assert_array_equal(step.terminated[0, live], terminated[0, live])
        np.testing.assert_array_equal(step.truncated[0, live], (~terminated[0] & (age == 5))[live])
        # what is marked as rest is paid nothing, has not ended, and is over
        assert (step.reward[resetting] == 0).all()
        assert not step.terminated[resetting].any()
        assert step.truncated[resetting].all()
        over = (step.terminated | step.truncated)[0]
        assert (walk.state[0, ~over] == step.next_state[0, ~over]).all()
        if walk.resetting is not None:
            np.testing.assert_array_equal(walk.resetting[0], over & live)
        ends, cuts, rests = (
            ends + step.terminated.sum(),
            cuts + (step.truncated & ~resetting).sum(),
            rests + resetting.sum(),
        )
        age = np.where(over, np.where(live & (walk.resetting is not None), 99, 0), age)
    assert ends > 5
    assert (cuts > 5) == wait
    assert (rests > 5) == (mode is AutoresetMode.NEXT_STEP)
    assert set(begins) == {0, 1}
    assert walk.steps == 60


def test_the_seed_of_the_run_determines_the_first_reset():
    source = rm.io.from_vector_env(SyncVectorEnv([Line] * 20), 0.9)
    first, again, other = (source.start_rollout(20, streams(seed)).state for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()


@each_mode
def test_estimates_do_not_depend_on_the_first_number_of_a_space(mode):
    estimates = []
    for start, actions in ((0, 0), (10, 7), (-3, 2)):
        env = SyncVectorEnv(
            [lambda start=start, actions=actions: Line(start, actions)] * 4, autoreset_mode=mode
        )
        source = rm.io.from_vector_env(env, 0.9)
        estimates.append(
            Rollouts(40)(
                RunBatch(source, streams()), rm.Unregularized(), np.full((4, 2), 0.5), None
            )
        )
    for estimate in estimates[1:]:
        np.testing.assert_array_equal(estimate.q, estimates[0].q)
        assert estimate.samples == estimates[0].samples


# the processes are forked, which JAX warns of where another test has loaded it; these use nothing
# of it
@pytest.mark.filterwarnings("ignore:os.fork:RuntimeWarning")
def test_with_several_processes():
    env = gymnasium.vector.AsyncVectorEnv([Line] * 2, autoreset_mode=AutoresetMode.SAME_STEP)
    try:
        both = [
            Rollouts(20)(
                RunBatch(rm.io.from_vector_env(env, 0.9), streams()),
                rm.Unregularized(),
                np.full((4, 2), 0.5),
                None,
            )
            for env in (env, SyncVectorEnv([Line] * 2, autoreset_mode=AutoresetMode.SAME_STEP))
        ]
    finally:
        env.close()
    np.testing.assert_array_equal(both[0].q, both[1].q)


# ---- against the models ----


@pytest.mark.parametrize(
    ("name", "discount", "mode"),
    [
        ("FrozenLake-v1", 0.8, AutoresetMode.NEXT_STEP),
        ("CliffWalking-v1", 0.6, AutoresetMode.SAME_STEP),
        ("Taxi-v4", 0.6, AutoresetMode.DISABLED),
    ],
)
def test_gradients_and_action_values_match_the_model(name, discount, mode):
    mdp, tau = rm.io.from_gymnasium(name, discount=discount), 0.2
    policy = some_policy(mdp.available.shape)
    horizon = 20 if name == "FrozenLake-v1" else 12
    gradient, mean_q, weight = truncated(mdp, tau, policy, horizon)
    # what the horizon leaves out is small
    exact = rm.bellman.q_values(mdp, rm.evaluate(mdp, policy, rm.Shannon(tau)).value)
    assert np.abs(mean_q - exact)[weight > 1e-3].max() < 0.05 * np.abs(exact).max()
    source = rm.io.from_vector_env(made(name, 40, mode), discount)
    episodes, batches = 80, 20
    estimates = [
        Rollouts(episodes, horizon=horizon)(
            RunBatch(source, streams(seed)), rm.Shannon(tau), policy, None
        )
        for seed in range(batches)
    ]
    # the gradient, in several directions
    for direction in np.random.default_rng(0).choice([-1.0, 1.0], size=(8, *policy.shape)):
        slope = np.array([np.sum(estimate.gradient * direction) for estimate in estimates])
        assert abs(slope.mean() - np.sum(gradient * direction)) < 4 * slope.std(ddof=1) / np.sqrt(
            batches
        )
    if name == "Taxi-v4":
        return  # it begins anywhere, and comes to few pairs often
    # pairs that are visited so often on average that no batch misses them
    often = episodes * weight[:, None] * policy > 12
    assert np.count_nonzero(often) >= 4
    q = np.array([estimate.q[often] for estimate in estimates])
    assert (
        np.abs(q.mean(axis=0) - mean_q[often]) <= 4 * q.std(axis=0, ddof=1) / np.sqrt(batches)
    ).all()


@each_mode
@pytest.mark.parametrize("trace", [0.0, 0.6])
def test_temporal_differences_use_transitions_only(mode, trace):
    """Every reward and successor is certain: with steps of size 1 only a wrong transition keeps Q
    from its place.
    """
    env = rm.io.from_vector_env(SyncVectorEnv([Line] * 6, autoreset_mode=mode), 0.8)
    policy = np.array([[0.6, 0.4]] * 4)
    if trace:
        evaluation = rm.evaluation.TD(600, step_size=0.1, trace_decay=trace, n_envs=6)
    else:
        evaluation = rm.evaluation.TD(400, step_size=1.0, n_envs=6)
    q = evaluation(RunBatch(env, streams()), rm.Shannon(0.5), policy, None).q
    assert np.abs(q - exact_on_the_line(0.8, 0.5, policy)).max() < (1e-9 if not trace else 3.0)


@each_mode
def test_a_buffer_stores_transitions_only(mode):
    env = rm.io.from_vector_env(SyncVectorEnv([Line] * 6, autoreset_mode=mode), 0.8)
    policy = np.array([[0.6, 0.4]] * 4)
    evaluation = rm.evaluation.ReplayTD(
        300, 2000, batch_size=20, step_size=1.0, n_envs=6, target="expected"
    )
    q = evaluation(RunBatch(env, streams()), rm.Shannon(0.5), policy, None).q
    assert np.abs(q - exact_on_the_line(0.8, 0.5, policy)).max() < 1e-9


def exact_on_the_line(discount, tau, policy):
    """Return the (S, A) action values on the line without a time limit."""
    transitions, termination = np.zeros((4, 2, 4)), np.zeros((4, 2))
    for place in range(4):
        transitions[place, 1, place] = 1.0
        if place < 3:
            transitions[place, 0, place + 1] = 1.0
    termination[3, 0] = 1.0
    rewards = 10.0 * np.arange(4)[:, None] + np.array([0.0, 1.0])
    mdp = rm.MDP(transitions, rewards, discount, termination=termination)
    return rm.evaluate(mdp, policy, rm.Shannon(tau)).q


def truncated(mdp, tau, policy, horizon):
    """What whole episodes of H steps give on average: gradients, action values, and the weights of
    the states in them.
    """
    left, values = np.zeros(mdp.n_states), []  # the value of the steps that are left
    for _ in range(horizon):
        values.append(rm.bellman.q_values(mdp, left))
        left = rm.bellman.policy_backup(mdp, rm.Shannon(tau), policy, left)
    chain, here = mdp.transitions.policy_matrix(policy), mdp.initial
    gradient, paid, weight = np.zeros(policy.shape), np.zeros(policy.shape), np.zeros(mdp.n_states)
    for q in reversed(values):
        net = q - tau * np.log(policy)
        gradient += here[:, None] * policy * (net - (policy * net).sum(axis=1, keepdims=True))
        paid, weight = paid + here[:, None] * q, weight + here
        here = mdp.discount * (chain.T @ here)
    return gradient, paid / np.where(weight > 0, weight, 1.0)[:, None], weight


def test_learning_to_cross_the_lake():
    mdp = rm.io.from_gymnasium("FrozenLake-v1", discount=0.9, is_slippery=False)
    env = made("FrozenLake-v1", 32, AutoresetMode.SAME_STEP, is_slippery=False)
    algorithm = rm.algorithms.NPG(0.1, evaluation=Rollouts(64, horizon=20))
    learned = rm.learn(
        rm.io.from_vector_env(env, 0.9),
        rm.Shannon(0.005),
        algorithm,
        max_iterations=30,
        rng=np.random.default_rng(0),
    )
    reached = rm.evaluate(mdp, learned.policy[0]).initial_value
    assert reached > 0.5 * rm.solve(mdp).initial_value
    assert rm.evaluate(mdp, np.full((16, 4), 0.25)).initial_value < 0.1 * reached


# ---- what does not go ----


PLACES, MOVES = Discrete(3), Discrete(2)


class Fixed(VectorEnv):
    """Two sub-environments that return given answers."""

    def __init__(self, observation=PLACES, action=MOVES, mode=AutoresetMode.SAME_STEP, answers=()):
        self.num_envs, self.single_observation_space, self.single_action_space = (
            2,
            observation,
            action,
        )
        self.metadata = {} if mode is None else {"autoreset_mode": mode}
        self.answers = list(answers)

    def reset(self, *, seed=None, options=None):
        return np.zeros(2, dtype=np.int64), {}

    def step(self, actions):
        nothing = [False, False]
        answer = {
            "observation": [1, 1],
            "reward": [0.0, 0.0],
            "terminated": nothing,
            "truncated": nothing,
            "info": {},
        }
        answer |= self.answers.pop(0)
        return tuple(
            np.array(value) if isinstance(value, list) else value for value in answer.values()
        )


@pytest.mark.parametrize(
    "space", [Box(0.0, 1.0, (2,)), MultiDiscrete([2, 3])], ids=["box", "several"]
)
def test_spaces_are_numbers(space):
    with pytest.raises(
        rm.ModelError,
        match=(
            r"the observation space .* must be Discrete.*discretise it.* "
            r"gymnasium.wrappers.TransformObs"
        ),
    ):
        rm.io.from_vector_env(Fixed(observation=space), 0.9)
    with pytest.raises(
        rm.ModelError,
        match=(
            r"the action space .* must be Discrete.*discretise it.* "
            r"gymnasium.wrappers.TransformAction"
        ),
    ):
        rm.io.from_vector_env(Fixed(action=space), 0.9)


def test_other_objects_than_vector_environments_are_errors():
    with pytest.raises(
        rm.SampleError, match=r"must be a gymnasium.vector.VectorEnv.*from_gymnasium"
    ):
        rm.io.from_vector_env(gymnasium.make("FrozenLake-v1"), 0.9)
    with pytest.raises(
        rm.SampleError, match="reset mode .* is unknown: .* is None, and must be one of"
    ):
        rm.io.from_vector_env(Fixed(mode=None), 0.9)


def test_one_run_in_all_sub_environments():
    source = rm.io.from_vector_env(Fixed(), 0.9)
    algorithm = rm.algorithms.NPG(0.1, evaluation=Rollouts(5))
    two = [np.random.default_rng(0), np.random.default_rng(1)]
    with pytest.raises(
        rm.SampleError,
        match="one run, but there are 2 generators; call learn once for each",
    ):
        rm.learn(source, None, algorithm, max_iterations=1, rng=two)
    with pytest.raises(
        rm.SampleError,
        match="2 sub-environments cannot run 3 episodes side by side; set n_envs=2",
    ):
        source.start_rollout(3, streams())
    with pytest.raises(rm.SampleError, match="needs an MDP or a simulator, not Environment"):
        rm.learn(
            source,
            None,
            rm.algorithms.NPG(0.1, evaluation=rm.evaluation.MonteCarlo(5)),
            max_iterations=1,
            rng=two[0],
        )


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (
            {"reward": [0.0, np.nan]},
            r"sub-environment 1, step 2: the reward is nan; 1 of 2 are wrong",
        ),
        (
            {"reward": [-np.inf, np.nan]},
            r"sub-environment 0, step 2: the reward is -inf; 2 of 2 are wrong",
        ),
        (
            {"observation": [0, 3]},
            (
                r"sub-environment 1, step 2: the observation, which must be an integer from 0 to "
                r"2, is 3"
            ),
        ),
        ({"observation": [-1, 0]}, r"sub-environment 0, step 2: the observation, .*, is -1"),
        ({"observation": [0.5, 0]}, r"sub-environment 0, step 2: the observation, .*, is 0.5"),
        ({"observation": [np.nan, 0]}, r"sub-environment 0, step 2: the observation, .*, is nan"),
        ({"observation": ["a", "b"]}, r"the observation of step 2 is not an array of integers"),
        ({"observation": [0, 1, 2]}, r"the observation of step 2 has shape \(3,\), not \(2,\)"),
        (
            {"terminated": [True, False]},
            r"ended on step 2, but info has no 'final_obs'",
        ),
        (
            {"terminated": [True, False], "info": {"final_obs": np.array([9, None])}},
            r"sub-environment 0, step 2: .*, is 9",
        ),
        (
            {"terminated": [True, False], "info": {"final_obs": np.array([None, None])}},
            r"sub-environment 0, step 2: .*, is nan",
        ),
    ],
)
def test_impossible_observations_and_rewards_are_errors(answer, message):
    walk = rm.io.from_vector_env(Fixed(answers=[{}, answer]), 0.9).start_rollout(2, streams())
    action = np.zeros((1, 2), dtype=np.int64)
    walk.step(action)
    with pytest.raises(rm.SampleError, match=message):
        walk.step(action)


def test_a_reset_mode_that_differs_from_the_metadata():
    action, ends = np.zeros((1, 2), dtype=np.int64), {"terminated": [True, False]}
    walk = rm.io.from_vector_env(
        Fixed(mode=AutoresetMode.NEXT_STEP, answers=[ends, ends]), 0.9
    ).start_rollout(2, streams())
    walk.step(action)
    with pytest.raises(
        rm.SampleError, match="sub-environment 0 ended on step 2, which should have reset it"
    ):
        walk.step(action)
    # it resets both when only one was to be
    walk = rm.io.from_vector_env(
        Fixed(mode=AutoresetMode.DISABLED, answers=[ends]), 0.9
    ).start_rollout(2, streams())
    with pytest.raises(
        rm.SampleError,
        match="on step 1 .* were reset, too; .* make the environment with autoreset_mode SAME_STEP",
    ):
        walk.step(action)


def test_states_without_actions_are_terminal():
    available = np.array([[True, True], [False, False], [True, False]])
    source = rm.io.from_vector_env(
        Fixed(answers=[{}]), 0.9, available=available, state_labels=["a", "b", "c"]
    )
    assert source.terminal.tolist() == [False, True, False]
    np.testing.assert_array_equal(source.initial, [0.5, 0, 0.5])
    assert source.describe(2) == "state 2 (c)"
    walk = source.start_rollout(2, streams())
    with pytest.raises(
        rm.SampleError,
        match="sub-environment 0, step 1: an episode has not ended, but its state has no",
    ):
        walk.step(np.zeros((1, 2), dtype=np.int64))


@pytest.mark.parametrize("missing", ["gymnasium.vector", "AutoresetMode"])
def test_an_old_gymnasium_is_an_error(missing, monkeypatch):
    env = Fixed()
    if missing == "AutoresetMode":
        monkeypatch.delattr(gymnasium.vector, "AutoresetMode")
    else:
        monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(rm.io.vector_env.MissingExtraError, match="needs the package 'gymnasium"):
        rm.io.from_vector_env(env, 0.9)
