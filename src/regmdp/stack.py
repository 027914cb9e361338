"""Problems of one size side by side, as one model whose parts are never left."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from regmdp._internal.arrays import Float, freeze
from regmdp.mdp import MDP, DenseTransitions, StateActionSpace
from regmdp.mdp.model_data import ModelData
from regmdp.mdp.stacked_transitions import StackedTransitions
from regmdp.problem import Problem
from regmdp.regularizers import Regularizer
from regmdp.regularizers.base import with_temperature

__all__ = ["Stack"]


@dataclass(frozen=True, eq=False)
class Stack:
    """N discounted problems with S states, A actions, one discount and one kind of regularizer.

    State s of problem i is state ``i * S + s`` of one model. So every method runs on all of them,
    with the formulas that it has for one; what is a number for one model, such as the largest
    residual, is a number for each part.

    Args:
        problems: The problems. Their regularizers differ in the temperature alone.

    Attributes:
        problems: The problems.
    """

    problems: Sequence[Problem]

    def __len__(self) -> int:
        return len(self.problems)

    @property
    def first(self) -> MDP:
        """The first model, whose sizes and discount all have."""
        return self.problems[0].mdp

    def split(self, array: np.ndarray) -> np.ndarray:
        """(N·S, …) array -> (N, S, …) the same array, part by part."""
        return array.reshape(len(self), self.first.n_states, *array.shape[1:])

    def subset(self, chosen: Sequence[int] | np.ndarray) -> Stack:
        """Return some of the problems."""
        return Stack([self.problems[i] for i in chosen])

    @cached_property
    def mdp(self) -> MDP:
        """The model of all of them."""
        models = [problem.mdp for problem in self.problems]
        spaces = [model.space for model in models]
        shape = len(models) * self.first.n_states, self.first.n_actions
        if all(space.all_available for space in spaces):
            available = np.broadcast_to(True, shape)
        else:
            available = freeze(np.asfortranarray(np.concatenate([s.available for s in spaces])))
        termination = np.broadcast_to(0.0, shape)
        if self.terminates.any():
            ends = np.concatenate([model.termination for model in models])
            termination = freeze(np.asfortranarray(ends))
        return MDP.from_checked(
            ModelData(
                StateActionSpace(available),
                self.first.discount,
                freeze(self.initial.ravel() / len(models)),
                StackedTransitions(_stack_rows(models), len(models), int(self.branching.max())),
                freeze(np.asfortranarray(np.concatenate([model.rewards for model in models]))),
                termination,
                float(self.mass_error.max()),
            )
        )

    @cached_property
    def regularizer(self) -> Regularizer:
        """The regularizer of all of them."""
        first = self.problems[0].regularizer
        whole, size = first, self.first.n_states
        if first.n_states is not None:
            whole = first.at(np.tile(np.arange(size), len(self)))
        if all(problem.regularizer is first for problem in self.problems):
            return whole
        each = [np.broadcast_to(problem.regularizer.temperature, size) for problem in self.problems]
        return with_temperature(whole, freeze(np.concatenate(each)))

    @cached_property
    def initial(self) -> Float[np.ndarray, "N S"]:
        """(N, S) the initial distributions."""
        return np.stack([problem.mdp.initial for problem in self.problems])

    @cached_property
    def max_temperature(self) -> Float[np.ndarray, " N"]:
        """(N,) largest temperature of each problem."""
        return np.array([problem.regularizer.max_temperature for problem in self.problems])

    @cached_property
    def reward_bound(self) -> Float[np.ndarray, " N"]:
        """(N,) largest absolute reward of each model."""
        return np.array([problem.mdp.reward_bound for problem in self.problems])

    @cached_property
    def branching(self) -> np.ndarray:
        """(N,) largest number of successors of a pair of each model."""
        return np.array([problem.mdp.transitions.branching for problem in self.problems])

    @cached_property
    def mass_error(self) -> Float[np.ndarray, " N"]:
        """(N,) bound on how far the rows of each model are from summing to 1."""
        return np.array([problem.mdp.mass_error for problem in self.problems])

    @cached_property
    def terminates(self) -> np.ndarray:
        """(N,) whether episodes of each model can terminate."""
        return np.array([problem.mdp.terminates for problem in self.problems])


def _stack_rows(models: Sequence[MDP]) -> Float[np.ndarray, "A K S S"]:
    """Return the rows of models, (A, N, S, S); or (A, 1, S, S) if they have the same ones."""
    first = models[0].transitions
    if all(model.transitions is first for model in models):
        models = models[:1]
    n_actions, n_states = first.n_actions, first.n_states
    rows = np.empty((n_actions, len(models), n_states, n_states))
    for i, model in enumerate(models):
        transitions = model.transitions
        if isinstance(transitions, DenseTransitions):
            for action in range(n_actions):
                rows[action, i] = transitions.part_arrays(action)[0]
        else:
            rows[:, i] = transitions.to_dense().transpose(1, 0, 2)
    return rows
