"""Evaluation by some sweeps of the policy's Bellman operator."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from regmdp._internal.arrays import Array, Float
from regmdp._internal.parameters import Integer, checked
from regmdp.evaluation.base import Evaluation, make_equation
from regmdp.mdp import MDP
from regmdp.regularizers import Regularizer

__all__ = ["Sweeps"]


@checked(count=Integer())
@dataclass(frozen=True)
class Sweeps(Evaluation):
    """Apply V ← T_π V a number of times to the guess.

    One sweep after each greedy step is value iteration, m sweeps are modified policy iteration.

    Args:
        count: Number of sweeps, at least 1.

    References:
        Puterman & Shin 1978, Management Science 24(11), "Modified policy iteration algorithms".
    """

    count: int

    exact = False

    def __call__(
        self,
        mdp: MDP,
        regularizer: Regularizer,
        policy: Float[Array, "S A"],
        guess: Float[Array, " S"],
        accuracy: float = 0.0,
    ) -> Float[np.ndarray, " S"]:
        chain, rewards = make_equation(mdp, regularizer, policy)
        value = np.asarray(guess)
        for _ in range(self.count):
            value = rewards + chain.propagate(value)
        return value
