"""Greedy steps: value iteration, policy iteration and averaged policy iteration."""

from __future__ import annotations

import numpy as np

from regmdp._internal.arrays import ArrayLike, Float
from regmdp._internal.errors import SolverError
from regmdp._internal.parameters import Instance, Integer, Number, checked
from regmdp.algorithms import ValueIteration
from regmdp.certificates import backup_error
from regmdp.improvement import Greedy, Mixture
from regmdp.mdp import MDP
from regmdp.mdp.deterministic import DeterministicPolicy
from regmdp.policies import POLICY
from regmdp.regularizers import KL, Regularizer, Shannon
from regmdp.theory.dual_averaging import (
    DualAveragingRun,
    as_exact_dual_averaging,
    require_exact,
    uniform_temperature,
)
from regmdp.theory.initial_policy import evaluate_start, require_positive_temperature
from regmdp.theory.linear_rates import bound_q_rounding
from regmdp.theory.optima import Optimum, compute_optimum, sup_norm
from regmdp.theory.report import ComparedValues, NotApplicableError, UpperBound
from regmdp.theory.runs import Trace
from regmdp.theory.statements import Statement

__all__ = ["STATEMENTS", "averaged_policy_iteration_bound", "newton_constant", "quadratic_constant"]


@checked(mdp=Instance(MDP), regularizer=Instance(Regularizer), optimum=Instance(Optimum) | None)
def quadratic_constant(mdp: MDP, regularizer: Regularizer, optimum: Optimum | None = None) -> float:
    r"""Return c with x_{t+1} ≤ c x_t² for soft policy iteration near the optimum.

    .. math::
        c = \frac{4 \gamma^2}{(1-\gamma) \tau} \left\| \frac{1}{\nu^*} \right\|_\infty

    where x_t = V*(ν*) - V_t(ν*). Near means \(\|\log \pi_{t+1} - \log \pi^*\|_\infty \le 1\). The
    bound is loose, because ‖1/ν*‖ ≥ S. :func:`newton_constant` has neither limitation.

    Args:
        mdp: The model, γ < 1.
        regularizer: Shannon or KL, with one temperature τ > 0.
        optimum: The optimum, if it is known.

    Returns:
        c, in 1/(unit of the rewards); ∞ if π* does not return to some state.

    Raises:
        SolverError: if episodes end, so that there is no ν*.

    Examples:
        >>> import regmdp as rm
        >>> rm.theory.quadratic_constant(rm.models.bandit(discount=0.5), rm.Shannon(1.0))
        2.0

    References:
        Cen et al. 2022, Operations Research 70(4), Theorem 3.
    """
    tau = require_positive_temperature(regularizer)
    optimum = compute_optimum(mdp, regularizer) if optimum is None else optimum
    least = float(np.min(optimum.require_stationary()))
    return 4.0 * mdp.discount**2 / ((1.0 - mdp.discount) * tau * least) if least > 0.0 else np.inf


@checked(mdp=Instance(MDP), regularizer=Instance(Regularizer))
def newton_constant(mdp: MDP, regularizer: Regularizer) -> float:
    r"""Return c of the global quadratic convergence of regularized policy iteration.

    .. math::
        \|V^* - V_{t+1}\|_\infty \le c \|V^* - V_t\|_\infty^2, \qquad
        c = \frac{\gamma^2}{8 \mu \tau (1-\gamma)}

    for any h that is μ-strongly convex in ℓ1, from any policy. By the gap identity
    \(V^* - V_{t+1}\) is the expected sum, over 1/(1-γ) visits, of
    \(\tau D_h(\pi_{t+1}, \pi^*) = \tau D_{h^*}(Q^*/\tau, Q_t/\tau)\).
    As h* is 1/μ-smooth in the sup norm, and its divergence is invariant to constants, this is at
    most \(\frac{1}{2\mu\tau} (\frac12 \mathrm{span}(Q^* - Q_t))^2\). And Q* - Q_t lies between 0
    and γ‖V* - V_t‖.

    Args:
        mdp: The model, γ < 1.
        regularizer: One with strong convexity and one temperature τ > 0.

    Examples:
        >>> import regmdp as rm
        >>> rm.theory.newton_constant(rm.models.chain(5, discount=0.5), rm.Shannon(1.0))
        0.0625

    References:
        Puterman & Brumelle 1979, Mathematics of Operations Research 4(1), for Newton's method; the
        constant is proved above.
    """
    modulus = regularizer.strong_convexity(mdp.n_actions)
    if not modulus > 0.0:
        raise SolverError(
            f"{type(regularizer).__name__} is not known to be strongly convex, as this bound "
            "requires"
        )
    return mdp.discount**2 / (
        8.0 * modulus * require_positive_temperature(regularizer) * (1.0 - mdp.discount)
    )


