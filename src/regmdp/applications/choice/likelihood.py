"""The log-likelihood of a panel, its derivatives, and bounds on their errors from the solution."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from regmdp._internal.arrays import Float
from regmdp._internal.errors import SampleError
from regmdp._internal.parameters import Instance, checked
from regmdp.applications.choice.model import PARAMETERS, ChoiceModel, ChoiceSolution, ParametersLike
from regmdp.applications.choice.panel import Panel
from regmdp.applications.choice.utilities import LinearUtilities
from regmdp.gradients import Gradient, Perturbation
from regmdp.solution import Solution

__all__ = ["Likelihood"]

#: Step of differences of gradients, relative to the parameter, if utilities are not linear; and the
#: size from which a parameter counts as that large.
RELATIVE_STEP, MIN_PARAMETER_SIZE = 1e-5, 1e-2


@checked(SampleError, solution=Instance(ChoiceSolution), panel=Instance(Panel))
@dataclass(frozen=True, eq=False)
class Likelihood:
    r"""The log-likelihood of a panel under a solved model: of the choices and of the transitions.

    The logarithm of a choice probability is (Q - V)/σ, so the log-likelihood of all choices is
    linear in Q and V: one transposed solve gives its gradient with respect to all parameters.

    Attributes:
        solution: The model, solved at given parameters.
        panel: The observations.
    """

    solution: ChoiceSolution
    panel: Panel

    @classmethod
    @checked(
        SampleError,
        model=Instance(ChoiceModel),
        panel=Instance(Panel),
        parameters=PARAMETERS,
        start=Instance(Solution) | None,
    )
    def from_parameters(
        cls,
        model: ChoiceModel,
        panel: Panel,
        parameters: ParametersLike,
        start: Solution | None = None,
    ) -> Likelihood:
        """Solve the model at given parameters, from the solution at others if there is one."""
        return cls(model.solve(parameters, start=start), panel)

    @cached_property
    def counts(self) -> Float[np.ndarray, "S A"]:
        """(S, A) number of times that each choice was made in each state."""
        return self.panel.count_choices(*self.solution.mdp.rewards.shape)

    @property
    def choices(self) -> float:
        """The log-likelihood of the choices."""
        made = self.counts > 0
        return float(np.sum(self.counts[made] * self.solution.log_probabilities[made]))

    @property
    def choices_error(self) -> float:
        """Bound on the error that the inner solution causes in :attr:`choices`."""
        return float(self.counts.sum()) * self.solution.log_probability_error

    @cached_property
    def transitions(self) -> float:
        """The log-likelihood of the transitions."""
        return float(np.sum(self.solution.model.transitions.log_likelihoods(self.panel, self._phi)))

    @property
    def total(self) -> float:
        """The log-likelihood of choices and transitions together."""
        return self.choices + self.transitions

    @cached_property
    def adjoint(self) -> Gradient:
        """The gradient of :attr:`choices` with respect to the data of the decision process."""
        weights = self.counts / self.solution.model.scale
        return self.solution.linear.gradient(value=-weights.sum(axis=1), q=weights)

    @cached_property
    def gradient(self) -> Float[np.ndarray, " K"]:
        """(K,) gradient of :attr:`choices`."""
        return np.array([self.adjoint.directional_derivative(d) for d in self._perturbations])

    @cached_property
    def gradient_error(self) -> Float[np.ndarray, " K"]:
        """(K,) bounds on the errors that the inner solution causes in :attr:`gradient`."""
        return np.array([self.adjoint.directional_error(d) for d in self._perturbations])

    @cached_property
    def utility_gradient(self) -> Float[np.ndarray, " U"]:
        """(U,) the part of :attr:`gradient` of the utility parameters."""
        return np.array([self.adjoint.directional_derivative(d) for d in self._of_utilities])

    @cached_property
    def utility_gradient_error(self) -> Float[np.ndarray, " U"]:
        """(U,) the part of :attr:`gradient_error` of the utility parameters."""
        return np.array([self.adjoint.directional_error(d) for d in self._of_utilities])

    @property
    def full_gradient(self) -> Float[np.ndarray, " K"]:
        """(K,) gradient of :attr:`total`."""
        of_transitions = np.zeros(self.gradient.size)
        of_transitions[self.solution.model.n_utility_parameters :] = self._transition_scores.sum(
            axis=0
        )
        return self.gradient + of_transitions

    @cached_property
    def scores(self) -> Float[np.ndarray, "N K"]:
        """(N, K) contribution of each row to the full gradient.

        A row contributes by its choice, and by the transition from the row before.
        """
        panel, slopes = self.panel, self.solution.log_probability_derivatives
        scores = np.where(panel.counted[:, None], slopes[:, panel.state, panel.choice].T, 0.0)
        first = self.solution.model.n_utility_parameters
        scores[panel.consecutive + 1, first:] += self._transition_scores
        return scores

    @cached_property
    def choice_hessian(self) -> Float[np.ndarray, "K K"]:
        """(K, K) second derivative of :attr:`choices`."""
        return self._second_derivative(self._perturbations)

    @cached_property
    def utility_hessian(self) -> Float[np.ndarray, "U U"]:
        """(U, U) the part of :attr:`choice_hessian` of the utility parameters."""
        return self._second_derivative(self._of_utilities)

    @property
    def hessian(self) -> Float[np.ndarray, "K K"]:
        """(K, K) second derivative of :attr:`total`."""
        whole = self.choice_hessian.copy()
        first = self.solution.model.n_utility_parameters
        whole[first:, first:] += self.solution.model.transitions.hessian(self.panel, self._phi)
        return whole

    def _second_derivative(self, perturbations: list[Perturbation]) -> Float[np.ndarray, "P P"]:
        """Return the second derivative of the choices with respect to the first P parameters."""
        linear_in_theta = isinstance(self.solution.model.utilities, LinearUtilities)
        find_rows = self._hessian_rows if linear_in_theta else self._differences_of_gradients
        size = len(perturbations)
        hessian = np.array(find_rows(perturbations)).reshape(size, size)
        return 0.5 * (hessian + hessian.T)

    def _hessian_rows(self, perturbations: list[Perturbation]) -> list[list[float]]:
        """Return the second derivative row by row, for linear utilities."""
        weights = self.counts / self.solution.model.scale
        rows = []
        for perturbation in perturbations:
            row = self.solution.linear.hessian_vector_product(
                perturbation, value=-weights.sum(axis=1), q=weights
            )
            rows.append([row.directional_derivative(other) for other in perturbations])
        return rows

    def _differences_of_gradients(
        self, perturbations: list[Perturbation]
    ) -> list[Float[np.ndarray, " P"]]:
        """Return the second derivative column by column, by central differences."""
        model, vector = self.solution.model, self.solution.parameters
        columns = []
        for number in range(len(perturbations)):
            step = np.zeros(vector.size)
            step[number] = RELATIVE_STEP * max(abs(vector[number]), MIN_PARAMETER_SIZE)
            after, before = (
                Likelihood.from_parameters(
                    model, self.panel, vector + sign * step, self.solution.mdp_solution
                ).gradient[: len(perturbations)]
                for sign in (1.0, -1.0)
            )
            columns.append((after - before) / (2.0 * step[number]))
        return columns

    @property
    def _phi(self) -> Float[np.ndarray, " J"]:
        return self.solution.parameters[self.solution.model.n_utility_parameters :]

    @cached_property
    def _perturbations(self) -> list[Perturbation]:
        return self.solution.model.perturbations(self.solution.parameters)

    @cached_property
    def _of_utilities(self) -> list[Perturbation]:
        return self.solution.model.utility_perturbations(self.solution.parameters)

    @cached_property
    def _transition_scores(self) -> Float[np.ndarray, "m J"]:
        return self.solution.model.transitions.scores(self.panel, self._phi)
