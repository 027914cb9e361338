"""Observed choices of individuals over time."""

from __future__ import annotations

from functools import cached_property
from typing import Final

import numpy as np

from regmdp._internal.array_checks import check_array
from regmdp._internal.arrays import ArrayLike, Bool, Float, Int, freeze
from regmdp._internal.checks import describe_first
from regmdp._internal.errors import SampleError
from regmdp._internal.fields import ReadOnlyCopies
from regmdp._internal.memory import require_memory
from regmdp._internal.parameters import ArrayOf, Integer, checked

__all__ = ["Panel"]

#: Largest integer up to which every one is a double.
MAX_EXACT_INTEGER = 2.0**53


class Panel(ReadOnlyCopies):
    """Choices of individuals over consecutive periods: rows sorted by individual and period.

    Args:
        individual: (N,) the individual of the row: any integers.
        period: (N,) integers that rise by 1 from row to row of the same individual.
        state: (N,) state numbers.
        choice: (N,) choice numbers.
        counted: (N,) bool, the rows whose choice enters the likelihood; by default all. The others
            only show transitions.
        increment: (N,) increase of the state since the row before, where it is known more exactly
            than the states show. It is ignored in the first row of an individual.

    Attributes:
        individual: (N,) individuals.
        period: (N,) periods.
        state: (N,) states.
        choice: (N,) choices.
        counted: (N,) mask of the rows whose choice enters the likelihood.
        increment: (N,) increases of the state, or None.

    Raises:
        SampleError: if something does not fit together; the message names the row.

    Examples:
        >>> import numpy as np, regmdp as rm
        >>> rm.choice.Panel([7, 7, 8], [0, 1, 0], [0, 1, 0], [0, 1, 0])
        Panel(3 choices of 2 individuals)
        >>> rm.choice.Panel([7, 7, 8], [0, 2, 0], [0, 1, 0], [0, 1, 0])
        Traceback (most recent call last):
            ...
        regmdp.SampleError: there is a gap before row 1: individual 7 goes from period 0 to 2; ...
    """

    def __init__(
        self,
        individual: ArrayLike,
        period: ArrayLike,
        state: ArrayLike,
        choice: ArrayLike,
        counted: ArrayLike | None = None,
        increment: ArrayLike | None = None,
    ) -> None:
        size = check_array("state", state, error=SampleError).size
        if size == 0:
            raise SampleError("there are no observations")
        self.individual: Final = _read_integers("individual", individual, size)
        self.period: Final = _read_integers("period", period, size)
        self.state: Final = _read_integers("state", state, size)
        self.choice: Final = _read_integers("choice", choice, size)
        self.counted: Final = _read_mask(counted, size)
        self.increment: Final = (
            None if increment is None else _read_integers("increment", increment, size)
        )
        for name, column in (("state", self.state), ("choice", self.choice)):
            _require_none(column < 0, column, f"a negative {name}")
        _require_consecutive(self.individual, self.period)
        _require_together(self.individual, self.individuals)

    def __len__(self) -> int:
        return self.state.size

    @property
    def n_choices(self) -> int:
        """The number of rows whose choice counts."""
        return int(np.count_nonzero(self.counted))

    @cached_property
    def individuals(self) -> Int[np.ndarray, " n"]:
        """(n,) the individuals, in the order of their rows."""
        is_first = np.concatenate(([True], np.diff(self.individual) != 0))
        return self.individual[np.flatnonzero(is_first)]

    @cached_property
    def consecutive(self) -> Int[np.ndarray, " m"]:
        """(m,) the rows that another row of the same individual follows."""
        return np.flatnonzero(self.individual[1:] == self.individual[:-1])

    @checked(SampleError, n_states=Integer(), n_choices=Integer())
    def count_choices(self, n_states: int, n_choices: int) -> Float[np.ndarray, "S A"]:
        """Return the (S, A) number of times that each choice was made in each state.

        Only rows that enter the likelihood count.
        """
        require_memory(
            f"counts of {n_states:,} states with {n_choices:,} choices each",
            8 * n_states * n_choices,
        )
        pair = self.state[self.counted] * n_choices + self.choice[self.counted]
        counts = np.bincount(pair, minlength=n_states * n_choices)
        return counts.reshape(n_states, n_choices).astype(np.float64)

    @checked(SampleError, available=ArrayOf("S A", "boolean"))
    def require_fit(self, available: Bool[np.ndarray, "S A"]) -> None:
        """Check that a model with this (S, A) mask of choice sets has all states and choices.

        Raises:
            SampleError: naming the first row where it has not.
        """
        n_states, n_choices = available.shape
        states = f"a state, and the model has states 0 to {n_states - 1}"
        _require_none(self.state >= n_states, self.state, states)
        choices = f"a choice, and the model has choices 0 to {n_choices - 1}"
        _require_none(self.choice >= n_choices, self.choice, choices)
        outside = ~available[self.state, self.choice]
        if outside.any():
            raise SampleError(
                describe_first(
                    outside,
                    lambda row: (
                        f"row {row} has choice {self.choice[row]} in state {self.state[row]}, "
                        "which is not in the choice set there"
                    ),
                    "rows",
                )
            )

    def subset(self, individuals: ArrayLike) -> Panel:
        """Return the rows of some individuals, numbered anew from 0.

        An individual that is named twice becomes two.

        Raises:
            SampleError: if an individual is not in the panel.
        """
        given = check_array("individuals", individuals, "integer", error=SampleError)
        chosen = np.atleast_1d(given)
        if chosen.ndim != 1 or not chosen.size:
            raise SampleError(
                f"individuals must be a list of at least one, not an array of shape {chosen.shape}"
            )
        unknown = ~np.isin(chosen, self.individuals)
        if unknown.any():
            raise SampleError(f"there is no individual {chosen[unknown][0]} in the panel")
        values, first, sizes = np.unique(self.individual, return_index=True, return_counts=True)
        place = np.searchsorted(values, chosen)
        parts = [int(first[i]) + np.arange(int(sizes[i])) for i in place]
        rows = np.concatenate(parts)
        return Panel(
            np.repeat(np.arange(len(parts)), sizes[place]),
            self.period[rows],
            self.state[rows],
            self.choice[rows],
            self.counted[rows],
            None if self.increment is None else self.increment[rows],
        )

    def __repr__(self) -> str:
        return f"Panel({self.n_choices:,} choices of {self.individuals.size:,} individuals)"


