"""Advantage actor-critic: the synchronous form of A3C, for any regularizer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import ClassVar

import jax
import jax.numpy as jnp
import optax

from regmdp._internal.parameters import Kind, Number
from regmdp.deep.on_policy import Batch, OnPolicy
from regmdp.deep.types import JaxArray, Params
from regmdp.regularizers import Regularizer, Shannon

__all__ = ["A2C", "actor_critic_loss", "take_gradient_step"]


@dataclass(eq=False)
class A2C(OnPolicy):
    r"""Advantage actor-critic: one gradient step on n-step returns, then new ones.

    The loss is
    \(-E[\frac{\pi(a|s)}{\pi_k(a|s)} A(s, a)] + \tau E[h(\pi(s))] + c\, E[(V(s) - R)^2]\). At
    \(\pi = \pi_k\) its gradient is that of the paper's section 4; the ratio replaces the logarithm,
    which is infinite where a probability is 0. As in the paper the regularizer is a term of the
    loss, not part of the values; ``soft=True`` makes it part of them.

    Departures from the paper: the two networks share no layers, so that no weight between them has
    to be tuned; the copies of the environment run in one process, and so share one update; the
    gradient is the mean over t_max steps, not the sum, so that the learning rate does not depend on
    ``horizon``; the learning rate is constant, because ``learn`` can be continued and knows no last
    step; the gradient is clipped at ``max_grad_norm``, because rare long ones undo much; the loss
    of the values has the weight ``critic_weight``; RMSProp has ε = 1e-5 below the root, which the
    paper does not give.

    The measure of an iteration is ``loss``.

    Args:
        learning_rate: Learning rate (RMSProp with decay 0.99).
        max_grad_norm: Norm to which larger gradients are clipped.
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
    gae_lambda: float = 1.0
    soft: bool = False
    learning_rate: float = 7e-4
    max_grad_norm: float = 0.5
    critic_weight: float = 0.5

    name: ClassVar[str] = "advantage actor-critic"

    declarations: ClassVar[Mapping[str, Kind]] = {
        "learning_rate": Number(above=0.0),
        "max_grad_norm": Number(above=0.0),
        "critic_weight": Number(0.0),
    }

    def __post_init__(self) -> None:
        self._optimizer = optax.chain(
            optax.clip_by_global_norm(self.max_grad_norm),
            optax.rmsprop(self.learning_rate, decay=0.99, eps=1e-5, eps_in_sqrt=False),
        )
        super().__post_init__()

    def _init_state(self, key: JaxArray) -> Params:
        networks = self._init_networks(key)
        return {**networks, "optimizer": self._optimizer.init(networks)}

    def _init_networks(self, key: JaxArray) -> Params:
        """Return initial parameters of the policy and of the critic."""
        policy_key, critic_key = jax.random.split(key)
        return {
            "policy": self._init_policy(policy_key),
            "critic": self.critic.init(critic_key, self.environments.n_inputs, 1),
        }

    def _iterate(self) -> dict[str, float]:
        self._state, loss = take_gradient_step(self._static, self._state, self._collect())
        return {"loss": float(loss)}


def actor_critic_loss(learner: A2C, networks: Params, batch: Batch) -> JaxArray:
    """Return the loss of both networks."""
    xi = learner._compute_xi(networks["policy"], batch.observation)
    value = learner.critic.apply(networks["critic"], batch.observation)[:, 0]
    gain = jnp.mean(
        learner.head.ratio(xi, jax.lax.stop_gradient(xi), batch.action) * batch.advantage
    )
    cost = learner.head.temperature / batch.unit * jnp.mean(learner.head.value(xi))
    return cost - gain + learner.critic_weight * jnp.mean(jnp.square(value - batch.target))


@partial(jax.jit, static_argnums=0)
def take_gradient_step(learner: A2C, state: Params, batch: Batch) -> tuple[Params, JaxArray]:
    """Return the training state after one gradient step, and the loss before."""
    networks = {"policy": state["policy"], "critic": state["critic"]}
    loss, gradient = jax.value_and_grad(partial(actor_critic_loss, learner))(networks, batch)
    updates, optimizer = learner._optimizer.update(gradient, state["optimizer"], networks)
    return {**optax.apply_updates(networks, updates), "optimizer": optimizer}, loss
