"""Temperatures at which a frontier is solved: checked, or chosen by default."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from regmdp._internal.errors import SolverError
from regmdp._internal.parameters import Number, check_sequence

__all__ = ["check_temperatures", "default_temperatures"]

#: Ratio of the highest default temperature to the mean price of a nat, and of that price to the
#: lowest one.
PRICE_RATIO = 100.0
#: Number of default temperatures per factor of ten.
TEMPERATURES_PER_DECADE = 4


def default_temperatures(gain: float, divergence: float) -> tuple[float, ...]:
    """Return decreasing temperatures, four a decade, around the mean price of a nat.

    Args:
        gain: Value of the optimum minus that of the reference, in the unit of the rewards.
        divergence: Divergence of the optimum from the reference, in nats.

    Returns:
        The temperatures; none if the gain or the divergence is 0.

    Examples:
        >>> [f"{temperature:.3g}" for temperature in default_temperatures(2.0, 4.0)][::4]
        ['50', '5', '0.5', '0.05', '0.005']
        >>> default_temperatures(0.0, 0.0)
        ()
    """
    if not (gain > 0.0 and divergence > 0.0):
        return ()
    price = gain / divergence
    count = round(2 * np.log10(PRICE_RATIO) * TEMPERATURES_PER_DECADE) + 1
    return tuple(np.geomspace(PRICE_RATIO * price, price / PRICE_RATIO, count).tolist())


def check_temperatures(temperatures: Iterable[float]) -> tuple[float, ...]:
    """Return the temperatures from the highest to the lowest.

    Raises:
        SolverError: if one is not a positive, finite number, or is given twice.
    """
    advice = "the optimum at temperature 0 is part of every frontier"
    numbers = check_sequence("temperatures", temperatures, Number(above=0.0, advice=advice))
    for number in numbers:
        if numbers.count(number) > 1:
            raise SolverError(
                f"the temperature {number:g} is given {numbers.count(number)} times; give each once"
            )
    return tuple(sorted(numbers, reverse=True))
