"""Carrier sense multiple access with collision detection (IEEE 802.3): N stations on a bus.

Digital clocks; the back-off limit is K (Kwiatkowska, Norman, Sproston & Wang 2007, Information and
Computation 205(7)).
"""

from __future__ import annotations

from collections import namedtuple

from guarded import ALONE, Explored, Module, explore

__all__ = ["csma"]

#: Times in the unit of the delay of the bus: its delay, a message, a slot.
SIGMA, LAMBDA, SLOT = 1, 30, 2
START, TRANSMIT, COLLIDED, WAIT, SENT = range(5)


def csma(n: int, k: int) -> Explored:
    """Return the states of n stations whose back-off grows up to k times."""
    names = [f"{word}{i}" for i in range(n) for word in ("s", "x", "bc", "cd")]
    state = namedtuple("Csma", ["b", "y1", "y2", *names])
    modules = [_bus(n), *(_station(i, k) for i in range(n))]
    return explore(modules, state(*[0] * (3 + 4 * n)))


def _bus(n: int) -> Module:
    def commands(s):
        if s.b == 0:
            yield from ((f"send{i}", [(1.0, {"b": 1})]) for i in range(n))
        elif s.y1 < SIGMA:
            yield from ((f"send{i}", [(1.0, {"b": 2})]) for i in range(n))
        if s.b == 1:
            yield from ((f"end{i}", [(1.0, {"b": 0, "y1": 0})]) for i in range(n))
        if s.b > 0 and s.y1 >= SIGMA:
            yield from ((f"busy{i}", [(1.0, {})]) for i in range(n))
        if s.b == 2 and s.y2 <= SIGMA:
            yield "cd", [(1.0, {"b": 0, "y1": 0, "y2": 0})]
        first, second = min(s.y1 + 1, SIGMA + 1), min(s.y2 + 1, SIGMA + 1)
        if s.b == 0:
            yield "time", [(1.0, {"y1": 0})]
        elif s.b == 1:
            yield "time", [(1.0, {"y1": first})]
        elif s.y2 < SIGMA:
            yield "time", [(1.0, {"y1": first, "y2": second})]

    own = [f"{word}{i}" for i in range(n) for word in ("send", "end", "busy")]
    return Module(frozenset({"cd", "time", *own}), commands)


def _station(i: int, k: int) -> Module:
    at, clock, wait, collisions = f"s{i}", f"x{i}", f"bc{i}", f"cd{i}"
    send, end, busy = f"send{i}", f"end{i}", f"busy{i}"

    def commands(s):
        local, x, bc, cd = s[3 + 4 * i : 7 + 4 * i]
        retreat = {at: COLLIDED, clock: 0, collisions: min(k, cd + 1)}
        if local == START:
            yield send, [(1.0, {at: TRANSMIT, clock: 0})]
            yield busy, [(1.0, retreat)]
        elif local == TRANSMIT and x < LAMBDA:
            yield "time", [(1.0, {clock: x + 1})]
        elif local == TRANSMIT:
            yield end, [(1.0, {at: SENT, clock: 0})]
        elif local == COLLIDED:
            slots = 2**cd
            yield ALONE, [(1 / slots, {at: WAIT, wait: slot}) for slot in range(slots)]
        elif local == WAIT and x < SLOT:
            yield "time", [(1.0, {clock: x + 1})]
        elif local == WAIT and bc > 0:
            yield "time", [(1.0, {clock: 1, wait: bc - 1})]
        elif local == WAIT:
            yield send, [(1.0, {at: TRANSMIT, clock: 0})]
            yield busy, [(1.0, retreat)]
        else:
            yield "time", [(1.0, {clock: 0})]
        yield "cd", [(1.0, retreat if local == TRANSMIT else {})]

    return Module(frozenset({send, end, busy, "cd", "time"}), commands)
