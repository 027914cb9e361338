"""Errors for bad data name the place and the number of wrong entries, and say what to do."""

import numpy as np
import pytest
import scipy.sparse as sp

import regmdp as rm
from regmdp.mdp.validation import as_discount

P = np.array(
    [
        [[0.5, 0.5, 0.0], [0.0, 0.0, 1.0]],
        [[0.25, 0.25, 0.5], [1.0, 0.0, 0.0]],
        [[0.0, 0.0, 1.0], [0.0, 1.0, 0.0]],
    ]
)
R = np.arange(6.0).reshape(3, 2)
LABELS = {"state_labels": ["red", "green", "blue"], "action_labels": ["go", "stay"]}


def dense(P, r=R, discount=0.9, **keywords):
    return rm.MDP(P, r, discount, **keywords)


def sparse(P, r=R, discount=0.9, **keywords):
    return rm.MDP(sp.csr_array(np.reshape(P, (-1, P.shape[-1]))), r, discount, **keywords)


def by_action(P, r=R, discount=0.9, **keywords):
    return rm.MDP.from_action_matrices(np.transpose(P, (1, 0, 2)), r, discount, **keywords)


def pairs(P, r=R, discount=0.9, **keywords):
    state, action = (index.ravel() for index in np.indices(r.shape))
    return rm.MDP.from_pairs(
        state, action, np.reshape(P, (-1, P.shape[-1])), np.ravel(r), discount, **keywords
    )


each_constructor = pytest.mark.parametrize("make", [dense, sparse, by_action, pairs])


def with_entry(array, place, value):
    array = np.array(array, dtype=np.float64)
    array[place] = value
    return array


@each_constructor
def test_accepts_good_data(make):
    assert make(P, **LABELS).n_states == 3


# ---- rows ----


@each_constructor
def test_rows_that_do_not_sum_to_1(make):
    bad = with_entry(with_entry(P, (1, 0, 1), 0.3), (2, 1, 1), 0.5)
    with pytest.raises(
        rm.ModelError,
        match=(
            r"row of state 1, action 0 sums to 1\.05, not to 1 within 1e-09; 2 of 6 available pairs"
        ),
    ):
        make(bad)
    with pytest.raises(
        rm.ModelError,
        match=(
            r"state 1 \(green\), action 0 \(go\) sums .*normalise the rows, "
            r".*termination=.*available="
        ),
    ):
        make(bad, **LABELS)


@each_constructor
def test_rows_may_be_off_by_rounding(make):
    assert 1e-10 <= make(with_entry(P, (0, 1, 2), 1.0 - 1e-10)).mass_error < 1e-9
    with pytest.raises(rm.ModelError, match=r"sums to 0\.999999998, not to 1"):
        make(with_entry(P, (0, 1, 2), 1.0 - 2e-9))


@each_constructor
@pytest.mark.parametrize("value", [-0.5, np.nan, np.inf, -np.inf])
def test_entries_that_are_not_probabilities(make, value):
    message = (
        rf"from state 1 \(green\), action 0 \(go\) to state 2 \(blue\) the probability is {value}; "
        r"1 entries are negative"
    )
    with pytest.raises(rm.ModelError, match=message):
        make(with_entry(P, (1, 0, 2), value), **LABELS)


@each_constructor
def test_a_negative_entry_is_found_though_the_row_sums_to_1(make):
    with pytest.raises(
        rm.ModelError,
        match=r"from state 1, action 0 to state 0 the probability is -0\.25; 1 entries",
    ):
        make(with_entry(with_entry(P, (1, 0, 0), -0.25), (1, 0, 1), 0.75))


@pytest.mark.parametrize("make", [dense, sparse, by_action])
def test_rows_of_unavailable_pairs_do_not_matter(make):
    available = np.array([[True, True], [False, True], [True, True]])
    bad = with_entry(P, (1, 0), np.nan)
    mdp = make(bad, with_entry(R, (1, 0), -np.inf), available=available)
    assert not mdp.to_array()[1, 0].any()
    assert mdp.rewards[1, 0] == 0.0


def test_termination_is_part_of_the_sum():
    ending = np.array([[0.0, 0.0], [0.5, 0.0], [0.0, 0.0]])
    with pytest.raises(
        rm.ModelError,
        match=r"row of state 1, action 0 sums to 1 \(with termination 0\.5, 1\.5\), not to 1",
    ):
        dense(P, termination=ending)
    assert dense(with_entry(P, (1, 0, 2), 0.0), termination=ending).terminates


