"""Iterations to an accuracy for growing models: PG and NPG, with and without entropy."""

from __future__ import annotations

import math
from collections.abc import Mapping
from itertools import product

import numpy as np

from regmdp.algorithms import NPG
from regmdp.regularizers import Unregularized
from regmdp.reproduce.base import Check, Experiment, FigureSpec, Number, ProgressFunction, Result
from regmdp.reproduce.experiments import scaling_figures as figures
from regmdp.reproduce.experiments.scaling_runs import (
    METHODS,
    SWEEPS,
    Cell,
    Count,
    ModelTask,
    Settings,
    count_iterations,
    find_capped_ends,
    fit_growth,
    guaranteed_iterations,
    make_random_model,
    natural_step,
    run_all_methods,
    run_with_smaller_step,
    select_iterations,
    shapes_of_sweeps,
)
from regmdp.reproduce.parallel import map_in_processes

__all__ = ["EXPERIMENT", "FULL", "QUICK", "run"]

#: Fewest iterations of runs that are compared to within 5%: one iteration is 5% of them.
FEWEST_COMPARED = 20

FULL = Settings(
    states=(10, 20, 40, 80, 160),
    actions=(2, 5, 10, 20, 40),
    horizons=(2, 4, 8, 16, 32, 64),
    base=(20, 5, 10),
    models=5,
    branching=5,
    temperature=0.01,
    accuracy=0.01,
    acceleration=10_000.0,
    divisors=(10, 100),
    cap=10_000,
    seed=0,
)
QUICK = Settings(
    states=(10, 80),
    actions=(2, 20),
    horizons=(2, 16),
    base=(20, 5, 10),
    models=3,
    branching=5,
    temperature=0.01,
    accuracy=0.01,
    acceleration=20_000.0,
    divisors=(10,),
    cap=5000,
    seed=0,
)


def run(settings: Settings, progress: ProgressFunction) -> Result:
    """Count the iterations of all methods on all models."""
    sweeps = shapes_of_sweeps(settings)
    unique = sorted({shape for sweep in sweeps.values() for shape in sweep}, key=_estimate_cost)
    tasks = [
        ModelTask(shape, number, settings) for shape in unique for number in range(settings.models)
    ]
    counted = map_in_processes(
        run_all_methods, tasks, _scale_progress(progress, 0.0, 0.9), _describe_task
    )
    by_shape: dict[tuple[int, int, int], list[Cell]] = {shape: [] for shape in unique}
    for task, found in zip(tasks, counted, strict=True):
        by_shape[task.shape].append(found)
    divisors = sorted((1, *settings.divisors), reverse=True)
    slow = map_in_processes(
        run_with_smaller_step,
        [(divisor, settings) for divisor in divisors],
        _scale_progress(progress, 0.9, 1.0),
        lambda task: "PG, smaller steps",
    )
    base = make_random_model(settings.base, 0, settings)
    natural = count_iterations(
        base, Unregularized(), NPG(natural_step(base)), natural_step(base), settings.cap, settings
    )
    granted = guaranteed_iterations(base, settings)
    table = _make_table(sweeps, by_shape)
    steps = {
        "step": np.array([one.step for one in slow]),
        "iterations": np.array([one.iterations for one in slow]),
        "capped": np.array([one.capped for one in slow]),
    }
    return Result(
        {"scaling": table, "smaller-steps": steps},
        {
            "scaling": FigureSpec(
                lambda: figures.draw(table, settings),
                figures.make_caption(table, settings),
                figures.make_alt(table),
            )
        },
        _make_numbers(table, steps, natural, granted, settings),
        _make_checks(table, steps, counted),
        _make_notes(table, steps),
    )


def _make_table(
    sweeps: Mapping[str, list[tuple[int, int, int]]],
    by_shape: Mapping[tuple[int, int, int], list[Cell]],
) -> dict[str, np.ndarray]:
    rows = [
        (sweep, *shape, number, method, one.step, one.iterations, one.capped, found.guaranteed)
        for sweep, shapes in sweeps.items()
        for shape in shapes
        for number, found in enumerate(by_shape[shape])
        for method, one in zip(METHODS, found.counts, strict=True)
    ]
    names = (
        "grows",
        "states",
        "actions",
        "horizon",
        "model",
        "method",
        "step",
        "iterations",
        "capped",
        "guaranteed_of_npg",
    )
    return dict(zip(names, map(np.array, zip(*rows, strict=True)), strict=True))


