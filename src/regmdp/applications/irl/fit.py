"""Estimation of a reward by matching expected features, or by the likelihood of the actions."""

from __future__ import annotations

import time

import numpy as np

from regmdp._internal.arrays import ArrayLike, Float
from regmdp._internal.checks import LARGE_ROOT, describe_first
from regmdp._internal.errors import RegularizerError, SampleError, SolverError
from regmdp._internal.events import CALLBACK, CallbackLike
from regmdp._internal.parameters import Number, checked
from regmdp._internal.status import Status
from regmdp.applications._feature_checks import require_effect
from regmdp.applications._minimization import Search
from regmdp.applications.irl.demonstrations import Demonstrations
from regmdp.applications.irl.estimates import RewardEstimate
from regmdp.applications.irl.objectives import ActionLikelihood, FeatureMatching, RewardObjective
from regmdp.gradients import ParametricModel, RewardFeatures
from regmdp.regularizers import KL, Regularizer, Shannon

__all__ = ["match_features", "maximize_likelihood"]

MAX_ITERATIONS = 1000
#: Smallest norm of the gradient that SciPy is asked for.
MIN_TOLERANCE = 1e-8
#: A search has converged if the norm of the gradient is at most so many times the tolerance, which
#: counts as at least so large.
TOLERANCE_FACTOR, MIN_CONVERGED_TOLERANCE = 10.0, 1e-6


@checked(ridge=Number(0.0, LARGE_ROOT), callback=CALLBACK)
def match_features(
    parameters: ParametricModel,
    demonstrations: Demonstrations,
    regularizer: Regularizer,
    *,
    ridge: float = 0.0,
    start: ArrayLike | None = None,
    callback: CallbackLike = None,
) -> RewardEstimate:
    r"""Find a reward whose optimal policy has the demonstrated expectation of each feature.

    For linear rewards the problem is convex, with any regularizer. It is the dual of maximising the
    policy's regularizer subject to the demonstrated features.

    Args:
        parameters: How the reward depends on θ: :func:`expected_features`, or
            :class:`regmdp.gradients.ModelFunction`.
        demonstrations: The demonstrations.
        regularizer: The regularizer of the demonstrator's policy, such as Shannon(temperature=1.0).
        ridge: Weight of ½‖θ‖², which is added; a small one makes the minimum unique.
        start: (K,) θ to start from; 0 by default.
        callback: Called with an :class:`~regmdp.Event` at each point with a finite value; returning
            False stops the search. The ``measures`` are ``objective`` and ``gradient``, the norm of
            its gradient; the ``state`` has ``theta``, ``solution`` and ``linearization``.

    Raises:
        SolverError: if the parameters do not fit, or a feature is 0 at every available pair
            and there is no ridge.
        UnboundedError: if γ = 1 and at the start a policy that never ends has the largest value:
            give a cost of each step, as a known part of the reward.

    Examples:
        >>> import numpy as np, regmdp as rm
        >>> mdp, soft = rm.models.chain(5), rm.Shannon(temperature=0.5)
        >>> expert = rm.solve(mdp, soft, tol=1e-12).policy
        >>> demonstrations = rm.irl.Demonstrations.from_policy(mdp, expert)
        >>> found = rm.irl.match_features(
        ...     rm.irl.expected_features(mdp, pair=mdp.rewards[:, :, None]), demonstrations, soft
        ... )
        >>> found.theta.round(6), bool(np.max(np.abs(found.policy - expert)) < 1e-6)
        (array([1.]), True)

    References:
        Ziebart, Bagnell & Dey 2010, ICML, "Modeling interaction via the principle of maximum causal
        entropy"; Zhou, Bloem & Bambos 2018, IEEE Transactions on Automatic Control 63(9), for
        infinite horizons.
    """
    _require_problem(parameters, demonstrations, regularizer, ridge)
    objective = FeatureMatching(parameters, demonstrations, regularizer, ridge)
    return _minimize(objective, start, callback, "matching expected features")


@checked(ridge=Number(0.0, LARGE_ROOT), callback=CALLBACK)
def maximize_likelihood(
    parameters: ParametricModel,
    demonstrations: Demonstrations,
    regularizer: Regularizer,
    *,
    ridge: float = 0.0,
    start: ArrayLike | None = None,
    callback: CallbackLike = None,
) -> RewardEstimate:
    """Find a reward that maximises the likelihood of the actions, given their states.

    It does not depend on where the demonstrations begin or end. With long demonstrations it agrees
    with :func:`match_features`.

    Args:
        parameters: How the reward depends on θ.
        demonstrations: The demonstrations.
        regularizer: Shannon or KL, whose policies give all actions of their domain positive
            probability.
        ridge: Weight of ½‖θ‖², which is subtracted from the mean log-likelihood.
        start: (K,) θ to start from; 0 by default.
        callback: As for :func:`match_features`; the ``measures`` have the mean ``log_likelihood``
            of the actions as well.

    Raises:
        RegularizerError: if the regularizer is another, or forbids a demonstrated action.

    Examples:
        >>> import numpy as np, regmdp as rm
        >>> mdp, soft = rm.models.chain(5), rm.Shannon(temperature=0.5)
        >>> demonstrations = rm.irl.Demonstrations.from_trajectories(
        ...     mdp, [([0, 1, 2, 3, 4], [1, 1, 1, 1, 1]), ([0, 0, 1, 0], [0, 1, 0, 1])]
        ... )
        >>> found = rm.irl.maximize_likelihood(
        ...     rm.irl.expected_features(mdp, state=np.eye(5)[:, 4:]), demonstrations, soft
        ... )
        >>> bool(found.theta[0] > 0)  # the demonstrator goes to the last state
        True
    """
    _require_problem(parameters, demonstrations, regularizer, ridge)
    _require_likelihood(demonstrations, regularizer)
    objective = ActionLikelihood(parameters, demonstrations, regularizer, ridge)
    return _minimize(objective, start, callback, "maximum likelihood of the actions")


