"""The goal that the options of a command describe."""

from __future__ import annotations

from dataclasses import dataclass

import regmdp as rm
from regmdp.cli.options import ObjectiveName
from regmdp.mdp.labels import find_states
from regmdp.mdp.structure import find_pairs_leading_to

__all__ = ["Goal"]


@dataclass(frozen=True)
class Goal:
    """Values of --goal, --avoid, --objective, --minimize and --goal-rewards.

    Attributes:
        goal: Labels or numbers of states.
        avoid: Labels or numbers of states.
        objective: What counts until the goal.
        minimize: Whether it is minimised.
        goal_rewards: Whether the goal's own rewards count.
    """

    goal: list[str] | None = None
    avoid: list[str] | None = None
    objective: ObjectiveName | None = None
    minimize: bool = False
    goal_rewards: bool = False

    def apply(self, mdp: rm.MDP) -> rm.MDP:
        """Return the model with the goal, or as it is without one."""
        if not self.goal:
            given = {
                "avoid": self.avoid,
                "objective": self.objective,
                "minimize": self.minimize,
                "goal-rewards": self.goal_rewards,
            }
            for option in (name for name, value in given.items() if value):
                raise rm.ModelError(f"--{option} needs a --goal")
            return mdp
        return mdp.with_goal(
            _read_states(mdp, self.goal),
            _read_states(mdp, self.avoid) if self.avoid else None,
            objective=(self.objective or ObjectiveName.reward).value,
            minimize=self.minimize,
            goal_rewards=self.goal_rewards,
        )

    def warn(self, mdp: rm.MDP) -> str | None:
        """Return a sentence if no transition of the model leads from outside into the goal."""
        if not self.goal:
            return None
        states = _read_states(mdp, self.goal)
        inside = find_states("goal", states, mdp.labels, mdp.n_states, mdp.state_labels)
        if find_pairs_leading_to(mdp, inside)[~inside].any():
            return None
        return (
            "no transition leads to the goal from another state; in tables of Gymnasium episodes "
            "end on the transition, so that no state is entered"
        )


def _read_states(mdp: rm.MDP, texts: list[str]) -> list[str | int]:
    """Return labels and state numbers; a number that is the name of a label is the label."""
    return [int(text) if text.isdecimal() and text not in mdp.labels else text for text in texts]
