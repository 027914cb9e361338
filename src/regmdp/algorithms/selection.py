"""The choice behind ``algorithm="auto"``."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from regmdp import bellman
from regmdp._internal.arrays import Float
from regmdp.algorithms.iteration import PolicyIteration
from regmdp.algorithms.loop import Algorithm, Start
from regmdp.evaluation.exact import AT_ONCE, Exact
from regmdp.mdp import MDP
from regmdp.policies import uniform_policy
from regmdp.regularizers import Regularizer, Unregularized

__all__ = ["choose"]

#: Sweeps are made while each reduces the residual by this factor at least, measured over the last
#: AVERAGED_SWEEPS of them.
FAST_RATE, AVERAGED_SWEEPS = 0.9, 4
#: They end when the residual is this fraction of the first one, or after MAX_SWEEPS.
RESIDUAL_REDUCTION, MAX_SWEEPS = 0.05, 40
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
    if mdp.n_states <= AT_ONCE:
        return method, start, f"small model, discount {mdp.discount:.6g}: {NEWTON}"
    swept = _sweep(mdp, regularizer)
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


class _SweepResult(NamedTuple):
    """Result of sweeps from 0.

    Attributes:
        value: (S,) value.
        rate: Factor by which a sweep reduces the residual.
        done: Whether the residual was reduced enough.
    """

    value: Float[np.ndarray, " S"]
    rate: float
    done: bool


def _sweep(mdp: MDP, regularizer: Regularizer) -> _SweepResult:
    """Iterate V ← T V while it converges fast, up to a constant shift (span seminorm)."""
    value, sizes, rate = np.zeros(mdp.n_states), [], 1.0
    for count in range(1, MAX_SWEEPS + 1):
        backup = (
            bellman.backup(mdp, regularizer, value)
            if sizes
            else bellman.backup_of_zero(mdp, regularizer)
        )
        residual = backup - value
        high, low = float(residual.max()), float(residual.min())
        middle = 0.0 if mdp.terminates else 0.5 * (high + low)
        sizes.append(max(high - middle, middle - low))
        value = backup + mdp.discount / (1.0 - mdp.discount) * middle
        if count > 1:
            back = min(count - 1, AVERAGED_SWEEPS)
            rate = (sizes[-1] / sizes[-1 - back]) ** (1 / back) if sizes[-1] else 0.0
        if sizes[-1] <= RESIDUAL_REDUCTION * sizes[0]:
            return _SweepResult(value, rate, done=True)
        if count > AVERAGED_SWEEPS and rate > FAST_RATE:
            break
    return _SweepResult(value, rate, done=False)


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
