"""The numbers in the table of docs/lecture.md, measured on one small model.

``python tests/theory/lecture.py`` writes them into the page again.
"""

import re
import sys
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
from scipy.optimize import minimize

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from theory import loops

import regmdp as rm
from regmdp import algorithms
from regmdp.models import ExponentialChain
from regmdp.reproduce.experiments.softmax_flow import Flow

PAGE = Path(__file__).resolve().parents[2] / "docs" / "lecture.md"

#: The model, and the temperature, of all rows that name no other.
MDP = rm.models.garnet(8, 3, 4, discount=0.9)
TAU = 0.1
SHANNON = rm.Shannon(TAU)
#: For methods whose steps or samples are proportional to powers of 1-γ.
HALF_DISCOUNTED = MDP.with_discount(0.5)
SPARSE = rm.SquaredL2(TAU)
#: The largest step size of natural policy gradient, (1-γ)/τ, and half of it.
LARGEST = 0.1 / TAU
HALF = 0.5 * LARGEST
#: Iterations of a run, and of one of softmax policy gradient, whose steps are short.
ITERATIONS, MANY = 30, 150


class Measurement(NamedTuple):
    """A measured and a predicted number, and the relation that is stated."""

    measured: float
    relation: str
    predicted: float

    @property
    def holds(self):
        if self.relation == "=":
            return abs(self.measured - self.predicted) <= 1e-6 * abs(self.predicted)
        if self.relation == "≈":
            return abs(self.measured - self.predicted) <= 0.02 * abs(self.predicted)
        if self.relation == "≤":
            return self.measured <= self.predicted * (1.0 + 1e-9)
        assert self.relation == "≥"
        return self.measured >= self.predicted * (1.0 - 1e-9)

    def __str__(self):
        return f"{show(self.measured)} {self.relation} {show(self.predicted)}"


def show(number):
    """Return a number with three digits; large ones up to a million without an exponent."""
    return f"{number:.0f}" if 1e3 <= abs(number) < 1e6 else f"{number:.3g}"


# ---- runs ----


def draw_policy(seed=0):
    return np.random.default_rng(seed).dirichlet(np.ones(3), size=8)


@cache
def check_run(name):
    """Return a run of a method, and its comparison with all statements."""
    regularizer, algorithm = RUNS[name]
    samples = getattr(algorithm.evaluation, "delta", None) is not None
    rng = np.random.default_rng(0) if samples else None
    slow = name.startswith("softmax")
    mdp, iterations = (HALF_DISCOUNTED, MANY) if slow else (MDP, ITERATIONS)
    run = rm.theory.trace(mdp, regularizer, algorithm, max_iterations=iterations, rng=rng)
    return run, rm.theory.check(run)


NOISY = rm.evaluation.Noisy(0.02, "adversarial")
RUNS = {
    "NPG": (SHANNON, algorithms.NPG(HALF)),
    "NPG, largest step": (SHANNON, algorithms.NPG(algorithms.Maximum())),
    "NPG, no entropy": (None, algorithms.NPG(0.05)),
    "NPG, short noisy steps": (SHANNON, algorithms.NPG(0.05 * LARGEST, evaluation=NOISY)),
    "NPG, noisy": (SHANNON, algorithms.NPG(HALF, evaluation=NOISY)),
    "softmax PG": (SHANNON, algorithms.SoftmaxPG(algorithms.Maximum())),
    "softmax PG, no entropy": (None, algorithms.SoftmaxPG(algorithms.Maximum())),
    "PMD, growing steps": (None, algorithms.PMD(algorithms.Geometric(0.1))),
    "GPMD": (SPARSE, algorithms.GPMD(2.0)),
    "GPMD, noisy": (SPARSE, algorithms.GPMD(2.0, evaluation=NOISY, accuracy=0.01)),
    "one sweep": (None, algorithms.TDPMD(0.5)),
    "one sweep, growing steps": (SPARSE, algorithms.ValueMirrorDescent(algorithms.Geometric(0.1))),
}


def find_closest(name, statement):
    """Return the numbers of a run where an upper bound is closest, far above rounding."""
    _, report = check_run(name)
    compared = report[statement]
    assert compared.holds
    clear = np.flatnonzero(compared.measured > 1e-6 * np.max(compared.measured))
    worst = clear[np.argmax(compared.measured[clear] / compared.predicted[clear])]
    return Measurement(compared.measured[worst], "≤", compared.predicted[worst])


def read_comparison(name, statement, iteration, relation="="):
    """Return the numbers of a run at an iteration."""
    _, report = check_run(name)
    compared = report[statement]
    (index,) = np.flatnonzero(compared.iteration == iteration)
    return Measurement(compared.measured[index], relation, compared.predicted[index])


