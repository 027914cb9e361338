"""Rényi entropies."""

from __future__ import annotations

import math
from dataclasses import dataclass

from regmdp._internal.arrays import UNIT_ROUNDOFF, Array, ArrayLike, Bool, Float, array_namespace
from regmdp._internal.errors import RegularizerError
from regmdp._internal.fields import set_fields
from regmdp._internal.parameters import Number, checked
from regmdp.regularizers._allocate import SeparableTerms, allocate
from regmdp.regularizers._hessians import rank_one_hessian_product
from regmdp.regularizers._parameters import TRACED_TEMPERATURE, PerState, check_temperature
from regmdp.regularizers._probability_bounds import ProbabilityBounds
from regmdp.regularizers._roots import find_decreasing_root
from regmdp.regularizers.base import Regularizer
from regmdp.regularizers.separable import Derivatives

__all__ = ["Renyi", "allocate_with_renyi"]

#: Smallest multiplier, as a fraction of the largest: at the root the best action's share of the
#: mean is not smaller.
MIN_MULTIPLIER = 1e-300


@dataclass(frozen=True, eq=False, init=False)
class Renyi(Regularizer):
    r"""Negative Rényi entropy, \(h(p) = \log(\sum_a p_a^\alpha) / (\alpha - 1)\), 0 < α < 1.

    The greedy policy is proportional to \((\lambda - y_a)^{-1/(1-\alpha)}\), with the λ for which
    its mean of \(\lambda - y_a\) is \(\alpha/(1-\alpha)\). At α = 1 the entropy is Shannon's, and
    above it is not concave.

    Args:
        alpha: The order α, 0 < α < 1.
        temperature: τ ≥ 0, a number or one per state, in the unit of the rewards per nat.

    Raises:
        RegularizerError: if α is not between 0 and 1.

    Examples:
        >>> import numpy as np, regmdp as rm
        >>> rm.Renyi(0.5, temperature=1.0).maximiser(np.array([1.0, 1.0, 0.0])).round(4)
        array([0.4496, 0.4496, 0.1008])
    """

    alpha: float
    temperature: PerState

    @checked(
        RegularizerError,
        alpha=Number(above=0.0, below=1.0, advice="for 1 use Shannon; above 1, h is not convex"),
        temperature=TRACED_TEMPERATURE,
    )
    def __init__(self, alpha: float, temperature: ArrayLike) -> None:
        set_fields(
            self,
            alpha=alpha,
            temperature=check_temperature(temperature),
        )

    def value(
        self, p: Float[Array, "*batch A"], available: Bool[Array, "*batch A"] | None = None
    ) -> Float[Array, "*batch"]:
        xp = array_namespace(p)
        # the sum of p^α minus that of p, which is 1: accurate near α = 1, and without overflow
        # near p = 0
        exponent = (self.alpha - 1.0) * xp.log(xp.where(p > 0, p, 1.0))
        excess = xp.where(
            exponent < 1.0, p * xp.expm1(xp.minimum(exponent, 1.0)), p**self.alpha - p
        )
        return xp.log1p(xp.sum(excess, axis=-1)) / (self.alpha - 1.0)

    def greedy(
        self, y: Float[Array, "*batch A"], available: Bool[Array, "*batch A"] | None = None
    ) -> Float[Array, "*batch A"]:
        xp = array_namespace(y)
        below = xp.max(y, axis=-1, keepdims=True) - y
        goal = self.alpha / (1.0 - self.alpha)

        def weights(multiplier: Array) -> Array:
            # relative to the best action, whose gap is 0
            ratio = multiplier[..., None] / (multiplier[..., None] + below)
            w = ratio ** (1.0 / (1.0 - self.alpha))
            return w / xp.sum(w, axis=-1, keepdims=True)

        def shortfall(multiplier: Array) -> tuple[Array, Array]:
            p = weights(multiplier)
            used = p > 0
            gap = multiplier[..., None] + xp.where(used, below, 0.0)
            mean = xp.sum(p * gap, axis=-1)
            # d mean/dλ = 1 + s (E[gap] E[1/gap] - 1), with s = 1/(1-α); by Jensen's inequality at
            # least 1
            inverse = xp.sum(xp.where(used, p / gap, 0.0), axis=-1)
            slope = 1.0 + (mean * inverse - 1.0) / (1.0 - self.alpha)
            return goal - mean, -slope

        high = xp.full(y.shape[:-1], goal)
        root = find_decreasing_root(
            shortfall, high * MIN_MULTIPLIER, high, y.shape[-1] * UNIT_ROUNDOFF * goal
        )
        return weights(root)

    def subgradient(
        self, p: Float[Array, "*batch A"], available: Bool[Array, "*batch A"] | None = None
    ) -> Float[Array, "*batch A"]:
        xp = array_namespace(p)
        safe = xp.where(p > 0, p, 1.0)
        total = xp.sum(xp.where(p > 0, safe**self.alpha, 0.0), axis=-1, keepdims=True)
        live = total > 0  # not a terminal state, which has no probabilities
        slope = (
            -self.alpha
            / (1.0 - self.alpha)
            * safe ** (self.alpha - 1.0)
            / xp.where(live, total, 1.0)
        )
        if available is not None:
            live = live & xp.any(available, axis=-1, keepdims=True)
        return xp.where(live, xp.where(p > 0, slope, -xp.inf), 0.0)

    def hessian_vector_product(
        self,
        y: Float[Array, "*batch A"],
        direction: Float[Array, "*batch A"],
        available: Bool[Array, "*batch A"] | None = None,
    ) -> Float[Array, "*batch A"]:
        return rank_one_hessian_product(
            *self.second_derivatives(self.greedy(y, available)), direction
        )

    def second_derivatives(
        self, p: Float[Array, "*batch A"]
    ) -> tuple[Float[Array, "*batch A"], Float[Array, "*batch A"], Float[Array, "*batch one"]]:
        r"""(…, A) distributions -> (…, A) s, (…, A) u and (…, 1) c.

        They are such that \(\nabla^2 h = \mathrm{diag}(1/s) + c\,u u^\top\).
        """
        xp = array_namespace(p)
        used = p > 0
        safe = xp.where(used, p, 1.0)
        total = xp.sum(xp.where(used, safe**self.alpha, 0.0), axis=-1, keepdims=True)
        total = xp.where(total > 0, total, 1.0)
        inverse = xp.where(used, total / self.alpha * safe ** (2.0 - self.alpha), 0.0)
        vector = xp.where(used, safe ** (self.alpha - 1.0), 0.0)
        return inverse, vector, self.alpha**2 / ((1.0 - self.alpha) * total**2)

    def bounds(self, n_actions: int) -> tuple[float, float]:
        return -math.log(n_actions), 0.0

    @property
    def steep(self) -> bool:
        return True

    def relative_strong_convexity(self, n_actions: int) -> float:
        # the second derivative is at least α p^(α-2) / Σ p^α, and the sum at most A^(1-α)
        return self.alpha * n_actions ** (self.alpha - 1.0)

    def strong_convexity(self, n_actions: int) -> float:
        return self.alpha * n_actions ** (self.alpha - 1.0)


