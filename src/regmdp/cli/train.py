"""``regmdp train``: teach a network, with progress, a log, checkpoints and a curve."""

from __future__ import annotations

import json
import time
from contextlib import ExitStack
from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import IO, TYPE_CHECKING, Annotated, Any

import numpy as np
import typer
from rich.console import Console

import regmdp as rm
from regmdp.cli import choices
from regmdp.cli.exit_codes import INTERRUPTED
from regmdp.cli.progress import Line, show_rows

if TYPE_CHECKING:
    from regmdp.deep import Learner, Progress

__all__ = ["train"]

#: Steps between checkpoints.
EVERY = 10_000


class Method(StrEnum):
    """What --algorithm takes."""

    trpo = "trpo"
    a2c = "a2c"
    a3c = "a3c"
    sac = "sac"
    mdpo = "mdpo"
    gpmd = "gpmd"
    on_policy_mdpo = "on-policy-mdpo"


#: The classes of those whose names are not their methods' in capitals.
CLASSES = {Method.on_policy_mdpo: "OnPolicyMDPO"}


def train(
    env: Annotated[str, typer.Argument(help="A Gymnasium environment, as CartPole-v1.")],
    algorithm: Annotated[Method, typer.Option(help="Method.")] = Method.trpo,
    steps: Annotated[
        int, typer.Option(help="Steps to take, counted over all copies of the environment.")
    ] = 50_000,
    regularizer: Annotated[
        str | None,
        typer.Option(
            help="Regularizer of the policy: shannon, squared-l2, tsallis:q=1.5, log-barrier."
        ),
    ] = None,
    temperature: Annotated[
        float | None,
        typer.Option(help="Temperature of the regularizer, in the unit of the rewards."),
    ] = None,
    discount: Annotated[float, typer.Option(help="Discount.")] = 0.99,
    normalize: Annotated[
        bool,
        typer.Option(
            "--normalize",
            help="Have networks see observations of mean 0 and deviation 1; not with a memory.",
        ),
    ] = False,
    seed: Annotated[int, typer.Option(help="Seed of everything random.")] = 0,
    episodes: Annotated[int, typer.Option(help="Episodes to judge the policy by at the end.")] = 20,
    resume: Annotated[
        Path | None,
        typer.Option(help="A saved learner to go on from; the other options are its own then."),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="Where to save what is learned, every 10,000 steps."),
    ] = None,
    log: Annotated[
        Path | None, typer.Option(help="File for one line of JSON an iteration.")
    ] = None,
    curve: Annotated[
        Path | None, typer.Option(help="SVG file for the returns over the steps.")
    ] = None,
    tensorboard: Annotated[Path | None, typer.Option(help="Folder for TensorBoard.")] = None,
) -> None:
    """Train a network in an environment, and say how well its policy does.

    Exit code: 0, 130 if interrupted (what was learned is saved all the same), 1 on an error.
    """
    from regmdp import deep  # which needs an extra

    out = Console()
    kind = getattr(deep, CLASSES.get(algorithm, algorithm.upper()))
    path = output or Path(f"{env.replace('/', '-')}-{algorithm}.npz")
    for file in (path, log, curve):
        if file is not None and not file.parent.is_dir():
            raise FileNotFoundError(f"cannot write {file}: there is no folder {file.parent}")
    options: dict[str, Any] = {"seed": seed, "discount": discount}
    if (regularizer is None) != (temperature is None):
        raise rm.SolverError(
            "--regularizer and --temperature go together: give both, or neither for the method's "
            "own"
        )
    if regularizer is not None and temperature is not None:
        options["regularizer"] = choices.regularizer(regularizer, temperature)
    if normalize:
        if not issubclass(kind, deep.OnPolicy):
            raise rm.SolverError(
                f"--normalize is for methods without a memory, as trpo and a2c, not for {algorithm}"
            )
        options["normalize"] = True
    learner: Learner = kind.load(resume) if resume else kind(env, **options)
    show_rows(
        out,
        [
            ("environment", env),
            ("method", learner.name),
            ("regularizer", repr(learner.regularizer)),
        ],
    )
    heard: list[tuple[int, float]] = []
    begin = time.perf_counter()
    with ExitStack() as stack:
        line = stack.enter_context(Line(Console(stderr=True)))
        listeners = (
            [] if tensorboard is None else [stack.enter_context(deep.TensorBoard(tensorboard))]
        )
        lines = None if log is None else stack.enter_context(open(log, "a", encoding="utf-8"))

        def hear(progress: Progress) -> None:
            progress = replace(progress, seconds=time.perf_counter() - begin)
            heard.append((progress.steps, progress.mean_return))
            line.show(
                f"{progress.steps:,} steps   {progress.episodes:,} episodes   return "
                f"{progress.mean_return:.6g}   {progress.seconds:.1f} s"
            )
            if lines is not None:
                _write(lines, progress)

        until = learner.steps + steps
        while learner.steps < until and not learner.interrupted:
            learner.learn(min(EVERY, until - learner.steps), callback=[hear, *listeners])
            learner.checkpoint(path)
    returns = learner.evaluate(episodes)
    rows = [
        ("steps", f"{learner.steps:,}"),
        ("greedy", _summary(returns.greedy)),
        ("sampled", _summary(returns.sampled)),
        ("saved", str(path)),
    ]
    if curve is not None:
        _draw(curve, heard)
        rows.append(("curve", str(curve)))
    show_rows(out, rows)
    if learner.interrupted:
        raise typer.Exit(INTERRUPTED)


def _write(lines: IO[str], progress: Progress) -> None:
    mean = None if np.isnan(progress.mean_return) else progress.mean_return
    said = {
        "steps": progress.steps,
        "episodes": progress.episodes,
        "mean_return": mean,
        "seconds": round(progress.seconds, 3),
    }
    lines.write(json.dumps(said | progress.measures) + "\n")
    lines.flush()


def _summary(returns: np.ndarray) -> str:
    return f"return {returns.mean():.6g} ± {returns.std():.3g} over {returns.size} episodes"


def _draw(path: Path, heard: list[tuple[int, float]]) -> None:
    from regmdp import plots  # which needs an extra

    steps, returns = np.array(heard, dtype=np.float64).reshape(-1, 2).T
    with plots.style():
        figure, axes = plots.subplots()
        plots.draw_curve(axes, steps, returns, 0)
        axes.set(xlabel="steps", ylabel="return, mean of the last 100 episodes")
        path.write_text(plots.to_svg(figure), encoding="utf-8")
