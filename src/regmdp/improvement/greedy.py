"""The greedy improvement, and greedy policies of undiscounted models, which must end the episode."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from regmdp import bellman
from regmdp._arrays import UNIT_ROUNDOFF, Array, Float, one_hot
from regmdp.mdp import MDP
from regmdp.mdp.structure import ending_policy
from regmdp.policies import permitted
from regmdp.regularizers import Regularizer

__all__ = ["Greedy", "Improved"]


class Improved(NamedTuple):
    """What one look ahead from a value gives.

    Attributes:
        backup: (S,) T V.
        policy: (S, A) the improved policy.
    """

    backup: Float[np.ndarray, " S"]
    policy: Float[np.ndarray, "S A"]


class Greedy:
    r"""The regularized greedy policy \(\nabla h^*(Q/\tau)\).

    If γ = 1 and there is no regularizer, several actions may be as good while some of them go round in circles for ever. Then
    the policy is chosen among the best actions, up to rounding, so that the episode ends.
    """

    def __call__(self, mdp: MDP, regularizer: Regularizer, value: Float[Array, " S"]) -> Improved:
        """Look one step ahead from a (S,) value."""
        best, policy = bellman.greedy(mdp, regularizer, value)
        if mdp.discount == 1.0 and regularizer.max_temperature == 0.0:
            policy = _ending_greedy(mdp, regularizer, value, best, policy)
        return Improved(best, policy)

    def __repr__(self) -> str:
        return "Greedy()"


def _ending_greedy(
    mdp: MDP,
    regularizer: Regularizer,
    value: Float[Array, " S"],
    best: Float[np.ndarray, " S"],
    policy: Float[np.ndarray, "S A"],
) -> Float[np.ndarray, "S A"]:
    """Return a greedy policy that ends, if there is one among the actions that are best up to a slack as small as will do."""
    allowed = permitted(mdp, regularizer)
    q = bellman.q_values(mdp, value)
    scale = mdp.reward_bound + float(np.max(np.abs(best)))
    # from a hundred roundings up to half of the digits
    for slack in scale * UNIT_ROUNDOFF * 10.0 ** np.arange(2, 9, 2):
        actions = ending_policy(mdp, allowed & (q >= (best - slack)[:, None]))
        if np.all((actions >= 0) | mdp.terminal):
            return one_hot(np.where(mdp.terminal, -1, actions), mdp.n_actions)
    return policy
