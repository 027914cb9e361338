"""An estimated reward, and how well it explains the demonstrations."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from regmdp._internal.arrays import Float
from regmdp._internal.status import Status
from regmdp.applications.irl.demonstrations import Demonstrations
from regmdp.applications.irl.objectives import RewardEvaluation, RewardObjective
from regmdp.gradients import Linearization, ParametricModel
from regmdp.solution import Solution

__all__ = ["RewardEstimate"]


@dataclass(frozen=True, eq=False)
class RewardEstimate:
    """A reward that explains demonstrations.

    Attributes:
        evaluation: The parameters, with the solution for their reward.
        objective: The objective that was minimised.
        method: The estimator.
        gradient: (K,) the gradient of the objective at the estimate.
        gradient_error: Bound on the largest error that the inner solution causes in it.
        status: How the search ended. It converged if the norm of the gradient is within the
            tolerance, or within its error.
        message: The same in a sentence, with the norm.
        seconds: Time taken.
    """

    evaluation: RewardEvaluation
    objective: RewardObjective = field(repr=False)
    method: str
    gradient: Float[np.ndarray, " K"]
    gradient_error: float
    status: Status
    message: str
    seconds: float

    @property
    def converged(self) -> bool:
        """Whether the search converged."""
        return self.status.ok

    @property
    def theta(self) -> Float[np.ndarray, " K"]:
        """(K,) the parameters."""
        return self.evaluation.theta

    @property
    def solution(self) -> Solution:
        """The solution for the reward, with a certificate."""
        return self.evaluation.solution

    @property
    def linearization(self) -> Linearization:
        """The linearization at the solution, for derivatives."""
        return self.evaluation.linearization

    @property
    def rewards(self) -> Float[np.ndarray, "S A"]:
        """(S, A) the reward."""
        return self.linearization.mdp.rewards

    @property
    def policy(self) -> Float[np.ndarray, "S A"]:
        """(S, A) the policy that is optimal for the reward."""
        return self.linearization.policy

    @property
    def parameters(self) -> ParametricModel:
        """How the reward depends on its parameters."""
        return self.objective.parameters

    @property
    def demonstrations(self) -> Demonstrations:
        """The demonstrations."""
        return self.objective.demonstrations

    @cached_property
    def divergence(self) -> float:
        """Mean Kullback-Leibler divergence of the demonstrations from the policy, in nats.

        The mean is over the demonstrated actions.
        """
        return _mean_divergence(self.demonstrations, self.policy)

    @cached_property
    def fraction_explained(self) -> float:
        """Fraction of the reward-free policy's divergence that the reward explains.

        The reward-free policy, such as the uniform one or the reference, is optimal without
        rewards. The fraction is 1 if every action is explained, and 0 if that policy does as well.
        """
        mdp, regularizer = self.linearization.mdp, self.linearization.regularizer
        zero_rewards = np.where(mdp.available, 0.0, -np.inf)
        reward_free = np.asarray(regularizer.maximiser(zero_rewards, mdp.available))
        before = _mean_divergence(self.demonstrations, reward_free)
        return 1.0 - self.divergence / before if before > 0 else 1.0

    @property
    def log_likelihood(self) -> float:
        """Log probability of the demonstrated actions in their states.

        It is the mean over actions if the demonstrations are a policy.
        """
        counts = self.demonstrations.counts
        taken = counts > 0
        with np.errstate(divide="ignore"):
            total = float(np.sum(counts[taken] * np.log(self.policy[taken])))
        return total / float(counts.sum()) if np.isinf(self.demonstrations.size) else total

    @cached_property
    def information(self) -> Float[np.ndarray, "K K"]:
        """(K, K) information of the demonstrations on the parameters of a linear reward.

        It is that of the objective that was minimised: for feature matching the second derivative,
        and for the likelihood the information of one demonstrated action.
        """
        return self.objective.information(self.evaluation)

    def summary(self) -> str:
        """Return the method, the data, the fit and the status, one a line."""
        lines = [
            ("method", self.method),
            ("data", repr(self.demonstrations)),
            (
                "reward",
                f"{self.theta.size} parameters, the largest {np.max(np.abs(self.theta)):.4g} in "
                "size",
            ),
            (
                "fit",
                f"{self.divergence:.4g} nats an action from the demonstrations; explains "
                f"{100 * self.fraction_explained:.1f} %",
            ),
            (
                "gradient",
                f"{np.max(np.abs(self.gradient)):.2g} at most, with an error of "
                f"{self.gradient_error:.2g} at most",
            ),
            ("status", f"{self.message}, {self.seconds:.2f} s"),
        ]
        return "\n".join(f"{name:<12} {text}" for name, text in lines)

    def __repr__(self) -> str:
        return (
            f"RewardEstimate({self.theta.size} parameters; {self.divergence:.4g} nats from the "
            "demonstrations)"
        )


def _mean_divergence(demonstrations: Demonstrations, policy: Float[np.ndarray, "S A"]) -> float:
    """Return the mean of log π_demonstrated - log π over the demonstrated actions.

    It is infinite if the policy gives one of them probability 0.
    """
    counts, demonstrated = demonstrations.counts, demonstrations.policy
    taken = counts > 0
    with np.errstate(divide="ignore"):
        ratio = np.log(demonstrated[taken]) - np.log(policy[taken])
    return max(float(np.sum(counts[taken] * ratio) / counts.sum()), 0.0)
