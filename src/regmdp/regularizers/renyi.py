"""Rényi entropies."""

from __future__ import annotations

import math
from dataclasses import dataclass

from regmdp._internal.arrays import UNIT_ROUNDOFF, Array, ArrayLike, Bool, Float, array_namespace
from regmdp._internal.errors import RegularizerError
from regmdp.regularizers._allocate import Terms, allocate
from regmdp.regularizers._hessians import rank_one_hessian_product
from regmdp.regularizers._probability_bounds import ProbabilityBounds
from regmdp.regularizers._roots import find_decreasing_root
from regmdp.regularizers.base import Regularizer, check_temperature
from regmdp.regularizers.separable import Derivatives
from regmdp.regularizers.tsallis import check_positive

__all__ = ["Renyi", "allocate_with_renyi"]


@dataclass(frozen=True, eq=False)
class Renyi(Regularizer):
    r"""Negative Rényi entropy, \(h(p) = \frac{1}{\alpha - 1} \log \sum_a p_a^\alpha\), for 0 < α < 1.

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
    temperature: ArrayLike

    def __post_init__(self) -> None:
        alpha = check_positive("alpha", self.alpha)
        if alpha >= 1.0:
            raise RegularizerError(
                f"alpha must be below 1, not {alpha}; with 1 take Shannon, and above 1 h is not "
                "convex"
            )
        object.__setattr__(self, "alpha", alpha)
        object.__setattr__(self, "temperature", check_temperature(self.temperature))

    def value(
        self, p: Float[Array, "*batch A"], available: Bool[Array, "*batch A"] | None = None
    ) -> Float[Array, "*batch"]:
        xp = array_namespace(p)
        # the sum of p^α less that of p, which is 1: nothing is lost near α = 1, and nothing
        # overflows near p = 0
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
            shortfall, high * LEAST, high, y.shape[-1] * UNIT_ROUNDOFF * goal
        )
        return weights(root)

    def subgradient(
        self, p: Float[Array, "*batch A"], available: Bool[Array, "*batch A"] | None = None
    ) -> Float[Array, "*batch A"]:
        xp = array_namespace(p)
        safe = xp.where(p > 0, p, 1.0)
        total = xp.sum(xp.where(p > 0, safe**self.alpha, 0.0), axis=-1, keepdims=True)
        live = total > 0  # not a terminal state, where nothing has a probability
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
        r"""(…, A) distributions -> (…, A) s, (…, A) u and (…, 1) c with \(\nabla^2 h = \mathrm{diag}(1/s) + c\,u u^\top\)."""
        xp = array_namespace(p)
        used = p > 0
        safe = xp.where(used, p, 1.0)
        total = xp.sum(xp.where(used, safe**self.alpha, 0.0), axis=-1, keepdims=True)
        total = xp.where(total > 0, total, 1.0)
        spread = xp.where(used, total / self.alpha * safe ** (2.0 - self.alpha), 0.0)
        slope = xp.where(used, safe ** (self.alpha - 1.0), 0.0)
        return spread, slope, self.alpha**2 / ((1.0 - self.alpha) * total**2)

    def bounds(self, n_actions: int) -> tuple[float, float]:
        return -math.log(n_actions), 0.0

    @property
    def steep(self) -> bool:
        return True

    def strong_convexity(self, n_actions: int) -> float:
        return self.alpha * n_actions ** (self.alpha - 1.0)


def allocate_with_renyi(
    renyi: Renyi,
    terms: Terms,
    y: Float[Array, "*batch A"],
    limits: ProbabilityBounds,
    *,
    limited: bool,
) -> Float[Array, "*batch A"]:
    r"""Return the (…, A) distribution that maximises ⟨p, y⟩ - Σ φ(p) - τ h(p), where h is the Rényi entropy.

    With \(x = \sum_a p_a^\alpha\) and any θ > 0, \(-\log x \ge 1 + \log \theta - \theta x\), with
    equality at θ = 1/x. For a given θ the bound is a sum over actions, and the larger θ, the larger
    x is at the maximum: one equation in one unknown, θ = 1/x, is left.

    Args:
        renyi: The Rényi entropy, with its temperature.
        terms: The functions φ.
        y: (…, A) scores, -inf at actions that are not allowed.
        limits: (…, A) limits, as for ``allocate``.
        limited: Whether they are other than 0 and 1.
    """
    xp = array_namespace(y)
    alpha, tau = renyi.alpha, xp.asarray(renyi.temperature)[..., None]

    def own(share: Array, logarithm: Array) -> Derivatives:
        # of -θ τ (p^α - α p)/(1 - α): the linear part, which makes no difference, is there for α
        # close to 1
        excess = xp.expm1((alpha - 1.0) * logarithm)
        scale = xp.exp(share)[..., None] * tau * alpha
        stretch = scale * (1.0 + excess)
        return Derivatives(-scale / (1.0 - alpha) * excess, stretch, (alpha - 1.0) * stretch)

    def greedy(share: Array) -> tuple[Array, Array, Array]:
        def derivatives(p: Array, logarithm: Array) -> Derivatives:
            return Derivatives(
                *(
                    one + other
                    for one, other in zip(
                        terms.derivatives(p, logarithm), own(share, logarithm), strict=True
                    )
                )
            )

        p = allocate(Terms(derivatives, terms.barrier), y, limits, limited=limited)
        logarithm = xp.log(xp.maximum(p, 1e-300))
        return (
            p,
            own(share, logarithm).first_dlog,
            derivatives(xp.maximum(p, 1e-300), logarithm).first_dlog,
        )

    def surplus(share: Array) -> tuple[Array, Array]:
        p, stretch, total = greedy(share)
        # how log x changes with log θ, by the implicit function theorem
        free = (p > limits.lower) & (p < limits.upper)
        weight = xp.where(free, p / total, 0.0)
        pull = xp.where(free, stretch, 0.0) / (1.0 - alpha)
        mean = xp.sum(weight * pull, axis=-1, keepdims=True) / xp.maximum(
            xp.sum(weight, axis=-1, keepdims=True), 1e-300
        )
        # in this order it does not overflow where a weight is tiny
        change = xp.sum((weight * (pull - mean)) * (pull - mean), axis=-1)
        x = xp.exp((alpha - 1.0) * renyi.value(p))
        scale = xp.maximum(xp.exp(share) * tau[..., 0] * x / (1.0 - alpha), 1e-300)
        return -share - (alpha - 1.0) * renyi.value(p), -1.0 - change / scale

    # log θ is at most 0; a root there lies inside this bracket
    low = xp.full(y.shape[:-1], -(1.0 - alpha) * math.log(y.shape[-1]))
    share = find_decreasing_root(surplus, low, xp.full(y.shape[:-1], 1e-3), 1e-13)
    return greedy(share)[0]


#: The multiplier is at least this fraction of its largest value: at the root the best action's
#: share of the mean is not smaller.
LEAST = 1e-300
