"""QuantEcon's DiscreteDP: the state-action pair formulation with sparse rows, or the product
formulation of a dense model.
"""

from __future__ import annotations

from collections.abc import Callable

import quantecon.markov as qe
from model import Model

#: Its own limit is 250 iterations; what ends a run here is the tolerance, or the driver.
NO_LIMIT = 10**9


class Adapter:
    """Each method by the name it has there."""

    packages = ("quantecon", "numba", "numpy", "scipy")

    def load(self, model: Model) -> None:
        self.n_states = model.n_states
        closed = model.closed()
        if model.dense:
            shape = (closed.n_states, closed.n_actions)
            self.ddp = qe.DiscreteDP(
                closed.rewards.reshape(shape),
                closed.rows.toarray().reshape(*shape, -1),
                closed.discount,
            )
        else:
            self.ddp = qe.DiscreteDP(
                closed.rewards, closed.rows, closed.discount, closed.state, closed.action
            )

    def prepare(
        self, method: str, tolerance: float | None, temperature: None
    ) -> tuple[Callable, Callable]:
        options = {} if method == "policy_iteration" else {"epsilon": tolerance}
        return lambda: self.ddp.solve(
            method, max_iter=NO_LIMIT, **options
        ), lambda result: result.v[: self.n_states]
