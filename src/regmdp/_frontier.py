r"""How far from a reference policy one must go for how much value, bounded from both sides.

For a policy π write V(π) for its value from ρ, the regularizer left out, and D(π) for its
divergence from the reference p0,

\[ D(\pi) = E\Big[\sum_t \gamma^t \mathrm{KL}(\pi(s_t) \,\|\, p^0(s_t))\Big] \]

in nats. The frontier is F(D) = max V(π) over the policies with D(π) ≤ D.

**Above.** Let U_τ be the certified upper bound on the regularized optimum from ρ, max V(π) - τ
D(π). Any policy with D(π) ≤ D then has V(π) ≤ U_τ + τ D(π) ≤ U_τ + τ D. As that holds for every τ ≥
0 that was solved, F(D) ≤ min_τ (U_τ + τ D). No policy has to be optimal for it, and how far the
solvers came shows in U_τ alone.

**Below.** A policy that was found has a value of at least its lower bound, at a divergence of at
most its upper one. What lies between two such points is attained as well: let x(s, a) be the
expected discounted number of times that a is taken in s. V is linear in x, and D = Σ x log(x /
(x(s) p0)), with x(s) = Σ_a x(s, a), is convex in it. The stationary policy that belongs to a
mixture of two x therefore has the mixture's value, and no more than the mixture's divergence. So F
lies on or above the concave hull of the points.
"""

from __future__ import annotations

import csv
import io
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from regmdp._internal.arrays import UNIT_ROUNDOFF, Float, freeze
from regmdp._internal.errors import FormatError, PolicyError, SolverError
from regmdp._internal.events import CallbackLike, Event, as_callback
from regmdp._internal.files import read_arrays, replace_atomically, write_arrays
from regmdp._internal.status import Status
from regmdp._solve import solve
from regmdp.certificates import Certificate, evaluate
from regmdp.certificates.certificate import Bounds, format_bound
from regmdp.mdp import MDP
from regmdp.policies import check_policy
from regmdp.regularizers import KL
from regmdp.solution import Solution

__all__ = ["Frontier", "default_temperatures", "frontier"]

KIND = "frontier"
ARRAYS = (
    "temperature",
    "value",
    "value_lower",
    "value_upper",
    "divergence",
    "divergence_lower",
    "divergence_upper",
    "reference",
)

#: The default temperatures reach from SPAN times the mean price of a nat to a SPAN-th of it, so
#: many of them a decade.
SPAN, PER_DECADE = 100.0, 4


