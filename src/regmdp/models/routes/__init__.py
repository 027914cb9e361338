"""Route choice on road networks by the recursive logit."""

from regmdp.models.routes.features import Features, constant, left_turns, link_constants, next_link, u_turns
from regmdp.models.routes.network import Network
from regmdp.models.routes.recursive_logit import RecursiveLogit
from regmdp.models.routes.trips import Demand, Trips

__all__ = [
    "Demand",
    "Features",
    "Network",
    "RecursiveLogit",
    "Trips",
    "constant",
    "left_turns",
    "link_constants",
    "next_link",
    "u_turns",
]
