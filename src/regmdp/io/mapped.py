"""Models larger than memory: folders that are mapped block by block while they are used."""

from __future__ import annotations

from os import PathLike
from pathlib import Path

import numpy as np

from regmdp._internal.array_files import read_array, read_array_header
from regmdp._internal.arrays import freeze
from regmdp._internal.errors import FormatError, InsufficientMemoryError, ModelError
from regmdp._internal.memory import require_memory
from regmdp._internal.parameters import FileName, Flag, Instance, checked
from regmdp.io.mapped_blocks import MappedBlocks
from regmdp.io.mapped_layout import (
    DESCRIPTION_FILE,
    INITIAL_FILE,
    ROW_FILES,
    TABLES,
    Description,
)
from regmdp.io.model_writer import ModelWriter
from regmdp.mdp import MDP, SparseTransitions
from regmdp.mdp.layout_reader import read_layout
from regmdp.mdp.model_data import ModelData, check_initial, make_space
from regmdp.mdp.objective import read_objective
from regmdp.mdp.transitions import StorageInfo
from regmdp.mdp.validation import as_discount

__all__ = ["open_mapped", "save_mapped"]


@checked(ModelError, mdp=Instance(MDP), path=FileName())
def save_mapped(mdp: MDP, path: str | PathLike[str]) -> None:
    """Write a model to a folder that :func:`open_mapped` opens.

    Args:
        mdp: The model.
        path: The folder, which must not exist.

    Raises:
        FileExistsError: if the path exists.
        WriteError: if the folder cannot be written; the message names it.
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
        labels=mdp.labels,
        objective=mdp.objective,
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


@checked(ModelError, path=FileName(), verify=Flag())
def open_mapped(path: str | PathLike[str], *, verify: bool = False) -> MDP:
    """Open a model that :class:`ModelWriter` wrote.

    Its rows stay in the files and are mapped block by block while they are used, so a model may be
    larger than memory. A solver needs memory for a few (S,) vectors and (S, A) arrays, and for the
    rows of a deterministic policy.

    What is opened is checked: the description, the sizes of the files, and the (S, A) arrays when
    the model is opened; structure, ranges, sums and digest of each block of rows when it is used
    for the first time. A folder that was changed is therefore an error, at the latest during the
    first sweep.

    Args:
        path: The folder.
        verify: Whether all blocks are checked when the model is opened. All rows are read for it.

    Returns:
        The model. Its digest is that of the same model in memory.

    Raises:
        FormatError: if the folder is incomplete, damaged, or not a mapped model.
        FileNotFoundError: if there is no such folder.
    """
    folder = Path(path)
    if not folder.is_dir():
        raise FileNotFoundError(f"there is no folder {folder}")
    try:
        mdp, blocks = _open(folder)
    except InsufficientMemoryError:
        raise
    except (ModelError, KeyError, TypeError, ValueError, OSError) as error:
        raise FormatError(f"{folder} is not a mapped model, or it is damaged: {error}") from error
    if verify:
        blocks.check_all()
    return mdp


def _open(folder: Path) -> tuple[MDP, MappedBlocks]:
    """Open a model and check all but its rows."""
    description = _read_description(folder)
    shape = description.shape
    tables = {
        name: _open_table(folder / f"{name}.npy", name, shape)
        for name in TABLES
        if (folder / f"{name}.npy").exists()
    }
    _check_tables(tables)
    available = tables.get("available", np.broadcast_to(True, shape))
    termination = tables.get("termination", np.broadcast_to(0.0, shape))
    space = make_space(available, description.state_labels, description.action_labels)
    if space.terminal.all():
        raise ValueError("no state has an action")
    blocks = MappedBlocks(folder, description, space.available, termination)
    info = StorageInfo(
        description.branching, sum(description.stored), description.transitions_digest
    )
    initial = read_array(folder / INITIAL_FILE) if (folder / INITIAL_FILE).exists() else None
    data = ModelData(
        space,
        as_discount(description.discount),
        check_initial(space, initial),
        SparseTransitions(blocks, *shape, info=info, storage="mapped"),
        tables["rewards"],
        termination,
        description.mass_error,
        read_objective(description.objective),
    )
    mdp = MDP.from_checked(data).with_labels(description.labels)
    mdp = mdp.with_layout(read_layout(description.layout))
    if mdp.digest != description.digest:
        raise ValueError("its numbers do not have the digest that was written")
    return mdp, blocks


def _read_description(folder: Path) -> Description:
    """Read ``model.json``, and compare it with the sizes of the files of the rows."""
    file = folder / DESCRIPTION_FILE
    require_memory(f"the lines of {file}", 10.0 * file.stat().st_size)
    found = {name: (folder / name).stat().st_size for name in ROW_FILES}
    n_pointers = found["indptr"] // ROW_FILES["indptr"].itemsize
    description = Description.from_json(file.read_text(encoding="utf-8"), n_pointers)
    for name, expected in description.file_sizes().items():
        if found[name] != expected:
            raise ValueError(f"{name} has {found[name]} bytes and not {expected}")
    return description


def _open_table(path: Path, name: str, shape: tuple[int, int]) -> np.ndarray:
    """Map an (S, A) array."""
    with open(path, "rb") as file:
        header = read_array_header(file, path.stat().st_size)
    if header.shape != shape or header.dtype != TABLES[name]:
        raise ValueError(
            f"{path.name} holds {header.dtype} of shape {header.shape}, not {TABLES[name]} of "
            f"shape {shape}"
        )
    order = "F" if header.fortran_order else "C"
    table = np.memmap(path, header.dtype, "r", header.offset, shape, order)
    return freeze(np.asarray(table))


def _check_tables(tables: dict[str, np.ndarray]) -> None:
    """Check that the entries of the (S, A) arrays are what they should be."""
    if not np.isfinite(tables["rewards"]).all():
        raise ValueError("rewards.npy has entries that are not finite")
    if "termination" in tables:
        ends = tables["termination"]
        if not ((ends >= 0) & (ends <= 1)).all():
            raise ValueError("termination.npy has entries that are not probabilities")
    if "available" in tables and tables["available"].view(np.uint8).max() > 1:
        raise ValueError("available.npy has entries that are neither true nor false")
    if "available" in tables and tables["rewards"][~tables["available"]].any():
        raise ValueError("rewards.npy has rewards of actions that do not exist")
