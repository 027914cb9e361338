"""Networks, trips and demand from CSV files.

What is wrong in one is reported with its row, the line of names being row 1.
"""

from __future__ import annotations

import csv
import math
from os import PathLike
from pathlib import Path
from typing import NamedTuple

import numpy as np

from regmdp._internal.errors import FormatError, ModelError
from regmdp._internal.files import require_file
from regmdp.applications.routes.network import RoadNetwork
from regmdp.applications.routes.trips import Demand, Trips

__all__ = ["RouteData", "read_demand", "read_folder", "read_network", "read_trips"]


class RouteData(NamedTuple):
    """What a folder holds: a network, the trips observed in it, and the demand."""

    network: RoadNetwork
    trips: Trips
    demand: Demand


def read_folder(folder: str | PathLike[str], trips: str = "data_G0.csv") -> RouteData:
    """Read link.csv, node.csv, od.csv and a file of trips from a folder.

    Args:
        folder: Where they lie.
        trips: Name of the file of trips.

    Raises:
        FormatError: if a file is wrong; it says which, and the row.
    """
    folder = Path(folder)
    network = read_network(folder / "link.csv", folder / "node.csv")
    return RouteData(
        network, read_trips(folder / trips, network), read_demand(folder / "od.csv", network)
    )


def read_network(links: str | PathLike[str], nodes: str | PathLike[str]) -> RoadNetwork:
    """Read links (columns fid, O, D, length; any others become attributes) and nodes (fid, x, y)."""
    names, places = [], []
    number: dict[str, int] = {}
    for where, row in _rows(nodes, ("fid", "x", "y")):
        if row["fid"] in number:
            raise FormatError(f"{where}: node {row['fid']} is there twice")
        number[row["fid"]] = len(names)
        names.append(row["fid"])
        places.append((_number(where, row, "x"), _number(where, row, "y")))
    seen, start, end = [], [], []
    known: set[str] = set()
    attributes: dict[str, list[float]] = {}
    for where, row in _rows(links, ("fid", "O", "D", "length")):
        if row["fid"] in known:
            raise FormatError(f"{where}: link {row['fid']} is there twice")
        known.add(row["fid"])
        seen.append(row["fid"])
        start.append(_find(where, "node", row["O"], number))
        end.append(_find(where, "node", row["D"], number))
        for name in row.keys() - {"fid", "O", "D"}:
            attributes.setdefault(name, []).append(_number(where, row, name))
        if attributes["length"][-1] < 0:
            raise FormatError(f"{where}: link {row['fid']} has the negative length {row['length']}")
    if not seen or not names:
        raise FormatError(
            f"{links if names else nodes}: there is no row below the names of the columns"
        )
    return RoadNetwork(
        start,
        end,
        dict(sorted(attributes.items())),
        coordinates=places,
        node_names=names,
        link_names=seen,
    )


def read_trips(file: str | PathLike[str], network: RoadNetwork) -> Trips:
    """Read trips (columns trip_id, link_id): the rows of a trip follow each other, its links in the order of travel."""
    number = {name: index for index, name in enumerate(network.link_names)}
    links: list[int] = []
    offsets: list[int] = []
    trips: dict[str, None] = {}
    last = None
    for where, row in _rows(file, ("trip_id", "link_id")):
        if not row["link_id"]:
            raise FormatError(f"{where}: trip {row['trip_id']} is empty: there is no link_id")
        link = _find(where, "link", row["link_id"], number)
        if row["trip_id"] != last:
            if row["trip_id"] in trips:
                raise FormatError(
                    f"{where}: trip {row['trip_id']} goes on after another; the rows of a trip "
                    "must follow each other"
                )
            trips[row["trip_id"]] = None
            offsets.append(len(links))
            last = row["trip_id"]
        elif network.end[links[-1]] != network.start[link]:
            raise FormatError(
                f"{where}: trip {last} has a gap: {network.describe(links[-1])} does not end where "
                f"{network.describe(link)} begins"
            )
        links.append(link)
    if not links:
        raise FormatError(f"{file}: there is no trip")
    return Trips(network, np.array(links), np.array([*offsets, len(links)]), list(trips))


def read_demand(file: str | PathLike[str], network: RoadNetwork) -> Demand:
    """Read demand (columns origin, destination, flow); rows without flow are left out."""
    number = {name: index for index, name in enumerate(network.node_names)}
    entries = []
    for where, row in _rows(file, ("origin", "destination", "flow")):
        ends = [_find(where, "node", row[name], number) for name in ("origin", "destination")]
        flow = _number(where, row, "flow")
        if flow != 0:
            try:
                Demand(network, [ends[0]], [ends[1]], [flow])
            except ModelError as error:
                raise FormatError(
                    f"{where}: from node {row['origin']} to node {row['destination']}: {error}"
                ) from None
            entries.append((*ends, flow))
    if not entries:
        raise FormatError(f"{file}: there is no flow")
    origin, destination, flows = zip(*entries, strict=True)
    return Demand(network, list(origin), list(destination), list(flows))


def _rows(file: str | PathLike[str], needed: tuple[str, ...]) -> list[tuple[str, dict[str, str]]]:
    """Return the place and the fields of each row."""
    with open(require_file(file), newline="", encoding="utf-8-sig") as text:
        reader = csv.DictReader(text)
        missing = [name for name in needed if name not in (reader.fieldnames or ())]
        if missing:
            raise FormatError(
                f"{file}, row 1: the column {missing[0]} is missing; there must be "
                f"{', '.join(needed)}"
            )
        found = []
        for row in reader:
            where = f"{file}, row {reader.line_num}"
            if None in row or None in row.values():
                raise FormatError(f"{where}: it has not as many fields as row 1")
            found.append((where, {name: field.strip() for name, field in row.items()}))
    return found


def _number(where: str, row: dict[str, str], name: str) -> float:
    try:
        value = float(row[name])
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise FormatError(f"{where}: {name} is {row[name]!r}, which is no finite number")
    return value


def _find(where: str, kind: str, name: str, number: dict[str, int]) -> int:
    if name not in number:
        raise FormatError(f"{where}: {kind} {name!r} does not exist")
    return number[name]
