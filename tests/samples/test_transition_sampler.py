"""Sampling next states: the frequencies are the probabilities, also at the last entry."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import regmdp as rm
from regmdp.samples import RandomStreams, TableSimulator, TransitionSampler


def one_row(probabilities, ends=0.0):
    """A model whose state 0 has this row; the others are terminal."""
    size = len(probabilities) + 1
    rows = np.zeros((1, size))
    rows[0, 1:] = probabilities
    return rm.MDP.from_pairs([0], [0], rows, [1.0], 0.9, n_states=size, termination=[ends])


@given(
    st.lists(st.floats(0, 1), min_size=1, max_size=30).filter(lambda weights: sum(weights) > 0.01),
    st.data(),
)
@settings(max_examples=200, deadline=None)
def test_the_entry_is_that_of_a_search_in_the_cumulative_sums(weights, data):
    weights = np.array(weights)
    weights[weights < 1e-3] = 0.0
    if not weights.sum() > 0:
        return
    probabilities = weights / weights.sum()
    sums = np.cumsum(probabilities[probabilities > 0])
    exact = [*sums[:-1], *np.nextafter(sums[:-1], 0), *np.nextafter(sums[:-1], 1)]
    numbers = np.array(
        [
            *exact,
            0.0,
            np.nextafter(1.0, 0.0),
            *data.draw(st.lists(st.floats(0, 1, exclude_max=True), max_size=20)),
        ]
    )
    numbers = numbers[(numbers >= 0) & (numbers < 1)]
    successors = np.flatnonzero(probabilities) + 1
    drawn, _ = TransitionSampler(one_row(probabilities)).draw(
        np.zeros(numbers.size, dtype=np.int64), numbers
    )
    # the sums are divided by the last one, which may move them by a rounding
    expected = np.searchsorted(sums / sums[-1], numbers, side="right")
    assert np.array_equal(drawn, successors[np.minimum(expected, successors.size - 1)])


@pytest.mark.parametrize(
    "mdp",
    [
        rm.models.garnet(30, 3, 7, rng=np.random.default_rng(0)),
        rm.models.chain(6),
        rm.models.forest(12),
    ],
)
def test_frequencies_are_those_of_the_model(mdp):
    samples = 20_000
    state, action = np.nonzero(mdp.available)
    outcome = TableSimulator(mdp).sample(
        np.repeat(state, samples), np.repeat(action, samples), np.random.default_rng(0)
    )
    pair = np.repeat(np.arange(state.size), samples)
    found = np.zeros((state.size, mdp.n_states + 1))
    np.add.at(
        found, (pair, np.where(outcome.terminated, mdp.n_states, outcome.next_state)), 1.0 / samples
    )
    rows = mdp.to_array()[state, action]
    ends = mdp.termination[state, action] + rows[:, mdp.terminal].sum(axis=1)
    expected = np.column_stack((np.where(mdp.terminal, 0.0, rows), ends))
    deviation = np.sqrt(expected * (1 - expected) / samples)
    assert np.all(found[expected == 0] == 0)
    assert np.allclose(found[expected == 1], 1.0, rtol=1e-12)
    z = ((found - expected) / np.where(deviation > 0, deviation, 1.0))[deviation > 0]
    assert np.abs(z).max(initial=0.0) < 4.5
    assert z.size < 100 or 0.8 < z.std() < 1.2


def test_a_pair_ends_with_its_termination_probability():
    mdp = one_row([0.25, 0.25], ends=0.5)
    numbers = (np.arange(1000) + 0.5) / 1000
    next_state, terminated = TransitionSampler(mdp).draw(np.zeros(1000, dtype=np.int64), numbers)
    assert terminated.all()  # the other successors are terminal
    assert np.count_nonzero(next_state == 0) == 500


def test_draw_frequencies_counts_what_draw_returns():
    mdp = rm.models.garnet(20, 3, 4, rng=np.random.default_rng(1))
    sampler, pairs, samples = TransitionSampler(mdp), np.array([0, 5, 17, 59]), 37
    transition, frequency = sampler.draw_frequencies(
        pairs, samples, RandomStreams([np.random.default_rng(2), np.random.default_rng(3)])
    )
    for row, seed in zip(frequency, (2, 3), strict=True):
        pair = np.repeat(pairs, samples)
        next_state, terminated = sampler.draw(pair, np.random.default_rng(seed).random(pair.size))
        assert not terminated.any()
        dense = np.zeros(60 * 20)
        dense[transition] = row
        assert np.allclose(dense, np.bincount(pair * 20 + next_state, minlength=60 * 20) / samples)


def test_rounding_does_not_lead_past_the_last_entry():
    probabilities = np.full(10, 0.1)  # whose running sums fall short of 1
    drawn, _ = TransitionSampler(one_row(probabilities)).draw(
        np.zeros(1, dtype=np.int64), np.array([np.nextafter(1.0, 0.0)])
    )
    assert drawn[0] == 10
