"""The Markov chain that a policy induces, as a model."""

from __future__ import annotations

import numpy as np
import scipy

from regmdp._internal.arrays import ArrayLike
from regmdp.evaluation.base import make_equation
from regmdp.mdp import MDP
from regmdp.mdp.deterministic import DeterministicPolicy
from regmdp.policies import check_policy
from regmdp.problem import Problem
from regmdp.regularizers import Regularizer

__all__ = ["induced_chain"]


def induced_chain(
    mdp: MDP, policy: ArrayLike | DeterministicPolicy, regularizer: Regularizer | None = None
) -> MDP:
    r"""Return the Markov chain that a policy induces, with its rewards, as a model with one action.

    Its only policy has the value of the policy in the model. :func:`regmdp.io.write_model` writes
    it for a model checker, as a DTMC.

    Args:
        mdp: The model.
        policy: (S, A) probabilities or (S,) action numbers.
        regularizer: If given, \(\tau h(\pi(s))\) is subtracted from the reward of each state.

    Returns:
        The model with transitions \(\sum_a \pi(a|s) P(t|s,a)\) and rewards
        \(\sum_a \pi(a|s) r(s,a)\); discount, initial distribution, labels and objective are those
        of the model.

    Raises:
        PolicyError: if the policy is not one of this model.

    Examples:
        >>> import numpy as np, regmdp as rm
        >>> mdp = rm.models.forest()
        >>> rm.induced_chain(mdp, np.array([0, 0, 0]))
        MDP(3 states, 1 action, 6 transitions (sparse), discount 0.9)
    """
    problem = Problem.check(mdp, regularizer)
    policy = check_policy(mdp, policy, problem.regularizer)
    chain, rewards = make_equation(mdp, problem.regularizer, policy)
    matrix, terminal = chain.matrix, np.asarray(mdp.terminal)
    induced = MDP(
        matrix if scipy.sparse.issparse(matrix) else np.asarray(matrix)[:, None, :],
        np.where(terminal, 0.0, rewards)[:, None],
        mdp.discount,
        initial=mdp.initial,
        available=~terminal[:, None],
        termination=np.sum(np.asarray(policy) * np.asarray(mdp.termination), axis=1)[:, None],
        state_labels=mdp.state_labels,
        labels=mdp.labels,
    )
    # a probability less a regularizer is none
    return induced.with_objective(
        mdp.objective if regularizer is None or mdp.endless_value else None
    )
