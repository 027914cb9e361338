"""Numbers of iterations and samples for an accuracy: formulas written out here, and runs."""

import math

import numpy as np
import pytest
from theory import loops

import regmdp as rm
from regmdp import algorithms

MDP = rm.models.garnet(5, 3, 4, discount=0.8, rng=2)
TAU = 0.2
SHANNON = rm.Shannon(TAU)
HORIZON = 5.0


def soft_optimum():
    value = loops.optimal_value(MDP, TAU)
    q = loops.q_of(MDP, value)
    return value, q, loops.softmax(q / TAU)


def initial_errors():
    value, q, best = soft_optimum()
    own = loops.value_of(MDP, loops.uniform(MDP), TAU, loops.entropy)
    return value, q, best, own


@pytest.mark.parametrize("share", [0.01, 0.3, 1.0])
@pytest.mark.parametrize("accuracy", [1.0, 1e-2, 1e-6])
def test_entropy_npg(share, accuracy):
    eta = share / HORIZON / TAU
    _, q, best, own = initial_errors()
    constant = np.max(np.abs(q - loops.q_of(MDP, own))) + 2 * TAU * (1 - share) * np.max(
        np.abs(np.log(best) + np.log(3))
    )
    factors = {"q": 0.8, "value": 3.0, "log_policy": 2 / TAU}
    for name, factor in factors.items():
        written = 1 + max(0, math.ceil(math.log(factor * constant / accuracy) / (eta * TAU)))
        found = rm.theory.entropy_npg_iterations(
            MDP, SHANNON, step_size=eta, accuracy=accuracy, quantity=name
        )
        assert found == written
    if share > 0.1:
        count = rm.theory.entropy_npg_iterations(MDP, SHANNON, step_size=eta, accuracy=accuracy)
        *_, (_, last) = loops.npg(MDP, TAU, eta, count)
        assert np.max(np.abs(q - loops.q_of(MDP, last))) <= accuracy


@pytest.mark.parametrize("accuracy", [1.0, 1e-2, 1e-6])
def test_soft_policy_iteration(accuracy):
    _, q, _, own = initial_errors()
    distance = np.max(np.abs(q - loops.q_of(MDP, own)))
    count = rm.theory.soft_policy_iterations(MDP, SHANNON, accuracy=accuracy)
    assert count == 1 + max(0, math.ceil(HORIZON * math.log(0.8 * distance / accuracy)))
    eta = 1 / HORIZON / TAU
    # natural policy gradient with its largest step, where α = 0
    assert count == rm.theory.entropy_npg_iterations(MDP, SHANNON, step_size=eta, accuracy=accuracy)
    errors = [np.max(np.abs(q - loops.q_of(MDP, v))) for _, v in loops.npg(MDP, TAU, eta, count)]
    assert errors[count] <= accuracy


def test_soft_policy_iteration_with_another_regularizer():
    sparse = rm.SquaredL2(0.3)
    count = rm.theory.soft_policy_iterations(MDP, sparse, accuracy=1e-6)
    run = rm.theory.trace(MDP, sparse, algorithms.PolicyIteration(), max_iterations=count)
    assert np.max(np.abs(run.optimum.q - run.q[-1])) <= 1e-6


@pytest.mark.parametrize("accuracy", [0.5, 0.01])
@pytest.mark.parametrize("step", [None, 0.01, 0.3])
def test_npg(accuracy, step):
    value = loops.optimal_value(MDP)
    best = np.eye(3)[loops.q_of(MDP, value).argmax(axis=1)]
    spread = np.ptp(MDP.rewards)
    eta = np.log(3) / HORIZON**2 / spread if step is None else step
    # KL(π*‖uniform) = log 3 in every state
    constant = loops.occupancy_of(MDP, best).sum() * np.log(3) / eta + spread * HORIZON**2
    count = rm.theory.npg_iterations(MDP, accuracy=accuracy, step_size=step)
    assert count == math.ceil(constant / accuracy * (1 - 1e-12))
    if step is None:
        assert count <= 2 * spread * HORIZON**2 / accuracy + 1
        assert count >= 2 * spread * HORIZON**2 / accuracy * (1 - 1e-6)
    run = rm.theory.trace(MDP, None, algorithms.NPG(eta), max_iterations=min(count, 400))
    gaps = MDP.initial @ value - run.values_from_start
    assert min(gaps) <= accuracy


