"""Asynchronous advantage actor-critic: worker processes that share parameters and the statistics of their descent."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, fields
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree

from regmdp._internal.arrays import Array
from regmdp._internal.errors import SolverError
from regmdp.deep.actor_critic import A2C, loss_of
from regmdp.deep.networks import Network, in_numpy, mlp
from regmdp.deep.on_policy import Batch
from regmdp.deep.options import require_count

__all__ = ["A3C", "work"]

AnyA3C = TypeVar("AnyA3C", bound="A3C")

#: Seconds between two looks of the process that waits, and those a worker gets to stop by itself.
PAUSE, PATIENCE = 0.05, 30.0
#: Decay and smallest denominator of the shared RMSProp.
DECAY, LEAST = 0.99, 1e-5


@dataclass(eq=False)
class A3C(A2C):
    """Asynchronous advantage actor-critic: workers step and learn on their own, and write to the same parameters without locks.

    Each worker is a process with an environment of its own. It copies the shared parameters, acts
    for a stretch, and moves the shared ones along its gradient with shared RMSProp statistics
    (section 4 and algorithm S3 of the paper). What they know of observations and returns, by which
    both are normalised unless ``normalize=False``, they share in the same way. What comes out
    depends on who was first: the same seed does not give the same numbers, unless there is one
    worker.

    A worker that dies ends the training with its last words; what was learned until then is kept.

    Args:
        workers: Processes.

    References:
        Mnih, Badia, Mirza, Graves, Harley, Lillicrap, Silver & Kavukcuoglu 2016, ICML,
        "Asynchronous methods for deep reinforcement learning".
    """

    copies: int = 1
    horizon: int = 20
    normalize: bool = True
    workers: int = 2

    name: ClassVar[str] = "asynchronous advantage actor-critic"

    def __post_init__(self) -> None:
        require_count("the number of workers", self.workers)
        super().__post_init__()

    def _begun(self, key: Array) -> Any:
        begun = super()._begun(key)
        del begun["descent"]
        return {**begun, "squares": np.zeros(ravel_pytree(begun)[0].size, dtype=np.float32)}

    def learn(self: AnyA3C, steps: int, *, callback: Any = ()) -> AnyA3C:
        """Let the workers take at least so many more steps together."""
        require_count("the number of steps", steps, least=0)
        callbacks, begin, before, self.interrupted = (
            (callback,) if callable(callback) else tuple(callback),
            time.perf_counter(),
            self.steps,
            False,
        )
        networks = {"policy": self._state["policy"], "critic": self._state["critic"]}
        flat, unravel = ravel_pytree(networks)
        with tempfile.TemporaryDirectory(prefix="regmdp-a3c-") as name:
            shared = _Shared.made(Path(name), flat.size, self.environments.n_inputs, self.workers)
            shared.params[:], shared.squares[:] = flat, self._state["squares"]
            if self._normalizer is not None:
                shared.moments[:] = self._normalizer.moments
            crew = _WorkerPool(
                self, Path(name), [int(self._rng.integers(2**31)) for _ in range(self.workers)]
            )
            try:
                while shared.steps.sum() < steps:
                    crew.check()
                    time.sleep(PAUSE)
                    if callbacks and shared.steps.sum():
                        self.steps = before + int(shared.steps.sum())
                        self.environments.returns += crew.new_returns()
                        self._tell(callbacks, begin, {})
            except KeyboardInterrupt:
                self.interrupted = True
            finally:
                shared.stop[0] = 1
                crew.ended()
                self._state = {
                    **unravel(jnp.asarray(shared.params)),
                    "squares": shared.squares.copy(),
                }
                if self._normalizer is not None:
                    self._normalizer.moments = shared.moments.copy()
                self.steps = before + int(shared.steps.sum())
                self.environments.returns += crew.new_returns()
        return self


class _Shared:
    """The memory that all processes see: a file that each maps."""

    def __init__(self, folder: Path, size: int, n_inputs: int, workers: int, mode: Any) -> None:
        at = partial(np.memmap, mode=mode)
        self.params = at(folder / "params", dtype=np.float32, shape=(size,))
        self.squares = at(folder / "squares", dtype=np.float32, shape=(size,))
        self.moments = at(folder / "moments", dtype=np.float64, shape=(1 + 2 * (n_inputs + 1),))
        self.steps = at(folder / "steps", dtype=np.int64, shape=(workers,))
        self.stop = at(folder / "stop", dtype=np.int8, shape=(1,))

    @classmethod
    def made(cls, folder: Path, size: int, n_inputs: int, workers: int) -> _Shared:
        """Make it, all zeros."""
        return cls(folder, size, n_inputs, workers, "w+")


class _WorkerPool:
    """The worker processes, and what they say."""

    def __init__(self, learner: A3C, folder: Path, seeds: list[int]) -> None:
        self._folder, self._read = folder, [0] * len(seeds)
        try:
            job = pickle.dumps((type(learner), _sendable(learner)))
        except Exception as error:
            raise SolverError(
                f"the workers cannot be told what to do: {error}; give an environment's name, or a "
                "function of a module that can be imported"
            ) from error
        # a thread for each process, or they wait for one another
        threads = {
            "XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false",
            "OPENBLAS_NUM_THREADS": "1",
            "OMP_NUM_THREADS": "1",
        }
        self._workers = []
        for index, seed in enumerate(seeds):
            arguments = [str(folder), str(index), str(len(seeds)), str(seed)]
            with open(folder / f"words{index}", "wb") as words:
                process = subprocess.Popen(
                    [sys.executable, "-m", "regmdp.deep.worker", *arguments],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.DEVNULL,
                    stderr=words,
                    env={**os.environ, **threads},
                )
            assert process.stdin is not None
            try:
                process.stdin.write(job)
                process.stdin.close()
            except BrokenPipeError:
                pass  # it died at once: `check` says why
            self._workers.append(process)

    def check(self) -> None:
        """Raise what went wrong if a worker has ended though nobody told it to."""
        for index, process in enumerate(self._workers):
            if process.poll() is not None:
                words = (
                    (self._folder / f"words{index}")
                    .read_text(errors="replace")
                    .strip()
                    .splitlines()
                )
                last = words[-1] if words else "it said nothing"
                raise SolverError(
                    f"worker {index + 1} of {len(self._workers)} ended with exit status "
                    f"{process.returncode}: {last}; what was learned until then is kept"
                )

    def ended(self) -> None:
        """Wait until all have stopped, and stop those that do not."""
        until = time.monotonic() + PATIENCE
        for process in self._workers:
            try:
                process.wait(max(until - time.monotonic(), 0.1))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def new_returns(self) -> list[float]:
        """Return the returns of the episodes that have ended since the last time, worker by worker."""
        found: list[float] = []
        for index in range(len(self._workers)):
            path = self._folder / f"returns{index}"
            if path.exists():
                new = np.fromfile(path, dtype=np.float64, offset=8 * self._read[index])
                self._read[index] += new.size
                found += new.tolist()
        return found


def _sendable(learner: A3C) -> dict[str, Any]:
    """Return the options of a learner, networks by their specification."""
    options = {item.name: getattr(learner, item.name) for item in fields(learner) if item.init}
    return {
        name: value.spec if isinstance(value, Network) and value.spec else value
        for name, value in options.items()
    }


def work(job: bytes, folder: Path, index: int, workers: int, seed: int) -> None:
    """Be a worker: act, and move the shared parameters, until it is time to stop or nobody is left who would say so."""
    kind, options = pickle.loads(job)
    networks = {
        name: mlp(**value) if isinstance(value, dict) else value for name, value in options.items()
    }
    learner = kind(**{**networks, "seed": seed})
    flat, unravel = ravel_pytree(
        {"policy": learner._state["policy"], "critic": learner._state["critic"]}
    )
    shared = _Shared(folder, flat.size, learner.environments.n_inputs, workers, "r+")
    parent, told = os.getppid(), 0
    with open(folder / f"returns{index}", "ab") as returns:
        while not shared.stop[0] and os.getppid() == parent:
            learner._state = in_numpy(unravel(jnp.asarray(shared.params)))
            if learner._normalizer is not None:
                learner._normalizer.moments = shared.moments.copy()
            batch = learner._collected()
            if learner._normalizer is not None:
                shared.moments[:] = learner._normalizer.moments
            gradient = np.asarray(_gradient(learner._design, learner._state, batch))
            shared.squares[:] = DECAY * shared.squares + (1.0 - DECAY) * gradient * gradient
            shared.params[:] = shared.params - learner.rate * gradient / np.sqrt(
                shared.squares + LEAST
            )
            shared.steps[index] += learner.horizon * learner.copies
            np.asarray(learner.environments.returns[told:]).tofile(returns)
            told = len(learner.environments.returns)
            returns.flush()


@partial(jax.jit, static_argnums=0)
def _gradient(learner: A3C, networks: Any, batch: Batch) -> Array:
    """Return the gradient of the loss, cut off at the largest norm, in a row."""
    gradient, _ = ravel_pytree(jax.grad(partial(loss_of, learner))(networks, batch))
    norm = jnp.sqrt(jnp.sum(jnp.square(gradient)))
    return gradient * jnp.minimum(1.0, learner.largest / jnp.maximum(norm, 1e-12))
