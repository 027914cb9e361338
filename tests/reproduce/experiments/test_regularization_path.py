"""The regularization path: known cases computed by hand, and checks that can fail."""

from dataclasses import replace

import numpy as np
import pytest

import regmdp as rm
from regmdp.reproduce.experiments import regularization_path
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


def test_checks_fail_for_a_path_that_stops_too_early():
    result = regularization_path.run(replace(SMALL, coldest=1.0), silent)
    failed = [check.claim for check in result.checks if not check.passed]
    assert any("power of τ" in claim for claim in failed)
    assert any("Below some positive temperature" in claim for claim in failed)
    assert not any("exceeds" in claim or "lies between" in claim for claim in failed)


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
