"""The dynamic discrete choice model, and its solution at given parameters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TypeAlias

import numpy as np
import scipy.sparse as sp

from regmdp._internal.arrays import ArrayLike, Bool, Float, freeze_fields
from regmdp._internal.errors import SampleError
from regmdp._internal.fields import ReadOnlyCopies
from regmdp._internal.parameters import (
    ArrayOf,
    Instance,
    MappingOf,
    Number,
    SequenceOf,
    Text,
    checked,
)
from regmdp._solve import solve
from regmdp.applications._coefficient_table import inverse_information
from regmdp.applications._feature_checks import require_independent
from regmdp.applications.choice.panel import Panel
from regmdp.applications.choice.transitions import ExogenousTransitions
from regmdp.applications.choice.utilities import LinearUtilities, Utilities
from regmdp.gradients import Linearization, Perturbation, linearize
from regmdp.mdp import MDP
from regmdp.regularizers import Shannon
from regmdp.solution import Solution

__all__ = [
    "PARAMETERS",
    "ChoiceModel",
    "ChoiceSolution",
    "require_identified",
    "require_panel",
    "require_problem",
]

#: Certified accuracy of the inclusive values, in the unit of the utilities, if doubles allow it.
TOL = 1e-10
#: Change of an entry below which the powers of a transition matrix have converged, and a limit for
#: how often it is squared.
CONVERGED_POWER, MAX_SQUARINGS = 1e-15, 60
#: Smallest information on a parameter, relative to the largest possible, that is not rounding.
MIN_INFORMATION = 1e-9

#: Parameters of a choice model: numbers by name, or (K,) numbers in the order of its `names`.
ParametersLike: TypeAlias = Mapping[str, float] | ArrayLike


#: Parameters as the methods of a model take them.
PARAMETERS = MappingOf(Number()) | ArrayOf("K", empty=True)


@checked(
    SampleError,
    utilities=Instance(Utilities),
    transitions=Instance(ExogenousTransitions),
    discount=Number(0.0, below=1.0),
    scale=Number(above=0.0),
    available=ArrayOf("S A", "boolean") | None,
    choices=SequenceOf(Text()) | None,
)
@dataclass(frozen=True, eq=False)
class ChoiceModel(ReadOnlyCopies):
    r"""A dynamic discrete choice model with logit errors: an entropy-regularized decision process.

    In state s the choice a gives the flow utility u(s, a) and an unobserved part, independent over
    choices and periods, of extreme value distribution with a scale σ. Later utilities are
    discounted. In the words of this library: the utilities are rewards, the scale is the
    temperature of Shannon's entropy, the inclusive value
    \(V(s) = \sigma \log \sum_a e^{Q(s,a)/\sigma}\) is the regularized optimal value, and the
    conditional choice probabilities \(e^{(Q(s,a) - V(s))/\sigma}\) are its policy. (With unobserved
    parts of mean 0, as here. With those of location 0, V is larger by σ/(1 - discount) times
    Euler's constant.)

    Args:
        utilities: How the flow utilities depend on parameters.
        transitions: How states follow each other.
        discount: The discount factor, below 1.
        scale: σ; choices identify the utilities only in its unit.
        available: (S, A) bool, the choice sets; by default all choices are in each.
        choices: Names of the choices.

    Raises:
        SampleError: if parameters of utilities and transitions have the same name, or the discount
            factor or the scale is out of range.

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
        >>> solution.probabilities[:, 1].round(3)  # of a replacement, state by state
        array([0.119, 0.289, 0.486, 0.653, 0.764])

    References:
        Rust 1987, Econometrica 55(5); McFadden 1978, "Modelling the choice of residential
        location", for inclusive values.
    """

    utilities: Utilities
    transitions: ExogenousTransitions
    discount: float
    scale: float = 1.0
    available: ArrayLike | None = None
    choices: Sequence[str] | None = None

    def __post_init__(self) -> None:
        shared = set(self.utilities.names) & set(self.transitions.names)
        if shared:
            raise SampleError(
                f"utilities and transitions both have a parameter {sorted(shared)[0]!r}; rename one"
            )
        if self.available is not None:
            freeze_fields(self, "available")

    @property
    def names(self) -> tuple[str, ...]:
        """The names of all parameters, those of the utilities first."""
        return (*self.utilities.names, *self.transitions.names)

    @property
    def dimensions(self) -> dict[str, int]:
        """The number of parameters, K, and that of the utilities, U."""
        return {"K": len(self.names), "U": self.n_utility_parameters}

    @property
    def n_utility_parameters(self) -> int:
        """The number of parameters of the utilities."""
        return len(self.utilities.names)

    @cached_property
    def choice_sets(self) -> Bool[np.ndarray, "S A"]:
        """(S, A) mask of the choices that are available in each state."""
        if self.available is not None:
            return np.asarray(self.available)
        shape = self.utilities.values(np.zeros(self.n_utility_parameters)).shape
        return np.ones(shape, dtype=np.bool_)

    @checked(SampleError, parameters=PARAMETERS)
    def mdp(self, parameters: ParametersLike) -> MDP:
        """Return the decision process at given parameters, by name or as (K,) numbers."""
        theta, phi = self.split(parameters)
        return MDP(
            self.transitions.rows(phi),
            self.utilities.values(theta),
            self.discount,
            available=self.available,
            action_labels=self.choices,
        )

    @checked(SampleError, parameters=PARAMETERS, start=Instance(Solution) | None)
    def solve(self, parameters: ParametersLike, *, start: Solution | None = None) -> ChoiceSolution:
        """Solve the model at given parameters.

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
            self, vector, mdp, regularizer, solve(mdp, regularizer, absolute_tol=TOL, start=start)
        )

    @checked(SampleError, parameters=PARAMETERS)
    def vector(self, parameters: ParametersLike) -> Float[np.ndarray, " K"]:
        """Return parameters as (K,) numbers in the order of `names`."""
        return np.array(self._sort(parameters) if isinstance(parameters, Mapping) else parameters)

    def _sort(self, parameters: Mapping[str, float]) -> list[float]:
        """Return the numbers in the order of `names`."""
        wrong = sorted(set(parameters) ^ set(self.names))
        if wrong:
            problem = f"there is no parameter {wrong[0]!r}"
            if wrong[0] not in parameters:
                problem = f"the parameter {wrong[0]!r} is missing"
            raise SampleError(f"{problem}; the parameters are {', '.join(self.names)}")
        return [parameters[name] for name in self.names]

    @checked(SampleError, parameters=PARAMETERS)
    def split(
        self, parameters: ParametersLike
    ) -> tuple[Float[np.ndarray, " K"], Float[np.ndarray, " J"]]:
        """Return the parameters of the utilities, and those of the transitions."""
        vector = self.vector(parameters)
        return vector[: self.n_utility_parameters], vector[self.n_utility_parameters :]

    @checked(SampleError, parameters=PARAMETERS)
    def perturbations(self, parameters: ParametersLike) -> list[Perturbation]:
        """Return the derivative of the decision process with respect to each parameter."""
        _, phi = self.split(parameters)
        of_transitions = self.transitions.derivatives(phi)
        return [
            *self.utility_perturbations(parameters),
            *(Perturbation(transitions=rows) for rows in of_transitions),
        ]

    @checked(SampleError, parameters=PARAMETERS)
    def utility_perturbations(self, parameters: ParametersLike) -> list[Perturbation]:
        """Return those of the :meth:`perturbations` that belong to parameters of the utilities."""
        theta, _ = self.split(parameters)
        slopes = self.utilities.derivative(theta)
        return [Perturbation(rewards=slopes[:, :, number]) for number in range(theta.size)]

    @checked(SampleError, panel=Instance(Panel))
    def require_fit(self, panel: Panel) -> None:
        """Check that the panel's states and choices are those of the model.

        Raises:
            SampleError: naming the first row that is not.
        """
        panel.require_fit(self.choice_sets)


