"""The model: states, actions, transitions, rewards, and how an episode ends."""

from regmdp.mdp.decision_process import DecisionProcess, TiledProcess
from regmdp.mdp.mdp import MDP, initial_value
from regmdp.mdp.transitions import DenseTransitions, SparseTransitions, Transitions

__all__ = [
    "MDP",
    "DecisionProcess",
    "DenseTransitions",
    "SparseTransitions",
    "TiledProcess",
    "Transitions",
    "initial_value",
]
