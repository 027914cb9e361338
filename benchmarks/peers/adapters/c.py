"""The loops of floor.c."""

from __future__ import annotations

import ctypes
import os
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from model import Model

KINDS = {"hard": 0, "Shannon": 1, "SquaredL2": 2, "Tsallis 1.5": 3}


class Problem(ctypes.Structure):
    """The struct of the same name."""

    _fields_ = (
        ("n_states", ctypes.c_int64),
        ("most", ctypes.c_int64),
        ("start", ctypes.c_void_p),
        ("indptr", ctypes.c_void_p),
        ("indices", ctypes.c_void_p),
        ("data", ctypes.c_void_p),
        ("dense", ctypes.c_void_p),
        ("rewards", ctypes.c_void_p),
        ("discount", ctypes.c_double),
        ("temperature", ctypes.c_double),
        ("kind", ctypes.c_int32),
        ("threads", ctypes.c_int32),
    )


class Adapter:
    """Value iteration, and single sweeps."""

    packages = ()

    def __init__(self) -> None:
        # a library where the driver compiled it
        self.library = ctypes.CDLL(os.environ["FLOOR_LIBRARY"])
        self.library.sweep.restype = ctypes.c_double
        self.library.value_iteration.restype = ctypes.c_int64
        self.threads = int(os.environ["OMP_NUM_THREADS"])

    def load(self, model: Model) -> None:
        self.n_states, self.discount = model.n_states, model.discount
        self.most = int(np.bincount(model.state).max())
        # kept, for the struct has but their addresses
        self.arrays = {
            "start": model.starts().astype(np.int64),
            "indptr": model.rows.indptr.astype(np.int64),
            "indices": model.rows.indices.astype(np.int32),
            "data": np.ascontiguousarray(model.rows.data),
            "dense": model.rows.toarray() if model.dense else None,
            "rewards": np.ascontiguousarray(model.rewards),
        }

    def prepare(
        self, method: str, tolerance: float, temperature: float | None
    ) -> tuple[Callable, Callable]:
        threads = 1 if method.endswith("1 thread") else self.threads
        problem = self._problem(
            "hard" if temperature is None else "Shannon", temperature or 1.0, threads
        )
        value, other = np.zeros(self.n_states), np.empty(self.n_states)

        def run() -> np.ndarray:
            self.library.value_iteration(
                ctypes.byref(problem), ctypes.c_double(tolerance), _address(value), _address(other)
            )
            return value

        return run, lambda result: result

    def sweep(self, kind: str, temperature: float) -> Callable[[np.ndarray], np.ndarray]:
        result = np.empty(self.n_states)
        # where a sweep is over in microseconds, waking threads may take longer than what they save:
        # the first call finds out
        choices = [
            self._problem(kind, temperature, threads) for threads in sorted({1, self.threads})
        ]

        def once(value: np.ndarray, problem: Problem) -> float:
            begin = time.perf_counter()
            self.library.sweep(ctypes.byref(problem), _address(value), _address(result))
            return time.perf_counter() - begin

        def run(value: np.ndarray) -> np.ndarray:
            if len(choices) > 1:
                choices[:] = [
                    min(choices, key=lambda problem: min(once(value, problem) for _ in range(5)))
                ]
            once(value, choices[0])
            return result

        return run

    def _problem(self, kind: str, temperature: float, threads: int) -> Problem:
        arrays: dict[str, Any] = {
            name: None if array is None else array.ctypes.data
            for name, array in self.arrays.items()
        }
        return Problem(
            n_states=self.n_states,
            most=self.most,
            discount=self.discount,
            temperature=temperature,
            kind=KINDS[kind],
            threads=threads,
            **arrays,
        )


def _address(array: np.ndarray) -> ctypes.c_void_p:
    return ctypes.c_void_p(array.ctypes.data)
