"""Mirror descent policy optimization with what the policy has just done."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import optax

from regmdp._internal.arrays import Array
from regmdp.deep.fitted_values import FittedValues, gain_of
from regmdp.deep.on_policy import Batch
from regmdp.deep.options import require_count, require_positive
from regmdp.deep.proximal import StepSize, first_step_size, next_step_size, require_step_size

__all__ = ["OnPolicyMDPO"]


@dataclass(eq=False)
class OnPolicyMDPO(FittedValues):
    r"""Mirror descent policy optimization: gradient steps on what TRPO maximises, with the divergence as a cost and not a limit.

    Minimised, over what was collected with π_k, is
    \(E[D(\pi, \pi_k; \xi_k)]/\eta - E[\frac{\pi(a|s)}{\pi_k(a|s)} A(s, a)] + \tau E[h(\pi(s))]\),
    equation 10 of the paper, by some passes of Adam over minibatches.

    Departures: advantages are counted in their deviations, and η with them; h may be any of the
    regularizers, and its cost is part of the values.

    Args:
        step_size: η; a function of k, as the paper's that falls to 0, or :class:`Adapted`.
        rate: Learning rate (Adam) of the policy.
        epochs: Passes over what was collected.
        largest: Norm at which gradients are cut off.

    Examples:
        >>> from regmdp.deep import Adapted, OnPolicyMDPO
        >>> OnPolicyMDPO("CartPole-v1", step_size=Adapted(radius=0.02), seed=0).learn(1_000).steps
        1024

    References:
        Tomar, Shani, Efroni & Ghavamzadeh 2022, ICLR, "Mirror descent policy optimization",
        Algorithm 1.
    """

    step_size: StepSize = 3.0
    rate: float = 1e-3
    epochs: int = 10
    largest: float = 0.5

    name: ClassVar[str] = "on-policy mirror descent policy optimization"

    def __post_init__(self) -> None:
        require_step_size(self.step_size)
        for option in ("rate", "largest"):
            require_positive(option, getattr(self, option))
        require_count("epochs", self.epochs)
        self._descent = optax.chain(optax.clip_by_global_norm(self.largest), optax.adam(self.rate))
        super().__post_init__()

    def _begun_policy(self, key: Array) -> Any:
        policy = self._new_policy(key)
        step_size = first_step_size(self.step_size)
        return {
            "policy": policy,
            "descent": self._descent.init(policy),
            "step_size": step_size,
            "count": jnp.zeros((), jnp.int32),
        }

    def _improved(self, state: Any, batch: Batch) -> tuple[Any, dict[str, Array]]:
        return _descended(
            self._design, state, batch, self._shuffled(batch.target.shape[0], self.epochs)
        )


def loss_of(learner: OnPolicyMDPO, policy: Any, step_size: Array | float, batch: Batch) -> Array:
    """Return what is minimised."""
    xi = learner._xi(policy, batch.observation)
    return jnp.mean(learner.head.divergence(xi, batch.xi)) / step_size - gain_of(learner, xi, batch)


@partial(jax.jit, static_argnums=0)
def _descended(
    learner: OnPolicyMDPO, state: Any, batch: Batch, indices: Array
) -> tuple[Any, dict[str, Array]]:
    """Return the policy and what belongs to it after some passes over a batch, and how far it went."""

    def step(carried: tuple[Any, Any], rows: Array) -> tuple[tuple[Any, Any], None]:
        policy, descent = carried
        part = Batch(*(each[rows] for each in batch[:-1]), unit=batch.unit)
        gradient = jax.grad(lambda policy: loss_of(learner, policy, state["step_size"], part))(
            policy
        )
        updates, descent = learner._descent.update(gradient, descent, policy)
        return (optax.apply_updates(policy, updates), descent), None

    (policy, descent), _ = jax.lax.scan(step, (state["policy"], state["descent"]), indices)
    xi = learner._xi(policy, batch.observation)
    divergence, count = jnp.mean(learner.head.divergence(xi, batch.xi)), state["count"] + 1
    step_size = next_step_size(learner.step_size, state["step_size"], count, divergence)
    after = {"policy": policy, "descent": descent, "step_size": step_size, "count": count}
    return after, {
        "divergence": divergence,
        "gain": gain_of(learner, xi, batch),
        "step size": state["step_size"],
    }
