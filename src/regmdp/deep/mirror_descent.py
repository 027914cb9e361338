r"""Off-policy mirror descent with networks: MDPO for the policy, GPMD for its dual variable.

They and soft actor-critic differ in the loss of the policy's network:

========  ==================================================  ==============================
method    loss at each observation of the replay buffer       for a table
========  ==================================================  ==============================
SAC       τ h(π) - ⟨π, Q⟩                                      the greedy policy, projected
MDPO      τ h(π) - ⟨π, Q⟩ + D(π, π_k; ξ_k)/η                   mirror descent
GPMD      ‖ξ - (α ξ_k + (1-α) Q/τ)‖², with α = 1/(1 + ητ)      dual averaging
========  ==================================================  ==============================
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

import jax
import jax.numpy as jnp

from regmdp._internal.errors import SolverError
from regmdp._internal.parameters import Integer, Kind
from regmdp.deep.heads import Categorical, Head
from regmdp.deep.off_policy import OffPolicy, PolicyBatch
from regmdp.deep.options import INT32_MAX
from regmdp.deep.proximal import STEP_SIZE, StepSize, initial_step_size, next_step_size
from regmdp.deep.types import JaxArray, Params
from regmdp.regularizers import Regularizer, Shannon

__all__ = ["GPMD", "MDPO", "AnchoredOffPolicy", "dual_step"]


@dataclass(eq=False)
class AnchoredOffPolicy(OffPolicy):
    """Off-policy methods that keep the policy near an earlier one π_k, the anchor.

    Args:
        step_size: η, in the unit of h over that of the rewards; a number, a function of k, or
            :class:`AdaptiveStepSize`.
        anchor_interval: Learning steps after which the policy becomes the next π_k.
    """

    regularizer: Regularizer = field(default_factory=lambda: Shannon(0.1))
    step_size: StepSize = 1.0
    anchor_interval: int = 100

    declarations: ClassVar[Mapping[str, Kind]] = {
        "step_size": STEP_SIZE,
        "anchor_interval": Integer(1, INT32_MAX),
    }

    def update_anchor(self, state: Params, batch: PolicyBatch) -> Params:
        count = state["count"] + 1
        xi, anchor_xi = (
            self._compute_xi(state[name], batch.observation) for name in ("policy", "anchor")
        )
        step_size = next_step_size(
            self.step_size,
            state["step_size"],
            count // self.anchor_interval,
            jnp.mean(self.head.divergence(xi, anchor_xi)),
        )
        old = {name: state[name] for name in ("anchor", "step_size")}
        new = {"anchor": state["policy"], "step_size": step_size}
        is_due = count % self.anchor_interval == 0
        updated = jax.tree.map(lambda old, new: jnp.where(is_due, new, old), old, new)
        return {**state, **updated, "count": count}

    def _init_state(self, key: JaxArray) -> Params:
        state = super()._init_state(key)
        return {
            **state,
            "anchor": jax.tree.map(jnp.copy, state["policy"]),
            "step_size": initial_step_size(self.step_size),
            "count": jnp.zeros((), jnp.int32),
        }

    def _make_head(self) -> Head:
        head = super()._make_head()
        if not isinstance(head, Categorical):
            raise SolverError(
                f"off-policy {self.name} is for discrete actions: the dual variable of a "
                "continuous policy has no closed form"
            )
        return head


@dataclass(eq=False)
class MDPO(AnchoredOffPolicy):
    r"""Off-policy mirror descent policy optimization: SAC's loss plus D(π, π_k; ξ_k)/η.

    References:
        Tomar, Shani, Efroni & Ghavamzadeh 2022, ICLR, "Mirror descent policy optimization",
        equations 12 and 13.
    """

    name: ClassVar[str] = "mirror descent policy optimization"

    def policy_loss(self, policy: Params, state: Params, batch: PolicyBatch) -> JaxArray:
        mean, h = self.expected_values(policy, state["critics"], batch.observation, batch.key)
        xi, anchor_xi = (
            self._compute_xi(params, batch.observation) for params in (policy, state["anchor"])
        )
        proximal = self.head.divergence(xi, anchor_xi) / state["step_size"]
        return jnp.mean(batch.temperature * h - mean + proximal)


@dataclass(eq=False)
class GPMD(AnchoredOffPolicy):
    r"""Generalized policy mirror descent with networks: ξ is fitted to α ξ_k + (1-α) Q/τ.

    α is 1/(1 + ητ) with the step size η. Both sides are compared up to a constant over the actions,
    on which the policy does not depend. For a table this is GPMD, up to rounding.

    References:
        Zhan, Cen, Huang, Chen, Lee & Chi 2023, SIAM Journal on Optimization 33(2), "Policy mirror
        descent for regularized reinforcement learning: a generalized framework with linear
        convergence", Algorithm 1.
    """

    step_size: StepSize = 20.0

    name: ClassVar[str] = "generalized policy mirror descent"

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.head.temperature > 0.0:
            raise SolverError(
                "generalized policy mirror descent needs a temperature above 0: its dual variable "
                "is Q/τ"
            )

    def policy_loss(self, policy: Params, state: Params, batch: PolicyBatch) -> JaxArray:
        xi, anchor_xi = (
            self._compute_xi(params, batch.observation) for params in (policy, state["anchor"])
        )
        q = self._smaller_values(state["critics"], batch.observation)
        target = dual_step(anchor_xi, q, batch.temperature, state["step_size"])
        return jnp.mean(jnp.square(batch.temperature * _subtract_mean(xi - target)))


def dual_step(
    xi: JaxArray, q: JaxArray, temperature: JaxArray | float, step_size: JaxArray | float
) -> JaxArray:
    """(…, A) ξ_k and (…, A) Q -> (…, A) α ξ_k + (1-α) Q/τ with α = 1/(1 + ητ)."""
    alpha = 1.0 / (1.0 + step_size * temperature)
    return alpha * xi + (1.0 - alpha) / temperature * q


def _subtract_mean(xi: JaxArray) -> JaxArray:
    return xi - jnp.mean(xi, axis=-1, keepdims=True)
