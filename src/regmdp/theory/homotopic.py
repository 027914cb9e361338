r"""Homotopic policy mirror descent: rate of convergence, and the limit policy.

With π_0 uniform and \(\log \pi_{k+1} = \gamma (\log \pi_k + \eta_k Q_k) + (1-\gamma) \log \pi_0\),
up to constants.
"""

from __future__ import annotations

import numpy as np

from regmdp._internal.arrays import UNIT_ROUNDOFF, Array, ArrayLike, Float
from regmdp._internal.checks import LARGE_ROOT
from regmdp._internal.errors import SolverError
from regmdp._internal.parameters import ArrayOf, Instance, checked
from regmdp.improvement import HomotopicMirrorDescent
from regmdp.improvement.dual_variables import dual_from_policy, subtract_best
from regmdp.mdp import MDP
from regmdp.mdp.deterministic import DeterministicPolicy
from regmdp.policies import POLICY
from regmdp.regularizers import Shannon
from regmdp.theory.dual_averaging import bregman_divergence, dual_variables, require_exact
from regmdp.theory.initial_policy import evaluate_start
from regmdp.theory.linear_rates import bound_q_rounding
from regmdp.theory.optima import Optimum, compute_optimum, sup_norm
from regmdp.theory.report import ComparedValues, NotApplicableError, UpperBound
from regmdp.theory.runs import Trace, cached_on_run
from regmdp.theory.statements import Statement

__all__ = [
    "STATEMENTS",
    "homotopic_pmd_gap_bound",
    "homotopic_pmd_policy_bound",
    "maximum_entropy_policy",
]

#: The mirror map of homotopic policy mirror descent.
MIRROR_MAP = Shannon(temperature=1.0)


@checked(mdp=Instance(MDP), optimum=Instance(Optimum) | None)
def maximum_entropy_policy(mdp: MDP, optimum: Optimum | None = None) -> Float[np.ndarray, "S A"]:
    """Return the (S, A) optimal policy of maximal entropy: uniform over all optimal actions.

    It is the limit of homotopic policy mirror descent. Actions count as equally good if their
    values differ by less than the bound on the error of Q*.

    Args:
        mdp: The model, γ < 1.
        optimum: The optimum without a regularizer, if it is known.

    Examples:
        >>> import numpy as np, regmdp as rm
        >>> mdp = rm.MDP(np.ones((1, 3, 1)), np.array([[1.0, 1.0, 0.0]]), discount=0.5)
        >>> rm.theory.maximum_entropy_policy(mdp)
        array([[0.5, 0.5, 0. ]])

    References:
        Li, Lan & Zhao 2022, "Homotopic policy mirror descent: policy convergence, implicit
        regularization, and improved sample complexity", on the limit of the last iterate.
    """
    best = _find_best_actions(compute_optimum(mdp) if optimum is None else optimum)
    return best / np.maximum(best.sum(axis=1, keepdims=True), 1.0)


def _find_best_actions(optimum: Optimum) -> Float[np.ndarray, "S A"]:
    """(S, A) 1 at the best actions, 0 elsewhere."""
    shortfall = -subtract_best(optimum.q, optimum.allowed)
    return np.where(optimum.allowed & (shortfall <= 4.0 * optimum.q_error), 1.0, 0.0)


