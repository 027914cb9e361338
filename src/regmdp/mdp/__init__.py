"""The model: states, actions, transitions, rewards, and how an episode terminates."""

from regmdp.mdp.decision_process import DecisionProcess, StateActionSpace, TiledProcess
from regmdp.mdp.dense_transitions import DenseTransitions
from regmdp.mdp.layouts import GridLayout, Layout, LineLayout
from regmdp.mdp.mdp import MDP, expectation, initial_value
from regmdp.mdp.sparse_transitions import SparseTransitions
from regmdp.mdp.transitions import Transitions

__all__ = [
    "MDP",
    "DecisionProcess",
    "DenseTransitions",
    "GridLayout",
    "Layout",
    "LineLayout",
    "SparseTransitions",
    "StateActionSpace",
    "TiledProcess",
    "Transitions",
    "expectation",
    "initial_value",
]
