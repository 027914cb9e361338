"""Asynchronous advantage actor-critic: worker processes that share parameters without locks."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, Literal, TypeVar

import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree

from regmdp._internal.arrays import Bool, Float
from regmdp._internal.errors import SolverError
from regmdp._internal.events import CallbackLike
from regmdp._internal.files import writing
from regmdp._internal.interrupts import hold_interrupts
from regmdp._internal.parameters import Integer, Kind
from regmdp._internal.status import Status
from regmdp.deep.actor_critic import A2C, actor_critic_loss
from regmdp.deep.learner import Reporter
from regmdp.deep.networks import NetworkFunctions, convert_to_numpy, mlp
from regmdp.deep.normalization import merge_moments
from regmdp.deep.on_policy import Batch
from regmdp.deep.types import JaxArray, Params

__all__ = ["A3C", "run_worker"]

AnyA3C = TypeVar("AnyA3C", bound="A3C")

#: Seconds between two checks of the workers, and seconds they have to stop by themselves.
POLL_SECONDS, JOIN_SECONDS = 0.05, 30.0

#: Decay of the shared RMSProp, and the number added below its root.
RMSPROP_DECAY, RMSPROP_EPSILON = 0.99, 1e-5


@dataclass(eq=False)
class A3C(A2C):
    """Asynchronous advantage actor-critic: workers update shared parameters without locks.

    Each worker is a process with its own environment. It copies the shared parameters, collects
    steps, and adds its increment to the shared parameters, element by element, with shared RMSProp
    statistics (section 4 and algorithm S3 of the paper): an update of another worker since the copy
    is kept, as in Hogwild. The moments of observations and returns, by which both are normalised
    unless ``normalize=False``, are those of the samples of all workers. The result depends on the
    order of the updates: with two or more workers the same seed does not give the same numbers.

    Departures from the paper, besides those of :class:`A2C`: t_max = ``horizon`` = 20 for 5, so
    that more steps share the fixed cost of a call of the compiled gradient; inputs and values are
    normalised, because environments differ in scale and no frames are preprocessed.

    Events are reported at regular times, with the measures of :meth:`Learner.learn`. If a worker
    fails, training ends with an error that shows the last line it wrote; what was learned until
    then is kept.

    Args:
        workers: Number of processes.

    References:
        Mnih, Badia, Mirza, Graves, Harley, Lillicrap, Silver & Kavukcuoglu 2016, ICML,
        "Asynchronous methods for deep reinforcement learning"; Recht, Ré, Wright & Niu 2011, NIPS,
        "Hogwild! A lock-free approach to parallelizing stochastic gradient descent".
    """

    n_envs: int = 1
    horizon: int = 20
    normalize: bool = True
    workers: int = 2

    name: ClassVar[str] = "asynchronous advantage actor-critic"

    declarations: ClassVar[Mapping[str, Kind]] = {"workers": Integer()}

    def learn(self: AnyA3C, steps: int, *, callback: CallbackLike = None) -> AnyA3C:
        """Let the workers take at least so many more steps in total."""
        reporter = Reporter(self, callback)
        steps_before, self.status = self.steps, None
        if not steps:
            self.status = Status.STEP_LIMIT
            return self
        with _make_shared_folder() as folder:
            with writing(folder):
                shared, unravel = self._share_state(folder)
            seeds = [int(self._rng.integers(2**31)) for _ in range(self.workers)]
            pool = _WorkerPool(self, folder, seeds)

            def update_progress() -> None:
                self.steps = steps_before + int(shared.steps.sum())
                self.environments.returns += pool.read_new_returns()

            try:
                pool.start()
                while shared.steps.sum() < steps:
                    pool.check()
                    time.sleep(POLL_SECONDS)
                    if shared.steps.sum():
                        update_progress()
                        if not reporter.report({}):
                            self.status = Status.STOPPED
                            break
                else:
                    self.status = Status.STEP_LIMIT
            except KeyboardInterrupt:
                self.status = Status.INTERRUPTED
            finally:
                shared.stop[0] = 1
                pool.join(shared.steps > 0)
                networks = unravel(jnp.asarray(shared.params))
                self._state = {**networks, "squared_gradients": shared.squared_gradients.copy()}
                if self._normalizer is not None:
                    self._normalizer.moments = merge_moments(shared.moments)
                update_progress()
        return self

    def _init_state(self, key: JaxArray) -> Params:
        networks = self._init_networks(key)
        size = ravel_pytree(networks)[0].size
        return {**networks, "squared_gradients": np.zeros(size, dtype=np.float32)}

    def _share_state(self, folder: Path) -> tuple[_SharedArrays, Callable[[JaxArray], Params]]:
        """Return shared arrays with the training state, and the function that makes parameters."""
        networks = {"policy": self._state["policy"], "critic": self._state["critic"]}
        flat, unravel = ravel_pytree(networks)
        shared = _SharedArrays(folder, flat.size, self.environments.n_inputs, self.workers, "w+")
        shared.params[:] = flat
        shared.squared_gradients[:] = self._state["squared_gradients"]
        if self._normalizer is not None:
            shared.moments[-1] = self._normalizer.moments
        return shared, unravel


class _SharedArrays:
    """Arrays that all processes share: files that each maps into its memory.

    Args:
        folder: Folder of the files.
        size: Number of parameters.
        n_inputs: Length of an observation.
        workers: Number of workers.
        mode: "w+" to create them, all zeros; "r+" to open them.
    """

    def __init__(
        self, folder: Path, size: int, n_inputs: int, workers: int, mode: Literal["w+", "r+"]
    ) -> None:
        self.params = np.memmap(folder / "params", np.float32, mode, shape=(size,))
        self.squared_gradients = np.memmap(
            folder / "squared_gradients", np.float32, mode, shape=(size,)
        )
        # one row for the samples of each worker, the last for those before: merged by the reader
        self.moments = np.memmap(
            folder / "moments", np.float64, mode, shape=(workers + 1, 1 + 2 * (n_inputs + 1))
        )
        self.steps = np.memmap(folder / "steps", np.int64, mode, shape=(workers,))
        self.stop = np.memmap(folder / "stop", np.int8, mode, shape=(1,))


@contextmanager
def _make_shared_folder() -> Iterator[Path]:
    """Give a temporary folder for the arrays that the workers share.

    Raises:
        WriteError: if it cannot be made.
    """
    with writing("the temporary folder of the workers"):
        folder = tempfile.TemporaryDirectory(prefix="regmdp-a3c-")
    with folder as name:
        yield Path(name)


class _WorkerPool:
    """The worker processes, and the files they write.

    Raises:
        SolverError: if the options of the learner cannot be pickled.
    """

    def __init__(self, learner: A3C, folder: Path, seeds: Sequence[int]) -> None:
        self._folder, self._n_read = folder, [0] * len(seeds)
        try:
            task = pickle.dumps((type(learner), _encode_options(learner)))
        except Exception as error:
            raise SolverError(
                f"the options cannot be sent to the workers: {error}; give an environment's name, "
                "or a function of a module that can be imported"
            ) from error
        self._task, self._seeds = task, seeds
        self._processes: list[subprocess.Popen[bytes]] = []

    def start(self) -> None:
        """Start the workers, in a session of their own: Ctrl-C is for this process only."""
        # one thread for each process, or they wait for one another
        environment = {
            **os.environ,
            "XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false",
            "OPENBLAS_NUM_THREADS": "1",
            "OMP_NUM_THREADS": "1",
        }
        for index, seed in enumerate(self._seeds):
            numbers = index, len(self._seeds), seed, os.getpid()
            arguments = [str(self._folder), *map(str, numbers)]
            with open(self._errors_path(index), "wb") as errors, hold_interrupts():
                process = subprocess.Popen(
                    [sys.executable, "-m", "regmdp.deep.worker", *arguments],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.DEVNULL,
                    stderr=errors,
                    env=environment,
                    start_new_session=True,
                )
                self._processes.append(process)
            assert process.stdin is not None
            try:
                process.stdin.write(self._task)
                process.stdin.close()
            except BrokenPipeError:
                pass  # it ended at once: `check` reports why

    def check(self) -> None:
        """Raise SolverError if a worker has ended."""
        for index, process in enumerate(self._processes):
            if process.poll() is not None:
                lines = self._errors_path(index).read_text(errors="replace").strip().splitlines()
                raise SolverError(
                    f"worker {index + 1} of {len(self._processes)} ended with exit status "
                    f"{process.returncode}: {lines[-1] if lines else 'it wrote no message'}; what "
                    "was learned until then is kept"
                )

    def join(self, has_begun: Bool[np.ndarray, " n"]) -> None:
        """Wait until the workers have stopped, and kill those that do not, or have not begun."""
        end = time.monotonic() + JOIN_SECONDS
        for process, begun in zip(self._processes, has_begun, strict=False):
            try:
                if not begun:
                    process.kill()
                assert process.stdin is not None
                with suppress(BrokenPipeError):
                    process.stdin.close()
                process.wait(max(end - time.monotonic(), 0.1))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def read_new_returns(self) -> list[float]:
        """Return the returns of episodes that have ended since the last call, by worker."""
        found: list[float] = []
        for index, n_read in enumerate(self._n_read):
            path = _returns_path(self._folder, index)
            if path.exists():
                new = np.fromfile(path, dtype=np.float64, offset=8 * n_read)
                self._n_read[index] += new.size
                found += new.tolist()
        return found

    def _errors_path(self, index: int) -> Path:
        return self._folder / f"errors{index}"


def _returns_path(folder: Path, index: int) -> Path:
    return folder / f"returns{index}"


def _encode_options(learner: A3C) -> dict[str, Any]:
    """Return the options of a learner, with networks by their specification."""
    options = {name: getattr(learner, name) for name in learner._option_names()}
    return {
        name: value.spec if isinstance(value, NetworkFunctions) and value.spec else value
        for name, value in options.items()
    }


def run_worker(task: bytes, folder: Path, index: int, workers: int, seed: int, parent: int) -> None:
    """Worker loop: collect and update the shared parameters until stopped or the parent exits.

    Args:
        task: The pickled class and options of the learner.
        folder: Folder of the shared arrays.
        index: Number of this worker, from 0.
        workers: Number of workers.
        seed: Seed of this worker.
        parent: Number of the process that started this one.
    """
    kind, options = pickle.loads(task)
    networks = {
        name: mlp(**value) if isinstance(value, dict) else value for name, value in options.items()
    }
    learner: A3C = kind(**{**networks, "seed": seed})
    flat, unravel = ravel_pytree(
        {"policy": learner._state["policy"], "critic": learner._state["critic"]}
    )
    shared = _SharedArrays(folder, flat.size, learner.environments.n_inputs, workers, "r+")
    n_written = 0
    with open(_returns_path(folder, index), "ab") as file:
        while not shared.stop[0] and os.getppid() == parent:
            learner._state = convert_to_numpy(unravel(jnp.asarray(shared.params)))
            _update_shared(learner, shared, index)
            shared.steps[index] += learner.horizon * learner.n_envs
            np.asarray(learner.environments.returns[n_written:]).tofile(file)
            n_written = len(learner.environments.returns)
            file.flush()


def _update_shared(learner: A3C, shared: _SharedArrays, index: int) -> None:
    """Collect a batch, and add a worker's increments to the shared statistics and parameters.

    Nothing is overwritten by a value that was computed from an earlier read, so that what other
    workers add in the meantime is kept.
    """
    normalizer = learner._normalizer
    if normalizer is not None:
        normalizer.moments = merge_moments(shared.moments)
    batch = learner._collect()
    if normalizer is not None:
        own = shared.moments[index]
        own[:] = merge_moments(np.stack([own, normalizer.latest_moments]))
    gradient = np.asarray(_compute_gradient(learner._static, learner._state, batch))
    _add_step(shared, gradient, learner.learning_rate)


def _add_step(
    shared: _SharedArrays, gradient: Float[np.ndarray, " n"], learning_rate: float
) -> None:
    """Add the increments of one RMSProp step to the shared statistics and parameters."""
    shared.squared_gradients += (1.0 - RMSPROP_DECAY) * (
        np.square(gradient) - shared.squared_gradients
    )
    shared.params -= learning_rate * gradient / np.sqrt(shared.squared_gradients + RMSPROP_EPSILON)


@partial(jax.jit, static_argnums=0)
def _compute_gradient(learner: A3C, networks: Params, batch: Batch) -> JaxArray:
    """Return the gradient of the loss as one array, clipped to the largest norm."""
    gradient, _ = ravel_pytree(jax.grad(partial(actor_critic_loss, learner))(networks, batch))
    norm = jnp.sqrt(jnp.sum(jnp.square(gradient)))
    return gradient * jnp.minimum(1.0, learner.max_grad_norm / jnp.maximum(norm, 1e-12))