def require_panel(model: ChoiceModel, panel: Panel) -> None:
    """Check that the states and choices of a panel are those of the model.

    Raises:
        SampleError: if they are not.
    """
    if isinstance(model.utilities, LinearUtilities):
        shape, sets = model.utilities.features.shape[:2], model.choice_sets
        if shape != sets.shape:
            raise SampleError(f"available must have the shape {shape}, not {sets.shape}")
    model.require_fit(panel)


def require_problem(model: ChoiceModel, panel: Panel) -> None:
    """Check that a panel can be used to estimate a model.

    Raises:
        SampleError: if they do not fit, no choice counts, or a feature of the utilities is 0 or a
            combination of others.
    """
    require_panel(model, panel)
    if not panel.n_choices:
        raise SampleError(
            "no choice of the panel enters the likelihood: counted is False in all rows"
        )
    if isinstance(model.utilities, LinearUtilities):
        features, names = model.utilities.features, model.utilities.names
        require_independent(features[model.choice_sets], names, "in all choice sets")


def require_identified(
    model: ChoiceModel, panel: Panel, information: Float[np.ndarray, "L L"]
) -> None:
    """Check that the likelihood depends on every direction of the first L parameters.

    Args:
        model: The model.
        panel: The observations.
        information: (L, L) minus the second derivative of the log-likelihood.

    Raises:
        SampleError: naming those that the data do not identify.
    """
    if not information.size:
        return
    if isinstance(model.utilities, LinearUtilities):
        # the information if all other choices had utilities that do not depend on the parameter
        x = np.where(model.choice_sets[:, :, None], model.utilities.features, 0.0)
        most = np.sum(np.max(x**2, axis=1)[panel.state[panel.counted]], axis=0) / model.scale**2
        weak = np.diag(information)[: most.size] < MIN_INFORMATION * most
        if weak.any():
            name = model.names[int(np.argmax(weak))]
            raise SampleError(
                f"the data do not identify {name!r}: the likelihood does not depend on it; leave "
                "it out, or fix it"
            )
    inverse_information(information, model.names[: len(information)])


