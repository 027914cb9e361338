r"""The greedy distribution of any smooth convex function, with a bound on what is lacking.

The method is Newton's on the conditions of optimality, with a barrier at the limits that fades away
(primal-dual interior points: Wright 1997, *Primal-Dual Interior-Point Methods*). It is slow and
general.
What counts is the bound at the end, which holds for every convex function, however the point was
found:

.. math::
    \max_{p'} f(p') - f(p) \le \max_{p'} \langle p' - p, \nabla f(p) \rangle, \qquad f(p) = \langle p, y \rangle - h(p)
"""

from __future__ import annotations

import numpy as np

from regmdp._internal.arrays import Array, Float
from regmdp.regularizers._probability_bounds import ProbabilityBounds
from regmdp.regularizers._smooth import Smooth

__all__ = ["LOWEST", "maximise"]

#: Newton steps; a well-behaved function needs about twenty.
STEPS = 400

#: Steps without progress in any row, after which what is there is as good as rounding allows.
PATIENCE = 20

#: A probability does not come closer to a limit than to this fraction of its distance in one step.
CLOSEST = 1e-3

#: Scores are taken to be at least this.
LOWEST = -1e100

#: Smallest distance to a limit.
LEAST = 1e-300


def maximise(
    function: Smooth,
    y: Float[np.ndarray, "N A"],
    limits: ProbabilityBounds,
    goal: Float[np.ndarray, " N"],
) -> tuple[Float[np.ndarray, "N A"], Float[np.ndarray, " N"]]:
    """Maximise ⟨p, y⟩ - h(p) in each row, over the distributions within limits.

    Args:
        function: h.
        y: (N, A) scores, -inf at actions that are not allowed.
        limits: (N, A) limits, 0 and 0 at actions that are not allowed.
        goal: (N,) how far from the maximum a row may be left.

    Returns:
        The (N, A) distributions, and (N,) bounds on how far below the maximum each is.
    """
    with np.errstate(all="ignore"):
        return _Search(function, y, limits, goal).run()


