"""Randomized consensus with a shared coin: N processes move a counter until it is far from 0.

Aspnes & Herlihy 1990, Journal of Algorithms 11(3). The counter walks within ±(K + 1) N.
"""

from __future__ import annotations

from collections import namedtuple

from guarded import ALONE, Explored, Module, explore

__all__ = ["consensus"]

FLIP, WRITE, CHECK, DONE = range(4)


def consensus(n: int, k: int) -> Explored:
    """Return the states of a protocol of n processes and the constant k."""
    names = [f"{word}{i}" for i in range(n) for word in ("pc", "coin")]
    state = namedtuple("Consensus", ["counter", *names])
    modules = [_process(i, n, k) for i in range(n)]
    return explore(modules, state((k + 1) * n, *[FLIP, 0] * n))


def _process(i: int, n: int, k: int) -> Module:
    at, flipped = f"pc{i}", f"coin{i}"
    left, right = n, 2 * (k + 1) * n - n

    def commands(s):
        pc, coin, counter = s[1 + 2 * i], s[2 + 2 * i], s.counter
        if pc == FLIP:
            yield ALONE, [(0.5, {flipped: side, at: WRITE}) for side in (0, 1)]
        elif pc == WRITE:
            moved = counter + (1 if coin else -1)
            yield ALONE, [(1.0, {"counter": moved, at: CHECK, flipped: 0})]
        elif pc == CHECK and counter <= left:
            yield ALONE, [(1.0, {at: DONE, flipped: 0})]
        elif pc == CHECK and counter >= right:
            yield ALONE, [(1.0, {at: DONE, flipped: 1})]
        elif pc == CHECK:
            yield ALONE, [(1.0, {at: FLIP})]
        else:
            yield "done", [(1.0, {})]

    return Module(frozenset({"done"}), commands)
