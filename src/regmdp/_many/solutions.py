"""The solutions of many problems: a sequence of them, and their arrays stacked."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeAlias, overload

import numpy as np
import scipy

from regmdp._internal.arrays import Float, freeze
from regmdp._internal.errors import SolverError
from regmdp._internal.status import Status
from regmdp._many.run import StackResult
from regmdp._solve import make_solution
from regmdp.algorithms import History, Run
from regmdp.certificates import BOUNDS, NUMBERS, Certificate
from regmdp.certificates.certificate import format_bound
from regmdp.mdp import expectation
from regmdp.solution import Solution

__all__ = ["Entry", "SolutionBatch", "StackedSolution"]


@dataclass(frozen=True, eq=False)
class StackedSolution:
    """A solution as one row of the arrays of those that were solved side by side.

    Attributes:
        stack: The results of all of them.
        row: Which row.
        status: Why the run ended.
        options: The arguments of the call.
    """

    stack: StackResult
    row: int
    status: Status
    options: Mapping[str, object]

    def read(self, name: str) -> Any:
        """Return a bound or a number of the certificate."""
        if name in BOUNDS:
            return freeze(getattr(self.stack.bounds, name)[self.row])
        return self.stack.summary[name][self.row].item()

    @property
    def policy(self) -> Float[np.ndarray, "S A"]:
        """(S, A) the policy."""
        return self.stack.policy[self.row]

    @property
    def value(self) -> Float[np.ndarray, " S"]:
        """(S,) the value, within its bounds."""
        return self.stack.value[self.row]

    @property
    def initial_value(self) -> float:
        """The value from the initial distribution."""
        return expectation(self.stack.problems[self.row].mdp.initial, self.value)

    def to_solution(self) -> Solution:
        """Return the solution with its certificate and its history."""
        row, stack = self.row, self.stack
        residual, gap, mean = stack.history[..., row]
        columns = np.arange(mean.size), residual, gap, mean, stack.seconds
        history = History(*map(freeze, columns))
        certificate = Certificate(**{name: self.read(name) for name in (*BOUNDS, *NUMBERS)})
        run = Run(freeze(self.policy), freeze(self.value), certificate, self.status, history)
        problem = stack.problems[row]
        return make_solution(problem, run, stack.method, stack.reason, dict(self.options))


#: A solution of a batch.
Entry: TypeAlias = Solution | StackedSolution


def _read(entry: Entry, name: str) -> Any:
    """Return an attribute of a solution, or of its certificate."""
    if name not in (*BOUNDS, *NUMBERS):
        return getattr(entry, name)
    return (
        entry.read(name) if isinstance(entry, StackedSolution) else getattr(entry.certificate, name)
    )


class SolutionBatch(Sequence[Solution]):
    """The solutions of N problems, in the order of the problems.

    ``batch[i]`` is the :class:`~regmdp.Solution` of problem i, and ``batch[i:j]`` a batch. Made by
    :func:`regmdp.solve_many`.

    Attributes:
        values: (N, S) values of the policies, in the unit of the rewards.
        policies: (N, S, A) policies.
        lower: (N, S) lower bounds on the optimal values.
        upper: (N, S) upper bounds on them.
        policy_lower: (N, S) lower bounds on the values of the policies.
        policy_upper: (N, S) upper bounds on them.
        gaps: (N,) bounds on V* - V^π in the worst state of each problem.
        initial_values: (N,) values from the initial distributions.
        statuses: Why each run ended.
        ok: Whether all of them converged.

    Examples:
        >>> import numpy as np, regmdp as rm
        >>> mdp = rm.models.chain(5)
        >>> batch = rm.solve_many(mdp, rm.Shannon(1.0), temperatures=np.array([0.1, 0.2, 0.4]))
        >>> batch
        SolutionBatch(3 solutions, 3 converged, gap ≤ ...)
        >>> batch.values.shape, batch.policies.shape, bool(batch.gaps.max() < 1e-8)
        ((3, 5), (3, 5, 2), True)
        >>> batch[1].status.word
        'converged'
    """

    def __init__(self, entries: Sequence[Entry]) -> None:
        self._entries = list(entries)

    def __len__(self) -> int:
        return len(self._entries)

    @overload
    def __getitem__(self, index: int) -> Solution: ...
    @overload
    def __getitem__(self, index: slice) -> SolutionBatch: ...
    def __getitem__(self, index: int | slice) -> Solution | SolutionBatch:
        if isinstance(index, slice):
            return SolutionBatch(self._entries[index])
        entry = self._entries[index]
        if isinstance(entry, StackedSolution):
            entry = self._entries[index] = entry.to_solution()
        return entry

    def __iter__(self) -> Iterator[Solution]:
        return (self[i] for i in range(len(self)))

    def _stack(self, name: str) -> np.ndarray:
        """Return an attribute of all entries as one array."""
        parts = [_read(entry, name) for entry in self._entries]
        if any(scipy.sparse.issparse(part) for part in parts):
            raise SolverError(
                "some policies are sparse, of ragged models, and cannot be stacked; take the "
                "solutions one by one, batch[i]"
            )
        shapes = sorted({part.shape for part in parts})
        if len(shapes) > 1:
            found = ", ".join(map(str, shapes[:3])) + (", …" if len(shapes) > 3 else "")
            raise SolverError(
                f"the models have different sizes, {found}: their arrays cannot be stacked; take "
                "the solutions one by one, batch[i]"
            )
        return freeze(np.stack(parts))

    def _numbers(self, name: str) -> Float[np.ndarray, " N"]:
        return freeze(np.array([_read(entry, name) for entry in self._entries]))

    @cached_property
    def values(self) -> Float[np.ndarray, "N S"]:
        """(N, S) values of the policies."""
        return self._stack("value")

    @cached_property
    def policies(self) -> Float[np.ndarray, "N S A"]:
        """(N, S, A) policies."""
        return self._stack("policy")

    @cached_property
    def lower(self) -> Float[np.ndarray, "N S"]:
        """(N, S) lower bounds on the optimal values."""
        return self._stack("lower")

    @cached_property
    def upper(self) -> Float[np.ndarray, "N S"]:
        """(N, S) upper bounds on the optimal values."""
        return self._stack("upper")

    @cached_property
    def policy_lower(self) -> Float[np.ndarray, "N S"]:
        """(N, S) lower bounds on the values of the policies."""
        return self._stack("policy_lower")

    @cached_property
    def policy_upper(self) -> Float[np.ndarray, "N S"]:
        """(N, S) upper bounds on the values of the policies."""
        return self._stack("policy_upper")

    @cached_property
    def gaps(self) -> Float[np.ndarray, " N"]:
        """(N,) bounds on V* - V^π in the worst state of each problem."""
        return self._numbers("gap")

    @cached_property
    def initial_values(self) -> Float[np.ndarray, " N"]:
        """(N,) values from the initial distributions."""
        return self._numbers("initial_value")

    @property
    def statuses(self) -> tuple[Status, ...]:
        """Why each run ended."""
        return tuple(entry.status for entry in self._entries)

    @property
    def ok(self) -> bool:
        """Whether all runs converged."""
        return all(entry.status.ok for entry in self._entries)

    def __repr__(self) -> str:
        converged = sum(status.ok for status in self.statuses)
        return (
            f"SolutionBatch({len(self):,} solution{'' if len(self) == 1 else 's'}, {converged:,} "
            f"converged, gap ≤ {format_bound(float(self.gaps.max(initial=0.0)), 3, 1)})"
        )
