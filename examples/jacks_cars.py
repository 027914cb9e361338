"""Jack's car rental: the policy of the textbook's figure, from five cars there to four back.

Two locations rent cars for 10 each; up to five are moved overnight for 2 each. Requests and returns
are Poisson variables with means 3 and 3 at the first location, and 4 and 2 at the second.

Reference: Sutton and Barto, Reinforcement learning, 2nd edition, 2018, Example 4.2, Figure 4.2.
"""

import numpy as np
from scipy.stats import poisson

import regmdp as rm

CARS = np.arange(21)


def location(requests, returns):
    """Return the expected rentals, and the chances of the cars of tomorrow, given those tonight."""
    rented = np.where(CARS[None] < CARS[:, None], poisson.pmf(CARS, requests), 0.0)
    rented[CARS, CARS] = poisson.sf(CARS - 1, requests)
    back = poisson.pmf(CARS[None] - CARS[:, None], returns)
    back[:, -1] = poisson.sf(19 - CARS, returns)
    left = np.zeros((21, 21))
    for cars in CARS:
        left[cars, : cars + 1] = rented[cars, cars::-1]
    return rented @ CARS, left @ back


RENTED_1, CHANCE_1 = location(3, 3)
RENTED_2, CHANCE_2 = location(4, 2)


def night(first, second, moved):
    """Return the cars at both locations after the move; 20 fit into each."""
    return np.clip(first - moved, 0, 20), np.clip(second + moved, 0, 20)


def day(first, second, moved, first_next, second_next):
    one, two = night(first, second, moved)
    possible = (moved <= first) & (-moved <= second)
    reward = 10 * (RENTED_1[one] + RENTED_2[two]) - 2 * np.abs(moved)
    return (first_next, second_next), reward, None, possible


mdp = rm.MDP.from_function(
    day,
    states={"first": CARS, "second": CARS},
    actions={"moved": range(-5, 6)},
    outcomes={
        "first_next": (
            CARS,
            lambda first, second, moved, first_next: CHANCE_1[
                night(first, second, moved)[0], first_next
            ],
        ),
        "second_next": (
            CARS,
            lambda first, second, moved, second_next: CHANCE_2[
                night(first, second, moved)[1], second_next
            ],
        ),
    },
    discount=0.9,
)
solution = rm.solve(mdp)
moved = np.arange(-5, 6)[solution.policy.argmax(axis=1)].reshape(21, 21)
print("cars moved from the first location, which has 20 cars (top) to 0, as in the figure")
print("\n".join(" ".join(f"{n:2}" for n in row) for row in moved[::-1]))
print(f"values from {solution.value.min():.0f} to {solution.value.max():.0f}")
assert (moved.min(), moved.max()) == (moved[0, 20], moved[20, 0]) == (-4, 5)
