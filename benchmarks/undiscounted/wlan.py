"""Collision avoidance of wireless networks (IEEE 802.11): two stations, with random back-off.

Digital clocks in the unit of a slot (Kwiatkowska, Norman & Sproston 2002, PAPM/PROBMIV).
"""

from __future__ import annotations

from collections import namedtuple

from guarded import ALONE, Explored, Module, explore

__all__ = ["wlan"]

SLOT, DIFS, VULNERABLE, SIFS, ACK, ACK_TIMEOUT, LEAST_TRANSMISSION = 1, 3, 1, 1, 4, 6, 4
#: Choices of the back-off within each of the 2^c parts of the window after c collisions.
WINDOW = 16
SENSE, BUSY, SPACE, SET, BACKOFF, BACKOFF_BUSY, RESUME, SENDING, TRANSMIT, SENT, LOST, DONE = range(
    1, 13
)
Wlan = namedtuple("Wlan", "col c0 c1 x0 s0 slot0 backoff0 bc0 x1 s1 slot1 backoff1 bc1")


def wlan(backoff: int, collisions: int = 0, longest: int = 10) -> Explored:
    """Return the states with a largest number of back-offs that widen the window.

    Args:
        backoff: The number of times that the window doubles.
        collisions: Collisions are counted up to this number.
        longest: The longest transmission, in slots.
    """
    modules = [_medium(collisions), *(_station(i, backoff, longest) for i in (0, 1))]
    station = [0, SENSE, 0, 0, 0]
    return explore(modules, Wlan(0, 0, 0, *station, *station))


def _medium(most: int) -> Module:
    def commands(s):
        for i, (own, other) in enumerate(((s.c0, s.c1), (s.c1, s.c0))):
            if own == 0 and other == 0:
                yield f"send{i}", [(1.0, {f"c{i}": 1})]
            elif own == 0:
                yield f"send{i}", [(1.0, {"c0": 2, "c1": 2, "col": min(s.col + 1, most)})]
            else:
                yield f"finish{i}", [(1.0, {f"c{i}": 0})]

    return Module(frozenset({"send0", "send1", "finish0", "finish1"}), commands)


def _station(i: int, most: int, longest: int) -> Module:
    clock, at, part, count, stage = f"x{i}", f"s{i}", f"slot{i}", f"backoff{i}", f"bc{i}"
    send, finish = f"send{i}", f"finish{i}"

    def go(place, **others):
        return [(1.0, {at: place, **others})]

    def commands(s):
        x, here, slot, backoff, bc = s[3 + 5 * i : 8 + 5 * i]
        own, busy = s[1 + i], s.c0 > 0 or s.c1 > 0
        tick, start = ("time", [(1.0, {clock: x + 1})]), {clock: 0}
        spaced = x in (DIFS, DIFS - 1)
        if here in (SENSE, SPACE, RESUME):
            if x < DIFS and not busy:
                yield tick
            if spaced and here == SENSE:
                yield ALONE, go(SENDING, **start)
            elif spaced and here == RESUME:
                yield ALONE, go(BACKOFF, **start)
            elif spaced:
                parts, following = 2**bc, min(bc + 1, most)
                moved = {at: SET, clock: 0, stage: following}
                yield ALONE, [(1 / parts, {**moved, part: p}) for p in range(parts)]
            if busy:
                yield ALONE, go(BACKOFF_BUSY if here == RESUME else BUSY, **start)
        elif here in (BUSY, BACKOFF_BUSY):
            if busy:
                yield "time", [(1.0, {})]
            else:
                yield ALONE, go(SPACE if here == BUSY else RESUME)
        elif here == SET:
            yield ALONE, [(1 / WINDOW, {at: BACKOFF, count: b}) for b in range(WINDOW)]
        elif here == BACKOFF:
            if x < SLOT and not busy:
                yield tick
            if x == SLOT and backoff > 0:
                yield ALONE, [(1.0, {clock: 0, count: backoff - 1})]
            elif x == SLOT and slot > 0:
                yield ALONE, [(1.0, {clock: 0, count: WINDOW - 1, part: slot - 1})]
            elif x == SLOT:
                yield ALONE, go(SENDING, **start)
            if busy:
                yield ALONE, go(BACKOFF_BUSY, **start)
        elif here == SENDING:
            if x < VULNERABLE:
                yield tick
            if x in (VULNERABLE, VULNERABLE - 1):
                yield send, go(TRANSMIT, **start)
        elif here == TRANSMIT:
            if x < longest:
                yield tick
            if x >= LEAST_TRANSMISSION:
                yield finish, go(SENT if own == 1 else LOST, **start)
        elif here == SENT and own == 0:
            if x == 0 and busy:
                yield ALONE, go(BUSY)
            if x == 0 and not busy:
                yield tick
            if x == SIFS or (x == SIFS - 1 and not busy):
                yield send, [(1.0, start)]
        elif here == SENT:
            if own == 1 and x < ACK:
                yield tick
            if own == 1 and x in (ACK, ACK - 1):
                yield finish, go(DONE, **start, **{stage: 0})
        elif here == LOST:
            if x == 0 and busy:
                yield ALONE, go(BUSY)
            if (x == 0 and not busy) or 0 < x < ACK_TIMEOUT:
                yield tick
            if x == ACK_TIMEOUT:
                yield ALONE, go(SPACE, **start)
        else:
            yield "time", [(1.0, {})]

    return Module(frozenset({"time", send, finish}), commands)