@dataclass(frozen=True, eq=False)
class Frontier:
    """Policies from the reference to the optimum, and what no policy can do better.

    The n points go from the reference (τ = ∞) over decreasing temperatures to τ = 0, the best
    policy that takes no action which the reference never takes. Values are from the initial
    distribution, in the unit of the rewards, with the regularizer left out.

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
        interrupted: Whether points are missing because the run was interrupted.
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
    interrupted: bool = False

    def __len__(self) -> int:
        return self.temperature.size

    @property
    def policies(self) -> tuple[Float[np.ndarray, "S A"], ...]:
        """The n policies, (S, A) each."""
        return (self.reference, *(solution.policy for solution in self.solutions))

    @property
    def regularized(self) -> Float[np.ndarray, " n"]:
        """(n,) value with the regularizer, V - τ D; of the reference its value."""
        return np.array([self.value[0], *(solution.initial_value for solution in self.solutions)])

    @property
    def optimum_upper(self) -> Float[np.ndarray, " n"]:
        """(n,) certified upper bound U_τ on the regularized optimum from ρ; of the reference that on its value."""
        return np.array(
            [
                self.value_upper[0],
                *(solution.certificate.initial_upper for solution in self.solutions),
            ]
        )

    @property
    def gap(self) -> Float[np.ndarray, " n"]:
        """(n,) certified gap of each solution in its worst state; 0 for the reference, which is not solved for."""
        return np.array([0.0, *(solution.certificate.gap for solution in self.solutions)])

    @property
    def statuses(self) -> tuple[Status, ...]:
        """How the solver ended at each point; the reference counts as converged."""
        return (Status.CONVERGED, *(solution.status for solution in self.solutions))

    @property
    def gain(self) -> Float[np.ndarray, " n"]:
        """(n,) value beyond that of the reference."""
        return self.value - self.value[0]

    @property
    def largest_gain(self) -> float:
        """The largest gain of a point; that at τ = 0, up to the tolerance."""
        return float(self.gain.max())

    @property
    def ceiling(self) -> Float[np.ndarray, " n"]:
        """(n,) bound on the value of every policy that diverges no further from the reference than the point."""
        return self.upper(self.divergence_upper)

    def upper(self, divergence: Any) -> Float[np.ndarray, "*shape"]:
        """Return what no policy within so many nats of the reference is worth more than: min over τ of U_τ + τ D.

        Args:
            divergence: One or several D, in nats; any shape.

        Raises:
            SolverError: if one is negative or not a number.
        """
        nats = _checked_divergence(divergence)
        lowest = np.full(nats.shape, np.inf)
        for temperature, optimum in zip(self.temperature[1:], self.optimum_upper[1:], strict=True):
            price = (
                temperature * nats if temperature > 0.0 else np.zeros(nats.shape)
            )  # not 0 times infinity
            lowest = np.minimum(
                lowest, optimum + price + 4 * UNIT_ROUNDOFF * (abs(optimum) + price)
            )
        # a policy at divergence 0 does what the reference does wherever it comes
        return np.asarray(np.where(nats == 0.0, np.minimum(lowest, self.value_upper[0]), lowest))

    def lower(self, divergence: Any) -> Float[np.ndarray, "*shape"]:
        """Return what some policy within so many nats of the reference is worth at least: the concave hull of the points.

        Args:
            divergence: One or several D, in nats; any shape.

        Raises:
            SolverError: if one is negative or not a number.
        """
        nats = _checked_divergence(divergence)
        far, high = self.hull()
        return np.asarray(np.interp(nats, far, high) - _rounding(high))

    def hull(self) -> tuple[Float[np.ndarray, " m"], Float[np.ndarray, " m"]]:
        """Return (m,) divergences and (m,) values of the corners of the concave hull, both increasing; the first is at 0."""
        corners: list[tuple[float, float]] = []
        for far, high in sorted(
            zip(self.divergence_upper.tolist(), self.value_lower.tolist(), strict=True)
        ):
            if not np.isfinite(far) or (corners and high <= corners[-1][1]):
                continue
            while corners and (
                far == corners[-1][0]
                or (len(corners) > 1 and _below(corners[-2], corners[-1], (far, high)))
            ):
                corners.pop()
            corners.append((far, high))
        hull = np.array(corners)
        return hull[:, 0], hull[:, 1]

    def divergence_for(self, gain: float) -> tuple[float, float]:
        """Bound from both sides the least divergence at which a policy earns so much more than the reference.

        Args:
            gain: In the unit of the rewards, 0 or more.

        Returns:
            (lower, upper), in nats: no policy does it with less than the lower one, and some policy
            does it with the upper one. Infinite where no policy does it, or none is known that
            does.

        Raises:
            SolverError: if the gain is negative or not a number.

        Examples:
            >>> import regmdp as rm
            >>> mdp = rm.models.bandit()
            >>> frontier = rm.frontier(mdp, rm.uniform_policy(mdp))
            >>> least, enough = frontier.divergence_for(frontier.largest_gain / 2)
            >>> round(least, 2), round(enough, 2)
            (0.1, 0.11)
        """
        if not gain >= 0.0:
            raise SolverError(f"a gain must be a number, 0 or more, not {gain!r}")
        if gain == 0.0:
            return 0.0, 0.0
        slack = 8 * UNIT_ROUNDOFF * (float(np.max(np.abs(self.value_upper[:1]))) + gain)
        least = float(self.value_lower[0]) + gain - slack
        needed = 0.0
        for temperature, optimum in zip(self.temperature[1:], self.optimum_upper[1:], strict=True):
            if least > optimum:
                needed = max(
                    needed,
                    (least - optimum) / temperature * (1 - 8 * UNIT_ROUNDOFF)
                    if temperature > 0.0
                    else np.inf,
                )
        return float(needed), self._enough(float(self.value_upper[0]) + gain + slack)

    def _enough(self, value: float) -> float:
        """Return the least divergence at which the hull reaches a value; infinite if it never does."""
        far, high = self.hull()
        value += _rounding(high)
        if value > high[-1]:
            return np.inf
        return float(np.interp(value, high, far)) * (1 + 16 * UNIT_ROUNDOFF)

    def columns(self) -> dict[str, Float[np.ndarray, " n"]]:
        """Return the numbers of the points by name, as :meth:`to_csv` writes them."""
        names = [name for name in ARRAYS if name != "reference"]
        columns = {name: getattr(self, name) for name in names}
        return columns | {
            "ceiling": self.ceiling,
            "gain": self.gain,
            "regularized": self.regularized,
            "gap": self.gap,
        }

    def to_csv(self, path: str | PathLike[str]) -> None:
        """Write a line of numbers a point, with the status of its solver in the last column; the numbers read back exactly.

        Args:
            path: Where to write.
        """
        columns = self.columns()
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow([*columns, "status"])
        for *numbers, status in zip(*columns.values(), self.statuses, strict=True):
            writer.writerow([*(repr(float(number)) for number in numbers), status.word])
        replace_atomically(path, lambda file: file.write(text.getvalue().encode("utf-8")))

    def table(self) -> tuple[list[str], list[list[str]]]:
        """Return the heading and the rows of the summary as text; bounds are rounded outwards, like what they stand for."""
        largest = self.largest_gain
        rows = []
        for k, ceiling in enumerate(self.ceiling.tolist()):
            share = f"{100 * self.gain[k] / largest:.1f} %" if largest > 0 else "–"
            rows.append(
                [
                    "∞ (reference)" if k == 0 else f"{self.temperature[k]:.4g}",
                    f"{self.divergence[k]:.4g}",
                    f"{self.value[k]:.6g}",
                    format_bound(float(self.value_lower[k]), 9, -1),
                    format_bound(ceiling, 9, 1),
                    f"{self.gain[k]:+.4g}",
                    share,
                    format_bound(float(self.gap[k]), 2, 1) if k else "–",
                    self.statuses[k].word if k else "given",
                ]
            )
        return [
            "temperature",
            "nats",
            "value",
            "at least",
            "no policy above",
            "gain",
            "share",
            "gap",
            "status",
        ], rows

    def halfway(self) -> str:
        """Return the answer in a sentence: how far one has to go for half of the largest gain."""
        if not self.solutions:
            return "only the reference is finished, so nothing is known of what can be gained"
        if self.largest_gain <= 0.0:
            return "nothing that the reference ever does earns more than the reference itself"
        least, enough = self.divergence_for(self.largest_gain / 2)
        between = (
            f"at least {format_bound(least, 4, -1)} and at most {format_bound(enough, 4, 1)} nats"
        )
        return f"half of the largest gain of {self.largest_gain:.4g} needs {between}"

    def summary(self) -> str:
        """Return the points as a table, and how far one has to go for half of the gain.

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
        cells = [heading, *rows]
        widths = [max(len(row[k]) for row in cells) for k in range(len(heading))]
        lines = [
            "  ".join(
                [
                    row[0].ljust(widths[0]),
                    *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True)),
                ]
            )
            for row in cells
        ]
        left = ["interrupted: points are missing"] if self.interrupted else []
        return "\n".join([*(line.rstrip() for line in lines), self.halfway(), *left])

    def save(self, path: str | PathLike[str]) -> None:
        """Write the frontier with its solutions to a ``.npz`` file, which is replaced whole or not at all.

        Args:
            path: Where to write.
        """
        arrays = {name: getattr(self, name) for name in ARRAYS}
        with tempfile.TemporaryDirectory() as folder:
            for k, solution in enumerate(self.solutions):
                solution.save(Path(folder) / "solution.npz")
                arrays[f"solution_{k}"] = np.frombuffer(
                    (Path(folder) / "solution.npz").read_bytes(), dtype=np.uint8
                )
        write_arrays(path, KIND, arrays, {"problem": self.problem, "interrupted": self.interrupted})

    @classmethod
    def load(cls, path: str | PathLike[str]) -> Frontier:
        """Read a frontier that :meth:`save` wrote.

        Args:
            path: Where it is.

        Raises:
            FormatError: if the file is damaged or something else.
        """
        arrays, meta = read_arrays(path, KIND)
        try:
            points = {name: freeze(arrays[name]) for name in ARRAYS}
            solutions = []
            with tempfile.TemporaryDirectory() as folder:
                for k in range(points["temperature"].size - 1):
                    (Path(folder) / "solution.npz").write_bytes(arrays[f"solution_{k}"].tobytes())
                    solutions.append(Solution.load(Path(folder) / "solution.npz"))
            return cls(
                **points,
                solutions=tuple(solutions),
                problem=str(meta["problem"]),
                interrupted=bool(meta["interrupted"]),
            )
        except KeyError as error:
            raise FormatError(f"{path} is not a complete frontier: {error} is missing") from error

    def __repr__(self) -> str:
        far = float(self.divergence.max())
        return (
            f"Frontier({len(self)} points, gain up to {self.largest_gain:.6g}, up to {far:.4g} "
            "nats from the reference)"
        )


