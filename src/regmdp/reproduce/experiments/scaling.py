"""Iterations to an accuracy as the model grows: policy gradient and natural policy gradient, with and without entropy."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import product
from typing import Any, NamedTuple

import numpy as np

from regmdp import models, theory
from regmdp._internal.arrays import Int
from regmdp._internal.events import Event
from regmdp._solve import solve
from regmdp.algorithms import NPG, Algorithm, Maximum, SoftmaxPG
from regmdp.improvement import SoftmaxGradient
from regmdp.mdp import MDP
from regmdp.mdp.mdp import initial_value
from regmdp.regularizers import Regularizer, Shannon, Unregularized
from regmdp.reproduce.base import Check, Experiment, FigureSpec, Number, ProgressFunction, Result
from regmdp.reproduce.parallel import map_in_processes

__all__ = ["EXPERIMENT", "Settings", "random_model", "run"]

#: The methods, in the order of the figures.
METHODS = ("PG", "entropy PG", "NPG", "entropy NPG")
#: What grows, in the order of the panels, and its name on the axis.
SWEEPS = {"states": "states S", "actions": "actions A", "horizon": "horizon 1/(1−γ)"}


@dataclass(frozen=True)
class Settings:
    """What is run.

    Attributes:
        states: S, while the others stay at their base values.
        actions: A.
        horizons: 1/(1-γ).
        base: (S, A, horizon) that stays where nothing grows.
        models: Random models of each size.
        branching: Successors of each pair.
        temperature: τ of the methods with entropy.
        accuracy: ε(1-γ), the distance from optimal per step of the process; rewards are in [0, 1].
        acceleration: How many times the step size of their theory the two gradient methods take.
        brakes: Divisors of the acceleration, to see that a fraction of the step takes as many times
            more iterations.
        cap: The most iterations of a run.
        seed: Of the random models.
    """

    states: tuple[int, ...]
    actions: tuple[int, ...]
    horizons: tuple[int, ...]
    base: tuple[int, int, int]
    models: int
    branching: int
    temperature: float
    accuracy: float
    acceleration: float
    brakes: tuple[int, ...]
    cap: int
    seed: int


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
    brakes=(10, 100),
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
    brakes=(10,),
    cap=5000,
    seed=0,
)


class Task(NamedTuple):
    """One random model of a shape (S, A, horizon)."""

    shape: tuple[int, int, int]
    number: int
    settings: Settings


class Count(NamedTuple):
    """How many iterations a method took.

    Attributes:
        step: Its step size.
        iterations: Iterations until the accuracy, or the cap.
        capped: Whether the cap came first.
        ascending: Whether the value from ρ never fell.
    """

    step: float
    iterations: int
    capped: bool
    ascending: bool


class Cell(NamedTuple):
    """What the methods did on one model, in the order of METHODS, and how many iterations the theory grants NPG."""

    counts: tuple[Count, ...]
    guaranteed: int


def random_model(shape: tuple[int, int, int], number: int, settings: Settings) -> MDP:
    """Return a Garnet of shape (S, A, horizon), stored densely, with rewards uniform in [0, 1] and a uniform ρ."""
    n_states, n_actions, horizon = shape
    rng = np.random.default_rng([settings.seed, *shape, number])
    garnet = models.garnet(n_states, n_actions, min(settings.branching, n_states), rng=rng)
    return MDP(garnet.to_array(), rng.random((n_states, n_actions)), 1.0 - 1.0 / horizon)


def natural_step(mdp: MDP) -> float:
    """Return (1-γ)² log A, the step of NPG at which the two terms of its bound are the same."""
    return (1.0 - mdp.discount) ** 2 * math.log(mdp.n_actions)


def gradient_step(mdp: MDP, regularizer: Regularizer) -> float:
    """Return the step that the theory of softmax policy gradient allows."""
    return SoftmaxGradient(Maximum()).max_step_size(mdp, regularizer)


def count(
    mdp: MDP,
    regularizer: Regularizer,
    algorithm: Algorithm,
    step: float,
    cap: int,
    settings: Settings,
) -> Count:
    """Run a method from the uniform policy until it is ε-optimal from ρ, for its own objective."""
    best = initial_value(mdp, solve(mdp, regularizer, tol=1e-9).value)
    enough = best - settings.accuracy / (1.0 - mdp.discount)
    values: list[float] = []

    def stop(event: Event) -> None:
        values.append(event.measures["value"])
        if event.measures["value"] >= enough:
            raise KeyboardInterrupt

    solve(mdp, regularizer, algorithm, tol=0.0, max_iterations=cap, callback=stop)
    ascending = bool(np.all(np.diff(values) >= -1e-12 * (1.0 + abs(best))))
    return Count(step, len(values) - 1, values[-1] < enough, ascending)


def guaranteed(mdp: MDP, settings: Settings) -> int:
    """Return after how many iterations the theory guarantees that NPG has reached ε."""
    after_one = theory.npg_bound(mdp, step_size=natural_step(mdp), iterations=1)[1]
    # the bound is proportional to 1/t
    return math.ceil(after_one * (1.0 - mdp.discount) / settings.accuracy)


def all_methods(task: Task) -> Cell:
    """Run the methods on one model."""
    settings = task.settings
    mdp = random_model(task.shape, task.number, settings)
    none, entropy, natural = Unregularized(), Shannon(settings.temperature), natural_step(mdp)
    plain, soft = (
        settings.acceleration * gradient_step(mdp, regularizer) for regularizer in (none, entropy)
    )
    counts = (
        count(mdp, none, SoftmaxPG(plain), plain, settings.cap, settings),
        count(mdp, entropy, SoftmaxPG(soft), soft, settings.cap, settings),
        count(mdp, none, NPG(natural), natural, settings.cap, settings),
        count(mdp, entropy, NPG(natural), natural, settings.cap, settings),
    )
    return Cell(counts, guaranteed(mdp, settings))


def braked(task: tuple[int, Settings]) -> Count:
    """Run PG on the first base model with its step divided by a number."""
    brake, settings = task
    mdp = random_model(settings.base, 0, settings)
    step = settings.acceleration * gradient_step(mdp, Unregularized()) / brake
    return count(mdp, Unregularized(), SoftmaxPG(step), step, settings.cap * brake, settings)


def shapes(settings: Settings) -> dict[str, list[tuple[int, int, int]]]:
    """Return the shapes (S, A, horizon) of each sweep."""
    states, actions, horizon = settings.base
    return {
        "states": [(n, actions, horizon) for n in settings.states],
        "actions": [(states, n, horizon) for n in settings.actions],
        "horizon": [(states, actions, n) for n in settings.horizons],
    }


def run(settings: Settings, progress: ProgressFunction) -> Result:
    """Count the iterations of all methods on all models."""
    sweeps = shapes(settings)
    unique = sorted({shape for sweep in sweeps.values() for shape in sweep}, key=_cost)
    tasks = [Task(shape, number, settings) for shape in unique for number in range(settings.models)]
    counted = map_in_processes(all_methods, tasks, _part(progress, 0.0, 0.9), _describe_task)
    by_shape: dict[tuple[int, int, int], list[Cell]] = {shape: [] for shape in unique}
    for task, found in zip(tasks, counted, strict=True):
        by_shape[task.shape].append(found)
    brakes = sorted((1, *settings.brakes), reverse=True)
    slow = map_in_processes(
        braked,
        [(brake, settings) for brake in brakes],
        _part(progress, 0.9, 1.0),
        lambda task: "PG, smaller steps",
    )
    base = random_model(settings.base, 0, settings)
    natural = count(
        base, Unregularized(), NPG(natural_step(base)), natural_step(base), settings.cap, settings
    )
    granted = guaranteed(base, settings)
    rows = [
        (sweep, *shape, number, method, one.step, one.iterations, one.capped, found.guaranteed)
        for sweep, grown in sweeps.items()
        for shape in grown
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
    table: dict[str, np.ndarray] = dict(
        zip(names, map(np.array, zip(*rows, strict=True)), strict=True)
    )
    steps = {
        "step": np.array([one.step for one in slow]),
        "iterations": np.array([one.iterations for one in slow]),
        "capped": np.array([one.capped for one in slow]),
    }
    return Result(
        {"scaling": table, "smaller-steps": steps},
        {"scaling": FigureSpec(lambda: _draw(table, settings), _caption(table, settings), _ALT)},
        _numbers(table, steps, natural, granted, settings),
        _checks(table, steps, counted, settings),
    )


def _cost(shape: tuple[int, int, int]) -> float:
    """Order shapes so that those that take longest come first."""
    n_states, n_actions, horizon = shape
    return -float(n_states * math.sqrt(n_actions) * horizon**2)


def _describe_task(task: Task) -> str:
    n_states, n_actions, horizon = task.shape
    return f"S = {n_states}, A = {n_actions}, 1/(1−γ) = {horizon}, model {task.number + 1}"


def _part(progress: ProgressFunction, start: float, end: float) -> ProgressFunction:
    return lambda fraction, text: progress(start + (end - start) * fraction, text)


def medians(
    table: dict[str, np.ndarray], sweep: str, method: str
) -> tuple[np.ndarray, Int[np.ndarray, "models n"]]:
    """Return the (n,) sizes of a sweep, and the (models, n) iterations of a method."""
    here = (table["grows"] == sweep) & (table["method"] == method)
    sizes = np.unique(table[sweep][here])
    return sizes, np.stack(
        [table["iterations"][here & (table[sweep] == size)] for size in sizes], axis=1
    )


def growth(table: dict[str, np.ndarray], sweep: str, method: str) -> tuple[float, float]:
    """Return how many times larger the median at the largest size is than at the smallest, and the exponent of a power law."""
    sizes, counts = medians(table, sweep, method)
    middle = np.median(counts, axis=0)
    exponent = np.polyfit(np.log(sizes), np.log(np.maximum(middle, 1.0)), 1)[0]
    return float(middle[-1] / max(middle[0], 1.0)), float(exponent)


def _numbers(
    table: dict[str, np.ndarray],
    steps: dict[str, np.ndarray],
    natural: Count,
    granted: int,
    settings: Settings,
) -> tuple[Number, ...]:
    numbers = []
    for (sweep, axis), method in product(SWEEPS.items(), METHODS):
        sizes, counts = medians(table, sweep, method)
        middle = np.median(counts, axis=0)
        what = f"{method}: median iterations as {axis} goes from {sizes[0]} to {sizes[-1]}"
        numbers.append(
            Number(
                what,
                f"{middle[0]:,.0f} → {middle[-1]:,.0f}, exponent "
                f"{growth(table, sweep, method)[1]:.2f}",
            )
        )
    slowest = settings.acceleration / max((1, *settings.brakes))
    implied = float(steps["iterations"][0]) * slowest
    numbers += [
        Number(
            f"PG on the first base model, at {slowest:,.0f} times the step of its theory",
            f"{steps['iterations'][0]:,} iterations",
        ),
        Number(
            "the same at the step of its theory, extrapolated", f"about {implied:.2g} iterations"
        ),
        Number("NPG on that model", f"{natural.iterations:,} iterations", f"at most {granted:,}"),
        Number(
            f"runs that met the cap of {settings.cap:,} iterations",
            f"{np.count_nonzero(table['capped'])} of {table['capped'].size}",
        ),
    ]
    return tuple(numbers)


def _checks(
    table: dict[str, np.ndarray],
    steps: dict[str, np.ndarray],
    counted: list[Cell],
    settings: Settings,
) -> tuple[Check, ...]:
    checks = []
    for sweep, method in product(("states", "actions"), METHODS[2:]):
        sizes, _ = medians(table, sweep, method)
        times = growth(table, sweep, method)[0]
        checks.append(
            Check(
                f"{method} does not slow down with more {sweep}",
                f"{times:.2f} times the iterations with {sizes[-1]} {sweep} as with {sizes[0]}",
                "at most 1.5 times",
                times <= 1.5,
            )
        )
    for sweep, method in product(SWEEPS, METHODS[:2]):
        sizes, _ = medians(table, sweep, method)
        times = growth(table, sweep, method)[0]
        least = (
            math.sqrt(sizes[-1] / sizes[0]) if sweep == "actions" else 0.5 * sizes[-1] / sizes[0]
        )
        checks.append(
            Check(
                f"{method} slows down as {SWEEPS[sweep]} grows",
                f"{times:.2g} times the iterations at {sizes[-1]} as at {sizes[0]}",
                f"at least {least:.2g} times",
                bool(times >= least),
            )
        )
    natural = table["method"] == "NPG"
    ascending = [one.ascending for cell in counted for one in cell.counts]
    used = table["iterations"][natural] / table["guaranteed_of_npg"][natural]
    scaled = steps["iterations"] * steps["step"]
    spread = float(scaled.max() / scaled.min() - 1.0)
    checks += [
        Check(
            "NPG never takes more iterations than its bound allows",
            f"at most {used.max():.0%} of them",
            "at most 100%",
            bool(used.max() <= 1.0 and not table["capped"][natural].any()),
        ),
        Check(
            "PG with a fraction of the step takes as many times more iterations",
            f"step × iterations the same within {spread:.1%}",
            "within 5%",
            spread <= 0.05 and not bool(steps["capped"].any()),
        ),
        Check(
            "The value never falls, in spite of steps beyond the theory of PG",
            f"{sum(ascending)} of {len(ascending)} runs ascend",
            "all of them",
            all(ascending),
        ),
    ]
    return tuple(checks)


_ALT = (
    "Three panels on logarithmic axes: iterations until an accuracy is reached, against the number "
    "of states, of actions and the horizon. The curves of the two policy gradient methods rise in "
    "all panels; those of the two natural policy gradient methods are level in the first two and "
    "rise slowly in the third."
)


def _caption(table: dict[str, np.ndarray], settings: Settings) -> str:
    states, actions, horizon = settings.base
    capped = int(np.count_nonzero(table["capped"]))
    return (
        f"Iterations from the uniform policy until V*(ρ) − V(ρ) ≤ {settings.accuracy:g}/(1−γ), "
        "each method for its own objective, on random models with rewards in [0, 1]: median and "
        f"range of {settings.models} models. What does not grow is S = {states}, A = {actions}, "
        f"1/(1−γ) = {horizon}. NPG and entropy NPG have the same step, η = (1−γ)² log A. The "
        f"policy gradient methods take {settings.acceleration:,.0f} times the step of their "
        "theory; at that step itself they need as many times more iterations. Dashed: what is "
        "guaranteed for NPG. "
        + (
            f"Circled: {capped} runs were stopped at {settings.cap:,} iterations."
            if capped
            else "No run was stopped early."
        )
    )


def _draw(table: dict[str, np.ndarray], settings: Settings) -> Any:
    from regmdp import plots

    figure, axes = plots.subplots(1, 3, height=4.2, sharey=True)
    labels = (
        f"PG, {settings.acceleration:,.0f} × the step of its theory",
        f"entropy PG, {settings.acceleration:,.0f} × the step of its theory",
        *METHODS[2:],
    )
    top = 2.0 * max(table["iterations"].max(), table["guaranteed_of_npg"].max())
    for panel, (sweep, name) in zip(axes, SWEEPS.items(), strict=True):
        plots.set_logarithmic(panel, x=True, y=True, limits=(1.0, top))
        for number, (method, label) in enumerate(zip(METHODS, labels, strict=True)):
            sizes, counts = medians(table, sweep, method)
            plots.draw_band(
                panel, sizes, counts.astype(np.float64), number, label, markers=len(sizes)
            )
            stopped = sizes[np.median(counts, axis=0) >= settings.cap]
            panel.plot(
                stopped,
                np.full(stopped.size, settings.cap),
                "o",
                markersize=10,
                fillstyle="none",
                color=plots.BLACK,
            )
        here = (table["grows"] == sweep) & (table["method"] == "NPG")
        sizes = np.unique(table[sweep][here])
        most = np.array(
            [table["guaranteed_of_npg"][here & (table[sweep] == size)].max() for size in sizes]
        )
        plots.draw_bound(panel, sizes, most, "NPG, guaranteed")
        panel.set_xticks(sizes, [str(size) for size in sizes])
        panel.set_xlabel(name)
    axes[0].set_ylabel("iterations")
    plots.add_panel_titles(axes, ("more states", "more actions", "a longer horizon"))
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=3)
    return figure


EXPERIMENT = Experiment(
    name="scaling",
    title="Natural policy gradient does not feel the size of the model",
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
        "Neither S nor ρ appears, and with η = (1−γ)² log A neither does A: 2/((1−γ)² ε) "
        "iterations are enough. With entropy the error shrinks by 1 − ητ an iteration, again "
        "whatever S and A are.",
        "Softmax policy gradient may take steps of (1−γ)³/8. Its gradient in a state is weighted "
        "by how often the state is visited, about 1/S, and by the probability of the action, at "
        "first 1/A; and on some models it needs exponentially many iterations.",
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
        "Random models are kind to policy gradient: all states are visited about equally often, "
        "and most of what is to be gained shows one step ahead. With steps as large as they like, "
        "all of these methods are almost policy iteration there and need a few iterations. So the "
        "comparison is between steps that the theory allows, the same for all sizes; those of "
        "policy gradient are multiplied by a constant to bring its iterations within reach."
    ),
)
