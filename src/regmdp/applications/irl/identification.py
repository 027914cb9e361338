r"""Identification: which directions of a reward the demonstrations determine.

Two rewards have the same optimal policy everywhere exactly if they differ by
\(f(s) - \gamma \sum_t P(t|s,a) f(t)\) for some f: between two visits, f cancels. Nor are rewards
identified in states that are never visited.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from regmdp._internal.arrays import ArrayLike, Float
from regmdp._internal.checks import describe_first
from regmdp._internal.errors import SolverError
from regmdp._internal.parameters import Instance, checked
from regmdp.applications.irl.estimates import RewardEstimate
from regmdp.bellman import expected_values
from regmdp.gradients import Perturbation, RewardFeatures
from regmdp.mdp import MDP
from regmdp.policies import POLICY, check_policy
from regmdp.problem import check_regularizer, check_value
from regmdp.regularizers import Regularizer

__all__ = ["Identification", "identify", "reward_with_value"]

#: Largest curvature of an unidentified direction, relative to that of the first direction.
MAX_UNIDENTIFIED_CURVATURE = 1e-9
#: Largest change of a policy that counts as none, for a change of the reward by one temperature.
MAX_UNCHANGED = 1e-6


@dataclass(frozen=True, eq=False)
class Identification:
    """The directions of a reward that demonstrations identify.

    Attributes:
        curvature: (K,) information along the directions, the largest first.
        directions: (K, K) orthonormal directions of the parameters, a column each.
        n_identified: Number of directions that the demonstrations identify: the first ones.
        n_shaping: Number of the others that no demonstrations in this model identify, because the
            optimal policy is the same everywhere.
    """

    curvature: Float[np.ndarray, " K"]
    directions: Float[np.ndarray, "K K"]
    n_identified: int
    n_shaping: int

    @property
    def unidentified(self) -> Float[np.ndarray, "K U"]:
        """(K, U) unidentified directions, a column each."""
        return self.directions[:, self.n_identified :]

    def summary(self) -> str:
        """Return the numbers of directions, in words."""
        count = self.curvature.size
        if self.n_identified == count:
            ratio = self.curvature[0] / self.curvature[-1]
            return (
                f"all {count} directions of the reward are identified, the last one with "
                f"{ratio:.1e} times less information than the first"
            )
        n_others = count - self.n_identified
        lines = [
            f"{self.n_identified} of {count} directions of the reward are identified; {n_others} "
            "are not:"
        ]
        if self.n_shaping:
            lines.append(
                f"- {self.n_shaping} do not change the optimal policy in any state: no "
                "demonstrations can identify them"
            )
        n_unvisited = n_others - self.n_shaping
        if n_unvisited:
            lines.append(
                f"- {n_unvisited} change the policy only in states without demonstrations: "
                "demonstrations there would identify them"
            )
        return "\n".join(lines)


@checked(estimate=Instance(RewardEstimate))
def identify(estimate: RewardEstimate) -> Identification:
    """Return which directions of a linear reward the demonstrations identify, and which can be.

    Args:
        estimate: A reward with features.

    Raises:
        SolverError: if the reward is not linear in its parameters.

    Examples:
        >>> import numpy as np, regmdp as rm
        >>> mdp, soft = rm.models.chain(4), rm.Shannon(temperature=0.5)
        >>> demonstrations = rm.irl.Demonstrations.from_policy(mdp, rm.solve(mdp, soft).policy)
        >>> found = rm.irl.match_features(
        ...     rm.irl.expected_features(mdp, state=np.eye(4)), demonstrations, soft
        ... )
        >>> print(
        ...     rm.irl.identify(found).summary()
        ... )  # a constant added to all states changes nothing
        3 of 4 directions of the reward are identified; 1 are not:
        - 1 do not change the optimal policy in any state: no demonstrations can identify them

    References:
        Ng, Harada & Russell 1999, ICML, "Policy invariance under reward transformations"; Cao,
        Cohen & Szpruch 2021, NeurIPS, "Identifiability in inverse reinforcement learning".
    """
    if not isinstance(estimate, RewardEstimate):
        raise SolverError(
            "only a reward that was estimated is identified or not, a regmdp.irl.RewardEstimate, "
            f"not {type(estimate).__name__}"
        )
    parameters, linear = estimate.parameters, estimate.linearization
    if not isinstance(parameters, RewardFeatures):
        raise SolverError("identification needs a reward that is linear in its parameters")
    curvature, directions = np.linalg.eigh(estimate.information)
    curvature, directions = np.maximum(curvature[::-1], 0.0), directions[:, ::-1]
    largest = max(float(curvature[0]), float(np.finfo(float).tiny))
    n_identified = int(np.count_nonzero(curvature > MAX_UNIDENTIFIED_CURVATURE * largest))
    scale = float(np.max(np.asarray(linear.regularizer.temperature)))
    changes = []
    for direction in directions[:, n_identified:].T:
        rewards = parameters.combine(direction)
        size = float(np.max(np.abs(rewards)))
        if size > 0:
            rewards = scale / size * rewards
        changes.append(linear.derivative(Perturbation(rewards=rewards)).policy.ravel())
    # The basis of the unidentified directions is arbitrary, so the rank of the changes counts.
    n_changes = 0
    if changes:
        singular_values = np.linalg.svd(np.array(changes), compute_uv=False)
        n_changes = int(np.count_nonzero(singular_values > MAX_UNCHANGED))
    return Identification(curvature, directions, n_identified, len(changes) - n_changes)


@checked(
    mdp=Instance(MDP),
    regularizer=Instance(Regularizer),
    policy=POLICY,
)
def reward_with_value(
    mdp: MDP, policy: ArrayLike, value: ArrayLike, regularizer: Regularizer
) -> Float[np.ndarray, "S A"]:
    r"""Return the (S, A) reward for which a policy is optimal and has a given value.

    All rewards with this optimal policy are of this form, one for each value.

    With ξ a subgradient of h at the policy,
    \(Q = V + \tau h(\pi) + \tau (\xi - \langle \pi, \xi \rangle)\), and r = Q - γ P V. With
    Shannon's entropy that is V + τ log π - γ P V.

    Args:
        mdp: The model; its rewards are ignored.
        policy: (S, A) the policy, positive where the regularizer is infinitely steep.
        value: (S,) any value, 0 in terminal states.
        regularizer: The regularizer.

    Raises:
        SolverError: if no finite reward makes the policy optimal: it never takes an action that
            every optimal policy takes.

    Examples:
        >>> import numpy as np, regmdp as rm
        >>> mdp, soft = rm.models.chain(4), rm.Shannon(temperature=0.5)
        >>> policy = rm.solve(mdp, soft, tol=1e-12).policy
        >>> other = rm.irl.reward_with_value(mdp, policy, np.array([1.0, -2.0, 0.0, 3.0]), soft)
        >>> bool(np.allclose(rm.solve(mdp.with_rewards(other), soft, tol=1e-12).policy, policy))
        True

    Reference:
        Cao, Cohen & Szpruch 2021, NeurIPS, "Identifiability in inverse reinforcement learning",
        Theorem 1.
    """
    regularizer = check_regularizer(mdp, regularizer)
    p = np.asarray(check_policy(mdp, policy, regularizer))
    v = np.where(mdp.terminal, 0.0, check_value(mdp, value))
    tau = np.broadcast_to(np.asarray(regularizer.temperature), v.shape)[:, None]
    available = None if mdp.all_available else mdp.available
    slope = np.where(mdp.available, regularizer.subgradient(p, available), 0.0)
    if not np.isfinite(slope).all():
        raise SolverError(
            describe_first(
                ~np.isfinite(slope),
                lambda state, action: (
                    "no finite reward makes a policy optimal that gives "
                    f"{mdp.describe(state, action)} probability {p[state, action]:g}"
                ),
                "pairs",
            )
        )
    cost = np.where(mdp.terminal, 0.0, regularizer.cost(p, available))[:, None]
    q = v[:, None] + cost + tau * (slope - np.sum(p * slope, axis=1, keepdims=True))
    return np.where(mdp.available, q - mdp.discount * expected_values(mdp, v), 0.0)
