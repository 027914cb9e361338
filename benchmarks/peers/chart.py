"""The ratios of a run as one chart.

Run it with: python benchmarks/peers/chart.py results.json chart.svg
"""

from __future__ import annotations

import json
import statistics
import sys
from pathlib import Path
from typing import Any

__all__ = ["chart"]


def chart(source: Path, target: Path) -> None:
    """Draw the time of each method over regmdp's, on a logarithmic scale, from the JSON that a run wrote, as an SVG.

    A row is a case; a point is a median, its line reaches from the least to the greatest. Right of 1 regmdp is the faster one.
    A method without a ratio is not drawn: the table says why.
    """
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    records: list[dict[str, Any]] = json.loads(source.read_text())["records"]
    drawn = [record for record in records if record["ratios"] and not record["note"] and record["peer"] != "regmdp"]
    if not drawn:
        raise ValueError(f"{source} has no ratio to draw")
    rows = list(dict.fromkeys((record["case"], record["regularizer"]) for record in drawn))
    methods = list(dict.fromkeys((record["peer"], record["method"]) for record in drawn))
    place = {row: len(rows) - 1 - index for index, row in enumerate(rows)}
    with mpl.rc_context({"svg.hashsalt": "regmdp", "font.size": 8}):
        figure, axes = plt.subplots(figsize=(9, 1.6 + 0.32 * len(rows)), layout="constrained")
        for index, (peer, method) in enumerate(methods):
            of = [record for record in drawn if (record["peer"], record["method"]) == (peer, method)]
            middle = [statistics.median(record["ratios"]) for record in of]
            below = [value - min(record["ratios"]) for value, record in zip(middle, of, strict=True)]
            above = [max(record["ratios"]) - value for value, record in zip(middle, of, strict=True)]
            shift = 0.6 * (index / max(1, len(methods) - 1) - 0.5)
            height = [place[record["case"], record["regularizer"]] - shift for record in of]
            # more methods than colours: the marker tells the ones of the same colour apart
            style = {"color": f"C{index % 10}", "marker": "osD^v"[index // 2 % 5]}
            axes.errorbar(middle, height, xerr=(below, above), linestyle="", markersize=4, label=f"{peer}, {method}", **style)
        axes.axvline(1.0, color="0.4", linewidth=0.8)
        axes.set_xscale("log")
        axes.set_yticks([place[row] for row in rows], [case if soft == "none" else f"{case}, {soft}" for case, soft in rows])
        axes.set_xlabel("time over regmdp's, to answers equally right (right of 1: regmdp is faster)")
        axes.grid(axis="x", color="0.9")
        axes.set_axisbelow(True)
        figure.legend(loc="outside upper center", ncols=3, frameon=False)
        # without the date, the same results give the same file
        figure.savefig(target, format="svg", metadata={"Date": None})
        plt.close(figure)


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    chart(Path(sys.argv[1]), Path(sys.argv[2]))
