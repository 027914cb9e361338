r"""Rates without a regularizer: natural policy gradient, and mirror descent with growing steps.

Index t of a returned array bounds iterate t.
"""

from __future__ import annotations

import math

import numpy as np

from regmdp._internal.arrays import ArrayLike, Float
from regmdp._internal.checks import LARGE_ROOT
from regmdp._internal.errors import SolverError
from regmdp._internal.parameters import Instance, Integer, Number, checked
from regmdp.evaluation import occupancy
from regmdp.improvement import Adaptive, MirrorDescent
from regmdp.improvement.dual_variables import dual_from_policy
from regmdp.mdp import MDP
from regmdp.mdp.deterministic import DeterministicPolicy
from regmdp.policies import POLICY
from regmdp.regularizers import Regularizer, Shannon
from regmdp.theory.dual_averaging import (
    DualAveragingRun,
    as_exact_dual_averaging,
    as_mirror_descent,
    bregman_divergence,
    require_exact,
)
from regmdp.theory.initial_policy import InitialPolicy, evaluate_start
from regmdp.theory.linear_rates import bound_q_rounding
from regmdp.theory.optima import Optimum
from regmdp.theory.report import ComparedValues, NotApplicableError, UpperBound
from regmdp.theory.runs import Trace
from regmdp.theory.statements import Statement
from regmdp.theory.steps import distribution_mismatch

__all__ = [
    "STATEMENTS",
    "adaptive_pmd_bound",
    "geometric_pmd_bound",
    "npg_bound",
    "reward_range",
]

#: The mirror map of natural policy gradient.
KL_MIRROR_MAP = Shannon(temperature=1.0)


@checked(
    mdp=Instance(MDP),
    step_size=Number(above=0.0, finite=False),
    iterations=Integer(0),
    optimum=Instance(Optimum) | None,
    start=POLICY | None,
)
def npg_bound(
    mdp: MDP,
    *,
    step_size: float,
    iterations: int,
    start: ArrayLike | DeterministicPolicy | None = None,
    optimum: Optimum | None = None,
) -> Float[np.ndarray, " n"]:
    r"""Bound V*(ρ) - V_t(ρ) of natural policy gradient without a regularizer.

    .. math::
        V^*(\rho) - V_t(\rho)
        \le \frac{1}{t} \left( \frac{D}{\eta} + \frac{R}{(1-\gamma)^2} \right), \qquad
        D = E_{s \sim d_\rho^{\pi^*}} KL(\pi^*(s) \| \pi_0(s))

    for any step size η > 0, where R is the range of the rewards. The published theorem has R = 1, a
    uniform π_0, and log A ≥ D instead of D.

    Args:
        mdp: The model, γ < 1.
        step_size: η.
        iterations: n.
        start: (S, A) π_0, positive where π* is; by default uniform.
        optimum: The optimum, if it is known.

    Returns:
        Bounds for t = 0 … n; ∞ at 0.

    Examples:
        >>> import numpy as np, regmdp as rm
        >>> mdp = rm.models.chain(5)
        >>> bound = rm.theory.npg_bound(mdp, step_size=1.0, iterations=100)
        >>> bool(np.isclose(bound[100], (np.log(2) + 100) / 100))
        True

    References:
        Agarwal, Kakade, Lee & Mahajan 2021, JMLR 22(98), Theorem 16, whose proof contains D
        before it is bounded by log A.
    """
    first = evaluate_start(mdp, None, start, optimum)
    low, high = reward_range(mdp)
    constant = (
        _start_divergence(first, KL_MIRROR_MAP) / step_size
        + (high - low) / (1.0 - mdp.discount) ** 2
    )
    return np.concatenate([[np.inf], constant / np.arange(1, iterations + 1)])