def frontier(
    mdp: MDP,
    reference: Any,
    temperatures: Any = None,
    *,
    tol: float = 1e-8,
    callback: CallbackLike = None,
) -> Frontier:
    r"""Find how far from a reference policy one must go for how much value.

    For each temperature the policy that maximises \(V(\pi) - \tau D(\pi)\) is found, where D is the
    divergence from the reference, each search starting from the last policy. :meth:`Frontier.upper`
    and :meth:`Frontier.lower` bound what any policy can do.

    Args:
        mdp: The model, whose initial distribution is ρ.
        reference: (S, A) policy, (S,) action numbers, or (A,) for the same distribution in every
            state.
        temperatures: Positive, in the unit of the rewards per nat, in any order. By default four a
            decade, from 100 times the mean price of a nat to a hundredth of it: what the optimum
            within the reference's support gains, over its divergence.
        tol: The certified gap to reach at each of them, in the unit of the rewards.
        callback: A function, or several, called with an :class:`regmdp.Event` after each iteration
            of the solver. Its measures are the solver's and ``temperature``, the τ that is being
            solved for, ``points``, how many points are finished, and ``total``, how many there will
            be (0 until the temperatures are chosen). Returning False, or Ctrl-C, ends the run with
            the points that are finished.

    Returns:
        The frontier: the reference, one point a temperature from the highest down, and the optimum
        at τ = 0.

    Raises:
        PolicyError: if the reference is not a policy of the model.
        ImproperPolicyError: if γ = 1 and the reference does not end the episode.
        SolverError: if a temperature is not a positive number or is there twice, or the tolerance
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
    if not isinstance(mdp, MDP):
        raise SolverError(
            f"the model must be a regmdp.MDP, not {type(mdp).__name__}; build one with MDP(P, r, "
            "discount=…)"
        )
    chosen = None if temperatures is None else _checked_temperatures(temperatures)
    if not tol > 0.0:
        raise SolverError(f"tol must be positive, not {tol!r}")
    policy = _checked_reference(mdp, reference)
    points, proceed = [_Point.of(mdp, policy, policy)], as_callback(callback)
    solutions: list[Solution] = []
    interrupted = False
    try:
        # the far end comes first: the default temperatures are chosen by it
        queue: list[float] = [0.0]
        total = None if chosen is None else len(chosen) + 2
        for temperature in queue:
            where = {"temperature": temperature, "points": len(points), "total": total or 0}
            forward = partial(_forward, proceed, where)
            start = solutions[-1] if len(solutions) > 1 else None
            solution = solve(
                mdp, KL(policy, temperature=temperature), tol=tol, start=start, callback=forward
            )
            if solution.status in (Status.INTERRUPTED, Status.STOPPED):
                interrupted = True
                break
            point = _Point.of(mdp, policy, solution.policy, temperature)
            points.append(point)
            solutions.append(solution)
            if temperature == 0.0:
                chosen = (
                    default_temperatures(point.value - points[0].value, point.divergence)
                    if chosen is None
                    else chosen
                )
                queue.extend(chosen)
                total = len(chosen) + 2
    except KeyboardInterrupt:
        interrupted = True
        del points[len(solutions) + 1 :]
    order = [0, *range(2, len(points)), 1][: len(points)]
    columns = {
        name: freeze(np.array([getattr(points[k], name) for k in order]))
        for name in ARRAYS
        if name != "reference"
    }
    ordered = tuple(solutions[k - 1] for k in order[1:])
    return Frontier(
        **columns,
        reference=freeze(policy),
        solutions=ordered,
        problem=repr(mdp),
        interrupted=interrupted,
    )


def default_temperatures(gain: float, divergence: float) -> tuple[float, ...]:
    """Return decreasing temperatures, four a decade, around the mean price of a nat: what is gained over how far it is.

    Args:
        gain: Of the optimum over the reference.
        divergence: Of the optimum from the reference, in nats.

    Examples:
        >>> [f"{temperature:.3g}" for temperature in default_temperatures(2.0, 4.0)][::4]
        ['50', '5', '0.5', '0.05', '0.005']
        >>> default_temperatures(0.0, 0.0)
        ()
    """
    if not (gain > 0.0 and divergence > 0.0):
        return ()
    price = gain / divergence
    count = round(2 * np.log10(SPAN) * PER_DECADE) + 1
    return tuple(np.geomspace(SPAN * price, price / SPAN, count).tolist())


@dataclass(frozen=True)
class _Point:
    """A policy's value and divergence from the reference, with certified bounds."""

    temperature: float
    value: float
    value_lower: float
    value_upper: float
    divergence: float
    divergence_lower: float
    divergence_upper: float

    @classmethod
    def of(
        cls, mdp: MDP, reference: np.ndarray, policy: np.ndarray, temperature: float = np.inf
    ) -> _Point:
        earned = _from_initial(mdp, policy, None)
        if np.isinf(temperature):
            return cls(temperature, *earned, 0.0, 0.0, 0.0)
        # the divergence is what the regularizer costs where nothing is earned
        cost, lowest, highest = _from_initial(
            mdp.with_rewards(np.zeros_like(mdp.rewards)), policy, KL(reference, temperature=1.0)
        )
        return cls(temperature, *earned, max(-cost, 0.0), max(-highest, 0.0), max(-lowest, 0.0))


