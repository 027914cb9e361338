"""Each statement is violated by a method that is wrong in one place: else it could not see
anything.

The models are chosen so that the bound is nearly tight there.
"""

from functools import cache

import numpy as np
import pytest
from theory import mutants
from theory.mutants import averages, passed_off

import regmdp as rm
from regmdp import algorithms

GARNET = rm.models.garnet(6, 3, 3, discount=0.9)
SHORT = GARNET.with_discount(0.5)

# soft policy iteration from where the second action, whose share in the optimum is 1e-2, has hardly
# any: the values are nearly optimal from the start, so that the bounds are small, but the policy is
# far from optimal for as long as the old one counts
TAU = 0.2
BANDIT = rm.models.bandit((1.0, 1.0 + TAU * np.log(0.01)), discount=0.9)
LARGEST = (1 - 0.9) / TAU


def violated(report, name):
    comparison = report[name]
    assert not comparison.holds
    assert report.violations
    assert not report.holds
    assert "VIOLATED" in str(report)
    return comparison


def honest(mdp, regularizer, algorithm, iterations, start=None):
    report = rm.theory.check(
        rm.theory.trace(mdp, regularizer, algorithm, max_iterations=iterations, start=start)
    )
    assert report.holds, str(report)
    return report


# ---- wrong exponents: 1 - ητ and ητ, as some sources print them, for 1 - ητ/(1-γ) and ητ/(1-γ) ----


@cache
def wrong_exponents(eta, iterations, share):
    right, start = algorithms.NPG(eta), np.array([[1.0 - share, share]])
    honest(BANDIT, rm.Shannon(TAU), right, iterations, start)
    return rm.theory.check(
        passed_off(BANDIT, rm.Shannon(TAU), right, averages(1 - eta * TAU, eta), iterations, start)
    )


@pytest.mark.parametrize(
    "name",
    [
        "error of Q",
        "error of V",
        "error of π",
        "error of log π",
        "linear system",
        "potential",
        "gap from the start",
        "quadratic convergence",
        "quadratic convergence from ν*",
        "three points",
        "monotone improvement",
    ],
)
def test_wrong_exponents(name):
    report = wrong_exponents(LARGEST, 40, 1e-12)
    violated(report, name)
    # what does not depend on the method holds all the same
    for other in ("evaluation", "performance difference", "gap by divergence"):
        assert report[other].holds


@pytest.mark.parametrize(
    "name", ["contraction of the potential", "potential", "gap from the start"]
)
def test_wrong_exponents_with_short_steps(name):
    violated(wrong_exponents(0.2 * LARGEST, 60, 0.98), name)


# ---- Q that is not averaged, Q without its γ, the wrong sign ----

ALPHA, ETA = 0.5, 1.0  # of mirror descent, at τ = 1
WRONG = {
    "not averaged": averages(ALPHA, 1.0),
    "without γ": averages(ALPHA, 1.0 - ALPHA, mutants.undiscounted),
    "downhill": averages(ALPHA, -(1.0 - ALPHA)),
}
LIMITS = [
    "error of Q",
    "error of V",
    "error of π",
    "linear system",
    "potential",
    "contraction of the potential",
    "gap from the start",
]


@pytest.mark.parametrize(
    "regularizer", [rm.Shannon(1.0), rm.SquaredL2(1.0)], ids=["Shannon", "square"]
)
@pytest.mark.parametrize("rule", WRONG.values(), ids=WRONG)
def test_wrong_averages(rule, regularizer):
    right = algorithms.GPMD(ETA)
    honest(SHORT, regularizer, right, 40)
    report = rm.theory.check(passed_off(SHORT, regularizer, right, rule, 40))
    for name in LIMITS:
        violated(report, name)


def test_subproblems_less_accurate_than_said():
    right = algorithms.GPMD(ETA, accuracy=1e-3)
    honest(SHORT, rm.SquaredL2(1.0), right, 40)
    report = rm.theory.check(
        passed_off(SHORT, rm.SquaredL2(1.0), right, averages(ALPHA, 2.0 * (1.0 - ALPHA)), 40)
    )
    for name in ("error of Q", "error of V", "error of π"):
        violated(report, name)


# ---- evaluation ----


@pytest.mark.parametrize("name", ["evaluation", "performance difference", "gap by divergence"])
def test_values_without_what_the_regularizer_costs(name):
    right = algorithms.NPG(0.05)
    honest(GARNET, rm.Shannon(1.0), right, 5)
    wrong = algorithms.PolicyOptimization(mutants.WrongEvaluation(), right.improvement)
    run = rm.theory.trace(GARNET, rm.Shannon(1.0), wrong, max_iterations=5)
    violated(rm.theory.check(rm.theory.Trace(GARNET, run.regularizer, right, run.states)), name)


# ---- without a regularizer ----


