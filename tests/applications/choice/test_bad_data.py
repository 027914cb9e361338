"""Dynamic discrete choice: data and features that determine nothing are refused by name."""

import numpy as np
import pytest

import regmdp as rm
from regmdp import choice
from regmdp.applications.choice import (
    ChoiceModel,
    Increments,
    KnownTransitions,
    LinearUtilities,
    Panel,
    UtilityFunction,
    full_maximum_likelihood,
    hotz_miller,
    nested_fixed_point,
    nested_pseudo_likelihood,
    simulate,
    transition_frequencies,
)

ROWS = {"individual": [7, 7, 8], "period": [0, 1, 0], "state": [0, 1, 0], "choice": [0, 1, 0]}
FEATURES = np.zeros((4, 2, 2))
FEATURES[:, 1, 0], FEATURES[:, 0, 1] = -1.0, -np.arange(4)
WEAR = Increments(np.array([[s, 0] for s in range(4)]), 2)


def model(features=FEATURES, names=("cost", "wear"), **options):
    return ChoiceModel(LinearUtilities(features, names), WEAR, **{"discount": 0.9, **options})


SOLUTION = model().solve([2.0, 0.5, 0.3])
PANEL = simulate(SOLUTION, individuals=30, periods=20, rng=np.random.default_rng(0))

each_estimator = pytest.mark.parametrize(
    "estimator",
    [nested_fixed_point, full_maximum_likelihood, hotz_miller, nested_pseudo_likelihood],
    ids=lambda function: function.__name__,
)


# ---- identification ----


@each_estimator
def test_features_that_determine_nothing_are_named(estimator):
    zero = np.concatenate([FEATURES, np.zeros((4, 2, 1))], axis=2)
    with pytest.raises(rm.SampleError, match="the feature 'toll' is 0 in all choice sets, so"):
        estimator(model(zero, ["cost", "wear", "toll"]), PANEL)
    with pytest.raises(rm.SampleError, match="the feature 'toll' is 0 in all choice sets, so"):
        estimator(model(zero[:, :, 2:], ["toll"]), PANEL)
    double = np.concatenate([FEATURES, 2.0 * FEATURES[:, :, :1]], axis=2)
    message = "the features 'cost' and 'fee' are linearly dependent in all choice sets"
    with pytest.raises(rm.SampleError, match=message):
        estimator(model(double, ["cost", "wear", "fee"]), PANEL)


@each_estimator
def test_a_utility_of_every_choice_is_not_identified(estimator):
    constant = np.concatenate([FEATURES, np.ones((4, 2, 1))], axis=2)
    with pytest.raises(rm.SampleError, match="the data do not identify .*income"):
        estimator(model(constant, ["cost", "wear", "income"]), PANEL)


def test_a_utility_function_without_effect_is_not_identified():
    zero = UtilityFunction(
        lambda theta: np.zeros((4, 2)), lambda theta: np.zeros((4, 2, 1)), ["toll"]
    )
    for estimator in (nested_fixed_point, full_maximum_likelihood):
        with pytest.raises(rm.SampleError, match="the data do not identify 'toll'"):
            estimator(ChoiceModel(zero, WEAR, 0.9), PANEL)


@each_estimator
def test_features_outside_of_the_choice_sets_have_no_effect(estimator):
    sets = np.array([[True, True]] * 3 + [[True, False]])
    outside = np.where(sets, 0.0, 1.0)[:, :, None]
    solution = model(available=sets).solve([2.0, 0.5, 0.3])
    panel = simulate(solution, individuals=5, periods=5, rng=np.random.default_rng(0))
    with pytest.raises(rm.SampleError, match="the feature 'toll' is 0 in all choice sets"):
        estimator(model(outside, ["toll"], available=sets), panel)


@each_estimator
def test_panels_without_choices_are_refused(estimator):
    silent = Panel(
        PANEL.individual, PANEL.period, PANEL.state, PANEL.choice, np.zeros(len(PANEL), dtype=bool)
    )
    for arguments, message in (
        ((model(), silent), "no choice of the panel enters the likelihood"),
        ((model(available=np.ones((4, 3))), PANEL), r"available must have the shape \(4, 2\), not"),
    ):
        with pytest.raises(rm.SampleError, match=message):
            estimator(*arguments)


