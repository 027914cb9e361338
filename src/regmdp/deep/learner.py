"""Base class of all methods: environments, a policy that acts, evaluation, and checkpoints."""

from __future__ import annotations

import copy
import json
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass, field, fields
from os import PathLike
from typing import Any, ClassVar, TypeVar

import gymnasium
import jax
import jax.numpy as jnp
import numpy as np

from regmdp._internal.arrays import ArrayLike, Float
from regmdp._internal.errors import (
    FormatError,
    InsufficientMemoryError,
    RegmdpError,
    SolverError,
)
from regmdp._internal.events import CallbackLike, Event, as_callback
from regmdp._internal.interrupts import hold_interrupts
from regmdp._internal.parameters import (
    FileName,
    Flag,
    Instance,
    Integer,
    Kind,
    Number,
    checked,
    checked_methods,
)
from regmdp._internal.status import Status
from regmdp.deep.checkpoints import (
    Snapshot,
    convert_option_to_json,
    read_snapshot,
    write_snapshot,
)
from regmdp.deep.environments import EnvironmentMaker, Environments
from regmdp.deep.heads import Categorical, Gaussian, Head, make_head
from regmdp.deep.networks import NetworkFunctions, convert_to_numpy, mlp
from regmdp.deep.options import CheckedOptions, check_names
from regmdp.deep.types import AnyArray, EnvironmentLike, JaxArray, Params
from regmdp.regularizers import Regularizer, Shannon

__all__ = ["EpisodeReturns", "Learner", "Reporter"]

AnyLearner = TypeVar("AnyLearner", bound="Learner")

#: Number of the last episodes whose mean return is reported.
RETURN_WINDOW = 100

#: Options that may be functions or classes of the user, which a file cannot hold.
OBJECT_OPTIONS = ("env", "network", "critic", "regularizer", "step_size")


@dataclass(frozen=True, eq=False)
class EpisodeReturns:
    """Undiscounted returns of episodes, with the most probable actions and with drawn ones.

    Attributes:
        greedy: (n,) returns with the most probable action in each state.
        sampled: (n,) returns with actions drawn from the policy.
    """

    greedy: Float[np.ndarray, " n"]
    sampled: Float[np.ndarray, " n"]

    def __repr__(self) -> str:
        named = (("greedy", self.greedy), ("sampled", self.sampled))
        both = ", ".join(
            f"{name} {returns.mean():.6g} ± {returns.std():.3g}" for name, returns in named
        )
        return f"EpisodeReturns({both}; {self.greedy.size} episodes each)"


