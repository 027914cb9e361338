"""A road network: nodes, links with their attributes, and the pairs of consecutive links."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np
import scipy.sparse as sp
from scipy.sparse import csgraph

from regmdp._internal.array_checks import check_array
from regmdp._internal.arrays import ArrayLike, Bool, Float, Int, freeze
from regmdp._internal.checks import LARGE_ROOT, describe_first
from regmdp._internal.errors import ModelError
from regmdp._internal.fields import ReadOnlyCopies
from regmdp._internal.parameters import ArrayOf, Integer, SequenceOf, Text, checked
from regmdp.applications.routes.pairs import find_links_reaching, list_all_pairs, list_turns

__all__ = ["NAMES", "NODES", "RoadNetwork", "require_same_network"]

#: Largest number of nodes, relative to that of the links, that is taken from the largest number
#: that occurs: beyond it, the numbers are names.
MAX_NODES_PER_LINK, MIN_SUSPICIOUS_NODES = 1000, 10**6

#: Names of nodes, links or trips.
NAMES = SequenceOf(Text() | Integer(None))
#: Numbers of nodes or links.
NODES = ArrayOf("D", "integer", minimum=0, empty=True)


class RoadNetwork(ReadOnlyCopies):
    """Directed links between nodes.

    A traveller's state is the link travelled last, or at first the origin node. So there are S =
    L + N states: state k < L is link k, and state L + n is "about to leave node n". From a state
    one can take any link that begins where it ends, or, where turns are restricted, one that may
    follow. These **pairs** (state, next link) are numbered 0 … P - 1, sorted by state and, within a
    state, by link; features and utilities are arrays over the pairs. Several links may join the
    same two nodes.

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
        slot: (L,) number of links with a smaller number that begin at the same node.
        pairs: The same four arrays.
        restricted: Whether only listed links may follow a link.

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

    @checked(ModelError, node_names=NAMES | None, link_names=NAMES | None)
    def __init__(
        self,
        start: ArrayLike,
        end: ArrayLike,
        attributes: Mapping[str, ArrayLike] | None = None,
        *,
        coordinates: ArrayLike | None = None,
        node_names: Sequence[object] | None = None,
        link_names: Sequence[object] | None = None,
        turns: ArrayLike | None = None,
    ) -> None:
        """Build and check a network.

        Args:
            start: (L,) node at which each link begins, numbered from 0.
            end: (L,) node at which it ends.
            attributes: Name -> (L,) finite numbers; "length" must not be negative.
            coordinates: (N, 2) x to the right and y upwards.
            node_names: N names; by default the numbers. Without names or coordinates the last node
                is the largest that a link has.
            link_names: L names; by default the numbers.
            turns: (T, 2) links, and the links that may follow them: a turn that is not listed is
                forbidden. By default every link may follow those that end where it begins.

        Raises:
            ModelError: if something is inconsistent; it names the first such link or turn, and how
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
        if node_names is not None:
            n_nodes = len(node_names)
        elif self.coordinates is not None:
            n_nodes = len(self.coordinates)
        else:
            n_nodes = _count_nodes(int(max(self.start.max(), self.end.max())), self.start.size)
        self.node_names = _as_names("node", node_names, n_nodes)
        if self.coordinates is not None and len(self.coordinates) != self.n_nodes:
            raise ModelError(
                f"there are {self.n_nodes} node names, but coordinates of {len(self.coordinates)} "
                "nodes"
            )
        for name, nodes in (("start", self.start), ("end", self.end)):
            self._refuse_links(
                nodes >= self.n_nodes,
                f"{name}s at a node that does not exist: there are {self.n_nodes}, numbered from 0",
            )
        given = {} if attributes is None else attributes
        if not isinstance(given, Mapping) or not all(isinstance(name, str) for name in given):
            raise ModelError(
                f"attributes must be arrays by name, as in a dictionary, not {type(given).__name__}"
            )
        self.attributes = {name: self._as_attribute(name, values) for name, values in given.items()}
        self.restricted = turns is not None
        if turns is None:
            self.pairs = list_all_pairs(self.start, self.end, self.n_nodes)
        else:
            self.pairs = list_turns(self.start, self.n_nodes, _as_turns(self, turns))
        self.pair_start, self.pair_state, self.pair_link, self.slot = self.pairs
        self._links_reaching: dict[int, Bool[np.ndarray, " L"]] = {}

    @classmethod
    @checked(ModelError, link_names=NAMES | None)
    def from_names(
        cls,
        start: Sequence[object] | ArrayLike,
        end: Sequence[object] | ArrayLike,
        attributes: Mapping[str, ArrayLike] | None = None,
        *,
        link_names: Sequence[object] | None = None,
        turns: ArrayLike | None = None,
    ) -> RoadNetwork:
        """Build and check a network whose nodes have names: text, or integers such as 10^9.

        The nodes are numbered in the order of their names; :meth:`node` finds the number of a name.

        Args:
            start: (L,) name of the node at which each link begins.
            end: (L,) name of the node at which it ends.
            attributes: Name -> (L,) finite numbers; "length" must not be negative.
            link_names: L names; by default the numbers.
            turns: (T, 2) numbers of links, and of the links that may follow them; by default all.

        Raises:
            ModelError: if something is inconsistent.

        Examples:
            >>> from regmdp.applications import routes
            >>> network = routes.RoadNetwork.from_names([10**9, 7], [7, 42])
            >>> network.node_names, network.node(10**9), network.start
            (('7', '42', '1000000000'), 2, array([2, 0]))
        """
        columns = [_as_node_names(name, nodes) for name, nodes in (("start", start), ("end", end))]
        if columns[0].shape != columns[1].shape:
            raise ModelError(
                f"start has {columns[0].size} links and end has {columns[1].size}; every link "
                "needs both"
            )
        if columns[0].dtype.kind != columns[1].dtype.kind:
            raise ModelError("the names in start and end must all be text, or all be integers")
        names, numbers = np.unique(np.concatenate(columns), return_inverse=True)
        first, last = np.split(numbers.astype(np.int64), 2)
        nodes = names.tolist()
        return cls(first, last, attributes, node_names=nodes, link_names=link_names, turns=turns)

    @property
    def dimensions(self) -> dict[str, int]:
        """The numbers of links, L, nodes, N, states, S, and pairs, P."""
        return {"L": self.n_links, "N": self.n_nodes, "S": self.n_states, "P": self.n_pairs}

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
        """Number of pairs that begin with a link; they precede those that begin with an origin."""
        return int(self.pair_start[self.n_links])

    @cached_property
    def _node_index(self) -> dict[str, int]:
        return {name: index for index, name in enumerate(self.node_names)}

    @cached_property
    def _link_index(self) -> dict[str, int]:
        return {name: index for index, name in enumerate(self.link_names)}

    def node(self, name: object) -> int:
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

    def link(self, name: object) -> int:
        """Return the number of the link with this name."""
        if str(name) not in self._link_index:
            raise ModelError(
                f"there is no link {str(name)!r}; there are {self.n_links}, from "
                f"{self.link_names[0]!r} on"
            )
        return self._link_index[str(name)]

    @checked(ModelError, link=Integer(0))
    def describe(self, link: int) -> str:
        """Return a link's name with those of its nodes, as in "link 7 (3 → 12)"."""
        if link >= self.n_links:
            raise ModelError(f"there is no link number {link}; there are {self.n_links}")
        return (
            f"link {self.link_names[link]} ({self.node_names[self.start[link]]} → "
            f"{self.node_names[self.end[link]]})"
        )

    @checked(ModelError, destinations=NODES)
    def can_reach(self, destinations: Int[np.ndarray, " D"]) -> Bool[np.ndarray, "N D"]:
        """(N, D) whether a route leads from each node to each destination.

        Every node reaches itself.

        Args:
            destinations: (D,) nodes.

        Examples:
            >>> from regmdp.applications import routes
            >>> routes.RoadNetwork([0, 1], [1, 2]).can_reach(np.array([1]))[:, 0]
            array([ True,  True, False])
        """
        nodes = np.asarray(destinations)
        wrong = nodes >= self.n_nodes
        if wrong.any():
            raise ModelError(
                f"there is no node number {nodes[wrong][0]}; there are {self.n_nodes}, numbered "
                "from 0"
            )
        if self.restricted:
            links = self.links_reaching(nodes)
            leaves = sp.csr_array(
                (np.ones(self.n_links), (self.start, np.arange(self.n_links))),
                shape=(self.n_nodes, self.n_links),
            )
            return (leaves @ links > 0) | (np.arange(self.n_nodes)[:, None] == nodes)
        if self._connected:
            return np.ones((self.n_nodes, nodes.size), dtype=np.bool_)
        reversed_graph = sp.csr_array(
            (np.ones(self.n_links), (self.end, self.start)), shape=(self.n_nodes, self.n_nodes)
        )
        reached = np.zeros((self.n_nodes, nodes.size), dtype=np.bool_)
        for column, node in enumerate(nodes.tolist()):
            before = csgraph.breadth_first_order(reversed_graph, node, return_predecessors=False)
            reached[before, column] = True
        return reached

    @checked(ModelError, destinations=NODES)
    def links_reaching(self, destinations: Int[np.ndarray, " D"]) -> Bool[np.ndarray, "L D"]:
        """(L, D) whether a route leads to each destination after each link.

        Args:
            destinations: (D,) nodes.

        Examples:
            One may not turn from link 0 into link 1.

            >>> from regmdp.applications import routes
            >>> network = routes.RoadNetwork([0, 1, 3], [1, 2, 1], turns=[(2, 1)])
            >>> network.links_reaching(np.array([2]))[:, 0]
            array([False,  True,  True])
        """
        nodes = np.asarray(destinations)
        if not self.restricted:
            return self.can_reach(nodes)[self.end]
        if (nodes >= self.n_nodes).any():
            raise ModelError(
                f"there is no node number {nodes.max()}; there are {self.n_nodes}, numbered from 0"
            )
        reaching = np.empty((self.n_links, nodes.size), dtype=np.bool_)
        for column, node in enumerate(nodes.tolist()):
            if node not in self._links_reaching:
                self._links_reaching[node] = find_links_reaching(self.pairs, self.end == node)
            reaching[:, column] = self._links_reaching[node]
        return reaching

    @cached_property
    def _connected(self) -> bool:
        """Whether a route leads from every node to every other."""
        graph = sp.csr_array(
            (np.ones(self.n_links), (self.start, self.end)), shape=(self.n_nodes, self.n_nodes)
        )
        n_parts = csgraph.connected_components(
            graph, directed=True, connection="strong", return_labels=False
        )
        return n_parts == 1

    def _as_attribute(self, name: str, values: ArrayLike) -> Float[np.ndarray, " L"]:
        array = np.array(check_array(f"attribute {name!r}", values, error=ModelError))
        if array.shape != (self.n_links,):
            raise ModelError(
                f"attribute {name!r} has shape {array.shape}; it needs one number for each link, "
                f"({self.n_links},)"
            )
        self._refuse_links(~np.isfinite(array), f"has no finite {name}")
        if name == "length":
            self._refuse_links(array < 0, "has a negative length")
        return freeze(array)

    def _refuse_links(self, bad: Bool[np.ndarray, " L"], what: str) -> None:
        if bad.any():
            first = self.link_names[int(bad.argmax())]
            raise ModelError(f"link {first} {what} ({int(bad.sum())} of {self.n_links} links)")

    def __repr__(self) -> str:
        names = ", ".join(self.attributes) or "none"
        return f"RoadNetwork({self.n_links:,} links, {self.n_nodes:,} nodes, attributes: {names})"


