"""Entry point: ``solve``."""

from __future__ import annotations

import platform
from dataclasses import replace
from functools import cache
from typing import Literal

import numpy as np

from regmdp._internal.array_checks import check_array
from regmdp._internal.arrays import ArrayLike, Float
from regmdp._internal.checks import check_integer, show
from regmdp._internal.errors import ImproperPolicyError, PolicyError, SolverError
from regmdp._internal.events import CallbackLike
from regmdp._internal.parameters import Integer, Number, checked
from regmdp._internal.status import Status
from regmdp.algorithms import (
    Algorithm,
    PolicyOptimization,
    Run,
    Start,
    Tolerance,
    choose,
    iterate,
)
from regmdp.algorithms.total_reward import expand_events, expand_run, reduce_start
from regmdp.mdp import MDP
from regmdp.mdp.deterministic import DeterministicPolicy
from regmdp.mdp.partition import together
from regmdp.policies import check_policy, holds_actions, require_ending, require_feasible
from regmdp.problem import Problem
from regmdp.regularizers import Regularizer, Unregularized
from regmdp.solution import Provenance, Solution
from regmdp.undiscounted import reduce_model, require_bounded

__all__ = ["check_stopping", "make_solution", "solve"]

#: Iterations allowed if the caller does not say.
MAX_ITERATIONS = 1_000_000


@checked(
    tol=Number(minimum=0.0),
    absolute_tol=Number(above=0.0, advice="tol=0 switches stopping off") | None,
    max_iterations=Integer(0) | None,
)
@together
def solve(
    mdp: MDP,
    regularizer: Regularizer | None = None,
    algorithm: Algorithm | Literal["auto"] = "auto",
    *,
    tol: float = 1e-9,
    absolute_tol: float | None = None,
    max_iterations: int | None = None,
    start: Solution | ArrayLike | DeterministicPolicy | None = None,
    callback: CallbackLike = None,
) -> Solution:
    r"""Find a policy that is best from every state, and bound how far from optimal it can be.

    What is maximised is \(V^\pi = E[\sum_t \gamma^t (r_t - \tau h(\pi(s_t)))]\).

    Args:
        mdp: The model.
        regularizer: h with its temperature τ; none by default.
        algorithm: A method from :mod:`regmdp.algorithms`; "auto" chooses one, and the solution says
            which and why.
        tol: The certified gap to reach, in the worst state, divided by the size of the values: the
            largest \(|V^*(s)|\), or the smallest reward other than 0 where that is larger
            (:class:`regmdp.algorithms.Tolerance`). 0 switches the stopping rules off: then exactly
            ``max_iterations`` iterations are made.
        absolute_tol: The certified gap to reach in the unit of the rewards, instead of ``tol``.
        max_iterations: The most iterations to make; a million by default.
        start: A (S,) value; a policy, as (S, A) probabilities or (S,) integers; or a
            :class:`Solution`, of which the method takes what it needs. By default the uniform
            policy, or the value 0 for a method that keeps no policy.
        callback: A function, or several, called with an :class:`regmdp.Event` after each iteration.
            Values and policies of its state are those of the model's own states. Returning False,
            or Ctrl-C, ends the run with what there is.

    Returns:
        The solution. Its status says how the run ended; its certificate holds whatever the status.

    Raises:
        SolverError: if an option is out of range.
        RegularizerError: if the regularizer does not fit the model.
        PolicyError: if the start is not a policy of the model.
        InfeasibleError: if γ = 1 and from some state no policy ends the episode, and it is not
            certain that all of them lose without bound (their value is -∞).
        ImproperPolicyError: if γ = 1 and the start is a policy that does not end it.
        UnboundedError: if γ = 1 and some policy gains without limit, or never reaches the goal
            where the maximum reward until then is asked for.

    Examples:
        >>> import regmdp as rm
        >>> solution = rm.solve(rm.models.chain(5), rm.Shannon(temperature=0.1))
        >>> solution.status.ok, bool(solution.certificate.gap <= 1e-9 * max(abs(solution.value)))
        (True, True)
    """
    problem = Problem.check(mdp, regularizer)
    regularizer = problem.regularizer
    tolerance, limit = check_stopping(tol, absolute_tol, max_iterations)
    if not (isinstance(algorithm, str) and algorithm == "auto"):
        _check_algorithm(problem, algorithm)
    first, reason = _check_start(problem, start), ""
    reduction = reduce_model(mdp, regularizer)
    model, left = mdp, regularizer
    if reduction is not None:
        model, left = reduction.reduced, reduction.regularizer
        first = reduce_start(reduction, first)
        callback = expand_events(reduction, regularizer, callback)
    require_feasible(model, left)
    require_bounded(model, left)
    first = _check_ending(model, first, optional=isinstance(start, Solution))
    if isinstance(algorithm, str):
        algorithm, first, reason = choose(model, left, first)
    run = iterate(
        model,
        left,
        algorithm,
        start=first,
        tolerance=tolerance,
        max_iterations=limit,
        callback=callback,
    )
    if reduction is not None:
        run = expand_run(reduction, regularizer, run)
        met = tolerance.met_by(run.certificate, mdp, regularizer)
        if (
            run.status is Status.CONVERGED and not met
        ):  # states that are not the model's were larger
            run = replace(run, status=run.certificate.limit or Status.STALLED)
    options = {
        "tol": tolerance.relative,
        "absolute_tol": tolerance.absolute,
        "max_iterations": max_iterations,
        "start": "default" if start is None else type(start).__name__,
    }
    return make_solution(problem, run, algorithm.name, reason, options)


