"""The results as a Markdown page."""

from __future__ import annotations

import math
import re
import statistics
from typing import Any

from race import TARGET, spread

__all__ = ["FLOOR", "fastest", "page"]


def page(run: dict[str, Any]) -> str:
    """Return the machine, the versions and the tables of a run."""
    machine = run["machine"]
    lines = [
        "# regmdp and its peers",
        "",
        (
            f"- {run['date']}, on {machine['processor']}, {machine['cores']} cores, "
            f"{machine['system']}"
        ),
        f"- threads allowed to each: {run['threads']}; load average at the start "
        f"{machine['load']['start']}, at the end {machine['load']['end']}",
    ]
    lines += [
        f"- {name}: {', '.join(f'{package} {number}' for package, number in of.items())}"
        for name, of in versions(run)
    ]
    lines += [f"- {name} is left out: {why}" for name, why in run["absent"].items()]
    if run["records"]:
        lines[1:1] = ["", *headline(run["records"])]
        lines += ["", *_solutions(run["records"])]
        lines += ["", *_summary(run["records"])]
    if run["sweeps"]:
        lines += ["", *_sweeps(run["sweeps"])]
    return "\n".join(lines) + "\n"


#: Milliseconds below which a ratio to another choice says little.
LEAST_TIME = 10.0


def headline(records: list[dict[str, Any]]) -> list[str]:
    """Return the worst case and the geometric mean of our default, in two sentences."""
    lines = []
    for who, against in (
        ("the best fixed choice of regmdp", lambda record: record["peer"] == "regmdp"),
        (
            f"the best peer, from {SMALL:,} states",
            lambda record: record["peer"] not in ("regmdp", *FLOOR) and record["states"] >= SMALL,
        ),
    ):
        ratios = []
        for (case, kind), of in _grouped(records).items():
            ours = next(record for record in of if record["method"] == "auto")
            if ours["note"] or not ours["seconds"]:
                continue
            others = [one for one in of if one is not ours and against(one)]
            best = fastest(others)
            if best is not None and 1e3 * statistics.median(ours["seconds"]) >= LEAST_TIME:
                ratios.append((1.0 / _ratio(best), case, kind, best["method"]))
        if ratios:
            mean = math.exp(statistics.fmean(math.log(ratio) for ratio, *_ in ratios))
            worst = max(ratios)
            lines.append(
                f"- time of auto over that of {who}: worst {worst[0]:.3g} ({worst[1]}, {worst[2]}, "
                f"{worst[3]}), geometric mean {mean:.3g}, {len(ratios)} cases above "
                f"{LEAST_TIME:g} ms"
            )
    return lines


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
    head = (
        "case",
        "regularizer",
        "peer, method",
        "time, ms",
        "time over regmdp's",
        "true error",
        "tolerance",
        "peak, MiB",
    )
    explanation = (
        "Medians, with the least and the greatest. Everybody's largest true error is at most "
        f"{TARGET:g}·max(1, |V*|), the unit in which it is shown, where |V*| is the largest over "
        "the states; the tolerance is the loosest found with which that is so, except regmdp's, "
        "which is certified within the time. Conversion to a peer's own format is not timed. The "
        "peak is that of the process, with the interpreter and the model in the peer's format."
    )
    return ["## Solutions", "", explanation, "", *_markdown(head, rows)]


#: What is no peer but the floor: loops and products that do not do more than they must.
FLOOR = ("c", "scipy")
#: States below which what counts is the overhead in milliseconds, not the ratio.
SMALL = 10**4
#: The names of value iteration, in small letters and without anything but letters.
ITERATION = "valueiteration"


