"""Rust's (1987) bus engine replacement: the files of odometer readings, and the model.

The files are those that Rust published. They are not part of this package.
"""

from __future__ import annotations

from collections.abc import Sequence
from os import PathLike
from pathlib import Path
from typing import NamedTuple

import numpy as np

from regmdp._internal.arrays import Int
from regmdp._internal.checks import LARGE_ROOT
from regmdp._internal.errors import FormatError, SampleError
from regmdp._internal.files import require_file
from regmdp._internal.parameters import FileName, Integer, Number, SequenceOf, checked
from regmdp.applications.choice.model import ChoiceModel
from regmdp.applications.choice.panel import Panel
from regmdp.applications.choice.transitions import Increments
from regmdp.applications.choice.utilities import LinearUtilities

__all__ = ["BUS_GROUPS", "BusGroup", "bus_engine_model", "read_buses"]


class BusGroup(NamedTuple):
    """A file of buses of one kind.

    Attributes:
        file: Name of the file.
        rows: Numbers for each bus; the first 11 describe the bus.
        buses: Number of buses.
    """

    file: str
    rows: int
    buses: int


#: Rust's groups 1 to 4, for which he published estimates.
BUS_GROUPS = {
    1: BusGroup("g870.asc", 36, 15),
    2: BusGroup("rt50.asc", 60, 4),
    3: BusGroup("t8h203.asc", 81, 48),
    4: BusGroup("a530875.asc", 128, 37),
}
#: Number of rows before the readings.
HEADER_ROWS = 11
#: The rows of the readings at which an engine was replaced; 0 if it was not.
REPLACEMENT_ROWS = (5, 8)
#: Upper end of the last bin, in miles.
MAX_MILES = 450_000
#: Largest number of bins: one for each mile.
MAX_BINS = MAX_MILES


@checked(
    SampleError,
    folder=FileName(),
    groups=SequenceOf(Integer(min(BUS_GROUPS), max(BUS_GROUPS)), minimum=1),
    n_bins=Integer(2, MAX_BINS),
)
def read_buses(
    folder: str | PathLike[str], groups: Sequence[int] = (1, 2, 3, 4), *, n_bins: int = 90
) -> Panel:
    """Read the monthly odometer readings of Rust's buses as choices: 0 keeps an engine, 1 replaces.

    The state is the mileage since the last replacement in bins of equal size, up to 450,000 miles.
    A mileage at the edge of two bins belongs to the lower one. The first month of a bus only gives
    its first state. In the month after a replacement the state has risen by the number of bins that
    the new engine has begun, as in Rust's data.

    Args:
        folder: The folder of ``g870.asc``, ``rt50.asc``, ``t8h203.asc`` and ``a530875.asc``.
        groups: Some of the groups 1 to 4.
        n_bins: Number of bins; 90 are 5,000 miles each.

    Returns:
        A panel whose individuals are the numbers of the buses.

    Raises:
        FileNotFoundError: if a file is missing.
        FormatError: if a file is truncated, or a line is not a valid number; the message names the
            line.

    Reference:
        Rust 1987, Econometrica 55(5), "Optimal replacement of GMC bus engines: an empirical model
        of Harold Zurcher".
    """
    parts = [
        _convert_bus(column, n_bins)
        for group in groups
        for column in _read_columns(Path(folder) / BUS_GROUPS[group].file, BUS_GROUPS[group])
    ]
    individual, period, state, choice, increment = (
        np.concatenate(arrays) for arrays in zip(*parts, strict=True)
    )
    return Panel(individual, period, state, choice, counted=period > 0, increment=increment)


def _read_columns(path: Path, group: BusGroup) -> Int[np.ndarray, "buses rows"]:
    """Return the (buses, rows) numbers of a file."""
    lines = require_file(path).read_text(encoding="ascii", errors="replace").split("\n")
    numbers = []
    for count, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            number = int(line)
            if abs(number) >= 2**31:
                raise ValueError
        except ValueError:
            raise FormatError(
                f"{path}, line {count}: expected one whole number below 2^31, found "
                f"{line.strip()!r:.80}"
            ) from None
        numbers.append(number)
    expected = group.rows * group.buses
    if len(numbers) != expected:
        problem = "truncated" if len(numbers) < expected else "too long"
        raise FormatError(
            f"{path} is {problem}: it ends at line {len(numbers)}, in bus "
            f"{len(numbers) // group.rows + 1} of {group.buses}, but {group.buses} buses with "
            f"{group.rows} numbers each make {expected} lines"
        )
    columns = np.array(numbers).reshape(group.buses, group.rows)
    _check_columns(path, columns)
    return columns


