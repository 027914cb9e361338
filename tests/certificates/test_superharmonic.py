"""Functions with T U ≤ U, compared with exact arithmetic."""

from fractions import Fraction

import numpy as np
import pytest
import truth
from tiers import tiered

import regmdp as rm
from regmdp.certificates.superharmonic import find_superharmonic


def random_model(seed):
    """Rows are multiples of 1/16, so they sum to exactly 1; all policies end."""
    rng = np.random.default_rng(seed)
    n_states, n_actions = int(rng.integers(1, 7)), int(rng.integers(1, 4))
    rows = rng.multinomial(15, rng.dirichlet(np.full(n_states, 0.5)), (n_states, n_actions)) / 16.0
    pays = rng.random((n_states, n_actions)) < 0.6
    rewards = pays * rng.normal(size=(n_states, n_actions)) * 10.0 ** rng.integers(-6, 7)
    return rm.MDP(rows, rewards, 1.0, termination=np.full((n_states, n_actions), 1 / 16)), rng


def exact_gains(mdp, upper):
    """T U - U in fractions."""
    values = [Fraction(float(x)) for x in upper]
    rows = mdp.to_array()
    return [
        max(
            Fraction(float(mdp.rewards[s, a]))
            + sum(Fraction(float(p)) * x for p, x in zip(rows[s, a], values, strict=True))
            for a in range(mdp.n_actions)
        )
        - values[s]
        for s in range(mdp.n_states)
    ]


@pytest.mark.parametrize("seed", tiered(range(300), 40))
def test_no_gain_is_positive_in_exact_arithmetic(seed):
    mdp, rng = random_model(seed)
    value = rm.solve(mdp).value
    scale = np.abs(value).max()
    for start in (value, value + scale * 1e-10 * rng.normal(size=value.size)):
        upper = find_superharmonic(mdp, start)
        assert max(exact_gains(mdp, upper)) <= 0
    upper = find_superharmonic(mdp, value)
    assert np.all(upper >= value - 1e-12 * scale)
    assert np.max(upper - value) <= 1e-9 * scale


@pytest.mark.parametrize("seed", [30, 70, 94, *tiered(range(100, 160), 10)])
def test_rows_that_sum_to_more_than_one_are_counted_as_they_are(seed):
    # the second action is the first with a little more mass; the candidate never takes it
    mdp, _ = random_model(seed)
    one = mdp.to_array()[:, :1]
    more = one.copy()
    more[np.arange(mdp.n_states), 0, one[:, 0].argmax(axis=1)] += 5e-10
    rewards = np.repeat(np.abs(np.asarray(mdp.rewards)[:, :1]), 2, axis=1)
    end = np.full(rewards.shape, 1 / 16)
    doubled = rm.MDP(np.concatenate((one, more), axis=1), rewards, 1.0, termination=end)
    certificate = rm.certify(doubled, policy=np.zeros(doubled.n_states, dtype=int))
    best = truth.best_total_reward(doubled.to_array(), rewards, end, end > 0)
    for s, value in enumerate(best):
        assert value <= Fraction(float(certificate.upper[s]))


def test_a_constant_is_kept():
    # nothing is paid but at the end, and 1/3 is no multiple of a power of 2
    rows = np.full((3, 2, 3), 0.25)
    mdp = rm.MDP(rows, np.zeros((3, 2)), 1.0, termination=np.full((3, 2), 0.25))
    assert find_superharmonic(mdp, np.zeros(3)).tolist() == [0.0, 0.0, 0.0]


def test_a_value_far_below_the_optimum_is_lifted_or_given_up():
    mdp, _ = random_model(3)
    upper = find_superharmonic(mdp, np.full(mdp.n_states, -1e3))
    assert upper is None or max(exact_gains(mdp, upper)) <= 0
