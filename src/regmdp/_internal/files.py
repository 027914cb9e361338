"""Files of arrays and JSON in one ``.npz``, without pickles, replaced whole or not at all."""

from __future__ import annotations

import json
import os
import secrets
import zipfile
from collections.abc import Callable, Mapping
from os import PathLike
from pathlib import Path
from typing import IO, Any, TypeVar

import numpy as np

from regmdp._internal.arrays import freeze
from regmdp._internal.errors import FormatError

__all__ = ["read_arrays", "read_result", "replace_atomically", "require_file", "write_arrays"]

Result = TypeVar("Result")

#: Version of the layout; a reader refuses a newer one.
FORMAT = 1


def require_file(path: str | PathLike[str]) -> Path:
    """Return the path of a file, after checking that it exists."""
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"there is no file {path}")
    return path


def replace_atomically(path: str | PathLike[str], write: Callable[[IO[bytes]], object]) -> None:
    """Write a file under a temporary name beside it, and move it into place when it is complete.

    After a crash or an interrupt the old file is still there, whole.
    """
    path = Path(path)
    if not path.parent.is_dir():
        raise FileNotFoundError(f"cannot write {path}: there is no folder {path.parent}")
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(6)}.part")
    try:
        with open(temporary, "xb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def write_arrays(
    path: str | PathLike[str], kind: str, arrays: Mapping[str, np.ndarray], meta: Mapping[str, Any]
) -> None:
    """Write named arrays and a JSON-able mapping as a file of this kind."""
    content: dict[str, Any] = {name: np.asarray(array) for name, array in arrays.items()}
    content["meta"] = np.array(json.dumps({"kind": kind, "format": FORMAT, **meta}))
    replace_atomically(path, lambda file: np.savez(file, **content))


def read_arrays(
    path: str | PathLike[str], kind: str
) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Read back what :func:`write_arrays` wrote.

    Raises:
        FormatError: if the file is damaged, of another kind, or from a newer version.
    """
    path = require_file(path)
    try:
        # opened here, for np.load leaves a damaged file open
        if not zipfile.is_zipfile(path):
            raise ValueError("it is no .npz archive")
        with open(path, "rb") as file, np.load(file, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
        meta = json.loads(str(arrays.pop("meta")))
        found, layout = meta.pop("kind"), meta.pop("format")
    # zipfile, zlib, json and NumPy each raise their own exceptions for a damaged file
    except Exception as error:
        raise FormatError(f"{path} is not a regmdp file, or it is damaged: {error}") from error
    if found != kind:
        raise FormatError(f"{path} holds a {found}, not a {kind}")
    if not isinstance(layout, int) or layout > FORMAT:
        raise FormatError(
            f"{path} was written by a newer version of regmdp (format {layout}, this one reads up "
            f"to {FORMAT})"
        )
    return arrays, meta


def read_result(
    path: str | PathLike[str],
    kind: str,
    unpack: Callable[[dict[str, np.ndarray], dict[str, Any]], Result],
) -> Result:
    """Read a file of this kind, and return what a function makes of its arrays and its mapping.

    Args:
        path: Where it is.
        kind: What it must hold.
        unpack: Called with the arrays, which cannot be written to, and the mapping.

    Raises:
        FormatError: if the file is damaged, of another kind, from a newer version, or lacks a part.
    """
    arrays, meta = read_arrays(path, kind)
    try:
        return unpack({name: freeze(array) for name, array in arrays.items()}, meta)
    except (KeyError, TypeError) as error:
        raise FormatError(
            f"{path} is not a complete {kind}: {error} is missing or wrong"
        ) from error
    except ValueError as error:
        raise FormatError(f"{path} does not hold a consistent {kind}: {error}") from error
