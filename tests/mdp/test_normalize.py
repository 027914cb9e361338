"""Rows in single precision, or of a few digits, are normalised on request."""

import numpy as np
import pytest
import scipy.sparse as sp

import regmdp as rm

EXACT = rm.models.garnet(12, 3, 4, discount=0.9)
ENDS = np.random.default_rng(0).uniform(0.0, 0.5, size=(12, 3))
R = np.asarray(EXACT.rewards)


def single(ends):
    """Transitions and termination whose sums are off by the rounding of single precision."""
    P = EXACT.to_array() * (1.0 if ends is None else 1.0 - ends[..., None])
    return P.astype(np.float32), None if ends is None else ends.astype(np.float32)


def pairs(table):
    return None if table is None else table.reshape(-1, *table.shape[2:])


CONSTRUCTORS = {
    "dense": lambda P, ends, **k: rm.MDP(P, R, 0.9, termination=ends, **k),
    "sparse": lambda P, ends, **k: rm.MDP(
        sp.csr_array(P.reshape(36, 12)), R, 0.9, termination=ends, **k
    ),
    "action matrices": lambda P, ends, **k: rm.MDP.from_action_matrices(
        P.transpose(1, 0, 2), R, 0.9, termination=ends, **k
    ),
    "sparse action matrices": lambda P, ends, **k: rm.MDP.from_action_matrices(
        [sp.csr_array(P[:, a]) for a in range(3)], R, 0.9, termination=ends, **k
    ),
    "pairs": lambda P, ends, **k: rm.MDP.from_pairs(
        np.repeat(np.arange(12), 3), np.tile(np.arange(3), 12), sp.csr_array(pairs(P)), R.ravel(),
        0.9, termination=pairs(ends), **k,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CONSTRUCTORS)
@pytest.mark.parametrize("ends", [None, ENDS], ids=["endless", "ending"])
def test_rows_in_single_precision_are_normalised_on_request(name, ends):
    P, termination = single(ends)
    before = P.copy()
    with pytest.raises(rm.ModelError, match="as in single precision, pass normalize=True"):
        CONSTRUCTORS[name](P, termination)
    mdp = CONSTRUCTORS[name](P, termination, normalize=True)
    np.testing.assert_array_equal(P, before)
    sums = mdp.to_array().sum(axis=-1) + mdp.termination
    np.testing.assert_allclose(sums, 1.0, atol=1e-15)
    whole = P.astype(float).sum(axis=-1) + (0.0 if ends is None else termination.astype(float))
    np.testing.assert_allclose(mdp.to_array(), P / whole[..., None], rtol=1e-14)
    if ends is not None:
        np.testing.assert_allclose(mdp.termination, termination / whole, rtol=1e-14)
    assert mdp.mass_error < 1e-14
    assert rm.solve(mdp).status.ok


@pytest.mark.parametrize("name", CONSTRUCTORS)
@pytest.mark.parametrize("factor", [0.9, 1.1, 0.0])
def test_rows_far_from_1_are_refused_all_the_same(name, factor):
    P = EXACT.to_array()
    P[3, 1] *= factor
    with pytest.raises(rm.ModelError, match="the row of state 3, action 1") as caught:
        CONSTRUCTORS[name](P, None, normalize=True)
    assert "normalize=True" not in str(caught.value)


def test_rows_of_pairs_that_do_not_exist_are_ignored():
    P, available = EXACT.to_array(), np.ones((12, 3), dtype=bool)
    P[3, 1], available[3, 1] = 0.0, False
    mdp = rm.MDP(P.astype(np.float32), R, 0.9, available=available, normalize=True)
    assert not mdp.to_array()[3, 1].any()


def test_negative_and_nan_probabilities_are_refused():
    for bad in (-1e-4, np.nan):
        P = EXACT.to_array()
        P[0, 0, 0] = bad
        with pytest.raises(rm.ModelError):
            rm.MDP(P, R, 0.9, normalize=True)


@pytest.mark.parametrize("name", CONSTRUCTORS)
@pytest.mark.parametrize("flag", ["yes", 1, None, np.ones(2)])
def test_what_is_no_flag_is_refused(name, flag):
    with pytest.raises(rm.ModelError, match="normalize must be True or False"):
        CONSTRUCTORS[name](EXACT.to_array(), None, normalize=flag)
