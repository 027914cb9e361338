"""Many problems at once against a loop: ``rm.solve_many`` and ``rm.solve``, certificates included.

    python benchmarks/many.py

Both are timed alternately in one process, on the same problems: random models of five successors a
pair and slow ones (forests), with several regularizers; then one model with many
temperatures, and with many rewards.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
from side_by_side import Comparison, compare

import regmdp as rm

REPETITIONS = 5
#: Number of states, and the number of problems.
SIZES = ((20, 100), (50, 100), (100, 40), (200, 20))
REGULARIZERS = {
    "none": None,
    "Shannon": rm.Shannon(0.1),
    "Tsallis": rm.Tsallis(1.5, temperature=0.1),
    "log barrier": rm.LogBarrier(0.01),
}


def dense(mdp: rm.MDP) -> rm.MDP:
    """Return a model with dense storage."""
    return rm.MDP(mdp.to_array(), mdp.rewards, mdp.discount, available=mdp.available)


def draw_garnets(n_states: int, count: int) -> list[rm.MDP]:
    """Draw random models with five actions."""
    return [
        dense(rm.models.garnet(n_states, 5, 5, discount=0.95, rng=np.random.default_rng(seed)))
        for seed in range(count)
    ]


def make_forests(n_states: int, count: int) -> list[rm.MDP]:
    """Return forests whose rewards have other sizes."""
    forest = dense(rm.models.forest(n_states, discount=0.99))
    scales = np.linspace(0.5, 2.0, count)[:, None, None]
    return [forest.with_rewards(forest.rewards * scale) for scale in scales]


def compare_models(models: Sequence[rm.MDP], regularizer: rm.Regularizer | None) -> Comparison:
    """Time a list of models."""
    return compare(
        lambda: rm.solve_many(models, regularizer),
        lambda: [rm.solve(mdp, regularizer) for mdp in models],
        REPETITIONS,
    )


def compare_temperatures(mdp: rm.MDP, count: int) -> Comparison:
    """Time one model with many temperatures."""
    temperatures = np.geomspace(1e-3, 10.0, count)
    return compare(
        lambda: rm.solve_many(mdp, rm.Shannon(1.0), temperatures=temperatures),
        lambda: [rm.solve(mdp, rm.Shannon(tau)) for tau in temperatures],
        REPETITIONS,
    )


def compare_rewards(mdp: rm.MDP, count: int) -> Comparison:
    """Time one model with many rewards."""
    noise = np.random.default_rng(0).normal(size=(count, *mdp.rewards.shape))
    rewards = mdp.rewards + noise
    return compare(
        lambda: rm.solve_many(mdp, rm.Shannon(0.1), rewards=rewards),
        lambda: [rm.solve(mdp.with_rewards(each), rm.Shannon(0.1)) for each in rewards],
        REPETITIONS,
    )


def main() -> None:
    """Print a table of the times a problem, and of their ratios."""
    print("| problems | one by one, ms each | at once, ms each | ratio, median of the pairs |")
    print("|---|---|---|---|")
    for n_states, count in SIZES:
        garnets, forests = draw_garnets(n_states, count), make_forests(n_states, count)
        cases: dict[str, Callable[[], Comparison]] = {
            f"random models, {name}": partial(compare_models, garnets, regularizer)
            for name, regularizer in REGULARIZERS.items()
        }
        cases |= {
            "forests, Shannon": partial(compare_models, forests, rm.Shannon(0.1)),
            "temperatures, Shannon": partial(compare_temperatures, garnets[0], count),
            "rewards, Shannon": partial(compare_rewards, garnets[0], count),
        }
        for name, measure in cases.items():
            found = measure()
            ratio = Comparison(found.theirs, found.ours).ratio()
            at_once, alone = (
                f"{statistics.median(seconds) * 1e3 / count:.3g}"
                for seconds in (found.ours, found.theirs)
            )
            row = f"{count} of {n_states} states: {name}", alone, at_once, ratio
            print("|", " | ".join(row), "|", flush=True)


if __name__ == "__main__":
    main()
