"""The results as a Markdown page."""

from __future__ import annotations

import math
import re
import statistics
from typing import Any

from race import TARGET, spread

__all__ = ["page"]


def page(run: dict[str, Any]) -> str:
    """Return the machine, the versions and the tables of a run."""
    machine = run["machine"]
    lines = [
        "# regmdp and its peers",
        "",
        f"- {run['date']}, on {machine['processor']}, {machine['cores']} cores, {machine['system']}",
        f"- threads allowed to each: {run['threads']}; load average at the start {machine['load']['start']}, "
        f"at the end {machine['load']['end']}",
    ]
    lines += [f"- {name}: {', '.join(f'{package} {number}' for package, number in of.items())}" for name, of in versions(run)]
    lines += [f"- {name} is left out: {why}" for name, why in run["absent"].items()]
    if run["records"]:
        lines += ["", *_solutions(run["records"])]
        lines += ["", *_summary(run["records"])]
    if run["sweeps"]:
        lines += ["", *_sweeps(run["sweeps"])]
    return "\n".join(lines) + "\n"


def versions(run: dict[str, Any]) -> list[tuple[str, dict[str, str]]]:
    """Return the versions that each peer ran with."""
    found = {record["peer"]: record["versions"] for record in run["records"] if record["versions"]}
    return sorted(found.items())


def _solutions(records: list[dict[str, Any]]) -> list[str]:
    rows = []
    for record in records:
        done = not record["note"] and record["seconds"]
        rows.append(
            (
                record["case"],
                record["regularizer"],
                f"{record['peer']}, {record['method']}",
                spread([1e3 * seconds for seconds in record["seconds"]]) if done else "",
                (spread(record["ratios"]) if record["ratios"] else "") if done else record["note"],
                "" if record["error"] is None else f"{record['error']:.1e}",
                "" if record["tolerance"] is None else f"{record['tolerance']:.1e}",
                "" if record["peak"] is None else f"{record['peak'] / 2**20:.0f}",
            )
        )
    head = ("case", "regularizer", "peer, method", "time, ms", "time over regmdp's", "true error", "tolerance", "peak, MiB")
    explanation = (
        f"Medians, with the least and the greatest. Everybody's largest true error is at most {TARGET:g}·max(1, |V*|), the unit in "
        "which it is shown; the tolerance is the loosest found with which that is so, except regmdp's, which is certified within "
        "the time. Conversion to a peer's own format is not timed. The peak is that of the process, model and interpreter included."
    )
    return ["## Solutions", "", explanation, "", *_markdown(head, rows)]


#: What is no peer but the floor: a loop in C that does not do more than it must.
FLOOR = ("c", "scipy")
#: States below which what counts is the overhead in milliseconds, not the ratio.
SMALL = 10**4


def _summary(records: list[dict[str, Any]]) -> list[str]:
    """Compare with the best method of any peer, case by case, and with value iteration."""
    rows, ratios, slower, overheads = [], [], [], []
    for case, regularizer in dict.fromkeys((record["case"], record["regularizer"]) for record in records):
        of = [record for record in records if (record["case"], record["regularizer"]) == (case, regularizer)]
        ours = next(record for record in of if record["peer"] == "regmdp")
        if ours["note"] or not ours["seconds"]:
            rows.append((case, regularizer, ours["note"] or "not measured", "", "", ""))
            continue
        mine = statistics.median(ours["seconds"])
        best = min(
            (record for record in of if record["ratios"] and record["peer"] not in ("regmdp", *FLOOR)), key=_ratio, default=None
        )
        if best is not None:
            ratios.append(_ratio(best))
            overhead = 1e3 * (mine - statistics.median(best["seconds"]))
            if ours["states"] >= SMALL and _ratio(best) < 1.0:
                slower.append(f"{case} ({_ratio(best):.2g})")
            if ours["states"] < SMALL:
                overheads.append(overhead)
        iteration = [_iterated(record, mine) for record in of if record["method"].replace("_", " ").lower() in VALUE_ITERATION]
        rows.append(
            (
                case,
                regularizer,
                f"{1e3 * mine:.3g}",
                "nobody else has it" if best is None else f"{best['peer']}, {best['method']}",
                "" if best is None else f"{_ratio(best):.3g}",
                "; ".join(iteration),
            )
        )
    head = ("case", "regularizer", "regmdp, ms", "best peer", "its time over ours", "value iterations over ours")
    lines = ["## Summary", "", *_markdown(head, rows)]
    if ratios:
        mean = math.exp(statistics.fmean(math.log(ratio) for ratio in ratios))
        lines += ["", f"- best peer over regmdp, geometric mean of {len(ratios)} cases: {mean:.3g}"]
        lines += [f"- from {SMALL:,} states up a peer is faster in: {', '.join(slower) or 'none'}"]
    if overheads:
        lines += [f"- below {SMALL:,} states, the most that regmdp takes longer than the best peer: {max(overheads):.3g} ms"]
    return lines


VALUE_ITERATION = ("value iteration", "valueiteration")


def _ratio(record: dict[str, Any]) -> float:
    return statistics.median(record["ratios"])


def _iterated(record: dict[str, Any], ours: float) -> str:
    """Say how much longer a value iteration took, or at least took before it was stopped."""
    if record["ratios"] and not record["note"]:
        return f"{record['peer']} {_ratio(record):.3g}"
    limit = re.search(r"> ([\d.]+) s", record["note"])
    return f"{record['peer']} > {float(limit[1]) / ours:.3g}" if limit else f"{record['peer']}: {record['note']}"


def _sweeps(sweeps: list[dict[str, Any]]) -> list[str]:
    rows = [
        (
            sweep["case"],
            sweep["kind"],
            str(sweep["threads"]),
            spread([1e3 * seconds for seconds in sweep["seconds"]]) if sweep["seconds"] else "",
            spread(sweep["over_c"]) if sweep["over_c"] else sweep["note"],
            spread(sweep["over_product"]) if sweep["over_product"] else sweep["note"],
        )
        for sweep in sweeps
    ]
    head = ("case", "regularizer", "threads", "our backup, ms", "over the loop in C", "over P @ V alone")
    return ["## One sweep", "", "Medians, with the least and the greatest.", "", *_markdown(head, rows)]


def _markdown(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> list[str]:
    def line(cells: tuple[str, ...]) -> str:
        return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"

    return [line(head), line(("---",) * len(head)), *map(line, rows)]
