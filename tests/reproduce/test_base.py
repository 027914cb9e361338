"""Requirements on experiments."""

from dataclasses import replace

import numpy as np
import pytest
from toy_experiments import experiment, result

import regmdp as rm
from regmdp.reproduce import experiments
from regmdp.reproduce.base import Check, FigureSpec, Result

ALL = experiments.EXPERIMENTS


@pytest.mark.parametrize(
    ("columns", "shapes"),
    [
        ({"x": np.arange(3), "y": np.arange(4)}, r"their shapes are x \(3,\), y \(4,\)"),
        ({"x": np.ones((2, 2)), "y": np.ones((2, 2))}, r"their shapes are x \(2, 2\)"),
        ({}, "it has no columns"),
    ],
)
def test_columns_of_different_lengths_raise_errors(columns, shapes):
    with pytest.raises(ValueError, match=f"'t' must be .*; {shapes}"):
        Result({"t": columns}, {}, (), ())


@pytest.mark.parametrize("name", ["", "Curve", "a b", "../up", "-a", "a--b", "a.csv"])
def test_names_must_be_file_names(name):
    with pytest.raises(ValueError, match="not a valid file name"):
        Result({name: {"x": np.arange(2)}}, {}, (), ())
    with pytest.raises(ValueError, match="not a valid file name"):
        Result({}, {name: FigureSpec(lambda: None, "", "")}, (), ())
    with pytest.raises(ValueError, match="not a valid file name"):
        experiment(name)


def test_settings_are_a_dataclass():
    with pytest.raises(TypeError, match="settings of experiment 'toy' must be a dataclass"):
        replace(experiment("toy"), quick={"size": 3})


def test_outcome_of_a_check_is_bool():
    assert Check("", "", "", np.bool_(True)).passed is True


def test_settings_are_recorded_completely():
    assert experiment("toy").settings(quick=True) == {"size": 3, "scales": (1.0, 0.1), "seed": 3}
    assert experiment("toy").settings(quick=False)["size"] == 5


def test_experiments_are_found_by_name_in_order():
    names = [one.name for one in ALL]
    assert experiments.find_experiments(["all"]) == list(ALL)
    assert experiments.find_experiments([names[-1], names[0]]) == [ALL[0], ALL[-1]]
    assert experiments.find_experiments([names[1], "all"]) == list(ALL)


def test_unknown_names_suggest_the_nearest_one():
    with pytest.raises(
        rm.RegmdpError,
        match="no experiment named 'Bandits'; did you mean bandit[?] The experiments are bandit, ",
    ):
        experiments.find_experiments(["bandit", "Bandits"])
    with pytest.raises(
        rm.RegmdpError, match="no experiment named 'zzz'[.] The experiments are bandit, .*: all"
    ):
        experiments.find_experiments(["zzz"])


@pytest.mark.parametrize("one", ALL, ids=lambda one: one.name)
def test_every_experiment_is_described(one):
    assert len({other.name for other in ALL}) == len({other.title for other in ALL}) == len(ALL)
    assert one.title
    assert one.summary.endswith(".")
    assert sum(len(paragraph) for paragraph in one.theory) > 300
    assert any(paragraph.startswith("    ") for paragraph in one.theory), "no formula"
    assert one.sources
    for text in (*one.theory, *one.sources, one.summary, one.caveat):
        assert text.count("{") == text.count("}")
        assert "\\" not in text


def test_the_settings_differ():
    for one in ALL:
        assert one.settings(quick=True) != one.settings(quick=False)
        assert one.settings(quick=True).keys() == one.settings(quick=False).keys()


def test_toy_result():
    assert [check.passed for check in result(experiment("toy").quick, passed=False).checks] == [
        True,
        False,
    ]
