"""The Gymnasium environment of a model.

This module imports Gymnasium; :func:`regmdp.io.to_gymnasium` imports it when called.
"""

from __future__ import annotations

import gymnasium
import numpy as np
from gymnasium.envs.registration import EnvSpec

from regmdp.mdp import MDP

__all__ = ["ModelEnv"]


class ModelEnv(gymnasium.Env):
    """An environment that samples episodes of a model, made by :func:`regmdp.io.to_gymnasium`."""

    metadata = {"render_modes": []}  # noqa: RUF012 - annotated so in the base class

    def __init__(
        self, mdp: MDP, max_steps: int | None = None, render_mode: str | None = None
    ) -> None:
        if render_mode is not None:
            raise ValueError(f"a model cannot be rendered: render_mode is {render_mode!r}")
        self.mdp = mdp
        self.render_mode = None
        self.observation_space = gymnasium.spaces.Discrete(mdp.n_states)
        self.action_space = gymnasium.spaces.Discrete(mdp.n_actions)
        self.spec = EnvSpec(
            "regmdp/Model-v0",
            entry_point="regmdp.io.model_env:ModelEnv",
            kwargs={"mdp": mdp, "max_steps": max_steps},
        )
        self._max_steps = max_steps
        self._rows = mdp.transitions.to_csr()
        self._start = np.cumsum(mdp.initial)
        self._state: int | None = None
        self._steps = 0

    def reset(
        self, *, seed: int | None = None, options: dict[str, object] | None = None
    ) -> tuple[int, dict[str, np.ndarray]]:
        """Draw the first state from the initial distribution."""
        super().reset(seed=seed)
        self._steps = 0
        self._state = self._draw_index(self._start)
        return self._state, self._mask_info(self._state)

    def step(self, action: int) -> tuple[int, float, bool, bool, dict[str, np.ndarray]]:
        """Take an action.

        Returns:
            Next state, expected reward of the pair, terminated, truncated, and the mask of the next
            actions.
        """
        state = self._state
        if state is None:
            raise gymnasium.error.ResetNeeded(
                "the episode has ended, or has not started; call reset() first"
            )
        if not self.action_space.contains(action):
            raise gymnasium.error.InvalidAction(
                f"{action!r} is not an action; actions are 0 to {self.mdp.n_actions - 1}"
            )
        action = int(action)
        self._steps += 1
        if self.mdp.terminal[state]:  # the initial distribution includes terminal states
            reward, successor, terminated = 0.0, state, True
        elif not self.mdp.available[state, action]:
            raise gymnasium.error.InvalidAction(
                f"{self.mdp.describe(state, action)} is not available; choose an "
                "action with info['action_mask']"
            )
        else:
            reward = float(self.mdp.rewards[state, action])
            successor, terminated = self._draw_successor(state, action)
        truncated = (
            not terminated and self._max_steps is not None and self._steps >= self._max_steps
        )
        self._state = None if terminated or truncated else successor
        return successor, reward, terminated, truncated, self._mask_info(successor)

    def _draw_successor(self, state: int, action: int) -> tuple[int, bool]:
        """Draw the next state, and whether the episode terminates.

        It does with the pair's probability of termination, and in a terminal state.
        """
        row = state * self.mdp.n_actions + action
        entries = slice(self._rows.indptr[row], self._rows.indptr[row + 1])
        ends = float(self.mdp.termination[state, action])
        outcome = self._draw_index(np.cumsum(np.append(ends, self._rows.data[entries])))
        if outcome == 0:
            return state, True
        successor = int(self._rows.indices[entries][outcome - 1])
        return successor, bool(self.mdp.terminal[successor])

    def _draw_index(self, cumulative: np.ndarray) -> int:
        """Draw an index from cumulative probabilities; the last one, a rounded sum, counts as 1."""
        return int(
            np.searchsorted(cumulative, self.np_random.random() * cumulative[-1], side="right")
        )

    def _mask_info(self, state: int) -> dict[str, np.ndarray]:
        return {"action_mask": self.mdp.available[state].astype(np.int8)}
