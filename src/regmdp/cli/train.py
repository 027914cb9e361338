"""``regmdp train``: train a network, with progress, a log, checkpoints and a curve."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import typer
from typer.core import TyperCommand

import regmdp as rm
from regmdp._internal.files import replace_atomically, save_or_rescue, writing
from regmdp._internal.kinds import Integer, Number, Option, Text
from regmdp.cli.declarations import (
    InputFile,
    LogFile,
    OutputFile,
    OutputFolder,
    argument,
    option,
)
from regmdp.cli.exit_codes import INTERRUPTED
from regmdp.cli.methods import make_regularizer
from regmdp.cli.options import TemperatureOption
from regmdp.cli.progress import StatusLine, show_rows
from regmdp.cli.terminal import open_console

if TYPE_CHECKING:
    from regmdp.deep import EpisodeReturns, Learner

__all__ = ["TrainCommand", "train"]

#: Steps of a run.
DEFAULT_STEPS = 50_000
#: Steps between checkpoints.
CHECKPOINT_STEPS = 10_000


class Method(StrEnum):
    """Values of --algorithm."""

    trpo = "trpo"
    a2c = "a2c"
    a3c = "a3c"
    sac = "sac"
    mdpo = "mdpo"
    gpmd = "gpmd"
    on_policy_mdpo = "on-policy-mdpo"


#: Classes whose names are not the method's in capitals.
CLASSES = {Method.on_policy_mdpo: "OnPolicyMDPO"}


class TrainCommand(TyperCommand):
    """A command that suggests the nearest option for one of another library, as --gamma."""

    def parse_args(self, ctx: typer.Context, args: list[str]) -> list[str]:  # type: ignore[override]
        """Parse the arguments, after a check of the names of the options."""
        names = [name for param in self.get_params(ctx) for name in param.opts]
        known = {name.lstrip("-").replace("-", "_"): name for name in names}
        for word in args:
            name = word.partition("=")[0]
            if name.startswith("--") and name not in ("--", *names):
                nearest = _find_nearest(name, known)
                if nearest:
                    ctx.fail(f"unknown option {name}; did you mean {' or '.join(nearest)}?")
        return super().parse_args(ctx, args)


def _find_nearest(option: str, known: dict[str, str]) -> list[str]:
    from regmdp.deep.options import find_nearest  # needs an extra

    name = option.lstrip("-").replace("-", "_")
    return [known[nearest] for nearest in find_nearest(name, known)]


def train(
    env: Annotated[str, argument(Text(), "A Gymnasium environment, such as CartPole-v1.")],
    algorithm: Annotated[Method, option(Option(*Method), "Method.")] = Method.trpo,
    steps: Annotated[
        int | None,
        option(
            Integer(0),
            "Steps to take, counted over all copies of the environment; 50,000 by default.",
        ),
    ] = None,
    until: Annotated[
        int | None,
        option(
            Integer(0),
            "Steps to have taken in the end, with those before --resume; instead of --steps.",
        ),
    ] = None,
    regularizer: Annotated[
        str | None,
        option(
            Text(), "Regularizer of the policy: shannon, squared-l2, tsallis:q=1.5, log-barrier."
        ),
    ] = None,
    temperature: TemperatureOption = None,
    discount: Annotated[float, option(Number(0.0, below=1.0), "Discount.")] = 0.99,
    normalize: Annotated[
        bool,
        typer.Option(
            "--normalize",
            help="Normalise observations and values; for on-policy methods (trpo, a2c, …).",
        ),
    ] = False,
    seed: Annotated[int, option(Integer(0), "Seed of all random numbers.")] = 0,
    episodes: Annotated[int, option(Integer(), "Episodes that evaluate the final policy.")] = 20,
    resume: Annotated[
        Path | None,
        option(
            InputFile(), "A saved learner to continue in this environment, with its own options."
        ),
    ] = None,
    output: Annotated[
        Path | None,
        option(OutputFile(), "File for the learner, written every 10,000 steps.", "--output", "-o"),
    ] = None,
    log: Annotated[
        Path | None, option(LogFile(), "File for one line of JSON per iteration.")
    ] = None,
    curve: Annotated[
        Path | None, option(OutputFile(), "SVG file for a plot of the returns against the steps.")
    ] = None,
    tensorboard: Annotated[Path | None, option(OutputFolder(), "Folder for TensorBoard.")] = None,
) -> None:
    """Train a network in an environment, and evaluate its policy.

    A run that was killed or interrupted goes on from the last file with --resume FILE and the same
    --until, and ends with the same numbers as without the interruption. What was learned after the
    last file, at most 10,000 steps, is learned again.

    Exit code: 0, 130 if interrupted (the file holds the last checkpoint), 1 on an error.
    """
    if steps is not None and until is not None:
        raise rm.SolverError("--steps and --until exclude each other: give one of them")
    from regmdp import deep  # needs an extra

    out = open_console()
    path = output or Path(f"{env.replace('/', '-')}-{algorithm}.npz")
    OutputFile().require(path)
    options: dict[str, Any] = {"seed": seed, "discount": discount}
    if (regularizer is None) != (temperature is None):
        raise rm.SolverError(
            "--regularizer and --temperature go together: give both, or neither for the method's "
            "own"
        )
    if regularizer is not None and temperature is not None:
        options["regularizer"] = make_regularizer(regularizer, temperature)
    kind = getattr(deep, CLASSES.get(algorithm, algorithm.upper()))
    if normalize:
        if not issubclass(kind, deep.OnPolicy):
            raise rm.SolverError(
                f"--normalize is for on-policy methods, such as trpo and a2c, not for {algorithm}"
            )
        options["normalize"] = True
    learner: Learner = kind.load(resume, env=env) if resume else kind(env, **options)

    def write_start(target: Path) -> None:
        """Write the learner that this run began with."""
        if resume is None:
            kind(env, **options).save(target)
        elif not target.exists() or not target.samefile(resume):
            content = resume.read_bytes()
            replace_atomically(target, lambda file: file.write(content))

    show_rows(
        out,
        [
            ("environment", env),
            ("method", learner.name),
            ("regularizer", repr(learner.regularizer)),
            *([("steps before", f"{learner.steps:,}")] if resume else []),
        ],
    )
    with ExitStack() as stack:
        line = stack.enter_context(StatusLine(open_console(stderr=True)))
        last = learner.steps if resume else None
        monitor = _Monitor(line, None if log is None else stack.enter_context(_Log(log, last)))
        callbacks: list[Callable[[rm.Event], object]] = [monitor]
        if tensorboard is not None:
            callbacks.append(stack.enter_context(deep.TensorBoard(tensorboard)))
        end = learner.steps + (DEFAULT_STEPS if steps is None else steps)
        whole = _learn_with_checkpoints(
            learner, end if until is None else until, callbacks, path, write_start
        )
    if not whole:
        learner = kind.load(path, env=env)
    rows = _describe_result(learner, learner.evaluate(episodes), path)
    if curve is not None:
        _write_curve(curve, [point for point in monitor.curve if point[0] <= learner.steps])
        rows.append(("curve", str(curve)))
    show_rows(out, rows)
    if not whole:
        raise typer.Exit(INTERRUPTED)


class _Monitor:
    """A callback that shows a line, writes a log, and keeps the curve of returns.

    The seconds of its events count from the start of the command, over all calls of ``learn``.
    """

    def __init__(self, line: StatusLine, log: _Log | None) -> None:
        self._line, self._log = line, log
        self._begin = time.perf_counter()
        self.curve: list[tuple[float, float]] = []

    def __call__(self, event: rm.Event) -> None:
        event = replace(event, seconds=time.perf_counter() - self._begin)
        steps, mean = event.measures["steps"], event.measures["mean_return"]
        self.curve.append((steps, mean))
        self._line.show(
            f"{steps:,} steps   {event.measures['episodes']:,} episodes   return {mean:.6g}   "
            f"{event.seconds:.1f} s"
        )
        if self._log is not None:
            record = {
                **event.measures,
                "mean_return": None if np.isnan(mean) else mean,
                "seconds": round(event.seconds, 3),
            }
            self._log.write(json.dumps(record))


class _Log:
    """A file to which lines are appended; half a line that a killed run has left is removed.

    Args:
        path: The file.
        last: Steps of a run that goes on: the last lines with more, which come again, are removed.

    Raises:
        WriteError: if it cannot be written; the message names it.
    """

    def __init__(self, path: Path, last: int | None) -> None:
        self._path = path
        with writing(path):
            self._file = open(path, "a", encoding="utf-8")  # noqa: SIM115  closed in __exit__
            if path.is_file():
                end = _find_end_of_lines(content := path.read_bytes())
                if last is not None:
                    end = _find_end_of_steps(content[:end], last)
                self._file.truncate(end)
                if content[:end] and not content[:end].endswith(b"\n"):
                    self._file.write("\n")

    def __enter__(self) -> _Log:
        return self

    def __exit__(self, *_: object) -> None:
        with writing(self._path):
            self._file.close()

    def write(self, line: str) -> None:
        """Append a line."""
        with writing(self._path):
            self._file.write(line + "\n")
            self._file.flush()


def _find_end_of_lines(content: bytes) -> int:
    """Return the length of a log without the half of a line that a killed run may have left."""
    start = content.rfind(b"\n") + 1
    is_half = content.startswith(b"{", start) and not content.endswith(b"}")
    return start if is_half else len(content)


def _find_end_of_steps(content: bytes, last: int) -> int:
    """Return the length of a log without the lines at its end that have more steps than these."""
    end = len(content)
    for line in reversed(content.splitlines(keepends=True)):
        try:
            record = json.loads(line)
        except ValueError:
            break
        if not (isinstance(record, dict) and record.get("steps", 0) > last):
            break
        end -= len(line)
    return end


def _learn_with_checkpoints(
    learner: Learner,
    end: int,
    callbacks: list[Callable[[rm.Event], object]],
    path: Path,
    write_start: Callable[[Path], object],
) -> bool:
    """Learn up to some steps, and save the learner now and then, and if a log cannot be written.

    A learner that is loaded from one of these files continues like this one. So after an interrupt
    the file holds the last of them, and not an iterate between two.

    Args:
        learner: The learner.
        end: The steps that it should have taken.
        callbacks: Called after each iteration.
        path: The file.
        write_start: Writes the learner as it is now, for an interrupt before the first file.

    Returns:
        Whether the end was reached.
    """
    first = True
    if learner.steps >= end:
        save_or_rescue(path, learner.save)
    while learner.steps < end:
        try:
            learner.learn(min(CHECKPOINT_STEPS, end - learner.steps), callback=callbacks)
        except OSError:  # a log cannot be written: what was learned is kept
            save_or_rescue(path, learner.checkpoint)
            raise
        if learner.status is rm.Status.INTERRUPTED:
            if first:
                save_or_rescue(path, write_start)
            return False
        save_or_rescue(path, learner.checkpoint)
        first = False
    return True


def _describe_result(
    learner: Learner, returns: EpisodeReturns, path: Path
) -> list[tuple[str, str]]:
    """Return the rows of the summary."""
    return [
        ("steps", f"{learner.steps:,}"),
        ("greedy", _describe_returns(returns.greedy)),
        ("sampled", _describe_returns(returns.sampled)),
        ("saved", str(path)),
    ]


def _describe_returns(returns: np.ndarray) -> str:
    return f"return {returns.mean():.6g} ± {returns.std():.3g} over {returns.size} episodes"


def _write_curve(path: Path, curve: list[tuple[float, float]]) -> None:
    """Write a plot of the returns against the steps as SVG."""
    from regmdp import plots  # needs an extra

    steps, returns = np.array(curve, dtype=np.float64).reshape(-1, 2).T
    with plots.style():
        figure, axes = plots.subplots()
        plots.draw_curve(axes, steps, returns, 0)
        axes.set(xlabel="steps", ylabel="return, mean of the last 100 episodes")
        content = plots.to_svg(figure).encode("utf-8")
    replace_atomically(path, lambda file: file.write(content))
