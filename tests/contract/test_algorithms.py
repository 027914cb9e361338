"""Checks of every algorithm."""

import numpy as np
import pytest
from contract.lists import ALGORITHMS, MODELS, SAMPLED, TOLERANCES
from tiers import tiered

import regmdp as rm
from regmdp.testing import check_algorithm

QUICK = (
    "value iteration",
    "modified policy iteration",
    "policy iteration",
    "soft policy iteration",
    "natural policy gradient",
    "policy mirror descent, geometric steps",
    "generalized policy mirror descent",
    "homotopic policy mirror descent",
)


@pytest.mark.parametrize("name", tiered(ALGORITHMS, QUICK))
def test_algorithm(name):
    # different models for each
    seed = list(ALGORITHMS).index(name)
    check_algorithm(
        ALGORITHMS[name](), tol=TOLERANCES.get(name, 1e-6), rng=np.random.default_rng(seed)
    )


@pytest.mark.parametrize(
    "model", tiered(["discounted", "labelled, with terminal states", "ending"], ["ending"])
)
@pytest.mark.parametrize("name", SAMPLED)
def test_sampled_algorithm(name, model):
    """Runs are independent of each other, and return policies."""
    parts = MODELS[model](np.random.default_rng(0))
    mdp = rm.MDP(parts.rows, parts.rewards, parts.discount, **parts.keywords)
    regularizer = None if "approximate" in name else rm.Shannon(np.linspace(0.1, 1.0, mdp.n_states))

    def learn_with(seeds):
        return rm.learn(
            mdp,
            regularizer,
            SAMPLED[name](),
            max_iterations=3,
            rng=[np.random.default_rng(seed) for seed in seeds],
        )

    together = learn_with([0, 1, 2])
    for run in range(3):
        alone = learn_with([run])
        assert np.array_equal(alone.q[0], together.q[run])
        assert np.array_equal(alone.policy[0], together.policy[run])
        np.testing.assert_allclose(together.policy[run].sum(axis=1), ~mdp.terminal, atol=1e-12)
        assert not together.policy[run][~mdp.available].any()
    assert not np.array_equal(together.q[0], together.q[1])
