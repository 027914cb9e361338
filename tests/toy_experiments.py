"""Small experiments for the tests of running, recording and reporting."""

import csv
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np

from regmdp._internal import kinds
from regmdp.reproduce.base import Check, Experiment, FigureSpec, Number, Result
from regmdp.reproduce.settings import Items, check_fields


@dataclass(frozen=True)
class Settings:
    size: Annotated[int, kinds.Integer(1, 100)] = 5
    scales: Annotated[tuple[float, ...], Items(order="decreasing")] = (1.0, 0.1)
    seed: Annotated[int, kinds.Integer(0)] = 3

    def __post_init__(self) -> None:
        check_fields(self)


@dataclass(frozen=True)
class SettingsWithoutSeed:
    size: int = 5


def draw(x, y):
    from regmdp import plots

    figure, axes = plots.subplots(width=3.0, height=2.0)
    plots.draw_curve(axes, x, y, 0, "curve")
    return figure


def result(settings: Settings, passed: bool = True) -> Result:
    x = np.arange(settings.size)
    y = np.random.default_rng(settings.seed).random(settings.size)
    return Result(
        tables={"curve": {"x": x, "y": y, "kind": np.array(['a, "b"'] * settings.size)}},
        figures={
            "curve": FigureSpec(
                lambda: draw(x, y),
                "A curve with τ_{0} < γ^{2} & more.",
                'A curve "rising" & falling.',
            )
        },
        numbers=(
            Number("size <b>", str(settings.size)),
            Number("sum", f"{y.sum():.3f}", "about 2"),
        ),
        checks=(
            Check("1 < 2", "1", "less than 2", True),
            Check("it <passed>", str(passed), "True", passed),
        ),
    )


def experiment(name: str, run=None, passed: bool = True) -> Experiment:
    """An experiment that draws random numbers, or runs a given function."""
    return Experiment(
        name=name,
        title=f"The <title> of {name}",
        summary=f"What {name} & co show.",
        theory=("A sentence with x_{1} < x_{2}.", "    S^{2^{H}} ≥ 1,   always"),
        sources=("An author, A title, 2020.",),
        full=Settings(),
        quick=Settings(size=3),
        run=run or (lambda settings, progress: result(settings, passed)),
        caveat=f"Beware of {name}.",
    )


def read(path: Path) -> dict[str, list[str]]:
    """The columns of a CSV file."""
    with open(path, encoding="utf-8", newline="") as file:
        header, *rows = csv.reader(file)
    return dict(zip(header, map(list, zip(*rows, strict=True)), strict=True))


class RecordingDisplay:
    """A display that records its calls."""

    def __init__(self):
        self.calls = []

    def start(self, experiment):
        self.calls.append(("started", experiment.name))

    def update(self, fraction, text):
        assert 0.0 <= fraction <= 1.0

    def finish(self, experiment, record, resumed):
        self.calls.append(("resumed" if resumed else "finished", experiment.name))
