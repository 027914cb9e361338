"""Columns of logs: names of several libraries, ends of episodes, labels, and contradictions."""

import fractions

import numpy as np
import pandas as pd
import pytest

import regmdp as rm
from regmdp.samples import Dataset, OfflineMDP, memory_budget

# two episodes: 0 → 1 → end; 0 → 1 → cut off
ROWS = {
    "state": [0, 1, 0, 1],
    "action": [1, 0, 1, 0],
    "reward": [0.0, 1.0, 0.0, 1.0],
    "next_state": [1, 0, 1, 0],
}
TERMINATED, TRUNCATED = [False, True, False, False], [False, False, False, True]
DONE = [False, True, False, True]
EPISODE = [0, 0, 1, 1]
FULL = {**ROWS, "terminated": TERMINATED, "truncated": TRUNCATED, "episode": EPISODE}

D4RL = {
    "state": "observations",
    "action": "actions",
    "reward": "rewards",
    "next_state": "next_observations",
    "terminated": "terminals",
    "truncated": "timeouts",
}
MINARI = {**D4RL, "terminated": "terminations", "truncated": "truncations"}


def refuse(columns, message, make=Dataset.from_columns, **options):
    with pytest.raises(rm.SampleError, match=message):
        make(columns, **options)


# ---- names ----


@pytest.mark.parametrize("names", [D4RL, MINARI], ids=["D4RL", "Minari"])
def test_the_names_of_other_libraries_mean_the_same(names):
    expected = Dataset.from_columns(FULL)
    given = Dataset.from_columns({names.get(name, name): FULL[name] for name in FULL})
    for name in FULL:
        assert np.array_equal(getattr(given, name), getattr(expected, name)), name
    assert given.terminated.tolist() == TERMINATED
    assert given.truncated.tolist() == TRUNCATED


@pytest.mark.parametrize("name", ["terminated", "terminals", "terminations"])
def test_an_episode_that_terminated_earns_nothing_more(name):
    g, n = np.random.default_rng(0), 4000
    fail = g.random(n) < 0.2
    columns = {
        "state": g.integers(2, size=n),
        "action": g.integers(2, size=n),
        "reward": np.ones(n),
        "next_state": g.integers(2, size=n),
        name: fail,
    }
    method = rm.algorithms.PMD(step_size=10.0, evaluation=rm.evaluation.CertaintyEquivalence())
    log = OfflineMDP(Dataset.from_columns(columns), 0.99)
    learned = rm.learn(log, None, method, max_iterations=20, rng=np.random.default_rng(0))
    # every state and action ends with about the same frequency: 1 / (1 - γ · 0.8) = 4.81
    assert abs(learned.value[0][0] - 1 / (1 - 0.99 * 0.8)) < 0.5


@pytest.mark.parametrize("name", ["truncated", "timeouts", "truncations"])
def test_an_episode_that_was_cut_off_could_have_continued(name):
    data = Dataset.from_columns({**ROWS, name: DONE})
    assert not data.terminated.any()
    assert OfflineMDP(data, 0.5).restrict_to_seen().estimate_model().termination.max() == 0.0


@pytest.mark.parametrize("name", ["done", "dones"])
def test_done_alone_asks_which(name):
    message = f"the column '{name}' does not say why .*'terminated' if .*'truncated' if"
    refuse({**ROWS, name: DONE}, message)


@pytest.mark.parametrize(
    "known",
    [
        {"terminals": TERMINATED},
        {"truncated": TRUNCATED},
        {"terminated": TERMINATED, "timeouts": TRUNCATED},
    ],
    ids=["terminated", "truncated", "both"],
)
def test_done_beside_one_of_them_gives_the_other(known):
    data = Dataset.from_columns({**ROWS, "done": DONE, **known})
    assert data.terminated.tolist() == TERMINATED
    assert data.truncated.tolist() == TRUNCATED


@pytest.mark.parametrize(
    ("known", "message"),
    [
        ({"done": [0, 0, 0, 1], "terminated": TERMINATED}, "row 1: done is False, which contra"),
        ({"done": TERMINATED, "truncated": TRUNCATED}, "row 3: done is False, which contra"),
        (
            {"dones": [1, 1, 0, 1], "terminated": TERMINATED, "truncated": TRUNCATED},
            "row 0: dones is True, which contradicts the columns that say .* continues; 1 of 4",
        ),
    ],
)
def test_done_must_agree(known, message):
    refuse({**ROWS, **known}, message)


