"""What the parameters of the functions that draw may be."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import is_color_like
from matplotlib.figure import Figure

from regmdp._internal.checks import LARGE_ROOT, show
from regmdp._internal.errors import RegmdpError
from regmdp._internal.parameters import (
    ArrayOf,
    Instance,
    Integer,
    Kind,
    Number,
    SequenceOf,
)

__all__ = [
    "AXES",
    "COORDINATE",
    "COUNT",
    "FIGURE",
    "LIMITS",
    "NUMBERS",
    "POINTS",
    "POSITIONS",
    "SIZE",
    "Color",
]

AXES, FIGURE = Instance(Axes), Instance(Figure)
#: A number of things that are drawn.
COUNT = Integer(0, 10_000)
#: A place on an axis, two of them, and a length in inches.
COORDINATE = Number(-LARGE_ROOT, LARGE_ROOT)
LIMITS = SequenceOf(COORDINATE, length=2)
SIZE = Number(above=0.0, maximum=1000.0)
#: Increasing numbers along an axis; numbers to draw, where NaN is a gap; and points.
POSITIONS = ArrayOf("n", minimum=-LARGE_ROOT, maximum=LARGE_ROOT, empty=True)
NUMBERS = ArrayOf("n", infinite=(-np.inf, np.inf), missing=True, empty=True)
POINTS = ArrayOf("n 2", minimum=-LARGE_ROOT, maximum=LARGE_ROOT, empty=True)


@dataclass(frozen=True)
class Color(Kind):
    """A colour of matplotlib."""

    def describe(self) -> str:
        return "a colour, such as 'white' or '#0072B2'"

    def matches(self, value: object) -> bool:
        return isinstance(value, str)

    def check(self, name: str, value: Any, model: Any, error: type[RegmdpError]) -> Any:
        if not (isinstance(value, str) and is_color_like(value)):
            raise error(f"{name} must be {self.describe()}, not {show(value)}")
        return value
