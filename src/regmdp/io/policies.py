"""Policies from files, whoever wrote them."""

from __future__ import annotations

from os import PathLike
from typing import Any

import numpy as np

from regmdp._internal.errors import FormatError
from regmdp._internal.files import require_file

__all__ = ["load_policy"]

#: How .npy and .npz files begin.
MAGIC = (b"\x93NUMPY", b"PK\x03\x04")


def load_policy(path: str | PathLike[str]) -> np.ndarray:
    """Return the policy in a file: that of a saved solution, the array ``policy`` of a ``.npz``, or a ``.npy``.

    Args:
        path: Where it is.

    Returns:
        (S, A) probabilities or (S,) action numbers, as they stand in the file; ``certify`` and
        ``evaluate`` check them.

    Raises:
        FormatError: if the file is damaged, or holds no policy.

    Examples:
        >>> import tempfile, pathlib, numpy as np, regmdp as rm
        >>> path = pathlib.Path(tempfile.mkdtemp()) / "actions.npy"
        >>> np.save(path, np.array([1, 1, 1, 1, 1]))
        >>> rm.evaluate(rm.models.chain(5), rm.io.load_policy(path)).initial_value > 0
        True
    """
    path = require_file(path)
    try:
        # opened here, for np.load leaves a damaged file open
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
    except Exception as error:  # zipfile, zlib and NumPy each have their own for a damaged file
        raise FormatError(
            f"{path} is not a file of NumPy arrays, or it is damaged: {error}"
        ) from error
    raise FormatError(f"{path} has no array named 'policy'; it holds {names}")
