"""Exact quantities of the experiment on gradient estimates, without samples."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from regmdp._internal.arrays import Float
from regmdp.regularizers import Shannon
from regmdp.reproduce.experiments.variance_gradients import (
    compute_gradient,
    compute_plug_in_variance,
    compute_rollout_variance,
    compute_truncated_gradient,
)
from regmdp.reproduce.experiments.variance_runs import (
    BASELINE,
    GENERATIVE,
    PLAIN,
    Settings,
    draw_policy,
    make_problem,
)

__all__ = ["ExactQuantities", "compute_exact_quantities"]


class ExactQuantities(NamedTuple):
    """Exact gradients and variances of the estimates.

    Attributes:
        gradient: (S, A) ∇V(ρ).
        truncated: (S, A) expectation of the estimates from whole episodes.
        one: Variance of REINFORCE with one episode.
        one_baseline: The same with the exact baseline.
        plug_in: n times the variance of the plug-in gradient, as n → ∞.
    """

    gradient: Float[np.ndarray, "S A"]
    truncated: Float[np.ndarray, "S A"]
    one: float
    one_baseline: float
    plug_in: float

    @property
    def size(self) -> float:
        """‖∇V(ρ)‖."""
        return float(np.linalg.norm(self.gradient))

    @property
    def truncation_bias(self) -> Float[np.ndarray, " SA"]:
        """(S·A,) bias of whole episodes."""
        return (self.truncated - self.gradient).ravel()

    def closed_forms(self, settings: Settings) -> dict[str, Float[np.ndarray, " n"]]:
        """Return the (n,) mean squared errors for each budget, by arm with a closed form."""
        used = {
            arm: np.array([float(settings.episodes_for_gradient(arm, n)) for n in settings.pairs])
            for arm in (PLAIN, BASELINE)
        }
        return {
            PLAIN: self.one / used[PLAIN],
            BASELINE: self.one_baseline / used[BASELINE],
            GENERATIVE: self.plug_in / np.array(settings.pairs),
        }


def compute_exact_quantities(settings: Settings) -> ExactQuantities:
    """Compute the exact quantities."""
    mdp, regularizer, policy = (
        make_problem(settings),
        Shannon(settings.temperature),
        draw_policy(settings),
    )
    return ExactQuantities(
        compute_gradient(mdp, regularizer, policy),
        compute_truncated_gradient(mdp, regularizer, policy, settings.cut),
        compute_rollout_variance(mdp, regularizer, policy, baseline=False),
        compute_rollout_variance(mdp, regularizer, policy, baseline=True),
        compute_plug_in_variance(mdp, regularizer, policy),
    )
