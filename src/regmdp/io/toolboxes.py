"""Models as arrays of other toolboxes; the toolboxes themselves are not needed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, TypeAlias, Unpack

import numpy as np
import scipy.sparse as sp

from regmdp._internal.array_checks import check_array
from regmdp._internal.arrays import ArrayLike, Float, Int, SparseArray
from regmdp._internal.errors import ModelError
from regmdp._internal.parameters import Instance, checked
from regmdp._internal.sparse import as_csr
from regmdp.io.absorbing_states import end_at_absorbing_states
from regmdp.mdp import MDP
from regmdp.mdp.model_data import ModelOptions
from regmdp.mdp.validation import as_available, as_flag, as_floats, find_factors

__all__ = [
    "DiscreteDPArguments",
    "from_mdptoolbox",
    "from_quantecon",
    "to_mdptoolbox",
    "to_quantecon",
]

#: An (A, S, S) array, or A matrices of shape (S, S), dense or sparse.
Matrices: TypeAlias = "ArrayLike | Sequence[ArrayLike | SparseArray]"


def from_mdptoolbox(
    P: Matrices, R: Matrices | ArrayLike, discount: float, **keywords: Unpack[ModelOptions]
) -> MDP:
    r"""Return the model of the arguments of MDPtoolbox's solvers (MATLAB, R, Python).

    A state that all actions keep with reward 0 is terminal: there the episode ends.

    Args:
        P: (A, S, S) array, or A matrices of shape (S, S), dense or sparse: ``P[a][s, t]``.
        R: Rewards to be maximised. (S,): of states. (S, A), dense or sparse: of pairs. (A, S, S),
            or A matrices of shape (S, S), dense or sparse: ``R[a][s, t]`` of transitions, whose
            expectation is taken.
        discount: γ.
        **keywords: As for :class:`~regmdp.MDP`.

    Raises:
        ModelError: if the shapes do not fit together, or the data are not a model.

    Examples:
        >>> import numpy as np, regmdp as rm
        >>> P = np.array([[[0.5, 0.5], [0.8, 0.2]], [[0.0, 1.0], [0.1, 0.9]]])
        >>> R = np.array([[5.0, 10.0], [-1.0, 2.0]])
        >>> rm.solve(rm.io.from_mdptoolbox(P, R, 0.9)).value.round(4)
        array([42.4419, 36.0465])

    Reference:
        Chadès, Chapron, Cros, Garcia and Sabbadin, MDPtoolbox, Ecography 37, 2014.
    """
    matrices = _as_matrices("P", P)
    n_actions, n_states = len(matrices), matrices[0].shape[0]
    R = _unpack_objects(R)
    if _is_sequence_of_matrices(R):
        rewards = _expected_rewards(matrices, _as_matrices("R", R))
        if as_flag("normalize", keywords.get("normalize", False)):
            rewards *= _find_row_factors(matrices, keywords.get("termination"))
    else:
        rewards = _as_rewards(R)
        if rewards.shape == (n_states,):
            rewards = np.repeat(rewards[:, None], n_actions, axis=1)
        elif rewards.shape != (n_states, n_actions):
            raise ModelError(
                f"R has shape {rewards.shape}; with {n_actions} actions and {n_states} states it "
                f"must be (S,) = ({n_states},), (S, A) = {(n_states, n_actions)} or (A, S, S) = "
                f"{(n_actions, n_states, n_states)}"
            )
    mdp = MDP.from_action_matrices(matrices, rewards, discount=discount, **keywords)
    return end_at_absorbing_states(mdp, initial_given=keywords.get("initial") is not None)


@checked(ModelError, mdp=Instance(MDP))
def to_mdptoolbox(mdp: MDP) -> tuple[list[sp.csr_array], Float[np.ndarray, "S A"]]:
    """Return the arguments (P, R) of MDPtoolbox: A sparse (S, S) matrices and (S, A) rewards.

    The toolbox has no terminating episodes. Terminal states become absorbing, with reward 0, and
    termination leads to an additional such state, the last one. Values do not change, and
    :func:`from_mdptoolbox` reads such states as terminal ones.

    Raises:
        ModelError: if only some of the actions of a state are available: the toolbox cannot express
            that.

    Examples:
        >>> import regmdp as rm
        >>> P, R = rm.io.to_mdptoolbox(rm.models.forest())
        >>> P[1].toarray()
        array([[1., 0., 0.],
               [1., 0., 0.],
               [1., 0., 0.]])
    """
    if mdp.numbering is not None:
        raise ModelError(
            "MDPtoolbox needs all actions in every state, but in this ragged model it has a few "
            f"of {mdp.numbering.n_actions:,}; those of QuantEcon may leave them out"
        )
    partly = mdp.available.any(axis=1) & ~mdp.available.all(axis=1)
    if partly.any():
        state = int(np.argmax(partly))
        action = int(np.argmin(mdp.available[state]))
        raise ModelError(
            f"{mdp.describe(state, action)} is not available, but MDPtoolbox needs all actions; "
            f"{int(np.count_nonzero(partly))} states have unavailable actions; those of QuantEcon "
            "may leave them out"
        )
    state, action, rows, rewards = _absorbing_pairs(mdp, mdp.n_actions)
    n_states = rows.shape[1]
    order = np.lexsort((state, action))
    rows = rows[order]
    P = [rows[first : first + n_states] for first in range(0, rows.shape[0], n_states)]
    return P, np.ascontiguousarray(rewards[order].reshape(mdp.n_actions, n_states).T)


class DiscreteDPArguments(NamedTuple):
    """The arguments of QuantEcon's ``DiscreteDP``, in order, for L state-action pairs.

    Attributes:
        R: (L,) rewards.
        Q: (L, S) transition probabilities.
        beta: Discount factor.
        s_indices: (L,) states.
        a_indices: (L,) actions.
    """

    R: Float[np.ndarray, " L"]
    Q: sp.csr_array
    beta: float
    s_indices: Int[np.ndarray, " L"]
    a_indices: Int[np.ndarray, " L"]


def from_quantecon(
    R: ArrayLike,
    Q: ArrayLike | SparseArray,
    beta: float,
    s_indices: ArrayLike | None = None,
    a_indices: ArrayLike | None = None,
    **keywords: Unpack[ModelOptions],
) -> MDP:
    """Return the model of the arguments of QuantEcon's ``DiscreteDP``.

    A state that all feasible actions keep with reward 0 is terminal: there the episode ends.

    Args:
        R: (S, A) rewards, or (L,) rewards of L state-action pairs; -inf for infeasible pairs.
        Q: (S, A, S) transitions; or (L, S), dense or sparse.
        beta: Discount factor.
        s_indices: (L,) states of the pairs, if R and Q have their second form.
        a_indices: (L,) actions of the pairs, together with ``s_indices``.
        **keywords: As for :class:`~regmdp.MDP`.

    Raises:
        ModelError: if the shapes do not fit together, the data are not a model, or a state has no
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
    R = _as_rewards(R)
    feasible = ~np.isneginf(R)
    if (s_indices is None) != (a_indices is None):
        raise ModelError("give both s_indices and a_indices, or neither")
    if s_indices is None:
        mask = keywords.get("available")
        if R.ndim != 2:
            raise ModelError(
                f"R must have shape (S, A), not {R.shape}; for (L,) rewards of pairs, give "
                "s_indices and a_indices"
            )
        shape = (R.shape[0], R.shape[1])
        keywords["available"] = feasible if mask is None else feasible & as_available(mask, shape)
        mdp = MDP(Q, np.where(feasible, R, 0.0), beta, **keywords)
    else:
        if R.ndim != 1:
            raise ModelError(f"with s_indices, R must have shape (L,), not {R.shape}")
        rows = as_csr("Q", Q) if sp.issparse(Q) else sp.csr_array(_as_matrix("Q", Q))
        state, action = (
            check_array(name, indices, "integer", ndim=1, error=ModelError)
            for name, indices in (("s_indices", s_indices), ("a_indices", a_indices))
        )
        for name, length in (
            ("Q", rows.shape[0]),
            ("s_indices", state.size),
            ("a_indices", action.size),
        ):
            if length != R.size:
                raise ModelError(
                    f"{name} has {length} rows, but R has {R.size}; each needs one for each "
                    "state-action pair"
                )
        mdp = MDP.from_pairs(
            state[feasible], action[feasible], rows[np.flatnonzero(feasible)], R[feasible],
            discount=beta, n_states=rows.shape[1], **keywords,
        )  # fmt: skip
    if mdp.terminal.any():
        raise ModelError(
            f"{mdp.describe(int(np.argmax(mdp.terminal)))} has no feasible action; "
            f"{int(np.count_nonzero(mdp.terminal))} states have none; DiscreteDP needs one in "
            "every state"
        )
    return end_at_absorbing_states(mdp, initial_given=keywords.get("initial") is not None)


