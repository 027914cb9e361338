"""Dual variables of start policies, and what problems have to have for them."""

from __future__ import annotations

import numpy as np

from regmdp._internal.arrays import Array, Float
from regmdp._internal.errors import SolverError
from regmdp.improvement.base import normalise_dual
from regmdp.mdp import DecisionProcess
from regmdp.mdp.transitions import state_blocks
from regmdp.policies import permitted
from regmdp.regularizers import Regularizer

__all__ = ["dual_from_policy", "require_discount", "require_interior"]


def dual_from_policy(
    mdp: DecisionProcess, regularizer: Regularizer, mirror: Regularizer, policy: Float[Array, "S A"]
) -> Float[np.ndarray, "S A"]:
    """(S, A) policy -> (S, A) a subgradient of the mirror map there, -inf at pairs that are not permitted.

    Raises:
        SolverError: if the mirror map is infinitely steep on the boundary of the simplex, and the
            policy lies there.
    """
    if mirror.steep:
        require_interior(mdp, regularizer, policy)
    allowed = permitted(mdp, regularizer)
    dual = np.empty((mdp.n_states, mdp.n_actions), order="F")
    for states in state_blocks(mdp.n_states, mdp.n_actions):
        subgradient = mirror.at(states).subgradient(policy[states], allowed[states])
        dual[states] = normalise_dual(np.where(allowed[states], subgradient, 0.0), allowed[states])
    return dual


def require_interior(
    mdp: DecisionProcess, regularizer: Regularizer, policy: Float[Array, "S A"]
) -> None:
    """Check that a policy gives every permitted pair a positive probability.

    Raises:
        SolverError: naming the first pair to which it does not.
    """
    missing = permitted(mdp, regularizer) & ~(np.asarray(policy) > 0)
    if missing.any():
        state, action = (int(i) for i in np.unravel_index(np.argmax(missing), missing.shape))
        raise SolverError(
            f"the start policy gives {mdp.describe(state, action)} probability 0, and this method "
            f"multiplies probabilities, so that it would stay 0; {int(np.count_nonzero(missing))} "
            "pairs are like that; mix the start with the uniform policy"
        )


def require_discount(mdp: DecisionProcess, method: str) -> None:
    """Check that the model is discounted."""
    if not mdp.discount < 1.0:
        raise SolverError(
            f"{method} needs a discount below 1; for an undiscounted model use policy iteration, "
            "PMD or GPMD"
        )
