"""Where the states of a model lie in a figure: cells of a grid, or points on a line."""

from __future__ import annotations

import textwrap
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from regmdp._internal.arrays import ArrayLike, Bool, Float
from regmdp._internal.checks import check_integer, check_number
from regmdp._internal.errors import ModelError
from regmdp._internal.fields import ReadOnlyCopies
from regmdp._internal.parameters import ArrayOf, checked

__all__ = [
    "CLOCKWISE",
    "GridLayout",
    "Layout",
    "LineLayout",
    "join_cells",
    "parse_drawing",
]

#: Row and column steps of up, right, down and left.
CLOCKWISE = ((-1, 0), (0, 1), (1, 0), (0, -1))


class Layout(ReadOnlyCopies, ABC):
    """Where the states of a model lie in a figure. It has no influence on any result."""

    @abstractmethod
    def require_fit(self, n_states: int, n_actions: int) -> None:
        """Check that a model of this size can have the layout.

        Raises:
            ModelError: if it cannot.
        """

    def describe_state(self, state: int) -> str | None:
        """Return what messages call a state, or None if it has only its number."""
        return None

    def describe_action(self, action: int) -> str | None:
        """Return what messages call an action, or None if it has only its number."""
        return None

    @abstractmethod
    def to_dict(self) -> dict[str, Any]:
        """Return the layout as data that JSON can hold."""


@dataclass(frozen=True, init=False)
class GridLayout(Layout):
    """States that are the cells of a grid, row by row, walls left out.

    Args:
        drawing: A line of text for each row: ``.`` is a free cell, ``#`` a wall, ``G`` a goal and
            ``T`` a trap, where the episode ends. ``S`` counts as free, because the initial
            distribution belongs to the model.
        directions: (A, 2) row and column step of each action, counted downwards and to the right;
            by default up, right, down and left. (0, 0) stays.

    Attributes:
        rows: H strings of W cells.
        directions: The steps of the actions.

    Raises:
        ModelError: if the lines differ in length, or a character has no meaning.

    Examples:
        >>> import regmdp as rm
        >>> rm.models.russell_norvig().layout
        GridLayout(rows=('...G', '.#.T', '....'), directions=((-1, 0), (0, 1), (1, 0), (0, -1)))
        >>> rm.GridLayout(["..", "#G"]).n_states
        3
    """

    rows: tuple[str, ...]
    directions: tuple[tuple[int, int], ...]

    def __init__(
        self, drawing: str | Sequence[str], directions: Sequence[Sequence[int]] = CLOCKWISE
    ) -> None:
        rows = join_cells(parse_drawing(drawing))
        object.__setattr__(self, "rows", tuple(row.replace("S", ".") for row in rows))
        object.__setattr__(self, "directions", _check_directions(directions))

    @property
    def dimensions(self) -> dict[str, int]:
        """The numbers of states, S, and of actions, A."""
        return {"S": self.n_states, "A": len(self.directions)}

    @property
    def cells(self) -> np.ndarray:
        """(H, W) the characters of the drawing."""
        return _split_rows(self.rows)

    @property
    def walls(self) -> Bool[np.ndarray, "H W"]:
        """(H, W) mask of the walls."""
        return self.cells == "#"

    @property
    def n_states(self) -> int:
        """Number of cells that are not walls."""
        return sum(len(row) - row.count("#") for row in self.rows)

    @checked(ModelError, values=ArrayOf(infinite=(-np.inf, np.inf), missing=True))
    def spread(self, values: ArrayLike) -> Float[np.ndarray, "H W *rest"]:
        """(S, …) numbers, one for each state, -> (H, W, …), NaN at walls.

        >>> import numpy as np, regmdp as rm
        >>> rm.GridLayout(["..", "#G"]).spread(np.array([1.0, 2.0, 3.0]))
        array([[ 1.,  2.],
               [nan,  3.]])
        """
        walls, values = self.walls, np.asarray(values)
        if values.shape[:1] != (self.n_states,):
            raise ModelError(
                f"values must have one entry for each of {self.n_states} states, not the shape "
                f"{values.shape}"
            )
        spread = np.full((*walls.shape, *values.shape[1:]), np.nan)
        spread[~walls] = values
        return spread

    def require_fit(self, n_states: int, n_actions: int) -> None:
        if self.n_states != n_states:
            raise ModelError(
                f"the grid has {self.n_states} cells that are not walls, but the model has "
                f"{n_states} states"
            )
        if len(self.directions) != n_actions:
            raise ModelError(
                f"the grid has directions for {len(self.directions)} actions, but the model has "
                f"{n_actions}; give one (row, column) step for each, directions=…"
            )

    def to_dict(self) -> dict[str, Any]:
        return {"kind": "grid", "rows": self.rows, "directions": self.directions}