def _estimate_cost(shape: tuple[int, int, int]) -> float:
    """Return a sort key that puts expensive shapes first."""
    n_states, n_actions, horizon = shape
    return -float(n_states * math.sqrt(n_actions) * horizon**2)


def _describe_task(task: ModelTask) -> str:
    n_states, n_actions, horizon = task.shape
    return f"S = {n_states}, A = {n_actions}, 1/(1−γ) = {horizon}, model {task.number + 1}"


def _scale_progress(progress: ProgressFunction, start: float, end: float) -> ProgressFunction:
    return lambda fraction, text: progress(start + (end - start) * fraction, text)


def _make_numbers(
    table: dict[str, np.ndarray],
    steps: dict[str, np.ndarray],
    natural: Count,
    granted: int,
    settings: Settings,
) -> tuple[Number, ...]:
    numbers = []
    for (sweep, axis), method in product(SWEEPS.items(), METHODS):
        sizes, counts = select_iterations(table, sweep, method)
        middle = np.median(counts, axis=0)
        what = f"{method}: median iterations as {axis} goes from {sizes[0]} to {sizes[-1]}"
        numbers.append(
            Number(
                what,
                f"{middle[0]:,.0f} → {middle[-1]:,.0f}, exponent "
                f"{fit_growth(table, sweep, method)[1]:.2f}",
            )
        )
    slowest = settings.acceleration / max((1, *settings.divisors))
    implied = float(steps["iterations"][0]) * slowest
    numbers += [
        Number(
            f"PG on the first base model, at {slowest:,.0f} times the step size of its theory",
            f"{steps['iterations'][0]:,} iterations",
        ),
        Number(
            "the same at the step size of its theory, extrapolated",
            f"about {implied:.2g} iterations",
        ),
        Number("NPG on that model", f"{natural.iterations:,} iterations", f"at most {granted:,}"),
        Number(
            f"runs that reached the cap of {settings.cap:,} iterations",
            f"{np.count_nonzero(table['capped'])} of {table['capped'].size}",
        ),
    ]
    return tuple(numbers)


def compares_steps(steps: dict[str, np.ndarray]) -> bool:
    """Return whether runs with several step sizes ended, after enough iterations to compare."""
    counts = steps["iterations"]
    return counts.size > 1 and counts.min() >= FEWEST_COMPARED and not steps["capped"].any()


def _make_notes(table: dict[str, np.ndarray], steps: dict[str, np.ndarray]) -> tuple[str, ...]:
    """Return what these runs do not show because they were stopped or too short."""
    notes = []
    stopped = [
        f"{method} ({SWEEPS[sweep]})"
        for sweep, method in product(SWEEPS, METHODS)
        if not _shows_growth(table, sweep, method)
    ]
    if stopped:
        notes.append(
            "The growth of the iterations is not checked where runs reached the cap, or needed no "
            "iterations: "
            f"{', '.join(stopped)}."
        )
    natural = int(np.count_nonzero(table["capped"] & (table["method"] == "NPG")))
    if natural:
        notes.append(
            f"{natural} runs of NPG reached the cap, and say nothing about its bound beyond it."
        )
    if not compares_steps(steps):
        notes.append(
            "The iterations of PG with several step sizes are not compared: there is one step "
            f"size, or a run was stopped, or took fewer than {FEWEST_COMPARED} iterations."
        )
    return tuple(notes)


def _shows_growth(table: dict[str, np.ndarray], sweep: str, method: str) -> bool:
    """Return whether a check of the growth of the iterations is conclusive.

    Growth from 0 to 0 iterations is none.
    A stopped run needs more iterations than it made: at the smallest size this says nothing, at the
    largest one it can only confirm that a method slows down.
    """
    first, last = find_capped_ends(table, sweep, method)
    if method in METHODS[2:]:
        return not (first or last) or sweep == "horizon"
    if np.median(select_iterations(table, sweep, method)[1][:, -1]) < 1.0:
        return False
    return not first and (
        not last or fit_growth(table, sweep, method)[0] >= _least_growth(table, sweep, method)
    )


