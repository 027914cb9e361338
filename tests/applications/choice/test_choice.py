"""Estimators compared with each other, with the truth and with differences, and invalid data."""

import numpy as np
import pytest

import regmdp as rm
from regmdp.applications import choice

TRUTH = {"replacement": 3.0, "wear": 0.4, "increment 0": 0.5, "increment 1": 0.3}


def engines(discount=0.95, n_states=12, unit=1.0):
    """A small model of replacement."""
    features = np.zeros((n_states, 2, 2))
    features[:, 1, 0], features[:, 0, 1] = -1.0, -unit * np.arange(n_states)
    start = np.array([[state, 0] for state in range(n_states)])
    utilities = choice.LinearUtilities(features, ["replacement", "wear"])
    return choice.ChoiceModel(
        utilities, choice.Increments(start, 3), discount, choices=("keep", "replace")
    )


def as_function(model):
    """The same utilities, as a function: of the logarithm of the wear."""
    features = model.utilities.features
    return choice.ChoiceModel(
        choice.UtilityFunction(
            lambda theta: features @ np.array([theta[0], np.exp(theta[1])]),
            lambda theta: features * np.array([1.0, np.exp(theta[1])]),
            ["replacement", "log wear"],
        ),
        model.transitions,
        model.discount,
    )


@pytest.fixture(scope="module")
def panel():
    return choice.simulate(
        engines().solve(TRUTH), individuals=300, periods=40, rng=np.random.default_rng(0)
    )


@pytest.fixture(scope="module")
def fit(panel):
    return choice.nested_fixed_point(engines(), panel)


def test_the_true_parameters_are_estimated(fit):
    errors = fit.standard_errors()
    assert fit.converged
    for name, true in TRUTH.items():
        assert abs(fit.parameters[name] - true) < 3.0 * errors[name]
        assert errors[name] < 0.1 * abs(true)


def test_all_estimators_agree(fit, panel):
    joint = choice.full_maximum_likelihood(engines(), panel)
    pseudo = choice.nested_pseudo_likelihood(engines(), panel)
    quick = choice.hotz_miller(
        engines(), panel, probabilities=choice.choice_frequencies(engines(), panel, smoothing=1.0)
    )
    errors = np.array(list(fit.standard_errors().values()))
    assert joint.converged
    assert pseudo.converged
    assert np.allclose(pseudo.vector, fit.vector, atol=1e-5 * errors.max())
    assert joint.log_likelihood >= fit.log_likelihood - 1e-9
    assert np.all(np.abs(joint.vector - fit.vector) < 0.3 * errors)
    assert np.all(np.abs(quick.vector - fit.vector) < 3.0 * errors)


def test_a_utility_function_agrees_with_linear_utilities(fit, panel):
    other = choice.nested_fixed_point(as_function(engines()), panel)
    assert other.parameters["replacement"] == pytest.approx(fit.parameters["replacement"], rel=1e-6)
    assert np.exp(other.parameters["log wear"]) == pytest.approx(fit.parameters["wear"], rel=1e-6)
    wear = fit.parameters["wear"]
    assert other.standard_errors()["log wear"] * wear == pytest.approx(
        fit.standard_errors()["wear"], rel=1e-3
    )


