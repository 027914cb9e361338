"""A road network: links, nodes, what is known of each link, and the pairs of links that follow each other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np
import scipy.sparse as sp
from scipy.sparse import csgraph

from regmdp._internal.arrays import ArrayLike, Bool, Float, Int, freeze
from regmdp._internal.errors import ModelError

__all__ = ["RoadNetwork", "expand"]


class RoadNetwork:
    """Directed links between nodes.

    A traveller's state is the link travelled last, or at first the origin node. So there are S =
    L + N states: state k < L is link k, and state L + n is "about to leave node n". From a state
    one goes on along any link that begins where it ends. These **pairs** (state, next link) are
    numbered 0 … P - 1, sorted by state and, within a state, by link; features and utilities are
    arrays over the pairs. Several links may join the same two nodes.

    Attributes:
        start: (L,) node at which each link begins.
        end: (L,) node at which it ends.
        attributes: Name -> (L,) attribute of the links.
        coordinates: (N, 2) x and y of the nodes, or None.
        node_names: N names, all different.
        link_names: L names, all different.
        pair_start: (S + 1,) the pairs of state s are pair_start[s] … pair_start[s + 1] - 1.
        pair_state: (P,) state of each pair.
        pair_link: (P,) next link of each pair.
        slot: (L,) how many links with a smaller number begin at the same node.

    Examples:
        >>> from regmdp.applications import routes
        >>> network = routes.RoadNetwork(
        ...     start=[0, 1, 0], end=[1, 2, 2], attributes={"length": [1.0, 1.0, 3.0]}
        ... )
        >>> network
        RoadNetwork(3 links, 3 nodes, attributes: length)
        >>> (
        ...     network.pair_state,
        ...     network.pair_link,
        ... )  # link 0 -> 1; from node 0 along 0 or 2, from node 1 along 1
        (array([0, 3, 3, 4]), array([1, 0, 2, 1]))
    """

    def __init__(
        self,
        start: ArrayLike,
        end: ArrayLike,
        attributes: Mapping[str, ArrayLike] | None = None,
        *,
        coordinates: ArrayLike | None = None,
        node_names: Sequence[Any] | None = None,
        link_names: Sequence[Any] | None = None,
    ) -> None:
        """Build and check a network.

        Args:
            start: (L,) node at which each link begins, numbered from 0.
            end: (L,) node at which it ends.
            attributes: Name -> (L,) finite numbers; "length" must not be negative.
            coordinates: (N, 2) x to the right, y upwards.
            node_names: N names; by default the numbers. Without names or coordinates the last node
                is the largest that a link has.
            link_names: L names; by default the numbers.

        Raises:
            ModelError: if something is inconsistent; it names the first link concerned, and how
                many there are.
        """
        self.start, self.end = _as_nodes("start", start), _as_nodes("end", end)
        if self.start.shape != self.end.shape:
            raise ModelError(
                f"start has {self.start.size} links and end has {self.end.size}; every link needs "
                "both"
            )
        if not self.start.size:
            raise ModelError("a network needs at least one link")
        self.link_names = _as_names("link", link_names, self.start.size)
        self.coordinates = None if coordinates is None else _as_coordinates(coordinates)
        known = (
            len(node_names)
            if node_names is not None
            else None
            if self.coordinates is None
            else len(self.coordinates)
        )
        self.node_names = _as_names(
            "node", node_names, known or int(max(self.start.max(), self.end.max())) + 1
        )
        if self.coordinates is not None and len(self.coordinates) != self.n_nodes:
            raise ModelError(
                f"there are {self.n_nodes} node names, but coordinates of {len(self.coordinates)} "
                "nodes"
            )
        for name, nodes in (("start", self.start), ("end", self.end)):
            self._refuse(
                nodes >= self.n_nodes,
                f"{name}s at a node that does not exist: there are {self.n_nodes}, numbered from 0",
            )
        given = {} if attributes is None else attributes
        self.attributes = {name: self._as_attribute(name, values) for name, values in given.items()}
        self.pair_start, self.pair_state, self.pair_link, self.slot = _pairs(
            self.start, self.end, self.n_nodes
        )

    @property
    def n_links(self) -> int:
        """L."""
        return self.start.size

    @property
    def n_nodes(self) -> int:
        """N."""
        return len(self.node_names)

    @property
    def n_states(self) -> int:
        """S = L + N."""
        return self.n_links + self.n_nodes

    @property
    def n_pairs(self) -> int:
        """P."""
        return self.pair_link.size

    @property
    def n_link_pairs(self) -> int:
        """How many pairs begin with a link; they come first, and those that begin with an origin after them."""
        return int(self.pair_start[self.n_links])

    @cached_property
    def _node_index(self) -> dict[str, int]:
        return {name: index for index, name in enumerate(self.node_names)}

    @cached_property
    def _link_index(self) -> dict[str, int]:
        return {name: index for index, name in enumerate(self.link_names)}

    def node(self, name: Any) -> int:
        """Return the number of the node with this name.

        >>> from regmdp.applications import routes
        >>> routes.RoadNetwork([0], [1], node_names=["home", "work"]).node("work")
        1
        """
        if str(name) not in self._node_index:
            raise ModelError(
                f"there is no node {str(name)!r}; there are {self.n_nodes}, from "
                f"{self.node_names[0]!r} on"
            )
        return self._node_index[str(name)]

    def link(self, name: Any) -> int:
        """Return the number of the link with this name."""
        if str(name) not in self._link_index:
            raise ModelError(
                f"there is no link {str(name)!r}; there are {self.n_links}, from "
                f"{self.link_names[0]!r} on"
            )
        return self._link_index[str(name)]

    def describe(self, link: int) -> str:
        """Return a link's name with those of its nodes, as in "link 7 (3 → 12)"."""
        return (
            f"link {self.link_names[link]} ({self.node_names[self.start[link]]} → "
            f"{self.node_names[self.end[link]]})"
        )

    def can_reach(self, destinations: Int[np.ndarray, " D"]) -> Bool[np.ndarray, "N D"]:
        """Whether one can go from each node to each of these nodes; from a node to itself always.

        Args:
            destinations: (D,) nodes.

        Examples:
            >>> from regmdp.applications import routes
            >>> routes.RoadNetwork([0, 1], [1, 2]).can_reach(np.array([1]))[:, 0]
            array([ True,  True, False])
        """
        if self._connected:
            return np.ones((self.n_nodes, destinations.size), dtype=np.bool_)
        backwards = sp.csr_array(
            (np.ones(self.n_links), (self.end, self.start)), shape=(self.n_nodes, self.n_nodes)
        )
        found = np.zeros((self.n_nodes, destinations.size), dtype=np.bool_)
        for column, node in enumerate(destinations.tolist()):
            found[
                csgraph.breadth_first_order(backwards, node, return_predecessors=False), column
            ] = True
        return found

    @cached_property
    def _connected(self) -> bool:
        """Whether one can go from every node to every other."""
        graph = sp.csr_array(
            (np.ones(self.n_links), (self.start, self.end)), shape=(self.n_nodes, self.n_nodes)
        )
        return (
            csgraph.connected_components(
                graph, directed=True, connection="strong", return_labels=False
            )
            == 1
        )

    def _as_attribute(self, name: str, values: ArrayLike) -> Float[np.ndarray, " L"]:
        array = np.array(values, dtype=np.float64)
        if array.shape != (self.n_links,):
            raise ModelError(
                f"attribute {name!r} has shape {array.shape}; it needs one number a link, "
                f"({self.n_links},)"
            )
        self._refuse(~np.isfinite(array), f"has no finite {name}")
        if name == "length":
            self._refuse(array < 0, "has a negative length")
        return freeze(array)

    def _refuse(self, bad: Bool[np.ndarray, " L"], what: str) -> None:
        if bad.any():
            first = self.link_names[int(bad.argmax())]
            raise ModelError(f"link {first} {what} ({int(bad.sum())} of {self.n_links} links)")

    def __repr__(self) -> str:
        names = ", ".join(self.attributes) or "none"
        return f"RoadNetwork({self.n_links:,} links, {self.n_nodes:,} nodes, attributes: {names})"


