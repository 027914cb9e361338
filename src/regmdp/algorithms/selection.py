"""The choice behind ``algorithm="auto"``."""

from __future__ import annotations

import numpy as np

from regmdp.algorithms.iteration import PolicyIteration
from regmdp.algorithms.loop import Algorithm, Start
from regmdp.evaluation.exact import SMALL_SYSTEM, Exact
from regmdp.evaluation.span_sweeps import sweep_optimality
from regmdp.mdp import MDP
from regmdp.policies import uniform_policy
from regmdp.regularizers import Regularizer, Unregularized

__all__ = ["choose"]

#: Smallest 1 - γ of a warm start: linear systems lose digits in proportion.
SMALLEST_ONE_MINUS_DISCOUNT = 1e-10
NEWTON = "policy iteration is Newton's method and needs few iterations"


def choose(mdp: MDP, regularizer: Regularizer, start: Start) -> tuple[Algorithm, Start, str]:
    """Return a method for the problem, where to start it, and why.

    The method is always Newton's; first measurements decide where it starts. If sweeps of value
    iteration from 0 converge fast, a few of them lead near the optimum. Otherwise they find no
    reward from most states, and the value of the uniform policy is nearer; if episodes end and
    there is no regularizer, its value for a larger discount.
    """
    method = PolicyIteration()
    if mdp.discount == 1.0:
        return method, start, f"undiscounted: {NEWTON}"
    if start.value is not None or start.policy is not None:
        return method, start, f"discount {mdp.discount:.6g}, from the given start: {NEWTON}"
    if mdp.n_states <= SMALL_SYSTEM:
        return method, start, f"small model, discount {mdp.discount:.6g}: {NEWTON}"
    swept = sweep_optimality(mdp, regularizer)
    if swept.done:
        return (
            method,
            Start(value=swept.value),
            f"sweeps converge fast, by a factor of {swept.rate:.2g} each, and {NEWTON}",
        )
    why = f"sweeps converge slowly, by a factor of {swept.rate:.2g} each"
    if not mdp.terminates or regularizer.max_temperature > 0.0:
        return method, start, f"{why}, but {NEWTON}"
    return (
        method,
        Start(value=warm_start_value(mdp, regularizer)),
        f"{why}, so it is warm-started with a larger discount; {NEWTON}",
    )


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
