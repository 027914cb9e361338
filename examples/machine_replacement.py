"""A machine that wears out: the discounted costs that a textbook prints.

It is as good as new, slightly or badly worn, or it does not work. It can be left as it is,
overhauled, which makes it slightly worn, or replaced.

Reference: Hillier and Lieberman, Introduction to operations research, 7th edition, 2001, chapter
21, the prototype example with a discount of 0.9.
"""

import numpy as np

import regmdp as rm

WEAR = {"new": (0, 14, 1, 1), "slight": (0, 12, 2, 2), "bad": (0, 0, 8, 8), "broken": (0, 0, 0, 16)}
DEFECTS = {"new": 0, "slight": 1000, "bad": 3000}
STATES = list(WEAR)


def successors(state, action):
    if action == "leave":
        return [(n / 16, STATES[i], -DEFECTS[state]) for i, n in enumerate(WEAR[state])]
    return [(1.0, "slight", -4000.0)] if action == "overhaul" else [(1.0, "new", -6000.0)]


def actions(state):
    return {"new": ["leave"], "slight": ["leave", "replace"], "broken": ["replace"]}.get(
        state, ["leave", "overhaul", "replace"]
    )


mdp = rm.MDP.from_reachable("new", actions, successors, 0.9, state_names=["condition"])
solution = rm.solve(mdp)
print(solution.policy_frame())
costs = dict(zip(mdp.layout.state_coordinates()["condition"], -solution.value, strict=True))
published = {"new": 14949, "slight": 16262, "bad": 18636}
np.testing.assert_allclose([costs[name] for name in published], [*published.values()], atol=1)
