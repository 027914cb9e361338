r"""A regularizer of discrete actions on JAX arrays: π = ∇h*(ξ), h* and the divergence, with derivatives.

A network gives scores ξ, the dual variable; the policy is \(\nabla h^*(\xi)\). Everything is said
in ξ: the divergence is of Fenchel and Young's form,
\(D(p, \pi; \xi) = h(p) + h^*(\xi) - \langle p, \xi \rangle\), so that neither ∇h(p), infinite on
the boundary of the simplex, nor log p, which makes gradients NaN where a softmax underflows, is
ever needed.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from regmdp._internal.arrays import Array, Float
from regmdp._internal.errors import RegularizerError
from regmdp.regularizers import (
    Regularizer,
    SeparableRegularizer,
    Unregularized,
    diagonal_hessian_product,
)

__all__ = ["Simplex"]


class Simplex:
    r"""The distributions over A actions with a regularizer h, as functions that JAX compiles, differentiates and maps.

    Derivatives follow from h alone: \(\nabla h^* = \pi\), and for a sum over actions
    \(\sum_a \varphi_a(p_a)\) is \(\nabla^2 h^*(\xi) = \mathrm{diag}(s) - s s^\top / \sum s\) with
    \(s_a = 1/\varphi''(\pi_a)\), 0 where π is. For other h it is the inverse of \(\nabla^2 h(\pi)\)
    on the directions that π can move in. The algorithms behind h* are never differentiated.

    Args:
        regularizer: h, the same in every state.

    Raises:
        RegularizerError: if h is not the same in every state.

    Examples:
        >>> import jax, jax.numpy as jnp, regmdp as rm
        >>> simplex = Simplex(rm.SquaredL2(temperature=1.0))
        >>> simplex.policy(jnp.array([1.0, 0.5, -3.0])).tolist()
        [0.75, 0.25, 0.0]
        >>> jax.grad(simplex.conjugate)(jnp.array([1.0, 0.5, -3.0])).tolist()
        [0.75, 0.25, 0.0]
    """

    def __init__(self, regularizer: Regularizer) -> None:
        if isinstance(regularizer, Unregularized):
            raise RegularizerError(
                "without a regularizer a policy is an argmax, which has no derivative; for softmax "
                "policies whose entropy costs nothing take Shannon(temperature=0.0)"
            )
        if regularizer.n_states is not None:
            raise RegularizerError(
                f"{type(regularizer).__name__} has fields with one entry for each of "
                f"{regularizer.n_states} states, but a network sees observations: give it numbers, "
                "or fields over actions only"
            )
        if regularizer.probability_bounds is not None:
            raise RegularizerError(
                f"{type(regularizer).__name__} limits probabilities, which networks do not keep to"
            )
        self.regularizer = regularizer
        self.temperature = float(regularizer.max_temperature)
        self._compiled: dict[int, bool] = {}

    def require_derivatives(self, n_actions: int) -> None:
        """Raise RegularizerError if h is neither a sum over actions nor differentiable by JAX."""
        if isinstance(self.regularizer, SeparableRegularizer):
            return
        try:
            jax.eval_shape(
                jax.hessian(self.regularizer.value), jax.ShapeDtypeStruct((n_actions,), jnp.float32)
            )
        except Exception as error:  # whatever an array that is not NumPy's may lead to
            raise RegularizerError(
                f"{type(self.regularizer).__name__} is not a sum over actions, and JAX cannot "
                "differentiate its value: write it with the functions of jax.numpy, or take "
                "Separable if it is such a sum"
            ) from error

    def policy(self, xi: Float[Array, "*batch A"]) -> Float[Array, "*batch A"]:
        """(…, A) ξ -> (…, A) the distribution ∇h*(ξ)."""
        return _policy(self, xi)

    def conjugate(self, xi: Float[Array, "*batch A"]) -> Float[Array, "*batch"]:
        """(…, A) ξ -> (…) h*(ξ)."""
        return _conjugate(self, xi)

    def value(self, xi: Float[Array, "*batch A"]) -> Float[Array, "*batch"]:
        """(…, A) ξ -> (…) h at the policy of ξ, which is ⟨π, ξ⟩ - h*(ξ)."""
        below = _below(xi)
        return jnp.sum(self.policy(below) * below, axis=-1) - self.conjugate(below)

    def divergence(
        self, from_xi: Float[Array, "*batch A"], xi: Float[Array, "*batch A"]
    ) -> Float[Array, "*batch"]:
        """(…, A) ξ of a policy p and (…, A) ξ -> (…) D(p, π; ξ) = h(p) + h*(ξ) - ⟨p, ξ⟩, not negative, 0 where p is ∇h*(ξ).

        With Shannon's entropy it is the Kullback-Leibler divergence of p from the policy of ξ.
        """
        below = _below(xi)
        difference = (
            self.value(from_xi)
            + self.conjugate(below)
            - jnp.sum(self.policy(from_xi) * below, axis=-1)
        )
        return jnp.maximum(difference, 0.0)

    def curvature(
        self, xi: Float[Array, "*batch A"], direction: Float[Array, "*batch A"]
    ) -> Float[Array, "*batch A"]:
        r"""(…, A) ξ and (…, A) direction -> (…, A) \(\nabla^2 h^*(\xi)\) times it: Fisher's matrix of a softmax policy."""
        return _moved(self, self.policy(xi), direction)

    def _native(self, xi: Array) -> bool:
        """Whether JAX can compile the regularizer; it was written for any array library, but one's own may be NumPy's."""
        n_actions = xi.shape[-1]
        if n_actions not in self._compiled:
            try:
                jax.eval_shape(
                    self.regularizer.greedy, jax.ShapeDtypeStruct((2, n_actions), xi.dtype)
                )
                jax.eval_shape(
                    self.regularizer.conjugate, jax.ShapeDtypeStruct((2, n_actions), xi.dtype)
                )
                self._compiled[n_actions] = True
            except Exception:  # whatever an array that is not NumPy's may lead to
                self._compiled[n_actions] = False
        return self._compiled[n_actions]


