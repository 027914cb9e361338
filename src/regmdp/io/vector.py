"""Gymnasium's vector environments, as sources of samples."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from regmdp._internal.arrays import Array, Bool, Float, Int
from regmdp._internal.errors import MissingExtraError, ModelError, SampleError
from regmdp.mdp.model_data import check_initial, check_space
from regmdp.mdp.validation import as_discount
from regmdp.samples import EpisodicProcess, RandomStreams, Rollout, Step

__all__ = ["Environment", "VectorRollout", "from_vector_env"]


class Environment(EpisodicProcess):
    """A vector environment, of which only episodes are known.

    Make one with :func:`regmdp.io.from_vector_env`.

    Attributes:
        env: The vector environment.
        n_envs: The number of its sub-environments, M.
        first_state: The observation that stands for state 0.
        first_action: The action that stands for action 0.
    """

    def __init__(
        self,
        env: Any,
        discount: float,
        available: Any = None,
        initial: Any = None,
        state_labels: Sequence[str] | None = None,
        action_labels: Sequence[str] | None = None,
    ) -> None:
        self.env, self.mode = env, _mode(env)
        self.first_state, n_states = _discrete(env, "observation")
        self.first_action, n_actions = _discrete(env, "action")
        self.n_envs = int(env.num_envs)
        space = check_space((n_states, n_actions), available, state_labels, action_labels)
        super().__init__(space, as_discount(discount), check_initial(space, initial))

    def __repr__(self) -> str:
        return (
            f"Environment({self.n_envs} × {self.n_states} states, {self.n_actions} actions, "
            f"discount {self.discount:g})"
        )

    def start_rollout(self, count: int, streams: RandomStreams) -> VectorRollout:
        if len(streams) != 1:
            raise SampleError(
                f"an environment serves one run at a time, and there are {len(streams)} "
                "generators: call learn once for each, or use a simulator, of which there can be "
                "many"
            )
        if count != self.n_envs:
            raise SampleError(
                f"a vector environment with {self.n_envs} sub-environments is walked by as many "
                f"walkers, not by {count}; give the evaluation or the method n_envs={self.n_envs}"
            )
        return VectorRollout(self, count, int(streams.uniform(1)[0, 0] * 2**31))


class VectorRollout(Rollout):
    """The episodes of a vector environment. It is reset when the walk begins.

    Where the environment resets on the step after the end of an episode, that step is no
    transition: ``resetting`` marks it.

    Args:
        environment: The environment.
        count: M.
        seed: What its first reset is seeded with.
    """

    state: Int[np.ndarray, "1 M"]
    resetting: Bool[np.ndarray, "1 M"] | None

    def __init__(self, environment: Environment, count: int, seed: int) -> None:
        self._environment, self._env, self._count, self.steps = (
            environment,
            environment.env,
            count,
            0,
        )
        self.resetting = (
            np.zeros((1, count), dtype=np.bool_) if environment.mode == "NextStep" else None
        )
        observation, _ = self._env.reset(seed=seed)
        self.state = self._states(observation)[None]
        self._require_live(self.state[0])

    def step(self, action: Int[Array, "1 M"]) -> Step:
        environment = self._environment
        given = np.asarray(
            action[0] + environment.first_action, dtype=environment.env.single_action_space.dtype
        )
        observation, reward, terminated, truncated, info = self._env.step(given)
        self.steps += 1
        state = self._states(observation)
        terminated = np.asarray(terminated, dtype=np.bool_)
        truncated = np.asarray(truncated, dtype=np.bool_) & ~terminated
        over, next_state, reward = terminated | truncated, state, self._rewards(reward)
        if self.resetting is not None:
            rested, self.resetting = self.resetting[0], over[None]
            if (rested & over).any():
                raise SampleError(
                    f"sub-environment {int(np.argmax(rested & over))} ended on step {self.steps}, "
                    "which should have reset it: its metadata say that it resets on the step after "
                    "an end"
                )
            truncated, reward = truncated | rested, np.where(rested, 0.0, reward)
        elif over.any() and environment.mode == "SameStep":
            next_state = self._final(info, state, over)
        elif over.any():
            state = self._reset(state, over)
        self.state = state[None]
        self._require_live(np.where(over, state if self.resetting is None else -1, state))
        return Step(next_state[None], reward[None], terminated[None], truncated[None])

    def _reset(self, state: Int[Array, " M"], over: Bool[Array, " M"]) -> Int[np.ndarray, " M"]:
        """Reset the sub-environments whose episodes are over: (M,) where they are then."""
        observation, _ = self._env.reset(options={"reset_mask": over.copy()})
        anew = self._states(observation)
        if (anew[~over] != state[~over]).any():
            raise SampleError(
                f"on step {self.steps} only some sub-environments were to be reset "
                "(options['reset_mask']), and others were too; some wrappers lose the mask: make "
                "the environment with autoreset_mode SAME_STEP"
            )
        return anew

    def _final(
        self, info: Any, state: Int[Array, " M"], over: Bool[Array, " M"]
    ) -> Int[np.ndarray, " M"]:
        """Return (M,) the states in which the episodes ended, where they did."""
        final = info.get("final_obs") if isinstance(info, dict) else None
        if final is None:
            raise SampleError(
                f"an episode ended on step {self.steps}, and the environment does not say in which "
                "state: where it resets at once, info['final_obs'] must hold the last observation"
            )
        observation = np.where(
            over, np.asarray(final, dtype=object), state + self._environment.first_state
        )
        return self._states(observation)

    def _states(self, observation: Any) -> Int[np.ndarray, " M"]:
        """(M,) observations -> (M,) numbers of states."""
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
        self._refuse(
            ~((number >= first) & (number <= last) & (number == np.floor(number))),
            number,
            f"the observation, which must be an integer from {first} to {last},",
        )
        return number.astype(np.int64) - first

    def _rewards(self, reward: Any) -> Float[np.ndarray, " M"]:
        number = np.asarray(reward, dtype=np.float64)
        self._refuse(~np.isfinite(number), number, "the reward")
        return number

    def _require_live(self, state: Int[Array, " M"]) -> None:
        """Check that the states in which actions are to be taken, those not negative, have any."""
        stuck = (state >= 0) & self._environment.terminal[state]
        self._refuse(
            stuck,
            state,
            "an episode that has not ended is in a state without an available action: the state",
        )

    def _refuse(self, bad: Bool[Array, " M"], values: Any, what: str) -> None:
        if bad.any():
            index = int(np.argmax(bad))
            raise SampleError(
                f"sub-environment {index}, step {self.steps}: {what} is {values[index]:g}; "
                f"{int(np.count_nonzero(bad))} of {bad.size} are wrong"
            )


def from_vector_env(
    env: Any,
    discount: float,
    *,
    available: Any = None,
    initial: Any = None,
    state_labels: Sequence[str] | None = None,
    action_labels: Sequence[str] | None = None,
) -> Environment:
    """Return a vector environment of Gymnasium as a source of samples for :func:`regmdp.learn`.

    Its observations and actions must be numbers, ``Discrete`` spaces, which may begin anywhere. An
    episode that is ``terminated`` has ended, and what comes after is worth 0; one that is
    ``truncated`` was cut off. All three ways in which vector environments reset are known. It
    serves one run, walked in all sub-environments side by side; evaluations that follow the policy,
    as :class:`regmdp.evaluation.Rollouts`, can use it.

    Args:
        env: A ``gymnasium.vector.VectorEnv`` with M sub-environments.
        discount: γ; Gymnasium's environments do not say.
        available: (S, A) bool, the actions that exist; by default all. Masks in ``info`` are not
            looked at.
        initial: (S,) distribution of the first state. Episodes begin where the environment begins
            them, whatever this says; it only averages values over states, in summaries. By default
            uniform, since it is not known.
        state_labels: S names, used in errors.
        action_labels: A names.

    Raises:
        ModelError: if a space is not ``Discrete``.
        SampleError: if it is no vector environment; and while it is used, if an observation or a
            reward is impossible: the message names the sub-environment and the step.
        MissingExtraError: if the installed Gymnasium is older than 1.1, and does not say how
            environments reset.

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


