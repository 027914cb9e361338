"""The files of a mapped model.

The folder holds ``model.json``, the rows of all blocks one after the other (``data``, ``indices``,
``indptr``), and (S, A) arrays as ``.npy`` files.
"""

from __future__ import annotations

import numpy as np

__all__ = ["FORMAT", "KIND", "ROW_FILES", "TABLES"]

KIND = "mapped model"
#: Version of the layout; a reader rejects a newer one.
FORMAT = 1
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
