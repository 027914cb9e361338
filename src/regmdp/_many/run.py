"""Run policy iteration on problems side by side until each is solved, or makes no progress."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np

from regmdp import bellman
from regmdp._internal.arrays import UNIT_ROUNDOFF, Float, Int
from regmdp._internal.errors import RegmdpError
from regmdp._internal.status import Status
from regmdp.algorithms import Algorithm, PolicyIteration, Start, State, Tolerance, run_loop
from regmdp.algorithms.selection import NEWTON
from regmdp.certificates import Bounds, stacked_bounds, summarize_stack
from regmdp.evaluation import StackedDirect
from regmdp.mdp.deterministic import DeterministicPolicy
from regmdp.policies import check_policy
from regmdp.problem import Problem, check_value
from regmdp.stack import Stack

__all__ = ["StackResult", "solve_stack"]

#: Models of more states start from sweeps of value iteration, if these converge: a factorization
#: takes longer than several of them.
MAX_UNSWEPT_STATES = 100
#: Largest number of these sweeps; the factor by which each has to reduce the residual, from the
#: second on; and the fraction of the first residual that is small enough.
MAX_FIRST_SWEEPS, FAST_RATE, SMALL_RESIDUAL = 8, 0.65, 0.02
#: Iterations without a smaller residual after which a problem is left to another method; and those
#: where the residual is so small, relative to the values, that only rounding can be in the way.
PATIENCE, PATIENCE_AT_ROUNDING, ROUNDING = 100, 5, 1e-10


@dataclass(frozen=True, eq=False)
class StackResult:
    """The certified iterates of n problems side by side.

    Attributes:
        problems: The problems.
        members: (n,) their numbers in the batch.
        method: The name of the method.
        status: Why the loop ended; a problem that met its tolerance converged.
        policy: (n, S, A) policies.
        value: (n, S) values.
        bounds: (n, S) bounds.
        summary: (n,) the numbers of the certificates by name.
        history: (iterations, n) residuals, predicted gaps and values from ρ, in this order.
        seconds: (iterations,) times since the start, of all problems together.
    """

    problems: Sequence[Problem]
    members: Int[np.ndarray, " n"]
    method: str
    status: Status
    policy: Float[np.ndarray, "n S A"]
    value: Float[np.ndarray, "n S"]
    bounds: Bounds
    summary: dict[str, np.ndarray]
    history: Float[np.ndarray, "3 k n"]
    seconds: Float[np.ndarray, " k"]

    @property
    def reason(self) -> str:
        """Why that method was chosen."""
        mdp = self.problems[0].mdp
        return (
            f"small models of {mdp.n_states} states side by side, discount {mdp.discount:.6g}: "
            f"{NEWTON}"
        )

    def within_bounds(self) -> StackResult:
        """Return the same result with the values clipped to their bounds."""
        bounds = self.bounds
        return replace(self, value=np.clip(self.value, bounds.policy_lower, bounds.policy_upper))

    def met(self, tolerance: Tolerance) -> np.ndarray:
        """(n,) whether the gap of each certificate is within the tolerance."""
        lower, upper = (
            np.where(np.isfinite(bound), bound, 0.0)
            for bound in (self.bounds.lower, self.bounds.upper)
        )
        size = np.maximum(lower.max(axis=1, initial=0.0), -upper.min(axis=1, initial=0.0))
        return tolerance.active & (self.summary["gap"] <= tolerance.goal(size))


class _StackMonitor:
    """Measures of the iterates of N problems side by side, and of their progress.

    It ends the loop when all are solved or stuck, or when half of them are: the others go on alone.
    """

    def __init__(self, tolerance: Tolerance, max_iterations: int, count: int) -> None:
        self._tolerance, self._limit, self._begin = tolerance, max_iterations, time.perf_counter()
        self._best, self._since = np.full(count, np.inf), np.zeros(count, dtype=np.int64)
        self.open = np.ones(count, dtype=np.bool_)
        self._seconds: list[float] = []
        self._measures: list[np.ndarray] = []

    def keep(self, chosen: Int[np.ndarray, " n"]) -> None:
        """Go on with some of the problems."""
        self._best, self._since = self._best[chosen], self._since[chosen]
        self.open = self.open[chosen]
        self._measures = [measures[:, chosen] for measures in self._measures]

    def history(
        self, chosen: Int[np.ndarray, " n"]
    ) -> tuple[Float[np.ndarray, "3 k n"], Float[np.ndarray, " k"]]:
        """Return the residuals, gaps and values of some problems so far, and the times."""
        return np.stack(self._measures, axis=1)[..., chosen], np.array(self._seconds)

    def observe(self, stack: Stack, state: State) -> Status | None:
        """Measure an iterate; return why the loop stops, or None to go on."""
        value = stack.split(state.value)
        difference = stack.split(state.backup) - value
        residual = np.max(np.abs(difference), axis=1)
        size = np.maximum(difference.max(axis=1), 0.0) - np.minimum(difference.min(axis=1), 0.0)
        gap = size / (1.0 - stack.first.discount)
        self._seconds.append(time.perf_counter() - self._begin)
        self._measures.append(np.stack([residual, gap, np.sum(stack.initial * value, axis=1)]))
        better = size < self._best * (1.0 - 4 * UNIT_ROUNDOFF)
        self._since = np.where(better, 0, self._since + 1)
        self._best = np.fmin(self._best, size)
        if self._tolerance.active:
            largest = np.max(np.abs(value), axis=1)
            # half of what is asked for leaves room for rounding
            reached = gap <= 0.5 * self._tolerance.goal(largest)
            patience = np.where(size <= ROUNDING * largest, PATIENCE_AT_ROUNDING, PATIENCE)
            self.open &= ~(reached | (self._since >= patience) | ~np.isfinite(size))
            if not self.open.any():
                return Status.CONVERGED
        if len(self._seconds) > self._limit:
            return Status.ITERATION_LIMIT
        half = 2 * np.count_nonzero(self.open) <= len(stack)
        return Status.STOPPED if half and self._tolerance.active else None


@dataclass(frozen=True, eq=False)
class _Iterate:
    """An iterate of N problems side by side, and their (N,) numbers in the batch."""

    stack: Stack
    members: Int[np.ndarray, " N"]
    state: State

    def subset(self, chosen: Int[np.ndarray, " n"]) -> _Iterate:
        """Return the iterate of some of the problems."""
        if chosen.size == len(self.stack):
            return self
        size, state = self.stack.first.n_states, self.state
        states = (chosen[:, None] * size + np.arange(size)).ravel()
        part = replace(
            state,
            value=state.value[states],
            backup=state.backup[states],
            evaluated=_select_rows(state.evaluated, states),
            improved=_select_rows(state.improved, states),
        )
        return _Iterate(self.stack.subset(chosen), self.members[chosen], part)


def _select_rows(policy: Any, states: Int[np.ndarray, " k"]) -> Any:
    """Return some rows of a policy."""
    if isinstance(policy, DeterministicPolicy):
        return DeterministicPolicy(policy.actions[states], policy.shape[1])
    return None if policy is None else policy[states]


def solve_stack(
    stack: Stack,
    members: Int[np.ndarray, " N"],
    start: Float[np.ndarray, "N S"] | None,
    tolerance: Tolerance,
    max_iterations: int,
) -> list[StackResult]:
    """Solve problems side by side.

    Args:
        stack: The problems.
        members: (N,) their numbers in the batch.
        start: (N, S) values to start from, or None.
        tolerance: The certified gap to reach.
        max_iterations: The most iterations to make.

    Returns:
        The results, those first that needed the fewest iterations. Problems without one are left
        out: an equation had no solution, or a bound was none.

    Raises:
        KeyboardInterrupt: if the user interrupts it.
    """
    value = None if start is None else start.ravel()
    if value is None and stack.first.n_states > MAX_UNSWEPT_STATES:
        swept, fast = _sweep_first(stack)
        if fast.any() and not fast.all():
            return [
                result
                for chosen in (np.flatnonzero(fast), np.flatnonzero(~fast))
                for result in _iterate(
                    stack.subset(chosen),
                    members[chosen],
                    Start(swept[chosen].ravel() if fast[chosen[0]] else None),
                    tolerance,
                    max_iterations,
                )
            ]
        value = swept.ravel() if fast.all() else None
    return _iterate(stack, members, Start(value), tolerance, max_iterations)


def _sweep_first(stack: Stack) -> tuple[Float[np.ndarray, "N S"], np.ndarray]:
    """Iterate V ← T V from 0 while that converges fast.

    Where it does not, the value of the uniform policy is a better start.

    Returns:
        The (N, S) values, and (N,) whether each is near the optimum.
    """
    value = np.zeros(stack.mdp.n_states)
    fast, first = np.ones(len(stack), np.bool_), np.zeros(len(stack))
    for count in range(MAX_FIRST_SWEEPS):
        backup = bellman.backup(stack.mdp, stack.regularizer, value)
        difference = stack.split(backup - value)
        low, high = difference.min(axis=1), difference.max(axis=1)
        # where no episode ends, a constant makes no difference
        size = np.where(stack.terminates, np.maximum(high, 0.0) - np.minimum(low, 0.0), high - low)
        value = backup
        if not count:
            first = size
        elif count > 1:
            fast &= size <= FAST_RATE**count * first
        if not fast.any() or np.all((size <= SMALL_RESIDUAL * first) | ~fast):
            break
    return stack.split(value), fast


def _iterate(
    stack: Stack,
    members: Int[np.ndarray, " N"],
    start: Start,
    tolerance: Tolerance,
    max_iterations: int,
) -> list[StackResult]:
    """Run policy iteration until all problems are solved or stuck."""
    method = PolicyIteration(StackedDirect())
    monitor = _StackMonitor(tolerance, max_iterations, len(stack))
    now = _Iterate(stack, members, method.init(stack.mdp, stack.regularizer, start))
    results: list[StackResult] = []
    while True:
        stack = now.stack
        state, status = run_loop(
            now.state,
            partial(method.step, stack.mdp, stack.regularizer),
            partial(monitor.observe, stack),
        )
        if status is Status.INTERRUPTED:
            raise KeyboardInterrupt
        now = replace(now, state=state)
        going = monitor.open if status is Status.STOPPED else np.zeros(len(stack), np.bool_)
        finite = np.isfinite(stack.split(state.value)).all(axis=1)
        done = np.flatnonzero(~going & finite)
        if done.size:
            found = _certify(now.subset(done), method, status, monitor.history(done))
            results += [one.within_bounds() if tolerance.active else one for one in found]
        if not going.any():
            return results
        chosen = np.flatnonzero(going)
        now = now.subset(chosen)
        monitor.keep(chosen)


def _certify(
    iterate: _Iterate,
    method: Algorithm,
    status: Status,
    history: tuple[Float[np.ndarray, "3 k n"], Float[np.ndarray, " k"]],
) -> list[StackResult]:
    """Certify an iterate; return no result if that fails for one of the problems."""
    stack, state = iterate.stack, iterate.state
    mdp, regularizer = stack.mdp, stack.regularizer
    try:
        policy = check_policy(mdp, method.policy(mdp, regularizer, state), regularizer)
        bounds = stacked_bounds(stack, policy, check_value(mdp, state.value))
        summary = summarize_stack(stack.initial, bounds)
    except RegmdpError:  # if solving one problem meets it again, that names the state
        return []
    return [
        StackResult(
            stack.problems,
            iterate.members,
            method.name,
            status,
            stack.split(policy),
            stack.split(state.value),
            bounds,
            summary,
            *history,
        )
    ]