@pytest.mark.parametrize("discount", [0.0, 0.95, 0.9999])
@pytest.mark.parametrize("make", [engines, lambda discount: as_function(engines(discount))])
def test_derivatives_of_the_likelihood(make, discount, panel):
    model = make(discount=discount)
    vector = np.array([2.5, 0.3, 0.45, 0.35])
    there = choice.Likelihood.from_parameters(model, panel, vector)
    steps = 1e-5 * np.eye(4)
    ahead, behind = (
        [choice.Likelihood.from_parameters(model, panel, vector + sign * step) for step in steps]
        for sign in (1.0, -1.0)
    )
    slope = np.array(
        [(one.total - other.total) / 2e-5 for one, other in zip(ahead, behind, strict=True)]
    )
    assert np.allclose(there.full_gradient, slope, rtol=1e-5, atol=1e-5 * np.max(np.abs(slope)))
    assert np.allclose(
        there.scores.sum(axis=0), there.full_gradient, rtol=1e-8, atol=1e-8 * np.max(np.abs(slope))
    )
    curve = np.array(
        [
            (one.full_gradient - other.full_gradient) / 2e-5
            for one, other in zip(ahead, behind, strict=True)
        ]
    )
    assert np.allclose(there.hessian, curve, rtol=1e-4, atol=1e-5 * np.max(np.abs(curve)))


def test_errors_of_the_likelihood_are_bounds(panel):
    model = engines(0.99)
    exact = choice.Likelihood.from_parameters(model, panel, TRUTH)
    solution = exact.solution
    rough_value = solution.mdp_solution.value + 1e-4 * np.random.default_rng(1).uniform(
        -1.0, 1.0, 12
    )
    linear = rm.gradients.linearize(solution.mdp, solution.regularizer, rough_value)
    rough = choice.ChoiceSolution(
        model, solution.parameters, solution.mdp, solution.regularizer, solution.mdp_solution
    )
    vars(rough)["linear"] = linear  # in place of the linearization at the solution
    rough = choice.Likelihood(rough, panel)
    assert 0 < abs(rough.choices - exact.choices) <= rough.choices_error
    assert np.all(np.abs(rough.gradient - exact.gradient) <= rough.gradient_error)
    assert exact.choices_error < 1e-4
    assert np.all(exact.gradient_error < 1e-4)


def test_all_standard_errors_agree_if_the_model_is_correct(fit, panel):
    kinds = {
        kind: np.array(list(fit.standard_errors(kind).values()))
        for kind in ("information", "opg", "sandwich", "cluster")
    }
    resampled = choice.bootstrap(
        lambda panel: choice.nested_fixed_point(engines(), panel, start=fit.vector[:2]),
        panel, replications=40, rng=np.random.default_rng(2),
    )  # fmt: skip
    kinds["bootstrap"] = np.array(list(resampled.standard_errors().values()))
    for errors in kinds.values():
        assert np.all(np.abs(np.log(errors / kinds["information"])) < 0.4)
    low, high = resampled.intervals()["wear"]
    assert low < fit.parameters["wear"] < high


def test_two_step_estimates_have_larger_variances_than_joint_ones(fit, panel):
    joint = choice.full_maximum_likelihood(engines(), panel)
    assert np.all(np.diag(joint.covariance()) <= np.diag(fit.covariance()) * (1.0 + 1e-2))


def test_the_summary_has_the_usual_parts(fit):
    text = fit.summary()
    for part in (
        "12,000 choices of 300 individuals",
        "discount     0.95",
        "std. error",
        "P>|z|",
        "replacement",
        "converged",
    ):
        assert part in text


def test_a_likelihood_ratio_test(fit, panel):
    model = engines()
    wear_only = choice.LinearUtilities(
        model.utilities.features[:, :, 1:], ["wear"], base=-3.0 * np.eye(2)[1] + np.zeros((12, 2))
    )
    held = choice.nested_fixed_point(
        choice.ChoiceModel(wear_only, model.transitions, model.discount), panel
    )
    test = choice.likelihood_ratio_test(held, fit)
    z = (fit.parameters["replacement"] - 3.0) / fit.standard_errors()["replacement"]
    assert test.degrees_of_freedom == 1
    assert test.statistic == pytest.approx(z**2, rel=0.1, abs=0.05)
    assert 0.0 <= test.p_value <= 1.0
    with pytest.raises(
        rm.SampleError, match="the general model has 3 parameters, and the restricted one 4"
    ):
        choice.likelihood_ratio_test(fit, held)


