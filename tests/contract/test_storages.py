"""Checks of every storage of every model, and equality of their results."""

from functools import cache

import numpy as np
import pytest
from contract.lists import MODELS, REGULARIZERS, STORAGES
from tiers import tiered

import regmdp as rm
from regmdp.certificates import backup_error
from regmdp.testing import check_mdp

each_model = pytest.mark.parametrize("model", tiered(MODELS, ("masked", "undiscounted", "tied")))
each_storage = pytest.mark.parametrize(
    "storage",
    tiered(
        STORAGES,
        (
            "dense, blocks",
            "sparse",
            "from_action_matrices",
            "from_pairs, blocks",
            "function, blocks",
            "mapped",
            "ragged, own widths",
        ),
    ),
)


@cache
def make_model(model, storage):
    return STORAGES[storage](MODELS[model](np.random.default_rng(0)))


#: Words in the names of regularizers that are slow or have bounds on probabilities.
SLOW = ("convex", "box", "cap", " and ", "separable")

#: Regularizers that are not used with every storage.
EXCLUDED = {"Shannon, cold", *(name for name in REGULARIZERS if any(word in name for word in SLOW))}


def make_regularizers(mdp):
    """Return regularizers of a model by name.

    Excluded are one with a temperature of 1e-9, for which equally good policies may differ, and
    slow ones: a regularizer does not depend on the storage, and they are tested elsewhere.
    """
    rng = np.random.default_rng(1)
    made = {
        name: make(mdp.rewards.shape, rng)
        for name, make in REGULARIZERS.items()
        if name not in EXCLUDED
    }
    if mdp.numbering is None or mdp.numbering.partition is None:
        return made
    fitted = {name: fit_columns(mdp, regularizer) for name, regularizer in made.items()}
    return {name: regularizer for name, regularizer in fitted.items() if regularizer is not None}


def fit_columns(mdp, regularizer):
    """Return a regularizer for a model whose blocks have their own columns; None if there is none.

    A reference policy can be given so, other numbers of pairs cannot.
    """
    if isinstance(regularizer, rm.KL):
        whole = np.broadcast_to(regularizer.reference, mdp.rewards.shape)
        return rm.KL(
            mdp.to_columns(np.where(mdp.terminal[:, None], 0.0, whole)), regularizer.temperature
        )
    of_pairs = [name for name, ndim in regularizer.state_fields.items() if ndim == 2]
    return None if of_pairs else regularizer


@cache
def solution(model, storage, name):
    mdp = make_model(model, storage)
    return rm.solve(mdp, make_regularizers(mdp)[name], absolute_tol=1e-8)


@each_model
@each_storage
def test_model(model, storage):
    check_mdp(make_model(model, storage))


@each_model
@each_storage
def test_storage_does_not_change_the_model(model, storage):
    mdp, reference = make_model(model, storage), make_model(model, "dense")
    np.testing.assert_allclose(mdp.to_array(), reference.to_array(), rtol=0, atol=1e-16)
    for name in (
        "rewards",
        "available",
        "termination",
        "initial",
        "terminal",
        "discount",
        "state_labels",
    ):
        np.testing.assert_array_equal(getattr(mdp, name), getattr(reference, name))
    if mdp.numbering is None:
        assert mdp.action_labels == reference.action_labels
    else:  # actions have other numbers, but the same names
        names = [one.describe(0, 0).partition("(")[2] for one in (mdp, reference)]
        assert names[0] == names[1]


@each_model
@each_storage
def test_storage_does_not_change_a_backup(model, storage):
    mdp, reference = make_model(model, storage), make_model(model, "dense")
    value = np.random.default_rng(1).normal(size=mdp.n_states) * 10
    policy = rm.uniform_policy(mdp)
    given = make_regularizers(reference)
    for name, regularizer in make_regularizers(mdp).items():
        slack = 2 * backup_error(mdp, regularizer, value)
        assert slack < 1e-10
        expected = rm.bellman.backup(reference, given[name], value)
        np.testing.assert_allclose(
            rm.bellman.backup(mdp, regularizer, value), expected, rtol=0, atol=slack
        )
        allowed = rm.uniform_policy(mdp, regularizer)
        expected = rm.bellman.policy_backup(reference, given[name], np.asarray(allowed), value)
        np.testing.assert_allclose(
            rm.bellman.policy_backup(mdp, regularizer, allowed, value), expected, rtol=0, atol=slack
        )
    np.testing.assert_allclose(
        rm.visits(mdp, policy), rm.visits(reference, np.asarray(policy)), rtol=1e-10, atol=1e-12
    )


@each_model
@each_storage
def test_storage_does_not_change_the_solution(model, storage):
    reference = make_model(model, "dense")
    given = make_regularizers(reference)
    for name in make_regularizers(make_model(model, storage)):
        regularizer = given[name]
        found, expected = solution(model, storage, name), solution(model, "dense", name)
        assert found.status.ok
        assert expected.status.ok
        np.testing.assert_allclose(found.value, expected.value, rtol=0, atol=2e-8)
        for one, other in ((found, expected), (expected, found)):
            assert np.all(one.certificate.lower <= other.certificate.upper)
        # each certificate holds for the model as the other stores it
        policy = np.asarray(make_model(model, storage).to_columns(found.policy))
        certificate = rm.certify(reference, regularizer, policy=policy)
        assert certificate.gap <= 1e-8
        assert np.all(certificate.policy_lower <= found.certificate.policy_upper)
        assert np.all(found.certificate.policy_lower <= certificate.policy_upper)


def test_some_models_have_several_blocks():
    counts = {
        len(make_model(model, storage).transitions.blocks)
        for model in MODELS
        for storage in STORAGES
    }
    assert {1, 2, 4}.issubset(counts), counts
