"""The log-likelihood of a panel, its derivatives, and the errors that solving the model may cause in them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from regmdp._internal.arrays import Float
from regmdp.applications.choice.model import ChoiceModel, ChoiceSolution
from regmdp.applications.choice.panel import Panel
from regmdp.applications.choice.utilities import LinearUtilities
from regmdp.gradients import Gradient
from regmdp.solution import Solution

__all__ = ["Likelihood"]

#: Relative step for differences of gradients, where utilities are not linear.
STEP = 1e-5


@dataclass(frozen=True, eq=False)
class Likelihood:
    r"""The likelihood of a panel under a solved model: of the choices, given the states, and of the states.

    The logarithm of a choice probability is (Q - V)/σ, so the log-likelihood of all choices is
    linear in Q and V: one transposed solve gives its gradient with respect to all parameters.

    Attributes:
        solution: The model, solved at some parameters.
        panel: The observations.
    """

    solution: ChoiceSolution
    panel: Panel

    @classmethod
    def from_parameters(
        cls, model: ChoiceModel, panel: Panel, parameters: object, start: Solution | None = None
    ) -> Likelihood:
        """Solve the model at some parameters."""
        return cls(model.solve(parameters, start=start), panel)

    @cached_property
    def counts(self) -> Float[np.ndarray, "S A"]:
        """(S, A) how often each choice was made in each state."""
        return self.panel.count_choices(*self.solution.mdp.rewards.shape)

    @property
    def choices(self) -> float:
        """The log-likelihood of the choices."""
        made = self.counts > 0
        return float(np.sum(self.counts[made] * self.solution.log_probabilities[made]))

    @property
    def choices_error(self) -> float:
        """Bound on the error of that which the inner solution may cause."""
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
        """The gradient of the log-likelihood of the choices with respect to all data of the decision process."""
        weights = self.counts / self.solution.model.scale
        return self.solution.linear.gradient(value=-weights.sum(axis=1), q=weights)

    @cached_property
    def gradient(self) -> Float[np.ndarray, " K"]:
        """(K,) gradient of the log-likelihood of the choices."""
        return np.array(
            [
                self.adjoint.directional_derivative(change)
                for change in self.solution.model.changes(self.solution.parameters)
            ]
        )

    @cached_property
    def gradient_error(self) -> Float[np.ndarray, " K"]:
        """(K,) bounds on the errors of the gradient that the inner solution may cause."""
        changes = self.solution.model.changes(self.solution.parameters)
        return np.array([self.adjoint.directional_error(change) for change in changes])

    @property
    def full_gradient(self) -> Float[np.ndarray, " K"]:
        """(K,) gradient of the log-likelihood of choices and transitions together."""
        return self.gradient + self._padded(self._transition_scores.sum(axis=0))

    @cached_property
    def scores(self) -> Float[np.ndarray, "N K"]:
        """(N, K) what each row contributes to the full gradient: its choice, and how its state followed the one before."""
        panel = self.panel
        scores = np.where(
            panel.counted[:, None],
            self.solution.log_probability_derivatives[:, panel.state, panel.choice].T,
            0.0,
        )
        scores[panel.consecutive + 1, self.solution.model.n_utility_parameters :] += (
            self._transition_scores
        )
        return scores

    @cached_property
    def choice_hessian(self) -> Float[np.ndarray, "K K"]:
        """(K, K) second derivative of the log-likelihood of the choices."""
        model, vector = self.solution.model, self.solution.parameters
        if not isinstance(model.utilities, LinearUtilities):
            return self._hessian_by_differences()
        weights = self.counts / model.scale
        changes = model.changes(vector)
        rows = []
        for change in changes:
            moved = self.solution.linear.hessian_vector_product(
                change, value=-weights.sum(axis=1), q=weights
            )
            rows.append([moved.directional_derivative(other) for other in changes])
        hessian = np.array(rows).reshape(vector.size, vector.size)
        return 0.5 * (hessian + hessian.T)

    @property
    def hessian(self) -> Float[np.ndarray, "K K"]:
        """(K, K) second derivative of the log-likelihood of choices and transitions together."""
        whole = self.choice_hessian.copy()
        first = self.solution.model.n_utility_parameters
        whole[first:, first:] += self.solution.model.transitions.hessian(self.panel, self._phi)
        return whole

    def _hessian_by_differences(self) -> Float[np.ndarray, "K K"]:
        model, vector = self.solution.model, self.solution.parameters
        columns = []
        for number in range(vector.size):
            step = np.zeros(vector.size)
            step[number] = STEP * max(abs(vector[number]), 1e-2)
            ahead, behind = (
                Likelihood.from_parameters(
                    model, self.panel, vector + sign * step, self.solution.mdp_solution
                ).gradient
                for sign in (1.0, -1.0)
            )
            columns.append((ahead - behind) / (2.0 * step[number]))
        hessian = np.array(columns).reshape(vector.size, vector.size)
        return 0.5 * (hessian + hessian.T)

    @property
    def _phi(self) -> Float[np.ndarray, " J"]:
        return self.solution.parameters[self.solution.model.n_utility_parameters :]

    @cached_property
    def _transition_scores(self) -> Float[np.ndarray, "m J"]:
        return self.solution.model.transitions.scores(self.panel, self._phi)

    def _padded(self, of_phi: Float[np.ndarray, " J"]) -> Float[np.ndarray, " K"]:
        return np.concatenate((np.zeros(self.solution.model.n_utility_parameters), of_phi))
