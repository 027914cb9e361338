"""Data of statements in files of Cassandra's format."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp

from regmdp._internal.arrays import Float

__all__ = ["Entries", "Names", "probability_rows"]


class Names:
    """The names and numbers of states or actions.

    Args:
        what: What they are, for errors: "a state" or "an action".
        count: How many there are.
        names: Their names, or None.
    """

    def __init__(self, what: str, count: int, names: list[str] | None) -> None:
        self.what, self.count, self.names = what, count, names
        self.numbers = {str(index): index for index in range(count)}
        if names is not None:
            self.numbers |= {name: index for index, name in enumerate(names)}


class Entries:
    """Values of triples (action, state, successor), set by statements in order.

    A statement sets whole rows or single entries; later ones replace earlier ones.
    """

    def __init__(self, n_actions: int, n_states: int) -> None:
        self.shape = n_actions, n_states
        #: (A, S) time when each row was last set as a whole.
        self.row_time = np.zeros(self.shape, dtype=np.int64)
        #: (A, S) value of the entries of each row at that time.
        self.row_value = np.zeros(self.shape)
        #: (A, S) index of the word of the last statement about each row.
        self.place = np.zeros(self.shape, dtype=np.int64)
        self._time = 0
        self._single: list[tuple[int, int, int, float, int]] = []
        self._blocks: list[tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]] = []

    def set_rows(self, actions: list[int], states: list[int], value: float, place: int) -> None:
        """Set all entries of some rows to a value."""
        self._time += 1
        rows = np.ix_(actions, states)
        self.row_time[rows], self.row_value[rows], self.place[rows] = self._time, value, place

    def set_entries(
        self, actions: list[int], states: list[int], successors: list[int], value: float, place: int
    ) -> None:
        """Set single entries to a value."""
        self._time += 1
        if len(actions) == len(states) == len(successors) == 1:
            self._single.append((actions[0], states[0], successors[0], value, self._time))
            self.place[actions[0], states[0]] = place
            return
        a, s, t = (part.ravel() for part in np.meshgrid(actions, states, successors, indexing="ij"))
        self._blocks.append((a, s, t, np.full(a.size, value), np.full(a.size, self._time)))
        self.place[np.ix_(actions, states)] = place

    def set_table(
        self, actions: list[int], states: list[int], table: Float[np.ndarray, "n S"], place: int
    ) -> None:
        """Set whole rows, one for each of some states, for some actions."""
        self.set_rows(actions, states, 0.0, place)
        self._time += 1
        i, t = np.nonzero(table)
        for action in actions:
            self._blocks.append(
                (
                    np.full(i.size, action),
                    np.array(states)[i],
                    t,
                    table[i, t],
                    np.full(i.size, self._time),
                )
            )

    def entries(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return the single entries that hold at the end.

        Returns:
            Rows ``a * S + s``, successors and values, sorted by row and successor.
        """
        n_states = self.shape[1]
        parts = list(self._blocks)
        if self._single:
            a, s, t, value, time = map(np.array, zip(*self._single, strict=True))
            parts.append((a, s, t, value, time))
        if not parts:
            return np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64), np.empty(0)
        a, s, t, value, time = (np.concatenate(column) for column in zip(*parts, strict=True))
        row = a * n_states + s
        order = np.lexsort((time, t, row))
        row, t, value, time = row[order], t[order], value[order], time[order]
        last = np.append((row[1:] != row[:-1]) | (t[1:] != t[:-1]), True)
        valid = last & (time > self.row_time.ravel()[row])
        return row[valid], t[valid], value[valid]


def probability_rows(transitions: Entries) -> sp.csr_array:
    """Return the (A·S, S) transition probabilities."""
    n_actions, n_states = transitions.shape
    row, successor, value = transitions.entries()
    dense = np.flatnonzero(transitions.row_value.ravel())
    if dense.size:
        # a uniform row has all entries; single ones were set afterwards
        again = np.isin(row, dense)
        table = np.repeat(transitions.row_value.ravel()[dense][:, None], n_states, axis=1)
        table[np.searchsorted(dense, row[again]), successor[again]] = value[again]
        row = np.concatenate((row[~again], np.repeat(dense, n_states)))
        successor = np.concatenate((successor[~again], np.tile(np.arange(n_states), dense.size)))
        value = np.concatenate((value[~again], table.ravel()))
    rows = sp.csr_array((value, (row, successor)), shape=(n_actions * n_states, n_states))
    rows.eliminate_zeros()
    return rows
