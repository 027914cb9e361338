"""Sparse arrays whose index arrays are wrong never reach compiled code."""

import numpy as np
import pytest
import scipy.sparse as sp

import regmdp as rm
from regmdp._internal.sparse import as_csr

P = np.array([[0.5, 0.5, 0.0], [0.0, 1.0, 0.0], [0.25, 0.25, 0.5], [0.0, 0.0, 1.0]])
FORMATS = ("csr", "csc", "coo", "bsr", "dia", "lil", "dok")


def corrupt(matrix, **arrays):
    """Return the array with other index arrays, as a user or a file may set them."""
    for name, array in arrays.items():
        setattr(matrix, name, array)
    return matrix


def row_pointers(*numbers):
    return corrupt(sp.csr_array(P), indptr=np.array(numbers))


WRONG = {
    "a pointer far below": lambda: row_pointers(0, -2_000_000_000, 3, 6, 7),
    "a pointer far above": lambda: row_pointers(0, 2_000_000_000, 3, 6, 7),
    "pointers that descend": lambda: row_pointers(0, 3, 2, 6, 7),
    "a last pointer above": lambda: row_pointers(0, 2, 3, 6, 8),
    "a first pointer above 0": lambda: row_pointers(1, 2, 3, 6, 7),
    "too few pointers": lambda: row_pointers(0, 2, 3, 7),
    "too many pointers": lambda: row_pointers(0, 2, 3, 6, 7, 7),
    "pointers that are no integers": lambda: row_pointers(0.0, 2.0, 3.0, 6.0, 7.0),
    "pointers of two dimensions": lambda: corrupt(
        sp.csr_array(P), indptr=np.array([[0, 2, 3, 6, 7]])
    ),
    "an index above": lambda: corrupt(sp.csr_array(P), indices=np.array([0, 1, 1, 0, 1, 2, 3])),
    "a negative index": lambda: corrupt(sp.csr_array(P), indices=np.array([0, 1, 1, 0, -1, 2, 2])),
    "indices that are no integers": lambda: corrupt(sp.csr_array(P), indices=np.zeros(7)),
    "too few entries": lambda: corrupt(sp.csr_array(P), data=np.ones(6)),
    "entries of two dimensions": lambda: corrupt(sp.csr_array(P), data=np.ones((7, 2))),
    "a row index above in CSC": lambda: corrupt(
        sp.csc_array(P), indices=np.array([0, 2, 0, 1, 2, 2, 4])
    ),
    "a pointer above in CSC": lambda: corrupt(sp.csc_array(P), indptr=np.array([0, 2, 5, 8])),
    "a coordinate above": lambda: corrupt(
        sp.coo_array(P), coords=(np.array([0, 0, 1, 2, 2, 2, 9]), sp.coo_array(P).coords[1])
    ),
    "a negative coordinate": lambda: corrupt(
        sp.coo_array(P), coords=(sp.coo_array(P).coords[0], np.array([0, 1, 1, 0, 1, 2, -1]))
    ),
    "too few coordinates": lambda: corrupt(
        sp.coo_array(P), coords=(np.zeros(6, dtype=int), np.zeros(6, dtype=int))
    ),
    "blocks out of range": lambda: corrupt(
        sp.bsr_array(P, blocksize=(2, 3)), indices=np.array([0, 1])
    ),
    "blocks of another size": lambda: corrupt(
        sp.bsr_array(P, blocksize=(2, 3)), data=np.ones((2, 3, 3))
    ),
    "too few diagonals": lambda: corrupt(sp.dia_array(P), offsets=np.array([0])),
    "lists of unequal lengths": lambda: corrupt(
        sp.lil_array(P), rows=np.array([[0, 1], [1], [0, 1, 2], []], dtype=object)
    ),
    "a listed column above": lambda: corrupt(
        sp.lil_array(P), rows=np.array([[0, 1], [1], [0, 1, 7], [2]], dtype=object)
    ),
    "complex entries": lambda: sp.csr_array(P.astype(complex)),
    "boolean entries": lambda: sp.csr_array(P > 0),
    "one dimension": lambda: sp.coo_array(np.ones(3)),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_structure_is_refused(case):
    with pytest.raises(rm.ModelError, match="the rows"):
        as_csr("the rows", WRONG[case]())
    with pytest.raises(rm.SolverError, match="the rows"):
        as_csr("the rows", WRONG[case](), error=rm.SolverError)


@pytest.mark.parametrize("kind", FORMATS)
def test_every_format_is_read(kind):
    matrix = sp.coo_array(P).asformat(kind)
    rows = as_csr("the rows", matrix)
    assert rows.format == "csr"
    assert rows.dtype == np.float64
    assert rows.has_canonical_format
    np.testing.assert_array_equal(rows.toarray(), P)


def test_wide_and_shifted_diagonals_are_read():
    matrix = sp.dia_array((np.arange(1.0, 19.0).reshape(3, 6), [-2, 0, 3]), shape=(4, 5))
    np.testing.assert_array_equal(as_csr("the rows", matrix).toarray(), matrix.toarray())


def test_duplicates_are_summed_in_a_copy():
    parts = np.array([0.25, 0.25, 1.0]), np.array([1, 1, 0]), np.array([0, 2, 3])
    matrix = sp.csr_array(parts, shape=(2, 2))
    np.testing.assert_array_equal(as_csr("the rows", matrix).toarray(), [[0, 0.5], [1, 0]])
    assert matrix.nnz == 3
    # a flag that no longer holds plays no part
    fresh = sp.csr_array(np.array([[0.5, 0.5]]))
    assert fresh.has_canonical_format
    fresh.indices = np.array([1, 1])
    np.testing.assert_array_equal(as_csr("the rows", fresh).toarray(), [[0, 1]])


def test_three_axes_become_two():
    np.testing.assert_array_equal(as_csr("it", sp.coo_array(P.reshape(2, 2, 3))).toarray(), P)
    corrupted = sp.coo_array(P.reshape(2, 2, 3))
    corrupted.coords = (*corrupted.coords[:2], np.array([0, 1, 1, 0, 1, 2, 5]))
    with pytest.raises(rm.ModelError, match="stored index 6 is 5"):
        as_csr("it", corrupted)


def test_random_index_arrays_are_read_as_they_are_or_refused():
    """Whatever is accepted is what a loop in Python reads."""
    rng = np.random.default_rng(0)
    counts = {"read": 0, "refused": 0}
    for _ in range(400):
        matrix = sp.csr_array(P)
        pointers = np.sort(rng.integers(0, 8, 5)) if rng.random() < 0.7 else rng.integers(-1, 9, 5)
        if rng.random() < 0.8:
            pointers[0] = 0
        matrix.indptr, matrix.indices = pointers, rng.integers(0, 3 + (rng.random() < 0.2), 7)
        try:
            rows = as_csr("the rows", matrix)
        except rm.ModelError:
            counts["refused"] += 1
            continue
        counts["read"] += 1
        expected = np.zeros(P.shape)
        for row in range(4):
            for place in range(pointers[row], pointers[row + 1]):
                expected[row, matrix.indices[place]] += matrix.data[place]
        np.testing.assert_allclose(rows.toarray(), expected, rtol=1e-15)
    assert min(counts.values()) > 50, counts


def square(pointers):
    """Return a (2, 2) array with wrong pointers."""
    return corrupt(sp.csr_array(np.eye(2)), indptr=np.array(pointers))


def write_part(tmp_path, rows):
    with rm.io.ModelWriter(tmp_path / "m", 2, 1, 0.9) as writer:
        writer.write(rows, np.zeros((2, 1)))


def network():
    return rm.routes.RoadNetwork(start=[0, 1], end=[1, 0], attributes={"length": [1.0, 1.0]})


ONE = rm.MDP(np.eye(2).reshape(2, 1, 2), np.zeros((2, 1)), 0.9)
DOORS = {
    "MDP": lambda rows, _: rm.MDP(rows, np.zeros((2, 1)), 0.9),
    "from_action_matrices": lambda rows, _: rm.MDP.from_action_matrices(
        [rows], np.zeros((2, 1)), 0.9
    ),
    "from_pairs": lambda rows, _: rm.MDP.from_pairs([0, 1], [0, 0], rows, np.zeros(2), 0.9),
    "ModelWriter": lambda rows, path: write_part(path, rows),
    "from_mdptoolbox P": lambda rows, _: rm.io.from_mdptoolbox([rows], np.zeros((2, 1)), 0.9),
    "from_mdptoolbox R": lambda rows, _: rm.io.from_mdptoolbox([np.eye(2)], [rows], 0.9),
    "from_quantecon": lambda rows, _: rm.io.from_quantecon(np.zeros(2), rows, 0.9, [0, 1], [0, 0]),
    "RewardFeatures": lambda rows, _: rm.gradients.RewardFeatures(ONE, rows),
    "linearize": lambda rows, _: rm.gradients.linearize(
        ONE, rm.Shannon(1.0), np.zeros(2)
    ).derivative(rm.gradients.Perturbation(transitions=rows)),
    "expected_features": lambda rows, _: rm.irl.expected_features(ONE, transition=[rows]),
    "KnownTransitions": lambda rows, _: rm.choice.KnownTransitions(rows),
    "LinkFeatures": lambda rows, _: rm.routes.LinkFeatures(network(), {"x": rows}),
}


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("pointers", [[0, -2_000_000_000, 2], [0, 2_000_000_000, 2], [1, 1, 2]])
def test_every_function_that_takes_sparse_arrays_checks_them(door, pointers, tmp_path):
    with pytest.raises(rm.RegmdpError, match="indptr"):
        DOORS[door](square(pointers), tmp_path)


def test_a_file_with_wrong_pointers_is_refused(tmp_path):
    rm.io.save_model(rm.models.forest(), tmp_path / "m.npz")
    arrays = dict(np.load(tmp_path / "m.npz"))
    for pointers in ([0, -(10**9)], [0, 10**9], [5, 1]):
        changed = arrays["transitions_indptr"].copy()
        changed[:2] = pointers
        np.savez(tmp_path / "wrong.npz", **arrays | {"transitions_indptr": changed})
        with pytest.raises(rm.FormatError, match=r"wrong\.npz"):
            rm.io.read_model(tmp_path / "wrong.npz")