@checked(
    mdp=Instance(MDP),
    step_sizes=ArrayOf("n", above=0.0, maximum=LARGE_ROOT, empty=True),
    optimum=Instance(Optimum) | None,
    start=POLICY | None,
)
def homotopic_pmd_gap_bound(
    mdp: MDP,
    *,
    step_sizes: Float[Array, " n"],
    start: ArrayLike | DeterministicPolicy | None = None,
    optimum: Optimum | None = None,
) -> Float[np.ndarray, " m"]:
    r"""Bound V*(ν*) - V_k(ν*) of homotopic policy mirror descent.

    .. math::
        V^*(\nu^*) - V_k(\nu^*) \le \Phi_k, \qquad
        \Phi_{k+1} = \gamma \Phi_k + \frac{(2-\gamma) \log A}{\gamma \eta_k}, \qquad
        \gamma \Phi_0
        = \gamma (V^*(\nu^*) - V_0(\nu^*)) + \frac{1}{\eta_0} E_{\nu^*} KL(\pi^* \| \pi_0)

    where ν* is stationary under an optimal policy. With η_k = γ^(-2(k+1)) it is at most
    \(\gamma^k (V^*(\nu^*) - V_0(\nu^*) + \gamma \log A + \frac{2-\gamma}{1-\gamma} \log A)\).

    The step is a step of mirror descent on the problem with the regularizer τ_k KL(·‖π_0), τ_k =
    (1-γ)/(γη_k). Its three-point identity gives under ν*
    \((1-\gamma) \delta_k \le \delta_k - \delta_{k+1} + \frac{1}{\eta_k} (D_k - D_{k+1}/\gamma)\),
    up to the cost of that regularizer, at most \(\tau_k \log A \, (1 + \frac{1}{1-\gamma})\); and
    the steps do not shrink.

    Args:
        mdp: The model, 0 < γ < 1.
        step_sizes: (n,) η_k, not decreasing.
        start: (S, A) π_0; by default uniform.
        optimum: The optimum, if it is known.

    Returns:
        (n + 1,) bounds for k = 0 … n.

    Raises:
        SolverError: if γ = 0, the steps shrink, or episodes end, so that there is no ν*.

    Examples:
        >>> import numpy as np, regmdp as rm
        >>> mdp = rm.models.garnet(5, 3, 2, discount=0.5)
        >>> run = rm.theory.trace(mdp, None, rm.algorithms.HomotopicPMD(), max_iterations=6)
        >>> bound = rm.theory.homotopic_pmd_gap_bound(mdp, step_sizes=run.step_sizes)
        >>> bool(np.all((run.optimum.value - run.values) @ run.optimum.stationary <= bound))
        True

    References:
        Li, Lan & Zhao 2022, "Homotopic policy mirror descent", has a bound of this form. This
        one is proved above.
    """
    if not mdp.discount > 0.0:
        raise SolverError("homotopic steps need a discount above 0")
    step_sizes = np.asarray(step_sizes, dtype=np.float64)
    if np.any(np.diff(step_sizes) < 0.0):
        raise SolverError("the step sizes must not decrease")
    first = evaluate_start(mdp, None, start, optimum)
    nu = first.optimum.require_stationary()
    dual = dual_from_policy(mdp, first.optimum.regularizer, MIRROR_MAP, first.policy)
    bound = float(nu @ (first.optimum.value - first.value))
    bounds = [bound]
    cost = (2.0 - mdp.discount) * np.log(mdp.n_actions) / mdp.discount
    for k, step in enumerate(step_sizes):
        if k == 0:
            bound += float(
                nu
                @ bregman_divergence(MIRROR_MAP, first.optimum.policy, dual, first.optimum.allowed)
            ) / (mdp.discount * step)
        bound = mdp.discount * bound + cost / step
        bounds.append(bound)
    return np.array(bounds)


@checked(
    mdp=Instance(MDP),
    step_sizes=ArrayOf("n", above=0.0, maximum=LARGE_ROOT, empty=True),
    errors=ArrayOf("m", minimum=0.0, maximum=LARGE_ROOT, empty=True),
    optimum=Instance(Optimum) | None,
    start=POLICY | None,
)
def homotopic_pmd_policy_bound(
    mdp: MDP,
    *,
    step_sizes: Float[Array, " n"],
    errors: Float[Array, " m"],
    start: ArrayLike | DeterministicPolicy | None = None,
    optimum: Optimum | None = None,
) -> Float[np.ndarray, " m"]:
    r"""Bound the distance of homotopic PMD from its limit, in ℓ1, in the worst state.

    The limit is the optimal policy of maximal entropy. The logarithm of the odds of two actions
    obeys \(L_{k+1} = \gamma (L_k + \eta_k (Q_k(a) - Q_k(b)))\). With e_k ≥ ‖Q* - Q_k‖ and Q_k ≤ Q*
    it stays, between two optimal actions, within
    \(\lambda_{k+1} = \gamma (\lambda_k + \eta_k e_k)\), and between another action and an optimal
    one below \(\gamma (L_k - \eta_k (\Delta_a - e_k))\), where Δ_a is the gap of the action. The
    distance is then at most \(2m + 2 (1 - e^{-\lambda})\), where m is the probability of actions
    that are not optimal under such odds. The bound depends on the values of the run; that λ → 0 is
    the theorem of Li, Lan & Zhao.

    Args:
        mdp: The model, γ < 1.
        step_sizes: (n,) η_k.
        errors: (n + 1,) bounds on ‖Q* - Q_k‖ in the sup norm.
        start: (S, A) π_0; by default uniform.
        optimum: The optimum, if it is known.

    Returns:
        (n + 1,) bounds, at most 2.

    Examples:
        >>> import numpy as np, regmdp as rm
        >>> mdp = rm.MDP(np.ones((1, 3, 1)), np.array([[1.0, 1.0, 0.0]]), discount=0.5)
        >>> start = np.array([[0.8, 0.1, 0.1]])
        >>> run = rm.theory.trace(
        ...     mdp, None, rm.algorithms.HomotopicPMD(), max_iterations=8, start=start
        ... )
        >>> errors = np.abs(run.optimum.q - run.q).max(axis=(1, 2))
        >>> bound = rm.theory.homotopic_pmd_policy_bound(
        ...     mdp, step_sizes=run.step_sizes, errors=errors, start=start
        ... )
        >>> distance = (
        ...     np.abs(run.policies - rm.theory.maximum_entropy_policy(mdp)).sum(axis=2).max(axis=1)
        ... )
        >>> bool(np.all(distance <= bound + 1e-12)), bool(bound[8] < 0.05)
        (True, True)

    References:
        Li, Lan & Zhao 2022, "Homotopic policy mirror descent: policy convergence, implicit
        regularization, and improved sample complexity". The bound is proved above.
    """
    first = evaluate_start(mdp, None, start, optimum)
    allowed, discount = first.optimum.allowed, mdp.discount
    best = _find_best_actions(first.optimum) > 0
    shortfall = -subtract_best(first.optimum.q, allowed)
    dual = np.where(
        allowed, dual_from_policy(mdp, first.optimum.regularizer, MIRROR_MAP, first.policy), 0.0
    )
    lowest = np.min(np.where(best, dual, np.inf), axis=1, initial=np.inf, keepdims=True)
    spread = np.where(best, dual - lowest, 0.0).max(axis=1)  # (S,) λ
    odds = np.where(
        allowed & ~best, dual - lowest, -np.inf
    )  # (S, A) L of an action against the least probable optimal one
    count = np.maximum(best.sum(axis=1), 1)
    tie = 4.0 * first.optimum.q_error
    bounds = []
    for k, error in enumerate(np.asarray(errors)):
        with np.errstate(over="ignore"):
            wasted = np.sum(np.exp(np.minimum(odds, 700.0)), axis=1) / count
        distance = 2.0 * wasted / (1.0 + wasted) + 2.0 * -np.expm1(-spread)
        bounds.append(float(np.max(np.minimum(distance, 2.0))))
        if k < len(step_sizes):
            step = float(step_sizes[k])
            spread = discount * (spread + step * (error + tie))
            odds = discount * (odds - step * (shortfall - error))
    return np.array(bounds)


