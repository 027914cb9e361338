"""Detection of undiscounted models with unbounded value."""

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

#: Sweeps after which the question is left open; the certificate then shows whether the model was
#: solved.
MAX_SWEEPS = 500


def require_bounded(mdp: MDP, regularizer: Regularizer) -> None:
    r"""Undiscounted model: check that no policy is found that gains without bound by never ending.

    Inside an end component any V gives \(\min(TV - V) \le g \le \max(TV - V)\) for the best average
    gain g, reward or entropy, of a policy that stays (Puterman 1994, theorem 8.5.5). Relative value
    iteration narrows the interval until the sign of g is certain.

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
    _refuse_entropy_loops(mdp, regularizer, components)
    value = np.zeros(mdp.n_states)
    undecided = np.ones(components.count, dtype=np.bool_)
    for _ in range(MAX_SWEEPS):
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
                f"episode and gains at least {low[component]:.6g} in each step, reward and "
                f"regularizer together; there are {int(np.count_nonzero(low > 0))} such sets of "
                "states; use a discount below 1, a lower temperature, or a step cost"
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


def _refuse_entropy_loops(mdp: MDP, regularizer: Regularizer, components: EndComponents) -> None:
    r"""Refuse loops of reward 0 if a steep regularizer costs nothing at pure actions, as entropy.

    With an exit of value c the value of such a loop would solve
    \(V = \tau \log(e^{V/\tau} + e^{c/\tau})\), which has no solution: the less often a policy
    leaves, the more entropy it collects.
    """
    pure_is_free = regularizer.steep and regularizer.bounds(mdp.n_actions)[1] <= 0.0
    if not pure_is_free or not np.all(np.asarray(regularizer.temperature) > 0.0):
        return
    loops = find_end_components(mdp, components.pairs & (mdp.rewards == 0.0))
    if loops.count:
        state = int(np.argmax(loops.component >= 0))
        raise UnboundedError(
            f"there is no optimum: around {mdp.describe(state)} there is a loop of reward 0, and "
            "the less often a policy leaves it, the more entropy it collects; there are "
            f"{loops.count} such sets of states; use a discount below 1, a step cost, or the "
            "divergence from a policy that ends the episode (KL) instead of the entropy"
        )
