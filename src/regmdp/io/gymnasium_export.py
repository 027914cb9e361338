"""Export of models as Gymnasium environments."""

from __future__ import annotations

from typing import TYPE_CHECKING

from regmdp._internal.errors import MissingExtraError, ModelError
from regmdp._internal.parameters import Instance, Integer, checked
from regmdp.mdp import MDP

if TYPE_CHECKING:
    from regmdp.io.model_env import ModelEnv

__all__ = ["to_gymnasium"]


@checked(ModelError, mdp=Instance(MDP), max_steps=Integer() | None)
def to_gymnasium(mdp: MDP, *, max_steps: int | None = None) -> ModelEnv:
    """Return a Gymnasium environment that samples the model.

    Episodes start from the initial distribution. They are ``terminated`` on entering a terminal
    state, and with the model's termination probabilities; the observation is then the last state. A
    step pays the expected reward r(s, a). ``info["action_mask"]`` holds the available actions of
    the state, as ``env.action_space.sample(mask)`` takes them; any other action is an error.

    Args:
        mdp: The model.
        max_steps: Steps after which an episode is ``truncated``; by default never.

    Returns:
        An environment whose observations and actions are state and action numbers. It passes
        ``gymnasium.utils.env_checker.check_env`` if all actions are available: the checker ignores
        masks.

    Raises:
        MissingExtraError: if Gymnasium is not installed.
        ModelError: if max_steps is less than 1.

    Examples:
        >>> import regmdp as rm
        >>> env = rm.io.to_gymnasium(rm.models.chain(3))
        >>> env.reset(seed=0)
        (0, {'action_mask': array([1, 1], dtype=int8)})
        >>> env.step(1)
        (1, 0.0, False, False, {'action_mask': array([1, 1], dtype=int8)})
    """
    try:
        from regmdp.io.model_env import ModelEnv
    except ModuleNotFoundError as error:
        if error.name != "gymnasium":
            raise
        raise MissingExtraError("gymnasium", "gymnasium") from None
    return ModelEnv(mdp, max_steps)
