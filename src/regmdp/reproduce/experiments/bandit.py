"""Experiment 1: policy gradient and natural policy gradient on a bandit with three arms."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from regmdp.reproduce.base import Check, Experiment, Number, ProgressFunction, Result
from regmdp.reproduce.experiments.bandit_figures import make_figures
from regmdp.reproduce.experiments.bandit_runs import (
    METHODS,
    Settings,
    TemperatureRun,
    run_at_temperature,
)

__all__ = ["EXPERIMENT", "FULL", "QUICK", "run"]

FULL = Settings()
QUICK = Settings(
    most_iterations=20_000,
    natural_iterations=800,
    compared_iterations=200,
    trajectory_iterations=100,
    resolution=30,
)

#: Iterations to |π - π*| ≤ 1e-4 from (0.05, 0.05, 0.9) with η = 0.1, from an independent
#: implementation in plain NumPy. Policy gradient at τ = 0.1 needs more than KNOWN_LIMIT.
KNOWN_COUNTS = {
    (0.1, "natural policy gradient"): 755,
    (1.0, "natural policy gradient"): 82,
    (1.0, "policy gradient"): 353,
}
KNOWN_LIMIT = 200_000


def run(settings: Settings, progress: ProgressFunction) -> Result:
    """Run the experiment."""
    runs = []
    for number, temperature in enumerate(settings.temperatures):
        progress(number / len(settings.temperatures), f"temperature {temperature:g}")
        runs.append(run_at_temperature(settings, temperature))
    compared = {
        (one.temperature, method): known
        for one in runs
        for method in METHODS
        if (known := find_known_count(settings, one, method))
    }
    n_counts = len(runs) * len(METHODS)
    return Result(
        {
            name: table
            for one in runs
            for name, table in (
                (f"errors-{_format_tag(one)}", _make_error_table(one)),
                (f"trajectories-{_format_tag(one)}", _make_trajectory_table(one)),
            )
        },
        make_figures(settings, runs),
        tuple(number for one in runs for number in _make_numbers(settings, one)),
        tuple(check for one in runs for check in _make_checks(settings, one, compared)),
        ()
        if len(compared) == n_counts
        else (
            f"{n_counts - len(compared)} of {n_counts} numbers of iterations are not compared: no "
            "independent ones are known for these settings.",
        ),
    )


def find_known_count(settings: Settings, one: TemperatureRun, method: str) -> str | None:
    """Return the known number of iterations of a method as text, if it applies to a run."""
    full = (FULL.rewards, FULL.step_size, FULL.start, FULL.tolerance)
    if (settings.rewards, settings.step_size, settings.start, settings.tolerance) != full:
        return None
    last = one.errors[method].size - 1
    known = KNOWN_COUNTS.get((one.temperature, method))
    if known is not None:
        return f"{known:,}" if known <= last else None
    slow = (one.temperature, method) == (0.1, "policy gradient")
    return f"more than {last:,}" if slow and last <= KNOWN_LIMIT else None


def _describe_count(one: TemperatureRun, method: str) -> str:
    """Return the iterations of a method to the tolerance as text."""
    needed = one.needed[method]
    return f"more than {one.errors[method].size - 1:,}" if needed is None else f"{needed:,}"


def _format_tag(one: TemperatureRun) -> str:
    """Return the temperature as part of a file name."""
    return f"{one.temperature:g}".replace(".", "-")


def _make_checks(
    settings: Settings, one: TemperatureRun, compared: Mapping[tuple[float, str], str]
) -> list[Check]:
    _, npg = METHODS
    at = f"τ = {one.temperature:g}"
    checks = [
        Check(
            f"Iterations of {method} until |π − π*| ≤ {settings.tolerance:g}, {at}",
            _describe_count(one, method),
            compared[one.temperature, method],
            _describe_count(one, method) == compared[one.temperature, method],
        )
        for method in METHODS
        if (one.temperature, method) in compared
    ]
    return [
        *checks,
        Check(
            f"The centred logarithm of π/π* shrinks by exactly 1 − ητ per iteration of {npg}, {at}",
            f"up to {one.contraction:.1e} of its initial value",
            "up to rounding, 1e-11",
            one.contraction < 1e-11,
        ),
        Check(
            f"|log π − log π*| of {npg} is below its bound, {at}",
            f"at most {one.bound_ratio:.3f} of it",
            "at most 1",
            one.bound_ratio <= 1.0,
        ),
        Check(
            f"The first {settings.compared_iterations:,} iterates of SoftmaxPG equal those of a "
            f"plain loop, {at}",
            f"up to {one.agreement:.1e}",
            "up to rounding, 1e-11",
            one.agreement < 1e-11,
        ),
    ]


def _make_numbers(settings: Settings, one: TemperatureRun) -> list[Number]:
    pg, _ = METHODS
    at = f"τ = {one.temperature:g}"
    return [
        *(
            Number(
                f"Iterations of {method} until |π − π*| ≤ {settings.tolerance:g}, {at}",
                _describe_count(one, method),
            )
            for method in METHODS
        ),
        Number(f"π*, {at}", ", ".join(f"{p:.5f}" for p in one.optimum), "proportional to exp(r/τ)"),
        Number(
            f"|π − π*| of {pg} after {settings.most_iterations:,} iterations, {at}",
            f"{one.errors[pg][-1]:.2e}",
        ),
    ]


def _make_error_table(one: TemperatureRun) -> dict[str, np.ndarray]:
    longest = max(error.size for error in one.errors.values())
    kept = np.unique(np.geomspace(1, longest, 2000).astype(np.int64)) - 1
    padded = {
        method: np.append(error, np.full(longest - error.size, np.nan))[kept]
        for method, error in one.errors.items()
    }
    return {
        "iteration": kept,
        **{method.replace(" ", "_"): error for method, error in padded.items()},
    }


def _make_trajectory_table(one: TemperatureRun) -> dict[str, np.ndarray]:
    columns: dict[str, list[np.ndarray]] = {
        name: [] for name in ("method", "start", "iteration", "p1", "p2", "p3")
    }
    for method, paths in one.trajectories.items():
        for number, path in enumerate(paths):
            kept = np.unique(np.geomspace(1, len(path), 200).astype(np.int64)) - 1
            columns["method"].append(np.full(kept.size, method))
            columns["start"].append(np.full(kept.size, number))
            columns["iteration"].append(kept)
            for arm in range(3):
                columns[f"p{arm + 1}"].append(path[kept, arm])
    return {name: np.concatenate(parts) for name, parts in columns.items()}


EXPERIMENT = Experiment(
    name="bandit",
    title="Policy gradient and natural policy gradient on three arms",
    summary=(
        "Policy gradient and natural policy gradient on one state with three arms, iteration by "
        "iteration."
    ),
    theory=(
        "With one state and γ = 0, a policy is three probabilities, and the regularized optimum is "
        "known: it is proportional to exp(r/τ). Both methods use the exact gradient; they differ "
        "only in the geometry in which they follow it.",
        (
            "Policy gradient changes the logits θ by the gradient of the value, in which every "
            "coordinate contains a factor π(a):"
        ),
        "    θ(a) ← θ(a) + η π(a) A(a),   A(a) = r(a) − τ log π(a) − V",
        "The logit of an arm with a small probability therefore changes slowly, even if the arm is "
        "good. The proved rate contains the square of the smallest probability of all iterates: "
        "the lower the temperature, the closer the optimum is to the edge of the simplex, and the "
        "slower the method.",
        "Natural policy gradient divides by this factor. With entropy, its step is a geometric "
        "average of the policy and the optimum, so the error of the logarithms shrinks by the same "
        "factor in every iteration, from any initial policy:",
        (
            "    π_{t+1} ∝ π_{t}^{1−ητ} exp(η r),   ‖log π_{t} − log π*‖_{∞} ≤ 4 (1 − ητ)^{t} ‖log "
            "π_{0} − log π*‖_{∞}"
        ),
    ),
    sources=(
        "Mei, Xiao, Szepesvári and Schuurmans, On the global convergence rates of softmax policy "
        "gradient methods, ICML 2020, Theorem 6.",
        "Cen, Cheng, Chen, Wei and Chi, Fast global convergence of natural policy gradient methods "
        "with entropy regularization, Operations Research 70(4), 2022, Theorem 1 and the first "
        "figure.",
    ),
    full=FULL,
    quick=QUICK,
    run=run,
)
