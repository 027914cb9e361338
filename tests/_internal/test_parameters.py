"""Declarations of parameters, and the checks that they make."""

import pickle
from abc import ABC, abstractmethod
from dataclasses import dataclass, replace

import numpy as np
import pytest

import regmdp as rm
from regmdp._internal.parameters import (
    ArrayOf,
    FileName,
    Flag,
    Function,
    Instance,
    Integer,
    MappingOf,
    Number,
    Option,
    SequenceOf,
    Text,
    checked,
    checked_methods,
)


@checked(rm.ModelError, count=Integer(minimum=2), rate=Number(above=0.0) | None, name=Text())
@dataclass(frozen=True)
class Plan:
    """A frozen class with declared fields."""

    count: int
    rate: float | None = None
    name: str = "plan"


@checked(
    kind=Option("up", "down"),
    on=Flag(),
    what=Instance(Plan, dict),
    work=Function(),
)
def act(
    kind: str,
    on: bool = False,
    *rest: object,
    what: object = None,
    work: object = None,
    **more: object,
) -> tuple[object, ...]:
    """Return the arguments."""
    return kind, on, rest, what, work, more


@checked(value=ArrayOf("S"), q=ArrayOf("S A", infinite=(-np.inf,), ignored=True))
def read(mdp: rm.MDP, value: object = None, q: object = None) -> tuple[object, object]:
    """Return two arrays."""
    return value, q


@checked(
    points=ArrayOf("n 2", minimum=0.0, maximum=1.0), mask=ArrayOf("n", "boolean"), any=ArrayOf()
)
def place(points: object, mask: object = None, any: object = None) -> object:
    """Return the points."""
    return points


MODEL = rm.MDP.from_pairs([0, 0], [0, 1], np.eye(2), [0.0, 1.0], discount=0.5, n_states=2)


def test_arguments_are_converted_and_defaults_are_not() -> None:
    plan = Plan(np.int8(3), np.float32(0.5))
    assert plan == Plan(3, 0.5)
    assert type(plan.count) is int
    assert type(plan.rate) is float
    assert Plan(2).rate is None
    assert replace(plan, count=5).count == 5
    assert pickle.loads(pickle.dumps(plan)) == plan
    assert act("up", np.True_, 1, 3, what={}, other=2) == (
        "up",
        True,
        (1, 3),
        {},
        None,
        {"other": 2},
    )
    assert act.__doc__ == "Return the arguments."
    assert sorted(act.declarations) == ["kind", "on", "what", "work"]
    value, q = read(MODEL, [1, 2], [[0, -np.inf], [np.nan, np.inf]])
    assert value.dtype == q.dtype == np.float64
    assert place([[0, 1]]).shape == (1, 2)


