"""Features of the next link: the columns of a linear utility."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import scipy.sparse as sp

from regmdp._internal.array_checks import check_array
from regmdp._internal.arrays import ArrayLike, Float, Int
from regmdp._internal.errors import ModelError
from regmdp._internal.parameters import Instance, Text, checked
from regmdp._internal.sparse import as_csr
from regmdp.applications.routes.network import NODES, RoadNetwork

__all__ = ["LinkFeatures", "constant", "left_turns", "link_attribute", "link_constants", "u_turns"]

#: Smallest and largest change of direction of a left turn, in radians.
LEFT_TURN_ANGLES = (np.deg2rad(40.0), np.deg2rad(177.0))


class LinkFeatures:
    """Attributes of the pairs (state, next link) of a network, one column a parameter.

    The utility of going on along link a is linear in the parameters, v(a|k) = Σ_j β_j x_j(a|k).

    Attributes:
        network: The network.
        names: K names of the columns.
        matrix: (P, K) sparse.

    Examples:
        >>> from regmdp.applications import routes
        >>> network = routes.RoadNetwork(
        ...     start=[0, 1, 1], end=[1, 0, 2], attributes={"length": [1.0, 1.0, 3.0]}
        ... )
        >>> columns = {
        ...     "length": routes.link_attribute(network, "length"),
        ...     "U-turn": routes.u_turns(network),
        ... }
        >>> features = routes.LinkFeatures(network, columns)
        >>> features
        LinkFeatures(length, U-turn; 6 pairs)
        >>> features.matrix.toarray()[:3]  # link 0, then link 1 or 2; link 1, then link 0
        array([[1., 1.],
               [3., 0.],
               [1., 1.]])
    """

    @checked(ModelError, network=Instance(RoadNetwork))
    def __init__(self, network: RoadNetwork, columns: Mapping[str, ArrayLike | sp.sparray]) -> None:
        """Join columns.

        Args:
            network: The network.
            columns: Name -> (P,) finite numbers, dense or a sparse (P, 1) column.

        Raises:
            ModelError: if there is no column, or one has another length or a number that is not
                finite.
        """
        if not isinstance(columns, Mapping) or not all(isinstance(name, str) for name in columns):
            raise ModelError(
                "the features must be columns by name, as in a dictionary, not "
                f"{type(columns).__name__}"
            )
        if not columns:
            raise ModelError(
                "there is no feature; a utility needs at least one, such as "
                "link_attribute(network, 'length')"
            )
        self.network, self.names = network, tuple(columns)
        parts = [_as_column(name, values, network.n_pairs) for name, values in columns.items()]
        self.matrix = sp.csr_array(sp.hstack(parts))

    @property
    def dimensions(self) -> dict[str, int]:
        """The sizes of the network, and the number of columns, K."""
        return {**self.network.dimensions, "K": self.n_features}

    @property
    def n_features(self) -> int:
        """K."""
        return len(self.names)

    def __repr__(self) -> str:
        return f"LinkFeatures({', '.join(self.names)}; {self.network.n_pairs:,} pairs)"


@checked(ModelError, network=Instance(RoadNetwork), attribute=Text())
def link_attribute(network: RoadNetwork, attribute: str) -> Float[np.ndarray, " P"]:
    """(P,) an attribute of the next link, such as its length.

    Args:
        network: The network.
        attribute: One of the names in network.attributes.
    """
    if attribute not in network.attributes:
        raise ModelError(
            f"the links have no attribute {attribute!r}; they have "
            f"{', '.join(network.attributes) or 'none'}"
        )
    return network.attributes[attribute][network.pair_link]


@checked(ModelError, network=Instance(RoadNetwork))
def constant(network: RoadNetwork) -> Float[np.ndarray, " P"]:
    """(P,) 1 everywhere: it counts the links of a route, so its parameter is a cost per link."""
    return np.ones(network.n_pairs)


@checked(ModelError, network=Instance(RoadNetwork))
def u_turns(network: RoadNetwork) -> Float[np.ndarray, " P"]:
    """(P,) 1 where the next link ends at the node at which the last one began."""
    turns = np.zeros(network.n_pairs)
    before, after = _link_pairs(network)
    turns[: before.size] = network.start[before] == network.end[after]
    return turns


@checked(ModelError, network=Instance(RoadNetwork))
def left_turns(network: RoadNetwork) -> Float[np.ndarray, " P"]:
    """(P,) 1 where the direction turns left by more than 40° and less than 177°.

    Args:
        network: A network with coordinates.

    Raises:
        ModelError: if it has none.

    Reference:
        Fosgerau, Frejinger and Karlström, A link based network route choice model with unrestricted
        choice set, Transportation Research Part B 56, 2013, section 4 (the same angles).
    """
    if network.coordinates is None:
        raise ModelError("left turns need coordinates; give the network those of its nodes")
    turns = np.zeros(network.n_pairs)
    before, after = _link_pairs(network)
    along = network.coordinates[network.end] - network.coordinates[network.start]
    first, second = along[before], along[after]
    cross = first[:, 0] * second[:, 1] - first[:, 1] * second[:, 0]
    angle = np.arctan2(cross, (first * second).sum(axis=1))
    turns[: before.size] = (angle > LEFT_TURN_ANGLES[0]) & (angle < LEFT_TURN_ANGLES[1])
    return turns


@checked(ModelError, network=Instance(RoadNetwork), links=NODES)
def link_constants(network: RoadNetwork, links: ArrayLike) -> dict[str, sp.csr_array]:
    """Name -> (P, 1) sparse column of 1 where the next link is this one, for each given link.

    Args:
        network: The network.
        links: (n,) numbers of links.

    Examples:
        >>> from regmdp.applications import routes
        >>> network = routes.RoadNetwork(start=[0, 1, 1], end=[1, 0, 2])
        >>> list(routes.link_constants(network, [2]))
        ['link 2']
    """
    numbers = np.asarray(links)
    wrong = numbers >= network.n_links
    if wrong.any():
        raise ModelError(
            f"there is no link number {numbers[wrong][0]}; there are {network.n_links}, numbered "
            "from 0"
        )
    columns = {}
    for link in numbers.tolist():
        rows = np.flatnonzero(network.pair_link == link)
        here = (np.ones(rows.size), (rows, np.zeros(rows.size, dtype=np.int64)))
        columns[f"link {network.link_names[link]}"] = sp.csr_array(here, shape=(network.n_pairs, 1))
    return columns


def _link_pairs(network: RoadNetwork) -> tuple[Int[np.ndarray, " n"], Int[np.ndarray, " n"]]:
    """Return both links of the pairs that begin with a link."""
    n = network.n_link_pairs
    return network.pair_state[:n], network.pair_link[:n]


def _as_column(name: str, values: ArrayLike | sp.sparray, n_pairs: int) -> sp.csr_array:
    if sp.issparse(values):
        column = as_csr(f"feature {name!r}", values, error=ModelError)
    else:
        array = check_array(f"feature {name!r}", values, error=ModelError)
        if array.shape != (n_pairs,):
            raise ModelError(
                f"feature {name!r} has shape {array.shape}; it needs one number for each pair, "
                f"({n_pairs},)"
            )
        column = sp.csr_array(array[:, None])
    if column.shape != (n_pairs, 1):
        raise ModelError(
            f"feature {name!r} has shape {column.shape}; a sparse column has ({n_pairs}, 1)"
        )
    bad = ~np.isfinite(column.data)
    if bad.any():
        raise ModelError(f"feature {name!r} has {int(bad.sum())} entries that are not finite")
    return column
