"""The result: points of the frontier, and bounds on the value of any policy."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from os import PathLike
from typing import IO, Any, cast

import numpy as np

from regmdp._frontier.envelope import (
    ConcaveHull,
    bound_value_above,
    least_divergence,
)
from regmdp._frontier.points import PolicyPoint
from regmdp._frontier.report import (
    HEADING,
    align_columns,
    describe_half_gain,
    format_csv,
    format_point,
)
from regmdp._internal.array_files import (
    make_arrays_writer,
    read_result,
    take_array,
    take_field,
)
from regmdp._internal.arrays import UNIT_ROUNDOFF, ArrayLike, Float
from regmdp._internal.bounds import require_bounds
from regmdp._internal.checks import LARGE_ROOT
from regmdp._internal.errors import FormatError
from regmdp._internal.fields import ReadOnlyCopies
from regmdp._internal.files import replace_atomically
from regmdp._internal.html import html_table
from regmdp._internal.parameters import ArrayOf, FileName, Number, checked
from regmdp._internal.policy_arrays import pack_policy, take_policy
from regmdp._internal.status import Status
from regmdp.solution import Solution, pack_solution, unpack_solution

__all__ = ["Frontier", "make_writers"]

KIND = "frontier"
#: Names of the arrays with one number a point.
COLUMNS = tuple(column.name for column in fields(PolicyPoint))


#: Divergences, in nats.
NATS = ArrayOf(minimum=0.0, infinite=(np.inf,), empty=True)


@dataclass(frozen=True, eq=False)
class Frontier(ReadOnlyCopies):
    """Policies from the reference to the optimum, and bounds on the value of any policy.

    The n points go from the reference (τ = ∞) over decreasing temperatures to τ = 0, the best
    policy that takes no action which the reference never takes. Values are from the initial
    distribution, in the unit of the rewards, without the regularizer.

    Attributes:
        temperature: (n,) τ, in the unit of the rewards per nat.
        value: (n,) value of the policy.
        value_lower: (n,) certified lower bound on it.
        value_upper: (n,) certified upper bound on it.
        divergence: (n,) expected discounted sum of the Kullback-Leibler divergences from the
            reference, in nats: for γ = 1 the divergence of a whole episode.
        divergence_lower: (n,) certified lower bound on it.
        divergence_upper: (n,) certified upper bound on it.
        reference: (S, A) the reference policy.
        solutions: n - 1 solutions, of all points but the reference.
        problem: The model in a line.
        status: How the run ended: converged if every point did; interrupted or stopped if points
            are missing; otherwise the status of the first point that did not converge.
    """

    temperature: Float[np.ndarray, " n"]
    value: Float[np.ndarray, " n"]
    value_lower: Float[np.ndarray, " n"]
    value_upper: Float[np.ndarray, " n"]
    divergence: Float[np.ndarray, " n"]
    divergence_lower: Float[np.ndarray, " n"]
    divergence_upper: Float[np.ndarray, " n"]
    reference: Float[np.ndarray, "S A"]
    solutions: tuple[Solution, ...]
    problem: str
    status: Status

    def __post_init__(self) -> None:
        require_bounds("the values of the points", self.value_lower, self.value_upper)
        require_bounds(
            "the divergences of the points", self.divergence_lower, self.divergence_upper
        )

    def __len__(self) -> int:
        return self.temperature.size

    @property
    def complete(self) -> bool:
        """Whether all points are there: the run was neither interrupted nor stopped."""
        return self.status not in (Status.INTERRUPTED, Status.STOPPED)

    @property
    def policies(self) -> tuple[Float[np.ndarray, "S A"], ...]:
        """The n policies, (S, A) each."""
        return (self.reference, *(solution.policy for solution in self.solutions))

    @property
    def regularized_value(self) -> Float[np.ndarray, " n"]:
        """(n,) value with the regularizer, V - τ D; of the reference its value."""
        return np.array([self.value[0], *(solution.initial_value for solution in self.solutions)])

    @property
    def optimum_upper(self) -> Float[np.ndarray, " n"]:
        """(n,) certified upper bound U_τ on the regularized optimum.

        For the reference it is that on its value.
        """
        bounds = (solution.certificate.initial_upper for solution in self.solutions)
        return np.array([self.value_upper[0], *bounds])

    @property
    def gap(self) -> Float[np.ndarray, " n"]:
        """(n,) certified gap of each solution in its worst state; 0 for the reference."""
        return np.array([0.0, *(solution.certificate.gap for solution in self.solutions)])

    @property
    def point_statuses(self) -> tuple[Status, ...]:
        """Why the solver stopped at each point; the reference counts as converged."""
        return (Status.CONVERGED, *(solution.status for solution in self.solutions))

    @property
    def gain(self) -> Float[np.ndarray, " n"]:
        """(n,) value minus that of the reference."""
        return self.value - self.value[0]

    @property
    def largest_gain(self) -> float:
        """The largest gain of a point; that at τ = 0, up to the tolerance."""
        return float(self.gain.max())

    @property
    def ceiling(self) -> Float[np.ndarray, " n"]:
        """(n,) upper bound on the value of any policy within the divergence of the point."""
        return self.upper(self.divergence_upper)

    @checked(divergence=NATS)
    def upper(self, divergence: ArrayLike) -> Float[np.ndarray, "*shape"]:
        """Return an upper bound on the value of any policy within the given KL divergence.

        It is the minimum over τ of U_τ + τ D.

        Args:
            divergence: One or several D, in nats; any shape.

        Raises:
            SolverError: if one is negative or not a number.
        """
        nats = np.asarray(divergence)
        bound = bound_value_above(self.temperature[1:], self.optimum_upper[1:], nats)
        # a policy at divergence 0 agrees with the reference in every state that it reaches
        return np.asarray(np.where(nats == 0.0, np.minimum(bound, self.value_upper[0]), bound))

    @checked(divergence=NATS)
    def lower(self, divergence: ArrayLike) -> Float[np.ndarray, "*shape"]:
        """Return a value that some policy within the given KL divergence attains.

        It is that of the concave hull of the points.

        Args:
            divergence: One or several D, in nats; any shape.

        Raises:
            SolverError: if one is negative or not a number.
        """
        return self._hull().bound_value_below(np.asarray(divergence))

    def hull(self) -> tuple[Float[np.ndarray, " m"], Float[np.ndarray, " m"]]:
        """Return (m,) divergences and (m,) values of the corners of the concave hull, from 0 on."""
        hull = self._hull()
        return hull.divergence, hull.value

    def _hull(self) -> ConcaveHull:
        return ConcaveHull.from_points(self.divergence_upper, self.value_lower)

    @checked(gain=Number(0.0, LARGE_ROOT))
    def divergence_for(self, gain: float) -> tuple[float, float]:
        """Return bounds on the least divergence of a policy with the given gain over the reference.

        Args:
            gain: In the unit of the rewards, 0 or more.

        Returns:
            (lower, upper), in nats: no policy has the gain at a divergence below the lower one, and
            some policy has it at the upper one. The lower one is infinite if no policy has the
            gain, the upper one if none is known that has it.

        Raises:
            SolverError: if the gain is negative or not a finite number.

        Examples:
            >>> import regmdp as rm
            >>> mdp = rm.models.bandit()
            >>> frontier = rm.frontier(mdp, rm.uniform_policy(mdp))
            >>> least, enough = frontier.divergence_for(frontier.largest_gain / 2)
            >>> round(least, 2), round(enough, 2)
            (0.1, 0.11)
        """
        if gain == 0.0:
            return 0.0, 0.0
        low, high = float(self.value_lower[0]), float(self.value_upper[0])
        slack = 8 * UNIT_ROUNDOFF * (abs(high) + gain)
        least = least_divergence(self.temperature[1:], self.optimum_upper[1:], low + gain - slack)
        return least, self._hull().sufficient_divergence(high + gain + slack)

    def columns(self) -> dict[str, Float[np.ndarray, " n"]]:
        """Return the numbers of the points by name, as :meth:`to_csv` writes them."""
        return {name: getattr(self, name) for name in COLUMNS} | {
            "ceiling": self.ceiling,
            "gain": self.gain,
            "regularized_value": self.regularized_value,
            "gap": self.gap,
        }

    @checked(FormatError, path=FileName())
    def to_csv(self, path: str | PathLike[str]) -> None:
        """Write one line of numbers a point, with the solver's status in the last column.

        The numbers read back exactly.

        Args:
            path: Where to write.
        """
        replace_atomically(path, make_writers(self)["csv"])

    def table(self) -> tuple[list[str], list[list[str]]]:
        """Return the heading and the rows of the summary as text; bounds are rounded outwards."""
        columns, rows = self.columns(), []
        for k, status in enumerate([None, *self.point_statuses[1:]]):
            numbers = {name: float(column[k]) for name, column in columns.items()}
            rows.append(format_point(numbers, self.largest_gain, status))
        return list(HEADING), rows

    def describe_half_gain(self) -> str:
        """Return, in a sentence, the divergence that half of the largest gain needs."""
        if not self.solutions:
            return "only the reference is finished, so nothing is known of what can be gained"
        largest = self.largest_gain
        return describe_half_gain(largest, self.divergence_for(max(largest, 0.0) / 2))

    def summary(self) -> str:
        """Return the points as a table, and the divergence that half of the largest gain needs.

        Examples:
            >>> import regmdp as rm
            >>> mdp = rm.models.bandit()
            >>> print(rm.frontier(mdp, rm.uniform_policy(mdp), [1.0, 0.1]).summary())
            temperature      nats    value  ...
            ∞ (reference)       0  0.666667  ...
            ...
            half of the largest gain of 0.3333 needs at least ... and at most ... nats
        """
        heading, rows = self.table()
        note = [] if self.complete else [f"{self.status.word}: points are missing"]
        return "\n".join([*align_columns([heading, *rows]), self.describe_half_gain(), *note])

    @checked(FormatError, path=FileName())
    def save(self, path: str | PathLike[str]) -> None:
        """Write the frontier with its solutions to a ``.npz`` file, whole or not at all.

        Args:
            path: Where to write.
        """
        replace_atomically(path, make_writers(self)["npz"])

    @classmethod
    @checked(FormatError, path=FileName())
    def load(cls, path: str | PathLike[str]) -> Frontier:
        """Read a frontier that :meth:`save` wrote.

        Args:
            path: Where it is.

        Raises:
            FormatError: if the file is damaged or something else.
        """
        return read_result(path, KIND, _unpack_frontier)

    def __repr__(self) -> str:
        divergence = float(self.divergence.max())
        return (
            f"Frontier({len(self)} points, gain up to {self.largest_gain:.6g}, up to "
            f"{divergence:.4g} nats from the reference)"
        )

    def _repr_html_(self) -> str:
        heading, rows = self.table()
        missing = "" if self.complete else f" {self.status.word}: points are missing."
        note = f"{self.describe_half_gain().capitalize()}.{missing}"
        return html_table(f"Frontier of {self.problem}", heading, rows, note=note)


def make_writers(frontier: Frontier) -> dict[str, Callable[[IO[bytes]], object]]:
    """Return functions that write what ``save`` and ``to_csv`` write, by the file's extension.

    So that they can be written together with others.
    """
    text = format_csv(frontier.columns(), frontier.point_statuses)
    arrays: dict[str, np.ndarray] = {name: getattr(frontier, name) for name in COLUMNS}
    arrays |= pack_policy("reference", frontier.reference)
    metas = []
    for k, solution in enumerate(frontier.solutions):
        parts, meta = pack_solution(solution)
        arrays |= {f"solution_{k}_{name}": array for name, array in parts.items()}
        metas.append(meta)
    meta = {"problem": frontier.problem, "status": frontier.status.name, "solutions": metas}
    return {
        "npz": make_arrays_writer(KIND, arrays, meta),
        "csv": lambda file: file.write(text.encode("utf-8")),
    }


def _unpack_frontier(arrays: dict[str, np.ndarray], meta: dict[str, Any]) -> Frontier:
    """Return the frontier of a file, after checking that its parts fit together."""
    reference = cast("np.ndarray", take_policy(arrays, "reference"))
    n_points = take_array(arrays, "temperature", (None,)).size
    columns = {name: take_array(arrays, name, (n_points,)) for name in COLUMNS}
    if not (columns["temperature"] >= 0).all() or (np.diff(columns["temperature"]) > 0).any():
        raise ValueError(f"the temperatures {columns['temperature']} do not descend to 0 or more")
    for name in ("value", "divergence"):
        if not np.isfinite(columns[name]).all():
            raise ValueError(f"{name} has numbers that are not finite: {columns[name]}")
    solutions = []
    if len(take_field(meta, "solutions", list)) != n_points - 1:
        raise ValueError(f"there are {len(meta['solutions'])} solutions of {n_points} points")
    for k, solution_meta in enumerate(meta["solutions"]):
        prefix = f"solution_{k}_"
        parts = {
            name.removeprefix(prefix): array
            for name, array in arrays.items()
            if name.startswith(prefix)
        }
        solutions.append(unpack_solution(parts, solution_meta))
        if solutions[k].policy.shape != reference.shape:
            raise ValueError(
                f"solution {k} has policies of shape {solutions[k].policy.shape}, but the "
                f"reference has {reference.shape}"
            )
    return Frontier(
        **columns,
        reference=reference,
        solutions=tuple(solutions),
        problem=take_field(meta, "problem", str),
        status=Status[meta["status"]],
    )
