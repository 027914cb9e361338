"""Models larger than memory: a folder that is written state by state, and mapped block by block while it is used.

The folder holds ``model.json``, the rows of all blocks one after the other (``data``, ``indices``,
``indptr``), and (S, A) arrays as ``.npy`` files. What is written is checked as it is written;
nothing but a block of rows is ever in memory.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Sequence
from os import PathLike
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import scipy.sparse as sp

from regmdp._internal.arrays import UNIT_ROUNDOFF
from regmdp._internal.errors import FormatError, ModelError
from regmdp.mdp import MDP
from regmdp.mdp.model_data import ModelData, check_initial, make_space
from regmdp.mdp.sparse_transitions import SparseTransitions, append_empty_row, extract_block
from regmdp.mdp.transitions import StorageInfo, combine_hashes, hash_arrays, state_blocks
from regmdp.mdp.validation import MASS_TOLERANCE, as_discount

__all__ = ["ModelWriter", "open_mapped", "save_mapped"]

KIND = "mapped model"
#: Version of the layout; a reader refuses a newer one.
FORMAT = 1
#: The files of the rows, and the type of their entries.
ROWS = {"data": np.dtype(np.float64), "indices": np.dtype(np.int32), "indptr": np.dtype(np.int32)}
TABLES = {
    "rewards": np.dtype(np.float64),
    "available": np.dtype(np.bool_),
    "termination": np.dtype(np.float64),
}


class ModelWriter:
    """Writes a model to a folder, some states at a time, in order; complete when the ``with`` block ends without an error.

    It is written under a temporary name and renamed at the end, so that what has the name is whole.

    Args:
        path: The folder to make; there must be none yet.
        n_states: S, below 2^31.
        n_actions: A.
        discount: γ.
        initial: (S,) initial distribution; by default uniform over the states that are not
            terminal.
        state_labels: S names.
        action_labels: A names.

    Raises:
        ModelError: if what is written is no model, or not all of it is there at the end.
        FileExistsError: if there is something at the path.

    Examples:
        A chain of three states, written one at a time; action 0 stays, action 1 goes on.

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

    def __init__(
        self,
        path: str | PathLike[str],
        n_states: int,
        n_actions: int,
        discount: float,
        *,
        initial: Any = None,
        state_labels: Sequence[str] | None = None,
        action_labels: Sequence[str] | None = None,
    ) -> None:
        self._path = Path(path)
        if self._path.exists():
            raise FileExistsError(
                f"there is already something at {self._path}; take another name, or remove it"
            )
        if not self._path.parent.is_dir():
            raise FileNotFoundError(
                f"cannot write {self._path}: there is no folder {self._path.parent}"
            )
        if not (1 <= n_states < 2**31 and n_actions >= 1):
            raise ModelError(
                f"a model has 1 to 2^31 - 1 states and at least one action, not {n_states} and "
                f"{n_actions}"
            )
        self._shape = n_states, n_actions
        labels = {"state_labels": state_labels, "action_labels": action_labels}
        self._meta: dict[str, Any] = {"discount": as_discount(discount), **labels}
        self._initial = None if initial is None else np.asarray(initial, dtype=np.float64)
        self._blocks = state_blocks(n_states, n_actions)
        self._folder = self._path.with_name(f".{self._path.name}.{os.getpid()}.part")
        self._files: dict[str, Any] = {}
        self._tables: dict[str, np.ndarray] = {}
        self._waiting: list[sp.csr_array] = []
        self._next = self._written = 0
        self._ends: list[tuple[int, int]] = []
        self._hashes: list[bytes] = []
        self._branching, self._error = 0, 0.0

    def __enter__(self) -> ModelWriter:
        self._folder.mkdir()
        self._files = {name: open(self._folder / name, "wb") for name in ROWS}  # noqa: SIM115  closed in __exit__
        self._table("rewards")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            for file in self._files.values():
                file.close()
            if kind is None:
                self._finish()
        finally:
            self._tables.clear()
            shutil.rmtree(self._folder, ignore_errors=True)

    def write(
        self, rows: Any, rewards: Any, *, available: Any = None, termination: Any = None
    ) -> None:
        """Write the next n states.

        Args:
            rows: (n·A, S) transition probabilities, dense or sparse, row ``i * A + a`` for the i-th
                of these states and action a.
            rewards: (n, A) rewards.
            available: (n, A) bool; by default every action exists.
            termination: (n, A) probability that the episode ends on the transition; by default 0.
        """
        n_states, n_actions = self._shape
        rewards = np.asarray(rewards, dtype=np.float64)
        if rewards.ndim != 2 or rewards.shape[1] != n_actions:
            raise ModelError(
                f"rewards of n states must have shape (n, A) = (n, {n_actions}), not "
                f"{rewards.shape}"
            )
        count = rewards.shape[0]
        states = slice(self._next, self._next + count)
        if states.stop > n_states:
            raise ModelError(f"{states.stop} states were written, but the model has {n_states}")
        rows = sp.csr_array(rows, dtype=np.float64)
        if rows.shape != (count * n_actions, n_states):
            raise ModelError(
                f"the rows of {count} states must have shape {(count * n_actions, n_states)}, not "
                f"{rows.shape}"
            )
        if not rows.has_canonical_format or not rows.data.all():
            rows = rows.copy()
            rows.sum_duplicates()
            rows.eliminate_zeros()
        exists = (
            np.ones(rewards.shape, dtype=np.bool_)
            if available is None
            else np.asarray(available, dtype=np.bool_)
        )
        ends = (
            np.zeros(rewards.shape)
            if termination is None
            else np.asarray(termination, dtype=np.float64)
        )
        for name, table in (("available", exists), ("termination", ends)):
            if table.shape != rewards.shape:
                raise ModelError(
                    f"{name} must have the shape of the rewards, {rewards.shape}, not {table.shape}"
                )
        self._check(rows, np.where(exists, rewards, 0.0), exists, ends, states.start)
        if not exists.all():
            rows = append_empty_row(rows)[np.where(exists.ravel(), np.arange(exists.size), -1)]
        self._tables["rewards"][states] = np.where(exists, rewards, 0.0)
        for name, table, plain in (
            ("available", exists, True),
            ("termination", np.where(exists, ends, 0.0), False),
        ):
            if name in self._tables or np.any(table != plain):
                self._table(name)[states] = table
        self._waiting.append(rows)
        self._next = states.stop
        self._flush()

    def _check(
        self,
        rows: sp.csr_array,
        rewards: np.ndarray,
        exists: np.ndarray,
        ends: np.ndarray,
        first: int,
    ) -> None:
        """Check the rows and rewards of some states, of which the first has this number."""
        n_states, n_actions = self._shape
        name = lambda pair: f"state {first + pair // n_actions}, action {pair % n_actions}"  # noqa: E731
        if rows.nnz and not (rows.indices.min() >= 0 and rows.indices.max() < n_states):
            raise ModelError(
                f"transitions of states from {first} on: successors run from 0 to {n_states - 1}, "
                "and some do not"
            )
        bad = ~((rows.data >= 0) & np.isfinite(rows.data))
        if bad.any():
            pair = int(np.searchsorted(rows.indptr, int(np.argmax(bad)), side="right")) - 1
            raise ModelError(
                f"transitions: {name(pair)} has the probability {rows.data[np.argmax(bad)]}; "
                f"{int(np.count_nonzero(bad))} entries of these states are negative, NaN or "
                "infinite"
            )
        wrong = np.flatnonzero(~np.isfinite(rewards).ravel())
        if wrong.size:
            raise ModelError(
                f"rewards: {name(int(wrong[0]))} has {rewards.flat[wrong[0]]}; {wrong.size} of "
                "these are not finite"
            )
        sums = (rows @ np.ones(n_states)).reshape(exists.shape) + ends
        error = np.where(exists, np.abs(sums - 1.0), 0.0)
        off = np.flatnonzero(~(error <= MASS_TOLERANCE) | (exists & ~(ends >= 0)))
        if off.size:
            raise ModelError(
                f"transitions: the row of {name(int(off[0]))} sums to {sums.flat[off[0]]:.12g} "
                f"with its termination, not to 1 within {MASS_TOLERANCE:g}; {off.size} of these "
                "pairs are off; normalise the rows, put the probability that the episode ends into "
                "termination=, or mark pairs that do not exist with available="
            )
        self._error = max(self._error, float(error.max(initial=0.0)))

    def _table(self, name: str) -> np.ndarray:
        """Return the (S, A) array of this name in its file, made when it is first needed."""
        if name not in self._tables:
            table = np.lib.format.open_memmap(
                self._folder / f"{name}.npy",
                mode="w+",
                dtype=TABLES[name],
                shape=self._shape,
                fortran_order=True,
            )
            if name == "available":
                table[: self._next] = True
            self._tables[name] = table
        return self._tables[name]

    def _flush(self) -> None:
        """Write the blocks that are complete."""
        n_actions = self._shape[1]
        while (
            len(self._ends) < len(self._blocks) and self._next >= self._blocks[len(self._ends)].stop
        ):
            block = self._blocks[len(self._ends)]
            rows = (
                sp.csr_array(sp.vstack(self._waiting, format="csr"))
                if len(self._waiting) > 1
                else self._waiting[0]
            )
            size = (block.stop - block.start) * n_actions
            self._waiting = [rows[size:]] if rows.shape[0] > size else []
            chosen = extract_block(rows, np.arange(size).reshape(-1, n_actions))
            parts = (chosen.data, chosen.indices, chosen.indptr)
            arrays = [
                np.ascontiguousarray(part, dtype=kind)
                for part, kind in zip(parts, ROWS.values(), strict=True)
            ]
            for array, file in zip(arrays, self._files.values(), strict=True):
                array.tofile(file)
            self._hashes.append(hash_arrays(arrays))
            self._written += chosen.nnz
            self._ends.append((self._written, chosen.nnz))
            self._branching = max(self._branching, int(np.diff(chosen.indptr).max(initial=0)))

    def _finish(self) -> None:
        if self._next < self._shape[0]:
            raise ModelError(
                f"{self._next} states were written, but the model has {self._shape[0]}"
            )
        for table in self._tables.values():
            table.flush()  # type: ignore[attr-defined]
        if self._initial is not None:
            np.save(self._folder / "initial.npy", self._initial)
        self._meta |= {
            "kind": KIND,
            "format": FORMAT,
            "shape": self._shape,
            "stored": [stored for _, stored in self._ends],
            "branching": self._branching,
            "digest": combine_hashes(self._hashes),
            "mass_error": self._error + (self._branching + 2) * 2 * UNIT_ROUNDOFF,
        }
        (self._folder / "model.json").write_text(json.dumps(self._meta))
        os.replace(self._folder, self._path)


