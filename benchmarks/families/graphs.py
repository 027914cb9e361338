"""Random graphs, chains of blocks, stars, shortest paths, and examples from textbooks."""

from __future__ import annotations

import numpy as np

import regmdp as rm
from families.assembly import assemble

__all__ = [
    "blocks",
    "forest",
    "gambler",
    "garnet",
    "layered",
    "queue",
    "ring",
    "route_network",
    "secretary",
    "slow_modes",
    "star",
    "stochastic_paths",
]


def garnet(n_states: int, n_actions: int, branching: int, discount: float) -> rm.MDP:
    """A random graph that mixes fast."""
    return rm.models.garnet(n_states, n_actions, branching, rng=1, discount=discount)


def forest(n_states: int, discount: float) -> rm.MDP:
    """The forest of the MDP toolbox."""
    return rm.models.forest(n_states, discount=discount)


def queue(n_states: int, discount: float) -> rm.MDP:
    """A queue with admission control."""
    return rm.models.queue(n_states - 1, discount=discount)


def slow_modes(n_states: int, n_actions: int, discount: float, parts: int = 8) -> rm.MDP:
    """Random graphs that are hardly connected with each other."""
    rng = np.random.default_rng(2)
    size, states = n_states // parts, np.arange(n_states // parts * parts)
    moves, rewards = [], rng.standard_normal((states.size, n_actions))
    rewards += 0.3 * (states // size)[:, None]
    leave = 1e-3
    for action in range(n_actions):
        weight = rng.dirichlet(np.ones(6), states.size)
        for k in range(6):
            inside = states // size * size + rng.integers(size, size=states.size)
            moves.append((action, states, inside, (1 - leave) * weight[:, k]))
        moves.append((action, states, rng.integers(states.size, size=states.size), leave))
    return assemble(moves, rewards, discount)


def blocks(n_blocks: int, size: int, discount: float) -> rm.MDP:
    """Blocks in a row: inside a block all states are near, and few lead to the next block."""
    rng, n_states = np.random.default_rng(3), n_blocks * size
    states, moves = np.arange(n_blocks * size), []
    rewards = 0.1 * rng.standard_normal((n_states, 3))
    rewards[-size:] += 1.0
    for action in range(3):
        for chance in (0.4, 0.35, 0.2):
            inside = states // size * size + rng.integers(size, size=n_states)
            moves.append((action, states, inside, chance))
        after = np.clip(states + size * (action - 1), 0, n_states - 1)
        moves.append((action, states, after, 0.05))
    return assemble(moves, rewards, discount)


def star(arms: int, length: int, discount: float) -> rm.MDP:
    """A centre with arms: an action chooses one of the arms in the centre, or goes on or back."""
    n_states, rng = 1 + arms * length, np.random.default_rng(4)
    states, moves = np.arange(1, n_states), []
    depth = (states - 1) % length
    rewards = np.full((n_states, max(2, arms)), np.nan)
    rewards[0, :arms] = 0.0
    rewards[1:, :2] = 0.0
    prize = rng.random(arms)
    rewards[1:, 0] = np.where(depth == length - 1, prize[(states - 1) // length], 0.0)
    centre = np.zeros(1, dtype=np.int64)
    moves = [(arm, centre, np.array([1 + arm * length]), 1.0) for arm in range(arms)]
    on, back = np.where(depth == length - 1, states, states + 1), np.where(depth, states - 1, 0)
    moves += [(0, states, on, 0.9), (0, states, back, 0.1)]
    moves += [(1, states, back, 0.9), (1, states, on, 0.1)]
    return assemble(moves, rewards, discount)


def stochastic_paths(n_states: int, discount: float, degree: int = 4) -> rm.MDP:
    """Shortest paths on a random geometric order: an action mostly leads where it points."""
    rng = np.random.default_rng(5)
    states, moves = np.arange(n_states), []
    rewards = -rng.uniform(1.0, 2.0, (n_states, degree))
    for action in range(degree):
        reach = rng.integers(-(n_states // 50) - 1, n_states // 200 + 2, n_states)
        target = np.clip(states + reach, 0, n_states - 1)
        slip = np.clip(states + rng.integers(1, 5, n_states), 0, n_states - 1)
        for after, chance in ((target, 0.85), (slip, 0.15)):
            moves.append((action, states, after, chance * (after > 0) * (states > 0)))
    rewards[0] = 0.0
    return assemble(moves, rewards, discount, ends=True)


def route_network(side: int, discount: float) -> rm.MDP:
    """Streets of a town: crossings with four streets of random length, some closed; one goal."""
    rng = np.random.default_rng(6)
    row, column = np.divmod(np.arange(side * side), side)
    states, moves = np.arange(side * side), []
    rewards = -rng.exponential(1.0, (side * side, 4)) - 0.1
    goal = (side // 2) * side + side // 2
    for action, (down, right) in enumerate(((-1, 0), (0, 1), (1, 0), (0, -1))):
        inside = (row + down >= 0) & (row + down < side)
        inside &= (column + right >= 0) & (column + right < side)
        open_ = inside & ((rng.random(states.size) > 0.15) | (action % 2 == 0))
        rewards[~open_, action] = np.nan
        after = np.where(open_, states + down * side + right, states)
        moves.append((action, states, after, 1.0 * (after != goal) * (states != goal)))
    rewards[goal] = 0.0
    return assemble(moves, rewards, discount, ends=True)


def gambler(capital: int, discount: float) -> rm.MDP:
    """Sutton's gambler, who stakes one of twenty shares of what is at hand."""
    states, moves = np.arange(1, capital), []
    rewards = np.full((capital + 1, 20), np.nan)
    rewards[[0, capital], 0] = 0.0
    for action in range(20):
        most = np.minimum(states, capital - states)
        stake = np.maximum(1, most * (action + 1) // 20)
        won = states + stake
        rewards[1:capital, action] = 0.4 * (won == capital)
        moves.append((action, states, np.minimum(won, capital), 0.4 * (won < capital)))
        moves.append((action, states, states - stake, 0.6 * (states > stake)))
    return assemble(moves, rewards, discount, ends=True)


def layered(layers: int, width: int, discount: float) -> rm.MDP:
    """Layers that are passed one after the other, again and again."""
    rng, n_states = np.random.default_rng(7), layers * width
    states, moves, rewards = np.arange(n_states), [], rng.random((n_states, 5))
    for action in range(5):
        for chance in (0.6, 0.3, 0.1):
            after = (states // width + 1) % layers * width + rng.integers(width, size=n_states)
            moves.append((action, states, after, chance))
    return assemble(moves, rewards, discount)


def ring(n_states: int, discount: float) -> rm.MDP:
    """A ring with a prize at one place: step or stay, with slips."""
    states, moves, rewards = np.arange(n_states), [], np.zeros((n_states, 3))
    rewards[0] = 1.0
    for action, step in enumerate((-1, 0, 1)):
        for slip, chance in ((0, 0.8), (-1, 0.1), (1, 0.1)):
            moves.append((action, states, (states + step + slip) % n_states, chance))
    return assemble(moves, rewards, discount)


def secretary(n_states: int, discount: float) -> rm.MDP:
    """Puterman's selling of an asset: offers come and go, and waiting costs."""
    levels = 50
    times = n_states // levels
    time, offer = np.divmod(np.arange(times * levels), levels)
    states, moves = np.arange(time.size), []
    rewards = np.stack((np.full(time.size, -0.2), 1.0 * offer), axis=1)
    last = time == times - 1
    rewards[last, 0] = 0.0
    weight = np.linspace(2.0, 1.0, levels) / 75.0
    for level in range(levels):
        after = np.minimum(time + 1, times - 1) * levels + level
        moves.append((0, states, after, weight[level] * ~last))
    moves.append((1, states, states, 0.0))
    return assemble(moves, rewards, discount, ends=True)
