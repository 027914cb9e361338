"""Traces, comparisons and reports: statements that apply and those that do not."""

import dataclasses

import numpy as np
import pytest

import regmdp as rm
from regmdp import algorithms
from regmdp.theory import (
    ComparedValues,
    Identity,
    NotApplicableError,
    Report,
    Statement,
    UpperBound,
)

MDP = rm.models.garnet(5, 3, 4, discount=0.8, rng=2)
SHANNON = rm.Shannon(0.2)


def run_of(regularizer, algorithm, mdp=MDP, **keywords):
    return rm.theory.trace(mdp, regularizer, algorithm, **{"max_iterations": 3, **keywords})


def comparison(kind, measured, predicted, slack=0.0):
    measured = np.array(measured, dtype=float)
    n = measured.size
    rounding = np.broadcast_to(np.float64(slack), n).copy()
    return kind(
        "name", "source", np.arange(n) + 10, measured, np.array(predicted, dtype=float), rounding
    )


# ---- comparisons ----


def test_upper_bound():
    assert comparison(UpperBound, [1.0, 2.0], [1.0, 3.0]).holds
    assert comparison(UpperBound, [1.0, -5.0], [1.0, -4.0]).holds
    over = comparison(UpperBound, [1.0, 2.5, 4.0], [1.0, 2.0, 3.0], 0.5)
    assert not over.holds
    np.testing.assert_array_equal(over.violated, [12])
    assert over.tightest == 2
    assert str(over) == (
        "VIOLATED  name: in 1 of 3 iterations, the first 12; worst at iteration 12, 4 > 3 "
        "(rounding 0.5)"
    )


def test_identity():
    assert comparison(Identity, [1.0, 2.0], [1.0, 2.0]).holds
    assert comparison(Identity, [1.0], [1.1], 0.2).holds
    low = comparison(Identity, [1.0, 2.0], [1.0, 3.0], 0.5)
    np.testing.assert_array_equal(low.violated, [11])
    assert "2 ≠ 3" in str(low)


def test_infinite_bounds_hold():
    assert comparison(UpperBound, [1.0, np.inf], [np.inf, np.inf]).holds
    assert not comparison(UpperBound, [np.inf], [1.0]).holds


@pytest.mark.parametrize("kind", [UpperBound, Identity])
@pytest.mark.parametrize(
    ("measured", "predicted", "slack"), [(np.nan, 1.0, 0.0), (1.0, np.nan, 0.0), (1.0, 2.0, np.nan)]
)
def test_nan_violates_statements(kind, measured, predicted, slack):
    undecided = comparison(kind, [0.0, measured], [0.0, predicted], slack)
    assert 11 in undecided.violated
    assert not undecided.holds
    assert "VIOLATED" in str(undecided)


def test_nan_is_not_below_infinity():
    assert not comparison(UpperBound, [np.nan], [np.inf]).holds


def test_the_closest_iteration_is_shown():
    assert "closest at iteration 11, 1.9 ≤ 2" in str(
        comparison(UpperBound, [1.0, 1.9, 1.0], [2.0, 2.0, 4.0])
    )


# ---- reports ----


def test_a_report_without_statements_does_not_hold():
    report = rm.theory.check(run_of(None, algorithms.ModifiedPolicyIteration(3)))
    assert not report.comparisons
    assert not report.holds
    assert "no statement applies to this run" in str(report)


def test_statements_that_do_not_apply_are_listed_separately():
    report = rm.theory.check(run_of(None, algorithms.PMD(1.0)))
    held = {comparison.name for comparison in report.comparisons}
    left = {left.name for left in report.not_applicable}
    assert not held & left
    assert held | left == {statement.name for statement in rm.theory.STATEMENTS}
    assert {"error of Q", "gap by divergence", "exponential gap"} <= left
    assert "gap by divergence" not in str(report).split("does not apply to this run")[0]


def test_looking_up_a_statement():
    report = rm.theory.check(run_of(SHANNON, algorithms.NPG(0.1)))
    assert report["error of Q"].holds
    with pytest.raises(KeyError, match="does not apply to this run: its steps are not greedy"):
        report["quadratic convergence"]
    with pytest.raises(
        KeyError, match="there is no statement 'theorem 5'; there are: evaluation, "
    ):
        report["theorem 5"]


