"""Experiment 6: regularized optima as the temperature goes to 0."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from regmdp.reproduce.base import Check, Experiment, Number, ProgressFunction, Result
from regmdp.reproduce.experiments.regularization_path_figures import make_figures
from regmdp.reproduce.experiments.regularization_path_runs import (
    Path,
    PathProblem,
    Settings,
    compute_path,
    find_lossless_temperature,
    fit_exponent,
    make_problem,
    make_regularizers,
)

__all__ = ["EXPERIMENT", "FULL", "QUICK", "run"]

FULL = Settings()
QUICK = Settings(temperatures=21, policies=1)

#: Exponent of τ in the loss at low temperatures, for regularizers whose loss is a power of τ.
EXPONENTS = {"Tsallis, q = 1/2": 2.0, "Rényi, α = 1/2": 2.0, "log barrier": 1.0}
#: Regularizers whose loss is exactly 0 below a positive temperature.
FINITE_SLOPE = ("Tsallis, q = 3/2", "squared ℓ2 norm", "prices (weighted ℓ1)")


def run(settings: Settings, progress: ProgressFunction) -> Result:
    """Run the experiment."""
    problem = make_problem(settings)
    names = list(make_regularizers(settings, 1.0))
    paths = {}
    for number, name in enumerate(names):
        progress(number / len(names), name)
        paths[name] = compute_path(problem, name)
    return Result(
        {"paths": _make_table(problem, paths)},
        make_figures(problem, paths),
        _make_numbers(problem, paths),
        (*_check_bounds(paths), *_check_low_temperatures(problem, paths)),
        _make_notes(problem, paths),
    )


def _make_notes(problem: PathProblem, paths: Mapping[str, Path]) -> tuple[str, ...]:
    """Return the statements about low temperatures that this path does not show."""
    if not problem.settings.reaches_low_temperatures:
        return (
            "Statements about τ → 0 are not checked, because the path ends at τ = "
            f"{problem.settings.coldest:g}.",
        )
    return tuple(
        f"The power of τ is not checked for {name}: fewer than 3 of the losses in the coldest "
        "decade are above the tolerance."
        for name in EXPONENTS
        if math.isnan(_fit(problem, paths[name]))
    )


def _fit(problem: PathProblem, path: Path) -> float:
    negligible = 10.0 * problem.settings.tolerance
    return fit_exponent(problem.temperatures, path.losses, negligible)


def _check_bounds(paths: Mapping[str, Path]) -> list[Check]:
    n_enclosed = sum(path.enclosed for path in paths.values())
    return [
        *(
            Check(
                "V*_{0} − V_{0}^{π} exceeds V*_{τ} − V_{τ}^{π} by at most τ(U−L)/(1−γ): "
                f"{name}",
                f"by {np.max(path.losses / path.bounds):.3f} of it for the optimum, "
                f"{path.excess_ratio:.3f} for random policies",
                "at most 1",
                bool(np.all(path.losses <= path.bounds)) and path.excess_ratio <= 1.0,
            )
            for name, path in paths.items()
            if np.isfinite(path.bounds).all()
        ),
        Check(
            "V*_{τ} lies between V*_{0} − τU/(1−γ) and V*_{0} − τL/(1−γ), in every state, for "
            "every regularizer",
            f"for {n_enclosed} of {len(paths)}",
            f"for {len(paths)} of {len(paths)}",
            n_enclosed == len(paths),
        ),
    ]


def _check_low_temperatures(problem: PathProblem, paths: Mapping[str, Path]) -> list[Check]:
    checks: list[Check] = []
    if not problem.settings.reaches_low_temperatures:
        return checks
    for name, exponent in EXPONENTS.items():
        slope = _fit(problem, paths[name])
        if math.isnan(slope):
            continue
        checks.append(
            Check(
                f"At low temperatures the loss falls as a power of τ: {name}",
                f"exponent {slope:.3f}",
                f"{exponent:g}, within 0.1",
                abs(slope - exponent) <= 0.1,
            )
        )
    for name in FINITE_SLOPE:
        below = find_lossless_temperature(
            problem.temperatures, paths[name].losses, problem.settings.negligible_loss
        )
        checks.append(
            Check(
                "Below some positive temperature the policy is optimal without regularizer: "
                f"{name}",
                "never" if below is None else f"at and below τ = {below:.2g}",
                f"above τ = {problem.settings.coldest:g}",
                below is not None,
            )
        )
    return checks


def _make_numbers(problem: PathProblem, paths: Mapping[str, Path]) -> tuple[Number, ...]:
    temperatures = problem.temperatures
    middle = int(np.argmin(np.abs(np.log(temperatures / 0.1))))
    return tuple(
        Number(
            f"Loss at τ = {temperatures[middle]:.2g}: {name}",
            f"{path.losses[middle]:.2e}",
            f"at most {path.bounds[middle]:.2g}" if np.isfinite(path.bounds[middle]) else "",
        )
        for name, path in paths.items()
    )


def _make_table(problem: PathProblem, paths: Mapping[str, Path]) -> dict[str, np.ndarray]:
    temperatures = problem.temperatures
    return {
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
            for action in range(problem.mdp.n_actions)
        },
    }


EXPERIMENT = Experiment(
    name="path",
    title="The regularization path: the loss at a temperature",
    summary=(
        "Values and policies as the temperature goes to 0, for eight regularizers, and the bound "
        "on the loss."
    ),
    theory=(
        "A regularizer costs τh at every step. If L ≤ h ≤ U on the simplex, it reduces the value "
        "of any policy by τL/(1−γ) to τU/(1−γ). So the regularized optimal value is close to the "
        "unregularized one, and a policy that is nearly optimal with the regularizer is nearly "
        "optimal without it:",
        "    V*_{0} − V_{0}^{π} ≤ (V*_{τ} − V_{τ}^{π}) + τ (U − L)/(1 − γ)",
        "This holds for any policy and any bounded regularizer, so that a certificate for a "
        "regularized problem implies one for the original problem. The actual loss depends on the "
        "slope of h at the edge of the simplex. With infinite slope every action has positive "
        "probability at every temperature: about exp(−Δ/τ) for Shannon and KL, where Δ is the gap "
        "between the action and the best one; a power of τ for entropies with heavy tails. With "
        "finite slope an action can have probability 0: below a positive temperature the policy is "
        "exactly optimal.",
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
