"""Runs of the experiment on natural policy gradient with inexact values."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated, Literal, NamedTuple

import numpy as np
from scipy.special import log_softmax

from regmdp import models, theory
from regmdp._internal.arrays import Float
from regmdp._internal.events import Event
from regmdp._internal.kinds import Integer, Number
from regmdp._learn import learn
from regmdp.algorithms import NPG
from regmdp.evaluation import Noisy
from regmdp.mdp import MDP
from regmdp.regularizers import Shannon
from regmdp.reproduce.settings import Items, check_fields, require

__all__ = [
    "ARMS",
    "GARNET",
    "KINDS",
    "Floors",
    "NoiseTask",
    "NoiseTrack",
    "Settings",
    "compute_floors",
    "count_iterations",
    "make_problem",
    "run_task",
]

Share = Annotated[float, Number(1e-3, 1.0)]
ErrorSize = Annotated[float, Number(1e-6, 1e3)]
#: Largest number of iterations of a run.
MOST_ITERATIONS = 1_000_000

ErrorKind = Literal["uniform", "sign", "adversarial"]

KINDS: tuple[ErrorKind, ...] = ("uniform", "sign", "adversarial")
GARNET, ARMS = "random model", "two arms"


@dataclass(frozen=True)
class Settings:
    """Settings of the experiment.

    Attributes:
        shape: (S, A, horizon) of the random models, the horizon being 1/(1-γ); the two arms have
            the same horizon.
        branching: Successors of each pair.
        models: Number of random models.
        runs: Number of runs on each, if the errors are random.
        temperature: τ.
        deltas: δ, for all step sizes of ``shares``.
        shares: η as a fraction of the largest, (1-γ)/τ, for all δ; the largest first.
        delta: The δ for all step sizes of ``swept``.
        swept: More step sizes, the largest first.
        length: Iterations of a run times its fraction of the largest step size, because the effect
            of the initial policy on log π decays like (1 - share)^t.
        least: Smallest number of iterations of a run.
        seed: Seed of the random models and of the errors.
    """

    shape: tuple[
        Annotated[int, Integer(2, 200)],
        Annotated[int, Integer(2, 50)],
        Annotated[int, Integer(2, 100)],
    ]
    branching: Annotated[int, Integer(1, 200)]
    models: Annotated[int, Integer(1, 100)]
    runs: Annotated[int, Integer(1, 100)]
    temperature: Annotated[float, Number(1e-4, 1e3)]
    deltas: Annotated[tuple[ErrorSize, ...], Items(least=2, most=50, order="increasing")]
    shares: Annotated[tuple[Share, ...], Items(most=4, order="decreasing")]
    delta: ErrorSize
    swept: Annotated[tuple[Share, ...], Items(least=2, most=50, order="decreasing")]
    length: Annotated[float, Number(1e-3, 1e4)]
    least: Annotated[int, Integer(2, 100_000)]
    seed: Annotated[int, Integer(0)]

    def __post_init__(self) -> None:
        check_fields(self)
        require(
            self.branching <= self.shape[0],
            f"branching must be at most the {self.shape[0]} states, not {self.branching}",
        )
        longest = count_iterations(min(*self.shares, *self.swept), self)
        require(
            longest <= MOST_ITERATIONS,
            f"length divided by the smallest step gives {longest:,} iterations, more than "
            f"{MOST_ITERATIONS:,}; use a smaller length or larger steps",
        )


class NoiseTask(NamedTuple):
    """A batch of runs on one model."""

    problem: str
    kind: ErrorKind
    delta: float
    share: float
    number: int
    settings: Settings


class NoiseTrack(NamedTuple):
    """Errors of a batch of runs, and their bounds.

    Attributes:
        task: The task.
        errors: (n + 1, runs) ‖Q* - Q_t‖ as "q", and τ‖log π* - log π_t‖ as "log_policy", in the sup
            norm.
        earlier: (n + 1,) the published bound on the error of Q, with C_2.
        improved: (n + 1,) the bound without 1/(ητ).
        earlier_floor: Limit of the published bound for t → ∞.
        improved_floor: Limit of the improved bound.
    """

    task: NoiseTask
    errors: dict[str, Float[np.ndarray, "n runs"]]
    earlier: Float[np.ndarray, " n"]
    improved: Float[np.ndarray, " n"]
    earlier_floor: float
    improved_floor: float

    def late(self, name: str) -> Float[np.ndarray, "m runs"]:
        """(m, runs) errors in the second half of the iterations."""
        errors = self.errors[name]
        return errors[errors.shape[0] // 2 :]


#: (problem, kind, δ, share) -> (runs,) floors of all runs on all models, by the name of the error.
Floors = dict[tuple[str, str, float, float], dict[str, Float[np.ndarray, " runs"]]]


def count_iterations(share: float, settings: Settings) -> int:
    """Return the number of iterations of a run."""
    return max(settings.least, math.ceil(settings.length / share))


def make_problem(task: NoiseTask) -> MDP:
    """Return a Garnet with rewards uniform in [0, 1], or two arms whose rewards differ by δ."""
    settings = task.settings
    n_states, n_actions, horizon = settings.shape
    discount = 1.0 - 1.0 / horizon
    if task.problem == ARMS:
        return MDP(np.ones((1, 2, 1)), np.array([[task.delta, 0.0]]), discount)
    rng = np.random.default_rng([settings.seed, *settings.shape, task.number])
    garnet = models.garnet(n_states, n_actions, settings.branching, rng=rng)
    return MDP(garnet.to_array(), rng.random((n_states, n_actions)), discount)


def run_task(task: NoiseTask) -> NoiseTrack:
    """Run inexact natural policy gradient, and measure the exact errors of all iterates."""
    settings, mdp = task.settings, make_problem(task)
    regularizer, n = Shannon(settings.temperature), count_iterations(task.share, settings)
    step = task.share * (1.0 - mdp.discount) / settings.temperature
    best = theory.compute_optimum(mdp, regularizer)
    log_best = log_softmax(best.q / settings.temperature, axis=-1)
    errors: dict[str, list[Float[np.ndarray, " runs"]]] = {"q": [], "log_policy": []}

    def measure(event: Event) -> None:
        assert event.state.next_policy is not None
        policy = event.state.next_policy.reshape(-1, *mdp.rewards.shape)
        require(
            policy.min() > 0.0,
            f"at the temperature {settings.temperature:g} a probability is 0 in floating point; "
            "use a higher temperature or smaller errors",
        )
        q = action_values(mdp, policy, settings.temperature)
        errors["q"].append(np.max(np.abs(best.q - q), axis=(1, 2)))
        errors["log_policy"].append(
            settings.temperature * np.max(np.abs(log_best - np.log(policy)), axis=(1, 2))
        )

    runs = 1 if task.kind == "adversarial" else settings.runs  # the adversary is deterministic
    seeds = [
        settings.seed,
        KINDS.index(task.kind),
        round(1e9 * task.delta),
        round(1e9 * task.share),
        task.number,
    ]
    learn(
        mdp,
        regularizer,
        NPG(step, evaluation=Noisy(task.delta, task.kind)),
        max_iterations=n,
        rng=[np.random.default_rng([*seeds, run]) for run in range(runs)],
        callback=measure,
    )
    earlier, improved = theory.inexact_entropy_npg_bounds(
        mdp, regularizer, step_size=step, iterations=n, error=task.delta, optimum=best
    )
    return NoiseTrack(
        task,
        {name: np.array(found) for name, found in errors.items()},
        earlier,
        improved,
        mdp.discount
        * theory.inexact_floor(mdp.discount, 1.0 - task.share, evaluation_error=task.delta),
        theory.sharp_inexact_floor(mdp.discount, settings.temperature, task.delta),
    )


def action_values(
    mdp: MDP, policy: Float[np.ndarray, "N S A"], temperature: float
) -> Float[np.ndarray, "N S A"]:
    """(N, S, A) policies of a dense model -> (N, S, A) exact action values, Shannon entropy."""
    rows, rewards = mdp.to_array(), np.asarray(mdp.rewards)
    chain = np.einsum("nsa,sat->nst", policy, rows)
    expected = np.sum(policy * (rewards - temperature * np.log(policy)), axis=-1)
    value = np.linalg.solve(np.eye(mdp.n_states) - mdp.discount * chain, expected[..., None])[
        ..., 0
    ]
    return rewards + mdp.discount * np.einsum("sat,nt->nsa", rows, value)


def compute_floors(tracks: list[NoiseTrack]) -> Floors:
    """Return the floors: mean errors over the second half of each run."""
    found: dict[tuple[str, str, float, float], dict[str, list[Float[np.ndarray, " runs"]]]] = {}
    for one in tracks:
        task = one.task
        here = found.setdefault(
            (task.problem, task.kind, task.delta, task.share),
            {name: [] for name in one.errors},
        )
        for name, means in here.items():
            means.append(one.late(name).mean(axis=0))
    return {
        key: {name: np.concatenate(means) for name, means in here.items()}
        for key, here in found.items()
    }