def test_npg_without_a_choice():
    single = rm.MDP(np.ones((1, 1, 1)), np.zeros((1, 1)), 0.5)
    assert rm.theory.npg_iterations(single, accuracy=0.1) == 1


@pytest.mark.parametrize("share", [0.01, 0.1, 0.5, 1.0])
@pytest.mark.parametrize("accuracy", [0.5, 1e-4])
def test_both_counts_of_a_gap(share, accuracy):
    eta = share / HORIZON / TAU
    value, _, best, own = initial_errors()
    chain = np.einsum("sa,sat->st", best, MDP.to_array())
    nu = np.linalg.matrix_power(chain, 10_000)[0]
    divergence = np.sum(best * np.log(3 * best), axis=1)
    constant = nu @ (value - own) + (nu @ divergence / (HORIZON * eta) if share < 1 else 0.0)
    far = np.max(MDP.initial / nu)
    horizon = max(HORIZON, 1 / (HORIZON * eta * TAU))
    counts = rm.theory.gap_iterations(MDP, SHANNON, step_size=eta, accuracy=accuracy)
    assert counts.mirror_descent == max(0, math.ceil(horizon * math.log(far * constant / accuracy)))
    assert counts.entropy_npg == rm.theory.entropy_npg_iterations(
        MDP, SHANNON, step_size=eta, accuracy=accuracy, quantity="value"
    )
    assert counts.smaller == min(counts.entropy_npg, counts.mirror_descent)
    if share >= 0.1:
        *_, (_, last) = loops.npg(MDP, TAU, eta, int(counts.smaller))
        assert MDP.initial @ (value - last) <= accuracy


@pytest.mark.parametrize("step", [0.1, 3.0, 100.0, np.inf])
@pytest.mark.parametrize("regularizer", [SHANNON, rm.SquaredL2(TAU)], ids=["Shannon", "square"])
def test_mirror_descent(step, regularizer):
    first = rm.theory.mirror_descent_gap_bound(MDP, regularizer, step_size=step, iterations=0)[0]
    horizon = HORIZON if step == np.inf else max(HORIZON, (1 + step * TAU) / (step * TAU))
    count = rm.theory.mirror_descent_iterations(MDP, regularizer, step_size=step, accuracy=1e-3)
    assert count == math.ceil(horizon * math.log(first / 1e-3))
    run = rm.theory.trace(
        MDP,
        regularizer,
        algorithms.GPMD(algorithms.Maximum() if step == np.inf else step),
        max_iterations=min(int(count), 150),
    )
    assert np.min(MDP.initial @ run.optimum.value - run.values_from_start) <= 1e-3


def test_which_count_is_smaller():
    """Short steps: the potential, by the factor 1-γ. A rare start, largest step: the sup norm."""
    mdp = rm.models.garnet(6, 3, 4, discount=0.98, rng=1)
    short = rm.theory.gap_iterations(mdp, SHANNON, step_size=1e-4 * 0.02 / TAU, accuracy=1e-3)
    assert short.mirror_descent < 0.1 * short.entropy_npg
    rare = rare_start(1e-12)
    long = rm.theory.gap_iterations(rare, SHANNON, step_size=0.02 / TAU, accuracy=1e-3)
    assert long.entropy_npg < long.mirror_descent


def rare_start(probability):
    """Two states: the start, returned to with a small probability, and one that stays."""
    rows = np.zeros((2, 2, 2))
    rows[0, :, 1] = 1.0
    rows[1, :, 0], rows[1, :, 1] = probability, 1.0 - probability
    return rm.MDP(rows, np.array([[0.0, 0.1], [0.0, 1.0]]), 0.98, initial=np.array([1.0, 0.0]))


def test_no_stationary_distribution():
    ending = rm.MDP(np.full((1, 2, 1), 0.9), np.eye(2)[:1], 0.5, termination=np.full((1, 2), 0.1))
    counts = rm.theory.gap_iterations(ending, SHANNON, step_size=0.5, accuracy=0.1)
    assert counts.mirror_descent == np.inf
    assert counts.smaller == counts.entropy_npg
    never = rare_start(0.0)
    assert (
        rm.theory.mirror_descent_iterations(never, SHANNON, step_size=1.0, accuracy=0.1) == np.inf
    )


