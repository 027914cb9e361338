"""The named models with γ = 1."""

import numpy as np
import pytest
from tiers import tiered

import regmdp as rm

ENDING = ("gridworld", "icu-sepsis", "russell-norvig")
GAINING = ("bandit", "chain", "forest", "garnet", "queue")


def undiscounted(name):
    parameters = rm.models.find_model(name).parameters
    return rm.models.build_model(name, **({"discount": 1.0} if "discount" in parameters else {}))


def regularizers(mdp):
    return None, rm.KL(rm.uniform_policy(mdp), temperature=0.01)


def test_every_named_model_is_of_one_kind():
    # exponential-chain is defined for discounts below 1 only
    assert {*ENDING, *GAINING, "exponential-chain"} == set(rm.models.model_names())
    with pytest.raises(rm.ModelError, match="discount"):
        undiscounted("exponential-chain")


@pytest.mark.parametrize("name", tiered(ENDING, ("gridworld", "russell-norvig")))
def test_named_models_whose_episodes_end_are_certified(name):
    mdp = undiscounted(name)
    assert mdp.discount == 1.0
    for regularizer in regularizers(mdp):
        solution = rm.solve(mdp, regularizer, tol=1e-8)
        assert solution.status.ok
        assert solution.certificate.gap <= 1e-8 * np.abs(solution.value).max()


@pytest.mark.parametrize("name", GAINING)
def test_named_models_that_gain_without_end_are_refused(name):
    mdp = undiscounted(name)
    for regularizer in regularizers(mdp):
        with pytest.raises(rm.UnboundedError, match="never ends the episode"):
            rm.solve(mdp, regularizer)
    # the average reward of the policy that is best with a discount near 1 is positive indeed
    policy = rm.solve(mdp.with_discount(0.999)).policy
    chain = np.einsum("sa,sat->st", policy, mdp.to_array())
    share = np.full(mdp.n_states, 1.0 / mdp.n_states) @ np.linalg.matrix_power(chain, 2**14)
    assert share @ np.sum(policy * mdp.rewards, axis=1) > 1e-3
