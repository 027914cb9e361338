"""Checks of arguments."""

import numpy as np
import pytest

import regmdp as rm
from regmdp._internal.checks import (
    check_integer,
    check_number,
    check_option,
    describe_first,
    show,
)


@pytest.mark.parametrize("value", [1, np.int32(1), np.array(1)])
def test_integers_of_any_library_are_accepted(value: object) -> None:
    result = check_integer("count", value)
    assert result == 1
    assert type(result) is int


@pytest.mark.parametrize("value", [0, 5, 1.0, True, np.True_, None, "1", np.array([1, 2])])
def test_integers_out_of_range_and_other_values_are_refused(value: object) -> None:
    with pytest.raises(rm.SolverError, match=r"^count must be an integer in \[1, 4\], not "):
        check_integer("count", value, 1, 4)


@pytest.mark.parametrize("value", [1, 0.5, np.float32(0.5), np.array(0.5), np.int8(1)])
def test_numbers_of_any_library_are_accepted(value: object) -> None:
    result = check_number("share", value, above=0.0, maximum=1.0)
    assert result == value
    assert type(result) is float


@pytest.mark.parametrize(
    "value", [0.0, 1.5, True, np.True_, None, "0.5", 0.5j, np.array([0.5]), np.nan, np.inf]
)
def test_numbers_out_of_range_and_other_values_are_refused(value: object) -> None:
    with pytest.raises(rm.ModelError, match=r"^share must be a number in \(0, 1\], not .*; halve"):
        check_number("share", value, above=0.0, maximum=1.0, error=rm.ModelError, advice="halve it")


def test_infinite_numbers_are_refused_unless_they_are_allowed() -> None:
    with pytest.raises(rm.SolverError, match="^rate must be a finite number above 0, not inf"):
        check_number("rate", np.inf, above=0.0)
    assert check_number("rate", np.inf, above=0.0, finite=False) == np.inf


@pytest.mark.parametrize("value", ["c", None, 1, np.array(["a", "b"])])
def test_unknown_options_are_refused(value: object) -> None:
    with pytest.raises(rm.SolverError, match="^kind must be 'a', 'b' or 'ab', not "):
        check_option("kind", value, ("a", "b", "ab"))


def test_a_single_wrong_entry_is_described_in_the_singular() -> None:
    bad = np.array([False, True])
    assert describe_first(bad, lambda i: f"row {i}", "rows") == "row 1; 1 of 2 rows is wrong"


def test_only_what_can_be_wrong_is_counted() -> None:
    bad = np.array([[True, True], [False, False]])
    message = describe_first(bad, lambda s, a: f"({s}, {a})", "pairs", "repair them", of=3)
    assert message == "(0, 0); 2 of 3 pairs are wrong; repair them"


def test_an_array_of_one_entry_is_not_counted() -> None:
    assert describe_first(np.array(True), lambda: "it is off", "entries") == "it is off"


@pytest.mark.parametrize("value", [np.timedelta64(1), np.ma.masked, 10**400])
def test_what_python_counts_as_a_number_is_refused(value: object) -> None:
    with pytest.raises(rm.SolverError, match=r"^rate must be a finite number, not "):
        check_number("rate", value)
    if not isinstance(value, int):
        with pytest.raises(rm.SolverError, match=r"^count must be an integer, not "):
            check_integer("count", value, None)


def test_values_in_messages_are_short_and_on_one_line() -> None:
    class Nameless:
        def __repr__(self) -> str:
            raise RuntimeError

    assert show(np.eye(2)) == "array([[1., 0.], [0., 1.]])"
    assert show("\x1b[31m\u2028") == r"'\x1b[31m\u2028'"
    assert show(Nameless()) == "a value of type Nameless"
    assert show(10**5000) == "a value of type int"
    assert len(show("a" * 1000)) == 77