@pytest.mark.parametrize("accuracy", [0.0, -1.0, np.nan])
def test_an_accuracy_out_of_range(accuracy):
    for call in (
        lambda: rm.theory.entropy_npg_iterations(MDP, SHANNON, step_size=0.1, accuracy=accuracy),
        lambda: rm.theory.soft_policy_iterations(MDP, SHANNON, accuracy=accuracy),
        lambda: rm.theory.npg_iterations(MDP, accuracy=accuracy),
        lambda: rm.theory.gap_iterations(MDP, SHANNON, step_size=0.1, accuracy=accuracy),
    ):
        with pytest.raises(rm.SolverError, match="accuracy must be a finite number above 0"):
            call()
    with pytest.raises(rm.SolverError, match="step_size must be a number above 0"):
        rm.theory.npg_iterations(MDP, accuracy=0.1, step_size=0.0)


# ---- samples ----


@pytest.mark.parametrize(("discount", "accuracy"), [(0.8, 0.1), (0.5, 2.0), (0.99, 1e-3)])
def test_the_samples_written_out(discount, accuracy):
    mdp = MDP.with_discount(discount)
    horizon, spread = 1 / (1 - discount), np.ptp(MDP.rewards)
    tau = accuracy / horizon / math.log(3)
    delta = min(accuracy / 4, math.sqrt(tau * accuracy) / 2) / (horizon * discount)
    needed = rm.theory.inexact_npg_samples(mdp, accuracy)
    assert needed.temperature == pytest.approx(tau)
    assert needed.evaluation_error == pytest.approx(delta)
    assert needed.samples_per_pair == pytest.approx(
        spread**2 * horizon**3 / delta**2, rel=1e-9, abs=1
    )
    far = discount * horizon * (spread + tau * math.log(3))
    assert needed.iterations == 1 + math.ceil(horizon * math.log(8 * far / (3 * accuracy)))
    assert needed.pairs == 15
    assert needed.total == 15 * needed.total_per_pair
    assert needed.total_per_pair == needed.samples_per_pair * needed.iterations


def test_the_exponents_of_the_samples():
    def per_pair(discount, accuracy):
        return rm.theory.inexact_npg_samples(MDP.with_discount(discount), accuracy).samples_per_pair

    assert math.log10(per_pair(0.999, 1e-4) / per_pair(0.999, 1e-3)) == pytest.approx(2.0, rel=1e-3)
    assert math.log10(per_pair(0.9999, 1e-3) / per_pair(0.999, 1e-3)) == pytest.approx(
        6.0, rel=1e-3
    )


@pytest.mark.parametrize("discount", [0.8, 0.95])
def test_evaluations_of_the_admissible_error_reach_the_accuracy(discount):
    """With errors of δ, T iterations are within ε of Q*, and the policy is within 2ε of V*_0."""
    mdp, accuracy = MDP.with_discount(discount), 0.2
    needed = rm.theory.inexact_npg_samples(mdp, accuracy)
    algorithm = algorithms.NPG(
        algorithms.Maximum(), evaluation=rm.evaluation.Noisy(needed.evaluation_error, "adversarial")
    )
    run = rm.theory.trace(
        mdp,
        rm.Shannon(needed.temperature),
        algorithm,
        max_iterations=needed.iterations,
        rng=np.random.default_rng(0),
    )
    assert np.max(np.abs(run.optimum.q - run.q[-1])) <= accuracy
    best = loops.optimal_value(mdp)
    assert np.max(best - loops.value_of(mdp, run.policies[-1])) <= 2 * accuracy


def test_the_cost_of_entropy_is_attained():
    """On arms with equal rewards the soft value exceeds the value by ε = τ log A/(1-γ)."""
    arms = rm.models.bandit((1.0, 1.0, 1.0), discount=0.9)
    tau = rm.theory.temperature_for_accuracy(arms, 0.3)
    assert rm.solve(arms, rm.Shannon(tau)).initial_value == pytest.approx(10.0 + 0.3)


@pytest.mark.parametrize(
    "call",
    [
        lambda: rm.theory.temperature_for_accuracy(MDP, 0.0),
        lambda: rm.theory.temperature_for_accuracy(
            rm.MDP(np.ones((1, 1, 1)), np.zeros((1, 1)), 0.5), 0.1
        ),
        lambda: rm.theory.inexact_npg_samples(rm.models.bandit((1.0, 1.0), discount=0.5), 0.1),
        lambda: rm.theory.inexact_npg_samples(MDP.with_discount(0.0), 0.1),
    ],
)
def test_arguments_out_of_range(call):
    with pytest.raises(
        rm.SolverError,
        match="a state with two actions|no samples are needed|accuracy must be .* above 0",
    ):
        call()
