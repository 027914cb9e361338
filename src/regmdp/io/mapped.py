"""Models larger than memory: folders that are mapped block by block while they are used."""

from __future__ import annotations

from os import PathLike
from pathlib import Path

import numpy as np
import scipy.sparse as sp

from regmdp._internal.array_files import read_array, read_array_header
from regmdp._internal.arrays import freeze
from regmdp._internal.communicator import ALONE, Communicator
from regmdp._internal.errors import FormatError, InsufficientMemoryError, ModelError
from regmdp._internal.memory import require_memory
from regmdp._internal.mpi import join_all
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
from regmdp.mdp import MDP, SparseTransitions, Transitions
from regmdp.mdp.layout_reader import read_layout
from regmdp.mdp.model_data import ModelData, check_initial, make_space
from regmdp.mdp.objective import read_objective
from regmdp.mdp.partition import Partition
from regmdp.mdp.transitions import StorageInfo, state_blocks
from regmdp.mdp.validation import as_discount

__all__ = ["open_distributed", "open_mapped", "save_mapped"]


@checked(ModelError, mdp=Instance(MDP), path=FileName())
def save_mapped(mdp: MDP, path: str | PathLike[str]) -> None:
    """Write a model to a folder that :func:`open_mapped` opens.

    The rows are written block by block, so that those of a model whose transitions a function
    computes need no memory.

    Args:
        mdp: The model.
        path: The folder, which must not exist.

    Raises:
        FileExistsError: if the path exists.
        ModelError: if the model is ragged.
        WriteError: if the folder cannot be written; the message names it.
    """
    if mdp.numbering is not None:
        raise ModelError(
            "a ragged model cannot be mapped; write it as .npz with regmdp.io.save_model"
        )
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
        for block in mdp.transitions.blocks:
            writer.write(
                _list_rows(mdp.transitions, block),
                mdp.rewards[block],
                available=mdp.available[block],
                termination=mdp.termination[block],
            )


def _list_rows(transitions: Transitions, block: slice) -> sp.csr_array:
    """Return the (b·A, S) rows of a block, those of a state one after the other."""
    parts = list(transitions.iterate_rows(block))
    data, indices, lengths = (np.concatenate(part) for part in zip(*parts, strict=True))
    pointers = np.concatenate(([0], np.cumsum(lengths)))
    rows = sp.csr_array((data, indices, pointers), shape=(lengths.size, transitions.n_states))
    by_action = np.arange(lengths.size).reshape(transitions.n_actions, -1)
    return rows[by_action.T.ravel()]


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
    mdp, blocks = _open_folder(Path(path), ALONE)
    if verify:
        blocks.check_all()
    return mdp


@checked(ModelError, path=FileName(), verify=Flag())
def open_distributed(path: str | PathLike[str], *, verify: bool = False) -> MDP:
    """Open a mapped model in all processes that MPI has started, each of which works on its part.

    All processes call it, with the same folder, and then run the same program. Each owns a run of
    blocks of rows, and maps only those; all of them hold whole (S,) values and bounds. An (S, A)
    policy stays with the processes that own its rows: NumPy reads it as the whole array, which all
    processes then have to do together. Callbacks run in the first process, which alone writes
    files. An error in one process, or Ctrl-C, ends the work of all of them in the same way.

    Results have the same bits as those of one process, whatever their number. It needs mpi4py, from
    the extra ``mpi``. Without ``mpiexec`` there is one process, and the model is that of
    :func:`open_mapped`.

    An undiscounted model is looked at as a graph, for which each process reads all rows.

    Args:
        path: The folder, which all processes can read.
        verify: Whether all blocks are checked when the model is opened, each by its owner.

    Returns:
        The model.

    Raises:
        FormatError: if the folder is incomplete, damaged, or not a mapped model.
        FileNotFoundError: if there is no such folder.
        MissingExtraError: if mpi4py is not installed, or finds no MPI.

    Examples:
        >>> import tempfile, regmdp as rm
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     rm.io.save_mapped(rm.models.chain(5), folder + "/chain")
        ...     mdp = rm.io.open_distributed(folder + "/chain")
        ...     rm.solve(mdp).status.word
        'converged'
    """
    communicator = join_all()
    folder = Path(path)
    with communicator.session():
        mdp, blocks = _open_folder(folder, communicator)
        if verify:
            mdp.partition.each(blocks.check_states)
        return mdp


def _open_folder(folder: Path, communicator: Communicator) -> tuple[MDP, MappedBlocks]:
    """Open a folder, with errors that name it."""
    if not folder.is_dir():
        raise FileNotFoundError(f"there is no folder {folder}")
    try:
        return _open(folder, communicator)
    except InsufficientMemoryError:
        raise
    except (ModelError, KeyError, TypeError, ValueError, OSError) as error:
        raise FormatError(f"{folder} is not a mapped model, or it is damaged: {error}") from error


def _open(folder: Path, communicator: Communicator) -> tuple[MDP, MappedBlocks]:
    """Open a model and check all but its rows."""
    description = _read_description(folder)
    _require_same(description, communicator)
    shape = description.shape
    partition = Partition(state_blocks(*shape), shape[1], communicator, description.stored)
    tables = {
        name: _open_table(folder / f"{name}.npy", name, shape)
        for name in TABLES
        if (folder / f"{name}.npy").exists()
    }
    communicator.run("tables", lambda: _check_tables(tables, partition))
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
        SparseTransitions(
            blocks,
            *shape,
            info=info,
            storage="mapped" if partition.alone else "distributed",
            partition=partition,
        ),
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


def _require_same(description: Description, communicator: Communicator) -> None:
    """Check that all processes have found the same model.

    Raises:
        ValueError: if they have not; the message names the first that differs.
    """
    digest = communicator.first("model", lambda: description.digest)
    others = communicator.collect("model", lambda: description.digest == digest)
    if not all(others):
        raise ValueError(
            f"rank {others.index(False)} finds another model there than rank 0 "
            f"({others.count(False)} of {len(others)} do); all of them must read the same folder"
        )


def _check_tables(tables: dict[str, np.ndarray], partition: Partition) -> None:
    """Check that the entries of the (S, A) arrays are what they should be, in the own blocks."""
    for block in partition.own:
        rewards = tables["rewards"][block]
        if not np.isfinite(rewards).all():
            raise ValueError("rewards.npy has entries that are not finite")
        if "termination" in tables:
            ends = tables["termination"][block]
            if not ((ends >= 0) & (ends <= 1)).all():
                raise ValueError("termination.npy has entries that are not probabilities")
        if "available" in tables:
            available = tables["available"][block]
            if available.view(np.uint8).max() > 1:
                raise ValueError("available.npy has entries that are neither true nor false")
            if rewards[~available].any():
                raise ValueError("rewards.npy has rewards of actions that do not exist")
