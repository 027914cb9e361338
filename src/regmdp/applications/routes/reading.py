"""Networks, trips and demand from CSV files.

Errors name the row; the line of column names is row 1.
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
from regmdp._internal.parameters import FileName, Instance, Text, checked
from regmdp.applications.routes.network import RoadNetwork
from regmdp.applications.routes.trips import Demand, Trips

__all__ = ["RouteData", "read_demand", "read_folder", "read_network", "read_trips"]


class RouteData(NamedTuple):
    """The contents of a folder: a network, the trips observed in it, and the demand."""

    network: RoadNetwork
    trips: Trips
    demand: Demand


@checked(FormatError, folder=FileName(), trips=Text())
def read_folder(folder: str | PathLike[str], trips: str = "data_G0.csv") -> RouteData:
    """Read link.csv, node.csv, od.csv and a file of trips from a folder.

    Args:
        folder: The folder.
        trips: Name of the file of trips.

    Raises:
        FormatError: if a file is wrong, with its name and the row.
    """
    folder = Path(folder)
    network = read_network(folder / "link.csv", folder / "node.csv")
    return RouteData(
        network, read_trips(folder / trips, network), read_demand(folder / "od.csv", network)
    )


@checked(FormatError, links=FileName(), nodes=FileName())
def read_network(links: str | PathLike[str], nodes: str | PathLike[str]) -> RoadNetwork:
    """Read a network.

    Args:
        links: A CSV file with the columns fid, O, D and length; others become attributes.
        nodes: A CSV file with the columns fid, x and y.

    Raises:
        FormatError: if a file is wrong, with its name and the row.
    """
    number: dict[str, int] = {}
    places: list[tuple[float, float]] = []
    for where, row in _read_rows(nodes, ("fid", "x", "y")):
        _add_name(where, "node", row["fid"], number)
        places.append((_parse_number(where, row, "x"), _parse_number(where, row, "y")))
    start, end = [], []
    link_number: dict[str, int] = {}
    attributes: dict[str, list[float]] = {}
    for where, row in _read_rows(links, ("fid", "O", "D", "length")):
        _add_name(where, "link", row["fid"], link_number)
        start.append(_look_up(where, "node", row["O"], number))
        end.append(_look_up(where, "node", row["D"], number))
        for name in row.keys() - {"fid", "O", "D"}:
            attributes.setdefault(name, []).append(_parse_number(where, row, name))
        if attributes["length"][-1] < 0:
            raise FormatError(f"{where}: link {row['fid']} has the negative length {row['length']}")
    for file, rows in ((nodes, number), (links, link_number)):
        if not rows:
            raise FormatError(f"{file}: there is no row below the names of the columns")
    return RoadNetwork(
        start,
        end,
        dict(sorted(attributes.items())),
        coordinates=places,
        node_names=list(number),
        link_names=list(link_number),
    )


@checked(FormatError, file=FileName(), network=Instance(RoadNetwork))
def read_trips(file: str | PathLike[str], network: RoadNetwork) -> Trips:
    """Read trips.

    Args:
        file: A CSV file with the columns trip_id and link_id; the rows of a trip are consecutive,
            its links in the order of travel.
        network: The network.

    Raises:
        FormatError: if the file is wrong, with the row.
    """
    number = {name: index for index, name in enumerate(network.link_names)}
    links: list[int] = []
    offsets: list[int] = []
    trips: dict[str, None] = {}
    last = None
    for where, row in _read_rows(file, ("trip_id", "link_id")):
        if not row["link_id"]:
            raise FormatError(f"{where}: trip {row['trip_id']} is empty: there is no link_id")
        link = _look_up(where, "link", row["link_id"], number)
        if row["trip_id"] != last:
            if row["trip_id"] in trips:
                raise FormatError(
                    f"{where}: trip {row['trip_id']} continues after another; the rows of a trip "
                    "must be consecutive"
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


@checked(FormatError, file=FileName(), network=Instance(RoadNetwork))
def read_demand(file: str | PathLike[str], network: RoadNetwork) -> Demand:
    """Read demand.

    Args:
        file: A CSV file with the columns origin, destination and flow; rows with flow 0 are
            skipped.
        network: The network.

    Raises:
        FormatError: if the file is wrong, with the row.
    """
    number = {name: index for index, name in enumerate(network.node_names)}
    entries = []
    for where, row in _read_rows(file, ("origin", "destination", "flow")):
        ends = [_look_up(where, "node", row[name], number) for name in ("origin", "destination")]
        flow = _parse_number(where, row, "flow")
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


def _read_rows(
    file: str | PathLike[str], needed: tuple[str, ...]
) -> list[tuple[str, dict[str, str]]]:
    """Return where each row is, and its fields."""
    with open(require_file(file), newline="", encoding="utf-8-sig") as text:
        try:
            return _read_csv(file, csv.DictReader(text, strict=True), needed)
        except (csv.Error, UnicodeDecodeError) as error:
            raise FormatError(f"{file}: this is no CSV file in UTF-8: {error}") from None


def _read_csv(
    file: str | PathLike[str], reader: csv.DictReader[str], needed: tuple[str, ...]
) -> list[tuple[str, dict[str, str]]]:
    """Return the rows of an open file: see :func:`_read_rows`."""
    names = list(reader.fieldnames or ())
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise FormatError(f"{file}, row 1: the column {twice[0]!r} is there twice")
    missing = [name for name in needed if name not in names]
    if missing:
        raise FormatError(
            f"{file}, row 1: the column {missing[0]} is missing; there must be {', '.join(needed)}"
        )
    found = []
    for row in reader:
        where = f"{file}, row {reader.line_num}"
        if None in row or None in row.values():
            raise FormatError(f"{where}: it has another number of fields than row 1")
        found.append((where, {name: field.strip() for name, field in row.items()}))
    return found


def _parse_number(where: str, row: dict[str, str], name: str) -> float:
    try:
        value = float(row[name])
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise FormatError(f"{where}: {name} is {row[name]!r}, which is not a finite number")
    return value


def _look_up(where: str, kind: str, name: str, number: dict[str, int]) -> int:
    if name not in number:
        raise FormatError(f"{where}: {kind} {name!r} does not exist")
    return number[name]


def _add_name(where: str, kind: str, name: str, number: dict[str, int]) -> None:
    """Give the next number to a name, which must be new."""
    if name in number:
        raise FormatError(f"{where}: {kind} {name} is there twice")
    number[name] = len(number)