@checked(
    mdp=Instance(MDP),
    initial=Number(above=0.0, maximum=LARGE_ROOT),
    iterations=Integer(0),
    mirror=Instance(Regularizer),
    optimum=Instance(Optimum) | None,
    start=POLICY | None,
)
def geometric_pmd_bound(
    mdp: MDP,
    *,
    initial: float,
    iterations: int,
    mirror: Regularizer = KL_MIRROR_MAP,
    start: ArrayLike | DeterministicPolicy | None = None,
    optimum: Optimum | None = None,
) -> Float[np.ndarray, " n"]:
    r"""Bound V*(ρ) - V_k(ρ) of unregularized mirror descent with geometrically growing steps.

    .. math::
        V^*(\rho) - V_k(\rho)
        \le \left( 1 - \frac{1}{\vartheta} \right)^k \left( V^*(\rho) - V_0(\rho)
        + \frac{D}{(1-\gamma) (\vartheta - 1) \eta_0} \right), \qquad
        \vartheta = \frac{1}{1-\gamma} \left\| \frac{d_\rho^{\pi^*}}{\rho} \right\|_\infty

    for steps that grow by 1/γ or more. D is the divergence of :func:`npg_bound`, for the mirror
    map.
    With rewards in [0, 1]
    and \(\eta_0 \ge \frac{1-\gamma}{\gamma} D\) the bracket is at most 2/(1-γ), the usual
    form. The potential, the gap plus \(D_k/((1-\gamma)(\vartheta-1)\eta_k)\), shrinks by 1 - 1/ϑ
    in each step.

    Args:
        mdp: The model, 0 < γ < 1.
        initial: η_0 of mirror descent.
        iterations: n.
        mirror: The mirror map; by default that of the Kullback-Leibler divergence.
        start: (S, A) π_0; by default uniform.
        optimum: The optimum, if it is known.

    Returns:
        Bounds for k = 0 … n; ∞ if π* reaches states with ρ = 0.

    Examples:
        >>> import numpy as np, regmdp as rm
        >>> mdp = rm.models.chain(3, discount=0.5).with_initial(np.full(3, 1 / 3))
        >>> bound = rm.theory.geometric_pmd_bound(mdp, initial=1.0, iterations=3)
        >>> (bound[1:] / bound[:-1]).round(4)
        array([0.7143, 0.7143, 0.7143])

    References:
        Xiao 2022, JMLR 23(282), section 4. Steps must grow by ϑ/(ϑ-1), for which 1/γ is enough if
        episodes do not end.
    """
    first = evaluate_start(mdp, None, start, optimum)
    theta = _mismatch_ratio(first.optimum)
    gap = max(float(mdp.initial @ (first.optimum.value - first.value)), 0.0)
    if not 1.0 < theta < np.inf:
        return np.full(iterations + 1, np.inf)
    constant = gap + _start_divergence(first, mirror) / (
        (1.0 - mdp.discount) * (theta - 1.0) * initial
    )
    return constant * (1.0 - 1.0 / theta) ** np.arange(iterations + 1)


@checked(
    mdp=Instance(MDP),
    regularizer=Instance(Regularizer) | None,
    initial=Number(above=0.0, maximum=LARGE_ROOT),
    iterations=Integer(0),
    lookahead=Integer(),
    optimum=Instance(Optimum) | None,
    start=POLICY | None,
)
def adaptive_pmd_bound(
    mdp: MDP,
    regularizer: Regularizer | None = None,
    *,
    initial: float,
    iterations: int,
    lookahead: int = 1,
    start: ArrayLike | DeterministicPolicy | None = None,
    optimum: Optimum | None = None,
) -> Float[np.ndarray, " n"]:
    r"""Bound ‖V* - V_k‖ of mirror descent with adaptive steps and an h-step lookahead.

    .. math::
        \|V^* - V_k\|_\infty
        \le \gamma^{hk} \left( \|V^* - V_0\|_\infty + \frac{c_0}{(1-\gamma)^2} \right), \qquad
        \eta_k \ge \max_s \min_p \frac{D(p, \pi_k(s))}{c_k}, \quad c_k = \gamma^{2h(k+1)} c_0

    where p runs through the greedy distributions for \(Q_h = r + \gamma P T^{h-1} V_k\). A step is
    then within c_k of a greedy step, so that ‖V* - V_{k+1}‖ ≤ γ^h ‖V* - V_k‖ + c_k/(1-γ). This also
    holds with a regularizer.

    Args:
        mdp: The model, γ < 1.
        regularizer: The regularizer, or None as in the literature.
        initial: c_0, in the unit of the rewards.
        iterations: n.
        lookahead: h.
        start: (S, A) π_0; by default uniform.
        optimum: The optimum, if it is known.

    Returns:
        Bounds for k = 0 … n.

    Examples:
        >>> import regmdp as rm
        >>> mdp = rm.models.chain(5)
        >>> algorithm = rm.algorithms.PMD(rm.algorithms.Adaptive(0.1), lookahead=2)
        >>> run = rm.theory.trace(mdp, None, algorithm, max_iterations=10)
        >>> bound = rm.theory.adaptive_pmd_bound(mdp, initial=0.1, iterations=10, lookahead=2)
        >>> bool((run.optimum.value - run.values).max(axis=1)[10] <= bound[10])
        True

    References:
        Johnson, Pike-Burke & Rebeschini 2023, NeurIPS, for h = 1; Protopapas & Barakat 2024,
        NeurIPS, for any h.
    """
    first = evaluate_start(mdp, regularizer, start, optimum)
    gap = float(np.max(first.optimum.value - first.value, initial=0.0))
    constant = gap + initial / (1.0 - mdp.discount) ** 2
    return constant * (mdp.discount**lookahead) ** np.arange(iterations + 1.0)


@checked(mdp=Instance(MDP))
def reward_range(mdp: MDP) -> tuple[float, float]:
    """Return the smallest and the largest reward, including 0 if episodes end.

    Examples:
        >>> import regmdp as rm
        >>> rm.theory.reward_range(rm.models.bandit())
        (0.1, 1.0)
    """
    rewards = mdp.rewards[mdp.available]
    low, high = float(np.min(rewards)), float(np.max(rewards))
    return (min(low, 0.0), max(high, 0.0)) if mdp.terminates else (low, high)


