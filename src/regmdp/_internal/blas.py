"""One thread for the BLAS while matrices are small.

OpenBLAS and MKL give several threads to products and factorizations from about a hundred rows on.
For a few hundred rows the threads gain nothing, and where other programs use the cores, they wait
for each other: ten times as long as one alone, or more.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import cache
from threading import Lock
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from threadpoolctl import ThreadpoolController

__all__ = ["limit_blas_threads", "one_blas_thread"]

#: Number of rows up to which a matrix is small.
MAX_SMALL_ROWS = 512


@cache
def _find_blas() -> ThreadpoolController:
    """Return the BLAS libraries of NumPy and SciPy, which takes some 20 ms."""
    import scipy.linalg  # noqa: F401  # SciPy has a BLAS of its own
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController().select(user_api="blas")


#: Held by the thread that has set the number of BLAS threads, which belongs to the whole process.
_setting = Lock()


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """Let the BLAS use one thread meanwhile, if no other thread of Python does so already.

    The one that has set the number sets it back: if each set back what it had found, the last one
    would leave the process with the limit of the first.

    >>> import numpy as np
    >>> with one_blas_thread():
    ...     x = np.linalg.solve(2.0 * np.eye(3), np.ones(3))
    >>> x
    array([0.5, 0.5, 0.5])
    """
    if not _setting.acquire(blocking=False):
        yield
        return
    try:
        with _find_blas().limit(limits=1):
            yield
    finally:
        _setting.release()


def limit_blas_threads(n_rows: int) -> AbstractContextManager[None]:
    """Return the context of :func:`one_blas_thread` if matrices of so many rows are small."""
    return one_blas_thread() if n_rows <= MAX_SMALL_ROWS else nullcontext()