@checked(
    mdp=Instance(MDP),
    regularizer=Instance(Regularizer) | None,
    share=Number(above=0.0, maximum=1.0),
    iterations=Integer(0),
    optimum=Instance(Optimum) | None,
    start=POLICY | None,
)
def averaged_policy_iteration_bound(
    mdp: MDP,
    regularizer: Regularizer | None = None,
    *,
    share: float,
    iterations: int,
    start: ArrayLike | DeterministicPolicy | None = None,
    optimum: Optimum | None = None,
) -> Float[np.ndarray, " n"]:
    r"""Bound ‖V* - V_t‖ of averaged policy iteration, π ← (1-β) π + β ∇h*(Q/τ).

    .. math::
        \|V^* - V_{t+1}\|_\infty \le (1 - \beta (1 - \gamma)) \|V^* - V_t\|_\infty

    for any regularizer or none. As h is convex, one backup of V under the new policy is at least
    (1-β) V + β TV ≥ V, and the value of the policy is at least as large.

    Args:
        mdp: The model, γ < 1.
        regularizer: The regularizer, or None.
        share: β; 1 is policy iteration.
        iterations: n.
        start: (S, A) π_0; by default uniform.
        optimum: The optimum, if it is known.

    Returns:
        Bounds for t = 0 … n.

    Examples:
        >>> import regmdp as rm
        >>> bound = rm.theory.averaged_policy_iteration_bound(
        ...     rm.models.chain(5, discount=0.5), rm.Shannon(0.1), share=0.5, iterations=2
        ... )
        >>> (bound[1:] / bound[:-1]).round(6)
        array([0.75, 0.75])

    References:
        Kakade & Langford 2002, ICML; Geist, Scherrer & Pietquin 2019, ICML, for regularized
        operators. The proof is above.
    """
    first = evaluate_start(mdp, regularizer, start, optimum)
    gap = float(np.max(first.optimum.value - first.value, initial=0.0))
    return gap * (1.0 - share * (1.0 - mdp.discount)) ** np.arange(iterations + 1)


# ---- comparison with runs ----


def _compare_value_iteration(run: Trace) -> ComparedValues:
    if not isinstance(run.algorithm, ValueIteration):
        raise NotApplicableError("it is not value iteration")
    gap = np.max(np.abs(run.optimum.value - run.values), axis=1, initial=0.0)
    rounding = np.array(
        [backup_error(run.mdp, run.regularizer, value) for value in run.values[:-1]]
    )
    return ComparedValues(
        np.arange(1, run.iterations + 1),
        gap[1:],
        run.mdp.discount * gap[:-1],
        rounding + 2.0 * run.optimum.error,
    )


def _as_greedy_steps(run: Trace) -> DualAveragingRun:
    view = as_exact_dual_averaging(run)
    view.require_constant_step()
    if np.any(view.inverse_steps > 0.0):
        raise NotApplicableError("its steps are not greedy")
    return view


