"""The bound ``rounding`` on the error of the conjugate, checked with 60 digits.

Scores are tied, 1e-12 or 1e12 apart, or masked. The exact maximum of ⟨p, y⟩ - Σ φ(p) is found from
the inverse of φ', written here, by bisection of the multiplier of Σ p = 1.
"""

import numpy as np
import pytest
from mpmath import mp, mpf
from tiers import tiered

import regmdp as rm

UNIT_ROUNDOFF = 2.0**-53
SPREADS = [1e-12, 1e-2, 1.0, 30.0, 1e12]
TEMPERATURES = [1e-8, 1.0, 1e4]
CAPPED = np.array([True, False, True, True])
EVERYTHING = np.ones(4, dtype=bool)
PAIR = np.array([True, True, False, False])
LOWER, UPPER = np.array([0.05, 0.0, 0.1, 0.0]), np.array([0.5, 0.6, 0.9, 0.3])


@pytest.fixture(autouse=True)
def sixty_digits(monkeypatch):
    monkeypatch.setattr(mp, "dps", 60)


# ---- φ and the inverse of φ', in 60 digits ----


class Entropy:
    """τ p log p between bounds."""

    def __init__(self, tau, lower, upper):
        self.tau, self.lower, self.upper = (
            mpf(tau),
            [mpf(x) for x in lower],
            [mpf(x) for x in upper],
        )

    def cost(self, p, action):
        return self.tau * p * mp.log(p) if p > 0 else mpf(0)

    def inverse(self, x, action):
        return min(max(mp.exp(x / self.tau - 1), self.lower[action]), self.upper[action])


class Linear(Entropy):
    """0 between bounds."""

    def cost(self, p, action):
        return mpf(0)

    def inverse(self, x, action):
        return self.upper[action] if x > 0 else self.lower[action]


class SquareAndCap:
    """σ (p² - p) - τ log(b - p), with the barrier only at capped actions.

    p² is Tsallis' entropy of order 2.
    """

    def __init__(self, sigma, tau, cap, capped):
        self.sigma, self.tau, self.cap, self.capped = mpf(sigma), mpf(tau), mpf(cap), capped

    def cost(self, p, action):
        return self.sigma * (p * p - p) - (
            self.tau * mp.log(self.cap - p) if self.capped[action] else 0
        )

    def inverse(self, x, action):
        x += self.sigma
        if not self.capped[action]:
            if self.sigma == 0:
                return mpf(1) if x > 0 else mpf(0)
            return max(x / (2 * self.sigma), mpf(0))
        if x <= self.tau / self.cap:
            return mpf(0)
        # 2σ p + τ/(b - p) = x, a quadratic equation for b - p
        rest = x - 2 * self.sigma * self.cap
        root = mp.sqrt(rest * rest + 8 * self.sigma * self.tau)
        gap = 2 * self.tau / (rest + root) if rest > 0 else (root - rest) / (4 * self.sigma)
        return self.cap - gap


class UserFunction:
    """φ and the inverse of φ'."""

    def __init__(self, cost, inverse):
        self.cost, self.inverse = lambda p, action: cost(p), lambda x, action: inverse(x)


CUBE = UserFunction(lambda p: p**3 / 3, lambda x: mp.sqrt(max(x, mpf(0))))
SINGULAR = UserFunction(lambda p: -2 * mp.sqrt(p), lambda x: 1 / x**2 if x < 0 else mpf(2))
HINGE = UserFunction(
    lambda p: max(p - mpf(1) / 4, mpf(0)) ** 2, lambda x: mpf(1) / 4 + x / 2 if x > 0 else mpf(0)
)


def exact_conjugate(terms, y):
    """The maximum of ⟨p, y⟩ - Σ φ(p)."""
    inside = [action for action in range(len(y)) if y[action] > -np.inf]
    y = {action: mpf(float(y[action])) for action in inside}

    def probabilities(multiplier):
        return {action: terms.inverse(y[action] - multiplier, action) for action in inside}

    reach = max(abs(x) for x in y.values()) + 1
    low = high = mpf(0)
    while sum(probabilities(low).values()) < 1:
        low, reach = low - reach, 2 * reach
    while sum(probabilities(high).values()) > 1:
        high, reach = high + reach, 2 * reach
    while high - low > mpf(10) ** -32 * max(mpf(1), abs(low)):
        middle = (low + high) / 2
        low, high = (middle, high) if sum(probabilities(middle).values()) >= 1 else (low, middle)
    more, less = probabilities(low), probabilities(high)
    above, short = sum(more.values()) - 1, 1 - sum(less.values())
    share = short / (above + short) if above + short > 0 else mpf(1)
    p = {action: share * more[action] + (1 - share) * less[action] for action in inside}
    return sum(p[action] * y[action] - terms.cost(p[action], action) for action in inside)


