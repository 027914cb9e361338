r"""Softmax policy gradient, with Shannon entropy or without.

R is the range of the rewards, 1 in the literature, and β = (8R + τ(4 + 8 log A))/(1-γ)³ is the
smoothness constant of V(ρ) in the logits.
"""

from __future__ import annotations

import math

import numpy as np

from regmdp._internal.arrays import UNIT_ROUNDOFF, Array, ArrayLike, Float
from regmdp._internal.errors import SolverError
from regmdp._internal.parameters import ArrayOf, Instance, Number, checked
from regmdp.evaluation import occupancy
from regmdp.improvement import SoftmaxGradient, advantage
from regmdp.mdp import MDP
from regmdp.mdp.deterministic import DeterministicPolicy
from regmdp.policies import POLICY
from regmdp.regularizers import Regularizer, Shannon, Unregularized
from regmdp.theory.dual_averaging import require_exact, uniform_temperature
from regmdp.theory.initial_policy import evaluate_start, require_positive_temperature
from regmdp.theory.linear_rates import bound_q_rounding
from regmdp.theory.optima import Optimum
from regmdp.theory.report import ComparedValues, NotApplicableError, UpperBound
from regmdp.theory.runs import Trace
from regmdp.theory.statements import Statement
from regmdp.theory.steps import distribution_mismatch
from regmdp.theory.unregularized import reward_range

__all__ = [
    "STATEMENTS",
    "bound_gradient_step_rounding",
    "require_smooth_steps",
    "smoothness_constant",
    "softmax_pg_bound",
]


@checked(mdp=Instance(MDP), regularizer=Instance(Regularizer) | None)
def smoothness_constant(mdp: MDP, regularizer: Regularizer | None = None) -> float:
    r"""Return the smoothness constant β of V(ρ) in the logits.

    .. math::
        \beta = \frac{8R + \tau(4 + 8 \log A)}{(1-\gamma)^3}

    Args:
        mdp: The model, γ < 1.
        regularizer: Shannon, or None.

    Examples:
        >>> import regmdp as rm
        >>> rm.theory.smoothness_constant(rm.models.bandit((1.0, 0.0), discount=0.5))
        64.0

    References:
        Agarwal, Kakade, Lee & Mahajan 2021, JMLR 22(98); Mei, Xiao, Szepesvári & Schuurmans 2020,
        ICML, Lemmas 7 and 14.
    """
    if not isinstance(regularizer, Shannon | Unregularized | None):
        raise SolverError(
            "the smoothness is known without a regularizer and with Shannon, not with "
            f"{type(regularizer).__name__}"
        )
    low, high = reward_range(mdp)
    tau = 0.0 if regularizer is None else regularizer.max_temperature
    return (8.0 * (high - low) + tau * (4.0 + 8.0 * math.log(mdp.n_actions))) / (
        1.0 - mdp.discount
    ) ** 3


@checked(
    mdp=Instance(MDP),
    regularizer=Instance(Regularizer),
    smallest_probabilities=ArrayOf("n", minimum=0.0, maximum=1.0, empty=True),
    step_size=Number(above=0.0, finite=False) | None,
    optimum=Instance(Optimum) | None,
    start=POLICY | None,
)
def softmax_pg_bound(
    mdp: MDP,
    regularizer: Regularizer,
    smallest_probabilities: Float[Array, " n"],
    *,
    step_size: float | None = None,
    start: ArrayLike | DeterministicPolicy | None = None,
    optimum: Optimum | None = None,
) -> Float[np.ndarray, " m"]:
    r"""Bound V*(ρ) - V_t(ρ) of entropy-regularized softmax policy gradient.

    .. math::
        V^*(\rho) - V_t(\rho)
        \le (V^*(\rho) - V_0(\rho)) \exp\left( - \frac{\eta \tau (1-\gamma)}{S}
        \left\| \frac{d_\rho^{\pi^*}}{\rho} \right\|_\infty^{-1} \min_s \rho(s)
        \left( \inf_{k < t} \min_{s,a} \pi_k(a|s) \right)^2 t \right)

    for η ≤ 1/β. At η = 1/β this is the published theorem: ητ(1-γ) = (1-γ)⁴/(8R/τ + 4 + 8 log A). It
    is so loose that only a run whose gap grows violates it. :func:`check` also tests the ascent of
    each step, V_{t+1}(ρ) ≥ V_t(ρ) + (η/2) ‖∇V_t(ρ)‖², from which it is proved.

    Args:
        mdp: The model, γ < 1.
        regularizer: Shannon, with one temperature τ > 0.
        smallest_probabilities: (n,) smallest probability of a permitted pair under π_k, k < n.
        step_size: η ≤ 1/β; by default 1/β.
        start: (S, A) π_0; by default uniform.
        optimum: The optimum, if it is known.

    Returns:
        (n + 1,) bounds for t = 0 … n.

    Examples:
        >>> import numpy as np, regmdp as rm
        >>> bound = rm.theory.softmax_pg_bound(
        ...     rm.models.bandit(), rm.Shannon(1.0), np.array([0.3, 0.3])
        ... )
        >>> bool(np.all(np.diff(bound) < 0))
        True

    References:
        Mei, Xiao, Szepesvári & Schuurmans 2020, ICML, Theorem 6.
    """
    if not isinstance(regularizer, Shannon):
        raise SolverError(
            f"this theorem is about Shannon entropy, not {type(regularizer).__name__}"
        )
    tau = require_positive_temperature(regularizer)
    largest = 1.0 / smoothness_constant(mdp, regularizer)
    step = largest if step_size is None else step_size
    if not 0.0 < step <= largest * (1.0 + 1e-12):
        raise SolverError(f"the step size must be in (0, 1/β] = (0, {largest:.6g}], not {step:.6g}")
    first = evaluate_start(mdp, regularizer, start, optimum)
    gap = max(float(mdp.initial @ (first.optimum.value - first.value)), 0.0)
    far = distribution_mismatch(occupancy(mdp, first.optimum.policy), mdp.initial)
    rate = (
        step * tau * (1.0 - mdp.discount) / mdp.n_states * float(np.min(mdp.initial)) / far
        if far < np.inf
        else 0.0
    )
    least = np.minimum.accumulate(np.asarray(smallest_probabilities, dtype=np.float64))
    return gap * np.exp(-rate * np.concatenate([[0.0], least**2 * np.arange(1, least.size + 1)]))


