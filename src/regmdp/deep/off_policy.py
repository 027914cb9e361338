"""Methods that learn from a memory: twin action values of the regularized problem, and a policy that follows them."""

from __future__ import annotations

import math
from abc import abstractmethod
from dataclasses import dataclass, field
from functools import partial
from typing import Any, NamedTuple

import gymnasium
import jax
import jax.numpy as jnp
import numpy as np
import optax

from regmdp._internal.arrays import Array
from regmdp._internal.errors import SolverError
from regmdp.deep.heads import Categorical, Head, Squashed
from regmdp.deep.learner import Learner
from regmdp.deep.networks import Network, mlp
from regmdp.deep.options import require_count, require_positive
from regmdp.deep.replay import Memory, Transitions

__all__ = ["OffPolicy", "Seen", "bonus"]


class Seen(NamedTuple):
    """A minibatch as the policy's loss sees it: (N, inputs) observations, the temperature, and a random key."""

    observation: Array
    temperature: Array | float
    key: Array


@dataclass(eq=False)
class OffPolicy(Learner):
    r"""Act, remember, and learn from what is remembered, one minibatch for each step taken.

    The action values are those of the regularized problem: the target is
    \(r + \gamma (\langle \pi, Q \rangle - \tau h(\pi))\) at the successor, with the smaller of two
    networks' Q, each of which follows slowly behind the one that learns.

    Args:
        critic: Of the action values.
        rate: Learning rate (Adam) of all networks.
        minibatch: Transitions looked at in a step.
        memory: Transitions remembered.
        warmup: Steps taken at random before learning begins.
        together: Iterations after which as many learning steps follow in one go: it saves the way
            in and out of JAX.
        follow: Share of the difference by which the slow networks follow in a step. What is learned
            of the end of a long episode comes back through about 1/(1-γ) of these times 1/follow
            steps: with 0.005 it takes most of 20,000 steps.
        persistence: How much of the noise that actions are drawn with stays from one step to the
            next, ρ: the noise is \(\rho \epsilon + \sqrt{1 - \rho^2} \epsilon'\), so that each
            action has the policy's distribution whatever ρ is. Where nothing comes of trembling, as
            with a car in a valley, take 0.9 or more.
        adapt: Mean of h that the temperature is adapted to, usually d for d continuous actions;
            None keeps the temperature.
        munchausen: Share α of \(\tau (\xi_a - h^*(\xi))\), for Shannon's entropy of
            \(\tau \log \pi(a)\), that is added to the reward of action a: the proximal term of
            mirror descent inside the target. What is learned then is the optimum with the
            temperature (1-α)τ, for any h.
        lowest: Where that is cut off below.

    References:
        Vieillard, Pietquin & Geist 2020, NeurIPS, "Munchausen reinforcement learning", equation 2
        and section 3.
    """

    copies: int = 1
    critic: Network = field(default_factory=lambda: mlp((64, 64), "relu"))
    network: Network = field(default_factory=lambda: mlp((64, 64), "relu", last=0.01))
    rate: float = 1e-3
    minibatch: int = 128
    memory: int = 100_000
    warmup: int = 1_000
    together: int = 8
    follow: float = 0.02
    persistence: float = 0.0
    adapt: float | None = None
    munchausen: float = 0.0
    lowest: float = -1.0

    def __post_init__(self) -> None:
        for option in ("minibatch", "memory", "together"):
            require_count(option, getattr(self, option))
        require_count("warmup", self.warmup, least=0)
        require_positive("rate", self.rate)
        if not 0.0 < self.follow <= 1.0:
            raise SolverError(f"follow must be more than 0 and at most 1, not {self.follow!r}")
        if not 0.0 <= self.persistence < 1.0:
            raise SolverError(
                f"persistence must be at least 0 and less than 1, not {self.persistence!r}"
            )
        if not 0.0 <= self.munchausen < 1.0:
            raise SolverError(
                f"munchausen must be at least 0 and less than 1, not {self.munchausen!r}"
            )
        self._adam = optax.adam(self.rate)
        super().__post_init__()
        if self.munchausen and not isinstance(self.head, Categorical):
            raise SolverError(
                "munchausen is for discrete actions: of continuous ones there is no ξ_a"
            )
        self._memory = Memory(
            self.memory, self.environments.n_inputs, self.head.anything(self._noise)[0]
        )
        self._key = jax.random.key(int(self._rng.integers(2**31)))

    # ---- what a method is ----

    @abstractmethod
    def policy_loss(self, policy: Any, state: Any, seen: Seen) -> Array:
        """Return what the policy's network minimises, for one minibatch."""

    def anchored(self, state: Any, seen: Seen) -> Any:
        """Return the state after a step, with a new policy π_k if its time has come."""
        return state

    # ---- what they share ----

    def _remembered(self) -> dict[str, np.ndarray]:
        return {**self._memory.arrays(), "key": np.asarray(jax.random.key_data(self._key))}

    def _recall(self, remembered: dict[str, np.ndarray]) -> None:
        self._key = jax.random.wrap_key_data(jnp.asarray(remembered.pop("key")))
        self._memory.fill(remembered)

    def expected(
        self, policy: Any, critics: Any, observation: Array, key: Array
    ) -> tuple[Array, Array]:
        """Return (N,) ⟨π, Q⟩, with the smaller Q, and (N,) h of a policy: exactly, or with one action drawn from it."""
        xi = self._xi(policy, observation)
        if isinstance(self.head, Categorical):
            return jnp.sum(
                self.head.simplex.policy(xi) * self._smaller(critics, observation), axis=-1
            ), self.head.value(xi)
        assert isinstance(self.head, Squashed)
        action, h = self.head.drawn(key, xi)
        return jnp.min(self._values(critics, observation, action), axis=0), h

    def _smaller(self, critics: Any, observation: Array) -> Array:
        """Return (N, A) the smaller action values of discrete actions."""
        return jnp.min(
            jnp.stack([self.critic.apply(critic, observation) for critic in critics]), axis=0
        )

    def _values(self, critics: Any, observation: Array, action: Array) -> Array:
        """Return the (2, N) action values of actions."""
        if isinstance(self.head, Categorical):
            index = action[:, None]
            return jnp.stack(
                [
                    jnp.take_along_axis(self.critic.apply(critic, observation), index, axis=-1)[
                        :, 0
                    ]
                    for critic in critics
                ]
            )
        both = jnp.concatenate([observation, action], axis=-1)
        return jnp.stack([self.critic.apply(critic, both)[:, 0] for critic in critics])

    def temperature(self, networks: Any) -> Array | float:
        """Return τ."""
        return self.head.temperature if self.adapt is None else jnp.exp(networks["log_temperature"])

    def _head(self) -> Head:
        actions = self.environments.actions
        if isinstance(actions, gymnasium.spaces.Box):
            return Squashed(self.regularizer, actions)
        return super()._head()

    def _reset(self) -> np.ndarray:
        self._noise = self._rng.standard_normal((self.copies, self.head.n_noise))
        return super()._reset()

    def _drawn(self) -> np.ndarray:
        """Return an action for each copy: of the policy, and of any kind before learning begins."""
        new = self._rng.standard_normal(self._noise.shape)
        self._noise = self.persistence * self._noise + math.sqrt(1.0 - self.persistence**2) * new
        if self.steps < self.warmup:
            return self.head.anything(self._noise)
        return self.head.drawn_with(
            np.asarray(self._xi(self._acting, self._observation)), self._noise
        )

    def _critic_size(self) -> tuple[int, int]:
        inputs = self.environments.n_inputs
        return (
            (inputs, self.head.n_outputs)
            if isinstance(self.head, Categorical)
            else (inputs + self.head.n_noise, 1)
        )

    def _begun(self, key: Array) -> Any:
        for_policy, *for_critics = jax.random.split(key, 3)
        inputs, outputs = self._critic_size()
        critics = [self.critic.init(each, inputs, outputs) for each in for_critics]
        start = jnp.log(jnp.float32(self.head.temperature or 1.0))
        networks = {
            "policy": self._new_policy(for_policy),
            "critics": critics,
            "log_temperature": start,
        }
        return {
            **networks,
            "slow": jax.tree.map(jnp.copy, critics),
            "adam": self._adam.init(networks),
        }

    def _iterate(self) -> dict[str, float]:
        for _ in range(self.together):
            actions = self._drawn()
            taken = self.environments.step(self.head.done(actions))
            self._memory.add(self._observation, actions, taken)
            self._observation = taken.observation
        self.steps += self.together * self.copies
        if self.steps < self.warmup:
            return {}
        self._key, key = jax.random.split(self._key)
        drawn = self._memory.drawn(self._rng, (self.together * self.copies, self.minibatch))
        self._state, measures = learned(self._design, self._state, drawn, key)
        return {name: float(value) for name, value in measures.items()}


