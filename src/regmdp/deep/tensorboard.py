"""A callback that writes files for TensorBoard."""

from __future__ import annotations

import math
from os import PathLike
from types import TracebackType
from typing import TypeVar

from regmdp._internal.errors import MissingExtraError
from regmdp._internal.events import Event
from regmdp._internal.files import writing
from regmdp._internal.parameters import FileName, Instance, checked, checked_methods

__all__ = ["TensorBoard"]

AnyTensorBoard = TypeVar("AnyTensorBoard", bound="TensorBoard")


@checked(folder=FileName())
@checked_methods(__call__={"event": Instance(Event)})
class TensorBoard:
    """A callback of learners that writes each measure against the steps.

    Close it at the end, or use it with ``with``.

    Args:
        folder: Folder of the files; use one for each run.

    Raises:
        MissingExtraError: if tensorboardX is not installed.
        WriteError: if the folder cannot be written; the message names it.

    Examples:
        >>> import tempfile
        >>> from regmdp.deep import A2C, TensorBoard
        >>> with tempfile.TemporaryDirectory() as folder, TensorBoard(folder) as board:
        ...     steps = A2C("CartPole-v1", seed=0).learn(200, callback=board).steps
    """

    def __init__(self, folder: str | PathLike[str]) -> None:
        try:
            from tensorboardX import SummaryWriter
        except ImportError:
            raise MissingExtraError("tensorboardX", "tensorboard") from None
        self._folder = folder
        with writing(folder):
            self._writer = SummaryWriter(str(folder))

    def __call__(self, event: Event) -> None:
        """Write the measures of an event of a learner."""
        measures = {**event.measures, "seconds": event.seconds}
        steps = int(measures.pop("steps"))
        with writing(self._folder):
            for name, value in measures.items():
                if math.isfinite(value):
                    self._writer.add_scalar(name, value, steps)

    def close(self) -> None:
        """Write all buffered values and close the files."""
        with writing(self._folder):
            self._writer.close()

    def __enter__(self: AnyTensorBoard) -> AnyTensorBoard:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()