@checked(ModelError, mdp=Instance(MDP))
def to_quantecon(mdp: MDP) -> DiscreteDPArguments:
    """Return the model as arguments of ``DiscreteDP``: ``DiscreteDP(*to_quantecon(mdp))``.

    ``DiscreteDP`` has no terminating episodes. Terminal states become absorbing, with reward 0, and
    termination leads to an additional such state, the last one. Values do not change, and
    :func:`from_quantecon` reads such states as terminal ones.

    Examples:
        >>> import regmdp as rm
        >>> arguments = rm.io.to_quantecon(rm.models.queue(capacity=2))
        >>> arguments.s_indices, arguments.a_indices
        (array([0, 0, 1, 1, 2]), array([0, 1, 0, 1, 0]))
    """
    state, action, rows, rewards = _absorbing_pairs(mdp, 1)
    return DiscreteDPArguments(rewards, rows, mdp.discount, state, action)


def _absorbing_pairs(
    mdp: MDP, n_kept: int
) -> tuple[np.ndarray, np.ndarray, sp.csr_array, np.ndarray]:
    """Return the pairs of a model without termination, sorted.

    Args:
        mdp: The model.
        n_kept: The number of actions of absorbing states, which replace termination.

    Returns:
        Their states, actions, transition probabilities and rewards.
    """
    state, action, rows, rewards = mdp.to_pairs()
    ends = mdp.to_sparse(mdp.termination).data
    n_states = mdp.n_states
    absorbing = np.flatnonzero(mdp.terminal)
    if ends.any():
        rows = sp.hstack((rows, sp.csr_array(ends[:, None])))
        absorbing = np.append(absorbing, n_states)
        n_states += 1
    absorbing = np.repeat(absorbing, n_kept)
    stays = sp.csr_array(
        (np.ones(absorbing.size), (np.arange(absorbing.size), absorbing)),
        shape=(absorbing.size, n_states),
    )
    state = np.concatenate((state, absorbing))
    action = np.concatenate((action, np.tile(np.arange(n_kept), absorbing.size // n_kept)))
    order = np.lexsort((action, state))
    rows = sp.csr_array(sp.vstack((rows, stays), format="csr"))[order]
    return (
        state[order],
        action[order],
        rows,
        np.concatenate((rewards, np.zeros(absorbing.size)))[order],
    )


def _as_rewards(R: Any) -> Float[np.ndarray, "..."]:
    """Return rewards, dense or sparse, as a dense array."""
    return as_csr("R", R).toarray() if sp.issparse(R) else as_floats("R", R)


def _unpack_objects(values: Any) -> Any:
    """Return the matrices in an array of objects, as of MATLAB's cells, as a list."""
    if isinstance(values, np.ndarray) and values.dtype == object and values.size in values.shape:
        return list(values.flat)
    return values


def _as_matrix(name: str, values: Any) -> Float[np.ndarray, "L S"]:
    """Return a dense matrix."""
    return check_array(name, values, ndim=2, error=ModelError)


def _is_sequence_of_matrices(values: Any) -> bool:
    """Whether rewards are given as one matrix for each action."""
    if isinstance(values, list | tuple):
        return any(sp.issparse(value) or getattr(value, "ndim", None) == 2 for value in values) or (
            as_floats("R", values).ndim == 3
        )
    return getattr(values, "ndim", 0) == 3


def _as_matrices(name: str, values: Any) -> list[Any]:
    """Return A square matrices, checked to have the same shape."""
    values = _unpack_objects(values)
    if sp.issparse(values):
        raise ModelError(f"{name} must be a sequence of A matrices, not a single sparse array")
    if not isinstance(values, Sequence | np.ndarray) or isinstance(values, str):
        raise ModelError(
            f"{name} must be an (A, S, S) array or a list of A matrices, not "
            f"{type(values).__name__}"
        )
    if getattr(values, "ndim", 3) != 3:
        raise ModelError(f"{name} must have shape (A, S, S), not {np.shape(values)}")
    if isinstance(values, np.ma.MaskedArray):
        values = as_floats(name, values)
    matrices: Sequence[Any] = [
        as_csr(f"{name}[{action}]", matrix)
        if sp.issparse(matrix)
        else as_floats(f"{name}[{action}]", matrix)
        for action, matrix in enumerate(values)
    ]
    if not matrices:
        raise ModelError(f"{name} is empty; give one matrix for each action")
    shape = matrices[0].shape
    for action, matrix in enumerate(matrices):
        if len(shape) != 2 or shape[0] != shape[1] or matrix.shape != shape:
            whole = np.shape(values) if isinstance(values, np.ndarray) else ()
            matlab = len(whole) == 3 and whole[0] == whole[1]
            raise ModelError(
                f"{name}[{action}] has shape {matrix.shape}; all matrices of {name} must have the "
                "same shape (S, S)"
                f"{f'; np.moveaxis({name}, -1, 0) turns an (S, S, A) array' if matlab else ''}"
            )
    return list(matrices)


def _find_row_factors(P: list[Any], termination: ArrayLike | None) -> Float[np.ndarray, "S A"]:
    """Return the factors by which rows are multiplied when a model is normalised."""
    sums = np.stack([np.asarray(matrix.sum(axis=1)).ravel() for matrix in P], axis=1)
    ends = 0.0 if termination is None else as_floats("termination", termination)
    if np.shape(ends) not in ((), sums.shape):
        return np.ones_like(sums)  # they are refused later
    return find_factors(sums + ends)


def _expected_rewards(P: list[Any], R: list[Any]) -> Float[np.ndarray, "S A"]:
    """Return the expected rewards of pairs, from rewards of transitions."""
    if len(R) != len(P) or R[0].shape != P[0].shape:
        raise ModelError(
            f"R is {len(R)} matrices of shape {R[0].shape}, but P is {len(P)} of shape "
            f"{P[0].shape}; their numbers and shapes must be equal"
        )
    columns = [
        sp.csr_array(p).multiply(sp.csr_array(r)).sum(axis=1) for p, r in zip(P, R, strict=True)
    ]
    return np.stack([np.asarray(column).ravel() for column in columns], axis=1)
