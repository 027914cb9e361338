"""Every setting of every experiment: limits that are refused, and texts that can be read."""

import inspect
from dataclasses import fields, replace
from typing import Annotated, get_args, get_origin, get_type_hints

import pytest
from bad_input.bad_values import bad_values, is_never_good

import regmdp as rm
from regmdp._internal.kinds import Kind
from regmdp.reproduce import experiments
from regmdp.reproduce.settings import Items, format_setting

#: Texts of numbers, which are read.
READ = {("text", int), ("text", float)}

ALL = experiments.EXPERIMENTS

SETTINGS = [(one, field.name) for one in ALL for field in fields(one.full)]
each_setting = pytest.mark.parametrize(
    ("experiment", "name"), SETTINGS, ids=[f"{one.name}-{name}" for one, name in SETTINGS]
)


def unwrap(kind):
    """A type, and its limits or requirements by class."""
    if get_origin(kind) is not Annotated:
        return kind, {}
    base, *extras = get_args(kind)
    return base, {type(extra): extra for extra in extras}


def find_kind(extras):
    """What a field is declared to be, if it is."""
    return next((extra for extra in extras.values() if isinstance(extra, Kind)), None)


def wrong_numbers(kind):
    """Numbers just outside of the limits of a number."""
    base, extras = unwrap(kind)
    limits = find_kind(extras)
    if base is str or limits is None:
        return
    for sign, limit in ((-1, limits.minimum), (1, limits.maximum)):
        if limit is not None:
            yield limit + sign * (1 if base is int else max(1e-3, abs(limit) * 1e-3))
    if base is float:
        yield from (one for one in (limits.above, limits.below) if one is not None)
    yield from (float("nan"), float("inf"), float("-inf"))


def wrong_values(kind, value):
    """Values that a field must refuse, given a valid one."""
    base, extras = unwrap(kind)
    if get_origin(base) is not tuple:
        return [*wrong_numbers(kind), "x", None, (), True]
    wrong = [None, "x", *([value[:0]] if extras.get(Items, Items(0)).least else [])]
    entries = get_args(base)
    if entries[-1] is Ellipsis:
        order = extras.get(Items, Items()).order
        if order is not None:
            wrong.append((*value, value[-1]))
        if order in ("increasing", "decreasing") and len(value) > 1:
            wrong.append(value[::-1])
        if value:
            wrong += [(*value[:-1], one) for one in wrong_values(entries[0], value[-1])]
    else:
        wrong.append(value[:-1])
        for index, entry in enumerate(entries):
            wrong += [
                (*value[:index], one, *value[index + 1 :])
                for one in wrong_values(entry, value[index])
            ]
    return wrong


@each_setting
def test_values_outside_of_the_limits_are_refused(experiment, name):
    kind = get_type_hints(type(experiment.full), include_extras=True)[name]
    base, extras = unwrap(kind)
    if base in (int, float) and find_kind(extras) is None:
        # limited by its dependence on other settings
        assert (experiment.name, name) == ("exponential", "shown_size")
    wrong = wrong_values(kind, getattr(experiment.full, name))
    assert wrong
    for value in wrong:
        with pytest.raises(rm.RegmdpError, match=r"must|differ|needs? about|gives"):
            replace(experiment.full, **{name: value})
        with pytest.raises(rm.RegmdpError, match=f"^experiment '{experiment.name}': "):
            experiment.configure(True, {name: value})


@each_setting
def test_values_of_another_kind_are_refused(experiment, name):
    good = getattr(experiment.full, name)
    parameter = inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY)
    wrong = [
        (label, value)
        for label, value in bad_values(parameter, good)
        if is_never_good(label) and (label, type(good)) not in READ
    ]
    assert len(wrong) > 4
    for label, value in wrong:
        with pytest.raises(rm.RegmdpError, match="."):
            pytest.fail(f"{label}: {experiment.configure(True, {name: value})}")


@each_setting
def test_the_text_of_a_setting_is_read_back(experiment, name):
    for settings in (experiment.full, experiment.quick):
        value = getattr(settings, name)
        changes = {field.name: getattr(settings, field.name) for field in fields(settings)}
        again = experiment.configure(True, changes | {name: format_setting(value)})
        assert again == settings
        assert repr(again) == repr(settings)


def test_only_the_bandit_draws_nothing():
    assert [one.name for one in ALL if "seed" not in one.setting_names] == ["bandit"]
