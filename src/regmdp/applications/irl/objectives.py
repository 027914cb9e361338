r"""Objectives of inverse reinforcement learning: feature matching and the action likelihood.

Matching minimises \(V^*_\theta(\rho) - \langle r_\theta, d \rangle\), with d the demonstrator's
occupancy. For rewards that are linear in θ it is convex, and its gradient is the expectation of
each feature under the optimal policy minus the demonstrated one. Up to a constant, its value is the
sum, over the demonstrated visits of states, of τ times the divergence of the demonstrations from
the optimal policy.
"""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np

from regmdp._internal.arrays import Float
from regmdp._solve import solve
from regmdp.applications._minimization import Objective
from regmdp.applications.irl.demonstrations import Demonstrations
from regmdp.gradients import (
    Gradient,
    Linearization,
    ParametricModel,
    Perturbation,
    RewardFeatures,
    linearize,
)
from regmdp.regularizers import KL, Regularizer
from regmdp.solution import Solution

__all__ = ["ActionLikelihood", "FeatureMatching", "RewardEvaluation", "RewardObjective"]

#: Certified accuracy of the inner solutions, in the unit of the rewards, if doubles allow it.
TOL = 1e-10
#: Largest number of parameters for which the error of each derivative is bounded separately.
MAX_SEPARATE_ERRORS = 20


class RewardEvaluation(NamedTuple):
    """The model solved for one reward.

    Attributes:
        theta: (K,) parameters of the reward.
        solution: The solution for it, with a certificate.
        linearization: The linearization at the solution, for derivatives.
    """

    theta: Float[np.ndarray, " K"]
    solution: Solution
    linearization: Linearization


@dataclass(frozen=True, eq=False)
class RewardObjective(Objective[RewardEvaluation]):
    """A function of the parameters of a reward to be minimised: a loss, and ½ ridge ‖θ‖².

    The loss is linear in V*, Q* and the rewards.

    Attributes:
        parameters: How the reward depends on θ.
        demonstrations: The demonstrations.
        regularizer: The regularizer.
        ridge: Weight of ½‖θ‖².
    """

    parameters: ParametricModel
    demonstrations: Demonstrations
    regularizer: Regularizer
    ridge: float

    @property
    def n_rows(self) -> int:
        return self.demonstrations.mdp.n_states

    @abstractmethod
    def loss(self, linear: Linearization) -> float:
        """Return the loss, without the ridge."""

    @property
    @abstractmethod
    def value_weights(self) -> Float[np.ndarray, " S"]:
        """(S,) derivative of the loss with respect to V*."""

    @property
    @abstractmethod
    def q_weights(self) -> Float[np.ndarray, "S A"] | None:
        """(S, A) derivative of the loss with respect to Q*; None is 0."""

    @property
    @abstractmethod
    def reward_weights(self) -> Float[np.ndarray, "S A"]:
        """(S, A) derivative of the loss with respect to the rewards for a fixed solution."""

    @abstractmethod
    def information(self, evaluation: RewardEvaluation) -> Float[np.ndarray, "K K"]:
        """Return the (K, K) information on the parameters of a linear reward."""

    def evaluate(
        self, point: Float[np.ndarray, " K"], previous: RewardEvaluation | None
    ) -> RewardEvaluation:
        mdp = self.parameters.model(point).with_initial(self.demonstrations.initial)
        start = None if previous is None else previous.solution
        solution = solve(mdp, self.regularizer, absolute_tol=TOL, start=start)
        return RewardEvaluation(point, solution, linearize(mdp, self.regularizer, solution))

    def value(self, evaluation: RewardEvaluation) -> float:
        theta = evaluation.theta
        return self.loss(evaluation.linearization) + 0.5 * self.ridge * float(theta @ theta)

    def gradient(self, evaluation: RewardEvaluation) -> Float[np.ndarray, " K"]:
        theta = evaluation.theta
        through_solution = self.parameters.pull_back(theta, self._solution_gradient(evaluation))
        if isinstance(self.parameters, RewardFeatures):
            direct = self.parameters.expectation(self.reward_weights)
        else:
            direct = np.array([np.sum(self.reward_weights * r) for r in self._derivatives(theta)])
        return through_solution + direct + self.ridge * theta

    def hessian_product(
        self, evaluation: RewardEvaluation, direction: Float[np.ndarray, " K"]
    ) -> Float[np.ndarray, " K"]:
        """Return the second derivative times a direction, for linear rewards."""
        assert isinstance(self.parameters, RewardFeatures)
        product = evaluation.linearization.hessian_vector_product(
            Perturbation(rewards=self.parameters.combine(direction)),
            value=self.value_weights,
            q=self.q_weights,
        )
        return self.parameters.expectation(product.rewards) + self.ridge * direction

    def gradient_error(self, evaluation: RewardEvaluation) -> float:
        """Bound the largest error of the gradient.

        With many parameters all errors share one bound, because separate ones take a solve each.
        """
        gradient = self._solution_gradient(evaluation)
        if evaluation.theta.size <= MAX_SEPARATE_ERRORS:
            perturbations = self.parameters.perturbations(evaluation.theta)
            return max(gradient.directional_error(perturbation) for perturbation in perturbations)
        sizes = (float(np.max(np.abs(r))) for r in self._derivatives(evaluation.theta))
        return gradient.errors.rewards * max(sizes)

    def measures(self, evaluation: RewardEvaluation, value: float) -> dict[str, float]:
        return {"objective": value}

    def _solution_gradient(self, evaluation: RewardEvaluation) -> Gradient:
        """Return the gradient of the loss through V* and Q*."""
        return evaluation.linearization.gradient(value=self.value_weights, q=self.q_weights)

    def _derivatives(self, theta: Float[np.ndarray, " K"]) -> list[Float[np.ndarray, "S A"]]:
        """Return the (S, A) derivatives of the rewards with respect to each parameter."""
        zeros = np.zeros(self.demonstrations.counts.shape)
        perturbations = self.parameters.perturbations(theta)
        return [zeros if p.rewards is None else np.asarray(p.rewards) for p in perturbations]


