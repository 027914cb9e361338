"""The files of a mapped model, and the description that belongs to them.

The folder holds ``model.json``, the rows of all blocks one after the other (``data``, ``indices``,
``indptr``), and (S, A) arrays and the initial distribution as ``.npy`` files.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from regmdp._internal.array_files import take_field
from regmdp._internal.arrays import UNIT_ROUNDOFF
from regmdp.mdp.digests import combine_hashes
from regmdp.mdp.transitions import state_blocks
from regmdp.mdp.validation import MASS_TOLERANCE

__all__ = [
    "DESCRIPTION_FILE",
    "INITIAL_FILE",
    "ROW_FILES",
    "TABLES",
    "Description",
    "mass_error_bound",
]

KIND = "mapped model"
#: Version of the layout; other versions are refused.
FORMAT = 2
DESCRIPTION_FILE, INITIAL_FILE = "model.json", "initial.npy"
#: The files of the rows, and the types of their entries.
ROW_FILES = {
    "data": np.dtype(np.float64),
    "indices": np.dtype(np.int32),
    "indptr": np.dtype(np.int32),
}
#: The (S, A) arrays, and the types of their entries.
TABLES = {
    "rewards": np.dtype(np.float64),
    "available": np.dtype(np.bool_),
    "termination": np.dtype(np.float64),
}


@dataclass(frozen=True)
class Description:
    """What ``model.json`` says about a model.

    Attributes:
        shape: (S, A).
        discount: γ.
        state_labels: S names, or None.
        action_labels: A names, or None.
        layout: Where the states lie in a figure, as a mapping, or None.
        stored: The number of stored probabilities in each block.
        hashes: SHA-256 of the rows of each block.
        branching: Largest number of successors of a state-action pair.
        mass_error: Bound on how far the rows with their termination are from summing to 1.
        digest: SHA-256 of the model, as :attr:`regmdp.MDP.digest`.
        labels: For each label, its states.
        objective: What the rewards until a goal stand for, as a mapping, or None.
    """

    shape: tuple[int, int]
    discount: float
    state_labels: tuple[str, ...] | None
    action_labels: tuple[str, ...] | None
    layout: Mapping[str, Any] | None
    stored: tuple[int, ...]
    hashes: tuple[str, ...]
    branching: int
    mass_error: float
    digest: str
    labels: Mapping[str, Any] = field(default_factory=dict)
    objective: Mapping[str, Any] | None = None

    @property
    def transitions_digest(self) -> str:
        """SHA-256 of all rows."""
        return combine_hashes(bytes.fromhex(block) for block in self.hashes)

    def file_sizes(self) -> dict[str, int]:
        """Return the sizes of the files of the rows, in bytes."""
        n_pointers = self.shape[0] * self.shape[1] + len(self.stored)
        counts = {"data": sum(self.stored), "indices": sum(self.stored), "indptr": n_pointers}
        return {name: counts[name] * kind.itemsize for name, kind in ROW_FILES.items()}

    def to_json(self) -> str:
        """Return the text of ``model.json``, with a checksum."""
        fields = {"kind": KIND, "format": FORMAT, **asdict(self)}
        return json.dumps({**fields, "seal": _checksum(json.loads(json.dumps(fields)))})

    @classmethod
    def from_json(cls, text: str, n_pointers: int) -> Description:
        """Read and check the text of ``model.json``.

        Args:
            text: The text.
            n_pointers: The number of entries of ``indptr``, which bounds the number of blocks.

        Raises:
            ValueError: if it is damaged, of another kind or version, or contradicts itself.
        """
        try:
            fields = json.loads(text)
            if not isinstance(fields, dict):
                raise TypeError("model.json must hold a mapping")
            if fields.get("kind") != KIND:
                raise ValueError(f"it holds a {fields.get('kind')}, not a {KIND}")
            if fields.get("format") != FORMAT:
                raise ValueError(
                    f"it was written by another version of regmdp (format {fields.get('format')}, "
                    f"not {FORMAT}); write it again"
                )
            if fields.pop("seal", None) != _checksum(fields):
                raise ValueError("model.json was changed after it was written")
            shape = _take_counts(fields, "shape", 2, minimum=1)
            stored = _take_counts(fields, "stored")
            if shape[0] * shape[1] > n_pointers or len(stored) != len(state_blocks(*shape)):
                raise ValueError(f"the shape {shape} does not fit the other files")
            description = cls(
                (shape[0], shape[1]),
                take_field(fields, "discount", float),
                _take_labels(fields, "state_labels"),
                _take_labels(fields, "action_labels"),
                fields["layout"],
                stored,
                _take_hashes(fields, len(stored)),
                take_field(fields, "branching", int),
                take_field(fields, "mass_error", float),
                take_field(fields, "digest", str),
                fields.get("labels", {}),
                fields.get("objective"),
            )
            largest = mass_error_bound(MASS_TOLERANCE, description.branching)
            if not 0 <= description.branching <= shape[0]:
                raise ValueError(f"branching is {description.branching}")
            if not 0 <= description.mass_error <= largest:
                raise ValueError(f"mass_error is {description.mass_error}")
            return description
        except KeyError as error:
            raise ValueError(f"model.json has no {error}") from None
        except (TypeError, RecursionError, OverflowError) as error:
            raise ValueError(str(error)) from error


def mass_error_bound(measured: float, branching: int) -> float:
    """Return a bound on the error of sums of rows from its measured size, rounding included."""
    return measured + (branching + 2) * 2 * UNIT_ROUNDOFF


def _checksum(fields: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(fields, sort_keys=True).encode()).hexdigest()


def _take_counts(
    fields: Mapping[str, Any], name: str, length: int | None = None, minimum: int = 0
) -> tuple[int, ...]:
    """Return a list of integers of at least a minimum."""
    counts = take_field(fields, name, list)
    if length not in (None, len(counts)) or not all(
        type(count) is int and count >= minimum for count in counts
    ):
        raise ValueError(f"{name} must be a list of counts, not {counts!r:.80}")
    return tuple(counts)


def _take_labels(fields: Mapping[str, Any], name: str) -> tuple[str, ...] | None:
    """Return a list of names, or None."""
    labels = fields[name]
    if labels is None:
        return None
    if not isinstance(labels, list) or not all(isinstance(label, str) for label in labels):
        raise TypeError(f"{name} must be a list of texts or null, not {labels!r:.80}")
    return tuple(labels)


def _take_hashes(fields: Mapping[str, Any], count: int) -> tuple[str, ...]:
    """Return the hashes of the blocks."""
    hashes = take_field(fields, "hashes", list)
    if len(hashes) != count or not all(isinstance(one, str) for one in hashes):
        raise ValueError(f"hashes must be {count} texts")
    for one in hashes:
        bytes.fromhex(one)
    return tuple(hashes)
