"""Regularizers at temperatures from 1e-8 to 1e4, compared with a generic convex solver.

The solver uses only φ, φ' and the bounds of max ⟨p, q⟩ - Σ_a τ φ_a(p_a) over a box within the
simplex. It bisects the multiplier of Σ p = 1, and for each multiplier the logarithm of each
probability. Where h is not a sum over actions, optimality is proved instead: by concavity no
distribution exceeds the objective of p by more than the largest ⟨p' - p, q - τ ∇h(p)⟩.
"""

import numpy as np
import pytest
from tiers import tiered

import regmdp as rm

TEMPERATURES = [1e-8, 1e-4, 1e-1, 1e1, 1e4]
REFERENCE = np.array([0.1, 0.25, 0.35, 0.3])
WEIGHTS = np.array([0.3, -0.2, 1.0, 0.0])
MASK = np.array([True, False, True, True])
LOWER, UPPER = np.array([0.05, 0.0, 0.1, 0.0]), np.array([0.5, 0.4, 0.9, 0.3])


def xlogx(p):
    return np.where(p > 0, p * np.log(np.where(p > 0, p, 1.0)), 0.0)


def below_cap(p):
    return np.where(MASK, 0.35 - p, 1.0)


#: φ and φ', elementwise over four actions.
SHANNON = xlogx, lambda p: np.log(p) + 1
KL = lambda p: xlogx(p) - p * np.log(REFERENCE), lambda p: np.log(p / REFERENCE) + 1
SQUARE = lambda p: p * p / 2, lambda p: p
PRICE = lambda p: WEIGHTS * p, lambda p: WEIGHTS + 0 * p
LOG = lambda p: -np.log(p), lambda p: -1 / p
CAP = lambda p: -np.log(below_cap(p)), lambda p: np.where(MASK, 1 / below_cap(p), 0.0)
CUBE = lambda p: p**3 / 3, lambda p: p**2
ZERO = lambda p: 0 * p, lambda p: 0 * p


def tsallis(q):
    # (Σ p^q - 1)/(q - 1), the 1 spread over the actions
    return lambda p: (p**q - p) / (q - 1), lambda p: (q * p ** (q - 1) - 1) / (q - 1)


#: From a temperature to the regularizer, and to its terms (factor of φ, φ, φ').
CASES = {
    "Shannon": (rm.Shannon, lambda t: [(t, *SHANNON)]),
    "KL": (lambda t: rm.KL(REFERENCE, t), lambda t: [(t, *KL)]),
    "squared norm": (rm.SquaredL2, lambda t: [(t, *SQUARE)]),
    "Tsallis 0.5": (lambda t: rm.Tsallis(0.5, t), lambda t: [(t, *tsallis(0.5))]),
    "Tsallis 1.5": (lambda t: rm.Tsallis(1.5, t), lambda t: [(t, *tsallis(1.5))]),
    "Tsallis 3": (lambda t: rm.Tsallis(3.0, t), lambda t: [(t, *tsallis(3.0))]),
    "log barrier": (rm.LogBarrier, lambda t: [(t, *LOG)]),
    "weighted ℓ1": (lambda t: rm.WeightedL1(WEIGHTS, t), lambda t: [(t, *PRICE)]),
    "cap": (lambda t: rm.CapBarrier(MASK, 0.35, t), lambda t: [(t, *CAP)]),
    "box": (lambda t: rm.Box(LOWER, UPPER), lambda t: [(0.0, *ZERO)]),
    "Shannon in a box": (lambda t: rm.Shannon(t) + rm.Box(LOWER, UPPER), lambda t: [(t, *SHANNON)]),
    "squared norm in a box": (
        lambda t: rm.SquaredL2(t) + rm.Box(LOWER, UPPER),
        lambda t: [(t, *SQUARE)],
    ),
    "Shannon and KL": (
        lambda t: rm.Shannon(t) + rm.KL(REFERENCE, 0.2),
        lambda t: [(t, *SHANNON), (0.2, *KL)],
    ),
    "Shannon and Tsallis": (
        lambda t: rm.Shannon(0.1) + rm.Tsallis(3.0, t),
        lambda t: [(0.1, *SHANNON), (t, *tsallis(3.0))],
    ),
    "Shannon and cap": (
        lambda t: rm.Shannon(0.1) + rm.CapBarrier(MASK, 0.35, t),
        lambda t: [(0.1, *SHANNON), (t, *CAP)],
    ),
    "squared norm and price": (
        lambda t: rm.SquaredL2(t) + rm.WeightedL1(WEIGHTS, 0.5),
        lambda t: [(t, *SQUARE), (0.5, *PRICE)],
    ),
    "separable": (lambda t: rm.Separable(*CUBE, t), lambda t: [(t, *CUBE)]),
}


def probability_bounds(name):
    if "box" in name:
        return LOWER, UPPER
    return np.zeros(4), np.where(MASK, 0.35, 1.0) if "cap" in name else np.ones(4)