def count_iterations(errors, accuracy):
    return int(np.argmax(np.asarray(errors) <= accuracy))


# ---- values and operators ----


def measure_value():
    policy, total = draw_policy(), 0.0
    chain = np.einsum("sa,sat->st", policy, MDP.to_array())
    paid = np.sum(policy * MDP.rewards, axis=1) - TAU * loops.entropy(policy)
    states = np.asarray(MDP.initial)
    for time in range(500):
        total += 0.9**time * states @ paid
        states = states @ chain
    return Measurement(total, "=", rm.evaluate(MDP, policy, SHANNON).initial_value)


def measure_contraction(regularizer):
    rng, ratios = np.random.default_rng(0), []
    for _ in range(200):
        one = rng.normal(size=(8, 3))
        other = one + rng.normal() + 0.1 * rng.normal(size=(8, 3))
        moved = rm.bellman.q_backup(MDP, regularizer, one) - rm.bellman.q_backup(
            MDP, regularizer, other
        )
        ratios.append(np.max(np.abs(moved)) / np.max(np.abs(one - other)))
    return Measurement(max(ratios), "≤", 0.9)


def measure_soft_optimum():
    value = loops.optimal_value(MDP, TAU)
    policy = loops.softmax(loops.q_of(MDP, value) / TAU)
    return Measurement(rm.evaluate(MDP, policy, SHANNON).initial_value, "=", MDP.initial @ value)


def measure_performance_difference():
    one, other = draw_policy(0), draw_policy(1)
    values = [rm.evaluate(MDP, policy, SHANNON).initial_value for policy in (one, other)]
    return Measurement(
        values[0] - values[1], "=", rm.theory.performance_difference(MDP, SHANNON, one, other)
    )


# ---- policy gradients ----


def measure_gradient():
    policy = draw_policy()
    gradient = rm.theory.softmax_gradient(MDP, SHANNON, policy)
    entry = np.unravel_index(np.argmax(np.abs(gradient)), gradient.shape)

    def value(move):
        logits = np.log(policy)
        logits[entry] += move
        return MDP.initial @ loops.value_of(MDP, loops.softmax(logits), TAU, loops.entropy)

    # Richardson's extrapolation of the central difference
    slopes = [(value(h) - value(-h)) / (2 * h) for h in (1e-3, 2e-3)]
    return Measurement((4 * slopes[0] - slopes[1]) / 3, "=", gradient[entry])


@cache
def find_waits(size):
    """Return the scaled times at which the states of the exponential chain reach their targets."""
    return Flow.integrate(ExponentialChain(size), 10).crossings


def measure_exponential_time():
    short, long = find_waits(10**5), find_waits(10**8)
    return Measurement(long[5] / long[0], "≥", short[5] / short[0])


def measure_fisher():
    policy = draw_policy()
    expected = np.zeros((8, 3, 3))
    for s, a in np.ndindex(8, 3):
        score = np.eye(3)[a] - policy[s]
        expected[s] += loops.occupancy_of(MDP, policy)[s] * policy[s, a] * np.outer(score, score)
    return Measurement(
        np.linalg.norm(expected), "=", np.linalg.norm(rm.theory.fisher_matrix(MDP, policy))
    )


def measure_natural_gradient():
    policy = draw_policy()
    gradient = rm.theory.softmax_gradient(MDP, SHANNON, policy)
    fisher = rm.theory.fisher_matrix(MDP, policy)
    natural = (np.linalg.pinv(fisher) @ gradient[..., None])[..., 0]
    soft = rm.evaluate(MDP, policy, SHANNON).q - TAU * np.log(policy)
    return Measurement(np.ptp(natural[0]), "=", np.ptp(soft[0]) / 0.1)


def measure_multiplicative_weights():
    policy, other = draw_policy(), MDP.with_initial(np.linspace(1.0, 15.0, 8) / 64.0)
    fisher = algorithms.FisherNPG(0.1)
    run = rm.theory.trace(other, None, fisher, max_iterations=1, start=policy)
    weights = policy * np.exp(0.1 * loops.q_of(MDP, loops.value_of(MDP, policy)) / 0.1)
    return Measurement(run.policies[1][0, 0], "=", (weights / weights.sum(axis=1)[:, None])[0, 0])


def measure_npg_iterations():
    accuracy = 0.5
    step = 0.1**2 * np.log(3) / np.ptp(MDP.rewards)
    values = [MDP.initial @ value for _, value in loops.npg(MDP, 0.0, step, 2000)]
    taken = count_iterations(MDP.initial @ loops.optimal_value(MDP) - values, accuracy)
    return Measurement(taken, "≤", rm.theory.npg_iterations(MDP, accuracy=accuracy))


