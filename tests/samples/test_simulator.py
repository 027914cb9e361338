"""User simulators: their results are checked, row by row."""

import numpy as np
import pytest

import regmdp as rm
from regmdp.samples import (
    RandomStreams,
    TableSimulator,
    UserSimulator,
    as_simulator,
    draw_categorical,
)


def simulator(sample, **options):
    return UserSimulator(sample, **{"n_states": 3, "n_actions": 2, "discount": 0.9, **options})


def good(state, action, rng):
    return (state + action) % 3, np.ones(state.shape)


ROWS = (np.array([0, 1, 2]), np.array([0, 1, 1]))


def broken(column, row, value):
    def sample(state, action, rng):
        columns = [np.array(part, dtype=np.float64) for part in good(state, action, rng)] + [
            np.zeros(state.shape, dtype=np.bool_)
        ]
        columns[column][row] = value
        return tuple(columns)

    return sample


@pytest.mark.parametrize(
    ("sample", "message"),
    [
        (
            broken(1, 1, np.nan),
            r"row 1 .* state 1, action 1: the reward is nan; 1 of 3 rows is wrong",
        ),
        (broken(1, 2, -np.inf), r"row 2 .* the reward is -inf"),
        (
            broken(0, 2, 3),
            (
                r"row 2 .* state 2, action 1: the next state, which must be an integer from 0 to "
                r"2, is 3"
            ),
        ),
        (broken(0, 0, -1), r"row 0 .* is -1"),
        (broken(0, 1, 0.5), r"row 1 .* is 0.5"),
        (broken(1, 0, 7.0), r"row 0 .* the reward, outside of reward_range \(0, 2\), is 7"),
        (lambda s, a, rng: s, r"must return \(next_state, reward\)"),
        (
            lambda s, a, rng: (s[:1], np.ones(3)),
            r"called with 3 rows and returned next_state of shape \(1,\)",
        ),
        (
            lambda s, a, rng: (s, ["x"] * 3),
            "must return integers for next_state and numbers for reward",
        ),
        (lambda s, a, rng: (s + 0j, np.zeros(3)), "numbers for reward, not complex128 and float64"),
        (lambda s, a, rng: (s, np.ones(3, dtype=bool)), "not int64 and bool"),
        (
            lambda s, a, rng: (np.array([0.0, np.nan, 1e300]), np.zeros(3)),
            "row 1 .* is nan; 2 of 3",
        ),
        (
            lambda s, a, rng: (s, np.zeros(3), np.array(["False"] * 3)),
            "row 0: terminated, as returned by sample, is False, which is neither true nor false",
        ),
        (
            lambda s, a, rng: (s, np.zeros(3), np.array([0.0, np.nan, 2.0])),
            "row 1: terminated, as returned by sample, is nan, .*; 2 of 3",
        ),
    ],
)
def test_wrong_results_of_a_simulator_are_refused(sample, message):
    with pytest.raises(rm.SampleError, match=message):
        simulator(sample, reward_range=(0, 2)).sample(*ROWS, np.random.default_rng(0))


def test_the_next_state_is_ignored_where_the_episode_terminated():
    outcome = simulator(lambda s, a, rng: (s + 100, np.zeros(3), np.ones(3, dtype=bool))).sample(
        *ROWS, np.random.default_rng(0)
    )
    assert outcome.terminated.all()
    assert np.array_equal(outcome.next_state, ROWS[0])


def test_a_terminal_state_ends_the_episode():
    mask = np.array([[True, True], [True, True], [False, False]])
    outcome = simulator(good, available=mask).sample(
        np.array([1, 0]), np.array([1, 0]), np.random.default_rng(0)
    )
    assert outcome.terminated.tolist() == [True, False]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"reward_range": (1, 0)}, r"two numbers in order, not \(1, 0\)"),
        ({"reward_range": (np.nan, 0)}, "the lowest reward in reward_range must be a number"),
        ({"reward_range": (0, "1")}, "the highest reward in reward_range must be a number"),
        ({"reward_range": (0, 1, 2)}, r"must be \(lowest, highest\), not \(0, 1, 2\)"),
        ({"reward_range": 3}, r"must be \(lowest, highest\), not 3"),
        ({"reward_range": "01"}, r"must be \(lowest, highest\), not '01'"),
        ({"n_states": 2.5}, "n_states must be an integer, 1 or more, not 2.5"),
        ({"n_actions": True}, "n_actions must be an integer, 1 or more, not True"),
        ({"n_states": 10**15}, "tables of 1,000,000,000,000,000 states .* need .* of memory"),
        ({"initial": [1.0, 1.0, 0.0]}, "initial sums to 2"),
        ({"available": np.ones((2, 2))}, "available must have the shape"),
    ],
)
def test_options(options, message):
    with pytest.raises(rm.RegmdpError, match=message):
        simulator(good, **options)


def test_other_objects_are_refused():
    with pytest.raises(rm.SampleError, match="from a regmdp.MDP or a simulator"):
        as_simulator("model")
    with pytest.raises(rm.SampleError, match="must be a function"):
        UserSimulator(3, 1, 1, 0.9)


def test_each_run_uses_its_own_generator():
    noisy = simulator(lambda s, a, rng: (s, rng.normal(size=s.shape)))
    state, action = np.zeros((3, 4), dtype=np.int64), np.zeros((3, 4), dtype=np.int64)
    together = noisy.draw(
        state, action, RandomStreams([np.random.default_rng(seed) for seed in range(3)])
    ).reward
    alone = noisy.draw(state[:1], action[:1], RandomStreams([np.random.default_rng(2)])).reward
    assert np.array_equal(together[2], alone[0])


def test_first_states_are_drawn_from_the_initial_distribution():
    mdp = rm.models.chain(5).with_initial([0.1, 0.0, 0.6, 0.0, 0.3])
    first = TableSimulator(mdp).draw_initial_states(
        RandomStreams([np.random.default_rng(0)]), 40_000
    )[0]
    share = np.bincount(first, minlength=5) / first.size
    assert np.abs(share - mdp.initial).max() < 0.01
    assert share[1] == share[3] == 0


def test_draws_from_categorical_distributions():
    distributions = np.array([[0.0, 1.0, 0.0], [0.5, 0.0, 0.5]])
    assert draw_categorical(distributions, np.array([0.999999, 0.5])).tolist() == [1, 2]
    assert draw_categorical(distributions, np.array([[0.0, 0.4], [0.7, 0.99]])).tolist() == [
        [1, 0],
        [1, 2],
    ]
    # sums that fall short of 1 by rounding do not lead past the last action with positive
    # probability
    assert draw_categorical(
        np.array([0.1] * 10 + [0.0]), np.array([np.nextafter(1.0, 0)])
    ).tolist() == [9]
