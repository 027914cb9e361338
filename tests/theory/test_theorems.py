"""The theorems on random models at every iteration.

Masks, termination, discounts, temperatures, step sizes and initial policies vary.
"""

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from theory.mutants import claim_iterates

import regmdp as rm
from regmdp import algorithms
from regmdp.testing import strategies

ITERATIONS = 5
TEMPERATURES = st.sampled_from([1e-3, 0.1, 1.0, 8.0])
#: Fractions of the largest step size.
SHARES = st.sampled_from([1e-3, 0.1, 0.5, 0.99, 1.0])
#: Step sizes of an unbounded range.
STEPS = st.sampled_from([1e-3, 0.1, 1.0, 10.0, 1e3])
DISCOUNTED = st.sampled_from([0.0, 0.1, 0.5, 0.9, 0.99])

#: Fewer examples than the profile, because one example is a whole run.
few = settings(max_examples=settings().max_examples // 8)


def model(data, discounts=DISCOUNTED, **keywords):
    return data.draw(strategies.mdps(discounts=discounts, **keywords), label="model")


def start_of(data, mdp, regularizer):
    """A policy in the interior, nearly deterministic or not, or the default."""
    drawn = data.draw(strategies.policies(mdp, regularizer), label="start")
    weight = data.draw(
        st.sampled_from([None, 0.5, 1e-3, 1e-9]), label="weight of the uniform policy"
    )
    return (
        None
        if weight is None
        else (1 - weight) * drawn + weight * rm.uniform_policy(mdp, regularizer)
    )


def assert_holds(mdp, regularizer, algorithm, names, *, start=None, iterations=ITERATIONS):
    """Check a run against all statements; those with the given names must apply."""
    run = rm.theory.trace(mdp, regularizer, algorithm, max_iterations=iterations, start=start)
    report = rm.theory.check(run)
    assert report.holds, str(report)
    assert set(names) <= {comparison.name for comparison in report.comparisons}, str(report)
    return report


ALWAYS = ["evaluation", "performance difference"]
#: The steps of the proof of the potential.
PROOF = [
    "occupancy ratio",
    "gain in each state",
    "gain from ν*",
    "optimal gain from ν*",
    "three points from ν*",
]
AVERAGING = [
    *ALWAYS,
    "gap by divergence",
    "three points",
    "monotone improvement",
    "linear system",
    "error of Q",
    "error of V",
]


def kl(data, mdp, tau):
    return rm.KL(data.draw(strategies.policies(mdp), label="reference"), tau)


@few
@given(st.data())
def test_entropy_regularized_npg(data):
    mdp, tau = model(data), data.draw(TEMPERATURES)
    regularizer = rm.Shannon(tau) if data.draw(st.booleans()) else kl(data, mdp, tau)
    eta = data.draw(SHARES) * (1 - mdp.discount) / tau
    start = start_of(data, mdp, regularizer)
    assert_holds(
        mdp,
        regularizer,
        algorithms.NPG(eta),
        [*AVERAGING, "error of π", "error of log π"],
        start=start,
    )


@few
@given(st.data())
def test_gpmd(data):
    mdp, tau = model(data), data.draw(TEMPERATURES)
    kinds = {
        "half the square": rm.SquaredL2(tau),
        "Shannon": rm.Shannon(tau),
        "KL": kl(data, mdp, tau),
        "Tsallis, heavy tails": rm.Tsallis(0.5, tau),
        "Tsallis, sparse": rm.Tsallis(1.5, tau),
        "log barrier": rm.LogBarrier(tau),
        "weighted ℓ1": rm.WeightedL1(np.arange(1.0, mdp.n_actions + 1), tau),
    }
    regularizer = kinds[data.draw(st.sampled_from(sorted(kinds)), label="regularizer")]
    step = algorithms.Maximum() if data.draw(st.booleans()) else data.draw(STEPS)
    assert_holds(
        mdp,
        regularizer,
        algorithms.GPMD(step),
        AVERAGING,
        start=start_of(data, mdp, regularizer),
        iterations=4,
    )


@few
@given(st.data())
def test_inexact_gpmd(data):
    mdp, tau = model(data), data.draw(TEMPERATURES)
    accuracy = data.draw(st.sampled_from([1e-4, 1e-2, 1.0]))
    algorithm = algorithms.GPMD(data.draw(STEPS), accuracy=accuracy)
    regularizer = rm.SquaredL2(tau) if data.draw(st.booleans()) else rm.Shannon(tau)
    start = start_of(data, mdp, regularizer)
    assert_holds(
        mdp,
        regularizer,
        algorithm,
        [*ALWAYS, "error of Q", "error of V", "error of π"],
        start=start,
        iterations=4,
    )


@few
@given(st.data())
def test_regularized_policy_iteration(data):
    mdp, tau = model(data), data.draw(TEMPERATURES)
    regularizer = data.draw(
        st.sampled_from([rm.Shannon(tau), rm.SquaredL2(tau), rm.Tsallis(1.5, tau)])
    )
    names = [*AVERAGING, "averaged step", "quadratic convergence", "error of π"]
    assert_holds(
        mdp,
        regularizer,
        algorithms.PolicyIteration(),
        names,
        start=data.draw(strategies.policies(mdp)),
    )


@few
@given(st.data())
def test_averaged_policy_iteration(data):
    mdp = model(data)
    regularizer = data.draw(strategies.regularizers(mdp))
    start = data.draw(strategies.policies(mdp, regularizer))
    algorithm = algorithms.SoftPolicyIteration(data.draw(st.sampled_from([0.01, 0.5, 0.9, 1.0])))
    assert_holds(mdp, regularizer, algorithm, [*ALWAYS, "averaged step"], start=start)


@few
@given(st.data())
def test_value_iteration(data):
    mdp = model(data)
    assert_holds(
        mdp,
        data.draw(strategies.regularizers(mdp)),
        algorithms.ValueIteration(),
        ["value iteration"],
    )


@few
@given(st.data())
def test_stationary_potential(data):
    # without termination there is a stationary distribution
    mdp, tau = model(data, masks=False, endings=False), data.draw(TEMPERATURES)
    regularizer = data.draw(st.sampled_from([rm.Shannon(tau), rm.SquaredL2(tau)]))
    algorithm = algorithms.GPMD(data.draw(STEPS))
    assert_holds(
        mdp,
        regularizer,
        algorithm,
        ["potential", "contraction of the potential", *PROOF],
        start=start_of(data, mdp, regularizer),
    )


@few
@given(st.integers(0, 10**6), st.sampled_from([0.1, 0.5, 0.9]), TEMPERATURES)
def test_quadratic_convergence_near_the_optimum(seed, discount, tau):
    # every state is visited, and ten iterations are near the optimum
    mdp = rm.models.garnet(4, 3, 4, discount=discount, rng=seed)
    names = ["quadratic convergence", "quadratic convergence from ν*", "gap from the start"]
    assert_holds(mdp, rm.Shannon(tau), algorithms.NPG(algorithms.Maximum()), names, iterations=10)


def test_a_larger_model():
    # sparse, evaluated by Krylov iterations, with a stationary distribution by power iterations
    mdp = rm.models.garnet(1250, 3, 4, discount=0.9)
    names = [*AVERAGING, "error of log π", "potential"]
    assert_holds(mdp, rm.Shannon(0.1), algorithms.NPG(0.3), names, iterations=2)


@few
@given(st.data())
def test_proximal_steps(data):
    mdp, tau = model(data, masks=False, endings=False), data.draw(TEMPERATURES)
    regularizer = data.draw(
        st.sampled_from([None, rm.Shannon(tau), rm.SquaredL2(tau), rm.Tsallis(1.5, tau)])
    )
    mirror = data.draw(st.sampled_from([rm.Shannon(1.0), rm.SquaredL2(1.0)]))
    algorithm = algorithms.PMD(data.draw(STEPS), mirror=mirror)
    assert_holds(
        mdp,
        regularizer,
        algorithm,
        [*ALWAYS, "potential", *PROOF],
        start=start_of(data, mdp, regularizer),
        iterations=4,
    )


@few
@given(st.data())
def test_npg(data):
    mdp = model(data)
    start = start_of(data, mdp, None)
    assert_holds(
        mdp,
        None,
        algorithms.NPG(data.draw(STEPS)),
        [*ALWAYS, "three points", "sublinear gap"],
        start=start,
    )


@few
@given(st.data())
def test_growing_steps(data):
    # ρ is positive everywhere, so that the mismatch is finite
    mdp = model(data, st.sampled_from([0.1, 0.5, 0.9, 0.99]), masks=False, endings=False)
    algorithm = algorithms.PMD(algorithms.Geometric(initial=data.draw(STEPS)))
    assert_holds(mdp, None, algorithm, ["growing steps"], start=start_of(data, mdp, None))


@few
@given(st.data())
def test_adaptive_steps(data):
    mdp = model(data, st.sampled_from([0.1, 0.5, 0.9, 0.99]))
    depth = data.draw(st.integers(1, 3))
    algorithm = algorithms.PMD(algorithms.Adaptive(data.draw(STEPS)), lookahead=depth)
    assert_holds(mdp, None, algorithm, ["adaptive steps"], start=start_of(data, mdp, None))


@few
@given(st.data())
def test_homotopic_steps(data):
    mdp = model(data, st.sampled_from([0.1, 0.5, 0.9, 0.99]), masks=False, endings=False)
    start = start_of(data, mdp, None)
    assert_holds(
        mdp,
        None,
        algorithms.HomotopicPMD(),
        ["homotopic gap", "homotopic limit"],
        start=start,
        iterations=15,
    )


@few
@given(st.data())
def test_softmax_pg(data):
    mdp = model(data)
    low, high = rm.theory.reward_range(mdp)
    assume(high > low)
    regularizer = (
        rm.Shannon(data.draw(TEMPERATURES)) if data.draw(st.booleans()) else rm.Unregularized()
    )
    step = data.draw(SHARES) / rm.theory.smoothness_constant(mdp, regularizer)
    names = (
        ["ascent", "rise in each state", "gradient dominance", "asymptotic gap"]
        if isinstance(regularizer, rm.Unregularized)
        else ["ascent", "exponential gap"]
    )
    assert_holds(
        mdp, regularizer, algorithms.SoftmaxPG(step), names, start=start_of(data, mdp, regularizer)
    )


# ---- noise ----


def noisy(rng, delta, *, extreme):
    """A step of dual averaging with errors of Q of at most δ, or exactly δ if ``extreme``."""

    def rule(alpha):
        def step(mdp, regularizer, candidate, q):
            noise = delta * (
                rng.choice([-1.0, 1.0], size=q.shape)
                if extreme
                else rng.uniform(-1.0, 1.0, size=q.shape)
            )
            dual = alpha * candidate.dual + (1 - alpha) * (q + noise) / regularizer.max_temperature
            dual = dual - dual.max(axis=1, keepdims=True)
            return regularizer.greedy(dual), dual

        return step

    return rule


def q_errors(run):
    return np.max(np.abs(run.optimum.q - run.q), axis=(1, 2))


@few
@given(st.data())
def test_noise_satisfies_the_bounds(data):
    mdp, tau = model(data, masks=False), data.draw(st.sampled_from([0.1, 1.0]))
    regularizer = rm.Shannon(tau)
    share, delta = (
        data.draw(st.sampled_from([0.05, 0.5, 1.0])),
        data.draw(st.sampled_from([1e-3, 0.1, 1.0])),
    )
    rule = noisy(
        np.random.default_rng(data.draw(st.integers(0, 9))), delta, extreme=data.draw(st.booleans())
    )
    eta = share * (1 - mdp.discount) / tau
    run = claim_iterates(mdp, regularizer, algorithms.NPG(eta), rule(1 - share), 12)
    published, sharp = rm.theory.inexact_entropy_npg_bounds(
        mdp, regularizer, step_size=eta, iterations=12, error=delta, optimum=run.optimum
    )
    assert np.all(q_errors(run) <= published + 1e-9)
    assert np.all(q_errors(run) <= sharp + 1e-9)


@few
@given(st.data())
def test_noise_and_inexact_subproblems_satisfy_the_bounds(data):
    mdp = model(data, masks=False)
    regularizer, alpha = rm.SquaredL2(1.0), 0.5
    delta, gap = (
        data.draw(st.sampled_from([0.0, 1e-3, 0.1])),
        data.draw(st.sampled_from([1e-3, 0.1, 1.0])),
    )
    rng = np.random.default_rng(data.draw(st.integers(0, 9)))
    exact = noisy(rng, delta, extreme=True)(alpha)

    def rule(mdp, regularizer, candidate, q):
        policy, dual = exact(mdp, regularizer, candidate, q)
        vertex = np.eye(mdp.n_actions)[rng.integers(0, mdp.n_actions, size=mdp.n_states)]
        # at η = 1 and τ = 1 the objective is 2 (⟨ξ⁺, p⟩ - h(p)), up to a constant
        for share in 0.5 ** np.arange(40):
            other = (1 - share) * policy + share * vertex
            lost = 2 * (
                np.sum(dual * (policy - other), axis=1)
                - regularizer.value(policy)
                + regularizer.value(other)
            )
            if np.max(lost) <= gap:
                return other, dual
        return policy, dual

    run = claim_iterates(mdp, regularizer, algorithms.GPMD(1.0), rule, 12)
    bounds = rm.theory.gpmd_bounds(
        mdp,
        regularizer,
        step_size=1.0,
        iterations=12,
        evaluation_error=delta,
        subproblem_gap=gap,
        optimum=run.optimum,
    )
    assert np.all(q_errors(run) <= bounds.q + 1e-9)
    assert np.all(np.max(np.abs(run.optimum.value - run.values), axis=1) <= bounds.value + 1e-9)
    assert np.all(
        np.abs(run.optimum.policy - run.policies).sum(axis=2).max(axis=1) <= bounds.policy + 1e-6
    )


def test_noise_above_the_claimed_size_is_detected():
    # noise that reverses the order of two actions, with a much smaller claimed error
    tau, claimed = 0.05, 0.01
    mdp, regularizer = rm.models.bandit((1.0, 0.6), discount=0.5), rm.Shannon(tau)
    eta = (1 - mdp.discount) / tau

    def rule(mdp, regularizer, candidate, q):
        dual = (q + np.array([[-0.3, 0.3]])) / tau
        return regularizer.greedy(dual), dual

    run = claim_iterates(mdp, regularizer, algorithms.NPG(eta), rule, 20)
    for bound in rm.theory.inexact_entropy_npg_bounds(
        mdp, regularizer, step_size=eta, iterations=20, error=claimed
    ):
        assert np.any(q_errors(run) > bound)
    bounds = rm.theory.gpmd_bounds(
        mdp, regularizer, step_size=np.inf, iterations=20, evaluation_error=claimed
    )
    assert np.any(q_errors(run) > bounds.q)
    assert np.any(np.max(np.abs(run.optimum.value - run.values), axis=1) > bounds.value)


@given(
    st.sampled_from([0.1, 0.5, 0.9, 0.99]),
    st.floats(1e-3, 10.0),
    st.floats(1e-6, 1.0),
)
def test_the_sharp_floor_is_within_five_eighths(discount, tau, epsilon):
    delta = (1 - discount) / discount * min(epsilon / 4, np.sqrt(epsilon * tau) / 2)
    assert rm.theory.sharp_inexact_floor(discount, tau, delta) <= 5 / 8 * epsilon * (1 + 1e-12)


@pytest.mark.parametrize("alpha", [0.0, 0.5, 0.9])
def test_the_floors_agree_between_the_theorems(alpha):
    discount, delta = 0.9, 0.01
    eta_tau = (1 - discount) * (1 - alpha)
    floor = rm.theory.inexact_floor(discount, alpha, evaluation_error=delta)
    assert np.isclose(floor, 2 * delta / (1 - discount) * (1 + discount / eta_tau))
