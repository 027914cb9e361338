"""Expected visits and occupancy of a policy."""

from __future__ import annotations

import numpy as np

from regmdp._internal.arrays import ArrayLike, Float
from regmdp._internal.errors import SolverError
from regmdp._internal.parameters import Instance, checked
from regmdp.evaluation.base import Chain
from regmdp.evaluation.exact import Exact
from regmdp.mdp import MDP
from regmdp.mdp.deterministic import DeterministicPolicy
from regmdp.policies import POLICY
from regmdp.problem import Problem

__all__ = ["occupancy", "visits"]


def visits(mdp: MDP, policy: ArrayLike | DeterministicPolicy) -> Float[np.ndarray, " S"]:
    r"""Return (S,) expected discounted visits of each state, \(\rho^\top (I - \gamma P_\pi)^{-1}\).

    With γ = 1 these are visits in an episode, and those of a terminal state are the fraction of
    episodes that end there.

    Args:
        mdp: The model, whose initial distribution is ρ.
        policy: (S, A) probabilities or (S,) action numbers.

    Raises:
        PolicyError: if the policy is not one of this model.
        InfeasibleError: if γ = 1 and no policy ends the episode.
        ImproperPolicyError: if γ = 1 and this policy does not.

    Examples:
        >>> import numpy as np, regmdp as rm
        >>> mdp = rm.models.bandit().with_discount(0.5)
        >>> rm.visits(mdp, np.array([0]))
        array([2.])
    """
    checked = Problem.check(mdp).check_policy(policy)
    return np.maximum(
        Exact().prepare(Chain.from_policy(mdp, checked)).solve_transposed(mdp.initial), 0.0
    )


@checked(
    mdp=Instance(MDP),
    policy=POLICY,
)
def occupancy(mdp: MDP, policy: ArrayLike | DeterministicPolicy) -> Float[np.ndarray, " S"]:
    r"""Return the occupancy \(d_\rho^\pi = (1-\gamma) \rho^\top (I - \gamma P_\pi)^{-1}\), γ < 1.

    It sums to 1 if no episode ends, and to less if some do.

    Args:
        mdp: The model, whose initial distribution is ρ.
        policy: (S, A) probabilities or (S,) action numbers.

    Raises:
        SolverError: if γ = 1; use :func:`visits`.

    Examples:
        >>> import numpy as np, regmdp as rm
        >>> rm.occupancy(rm.models.bandit(), np.array([0]))
        array([1.])
    """
    if mdp.discount == 1.0:
        raise SolverError(
            "the discounted occupancy needs a discount below 1; for an undiscounted model use "
            "visits()"
        )
    return (1.0 - mdp.discount) * visits(mdp, policy)
