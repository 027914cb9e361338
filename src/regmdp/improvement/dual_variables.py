r"""Dual variables ξ of policies, \(\pi = \nabla \psi^*(\xi)\) for a mirror map ψ.

A constant for each state changes nothing: they are normalised to have maximum 0 in each state.
"""

from __future__ import annotations

import numpy as np

from regmdp._internal.arrays import Array, Bool, Float, assign
from regmdp._internal.checks import describe_first
from regmdp._internal.errors import SolverError
from regmdp.mdp import DecisionProcess
from regmdp.policies import permitted
from regmdp.regularizers import Regularizer
from regmdp.regularizers.base import with_temperature

__all__ = [
    "MIN_DUAL",
    "average_duals",
    "check_mirror_map",
    "dual_from_policy",
    "normalise_dual",
    "policy_from_dual",
    "require_interior",
    "subtract_best",
]

#: Dual variables of permitted actions are raised to this, so that arithmetic with them is finite.
MIN_DUAL = -1e300


def check_mirror_map(mirror: object) -> Regularizer:
    """Return a mirror map with temperature 1, whatever its own is.

    Raises:
        SolverError: if it is not a regularizer.
    """
    if not isinstance(mirror, Regularizer):
        raise SolverError(f"a mirror map is a regularizer such as SquaredL2(1.0), not {mirror!r}")
    return with_temperature(mirror, 1.0)


def subtract_best(
    q: Float[Array, "*batch A"], allowed: Bool[Array, "*batch A"] | None
) -> Float[Array, "*batch A"]:
    """(…, A) action values -> (…, A) minus the best permitted one; 0 where not permitted."""
    if allowed is None:
        return q - np.max(q, axis=-1, keepdims=True)
    top = np.max(np.where(allowed, q, -np.inf), axis=-1, keepdims=True)
    return np.where(allowed, q - np.where(top > -np.inf, top, 0.0), 0.0)


def normalise_dual(
    dual: Float[Array, "*batch A"], allowed: Bool[Array, "*batch A"] | None
) -> Float[Array, "*batch A"]:
    """(…, A) dual variable -> the same with maximum 0, and -inf at pairs that are not permitted.

    In states without permitted actions it is 0.
    """
    if allowed is None:
        return np.maximum(dual - np.max(dual, axis=-1, keepdims=True), MIN_DUAL)
    masked = np.where(allowed, dual, -np.inf)
    top = np.max(masked, axis=-1, keepdims=True)
    some = top > -np.inf
    return np.where(
        allowed,
        np.maximum(masked - np.where(some, top, 0.0), MIN_DUAL),
        np.where(some, -np.inf, 0.0),
    )


def average_duals(
    dual: Float[Array, "b A"],
    q: Float[Array, "b A"],
    allowed: Bool[Array, "b A"] | None,
    inverse_step: float | Array,
    temperature: float | Array,
) -> Float[Array, "b A"]:
    """(b, A) dual variable and action values -> (b, A) (ξ + ηQ)/(1 + ητ), up to a constant.

    Args:
        dual: (b, A) ξ.
        q: (b, A) Q.
        allowed: (b, A) mask of the permitted pairs, or None.
        inverse_step: 1/η, a number or (b,); 0 stands for η = ∞.
        temperature: τ, a number or (b,); not 0 where 1/η is.
    """
    inverse = np.asarray(inverse_step, dtype=np.float64)[..., None]
    total = inverse + np.asarray(temperature)[..., None]
    kept = inverse / total
    # -inf is right for an action too far below the best for a double
    with np.errstate(over="ignore"):
        # a dual variable of -inf with weight 0 belongs to a pair that is not permitted, and is
        # masked below
        moved = subtract_best(q, allowed) / total + np.where(
            kept > 0, kept * np.where(dual > -np.inf, dual, 0.0), 0.0
        )
    return normalise_dual(moved, allowed)


def policy_from_dual(
    mirror: Regularizer, dual: Float[Array, "*batch A"], allowed: Bool[Array, "*batch A"] | None
) -> Float[Array, "*batch A"]:
    """(…, A) dual variable -> (…, A) its policy, the greedy distribution of the mirror map."""
    policy = mirror.greedy(dual, allowed)
    return policy if allowed is None else np.where(allowed, policy, 0.0)


def dual_from_policy(
    mdp: DecisionProcess, regularizer: Regularizer, mirror: Regularizer, policy: Float[Array, "S A"]
) -> Float[np.ndarray, "S A"]:
    """(S, A) policy -> (S, A) subgradient of the mirror map, -inf where not permitted.

    Raises:
        SolverError: if the mirror map is infinitely steep at the boundary of the simplex, and the
            policy is on it.
    """
    if mirror.steep:
        require_interior(mdp, regularizer, policy)
    allowed = permitted(mdp, regularizer)
    dual = mdp.partition.new_table()
    mdp.partition.each(
        lambda states: assign(
            states, (dual, _find_dual(mirror.at(states), policy[states], allowed[states]))
        ),
        shared=False,
    )
    return dual


def _find_dual(
    mirror: Regularizer, policy: Float[Array, "b A"], allowed: Bool[Array, "b A"]
) -> Float[np.ndarray, "b A"]:
    """Return the normalised subgradient of the mirror map at the policies of some states."""
    subgradient = mirror.subgradient(policy, allowed)
    return normalise_dual(np.where(allowed, subgradient, 0.0), allowed)


def require_interior(
    mdp: DecisionProcess, regularizer: Regularizer, policy: Float[Array, "S A"]
) -> None:
    """Check that a policy gives every permitted pair a positive probability.

    Raises:
        SolverError: naming the first pair to which it does not.
    """
    allowed = permitted(mdp, regularizer)
    given = policy if mdp.partition.holds(policy) else np.asarray(policy)
    missing = allowed & ~(given > 0)
    if missing.any():
        raise SolverError(
            describe_first(
                missing,
                lambda state, action: (
                    f"the start policy gives {mdp.describe(state, action)} probability 0, which "
                    "this method would not change, as it multiplies probabilities"
                ),
                "pairs",
                "mix the start with the uniform policy",
                of=int(np.count_nonzero(allowed)),
            )
        )
