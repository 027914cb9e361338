"""Methods that learn from what their policy has just done: a stretch of steps in each copy, and a network for the values."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from regmdp._internal.arrays import Array
from regmdp._internal.errors import FormatError, SolverError
from regmdp.deep.advantages import generalized_advantages
from regmdp.deep.learner import Learner
from regmdp.deep.networks import Network, mlp
from regmdp.deep.normalization import Normalizer
from regmdp.deep.options import require_count

__all__ = ["Batch", "OnPolicy"]


class Batch(NamedTuple):
    """What was collected, the T steps of N copies in a row.

    Attributes:
        observation: (T·N, inputs) where the actions were taken.
        action: (T·N, …) the actions.
        xi: (T·N, K) ξ that they were drawn from.
        advantage: (T·N,) how much better they were than the policy, in units.
        target: (T·N,) what the values should be, in units.
        unit: That of the values, in rewards.
    """

    observation: Array
    action: Array
    xi: Array
    advantage: Array
    target: Array
    unit: Array | float


@dataclass(eq=False)
class OnPolicy(Learner):
    r"""Collect T steps in each of N copies, estimate advantages, learn from them, forget them.

    Args:
        horizon: T.
        trace: λ of the advantages; 1 for n-step returns.
        soft: Whether the regularizer's cost τ h is part of the values, as in the theory; otherwise
            only the present policy's is taken off what is maximised, which is what most
            implementations call an entropy bonus.
        critic: The network of the values.
        normalize: Whether networks see observations of mean 0 and deviation 1, cut off at 10
            deviations, and values in the unit of the deviation of discounted returns, as far as
            they are known. The problem is the same: the temperature stays in the unit of the
            rewards. What is known changes between two stretches, and the policy a little with it.
    """

    horizon: int = 128
    trace: float = 0.95
    soft: bool = True
    critic: Network = field(default_factory=mlp)
    normalize: bool = False

    def __post_init__(self) -> None:
        require_count("the horizon", self.horizon)
        if not 0.0 <= self.trace <= 1.0:
            raise SolverError(f"the trace λ must be between 0 and 1, not {self.trace!r}")
        super().__post_init__()
        self._normalizer = (
            Normalizer(self.environments.n_inputs, self.discount) if self.normalize else None
        )

    def _seen(self, observations: np.ndarray) -> np.ndarray:
        return observations if self._normalizer is None else self._normalizer.seen(observations)

    def _reset(self) -> np.ndarray:
        self._running = np.zeros(
            self.copies
        )  # discounted returns of the episodes that are being played
        return super()._reset()

    def _remembered(self) -> dict[str, np.ndarray]:
        return {} if self._normalizer is None else {"moments": self._normalizer.moments}

    def _recall(self, remembered: dict[str, np.ndarray]) -> None:
        if self._normalizer is not None:
            if "moments" not in remembered:
                raise FormatError(
                    "the file holds no moments of observations: what it holds was learned without "
                    "normalize=True"
                )
            self._normalizer.moments = remembered.pop("moments")
        super()._recall(remembered)

    def _collected(self) -> Batch:
        """Act for T steps, and return what came of it."""
        shape = (self.horizon, self.copies)
        observations = np.empty((*shape, self.environments.n_inputs), dtype=np.float32)
        successors = np.empty_like(observations)
        xis = np.empty((*shape, self.head.n_outputs), dtype=np.float32)
        rewards, terminated, truncated = (
            np.empty(shape),
            np.empty(shape, dtype=np.bool_),
            np.empty(shape, dtype=np.bool_),
        )
        actions = []
        for step in range(self.horizon):
            observations[step] = self._observation
            xis[step], chosen = self._act()
            actions.append(chosen)
            taken = self.environments.step(self.head.done(chosen))
            rewards[step], terminated[step], truncated[step] = (
                taken.reward,
                taken.terminated,
                taken.truncated,
            )
            successors[step], self._observation = taken.successor, taken.observation
        self.steps += self.horizon * self.copies
        seen = self._seen(observations)
        values, successor_values, costs = (
            np.asarray(part, dtype=np.float64)
            for part in _looked(
                self._design, self._state["critic"], seen, self._seen(successors), xis
            )
        )
        paid, unit = rewards - costs if self.soft else rewards, 1.0
        if self._normalizer is not None:
            self._running = self._normalizer.add(
                observations, paid, terminated | truncated, self._running
            )
            unit = self._normalizer.unit
        estimated = generalized_advantages(
            paid / unit, values, successor_values, terminated, truncated, self.discount, self.trace
        )
        flat = [
            np.asarray(part).reshape(-1, *np.shape(part)[2:])
            for part in (seen, actions, xis, *estimated)
        ]
        arrays = (
            jnp.asarray(part if part.dtype.kind == "i" else part.astype(np.float32))
            for part in flat
        )
        return Batch(*arrays, unit=jnp.float32(unit))


@partial(jax.jit, static_argnums=0)
def _looked(
    learner: OnPolicy, critic: Any, observations: Array, successors: Array, xis: Array
) -> tuple[Array, Array, Array]:
    """Return the (T, N) values of observations and successors, and the costs τ h of the policies."""
    value, successor_value = (
        learner.critic.apply(critic, each)[..., 0] for each in (observations, successors)
    )
    return value, successor_value, learner.head.temperature * learner.head.value(xis)