def test_unknown_columns_are_named_unless_they_are_to_be_ignored():
    columns = {**ROWS, "user": [3, 3, 4, 4], "wieght": [1, 1, 1, 1]}
    refuse(columns, r"nothing is known of the column 'user' \(2 such: \['user', 'wieght'\]\)")
    refuse({**ROWS, "probabilty": [1] * 4}, "'probabilty'; did you mean 'probability'?")
    assert len(Dataset.from_columns(columns, ignore=["user", "wieght"])) == 4
    refuse(columns, "column 'users' that is to be ignored is not there", ignore=["users"])
    refuse(columns, "ignore must be a sequence, not 'user'", ignore="user")
    refuse(ROWS, "no column 'reward'", ignore=["reward"])


def test_two_columns_with_one_meaning_are_refused():
    columns = {**ROWS, "terminated": TERMINATED, "terminals": TERMINATED}
    refuse(columns, "the columns 'terminated' and 'terminals' both hold the terminated")
    assert Dataset.from_columns(columns, ignore=["terminals"]).terminated.tolist() == TERMINATED


def test_the_states_of_minari_have_one_entry_more():
    columns = {MINARI[name]: values for name, values in ROWS.items()}
    refuse({**columns, "observations": [0, 1, 0, 1, 0]}, r"as in Minari, give \[:-1\]")


# ---- entries ----


@pytest.mark.parametrize(
    ("name", "values", "message"),
    [
        ("state", [0.0, 1.0, 0.5, np.nan], "row 2: state is 0.5, which is not an integer.* 2 of 4"),
        ("state", [0, 1, -3, 1], "row 2: state is -3, which is not an integer, 0 or more; 1 of 4"),
        ("state", np.array([0, 1, 2**64 - 1, 1], np.uint64), "row 2: .*615, .* too large"),
        ("state", [0, 1, 1e300, 1], "row 2: state is 1e.300, which is not an integer"),
        ("state", [False, True, False, True], "column 'state' must hold integers, not bool"),
        ("state", ["0", "1", "0", "1"], "column 'state' must hold integers, not <U1"),
        ("state", [0, None, 0, 1], "row 1: state is None, which is not a number; 1 of 4"),
        ("state", [0, 1, 0j, 1], "column 'state' must hold integers, not complex128"),
        ("action", [0, "left", 0, 1], "column 'action' must hold integers, not <U"),
        ("reward", [0.0, 1.0, np.inf, 0.0], "row 2: reward is inf, which is not finite"),
        ("reward", np.array([0, 1, 0, 1], "M8[s]"), "'reward' must hold numbers, not datetime64"),
        ("reward", np.array([0, 1, 0, 1], "m8[s]"), "'reward' must hold numbers, not timedelta64"),
        ("reward", np.array([0, True, 0, 1], object), "row 1: reward is True, which is not a num"),
        ("reward", np.array([0, 10**400, 0, 1], object), "holds numbers beyond 1e308"),
        ("reward", np.ma.array([0.0, 1.0, 2.0, 3.0], mask=[0, 1, 0, 0]), "row 1: reward is masked"),
        ("reward", [[0.0], [1.0], [0.0], [1.0]], r"column 'reward' has shape \(4, 1\)"),
        ("reward", [[0.0], [1.0, 2.0], [0.0], [1.0]], "column 'reward' is no array"),
        ("terminated", ["True", "False", "0", "1"], "row 0: terminated is True, which is neither"),
        ("terminated", [0.0, np.nan, 0.0, 2.0], "row 1: terminated is nan, .*; 2 of 4"),
        ("truncated", [False, True, None, False], "row 2: truncated is None, which is neither"),
        ("probability", [0.5, np.nan, 0.5, 1.0], "row 1: probability is nan"),
        ("probability", [0.5, 1.0, 0.0, -0.5], "row 2: probability is 0.0, .* 2 of 4"),
        ("probability", [0.5, 1.0, 1.0001, 0.5], "row 2: probability is 1.0001, .* 1 of 4"),
        ("episode", [0, 0, 1.5, 1.5], "row 2: episode is 1.5, which is not an integer"),
    ],
)  # fmt: skip
def test_entries_that_are_something_else_are_named(name, values, message):
    refuse({**ROWS, name: values}, message)