def _from_initial(
    mdp: MDP, policy: np.ndarray, regularizer: KL | None
) -> tuple[float, float, float]:
    """Return the value of a policy from ρ, and certified bounds below and above."""
    found = evaluate(mdp, policy, regularizer)
    bounds = Certificate.from_bounds(
        mdp.initial, Bounds(found.lower, found.upper, found.lower, found.upper)
    )
    return found.initial_value, bounds.initial_lower, bounds.initial_upper


def _forward(proceed: Callable[[Event], bool], where: Mapping[str, float], event: Event) -> bool:
    """Pass on an event of the solver, with the point that it is solving for."""
    return proceed(replace(event, measures={**event.measures, **where}))


def _below(
    first: tuple[float, float], middle: tuple[float, float], last: tuple[float, float]
) -> bool:
    """Whether the middle one of three points, from left to right, is not above the line through the others."""
    return (middle[1] - first[1]) * (last[0] - first[0]) <= (last[1] - first[1]) * (
        middle[0] - first[0]
    )


def _rounding(high: Float[np.ndarray, " m"]) -> float:
    """Return more than what rounding can change in a value between corners of the hull."""
    return 16 * UNIT_ROUNDOFF * float(np.max(np.abs(high[np.isfinite(high)]), initial=0.0))


def _checked_divergence(divergence: Any) -> Float[np.ndarray, "*shape"]:
    nats = np.asarray(divergence, dtype=np.float64)
    if not np.all(nats >= 0.0):
        raise SolverError("a divergence must be a number of nats, 0 or more")
    return nats


