r"""Softmax policy gradient without a regularizer: it ascends, and its limit is optimal.

The gradient dominates the gap, ‖∇V_t(ρ)‖ ≥ c_t (V*(ρ) - V_t(ρ)), and a step of size η ≤ 1/β gains
at least (η/2) ‖∇V_t(ρ)‖². Together

.. math::
    \frac{1}{V^*(\rho) - V_t(\rho)}
    \ge \frac{1}{V^*(\rho) - V_0(\rho)} + \frac{\eta}{2} \sum_{k<t} c_k^2

so that the gap tends to 0 as long as c_k does not, which is proved for every start in the interior
and a positive ρ. How small c_k becomes depends on the run: there is no rate in terms of the model.
"""

from __future__ import annotations

import math

import numpy as np

from regmdp._internal.arrays import Array, ArrayLike, Float
from regmdp._internal.checks import LARGE_ROOT
from regmdp._internal.errors import SolverError
from regmdp._internal.parameters import ArrayOf, Instance, Number, checked
from regmdp.evaluation import visits
from regmdp.improvement import advantage
from regmdp.mdp import MDP
from regmdp.mdp.deterministic import DeterministicPolicy
from regmdp.policies import POLICY, check_policy
from regmdp.regularizers import Unregularized
from regmdp.theory.initial_policy import evaluate_start
from regmdp.theory.linear_rates import bound_q_rounding
from regmdp.theory.optima import Optimum, compute_optimum
from regmdp.theory.report import ComparedValues, NotApplicableError, UpperBound
from regmdp.theory.runs import Trace, cached_on_run
from regmdp.theory.softmax import bound_gradient_step_rounding, require_smooth_steps
from regmdp.theory.statements import Statement

__all__ = ["STATEMENTS", "gradient_dominance_constant", "softmax_pg_asymptotic_bound"]


@checked(
    mdp=Instance(MDP),
    optimum=Instance(Optimum) | None,
    policy=POLICY,
)
def gradient_dominance_constant(
    mdp: MDP, policy: ArrayLike | DeterministicPolicy, optimum: Optimum | None = None
) -> float:
    r"""Return a c with ‖∇V^π(ρ)‖ ≥ c (V*(ρ) - V^π(ρ)), the gradient in the logits.

    .. math::
        c = \frac{1}{\sqrt{S}} \left\| \frac{d_\rho^{\pi^*}}{d_\rho^\pi} \right\|_\infty^{-1}
        \min_s \pi(a^*(s) | s)

    without a regularizer; a*(s) is an optimal action. The only stationary points in the interior
    are therefore optimal; c is small where π hardly takes optimal actions.

    Args:
        mdp: The model, γ < 1.
        policy: (S, A) or (S,) π.
        optimum: The optimum without a regularizer, if it is known.

    Returns:
        c, between 0 and 1; 0 if π does not visit some state that π* visits.

    Raises:
        PolicyError: if the policy is not one of this model.
        SolverError: if γ = 1, or the optimum is that of a regularizer.

    Examples:
        >>> import numpy as np, regmdp as rm
        >>> arms = rm.models.bandit((1.0, 0.0), discount=0.5)
        >>> half = np.array([[0.5, 0.5]])
        >>> rm.theory.gradient_dominance_constant(arms, half)
        0.5
        >>> gap = 2.0 - 1.0
        >>> bool(np.linalg.norm(rm.theory.softmax_gradient(arms, None, half)) >= 0.5 * gap)
        True

    References:
        Mei, Xiao, Szepesvári & Schuurmans 2020, ICML, Lemma 8 (non-uniform Łojasiewicz inequality).
    """
    optimum = compute_optimum(mdp) if optimum is None else optimum
    if not isinstance(optimum.regularizer, Unregularized):
        raise SolverError("this inequality is about the value without a regularizer")
    checked = np.asarray(check_policy(mdp, policy, optimum.regularizer))
    best = _choose_optimal_actions(optimum)
    return _measure_dominance(
        checked, best, visits(mdp, checked), visits(mdp, np.eye(mdp.n_actions)[best])
    )


def _choose_optimal_actions(optimum: Optimum) -> np.ndarray:
    """(S,) optimal actions, one for each state."""
    return np.argmax(np.where(optimum.allowed, optimum.q, -np.inf), axis=1)


def _measure_dominance(
    policy: Float[np.ndarray, "S A"],
    best: np.ndarray,
    visited: Float[np.ndarray, " S"],
    visited_by_best: Float[np.ndarray, " S"],
) -> float:
    """Return c from π, (S,) optimal actions, and the (S,) visits of π and of π*."""
    reached = (visited_by_best > 0.0) & np.any(policy > 0.0, axis=1)  # not terminal states
    ratio = np.min(visited[reached] / visited_by_best[reached])
    least = np.min(policy[np.arange(best.size), best][reached])
    return float(ratio * least / math.sqrt(best.size))


