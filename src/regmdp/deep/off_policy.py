"""Off-policy methods: a replay buffer, twin regularized action values, and a policy."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import ClassVar, NamedTuple

import gymnasium
import jax
import jax.numpy as jnp
import numpy as np
import optax

from regmdp._internal.array_files import take_array
from regmdp._internal.errors import SolverError
from regmdp._internal.parameters import Instance, Integer, Kind, Number
from regmdp.deep.heads import Categorical, Head, SquashedGaussian
from regmdp.deep.learner import Learner
from regmdp.deep.networks import NetworkFunctions, mlp
from regmdp.deep.replay import ReplayBuffer, Transitions
from regmdp.deep.types import JaxArray, Params

__all__ = ["OffPolicy", "PolicyBatch", "munchausen_bonus"]


class PolicyBatch(NamedTuple):
    """Arguments of the policy's loss: (N, inputs) observations, the temperature, a random key."""

    observation: JaxArray
    temperature: JaxArray | float
    key: JaxArray


@dataclass(eq=False)
class OffPolicy(Learner):
    r"""Store transitions in a replay buffer, and learn from one minibatch for each step taken.

    The action values are those of the regularized problem: the target is \(r + \gamma (\langle \pi,
    Q \rangle - \tau h(\pi))\) at the successor, with the smaller Q of two target networks, which
    follow the learning networks slowly.

    Measures of an iteration: ``critic_error`` (mean squared error of the action values), ``h``
    (mean of h over the minibatches) and ``temperature``.

    Args:
        critic: Network of the action values.
        learning_rate: Learning rate (Adam) of all networks.
        batch_size: Transitions in a minibatch.
        buffer_size: Transitions in the replay buffer; a new one overwrites the oldest.
        learning_starts: Steps taken at random before learning starts.
        train_freq: Iterations between two calls of the compiled learning steps, of which as many
            then follow at once: fewer calls take less time.
        polyak: Fraction of the difference by which target networks move towards the learning ones
            in each step. The effect of a late reward on the first values of an episode takes about
            1/(1-γ) times 1/polyak steps: with 0.005, most of 20,000.
        noise_persistence: ρ. The noise ε of an action becomes
            \(\rho \epsilon + \sqrt{1 - \rho^2} \epsilon'\) in the next step, so that each action
            has the policy's distribution for any ρ. If uncorrelated noise does not explore, as in
            MountainCar, use 0.9 or more.
        target_entropy: Mean of -h to which the temperature is adapted, usually -d for d continuous
            actions; None keeps the temperature fixed.
        munchausen: α. The term \(\alpha \tau (\xi_a - h^*(\xi))\), for Shannon's entropy
            \(\alpha \tau \log \pi(a)\), is added to the reward of action a: the proximal term of
            mirror descent inside the target. For any h the solution is then the optimum with
            temperature (1-α)τ.
        munchausen_clip: Lower limit of that term before it is multiplied by α.

    References:
        Vieillard, Pietquin & Geist 2020, NeurIPS, "Munchausen reinforcement learning", equation 2
        and section 3.
    """

    n_envs: int = 1
    critic: NetworkFunctions = field(default_factory=lambda: mlp((64, 64), "relu"))
    network: NetworkFunctions = field(
        default_factory=lambda: mlp((64, 64), "relu", output_scale=0.01)
    )
    learning_rate: float = 1e-3
    batch_size: int = 128
    buffer_size: int = 100_000
    learning_starts: int = 1_000
    train_freq: int = 8
    polyak: float = 0.02
    noise_persistence: float = 0.0
    target_entropy: float | None = None
    munchausen: float = 0.0
    munchausen_clip: float = -1.0

    declarations: ClassVar[Mapping[str, Kind]] = {
        "critic": Instance(NetworkFunctions),
        "learning_rate": Number(above=0.0),
        "batch_size": Integer(),
        "buffer_size": Integer(),
        "learning_starts": Integer(0),
        "train_freq": Integer(),
        "polyak": Number(above=0.0, maximum=1.0),
        "noise_persistence": Number(0.0, below=1.0),
        "target_entropy": Number() | None,
        "munchausen": Number(0.0, below=1.0),
        "munchausen_clip": Number(),
    }

    def __post_init__(self) -> None:
        self._optimizer = optax.adam(self.learning_rate)
        super().__post_init__()
        if self.munchausen and not isinstance(self.head, Categorical):
            raise SolverError(
                "munchausen is for discrete actions: continuous actions have no dual variable ξ_a"
            )
        self._buffer = ReplayBuffer(
            self.buffer_size, self.environments.n_inputs, self.head.draw_initial(self._noise)[0]
        )
        self._key = jax.random.key(int(self._rng.integers(2**31)))

    # ---- to be defined by a method ----

    @abstractmethod
    def policy_loss(self, policy: Params, state: Params, batch: PolicyBatch) -> JaxArray:
        """Return the loss of the policy's network for one minibatch."""

    def update_anchor(self, state: Params, batch: PolicyBatch) -> Params:
        """Return the training state after a learning step, with a new π_k if it is due."""
        return state

    # ---- common to the methods ----

    def expected_values(
        self, policy: Params, critics: list[Params], observation: JaxArray, key: JaxArray
    ) -> tuple[JaxArray, JaxArray]:
        """Return (N,) ⟨π, Q⟩ with the smaller Q, and (N,) h of a policy.

        Both are exact for discrete actions, and estimated from one drawn action for continuous
        ones.
        """
        xi = self._compute_xi(policy, observation)
        if isinstance(self.head, Categorical):
            q = self._smaller_values(critics, observation)
            return jnp.sum(self.head.simplex.policy(xi) * q, axis=-1), self.head.value(xi)
        assert isinstance(self.head, SquashedGaussian)
        action, h = self.head.draw_differentiable(key, xi)
        return jnp.min(self._values(critics, observation, action), axis=0), h

    def temperature(self, networks: Params) -> JaxArray | float:
        """Return τ."""
        if self.target_entropy is None:
            return self.head.temperature
        return jnp.exp(networks["log_temperature"])

    def _smaller_values(self, critics: list[Params], observation: JaxArray) -> JaxArray:
        """Return the (N, A) smaller action values of discrete actions."""
        return jnp.min(
            jnp.stack([self.critic.apply(critic, observation) for critic in critics]), axis=0
        )

    def _values(self, critics: list[Params], observation: JaxArray, action: JaxArray) -> JaxArray:
        """Return the (2, N) action values of actions."""
        if isinstance(self.head, Categorical):
            index = action[:, None]
            q = [self.critic.apply(critic, observation) for critic in critics]
            return jnp.stack([jnp.take_along_axis(each, index, axis=-1)[:, 0] for each in q])
        inputs = jnp.concatenate([observation, action], axis=-1)
        return jnp.stack([self.critic.apply(critic, inputs)[:, 0] for critic in critics])

    def _get_other_arrays(self) -> dict[str, np.ndarray]:
        return {**self._buffer.to_arrays(), "key": np.asarray(jax.random.key_data(self._key))}

    def _restore_other_arrays(self, arrays: dict[str, np.ndarray]) -> None:
        key = take_array(arrays, "key", np.shape(jax.random.key_data(self._key)), "u")
        self._key = jax.random.wrap_key_data(jnp.asarray(key))
        self._buffer.restore(arrays)

    def _make_head(self) -> Head:
        actions = self.environments.actions
        if isinstance(actions, gymnasium.spaces.Box):
            return SquashedGaussian(self.regularizer, actions)
        return super()._make_head()

    def _reset(self) -> np.ndarray:
        self._noise = self._rng.standard_normal((self.n_envs, self.head.n_noise))
        return super()._reset()

    def _draw_actions(self) -> np.ndarray:
        """Return an action for each copy: of the policy, or a random one before learning starts."""
        new = self._rng.standard_normal(self._noise.shape)
        kept = self.noise_persistence
        self._noise = kept * self._noise + math.sqrt(1.0 - kept**2) * new
        if self.steps < self.learning_starts:
            return self.head.draw_initial(self._noise)
        xi = self._compute_acting_xi(self._observation)
        return np.asarray(self.head.draw_from_noise(xi, self._noise))

    def _critic_sizes(self) -> tuple[int, int]:
        """Return the numbers of inputs and outputs of a critic."""
        inputs = self.environments.n_inputs
        if isinstance(self.head, Categorical):
            return inputs, self.head.n_outputs
        return inputs + self.head.n_noise, 1

    def _init_state(self, key: JaxArray) -> Params:
        policy_key, *critic_keys = jax.random.split(key, 3)
        inputs, outputs = self._critic_sizes()
        critics = [self.critic.init(each, inputs, outputs) for each in critic_keys]
        networks = {
            "policy": self._init_policy(policy_key),
            "critics": critics,
            "log_temperature": jnp.log(jnp.float32(self.head.temperature or 1.0)),
        }
        return {
            **networks,
            "target_critics": jax.tree.map(jnp.copy, critics),
            "optimizer": self._optimizer.init(networks),
        }

    def _iterate(self) -> dict[str, float]:
        for _ in range(self.train_freq):
            actions = self._draw_actions()
            step = self.environments.step(np.asarray(self.head.scale_to_space(actions)))
            self._buffer.add(self._observation, actions, step)
            self._observation = step.observation
        self.steps += self.train_freq * self.n_envs
        if self.steps < self.learning_starts:
            return {}
        self._key, key = jax.random.split(self._key)
        batches = self._buffer.sample(self._rng, (self.train_freq * self.n_envs, self.batch_size))
        self._state, measures = run_learning_steps(self._static, self._state, batches, key)
        return {name: float(value) for name, value in measures.items()}