@pytest.mark.parametrize("value", [-0.25, 1.5, np.nan])
def test_termination_must_be_a_probability(value):
    ending = with_entry(np.zeros((3, 2)), (2, 1), value)
    with pytest.raises(
        rm.ModelError,
        match=(
            rf"termination: state 2 \(blue\), action 1 \(stay\) has {value}; 1 of 6 available pairs"
        ),
    ):
        dense(P, termination=ending, **LABELS)


# ---- rewards ----


@each_constructor
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_rewards_must_be_finite(make, value):
    bad = with_entry(with_entry(R, (1, 1), value), (2, 0), value)
    message = (
        rf"rewards: state 1 \(green\), action 1 \(stay\) has {value}; 2 of 6 available pairs are "
        r"not finite; .*available=False"
    )
    with pytest.raises(rm.ModelError, match=message):
        make(P, bad, **LABELS)
    with pytest.raises(rm.ModelError, match=r"rewards: state 1, action 1 has"):
        make(P).with_rewards(bad)


# ---- the discount ----


@each_constructor
@pytest.mark.parametrize("value", [-0.1, 1.0000001, 99, np.nan, np.inf])
def test_the_discount_is_between_0_and_1(make, value):
    with pytest.raises(
        rm.ModelError, match=rf"discount must be a number in \[0, 1\], not {value!r}"
    ):
        make(P, discount=value)
    with pytest.raises(rm.ModelError, match=r"discount must be a number in \[0, 1\]"):
        make(P).with_discount(value)


@pytest.mark.parametrize("value", ["much", None, [0.5, 0.5]])
def test_the_discount_is_a_number(value):
    with pytest.raises(rm.ModelError, match=r"discount must be a number in \[0, 1\], not"):
        as_discount(value)


# ---- shapes ----


def test_shapes_of_dense_transitions():
    with pytest.raises(
        rm.ModelError,
        match=(
            r"transitions must have shape \(S, A, S\) = \(3, 2, 3\) .* not \(2, 3, 3\); "
            r".*from_action_matrices"
        ),
    ):
        dense(np.transpose(P, (1, 0, 2)))
    with pytest.raises(rm.ModelError, match=r"not \(3, 2, 2\)"):
        dense(P[:, :, :2])
    with pytest.raises(rm.ModelError, match="transitions must be an array of numbers"):
        dense([["a"]])


def test_shapes_of_sparse_transitions():
    with pytest.raises(
        rm.ModelError, match=r"transitions must have shape \(S·A, S\) = \(6, 3\), not \(3, 3\)"
    ):
        rm.MDP(sp.csr_array(P[:, 0]), R, 0.9)
    with pytest.raises(
        rm.ModelError, match=r"transitions must have shape \(K, S\) = \(6, 3\), not \(5, 3\)"
    ):
        rm.MDP.from_pairs([0, 0, 1, 1, 2, 2], [0, 1] * 3, P.reshape(6, 3)[:5], R.ravel(), 0.9)


def test_shapes_of_action_matrices():
    with pytest.raises(
        rm.ModelError,
        match=(
            r"from_action_matrices got 1 matrices for rewards of shape "
            r"\(S, A\) = \(3, 2\); give one matrix for each action"
        ),
    ):
        rm.MDP.from_action_matrices([P[:, 0]], R, 0.9)
    with pytest.raises(
        rm.ModelError, match=r"the matrix of action 1 must have shape \(3, 3\), not \(3, 2\)"
    ):
        rm.MDP.from_action_matrices([P[:, 0], P[:, 1, :2]], R, 0.9)
    with pytest.raises(rm.ModelError, match="from_action_matrices takes a sequence of A matrices"):
        rm.MDP.from_action_matrices(sp.csr_array(P.reshape(6, 3)), R, 0.9)


def test_shapes_of_rewards():
    with pytest.raises(
        rm.ModelError,
        match=(
            r"rewards must have shape \(S, A\), not \(3, 2, 3\); average over the successor first"
        ),
    ):
        dense(P, np.zeros((3, 2, 3)))
    with pytest.raises(rm.ModelError, match=r"rewards must have shape \(S, A\), not \(3,\)"):
        dense(P, np.zeros(3))
    with pytest.raises(rm.ModelError, match=r"rewards must have shape \(S, A\), not \(0, 2\)"):
        dense(np.zeros((0, 2, 0)), np.zeros((0, 2)))
    with pytest.raises(
        rm.ModelError, match=r"rewards must have the model's shape \(3, 2\), not \(2, 3\)"
    ):
        dense(P).with_rewards(R.T.copy())
    with pytest.raises(
        rm.ModelError,
        match=r"rewards has shape \(5,\), but there are 6 pairs; give one number for each pair",
    ):
        pairs(P, R).from_pairs([0, 0, 1, 1, 2, 2], [0, 1] * 3, P.reshape(6, 3), np.zeros(5), 0.9)