def _mode(env: Any) -> str:
    """Return how an environment resets: "NextStep", "SameStep" or "Disabled"."""
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
            "this needs a gymnasium.vector.VectorEnv, as gymnasium.make_vec('FrozenLake-v1', "
            f"num_envs=8), not {env!r}; an environment that publishes its table becomes a model "
            "with regmdp.io.from_gymnasium"
        )
    said = env.metadata.get("autoreset_mode")
    try:
        return AutoresetMode(said).value
    except ValueError:
        raise SampleError(
            "the vector environment does not say how it resets: metadata['autoreset_mode'] is "
            f"{said!r}, and must be one of {[str(mode) for mode in AutoresetMode]}"
        ) from None


def _discrete(env: Any, kind: str) -> tuple[int, int]:
    """Return the first number of a space and how many it has.

    Raises:
        ModelError: if it is not one of numbers.
    """
    from gymnasium.spaces import Discrete

    space = getattr(env, f"single_{kind}_space")
    if not isinstance(space, Discrete):
        raise ModelError(
            f"states and actions are numbers here, and the {kind} space of a sub-environment is "
            f"{space}; discretise it into a Discrete space, as with "
            f"gymnasium.wrappers.Transform{kind.capitalize()} around each"
        )
    return int(space.start), int(space.n)
