"""The model: states, actions, transitions, rewards, and how an episode terminates."""

from regmdp.mdp.decision_process import DecisionProcess, StateActionSpace, TiledProcess
from regmdp.mdp.dense_transitions import DenseTransitions
from regmdp.mdp.dimension_layout import DimensionLayout
from regmdp.mdp.function_storage import FunctionTransitions
from regmdp.mdp.labels import StatesLike
from regmdp.mdp.layouts import GridLayout, Layout, LineLayout
from regmdp.mdp.mdp import MDP, expectation, initial_value
from regmdp.mdp.objective import GoalOptions, Objective, ObjectiveKind
from regmdp.mdp.sparse_transitions import SparseTransitions
from regmdp.mdp.transitions import Transitions

__all__ = [
    "MDP",
    "DecisionProcess",
    "DenseTransitions",
    "DimensionLayout",
    "FunctionTransitions",
    "GoalOptions",
    "GridLayout",
    "Layout",
    "LineLayout",
    "Objective",
    "ObjectiveKind",
    "SparseTransitions",
    "StateActionSpace",
    "StatesLike",
    "TiledProcess",
    "Transitions",
    "expectation",
    "initial_value",
]
