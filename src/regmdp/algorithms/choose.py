"""The choice behind ``algorithm="auto"``."""

from __future__ import annotations

import numpy as np

from regmdp.algorithms.iterate import Algorithm, Start
from regmdp.algorithms.iteration import PolicyIteration
from regmdp.evaluation import Chain
from regmdp.evaluation.exact import AT_ONCE, Exact
from regmdp.evaluation.relaxation import relax
from regmdp.improvement import greedy_policy
from regmdp.mdp import MDP
from regmdp.mdp.structure import within_reach
from regmdp.policies import uniform_policy
from regmdp.regularizers import Regularizer, Unregularized

__all__ = ["choose"]

#: The fraction of the residual to which the first policy is evaluated.
FIRST = 0.1
#: In so many steps so many states, or half of them, are reached where a model expands.
STEPS, MANY = 6, 500
#: The least 1 - γ of a far-sighted walk: linear systems lose digits in proportion.
SHORTEST = 1e-10
NEWTON = "policy iteration is Newton's method and needs few iterations"


def choose(mdp: MDP, regularizer: Regularizer, start: Start) -> tuple[Algorithm, Start, str]:
    """Return a method for the problem, where to start it, and why.

    It is always Newton's method; what is looked at first decides where it starts. If a few steps lead almost anywhere, and sweeps
    of the policy that is greedy for the value 0 converge fast, its value is a good start, and cheap. Otherwise that policy may see
    no reward from most states, and the value of the uniform one, which tries everything, leads nearer to the optimum.
    """
    method = PolicyIteration()
    if mdp.discount == 1.0:
        return method, start, f"undiscounted: {NEWTON}"
    if start.value is not None or start.policy is not None:
        return method, start, f"discount {mdp.discount:.6g}, from the given start: {NEWTON}"
    if mdp.n_states <= AT_ONCE:
        return method, start, f"small model, discount {mdp.discount:.6g}: {NEWTON}"
    nothing = np.zeros(mdp.n_states)
    if not _expands(mdp):
        why = f"discount {mdp.discount:.6g}, and a few steps do not lead far"
        if not mdp.terminates or regularizer.max_temperature > 0.0:
            return method, start, f"{why}: {NEWTON}"
        return method, Start(value=_far_sighted(mdp, regularizer)), f"{why}, so it starts from a far-sighted walk; {NEWTON}"
    reward, policy, *_ = greedy_policy(mdp, regularizer, nothing)
    relaxed = relax(Chain.of(mdp, policy), reward, nothing, FIRST * float(np.max(np.abs(reward))))
    if relaxed.done:
        return method, Start(value=relaxed.value), f"sweeps converge fast, by a factor of {relaxed.rate:.2g} each, and {NEWTON}"
    return method, start, f"sweeps converge slowly, by a factor of {relaxed.rate:.2g} each, but {NEWTON}"


def _far_sighted(mdp: MDP, regularizer: Regularizer) -> np.ndarray:
    r"""Return the (S,) value of the uniform policy for the discount \(1 - (1-\gamma)^2/2\).

    A walk at random gets n steps away in n² steps. What it finds there counts \(e^{-n\sqrt{2(1-\gamma)}}\), which far from an end
    is less than what a double can add to anything. With this discount it is \(e^{-n(1-\gamma)}\), as for a policy that goes
    straight there, and so what it tells of the way reaches as far as that policy does.
    """
    discount = 1.0 - max((1.0 - mdp.discount) ** 2 / 2.0, SHORTEST)
    return Exact()(mdp.with_discount(discount), Unregularized(), uniform_policy(mdp, regularizer), np.zeros(mdp.n_states))


def _expands(mdp: MDP) -> bool:
    """Whether a few steps lead almost anywhere, from a state in the middle and from the likeliest first one."""
    enough = min(MANY, mdp.n_states // 2)
    starts = {mdp.n_states // 2, int(np.argmax(mdp.initial))}
    return all(within_reach(mdp.transitions.successors, mdp.n_states, state, STEPS, enough) >= enough for state in starts)
