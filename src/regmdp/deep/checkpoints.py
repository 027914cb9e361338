"""Checkpoints: training state, random generator and options in a file, never a pickle."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from os import PathLike
from typing import Any

import numpy as np

from regmdp import regularizers
from regmdp._internal.array_files import read_arrays, write_arrays
from regmdp._internal.errors import FormatError
from regmdp.deep.networks import NetworkFunctions, mlp
from regmdp.deep.proximal import AdaptiveStepSize
from regmdp.regularizers import Regularizer

__all__ = ["Snapshot", "convert_option_to_json", "read_snapshot", "write_snapshot"]

KIND = "learner"

#: Version of the option names and of the arrays in a file; other versions are refused.
VERSION = 2

#: Beginnings of the names of arrays in a file: leaves of the training state, and all others.
LEAF, OTHER = "leaf", "other "


@dataclass(frozen=True, eq=False)
class Snapshot:
    """A learner as plain data.

    Attributes:
        method: Name of the method.
        options: Options by name, those that a file can hold.
        leaves: Arrays of the training state, in the order of JAX.
        others: Other arrays by name, such as a replay buffer.
        steps: Steps taken.
        returns: Returns of the episodes that have ended.
        generator: State of the random generator.
    """

    method: str
    options: dict[str, Any]
    leaves: Sequence[np.ndarray]
    others: dict[str, np.ndarray]
    steps: int
    returns: list[float]
    generator: Mapping[str, Any]


def write_snapshot(path: str | PathLike[str], snapshot: Snapshot) -> None:
    """Write a snapshot to a file."""
    encoded = {name: convert_option_to_json(value) for name, value in snapshot.options.items()}
    meta = {
        "version": VERSION,
        "method": snapshot.method,
        "options": {name: value for name, value in encoded.items() if value is not None},
        "steps": snapshot.steps,
        "returns": snapshot.returns,
        "generator": snapshot.generator,
    }
    arrays = {f"{LEAF}{index}": leaf for index, leaf in enumerate(snapshot.leaves)}
    arrays |= {f"{OTHER}{name}": array for name, array in snapshot.others.items()}
    write_arrays(path, KIND, arrays, meta)


def read_snapshot(path: str | PathLike[str], method: str) -> Snapshot:
    """Read a snapshot of a method from a file.

    Raises:
        FormatError: if the file is damaged, of another method, or of another version.
    """
    arrays, meta = read_arrays(path, KIND)
    version = meta.get("version", 1)
    if version != VERSION:
        raise FormatError(
            f"{path} holds a learner of version {version}, whose options have other names; this "
            f"release of regmdp reads version {VERSION}: train it again, or read it with the "
            "release that wrote it"
        )
    if meta.get("method") != method:
        raise FormatError(f"{path} holds a learner of {meta.get('method')}, not of {method}")
    others = {
        name.removeprefix(OTHER): arrays.pop(name)
        for name in list(arrays)
        if name.startswith(OTHER)
    }
    names = [f"{LEAF}{index}" for index in range(len(arrays))]
    if set(names) != set(arrays):
        raise FormatError(f"{path} is damaged: the arrays of the training state are not complete")
    return Snapshot(
        method,
        {name: _convert_option_from_json(value) for name, value in meta["options"].items()},
        [arrays[name] for name in names],
        others,
        meta["steps"],
        meta["returns"],
        meta["generator"],
    )


def convert_option_to_json(option: object) -> Mapping[str, object] | str | int | float | None:
    """Return an option as JSON, or None if JSON cannot hold it."""
    if isinstance(option, NetworkFunctions):
        return None if option.spec is None else {"mlp": option.spec}
    if isinstance(option, AdaptiveStepSize):
        return {"adaptive": option._asdict()}
    if isinstance(option, Regularizer):
        return _convert_regularizer_to_json(option)
    return option if isinstance(option, str | int | float) else None


def _convert_regularizer_to_json(regularizer: Regularizer) -> dict[str, Any] | None:
    """Return a regularizer of the library as JSON, and None for any other."""
    kind = type(regularizer)
    if kind is not getattr(regularizers, kind.__name__, None):
        return None
    values = {
        item.name: getattr(regularizer, item.name)
        for item in fields(regularizer)  # type: ignore[arg-type]
        if item.init
    }
    return {
        "regularizer": kind.__name__,
        **{name: np.asarray(value).tolist() for name, value in values.items()},
    }


def _convert_option_from_json(value: Any) -> Any:
    """Return the option that :func:`convert_option_to_json` converted."""
    if not isinstance(value, dict):
        return value
    if "mlp" in value:
        return mlp(**value["mlp"])
    if "adaptive" in value:
        return AdaptiveStepSize(**value["adaptive"])
    arguments = {name: argument for name, argument in value.items() if name != "regularizer"}
    return getattr(regularizers, value["regularizer"])(**arguments)
