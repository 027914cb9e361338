"""Soft policy iteration with Krylov evaluation against value iteration, on a 100 × 100 gridworld, to the same certified gap.

Run it with: python benchmarks/gridworld.py
"""

from __future__ import annotations

from side_by_side import compare

import regmdp as rm

# so cool that reaching the goal is worth more than the entropy of wandering for ever
SIDE, DISCOUNT, TEMPERATURE, TOLERANCE = 100, 0.999, 1e-4, 1e-8


def main() -> None:
    mdp = rm.models.gridworld(SIDE, SIDE, discount=DISCOUNT)
    regularizer = rm.Shannon(temperature=TEMPERATURE)
    answers = {}

    def run(algorithm: rm.algorithms.Algorithm) -> None:
        answers[algorithm.name] = rm.solve(mdp, regularizer, algorithm, tol=TOLERANCE)

    krylov = rm.algorithms.PolicyIteration(rm.evaluation.Krylov())
    result = compare(lambda: run(krylov), lambda: run(rm.algorithms.ValueIteration()), repetitions=3, warm_up=0)
    print(f"{mdp}, Shannon temperature {TEMPERATURE}, certified gap {TOLERANCE}")
    for name, solution in answers.items():
        print(f"  {name:<17} {solution.status.word}, gap ≤ {solution.certificate.gap:.2e}, {solution.iterations:,} iterations")
    print(f"  policy iteration over value iteration: {result.ratio()}; {result.times()}")


if __name__ == "__main__":
    main()