def make_solution(
    problem: Problem, run: Run, algorithm: str, reason: str, options: dict[str, object]
) -> Solution:
    """Return the solution of a problem that a run has found.

    Args:
        problem: The problem.
        run: The policy, its certificate, and how it was found.
        algorithm: The name of the method.
        reason: Why that method was chosen, if it was chosen automatically.
        options: The other arguments of the call.
    """
    mdp, regularizer = problem.mdp, problem.regularizer
    provenance = Provenance(
        problem=repr(mdp),
        regularizer="none" if isinstance(regularizer, Unregularized) else repr(regularizer),
        algorithm=algorithm,
        reason=reason,
        options=options,
        model_digest=mdp.digest,
        worst_state=mdp.describe(run.certificate.worst_state),
        versions=_versions(),
    )
    return Solution(
        run.policy,
        run.value,
        run.certificate,
        run.status,
        run.history,
        mdp.initial,
        provenance,
        action_labels=mdp.action_labels,
        layout=mdp.layout,
        objective=mdp.objective,
    )


def _check_algorithm(problem: Problem, algorithm: object) -> None:
    """Check that something is a method that needs no samples and is defined for the problem."""
    if isinstance(algorithm, str):
        raise SolverError(
            'algorithm must be "auto" or a method such as regmdp.algorithms.ValueIteration(), not '
            f"{show(algorithm)}"
        )
    if not isinstance(algorithm, Algorithm):
        raise SolverError(
            f"algorithm must be a method from regmdp.algorithms, not {show(algorithm)}; did you "
            "forget the parentheses?"
        )
    if isinstance(algorithm, PolicyOptimization) and algorithm.sampled:
        raise SolverError(
            f"{algorithm.name} draws samples, and solve runs methods that draw none; run it with "
            "regmdp.learn(mdp, regularizer, algorithm, max_iterations=…, rng=…), and bound its "
            "policies with regmdp.certify"
        )
    algorithm.check(problem.mdp, problem.regularizer)


def check_stopping(
    tol: object, absolute_tol: object, max_iterations: object
) -> tuple[Tolerance, int]:
    """Return the tolerance and the number of iterations allowed."""
    tolerance = Tolerance.check(tol, absolute_tol)
    if max_iterations is None:
        if not tolerance.active:
            raise SolverError(
                "tol=0 makes exactly max_iterations iterations, so say how many: max_iterations=…"
            )
        return tolerance, MAX_ITERATIONS
    return tolerance, check_integer("max_iterations", max_iterations, 0)


def _check_start(
    problem: Problem, start: Solution | ArrayLike | DeterministicPolicy | None
) -> Start:
    """Return where to start: a value, a policy, or what fits of a solution."""
    if start is None:
        return Start()
    if isinstance(start, Solution):
        return Start(problem.check_value(start.value), _policy_if_it_fits(problem, start.policy))
    if isinstance(start, DeterministicPolicy) or holds_actions(start):
        return Start(policy=check_policy(problem.mdp, start, problem.regularizer))
    array = check_array("start", start)
    if array.ndim == 2:
        return Start(policy=check_policy(problem.mdp, array, problem.regularizer))
    return Start(value=problem.check_value(array))


def _policy_if_it_fits(
    problem: Problem, policy: Float[np.ndarray, "S A"]
) -> Float[np.ndarray, "S A"] | None:
    """Return the policy of a solution, perhaps of another regularizer, if this problem has it."""
    try:
        return check_policy(problem.mdp, policy, problem.regularizer)
    except PolicyError:
        return None


def _check_ending(model: MDP, first: Start, *, optional: bool) -> Start:
    """Return the start, after checking that its policy ends the episode, or without the policy.

    Raises:
        ImproperPolicyError: if it does not, and is not optional.
    """
    if first.policy is None:
        return first
    try:
        require_ending(model, first.policy)
    except ImproperPolicyError:
        if not optional:
            raise
        return Start(value=first.value)
    return first


@cache
def _versions() -> dict[str, str]:
    from importlib.metadata import PackageNotFoundError, version  # slow to import

    versions = {"python": platform.python_version()}
    for package in ("regmdp", "numpy", "scipy"):
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            versions[package] = "unknown"
    return versions