REFUSED = {
    "an integer": (lambda: Plan(1), rm.ModelError, "^count must be an integer, 2 or more, not 1$"),
    "a number": (lambda: Plan(2, 0.0), rm.ModelError, "^rate must be a finite number above 0, not"),
    "none of several": (
        lambda: Plan(2, "0.5"),
        rm.ModelError,
        "^rate must be a finite number above 0, not '0.5'$",
    ),
    "replaced": (lambda: replace(Plan(2), name=3), rm.ModelError, "^name must be a string, not 3$"),
    "an option": (lambda: act("upp"), rm.SolverError, "^kind must be .*; did you mean 'up'"),
    "a flag": (lambda: act("up", 1), rm.SolverError, "^on must be True or False, not 1$"),
    "a class": (
        lambda: act("up", what=Plan),
        rm.SolverError,
        "^what must be of class Plan or dict, not <class .*; did you forget the parentheses",
    ),
    "a function": (lambda: act("up", work=3), rm.SolverError, "^work must be a function, not 3$"),
    "a value": (
        lambda: read(MODEL, [1.0]),
        rm.SolverError,
        r"^value must be an array of shape \(S,\), here \(2,\), not \(1,\)$",
    ),
    "a value by name": (
        lambda: read(MODEL, value=[np.nan, 0.0]),
        rm.SolverError,
        r"^value\[0\] is nan",
    ),
    "infinite": (
        lambda: read(MODEL, [-np.inf, 0.0]),
        rm.SolverError,
        r"^value\[0\] is -inf, not a fin",
    ),
    "above": (
        lambda: read(MODEL, q=[[np.inf, 0.0], [0.0, 0.0]]),
        rm.SolverError,
        r"^q\[0, 0\] is inf, not a number below ∞; 1 of 4 entries is wrong$",
    ),
    "any n": (
        lambda: place([0.5]),
        rm.SolverError,
        r"^points .* \(n, 2\), not \(1,\)$",
    ),
    "columns": (lambda: place([[0.5]]), rm.SolverError, r"not \(1, 1\)$"),
    "low": (lambda: place([[0, -1]]), rm.SolverError, r"^points\[0, 1\] is -1\.0, not 0 or more"),
    "high": (lambda: place([[0, 2]]), rm.SolverError, r"^points\[0, 1\] is 2\.0, not 1 or less"),
    "a mask": (lambda: place([[0, 1]], [2]), rm.SolverError, "^mask must be an array of True or"),
    "anything": (lambda: place([[0, 1]], any="x"), rm.SolverError, "^any must be an array of numb"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_not_declared_is_refused(case: str) -> None:
    attempt, error, message = REFUSED[case]
    with pytest.raises(error, match=message):
        attempt()


def test_wrong_calls_are_left_to_python() -> None:
    with pytest.raises(TypeError, match="unexpected keyword argument 'cuont'"):
        Plan(cuont=3)
    with pytest.raises(TypeError, match="positional argument"):
        Plan(2, 0.5, "plan", "more")
    with pytest.raises(TypeError, match="missing 1 required positional argument: 'count'"):
        Plan()
    with pytest.raises(TypeError, match=r"act has no parameters \['size'\]"):
        checked(size=Integer())(act)


@checked(
    file=FileName(),
    names=SequenceOf(Text(), minimum=1),
    pair=SequenceOf(Integer(0), length=2) | None,
    options=MappingOf(Number(minimum=0.0)),
)
def gather(
    file: object = None, names: object = None, pair: object = None, options: object = None
) -> tuple[object, ...]:
    """Return the arguments."""
    return file, names, pair, options


def test_names_of_files_sequences_and_dictionaries() -> None:
    assert gather("a/b", iter("cd"), (1, np.int8(2)), {"x": 1}) == (
        "a/b",
        ["c", "d"],
        [1, 2],
        {"x": 1.0},
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"file": 3}, "file must be the name of a file or folder, not 3"),
        ({"file": b"a"}, "file must be the name of a file or folder, not b'a'"),
        ({"names": "ab"}, "names must be a sequence, not 'ab'"),
        ({"names": []}, "names must have at least 1 items, not 0"),
        ({"names": ["a", 3]}, r"names\[1\] must be a string, not 3"),
        ({"pair": [1]}, "pair must have 2 items, not 1"),
        ({"pair": [1, -1]}, r"pair\[1\] must be an integer, 0 or more, not -1"),
        ({"options": ["x"]}, r"options must be a dictionary, not \['x'\]"),
        ({"options": {3: 1.0}}, "a key of options must be a string, not 3"),
        ({"options": {"x": -1.0}}, r"options\['x'\] must be a finite number, 0 or more, not -1.0"),
    ],
)
def test_wrong_names_of_files_sequences_and_dictionaries(
    arguments: dict[str, object], message: str
) -> None:
    with pytest.raises(rm.SolverError, match=message):
        gather(**arguments)


@checked_methods(rm.ModelError, step={"count": Integer()}, rest={"count": Integer()})
class Walk(ABC):
    """A class with declared methods."""

    def __init_subclass__(cls, **options: object) -> None:
        super().__init_subclass__(**options)
        cls.known = cls.__name__

    @abstractmethod
    def rest(self, count: int) -> int:
        """Rest."""

    def step(self, count: int) -> int:
        """Return the number of steps."""
        return count


class LongWalk(Walk):
    """A class that overrides one."""

    def rest(self, count: int) -> int:
        return 10 * count


def test_declared_methods_are_checked_in_subclasses() -> None:
    walk = LongWalk()
    assert (walk.step(np.int64(2)), walk.rest(count=3), LongWalk.known) == (2, 30, "LongWalk")
    for method in (walk.step, walk.rest):
        with pytest.raises(rm.ModelError, match="count must be an integer, 1 or more, not 0"):
            method(0)
    with pytest.raises(TypeError, match="abstract"):
        Walk()


@checked(x=ArrayOf("n"), y=ArrayOf("n m", missing=True) | None, z=ArrayOf("m"))
def pair_up(x: object, y: object = None, z: object = None) -> None:
    """Do nothing with arrays whose sizes belong together."""


def test_a_letter_is_one_size_in_a_call() -> None:
    pair_up(np.zeros(3), np.full((3, 2), np.nan), np.zeros(2))
    pair_up(np.zeros(3), z=np.zeros(5))
    with pytest.raises(rm.SolverError, match="x and y must have the same size n, .* 3, y has 2"):
        pair_up(np.zeros(3), np.zeros((2, 2)))
    with pytest.raises(rm.SolverError, match="y and z must have the same size m"):
        pair_up(np.zeros(3), y=np.zeros((3, 2)), z=[1.0])
