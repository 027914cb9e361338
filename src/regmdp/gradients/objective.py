"""The optimal value of a parametric model and its gradient, as optimizers need them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from regmdp._internal.arrays import ArrayLike, Float
from regmdp._internal.parameters import Instance, Number, checked
from regmdp._solve import solve
from regmdp.gradients.linearization import Linearization, linearize
from regmdp.gradients.parametric_models import ParametricModel
from regmdp.regularizers import Regularizer
from regmdp.solution import Solution

__all__ = ["ValueAndGradient", "value_and_gradient"]


@dataclass(frozen=True, eq=False)
class ValueAndGradient:
    """The optimal value from ρ at some parameters, and its gradient.

    Attributes:
        value: V*(ρ).
        gradient: (K,) its gradient.
        value_error: Bound on the error of the value.
        gradient_error: (K,) bounds on the errors of the gradient; infinite where none is known.
        solution: The solution, from which the next solve can start.
        linearization: For further derivatives.
    """

    value: float
    gradient: Float[np.ndarray, " K"]
    value_error: float
    gradient_error: Float[np.ndarray, " K"]
    solution: Solution
    linearization: Linearization


@checked(parameters=Instance(ParametricModel), tol=Number(above=0.0))
def value_and_gradient(
    parameters: ParametricModel,
    theta: ArrayLike,
    regularizer: Regularizer | None = None,
    *,
    tol: float = 1e-10,
    start: ArrayLike | Solution | None = None,
) -> ValueAndGradient:
    """Solve a model at some parameters, and return V*(ρ) and its gradient.

    Args:
        parameters: The model as a function of its parameters.
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
    certificate, value = solution.certificate, solution.initial_value
    errors = [gradient.directional_error(change) for change in parameters.perturbations(theta)]
    return ValueAndGradient(
        value=value,
        gradient=parameters.pull_back(theta, gradient),
        value_error=max(certificate.initial_upper - value, value - certificate.initial_lower),
        gradient_error=np.array(errors),
        solution=solution,
        linearization=linear,
    )
