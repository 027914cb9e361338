"""Exact evaluation plus errors of known size, as in theorems on inexact evaluation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from regmdp import bellman
from regmdp._internal.arrays import Array, Float
from regmdp._internal.errors import SolverError
from regmdp._internal.parameters import Number, Option, checked
from regmdp.evaluation.exact import Exact
from regmdp.evaluation.sampled import Estimate, RunBatch, SampledEvaluation, evaluate_q
from regmdp.mdp import MDP, DecisionProcess
from regmdp.regularizers import Regularizer

__all__ = ["Noisy"]


@checked(delta=Number(0.0), kind=Option("uniform", "sign", "adversarial"))
@dataclass(frozen=True)
class Noisy(SampledEvaluation):
    r"""The action values of the policy, with an error of at most δ in each.

    Args:
        delta: δ ≥ 0, in the unit of the rewards.
        kind: "uniform": independent errors, uniform in [-δ, δ]. "sign": independently -δ or δ.
            "adversarial": -δ for actions better than the policy's average, δ for worse ones, which
            slows the improvement down as much as possible.

    Examples:
        >>> import numpy as np, regmdp as rm
        >>> algorithm = rm.algorithms.NPG(step_size=0.5, evaluation=rm.evaluation.Noisy(1e-3))
        >>> mdp, rng = rm.models.chain(5), np.random.default_rng(0)
        >>> result = rm.learn(mdp, rm.Shannon(0.1), algorithm, max_iterations=50, rng=rng)
        >>> rm.certify(mdp, rm.Shannon(0.1), policy=result.policy[0]).gap < 0.1
        True

    References:
        Cen, Cheng, Chen, Wei & Chi 2022, Operations Research 70(4), Theorem 2: convergence to
        an error in proportion to δ.
    """

    delta: float
    kind: Literal["uniform", "sign", "adversarial"] = "uniform"

    def check(self, source: DecisionProcess, regularizer: Regularizer) -> None:
        if not isinstance(source, MDP):
            raise SolverError(
                f"exact values with added errors need an MDP, not {type(source).__name__}"
            )

    def __call__(
        self,
        batch: RunBatch,
        regularizer: Regularizer,
        policy: Float[Array, "NS A"],
        previous: Estimate | None,
    ) -> Estimate:
        mdp, size = batch.mdp, batch.size
        guess = np.zeros(policy.shape[0]) if previous is None else previous.value
        q = np.empty(policy.shape)
        for run in range(batch.count):
            states = slice(run * size, (run + 1) * size)
            value = Exact()(
                mdp, regularizer.at(states), np.asfortranarray(policy[states]), guess[states]
            )
            q[states] = bellman.q_values(mdp, value)
        known = np.isfinite(q)
        q = np.where(
            known, q + self.delta * self._draw_errors(batch, policy, np.where(known, q, 0.0)), q
        )
        error = np.full(batch.count, float(self.delta))
        return Estimate(q, evaluate_q(batch, regularizer, policy, q), 0, error=error)

    def _draw_errors(
        self, batch: RunBatch, policy: Float[Array, "NS A"], q: Float[Array, "NS A"]
    ) -> Float[np.ndarray, "NS A"]:
        """Return (N·S, A) errors in [-1, 1]."""
        if self.kind == "adversarial":
            return np.where(q > np.sum(policy * q, axis=1, keepdims=True), -1.0, 1.0)
        u = batch.streams.uniform(batch.size, batch.n_actions).reshape(q.shape)
        return 2.0 * u - 1.0 if self.kind == "uniform" else np.where(u < 0.5, -1.0, 1.0)
