r"""Inexact evaluation: the admissible error δ, and statements about runs whose evaluation states δ.

The published rates with an error floor are among those of :mod:`regmdp.theory.linear_rates`; here
is the floor without the factor 1/(ητ).
"""

from __future__ import annotations

import math

import numpy as np

from regmdp._internal.errors import SolverError
from regmdp.algorithms import PolicyOptimization
from regmdp.theory.dual_averaging import as_dual_averaging, uniform_temperature
from regmdp.theory.linear_rates import bound_q_rounding
from regmdp.theory.optima import sup_norm
from regmdp.theory.rates import gpmd_bounds, sharp_inexact_floor
from regmdp.theory.report import ComparedValues, NotApplicableError, UpperBound
from regmdp.theory.runs import Trace
from regmdp.theory.statements import Statement

__all__ = ["STATEMENTS", "admissible_evaluation_error"]


def admissible_evaluation_error(
    discount: float, temperature: float, accuracy: float, modulus: float = 1.0
) -> float:
    r"""Return the evaluation error δ with which the floor of the error of Q stays below ε.

    .. math::
        \delta = \frac{1-\gamma}{\gamma} \min\left\{ \frac{\epsilon}{4},
        \frac{\sqrt{\mu \tau \epsilon}}{2} \right\}

    With it :func:`sharp_inexact_floor` is at most 5ε/8, for any step size, so that inexact natural
    policy gradient comes within ε of Q* at the rate of the exact method.

    Args:
        discount: γ < 1.
        temperature: τ > 0.
        accuracy: ε > 0, in the unit of the rewards.
        modulus: μ, modulus of strong convexity of h in ℓ1; 1 for Shannon and KL.

    Returns:
        δ, in the unit of the rewards; ∞ if γ = 0, where Q does not depend on the policy.

    Raises:
        SolverError: if an argument is out of its range.

    Examples:
        >>> import regmdp as rm
        >>> delta = rm.theory.admissible_evaluation_error(0.9, 0.1, accuracy=0.01)
        >>> round(delta, 8)
        0.00027778
        >>> rm.theory.sharp_inexact_floor(0.9, 0.1, delta) <= 5 / 8 * 0.01
        True

    References:
        Cen, Cheng, Chen, Wei & Chi 2022, Operations Research 70(4), Theorem 2 and what follows it,
        for Shannon; for other μ by the same proof.
    """
    if not (0.0 <= discount < 1.0 and temperature > 0.0 and accuracy > 0.0 and modulus > 0.0):
        raise SolverError(
            "this needs a discount in [0, 1) and a positive temperature, accuracy and modulus, not "
            f"{discount:g}, {temperature:g}, {accuracy:g} and {modulus:g}"
        )
    if discount == 0.0:
        return math.inf
    least = min(accuracy / 4.0, math.sqrt(modulus * temperature * accuracy) / 2.0)
    return (1.0 - discount) / discount * least


# ---- comparison with runs ----


def _compare_evaluation_error(run: Trace) -> ComparedValues:
    if not isinstance(run.algorithm, PolicyOptimization) or not run.algorithm.sampled:
        raise NotApplicableError("its evaluation draws no samples")
    if run.iterations == 0:
        raise NotApplicableError("no iteration was made")
    stated = run.stated_errors
    estimates = np.stack([s.estimate.q for s in run.states[:-1] if s.estimate is not None])
    measured = sup_norm(np.where(run.allowed, estimates, 0.0) - run.q[:-1], run.allowed)
    # the exact Q_k, in the estimate and here
    rounding = 2.0 * (bound_q_rounding(run)[:-1] + run.mdp.discount * run.value_error[:-1])
    return ComparedValues(np.arange(1, run.iterations + 1), measured, stated, rounding)


def _compare_sharp_q_error(run: Trace) -> ComparedValues:
    view = as_dual_averaging(run)
    step, tau = view.require_constant_step(), uniform_temperature(run.regularizer)
    if view.evaluation_error == 0.0:
        raise NotApplicableError("its policies are evaluated exactly")
    if view.subproblem_gap > 0.0:
        raise NotApplicableError("its subproblems are solved inexactly")
    modulus = view.mirror.strong_convexity(run.mdp.n_actions)
    if not modulus > 0.0:
        raise NotApplicableError(
            f"{type(run.regularizer).__name__} is not known to be strongly convex"
        )
    exact = gpmd_bounds(
        run.mdp,
        run.regularizer,
        step_size=step,
        iterations=run.iterations,
        start=run.policies[0],
        optimum=run.optimum,
    )
    error, noise = view.evaluation_error, float(np.max(view.noise))
    floor = sharp_inexact_floor(run.mdp.discount, tau, error, modulus)
    perturbed = sharp_inexact_floor(run.mdp.discount, tau, error + noise, modulus)
    return ComparedValues(
        np.arange(1, run.iterations + 1),
        sup_norm(run.optimum.q - run.q, run.allowed)[1:],
        exact.q[1:] + floor,
        (perturbed - floor + bound_q_rounding(run))[1:],
    )


STATEMENTS = (
    Statement(
        "error of the evaluation",
        "‖Q̂ - Q‖ ≤ δ: the bound that the evaluation states",
        UpperBound,
        _compare_evaluation_error,
    ),
    Statement(
        "error of Q, sharp floor",
        "γ/(1-γ) (2δ + γδ²/(2μτ(1-γ))), without 1/(ητ): after Cen et al. 2022, Theorem 2",
        UpperBound,
        _compare_sharp_q_error,
    ),
)
