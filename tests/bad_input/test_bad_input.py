"""Bad input of every public callable gets an error of the library: no other error, no number.

The bad values are made from one valid call of each callable. What a parameter may be, it says in
its declaration (``regmdp._internal.parameters``); where there is none, ``ACCEPTED`` lists what
looks bad and is not.
"""

import inspect
from collections.abc import Iterator
from pathlib import Path
from zlib import crc32

import numpy as np
import pytest
from bad_input.bad_values import is_never_good
from bad_input.environment_calls import close_writers
from bad_input.exempt import EXEMPT, PROTOCOLS
from bad_input.inputs import (
    BadInput,
    declarations_of,
    describe_counts,
    list_inputs,
    list_uncovered,
)
from bad_input.surface import call, find, public_callables
from bad_input.valid_calls import ACCEPTED, CALLS, accepts
from tiers import tiered

import regmdp as rm

#: The quick tier tests one input of so many, and these callables not at all.
SHARE = 8
SLOW = ("regmdp.testing.check_algorithm", "regmdp.reproduce")
QUICK = tiered(CALLS, lambda name: not name.startswith(SLOW))


def test_every_public_callable_has_a_valid_call_or_a_reason() -> None:
    assert not list_uncovered()


def test_exceptions_and_valid_calls_are_public_callables() -> None:
    known = public_callables().keys()
    assert {name.partition("#")[0] for name in CALLS} <= known
    assert EXEMPT.keys() <= known
    assert PROTOCOLS.keys() <= known


def test_what_is_accepted_belongs_to_a_parameter() -> None:
    for place in ACCEPTED:
        name, _, parameter = place.rpartition(" ")
        assert parameter in CALLS[name](), place


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Keep files that a function writes under a bad name out of the way."""
    monkeypatch.chdir(tmp_path)
    yield
    close_writers()


@pytest.mark.parametrize("name", QUICK)
def test_valid_calls_name_every_parameter_and_succeed(name: str) -> None:
    function, arguments = find(name), CALLS[name]()
    call(function, arguments)
    given = {
        parameter
        for entry, make in CALLS.items()
        if entry.partition("#")[0] == name.partition("#")[0]
        for parameter in make()
    }
    assert given == {
        parameter.name
        for parameter in inspect.signature(function).parameters.values()
        if parameter.kind not in (parameter.VAR_KEYWORD, parameter.VAR_POSITIONAL)
    }


@pytest.mark.parametrize("name", QUICK)
def test_bad_input_gets_an_error_of_the_library(name: str) -> None:
    sample = [one for one in list_inputs(name) if _hash(name, one) % SHARE == 0]
    _require_errors(name, sample)


@pytest.mark.slow
@pytest.mark.parametrize("name", tiered(CALLS, 0))
def test_all_bad_input_gets_an_error_of_the_library(name: str) -> None:
    _require_errors(name, list(list_inputs(name)))


def test_counts() -> None:
    print(describe_counts())  # noqa: T201
    inputs = sum(len(list(list_inputs(name))) for name in CALLS)
    assert inputs > 10 * len(CALLS)


def _require_errors(name: str, inputs: list[BadInput]) -> None:
    problems = list(filter(None, (_find_problem(name, one) for one in inputs)))
    assert not problems, "\n".join(["", *problems])


def _find_problem(name: str, one: BadInput) -> str | None:
    """Return what is wrong with the answer to a bad input."""
    arguments = {**CALLS[name](), one.parameter: one.value}
    try:
        answer = call(find(name), arguments)
    except rm.RegmdpError as error:
        return None if str(error).strip() else f"{name}: {one.parameter} = {one.label}: no message"
    except (FileNotFoundError, FileExistsError) as error:
        return None if isinstance(CALLS[name]()[one.parameter], str | Path) else repr(error)
    except Exception as error:
        return f"{name}: {one.parameter} = {one.label}: {type(error).__name__}: {error}"
    if accepts(name, one.parameter, one.label):
        return None
    if has_nan(answer):
        return f"{name}: {one.parameter} = {one.label}: NaN in the answer"
    if one.parameter in declarations_of(name) and not is_never_good(one.label):
        return None  # the declaration accepts it, or there was an error
    return f"{name}: {one.parameter} = {one.label}: accepted"


def has_nan(answer: object) -> bool:
    """Whether a number, an array, or one of the arrays and numbers in a tuple or object is NaN."""
    if isinstance(answer, float | np.ndarray | np.floating):
        return np.asarray(answer).dtype.kind == "f" and bool(np.isnan(answer).any())
    if isinstance(answer, tuple | list):
        return any(map(has_nan, answer))
    fields = getattr(answer, "__dict__", {})
    return any(has_nan(one) for one in fields.values() if isinstance(one, float | np.ndarray))


def _hash(name: str, one: BadInput) -> int:
    return crc32(f"{name} {one.parameter} {one.label}".encode())
