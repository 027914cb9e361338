r"""The model that is left of an undiscounted one without what need not be solved.

The value of a policy is \(\liminf_n E[\sum_{t<n} r_t - \tau h]\). Three kinds of states are known
beforehand:

**Free states**, from which neither reward nor regularizer ever changes anything, whatever is done.
Their value is 0: they become terminal.

**Resting sets**: end components of pairs of reward exactly 0, without a regularizer. Staying is
worth 0, all their states have one value, and one state with the pairs that leave, and the choice to
stay, represents them (de Alfaro 1997; Haddad & Monmege 2018, section 4).

**Losing states**, from which no policy ends, rests or becomes free with probability 1, where every
end component that they can stay in has a negative gain. Every policy stays in one without end with
positive probability, so their value is -∞. No other state enters a pair that may lead to them.

Where an episode that never ends, and pays nothing any more, counts -∞ and not 0, as in the smallest
cost until a goal, no state is free, and a resting set has to be left: its state has no choice to
stay. Where it counts ∞, a set in which a policy can stay has no optimum.

In the model that is left, some policy ends from every state.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy

from regmdp import bellman
from regmdp._internal.arrays import Array, Bool, Float, Int
from regmdp.mdp import MDP
from regmdp.mdp.structure import (
    EndComponents,
    find_end_components,
    find_pairs_leading_to,
    find_states_reaching,
    find_surely_ending_pairs,
    find_terminating_policy,
)
from regmdp.policies import infeasible, permitted
from regmdp.regularizers import Regularizer
from regmdp.undiscounted.gain import bound_gains, refuse_endless_stay, require_bounded

__all__ = ["Reduction", "find_free_states", "reduce_model"]


@dataclass(frozen=True, eq=False)
class Reduction:
    """An undiscounted model, and the model that is left of it.

    Attributes:
        mdp: The original model.
        reduced: The model that is left. Its states are those of the original, of which some have no
            actions any more, and behind them states that only choose among the ways out of a
            resting set.
        free: (S,) mask of the states whose value is 0 whatever is done.
        losing: (S,) mask of the states whose value is -∞ whatever is done.
        resting: The resting sets with their pairs of reward 0.
        exits: The ways out of the resting sets.
    """

    mdp: MDP
    reduced: MDP
    free: Bool[np.ndarray, " S"]
    losing: Bool[np.ndarray, " S"]
    resting: EndComponents
    exits: Exits | None

    def expand_value(self, value: Float[Array, " R"]) -> Float[np.ndarray, " S"]:
        """(R,) numbers for the states of the reduced model -> (S,) for the original ones."""
        expanded = np.array(np.asarray(value)[: self.mdp.n_states])
        if self.exits is not None:
            expanded = expanded[self.exits.representative]
        expanded[self.free] = 0.0
        expanded[self.losing] = -np.inf
        return expanded

    def reduce_value(self, value: Float[Array, " S"]) -> Float[np.ndarray, " R"]:
        """(S,) a value of the original model -> (R,) one of the reduced model, for a start."""
        known = np.where(self.free | self.losing, 0.0, np.asarray(value))
        known = np.where(np.isfinite(known), known, 0.0)
        if self.exits is None:
            return known
        reduced = np.concatenate((known, known[self.exits.owner]))
        further = np.arange(reduced.size) >= self.mdp.n_states
        while True:  # these states only choose among each other and the ways out
            best = np.where(further, bellman.backup(self.reduced, None, reduced), reduced)
            if np.array_equal(best, reduced):
                return reduced
            reduced = best

    def reduce_policy(self, policy: Float[Array, "S A"]) -> Float[np.ndarray, "S A"] | None:
        """(S, A) a policy of the original model -> the same for the reduced one, if it has it."""
        if self.exits is not None:
            return None
        left = self.reduced.available
        kept = np.where(left, np.asarray(policy), 0.0)
        lives = ~self.reduced.terminal
        return kept if np.allclose(kept.sum(axis=1)[lives], 1.0, rtol=0.0, atol=1e-12) else None

    def settle(self, policy: Float[Array, "R B"]) -> Float[np.ndarray, "R B"]:
        """Return a policy of the reduced model that takes one way out of each resting set."""
        if self.exits is None:
            return np.asarray(policy)
        settled = np.array(policy)
        chooses = self.exits.chooses
        best = settled[chooses].argmax(axis=1)
        settled[chooses] = 0.0
        settled[chooses, best] = 1.0
        return settled

    def expand_policy(
        self, regularizer: Regularizer, policy: Float[Array, "R B"]
    ) -> Float[np.ndarray, "S A"]:
        """(R, B) a settled policy of the reduced model -> (S, A) one with the same value."""
        mdp = self.mdp
        expanded = np.array(np.asarray(policy)[: mdp.n_states, : mdp.n_actions])
        anything = regularizer.maximiser(np.zeros(mdp.rewards.shape), mdp.available)
        undecided = self.free | self.losing
        expanded[undecided] = np.asarray(anything)[undecided]
        if self.exits is not None:
            actions = self.exits.follow(mdp, self.resting, np.asarray(policy))
            inside = actions >= 0
            expanded[inside] = 0.0
            expanded[inside, actions[inside]] = 1.0
        return np.where(mdp.terminal[:, None], 0.0, expanded)


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


def reduce_model(mdp: MDP, regularizer: Regularizer) -> Reduction | None:
    """Find what need not be solved, and return the model that is left; None if all of it is left.

    Raises:
        InfeasibleError: if from some state no policy ends, and it is not certain that every policy
            loses without bound; naming it.
        UnboundedError: if from such a state a policy gains without bound, or a policy can stay
            where nothing is paid, and that counts ∞.
    """
    if mdp.discount < 1.0:
        return None
    allowed = permitted(mdp, regularizer)
    refuse_endless_stay(mdp, allowed)
    may_stay = mdp.endless_value == 0.0
    free = find_free_states(mdp, regularizer, allowed) & (mdp.endless_value >= 0.0)
    resting = _find_resting_sets(mdp, regularizer, ~free)
    ends = free | ((resting.component >= 0) & may_stay)
    ending, kept = find_surely_ending_pairs(mdp, allowed & ~free[:, None], ends)
    losing = ~ending
    if losing.any():
        _require_losing(mdp, regularizer, allowed, losing)
    if not (free.any() or losing.any() or resting.count):
        return None
    ways_out = kept & ~resting.pairs
    if not resting.count or not (may_stay or ways_out.any()):
        return Reduction(mdp, restrict_actions(mdp, ways_out), free, losing, resting, None)
    reduced, exits = _collapse(mdp, resting, ways_out, may_stay)
    return Reduction(mdp, reduced, free, losing, resting, exits)


def chooses_freely(regularizer: Regularizer) -> bool:
    """Whether there is no regularizer in effect, so that any action costs its reward only."""
    return (
        regularizer.max_temperature == 0.0
        and regularizer.domain(None) is None
        and regularizer.probability_bounds is None
    )


def restrict_actions(mdp: MDP, kept: Bool[np.ndarray, "S A"]) -> MDP:
    """Return the model with some of its pairs only.

    A model has at least one pair: if none is kept, its first one ends the episode with reward 0.
    """
    if (kept & mdp.available).any():
        return mdp.with_available(kept)
    state, action = (index[:1] for index in np.nonzero(mdp.available))
    return MDP.from_pairs(
        state,
        action,
        scipy.sparse.csr_array((1, mdp.n_states)),
        np.zeros(1),
        discount=1.0,
        n_states=mdp.n_states,
        n_actions=mdp.n_actions,
        termination=np.ones(1),
        initial=mdp.initial,
    )


def find_free_states(
    mdp: MDP, regularizer: Regularizer, allowed: Bool[Array, "S A"]
) -> Bool[np.ndarray, " S"]:
    """Return (S,) bool: states from which the allowed pairs lead to no reward and no cost.

    Terminal states are not counted.
    """
    used = np.asarray(allowed)
    best = regularizer.maximum(np.zeros(mdp.rewards.shape), mdp.available)
    noise = 2.0 * regularizer.max_temperature * regularizer.rounding(mdp.n_actions)
    matters = (used & (mdp.rewards != 0.0)).any(axis=1) | (np.abs(best) > noise)
    return ~find_states_reaching(mdp, used, matters & ~mdp.terminal) & ~mdp.terminal


def _find_resting_sets(
    mdp: MDP, regularizer: Regularizer, others: Bool[np.ndarray, " S"]
) -> EndComponents:
    """Return the end components of pairs of reward 0 outside the free states.

    With a regularizer there is none: staying costs, or pays, by how it is done.
    """
    pairs = mdp.available & (mdp.rewards == 0.0) & others[:, None]
    if not chooses_freely(regularizer):
        pairs = np.zeros_like(pairs)
    return find_end_components(mdp, pairs)


def _require_losing(
    mdp: MDP,
    regularizer: Regularizer,
    allowed: Bool[Array, "S A"],
    losing: Bool[np.ndarray, " S"],
) -> None:
    """Check that every policy loses without bound from states from which none ends.

    Raises:
        InfeasibleError: if that is not certain.
    """
    # a cost that is infinite at pure actions, or limits, may forbid to avoid these states
    forced = regularizer.probability_bounds is not None
    if forced or not np.isfinite(regularizer.bounds(mdp.n_actions)[1]):
        state = int(np.argmax(losing))
        why = "the regularizer forces every action"
    elif mdp.endless_value < 0.0:
        return
    else:
        stays = np.asarray(allowed) & losing[:, None] & ~find_pairs_leading_to(mdp, ~losing)
        components = find_end_components(mdp, stays)
        _, high = bound_gains(mdp, regularizer, components)
        open_question = high >= 0
        if not open_question.any():
            return
        require_bounded(mdp, regularizer)
        inside = np.flatnonzero(components.component >= 0)
        state = int(inside[open_question[components.component[inside]]][0])
        why = "it is not certain that staying loses reward in the long run"
    raise infeasible(mdp, losing, state, why)


def _collapse(
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
    state, action = np.nonzero(exits.option >= -1)
    option = exits.option[state, action]
    real, moves = (option >= 0) & (option < n_pairs), option >= n_pairs
    rows = mdp.transitions.to_csr()[option[real]]
    target = np.concatenate((exits.representative[rows.indices], option[moves] - n_pairs))
    source = np.concatenate(
        (np.repeat(np.flatnonzero(real), np.diff(rows.indptr)), np.flatnonzero(moves))
    )
    data = np.concatenate((rows.data, np.ones(np.count_nonzero(moves))))
    transitions = scipy.sparse.csr_array((data, (source, target)), shape=(option.size, n_reduced))

    def gather(table: Float[Array, "S A"], otherwise: float) -> Float[np.ndarray, " K"]:
        gathered = np.full(option.size, otherwise)
        gathered[real] = np.asarray(table).ravel()[option[real]]
        return gathered

    termination = gather(mdp.termination, 0.0)
    termination[option == -1] = 1.0  # staying has the value 0
    initial = np.bincount(exits.representative, mdp.initial, n_reduced)
    return MDP.from_pairs(
        state,
        action,
        transitions,
        gather(mdp.rewards, 0.0),
        discount=1.0,
        n_states=n_reduced,
        n_actions=exits.option.shape[1],
        termination=termination,
        initial=initial,
    )
