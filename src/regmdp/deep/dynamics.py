"""Environments that are functions, for what JAX compiles whole: the dynamics of Gymnasium's CartPole-v1 and Pendulum-v1."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from regmdp._internal.arrays import Array, Float

__all__ = ["CARTPOLE", "PENDULUM", "Dynamics", "Moved"]


class Moved(NamedTuple):
    """One step: the next state, the reward, and whether the episode ended there."""

    state: Array
    reward: Array
    terminated: Array


class Dynamics(NamedTuple):
    """An environment without a memory of its own.

    Attributes:
        reset: From a random key to a (d,) first state.
        step: From a (d,) state and an action to where it leads.
        observe: From a (d,) state to an (inputs,) observation.
        limit: Steps after which an episode is cut off.
        env: Gymnasium's name of it.
    """

    reset: Callable[[Array], Array]
    step: Callable[[Array, Any], Moved]
    observe: Callable[[Array], Array]
    limit: int
    env: str


def _cartpole_reset(key: Array) -> Float[Array, " four"]:
    return jax.random.uniform(key, (4,), minval=-0.05, maxval=0.05)


def _cartpole_step(state: Float[Array, " four"], action: Array) -> Moved:
    """Push the cart to the left (0) or the right (1): Barto, Sutton & Anderson 1983, with Euler's method."""
    gravity, pole_mass, total_mass, half_length, interval = 9.8, 0.1, 1.1, 0.5, 0.02
    x, speed, angle, turning = state
    force = jnp.where(action == 1, 10.0, -10.0)
    cosine, sine = jnp.cos(angle), jnp.sin(angle)
    pushed = (force + pole_mass * half_length * turning**2 * sine) / total_mass
    turned = (gravity * sine - cosine * pushed) / (
        half_length * (4.0 / 3.0 - pole_mass * cosine**2 / total_mass)
    )
    moved = pushed - pole_mass * half_length * turned * cosine / total_mass
    after = jnp.stack(
        [
            x + interval * speed,
            speed + interval * moved,
            angle + interval * turning,
            turning + interval * turned,
        ]
    )
    fallen = (jnp.abs(after[0]) > 2.4) | (jnp.abs(after[2]) > 12 * 2 * jnp.pi / 360)
    return Moved(after, jnp.ones(()), fallen)


def _pendulum_reset(key: Array) -> Float[Array, " two"]:
    return jax.random.uniform(key, (2,), minval=-1.0, maxval=1.0) * jnp.array([jnp.pi, 1.0])


def _pendulum_step(state: Float[Array, " two"], action: Array) -> Moved:
    """Turn the pendulum with a torque; an angle of 0 is upright."""
    gravity, interval = 10.0, 0.05
    angle, turning = state
    torque = jnp.clip(action[0], -2.0, 2.0)
    away = (angle + jnp.pi) % (2 * jnp.pi) - jnp.pi
    reward = -(away**2 + 0.1 * turning**2 + 0.001 * torque**2)
    turning = jnp.clip(
        turning + (1.5 * gravity * jnp.sin(angle) + 3.0 * torque) * interval, -8.0, 8.0
    )
    return Moved(jnp.stack([angle + turning * interval, turning]), reward, jnp.zeros((), bool))


def _pendulum_seen(state: Float[Array, " two"]) -> Float[Array, " three"]:
    return jnp.stack([jnp.cos(state[0]), jnp.sin(state[0]), state[1]])


CARTPOLE = Dynamics(_cartpole_reset, _cartpole_step, lambda state: state, 500, "CartPole-v1")
PENDULUM = Dynamics(_pendulum_reset, _pendulum_step, _pendulum_seen, 200, "Pendulum-v1")
