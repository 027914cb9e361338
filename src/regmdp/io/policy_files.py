"""Policies from files."""

from __future__ import annotations

from os import PathLike
from typing import cast

import numpy as np

from regmdp._internal.array_files import read_array, read_named_arrays, read_names
from regmdp._internal.errors import FormatError, ModelError
from regmdp._internal.files import require_file
from regmdp._internal.parameters import FileName, checked
from regmdp._internal.policy_arrays import take_policy

__all__ = ["load_policy"]

#: First bytes of .npy files.
NPY_MAGIC = b"\x93NUMPY"


@checked(FormatError, path=FileName())
def load_policy(path: str | PathLike[str]) -> np.ndarray:
    """Return the policy in a file.

    The file is a saved solution, a ``.npz`` with an array ``policy``, or a ``.npy``.

    Args:
        path: The file.

    Returns:
        (S, A) probabilities, sparse of a ragged model, or (S,) action numbers, as they are in the
        file; ``certify`` and
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
    with open(path, "rb") as file:
        if file.read(len(NPY_MAGIC)) == NPY_MAGIC:
            return read_array(path)
    names = read_names(path)
    if "policy_data" in names:  # of a ragged model
        try:
            return cast("np.ndarray", take_policy(read_named_arrays(path), "policy"))
        except (KeyError, ValueError, ModelError) as error:
            raise FormatError(f"{path} does not hold a consistent policy: {error}") from error
    if "policy" not in names:
        raise FormatError(
            f"{path} has no array named 'policy'; it holds {', '.join(names) or 'nothing'}"
        )
    return read_named_arrays(path, ["policy"])["policy"]
