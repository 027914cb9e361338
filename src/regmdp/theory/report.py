"""What the theory predicts laid against what a run did."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import numpy as np

from regmdp._internal.arrays import Float, Int

__all__ = [
    "ComparedValues",
    "Comparison",
    "Identity",
    "NotApplicable",
    "NotApplicableError",
    "Report",
    "Statement",
    "UpperBound",
]


class NotApplicableError(Exception):
    """Raised by a statement that says nothing of a run; the message is the reason."""


@dataclass(frozen=True, eq=False)
class Comparison(ABC):
    """One statement of the theory, number against number.

    Attributes:
        name: What is stated.
        source: Where it is from.
        iteration: (n,) the iterates it speaks of.
        measured: (n,) what the run did.
        predicted: (n,) what the theory says.
        slack: (n,) what rounding may add, computed for this run.
    """

    name: str
    source: str
    iteration: Int[np.ndarray, " n"]
    measured: Float[np.ndarray, " n"]
    predicted: Float[np.ndarray, " n"]
    slack: Float[np.ndarray, " n"]

    #: The relation that is stated, and its opposite.
    signs: ClassVar[tuple[str, str]]

    @property
    @abstractmethod
    def excess(self) -> Float[np.ndarray, " n"]:
        """(n,) by how much the statement is missed, rounding set aside; not positive where it holds, NaN where it is undecided."""

    @property
    def violated(self) -> Int[np.ndarray, " m"]:
        """(m,) the iterations at which the statement is false, or undecided because something is not a number."""
        return self.iteration[~(self.excess <= 0.0)]

    @property
    def holds(self) -> bool:
        """Whether the statement is true at every iteration."""
        return self.violated.size == 0

    @property
    def tightest(self) -> int:
        """Index of the iteration at which the statement is missed by most, or is closest to being missed."""
        distance = np.abs(self.predicted) + self.slack
        with np.errstate(invalid="ignore", divide="ignore"):
            share = np.where(
                distance > 0, self.excess / np.where(distance > 0, distance, 1.0), self.excess
            )
        wrong = ~(self.excess <= 0.0)
        # what is violated comes before what is not, and what is not a number before everything
        return int(
            np.argmax(
                np.where(np.isnan(share), np.inf, np.where(wrong, 2.0 + np.abs(share), share))
            )
        )

    def __str__(self) -> str:
        worst = self.tightest
        iterate = f"iteration {self.iteration[worst]}"
        numbers = f"{self.measured[worst]:.6g} {{}} {self.predicted[worst]:.6g}"
        rounding = f" (rounding {self.slack[worst]:.1g})"
        if self.holds:
            return (
                f"holds     {self.name}: closest at {iterate}, "
                f"{numbers.format(self.signs[0])}{rounding}"
            )
        first, count = self.violated[0], self.violated.size
        where = f"in {count} of {self.iteration.size} iterations, the first {first}"
        return (
            f"VIOLATED  {self.name}: {where}; worst at {iterate}, "
            f"{numbers.format(self.signs[1])}{rounding}"
        )


@dataclass(frozen=True, eq=False)
class UpperBound(Comparison):
    """An upper bound: measured ≤ predicted."""

    signs: ClassVar[tuple[str, str]] = ("≤", ">")

    @property
    def excess(self) -> Float[np.ndarray, " n"]:
        with np.errstate(invalid="ignore"):
            excess = self.measured - self.predicted - self.slack
        # a bound of ∞ is met by everything, but not by what is not a number
        return np.where(np.isposinf(self.predicted) & ~np.isnan(self.measured), -np.inf, excess)


@dataclass(frozen=True, eq=False)
class Identity(Comparison):
    """An identity: measured = predicted."""

    signs: ClassVar[tuple[str, str]] = ("=", "≠")

    @property
    def excess(self) -> Float[np.ndarray, " n"]:
        with np.errstate(invalid="ignore"):
            return np.abs(self.measured - self.predicted) - self.slack


class ComparedValues(NamedTuple):
    """What a statement says of a run: see :class:`Comparison`."""

    iteration: Int[np.ndarray, " n"]
    measured: Float[np.ndarray, " n"]
    predicted: Float[np.ndarray, " n"]
    slack: Float[np.ndarray, " n"]


@dataclass(frozen=True)
class Statement:
    """A theorem, or an identity, that can be held against a run.

    Attributes:
        name: What is stated.
        source: Where it is from.
        kind: :class:`UpperBound` or :class:`Identity`.
        measure: From a :class:`Trace` to what is stated of it; raises :class:`NotApplicableError` with
            the reason where that is nothing.
    """

    name: str
    source: str
    kind: type[Comparison]
    measure: Callable[[Any], ComparedValues]

    def compare(self, run: Any) -> Comparison:
        """Hold it against a run.

        Raises:
            Inapplicable: if it says nothing of the run.
        """
        return self.kind(self.name, self.source, *self.measure(run))


@dataclass(frozen=True)
class NotApplicable:
    """A statement that says nothing of a run, and why."""

    name: str
    reason: str


@dataclass(frozen=True, eq=False)
class Report:
    """All that the theory says of a run, held against it.

    Attributes:
        run: The run in a line.
        comparisons: The statements that apply.
        left_out: Those that do not, with the reasons: they are neither true nor false of this run.

    Examples:
        >>> import regmdp as rm
        >>> mdp = rm.models.garnet(5, 3, 2, discount=0.8)
        >>> report = rm.theory.check(
        ...     rm.theory.trace(mdp, rm.Shannon(0.1), rm.algorithms.NPG(0.5), max_iterations=20)
        ... )
        >>> report.holds, len(report.violations)
        (True, 0)
        >>> report["error of Q"].holds
        True
    """

    run: str
    comparisons: tuple[Comparison, ...]
    not_applicable: tuple[NotApplicable, ...]

    @property
    def violations(self) -> tuple[Comparison, ...]:
        """The statements that are false of the run."""
        return tuple(comparison for comparison in self.comparisons if not comparison.holds)

    @property
    def holds(self) -> bool:
        """Whether there is a statement that applies, and all that do are true."""
        return bool(self.comparisons) and not self.violations

    def __getitem__(self, name: str) -> Comparison:
        """Return the statement of this name.

        Raises:
            KeyError: if there is none, or it says nothing of the run; the message has the reason.
        """
        for comparison in self.comparisons:
            if comparison.name == name:
                return comparison
        for left in self.not_applicable:
            if left.name == name:
                raise KeyError(f"{name!r} says nothing of this run: {left.reason}")
        raise KeyError(
            f"there is no statement {name!r}; there are: "
            f"{', '.join(c.name for c in self.comparisons)}"
        )

    def __str__(self) -> str:
        lines = [self.run]
        for comparison in self.comparisons:
            lines += [f"  {comparison}", f"            {comparison.source}"]
        if not self.comparisons:
            lines.append("  nothing that is proved here applies to this run")
        if self.not_applicable:
            lines.append("  says nothing of this run")
            reasons = dict.fromkeys(left.reason for left in self.not_applicable)
            for reason in reasons:
                names = ", ".join(
                    left.name for left in self.not_applicable if left.reason == reason
                )
                lines.append(f"            {names}: {reason}")
        return "\n".join(lines)

    def __repr__(self) -> str:
        return (
            f"Report({len(self.comparisons)} statements, {len(self.violations)} violated, "
            f"{len(self.not_applicable)} do not apply)"
        )
