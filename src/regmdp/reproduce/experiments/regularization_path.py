"""Experiment 6: what regularized optima become as the temperature goes to 0."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from regmdp._internal.arrays import Float
from regmdp._solve import solve
from regmdp.certificates import evaluate
from regmdp.mdp import MDP
from regmdp.models import garnet
from regmdp.regularizers import (
    KL,
    LogBarrier,
    Regularizer,
    Renyi,
    Shannon,
    SquaredL2,
    Tsallis,
    WeightedL1,
)
from regmdp.reproduce.base import Check, Experiment, FigureSpec, Number, ProgressFunction, Result

__all__ = ["EXPERIMENT", "Path", "Settings", "regularizers", "run"]


@dataclass(frozen=True)
class Settings:
    """What is run.

    Attributes:
        n_states: S of the random model.
        n_actions: A.
        branching: Successors of each pair.
        discount: γ.
        hottest: The largest τ.
        coldest: The smallest τ.
        temperatures: How many, evenly in log τ.
        policies: How many random policies the bound is checked for as well, at each temperature.
        tolerance: Certified gap to which each problem is solved.
        seed: Of the model, the reference policy, the prices and the random policies.
    """

    n_states: int = 30
    n_actions: int = 4
    branching: int = 8
    discount: float = 0.9
    hottest: float = 10.0
    coldest: float = 1e-4
    temperatures: int = 101
    policies: int = 5
    tolerance: float = 1e-10
    seed: int = 7


FULL = Settings()
QUICK = Settings(temperatures=21, policies=1)

#: Exponent of τ in the loss of value at low temperatures, where it is a power of τ.
EXPONENTS = {"Tsallis, q = 1/2": 2.0, "Rényi, α = 1/2": 2.0, "log barrier": 1.0}


def regularizers(settings: Settings, temperature: float) -> dict[str, Regularizer]:
    """Return the regularizers, by the name in the figures."""
    reference = np.random.default_rng([settings.seed, 1]).dirichlet(
        np.full(settings.n_actions, 2.0)
    )
    return {
        "Shannon": Shannon(temperature=temperature),
        "KL to a reference": KL(reference, temperature=temperature),
        "Tsallis, q = 1/2": Tsallis(0.5, temperature=temperature),
        "Rényi, α = 1/2": Renyi(0.5, temperature=temperature),
        "log barrier": LogBarrier(temperature=temperature),
        "Tsallis, q = 3/2": Tsallis(1.5, temperature=temperature),
        "squared ℓ2 norm": SquaredL2(temperature=temperature),
        "prices (weighted ℓ1)": WeightedL1(_prices(settings), temperature=temperature),
    }


@dataclass(frozen=True, eq=False)
class Path:
    """The optima of one regularizer along the temperatures.

    Attributes:
        values: (n,) V*_τ from the initial distribution.
        rewards: (n,) V_0 of the optimal policies, the regularizer left out, from the initial
            distribution.
        losses: (n,) largest V*_0 - V_0^π over all states.
        bounds: (n,) what the theory bounds it by, infinite for an unbounded regularizer.
        policies: (n, A) the policy in the state that is shown.
        strain: Largest ratio of what a random policy loses beyond its regularized gap to
            τ(U-L)/(1-γ).
        enclosed: Whether V*_0 - τU/(1-γ) ≤ V*_τ ≤ V*_0 - τL/(1-γ) everywhere.
    """

    values: Float[np.ndarray, " n"]
    rewards: Float[np.ndarray, " n"]
    losses: Float[np.ndarray, " n"]
    bounds: Float[np.ndarray, " n"]
    policies: Float[np.ndarray, "n A"]
    strain: float
    enclosed: bool


def run(settings: Settings, progress: ProgressFunction) -> Result:
    """Run the experiment."""
    mdp = garnet(
        settings.n_states,
        settings.n_actions,
        settings.branching,
        rng=settings.seed,
        discount=settings.discount,
    )
    optimum = solve(mdp, tol=settings.tolerance)
    temperatures = np.geomspace(settings.hottest, settings.coldest, settings.temperatures)
    names = list(regularizers(settings, 1.0))
    shown = _typical_state(settings, mdp, optimum.value)
    paths = {}
    for number, name in enumerate(names):
        progress(number / len(names), name)
        paths[name] = _path(settings, mdp, optimum.value, name, temperatures, shown)
    return _result(settings, mdp, optimum.value, temperatures, paths, shown)


def _typical_state(settings: Settings, mdp: MDP, value: np.ndarray) -> int:
    """Return the state in which the second best action is a median distance behind, of those where the cheapest is not the best."""
    q = mdp.rewards + mdp.discount * mdp.to_array() @ value
    best_two = np.sort(q, axis=1)[:, -2:]
    cheapest = np.argmin(_prices(settings))
    candidates = np.flatnonzero(q.argmax(axis=1) != cheapest)
    order = np.argsort((best_two[:, 1] - best_two[:, 0])[candidates])
    return int(candidates[order[candidates.size // 2]])


def _prices(settings: Settings) -> np.ndarray:
    return np.random.default_rng([settings.seed, 3]).random(settings.n_actions)


def _path(
    settings: Settings,
    mdp: MDP,
    optimum: np.ndarray,
    name: str,
    temperatures: np.ndarray,
    shown: int,
) -> Path:
    rng = np.random.default_rng([settings.seed, 2])
    horizon = 1.0 / (1.0 - mdp.discount)
    columns: dict[str, list[Any]] = {
        key: [] for key in ("values", "rewards", "losses", "bounds", "policies")
    }
    strain, enclosed = 0.0, True
    for temperature in temperatures:
        regularizer = regularizers(settings, float(temperature))[name]
        low, high = (temperature * bound * horizon for bound in regularizer.bounds(mdp.n_actions))
        solution = solve(mdp, regularizer, tol=settings.tolerance)
        reward = evaluate(mdp, solution.policy).value
        random = rng.dirichlet(np.ones(mdp.n_actions), size=(settings.policies, mdp.n_states))
        for policy in random:
            # V*_0 - V_0^π ≤ (V*_τ - V_τ^π) + τ(U-L)/(1-γ), with what V*_τ may be off by added
            gap = solution.value - evaluate(mdp, policy, regularizer).value + settings.tolerance
            strain = max(
                strain, float(np.max(optimum - evaluate(mdp, policy).value - gap)) / (high - low)
            )
        slack = 2.0 * settings.tolerance
        enclosed &= bool(
            np.all(solution.value <= optimum - low + slack)
            and np.all(solution.value >= optimum - high - slack)
        )
        columns["values"].append(mdp.initial @ solution.value)
        columns["rewards"].append(mdp.initial @ reward)
        columns["losses"].append(np.max(optimum - reward))
        columns["bounds"].append(high - low)
        columns["policies"].append(solution.policy[shown])
    return Path(
        **{key: np.array(column) for key, column in columns.items()},
        strain=strain,
        enclosed=enclosed,
    )


def _exponent(temperatures: np.ndarray, losses: np.ndarray) -> float:
    """Return the slope of log loss against log τ over the coldest decade."""
    cold = temperatures <= 10.0 * temperatures[-1] * (1.0 + 1e-9)
    return float(np.polyfit(np.log(temperatures[cold]), np.log(losses[cold]), 1)[0])


def _reached(temperatures: np.ndarray, losses: np.ndarray, negligible: float) -> float | None:
    """Return the highest temperature from which on, as it falls, nothing is lost."""
    lost = np.flatnonzero(losses > negligible)
    first = lost[-1] + 1 if lost.size else 0
    return float(temperatures[first]) if first < temperatures.size else None


def _result(
    settings: Settings,
    mdp: MDP,
    optimum: np.ndarray,
    temperatures: np.ndarray,
    paths: dict[str, Path],
    shown: int,
) -> Result:
    bounded = {name: path for name, path in paths.items() if np.isfinite(path.bounds).all()}
    negligible = 1e-8
    checks = [
        Check(
            "V*_{0} − V_{0}^{π} exceeds V*_{τ} − V_{τ}^{π} by at most τ(U−L)/(1−γ): "
            f"{name}",
            f"by {np.max(path.losses / path.bounds):.3f} of it for the optimum, {path.strain:.3f} "
            "for random policies",
            "at most 1",
            bool(np.all(path.losses <= path.bounds)) and path.strain <= 1.0,
        )
        for name, path in bounded.items()
    ]
    checks += [
        Check(
            "V*_{τ} lies between V*_{0} − τU/(1−γ) and V*_{0} − τL/(1−γ), in every state, for "
            "every regularizer",
            f"for {sum(path.enclosed for path in paths.values())} of {len(paths)}",
            f"for {len(paths)} of {len(paths)}",
            all(path.enclosed for path in paths.values()),
        )
    ]
    for name, exponent in EXPONENTS.items():
        slope = _exponent(temperatures, paths[name].losses)
        checks.append(
            Check(
                f"At low temperatures the loss falls as a power of τ: {name}",
                f"exponent {slope:.3f}",
                f"{exponent:g}, within 0.1",
                abs(slope - exponent) <= 0.1,
            )
        )
    for name in ("Tsallis, q = 3/2", "squared ℓ2 norm", "prices (weighted ℓ1)"):
        below = _reached(temperatures, paths[name].losses, negligible)
        checks.append(
            Check(
                "Below some positive temperature the policy is optimal without regularizer: "
                f"{name}",
                "never" if below is None else f"from τ = {below:.2g} down",
                f"before τ = {settings.coldest:g}",
                below is not None,
            )
        )
    numbers = [
        Number(
            f"Loss at τ = {temperatures[middle]:.2g}: {name}",
            f"{path.losses[middle]:.2e}",
            f"at most {path.bounds[middle]:.2g}" if np.isfinite(path.bounds[middle]) else "",
        )
        for name, path in paths.items()
        for middle in [int(np.argmin(np.abs(np.log(temperatures / 0.1))))]
    ]
    tables = {
        "paths": {
            "regularizer": np.repeat(list(paths), temperatures.size),
            "temperature": np.tile(temperatures, len(paths)),
            "value": np.concatenate([path.values for path in paths.values()]),
            "reward": np.concatenate([path.rewards for path in paths.values()]),
            "largest_loss": np.concatenate([path.losses for path in paths.values()]),
            "bound": np.concatenate([path.bounds for path in paths.values()]),
            **{
                f"probability_{action}": np.concatenate(
                    [path.policies[:, action] for path in paths.values()]
                )
                for action in range(mdp.n_actions)
            },
        }
    }
    figures = {
        "values": FigureSpec(
            lambda: _draw_values(temperatures, paths, float(mdp.initial @ optimum)),
            "From the initial distribution, against the temperature, high temperatures on the "
            "left: (a) the regularized optimal value, (b) what the optimal policy earns with the "
            "regularizer left out. Dotted: the optimum without a regularizer, which all of them "
            "tend to; in (b) nothing can be above it. In (a) what leaves the frame is off by more "
            "than 16.",
            "Two plots of value against temperature. Left: curves of eight regularizers fan out "
            "above and below the optimum at high temperatures and meet there at low ones. Right: "
            "all rise to the optimum from below, that of the prices in steps.",
        ),
        "losses": FigureSpec(
            lambda: _draw_losses(temperatures, paths),
            "What is lost in the worst state by optimizing with a regularizer, V*_{0} − V_{0}^{π} "
            "for π optimal at τ (solid), and the bound τ(U−L)/(1−γ) (dashed; the log barrier is "
            "unbounded and has none). Entropies that are infinitely steep at the edge lose a "
            "little at every temperature: exponentially little (Shannon, KL), τ^{2}, or τ. The "
            "others are exactly optimal below some temperature, where their curves end. Losses "
            "below 1e-9 are not shown.",
            "Eight plots of loss against temperature, both axes logarithmic. In each the measured "
            "loss is below the dashed bound, by little at high temperatures and by orders of "
            "magnitude at low ones.",
        ),
        "policies": FigureSpec(
            lambda: _draw_policies(temperatures, paths, shown),
            f"Probabilities of the {mdp.n_actions} actions in state {shown}, in which the two best "
            "actions are neither close nor far apart. At high temperatures each regularizer has "
            "its own favourite: the uniform policy, the reference, or the cheapest action. At low "
            "ones all take the best action, the last three with probability exactly 1.",
            "Eight plots of four probabilities against temperature. Curves are smooth for Shannon, "
            "KL, Tsallis with q = 1/2, Rényi and the log barrier; they have kinks where an action "
            "is dropped for Tsallis with q = 3/2 and the squared norm; for prices they are steps "
            "between 0 and 1.",
        ),
    }
    return Result(tables, figures, tuple(numbers), tuple(checks))


def _draw_values(temperatures: np.ndarray, paths: dict[str, Path], optimum: float) -> Any:
    from regmdp import plots

    figure, axes = plots.subplots(1, 2, height=4.6)
    for axis, data in zip(axes, ("values", "rewards"), strict=True):
        plots.set_logarithmic(axis, x=True)
        for number, (name, path) in enumerate(paths.items()):
            plots.draw_curve(axis, temperatures[::-1], getattr(path, data)[::-1], number, name)
        axis.axhline(optimum, color=plots.GREY, linewidth=1.0, linestyle=(0, (1, 1.5)), zorder=1.9)
        axis.invert_xaxis()
        axis.set_xlabel("temperature τ")
    axes[0].set_ylim(optimum - 16.0, optimum + 16.0)
    axes[0].set_ylabel("value from the initial distribution")
    plots.add_panel_titles(axes, ["with the regularizer", "without it"])
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=3)
    return figure


def _small_multiples(paths: dict[str, Path], ylabel: str) -> tuple[Any, Any]:
    from regmdp import plots

    figure, axes = plots.subplots(
        2, 4, width=plots.WIDE + 1.2, height=5.4, sharex=True, sharey=True
    )
    for axis, name in zip(axes.flat, paths, strict=True):
        plots.set_logarithmic(axis, x=True)
        axis.set_title(name, fontsize=10)
    for axis in axes[-1]:
        axis.set_xlabel("temperature τ")
    for axis in axes[:, 0]:
        axis.set_ylabel(ylabel)
    return figure, axes


def _draw_losses(temperatures: np.ndarray, paths: dict[str, Path]) -> Any:
    from regmdp import plots

    figure, axes = _small_multiples(paths, "loss in the worst state")
    for number, (axis, path) in enumerate(zip(axes.flat, paths.values(), strict=True)):
        plots.set_logarithmic(axis, y=True, limits=(1e-9, 1e3))
        losses = np.where(path.losses > 1e-9, path.losses, np.nan)
        plots.draw_curve(
            axis,
            temperatures[::-1],
            losses[::-1],
            0,
            "measured" if number == 0 else None,
            markers=0,
        )
        if np.isfinite(path.bounds).all():
            plots.draw_bound(
                axis,
                temperatures[::-1],
                path.bounds[::-1],
                "bound τ(U−L)/(1−γ)" if number == 0 else None,
            )
    axes[0, 0].invert_xaxis()
    handles, labels = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=2)
    return figure


def _draw_policies(temperatures: np.ndarray, paths: dict[str, Path], shown: int) -> Any:
    from regmdp import plots

    figure, axes = _small_multiples(paths, f"π(a | state {shown})")
    for axis, path in zip(axes.flat, paths.values(), strict=True):
        for action in range(path.policies.shape[1]):
            plots.draw_curve(
                axis,
                temperatures[::-1],
                path.policies[::-1, action],
                action,
                f"action {action}",
                markers=0,
            )
    axes[0, 0].invert_xaxis()
    handles, labels = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=4)
    return figure


EXPERIMENT = Experiment(
    name="path",
    title="The regularization path: what a temperature costs",
    summary=(
        "Values and policies as the temperature goes to 0, for eight regularizers, and the bound "
        "on what is lost."
    ),
    theory=(
        "A regularizer h is paid for at every step, with the temperature τ as its price. If L ≤ h "
        "≤ U on the simplex, it takes between τL/(1−γ) and τU/(1−γ) from the value of any policy. "
        "So the optimum with it is near the optimum without, and a policy that is good with it is "
        "good without:",
        "    V*_{0} − V_{0}^{π} ≤ (V*_{τ} − V_{τ}^{π}) + τ (U − L)/(1 − γ)",
        "That holds for any policy and any bounded regularizer, and is what lets a certificate for "
        "a regularized problem speak about the original one. How much is really lost depends on "
        "how steep h is at the edge of the simplex. An infinitely steep one gives every action "
        "some probability at every temperature: about exp(−Δ/τ) for Shannon and KL, where Δ is how "
        "far an action is behind the best; a power of τ for those with heavy tails. One of finite "
        "slope drops an action as soon as that is better: below a positive temperature its policy "
        "is optimal outright.",
    ),
    sources=(
        (
            "Geist, Scherrer and Pietquin, A theory of regularized Markov decision processes, ICML "
            "2019, Proposition 3."
        ),
        "Lee, Choi and Oh, Sparse Markov decision processes with causal sparse Tsallis entropy "
        "regularization for reinforcement learning, IEEE Robotics and Automation Letters 3(3), "
        "2018.",
    ),
    full=FULL,
    quick=QUICK,
    run=run,
)
