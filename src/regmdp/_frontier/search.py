"""Computing a frontier: one solve a temperature, each started from the last policy."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, fields, replace
from functools import partial

import numpy as np

from regmdp._frontier.points import PolicyPoint, measure_policy, measure_reference
from regmdp._frontier.result import Frontier
from regmdp._frontier.temperatures import check_temperatures, default_temperatures
from regmdp._internal.array_checks import check_array
from regmdp._internal.arrays import ArrayLike, Float, freeze
from regmdp._internal.errors import PolicyError
from regmdp._internal.events import CallbackLike, Event, as_callback
from regmdp._internal.parameters import Number, checked
from regmdp._internal.status import Status
from regmdp._internal.width_table import freeze_stored
from regmdp._solve import solve
from regmdp.algorithms import Tolerance
from regmdp.mdp import MDP
from regmdp.mdp.deterministic import DeterministicPolicy
from regmdp.policies import as_columns, by_numbers, check_policy, holds_actions
from regmdp.problem import Problem
from regmdp.regularizers import KL
from regmdp.solution import Solution

__all__ = ["frontier"]


@checked(tol=Number(above=0.0), absolute_tol=Number(above=0.0) | None)
def frontier(
    mdp: MDP,
    reference: ArrayLike,
    temperatures: Iterable[float] | None = None,
    *,
    tol: float = 1e-9,
    absolute_tol: float | None = None,
    callback: CallbackLike = None,
) -> Frontier:
    r"""Compute the trade-off between value and divergence from a reference policy.

    For each temperature the policy that maximises \(V(\pi) - \tau D(\pi)\) is found, where D is the
    divergence from the reference; each solve starts from the last policy. :meth:`Frontier.upper`
    and :meth:`Frontier.lower` bound the value of any policy within a divergence.

    Args:
        mdp: The model, whose initial distribution is ρ.
        reference: (S, A) policy, (S,) action numbers, or (A,) for the same distribution in every
            state.
        temperatures: Positive, in the unit of the rewards per nat, in any order. By default four a
            decade, from 100 times the mean price of a nat to a hundredth of it; the mean price is
            the gain of the optimum within the reference's support, over its divergence.
        tol: The certified gap to reach at each of them, divided by the size of the values; more
            than 0, otherwise as for :func:`regmdp.solve`.
        absolute_tol: The certified gap to reach in the unit of the rewards, instead of ``tol``.
        callback: A function, or several, called with an :class:`regmdp.Event` after each iteration
            of the solver. Its measures are the solver's and ``temperature``, the τ that is being
            solved for, ``points``, the number of finished points, and ``total``, the number of
            points in all (0 until the temperatures are chosen). Returning False, or Ctrl-C, ends
            the run with the points that are finished.

    Returns:
        The frontier: the reference, one point a temperature from the highest to the lowest, and the
        optimum at τ = 0.

    Raises:
        PolicyError: if the reference is not a policy of the model.
        ImproperPolicyError: if γ = 1 and the reference does not end the episode.
        SolverError: if a temperature is not a positive number or is given twice, or the tolerance
            is not positive.
        UnboundedError: if γ = 1 and some policy gains without limit.

    Examples:
        >>> import regmdp as rm
        >>> mdp = rm.models.bandit()
        >>> frontier = rm.frontier(mdp, rm.uniform_policy(mdp), [1.0, 0.1])
        >>> frontier
        Frontier(4 points, gain up to 0.333333, up to 1.099 nats from the reference)
        >>> bool(frontier.lower(0.5) <= frontier.upper(0.5))
        True
    """
    problem = Problem.check(mdp)
    chosen = None if temperatures is None else check_temperatures(temperatures)
    tolerance = Tolerance.check(tol, absolute_tol)
    policy = _check_reference(problem.mdp, reference)
    search = _FrontierSearch(problem.mdp, policy, tolerance, measure_reference(problem.mdp, policy))
    status = search.run(chosen, as_callback(callback))
    return search.to_frontier(status)


@dataclass(eq=False)
class _FrontierSearch:
    """A frontier while it is computed.

    Attributes:
        mdp: The model.
        reference: (S, A) the reference policy.
        tolerance: The certified gap to reach.
        start: The point of the reference.
        found: The other points with their solutions: first that at τ = 0, then from the highest
            temperature to the lowest.
    """

    mdp: MDP
    reference: Float[np.ndarray, "S A"]
    tolerance: Tolerance
    start: PolicyPoint
    found: list[tuple[PolicyPoint, Solution]] = field(default_factory=list)

    def run(
        self, chosen: tuple[float, ...] | None, proceed: Callable[[Event], bool]
    ) -> Status | None:
        """Solve for all points; return why the run ended before the last one, or None."""
        try:
            # the optimum comes first: the default temperatures are chosen by it
            total = 0 if chosen is None else len(chosen) + 2
            status = self._solve_at(0.0, total, proceed)
            if status is None and chosen is None:
                optimum = self.found[0][0]
                gain = optimum.value - self.start.value
                chosen = default_temperatures(gain, optimum.divergence)
            for temperature in chosen or ():
                if status is not None:
                    break
                status = self._solve_at(temperature, len(chosen or ()) + 2, proceed)
        except KeyboardInterrupt:
            status = Status.INTERRUPTED
        return status

    def _solve_at(
        self, temperature: float, total: int, proceed: Callable[[Event], bool]
    ) -> Status | None:
        """Add the point of a temperature; return the status if the solve was ended before."""
        position = {"temperature": temperature, "points": len(self.found) + 1, "total": total}
        solution = solve(
            self.mdp,
            KL(self.reference, temperature=temperature),
            tol=self.tolerance.relative,
            absolute_tol=self.tolerance.absolute,
            start=self.found[-1][1] if len(self.found) > 1 else None,
            callback=partial(_forward_event, proceed, position),
        )
        if solution.status in (Status.INTERRUPTED, Status.STOPPED):
            return solution.status
        policy = as_columns(self.mdp, solution.policy)
        point = measure_policy(self.mdp, self.reference, policy, temperature)
        self.found.append((point, solution))
        return None

    def to_frontier(self, status: Status | None) -> Frontier:
        """Return the finished points in the order of decreasing temperatures.

        Args:
            status: Why points are missing; None if they are all there.
        """
        ordered = [*self.found[1:], *self.found[:1]]
        points = [self.start, *(point for point, _ in ordered)]
        solutions = tuple(solution for _, solution in ordered)
        columns = {
            column.name: freeze(np.array([getattr(point, column.name) for point in points]))
            for column in fields(PolicyPoint)
        }
        failures = [solution.status for solution in solutions if not solution.status.ok]
        return Frontier(
            **columns,
            reference=by_numbers(self.mdp, freeze_stored(self.reference)),
            solutions=solutions,
            problem=repr(self.mdp),
            status=status or (failures[0] if failures else Status.CONVERGED),
        )


def _forward_event(
    proceed: Callable[[Event], bool], position: Mapping[str, float], event: Event
) -> bool:
    """Pass on an event of the solver, with the position in the frontier added to its measures."""
    return proceed(replace(event, measures={**event.measures, **position}))


def _check_reference(mdp: MDP, reference: ArrayLike) -> Float[np.ndarray, "S A"]:
    """Return the reference as (S, A) probabilities whose rows sum to 1."""
    given = as_columns(mdp, reference)
    if not (
        isinstance(given, DeterministicPolicy) or mdp.partition.holds(given) or holds_actions(given)
    ):
        given = check_array("the reference", given, error=PolicyError)
    if isinstance(given, np.ndarray) and given.shape == (mdp.n_actions,) and given.dtype == float:
        given = np.where(mdp.terminal[:, None], 0.0, np.broadcast_to(given, mdp.rewards.shape))
    try:
        found = check_policy(mdp, given)
        return found if mdp.partition.holds(found) else np.array(found, dtype=np.float64)
    except PolicyError as error:
        raise PolicyError(f"the reference is not a policy of this model: {error}") from None
