r"""Bregman divergences of powers, entropy and logarithm, accurate for distributions close together.

The definition \(\varphi(p) - \varphi(q) - \varphi'(q)(p - q)\) loses the digits that its terms
have in common. Near p = q these functions use the series in u = (p - q)/q.
"""

from __future__ import annotations

from regmdp._internal.arrays import Array, Float, array_namespace

__all__ = ["entropy_divergence", "logarithm_divergence", "power_divergence", "relative_difference"]

#: Relative difference below which the series is used.
MAX_SERIES = 0.05

#: Number of terms of the series; the first one left out is below 1e-17 of the sum.
N_TERMS = 13


def entropy_divergence(
    p: Float[Array, "*batch A"], q: Float[Array, "*batch A"]
) -> Float[Array, "*batch A"]:
    """(…, A) probabilities -> (…, A) p log(p/q) - p + q; ∞ where only q is 0.

    Examples:
        >>> import numpy as np
        >>> entropy_divergence(np.array([0.5, 0.0, 0.5]), np.array([0.25, 0.75, 0.0])).round(4)
        array([0.0966, 0.75  ,    inf])
    """
    xp = array_namespace(p, q)
    known, used = q > 0, p > 0
    ratio = xp.log(xp.where(used, p, 1.0)) - xp.log(xp.where(known, q, 1.0))
    plain = xp.where(used, p * ratio, 0.0) - p + q
    u = relative_difference(p, q)
    found = xp.where(xp.abs(u) < MAX_SERIES, q * _sum_series(u, 1.0), plain)
    return xp.where(known, found, xp.where(used, xp.inf, 0.0))


def logarithm_divergence(u: Float[Array, "*batch A"]) -> Float[Array, "*batch A"]:
    """(…, A) relative differences u = p/q - 1 -> (…, A) u - log(1 + u); ∞ where u ≤ -1.

    Examples:
        >>> import numpy as np
        >>> logarithm_divergence(np.array([1.0, 1e-9, -1.0])).round(4)
        array([0.3069, 0.    ,    inf])
    """
    xp = array_namespace(u)
    inside = u > -1.0
    safe = xp.where(inside, u, 0.0)
    plain = safe - xp.log1p(safe)
    found = xp.where(xp.abs(safe) < MAX_SERIES, _sum_series(safe, 0.0), plain)
    return xp.where(inside, found, xp.inf)


def power_divergence(
    p: Float[Array, "*batch A"],
    q: Float[Array, "*batch A"],
    exponent: float,
    plain: Float[Array, "*batch A"],
) -> Float[Array, "*batch A"]:
    """(…, A) probabilities -> (…, A) divergence of (p^e - p)/(e - 1), or p log p where e = 1.

    Args:
        p: (…, A) probabilities.
        q: (…, A) probabilities.
        exponent: e > 0.
        plain: (…, A) the divergence by its definition, used where p and q are not close.
    """
    xp = array_namespace(p, q)
    u = relative_difference(p, q)
    scale = xp.where(q > 0, q, 1.0) ** exponent
    # c_2 = e/2 here, and 1/2 in the series
    series = exponent * scale * _sum_series(u, exponent)
    near = xp.abs(u) < MAX_SERIES / max(1.0, exponent)
    return xp.where((q > 0) & near, series, plain)


def relative_difference(p: Array, q: Array) -> Array:
    """Return (p - q)/q, and 1 where q is 0."""
    xp = array_namespace(p, q)
    # a quotient too large for a double is not used
    known = q > 1e-300
    return xp.where(known, (p - q) / xp.where(known, q, 1.0), 1.0)


def _sum_series(u: Array, exponent: float) -> Array:
    """Sum c_2 u² + c_3 u³ + … with c_2 = 1/2 and c_{k+1} = c_k (e - k)/(k + 1).

    With e = 1 it is (1 + u) log(1 + u) - u, with e = 0 it is u - log(1 + u), otherwise
    ((1 + u)^e - 1 - e u)/(e (e - 1)).
    """
    xp = array_namespace(u)
    # elsewhere another formula is used: powers of a large u would overflow
    u = xp.where(xp.abs(u) < MAX_SERIES, u, 0.0)
    coefficient, power, total = 0.5, u * u, 0.0 * u
    for k in range(2, 2 + N_TERMS):
        total = total + coefficient * power
        coefficient, power = coefficient * (exponent - k) / (k + 1), power * u
    return total
