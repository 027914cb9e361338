"""On-policy mirror descent policy optimization."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import ClassVar

import jax
import jax.numpy as jnp
import optax

from regmdp._internal.parameters import Integer, Kind, Number
from regmdp.deep.fitted_values import FittedValues, surrogate_gain
from regmdp.deep.on_policy import Batch
from regmdp.deep.proximal import STEP_SIZE, StepSize, initial_step_size, next_step_size
from regmdp.deep.types import JaxArray, Params

__all__ = ["OnPolicyMDPO", "mirror_descent_loss"]


@dataclass(eq=False)
class OnPolicyMDPO(FittedValues):
    r"""Mirror descent policy optimization: TRPO's objective with the divergence as a penalty.

    The loss over steps collected with π_k is
    \(E[D(\pi, \pi_k; \xi_k)]/\eta - E[\frac{\pi(a|s)}{\pi_k(a|s)} A(s, a)] + \tau E[h(\pi(s))]\),
    equation 10 of the paper, minimised by some passes of Adam over minibatches.

    Departures: the unit of advantages, and with it that of η, is their standard deviation; h may be
    any of the regularizers, and its cost is part of the values.

    Measures of an iteration, besides ``critic_error``: ``divergence`` (mean), ``gain`` (increase of
    the objective in deviations of the advantages) and ``step_size``.

    Args:
        step_size: η; a number, a function of k, as in the paper, where it falls to 0, or
            :class:`AdaptiveStepSize`.
        learning_rate: Learning rate (Adam) of the policy.
        epochs: Passes over the batch to improve the policy.
        max_grad_norm: Norm to which larger gradients are clipped.

    Examples:
        >>> from regmdp.deep import AdaptiveStepSize, OnPolicyMDPO
        >>> learner = OnPolicyMDPO(
        ...     "CartPole-v1", step_size=AdaptiveStepSize(target_kl=0.02), seed=0
        ... )
        >>> learner.learn(1_000).steps
        1024

    References:
        Tomar, Shani, Efroni & Ghavamzadeh 2022, ICLR, "Mirror descent policy optimization",
        Algorithm 1.
    """

    step_size: StepSize = 3.0
    learning_rate: float = 1e-3
    epochs: int = 10
    max_grad_norm: float = 0.5

    name: ClassVar[str] = "on-policy mirror descent policy optimization"

    declarations: ClassVar[Mapping[str, Kind]] = {
        "step_size": STEP_SIZE,
        "learning_rate": Number(above=0.0),
        "epochs": Integer(),
        "max_grad_norm": Number(above=0.0),
    }

    def __post_init__(self) -> None:
        self._optimizer = optax.chain(
            optax.clip_by_global_norm(self.max_grad_norm), optax.adam(self.learning_rate)
        )
        super().__post_init__()

    def _init_policy_state(self, key: JaxArray) -> Params:
        policy = self._init_policy(key)
        return {
            "policy": policy,
            "optimizer": self._optimizer.init(policy),
            "step_size": initial_step_size(self.step_size),
            "count": jnp.zeros((), jnp.int32),
        }

    def _improve(self, state: Params, batch: Batch) -> tuple[Params, dict[str, JaxArray]]:
        indices = self._shuffle_indices(batch.target.shape[0], self.epochs)
        return _descend(self._static, state, batch, indices)


def mirror_descent_loss(
    learner: OnPolicyMDPO, policy: Params, step_size: JaxArray | float, batch: Batch
) -> JaxArray:
    """Return the loss of the policy."""
    xi = learner._compute_xi(policy, batch.observation)
    proximal = jnp.mean(learner.head.divergence(xi, batch.xi)) / step_size
    return proximal - surrogate_gain(learner, xi, batch)


@partial(jax.jit, static_argnums=0)
def _descend(
    learner: OnPolicyMDPO, state: Params, batch: Batch, indices: JaxArray
) -> tuple[Params, dict[str, JaxArray]]:
    """Return the policy's training state after some passes over a batch, and measures."""

    def step(carried: tuple[Params, Params], rows: JaxArray) -> tuple[tuple[Params, Params], None]:
        policy, optimizer = carried
        part = Batch(
            batch.observation[rows],
            batch.action[rows],
            batch.xi[rows],
            batch.advantage[rows],
            batch.target[rows],
            unit=batch.unit,
        )
        gradient = jax.grad(
            lambda policy: mirror_descent_loss(learner, policy, state["step_size"], part)
        )(policy)
        updates, optimizer = learner._optimizer.update(gradient, optimizer, policy)
        return (optax.apply_updates(policy, updates), optimizer), None

    (policy, optimizer), _ = jax.lax.scan(step, (state["policy"], state["optimizer"]), indices)
    xi = learner._compute_xi(policy, batch.observation)
    divergence, count = jnp.mean(learner.head.divergence(xi, batch.xi)), state["count"] + 1
    step_size = next_step_size(learner.step_size, state["step_size"], count, divergence)
    after = {"policy": policy, "optimizer": optimizer, "step_size": step_size, "count": count}
    return after, {
        "divergence": divergence,
        "gain": surrogate_gain(learner, xi, batch),
        "step_size": state["step_size"],
    }
