"""Models as the arrays of other toolboxes.

Only arrays are exchanged: none of the toolboxes is needed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import scipy.sparse as sp

from regmdp._internal.arrays import Float, Int
from regmdp._internal.errors import ModelError
from regmdp.mdp import MDP

__all__ = [
    "DiscreteDPArguments",
    "from_mdptoolbox",
    "from_quantecon",
    "to_mdptoolbox",
    "to_quantecon",
]


def from_mdptoolbox(P: Any, R: Any, discount: float, **keywords: Any) -> MDP:
    r"""Return the model of the arguments of MDPtoolbox's solvers (MATLAB, R, Python).

    Args:
        P: (A, S, S) array, or A matrices of shape (S, S), dense or sparse: ``P[a][s, t]``.
        R: Rewards, which the toolbox maximises as well. (S,): paid in the state whatever the
            action. (S, A): of the pair. (A, S, S), or A matrices of shape (S, S): ``R[a][s, t]``
            paid on the transition, whose expectation is taken.
        discount: γ.
        **keywords: As for :class:`~regmdp.mdp.MDP`.

    Raises:
        ModelError: if the shapes do not go together, or the data are not a model.

    Examples:
        >>> import numpy as np, regmdp as rm
        >>> P = np.array([[[0.5, 0.5], [0.8, 0.2]], [[0.0, 1.0], [0.1, 0.9]]])
        >>> R = np.array([[5.0, 10.0], [-1.0, 2.0]])
        >>> rm.solve(rm.io.from_mdptoolbox(P, R, 0.9)).value.round(4)
        array([42.4419, 36.0465])

    Reference:
        Chadès, Chapron, Cros, Garcia and Sabbadin, MDPtoolbox, Ecography 37, 2014.
    """
    matrices = _matrices("P", P)
    n_actions, n_states = len(matrices), matrices[0].shape[0]
    if _is_sequence_of_matrices(R):
        rewards = _expected(matrices, _matrices("R", R))
    else:
        rewards = np.asarray(R, dtype=np.float64)
        if rewards.shape == (n_states,):
            rewards = np.repeat(rewards[:, None], n_actions, axis=1)
        elif rewards.shape != (n_states, n_actions):
            raise ModelError(
                f"R has shape {rewards.shape}; with {n_actions} actions and {n_states} states it "
                f"must be (S,) = ({n_states},), (S, A) = {(n_states, n_actions)} or (A, S, S) = "
                f"{(n_actions, n_states, n_states)}"
            )
    return MDP.from_action_matrices(matrices, rewards, discount=discount, **keywords)


def to_mdptoolbox(mdp: MDP) -> tuple[list[sp.csr_array], Float[np.ndarray, "S A"]]:
    """Return (P, R) as MDPtoolbox takes them: A sparse (S, S) matrices and (S, A) rewards.

    The toolbox knows no end of an episode, so a terminal state stays in itself for ever at reward
    0, and termination leads to one more state, the last, that does the same. Values stay what they
    are.

    Raises:
        ModelError: if in some state some actions are available and others not: the toolbox has no
            word for that.

    Examples:
        >>> import regmdp as rm
        >>> P, R = rm.io.to_mdptoolbox(rm.models.forest())
        >>> P[1].toarray()
        array([[1., 0., 0.],
               [1., 0., 0.],
               [1., 0., 0.]])
    """
    partly = mdp.available.any(axis=1) & ~mdp.available.all(axis=1)
    if partly.any():
        state = int(np.argmax(partly))
        action = int(np.argmin(mdp.available[state]))
        raise ModelError(
            f"{mdp.describe(state, action)} is not available, and MDPtoolbox takes all actions to "
            f"be; {int(np.count_nonzero(partly))} states lack some of their actions"
        )
    state, action, rows, rewards = _endless(mdp, mdp.n_actions)
    n_states = rows.shape[1]
    order = np.lexsort((state, action))
    rows = rows[order]
    P = [rows[first : first + n_states] for first in range(0, rows.shape[0], n_states)]
    return P, np.ascontiguousarray(rewards[order].reshape(mdp.n_actions, n_states).T)


class DiscreteDPArguments(NamedTuple):
    """The arguments of QuantEcon's ``DiscreteDP``, in order, over L state-action pairs."""

    R: Float[np.ndarray, " L"]
    Q: sp.csr_array
    beta: float
    s_indices: Int[np.ndarray, " L"]
    a_indices: Int[np.ndarray, " L"]


