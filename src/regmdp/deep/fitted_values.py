"""Methods that improve their policy in steps of their own, and fit the network of the values to what was collected."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from regmdp._internal.arrays import Array
from regmdp.deep.on_policy import Batch, OnPolicy
from regmdp.deep.options import require_count, require_positive

__all__ = ["FittedValues", "gain_of"]


@dataclass(eq=False)
class FittedValues(OnPolicy):
    """Improve the policy with what was collected, then fit the values to it by regression.

    Args:
        critic_rate: Learning rate (Adam) of the network of the values.
        critic_epochs: How often it sees what was collected.
        minibatch: Steps that are looked at together.
    """

    critic_rate: float = 1e-3
    critic_epochs: int = 10
    minibatch: int = 128

    def __post_init__(self) -> None:
        require_positive("critic_rate", self.critic_rate)
        require_count("critic_epochs", self.critic_epochs)
        require_count("minibatch", self.minibatch)
        self._adam = optax.adam(self.critic_rate)
        super().__post_init__()

    @abstractmethod
    def _begun_policy(self, key: Array) -> Any:
        """Return the part of the state that :meth:`_improved` changes, with the policy's parameters under "policy"."""

    @abstractmethod
    def _improved(self, state: Any, batch: Batch) -> tuple[Any, dict[str, Array]]:
        """Return that part after an improvement, and what is to be said of it."""

    def _begun(self, key: Array) -> Any:
        for_policy, for_critic = jax.random.split(key)
        critic = self.critic.init(for_critic, self.environments.n_inputs, 1)
        return {**self._begun_policy(for_policy), "critic": critic, "adam": self._adam.init(critic)}

    def _iterate(self) -> dict[str, float]:
        batch = self._collected()
        kept = {name: part for name, part in self._state.items() if name not in ("critic", "adam")}
        improved, measures = self._improved(kept, batch)
        indices = self._shuffled(batch.target.shape[0], self.critic_epochs)
        critic, adam, error = _fitted(
            self._design, self._state["critic"], self._state["adam"], batch, indices
        )
        self._state = {**improved, "critic": critic, "adam": adam}
        return {
            **{name: float(value) for name, value in measures.items()},
            "critic error": float(error),
        }

    def _shuffled(self, size: int, epochs: int) -> np.ndarray:
        """Return (n, minibatch) indices that go through everything a few times."""
        minibatch = min(self.minibatch, size)
        orders = [
            self._rng.permutation(size)[: size // minibatch * minibatch] for _ in range(epochs)
        ]
        return np.concatenate(orders).reshape(-1, minibatch)


def gain_of(learner: OnPolicy, xi: Array, batch: Batch) -> Array:
    r"""(N, K) ξ of a policy where a batch was collected -> \(E[\frac{\pi}{\pi_k} A] - \tau E[h(\pi)]\) in deviations of A.

    In that unit numbers are of order 1, whatever the rewards are.
    """
    unit = jnp.std(batch.advantage) + 1e-8
    advantage = (batch.advantage - jnp.mean(batch.advantage)) / unit
    cost = learner.head.temperature / (unit * batch.unit) * jnp.mean(learner.head.value(xi))
    return jnp.mean(learner.head.ratio(xi, batch.xi, batch.action) * advantage) - cost


@partial(jax.jit, static_argnums=0)
def _fitted(
    learner: FittedValues, critic: Any, adam: Any, batch: Batch, indices: Array
) -> tuple[Any, Any, Array]:
    """Fit the values to their targets, minibatch by minibatch, and return the mean squared error before."""

    def loss(critic: Any, rows: Array) -> Array:
        value = learner.critic.apply(critic, batch.observation[rows])[:, 0]
        return jnp.mean(jnp.square(value - batch.target[rows]))

    def step(state: tuple[Any, Any], rows: Array) -> tuple[tuple[Any, Any], Array]:
        critic, adam = state
        error, gradient = jax.value_and_grad(loss)(critic, rows)
        updates, adam = learner._adam.update(gradient, adam)
        return (optax.apply_updates(critic, updates), adam), error

    (critic, adam), errors = jax.lax.scan(step, (critic, adam), indices)
    return critic, adam, errors[0]
