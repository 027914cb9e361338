"""Features of states, actions and transitions as expected features of state-action pairs."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from regmdp._internal.array_checks import check_array
from regmdp._internal.arrays import ArrayLike, Float
from regmdp._internal.errors import SolverError
from regmdp._internal.parameters import Instance, checked
from regmdp.bellman import expected_values
from regmdp.gradients import RewardFeatures
from regmdp.gradients.shapes import TransitionLike, as_transition_rows
from regmdp.mdp import MDP

__all__ = ["expected_features"]


@checked(mdp=Instance(MDP))
def expected_features(
    mdp: MDP,
    *,
    state: ArrayLike | None = None,
    action: ArrayLike | None = None,
    pair: ArrayLike | None = None,
    successor: ArrayLike | None = None,
    transition: Sequence[TransitionLike] = (),
    known: ArrayLike = 0.0,
) -> RewardFeatures:
    r"""Return features of pairs: those of successors and transitions are replaced by expectations.

    Args:
        mdp: The model; its own rewards are ignored.
        state: (S, K1) features of the state in which an action is taken.
        action: (A, K2) features of the action.
        pair: (S, A, K3) features of the pair.
        successor: (S, K4) features of the next state; 0 if the episode ends.
        transition: K5 features of state, action and successor together: an (S, A, S) array or a
            sparse (S·A, S) each.
        known: (S, A) part of the reward that is known, such as the cost of a step; 0 by default.

    Returns:
        Features of :class:`regmdp.gradients.RewardFeatures`, K1 + … + K5 of them in this order.

    Raises:
        SolverError: if features have a wrong shape, or none are given.

    Examples:
        >>> import numpy as np, regmdp as rm
        >>> mdp = rm.models.chain(3)
        >>> features = rm.irl.expected_features(mdp, successor=np.array([[0.0], [0.0], [1.0]]))
        >>> features.combine(np.ones(1))  # the probability that the last state is next
        array([[0., 0.],
               [0., 1.],
               [0., 1.]])
    """
    n_states, n_actions = shape = mdp.rewards.shape
    parts: list[Float[np.ndarray, "S A K"]] = []
    if state is not None:
        of_state = _check_features("state", state, (n_states,))
        parts.append(np.repeat(of_state[:, None, :], n_actions, axis=1))
    if action is not None:
        of_action = _check_features("action", action, (n_actions,))
        parts.append(np.repeat(of_action[None, :, :], n_states, axis=0))
    if pair is not None:
        parts.append(_check_features("pair", pair, shape))
    if successor is not None:
        columns = _check_features("successor", successor, (n_states,)).T
        parts.append(np.stack([expected_values(mdp, column) for column in columns], axis=2))
    if not isinstance(transition, Sequence | np.ndarray):
        raise SolverError(
            "transition must be a list of features, each (S, A, S), not "
            f"{type(transition).__name__}"
        )
    if len(transition):
        rows = mdp.transitions.to_csr()
        sums = [rows.multiply(as_transition_rows(one, shape)).sum(axis=1) for one in transition]
        parts.append(np.stack([np.asarray(column).reshape(shape) for column in sums], axis=2))
    if not parts:
        raise SolverError(
            "there are no features: give some of the state, the action, the pair, the successor or "
            "the transition"
        )
    features = np.concatenate(parts, axis=2)
    if not features.shape[2]:
        raise SolverError("there are no features: all of the given arrays have K = 0")
    base = check_array("known", known, finite=True)
    if base.shape not in ((), shape):
        raise SolverError(
            f"known must be a number or have shape (S, A) = {shape}, not {base.shape}"
        )
    return RewardFeatures(mdp.with_rewards(np.broadcast_to(base, shape)), features)


def _check_features(name: str, values: ArrayLike, shape: tuple[int, ...]) -> np.ndarray:
    """Return features as an array of a shape, with one axis more for the K features."""
    array = check_array(f"the features of the {name}", values, finite=True)
    if array.shape[:-1] != shape or array.ndim != len(shape) + 1:
        wanted = ", ".join(map(str, shape))
        raise SolverError(
            f"features of the {name} must have shape ({wanted}, K), not {array.shape}"
        )
    return array
