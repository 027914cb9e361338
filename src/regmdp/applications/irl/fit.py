r"""Finding the reward: by matching expected features, or by the likelihood of the actions.

Matching minimises \(V^*_\theta(\rho) - \langle r_\theta, d \rangle\), with d the demonstrator's
occupancy. For rewards that are linear in θ that is convex, and its gradient is what the optimal
policy expects of each feature less what was demonstrated. At the minimum it is, but for a constant,
τ times the divergence of what was demonstrated from the optimal policy, where one went.
"""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from regmdp._internal.arrays import Float
from regmdp._internal.errors import RegularizerError, SolverError, UnboundedError
from regmdp._solve import solve
from regmdp.applications.irl.demonstrations import Demonstrations
from regmdp.gradients import (
    Gradient,
    Linearization,
    ParametricModel,
    Perturbation,
    RewardFeatures,
    linearize,
)
from regmdp.regularizers import KL, Regularizer, Shannon
from regmdp.solution import Solution

__all__ = ["RewardEstimate", "match_features", "maximize_likelihood"]

#: Certified accuracy of the inner solutions, in the unit of the rewards, where doubles allow it.
TOL = 1e-10
MAX_ITERATIONS = 1000
#: Up to so many parameters the error of each derivative is bounded by itself.
FEW = 20


@dataclass(frozen=True, eq=False)
class RewardEstimate:
    """A reward that makes sense of demonstrations.

    Attributes:
        theta: (K,) its parameters.
        rewards: (S, A) the reward itself.
        solution: The solution for it, with a certificate.
        linearization: For derivatives at it.
        parameters: How the reward depends on the parameters.
        demonstrations: What was demonstrated.
        method: How it was found.
        gradient: (K,) what is left of the gradient of the objective.
        gradient_error: Bound on the largest error of the gradient that the inner solution may
            cause.
        converged: Whether the gradient came down to the tolerance, or to its error.
        status: How the search ended, in a sentence.
        seconds: Time that it took.
        objective: What was minimised.
    """

    theta: Float[np.ndarray, " K"]
    rewards: Float[np.ndarray, "S A"]
    solution: Solution
    linearization: Linearization
    parameters: ParametricModel
    demonstrations: Demonstrations
    method: str
    gradient: Float[np.ndarray, " K"]
    gradient_error: float
    converged: bool
    status: str
    seconds: float
    objective: _Objective = field(repr=False)

    @property
    def policy(self) -> Float[np.ndarray, "S A"]:
        """(S, A) the policy that is optimal for the reward."""
        return self.linearization.policy

    @cached_property
    def divergence(self) -> float:
        """Kullback-Leibler divergence of what was done from the policy found, in nats, on average over the actions seen."""
        return _divergence(self.demonstrations, self.policy)

    @cached_property
    def fraction_explained(self) -> float:
        """Share that the reward takes away of the divergence from who wants nothing, and only follows the regularizer.

        It is 1 if every action is explained, and 0 if the uniform policy, or the reference, did as
        well.
        """
        mdp, regularizer = self.linearization.mdp, self.linearization.regularizer
        aimless = regularizer.maximiser(np.where(mdp.available, 0.0, -np.inf), mdp.available)
        before = _divergence(self.demonstrations, aimless)
        return 1.0 - self.divergence / before if before > 0 else 1.0

    @property
    def log_likelihood(self) -> float:
        """Logarithm of the probability of the actions seen, in their states; the mean over actions, where a policy was given."""
        counts = self.demonstrations.counts
        made = counts > 0
        with np.errstate(divide="ignore"):
            total = float(np.sum(counts[made] * np.log(self.policy[made])))
        return total / float(counts.sum()) if np.isinf(self.demonstrations.size) else total

    @cached_property
    def information(self) -> Float[np.ndarray, "K K"]:
        """(K, K) how sharply the demonstrations tell the parameters of a linear reward, by the objective that was minimised.

        For feature matching it is the second derivative of the objective, and for the likelihood
        the information of an action seen.
        """
        return self.objective.information()

    def summary(self) -> str:
        """Return what a person wants to know, in a few lines."""
        data = self.demonstrations
        rows = [
            ("method", self.method),
            ("data", repr(data)),
            (
                "reward",
                (
                    f"{self.theta.size} parameters, the largest {np.max(np.abs(self.theta)):.4g} "
                    "in size"
                ),
            ),
            (
                "fit",
                (
                    f"{self.divergence:.4g} nats an action from what was done; explains "
                    f"{100 * self.fraction_explained:.1f} %"
                ),
            ),
            (
                "gradient",
                (
                    f"at most {np.max(np.abs(self.gradient)):.2g} left, of which "
                    f"{self.gradient_error:.2g} may be error"
                ),
            ),
            ("status", f"{self.status}, {self.seconds:.2f} s"),
        ]
        return "\n".join(f"{name:<12} {text}" for name, text in rows)

    def __repr__(self) -> str:
        return (
            f"RewardEstimate({self.theta.size} parameters; {self.divergence:.4g} nats from what was "
            "done)"
        )


