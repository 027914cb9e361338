"""SciPy's sparse product P @ V, or NumPy's where the model is dense: what any sweep in Python has
to do at least.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from model import Model


class Adapter:
    """The product alone; it solves nothing."""

    packages = ("scipy", "numpy")

    def load(self, model: Model) -> None:
        self.rows = model.rows.toarray() if model.dense else model.rows

    def sweep(self, kind: str, temperature: float) -> Callable[[np.ndarray], np.ndarray]:
        return lambda value: self.rows @ value
