"""mdpax, on JAX: the successors of a pair are its random events. What is compiled on a first run is
not timed in the later ones.
"""

from __future__ import annotations

from collections.abc import Callable

import jax
import numpy as np
from model import Model

# before anything else makes an array: the problem would be in single precision
jax.config.update("jax_enable_x64", True)

import jax.numpy as jnp  # noqa: E402
from mdpax.core.problem import Problem  # noqa: E402
from mdpax.solvers.value_iteration import ValueIteration  # noqa: E402


class Tabular(Problem):
    """A model whose event e moves a pair to its successor number e."""

    name = "tabular"

    def __init__(self, model: Model) -> None:
        lengths = np.diff(model.rows.indptr)
        shape = (model.n_states, model.n_actions, int(lengths.max()))
        successor, probability = np.zeros(shape, dtype=np.int32), np.zeros(shape)
        pair = np.repeat(np.arange(lengths.size), lengths)
        event = np.arange(pair.size) - np.repeat(model.rows.indptr[:-1], lengths)
        successor.reshape(-1, shape[2])[pair, event] = model.rows.indices
        probability.reshape(-1, shape[2])[pair, event] = model.rows.data
        self.shape = shape
        self.successor, self.probability = jnp.asarray(successor), jnp.asarray(probability)
        self.rewards = jnp.asarray(model.rewards.reshape(shape[:2]))
        super().__init__()

    def _construct_state_space(self) -> jax.Array:
        return jnp.arange(self.shape[0], dtype=jnp.int32)

    def _construct_action_space(self) -> jax.Array:
        return jnp.arange(self.shape[1], dtype=jnp.int32)

    def _construct_random_event_space(self) -> jax.Array:
        return jnp.arange(self.shape[2], dtype=jnp.int32)

    def state_to_index(self, state: jax.Array) -> jax.Array:
        return state[0]

    def initial_value(self, state: jax.Array) -> jax.Array:
        return jnp.float64(0.0)

    def random_event_probability(
        self, state: jax.Array, action: jax.Array, random_event: jax.Array
    ) -> jax.Array:
        return self.probability[state[0], action[0], random_event[0]]

    def transition(
        self, state: jax.Array, action: jax.Array, random_event: jax.Array
    ) -> tuple[jax.Array, jax.Array]:
        pair = state[0], action[0]
        return self.successor[(*pair, random_event[0])].reshape(1), self.rewards[pair]


class Adapter:
    """Value iteration that stops at a small change, in double precision."""

    packages = ("mdpax", "jax", "numpy")

    def load(self, model: Model) -> None:
        self.n_states = model.n_states
        problem = Tabular(model.closed().rectangular())
        self.solver = ValueIteration(
            problem, gamma=model.discount, convergence_test="max_diff", verbose=0
        )

    def prepare(
        self, method: str, tolerance: float, temperature: None
    ) -> tuple[Callable, Callable]:
        # the same solver again, for a new one would compile again
        solver = self.solver
        solver.values, solver.policy, solver.iteration = jnp.zeros_like(solver.values), None, 0
        solver.conv_threshold = tolerance * (1.0 - float(solver.gamma)) / float(solver.gamma)

        def run() -> np.ndarray:
            return np.asarray(solver.solve(max_iterations=10**9).values)

        return run, lambda values: values[: self.n_states]
