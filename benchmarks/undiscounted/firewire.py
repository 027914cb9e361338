"""Election of a root in a tree of two nodes (IEEE 1394): both ask until one has asked later.

The wires delay messages; digital clocks (Stoelinga & Vaandrager 1999; Daws, Kwiatkowska & Norman
2004, STTT 5(2-3)).
"""

from __future__ import annotations

from collections import namedtuple

from guarded import ALONE, Explored, Module, explore

__all__ = ["firewire"]

#: The least and the largest waiting time of a fast and of a slow node.
FAST, SLOW = (76, 85), (159, 167)
REQUEST, ACKNOWLEDGE, IDLE = "req", "ack", "idle"
#: The numbers of a wire that holds one message, or two in order.
WIRE = {
    (): 0,
    (REQUEST,): 1,
    (REQUEST, ACKNOWLEDGE): 2,
    (ACKNOWLEDGE,): 3,
    (ACKNOWLEDGE, IDLE): 4,
    (IDLE,): 5,
    (IDLE, REQUEST): 6,
    (ACKNOWLEDGE, REQUEST): 7,
    (REQUEST, IDLE): 8,
    (IDLE, ACKNOWLEDGE): 9,
}
MESSAGES = {number: messages for messages, number in WIRE.items()}
(CONTENTION, RECEIVED_IDLE, ASKED_FAST, ASKED_SLOW, IDLE_FAST, IDLE_SLOW, SENT, ROOT, CHILD) = (
    range(9)
)
Firewire = namedtuple("Firewire", "w0 y0 z0 w1 y1 z1 s0 x0 s1 x1")


def firewire(delay: int, fast: float = 0.5) -> Explored:
    """Return the states with a delay of the wires, and the probability of a fast node."""
    modules = [_wire(0, delay), _wire(1, delay), _node(0, fast), _node(1, fast)]
    return explore(modules, Firewire(*[0] * 10))


def _wire(i: int, delay: int) -> Module:
    """Wire i carries the messages of node i."""
    state, older, newer = f"w{i}", f"y{i}", f"z{i}"
    words = (REQUEST, ACKNOWLEDGE, IDLE)

    def commands(s):
        number, first, second = s[3 * i : 3 * i + 3]
        messages = MESSAGES[number]
        for word in words:
            if not messages:
                yield f"send {word} {i}", [(1.0, {state: WIRE[(word,)], older: 0, newer: 0})]
            elif messages[-1] == word:
                yield f"send {word} {i}", [(1.0, {})]
            elif len(messages) == 1:
                yield f"send {word} {i}", [(1.0, {state: WIRE[(*messages, word)], newer: 0})]
        if messages:
            left = {state: WIRE[messages[1:]]}
            if len(messages) == 1:
                left |= {older: 0, newer: 0}
            yield f"receive {messages[0]} {i}", [(1.0, left)]
        if not messages:
            yield "time", [(1.0, {})]
        elif (second if len(messages) == 1 else first) < delay:
            later = {older: min(first + 1, delay + 1), newer: min(second + 1, delay + 1)}
            yield "time", [(1.0, later)]

    own = [f"{verb} {word} {i}" for verb in ("send", "receive") for word in words]
    return Module(frozenset({"time", *own}), commands)


def _node(i: int, fast: float) -> Module:
    at, clock, other = f"s{i}", f"x{i}", 1 - i

    def commands(s):
        here, x, there = s[6 + 2 * i], s[7 + 2 * i], s[6 + 2 * other]

        def choose(quick, slow):
            return [(fast, {at: quick, clock: 0}), (1.0 - fast, {at: slow, clock: 0})]

        if here == CONTENTION:
            yield f"send idle {i}", choose(ASKED_FAST, ASKED_SLOW)
            yield f"receive idle {other}", [(1.0, {at: RECEIVED_IDLE})]
        elif here == RECEIVED_IDLE:
            yield f"send idle {i}", choose(IDLE_FAST, IDLE_SLOW)
            yield f"receive req {other}", [(1.0, {at: CONTENTION})]
        elif here in (ASKED_FAST, ASKED_SLOW):
            least, most = FAST if here == ASKED_FAST else SLOW
            yield f"receive idle {other}", [(1.0, {at: here + 2})]
            if x >= least:
                yield f"send ack {i}", [(1.0, {at: ROOT, clock: 0})]
            if x < most:
                yield "time", [(1.0, {clock: x + 1})]
        elif here in (IDLE_FAST, IDLE_SLOW):
            least, most = FAST if here == IDLE_FAST else SLOW
            yield f"receive req {other}", [(1.0, {at: here - 2})]
            if x >= least:
                yield f"send req {i}", [(1.0, {at: SENT, clock: 0})]
            if x < most:
                yield "time", [(1.0, {clock: x + 1})]
        elif here == SENT:
            yield f"receive req {other}", [(1.0, {at: CONTENTION})]
            yield f"receive ack {other}", [(1.0, {at: CHILD})]
            yield "time", [(1.0, {})]
        else:
            if here + there == ROOT + CHILD:
                yield ALONE, [(1.0, {})]
            yield "time", [(1.0, {})]

    words = (REQUEST, ACKNOWLEDGE, IDLE)
    sends, receives = [f"send {w} {i}" for w in words], [f"receive {w} {other}" for w in words]
    return Module(frozenset({"time", *sends, *receives}), commands)
