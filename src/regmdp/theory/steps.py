r"""Statements about one step of mirror descent: linear systems and potentials.

They compare each iterate with the previous one, and therefore are the sharpest statements.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from regmdp._internal.arrays import UNIT_ROUNDOFF, Array, ArrayLike, Float
from regmdp._internal.errors import SolverError
from regmdp._internal.parameters import ArrayOf, Instance, Integer, Number, checked
from regmdp.improvement.dual_variables import dual_from_policy
from regmdp.mdp import MDP
from regmdp.mdp.deterministic import DeterministicPolicy
from regmdp.policies import POLICY
from regmdp.regularizers import Regularizer
from regmdp.theory.dual_averaging import (
    as_exact_dual_averaging,
    as_mirror_descent,
    bregman_divergence,
    uniform_temperature,
)
from regmdp.theory.initial_policy import (
    InitialPolicy,
    evaluate_start,
    require_positive_temperature,
    scale_dual,
)
from regmdp.theory.linear_rates import bound_q_rounding
from regmdp.theory.optima import Optimum, sup_norm
from regmdp.theory.report import ComparedValues, NotApplicableError, UpperBound
from regmdp.theory.runs import Trace, cached_on_run
from regmdp.theory.statements import Statement

__all__ = [
    "STATEMENTS",
    "LinearSystem",
    "distribution_mismatch",
    "linear_system",
    "measure_potential",
    "mirror_descent_gap_bound",
]


class LinearSystem(NamedTuple):
    """Errors of a run, and bounds on them from the previous errors.

    Attributes:
        errors: (n + 1, 2) errors x_t = (‖Q* - Q_t‖, ‖Q* - τξ_t‖).
        bounds: (n + 1, 2) bounds on x_t from x_{t-1}; ∞ for t = 0.
        matrix: (2, 2) A.
        offset: (2,) y.
        duals: (n + 1, S, A) τξ_t, for Shannon τ log ξ_t of the literature; 0 at forbidden pairs.
    """

    errors: Float[np.ndarray, "n 2"]
    bounds: Float[np.ndarray, "n 2"]
    matrix: Float[np.ndarray, "2 2"]
    offset: Float[np.ndarray, " 2"]
    duals: Float[np.ndarray, "n S A"]


@checked(
    mdp=Instance(MDP),
    regularizer=Instance(Regularizer),
    q=ArrayOf("n S A", infinite=(-np.inf,)),
    step_size=Number(above=0.0, finite=False),
    optimum=Instance(Optimum) | None,
    start=POLICY | None,
)
def linear_system(
    mdp: MDP,
    regularizer: Regularizer,
    q: Float[Array, "n S A"],
    *,
    step_size: float,
    start: ArrayLike | DeterministicPolicy | None = None,
    optimum: Optimum | None = None,
) -> LinearSystem:
    r"""Return the errors of a run, and their bounds by a linear system of rank 1.

    .. math::
        x_{t+1} \le A x_t + \gamma \alpha^{t+1} y, \qquad
        A = \binom{\gamma}{1} (1-\alpha, \; \alpha), \quad y = \binom{\|Q_0 - \tau\xi_0\|_\infty}{0}

    A has the eigenvalue γ(1-α) + α, 1 - ητ in the unit of natural policy gradient, and 0. For
    Shannon \(\tau\xi_t\) stands for \(\tau \log \xi_t\) of the literature, where
    \(\xi_0 = \|\exp(Q^*/\tau)\|_1 \pi_0\) and
    \(\xi_{t+1} = \xi_t^\alpha \exp((1-\alpha) Q_t/\tau)\), not normalised.

    Args:
        mdp: The model, γ < 1.
        regularizer: Any, with one temperature τ > 0.
        q: (n + 1, S, A) the Q_t of a run.
        step_size: η of mirror descent, 1/η = (1-γ)/η - τ of natural policy gradient.
        start: (S, A) π_0; by default uniform. With η < ∞ it must have a dual variable ξ_0: for
            Shannon, all its probabilities are positive. Without one ‖Q* - τξ_0‖ is ∞.
        optimum: The optimum, if it is known.

    Raises:
        SolverError: if the start has no dual variable and η < ∞.

    Examples:
        >>> import numpy as np, regmdp as rm
        >>> mdp, shannon = rm.models.garnet(5, 3, 2, discount=0.8), rm.Shannon(0.1)
        >>> run = rm.theory.trace(mdp, shannon, rm.algorithms.GPMD(step_size=2.0), max_iterations=4)
        >>> system = rm.theory.linear_system(mdp, shannon, run.q, step_size=2.0)
        >>> bool(np.all(system.errors <= system.bounds + 1e-12))
        True
        >>> alpha = 1 / (1 + 2.0 * 0.1)
        >>> bool(np.isclose(np.linalg.eigvals(system.matrix).max(), 0.8 * (1 - alpha) + alpha))
        True

    References:
        Cen et al. 2022, Operations Research 70(4), in the proof of Theorem 1, for Shannon; Zhan et
        al. 2023, SIAM Journal on Optimization 33(2), for any h.
    """
    tau = require_positive_temperature(regularizer)
    first = evaluate_start(mdp, regularizer, start, optimum)
    allowed = first.optimum.allowed
    weight = 1.0 / (1.0 + step_size * tau)
    moved = _scale_initial_dual(first, weight)
    offset = np.array([sup_norm(np.asarray(q[0]) - moved, allowed), 0.0])
    matrix = np.outer([mdp.discount, 1.0], [1.0 - weight, weight])
    duals = [moved]
    for current in np.asarray(q)[:-1]:
        duals.append(weight * duals[-1] + (1.0 - weight) * current if weight > 0.0 else current)
    errors = np.empty((len(q), 2))
    errors[:, 0] = sup_norm(first.optimum.q - np.asarray(q), allowed)
    errors[:, 1] = sup_norm(first.optimum.q - np.stack(duals), allowed)
    # a start without a dual variable has an infinite error, of weight 0
    weighted = np.where(matrix[1] > 0.0, errors[:-1], 0.0) @ matrix.T
    carried = weight ** np.arange(1.0, len(q))[:, None] * (offset if weight > 0.0 else 0.0)
    bounds = np.concatenate([np.full((1, 2), np.inf), weighted + mdp.discount * carried])
    return LinearSystem(errors, bounds, matrix, offset, np.stack(duals))


def _scale_initial_dual(first: InitialPolicy, weight: float) -> Float[np.ndarray, "S A"]:
    """Return (S, A) τξ_0; -inf if π_0 has no dual variable, which only weight 0 allows.

    Raises:
        SolverError: if π_0 has no dual variable and the weight α of ξ_0 is positive.
    """
    mdp, regularizer, allowed = first.optimum.mdp, first.optimum.regularizer, first.optimum.allowed
    try:
        dual = dual_from_policy(mdp, regularizer, regularizer, first.policy)
    except SolverError:
        if weight > 0.0:
            raise
        return np.where(allowed, -np.inf, 0.0)
    return scale_dual(first.optimum, dual)


@checked(
    mdp=Instance(MDP),
    regularizer=Instance(Regularizer),
    step_size=Number(above=0.0, finite=False),
    iterations=Integer(0),
    optimum=Instance(Optimum) | None,
    start=POLICY | None,
)
def mirror_descent_gap_bound(
    mdp: MDP,
    regularizer: Regularizer,
    *,
    step_size: float,
    iterations: int,
    start: ArrayLike | DeterministicPolicy | None = None,
    optimum: Optimum | None = None,
) -> Float[np.ndarray, " n"]:
    r"""Bound V*(ρ) - V_t(ρ) of regularized mirror descent by the contraction of a potential.

    .. math::
        V^*(\rho) - V_t(\rho)
        \le \left\| \frac{\rho}{\nu^*} \right\|_\infty \max\{\gamma, \alpha\}^t \, C_2, \qquad
        C_2 = V^*(\nu^*) - V_0(\nu^*) + \left( \tfrac{1}{\eta}
        + \tau \right) E_{\nu^*} D_h(\pi^*, \pi_0)

    ν* is stationary under π*. The potential, whose initial value is C_2, shrinks by max{γ, α} in
    each step. In the unit of natural policy gradient α = 1 - ητ/(1-γ) and 1/η + τ is (1-γ)/η, with
    η its step size: see :func:`mirror_descent_step`. For greedy steps, α = 0, C_2 does not contain
    the divergence.

    Args:
        mdp: The model, γ < 1.
        regularizer: Any, with one temperature τ > 0.
        step_size: η of mirror descent; ``inf`` is regularized policy iteration.
        iterations: n.
        start: (S, A) π_0; by default uniform.
        optimum: The optimum, if it is known.

    Returns:
        Bounds for t = 0 … n; ∞ if π* does not return to some state with ρ > 0.

    Raises:
        SolverError: if episodes end, so that there is no ν*.

    Examples:
        >>> import numpy as np, regmdp as rm
        >>> mdp, shannon = rm.models.garnet(5, 3, 2, discount=0.8), rm.Shannon(0.1)
        >>> step = rm.theory.mirror_descent_step(mdp, shannon, 1.0)
        >>> bound = rm.theory.mirror_descent_gap_bound(mdp, shannon, step_size=step, iterations=3)
        >>> (bound[1:] / bound[:-1]).round(6)
        array([0.8, 0.8, 0.8])

    References:
        Lan 2023, Mathematical Programming 198, Theorem 1; Cen et al. 2022, Operations Research
        70(4); Zhan et al. 2023, SIAM Journal on Optimization 33(2), for any h. Errata: the factor
        in the proof is \(\|d^{\pi^*}/d^{(t+1)}\|_\infty^{-1}\), and the step after adding and
        subtracting is ≥; the iterations grow like log(‖ρ/ν*‖ · error/ε), not like a product of
        logarithms. The condition that PMD needs h + H convex means strong convexity relative to KL,
        for which any modulus above 0 is enough.
    """
    tau = require_positive_temperature(regularizer)
    first = evaluate_start(mdp, regularizer, start, optimum)
    stationary = first.optimum.require_stationary()
    weight = 1.0 / (1.0 + step_size * tau)
    constant = float(stationary @ (first.optimum.value - first.value))
    if weight > 0.0:
        dual = dual_from_policy(mdp, regularizer, regularizer, first.policy)
        far = bregman_divergence(regularizer, first.optimum.policy, dual, first.optimum.allowed)
        constant += (1.0 / step_size + tau) * float(stationary @ far)
    return (
        distribution_mismatch(mdp.initial, stationary)
        * max(mdp.discount, weight) ** np.arange(iterations + 1)
        * max(constant, 0.0)
    )


def distribution_mismatch(rho: Float[Array, " S"], nu: Float[Array, " S"]) -> float:
    """(S,) and (S,) distributions -> ‖ρ/ν‖ in the sup norm, with 0/0 = 0."""
    rho, nu = np.asarray(rho), np.asarray(nu)
    if np.any((rho > 0.0) & ~(nu > 0.0)):
        return float(np.inf)
    return float(np.max(np.where(rho > 0.0, rho / np.where(nu > 0.0, nu, 1.0), 0.0)))


# ---- comparison with runs ----


def _compare_linear_system(run: Trace) -> ComparedValues:
    view = as_exact_dual_averaging(run)
    step = view.require_constant_step()
    system = linear_system(
        run.mdp, run.regularizer, run.q, step_size=step, start=run.policies[0], optimum=run.optimum
    )
    over = system.errors[1:] - system.bounds[1:]
    steps = np.arange(1, run.iterations + 1)
    worse = np.argmax(over, axis=1)
    row = np.arange(run.iterations)
    # the loss of a noisy step in Q_t - τξ_t is propagated with weight α
    gain = max(float(1.0 - np.max(view.weights)), UNIT_ROUNDOFF)
    error = float(np.max(view.noise, initial=0.0))
    propagated = error * (1.0 + 2.0 * run.mdp.discount / ((1.0 - run.mdp.discount) * gain))
    slack = 2.0 * bound_q_rounding(run)[1:] + propagated
    return ComparedValues(
        steps, system.errors[1:][row, worse], system.bounds[1:][row, worse], slack
    )


class Potential(NamedTuple):
    """(n + 1,) V*(ν*) - V_k(ν*), (n + 1, S) D(π*, π_k), (S,) ν*, and (n,) bounds on rounding."""

    gap: Float[np.ndarray, " m"]
    divergence: Float[np.ndarray, "m S"]
    stationary: Float[np.ndarray, " S"]
    slack: Float[np.ndarray, " n"]


@cached_on_run
def measure_potential(run: Trace) -> Potential:
    """Return the parts of the potential of a run of mirror descent.

    Raises:
        NotApplicableError: if it is not mirror descent, or episodes end.
    """
    view = as_mirror_descent(run)
    nu = run.require_stationary()
    difference = run.optimum.value - run.values
    horizon = 1.0 / (1.0 - run.mdp.discount)
    n_actions = run.mdp.n_actions
    logs = np.max(
        np.where(np.isfinite(view.duals) & (run.optimum.policy > 0), np.abs(view.duals), 0.0),
        axis=(1, 2),
    )
    of_far = 4.0 * view.mirror.rounding(n_actions) + 8.0 * (n_actions + 4) * UNIT_ROUNDOFF * logs
    inverse = view.inverse_steps
    weighted = (inverse + run.regularizer.max_temperature) * of_far[1:] + np.where(
        inverse > 0, inverse * of_far[:-1], 0.0
    )
    of_stationary = (
        run.optimum.stationarity_error * horizon * np.max(np.abs(difference), axis=1)[:-1]
    )
    of_values = run.value_error[1:] + run.value_error[:-1] + 4.0 * run.optimum.error
    return Potential(
        difference @ nu,
        view.divergence_to_optimum,
        nu,
        of_values + weighted + of_stationary + 8.0 * horizon * view.noise,
    )


def _compare_potential(run: Trace) -> ComparedValues:
    view = as_mirror_descent(run)
    potential = measure_potential(run)
    after = np.array(
        [
            potential.gap[k + 1]
            + potential.stationary @ ((inverse + view.temperature) * potential.divergence[k + 1])
            for k, inverse in enumerate(view.inverse_steps)
        ]
    )
    before = np.array(
        [
            run.mdp.discount * potential.gap[k]
            + (inverse * (potential.stationary @ potential.divergence[k]) if inverse > 0.0 else 0.0)
            for k, inverse in enumerate(view.inverse_steps)
        ]
    )
    return ComparedValues(np.arange(1, run.iterations + 1), after, before, potential.slack)


def _compare_contraction(run: Trace) -> ComparedValues:
    view = as_exact_dual_averaging(run)
    step, tau = view.require_constant_step(), uniform_temperature(run.regularizer)
    if not step < np.inf:
        raise NotApplicableError(
            "its steps are greedy: see the error of Q, and the potential of each step"
        )
    potential = measure_potential(run)
    level = potential.gap + (1.0 / step + tau) * (potential.divergence @ potential.stationary)
    rate = max(run.mdp.discount, float(np.max(view.weights)))
    return ComparedValues(
        np.arange(1, run.iterations + 1), level[1:], rate * level[:-1], potential.slack
    )


def _compare_gap_from_start(run: Trace) -> ComparedValues:
    view = as_exact_dual_averaging(run)
    step = view.require_constant_step()
    potential = measure_potential(run)
    far = distribution_mismatch(run.mdp.initial, potential.stationary)
    if not far < np.inf:
        raise NotApplicableError(
            "the optimal policy does not return to some state of the initial distribution"
        )
    bound = mirror_descent_gap_bound(
        run.mdp,
        run.regularizer,
        step_size=step,
        iterations=run.iterations,
        start=run.policies[0],
        optimum=run.optimum,
    )
    rate = max(run.mdp.discount, float(np.max(view.weights, initial=0.0)))
    accumulated = np.concatenate([[0.0], np.maximum.accumulate(potential.slack) / (1.0 - rate)])
    slack = far * accumulated + (1.0 + far) * (run.optimum.error + run.value_error)
    every = np.arange(run.iterations + 1)
    return ComparedValues(
        every, run.mdp.initial @ run.optimum.value - run.values_from_start, bound, slack
    )


STATEMENTS = (
    Statement(
        "linear system",
        "Cen et al. 2022, Theorem 1; Zhan et al. 2023",
        UpperBound,
        _compare_linear_system,
    ),
    Statement(
        "potential",
        "gap(ν*) + (1/η + τ) E D(π*, π⁺) ≤ γ gap(ν*) + E D(π*, π)/η: Lan 2023",
        UpperBound,
        _compare_potential,
    ),
    Statement(
        "contraction of the potential",
        "by max{γ, α}: Lan 2023, Theorem 1; Zhan et al. 2023",
        UpperBound,
        _compare_contraction,
    ),
    Statement(
        "gap from the start",
        "Lan 2023, Theorem 1; Cen et al. 2022",
        UpperBound,
        _compare_gap_from_start,
    ),
)
