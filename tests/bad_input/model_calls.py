"""Valid calls of named models, importers, gradients and inverse reinforcement learning."""

from collections.abc import Callable

import numpy as np
from bad_input.fixtures import POLICY, REWARDS, VALUE, listen, model, transitions

import regmdp as rm

__all__ = ["CALLS"]

UNIFORM = np.full((3, 2), 0.5)


def features() -> rm.gradients.RewardFeatures:
    """Return a reward that is linear in two parameters."""
    return rm.gradients.RewardFeatures(model(), np.random.default_rng(0).random((3, 2, 2)))


CALLS: dict[str, Callable[[], dict[str, object]]] = {
    "regmdp.models.bandit": lambda: {"rewards": (1.0, 0.5), "discount": 0.5},
    "regmdp.models.chain": lambda: {"n_states": 3, "distraction": 0.5, "discount": 0.5},
    "regmdp.models.forest": lambda: {
        "n_states": 3,
        "r1": 4.0,
        "r2": 2.0,
        "p": 0.5,
        "discount": 0.5,
    },
    "regmdp.models.garnet": lambda: {
        "n_states": 5,
        "n_actions": 2,
        "branching": 2,
        "rng": 1,
        "discount": 0.5,
    },
    "regmdp.models.gridworld": lambda: {
        "height": 3,
        "width": 3,
        "walls": "open",
        "start": (0, 0),
        "goal": (2, 2),
        "slip": 0.5,
        "goal_reward": 1.0,
        "step_reward": 0.5,
        "discount": 0.5,
    },
    "regmdp.models.gridworld_from_drawing": lambda: {
        "drawing": "S.\n.G",
        "slip": 0.5,
        "goal_reward": 1.0,
        "trap_reward": 0.5,
        "step_reward": 0.5,
        "discount": 0.5,
    },
    "regmdp.models.maze": lambda: {"height": 3, "width": 3, "rng": 1},
    "regmdp.models.queue": lambda: {
        "capacity": 3,
        "arrival": 0.5,
        "service": 0.5,
        "reward": 1.0,
        "holding": 0.5,
        "discount": 0.5,
    },
    "regmdp.models.rooms": lambda: {"height": 5, "width": 5},
    "regmdp.models.russell_norvig": lambda: {"slip": 0.5, "step_reward": 0.5, "discount": 0.5},
    "regmdp.models.exponential_chain": lambda: {
        "size": 10**6,
        "horizon": 4,
        "leak": 0.1,
        "boosters": 0.5,
        "discount": 0.5,
    },
    "regmdp.models.ExponentialChain": lambda: {
        "size": 10**6,
        "horizon": 4,
        "discount": 0.5,
        "leak": 0.1,
        "boosters": 0.5,
    },
    "regmdp.models.build_model": lambda: {"name": "chain"},
    "regmdp.models.find_model": lambda: {"name": "chain"},
    "regmdp.models.list_models": dict,
    "regmdp.models.model_names": dict,
    "regmdp.gradients.RewardFeatures": lambda: {
        "mdp": model(),
        "features": np.random.default_rng(0).random((3, 2, 2)),
    },
    "regmdp.gradients.linearize": lambda: {
        "mdp": model(),
        "regularizer": rm.Shannon(0.5),
        "solution": VALUE,
        "evaluation": rm.evaluation.Exact(),
    },
    "regmdp.gradients.value_and_gradient": lambda: {
        "parameters": features(),
        "theta": np.array([0.5, 0.25]),
        "regularizer": rm.Shannon(0.5),
        "tol": 0.01,
        "start": VALUE,
    },
    "regmdp.irl.expected_features": lambda: {
        "mdp": model(),
        "state": np.ones((3, 1)),
        "action": np.ones((2, 1)),
        "pair": np.ones((3, 2, 1)),
        "successor": np.ones((3, 1)),
        "transition": (),
        "known": 0.5,
    },
    "regmdp.irl.match_features": lambda: {
        "parameters": features(),
        "demonstrations": rm.irl.Demonstrations.from_policy(model(), UNIFORM),
        "regularizer": rm.Shannon(0.5),
        "ridge": 0.5,
        "start": np.array([0.0, 0.0]),
        "callback": listen,
    },
    "regmdp.irl.maximize_likelihood": lambda: {
        "parameters": features(),
        "demonstrations": rm.irl.Demonstrations.from_policy(model(), UNIFORM),
        "regularizer": rm.Shannon(0.5),
        "ridge": 0.5,
        "start": np.array([0.0, 0.0]),
        "callback": listen,
    },
    "regmdp.irl.reward_with_value": lambda: {
        "mdp": model(),
        "policy": UNIFORM,
        "value": VALUE,
        "regularizer": rm.Shannon(0.5),
    },
    "regmdp.irl.Demonstrations.from_policy": lambda: {"mdp": model(), "policy": POLICY},
    "regmdp.io.from_mdptoolbox": lambda: {
        "P": np.moveaxis(transitions(), 1, 0),
        "R": REWARDS,
        "discount": 0.5,
    },
    "regmdp.io.from_quantecon": lambda: {"R": REWARDS, "Q": transitions(), "beta": 0.5},
    "regmdp.io.from_quantecon#pairs": lambda: {
        "R": REWARDS.ravel(),
        "Q": transitions().reshape(6, 3),
        "beta": 0.5,
        "s_indices": np.repeat(np.arange(3), 2),
        "a_indices": np.tile(np.arange(2), 3),
    },
    "regmdp.io.to_mdptoolbox": lambda: {"mdp": model()},
    "regmdp.io.to_quantecon": lambda: {"mdp": model()},
    "regmdp.io.to_gymnasium": lambda: {"mdp": model(), "max_steps": 5},
}