@dataclass(frozen=True, init=False)
class LineLayout(Layout):
    """States that are points on a line: the length of a queue, an age, a mileage.

    Args:
        label: What the position is, with its unit.
        positions: (S,) increasing positions of the states; by default 0, 1, 2, ….

    Examples:
        >>> import regmdp as rm
        >>> rm.models.queue(capacity=2).layout
        LineLayout(label='customers in the system', positions=None)
    """

    label: str
    positions: tuple[float, ...] | None

    def __init__(self, label: str = "state", positions: Iterable[float] | None = None) -> None:
        if not isinstance(label, str):
            raise ModelError(f"label must be text, not {label!r}")
        object.__setattr__(self, "label", label)
        object.__setattr__(
            self, "positions", None if positions is None else _check_positions(positions)
        )

    def require_fit(self, n_states: int, n_actions: int) -> None:
        if self.positions is not None and len(self.positions) != n_states:
            raise ModelError(
                f"the line has {len(self.positions)} positions, but the model has {n_states} states"
            )

    def to_dict(self) -> dict[str, Any]:
        return {"kind": "line", "label": self.label, "positions": self.positions}


def parse_drawing(drawing: str | Sequence[str]) -> np.ndarray:
    """Return the (H, W) characters of a drawing, checked: ``.``, ``#``, ``G``, ``T`` and ``S``.

    Raises:
        ModelError: if the lines differ in length, or a character has no meaning.
    """
    if isinstance(drawing, str):
        drawing = textwrap.dedent(drawing).strip().splitlines()
    if not all(isinstance(line, str) for line in drawing):
        raise ModelError("a drawing is text, one line for each row")
    lines = [line.strip() for line in drawing]
    if not lines or not lines[0]:
        raise ModelError("the drawing is empty")
    for number, line in enumerate(lines):
        if len(line) != len(lines[0]):
            raise ModelError(
                f"line {number} of the drawing has {len(line)} cells, but line 0 has "
                f"{len(lines[0])}"
            )
        unknown = sorted(set(line) - set(".#GTS"))
        if unknown:
            column = line.index(unknown[0])
            raise ModelError(
                f"the drawing has {unknown[0]!r} in row {number}, column {column}; the cells are . "
                "(free), # (wall), G (goal), T (trap) and S (start)"
            )
    return _split_rows(lines)


def join_cells(cells: np.ndarray) -> list[str]:
    """Return (H, W) characters as H strings."""
    return np.ascontiguousarray(cells).view(f"U{cells.shape[1]}").ravel().tolist()


def _split_rows(rows: Sequence[str]) -> np.ndarray:
    """Return H strings of equal length as (H, W) characters."""
    return np.array(rows).view("U1").reshape(len(rows), -1)


def _check_directions(directions: Iterable[object]) -> tuple[tuple[int, int], ...]:
    checked = []
    for action, step in enumerate(directions):
        if not isinstance(step, Sequence | np.ndarray) or len(step) != 2:
            raise ModelError(
                f"directions: action {action} has {step!r}; a direction is two integers, the row "
                "step and the column step"
            )
        down, right = (
            check_integer(f"the direction of action {action}", part, None, error=ModelError)
            for part in step
        )
        checked.append((down, right))
    return tuple(checked)


def _check_positions(positions: Iterable[object]) -> tuple[float, ...]:
    checked = tuple(
        check_number(f"position {state}", position, error=ModelError)
        for state, position in enumerate(positions)
    )
    for state, (before, after) in enumerate(pairwise(checked)):
        if not before < after:
            raise ModelError(
                f"positions must increase, but position {state} is {before:g} and position "
                f"{state + 1} is {after:g}"
            )
    return checked
