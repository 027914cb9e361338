"""Grids: continuous control made discrete, grid worlds and mazes."""

from __future__ import annotations

import numpy as np

import regmdp as rm
from families.assembly import assemble, grid_points, interpolated

__all__ = [
    "cart_pole",
    "four_rooms",
    "maze",
    "mountain_car",
    "pendulum",
    "plane",
    "sailing",
    "windy",
]


def mountain_car(side: int, discount: float) -> rm.MDP:
    """The car in the valley, on a grid of positions and speeds; it ends at the top."""
    bounds, counts = [(-1.2, 0.6), (-0.07, 0.07)], [side, side]
    position, speed = grid_points(bounds, counts)
    states, moves = np.arange(side * side), []
    for action, force in enumerate((-1, 0, 1)):
        new_speed = np.clip(speed + 0.001 * force - 0.0025 * np.cos(3 * position), -0.07, 0.07)
        new_position = np.clip(position + new_speed, -1.2, 0.6)
        new_speed = np.where(new_position <= -1.2, 0.0, new_speed)
        goes_on = new_position < 0.5
        for corner, weight in interpolated([new_position, new_speed], bounds, counts):
            moves.append((action, states, corner, weight * goes_on))
    return assemble(moves, np.full((states.size, 3), -1.0), discount, ends=True)


def pendulum(side: int, discount: float, torques: int = 9) -> rm.MDP:
    """A pendulum to be swung up and held, on a grid of angles and speeds."""
    bounds, counts = [(-np.pi, np.pi), (-8.0, 8.0)], [side, side]
    angle, speed = grid_points(bounds, counts)
    states, moves, rewards = np.arange(side * side), [], np.empty((side * side, torques))
    for action, torque in enumerate(np.linspace(-2.0, 2.0, torques)):
        new_speed = np.clip(speed + 0.05 * (15.0 * np.sin(angle) + 3.0 * torque), -8.0, 8.0)
        new_angle = (angle + 0.05 * new_speed + np.pi) % (2 * np.pi) - np.pi
        rewards[:, action] = -(angle**2) - 0.1 * speed**2 - 0.001 * torque**2
        for corner, weight in interpolated([new_angle, new_speed], bounds, counts):
            moves.append((action, states, corner, weight))
    return assemble(moves, rewards, discount)


def cart_pole(side: int, discount: float) -> rm.MDP:
    """A pole on a cart, on a grid of four dimensions; it ends when the pole falls."""
    bounds = [(-2.4, 2.4), (-3.0, 3.0), (-0.21, 0.21), (-3.0, 3.0)]
    counts = [side] * 4
    x, v, angle, w = grid_points(bounds, counts)
    states, moves = np.arange(x.size), []
    for action, force in enumerate((-10.0, 10.0)):
        part = (force + 0.05 * w**2 * np.sin(angle)) / 1.1
        turn = (9.8 * np.sin(angle) - np.cos(angle) * part) / (
            0.5 * (4.0 / 3.0 - 0.1 * np.cos(angle) ** 2 / 1.1)
        )
        push = part - 0.05 * turn * np.cos(angle) / 1.1
        new = [x + 0.04 * v, v + 0.04 * push, angle + 0.04 * w, w + 0.04 * turn]
        goes_on = (np.abs(new[0]) <= 2.4) & (np.abs(new[2]) <= 0.21)
        for corner, weight in interpolated(new, bounds, counts):
            moves.append((action, states, corner, weight * goes_on))
    return assemble(moves, np.ones((states.size, 2)), discount, ends=True)


def windy(side: int, discount: float) -> rm.MDP:
    """A grid with a wind upwards in its middle columns, at random; one corner is the goal."""
    row, column = np.divmod(np.arange(side * side), side)
    states, moves, rewards = np.arange(side * side), [], np.full((side * side, 4), -1.0)
    blows = (column > side // 3) & (column < 2 * side // 3)
    goal = side * side - 1
    for action, (down, right) in enumerate(((-1, 0), (0, 1), (1, 0), (0, -1))):
        for wind, chance in ((0, 0.5), (1, 0.3), (2, 0.2)):
            after_row = np.clip(row + down - wind * blows, 0, side - 1)
            after = after_row * side + np.clip(column + right, 0, side - 1)
            moves.append((action, states, after, chance * ((after != goal) & (states != goal))))
    rewards[goal] = 0.0
    return assemble(moves, rewards, discount, ends=True)


def sailing(side: int, discount: float) -> rm.MDP:
    """A boat on a lake with eight directions of a wind that turns: 8·side² states."""
    shape = (side, side, 8)
    row, column, wind = np.unravel_index(np.arange(8 * side * side), shape)
    states, moves, rewards = np.arange(row.size), [], np.empty((row.size, 8))
    steps = ((-1, 0), (-1, 1), (0, 1), (1, 1), (1, 0), (1, -1), (0, -1), (-1, -1))
    goal = (row == side - 1) & (column == side - 1)
    for action, (down, right) in enumerate(steps):
        to = np.clip(row + down, 0, side - 1), np.clip(column + right, 0, side - 1)
        turn = np.abs((action - wind + 4) % 8 - 4)
        rewards[:, action] = np.where(goal, 0.0, -(1.0 + turn))
        rewards[:, action] -= 20.0 * (turn == 4) * ~goal
        for change, chance in ((-1, 0.3), (0, 0.4), (1, 0.3)):
            after = np.ravel_multi_index((*to, (wind + change) % 8), shape)
            moves.append((action, states, after, chance * ~goal))
    return assemble(moves, rewards, discount, ends=True)


def maze(side: int, discount: float) -> rm.MDP:
    """A maze with one way between any two cells."""
    walls = rm.models.maze(side, side, rng=1)
    return rm.models.gridworld(side, side, walls=walls, discount=discount)


def plane(side: int, discount: float) -> rm.MDP:
    """An open plane with a goal in one corner."""
    return rm.models.gridworld(side, side, discount=discount)


def four_rooms(side: int, discount: float) -> rm.MDP:
    """Four rooms with doors."""
    return rm.models.gridworld(side, side, walls=rm.models.rooms(side, side), discount=discount)