@partial(jax.jit, static_argnums=0)
def run_learning_steps(
    learner: OffPolicy, state: Params, batches: Transitions, key: JaxArray
) -> tuple[Params, dict[str, JaxArray]]:
    """Take one learning step for each of n minibatches; return the last state and mean measures."""
    keys = jax.random.split(key, batches.reward.shape[0])
    state, measures = jax.lax.scan(
        lambda state, part: _take_learning_step(learner, state, *part), state, (batches, keys)
    )
    return state, {name: jnp.mean(values) for name, values in measures.items()}


def _take_learning_step(
    learner: OffPolicy, state: Params, batch: Transitions, key: JaxArray
) -> tuple[Params, dict[str, JaxArray]]:
    """Update all networks with one minibatch."""
    target_key, policy_key = jax.random.split(key)
    networks = {name: state[name] for name in ("policy", "critics", "log_temperature")}
    temperature = jax.lax.stop_gradient(learner.temperature(networks))
    target = _compute_targets(learner, state, batch, temperature, target_key)
    policy_batch = PolicyBatch(batch.observation, temperature, policy_key)
    h = learner.expected_values(
        state["policy"], state["target_critics"], policy_batch.observation, policy_key
    )[1]

    def loss(networks: Params) -> tuple[JaxArray, dict[str, JaxArray]]:
        value = learner._values(networks["critics"], policy_batch.observation, batch.action)
        error = jnp.mean(jnp.square(value - target), axis=1)
        fixed = {**state, "critics": jax.lax.stop_gradient(networks["critics"])}
        policy_loss = learner.policy_loss(networks["policy"], fixed, policy_batch)
        temperature_loss = 0.0
        if learner.target_entropy is not None:
            excess = -jnp.mean(h) - learner.target_entropy
            temperature_loss = jnp.exp(networks["log_temperature"]) * excess
        measures = {
            "critic_error": jnp.mean(error),
            "h": jnp.mean(h),
            "temperature": jnp.float32(temperature),
        }
        return 0.5 * jnp.sum(error) + policy_loss + temperature_loss, measures

    (_, measures), gradient = jax.value_and_grad(loss, has_aux=True)(networks)
    updates, optimizer = learner._optimizer.update(gradient, state["optimizer"])
    networks = optax.apply_updates(networks, updates)
    target_critics = jax.tree.map(
        lambda old, new: old + learner.polyak * (new - old),
        state["target_critics"],
        networks["critics"],
    )
    after = {**state, **networks, "target_critics": target_critics, "optimizer": optimizer}
    return learner.update_anchor(after, policy_batch), measures


def _compute_targets(
    learner: OffPolicy,
    state: Params,
    batch: Transitions,
    temperature: JaxArray | float,
    key: JaxArray,
) -> JaxArray:
    """Return the (N,) targets of the action values."""
    mean, h = learner.expected_values(
        state["policy"], state["target_critics"], batch.successor, key
    )
    reward = batch.reward
    if learner.munchausen:
        reward = reward + munchausen_bonus(learner, state["policy"], batch, temperature)
    return reward + learner.discount * (1.0 - batch.terminated) * (mean - temperature * h)


def munchausen_bonus(
    learner: OffPolicy, policy: Params, batch: Transitions, temperature: JaxArray | float
) -> JaxArray:
    """Return the (N,) Munchausen terms, which are added to the rewards of the actions taken."""
    assert isinstance(learner.head, Categorical)
    xi = learner._compute_xi(policy, batch.observation)
    taken = jnp.take_along_axis(xi, batch.action[:, None], axis=-1)[:, 0]
    return learner.munchausen * jnp.maximum(
        temperature * (taken - learner.head.simplex.conjugate(xi)), learner.munchausen_clip
    )
