"""What a learner says of itself, in files that TensorBoard shows."""

from __future__ import annotations

import math
from os import PathLike
from types import TracebackType
from typing import TypeVar

from regmdp._internal.errors import MissingExtraError
from regmdp.deep.learner import Progress

__all__ = ["TensorBoard"]

AnyTensorBoard = TypeVar("AnyTensorBoard", bound="TensorBoard")


class TensorBoard:
    """A listener that writes returns, episodes and measures over the steps; close it, or use it with ``with``.

    Args:
        folder: Where to write; one folder for each run.

    Raises:
        MissingExtraError: if tensorboardX is not installed.

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
        self._writer = SummaryWriter(str(folder))

    def __call__(self, progress: Progress) -> None:
        """Write what is said."""
        said = {
            "return": progress.mean_return,
            "episodes": progress.episodes,
            "seconds": progress.seconds,
            **progress.measures,
        }
        for name, value in said.items():
            if math.isfinite(value):
                self._writer.add_scalar(name.replace(" ", "_"), value, progress.steps)

    def close(self) -> None:
        """Write all that is left, and close the files."""
        self._writer.close()

    def __enter__(self: AnyTensorBoard) -> AnyTensorBoard:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
