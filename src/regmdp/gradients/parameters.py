"""Models that depend on parameters, and derivatives with respect to these by the chain rule."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse as sp

from regmdp._internal.arrays import Float
from regmdp._internal.errors import SolverError
from regmdp._solve import solve
from regmdp.gradients.gradient import Gradient
from regmdp.gradients.linearization import Linearization, linearize
from regmdp.gradients.perturbations import Perturbation, check_array
from regmdp.mdp import MDP
from regmdp.regularizers import Regularizer
from regmdp.solution import Solution

__all__ = [
    "ModelFunction",
    "ParametricModel",
    "RewardFeatures",
    "ValueAndGradient",
    "value_and_gradient",
]


class ParametricModel(ABC):
    """A model that depends on K parameters θ."""

    @property
    @abstractmethod
    def n_parameters(self) -> int | None:
        """K; None if any number will do."""

    @abstractmethod
    def model(self, theta: Float[np.ndarray, " K"]) -> MDP:
        """(K,) θ -> the model."""

    @abstractmethod
    def perturbations(self, theta: Float[np.ndarray, " K"]) -> Sequence[Perturbation]:
        """(K,) θ -> how the model changes with each parameter."""

    def pull_back(
        self, theta: Float[np.ndarray, " K"], gradient: Gradient
    ) -> Float[np.ndarray, " K"]:
        """(K,) θ and the gradient with respect to the model's data -> (K,) the gradient with respect to θ."""
        return np.array(
            [gradient.directional_derivative(change) for change in self.perturbations(theta)]
        )

    def check_parameters(self, theta: Any) -> Float[np.ndarray, " K"]:
        """Return θ as (K,) finite doubles."""
        theta = np.atleast_1d(np.asarray(theta, dtype=np.float64))
        return check_array(
            "the parameters",
            theta,
            theta.shape if self.n_parameters is None else (self.n_parameters,),
        )


@dataclass(frozen=True, eq=False)
class RewardFeatures(ParametricModel):
    r"""Rewards that are linear in the parameters, \(r(s, a) + \sum_k \theta_k \phi_k(s, a)\).

    Args:
        mdp: The model at θ = 0.
        features: (S, A, K) φ, or a sparse (S·A, K) whose row ``s * A + a`` belongs to (s, a).

    Raises:
        SolverError: if the features do not fit the model, or some are not finite.

    Examples:
        >>> import numpy as np, regmdp as rm
        >>> arms = rm.gradients.RewardFeatures(
        ...     rm.models.bandit().with_rewards(np.zeros((1, 3))), np.eye(3)[None]
        ... )
        >>> arms.model(np.array([1.0, 2.0, 3.0])).rewards
        array([[1., 2., 3.]])
    """

    mdp: MDP
    features: Any

    def __post_init__(self) -> None:
        shape = self.mdp.rewards.shape
        if sp.issparse(self.features):
            rows: Any = sp.csr_array(self.features, dtype=np.float64)
            if rows.shape[0] != shape[0] * shape[1]:
                raise SolverError(
                    f"sparse features must have S·A = {shape[0] * shape[1]} rows, not "
                    f"{rows.shape[0]}"
                )
            check_array("the features", rows.data, rows.data.shape)
        else:
            features = np.asarray(self.features, dtype=np.float64)
            if features.ndim != 3 or features.shape[:2] != shape:
                raise SolverError(
                    f"features must have shape (S, A, K) = ({shape[0]}, {shape[1]}, K), not "
                    f"{features.shape}"
                )
            rows = check_array("the features", features, features.shape).reshape(
                -1, features.shape[2]
            )
        object.__setattr__(self, "features", rows)

    @property
    def n_parameters(self) -> int:
        return int(self.features.shape[1])

    def rewards(self, theta: Float[np.ndarray, " K"]) -> Float[np.ndarray, "S A"]:
        """(K,) θ -> (S, A) rewards."""
        return self.mdp.rewards + self.combine(theta)

    def combine(self, direction: Float[np.ndarray, " K"]) -> Float[np.ndarray, "S A"]:
        """(K,) change of θ -> (S, A) change of the rewards."""
        return np.where(
            self.mdp.available, (self.features @ direction).reshape(self.mdp.rewards.shape), 0.0
        )

    def model(self, theta: Float[np.ndarray, " K"]) -> MDP:
        return self.mdp.with_rewards(self.rewards(theta))

    def perturbations(self, theta: Float[np.ndarray, " K"]) -> Sequence[Perturbation]:
        return [Perturbation(rewards=self.combine(unit)) for unit in np.eye(self.n_parameters)]

    def pull_back(
        self, theta: Float[np.ndarray, " K"], gradient: Gradient
    ) -> Float[np.ndarray, " K"]:
        return self.expectation(gradient.rewards)

    def expectation(self, weights: Float[np.ndarray, "S A"]) -> Float[np.ndarray, " K"]:
        """(S, A) weights of pairs -> (K,) weighted sums of the features."""
        return np.asarray(self.features.T @ np.where(self.mdp.available, weights, 0.0).ravel())


