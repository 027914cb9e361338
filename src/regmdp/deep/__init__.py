"""Deep reinforcement learning: the same regularizers with networks, on JAX and Gymnasium.

Needs the extra ``deep``.
"""

from regmdp.deep import _extra  # noqa: F401 - first
from regmdp.deep.actor_critic import A2C
from regmdp.deep.advantages import Advantages, generalized_advantages
from regmdp.deep.asynchronous import A3C
from regmdp.deep.dynamics import CARTPOLE, PENDULUM, Dynamics, DynamicsStep
from regmdp.deep.environments import Environments, EnvironmentStep
from regmdp.deep.heads import Categorical, Gaussian, Head, SquashedGaussian
from regmdp.deep.learner import EpisodeReturns, Learner
from regmdp.deep.mirror_descent import GPMD, MDPO
from regmdp.deep.networks import NetworkFunctions, from_equinox, mlp
from regmdp.deep.off_policy import OffPolicy
from regmdp.deep.on_policy import OnPolicy
from regmdp.deep.on_policy_mirror_descent import OnPolicyMDPO
from regmdp.deep.proximal import AdaptiveStepSize
from regmdp.deep.simplex import Simplex
from regmdp.deep.soft_actor_critic import SAC
from regmdp.deep.tensorboard import TensorBoard
from regmdp.deep.trpo import TRPO
from regmdp.deep.vectorized import TrainingRuns, train_vectorized

__all__ = [
    "A2C",
    "A3C",
    "CARTPOLE",
    "GPMD",
    "MDPO",
    "PENDULUM",
    "SAC",
    "TRPO",
    "AdaptiveStepSize",
    "Advantages",
    "Categorical",
    "Dynamics",
    "DynamicsStep",
    "EnvironmentStep",
    "Environments",
    "EpisodeReturns",
    "Gaussian",
    "Head",
    "Learner",
    "NetworkFunctions",
    "OffPolicy",
    "OnPolicy",
    "OnPolicyMDPO",
    "Simplex",
    "SquashedGaussian",
    "TensorBoard",
    "TrainingRuns",
    "from_equinox",
    "generalized_advantages",
    "mlp",
    "train_vectorized",
]
