"""Inventories, queues and machines."""

from __future__ import annotations

from itertools import product

import numpy as np

import regmdp as rm
from families.assembly import Moves, assemble

__all__ = [
    "admission",
    "buses",
    "car_rental",
    "components",
    "inventory",
    "perishable",
    "routing",
    "service_rates",
    "tandem",
    "two_items",
]


def two_items(levels: int, discount: float) -> rm.MDP:
    """Joint orders of two items with random demand: levels² states, four actions."""
    states = np.arange(levels**2)
    i, j = np.divmod(states, levels)
    lot = max(2, levels // 11)
    moves: list[Moves] = []
    rewards = np.zeros((states.size, 4))
    for action, (x, y) in enumerate(((0, 0), (lot, 0), (0, lot), (lot, lot))):
        up, right = np.minimum(i + x, levels - 1), np.minimum(j + y, levels - 1)
        for (d, p), (e, q) in product(zip((0, 1, 2), (0.3, 0.4, 0.3), strict=True), repeat=2):
            after = np.maximum(up - d, 0) * levels + np.maximum(right - e, 0)
            moves.append((action, states, after, p * q))
            rewards[:, action] += p * q * (5 * np.minimum(up, d) + 6 * np.minimum(right, e))
        fixed = 20 * (x > 0) + 20 * (y > 0) - 10 * (x > 0) * (y > 0)
        rewards[:, action] -= 0.02 * (i + j) + fixed + (up - i + right - j)
    return assemble(moves, rewards, discount)


def inventory(levels: int, discount: float, orders: int = 20) -> rm.MDP:
    """One item: orders of 0 to a maximum in steps, Poisson demand, fixed and unit costs."""
    states = np.arange(levels)
    mean = levels / 20
    demand = np.arange(int(mean + 6 * mean**0.5) + 2)
    weight = np.exp(demand * np.log(mean) - mean - np.cumsum(np.log(np.maximum(demand, 1))))
    weight /= weight.sum()
    rewards, moves = np.zeros((levels, orders)), []
    for action in range(orders):
        amount = action * max(1, levels // (2 * orders))
        stock = np.minimum(states + amount, levels - 1)
        rewards[:, action] = -8.0 * (action > 0) - 2.0 * (stock - states) - 0.05 * stock
        for d, p in zip(demand, weight, strict=True):
            moves.append((action, states, np.maximum(stock - d, 0), p))
            rewards[:, action] += 5.0 * p * np.minimum(stock, d)
    return assemble(moves, rewards, discount)


def perishable(most: int, discount: float) -> rm.MDP:
    """Stock of three ages, each from 0 to a maximum; the oldest is sold first, and then spoils."""
    shape = (most + 1,) * 3
    old, middle, young = np.unravel_index(np.arange((most + 1) ** 3), shape)
    states, demand = np.arange(old.size), np.arange(2 * most)
    weight = np.exp(-0.5 * ((demand - 0.8 * most) / (0.4 * most)) ** 2)
    weight /= weight.sum()
    rewards, moves = np.zeros((states.size, most + 1)), []
    for order in range(most + 1):
        for d, p in zip(demand, weight, strict=True):
            from_middle = np.maximum(d - old, 0)
            from_young = np.maximum(from_middle - middle, 0)
            left_old = np.maximum(middle - from_middle, 0)
            left_young = np.maximum(young - from_young, 0)
            spoiled, sold = np.maximum(old - d, 0), np.minimum(old + middle + young, d)
            after = np.ravel_multi_index((left_old, left_young, np.full_like(old, order)), shape)
            moves.append((order, states, after, p))
            rewards[:, order] += p * (5.0 * sold - 4.0 * spoiled)
        rewards[:, order] -= 3.0 * order
    return assemble(moves, rewards, discount)


def service_rates(capacity: int, discount: float, rates: int = 4) -> rm.MDP:
    """A queue whose server works at one of several speeds, the faster the more expensive."""
    states = np.arange(capacity + 1)
    moves, rewards, arrival = [], np.zeros((capacity + 1, rates)), 0.35
    for action in range(rates):
        speed = 0.6 * (action + 1) / rates
        leaves = np.where(states > 0, speed, 0.0)
        moves.append((action, states, np.minimum(states + 1, capacity), arrival))
        moves.append((action, states, np.maximum(states - 1, 0), leaves))
        moves.append((action, states, states, 1.0 - arrival - leaves))
        rewards[:, action] = -0.01 * states - 3.0 * speed**2
    return assemble(moves, rewards, discount)


def admission(capacity: int, discount: float, classes: int = 5) -> rm.MDP:
    """A loss system with several classes of customers: the state is the load and the class."""
    shape = (capacity + 1, classes)
    load, kind = np.unravel_index(np.arange((capacity + 1) * classes), shape)
    states, share = np.arange(load.size), np.arange(classes, 0, -1.0)
    share, moves = share / share.sum(), []
    rewards = np.zeros((states.size, 2))
    rewards[:, 1] = np.where(load < capacity, 1.0 + kind, np.nan)
    for action in (0, 1):
        busy = np.minimum(load + action, capacity)
        for leave in range(4):
            chance = (0.55, 0.25, 0.15, 0.05)[leave]
            for other in range(classes):
                after = np.maximum(busy - leave, 0) * classes + other
                moves.append((action, states, after, chance * share[other]))
    rewards -= 0.002 * load[:, None]
    return assemble(moves, rewards, discount)


def tandem(capacity: int, discount: float) -> rm.MDP:
    """Two queues in a row with a choice of the speed of each: (capacity + 1)² states."""
    n = capacity + 1
    first, second = np.divmod(np.arange(n * n), n)
    states, moves, rewards = np.arange(n * n), [], np.zeros((n * n, 4))
    for action, (fast, faster) in enumerate(product((0, 1), repeat=2)):
        arrive, serve, leave = 0.25, 0.2 + 0.12 * fast, 0.2 + 0.12 * faster
        moves.append((action, states, np.minimum(first + 1, capacity) * n + second, arrive))
        on = (first > 0) & (second < capacity)
        moves.append((action, states, np.where(on, states - n + 1, states), serve))
        moves.append((action, states, first * n + np.maximum(second - 1, 0), leave))
        moves.append((action, states, states, 1.0 - arrive - serve - leave))
        rewards[:, action] = -0.1 * first - 0.15 * second - 1.0 * fast - 1.2 * faster
    return assemble(moves, rewards, discount)


def routing(capacity: int, discount: float) -> rm.MDP:
    """An arriving customer joins one of two servers, one slow, or is turned away."""
    n = capacity + 1
    one, two = np.divmod(np.arange(n * n), n)
    states, moves = np.arange(n * n), []
    rewards = np.repeat((-0.05 * (one + two))[:, None], 3, axis=1)
    for action, (x, y) in enumerate(((0, 0), (1, 0), (0, 1))):
        joined = np.minimum(one + x, capacity) * n + np.minimum(two + y, capacity)
        moves.append((action, states, joined, 0.5))
        moves.append((action, states, np.maximum(one - 1, 0) * n + two, 0.3))
        moves.append((action, states, one * n + np.maximum(two - 1, 0), 0.2))
        full = (one == capacity) * x + (two == capacity) * y
        rewards[:, action] += 0.5 * 3.0 * (action > 0) * (1 - full)
    return assemble(moves, rewards, discount)


def components(count: int, levels: int, discount: float) -> rm.MDP:
    """A machine of several components, each of which wears by a level at random.

    One action does nothing, one replaces a component, for each component, and one replaces all of
    them: levels^count states and count + 2 actions, 2^count successors.
    """
    shape, n_states = (levels,) * count, levels**count
    wear = np.stack(np.unravel_index(np.arange(n_states), shape))
    states, moves = np.arange(n_states), []
    rewards = np.empty((n_states, count + 2))
    output = 10.0 - 0.5 * np.sum(wear, axis=0) - 6.0 * np.any(wear == levels - 1, axis=0)
    for action in range(count + 2):
        kept = wear.copy()
        if action:
            kept[slice(None) if action > count else action - 1] = 0
        rewards[:, action] = output - (action > 0) * (6.0 if action <= count else 5.0 + 2.5 * count)
        for steps in product((0, 1), repeat=count):
            chance = float(
                np.prod([0.1 + 0.02 * c if s else 0.9 - 0.02 * c for c, s in enumerate(steps)])
            )
            after = np.minimum(kept + np.array(steps)[:, None], levels - 1)
            moves.append((action, states, np.ravel_multi_index(tuple(after), shape), chance))
    return assemble(moves, rewards, discount)


def buses(bins: int, discount: float) -> rm.MDP:
    """Rust's buses: the mileage grows by 0 to 4 bins a month; the engine may be replaced."""
    states, moves = np.arange(bins), []
    for step, chance in enumerate((0.12, 0.45, 0.33, 0.08, 0.02)):
        moves.append((0, states, np.minimum(states + step, bins - 1), chance))
        moves.append((1, states, np.full(bins, step), chance))
    cost = 2.5 * states * (90 / bins) * 0.02
    return assemble(moves, np.stack((-cost, np.full(bins, -10.0)), axis=1), discount)


def car_rental(most: int, discount: float) -> rm.MDP:
    """Sutton's two places with cars: move up to five overnight, at random rents and returns."""
    n = most + 1
    first, second = np.divmod(np.arange(n * n), n)
    states, rewards, moves = np.arange(n * n), np.full((n * n, 11), np.nan), []
    chances = {}
    for mean in (3, 4):
        k = np.arange(8)
        weight = np.exp(k * np.log(mean) - mean - np.cumsum(np.log(np.maximum(k, 1))))
        chances[mean] = _net_changes(weight / weight.sum(), most)
    for action in range(11):
        moved = action - 5
        able = (first >= moved) & (second >= -moved)
        a, b = np.clip(first - moved, 0, most), np.clip(second + moved, 0, most)
        rewards[able, action] = -2.0 * abs(moved)
        rewards[able, action] += 10 * (np.minimum(a, 3) + np.minimum(b, 4))[able]
        for change, p in chances[3]:
            for other, q in chances[4]:
                after = np.clip(a + change, 0, most) * n + np.clip(b + other, 0, most)
                moves.append((action, states, after, p * q))
    return assemble(moves, rewards, discount)


def _net_changes(weight: np.ndarray, most: int) -> list[tuple[int, float]]:
    """Return the changes by returns less rents, and their probabilities."""
    difference = np.convolve(weight, weight[::-1])
    offset = weight.size - 1
    changes = [(k - offset, float(p)) for k, p in enumerate(difference) if abs(k - offset) <= most]
    total = sum(p for _, p in changes)
    return [(k, p / total) for k, p in changes]
