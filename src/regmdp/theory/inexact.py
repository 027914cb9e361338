r"""Inexact evaluation: the admissible error δ, and statements about runs whose evaluation states δ.

The published rates with an error floor are among those of :mod:`regmdp.theory.linear_rates`; here
is the floor without the factor 1/(ητ).
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from regmdp._internal.arrays import Float
from regmdp._internal.checks import LARGE_ROOT
from regmdp._internal.errors import SolverError
from regmdp._internal.parameters import Number, checked
from regmdp.algorithms import PolicyOptimization
from regmdp.theory.dual_averaging import (
    DualAveragingRun,
    as_dual_averaging,
    uniform_temperature,
)
from regmdp.theory.linear_rates import (
    bound_q_rounding,
    measure_log_policy_error,
    measure_policy_error,
    require_strong_convexity,
    skip_initial,
)
from regmdp.theory.optima import sup_norm
from regmdp.theory.rates import Quantity, gpmd_bounds, sharp_inexact_floor
from regmdp.theory.report import ComparedValues, NotApplicableError, UpperBound
from regmdp.theory.runs import Trace, cached_on_run
from regmdp.theory.statements import Statement

__all__ = ["STATEMENTS", "admissible_evaluation_error"]


@checked(
    discount=Number(0.0, 1.0),
    temperature=Number(above=0.0),
    accuracy=Number(above=0.0, maximum=LARGE_ROOT),
    modulus=Number(above=0.0),
)
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


class _SharpRates(NamedTuple):
    """Bounds on a run with inexact evaluation, without the factor 1/(ητ).

    Attributes:
        view: The run as dual averaging.
        decay: (n,) C_1 κ^k.
        modulus: μ.
    """

    view: DualAveragingRun
    decay: Float[np.ndarray, " n"]
    modulus: float

    def bound(self, quantity: Quantity, factor: float) -> tuple[Float[np.ndarray, " m"], float]:
        """Return (n + 1,) bounds, the decay times a factor plus a floor, and the floor of rounding.

        Rounding is an error of the evaluation, too.
        """
        run, error = self.view.run, self.view.evaluation_error
        tau, noise = uniform_temperature(run.regularizer), float(np.max(self.view.noise))
        floor, perturbed = (
            sharp_inexact_floor(run.mdp.discount, tau, delta, self.modulus, quantity)
            for delta in (error, error + noise)
        )
        return np.append(np.inf, factor * self.decay + floor), perturbed - floor


@cached_on_run
def _rate_sharply(run: Trace) -> _SharpRates:
    view = as_dual_averaging(run)
    step = view.require_constant_step()
    if view.subproblem_gap > 0.0:
        raise NotApplicableError("its subproblems are solved inexactly")
    modulus = require_strong_convexity(run)
    exact = gpmd_bounds(
        run.mdp,
        run.regularizer,
        step_size=step,
        iterations=run.iterations,
        start=run.policies[0],
        optimum=run.optimum,
    )
    # the bound on V is (γ + 2) C_1 κ^k
    return _SharpRates(view, exact.value[1:] / (run.mdp.discount + 2.0), modulus)


def _rate_inexact(run: Trace) -> _SharpRates:
    """Return the rates of a run without exact evaluation, where they differ from the published."""
    rates = _rate_sharply(run)
    if rates.view.evaluation_error == 0.0:
        raise NotApplicableError("its policies are evaluated exactly")
    return rates


def _compare_sharp_q_error(run: Trace) -> ComparedValues:
    bound, rounding = _rate_inexact(run).bound("q", run.mdp.discount)
    measured = sup_norm(run.optimum.q - run.q, run.allowed)
    return skip_initial(run, measured, bound, rounding + bound_q_rounding(run))


def _compare_sharp_value_error(run: Trace) -> ComparedValues:
    bound, rounding = _rate_sharply(run).bound("value", 1.0)
    measured = np.max(np.abs(run.optimum.value - run.values), axis=1, initial=0.0)
    return skip_initial(run, measured, bound, rounding + run.optimum.error + run.value_error)


def _compare_sharp_policy_error(run: Trace) -> ComparedValues:
    rates, (measured, slack) = _rate_inexact(run), measure_policy_error(run)
    scale = rates.modulus * uniform_temperature(run.regularizer)
    bound, rounding = rates.bound("policy", 1.0 / scale)
    return skip_initial(run, measured, bound, rounding + slack)


def _compare_sharp_log_policy_error(run: Trace) -> ComparedValues:
    rates = _rate_inexact(run)
    measured, slack = measure_log_policy_error(rates.view)
    bound, rounding = rates.bound("log_policy", 2.0 / uniform_temperature(run.regularizer))
    return skip_initial(run, measured, bound, rounding + slack)


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
    Statement(
        "error of V, sharp",
        "C_1 κ^k + F_Q/γ, with the floor F_Q of Q: see sharp_inexact_floor",
        UpperBound,
        _compare_sharp_value_error,
    ),
    Statement(
        "error of π, sharp floor",
        "(C_1 κ^k + F_Q + δ)/(μτ): see sharp_inexact_floor",
        UpperBound,
        _compare_sharp_policy_error,
    ),
    Statement(
        "error of log π, sharp floor",
        "2 (C_1 κ^k + F_Q + δ)/τ: see sharp_inexact_floor",
        UpperBound,
        _compare_sharp_log_policy_error,
    ),
)