@dataclass(frozen=True, eq=False)
class ModelFunction(ParametricModel):
    """A model that is any function of the parameters, with its own derivative.

    Args:
        function: From (K,) θ to the model, or to its (S, A) rewards, where only these depend on θ.
        derivative: From (K,) θ to K changes, one for each parameter: :class:`Perturbation`, or an (S,
            A, K) array of the derivatives of the rewards.
        mdp: The model, where the function gives rewards alone.

    Examples:
        >>> import numpy as np, regmdp as rm
        >>> mdp = rm.models.bandit()
        >>> squares = rm.gradients.ModelFunction(
        ...     lambda theta: theta[None] ** 2,
        ...     lambda theta: 2 * theta[:, None] * np.eye(3)[None],
        ...     mdp=mdp,
        ... )
        >>> rm.gradients.value_and_gradient(
        ...     squares, [1.0, 2.0, 3.0], rm.Shannon(0.1)
        ... ).gradient.round(3)
        array([0., 0., 6.])
    """

    function: Callable[[Float[np.ndarray, " K"]], Any]
    derivative: Callable[[Float[np.ndarray, " K"]], Any]
    mdp: MDP | None = None

    @property
    def n_parameters(self) -> None:
        return None

    def model(self, theta: Float[np.ndarray, " K"]) -> MDP:
        made = self.function(theta)
        if isinstance(made, MDP):
            return made
        if self.mdp is None:
            raise SolverError(
                "the function gives rewards alone, so say of which model: ModelFunction(…, mdp=…)"
            )
        return self.mdp.with_rewards(made)

    def perturbations(self, theta: Float[np.ndarray, " K"]) -> Sequence[Perturbation]:
        made = self.derivative(theta)
        if isinstance(made, np.ndarray):
            if made.ndim != 3 or made.shape[2] != theta.size:
                raise SolverError(
                    f"the derivative of rewards must have shape (S, A, K) with K = {theta.size}, "
                    f"not {made.shape}"
                )
            return [Perturbation(rewards=made[:, :, number]) for number in range(theta.size)]
        if len(made) != theta.size or not all(isinstance(change, Perturbation) for change in made):
            raise SolverError(
                f"the derivative must give one Perturbation for each of the {theta.size} parameters, not "
                f"{made!r}"
            )
        return list(made)


@dataclass(frozen=True, eq=False)
class ValueAndGradient:
    """The optimal value from ρ at some parameters, and its derivative.

    Attributes:
        value: V*(ρ).
        gradient: (K,) its gradient.
        value_error: Bound on the error of the value.
        gradient_error: (K,) bounds on the errors of the gradient; infinite where none is known.
        solution: The solution, from which a next one can start.
        linearization: For further derivatives.
    """

    value: float
    gradient: Float[np.ndarray, " K"]
    value_error: float
    gradient_error: Float[np.ndarray, " K"]
    solution: Solution
    linearization: Linearization


def value_and_gradient(
    parameters: ParametricModel,
    theta: Any,
    regularizer: Regularizer | None = None,
    *,
    tol: float = 1e-10,
    start: Any = None,
) -> ValueAndGradient:
    """Solve a model at some parameters, and return V*(ρ) and its gradient: what an optimizer asks for.

    Args:
        parameters: How the model depends on them.
        theta: (K,) parameters.
        regularizer: As for ``solve``.
        tol: As for ``solve``.
        start: A solution near this one, to start from.

    Examples:
        >>> import numpy as np, regmdp as rm
        >>> arms = rm.gradients.RewardFeatures(
        ...     rm.models.bandit().with_rewards(np.zeros((1, 3))), np.eye(3)[None]
        ... )
        >>> found = rm.gradients.value_and_gradient(arms, np.zeros(3), rm.Shannon(temperature=1.0))
        >>> round(found.value, 4), found.gradient.round(4)
        (1.0986, array([0.3333, 0.3333, 0.3333]))
    """
    theta = parameters.check_parameters(theta)
    mdp = parameters.model(theta)
    solution = solve(mdp, regularizer, tol=tol, start=start)
    linear = linearize(mdp, regularizer, solution)
    gradient = linear.gradient()
    certificate = solution.certificate
    value = solution.initial_value
    return ValueAndGradient(
        value=value,
        gradient=parameters.pull_back(theta, gradient),
        value_error=max(certificate.initial_upper - value, value - certificate.initial_lower),
        gradient_error=np.array(
            [gradient.directional_error(change) for change in parameters.perturbations(theta)]
        ),
        solution=solution,
        linearization=linear,
    )
