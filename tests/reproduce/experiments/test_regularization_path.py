"""The regularization path: known cases computed by hand, and checks that can fail."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

import regmdp as rm
from regmdp.reproduce.experiments import regularization_path
from regmdp.reproduce.experiments import regularization_path_runs as runs
from regmdp.reproduce.experiments.regularization_path import (
    QUICK,
    find_lossless_temperature,
)
from regmdp.reproduce.experiments.regularization_path_runs import (
    choose_typical_state,
    make_regularizers,
)


def silent(fraction, text):
    pass


SMALL = replace(QUICK, n_states=4, n_actions=3, branching=2, temperatures=11, policies=1)


@pytest.fixture(scope="module")
def table():
    return regularization_path.run(SMALL, silent).tables["paths"]


@pytest.mark.parametrize("name", list(make_regularizers(SMALL, 1.0)))
def test_losses_equal_those_of_the_policies(table, name):
    mdp = rm.models.garnet(4, 3, 2, rng=SMALL.seed, discount=SMALL.discount)
    rows = np.flatnonzero(table["regularizer"] == name)
    assert rows.size == 11
    best = rm.solve(mdp, tol=1e-12).value
    for row in rows[::4]:
        temperature = float(table["temperature"][row])
        regularizer = make_regularizers(SMALL, temperature)[name]
        solution = rm.solve(mdp, regularizer, rm.algorithms.ValueIteration(), tol=1e-9)
        assert table["value"][row] == pytest.approx(solution.initial_value, abs=1e-8, rel=1e-8)
        # V_0 of the policy by 400 iterations of the chain
        chain = np.einsum("sa,sat->st", solution.policy, mdp.to_array())
        value = np.zeros(4)
        for _ in range(400):
            value = (solution.policy * mdp.rewards).sum(axis=1) + mdp.discount * chain @ value
        assert table["largest_loss"][row] == pytest.approx(np.max(best - value), abs=1e-6)


def test_bounds_are_the_range_of_the_regularizer_over_the_horizon(table):
    hottest = {
        name: table["bound"][np.flatnonzero(table["regularizer"] == name)[0]]
        for name in np.unique(table["regularizer"])
    }
    assert hottest["Shannon"] == pytest.approx(10.0 * np.log(3) / 0.1)
    assert hottest["squared ℓ2 norm"] == pytest.approx(10.0 * (1 / 2 - 1 / 6) / 0.1)
    assert np.isinf(hottest["log barrier"])


def test_a_path_that_stops_too_early_says_nothing_about_low_temperatures():
    result = regularization_path.run(replace(SMALL, coldest=1.0), silent)
    assert [check.claim for check in result.checks if not check.passed] == []
    assert not any("power of τ" in check.claim for check in result.checks)
    assert not any("Below some positive" in check.claim for check in result.checks)
    assert result.notes == (
        "Statements about τ → 0 are not checked, because the path ends at τ = 1.",
    )


def test_few_temperatures_give_no_power():
    result = regularization_path.run(replace(SMALL, temperatures=3), silent)
    assert len(result.notes) == 3
    assert not any("power of τ" in check.claim for check in result.checks)
    assert "not measured (log barrier)" in result.figures["losses"].caption


def test_wrong_powers_and_losses_are_detected():
    problem = runs.make_problem(SMALL)
    temperatures = problem.temperatures
    names = [*regularization_path.EXPONENTS, *regularization_path.FINITE_SLOPE]
    losses = dict.fromkeys(names[:2], temperatures**2) | {names[2]: temperatures}
    losses |= {name: np.where(temperatures > 0.1, 1.0, 0.0) for name in names[3:]}

    def failing(changed):
        paths = {name: SimpleNamespace(losses=one) for name, one in (losses | changed).items()}
        checks = regularization_path._check_low_temperatures(problem, paths)
        assert len(checks) == 6
        return [check.claim.rpartition(": ")[2] for check in checks if not check.passed]

    assert failing({}) == []
    assert failing({"log barrier": temperatures**1.2}) == ["log barrier"]
    assert failing({"squared ℓ2 norm": temperatures}) == ["squared ℓ2 norm"]


def test_texts_say_what_the_table_shows():
    result = regularization_path.run(SMALL, silent)
    table, figures = result.tables["paths"], result.figures

    def select(column):
        names = list(dict.fromkeys(table["regularizer"]))
        return {name: table[column][table["regularizer"] == name] for name in names}

    losses, bounds, temperatures = (
        select("largest_loss"),
        select("bound"),
        table["temperature"][:11],
    )
    finite = {name for name, one in bounds.items() if np.isfinite(one).all()}
    ratios = np.array([losses[name] / bounds[name] for name in finite])
    assert (
        f"The loss is at most {ratios.max():.2g} of its bound at any temperature, at most "
        f"{ratios[:, 0].max():.2g} at τ = 10 and at most {ratios[:, -1].max():.2g} at τ = 0.0001."
    ) in figures["losses"].alt
    for name, one in losses.items():
        # the loss of each is either negligible at the end, from some temperature on, or a power
        negligible = one[-1] <= 1e-8
        below = find_lossless_temperature(temperatures, one, 1e-8)
        assert negligible == (below is not None)
        if negligible:
            assert f"τ = {below:.2g} ({name})" in figures["losses"].caption
        else:
            slope = np.polyfit(np.log(temperatures[-3:]), np.log(one[-3:]), 1)[0]
            assert f"{slope:.2f} ({name})" in figures["losses"].caption
    for side, column in (("Left", "value"), ("Right", "reward")):
        ends = np.array([one[[0, -1]] for one in select(column).values()])
        assert (
            f"{side}: at τ = 10 the values are between {ends[:, 0].min():.4g} and "
            f"{ends[:, 0].max():.4g}"
        ) in figures["values"].alt
    probabilities = np.stack([table[f"probability_{action}"] for action in range(3)], axis=1)
    for name in losses:
        here = probabilities[table["regularizer"] == name]
        pure = np.isin(here, (0.0, 1.0)).all()
        sparse, _, steps = figures["policies"].alt.partition("All are 0 or 1")
        assert (name in sparse) == (bool(np.any(here == 0.0)) and not pure)
        assert (name in steps) == pure


def test_the_cheapest_action_may_be_best_everywhere():
    for seed in range(30):
        settings = replace(SMALL, n_states=2, n_actions=2, seed=seed)
        problem = runs.make_problem(settings)
        if problem.best_action == problem.cheapest_action:
            break
    result = regularization_path.run(replace(settings, temperatures=3), silent)
    assert "is the median of all states." in result.figures["policies"].caption


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"coldest": 10.0}, "coldest must be below hottest, 10, not 10"),
        ({"branching": 5}, "branching must be at most the 4 states, not 5"),
    ],
)
def test_settings_that_do_not_fit_are_refused(changes, message):
    with pytest.raises(rm.RegmdpError, match=message):
        replace(SMALL, **changes)


def test_cheapest_action_is_not_the_best_in_the_shown_state():
    mdp = rm.models.garnet(30, 4, 8, rng=QUICK.seed, discount=QUICK.discount)
    value = rm.solve(mdp).value
    shown = choose_typical_state(QUICK, mdp, value)
    best = int(np.argmax(rm.bellman.q_values(mdp, value)[shown]))
    assert best != np.argmin(make_regularizers(QUICK, 1.0)["prices (weighted ℓ1)"].weights)


def test_lossless_temperature():
    temperatures = np.array([8.0, 4.0, 2.0, 1.0])
    assert find_lossless_temperature(temperatures, np.array([1.0, 0.0, 1.0, 0.0]), 1e-9) == 1.0
    assert find_lossless_temperature(temperatures, np.array([1.0, 0.0, 1.0, 1e-3]), 1e-9) is None
    assert find_lossless_temperature(temperatures, np.zeros(4), 1e-9) == 8.0
