"""Linear rates of dual averaging with a constant step size, compared with runs."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from regmdp._internal.arrays import UNIT_ROUNDOFF, Float
from regmdp.certificates import backup_error
from regmdp.regularizers import KL, Shannon
from regmdp.theory.dual_averaging import DualAveragingRun, as_dual_averaging, uniform_temperature
from regmdp.theory.optima import sup_norm
from regmdp.theory.rates import (
    GPMDBounds,
    entropy_npg_bounds,
    gpmd_bounds,
    inexact_floor,
)
from regmdp.theory.report import ComparedValues, NotApplicableError, UpperBound
from regmdp.theory.runs import Trace, cached_on_run
from regmdp.theory.statements import Statement

__all__ = [
    "STATEMENTS",
    "bound_q_rounding",
    "bound_rounding_floor",
    "measure_log_policy_error",
    "measure_policy_error",
    "require_strong_convexity",
    "skip_initial",
]


@cached_on_run
def bound_q_rounding(run: Trace) -> Float[np.ndarray, " n"]:
    """(n + 1,) bound on the rounding error of the computed Q* - Q_k."""
    errors = [backup_error(run.mdp, run.regularizer, value) for value in run.values]
    return run.optimum.q_error + run.mdp.discount * run.value_error + np.array(errors)


def bound_rounding_floor(view: DualAveragingRun) -> float:
    r"""Bound the error floor due to rounding: C_2 of inexact dual averaging with rounding as δ.

    It is \(\frac{1}{1-\gamma} (2\delta + \frac{\gamma\delta^2}{2\mu\tau(1-\gamma)})\), or without
    strong convexity the one with 1/(1-α). That one is linear in δ, and it is also used if there are
    other errors of the values, to which it is added.
    """
    discount, tau = view.run.mdp.discount, uniform_temperature(view.run.regularizer)
    modulus = view.mirror.strong_convexity(view.run.mdp.n_actions)
    error = float(np.max(view.noise, initial=0.0))
    if modulus > 0.0 and view.evaluation_error == 0.0:
        return (2.0 * error + discount * error**2 / (2.0 * modulus * tau * (1.0 - discount))) / (
            1.0 - discount
        )
    gain = (1.0 - discount) * max(float(1.0 - np.max(view.weights)), UNIT_ROUNDOFF)
    return (2.0 + 2.0 * discount / gain) * error / (1.0 - discount)


class _RatedRun(NamedTuple):
    """A run as dual averaging, its rates, and the error floor due to rounding."""

    view: DualAveragingRun
    rates: GPMDBounds
    floor: float


@cached_on_run
def _rate_run(run: Trace) -> _RatedRun:
    """Compute the rates of a run."""
    view = as_dual_averaging(run)
    rates = gpmd_bounds(
        run.mdp, run.regularizer, step_size=view.require_constant_step(), iterations=run.iterations,
        evaluation_error=view.evaluation_error, subproblem_gap=view.subproblem_gap,
        start=run.policies[0], optimum=run.optimum,
    )  # fmt: skip
    return _RatedRun(view, rates, bound_rounding_floor(view))


def skip_initial(
    run: Trace,
    measured: Float[np.ndarray, " n"],
    predicted: Float[np.ndarray, " n"],
    slack: Float[np.ndarray, " n"] | float,
) -> ComparedValues:
    """Return the compared values without the initial iterate, to which the rates do not apply."""
    return ComparedValues(
        np.arange(1, run.iterations + 1),
        measured[1:],
        predicted[1:],
        np.broadcast_to(slack, measured.shape)[1:],
    )


def _compare_q_error(run: Trace) -> ComparedValues:
    rated = _rate_run(run)
    measured = sup_norm(run.optimum.q - run.q, run.allowed)
    return skip_initial(
        run, measured, rated.rates.q, run.mdp.discount * rated.floor + bound_q_rounding(run)
    )


def _compare_value_error(run: Trace) -> ComparedValues:
    rated = _rate_run(run)
    measured = np.max(np.abs(run.optimum.value - run.values), axis=1, initial=0.0)
    slack = (2.0 + run.mdp.discount) * rated.floor + run.optimum.error + run.value_error
    return skip_initial(run, measured, rated.rates.value, slack)


def require_strong_convexity(run: Trace) -> float:
    """Return the modulus μ of the regularizer of a run.

    Raises:
        NotApplicableError: if none is known.
    """
    modulus = run.regularizer.strong_convexity(run.mdp.n_actions)
    if not modulus > 0.0:
        raise NotApplicableError(
            f"{type(run.regularizer).__name__} is not known to be strongly convex"
        )
    return modulus


def measure_policy_error(run: Trace) -> tuple[Float[np.ndarray, " n"], float]:
    """Return (n + 1,) ‖π* - π_k‖_1 in the worst state, and a bound on its rounding error."""
    modulus, tau = require_strong_convexity(run), uniform_temperature(run.regularizer)
    measured = np.max(np.sum(np.abs(run.optimum.policy - run.policies), axis=2), axis=1)
    of_sums = 64 * (run.mdp.n_actions + 8) * UNIT_ROUNDOFF / modulus
    return measured, run.optimum.q_error / (modulus * tau) + of_sums


def measure_log_policy_error(
    view: DualAveragingRun,
) -> tuple[Float[np.ndarray, " n"], Float[np.ndarray, " n"]]:
    """Return (n + 1,) ‖log π* - log π_k‖, and bounds on its rounding error.

    Raises:
        NotApplicableError: if the regularizer is neither Shannon nor KL.
    """
    run = view.run
    if not isinstance(run.regularizer, Shannon | KL) or not isinstance(view.mirror, Shannon | KL):
        raise NotApplicableError("the regularizer is neither Shannon nor KL")
    tau = uniform_temperature(run.regularizer)
    logs = np.where(run.allowed, view.duals, 0.0)
    best = np.asarray(run.regularizer.maximum(run.optimum.q, run.mdp.available))
    optimal = np.where(run.allowed, (run.optimum.q - best[:, None]) / tau, 0.0)
    largest = np.max(np.abs(logs), axis=(1, 2)) + float(np.max(np.abs(optimal)))
    of_logs = 16 * UNIT_ROUNDOFF * (largest + run.mdp.n_actions + 8)
    return sup_norm(optimal - logs, run.allowed), 2.0 * run.optimum.q_error / tau + of_logs


def _compare_policy_error(run: Trace) -> ComparedValues:
    rated, (measured, rounding) = _rate_run(run), measure_policy_error(run)
    scale = require_strong_convexity(run) * uniform_temperature(run.regularizer)
    return skip_initial(run, measured, rated.rates.policy, rated.floor / scale + rounding)


def _compare_log_policy_error(run: Trace) -> ComparedValues:
    view = as_dual_averaging(run)
    measured, rounding = measure_log_policy_error(view)
    if view.subproblem_gap > 0.0:
        raise NotApplicableError("its subproblems are solved inexactly")
    step, tau = view.require_constant_step(), uniform_temperature(run.regularizer)
    # the step size of natural policy gradient with the same steps
    npg_step = (1.0 - run.mdp.discount) / (1.0 / step + tau)
    bound = entropy_npg_bounds(
        run.mdp,
        run.regularizer,
        step_size=npg_step,
        iterations=run.iterations,
        start=run.policies[0],
        optimum=run.optimum,
    ).log_policy + 2.0 / tau * inexact_floor(
        run.mdp.discount, 1.0 / (1.0 + step * tau), evaluation_error=view.evaluation_error
    )
    return skip_initial(run, measured, bound, 2.0 * bound_rounding_floor(view) / tau + rounding)


STATEMENTS = (
    Statement(
        "error of Q",
        "Cen et al. 2022, Theorems 1 and 2; Zhan et al. 2023, Theorems 1 and 2",
        UpperBound,
        _compare_q_error,
    ),
    Statement(
        "error of V",
        "Zhan et al. 2023, Theorems 1 and 2; Cen et al. 2022, equation 24, has 3 for γ + 2",
        UpperBound,
        _compare_value_error,
    ),
    Statement(
        "error of π", "Zhan et al. 2023, Theorems 1 and 2", UpperBound, _compare_policy_error
    ),
    Statement(
        "error of log π", "Cen et al. 2022, Theorems 1 and 2", UpperBound, _compare_log_policy_error
    ),
)
