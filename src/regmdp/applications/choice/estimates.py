"""Estimated parameters, their covariance, and a likelihood-ratio test."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from regmdp._internal.arrays import Float
from regmdp._internal.errors import SampleError
from regmdp._internal.parameters import Instance, Option, checked
from regmdp._internal.status import Status
from regmdp.applications._coefficient_table import coefficient_table
from regmdp.applications.choice.covariance import (
    COVARIANCE_KINDS,
    CovarianceKind,
    estimate_covariance,
)
from regmdp.applications.choice.likelihood import Likelihood
from regmdp.applications.choice.model import ChoiceModel, ChoiceSolution
from regmdp.applications.choice.panel import Panel

__all__ = ["Estimates", "LikelihoodRatio", "likelihood_ratio_test"]


KIND = Option(*COVARIANCE_KINDS)


@dataclass(frozen=True, eq=False)
class Estimates:
    """Estimated parameters of a choice model.

    Attributes:
        likelihood: The likelihood at the estimates, with the solved model and the panel.
        method: The estimator.
        joint: Whether choices and transitions were estimated together; else the transitions
            first.
        status: How the search ended.
        message: The same in a sentence, with the distance from the maximum.
        iterations: Number of times that the model was solved.
        seconds: Time taken.
    """

    likelihood: Likelihood
    method: str
    joint: bool
    status: Status
    message: str
    iterations: int
    seconds: float

    @property
    def converged(self) -> bool:
        """Whether the search converged."""
        return self.status.ok

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

    @checked(SampleError, kind=KIND)
    def covariance(self, kind: CovarianceKind = "information") -> Float[np.ndarray, "K K"]:
        """Return the (K, K) covariance of the estimates.

        If the transitions were estimated first, the covariance of the utilities includes their
        uncertainty (Murphy & Topel 1985).

        Args:
            kind: "information", the inverse of the negative Hessian; "opg", that of the outer
                product of the gradients; "sandwich", both; or "cluster", the same with the scores
                of each individual summed first.

        Raises:
            SampleError: if there is no such kind, or the data do not identify some parameter.
        """
        return estimate_covariance(self.likelihood, kind, joint=self.joint)

    @checked(SampleError, kind=KIND)
    def standard_errors(self, kind: CovarianceKind = "information") -> dict[str, float]:
        """Return the standard errors by name: see :meth:`covariance`."""
        variances = np.maximum(np.diag(self.covariance(kind)), 0.0)
        return dict(zip(self.model.names, np.sqrt(variances).tolist(), strict=True))

    @checked(SampleError, kind=KIND)
    def summary(self, kind: CovarianceKind = "information") -> str:
        """Return the method, the data, the fit and a table with 95 % confidence intervals."""
        likelihood, errors = self.likelihood, self.standard_errors(kind)
        order = "choices and transitions together"
        if not self.joint:
            order = "transitions first, then choices"
        lines = [
            ("method", f"{self.method}, {order}"),
            (
                "data",
                f"{self.panel.n_choices:,} choices of {self.panel.individuals.size:,} individuals",
            ),
            ("discount", f"{self.model.discount:g}"),
            (
                "likelihood",
                f"log {likelihood.total:.3f}: choices {likelihood.choices:.3f}, transitions "
                f"{likelihood.transitions:.3f}",
            ),
            ("", f"solving the model changes it by {likelihood.choices_error:.1e} at most"),
            ("status", f"{self.message}, {self.iterations} solutions in {self.seconds:.2f} s"),
            ("std. errors", COVARIANCE_KINDS[kind]),
        ]
        table = coefficient_table(
            self.model.names, self.vector.tolist(), [errors[name] for name in self.model.names]
        )
        return "\n".join([*(f"{name:<12} {text}" for name, text in lines), "", *table])

    def __repr__(self) -> str:
        shown = ", ".join(f"{name} = {value:.4f}" for name, value in self.parameters.items())
        return f"Estimates({shown}; log-likelihood {self.log_likelihood:.3f})"


class LikelihoodRatio(NamedTuple):
    """A likelihood-ratio test.

    Attributes:
        statistic: Twice the difference of the log-likelihoods.
        degrees_of_freedom: The difference of the numbers of parameters.
        p_value: Probability of a larger statistic if the restriction holds.
    """

    statistic: float
    degrees_of_freedom: int
    p_value: float


@checked(SampleError, restricted=Instance(Estimates), general=Instance(Estimates))
def likelihood_ratio_test(restricted: Estimates, general: Estimates) -> LikelihoodRatio:
    """Test a restriction by the difference that it makes to the log-likelihood.

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