# ---- entropy ----


def measure_cost_of_entropy():
    best = loops.softmax(loops.q_of(MDP, loops.optimal_value(MDP, TAU)) / TAU)
    loss = np.max(loops.optimal_value(MDP) - loops.value_of(MDP, best))
    return Measurement(loss, "≤", TAU * np.log(3) / 0.1)


def measure_gap_by_divergence():
    policy = draw_policy()
    gap = MDP.initial @ (
        loops.optimal_value(MDP, TAU) - loops.value_of(MDP, policy, TAU, loops.entropy)
    )
    return Measurement(gap, "=", rm.theory.gap_by_divergence(MDP, SHANNON, policy))


def measure_entropy_step():
    policy = draw_policy()
    natural = rm.theory.softmax_gradient(MDP, SHANNON, policy)
    fisher = rm.theory.fisher_matrix(MDP, policy)
    logits = np.log(policy) + HALF * (np.linalg.pinv(fisher) @ natural[..., None])[..., 0]
    run = rm.theory.trace(MDP, *RUNS["NPG"], max_iterations=1, start=policy)
    return Measurement(loops.softmax(logits)[0, 0], "=", run.policies[1][0, 0])


def measure_mirror_form():
    mirror = algorithms.PMD(rm.theory.mirror_descent_step(MDP, SHANNON, HALF))
    run = rm.theory.trace(MDP, SHANNON, mirror, max_iterations=5)
    return Measurement(
        MDP.initial @ run.values[5], "=", MDP.initial @ check_run("NPG")[0].values[5]
    )


def measure_value_error():
    run, _ = check_run("NPG")
    bounds = rm.theory.entropy_npg_bounds(MDP, SHANNON, step_size=HALF, iterations=ITERATIONS)
    errors = np.max(np.abs(run.optimum.value - run.values), axis=1)
    closest = np.argmax(np.where(errors > 1e-6, errors / bounds.value, 0.0))
    return Measurement(errors[closest], "≤", bounds.value[closest])


def measure_entropy_npg_iterations():
    run, _ = check_run("NPG")
    errors = np.max(np.abs(run.optimum.q - run.q), axis=(1, 2))
    count = rm.theory.entropy_npg_iterations(MDP, SHANNON, step_size=HALF, accuracy=1e-3)
    return Measurement(count_iterations(errors, 1e-3), "≤", count)


def measure_soft_policy_iterations():
    run, _ = check_run("NPG, largest step")
    errors = np.max(np.abs(run.optimum.q - run.q), axis=(1, 2))
    count = rm.theory.soft_policy_iterations(MDP, SHANNON, accuracy=1e-3)
    return Measurement(count_iterations(errors, 1e-3), "≤", count)


# ---- inexact evaluation ----


def measure_admissible_error():
    accuracy = 0.1
    delta = rm.theory.admissible_evaluation_error(0.9, TAU, accuracy)
    noisy = rm.evaluation.Noisy(delta, "adversarial")
    run = rm.theory.trace(
        MDP,
        SHANNON,
        algorithms.NPG(HALF, evaluation=noisy),
        max_iterations=60,
        rng=np.random.default_rng(0),
    )
    return Measurement(np.max(np.abs(run.optimum.q - run.q[-1])), "≤", 5 / 8 * accuracy)


def measure_samples():
    mdp, accuracy = HALF_DISCOUNTED, 0.5
    needed = rm.theory.inexact_npg_samples(mdp, accuracy)
    drawn = rm.evaluation.GenerativeModel(needed.samples_per_pair)
    learned = rm.learn(
        mdp,
        rm.Shannon(needed.temperature),
        algorithms.NPG(algorithms.Maximum(), evaluation=drawn),
        max_iterations=needed.iterations,
        rng=np.random.default_rng(0),
    )
    loss = np.max(loops.optimal_value(mdp) - loops.value_of(mdp, learned.policy[0]))
    return Measurement(loss, "≤", 2 * accuracy)


# ---- mirror descent ----


