"""Observed choices: who was where, when, and what was chosen."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from functools import cached_property
from typing import Any

import numpy as np

from regmdp._internal.arrays import ArrayLike, Bool, Int, freeze
from regmdp._internal.errors import SampleError

__all__ = ["Panel"]


@dataclass(frozen=True, eq=False)
class Panel:
    """Choices of individuals over consecutive periods, one row for each, sorted by individual and period.

    Args:
        individual: (N,) whose row it is: any numbers.
        period: (N,) integers that rise by 1 from row to row of the same individual.
        state: (N,) state numbers.
        choice: (N,) choice numbers.
        counted: (N,) bool, the rows whose choice enters the likelihood; by default all. The others
            tell how states follow.
        increment: (N,) by how much the state has risen since the row before, where that is known
            better than the state tells; it is not looked at in the first row of an individual.

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

    individual: ArrayLike
    period: ArrayLike
    state: ArrayLike
    choice: ArrayLike
    counted: ArrayLike = None
    increment: ArrayLike = None

    def __post_init__(self) -> None:
        size = np.size(self.state)
        if size == 0:
            raise SampleError("there are no observations")
        for name in ("individual", "period", "state", "choice", "increment"):
            if getattr(self, name) is not None:
                object.__setattr__(self, name, freeze(_integers(name, getattr(self, name), size)))
        counted = np.ones(size, dtype=np.bool_) if self.counted is None else np.array(self.counted)
        if counted.dtype != np.bool_ or counted.shape != (size,):
            raise SampleError(f"counted must be {size} booleans, one for each row")
        object.__setattr__(self, "counted", freeze(counted))
        for name in ("state", "choice"):
            _refuse(getattr(self, name) < 0, getattr(self, name), f"a negative {name}")
        follows = self.individual[1:] == self.individual[:-1]
        gap = follows & (np.diff(self.period) != 1)
        if gap.any():
            row = int(np.argmax(gap)) + 1
            raise SampleError(
                f"there is a gap before row {row}: individual {self.individual[row]} goes from "
                f"period {self.period[row - 1]} to {self.period[row]}; "
                f"{int(np.count_nonzero(gap))} rows are like that; sort by individual and period, "
                "and give what comes after a gap another individual number"
            )
        starts = self.individual[np.flatnonzero(np.concatenate(([True], ~follows)))]
        twice = (
            np.setdiff1d(starts, np.unique(starts))
            if starts.size == np.unique(starts).size
            else _repeated(starts)
        )
        if twice.size:
            row = int(np.flatnonzero(self.individual == twice[0])[0])
            raise SampleError(
                f"the rows of individual {twice[0]}, from row {row} on, are not together; "
                f"{twice.size} individuals are like that; sort by individual and period"
            )

    def __len__(self) -> int:
        return self.state.size

    @property
    def n_choices(self) -> int:
        """The number of rows whose choice counts."""
        return int(np.count_nonzero(self.counted))

    @cached_property
    def individuals(self) -> Int[np.ndarray, " n"]:
        """(n,) the individuals, in the order in which they come."""
        return self.individual[
            np.flatnonzero(np.concatenate(([True], np.diff(self.individual) != 0)))
        ]

    @cached_property
    def consecutive(self) -> Int[np.ndarray, " m"]:
        """(m,) the rows that another row of the same individual follows."""
        return np.flatnonzero(self.individual[1:] == self.individual[:-1])

    def count_choices(self, n_states: int, n_actions: int) -> np.ndarray:
        """Return (S, A) how often each choice that counts was made in each state."""
        pair = self.state[self.counted] * n_actions + self.choice[self.counted]
        return (
            np.bincount(pair, minlength=n_states * n_actions)
            .reshape(n_states, n_actions)
            .astype(np.float64)
        )

    def require_fit(self, available: Bool[np.ndarray, "S A"]) -> None:
        """Check that all states and choices are those of a model with this (S, A) mask of available choices.

        Raises:
            SampleError: naming the first row where they are not.
        """
        n_states, n_choices = available.shape
        _refuse(
            self.state >= n_states,
            self.state,
            f"a state, and the model has states 0 to {n_states - 1}",
        )
        _refuse(
            self.choice >= n_choices,
            self.choice,
            f"a choice, and the model has choices 0 to {n_choices - 1}",
        )
        outside = ~available[self.state, self.choice]
        if outside.any():
            row = int(np.argmax(outside))
            raise SampleError(
                f"row {row} has choice {self.choice[row]} in state {self.state[row]}, which is not "
                f"in the choice set there; {int(np.count_nonzero(outside))} rows are like that"
            )

    def subset(self, individuals: Any) -> Panel:
        """Return the rows of some individuals, those named twice twice, as other individuals: numbered anew from 0."""
        starts = {int(who): row for row, who in reversed(list(enumerate(self.individual)))}
        sizes = dict(zip(*np.unique(self.individual, return_counts=True), strict=True))
        parts = [
            np.arange(starts[int(who)], starts[int(who)] + sizes[int(who)]) for who in individuals
        ]
        rows = np.concatenate(parts)
        taken = {
            field.name: getattr(self, field.name)[rows]
            for field in fields(self)
            if getattr(self, field.name) is not None
        }
        taken["individual"] = np.repeat(np.arange(len(parts)), [part.size for part in parts])
        return replace(self, **taken)

    def __repr__(self) -> str:
        return f"Panel({self.n_choices:,} choices of {self.individuals.size:,} individuals)"


def _integers(name: str, values: Any, size: int) -> np.ndarray:
    try:
        found = np.array(values)
        numbers = found.astype(np.int64)
    except (TypeError, ValueError, OverflowError):
        raise SampleError(f"{name} must be {size} integers") from None
    if numbers.shape != (size,):
        raise SampleError(
            f"{name} must be {size} integers, one for each row, not an array of shape "
            f"{numbers.shape}"
        )
    wrong = numbers != found
    if wrong.any():
        row = int(np.argmax(wrong))
        raise SampleError(
            f"row {row} has {found[row]} as {name}, which is not an integer; "
            f"{int(np.count_nonzero(wrong))} rows are like that"
        )
    return numbers


def _refuse(bad: np.ndarray, values: np.ndarray, what: str) -> None:
    if bad.any():
        row = int(np.argmax(bad))
        raise SampleError(
            f"row {row} has {values[row]} as {what}; {int(np.count_nonzero(bad))} rows are like "
            "that"
        )


def _repeated(starts: np.ndarray) -> np.ndarray:
    values, counts = np.unique(starts, return_counts=True)
    return values[counts > 1]
