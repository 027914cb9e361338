r"""The fixed point of a regularized problem, and its derivative along a perturbation.

With \(V = T V\) and \(\pi\) the greedy policy, \(dV = (I - \gamma P_\pi)^{-1} b\), where b is the
change of T V at a fixed V: by the envelope theorem
\(b = \langle \pi, dQ \rangle - h(\pi) d\tau\), and similarly for the other parameters.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from regmdp import bellman
from regmdp._internal.arrays import Bool, Float, freeze
from regmdp._internal.errors import RegularizerError, SolverError
from regmdp._internal.fields import ReadOnlyCopies
from regmdp.evaluation import System
from regmdp.gradients.kl_reference import KLReference, find_kl_reference
from regmdp.gradients.perturbations import Derivative, Perturbation
from regmdp.gradients.shapes import as_transition_rows, check_array
from regmdp.mdp import MDP
from regmdp.regularizers import Regularizer

__all__ = ["FixedPoint"]


@dataclass(frozen=True, eq=False)
class FixedPoint(ReadOnlyCopies):
    """A problem with its optimal value, up to the error of the solution.

    Attributes:
        mdp: The model.
        regularizer: The regularizer.
        value: (S,) the value V.
        backup: (S,) T V.
        policy: (S, A) the policy that is greedy for V.
        system: I - γ P_π, prepared for solving.
    """

    mdp: MDP
    regularizer: Regularizer
    value: Float[np.ndarray, " S"]
    backup: Float[np.ndarray, " S"]
    policy: Float[np.ndarray, "S A"]
    system: System

    # ---- data ----

    @cached_property
    def temperature(self) -> Float[np.ndarray, " S"]:
        """(S,) temperature of each state."""
        return np.broadcast_to(np.asarray(self.regularizer.temperature), self.policy.shape[:1])

    @property
    def available(self) -> Bool[np.ndarray, "S A"] | None:
        """(S, A) mask of the available pairs; None if all are."""
        return None if self.mdp.all_available else self.mdp.available

    @cached_property
    def expected_next_value(self) -> Float[np.ndarray, "S A"]:
        """(S, A) P V."""
        return bellman.expected_values(self.mdp, self.value)

    @cached_property
    def q(self) -> Float[np.ndarray, "S A"]:
        """(S, A) action values of V, 0 at unavailable pairs."""
        q = self.mdp.rewards + self.mdp.discount * self.expected_next_value
        return freeze(np.where(self.mdp.available, q, 0.0))

    @cached_property
    def h(self) -> Float[np.ndarray, " S"]:
        """(S,) regularizer of the policy; 0 where the temperature is 0 and in terminal states."""
        used = (self.temperature > 0) & ~self.mdp.terminal
        with np.errstate(invalid="ignore"):
            return np.where(used, self.regularizer.value(self.policy, self.available), 0.0)

    @cached_property
    def scores(self) -> Float[np.ndarray, "S A"]:
        """(S, A) (Q - max Q)/τ; 0 at unavailable pairs and where the temperature is 0."""
        tau = self.temperature[:, None]
        best = np.max(np.where(self.mdp.available, self.q, -np.inf), axis=1, keepdims=True)
        relative = self.q - np.where(np.isfinite(best), best, 0.0)
        used = self.mdp.available & (tau > 0)
        return np.where(used, relative / np.where(tau > 0, tau, 1.0), 0.0)

    @cached_property
    def kl_reference(self) -> KLReference | None:
        """The reference of the one KL in the regularizer; None if it has none, or several."""
        advantage = np.where(self.mdp.available, self.q - self.backup[:, None], -np.inf)
        return find_kl_reference(self.regularizer, self.policy, advantage)

    # ---- linear maps ----

    def policy_jvp(self, direction: Float[np.ndarray, "S A"]) -> Float[np.ndarray, "S A"]:
        """Return the change of the policy for a change of the action values; a symmetric map."""
        masked = self.q if self.available is None else np.where(self.available, self.q, -np.inf)
        return self.regularizer.maximiser_jvp(masked, direction, self.available)

    def solve_transposed(self, source: Float[np.ndarray, " S"]) -> Float[np.ndarray, " S"]:
        """Solve with the transposed system; a right-hand side of 0 needs no solve."""
        return self.system.solve_transposed(source) if np.any(source) else np.zeros_like(source)

    def next_state_weights(self, weights: Float[np.ndarray, "S A"]) -> Float[np.ndarray, " S"]:
        """(S, A) weights of pairs -> (S,) γ Pᵀ w, weights of the states that follow."""
        return self.mdp.discount * bellman.next_state_weights(self.mdp, weights)

    # ---- derivative along a perturbation ----

    def check_perturbation(self, perturbation: Perturbation) -> Perturbation:
        """Return a perturbation of arrays of doubles that fit the problem.

        Raises:
            SolverError: if one has a wrong shape or an entry that is not finite.
            RegularizerError: if the temperature changes, and is 0 somewhere.
        """
        checked = {}
        if perturbation.rewards is not None:
            rewards = check_array("a change of rewards", perturbation.rewards, self.policy.shape)
            checked["rewards"] = np.where(self.mdp.available, rewards, 0.0)
        if perturbation.temperature is not None:
            if not np.all(self.temperature > 0):
                raise RegularizerError(
                    "at temperature 0 there is no derivative with respect to it; take a small "
                    "positive one"
                )
            shape = np.shape(self.regularizer.temperature)
            checked["temperature"] = check_array(
                "a change of the temperature", perturbation.temperature, shape, ()
            )
        if perturbation.reference is not None:
            if self.kl_reference is None:
                raise SolverError(
                    f"the reference cannot change: {type(self.regularizer).__name__} has none"
                )
            checked["reference"] = check_array(
                "a change of the reference", perturbation.reference, self.kl_reference.shape
            )
        return replace(perturbation, **checked)

    def differentiate(self, perturbation: Perturbation) -> Derivative:
        """Return the derivative of value, action values and policy along a checked perturbation."""
        direct, cost = self._change_at_fixed_value(perturbation)
        source = np.sum(self.policy * direct, axis=1) - cost
        value = self.system.solve(source, np.zeros(self.mdp.n_states))
        change = direct + self.mdp.discount * bellman.expected_values(self.mdp, value)
        q = np.where(self.mdp.available, change, 0.0)
        force = q
        if perturbation.temperature is not None:
            change = np.broadcast_to(np.asarray(perturbation.temperature), q.shape[:1])
            force = q - change[:, None] * self.scores
        policy = self.policy_jvp(force)
        if self.kl_reference is not None and perturbation.reference is not None:
            policy = policy + self.kl_reference.policy_change(
                perturbation.reference, self.policy_jvp
            )
        return Derivative(value, q, policy)

    def _change_at_fixed_value(
        self, perturbation: Perturbation
    ) -> tuple[Float[np.ndarray, "S A"], Float[np.ndarray, " S"]]:
        """Return the change of the (S, A) action values and of the (S,) cost at fixed V and π."""
        q, cost = np.zeros(self.mdp.rewards.shape), np.zeros(self.mdp.n_states)
        if perturbation.rewards is not None:
            q = q + perturbation.rewards
        if perturbation.discount is not None:
            q = q + float(perturbation.discount) * self.expected_next_value
        if perturbation.transitions is not None:
            change = as_transition_rows(perturbation.transitions, q.shape) @ self.value
            q = q + self.mdp.discount * np.asarray(change).reshape(q.shape)
        if perturbation.temperature is not None:
            cost = cost + np.asarray(perturbation.temperature) * self.h
        if perturbation.reference is not None:
            assert self.kl_reference is not None
            decrease = self.kl_reference.divergence_decrease(perturbation.reference)
            cost = cost - self.kl_reference.temperature * decrease
        return np.where(self.mdp.available, q, 0.0), cost
