"""Soft actor-critic, for any regularizer."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar

import jax.numpy as jnp

from regmdp._internal.arrays import Array
from regmdp.deep.heads import Head, Squashed
from regmdp.deep.off_policy import OffPolicy, Seen
from regmdp.regularizers import Regularizer, Shannon

__all__ = ["SAC"]

#: The regularizer if none is given; over continuous actions its temperature is only where the
#: adapted one begins.
AUTOMATIC = Shannon(0.1)


@dataclass(eq=False)
class SAC(OffPolicy):
    r"""Soft actor-critic, for any regularizer: the policy is the projection of the greedy one, ∇h*(Q/τ), on the network.

    Minimised is \(E[\tau h(\pi(s)) - \langle \pi(s), Q(s) \rangle]\): equation 7 of the paper,
    exactly over discrete actions and with a reparameterized draw over continuous ones, squashed
    into the box by tanh (appendix C). With ``adapt`` the temperature follows equation 18 of the
    second paper, so that the mean of h approaches that number; over d continuous actions it is d
    unless a regularizer is given.

    Departures: h may be any of the regularizers, over continuous actions Shannon's or Tsallis'; one
    optimizer for all networks.

    Examples:
        >>> from regmdp.deep import SAC
        >>> SAC("CartPole-v1", seed=0, warmup=100).learn(200).steps
        200

    References:
        Haarnoja, Zhou, Abbeel & Levine 2018, ICML, "Soft actor-critic: off-policy maximum entropy
        deep reinforcement learning with a stochastic actor"; Haarnoja et al. 2018, arXiv
        1812.05905, "Soft actor-critic algorithms and applications"; Christodoulou 2019, arXiv
        1910.07207, "Soft actor-critic for discrete action settings".
    """

    regularizer: Regularizer = field(default_factory=lambda: AUTOMATIC)

    name: ClassVar[str] = "soft actor-critic"

    def policy_loss(self, policy: Any, state: Any, seen: Seen) -> Array:
        mean, h = self.expected(policy, state["critics"], seen.observation, seen.key)
        return jnp.mean(seen.temperature * h - mean)

    def _head(self) -> Head:
        head = super()._head()
        if self.regularizer is AUTOMATIC and self.adapt is None and isinstance(head, Squashed):
            self.adapt = float(head.n_noise)
        return head
