"""The ways out of resting sets: each set becomes one state, which chooses among them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy

from regmdp._internal.arrays import Array, Bool, Float, Int
from regmdp.mdp import MDP
from regmdp.mdp.structure import EndComponents, find_terminating_policy

__all__ = ["Exits", "collapse_sets"]


@dataclass(frozen=True, eq=False)
class Exits:
    """The ways out of the resting sets, as choices of the states of a reduced model.

    A state that represents a set may have more ways out than the model has actions. Then further
    states, behind the S original ones, choose among them in turn.

    Attributes:
        representative: (S,) the state that represents each state; itself outside the sets.
        owner: (R - S,) the representative of the set that each further state belongs to.
        chooses: (R,) mask of the representatives and the further states.
        option: (R, B) what each choice is: a pair of the original model, s A + a; the number S A +
            r of a further state r; -1 for staying; -2 for none.
    """

    representative: Int[np.ndarray, " S"]
    owner: Int[np.ndarray, " E"]
    chooses: Bool[np.ndarray, " R"]
    option: Int[np.ndarray, "R B"]

    def follow(
        self, mdp: MDP, resting: EndComponents, policy: Float[np.ndarray, "R B"]
    ) -> Int[np.ndarray, " S"]:
        """Return the (S,) actions inside the sets that carry out a settled policy; else -1."""
        n_pairs = mdp.n_states * mdp.n_actions
        inside = resting.component >= 0
        at = self.representative
        chosen = self.option[at, policy[at].argmax(axis=1)]
        while (further := inside & (chosen >= n_pairs)).any():  # from one choice to the next
            at = np.where(further, chosen - n_pairs, at)
            chosen = self.option[at, policy[at].argmax(axis=1)]
        leaves = inside & (chosen >= 0)
        door, action = np.divmod(np.where(leaves, chosen, 0), mdp.n_actions)
        is_door = leaves & (door == np.arange(mdp.n_states))
        towards = find_terminating_policy(mdp, resting.pairs & leaves[:, None], is_door)
        stays = resting.pairs.argmax(axis=1)
        inner = np.where(leaves, np.where(is_door, action, towards), stays)
        return np.where(inside, inner, -1)


def collapse_sets(
    mdp: MDP, resting: EndComponents, kept: Bool[np.ndarray, "S A"], may_stay: bool
) -> tuple[MDP, Exits]:
    """Replace each resting set by a state that chooses a way out, or to stay and end with 0.

    Args:
        mdp: The model.
        resting: The sets.
        kept: (S, A) mask of the pairs that remain: in the sets, the ways out.
        may_stay: Whether staying is a choice.
    """
    n_states, n_actions = mdp.n_states, max(mdp.n_actions, 2)
    inside = resting.component >= 0
    first = np.full(resting.count, n_states)
    np.minimum.at(first, resting.component[inside], np.flatnonzero(inside))
    representative = np.arange(n_states)
    representative[inside] = first[resting.component[inside]]

    pairs = np.flatnonzero(kept.ravel())
    state, action = np.divmod(pairs, mdp.n_actions)
    out = inside[state]
    stays = first if may_stay else first[:0]
    owner, option = _arrange_options(
        np.concatenate((representative[state[out]], stays)),
        np.concatenate((pairs[out], np.full(stays.size, -1))),
        n_states,
        mdp.n_states * mdp.n_actions,
        n_actions,
    )
    option[state[~out], action[~out]] = pairs[~out]
    chooses = np.zeros(option.shape[0], dtype=np.bool_)
    chooses[first] = True
    chooses[n_states:] = True
    exits = Exits(representative, owner, chooses, option)
    return _build_reduced(mdp, exits), exits


def _arrange_options(
    owner: Int[np.ndarray, " K"],
    option: Int[np.ndarray, " K"],
    n_states: int,
    n_pairs: int,
    n_actions: int,
) -> tuple[Int[np.ndarray, " E"], Int[np.ndarray, "R B"]]:
    """Arrange the options of representatives as trees of states with at most B choices each.

    Returns:
        (E,) the representative that each further state belongs to; and (R, B) the options, -2 where
        there is none.
    """
    further: list[Int[np.ndarray, " n"]] = []
    rows: list[tuple[Int[np.ndarray, " n"], Int[np.ndarray, " n"], Int[np.ndarray, " n"]]] = []
    created = n_states
    while True:
        order = np.argsort(owner, kind="stable")
        owner, option = owner[order], option[order]
        representatives, begin, count = np.unique(owner, return_index=True, return_counts=True)
        place = np.arange(owner.size) - np.repeat(begin, count)
        many = np.repeat(count > n_actions, count)
        rows.append((owner[~many], place[~many], option[~many]))
        if not many.any():
            break
        # groups of B options become one option each: a further state
        groups = -(-count[count > n_actions] // n_actions)
        starts = created + np.concatenate(([0], np.cumsum(groups)[:-1]))
        node = np.repeat(starts, count[count > n_actions]) + place[many] // n_actions
        rows.append((node, place[many] % n_actions, option[many]))
        owner = np.repeat(representatives[count > n_actions], groups)
        further.append(owner)
        option = n_pairs + np.arange(created, created + owner.size)
        created += owner.size
    table = np.full((created, n_actions), -2)
    for node, place, chosen in rows:
        table[node, place] = chosen
    empty = np.zeros(0, dtype=np.int64)
    return np.concatenate([empty, *further]), table


def _build_reduced(mdp: MDP, exits: Exits) -> MDP:
    """Return the model whose choices are the options of the exits."""
    n_pairs = mdp.n_states * mdp.n_actions
    n_reduced = exits.option.shape[0]
    option = exits.option.ravel()
    real, moves = (option >= 0) & (option < n_pairs), option >= n_pairs
    rows = mdp.transitions.to_csr()[option[real]]
    target = np.concatenate((exits.representative[rows.indices], option[moves] - n_pairs))
    source = np.concatenate(
        (np.repeat(np.flatnonzero(real), np.diff(rows.indptr)), np.flatnonzero(moves))
    )
    data = np.concatenate((rows.data, np.ones(np.count_nonzero(moves))))
    transitions = scipy.sparse.csr_array((data, (source, target)), shape=(option.size, n_reduced))

    def gather(table: Float[Array, "S A"]) -> Float[np.ndarray, "R B"]:
        gathered = np.zeros(exits.option.shape)
        gathered.ravel()[real] = np.asarray(table).ravel()[option[real]]
        return gathered

    termination = gather(mdp.termination)
    termination[exits.option == -1] = 1.0  # staying has the value 0
    return MDP(
        transitions,
        gather(mdp.rewards),
        discount=1.0,
        available=exits.option >= -1,
        termination=termination,
        initial=np.bincount(exits.representative, mdp.initial, n_reduced),
    )