def require_same_network(things: str, network: RoadNetwork, other: RoadNetwork) -> None:
    """Check that two objects are of one network.

    Raises:
        ModelError: if they are not.
    """
    if other is not network:
        raise ModelError(f"{things} are of different networks; build both on one")


def _as_turns(network: RoadNetwork, turns: ArrayLike) -> Int[np.ndarray, "T 2"]:
    """Return the pairs of links that may follow each other, checked."""
    kind = ArrayOf("T 2", "integer", minimum=0, empty=True)
    array = kind.check("turns", turns, None, ModelError)

    def refuse(bad: Any, what: Callable[[int], str]) -> None:
        if bad.any():
            raise ModelError(
                describe_first(bad, lambda turn: f"turns[{turn}] {what(turn)}", "turns")
            )

    refuse(
        (array >= network.n_links).any(axis=1),
        lambda turn: (
            f"is of the links {array[turn].tolist()}; there are {network.n_links}, numbered from 0"
        ),
    )
    refuse(
        network.end[array[:, 0]] != network.start[array[:, 1]],
        lambda turn: (
            f"goes from {network.describe(int(array[turn, 0]))} to "
            f"{network.describe(int(array[turn, 1]))}, which begins at another node"
        ),
    )
    return np.unique(array, axis=0) if array.size else array


