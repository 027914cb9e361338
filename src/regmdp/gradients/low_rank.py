"""The gradient with respect to the transition probabilities, as a sum of products."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from regmdp._internal.arrays import Float, Int
from regmdp._internal.errors import SolverError
from regmdp._internal.fields import ReadOnlyCopies
from regmdp._internal.parameters import ArrayOf, checked
from regmdp.gradients.shapes import TransitionLike, TransitionsOf, as_transition_rows

__all__ = ["LowRankGradient"]


#: Numbers of states or actions.
INDEX = ArrayOf(kind="integer", minimum=0)


@dataclass(frozen=True, eq=False)
class LowRankGradient(ReadOnlyCopies):
    r"""Gradient with respect to transition probabilities, never stored in full.

    It is the linear function \(\sum_i \sum_{s,a,t} w_i(s,a) P(t|s,a) v_i(t)\).

    Attributes:
        parts: (S, A) weights w and (S,) values v.
    """

    parts: tuple[tuple[Float[np.ndarray, "S A"], Float[np.ndarray, " S"]], ...]

    @checked(transitions=TransitionsOf())
    def directional_derivative(self, transitions: TransitionLike) -> float:
        """Return the derivative along a change of the transitions.

        Args:
            transitions: (S, A, S), or a sparse (S·A, S).
        """
        rows = as_transition_rows(transitions, self.parts[0][0].shape)
        return float(
            sum(
                np.sum(weights * (rows @ values).reshape(weights.shape))
                for weights, values in self.parts
            )
        )

    @checked(state=INDEX, action=INDEX, successor=INDEX)
    def entries(
        self,
        state: int | Int[np.ndarray, "..."],
        action: int | Int[np.ndarray, "..."],
        successor: int | Int[np.ndarray, "..."],
    ) -> np.ndarray:
        """Return the derivatives with respect to single probabilities P(t|s,a).

        Args:
            state: s, an integer or an array; the three broadcast.
            action: a.
            successor: t.

        Examples:
            >>> import regmdp as rm
            >>> mdp, soft = rm.models.chain(3), rm.Shannon(temperature=1.0)
            >>> gradient = rm.gradients.linearize(mdp, soft, rm.solve(mdp, soft)).gradient()
            >>> to_last = np.zeros((3, 2, 3))
            >>> to_last[0, 1, 2] = 1.0
            >>> bool(
            ...     np.isclose(
            ...         gradient.transitions.entries(0, 1, 2),
            ...         gradient.transitions.directional_derivative(to_last),
            ...     )
            ... )
            True
        """
        weights, values = self.parts[0]
        for name, index, count in (
            ("state", state, weights.shape[0]),
            ("action", action, weights.shape[1]),
            ("successor", successor, values.size),
        ):
            if np.max(index, initial=0) >= count:
                raise SolverError(f"there is no {name} {np.max(index)}; they run to {count - 1}")
        try:
            np.broadcast(state, action, successor)
        except ValueError:
            raise SolverError(
                f"state, action and successor have shapes {np.shape(state)}, {np.shape(action)} "
                f"and {np.shape(successor)}, which do not broadcast"
            ) from None
        return np.asarray(
            sum(weights[state, action] * values[successor] for weights, values in self.parts)
        )
