"""Route choice on road networks by the recursive logit."""

from regmdp.applications.routes.estimation import RouteEstimates, estimate
from regmdp.applications.routes.features import (
    Features,
    constant,
    left_turns,
    link_constants,
    next_link,
    u_turns,
)
from regmdp.applications.routes.likelihood import gradient, link_flows, log_likelihood, pair_flows
from regmdp.applications.routes.network import Network
from regmdp.applications.routes.reading import (
    RouteData,
    read,
    read_demand,
    read_network,
    read_trips,
)
from regmdp.applications.routes.recursive_logit import RecursiveLogit
from regmdp.applications.routes.simulation import simulate
from regmdp.applications.routes.trips import Demand, Trips

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
