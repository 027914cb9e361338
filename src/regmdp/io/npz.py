"""Models in ``.npz`` files, without pickles."""

from __future__ import annotations

from dataclasses import asdict
from os import PathLike
from typing import Any

import numpy as np
import scipy.sparse as sp

from regmdp._internal.array_files import read_arrays, write_arrays
from regmdp._internal.arrays import ArrayLike, SparseArray
from regmdp._internal.errors import FormatError, ModelError
from regmdp._internal.parameters import FileName, Flag, Instance, checked
from regmdp.mdp import MDP
from regmdp.mdp.labels import list_labels
from regmdp.mdp.layout_reader import read_layout
from regmdp.mdp.model_data import ModelOptions
from regmdp.mdp.objective import read_objective

__all__ = ["load_model", "save_model"]

KIND = "model"
#: Names of the arrays of dense and of sparse transitions.
DENSE = "transitions"
SPARSE = ("transitions_data", "transitions_indices", "transitions_indptr")


@checked(ModelError, mdp=Instance(MDP), path=FileName())
def save_model(mdp: MDP, path: str | PathLike[str]) -> None:
    """Write a model to a ``.npz`` file, which is replaced only when the new one is complete.

    Sparse transitions stay sparse. The file can be read with ``numpy.load`` alone: dense
    ``transitions`` are (S, A, S); sparse ones are the three arrays of a CSR matrix whose row
    ``s * A + a`` belongs to (s, a). A ragged model is K pairs: their ``state`` and ``action``, and
    rewards, rows and termination of each.

    Args:
        mdp: The model.
        path: The file; no extension is added to its name.

    Examples:
        >>> import tempfile, pathlib, regmdp as rm
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = pathlib.Path(folder) / "forest.npz"
        ...     rm.io.save_model(rm.models.forest(), path)
        ...     rm.io.load_model(path)
        MDP(3 states, 2 actions, 9 transitions (sparse), discount 0.9)
    """
    arrays = _list_tables(mdp) if mdp.numbering is None else _list_pairs(mdp)
    arrays["initial"] = mdp.initial
    meta = {
        "discount": mdp.discount,
        "state_labels": mdp.state_labels,
        "action_labels": mdp.action_labels,
        "labels": list_labels(mdp.labels),
        "layout": None if mdp.layout is None else mdp.layout.to_dict(),
        "objective": None if mdp.objective is None else asdict(mdp.objective),
    }
    if mdp.numbering is not None:
        meta["n_actions"] = mdp.numbering.n_actions
    write_arrays(path, KIND, arrays, meta)


def _list_tables(mdp: MDP) -> dict[str, np.ndarray]:
    """Return the arrays of a model by name."""
    arrays: dict[str, np.ndarray] = {"rewards": mdp.rewards}
    if mdp.transitions.storage == "dense":
        arrays[DENSE] = mdp.to_array()
    else:
        rows = mdp.transitions.to_csr()
        arrays |= dict(zip(SPARSE, (rows.data, rows.indices, rows.indptr), strict=True))
    if not mdp.all_available:
        arrays["available"] = mdp.available
    if np.any(mdp.termination):
        arrays["termination"] = mdp.termination
    return arrays


def _list_pairs(mdp: MDP) -> dict[str, np.ndarray]:
    """Return the arrays of the pairs of a ragged model by name."""
    state, action, rows, rewards = mdp.to_pairs()
    ends = mdp.to_sparse(mdp.termination).data
    parts = dict(zip(SPARSE, (rows.data, rows.indices, rows.indptr), strict=True))
    return {"state": state, "action": action, "rewards": rewards, "termination": ends, **parts}


@checked(ModelError, path=FileName(), normalize=Flag())
def load_model(path: str | PathLike[str], *, normalize: bool = False) -> MDP:
    """Read a model that :func:`save_model` wrote, and check it.

    Args:
        path: The file.
        normalize: As for :class:`~regmdp.MDP`, for files that other programs have changed.

    Raises:
        FormatError: if the file is damaged, incomplete, or not a model.
        FileNotFoundError: if there is no such file.
    """
    arrays, meta = read_arrays(path, KIND)
    try:
        more: ModelOptions = {
            "initial": arrays["initial"],
            "termination": arrays.get("termination"),
            "state_labels": meta["state_labels"],
            "action_labels": meta["action_labels"],
            "normalize": normalize,
            "labels": meta.get("labels"),
            "available": arrays.get("available"),
        }
        if "action" in arrays:
            mdp = _restore_pairs(arrays, meta, more)
        else:
            rewards = arrays["rewards"]
            mdp = MDP(
                _read_transitions(arrays, rewards.shape),
                rewards,
                meta["discount"],
                **more,
            )
        mdp = mdp.with_objective(read_objective(meta.get("objective")))
        return mdp.with_layout(read_layout(meta.get("layout")))
    except KeyError as error:
        raise FormatError(f"{path} is incomplete: it has no {error.args[0]}") from None
    except (ModelError, ValueError, TypeError, IndexError) as error:
        raise FormatError(f"{path} does not hold a consistent model: {error}") from error


def _restore_pairs(arrays: dict[str, np.ndarray], meta: dict[str, Any], more: ModelOptions) -> MDP:
    """Return the model of the pairs of a ragged one."""
    shape = arrays["action"].size, arrays["initial"].size
    rows = sp.csr_array(tuple(arrays[name] for name in SPARSE), shape=shape)
    return MDP.from_pairs(
        arrays["state"],
        arrays["action"],
        rows,
        arrays["rewards"],
        meta["discount"],
        n_states=shape[1],
        n_actions=meta["n_actions"],
        **more,
    )


def _read_transitions(
    arrays: dict[str, np.ndarray], shape: tuple[int, ...]
) -> ArrayLike | SparseArray:
    if DENSE in arrays:
        return arrays[DENSE]
    n_states, n_actions = shape
    return sp.csr_array(
        tuple(arrays[name] for name in SPARSE), shape=(n_states * n_actions, n_states)
    )
