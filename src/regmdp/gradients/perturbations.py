"""Small changes of a regularized problem, and linear functions of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse as sp

from regmdp._internal.arrays import Array, ArrayLike, Float
from regmdp._internal.errors import SolverError

__all__ = ["Derivative", "LowRankGradient", "Perturbation", "check_array", "transition_rows"]


@dataclass(frozen=True, eq=False)
class Perturbation:
    """A direction in which a problem changes; what is None stays as it is.

    Attributes:
        rewards: (S, A) change of the rewards; at unavailable pairs it does not count.
        temperature: Change of the temperature: a number, or (S,) where the temperature has one
            entry per state.
        discount: Change of γ.
        reference: (S, A) or (A,), as the reference of KL is, change of its probabilities. What is 0
            there can only rise.
        transitions: Change of the transition probabilities, (S, A, S), or a sparse (S·A, S) whose
            row ``s * A + a`` belongs to (s, a). What a row gains or loses in all, the probability
            that the episode ends loses or gains.

    Examples:
        >>> import numpy as np, regmdp as rm
        >>> rm.gradients.Perturbation(temperature=1.0).discount is None
        True
    """

    rewards: Float[np.ndarray, "S A"] | None = None
    temperature: ArrayLike | None = None
    discount: float | None = None
    reference: Array | None = None
    transitions: Any = None


@dataclass(frozen=True, eq=False)
class Derivative:
    """How a solution changes with the problem, to first order.

    Attributes:
        value: (S,) change of the optimal value V*.
        q: (S, A) change of the optimal action values Q*, 0 at unavailable pairs.
        policy: (S, A) change of the optimal policy.
    """

    value: Float[np.ndarray, " S"]
    q: Float[np.ndarray, "S A"]
    policy: Float[np.ndarray, "S A"]


@dataclass(frozen=True, eq=False)
class LowRankGradient:
    r"""A linear function of the transition probabilities, \(\sum_i \sum_{s,a,t} w_i(s,a) P(t|s,a) v_i(t)\), never stored in full.

    Attributes:
        parts: (S, A) weights w and (S,) values v.
    """

    parts: tuple[tuple[Float[np.ndarray, "S A"], Float[np.ndarray, " S"]], ...]

    def directional_derivative(self, transitions: Any) -> float:
        """Return the function at a change of the transitions, (S, A, S) or a sparse (S·A, S)."""
        rows = transition_rows(transitions, self.parts[0][0].shape)
        return float(
            sum(
                np.sum(weights * (rows @ values).reshape(weights.shape))
                for weights, values in self.parts
            )
        )

    def at(self, state: Any, action: Any, successor: Any) -> np.ndarray:
        """Return the derivatives with respect to single probabilities P(t|s,a): arrays of indices that broadcast."""
        return np.asarray(
            sum(weights[state, action] * values[successor] for weights, values in self.parts)
        )


def transition_rows(transitions: Any, shape: tuple[int, int]) -> Any:
    """Return what belongs to transitions, such as a change of them, as a matrix whose row ``s * A + a`` belongs to (s, a)."""
    n_states, n_actions = shape
    if sp.issparse(transitions):
        flat = (n_states * n_actions, n_states)
        if transitions.shape != flat:
            raise SolverError(
                f"what belongs to transitions, if it is sparse, must have shape (S·A, S) = {flat}, "
                f"not {transitions.shape}"
            )
        return transitions
    transitions = np.asarray(transitions, dtype=np.float64)
    if transitions.shape != (n_states, n_actions, n_states):
        raise SolverError(
            "what belongs to transitions must have shape (S, A, S) = "
            f"{(n_states, n_actions, n_states)}, or be sparse, not {transitions.shape}"
        )
    return transitions.reshape(-1, n_states)


def check_array(name: str, array: Any, *shapes: tuple[int, ...]) -> np.ndarray:
    """Return an array of finite doubles of one of some shapes."""
    try:
        array = np.asarray(array, dtype=np.float64)
    except (TypeError, ValueError):
        raise SolverError(f"{name} must be numbers, not {array!r}") from None
    if array.shape not in shapes:
        raise SolverError(
            f"{name} must have shape {' or '.join(map(str, shapes))}, not {array.shape}"
        )
    bad = ~np.isfinite(array)
    if bad.any():
        where = (
            tuple(int(i) for i in np.unravel_index(np.argmax(bad), array.shape))
            if array.ndim
            else ""
        )
        raise SolverError(
            f"{name} has {array[where] if array.ndim else array} at {where}; "
            f"{int(np.count_nonzero(bad))} are not finite"
        )
    return array
