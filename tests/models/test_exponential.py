import numpy as np
import pytest

import regmdp as rm
from regmdp.models import ExponentialChain

CHAINS = [
    ExponentialChain(10**8),
    ExponentialChain(10**3, horizon=4, discount=0.9),
    ExponentialChain(150, 3, 0.95, 0.1, 0.3),
]


def values(chain, per_kind):
    """The value of each class of states by its kind."""
    gamma = chain.discount

    def of(kind):
        name, _, number = kind.partition(" ")
        if name == "booster":
            return gamma * of(kind.removeprefix("booster of "))
        return {
            "end": 0.0,
            "buffer": per_kind(number),
            "primary": per_kind(number),
            "adjoint": gamma * per_kind(number),
        }[name]

    return np.array([of(kind) for kind in chain.kinds])


@pytest.mark.parametrize("chain", CHAINS, ids=str)
def test_action_1_is_optimal_everywhere(chain):
    mdp = chain.lumped()
    expected = values(chain, lambda number: chain.discount ** (2 * int(number or 0)))
    solution = rm.solve(mdp, tol=1e-10)
    np.testing.assert_allclose(solution.value, expected, atol=1e-10)
    several = mdp.available.sum(axis=1) > 1
    q = rm.bellman.q_values(mdp, expected)
    margin = q[several, 1] - np.max(
        np.delete(np.where(mdp.available, q, -np.inf), 1, axis=1)[several], axis=1
    )
    assert np.min(margin) > 0.0


@pytest.mark.parametrize("chain", CHAINS, ids=str)
def test_the_numbers_of_states_add_up(chain):
    assert chain.copies.sum() == chain.size
    assert chain.copies.min() >= 1
    assert len(chain.kinds) == chain.copies.size == chain.lumped().n_states == 4 * chain.horizon - 1
    boosters = [kind.startswith("booster") for kind in chain.kinds]
    assert chain.copies[boosters].sum() == pytest.approx(
        chain.boosters * chain.size, abs=len(chain.kinds)
    )
    np.testing.assert_allclose(chain.lumped().initial, chain.copies / chain.size)


def test_the_lumped_chain_has_the_values_of_the_full_one():
    chain = ExponentialChain(150, horizon=4)
    lumped, full = chain.lumped(), chain.full()
    of = np.repeat(np.arange(chain.copies.size), chain.copies)
    assert full.n_states == 150
    assert full.state_labels[0] == "end (0)"
    policy = np.random.default_rng(0).random(lumped.rewards.shape) * lumped.available
    policy /= policy.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(
        rm.evaluate(full, policy[of]).value, rm.evaluate(lumped, policy).value[of], atol=1e-12
    )
    together = np.bincount(of, weights=rm.visits(full, policy[of]))
    np.testing.assert_allclose(together, rm.visits(lumped, policy), rtol=1e-12)
    # each buffer state is one of many
    np.testing.assert_allclose(full.initial, 1 / 150)


def test_the_named_model_is_the_lumped_chain():
    named = rm.models.build_model("exponential-chain", size=1000, horizon=3)
    chain = ExponentialChain(1000, horizon=3).lumped()
    np.testing.assert_array_equal(named.rewards, chain.rewards)
    np.testing.assert_array_equal(named.to_array(), chain.to_array())


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"horizon": 2}, "horizon must be an integer, 3 or more, not 2"),
        ({"size": 0}, "size must be an integer, 1 or more"),
        ({"size": 15}, "size = 15 is too small for a horizon of 6: a class would have 0 states"),
        ({"boosters": 1.0}, "is too small for a horizon of 6"),
        ({"boosters": -0.1}, r"boosters must be a number in \[0, 1\]"),
        ({"discount": 1.0}, r"discount must be a number in \(0, 1\), not 1.0"),
        ({"discount": 0.0}, r"discount must be a number in \(0, 1\)"),
        ({"leak": 0.0}, r"leak must be a number in \(0, 0.166667\]"),
        ({"leak": 0.2}, r"leak must be a number in \(0, 0.166667\], not 0.2"),
    ],
)
def test_rejects_parameters_out_of_range(parameters, message):
    with pytest.raises(rm.ModelError, match=message):
        rm.models.exponential_chain(**{"size": 10**4, **parameters})
