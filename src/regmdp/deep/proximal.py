r"""Step sizes η of the proximal term \(D(\pi, \pi_k; \xi_k)/\eta\)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import jax.numpy as jnp
import numpy as np

from regmdp._internal.parameters import Function, Instance, Number, checked
from regmdp.deep.types import JaxArray

__all__ = [
    "STEP_SIZE",
    "AdaptiveStepSize",
    "StepSize",
    "initial_step_size",
    "next_step_size",
]


@checked(target_kl=Number(above=0.0), initial=Number(above=0.0), learning_rate=Number(above=0.0))
@dataclass(frozen=True)
class AdaptiveStepSize:
    r"""A step size that keeps the mean divergence between successive policies near a target.

    1/η is the multiplier of the constraint \(E[D(\pi_{k+1}, \pi_k)] \le \delta\); it is found by
    dual ascent on its logarithm.

    Attributes:
        target_kl: δ, a Kullback-Leibler divergence for Shannon's entropy.
        initial: The first η.
        learning_rate: Of the ascent; η changes by a factor of at most e to this power in a step.

    Examples:
        >>> from regmdp.deep import MDPO, AdaptiveStepSize
        >>> learner = MDPO(
        ...     "CartPole-v1",
        ...     step_size=AdaptiveStepSize(target_kl=0.01),
        ...     learning_starts=64,
        ...     anchor_interval=10,
        ... )
        >>> learner.learn(100).steps
        104
    """

    target_kl: float
    initial: float = 1.0
    learning_rate: float = 0.5


#: A number; a function of k that returns the one of the k-th policy, which JAX compiles; or an
#: adaptive one.
StepSize: TypeAlias = float | Callable[[JaxArray], float | JaxArray] | AdaptiveStepSize


#: What a step size may be.
STEP_SIZE = Number(above=0.0, finite=False) | Function() | Instance(AdaptiveStepSize)


def initial_step_size(step_size: StepSize) -> JaxArray:
    """Return η of the first step."""
    if isinstance(step_size, AdaptiveStepSize):
        return jnp.float32(step_size.initial)
    if callable(step_size):
        return jnp.float32(step_size(jnp.int32(0)))
    with np.errstate(over="ignore"):  # an infinite step size leaves the proximal term out
        return jnp.float32(step_size)


def next_step_size(
    step_size: StepSize, present: JaxArray, count: JaxArray, divergence: JaxArray
) -> JaxArray:
    """Return η of the next step.

    Args:
        step_size: The step size of the method.
        present: η of the step before.
        count: k of the next step.
        divergence: Mean divergence of the step before.
    """
    if isinstance(step_size, AdaptiveStepSize):
        error = jnp.clip(1.0 - divergence / step_size.target_kl, -1.0, 1.0)
        return present * jnp.exp(step_size.learning_rate * error)
    return jnp.float32(step_size(count)) if callable(step_size) else present
