"""Environments as pure functions that JAX can compile: CartPole-v1 and Pendulum-v1."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import jax
import jax.numpy as jnp

from regmdp._internal.arrays import Float
from regmdp._internal.parameters import Function, Integer, Text, checked
from regmdp.deep.options import INT32_MAX
from regmdp.deep.types import AnyArray, JaxArray

__all__ = ["CARTPOLE", "PENDULUM", "Dynamics", "DynamicsStep"]


class DynamicsStep(NamedTuple):
    """One step: the next state, the reward, and whether the episode terminated."""

    state: JaxArray
    reward: JaxArray
    terminated: JaxArray


@checked(
    reset=Function(),
    step=Function(),
    observe=Function(),
    max_steps=Integer(1, INT32_MAX),
    env=Text(),
)
@dataclass(frozen=True)
class Dynamics:
    """An environment as functions of its state.

    Attributes:
        reset: From a random key to a (d,) first state.
        step: From a (d,) state and an action to the step taken.
        observe: From a (d,) state to an (inputs,) observation.
        max_steps: Steps after which an episode is truncated.
        env: Its name in Gymnasium.
    """

    reset: Callable[[JaxArray], JaxArray]
    step: Callable[[JaxArray, JaxArray], DynamicsStep]
    observe: Callable[[JaxArray], JaxArray]
    max_steps: int
    env: str


def _cartpole_reset(key: JaxArray) -> Float[JaxArray, " four"]:
    return jax.random.uniform(key, (4,), minval=-0.05, maxval=0.05)


def _cartpole_step(state: Float[JaxArray, " four"], action: AnyArray) -> DynamicsStep:
    """Push the cart left (0) or right (1): Barto, Sutton & Anderson 1983, by Euler's method."""
    gravity, pole_mass, total_mass, half_length, interval = 9.8, 0.1, 1.1, 0.5, 0.02
    x, speed, angle, angular_speed = state
    force = jnp.where(action == 1, 10.0, -10.0)
    cosine, sine = jnp.cos(angle), jnp.sin(angle)
    push = (force + pole_mass * half_length * angular_speed**2 * sine) / total_mass
    angular_acceleration = (gravity * sine - cosine * push) / (
        half_length * (4.0 / 3.0 - pole_mass * cosine**2 / total_mass)
    )
    acceleration = push - pole_mass * half_length * angular_acceleration * cosine / total_mass
    after = jnp.stack(
        [
            x + interval * speed,
            speed + interval * acceleration,
            angle + interval * angular_speed,
            angular_speed + interval * angular_acceleration,
        ]
    )
    fallen = (jnp.abs(after[0]) > 2.4) | (jnp.abs(after[2]) > 12 * 2 * jnp.pi / 360)
    return DynamicsStep(after, jnp.ones(()), fallen)


def _pendulum_reset(key: JaxArray) -> Float[JaxArray, " two"]:
    return jax.random.uniform(key, (2,), minval=-1.0, maxval=1.0) * jnp.array([jnp.pi, 1.0])


def _pendulum_step(state: Float[JaxArray, " two"], action: JaxArray) -> DynamicsStep:
    """Apply a torque to the pendulum; an angle of 0 is upright."""
    gravity, interval = 10.0, 0.05
    angle, angular_speed = state
    torque = jnp.clip(action[0], -2.0, 2.0)
    from_upright = (angle + jnp.pi) % (2 * jnp.pi) - jnp.pi
    reward = -(from_upright**2 + 0.1 * angular_speed**2 + 0.001 * torque**2)
    angular_speed = jnp.clip(
        angular_speed + (1.5 * gravity * jnp.sin(angle) + 3.0 * torque) * interval, -8.0, 8.0
    )
    after = jnp.stack([angle + angular_speed * interval, angular_speed])
    return DynamicsStep(after, reward, jnp.zeros((), bool))


def _pendulum_observe(state: Float[JaxArray, " two"]) -> Float[JaxArray, " three"]:
    return jnp.stack([jnp.cos(state[0]), jnp.sin(state[0]), state[1]])


CARTPOLE = Dynamics(_cartpole_reset, _cartpole_step, lambda state: state, 500, "CartPole-v1")
PENDULUM = Dynamics(_pendulum_reset, _pendulum_step, _pendulum_observe, 200, "Pendulum-v1")
