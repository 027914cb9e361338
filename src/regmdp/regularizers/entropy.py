"""Shannon entropy and the divergence from a reference policy: greedy policies are softmax."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np

from regmdp._internal.arrays import Array, ArrayLike, Bool, Float, array_namespace
from regmdp._internal.errors import PolicyError, RegularizerError
from regmdp.regularizers.base import check_temperature, require_shape
from regmdp.regularizers.separable import Derivatives, SeparableRegularizer, log

__all__ = ["KL", "Shannon"]


def _softmax(y: Array) -> tuple[Array, Array]:
    """(…, A) scores -> (…) log of the sum of their exponentials, and (…, A) exponentials over their sum."""
    xp = array_namespace(y)
    top = xp.max(y, axis=-1, keepdims=True)
    weights = xp.exp(y - top)
    total = xp.sum(weights, axis=-1, keepdims=True)
    return (top + xp.log(total))[..., 0], weights / total


def _logsumexp(y: Array) -> Array:
    xp = array_namespace(y)
    top = xp.max(y, axis=-1, keepdims=True)
    return top[..., 0] + xp.log(xp.sum(xp.exp(y - top), axis=-1))


@dataclass(frozen=True, eq=False)
class Shannon(SeparableRegularizer):
    r"""Negative Shannon entropy, \(h(p) = \sum_a p_a \log p_a\): the entropy of the policy is rewarded.

    The conjugate is logsumexp and the greedy policy is softmax(q/τ): logit choice, maximum-entropy
    reinforcement learning.

    Args:
        temperature: τ ≥ 0, a number or one per state, in the unit of the rewards per nat.

    Examples:
        >>> import numpy as np, regmdp as rm
        >>> shannon = rm.Shannon(temperature=1e-12)
        >>> shannon.maximum(np.array([1.0, 1.0, 0.0])) - 1.0 < 1e-12
        np.True_
        >>> rm.Shannon(temperature=0.5).maximiser(np.array([1.0, 1.0, -np.inf]))
        array([0.5, 0.5, 0. ])

    References:
        Cen, Cheng, Chen, Wei & Chi 2022, Operations Research 70(4), "Fast global convergence of
        natural policy gradient methods with entropy regularization".
    """

    temperature: ArrayLike

    def __post_init__(self) -> None:
        object.__setattr__(self, "temperature", check_temperature(self.temperature))

    def terms(self, p: Float[Array, "*batch A"]) -> Float[Array, "*batch A"]:
        xp = array_namespace(p)
        return p * xp.log(xp.where(p > 0, p, 1.0))

    def derivatives(
        self, p: Float[Array, "*batch A"], logarithm: Float[Array, "*batch A"]
    ) -> Derivatives:
        xp = array_namespace(p)
        return Derivatives(logarithm, xp.ones(p.shape), xp.zeros(p.shape))

    def greedy(
        self, y: Float[Array, "*batch A"], available: Bool[Array, "*batch A"] | None = None
    ) -> Float[Array, "*batch A"]:
        return _softmax(y)[1]

    def conjugate(
        self, y: Float[Array, "*batch A"], available: Bool[Array, "*batch A"] | None = None
    ) -> Float[Array, "*batch"]:
        return _logsumexp(y)

    def bounds(self, n_actions: int) -> tuple[float, float]:
        return -math.log(n_actions), 0.0

    def strong_convexity(self, n_actions: int) -> float:
        return 1.0


@dataclass(frozen=True, eq=False)
class KL(SeparableRegularizer):
    r"""Kullback-Leibler divergence from a reference policy p0, \(h(p) = \sum_a p_a \log(p_a / p^0_a)\).

    An action to which the reference gives probability 0 is forbidden. The greedy policy is
    proportional to p0 exp(q/τ).

    Args:
        reference: (S, A) policy, or (A,) for the same distribution in every state; rows sum to 1
            within 1e-9.
        temperature: τ ≥ 0, a number or one per state, in the unit of the rewards per nat.

    Raises:
        PolicyError: if the reference is not a policy.

    Examples:
        >>> import numpy as np, regmdp as rm
        >>> kl = rm.KL(np.array([0.5, 0.5, 0.0]), temperature=0.1)
        >>> kl.maximiser(np.array([[0.0, 0.0, 100.0]]))
        array([[0.5, 0.5, 0. ]])
        >>> kl.value(np.array([[0.0, 0.0, 1.0]]))
        array([inf])
    """

    reference: ArrayLike
    temperature: ArrayLike
    _log_reference: Array = field(init=False, repr=False)

    state_fields: ClassVar[dict[str, int]] = {"temperature": 1, "reference": 2, "_log_reference": 2}

    def __post_init__(self) -> None:
        reference = _check_reference(self.reference)
        object.__setattr__(self, "reference", reference)
        object.__setattr__(self, "temperature", check_temperature(self.temperature))
        object.__setattr__(self, "_log_reference", log(reference))

    def terms(self, p: Float[Array, "*batch A"]) -> Float[Array, "*batch A"]:
        xp = array_namespace(p)
        used = p > 0
        ratio = xp.log(xp.where(used, p, 1.0)) - xp.where(used, self._log_reference, 0.0)
        return xp.where(used, p * ratio, 0.0)

    def derivatives(
        self, p: Float[Array, "*batch A"], logarithm: Float[Array, "*batch A"]
    ) -> Derivatives:
        xp = array_namespace(p)
        slope = logarithm - self.log_reference
        return Derivatives(slope, xp.ones(p.shape), xp.zeros(p.shape))

    @property
    def log_reference(self) -> Float[Array, "S A"] | Float[Array, " A"]:
        """(S, A) or (A,) log p0 in the domain, and 0 outside it, where it does not matter."""
        xp = array_namespace(self._log_reference)
        return xp.where(self._log_reference > -xp.inf, self._log_reference, 0.0)

    def greedy(
        self, y: Float[Array, "*batch A"], available: Bool[Array, "*batch A"] | None = None
    ) -> Float[Array, "*batch A"]:
        return _softmax(self._weighted(y))[1]

    def conjugate(
        self, y: Float[Array, "*batch A"], available: Bool[Array, "*batch A"] | None = None
    ) -> Float[Array, "*batch"]:
        return _logsumexp(self._weighted(y))

    def _weighted(self, y: Float[Array, "*batch A"]) -> Float[Array, "*batch A"]:
        xp = array_namespace(y)
        weighted = y + self._log_reference
        # a row that the reference leaves empty belongs to a terminal state: keep the arithmetic
        # finite
        return xp.where(xp.any(weighted > -xp.inf, axis=-1, keepdims=True), weighted, 0.0)

    def bounds(self, n_actions: int) -> tuple[float, float]:
        smallest = float(np.min(self.reference[self.reference > 0]))
        # where the mask of available actions takes mass away from the reference, h only grows
        return 0.0, math.log(1.0 / smallest)

    def strong_convexity(self, n_actions: int) -> float:
        return 1.0

    def magnitude(self, n_actions: int) -> float:
        return self.bounds(n_actions)[1] + math.log(n_actions)

    def domain(self, available: Bool[Array, "*batch A"] | None) -> Bool[Array, "*batch A"] | None:
        support = self.reference > 0
        if available is not None:
            return available & support
        return None if support.all() else support

    def check(self, available: Bool[Array, "S A"]) -> None:
        super().check(available)
        require_shape("the reference", self.reference, available)
        uncovered = available.any(axis=1) & ~(available & (self.reference > 0)).any(axis=1)
        if uncovered.any():
            raise RegularizerError(
                f"the reference gives every available action of state {int(np.argmax(uncovered))} "
                f"probability 0, so no policy is allowed there; {int(np.count_nonzero(uncovered))} "
                "states are not covered; give some available action weight"
            )

    def __repr__(self) -> str:
        return f"KL(reference of shape {self.reference.shape}, temperature={self.temperature!r})"


def _check_reference(reference: Any) -> np.ndarray:
    try:
        reference = np.array(reference, dtype=np.float64, order="F")
    except (TypeError, ValueError):
        raise PolicyError("the reference is not an array of probabilities") from None
    if reference.ndim not in (1, 2) or reference.size == 0:
        raise PolicyError(f"the reference must have shape (S, A) or (A,), not {reference.shape}")
    bad = ~((reference >= 0) & np.isfinite(reference))
    if bad.any():
        where = tuple(int(i) for i in np.unravel_index(np.argmax(bad), bad.shape))
        raise PolicyError(
            f"the reference has {reference[where]} at {where}; {int(np.count_nonzero(bad))} "
            "entries are not probabilities"
        )
    sums = reference.sum(axis=-1)
    # a row of zeros is that of a terminal state; whether it is one, `check` sees
    wrong = np.atleast_1d((np.abs(sums - 1.0) > 1e-9) & (sums != 0))
    if wrong.any():
        row = int(np.argmax(wrong))
        raise PolicyError(
            f"row {row} of the reference sums to {np.atleast_1d(sums)[row]:.12g}, not to 1; "
            f"{int(np.count_nonzero(wrong))} rows are off; normalise them"
        )
    reference.flags.writeable = False
    return reference
