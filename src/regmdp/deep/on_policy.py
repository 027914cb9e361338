"""On-policy methods: they collect steps with the present policy, and estimate advantages."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import ClassVar, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from regmdp._internal.array_files import take_array
from regmdp._internal.errors import FormatError
from regmdp._internal.memory import require_memory
from regmdp._internal.parameters import Flag, Instance, Integer, Kind, Number
from regmdp.deep.advantages import generalized_advantages
from regmdp.deep.learner import Learner
from regmdp.deep.networks import NetworkFunctions, mlp
from regmdp.deep.normalization import Normalizer
from regmdp.deep.types import JaxArray, Params

__all__ = ["Batch", "OnPolicy"]

#: Memory that collected steps take at least, for each input and output of the networks.
BYTES_PER_NUMBER = 4.0


class Batch(NamedTuple):
    """T collected steps of N copies of the environment, in one dimension.

    Attributes:
        observation: (T·N, inputs) where the actions were taken.
        action: (T·N, …) the actions.
        xi: (T·N, K) ξ from which they were drawn.
        advantage: (T·N,) advantages of the actions, in units.
        target: (T·N,) targets of the values, in units.
        unit: The unit of the values, in rewards.
    """

    observation: JaxArray
    action: JaxArray
    xi: JaxArray
    advantage: JaxArray
    target: JaxArray
    unit: JaxArray | float


class _Rollout(NamedTuple):
    """T collected steps of N copies of the environment, as (T, N, …) arrays of NumPy."""

    observation: np.ndarray
    action: np.ndarray
    xi: np.ndarray
    reward: np.ndarray
    terminated: np.ndarray
    truncated: np.ndarray
    successor: np.ndarray


@dataclass(eq=False)
class OnPolicy(Learner):
    r"""Collect T steps in each of N copies, estimate advantages, learn from them once.

    Args:
        horizon: T, the steps of each copy in an iteration.
        gae_lambda: λ of the advantages; 1 for n-step returns.
        soft: Whether the regularizer's cost τ h is part of the values, as in the theory. If not,
            only that of the present policy is subtracted from the objective, which most
            implementations call an entropy bonus.
        critic: Network of the values.
        normalize: Whether networks see observations of mean 0 and deviation 1, clipped at 10
            deviations, and values in the unit of the deviation of discounted returns, both
            estimated from the steps so far. The problem is the same: the temperature is in the unit
            of the rewards. The estimates change with each collection, and the policy slightly with
            them.
    """

    horizon: int = 128
    gae_lambda: float = 0.95
    soft: bool = True
    critic: NetworkFunctions = field(default_factory=mlp)
    normalize: bool = False

    declarations: ClassVar[Mapping[str, Kind]] = {
        "horizon": Integer(),
        "gae_lambda": Number(0.0, 1.0),
        "soft": Flag(),
        "critic": Instance(NetworkFunctions),
        "normalize": Flag(),
    }

    def __post_init__(self) -> None:
        super().__post_init__()
        size = self.environments.n_inputs + self.head.n_outputs
        require_memory(
            f"{self.horizon:,} steps of {self.n_envs:,} copies of the environment",
            BYTES_PER_NUMBER * self.horizon * self.n_envs * size,
        )
        self._normalizer = (
            Normalizer(self.environments.n_inputs, self.discount) if self.normalize else None
        )

    def _normalize(self, observations: np.ndarray) -> np.ndarray:
        return (
            observations if self._normalizer is None else self._normalizer.normalize(observations)
        )

    def _reset(self) -> np.ndarray:
        self._running_returns = np.zeros(self.n_envs)  # discounted, of the current episodes
        return super()._reset()

    def _get_other_arrays(self) -> dict[str, np.ndarray]:
        return {} if self._normalizer is None else {"moments": self._normalizer.moments}

    def _restore_other_arrays(self, arrays: dict[str, np.ndarray]) -> None:
        if self._normalizer is not None:
            if "moments" not in arrays:
                raise FormatError(
                    "the file holds no moments of observations: its learner was trained without "
                    "normalize=True"
                )
            expected = self._normalizer.moments
            moments = take_array(arrays, "moments", expected.shape)
            count_and_variances = np.append(moments[1 + moments.size // 2 :], moments[0])
            if not np.isfinite(moments).all() or (count_and_variances < 0).any():
                raise FormatError("the moments of observations are not finite, or negative")
            self._normalizer.moments = moments
            del arrays["moments"]
        super()._restore_other_arrays(arrays)

    def _collect(self) -> Batch:
        """Take T steps in each copy, and return them with advantages and targets."""
        rollout = self._roll_out()
        inputs = self._normalize(rollout.observation)
        values, successor_values, costs = (
            np.asarray(part, dtype=np.float64)
            for part in _evaluate_rollout(
                self._static,
                self._state["critic"],
                inputs,
                self._normalize(rollout.successor),
                rollout.xi,
            )
        )
        reward, unit = rollout.reward - costs if self.soft else rollout.reward, 1.0
        if self._normalizer is not None:
            self._running_returns = self._normalizer.add(
                rollout.observation,
                reward,
                rollout.terminated | rollout.truncated,
                self._running_returns,
            )
            unit = self._normalizer.unit
        advantages = generalized_advantages(
            reward / unit,
            values,
            successor_values,
            rollout.terminated,
            rollout.truncated,
            self.discount,
            self.gae_lambda,
        )
        parts = (
            _flatten(part)
            for part in (
                inputs,
                rollout.action,
                rollout.xi,
                advantages.advantage,
                advantages.target,
            )
        )
        return Batch(*parts, unit=jnp.float32(unit))

    def _roll_out(self) -> _Rollout:
        """Take T steps in each copy with the present policy."""
        shape = (self.horizon, self.n_envs)
        observations = np.empty((*shape, self.environments.n_inputs), dtype=np.float32)
        successors = np.empty_like(observations)
        xi = np.empty((*shape, self.head.n_outputs), dtype=np.float32)
        rewards = np.empty(shape)
        terminated, truncated = np.empty(shape, dtype=np.bool_), np.empty(shape, dtype=np.bool_)
        actions = []
        for step in range(self.horizon):
            observations[step] = self._observation
            xi[step], action = self._act()
            actions.append(action)
            taken = self.environments.step(np.asarray(self.head.scale_to_space(action)))
            rewards[step], successors[step] = taken.reward, taken.successor
            terminated[step], truncated[step] = taken.terminated, taken.truncated
            self._observation = taken.observation
        self.steps += self.horizon * self.n_envs
        return _Rollout(
            observations, np.asarray(actions), xi, rewards, terminated, truncated, successors
        )


def _flatten(part: np.ndarray) -> JaxArray:
    """(T, N, …) array -> (T·N, …) array of JAX, integer or single precision."""
    flat = part.reshape(-1, *part.shape[2:])
    return jnp.asarray(flat if flat.dtype.kind == "i" else flat.astype(np.float32))


@partial(jax.jit, static_argnums=0)
def _evaluate_rollout(
    learner: OnPolicy, critic: Params, observations: JaxArray, successors: JaxArray, xi: JaxArray
) -> tuple[JaxArray, JaxArray, JaxArray]:
    """Return the (T, N) values of observations, those of successors, and costs τ h."""
    value, successor_value = (
        learner.critic.apply(critic, inputs)[..., 0] for inputs in (observations, successors)
    )
    return value, successor_value, learner.head.temperature * learner.head.value(xi)
