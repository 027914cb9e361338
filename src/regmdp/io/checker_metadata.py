"""The data of a model that files of model checkers cannot hold, as a line of JSON."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from regmdp._internal.errors import FormatError

__all__ = ["Metadata"]

KIND = "regmdp"


@dataclass(frozen=True)
class Metadata:
    """The data of a model that are not in its choices.

    Attributes:
        discount: γ.
        actions: A names; every choice that is an action has one of them.
        sink: Whether the last state stands for the end of an episode.
        initial: (S,) distribution, if it is not uniform over the states with the label ``init``.
        state_labels: S names, or None.
        action_labels: A names, or None.
        labels: The states of labels that the file cannot hold: of other meaning there, or empty.
        objective: What the rewards until a goal stand for, or None.
    """

    discount: float
    actions: list[str]
    sink: bool
    initial: list[float] | None
    state_labels: list[str] | None
    action_labels: list[str] | None
    labels: dict[str, list[int]] = field(default_factory=dict)
    objective: dict[str, Any] | None = None

    def to_json(self, content: bytes) -> str:
        """Return one line of JSON with a checksum of the content that it belongs to."""
        fields = {"kind": KIND, "format": 1, **vars(self)}
        return json.dumps({**fields, "seal": _checksum(fields, content)})

    @classmethod
    def from_json(cls, line: str, content: bytes, where: str) -> Metadata:
        """Read the line that :meth:`to_json` returned for the same content.

        Args:
            line: The line.
            content: The content of the model's files.
            where: The place of the line, for errors.

        Raises:
            FormatError: if the line is damaged, or belongs to other content.
        """
        try:
            fields: dict[str, Any] = json.loads(line)
            seal = fields.pop("seal")
            if fields["kind"] != KIND:
                raise ValueError(f"its kind is {fields['kind']!r}")
            if seal != _checksum(fields, content):
                raise ValueError("the line or the model was changed after writing")
            if fields["format"] != 1:
                raise ValueError("it was written by a newer version of regmdp")
            del fields["kind"], fields["format"]
            return cls(**fields)
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
            raise FormatError(
                f"{where}: the metadata of regmdp do not fit the model: {error}; remove "
                "them to read the model without its discount, names and termination, or write the "
                "model again"
            ) from None


def _checksum(fields: Mapping[str, Any], content: bytes) -> str:
    return hashlib.sha256(json.dumps(fields, sort_keys=True).encode() + b"\n" + content).hexdigest()
