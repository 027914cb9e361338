r"""Estimates from conditional choice probabilities, without solving the model at every step of a search.

Given anybody's choice probabilities P, what it is worth to go on with them is one linear equation
away, and if utilities are linear in θ, so are the action values: \(Q = z_0 + \sum_k \theta_k z_k\).
Choices are then a plain logit in z. With the probabilities seen in the data that is Hotz and
Miller's estimator; with those that the estimate implies, again and again, nested pseudo-likelihood,
whose fixed point is the maximum of the likelihood.
"""

from __future__ import annotations

import time
from typing import Any, NamedTuple

import numpy as np

from regmdp._internal.arrays import Float
from regmdp._internal.errors import SampleError
from regmdp.applications.choice.estimates import Estimates
from regmdp.applications.choice.likelihood import Likelihood
from regmdp.applications.choice.model import ChoiceModel
from regmdp.applications.choice.panel import Panel
from regmdp.applications.choice.utilities import LinearUtilities
from regmdp.bellman import expected_values
from regmdp.evaluation import Chain, Exact
from regmdp.mdp import MDP

__all__ = ["choice_frequencies", "hotz_miller", "nested_pseudo_likelihood"]

#: Change of the estimates, relative to their size, at which the iteration of pseudo-likelihoods
#: ends.
GOAL = 1e-9


def choice_frequencies(
    model: ChoiceModel, panel: Panel, *, smoothing: float = 0.0
) -> Float[np.ndarray, "S A"]:
    """Return how often each choice was made in each state, as probabilities.

    Args:
        model: The model, which says how many states and choices there are.
        panel: The observations.
        smoothing: Choices of each kind that are added in every state, in the proportions seen in
            all states together.

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
    model.require_fit(panel)
    shape = model.utilities.values(np.zeros(model.n_utility_parameters)).shape
    counts = panel.count_choices(*shape)
    available = (
        np.ones(shape, dtype=np.bool_)
        if model.available is None
        else np.asarray(model.available, dtype=np.bool_)
    )
    live = available.any(axis=1)
    never = live & (counts.sum(axis=1) == 0)
    if smoothing <= 0.0 and never.any():
        raise SampleError(
            f"state {int(np.argmax(never))} was never visited, so its choice frequencies are not "
            f"known; {int(np.count_nonzero(never))} of {shape[0]} states are like that; give "
            "choice probabilities of your own, or choice_frequencies(…, smoothing=1.0)"
        )
    overall = counts.sum(axis=0) + 1e-3
    counts = counts + smoothing * shape[1] * np.where(available, overall / overall.sum(), 0.0)
    return counts / np.maximum(counts.sum(axis=1, keepdims=True), np.finfo(float).tiny)


def hotz_miller(model: ChoiceModel, panel: Panel, *, probabilities: Any = None) -> Estimates:
    """Estimate by conditional choice probabilities: consistent, quick, and less accurate in small panels than maximum likelihood.

    The transitions are estimated first.

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
    return _estimated(
        model, panel, probabilities, 1, "conditional choice probabilities (Hotz and Miller)"
    )


def nested_pseudo_likelihood(
    model: ChoiceModel, panel: Panel, *, probabilities: Any = None, max_iterations: int = 100
) -> Estimates:
    """Estimate by pseudo-likelihood, with the choice probabilities that the last estimate implies, until these stay.

    The transitions are estimated first. Where it converges, it does so to the estimates of
    `nested_fixed_point`.

    Args:
        model: A model with linear utilities.
        panel: The observations.
        probabilities: (S, A) choice probabilities to start from; by default smoothed frequencies.
        max_iterations: The most iterations.

    Raises:
        SampleError: if the utilities are not linear, or the panel does not fit.

    References:
        Aguirregabiria & Mira 2002, Econometrica 70(4), "Swapping the nested fixed point algorithm".
    """
    if probabilities is None:
        probabilities = choice_frequencies(model, panel, smoothing=1.0)
    return _estimated(model, panel, probabilities, max_iterations, "nested pseudo-likelihood")


def _estimated(
    model: ChoiceModel, panel: Panel, probabilities: Any, iterations: int, method: str
) -> Estimates:
    begin = time.perf_counter()
    if not isinstance(model.utilities, LinearUtilities):
        raise SampleError(
            "this estimator needs utilities that are linear in the parameters; use "
            "nested_fixed_point for others"
        )
    model.require_fit(panel)
    phi = model.transitions.estimate(panel)
    theta = np.zeros(model.n_utility_parameters)
    mdp = model.mdp(np.concatenate((theta, phi)))
    p = choice_frequencies(model, panel) if probabilities is None else _checked(probabilities, mdp)
    counts = panel.count_choices(*mdp.rewards.shape)
    change, count = np.inf, 0
    while count < iterations and not change <= GOAL:
        implied = _implied(model, mdp, p)
        last, theta = theta, _logit(implied, counts, theta, model)
        p = _probabilities(implied, theta, model.scale)
        change = float(np.linalg.norm(theta - last) / (1e-3 + np.linalg.norm(theta)))
        count += 1
    converged = iterations == 1 or change <= GOAL
    status = (
        "one step, as it is meant"
        if iterations == 1
        else f"{'converged' if converged else 'not converged'} in {count} iterations"
    )
    likelihood = Likelihood.from_parameters(model, panel, np.concatenate((theta, phi)))
    return Estimates(likelihood, method, False, status, converged, 1, time.perf_counter() - begin)