def test_violations_are_located():
    run = run_of(SHANNON, algorithms.NPG(0.1), max_iterations=6)
    states = list(run.states)
    states[4] = dataclasses.replace(states[4], value=states[4].value + 0.1)
    report = rm.theory.check(rm.theory.Trace(MDP, run.regularizer, run.algorithm, tuple(states)))
    assert not report.holds
    np.testing.assert_array_equal(report["evaluation"].violated, [4])
    np.testing.assert_array_equal(report["performance difference"].violated, [4, 5])
    assert repr(report).startswith("Report(")
    assert "VIOLATED  evaluation: in 1 of 7 iterations, the first 4" in str(report)


def test_custom_statements():
    def shrinks(run):
        if run.iterations == 0:
            raise NotApplicableError("no iteration was made")
        gap = np.max(np.abs(run.optimum.value - run.values), axis=1)
        return ComparedValues(
            np.arange(1, run.iterations + 1),
            gap[1:],
            gap[:-1],
            run.optimum.error + run.value_error[1:],
        )

    own = Statement("the error shrinks", "mine", UpperBound, shrinks)
    report = rm.theory.check(run_of(SHANNON, algorithms.NPG(0.1)), [own])
    assert isinstance(report, Report)
    assert report.holds
    assert [comparison.name for comparison in report.comparisons] == ["the error shrinks"]
    assert (
        rm.theory.check(run_of(SHANNON, algorithms.NPG(0.1), max_iterations=0), [own])
        .not_applicable[0]
        .reason
        == "no iteration was made"
    )


def test_names_are_unique():
    names = [statement.name for statement in rm.theory.STATEMENTS]
    assert len(set(names)) == len(names)


# ---- traces ----


def test_step_sizes_of_a_trace_come_from_the_algorithm():
    run = run_of(SHANNON, algorithms.NPG(0.1))
    other = rm.theory.Trace(MDP, run.regularizer, algorithms.NPG(0.2), run.states)
    np.testing.assert_array_equal(run.step_sizes, 0.1)
    np.testing.assert_array_equal(other.step_sizes, 0.2)


def test_step_sizes_follow_their_rules():
    for algorithm in (
        algorithms.PMD(algorithms.Geometric()),
        algorithms.PMD(algorithms.Adaptive(0.5)),
        algorithms.PMD(algorithms.Adaptive(0.5), lookahead=3),
        algorithms.HomotopicPMD(),
    ):
        run = run_of(None, algorithm, max_iterations=6)
        np.testing.assert_allclose(
            run.step_sizes, [state.step for state in run.states[:-1]], rtol=1e-12
        )


def test_run_without_iterations_from_a_given_policy():
    start = np.random.default_rng(0).dirichlet(np.ones(3), size=5)
    run = run_of(SHANNON, algorithms.GPMD(1.0), max_iterations=0, start=start)
    np.testing.assert_allclose(run.policies, start[None])
    report = rm.theory.check(run)
    assert report.holds
    assert {c.name for c in report.comparisons} >= {"evaluation", "gap by divergence"}


def test_every_algorithm_without_an_iteration():
    for algorithm in (
        algorithms.NPG(0.1),
        algorithms.PolicyIteration(),
        algorithms.SoftmaxPG(0.001),
        algorithms.ValueIteration(),
    ):
        assert not rm.theory.check(run_of(SHANNON, algorithm, max_iterations=0)).violations
    for algorithm in (
        algorithms.NPG(0.1),
        algorithms.HomotopicPMD(),
        algorithms.PMD(algorithms.Geometric()),
    ):
        assert not rm.theory.check(run_of(None, algorithm, max_iterations=0)).violations


def test_repr_of_a_trace():
    assert repr(run_of(SHANNON, algorithms.NPG(0.1))).startswith(
        "Trace(natural policy gradient, 3 iterations on MDP(5 states"
    )


