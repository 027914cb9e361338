"""Route choice on road networks by the recursive logit."""

from regmdp.models.routes.estimation import RouteEstimates, estimate
from regmdp.models.routes.features import Features, constant, left_turns, link_constants, next_link, u_turns
from regmdp.models.routes.likelihood import gradient, link_flows, log_likelihood, pair_flows
from regmdp.models.routes.network import Network
from regmdp.models.routes.reading import RouteData, read, read_demand, read_network, read_trips
from regmdp.models.routes.recursive_logit import RecursiveLogit
from regmdp.models.routes.simulation import simulate
from regmdp.models.routes.trips import Demand, Trips

__all__ = [
    "Demand",
    "Features",
    "Network",
    "RecursiveLogit",
    "RouteData",
    "RouteEstimates",
    "Trips",
    "constant",
    "estimate",
    "gradient",
    "left_turns",
    "link_constants",
    "link_flows",
    "log_likelihood",
    "next_link",
    "pair_flows",
    "read",
    "read_demand",
    "read_network",
    "read_trips",
    "simulate",
    "u_turns",
]
