r"""Values for bounds on gains: sweeps first, then policy iteration inside the components.

In an end component every state can reach every other, so its best gain is one number. Sweeps of a
slow chain, or where a large penalty has to be forgotten, would take very long to show its sign;
policy iteration takes a few steps. Its policies keep one closed class in each component, the one
with the larger gain, and the rest moves towards it (Puterman 1994, section 9.5).
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import scipy

from regmdp import bellman
from regmdp._internal.arrays import Array, Float, Int
from regmdp._internal.errors import SingularError
from regmdp.evaluation.base import Chain
from regmdp.evaluation.exact import Exact
from regmdp.mdp import MDP
from regmdp.mdp.structure import find_states_reaching, find_terminating_policy
from regmdp.regularizers import Regularizer

__all__ = ["relative_values"]

#: Sweeps before policy iteration, and policies that are then tried.
MAX_SWEEPS, MAX_POLICIES = 100, 40


def relative_values(
    stay: MDP, regularizer: Regularizer, component: Int[np.ndarray, " S"]
) -> Iterator[Float[np.ndarray, " S"]]:
    r"""Yield (S,) values V, for which T V - V comes closer to the gain of each component.

    Args:
        stay: An undiscounted model with the pairs that stay in a component of their state only.
        regularizer: The regularizer.
        component: (S,) number of the component of each state; -1 outside.
    """
    inside = component >= 0
    label = component[inside]
    count = int(label.max()) + 1
    value = np.zeros(stay.n_states)
    for _ in range(MAX_SWEEPS):
        yield value
        # half a step keeps periodic chains from oscillating
        value = value + np.where(
            inside, 0.5 * (bellman.backup(stay, regularizer, value) - value), 0
        )
        centre = np.bincount(label, value[inside], count) / np.bincount(label, minlength=count)
        value[inside] -= centre[label]
    for _ in range(MAX_POLICIES):
        policy = np.array(bellman.improve(stay, regularizer, value)[1])
        try:
            better = _evaluate(stay, regularizer, policy, component, count)
        except SingularError:
            return
        if not np.isfinite(better).all() or np.array_equal(better, value):
            return
        value = better
        yield value


def _evaluate(
    stay: MDP,
    regularizer: Regularizer,
    policy: Float[np.ndarray, "S A"],
    component: Int[np.ndarray, " S"],
    count: int,
) -> Float[np.ndarray, " S"]:
    """Return (S,) the value, relative to one state of each component, of a policy's best class.

    The (S, A) policy is changed in place where it leads to another class.
    """
    closed, entries = _find_closed_classes(stay, policy)
    if entries.size > count:
        earned, steps = _solve_to(stay, regularizer, policy, entries)
        gain, owner = earned[entries] / steps[entries], component[entries]
        order = np.lexsort((gain, owner))
        best = order[np.append(np.diff(owner[order]) > 0, True)]  # the last of each component
        entries, keep = entries[best], np.isin(closed, best)
        astray = find_states_reaching(stay, policy > 0, (closed >= 0) & ~keep)
        policy[astray] = 0.0
        policy[astray, find_terminating_policy(stay, stay.available, keep)[astray]] = 1.0
    earned, steps = _solve_to(stay, regularizer, policy, entries)
    gain = np.zeros(count + 1)  # the last one for the states outside
    gain[component[entries]] = earned[entries] / steps[entries]
    return earned - gain[component] * steps


def _find_closed_classes(
    stay: MDP, policy: Float[Array, "S A"]
) -> tuple[Int[np.ndarray, " S"], Int[np.ndarray, " K"]]:
    """Return (S,) the closed class of each state, -1 if it is in none; and a state of each."""
    # slow to import, and needed for undiscounted models only
    from scipy.sparse.csgraph import connected_components

    graph = scipy.sparse.coo_array(Chain.from_policy(stay, policy).matrix > 0)
    n_classes, label = connected_components(graph, directed=True, connection="strong")
    source, target = graph.coords
    is_closed = np.ones(n_classes, dtype=np.bool_)
    is_closed[label[source[label[source] != label[target]]]] = False
    is_closed[label[np.asarray(stay.terminal)]] = False
    closed = np.where(is_closed, np.cumsum(is_closed) - 1, -1)[label]
    inside = np.flatnonzero(closed >= 0)
    entries = np.zeros(int(is_closed.sum()), dtype=np.int64)
    entries[closed[inside]] = inside
    return closed, entries


def _solve_to(
    stay: MDP,
    regularizer: Regularizer,
    policy: Float[Array, "S A"],
    entries: Int[np.ndarray, " K"],
) -> tuple[Float[np.ndarray, " S"], Float[np.ndarray, " S"]]:
    """Return (S,) the rewards and (S,) the number of steps until a policy enters a given state.

    Of a class that is entered there, their ratio at the entry is the gain.
    """
    goes_on = np.ones(stay.n_states)
    goes_on[entries] = 0.0
    matrix = Chain.from_policy(stay, policy).matrix
    rows = matrix * goes_on
    if scipy.sparse.issparse(rows):
        rows = scipy.sparse.csr_array(rows)
    system = Exact().prepare(Chain(rows, 1.0))
    live = ~np.asarray(stay.terminal)
    rewards = np.where(live, bellman.expected_rewards(stay, regularizer, policy), 0.0)
    start = np.zeros(stay.n_states)
    return system.solve(rewards, start), system.solve(live.astype(np.float64), start)