def test_undiscounted_models_raise_errors():
    mdp = rm.MDP(np.full((1, 1, 1), 0.5), np.ones((1, 1)), 1.0, termination=np.full((1, 1), 0.5))
    run = run_of(SHANNON, algorithms.PolicyIteration(), mdp)
    with pytest.raises(rm.SolverError, match="discount must be below 1"):
        _ = run.optimum


@pytest.mark.parametrize(
    ("regularizer", "algorithm", "name", "reason"),
    [
        (SHANNON, algorithms.TDPMD(1.0), "error of Q", "its policies are not evaluated exactly"),
        (
            SHANNON,
            algorithms.PMD(algorithms.Geometric()),
            "error of Q",
            "its step sizes differ between iterations",
        ),
        (
            rm.Shannon(np.linspace(0.1, 0.5, 5)),
            algorithms.GPMD(1.0),
            "error of Q",
            "the temperature differs between states",
        ),
        (
            SHANNON,
            algorithms.GPMD(1.0, accuracy=1e-3),
            "three points",
            "its subproblems are solved inexactly",
        ),
        (
            rm.WeightedL1(np.ones(3), 1.0),
            algorithms.GPMD(1.0),
            "error of π",
            "WeightedL1 is not known to be strongly convex",
        ),
        (None, algorithms.PMD(1.0), "growing steps", "its step sizes do not grow by"),
        (
            None,
            algorithms.PMD(1.0, mirror=rm.SquaredL2(1.0)),
            "sublinear gap",
            "is not dual averaging",
        ),
        (SHANNON, algorithms.NPG(0.1), "sublinear gap", "there is a regularizer"),
        (
            SHANNON,
            algorithms.SoftmaxPG(1.0),
            "ascent",
            "its steps are longer than the inverse of the smoothness constant",
        ),
        (rm.SquaredL2(1.0), algorithms.SoftmaxPG(0.001), "ascent", "the smoothness is known"),
        (
            None,
            algorithms.SoftmaxPG(algorithms.Maximum()),
            "exponential gap",
            "there is no entropy",
        ),
        (
            None,
            algorithms.PMD(algorithms.Adaptive(1.0), lookahead=2),
            "potential",
            "it uses a lookahead of several steps",
        ),
        (
            None,
            algorithms.PolicyIteration(),
            "three points",
            "greedy steps without a temperature have no dual variable",
        ),
        (None, algorithms.ValueIteration(), "evaluation", "its policies are not evaluated exactly"),
    ],
)
def test_reasons(regularizer, algorithm, name, reason):
    report = rm.theory.check(run_of(regularizer, algorithm))
    assert reason in {left.name: left.reason for left in report.not_applicable}[name]


def test_fisher_matrix_does_not_improve_unvisited_states():
    mdp = rm.MDP(
        np.stack([np.eye(2), np.eye(2)], axis=1), np.eye(2), 0.5, initial=np.array([1.0, 0.0])
    )
    report = rm.theory.check(run_of(SHANNON, algorithms.FisherNPG(0.5), mdp))
    assert {left.name: left.reason for left in report.not_applicable}[
        "error of Q"
    ] == "some state is never visited, and therefore never improved"
    assert report["evaluation"].holds
    everywhere = rm.theory.check(run_of(rm.Shannon(1.0), algorithms.FisherNPG(0.1)))
    assert everywhere["error of Q"].holds


def test_probabilities_too_small_for_doubles():
    # log π is below the range of doubles of π; the statements still hold
    mdp = rm.models.bandit((1.0, 0.0), discount=0.5)
    report = rm.theory.check(run_of(rm.Shannon(1e-3), algorithms.NPG(400.0), mdp, max_iterations=8))
    assert report.holds, str(report)
    assert report["error of log π"].measured[-1] < 1e4


def test_kl_forbids_actions():
    reference = np.array([[0.5, 0.5, 0.0]])
    report = rm.theory.check(
        run_of(rm.KL(np.repeat(reference, 5, axis=0), 0.2), algorithms.GPMD(1.0))
    )
    assert report.holds, str(report)
    assert report["error of log π"].holds