def test_a_counterfactual(fit):
    dearer = choice.counterfactual(fit, {"replacement": lambda cost: 2.0 * cost})
    before, after = dearer.shares
    assert after[1] < before[1]
    assert np.all(dearer.gain < 0)
    assert before.sum() == pytest.approx(1.0)
    assert "replace" in dearer.summary()
    share, error = choice.delta_method(lambda solution: choice.long_run_shares(solution)[1], fit)
    assert share == pytest.approx(before[1])
    assert 0 < error < 0.1 * share
    with pytest.raises(rm.SampleError, match="there is no parameter 'price'"):
        choice.counterfactual(fit, {"price": 1.0})


def test_long_run_shares_are_those_of_a_long_panel(fit):
    long = choice.simulate(fit.solution, individuals=500, periods=400, rng=np.random.default_rng(3))
    assert choice.long_run_shares(fit.solution)[1] == pytest.approx(
        long.choice[long.period > 100].mean(), rel=0.02
    )


def test_transitions_from_frequencies(panel, fit):
    known = choice.KnownTransitions(fit.solution.mdp.to_array())
    assert known.log_likelihoods(panel, np.zeros(0)).size == panel.consecutive.size
    model = choice.ChoiceModel(fit.model.utilities, known, 0.95)
    assert np.allclose(choice.nested_fixed_point(model, panel).vector, fit.vector[:2], rtol=1e-5)
    small = choice.Panel(panel.individual[:5], panel.period[:5], panel.state[:5], panel.choice[:5])
    with pytest.raises(rm.SampleError, match=r"nothing was observed after choice \d+ in state \d+"):
        choice.transition_frequencies(small, np.ones((12, 2), dtype=bool))


@pytest.mark.parametrize("status", [rm.Status.STOPPED, rm.Status.INTERRUPTED])
@pytest.mark.parametrize(
    "estimator",
    [choice.nested_fixed_point, choice.full_maximum_likelihood],
    ids=lambda f: f.__name__,
)
def test_a_stopped_search_returns_the_best_parameters(panel, estimator, status):
    def stop(event):
        events.append(event)
        if len(events) == 4 and status is rm.Status.INTERRUPTED:
            raise KeyboardInterrupt
        return len(events) < 4

    events = []
    fit = estimator(engines(), panel, callback=stop)
    assert fit.status is status
    assert not fit.converged
    assert fit.message.startswith(f"{status.word}: these are the best parameters")
    assert len(events) == 4  # also if the first stage of the joint estimation was stopped
    assert fit.likelihood.choices == max(event.state.choices for event in events)


def test_a_callback_receives_the_points_of_both_stages(panel):
    events = []
    fit = choice.full_maximum_likelihood(engines(), panel, callback=events.append)
    assert [event.iteration for event in events] == list(range(fit.iterations))
    seconds = [event.seconds for event in events]
    assert seconds == sorted(seconds)
    first, last = events[0], events[-1]
    assert first.measures["log_likelihood"] == first.state.choices
    assert first.measures["gradient"] == pytest.approx(
        np.linalg.norm(first.state.gradient[:2]), rel=1e-12
    )
    assert last.measures["log_likelihood"] == last.state.total
    assert last.measures["gradient"] < 1e-3 * first.measures["gradient"]


