"""Mountain car on a grid: a plan that beats the benchmark's mark of 110 steps.

Between the points of the grid the next state is one of the four corners of its cell, at random, so
that it is right on average. The policy that is found drives the car itself, without a grid.

Reference: Sutton and Barto, Reinforcement learning, 2nd edition, 2018, Example 10.1; Davies,
Multidimensional triangulation and interpolation for reinforcement learning, NIPS 1996. Gymnasium
counts MountainCar-v0 as solved by -110.
"""

import numpy as np

import regmdp as rm

PLACES, SPEEDS = np.linspace(-1.2, 0.6, 81), np.linspace(-0.07, 0.07, 81)


def drive(place, speed, push):
    speed = np.clip(speed + 0.001 * push - 0.0025 * np.cos(3 * place), -0.07, 0.07)
    place = np.clip(place + speed, -1.2, 0.6)
    return place, np.where((place <= -1.2) & (speed < 0), 0.0, speed)


def cell(grid, value):
    """Return the number of the point below, and the way to the next one, from 0 to 1."""
    steps = np.clip((value - grid[0]) / (grid[1] - grid[0]), 0, len(grid) - 1)
    below = np.minimum(steps.astype(int), len(grid) - 2)
    return below, steps - below


def step(place, speed, push, ahead, faster):
    next_place, next_speed = drive(place, speed, push)
    corner = (
        PLACES[cell(PLACES, next_place)[0] + ahead],
        SPEEDS[cell(SPEEDS, next_speed)[0] + faster],
    )
    return corner, -1.0, next_place >= 0.5


def chance_ahead(place, speed, push, ahead):
    share = cell(PLACES, drive(place, speed, push)[0])[1]
    return np.where(ahead, share, 1 - share)


def chance_faster(place, speed, push, faster):
    share = cell(SPEEDS, drive(place, speed, push)[1])[1]
    return np.where(faster, share, 1 - share)


mdp = rm.MDP.from_function(
    step,
    states={"place": PLACES, "speed": SPEEDS},
    actions={"push": [-1, 0, 1]},
    outcomes={"ahead": ([0, 1], chance_ahead), "faster": ([0, 1], chance_faster)},
    discount=0.995,
)
value = rm.solve(mdp).value.reshape(81, 81)


def look_up(place, speed):
    (i, right), (j, up) = cell(PLACES, place), cell(SPEEDS, speed)
    low = (1 - right) * value[i, j] + right * value[i + 1, j]
    return (1 - up) * low + up * ((1 - right) * value[i, j + 1] + right * value[i + 1, j + 1])


place, speed, steps = np.linspace(-0.6, -0.4, 21), np.zeros(21), np.zeros(21)
while (moving := place < 0.5).any() and steps.max() < 200:
    options = [drive(place, speed, push) for push in (-1, 0, 1)]
    scores = [np.where(where >= 0.5, 0.0, look_up(where, how)) for where, how in options]
    best = np.argmax(scores, axis=0)
    place, speed = (
        np.where(moving, np.choose(best, [one[k] for one in options]), (place, speed)[k])
        for k in (0, 1)
    )
    steps += moving
print(f"steps to the top, from 21 starts: {steps.mean():.1f} on average, {steps.max():.0f} at most")
assert steps.mean() < 110
