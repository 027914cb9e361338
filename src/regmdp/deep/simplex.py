r"""A regularizer of discrete actions on JAX arrays: π = ∇h*(ξ), h* and the divergence.

A network gives scores ξ, the dual variable, and the policy is \(\nabla h^*(\xi)\). Every function
takes ξ: the divergence is the Fenchel-Young one,
\(D(p, \pi; \xi) = h(p) + h^*(\xi) - \langle p, \xi \rangle\). It needs neither ∇h(p), which is
infinite on the boundary of the simplex, nor log p, whose gradient is NaN where a softmax
underflows.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Protocol, cast

import jax
import jax.numpy as jnp
import numpy as np

from regmdp._internal.arrays import Float
from regmdp._internal.errors import RegularizerError
from regmdp._internal.parameters import Instance, checked
from regmdp.deep.types import AnyArray, JaxArray
from regmdp.regularizers import (
    Regularizer,
    SeparableRegularizer,
    Unregularized,
    diagonal_hessian_product,
)

__all__ = ["Simplex"]


class _JaxRegularizer(Protocol):
    """The methods of a regularizer, called with JAX arrays; the last is a separable one's."""

    def value(self, p: JaxArray) -> JaxArray: ...

    def greedy(self, y: JaxArray) -> JaxArray: ...

    def conjugate(self, y: JaxArray) -> JaxArray: ...

    def inverse_second_derivative(self, p: JaxArray) -> JaxArray: ...


@checked(RegularizerError, regularizer=Instance(Regularizer))
class Simplex:
    r"""Distributions over A actions with a regularizer h, as functions that JAX can transform.

    Their derivatives follow from h: \(\nabla h^* = \pi\), and for a sum over actions
    \(\sum_a \varphi_a(p_a)\), \(\nabla^2 h^*(\xi) = \mathrm{diag}(s) - s s^\top / \sum s\) with
    \(s_a = 1/\varphi''(\pi_a)\), which is 0 where π is. For another h it is the inverse of
    \(\nabla^2 h(\pi)\) on the directions in which π can move. The algorithms that evaluate h* are
    not differentiated.

    Args:
        regularizer: h, the same in every state.

    Raises:
        RegularizerError: if h is not the same in every state, limits probabilities, or is none.

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
                "policies without an entropy term use Shannon(temperature=0.0)"
            )
        if regularizer.n_states is not None:
            raise RegularizerError(
                f"{type(regularizer).__name__} has fields with one entry for each of "
                f"{regularizer.n_states} states, but a network sees observations: give it numbers, "
                "or fields over actions only"
            )
        if regularizer.probability_bounds is not None:
            raise RegularizerError(
                f"{type(regularizer).__name__} limits probabilities, which the policy of a network "
                "cannot satisfy"
            )
        self.regularizer = regularizer
        self._on_jax = cast(_JaxRegularizer, regularizer)
        self.temperature = float(regularizer.max_temperature)
        self._compilable: dict[int, bool] = {}

    def check_differentiable(self, n_actions: int) -> None:
        """Raise RegularizerError if h is neither a sum over actions nor differentiable by JAX."""
        if isinstance(self.regularizer, SeparableRegularizer):
            return
        try:
            jax.eval_shape(
                jax.hessian(self.regularizer.value), jax.ShapeDtypeStruct((n_actions,), jnp.float32)
            )
        except Exception as error:  # any error that a function written for NumPy may raise
            raise RegularizerError(
                f"{type(self.regularizer).__name__} is not a sum over actions, and JAX cannot "
                "differentiate its value: write it with the functions of jax.numpy, or use "
                "Separable if it is such a sum"
            ) from error

    def policy(self, xi: Float[JaxArray, "*batch A"]) -> Float[JaxArray, "*batch A"]:
        """(…, A) ξ -> (…, A) distribution ∇h*(ξ)."""
        return _policy(self, xi)

    def conjugate(self, xi: Float[JaxArray, "*batch A"]) -> Float[JaxArray, "*batch"]:
        """(…, A) ξ -> (…) h*(ξ)."""
        return _conjugate(self, xi)

    def value(self, xi: Float[JaxArray, "*batch A"]) -> Float[JaxArray, "*batch"]:
        """(…, A) ξ -> (…) h at the policy of ξ, which is ⟨π, ξ⟩ - h*(ξ)."""
        shifted = _shift_maximum_to_zero(xi)
        return jnp.sum(self.policy(shifted) * shifted, axis=-1) - self.conjugate(shifted)

    def divergence(
        self, from_xi: Float[JaxArray, "*batch A"], xi: Float[JaxArray, "*batch A"]
    ) -> Float[JaxArray, "*batch"]:
        """(…, A) ξ of p and (…, A) ξ -> (…) D(p, π; ξ) = h(p) + h*(ξ) - ⟨p, ξ⟩.

        It is at least 0, and 0 where p is ∇h*(ξ). For Shannon's entropy it is the Kullback-Leibler
        divergence of p from the policy of ξ.
        """
        shifted = _shift_maximum_to_zero(xi)
        difference = (
            self.value(from_xi)
            + self.conjugate(shifted)
            - jnp.sum(self.policy(from_xi) * shifted, axis=-1)
        )
        return jnp.maximum(difference, 0.0)

    def curvature(
        self, xi: Float[JaxArray, "*batch A"], direction: Float[JaxArray, "*batch A"]
    ) -> Float[JaxArray, "*batch A"]:
        r"""(…, A) ξ and (…, A) v -> (…, A) \(\nabla^2 h^*(\xi) v\).

        For a softmax policy this is its Fisher matrix times v.
        """
        return _policy_tangent(self, self.policy(xi), direction)

    def _runs_on_jax(self, xi: JaxArray) -> bool:
        """Whether JAX can compile the regularizer; a user's own may be written for NumPy only."""
        n_actions = xi.shape[-1]
        if n_actions not in self._compilable:
            try:
                jax.eval_shape(
                    self.regularizer.greedy, jax.ShapeDtypeStruct((2, n_actions), xi.dtype)
                )
                jax.eval_shape(
                    self.regularizer.conjugate, jax.ShapeDtypeStruct((2, n_actions), xi.dtype)
                )
                self._compilable[n_actions] = True
            except Exception:  # any error that a function written for NumPy may raise
                self._compilable[n_actions] = False
        return self._compilable[n_actions]


