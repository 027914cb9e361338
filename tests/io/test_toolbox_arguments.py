"""Arguments of other toolboxes that are no model are refused with errors of the library."""

import numpy as np
import pytest
import scipy.sparse as sp

import regmdp as rm

P = np.array([[[0.5, 0.5], [0.8, 0.2]], [[0.0, 1.0], [0.1, 0.9]]])
R = np.array([[5.0, 10.0], [-1.0, 2.0]])
Q = np.swapaxes(P, 0, 1)
PAIRS = {"s_indices": [0, 0, 1, 1], "a_indices": [0, 1, 0, 1]}

NOTHING = [
    None,
    3,
    "a",
    [],
    [None, None],
    ["a", "b"],
    [[1], [1, 2]],
    P * 1j,
    P > 0,
    P * np.nan,
    np.zeros((0, 2, 2)),
    np.zeros((2, 2, 3)),
    [P[0], np.ones((3, 3))],
    sp.csr_array(np.ones((3, 2))),
    [sp.csr_array(P[0]), None],
    {0: P[0]},
    np.ma.array(P, mask=P < 0.2),
    P.astype("M8[s]"),
    object(),
    [P, P],
    len,
]


@pytest.mark.parametrize("values", NOTHING, ids=[str(i) for i in range(len(NOTHING))])
def test_arrays_that_are_none_are_refused(values):
    for act in (
        lambda: rm.io.from_mdptoolbox(values, R, 0.9),
        lambda: rm.io.from_mdptoolbox(P, values, 0.9),
        lambda: rm.io.from_quantecon(values, Q, 0.9),
        lambda: rm.io.from_quantecon(R, values, 0.9),
        lambda: rm.io.from_quantecon(values, Q.reshape(4, 2), 0.9, **PAIRS),
    ):
        with pytest.raises(rm.ModelError):
            act()


@pytest.mark.parametrize("rewards", [R * np.nan, R * 1j, R > 0, R[:1], [1, 2, 3], np.array(["a"])])
def test_rewards_that_are_none_are_refused(rewards):
    for act in (
        lambda: rm.io.from_mdptoolbox(P, rewards, 0.9),
        lambda: rm.io.from_quantecon(rewards, Q, 0.9),
    ):
        with pytest.raises(rm.ModelError):
            act()


@pytest.mark.parametrize("name", PAIRS)
@pytest.mark.parametrize(
    "values",
    [
        None,
        "a",
        [0, 0, 1],
        [0, 0, 1, -1],
        [0.5, 0, 1, 1],
        [True] * 4,
        [[0, 0], [1, 1]],
        [0, 0, 0, 0],
        [1j] * 4,
        3,
        [[1], [1, 2]],
        [np.nan] * 4,
    ],
    ids=str,
)
def test_indices_that_are_none_are_refused(name, values):
    with pytest.raises(rm.ModelError):
        rm.io.from_quantecon(R.ravel(), Q.reshape(4, 2), 0.9, **{**PAIRS, name: values})


@pytest.mark.parametrize("values", [3, Q.reshape(4, 2)[0], Q.reshape(4, 2) * 1j, Q, "a", None])
def test_transitions_of_pairs_that_are_none_are_refused(values):
    with pytest.raises(rm.ModelError):
        rm.io.from_quantecon(R.ravel(), values, 0.9, **PAIRS)


@pytest.mark.parametrize(
    ("rewards", "message"),
    [(R, r"with s_indices, R must have shape \(L,\), not"), (R.ravel()[:3], "Q has 4 rows, but R")],
)
def test_rewards_of_pairs_have_one_axis(rewards, message):
    with pytest.raises(rm.ModelError, match=message):
        rm.io.from_quantecon(rewards, Q.reshape(4, 2), 0.9, **PAIRS)
    with pytest.raises(rm.ModelError, match=r"R must have shape \(S, A\), not \(4,\)"):
        rm.io.from_quantecon(R.ravel(), Q, 0.9)


@pytest.mark.parametrize("available", ["a", np.ones(3), np.full((2, 2), 7)])
def test_masks_that_are_none_are_refused(available):
    with pytest.raises(rm.ModelError, match="available"):
        rm.io.from_quantecon(R, Q, 0.9, available=available)


def test_matrices_of_every_form_are_read():
    for matrices in (list(P), tuple(P), [sp.csr_array(P[0]), P[1]], P.tolist()):
        mdp = rm.io.from_mdptoolbox(matrices, R, 0.9)
        np.testing.assert_array_equal(mdp.transitions.to_csr().toarray(), Q.reshape(4, 2))
    table = np.broadcast_to(R.T[:, :, None], (2, 2, 2))
    for rewards in (table, table.tolist(), [sp.csr_array(one) for one in table]):
        np.testing.assert_allclose(rm.io.from_mdptoolbox(P, rewards, 0.9).rewards, R)
