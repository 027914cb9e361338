r"""The reference policy of a Kullback-Leibler divergence, as far as derivatives see it.

In \(\langle p, Q \rangle - \tau \sum_a p_a \log(p_a/\bar p_a)\) a logarithm of the reference, times
τ, acts as a reward does.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from regmdp._internal.arrays import Array, Float
from regmdp.regularizers import KL, Regularizer, Sum

if TYPE_CHECKING:
    from regmdp.gradients.perturbations import Derivative, Perturbation

__all__ = ["KLReference", "find_kl_reference"]


@dataclass(frozen=True, eq=False)
class KLReference(ABC):
    """The reference of the one KL in a regularizer.

    Attributes:
        shape: (S, A), or (A,) for the same in every state.
        temperature: (S,) τ of that KL.
        share: (S,) that over the temperature of the whole regularizer.
        policy: (S, A) the optimal policy.
        ratio: (S, A) the policy over the reference.
    """

    shape: tuple[int, ...]
    temperature: Float[np.ndarray, " S"]
    share: Float[np.ndarray, " S"]
    policy: Float[np.ndarray, "S A"]
    ratio: Float[np.ndarray, "S A"]

    def gain(self, change: Array) -> Float[np.ndarray, " S"]:
        """(S, A) or (A,) change -> (S,) by how much the divergence falls in each state, for the same policy."""
        return np.sum(self.ratio * change, axis=1)

    @abstractmethod
    def moved(self, change: Array, tangent: Callable[[Array], Array]) -> Float[np.ndarray, "S A"]:
        """Return how the policy moves with the reference if the action values stay."""

    @abstractmethod
    def pulled(self, of_policy: Array, through: Array) -> Float[np.ndarray, "S A"]:
        """Return the transpose of :meth:`moved`, given what `of_policy` gives as a weight of action values."""

    @abstractmethod
    def change_of_ratio(
        self, derivative: Derivative, change: Perturbation
    ) -> Float[np.ndarray, "S A"]:
        """Return how the ratio changes."""

    @abstractmethod
    def error_of_ratio(
        self, errors: Float[np.ndarray, " S"], of_policy: Float[np.ndarray, " S"]
    ) -> Float[np.ndarray, "S A"]:
        """Bound the error of the ratio, for (S,) bounds on those of Q - V and, in the ℓ1 norm, of the policy."""

    def gradient(
        self,
        visits: Float[np.ndarray, " S"],
        of_policy: Float[np.ndarray, "S A"] | None,
        through: Float[np.ndarray, "S A"],
    ) -> Array:
        """Return the gradient, for the (S,) weights of states, and the (S, A) weights of the policy."""
        whole = self.ratio * (visits * self.temperature)[:, None]
        return self.shaped(whole if of_policy is None else whole + self.pulled(of_policy, through))

    def second(
        self,
        visits: Float[np.ndarray, " S"],
        more: Float[np.ndarray, " S"],
        derivative: Derivative,
        change: Perturbation,
    ) -> Array:
        """Return how the gradient of a function of values changes, where the weights of states change by (S,) `more`."""
        warmer = 0.0 if change.temperature is None else self.share * np.asarray(change.temperature)
        weight = more * self.temperature + visits * warmer
        of_ratio = self.change_of_ratio(derivative, change)
        return self.shaped(
            self.ratio * weight[:, None] + of_ratio * (visits * self.temperature)[:, None]
        )

    def shaped(self, whole: Float[np.ndarray, "S A"]) -> Array:
        """Return (S, A) derivatives in the shape of the reference."""
        return whole if len(self.shape) == 2 else whole.sum(axis=0)


@dataclass(frozen=True, eq=False)
class _PureKL(KLReference):
    r"""The regularizer is the KL: π = p̄ exp((Q - V)/τ).

    Where p̄ is 0, the ratio is what it would be next to 0.

    Attributes:
        log_ratio: (S, A) (Q - V)/τ.
    """

    log_ratio: Float[np.ndarray, "S A"]

    def moved(self, change: Array, tangent: Callable[[Array], Array]) -> Float[np.ndarray, "S A"]:
        along = self.ratio * change
        return along - self.policy * along.sum(axis=1, keepdims=True)

    def pulled(self, of_policy: Array, through: Array) -> Float[np.ndarray, "S A"]:
        return self.ratio * (of_policy - np.sum(self.policy * of_policy, axis=1, keepdims=True))

    def change_of_ratio(
        self, derivative: Derivative, change: Perturbation
    ) -> Float[np.ndarray, "S A"]:
        moved = derivative.q - derivative.value[:, None]
        if change.temperature is not None:
            moved = (
                moved
                - self.log_ratio
                * np.broadcast_to(np.asarray(change.temperature), moved.shape[:1])[:, None]
            )
        warm = self.temperature > 0
        return self.ratio * moved / np.where(warm, self.temperature, 1.0)[:, None]

    def error_of_ratio(
        self, errors: Float[np.ndarray, " S"], of_policy: Float[np.ndarray, " S"]
    ) -> Float[np.ndarray, "S A"]:
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            relative = np.where(errors > 0, np.expm1(errors / self.temperature), 0.0)
            return np.where(self.ratio > 0, self.ratio * relative[:, None], 0.0)


@dataclass(frozen=True, eq=False)
class _KLInSum(KLReference):
    """The KL is one part of a sum; where its reference is 0, it stays 0.

    Attributes:
        inverse: (S, A) 1 over the reference, 0 where that is 0.
    """

    inverse: Float[np.ndarray, "S A"]

    def moved(self, change: Array, tangent: Callable[[Array], Array]) -> Float[np.ndarray, "S A"]:
        return tangent(self.temperature[:, None] * self.inverse * change)

    def pulled(self, of_policy: Array, through: Array) -> Float[np.ndarray, "S A"]:
        return self.temperature[:, None] * self.inverse * through

    def change_of_ratio(
        self, derivative: Derivative, change: Perturbation
    ) -> Float[np.ndarray, "S A"]:
        moved = self.inverse * derivative.policy
        return (
            moved
            if change.reference is None
            else moved - self.ratio * self.inverse * change.reference
        )

    def error_of_ratio(
        self, errors: Float[np.ndarray, " S"], of_policy: Float[np.ndarray, " S"]
    ) -> Float[np.ndarray, "S A"]:
        return self.inverse * of_policy[:, None]


def find_kl_reference(
    regularizer: Regularizer, policy: Float[np.ndarray, "S A"], advantage: Float[np.ndarray, "S A"]
) -> KLReference | None:
    """Return the reference of a regularizer that has just one, for the (S, A) Q - V of its optimal policy; None for others.

    At unavailable pairs Q - V is -inf.
    """
    whole: Any = np.asarray(regularizer.temperature) if isinstance(regularizer, Sum) else 1.0
    parts = regularizer.parts if isinstance(regularizer, Sum) else (regularizer,)
    found = [part for part in parts if isinstance(part, KL)]
    if len(found) != 1:
        return None
    n_states = policy.shape[:1]
    own = np.asarray(found[0].temperature)
    tau = np.broadcast_to(whole * own, n_states)
    reference = np.broadcast_to(found[0].reference, policy.shape)
    inverse = np.where(reference > 0, 1.0 / np.where(reference > 0, reference, 1.0), 0.0)
    if isinstance(regularizer, Sum):
        return _KLInSum(
            found[0].reference.shape,
            tau,
            np.broadcast_to(own, n_states),
            policy,
            policy * inverse,
            inverse,
        )
    # at temperature 0, and in terminal states, the divergence makes no difference
    used = (tau > 0)[:, None] & np.any(policy > 0, axis=1, keepdims=True) & np.isfinite(advantage)
    logarithm = np.where(
        used, np.where(used, advantage, 0.0) / np.where(tau > 0, tau, 1.0)[:, None], 0.0
    )
    with np.errstate(
        over="ignore"
    ):  # where only a reference of 0 keeps a much better action out, that is what it is
        limit = np.where(used, np.exp(logarithm), 0.0)
    ratio = np.where(reference > 0, policy * inverse, limit)
    return _PureKL(found[0].reference.shape, tau, np.ones(n_states), policy, ratio, logarithm)