def match_features(
    parameters: ParametricModel,
    demonstrations: Demonstrations,
    regularizer: Regularizer,
    *,
    ridge: float = 0.0,
    start: Any = None,
    callback: Callable[[np.ndarray, float], object] | None = None,
) -> RewardEstimate:
    r"""Find the reward whose optimal policy expects as much of each feature as was demonstrated.

    For linear rewards the problem is convex, and any regularizer will do; it is the dual of
    maximising the policy's regularizer subject to the demonstrated features.

    Args:
        parameters: How the reward depends on θ: :func:`expected_features`, or
            :class:`regmdp.gradients.ModelFunction`.
        demonstrations: What was done.
        regularizer: What the demonstrator's policy is regularized with, as
            Shannon(temperature=1.0).
        ridge: Weight of ½‖θ‖², which is added; a little makes the answer unique.
        start: (K,) θ to start from; 0 by default.
        callback: Is told θ and the objective at each point.

    Raises:
        SolverError: if the parameters do not fit.
        UnboundedError: if γ = 1 and at the start it pays never to end: say a cost of each step, as
            a known part of the reward.

    Examples:
        >>> import numpy as np, regmdp as rm
        >>> mdp, soft = rm.models.chain(5), rm.Shannon(temperature=0.5)
        >>> expert = rm.solve(mdp, soft, tol=1e-12).policy
        >>> seen = rm.irl.Demonstrations.from_policy(mdp, expert)
        >>> found = rm.irl.match_features(
        ...     rm.irl.expected_features(mdp, pair=mdp.rewards[:, :, None]), seen, soft
        ... )
        >>> found.theta.round(6), bool(np.max(np.abs(found.policy - expert)) < 1e-6)
        (array([1.]), True)

    References:
        Ziebart, Bagnell & Dey 2010, ICML, "Modeling interaction via the principle of maximum causal
        entropy"; Zhou, Bloem & Bambos 2018, IEEE Transactions on Automatic Control 63(9), for
        infinite horizons.
    """
    objective = _Matching(parameters, demonstrations, regularizer, ridge, callback)
    return objective.search(start, "matching expected features")


def maximize_likelihood(
    parameters: ParametricModel,
    demonstrations: Demonstrations,
    regularizer: Regularizer,
    *,
    ridge: float = 0.0,
    start: Any = None,
    callback: Callable[[np.ndarray, float], object] | None = None,
) -> RewardEstimate:
    """Find the reward under which the actions, in the states in which they were seen, are most likely.

    It needs nothing of where the demonstrations begin or end. With long demonstrations it agrees
    with :func:`match_features`.

    Args:
        parameters: How the reward depends on θ.
        demonstrations: What was done.
        regularizer: Shannon or KL, whose policies give all actions of their domain some
            probability.
        ridge: Weight of ½‖θ‖², which is subtracted from the mean log-likelihood.
        start: (K,) θ to start from; 0 by default.
        callback: Is told θ and minus the mean log-likelihood at each point.

    Raises:
        RegularizerError: if the regularizer is another, or forbids an action that was seen.

    Examples:
        >>> import numpy as np, regmdp as rm
        >>> mdp, soft = rm.models.chain(5), rm.Shannon(temperature=0.5)
        >>> seen = rm.irl.Demonstrations.from_trajectories(
        ...     mdp, [([0, 1, 2, 3, 4], [1, 1, 1, 1, 1]), ([0, 0, 1, 0], [0, 1, 0, 1])]
        ... )
        >>> found = rm.irl.maximize_likelihood(
        ...     rm.irl.expected_features(mdp, state=np.eye(5)[:, 4:]), seen, soft
        ... )
        >>> bool(found.theta[0] > 0)  # the last state is worth going to
        True
    """
    if not isinstance(regularizer, Shannon | KL) or not np.all(
        np.asarray(regularizer.temperature) > 0
    ):
        raise RegularizerError(
            "the likelihood of actions needs Shannon or KL with a positive temperature; use "
            "match_features"
        )
    allowed = regularizer.domain(demonstrations.mdp.available)
    forbidden = (
        demonstrations.counts > 0 if allowed is None else (demonstrations.counts > 0) & ~allowed
    )
    if allowed is not None and forbidden.any():
        state, action = (int(i) for i in np.argwhere(forbidden)[0])
        raise RegularizerError(
            f"{demonstrations.mdp.describe(state, action)} was demonstrated, but the reference "
            f"gives it probability 0; {int(np.count_nonzero(forbidden))} pairs are like that"
        )
    objective = _Likelihood(parameters, demonstrations, regularizer, ridge, callback)
    return objective.search(start, "maximum likelihood of the actions")


