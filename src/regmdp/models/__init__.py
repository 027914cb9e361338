"""Named models, most of them with known optimal values.

Each is a function that returns an :class:`~regmdp.MDP`; :func:`build_model` calls it by its
name on the command line. Route choice on road networks is in :mod:`regmdp.routes`.
"""

from regmdp.models.exponential import ExponentialChain, exponential_chain
from regmdp.models.garnets import garnet
from regmdp.models.gridworlds import gridworld, gridworld_from_drawing, maze, rooms, russell_norvig
from regmdp.models.icu import ICU_NOTICE, icu_sepsis, icu_sepsis_expert
from regmdp.models.queues import queue
from regmdp.models.registry import NamedModel, build_model, find_model, list_models, model_names
from regmdp.models.small import bandit, chain, forest

__all__ = [
    "ICU_NOTICE",
    "ExponentialChain",
    "NamedModel",
    "bandit",
    "build_model",
    "chain",
    "exponential_chain",
    "find_model",
    "forest",
    "garnet",
    "gridworld",
    "gridworld_from_drawing",
    "icu_sepsis",
    "icu_sepsis_expert",
    "list_models",
    "maze",
    "model_names",
    "queue",
    "rooms",
    "russell_norvig",
]