def _as_nodes(name: str, nodes: ArrayLike) -> Int[np.ndarray, " L"]:
    array = check_array(name, nodes, "integer", ndim=1, error=ModelError)
    if array.size and array.min() < 0:
        raise ModelError(
            f"{name} of link {int(array.argmin())} is {array.min()}; nodes are numbered from 0"
        )
    return freeze(array.astype(np.int64))


def _count_nodes(largest: int, n_links: int) -> int:
    """Return one more than the largest number of a node.

    Raises:
        ModelError: if it is so large that the numbers must be names.
    """
    if largest >= max(MAX_NODES_PER_LINK * n_links, MIN_SUSPICIOUS_NODES):
        raise ModelError(
            f"the largest node is {largest:,}, and there are {n_links:,} links, so nearly all of "
            f"the {largest + 1:,} nodes would have none; if the numbers are names, use "
            "RoadNetwork.from_names, and if not, give node_names= or coordinates="
        )
    return largest + 1


def _as_node_names(name: str, nodes: Sequence[object] | ArrayLike) -> np.ndarray:
    """Return the (L,) names of nodes, text or integers."""
    array = np.asarray(nodes) if isinstance(nodes, Sequence | np.ndarray) else np.empty(())
    if array.ndim == 1 and array.size and array.dtype.kind == "U":
        return array
    return check_array(
        name,
        nodes,
        "integer",
        ndim=1,
        error=ModelError,
        advice="nodes have names: text or integers",
    )


def _as_names(kind: str, names: Sequence[object] | None, n: int) -> tuple[str, ...]:
    if names is None:
        return tuple(str(number) for number in range(n))
    strings = tuple(str(name) for name in names)
    if len(strings) != n:
        raise ModelError(f"there are {len(strings)} names for {n} {kind}s")
    seen: set[str] = set()
    for name in strings:
        if name in seen:
            raise ModelError(f"{kind} {name!r} is there twice; every {kind} needs a different name")
        seen.add(name)
    return strings


def _as_coordinates(coordinates: ArrayLike) -> Float[np.ndarray, "N 2"]:
    kind = ArrayOf("N 2", minimum=-LARGE_ROOT, maximum=LARGE_ROOT)
    return freeze(np.array(kind.check("coordinates", coordinates, None, ModelError)))
