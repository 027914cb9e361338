"""The ratios of a run as one chart.

Run it with: python benchmarks/peers/chart.py results.json chart.svg
"""

from __future__ import annotations

import json
import math
import statistics
import sys
from pathlib import Path
from typing import Any

from table import FLOOR, fastest

__all__ = ["chart"]

#: Okabe and Ito's colours, which the colour-blind can tell apart, and markers that do without
#: colours.
STYLES = {
    "c": ("#000000", "|", "C loop"),
    "quantecon": ("#0072B2", "o", "QuantEcon"),
    "pymdptoolbox": ("#E69F00", "s", "pymdptoolbox"),
    "mdpsolver": ("#009E73", "^", "mdpsolver"),
    "mdpax": ("#CC79A7", "D", "mdpax"),
}
#: Inches: 800 pixels wide at 100 to the inch; one row, and what is above and below them all.
WIDTH, ROW, ABOVE, BELOW = 8.0, 0.34, 0.75, 0.7
#: Where a label can stand: its shift from the point, and how it is aligned.
SIDES = {
    "right": ((6, 0), "left", "center"),
    "left": ((-6, 0), "right", "center"),
    "above": ((0, 4.5), "center", "bottom"),
}
#: The least distance of two labels, as a part of the axis' length for each letter.
LETTER = 0.0105


def chart(source: Path, target: Path) -> None:
    """Draw the time of each peer's fastest method over regmdp's, on a logarithmic scale, from the
    JSON that a run wrote.

    A row is a case, a point is a median. Right of 1 regmdp is the faster one. A peer without an
    answer is not drawn: the table says why. The suffix of the target decides on the format.
    """
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    rows = _rows(json.loads(source.read_text())["records"])
    if not rows:
        raise ValueError(f"{source} has no ratio to draw")
    ratios = [1.0, *(ratio for _, points in rows for ratio, _ in points)]
    # room for the labels at the ends
    low, high = min(ratios), max(ratios)
    room = max(1.5, (high / low) ** 0.13)
    low, high = low / room, high * room
    height = ABOVE + ROW * len(rows) + BELOW
    with mpl.rc_context({"svg.hashsalt": "regmdp", "font.size": 9, "font.family": "sans-serif"}):
        figure = plt.figure(figsize=(WIDTH, height), facecolor="white")
        # the names of the cases at 8 points, and the axis beside them
        left = 0.03 + 0.0082 * max(len(label) for label, _ in rows)
        axes = figure.add_axes((left, BELOW / height, 0.97 - left, ROW * len(rows) / height))
        axes.set(xscale="log", xlim=(low, high), ylim=(len(rows) - 0.5, -0.5))
        axes.axvspan(low, 1.0, color="0.96", zorder=0)
        axes.axvline(1.0, color="#D55E00", linewidth=1.5, zorder=1)
        for place, (_, points) in enumerate(rows):
            for ratio, peer in points:
                color, marker, _ = STYLES[peer]
                axes.plot(
                    ratio, place, marker, color=color, markersize=6, markeredgewidth=1.5, zorder=3
                )
            for ratio, peer, side in _labels(points, low, high):
                shift, across, up = SIDES[side]
                text = {
                    "textcoords": "offset points",
                    "ha": across,
                    "va": up,
                    "fontsize": 7,
                    "color": "0.2",
                }
                axes.annotate(STYLES[peer][2], (ratio, place), shift, **text)
        axes.set_yticks(range(len(rows)), [label for label, _ in rows], fontsize=8)
        axes.tick_params(axis="y", length=0)
        axes.grid(axis="y", color="0.92")
        axes.grid(axis="x", color="0.88", linewidth=0.6)
        axes.set_axisbelow(True)
        axes.spines[["top", "right", "left"]].set_visible(False)
        axes.set_xlabel("time over regmdp's, each peer's fastest method, to answers equally right")
        axes.annotate(
            "regmdp = 1",
            (1.0, 1.0),
            (0, 4),
            xycoords=("data", "axes fraction"),
            textcoords="offset points",
            ha="center",
            color="#D55E00",
        )
        handles = [
            plt.Line2D(
                [], [], color=color, marker=marker, linestyle="", markeredgewidth=1.5, label=name
            )
            for peer, (color, marker, name) in STYLES.items()
            if any(peer == other for _, points in rows for _, other in points)
        ]
        figure.legend(
            handles=handles, loc="upper center", ncols=len(handles), frameon=False, fontsize=8
        )
        # without the date, the same results give the same file
        figure.savefig(
            target, dpi=100, metadata={"Date": None} if target.suffix == ".svg" else None
        )
        plt.close(figure)


def _rows(records: list[dict[str, Any]]) -> list[tuple[str, list[tuple[float, str]]]]:
    """Return the label of each case, and the ratio of each peer that has one, in order."""
    rows = []
    for case, regularizer in dict.fromkeys(
        (record["case"], record["regularizer"]) for record in records
    ):
        of = [
            record
            for record in records
            if (record["case"], record["regularizer"]) == (case, regularizer)
        ]
        best = [fastest([record for record in of if record["peer"] == peer]) for peer in STYLES]
        points = sorted(
            (statistics.median(record["ratios"]), record["peer"])
            for record in best
            if record is not None
        )
        if points:
            rows.append(
                (case if regularizer == "none" else f"{case}, {regularizer.split('(')[0]}", points)
            )
    return rows


def _labels(
    points: list[tuple[float, str]], low: float, high: float
) -> list[tuple[float, str, str]]:
    """Return the labels that have room, with the side on which: those that have none are left to
    colour and marker.
    """

    def at(ratio: float) -> float:
        return math.log(ratio / low) / math.log(high / low)

    marks = [at(ratio) for ratio, _ in points] + [at(1.0)]
    beside: list[tuple[float, float]] = []
    above: list[tuple[float, float]] = []
    labels = []
    # the peers first: the floor is told by its marker
    for ratio, peer in sorted(points, key=lambda point: point[1] in FLOOR):
        place, length = at(ratio), LETTER * len(STYLES[peer][2]) + 0.016
        spans = {
            "right": (place, place + length),
            "left": (place - length, place),
            "above": (place - length / 2, place + length / 2),
        }
        for side, (begin, end) in spans.items():
            taken = above if side == "above" else beside
            # a label above crosses the markers of its row as little as those of others
            clear = side == "above" or all(
                mark == place or not begin - 0.008 < mark < end + 0.008 for mark in marks
            )
            if (
                clear
                and begin >= 0
                and end <= 1
                and all(end <= other or begin >= stop for other, stop in taken)
            ):
                taken.append((begin, end))
                labels.append((ratio, peer, side))
                break
    return labels


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    chart(Path(sys.argv[1]), Path(sys.argv[2]))
