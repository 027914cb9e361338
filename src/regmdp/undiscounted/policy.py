"""One policy of an undiscounted model: where it ends, rests, or loses without bound."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from regmdp._internal.arrays import Array, Bool, Float
from regmdp.mdp import MDP
from regmdp.mdp.structure import find_non_terminating_states, find_states_reaching
from regmdp.policies import improper_policy
from regmdp.regularizers import Regularizer
from regmdp.undiscounted.gain import refuse_endless_stay
from regmdp.undiscounted.reduction import reduce_model, restrict_actions

__all__ = ["PolicyRestriction", "restrict_to_policy"]


@dataclass(frozen=True, eq=False)
class PolicyRestriction:
    """The model in which a policy ends from every state that has a finite value.

    Attributes:
        mdp: The model, without actions in the states where the policy's value is 0 or -∞.
        policy: (S, A) the policy, 0 in these states.
        lost: (S,) mask of the states where its value is -∞.
    """

    mdp: MDP
    policy: Float[np.ndarray, "S A"]
    lost: Bool[np.ndarray, " S"]

    def expand_value(self, value: Float[Array, " S"]) -> Float[np.ndarray, " S"]:
        """(S,) numbers for the states of this model -> the same with -∞ where it is lost."""
        return np.where(self.lost, -np.inf, np.asarray(value))


def restrict_to_policy(
    mdp: MDP, regularizer: Regularizer, policy: Float[Array, "S A"]
) -> PolicyRestriction:
    """Find where a checked policy of an undiscounted model ends, rests, or is lost.

    It rests in states from which it meets no reward and no cost any more. It is lost where it may
    enter states from which every policy loses without bound, or, where an episode that never ends
    counts -∞, states from which it does not end.

    Raises:
        InfeasibleError: if no policy ends from some state where this one does not, and it is not
            certain that all of them lose.
        ImproperPolicyError: if it neither ends, rests nor has to lose; naming the first state.
        UnboundedError: if it rests where that counts ∞.
    """
    dense = np.asarray(policy)
    used = dense > 0
    never = find_non_terminating_states(mdp, used)
    if mdp.discount < 1.0 or not never.any():
        return PolicyRestriction(mdp, dense, np.zeros(mdp.n_states, dtype=np.bool_))
    refuse_endless_stay(mdp, used)
    rests, lost = np.zeros_like(never), np.zeros_like(never)
    if mdp.endless_value == 0.0:
        matters = (used & (mdp.rewards != 0.0)).any(axis=1)
        matters |= np.asarray(regularizer.cost(dense, mdp.available)) != 0.0
        rests = never & ~find_states_reaching(mdp, used, matters)
        never = find_non_terminating_states(mdp, used, rests)
    if mdp.endless_value < 0.0:
        lost = find_states_reaching(mdp, used, never)
    elif never.any():
        reduction = reduce_model(mdp, regularizer)
        if reduction is not None:
            lost = find_states_reaching(mdp, used, reduction.losing)
        improper = never & ~lost
        if improper.any():
            raise improper_policy(mdp, improper)
    settled = (rests | lost)[:, None]
    left = restrict_actions(mdp, mdp.available & ~settled)
    # a settled state that has an action left has that one only
    return PolicyRestriction(left, np.where(settled, left.available * 1.0, dense), lost)