def test_integers_and_fractions_of_any_kind_are_numbers():
    columns = {
        **ROWS,
        "state": np.array([0.0, 1.0, 0.0, 1.0]),
        "action": np.array([1, 0, 1, 0], np.uint8),
        "reward": [fractions.Fraction(1, 2), 1, np.float32(0.5), 2],
        "terminated": np.array([0, True, 0.0, np.False_], object),
    }
    data = Dataset.from_columns(columns)
    assert data.reward.tolist() == [0.5, 1.0, 0.5, 2.0]
    assert data.terminated.tolist() == TERMINATED


def test_the_next_state_means_nothing_where_the_episode_terminated():
    columns = {**ROWS, "next_state": [1, None, 1, 0], "terminated": TERMINATED}
    assert Dataset.from_columns(columns).next_state.tolist() == [1, 0, 1, 0]
    columns["next_state"] = [1, -1, 1, 0]
    assert Dataset.from_columns(columns).n_states == 2
    refuse({**columns, "next_state": [-1, -1, 1, 0]}, "row 0: next_state is -1, .* 1 of 4")


def test_the_columns_of_the_caller_are_neither_kept_nor_changed():
    columns = {name: np.array(values) for name, values in FULL.items()}
    data = Dataset.from_columns(columns)
    for name, values in columns.items():
        assert not np.shares_memory(values, getattr(data, name)), name
        assert np.array_equal(values, FULL[name]), name


def test_data_frames_are_read_by_row_whatever_their_index():
    table = pd.DataFrame(FULL, index=[7, 3, 5, 1])
    assert Dataset.from_columns(table).state.tolist() == ROWS["state"]
    table["state"] = table["state"].astype("Int64")
    table.loc[5, "state"] = pd.NA
    refuse(table, "row 2: state is (<NA>|nan), which is not a")


def test_columns_of_different_indices_are_refused():
    columns = {name: pd.Series(values) for name, values in ROWS.items()}
    columns["reward"] = columns["reward"].sort_values()
    refuse(columns, "the columns 'state' and 'reward' have different indices")


# ---- contradictions in episodes ----


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"truncated": [True, False, False, True]}, "row 0: truncated is True, which is true bef"),
        ({"terminated": [True, True, False, False]}, "row 0: terminated is True, which is true b"),
        ({"next_state": [0, 0, 1, 0]}, "row 1: state is 1, which is not the next_state of the pre"),
        ({"episode": [1, 1, 0, 0]}, "row 2: episode is 0, which comes after a larger one; sort"),
        ({"step": [0, 2, 0, 1]}, "row 1: step is 2, which is not 1 more than in the previous row"),
        ({"step": [0, 1, 0, 0]}, "row 3: step is 0, which is not 1 more than in the previous row"),
        ({"step": [0, 1, 5, 6]}, "row 2: step is 5, which begins an episode, and the first .* 0"),
        ({"step": [0, 1, 0, 0.5]}, "row 3: step is 0.5, which is not an integer"),
        ({"time": [0.0, 0.5, 3.0, 3.0]}, "row 3: time is 3.0, which is not later"),
        ({"time": [0.0, 0.5, 3.0, np.nan]}, "row 3: time is nan, which is not finite"),
        ({"time": np.array([0, 1, 5, 4], "M8[s]")}, "row 3: time is 1970-.*, which is not later"),
        ({"time": np.array([0, 1, 5, "NaT"], "M8[s]")}, "row 3: time is NaT, which is no time"),
    ],
)  # fmt: skip
def test_rows_of_an_episode_must_follow_one_another(changes, message):
    refuse({**FULL, **changes}, message)


@pytest.mark.parametrize("name", ["step", "time"])
def test_steps_need_episodes(name):
    columns = {**ROWS, name: [0, 1, 0, 1]}
    refuse(columns, f"the column '{name}' counts within an episode, so it needs a column 'episode'")
    assert Dataset.from_columns(columns, ignore=[name]).episode is None


def test_steps_and_times_that_fit_are_accepted():
    for columns in (
        {"step": [1, 2, 1, 2], "time": [0.0, 0.5, -3.0, 1.0]},
        {"step": [0, 1, 0, 1], "time": np.array([3, 4, 1, 2], "M8[s]")},
    ):
        assert len(Dataset.from_columns({**FULL, **columns})) == 4


