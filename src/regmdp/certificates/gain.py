"""Undiscounted models in which some policy collects without limit."""

from __future__ import annotations

import numpy as np

from regmdp import bellman
from regmdp._internal.errors import UnboundedError
from regmdp.certificates.rounding import backup_error
from regmdp.mdp import MDP
from regmdp.mdp.structure import EndComponents, find_end_components
from regmdp.policies import permitted
from regmdp.regularizers import Regularizer

__all__ = ["require_bounded"]

#: Sweeps after which the question is left open; the certificate then says whether the model could
#: be solved.
SWEEPS = 500


def require_bounded(mdp: MDP, regularizer: Regularizer) -> None:
    r"""Undiscounted model: check that no policy can be seen to gain reward, or entropy, without limit by never ending.

    Inside an end component any V gives \(\min(TV - V) \le g \le \max(TV - V)\) for the best average
    reward g of a policy that stays (Puterman 1994, theorem 8.5.5). Relative value iteration narrows
    this down until the sign of g is sure.

    Raises:
        UnboundedError: if g > 0 for some component, naming a state of it.
    """
    if mdp.discount < 1.0:
        return
    components = find_end_components(mdp, permitted(mdp, regularizer))
    if components.count == 0:
        return
    inside = components.component >= 0
    label = components.component[inside]
    stay = mdp.with_available(components.pairs)
    _refuse_free_loops(mdp, regularizer, components)
    value = np.zeros(mdp.n_states)
    undecided = np.ones(components.count, dtype=np.bool_)
    for _ in range(SWEEPS):
        gain = (bellman.backup(stay, regularizer, value) - value)[inside]
        error = backup_error(stay, regularizer, value)
        low, high = np.full(components.count, np.inf), np.full(components.count, -np.inf)
        np.minimum.at(low, label, gain - error)
        np.maximum.at(high, label, gain + error)
        if (low > 0).any():
            component = int(np.argmax(low > 0))
            state = int(np.flatnonzero(components.component == component)[0])
            raise UnboundedError(
                f"there is no optimum: from {mdp.describe(state)} some policy never ends the "
                f"episode and gains at least {low[component]:.6g} a step for ever, reward and "
                "regularizer together (sets of states like that: "
                f"{int(np.count_nonzero(low > 0))}); use a discount below 1, a lower temperature, "
                "or a step cost"
            )
        undecided &= high > 0
        if not undecided.any():
            return
        # half a step keeps periodic chains from oscillating
        value[inside] += 0.5 * gain
        centre = np.bincount(label, value[inside], components.count) / np.bincount(
            label, minlength=components.count
        )
        value[inside] -= centre[label]


def _refuse_free_loops(mdp: MDP, regularizer: Regularizer, components: EndComponents) -> None:
    r"""Refuse loops of reward 0 where a steep regularizer charges nothing for a pure action, as entropy does not.

    With a way out worth c the value of such a loop would solve
    \(V = \tau \log(e^{V/\tau} + e^{c/\tau})\), which has no solution: leaving ever more rarely
    collects ever more entropy.
    """
    pure_is_free = regularizer.steep and regularizer.bounds(mdp.n_actions)[1] <= 0.0
    if not pure_is_free or not np.all(np.asarray(regularizer.temperature) > 0.0):
        return
    loops = find_end_components(mdp, components.pairs & (mdp.rewards == 0.0))
    if loops.count:
        state = int(np.argmax(loops.component >= 0))
        raise UnboundedError(
            f"there is no optimum: around {mdp.describe(state)} some policy goes in a loop of "
            "reward 0, and the regularizer pays for leaving it ever more rarely (sets of states "
            f"like that: {loops.count}); use a discount below 1, a step cost, or a divergence from "
            "a policy that ends the episode (KL) in place of the entropy"
        )