def from_quantecon(
    R: Any, Q: Any, beta: float, s_indices: Any = None, a_indices: Any = None, **keywords: Any
) -> MDP:
    """Return the model of the arguments of QuantEcon's ``DiscreteDP``.

    Args:
        R: (S, A) rewards; or (L,) rewards of L state-action pairs. -inf marks a pair that is not
            feasible.
        Q: (S, A, S) transitions; or (L, S), dense or sparse.
        beta: Discount factor.
        s_indices: (L,) states of the pairs; then ``a_indices`` is needed, and R and Q have their
            second form.
        a_indices: (L,) actions of the pairs.
        **keywords: As for :class:`~regmdp.mdp.MDP`.

    Raises:
        ModelError: if the shapes do not go together, the data are not a model, or some state has no
            feasible action.

    Examples:
        >>> import numpy as np, regmdp as rm
        >>> R = np.array([[5.0, 10.0], [-1.0, -np.inf]])
        >>> Q = np.array([[[0.5, 0.5], [0.0, 1.0]], [[0.0, 1.0], [0.5, 0.5]]])
        >>> rm.solve(rm.io.from_quantecon(R, Q, 0.95)).value.round(4)
        array([ -8.5714, -20.    ])

    Reference:
        Sargent and Stachurski, Quantitative Economics with Python, Discrete State Dynamic
        Programming.
    """
    R = np.asarray(R, dtype=np.float64)
    feasible = ~np.isneginf(R)
    if (s_indices is None) != (a_indices is None):
        raise ModelError("s_indices and a_indices go together: give both or neither")
    if s_indices is None:
        mdp = MDP(Q, np.where(feasible, R, 0.0), beta, available=feasible, **keywords)
    else:
        Q = sp.csr_array(Q)
        s_indices, a_indices = np.asarray(s_indices), np.asarray(a_indices)
        for name, length in (
            ("Q", Q.shape[0]),
            ("s_indices", s_indices.size),
            ("a_indices", a_indices.size),
        ):
            if length != R.size:
                raise ModelError(
                    f"{name} has {length} rows, but R has {R.size}; all have one for each "
                    "state-action pair"
                )
        mdp = MDP.from_pairs(
            s_indices[feasible], a_indices[feasible], Q[np.flatnonzero(feasible)], R[feasible],
            discount=beta, n_states=Q.shape[1], **keywords,
        )  # fmt: skip
    if mdp.terminal.any():
        raise ModelError(
            f"{mdp.describe(int(np.argmax(mdp.terminal)))} has no feasible action, and "
            f"{int(np.count_nonzero(mdp.terminal)) - 1} other states have none; DiscreteDP needs "
            "one in every state"
        )
    return mdp


def to_quantecon(mdp: MDP) -> DiscreteDPArguments:
    """Return the model as state-action pairs, so that ``DiscreteDP(*to_quantecon(mdp))`` is the same problem.

    ``DiscreteDP`` knows no end of an episode, so a terminal state stays in itself for ever at
    reward 0, and termination leads to one more state, the last, that does the same. Values stay
    what they are.

    Examples:
        >>> import regmdp as rm
        >>> arguments = rm.io.to_quantecon(rm.models.queue(capacity=2))
        >>> arguments.s_indices, arguments.a_indices
        (array([0, 0, 1, 1, 2]), array([0, 1, 0, 1, 0]))
    """
    state, action, rows, rewards = _endless(mdp, 1)
    return DiscreteDPArguments(rewards, rows, mdp.discount, state, action)


def _endless(mdp: MDP, n_kept: int) -> tuple[np.ndarray, np.ndarray, sp.csr_array, np.ndarray]:
    """Return pairs, sorted, in which nothing ends: where an episode did, a state stays for ever under ``n_kept`` actions."""
    state, action, rows, rewards = mdp.to_pairs()
    ends = mdp.termination[state, action]
    n_states = mdp.n_states
    resting = np.flatnonzero(mdp.terminal)
    if ends.any():
        rows = sp.hstack((rows, sp.csr_array(ends[:, None])))
        resting = np.append(resting, n_states)
        n_states += 1
    resting = np.repeat(resting, n_kept)
    stays = sp.csr_array(
        (np.ones(resting.size), (np.arange(resting.size), resting)), shape=(resting.size, n_states)
    )
    state = np.concatenate((state, resting))
    action = np.concatenate((action, np.tile(np.arange(n_kept), resting.size // n_kept)))
    order = np.lexsort((action, state))
    rows = sp.csr_array(sp.vstack((rows, stays), format="csr"))[order]
    return (
        state[order],
        action[order],
        rows,
        np.concatenate((rewards, np.zeros(resting.size)))[order],
    )


def _is_sequence_of_matrices(values: Any) -> bool:
    if sp.issparse(values):
        return False
    return any(sp.issparse(value) for value in values) or np.ndim(values) == 3


def _matrices(name: str, values: Any) -> list[Any]:
    """Return A matrices of one square shape."""
    if sp.issparse(values):
        raise ModelError(f"{name} must be a sequence of A matrices, not a single sparse one")
    matrices: Sequence[Any] = [
        m if sp.issparse(m) else np.asarray(m, dtype=np.float64) for m in values
    ]
    if not matrices:
        raise ModelError(f"{name} is empty: there is no action")
    shape = matrices[0].shape
    for action, matrix in enumerate(matrices):
        if len(shape) != 2 or shape[0] != shape[1] or matrix.shape != shape:
            raise ModelError(
                f"{name}[{action}] has shape {matrix.shape}; {name} is A square matrices of one "
                "shape (S, S)"
            )
    return list(matrices)


def _expected(P: list[Any], R: list[Any]) -> Float[np.ndarray, "S A"]:
    """Average the rewards of transitions over the successor."""
    if len(R) != len(P) or R[0].shape != P[0].shape:
        raise ModelError(
            f"R is {len(R)} matrices of shape {R[0].shape}, but P is {len(P)} of shape "
            f"{P[0].shape}; they must be alike"
        )
    columns = [
        sp.csr_array(p).multiply(sp.csr_array(r)).sum(axis=1) for p, r in zip(P, R, strict=True)
    ]
    return np.stack([np.asarray(column).ravel() for column in columns], axis=1)
