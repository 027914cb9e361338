"""The recursive logit: route choice as an entropy-regularized problem without discount."""

from __future__ import annotations

from functools import cached_property

import numpy as np
import scipy.sparse as sp

from regmdp._internal.arrays import ArrayLike, Float, Int, freeze
from regmdp._internal.errors import ModelError
from regmdp._internal.fields import ReadOnlyCopies
from regmdp._internal.parameters import ArrayOf, Instance, Integer, Number, checked
from regmdp.applications.routes.factorization import (
    ScaledFactorization,
    factorize_feasible,
    log_radius,
)
from regmdp.applications.routes.features import LinkFeatures
from regmdp.applications.routes.linear_systems import (
    DestinationBlock,
    segment_logsumexp,
    solve_destinations,
)
from regmdp.applications.routes.network import NODES
from regmdp.applications.routes.spectral import LogRadiusBounds
from regmdp.mdp import MDP

__all__ = ["RecursiveLogit"]

#: Largest utility, in units of the scale, whose sums over routes are doubles.
MAX_UTILITY = 1e100


#: Numbers of nodes, or one of them.
DESTINATIONS = ArrayOf(kind="integer", minimum=0)


class RecursiveLogit(ReadOnlyCopies):
    r"""Travellers who choose each next link by a logit over its utility and the value after it.

    .. math::
        V(k) = \mu \log\Big( \sum_a e^{(v(a|k) + V(a)) / \mu}
            + 1[k \text{ ends at the destination}] \Big)

    with v linear in the parameters and μ the scale: the entropy-regularized optimum without
    discount, at temperature μ.

    Attributes:
        features: The columns of the utility.
        parameters: (K,) β.
        scale: μ.

    Examples:
        >>> from regmdp.applications import routes
        >>> network = routes.RoadNetwork(
        ...     start=[0, 1, 0], end=[1, 2, 2], attributes={"length": [1.0, 1.0, 3.0]}
        ... )
        >>> features = routes.LinkFeatures(
        ...     network, {"length": routes.link_attribute(network, "length")}
        ... )
        >>> model = routes.RecursiveLogit(features, [-1.0])
        >>> model.values([2])[:, 0].round(6)  # links 0, 1 and 2, then origins 0, 1 and 2
        array([-1.      ,  0.      ,  0.      , -1.686738, -1.      ,      -inf])

    Reference:
        Fosgerau, Frejinger and Karlström, A link based network route choice model with unrestricted
        choice set, Transportation Research Part B 56, 2013, equations (3) to (8).
    """

    @checked(
        ModelError,
        features=Instance(LinkFeatures),
        parameters=ArrayOf(),
        scale=Number(above=0.0),
    )
    def __init__(self, features: LinkFeatures, parameters: ArrayLike, scale: float = 1.0) -> None:
        """Check parameters; whether the value is finite is checked when it is first computed.

        Raises:
            ModelError: if there is not one finite parameter for each feature, or the scale is not
                positive.
        """
        self.features, self.network = features, features.network
        self.parameters = freeze(np.atleast_1d(np.array(parameters)))
        if self.parameters.shape != (features.n_features,):
            raise ModelError(
                f"parameters must be {features.n_features} finite numbers, one for each of "
                f"{', '.join(features.names)}"
            )
        self.scale = scale
        with np.errstate(over="ignore", invalid="ignore"):
            largest = float(np.max(np.abs(self.utility / self.scale), initial=0.0))
        if not largest <= MAX_UTILITY:
            raise ModelError(
                f"the utilities over the scale reach {largest:.3g}, beyond {MAX_UTILITY:g}; give "
                "smaller parameters, or features in a larger unit"
            )

    @property
    def dimensions(self) -> dict[str, int]:
        """The sizes of the features."""
        return self.features.dimensions

    @cached_property
    def utility(self) -> Float[np.ndarray, " P"]:
        """(P,) v of every pair."""
        with np.errstate(over="ignore", invalid="ignore"):  # they are refused when it is made
            return self.features.matrix @ self.parameters

    @cached_property
    def _factorization(self) -> tuple[ScaledFactorization, Float[np.ndarray, " L"]]:
        return factorize_feasible(self.network, self.utility / self.scale)

    def spectral_radius(self) -> LogRadiusBounds:
        """Bound log of the spectral radius of M = exp(v / μ): below 0 if the value is finite."""
        return log_radius(self.network, self.utility / self.scale)

    @checked(ModelError, destinations=DESTINATIONS)
    def values(self, destinations: ArrayLike) -> Float[np.ndarray, "S D"]:
        """(S, D) expected utility from each link and origin to each destination; -∞ if unreachable.

        Args:
            destinations: (D,) nodes.

        Raises:
            UnboundedError: if the value is infinite, with the spectral radius.
            ModelError: if a destination does not exist.
        """
        nodes = self._check_nodes(destinations)
        inner = np.empty((self.network.n_links, nodes.size))
        for block in self.solve_blocks(nodes):
            inner[:, block.columns] = block.log_z
        return self.scale * np.concatenate((inner, self.origin_log_z(inner)))

    @checked(ModelError, destination=Integer(0))
    def probabilities(self, destination: int) -> sp.csr_array:
        """(S, L + 1) sparse probabilities of the next link, and of arrival in the last column.

        Rows of states from which the destination cannot be reached are 0.

        Args:
            destination: A node.
        """
        network, value = self.network, self.values([destination])[:, 0]
        ends = np.flatnonzero(network.end == destination)
        reached = np.isfinite(value)
        usable = reached[network.pair_state] & reached[network.pair_link]
        state, link = network.pair_state[usable], network.pair_link[usable]
        chosen = np.exp((self.utility[usable] + value[link] - value[state]) / self.scale)
        entries = np.concatenate((chosen, np.exp(-value[ends] / self.scale)))
        where = (
            np.concatenate((state, ends)),
            np.concatenate((link, np.full(ends.size, network.n_links))),
        )
        return sp.csr_array((entries, where), shape=(network.n_states, network.n_links + 1))

    @checked(ModelError, destination=Integer(0))
    def mdp(self, destination: int) -> MDP:
        """Return the MDP that has the same values with Shannon(temperature=scale).

        Its states are those from which the destination can be reached, in the order of the network,
        and the last is arrival.

        Args:
            destination: A node.
        """
        network = self.network
        nodes = self._check_nodes([destination])
        reached = network.links_reaching(nodes)[:, 0]
        usable = reached[network.pair_link]
        ends = np.flatnonzero(network.end == destination)
        kept = np.zeros(network.n_states, dtype=np.bool_)
        kept[network.pair_state[usable]] = True
        kept[ends] = True
        number = np.cumsum(kept) - 1
        arrival, arrive = int(kept.sum()), int(network.slot.max()) + 1  # a state and an action
        links = network.pair_link[usable]
        state = number[np.concatenate((network.pair_state[usable], ends))]
        action = np.concatenate((network.slot[links], np.full(ends.size, arrive)))
        successor = np.concatenate((number[links], np.full(ends.size, arrival)))
        rows = sp.csr_array(
            (np.ones(state.size), successor, np.arange(state.size + 1)),
            shape=(state.size, arrival + 1),
        )
        rewards = np.concatenate((self.utility[usable], np.zeros(ends.size)))
        names = [
            *map(network.describe, range(network.n_links)),
            *(f"origin {name}" for name in network.node_names),
        ]
        labels = [*(names[index] for index in np.flatnonzero(kept)), "arrived"]
        return MDP.from_pairs(
            state,
            action,
            rows,
            rewards,
            1.0,
            n_states=arrival + 1,
            n_actions=arrive + 1,
            state_labels=labels,
        )

    @checked(ModelError, nodes=NODES)
    def solve_blocks(self, nodes: Int[np.ndarray, " D"]) -> list[DestinationBlock]:
        """Solve for destinations; return the solutions in their units."""
        return solve_destinations(
            self.network,
            self.utility / self.scale,
            self._check_nodes(nodes),
            self._factorization,
        )

    @checked(ModelError, inner=ArrayOf("L D", infinite=(-np.inf,)))
    def origin_log_z(self, inner: Float[np.ndarray, "L D"]) -> Float[np.ndarray, "N D"]:
        """Return log z of the origins, from that of the links."""
        network, n = self.network, self.network.n_link_pairs
        ahead = self.utility[n:, None] / self.scale + inner[network.pair_link[n:]]
        return segment_logsumexp(ahead, network.pair_start[network.n_links :] - n)

    def _check_nodes(self, nodes: ArrayLike) -> Int[np.ndarray, " D"]:
        array = np.atleast_1d(np.asarray(nodes))
        if array.ndim != 1 or (array >= self.network.n_nodes).any():
            raise ModelError(
                f"destinations must be node numbers from 0 to {self.network.n_nodes - 1}, not "
                f"{nodes!r}"
            )
        return array.astype(np.int64)
