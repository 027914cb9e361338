r"""Greedy distributions of smooth convex functions, with bounds on the distance from the maximum.

A primal-dual interior-point method (Wright 1997, *Primal-Dual Interior-Point Methods*): Newton's
method on the conditions of optimality, with a decreasing barrier at the bounds on probabilities. It
is slow and general. The returned bound holds at any point, for every convex function h:

.. math::
    \max_{p'} f(p') - f(p) \le \max_{p'} \langle p' - p, \nabla f(p) \rangle, \qquad
    f(p) = \langle p, y \rangle - h(p)
"""

from __future__ import annotations

import numpy as np

from regmdp._internal.arrays import Array, Float
from regmdp.regularizers._probability_bounds import ProbabilityBounds
from regmdp.regularizers._weighted_sum import WeightedSum

__all__ = ["MIN_SCORE", "maximise"]

#: Maximal number of Newton steps; a well-conditioned function needs about twenty.
MAX_STEPS = 400

#: Number of steps without progress in any row after which the search stops.
MAX_IDLE_STEPS = 20

#: One step leaves a probability at least this fraction of its distance from a bound.
MIN_DISTANCE_FRACTION = 1e-3

#: Maximal number of halvings of a step.
MAX_HALVINGS = 60

#: Lower scores are raised to this.
MIN_SCORE = -1e100

#: Smallest distance from a bound.
MIN_DISTANCE = 1e-300


def maximise(
    function: WeightedSum,
    y: Float[np.ndarray, "N A"],
    bounds: ProbabilityBounds,
    goal: Float[np.ndarray, " N"],
) -> tuple[Float[np.ndarray, "N A"], Float[np.ndarray, " N"]]:
    """Maximise ⟨p, y⟩ - h(p) in each row, over the distributions between bounds.

    Args:
        function: h.
        y: (N, A) scores, -inf at actions that are not allowed.
        bounds: (N, A) bounds on probabilities, 0 and 0 at actions that are not allowed.
        goal: (N,) distance from the maximum at which a row is solved.

    Returns:
        The (N, A) distributions, and (N,) bounds on their distances from the maximum.
    """
    with np.errstate(all="ignore"):
        return _InteriorPointSearch(function, y, bounds, goal).run()


