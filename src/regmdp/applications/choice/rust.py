"""Rust's (1987) study of when to replace the engines of buses: the files with the odometer readings, and the model.

The files are those that Rust published. They are not part of this package: say where they lie.
"""

from __future__ import annotations

from collections.abc import Sequence
from os import PathLike
from pathlib import Path
from typing import NamedTuple

import numpy as np

from regmdp._internal.errors import FormatError, SampleError
from regmdp._internal.files import require_file
from regmdp.applications.choice.model import ChoiceModel
from regmdp.applications.choice.panel import Panel
from regmdp.applications.choice.transitions import Increments
from regmdp.applications.choice.utilities import LinearUtilities

__all__ = ["BUS_GROUPS", "bus_engine_model", "read_buses"]


class BusGroup(NamedTuple):
    """A file of buses of one kind.

    Attributes:
        file: Its name.
        rows: Numbers for each bus, the first 11 of which say what bus it is.
        buses: How many there are.
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
#: Numbers before the readings, and which of them are the readings at which the engine was replaced,
#: 0 if it was not.
HEADER, REPLACED = 11, (5, 8)
#: Miles that the states reach up to.
MILES = 450_000


def read_buses(
    folder: str | PathLike[str], groups: Sequence[int] = (1, 2, 3, 4), *, n_bins: int = 90
) -> Panel:
    """Read the monthly odometer readings of Rust's buses as choices: 0 keeps the engine of a bus, 1 replaces it.

    The state is the mileage since the last replacement in bins of equal size, up to 450,000 miles:
    a mileage on the edge of two belongs to the lower one. The first month of a bus only says where
    it starts. In the month after a replacement the state has risen by the bins that the new engine
    has run, a part of one counted as one: so Rust's numbers come out.

    Args:
        folder: Where the files ``g870.asc``, ``rt50.asc``, ``t8h203.asc`` and ``a530875.asc`` lie.
        groups: Which of the groups 1 to 4.
        n_bins: Into how many bins the mileage is cut; 90 are 5,000 miles each.

    Returns:
        A panel whose individuals are the numbers of the buses.

    Raises:
        FileNotFoundError: if a file is not there.
        FormatError: if a file is cut short, or a line is not a number that belongs there; the
            message names the line.

    Reference:
        Rust 1987, Econometrica 55(5), "Optimal replacement of GMC bus engines: an empirical model
        of Harold Zurcher".
    """
    if n_bins < 2:
        raise SampleError(f"there must be at least 2 bins, not {n_bins}")
    unknown = [group for group in groups if group not in BUS_GROUPS]
    if unknown or not groups:
        raise SampleError(
            f"there are groups {', '.join(map(str, BUS_GROUPS))}, not {unknown or 'none'}"
        )
    parts = [
        _bus(column, n_bins)
        for group in groups
        for column in _columns(Path(folder) / BUS_GROUPS[group].file, BUS_GROUPS[group])
    ]
    individual, period, state, choice, increment = (
        np.concatenate(arrays) for arrays in zip(*parts, strict=True)
    )
    return Panel(individual, period, state, choice, counted=period > 0, increment=increment)


def _columns(path: Path, group: BusGroup) -> np.ndarray:
    """Return the (buses, rows) numbers of a file."""
    lines = require_file(path).read_text(encoding="ascii", errors="replace").split("\n")
    numbers = []
    for count, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            numbers.append(int(line))
        except ValueError:
            raise FormatError(
                f"{path}, line {count}: expected one whole number, found {line.strip()!r}"
            ) from None
    expected = group.rows * group.buses
    if len(numbers) != expected:
        what = "cut short" if len(numbers) < expected else "too long"
        raise FormatError(
            f"{path} is {what}: it ends at line {len(numbers)}, in bus "
            f"{len(numbers) // group.rows + 1} of {group.buses}, but {group.buses} buses with "
            f"{group.rows} numbers each make {expected} lines"
        )
    columns = np.array(numbers).reshape(group.buses, group.rows)
    falls = np.diff(columns[:, HEADER:], axis=1) < 0
    if falls.any() or (columns < 0).any():
        bus, month = (int(i) for i in np.argwhere(falls if falls.any() else columns < 0)[0])
        row = month + (HEADER + 1 if falls.any() else 0)
        what = (
            "the odometer reads less than the month before" if falls.any() else "a negative number"
        )
        raise FormatError(
            f"{path}, line {bus * group.rows + row + 1}: {what}, {columns[bus, row]}, in bus "
            f"{columns[bus, 0]}"
        )
    return columns


def _bus(column: np.ndarray, n_bins: int) -> tuple[np.ndarray, ...]:
    """Return individual, period, state, choice and increment of a bus, month by month."""
    odometer, number = column[HEADER:], column[0]
    replaced = [column[row] for row in REPLACED if column[row] > 0]
    engine = np.sum(
        [odometer >= reading for reading in replaced], axis=0, dtype=np.int64
    ) + np.zeros(odometer.size, np.int64)
    since = odometer - np.array([0, *replaced])[engine]
    # how many bins have been begun, in whole numbers: miles n_bins / MILES, rounded up
    begun = -(-since * n_bins // MILES)
    state = np.maximum(begun - 1, 0)
    renewed = np.diff(engine) > 0
    increment = np.concatenate(([0], np.where(renewed, begun[1:], np.diff(state))))
    if (state >= n_bins).any():
        raise FormatError(
            f"bus {number} has run {int(since.max()):,} miles with one engine, more than the "
            f"{MILES:,} that states reach"
        )
    return (
        np.full(odometer.size, number),
        np.arange(odometer.size),
        state,
        np.append(renewed, False).astype(np.int64),
        increment,
    )


def bus_engine_model(
    *, n_bins: int = 90, discount: float = 0.9999, n_increments: int = 3, unit: float = 1e-3
) -> ChoiceModel:
    r"""Return Rust's model: keeping an engine costs \(0.001\,\theta_{11} x\) at bin x, replacing it costs RC.

    Args:
        n_bins: Number of states.
        discount: β.
        n_increments: By how many bins, less one, the mileage may rise in a month; 3 with 90 bins, 5
            with 175.
        unit: The 0.001.

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
