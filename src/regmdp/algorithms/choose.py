"""The choice behind ``algorithm="auto"``."""

from __future__ import annotations

from regmdp.algorithms.iterate import Algorithm
from regmdp.algorithms.iteration import ModifiedPolicyIteration, PolicyIteration
from regmdp.mdp import MDP

__all__ = ["choose"]

#: Discount below which plain sweeps need so few iterations that solving linear equations does not pay on a large model.
SHORT_HORIZON = 0.9
#: States up to which a linear solve is quicker than anything.
SMALL = 2000


def choose(mdp: MDP) -> tuple[Algorithm, str]:
    """Return a method for the model, and why."""
    if mdp.discount <= SHORT_HORIZON and mdp.n_states > SMALL:
        return ModifiedPolicyIteration(), (
            f"with a discount of {mdp.discount:g} a few sweeps evaluate a policy well enough, without a linear solve"
        )
    why = "undiscounted" if mdp.discount == 1.0 else f"discount {mdp.discount:.6g}"
    size = "small" if mdp.n_states <= SMALL else "large"
    return PolicyIteration(), f"{size} model, {why}: policy iteration is Newton's method and needs few iterations"
