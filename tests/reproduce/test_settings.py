"""Settings of experiments: texts, types, limits and messages."""

from dataclasses import dataclass, replace
from typing import Annotated

import numpy as np
import pytest

import regmdp as rm
from regmdp._internal.kinds import Integer, Number, Option
from regmdp.reproduce.settings import (
    Change,
    Items,
    change_settings,
    check_fields,
    format_setting,
    list_changes,
)


@dataclass(frozen=True)
class Settings:
    count: Annotated[int, Integer(1, 10)] = 2
    temperature: Annotated[float, Number(above=0.0, maximum=1.0)] = 0.5
    steps: Annotated[
        tuple[Annotated[float, Number(minimum=0.0)], ...], Items(order="increasing")
    ] = (
        0.1,
        1.0,
    )
    falling: Annotated[tuple[int, ...], Items(2, 3, "decreasing")] = (3, 2)
    chosen: Annotated[tuple[str, ...], Items(order="different")] = ("a", "b")
    kind: Annotated[str, Option("uniform", "sign")] = "sign"
    shape: tuple[int, float] = (3, 0.5)
    shapes: Annotated[tuple[tuple[int, float], ...], Items(least=0)] = ((3, 0.5),)
    label: str = "x"

    def __post_init__(self):
        check_fields(self)


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("count", "7", 7),
        ("count", " 1e1 ", 10),
        ("temperature", "1", 1.0),
        ("temperature", "5e-3", 0.005),
        ("steps", "0,0.5,2", (0.0, 0.5, 2.0)),
        ("steps", "3", (3.0,)),
        ("falling", "1,0,-1", (1, 0, -1)),
        ("chosen", "b", ("b",)),
        ("kind", "uniform", "uniform"),
        ("shape", "7,2", (7, 2.0)),
        ("shapes", "7:2,8:0.25", ((7, 2.0), (8, 0.25))),
        ("shapes", "", ()),
        ("label", "0.5", "0.5"),
    ],
)
def test_texts_are_read_as_the_type_of_the_field(name, text, value):
    changed = change_settings("toy", Settings(), {name: text})
    assert changed == replace(Settings(), **{name: value})
    read = getattr(changed, name)
    assert type(read) is type(value)
    if isinstance(value, tuple) and value:
        assert [type(one) for one in read] == [type(one) for one in value]
    assert change_settings("toy", Settings(), {name: format_setting(value)}) == changed


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("count", np.int64(3), 3),
        ("temperature", 1, 1.0),
        ("steps", [1, np.float64(2.0)], (1.0, 2.0)),
        ("steps", np.array([1.0, 2.0]), (1.0, 2.0)),
        ("steps", 2, (2.0,)),
        ("shapes", [[1, 2]], ((1, 2.0),)),
    ],
)
def test_values_become_the_numbers_and_tuples_of_python(name, value, expected):
    read = getattr(change_settings("toy", Settings(), {name: value}), name)
    assert read == expected
    assert repr(read) == repr(expected)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("count", "0", r"count must be an integer in \[1, 10\], not 0"),
        ("count", "11", r"count must be an integer in \[1, 10\], not 11"),
        ("count", "2.5", "count must be an integer .*, not 2.5"),
        ("count", "2.0", "count must be an integer .*, not 2.0"),
        ("count", "many", "count must be an integer .*, not 'many'"),
        ("count", "", "count must be an integer .*, not ''"),
        ("count", True, "count must be an integer .*, not True"),
        ("temperature", "0", r"temperature must be a number in \(0, 1\], not 0"),
        ("temperature", "1.5", r"temperature must be a number in \(0, 1\]"),
        ("temperature", "nan", r"temperature must be a number in \(0, 1\], not nan"),
        ("temperature", "inf", r"temperature must be a number in \(0, 1\], not inf"),
        ("temperature", None, "temperature must be a number .*, not None"),
        ("temperature", "0.1,0.2", "temperature must be a number .*, not '0.1,0.2'"),
        ("steps", "0.1,-1", r"steps\[1\] must be a finite number, 0 or more, not -1"),
        ("steps", "0.1,inf", r"steps\[1\] must be a finite number"),
        ("steps", "1,0.1", "the entries of steps must be strictly increasing, not 1.0,0.1"),
        ("steps", "1,1", "the entries of steps must be strictly increasing"),
        ("steps", "", "steps must have between 1 and 100 entries, not 0"),
        ("steps", "1,,2", r"steps\[1\] must be a finite number, 0 or more, not ''"),
        ("falling", "1,2", "the entries of falling must be strictly decreasing, not 1,2"),
        ("falling", "3", "falling must have between 2 and 3 entries, not 1"),
        ("falling", "4,3,2,1", "falling must have between 2 and 3 entries, not 4"),
        ("chosen", "a,a", "the entries of chosen must be different, not a,a"),
        ("kind", "signs", "kind must be 'uniform' or 'sign', not 'signs'; did you mean 'sign'"),
        ("shape", "3", "shape must have 2 values, not 1"),
        ("shape", 3, "shape must be a tuple, not 3"),
        ("shape", "3,a", r"shape\[1\] must be a finite number, not 'a'"),
        ("shapes", "3", r"shapes must have 2 values, not 1"),
        ("shapes", "3:1:1", r"shapes must have 2 values, not 3"),
        ("shapes", (3,), r"shapes\[0\] must be a tuple, not 3"),
        ("label", 3, "label must be a string, not 3"),
    ],
)
def test_wrong_values_are_refused_with_a_sentence(name, value, message):
    with pytest.raises(rm.RegmdpError, match=f"^experiment 'toy': {message}"):
        change_settings("toy", Settings(), {name: value})


def test_unknown_names_are_refused_with_the_list_and_the_nearest_one():
    with pytest.raises(
        rm.RegmdpError,
        match="^experiment 'toy' has no setting 'temprature'; did you mean 'temperature'[?] Its "
        "settings are count, temperature, steps, ",
    ):
        change_settings("toy", Settings(), {"temprature": "1"})
    with pytest.raises(rm.RegmdpError, match="no setting 'zzz'[.] Its settings are count, "):
        change_settings("toy", Settings(), {"zzz": "1"})


def test_limits_hold_however_settings_are_made():
    with pytest.raises(rm.RegmdpError, match="count must be an integer"):
        Settings(count=0)


def test_changes_are_listed():
    assert list_changes(Settings(), Settings()) == ()
    listed = list_changes(Settings(count=3, steps=(2.0,)), Settings())
    assert listed == (Change("count", 3, 2), Change("steps", (2.0,), (0.1, 1.0)))
    assert [str(change) for change in listed] == [
        "count = 3 (full run: 2)",
        "steps = 2.0 (full run: 0.1,1.0)",
    ]
