r"""What a network's outputs ξ mean as a distribution over actions: ∇h*(ξ) over discrete ones, a Gaussian in a box."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from typing import Any

import gymnasium
import jax
import jax.numpy as jnp
import numpy as np
from scipy.special import ndtr

from regmdp._internal.arrays import Array, Float, Int, array_namespace
from regmdp._internal.errors import RegularizerError
from regmdp.deep.simplex import Simplex
from regmdp.regularizers import Regularizer, Shannon, Tsallis

__all__ = ["Categorical", "Gaussian", "Head", "Squashed", "head_for"]


class Head(ABC):
    """A family of distributions over actions, each named by an (…, K) array ξ, with the regularizer h in its terms."""

    #: K.
    n_outputs: int
    #: Numbers that an action is drawn with.
    n_noise: int
    #: τ.
    temperature: float

    @abstractmethod
    def drawn_with(self, xi: Float[Array, "N K"], noise: Float[Array, "N n"]) -> Any:
        """(N, K) ξ and (N, n) standard normal numbers -> N actions drawn from ξ: a function of both."""

    def sample(self, rng: np.random.Generator, xi: Float[np.ndarray, "N K"]) -> np.ndarray:
        """(N, K) ξ -> N actions drawn from them."""
        return np.asarray(self.drawn_with(xi, rng.standard_normal((xi.shape[0], self.n_noise))))

    @abstractmethod
    def mode(self, xi: Float[np.ndarray, "N K"]) -> np.ndarray:
        """(N, K) ξ -> N actions, the likeliest of each."""

    def anything(self, noise: Float[np.ndarray, "N n"]) -> np.ndarray:
        """(N, n) standard normal numbers -> N actions drawn from a distribution that tries everything."""
        return self.drawn_with(np.zeros((noise.shape[0], self.n_outputs), dtype=np.float32), noise)

    def done(self, actions: Any) -> Any:
        """Return what an environment gets for some actions."""
        return actions

    @abstractmethod
    def ratio(
        self, xi: Float[Array, "*batch K"], before: Float[Array, "*batch K"], actions: Array
    ) -> Float[Array, "*batch"]:
        """(…, K) ξ, (…, K) ξ that actions were drawn from -> (…) how many times likelier they are with the first."""

    @abstractmethod
    def value(self, xi: Float[Array, "*batch K"]) -> Float[Array, "*batch"]:
        """(…, K) ξ -> (…) h."""

    @abstractmethod
    def divergence(
        self, from_xi: Float[Array, "*batch K"], xi: Float[Array, "*batch K"]
    ) -> Float[Array, "*batch"]:
        """(…, K) ξ of p and (…, K) ξ of π -> (…) D(p, π; ξ)."""

    @abstractmethod
    def curvature(
        self, xi: Float[Array, "*batch K"], direction: Float[Array, "*batch K"]
    ) -> Float[Array, "*batch K"]:
        """(…, K) ξ and (…, K) directions -> (…, K) the second derivative of D(p, π; ξ) in ξ, where they agree, times those."""


class Categorical(Head):
    """Distributions ∇h*(ξ) over A actions."""

    def __init__(self, regularizer: Regularizer, n_actions: int) -> None:
        self.simplex = Simplex(regularizer)
        self.simplex.require_derivatives(n_actions)
        self.n_outputs, self.n_noise, self.temperature = n_actions, 1, self.simplex.temperature

    def probabilities(self, xi: Float[np.ndarray, "N A"]) -> Float[np.ndarray, "N A"]:
        """(N, A) ξ -> (N, A) probabilities, in double precision."""
        return np.asarray(self.simplex.regularizer.greedy(np.asarray(xi, dtype=np.float64)))

    def drawn_with(
        self, xi: Float[Array, "N A"], noise: Float[Array, "N n"]
    ) -> Int[np.ndarray, " N"]:
        cumulative = np.cumsum(self.probabilities(xi), axis=-1)
        # the last sum is 1 only up to rounding, and an action of probability 0 is never drawn
        last = cumulative[:, -1:]
        return np.sum(
            cumulative <= np.minimum(ndtr(noise) * last, np.nextafter(last, 0.0)), axis=-1
        )

    def mode(self, xi: Float[np.ndarray, "N A"]) -> Int[np.ndarray, " N"]:
        return np.argmax(xi, axis=-1)

    def ratio(
        self,
        xi: Float[Array, "*batch A"],
        before: Float[Array, "*batch A"],
        actions: Int[Array, "*batch"],
    ) -> Float[Array, "*batch"]:
        index = actions[..., None]
        chosen, old = (
            jnp.take_along_axis(self.simplex.policy(each), index, axis=-1)[..., 0]
            for each in (xi, before)
        )
        return chosen / jnp.maximum(old, jnp.finfo(old.dtype).tiny)

    def value(self, xi: Float[Array, "*batch A"]) -> Float[Array, "*batch"]:
        return self.simplex.value(xi)

    def divergence(
        self, from_xi: Float[Array, "*batch A"], xi: Float[Array, "*batch A"]
    ) -> Float[Array, "*batch"]:
        return self.simplex.divergence(from_xi, xi)

    def curvature(
        self, xi: Float[Array, "*batch A"], direction: Float[Array, "*batch A"]
    ) -> Float[Array, "*batch A"]:
        return self.simplex.curvature(xi, direction)


class _InBox(Head):
    """Distributions over the points of a box, given by d means and d logarithms of deviations, ξ; a unit is half of the box."""

    def __init__(self, regularizer: Regularizer, space: gymnasium.spaces.Box) -> None:
        self._q, self.temperature = _entropic(regularizer)
        self._low, self._high = space.low, space.high
        self.n_noise = int(np.prod(space.shape))
        self.n_outputs = 2 * self.n_noise

    def done(self, actions: Any) -> Any:
        """(N, d) actions -> (N, d) points of the box; what lies outside of it is cut off."""
        xp = array_namespace(actions)
        middle, half = 0.5 * (self._high + self._low), 0.5 * (self._high - self._low)
        return xp.clip(middle + half * actions, self._low, self._high).astype(self._low.dtype)


class Gaussian(_InBox):
    r"""Normal distributions of d independent actions, ξ the d means and the d logarithms of the deviations.

    Shannon's h is the negative differential entropy, Tsallis' has the closed form
    \(\int p^q = \prod_i (2\pi\sigma_i^2)^{(1-q)/2} / \sqrt q\). The divergence is Kullback and
    Leibler's in either case: it is the natural one of a family given by means and deviations.

    Raises:
        RegularizerError: if h has no closed form for a Gaussian, or is not the same in every state.
    """

    def drawn_with(
        self, xi: Float[Array, "N K"], noise: Float[Array, "N n"]
    ) -> Float[Array, "N d"]:
        xp = array_namespace(xi)
        mean, log_deviation = xi[..., : self.n_noise], xi[..., self.n_noise :]
        return mean + xp.exp(log_deviation) * noise

    def mode(self, xi: Float[np.ndarray, "N K"]) -> Float[np.ndarray, "N d"]:
        return xi[..., : self.n_noise]

    def ratio(
        self,
        xi: Float[Array, "*batch K"],
        before: Float[Array, "*batch K"],
        actions: Float[Array, "*batch d"],
    ) -> Float[Array, "*batch"]:
        return jnp.exp(self._log_density(xi, actions) - self._log_density(before, actions))

    def value(self, xi: Float[Array, "*batch K"]) -> Float[Array, "*batch"]:
        _, log_deviation = jnp.split(xi, 2, axis=-1)
        constant = 0.5 * math.log(2.0 * math.pi)
        if self._q == 1.0:
            return -jnp.sum(log_deviation + constant + 0.5, axis=-1)
        power = jnp.sum(
            (1.0 - self._q) * (log_deviation + constant) - 0.5 * math.log(self._q), axis=-1
        )
        return jnp.expm1(power) / (self._q - 1.0)

    def divergence(
        self, from_xi: Float[Array, "*batch K"], xi: Float[Array, "*batch K"]
    ) -> Float[Array, "*batch"]:
        mean, log_deviation = jnp.split(xi, 2, axis=-1)
        from_mean, from_log = jnp.split(from_xi, 2, axis=-1)
        apart = log_deviation - from_log
        moved = 0.5 * jnp.square((mean - from_mean) * jnp.exp(-log_deviation))
        return jnp.sum(apart + 0.5 * jnp.expm1(-2.0 * apart) + moved, axis=-1)

    def curvature(
        self, xi: Float[Array, "*batch K"], direction: Float[Array, "*batch K"]
    ) -> Float[Array, "*batch K"]:
        _, log_deviation = jnp.split(xi, 2, axis=-1)
        of_mean, of_log = jnp.split(direction, 2, axis=-1)
        return jnp.concatenate([of_mean * jnp.exp(-2.0 * log_deviation), 2.0 * of_log], axis=-1)

    def _log_density(self, xi: Array, actions: Array) -> Array:
        mean, log_deviation = jnp.split(xi, 2, axis=-1)
        apart = (actions - mean) * jnp.exp(-log_deviation)
        return -jnp.sum(
            0.5 * jnp.square(apart) + log_deviation + 0.5 * math.log(2.0 * math.pi), axis=-1
        )


class Squashed(_InBox):
    r"""Actions tanh(u) in the box, u normal with d means and d logarithms of deviations that a network gives for each state.

    h is the expectation of (p^{q-1} - 1)/(q - 1), or of log p for Shannon's, and is estimated by
    the action that is drawn.
    """

    #: Between these the logarithms of the deviations are kept.
    LEAST, MOST = -5.0, 2.0

    def drawn_with(
        self, xi: Float[Array, "N K"], noise: Float[Array, "N n"]
    ) -> Float[np.ndarray, "N d"]:
        mean, log_deviation = np.split(xi, 2, axis=-1)
        return np.tanh(mean + np.exp(np.clip(log_deviation, self.LEAST, self.MOST)) * noise)

    def anything(self, noise: Float[np.ndarray, "N n"]) -> Float[np.ndarray, "N d"]:
        return 2.0 * ndtr(noise) - 1.0

    def mode(self, xi: Float[np.ndarray, "N K"]) -> Float[np.ndarray, "N d"]:
        return np.tanh(xi[..., : self.n_noise])

    def drawn(
        self, key: Array, xi: Float[Array, "*batch K"]
    ) -> tuple[Float[Array, "*batch d"], Float[Array, "*batch"]]:
        """(…, K) ξ -> (…, d) actions drawn so that derivatives go through them, and what each says of h, (…)."""
        mean, log_deviation = jnp.split(xi, 2, axis=-1)
        log_deviation = jnp.clip(log_deviation, self.LEAST, self.MOST)
        noise = jax.random.normal(key, mean.shape)
        u = mean + jnp.exp(log_deviation) * noise
        log_density = -0.5 * jnp.square(noise) - log_deviation - 0.5 * math.log(2.0 * math.pi)
        # log(1 - tanh² u) without cancellation
        squeezed = 2.0 * (math.log(2.0) - u - jax.nn.softplus(-2.0 * u))
        logarithm = jnp.sum(log_density - squeezed, axis=-1)
        if self._q == 1.0:
            return jnp.tanh(u), logarithm
        return jnp.tanh(u), jnp.expm1((self._q - 1.0) * logarithm) / (self._q - 1.0)

    def ratio(self, xi: Array, before: Array, actions: Array) -> Array:
        raise _no_closed_form("likelihood ratios")

    def value(self, xi: Array) -> Array:
        raise _no_closed_form("a regularizer")

    def divergence(self, from_xi: Array, xi: Array) -> Array:
        raise _no_closed_form("a divergence")

    def curvature(self, xi: Array, direction: Array) -> Array:
        raise _no_closed_form("a divergence")


def _entropic(regularizer: Regularizer) -> tuple[float, float]:
    """Return q and τ of a regularizer that normal distributions have a closed form of."""
    if not isinstance(regularizer, Shannon | Tsallis):
        raise RegularizerError(
            f"{type(regularizer).__name__} has no closed form for normal distributions of "
            "continuous actions; take Shannon or Tsallis"
        )
    if regularizer.n_states is not None:
        raise RegularizerError(
            "a network sees observations, not states: give the regularizer one temperature"
        )
    return (regularizer.q if isinstance(regularizer, Tsallis) else 1.0), float(
        regularizer.max_temperature
    )


def _no_closed_form(what: str) -> RegularizerError:
    return RegularizerError(f"{what} of squashed normal distributions have no closed form")


def head_for(regularizer: Regularizer, space: Any) -> Head:
    """Return the family of distributions for a space of actions."""
    if isinstance(space, gymnasium.spaces.Discrete):
        return Categorical(regularizer, int(space.n))
    return Gaussian(regularizer, space)
