"""What all methods have in common: environments, a policy that acts, episodes to judge it by, and files."""

from __future__ import annotations

import copy
import json
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import KW_ONLY, dataclass, field, fields
from os import PathLike
from typing import Any, ClassVar, TypeVar

import jax
import jax.numpy as jnp
import numpy as np

from regmdp._internal.arrays import Array, Float
from regmdp._internal.errors import FormatError, SolverError
from regmdp.deep.checkpoints import option_as_json, read_learner, write_learner
from regmdp.deep.environments import Environments
from regmdp.deep.heads import Categorical, Gaussian, Head, head_for
from regmdp.deep.networks import Network, in_numpy, mlp
from regmdp.deep.options import require_count
from regmdp.regularizers import Regularizer, Shannon

__all__ = ["Learner", "Progress", "Returns"]

AnyLearner = TypeVar("AnyLearner", bound="Learner")

#: Episodes whose mean return a listener is told.
RECENT = 100


@dataclass(frozen=True)
class Progress:
    """What a listener is told after each iteration.

    Attributes:
        steps: Steps taken in the environments so far.
        seconds: Time since this call of ``learn`` began.
        episodes: Episodes that have ended.
        mean_return: Mean undiscounted return of the last 100 of them; NaN if none has.
        measures: What the method has to say of the iteration.
    """

    steps: int
    seconds: float
    episodes: int
    mean_return: float
    measures: dict[str, float]


@dataclass(frozen=True, eq=False)
class Returns:
    """Undiscounted returns of episodes, (n,) with the likeliest action in each state and (n,) with actions drawn."""

    greedy: Float[np.ndarray, " n"]
    sampled: Float[np.ndarray, " n"]

    def __repr__(self) -> str:
        named = (("greedy", self.greedy), ("sampled", self.sampled))
        both = ", ".join(
            f"{name} {returns.mean():.6g} ± {returns.std():.3g}" for name, returns in named
        )
        return f"Returns({both}; {self.greedy.size} episodes each)"


