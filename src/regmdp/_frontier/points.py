"""Value and divergence of one policy, with certified bounds."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from regmdp._internal.arrays import Float
from regmdp.certificates import Certificate, evaluate
from regmdp.certificates.certificate import Bounds
from regmdp.mdp import MDP
from regmdp.regularizers import KL

__all__ = ["PolicyPoint", "measure_policy", "measure_reference"]


@dataclass(frozen=True)
class PolicyPoint:
    """Value of a policy and its divergence from the reference, with certified bounds.

    Attributes:
        temperature: τ for which the policy was found; ∞ for the reference.
        value: Value from the initial distribution, without the regularizer.
        value_lower: Certified lower bound on it.
        value_upper: Certified upper bound on it.
        divergence: Divergence from the reference, in nats.
        divergence_lower: Certified lower bound on it.
        divergence_upper: Certified upper bound on it.
    """

    temperature: float
    value: float
    value_lower: float
    value_upper: float
    divergence: float
    divergence_lower: float
    divergence_upper: float


def measure_reference(mdp: MDP, reference: Float[np.ndarray, "S A"]) -> PolicyPoint:
    """Evaluate the reference policy, whose divergence from itself is 0."""
    return PolicyPoint(np.inf, *_bound_initial_value(mdp, reference, None), 0.0, 0.0, 0.0)


def measure_policy(
    mdp: MDP,
    reference: Float[np.ndarray, "S A"],
    policy: Float[np.ndarray, "S A"],
    temperature: float,
) -> PolicyPoint:
    """Evaluate a policy that was found at a temperature, and its divergence from the reference."""
    value = _bound_initial_value(mdp, policy, None)
    # with rewards of 0 the regularized value is minus the divergence
    unrewarded = mdp.with_rewards(np.zeros_like(mdp.rewards))
    cost, lower, upper = _bound_initial_value(unrewarded, policy, KL(reference, temperature=1.0))
    return PolicyPoint(temperature, *value, max(-cost, 0.0), max(-upper, 0.0), max(-lower, 0.0))


def _bound_initial_value(
    mdp: MDP, policy: Float[np.ndarray, "S A"], regularizer: KL | None
) -> tuple[float, float, float]:
    """Return the value of a policy from ρ, and certified lower and upper bounds on it."""
    found = evaluate(mdp, policy, regularizer)
    bounds = Certificate.from_bounds(
        mdp.initial, Bounds(found.lower, found.upper, found.lower, found.upper)
    )
    return found.initial_value, bounds.initial_lower, bounds.initial_upper