@dataclass(eq=False)
class _Objective(ABC):
    """A function of θ to be minimised, with what was found at the last point."""

    parameters: ParametricModel
    demonstrations: Demonstrations
    regularizer: Regularizer
    ridge: float
    callback: Callable[[np.ndarray, float], object] | None
    _theta: Any = None
    _linear: Any = None
    _solution: Any = None
    _best: Any = None

    @abstractmethod
    def worth(self, linear: Linearization) -> float:
        """Return the objective without the ridge."""

    @abstractmethod
    def direct(self) -> Float[np.ndarray, "S A"]:
        """Return its derivative with respect to the rewards, as far as it does not come through the solution."""

    @abstractmethod
    def weights(self) -> dict[str, Any]:
        """Return the weights of values and action values in it."""

    @abstractmethod
    def information(self) -> Float[np.ndarray, "K K"]:
        """Return how sharply it tells the parameters of a linear reward, where the search ended."""

    def slope(self, linear: Linearization) -> Gradient:
        """Return its derivative as far as it comes through the solution."""
        return linear.gradient(**self.weights())

    def search(self, start: Any, method: str) -> RewardEstimate:
        """Minimise it."""
        from scipy.optimize import minimize  # slow to import

        begin = time.perf_counter()
        count = self.parameters.n_parameters
        if start is None:
            if count is None:
                raise SolverError(
                    "a reward that is a function needs a start=…, which says how many parameters "
                    "there are"
                )
            start = np.zeros(count)
        point = self.parameters.check_parameters(start)
        self._at(point)
        goal, interrupted = max(1e-8, 2.0 * self._error(point) * np.sqrt(point.size)), False
        try:
            options: dict[str, Any] = {"gtol": goal, "maxiter": MAX_ITERATIONS}
            if isinstance(self.parameters, RewardFeatures):
                found = minimize(
                    self.value,
                    point,
                    jac=self.gradient,
                    hessp=self.product,
                    method="trust-ncg",
                    options=options,
                )
            else:
                found = minimize(
                    self.value, point, jac=self.gradient, method="BFGS", options=options
                )
            point = found.x
        except KeyboardInterrupt:
            interrupted, point = True, self._best[1]
        gradient, error = self.gradient(point), self._error(point)
        left = float(np.linalg.norm(gradient))
        converged = not interrupted and left <= 10.0 * max(
            goal, 2.0 * error * np.sqrt(point.size), 1e-6
        )
        verdict = "interrupted" if interrupted else "converged" if converged else "not converged"
        return RewardEstimate(
            point,
            self._linear.mdp.rewards,
            self._solution,
            self._linear,
            self.parameters,
            self.demonstrations,
            method,
            gradient,
            error,
            converged,
            f"{verdict}: the gradient's norm is {left:.1e}",
            time.perf_counter() - begin,
            self,
        )

    def value(self, theta: Float[np.ndarray, " K"]) -> float:
        """Return the objective; infinite where it pays never to end, which the search comes back from."""
        try:
            return self.worth(self._at(theta)) + 0.5 * self.ridge * float(theta @ theta)
        except UnboundedError:
            return np.inf

    def gradient(self, theta: Float[np.ndarray, " K"]) -> Float[np.ndarray, " K"]:
        """Return its gradient; 0 where the objective is infinite, where nothing depends on it."""
        if not np.isfinite(self.value(theta)):
            return np.zeros_like(theta)
        slope = self.parameters.pull_back(theta, self.slope(self._at(theta)))
        if isinstance(self.parameters, RewardFeatures):
            own = self.parameters.expectation(self.direct())
        else:
            own = np.array(
                [
                    np.sum(self.direct() * change.rewards)
                    for change in self.parameters.perturbations(theta)
                ]
            )
        return slope + own + self.ridge * theta

    def product(
        self, theta: Float[np.ndarray, " K"], direction: Float[np.ndarray, " K"]
    ) -> Float[np.ndarray, " K"]:
        """Return its second derivative times a direction, for linear rewards."""
        assert isinstance(self.parameters, RewardFeatures)
        if not np.isfinite(self.value(theta)):
            return direction
        moved = self._at(theta).hessian_vector_product(
            Perturbation(rewards=self.parameters.combine(direction)), **self.weights()
        )
        return self.parameters.expectation(moved.rewards) + self.ridge * direction

    def _error(self, theta: Float[np.ndarray, " K"]) -> float:
        """Bound the largest error of the gradient; with many parameters by a single bound, for each costs a solve."""
        slope, changes = self.slope(self._at(theta)), self.parameters.perturbations(theta)
        if theta.size <= FEW:
            return max(slope.directional_error(change) for change in changes)
        return slope.errors.rewards * max(
            float(np.max(np.abs(np.asarray(change.rewards)))) for change in changes
        )

    def _at(self, theta: Float[np.ndarray, " K"]) -> Linearization:
        if self._theta is None or not np.array_equal(theta, self._theta):
            mdp = self.parameters.model(np.asarray(theta)).with_initial(self.demonstrations.initial)
            self._solution = solve(mdp, self.regularizer, tol=TOL, start=self._solution)
            self._linear = linearize(mdp, self.regularizer, self._solution)
            self._theta = np.array(theta)
            worth = self.worth(self._linear) + 0.5 * self.ridge * float(theta @ theta)
            if self._best is None or worth < self._best[0]:
                self._best = worth, self._theta
            if self.callback is not None:
                self.callback(self._theta, worth)
        return self._linear


