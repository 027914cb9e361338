"""Captions of the experiment on inexact values, about the floors that are drawn."""

from __future__ import annotations

import math

import numpy as np

from regmdp.reproduce.experiments.noise_figures import compute_floor_bounds
from regmdp.reproduce.experiments.noise_fits import (
    fit_arms_exponent,
    fit_delta_exponents,
    floors_by_step,
)
from regmdp.reproduce.experiments.noise_runs import GARNET, KINDS, Floors, Settings
from regmdp.reproduce.texts import join_names, join_sentences

__all__ = ["describe_floors_by_error", "describe_floors_by_step"]


def describe_floors_by_error(floors: Floors, settings: Settings) -> tuple[str, str]:
    """Return the caption and the alternative text of the floors against the size of the errors."""
    n_states, n_actions, horizon = settings.shape
    slopes, arms = fit_delta_exponents(floors, settings), fit_arms_exponent(floors, settings)
    share = max(
        float(np.max(one["q"])) / compute_floor_bounds(delta, step, settings)[1]
        for (problem, _, delta, step), one in floors.items()
        if problem == GARNET
    )
    findings = join_sentences(
        (
            bool(slopes.q),
            "For δ of at most τ/2 the floor of Q on random models grows like δ to the power of "
            f"{_range(slopes.q)}, that of log π to the power of {_range(slopes.log_policy)}.",
        ),
        (
            not math.isnan(arms),
            f"On two arms the power is {arms:.2f} for δ of 3τ and more.",
        ),
        f"On random models the floor of Q is at most {share:.2g} of the improved bound.",
    )
    return (
        f"Error floors with values that have errors of δ, with τ = {settings.temperature:g}: above "
        f"‖Q* − Q‖, below τ‖log π* − log π‖; columns: the step size. {settings.models} random "
        f"models with S = {n_states}, A = {n_actions}, 1/(1−γ) = {horizon}: median and range over "
        "the runs of the mean over the second half. Two arms whose rewards differ by δ, with "
        f"adversarial errors. {findings}",
        "Two rows of panels on logarithmic axes, a column for each step size: the error floor "
        "against the size δ of the errors, above of Q with two bounds and a curve for two arms, "
        f"below of log π. {findings}",
    )


def describe_floors_by_step(floors: Floors, settings: Settings) -> tuple[str, str]:
    """Return the caption and the alternative text of the floors against the step size."""
    first, last = settings.swept[0], settings.swept[-1]
    ratios = {kind: floors_by_step(floors, kind, settings) for kind in KINDS}
    changes = join_names(
        [f"{one[-1] / one[0]:.2g} ({kind} errors)" for kind, one in ratios.items() if one[0] > 0.0]
    )
    earlier, improved = (
        compute_floor_bounds(settings.delta, last, settings)[which]
        / compute_floor_bounds(settings.delta, first, settings)[which]
        for which in (0, 1)
    )
    findings = (
        f"From {first:g} to {last:g} of the largest step the floor changes by the factors "
        f"{changes}, the earlier bound by {earlier:.2g} and the improved bound by {improved:.2g}."
    )
    return (
        f"Errors of size δ = {settings.delta:g}, τ = {settings.temperature:g}. (a) Error of Q of "
        "one run with errors of random sign, for step sizes that are fractions of the largest, "
        "(1−γ)/τ, with the earlier bound (dashed) and the improved bound (thin, solid) in the same "
        f"colour. (b) The floor against the step size. {findings}",
        "Two panels on logarithmic axes. First, the error of Q against iterations for several step "
        "sizes, with two bounds each. Second, the floor against the step, a curve for each kind of "
        f"errors, and both bounds. {findings}",
    )


def _range(slopes: tuple[float, ...]) -> str:
    return f"{min(slopes, default=math.nan):.2f} to {max(slopes, default=math.nan):.2f}"
