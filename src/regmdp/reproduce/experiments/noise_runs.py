"""The runs of the experiment on natural policy gradient with errors in its values."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy.special import log_softmax

from regmdp import models, theory
from regmdp._internal.arrays import Float
from regmdp._internal.events import Event
from regmdp._learn import learn
from regmdp.algorithms import NPG
from regmdp.evaluation import Noisy
from regmdp.mdp import MDP
from regmdp.regularizers import Shannon

__all__ = [
    "ARMS",
    "GARNET",
    "KINDS",
    "Floors",
    "Settings",
    "Task",
    "Track",
    "floors_of",
    "iterations",
    "problem",
    "track",
]

KINDS = ("uniform", "sign", "adversarial")
GARNET, ARMS = "random model", "two arms"


@dataclass(frozen=True)
class Settings:
    """What is run.

    Attributes:
        shape: (S, A, horizon) of the random models, the horizon being 1/(1-γ); the two arms have
            the same horizon.
        branching: Successors of each pair.
        models: Random models.
        runs: Runs on each, where the errors are random.
        temperature: τ.
        deltas: δ, with some of the steps.
        shares: η as a share of the largest, (1-γ)/τ, with all δ; the largest first.
        delta: The δ with which more steps are run.
        swept: Those steps, the largest first.
        length: Iterations of a run, times its share of the largest step: log π forgets its start
            like (1 - share)^t.
        least: The least number of iterations of a run.
        seed: Of the random models and of the errors.
    """

    shape: tuple[int, int, int]
    branching: int
    models: int
    runs: int
    temperature: float
    deltas: tuple[float, ...]
    shares: tuple[float, ...]
    delta: float
    swept: tuple[float, ...]
    length: float
    least: int
    seed: int


class Task(NamedTuple):
    """Some runs on one model."""

    problem: str
    kind: str
    delta: float
    share: float
    number: int
    settings: Settings


class Track(NamedTuple):
    """What became of them.

    Attributes:
        task: What was run.
        errors: (n + 1, runs) ‖Q* - Q_t‖ as "q", and τ‖log π* - log π_t‖ as "log_policy", in the sup
            norm.
        earlier: (n + 1,) the published bound on the error of Q, with C_2.
        improved: (n + 1,) the bound without 1/(ητ).
        earlier_floor: What is left of it for t → ∞.
        improved_floor: The same.
    """

    task: Task
    errors: dict[str, Float[np.ndarray, "n runs"]]
    earlier: Float[np.ndarray, " n"]
    improved: Float[np.ndarray, " n"]
    earlier_floor: float
    improved_floor: float

    def late(self, name: str) -> Float[np.ndarray, "m runs"]:
        """(m, runs) errors in the second half."""
        errors = self.errors[name]
        return errors[errors.shape[0] // 2 :]


#: (problem, kind, δ, share) -> the (runs,) floors of all runs on all models, by the name of the
#: error.
Floors = dict[tuple[str, str, float, float], dict[str, Float[np.ndarray, " runs"]]]


def iterations(share: float, settings: Settings) -> int:
    """Return how long the runs with a step are."""
    return max(settings.least, math.ceil(settings.length / share))


def problem(task: Task) -> MDP:
    """Return a Garnet with rewards uniform in [0, 1]; or one state with two arms whose rewards differ by δ."""
    settings = task.settings
    n_states, n_actions, horizon = settings.shape
    discount = 1.0 - 1.0 / horizon
    if task.problem == ARMS:
        return MDP(np.ones((1, 2, 1)), np.array([[task.delta, 0.0]]), discount)
    rng = np.random.default_rng([settings.seed, *settings.shape, task.number])
    garnet = models.garnet(n_states, n_actions, settings.branching, rng=rng)
    return MDP(garnet.to_array(), rng.random((n_states, n_actions)), discount)


def track(task: Task) -> Track:
    """Run natural policy gradient with errors from the uniform policy, and measure the true error of every iterate."""
    settings, mdp = task.settings, problem(task)
    regularizer, n = Shannon(settings.temperature), iterations(task.share, settings)
    step = task.share * (1.0 - mdp.discount) / settings.temperature
    best = theory.compute_optimum(mdp, regularizer)
    log_best = log_softmax(best.q / settings.temperature, axis=-1)
    errors: dict[str, list[Float[np.ndarray, " runs"]]] = {"q": [], "log_policy": []}

    def measure(event: Event) -> None:
        assert event.state.next_policy is not None
        policy = event.state.next_policy.reshape(-1, *mdp.rewards.shape)
        q = action_values(mdp, policy, settings.temperature)
        errors["q"].append(np.max(np.abs(best.q - q), axis=(1, 2)))
        errors["log_policy"].append(
            settings.temperature * np.max(np.abs(log_best - np.log(policy)), axis=(1, 2))
        )

    runs = (
        1 if task.kind == "adversarial" else settings.runs
    )  # the adversary leaves nothing to chance
    place = [
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
        rng=[np.random.default_rng([*place, run]) for run in range(runs)],
        callback=measure,
    )
    earlier, improved = theory.inexact_entropy_npg_bounds(
        mdp, regularizer, step_size=step, iterations=n, error=task.delta, optimum=best
    )
    return Track(
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
    """(N, S, A) policies of a dense model -> (N, S, A) their exact action values, with Shannon entropy."""
    rows, rewards = mdp.to_array(), np.asarray(mdp.rewards)
    chain = np.einsum("nsa,sat->nst", policy, rows)
    expected = np.sum(policy * (rewards - temperature * np.log(policy)), axis=-1)
    value = np.linalg.solve(np.eye(mdp.n_states) - mdp.discount * chain, expected[..., None])[
        ..., 0
    ]
    return rewards + mdp.discount * np.einsum("sat,nt->nsa", rows, value)


def floors_of(tracks: list[Track]) -> Floors:
    """Return the floors: the means of the errors over the second half of each run."""
    found: dict[tuple[str, str, float, float], dict[str, list[Float[np.ndarray, " runs"]]]] = {}
    for one in tracks:
        task = one.task
        here = found.setdefault(
            (task.problem, task.kind, task.delta, task.share), {name: [] for name in one.errors}
        )
        for name, means in here.items():
            means.append(one.late(name).mean(axis=0))
    return {
        key: {name: np.concatenate(means) for name, means in here.items()}
        for key, here in found.items()
    }
