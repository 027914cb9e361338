"""Runs of the experiment on generalized policy mirror descent, and the rates predicted for them."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import Annotated, NamedTuple

import numpy as np
import scipy.sparse as sp

from regmdp._internal.arrays import Float, Int
from regmdp._internal.events import Event
from regmdp._internal.kinds import Integer, Number
from regmdp._solve import solve
from regmdp.algorithms import GPMD, PMD
from regmdp.mdp import MDP
from regmdp.regularizers import CapBarrier, LogBarrier, Regularizer, Tsallis
from regmdp.reproduce.base import ProgressFunction
from regmdp.reproduce.parallel import map_in_processes
from regmdp.reproduce.settings import Items, check_fields, require
from regmdp.theory import compute_optimum, local_rates

__all__ = [
    "METHODS",
    "REGULARIZERS",
    "SMALLEST_ERROR",
    "Errors",
    "GPMDTask",
    "Rates",
    "Settings",
    "compute_errors",
    "find_faster",
    "make_problem",
    "predict_rates",
    "recorded_iterations",
    "run_all",
    "select_marks",
]

METHODS = {"GPMD": GPMD, "PMD": PMD}
REGULARIZERS = {
    "tsallis": "h = Σ p² − 1",
    "barrier": "barrier below caps",
    "log-barrier": "barrier at 0",
}

#: Errors below this are not distinguished: the optimum is computed to within 1e-10.
SMALLEST_ERROR = 1e-9


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

    states: Annotated[int, Integer(2, 2000)]
    actions: Annotated[int, Integer(2, 1000)]
    successors: Annotated[int, Integer(1, 2000)]
    discount: Annotated[float, Number(0.0, 0.9999)]
    temperature: Annotated[float, Number(1e-6, 1e6)]
    capped: Annotated[int, Integer(1, 2000)]
    cap: Annotated[float, Number(above=0.0, below=1.0)]
    step_sizes: Annotated[
        tuple[Annotated[float, Number(1e-6, 1e6)], ...], Items(most=4, order="increasing")
    ]
    iterations: Annotated[int, Integer(1, 100_000)]
    runs: Annotated[int, Integer(1, 100)]
    recorded: Annotated[int, Integer(2, 1000)]
    marks: Annotated[tuple[Annotated[int, Integer(1)], ...], Items(order="increasing")]
    seed: Annotated[int, Integer(0)]

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
    uniform in [0, 1]. The barrier below caps limits the probability of the unregularized best
    action in some random states; that at 0 is -Σ log p in all states.
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
    if regularizer == "log-barrier":
        return mdp, LogBarrier(settings.temperature)
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


#: (regularizer, step size) -> factor of the errors of V near the optimum, by method.
Rates = dict[tuple[str, float], dict[str, float]]


def run_all(settings: Settings, progress: ProgressFunction) -> Errors:
    """Run both methods on all random models, with all regularizers and step sizes."""
    # long runs first: PMD has the harder subproblem
    cells = list(product(REGULARIZERS, reversed(METHODS), settings.step_sizes))
    tasks = [GPMDTask(*cell, number, settings) for cell in cells for number in range(settings.runs)]
    found = map_in_processes(compute_errors, tasks, progress, _describe_task)
    return {
        cell: np.stack(found[settings.runs * number : settings.runs * (number + 1)])
        for number, cell in enumerate(cells)
    }


def predict_rates(settings: Settings) -> Rates:
    """Predict the rates near the optimum of the first random model."""
    rates: Rates = {}
    for name in REGULARIZERS:
        mdp, regularizer = make_problem(name, 0, settings)
        optimum = compute_optimum(mdp, regularizer)
        for step in settings.step_sizes:
            found = local_rates(mdp, regularizer, step_size=step, optimum=optimum)
            rates[(name, step)] = {"GPMD": found.gpmd_value, "PMD": found.pmd_value}
    return rates


def find_faster(rates: Rates, regularizer: str, step: float) -> tuple[str, str]:
    """Return the method that is predicted to be faster, and the other one."""
    factor = rates[(regularizer, step)]
    return ("GPMD", "PMD") if factor["GPMD"] <= factor["PMD"] else ("PMD", "GPMD")


def _describe_task(task: GPMDTask) -> str:
    return (
        f"{task.method}, {REGULARIZERS[task.regularizer]}, η = {task.step:g}, run {task.number + 1}"
    )


def select_marks(
    by_cell: Errors, cell: tuple[str, str, float], settings: Settings
) -> Float[np.ndarray, "runs m"]:
    """(runs, m) errors at the marks."""
    return by_cell[cell][:, np.searchsorted(recorded_iterations(settings), settings.compared)]