class _Implied(NamedTuple):
    """(S, A) z_0 and (S, A, K) z: the action values of going on with some choice probabilities, Q = z_0 + z θ."""

    base: Float[np.ndarray, "S A"]
    slopes: Float[np.ndarray, "S A K"]
    available: np.ndarray


def _implied(model: ChoiceModel, mdp: MDP, p: Float[np.ndarray, "S A"]) -> _Implied:
    """Evaluate choice probabilities, for the utilities of each parameter, with one factorization."""
    assert isinstance(model.utilities, LinearUtilities)
    system = Exact().prepare(Chain.of(mdp, p))
    # the unobserved parts of what is chosen are worth -σ log P on average
    logarithm = np.log(np.where(p > 0, p, 1.0))
    base = np.where(
        mdp.available, model.utilities.values(np.zeros(model.n_utility_parameters)), 0.0
    )
    flows = np.concatenate(
        (base[..., None], np.where(mdp.available[..., None], model.utilities.features, 0.0)), axis=2
    )
    of_policy = np.einsum("sa,sak->sk", p, flows)
    of_policy[:, 0] -= model.scale * np.sum(p * logarithm, axis=1)
    values = [system.solve(column, np.zeros(mdp.n_states)) for column in of_policy.T]
    ahead = np.stack([mdp.discount * expected_values(mdp, value) for value in values], axis=2)
    action_values = flows + ahead
    return _Implied(action_values[..., 0], action_values[..., 1:], mdp.available)


def _probabilities(
    implied: _Implied, theta: Float[np.ndarray, " K"], scale: float
) -> Float[np.ndarray, "S A"]:
    """Return the logit probabilities of action values."""
    scores = np.where(implied.available, (implied.base + implied.slopes @ theta) / scale, -np.inf)
    top = np.max(scores, axis=1, keepdims=True)
    weights = np.exp(scores - np.where(np.isfinite(top), top, 0.0))
    return weights / np.maximum(weights.sum(axis=1, keepdims=True), np.finfo(float).tiny)


def _logit(
    implied: _Implied,
    counts: Float[np.ndarray, "S A"],
    theta: Float[np.ndarray, " K"],
    model: ChoiceModel,
) -> Float[np.ndarray, " K"]:
    """Maximise the likelihood of a logit by Newton's method, whose steps are halved while they lead down: it is concave."""
    visits, z = counts.sum(axis=1), implied.slopes / model.scale
    worth, p = (
        _log_likelihood(implied, counts, theta, model.scale),
        _probabilities(implied, theta, model.scale),
    )
    for _ in range(100):
        gradient = np.einsum("sa,sak->k", counts - visits[:, None] * p, z)
        centred = z - np.einsum("sa,sak->sk", p, z)[:, None, :]
        information = np.einsum("s,sa,sak,sal->kl", visits, p, centred, centred)
        step = np.linalg.lstsq(information, gradient, rcond=1e-14)[0]
        if float(gradient @ step) <= 1e-20 * (1.0 + abs(worth)):
            break
        size, further = 1.0, -np.inf
        while size > 1e-8 and not further >= worth:
            further = _log_likelihood(implied, counts, theta + size * step, model.scale)
            size *= 0.5
        if not further > worth:
            break
        theta, worth = theta + 2.0 * size * step, further
        p = _probabilities(implied, theta, model.scale)
    return theta


def _log_likelihood(
    implied: _Implied,
    counts: Float[np.ndarray, "S A"],
    theta: Float[np.ndarray, " K"],
    scale: float,
) -> float:
    scores = np.where(implied.available, (implied.base + implied.slopes @ theta) / scale, -np.inf)
    top = np.max(scores, axis=1)
    top = np.where(np.isfinite(top), top, 0.0)
    inclusive = top + np.log(
        np.maximum(np.exp(scores - top[:, None]).sum(axis=1), np.finfo(float).tiny)
    )
    made = counts > 0
    return float(np.sum(counts[made] * scores[made]) - counts.sum(axis=1) @ inclusive)


def _checked(probabilities: Any, mdp: MDP) -> Float[np.ndarray, "S A"]:
    p = np.asarray(probabilities, dtype=np.float64)
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
            f"the choice probabilities of state {int(np.argmax(bad))} are not those of its choice "
            f"set; {int(np.count_nonzero(bad))} states are like that"
        )
    return p