def test_npg_without_its_horizon():
    # π exp(ηQ) for π exp(ηQ/(1-γ)), where one of many actions is better
    mdp = rm.models.bandit([1.0] + [0.0] * 99, discount=0.9)
    right = algorithms.NPG(0.1)
    honest(mdp, None, right, 60)
    violated(rm.theory.check(passed_off(mdp, None, right, averages(1.0, 0.1), 60)), "sublinear gap")


def test_steps_that_do_not_grow():
    mdp = rm.models.bandit([1.0, 1.0 - 1e-4], discount=0.9)
    right = algorithms.PMD(algorithms.Geometric(initial=100.0))
    honest(mdp, None, right, 40)
    violated(
        rm.theory.check(passed_off(mdp, None, right, averages(1.0, 100.0), 40)), "growing steps"
    )


def test_steps_that_do_not_adapt():
    mdp = rm.models.bandit([1.0, 0.9], discount=0.5)
    right = algorithms.PMD(algorithms.Adaptive(0.01))
    honest(mdp, None, right, 20)
    violated(
        rm.theory.check(passed_off(mdp, None, right, averages(1.0, 1.0), 20)), "adaptive steps"
    )


def test_a_lookahead_that_does_not_look_ahead():
    mdp = rm.models.chain(9, distraction=0.3, discount=0.9)
    start = np.full((9, 2), [0.999, 0.001])
    right = algorithms.PMD(algorithms.Adaptive(1e-6), lookahead=4)
    honest(mdp, None, right, 8, start)
    shallow = rm.theory.trace(
        mdp, None, algorithms.PMD(algorithms.Adaptive(1e-6)), max_iterations=8, start=start
    )
    violated(
        rm.theory.check(rm.theory.Trace(mdp, shallow.regularizer, right, shallow.states)),
        "adaptive steps",
    )


# ---- homotopic ----


def test_homotopic_steps_that_do_not_grow():
    mdp = rm.models.bandit([1.0, 0.9], discount=0.5)
    right = algorithms.HomotopicPMD()
    honest(mdp, None, right, 15)
    violated(rm.theory.check(passed_off(mdp, None, right, averages(0.5, 0.5), 15)), "homotopic gap")


def test_homotopic_steps_that_do_not_forget_the_start():
    # log π + ηQ for γ (log π + ηQ): both go to the optimum, this one not to the optimal policy of
    # the greatest entropy
    mdp = rm.models.bandit([1.0, 1.0, 0.0], discount=0.5)
    start = np.array([[0.8, 0.1, 0.1]])
    right = algorithms.HomotopicPMD()
    honest(mdp, None, right, 12, start)

    def rule(mdp, regularizer, candidate, q):
        return averages(1.0, 4.0 ** (candidate.iteration + 1))(mdp, regularizer, candidate, q)

    report = rm.theory.check(passed_off(mdp, None, right, rule, 12, start))
    violated(report, "homotopic limit")
    assert report["homotopic gap"].holds


# ---- softmax policy gradient ----

DOWNHILL = mutants.uphill(
    lambda often, policy, q, tau, value: -0.001 * often * policy * (q - value)
)
NOT_SOFT = mutants.uphill(lambda often, policy, q, tau, value: 1e-3 * often * policy * (q - value))


@pytest.mark.parametrize("name", ["ascent", "exponential gap"])
def test_softmax_pg_downhill(name):
    right = algorithms.SoftmaxPG(algorithms.Maximum())
    honest(GARNET, rm.Shannon(0.1), right, 10)
    violated(rm.theory.check(passed_off(GARNET, rm.Shannon(0.1), right, DOWNHILL, 10)), name)


def test_softmax_pg_without_the_entropy():
    # near the soft optimum the gradient without the entropy leads away from it
    regularizer = rm.Shannon(1.0)
    right = algorithms.SoftmaxPG(algorithms.Maximum())
    start = rm.theory.compute_optimum(GARNET, regularizer).policy
    violated(rm.theory.check(passed_off(GARNET, regularizer, right, NOT_SOFT, 10, start)), "ascent")


# ---- greedy steps ----


def test_averaged_steps_that_are_too_short():
    start = mutants.one_hot(np.zeros(9, dtype=int), 2)
    mdp = rm.models.chain(9, discount=0.9)
    right = algorithms.SoftPolicyIteration(0.9)
    honest(mdp, None, right, 20, start)
    violated(
        rm.theory.check(passed_off(mdp, None, right, mutants.mixture(0.1), 20, start)),
        "averaged step",
    )


def test_value_iteration_that_goes_half_of_the_way():
    mdp = rm.models.chain(5, discount=0.5)
    right = algorithms.ValueIteration()
    honest(mdp, None, right, 10)
    run = rm.theory.trace(mdp, None, mutants.Half(), max_iterations=10)
    violated(
        rm.theory.check(rm.theory.Trace(mdp, run.regularizer, right, run.states)), "value iteration"
    )


def test_every_statement_can_be_violated(request):
    """Every name of a statement stands in this file."""
    source = request.path.read_text(encoding="utf-8")
    assert [
        statement.name for statement in rm.theory.STATEMENTS if f'"{statement.name}"' not in source
    ] == []
