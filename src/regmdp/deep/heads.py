r"""Distributions over actions with parameters ξ: ∇h*(ξ) over discrete ones, Gaussians in a box."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod

import gymnasium
import jax
import jax.numpy as jnp
import numpy as np
from scipy.special import ndtr

from regmdp._internal.arrays import Float, Int, array_namespace
from regmdp._internal.errors import RegularizerError
from regmdp._internal.parameters import Instance, Integer, checked
from regmdp.deep.simplex import Simplex
from regmdp.deep.types import ActionSpace, AnyArray, JaxArray
from regmdp.regularizers import Regularizer, Shannon, Tsallis

__all__ = ["Categorical", "Gaussian", "Head", "SquashedGaussian", "make_head"]


class Head(ABC):
    """A family of distributions over actions with (…, K) parameters ξ, and h as a function of ξ."""

    #: K.
    n_outputs: int
    #: Standard normal numbers from which an action is drawn.
    n_noise: int
    #: τ.
    temperature: float

    @abstractmethod
    def draw_from_noise(
        self, xi: Float[AnyArray, "N K"], noise: Float[AnyArray, "N n"]
    ) -> AnyArray:
        """(N, K) ξ and (N, n) standard normal numbers -> N actions, a function of both."""

    def sample(self, rng: np.random.Generator, xi: Float[np.ndarray, "N K"]) -> np.ndarray:
        """(N, K) ξ -> N actions drawn from their distributions."""
        noise = rng.standard_normal((xi.shape[0], self.n_noise))
        return np.asarray(self.draw_from_noise(xi, noise))

    @abstractmethod
    def mode(self, xi: Float[np.ndarray, "N K"]) -> np.ndarray:
        """(N, K) ξ -> N actions, the most probable of each."""

    def draw_initial(self, noise: Float[np.ndarray, "N n"]) -> np.ndarray:
        """(N, n) standard normal numbers -> N actions of a broad distribution, to explore with."""
        xi = np.zeros((noise.shape[0], self.n_outputs), dtype=np.float32)
        return np.asarray(self.draw_from_noise(xi, noise))

    def scale_to_space(self, actions: AnyArray) -> AnyArray:
        """N actions -> N points of the environment's action space."""
        return actions

    @abstractmethod
    def ratio(
        self,
        xi: Float[JaxArray, "*batch K"],
        old_xi: Float[JaxArray, "*batch K"],
        actions: JaxArray,
    ) -> Float[JaxArray, "*batch"]:
        """(…, K) ξ and (…, K) ξ at the time of the draw -> (…) likelihood ratio of the actions."""

    @abstractmethod
    def value(self, xi: Float[JaxArray, "*batch K"]) -> Float[JaxArray, "*batch"]:
        """(…, K) ξ -> (…) h."""

    @abstractmethod
    def divergence(
        self, from_xi: Float[JaxArray, "*batch K"], xi: Float[JaxArray, "*batch K"]
    ) -> Float[JaxArray, "*batch"]:
        """(…, K) ξ of p and (…, K) ξ of π -> (…) D(p, π; ξ)."""

    @abstractmethod
    def curvature(
        self, xi: Float[JaxArray, "*batch K"], direction: Float[JaxArray, "*batch K"]
    ) -> Float[JaxArray, "*batch K"]:
        """(…, K) ξ and (…, K) v -> (…, K) Hessian of D(p, π; ξ) in ξ at p = π, times v."""


@checked(regularizer=Instance(Regularizer), n_actions=Integer())
class Categorical(Head):
    """Distributions ∇h*(ξ) over A actions."""

    def __init__(self, regularizer: Regularizer, n_actions: int) -> None:
        self.simplex = Simplex(regularizer)
        self.simplex.check_differentiable(n_actions)
        self.n_outputs, self.n_noise, self.temperature = n_actions, 1, self.simplex.temperature

    def probabilities(self, xi: Float[AnyArray, "N A"]) -> Float[np.ndarray, "N A"]:
        """(N, A) ξ -> (N, A) probabilities, in double precision."""
        return np.asarray(self.simplex.regularizer.greedy(np.asarray(xi, dtype=np.float64)))

    def draw_from_noise(
        self, xi: Float[AnyArray, "N A"], noise: Float[AnyArray, "N n"]
    ) -> Int[np.ndarray, " N"]:
        cumulative = np.cumsum(self.probabilities(xi), axis=-1)
        # the last sum is 1 only up to rounding, and an action of probability 0 must not be drawn
        total = cumulative[:, -1:]
        return np.sum(
            cumulative <= np.minimum(ndtr(noise) * total, np.nextafter(total, 0.0)), axis=-1
        )

    def mode(self, xi: Float[np.ndarray, "N A"]) -> Int[np.ndarray, " N"]:
        return np.argmax(xi, axis=-1)

    def ratio(
        self,
        xi: Float[JaxArray, "*batch A"],
        old_xi: Float[JaxArray, "*batch A"],
        actions: Int[JaxArray, "*batch"],
    ) -> Float[JaxArray, "*batch"]:
        index = actions[..., None]
        new, old = (
            jnp.take_along_axis(self.simplex.policy(each), index, axis=-1)[..., 0]
            for each in (xi, old_xi)
        )
        return new / jnp.maximum(old, jnp.finfo(old.dtype).tiny)

    def value(self, xi: Float[JaxArray, "*batch A"]) -> Float[JaxArray, "*batch"]:
        return self.simplex.value(xi)

    def divergence(
        self, from_xi: Float[JaxArray, "*batch A"], xi: Float[JaxArray, "*batch A"]
    ) -> Float[JaxArray, "*batch"]:
        return self.simplex.divergence(from_xi, xi)

    def curvature(
        self, xi: Float[JaxArray, "*batch A"], direction: Float[JaxArray, "*batch A"]
    ) -> Float[JaxArray, "*batch A"]:
        return self.simplex.curvature(xi, direction)


