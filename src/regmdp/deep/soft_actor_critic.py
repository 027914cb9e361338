"""Soft actor-critic, for any regularizer."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

import jax.numpy as jnp

from regmdp.deep.heads import Head, SquashedGaussian
from regmdp.deep.off_policy import OffPolicy, PolicyBatch
from regmdp.deep.types import JaxArray, Params
from regmdp.regularizers import Regularizer, Shannon

__all__ = ["SAC"]

#: The default regularizer. Over continuous actions its temperature is the initial value of the
#: adapted one.
DEFAULT_REGULARIZER = Shannon(0.1)


@dataclass(eq=False)
class SAC(OffPolicy):
    r"""Soft actor-critic, for any regularizer: ∇h*(Q/τ), projected on the network.

    The loss is \(E[\tau h(\pi(s)) - \langle \pi(s), Q(s) \rangle]\), equation 7 of the paper: exact
    over discrete actions, and with a reparameterized action, squashed into the box by tanh
    (appendix C), over continuous ones. With ``target_entropy`` the temperature follows equation 18
    of the second paper, so that the mean of -h approaches that number; over d continuous actions
    the default is -d unless a regularizer is given.

    Departures from the paper: h may be any of the regularizers, over continuous actions Shannon's
    or Tsallis'; there are no networks of V, as in the second paper; one compiled gradient for all
    networks in a step, which is faster, so that the policy's has the critics before their update,
    the paper's those after it; over discrete actions the expectation over actions is exact and the
    temperature fixed unless ``target_entropy`` is given, because no single target suits all numbers
    of actions; log σ is clipped to [-5, 2] ([-20, 2] in the authors' code), because smaller
    deviations no longer explore; the learning rate is 1e-3 for 3e-4 and ``polyak`` 0.02 for 0.005,
    because runs are shorter; minibatches have 128 transitions for 256, the buffer 1e5 for 1e6 and
    layers 64 units for 256, for two cores and the classic environments.

    Examples:
        >>> from regmdp.deep import SAC
        >>> SAC("CartPole-v1", seed=0, learning_starts=100).learn(200).steps
        200

    References:
        Haarnoja, Zhou, Abbeel & Levine 2018, ICML, "Soft actor-critic: off-policy maximum entropy
        deep reinforcement learning with a stochastic actor"; Haarnoja et al. 2018, arXiv
        1812.05905, "Soft actor-critic algorithms and applications"; Christodoulou 2019, arXiv
        1910.07207, "Soft actor-critic for discrete action settings".
    """

    regularizer: Regularizer = field(default_factory=lambda: DEFAULT_REGULARIZER)

    name: ClassVar[str] = "soft actor-critic"

    def policy_loss(self, policy: Params, state: Params, batch: PolicyBatch) -> JaxArray:
        mean, h = self.expected_values(policy, state["critics"], batch.observation, batch.key)
        return jnp.mean(batch.temperature * h - mean)

    def _make_head(self) -> Head:
        head = super()._make_head()
        is_default = self.regularizer is DEFAULT_REGULARIZER and self.target_entropy is None
        if is_default and isinstance(head, SquashedGaussian):
            self.target_entropy = -float(head.n_noise)
        return head
