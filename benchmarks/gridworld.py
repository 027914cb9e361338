"""Soft policy iteration with Krylov evaluation against value iteration, on a 100 × 100 gridworld,
to the same certified gap.

Several temperatures, for the ratio depends on them: where reaching the goal pays, episodes are
short and a few hundred sweeps do; where the entropy of wandering pays more, the horizon is that of
the discount.

Run it with: python benchmarks/gridworld.py
"""

from __future__ import annotations

from side_by_side import compare

import regmdp as rm

SIDE, DISCOUNT, TEMPERATURES, TOLERANCE = 100, 0.999, (1e-4, 5e-4, 1e-3, 1e-2), 1e-8


def main() -> None:
    mdp = rm.models.gridworld(SIDE, SIDE, discount=DISCOUNT)
    print(f"{mdp}, certified gap {TOLERANCE}")
    for temperature in TEMPERATURES:
        regularizer = rm.Shannon(temperature=temperature)
        answers: dict[str, rm.Solution] = {}

        def run(
            algorithm: rm.algorithms.Algorithm, regularizer=regularizer, answers=answers
        ) -> None:
            answers[algorithm.name] = rm.solve(mdp, regularizer, algorithm, tol=TOLERANCE)

        krylov = rm.algorithms.PolicyIteration(rm.evaluation.Krylov())
        result = compare(
            lambda run=run, krylov=krylov: run(krylov),
            lambda run=run: run(rm.algorithms.ValueIteration()),
            repetitions=3,
            warm_up=0,
        )
        print(
            f"Shannon, temperature {temperature}: policy iteration over value iteration "
            f"{result.ratio()}; {result.times()}"
        )
        for name, solution in answers.items():
            print(
                f"  {name:<17} {solution.status.word}, gap ≤ {solution.certificate.gap:.2e}, "
                f"{solution.iterations:,} iterations"
            )
        reward = rm.evaluate(mdp, answers["policy iteration"].policy).initial_value
        print(f"  reward {reward:.4f} from the start, entropy left out; the goal pays 1")


if __name__ == "__main__":
    main()
