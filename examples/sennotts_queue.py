"""Sennott's queue: the average costs of an M/M/1 queue whose service rate is chosen.

Each customer in the system costs 1 a unit of time, and each service rate its price. The average
cost is the limit of 1 - γ times the discounted cost, γ near 1, of the chain that jumps, perhaps to
where it is, at the largest total rate.

Reference: Sennott, Stochastic dynamic programming and the control of queueing systems, 1999, the
scenarios of the M/M/1 queue with controllable service rate.
"""

import numpy as np

import regmdp as rm

# arrival rate, service rates, their prices, and the published average cost
SCENARIOS = [
    (3.0, [2.0, 4.0, 8.0], [9.0, 13.0, 21.0], 8.475),
    (2.0, [1.0, 4.0, 7.0], [1.0, 50.0, 500.0], 21.091),
    (20.0, [24.0, 27.0, 30.0], [1.0, 1.5, 5.0], 3.902),
]
LEFT = 1e-7  # 1 - γ


def build(arrival, rates, prices):
    total = arrival + max(rates)
    serves, prices = np.array(rates) / total, np.array(prices)

    def step(queue, server, event):
        return queue + event, -queue - np.where(queue > 0, prices[server], 0.0)

    def chance(event, server):
        stays = 1.0 - arrival / total - serves[server]
        return np.select([event == 1, event == -1], [arrival / total, serves[server]], stays)

    return rm.MDP.from_function(
        step,
        states={"queue": range(120)},
        actions={"server": range(3)},
        outcomes={"event": ([-1, 0, 1], chance)},
        discount=1.0 - LEFT,
        clip=True,
    )


for arrival, rates, prices, published in SCENARIOS:
    average = -LEFT * rm.solve(build(arrival, rates, prices)).value[0]
    print(f"average cost {average:.3f}, published {published}")
    assert abs(average - published) < 6e-4
