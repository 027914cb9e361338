r"""A solution, linearized: derivatives of V*, Q* and π* by the implicit function theorem.

Derivatives along a direction take one linear solve. Functions of V, Q and π are differentiated by
one solve with the transpose, and second derivatives take one more of each.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from regmdp import bellman
from regmdp._internal.arrays import ArrayLike, Bool, Float, freeze
from regmdp._internal.checks import LARGE_ROOT
from regmdp._internal.parameters import ArrayOf, Instance, checked
from regmdp.evaluation import Chain, Exact, LinearEvaluation
from regmdp.gradients.accuracy import Accuracy
from regmdp.gradients.errors import Cotangent
from regmdp.gradients.fixed_point import FixedPoint
from regmdp.gradients.gradient import Gradient
from regmdp.gradients.low_rank import LowRankGradient
from regmdp.gradients.perturbations import Derivative, Perturbation
from regmdp.gradients.shapes import as_transition_rows
from regmdp.mdp import MDP
from regmdp.policies import as_columns, require_ending, require_feasible
from regmdp.problem import Problem
from regmdp.regularizers import Regularizer
from regmdp.solution import Solution
from regmdp.undiscounted import require_bounded

__all__ = ["Linearization", "linearize"]


@checked(evaluation=Instance(LinearEvaluation) | None)
def linearize(
    mdp: MDP,
    regularizer: Regularizer | None,
    solution: Solution | ArrayLike,
    *,
    evaluation: LinearEvaluation | None = None,
) -> Linearization:
    """Linearize a problem at its solution, for derivatives with respect to all of its data.

    Args:
        mdp: The model.
        regularizer: The regularizer; none by default. Its greedy policy must have a derivative;
            without a regularizer it has one where one action is strictly best.
        solution: A solution of this problem, or the (S,) optimal value. Its distance from
            the optimum enters the errors of the gradients, so solve to a small ``tol``.
        evaluation: How to solve the linear systems: ``Exact()`` by default, as ``solve`` does.

    Returns:
        The linearization, with the linear system prepared for solving.

    Raises:
        SolverError: if the solution does not fit the model.
        InfeasibleError: if γ = 1 and no policy ends the episode.
        ImproperPolicyError: if γ = 1 and the greedy policy does not end it.

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
    problem = Problem.check(mdp, regularizer)
    regularizer = problem.regularizer
    given = solution.value if isinstance(solution, Solution) else solution
    value = problem.check_value(given)
    backup, policy = bellman.greedy(mdp, regularizer, value)
    if not (isinstance(solution, Solution) and _is_known_to_end(mdp, policy, solution)):
        require_feasible(mdp, regularizer)
        require_bounded(mdp, regularizer)
        require_ending(mdp, policy)
    system = (evaluation or Exact()).prepare(Chain.from_policy(mdp, policy))
    return Linearization(
        FixedPoint(mdp, regularizer, freeze(value), freeze(backup), freeze(policy), system)
    )


def _is_known_to_end(mdp: MDP, policy: Float[np.ndarray, "S A"], solution: Solution) -> bool:
    """Whether the solution is of this model, and its policy uses the same actions as this one."""
    same_model = solution.provenance.model_digest == mdp.digest
    return same_model and np.array_equal(policy > 0, as_columns(mdp, solution.policy) > 0)


#: Weights of a linear function of a solution.
WEIGHT_OF_VALUES = ArrayOf("S", minimum=-LARGE_ROOT, maximum=LARGE_ROOT) | None
WEIGHT_OF_PAIRS = ArrayOf("S A", minimum=-LARGE_ROOT, maximum=LARGE_ROOT) | None


