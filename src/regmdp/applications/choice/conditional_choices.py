r"""Estimates from conditional choice probabilities, without solving the model in a search.

For given choice probabilities P, the value of following them is the solution of one linear
equation, and if utilities are linear in θ, so are the action values:
\(Q = z_0 + \sum_k \theta_k z_k\). Choices are then a plain logit in z. With the observed choice
frequencies as P that is Hotz and Miller's estimator. Nested pseudo-likelihood repeats it with the
probabilities that the last estimate implies; a fixed point of this maximises the likelihood.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np

from regmdp._internal.arrays import ArrayLike, Bool, Float
from regmdp._internal.checks import check_integer, check_number, describe_first
from regmdp._internal.errors import SampleError
from regmdp._internal.status import Status
from regmdp.applications.choice.estimates import Estimates
from regmdp.applications.choice.likelihood import Likelihood
from regmdp.applications.choice.model import ChoiceModel
from regmdp.applications.choice.panel import Panel
from regmdp.applications.choice.utilities import LinearUtilities
from regmdp.bellman import expected_values
from regmdp.evaluation import Chain, Exact
from regmdp.mdp import MDP
from regmdp.regularizers import Shannon

__all__ = ["choice_frequencies", "hotz_miller", "nested_pseudo_likelihood"]

#: Relative change of the estimates at which nested pseudo-likelihood has converged.
CONVERGED_CHANGE = 1e-9
#: Limit for the Newton iterations of a logit.
MAX_LOGIT_ITERATIONS = 100
#: Shortest part of a Newton step that the line search of a logit tries.
MIN_STEP_SIZE = 1e-8


def choice_frequencies(
    model: ChoiceModel, panel: Panel, *, smoothing: float = 0.0
) -> Float[np.ndarray, "S A"]:
    """Return the (S, A) frequencies of the choices in each state, as probabilities.

    Args:
        model: The model, which has the numbers of states and choices.
        panel: The observations.
        smoothing: Number of choices per choice that is added in every state, divided as the choices
            in all states together.

    Raises:
        SampleError: if a state was never visited and nothing is added, naming it.

    Examples:
        >>> import numpy as np, regmdp as rm
        >>> utilities = rm.choice.LinearUtilities(np.zeros((2, 2, 1)), ["x"])
        >>> model = rm.choice.ChoiceModel(
        ...     utilities, rm.choice.KnownTransitions(np.full((2, 2, 2), 0.5)), discount=0.9
        ... )
        >>> rm.choice.choice_frequencies(
        ...     model, rm.choice.Panel([0, 0, 0], [0, 1, 2], [0, 0, 1], [0, 1, 1])
        ... )
        array([[0.5, 0.5],
               [0. , 1. ]])
    """
    check_number("smoothing", smoothing, 0.0, error=SampleError)
    model.require_fit(panel)
    available = model.choice_sets
    counts = panel.count_choices(*available.shape)
    never = available.any(axis=1) & (counts.sum(axis=1) == 0)
    if smoothing == 0.0 and never.any():
        raise SampleError(
            describe_first(
                never,
                lambda state: (
                    f"state {state} was never visited, so its choice frequencies are not known"
                ),
                "states",
                "give choice probabilities of your own, or choice_frequencies(…, smoothing=1.0)",
            )
        )
    overall = counts.sum(axis=0) + 1e-3
    prior = np.where(available, overall / overall.sum(), 0.0)
    counts = counts + smoothing * available.shape[1] * prior
    return counts / np.maximum(counts.sum(axis=1, keepdims=True), np.finfo(float).tiny)


def hotz_miller(
    model: ChoiceModel, panel: Panel, *, probabilities: ArrayLike | None = None
) -> Estimates:
    """Estimate from given choice probabilities: consistent and fast.

    In small panels it is less accurate than maximum likelihood. The transitions are estimated
    first.

    Args:
        model: A model with linear utilities.
        panel: The observations.
        probabilities: (S, A) choice probabilities; by default the frequencies in the panel.

    Raises:
        SampleError: if the utilities are not linear, the panel does not fit, or a state was never
            visited.

    References:
        Hotz & Miller 1993, Review of Economic Studies 60(3), "Conditional choice probabilities and
        the estimation of dynamic models".
    """
    started = time.perf_counter()
    model.require_fit(panel)
    if probabilities is None:
        probabilities = choice_frequencies(model, panel)
    step = _PseudoLikelihood.prepare(model, panel)
    theta = step.maximize(step.check_probabilities(probabilities), step.start)
    return Estimates(
        step.likelihood(theta),
        method="conditional choice probabilities (Hotz and Miller)",
        joint=False,
        status=Status.CONVERGED,
        message="one step, by definition",
        iterations=1,
        seconds=time.perf_counter() - started,
    )


def nested_pseudo_likelihood(
    model: ChoiceModel,
    panel: Panel,
    *,
    probabilities: ArrayLike | None = None,
    max_iterations: int = 100,
) -> Estimates:
    """Estimate by pseudo-likelihood, repeated with the choice probabilities it implies.

    The transitions are estimated first. If the iteration converges, it does so to the estimates of
    :func:`nested_fixed_point`.

    Args:
        model: A model with linear utilities.
        panel: The observations.
        probabilities: (S, A) choice probabilities to start from; by default smoothed frequencies.
        max_iterations: Limit for the iterations.

    Raises:
        SampleError: if the utilities are not linear, or the panel does not fit.

    References:
        Aguirregabiria & Mira 2002, Econometrica 70(4), "Swapping the nested fixed point algorithm".
    """
    started = time.perf_counter()
    check_integer("max_iterations", max_iterations, error=SampleError)
    model.require_fit(panel)
    if probabilities is None:
        probabilities = choice_frequencies(model, panel, smoothing=1.0)
    step = _PseudoLikelihood.prepare(model, panel)
    p, theta = step.check_probabilities(probabilities), step.start
    change, count = np.inf, 0
    while count < max_iterations and not change <= CONVERGED_CHANGE:
        logit = step.logit(p)
        last, theta = theta, logit.maximize(step.counts, theta)
        p = logit.probabilities(theta)
        change = float(np.linalg.norm(theta - last) / (1e-3 + np.linalg.norm(theta)))
        count += 1
    status = Status.CONVERGED if change <= CONVERGED_CHANGE else Status.ITERATION_LIMIT
    return Estimates(
        step.likelihood(theta),
        method="nested pseudo-likelihood",
        joint=False,
        status=status,
        message=f"{'converged' if status.ok else 'not converged'} in {count} iterations",
        iterations=1,
        seconds=time.perf_counter() - started,
    )


@dataclass(frozen=True, eq=False)
class _PseudoLikelihood:
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
    def prepare(cls, model: ChoiceModel, panel: Panel) -> _PseudoLikelihood:
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
        p, mdp = np.asarray(probabilities, dtype=np.float64), self.mdp
        if p.shape != mdp.rewards.shape:
            raise SampleError(
                f"choice probabilities must have shape {mdp.rewards.shape}, not {p.shape}"
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

    def logit(self, p: Float[np.ndarray, "S A"]) -> _Logit:
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
        return _Logit(z[..., 0], z[..., 1:], mdp.available, Shannon(temperature=scale), scale)

    def likelihood(self, theta: Float[np.ndarray, " K"]) -> Likelihood:
        """Return the likelihood of the panel at θ, with the model solved."""
        vector = np.concatenate((theta, self.phi))
        return Likelihood.from_parameters(self.model, self.panel, vector)


@dataclass(frozen=True, eq=False)
class _Logit:
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
