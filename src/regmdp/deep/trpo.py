"""Trust region policy optimization, for any regularizer."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax.flatten_util import ravel_pytree

from regmdp._arrays import Array
from regmdp._errors import SolverError
from regmdp.deep.natural import Searched, conjugate_gradient, fisher_product, line_search
from regmdp.deep.networks import in_numpy
from regmdp.deep.on_policy import Batch, OnPolicy
from regmdp.regularizers import Regularizer, Shannon

__all__ = ["TRPO"]


@dataclass(eq=False)
class TRPO(OnPolicy):
    r"""Trust region policy optimization: a natural step as far as the divergence from the old policy allows.

    Maximised is \(E[\frac{\pi(a|s)}{\pi_k(a|s)} A(s, a)] - \tau E[h(\pi(s))]\) subject to
    \(E[D(\pi_k, \pi; \xi)] \le \delta\), equation 14 of the paper with the divergence of the regularizer in place of the
    Kullback-Leibler one, which it is for Shannon's. The direction comes from conjugate gradients on products with Fisher's matrix
    (appendix C), its length from δ, and it is halved until the objective grows and the divergence is within δ. If it never does,
    the parameters are those before.

    Departures: advantages are generalized ones, with a network for the values; h may be any sum over actions, and its cost is
    part of the values. Without a temperature it is the paper's. With ``halvings=0`` it is natural policy gradient with a step of
    a given length, which is refused where it would leave the trust region.

    Args:
        radius: δ.
        damping: Added to Fisher's matrix, in units of its own.
        conjugate_steps: Conjugate gradient iterations.
        halvings: How often a step is halved before it is given up.
        critic_rate: Learning rate (Adam) of the network of the values.
        critic_epochs: How often it sees what was collected.
        minibatch: Steps that it sees at once.

    Examples:
        >>> import regmdp as rm
        >>> from regmdp.deep import TRPO
        >>> learner = TRPO("CartPole-v1", regularizer=rm.Tsallis(1.5, temperature=0.01), seed=0).learn(2_000)
        >>> learner.steps
        2048

    References:
        Schulman, Levine, Moritz, Jordan & Abbeel 2015, ICML, "Trust region policy optimization".
    """

    regularizer: Regularizer = field(default_factory=lambda: Shannon(0.0))
    radius: float = 0.01
    damping: float = 0.1
    conjugate_steps: int = 15
    halvings: int = 10
    critic_rate: float = 1e-3
    critic_epochs: int = 10
    minibatch: int = 128

    name: ClassVar[str] = "trust region policy optimization"

    def __post_init__(self) -> None:
        for option in ("radius", "critic_rate"):
            if not getattr(self, option) > 0.0:
                raise SolverError(f"{option} must be positive, not {getattr(self, option)!r}")
        self._adam = optax.adam(self.critic_rate)
        super().__post_init__()

    def _begun(self, key: Array) -> Any:
        for_policy, for_critic = jax.random.split(key)
        critic = self.critic.init(for_critic, self.environments.n_inputs, 1)
        return {"policy": self._new_policy(for_policy), "critic": critic, "adam": self._adam.init(critic)}

    def _iterate(self) -> dict[str, float]:
        batch = self._collected()
        policy, searched = improved(self._design, self._state["policy"], batch)
        critic, adam, error = fitted(
            self._design, self._state["critic"], self._state["adam"], batch, self._shuffled(batch.target.shape[0])
        )
        self._state = {"policy": policy, "critic": critic, "adam": adam}
        self._acting = in_numpy(policy)
        return {
            "divergence": float(searched.divergence),
            "gain": float(searched.gain),
            "share of the step": float(searched.share),
            "critic error": float(error),
        }

    def _shuffled(self, size: int) -> np.ndarray:
        """Return (n, minibatch) indices that go through everything a few times."""
        minibatch = min(self.minibatch, size)
        epochs = [self._rng.permutation(size)[: size // minibatch * minibatch] for _ in range(self.critic_epochs)]
        return np.concatenate(epochs).reshape(-1, minibatch)


@partial(jax.jit, static_argnums=0)
def improved(learner: TRPO, policy: Any, batch: Batch) -> tuple[Any, Searched]:
    """Return the parameters after one step, and what the line search found."""
    params, unravel = ravel_pytree(policy)
    head = learner.head
    # the objective in units of the advantages' deviation: the step does not depend on it, and numbers are of order 1
    unit = jnp.std(batch.advantage) + 1e-8
    advantage = (batch.advantage - jnp.mean(batch.advantage)) / unit

    def outputs(params: Array) -> Array:
        return learner._xi(unravel(params), batch.observation)

    def objective(params: Array) -> Array:
        xi = outputs(params)
        cost = head.temperature / (unit * batch.unit) * jnp.mean(head.value(xi))
        return jnp.mean(head.ratio(xi, batch.xi, batch.action) * advantage) - cost

    def judge(candidate: Array) -> tuple[Array, Array]:
        return objective(candidate) - now, jnp.mean(head.divergence(batch.xi, outputs(candidate)))

    def product(direction: Array) -> Array:
        return fisher_product(outputs, head.curvature, params, direction) + learner.damping * direction

    now, gradient = jax.value_and_grad(objective)(params)
    direction = conjugate_gradient(product, gradient, learner.conjugate_steps)
    length = jnp.sqrt(2.0 * learner.radius / jnp.maximum(direction @ product(direction), 1e-20))
    searched = line_search(judge, params, length * direction, learner.radius, learner.halvings)
    return unravel(searched.params), searched


@partial(jax.jit, static_argnums=0)
def fitted(learner: TRPO, critic: Any, adam: Any, batch: Batch, indices: Array) -> tuple[Any, Any, Array]:
    """Fit the values to their targets, minibatch by minibatch, and return the mean squared error before."""

    def loss(critic: Any, rows: Array) -> Array:
        value = learner.critic.apply(critic, batch.observation[rows])[:, 0]
        return jnp.mean(jnp.square(value - batch.target[rows]))

    def step(state: tuple[Any, Any], rows: Array) -> tuple[tuple[Any, Any], Array]:
        critic, adam = state
        error, gradient = jax.value_and_grad(loss)(critic, rows)
        updates, adam = learner._adam.update(gradient, adam)
        return (optax.apply_updates(critic, updates), adam), error

    (critic, adam), errors = jax.lax.scan(step, (critic, adam), indices)
    return critic, adam, errors[0]
