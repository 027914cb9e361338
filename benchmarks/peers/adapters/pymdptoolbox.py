"""The Python version of the MDP toolbox. The constructor of its value iteration bounds the number of sweeps, which is not timed."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
from mdptoolbox import mdp
from model import Model


class Adapter:
    """Each method by the name of its class."""

    packages = ("pymdptoolbox", "numpy", "scipy")

    def load(self, model: Model) -> None:
        warnings.simplefilter("ignore")  # it uses NumPy's matrices, which warn
        self.n_states, self.discount = model.n_states, model.discount
        full = model.closed().rectangular()
        self.rewards = full.rewards.reshape(full.n_states, full.n_actions)
        matrices = [full.rows[action :: full.n_actions] for action in range(full.n_actions)]
        self.transitions = np.stack([matrix.toarray() for matrix in matrices]) if model.dense else matrices

    def prepare(self, method: str, tolerance: float | None, temperature: None) -> tuple[Callable, Callable]:
        options: dict[str, Any] = {} if method == "PolicyIteration" else {"epsilon": tolerance}
        solver = getattr(mdp, method)(self.transitions, self.rewards, self.discount, **options)
        return solver.run, lambda _: solver.V[: self.n_states]
