"""Writing a mapped model, which may be larger than memory, state by state.

The data are checked when they are written; only a block of rows is in memory.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from os import PathLike
from pathlib import Path
from types import TracebackType
from typing import IO, Any

import numpy as np
import scipy.sparse as sp

from regmdp._internal.array_checks import check_array
from regmdp._internal.arrays import ArrayLike, Bool, Float, SparseArray
from regmdp._internal.errors import ModelError
from regmdp._internal.files import make_folder, require_new_folder, writing
from regmdp._internal.parameters import (
    Distributions,
    FileName,
    Flag,
    Instance,
    Integer,
    Number,
    checked,
)
from regmdp._internal.sparse import as_csr
from regmdp.io.mapped_layout import (
    DESCRIPTION_FILE,
    INITIAL_FILE,
    ROW_FILES,
    TABLES,
    Description,
    mass_error_bound,
)
from regmdp.mdp.digests import RowsHash, combine_hashes, hash_tables
from regmdp.mdp.labels import check_labels, list_labels
from regmdp.mdp.layouts import Layout
from regmdp.mdp.model_data import check_initial, make_space
from regmdp.mdp.objective import Objective
from regmdp.mdp.sparse_transitions import append_empty_row, extract_block
from regmdp.mdp.transitions import state_blocks
from regmdp.mdp.validation import (
    MASS_TOLERANCE,
    as_floats,
    as_labels,
    normalize_sparse,
)

__all__ = ["ModelWriter"]

#: Bytes that are written at once to a file of zeros.
ZEROS_AT_ONCE = 1 << 20


@dataclass(frozen=True)
class _Part:
    """The data of n states.

    Attributes:
        rows: (n·A, S) transition probabilities.
        rewards: (n, A) rewards, 0 at unavailable pairs.
        available: (n, A) mask.
        termination: (n, A) termination probabilities.
    """

    rows: sp.csr_array
    rewards: Float[np.ndarray, "n A"]
    available: Bool[np.ndarray, "n A"]
    termination: Float[np.ndarray, "n A"]

    def normalize(self) -> _Part:
        """Divide rows by their sums."""
        index = np.arange(self.available.size).reshape(self.available.shape)
        rows, ends = normalize_sparse(self.rows, index, self.termination)
        return replace(self, rows=rows, termination=np.asarray(ends))


class ModelWriter:
    """Writes a model to a folder, some states at a time, in order.

    The model is complete when the ``with`` block ends without an error. The folder has a temporary
    name until then, so that a folder with the given name is complete.

    Args:
        path: The folder, which must not exist.
        n_states: S, below 2^31.
        n_actions: A.
        discount: γ.
        initial: (S,) initial distribution; by default uniform over the states that are not
            terminal.
        state_labels: S names.
        action_labels: A names.
        layout: Where the states lie in a figure.
        normalize: As for :class:`~regmdp.MDP`.
        labels: Sets of states by name, as state numbers or (S,) masks.
        objective: What the rewards until a goal stand for.

    Raises:
        ModelError: if the data are not a model, or are incomplete at the end.
        FileExistsError: if the path exists.

    Examples:
        A chain of three states, written one at a time; action 0 stays, action 1 moves on.

        >>> import tempfile, pathlib, numpy as np, scipy.sparse as sp, regmdp as rm
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = pathlib.Path(folder) / "chain"
        ...     with rm.io.ModelWriter(path, 3, 2, discount=0.9) as writer:
        ...         for state in range(3):
        ...             successors = np.array([state, min(state + 1, 2)])
        ...             rows = sp.csr_array(
        ...                 (np.ones(2), successors, np.array([0, 1, 2])), shape=(2, 3)
        ...             )
        ...             writer.write(rows, np.array([[0.0, float(state == 1)]]))
        ...     rm.solve(rm.io.open_mapped(path)).value.round(6)
        array([0.9, 1. , 0. ])
    """

    @checked(
        ModelError,
        path=FileName(),
        n_states=Integer(1, 2**31 - 1),
        n_actions=Integer(),
        discount=Number(0.0, 1.0),
        initial=Distributions("n") | None,
        layout=Instance(Layout) | None,
        normalize=Flag(),
        objective=Instance(Objective) | None,
    )
    def __init__(
        self,
        path: str | PathLike[str],
        n_states: int,
        n_actions: int,
        discount: float,
        *,
        initial: ArrayLike | None = None,
        state_labels: Sequence[str] | None = None,
        action_labels: Sequence[str] | None = None,
        layout: Layout | None = None,
        normalize: bool = False,
        labels: Mapping[str, ArrayLike] | None = None,
        objective: Objective | None = None,
    ) -> None:
        self._path = Path(path)
        require_new_folder(self._path)
        self._shape = (n_states, n_actions)
        if layout is not None:
            layout.require_fit(n_states, n_actions)
        self._discount = discount
        self._labels = (
            as_labels("state_labels", state_labels, n_states),
            as_labels("action_labels", action_labels, n_actions),
        )
        self._sets = list_labels(check_labels(labels, n_states))
        self._objective = objective
        self._layout = None if layout is None else layout.to_dict()
        self._initial = initial
        self._normalize = normalize
        self._blocks = state_blocks(n_states, n_actions)
        self._stack = ExitStack()
        self._folder = self._path
        self._files: dict[str, IO[bytes]] = {}
        self._tables: dict[str, np.ndarray] = {}
        self._pending: list[sp.csr_array] = []
        self._next_state = 0
        self._stored: list[int] = []
        self._hashes: list[bytes] = []
        self._branching, self._mass_error = 0, 0.0

    def __enter__(self) -> ModelWriter:
        with ExitStack() as stack:
            self._folder = stack.enter_context(make_folder(self._path))
            with writing(self._path):
                for name in ROW_FILES:
                    file = open(self._folder / name, "wb")
                    self._files[name] = stack.enter_context(file)
                self._table("rewards")
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with self._stack:
            try:
                if error is not None:
                    raise error
                with writing(self._path):
                    for file in self._files.values():
                        file.close()
                    self._finish()
            finally:
                self._tables.clear()

    def write(
        self,
        rows: ArrayLike | SparseArray,
        rewards: ArrayLike,
        *,
        available: ArrayLike | None = None,
        termination: ArrayLike | None = None,
    ) -> None:
        """Write the next n states.

        Args:
            rows: (n·A, S) transition probabilities, dense or sparse; row ``i * A + a`` belongs to
                the i-th of these states and action a.
            rewards: (n, A) rewards.
            available: (n, A) bool; by default all.
            termination: (n, A) probability that the episode terminates on the transition; by
                default 0.

        Raises:
            ModelError: if they are not rows of a model.
            WriteError: if the files cannot be written, because the disk is full for example.
        """
        if not self._files:
            raise ModelError(
                "open the writer first: with ModelWriter(…) as writer: writer.write(…)"
            )
        part = self._as_part(rows, rewards, available, termination)
        if self._normalize:
            part = part.normalize()
        states = slice(self._next_state, self._next_state + part.rewards.shape[0])
        self._check(part, states.start)
        mask = part.available
        if not mask.all():
            index = np.where(mask.ravel(), np.arange(mask.size), -1)
            part = replace(part, rows=append_empty_row(part.rows)[index])
        with writing(self._path):
            self._table("rewards")[states] = part.rewards
            for name, table, default in (
                ("available", mask, True),
                ("termination", np.where(mask, part.termination, 0.0), False),
            ):
                if name in self._tables or np.any(table != default):
                    self._table(name)[states] = table
            self._pending.append(part.rows)
            self._next_state = states.stop
            self._flush()

    def _as_part(
        self,
        rows: ArrayLike | SparseArray,
        rewards: ArrayLike,
        available: ArrayLike | None,
        termination: ArrayLike | None,
    ) -> _Part:
        """Convert the data of the next states, and check their shapes."""
        n_states, n_actions = self._shape
        paid = as_floats("rewards", rewards)
        if paid.ndim != 2 or paid.shape[1] != n_actions:
            raise ModelError(
                f"rewards of n states must have shape (n, A) = (n, {n_actions}), not {paid.shape}"
            )
        count = paid.shape[0]
        if self._next_state + count > n_states:
            raise ModelError(
                f"{self._next_state + count} states were written, but the model has {n_states}"
            )
        matrix = (
            as_csr("transitions", rows)
            if sp.issparse(rows)
            else sp.csr_array(check_array("transitions", rows, ndim=2, error=ModelError))
        )
        if matrix.shape != (count * n_actions, n_states):
            raise ModelError(
                f"the rows of {count} states must have shape {(count * n_actions, n_states)}, not "
                f"{matrix.shape}"
            )
        if not matrix.data.all():
            matrix = matrix.copy()  # the arrays may be the caller's
            matrix.eliminate_zeros()
        mask = np.array(True)
        if available is not None:
            mask = check_array("available", available, "boolean", error=ModelError)
        ends = as_floats("termination", 0.0 if termination is None else termination)
        for name, given, table in (
            ("available", available, mask),
            ("termination", termination, ends),
        ):
            if given is not None and table.shape != paid.shape:
                raise ModelError(
                    f"{name} must have the shape of the rewards, {paid.shape}, not {table.shape}"
                )
        mask, ends = np.broadcast_to(mask, paid.shape), np.broadcast_to(ends, paid.shape)
        return _Part(matrix, np.where(mask, paid, 0.0), mask, ends)

    def _check(self, part: _Part, first: int) -> None:
        """Check the data of some states, of which the first has this number."""
        n_states, n_actions = self._shape
        rows, ends = part.rows, part.termination

        def describe(pair: int) -> str:
            return f"state {first + pair // n_actions}, action {pair % n_actions}"

        bad = ~((rows.data >= 0) & np.isfinite(rows.data))
        if bad.any():
            pair = int(np.searchsorted(rows.indptr, int(np.argmax(bad)), side="right")) - 1
            raise ModelError(
                f"transitions: {describe(pair)} has the probability {rows.data[np.argmax(bad)]}; "
                f"{int(np.count_nonzero(bad))} entries of these states are negative, NaN or "
                "infinite"
            )
        wrong = np.flatnonzero(~np.isfinite(part.rewards).ravel())
        if wrong.size:
            raise ModelError(
                f"rewards: {describe(int(wrong[0]))} has {part.rewards.flat[wrong[0]]}; "
                f"{wrong.size} of these are not finite"
            )
        sums = (rows @ np.ones(n_states)).reshape(ends.shape) + ends
        error = np.where(part.available, np.abs(sums - 1.0), 0.0)
        off = np.flatnonzero(~(error <= MASS_TOLERANCE) | (part.available & ~(ends >= 0)))
        if off.size:
            raise ModelError(
                f"transitions: the row of {describe(int(off[0]))} sums to {sums.flat[off[0]]:.12g} "
                f"with its termination, not to 1 within {MASS_TOLERANCE:g}; {off.size} of these "
                "pairs are off; if that is rounding, pass normalize=True; otherwise put the "
                "probability that the episode ends into termination=, or mark pairs that do not "
                "exist with available="
            )
        self._mass_error = max(self._mass_error, float(error.max(initial=0.0)))

    def _table(self, name: str) -> np.ndarray:
        """Return the (S, A) array with this name in its file, which is made on first use."""
        if name not in self._tables:
            table = _create_table(self._folder / f"{name}.npy", TABLES[name], self._shape)
            if name == "available":
                table[: self._next_state] = True
            self._tables[name] = table
        return self._tables[name]

    def _flush(self) -> None:
        """Write the complete blocks."""
        n_actions = self._shape[1]
        while (
            len(self._stored) < len(self._blocks)
            and self._next_state >= self._blocks[len(self._stored)].stop
        ):
            block = self._blocks[len(self._stored)]
            rows = (
                sp.csr_array(sp.vstack(self._pending, format="csr"))
                if len(self._pending) > 1
                else self._pending[0]
            )
            size = (block.stop - block.start) * n_actions
            self._pending = [rows[size:]] if rows.shape[0] > size else []
            chosen = extract_block(rows, np.arange(size).reshape(-1, n_actions))
            parts = (chosen.data, chosen.indices, chosen.indptr)
            arrays = [
                np.ascontiguousarray(part, dtype=kind)
                for part, kind in zip(parts, ROW_FILES.values(), strict=True)
            ]
            if int(chosen.indptr[-1]) > np.iinfo(np.int32).max:
                raise ModelError(
                    f"states {block.start} to {block.stop - 1} have {int(chosen.indptr[-1]):,} "
                    "transitions; a mapped model holds up to 2^31 - 1 in a block"
                )
            for array, file in zip(arrays, self._files.values(), strict=True):
                file.write(array.data)
            rows_hash = RowsHash()
            rows_hash.add(chosen.data, chosen.indices, np.diff(chosen.indptr))
            self._hashes.append(rows_hash.digest())
            self._stored.append(chosen.nnz)
            self._branching = max(self._branching, int(np.diff(chosen.indptr).max(initial=0)))

    def _finish(self) -> None:
        """Write the description, which completes the folder."""
        if self._next_state < self._shape[0]:
            raise ModelError(
                f"{self._next_state} states were written, but the model has {self._shape[0]}"
            )
        for table in self._tables.values():
            table.flush()  # type: ignore[attr-defined]
        mask = self._tables.get("available", np.broadcast_to(True, self._shape))
        space = make_space(mask, *self._labels)
        if space.terminal.all():
            raise ModelError("available is False everywhere: no state has an action")
        initial = check_initial(space, self._initial)
        if self._initial is not None:
            np.save(self._folder / INITIAL_FILE, initial)
        description = Description(
            shape=self._shape,
            discount=self._discount,
            state_labels=self._labels[0],
            action_labels=self._labels[1],
            layout=self._layout,
            stored=tuple(self._stored),
            hashes=tuple(block.hex() for block in self._hashes),
            branching=self._branching,
            mass_error=mass_error_bound(self._mass_error, self._branching),
            digest=hash_tables(
                combine_hashes(self._hashes),
                self._discount,
                initial,
                self._tables["rewards"],
                mask,
                self._tables.get("termination", np.broadcast_to(0.0, self._shape)),
                0.0 if self._objective is None else self._objective.endless_value,
            ),
            labels=self._sets,
            objective=None if self._objective is None else asdict(self._objective),
        )
        (self._folder / DESCRIPTION_FILE).write_text(description.to_json(), encoding="utf-8")


def _create_table(path: Path, kind: np.dtype[Any], shape: tuple[int, int]) -> np.ndarray:
    """Return an array of zeros in a new file, whose place on the disk is reserved.

    Writing into a mapped file for which there is no place would end the process.
    """
    header = {"descr": kind.str, "fortran_order": True, "shape": shape}
    size = shape[0] * shape[1] * kind.itemsize
    with open(path, "wb") as file:
        np.lib.format.write_array_header_1_0(file, header)
        file.flush()
        if hasattr(os, "posix_fallocate"):
            os.posix_fallocate(file.fileno(), file.tell(), size)
        else:
            zeros = bytes(ZEROS_AT_ONCE)
            for start in range(0, size, ZEROS_AT_ONCE):
                file.write(zeros[: size - start])
    return np.lib.format.open_memmap(path, mode="r+")
