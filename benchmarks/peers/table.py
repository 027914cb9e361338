"""The results as a Markdown page."""

from __future__ import annotations

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
