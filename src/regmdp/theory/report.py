"""Comparisons of predicted and measured values, and the report of a run."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import numpy as np

from regmdp._internal.arrays import Float, Int
from regmdp._internal.fields import ReadOnlyCopies
from regmdp._internal.html import html_details, html_table

__all__ = [
    "ComparedValues",
    "Comparison",
    "Identity",
    "NotApplicable",
    "NotApplicableError",
    "Report",
    "UpperBound",
]


class NotApplicableError(Exception):
    """Raised by a statement that does not apply to a run; the message is the reason."""


@dataclass(frozen=True, eq=False)
class Comparison(ReadOnlyCopies, ABC):
    """Comparison of one statement with a run, number by number.

    Attributes:
        name: Name of the statement.
        source: Reference.
        iteration: (n,) iterations that are compared.
        measured: (n,) measured values.
        predicted: (n,) predicted values.
        slack: (n,) bound on rounding, computed for this run.
    """

    name: str
    source: str
    iteration: Int[np.ndarray, " n"]
    measured: Float[np.ndarray, " n"]
    predicted: Float[np.ndarray, " n"]
    slack: Float[np.ndarray, " n"]

    #: Sign of the stated relation, and of its violation.
    signs: ClassVar[tuple[str, str]]

    @property
    @abstractmethod
    def excess(self) -> Float[np.ndarray, " n"]:
        """(n,) amount of violation beyond rounding: ≤ 0 where it holds, NaN where undecided."""

    @property
    def violated(self) -> Int[np.ndarray, " m"]:
        """(m,) iterations at which the statement is false, or undecided because of NaN."""
        return self.iteration[~(self.excess <= 0.0)]

    @property
    def holds(self) -> bool:
        """Whether the statement is true at every iteration."""
        return self.violated.size == 0

    @property
    def tightest(self) -> int:
        """Index of the iteration with the largest violation, or the smallest margin."""
        distance = np.abs(self.predicted) + self.slack
        with np.errstate(invalid="ignore", divide="ignore"):
            share = np.where(
                distance > 0, self.excess / np.where(distance > 0, distance, 1.0), self.excess
            )
        wrong = ~(self.excess <= 0.0)
        # NaN first, then violations, then valid entries
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

    def cells(self) -> tuple[str, ...]:
        """Return the outcome, at the tightest or worst iteration, as the cells of a table."""
        worst, holds = self.tightest, self.holds
        return (
            "✓ holds" if holds else "✗ violated",
            self.name,
            f"iteration {self.iteration[worst]}",
            f"{self.measured[worst]:.6g}",
            self.signs[0] if holds else self.signs[1],
            f"{self.predicted[worst]:.6g}",
            self.source,
        )


@dataclass(frozen=True, eq=False)
class UpperBound(Comparison):
    """An upper bound: measured ≤ predicted."""

    signs: ClassVar[tuple[str, str]] = ("≤", ">")

    @property
    def excess(self) -> Float[np.ndarray, " n"]:
        with np.errstate(invalid="ignore"):
            excess = self.measured - self.predicted - self.slack
        # every finite or infinite value meets an infinite bound; NaN does not
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
    """Measured and predicted values of a statement for a run: see :class:`Comparison`."""

    iteration: Int[np.ndarray, " n"]
    measured: Float[np.ndarray, " n"]
    predicted: Float[np.ndarray, " n"]
    slack: Float[np.ndarray, " n"]


@dataclass(frozen=True)
class NotApplicable:
    """A statement that does not apply to a run, with the reason."""

    name: str
    reason: str


@dataclass(frozen=True, eq=False)
class Report:
    """Comparison of a run with all statements.

    Attributes:
        run: Description of the run.
        comparisons: The statements that apply.
        not_applicable: The statements that do not apply, with the reasons. They count neither as
            true nor as false.

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
        """The statements that the run violates."""
        return tuple(comparison for comparison in self.comparisons if not comparison.holds)

    @property
    def holds(self) -> bool:
        """Whether at least one statement applies, and all that apply are true."""
        return bool(self.comparisons) and not self.violations

    def __getitem__(self, name: str) -> Comparison:
        """Return the comparison of the statement with this name.

        Raises:
            KeyError: if there is no such statement, or it does not apply; with the reason.
        """
        for comparison in self.comparisons:
            if comparison.name == name:
                return comparison
        for left in self.not_applicable:
            if left.name == name:
                raise KeyError(f"{name!r} does not apply to this run: {left.reason}")
        raise KeyError(
            f"there is no statement {name!r}; there are: "
            f"{', '.join(c.name for c in self.comparisons)}"
        )

    def __str__(self) -> str:
        lines = [self.run]
        for comparison in self.comparisons:
            lines += [f"  {comparison}", f"            {comparison.source}"]
        if not self.comparisons:
            lines.append("  no statement applies to this run")
        if self.not_applicable:
            lines.append("  does not apply to this run")
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

    def _repr_html_(self) -> str:
        verdict = f"{len(self.comparisons)} statements, {len(self.violations)} violated"
        heading = ("", "statement", "closest at", "measured", "", "predicted", "source")
        text = html_table(
            f"{self.run}: {verdict}", heading, [compared.cells() for compared in self.comparisons]
        )
        if not self.not_applicable:
            return text
        rows = [(left.name, left.reason) for left in self.not_applicable]
        table = html_table("", ("statement", "reason"), rows)
        return text + html_details(f"{len(rows)} statements do not apply to this run", table)