class _MappedBlocks(Sequence[sp.csr_array]):
    """The rows of the blocks, each mapped from the files while somebody uses it."""

    def __init__(self, folder: Path, shape: tuple[int, int], stored: list[int]) -> None:
        self._folder, self._shape = folder, shape
        sizes = [(block.stop - block.start) * shape[1] for block in state_blocks(*shape)]
        self._sizes, self._stored = sizes, stored
        self._entries = np.concatenate(([0], np.cumsum(stored, dtype=np.int64)))
        self._pointers = np.concatenate(([0], np.cumsum(np.array(sizes, dtype=np.int64) + 1)))

    def __len__(self) -> int:
        return len(self._sizes)

    def __getitem__(self, index: Any) -> Any:
        entries, stored = int(self._entries[index]), self._stored[index]
        data, indices = (self._part(name, entries, stored) for name in ("data", "indices"))
        indptr = self._part("indptr", int(self._pointers[index]), self._sizes[index] + 1)
        return sp.csr_array((data, indices, indptr), shape=(self._sizes[index], self._shape[0]))

    def _part(self, name: str, start: int, count: int) -> np.ndarray:
        if count == 0:  # nothing cannot be mapped
            return np.empty(0, dtype=ROWS[name])
        kind = ROWS[name]
        return np.asarray(
            np.memmap(
                self._folder / name,
                dtype=kind,
                mode="r",
                offset=start * kind.itemsize,
                shape=(count,),
            )
        )