class _Search:
    """The state of a search.

    Attributes:
        p: (N, A) the point; free actions lie strictly between their limits.
        below, above: (N, A) prices of the lower and of the upper limits.
        level: (N,) the multiplier of the condition that the probabilities sum to 1.
    """

    def __init__(self, function: Smooth, y: Array, limits: ProbabilityBounds, goal: Array) -> None:
        self.function, self.limits, self.goal = function, limits, goal
        # that no probability exceeds 1 need not be said: they sum to 1
        self.lower, self.upper = (
            np.asarray(limits.lower),
            np.where(np.asarray(limits.upper) < 1.0, limits.upper, 2.0),
        )
        self.free = self.upper - self.lower > 1e-14
        self.y = np.where(self.upper > 0, np.maximum(y, LOWEST), 0.0)
        self.p = np.where(self.free, np.asarray(limits.centre()), self.lower)
        # an action far below the best has about that price for its limit; others have one of the
        # scale of the gradient
        rise = self._rise(self.p)
        short = np.max(rise, axis=1, keepdims=True, where=self.free, initial=-np.inf) - np.where(
            self.free, rise, 0.0
        )
        spread = np.max(short, axis=1, keepdims=True, where=self.free, initial=0.0)
        change = np.max(np.abs(rise - self.y), axis=1, keepdims=True, where=self.free, initial=0.0)
        scale = np.maximum(np.where(change > 0, np.minimum(change, spread), 1e-3 * spread), LEAST)
        self.below = np.where(self.free, short + scale, 0.0)
        self.above = np.where(self.free, np.broadcast_to(spread + scale, short.shape), 0.0)
        self.level = np.zeros(len(y))

    def _rise(self, p: Array) -> Array:
        """Return the gradient of ⟨p, y⟩ - h(p), 0 at fixed actions."""
        slope = self.function.gradient(p)
        return np.where(self.upper > 0, self.y - np.where(self.upper > 0, slope, 0.0), 0.0)

    def run(self) -> tuple[Array, Array]:
        best, gap = self.p, np.full(len(self.y), np.inf)
        rise = self._rise(self.p)
        share = np.full(len(self.y), 0.1)
        before, idle = gap, 0
        for _ in range(STEPS):
            for p in (self.p, self._on_limits()):
                lacking = self._lacking(p)
                better = lacking < gap
                best, gap = np.where(better[:, None], p, best), np.where(better, lacking, gap)
            low, high = self._distances(self.p)
            fading = np.sum(np.where(self.free, self.below * low + self.above * high, 0.0), axis=1)
            progress = np.any((gap > self.goal) & ((gap < 0.9 * before) | (fading > 0.1 * gap)))
            idle = 0 if progress else idle + 1
            if np.all((gap <= self.goal) | ~self.free.any(axis=1)) or (
                idle > PATIENCE and np.isfinite(gap).all()
            ):
                break
            before = np.where(gap < 0.9 * before, gap, before)
            rise, share = self._step(rise, share)
        # a point inside may be closer to a limit than the least distance
        return np.clip(best, self.lower, self.upper), np.where(self.free.any(axis=1), gap, 0.0)

    def _lacking(self, p: Array) -> Array:
        """Return the bound on how far ⟨p, y⟩ - h(p) is below its maximum."""
        gradients = self.function.gradients(p)
        rise = np.where(self.upper > 0, self.y - self.function.total(gradients), -np.inf)
        relative = rise - np.max(rise, axis=1, keepdims=True)
        most = self.limits.linear_maximiser(relative)
        lacking = np.sum(
            (most - p) * np.where(most == p, 0.0, relative), axis=1
        ) + self.function.unsure(p, gradients)
        wrong = (
            np.isnan(lacking)
            | np.any(rise == np.inf, axis=1)
            | ~self.limits.contains(p)
            | (np.abs(p.sum(axis=1) - 1.0) > 1e-13)
        )
        return np.where(wrong, np.inf, np.maximum(lacking, 0.0))

    def _on_limits(self) -> Array:
        """Return the point with those probabilities put on a limit that are closer to it than the limit's price warrants."""
        low, high = self.p - self.lower, self.upper - self.p
        scale = np.maximum(np.max(self.below + self.above, axis=1, keepdims=True), LEAST)
        down, up = self.free & (self.below > low * scale), self.free & (self.above > high * scale)
        moved = np.where(down, self.lower, np.where(up, self.upper, self.p))
        rest = 1.0 - moved.sum(axis=1, keepdims=True)
        room = np.where(self.free & ~down & ~up, np.minimum(low, high), 0.0)
        return moved + rest * room / np.maximum(room.sum(axis=1, keepdims=True), LEAST)

    def _step(self, rise: Array, share: Array) -> tuple[Array, Array]:
        """Take one Newton step, and return the gradient there and the fraction of the barrier that is to remain."""
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
        step, level = self._newton(size, own, size * (rise + push))
        step *= size
        below = np.where(self.free, barrier[:, None] / low - self.below * step / low, 0.0)
        above = np.where(self.free, barrier[:, None] / high + self.above * step / high, 0.0)
        length = _longest(np.where(step < 0, low, high), np.abs(step), self.free)
        climb = np.sum(step * (rise + push), axis=1)
        p, after = self.p, rise
        for _ in range(60):
            p = np.where(self.free, self.p + length[:, None] * step, self.lower)
            after = self._rise(p)
            low_after, high_after = self._distances(p)
            left = np.sum(
                step
                * (
                    after
                    + np.where(
                        self.free, barrier[:, None] * (1.0 / low_after - 1.0 / high_after), 0.0
                    )
                ),
                axis=1,
            )
            # along the line the derivative falls; where it is as negative as it was positive, the
            # step was too long
            good = np.isfinite(left) & (
                (left >= -0.5 * np.abs(climb)) | (np.abs(climb) <= 0.01 * self.goal)
            )
            if np.all(good):
                break
            length = np.where(good, length, 0.5 * length)
        p = np.where(self.free & np.isfinite(after), p, self.p)
        # what rounding does to the sum
        p += (
            np.where(self.free, size, 0.0)
            * ((1.0 - p.sum(axis=1)) / np.maximum(size.sum(axis=1), LEAST))[:, None]
        )
        self.p = p
        below, above = below - self.below, above - self.above
        dual = np.minimum(
            _longest(self.below, -below, self.free), _longest(self.above, -above, self.free)
        )
        self.below = self.below + dual[:, None] * below
        self.above = self.above + dual[:, None] * above
        self.level = level
        return self._rise(p), np.where(
            np.minimum(length, dual) > 0.9, 0.01, np.where(length > 0.3, 0.2, 0.7)
        )

    def _distances(self, p: Array) -> tuple[Array, Array]:
        return np.maximum(p - self.lower, LEAST), np.maximum(self.upper - p, LEAST)

    def _newton(self, size: Array, own: Array, force: Array) -> tuple[Array, Array]:
        """Solve for the step in units of ``size``, and for the level."""
        n_actions = size.shape[1]
        diagonal = np.arange(n_actions)
        curvature = self.function.curvature(self.p, size)
        # differences may be wrong by more than what is there; without them the barrier is still
        # curved
        curvature[:, diagonal, diagonal] = np.maximum(curvature[:, diagonal, diagonal], 0.0) + own
        unit = 1.0 / np.sqrt(np.maximum(curvature[:, diagonal, diagonal], 1e-290))
        # of a convex function no entry is larger than the 1 on the diagonal
        matrix = np.clip(np.nan_to_num(unit[:, :, None] * curvature * unit[:, None, :]), -1.0, 1.0)
        matrix[:, diagonal, diagonal] = 1.0 + 1e-13
        sides = np.stack((unit * force, unit * size), axis=2)
        try:
            solved = np.linalg.solve(matrix, sides)
        except np.linalg.LinAlgError:
            solved = np.stack(
                [np.linalg.lstsq(one, side)[0] for one, side in zip(matrix, sides, strict=True)]
            )
        solved = unit[:, :, None] * np.nan_to_num(solved)
        weight = np.sum(size * solved[:, :, 1], axis=1)
        level = np.sum(size * solved[:, :, 0], axis=1) / np.where(weight > 0, weight, 1.0)
        return solved[:, :, 0] - level[:, None] * solved[:, :, 1], level


def _longest(room: Array, step: Array, free: Array) -> Float[np.ndarray, " N"]:
    """Return how much of a (N, A) step towards 0 can be taken before any (N, A) room is used up, 1 at most."""
    moving = free & (step > 0)
    share = np.where(moving, room / np.where(moving, step, 1.0), np.inf)
    return np.minimum(1.0, (1.0 - CLOSEST) * np.min(share, axis=1))
