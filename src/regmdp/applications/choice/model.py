"""The dynamic discrete choice model: what people choose who look ahead, and differ in what the observer does not see."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from regmdp._internal.arrays import Float
from regmdp._internal.errors import SampleError
from regmdp._solve import solve
from regmdp.applications.choice.panel import Panel
from regmdp.applications.choice.transitions import ExogenousTransitions
from regmdp.applications.choice.utilities import Utilities
from regmdp.gradients import Linearization, Perturbation, linearize
from regmdp.mdp import MDP
from regmdp.regularizers import Shannon
from regmdp.solution import Solution

__all__ = ["ChoiceModel", "ChoiceSolution"]

#: Certified accuracy of the inclusive values, in the unit of the utilities, if doubles allow it.
TOL = 1e-10


@dataclass(frozen=True, eq=False)
class ChoiceModel:
    r"""A dynamic discrete choice model with logit errors, which is an entropy-regularized Markov decision process.

    In state s the choice a gives the flow utility u(s, a) and an unobserved part, independent over
    choices and periods, of extreme value distribution with a scale σ. Choices look ahead with a
    discount factor. In the words of this library: the utilities are rewards, the scale is the
    temperature of Shannon's entropy, the inclusive value
    \(V(s) = \sigma \log \sum_a e^{Q(s,a)/\sigma}\) is the regularized optimal value, and the
    conditional choice probabilities \(e^{(Q(s,a) - V(s))/\sigma}\) are its policy. (With unobserved
    parts of mean 0, as here. With those of location 0, V is larger by σ/(1 - discount) times
    Euler's constant.)

    Args:
        utilities: How the flow utilities depend on parameters.
        transitions: How states follow each other.
        discount: The discount factor, below 1.
        scale: σ; only utilities in its unit can be told from choices.
        available: (S, A) bool, the choice sets; by default every choice is in all.
        choices: Names of the choices.

    Raises:
        SampleError: if parameters of utilities and transitions have the same name.

    Examples:
        >>> import numpy as np, regmdp as rm
        >>> start = np.array([[s, 0] for s in range(5)])  # choice 1 goes back to state 0
        >>> features = np.zeros((5, 2, 2))
        >>> features[:, 1, 0], features[:, 0, 1] = -1.0, -np.arange(5)
        >>> model = rm.choice.ChoiceModel(
        ...     rm.choice.LinearUtilities(features, ["replacement", "wear"]),
        ...     rm.choice.Increments(start, 2),
        ...     discount=0.95,
        ... )
        >>> solution = model.solve({"replacement": 2.0, "wear": 0.5, "increment 0": 0.3})
        >>> solution.probabilities[:, 1].round(3)  # to replace, state by state
        array([0.119, 0.289, 0.486, 0.653, 0.764])

    References:
        Rust 1987, Econometrica 55(5); McFadden 1978, "Modelling the choice of residential
        location", for inclusive values.
    """

    utilities: Utilities
    transitions: ExogenousTransitions
    discount: float
    scale: float = 1.0
    available: Any = None
    choices: Sequence[str] | None = None

    def __post_init__(self) -> None:
        shared = set(self.utilities.names) & set(self.transitions.names)
        if shared:
            raise SampleError(
                f"utilities and transitions both have a parameter {sorted(shared)[0]!r}; rename one"
            )
        if not 0.0 <= self.discount < 1.0:
            raise SampleError(
                f"the discount factor must be at least 0 and below 1, not {self.discount}"
            )
        if not 0.0 < self.scale < np.inf:
            raise SampleError(f"the scale must be positive, not {self.scale}")

    @property
    def names(self) -> tuple[str, ...]:
        """The names of all parameters, those of the utilities first."""
        return (*self.utilities.names, *self.transitions.names)

    @property
    def n_utility_parameters(self) -> int:
        """The number of parameters of the utilities."""
        return len(self.utilities.names)

    def mdp(self, parameters: Any) -> MDP:
        """Return the decision process at some parameters: a mapping of names to numbers, or (K,) numbers."""
        theta, phi = self.split(parameters)
        return MDP(
            self.transitions.rows(phi),
            self.utilities.values(theta),
            self.discount,
            available=self.available,
            action_labels=self.choices,
        )

    def solve(self, parameters: Any, *, start: Solution | None = None) -> ChoiceSolution:
        """Solve the model at some parameters.

        Args:
            parameters: A mapping of names to numbers, or (K,) numbers in the order of `names`.
            start: A solution to start from.

        Raises:
            SampleError: if a parameter is missing, unknown or not finite.
        """
        vector = self.vector(parameters)
        mdp = self.mdp(vector)
        regularizer = Shannon(temperature=self.scale)
        return ChoiceSolution(
            self, vector, mdp, regularizer, solve(mdp, regularizer, tol=TOL, start=start)
        )

    def vector(self, parameters: Any) -> Float[np.ndarray, " K"]:
        """Return parameters as (K,) numbers in the order of `names`."""
        if isinstance(parameters, dict):
            wrong = sorted(set(parameters) ^ set(self.names))
            if wrong:
                kind = (
                    "there is no parameter"
                    if wrong[0] in parameters
                    else "missing is the parameter"
                )
                raise SampleError(
                    f"{kind} {wrong[0]!r}; the parameters are {', '.join(self.names)}"
                )
            parameters = [parameters[name] for name in self.names]
        vector = np.array(parameters, dtype=np.float64)
        if vector.shape != (len(self.names),) or not np.isfinite(vector).all():
            raise SampleError(
                f"the parameters must be {len(self.names)} finite numbers, for "
                f"{', '.join(self.names)}, not {parameters!r}"
            )
        return vector

    def split(self, parameters: Any) -> tuple[Float[np.ndarray, " K"], Float[np.ndarray, " J"]]:
        """Return the parameters of the utilities, and those of the transitions."""
        vector = self.vector(parameters)
        return vector[: self.n_utility_parameters], vector[self.n_utility_parameters :]

    def changes(self, parameters: Any) -> list[Perturbation]:
        """Return how the decision process changes with each parameter."""
        theta, phi = self.split(parameters)
        slopes = self.utilities.derivative(theta)
        return [
            *(Perturbation(rewards=slopes[:, :, number]) for number in range(theta.size)),
            *(Perturbation(transitions=change) for change in self.transitions.derivatives(phi)),
        ]

    def require_fit(self, panel: Panel) -> None:
        """Check that the panel's states and choices are those of the model.

        Raises:
            SampleError: naming the first row that is not.
        """
        values = self.utilities.values(np.zeros(self.n_utility_parameters))
        available = (
            np.ones(values.shape, dtype=np.bool_)
            if self.available is None
            else np.asarray(self.available, dtype=np.bool_)
        )
        panel.require_fit(available)


@dataclass(frozen=True, eq=False)
class ChoiceSolution:
    """A choice model, solved at some parameters.

    Attributes:
        model: The model.
        parameters: (K,) the parameters.
        mdp: The decision process.
        regularizer: Shannon's entropy with the scale as temperature.
        mdp_solution: Its solution, with a certificate.
    """

    model: ChoiceModel
    parameters: Float[np.ndarray, " K"]
    mdp: MDP
    regularizer: Shannon
    mdp_solution: Solution

    @property
    def probabilities(self) -> Float[np.ndarray, "S A"]:
        """(S, A) conditional choice probabilities."""
        return self.linear.policy

    @property
    def inclusive_value(self) -> Float[np.ndarray, " S"]:
        """(S,) V, the expected largest utility of a period and all that follow, in the unit of the utilities."""
        return self.mdp_solution.value

    @cached_property
    def linear(self) -> Linearization:
        """The linearization at the solution, for derivatives."""
        return linearize(self.mdp, self.regularizer, self.mdp_solution)

    @cached_property
    def log_probabilities(self) -> Float[np.ndarray, "S A"]:
        """(S, A) logarithms of the choice probabilities, right even where these are too small for a double."""
        with np.errstate(invalid="ignore"):
            found = (self.linear.q - self.linear.backup[:, None]) / self.model.scale
        return np.where(self.mdp.available, found, -np.inf)

    @property
    def log_probability_error(self) -> float:
        """Bound on the error of every logarithm of a choice probability that the inner solution may cause."""
        return 2.0 * self.linear.accuracy.value / self.model.scale

    @cached_property
    def log_probability_derivatives(self) -> Float[np.ndarray, "K S A"]:
        """(K, S, A) derivatives of the logarithms with respect to the parameters."""
        found = []
        for change in self.model.changes(self.parameters):
            moved = self.linear.derivative(change)
            found.append(
                np.where(
                    self.mdp.available, (moved.q - moved.value[:, None]) / self.model.scale, 0.0
                )
            )
        return np.array(found).reshape(-1, *self.mdp.rewards.shape)

    def stationary_distribution(self) -> Float[np.ndarray, " S"]:
        """Return the (S,) share of time that people spend in each state in the long run, from where the model starts."""
        chain = self.mdp.transitions.policy_matrix(self.probabilities)
        matrix = chain.toarray() if hasattr(chain, "toarray") else np.asarray(chain)
        mixed = 0.5 * (matrix + np.eye(len(matrix)))
        # squared again and again, a chain that rests half of the time forgets when it began, and in
        # the end where
        for _ in range(60):
            last, mixed = mixed, mixed @ mixed
            mixed /= mixed.sum(axis=1, keepdims=True)
            if np.max(np.abs(mixed - last)) <= 1e-15:
                break
        return self.mdp.initial @ mixed
