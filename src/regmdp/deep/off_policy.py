r"""Methods that learn from a memory: twin action values, and a policy that follows them.

They differ in one line, what the policy's network minimises:

========  =======================================================  ==========================================
method    of each remembered state                                  in the tables
========  =======================================================  ==========================================
SAC       τ h(π) - ⟨π, Q⟩                                           the greedy policy, projected on the network
MDPO      τ h(π) - ⟨π, Q⟩ + D(π, π_k; ξ_k)/η                        mirror descent
GPMD      ‖ξ - (α ξ_k + (1-α) Q/τ)‖², with α = 1/(1 + ητ)           dual averaging
========  =======================================================  ==========================================
"""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass, field
from functools import partial
from typing import Any, ClassVar, NamedTuple

import gymnasium
import jax
import jax.numpy as jnp
import numpy as np
import optax

from regmdp._arrays import Array
from regmdp._errors import SolverError
from regmdp.deep.heads import Categorical, Head, Squashed
from regmdp.deep.learner import Learner
from regmdp.deep.networks import Network, in_numpy, mlp
from regmdp.deep.replay import Memory, Transitions
from regmdp.regularizers import Regularizer, Shannon

__all__ = ["GPMD", "MDPO", "SAC", "OffPolicy"]


class Seen(NamedTuple):
    """A minibatch as the policy's loss sees it: (N, inputs) observations, the temperature, and a random key."""

    observation: Array
    temperature: Array | float
    key: Array


