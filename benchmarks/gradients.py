"""What a gradient costs, in evaluations of the policy: V*(ρ) differentiated with respect to every
reward, by one transposed solve.

    python benchmarks/gradients.py

Both are timed in turn in one process: the evaluation of the optimal policy as the solver does it,
from nothing, and the gradient from the solution alone, the linearization included. The errors of
the gradient are not timed: they are computed when asked for.
"""

from __future__ import annotations

import numpy as np
from side_by_side import compare

import regmdp as rm

REPETITIONS = 9


def models():
    """Models of different kinds, with a regularizer."""
    yield "Garnet, 2,000 states", rm.models.garnet(2000, 4, discount=0.99), rm.Shannon(0.1)
    yield "Garnet, 100,000 states", rm.models.garnet(100_000, 4, discount=0.99), rm.Shannon(0.1)
    yield "maze of 101 by 101, γ = 1", rm.models.gridworld(height=101, width=101), rm.Shannon(0.001)
    yield "queue, 10,000 states", rm.models.queue(capacity=9999), rm.SquaredL2(0.1)
    try:
        yield "ICU-Sepsis", rm.models.icu_sepsis(), rm.KL(rm.models.icu_sepsis_expert(), 0.01)
    except rm.MissingExtraError as error:
        print(f"ICU-Sepsis is left out: {error}")


def timings(mdp, regularizer):
    """Time a gradient and an evaluation in turn."""
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
    for name, mdp, regularizer in models():
        timed = timings(mdp, regularizer)
        print(f"| {name} | {timed.times()} | {timed.ratio()} |", flush=True)


if __name__ == "__main__":
    main()
