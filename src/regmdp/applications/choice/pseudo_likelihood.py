"""The likelihood of choices for given continuation policies, which is that of a logit."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from regmdp._internal.arrays import ArrayLike, Bool, Float
from regmdp._internal.checks import describe_first
from regmdp._internal.errors import SampleError
from regmdp._internal.parameters import ArrayOf
from regmdp.applications.choice.likelihood import Likelihood
from regmdp.applications.choice.model import ChoiceModel, require_identified
from regmdp.applications.choice.panel import Panel
from regmdp.applications.choice.utilities import LinearUtilities
from regmdp.bellman import expected_values
from regmdp.evaluation import Chain, Exact
from regmdp.mdp import MDP
from regmdp.regularizers import Shannon

__all__ = ["Logit", "PseudoLikelihood"]

#: Limit for the Newton iterations of a logit.
MAX_LOGIT_ITERATIONS = 100
#: Shortest part of a Newton step that the line search of a logit tries.
MIN_STEP_SIZE = 1e-8


@dataclass(frozen=True, eq=False)
class PseudoLikelihood:
    """The likelihood of a panel's choices as a function of θ, for given continuation policies.

    Attributes:
        model: The model.
        utilities: Its utilities.
        panel: The observations.
        phi: (J,) estimated parameters of the transitions.
        mdp: The decision process at θ = 0 and φ.
        counts: (S, A) number of times that each choice was made in each state.
    """

    model: ChoiceModel
    utilities: LinearUtilities
    panel: Panel
    phi: Float[np.ndarray, " J"]
    mdp: MDP
    counts: Float[np.ndarray, "S A"]

    @classmethod
    def prepare(cls, model: ChoiceModel, panel: Panel) -> PseudoLikelihood:
        """Estimate the transitions.

        Raises:
            SampleError: if the utilities are not linear.
        """
        if not isinstance(model.utilities, LinearUtilities):
            raise SampleError(
                "this estimator needs utilities that are linear in the parameters; use "
                "nested_fixed_point for others"
            )
        phi = model.transitions.estimate(panel)
        mdp = model.mdp(np.concatenate((np.zeros(model.n_utility_parameters), phi)))
        counts = panel.count_choices(*mdp.rewards.shape)
        return cls(model, model.utilities, panel, phi, mdp, counts)

    @property
    def start(self) -> Float[np.ndarray, " K"]:
        """(K,) zeros."""
        return np.zeros(self.model.n_utility_parameters)

    def check_probabilities(self, probabilities: ArrayLike) -> Float[np.ndarray, "S A"]:
        """Return (S, A) choice probabilities, if they are those of the choice sets."""
        mdp = self.mdp
        p = ArrayOf("S A", maximum=1.0 + 1e-9).check(
            "the choice probabilities", probabilities, mdp, SampleError
        )
        bad = ~mdp.terminal & ~(
            np.isclose(p.sum(axis=1), 1.0)
            & (p >= 0).all(axis=1)
            & ~((p > 0) & ~mdp.available).any(axis=1)
        )
        if bad.any():
            raise SampleError(
                describe_first(
                    bad,
                    lambda state: (
                        f"the choice probabilities of state {state} are not a distribution over "
                        "its choice set"
                    ),
                    "states",
                )
            )
        return p

    def maximize(
        self, p: Float[np.ndarray, "S A"], theta: Float[np.ndarray, " K"]
    ) -> Float[np.ndarray, " K"]:
        """Return the (K,) θ that maximises it, for (S, A) choice probabilities P."""
        return self.logit(p).maximize(self.counts, theta)

    def logit(self, p: Float[np.ndarray, "S A"]) -> Logit:
        """Evaluate (S, A) choice probabilities P, for all utilities with one factorization."""
        mdp, scale = self.mdp, self.model.scale
        system = Exact().prepare(Chain.from_policy(mdp, p))
        base = np.where(mdp.available, self.utilities.values(self.start), 0.0)
        features = np.where(mdp.available[..., None], self.utilities.features, 0.0)
        flows = np.concatenate((base[..., None], features), axis=2)
        expected_flows = np.einsum("sa,sak->sk", p, flows)
        # the unobserved part of a choice made with probability P is -σ log P on average
        expected_flows[:, 0] -= scale * np.sum(p * np.log(np.where(p > 0, p, 1.0)), axis=1)
        values = [system.solve(column, np.zeros(mdp.n_states)) for column in expected_flows.T]
        later = [mdp.discount * expected_values(mdp, value) for value in values]
        z = flows + np.stack(later, axis=2)
        return Logit(z[..., 0], z[..., 1:], mdp.available, Shannon(temperature=scale), scale)

    def likelihood(self, theta: Float[np.ndarray, " K"]) -> Likelihood:
        """Return the likelihood of the panel at θ, with the model solved.

        Raises:
            SampleError: if the data do not identify a parameter.
        """
        vector = np.concatenate((theta, self.phi))
        likelihood = Likelihood.from_parameters(self.model, self.panel, vector)
        information = -likelihood.choice_hessian[: theta.size, : theta.size]
        require_identified(self.model, self.panel, information)
        return likelihood


@dataclass(frozen=True, eq=False)
class Logit:
    """A logit model of choices with action values Q = z_0 + z θ.

    Attributes:
        base: (S, A) z_0.
        features: (S, A, K) z.
        available: (S, A) mask of the choice sets.
        regularizer: Shannon's entropy with the scale as temperature.
        scale: σ.
    """

    base: Float[np.ndarray, "S A"]
    features: Float[np.ndarray, "S A K"]
    available: Bool[np.ndarray, "S A"]
    regularizer: Shannon
    scale: float

    def values(self, theta: Float[np.ndarray, " K"]) -> Float[np.ndarray, "S A"]:
        """(K,) θ -> (S, A) action values."""
        return self.base + self.features @ theta

    def probabilities(self, theta: Float[np.ndarray, " K"]) -> Float[np.ndarray, "S A"]:
        """(K,) θ -> (S, A) choice probabilities."""
        return self.regularizer.maximiser(self.values(theta), self.available)

    def log_likelihood(
        self, counts: Float[np.ndarray, "S A"], theta: Float[np.ndarray, " K"]
    ) -> float:
        """Return the log-likelihood of (S, A) numbers of choices."""
        q = self.values(theta)
        inclusive_value = self.regularizer.maximum(q, self.available)
        made = counts > 0
        total = np.sum(counts[made] * q[made]) - counts.sum(axis=1) @ inclusive_value
        return float(total) / self.scale

    def maximize(
        self, counts: Float[np.ndarray, "S A"], theta: Float[np.ndarray, " K"]
    ) -> Float[np.ndarray, " K"]:
        """Return the (K,) θ that maximises the log-likelihood, by Newton's method from a start.

        The log-likelihood is concave. A step is halved until it does not reduce it.
        """
        visits, z = counts.sum(axis=1), self.features / self.scale
        current = self.log_likelihood(counts, theta)
        for _ in range(MAX_LOGIT_ITERATIONS):
            p = self.probabilities(theta)
            gradient = np.einsum("sa,sak->k", counts - visits[:, None] * p, z)
            centred = z - np.einsum("sa,sak->sk", p, z)[:, None, :]
            information = np.einsum("s,sa,sak,sal->kl", visits, p, centred, centred)
            step = np.linalg.lstsq(information, gradient, rcond=1e-14)[0]
            if float(gradient @ step) <= 1e-20 * (1.0 + abs(current)):
                break
            size = 1.0
            further = self.log_likelihood(counts, theta + step)
            while size > MIN_STEP_SIZE and not further >= current:
                size *= 0.5
                further = self.log_likelihood(counts, theta + size * step)
            if not further > current:
                break
            theta, current = theta + size * step, further
        return theta
