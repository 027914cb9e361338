"""This library."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property, partial
from typing import Any

import numpy as np
from model import Model

import regmdp as rm

#: The methods by name; "auto" is the default.
METHODS: dict[str, Callable[[], Any]] = {
    "auto": lambda: "auto",
    "value iteration": rm.algorithms.ValueIteration,
    **{
        f"MPI({sweeps})": partial(rm.algorithms.ModifiedPolicyIteration, sweeps)
        for sweeps in (5, 20, 50, 200)
    },
    "policy iteration": rm.algorithms.PolicyIteration,
    "policy iteration, factorized": lambda: rm.algorithms.PolicyIteration(rm.evaluation.Direct()),
    "policy iteration, Krylov": lambda: rm.algorithms.PolicyIteration(rm.evaluation.Krylov()),
}


class Adapter:
    """Solves with the default method or another one, certificate included."""

    packages = ("regmdp", "numpy", "scipy")

    def load(self, model: Model) -> None:
        if model.dense:
            rows = model.rows.toarray().reshape(model.n_states, model.n_actions, model.n_states)
            self.mdp = rm.MDP(
                rows, model.rewards.reshape(model.n_states, model.n_actions), model.discount
            )
            return
        self.mdp = rm.MDP.from_pairs(
            model.state,
            model.action,
            model.rows,
            model.rewards,
            model.discount,
            n_states=model.n_states,
            n_actions=model.n_actions,
            termination=model.termination,
        )

    def prepare(
        self, method: str, tolerance: float, temperature: float | None
    ) -> tuple[Callable, Callable]:
        # A model remembers what it has computed about itself. A new one has to do so again, within
        # the time.
        mdp = self.mdp.with_discount(self.mdp.discount)
        # its transitions are those of the old one, so they have to forget
        for kind in type(mdp.transitions).__mro__:
            for name in [
                name for name, member in vars(kind).items() if isinstance(member, cached_property)
            ]:
                vars(mdp.transitions).pop(name, None)
        regularizer = None if temperature is None else rm.Shannon(temperature)
        algorithm = METHODS[method]()
        return (
            lambda: rm.solve(mdp, regularizer, algorithm, absolute_tol=tolerance),
            lambda solution: solution.value,
        )

    def reference(self, temperature: float | None) -> tuple[np.ndarray, float]:
        """Return the middle between the tightest bounds on the optimal value that rounding allows,
        and how far off it can be.
        """
        regularizer = None if temperature is None else rm.Shannon(temperature)
        first = rm.solve(self.mdp, regularizer, tol=1e-6)
        # what rounding does not allow ends with a status that says so, and the bounds that were
        # reached
        certificate = rm.solve(
            self.mdp, regularizer, tol=1e-12, start=first, max_iterations=1000
        ).certificate
        middle = certificate.lower + 0.5 * (certificate.upper - certificate.lower)
        return middle, float(np.max(certificate.upper - certificate.lower)) / 2.0

    def sweep(self, kind: str, temperature: float) -> Callable[[np.ndarray], np.ndarray]:
        regularizers: dict[str, Any] = {
            "hard": lambda: None,
            "Shannon": lambda: rm.Shannon(temperature),
            "SquaredL2": lambda: rm.SquaredL2(temperature),
            "Tsallis 1.5": lambda: rm.Tsallis(1.5, temperature),
        }
        regularizer = regularizers[kind]()
        return lambda value: rm.bellman.backup(self.mdp, regularizer, value)