def _summary(records: list[dict[str, Any]]) -> list[str]:
    """Compare with the best method of any peer, case by case, and where episodes are long with
    every value iteration.
    """
    rows: list[tuple[str, ...]] = []
    ratios, slower, overheads, alone, long = [], [], [], 0, []
    for (case, regularizer), of in _grouped(records).items():
        ours = next(record for record in of if record["method"] == "auto")
        if ours["note"] or not ours["seconds"]:
            rows.append((case, regularizer, ours["note"] or "not measured", "", "", ""))
            continue
        mine = statistics.median(ours["seconds"])
        if case.startswith("queue") or (case.startswith("maze") and ours["discount"] == 0.999):
            long.append((case, regularizer, of, mine))
        best = fastest([record for record in of if record["peer"] not in ("regmdp", *FLOOR)])
        if best is not None:
            ratio = _ratio(best)
            ratios.append(ratio)
            words, more = f"{best['peer']}, {best['method']}", ""
            if ours["states"] < SMALL:
                overheads.append(1e3 * (mine - statistics.median(best["seconds"])))
                more = f"{overheads[-1]:+.3g}"
            elif ratio < 1.0:
                slower.append(f"{case} ({ratio:.3g})")
            rows.append((case, regularizer, f"{1e3 * mine:.3g}", words, f"{ratio:.3g}", more))
            continue
        if regularizer == "none":
            alone += 1
            words, over = "no peer has an answer", ""
        else:
            floor = [record for record in of if record["peer"] == "c"]
            words, over = (
                "no peer has it; the loop in C",
                _iterated(floor, mine) if floor else "did not take part",
            )
        rows.append((case, regularizer, f"{1e3 * mine:.3g}", words, over, ""))
    head = (
        "case",
        "regularizer",
        "regmdp, ms",
        "best peer",
        "its time over regmdp's",
        "overhead, ms",
    )
    explanation = (
        "Medians. The best peer is the fastest method of any, the loop in C left aside. The "
        "overhead is the time that regmdp takes beyond that of the best peer, shown below "
        f"{SMALL:,} states. With ≥ there was no answer within the limit."
    )
    lines = ["## Summary", "", explanation, "", *_markdown(head, rows), ""]
    if ratios:
        mean = math.exp(statistics.fmean(math.log(ratio) for ratio in ratios))
        lines.append(
            f"- the best peer's time over regmdp's, geometric mean of {len(ratios)} cases: "
            f"{mean:.3g}"
        )
        lines.append(f"- cases in which no peer has an answer, left out of the mean: {alone}")
        lines.append(
            f"- cases from {SMALL:,} states up in which a peer is faster: "
            f"{', '.join(slower) or 'none'}"
        )
    if overheads:
        lines.append(f"- largest overhead below {SMALL:,} states: {max(overheads):.3g} ms")
    if long:
        peers = [
            peer
            for peer in dict.fromkeys(record["peer"] for _, _, of, _ in long for record in of)
            if peer != "regmdp"
        ]
        table = [
            (case, kind, *(_iterated(_of(of, peer), mine) for peer in peers))
            for case, kind, of, mine in long
        ]
        lines += ["", "Time of value iteration over regmdp's, where episodes are long:", ""]
        lines += _markdown(("case", "regularizer", *peers), table)
    return lines


def _grouped(records: list[dict[str, Any]]) -> dict[tuple[str, str], list[dict[str, Any]]]:
    groups: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for record in records:
        groups.setdefault((record["case"], record["regularizer"]), []).append(record)
    return groups


def _of(records: list[dict[str, Any]], peer: str) -> list[dict[str, Any]]:
    return [record for record in records if record["peer"] == peer]


def fastest(records: list[dict[str, Any]]) -> dict[str, Any] | None:
    """Return the record with the least ratio to regmdp, if any has one."""
    return min(
        (record for record in records if record["ratios"] and not record["note"]),
        key=_ratio,
        default=None,
    )


def _ratio(record: dict[str, Any]) -> float:
    return statistics.median(record["ratios"])


def _iterated(records: list[dict[str, Any]], ours: float) -> str:
    """Say how much longer the best of a peer's value iterations took, or at least took before it
    was stopped.
    """
    tried = [
        record
        for record in records
        if re.sub("[^a-z]", "", record["method"].lower()).startswith(ITERATION)
    ]
    best = fastest(tried)
    if best is not None:
        return f"{_ratio(best):.3g}"
    limits = [re.search(r"> ([\d.e+]+) s", record["note"]) for record in tried]
    if limits and all(limits):
        return f"≥ {min(float(limit[1]) for limit in limits if limit) / ours:.3g}"
    return "; ".join(dict.fromkeys(record["note"] for record in tried))


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
    head = (
        "case",
        "regularizer",
        "threads",
        "our backup, ms",
        "over the loop in C",
        "over P @ V alone",
    )
    return [
        "## One sweep",
        "",
        "Medians, with the least and the greatest.",
        "",
        *_markdown(head, rows),
    ]


def _markdown(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> list[str]:
    def line(cells: tuple[str, ...]) -> str:
        return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"

    return [line(head), line(("---",) * len(head)), *map(line, rows)]
