r"""The reference policy of a Kullback-Leibler divergence, and derivatives with respect to it.

In \(\langle p, Q \rangle - \tau \sum_a p_a \log(p_a/\bar p_a)\) the logarithm of the reference,
times τ, acts as a reward.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from regmdp._internal.arrays import Array, Float
from regmdp.gradients.perturbations import Derivative, Perturbation
from regmdp.regularizers import KL, Regularizer, Sum

__all__ = ["KLReference", "find_kl_reference"]


#: The smallest reference probability by which is divided.
SMALLEST_REFERENCE = float(np.finfo(np.float64).tiny)


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

    def divergence_decrease(self, change: Array) -> Float[np.ndarray, " S"]:
        """(S, A) or (A,) change -> (S,) decrease of the divergence of the same policy."""
        return np.sum(self.ratio * change, axis=1)

    @abstractmethod
    def policy_change(
        self, change: Array, policy_jvp: Callable[[Array], Array]
    ) -> Float[np.ndarray, "S A"]:
        """Return the change of the policy for a change of the reference at fixed action values.

        Args:
            change: (S, A) or (A,).
            policy_jvp: The change of the policy for an (S, A) change of the action values.
        """

    @abstractmethod
    def policy_change_transposed(
        self, of_policy: Float[np.ndarray, "S A"], of_q: Float[np.ndarray, "S A"]
    ) -> Float[np.ndarray, "S A"]:
        """Return the transpose of :meth:`policy_change`.

        Args:
            of_policy: (S, A) weights of the policy.
            of_q: (S, A) the same as weights of action values.
        """

    @abstractmethod
    def ratio_change(
        self, derivative: Derivative, perturbation: Perturbation
    ) -> Float[np.ndarray, "S A"]:
        """Return the change of the ratio along a perturbation."""

    @abstractmethod
    def ratio_error(
        self, q_error: Float[np.ndarray, " S"], policy_error: Float[np.ndarray, " S"]
    ) -> Float[np.ndarray, "S A"]:
        """Bound the error of the ratio.

        Args:
            q_error: (S,) bound on the error of Q - V.
            policy_error: (S,) bound on the ℓ1 error of the policy.
        """

    def gradient(
        self,
        visits: Float[np.ndarray, " S"],
        of_policy: Float[np.ndarray, "S A"] | None,
        of_q: Float[np.ndarray, "S A"],
    ) -> Array:
        """Return the gradient of a function of V, Q and π with respect to the reference.

        Args:
            visits: (S,) weights of the states.
            of_policy: (S, A) weights of the policy; None if there are none.
            of_q: (S, A) the same as weights of action values.
        """
        whole = self.ratio * (visits * self.temperature)[:, None]
        if of_policy is not None:
            whole = whole + self.policy_change_transposed(of_policy, of_q)
        return self.sum_to_shape(whole)

    def gradient_change(
        self,
        visits: Float[np.ndarray, " S"],
        visits_change: Float[np.ndarray, " S"],
        derivative: Derivative,
        perturbation: Perturbation,
    ) -> Array:
        """Return the change of the gradient of a function of V and Q along a perturbation.

        Args:
            visits: (S,) weights of the states.
            visits_change: (S,) their change.
            derivative: The change of the solution.
            perturbation: The direction.
        """
        weight = visits_change * self.temperature
        if perturbation.temperature is not None:
            weight = weight + visits * self.share * np.asarray(perturbation.temperature)
        ratio_change = self.ratio_change(derivative, perturbation)
        return self.sum_to_shape(
            self.ratio * weight[:, None] + ratio_change * (visits * self.temperature)[:, None]
        )

    def sum_to_shape(self, derivatives: Float[np.ndarray, "S A"]) -> Array:
        """Return (S, A) derivatives in the shape of the reference, summed over shared entries."""
        return derivatives if len(self.shape) == 2 else derivatives.sum(axis=0)


@dataclass(frozen=True, eq=False)
class _PureKL(KLReference):
    r"""The regularizer is the KL: π = p̄ exp((Q - V)/τ).

    Where p̄ is 0, or close to the smallest double, the ratio is its limit for p̄ → 0.

    Attributes:
        log_ratio: (S, A) (Q - V)/τ.
    """

    log_ratio: Float[np.ndarray, "S A"]

    def policy_change(
        self, change: Array, policy_jvp: Callable[[Array], Array]
    ) -> Float[np.ndarray, "S A"]:
        unnormalised = self.ratio * change
        return unnormalised - self.policy * unnormalised.sum(axis=1, keepdims=True)

    def policy_change_transposed(
        self, of_policy: Float[np.ndarray, "S A"], of_q: Float[np.ndarray, "S A"]
    ) -> Float[np.ndarray, "S A"]:
        return self.ratio * (of_policy - np.sum(self.policy * of_policy, axis=1, keepdims=True))

    def ratio_change(
        self, derivative: Derivative, perturbation: Perturbation
    ) -> Float[np.ndarray, "S A"]:
        change = derivative.q - derivative.value[:, None]
        if perturbation.temperature is not None:
            heating = np.broadcast_to(np.asarray(perturbation.temperature), change.shape[:1])
            change = change - self.log_ratio * heating[:, None]
        tau = np.where(self.temperature > 0, self.temperature, 1.0)
        return self.ratio * change / tau[:, None]

    def ratio_error(
        self, q_error: Float[np.ndarray, " S"], policy_error: Float[np.ndarray, " S"]
    ) -> Float[np.ndarray, "S A"]:
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            relative = np.where(q_error > 0, np.expm1(q_error / self.temperature), 0.0)
            return np.where(self.ratio > 0, self.ratio * relative[:, None], 0.0)


@dataclass(frozen=True, eq=False)
class _KLInSum(KLReference):
    """The KL is one part of a sum; where its reference is 0, it stays 0.

    No bound on the error is known where the inverse of the reference is not representable.

    Attributes:
        inverse: (S, A) 1 over the reference, 0 where that is 0.
    """

    inverse: Float[np.ndarray, "S A"]

    def policy_change(
        self, change: Array, policy_jvp: Callable[[Array], Array]
    ) -> Float[np.ndarray, "S A"]:
        return policy_jvp(self.temperature[:, None] * self.inverse * change)

    def policy_change_transposed(
        self, of_policy: Float[np.ndarray, "S A"], of_q: Float[np.ndarray, "S A"]
    ) -> Float[np.ndarray, "S A"]:
        return self.temperature[:, None] * self.inverse * of_q

    def ratio_change(
        self, derivative: Derivative, perturbation: Perturbation
    ) -> Float[np.ndarray, "S A"]:
        change = self.inverse * derivative.policy
        if perturbation.reference is None:
            return change
        return change - self.ratio * self.inverse * perturbation.reference

    def ratio_error(
        self, q_error: Float[np.ndarray, " S"], policy_error: Float[np.ndarray, " S"]
    ) -> Float[np.ndarray, "S A"]:
        error = self.inverse * policy_error[:, None]
        return np.where(self.inverse >= 1.0 / SMALLEST_REFERENCE, np.inf, error)


def find_kl_reference(
    regularizer: Regularizer, policy: Float[np.ndarray, "S A"], advantage: Float[np.ndarray, "S A"]
) -> KLReference | None:
    """Return the reference of the one KL in a regularizer; None if it has none, or several.

    Args:
        regularizer: The regularizer.
        policy: (S, A) its optimal policy.
        advantage: (S, A) Q - V of that policy; -inf at unavailable pairs.
    """
    parts = regularizer.parts if isinstance(regularizer, Sum) else (regularizer,)
    divergences = [part for part in parts if isinstance(part, KL)]
    if len(divergences) != 1:
        return None
    n_states = policy.shape[:1]
    share = np.asarray(divergences[0].temperature)
    reference = np.broadcast_to(divergences[0].reference, policy.shape)
    # the inverse of a smaller number is not representable
    known = reference > SMALLEST_REFERENCE
    least = np.where(known, reference, np.where(reference > 0, SMALLEST_REFERENCE, 1.0))
    inverse = np.where(reference > 0, 1.0 / least, 0.0)
    if isinstance(regularizer, Sum):
        tau = np.broadcast_to(np.asarray(regularizer.temperature) * share, n_states)
        return _KLInSum(
            shape=np.shape(divergences[0].reference),
            temperature=tau,
            share=np.broadcast_to(share, n_states),
            policy=policy,
            ratio=policy * inverse,
            inverse=inverse,
        )
    tau = np.broadcast_to(share, n_states)
    # at temperature 0, and in terminal states, the divergence makes no difference
    used = (tau > 0)[:, None] & np.any(policy > 0, axis=1, keepdims=True) & np.isfinite(advantage)
    safe_tau = np.where(tau > 0, tau, 1.0)[:, None]
    log_ratio = np.where(used, np.where(used, advantage, 0.0) / safe_tau, 0.0)
    # the limit overflows where only a reference of 0 excludes a much better action
    with np.errstate(over="ignore"):
        limit = np.where(used, np.exp(log_ratio), 0.0)
    return _PureKL(
        shape=np.shape(divergences[0].reference),
        temperature=tau,
        share=np.ones(n_states),
        policy=policy,
        ratio=np.where(known, policy * inverse, limit),
        log_ratio=log_ratio,
    )