@dataclass(eq=False)
class Learner(ABC):
    """A method with its networks and its environments: made once, then taught by :meth:`learn` as often as one likes.

    Args:
        env: The name of a Gymnasium environment, or a function that makes one; observations are
            boxes or one of n, actions discrete or a vector in a finite box.
        regularizer: h and τ. The network's outputs are dual variables ξ, the policy is ∇h*(ξ), and
            τ h is what it costs.
        seed: Of everything random. The same seed gives the same numbers on the same machine.
        discount: γ, from 0 to less than 1.
        copies: TiledProcess of the environment that take their steps together.
        network: Of the policy.

    Raises:
        SolverError: if an option is out of range, or a space of another kind.
        RegularizerError: if the regularizer is none that networks are trained with.
    """

    env: str | Callable[[], Any]
    _: KW_ONLY
    regularizer: Regularizer = field(default_factory=lambda: Shannon(0.0))
    seed: int = 0
    discount: float = 0.99
    copies: int = 8
    network: Network = field(default_factory=lambda: mlp(last=0.01))

    #: The name in files and summaries.
    name: ClassVar[str]

    def __post_init__(self) -> None:
        if not 0.0 <= self.discount < 1.0:
            raise SolverError(
                f"the discount must be at least 0 and less than 1, not {self.discount!r}"
            )
        require_count("the number of copies of the environment", self.copies)
        self.environments = Environments(self.env, self.copies)
        self.head = self._head()
        self._identity = self._said()
        # what is compiled is kept for as long as the program runs: it holds this copy and not the
        # environments, nor a memory
        self._design = copy.copy(self)
        del self._design.environments
        self.steps = 0
        self.interrupted = False
        self._rng = np.random.default_rng(self.seed)
        self._state = self._begun(jax.random.key(int(self._rng.integers(2**31))))
        self._observation = self._reset()

    def __eq__(self, other: object) -> bool:
        """Whether both have the same options but for the seed, so that what was compiled for one serves the other."""
        return isinstance(other, Learner) and self._identity == other._identity

    def __hash__(self) -> int:
        return hash(self._identity)

    # ---- what a method is ----

    @abstractmethod
    def _begun(self, key: Array) -> Any:
        """Return what is learned, as it is at the start: a pytree of arrays with the policy's parameters under "policy"."""

    @abstractmethod
    def _iterate(self) -> dict[str, float]:
        """Take some steps in the environments, learn from them, and say what happened."""

    # ---- for those who use it ----

    def learn(self: AnyLearner, steps: int, *, callback: Any = ()) -> AnyLearner:
        """Take at least so many more steps in the environments, and learn from them.

        Ctrl-C, or a KeyboardInterrupt from a callback, ends it after the last complete iteration,
        and sets ``interrupted``.

        Args:
            steps: Steps, counted over all copies.
            callback: Functions called with a :class:`Progress` after each iteration.
        """
        require_count("the number of steps", steps, least=0)
        callbacks = (callback,) if callable(callback) else tuple(callback)
        begin, until, self.interrupted = time.perf_counter(), self.steps + steps, False
        try:
            while self.steps < until:
                self._tell(callbacks, begin, self._iterate())
        except KeyboardInterrupt:
            self.interrupted = True
        return self

    def predict(
        self, observation: Any, *, greedy: bool = True, rng: np.random.Generator | None = None
    ) -> Any:
        """Return the action for one observation: the likeliest, or one that is drawn with a generator."""
        if not greedy and rng is None:
            raise SolverError(
                "to draw an action give a random generator: predict(observation, greedy=False, "
                "rng=…)"
            )
        actions = self._chosen(self._xi_at(np.asarray(observation)[None]), None if greedy else rng)
        action = actions[0]
        return (
            int(action + self.environments.actions.start)
            if isinstance(self.head, Categorical)
            else action
        )

    def policy(self, observations: Any) -> Float[np.ndarray, "N A"]:
        """(N, …) observations -> (N, A) probabilities of discrete actions: of all states, a policy that can be certified."""
        if not isinstance(self.head, Categorical):
            raise SolverError("actions are continuous, so a policy is no table of probabilities")
        return self.head.probabilities(self._xi_at(observations))

    def evaluate(self, episodes: int = 10, *, seed: int = 0) -> Returns:
        """Play so many episodes with the likeliest actions, and as many with actions drawn, in environments of their own."""
        require_count("the number of episodes", episodes)
        return Returns(
            *(self._played(episodes, seed, rng) for rng in (None, np.random.default_rng(seed)))
        )

    def save(self, path: str | PathLike[str]) -> None:
        """Write what was learned, and the options, to a file."""
        write_learner(path, self)

    def checkpoint(self, path: str | PathLike[str]) -> None:
        """Save, and begin new episodes, as a learner that is read back does: from here on both give the same numbers."""
        self.save(path)
        self._observation = self._reset()

    @classmethod
    def load(cls: type[AnyLearner], path: str | PathLike[str], **options: Any) -> AnyLearner:
        """Read back what :meth:`save` wrote; learning goes on from there with new episodes.

        Args:
            path: The file.
            options: What a file cannot hold, as a function that makes the environment, or a network
                that is no ``mlp``.

        Raises:
            FormatError: if the file is damaged, or of another method, or does not fit the
                environment.
        """
        return read_learner(cls, path, options)

    # ---- for methods ----

    @property
    def _state(self) -> Any:
        """What is learned."""
        return self._learned

    @_state.setter
    def _state(self, learned: Any) -> None:
        self._learned, self._acting = learned, in_numpy(learned["policy"])

    def _tell(
        self,
        callbacks: tuple[Callable[[Progress], object], ...],
        begin: float,
        measures: dict[str, float],
    ) -> None:
        """Tell the listeners how far it is."""
        recent = self.environments.returns[-RECENT:]
        mean = float(np.mean(recent)) if recent else float("nan")
        event = Progress(
            self.steps, time.perf_counter() - begin, len(self.environments.returns), mean, measures
        )
        for callback in callbacks:
            callback(event)

    def _said(self) -> tuple:
        """Return all that the compiled functions depend on."""
        options = (
            (item.name, getattr(self, item.name))
            for item in fields(self)
            if item.name not in ("env", "seed")
        )
        said = tuple(
            (
                name,
                id(value) if option_as_json(value) is None else json.dumps(option_as_json(value)),
            )
            for name, value in options
        )
        return type(self), self.environments.n_inputs, str(self.environments.actions), said

    def _remembered(self) -> dict[str, np.ndarray]:
        """Return arrays that a file needs beside what is learned."""
        return {}

    def _recall(self, remembered: dict[str, np.ndarray]) -> None:
        """Take back what :meth:`_remembered` gave."""
        if remembered:
            raise FormatError(
                f"the file holds {', '.join(remembered)}, of which {self.name} knows nothing"
            )

    def _head(self) -> Head:
        return head_for(self.regularizer, self.environments.actions)

    def _new_policy(self, key: Array) -> Any:
        """Return parameters of the policy to begin with."""
        if isinstance(self.head, Gaussian):
            size = self.head.n_outputs // 2
            return {
                "network": self.network.init(key, self.environments.n_inputs, size),
                "log_deviation": jnp.zeros(size),
            }
        return {"network": self.network.init(key, self.environments.n_inputs, self.head.n_outputs)}

    def _xi(self, params: Any, observations: Array) -> Array:
        """Return (N, K) ξ for (N, inputs) observations; on NumPy's arrays if both are."""
        outputs = self.network.apply(params["network"], observations)
        if "log_deviation" not in params:
            return outputs
        xp = np if isinstance(outputs, np.ndarray) else jnp
        return xp.concatenate(
            [outputs, xp.broadcast_to(params["log_deviation"], outputs.shape)], axis=-1
        )

    def _act(self) -> tuple[np.ndarray, np.ndarray]:
        """Return (N, K) ξ for the present observations, and N actions drawn from them."""
        xi = np.asarray(self._xi(self._acting, self._seen(self._observation)))
        return xi, self.head.sample(self._rng, xi)

    def _seen(self, observations: np.ndarray) -> np.ndarray:
        """(…, inputs) observations -> (…, inputs) what networks see of them."""
        return observations

    def _reset(self) -> np.ndarray:
        return self.environments.reset(int(self._rng.integers(2**31)))

    def _xi_at(self, observations: Any) -> np.ndarray:
        return np.asarray(
            self._xi(self._acting, self._seen(self.environments.encode(observations)))
        )

    def _chosen(self, xi: np.ndarray, rng: np.random.Generator | None) -> np.ndarray:
        return self.head.done(self.head.mode(xi) if rng is None else self.head.sample(rng, xi))

    def _played(self, episodes: int, seed: int, rng: np.random.Generator | None) -> np.ndarray:
        """Return the (n,) returns of the first episode of each of n copies."""
        copies = Environments(self.env, episodes)
        observation = copies.reset(seed)
        total, playing = np.zeros(episodes), np.ones(episodes, dtype=np.bool_)
        while playing.any():
            xi = np.asarray(self._xi(self._acting, self._seen(observation)))
            step = copies.step(self._chosen(xi, rng))
            total += np.where(playing, step.reward, 0.0)
            playing &= ~(step.terminated | step.truncated)
            observation = step.observation
        copies.close()
        return total
