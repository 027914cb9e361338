"""Samples a second from a table, and many runs as one batch against the same runs one after the
other.

Run it with: python benchmarks/sampling.py
"""

from __future__ import annotations

import time
from statistics import median

import numpy as np
from side_by_side import compare

import regmdp as rm
from regmdp.evaluation.empirical_model import draw_empirical_models
from regmdp.samples import RandomStreams, TableSimulator

RUNS, ALONE = 1000, 20


def sampling() -> None:
    print(
        "empirical model from a table: million samples a second, median of 7, and its least and "
        "greatest"
    )
    for states, actions, successors in (
        (200, 5, 10),
        (1000, 10, 20),
        (20_000, 10, 10),
        (100_000, 10, 10),
    ):
        simulator = TableSimulator(rm.models.garnet(states, actions, successors, rng=0))
        streams = RandomStreams([np.random.default_rng(0)])
        samples = max(1, 4_000_000 // (states * actions))
        rates = []
        for _ in range(7):
            begin = time.perf_counter()
            draw_empirical_models(simulator, streams, samples)
            rates.append(samples * states * actions / (time.perf_counter() - begin) / 1e6)
        print(
            f"  {states:>7,} × {actions} × {successors:<3} {median(rates):6.1f}  ({min(rates):.1f} "
            f"to {max(rates):.1f})"
        )


def batches() -> None:
    mdp, shannon = rm.models.garnet(20, 4, 5, rng=0, discount=0.95), rm.Shannon(0.1)
    evaluation, algorithms = rm.evaluation, rm.algorithms
    methods = {
        "soft Q-learning, 1 walker": (algorithms.SoftQLearning(steps=100), 5),
        "NPG, TD on 1 walker": (algorithms.NPG(0.1, evaluation=evaluation.TD(100)), 5),
        "actor and critic, buffer": (algorithms.SoftActorCritic(steps=50, updates=50), 3),
        "NPG, generative model, n = 1": (
            algorithms.NPG(0.1, evaluation=evaluation.GenerativeModel(1)),
            20,
        ),
        "NPG, generative model, n = 10": (
            algorithms.NPG(0.1, evaluation=evaluation.GenerativeModel(10)),
            20,
        ),
        "NPG, generative model, n = 100": (
            algorithms.NPG(0.1, evaluation=evaluation.GenerativeModel(100)),
            20,
        ),
        "policy gradient, 10 episodes": (
            algorithms.SoftmaxPG(0.1, evaluation=evaluation.Rollouts(10)),
            20,
        ),
    }
    print(
        f"20 states, 4 actions: {RUNS:,} runs one after the other over {RUNS:,} runs as one batch"
    )
    print(f"(one after the other is {RUNS // ALONE} times the time of {ALONE} runs)")
    for name, (algorithm, iterations) in methods.items():

        def together(algorithm=algorithm, iterations=iterations) -> None:
            rm.learn(mdp, shannon, algorithm, max_iterations=iterations, rng=generators(RUNS))

        def alone(algorithm=algorithm, iterations=iterations) -> None:
            for rng in generators(ALONE):
                rm.learn(mdp, shannon, algorithm, max_iterations=iterations, rng=rng)

        result = compare(alone, together, repetitions=5)
        print(f"  {name:<32} {result.ratio(RUNS / ALONE)}")


def generators(count: int) -> list[np.random.Generator]:
    return [np.random.default_rng(seed) for seed in range(count)]


if __name__ == "__main__":
    sampling()
    batches()
