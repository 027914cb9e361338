"""The file a model travels in between the driver and its workers, and the shapes that peers want it
in.

It needs NumPy and SciPy only, for it is imported in every peer's environment.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import scipy.sparse as sp

__all__ = ["Model", "backup", "load", "save"]


@dataclass(frozen=True)
class Model:
    """K state-action pairs in the order of states; (K, S) rows that sum to 1 - termination."""

    n_states: int
    n_actions: int
    state: np.ndarray
    action: np.ndarray
    rows: Any
    rewards: np.ndarray
    termination: np.ndarray
    discount: float
    dense: bool

    def starts(self) -> np.ndarray:
        """Return (S + 1) where the pairs of each state begin, and where the last ones end."""
        return np.concatenate(([0], np.cumsum(np.bincount(self.state, minlength=self.n_states))))

    def closed(self) -> Model:
        """Return the same model without termination: what ends goes to one more state, which keeps
        the episode and pays nothing.

        A model that does not end is returned as it is. The values of the first S states are those
        of this model.
        """
        has_pair = np.bincount(self.state, minlength=self.n_states) > 0
        if has_pair.all() and not self.termination.any():
            return self
        stuck = np.append(np.flatnonzero(~has_pair), self.n_states)
        ending = sp.csr_matrix(self.termination[:, None])
        to_sink = sp.csr_matrix(
            (np.ones(stuck.size), (np.arange(stuck.size), np.full(stuck.size, self.n_states)))
        )
        rows = sp.csr_matrix(sp.vstack((sp.hstack((self.rows, ending)), to_sink)))
        state = np.concatenate((self.state, stuck))
        order = np.argsort(state, kind="stable")
        return replace(
            self,
            n_states=self.n_states + 1,
            state=state[order],
            action=np.concatenate((self.action, np.zeros(stuck.size, dtype=self.action.dtype)))[
                order
            ],
            rows=rows[order],
            rewards=np.concatenate((self.rewards, np.zeros(stuck.size)))[order],
            termination=np.zeros(state.size),
        )

    def rectangular(self) -> Model:
        """Return the same model with every action in every state: one that is missing does what the
        first one there does.
        """
        if self.state.size == self.n_states * self.n_actions:
            return self
        pair = np.repeat(self.starts()[:-1, None], self.n_actions, axis=1)
        pair[self.state, self.action] = np.arange(self.state.size)
        pair = pair.ravel()
        return replace(
            self,
            state=np.repeat(np.arange(self.n_states), self.n_actions),
            action=np.tile(np.arange(self.n_actions), self.n_states),
            rows=self.rows[pair],
            rewards=self.rewards[pair],
            termination=self.termination[pair],
        )


def backup(model: Model, value: np.ndarray, temperature: float | None) -> np.ndarray:
    """Return the (S,) Bellman backup of a value, with Shannon's entropy if there is a temperature:
    plainly, to check others by.
    """
    gains = model.rewards + model.discount * (model.rows @ value)
    starts = model.starts()
    inhabited = np.flatnonzero(np.diff(starts))
    first, lengths = starts[inhabited], np.diff(starts)[inhabited]
    best = np.maximum.reduceat(gains, first)
    if temperature is not None:
        sums = np.add.reduceat(np.exp((gains - np.repeat(best, lengths)) / temperature), first)
        best = best + temperature * np.log(sums)
    result = np.zeros(model.n_states)
    result[inhabited] = best
    return result


def save(path: Any, model: Model) -> None:
    """Write a model to an .npz file."""
    np.savez(
        path,
        sizes=np.array([model.n_states, model.n_actions, model.dense]),
        state=model.state,
        action=model.action,
        indptr=model.rows.indptr,
        indices=model.rows.indices.astype(np.int32),
        data=model.rows.data,
        rewards=model.rewards,
        termination=model.termination,
        discount=np.array(model.discount),
    )


def load(path: Any) -> Model:
    """Read a model that :func:`save` wrote."""
    with np.load(path) as file:
        n_states, n_actions, dense = (int(size) for size in file["sizes"])
        shape = (file["state"].size, n_states)
        return Model(
            n_states=n_states,
            n_actions=n_actions,
            state=file["state"],
            action=file["action"],
            rows=sp.csr_matrix((file["data"], file["indices"], file["indptr"]), shape=shape),
            rewards=file["rewards"],
            termination=file["termination"],
            discount=float(file["discount"]),
            dense=bool(dense),
        )
