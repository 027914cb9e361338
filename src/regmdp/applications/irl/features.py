"""Features of what rewards may depend on, brought to state-action pairs."""

from __future__ import annotations

from typing import Any

import numpy as np

from regmdp._internal.arrays import Float
from regmdp._internal.errors import SolverError
from regmdp.bellman import expected_values
from regmdp.gradients import RewardFeatures
from regmdp.gradients.shapes import as_transition_rows
from regmdp.mdp import MDP

__all__ = ["expected_features"]


def expected_features(
    mdp: MDP,
    *,
    state: Any = None,
    action: Any = None,
    pair: Any = None,
    successor: Any = None,
    transition: Any = (),
    known: Any = 0.0,
) -> RewardFeatures:
    r"""Return features of state, action, pair and successor as those of pairs: what comes next counts by its expectation.

    Args:
        mdp: The model; its own rewards are left out.
        state: (S, K1) features of the state in which an action is taken.
        action: (A, K2) features of the action.
        pair: (S, A, K3) features of the pair.
        successor: (S, K4) features of the state that it leads to; nothing where the episode ends.
        transition: K5 features of state, action and successor together: an (S, A, S) array or a
            sparse (S·A, S) each.
        known: (S, A) part of the reward that is known, such as the cost of a step; 0 by default.

    Returns:
        Features of :class:`regmdp.gradients.RewardFeatures`, K1 + … + K5 of them in this order.

    Raises:
        SolverError: if something has a wrong shape, or nothing is given.

    Examples:
        >>> import numpy as np, regmdp as rm
        >>> mdp = rm.models.chain(3)
        >>> features = rm.irl.expected_features(mdp, successor=np.array([[0.0], [0.0], [1.0]]))
        >>> features.combine(np.ones(1))  # the probability of being in the last state next
        array([[0., 0.],
               [0., 1.],
               [0., 1.]])
    """
    n_states, n_actions = mdp.rewards.shape
    parts: list[Float[np.ndarray, "S A K"]] = []
    if state is not None:
        parts.append(np.repeat(_shaped("state", state, (n_states,))[:, None, :], n_actions, axis=1))
    if action is not None:
        parts.append(
            np.repeat(_shaped("action", action, (n_actions,))[None, :, :], n_states, axis=0)
        )
    if pair is not None:
        parts.append(_shaped("pair", pair, (n_states, n_actions)))
    if successor is not None:
        columns = _shaped("successor", successor, (n_states,)).T
        parts.append(np.stack([expected_values(mdp, column) for column in columns], axis=2))
    if len(transition):
        rows = mdp.transitions.to_csr()
        expected = [
            np.asarray(rows.multiply(as_transition_rows(one, mdp.rewards.shape)).sum(axis=1))
            for one in transition
        ]
        parts.append(np.stack([column.reshape(mdp.rewards.shape) for column in expected], axis=2))
    if not parts:
        raise SolverError(
            "there are no features: give some of the state, the action, the pair, the successor or "
            "all three"
        )
    return RewardFeatures(
        mdp.with_rewards(known + np.zeros(mdp.rewards.shape)), np.concatenate(parts, axis=2)
    )


def _shaped(name: str, values: Any, shape: tuple[int, ...]) -> np.ndarray:
    array = np.asarray(values, dtype=np.float64)
    if array.shape[:-1] != shape or array.ndim != len(shape) + 1:
        wanted = ", ".join(map(str, shape))
        raise SolverError(
            f"features of the {name} must have shape ({wanted}, K), not {array.shape}"
        )
    return array
