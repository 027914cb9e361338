"""Models in and out: files, Gymnasium's environments, the arrays of other toolboxes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from regmdp._internal.errors import MissingExtraError, ModelError
from regmdp.io.files import read_model, write_model
from regmdp.io.mapped import ModelWriter, open_mapped, save_mapped
from regmdp.io.npz import load_model, save_model
from regmdp.io.policies import load_policy
from regmdp.io.tables import from_gymnasium, time_limit_note
from regmdp.io.toolboxes import (
    DiscreteDPArguments,
    from_mdptoolbox,
    from_quantecon,
    to_mdptoolbox,
    to_quantecon,
)
from regmdp.io.vector import Environment, from_vector_env
from regmdp.mdp import MDP

if TYPE_CHECKING:
    from regmdp.io.environment import ModelEnv

__all__ = [
    "DiscreteDPArguments",
    "Environment",
    "ModelWriter",
    "from_gymnasium",
    "from_mdptoolbox",
    "from_quantecon",
    "from_vector_env",
    "load_model",
    "load_policy",
    "open_mapped",
    "read_model",
    "save_mapped",
    "save_model",
    "time_limit_note",
    "to_gymnasium",
    "to_mdptoolbox",
    "to_quantecon",
    "write_model",
]


def to_gymnasium(mdp: MDP, *, max_steps: int | None = None) -> ModelEnv:
    """Return a Gymnasium environment that samples the model.

    An episode starts with the initial distribution. It is ``terminated`` on entering a terminal
    state, and with the model's termination probabilities; then the observation stays the state in
    which it ended. A step pays the expected reward r(s, a). ``info["action_mask"]`` holds the
    available actions of the state, as ``env.action_space.sample(mask)`` takes them; any other
    action is an error.

    Args:
        mdp: The model.
        max_steps: Steps after which an episode is ``truncated``; by default never.

    Returns:
        An environment that observes state numbers and takes action numbers. It passes
        ``gymnasium.utils.env_checker.check_env`` if all actions are available; the checker does not
        look at masks.

    Raises:
        MissingExtraError: if Gymnasium is not installed.
        ModelError: if max_steps is not positive.

    Examples:
        >>> import regmdp as rm
        >>> env = rm.io.to_gymnasium(rm.models.chain(3))
        >>> env.reset(seed=0)
        (0, {'action_mask': array([1, 1], dtype=int8)})
        >>> env.step(1)
        (1, 0.0, False, False, {'action_mask': array([1, 1], dtype=int8)})
    """
    if max_steps is not None and max_steps < 1:
        raise ModelError(f"max_steps must be at least 1, not {max_steps}")
    try:
        from regmdp.io.environment import ModelEnv
    except ModuleNotFoundError as error:
        if error.name != "gymnasium":
            raise
        raise MissingExtraError("gymnasium", "gymnasium") from None
    return ModelEnv(mdp, max_steps)