def test_a_terminated_row_may_be_followed_by_any_state_of_another_episode():
    data = Dataset.from_columns({**FULL, "next_state": [1, 1, 1, 1]})
    assert data.episode.tolist() == EPISODE


# ---- numbers that are names ----


def test_numbers_of_a_billion_are_refused_or_taken_as_names():
    columns = {**FULL, "state": [10**9, 7] * 2, "next_state": [7, 10**9] * 2}
    refuse(
        columns,
        "the largest of the states is 1,000,000,000, and there are 4 rows, so there would be "
        r"1,000,000,001 states, .* use Dataset.from_labels, and if not, give n_states=",
    )
    refuse({**ROWS, "action": [0, 1, 0, 10**9]}, "the largest of the actions is 1,000,000,000")
    data = Dataset.from_labels(columns)
    assert (data.state.tolist(), data.next_state.tolist()) == ([1, 0, 1, 0], [0, 0, 0, 1])
    assert (data.state_labels, data.action_labels) == (("7", "1000000000"), ("0", "1"))
    with pytest.raises(rm.SampleError, match=r"state 0 \(7\), action 1 \(1\) does not occur"):
        OfflineMDP(data, 0.9).require_coverage()


def test_more_states_than_memory_holds_are_refused_with_their_sizes():
    for act in (
        lambda: Dataset.from_columns(ROWS, n_states=10**15, n_actions=2),
        lambda: OfflineMDP(Dataset.from_columns(ROWS), 0.9, n_states=10**15),
    ):
        message = r"1,000,000,000,000,000 states with 2 actions each need .* are left; .*from_lab"
        with pytest.raises(rm.InsufficientMemoryError, match=message):
            act()


@pytest.mark.parametrize("value", [0, -1, 2.0, True, "3"])
@pytest.mark.parametrize("name", ["n_states", "n_actions"])
def test_numbers_of_states_are_positive_integers(name, value):
    refuse(ROWS, f"{name} must be an integer, 1 or more", **{name: value})
    with pytest.raises(rm.SampleError, match=f"{name} must be an integer, 1 or more"):
        OfflineMDP(Dataset.from_columns(ROWS), 0.9, **{name: value})


def test_labels_are_kept_where_the_number_of_states_is_that_of_the_data():
    data = Dataset.from_labels({**ROWS, "state": list("abab"), "next_state": list("baba")})
    assert OfflineMDP(data, 0.9).state_labels == ("a", "b")
    assert OfflineMDP(data, 0.9, n_states=3).state_labels is None
    assert OfflineMDP(data, 0.9, state_labels=["x", "y"]).state_labels == ("x", "y")
    assert data.subset(data.state == 1).state_labels == ("a", "b")


def test_names_of_episodes_are_numbered_in_the_order_of_the_rows():
    columns = {**FULL, "episode": ["b", "b", "a", "a"]}
    assert Dataset.from_labels(columns).episode.tolist() == EPISODE
    for values in (["b", "a", "b", "a"], [3, 1, 3, 3]):
        refuse(
            {**columns, "episode": values},
            f"row 2: episode is {values[2]}, which has rows before the previous ones",
            Dataset.from_labels,
        )


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([0.5, 1.0, 0.0, 1.0], "row 0: state is 0.5, which is no name"),
        ([np.nan, 1.0, 0.0, 1.0], "row 0: state is nan"),
        (np.array(["a", None, "b", "a"], object), "row 1: state is None, which is no name"),
        (np.array(["a", 1, "b", "a"], object), "row 1: state is 1, which is no name"),
        ([True, False, True, False], "column 'state' must hold names, text or integers, not bool"),
        (list("abab"), "'state' and 'next_state' must all hold text, or all hold integers"),
    ],
)  # fmt: skip
def test_entries_that_are_no_names_are_named(values, message):
    refuse({**ROWS, "state": values}, message, Dataset.from_labels)


def test_names_from_a_file_of_doubles_are_integers():
    data = Dataset.from_labels({**ROWS, "state": [5e9, 7.0, 5e9, 7.0], "next_state": [7, 5e9] * 2})
    assert data.state_labels == ("7", "5000000000")


# ---- drawing episodes ----


