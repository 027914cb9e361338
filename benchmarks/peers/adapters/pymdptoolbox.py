"""The Python version of the MDP toolbox."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
from mdptoolbox import mdp
from model import Model


class ValueIteration(mdp.ValueIteration):
    """Its value iteration, with a bound on the sweeps that is quick to compute.

    The constructor goes through the columns to find by how much a sweep contracts, for longer than
    any solution takes on large models. Here it is γ. Without a bound some sweeps would never end:
    the changes are equal in all states long before they are small, and it is their span that is
    compared with the tolerance.
    """

    def _boundIter(self, epsilon: float) -> None:  # noqa: N802
        _, value = self._bellmanOperator()
        span, last = (
            max(float(np.ptp(value - self.V)), epsilon),
            epsilon * (1.0 - self.discount) / self.discount,
        )
        self.max_iter = max(1, math.ceil(math.log(last / span) / math.log(self.discount)))


METHODS = {
    "ValueIteration": ValueIteration,
    "PolicyIteration": mdp.PolicyIteration,
    "PolicyIterationModified": mdp.PolicyIterationModified,
}


class Adapter:
    """Each method by the name of its class."""

    packages = ("pymdptoolbox", "numpy", "scipy")

    def load(self, model: Model) -> None:
        warnings.simplefilter("ignore")  # it uses NumPy's matrices, which warn
        self.n_states, self.discount = model.n_states, model.discount
        full = model.closed().rectangular()
        self.rewards = full.rewards.reshape(full.n_states, full.n_actions)
        matrices = [full.rows[action :: full.n_actions] for action in range(full.n_actions)]
        self.transitions = (
            np.stack([matrix.toarray() for matrix in matrices]) if model.dense else matrices
        )

    def prepare(
        self, method: str, tolerance: float | None, temperature: None
    ) -> tuple[Callable, Callable]:
        options: dict[str, Any] = {} if method == "PolicyIteration" else {"epsilon": tolerance}
        solver = METHODS[method](self.transitions, self.rewards, self.discount, **options)
        return solver.run, lambda _: solver.V[: self.n_states]
