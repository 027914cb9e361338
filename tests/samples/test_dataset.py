"""Data sets: columns are checked, and the first wrong row is named."""

import numpy as np
import pytest

import regmdp as rm
from regmdp.samples import Dataset

GOOD = {
    "state": [0, 1, 0, 1],
    "action": [1, 0, 1, 0],
    "reward": [0.0, 1.0, 0.0, 1.0],
    "next_state": [1, 0, 1, 0],
    "terminated": [False, True, False, True],
    "probability": [0.5, 1.0, 0.5, 1.0],
    "episode": [0, 0, 1, 1],
}


def changed(name, row, value):
    column = list(GOOD[name])
    column[row] = value
    return {**GOOD, name: column}


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        (
            {name: GOOD[name] for name in ("state", "action", "next_state")},
            "no column 'reward'; there are",
        ),
        ({"state": [0]}, r"no column 'action' \(3 are missing"),
        (
            changed("reward", 2, np.nan),
            "row 2: reward is nan, which is not finite; 1 of 4 rows is wrong",
        ),
        (changed("state", 1, -1), "row 1: state is -1"),
        (changed("action", 3, 0.5), "row 3: action is 0.5"),
        (changed("probability", 0, 0.0), "row 0: probability is 0.0, which is impossible"),
        (changed("probability", 3, 1.5), "row 3: probability is 1.5"),
        (changed("terminated", 1, 7), "row 1: terminated is 7"),
        (changed("episode", 2, -1), "row 2: episode is -1"),
        ({**GOOD, "episode": [1, 1, 0, 0]}, "row 2: episode is 0, which comes after a larger one"),
        (
            {**GOOD, "episode": [0, 0, 0, 0]},
            "row 1: terminated is True, which is true before the last row",
        ),
        (
            {
                **GOOD,
                "terminated": [0, 0, 0, 0],
                "next_state": [1, 1, 1, 1],
                "episode": [0, 0, 0, 0],
            },
            "row 2: state is 0, which is not the",
        ),
        ({**GOOD, "reward": ["a", "b", "c", "d"]}, "column 'reward' must hold numbers"),
        ({**GOOD, "reward": [1.0]}, r"column 'reward' has shape \(1,\)"),
        ({name: [] for name in GOOD}, "no rows"),
        ([1, 2, 3], "columns by name"),
    ],
)
def test_the_first_wrong_row_is_named(columns, message):
    with pytest.raises(rm.SampleError, match=message):
        Dataset.from_columns(columns)


def test_indices_beyond_the_model_are_named():
    with pytest.raises(
        rm.SampleError, match="row 0: action is 1, which is too large: the largest is 0"
    ):
        Dataset.from_columns(GOOD, n_actions=1)
    data = Dataset.from_columns(GOOD)
    with pytest.raises(
        rm.SampleError, match="the data have 2 states and 2 actions, the model 1 and 3"
    ):
        data.require_fit(rm.models.bandit())


def test_a_structured_array_and_a_dictionary_give_the_same():
    table = np.zeros(4, dtype=[(name, np.asarray(column).dtype) for name, column in GOOD.items()])
    for name, column in GOOD.items():
        table[name] = column
    first, second = Dataset.from_columns(GOOD), Dataset.from_columns(table)
    for name in GOOD:
        assert np.array_equal(getattr(first, name), getattr(second, name))
    assert repr(first) == "Dataset(4 transitions in 2 episodes, 2 states, 2 actions)"
    with pytest.raises(ValueError, match="read-only"):
        first.reward[0] = 5.0


def test_pairs_are_drawn_equally_often():
    mdp = rm.models.forest(5)
    data = Dataset.from_pairs(mdp, 7, np.random.default_rng(0))
    assert np.array_equal(data.counts, np.where(mdp.available, 7, 0))
    with pytest.raises(rm.SampleError, match="samples must be an integer, 1 or more"):
        Dataset.from_pairs(mdp, 0, np.random.default_rng(0))


def test_episodes_follow_the_policy_and_log_it():
    mdp = rm.models.garnet(6, 3, 2, rng=np.random.default_rng(0))
    policy = np.random.default_rng(1).dirichlet(np.ones(3), size=6)
    data = Dataset.from_episodes(mdp, policy, 2000, 10, np.random.default_rng(2))
    np.testing.assert_allclose(data.probability, policy[data.state, data.action], rtol=1e-14)
    assert len(data) == 20_000
    share = data.counts / data.counts.sum(axis=1, keepdims=True)
    assert np.abs(share - policy).max() < 0.05
    again = Dataset.from_columns(
        {name: getattr(data, name) for name in GOOD}
    )  # which checks the order of the rows
    assert np.array_equal(again.episode, data.episode)


def test_episodes_end_at_terminations():
    mdp = rm.models.gridworld(3, 3) if hasattr(rm.models, "gridworld") else rm.models.chain(3)
    data = Dataset.from_episodes(mdp, rm.uniform_policy(mdp), 50, 400, np.random.default_rng(0))
    last = np.append(np.diff(data.episode) > 0, True)
    assert data.terminated[last].mean() > 0.9
    assert not data.terminated[~last].any()


def test_a_subset_takes_rows_of_all_columns():
    data = Dataset.from_columns(GOOD)
    part = data.subset(data.episode == 1)
    assert len(part) == 2
    assert np.array_equal(part.counts, [[0, 1], [1, 0]])