class _Matching(_Objective):
    """V*(ρ) less the demonstrated reward."""

    def worth(self, linear: Linearization) -> float:
        return float(
            self.demonstrations.initial @ linear.backup
            - np.sum(self.demonstrations.occupancy * linear.mdp.rewards)
        )

    def direct(self) -> Float[np.ndarray, "S A"]:
        return -self.demonstrations.occupancy

    def weights(self) -> dict[str, Any]:
        return {"value": self.demonstrations.initial}

    def information(self) -> Float[np.ndarray, "K K"]:
        rows = [
            self.product(self._theta, unit) - self.ridge * unit for unit in np.eye(self._theta.size)
        ]
        return 0.5 * (np.array(rows) + np.array(rows).T)


class _Likelihood(_Objective):
    """Minus the mean log-likelihood of the actions, which is linear in Q and V."""

    def worth(self, linear: Linearization) -> float:
        weights = self.weights()
        return (
            float(weights["value"] @ linear.backup + np.sum(weights["q"] * linear.q)) + self._offset
        )

    def direct(self) -> Float[np.ndarray, "S A"]:
        return np.zeros(self.demonstrations.counts.shape)

    def weights(self) -> dict[str, Any]:
        tau = np.broadcast_to(
            np.asarray(self.regularizer.temperature), self.demonstrations.initial.shape
        )[:, None]
        share = self.demonstrations.counts / self.demonstrations.counts.sum() / tau
        return {"value": share.sum(axis=1), "q": -share}

    def information(self) -> Float[np.ndarray, "K K"]:
        linear, counts = self._linear, self.demonstrations.counts
        tau = np.broadcast_to(np.asarray(self.regularizer.temperature), counts.shape[:1])[:, None]
        slopes = []
        for change in self.parameters.perturbations(self._theta):
            moved = linear.derivative(change)
            slopes.append((moved.q - moved.value[:, None]) / tau)
        each = np.array(slopes)
        share = counts.sum(axis=1) / counts.sum()
        return np.einsum("s,sa,ksa,lsa->kl", share, linear.policy, each, each, optimize=True)

    @cached_property
    def _offset(self) -> float:
        """What the reference adds to the logarithms."""
        if not isinstance(self.regularizer, KL):
            return 0.0
        counts = self.demonstrations.counts
        logarithm = np.broadcast_to(self.regularizer.log_reference, counts.shape)
        return -float(np.sum(np.where(counts > 0, counts * logarithm, 0.0)) / counts.sum())


def _divergence(demonstrations: Demonstrations, policy: Float[np.ndarray, "S A"]) -> float:
    """Return the mean of log π_demonstrated - log π over the actions seen; infinite if one of them has no probability."""
    counts, seen = demonstrations.counts, demonstrations.policy
    made = counts > 0
    with np.errstate(divide="ignore"):
        ratio = np.log(seen[made]) - np.log(policy[made])
    return max(float(np.sum(counts[made] * ratio) / counts.sum()), 0.0)