@pytest.mark.parametrize("estimator", [nested_fixed_point, full_maximum_likelihood])
@pytest.mark.parametrize("start", [np.nan, "a", [1.0], [np.nan, 1.0], [1j, 0.0], [np.inf, 0.0]])
def test_starts_that_are_no_numbers_are_refused(estimator, start):
    with pytest.raises(rm.SampleError, match="start"):
        estimator(model(), PANEL, start=start)


# ---- panels ----


@pytest.mark.parametrize("name", ROWS)
@pytest.mark.parametrize(
    "values",
    [
        [0.5, 1, 2],
        [np.nan, 1, 2],
        ["a", "b", "c"],
        [1e300, 0, 1],
        [2**60, 0, 1],
        [1j, 0, 1],
        [None, 0, 1],
        [[1], [1, 2], [3]],
        [True, False, True],
        np.array([0, 1, 2], "M8[s]"),
        np.ma.array([0, 1, 0], mask=[0, 1, 0]),
        3,
    ],
    ids=str,
)
def test_columns_that_are_no_integers_are_refused(name, values):
    with pytest.raises(rm.SampleError, match=f"{name}|must be 1 integers"):
        Panel(**{**ROWS, name: values})


def test_the_row_of_a_fraction_is_named():
    with pytest.raises(rm.SampleError, match="row 1 has 0.5 as state, which is not an integer"):
        Panel(**{**ROWS, "state": [0, 0.5, 1]})
    assert Panel(**{**ROWS, "state": [0.0, 1.0, 0.0]}).state.dtype == np.int64


@pytest.mark.parametrize(
    ("counted", "message"),
    [
        ("a", "counted must be"),
        ([True, False], r"counted must be 3 booleans, .* of shape \(2,\)"),
        ([np.nan] * 3, "counted must be an array of True or False"),
        ([0, 1, 2], "counted must be an array of True or False"),
    ],
)
def test_masks_that_are_none_are_refused(counted, message):
    with pytest.raises(rm.SampleError, match=message):
        Panel(**ROWS, counted=counted)


@pytest.mark.parametrize("increment", [[0.5, 0, 0], [np.nan, 0, 1], "a", [-1] * 3, [10**12] * 3])
def test_impossible_increments_are_refused(increment):
    with pytest.raises(rm.SampleError, match="increment|risen by"):
        nested_fixed_point(model(), Panel(**ROWS, increment=increment))


@pytest.mark.parametrize("individuals", [[99], ["a"], [], None, [0.5], [np.nan], [[0, 1]]])
def test_individuals_that_are_not_there_are_refused(individuals):
    with pytest.raises(rm.SampleError, match="individual"):
        PANEL.subset(individuals)


def test_states_of_a_billion_are_refused_before_they_are_counted():
    far = Panel(**{**ROWS, "state": [0, 10**12, 0]})
    with pytest.raises(rm.SampleError, match="row 1 has 1000000000000 as a state, and the model"):
        nested_fixed_point(model(), far)
    with pytest.raises(rm.InsufficientMemoryError, match="counts of 1,000,000,000,001 states with"):
        far.count_choices(10**12 + 1, 2)


# ---- the model ----


@pytest.mark.parametrize(
    "features",
    ["a", FEATURES * 1j, [[[1]], [[1, 2]]], FEATURES * np.nan, FEATURES[0], FEATURES > 0, None],
    ids=["text", "complex", "ragged", "nan", "shape", "boolean", "none"],
)  # fmt: skip
def test_features_that_are_no_numbers_are_refused(features):
    with pytest.raises(rm.SampleError, match="features"):
        LinearUtilities(features, ["cost", "wear"])


@pytest.mark.parametrize("names", [None, "ab", [1, 2], ["a", "a"], ["a"], 3])
def test_names_are_different_texts(names):
    with pytest.raises(rm.SampleError, match="names"):
        LinearUtilities(FEATURES, names)


@pytest.mark.parametrize("base", ["a", np.nan, np.ones(3), 1j])
def test_bases_that_are_no_numbers_are_refused(base):
    with pytest.raises(rm.SampleError, match="base"):
        LinearUtilities(FEATURES, ["cost", "wear"], base=base)