@checked_methods(
    learn={"steps": Integer(0)},
    predict={"greedy": Flag(), "rng": Instance(np.random.Generator) | None},
    evaluate={"episodes": Integer(), "seed": Integer(0)},
    save={"path": FileName()},
    checkpoint={"path": FileName()},
)
@dataclass(eq=False)
class Learner(CheckedOptions, ABC):
    """A method with its networks and its environments, trained by calls of :meth:`Learner.learn`.

    Args:
        env: The name of a Gymnasium environment, or a function that makes one. Observations are
            boxes or one of n; actions are discrete or a vector in a finite box.
        regularizer: h and τ. The network's outputs are dual variables ξ, the policy is ∇h*(ξ), and
            its cost is τ h.
        seed: Seed of all random numbers. The same seed gives the same numbers on the same machine.
        discount: γ, from 0 to less than 1.
        n_envs: Copies of the environment, which take their steps together.
        network: Network of the policy.

    Attributes:
        steps: Steps taken in the environments, over all copies.
        status: Why the last call of :meth:`learn` ended: ``STEP_LIMIT``, ``STOPPED`` by a callback,
            or ``INTERRUPTED``; None before the first.

    Raises:
        SolverError: if an option is unknown or out of range, or a space is of another kind.
        RegularizerError: if networks cannot be trained with the regularizer.
    """

    env: EnvironmentLike
    _: KW_ONLY
    regularizer: Regularizer = field(default_factory=lambda: Shannon(0.0))
    seed: int = 0
    discount: float = 0.99
    n_envs: int = 8
    network: NetworkFunctions = field(default_factory=lambda: mlp(output_scale=0.01))

    #: The name in files and summaries.
    name: ClassVar[str]

    declarations: ClassVar[Mapping[str, Kind]] = {
        "env": EnvironmentMaker(),
        "regularizer": Instance(Regularizer),
        "seed": Integer(0),
        "discount": Number(0.0, below=1.0),
        "n_envs": Integer(),
        "network": Instance(NetworkFunctions),
    }

    def __new__(cls, *_arguments: object, **options: object):
        """Check the names of the options, before the dataclass reads them."""
        check_names(cls.__name__, options, cls._option_names())
        return super().__new__(cls)

    def __post_init__(self) -> None:
        self.environments = Environments(self.env, self.n_envs)
        self.head = self._make_head()
        self._compilation_key = self._make_compilation_key()
        # compiled functions live as long as the program and keep their arguments: they are given
        # this copy, without the environments and the replay buffer
        self._static = copy.copy(self)
        del self._static.environments
        self.steps = 0
        self.status: Status | None = None
        self._rng = np.random.default_rng(self.seed)
        self._state = self._init_state(jax.random.key(int(self._rng.integers(2**31))))
        self._observation = self._reset()

    def __eq__(self, other: object) -> bool:
        """Whether both have the same options except the seed, and so share compiled functions."""
        return isinstance(other, Learner) and self._compilation_key == other._compilation_key

    def __hash__(self) -> int:
        return hash(self._compilation_key)

    # ---- to be defined by a method ----

    @abstractmethod
    def _init_state(self, key: JaxArray) -> Params:
        """Return the initial training state, with the policy's parameters under "policy"."""

    @abstractmethod
    def _iterate(self) -> dict[str, float]:
        """Take some steps in the environments, learn from them, and return measures by name."""

    # ---- public ----

    def learn(self: AnyLearner, steps: int, *, callback: CallbackLike = None) -> AnyLearner:
        """Take at least so many more steps in the environments, and learn from them.

        After each iteration the callback gets an :class:`~regmdp.Event` with the measures ``steps``
        (taken so far), ``episodes`` (that have ended), ``mean_return`` (undiscounted, of the last
        100 episodes; NaN before the first has ended) and the method's own; its state is the
        learner. If the callback returns False, or on Ctrl-C or a KeyboardInterrupt from a callback,
        the call returns after the last complete iteration; ``status`` says why. What an incomplete
        one has learned does not count, and the next call starts new episodes.

        Args:
            steps: Steps, counted over all copies of the environment.
            callback: A function that is called with an event after each iteration, or several.
        """
        end = self.steps + steps
        reporter = Reporter(self, callback)
        self.status = None
        complete = self.steps, self._state
        try:
            while self.steps < end:
                measures = self._iterate()
                complete = self.steps, self._state
                if not reporter.report(measures):
                    self.status = Status.STOPPED
                    return self
        except KeyboardInterrupt:
            self.steps, self._state = complete
            self._observation = self._reset()  # some copies may have moved, and others not
            self.status = Status.INTERRUPTED
        else:
            self.status = Status.STEP_LIMIT
        return self

    def predict(
        self,
        observation: ArrayLike,
        *,
        greedy: bool = True,
        rng: np.random.Generator | None = None,
    ) -> int | np.ndarray:
        """Return the most probable action for one observation, or one drawn with a generator.

        Raises:
            SampleError: if it is no observation of the environment.
            SolverError: if there is no generator to draw with.
        """
        if not greedy and rng is None:
            raise SolverError(
                "to draw an action give a random generator: predict(observation, greedy=False, "
                "rng=…)"
            )
        one: Any = [observation]
        xi = self._compute_xi_at(one)
        action = self._choose_actions(xi, None if greedy else rng)[0]
        space = self.environments.actions
        return int(action + space.start) if isinstance(space, gymnasium.spaces.Discrete) else action

    def policy(self, observations: ArrayLike) -> Float[np.ndarray, "N A"]:
        """(N, …) observations -> (N, A) probabilities of discrete actions.

        With the observations of all states it is a policy for :func:`~regmdp.certify`.

        Raises:
            SampleError: if they are no observations of the environment.
            SolverError: if actions are continuous.
        """
        if not isinstance(self.head, Categorical):
            raise SolverError("actions are continuous, so a policy is not a table of probabilities")
        return self.head.probabilities(self._compute_xi_at(observations))

    def evaluate(self, episodes: int = 10, *, seed: int = 0) -> EpisodeReturns:
        """Play so many episodes with the most probable actions, and as many with drawn actions."""
        return EpisodeReturns(
            self._play_episodes(episodes, seed, None),
            self._play_episodes(episodes, seed, np.random.default_rng(seed)),
        )

    def save(self, path: str | PathLike[str]) -> None:
        """Write the training state and the options to a file."""
        write_snapshot(
            path,
            Snapshot(
                self.name,
                {name: getattr(self, name) for name in self._option_names()},
                [np.asarray(leaf) for leaf in jax.tree.leaves(self._state)],
                self._get_other_arrays(),
                self.steps,
                self.environments.returns,
                self._rng.bit_generator.state,
            ),
        )

    def checkpoint(self, path: str | PathLike[str]) -> None:
        """Save, and start new episodes, so that this learner and a loaded one continue equally."""
        self.save(path)
        self._observation = self._reset()

    @classmethod
    @checked(path=FileName(), trust_environment=Flag())
    def load(
        cls: type[AnyLearner],
        path: str | PathLike[str],
        *,
        trust_environment: bool = False,
        **options: object,
    ) -> AnyLearner:
        """Return the learner of a file written by :meth:`save`; it continues with new episodes.

        A file is data: it names an environment, but not what is imported. Its environment is made
        if its name is registered in Gymnasium already. A name such as ``"module:Env-v0"``, for
        which Gymnasium would import the module, is made if you give it, ``env="module:Env-v0"``, or
        say that you trust the file.

        Args:
            path: The file.
            trust_environment: Whether the environment that the file names is made even if a module
                has to be imported for it.
            options: Those that a file cannot hold, such as a function that makes the environment,
                or a network other than ``mlp``.

        Raises:
            FormatError: if the file is damaged, of another method or version, does not fit the
                environment, or names an environment that is not registered.
        """
        snapshot = read_snapshot(path, cls.name)
        given: dict[str, Any] = snapshot.options | options
        names = cls._option_names()
        if "env" not in options and "env" in given and not trust_environment:
            _require_registered(path, given["env"])
        missing = [name for name in OBJECT_OPTIONS if name in names and name not in given]
        if missing:
            raise FormatError(
                f"{path} cannot hold {' and '.join(missing)}: give what the learner was made with, "
                f"load(path, {missing[0]}=…)"
            )
        try:
            learner = cls(**given)
            learner._restore(snapshot)
        except InsufficientMemoryError:
            raise
        except (RegmdpError, KeyError, TypeError, ValueError, OverflowError) as error:
            raise FormatError(f"{path} does not hold a learner that fits: {error}") from error
        return learner

    # ---- for methods ----

    @property
    def _state(self) -> Params:
        """The training state: parameters, optimizer states, and what else a method needs."""
        return self._training_state

    @_state.setter
    def _state(self, state: Params) -> None:
        acting = convert_to_numpy(state["policy"])
        with hold_interrupts():
            self._training_state, self._acting_params = state, acting

    @classmethod
    def _option_names(cls) -> list[str]:
        return [item.name for item in fields(cls)]

    def _make_compilation_key(self) -> tuple[object, ...]:
        """Return everything on which the compiled functions depend."""
        options = []
        for name in self._option_names():
            if name not in ("env", "seed"):
                value = getattr(self, name)
                encoded = convert_option_to_json(value)
                options.append((name, id(value) if encoded is None else json.dumps(encoded)))
        spaces = self.environments.n_inputs, str(self.environments.actions)
        return type(self), *spaces, tuple(options)

    def _restore(self, snapshot: Snapshot) -> None:
        """Continue from a snapshot, with new episodes.

        Raises:
            FormatError: if it is of other networks, or holds numbers that are not finite.
        """
        leaves, structure = jax.tree.flatten(self._state)
        expected = [(np.shape(leaf), np.asarray(leaf).dtype) for leaf in leaves]
        if expected != [(leaf.shape, leaf.dtype) for leaf in snapshot.leaves]:
            raise FormatError(
                "it does not fit the environment or the networks: its arrays have other shapes or "
                "types"
            )
        wrong = sum(int(np.count_nonzero(~np.isfinite(leaf))) for leaf in snapshot.leaves)
        if wrong:
            raise FormatError(f"{wrong} numbers of the training state are not finite")
        self._restore_other_arrays(dict(snapshot.others))
        if self._is_start_of(snapshot, leaves):
            return  # made again with its first episodes
        self._state = jax.tree.unflatten(structure, [jnp.asarray(leaf) for leaf in snapshot.leaves])
        self.steps = snapshot.steps
        self.environments.returns = snapshot.returns
        self._rng.bit_generator.state = snapshot.generator
        self._observation = self._reset()

    def _is_start_of(self, snapshot: Snapshot, leaves: list[Any]) -> bool:
        """Whether this new learner is the one of a snapshot, which has taken no step."""
        return (
            snapshot.steps == 0
            and snapshot.generator == self._rng.bit_generator.state
            and all(map(np.array_equal, leaves, snapshot.leaves))
        )

    def _get_other_arrays(self) -> dict[str, np.ndarray]:
        """Return the arrays that a file needs besides the training state."""
        return {}

    def _restore_other_arrays(self, arrays: dict[str, np.ndarray]) -> None:
        """Restore the arrays that :meth:`_get_other_arrays` returned."""
        if arrays:
            raise FormatError(
                f"the file holds {', '.join(arrays)}, which {self.name} does not use with these "
                "options"
            )

    def _make_head(self) -> Head:
        return make_head(self.regularizer, self.environments.actions)

    def _init_policy(self, key: JaxArray) -> Params:
        """Return initial parameters of the policy."""
        if isinstance(self.head, Gaussian):
            size = self.head.n_outputs // 2
            return {
                "network": self.network.init(key, self.environments.n_inputs, size),
                "log_deviation": jnp.zeros(size),
            }
        return {"network": self.network.init(key, self.environments.n_inputs, self.head.n_outputs)}

    def _compute_xi(self, params: Params, observations: AnyArray) -> JaxArray:
        """Return (N, K) ξ for (N, inputs) observations; a NumPy array if all arrays are NumPy's."""
        outputs = self.network.apply(params["network"], observations)
        if "log_deviation" not in params:
            return outputs
        xp: Any = np if isinstance(outputs, np.ndarray) else jnp
        return xp.concatenate(
            [outputs, xp.broadcast_to(params["log_deviation"], outputs.shape)], axis=-1
        )

    def _compute_acting_xi(self, observations: np.ndarray) -> np.ndarray:
        """Return (N, K) ξ for (N, inputs) observations, with NumPy."""
        return np.asarray(self._compute_xi(self._acting_params, self._normalize(observations)))

    def _compute_xi_at(self, observations: ArrayLike) -> np.ndarray:
        """Return (N, K) ξ for (N, …) observations of the environment."""
        return self._compute_acting_xi(self.environments.encode(observations))

    def _act(self) -> tuple[np.ndarray, np.ndarray]:
        """Return (N, K) ξ for the present observations, and N actions drawn from them."""
        xi = self._compute_acting_xi(self._observation)
        return xi, self.head.sample(self._rng, xi)

    def _normalize(self, observations: np.ndarray) -> np.ndarray:
        """(…, inputs) observations -> (…, inputs) inputs of the networks."""
        return observations

    def _reset(self) -> np.ndarray:
        """Start new episodes and return their first observations."""
        return self.environments.reset(int(self._rng.integers(2**31)))

    def _choose_actions(self, xi: np.ndarray, rng: np.random.Generator | None) -> np.ndarray:
        """(N, K) ξ -> N actions for the environment: the most probable, or drawn."""
        actions = self.head.mode(xi) if rng is None else self.head.sample(rng, xi)
        return np.asarray(self.head.scale_to_space(actions))

    def _play_episodes(
        self, episodes: int, seed: int, rng: np.random.Generator | None
    ) -> np.ndarray:
        """Return the (n,) returns of the first episode of each of n copies of the environment."""
        copies = Environments(self.env, episodes)
        observation = copies.reset(seed)
        total, playing = np.zeros(episodes), np.ones(episodes, dtype=np.bool_)
        while playing.any():
            step = copies.step(self._choose_actions(self._compute_acting_xi(observation), rng))
            total += np.where(playing, step.reward, 0.0)
            playing &= ~(step.terminated | step.truncated)
            observation = step.observation
        copies.close()
        return total


