"""Route choice on road networks by the recursive logit."""

from regmdp.applications.routes.estimation import RouteEstimates, estimate
from regmdp.applications.routes.features import (
    LinkFeatures,
    constant,
    left_turns,
    link_attribute,
    link_constants,
    u_turns,
)
from regmdp.applications.routes.likelihood import (
    link_flows,
    log_likelihood,
    log_likelihood_gradient,
    pair_flows,
)
from regmdp.applications.routes.network import RoadNetwork
from regmdp.applications.routes.reading import (
    RouteData,
    read_demand,
    read_folder,
    read_network,
    read_trips,
)
from regmdp.applications.routes.recursive_logit import RecursiveLogit
from regmdp.applications.routes.simulation import simulate_trips
from regmdp.applications.routes.trips import Demand, Trips

__all__ = [
    "Demand",
    "LinkFeatures",
    "RecursiveLogit",
    "RoadNetwork",
    "RouteData",
    "RouteEstimates",
    "Trips",
    "constant",
    "estimate",
    "left_turns",
    "link_attribute",
    "link_constants",
    "link_flows",
    "log_likelihood",
    "log_likelihood_gradient",
    "pair_flows",
    "read_demand",
    "read_folder",
    "read_network",
    "read_trips",
    "simulate_trips",
    "u_turns",
]