def expand(first: Int[np.ndarray, " n"], count: Int[np.ndarray, " n"]) -> Int[np.ndarray, " m"]:
    """Return first[0], first[0] + 1, …, count[0] numbers, and so on for every range.

    >>> expand(np.array([5, 0]), np.array([2, 3]))
    array([5, 6, 0, 1, 2])
    """
    before = np.cumsum(count) - count
    return np.arange(count.sum()) + np.repeat(first - before, count)


def _pairs(
    start: Int[np.ndarray, " L"], end: Int[np.ndarray, " L"], n_nodes: int
) -> tuple[np.ndarray, ...]:
    """Return where the pairs of each state begin, the state and the link of each, and the place of each link among its node's."""
    leaving = np.argsort(start, kind="stable")
    first = np.searchsorted(start[leaving], np.arange(n_nodes + 1))
    node = np.concatenate((end, np.arange(n_nodes)))  # where each state is
    count = np.diff(first)[node]
    pair_start = np.concatenate(([0], np.cumsum(count)))
    slot = np.empty_like(start)
    slot[leaving] = np.arange(start.size) - first[start[leaving]]
    parts = (
        pair_start,
        np.repeat(np.arange(node.size), count),
        leaving[expand(first[node], count)],
        slot,
    )
    return tuple(freeze(part) for part in parts)


def _as_nodes(name: str, nodes: ArrayLike) -> Int[np.ndarray, " L"]:
    array = np.asarray(nodes)
    if array.ndim != 1 or (array.size and not np.issubdtype(array.dtype, np.integer)):
        raise ModelError(
            f"{name} must be a list of node numbers, one a link, not an array of {array.dtype} of "
            f"shape {array.shape}"
        )
    if array.size and array.min() < 0:
        raise ModelError(
            f"{name} of link {int(array.argmin())} is {array.min()}; nodes are numbered from 0"
        )
    return freeze(array.astype(np.int64))


def _as_names(kind: str, names: Sequence[Any] | None, n: int) -> tuple[str, ...]:
    if names is None:
        return tuple(str(number) for number in range(n))
    strings = tuple(str(name) for name in names)
    if len(strings) != n:
        raise ModelError(f"there are {len(strings)} names for {n} {kind}s")
    seen: set[str] = set()
    for name in strings:
        if name in seen:
            raise ModelError(
                f"{kind} {name!r} is there twice; every {kind} needs a name of its own"
            )
        seen.add(name)
    return strings


def _as_coordinates(coordinates: ArrayLike) -> Float[np.ndarray, "N 2"]:
    array = np.array(coordinates, dtype=np.float64)
    if array.ndim != 2 or array.shape[1] != 2:
        raise ModelError(
            f"coordinates have shape {array.shape}; they need x and y of every node, (N, 2)"
        )
    bad = ~np.isfinite(array).all(axis=1)
    if bad.any():
        raise ModelError(
            f"node {int(bad.argmax())} has no finite coordinates ({int(bad.sum())} of {len(array)} "
            "nodes)"
        )
    return freeze(array)