@partial(jax.jit, static_argnums=0)
def learned(
    learner: OffPolicy, state: Any, drawn: Transitions, key: Array
) -> tuple[Any, dict[str, Array]]:
    """Make one learning step for each of the (n, minibatch) transitions, and return the state after the last."""
    keys = jax.random.split(key, drawn.reward.shape[0])
    state, measures = jax.lax.scan(
        lambda state, part: _step(learner, state, *part), state, (drawn, keys)
    )
    return state, {name: jnp.mean(values) for name, values in measures.items()}


def _step(
    learner: OffPolicy, state: Any, drawn: Transitions, key: Array
) -> tuple[Any, dict[str, Array]]:
    for_target, for_policy = jax.random.split(key)
    networks = {name: state[name] for name in ("policy", "critics", "log_temperature")}
    temperature = jax.lax.stop_gradient(learner.temperature(networks))
    mean, h = learner.expected(state["policy"], state["slow"], drawn.successor, for_target)
    reward = (
        drawn.reward + bonus(learner, state["policy"], drawn, temperature)
        if learner.munchausen
        else drawn.reward
    )
    target = reward + learner.discount * (1.0 - drawn.terminated) * (mean - temperature * h)
    present = learner.expected(state["policy"], state["slow"], drawn.observation, for_policy)[1]

    def loss(networks: Any) -> tuple[Array, dict[str, Array]]:
        error = jnp.mean(
            jnp.square(
                learner._values(networks["critics"], drawn.observation, drawn.action) - target
            ),
            axis=1,
        )
        fixed = {**state, "critics": jax.lax.stop_gradient(networks["critics"])}
        policy = learner.policy_loss(
            networks["policy"], fixed, Seen(drawn.observation, temperature, for_policy)
        )
        adapted = 0.0
        if learner.adapt is not None:
            adapted = jnp.exp(networks["log_temperature"]) * (learner.adapt - jnp.mean(present))
        measures = {
            "critic error": jnp.mean(error),
            "h": jnp.mean(present),
            "temperature": jnp.float32(temperature),
        }
        return 0.5 * jnp.sum(error) + policy + adapted, measures

    (_, measures), gradient = jax.value_and_grad(loss, has_aux=True)(networks)
    updates, adam = learner._adam.update(gradient, state["adam"])
    networks = optax.apply_updates(networks, updates)
    slow = jax.tree.map(
        lambda old, new: old + learner.follow * (new - old), state["slow"], networks["critics"]
    )
    after = {**state, **networks, "slow": slow, "adam": adam}
    return learner.anchored(after, Seen(drawn.observation, temperature, for_policy)), measures


def bonus(learner: OffPolicy, policy: Any, drawn: Transitions, temperature: Array | float) -> Array:
    """Return the (N,) Munchausen terms, what is added to the rewards of the actions taken."""
    assert isinstance(learner.head, Categorical)
    xi = learner._xi(policy, drawn.observation)
    taken = jnp.take_along_axis(xi, drawn.action[:, None], axis=-1)[:, 0]
    return learner.munchausen * jnp.maximum(
        temperature * (taken - learner.head.simplex.conjugate(xi)), learner.lowest
    )
