"""Valid calls of gradients and of inverse reinforcement learning: objects and their methods."""

from collections.abc import Callable
from functools import cache

import numpy as np
from bad_input.fixtures import POLICY, REWARDS, VALUE, Q, log, model, transitions

import regmdp as rm

__all__ = ["CALLS"]

FEATURES = np.random.default_rng(0).random((3, 2, 2))
UNIFORM = np.full((3, 2), 0.5)
THETA = np.array([0.5, 0.25])


@cache
def features() -> rm.gradients.RewardFeatures:
    """Return a reward that is linear in two parameters."""
    return rm.gradients.RewardFeatures(model(), FEATURES)


@cache
def function() -> rm.gradients.ModelFunction:
    """Return a reward that is a function of two parameters."""
    return rm.gradients.ModelFunction(weigh_features, return_features, model())


def weigh_features(theta: np.ndarray) -> np.ndarray:
    """(K,) parameters -> (3, 2) rewards, from the first two."""
    with np.errstate(over="ignore", invalid="ignore"):
        return FEATURES[:, :, : theta.size] @ theta[:2]


def return_features(theta: np.ndarray) -> np.ndarray:
    """(K,) parameters -> (3, 2, K) derivatives."""
    return np.resize(FEATURES, (3, 2, theta.size))


@cache
def linear() -> rm.gradients.Linearization:
    """Return the linearization at a solution."""
    regularizer = rm.Shannon(0.5)
    return rm.gradients.linearize(model(), regularizer, rm.solve(model(), regularizer))


@cache
def gradient() -> rm.gradients.Gradient:
    """Return the gradient of the value."""
    return linear().gradient()


@cache
def perturbation() -> rm.gradients.Perturbation:
    """Return a direction."""
    return rm.gradients.Perturbation(rewards=REWARDS)


@cache
def estimate() -> rm.irl.RewardEstimate:
    """Return an estimated reward."""
    demonstrations = rm.irl.Demonstrations.from_policy(model(), UNIFORM)
    return rm.irl.match_features(features(), demonstrations, rm.Shannon(0.5), ridge=0.5)


CALLS: dict[str, Callable[[], dict[str, object]]] = {
    "regmdp.gradients.ModelFunction": lambda: {
        "function": weigh_features,
        "derivative": return_features,
        "mdp": model(),
    },
    "regmdp.gradients.Perturbation": lambda: {
        "rewards": REWARDS,
        "temperature": 0.5,
        "discount": 0.5,
        "reference": UNIFORM,
        "transitions": np.zeros((3, 2, 3)),
    },
    "regmdp.gradients.Gradient.directional_derivative": lambda: {
        "self": gradient(),
        "perturbation": perturbation(),
    },
    "regmdp.gradients.Gradient.directional_error": lambda: {
        "self": gradient(),
        "perturbation": perturbation(),
    },
    "regmdp.gradients.LowRankGradient.directional_derivative": lambda: {
        "self": gradient().transitions,
        "transitions": transitions(),
    },
    "regmdp.gradients.LowRankGradient.entries": lambda: {
        "self": gradient().transitions,
        "state": np.array([0, 1]),
        "action": np.array([0, 1]),
        "successor": np.array([2, 1]),
    },
    "regmdp.gradients.Linearization.derivative": lambda: {
        "self": linear(),
        "perturbation": perturbation(),
    },
    "regmdp.gradients.Linearization.gradient": lambda: {
        "self": linear(),
        "value": VALUE,
        "q": Q,
        "policy": Q,
    },
    "regmdp.gradients.Linearization.hessian_vector_product": lambda: {
        "self": linear(),
        "perturbation": perturbation(),
        "value": VALUE,
        "q": Q,
    },
    **{
        f"regmdp.gradients.{owner}.{method}": lambda make=make: {"self": make(), "theta": THETA}
        for owner, make in (("RewardFeatures", features), ("ModelFunction", function))
        for method in ("model", "perturbations")
    },
    "regmdp.gradients.ParametricModel.check_parameters": lambda: {
        "self": features(),
        "theta": THETA,
    },
    "regmdp.gradients.ParametricModel.pull_back": lambda: {
        "self": function(),
        "theta": THETA,
        "gradient": gradient(),
    },
    "regmdp.gradients.RewardFeatures.pull_back": lambda: {
        "self": features(),
        "theta": THETA,
        "gradient": gradient(),
    },
    "regmdp.gradients.RewardFeatures.rewards": lambda: {"self": features(), "theta": THETA},
    "regmdp.gradients.RewardFeatures.combine": lambda: {"self": features(), "weights": THETA},
    "regmdp.gradients.RewardFeatures.expectation": lambda: {"self": features(), "weights": Q},
    "regmdp.irl.Demonstrations.from_dataset": lambda: {"mdp": model(), "data": log()},
    "regmdp.irl.Demonstrations.from_occupancy": lambda: {
        "mdp": model(),
        "occupancy": rm.visits(model(), POLICY)[:, None] * POLICY,
        "tolerance": 1e-3,
    },
    "regmdp.irl.Demonstrations.from_trajectories": lambda: {
        "mdp": model(),
        "trajectories": [([0, 1], [1, 1]), ([0, 0], [0, 1])],
    },
    "regmdp.irl.identify": lambda: {"estimate": estimate()},
}
