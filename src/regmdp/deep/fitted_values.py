"""On-policy methods that update the policy and the network of the values separately."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import ClassVar

import jax
import jax.numpy as jnp
import numpy as np
import optax

from regmdp._internal.memory import require_memory
from regmdp._internal.parameters import Integer, Kind, Number
from regmdp.deep.on_policy import Batch, OnPolicy
from regmdp.deep.types import JaxArray, Params

__all__ = ["FittedValues", "surrogate_gain"]


@dataclass(eq=False)
class FittedValues(OnPolicy):
    """Improve the policy with a batch, then fit the values to its targets by regression.

    Measures of an iteration: ``critic_error`` (mean squared error of the values before they are
    fitted), and those of the policy's improvement.

    Args:
        critic_learning_rate: Learning rate (Adam) of the network of the values.
        critic_epochs: Passes over the batch to fit the values.
        batch_size: Steps in a minibatch.
    """

    critic_learning_rate: float = 1e-3
    critic_epochs: int = 10
    batch_size: int = 128

    declarations: ClassVar[Mapping[str, Kind]] = {
        "critic_learning_rate": Number(above=0.0),
        "critic_epochs": Integer(),
        "batch_size": Integer(),
    }

    def __post_init__(self) -> None:
        self._critic_optimizer = optax.adam(self.critic_learning_rate)
        super().__post_init__()

    @abstractmethod
    def _init_policy_state(self, key: JaxArray) -> Params:
        """Return the part of the training state that :meth:`_improve` changes, "policy" in it."""

    @abstractmethod
    def _improve(self, state: Params, batch: Batch) -> tuple[Params, dict[str, JaxArray]]:
        """Return that part after an improvement, and measures by name."""

    def _init_state(self, key: JaxArray) -> Params:
        policy_key, critic_key = jax.random.split(key)
        critic = self.critic.init(critic_key, self.environments.n_inputs, 1)
        return {
            **self._init_policy_state(policy_key),
            "critic": critic,
            "critic_optimizer": self._critic_optimizer.init(critic),
        }

    def _iterate(self) -> dict[str, float]:
        batch = self._collect()
        state = dict(self._state)
        critic, optimizer = state.pop("critic"), state.pop("critic_optimizer")
        improved, measures = self._improve(state, batch)
        indices = self._shuffle_indices(batch.target.shape[0], self.critic_epochs)
        critic, optimizer, error = _fit_critic(self._static, critic, optimizer, batch, indices)
        self._state = {**improved, "critic": critic, "critic_optimizer": optimizer}
        return {
            **{name: float(value) for name, value in measures.items()},
            "critic_error": float(error),
        }

    def _shuffle_indices(self, size: int, epochs: int) -> np.ndarray:
        """Return (n, batch size) indices of the minibatches of some passes over a batch."""
        batch_size = min(self.batch_size, size)
        require_memory(f"{epochs:,} orders of {size:,} steps", 8.0 * epochs * size)
        orders = [
            self._rng.permutation(size)[: size // batch_size * batch_size] for _ in range(epochs)
        ]
        return np.concatenate(orders).reshape(-1, batch_size)


def surrogate_gain(learner: OnPolicy, xi: JaxArray, batch: Batch) -> JaxArray:
    r"""(N, K) ξ of a policy at a batch -> \(E[\frac{\pi}{\pi_k} A] - \tau E[h(\pi)]\).

    The unit is the standard deviation of A, so that numbers are of order 1 for any rewards.
    """
    unit = jnp.std(batch.advantage) + 1e-8
    advantage = (batch.advantage - jnp.mean(batch.advantage)) / unit
    cost = learner.head.temperature / (unit * batch.unit) * jnp.mean(learner.head.value(xi))
    return jnp.mean(learner.head.ratio(xi, batch.xi, batch.action) * advantage) - cost


@partial(jax.jit, static_argnums=0)
def _fit_critic(
    learner: FittedValues, critic: Params, optimizer: Params, batch: Batch, indices: JaxArray
) -> tuple[Params, Params, JaxArray]:
    """Fit the values to their targets by minibatches; return the mean squared error before."""

    def loss(critic: Params, rows: JaxArray) -> JaxArray:
        value = learner.critic.apply(critic, batch.observation[rows])[:, 0]
        return jnp.mean(jnp.square(value - batch.target[rows]))

    def step(
        state: tuple[Params, Params], rows: JaxArray
    ) -> tuple[tuple[Params, Params], JaxArray]:
        critic, optimizer = state
        error, gradient = jax.value_and_grad(loss)(critic, rows)
        updates, optimizer = learner._critic_optimizer.update(gradient, optimizer)
        return (optax.apply_updates(critic, updates), optimizer), error

    (critic, optimizer), errors = jax.lax.scan(step, (critic, optimizer), indices)
    return critic, optimizer, errors[0]
