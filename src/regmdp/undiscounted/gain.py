"""Gains of policies that never end: which end components win, lose, or leave the question open."""

from __future__ import annotations

import numpy as np

from regmdp import bellman
from regmdp._internal.arrays import Array, Bool, Float, Int
from regmdp._internal.errors import UnboundedError
from regmdp.mdp import MDP
from regmdp.mdp.structure import EndComponents, find_end_components
from regmdp.policies import permitted
from regmdp.regularizers import Regularizer
from regmdp.rounding import backup_error
from regmdp.undiscounted.gain_iteration import relative_values

__all__ = ["bound_gains", "refuse_endless_stay", "require_bounded"]


def require_bounded(mdp: MDP, regularizer: Regularizer) -> None:
    """Undiscounted model: check that no policy is found that gains without bound by never ending.

    Where the sign of a gain stays open, the certificate shows whether the model was solved.

    Raises:
        UnboundedError: if the best gain of some end component is positive, naming a state of it.
    """
    if mdp.discount < 1.0:
        return
    components = find_end_components(mdp, permitted(mdp, regularizer))
    if components.count == 0:
        return
    _refuse_entropy_loops(mdp, regularizer, components)
    low, _ = bound_gains(mdp, regularizer, components)
    if (low > 0).any():
        component = int(np.argmax(low > 0))
        states = np.flatnonzero(components.component == component)
        gain = (
            f"gains at least {low[component]:.6g} in each step, reward and regularizer together"
            if np.isfinite(low[component])
            else "collects positive rewards again and again, and loses none"
        )
        raise UnboundedError(
            f"there is no optimum: from {mdp.describe(int(states[0]))} some policy never ends the "
            f"episode and {gain}, in a set of {states.size} state{'s' * (states.size > 1)} that it "
            f"need not leave; there are {int(np.count_nonzero(low > 0))} such sets; use a discount "
            "below 1, a lower temperature, or a step cost"
        )


def refuse_endless_stay(mdp: MDP, allowed: Bool[Array, "S A"]) -> None:
    """Check that no policy stays where nothing is paid, if such an episode counts ∞.

    Raises:
        UnboundedError: if one can, naming a state.
    """
    if mdp.endless_value <= 0.0:
        return
    stays = find_end_components(mdp, np.asarray(allowed) & (mdp.rewards == 0.0)).component >= 0
    if stays.any():
        raise UnboundedError(
            f"there is no optimum: from {mdp.describe(int(np.argmax(stays)))} some policy never "
            "reaches the goal and neither earns nor pays anything, and such an episode counts as "
            f"infinite ({mdp.objective}; such states: {int(np.count_nonzero(stays))}); ask for the "
            "probability with objective='reach', or for the minimum"
        )


def bound_gains(
    mdp: MDP, regularizer: Regularizer, components: EndComponents
) -> tuple[Float[np.ndarray, " C"], Float[np.ndarray, " C"]]:
    r"""Bound the best average gain, reward and regularizer, of staying in each end component.

    Only the sign is certain. Where no step can bring more than 0, and no end component of steps
    that bring exactly 0 is left, every policy that stays loses without bound: the upper bound is
    -∞. Without a regularizer, the lower bound is +∞ where a policy can stay so that no reward is
    negative and some are positive; and both are 0 where there is no positive reward, but an end
    component of reward 0. Otherwise any V gives \(\min(TV - V) \le g \le \max(TV - V)\) inside the
    component (Puterman 1994, theorem 8.5.5), and values from sweeps and policy iteration narrow the
    interval until the sign is certain.

    Returns:
        (C,) lower bounds and (C,) upper bounds.
    """
    count = components.count
    low, high = np.full(count, -np.inf), np.full(count, np.inf)
    if count == 0:
        return low, high
    gains, loses, rests = _judge_by_sign(mdp, regularizer, components)
    low[gains], high[loses] = np.inf, -np.inf
    low[rests], high[rests] = 0.0, 0.0
    undecided = ~gains & ~loses & ~rests
    if not undecided.any():
        return low, high
    number = np.append(np.where(undecided, np.cumsum(undecided) - 1, -1), -1)
    narrowed = _narrow(mdp, regularizer, components, number[components.component])
    low[undecided], high[undecided] = narrowed
    return low, high


def _narrow(
    mdp: MDP, regularizer: Regularizer, components: EndComponents, component: Int[np.ndarray, " S"]
) -> tuple[Float[np.ndarray, " C"], Float[np.ndarray, " C"]]:
    """Bound the gains of some (C,) components until their signs are certain, or no value helps.

    The (S,) component of each state is -1 where it is in none of these.
    """
    inside = component >= 0
    label = component[inside]
    count = int(label.max()) + 1
    low, high = np.full(count, -np.inf), np.full(count, np.inf)
    stay = mdp.with_available(components.pairs & inside[:, None])
    for value in relative_values(stay, regularizer, component):
        gain = (bellman.backup(stay, regularizer, value) - value)[inside]
        # rows may sum to a little more or less than 1
        mass = mdp.mass_error * float(np.max(np.abs(value)))
        error = backup_error(stay, regularizer, value) + mass
        least, most = np.full(count, np.inf), np.full(count, -np.inf)
        np.minimum.at(least, label, gain - error)
        np.maximum.at(most, label, gain + error)
        low, high = np.maximum(low, least), np.minimum(high, most)
        if not ((low <= 0.0) & (high >= 0.0)).any():
            break
    return low, high


def _judge_by_sign(
    mdp: MDP, regularizer: Regularizer, components: EndComponents
) -> tuple[Bool[np.ndarray, " C"], Bool[np.ndarray, " C"], Bool[np.ndarray, " C"]]:
    """Return the components whose gain is positive, negative, or 0, by the signs of their rewards.

    A component is connected by its pairs, so that a policy can use any of them again and again.
    """
    count, pairs = components.count, components.pairs
    inside = components.component >= 0
    label = components.component[inside]
    positive = _find_in_components(components, pairs & (mdp.rewards > 0.0))
    # staying where no reward is negative and some are positive
    kept = find_end_components(mdp, pairs & (mdp.rewards >= 0.0)).pairs
    collects = _find_in_components(components, kept & (mdp.rewards > 0.0))
    alone = np.array(regularizer.max_temperature == 0.0)
    # a regularizer whose least value is not negative never adds to a reward
    without_reward = np.zeros((mdp.n_states, mdp.n_actions))
    best = regularizer.maximum(without_reward, pairs)[inside]
    adds = np.zeros(count, dtype=np.bool_)
    np.logical_or.at(adds, label, best > 0.0)
    free = find_end_components(mdp, pairs & (mdp.rewards == 0.0))
    rests = np.zeros(count, dtype=np.bool_)
    rests[components.component[free.component >= 0]] = True
    never_adds = ~positive & ~adds
    return alone & collects, never_adds & ~rests, alone & never_adds & rests


def _find_in_components(
    components: EndComponents, pairs: Bool[Array, "S A"]
) -> Bool[np.ndarray, " C"]:
    """Return (C,) bool: the components that contain one of the pairs."""
    found = np.zeros(components.count, dtype=np.bool_)
    found[components.component[pairs.any(axis=1) & (components.component >= 0)]] = True
    return found


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
