"""Observed routes, and travel demand between nodes."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

import numpy as np
import scipy.sparse as sp

from regmdp._internal.array_checks import check_array
from regmdp._internal.arrays import ArrayLike, Int, freeze
from regmdp._internal.checks import LARGE_ROOT
from regmdp._internal.errors import ModelError, SampleError
from regmdp._internal.fields import ReadOnlyCopies
from regmdp._internal.parameters import ArrayOf, Instance, checked
from regmdp.applications.routes.network import NAMES, RoadNetwork
from regmdp.applications.routes.pairs import concatenate_ranges

__all__ = ["Demand", "Trips"]


class Trips(ReadOnlyCopies):
    """Observed routes: each a list of links, every link beginning where the one before ends.

    Attributes:
        network: The network.
        links: (T,) the links of all trips, one trip after the other.
        offsets: (n + 1,) trip i is links[offsets[i]:offsets[i + 1]].
        names: n names.

    Examples:
        >>> from regmdp.applications import routes
        >>> network = routes.RoadNetwork(start=[0, 1, 0], end=[1, 2, 2])
        >>> trips = routes.Trips.from_sequences(network, [[0, 1], [2]])
        >>> trips
        Trips(2 trips, 3 links travelled, 1 pairs of origin and destination)
        >>> trips.origin, trips.destination
        (array([0, 0]), array([2, 2]))
        >>> routes.Trips.from_sequences(network, [[0, 2]])
        Traceback (most recent call last):
            ...
        regmdp.SampleError: trip 0, step 2: link 0 (0 → 1) ends at node 1, but link 2 ... at node 0
    """

    @checked(
        SampleError,
        network=Instance(RoadNetwork),
        links=ArrayOf("T", "integer", empty=True),
        offsets=ArrayOf("n", "integer", empty=True),
        names=NAMES | None,
    )
    def __init__(
        self,
        network: RoadNetwork,
        links: Int[np.ndarray, " T"],
        offsets: Int[np.ndarray, " n1"],
        names: Sequence[object] | None = None,
    ) -> None:
        """Check trips that are stored one after the other.

        Raises:
            SampleError: if there is no trip, one is empty, or its links do not exist or are not
                connected.
        """
        self.network = network
        self.links, self.offsets = freeze(np.array(links)), freeze(np.array(offsets))
        numbers = range(self.offsets.size - 1)
        self.names = tuple(str(name) for name in (numbers if names is None else names))
        self._check_offsets()
        self._check_links()

    @classmethod
    def from_sequences(
        cls,
        network: RoadNetwork,
        sequences: Sequence[ArrayLike],
        names: Sequence[object] | None = None,
    ) -> Trips:
        """Build trips from lists of link numbers, one list a trip.

        Args:
            network: The network.
            sequences: n lists of links.
            names: n names; by default the numbers.
        """
        if not isinstance(sequences, Sequence | np.ndarray) or isinstance(sequences, str):
            raise SampleError(
                f"the trips must be a list of lists of link numbers, not {type(sequences).__name__}"
            )
        each = [
            check_array(
                f"trip {number}",
                sequence,
                "integer",
                ndim=1,
                error=SampleError,
                advice="a trip is a list of link numbers",
            )
            for number, sequence in enumerate(sequences)
        ]
        offsets = np.concatenate(([0], np.cumsum([links.size for links in each]))).astype(np.int64)
        return cls(
            network, np.concatenate([*each, np.empty(0, np.int64)]).astype(np.int64), offsets, names
        )

    def __len__(self) -> int:
        return self.offsets.size - 1

    def __repr__(self) -> str:
        ends = np.unique(np.stack((self.origin, self.destination)), axis=1).shape[1]
        return (
            f"Trips({len(self):,} trips, {self.links.size:,} links travelled, {ends:,} pairs of "
            "origin and destination)"
        )

    @cached_property
    def origin(self) -> Int[np.ndarray, " n"]:
        """(n,) the node at which each trip begins."""
        return self.network.start[self.links[self.offsets[:-1]]]

    @cached_property
    def destination(self) -> Int[np.ndarray, " n"]:
        """(n,) the node at which each trip ends."""
        return self.network.end[self.links[self.offsets[1:] - 1]]

    @cached_property
    def pairs(self) -> Int[np.ndarray, " T"]:
        """(T,) the chosen pairs, in order; the first of a trip begins with its origin."""
        state = np.concatenate(([0], self.links[:-1]))
        state[self.offsets[:-1]] = self.network.n_links + self.origin
        return self.network.pairs.find(state, self.links)

    def _check_offsets(self) -> None:
        """Check that the links are divided into trips that are not empty."""
        counts = np.diff(self.offsets)
        if counts.size < 1:
            raise SampleError("there is no trip")
        first, last = self.offsets[0], self.offsets[-1]
        ordered = first == 0 and last == self.links.size and (counts >= 0).all()
        if not ordered or len(self.names) != counts.size:
            raise SampleError(
                f"offsets must rise from 0 to the number of links, {self.links.size}, with one "
                "name for each trip"
            )
        empty = counts == 0
        if empty.any():
            raise SampleError(
                f"trip {self.names[int(empty.argmax())]} is empty ({int(empty.sum())} of "
                f"{counts.size} trips)"
            )

    def _check_links(self) -> None:
        """Check that the links exist, and that each begins where the one before ends."""
        network, links = self.network, self.links
        wrong = (links < 0) | (links >= network.n_links)
        if wrong.any():
            raise SampleError(
                f"{self._describe_step(int(wrong.argmax()))}: there is no link number "
                f"{links[wrong][0]}; there are {network.n_links}, numbered from 0"
            )
        gap = network.end[links[:-1]] != network.start[links[1:]]
        gap[self.offsets[1:-1] - 1] = False
        if gap.any():
            index = int(gap.argmax())
            last, following = int(links[index]), int(links[index + 1])
            raise SampleError(
                f"{self._describe_step(index + 1)}: {network.describe(last)} ends at node "
                f"{network.node_names[network.end[last]]}, but {network.describe(following)} "
                f"begins at node {network.node_names[network.start[following]]}"
            )
        forbidden = self.pairs < 0
        if forbidden.any():
            index = int(forbidden.argmax())
            last, following = int(links[index - 1]), int(links[index])
            raise SampleError(
                f"{self._describe_step(index)}: {network.describe(following)} may not follow "
                f"{network.describe(last)}: it is not among the turns of the network "
                f"({int(np.count_nonzero(forbidden))} of {links.size} steps)"
            )

    def _describe_step(self, at: int) -> str:
        """Name the trip and the step, counted from 1, of an index into ``links``."""
        trip = int(np.searchsorted(self.offsets, at, side="right")) - 1
        return f"trip {self.names[trip]}, step {at - int(self.offsets[trip]) + 1}"

    def pair_counts(self) -> sp.csr_array:
        """Return the (n, P) sparse counts of each pair in each trip."""
        return sp.csr_array(
            (np.ones(self.links.size), self.pairs, self.offsets),
            shape=(len(self), self.network.n_pairs),
        )

    def demand(self) -> Demand:
        """Return the number of trips between each pair of nodes."""
        ends, count = np.unique(
            np.stack((self.origin, self.destination)), axis=1, return_counts=True
        )
        return Demand(self.network, ends[0], ends[1], count.astype(np.float64))

    @checked(SampleError, which=ArrayOf("m", "integer"))
    def select(self, which: Int[np.ndarray, " m"]) -> Trips:
        """Return a selection of the trips, with repetitions, as a bootstrap needs it.

        Args:
            which: (m,) numbers of trips.
        """
        wrong = (which < 0) | (which >= len(self))
        if wrong.any():
            raise SampleError(
                f"there is no trip number {which[wrong][0]}; there are {len(self)}, numbered from 0"
            )
        count = np.diff(self.offsets)[which]
        offsets = np.concatenate(([0], np.cumsum(count)))
        return Trips(
            self.network,
            self.links[concatenate_ranges(self.offsets[which], count)],
            offsets,
            [self.names[i] for i in which.tolist()],
        )


class Demand(ReadOnlyCopies):
    """Numbers of travellers between pairs of nodes.

    Attributes:
        network: The network.
        origin: (m,) nodes.
        destination: (m,) nodes.
        flow: (m,) travellers, in any unit; computed flows are in the same.

    Examples:
        >>> from regmdp.applications import routes
        >>> network = routes.RoadNetwork(start=[0, 1, 0], end=[1, 2, 2])
        >>> routes.Demand(network, [0, 1], [2, 2], [100.0, 50.0])
        Demand(150 travellers, 2 pairs of origin and destination)
    """

    @checked(
        ModelError,
        network=Instance(RoadNetwork),
        origin=ArrayOf(kind="integer"),
        destination=ArrayOf(kind="integer"),
        flow=ArrayOf(maximum=LARGE_ROOT),
    )
    def __init__(
        self, network: RoadNetwork, origin: ArrayLike, destination: ArrayLike, flow: ArrayLike
    ) -> None:
        """Check a demand.

        Raises:
            ModelError: if a node does not exist, a flow is negative, or a destination is the origin
                or cannot be reached from it.
        """
        self.network = network
        self.origin, self.destination, self.flow = (
            np.atleast_1d(np.array(given)) for given in (origin, destination, flow)
        )
        if (
            not self.origin.shape == self.destination.shape == self.flow.shape
            or self.flow.ndim != 1
        ):
            raise ModelError(
                f"origin, destination and flow have shapes {self.origin.shape}, "
                f"{self.destination.shape} and {self.flow.shape}; they need one entry each for "
                "every pair of nodes"
            )
        for name, nodes in (("origin", self.origin), ("destination", self.destination)):
            self._refuse_entries(
                (nodes < 0) | (nodes >= network.n_nodes), f"a {name} that does not exist"
            )
        self.origin, self.destination, self.flow = (
            freeze(self.origin),
            freeze(self.destination),
            freeze(self.flow),
        )
        self._refuse_entries(
            ~np.isfinite(self.flow) | (self.flow < 0), "a flow that is negative or not finite"
        )
        self._refuse_entries(
            self.origin == self.destination,
            "a destination that is the origin; leave such travellers out",
        )
        nodes, column = np.unique(self.destination, return_inverse=True)
        self._refuse_entries(
            ~network.can_reach(nodes)[self.origin, column],
            "a destination that cannot be reached from the origin",
        )

    def __len__(self) -> int:
        return self.flow.size

    def __repr__(self) -> str:
        return (
            f"Demand({self.flow.sum():,.6g} travellers, {len(self):,} pairs of origin and "
            "destination)"
        )

    def _refuse_entries(self, bad: np.ndarray, problem: str) -> None:
        if bad.any():
            at = int(bad.argmax())
            ends = f"from node {self.origin[at]} to node {self.destination[at]}"
            raise ModelError(
                f"entry {at} of the demand, {ends}, has {problem} ({int(bad.sum())} of {bad.size} "
                "entries)"
            )
