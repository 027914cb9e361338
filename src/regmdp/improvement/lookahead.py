"""Lookahead: an improvement with the action values several steps ahead."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from regmdp import bellman
from regmdp._internal.arrays import Array, Float
from regmdp._internal.errors import SolverError
from regmdp._internal.parameters import Instance, Integer, checked
from regmdp.improvement.base import Candidate, Improvement, ImprovementResult
from regmdp.mdp import MDP, DecisionProcess
from regmdp.regularizers import Regularizer

__all__ = ["Lookahead"]


@checked(improvement=Instance(Improvement), depth=Integer())
@dataclass(frozen=True)
class Lookahead(Improvement):
    r"""Another improvement, with the action values \(Q_h = r + \gamma P T^{h-1} V\) instead of Q.

    Args:
        improvement: The improvement.
        depth: h, at least 1; 1 changes nothing.

    References:
        Protopapas & Barakat 2024, NeurIPS, "Policy mirror descent with lookahead", equation 6.
    """

    improvement: Improvement
    depth: int

    def __call__(
        self, mdp: DecisionProcess, regularizer: Regularizer, candidate: Candidate
    ) -> ImprovementResult:
        if not isinstance(mdp, MDP):
            raise SolverError(
                "a lookahead of several steps needs a model with known transition probabilities"
            )
        backups = [candidate.value]
        for _ in range(self.depth - 1):
            backups.append(bellman.backup(mdp, regularizer, backups[-1]))
        improved = self.improvement(
            mdp, regularizer, replace(candidate, value=backups[-1], depth=self.depth)
        )
        return improved if self.depth == 1 else improved._replace(backup=backups[1])

    def check(self, mdp: DecisionProcess, regularizer: Regularizer) -> None:
        self.improvement.check(mdp, regularizer)

    def initial_dual(
        self, mdp: DecisionProcess, regularizer: Regularizer, policy: Float[Array, "S A"]
    ) -> Float[np.ndarray, "S A"] | None:
        return self.improvement.initial_dual(mdp, regularizer, policy)
