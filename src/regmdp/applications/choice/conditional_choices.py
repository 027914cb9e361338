r"""Estimates from conditional choice probabilities, without solving the model in a search.

For given choice probabilities P, the value of following them is the solution of one linear
equation, and if utilities are linear in θ, so are the action values:
\(Q = z_0 + \sum_k \theta_k z_k\). Choices are then a plain logit in z. With the observed choice
frequencies as P that is Hotz and Miller's estimator. Nested pseudo-likelihood repeats it with the
probabilities that the last estimate implies; a fixed point of this maximises the likelihood.
"""

from __future__ import annotations

import time

import numpy as np

from regmdp._internal.arrays import ArrayLike, Float
from regmdp._internal.checks import LARGE_ROOT, describe_first
from regmdp._internal.errors import SampleError
from regmdp._internal.parameters import Instance, Integer, Number, checked
from regmdp._internal.status import Status
from regmdp.applications.choice.estimates import Estimates
from regmdp.applications.choice.model import ChoiceModel, require_panel, require_problem
from regmdp.applications.choice.panel import Panel
from regmdp.applications.choice.pseudo_likelihood import PseudoLikelihood

__all__ = ["choice_frequencies", "hotz_miller", "nested_pseudo_likelihood"]

#: Relative change of the estimates at which nested pseudo-likelihood has converged.
CONVERGED_CHANGE = 1e-9


@checked(
    SampleError,
    model=Instance(ChoiceModel),
    panel=Instance(Panel),
    smoothing=Number(0.0, LARGE_ROOT),
)
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
    require_panel(model, panel)
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


@checked(SampleError, model=Instance(ChoiceModel), panel=Instance(Panel))
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
    require_problem(model, panel)
    if probabilities is None:
        probabilities = choice_frequencies(model, panel)
    step = PseudoLikelihood.prepare(model, panel)
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


@checked(SampleError, model=Instance(ChoiceModel), panel=Instance(Panel), max_iterations=Integer())
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
    require_problem(model, panel)
    if probabilities is None:
        probabilities = choice_frequencies(model, panel, smoothing=1.0)
    step = PseudoLikelihood.prepare(model, panel)
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
