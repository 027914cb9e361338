"""The recursive logit: route choice as an entropy-regularized problem without discount."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np
import scipy.sparse as sp

from regmdp._internal.arrays import ArrayLike, Float, Int, freeze
from regmdp._internal.errors import ModelError
from regmdp.applications.routes.features import LinkFeatures
from regmdp.applications.routes.linear_systems import (
    Block,
    Factor,
    feasible,
    log_radius,
    segments,
    solve,
)
from regmdp.applications.routes.spectral import Radius
from regmdp.mdp import MDP

__all__ = ["RecursiveLogit"]


class RecursiveLogit:
    r"""Travellers who choose link after link, each by a logit over what lies ahead.

    .. math::
        V(k) = \mu \log\Big( \sum_a e^{(v(a|k) + V(a)) / \mu} + 1[k \text{ ends at the destination}] \Big)

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

    def __init__(self, features: LinkFeatures, parameters: ArrayLike, scale: float = 1.0) -> None:
        """Check parameters; whether the value is finite is found when it is first asked for.

        Raises:
            ModelError: if there is not one finite parameter a feature, or the scale is not
                positive.
        """
        self.features, self.network = features, features.network
        self.parameters = freeze(np.atleast_1d(np.array(parameters, dtype=np.float64)))
        if (
            self.parameters.shape != (features.n_features,)
            or not np.isfinite(self.parameters).all()
        ):
            raise ModelError(
                f"parameters must be {features.n_features} finite numbers, one for each of "
                f"{', '.join(features.names)}"
            )
        self.scale = float(scale)
        if not 0.0 < self.scale < np.inf:
            raise ModelError(f"scale must be positive and finite, not {self.scale}")

    @cached_property
    def utility(self) -> Float[np.ndarray, " P"]:
        """(P,) v of every pair."""
        return self.features.matrix @ self.parameters

    @cached_property
    def _common(self) -> tuple[Factor, Float[np.ndarray, " L"]]:
        return feasible(self.network, self.utility / self.scale)

    def spectral_radius(self) -> Radius:
        """Return bounds on the logarithm of the spectral radius of M = exp(v / μ), which is below 0 if the value is finite."""
        return log_radius(self.network, self.utility / self.scale)

    def values(self, destinations: ArrayLike) -> Float[np.ndarray, "S D"]:
        """(S, D) expected utility to each destination from each link and origin; -∞ where it cannot be reached.

        Args:
            destinations: (D,) nodes.

        Raises:
            UnboundedError: if the value is infinite; it says the spectral radius.
            ModelError: if a destination does not exist.
        """
        nodes = self._as_nodes(destinations)
        inner = np.empty((self.network.n_links, nodes.size))
        for block in self.blocks(nodes):
            inner[:, block.columns] = block.log_z
        return self.scale * np.concatenate((inner, self.origins(inner)))

    def probabilities(self, destination: int) -> sp.csr_array:
        """(S, L + 1) sparse probabilities of the next link, the last column that of arriving; a row of 0 where one cannot arrive.

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

    def mdp(self, destination: int) -> MDP:
        """Return the model that Shannon(temperature=scale) solves to the same values, with the library's certificate.

        Its states are those from which the destination can be reached, in the order of the network,
        and the last is arrival.

        Args:
            destination: A node.
        """
        network = self.network
        nodes = self._as_nodes([destination])
        at = np.concatenate((network.end, np.arange(network.n_nodes)))
        ahead = network.can_reach(nodes)[network.end, 0]
        usable = ahead[network.pair_link]
        ends = np.flatnonzero(network.end == destination)
        kept = np.zeros(network.n_states, dtype=np.bool_)
        kept[network.pair_state[usable]] = True
        kept[ends] = True
        number = np.cumsum(kept) - 1
        arrival = int(kept.sum())
        last = int(network.slot.max()) + 1
        state = number[np.concatenate((network.pair_state[usable], ends))]
        action = np.concatenate((network.slot[network.pair_link[usable]], np.full(ends.size, last)))
        follows = np.concatenate((number[network.pair_link[usable]], np.full(ends.size, arrival)))
        rows = sp.csr_array(
            (np.ones(state.size), follows, np.arange(state.size + 1)),
            shape=(state.size, arrival + 1),
        )
        rewards = np.concatenate((self.utility[usable], np.zeros(ends.size)))
        names = [
            *map(network.describe, range(network.n_links)),
            *(f"origin {network.node_names[node]}" for node in at[network.n_links :]),
        ]
        labels = [*(names[index] for index in np.flatnonzero(kept)), "arrived"]
        return MDP.from_pairs(
            state,
            action,
            rows,
            rewards,
            1.0,
            n_states=arrival + 1,
            n_actions=last + 1,
            state_labels=labels,
        )

    def blocks(self, nodes: Int[np.ndarray, " D"]) -> list[Block]:
        """Return what was solved for destinations, in the units it was solved in."""
        return solve(self.network, self.utility / self.scale, nodes, self._common)

    def origins(self, inner: Float[np.ndarray, "L D"]) -> Float[np.ndarray, "N D"]:
        """Return log z of the origins from that of the links."""
        network, n = self.network, self.network.n_link_pairs
        ahead = self.utility[n:, None] / self.scale + inner[network.pair_link[n:]]
        return segments(ahead, network.pair_start[network.n_links :] - n)

    def _as_nodes(self, nodes: Any) -> Int[np.ndarray, " D"]:
        array = np.atleast_1d(np.asarray(nodes))
        if (
            array.ndim != 1
            or not np.issubdtype(array.dtype, np.integer)
            or (array < 0).any()
            or (array >= self.network.n_nodes).any()
        ):
            raise ModelError(
                f"destinations must be node numbers from 0 to {self.network.n_nodes - 1}, not "
                f"{nodes!r}"
            )
        return array.astype(np.int64)