class FeatureMatching(RewardObjective):
    """V*(ρ) minus the reward of the demonstrations."""

    def loss(self, linear: Linearization) -> float:
        return float(
            self.demonstrations.initial @ linear.backup
            - np.sum(self.demonstrations.occupancy * linear.mdp.rewards)
        )

    @property
    def value_weights(self) -> Float[np.ndarray, " S"]:
        return self.demonstrations.initial

    @property
    def q_weights(self) -> None:
        return None

    @property
    def reward_weights(self) -> Float[np.ndarray, "S A"]:
        return -self.demonstrations.occupancy

    def information(self, evaluation: RewardEvaluation) -> Float[np.ndarray, "K K"]:
        """Return the (K, K) second derivative of the loss."""
        units = np.eye(evaluation.theta.size)
        hessian = np.array([self.hessian_product(evaluation, unit) for unit in units])
        hessian -= self.ridge * units
        return 0.5 * (hessian + hessian.T)


class ActionLikelihood(RewardObjective):
    """Minus the mean log-likelihood of the actions, for Shannon or KL: (V* - Q*)/τ, averaged."""

    def loss(self, linear: Linearization) -> float:
        through_value = float(self.value_weights @ linear.backup)
        return through_value + float(np.sum(self.q_weights * linear.q)) + self._reference_term

    @property
    def value_weights(self) -> Float[np.ndarray, " S"]:
        return self._shares.sum(axis=1)

    @property
    def q_weights(self) -> Float[np.ndarray, "S A"]:
        return -self._shares

    @property
    def reward_weights(self) -> Float[np.ndarray, "S A"]:
        return np.zeros(self.demonstrations.counts.shape)

    def information(self, evaluation: RewardEvaluation) -> Float[np.ndarray, "K K"]:
        """Return the (K, K) information of one demonstrated action."""
        linear, counts = evaluation.linearization, self.demonstrations.counts
        scores = []
        for perturbation in self.parameters.perturbations(evaluation.theta):
            derivative = linear.derivative(perturbation)
            advantage = derivative.q - derivative.value[:, None]
            scores.append(advantage / self._temperatures[:, None])
        each = np.array(scores)
        share = counts.sum(axis=1) / counts.sum()
        return np.einsum("s,sa,ksa,lsa->kl", share, linear.policy, each, each, optimize=True)

    def measures(self, evaluation: RewardEvaluation, value: float) -> dict[str, float]:
        return {"objective": value, "log_likelihood": -self.loss(evaluation.linearization)}

    @cached_property
    def _shares(self) -> Float[np.ndarray, "S A"]:
        """(S, A) share of each pair in the demonstrated actions, over τ."""
        counts = self.demonstrations.counts
        return counts / counts.sum() / self._temperatures[:, None]

    @property
    def _temperatures(self) -> Float[np.ndarray, " S"]:
        """(S,) τ."""
        tau = np.asarray(self.regularizer.temperature)
        return np.broadcast_to(tau, self.demonstrations.initial.shape)

    @cached_property
    def _reference_term(self) -> float:
        """Minus the mean logarithm of the reference at the actions."""
        if not isinstance(self.regularizer, KL):
            return 0.0
        counts = self.demonstrations.counts
        logarithm = np.broadcast_to(self.regularizer.log_reference, counts.shape)
        return -float(np.sum(np.where(counts > 0, counts * logarithm, 0.0)) / counts.sum())
