"""Trust region policy optimization, for any regularizer."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
from jax.flatten_util import ravel_pytree

from regmdp._internal.arrays import Array
from regmdp.deep.fitted_values import FittedValues, gain_of
from regmdp.deep.natural_gradient import Searched, conjugate_gradient, fisher_product, line_search
from regmdp.deep.on_policy import Batch
from regmdp.deep.options import require_count, require_positive

__all__ = ["TRPO"]


@dataclass(eq=False)
class TRPO(FittedValues):
    r"""Trust region policy optimization: a natural step as far as the divergence from the old policy allows.

    Maximised is \(E[\frac{\pi(a|s)}{\pi_k(a|s)} A(s, a)] - \tau E[h(\pi(s))]\) subject to
    \(E[D(\pi_k, \pi; \xi)] \le \delta\), equation 14 of the paper with the divergence of the
    regularizer in place of the Kullback-Leibler one, which it is for Shannon's. The direction comes
    from conjugate gradients on products with Fisher's matrix (appendix C), its length from δ, and
    it is halved until the objective grows and the divergence is within δ. If it never does, the
    parameters are those before.

    Departures: advantages are generalized ones, with a network for the values; h may be any of the
    regularizers, and its cost is part of the values. Without a temperature it is the paper's. With
    ``halvings=0`` it is natural policy gradient with a step of a given length, which is refused
    where it would leave the trust region.

    Args:
        radius: δ.
        damping: Added to Fisher's matrix, in units of its own.
        conjugate_steps: Conjugate gradient iterations.
        halvings: How often a step is halved before it is given up.

    Examples:
        >>> import regmdp as rm
        >>> from regmdp.deep import TRPO
        >>> learner = TRPO(
        ...     "CartPole-v1", regularizer=rm.Tsallis(1.5, temperature=0.01), seed=0
        ... ).learn(2_000)
        >>> learner.steps
        2048

    References:
        Schulman, Levine, Moritz, Jordan & Abbeel 2015, ICML, "Trust region policy optimization".
    """

    radius: float = 0.01
    damping: float = 0.1
    conjugate_steps: int = 15
    halvings: int = 10

    name: ClassVar[str] = "trust region policy optimization"

    def __post_init__(self) -> None:
        require_positive("radius", self.radius)
        require_count("conjugate_steps", self.conjugate_steps)
        require_count("halvings", self.halvings, least=0)
        super().__post_init__()

    def _begun_policy(self, key: Array) -> Any:
        return {"policy": self._new_policy(key)}

    def _improved(self, state: Any, batch: Batch) -> tuple[Any, dict[str, Array]]:
        policy, searched = improved(self._design, state["policy"], batch)
        measures = {
            "divergence": searched.divergence,
            "gain": searched.gain,
            "share of the step": searched.share,
        }
        return {"policy": policy}, measures


@partial(jax.jit, static_argnums=0)
def improved(learner: TRPO, policy: Any, batch: Batch) -> tuple[Any, Searched]:
    """Return the parameters after one step, and what the line search found."""
    params, unravel = ravel_pytree(policy)

    def outputs(params: Array) -> Array:
        return learner._xi(unravel(params), batch.observation)

    def objective(params: Array) -> Array:
        return gain_of(learner, outputs(params), batch)

    def assess(candidate: Array) -> tuple[Array, Array]:
        return objective(candidate) - now, jnp.mean(
            learner.head.divergence(batch.xi, outputs(candidate))
        )

    def product(direction: Array) -> Array:
        return (
            fisher_product(outputs, learner.head.curvature, params, direction)
            + learner.damping * direction
        )

    now, gradient = jax.value_and_grad(objective)(params)
    direction = conjugate_gradient(product, gradient, learner.conjugate_steps)
    length = jnp.sqrt(2.0 * learner.radius / jnp.maximum(direction @ product(direction), 1e-20))
    searched = line_search(assess, params, length * direction, learner.radius, learner.halvings)
    return unravel(searched.params), searched
