"""The gambler who needs 100: bold play is optimal, and its chances at 25, 50 and 75 are known.

Each stake is won with probability 0.4. Bold play wins with probability 0.4 at 50, 0.4² at 25 and
0.4 + 0.6 · 0.4 at 75.

Reference: Sutton and Barto, Reinforcement learning, 2nd edition, 2018, Example 4.3; Dubins and
Savage, How to gamble if you must, 1965.
"""

import numpy as np

import regmdp as rm


def bet(capital, stake, wins):
    after = capital + np.where(wins, stake, -stake)
    over = (after <= 0) | (after >= 100)
    return np.clip(after, 1, 99), after == 100, over, stake <= np.minimum(capital, 100 - capital)


mdp = rm.MDP.from_function(
    bet,
    states={"capital": range(1, 100)},
    actions={"stake": range(1, 51)},
    outcomes={"wins": {0: 0.6, 1: 0.4}},
    discount=1.0,
)
solution = rm.solve(mdp)
chance = dict(zip(range(1, 100), solution.value, strict=True))
for capital, published in ((25, 0.16), (50, 0.4), (75, 0.64)):
    print(f"with {capital}: {chance[capital]:.6f}, known to be {published}")
    assert abs(chance[capital] - published) < 1e-8
