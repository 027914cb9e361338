"""One thread for the BLAS while matrices are small.

OpenBLAS and MKL give several threads to products and factorizations from about a hundred rows on.
For a few hundred rows the threads gain nothing, and where other programs use the cores, they wait
for each other: ten times as long as one alone, or more.
"""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
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


def _hand_over() -> None:
    """Let this thread set the number of threads of the BLAS from now on."""
    from threadpoolctl import OpenBLASController

    OpenBLASController.clear_controlling_thread(force=True)


class _SharedLimit:
    """The limit of one BLAS thread, which belongs to the whole process.

    The first that needs it sets it, and the last sets back what was found: a thread of Python that
    still computes would otherwise go on with several, and its sums would have other last bits.
    """

    def __init__(self) -> None:
        self._lock, self._users = Lock(), 0
        self._limit: AbstractContextManager[object] = nullcontext()

    def __enter__(self) -> None:
        with self._lock:
            if not self._users:
                self._limit = _find_blas().limit(limits=1)
                self._limit.__enter__()
            self._users += 1

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._users -= 1
            if not self._users:
                # OpenBLAS listens to the thread that has set its number, which may be another one
                _hand_over()
                self._limit.__exit__(None, None, None)


_shared_limit = _SharedLimit()


def one_blas_thread() -> AbstractContextManager[None]:
    """Let the BLAS use one thread meanwhile.

    >>> import numpy as np
    >>> with one_blas_thread():
    ...     x = np.linalg.solve(2.0 * np.eye(3), np.ones(3))
    >>> x
    array([0.5, 0.5, 0.5])
    """
    return _shared_limit


def limit_blas_threads(n_rows: int) -> AbstractContextManager[None]:
    """Return the context of :func:`one_blas_thread` if matrices of so many rows are small."""
    return one_blas_thread() if n_rows <= MAX_SMALL_ROWS else nullcontext()