def save_mapped(mdp: MDP, path: str | PathLike[str]) -> None:
    """Write a model to a folder that :func:`open_mapped` maps.

    Args:
        mdp: The model.
        path: The folder to make.

    Raises:
        FileExistsError: if there is something at the path.
    """
    labels = {"state_labels": mdp.state_labels, "action_labels": mdp.action_labels}
    with ModelWriter(
        path, mdp.n_states, mdp.n_actions, mdp.discount, initial=mdp.initial, **labels
    ) as writer:
        rows = mdp.transitions.to_csr()
        for block in mdp.transitions.blocks:
            part = rows[block.start * mdp.n_actions : block.stop * mdp.n_actions]
            writer.write(
                part,
                mdp.rewards[block],
                available=mdp.available[block],
                termination=mdp.termination[block],
            )


def open_mapped(path: str | PathLike[str]) -> MDP:
    """Open a model that :class:`ModelWriter` wrote.

    Its rows stay in the files and are mapped block by block while they are used.

    So a model may be larger than memory; a solve needs room for a few (S,) vectors and (S, A)
    arrays, and for the rows of one policy if it takes one action in each state. The files were
    checked when they were written. To see whether something has changed them since, compare
    ``mdp.compute_digest()`` with ``mdp.digest``: that reads everything.

    Args:
        path: The folder.

    Returns:
        The model. Its digest is that of the same model in memory.

    Raises:
        FormatError: if the folder is incomplete, or not one of these.
        FileNotFoundError: if there is none.
    """
    folder = Path(path)
    if not folder.is_dir():
        raise FileNotFoundError(f"there is no folder {folder}")
    try:
        meta = json.loads((folder / "model.json").read_text())
        if meta["kind"] != KIND:
            raise FormatError(f"{folder} holds a {meta['kind']}, not a {KIND}")
        if meta["format"] > FORMAT:
            raise FormatError(
                f"{folder} was written by a newer version of regmdp (format {meta['format']}, not "
                f"{FORMAT})"
            )
        shape = int(meta["shape"][0]), int(meta["shape"][1])
        blocks = _MappedBlocks(folder, shape, [int(stored) for stored in meta["stored"]])
        _check_sizes(folder, shape, meta["stored"])
        info = StorageInfo(int(meta["branching"]), sum(meta["stored"]), str(meta["digest"]))
        transitions = SparseTransitions(blocks, *shape, info=info, storage="mapped")
        tables = {
            name: np.load(folder / f"{name}.npy", mmap_mode="r")
            for name in TABLES
            if (folder / f"{name}.npy").exists()
        }
        initial = np.load(folder / "initial.npy") if (folder / "initial.npy").exists() else None
        space = make_space(
            tables.get("available", np.broadcast_to(True, shape)),
            meta["state_labels"],
            meta["action_labels"],
        )
        data = ModelData(
            space,
            as_discount(meta["discount"]),
            check_initial(space, initial),
            transitions,
            tables["rewards"],
            tables.get("termination", np.broadcast_to(0.0, shape)),
            float(meta["mass_error"]),
        )
    except (KeyError, TypeError, ValueError, OSError) as error:
        raise FormatError(f"{folder} is not a mapped model, or it is damaged: {error}") from error
    return MDP.from_checked(data)


def _check_sizes(folder: Path, shape: tuple[int, int], stored: list[int]) -> None:
    """Refuse files that are shorter or longer than they should be."""
    entries, pointers = sum(stored), shape[0] * shape[1] + len(stored)
    for name, kind in ROWS.items():
        expected = kind.itemsize * (pointers if name == "indptr" else entries)
        found = (folder / name).stat().st_size
        if found != expected:
            raise ValueError(f"{name} has {found} bytes and not {expected}")
