"""Learners in files: what was learned, the random generator, and the options; never a pickle."""

from __future__ import annotations

from dataclasses import fields
from os import PathLike
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np

from regmdp import regularizers
from regmdp._internal.errors import FormatError
from regmdp._internal.files import read_arrays, write_arrays
from regmdp.deep.networks import Network, mlp
from regmdp.deep.proximal import Adapted
from regmdp.regularizers import Regularizer

if TYPE_CHECKING:
    from regmdp.deep.learner import Learner

__all__ = ["option_as_json", "read_learner", "write_learner"]

KIND = "learner"
#: Options that may be functions or classes of one's own, which a file cannot hold.
OWN = ("env", "network", "critic", "regularizer", "step_size")


def write_learner(path: str | PathLike[str], learner: Learner) -> None:
    """Write a learner to a file."""
    leaves = jax.tree.leaves(learner._state)
    options = {item.name: option_as_json(getattr(learner, item.name)) for item in fields(learner)}
    meta = {
        "method": learner.name,
        "options": {name: value for name, value in options.items() if value is not None},
        "steps": learner.steps,
        "returns": learner.environments.returns,
        "generator": learner._rng.bit_generator.state,
    }
    arrays = {f"leaf{index}": np.asarray(leaf) for index, leaf in enumerate(leaves)}
    arrays |= {f"kept {name}": array for name, array in learner._remembered().items()}
    write_arrays(path, KIND, arrays, meta)


def read_learner(kind: Any, path: str | PathLike[str], given: dict[str, Any]) -> Any:
    """Read a learner from a file."""
    arrays, meta = read_arrays(path, KIND)
    if meta.get("method") != kind.name:
        raise FormatError(f"{path} holds what {meta.get('method')} learned, not {kind.name}")
    options = {name: _meant(value) for name, value in meta["options"].items()} | given
    missing = [name for name in OWN if name in _names(kind) and name not in options]
    if missing:
        raise FormatError(
            f"{path} cannot hold {' and '.join(missing)}: give what it was learned with, "
            f"load(path, {missing[0]}=…)"
        )
    learner = kind(**options)
    leaves, structure = jax.tree.flatten(learner._state)
    found = [arrays.get(f"leaf{index}") for index in range(len(leaves))]
    remembered = {
        name.removeprefix("kept "): array
        for name, array in arrays.items()
        if name.startswith("kept ")
    }
    if len(arrays) - len(remembered) != len(leaves) or any(
        new is None or new.shape != old.shape for new, old in zip(found, leaves, strict=True)
    ):
        raise FormatError(
            f"{path} does not fit the environment or the networks: its arrays have other shapes"
        )
    learner._state = jax.tree.unflatten(structure, [jnp.asarray(leaf) for leaf in found])
    learner._recall(remembered)
    learner.steps = meta["steps"]
    learner.environments.returns = meta["returns"]
    learner._rng.bit_generator.state = meta["generator"]
    learner._observation = learner._reset()
    return learner


def _names(kind: type) -> set[str]:
    return {item.name for item in fields(kind)}


def option_as_json(option: Any) -> Any:
    """Return an option as JSON can say it, or None."""
    if isinstance(option, Network):
        return None if option.spec is None else {"mlp": option.spec}
    if isinstance(option, Adapted):
        return {"adapted": option._asdict()}
    if isinstance(option, Regularizer):
        if type(option) is not getattr(regularizers, type(option).__name__, None):
            return None
        values = {item.name: getattr(option, item.name) for item in fields(option) if item.init}  # type: ignore[arg-type]
        return {
            "regularizer": type(option).__name__,
            **{name: np.asarray(value).tolist() for name, value in values.items()},
        }
    return option if isinstance(option, str | int | float) else None


def _meant(said: Any) -> Any:
    """Return the option that JSON says."""
    if not isinstance(said, dict):
        return said
    if "mlp" in said:
        return mlp(**said["mlp"])
    if "adapted" in said:
        return Adapted(**said["adapted"])
    return getattr(regularizers, said["regularizer"])(
        **{name: value for name, value in said.items() if name != "regularizer"}
    )
