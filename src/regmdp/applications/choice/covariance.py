r"""The covariance of estimates, from the equations that they solve.

Estimates make the sum of some scores 0. With M the covariance of that sum and H how it changes with
the parameters, their covariance is \(H^{-1} M H^{-\top}\). If the model is right, both can be told
from second derivatives, or both from products of scores.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from regmdp._internal.arrays import Float
from regmdp._internal.errors import SampleError
from regmdp.applications._coefficient_table import inverse_information
from regmdp.applications.choice.likelihood import Likelihood

__all__ = ["KINDS", "covariance"]

#: Ways to estimate a covariance, and how a summary calls them.
KINDS = {
    "information": "from the information matrix",
    "opg": "from the outer product of the gradients",
    "sandwich": "robust (sandwich)",
    "cluster": "robust, clustered by individual",
}


class _Equations(NamedTuple):
    """The scores whose sums the estimates make 0, and minus the derivatives of these, from second derivatives and from products."""

    scores: Float[np.ndarray, "N K"]
    by_derivatives: Float[np.ndarray, "K K"]
    by_products: Float[np.ndarray, "K K"]


def covariance(likelihood: Likelihood, kind: str, *, joint: bool) -> Float[np.ndarray, "K K"]:
    """Return the (K, K) covariance of estimates.

    Args:
        likelihood: The likelihood at the estimates.
        kind: One of `KINDS`.
        joint: Whether choices and transitions were estimated together; else the transitions
            first.

    Raises:
        SampleError: if there is no such kind, or the data do not tell some parameter.

    References:
        Murphy & Topel 1985, Journal of Business & Economic Statistics 3(4), for estimates in two
        steps; White 1982, Econometrica 50(1); Berndt, Hall, Hall & Hausman 1974.
    """
    if kind not in KINDS:
        raise SampleError(f"kind must be one of {', '.join(KINDS)}, not {kind!r}")
    equations = _joint(likelihood) if joint else _in_two_steps(likelihood)
    slope = equations.by_products if kind == "opg" else equations.by_derivatives
    if kind in ("information", "opg"):
        # the scores of the second step have nothing in common with those of the first, given the
        # states
        noise = slope if joint else _blocks(slope, likelihood.solution.model.n_utility_parameters)
    else:
        scores = (
            _summed(equations.scores, likelihood.panel.individual)
            if kind == "cluster"
            else equations.scores
        )
        noise = scores.T @ scores
    inverse = inverse_information(slope, likelihood.solution.model.names)
    return inverse @ noise @ inverse.T


def _joint(likelihood: Likelihood) -> _Equations:
    scores = likelihood.scores
    return _Equations(scores, -likelihood.hessian, scores.T @ scores)


def _in_two_steps(likelihood: Likelihood) -> _Equations:
    """Return the equations of transitions estimated by themselves, and of utilities given these."""
    model, panel = likelihood.solution.model, likelihood.panel
    first, phi = (
        model.n_utility_parameters,
        likelihood.solution.parameters[model.n_utility_parameters :],
    )
    own = np.zeros_like(likelihood.scores)
    own[panel.consecutive + 1, first:] = model.transitions.scores(panel, phi)
    choices = likelihood.scores - own
    scores = np.column_stack((choices[:, :first], own[:, first:]))
    by_derivatives, by_products = -likelihood.choice_hessian, choices.T @ choices
    for slope, of_transitions in (
        (by_derivatives, -model.transitions.hessian(panel, phi)),
        (by_products, own.T @ own),
    ):
        slope[first:, :first] = 0.0
        slope[first:, first:] = of_transitions[-phi.size :, -phi.size :] if phi.size else 0.0
    return _Equations(scores, by_derivatives, by_products)


def _blocks(matrix: Float[np.ndarray, "K K"], first: int) -> Float[np.ndarray, "K K"]:
    """Return only the blocks of the first parameters and of the others."""
    blocks = np.zeros_like(matrix)
    blocks[:first, :first], blocks[first:, first:] = matrix[:first, :first], matrix[first:, first:]
    return blocks


def _summed(scores: Float[np.ndarray, "N K"], individual: np.ndarray) -> Float[np.ndarray, "n K"]:
    """Sum up what belongs to one individual."""
    _, group = np.unique(individual, return_inverse=True)
    return np.array([np.bincount(group, column) for column in scores.T]).T
