"""Evaluation of a policy that will change: as accurate as it deserves, by the cheapest means.

The residual is swept, which measures what a digit costs. If sweeps are too slow for the accuracy
that is asked for, a factorization or Krylov iterations take over where counted work (see
:mod:`regmdp.evaluation.work`) says that they cost less. All means stop at a budget.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from regmdp._internal.arrays import Array, Float
from regmdp._internal.heartbeat import beat
from regmdp.evaluation.base import Chain
from regmdp.evaluation.direct import (
    MAX_DENSE_STATES,
    Direct,
    is_fast_to_factorize,
    is_narrow,
)
from regmdp.evaluation.krylov_methods import KrylovMethod, bicgstab, gmres
from regmdp.evaluation.work import count_entries, factorization_work, sweep_work

__all__ = ["BudgetedResult", "Plan", "can_factorize", "evaluate_within", "measure_size"]

#: Sweeps between two looks at the residual: at first, and at most.
FIRST_SWEEPS, MOST_SWEEPS = 4, 16
#: Products between two looks at the residual of Krylov iterations.
KRYLOV_PRODUCTS = 10
#: Work of a factorization that is made after sweeps, over the budget.
ADMITTED = 8.0
#: A product that reduces the residual by less than this factor is not worth it.
SLOWEST_KRYLOV = 0.99
#: Products after which Krylov iterations must have made more of a product than sweeps do.
LEAST_PATIENCE, MOST_PATIENCE = 30, 300
#: Work of a Krylov product over that of a sweep.
KRYLOV_SHARE = 1.5


@dataclass(frozen=True)
class Plan:
    """What an evaluation may cost, and what is known about its means.

    Attributes:
        goal: Size of the residual at which it ends.
        budget: Work after which it ends, in the unit of :mod:`regmdp.evaluation.work`.
        floor: Size of the residual that is small enough for any purpose.
        least: Work before which it ends at this size only.
        krylov: Smallest budget for which Krylov iterations are tried.
        factorize: Work for which a factorization is made without trying sweeps before.
        factorizable: Whether a factorization of such a chain is fast; None if that is not known.
    """

    goal: float
    budget: float
    floor: float = 0.0
    least: float = 0.0
    krylov: float = 0.0
    factorize: float = 0.0
    factorizable: bool | None = None


@dataclass(frozen=True, eq=False)
class BudgetedResult:
    """Result of an evaluation.

    Attributes:
        value: (S,) x with (I - γ P) x ≈ b.
        size: Size of the residual that is left.
        work: What it cost.
        krylov: Smallest budget for which Krylov iterations should be tried next.
        factorizable: Whether a factorization of such a chain is fast; None if that is not known.
        means: What ended it: sweeps, Krylov iterations or a factorization.
    """

    value: Float[np.ndarray, " S"]
    size: float
    work: float
    krylov: float
    factorizable: bool | None
    means: str


def measure_size(residual: Float[np.ndarray, " S"], up_to_shift: bool) -> tuple[float, float]:
    """Return the size of a residual, and the constant that is subtracted from it before."""
    high, low = float(residual.max()), float(residual.min())
    middle = 0.5 * (high + low) if up_to_shift else 0.0
    return max(high - middle, middle - low), middle


class _Iterate:
    """A value x and the residual of (I - γ P) x = b, whose common part is taken off."""

    def __init__(self, chain: Chain, b: Float[np.ndarray, " S"]) -> None:
        self._chain, self._shift = chain, 0.0
        # where no episode ends, (I - γ P) 1 = (1 - γ) 1
        self._up_to_shift = chain.leak < np.inf and chain.discount < 1.0
        self._x, self.residual = np.zeros_like(b), np.array(b)
        self.measure()

    def measure(self) -> None:
        """Measure the residual, and take off what all states have in common."""
        self.size, middle = measure_size(self.residual, self._up_to_shift)
        if middle:
            self.residual -= middle
            self._shift += middle / (1.0 - self._chain.discount)

    def sweep(self, count: int) -> None:
        """Iterate x ← x + r, r ← γ P r."""
        for _ in range(count):
            self._x += self.residual
            self.residual = self._chain.propagate(self.residual)
        self.measure()

    def add(self, correction: Float[np.ndarray, " S"]) -> None:
        """Add a solution for the residual, unless it makes the residual larger."""
        with np.errstate(all="ignore"):
            residual = self.residual + self._chain.propagate(correction)
            residual -= correction
        size, _ = measure_size(residual, self._up_to_shift)
        if size < self.size:
            self._x += correction
            self.residual = residual
            self.measure()

    @property
    def value(self) -> Float[np.ndarray, " S"]:
        """(S,) x."""
        return self._x + self._shift

    def krylov(self, goal: float, products: int, rate: float) -> int:
        """Run Krylov iterations until the goal or the number of products, while they beat sweeps.

        BiCGSTAB is cheap, but may break down; GMRES does not.

        Args:
            goal: Size of the residual to reach.
            products: Largest number of products.
            rate: Factor by which a sweep reduces the residual.

        Returns:
            The number of products.
        """
        spent = 0
        for method in (bicgstab, gmres):
            spent += self._iterate(method, goal, products - spent, rate)
            if self.size <= goal or spent >= products:
                break
        return spent

    def _iterate(self, method: KrylovMethod, goal: float, products: int, rate: float) -> int:
        """Run one of the two methods; return the number of products."""
        best, correction = self.size, None
        spent = looked = 0
        # they may start slowly
        patience = min(max(LEAST_PATIENCE, products // 3), MOST_PATIENCE)
        with np.errstate(all="ignore"):  # a breakdown shows in the residual
            for spent, x, residual in method(self._chain, self.residual):
                if spent < looked + KRYLOV_PRODUCTS:
                    continue
                beat()
                looked = spent
                size, _ = measure_size(residual, self._up_to_shift)
                if size < best:
                    best, correction = size, x.copy()
                if not math.isfinite(size) or size <= goal or spent >= products:
                    break
                if spent >= patience and best > self.size * max(rate, SLOWEST_KRYLOV) ** spent:
                    break
        if correction is not None:
            self.add(correction)
        return spent


def evaluate_within(chain: Chain, b: Float[Array, " S"], plan: Plan) -> BudgetedResult:
    """Return x with (I - γ P) x ≈ b, up to the goal of the plan or the end of its budget."""
    run = _Evaluation(chain, np.asarray(b), plan)
    if not (is_narrow(chain) and run.factorize(plan.factorize)):
        run.sweep()
    return run.result


class _Evaluation:
    """One evaluation: its iterate, what it has cost, and what it has taught."""

    def __init__(self, chain: Chain, b: Float[np.ndarray, " S"], plan: Plan) -> None:
        self._chain, self._plan, self._iterate = chain, plan, _Iterate(chain, b)
        self._work, self._spent = sweep_work(chain.rows), 0.0
        self._krylov, self._factorizable, self._means = plan.krylov, plan.factorizable, "sweeps"

    @property
    def result(self) -> BudgetedResult:
        """The result."""
        iterate = self._iterate
        return BudgetedResult(
            iterate.value,
            iterate.size,
            self._spent,
            self._krylov,
            self._factorizable,
            self._means,
        )

    def sweep(self) -> None:
        """Sweep until the goal or the end of the budget, or until other means take over."""
        plan, iterate, work = self._plan, self._iterate, self._work
        count, next_attempt = FIRST_SWEEPS, 0.0
        while iterate.size > (plan.goal if self._spent >= plan.least else plan.floor):
            if self._spent >= plan.budget:
                return
            before = iterate.size
            iterate.sweep(count)
            self._spent += count * work
            rate = (iterate.size / before) ** (1.0 / count)
            needed = _count_sweeps(plan.goal / iterate.size if iterate.size else 1.0, rate)
            count = max(1, int(min(MOST_SWEEPS, needed + 1))) if needed else FIRST_SWEEPS
            if self._spent < next_attempt or needed * work <= min(
                plan.budget - self._spent, MOST_SWEEPS * work
            ):
                continue
            if self.factorize(min(0.5 * needed * work, ADMITTED * plan.budget)):
                return
            self._try_krylov(needed, rate)
            next_attempt = 3.0 * self._spent

    def factorize(self, limit: float) -> bool:
        """Solve by a factorization if it is fast, and its work within a limit; return whether."""
        if self._factorizable is False:
            return False
        work = _factorization_work(self._chain)
        if work > limit:
            return False
        if self._factorizable is None:
            self._factorizable = is_fast_to_factorize(self._chain)
        if self._factorizable:
            residual = self._iterate.residual
            self._iterate.add(Direct().prepare(self._chain).solve(residual, residual))
            self._spent, self._means = self._spent + work, "factorization"
        return self._factorizable

    def _try_krylov(self, needed: float, rate: float) -> None:
        """Run Krylov iterations, if the budget is large enough to expect something of them."""
        plan, iterate, product = self._plan, self._iterate, KRYLOV_SHARE * self._work
        limit = min(plan.budget - self._spent, 0.7 * needed * self._work)
        if plan.budget < self._krylov or limit < 2 * KRYLOV_PRODUCTS * product:
            return
        before = iterate.size
        self._spent += product * iterate.krylov(plan.goal, int(limit / product), rate)
        self._means = "Krylov iterations"
        if iterate.size > 0.1 * before:
            self._krylov = 4.0 * plan.budget


def _count_sweeps(reduction: float, rate: float) -> float:
    """Return the number of sweeps that reduce the residual so much at a rate."""
    if reduction >= 1.0:
        return 0.0
    return math.log(reduction) / math.log(rate) if 0.0 < rate < 1.0 else math.inf


def can_factorize(chain: Chain, limit: float) -> bool:
    """Whether a factorization is fast, and its work within a limit."""
    return _factorization_work(chain) <= limit and is_fast_to_factorize(chain)


def _factorization_work(chain: Chain) -> float:
    """Return the expected work of a factorization, if it is fast."""
    n, entries = chain.n_states, count_entries(chain.rows)
    if isinstance(chain.rows, np.ndarray):
        return factorization_work(n, entries, None, dense=True) if n <= MAX_DENSE_STATES else np.inf
    diagonals = chain.diagonals if is_narrow(chain) else None
    return factorization_work(n, entries, diagonals, dense=False)