def _least_growth(table: dict[str, np.ndarray], sweep: str, method: str) -> float:
    """Return the smallest growth of the iterations of PG that counts as slowing down."""
    sizes, _ = select_iterations(table, sweep, method)
    growth = float(sizes[-1] / sizes[0])
    return math.sqrt(growth) if sweep == "actions" else 0.5 * growth


def _check_growth(table: dict[str, np.ndarray]) -> list[Check]:
    checks = []
    for sweep, method in product(("states", "actions"), METHODS[2:]):
        sizes, _ = select_iterations(table, sweep, method)
        times = fit_growth(table, sweep, method)[0]
        if _shows_growth(table, sweep, method):
            checks.append(
                Check(
                    f"{method} does not slow down with more {sweep}",
                    f"{times:.2f} times the iterations with {sizes[-1]} {sweep} as with {sizes[0]}",
                    "at most 1.5 times",
                    times <= 1.5,
                )
            )
    for sweep, method in product(SWEEPS, METHODS[:2]):
        sizes, _ = select_iterations(table, sweep, method)
        times = fit_growth(table, sweep, method)[0]
        least = _least_growth(table, sweep, method)
        if _shows_growth(table, sweep, method):
            checks.append(
                Check(
                    f"{method} slows down as {SWEEPS[sweep]} grows",
                    f"{times:.2g} times the iterations at {sizes[-1]} as at {sizes[0]}",
                    f"at least {least:.2g} times",
                    bool(times >= least),
                )
            )
    return checks


def _make_checks(
    table: dict[str, np.ndarray], steps: dict[str, np.ndarray], counted: list[Cell]
) -> tuple[Check, ...]:
    natural = table["method"] == "NPG"
    ascending = [one.ascending for cell in counted for one in cell.counts]
    used = table["iterations"][natural] / table["guaranteed_of_npg"][natural]
    checks = [
        *_check_growth(table),
        Check(
            "NPG never needs more iterations than its bound",
            f"at most {used.max():.0%} of them",
            "at most 100%",
            bool(used.max() <= 1.0),
        ),
    ]
    if compares_steps(steps):
        scaled = steps["iterations"] * steps["step"]
        spread = float(scaled.max() / scaled.min() - 1.0)
        checks.append(
            Check(
                "The iterations of PG are inversely proportional to its step size",
                f"step × iterations equal within {spread:.1%}",
                "within 5%",
                spread <= 0.05,
            )
        )
    checks.append(
        Check(
            "The value never decreases, in spite of step sizes beyond the theory of PG",
            f"in {sum(ascending)} of {len(ascending)} runs",
            "in all runs",
            all(ascending),
        )
    )
    return tuple(checks)


EXPERIMENT = Experiment(
    name="scaling",
    title="Natural policy gradient and the size of the model",
    summary=(
        "Iterations to an accuracy as S, A and the horizon grow: PG and NPG, with and without "
        "entropy."
    ),
    theory=(
        (
            "Natural policy gradient from the uniform policy satisfies, for any step size η and "
            "after t iterations,"
        ),
        "    V*(ρ) − V_t(ρ) ≤ ( log A / η + 1/(1−γ)² ) / t.",
        "The bound does not depend on S or ρ, and with η = (1−γ)² log A not on A: 2/((1−γ)² ε) "
        "iterations are enough. With entropy the error shrinks by 1 − ητ per iteration, again for "
        "any S and A.",
        "The theory of softmax policy gradient allows steps of (1−γ)³/8. Its gradient in a state "
        "is weighted by the visits to the state, about 1/S, and by the probability of the action, "
        "initially 1/A; and on some models it needs exponentially many iterations.",
    ),
    sources=(
        "Agarwal, Kakade, Lee & Mahajan 2021, JMLR 22(98), Theorems 10 and 16",
        "Cen, Cheng, Chen, Wei & Chi 2022, Operations Research 70(4), Theorem 1",
        "Mei, Xiao, Szepesvári & Schuurmans 2020, ICML, Theorems 4 and 6",
    ),
    full=FULL,
    quick=QUICK,
    run=run,
    caveat=(
        "Random models are easy for policy gradient: all states are visited about equally often, "
        "and most of the possible gain is visible one step ahead. With arbitrarily large steps, "
        "all of these methods are almost policy iteration and need a few iterations. So the "
        "comparison uses step sizes of the theory, equal for all sizes; those of policy gradient "
        "are multiplied by a constant to make its runs feasible."
    ),
)