def _require_problem(
    parameters: object, demonstrations: object, regularizer: object, ridge: float
) -> None:
    """Check that the arguments belong to one problem, and that every feature has an effect."""
    if not isinstance(demonstrations, Demonstrations):
        raise SampleError(
            "the demonstrations must be a regmdp.irl.Demonstrations, not "
            f"{type(demonstrations).__name__}"
        )
    if not isinstance(parameters, ParametricModel):
        raise SolverError(
            "the parameters must be those of a reward, as regmdp.irl.expected_features returns, "
            f"not {type(parameters).__name__}"
        )
    if not isinstance(regularizer, Regularizer):
        raise RegularizerError(
            "the demonstrator's regularizer must be a regmdp.Regularizer, such as "
            f"Shannon(temperature=1.0), not {type(regularizer).__name__}"
        )
    if isinstance(parameters, RewardFeatures):
        mdp, other = parameters.mdp, demonstrations.mdp
        if not np.array_equal(mdp.available, other.available) or mdp.discount != other.discount:
            raise SolverError(
                f"the features are of {mdp!r}, the demonstrations of {other!r}: they must have "
                "the same states, actions and discount"
            )
        if ridge == 0.0:
            names = [f"number {k}" for k in range(parameters.n_parameters)]
            rows = np.flatnonzero(mdp.available.ravel())
            where = "at every available pair"
            advice = "leave it out, or give a ridge"
            require_effect(parameters.matrix[rows], names, where, advice, error=SolverError)


def _require_likelihood(demonstrations: Demonstrations, regularizer: Regularizer) -> None:
    """Check that the demonstrated actions have positive probability for any reward."""
    if not isinstance(regularizer, Shannon | KL) or not np.all(
        np.asarray(regularizer.temperature) > 0
    ):
        raise RegularizerError(
            "the likelihood of actions needs Shannon or KL with a positive temperature; use "
            "match_features"
        )
    mdp, taken = demonstrations.mdp, demonstrations.counts > 0
    allowed = regularizer.domain(mdp.available)
    forbidden = np.zeros_like(taken) if allowed is None else taken & ~np.asarray(allowed)
    if forbidden.any():
        raise RegularizerError(
            describe_first(
                forbidden,
                lambda state, action: (
                    f"{mdp.describe(state, action)} was demonstrated, but the reference gives it "
                    "probability 0"
                ),
                "demonstrated pairs",
                of=int(np.count_nonzero(taken)),
            )
        )


def _minimize(
    objective: RewardObjective, start: ArrayLike | None, callback: CallbackLike, method: str
) -> RewardEstimate:
    """Minimise an objective: with second derivatives if the reward is linear, else with first."""
    started = time.perf_counter()
    first = _read_start(objective.parameters, start)
    search = Search(objective, callback, started=started)

    tolerance = MIN_TOLERANCE

    def minimize() -> tuple[Float[np.ndarray, " K"], Status | None]:
        nonlocal tolerance
        error = objective.gradient_error(search.evaluate(first))
        tolerance = max(tolerance, _bound_noise(error, first.size))
        optimizer = "trust-ncg" if isinstance(objective.parameters, RewardFeatures) else "BFGS"
        return search.minimize(first, optimizer, tolerance, MAX_ITERATIONS)

    found = search.run(minimize)
    gradient = objective.gradient(found.evaluation)
    error = objective.gradient_error(found.evaluation)
    norm = float(np.linalg.norm(gradient))
    status = found.status or Status.STALLED
    word = status.word
    if status not in (Status.STOPPED, Status.INTERRUPTED):
        limit = max(tolerance, _bound_noise(error, gradient.size), MIN_CONVERGED_TOLERANCE)
        status = Status.CONVERGED if norm <= TOLERANCE_FACTOR * limit else status
        word = "converged" if status.ok else "not converged"
    return RewardEstimate(
        found.evaluation,
        objective,
        method,
        gradient,
        error,
        status,
        f"{word}: the gradient's norm is {norm:.1e}",
        time.perf_counter() - started,
    )


def _bound_noise(error: float, n_parameters: int) -> float:
    """Return twice the norm of a gradient whose entries are all as large as the error."""
    return 2.0 * error * float(np.sqrt(n_parameters))


def _read_start(parameters: ParametricModel, start: ArrayLike | None) -> Float[np.ndarray, " K"]:
    """Return the (K,) parameters to start from."""
    if start is not None:
        return parameters.check_parameters(start)
    if parameters.n_parameters is None:
        raise SolverError(
            "a reward that is a function needs a start=…, which has the number of its parameters"
        )
    return np.zeros(parameters.n_parameters)
