"""Beyond tables: the same regularizers and improvements with networks, on JAX and Gymnasium.

Needs the extra ``deep``.
"""

from regmdp.deep import _extra  # noqa: F401 - first
from regmdp.deep.actor_critic import A2C
from regmdp.deep.advantages import Advantages, generalized_advantages
from regmdp.deep.asynchronous import A3C
from regmdp.deep.dynamics import CARTPOLE, PENDULUM, Dynamics, Moved
from regmdp.deep.environments import Environments, Steps
from regmdp.deep.heads import Categorical, Gaussian, Head, Squashed
from regmdp.deep.learner import Learner, Progress, Returns
from regmdp.deep.mirror_descent import GPMD, MDPO
from regmdp.deep.networks import Network, equinox, mlp
from regmdp.deep.off_policy import OffPolicy
from regmdp.deep.on_policy import OnPolicy
from regmdp.deep.on_policy_mirror_descent import OnPolicyMDPO
from regmdp.deep.proximal import Adapted
from regmdp.deep.simplex import Simplex
from regmdp.deep.soft_actor_critic import SAC
from regmdp.deep.tensorboard import TensorBoard
from regmdp.deep.trpo import TRPO
from regmdp.deep.vectorized import Runs, learn_many

__all__ = [
    "A2C",
    "A3C",
    "CARTPOLE",
    "GPMD",
    "MDPO",
    "PENDULUM",
    "SAC",
    "TRPO",
    "Adapted",
    "Advantages",
    "Categorical",
    "Dynamics",
    "Environments",
    "Gaussian",
    "Head",
    "Learner",
    "Moved",
    "Network",
    "OffPolicy",
    "OnPolicy",
    "OnPolicyMDPO",
    "Progress",
    "Returns",
    "Runs",
    "Simplex",
    "Squashed",
    "Steps",
    "TensorBoard",
    "equinox",
    "generalized_advantages",
    "learn_many",
    "mlp",
]
