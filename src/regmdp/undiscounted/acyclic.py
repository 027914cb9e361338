"""The part of an undiscounted model that has cycles, and the rest, solved without iterations.

States from which no cycle is reached come first, by backward induction. The core, with the cycles,
follows as a model of its own: next states outside of it end the episode there, and pay their value.
States that no cycle leads back to are the last.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy

from regmdp._internal.arrays import Array, Bool, Float, Int
from regmdp.mdp import MDP
from regmdp.mdp.levels import find_levels
from regmdp.mdp.structure import find_entries, rows_of, state_graph
from regmdp.policies import permitted
from regmdp.regularizers import Regularizer
from regmdp.rounding import rows_sum_to_one
from regmdp.undiscounted.certain import find_certain_values
from regmdp.undiscounted.induction import BackwardInduction
from regmdp.undiscounted.reduction import chooses_freely

__all__ = ["AcyclicParts", "find_acyclic_parts"]

#: Number of states from which the parts are looked for, and the fraction that they have to be.
FEW_STATES, LEAST_FRACTION = 500, 0.25


@dataclass(frozen=True, eq=False)
class AcyclicParts:
    """An undiscounted model, split into states that reach no cycle, the core, and those before it.

    Attributes:
        mdp: The model.
        core: The core as a model: its own states, and behind them those outside that they lead to.
            None if there is none.
        inside: (C,) the states of the core.
        below: The states from which no cycle is reached.
        above: Those of the others that no cycle leads to.
        value: (S + 1,) the values of the former, and 0.
        q: (K,) their action values.
        certain: (S,) mask of the states below whose value is known, whatever is done.
        allowed: (S, A) mask of the pairs that may be used.
    """

    mdp: MDP
    core: MDP | None
    inside: Int[np.ndarray, " C"]
    below: BackwardInduction
    above: BackwardInduction
    value: Float[np.ndarray, " N"]
    q: Float[np.ndarray, " K"]
    certain: Bool[np.ndarray, " S"]
    allowed: Bool[np.ndarray, "S A"]

    def expand_value(self, value: Float[Array, " R"]) -> Float[np.ndarray, " S"]:
        """(R,) a value of the core -> (S,) that of the model."""
        return self.solve_above(value)[0][:-1]

    def solve_above(
        self, value: Float[Array, " R"]
    ) -> tuple[Float[np.ndarray, " N"], Float[np.ndarray, " K"]]:
        """(R,) a value of the core -> (S + 1,) that of the model, and (K,) last action values."""
        found = np.array(self.value)
        found[self.inside] = np.asarray(value)[: self.inside.size]
        return found, self.above.solve(found)

    def expand_policy(
        self, value: Float[Array, " R"], policy: Float[Array, "R A"] | None
    ) -> Float[np.ndarray, "S A"]:
        """(R, A) a policy of the core, with its (R,) value -> (S, A) one of the model."""
        found, q = self.solve_above(value)
        expanded = np.zeros((self.mdp.n_states, self.mdp.n_actions), order="F")
        for part, values in ((self.below, self.q), (self.above, q)):
            expanded[part.choose(values, found)] = 1.0
        first = self.allowed[self.certain].argmax(axis=1)
        expanded[np.flatnonzero(self.certain), first] = 1.0
        if policy is not None:
            expanded[self.inside] = np.asarray(policy)[: self.inside.size]
        return expanded


def find_acyclic_parts(mdp: MDP, regularizer: Regularizer) -> AcyclicParts | None:
    """Split an undiscounted model where actions cost nothing; None if it has too few such states.

    The core's own next states are solved, up to rounding.
    """
    suits = mdp.discount == 1.0 and chooses_freely(regularizer) and mdp.n_states >= FEW_STATES
    if not suits or not rows_sum_to_one(mdp):
        return None
    allowed = np.asarray(permitted(mdp, regularizer))
    rows = rows_of(mdp)
    certain, value = np.zeros(mdp.n_states, dtype=np.bool_), np.zeros(mdp.n_states + 1)
    known = find_certain_values(mdp, allowed)
    if known is not None:
        certain, reward = known
        value[:-1][certain] = reward
        allowed = allowed & ~certain[:, None]
    below, above = find_levels(state_graph(rows, allowed))
    found = below.states.size + above.states.size
    if found < LEAST_FRACTION * mdp.n_states or not rows.data.all():
        return None
    first = BackwardInduction(mdp, allowed, below)
    last = BackwardInduction(mdp, allowed, above)
    q = first.solve(value)
    cyclic = np.ones(mdp.n_states, dtype=np.bool_)
    cyclic[below.states] = False
    cyclic[above.states] = False
    inside = np.flatnonzero(cyclic)
    core = _build_core(mdp, allowed, inside, value) if inside.size else None
    return AcyclicParts(
        mdp, core, inside, first, last, value, q, certain, permitted(mdp, regularizer)
    )


def _build_core(
    mdp: MDP,
    allowed: Bool[np.ndarray, "S A"],
    inside: Int[np.ndarray, " C"],
    value: Float[np.ndarray, " N"],
) -> MDP:
    """Return the model of some states, with what they lead to as states that end the episode."""
    row, action = np.nonzero(allowed[inside])
    rows = rows_of(mdp)
    pairs = inside[row] * mdp.n_actions + action
    entries, lengths = find_entries(rows.indptr, pairs)
    place = np.full(mdp.n_states, -1)
    place[inside] = np.arange(inside.size)
    following = rows.indices[entries]
    reached = np.zeros(mdp.n_states, dtype=np.bool_)
    reached[following] = True
    outside = np.flatnonzero(reached & (place < 0))
    ends = outside[~np.asarray(mdp.terminal)[outside]]
    place[outside] = inside.size + np.arange(outside.size)
    n_states, n_pairs = inside.size + outside.size, pairs.size + ends.size
    pointers = np.full(n_pairs + 1, entries.size)
    pointers[: pairs.size] = np.cumsum(lengths) - lengths
    initial = np.zeros(n_states)
    initial[: inside.size] = mdp.initial[inside]
    own = np.asarray(mdp.rewards)[inside[row], action], np.asarray(mdp.termination)
    core = MDP.from_pairs(
        np.concatenate((row, place[ends])),
        np.concatenate((action, np.zeros(ends.size, dtype=np.int64))),
        scipy.sparse.csr_array(
            (rows.data[entries], place[following], pointers), shape=(n_pairs, n_states)
        ),
        np.concatenate((own[0], value[ends])),
        discount=1.0,
        n_states=n_states,
        n_actions=mdp.n_actions,
        termination=np.concatenate((own[1][inside[row], action], np.ones(ends.size))),
        initial=initial / initial.sum() if initial.sum() > 0.0 else None,
    )
    return core.with_objective(mdp.objective)