@pytest.mark.parametrize(
    ("policy", "message"),
    [
        (np.zeros((3, 2)), "the policy sums to 0 in state 0"),
        (np.full((3, 2), 7.0), "the policy sums to 14"),
        (np.full((3, 2), np.nan), "which is not a probability"),
        (np.array([[1.5, -0.5]] * 3), "probability -0.5, which is not a probability"),
        (np.ones((2, 3)) / 3, r"shape \(S, A\) = \(3, 2\)"),
        (np.array([0, 2, 0]), "takes action 2 in state 1"),
    ],
)
def test_policies_that_are_none_draw_nothing(policy, message):
    with pytest.raises(rm.PolicyError, match=message):
        Dataset.from_episodes(rm.models.forest(), policy, 10, 10, np.random.default_rng(0))


def test_policies_take_only_available_actions():
    mdp = rm.MDP(np.ones((1, 2, 1)), np.zeros((1, 2)), 0.9, available=np.array([[True, False]]))
    with pytest.raises(rm.PolicyError, match="but that action is not available"):
        Dataset.from_episodes(mdp, np.array([[0.5, 0.5]]), 5, 5, np.random.default_rng(0))


def test_action_numbers_are_a_policy():
    data = Dataset.from_episodes(
        rm.models.forest(), np.array([0, 1, 0]), 5, 5, np.random.default_rng(0)
    )
    assert set(zip(data.state.tolist(), data.action.tolist(), strict=True)) <= {
        (0, 0),
        (1, 1),
        (2, 0),
    }
    assert np.all(data.probability == 1.0)


def test_the_last_rows_of_drawn_episodes_say_how_they_ended():
    mdp = rm.MDP(np.zeros((1, 1, 1)) + 0.7, np.ones((1, 1)), 0.9, termination=[[0.3]])
    data = Dataset.from_episodes(mdp, np.ones((1, 1)), 200, 3, np.random.default_rng(0))
    last = np.append(np.diff(data.episode) > 0, True)
    assert np.array_equal(last, data.terminated | data.truncated)
    assert not np.any(data.terminated & data.truncated)
    assert 0 < np.count_nonzero(data.truncated) < 200


@pytest.mark.parametrize("size", [10**9, 10**12, 10**15])
def test_episodes_that_do_not_fit_into_memory_are_not_drawn(size):
    mdp, rng = rm.models.forest(), np.random.default_rng(0)
    policy = rm.uniform_policy(mdp)
    for episodes, steps in ((size, 1), (1, 10**3 * size), (10, 10**3 * size)):
        message = f"{episodes * steps:,} steps of {episodes:,} episodes of at most {steps:,} steps"
        with pytest.raises(rm.InsufficientMemoryError, match=f"{message} need .*; draw fewer"):
            Dataset.from_episodes(mdp, policy, episodes, steps, rng)
        with pytest.raises(rm.InsufficientMemoryError, match="samples of each of 6 pairs"):
            Dataset.from_pairs(mdp, size, rng)


def test_episodes_that_may_end_are_drawn_until_the_memory_is_used(monkeypatch):
    """The length of such episodes is random: what is drawn is compared as it grows."""
    checked = []
    monkeypatch.setattr(
        memory_budget, "require_memory", lambda what, size, advice: checked.append((what, size))
    )
    mdp = rm.MDP(np.zeros((1, 1, 1)) + 0.99, np.ones((1, 1)), 0.9, termination=[[0.01]])
    data = Dataset.from_episodes(mdp, np.ones((1, 1)), 50, 10**12, np.random.default_rng(0))
    assert len(data) < 20_000
    sizes = [size for _, size in checked]
    assert sizes == sorted(sizes)
    assert len(sizes) < 60
    assert sizes[-1] >= memory_budget.BYTES_PER_ROW * len(data)
    assert checked[0][0].startswith("50 steps of 50 episodes of at most 1,000,000,000,000 steps")


@pytest.mark.parametrize("value", [0, -5, 2.5, True, None])
def test_numbers_of_episodes_and_steps_are_positive_integers(value):
    mdp = rm.models.forest()
    for episodes, steps, name in ((value, 5, "episodes"), (5, value, "max_steps")):
        with pytest.raises(rm.SampleError, match=f"{name} must be an integer, 1 or more"):
            Dataset.from_episodes(
                mdp, rm.uniform_policy(mdp), episodes, steps, np.random.default_rng(0)
            )
