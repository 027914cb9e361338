"""Dutch eligibility traces, for true online TD(λ)."""

from __future__ import annotations

import numpy as np

from regmdp._internal.arrays import Array, Bool, Float, Int
from regmdp.evaluation.action_values import ActionValues
from regmdp.evaluation.sampled import RunBatch

__all__ = ["DutchTraces"]


class DutchTraces:
    """How far each pair moves when the return of an earlier visit changes, for each environment.

    Args:
        batch: The runs.
        trace_decay: λ.
        n_envs: M.
    """

    def __init__(self, batch: RunBatch, trace_decay: float, n_envs: int) -> None:
        pairs = batch.size * batch.n_actions
        self._shape = (batch.count, pairs)
        self._decay = batch.discount * trace_decay
        self._trace = np.zeros((batch.count, n_envs, pairs))
        self._retained = np.ones(self._shape)
        self._last_bootstrap = np.zeros((batch.count, n_envs))
        self._run, self._env = np.ogrid[: batch.count, :n_envs]

    def update(
        self,
        values: ActionValues,
        pair: Int[np.ndarray, "N M"],
        target: Float[np.ndarray, "N M"],
        bootstrap: Float[np.ndarray, "N M"],
        over: Array,
        ignored: Bool[np.ndarray, "N M"] | None,
    ) -> None:
        """Update the pairs just visited, and those visited before in the same episode.

        Args:
            values: The action values.
            pair: (N, M) pairs, numbered among those of all runs.
            target: (N, M) the targets of one step.
            bootstrap: (N, M) next states' values used in the targets, without the regularizer.
            over: (N, M) whether the episode terminated or was truncated.
            ignored: (N, M) steps that only reset an environment, or None.
        """
        trace, local = self._trace, pair - self._run * self._shape[1]
        trace *= self._decay
        q = values.q.reshape(self._shape)
        q += np.sum((target - self._last_bootstrap)[..., None] * trace, axis=1)
        step, hits = values.update(pair, target, ignored)
        # the step of a pair, by whichever environment, reduces the effect of earlier visits to it
        self._retained[self._run, local] = 1.0 - step
        trace *= self._retained[:, None, :]
        self._retained[self._run, local] = 1.0
        trace[self._run, self._env, local] += step / hits
        trace[over] = 0.0
        self._last_bootstrap = bootstrap
