"""Models that depend on parameters, and gradients with respect to these by the chain rule."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import scipy.sparse as sp

from regmdp._internal.array_checks import check_array as check_numbers
from regmdp._internal.arrays import ArrayLike, Float, read_only
from regmdp._internal.checks import LARGE_ROOT
from regmdp._internal.errors import SolverError
from regmdp._internal.parameters import ArrayOf, Function, Instance, checked, checked_methods
from regmdp._internal.sparse import as_csr
from regmdp._internal.user_code import call_user, user_methods
from regmdp.gradients.gradient import Gradient
from regmdp.gradients.perturbations import Perturbation
from regmdp.gradients.shapes import check_array
from regmdp.mdp import MDP

__all__ = ["ModelFunction", "ParametricModel", "RewardFeatures"]


#: Largest size of a feature.
MAX_FEATURE = 1e70

THETA = ArrayOf("K")
#: Features whose products with gradients of the search are far from the largest double.
FEATURES = ArrayOf(minimum=-MAX_FEATURE, maximum=MAX_FEATURE, empty=True)


@checked_methods(
    model={"theta": THETA},
    perturbations={"theta": THETA},
    pull_back={"theta": THETA, "gradient": Instance(Gradient)},
)
@user_methods(SolverError)
class ParametricModel(ABC):
    """A model that depends on K parameters θ."""

    @property
    def dimensions(self) -> dict[str, int]:
        """The number of parameters, K, if it is known."""
        return {} if self.n_parameters is None else {"K": self.n_parameters}

    @property
    @abstractmethod
    def n_parameters(self) -> int | None:
        """K; None if any number will do."""

    @abstractmethod
    def model(self, theta: Float[np.ndarray, " K"]) -> MDP:
        """(K,) θ -> the model."""

    @abstractmethod
    def perturbations(self, theta: Float[np.ndarray, " K"]) -> Sequence[Perturbation]:
        """(K,) θ -> the derivatives of the model with respect to the K parameters."""

    def pull_back(
        self, theta: Float[np.ndarray, " K"], gradient: Gradient
    ) -> Float[np.ndarray, " K"]:
        """Return the (K,) gradient with respect to θ, by the chain rule.

        Args:
            theta: (K,) θ.
            gradient: The gradient with respect to the data of the model.
        """
        return np.array(
            [gradient.directional_derivative(change) for change in self.perturbations(theta)]
        )

    def check_parameters(self, theta: ArrayLike) -> Float[np.ndarray, " K"]:
        """Return θ as (K,) finite doubles."""
        vector = np.atleast_1d(check_numbers("the parameters", theta))
        shape = vector.shape if self.n_parameters is None else (self.n_parameters,)
        return check_array("the parameters", vector, shape)


@checked(mdp=Instance(MDP))
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
    features: np.ndarray | sp.sparray | sp.spmatrix

    def __post_init__(self) -> None:
        _ = self.matrix  # which checks the features

    @cached_property
    def matrix(self) -> Any:
        """(S·A, K) features, an array or a sparse array."""
        n_states, n_actions = self.mdp.rewards.shape
        if sp.issparse(self.features):
            rows = as_csr("the features", self.features, error=SolverError)
            if rows.shape[0] != n_states * n_actions:
                raise SolverError(
                    f"sparse features must have S·A = {n_states * n_actions} rows, not "
                    f"{rows.shape[0]}"
                )
            FEATURES.check("the features", rows.data, None, SolverError)
            return rows
        features = check_numbers("the features", self.features)
        if features.ndim != 3 or features.shape[:2] != (n_states, n_actions):
            raise SolverError(
                f"features must have shape (S, A, K) = ({n_states}, {n_actions}, K), not "
                f"{features.shape}"
            )
        FEATURES.check("the features", features, None, SolverError)
        return features.reshape(n_states * n_actions, features.shape[2])

    @property
    def n_parameters(self) -> int:
        return int(self.matrix.shape[1])

    @property
    def dimensions(self) -> dict[str, int]:
        n_states, n_actions = self.mdp.rewards.shape
        return {"S": n_states, "A": n_actions, "K": self.n_parameters}

    @checked(theta=THETA)
    def rewards(self, theta: Float[np.ndarray, " K"]) -> Float[np.ndarray, "S A"]:
        """(K,) θ -> (S, A) rewards."""
        return self.mdp.rewards + self.combine(theta)

    @checked(weights=THETA)
    def combine(self, weights: Float[np.ndarray, " K"]) -> Float[np.ndarray, "S A"]:
        """(K,) weights -> (S, A) weighted sum of the features, 0 at unavailable pairs."""
        with np.errstate(over="ignore", invalid="ignore"):  # the model refuses what is not finite
            combined = (self.matrix @ weights).reshape(self.mdp.rewards.shape)
        return np.where(self.mdp.available, combined, 0.0)

    def model(self, theta: Float[np.ndarray, " K"]) -> MDP:
        return self.mdp.with_rewards(self.rewards(theta))

    def perturbations(self, theta: Float[np.ndarray, " K"]) -> Sequence[Perturbation]:
        return [Perturbation(rewards=self.combine(unit)) for unit in np.eye(self.n_parameters)]

    def pull_back(
        self, theta: Float[np.ndarray, " K"], gradient: Gradient
    ) -> Float[np.ndarray, " K"]:
        return self.expectation(gradient.rewards)

    @checked(weights=ArrayOf("S A", minimum=-LARGE_ROOT, maximum=LARGE_ROOT))
    def expectation(self, weights: Float[np.ndarray, "S A"]) -> Float[np.ndarray, " K"]:
        """(S, A) weights of pairs -> (K,) weighted sums of the features over the pairs."""
        return np.asarray(self.matrix.T @ np.where(self.mdp.available, weights, 0.0).ravel())


@checked(function=Function(), derivative=Function(), mdp=Instance(MDP) | None)
@dataclass(frozen=True, eq=False)
class ModelFunction(ParametricModel):
    """A model that is any function of the parameters, with its own derivative.

    Args:
        function: From (K,) θ to the model, or to its (S, A) rewards if only these depend on θ.
        derivative: From (K,) θ to K perturbations, the derivatives with respect to each parameter,
            or to an (S, A, K) array of the derivatives of the rewards.
        mdp: The model, if the function returns rewards.

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

    function: Callable[[np.ndarray], MDP | ArrayLike]
    derivative: Callable[[np.ndarray], np.ndarray | Sequence[Perturbation]]
    mdp: MDP | None = None

    @property
    def n_parameters(self) -> None:
        return None

    def model(self, theta: Float[np.ndarray, " K"]) -> MDP:
        result = call_user(SolverError, self.function, read_only(theta))
        if isinstance(result, MDP):
            return result
        if self.mdp is None:
            raise SolverError(
                "the function returns rewards, so the model is needed too: ModelFunction(…, mdp=…)"
            )
        return self.mdp.with_rewards(result)

    def perturbations(self, theta: Float[np.ndarray, " K"]) -> Sequence[Perturbation]:
        result = call_user(SolverError, self.derivative, read_only(theta))
        if isinstance(result, np.ndarray):
            if result.ndim != 3 or result.shape[2] != theta.size:
                raise SolverError(
                    f"the derivative of rewards must have shape (S, A, K) with K = {theta.size}, "
                    f"not {result.shape}"
                )
            return [Perturbation(rewards=result[:, :, number]) for number in range(theta.size)]
        if len(result) != theta.size or not all(isinstance(one, Perturbation) for one in result):
            raise SolverError(
                "the derivative must return one Perturbation for each of the "
                f"{theta.size} parameters, not {result!r}"
            )
        return list(result)
