r"""What demonstrations cannot tell of a reward.

Two rewards have the same optimal policy everywhere exactly if they differ by
\(f(s) - \gamma \sum_t P(t|s,a) f(t)\) for some f: whatever happens between two visits, f cancels.
Nor can anything be told of states to which nobody ever goes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from regmdp._internal.arrays import Float
from regmdp._internal.errors import SolverError
from regmdp.applications.irl.fit import RewardEstimate
from regmdp.bellman import expected_values
from regmdp.gradients import Perturbation, RewardFeatures
from regmdp.mdp import MDP
from regmdp.policies import check_policy
from regmdp.problem import check_regularizer, check_value
from regmdp.regularizers import Regularizer

__all__ = ["Identification", "identify", "reward_with_value"]

#: A direction counts as not told if its curvature is below this part of the largest.
FLAT = 1e-9
#: A policy that moves by less than this, for a change of the reward by a temperature, does not
#: move.
STILL = 1e-6


@dataclass(frozen=True, eq=False)
class Identification:
    """Which parameters of a reward the demonstrations tell.

    Attributes:
        curvature: (K,) information along the directions, the largest first: how sharply each is
            told.
        directions: (K, K) the directions, a column each, in the parameters.
        n_identified: How many of them the demonstrations tell.
        n_shaping: How many of the others no demonstration in this model could tell: the optimal
            policy is the same everywhere.
    """

    curvature: Float[np.ndarray, " K"]
    directions: Float[np.ndarray, "K K"]
    n_identified: int
    n_shaping: int

    @property
    def unidentified(self) -> Float[np.ndarray, "K U"]:
        """(K, U) directions in which the reward may be moved without anything to see, a column each."""
        return self.directions[:, self.n_identified :]

    def summary(self) -> str:
        """Return it in words."""
        count = self.curvature.size
        if self.n_identified == count:
            sharpest, least = self.curvature[0], self.curvature[-1]
            return (
                f"all {count} directions of the reward are told, the least sharply "
                f"{sharpest / least:.1e} times less than the first"
            )
        lines = [
            (
                f"{self.n_identified} of {count} directions of the reward are told; {count - self.n_identified} "
                "are not:"
            )
        ]
        if self.n_shaping:
            lines.append(
                f"- {self.n_shaping} leave the optimal policy as it is in every state: no "
                "demonstrations can tell them"
            )
        unseen = count - self.n_identified - self.n_shaping
        if unseen:
            lines.append(
                f"- {unseen} change the policy only where nobody was seen: demonstrations from "
                "elsewhere would tell them"
            )
        return "\n".join(lines)


def identify(estimate: RewardEstimate) -> Identification:
    """Return which directions of a linear reward the demonstrations tell, and why they do not tell the others.

    Args:
        estimate: A reward with features.

    Raises:
        SolverError: if the reward is not linear in its parameters.

    Examples:
        >>> import numpy as np, regmdp as rm
        >>> mdp, soft = rm.models.chain(4), rm.Shannon(temperature=0.5)
        >>> seen = rm.irl.Demonstrations.from_policy(mdp, rm.solve(mdp, soft).policy)
        >>> found = rm.irl.match_features(
        ...     rm.irl.expected_features(mdp, state=np.eye(4)), seen, soft
        ... )
        >>> print(
        ...     rm.irl.identify(found).summary()
        ... )  # a constant added to all states changes nothing
        3 of 4 directions of the reward are told; 1 are not:
        - 1 leave the optimal policy as it is in every state: no demonstrations can tell them

    References:
        Ng, Harada & Russell 1999, ICML, "Policy invariance under reward transformations"; Cao,
        Cohen & Szpruch 2021, NeurIPS, "Identifiability in inverse reinforcement learning".
    """
    parameters, linear = estimate.parameters, estimate.linearization
    if not isinstance(parameters, RewardFeatures):
        raise SolverError("which parameters are told is known for rewards that are linear in them")
    curvature, directions = np.linalg.eigh(estimate.information)
    curvature, directions = np.maximum(curvature[::-1], 0.0), directions[:, ::-1]
    n_identified = int(
        np.count_nonzero(curvature > FLAT * max(float(curvature[0]), np.finfo(float).tiny))
    )
    scale = float(np.max(np.asarray(linear.regularizer.temperature)))
    moves = []
    for direction in directions[:, n_identified:].T:
        rewards = parameters.combine(direction)
        size = float(np.max(np.abs(rewards)))
        change = Perturbation(rewards=scale / size * rewards) if size > 0 else Perturbation()
        moves.append(linear.derivative(change).policy.ravel())
    # directions that are not told may be mixed with each other: it counts in how many ways the
    # policy moves, if at all
    moving = (
        int(np.count_nonzero(np.linalg.svd(np.array(moves), compute_uv=False) > STILL))
        if moves
        else 0
    )
    n_shaping = len(moves) - moving
    return Identification(curvature, directions, n_identified, n_shaping)


def reward_with_value(
    mdp: MDP, policy: Any, value: Any, regularizer: Regularizer
) -> Float[np.ndarray, "S A"]:
    r"""Return the (S, A) reward for which a policy is optimal and has a given value: as the value varies, all there are.

    With ξ a subgradient of h at the policy,
    \(Q = V + \tau h(\pi) + \tau (\xi - \langle \pi, \xi \rangle)\), and r = Q - γ P V. With
    Shannon's entropy that is V + τ log π - γ P V.

    Args:
        mdp: The model; its rewards do not count.
        policy: (S, A) the policy, positive where the regularizer is infinitely steep.
        value: (S,) any value, 0 in terminal states.
        regularizer: The regularizer.

    Raises:
        SolverError: if no finite reward makes the policy optimal: it never takes an action which it
            would have to.

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
        state, action = (int(i) for i in np.argwhere(~np.isfinite(slope))[0])
        raise SolverError(
            f"no finite reward makes a policy optimal that gives {mdp.describe(state, action)} "
            f"probability {p[state, action]:g}; {int(np.count_nonzero(~np.isfinite(slope)))} pairs "
            "are like that"
        )
    cost = np.where(mdp.terminal, 0.0, regularizer.cost(p, available))[:, None]
    q = v[:, None] + cost + tau * (slope - np.sum(p * slope, axis=1, keepdims=True))
    return np.where(mdp.available, q - mdp.discount * expected_values(mdp, v), 0.0)