@checked(regularizer=Instance(Regularizer), space=Instance(gymnasium.spaces.Box))
class _BoxHead(Head):
    """Distributions in a box with parameters ξ: d means and d logarithms of deviations.

    The unit of an action is half the width of the box.
    """

    def __init__(self, regularizer: Regularizer, space: gymnasium.spaces.Box) -> None:
        self._q, self.temperature = _read_entropy(regularizer)
        self._low, self._high = space.low, space.high
        self.n_noise = int(np.prod(space.shape))
        self.n_outputs = 2 * self.n_noise

    def scale_to_space(self, actions: AnyArray) -> AnyArray:
        """(N, d) actions -> (N, d) points of the box; actions outside it are clipped."""
        xp = array_namespace(actions)
        middle, half = 0.5 * (self._high + self._low), 0.5 * (self._high - self._low)
        return xp.clip(middle + half * actions, self._low, self._high).astype(self._low.dtype)


class Gaussian(_BoxHead):
    r"""Normal distributions of d independent actions, ξ the d means and d logarithms of deviations.

    Shannon's h is the negative differential entropy. Tsallis' has the closed form
    \(\int p^q = \prod_i (2\pi\sigma_i^2)^{(1-q)/2} / \sqrt q\). The divergence is the
    Kullback-Leibler one for both: it is the natural one of a family given by means and deviations.

    Raises:
        RegularizerError: if h has no closed form for a Gaussian, or is not the same in every state.
    """

    def draw_from_noise(
        self, xi: Float[AnyArray, "N K"], noise: Float[AnyArray, "N n"]
    ) -> Float[AnyArray, "N d"]:
        xp = array_namespace(xi)
        mean, log_deviation = xi[..., : self.n_noise], xi[..., self.n_noise :]
        return mean + xp.exp(log_deviation) * noise

    def mode(self, xi: Float[np.ndarray, "N K"]) -> Float[np.ndarray, "N d"]:
        return xi[..., : self.n_noise]

    def ratio(
        self,
        xi: Float[JaxArray, "*batch K"],
        old_xi: Float[JaxArray, "*batch K"],
        actions: Float[JaxArray, "*batch d"],
    ) -> Float[JaxArray, "*batch"]:
        return jnp.exp(self._log_density(xi, actions) - self._log_density(old_xi, actions))

    def value(self, xi: Float[JaxArray, "*batch K"]) -> Float[JaxArray, "*batch"]:
        _, log_deviation = jnp.split(xi, 2, axis=-1)
        constant = 0.5 * math.log(2.0 * math.pi)
        if self._q == 1.0:
            return -jnp.sum(log_deviation + constant + 0.5, axis=-1)
        power = jnp.sum(
            (1.0 - self._q) * (log_deviation + constant) - 0.5 * math.log(self._q), axis=-1
        )
        return jnp.expm1(power) / (self._q - 1.0)

    def divergence(
        self, from_xi: Float[JaxArray, "*batch K"], xi: Float[JaxArray, "*batch K"]
    ) -> Float[JaxArray, "*batch"]:
        mean, log_deviation = jnp.split(xi, 2, axis=-1)
        from_mean, from_log = jnp.split(from_xi, 2, axis=-1)
        log_ratio = log_deviation - from_log
        shift = 0.5 * jnp.square((mean - from_mean) * jnp.exp(-log_deviation))
        return jnp.sum(log_ratio + 0.5 * jnp.expm1(-2.0 * log_ratio) + shift, axis=-1)

    def curvature(
        self, xi: Float[JaxArray, "*batch K"], direction: Float[JaxArray, "*batch K"]
    ) -> Float[JaxArray, "*batch K"]:
        _, log_deviation = jnp.split(xi, 2, axis=-1)
        of_mean, of_log = jnp.split(direction, 2, axis=-1)
        return jnp.concatenate([of_mean * jnp.exp(-2.0 * log_deviation), 2.0 * of_log], axis=-1)

    def _log_density(self, xi: JaxArray, actions: JaxArray) -> JaxArray:
        mean, log_deviation = jnp.split(xi, 2, axis=-1)
        standardized = (actions - mean) * jnp.exp(-log_deviation)
        return -jnp.sum(
            0.5 * jnp.square(standardized) + log_deviation + 0.5 * math.log(2.0 * math.pi), axis=-1
        )