def allocate_with_renyi(
    renyi: Renyi,
    terms: SeparableTerms,
    y: Float[Array, "*batch A"],
    bounds: ProbabilityBounds,
    *,
    bounded: bool,
) -> Float[Array, "*batch A"]:
    r"""Return the (…, A) maximiser of ⟨p, y⟩ - Σ φ(p) - τ h(p), where h is the Rényi entropy.

    With \(x = \sum_a p_a^\alpha\) and any θ > 0, \(-\log x \ge 1 + \log \theta - \theta x\), with
    equality at θ = 1/x. For a given θ the bound is a sum over actions, and the larger θ, the larger
    x is at the maximum: one equation in one unknown, θ = 1/x, is left.

    Args:
        renyi: The Rényi entropy, with its temperature.
        terms: The functions φ.
        y: (…, A) scores, -inf at actions that are not allowed.
        bounds: (…, A) bounds, as for ``allocate``.
        bounded: Whether they are other than 0 and 1.
    """
    majorant = _RenyiMajorant(renyi, terms, y, bounds, bounded)
    xp = array_namespace(y)
    # log θ is at most 0; a root there lies inside this bracket
    low = xp.full(y.shape[:-1], -(1.0 - renyi.alpha) * math.log(y.shape[-1]))
    high = xp.full(y.shape[:-1], 1e-3)
    log_theta = find_decreasing_root(majorant.log_surplus, low, high, 1e-13)
    return majorant.greedy(log_theta)