# ---- comparison with runs ----


def require_smooth_steps(run: Trace) -> None:
    """Check that a run is softmax policy gradient with steps of at most 1/β.

    Raises:
        NotApplicableError: if it is not.
    """
    require_exact(run)
    if not isinstance(run.improvement, SoftmaxGradient) or run.lookahead != 1:
        raise NotApplicableError("it is not softmax policy gradient")
    if not isinstance(run.regularizer, Shannon | Unregularized):
        raise NotApplicableError(
            "the smoothness is known without a regularizer and with Shannon only"
        )
    if np.any(run.step_sizes * smoothness_constant(run.mdp, run.regularizer) > 1.0 + 1e-12):
        raise NotApplicableError("its steps are longer than the inverse of the smoothness constant")


def bound_gradient_step_rounding(run: Trace) -> Float[np.ndarray, " n"]:
    """(n,) bound on the effect of the rounding of a step on the value, from any state."""
    horizon = 1.0 / (1.0 - run.mdp.discount)
    spread = np.max(
        np.abs(run.q), axis=(1, 2)
    ) + run.regularizer.max_temperature * run.regularizer.magnitude(run.mdp.n_actions)
    logits = [
        np.max(np.abs(np.where(np.isfinite(s.dual), s.dual, 0.0))) if s.dual is not None else 0.0
        for s in run.states[:-1]
    ]
    of_logits = 16 * UNIT_ROUNDOFF * (np.array(logits) + run.mdp.n_actions + 8)
    return (
        horizon * (2.0 * bound_q_rounding(run)[:-1] + of_logits * spread[:-1])
        + run.value_error[1:]
        + run.value_error[:-1]
    )


def _compare_ascent(run: Trace) -> ComparedValues:
    require_smooth_steps(run)
    values, squares = run.values_from_start, np.empty(run.iterations)
    for k in range(run.iterations):
        soft = advantage(run.regularizer, run.policies[k], run.q[k], run.mdp.available)
        squares[k] = np.sum((run.visits[k][:, None] * run.policies[k] * soft) ** 2)
    steps = np.arange(1, run.iterations + 1)
    return ComparedValues(
        steps,
        values[:-1] + 0.5 * run.step_sizes * squares,
        values[1:],
        bound_gradient_step_rounding(run),
    )


def _compare_gap(run: Trace) -> ComparedValues:
    require_smooth_steps(run)
    if not isinstance(run.regularizer, Shannon) or not uniform_temperature(run.regularizer) > 0.0:
        raise NotApplicableError("there is no entropy")
    smallest = np.min(np.where(run.allowed, run.policies[:-1], 1.0), axis=(1, 2))
    step = float(np.min(run.step_sizes, initial=np.inf))
    bound = softmax_pg_bound(
        run.mdp,
        run.regularizer,
        smallest,
        step_size=step if run.iterations else None,
        start=run.policies[0],
        optimum=run.optimum,
    )
    gap = run.mdp.initial @ run.optimum.value - run.values_from_start
    slack = (
        run.optimum.error
        + run.value_error
        + np.concatenate([[0.0], np.cumsum(bound_gradient_step_rounding(run))])
    )
    return ComparedValues(np.arange(run.iterations + 1), gap, bound, slack)


STATEMENTS = (
    Statement(
        "ascent",
        "V⁺(ρ) ≥ V(ρ) + (η/2) ‖∇V‖² for η ≤ 1/β: Mei et al. 2020, Lemmas 7 and 14",
        UpperBound,
        _compare_ascent,
    ),
    Statement("exponential gap", "Mei et al. 2020, Theorem 6", UpperBound, _compare_gap),
)
