"""Captions of the experiment on natural policy gradient, about the runs that are drawn."""

from __future__ import annotations

import math

import numpy as np

from regmdp.reproduce.experiments.natural_gradient_fits import (
    fit_digits,
    fit_exponent,
    fit_rates,
)
from regmdp.reproduce.experiments.natural_gradient_runs import (
    EntropyRun,
    NewtonRun,
    UnregularizedRun,
)
from regmdp.reproduce.texts import join_names, join_sentences

__all__ = ["describe_entropy", "describe_policy_iteration", "describe_unregularized"]

#: Error of Q whose first iteration is given.
SMALL_ERROR = 1e-8


def describe_unregularized(plain: list[UnregularizedRun]) -> tuple[str, str]:
    """Return the caption and the alternative text of the runs without entropy."""
    fitted = {
        problem: join_names(
            [
                f"{_format(fit_exponent(one))} (η = {one.step:g})"
                for one in plain
                if one.problem == problem
            ]
        )
        for problem in dict.fromkeys(one.problem for one in plain)
    }
    share = max(float(np.max(one.gap / one.bound)) for one in plain)
    ladder, random = fitted.values()
    findings = (
        f"The exponents of t, fitted over the last 3/4 of log t, are {ladder} on the ladder and "
        f"{random} on the random model. The gap is at most {share:.2g} of its bound."
    )
    return (
        "Without entropy: gap V*(ρ) − V(ρ) and its bound, thin in the same colour, which falls "
        "like 1/t. (a) A ladder of actions that lose 1/2, 1/4, 1/8 and so on, with gaps at every "
        f"scale. (b) A random model. {findings}",
        "Two panels on logarithmic axes: gap against iterations for several step sizes, with "
        f"bounds of slope −1. {findings}",
    )


def describe_entropy(soft: list[EntropyRun]) -> tuple[str, str]:
    """Return the caption and the alternative text of the runs with entropy."""
    rates = []
    for one in soft:
        found = fit_rates(one)
        if one.weight > 0.0 and not any(map(math.isnan, found.values())):
            rates.append(
                f"{found['log_policy']:.3f} and {found['q']:.3f} with {one.share:g} of the largest "
                f"step, where α = {one.weight:.3g} and α² = {one.weight**2:.3g}"
            )
    reached = []
    for one in soft:
        first = np.flatnonzero(one.errors["q"] <= SMALL_ERROR)
        last = one.errors["q"].size - 1
        count = f"{first[0]}" if first.size else f"more than {last}"
        reached.append(f"{count} iterations with {one.share:g} of the largest step")
    below = all(one.report.holds for one in soft)
    return (
        join_sentences(
            "With entropy, on the random model, with step sizes η that are fractions of the "
            "largest, (1−γ)/τ: measured errors and their bounds, thin in the same colour. (a) "
            "Error of Q and (b) of log π, whose bounds shrink by 1 − ητ; (c) gap from ρ, whose "
            "bound shrinks by max{γ, α}, α = 1 − ητ/(1−γ), which is γ for all steps with α ≤ γ.",
            (
                bool(rates),
                f"Near the optimum the errors of log π and of Q shrink by {'; '.join(rates)}.",
            ),
            "Values below 10⁻¹³ are rounding and not shown.",
        ),
        join_sentences(
            "Three panels, errors on a logarithmic axis against iterations: one curve for each "
            "step, with its bound.",
            f"The error of Q is at most 10⁻⁸ after {join_names(reached)}.",
            (below, "All curves are below their bounds."),
        ),
    )


def describe_policy_iteration(newton: list[NewtonRun]) -> tuple[str, str]:
    """Return the caption and the alternative text of soft policy iteration."""
    found = [fit_digits(one) for one in newton]
    digits = [float(value) for one in found for value in one.digits]
    shares = [one.share for one in found if not math.isnan(one.share)]
    ends = []
    for one in newton:
        accurate = np.flatnonzero(one.gap > 1e4 * one.noise)
        last = int(accurate[-1]) if accurate.size else 0
        ends.append(f"{one.gap[last]:.0e} after {last} iterations ({one.problem})")
    return (
        join_sentences(
            "Soft policy iteration, the largest step, on random models. (a) Gap x_t = V*(ν*) − "
            "V_t(ν*) and its bound c x², thin in the same colour; c contains ‖1/ν*‖. (b) Each gap "
            "against the previous one, with a line of slope 2.",
            (
                bool(digits),
                "In an iteration below 1/10 the number of correct digits grows "
                f"{min(digits, default=0.0):.2f}- to {max(digits, default=0.0):.2f}-fold.",
            ),
            (
                bool(shares),
                f"There the gap is at most {max(shares, default=0.0):.1g} of its bound.",
            ),
            "The gap is computed as a divergence of π from π*, whose terms are positive, and is "
            "therefore accurate far below the rounding error of V; it is shown where it is "
            "accurate.",
        ),
        "Two panels. First, gaps on a logarithmic axis against the iteration, with bounds: they "
        f"fall to {join_names(ends)}. Second, gap against the previous gap on logarithmic axes, "
        "with a line of slope 2.",
    )


def _format(exponent: float) -> str:
    return "not measured" if math.isnan(exponent) else f"{exponent:.2f}"
