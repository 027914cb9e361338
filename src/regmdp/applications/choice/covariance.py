r"""The covariance of estimates, from the equations that they solve.

At the estimates the sum of some scores is 0. With M the covariance of that sum and H its derivative
with respect to the parameters, the covariance of the estimates is \(H^{-1} M H^{-\top}\). If the
model is correct, both follow from second derivatives, or both from products of scores.
"""

from __future__ import annotations

from typing import Literal, NamedTuple, TypeAlias

import numpy as np

from regmdp._internal.arrays import Float, Int
from regmdp.applications._coefficient_table import inverse_information
from regmdp.applications.choice.likelihood import Likelihood

__all__ = ["COVARIANCE_KINDS", "CovarianceKind", "estimate_covariance"]

#: A way to estimate a covariance.
CovarianceKind: TypeAlias = Literal["information", "opg", "sandwich", "cluster"]

#: The ways to estimate a covariance, and their descriptions in a summary.
COVARIANCE_KINDS: dict[CovarianceKind, str] = {
    "information": "from the information matrix",
    "opg": "from the outer product of the gradients",
    "sandwich": "robust (sandwich)",
    "cluster": "robust, clustered by individual",
}


class _Equations(NamedTuple):
    """Estimating equations: their (N, K) scores, and two estimates of minus their derivative.

    One is from second derivatives, the other from products of scores.
    """

    scores: Float[np.ndarray, "N K"]
    by_derivatives: Float[np.ndarray, "K K"]
    by_products: Float[np.ndarray, "K K"]


def estimate_covariance(
    likelihood: Likelihood, kind: CovarianceKind, *, joint: bool
) -> Float[np.ndarray, "K K"]:
    """Return the (K, K) covariance of estimates.

    Args:
        likelihood: The likelihood at the estimates.
        kind: One of `COVARIANCE_KINDS`.
        joint: Whether choices and transitions were estimated together; else the transitions first.

    Raises:
        SampleError: if there is no such kind, or the data do not identify some parameter.

    References:
        Murphy & Topel 1985, Journal of Business & Economic Statistics 3(4), for estimates in two
        steps; White 1982, Econometrica 50(1); Berndt, Hall, Hall & Hausman 1974.
    """
    equations = _joint_equations(likelihood) if joint else _two_step_equations(likelihood)
    slope = equations.by_products if kind == "opg" else equations.by_derivatives
    if kind in ("information", "opg"):
        # given the states, the scores of the second step are uncorrelated with those of the first
        first = likelihood.solution.model.n_utility_parameters
        noise = slope if joint else _diagonal_blocks(slope, first)
    else:
        scores = equations.scores
        if kind == "cluster":
            scores = _sum_by_individual(scores, likelihood.panel.individual)
        noise = scores.T @ scores
    inverse = inverse_information(slope, likelihood.solution.model.names)
    return inverse @ noise @ inverse.T


def _joint_equations(likelihood: Likelihood) -> _Equations:
    """Return the equations of all parameters together."""
    scores = likelihood.scores
    return _Equations(scores, -likelihood.hessian, scores.T @ scores)


def _two_step_equations(likelihood: Likelihood) -> _Equations:
    """Return the equations of the transitions alone, and of the utilities given these."""
    model, panel = likelihood.solution.model, likelihood.panel
    first = model.n_utility_parameters
    phi = likelihood.solution.parameters[first:]
    of_transitions = np.zeros_like(likelihood.scores)
    of_transitions[panel.consecutive + 1, first:] = model.transitions.scores(panel, phi)
    of_choices = likelihood.scores - of_transitions
    scores = np.column_stack((of_choices[:, :first], of_transitions[:, first:]))
    by_derivatives, by_products = -likelihood.choice_hessian, of_choices.T @ of_choices
    for slope, own in (
        (by_derivatives, -model.transitions.hessian(panel, phi)),
        (by_products, of_transitions[:, first:].T @ of_transitions[:, first:]),
    ):
        slope[first:, :first] = 0.0
        slope[first:, first:] = own
    return _Equations(scores, by_derivatives, by_products)


def _diagonal_blocks(matrix: Float[np.ndarray, "K K"], first: int) -> Float[np.ndarray, "K K"]:
    """Return only the blocks of the first parameters and of the others."""
    blocks = np.zeros_like(matrix)
    blocks[:first, :first], blocks[first:, first:] = matrix[:first, :first], matrix[first:, first:]
    return blocks


def _sum_by_individual(
    scores: Float[np.ndarray, "N K"], individual: Int[np.ndarray, " N"]
) -> Float[np.ndarray, "n K"]:
    """Return the (n, K) sums of the scores of each individual."""
    _, group = np.unique(individual, return_inverse=True)
    return np.array([np.bincount(group, column) for column in scores.T]).T
