"""Advantage actor-critic: the synchronous form of A3C, for any regularizer."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import optax

from regmdp._internal.arrays import Array
from regmdp.deep.on_policy import Batch, OnPolicy
from regmdp.deep.options import require_positive
from regmdp.regularizers import Regularizer, Shannon

__all__ = ["A2C"]


@dataclass(eq=False)
class A2C(OnPolicy):
    r"""Advantage actor-critic: one gradient step on n-step returns, then new ones.

    Minimised is
    \(-E[\frac{\pi(a|s)}{\pi_k(a|s)} A(s, a)] + \tau E[h(\pi(s))] + c\, E[(V(s) - R)^2]\), whose
    gradient at \(\pi = \pi_k\) is that of the paper's section 4, with the ratio in place of the
    logarithm, which a probability of 0 would make infinite. As in the paper the regularizer is a
    bonus in what is minimised, not part of the values; ``soft=True`` makes it one.

    Departures: the two networks share no layers; copies of the environment take their steps
    together, in one process.

    Args:
        rate: Learning rate (RMSProp with decay 0.99).
        largest: Norm at which gradients are cut off.
        critic_weight: c.

    Examples:
        >>> from regmdp.deep import A2C
        >>> A2C("CartPole-v1", seed=0).learn(200).steps
        200

    References:
        Mnih, Badia, Mirza, Graves, Harley, Lillicrap, Silver & Kavukcuoglu 2016, ICML,
        "Asynchronous methods for deep reinforcement learning".
    """

    regularizer: Regularizer = field(default_factory=lambda: Shannon(0.01))
    horizon: int = 5
    trace: float = 1.0
    soft: bool = False
    rate: float = 7e-4
    largest: float = 0.5
    critic_weight: float = 0.5

    name: ClassVar[str] = "advantage actor-critic"

    def __post_init__(self) -> None:
        for option in ("rate", "largest"):
            require_positive(option, getattr(self, option))
        self._descent = optax.chain(
            optax.clip_by_global_norm(self.largest),
            optax.rmsprop(self.rate, decay=0.99, eps=1e-5, eps_in_sqrt=False),
        )
        super().__post_init__()

    def _begun(self, key: Array) -> Any:
        for_policy, for_critic = jax.random.split(key)
        networks = {
            "policy": self._new_policy(for_policy),
            "critic": self.critic.init(for_critic, self.environments.n_inputs, 1),
        }
        return {**networks, "descent": self._descent.init(networks)}

    def _iterate(self) -> dict[str, float]:
        self._state, loss = stepped(self._design, self._state, self._collected())
        return {"loss": float(loss)}


def loss_of(learner: A2C, networks: Any, batch: Batch) -> Array:
    """Return what is minimised."""
    xi = learner._xi(networks["policy"], batch.observation)
    value = learner.critic.apply(networks["critic"], batch.observation)[:, 0]
    gain = jnp.mean(
        learner.head.ratio(xi, jax.lax.stop_gradient(xi), batch.action) * batch.advantage
    )
    cost = learner.head.temperature / batch.unit * jnp.mean(learner.head.value(xi))
    return cost - gain + learner.critic_weight * jnp.mean(jnp.square(value - batch.target))


@partial(jax.jit, static_argnums=0)
def stepped(learner: A2C, state: Any, batch: Batch) -> tuple[Any, Array]:
    """Return everything after one gradient step, and the loss before."""
    networks = {"policy": state["policy"], "critic": state["critic"]}
    loss, gradient = jax.value_and_grad(partial(loss_of, learner))(networks, batch)
    updates, descent = learner._descent.update(gradient, state["descent"], networks)
    return {**optax.apply_updates(networks, updates), "descent": descent}, loss