def measure_regret():
    """Multiplicative weights against the sum of random gradients."""
    gradients = np.random.default_rng(0).uniform(size=(ITERATIONS, 3))
    run = rm.theory.mirror_descent_on_simplex(
        gradients, np.full(3, 1 / 3), rm.Shannon(1.0), step_size=0.5, iterations=ITERATIONS
    )
    weights = np.exp(-0.5 * np.cumsum(gradients, axis=0))
    np.testing.assert_allclose(run.points[1:], weights / weights.sum(axis=1, keepdims=True))
    best = np.eye(3)[gradients.sum(axis=0).argmin()]
    regret = rm.theory.mirror_descent_regret(run, best)
    bound = rm.theory.mirror_descent_regret_bound(run, best)
    closest = np.argmax(regret / bound)
    return Measurement(regret[closest], "≤", bound[closest])


def measure_three_points():
    policy, comparator = draw_policy(0), draw_policy(1)
    run = rm.theory.trace(MDP, *RUNS["NPG"], max_iterations=1, start=policy)
    left, right = rm.theory.three_point_identity(
        SHANNON,
        run.q[0],
        inverse_step=0.1 / HALF - TAU,
        temperature=np.full(8, TAU),
        before=np.log(policy),
        after=np.log(run.policies[1]),
        policy=run.policies[1],
        comparator=comparator,
        allowed=run.allowed,
    )
    return Measurement(left[0], "=", right[0])


def measure_gap_iterations():
    step, accuracy = 0.02 * LARGEST, 1e-3
    values = [MDP.initial @ value for _, value in loops.npg(MDP, TAU, step, 600)]
    taken = count_iterations(MDP.initial @ loops.optimal_value(MDP, TAU) - values, accuracy)
    counts = rm.theory.gap_iterations(MDP, SHANNON, step_size=step, accuracy=accuracy)
    assert counts.smaller == counts.mirror_descent < counts.entropy_npg
    return Measurement(taken, "≤", counts.smaller)


# ---- generalized mirror descent ----


def measure_divergence():
    tsallis, rng = rm.Tsallis(1.5, 1.0), np.random.default_rng(0)
    pairs = [rng.dirichlet(np.ones(3), size=2) for _ in range(500)]
    distance = np.array([np.abs(p - q).sum() for p, q in pairs])
    far = np.array([tsallis.divergence(p, q) for p, q in pairs])
    closest = np.argmin(far / distance**2)
    least = 0.5 * tsallis.strong_convexity(3) * distance[closest] ** 2
    return Measurement(far[closest], "≥", least)


def measure_dual_averaging():
    step, policy = 0.2, draw_policy()
    q = loops.q_of(MDP, loops.value_of(MDP, policy, TAU, loops.half_square))
    run = rm.theory.trace(MDP, SPARSE, algorithms.GPMD(step), max_iterations=1, start=policy)

    def cost(p):
        # the gradient of half the square at π is π
        return -q[0] @ p + TAU * p @ p / 2 + np.sum((p - policy[0]) ** 2) / (2 * step)

    found = minimize(
        cost,
        policy[0],
        bounds=[(0.0, 1.0)] * 3,
        constraints={"type": "eq", "fun": lambda p: np.sum(p) - 1.0},
        options={"ftol": 1e-15},
    )
    assert cost(run.policies[1][0]) <= found.fun + 1e-9
    np.testing.assert_allclose(run.policies[1][0], found.x, atol=1e-5)
    alpha = 1.0 / (1.0 + step * TAU)
    averaged = loops.project((alpha * policy + (1 - alpha) * q / TAU)[:1])[0]
    return Measurement(np.max(run.policies[1][0]), "=", np.max(averaged))


def measure_local_rate():
    """Factor of the error of the policies of PMD near the optimum, for -Σ log p."""
    barrier, step = rm.LogBarrier(TAU), 1.0
    run = rm.theory.trace(MDP, barrier, algorithms.PMD(step), max_iterations=60)
    errors = np.max(np.abs(run.policies - run.optimum.policy), axis=(1, 2))
    last = np.flatnonzero(errors > 1e-9)[-1]
    rates = rm.theory.local_rates(MDP, barrier, step_size=step, optimum=run.optimum)
    assert rates.pmd < rates.gpmd
    assert rm.theory.local_rates(MDP, SPARSE, step_size=step).pmd > rates.gpmd
    return Measurement((errors[last] / errors[last - 10]) ** 0.1, "≈", rates.pmd)


# ---- practice ----


def measure_trust_region():
    policy, limit = draw_policy(), 1e-3
    gradient = rm.theory.softmax_gradient(MDP, None, policy)
    fisher = rm.theory.fisher_matrix(MDP, policy)
    natural = (np.linalg.pinv(fisher) @ gradient[..., None])[..., 0]
    length = np.sqrt(2 * limit / np.sum(gradient * natural))
    after = loops.softmax(np.log(policy) + length * natural)
    divergence = np.sum(policy * np.log(policy / after), axis=1)
    return Measurement(loops.occupancy_of(MDP, policy) @ divergence, "≈", limit)


