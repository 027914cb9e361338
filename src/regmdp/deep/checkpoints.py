"""Checkpoints: training state, random generator and options in a file, never a pickle."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from itertools import pairwise
from os import PathLike
from typing import Any

import numpy as np

from regmdp._internal.array_files import read_result, take_field, write_arrays
from regmdp._internal.checks import check_integer, check_number, check_option
from regmdp._internal.errors import FormatError
from regmdp.deep.networks import NetworkFunctions, mlp
from regmdp.deep.proximal import AdaptiveStepSize
from regmdp.regularizers import (
    KL,
    Box,
    CapBarrier,
    LogBarrier,
    Regularizer,
    Renyi,
    Shannon,
    SquaredL2,
    Tsallis,
    Unregularized,
    WeightedL1,
)

__all__ = ["Snapshot", "convert_option_to_json", "read_snapshot", "write_snapshot"]

KIND = "learner"

#: Version of the option names and of the arrays in a file; other versions are refused.
VERSION = 2

#: The regularizers that a file can hold: their parameters are numbers and arrays. A file chooses
#: from this table; nothing else that it names is looked up.
REGULARIZERS: dict[str, type[Regularizer]] = {
    kind.__name__: kind
    for kind in (
        KL,
        Box,
        CapBarrier,
        LogBarrier,
        Renyi,
        Shannon,
        SquaredL2,
        Tsallis,
        Unregularized,
        WeightedL1,
    )
}

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
    return read_result(path, KIND, lambda arrays, meta: _unpack(path, method, arrays, meta))


def _unpack(
    path: str | PathLike[str],
    method: str,
    arrays: dict[str, np.ndarray],
    meta: Mapping[str, Any],
) -> Snapshot:
    """Return the snapshot of a file's content, after checking its types."""
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
    leaves = [arrays[name] for name in names]
    options = take_field(meta, "options", dict)
    return Snapshot(
        method,
        {name: _convert_option_from_json(value, leaves) for name, value in options.items()},
        leaves,
        others,
        check_integer("steps", meta["steps"], 0),
        [check_number("a return", number) for number in take_field(meta, "returns", list)],
        take_field(meta, "generator", dict),
    )


def convert_option_to_json(option: object) -> Mapping[str, object] | str | int | float | None:
    """Return an option as JSON, or None if JSON cannot hold it."""
    if isinstance(option, NetworkFunctions):
        return None if option.spec is None else {"mlp": option.spec}
    if isinstance(option, AdaptiveStepSize):
        return {"adaptive": asdict(option)}
    if isinstance(option, Regularizer):
        return _convert_regularizer_to_json(option)
    return option if isinstance(option, str | int | float) else None


def _convert_regularizer_to_json(regularizer: Regularizer) -> dict[str, Any] | None:
    """Return a regularizer of the table as JSON, and None for any other."""
    kind = type(regularizer)
    if REGULARIZERS.get(kind.__name__) is not kind:
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


def _convert_option_from_json(value: Any, leaves: Sequence[np.ndarray]) -> Any:
    """Return the option that :func:`convert_option_to_json` converted.

    Args:
        value: The option as JSON.
        leaves: The arrays of the training state, which bound the size of networks.

    Raises:
        KeyError: if a part is missing.
        TypeError: if it has another type.
        ValueError: if it is an unknown regularizer, or a network that the arrays cannot be of.
    """
    if not isinstance(value, dict):
        if not isinstance(value, str | int | float):
            raise TypeError(f"an option is {value!r:.80}")
        return value
    if "mlp" in value:
        return _read_perceptron(take_field(value, "mlp", dict), sum(leaf.size for leaf in leaves))
    if "adaptive" in value:
        return AdaptiveStepSize(**take_field(value, "adaptive", dict))
    name = check_option("the regularizer", value["regularizer"], REGULARIZERS)
    arguments = {key: entry for key, entry in value.items() if key != "regularizer"}
    return REGULARIZERS[name](**arguments)


def _read_perceptron(spec: Mapping[str, Any], n_parameters: int) -> NetworkFunctions:
    """Return the perceptron of a file, which has at most as many parameters as the file holds."""
    if set(spec) != {"hidden", "activation", "output_scale"}:
        raise ValueError(f"a network is described by {', '.join(map(str, spec))}")
    hidden = [check_integer("units", units) for units in take_field(spec, "hidden", list)]
    # a layer has a bias for each unit, and a weight for each unit of the layer before
    if sum(one * other for one, other in pairwise([1, *hidden])) > n_parameters:
        raise ValueError(f"the layers {hidden} need more parameters than the file holds")
    return mlp(
        tuple(hidden),
        take_field(spec, "activation", str),
        check_number("output_scale", spec["output_scale"]),
    )
