"""Valid calls of learners and their parts."""

import tempfile
from collections.abc import Callable
from dataclasses import MISSING, fields
from functools import cache, partial
from pathlib import Path

import gymnasium
import numpy as np
from bad_input.fixtures import listen, rng

import regmdp as rm
from regmdp import deep

__all__ = ["CALLS"]

LEARNERS = ("A2C", "A3C", "GPMD", "MDPO", "OnPolicyMDPO", "SAC", "TRPO")

#: Values of options that differ from their defaults.
OPTIONS = {"env": "CartPole-v1", "n_envs": 1, "target_entropy": 0.5}


def _options(name: str) -> dict[str, object]:
    """Return values of all options of a learner."""
    return {
        option.name: option.default
        if option.default_factory is MISSING
        else option.default_factory()
        for option in fields(getattr(deep, name))
    } | {
        option.name: OPTIONS[option.name]
        for option in fields(getattr(deep, name))
        if option.name in OPTIONS
    }


@cache
def learner() -> deep.A2C:
    """Return a small learner."""
    return deep.A2C("CartPole-v1", n_envs=1, horizon=2, network=deep.mlp((4,)))


@cache
def asynchronous_learner() -> deep.A3C:
    """Return a learner with a worker."""
    return deep.A3C("CartPole-v1", workers=1)


@cache
def saved_learner() -> Path:
    """Return a file with the learner."""
    path = Path(tempfile.mkdtemp()) / "learner.npz"
    learner().save(path)
    return path


@cache
def environments() -> deep.Environments:
    """Return two copies of an environment."""
    made = deep.Environments("CartPole-v1", 2)
    made.reset(0)
    return made


@cache
def board() -> deep.TensorBoard:
    """Return a callback that writes files in a folder of its own."""
    return deep.TensorBoard(tempfile.mkdtemp())


def event() -> rm.Event:
    """Return an event of a learner."""
    return rm.Event(1, 0.5, {"steps": 3.0, "mean_return": 1.0})


CALLS: dict[str, Callable[[], dict[str, object]]] = {
    **{f"regmdp.deep.{name}": partial(_options, name) for name in LEARNERS},
    "regmdp.deep.Learner.learn": lambda: {"self": learner(), "steps": 0, "callback": listen},
    "regmdp.deep.A3C.learn": lambda: {
        "self": asynchronous_learner(),
        "steps": 0,
        "callback": listen,
    },
    "regmdp.deep.Learner.predict": lambda: {
        "self": learner(),
        "observation": np.zeros(4),
        "greedy": False,
        "rng": rng(),
    },
    "regmdp.deep.Learner.policy": lambda: {"self": learner(), "observations": np.zeros((3, 4))},
    "regmdp.deep.Learner.evaluate": lambda: {"self": learner(), "episodes": 1, "seed": 0},
    "regmdp.deep.Learner.save": lambda: {"self": learner(), "path": Path("learner.npz")},
    "regmdp.deep.Learner.checkpoint": lambda: {"self": learner(), "path": Path("learner.npz")},
    "regmdp.deep.Learner.load": lambda: {"path": saved_learner(), "trust_environment": False},
    "regmdp.deep.AdaptiveStepSize": lambda: {
        "target_kl": 0.5,
        "initial": 0.5,
        "learning_rate": 0.5,
    },
    "regmdp.deep.Categorical": lambda: {"regularizer": rm.Shannon(0.1), "n_actions": 3},
    **{
        f"regmdp.deep.{name}": lambda: {
            "regularizer": rm.Shannon(0.1),
            "space": gymnasium.spaces.Box(-1.0, 1.0, (2,)),
        }
        for name in ("Gaussian", "SquashedGaussian")
    },
    "regmdp.deep.Simplex": lambda: {"regularizer": rm.Shannon(0.1)},
    "regmdp.deep.Dynamics": lambda: {
        "reset": deep.CARTPOLE.reset,
        "step": deep.CARTPOLE.step,
        "observe": deep.CARTPOLE.observe,
        "max_steps": 5,
        "env": "CartPole-v1",
    },
    "regmdp.deep.Environments": lambda: {"env": "CartPole-v1", "count": 2},
    "regmdp.deep.Environments.reset": lambda: {"self": environments(), "seed": 0},
    "regmdp.deep.Environments.step": lambda: {"self": environments(), "actions": np.array([0, 1])},
    "regmdp.deep.Environments.encode": lambda: {
        "self": environments(),
        "observations": np.zeros((2, 4)),
    },
    "regmdp.deep.NetworkFunctions": lambda: {
        "init": learner().network.init,
        "apply": learner().network.apply,
        "spec": {"hidden": [4]},
    },
    "regmdp.deep.TensorBoard": lambda: {"folder": Path("board")},
    "regmdp.deep.TensorBoard.__call__": lambda: {
        "self": board(),
        "event": event(),
    },
    "regmdp.deep.from_equinox": lambda: {"make": lambda key, inputs, outputs: lambda x: x},
    "regmdp.deep.generalized_advantages": lambda: {
        **dict.fromkeys(("reward", "value", "successor_value"), np.ones((3, 2))),
        **dict.fromkeys(("terminated", "truncated"), np.zeros((3, 2), bool)),
        "discount": 0.5,
        "gae_lambda": 0.5,
    },
    "regmdp.deep.mlp": lambda: {"hidden": [4, 4], "activation": "tanh", "output_scale": 0.5},
}
