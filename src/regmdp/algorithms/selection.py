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

#: Sweeps are made while each shrinks the residual by this factor at least, as seen over the last
#: few of them.
FAST, PROBED = 0.9, 4
#: They go on until the residual is this fraction of the first, but not for more sweeps than that.
FIRST, SWEEPS = 0.05, 40
#: The least 1 - γ of a far-sighted walk: linear systems lose digits in proportion.
SHORTEST = 1e-10
NEWTON = "policy iteration is Newton's method and needs few iterations"


def choose(mdp: MDP, regularizer: Regularizer, start: Start) -> tuple[Algorithm, Start, str]:
    """Return a method for the problem, where to start it, and why.

    It is always Newton's method; what is looked at first decides where it starts. Where sweeps of
    value iteration from 0 converge fast, a few of them lead near the optimum. Elsewhere they see no
    reward from most states, and the value of the uniform policy, which tries everything, leads
    nearer; where episodes end and nothing regularizes, of a uniform policy that looks farther ahead
    than the discount does.
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
        f"{why}, so it starts from a far-sighted walk; {NEWTON}",
    )


class _SweepResult(NamedTuple):
    """Where sweeps from 0 have led: (S,) value, the factor by which one shrinks the residual, and whether they went far enough."""

    value: Float[np.ndarray, " S"]
    rate: float
    done: bool


def _sweep(mdp: MDP, regularizer: Regularizer) -> _SweepResult:
    """Iterate values, V ← T V, while that converges fast, with what all states have in common taken out of account."""
    value, sizes, rate = np.zeros(mdp.n_states), [], 1.0
    for count in range(1, SWEEPS + 1):
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
            back = min(count - 1, PROBED)
            rate = (sizes[-1] / sizes[-1 - back]) ** (1 / back) if sizes[-1] else 0.0
        if sizes[-1] <= FIRST * sizes[0]:
            return _SweepResult(value, rate, done=True)
        if count > PROBED and rate > FAST:
            break
    return _SweepResult(value, rate, done=False)


def warm_start_value(mdp: MDP, regularizer: Regularizer) -> np.ndarray:
    r"""Return the (S,) value of the uniform policy for the discount \(1 - (1-\gamma)^2/2\).

    A walk at random gets n steps away in n² steps. What it finds there counts
    \(e^{-n\sqrt{2(1-\gamma)}}\), which far from an end is less than what a double can add to
    anything. With this discount it is \(e^{-n(1-\gamma)}\), as for a policy that goes straight
    there, and so what it tells of the way reaches as far as that policy does.
    """
    discount = 1.0 - max((1.0 - mdp.discount) ** 2 / 2.0, SHORTEST)
    return Exact()(
        mdp.with_discount(discount),
        Unregularized(),
        uniform_policy(mdp, regularizer),
        np.zeros(mdp.n_states),
    )