@dataclass(eq=False)
class OffPolicy(Learner):
    r"""Act, remember, and learn from what is remembered, one minibatch for each step taken.

    The action values are those of the regularized problem: the target is \(r + \gamma (\langle \pi, Q \rangle - \tau h(\pi))\)
    at the successor, with the smaller of two networks' Q, each of which follows slowly behind the one that learns.

    Args:
        critic: Of the action values.
        rate: Learning rate (Adam) of all networks.
        minibatch: Transitions looked at in a step.
        memory: Transitions remembered.
        warmup: Steps taken at random before learning begins.
        together: Iterations after which as many learning steps follow in one go: it saves the way in and out of JAX.
        follow: Share of the difference by which the slow networks follow in a step. What is learned of the end of a long episode
            comes back through about 1/(1-γ) of these times 1/follow steps: with 0.005 it takes most of 20,000 steps.
        adapt: Mean of h that the temperature is adapted to, usually d for d continuous actions; None keeps the temperature.
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
    adapt: float | None = None

    def __post_init__(self) -> None:
        for option in ("minibatch", "memory", "together", "copies"):
            value = getattr(self, option)
            if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                raise SolverError(f"{option} must be an integer, 1 or more, not {value!r}")
        if not self.rate > 0.0:
            raise SolverError(f"rate must be positive, not {self.rate!r}")
        if not 0.0 < self.follow <= 1.0:
            raise SolverError(f"follow must be more than 0 and at most 1, not {self.follow!r}")
        self._adam = optax.adam(self.rate)
        super().__post_init__()
        self._memory = Memory(self.memory, self.environments.n_inputs, self.head.anything(np.random.default_rng(0), 1)[0])
        self._key = jax.random.key(int(self._rng.integers(2**31)))

    # ---- what a method is ----

    @abstractmethod
    def policy_loss(self, policy: Any, state: Any, seen: Seen) -> Array:
        """Return what the policy's network minimises, for one minibatch."""

    def anchored(self, state: Any) -> Any:
        """Return the state after a step, with a new policy π_k if its time has come."""
        return state

    # ---- what they share ----

    def _remembered(self) -> dict[str, np.ndarray]:
        return {**self._memory.arrays(), "key": np.asarray(jax.random.key_data(self._key))}

    def _recall(self, remembered: dict[str, np.ndarray]) -> None:
        self._key = jax.random.wrap_key_data(jnp.asarray(remembered.pop("key")))
        self._memory.fill(remembered)

    def expected(self, policy: Any, critics: Any, observation: Array, key: Array) -> tuple[Array, Array]:
        """Return (N,) ⟨π, Q⟩, with the smaller Q, and (N,) h of a policy: exactly, or with one action drawn from it."""
        xi = self._xi(policy, observation)
        if isinstance(self.head, Categorical):
            return jnp.sum(self.head.simplex.policy(xi) * self._smaller(critics, observation), axis=-1), self.head.value(xi)
        assert isinstance(self.head, Squashed)
        action, h = self.head.drawn(key, xi)
        return jnp.min(self._values(critics, observation, action), axis=0), h

    def _smaller(self, critics: Any, observation: Array) -> Array:
        """Return (N, A) the smaller action values of discrete actions."""
        return jnp.min(jnp.stack([self.critic.apply(critic, observation) for critic in critics]), axis=0)

    def _values(self, critics: Any, observation: Array, action: Array) -> Array:
        """Return the (2, N) action values of actions."""
        if isinstance(self.head, Categorical):
            index = action[:, None]
            return jnp.stack(
                [jnp.take_along_axis(self.critic.apply(critic, observation), index, axis=-1)[:, 0] for critic in critics]
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

    def _critic_size(self) -> tuple[int, int]:
        inputs = self.environments.n_inputs
        return (inputs, self.head.n_outputs) if isinstance(self.head, Categorical) else (inputs + self.head.n_outputs // 2, 1)

    def _begun(self, key: Array) -> Any:
        for_policy, *for_critics = jax.random.split(key, 3)
        inputs, outputs = self._critic_size()
        critics = [self.critic.init(each, inputs, outputs) for each in for_critics]
        start = jnp.log(jnp.float32(self.head.temperature or 1.0))
        networks = {"policy": self._new_policy(for_policy), "critics": critics, "log_temperature": start}
        return {
            **networks,
            "slow": jax.tree.map(jnp.copy, critics),
            "anchor": jax.tree.map(jnp.copy, networks["policy"]),
            "adam": self._adam.init(networks),
            "count": jnp.zeros((), jnp.int32),
        }

    def _iterate(self) -> dict[str, float]:
        for _ in range(self.together):
            _, actions = self._act() if self.steps >= self.warmup else (None, self.head.anything(self._rng, self.copies))
            taken = self.environments.step(self.head.done(actions))
            self._memory.add(self._observation, actions, taken)
            self._observation = taken.observation
        self.steps += self.together * self.copies
        if self.steps < self.warmup:
            return {}
        self._key, key = jax.random.split(self._key)
        drawn = self._memory.drawn(self._rng, (self.together * self.copies, self.minibatch))
        self._state, measures = learned(self._design, self._state, drawn, key)
        self._acting = in_numpy(self._state["policy"])
        return {name: float(value) for name, value in measures.items()}


@partial(jax.jit, static_argnums=0)
def learned(learner: OffPolicy, state: Any, drawn: Transitions, key: Array) -> tuple[Any, dict[str, Array]]:
    """Make one learning step for each of the (n, minibatch) transitions, and return the state after the last."""
    keys = jax.random.split(key, drawn.reward.shape[0])
    state, measures = jax.lax.scan(lambda state, part: _step(learner, state, *part), state, (drawn, keys))
    return state, {name: jnp.mean(values) for name, values in measures.items()}


def _step(learner: OffPolicy, state: Any, drawn: Transitions, key: Array) -> tuple[Any, dict[str, Array]]:
    for_target, for_policy = jax.random.split(key)
    networks = {name: state[name] for name in ("policy", "critics", "log_temperature")}
    temperature = jax.lax.stop_gradient(learner.temperature(networks))
    mean, h = learner.expected(state["policy"], state["slow"], drawn.successor, for_target)
    target = drawn.reward + learner.discount * (1.0 - drawn.terminated) * (mean - temperature * h)
    present = learner.expected(state["policy"], state["slow"], drawn.observation, for_policy)[1]

    def loss(networks: Any) -> tuple[Array, dict[str, Array]]:
        error = jnp.mean(jnp.square(learner._values(networks["critics"], drawn.observation, drawn.action) - target), axis=1)
        fixed = {**state, "critics": jax.lax.stop_gradient(networks["critics"])}
        policy = learner.policy_loss(networks["policy"], fixed, Seen(drawn.observation, temperature, for_policy))
        adapted = 0.0
        if learner.adapt is not None:
            adapted = jnp.exp(networks["log_temperature"]) * (learner.adapt - jnp.mean(present))
        measures = {"critic error": jnp.mean(error), "h": jnp.mean(present), "temperature": jnp.float32(temperature)}
        return 0.5 * jnp.sum(error) + policy + adapted, measures

    (_, measures), gradient = jax.value_and_grad(loss, has_aux=True)(networks)
    updates, adam = learner._adam.update(gradient, state["adam"])
    networks = optax.apply_updates(networks, updates)
    slow = jax.tree.map(lambda old, new: old + learner.follow * (new - old), state["slow"], networks["critics"])
    after = {**networks, "slow": slow, "anchor": state["anchor"], "adam": adam, "count": state["count"] + 1}
    return learner.anchored(after), measures


@dataclass(eq=False)
class SAC(OffPolicy):
    r"""Soft actor-critic, for any regularizer: the policy is the projection of the greedy one, ∇h*(Q/τ), on the network.

    Minimised is \(E[\tau h(\pi(s)) - \langle \pi(s), Q(s) \rangle]\): equation 7 of the paper, exactly over discrete actions and
    with a reparameterized draw over continuous ones, squashed into the box by tanh (appendix C). With ``adapt`` the temperature
    follows equation 18 of the second paper, so that the mean of h approaches that number.

    Departures: h may be any sum over actions, over continuous ones Shannon's or Tsallis'; one optimizer for all networks.

    Examples:
        >>> from regmdp.deep import SAC
        >>> SAC("CartPole-v1", seed=0, warmup=100).learn(200).steps
        200

    References:
        Haarnoja, Zhou, Abbeel & Levine 2018, ICML, "Soft actor-critic: off-policy maximum entropy deep reinforcement learning with
        a stochastic actor"; Haarnoja et al. 2018, arXiv 1812.05905, "Soft actor-critic algorithms and applications"; Christodoulou
        2019, arXiv 1910.07207, "Soft actor-critic for discrete action settings".
    """

    regularizer: Regularizer = field(default_factory=lambda: Shannon(0.1))

    name: ClassVar[str] = "soft actor-critic"

    def policy_loss(self, policy: Any, state: Any, seen: Seen) -> Array:
        mean, h = self.expected(policy, state["critics"], seen.observation, seen.key)
        return jnp.mean(seen.temperature * h - mean)


@dataclass(eq=False)
class MDPO(SAC):
    r"""Mirror descent policy optimization, off-policy: what SAC minimises and the divergence from the policy π_k before, over η.

    Args:
        step_size: η, in the unit of h over that of the rewards.
        refresh: Learning steps after which the policy becomes the next π_k.

    References:
        Tomar, Shani, Efroni & Ghavamzadeh 2022, ICLR, "Mirror descent policy optimization", equations 12 and 13.
    """

    step_size: float = 1.0
    refresh: int = 100

    name: ClassVar[str] = "mirror descent policy optimization"

    def __post_init__(self) -> None:
        _check_steps(self.step_size, self.refresh)
        super().__post_init__()

    def policy_loss(self, policy: Any, state: Any, seen: Seen) -> Array:
        xi, before = (self._xi(each, seen.observation) for each in (policy, state["anchor"]))
        return super().policy_loss(policy, state, seen) + jnp.mean(self.head.divergence(xi, before)) / self.step_size

    def anchored(self, state: Any) -> Any:
        return _refreshed(state, self.refresh)

    def _head(self) -> Head:
        return _discrete(super()._head(), self.name)


@dataclass(eq=False)
class GPMD(OffPolicy):
    r"""Generalized policy mirror descent with networks: the dual variable ξ is fitted to α ξ_k + (1-α) Q/τ.

    With η the step size α is 1/(1 + ητ); both sides are taken without what all actions have in common, on which the policy does
    not depend. On a table this is GPMD to the last digit.

    Args:
        step_size: η.
        refresh: Learning steps after which the policy becomes the next π_k.

    References:
        Zhan, Cen, Huang, Chen, Lee & Chi 2023, SIAM Journal on Optimization 33(2), "Policy mirror descent for regularized
        reinforcement learning: a generalized framework with linear convergence", Algorithm 1.
    """

    regularizer: Regularizer = field(default_factory=lambda: Shannon(0.1))
    step_size: float = 20.0
    refresh: int = 100

    name: ClassVar[str] = "generalized policy mirror descent"

    def __post_init__(self) -> None:
        _check_steps(self.step_size, self.refresh)
        super().__post_init__()
        if not self.head.temperature > 0.0:
            raise SolverError("generalized policy mirror descent needs a temperature above 0: its dual variable is Q/τ")

    def policy_loss(self, policy: Any, state: Any, seen: Seen) -> Array:
        xi, before = (self._xi(each, seen.observation) for each in (policy, state["anchor"]))
        q = self._smaller(state["critics"], seen.observation)
        apart = _centred(xi - dual_step(before, q, seen.temperature, self.step_size))
        return jnp.mean(jnp.square(seen.temperature * apart))

    def anchored(self, state: Any) -> Any:
        return _refreshed(state, self.refresh)

    def _head(self) -> Head:
        return _discrete(super()._head(), self.name)


def dual_step(xi: Array, q: Array, temperature: Array | float, step_size: float) -> Array:
    """(…, A) ξ_k and (…, A) Q -> (…, A) α ξ_k + (1-α) Q/τ with α = 1/(1 + ητ)."""
    keep = 1.0 / (1.0 + step_size * temperature)
    return keep * xi + (1.0 - keep) / temperature * q


def _centred(xi: Array) -> Array:
    return xi - jnp.mean(xi, axis=-1, keepdims=True)


def _refreshed(state: Any, refresh: int) -> Any:
    now = state["count"] % refresh == 0
    anchor = jax.tree.map(lambda old, new: jnp.where(now, new, old), state["anchor"], state["policy"])
    return {**state, "anchor": anchor}


def _check_steps(step_size: float, refresh: int) -> None:
    if not step_size > 0.0:
        raise SolverError(f"the step size must be positive, not {step_size!r}")
    if isinstance(refresh, bool) or not isinstance(refresh, int) or refresh < 1:
        raise SolverError(f"refresh must be a number of learning steps, 1 or more, not {refresh!r}")


def _discrete(head: Head, name: str) -> Head:
    if not isinstance(head, Categorical):
        raise SolverError(f"{name} is for discrete actions: the dual variable of a continuous policy has no closed form")
    return head
