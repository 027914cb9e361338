"""The arrays of other toolboxes in ``.npz`` files, known by their names: P, R, discount of MDPtoolbox; R, Q, beta of QuantEcon."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from regmdp._internal.errors import FormatError, ModelError
from regmdp._internal.files import replace_atomically, require_file
from regmdp.io.npz import load_model
from regmdp.io.toolboxes import from_mdptoolbox, from_quantecon, to_mdptoolbox, to_quantecon
from regmdp.mdp import MDP

__all__ = ["kind_of", "read_arrays_of", "write_mdptoolbox", "write_quantecon"]

#: The names that arrays must have to be of a kind, and those that they may have.
NAMES = {
    "npz": (frozenset(("meta",)), None),
    "mdptoolbox": (frozenset(("P", "R", "discount")), frozenset(("initial",))),
    "quantecon": (frozenset(("R", "Q", "beta")), frozenset(("s_indices", "a_indices", "initial"))),
}
#: The most numbers in an array of transitions, most of them zeros: 2 GiB.
LARGEST = 1 << 28


def kind_of(path: Path) -> str:
    """Say whose arrays a ``.npz`` file holds: ours (``npz``), MDPtoolbox's or QuantEcon's.

    Raises:
        FormatError: if it is damaged, or its arrays are none of these.
    """
    names = frozenset(_opened(path, only_names=True))
    for kind, (needed, more) in NAMES.items():
        if needed <= names and (more is None or names <= needed | more):
            return kind
    known = "; ".join(
        f"{kind}: {', '.join(sorted(needed))}"
        for kind, (needed, _) in NAMES.items()
        if kind != "npz"
    )
    raise FormatError(
        f"{path} holds the arrays {', '.join(sorted(names)) or '(none)'}, which are no model of "
        f"regmdp, nor of a toolbox ({known})"
    )


def read_arrays_of(path: Path, kind: str) -> MDP:
    """Read a model from arrays of one of these kinds."""
    if kind_of(path) != kind:
        raise FormatError(
            f"{path} holds the arrays of another format, {kind_of(path)}, not of {kind}"
        )
    if kind == "npz":
        return load_model(path)
    arrays = _opened(path)
    initial = arrays.pop("initial", None)
    try:
        if kind == "mdptoolbox":
            return from_mdptoolbox(
                arrays["P"], arrays["R"], _number(arrays["discount"]), initial=initial
            )
        arrays["beta"] = _number(arrays["beta"])
        return from_quantecon(**arrays, initial=initial)
    except (ModelError, ValueError, TypeError, IndexError) as error:
        raise FormatError(f"{path} does not hold a consistent model: {error}") from error


def _number(array: Any) -> float:
    if np.size(array) != 1:
        raise ValueError(f"the discount is an array of shape {np.shape(array)}, not a number")
    return float(np.asarray(array).item())


def _opened(path: Path, *, only_names: bool = False) -> dict[str, Any]:
    """Return the arrays of an archive by name, or without their content."""
    try:
        # opened here, for np.load leaves a damaged file open
        with open(require_file(path), "rb") as file:
            if file.read(2) != b"PK":
                raise ValueError("it is no .npz archive")
            file.seek(0)
            with np.load(file, allow_pickle=False) as archive:
                return {name: None if only_names else archive[name] for name in archive.files}
    except FileNotFoundError:
        raise
    except Exception as error:  # zipfile, zlib and NumPy each have their own for a damaged file
        raise FormatError(
            f"{path} is not a file of NumPy arrays, or it is damaged: {error}"
        ) from error


def write_mdptoolbox(mdp: MDP, path: Path) -> tuple[str, ...]:
    """Write the dense arrays P (A, S, S), R (S, A) and discount; return what is different in them."""
    matrices, rewards = to_mdptoolbox(mdp)
    _check_size(len(matrices) * matrices[0].shape[0] ** 2)
    P = np.stack([matrix.toarray() for matrix in matrices])
    _write(path, mdp, rewards.shape[0], P=P, R=rewards, discount=np.float64(mdp.discount))
    return _differences(mdp)


def write_quantecon(mdp: MDP, path: Path) -> tuple[str, ...]:
    """Write the arrays of L state-action pairs, Q of shape (L, S) dense; return what is different in them."""
    arguments = to_quantecon(mdp)
    _check_size(arguments.Q.shape[0] * arguments.Q.shape[1])
    arrays = arguments._asdict()
    arrays["Q"], arrays["beta"] = arguments.Q.toarray(), np.float64(arguments.beta)
    _write(path, mdp, arguments.Q.shape[1], **arrays)
    return _differences(mdp)


def _check_size(count: int) -> None:
    if count > LARGEST:
        raise ModelError(
            f"the transitions would be an array of {count:,} numbers, most of them zeros; at most "
            f"{LARGEST:,} are written: use a sparse format, .npz, .drn or .tra, or "
            "regmdp.io.to_mdptoolbox, which returns sparse matrices"
        )


def _write(path: Path, mdp: MDP, n_states: int, **arrays: Any) -> None:
    initial = np.zeros(n_states)
    initial[: mdp.n_states] = mdp.initial
    replace_atomically(path, lambda file: np.savez(file, initial=initial, **arrays))


def _differences(mdp: MDP) -> tuple[str, ...]:
    notes = []
    if mdp.terminal.any():
        notes.append("terminal states lead to themselves for ever at no reward")
    if np.any(mdp.termination):
        notes.append(f"termination leads to one more state, {mdp.n_states}, which does the same")
    if mdp.state_labels is not None or mdp.action_labels is not None:
        notes.append("names of states and actions are left out")
    return tuple(notes)