def _start_divergence(first: InitialPolicy, mirror: Regularizer) -> float:
    """Return the divergence of π* from π_0, averaged over the visits of π*."""
    optimum = first.optimum
    visited = occupancy(optimum.mdp, optimum.policy)
    try:
        dual = dual_from_policy(optimum.mdp, optimum.regularizer, mirror, first.policy)
    except SolverError:  # π_0 is on the boundary, where the method cannot start
        return math.inf
    return float(visited @ bregman_divergence(mirror, optimum.policy, dual, optimum.allowed))


def _mismatch_ratio(optimum: Optimum) -> float:
    """Return ϑ = ‖d_ρ^π*/ρ‖/(1-γ)."""
    return distribution_mismatch(occupancy(optimum.mdp, optimum.policy), optimum.mdp.initial) / (
        1.0 - optimum.mdp.discount
    )


# ---- comparison with runs ----


def _require_unregularized(run: Trace) -> None:
    if run.regularizer.max_temperature > 0.0:
        raise NotApplicableError("there is a regularizer")


def _gap_from_initial(run: Trace) -> Float[np.ndarray, " n"]:
    return run.mdp.initial @ run.optimum.value - run.values_from_start


def _accumulate_rounding(run: Trace, view: DualAveragingRun) -> Float[np.ndarray, " n"]:
    """(n + 1,) bound on the accumulated rounding in a gap from ρ."""
    horizon = 1.0 / (1.0 - run.mdp.discount)
    noise = float(np.max(view.noise, initial=0.0))
    return (
        run.optimum.error + run.value_error + 4.0 * horizon**2 * noise * np.ones(run.iterations + 1)
    )


def _compare_npg(run: Trace) -> ComparedValues:
    view = as_exact_dual_averaging(run)
    _require_unregularized(run)
    if not isinstance(view.mirror, Shannon):
        raise NotApplicableError("its divergence is not the Kullback-Leibler divergence")
    if run.iterations == 0:
        raise NotApplicableError("no iteration was made")
    inverse = view.inverse_steps
    if not np.all(np.abs(inverse - inverse[0]) <= 1e-12 * inverse[0]):
        raise NotApplicableError("its step sizes differ between iterations")
    step = (1.0 - run.mdp.discount) / float(inverse[0])
    bound = npg_bound(
        run.mdp,
        step_size=step,
        iterations=run.iterations,
        start=run.policies[0],
        optimum=run.optimum,
    )
    gap, slack = _gap_from_initial(run), _accumulate_rounding(run, view)
    return ComparedValues(np.arange(1, run.iterations + 1), gap[1:], bound[1:], slack[1:])


def _compare_geometric(run: Trace) -> ComparedValues:
    view = as_mirror_descent(run)
    _require_unregularized(run)
    theta = _mismatch_ratio(run.optimum)
    if not theta < np.inf:
        raise NotApplicableError("the optimal policy reaches states with initial probability 0")
    if not theta > 1.0 + 1e-12 or run.iterations == 0:
        raise NotApplicableError("the gap cannot shrink, or no iteration was made")
    growth = view.inverse_steps[:-1] / np.maximum(view.inverse_steps[1:], 1e-300)
    grows = growth >= theta / (theta - 1.0) * (1.0 - 1e-12)
    last = (
        int(np.argmin(np.append(grows, False))) + 1
    )  # the bound holds up to the first step that grew too little
    if last < min(2, run.iterations):
        raise NotApplicableError(
            "its step sizes do not grow by ϑ/(ϑ-1), which is 1/γ if episodes do not end"
        )
    bound = geometric_pmd_bound(
        run.mdp,
        initial=1.0 / float(view.inverse_steps[0]),
        iterations=run.iterations,
        mirror=view.mirror,
        start=run.policies[0],
        optimum=run.optimum,
    )
    slack = theta * _accumulate_rounding(run, view)
    every = np.arange(last + 1)
    return ComparedValues(every, _gap_from_initial(run)[every], bound[every], slack[every])


def _compare_adaptive(run: Trace) -> ComparedValues:
    require_exact(run)
    improvement = run.improvement
    if not isinstance(improvement, MirrorDescent) or not isinstance(
        improvement.step_size, Adaptive
    ):
        raise NotApplicableError("its step sizes are not adaptive")
    bound = adaptive_pmd_bound(
        run.mdp, run.regularizer, initial=improvement.step_size.initial, iterations=run.iterations,
        lookahead=run.lookahead, start=run.policies[0], optimum=run.optimum,
    )  # fmt: skip
    gap = np.max(run.optimum.value - run.values, axis=1)
    horizon = 1.0 / (1.0 - run.mdp.discount)
    slack = (
        run.optimum.error
        + run.value_error
        + 4.0 * horizon**2 * float(np.max(bound_q_rounding(run)))
    )
    return ComparedValues(np.arange(run.iterations + 1), gap, bound, slack)


STATEMENTS = (
    Statement("sublinear gap", "Agarwal et al. 2021, Theorem 16", UpperBound, _compare_npg),
    Statement("growing steps", "Xiao 2022, section 4", UpperBound, _compare_geometric),
    Statement(
        "adaptive steps",
        "Johnson et al. 2023; Protopapas & Barakat 2024",
        UpperBound,
        _compare_adaptive,
    ),
)
