"""The estimated value of a policy, with its interval and what makes it doubtful."""

from __future__ import annotations

from dataclasses import dataclass

from regmdp._internal.html import html_rows
from regmdp.off_policy.weight_checks import WeightTest

__all__ = ["OffPolicyValue"]


@dataclass(frozen=True, eq=False)
class OffPolicyValue:
    """The value of a policy, estimated from episodes of another.

    Attributes:
        value: The estimate of V^π(ρ), in the unit of the rewards; ρ is the distribution of the
            first states of the episodes.
        lower: Lower end of the interval.
        upper: Upper end of it.
        confidence: Confidence with which V^π(ρ) lies in the interval.
        method: Name of the estimator.
        interval: "finite-sample", whose confidence holds for any number of episodes; or "normal",
            whose confidence is reached as the number grows.
        episodes: Number of episodes used.
        steps: Number of their steps.
        truncated: Number of episodes that were cut off. The interval includes the possible values
            of their missing steps.
        effective_size: Effective number of episodes, by their importance weights.
        standard_error: Estimated standard deviation of the estimate.
        weight_test: Mean weight of a step, and a test of whether its expectation is 1, as it must
            be if the logged probabilities are right.
        findings: Sentences about what makes the estimate or its interval doubtful.

    Examples:
        >>> import numpy as np, regmdp as rm
        >>> mdp, rng = rm.models.bandit(), np.random.default_rng(0)
        >>> data = rm.samples.Dataset.from_episodes(mdp, rm.uniform_policy(mdp), 1000, 1, rng)
        >>> result = rm.off_policy.estimate_value(
        ...     data, np.array([[0.5, 0.5, 0.0]]), discount=0.0, reward_range=(0.1, 1.0)
        ... )
        >>> result.episodes, bool(result.lower <= 0.95 <= result.upper)
        (1000, True)
    """

    value: float
    lower: float
    upper: float
    confidence: float
    method: str
    interval: str
    episodes: int
    steps: int
    truncated: int
    effective_size: float
    standard_error: float
    weight_test: WeightTest
    findings: tuple[str, ...] = ()

    def __repr__(self) -> str:
        truncated = f", {self.truncated:,} of them cut off" if self.truncated else ""
        findings = "".join(f"; {finding}" for finding in self.findings)
        return (
            f"OffPolicyValue({self.value:.6g}; {self.interval} interval {self.lower:.6g} to "
            f"{self.upper:.6g} with confidence {self.confidence:.12g}; {self.method} from "
            f"{self.episodes:,} episodes{truncated}, effectively "
            f"{self.effective_size:,.0f}{findings})"
        )

    def _repr_html_(self) -> str:
        test = self.weight_test
        truncated = f", {self.truncated:,} cut off" if self.truncated else ""
        rows = [
            ("estimate", f"{self.value:.6g}, standard error {self.standard_error:.3g}"),
            ("method", self.method),
            ("interval", f"{self.lower:.6g} to {self.upper:.6g}, {self.interval}"),
            ("confidence", f"{self.confidence:.12g}"),
            (
                "data",
                f"{self.episodes:,} episodes of {self.steps:,} steps{truncated}, effectively "
                f"{self.effective_size:,.0f}",
            ),
            (
                "mean weight",
                f"{test.mean:.4g}, expected {test.expected:.4g}, martingale z-test: p = "
                f"{test.p_value:.2g}",
            ),
            *(("finding", finding) for finding in self.findings),
        ]
        return html_rows("Off-policy value", rows)
