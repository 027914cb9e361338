"""Hungry philosophers who choose by a coin which fork to take first, until one of them eats.

Lehmann & Rabin 1981, POPL. In each round every philosopher takes at least one step, and at most k
(Lynch, Saias & Segala 1994, PODC); the order is chosen by the adversary.
"""

from __future__ import annotations

from collections import namedtuple

from guarded import ALONE, Explored, Module, explore

__all__ = ["EATING", "philosophers"]

FLIP, LEFT_FIRST, RIGHT_FIRST, HAS_LEFT, HAS_RIGHT, EATING = range(6)


def philosophers(n: int, k: int) -> Explored:
    """Return the states of n philosophers with at most k steps in a round."""
    names = [*(f"at{i}" for i in range(n)), *(f"steps{i}" for i in range(n))]
    state = namedtuple("Philosophers", names)
    modules = [*(_philosopher(i, n, k) for i in range(n)), _rounds(n)]
    return explore(modules, state(*[FLIP] * n, *[0] * n))


def _philosopher(i: int, n: int, k: int) -> Module:
    at, steps = f"at{i}", f"steps{i}"

    def commands(s):
        taken = s[n + i]
        if taken == k or EATING in s[:n]:
            return
        here, counted = s[i], {steps: taken + 1}
        left_free = s[i - 1] != HAS_RIGHT
        right_free = s[(i + 1) % n] != HAS_LEFT
        if here == FLIP:
            yield ALONE, [(0.5, {at: side, **counted}) for side in (LEFT_FIRST, RIGHT_FIRST)]
            return
        following = {
            LEFT_FIRST: HAS_LEFT if left_free else LEFT_FIRST,
            RIGHT_FIRST: HAS_RIGHT if right_free else RIGHT_FIRST,
            HAS_LEFT: EATING if right_free else FLIP,
            HAS_RIGHT: EATING if left_free else FLIP,
        }
        yield ALONE, [(1.0, {at: following[here], **counted})]

    return Module(frozenset(), commands)


def _rounds(n: int) -> Module:
    fresh = {f"steps{i}": 0 for i in range(n)}

    def commands(s):
        if all(s[n:]) and EATING not in s[:n]:
            yield "round", [(1.0, fresh)]

    return Module(frozenset({"round"}), commands)