def test_shapes_of_the_other_arrays():
    with pytest.raises(
        rm.ModelError, match=r"available must have the shape of the rewards, \(3, 2\), not \(2, 3\)"
    ):
        dense(P, available=np.ones((2, 3)))
    with pytest.raises(
        rm.ModelError,
        match="available must .*True or False, .* where the",
    ):
        dense(P, available=np.full((3, 2), 0.5))
    with pytest.raises(
        rm.ModelError, match="available is False everywhere: no state has an action"
    ):
        dense(P, available=np.zeros((3, 2)))
    with pytest.raises(
        rm.ModelError, match=r"termination must have the shape of the rewards, \(3, 2\), not \(3,\)"
    ):
        dense(P, termination=np.zeros(3))
    with pytest.raises(rm.ModelError, match=r"initial must have shape \(S,\) = \(3,\), not \(2,\)"):
        dense(P, initial=[0.5, 0.5])
    with pytest.raises(rm.ModelError, match="state_labels has 2 names, but there are 3"):
        dense(P, state_labels=["a", "b"])
    with pytest.raises(rm.ModelError, match="action_labels has 3 names, but there are 2"):
        dense(P, action_labels=["a", "b", "c"])


# ---- the initial distribution ----


@pytest.mark.parametrize("value", [-0.5, np.nan, np.inf])
def test_initial_must_be_a_distribution(value):
    with pytest.raises(
        rm.ModelError,
        match=rf"initial: state 1 \(green\) has {value}; 1 entries are not probabilities",
    ):
        dense(P, initial=[0.5, value, 0.5], **LABELS)
    with pytest.raises(
        rm.ModelError, match=r"initial sums to 0\.9, not to 1 within 1e-09; normalise it"
    ):
        dense(P).with_initial([0.5, 0.2, 0.2])


# ---- indices ----


def test_successors_out_of_range():
    rows = sp.csr_array(P.reshape(6, 3))
    for value in (7, -1):
        bad = rows.copy()
        bad.indices[4] = value
        with pytest.raises(
            rm.ModelError,
            match=(rf"stored index 4 is {value}, but indices run from 0 to 2; 1 of"),
        ):
            rm.MDP(bad, R, 0.9)


def test_pairs_out_of_range():
    rows, rewards = P.reshape(6, 3)[:2], np.zeros(2)
    with pytest.raises(
        rm.ModelError, match=r"state\[1\] is 3, but states run from 0 to 2; 1 of 2 are out of range"
    ):
        rm.MDP.from_pairs([0, 3], [0, 0], rows, rewards, 0.9)
    with pytest.raises(
        rm.ModelError,
        match=r"action\[0\] is -1, but actions run from 0 to 0; 1 of 2 are out of range",
    ):
        rm.MDP.from_pairs([0, 1], [-1, 0], rows, rewards, 0.9)
    with pytest.raises(rm.ModelError, match=r"action\[1\] is 2, but actions run from 0 to 1"):
        rm.MDP.from_pairs([0, 1], [0, 2], rows, rewards, 0.9, n_actions=2)


def test_pairs_listed_twice():
    with pytest.raises(
        rm.ModelError,
        match=(
            r"the pair \(state 1, action 0\) is listed 3 times; 1 pairs are .*more than once; merge"
        ),
    ):
        rm.MDP.from_pairs([0, 1, 1, 1], [0, 0, 0, 0], P.reshape(6, 3)[:4], np.zeros(4), 0.9)


def test_lists_of_pairs_that_are_not_valid():
    with pytest.raises(rm.ModelError, match="no state-action pair is listed"):
        rm.MDP.from_pairs(np.zeros(0, int), np.zeros(0, int), np.zeros((0, 3)), np.zeros(0), 0.9)
    with pytest.raises(rm.ModelError, match="state must be an array of integers, not of float64"):
        rm.MDP.from_pairs([0.0], [0], P.reshape(6, 3)[:1], [0.0], 0.9)
    with pytest.raises(
        rm.ModelError, match="state and action must have the same length, not 2 and 1"
    ):
        rm.MDP.from_pairs([0, 1], [0], P.reshape(6, 3)[:2], [0.0, 0.0], 0.9)


def test_errors_are_value_errors_too():
    with pytest.raises(ValueError, match="discount"):
        dense(P, discount=2.0)