def _compare_quadratic(run: Trace) -> ComparedValues:
    view = _as_greedy_steps(run)
    if not isinstance(run.regularizer, Shannon | KL):
        raise NotApplicableError("the regularizer is neither Shannon nor KL")
    nu = run.require_stationary()
    gap = (run.optimum.value - run.values) @ nu
    constant = quadratic_constant(run.mdp, run.regularizer, run.optimum)
    if not constant < np.inf:
        raise NotApplicableError("the optimal policy does not return to some state")
    tau = uniform_temperature(run.regularizer)
    best = np.asarray(run.regularizer.maximum(run.optimum.q, run.mdp.available))
    optimal = np.where(run.allowed, (run.optimum.q - best[:, None]) / tau, 0.0)
    near = (
        np.flatnonzero(
            sup_norm(optimal - np.where(run.allowed, view.duals, 0.0), run.allowed)[1:] <= 1.0
        )
        + 1
    )
    if near.size == 0:
        raise NotApplicableError("no iterate is near the optimum")
    error = run.value_error + run.optimum.error
    slack = (
        error[near]
        + 2.0 * constant * np.abs(gap[near - 1]) * error[near - 1]
        + constant * error[near - 1] ** 2
    )
    noise = view.noise[near - 1]
    farthest = run.mdp.discount * np.max(np.abs(run.optimum.value - run.values), axis=1)[near - 1]
    slack = slack + (noise + noise * (farthest + noise) / (2.0 * tau)) / (1.0 - run.mdp.discount)
    return ComparedValues(near, gap[near], constant * gap[near - 1] ** 2, slack)


def _compare_newton(run: Trace) -> ComparedValues:
    view = _as_greedy_steps(run)
    if not run.regularizer.strong_convexity(run.mdp.n_actions) > 0.0:
        raise NotApplicableError(
            f"{type(run.regularizer).__name__} is not known to be strongly convex"
        )
    constant = newton_constant(run.mdp, run.regularizer)
    gap = np.max(np.abs(run.optimum.value - run.values), axis=1, initial=0.0)
    error = run.value_error + run.optimum.error
    # the noise changes Q* - Q_t: the square grows by the product, besides the loss of the policy
    modulus, tau = (
        run.regularizer.strong_convexity(run.mdp.n_actions),
        uniform_temperature(run.regularizer),
    )
    product = view.noise * (run.mdp.discount * gap[:-1] + view.noise) / (2.0 * modulus * tau)
    slack = error[1:] + constant * (2.0 * gap[:-1] + error[:-1]) * error[:-1]
    slack = slack + (view.noise + product) / (1.0 - run.mdp.discount)
    return ComparedValues(
        np.arange(1, run.iterations + 1), gap[1:], constant * gap[:-1] ** 2, slack
    )


def _compare_averaged_step(run: Trace) -> ComparedValues:
    require_exact(run)
    if run.lookahead != 1:
        raise NotApplicableError("it uses a lookahead of several steps")
    match run.improvement:
        case Greedy():
            share = 1.0
        case Mixture(share=share):
            pass
        case _:
            raise NotApplicableError("its policies are not averages with greedy policies")
    gap = np.max(np.abs(run.optimum.value - run.values), axis=1, initial=0.0)
    error = run.value_error + run.optimum.error
    rounding = error[1:] + error[:-1] + 4.0 / (1.0 - run.mdp.discount) * bound_q_rounding(run)[:-1]
    return ComparedValues(
        np.arange(1, run.iterations + 1),
        gap[1:],
        (1.0 - share * (1.0 - run.mdp.discount)) * gap[:-1],
        rounding,
    )


STATEMENTS = (
    Statement(
        "value iteration",
        "‖V* - TV‖ ≤ γ ‖V* - V‖: Puterman 1994, section 6.3",
        UpperBound,
        _compare_value_iteration,
    ),
    Statement(
        "averaged step",
        "1 - β(1-γ): see averaged_policy_iteration_bound",
        UpperBound,
        _compare_averaged_step,
    ),
    Statement("quadratic convergence", "see newton_constant", UpperBound, _compare_newton),
    Statement(
        "quadratic convergence from ν*",
        "Cen et al. 2022, Theorem 3, where π is near π*",
        UpperBound,
        _compare_quadratic,
    ),
)
