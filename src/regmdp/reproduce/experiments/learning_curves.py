"""Learning curves on three small environments, of methods that draw samples in different ways."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from regmdp._internal.arrays import Float
from regmdp._internal.events import Event
from regmdp._learn import learn
from regmdp._solve import solve
from regmdp.algorithms import NPG, PolicyOptimization, SoftQLearning, StochasticPMD
from regmdp.certificates import evaluate
from regmdp.evaluation import Rollouts
from regmdp.io import from_gymnasium
from regmdp.mdp import MDP
from regmdp.policies import uniform_policy
from regmdp.regularizers import Shannon
from regmdp.reproduce.base import Check, Experiment, FigureSpec, Number, ProgressFunction, Result
from regmdp.reproduce.parallel import map_in_processes

__all__ = ["EXPERIMENT", "FULL", "QUICK", "Settings", "run"]

METHODS = ("soft Q-learning", "natural gradient", "stochastic mirror descent")


class Tuning(NamedTuple):
    """How the methods are set in an environment.

    Attributes:
        temperature: τ.
        steps: Steps of each walker of soft Q-learning between two policies.
        n_envs: Its n_envs.
        share: Step size of the natural gradient, as a share of the largest, (1-γ)/τ.
        episodes: Episodes of the natural gradient in an iteration.
        samples: Samples of each pair with which stochastic mirror descent begins.
        iterations: Of each method.
    """

    temperature: float
    steps: int
    n_envs: int
    share: float
    episodes: int
    samples: int
    iterations: tuple[int, int, int]


TUNING = {
    "FrozenLake-v1": Tuning(0.001, 100, 10, 0.01, 500, 2, (200, 100, 80)),
    "CliffWalking-v1": Tuning(1.0, 100, 10, 0.005, 200, 2, (200, 100, 80)),
    "Taxi-v4": Tuning(0.05, 200, 20, 0.02, 1000, 1, (300, 60, 80)),
}


@dataclass(frozen=True)
class Settings:
    """Settings.

    Attributes:
        environments: Names of Gymnasium.
        discount: γ.
        seeds: Runs of each method.
        length: Iterations, as a share of those in the table.
        marks: Policies that are evaluated along a run.
        resamples: Of the bootstrap.
    """

    environments: tuple[str, ...]
    discount: float
    seeds: int
    length: float
    marks: int
    resamples: int


FULL = Settings(tuple(TUNING), discount=0.95, seeds=20, length=1.0, marks=14, resamples=2000)
QUICK = Settings(
    ("FrozenLake-v1", "CliffWalking-v1"), discount=0.95, seeds=4, length=0.5, marks=6, resamples=200
)


class Task(NamedTuple):
    """A method in an environment."""

    environment: str
    method: str
    settings: Settings


class Curve(NamedTuple):
    """(n,) samples drawn by a run, the (n, runs) values of its policies from ρ, and whether a run alone does the same."""

    samples: np.ndarray
    values: np.ndarray
    reproduced: bool


class Reference(NamedTuple):
    """What the uniform policy is worth, and the bounds on the optimum, both from ρ."""

    uniform: float
    lower: float
    upper: float


def problem(environment: str, settings: Settings) -> tuple[MDP, Shannon]:
    """Return the model of an environment, and the regularizer."""
    return from_gymnasium(environment, discount=settings.discount), Shannon(
        TUNING[environment].temperature
    )


def algorithm(task: Task) -> tuple[PolicyOptimization, int]:
    """Return a method as it is set, and how many iterations it makes."""
    tuning = TUNING[task.environment]
    largest = (1.0 - task.settings.discount) / tuning.temperature
    made = {
        METHODS[0]: lambda: SoftQLearning(tuning.steps, n_envs=tuning.n_envs),
        METHODS[1]: lambda: NPG(tuning.share * largest, evaluation=Rollouts(tuning.episodes)),
        METHODS[2]: lambda: StochasticPMD(tuning.samples),
    }[task.method]()
    return made, round(task.settings.length * tuning.iterations[METHODS.index(task.method)])


def track(task: Task) -> Curve:
    """Run a method with all seeds at once, and evaluate its policies exactly now and then."""
    mdp, regularizer = problem(task.environment, task.settings)
    method, iterations = algorithm(task)
    marks = set(
        np.unique(np.geomspace(1, iterations, task.settings.marks).astype(np.int64)).tolist()
    )
    samples: list[int] = []
    values: list[list[float]] = []

    def measure(event: Event) -> None:
        if event.iteration in marks:
            assert event.state.next_policy is not None
            policies = event.state.next_policy.reshape(-1, mdp.n_states, mdp.n_actions)
            samples.append(int(event.measures["samples"]))
            values.append([evaluate(mdp, policy, regularizer).initial_value for policy in policies])

    def generators(seeds: range) -> list[np.random.Generator]:
        return [np.random.default_rng([METHODS.index(task.method), seed]) for seed in seeds]

    seeds = range(task.settings.seeds)
    learn(
        mdp, regularizer, method, max_iterations=iterations, rng=generators(seeds), callback=measure
    )
    few = min(2, iterations)
    alone = learn(mdp, regularizer, method, max_iterations=few, rng=generators(seeds[-1:])).policy[
        0
    ]
    together = learn(
        mdp, regularizer, method, max_iterations=few, rng=generators(seeds[-2:])
    ).policy[-1]
    return Curve(np.array(samples), np.array(values), bool(np.array_equal(alone, together)))


def reference(environment: str, settings: Settings) -> Reference:
    """Bound the optimum of an environment."""
    mdp, regularizer = problem(environment, settings)
    certificate = solve(mdp, regularizer, tol=1e-8).certificate
    uniform = evaluate(mdp, uniform_policy(mdp), regularizer).initial_value
    return Reference(uniform, certificate.initial_lower, certificate.initial_upper)


def interval(values: Float[np.ndarray, "n runs"], resamples: int) -> Float[np.ndarray, "2 n"]:
    """Return 95 % bootstrap intervals of the means over the runs."""
    rng = np.random.default_rng(0)
    chosen = rng.integers(0, values.shape[1], (resamples, values.shape[1]))
    return np.quantile(values[:, chosen].mean(axis=2), [0.025, 0.975], axis=1)


def run(settings: Settings, progress: ProgressFunction) -> Result:
    """Run the experiment."""
    tasks = [
        Task(environment, method, settings)
        for environment in reversed(settings.environments)
        for method in METHODS
    ]
    done = map_in_processes(
        track, tasks, progress, lambda task: f"{task.method} on {task.environment}"
    )
    curves = {
        (task.environment, task.method): curve for task, curve in zip(tasks, done, strict=True)
    }
    optima = {
        environment: reference(environment, settings) for environment in settings.environments
    }
    ordered = [(environment, method) for environment in settings.environments for method in METHODS]
    shares = {key: _share(curves[key].values[-1], optima[key[0]]) for key in ordered}
    bounds = {key: interval(curves[key].values, settings.resamples) for key in ordered}
    long = settings.length >= 1.0
    numbers = tuple(
        Number(
            f"{environment}, {method}: value from the start after "
            f"{curves[environment, method].samples[-1]:,} transitions",
            f"{curves[environment, method].values[-1].mean():.4g} "
            f"({bounds[environment, method][0, -1]:.4g} to "
            f"{bounds[environment, method][1, -1]:.4g})",
            f"at most {optima[environment].upper:.4g}",
        )
        for environment, method in ordered
    )
    checks = [
        Check(
            f"{method[0].upper()}{method[1:]} comes from the uniform policy near the optimum, in "
            "the mean over the seeds",
            ", ".join(
                f"{100 * shares[name, method]:.1f} % of the way on {name}"
                for name in settings.environments
            ),
            f"at least {100 * least:g} %",
            all(shares[name, method] >= least for name in settings.environments),
        )
        for method, least in (
            (METHODS[0], 0.95 if long else 0.7),
            (METHODS[2], 0.9 if long else 0.5),
        )
    ]
    checks.append(
        Check(
            "The natural gradient from episodes improves on the uniform policy, in the mean over "
            "the seeds",
            ", ".join(
                f"{100 * shares[name, METHODS[1]]:.1f} % of the way on {name}"
                for name in settings.environments
            ),
            "more than 0 %",
            all(shares[name, METHODS[1]] > 0 for name in settings.environments),
        )
    )
    excess = max(float(curves[key].values.max()) - optima[key[0]].upper for key in ordered)
    checks.append(
        Check(
            "No policy on the way is worth more than the certified upper bound on the optimum",
            f"the best is {-excess:.2g} below it"
            if excess <= 0
            else f"the best is {excess:.2g} above it",
            "none, but for the 1e-9 of the evaluation",
            excess <= 1e-9,
        )
    )
    checks.append(
        Check(
            "A run computed together with another has the policy, to the last bit, that it has "
            "alone",
            f"{sum(curves[key].reproduced for key in ordered)} of {len(ordered)}",
            f"{len(ordered)} of {len(ordered)}",
            all(curves[key].reproduced for key in ordered),
        )
    )
    columns = {
        "environment": np.concatenate(
            [np.repeat(key[0], curves[key].samples.size) for key in ordered]
        ),
        "method": np.concatenate([np.repeat(key[1], curves[key].samples.size) for key in ordered]),
        "samples": np.concatenate([curves[key].samples for key in ordered]),
        "value": np.concatenate([curves[key].values.mean(axis=1) for key in ordered]),
        "lower": np.concatenate([bounds[key][0] for key in ordered]),
        "upper": np.concatenate([bounds[key][1] for key in ordered]),
    }
    figure = FigureSpec(
        lambda: _draw(settings, curves, bounds, optima),
        "What the policies are worth from the start, entropy included and evaluated exactly, "
        f"against the transitions that a run has drawn: means over {settings.seeds} seeds, with "
        "95% bootstrap intervals. Dotted: the optimum, certified. Stochastic mirror descent may "
        "ask for what comes of any action in any state; the other two only follow episodes.",
        f"{len(settings.environments)} plots of value against transitions on a logarithmic axis. "
        "Soft Q-learning and stochastic mirror descent rise to the dotted line of the optimum; the "
        "natural gradient stays below it, on FrozenLake far below.",
    )
    return Result({"curves": columns}, {"curves": figure}, numbers, tuple(checks))


def _share(values: np.ndarray, optimum: Reference) -> float:
    """Return how much of the way from the uniform policy to the optimum the mean has come."""
    return float((values.mean() - optimum.uniform) / (optimum.lower - optimum.uniform))


def _draw(
    settings: Settings,
    curves: dict[tuple[str, str], Curve],
    bounds: dict[tuple[str, str], np.ndarray],
    optima: dict[str, Reference],
) -> Any:
    from regmdp import plots

    names = settings.environments
    figure, axes = plots.subplots(1, len(names), height=4.0)
    for axis, name in zip(axes, names, strict=True):
        plots.set_logarithmic(axis, x=True)
        for number, method in enumerate(METHODS):
            curve, (low, high) = curves[name, method], bounds[name, method]
            plots.draw_curve(axis, curve.samples, curve.values.mean(axis=1), number, method)
            axis.fill_between(
                curve.samples, low, high, color=axis.lines[-1].get_color(), alpha=0.2, linewidth=0
            )
        axis.axhline(
            optima[name].upper, color=plots.GREY, linewidth=1.0, linestyle=(0, (1, 1.5)), zorder=1.9
        )
        axis.set_xlabel("transitions")
    axes[0].set_ylabel("value from the start")
    plots.add_panel_titles(axes, [name.partition("-")[0] for name in names])
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=3)
    return figure


EXPERIMENT = Experiment(
    name="learning",
    title="Learning curves from samples",
    summary=(
        "Soft Q-learning, natural gradient and stochastic mirror descent on FrozenLake, "
        "CliffWalking and Taxi."
    ),
    theory=(
        (
            "The same improvements, with action values that are estimated. Soft Q-learning moves "
            "Q(s, a) at each transition towards"
        ),
        "    r + γ τ log Σ_{b} exp(Q(s', b)/τ)",
        "and finds the optimum if every pair is tried for ever. Natural policy gradient from "
        "episodes averages what followed each pair; it learns only about what its policy still "
        "tries, and where the steps are large at first, that is soon too little. Stochastic mirror "
        "descent draws every pair alike, with step sizes for which 1 + ητ = 1/γ and numbers of "
        "samples that grow by 4 each time the error is to be halved: its error falls like the "
        "inverse square root of the transitions, if the model is random.",
        (
            "How a method is set matters as much as which it is; the settings were chosen by hand, "
            "once for each environment."
        ),
    ),
    sources=(
        "Watkins and Dayan, Q-learning, Machine Learning 8, 1992.",
        "Kakade, A natural policy gradient, NIPS 2001.",
        (
            "Lan, Policy mirror descent for reinforcement learning, Mathematical Programming 198, "
            "2023."
        ),
        (
            "Towers and others, Gymnasium: a standard interface for reinforcement learning "
            "environments, 2024."
        ),
    ),
    full=FULL,
    quick=QUICK,
    run=run,
    caveat=(
        "The methods do not have the same rights: stochastic mirror descent asks a generative "
        "model for any state and action. On CliffWalking and Taxi nothing is left to chance, so "
        "one sample of each pair tells it the whole model: its curves there are those of exact "
        "mirror descent, and the transitions count repeated draws of the same. The natural "
        "gradient stops far from the optimum on FrozenLake and Taxi; with smaller steps and "
        "several times the transitions it comes much further on FrozenLake, 62 % of the way in "
        "place of 17 %. The value includes the entropy, so it is not what the environment's "
        "rewards alone add up to."
    ),
)