def _require_registered(path: str | PathLike[str], env: object) -> None:
    """Check that an environment that a file names is one that Gymnasium knows already.

    Raises:
        FormatError: if it is not.
    """
    if not isinstance(env, str) or env not in gymnasium.registry:
        raise FormatError(
            f"{path} names the environment {env!r}, which is not registered in Gymnasium; nothing "
            "that a file names is imported: import the module that registers it, give the "
            "environment, load(path, env=…), or load(path, trust_environment=True) if you trust "
            "the file"
        )


class Reporter:
    """Reports the iterations of one call of ``learn`` to its callback."""

    def __init__(self, learner: Learner, callback: CallbackLike) -> None:
        self._learner, self._callback = learner, as_callback(callback)
        self._begin = time.perf_counter()
        self._iteration = 0

    def report(self, measures: Mapping[str, float]) -> bool:
        """Report an iteration with the method's own measures; return whether to go on."""
        self._iteration += 1
        returns = self._learner.environments.returns
        recent = returns[-RETURN_WINDOW:]
        measures = {
            "steps": self._learner.steps,
            "episodes": len(returns),
            "mean_return": float(np.mean(recent)) if recent else float("nan"),
            **measures,
        }
        seconds = time.perf_counter() - self._begin
        return self._callback(Event(self._iteration, seconds, measures, self._learner))