# ---- comparison with runs ----


def _require_homotopic(run: Trace) -> None:
    require_exact(run)
    if not isinstance(run.improvement, HomotopicMirrorDescent):
        raise NotApplicableError("it is not homotopic mirror descent")
    if not run.mdp.discount > 0.0:
        raise NotApplicableError("the discount is 0")


def _compare_gap(run: Trace) -> ComparedValues:
    _require_homotopic(run)
    nu = run.require_stationary()
    if np.any(np.diff(run.step_sizes) < 0.0):
        raise NotApplicableError("its step sizes decrease")
    bound = homotopic_pmd_gap_bound(
        run.mdp, step_sizes=run.step_sizes, start=run.policies[0], optimum=run.optimum
    )
    horizon = 1.0 / (1.0 - run.mdp.discount)
    logs = _largest_logarithms(run)
    of_steps = float(np.max(logs[1:] / run.step_sizes, initial=0.0)) * 16 * UNIT_ROUNDOFF
    noise = (
        float(np.max(bound_q_rounding(run)))
        + of_steps
        + run.optimum.stationarity_error * horizon * run.mdp.reward_bound
    )
    slack = run.optimum.error + run.value_error + 8.0 * horizon**2 * noise
    return ComparedValues(
        np.arange(run.iterations + 1), (run.optimum.value - run.values) @ nu, bound, slack
    )


def _compare_policy(run: Trace) -> ComparedValues:
    _require_homotopic(run)
    errors = sup_norm(run.optimum.q - run.q, run.allowed) + bound_q_rounding(run)
    bound = homotopic_pmd_policy_bound(
        run.mdp,
        step_sizes=run.step_sizes,
        errors=errors,
        start=run.policies[0],
        optimum=run.optimum,
    )
    limit = maximum_entropy_policy(run.mdp, run.optimum)
    measured = np.max(np.sum(np.abs(run.policies - limit), axis=2), axis=1)
    logs = _largest_logarithms(run)
    slack = 64 * UNIT_ROUNDOFF * (run.mdp.n_actions + 8 + np.minimum(logs, 745.0))
    return ComparedValues(np.arange(run.iterations + 1), measured, bound, slack)


@cached_on_run
def _largest_logarithms(run: Trace) -> Float[np.ndarray, " m"]:
    """(n + 1,) largest |log π_k|."""
    found = dual_variables(run, MIRROR_MAP)
    return np.max(np.abs(np.where(np.isfinite(found), found, 0.0)), axis=(1, 2))


STATEMENTS = (
    Statement(
        "homotopic gap",
        "γ^k: Li, Lan & Zhao 2022, with the constants of homotopic_pmd_gap_bound",
        UpperBound,
        _compare_gap,
    ),
    Statement(
        "homotopic limit",
        "Li, Lan & Zhao 2022: to the optimal policy of maximal entropy",
        UpperBound,
        _compare_policy,
    ),
)