class SquashedGaussian(_BoxHead):
    r"""Actions tanh(u) with u normal, ξ the d means and d logarithms of deviations of u.

    h is the expectation of (p^{q-1} - 1)/(q - 1), or of log p for Shannon's entropy; it is
    estimated from the action drawn.
    """

    #: Limits of the logarithms of deviations.
    MIN_LOG_DEVIATION, MAX_LOG_DEVIATION = -5.0, 2.0

    def draw_from_noise(
        self, xi: Float[AnyArray, "N K"], noise: Float[AnyArray, "N n"]
    ) -> Float[np.ndarray, "N d"]:
        mean, log_deviation = np.split(np.asarray(xi), 2, axis=-1)
        clipped = np.clip(log_deviation, self.MIN_LOG_DEVIATION, self.MAX_LOG_DEVIATION)
        return np.tanh(mean + np.exp(clipped) * noise)

    def draw_initial(self, noise: Float[np.ndarray, "N n"]) -> Float[np.ndarray, "N d"]:
        return 2.0 * ndtr(noise) - 1.0

    def mode(self, xi: Float[np.ndarray, "N K"]) -> Float[np.ndarray, "N d"]:
        return np.tanh(xi[..., : self.n_noise])

    def draw_differentiable(
        self, key: JaxArray, xi: Float[JaxArray, "*batch K"]
    ) -> tuple[Float[JaxArray, "*batch d"], Float[JaxArray, "*batch"]]:
        """(…, K) ξ -> (…, d) reparameterized actions, and (…) the estimate of h from each."""
        mean, log_deviation = jnp.split(xi, 2, axis=-1)
        log_deviation = jnp.clip(log_deviation, self.MIN_LOG_DEVIATION, self.MAX_LOG_DEVIATION)
        noise = jax.random.normal(key, mean.shape)
        u = mean + jnp.exp(log_deviation) * noise
        log_density = -0.5 * jnp.square(noise) - log_deviation - 0.5 * math.log(2.0 * math.pi)
        # log(1 - tanh² u) without cancellation
        log_slope = 2.0 * (math.log(2.0) - u - jax.nn.softplus(-2.0 * u))
        logarithm = jnp.sum(log_density - log_slope, axis=-1)
        if self._q == 1.0:
            return jnp.tanh(u), logarithm
        return jnp.tanh(u), jnp.expm1((self._q - 1.0) * logarithm) / (self._q - 1.0)

    def ratio(self, xi: JaxArray, old_xi: JaxArray, actions: JaxArray) -> JaxArray:
        raise _closed_form_error("likelihood ratios")

    def value(self, xi: JaxArray) -> JaxArray:
        raise _closed_form_error("regularizers")

    def divergence(self, from_xi: JaxArray, xi: JaxArray) -> JaxArray:
        raise _closed_form_error("divergences")

    def curvature(self, xi: JaxArray, direction: JaxArray) -> JaxArray:
        raise _closed_form_error("divergences")


def _read_entropy(regularizer: Regularizer) -> tuple[float, float]:
    """Return q and τ of a regularizer that has a closed form for normal distributions."""
    if not isinstance(regularizer, Shannon | Tsallis):
        raise RegularizerError(
            f"{type(regularizer).__name__} has no closed form for normal distributions of "
            "continuous actions; use Shannon or Tsallis"
        )
    if regularizer.n_states is not None:
        raise RegularizerError(
            "a network sees observations, not states: give the regularizer one temperature"
        )
    q = regularizer.q if isinstance(regularizer, Tsallis) else 1.0
    return q, float(regularizer.max_temperature)


def _closed_form_error(what: str) -> RegularizerError:
    return RegularizerError(f"{what} of squashed normal distributions have no closed form")


def make_head(regularizer: Regularizer, space: ActionSpace) -> Head:
    """Return the family of distributions for a space of actions."""
    if isinstance(space, gymnasium.spaces.Discrete):
        return Categorical(regularizer, int(space.n))
    return Gaussian(regularizer, space)
