"""Named models with known answers.

Each is a function that returns an :class:`~regmdp.mdp.MDP`; :func:`build` finds it by the name it has on the command line. Route
choice on road networks is in :mod:`regmdp.models.routes`.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from regmdp.models.exponential import ExponentialChain, exponential_chain
from regmdp.models.garnets import garnet
from regmdp.models.gridworlds import gridworld, gridworld_from_drawing, maze, rooms, russell_norvig
from regmdp.models.icu import ICU_NOTICE, icu_sepsis, icu_sepsis_expert
from regmdp.models.queues import queue
from regmdp.models.registry import NamedModel, build, catalogue, find, names
from regmdp.models.small import bandit, chain, forest

if TYPE_CHECKING:
    from regmdp.models import routes

__all__ = [
    "ICU_NOTICE",
    "ExponentialChain",
    "NamedModel",
    "bandit",
    "build",
    "catalogue",
    "chain",
    "exponential_chain",
    "find",
    "forest",
    "garnet",
    "gridworld",
    "gridworld_from_drawing",
    "icu_sepsis",
    "icu_sepsis_expert",
    "maze",
    "names",
    "queue",
    "rooms",
    "routes",
    "russell_norvig",
]


def __getattr__(name: str) -> Any:
    """Import route choice when it is first asked for."""
    if name == "routes":
        return import_module("regmdp.models.routes")
    raise AttributeError(f"module 'regmdp.models' has no attribute {name!r}")