def _read_integers(name: str, values: ArrayLike, size: int) -> Int[np.ndarray, " N"]:
    """Return a column of integers."""
    numbers = check_array(name, values, ndim=1, error=SampleError)
    if numbers.shape != (size,):
        raise SampleError(
            f"{name} must be {size} integers, one for each row, not an array of shape "
            f"{numbers.shape}"
        )
    whole = (numbers == np.floor(numbers)) & (np.abs(numbers) < MAX_EXACT_INTEGER)
    _require_none(~whole, numbers, f"{name}, which is not an integer")
    return freeze(numbers.astype(np.int64))


def _read_mask(values: ArrayLike | None, size: int) -> Bool[np.ndarray, " N"]:
    """Return a column of booleans; all True by default."""
    if values is None:
        return freeze(np.ones(size, dtype=np.bool_))
    mask = check_array("counted", values, "boolean", error=SampleError)
    if mask.shape != (size,):
        raise SampleError(
            f"counted must be {size} booleans, one for each row, not an array of shape {mask.shape}"
        )
    return freeze(mask.copy())


def _require_none(bad: Bool[np.ndarray, " N"], values: np.ndarray, problem: str) -> None:
    """Check that no row is marked as bad."""
    if bad.any():
        raise SampleError(
            describe_first(bad, lambda row: f"row {row} has {values[row]} as {problem}", "rows")
        )


def _require_consecutive(individual: Int[np.ndarray, " N"], period: Int[np.ndarray, " N"]) -> None:
    """Check that the periods of an individual have no gaps."""
    gap = (individual[1:] == individual[:-1]) & (np.diff(period) != 1)
    if gap.any():
        raise SampleError(
            describe_first(
                np.concatenate(([False], gap)),
                lambda row: (
                    f"there is a gap before row {row}: individual {individual[row]} goes from "
                    f"period {period[row - 1]} to {period[row]}"
                ),
                "rows",
                "sort by individual and period, and give the rows after a gap another individual "
                "number",
            )
        )


def _require_together(individual: Int[np.ndarray, " N"], runs: Int[np.ndarray, " n"]) -> None:
    """Check that the rows of an individual are together: that it has one run of rows."""
    values, counts = np.unique(runs, return_counts=True)
    split = values[counts > 1]
    if split.size:
        row = int(np.flatnonzero(individual == split[0])[0])
        raise SampleError(
            f"the rows of individual {split[0]}, from row {row} on, are not together; "
            f"{split.size} of {values.size} individuals are split; sort by individual and period"
        )
