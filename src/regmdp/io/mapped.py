"""Models larger than memory: folders that are mapped block by block while they are used."""

from __future__ import annotations

import json
from collections.abc import Sequence
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse as sp

from regmdp._internal.errors import FormatError
from regmdp.io.mapped_layout import FORMAT, KIND, ROW_FILES, TABLES
from regmdp.io.model_writer import ModelWriter
from regmdp.mdp import MDP, SparseTransitions
from regmdp.mdp.layouts import read_layout
from regmdp.mdp.model_data import ModelData, check_initial, make_space
from regmdp.mdp.transitions import StorageInfo, state_blocks
from regmdp.mdp.validation import as_discount

__all__ = ["open_mapped", "save_mapped"]


class _MappedBlocks(Sequence[sp.csr_array]):
    """The rows of the blocks, each mapped from the files while it is used."""

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
        if count == 0:  # an empty file cannot be mapped
            return np.empty(0, dtype=ROW_FILES[name])
        kind = ROW_FILES[name]
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
    """Write a model to a folder that :func:`open_mapped` opens.

    Args:
        mdp: The model.
        path: The folder, which must not exist.

    Raises:
        FileExistsError: if the path exists.
    """
    with ModelWriter(
        path,
        mdp.n_states,
        mdp.n_actions,
        mdp.discount,
        initial=mdp.initial,
        state_labels=mdp.state_labels,
        action_labels=mdp.action_labels,
        layout=mdp.layout,
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

    Its rows stay in the files and are mapped block by block while they are used, so a model may be
    larger than memory. A solver needs memory for a few (S,) vectors and (S, A) arrays, and for the
    rows of a deterministic policy. The files were checked when they were written. To see whether
    they have changed since, compare ``mdp.compute_digest()``, which reads them all, with
    ``mdp.digest``.

    Args:
        path: The folder.

    Returns:
        The model. Its digest is that of the same model in memory.

    Raises:
        FormatError: if the folder is incomplete, or not a mapped model.
        FileNotFoundError: if there is no such folder.
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
        return MDP.from_checked(data).with_layout(read_layout(meta.get("layout")))
    except (KeyError, TypeError, ValueError, OSError) as error:
        raise FormatError(f"{folder} is not a mapped model, or it is damaged: {error}") from error


def _check_sizes(folder: Path, shape: tuple[int, int], stored: list[int]) -> None:
    """Check the sizes of the files of the rows."""
    entries, pointers = sum(stored), shape[0] * shape[1] + len(stored)
    for name, kind in ROW_FILES.items():
        expected = kind.itemsize * (pointers if name == "indptr" else entries)
        found = (folder / name).stat().st_size
        if found != expected:
            raise ValueError(f"{name} has {found} bytes and not {expected}")