def test_a_stopped_joint_search_returns_joint_estimates(panel):
    def stop(event):
        events.append(event)
        return bool(event.state.solution.parameters[2] == start.solution.parameters[2])

    events = []
    start = choice.Likelihood.from_parameters(
        engines(), panel, choice.nested_fixed_point(engines(), panel).vector
    )
    fit = choice.full_maximum_likelihood(engines(), panel, callback=stop)
    assert fit.status is rm.Status.STOPPED
    assert fit.method == "full likelihood"
    assert fit.joint


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        (
            ([0, 0], [0, 1], [0, 12], [0, 0]),
            "row 1 has 12 as a state, and the model has states 0 to 11",
        ),
        (
            ([0, 0], [0, 1], [0, 1], [0, 2]),
            "row 1 has 2 as a choice, and the model has choices 0 to 1",
        ),
        (
            ([0, 0], [0, 1], [0, 4], [0, 0]),
            "in row 1 the state has risen by 4 since the row before, and it may rise by 0 to 2",
        ),
    ],
)
def test_a_panel_that_does_not_fit_the_model_is_refused(columns, message):
    with pytest.raises(rm.SampleError, match=message):
        choice.nested_fixed_point(engines(), choice.Panel(*columns))


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        (([], [], [], []), "there are no observations"),
        (
            ([0, 0], [0, 2], [0, 0], [0, 0]),
            "there is a gap before row 1: individual 0 goes from period 0 to 2",
        ),
        (
            ([0, 1, 0], [0, 0, 1], [0, 0, 0], [0, 0, 0]),
            "the rows of individual 0, from row 0 on, are not together",
        ),
        (([0, 0], [0, 1], [0, -1], [0, 0]), "row 1 has -1 as a negative state"),
        (([0, 0], [0, 1], [0, 0.5], [0, 0]), "row 1 has 0.5 as state, which is not an integer"),
        (([0, 0], [0, 1], [0, 0], [0]), "choice must be 2 integers"),
    ],
)
def test_an_invalid_panel_is_refused(columns, message):
    with pytest.raises(rm.SampleError, match=message):
        choice.Panel(*columns)


def test_a_choice_outside_the_set_is_refused():
    model = engines()
    available = np.ones((12, 2), dtype=bool)
    available[0, 1] = False
    limited = choice.ChoiceModel(model.utilities, model.transitions, 0.95, available=available)
    with pytest.raises(
        rm.SampleError,
        match="row 0 has choice 1 in state 0, which is not in the choice set there; 1 of 2 rows",
    ):
        choice.nested_fixed_point(limited, choice.Panel([0, 0], [0, 1], [0, 0], [1, 0]))


def test_an_unvisited_state_is_named():
    few = choice.Panel([0] * 4, [0, 1, 2, 3], [0, 1, 3, 3], [0, 0, 0, 0])
    with pytest.raises(
        rm.SampleError,
        match=(
            "state 2 was never visited, so its choice frequencies are not known; "
            "9 of 12 states are wrong; give choice probabilities"
        ),
    ):
        choice.hotz_miller(engines(), few)


def test_unidentified_parameters_are_named(panel):
    features = np.zeros((12, 2, 2))
    features[:, 1, :] = -1.0
    twice = choice.ChoiceModel(
        choice.LinearUtilities(features, ["one", "other"]), engines().transitions, 0.95
    )
    with pytest.raises(rm.SampleError, match="'one' and 'other' are linearly dependent"):
        choice.nested_fixed_point(twice, panel)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: engines(discount=1.0), "discount must be a number in \\[0, 1\\), not 1.0"),
        (lambda: engines().solve({"replacement": 1.0}), "the parameter 'increment 0' is missing"),
        (
            lambda: engines().solve([1.0, np.nan, 0.5, 0.3]),
            r"parameters\[1\] is nan, not a finite",
        ),
        (
            lambda: choice.LinearUtilities(np.zeros((2, 2, 2)), ["x", "x"]),
            "2 parameters need as many different names",
        ),
        (lambda: choice.Increments(np.array([[5]]), 2), "start must hold"),
        (lambda: choice.KnownTransitions(np.ones((2, 2))), "the probabilities must have shape"),
        (
            lambda: choice.simulate(
                engines().solve(TRUTH), individuals=0, periods=1, rng=np.random.default_rng(0)
            ),
            "individuals must be an integer, 1 or more, not 0",
        ),
    ],
)
def test_bad_arguments_are_refused(make, message):
    with pytest.raises(rm.SampleError, match=message):
        make()
