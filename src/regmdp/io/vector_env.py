"""Gymnasium's vector environments as sources of samples."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from regmdp._internal.arrays import Array, ArrayLike, Bool, Float, Int
from regmdp._internal.errors import MissingExtraError, ModelError, SampleError
from regmdp._internal.parameters import Number, checked
from regmdp.mdp.model_data import check_initial, check_space
from regmdp.samples import EpisodicProcess, RandomStreams, Rollout, Step

if TYPE_CHECKING:
    from gymnasium.vector import VectorEnv

__all__ = ["Environment", "VectorRollout", "from_vector_env"]


class Environment(EpisodicProcess):
    """A vector environment, of which only episodes can be sampled.

    Made by :func:`regmdp.io.from_vector_env`.

    Attributes:
        env: The vector environment.
        n_envs: The number of its sub-environments, M.
        first_state: The observation that stands for state 0.
        first_action: The action that stands for action 0.
    """

    @checked(ModelError, discount=Number(0.0, 1.0))
    def __init__(
        self,
        env: VectorEnv,
        discount: float,
        available: ArrayLike | None = None,
        initial: ArrayLike | None = None,
        state_labels: Sequence[str] | None = None,
        action_labels: Sequence[str] | None = None,
    ) -> None:
        self.env, self.mode = env, _find_reset_mode(env)
        self.first_state, n_states = _find_discrete_range(env, "observation")
        self.first_action, n_actions = _find_discrete_range(env, "action")
        self.n_envs = int(env.num_envs)
        space = check_space((n_states, n_actions), available, state_labels, action_labels)
        super().__init__(space, discount, check_initial(space, initial))

    def __repr__(self) -> str:
        return (
            f"Environment({self.n_envs} × {self.n_states} states, {self.n_actions} actions, "
            f"discount {self.discount:g})"
        )

    def start_rollout(self, count: int, streams: RandomStreams) -> VectorRollout:
        if len(streams) != 1:
            raise SampleError(
                f"an environment serves one run, but there are {len(streams)} generators; call "
                "learn once for each, or use a simulator"
            )
        if count != self.n_envs:
            raise SampleError(
                f"a vector environment with {self.n_envs} sub-environments cannot run {count} "
                f"episodes side by side; set n_envs={self.n_envs} in the evaluation or the method"
            )
        return VectorRollout(self, count, int(streams.uniform(1)[0, 0] * 2**31))


class VectorRollout(Rollout):
    """Episodes of a vector environment, which is reset at the start.

    If the environment resets on the step after the end of an episode, that step is not a
    transition: ``resetting`` marks it.

    Args:
        environment: The environment.
        count: M.
        seed: The seed of the first reset.
    """

    state: Int[np.ndarray, "1 M"]
    resetting: Bool[np.ndarray, "1 M"] | None

    def __init__(self, environment: Environment, count: int, seed: int) -> None:
        self._environment, self._env = environment, environment.env
        self._count, self.steps = count, 0
        self.resetting = (
            np.zeros((1, count), dtype=np.bool_) if environment.mode == "NextStep" else None
        )
        observation, _ = self._env.reset(seed=seed)
        self.state = self._as_states(observation)[None]
        self._require_live(self.state[0])

    def step(self, action: Int[Array, "1 M"]) -> Step:
        environment = self._environment
        given = np.asarray(
            action[0] + environment.first_action, dtype=environment.env.single_action_space.dtype
        )
        observation, reward, terminated, truncated, info = self._env.step(given)
        self.steps += 1
        state = self._as_states(observation)
        terminated = np.asarray(terminated, dtype=np.bool_)
        truncated = np.asarray(truncated, dtype=np.bool_) & ~terminated
        finished, next_state = terminated | truncated, state
        reward = self._as_rewards(reward)
        if self.resetting is not None:
            was_reset, self.resetting = self.resetting[0], finished[None]
            both = was_reset & finished
            if both.any():
                raise SampleError(
                    f"sub-environment {int(np.argmax(both))} ended on step {self.steps}, which "
                    "should have reset it: according to its metadata it resets on the step after "
                    "an end"
                )
            truncated, reward = truncated | was_reset, np.where(was_reset, 0.0, reward)
        elif finished.any() and environment.mode == "SameStep":
            next_state = self._final_states(info, state, finished)
        elif finished.any():
            state = self._reset_finished(state, finished)
        self.state = state[None]
        self._require_live(np.where(finished, state if self.resetting is None else -1, state))
        return Step(next_state[None], reward[None], terminated[None], truncated[None])

    def _reset_finished(
        self, state: Int[Array, " M"], finished: Bool[Array, " M"]
    ) -> Int[np.ndarray, " M"]:
        """Reset the sub-environments whose episodes ended, and return the (M,) states after it."""
        observation, _ = self._env.reset(options={"reset_mask": finished.copy()})
        anew = self._as_states(observation)
        if (anew[~finished] != state[~finished]).any():
            raise SampleError(
                f"on step {self.steps} sub-environments outside options['reset_mask'] were reset, "
                "too; some wrappers lose the mask: make the environment with autoreset_mode "
                "SAME_STEP"
            )
        return anew

    def _final_states(
        self, info: Any, state: Int[Array, " M"], finished: Bool[Array, " M"]
    ) -> Int[np.ndarray, " M"]:
        """Return (M,) last states of the episodes that ended, and current states of others."""
        final = info.get("final_obs") if isinstance(info, dict) else None
        if final is None:
            raise SampleError(
                f"an episode ended on step {self.steps}, but info has no 'final_obs'; an "
                "environment that resets on the same step must store the last observation there"
            )
        observation = np.where(
            finished, np.asarray(final, dtype=object), state + self._environment.first_state
        )
        return self._as_states(observation)

    def _as_states(self, observation: Any) -> Int[np.ndarray, " M"]:
        """(M,) observations -> (M,) state numbers."""
        environment = self._environment
        try:
            number = np.asarray(observation).astype(np.float64)
        except (TypeError, ValueError):
            raise SampleError(
                f"the observation of step {self.steps} is not an array of integers: {observation!r}"
            ) from None
        if number.shape != (self._count,):
            raise SampleError(
                f"the observation of step {self.steps} has shape {number.shape}, not "
                f"({self._count},)"
            )
        first, last = environment.first_state, environment.first_state + environment.n_states - 1
        self._require_none(
            ~((number >= first) & (number <= last) & (number == np.floor(number))),
            number,
            f"the observation, which must be an integer from {first} to {last},",
        )
        return number.astype(np.int64) - first

    def _as_rewards(self, reward: Any) -> Float[np.ndarray, " M"]:
        number = np.asarray(reward, dtype=np.float64)
        self._require_none(~np.isfinite(number), number, "the reward")
        return number

    def _require_live(self, state: Int[Array, " M"]) -> None:
        """Check that the states that are not negative, in which actions follow, have actions."""
        stuck = (state >= 0) & self._environment.terminal[state]
        self._require_none(
            stuck,
            state,
            "an episode has not ended, but its state has no available action: the state",
        )

    def _require_none(self, bad: Bool[Array, " M"], values: Any, what: str) -> None:
        if bad.any():
            index = int(np.argmax(bad))
            raise SampleError(
                f"sub-environment {index}, step {self.steps}: {what} is {values[index]:g}; "
                f"{int(np.count_nonzero(bad))} of {bad.size} are wrong"
            )


@checked(ModelError, discount=Number(0.0, 1.0))
def from_vector_env(
    env: VectorEnv,
    discount: float,
    *,
    available: ArrayLike | None = None,
    initial: ArrayLike | None = None,
    state_labels: Sequence[str] | None = None,
    action_labels: Sequence[str] | None = None,
) -> Environment:
    """Return a vector environment of Gymnasium as a source of samples for :func:`regmdp.learn`.

    Its observations and actions must be numbers: ``Discrete`` spaces with any first number. The
    value after ``terminated`` is 0; ``truncated`` episodes were cut off. All three reset modes of
    vector environments are supported. The environment serves one run, with episodes in all
    sub-environments side by side, for evaluations that follow the policy, as
    :class:`regmdp.evaluation.Rollouts`.

    Args:
        env: A ``gymnasium.vector.VectorEnv`` with M sub-environments.
        discount: γ; Gymnasium's environments have none.
        available: (S, A) bool, the actions that exist; by default all. Masks in ``info`` are
            ignored.
        initial: (S,) distribution of the first state, for averages of values in summaries only; by
            default uniform. It does not change where the environment starts episodes.
        state_labels: S names, used in errors.
        action_labels: A names.

    Raises:
        ModelError: if a space is not ``Discrete``.
        SampleError: if it is not a vector environment; later, if an observation or a reward is
            impossible: the message names the sub-environment and the step.
        MissingExtraError: if Gymnasium is not installed, or is older than 1.1, which does not state
            the reset mode.

    Examples:
        >>> import gymnasium, numpy as np, regmdp as rm
        >>> lake = rm.io.from_vector_env(gymnasium.make_vec("FrozenLake-v1", num_envs=8), 0.9)
        >>> lake
        Environment(8 × 16 states, 4 actions, discount 0.9)
        >>> algorithm = rm.algorithms.NPG(step_size=0.1, evaluation=rm.evaluation.Rollouts(50))
        >>> rm.learn(lake, None, algorithm, max_iterations=2, rng=np.random.default_rng(0))
        LearningResult(1 run of 2 iterations and ... samples each)

    Reference:
        Towers et al., Gymnasium: a standard interface for reinforcement learning
        environments, 2024.
    """
    return Environment(env, discount, available, initial, state_labels, action_labels)


def _find_reset_mode(env: Any) -> str:
    """Return the reset mode of an environment: "NextStep", "SameStep" or "Disabled"."""
    try:
        from gymnasium.vector import VectorEnv
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != "gymnasium":
            raise
        raise MissingExtraError("gymnasium", "gymnasium") from None
    try:
        from gymnasium.vector import AutoresetMode
    except ImportError:
        raise MissingExtraError("gymnasium>=1.1", "gymnasium") from None
    if not isinstance(env, VectorEnv):
        raise SampleError(
            "env must be a gymnasium.vector.VectorEnv, as gymnasium.make_vec('FrozenLake-v1', "
            f"num_envs=8), not {env!r}; for an environment with a transition table use "
            "regmdp.io.from_gymnasium"
        )
    mode = env.metadata.get("autoreset_mode")
    try:
        return AutoresetMode(mode).value
    except ValueError:
        raise SampleError(
            "the reset mode of the vector environment is unknown: metadata['autoreset_mode'] is "
            f"{mode!r}, and must be one of {[str(known) for known in AutoresetMode]}"
        ) from None


def _find_discrete_range(env: Any, kind: str) -> tuple[int, int]:
    """Return the first number of a space and the number of its elements.

    Raises:
        ModelError: if it is not ``Discrete``.
    """
    from gymnasium.spaces import Discrete

    space = getattr(env, f"single_{kind}_space")
    if not isinstance(space, Discrete):
        raise ModelError(
            f"the {kind} space of a sub-environment must be Discrete, not {space}; discretise it, "
            f"for example with gymnasium.wrappers.Transform{kind.capitalize()}"
        )
    return int(space.start), int(space.n)