@dataclass(frozen=True, eq=False)
class Linearization:
    """A problem, linearized at its solution.

    Attributes:
        point: The problem with its value, its policy, and the prepared linear system.
    """

    point: FixedPoint

    @property
    def dimensions(self) -> dict[str, int]:
        """The numbers of states, S, and of actions, A."""
        return {"S": self.mdp.n_states, "A": self.mdp.n_actions}

    @property
    def mdp(self) -> MDP:
        """The model."""
        return self.point.mdp

    @property
    def regularizer(self) -> Regularizer:
        """The regularizer."""
        return self.point.regularizer

    @property
    def value(self) -> Float[np.ndarray, " S"]:
        """(S,) the value V at which the problem was linearized."""
        return self.point.value

    @property
    def backup(self) -> Float[np.ndarray, " S"]:
        """(S,) T V."""
        return self.point.backup

    @property
    def policy(self) -> Float[np.ndarray, "S A"]:
        """(S, A) the policy that is greedy for V."""
        return self.point.policy

    @property
    def q(self) -> Float[np.ndarray, "S A"]:
        """(S, A) action values of V, 0 at unavailable pairs."""
        return self.point.q

    @cached_property
    def accuracy(self) -> Accuracy:
        """Bounds on the distance of V, π and the inverse of the system from the optimum's."""
        return Accuracy(self.point)

    @cached_property
    def kinks(self) -> Bool[np.ndarray, "S A"]:
        """(S, A) mask of the pairs that the optimal policy may or may not use, at this accuracy.

        If there are any, a derivative of the policy is one-sided: that of the side on which an
        action without probability stays without.
        """
        return self.accuracy.undecided

    @property
    def note(self) -> str:
        """A warning about one-sided derivatives, in a sentence; empty if there are none."""
        count = int(np.count_nonzero(self.kinks))
        if count == 0:
            return ""
        first = self.mdp.describe(*(int(i) for i in np.argwhere(self.kinks)[0]))
        return (
            f"one-sided derivatives of the policy: in {count} pairs, first in {first}, an action "
            "may be about to gain or to lose all its probability"
        )

    @checked(perturbation=Instance(Perturbation))
    def derivative(self, perturbation: Perturbation) -> Derivative:
        """Return the derivative of value, action values and policy along a perturbation.

        It takes one linear solve.

        Examples:
            >>> import numpy as np, regmdp as rm
            >>> mdp, soft = rm.models.bandit(), rm.Shannon(temperature=1.0)
            >>> linear = rm.gradients.linearize(mdp, soft, rm.solve(mdp, soft))
            >>> better_arm = rm.gradients.Perturbation(rewards=np.array([[1.0, 0.0, 0.0]]))
            >>> derivative = linear.derivative(better_arm)
            >>> derivative.value.round(4), derivative.policy.round(4)
            (array([0.4326]), array([[ 0.2455, -0.1694, -0.0761]]))
        """
        return self.point.differentiate(self.point.check_perturbation(perturbation))

    @checked(value=WEIGHT_OF_VALUES, q=WEIGHT_OF_PAIRS, policy=WEIGHT_OF_PAIRS)
    def gradient(
        self,
        *,
        value: ArrayLike | None = None,
        q: ArrayLike | None = None,
        policy: ArrayLike | None = None,
    ) -> Gradient:
        r"""Return the gradient of a linear function of V*, Q* and π*.

        The function is
        \(\langle c, V^* \rangle + \langle g, Q^* \rangle + \langle k, \pi^* \rangle\).
        It takes one solve with the transpose, for any number of parameters.

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
        point = self.point
        cotangent = self._make_cotangent(value, q, policy)
        visits, of_q = cotangent.visits, cotangent.policy_as_q
        weights = cotangent.of_q + of_q + visits[:, None] * point.policy
        of_tau = -visits * point.h - np.sum(of_q * point.scores, axis=1)
        reference = point.kl_reference
        return Gradient(
            rewards=freeze(weights),
            temperature=self._sum_shared_temperature(of_tau),
            discount=float(np.sum(weights * point.expected_next_value)),
            reference=None
            if reference is None
            else reference.gradient(visits, cotangent.of_policy, of_q),
            transitions=LowRankGradient(((self.mdp.discount * weights, self.value),)),
            cotangent=cotangent,
        )

    @checked(perturbation=Instance(Perturbation), value=WEIGHT_OF_VALUES, q=WEIGHT_OF_PAIRS)
    def hessian_vector_product(
        self,
        perturbation: Perturbation,
        *,
        value: ArrayLike | None = None,
        q: ArrayLike | None = None,
    ) -> Gradient:
        r"""Return the second derivative of a linear function of V* and Q*, times a direction.

        The function is \(\langle c, V^* \rangle + \langle g, Q^* \rangle\).

        It takes one forward solve and two transposed ones, all with the same factorization. Where a
        derivative is one-sided, see :attr:`kinks`, so is this. It has no bound on its error.

        Args:
            perturbation: The direction.
            value: (S,) c; by default, if there is no g, the initial distribution.
            q: (S, A) g.

        Examples:
            >>> import numpy as np, regmdp as rm
            >>> mdp, soft = rm.models.bandit(), rm.Shannon(temperature=1.0)
            >>> linear = rm.gradients.linearize(mdp, soft, rm.solve(mdp, soft))
            >>> better_arm = rm.gradients.Perturbation(rewards=np.array([[1.0, 0.0, 0.0]]))
            >>> linear.hessian_vector_product(better_arm).rewards.round(4)
            array([[ 0.2455, -0.1694, -0.0761]])
        """
        perturbation = self.point.check_perturbation(perturbation)
        cotangent = self._make_cotangent(value, q, None)
        return self._gradient_change(cotangent, perturbation)

    def _gradient_change(self, cotangent: Cotangent, perturbation: Perturbation) -> Gradient:
        """Return the change of a gradient of V and Q along a checked perturbation."""
        point, visits, reference = self.point, cotangent.visits, self.point.kl_reference
        weights = cotangent.of_q + visits[:, None] * point.policy
        change = point.differentiate(perturbation)
        visits_change = self._visits_change(visits, weights, change, perturbation)
        weights_change = visits_change[:, None] * point.policy + visits[:, None] * change.policy
        # dh = ⟨∇h, dπ⟩, and ∇h is Q/τ up to a constant
        h_change = np.sum(point.scores * change.policy, axis=1)
        if reference is not None and perturbation.reference is not None:
            decrease = reference.divergence_decrease(perturbation.reference)
            h_change = h_change - reference.share * decrease
        next_value_change = bellman.expected_values(self.mdp, change.value)
        of_discount = point.expected_next_value * weights_change + weights * next_value_change
        discount = self.mdp.discount
        parts = [(discount * weights_change, self.value), (discount * weights, change.value)]
        if perturbation.discount is not None:
            parts.append((float(perturbation.discount) * weights, self.value))
        if perturbation.transitions is not None:
            rows = as_transition_rows(perturbation.transitions, weights.shape)
            of_discount = of_discount + weights * np.asarray(rows @ self.value).reshape(
                weights.shape
            )
        return Gradient(
            rewards=freeze(weights_change),
            temperature=self._sum_shared_temperature(-visits_change * point.h - visits * h_change),
            discount=float(np.sum(of_discount)),
            reference=None
            if reference is None
            else reference.gradient_change(visits, visits_change, change, perturbation),
            transitions=LowRankGradient(tuple(parts)),
            cotangent=None,
        )

    def _visits_change(
        self,
        visits: Float[np.ndarray, " S"],
        weights: Float[np.ndarray, "S A"],
        change: Derivative,
        perturbation: Perturbation,
    ) -> Float[np.ndarray, " S"]:
        """Return the change of the weights of the states: one transposed solve."""
        source = self.point.next_state_weights(visits[:, None] * change.policy)
        if perturbation.discount is not None:
            source = source + float(perturbation.discount) * bellman.next_state_weights(
                self.mdp, weights
            )
        if perturbation.transitions is not None:
            rows = as_transition_rows(perturbation.transitions, weights.shape)
            source = source + self.mdp.discount * np.asarray(rows.T @ weights.ravel())
        return self.point.solve_transposed(source)

    def _make_cotangent(
        self, value: ArrayLike | None, q: ArrayLike | None, policy: ArrayLike | None
    ) -> Cotangent:
        """Check the weights of a function of the solution, and transform them to state weights."""
        point, shape = self.point, self.policy.shape
        of_value, of_q, of_policy = np.zeros(shape[0]), np.zeros(shape), None
        if value is None and q is None and policy is None:
            value = self.mdp.initial
        if value is not None:
            of_value = np.asarray(value)
        if q is not None:
            of_q = np.where(self.mdp.available, q, 0.0)
        policy_as_q = np.zeros(shape)
        if policy is not None:
            of_policy = np.asarray(policy)
            policy_as_q = point.policy_jvp(of_policy)  # which is symmetric
        visits = point.solve_transposed(of_value + point.next_state_weights(of_q + policy_as_q))
        return Cotangent(point, self.accuracy, of_value, of_q, of_policy, policy_as_q, visits)

    def _sum_shared_temperature(
        self, derivatives: Float[np.ndarray, " S"]
    ) -> float | Float[np.ndarray, " S"]:
        """Return derivatives with respect to the temperature: summed if all states share one."""
        if np.ndim(self.regularizer.temperature):
            return derivatives
        return float(derivatives.sum())
