"""Equal models have equal digests, whatever stores them; copies are as immutable."""

import copy
import pickle

import numpy as np
import pytest
import scipy.sparse as sp

import regmdp as rm
from regmdp.mdp import dense_transitions


def random_model(seed, *, mask=False, ends=False, size=9, actions=3):
    """Return a dense model with zeros in its rows."""
    rng = np.random.default_rng(seed)
    P = rng.dirichlet(np.ones(size), size=(size, actions)) * rng.integers(
        0, 2, (size, actions, size)
    )
    P[:, :, 0] += 1e-3
    P /= P.sum(axis=-1, keepdims=True)
    options = {}
    if ends:
        options["termination"] = rng.uniform(0, 0.5, (size, actions))
        P *= 1 - options["termination"][..., None]
    if mask:
        options["available"] = rng.random((size, actions)) < 0.7
        options["available"][0] = True
    return rm.MDP(P, rng.normal(size=(size, actions)), 0.9, **options)


def stored_sparse(mdp):
    return rm.MDP(
        mdp.transitions.to_csr(),
        mdp.rewards,
        mdp.discount,
        initial=mdp.initial,
        available=mdp.available,
        termination=mdp.termination,
    )


KINDS = [(False, False), (True, False), (False, True), (True, True)]


@pytest.mark.parametrize(("mask", "ends"), KINDS)
def test_the_storage_plays_no_part(mask, ends, tmp_path):
    mdp = random_model(1, mask=mask, ends=ends)
    sparse = stored_sparse(mdp)
    assert (mdp.transitions.storage, sparse.transitions.storage) == ("dense", "sparse")
    assert sparse.digest == mdp.digest == sparse.compute_digest() == mdp.compute_digest()
    for name in ("m.npz", "m.mapped", "m.tra", "m.drn"):
        rm.io.write_model(mdp, tmp_path / name)
        back = rm.io.read_model(tmp_path / name)
        assert back.digest == mdp.digest == back.compute_digest(), name


def test_dense_rows_are_hashed_in_parts_of_any_size(monkeypatch):
    mdp = random_model(2)
    for entries in (1, 20, 9 * 9, 10**6):
        monkeypatch.setattr(dense_transitions, "MAX_ENTRIES_AT_ONCE", entries)
        assert mdp.compute_digest() == mdp.digest


def test_a_constant_array_is_stored_as_one_element_or_whole():
    P, R = np.eye(2).reshape(2, 1, 2), np.zeros((2, 1))
    plain = rm.MDP(P, R, 0.9)
    given = rm.MDP(P, -R, 0.9, available=np.ones((2, 1), bool), termination=np.zeros((2, 1)))
    assert given.digest == plain.digest
    assert rm.MDP(np.where(P == 0, -0.0, P), R, 0.9).digest == plain.digest


def test_every_number_counts():
    mdp = random_model(3, mask=True, ends=True)
    digests = {mdp.digest}
    for place in np.argwhere(mdp.available)[:5]:
        rewards = mdp.rewards.copy()
        rewards[tuple(place)] = np.nextafter(rewards[tuple(place)], np.inf)
        digests.add(mdp.with_rewards(rewards).digest)
        mask = mdp.available.copy()
        mask[tuple(place)] = False
        digests.add(mdp.with_available(mask).digest)
    assert len(digests) == 11
    # the same numbers at other places
    two = np.array([[[0.25, 0.75]], [[0.25, 0.75]]])
    swapped = rm.MDP(two[..., ::-1], np.zeros((2, 1)), 0.9)
    assert swapped.digest != rm.MDP(two, np.zeros((2, 1)), 0.9).digest
    # numbers of available and of termination are not confused
    whole = np.ones((2, 1))
    ended = rm.MDP(0 * two, np.zeros((2, 1)), 0.9, termination=whole)
    assert ended.digest != rm.MDP(np.eye(2)[:, None], np.zeros((2, 1)), 0.9).digest


COPIES = {
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
    "pickle": lambda mdp: pickle.loads(pickle.dumps(mdp)),
    "in a list": lambda mdp: copy.deepcopy([mdp])[0],
}


@pytest.mark.parametrize("how", COPIES)
@pytest.mark.parametrize("kind", ["dense", "sparse", "mapped"])
@pytest.mark.parametrize(("mask", "ends"), KINDS)
def test_a_copy_is_the_same_model_and_as_immutable(how, kind, mask, ends, tmp_path):
    mdp = random_model(4, mask=mask, ends=ends)
    if kind == "sparse":
        mdp = stored_sparse(mdp)
    elif kind == "mapped":
        rm.io.save_mapped(mdp, tmp_path / "m")
        mdp = rm.io.open_mapped(tmp_path / "m")
    other = COPIES[how](mdp)
    assert other.digest == mdp.digest == other.compute_digest()
    assert other.mass_error == mdp.mass_error
    assert repr(other) == repr(mdp)
    arrays = [getattr(other, name) for name in ("rewards", "available", "termination", "initial")]
    for array in [*arrays, other.terminal, *other.transitions.iterate_arrays()]:
        with pytest.raises(ValueError, match="read-only"):
            array[...] = 0
    np.testing.assert_array_equal(rm.solve(other).value, rm.solve(mdp).value)


def test_a_constant_array_stays_one_element_in_a_copy():
    other = pickle.loads(pickle.dumps(stored_sparse(random_model(5))))
    assert other.available.strides == other.termination.strides == (0, 0)


def test_labels_and_layout_come_along():
    mdp = rm.MDP(
        np.eye(2)[:, None], np.zeros((2, 1)), 0.9, state_labels=["a", "b"], action_labels=["go"]
    ).with_layout(rm.LineLayout("distance"))
    other = pickle.loads(pickle.dumps(mdp))
    assert (other.state_labels, other.action_labels) == (("a", "b"), ("go",))
    assert other.layout == mdp.layout


def test_what_was_overwritten_is_noticed():
    mdp = rm.MDP(sp.csr_array(np.eye(2)), np.zeros((2, 1)), 0.9)
    array = next(iter(mdp.transitions.iterate_arrays()))
    array.flags.writeable = True
    array[0] = 0.5
    assert mdp.compute_digest() != mdp.digest
