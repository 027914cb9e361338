"""What the rewards of a model with a goal stand for: a probability, a reward or a number of steps.

Model checkers ask for the reward until a goal is reached, and count it as infinite if that is not
certain. Here the reward of an episode that ends is its sum, and this convention says what one that
never ends, and pays nothing any more, counts.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias, TypedDict

from regmdp._internal.checks import check_option
from regmdp._internal.errors import ModelError
from regmdp.mdp.labels import StatesLike
from regmdp.mdp.validation import as_flag

__all__ = ["GoalOptions", "Objective", "ObjectiveKind", "describe_value", "read_objective"]

ObjectiveKind: TypeAlias = Literal["reward", "reach", "steps"]
KINDS: tuple[ObjectiveKind, ...] = ("reward", "reach", "steps")


class GoalOptions(TypedDict, total=False):
    """The arguments of :meth:`regmdp.MDP.with_goal`, for functions that pass them on."""

    goal: StatesLike | None
    avoid: StatesLike | None
    objective: ObjectiveKind
    minimize: bool
    goal_rewards: bool


@dataclass(frozen=True)
class Objective:
    """What is maximised or minimised until a goal is reached.

    Args:
        kind: "reward", the rewards until the goal; "reach", the probability of reaching it; or
            "steps", the number of steps until then.
        minimize: Whether it is minimised. Rewards are maximised, so the model has the negated ones.

    Examples:
        >>> print(Objective("steps", minimize=True))
        minimum expected number of steps until the goal
    """

    kind: ObjectiveKind = "reward"
    minimize: bool = False

    def __post_init__(self) -> None:
        check_option("objective", self.kind, KINDS, error=ModelError)
        as_flag("minimize", self.minimize)

    @property
    def sign(self) -> float:
        """The factor between what is asked for and the rewards of the model: 1 or -1."""
        return -1.0 if self.minimize else 1.0

    @property
    def endless_value(self) -> float:
        """What an undiscounted episode counts that never reaches the goal, as a value of the model.

        An infinite reward, negated if it is minimised; 0 for a probability.
        """
        return 0.0 if self.kind == "reach" else self.sign * math.inf

    def __str__(self) -> str:
        what = {
            "reach": "probability of reaching the goal",
            "reward": "expected reward until the goal",
            "steps": "expected number of steps until the goal",
        }
        return f"{'minimum' if self.minimize else 'maximum'} {what[self.kind]}"


def describe_value(value: float, objective: Objective | None, regularized: bool = False) -> str:
    """Return a value from the initial distribution in the sign of what was asked for.

    >>> describe_value(-2.5, Objective(minimize=True))
    '2.5 from the initial distribution, the minimum expected reward until the goal'
    """
    if objective is None:
        return f"{value:.10g} from the initial distribution"
    more = ", with the regularizer" if regularized else ""
    # not a negative zero
    number = 0.0 + objective.sign * value
    return f"{number:.10g} from the initial distribution, the {objective}{more}"


def read_objective(data: Mapping[str, Any] | None) -> Objective | None:
    """Return the objective of a mapping of its attributes; None for None.

    Raises:
        KeyError: if something is missing.
        ModelError: if something is wrong.
    """
    if data is None:
        return None
    if not isinstance(data, Mapping):
        raise ModelError(f"an objective must be a mapping, not {data!r}")
    return Objective(data["kind"], data["minimize"])