def test_functions_that_return_no_numbers_are_refused():
    for returned in ("a", np.ones((4, 2)) * 1j, [[1], [1, 2]], None):
        bad = UtilityFunction(lambda theta, r=returned: r, lambda theta: np.zeros((4, 2, 1)), ["x"])
        with pytest.raises(rm.SampleError, match="the utilities"):
            bad.values(np.zeros(1))


@pytest.mark.parametrize("values", ["a", np.ones((4, 2, 4)) * 1j, None, np.ones((4, 2, 3))])
def test_known_transitions_that_are_none_are_refused(values):
    with pytest.raises(rm.SampleError, match="the probabilities"):
        KnownTransitions(values)


@pytest.mark.parametrize(
    ("start", "n_increments", "message"),
    [
        ([[0.5]], 2, "start must be an array of integers"),
        ([[True]], 2, "start must be an array of integers"),
        ("a", 2, "start must be an array of integers"),
        ([[0, 1]], 2, "state numbers from 0 to 0"),
        ([[0]], 1, "n_increments must be an integer, 2 or more"),
        ([[0]], 2.5, "n_increments must be an integer, 2 or more"),
        ([[0]], 10**15, "by 1,000,000,000,000,000 increments need .* of memory"),
    ],
)
def test_increments_that_are_none_are_refused(start, n_increments, message):
    with pytest.raises(rm.RegmdpError, match=message):
        Increments(start, n_increments)


@pytest.mark.parametrize(
    "parameters", [[1.0], None, "a", {"cost": 1.0}, [1, 2, np.nan], [1j, 2, 0.3]]
)
def test_parameters_that_are_none_are_refused(parameters):
    with pytest.raises(rm.SampleError, match="parameter"):
        model().solve(parameters)


# ---- simulation ----


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"individuals": 0}, "individuals must be an integer, 1 or more"),
        ({"individuals": 2.5}, "individuals must be an integer, 1 or more"),
        ({"periods": -1}, "periods must be an integer, 1 or more"),
        ({"start": np.zeros(4)}, "start sums to 0, not to 1"),
        ({"start": np.full(4, 7.0)}, r"start\[0\] is 7.0, not 1 or less"),
        ({"start": np.full(4, np.nan)}, r"start\[0\] is nan, not a finite number"),
        ({"start": [2.0, -1.0, 0.0, 0.0]}, r"start\[1\] is -1.0, not 0 or more"),
        (
            {"start": np.ones(3) / 3},
            r"start must be an array of shape \(S,\), here \(4,\), not \(3,\)",
        ),
        ({"start": np.ones(4) * 0.25j}, "start must be an array of numbers"),
        ({"rng": 3}, "rng must be a numpy.random.Generator, .* not 3"),
        ({"solution": None}, "solution must be of class ChoiceSolution, not None"),
        ({"individuals": 10**6, "periods": 10**6}, "1,000,000 periods of 1,000,000 individuals ne"),
        ({"periods": 10**12}, "1,000,000,000,000 periods of 3 individuals need .* of memory"),
    ],
)
def test_panels_that_cannot_be_drawn_are_refused(options, message):
    options = {"solution": SOLUTION, "individuals": 3, "periods": 4, **options}
    options = {"rng": np.random.default_rng(0), **options}
    with pytest.raises(rm.RegmdpError, match=message):
        simulate(options.pop("solution"), **options)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"replications": 2.5}, "replications must be an integer, 2 or more"),
        ({"estimator": 3}, "estimator must be a function, not 3"),
        ({"panel": None}, "panel must be of class Panel, not None"),
        ({"rng": None}, "rng must be a numpy.random.Generator, .* not None"),
    ],
)
def test_bootstraps_of_something_else_are_refused(options, message):
    options = {
        "estimator": lambda panel: nested_fixed_point(model(), panel),
        "panel": PANEL,
        "replications": 2,
        "rng": np.random.default_rng(0),
        **options,
    }
    with pytest.raises(rm.SampleError, match=message):
        choice.bootstrap(options.pop("estimator"), options.pop("panel"), **options)


def test_frequencies_need_a_panel_and_a_mask():
    with pytest.raises(rm.SampleError, match="panel must be of class Panel, not None"):
        transition_frequencies(None, np.ones((4, 2), dtype=bool))
    with pytest.raises(rm.SampleError, match="available must be an array of True or False"):
        transition_frequencies(PANEL, "a")
