r"""Natural steps: the direction \(F^{-1} g\) by conjugate gradients, and a line search along it."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp

from regmdp._internal.arrays import Float
from regmdp.deep.types import JaxArray

__all__ = ["LineSearchResult", "conjugate_gradient", "fisher_product", "line_search"]


def fisher_product(
    outputs: Callable[[Float[JaxArray, " n"]], JaxArray],
    curvature: Callable[[JaxArray, JaxArray], JaxArray],
    params: Float[JaxArray, " n"],
    direction: Float[JaxArray, " n"],
) -> Float[JaxArray, " n"]:
    r"""Return \(J^\top \nabla^2 h^*(\xi)\, J v / N\) for the Jacobian J of N states' outputs ξ.

    For Shannon's entropy this is the Fisher matrix of the policy times v; for another h, the
    Hessian of its divergence. It needs no second derivative of the network.

    Args:
        outputs: From (n,) parameters to (N, K) ξ.
        curvature: From (N, K) ξ and (N, K) directions to the second derivative of the divergence
            times those.
        params: (n,) parameters.
        direction: (n,) v.

    References:
        Schulman, Levine, Moritz, Jordan & Abbeel 2015, ICML, "Trust region policy optimization",
        appendix C.1.
    """
    xi, tangent = jax.jvp(outputs, (params,), (direction,))
    (product,) = jax.vjp(outputs, params)[1](curvature(xi, tangent))
    return product / xi.shape[0]


def conjugate_gradient(
    product: Callable[[Float[JaxArray, " n"]], Float[JaxArray, " n"]],
    b: Float[JaxArray, " n"],
    max_iterations: int,
) -> Float[JaxArray, " n"]:
    """(n,) b -> (n,) approximate F⁻¹ b, where ``product`` multiplies by a positive definite F."""
    return jax.scipy.sparse.linalg.cg(product, b, maxiter=max_iterations, tol=1e-10)[0]


class LineSearchResult(NamedTuple):
    """Result of a line search.

    Attributes:
        params: (n,) parameters.
        step_fraction: Fraction of the first step that was taken; 0 if none was accepted.
        gain: Increase of the objective.
        divergence: Divergence from the parameters before.
    """

    params: JaxArray
    step_fraction: JaxArray
    gain: JaxArray
    divergence: JaxArray


def line_search(
    assess: Callable[[Float[JaxArray, " n"]], tuple[JaxArray, JaxArray]],
    params: Float[JaxArray, " n"],
    step: Float[JaxArray, " n"],
    max_divergence: float,
    max_halvings: int,
) -> LineSearchResult:
    """Halve a step until it has a gain and a small enough divergence; if none has, take no step.

    Args:
        assess: From (n,) parameters to the gain over the present ones and the divergence from them.
        params: (n,) the present parameters.
        step: (n,) step to try first.
        max_divergence: The largest divergence allowed.
        max_halvings: The largest number of halvings.
    """

    def attempt(
        state: tuple[JaxArray, JaxArray, JaxArray, JaxArray],
    ) -> tuple[JaxArray, JaxArray, JaxArray, JaxArray]:
        count, *_ = state
        gain, divergence = assess(params + 0.5**count * step)
        accepted = jnp.isfinite(gain) & (gain > 0) & (divergence <= max_divergence)
        return count + 1, accepted, gain, divergence

    zero = jnp.zeros((), params.dtype)
    first = (jnp.zeros((), jnp.int32), jnp.zeros((), bool), zero, zero)
    count, accepted, gain, divergence = jax.lax.while_loop(
        lambda state: ~state[1] & (state[0] <= max_halvings), attempt, first
    )
    fraction = jnp.where(accepted, 0.5 ** (count - 1.0), 0.0)
    return LineSearchResult(
        jnp.where(accepted, params + fraction * step, params),
        fraction,
        jnp.where(accepted, gain, 0.0),
        jnp.where(accepted, divergence, 0.0),
    )
