r"""Natural steps: the direction \(F^{-1} g\) by conjugate gradients, and as far along it as a divergence allows."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp

from regmdp._internal.arrays import Array, Float

__all__ = ["Searched", "conjugate_gradient", "fisher_product", "line_search"]


def fisher_product(
    outputs: Callable[[Float[Array, " n"]], Array],
    curvature: Callable[[Array, Array], Array],
    params: Float[Array, " n"],
    direction: Float[Array, " n"],
) -> Float[Array, " n"]:
    r"""Return \(J^\top \nabla^2 h^*(\xi)\, J v / N\), with J the Jacobian of N states' outputs ξ in the n parameters.

    That is Fisher's matrix of the policy times v, and for other h than Shannon's what takes its
    place. No second derivative of the network is needed.

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
    xi, moved = jax.jvp(outputs, (params,), (direction,))
    (back,) = jax.vjp(outputs, params)[1](curvature(xi, moved))
    return back / xi.shape[0]


def conjugate_gradient(
    product: Callable[[Float[Array, " n"]], Float[Array, " n"]], b: Float[Array, " n"], steps: int
) -> Float[Array, " n"]:
    """(n,) b -> (n,) about F⁻¹ b, where ``product`` is F times its argument, positive definite."""
    return jax.scipy.sparse.linalg.cg(product, b, maxiter=steps, tol=1e-10)[0]


class Searched(NamedTuple):
    """Where a line search ended: (n,) parameters, the share of the step, 0 if none was accepted, what was gained, and D."""

    params: Array
    share: Array
    gain: Array
    divergence: Array


def line_search(
    assess: Callable[[Float[Array, " n"]], tuple[Array, Array]],
    params: Float[Array, " n"],
    step: Float[Array, " n"],
    radius: float,
    halvings: int,
) -> Searched:
    """Halve a step until it gains something and stays within the radius; if it never does, the parameters are as they were.

    Args:
        assess: From (n,) parameters to the gain over the present ones and the divergence from them.
        params: (n,) the present parameters.
        step: (n,) step to try first.
        radius: The largest divergence allowed.
        halvings: How often to halve.
    """

    def attempt(state: tuple[Array, Array, Array, Array]) -> tuple[Array, Array, Array, Array]:
        count, *_ = state
        gain, divergence = assess(params + 0.5**count * step)
        return count + 1, jnp.isfinite(gain) & (gain > 0) & (divergence <= radius), gain, divergence

    nothing = jnp.zeros((), params.dtype)
    first = (jnp.zeros((), jnp.int32), jnp.zeros((), bool), nothing, nothing)
    count, accepted, gain, divergence = jax.lax.while_loop(
        lambda state: ~state[1] & (state[0] <= halvings), attempt, first
    )
    share = jnp.where(accepted, 0.5 ** (count - 1.0), 0.0)
    return Searched(
        jnp.where(accepted, params + share * step, params),
        share,
        jnp.where(accepted, gain, 0.0),
        jnp.where(accepted, divergence, 0.0),
    )