@dataclass(frozen=True, eq=False)
class _RenyiMajorant:
    """The objective of :func:`allocate_with_renyi` with the linear bound on the Rényi entropy."""

    renyi: Renyi
    terms: SeparableTerms
    y: Array
    bounds: ProbabilityBounds
    bounded: bool

    def greedy(self, log_theta: Array) -> Array:
        """(…) log θ -> (…, A) the maximiser of the sum over actions."""
        terms = SeparableTerms(
            lambda p, log_p: self._sum_derivatives(log_theta, p, log_p), self.terms.barrier
        )
        return allocate(terms, self.y, self.bounds, bounded=self.bounded)

    def log_surplus(self, log_theta: Array) -> tuple[Array, Array]:
        """(…) log θ -> (…) log(1/x) - log θ at the maximiser, and its derivative in log θ."""
        xp = array_namespace(self.y)
        alpha, tau = self.renyi.alpha, xp.asarray(self.renyi.temperature)
        p = self.greedy(log_theta)
        safe = xp.maximum(p, 1e-300)
        log_p = xp.log(safe)
        of_bound = self._bound_derivatives(log_theta, log_p).first_dlog
        total = self._sum_derivatives(log_theta, safe, log_p).first_dlog
        # the derivative of log x in log θ, by the implicit function theorem
        free = (p > self.bounds.lower) & (p < self.bounds.upper)
        weight = xp.where(free, p / total, 0.0)
        pull = xp.where(free, of_bound, 0.0) / (1.0 - alpha)
        mean = xp.sum(weight * pull, axis=-1, keepdims=True) / xp.maximum(
            xp.sum(weight, axis=-1, keepdims=True), 1e-300
        )
        # in this order it does not overflow where a weight is tiny
        change = xp.sum((weight * (pull - mean)) * (pull - mean), axis=-1)
        log_x = (alpha - 1.0) * self.renyi.value(p)
        scale = xp.maximum(xp.exp(log_theta) * tau * xp.exp(log_x) / (1.0 - alpha), 1e-300)
        return -log_theta - log_x, -1.0 - change / scale

    def _bound_derivatives(self, log_theta: Array, log_p: Array) -> Derivatives:
        """Derivatives of -θ τ (p^α - α p)/(1 - α).

        The linear part, which changes nothing, is there for accuracy with α close to 1.
        """
        xp = array_namespace(self.y)
        alpha, tau = self.renyi.alpha, xp.asarray(self.renyi.temperature)[..., None]
        excess = xp.expm1((alpha - 1.0) * log_p)
        scale = xp.exp(log_theta)[..., None] * tau * alpha
        first_dlog = scale * (1.0 + excess)
        return Derivatives(-scale / (1.0 - alpha) * excess, first_dlog, (alpha - 1.0) * first_dlog)

    def _sum_derivatives(self, log_theta: Array, p: Array, log_p: Array) -> Derivatives:
        terms, bound = self.terms.derivatives(p, log_p), self._bound_derivatives(log_theta, log_p)
        return Derivatives(*(one + other for one, other in zip(terms, bound, strict=True)))
