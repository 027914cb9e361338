"""Configuration of an address without a server (IPv4): a host asks whether one is in use.

Digital clocks (Kwiatkowska, Norman, Parker & Sproston 2006, Formal Methods in System Design 29).
"""

from __future__ import annotations

from collections import namedtuple

from guarded import ALONE, Explored, Module, explore

__all__ = ["zeroconf"]

LOSS, ADDRESSES = 0.1, 65024
BETWEEN_PROBES, LONG_WAIT, DEFENCE, MOST_COLLISIONS = 2, 60, 10, 10
#: Places in the buffers: of the host, of others for old addresses and for its present one.
OWN_PLACES, OLD_PLACES, SAME_PLACES = 8, 20, 8
RECONFIGURE, CHOOSE, PROBE, ANNOUNCE, USE = range(5)
NOBODY, IN_USE, FRESH = range(3)
Zeroconf = namedtuple(
    "Zeroconf", "b0 b1 b2 b3 b4 b5 b6 b7 n n0 n1 b z message x y coll probes mess defend ip l"
)


def zeroconf(hosts: int, probes: int, reset: bool) -> Explored:
    """Return the states with other hosts, probes to send, and whether a reset clears the buffer."""
    modules = [_environment(reset), _host(hosts / ADDRESSES, probes)]
    return explore(modules, Zeroconf(*[0] * 20, IN_USE, CHOOSE))


def _environment(reset: bool) -> Module:
    places = [f"b{j}" for j in range(OWN_PLACES)]
    empty = dict.fromkeys(places, 0)

    def commands(s):
        moved = {"n1": 0, "n0": min(OLD_PLACES, s.n0 + s.n1), "message": 0, **empty}
        yield "reset", [(1.0, moved | ({"n": 0} if reset else {}))]
        if s.l == RECONFIGURE:
            return
        if s.b == 0 and s.n == s.n0 == s.n1 == 0:
            yield "time", [(1.0, {})]
        if s.b > 0 and s.z < 1:
            yield "time", [(1.0, {"z": s.z + 1})]
        full = s.n == OWN_PLACES
        yield "send", [(1.0, {} if full else {f"b{s.n}": s.ip, "n": s.n + 1})]
        if s.b == 0:
            yield from _start(s, places)
        elif s.b == 1:
            done = {"b": 0, "z": 0, "message": 0}
            if s.message == NOBODY:
                done["n0"] = min(s.n0 + 1, OLD_PLACES)
            elif s.message == IN_USE:
                done["n1"] = min(s.n1 + 1, SAME_PLACES)
            yield ALONE, [(1.0, done)]
        else:
            yield "receive", [(1.0, {"b": 0, "z": 0, "message": 0})]

    return Module(frozenset({"reset", "time", "send", "receive"}), commands)


def _start(s, places):
    """Yield the ways to start sending a message, which may get lost."""
    ways = []
    if s.n > 0:
        shifted = dict(zip(places, (*s[1:OWN_PLACES], 0), strict=True)) | {"n": s.n - 1}
        ways.append(({"b": 1, "message": s.b0}, shifted))
    if s.n0 > 0:
        ways.append(({"b": 2, "message": NOBODY}, {"n0": s.n0 - 1}))
    if s.n1 > 0:
        ways.append(({"b": 2, "message": IN_USE}, {"n1": s.n1 - 1}))
    for sent, taken in ways:
        yield ALONE, [(1.0 - LOSS, taken | sent), (LOSS, taken)]


def _host(old: float, most: int) -> Module:
    chosen = [
        (share / 3, {"l": PROBE, "ip": ip, "x": x})
        for ip, share in ((IN_USE, old), (FRESH, 1.0 - old))
        for x in range(3)
    ]

    def commands(s):
        if s.l == RECONFIGURE:
            yield "reset", [(1.0, {"l": CHOOSE})]
        elif s.l == CHOOSE:
            yield "receive", [(1.0, {})]
            if s.coll < MOST_COLLISIONS or s.x == LONG_WAIT:
                yield ALONE, chosen
            else:
                yield "time", [(1.0, {"x": s.x + 1})]
        elif s.l == PROBE:
            if s.x < BETWEEN_PROBES:
                yield "time", [(1.0, {"x": s.x + 1})]
            elif s.probes < most:
                yield "send", [(1.0, {"x": 0, "probes": s.probes + 1})]
            else:
                yield ALONE, [(1.0, {"l": ANNOUNCE, "probes": 0, "coll": 0, "x": 0})]
            collided = {"l": 0, "coll": min(s.coll + 1, MOST_COLLISIONS), "x": 0, "probes": 0}
            yield "receive", [(1.0, {} if s.message != s.ip else collided)]
        elif s.l == ANNOUNCE:
            yield from _announce(s)
        else:
            yield ALONE, [(1.0, {})]

    return Module(frozenset({"reset", "time", "send", "receive"}), commands)


def _announce(s):
    """Yield the commands of a host that announces its address, and defends it."""
    if s.mess:
        yield "send", [(1.0, {"mess": 0})]
        return
    if s.x < BETWEEN_PROBES:
        waited = {"x": s.x + 1} | ({"y": min(s.y + 1, DEFENCE)} if s.defend else {})
        yield "time", [(1.0, waited)]
    if s.message != s.ip:
        yield "receive", [(1.0, {})]
    else:
        if not s.defend or s.y >= DEFENCE:
            yield "receive", [(1.0, {"defend": 1, "mess": 1, "y": 0})]
        if not s.defend or s.y < DEFENCE:
            yield "receive", [(1.0, {"l": 0, "probes": 0, "defend": 0, "x": 0, "y": 0})]
    if s.x == BETWEEN_PROBES and s.probes < 1:
        yield "send", [(1.0, {"x": 0, "probes": s.probes + 1})]
    elif s.x == BETWEEN_PROBES:
        yield "send", [(1.0, {"l": USE, "x": 0, "y": 0, "probes": 0})]
