"""Tables of estimates, and the inverse of an information matrix."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from regmdp._internal.arrays import Float
from regmdp._internal.errors import SampleError

__all__ = ["coefficient_table", "inverse_information"]

#: Half the width of a 95 % confidence interval, in standard errors.
HALF_WIDTH_95 = 1.959963984540054
#: Smallest singular value, relative to the largest, of a matrix that counts as invertible.
MIN_RELATIVE_SINGULAR_VALUE = 1e-10
#: Smallest entry of a null vector that counts as one of the parameters it combines.
MIN_WEIGHT = 1e-3


def coefficient_table(
    names: Sequence[str], estimates: Sequence[float], errors: Sequence[float]
) -> list[str]:
    r"""Return the lines of a table: estimates, standard errors, z, p-values and 95 % intervals.

    Examples:
        >>> print("\n".join(coefficient_table(["cost"], [-2.0], [0.5])))
                        estimate  std. error        z   P>|z|      [0.025      0.975]
        cost             -2.0000      0.5000    -4.00   0.000     -2.9800     -1.0200
    """
    from scipy.stats import norm  # slow to import

    width = max(12, *(len(name) for name in names))
    lines = [
        (
            f"{'':<{width}} {'estimate':>11} {'std. error':>11} {'z':>8} {'P>|z|':>7} "
            f"{'[0.025':>11} {'0.975]':>11}"
        )
    ]
    for name, estimate, error in zip(names, estimates, errors, strict=True):
        z = estimate / error if error > 0 else np.inf
        low, high = estimate - HALF_WIDTH_95 * error, estimate + HALF_WIDTH_95 * error
        lines.append(
            f"{name:<{width}} {estimate:>11.4f} {error:>11.4f} {z:>8.2f} "
            f"{2 * norm.sf(abs(z)):>7.3f} {low:>11.4f} {high:>11.4f}"
        )
    return lines


def inverse_information(
    matrix: Float[np.ndarray, "K K"], names: Sequence[str]
) -> Float[np.ndarray, "K K"]:
    """Invert the (K, K) derivative of likelihood equations with respect to the parameters.

    Raises:
        SampleError: if it is singular, naming the parameters that the data do not identify.
    """
    scale = np.sqrt(np.maximum(np.diag(matrix), 0.0))
    if (scale == 0).any():
        name = names[int(np.argmax(scale == 0))]
        raise SampleError(
            f"the data do not identify {name!r}: the likelihood does not depend on it; leave it "
            "out, or fix it"
        )
    scaled = matrix / np.outer(scale, scale)
    _, singular, right = np.linalg.svd(scaled)
    if singular[-1] < MIN_RELATIVE_SINGULAR_VALUE * singular[0]:
        weights = zip(names, right[-1], strict=True)
        combined = [name for name, weight in weights if abs(weight) > MIN_WEIGHT]
        raise SampleError(
            f"the data do not identify {', '.join(combined)} separately: the likelihood does not "
            "depend on one linear combination of them"
        )
    return np.linalg.inv(scaled) / np.outer(scale, scale)