@dataclass(frozen=True, eq=False)
class ChoiceSolution:
    """A choice model, solved at given parameters.

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
    def dimensions(self) -> dict[str, int]:
        """The numbers of states, S, of choices, A, and of parameters, K."""
        return {"S": self.mdp.n_states, "A": self.mdp.n_actions, "K": self.parameters.size}

    @property
    def probabilities(self) -> Float[np.ndarray, "S A"]:
        """(S, A) conditional choice probabilities."""
        return self.linear.policy

    @property
    def inclusive_value(self) -> Float[np.ndarray, " S"]:
        """(S,) V, the expected largest total of this utility and the discounted later ones."""
        return self.mdp_solution.value

    @cached_property
    def linear(self) -> Linearization:
        """The linearization at the solution, for derivatives."""
        return linearize(self.mdp, self.regularizer, self.mdp_solution)

    @cached_property
    def log_probabilities(self) -> Float[np.ndarray, "S A"]:
        """(S, A) logarithms of the choice probabilities, also where these underflow."""
        with np.errstate(invalid="ignore"):
            found = (self.linear.q - self.linear.backup[:, None]) / self.model.scale
        return np.where(self.mdp.available, found, -np.inf)

    @property
    def log_probability_error(self) -> float:
        """Bound on the error that the inner solution causes in a log probability."""
        return 2.0 * self.linear.accuracy.value / self.model.scale

    @cached_property
    def log_probability_derivatives(self) -> Float[np.ndarray, "K S A"]:
        """(K, S, A) derivatives of the log probabilities with respect to the parameters."""
        slopes = []
        for perturbation in self.model.perturbations(self.parameters):
            derivative = self.linear.derivative(perturbation)
            slope = (derivative.q - derivative.value[:, None]) / self.model.scale
            slopes.append(np.where(self.mdp.available, slope, 0.0))
        return np.array(slopes).reshape(-1, *self.mdp.rewards.shape)

    def stationary_distribution(self) -> Float[np.ndarray, " S"]:
        """Return the (S,) long-run shares of time in the states, from the initial distribution."""
        chain = self.mdp.transitions.policy_matrix(self.probabilities)
        power = 0.5 * (sp.csr_array(chain).toarray() + np.eye(self.mdp.n_states))
        # A chain that stays where it is half of the time is aperiodic: its powers converge.
        for _ in range(MAX_SQUARINGS):
            last, power = power, power @ power
            power /= power.sum(axis=1, keepdims=True)
            if np.max(np.abs(power - last)) <= CONVERGED_POWER:
                break
        return self.mdp.initial @ power
