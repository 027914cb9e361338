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
from regmdp._internal.arrays import Array, Bool, Float
from regmdp.mdp import MDP
from regmdp.mdp.structure import (
    EndComponents,
    find_end_components,
    find_pairs_leading_to,
    find_states_reaching,
    find_surely_ending_pairs,
)
from regmdp.policies import infeasible, permitted
from regmdp.regularizers import Regularizer, Unregularized
from regmdp.undiscounted.exits import Exits, collapse_sets
from regmdp.undiscounted.gain import bound_gains, refuse_endless_stay, require_bounded

__all__ = ["Reduction", "find_free_states", "reduce_model"]


@dataclass(frozen=True, eq=False)
class Reduction:
    """An undiscounted model, and the model that is left of it.

    Attributes:
        mdp: The original model.
        regularizer: The regularizer of the reduced model.
        reduced: The model that is left. Its states are those of the original, of which some have no
            actions any more, and behind them states that only choose among the ways out of a
            resting set.
        free: (S,) mask of the states whose value is 0 whatever is done.
        losing: (S,) mask of the states whose value is -∞ whatever is done.
        resting: The resting sets with their pairs of reward 0.
        exits: The ways out of the resting sets.
    """

    mdp: MDP
    regularizer: Regularizer
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

    def settle(
        self, policy: Float[Array, "R B"], value: Float[Array, " R"]
    ) -> Float[np.ndarray, "R B"]:
        """Return a policy of the reduced model that takes one way out of each resting set.

        It is the best for a (R,) value of those that the policy takes, so no worse than their mix.
        """
        if self.exits is None:
            return np.asarray(policy)
        settled = np.array(policy)
        chooses = self.exits.chooses
        q = bellman.q_values(self.reduced, value)[chooses]
        best = np.where(settled[chooses] > 0.0, q, -np.inf).argmax(axis=1)
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
    resting = _find_resting_sets(mdp, regularizer, allowed & ~free[:, None])
    ends = free | ((resting.component >= 0) & may_stay)
    ending, kept = find_surely_ending_pairs(mdp, allowed & ~free[:, None], ends)
    losing = ~ending
    if losing.any():
        _require_losing(mdp, regularizer, allowed, losing)
    if not (free.any() or losing.any() or resting.count):
        return None
    ways_out = kept & ~resting.pairs
    if not resting.count or not (may_stay or ways_out.any()):
        reduced, exits = restrict_actions(mdp, ways_out), None
    else:
        reduced, exits = collapse_sets(mdp, resting, ways_out, may_stay)
    # what a regularizer without a temperature forbids is left out
    left = Unregularized() if chooses_freely(regularizer) else regularizer
    return Reduction(mdp, left, reduced, free, losing, resting, exits)


def chooses_freely(regularizer: Regularizer) -> bool:
    """Whether the regularizer only forbids actions, if it does anything: no action costs more."""
    return regularizer.max_temperature == 0.0 and regularizer.probability_bounds is None


def restrict_actions(mdp: MDP, kept: Bool[np.ndarray, "S A"]) -> MDP:
    """Return the model with some of its pairs only.

    A model has at least one pair: if none is kept, its first one ends the episode with reward 0.
    """
    if (kept & mdp.available).any():
        return mdp.with_available(kept)
    only = np.zeros(mdp.available.shape, dtype=np.bool_)
    only.ravel()[np.argmax(mdp.available)] = True
    return MDP(
        scipy.sparse.csr_array((only.size, mdp.n_states)),
        np.zeros(only.shape),
        discount=1.0,
        available=only,
        termination=only.astype(np.float64),
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
    mdp: MDP, regularizer: Regularizer, allowed: Bool[Array, "S A"]
) -> EndComponents:
    """Return the end components of allowed pairs of reward 0.

    With a regularizer there is none: staying costs, or pays, by how it is done.
    """
    pairs = np.asarray(allowed) & (mdp.rewards == 0.0) & chooses_freely(regularizer)
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
