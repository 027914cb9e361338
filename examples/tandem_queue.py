"""Two queues in tandem: the first station works only while the second queue is short enough.

Customers arrive at the first station, which may rest; the second one always works. Waiting behind
the second station is dearer. The optimal policy is a switching curve: the first station works if
and only if the second queue is below a number that does not fall with the length of the first one.

Reference: Rosberg, Varaiya and Walrand, Optimal control of service in tandem queues, IEEE
Transactions on Automatic Control 27 (1982), 600-610.
"""

import numpy as np

import regmdp as rm

ARRIVE, FIRST, SECOND = 0.3, 0.4, 0.3
LONGEST = 60


def event(first, second, work, happens):
    moves = (happens == "first served") & (first > 0) & (work == "yes")
    leaves = (happens == "second served") & (second > 0)
    ahead = first + (happens == "arrival") - moves, second + moves - leaves
    return ahead, -(1.0 * first + 1.2 * second)


mdp = rm.MDP.from_function(
    event,
    states={"first": range(LONGEST), "second": range(LONGEST)},
    actions={"work": ["no", "yes"]},
    outcomes={"happens": {"arrival": ARRIVE, "first served": FIRST, "second served": SECOND}},
    discount=0.99,
    clip=True,
)
works = rm.solve(mdp).policy[:, 1].reshape(LONGEST, LONGEST) > 0.5
curve = works[1:30, :30].sum(axis=1)  # away from the largest lengths
print("the first station works while the second queue is shorter than", curve)
assert (works[1:30, :30] == (np.arange(30) < curve[:, None])).all()
assert (np.diff(curve) >= 0).all()
assert curve[0] < curve[-1]
