"""Perishable stock: the two policy tables that De Moor, Gijsbrechts and Boute (2022) print.

A product lives two days. An order placed today arrives tomorrow. Demand is a gamma variable with
mean 4 and coefficient of variation 1/2, rounded. Customers take the freshest units (LIFO) or the
oldest (FIFO); units that are old at the end of the day are thrown away.

Reference: European Journal of Operational Research 301 (2022), 535-545, Figure 3 and Table 3.
"""

import numpy as np
from scipy.stats import gamma

import regmdp as rm

DEMAND = np.arange(61)
EDGES = gamma.cdf(np.append(0.0, DEMAND[:-1] + 0.5), a=4.0)
CHANCE = np.diff(np.append(EDGES, 1.0))


def build(issue):
    def day(fresh, old, order, demand):
        first, last = (old, fresh) if issue == "FIFO" else (fresh, old)
        from_last = np.minimum(last, np.maximum(demand - first, 0))
        from_first = np.minimum(first, demand)
        fresh_left = fresh - (from_last if issue == "FIFO" else from_first)
        old_left = old - (from_first if issue == "FIFO" else from_last)
        lost = np.maximum(demand - fresh - old, 0)
        return (order, fresh_left), -(3.0 * order + 5.0 * lost + 7.0 * old_left + fresh_left)

    return rm.MDP.from_function(
        day,
        states={"fresh": range(11), "old": range(11)},
        actions={"order": range(11)},
        outcomes={"demand": (DEMAND, CHANCE)},
        discount=0.99,
    )


# orders with 0 to 8 fresh units (down) and 0 to 8 old units (across)
PUBLISHED = {
    "LIFO": "333333333 333333333 333333333 222222222 111111111 " + "000000000 " * 4,
    "FIFO": "444444444 443333333 433322222 332211111 322111100 221100000 211000000 110000000 "
    "100000000",
}
for issue, table in PUBLISHED.items():
    orders = rm.solve(build(issue)).policy.argmax(axis=1).reshape(11, 11)[:9, :9]
    print(issue, *("".join(map(str, row)) for row in orders))
    np.testing.assert_array_equal(orders, [[int(n) for n in row] for row in table.split()])