class _InteriorPointSearch:
    """The iterate of the interior-point method.

    Attributes:
        p: (N, A) the point; free actions are strictly between their bounds.
        below, above: (N, A) multipliers of the lower and of the upper bounds.
        level: (N,) the multiplier of the condition that the probabilities sum to 1.
    """

    def __init__(
        self, function: WeightedSum, y: Array, bounds: ProbabilityBounds, goal: Array
    ) -> None:
        self.function, self.bounds, self.goal = function, bounds, goal
        self.lower = bounds.lower
        # the upper bound 1 is redundant: the probabilities sum to 1
        self.upper = np.where(bounds.upper < 1.0, bounds.upper, 2.0)
        self.free = self.upper - self.lower > 1e-14
        self.y = np.where(self.upper > 0, np.maximum(y, MIN_SCORE), 0.0)
        self.p = np.where(self.free, bounds.centre(), self.lower)
        # the multiplier of an action far below the best is about that distance; those of others
        # have the scale of the gradient
        gradient = self._objective_gradient(self.p)
        short = np.max(
            gradient, axis=1, keepdims=True, where=self.free, initial=-np.inf
        ) - np.where(self.free, gradient, 0.0)
        spread = np.max(short, axis=1, keepdims=True, where=self.free, initial=0.0)
        change = np.max(
            np.abs(gradient - self.y), axis=1, keepdims=True, where=self.free, initial=0.0
        )
        scale = np.maximum(
            np.where(change > 0, np.minimum(change, spread), 1e-3 * spread), MIN_DISTANCE
        )
        self.below = np.where(self.free, short + scale, 0.0)
        self.above = np.where(self.free, np.broadcast_to(spread + scale, short.shape), 0.0)
        self.level = np.zeros(len(y))

    def _objective_gradient(self, p: Array) -> Array:
        """Return the gradient of ⟨p, y⟩ - h(p), 0 at fixed actions."""
        slope = self.function.gradient(p)
        return np.where(self.upper > 0, self.y - np.where(self.upper > 0, slope, 0.0), 0.0)

    def run(self) -> tuple[Array, Array]:
        best, gap = self.p, np.full(len(self.y), np.inf)
        gradient = self._objective_gradient(self.p)
        share = np.full(len(self.y), 0.1)
        before, idle = gap, 0
        for _ in range(MAX_STEPS):
            for p in (self.p, self._snap_to_bounds()):
                loss = self._bound_loss(p)
                better = loss < gap
                best, gap = np.where(better[:, None], p, best), np.where(better, loss, gap)
            low, high = self._distances(self.p)
            slackness = np.sum(
                np.where(self.free, self.below * low + self.above * high, 0.0), axis=1
            )
            progress = np.any((gap > self.goal) & ((gap < 0.9 * before) | (slackness > 0.1 * gap)))
            idle = 0 if progress else idle + 1
            if np.all((gap <= self.goal) | ~self.free.any(axis=1)) or (
                idle > MAX_IDLE_STEPS and np.isfinite(gap).all()
            ):
                break
            before = np.where(gap < 0.9 * before, gap, before)
            gradient, share = self._take_step(gradient, share)
        # a point inside may be closer to a bound than MIN_DISTANCE
        return np.clip(best, self.lower, self.upper), np.where(self.free.any(axis=1), gap, 0.0)

    def _bound_loss(self, p: Array) -> Array:
        """Bound the distance of ⟨p, y⟩ - h(p) from its maximum."""
        gradients = self.function.gradients(p)
        gradient = np.where(self.upper > 0, self.y - self.function.weighted_sum(gradients), -np.inf)
        relative = gradient - np.max(gradient, axis=1, keepdims=True)
        most = self.bounds.linear_maximiser(relative)
        loss = np.sum(
            (most - p) * np.where(most == p, 0.0, relative), axis=1
        ) + self.function.tangent_error(p, gradients)
        wrong = (
            np.isnan(loss)
            | np.any(gradient == np.inf, axis=1)
            | ~self.bounds.contains(p)
            | (np.abs(p.sum(axis=1) - 1.0) > 1e-13)
        )
        return np.where(wrong, np.inf, np.maximum(loss, 0.0))

    def _snap_to_bounds(self) -> Array:
        """Move probabilities onto bounds whose multipliers are larger than the distances."""
        low, high = self.p - self.lower, self.upper - self.p
        scale = np.maximum(np.max(self.below + self.above, axis=1, keepdims=True), MIN_DISTANCE)
        down, up = self.free & (self.below > low * scale), self.free & (self.above > high * scale)
        moved = np.where(down, self.lower, np.where(up, self.upper, self.p))
        rest = 1.0 - moved.sum(axis=1, keepdims=True)
        room = np.where(self.free & ~down & ~up, np.minimum(low, high), 0.0)
        return moved + rest * room / np.maximum(room.sum(axis=1, keepdims=True), MIN_DISTANCE)

    def _take_step(self, gradient: Array, share: Array) -> tuple[Array, Array]:
        """Take one Newton step; return the gradient there and the next fraction of the barrier."""
        low, high = self._distances(self.p)
        count = 2.0 * np.maximum(self.free.sum(axis=1), 1)
        barrier = (
            share
            * np.sum(np.where(self.free, self.below * low + self.above * high, 0.0), axis=1)
            / count
        )
        size = np.where(self.free, np.minimum(low, high), 0.0)
        push = np.where(self.free, barrier[:, None] * (1.0 / low - 1.0 / high), 0.0)
        own = np.where(self.free, size * (self.below / low + self.above / high) * size, 1.0)
        step, level = self._solve_newton_system(size, own, size * (gradient + push))
        step *= size
        below = np.where(self.free, barrier[:, None] / low - self.below * step / low, 0.0)
        above = np.where(self.free, barrier[:, None] / high + self.above * step / high, 0.0)
        length = _max_step_length(np.where(step < 0, low, high), np.abs(step), self.free)
        climb = np.sum(step * (gradient + push), axis=1)
        p, after, length = self._line_search(step, length, climb, barrier)
        p = np.where(self.free & np.isfinite(after), p, self.p)
        # the rounding error of the sum
        p += (
            np.where(self.free, size, 0.0)
            * ((1.0 - p.sum(axis=1)) / np.maximum(size.sum(axis=1), MIN_DISTANCE))[:, None]
        )
        self.p = p
        below, above = below - self.below, above - self.above
        dual = np.minimum(
            _max_step_length(self.below, -below, self.free),
            _max_step_length(self.above, -above, self.free),
        )
        self.below = self.below + dual[:, None] * below
        self.above = self.above + dual[:, None] * above
        self.level = level
        return self._objective_gradient(p), np.where(
            np.minimum(length, dual) > 0.9, 0.01, np.where(length > 0.3, 0.2, 0.7)
        )

    def _line_search(
        self, step: Array, length: Array, climb: Array, barrier: Array
    ) -> tuple[Array, Array, Array]:
        """Halve (N,) step lengths until the objective with the barrier no longer falls steeply.

        Args:
            step: (N, A) Newton step.
            length: (N,) fractions of it to try first.
            climb: (N,) derivative of the objective with the barrier along the step.
            barrier: (N,) weight of the barrier.

        Returns:
            The (N, A) points, the (N, A) gradients there, and the (N,) lengths.
        """
        p, after = self.p, np.zeros(self.p.shape)
        for _ in range(MAX_HALVINGS):
            p = np.where(self.free, self.p + length[:, None] * step, self.lower)
            after = self._objective_gradient(p)
            low, high = self._distances(p)
            push = np.where(self.free, barrier[:, None] * (1.0 / low - 1.0 / high), 0.0)
            left = np.sum(step * (after + push), axis=1)
            # along the line the derivative falls; where it is as negative as it was positive, the
            # step was too long
            good = np.isfinite(left) & (
                (left >= -0.5 * np.abs(climb)) | (np.abs(climb) <= 0.01 * self.goal)
            )
            if np.all(good):
                break
            length = np.where(good, length, 0.5 * length)
        return p, after, length

    def _distances(self, p: Array) -> tuple[Array, Array]:
        return np.maximum(p - self.lower, MIN_DISTANCE), np.maximum(self.upper - p, MIN_DISTANCE)

    def _solve_newton_system(self, size: Array, own: Array, force: Array) -> tuple[Array, Array]:
        """Solve for the step in units of ``size``, and for the level."""
        n_actions = size.shape[1]
        diagonal = np.arange(n_actions)
        curvature = self.function.hessian(self.p, size)
        # the error of differences may exceed the curvature; the barrier is curved without them
        curvature[:, diagonal, diagonal] = np.maximum(curvature[:, diagonal, diagonal], 0.0) + own
        unit = 1.0 / np.sqrt(np.maximum(curvature[:, diagonal, diagonal], 1e-290))
        # for a convex function no entry is larger than the 1 on the diagonal
        matrix = np.clip(np.nan_to_num(unit[:, :, None] * curvature * unit[:, None, :]), -1.0, 1.0)
        matrix[:, diagonal, diagonal] = 1.0 + 1e-13
        # with the condition that the step does not change Σ p: the curvature alone may be singular
        weight = unit * size
        largest = np.max(weight, axis=1, keepdims=True)
        weight = weight / np.where(largest > 0, largest, 1.0)
        system = np.zeros((len(size), n_actions + 1, n_actions + 1))
        system[:, :-1, :-1] = matrix
        system[:, :-1, -1], system[:, -1, :-1] = weight, weight
        system[:, -1, -1] = np.where(largest[:, 0] > 0, 0.0, 1.0)
        right = np.append(unit * force, np.zeros((len(size), 1)), axis=1)
        try:
            solved = np.linalg.solve(system, right[:, :, None])[:, :, 0]
        except np.linalg.LinAlgError:
            solved = np.stack(
                [np.linalg.lstsq(one, side)[0] for one, side in zip(system, right, strict=True)]
            )
        solved = np.nan_to_num(solved)
        return unit * solved[:, :-1], solved[:, -1] / np.where(largest > 0, largest, 1.0)[:, 0]


def _max_step_length(room: Array, step: Array, free: Array) -> Float[np.ndarray, " N"]:
    """Return (N,) fractions of (N, A) steps, at most 1, that leave some of the (N, A) room."""
    moving = free & (step > 0)
    share = np.where(moving, room / np.where(moving, step, 1.0), np.inf)
    return np.minimum(1.0, (1.0 - MIN_DISTANCE_FRACTION) * np.min(share, axis=1))