def _call_numpy(
    function: Callable[[np.ndarray], np.ndarray], xi: JaxArray, shape: tuple[int, ...]
) -> JaxArray:
    """Call a function of NumPy arrays from inside a function that JAX compiles."""
    result = jax.ShapeDtypeStruct(shape, xi.dtype)
    return jax.pure_callback(
        partial(_call_in_double, function), result, xi, vmap_method="broadcast_all"
    )


def _call_in_double(function: Callable[[np.ndarray], np.ndarray], xi: AnyArray) -> np.ndarray:
    """Call a function in double precision and return its result in the precision of ξ."""
    xi = np.asarray(xi)
    return np.asarray(function(np.asarray(xi, dtype=np.float64)), dtype=xi.dtype)


def _shift_maximum_to_zero(xi: JaxArray) -> JaxArray:
    """Return scores of the same policy with maximum 0."""
    return xi - jax.lax.stop_gradient(jnp.max(xi, axis=-1, keepdims=True))


@partial(jax.custom_jvp, nondiff_argnums=(0,))
def _policy(simplex: Simplex, xi: JaxArray) -> JaxArray:
    shifted = _shift_maximum_to_zero(xi)
    if simplex._runs_on_jax(xi):
        return jnp.asarray(simplex._on_jax.greedy(shifted), dtype=xi.dtype)
    return _call_numpy(simplex.regularizer.greedy, shifted, xi.shape)


@_policy.defjvp
def _policy_jvp(
    simplex: Simplex, primals: tuple[JaxArray], tangents: tuple[JaxArray]
) -> tuple[JaxArray, JaxArray]:
    p = _policy(simplex, *primals)
    return p, _policy_tangent(simplex, p, *tangents)


def _policy_tangent(simplex: Simplex, p: JaxArray, direction: JaxArray) -> JaxArray:
    """Return the derivative of the policy p as ξ moves in a direction."""
    if not isinstance(simplex.regularizer, SeparableRegularizer):
        flat = jax.lax.stop_gradient(p).reshape(-1, p.shape[-1])
        inverse = jax.vmap(partial(_inverse_hessian, simplex._on_jax.value))(flat).reshape(
            *p.shape, p.shape[-1]
        )
        return jnp.sum(inverse * direction[..., None, :], axis=-1)
    product = cast(Callable[[JaxArray, JaxArray], JaxArray], diagonal_hessian_product)
    return product(simplex._on_jax.inverse_second_derivative(p), direction)


def _inverse_hessian(value: Callable[[JaxArray], JaxArray], p: JaxArray) -> JaxArray:
    """(A,) p -> (A, A) inverse of ∇²h(p) on directions of sum 0 over actions with p > 0."""
    support = p > 0
    hessian = jax.hessian(value)(p)
    # probabilities near 0 make second derivatives of very different sizes: the matrix that is
    # inverted is scaled to have ones on its diagonal
    scale = jnp.sqrt(jnp.where(support, jnp.diagonal(hessian), 1.0))
    both = support[:, None] & support
    scaled = jnp.where(both, hessian / (scale[:, None] * scale), jnp.eye(p.size, dtype=p.dtype))
    inverse = jnp.where(both, jnp.linalg.inv(scaled) / (scale[:, None] * scale), 0.0)
    row_sums = jnp.sum(inverse, axis=-1)
    return inverse - row_sums[:, None] * row_sums / jnp.sum(row_sums)


@partial(jax.custom_jvp, nondiff_argnums=(0,))
def _conjugate(simplex: Simplex, xi: JaxArray) -> JaxArray:
    shifted = _shift_maximum_to_zero(xi)
    maximum = jnp.max(xi, axis=-1)
    if simplex._runs_on_jax(xi):
        return maximum + jnp.asarray(simplex._on_jax.conjugate(shifted), dtype=xi.dtype)
    return maximum + _call_numpy(simplex.regularizer.conjugate, shifted, xi.shape[:-1])


@_conjugate.defjvp
def _conjugate_jvp(
    simplex: Simplex, primals: tuple[JaxArray], tangents: tuple[JaxArray]
) -> tuple[JaxArray, JaxArray]:
    return _conjugate(simplex, *primals), jnp.sum(_policy(simplex, *primals) * tangents[0], axis=-1)
