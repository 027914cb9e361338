"""Shannon entropy and the Kullback-Leibler divergence from a reference policy."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np

from regmdp._internal.array_checks import check_array
from regmdp._internal.arrays import Array, ArrayLike, Bool, Float, array_namespace
from regmdp._internal.checks import describe_first
from regmdp._internal.errors import PolicyError, RegularizerError
from regmdp._internal.fields import set_fields
from regmdp._internal.parameters import checked
from regmdp._internal.width_table import WidthTable, freeze_stored
from regmdp.regularizers._divergences import entropy_divergence
from regmdp.regularizers._parameters import (
    TRACED_TEMPERATURE,
    PerState,
    check_temperature,
    require_shape,
)
from regmdp.regularizers.separable import Derivatives, SeparableRegularizer, log

__all__ = ["KL", "Shannon"]


def _softmax(y: Array) -> tuple[Array, Array]:
    """(…, A) scores -> (…) log of the sum of their exponentials, and (…, A) their softmax."""
    xp = array_namespace(y)
    top = xp.max(y, axis=-1, keepdims=True)
    weights = xp.exp(y - top)
    total = xp.sum(weights, axis=-1, keepdims=True)
    return (top + xp.log(total))[..., 0], weights / total


def _logsumexp(y: Array) -> Array:
    xp = array_namespace(y)
    top = xp.max(y, axis=-1, keepdims=True)
    return top[..., 0] + xp.log(xp.sum(xp.exp(y - top), axis=-1))


@dataclass(frozen=True, eq=False, init=False)
class Shannon(SeparableRegularizer):
    r"""Negative Shannon entropy, \(h(p) = \sum_a p_a \log p_a\).

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

    temperature: PerState

    @checked(RegularizerError, temperature=TRACED_TEMPERATURE)
    def __init__(self, temperature: ArrayLike) -> None:
        set_fields(self, temperature=check_temperature(temperature))

    def terms(self, p: Float[Array, "*batch A"]) -> Float[Array, "*batch A"]:
        xp = array_namespace(p)
        return p * xp.log(xp.where(p > 0, p, 1.0))

    def derivatives(
        self, p: Float[Array, "*batch A"], log_p: Float[Array, "*batch A"]
    ) -> Derivatives:
        xp = array_namespace(p)
        return Derivatives(log_p, xp.ones(p.shape), xp.zeros(p.shape))

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

    def relative_strong_convexity(self, n_actions: int) -> float:
        return 1.0

    def divergence_terms(
        self, p: Float[Array, "*batch A"], q: Float[Array, "*batch A"]
    ) -> Float[Array, "*batch A"]:
        return entropy_divergence(p, q)


@dataclass(frozen=True, eq=False, init=False)
class KL(SeparableRegularizer):
    r"""Kullback-Leibler divergence from a reference, \(h(p) = \sum_a p_a \log(p_a / p^0_a)\).

    An action to which the reference p0 gives probability 0 is forbidden. The greedy policy is
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

    reference: Array
    temperature: PerState
    _log_reference: Array = field(init=False, repr=False)

    state_fields: ClassVar[dict[str, int]] = {"temperature": 1, "reference": 2, "_log_reference": 2}

    @checked(RegularizerError, temperature=TRACED_TEMPERATURE)
    def __init__(self, reference: ArrayLike, temperature: ArrayLike) -> None:
        checked = _check_reference(reference)
        set_fields(
            self,
            reference=checked,
            temperature=check_temperature(temperature),
            _log_reference=checked.map(log) if isinstance(checked, WidthTable) else log(checked),
        )

    def terms(self, p: Float[Array, "*batch A"]) -> Float[Array, "*batch A"]:
        xp = array_namespace(p)
        used = p > 0
        ratio = xp.log(xp.where(used, p, 1.0)) - xp.where(used, self._log_reference, 0.0)
        return xp.where(used, p * ratio, 0.0)

    def derivatives(
        self, p: Float[Array, "*batch A"], log_p: Float[Array, "*batch A"]
    ) -> Derivatives:
        xp = array_namespace(p)
        first = log_p - self.log_reference
        return Derivatives(first, xp.ones(p.shape), xp.zeros(p.shape))

    @property
    def log_reference(self) -> Float[Array, "S A"] | Float[Array, " A"]:
        """(S, A) or (A,) log p0 in the domain, and 0 outside it, where it does not matter."""
        xp = array_namespace(self._log_reference)
        return xp.where(self._log_reference > -xp.inf, self._log_reference, 0.0)

    def greedy(
        self, y: Float[Array, "*batch A"], available: Bool[Array, "*batch A"] | None = None
    ) -> Float[Array, "*batch A"]:
        return _softmax(self._add_log_reference(y))[1]

    def conjugate(
        self, y: Float[Array, "*batch A"], available: Bool[Array, "*batch A"] | None = None
    ) -> Float[Array, "*batch"]:
        return _logsumexp(self._add_log_reference(y))

    def _add_log_reference(self, y: Float[Array, "*batch A"]) -> Float[Array, "*batch A"]:
        xp = array_namespace(y)
        weighted = y + self._log_reference
        # an empty row of the reference belongs to a terminal state: keep the arithmetic finite
        return xp.where(xp.any(weighted > -xp.inf, axis=-1, keepdims=True), weighted, 0.0)

    def bounds(self, n_actions: int) -> tuple[float, float]:
        smallest = float(np.min(self.reference[self.reference > 0]))
        largest_sum = float(np.max(np.sum(self.reference, axis=-1)))
        # where the mask removes actions of the reference, h only grows
        return min(0.0, -math.log(largest_sum)), -math.log(smallest)

    def strong_convexity(self, n_actions: int) -> float:
        return 1.0

    def relative_strong_convexity(self, n_actions: int) -> float:
        return 1.0

    def divergence_terms(
        self, p: Float[Array, "*batch A"], q: Float[Array, "*batch A"]
    ) -> Float[Array, "*batch A"]:
        return entropy_divergence(p, q)

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
                describe_first(
                    uncovered,
                    lambda state: (
                        f"the reference gives every available action of state {state} probability "
                        "0, so no policy is allowed there"
                    ),
                    "states",
                    "give some available action a positive probability",
                )
            )

    def __repr__(self) -> str:
        return f"KL(reference of shape {self.reference.shape}, temperature={self.temperature!r})"


def _check_reference(reference: ArrayLike) -> np.ndarray:
    """Return a reference policy as a read-only array."""
    values: Any = reference  # of a ragged model, whose blocks may have their own columns
    if not isinstance(reference, WidthTable):
        values = np.array(check_array("the reference", reference, error=PolicyError), order="F")
    if values.ndim not in (1, 2) or values.size == 0:
        raise PolicyError(f"the reference must have shape (S, A) or (A,), not {values.shape}")
    bad = ~((values >= 0) & np.isfinite(values))
    if bad.any():
        raise PolicyError(
            describe_first(
                bad,
                lambda *where: (
                    f"the reference has {values[where]} at {where}, which is not a probability"
                ),
                "entries",
            )
        )
    with np.errstate(over="ignore"):
        sums: np.ndarray = np.atleast_1d(values.sum(axis=-1))
    # a row of zeros belongs to a terminal state, which `check` verifies
    wrong = (np.abs(sums - 1.0) > 1e-9) & (sums != 0)
    if wrong.any():
        raise PolicyError(
            describe_first(
                wrong,
                lambda row: f"row {row} of the reference sums to {sums[row]:.12g}, not to 1",
                "rows",
                "normalise them",
            )
        )
    return freeze_stored(values)