@checked(
    mdp=Instance(MDP),
    constants=ArrayOf("n", minimum=0.0, maximum=LARGE_ROOT, empty=True),
    step_size=Number(above=0.0, finite=False),
    optimum=Instance(Optimum) | None,
    start=POLICY | None,
)
def softmax_pg_asymptotic_bound(
    mdp: MDP,
    constants: Float[Array, " n"],
    *,
    step_size: float,
    start: ArrayLike | DeterministicPolicy | None = None,
    optimum: Optimum | None = None,
) -> Float[np.ndarray, " m"]:
    r"""Bound V*(ρ) - V_t(ρ) of softmax policy gradient without a regularizer.

    .. math::
        V^*(\rho) - V_t(\rho)
        \le \left( \frac{1}{V^*(\rho) - V_0(\rho)} + \frac{\eta}{2} \sum_{k<t} c_k^2 \right)^{-1}

    for η ≤ 1/β, β = :func:`smoothness_constant`, and the c_k of
    :func:`gradient_dominance_constant`. It tends to 0 like 1/t, because inf_k c_k > 0 for every
    start in the interior if ρ is positive everywhere: the limit is optimal.

    Args:
        mdp: The model, γ < 1.
        constants: (n,) c_k, k < n.
        step_size: η ≤ 1/β.
        start: (S, A) π_0; by default uniform.
        optimum: The optimum, if it is known.

    Returns:
        (n + 1,) bounds for t = 0 … n.

    Examples:
        >>> import numpy as np, regmdp as rm
        >>> arms = rm.models.bandit((1.0, 0.0), discount=0.5)
        >>> step = 1 / rm.theory.smoothness_constant(arms)
        >>> bound = rm.theory.softmax_pg_asymptotic_bound(arms, np.full(1000, 0.5), step_size=step)
        >>> bound[[0, 1000]].round(3)
        array([1.   , 0.339])

    References:
        Agarwal, Kakade, Lee & Mahajan 2021, JMLR 22(98), Theorem 10, for the limit; Mei, Xiao,
        Szepesvári & Schuurmans 2020, ICML, Theorem 4, for the rate in terms of inf_k c_k.
    """
    first = evaluate_start(mdp, None, start, optimum)
    gap = float(mdp.initial @ (first.optimum.value - first.value))
    gained = 0.5 * step_size * np.cumsum(np.asarray(constants, dtype=np.float64) ** 2)
    if not gap > 0.0:
        return np.full(gained.size + 1, max(gap, 0.0))
    return np.concatenate([[gap], 1.0 / (1.0 / gap + gained)])


# ---- comparison with runs ----


def _require_unregularized_gradient(run: Trace) -> None:
    require_smooth_steps(run)
    if not isinstance(run.regularizer, Unregularized):
        raise NotApplicableError("there is a regularizer")


@cached_on_run
def _measure_constants(run: Trace) -> Float[np.ndarray, " n"]:
    """(n + 1,) c_k of the policies of a run."""
    best = _choose_optimal_actions(run.optimum)
    visited = visits(run.mdp, np.eye(run.mdp.n_actions)[best])
    return np.array(
        [
            _measure_dominance(policy, best, own, visited)
            for policy, own in zip(run.policies, run.visits, strict=True)
        ]
    )


def _compare_rise(run: Trace) -> ComparedValues:
    _require_unregularized_gradient(run)
    gained = np.min(np.diff(run.values, axis=0), axis=1)
    return ComparedValues(
        np.arange(1, run.iterations + 1),
        np.zeros(run.iterations),
        gained,
        bound_gradient_step_rounding(run),
    )


def _compare_dominance(run: Trace) -> ComparedValues:
    _require_unregularized_gradient(run)
    norms = np.empty(run.iterations + 1)
    for k, (policy, visited) in enumerate(zip(run.policies, run.visits, strict=True)):
        soft = advantage(run.regularizer, policy, run.q[k], run.mdp.available)
        norms[k] = np.linalg.norm(visited[:, None] * policy * soft)
    gap = run.mdp.initial @ run.optimum.value - run.values_from_start
    horizon = 1.0 / (1.0 - run.mdp.discount)
    slack = run.optimum.error + run.value_error + 4.0 * horizon * bound_q_rounding(run)
    return ComparedValues(
        np.arange(run.iterations + 1), _measure_constants(run) * gap, norms, slack
    )


def _compare_asymptotic_gap(run: Trace) -> ComparedValues:
    _require_unregularized_gradient(run)
    if run.iterations == 0:
        raise NotApplicableError("no iteration was made")
    bound = softmax_pg_asymptotic_bound(
        run.mdp,
        _measure_constants(run)[:-1],
        step_size=float(np.min(run.step_sizes)),
        start=run.policies[0],
        optimum=run.optimum,
    )
    gap = run.mdp.initial @ run.optimum.value - run.values_from_start
    rounding = np.concatenate([[0.0], np.cumsum(bound_gradient_step_rounding(run))])
    slack = run.optimum.error + run.value_error + rounding
    return ComparedValues(np.arange(run.iterations + 1), gap, bound, slack)


STATEMENTS = (
    Statement(
        "rise in each state",
        "V⁺(s) ≥ V(s) for η ≤ 1/β: in the proof of Agarwal et al. 2021, Theorem 10",
        UpperBound,
        _compare_rise,
    ),
    Statement(
        "gradient dominance",
        "c (V*(ρ) - V(ρ)) ≤ ‖∇V(ρ)‖: Mei et al. 2020, Lemma 8",
        UpperBound,
        _compare_dominance,
    ),
    Statement(
        "asymptotic gap",
        "the limit is optimal: Agarwal et al. 2021, Theorem 10; Mei et al. 2020, Theorem 4",
        UpperBound,
        _compare_asymptotic_gap,
    ),
)
