r"""Products of \(\nabla^2 h^*\) with directions, given \(\nabla^2 h\) on the simplex."""

from __future__ import annotations

from regmdp._internal.arrays import Array, Float, array_namespace

__all__ = ["diagonal_hessian_product", "rank_one_hessian_product"]


def diagonal_hessian_product(
    inverse: Float[Array, "*batch A"], direction: Float[Array, "*batch A"]
) -> Float[Array, "*batch A"]:
    r"""Return \(\nabla^2 h^*\) times d where \(\nabla^2 h\) is diagonal, \(x_a = s_a (d_a - m)\).

    The m is that for which x sums to 0.

    Args:
        inverse: (…, A) s, the inverse of the diagonal: 0 at actions whose probability is fixed,
            infinite where h is linear; such an action takes what the others leave.
        direction: (…, A) d; where s is 0 it is ignored.
    """
    xp = array_namespace(inverse, direction)
    linear = xp.isinf(inverse)
    curved = xp.where(linear, 0.0, inverse)
    # an action with a linear h sets m by itself
    weight = xp.where(
        xp.any(linear, axis=-1, keepdims=True), xp.astype(linear, inverse.dtype), curved
    )
    direction = xp.where(inverse > 0, direction, 0.0)
    total = xp.sum(weight, axis=-1, keepdims=True)
    mean = xp.sum(weight * direction, axis=-1, keepdims=True) / xp.where(total > 0, total, 1.0)
    change = curved * (direction - mean)
    count = xp.sum(xp.astype(linear, inverse.dtype), axis=-1, keepdims=True)
    rest = xp.sum(change, axis=-1, keepdims=True) / xp.where(count > 0, count, 1.0)
    return xp.where(linear, -rest, change)


def rank_one_hessian_product(
    inverse: Float[Array, "*batch A"],
    vector: Float[Array, "*batch A"],
    weight: Float[Array, "*batch one"],
    direction: Float[Array, "*batch A"],
) -> Float[Array, "*batch A"]:
    r"""Return \(\nabla^2 h^*\) times d where \(\nabla^2 h = \mathrm{diag}(1/s) + c\, u u^\top\).

    By Sherman and Morrison's formula.

    Args:
        inverse: (…, A) s, as in :func:`diagonal_hessian_product`.
        vector: (…, A) u.
        weight: (…, 1) c ≥ 0.
        direction: (…, A) d.
    """
    xp = array_namespace(inverse, direction)
    along_direction = diagonal_hessian_product(inverse, direction)
    along_vector = diagonal_hessian_product(inverse, vector)
    used = xp.where(inverse > 0, vector, 0.0)
    share = xp.sum(used * along_direction, axis=-1, keepdims=True) / (
        1.0 + weight * xp.sum(used * along_vector, axis=-1, keepdims=True)
    )
    return along_direction - weight * share * along_vector
