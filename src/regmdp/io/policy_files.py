"""Policies from files."""

from __future__ import annotations

from os import PathLike
from typing import Any

import numpy as np

from regmdp._internal.errors import FormatError
from regmdp._internal.files import require_file

__all__ = ["load_policy"]

#: First bytes of .npy and .npz files.
MAGIC = (b"\x93NUMPY", b"PK\x03\x04")


def load_policy(path: str | PathLike[str]) -> np.ndarray:
    """Return the policy in a file.

    The file is a saved solution, a ``.npz`` with an array ``policy``, or a ``.npy``.

    Args:
        path: The file.

    Returns:
        (S, A) probabilities or (S,) action numbers, as they are in the file; ``certify`` and
        ``evaluate`` check them.

    Raises:
        FormatError: if the file is damaged, or has no policy.

    Examples:
        >>> import tempfile, pathlib, numpy as np, regmdp as rm
        >>> path = pathlib.Path(tempfile.mkdtemp()) / "actions.npy"
        >>> np.save(path, np.array([1, 1, 1, 1, 1]))
        >>> rm.evaluate(rm.models.chain(5), rm.io.load_policy(path)).initial_value > 0
        True
    """
    path = require_file(path)
    try:
        # opened here: np.load does not close a damaged file
        with open(path, "rb") as file:
            if not file.read(6).startswith(MAGIC):
                raise ValueError("it is neither .npz nor .npy")
            file.seek(0)
            content: Any = np.load(file, allow_pickle=False)
            if isinstance(content, np.ndarray):
                return content
            with content as archive:
                if "policy" in archive.files:
                    return archive["policy"]
                names = ", ".join(archive.files) or "nothing"
    except Exception as error:  # zipfile, zlib and NumPy raise many kinds for damaged files
        raise FormatError(
            f"{path} is not a file of NumPy arrays, or it is damaged: {error}"
        ) from error
    raise FormatError(f"{path} has no array named 'policy'; it holds {names}")
