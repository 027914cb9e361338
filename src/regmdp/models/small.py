"""Models with closed-form solutions."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import scipy.sparse as sp

from regmdp._internal.errors import ModelError
from regmdp._internal.memory import require_memory
from regmdp._internal.parameters import ArrayOf, Integer, Number, checked
from regmdp.mdp import MDP, LineLayout

__all__ = ["bandit", "chain", "forest"]

#: Largest number of states that get names.
MAX_LABELS = 10_000


@checked(ModelError, rewards=ArrayOf("n"), discount=Number(0.0, 1.0))
def bandit(rewards: Sequence[float] = (1.0, 0.9, 0.1), *, discount: float = 0.0) -> MDP:
    r"""Return a bandit: one state, and one action for each arm.

    .. math::
        V^* = \frac{1}{1 - \gamma} \max_a r_a, \qquad
        V^*_\tau = \frac{\tau}{1 - \gamma} \log \sum_a e^{r_a / \tau}, \quad
        \pi_a \propto e^{r_a / \tau}

    without a regularizer, and with the negative entropy at temperature τ. The policy does not
    depend on γ, because every arm leads back to the same state.

    Args:
        rewards: A expected rewards, one for each arm.
        discount: γ; 0 means a single pull.

    Returns:
        A model of 1 state and A actions.

    Raises:
        ModelError: if there is no arm, or a reward is not a finite number.

    Examples:
        >>> import regmdp as rm
        >>> rm.models.bandit()
        MDP(1 state, 3 actions, 3 transitions (dense), discount 0)
        >>> rm.models.bandit((2.0, 5.0), discount=0.5).rewards
        array([[2., 5.]])

    Reference:
        Mei, Xiao, Szepesvári and Schuurmans, On the global convergence rates of softmax policy
        gradient methods, ICML 2020, uses the three arms (1, 0.9, 0.1) in its figures.
    """
    arms = np.array(rewards)[None, :]
    return MDP(
        np.ones((1, arms.size, 1)),
        arms,
        discount,
        state_labels=["bandit"],
        action_labels=[f"arm {arm}" for arm in range(arms.size)],
    )


@checked(ModelError, n_states=Integer(), distraction=Number(0.0, 1.0), discount=Number(0.0, 1.0))
def chain(n_states: int = 5, *, distraction: float = 0.0, discount: float = 0.9) -> MDP:
    r"""Return a chain with its reward at the far end.

    In state i < n - 1 *forward* leads to i + 1 and pays nothing; in the last state it stays and
    pays 1. *Back* leads from everywhere to state 0 and pays the distraction d. For γ < 1,

    .. math::
        V^*(i) = \frac{\max(\gamma^{n - 1 - i}, d)}{1 - \gamma},

    which solves the optimality equation: if d ≥ γ^{n-1}, *back* has the value d / (1 - γ) and
    *forward* max(γ^{n-1-i}, γd) / (1 - γ); otherwise *back* has at most the value
    γ^{n-1} / (1 - γ), and *forward* γ^{n-1-i} / (1 - γ).

    Args:
        n_states: S, at least 1.
        distraction: d, the reward of going back, 0 ≤ d ≤ 1.
        discount: γ.

    Returns:
        A model of S states and 2 actions, *back* and *forward*, starting in state 0.

    Raises:
        ModelError: if a parameter is out of its range.

    Examples:
        >>> import regmdp as rm
        >>> rm.models.chain(3)
        MDP(3 states, 2 actions, 6 transitions (sparse), discount 0.9)
        >>> rm.solve(rm.models.chain(3)).value.round(6)
        array([ 8.1,  9. , 10. ])
        >>> rm.solve(rm.models.chain(3, distraction=0.95)).value.round(6)
        array([ 9.5,  9.5, 10. ])
    """
    require_memory(f"transitions of {n_states:,} states", 40.0 * n_states, "choose fewer states")
    state = np.arange(n_states)
    successor = np.column_stack((np.zeros_like(state), np.minimum(state + 1, n_states - 1)))
    rows = sp.csr_array(
        (np.ones(2 * n_states), successor.ravel(), np.arange(2 * n_states + 1)),
        shape=(2 * n_states, n_states),
    )
    rewards = np.zeros((n_states, 2))
    rewards[:, 0] = distraction
    rewards[-1, 1] = 1.0
    return MDP(
        rows,
        rewards,
        discount,
        initial=(state == 0).astype(np.float64),
        action_labels=["back", "forward"],
    ).with_layout(LineLayout("state"))


@checked(
    ModelError,
    n_states=Integer(2),
    r1=Number(),
    r2=Number(),
    p=Number(0.0, 1.0),
    discount=Number(0.0, 1.0),
)
def forest(
    n_states: int = 3, *, r1: float = 4.0, r2: float = 2.0, p: float = 0.1, discount: float = 0.9
) -> MDP:
    r"""Return the forest of the MDP toolboxes: wait until the trees are old, or cut.

    State i is the age class. *Wait* leads to the next class (the oldest class stays the same), or
    with probability p, a fire, to class 0. It pays r1 in the oldest class and 0 elsewhere. *Cut*
    leads to class 0. It pays 0 in class 0, r2 in the oldest class, and 1 in between.

    With the default parameters waiting is always optimal:

    .. math::
        V_2 = 4 + V_1, \qquad V_1 = 0.09 V_0 + 0.81 V_2, \qquad 0.91 V_0 = 0.81 V_1,

    so V = (26.244, 29.484, 33.484). Cutting once, then waiting, has the values 0.9 V_0 = 23.6196,
    1 + 23.6196 and 2 + 23.6196, which are smaller in every class.

    Args:
        n_states: S, at least 2, the number of age classes.
        r1: Reward of waiting in the oldest class.
        r2: Reward of cutting the oldest class.
        p: Probability of a fire in a period, 0 ≤ p ≤ 1.
        discount: γ.

    Returns:
        A model of S states and 2 actions, *wait* and *cut*.

    Raises:
        ModelError: if a parameter is out of its range.

    Examples:
        >>> import regmdp as rm
        >>> rm.models.forest().to_array()[:, 0]
        array([[0.1, 0.9, 0. ],
               [0.1, 0. , 0.9],
               [0.1, 0. , 0.9]])
        >>> rm.solve(rm.models.forest()).value.round(6)
        array([26.244, 29.484, 33.484])

    Reference:
        Chadès, Chapron, Cros, Garcia and Sabbadin, MDPtoolbox: a multi-platform toolbox to solve
        stochastic dynamic programming problems, Ecography 37, 2014; its function
        ``mdp_example_forest``.
    """
    require_memory(f"transitions of {n_states:,} states", 40.0 * n_states, "choose fewer states")
    oldest = n_states - 1
    older = np.minimum(np.arange(n_states) + 1, oldest)
    burnt = np.zeros(n_states, dtype=np.int64)
    successor = np.column_stack((burnt, older, burnt)).ravel()
    weight = np.tile((p, 1.0 - p, 1.0), n_states)
    row = np.repeat(np.arange(2 * n_states), np.tile((2, 1), n_states))
    rows = sp.csr_array(sp.coo_array((weight, (row, successor)), shape=(2 * n_states, n_states)))
    rewards = np.zeros((n_states, 2))
    rewards[1:, 1] = 1.0
    rewards[oldest] = (
        r1,
        r2,
    )
    labels = [f"age {age}" for age in range(n_states)] if n_states <= MAX_LABELS else None
    return MDP(
        rows, rewards, discount, state_labels=labels, action_labels=["wait", "cut"]
    ).with_layout(LineLayout("age class of the forest"))
