"""Generalized policy mirror descent and policy mirror descent, with other regularizers."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import product
from typing import TYPE_CHECKING, Annotated, NamedTuple

import numpy as np
import scipy.sparse as sp

from regmdp._internal.arrays import Float, Int
from regmdp._internal.events import Event
from regmdp._solve import solve
from regmdp.algorithms import GPMD, PMD
from regmdp.mdp import MDP
from regmdp.regularizers import CapBarrier, Regularizer, Tsallis
from regmdp.reproduce.base import Check, Experiment, FigureSpec, Number, ProgressFunction, Result
from regmdp.reproduce.parallel import map_in_processes
from regmdp.reproduce.settings import Items, Limits, check_fields, require
from regmdp.reproduce.texts import count_things

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["EXPERIMENT", "Settings", "make_problem", "run"]

METHODS = {"GPMD": GPMD, "PMD": PMD}
REGULARIZERS = {"tsallis": "h = Σ p² − 1", "barrier": "barrier below caps"}

#: Errors below this are not distinguished: the optimum is computed to within 1e-10.
SMALLEST_ERROR = 1e-9

KnownErrors = tuple[tuple[str, str, int, float], ...]

#: (regularizer, method, iterations, error) at η = 1, from an independent program with other random
#: models.
KNOWN: KnownErrors = (
    ("tsallis", "GPMD", 100, 6.4e-2),
    ("tsallis", "GPMD", 1000, 2.4e-4),
    ("tsallis", "GPMD", 2999, 2.5e-6),
    ("tsallis", "PMD", 100, 0.24),
    ("tsallis", "PMD", 1000, 1.2e-3),
    ("tsallis", "PMD", 2999, 7.3e-5),
    ("barrier", "GPMD", 100, 3.5e-3),
    ("barrier", "GPMD", 1000, 2.0e-4),
    ("barrier", "GPMD", 2999, 2.5e-6),
    ("barrier", "PMD", 100, 0.25),
    ("barrier", "PMD", 1000, 2.5e-3),
    ("barrier", "PMD", 2999, 2.9e-4),
)


@dataclass(frozen=True)
class Settings:
    """Settings of the experiment.

    Attributes:
        states: S.
        actions: A.
        successors: Next states of each pair, all equally likely.
        discount: γ.
        temperature: τ.
        capped: Number of states whose best action is capped.
        cap: b, the upper bound on its probability.
        step_sizes: η.
        iterations: Iterations of each run.
        runs: Number of random models.
        recorded: Approximate number of recorded iterations, evenly spaced in their logarithm.
        marks: Compared iterations; those beyond the last are left out.
        seed: Seed of the random models.
    """

    states: Annotated[int, Limits(2, 2000)]
    actions: Annotated[int, Limits(2, 1000)]
    successors: Annotated[int, Limits(1, 2000)]
    discount: Annotated[float, Limits(0.0, 0.9999)]
    temperature: Annotated[float, Limits(1e-6, 1e6)]
    capped: Annotated[int, Limits(1, 2000)]
    cap: Annotated[float, Limits(above=0.0, below=1.0)]
    step_sizes: Annotated[
        tuple[Annotated[float, Limits(1e-6, 1e6)], ...], Items(most=4, order="increasing")
    ]
    iterations: Annotated[int, Limits(1, 100_000)]
    runs: Annotated[int, Limits(1, 100)]
    recorded: Annotated[int, Limits(2, 1000)]
    marks: Annotated[tuple[Annotated[int, Limits(1)], ...], Items(order="increasing")]
    seed: Annotated[int, Limits(0)]

    def __post_init__(self) -> None:
        check_fields(self)
        require(
            max(self.successors, self.capped) <= self.states,
            f"successors and capped must be at most the {self.states} states, not "
            f"{self.successors} and {self.capped}",
        )
        require(
            self.cap > 1.0 / self.actions,
            f"cap must be above 1/actions = {1.0 / self.actions:g}, the probability of each action "
            f"at the start, not {self.cap:g}",
        )
        size = self.states**2 * self.actions
        require(size <= 10**8, f"states² times actions must be at most 10⁸, not {size:.3g}")

    @property
    def compared(self) -> tuple[int, ...]:
        """The marks within the iterations, or the last iteration if there are none."""
        return tuple(mark for mark in self.marks if mark <= self.iterations) or (self.iterations,)


FULL = Settings(
    states=200,
    actions=50,
    successors=20,
    discount=0.99,
    temperature=1e-3,
    capped=10,
    cap=0.1,
    step_sizes=(0.01, 0.1, 1.0),
    iterations=3000,
    runs=5,
    recorded=120,
    marks=(100, 1000, 2999),
    seed=0,
)
QUICK = Settings(
    states=60,
    actions=20,
    successors=10,
    discount=0.99,
    temperature=1e-3,
    capped=5,
    cap=0.1,
    step_sizes=(0.1, 1.0),
    iterations=300,
    runs=2,
    recorded=60,
    marks=(100, 299),
    seed=0,
)


class GPMDTask(NamedTuple):
    """One run of one method."""

    regularizer: str
    method: str
    step: float
    number: int
    settings: Settings


def make_problem(regularizer: str, number: int, settings: Settings) -> tuple[MDP, Regularizer]:
    """Return a random model, and the regularizer with this name.

    Each pair goes to distinct random states with equal probabilities; r(s, a) = U_sa U_s with U
    uniform in [0, 1]. The barrier limits the probability of the unregularized best action in some
    random states.
    """
    rng = np.random.default_rng([settings.seed, number])
    n_pairs = settings.states * settings.actions
    keys = rng.random((n_pairs, settings.states))
    successors = np.sort(
        np.argpartition(keys, settings.successors - 1, axis=1)[:, : settings.successors], axis=1
    )
    weight = np.full(n_pairs * settings.successors, 1.0 / settings.successors)
    pointers = np.arange(0, weight.size + 1, settings.successors)
    rows = sp.csr_array((weight, successors.ravel(), pointers), shape=(n_pairs, settings.states))
    rewards = rng.random((settings.states, settings.actions)) * rng.random((settings.states, 1))
    mdp = MDP(rows, rewards, settings.discount)
    if regularizer == "tsallis":
        return mdp, Tsallis(2.0, settings.temperature)
    states = rng.choice(settings.states, settings.capped, replace=False)
    best = solve(mdp, absolute_tol=1e-6).policy.argmax(axis=1)
    mask = np.zeros(mdp.rewards.shape, dtype=np.bool_)
    mask[states, best[states]] = True
    return mdp, CapBarrier(mask, settings.cap, settings.temperature)


def compute_errors(task: GPMDTask) -> Float[np.ndarray, " n"]:
    """(n,) ‖Q* - Q_k‖ at the recorded iterations of one run from the uniform policy."""
    settings = task.settings
    mdp, regularizer = make_problem(task.regularizer, task.number, settings)
    best = solve(mdp, regularizer, absolute_tol=1e-10).value
    wanted = set(recorded_iterations(settings).tolist())
    found: list[float] = []

    def record(event: Event) -> None:
        if event.iteration in wanted:
            missing = best - event.state.value
            # Q* - Q = γ P (V* - V), without the rounding errors of the rewards
            ahead = (mdp.transitions.matvec(missing, states) for states in mdp.transitions.blocks)
            found.append(mdp.discount * max(float(np.max(np.abs(block))) for block in ahead))

    method = METHODS[task.method](task.step)
    solve(mdp, regularizer, method, tol=0.0, max_iterations=settings.iterations, callback=record)
    return np.array(found)


def recorded_iterations(settings: Settings) -> Int[np.ndarray, " n"]:
    """Return the (n,) recorded iterations: 0, the marks, others evenly spaced in the logarithm."""
    spread = np.geomspace(1, settings.iterations, settings.recorded).round().astype(np.int64)
    return np.unique(np.concatenate((np.array([0, *settings.compared], dtype=np.int64), spread)))


#: (regularizer, method, step size) -> (runs, n) errors at the recorded iterations.
Errors = dict[tuple[str, str, float], Float[np.ndarray, "runs n"]]


def run(settings: Settings, progress: ProgressFunction) -> Result:
    """Run both methods on all random models, with all regularizers and step sizes."""
    # long runs first: PMD has the harder subproblem
    cells = list(product(REGULARIZERS, reversed(METHODS), settings.step_sizes))
    tasks = [GPMDTask(*cell, number, settings) for cell in cells for number in range(settings.runs)]
    found = map_in_processes(compute_errors, tasks, progress, _describe_task)
    by_cell: Errors = {
        cell: np.stack(found[settings.runs * number : settings.runs * (number + 1)])
        for number, cell in enumerate(cells)
    }
    iterations = recorded_iterations(settings)
    known = choose_known(settings)
    rows = [
        (regularizer, method, step, number, iteration, error)
        for (regularizer, method, step), runs in sorted(by_cell.items())
        for number, errors_of_run in enumerate(runs)
        for iteration, error in zip(iterations, errors_of_run, strict=True)
    ]
    names = ("regularizer", "method", "step", "run", "iteration", "error")
    return Result(
        {"errors": dict(zip(names, map(np.array, zip(*rows, strict=True)), strict=True))},
        {
            "gpmd-and-pmd": FigureSpec(
                lambda: _draw(by_cell, settings),
                _make_caption(by_cell, settings),
                _make_alt(by_cell),
            )
        },
        _make_numbers(by_cell, settings, known),
        _make_checks(by_cell, settings, known),
        ()
        if known
        else (
            "The known errors are those of the full settings, and are not compared with this run.",
        ),
    )


def choose_known(settings: Settings) -> KnownErrors:
    """Return the known errors if the settings are those for which they are known."""
    return KNOWN if settings == replace(FULL, seed=settings.seed) else ()


def _describe_task(task: GPMDTask) -> str:
    return (
        f"{task.method}, {REGULARIZERS[task.regularizer]}, η = {task.step:g}, run {task.number + 1}"
    )


def select_marks(
    by_cell: Errors, cell: tuple[str, str, float], settings: Settings
) -> Float[np.ndarray, "runs m"]:
    """(runs, m) errors at the marks."""
    return by_cell[cell][:, np.searchsorted(recorded_iterations(settings), settings.compared)]


def _make_numbers(
    by_cell: Errors, settings: Settings, all_known: KnownErrors
) -> tuple[Number, ...]:
    marks = ", ".join(map(str, settings.compared))
    numbers = []
    for regularizer, step, method in product(REGULARIZERS, settings.step_sizes, METHODS):
        middle = np.median(select_marks(by_cell, (regularizer, method, step), settings), axis=0)
        known = [f"{error:.2g}" for h, m, _, error in all_known if (h, m) == (regularizer, method)]
        numbers.append(
            Number(
                f"{method}, {REGULARIZERS[regularizer]}, η = {step:g}: error at {marks}",
                ", ".join(f"{error:.2g}" for error in middle),
                ", ".join(known) if step == max(settings.step_sizes) else "",
            )
        )
    return tuple(numbers)


def _make_checks(by_cell: Errors, settings: Settings, all_known: KnownErrors) -> tuple[Check, ...]:
    checks = []
    marks = ", ".join(map(str, settings.compared))
    for regularizer, step in product(REGULARIZERS, settings.step_sizes):
        slow, fast = (
            select_marks(by_cell, (regularizer, method, step), settings)
            for method in ("PMD", "GPMD")
        )
        ratio = np.maximum(slow, SMALLEST_ERROR) / np.maximum(fast, SMALLEST_ERROR)
        checks.append(
            Check(
                f"GPMD has a smaller error than PMD in every run: {REGULARIZERS[regularizer]}, η = "
                f"{step:g}, iterations {marks}",
                f"PMD's error is {ratio.min():.3g} to {ratio.max():.3g} times GPMD's",
                "more than 1 times",
                bool(np.all(ratio > 1.0)),
            )
        )
    for regularizer, method in product(REGULARIZERS, METHODS):
        known = {at: error for h, m, at, error in all_known if (h, m) == (regularizer, method)}
        if known:
            runs = by_cell[(regularizer, method, max(settings.step_sizes))]
            middle = np.median(
                runs[:, np.searchsorted(recorded_iterations(settings), list(known))], axis=0
            )
            ratio = middle / np.array(list(known.values()))
            checks.append(
                Check(
                    f"{method}, {REGULARIZERS[regularizer]}, η = {max(settings.step_sizes):g}: "
                    "known errors",
                    f"{ratio.min():.2f} to {ratio.max():.2f} times as large at "
                    f"{', '.join(map(str, known))}",
                    "between ½ and 2 times",
                    bool(np.all((ratio >= 0.5) & (ratio <= 2.0))),
                )
            )
    return tuple(checks)


def count_panels_below(by_cell: Errors) -> tuple[int, int]:
    """Count the panels where the median of GPMD is below that of PMD, and all panels.

    GPMD is below PMD if it is so at every recorded iteration after the start at which the error of
    PMD is not negligible.
    """
    below = []
    for (regularizer, method, step), runs in by_cell.items():
        if method == "PMD":
            slow, fast = (
                np.median(one[:, 1:], axis=0)
                for one in (runs, by_cell[(regularizer, "GPMD", step)])
            )
            below.append(bool(np.all((fast < slow) | (slow <= SMALLEST_ERROR))))
    return sum(below), len(below)


def _make_alt(by_cell: Errors) -> str:
    return (
        "A grid of panels on logarithmic axes, one row for each regularizer and one column for "
        "each step size: error of Q against iterations, a curve with a band for GPMD and one for "
        "PMD. The curve of GPMD lies below that of PMD everywhere in "
        f"{count_things(*count_panels_below(by_cell), 'panels')}."
    )


def _make_caption(by_cell: Errors, settings: Settings) -> str:
    return (
        "Distance from the optimal action values, in the worst pair, on random models with S = "
        f"{settings.states}, A = {settings.actions}, γ = {settings.discount:g}, τ = "
        f"{settings.temperature:g}: median and range of {settings.runs} runs, each of "
        f"{settings.iterations:,} iterations. Above, h = Σ p² − 1; below, a logarithmic barrier "
        f"that keeps the best action of {settings.capped} states below {settings.cap:g}. Columns: "
        "the step size η, equal for both methods. The median of GPMD is below that of PMD from "
        f"the first iteration on in {count_things(*count_panels_below(by_cell), 'panels')}."
    )


def _draw(by_cell: Errors, settings: Settings) -> Figure:
    from regmdp import plots

    shape = (len(REGULARIZERS), len(settings.step_sizes))
    figure, axes = plots.subplots(*shape, height=6.4, sharex=True, sharey=True, squeeze=False)
    iterations = recorded_iterations(settings)
    low = max(SMALLEST_ERROR, min(float(runs.min()) for runs in by_cell.values()))
    high = max(2.0 * low, *(float(runs.max()) for runs in by_cell.values()))
    titles = []
    for panel, (regularizer, step) in zip(
        axes.flat, product(REGULARIZERS, settings.step_sizes), strict=True
    ):
        plots.set_logarithmic(panel, x=True, y=True, limits=(low / 2.0, high * 2.0))
        for number, method in enumerate(METHODS):
            # a logarithmic axis has no 0
            shown = np.maximum(by_cell[(regularizer, method, step)][:, 1:], SMALLEST_ERROR)
            plots.draw_band(panel, iterations[1:], shown, number, method)
        titles.append(f"{REGULARIZERS[regularizer]}, η = {step:g}")
    for panel in axes[:, 0]:
        panel.set_ylabel("‖Q* − Q‖ in the sup norm")
    for panel in axes[-1]:
        panel.set_xlabel("iterations")
    plots.add_panel_titles(axes, titles)
    figure.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=2)
    return figure


EXPERIMENT = Experiment(
    name="gpmd",
    title="Generalized policy mirror descent with other regularizers",
    summary="GPMD and PMD with Tsallis entropy and with a barrier below caps.",
    theory=(
        "Policy mirror descent measures a step by the Kullback-Leibler divergence, for any "
        "regularizer h. Generalized policy mirror descent measures it by the Bregman divergence of "
        "h,",
        "    π⁺ = argmax ⟨Q, p⟩ − τ h(p) − D_h(p, π)/η,",
        "which is dual averaging, ξ⁺ = (ξ + ηQ)/(1 + ητ) and π⁺ = ∇h*(ξ⁺). For every convex h, "
        "smooth or not, and with α = 1/(1 + ητ), the error of Q shrinks by 1 − (1−α)(1−γ) per "
        "iteration, for any S and A.",
        "At a low temperature the optimal policies have probability 0 for most actions. A step in "
        "the Kullback-Leibler divergence multiplies a probability, so that it never becomes 0. A "
        "step in D_h reaches 0.",
        "With the barrier h is 0 in most states. There GPMD immediately chooses the action with "
        "the best average of Q, while PMD still takes finite steps; this explains most of the "
        "difference in the first iterations.",
        (
            "At these step sizes the guaranteed rate is very conservative: with γ = 0.99, τ = "
            "0.001, η = 1 it is 1 − 10⁻⁵."
        ),
    ),
    sources=(
        (
            "Zhan, Cen, Huang, Chen, Lee & Chi 2023, SIAM Journal on Optimization 33(2), Theorem 1 "
            "and section 5"
        ),
    ),
    full=FULL,
    quick=QUICK,
    run=run,
    caveat=(
        "The experiment is that of the paper, but the available version does not state the "
        "discount: γ = 0.99 is a choice. So only the order of the methods can be compared with the "
        "paper, not the numbers."
    ),
)
