"""What is learned: environment, steps, and the options of both sides. The peer's are those of RL Zoo."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Task:
    """One task.

    Attributes:
        env: The environment.
        steps: Steps that may be taken.
        method: Our method.
        options: Its options; "regularizer" as a name and its arguments.
        peer: The peer's method, or None if it has none.
        peer_options: Its options; "n_envs" is the number of copies.
    """

    env: str
    steps: int
    method: str
    options: dict[str, Any] = field(default_factory=dict)
    peer: str | None = None
    peer_options: dict[str, Any] = field(default_factory=dict)


TRPO_ZOO = {
    "n_envs": 2, "n_steps": 512, "batch_size": 512, "cg_damping": 1e-3, "gamma": 0.98, "gae_lambda": 0.98, "n_critic_updates": 20,
    "learning_rate": 1e-3,
}  # fmt: skip

TASKS = {
    "trpo-cartpole": Task("CartPole-v1", 50_000, "TRPO", {"discount": 0.98, "trace": 0.98}, "TRPO", TRPO_ZOO),
    "a2c-cartpole": Task("CartPole-v1", 500_000, "A2C", {}, "A2C", {"n_envs": 8, "ent_coef": 0.0}),
    "a3c-cartpole": Task("CartPole-v1", 200_000, "A3C", {"workers": 2}),
    "a2c-acrobot": Task("Acrobot-v1", 500_000, "A2C", {"copies": 16}, "A2C", {"n_envs": 16, "ent_coef": 0.0}),
    "sac-pendulum": Task("Pendulum-v1", 20_000, "SAC", {"adapt": 1.0}, "SAC", {"learning_rate": 1e-3}),
    "sac-cartpole": Task("CartPole-v1", 20_000, "SAC", {"regularizer": ("Shannon", 0.3)}),
    "tsallis-sac-cartpole": Task("CartPole-v1", 20_000, "SAC", {"regularizer": ("Tsallis", 1.5, 0.3)}),
    "mdpo-cartpole": Task("CartPole-v1", 50_000, "MDPO", {"regularizer": ("Shannon", 0.3)}),
    "gpmd-cartpole": Task("CartPole-v1", 50_000, "GPMD", {"regularizer": ("Shannon", 0.3)}),
}
