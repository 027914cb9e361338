"""Arrays of other toolboxes in ``.npz`` files.

They are recognised by their names: P, R, discount of MDPtoolbox; R, Q, beta of QuantEcon.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from regmdp._internal.array_files import read_named_arrays, read_names, write_named_arrays
from regmdp._internal.errors import FormatError, ModelError
from regmdp.io.npz import load_model
from regmdp.io.toolboxes import from_mdptoolbox, from_quantecon, to_mdptoolbox, to_quantecon
from regmdp.mdp import MDP
from regmdp.mdp.model_data import ModelOptions

__all__ = ["find_kind", "read_toolbox_arrays", "write_mdptoolbox", "write_quantecon"]

#: For each kind of file, the names of the arrays that it must have, and of those that it may have.
ARRAY_NAMES = {
    "npz": (frozenset(("meta",)), None),
    "mdptoolbox": (frozenset(("P", "R", "discount")), frozenset(("initial",))),
    "quantecon": (frozenset(("R", "Q", "beta")), frozenset(("s_indices", "a_indices", "initial"))),
}
#: Largest number of entries of a dense array of transitions: 2 GiB.
MAX_ENTRIES = 1 << 28


def find_kind(path: Path) -> str:
    """Return the kind of a ``.npz`` file: ``npz`` (regmdp's own), ``mdptoolbox`` or ``quantecon``.

    Raises:
        FormatError: if it is damaged, or of no such kind.
    """
    names = frozenset(read_names(path))
    for kind, (needed, more) in ARRAY_NAMES.items():
        if needed <= names and (more is None or names <= needed | more):
            return kind
    known = "; ".join(
        f"{kind}: {', '.join(sorted(needed))}"
        for kind, (needed, _) in ARRAY_NAMES.items()
        if kind != "npz"
    )
    raise FormatError(
        f"{path} holds the arrays {', '.join(sorted(names)) or '(none)'}, which are not a model of "
        f"regmdp or of a toolbox ({known})"
    )


def read_toolbox_arrays(path: Path, kind: str, normalize: bool = False) -> MDP:
    """Read a model from a ``.npz`` file of a given kind, perhaps with rows that are normalised."""
    if find_kind(path) != kind:
        raise FormatError(f"{path} has the arrays of the format {find_kind(path)}, not of {kind}")
    if kind == "npz":
        return load_model(path, normalize=normalize)
    arrays: dict[str, Any] = dict(read_named_arrays(path))
    options: ModelOptions = {"initial": arrays.pop("initial", None), "normalize": normalize}
    try:
        if kind == "mdptoolbox":
            return from_mdptoolbox(
                arrays["P"], arrays["R"], _as_number(arrays["discount"]), **options
            )
        arrays["beta"] = _as_number(arrays["beta"])
        return from_quantecon(**arrays, **options)
    except (ModelError, ValueError, TypeError, IndexError) as error:
        raise FormatError(f"{path} does not hold a consistent model: {error}") from error


def _as_number(array: Any) -> float:
    if np.size(array) != 1:
        raise ValueError(f"the discount is an array of shape {np.shape(array)}, not a number")
    return float(np.asarray(array).item())


def write_mdptoolbox(mdp: MDP, path: Path) -> tuple[str, ...]:
    """Write the dense arrays P (A, S, S), R (S, A) and discount; return the differences."""
    matrices, rewards = to_mdptoolbox(mdp)
    _check_size(len(matrices) * matrices[0].shape[0] ** 2)
    P = np.stack([matrix.toarray() for matrix in matrices])
    _write_arrays(path, mdp, rewards.shape[0], P=P, R=rewards, discount=np.float64(mdp.discount))
    return _describe_differences(mdp)


def write_quantecon(mdp: MDP, path: Path) -> tuple[str, ...]:
    """Write the arrays of L state-action pairs, with dense (L, S) Q; return the differences."""
    arguments = to_quantecon(mdp)
    _check_size(arguments.Q.shape[0] * arguments.Q.shape[1])
    arrays = arguments._asdict()
    arrays["Q"], arrays["beta"] = arguments.Q.toarray(), np.float64(arguments.beta)
    _write_arrays(path, mdp, arguments.Q.shape[1], **arrays)
    return _describe_differences(mdp)


def _check_size(count: int) -> None:
    if count > MAX_ENTRIES:
        raise ModelError(
            f"the transitions would be an array of {count:,} numbers, most of them zeros; the "
            f"limit is {MAX_ENTRIES:,}: use a sparse format (.npz, .drn or .tra) or "
            "regmdp.io.to_mdptoolbox, which returns sparse matrices"
        )


def _write_arrays(path: Path, mdp: MDP, n_states: int, **arrays: Any) -> None:
    initial = np.zeros(n_states)
    initial[: mdp.n_states] = mdp.initial
    write_named_arrays(path, {**arrays, "initial": initial})


def _describe_differences(mdp: MDP) -> tuple[str, ...]:
    notes = []
    if mdp.terminal.any():
        notes.append("terminal states are absorbing, with reward 0")
    if np.any(mdp.termination):
        notes.append(f"termination leads to an additional absorbing state, {mdp.n_states}")
    if mdp.state_labels is not None or mdp.action_labels is not None:
        notes.append("names of states and actions are omitted")
    if mdp.labels:
        notes.append("labels are omitted")
    if mdp.endless_value:
        notes.append(
            f"an episode that never reaches the goal counts as {mdp.endless_value:g} here, and as "
            "0 in the file"
        )
    return tuple(notes)