def _checked_temperatures(temperatures: Any) -> tuple[float, ...]:
    """Return temperatures from outside, from the highest down."""
    try:
        numbers = [float(temperature) for temperature in temperatures]
    except (TypeError, ValueError):
        raise SolverError(
            f"temperatures must be numbers, as in [1.0, 0.1], not {temperatures!r}"
        ) from None
    for number in numbers:
        if not (number > 0.0 and np.isfinite(number)):
            also = (
                "; the optimum at temperature 0 is part of every frontier" if number == 0.0 else ""
            )
            raise SolverError(f"a temperature must be positive and finite, not {number:g}{also}")
        if numbers.count(number) > 1:
            raise SolverError(
                f"the temperature {number:g} is there {numbers.count(number)} times; give each once"
            )
    return tuple(sorted(numbers, reverse=True))


def _checked_reference(mdp: MDP, reference: Any) -> Float[np.ndarray, "S A"]:
    """Return the reference as (S, A) probabilities whose rows sum to 1."""
    given = np.asarray(reference)
    if given.ndim == 1 and given.shape == (mdp.n_actions,) and given.dtype.kind == "f":
        given = np.where(mdp.terminal[:, None], 0.0, np.broadcast_to(given, mdp.rewards.shape))
    try:
        return np.array(check_policy(mdp, given), dtype=np.float64)
    except PolicyError as error:
        raise PolicyError(f"the reference is not a policy of this model: {error}") from None
