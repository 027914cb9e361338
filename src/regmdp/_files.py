"""Files: arrays and a little JSON in one ``.npz``, never a pickle, and replaced whole or not at all."""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
import zipfile
from collections.abc import Callable, Mapping
from os import PathLike
from pathlib import Path
from typing import IO, Any

import numpy as np

from regmdp._errors import FormatError

__all__ = ["read_arrays", "replace_atomically", "write_arrays"]

#: Version of the layout; a reader refuses a newer one.
FORMAT = 1


def replace_atomically(path: str | PathLike[str], write: Callable[[IO[bytes]], object]) -> None:
    """Write a file under a temporary name beside it, and move it into place when it is complete.

    After a crash or an interrupt the old file is still there, whole.
    """
    path = Path(path)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".part")
    try:
        with os.fdopen(handle, "wb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o666 & ~_umask())
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)
        raise


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def write_arrays(path: str | PathLike[str], kind: str, arrays: Mapping[str, np.ndarray], meta: Mapping[str, Any]) -> None:
    """Write named arrays and a JSON-able mapping as a file of this kind."""
    header = json.dumps({"kind": kind, "format": FORMAT, **meta})
    content = {name: np.asarray(array) for name, array in arrays.items()}
    replace_atomically(path, lambda file: np.savez_compressed(file, allow_pickle=False, meta=np.array(header), **content))


def read_arrays(path: str | PathLike[str], kind: str) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Read back what :func:`write_arrays` wrote.

    Raises:
        FormatError: if the file is damaged, of another kind, or from a newer version.
    """
    path = Path(path)
    try:
        # opened here, for np.load leaves a damaged file open
        with open(path, "rb") as file, np.load(file, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
        meta = json.loads(str(arrays.pop("meta")))
        found, layout = meta.pop("kind"), meta.pop("format")
    except FileNotFoundError:
        raise
    except (OSError, ValueError, KeyError, TypeError, EOFError, AttributeError, NotImplementedError, zipfile.BadZipFile) as error:
        raise FormatError(f"{path} is not a regmdp file, or it is damaged: {error}") from error
    except Exception as error:  # zlib.error and whatever else a damaged archive raises
        raise FormatError(f"{path} is damaged: {error}") from error
    if found != kind:
        raise FormatError(f"{path} holds a {found}, not a {kind}")
    if layout > FORMAT:
        raise FormatError(f"{path} was written by a newer version of regmdp (format {layout}, this one reads up to {FORMAT})")
    return arrays, meta
