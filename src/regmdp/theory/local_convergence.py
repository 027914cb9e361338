r"""Local linear rates of generalized policy mirror descent and of policy mirror descent."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from regmdp._internal.arrays import Float
from regmdp._internal.checks import check_number
from regmdp._internal.errors import SolverError
from regmdp._internal.parameters import Instance, Number, checked
from regmdp.mdp import MDP
from regmdp.problem import check_regularizer
from regmdp.regularizers import Regularizer, Sum
from regmdp.theory.optima import Optimum, compute_optimum

__all__ = ["LocalRates", "local_rates"]

#: Distance from a lower bound on probabilities within which a probability is at the bound.
BOUND_SLACK = 1e-12


class LocalRates(NamedTuple):
    """Factors by which errors shrink in each iteration close to the optimum.

    Attributes:
        gpmd: Factor of the error of the policies of GPMD; 0 if it is optimal after finitely many
            iterations.
        pmd: The same of PMD.
        gpmd_value: Factor of the errors of V and Q of GPMD.
        pmd_value: The same of PMD.
        curvature: (S,) k, the least curvature of h relative to negative entropy at π*, along the
            face of the simplex on which π* lies; ∞ in states where π* cannot move along it.
        margin: (S,) s, by how much the best action that π* excludes is worse than those it takes,
            in the unit of the rewards; ∞ in states where it excludes none.
    """

    gpmd: float
    pmd: float
    gpmd_value: float
    pmd_value: float
    curvature: Float[np.ndarray, " S"]
    margin: Float[np.ndarray, " S"]


@checked(
    mdp=Instance(MDP),
    regularizer=Instance(Regularizer) | None,
    step_size=Number(above=0.0, finite=False),
    optimum=Instance(Optimum) | None,
)
def local_rates(
    mdp: MDP,
    regularizer: Regularizer | None,
    *,
    step_size: float,
    optimum: Optimum | None = None,
) -> LocalRates:
    r"""Return the rates at which GPMD and PMD converge close to the optimum, with exact evaluation.

    .. math::
        \text{GPMD:} \; \frac{1}{1 + \eta\tau}, \qquad
        \text{PMD:} \; \max_s \max \left\{ \frac{1}{1 + \eta\tau k_s}, \; e^{-\eta s_s} \right\},
        \qquad k = \min_v \frac{v^\top \nabla^2 h(\pi^*) v}{\sum_a v_a^2/\pi^*_a}

    where v ranges over the directions in which π* can move without leaving its face of the simplex,
    and s is the margin of the actions with π* = 0. For a sum over actions of φ(p), k is a mean of
    p φ''(p). GPMD is faster where it is below 1, as for the squares, and PMD where it is above, as
    for the logarithmic barrier; for Shannon and KL k = 1 and they are the same method. The errors
    of V and Q shrink by the square of these factors, but those that excluded actions cause by
    exp(-ηs) itself.

    Proof. V^π - V* is of second order in the change of π along the face, because π* is a maximum
    there, and of first order in the probability of excluded actions. So Q changes neither of the
    following to first order. GPMD averages dual variables, ξ⁺ - Q*/τ = α(ξ - Q*/τ), and a
    probability that π* has at its bound reaches it in finitely many steps. In PMD the conditions
    Q - τ∇h(π⁺) - (log π⁺ - log π)/η = λ, subtracted from those of π*, give (ητ∇²h + D) v⁺ = D v + λ
    for the change v along the face, D = diag(1/π*), of which the eigenvalues are 1/(1 + ητk) for
    the stationary values k of the quotient. For an excluded action they give log π⁺ - log π → -ηs.
    The quotient is computed as :math:`1/k = \tau \lambda_{\max}(D^{1/2} (\partial \pi^* / \partial
    Q^*) D^{1/2})`.

    Args:
        mdp: The model, γ < 1.
        regularizer: h and τ, or None. The rates presume that an excluded action is worse than those
            that π* takes, s > 0.
        step_size: η > 0 of mirror descent.
        optimum: The optimum, if it is known.

    Returns:
        The rates. The largest local rate of a run may not be seen in V if the errors of the slowest
        state are small.

    Raises:
        SolverError: if the step size is not positive, or if actions are excluded and h, defined by
            a user without ``subgradient``, has no gradient.

    Examples:
        >>> import regmdp as rm
        >>> mdp = rm.models.garnet(20, 5, 3, discount=0.5)
        >>> for h in (rm.Tsallis(2.0, 0.1), rm.Shannon(0.1), rm.LogBarrier(0.1)):
        ...     rates = rm.theory.local_rates(mdp, h, step_size=1.0)
        ...     print(type(h).__name__, round(rates.gpmd, 3), round(rates.pmd, 3))
        Tsallis 0.909 0.981
        Shannon 0.909 0.909
        LogBarrier 0.909 0.786

    References:
        The statement and its proof are ours. Without a regularizer exp(-ηs) is the rate of natural
        policy gradient in Khodadadian, Jhunjhunwala, Varma & Maguluri 2021, IEEE CDC, "On the
        linear convergence of natural policy gradient algorithm". Global rates:
        :func:`gpmd_bounds`, and :class:`regmdp.algorithms.PMD`.
    """
    step = check_number("step_size", step_size, above=0.0)
    regularizer = check_regularizer(mdp, regularizer)
    found = compute_optimum(mdp, regularizer) if optimum is None else optimum
    sensitivity = _compute_sensitivity(found)
    margin = _compute_margin(found)
    tau = np.broadcast_to(np.asarray(regularizer.temperature, dtype=np.float64), margin.shape)
    moving = sensitivity > 0.0
    gpmd = float(np.max(np.where(moving, 1.0 / (1.0 + step * tau), 0.0), initial=0.0))
    # 1/(1 + ητk) with τk = 1/sensitivity
    along = float(np.max(sensitivity / (sensitivity + step), initial=0.0))
    excluded = float(np.max(np.exp(-step * margin), initial=0.0))
    inverse = tau * sensitivity
    curvature = np.where(inverse > 0.0, 1.0 / np.where(inverse > 0.0, inverse, 1.0), np.inf)
    return LocalRates(
        gpmd, max(along, excluded), gpmd**2, max(along**2, excluded), curvature, margin
    )


def _compute_sensitivity(optimum: Optimum) -> Float[np.ndarray, " S"]:
    r"""(S,) largest eigenvalue of \(D^{1/2} (\partial \pi^*/\partial Q^*) D^{1/2}\), D = 1/π*."""
    regularizer, mdp, p = optimum.regularizer, optimum.mdp, optimum.policy
    columns = [
        regularizer.maximiser_jvp(optimum.q, np.broadcast_to(direction, p.shape), mdp.available)
        for direction in np.eye(mdp.n_actions)
    ]
    used = p > 0.0
    root = np.where(used, 1.0 / np.sqrt(np.where(used, p, 1.0)), 0.0)
    scaled = root[:, :, None] * np.stack(columns, axis=2) * root[:, None, :]
    symmetric = 0.5 * (scaled + np.swapaxes(scaled, 1, 2))
    largest = np.linalg.eigvalsh(symmetric)[:, -1]
    # rounding of the zero matrix, where π* is a corner
    return np.where(largest > 1e-12, largest, 0.0)


def _compute_margin(optimum: Optimum) -> Float[np.ndarray, " S"]:
    """(S,) the multiplier of Σ p = 1 minus the best Q* - τ ∂h of an action with π* = 0."""
    regularizer, mdp, p = optimum.regularizer, optimum.mdp, optimum.policy
    n_states = mdp.n_states
    bounds = regularizer.probability_bounds
    upper, lower = (
        (np.ones(p.shape), np.zeros(p.shape))
        if bounds is None
        else (np.broadcast_to(end, p.shape) for end in (bounds.upper, bounds.lower))
    )
    excluded = optimum.allowed & (p == 0.0) & (upper > 0.0)
    # where h is steep a probability of 0 has only underflowed
    if regularizer.steep or not excluded.any():
        return np.full(n_states, np.inf)
    if not _has_gradient(regularizer):
        raise SolverError(
            f"π* excludes actions, and {regularizer!r} has no gradient there; define its method "
            "subgradient"
        )
    tau = np.broadcast_to(np.asarray(regularizer.temperature, dtype=np.float64), (n_states,))
    slope = np.asarray(regularizer.subgradient(p, mdp.available))
    marginal = optimum.q - tau[:, None] * np.where(optimum.allowed, slope, 0.0)
    # an action at its upper bound is better than the multiplier, one at its lower bound worse
    free = optimum.allowed & (p > lower + BOUND_SLACK)
    multiplier = np.min(np.where(free, marginal, np.inf), axis=1, initial=np.inf)
    best = np.max(np.where(excluded, marginal, -np.inf), axis=1, initial=-np.inf)
    return np.where(excluded.any(axis=1), multiplier - best, np.inf)


def _has_gradient(regularizer: Regularizer) -> bool:
    """Whether ``subgradient`` is a gradient at the boundary, not any subgradient."""
    if isinstance(regularizer, Sum):
        return all(map(_has_gradient, regularizer.parts))
    return type(regularizer).subgradient is not Regularizer.subgradient
