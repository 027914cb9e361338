"""Several processes compute the same bits as one."""

import numpy as np
import pytest
from contract.lists import ALGORITHMS, MODELS, REGULARIZERS, SOME_REGULARIZERS
from contract.test_threads import as_dense, compute_results
from distributed.conftest import assert_same, open_both, save_and_open

import regmdp as rm

NAMES = ("none", "KL, everything per state", "box")


def make_regularizer(mdp, name):
    return REGULARIZERS[name](mdp.rewards.shape, np.random.default_rng(1))


@pytest.mark.parametrize("model", MODELS)
def test_every_operation(model):
    alone, shared = open_both(model)
    assert shared.digest == alone.digest
    assert sum(shared.partition.counts) == alone.n_states
    np.testing.assert_array_equal(shared.to_array(), alone.to_array())
    np.testing.assert_array_equal(
        rm.visits(shared, rm.uniform_policy(shared)), rm.visits(alone, rm.uniform_policy(alone))
    )
    weights = np.random.default_rng(2).normal(size=alone.rewards.shape)
    np.testing.assert_array_equal(
        rm.bellman.next_state_weights(shared, weights),
        rm.bellman.next_state_weights(alone, weights),
    )
    for name in NAMES:
        if model == "undiscounted" and name == "box":
            continue  # limits on probabilities need a discount
        results = compute_results(alone, make_regularizer(alone, name))
        others = compute_results(shared, make_regularizer(shared, name))
        for one, other in zip(results, others, strict=True):
            np.testing.assert_array_equal(as_dense(one), as_dense(other))


def assert_same_outcome(alone, shared, *arguments, **options):
    """Check that two models have the same solution, or raise the same error."""
    outcomes = []
    for mdp in (alone, shared):
        try:
            outcomes.append(rm.solve(mdp, *arguments, **options))
        except rm.RegmdpError as error:
            outcomes.append((type(error), str(error)))
    if isinstance(outcomes[0], rm.Solution):
        assert_same(*outcomes)
    else:
        assert outcomes[0] == outcomes[1]


@pytest.mark.parametrize("model", ["masked", "undiscounted"])
@pytest.mark.parametrize("name", SOME_REGULARIZERS)
def test_every_regularizer(model, name):
    alone, shared = open_both(model)
    assert_same_outcome(alone, shared, make_regularizer(alone, name))


@pytest.mark.parametrize("regularizer", [None, rm.Shannon(0.3)])
@pytest.mark.parametrize("name", ALGORITHMS)
def test_every_method(regularizer, name):
    alone, shared = open_both("masked")
    assert_same_outcome(alone, shared, regularizer, ALGORITHMS[name](), tol=0, max_iterations=2)


@pytest.mark.parametrize("name", ["policy iteration", "value iteration", "policy mirror descent"])
def test_undiscounted_methods(name):
    alone, shared = open_both("undiscounted")
    assert_same_outcome(alone, shared, rm.Shannon(0.3), ALGORITHMS[name](), tol=0, max_iterations=2)


LARGER = {
    "random": (lambda: rm.models.garnet(1500, 3, 4, discount=0.99), (None, rm.Shannon(0.05))),
    "plane": (lambda: rm.models.gridworld(36, 36, discount=0.999), (None,)),
    "line": (lambda: rm.models.chain(1250, discount=0.99), (rm.Shannon(0.05),)),
}


@pytest.mark.parametrize("name", LARGER)
def test_choices_of_solvers_for_large_models(name, folder):
    make, regularizers = LARGER[name]
    alone, shared = save_and_open(make(), folder / "model", 1000)
    assert len(alone.transitions.blocks) >= 3
    for regularizer in regularizers:
        assert_same_outcome(alone, shared, regularizer)


@pytest.mark.parametrize("model", ["masked", "undiscounted"])
def test_starts_and_certificates(model):
    alone, shared = open_both(model)
    first = rm.solve(alone, rm.Shannon(0.3), max_iterations=1)
    again = rm.solve(shared, rm.Shannon(0.3), max_iterations=1)
    for start in ("value", "policy", None):
        one = rm.solve(alone, start=first if start is None else getattr(first, start))
        assert_same(one, rm.solve(shared, start=again if start is None else getattr(again, start)))
    policy = np.argmax(rm.solve(alone).policy, axis=1)
    for kind in ({"policy": policy}, {"value": first.value}, {"policy": again.policy}):
        one, other = rm.certify(alone, **kind), rm.certify(shared, **kind)
        for name in ("lower", "upper", "policy_lower", "policy_upper"):
            np.testing.assert_array_equal(getattr(one, name), getattr(other, name))
    one, other = rm.evaluate(alone, policy), rm.evaluate(shared, policy)
    for name in ("value", "q", "lower", "upper"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name))