def measure_actor_critic():
    policy = draw_policy()
    value = loops.value_of(MDP, policy)
    chain = np.einsum("sa,sat->st", policy, MDP.to_array())
    paid = np.sum(policy * MDP.rewards, axis=1)
    # three rewards, then the critic
    tail = paid + 0.9 * chain @ (paid + 0.9 * chain @ value)
    advantage = loops.q_of(MDP, tail) - value[:, None]
    estimate = loops.occupancy_of(MDP, policy)[:, None] * policy * advantage / 0.1
    return Measurement(np.max(estimate), "=", np.max(rm.theory.softmax_gradient(MDP, None, policy)))


def measure_soft_actor_critic():
    optimal = loops.q_of(MDP, loops.optimal_value(MDP, TAU))
    q = np.zeros((8, 3))
    for _ in range(20):
        q = rm.bellman.q_policy_backup(MDP, SHANNON, loops.softmax(q / TAU), q)
    return Measurement(np.max(np.abs(optimal - q)), "≤", 0.9**20 * np.max(np.abs(optimal)))


#: The measurement of each row.
MEASUREMENTS = {
    1: measure_value,
    2: lambda: measure_contraction(None),
    3: lambda: measure_contraction(SHANNON),
    4: measure_soft_optimum,
    5: measure_performance_difference,
    6: measure_gradient,
    7: lambda: read_comparison("softmax PG, no entropy", "asymptotic gap", MANY, "≤"),
    8: measure_exponential_time,
    9: lambda: read_comparison("softmax PG", "exponential gap", MANY, "≤"),
    10: measure_fisher,
    11: measure_natural_gradient,
    12: measure_multiplicative_weights,
    13: lambda: find_closest("NPG, no entropy", "sublinear gap"),
    14: measure_npg_iterations,
    15: measure_cost_of_entropy,
    16: measure_gap_by_divergence,
    17: measure_entropy_step,
    18: measure_mirror_form,
    19: lambda: read_comparison("NPG", "monotone improvement", 1),
    20: lambda: find_closest("NPG", "error of Q"),
    21: measure_value_error,
    22: lambda: find_closest("NPG", "error of log π"),
    23: lambda: read_comparison("NPG", "linear system", 3, "≤"),
    24: lambda: read_comparison("NPG, largest step", "quadratic convergence from ν*", 3, "≤"),
    25: measure_entropy_npg_iterations,
    26: measure_soft_policy_iterations,
    27: lambda: read_comparison("NPG, short noisy steps", "error of Q", ITERATIONS, "≤"),
    28: lambda: read_comparison("NPG, noisy", "error of Q, sharp floor", ITERATIONS, "≤"),
    29: measure_admissible_error,
    30: measure_samples,
    31: measure_regret,
    32: measure_three_points,
    33: lambda: find_closest("NPG", "occupancy ratio"),
    34: lambda: find_closest("NPG", "gain from ν*"),
    35: lambda: find_closest("NPG", "contraction of the potential"),
    36: lambda: find_closest("NPG", "gap from the start"),
    37: measure_gap_iterations,
    38: lambda: find_closest("PMD, growing steps", "growing steps"),
    39: measure_divergence,
    40: measure_dual_averaging,
    41: lambda: find_closest("GPMD", "error of Q"),
    42: lambda: read_comparison("GPMD, noisy", "error of V", ITERATIONS, "≤"),
    43: measure_local_rate,
    44: measure_trust_region,
    45: measure_actor_critic,
    46: measure_soft_actor_critic,
    47: lambda: find_closest("one sweep", "one sweep: sublinear gap"),
    48: lambda: find_closest("one sweep, growing steps", "one sweep: growing steps"),
}


# ---- the page ----

#: The columns of the table.
NUMBER, STATEMENT, LITERATURE, HERE, COMPARED, NUMBERS, TESTS = range(7)
ROW = re.compile(r"^\| (\d+) \|.*\|$", flags=re.MULTILINE)


def split_row(line):
    """Return the cells of a row of a table."""
    return [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]


def find_rows(text):
    """Return the cells of every numbered row of a page."""
    return [split_row(match.group()) for match in ROW.finditer(text)]


def refresh(text):
    """Return the page with the numbers measured again."""

    def write(match):
        cells = split_row(match.group())
        cells[NUMBERS] = str(MEASUREMENTS[int(cells[NUMBER])]())
        return "| " + " | ".join(cells) + " |"

    return ROW.sub(write, text)


if __name__ == "__main__":
    PAGE.write_text(refresh(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
