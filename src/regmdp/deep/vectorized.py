"""Many runs as one computation: the environment, the networks and the learning, compiled whole and mapped over seeds."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from regmdp._internal.arrays import Array, Float
from regmdp._internal.errors import SolverError
from regmdp.deep.actor_critic import A2C, stepped
from regmdp.deep.dynamics import Dynamics
from regmdp.deep.heads import Categorical, Head
from regmdp.deep.on_policy import Batch

__all__ = ["Runs", "learn_many"]


class Runs(NamedTuple):
    """What N runs learned.

    Attributes:
        state: What each learned, a pytree of arrays that begin with N.
        returns: (N, iterations) mean return of the episodes that ended in an iteration; NaN where
            none did.
        steps: (iterations,) steps that each run had taken.
    """

    state: Any
    returns: Float[np.ndarray, "N iterations"]
    steps: np.ndarray


class _Playing(NamedTuple):
    """Where the copies of one run are: their states, the steps and the return of their episodes so far."""

    state: Array
    age: Array
    total: Array


def learn_many(learner: A2C, dynamics: Dynamics, seeds: Sequence[int], steps: int) -> Runs:
    """Train a method once for each seed, all at the same time, in an environment that is a function.

    Args:
        learner: The method and its options; it is not changed.
        dynamics: The environment.
        seeds: Of the runs.
        steps: Steps that each takes at least.

    Raises:
        SolverError: if the learner normalises observations, or there is no seed.

    Examples:
        >>> from regmdp.deep import A2C, CARTPOLE, learn_many
        >>> runs = learn_many(A2C("CartPole-v1", copies=4), CARTPOLE, seeds=[0, 1, 2], steps=400)
        >>> runs.returns.shape, int(runs.steps[-1])
        ((3, 20), 400)
    """
    if learner.normalize:
        raise SolverError(
            "many runs at once do not normalise observations: the dynamics say what networks see"
        )
    if not len(seeds):
        raise SolverError("there is no seed, so there is nothing to run")
    each = learner.horizon * learner.copies
    iterations = -(-steps // each)
    keys = jax.vmap(jax.random.key)(jnp.asarray(seeds))
    begun = jax.vmap(learner._begun)(keys)
    state, returns = _learned(learner._design, dynamics, iterations, begun, keys)
    return Runs(state, np.asarray(returns), each * np.arange(1, iterations + 1))


@partial(jax.jit, static_argnums=(0, 1, 2))
def _learned(
    learner: A2C, dynamics: Dynamics, iterations: int, begun: Any, keys: Array
) -> tuple[Any, Array]:
    """Return what all runs learned and the returns on the way."""

    def run(begun: Any, key: Array) -> tuple[Any, Array]:
        first, later = jax.random.split(key)
        fresh = jax.vmap(dynamics.reset)(jax.random.split(first, learner.copies))
        playing = _Playing(fresh, jnp.zeros(learner.copies, jnp.int32), jnp.zeros(learner.copies))
        (state, _), returns = jax.lax.scan(
            lambda carried, key: _iterated(learner, dynamics, *carried, key),
            (begun, playing),
            jax.random.split(later, iterations),
        )
        return state, returns

    return jax.vmap(run)(begun, keys)


def _iterated(
    learner: A2C, dynamics: Dynamics, state: Any, playing: _Playing, key: Array
) -> tuple[tuple[Any, _Playing], Array]:
    """Collect and learn once, and return the mean return of the episodes that ended."""
    playing, taken = jax.lax.scan(
        partial(_stepped, learner, dynamics, state["policy"]),
        playing,
        jax.random.split(key, learner.horizon),
    )
    value, successor_value = (
        learner.critic.apply(state["critic"], each)[..., 0]
        for each in (taken.seen, taken.successor)
    )
    cost = learner.head.temperature * learner.head.value(taken.xi) if learner.soft else 0.0
    advantage = summed_errors(
        learner, taken.reward - cost, value, successor_value, taken.terminated, taken.ended
    )
    parts = (taken.seen, taken.action, taken.xi, advantage, advantage + value)
    state, _ = stepped(
        learner, state, Batch(*(part.reshape(-1, *part.shape[2:]) for part in parts), unit=1.0)
    )
    count = jnp.sum(taken.ended)
    mean = jnp.where(
        count > 0,
        jnp.sum(jnp.where(taken.ended, taken.total, 0.0)) / jnp.maximum(count, 1),
        jnp.nan,
    )
    return (state, playing), mean


def summed_errors(
    learner: A2C,
    reward: Array,
    value: Array,
    successor_value: Array,
    terminated: Array,
    ended: Array,
) -> Array:
    """Return the (T, N) advantages that :func:`~regmdp.deep.generalized_advantages` returns, by JAX.

    Args:
        learner: Whose discount and trace they have.
        reward: (T, N) rewards, with the cost taken off.
        value: (T, N) V where the actions were taken.
        successor_value: (T, N) V where they led.
        terminated: (T, N) whether the episode ended there.
        ended: (T, N) whether it ended or was cut off there.
    """
    error = reward + learner.discount * jnp.where(terminated, 0.0, successor_value) - value
    keep = learner.discount * learner.trace * ~ended

    def summed(carried: Array, part: tuple[Array, Array]) -> tuple[Array, Array]:
        carried = part[0] + part[1] * carried
        return carried, carried

    return jax.lax.scan(summed, jnp.zeros_like(error[0]), (error, keep), reverse=True)[1]


class _Taken(NamedTuple):
    """One step of all copies, each array beginning with their number."""

    seen: Array
    action: Array
    xi: Array
    reward: Array
    successor: Array
    terminated: Array
    ended: Array
    total: Array


def _drawn(head: Head, key: Array, xi: Array) -> Array:
    """(N, K) ξ -> N actions drawn from them."""
    if not isinstance(head, Categorical):
        return head.drawn_with(xi, jax.random.normal(key, (xi.shape[0], head.n_noise)))
    cumulative = jnp.cumsum(head.simplex.policy(xi), axis=-1)
    return jnp.sum(
        cumulative <= jax.random.uniform(key, (xi.shape[0], 1)) * cumulative[:, -1:], axis=-1
    )


def _stepped(
    learner: A2C, dynamics: Dynamics, policy: Any, playing: _Playing, key: Array
) -> tuple[_Playing, _Taken]:
    """Take one step in all copies; where an episode ends the next one begins."""
    for_action, for_reset = jax.random.split(key)
    seen = jax.vmap(dynamics.observe)(playing.state)
    xi = learner._xi(policy, seen)
    action = _drawn(learner.head, for_action, xi)
    moved = jax.vmap(dynamics.step)(playing.state, learner.head.done(action))
    age, total = playing.age + 1, playing.total + moved.reward
    ended = moved.terminated | (age >= dynamics.limit)
    fresh = jax.vmap(dynamics.reset)(jax.random.split(for_reset, learner.copies))
    after = _Playing(
        jnp.where(ended[:, None], fresh, moved.state),
        jnp.where(ended, 0, age),
        jnp.where(ended, 0.0, total),
    )
    successor = jax.vmap(dynamics.observe)(moved.state)
    return after, _Taken(seen, action, xi, moved.reward, successor, moved.terminated, ended, total)