def solve(parts, q, lower, upper):
    """Return the largest ⟨p, q⟩ - Σ factor φ(p), found by bisection."""

    def slope(p):
        with np.errstate(divide="ignore", over="ignore"):
            return sum(
                factor * (derivative(p) if factor else 0 * p) for factor, _, derivative in parts
            )

    def probabilities(multiplier):
        # in log p, from the smallest double, so that small probabilities are accurate
        low, high = np.full(4, -740.0), np.log(np.maximum(upper, 1e-300))
        for _ in range(70):
            middle = 0.5 * (low + high)
            more = q - multiplier - slope(np.exp(middle)) > 0
            low, high = np.where(more, middle, low), np.where(more, high, middle)
        return np.clip(np.exp(low), lower, upper)

    # at these multipliers all probabilities are at their upper or lower bounds
    reach = 2 * np.max(np.abs(q)) + sum(factor for factor, *_ in parts) * 1e3 + 1.0
    low, high = -reach, reach
    while probabilities(low).sum() < 1:
        low *= 10
    while probabilities(high).sum() > 1:
        high *= 10
    for _ in range(120):
        middle = 0.5 * (low + high)
        if middle in (low, high):
            break
        low, high = (middle, high) if probabilities(middle).sum() >= 1 else (low, middle)
    more, less = probabilities(low), probabilities(high)
    above, short = more.sum() - 1, 1 - less.sum()
    share = short / (above + short) if above + short > 0 else 1.0
    p = share * more + (1 - share) * less
    with np.errstate(divide="ignore"):
        return p @ q - sum(factor * np.sum(phi(p)) for factor, phi, _ in parts if factor)


def size(regularizer, temperature, q):
    """Scale of the problem, to which the tolerance 1e-10 is relative."""
    return np.max(np.abs(q)) + regularizer.max_temperature + temperature


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("temperature", tiered(TEMPERATURES, TEMPERATURES[::2]))
def test_maximum_and_maximiser_agree_with_a_generic_solver(name, temperature):
    make, parts = CASES[name]
    regularizer, lower, upper = make(temperature), *probability_bounds(name)
    rng = np.random.default_rng([len(name), int(np.log10(temperature)) + 20])
    for q in (rng.normal(size=4), rng.normal(size=4) * temperature, np.array([1.0, 1.0, 0.0, 1.0])):
        best = solve(parts(temperature), q, lower, upper)
        tolerance = 1e-10 * size(regularizer, temperature, q)
        assert regularizer.maximum(q) == pytest.approx(best, rel=0, abs=tolerance)
        p = regularizer.maximiser(q)
        assert abs(p.sum() - 1.0) <= 4e-16 * 4
        assert np.all((p >= lower - 1e-15) & (p <= upper + 1e-15))
        reached = p @ q - sum(
            factor * np.sum(phi(np.maximum(p, 1e-320)))
            for factor, phi, _ in parts(temperature)
            if factor
        )
        assert reached == pytest.approx(best, rel=0, abs=tolerance)


FORM = np.array(
    [[1.0, 0.9, 0.0, 0.1], [0.9, 1.0, 0.0, 0.0], [0.0, 0.0, 1.0, 0.3], [0.1, 0.0, 0.3, 0.5]]
)


def renyi_gradient(p, alpha):
    return alpha * p ** (alpha - 1) / ((alpha - 1) * np.sum(p**alpha))


#: From a temperature to the regularizer, and to the gradient of τ h.
NOT_SEPARABLE = {
    "Rényi": (lambda t: rm.Renyi(0.5, t), lambda t, p: t * renyi_gradient(p, 0.5)),
    "Rényi and Shannon": (
        lambda t: rm.Renyi(0.5, t) + rm.Shannon(0.1),
        lambda t, p: t * renyi_gradient(p, 0.5) + 0.1 * (np.log(p) + 1),
    ),
    "convex": (
        lambda t: rm.Convex(lambda p: 0.5 * np.sum(p * (p @ FORM), axis=-1), lambda p: p @ FORM, t),
        lambda t, p: t * (p @ FORM),
    ),
}


@pytest.mark.parametrize("name", NOT_SEPARABLE)
@pytest.mark.parametrize("temperature", tiered(TEMPERATURES, TEMPERATURES[::2]))
def test_no_distribution_is_better_than_the_maximiser(name, temperature):
    make, slope = NOT_SEPARABLE[name]
    regularizer = make(temperature)
    rng = np.random.default_rng([len(name), int(np.log10(temperature)) + 20])
    for q in (rng.normal(size=4), rng.normal(size=4) * temperature, np.array([1.0, 1.0, 0.0, 1.0])):
        p = regularizer.maximiser(q)
        gradient = q - slope(temperature, np.maximum(p, 1e-300))
        assert abs(p.sum() - 1.0) <= 4e-16 * 4
        # ⟨p' - p, ·⟩ is largest at a vertex
        relative = gradient - np.max(gradient)
        assert -(p @ np.where(p > 0, relative, 0.0)) <= 1e-10 * size(regularizer, temperature, q)
        cost = float(regularizer.cost(p[None])[0])
        assert regularizer.maximum(q) == pytest.approx(
            p @ q - cost, rel=0, abs=1e-10 * size(regularizer, temperature, q)
        )
