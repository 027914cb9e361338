"""What an estimation gives: parameters, their uncertainty, and how they were found."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from regmdp._internal.arrays import Float
from regmdp._internal.errors import SampleError
from regmdp.applications._coefficient_table import coefficient_table
from regmdp.applications.choice.covariance import KINDS, covariance
from regmdp.applications.choice.likelihood import Likelihood
from regmdp.applications.choice.model import ChoiceModel, ChoiceSolution
from regmdp.applications.choice.panel import Panel

__all__ = ["Estimates", "LikelihoodRatio", "likelihood_ratio_test"]


@dataclass(frozen=True, eq=False)
class Estimates:
    """Estimated parameters of a choice model.

    Attributes:
        likelihood: The likelihood at the estimates, with the solved model and the panel.
        method: How they were found.
        joint: Whether choices and transitions were estimated together; else the transitions
            first.
        status: How the search ended, in a sentence.
        converged: Whether the gradient came down to the tolerance.
        iterations: Number of times the model was solved.
        seconds: Time that it took.
    """

    likelihood: Likelihood
    method: str
    joint: bool
    status: str
    converged: bool
    iterations: int
    seconds: float

    @property
    def model(self) -> ChoiceModel:
        """The model."""
        return self.likelihood.solution.model

    @property
    def panel(self) -> Panel:
        """The observations."""
        return self.likelihood.panel

    @property
    def solution(self) -> ChoiceSolution:
        """The model, solved at the estimates."""
        return self.likelihood.solution

    @property
    def vector(self) -> Float[np.ndarray, " K"]:
        """(K,) the estimates, in the order of the model's `names`."""
        return self.likelihood.solution.parameters

    @property
    def parameters(self) -> dict[str, float]:
        """The estimates by name."""
        return dict(zip(self.model.names, self.vector.tolist(), strict=True))

    @property
    def log_likelihood(self) -> float:
        """The log-likelihood of choices and transitions together."""
        return self.likelihood.total

    def covariance(self, kind: str = "information") -> Float[np.ndarray, "K K"]:
        """Return the (K, K) covariance of the estimates.

        Where the transitions were estimated first, their uncertainty is carried into that of the
        utilities (Murphy & Topel 1985).

        Args:
            kind: "information", the inverse of the negative Hessian; "opg", that of the outer
                product of the gradients; "sandwich", both; or "cluster", the same with what belongs
                to an individual summed up first.

        Raises:
            SampleError: if there is no such kind, or the data do not tell some parameter.
        """
        return covariance(self.likelihood, kind, joint=self.joint)

    def standard_errors(self, kind: str = "information") -> dict[str, float]:
        """Return the standard errors by name: see :meth:`covariance`."""
        variances = np.maximum(np.diag(self.covariance(kind)), 0.0)
        return dict(zip(self.model.names, np.sqrt(variances).tolist(), strict=True))

    def summary(self, kind: str = "information") -> str:
        """Return what a person wants to know, with a table of the estimates and 95 % confidence intervals."""
        likelihood = self.likelihood
        errors = self.standard_errors(kind)
        how = (
            "choices and transitions together" if self.joint else "transitions first, then choices"
        )
        lines = [
            ("method", f"{self.method}, {how}"),
            (
                "data",
                f"{self.panel.n_choices:,} choices of {self.panel.individuals.size:,} individuals",
            ),
            ("discount", f"{self.model.discount:g}"),
            (
                "likelihood",
                (
                    f"log {likelihood.total:.3f}: choices {likelihood.choices:.3f}, transitions "
                    f"{likelihood.transitions:.3f}"
                ),
            ),
            ("", f"solving the model moves it by no more than {likelihood.choices_error:.1e}"),
            ("status", f"{self.status}, {self.iterations} solutions in {self.seconds:.2f} s"),
            ("std. errors", KINDS[kind]),
        ]
        table = coefficient_table(
            self.model.names, self.vector.tolist(), [errors[name] for name in self.model.names]
        )
        return "\n".join([*(f"{name:<12} {text}" for name, text in lines), "", *table])

    def __repr__(self) -> str:
        shown = ", ".join(f"{name} = {value:.4f}" for name, value in self.parameters.items())
        return f"Estimates({shown}; log-likelihood {self.log_likelihood:.3f})"


class LikelihoodRatio(NamedTuple):
    """A likelihood-ratio test: the statistic, its degrees of freedom, and how probable a larger one is if the restriction holds."""

    statistic: float
    degrees_of_freedom: int
    p_value: float


def likelihood_ratio_test(restricted: Estimates, general: Estimates) -> LikelihoodRatio:
    """Test a restriction by how much it costs in likelihood.

    Args:
        restricted: Estimates of a model that is a special case.
        general: Estimates of the general model, from the same panel.

    Raises:
        SampleError: if the panels are not the same size, or the general model has no more
            parameters.
    """
    from scipy.stats import chi2  # slow to import

    freedom = general.vector.size - restricted.vector.size
    if freedom < 1:
        raise SampleError(
            f"the general model has {general.vector.size} parameters, and the restricted one "
            f"{restricted.vector.size}"
        )
    if general.panel.n_choices != restricted.panel.n_choices:
        raise SampleError(
            f"the estimates are from {general.panel.n_choices} and {restricted.panel.n_choices} "
            "choices, not from the same panel"
        )
    statistic = max(2.0 * (general.log_likelihood - restricted.log_likelihood), 0.0)
    return LikelihoodRatio(statistic, freedom, float(chi2.sf(statistic, freedom)))
