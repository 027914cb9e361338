r"""Step sizes η of the proximal term \(D(\pi, \pi_k; \xi_k)/\eta\)."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, TypeAlias

import jax.numpy as jnp

from regmdp._internal.checks import check_number
from regmdp._internal.errors import SolverError
from regmdp.deep.types import JaxArray

__all__ = [
    "AdaptiveStepSize",
    "StepSize",
    "check_step_size",
    "initial_step_size",
    "next_step_size",
]


class AdaptiveStepSize(NamedTuple):
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


def check_step_size(step_size: StepSize) -> StepSize:
    """Return a step size with its numbers as Python's floats.

    Raises:
        SolverError: if it is of another kind, or a number in it is not above 0.
    """
    if isinstance(step_size, AdaptiveStepSize):
        return AdaptiveStepSize(
            **{
                name: check_number(f"{name} of the adaptive step size", value, above=0.0)
                for name, value in step_size._asdict().items()
            }
        )
    if callable(step_size):
        return step_size
    try:
        return check_number("the step size", step_size, above=0.0, finite=False)
    except SolverError:
        raise SolverError(
            "the step size must be a number above 0, a function of k or an AdaptiveStepSize, not "
            f"{step_size!r}"
        ) from None


def initial_step_size(step_size: StepSize) -> JaxArray:
    """Return η of the first step."""
    if isinstance(step_size, AdaptiveStepSize):
        return jnp.float32(step_size.initial)
    return jnp.float32(step_size(jnp.int32(0)) if callable(step_size) else step_size)


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
