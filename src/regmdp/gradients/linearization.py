r"""A solution, linearized: how V*, Q* and π* move with the problem, by the implicit function theorem.

With \(V = T V\) and \(\pi\) the greedy policy, \(dV = (I - \gamma P_\pi)^{-1} b\), where b is how T
V changes at a fixed V: by the envelope theorem \(b = \langle \pi, dQ \rangle - h(\pi) d\tau\) and
so on. Functions of V, Q and π are differentiated by one solve with the transpose, and second
derivatives take one more of each.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from regmdp import bellman
from regmdp._internal.arrays import Float, freeze
from regmdp._internal.errors import RegularizerError, SolverError
from regmdp.certificates import require_bounded
from regmdp.evaluation import Chain, Exact, LinearEvaluation, System
from regmdp.gradients.accuracy import Accuracy
from regmdp.gradients.errors import Cotangent
from regmdp.gradients.gradient import Gradient
from regmdp.gradients.kl_reference import KLReference, find_kl_reference
from regmdp.gradients.perturbations import (
    Derivative,
    LowRankGradient,
    Perturbation,
    check_array,
    transition_rows,
)
from regmdp.mdp import MDP
from regmdp.policies import require_ending, require_feasible
from regmdp.problem import check_regularizer, check_value
from regmdp.regularizers import Regularizer
from regmdp.solution import Solution

__all__ = ["Linearization", "linearize"]


def linearize(
    mdp: MDP,
    regularizer: Regularizer | None,
    solution: Solution | Any,
    *,
    evaluation: LinearEvaluation | None = None,
) -> Linearization:
    """Linearize a problem at its solution, for derivatives with respect to anything that the problem is made of.

    Args:
        mdp: The model.
        regularizer: The regularizer; none by default. Its greedy policy has to have a derivative,
            which without a regularizer it has where one action is strictly best.
        solution: A solution of this problem, or the (S,) optimal value. How far from optimal it is
            shows in the errors of the gradients, so solve to a small ``tol``.
        evaluation: How to solve the linear systems: ``Exact()`` by default, as ``solve`` does.

    Returns:
        The linearization, which holds what was made ready for solving.

    Raises:
        SolverError: if the solution does not fit the model.
        InfeasibleError: if γ = 1 and no policy ends the episode.
        ImproperPolicyError: if γ = 1 and the greedy policy does not.

    Examples:
        >>> import numpy as np, regmdp as rm
        >>> mdp, soft = rm.models.chain(5), rm.Shannon(temperature=0.1)
        >>> linear = rm.gradients.linearize(mdp, soft, rm.solve(mdp, soft))
        >>> gradient = linear.gradient()  # of the optimal value from the initial distribution
        >>> bool(
        ...     np.isclose(gradient.rewards.sum(), 1 / (1 - mdp.discount))
        ... )  # every step's reward rises by 1
        True

    References:
        Danskin 1967, The theory of max-min, for the derivative of V*; Bai, Kolter & Koltun 2019,
        NeurIPS, "Deep equilibrium models", for derivatives through a fixed point.
    """
    regularizer = check_regularizer(mdp, regularizer)
    value = check_value(mdp, solution.value if isinstance(solution, Solution) else solution)
    best, policy = bellman.greedy(mdp, regularizer, value)
    if not _known_to_end(mdp, policy, solution):
        require_feasible(mdp, regularizer)
        require_bounded(mdp, regularizer)
        require_ending(mdp, policy)
    system = (evaluation or Exact()).prepare(Chain.of(mdp, policy))
    return Linearization(mdp, regularizer, freeze(value), freeze(best), freeze(policy), system)


def _known_to_end(mdp: MDP, policy: Float[np.ndarray, "S A"], solution: Solution | Any) -> bool:
    """Whether a solver has looked already, for a policy that uses the same actions of the same model."""
    return (
        isinstance(solution, Solution)
        and solution.provenance.model_digest == mdp.digest
        and np.array_equal(policy > 0, solution.policy > 0)
    )


@dataclass(frozen=True, eq=False)
class Linearization:
    """A problem, linearized at its solution.

    Attributes:
        mdp: The model.
        regularizer: The regularizer.
        value: (S,) the value V at which it was linearized.
        backup: (S,) T V.
        policy: (S, A) the policy that is greedy for V.
        system: I - γ P_π, made ready for solving.
    """

    mdp: MDP
    regularizer: Regularizer
    value: Float[np.ndarray, " S"]
    backup: Float[np.ndarray, " S"]
    policy: Float[np.ndarray, "S A"]
    system: System

    @cached_property
    def q(self) -> Float[np.ndarray, "S A"]:
        """(S, A) action values of V, 0 at unavailable pairs."""
        q = self.mdp.rewards + self.mdp.discount * self._ahead
        return freeze(np.where(self.mdp.available, q, 0.0))

    @cached_property
    def accuracy(self) -> Accuracy:
        """How far V, π and the inverse of the system may be from those of the optimum."""
        return Accuracy.of(self)

    @cached_property
    def kinks(self) -> np.ndarray:
        """(S, A) mask of the pairs of which it is not sure, at this accuracy, whether the optimal policy uses them.

        If there are any, a derivative of the policy is one-sided: that of the side on which what
        has no probability stays without.
        """
        return self.accuracy.undecided

    @property
    def note(self) -> str:
        """What has to be said of the derivatives, in a sentence, or nothing."""
        count = int(np.count_nonzero(self.kinks))
        if count == 0:
            return ""
        first = self.mdp.describe(*(int(i) for i in np.argwhere(self.kinks)[0]))
        return (
            f"one-sided derivatives of the policy: in {count} pairs, first in {first}, an action "
            "may be about to gain or to lose all its probability"
        )

    # ---- first derivatives ----

    def derivative(self, change: Perturbation) -> Derivative:
        """Return how value, action values and policy move if the problem moves: forward, by one solve.

        Examples:
            >>> import numpy as np, regmdp as rm
            >>> mdp, soft = rm.models.bandit(), rm.Shannon(temperature=1.0)
            >>> linear = rm.gradients.linearize(mdp, soft, rm.solve(mdp, soft))
            >>> moved = linear.derivative(
            ...     rm.gradients.Perturbation(rewards=np.array([[1.0, 0.0, 0.0]]))
            ... )
            >>> moved.value.round(4), moved.policy.round(4)
            (array([0.4326]), array([[ 0.2455, -0.1694, -0.0761]]))
        """
        change = self._checked(change)
        at_once, cost = self._at_fixed_value(change)
        value = self.system.solve(
            np.sum(self.policy * at_once, axis=1) - cost, np.zeros(self.mdp.n_states)
        )
        q = np.where(
            self.mdp.available,
            at_once + self.mdp.discount * bellman.expected_values(self.mdp, value),
            0.0,
        )
        pull = q
        if change.temperature is not None:
            pull = (
                pull
                - np.broadcast_to(np.asarray(change.temperature), q.shape[:1])[:, None]
                * self._scores
            )
        policy = self._tangent(pull)
        if self._reference is not None and change.reference is not None:
            policy = policy + self._reference.moved(change.reference, self._tangent)
        return Derivative(value, q, policy)

    def gradient(self, *, value: Any = None, q: Any = None, policy: Any = None) -> Gradient:
        r"""Return the gradient of \(\langle c, V^* \rangle + \langle g, Q^* \rangle + \langle k, \pi^* \rangle\).

        It takes one solve with the transpose, whatever the number of parameters.

        Args:
            value: (S,) c; with none of the three it is the initial distribution, for the gradient
                of V*(ρ).
            q: (S, A) g.
            policy: (S, A) k; for a function of the policy, its derivative.

        Examples:
            >>> import numpy as np, regmdp as rm
            >>> mdp, soft = rm.models.bandit(), rm.SquaredL2(temperature=1.0)
            >>> linear = rm.gradients.linearize(mdp, soft, rm.solve(mdp, soft))
            >>> linear.gradient(
            ...     policy=[[1.0, 0.0, 0.0]]
            ... ).rewards  # of the probability of the first arm
            array([[ 0.5, -0.5,  0. ]])
        """
        if value is None and q is None and policy is None:
            value = self.mdp.initial
        shape = self.policy.shape
        of_value = (
            np.zeros(shape[0])
            if value is None
            else check_array("a weight of values", value, shape[:1])
        )
        of_q = (
            np.zeros(shape)
            if q is None
            else np.where(
                self.mdp.available, check_array("a weight of action values", q, shape), 0.0
            )
        )
        of_policy = None if policy is None else check_array("a weight of the policy", policy, shape)
        # π* depends on Q*, through a symmetric matrix for each state
        through = np.zeros(shape) if of_policy is None else self._tangent(of_policy)
        visits = self._transposed(
            of_value + self.mdp.discount * bellman.next_state_weights(self.mdp, of_q + through)
        )
        weights = of_q + through + visits[:, None] * self.policy
        of_tau = -visits * self._h - np.sum(through * self._scores, axis=1)
        return Gradient(
            rewards=freeze(weights),
            temperature=of_tau if np.ndim(self.regularizer.temperature) else float(of_tau.sum()),
            discount=float(np.sum(weights * self._ahead)),
            reference=None
            if self._reference is None
            else self._reference.gradient(visits, of_policy, through),
            transitions=LowRankGradient(((self.mdp.discount * weights, self.value),)),
            _weights=Cotangent(self, of_value, of_q, of_policy, through, visits),
        )

    # ---- second derivatives ----

    def hessian_vector_product(
        self, change: Perturbation, *, value: Any = None, q: Any = None
    ) -> Gradient:
        r"""Return the second derivative of \(\langle c, V^* \rangle + \langle g, Q^* \rangle\), times a direction.

        It takes one solve forward and two transposed ones, all with the same factorization. Where a
        derivative is one-sided, see :attr:`kinks`, so is this. It has no bound on its error.

        Args:
            change: The direction.
            value: (S,) c; by default, if there is no g, the initial distribution.
            q: (S, A) g.

        Examples:
            >>> import numpy as np, regmdp as rm
            >>> mdp, soft = rm.models.bandit(), rm.Shannon(temperature=1.0)
            >>> linear = rm.gradients.linearize(mdp, soft, rm.solve(mdp, soft))
            >>> linear.hessian_vector_product(
            ...     rm.gradients.Perturbation(rewards=np.array([[1.0, 0.0, 0.0]]))
            ... ).rewards.round(4)
            array([[ 0.2455, -0.1694, -0.0761]])
        """
        change = self._checked(change)
        shape, discount = self.mdp.rewards.shape, self.mdp.discount
        of_q = (
            np.zeros(shape)
            if q is None
            else np.where(
                self.mdp.available, check_array("a weight of action values", q, shape), 0.0
            )
        )
        if value is None and q is None:
            value = self.mdp.initial
        of_value = (
            np.zeros(shape[0])
            if value is None
            else check_array("a weight of values", value, shape[:1])
        )
        visits = self._transposed(of_value + discount * bellman.next_state_weights(self.mdp, of_q))
        weights = of_q + visits[:, None] * self.policy
        moved = self.derivative(change)
        source = discount * bellman.next_state_weights(self.mdp, visits[:, None] * moved.policy)
        if change.discount is not None:
            source = source + float(change.discount) * bellman.next_state_weights(self.mdp, weights)
        if change.transitions is not None:
            source = source + discount * np.asarray(
                transition_rows(change.transitions, shape).T @ weights.ravel()
            )
        more = self._transposed(source)
        change_of_weights = more[:, None] * self.policy + visits[:, None] * moved.policy
        of_h = np.sum(
            self._scores * moved.policy, axis=1
        )  # dh = ⟨∇h, dπ⟩, and ∇h is Q/τ up to a constant
        if self._reference is not None and change.reference is not None:
            of_h = of_h - self._reference.share * self._reference.gain(change.reference)
        of_tau = -more * self._h - visits * of_h
        ahead = self._ahead * change_of_weights + weights * bellman.expected_values(
            self.mdp, moved.value
        )
        parts = [(discount * change_of_weights, self.value), (discount * weights, moved.value)]
        if change.discount is not None:
            parts.append((float(change.discount) * weights, self.value))
        if change.transitions is not None:
            ahead = ahead + weights * np.asarray(
                transition_rows(change.transitions, shape) @ self.value
            ).reshape(shape)
        reference = self._reference
        return Gradient(
            rewards=freeze(change_of_weights),
            temperature=of_tau if np.ndim(self.regularizer.temperature) else float(of_tau.sum()),
            discount=float(np.sum(ahead)),
            reference=None if reference is None else reference.second(visits, more, moved, change),
            transitions=LowRankGradient(tuple(parts)),
            _weights=None,
        )

    # ---- what they are made of ----

    def _transposed(self, source: Float[np.ndarray, " S"]) -> Float[np.ndarray, " S"]:
        """Solve with the transpose, where there is anything to solve."""
        return self.system.solve_transposed(source) if np.any(source) else np.zeros_like(source)

    def _at_fixed_value(
        self, change: Perturbation
    ) -> tuple[Float[np.ndarray, "S A"], Float[np.ndarray, " S"]]:
        """Return how the (S, A) action values, and the (S,) costs of the policy, change if V and π stay."""
        q = np.zeros(self.mdp.rewards.shape)
        if change.rewards is not None:
            q = q + change.rewards
        if change.discount is not None:
            q = q + float(change.discount) * self._ahead
        if change.transitions is not None:
            moved = transition_rows(change.transitions, self.mdp.rewards.shape) @ self.value
            q = q + self.mdp.discount * np.asarray(moved).reshape(q.shape)
        cost = np.zeros(self.mdp.n_states)
        if change.temperature is not None:
            cost = cost + np.asarray(change.temperature) * self._h
        if change.reference is not None:
            assert self._reference is not None
            cost = cost - self._reference.temperature * self._reference.gain(change.reference)
        return np.where(self.mdp.available, q, 0.0), cost

    def _tangent(self, direction: Float[np.ndarray, "S A"]) -> Float[np.ndarray, "S A"]:
        """Return how the policy moves with the action values; it is its own transpose."""
        masked = self.q if self._available is None else np.where(self._available, self.q, -np.inf)
        return self.regularizer.maximiser_jvp(masked, direction, self._available)

    def _checked(self, change: Perturbation) -> Perturbation:
        """Check the shapes of a change."""
        shape, tau = self.policy.shape, np.shape(self.regularizer.temperature)
        if change.rewards is not None:
            rewards = np.where(
                self.mdp.available, check_array("a change of rewards", change.rewards, shape), 0.0
            )
            change = replace(change, rewards=rewards)
        if change.temperature is not None:
            self._require_temperature()
            change = replace(
                change,
                temperature=check_array("a change of the temperature", change.temperature, tau, ()),
            )
        if change.reference is not None:
            if self._reference is None:
                raise SolverError(
                    f"the reference cannot change: {type(self.regularizer).__name__} has none"
                )
            change = replace(
                change,
                reference=check_array(
                    "a change of the reference", change.reference, self._reference.shape
                ),
            )
        return change

    def _require_temperature(self) -> None:
        if not np.all(np.asarray(self.regularizer.temperature) > 0):
            raise RegularizerError(
                "at temperature 0 there is no derivative with respect to it; take a small positive "
                "one"
            )

    @property
    def _available(self) -> np.ndarray | None:
        return None if self.mdp.all_available else self.mdp.available

    @cached_property
    def _ahead(self) -> Float[np.ndarray, "S A"]:
        """(S, A) P V."""
        return bellman.expected_values(self.mdp, self.value)

    @cached_property
    def _h(self) -> Float[np.ndarray, " S"]:
        """(S,) h(π); 0 where the temperature is 0 and in terminal states."""
        tau = np.asarray(self.regularizer.temperature)
        used = (tau > 0) & ~self.mdp.terminal
        with np.errstate(invalid="ignore"):
            return np.where(used, self.regularizer.value(self.policy, self._available), 0.0)

    @cached_property
    def _scores(self) -> Float[np.ndarray, "S A"]:
        """(S, A) Q/τ relative to the best action of each state; 0 at unavailable pairs and where the temperature is 0."""
        tau = np.broadcast_to(np.asarray(self.regularizer.temperature), self.policy.shape[:1])[
            :, None
        ]
        top = np.max(np.where(self.mdp.available, self.q, -np.inf), axis=1, keepdims=True)
        used = self.mdp.available & (tau > 0)
        return np.where(
            used, (self.q - np.where(np.isfinite(top), top, 0.0)) / np.where(tau > 0, tau, 1.0), 0.0
        )

    @cached_property
    def _reference(self) -> KLReference | None:
        advantage = np.where(self.mdp.available, self.q - self.backup[:, None], -np.inf)
        return find_kl_reference(self.regularizer, self.policy, advantage)
