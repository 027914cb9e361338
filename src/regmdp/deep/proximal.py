r"""How far a new policy may be from the one before: the step size η of \(D(\pi, \pi_k; \xi_k)/\eta\)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, TypeAlias

import jax.numpy as jnp

from regmdp._internal.arrays import Array
from regmdp._internal.errors import SolverError
from regmdp.deep.options import require_positive

__all__ = ["Adapted", "StepSize", "first_step_size", "next_step_size", "require_step_size"]


class Adapted(NamedTuple):
    r"""A step size that is adapted until the mean divergence of each new policy from the one before is a given one.

    1/η is the multiplier of the constraint \(E[D(\pi_{k+1}, \pi_k)] \le \delta\), and is found by
    dual ascent, in its logarithm.

    Attributes:
        radius: δ.
        start: η to begin with.
        rate: Of the ascent; η changes by a factor of at most e to this power at a time.

    Examples:
        >>> from regmdp.deep import MDPO, Adapted
        >>> MDPO("CartPole-v1", step_size=Adapted(radius=0.01), warmup=64, refresh=10).learn(
        ...     100
        ... ).steps
        104
    """

    radius: float
    start: float = 1.0
    rate: float = 0.5


#: A number, a function of k that gives the one of the k-th policy (JAX compiles it), or one that is
#: adapted.
StepSize: TypeAlias = float | Callable[[Array], Any] | Adapted


def require_step_size(step_size: Any) -> None:
    """Raise SolverError unless it is one."""
    if isinstance(step_size, Adapted):
        for name, value in step_size._asdict().items():
            require_positive(f"the {name} of an adapted step size", value)
    elif not callable(step_size) and (
        not isinstance(step_size, int | float) or not step_size > 0.0
    ):
        raise SolverError(
            f"the step size must be a number above 0, a function of k or Adapted, not {step_size!r}"
        )


def first_step_size(step_size: StepSize) -> Array:
    """Return η of the first step."""
    if isinstance(step_size, Adapted):
        return jnp.float32(step_size.start)
    return jnp.float32(step_size(jnp.int32(0)) if callable(step_size) else step_size)


def next_step_size(step_size: StepSize, present: Array, count: Array, divergence: Array) -> Array:
    """Return η of the next step.

    Args:
        step_size: What says so.
        present: η of the step before.
        count: k of the next step.
        divergence: Mean divergence of the step before.
    """
    if isinstance(step_size, Adapted):
        apart = jnp.clip(1.0 - divergence / step_size.radius, -1.0, 1.0)
        return present * jnp.exp(step_size.rate * apart)
    return jnp.float32(step_size(count)) if callable(step_size) else present