def _called(function: Any, xi: Array, shape: tuple[int, ...]) -> Array:
    """Call a function of NumPy arrays from inside what JAX compiles."""
    result = jax.ShapeDtypeStruct(shape, xi.dtype)
    return jax.pure_callback(
        partial(_in_doubles, function), result, xi, vmap_method="broadcast_all"
    )


def _in_doubles(function: Any, xi: Any) -> np.ndarray:
    xi = np.asarray(xi)
    return np.asarray(function(np.asarray(xi, dtype=np.float64)), dtype=xi.dtype)


def _below(xi: Array) -> Array:
    """Return scores with maximum 0, of the same policy."""
    return xi - jax.lax.stop_gradient(jnp.max(xi, axis=-1, keepdims=True))


@partial(jax.custom_jvp, nondiff_argnums=(0,))
def _policy(simplex: Simplex, xi: Array) -> Array:
    below = _below(xi)
    if simplex._native(xi):
        return simplex.regularizer.greedy(below).astype(xi.dtype)
    return _called(simplex.regularizer.greedy, below, xi.shape)


@_policy.defjvp
def _policy_moves(
    simplex: Simplex, primals: tuple[Array], tangents: tuple[Array]
) -> tuple[Array, Array]:
    p = _policy(simplex, *primals)
    return p, _moved(simplex, p, *tangents)


def _moved(simplex: Simplex, p: Array, direction: Array) -> Array:
    """Return how far the policy p moves if ξ moves in a direction."""
    if not isinstance(simplex.regularizer, SeparableRegularizer):
        flat = jax.lax.stop_gradient(p).reshape(-1, p.shape[-1])
        inverse = jax.vmap(partial(_inverse, simplex.regularizer.value))(flat).reshape(
            *p.shape, p.shape[-1]
        )
        return jnp.sum(inverse * direction[..., None, :], axis=-1)
    return diagonal_hessian_product(simplex.regularizer.inverse_second_derivative(p), direction)


def _inverse(value: Callable[[Array], Array], p: Array) -> Array:
    """(A,) distribution -> (A, A) the inverse of ∇²h(p) on directions of sum 0 over the actions whose probability is not 0."""
    used = p > 0
    hessian = jax.hessian(value)(p)
    # probabilities near 0 make curvatures of all sizes: the matrix that is solved has ones on its
    # diagonal
    unit = jnp.sqrt(jnp.where(used, jnp.diagonal(hessian), 1.0))
    both = used[:, None] & used
    scaled = jnp.where(both, hessian / (unit[:, None] * unit), jnp.eye(p.size, dtype=p.dtype))
    inverse = jnp.where(both, jnp.linalg.inv(scaled) / (unit[:, None] * unit), 0.0)
    evenly = jnp.sum(inverse, axis=-1)
    return inverse - evenly[:, None] * evenly / jnp.sum(evenly)


@partial(jax.custom_jvp, nondiff_argnums=(0,))
def _conjugate(simplex: Simplex, xi: Array) -> Array:
    below = _below(xi)
    top = jnp.max(xi, axis=-1)
    if simplex._native(xi):
        return top + simplex.regularizer.conjugate(below).astype(xi.dtype)
    return top + _called(simplex.regularizer.conjugate, below, xi.shape[:-1])


@_conjugate.defjvp
def _conjugate_moves(
    simplex: Simplex, primals: tuple[Array], tangents: tuple[Array]
) -> tuple[Array, Array]:
    return _conjugate(simplex, *primals), jnp.sum(_policy(simplex, *primals) * tangents[0], axis=-1)
