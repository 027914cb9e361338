"""Conversion of arguments into arrays."""

from fractions import Fraction

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

import regmdp as rm
from regmdp._internal.array_checks import check_array, check_shape

TABLE = np.array([[0.0, 1.0], [2.0, 3.0]])


@pytest.mark.parametrize(
    "value",
    [
        TABLE,
        TABLE.tolist(),
        TABLE.astype(np.int8),
        TABLE.astype(np.float16),
        TABLE.astype(np.longdouble),
        np.ma.array(TABLE),
        [[0, Fraction(1)], [np.float32(2), 3]],
        TABLE.astype(object),
        pd.DataFrame(TABLE),
        [pd.Series(row) for row in TABLE],
        np.asmatrix(TABLE),
    ],
)
def test_numbers_of_any_kind_become_doubles(value: object) -> None:
    result = check_array("r", value)
    assert type(result) is np.ndarray
    assert result.dtype == np.float64
    np.testing.assert_array_equal(result, TABLE)


REFUSED = {
    "complex": (TABLE + 0j, r"^r must be an array of numbers, not of complex128; take the real"),
    "boolean": (TABLE > 0, r"^r must be an array of numbers, not of bool; write 1\.0 and 0\.0"),
    "date": (TABLE.astype("M8[s]"), r"^r must be an array of numbers, not of datetime64\[s\]; "),
    "duration": (TABLE.astype("m8[s]"), "^r must be an array of numbers, not of timedelta64"),
    "text": ([["0", "1"]], "^r must be an array of numbers, not of <U1; convert text"),
    "one text": ("abc", "^r must be an array of numbers, not 'abc'; convert text"),
    "bytes": ([b"0"], r"^r must be an array of numbers, not of \|S1; convert text"),
    "records": (np.zeros(2, "f8,f8"), "^r must be an array of numbers, not of "),
    "none": (None, "^r must be an array of numbers, not None"),
    "one missing": ([[0, 1], [None, 3]], r"^r\[1, 0\] is None, not a real .*; 1 of 4 entries is"),
    "duration in a list": (np.array([1, np.timedelta64(1)], object), r"^r\[1\] is .*timedelta64"),
    "boolean in a list": (np.array([None, True]), r"^r\[0\] is None, .*; 2 of 2 entries are wrong"),
    "large": ([0, 10**400], r"^r\[1\] is 1000.*…, too large; 1 of 2 entries is wrong"),
    "wide": (np.array([0, 1]) * np.longdouble("1e4000"), r"^r\[1\] is .*, too large; 1 of 2"),
    "masked": (np.ma.array(TABLE, mask=TABLE > 1), r"^r\[1, 0\] is masked.*; 2 of 4 entries are"),
    "masked row": ([np.ma.array([0, 1], mask=[0, 1])], r"^r\[1\] is masked.*; 1 of 2 entries is"),
    "masked number": (np.ma.masked, "^r is masked"),
    "ragged": ([[0, 1], [2]], "^r is not an array of numbers: .*inhomogeneous"),
    "sparse": (sp.csr_array(TABLE), r"^r must be a dense array here.*toarray\(\)"),
    "shuffled rows": (pd.DataFrame(TABLE, [1, 0]), "^the index of r is not 0, 1, …, 1 in this"),
    "shuffled columns": (pd.DataFrame(TABLE, columns=[1, 0]), "^the columns of r is not|^the col"),
    "names": (pd.Series([0.0, 1.0], ["a", "b"]), "^the index of r is not 0, 1, …, 1"),
    "shuffled column": ([pd.Series([0.0, 1.0], [1, 0])], "^the index of r is not 0, 1, …, 1"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_no_number_is_refused(case: str) -> None:
    value, message = REFUSED[case]
    with pytest.raises(rm.ModelError, match=message):
        check_array("r", value, error=rm.ModelError)


def test_arrays_of_other_libraries_are_refused_in_words_of_their_own() -> None:
    class Broken:
        def __array__(self, *_: object, **__: object) -> np.ndarray:
            raise RuntimeError("the device is gone\nand more")

    with pytest.raises(rm.SolverError, match="^r is not .* integers: the device is gone$"):
        check_array("r", Broken(), "integer")


@pytest.mark.parametrize("value", [[0, 1], np.array([0, 1], np.uint64), np.array([0, 1], object)])
def test_integers_of_any_kind_become_64_bit_integers(value: object) -> None:
    result = check_array("action", value, "integer")
    assert result.dtype == np.int64
    assert result.tolist() == [0, 1]
    assert check_array("action", [], "integer").dtype == np.int64


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ([0.0, 1.0], "^a must be an array of integers, not of float64"),
        ([True], "^a must be an array of integers, not of bool"),
        (
            np.array([0, 2**63], np.uint64),
            r"^a\[1\] is .*775808\)?, too large; 1 of 2",
        ),
        ([0, -(2**70)], r"^a\[1\] is -1180591620717411303424, too large; 1 of 2 entries"),
        (np.array([0, 0.5], object), r"^a\[1\] is 0.5, not an integer"),
    ],
)
def test_what_is_no_integer_is_refused(value: object, message: str) -> None:
    with pytest.raises(rm.SolverError, match=message):
        check_array("a", value, "integer")


@pytest.mark.parametrize("value", [[True, False], [1, 0], [1.0, 0.0]])
def test_zeros_and_ones_are_truth_values(value: object) -> None:
    assert check_array("mask", value, "boolean").tolist() == [True, False]


@pytest.mark.parametrize("value", [[2, 0], [0.5], [np.nan], ["True"], [None]])
def test_other_numbers_are_no_truth_values(value: object) -> None:
    with pytest.raises(rm.SolverError, match=r"True or False.*|; say which$"):
        check_array("mask", value, "boolean", advice="say which")


def test_dimensions_shapes_and_finite_entries() -> None:
    with pytest.raises(rm.SolverError, match=r"^r must be .* ndim=1, not .* \(2, 2\); s"):
        check_array("r", TABLE, ndim=1, advice="sum it")
    with pytest.raises(rm.SolverError, match=r"^r\[0, 1\] is inf, not .*; 2 of 3 .* are .*; clip"):
        check_array("r", [[0.0, np.inf, np.nan]], finite=True, advice="clip it")
    assert np.isnan(check_array("r", [np.nan])).all()
    with pytest.raises(rm.PolicyError, match=r"^p must .*\(S, A\) = \(3, 2\), not \(2, 2\)"):
        check_shape("p", TABLE, (3, 2), "(S, A)", error=rm.PolicyError)
    check_shape("p", TABLE, (2, 2), "(S, A)")
