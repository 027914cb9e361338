"""Tasks: environment, steps, and options of both libraries.

The options of Stable-Baselines3 are those of RL Zoo.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Task:
    """One task.

    Attributes:
        env: The environment.
        steps: Steps of the run.
        method: Class of regmdp.
        options: Its options; "regularizer" is a name and arguments, a network those of `mlp`.
        sb3_method: Class of Stable-Baselines3, or None if it has none.
        sb3_options: Its options; "n_envs" is the number of copies.
    """

    env: str
    steps: int
    method: str
    options: dict[str, Any] = field(default_factory=dict)
    sb3_method: str | None = None
    sb3_options: dict[str, Any] = field(default_factory=dict)


TRPO_CARTPOLE = {
    "n_envs": 2,
    "n_steps": 512,
    "batch_size": 512,
    "cg_damping": 1e-3,
    "gamma": 0.99,
    "gae_lambda": 0.98,
    "n_critic_updates": 20,
    "learning_rate": 1e-3,
}
REGMDP_TRPO_CARTPOLE = {
    "n_envs": 2,
    "horizon": 512,
    "batch_size": 512,
    "damping": 1e-3,
    "gae_lambda": 0.98,
    "critic_epochs": 20,
}
TRPO_MUJOCO = {
    "normalize": True,
    "n_envs": 2,
    "n_steps": 1024,
    "batch_size": 128,
    "cg_max_steps": 25,
    "cg_damping": 0.1,
    "gamma": 0.99,
    "gae_lambda": 0.95,
    "n_critic_updates": 20,
    "learning_rate": 1e-3,
}
REGMDP_A2C_ACROBOT = {"n_envs": 16, "normalize": True, "regularizer": ("Shannon", 0.0)}
A2C_ACROBOT = {"normalize": True, "n_envs": 16, "ent_coef": 0.0}
#: Options of regmdp equal to those of RL Zoo. Stable-Baselines3 takes the mean of the divergence
#: over the d dimensions of an action, so that its limit 0.01 and its damping 0.1 are d times as
#: large here.
REGMDP_MUJOCO = {
    "normalize": True,
    "n_envs": 2,
    "horizon": 1024,
    "conjugate_gradient_steps": 25,
    "critic_epochs": 20,
    "batch_size": 128,
}
REGMDP_HOPPER = {**REGMDP_MUJOCO, "max_kl": 0.03, "damping": 0.3}
REGMDP_WALKER = {**REGMDP_MUJOCO, "max_kl": 0.06, "damping": 0.6}
SAC_MOUNTAIN_CAR = {
    "learning_rate": 3e-4,
    "buffer_size": 50_000,
    "batch_size": 512,
    "ent_coef": 0.1,
    "train_freq": 32,
    "gradient_steps": 32,
    "gamma": 0.9999,
    "tau": 0.01,
    "learning_starts": 0,
    "use_sde": True,
    "policy_kwargs": {"log_std_init": -3.67, "net_arch": [64, 64]},
}
#: Options of RL Zoo, with persistent noise instead of state-dependent noise.
REGMDP_MOUNTAIN_CAR = {
    "learning_rate": 3e-4,
    "buffer_size": 50_000,
    "batch_size": 512,
    "regularizer": ("Shannon", 0.1),
    "train_freq": 32,
    "discount": 0.9999,
    "polyak": 0.01,
    "learning_starts": 1_000,
    "noise_persistence": 0.98,
}
SAC_MUJOCO = {"learning_starts": 10_000}
REGMDP_SAC_MUJOCO = {
    "learning_rate": 3e-4,
    "buffer_size": 1_000_000,
    "batch_size": 256,
    "polyak": 0.005,
    "learning_starts": 10_000,
    "network": {"hidden": (256, 256), "activation": "relu", "output_scale": 0.01},
    "critic": {"hidden": (256, 256), "activation": "relu"},
}
#: Equal on both sides for a race: networks, learning rates and transitions in a step.
REGMDP_SAC_RACE = {**REGMDP_SAC_MUJOCO, "learning_starts": 100}
NARROW = {"network": {"activation": "relu", "output_scale": 0.01}, "critic": {"activation": "relu"}}

TASKS = {
    "trpo-cartpole": Task(
        "CartPole-v1", 50_000, "TRPO", {"gae_lambda": 0.98}, "TRPO", TRPO_CARTPOLE
    ),
    "a2c-cartpole": Task("CartPole-v1", 500_000, "A2C", {}, "A2C", {"n_envs": 8, "ent_coef": 0.0}),
    "a3c-cartpole": Task("CartPole-v1", 200_000, "A3C", {"workers": 2}),
    "a2c-acrobot": Task("Acrobot-v1", 500_000, "A2C", REGMDP_A2C_ACROBOT, "A2C", A2C_ACROBOT),
    "a3c-acrobot": Task("Acrobot-v1", 500_000, "A3C", {"workers": 2}),
    "mdpo-on-policy-cartpole": Task("CartPole-v1", 50_000, "OnPolicyMDPO", {}),
    "sac-pendulum": Task("Pendulum-v1", 20_000, "SAC", {}, "SAC", {"learning_rate": 1e-3}),
    "sac-pendulum-10k": Task("Pendulum-v1", 10_000, "SAC", {}, "SAC", {"learning_rate": 1e-3}),
    "sac-mountain-car": Task(
        "MountainCarContinuous-v0", 50_000, "SAC", REGMDP_MOUNTAIN_CAR, "SAC", SAC_MOUNTAIN_CAR
    ),
    "sac-cartpole": Task("CartPole-v1", 20_000, "SAC", {"regularizer": ("Shannon", 0.3)}),
    "tsallis-sac-cartpole": Task(
        "CartPole-v1", 20_000, "SAC", {"regularizer": ("Tsallis", 1.5, 0.3)}
    ),
    "munchausen-sac-cartpole": Task(
        "CartPole-v1", 50_000, "SAC", {"regularizer": ("Shannon", 0.3), "munchausen": 0.5}
    ),
    "mdpo-cartpole": Task("CartPole-v1", 50_000, "MDPO", {"regularizer": ("Shannon", 0.3)}),
    "gpmd-cartpole": Task("CartPole-v1", 50_000, "GPMD", {"regularizer": ("Shannon", 0.3)}),
    "kl-gpmd-cartpole": Task(
        "CartPole-v1", 50_000, "GPMD", {"regularizer": ("KL", (0.3, 0.7), 0.3)}
    ),
    "trpo-hopper": Task("Hopper-v5", 1_000_000, "TRPO", REGMDP_HOPPER, "TRPO", TRPO_MUJOCO),
    "trpo-walker": Task("Walker2d-v5", 1_000_000, "TRPO", REGMDP_WALKER, "TRPO", TRPO_MUJOCO),
    "sac-hopper": Task("Hopper-v5", 200_000, "SAC", REGMDP_SAC_MUJOCO, "SAC", SAC_MUJOCO),
    "sac-cheetah": Task("HalfCheetah-v5", 200_000, "SAC", REGMDP_SAC_MUJOCO, "SAC", SAC_MUJOCO),
}

#: Short runs with the same options of both libraries, for their speed only.
RACES = {
    "race-trpo-cartpole": Task(
        "CartPole-v1", 50_000, "TRPO", REGMDP_TRPO_CARTPOLE, "TRPO", TRPO_CARTPOLE
    ),
    "race-trpo-hopper": Task("Hopper-v5", 50_000, "TRPO", REGMDP_HOPPER, "TRPO", TRPO_MUJOCO),
    "race-sac-64": Task(
        "Pendulum-v1",
        10_000,
        "SAC",
        {**REGMDP_SAC_RACE, **NARROW},
        "SAC",
        {"policy_kwargs": {"net_arch": [64, 64]}},
    ),
    "race-sac-256": Task("Pendulum-v1", 5_000, "SAC", REGMDP_SAC_RACE, "SAC", {}),
    "race-a3c-cartpole": Task("CartPole-v1", 200_000, "A3C", {"workers": 2}),
}
