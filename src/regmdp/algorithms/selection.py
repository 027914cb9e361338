"""The choice behind ``algorithm="auto"``."""

from __future__ import annotations

import numpy as np

from regmdp import bellman
from regmdp.algorithms.adaptive import AdaptivePolicyIteration
from regmdp.algorithms.iteration import PolicyIteration
from regmdp.algorithms.loop import Algorithm, Start
from regmdp.algorithms.stopping import Tolerance
from regmdp.evaluation.base import Chain
from regmdp.evaluation.budgeted import can_factorize
from regmdp.evaluation.exact import SMALL_SYSTEM, Exact
from regmdp.mdp import MDP
from regmdp.policies import uniform_policy
from regmdp.regularizers import Regularizer, Unregularized

__all__ = ["choose"]

#: Smallest 1 - γ of a warm start: linear systems lose digits in proportion.
SMALLEST_ONE_MINUS_DISCOUNT = 1e-10
NEWTON = "policy iteration is Newton's method and needs few iterations"
ADAPTIVE = "it spends on a policy what the policy deserves"


def choose(
    mdp: MDP, regularizer: Regularizer, start: Start, tolerance: Tolerance
) -> tuple[Algorithm, Start, str]:
    """Return a method for the problem, where to start it, and why.

    The method is Newton's, exact for small models and undiscounted ones; for others it adapts to
    the model while it runs (inexact policy iteration). Where most states pay nothing at once,
    sweeps find no reward, and the value of the uniform policy for a larger discount is nearer.
    """
    method = AdaptivePolicyIteration(tolerance)
    if mdp.discount == 1.0:
        return PolicyIteration(), start, f"undiscounted: {NEWTON}"
    if start.value is not None or start.policy is not None:
        return method, start, f"discount {mdp.discount:.6g}, from the given start: {ADAPTIVE}"
    if mdp.n_states <= SMALL_SYSTEM:
        return PolicyIteration(), start, f"small model, discount {mdp.discount:.6g}: {NEWTON}"
    if (
        regularizer.max_temperature == 0.0
        and not np.median(bellman.backup_of_zero(mdp, regularizer))
        and can_factorize(Chain.from_policy(mdp, uniform_policy(mdp, regularizer)), np.inf)
    ):
        return (
            method,
            Start(value=warm_start_value(mdp, regularizer)),
            "most states pay nothing at once, so it is warm-started with a larger discount; "
            f"{ADAPTIVE}",
        )
    return method, start, f"discount {mdp.discount:.6g}: {ADAPTIVE}"


def warm_start_value(mdp: MDP, regularizer: Regularizer) -> np.ndarray:
    r"""Return the (S,) value of the uniform policy for the discount \(1 - (1-\gamma)^2/2\).

    A random walk takes n² steps to a state at distance n, whose reward is then discounted by
    \(e^{-n\sqrt{2(1-\gamma)}}\), less than the precision of a double far from the goal. With this
    discount it is \(e^{-n(1-\gamma)}\), as for a policy that takes the shortest way, so the value
    ranks actions in all states that such a policy reaches.
    """
    discount = 1.0 - max((1.0 - mdp.discount) ** 2 / 2.0, SMALLEST_ONE_MINUS_DISCOUNT)
    return Exact()(
        mdp.with_discount(discount),
        Unregularized(),
        uniform_policy(mdp, regularizer),
        np.zeros(mdp.n_states),
    )
