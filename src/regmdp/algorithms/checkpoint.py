"""Checkpoints of long runs: the value of the last iterate in a file, from which a run goes on."""

from __future__ import annotations

import time
from os import PathLike
from pathlib import Path

import numpy as np

from regmdp._internal.array_files import read_result, take_array, take_field, write_arrays
from regmdp._internal.arrays import Float
from regmdp._internal.errors import FormatError, SolverError
from regmdp._internal.events import Event
from regmdp._internal.parameters import FileName, Instance, Integer, Number, checked
from regmdp.mdp import MDP

__all__ = ["Checkpoint", "load_checkpoint"]

KIND = "checkpoint"
SECONDS_PER_MINUTE = 60.0


class Checkpoint:
    """A callback that writes the value of the iterate to a file, whole or not at all.

    What a killed run has reached is then not lost: :func:`load_checkpoint` reads the value, which
    is the ``start`` of another run, with any number of threads and processes. An old file stays as
    it is until the new one is complete. If several processes solve the model, all of them make the
    callback, and the first one writes.

    Args:
        path: The file.
        mdp: The model that is solved.
        minutes: A checkpoint is written after an iteration if the last one is this old.
        iterations: And after every so many iterations, if given.

    Examples:
        >>> import pathlib, tempfile, regmdp as rm
        >>> path = pathlib.Path(tempfile.mkdtemp()) / "checkpoint.npz"
        >>> mdp, method = rm.models.chain(50), rm.algorithms.ValueIteration()
        >>> checkpoint = rm.algorithms.Checkpoint(path, mdp, iterations=10)
        >>> _ = rm.solve(mdp, None, method, max_iterations=20, callback=checkpoint)
        >>> value = rm.algorithms.load_checkpoint(path, mdp)
        >>> rm.solve(mdp, None, method, start=value).status.ok
        True
    """

    @checked(
        path=FileName(),
        mdp=Instance(MDP),
        minutes=Number(above=0.0),
        iterations=Integer() | None,
    )
    def __init__(
        self,
        path: str | PathLike[str],
        mdp: MDP,
        *,
        minutes: float = 10.0,
        iterations: int | None = None,
    ) -> None:
        self._path, self._digest = Path(path), mdp.digest
        self._seconds, self._iterations = SECONDS_PER_MINUTE * minutes, iterations
        self._last = time.monotonic()

    def __call__(self, event: Event) -> None:
        counted = self._iterations is not None and event.iteration % self._iterations == 0
        old = time.monotonic() - self._last >= self._seconds
        if event.iteration > 0 and not event.within and (counted or old):
            self._last = time.monotonic()
            meta = {"model_digest": self._digest, "iteration": int(event.iteration)}
            write_arrays(self._path, KIND, {"value": event.state.value}, meta)


@checked(FormatError, path=FileName(), mdp=Instance(MDP))
def load_checkpoint(path: str | PathLike[str], mdp: MDP) -> Float[np.ndarray, " S"]:
    """Return the (S,) value that a :class:`Checkpoint` has written for a model.

    It may be solved with another regularizer or method: the value is only a start.

    Args:
        path: The file.
        mdp: The model.

    Raises:
        FileNotFoundError: if there is no such file.
        FormatError: if it is damaged or something else.
        SolverError: if it is a checkpoint of another model.
    """
    value, digest = read_result(
        path,
        KIND,
        lambda arrays, meta: (
            take_array(arrays, "value", (None,)),
            take_field(meta, "model_digest", str),
        ),
    )
    if digest != mdp.digest or value.shape != (mdp.n_states,):
        raise SolverError(
            f"{path} is a checkpoint of another model, with {value.size:,} states; give the model "
            "that was solved, with the same discount, rewards and initial distribution, or another "
            "file"
        )
    return value
