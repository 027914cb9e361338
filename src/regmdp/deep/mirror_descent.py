r"""Mirror descent with networks and a memory: MDPO in the policy, GPMD in its dual variable.

They and soft actor-critic differ in one line, what the policy's network minimises:

========  =======================================================  ==========================================
method    of each remembered state                                  in the tables
========  =======================================================  ==========================================
SAC       τ h(π) - ⟨π, Q⟩                                           the greedy policy, projected on the network
MDPO      τ h(π) - ⟨π, Q⟩ + D(π, π_k; ξ_k)/η                        mirror descent
GPMD      ‖ξ - (α ξ_k + (1-α) Q/τ)‖², with α = 1/(1 + ητ)           dual averaging
========  =======================================================  ==========================================
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar

import jax
import jax.numpy as jnp

from regmdp._internal.arrays import Array
from regmdp._internal.errors import SolverError
from regmdp.deep.heads import Categorical, Head
from regmdp.deep.off_policy import OffPolicy, Seen
from regmdp.deep.options import require_count
from regmdp.deep.proximal import StepSize, first_step_size, next_step_size, require_step_size
from regmdp.regularizers import Regularizer, Shannon

__all__ = ["GPMD", "MDPO", "Anchored", "dual_step"]


@dataclass(eq=False)
class Anchored(OffPolicy):
    """Methods whose new policy stays near the one before, π_k, which is replaced from time to time.

    Args:
        step_size: η, in the unit of h over that of the rewards; a function of k, or
            :class:`Adapted`.
        refresh: Learning steps after which the policy becomes the next π_k.
    """

    regularizer: Regularizer = field(default_factory=lambda: Shannon(0.1))
    step_size: StepSize = 1.0
    refresh: int = 100

    def __post_init__(self) -> None:
        require_step_size(self.step_size)
        require_count("refresh", self.refresh)
        super().__post_init__()

    def anchored(self, state: Any, seen: Seen) -> Any:
        count = state["count"] + 1
        xi, before = (self._xi(state[name], seen.observation) for name in ("policy", "anchor"))
        divergence = jnp.mean(self.head.divergence(xi, before))
        step_size = next_step_size(
            self.step_size, state["step_size"], count // self.refresh, divergence
        )
        ends = {"anchor": state["policy"], "step_size": step_size}
        now = count % self.refresh == 0
        renewed = jax.tree.map(
            lambda old, new: jnp.where(now, new, old), {name: state[name] for name in ends}, ends
        )
        return {**state, **renewed, "count": count}

    def _begun(self, key: Array) -> Any:
        begun = super()._begun(key)
        anchor = jax.tree.map(jnp.copy, begun["policy"])
        return {
            **begun,
            "anchor": anchor,
            "step_size": first_step_size(self.step_size),
            "count": jnp.zeros((), jnp.int32),
        }

    def _head(self) -> Head:
        head = super()._head()
        if not isinstance(head, Categorical):
            raise SolverError(
                f"off-policy {self.name} is for discrete actions: the dual variable of a "
                "continuous policy has no closed form"
            )
        return head


@dataclass(eq=False)
class MDPO(Anchored):
    r"""Mirror descent policy optimization, off-policy: what SAC minimises and the divergence from the policy π_k before, over η.

    References:
        Tomar, Shani, Efroni & Ghavamzadeh 2022, ICLR, "Mirror descent policy optimization",
        equations 12 and 13.
    """

    name: ClassVar[str] = "mirror descent policy optimization"

    def policy_loss(self, policy: Any, state: Any, seen: Seen) -> Array:
        mean, h = self.expected(policy, state["critics"], seen.observation, seen.key)
        xi, before = (self._xi(each, seen.observation) for each in (policy, state["anchor"]))
        return jnp.mean(
            seen.temperature * h - mean + self.head.divergence(xi, before) / state["step_size"]
        )


@dataclass(eq=False)
class GPMD(Anchored):
    r"""Generalized policy mirror descent with networks: the dual variable ξ is fitted to α ξ_k + (1-α) Q/τ.

    With η the step size α is 1/(1 + ητ); both sides are taken without what all actions have in
    common, on which the policy does not depend. On a table this is GPMD to the last digit.

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

    def policy_loss(self, policy: Any, state: Any, seen: Seen) -> Array:
        xi, before = (self._xi(each, seen.observation) for each in (policy, state["anchor"]))
        q = self._smaller(state["critics"], seen.observation)
        apart = _centred(xi - dual_step(before, q, seen.temperature, state["step_size"]))
        return jnp.mean(jnp.square(seen.temperature * apart))


def dual_step(xi: Array, q: Array, temperature: Array | float, step_size: Array | float) -> Array:
    """(…, A) ξ_k and (…, A) Q -> (…, A) α ξ_k + (1-α) Q/τ with α = 1/(1 + ητ)."""
    keep = 1.0 / (1.0 + step_size * temperature)
    return keep * xi + (1.0 - keep) / temperature * q


def _centred(xi: Array) -> Array:
    return xi - jnp.mean(xi, axis=-1, keepdims=True)
