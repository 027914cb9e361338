"""MDPSolver, in C++ with OpenMP, fed with nested lists."""

from __future__ import annotations

from collections.abc import Callable

import mdpsolver
from model import Model

METHODS = {
    "value iteration": ("vi", True),
    "value iteration, 1 thread": ("vi", False),
    "policy iteration": ("pi", True),
    "modified policy iteration": ("mpi", True),
    "modified policy iteration, 1 thread": ("mpi", False),
}


class Adapter:
    """Standard updates, the ones that can run in parallel, which does not always pay."""

    packages = ("mdpsolver",)

    def load(self, model: Model) -> None:
        self.n_states = model.n_states
        closed = model.closed()
        rows, starts, bounds = closed.rows, closed.starts().tolist(), closed.rows.indptr.tolist()
        probabilities, columns, rewards = (
            rows.data.tolist(),
            rows.indices.tolist(),
            closed.rewards.tolist(),
        )

        def nested(entries: list) -> list:
            pairs = (range(starts[state], starts[state + 1]) for state in range(closed.n_states))
            return [
                [entries[bounds[pair] : bounds[pair + 1]] for pair in of_state]
                for of_state in pairs
            ]

        self.arguments = {
            "discount": closed.discount,
            "rewards": [
                rewards[starts[state] : starts[state + 1]] for state in range(closed.n_states)
            ],
            "tranMatProbs": nested(probabilities),
            "tranMatColumns": nested(columns),
        }

    def prepare(
        self, method: str, tolerance: float, temperature: None
    ) -> tuple[Callable, Callable]:
        # A model that was solved before starts from its last answer, whatever the tolerance: each
        # run needs a new one.
        model = mdpsolver.model()
        model.mdp(**self.arguments)

        algorithm, parallel = METHODS[method]

        def run() -> None:
            model.solve(algorithm=algorithm, tolerance=tolerance, parallel=parallel)

        return run, lambda _: model.getValueVector()[: self.n_states]
