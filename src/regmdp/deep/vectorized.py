"""Vectorized training: environment, networks and learning compiled, and mapped over seeds."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from regmdp._internal.arrays import Float
from regmdp._internal.errors import SolverError
from regmdp._internal.memory import require_memory
from regmdp._internal.parameters import Instance, Integer, SequenceOf, checked
from regmdp.deep.actor_critic import A2C, take_gradient_step
from regmdp.deep.dynamics import Dynamics
from regmdp.deep.heads import Categorical, Head
from regmdp.deep.on_policy import Batch
from regmdp.deep.options import INT32_MAX
from regmdp.deep.types import JaxArray, Params

__all__ = ["TrainingRuns", "train_vectorized"]

#: Memory that an iteration of a run takes: a random key and a mean return.
BYTES_PER_ITERATION = 12.0


class TrainingRuns(NamedTuple):
    """Results of N runs.

    Attributes:
        state: Their training states, a pytree of arrays whose first dimension is N.
        returns: (N, iterations) mean return of the episodes that ended in an iteration; NaN where
            none did.
        steps: (iterations,) steps taken by each run after an iteration.
    """

    state: Params
    returns: Float[np.ndarray, "N iterations"]
    steps: np.ndarray


class _EpisodeState(NamedTuple):
    """Copies of the environment in one run: states, and steps and returns of their episodes."""

    state: JaxArray
    age: JaxArray
    total: JaxArray


class _Transition(NamedTuple):
    """One step of all copies; the first dimension of each array is their number.

    ``ended`` is whether the episode terminated or was truncated, ``total`` its return so far.
    """

    observation: JaxArray
    action: JaxArray
    xi: JaxArray
    reward: JaxArray
    successor: JaxArray
    terminated: JaxArray
    ended: JaxArray
    total: JaxArray


@checked(
    learner=Instance(A2C),
    dynamics=Instance(Dynamics),
    seeds=SequenceOf(Integer(0, INT32_MAX)),
    steps=Integer(),
)
def train_vectorized(
    learner: A2C, dynamics: Dynamics, seeds: Sequence[int], steps: int
) -> TrainingRuns:
    """Train a method once for each seed, all at the same time, in an environment written in JAX.

    Args:
        learner: The method and its options; it does not change.
        dynamics: The environment.
        seeds: Seeds of the runs.
        steps: Steps that each run takes at least.

    Raises:
        SolverError: if the learner normalises observations, or there is no seed.

    Examples:
        >>> from regmdp.deep import A2C, CARTPOLE, train_vectorized
        >>> learner = A2C("CartPole-v1", n_envs=4)
        >>> runs = train_vectorized(learner, CARTPOLE, seeds=[0, 1, 2], steps=400)
        >>> runs.returns.shape, int(runs.steps[-1])
        ((3, 20), 400)
    """
    if learner.normalize:
        raise SolverError(
            "vectorized training does not normalise observations: use normalize=False, or scale "
            "them in the dynamics"
        )
    if not len(seeds):
        raise SolverError("there is no seed: give at least one")
    steps_per_iteration = learner.horizon * learner.n_envs
    iterations = -(-steps // steps_per_iteration)
    require_memory(
        f"{iterations:,} iterations of {len(seeds):,} runs",
        BYTES_PER_ITERATION * iterations * len(seeds),
    )
    _require_same_observations(learner, dynamics)
    keys = jax.vmap(jax.random.key)(jnp.asarray(seeds))
    initial = jax.vmap(learner._init_state)(keys)
    state, returns = _train_all(learner._static, dynamics, iterations, initial, keys)
    return TrainingRuns(
        state, np.asarray(returns), steps_per_iteration * np.arange(1, iterations + 1)
    )


def _require_same_observations(learner: A2C, dynamics: Dynamics) -> None:
    """Check that the networks of a learner read what the dynamics observe.

    Raises:
        SolverError: if they do not.
    """
    found = jax.eval_shape(lambda key: dynamics.observe(dynamics.reset(key)), jax.random.key(0))
    wanted = (learner.environments.n_inputs,)
    if found.shape != wanted:
        raise SolverError(
            f"the learner's observations have shape {wanted}, those of the dynamics {found.shape}: "
            f"make the learner with their environment, {dynamics.env!r}"
        )


@partial(jax.jit, static_argnums=(0, 1, 2))
def _train_all(
    learner: A2C, dynamics: Dynamics, iterations: int, initial: Params, keys: JaxArray
) -> tuple[Params, JaxArray]:
    """Return the training states of all runs, and the mean returns in each iteration."""

    def train(state: Params, key: JaxArray) -> tuple[Params, JaxArray]:
        reset_key, iterations_key = jax.random.split(key)
        fresh = jax.vmap(dynamics.reset)(jax.random.split(reset_key, learner.n_envs))
        episodes = _EpisodeState(
            fresh, jnp.zeros(learner.n_envs, jnp.int32), jnp.zeros(learner.n_envs)
        )
        (state, _), returns = jax.lax.scan(
            lambda carried, key: _iterate(learner, dynamics, *carried, key),
            (state, episodes),
            jax.random.split(iterations_key, iterations),
        )
        return state, returns

    return jax.vmap(train)(initial, keys)


def _iterate(
    learner: A2C, dynamics: Dynamics, state: Params, episodes: _EpisodeState, key: JaxArray
) -> tuple[tuple[Params, _EpisodeState], JaxArray]:
    """Collect and learn once; return the mean return of the episodes that ended."""
    episodes, taken = jax.lax.scan(
        partial(_step_copies, learner, dynamics, state["policy"]),
        episodes,
        jax.random.split(key, learner.horizon),
    )
    value, successor_value = (
        learner.critic.apply(state["critic"], inputs)[..., 0]
        for inputs in (taken.observation, taken.successor)
    )
    cost = learner.head.temperature * learner.head.value(taken.xi) if learner.soft else 0.0
    advantage = scan_advantages(
        learner, taken.reward - cost, value, successor_value, taken.terminated, taken.ended
    )
    parts = (taken.observation, taken.action, taken.xi, advantage, advantage + value)
    batch = Batch(*(part.reshape(-1, *part.shape[2:]) for part in parts), unit=1.0)
    state, _ = take_gradient_step(learner, state, batch)
    count = jnp.sum(taken.ended)
    total = jnp.sum(jnp.where(taken.ended, taken.total, 0.0))
    mean = jnp.where(count > 0, total / jnp.maximum(count, 1), jnp.nan)
    return (state, episodes), mean


def scan_advantages(
    learner: A2C,
    reward: JaxArray,
    value: JaxArray,
    successor_value: JaxArray,
    terminated: JaxArray,
    ended: JaxArray,
) -> JaxArray:
    """Return the (T, N) advantages of :func:`~regmdp.deep.generalized_advantages`, with JAX.

    Args:
        learner: A learner with the discount and λ.
        reward: (T, N) rewards, less the regularizer's cost if it is part of the values.
        value: (T, N) V where the actions were taken.
        successor_value: (T, N) V of the successors.
        terminated: (T, N) whether the episode terminated.
        ended: (T, N) whether it terminated or was truncated.
    """
    error = reward + learner.discount * jnp.where(terminated, 0.0, successor_value) - value
    weight = learner.discount * learner.gae_lambda * ~ended

    def add_step(following: JaxArray, part: tuple[JaxArray, JaxArray]) -> tuple[JaxArray, JaxArray]:
        error, weight = part
        advantage = error + weight * following
        return advantage, advantage

    return jax.lax.scan(add_step, jnp.zeros_like(error[0]), (error, weight), reverse=True)[1]


def _step_copies(
    learner: A2C, dynamics: Dynamics, policy: Params, episodes: _EpisodeState, key: JaxArray
) -> tuple[_EpisodeState, _Transition]:
    """Take one step in all copies; a copy whose episode ends starts the next one."""
    action_key, reset_key = jax.random.split(key)
    observation = jax.vmap(dynamics.observe)(episodes.state)
    xi = learner._compute_xi(policy, observation)
    action = _draw_actions(learner.head, action_key, xi)
    applied = jnp.asarray(learner.head.scale_to_space(action))
    after = jax.vmap(dynamics.step)(episodes.state, applied)
    age, total = episodes.age + 1, episodes.total + after.reward
    ended = after.terminated | (age >= dynamics.max_steps)
    fresh = jax.vmap(dynamics.reset)(jax.random.split(reset_key, learner.n_envs))
    following = _EpisodeState(
        jnp.where(ended[:, None], fresh, after.state),
        jnp.where(ended, 0, age),
        jnp.where(ended, 0.0, total),
    )
    successor = jax.vmap(dynamics.observe)(after.state)
    return following, _Transition(
        observation, action, xi, after.reward, successor, after.terminated, ended, total
    )


def _draw_actions(head: Head, key: JaxArray, xi: JaxArray) -> JaxArray:
    """(N, K) ξ -> N actions drawn from their distributions."""
    if not isinstance(head, Categorical):
        noise = jax.random.normal(key, (xi.shape[0], head.n_noise))
        return jnp.asarray(head.draw_from_noise(xi, noise))
    cumulative = jnp.cumsum(head.simplex.policy(xi), axis=-1)
    uniform = jax.random.uniform(key, (xi.shape[0], 1))
    return jnp.sum(cumulative <= uniform * cumulative[:, -1:], axis=-1)