def _check_columns(path: Path, columns: Int[np.ndarray, "buses rows"]) -> None:
    """Check that no odometer runs backwards and no number is negative."""
    falls = np.zeros(columns.shape, dtype=np.bool_)
    falls[:, HEADER_ROWS + 1 :] = np.diff(columns[:, HEADER_ROWS:], axis=1) < 0
    for bad, problem in (
        (falls, "the odometer reads less than the month before"),
        (columns < 0, "a negative number"),
    ):
        if bad.any():
            bus, row = (int(i) for i in np.argwhere(bad)[0])
            raise FormatError(
                f"{path}, line {bus * columns.shape[1] + row + 1}: {problem}, "
                f"{columns[bus, row]}, in bus {columns[bus, 0]}"
            )


def _convert_bus(column: Int[np.ndarray, " rows"], n_bins: int) -> tuple[np.ndarray, ...]:
    """Return individual, period, state, choice and increment of a bus, month by month."""
    odometer, number = column[HEADER_ROWS:], column[0]
    readings = np.array(
        [column[row] for row in REPLACEMENT_ROWS if column[row] > 0], dtype=np.int64
    )
    engine = np.count_nonzero(odometer[:, None] >= readings, axis=1)
    mileage = odometer - np.concatenate(([0], readings))[engine]
    if (mileage > MAX_MILES).any():
        raise FormatError(
            f"bus {number} has run {int(mileage.max()):,} miles with one engine, more than the "
            f"{MAX_MILES:,} of the last bin"
        )
    # number of bins begun, in integers: mileage n_bins / MAX_MILES, rounded up
    begun = -(-mileage * n_bins // MAX_MILES)
    state = np.maximum(begun - 1, 0)
    replaced = np.diff(engine) > 0
    increment = np.concatenate(([0], np.where(replaced, begun[1:], np.diff(state))))
    return (
        np.full(odometer.size, number),
        np.arange(odometer.size),
        state,
        np.append(replaced, False).astype(np.int64),
        increment,
    )


@checked(
    SampleError,
    n_bins=Integer(2, MAX_BINS),
    discount=Number(0.0, below=1.0),
    n_increments=Integer(2),
    unit=Number(-LARGE_ROOT, LARGE_ROOT),
)
def bus_engine_model(
    *, n_bins: int = 90, discount: float = 0.9999, n_increments: int = 3, unit: float = 1e-3
) -> ChoiceModel:
    r"""Return Rust's model: an engine costs \(0.001\,\theta_{11} x\) in bin x, a new one RC.

    Args:
        n_bins: Number of states.
        discount: β.
        n_increments: Number of possible increments of the bin in a month, 0 included. Rust's data
            have 3 with 90 bins; with 175 bins, 4 in group 1 and in group 2, 5 in groups 1 to 3
            together, and 6 wherever group 4 is included.
        unit: The factor 0.001.

    Returns:
        A model with the parameters ``RC``, ``theta11`` and one probability for each increment but
        the last.

    Examples:
        >>> import regmdp as rm
        >>> rm.choice.bus_engine_model().names
        ('RC', 'theta11', 'increment 0', 'increment 1')

    Reference:
        Rust 1987, Econometrica 55(5), section 4; the linear cost function of Tables IX and X.
    """
    bins = np.arange(n_bins)
    features = np.zeros((n_bins, 2, 2))
    features[:, 1, 0] = -1.0
    features[:, 0, 1] = -unit * bins
    start = np.column_stack((bins, np.zeros_like(bins)))
    utilities = LinearUtilities(features, ("RC", "theta11"))
    return ChoiceModel(
        utilities, Increments(start, n_increments), discount, choices=("keep", "replace")
    )
