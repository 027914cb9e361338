"""Layouts from files."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from regmdp._internal.errors import ModelError
from regmdp.mdp.dimension_layout import read_dimensions
from regmdp.mdp.layouts import GridLayout, Layout, LineLayout

__all__ = ["read_layout"]


def read_layout(data: Mapping[str, Any] | None) -> Layout | None:
    """Return the layout that :meth:`Layout.to_dict` took apart; None for None.

    Raises:
        KeyError: if something is missing.
        ModelError: if something is wrong.
    """
    if data is None:
        return None
    if not isinstance(data, Mapping):
        raise ModelError(f"a layout must be a mapping, not {data!r}")
    if data["kind"] == "grid":
        return GridLayout(data["rows"], data["directions"])
    if data["kind"] == "line":
        return LineLayout(data["label"], data["positions"])
    if data["kind"] == "dimensions":
        return read_dimensions(data)
    raise ModelError(
        f"there is no layout of the kind {data['kind']!r}; there are grid, line and dimensions"
    )
