"""Time of a gradient of V*(ρ) with respect to every reward, in evaluations of the policy.

    python benchmarks/gradients.py

Both are timed alternately in one process: the evaluation of the optimal policy as the solver does
it, without a first guess, and the gradient from the solution, including the linearization. The
error bounds of the gradient are not timed: they are computed on demand.
"""

from __future__ import annotations

import numpy as np
from side_by_side import compare

import regmdp as rm

REPETITIONS = 9


def make_models():
    """Yield models of different kinds, each with a name and a regularizer."""
    yield "Garnet, 2,000 states", rm.models.garnet(2000, 4, discount=0.99), rm.Shannon(0.1)
    yield "Garnet, 100,000 states", rm.models.garnet(100_000, 4, discount=0.99), rm.Shannon(0.1)
    yield "maze of 101 by 101, γ = 1", rm.models.gridworld(height=101, width=101), rm.Shannon(0.001)
    yield "queue, 10,000 states", rm.models.queue(capacity=9999), rm.SquaredL2(0.1)
    try:
        yield "ICU-Sepsis", rm.models.icu_sepsis(), rm.KL(rm.models.icu_sepsis_expert(), 0.01)
    except rm.MissingExtraError as error:
        print(f"ICU-Sepsis is skipped: {error}")


def time_both(mdp, regularizer):
    """Time a gradient and an evaluation alternately."""
    solution = rm.solve(mdp, regularizer)
    policy = rm.bellman.greedy(mdp, regularizer, solution.value)[1]
    return compare(
        lambda: rm.gradients.linearize(mdp, regularizer, solution).gradient(),
        lambda: rm.evaluation.Exact()(mdp, regularizer, policy, np.zeros(mdp.n_states)),
        REPETITIONS,
    )


def main():
    """Print a table."""
    print("| model | gradient against evaluation | gradient / evaluation, median of the pairs |")
    print("|---|---|---|")
    for name, mdp, regularizer in make_models():
        timed = time_both(mdp, regularizer)
        print(f"| {name} | {timed.times()} | {timed.ratio()} |", flush=True)


if __name__ == "__main__":
    main()
