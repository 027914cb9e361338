"""Results do not depend on the number of threads, bit for bit."""

import numpy as np
import pytest
from contract.lists import ALGORITHMS, MODELS, REGULARIZERS, STORAGES
from tiers import tiered

import regmdp as rm
from regmdp.mdp import transitions

BLOCKS = [name for name in STORAGES if name.endswith(", blocks")]
NAMES = ("none", "KL, everything per state", "Tsallis, sparse")


@pytest.fixture
def threads(monkeypatch):
    """Set the number of threads, used for models of any size."""
    monkeypatch.setattr(transitions, "MIN_ENTRIES_FOR_THREADS", 0)
    before = rm.get_num_threads()
    yield rm.set_num_threads
    rm.set_num_threads(before)


def compute_results(mdp, regularizer):
    """Yield all results that are computed from the blocks of a model."""
    value, policy = (
        np.random.default_rng(1).normal(size=mdp.n_states),
        rm.uniform_policy(mdp, regularizer),
    )
    yield from (
        mdp.transitions.row_sums(),
        mdp.transitions.policy_matrix(policy),
        mdp.transitions.policy_operator(policy) @ value,
    )
    yield rm.bellman.q_values(mdp, value)
    yield rm.bellman.backup(mdp, regularizer, value)
    yield from rm.bellman.greedy(mdp, regularizer, value)
    yield rm.bellman.policy_backup(mdp, regularizer, policy, value)
    yield rm.bellman.expected_rewards(mdp, regularizer, policy)
    certificate = rm.certify(mdp, regularizer, value=value)
    yield from (
        certificate.lower,
        certificate.upper,
        certificate.policy_lower,
        certificate.policy_upper,
    )
    solution = rm.solve(mdp, regularizer)
    yield from (solution.value, solution.policy, solution.history.residual)


def as_dense(result):
    return result.toarray() if hasattr(result, "toarray") else np.asarray(result)


@pytest.mark.parametrize("model", tiered(MODELS, ("masked", "undiscounted")))
@pytest.mark.parametrize("storage", BLOCKS)
def test_results_are_equal(model, storage, threads):
    mdp = STORAGES[storage](MODELS[model](np.random.default_rng(0)))
    for name in NAMES:
        regularizer = REGULARIZERS[name](mdp.rewards.shape, np.random.default_rng(1))
        threads(1)
        alone = [as_dense(result) for result in compute_results(mdp, regularizer)]
        threads(3)
        for one, other in zip(alone, compute_results(mdp, regularizer), strict=True):
            np.testing.assert_array_equal(one, as_dense(other))


@pytest.mark.parametrize("name", ALGORITHMS)
def test_iterates_of_every_algorithm_are_equal(name, threads):
    mdp = STORAGES["sparse, blocks"](next(iter(MODELS.values()))(np.random.default_rng(0)))
    try:
        histories = []
        for count in (1, 2, 3):
            threads(count)
            histories.append(
                rm.solve(
                    mdp, rm.Shannon(0.3), ALGORITHMS[name](), tol=0, max_iterations=3
                ).history.residual
            )
    except rm.SolverError:
        histories = [
            rm.solve(mdp, None, ALGORITHMS[name](), tol=0, max_iterations=3).history.residual
            for _ in range(2)
        ]
    for history in histories[1:]:
        np.testing.assert_array_equal(history, histories[0])
