"""Tsallis entropies: heavy-tailed, softmax or sparse greedy policies."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from regmdp._internal.arrays import Array, ArrayLike, Bool, Float, array_namespace
from regmdp._internal.errors import RegularizerError
from regmdp._internal.fields import set_fields
from regmdp._internal.parameters import Number, checked
from regmdp.regularizers._divergences import power_divergence
from regmdp.regularizers._parameters import TRACED_TEMPERATURE, PerState, check_temperature
from regmdp.regularizers._roots import normalise_root, solve_probabilities
from regmdp.regularizers.separable import Derivatives, SeparableRegularizer

__all__ = ["Tsallis"]


@dataclass(frozen=True, eq=False, init=False)
class Tsallis(SeparableRegularizer):
    r"""Negative Tsallis entropy, \(h(p) = (\sum_a p_a^q - 1)/(q - 1)\), q > 0; q = 1 is Shannon's.

    With q > 1 the greedy policy is sparse: actions far from the best get probability 0. With q < 1
    it has heavier tails than softmax. All formulas use \(\log_q p = (p^{q-1} - 1)/(q - 1)\), which
    is accurate near q = 1. The α-entmax convention,
    \((\sum p^\alpha - 1)/(\alpha(\alpha - 1))\), is this with q = α and the temperature divided
    by α.

    Args:
        q: The entropic index, q > 0.
        temperature: τ ≥ 0, a number or one per state, in the unit of the rewards.

    Raises:
        RegularizerError: if q is not positive and finite.

    Examples:
        >>> import numpy as np, regmdp as rm
        >>> rm.Tsallis(2.0, temperature=1.0).maximiser(np.array([1.0, 0.5, -3.0]))
        array([0.625, 0.375, 0.   ])
        >>> rm.Tsallis(1.0, temperature=0.5).maximiser(np.array([1.0, 1.0, -np.inf]))
        array([0.5, 0.5, 0. ])

    References:
        Tsallis 1988, Journal of Statistical Physics 52; Lee, Choi & Oh 2018, IEEE Robotics and
        Automation Letters 3(3), "Sparse Markov decision processes with causal sparse Tsallis
        entropy regularization"; Peters, Niculae & Martins 2019, ACL, "Sparse sequence-to-sequence
        models".
    """

    q: float
    temperature: PerState

    @checked(RegularizerError, q=Number(above=0.0), temperature=TRACED_TEMPERATURE)
    def __init__(self, q: float, temperature: ArrayLike) -> None:
        set_fields(
            self,
            q=q,
            temperature=check_temperature(temperature),
        )

    def terms(self, p: Float[Array, "*batch A"]) -> Float[Array, "*batch A"]:
        xp = array_namespace(p)
        return p * self._deformed_log(xp.log(xp.where(p > 0, p, 1.0)))

    def derivatives(
        self, p: Float[Array, "*batch A"], log_p: Float[Array, "*batch A"]
    ) -> Derivatives:
        xp = array_namespace(p)
        if self.q == 1.0:
            return Derivatives(log_p, xp.ones(p.shape), xp.zeros(p.shape))
        power = self.q - 1.0
        with np.errstate(over="ignore"):  # -inf is right where p is too small for a double
            excess = xp.expm1(power * log_p)
            stretch = self.q * (1.0 + excess)
            return Derivatives(self.q / power * excess, stretch, power * stretch)

    def greedy(
        self, y: Float[Array, "*batch A"], available: Bool[Array, "*batch A"] | None = None
    ) -> Float[Array, "*batch A"]:
        r"""Solve \(q \log_q p_a = y_a - \mu\); where that has no solution, p is 0."""
        xp = array_namespace(y)
        y = y - xp.max(y, axis=-1, keepdims=True)
        if self.q == 1.5:
            return normalise_root(
                lambda mu: self._exponential(y - mu[..., None]), _threshold(y), y.shape[-1]
            )
        zero = xp.zeros(y.shape[:-1], dtype=y.dtype)
        # at μ = 0 the best action alone has probability 1; at the upper end all have at most 1/A
        high = zero - self.q * self._deformed_log_of_number(1.0 / y.shape[-1])
        return solve_probabilities(
            lambda mu: self._exponential(y - mu[..., None]), zero, high, y.shape[-1]
        )

    def bounds(self, n_actions: int) -> tuple[float, float]:
        return self._deformed_log_of_number(1.0 / n_actions), 0.0

    def strong_convexity(self, n_actions: int) -> float:
        if self.q > 2.0:
            return 0.0
        return self.q * n_actions ** (1.0 - self.q) if self.q > 1.0 else self.q

    def relative_strong_convexity(self, n_actions: int) -> float:
        return self.q * 2.0 ** (1.0 - self.q) if self.q <= 1.0 else 0.0

    def divergence_terms(
        self, p: Float[Array, "*batch A"], q: Float[Array, "*batch A"]
    ) -> Float[Array, "*batch A"]:
        # φ' is 1 more than `derivatives` says, which drops constants
        plain = super().divergence_terms(p, q) - (p - q)
        return power_divergence(p, q, self.q, plain)

    def _deformed_log(self, log_p: Array) -> Array:
        """Return log_q p, given log p."""
        if self.q == 1.0:
            return log_p
        xp = array_namespace(log_p)
        with np.errstate(over="ignore"):  # -inf is right where p is too small for a double
            return xp.expm1((self.q - 1.0) * log_p) / (self.q - 1.0)

    def _deformed_log_of_number(self, p: float) -> float:
        return (
            math.log(p)
            if self.q == 1.0
            else math.expm1((self.q - 1.0) * math.log(p)) / (self.q - 1.0)
        )

    def _exponential(self, z: Array) -> tuple[Array, Array]:
        """Return the p with q log_q p = z, 0 where there is none, and its derivative."""
        xp = array_namespace(z)
        if self.q == 1.0:
            p = xp.exp(z)
            return p, p
        with np.errstate(over="ignore"):  # an infinite base has the right limit, probability 0
            base = (self.q - 1.0) / self.q * z
        # below -1 there is no p; for q < 1 the base is never negative
        inside = base > -1.0
        base = xp.where(inside, base, 0.0)
        p = xp.where(inside, self._power(base), 0.0)
        return p, p / (self.q * (1.0 + base))

    def _power(self, base: Array) -> Array:
        """Return (1 + base) to the power of 1/(q - 1); for q = 2 or 3/2 it takes no logarithm."""
        xp = array_namespace(base)
        exponent = 1.0 / (self.q - 1.0)
        if exponent not in (1.0, 2.0):
            return xp.exp(xp.log1p(base) / (self.q - 1.0))
        return (1.0 + base) ** int(exponent)


def _threshold(y: Float[Array, "*batch A"]) -> Float[Array, "*batch"]:
    r"""(…, A) scores with maximum 0 -> (…) the μ at which the distribution for q = 3/2 sums to 1.

    With z = y/3 it is \((z - t)_+^2\), and t solves a quadratic equation in the moments of the best
    few z (Peters, Niculae & Martins 2019, Algorithm 2).
    """
    xp = array_namespace(y)
    # an action more than 1 below the best has probability 0, however far below it is
    z = -xp.sort(-xp.maximum(y / 3.0, -2.0), axis=-1)
    rank = xp.arange(1, y.shape[-1] + 1, dtype=y.dtype)
    mean = xp.cumulative_sum(z, axis=-1) / rank
    spread = xp.cumulative_sum(z * z, axis=-1) - rank * mean * mean
    t = mean - xp.sqrt(xp.maximum((1.0 - spread) / rank, 0.0))
    size = xp.count_nonzero((t <= z) & (spread <= 1.0), axis=-1, keepdims=True)
    return 3.0 * (xp.take_along_axis(t, size - 1, axis=-1)[..., 0] + 1.0)
