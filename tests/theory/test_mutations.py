"""For each statement, a method with one error violates it, so that the statement can fail.

The models are chosen such that the bound is nearly tight.
"""

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from theory import mutants
from theory.mutants import averages, claim_iterates, state_other_error

import regmdp as rm
from regmdp import algorithms

GARNET = rm.models.garnet(6, 3, 3, discount=0.9)
SHORT = GARNET.with_discount(0.5)

# soft policy iteration from a policy that hardly takes the second action, whose optimal probability
# is 1e-2: the values are nearly optimal initially, so that the bounds are small, but the policy is
# far from optimal as long as the old one has weight
TAU = 0.2
BANDIT = rm.models.bandit((1.0, 1.0 + TAU * np.log(0.01)), discount=0.9)
LARGEST = (1 - 0.9) / TAU


def assert_violated(report, name):
    comparison = report[name]
    assert not comparison.holds
    assert report.violations
    assert not report.holds
    assert "VIOLATED" in str(report)
    return comparison


def assert_holds(mdp, regularizer, algorithm, iterations, start=None):
    report = rm.theory.check(
        rm.theory.trace(mdp, regularizer, algorithm, max_iterations=iterations, start=start)
    )
    assert report.holds, str(report)
    return report


# ---- wrong exponents: 1 - ητ and ητ, as in some sources, for 1 - ητ/(1-γ) and ητ/(1-γ) ----