def draw_scores(rng, spread, mask):
    """Yield random, tied and close scores with maximum 0, each with masks."""
    for draw in (
        rng.normal(size=4),
        np.array([0.0, 0.0, -1.0, -1.0]),
        np.array([-1.0, 0.0, -1e-9, -0.5]),
    ):
        for available in (EVERYTHING, mask):
            y = np.where(available, draw * spread, -np.inf)
            yield y - y.max(), available


#: From a temperature to the regularizer and its terms.
CASES = {
    "cap": lambda t: (rm.CapBarrier(CAPPED, 0.35, 1.0), SquareAndCap(0, 1, 0.35, CAPPED)),
    # with these caps, two or four actions have almost fixed probabilities
    "tight caps on two": lambda t: (
        rm.CapBarrier(EVERYTHING, 0.5 + 1e-8, 1.0),
        SquareAndCap(0, 1, 0.5 + 1e-8, EVERYTHING),
    ),
    "tight caps on four": lambda t: (
        rm.CapBarrier(EVERYTHING, 0.25 + 1e-8, 1.0),
        SquareAndCap(0, 1, 0.25 + 1e-8, EVERYTHING),
    ),
    "box": lambda t: (rm.Box(LOWER, UPPER), Linear(1, LOWER, UPPER)),
    "Shannon in a box": lambda t: (rm.Shannon(t) + rm.Box(LOWER, UPPER), Entropy(t, LOWER, UPPER)),
    "Tsallis and cap": lambda t: (
        rm.Tsallis(2.0, 0.5) + rm.CapBarrier(CAPPED, 0.35, t),
        SquareAndCap(0.5, t, 0.35, CAPPED),
    ),
    "hot Tsallis and cap": lambda t: (
        rm.Tsallis(2.0, t) + rm.CapBarrier(CAPPED, 0.35, 0.5),
        SquareAndCap(t, 0.5, 0.35, CAPPED),
    ),
    "separable": lambda t: (rm.Separable(lambda p: p**3 / 3, lambda p: p**2, 1.0), CUBE),
    "separable, steep": lambda t: (
        rm.Separable(lambda p: -2 * p**0.5, lambda p: -(p**-0.5), 1.0),
        SINGULAR,
    ),
    "separable, flat below a quarter": lambda t: (
        rm.Separable(
            lambda p: np.maximum(p - 0.25, 0.0) ** 2, lambda p: 2 * np.maximum(p - 0.25, 0.0), 1.0
        ),
        HINGE,
    ),
}

#: Cases where the temperature is that of a part; in the others it only scales the scores.
SUMS = {"Shannon in a box", "Tsallis and cap", "hot Tsallis and cap"}


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("temperature", tiered(TEMPERATURES, TEMPERATURES[:1]))
def test_the_error_of_the_conjugate_is_bounded(name, temperature):
    regularizer, terms = CASES[name](temperature)
    rng = np.random.default_rng([len(name), int(np.log10(temperature)) + 20])
    for spread in SPREADS:
        for y, available in draw_scores(
            rng,
            spread if name in SUMS else spread / temperature,
            PAIR if "four" not in name else EVERYTHING,
        ):
            found = regularizer.conjugate(y, available)
            bound = regularizer.rounding(4)
            assert bound < 1e-5 * (1 + temperature)
            if regularizer.probability_bounds is not None:
                # they force probabilities of actions with low scores
                bound += 16 * (4 + 4) * UNIT_ROUNDOFF * np.max(np.abs(y[y > -np.inf]))
            error = abs(mpf(float(found)) - exact_conjugate(terms, y))
            assert error <= bound, f"off by {float(error):.3g}, not {bound:.3g}, at {y!r}"


def test_caps_that_sum_to_nearly_1_are_an_error():
    available = np.array(
        [[True, True, True, False], [True, True, True, True], [True, True, True, True]]
    )
    mask = np.array([True, True, False, True])
    rm.CapBarrier(mask, 1 / 3 + 1e-12, temperature=1.0).check(available)
    # at temperature 0 there is no barrier
    rm.CapBarrier(
        EVERYTHING, np.array([0.5, 0.25 * (1 + 1e-12), 0.3]), np.array([1.0, 0.0, 1.0])
    ).check(available)
    tight = rm.CapBarrier(EVERYTHING, np.array([0.5, 0.25 * (1 + 1e-12), 0.3]), temperature=1.0)
    with pytest.raises(
        rm.RegularizerError,
        match=r"all actions of state 1 are capped, and the caps sum to 1 \+1e-12.*; 1 of 3 states",
    ):
        tight.check(available)
