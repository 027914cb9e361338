"""The results of a run as a Markdown page."""

from __future__ import annotations

import datetime
import math
import os
import platform
import statistics
from importlib.metadata import version
from pathlib import Path
from typing import Any

__all__ = ["page"]

EXPLANATION = """\
Medians of {repetitions}, with the least and the greatest, in milliseconds of the processor. The
time of regmdp includes its certificate; the model is in memory on both sides, and the graph is
analysed within the time on both. Storm is the fastest of its methods that bound their error: sound,
optimistic, interval and topological value iteration. "relative" is a precision of 1e-8 of the value
of each state, "absolute" one of 1e-8 of the largest value, which is what regmdp certifies. The
ratio is the time of regmdp over that of Storm: below 1 regmdp is faster. With ≤ every method of
Storm was stopped at the limit; then the time of the first to be stopped counts."""


def page(records: list[dict[str, Any]], repetitions: int) -> str:
    """Return the machine, the versions, the summary and the tables."""
    records = sorted(records, key=lambda record: -_ratio(record, "relative"))
    lines = ["# regmdp and Storm on undiscounted models", "", *_machine(), ""]
    lines += [*_summary(records), "", EXPLANATION.format(repetitions=repetitions)]
    lines += ["", "## Queries, the worst ratio first", "", *_queries(records)]
    lines += ["", "## Methods of Storm", "", *_methods(records)]
    return "\n".join(lines) + "\n"


def _machine() -> list[str]:
    processor = platform.machine()
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            processor = line.split(":", 1)[1].strip()
            break
    date = datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d %H:%M UTC")
    packages = ", ".join(
        f"{name} {version(name)}" for name in ("regmdp", "stormpy", "numpy", "scipy")
    )
    return [
        f"- {date}, on {processor}, {os.cpu_count()} cores, {platform.system()}, Python "
        f"{platform.python_version()}; load average at the end {os.getloadavg()[0]:.2f}",
        f"- {packages}; one thread each",
    ]


def _summary(records: list[dict[str, Any]]) -> list[str]:
    lines = []
    for criterion in ("relative", "absolute"):
        ratios = [_ratio(record, criterion) for record in records]
        faster = sum(ratio <= 1.0 for ratio in ratios)
        mean = math.exp(statistics.fmean(map(math.log, ratios)))
        lines.append(
            f"- {criterion}: worst ratio {max(ratios):.3g}, geometric mean {mean:.3g}, regmdp at "
            f"most Storm's time in {faster} of {len(ratios)} queries"
        )
        large = [r for record, r in zip(records, ratios, strict=True) if _large(record)]
        if large:
            mean = math.exp(statistics.fmean(map(math.log, large)))
            lines.append(
                f"- {criterion}, from 10⁵ transitions: worst ratio {max(large):.3g}, geometric "
                f"mean {mean:.3g}, at most Storm's time in {sum(r <= 1.0 for r in large)} of "
                f"{len(large)}"
            )
    unmet = [_name(record) for record in records if record["status"] != "converged"]
    apart = [f"{_name(r)} ({', '.join(r['disagree'])})" for r in records if r["disagree"]]
    lines.append(f"- queries that regmdp did not certify to 1e-8: {', '.join(unmet) or 'none'}")
    lines.append(f"- intervals of the two that do not meet: {', '.join(apart) or 'none'}")
    return lines


def _queries(records: list[dict[str, Any]]) -> list[str]:
    head = ("query", "states", "transitions", "value", "regmdp, ms", "gap", "Storm, relative, ms")
    rows = [
        (
            _name(record),
            f"{record['states']:,}",
            f"{record['transitions']:,}",
            f"{record['value']:.9g}",
            _spread(record["seconds"]["regmdp"]),
            f"{record['gap'] / (record['size'] or 1.0):.1e}",
            _best(record, "relative"),
            _shown(record, "relative"),
            _best(record, "absolute"),
            _shown(record, "absolute"),
        )
        for record in records
    ]
    return _markdown((*head, "ratio", "Storm, absolute, ms", "ratio"), rows)


def _methods(records: list[dict[str, Any]]) -> list[str]:
    keys = [key for key in records[0]["seconds"] if key != "regmdp"] if records else []
    rows = [
        (
            _name(record),
            *(
                ("> " if key in record["unfinished"] else "")
                + f"{1e3 * statistics.median(record['seconds'][key]):.3g}"
                for key in keys
            ),
        )
        for record in records
    ]
    return _markdown(("query, ms", *keys), rows)


def _name(record: dict[str, Any]) -> str:
    return f"{record['case']} {record['query']}"


def _large(record: dict[str, Any]) -> bool:
    return record["transitions"] >= 10**5


def _fastest(record: dict[str, Any], criterion: str) -> tuple[str, bool]:
    """Return the fastest method, of those that finished if any did, and whether it was stopped."""
    of = [key for key in record["seconds"] if key.endswith(criterion)]
    finished = [key for key in of if key not in record["unfinished"]]
    key = min(finished or of, key=lambda key: statistics.median(record["seconds"][key]))
    return key, not finished


def _ratio(record: dict[str, Any], criterion: str) -> float:
    fastest, _ = _fastest(record, criterion)
    ours, theirs = (statistics.median(record["seconds"][key]) for key in ("regmdp", fastest))
    return ours / theirs


def _shown(record: dict[str, Any], criterion: str) -> str:
    _, stopped = _fastest(record, criterion)
    return ("≤ " if stopped else "") + f"{_ratio(record, criterion):.3g}"


def _best(record: dict[str, Any], criterion: str) -> str:
    fastest, stopped = _fastest(record, criterion)
    if stopped:
        return f"> {1e3 * record['seconds'][fastest][0]:.3g}"
    return f"{_spread(record['seconds'][fastest])}, {fastest.split(',')[0]}"


def _spread(seconds: list[float]) -> str:
    middle, least, most = (1e3 * f(seconds) for f in (statistics.median, min, max))
    return f"{middle:.3g} ({least:.3g} to {most:.3g})"


def _markdown(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> list[str]:
    return ["| " + " | ".join(cells) + " |" for cells in (head, ("---",) * len(head), *rows)]