@cache
def wrong_exponents(eta, iterations, share):
    right, start = algorithms.NPG(eta), np.array([[1.0 - share, share]])
    assert_holds(BANDIT, rm.Shannon(TAU), right, iterations, start)
    return rm.theory.check(
        claim_iterates(
            BANDIT, rm.Shannon(TAU), right, averages(1 - eta * TAU, eta), iterations, start
        )
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
    assert_violated(report, name)
    # statements that do not depend on the method still hold
    for other in ("evaluation", "performance difference", "gap by divergence"):
        assert report[other].holds


@pytest.mark.parametrize(
    "name", ["contraction of the potential", "potential", "gap from the start"]
)
def test_wrong_exponents_with_short_steps(name):
    assert_violated(wrong_exponents(0.2 * LARGEST, 60, 0.98), name)


# ---- Q that is not averaged, Q without its γ, the wrong sign ----

ALPHA, ETA = 0.5, 1.0  # of mirror descent, at τ = 1
PROOF = ["gain in each state", "gain from ν*", "three points from ν*"]
WRONG = {
    "not averaged": averages(ALPHA, 1.0),
    "without γ": averages(ALPHA, 1.0 - ALPHA, mutants.undiscounted),
    "downhill": averages(ALPHA, -(1.0 - ALPHA)),
}
LIMITS = [
    "error of Q",
    "error of V",
    "error of V, sharp",
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
    assert_holds(SHORT, regularizer, right, 40)
    report = rm.theory.check(claim_iterates(SHORT, regularizer, right, rule, 40))
    for name in LIMITS:
        assert_violated(report, name)


@pytest.mark.parametrize("name", PROOF)
def test_wrong_averages_in_the_proof_of_the_potential(name):
    right = algorithms.GPMD(ETA)
    report = rm.theory.check(claim_iterates(SHORT, rm.SquaredL2(1.0), right, WRONG["downhill"], 40))
    assert_violated(report, name)


def test_policies_outside_of_the_simplex():
    """Steps beyond the greedy policy have negative probabilities, and negative occupancies."""
    right = algorithms.GPMD(ETA)
    start = np.full((6, 3), 1 / 3)
    run = rm.theory.trace(SHORT, rm.SquaredL2(1.0), right, max_iterations=1, start=start)
    beyond = start + 30.0 * (run.policies[1] - start)
    states = (run.states[0], replace(run.states[1], evaluated=beyond))
    claimed = rm.theory.Trace(SHORT, run.regularizer, right, states)
    statements = {statement.name: statement for statement in rm.theory.STATEMENTS}
    assert not statements["occupancy ratio"].compare(claimed).holds
    assert statements["occupancy ratio"].compare(run).holds


def test_values_off_by_a_constant_in_the_proof_of_the_potential():
    right = algorithms.GPMD(ETA)
    run = rm.theory.trace(SHORT, rm.SquaredL2(1.0), right, max_iterations=3)
    states = [replace(state, value=state.value - 0.5) for state in run.states]
    claimed = rm.theory.Trace(SHORT, run.regularizer, right, tuple(states))
    assert_violated(rm.theory.check(claimed), "optimal gain from ν*")


def test_subproblems_less_accurate_than_claimed():
    right = algorithms.GPMD(ETA, accuracy=1e-3)
    assert_holds(SHORT, rm.SquaredL2(1.0), right, 40)
    report = rm.theory.check(
        claim_iterates(SHORT, rm.SquaredL2(1.0), right, averages(ALPHA, 2.0 * (1.0 - ALPHA)), 40)
    )
    for name in ("error of Q", "error of V", "error of π"):
        assert_violated(report, name)


# ---- evaluation ----


@pytest.mark.parametrize("name", ["evaluation", "performance difference", "gap by divergence"])
def test_values_without_the_cost_of_the_regularizer(name):
    right = algorithms.NPG(0.05)
    assert_holds(GARNET, rm.Shannon(1.0), right, 5)
    wrong = algorithms.PolicyOptimization(mutants.WrongEvaluation(), right.improvement)
    run = rm.theory.trace(GARNET, rm.Shannon(1.0), wrong, max_iterations=5)
    assert_violated(
        rm.theory.check(rm.theory.Trace(GARNET, run.regularizer, right, run.states)), name
    )


@pytest.mark.parametrize(
    "name",
    [
        "error of the evaluation",
        "error of Q",
        "error of V",
        "error of Q, sharp floor",
        "error of V, sharp",
        "error of π, sharp floor",
        "error of log π, sharp floor",
    ],
)
def test_values_less_accurate_than_stated(name):
    mdp = rm.models.bandit((0.3, 0.0), discount=0.5)
    right, wrong = (
        algorithms.NPG(algorithms.Maximum(), evaluation=rm.evaluation.Noisy(delta, "adversarial"))
        for delta in (0.01, 0.3)
    )
    rng = np.random.default_rng(0)
    honest = rm.theory.trace(mdp, rm.Shannon(0.05), right, max_iterations=40, rng=rng)
    assert rm.theory.check(honest).holds
    run = rm.theory.trace(mdp, rm.Shannon(0.05), wrong, max_iterations=40, rng=rng)
    assert_violated(rm.theory.check(state_other_error(run, 0.01)), name)


# ---- without a regularizer ----


def test_npg_without_the_factor_of_the_horizon():
    # π exp(ηQ) instead of π exp(ηQ/(1-γ)), with one better action of many
    mdp = rm.models.bandit([1.0] + [0.0] * 99, discount=0.9)
    right = algorithms.NPG(0.1)
    assert_holds(mdp, None, right, 60)
    assert_violated(
        rm.theory.check(claim_iterates(mdp, None, right, averages(1.0, 0.1), 60)), "sublinear gap"
    )


def test_steps_that_do_not_grow():
    mdp = rm.models.bandit([1.0, 1.0 - 1e-4], discount=0.9)
    right = algorithms.PMD(algorithms.Geometric(initial=100.0))
    assert_holds(mdp, None, right, 40)
    assert_violated(
        rm.theory.check(claim_iterates(mdp, None, right, averages(1.0, 100.0), 40)), "growing steps"
    )


def test_steps_that_do_not_adapt():
    mdp = rm.models.bandit([1.0, 0.9], discount=0.5)
    right = algorithms.PMD(algorithms.Adaptive(0.01))
    assert_holds(mdp, None, right, 20)
    assert_violated(
        rm.theory.check(claim_iterates(mdp, None, right, averages(1.0, 1.0), 20)), "adaptive steps"
    )


def test_missing_lookahead():
    mdp = rm.models.chain(9, distraction=0.3, discount=0.9)
    start = np.full((9, 2), [0.999, 0.001])
    right = algorithms.PMD(algorithms.Adaptive(1e-6), lookahead=4)
    assert_holds(mdp, None, right, 8, start)
    shallow = rm.theory.trace(
        mdp, None, algorithms.PMD(algorithms.Adaptive(1e-6)), max_iterations=8, start=start
    )
    assert_violated(
        rm.theory.check(rm.theory.Trace(mdp, shallow.regularizer, right, shallow.states)),
        "adaptive steps",
    )


# ---- homotopic ----


def test_homotopic_steps_that_do_not_grow():
    mdp = rm.models.bandit([1.0, 0.9], discount=0.5)
    right = algorithms.HomotopicPMD()
    assert_holds(mdp, None, right, 15)
    assert_violated(
        rm.theory.check(claim_iterates(mdp, None, right, averages(0.5, 0.5), 15)), "homotopic gap"
    )


def test_homotopic_steps_that_do_not_forget_the_start():
    # log π + ηQ instead of γ (log π + ηQ): both converge to an optimal policy, but this one not to
    # that of maximal entropy
    mdp = rm.models.bandit([1.0, 1.0, 0.0], discount=0.5)
    start = np.array([[0.8, 0.1, 0.1]])
    right = algorithms.HomotopicPMD()
    assert_holds(mdp, None, right, 12, start)

    def rule(mdp, regularizer, candidate, q):
        return averages(1.0, 4.0 ** (candidate.iteration + 1))(mdp, regularizer, candidate, q)

    report = rm.theory.check(claim_iterates(mdp, None, right, rule, 12, start))
    assert_violated(report, "homotopic limit")
    assert report["homotopic gap"].holds


# ---- softmax policy gradient ----

DOWNHILL = mutants.add_to_logits(
    lambda often, policy, q, tau, value: -0.001 * often * policy * (q - value)
)
NOT_SOFT = mutants.add_to_logits(
    lambda often, policy, q, tau, value: 1e-3 * often * policy * (q - value)
)


@pytest.mark.parametrize("name", ["ascent", "exponential gap"])
def test_softmax_pg_downhill(name):
    right = algorithms.SoftmaxPG(algorithms.Maximum())
    assert_holds(GARNET, rm.Shannon(0.1), right, 10)
    assert_violated(
        rm.theory.check(claim_iterates(GARNET, rm.Shannon(0.1), right, DOWNHILL, 10)), name
    )


def test_softmax_pg_without_the_entropy():
    # near the soft optimum the gradient without the entropy leads away from it
    regularizer = rm.Shannon(1.0)
    right = algorithms.SoftmaxPG(algorithms.Maximum())
    start = rm.theory.compute_optimum(GARNET, regularizer).policy
    assert_violated(
        rm.theory.check(claim_iterates(GARNET, regularizer, right, NOT_SOFT, 10, start)), "ascent"
    )


@pytest.mark.parametrize("name", ["rise in each state", "asymptotic gap"])
def test_softmax_pg_downhill_without_entropy(name):
    right = algorithms.SoftmaxPG(algorithms.Maximum())
    assert_holds(GARNET, None, right, 10)
    assert_violated(rm.theory.check(claim_iterates(GARNET, None, right, DOWNHILL, 10)), name)


def test_softmax_pg_that_stays_where_it_is():
    mdp = rm.models.bandit((1.0, 0.0), discount=0.5)
    right = algorithms.SoftmaxPG(algorithms.Maximum())
    assert_holds(mdp, None, right, 10)
    stay = mutants.add_to_logits(lambda often, policy, q, tau, value: 0.0 * q)
    report = rm.theory.check(claim_iterates(mdp, None, right, stay, 10))
    assert_violated(report, "asymptotic gap")
    assert report["gradient dominance"].holds


def test_values_too_low_for_the_gradient():
    """Near the optimum the gradient is small, and the gap of values that are too low is not."""
    mdp = rm.models.bandit((1.0, 0.0), discount=0.5)
    right = algorithms.SoftmaxPG(algorithms.Maximum())
    start = np.array([[1.0 - 1e-6, 1e-6]])
    run = rm.theory.trace(mdp, None, right, max_iterations=2, start=start)
    assert rm.theory.check(run)["gradient dominance"].holds
    states = [replace(state, value=state.value - 0.5) for state in run.states]
    claimed = rm.theory.Trace(mdp, run.regularizer, right, tuple(states))
    assert_violated(rm.theory.check(claimed), "gradient dominance")


# ---- greedy steps ----


def test_averaged_steps_that_are_too_short():
    start = mutants.one_hot(np.zeros(9, dtype=int), 2)
    mdp = rm.models.chain(9, discount=0.9)
    right = algorithms.SoftPolicyIteration(0.9)
    assert_holds(mdp, None, right, 20, start)
    assert_violated(
        rm.theory.check(claim_iterates(mdp, None, right, mutants.mixture(0.1), 20, start)),
        "averaged step",
    )


def test_value_iteration_with_half_steps():
    mdp = rm.models.chain(5, discount=0.5)
    right = algorithms.ValueIteration()
    assert_holds(mdp, None, right, 10)
    run = rm.theory.trace(mdp, None, mutants.Half(), max_iterations=10)
    assert_violated(
        rm.theory.check(rm.theory.Trace(mdp, run.regularizer, right, run.states)), "value iteration"
    )


# ---- one sweep per step ----


def check_one_sweep(mdp, regularizer, right, rule, iterations, start=None):
    """Check the iterates of a wrong rule with one sweep, after those of the right one."""
    assert_holds(mdp, regularizer, right, iterations, start)
    sweep = rm.evaluation.Sweeps(1)
    return rm.theory.check(claim_iterates(mdp, regularizer, right, rule, iterations, start, sweep))


@pytest.mark.parametrize("name", ["one sweep: sublinear gap", "one sweep: sublinear gap of π"])
def test_one_sweep_with_short_steps(name):
    mdp = rm.models.bandit([1.0] + [0.0] * 99, discount=0.5)
    right = algorithms.TDPMD(1.0)
    report = check_one_sweep(mdp, None, right, averages(1.0, 0.02), 100)
    assert_violated(report, name)
    assert report["one sweep: monotone values"].holds


def test_one_sweep_downhill():
    mdp = rm.models.bandit([1.0, 0.0], discount=0.5)
    right = algorithms.TDPMD(1.0)
    report = check_one_sweep(mdp, None, right, averages(1.0, -5.0), 20)
    assert_violated(report, "one sweep: monotone values")


def test_one_sweep_from_above_without_a_discount():
    class Undiscounted(rm.evaluation.Sweeps):
        def __call__(self, mdp, regularizer, policy, guess, accuracy=0.0):
            return super().__call__(mdp, regularizer, policy, guess / mdp.discount, accuracy)

    right = algorithms.TDPMD(1.0)
    assert_holds(SHORT, None, right, 20)
    wrong = algorithms.PolicyOptimization(Undiscounted(1), right.improvement)
    run = rm.theory.trace(SHORT, None, wrong, max_iterations=20)
    report = rm.theory.check(rm.theory.Trace(SHORT, run.regularizer, right, run.states))
    assert_violated(report, "one sweep: from above")


@pytest.mark.parametrize("name", ["one sweep: linear gap", "one sweep: linear gap of π"])
def test_one_sweep_with_wrong_exponents(name):
    # α of steps five times shorter
    start = np.tile([1e-12, 0.5, 0.5 - 1e-12], (6, 1))
    rule = averages(1 / 1.2, 0.2 / 1.2)
    right = algorithms.TDPMD(1.0)
    assert_violated(check_one_sweep(SHORT, rm.Shannon(1.0), right, rule, 60, start), name)


def test_one_sweep_with_steps_that_do_not_adapt():
    mdp = rm.models.bandit([1.0, 0.9], discount=0.5)
    right = algorithms.TDPMD(algorithms.Adaptive(0.01))
    report = check_one_sweep(mdp, None, right, averages(1.0, 1.0), 20)
    assert_violated(report, "one sweep: adaptive steps")


def test_one_sweep_with_steps_that_do_not_grow():
    mdp = rm.models.bandit([1.0, 1.0 - 1e-2], discount=0.9)
    right = algorithms.ValueMirrorDescent(algorithms.Geometric(10.0))
    report = check_one_sweep(mdp, None, right, averages(1.0, 0.01), 80)
    assert_violated(report, "one sweep: growing steps")


def test_one_sweep_with_a_divergence_that_grows():
    mdp = rm.models.bandit([1.0, 0.9], discount=0.9)
    right = algorithms.ValueMirrorDescent(algorithms.Geometric(10.0))

    def rule(mdp, regularizer, candidate, q):
        return averages(1.0, -30.0 * 0.9**-candidate.iteration)(mdp, regularizer, candidate, q)

    report = check_one_sweep(mdp, None, right, rule, 40)
    assert_violated(report, "one sweep: bounded divergence")


# ---- which method violates which statement ----

#: Statement: the test, and what is wrong with the method there.
MUTANTS = {
    "evaluation": ("values_without_the_cost_of_the_regularizer", "V without -τh"),
    "performance difference": ("values_without_the_cost_of_the_regularizer", "V without -τh"),
    "gap by divergence": ("values_without_the_cost_of_the_regularizer", "V without -τh"),
    "three points": ("wrong_exponents", "1 - ητ for 1 - ητ/(1-γ)"),
    "monotone improvement": ("wrong_exponents", "1 - ητ for 1 - ητ/(1-γ)"),
    "error of Q": ("wrong_averages", "Q that is not averaged, without γ, or subtracted"),
    "error of V": ("wrong_averages", "Q that is not averaged, without γ, or subtracted"),
    "error of π": ("wrong_averages", "Q that is not averaged, without γ, or subtracted"),
    "error of log π": ("wrong_exponents", "1 - ητ for 1 - ητ/(1-γ)"),
    "error of the evaluation": ("values_less_accurate_than_stated", "errors of 30 δ"),
    "error of Q, sharp floor": ("values_less_accurate_than_stated", "errors of 30 δ"),
    "error of V, sharp": ("wrong_averages", "Q that is not averaged, without γ, or subtracted"),
    "error of π, sharp floor": ("values_less_accurate_than_stated", "errors of 30 δ"),
    "error of log π, sharp floor": ("values_less_accurate_than_stated", "errors of 30 δ"),
    "occupancy ratio": ("policies_outside_of_the_simplex", "negative probabilities"),
    "gain in each state": ("wrong_averages_in_the_proof_of_the_potential", "Q subtracted"),
    "gain from ν*": ("wrong_averages_in_the_proof_of_the_potential", "Q subtracted"),
    "optimal gain from ν*": ("values_off_by_a_constant_in_the_proof_of_the_potential", "V - 1/2"),
    "three points from ν*": ("wrong_averages_in_the_proof_of_the_potential", "Q subtracted"),
    "linear system": ("wrong_averages", "Q that is not averaged, without γ, or subtracted"),
    "potential": ("wrong_averages", "Q that is not averaged, without γ, or subtracted"),
    "contraction of the potential": ("wrong_exponents_with_short_steps", "1 - ητ"),
    "gap from the start": ("wrong_exponents_with_short_steps", "1 - ητ"),
    "value iteration": ("value_iteration_with_half_steps", "(V + TV)/2"),
    "averaged step": ("averaged_steps_that_are_too_short", "a ninth of β"),
    "quadratic convergence": ("wrong_exponents", "1 - ητ for 1 - ητ/(1-γ) = 0"),
    "quadratic convergence from ν*": ("wrong_exponents", "1 - ητ for 1 - ητ/(1-γ) = 0"),
    "sublinear gap": ("npg_without_the_factor_of_the_horizon", "exp(ηQ)"),
    "growing steps": ("steps_that_do_not_grow", "η_0 in all steps"),
    "adaptive steps": ("missing_lookahead", "one step for four"),
    "homotopic gap": ("homotopic_steps_that_do_not_grow", "η = 1/2 in all steps"),
    "homotopic limit": ("homotopic_steps_that_do_not_forget_the_start", "no factor γ"),
    "ascent": ("softmax_pg_without_the_entropy", "the gradient without entropy"),
    "exponential gap": ("softmax_pg_downhill", "the gradient subtracted"),
    "rise in each state": ("softmax_pg_downhill_without_entropy", "the gradient subtracted"),
    "gradient dominance": ("values_too_low_for_the_gradient", "V - 1/2"),
    "asymptotic gap": ("softmax_pg_that_stays_where_it_is", "no step"),
    "one sweep: monotone values": ("one_sweep_downhill", "Q subtracted"),
    "one sweep: from above": ("one_sweep_from_above_without_a_discount", "r + PV"),
    "one sweep: sublinear gap": ("one_sweep_with_short_steps", "a fiftieth of η"),
    "one sweep: sublinear gap of π": ("one_sweep_with_short_steps", "a fiftieth of η"),
    "one sweep: linear gap": ("one_sweep_with_wrong_exponents", "a fifth of η"),
    "one sweep: linear gap of π": ("one_sweep_with_wrong_exponents", "a fifth of η"),
    "one sweep: adaptive steps": ("one_sweep_with_steps_that_do_not_adapt", "η = 1"),
    "one sweep: growing steps": ("one_sweep_with_steps_that_do_not_grow", "η = 1/100"),
    "one sweep: bounded divergence": ("one_sweep_with_a_divergence_that_grows", "Q subtracted"),
}
#: Names that a test takes from a list.
LISTED = {
    "wrong_averages": LIMITS,
    "wrong_averages_in_the_proof_of_the_potential": PROOF,
}


def test_every_statement_has_a_method_that_violates_it(request):
    assert list(MUTANTS) == [statement.name for statement in rm.theory.STATEMENTS]
    text = request.path.read_text(encoding="utf-8")
    for name, (test, wrong) in MUTANTS.items():
        start = text.index(f"def test_{test}(")
        # with its decorators, as far as the next one
        begin = text.rindex("\n\n\n", 0, start)
        source = text[begin : text.find("\n\n\n", start)]
        assert f'"{name}"' in source or name in LISTED.get(test, []), name
        assert "assert_violated" in source or "not statements" in source
        assert wrong
