"""Entry point: ``solve``."""

from __future__ import annotations

import platform
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from typing import Literal, TypeAlias

import numpy as np
import scipy

from regmdp._internal.array_checks import check_array
from regmdp._internal.arrays import ArrayLike, Float
from regmdp._internal.blas import limit_blas_threads
from regmdp._internal.checks import check_integer, show
from regmdp._internal.errors import ImproperPolicyError, PolicyError, RegmdpError, SolverError
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
from regmdp.algorithms.acyclic import CoreReport, expand_core_run, run_without_core
from regmdp.algorithms.total_reward import expand_events, expand_run, reduce_start
from regmdp.mdp import MDP
from regmdp.mdp.deterministic import DeterministicPolicy
from regmdp.mdp.partition import together
from regmdp.policies import (
    by_numbers,
    check_policy,
    holds_actions,
    require_ending,
    require_feasible,
)
from regmdp.problem import Problem
from regmdp.regularizers import Regularizer, Unregularized
from regmdp.solution import Provenance, Solution
from regmdp.undiscounted import reduce_model, require_bounded
from regmdp.undiscounted.acyclic import find_acyclic_parts

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
    first = _check_start(problem, start)
    task = _Task(mdp, regularizer, tolerance, limit, callback)
    with limit_blas_threads(mdp.n_states):
        run, name, reason = (
            task.solve_openly()
            if isinstance(algorithm, str) and start is None
            else task.solve(algorithm, first, optional=isinstance(start, Solution))
        )
    options = {
        "tol": tolerance.relative,
        "absolute_tol": tolerance.absolute,
        "max_iterations": max_iterations,
        "start": "default" if start is None else type(start).__name__,
    }
    return make_solution(problem, run, name, reason, options)


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
        by_numbers(mdp, run.policy),
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


#: A run, the name of the method, and why it was chosen.
_Solved: TypeAlias = tuple[Run, str, str]


@dataclass(frozen=True)
class _Task:
    """A problem, how well it is to be solved, and who watches.

    Attributes:
        mdp: The model.
        regularizer: The regularizer.
        tolerance: The gap to reach.
        limit: The most iterations.
        callback: The callbacks.
    """

    mdp: MDP
    regularizer: Regularizer
    tolerance: Tolerance
    limit: int
    callback: CallbackLike

    def solve(self, algorithm: Algorithm | str, first: Start, *, optional: bool = False) -> _Solved:
        """Run a method on what is left of the model.

        Args:
            algorithm: The method, or "auto".
            first: Where to start.
            optional: Whether a start that does not end the episode is ignored.

        Returns:
            The run, the name of the method, and why it was chosen.
        """
        reduction = reduce_model(self.mdp, self.regularizer)
        if reduction is None:
            return self._iterate(algorithm, first, optional=optional)
        left = replace(
            self,
            mdp=reduction.reduced,
            regularizer=reduction.regularizer,
            callback=expand_events(reduction, self.regularizer, self.callback),
        )
        start = reduce_start(reduction, first)

        def solve_left() -> _Solved:
            return left._iterate(algorithm, start, optional=optional)

        is_open = isinstance(algorithm, str) and start.value is None and start.policy is None
        run, name, reason = left._solve_from_cycles(solve_left) if is_open else solve_left()
        run = expand_run(reduction, self.regularizer, run)
        if run.status is Status.CONVERGED and not self._met_by(run):
            # states that are not the model's were larger
            run = replace(run, status=run.certificate.limit or Status.STALLED)
        return run, name, reason

    def _iterate(self, algorithm: Algorithm | str, first: Start, *, optional: bool) -> _Solved:
        """Run a method on a model of which nothing can be left out."""
        reason = ""
        require_feasible(self.mdp, self.regularizer)
        require_bounded(self.mdp, self.regularizer)
        first = _check_ending(self.mdp, first, optional=optional)
        if isinstance(algorithm, str):
            algorithm, first, reason = choose(self.mdp, self.regularizer, first, self.tolerance)
        run = iterate(
            self.mdp,
            self.regularizer,
            algorithm,
            start=first,
            tolerance=self.tolerance,
            max_iterations=self.limit,
            callback=self.callback,
        )
        return run, algorithm.name, reason

    def solve_openly(self) -> _Solved:
        """Solve the model by a method that suits it, from its own start."""
        return self._solve_from_cycles(lambda: self.solve("auto", Start()))

    def _solve_from_cycles(self, solve_whole: Callable[[], _Solved]) -> _Solved:
        """Solve the part of an undiscounted model that has cycles, and the rest by induction.

        Where that does not pay, or does not do, the model is solved as a whole.
        """
        active = self.tolerance.active
        parts = find_acyclic_parts(self.mdp, self.regularizer) if active else None
        if parts is None:
            return solve_whole()
        if parts.core is None:
            run = run_without_core(parts, self.callback)
            found = run, "backward induction", "undiscounted, without cycles"
        else:
            report = CoreReport(parts, self.callback)
            tolerance = self.tolerance.scaled(0.9)
            part = replace(self, mdp=parts.core, tolerance=tolerance, callback=report)
            try:
                run, name, reason = part.solve("auto", Start())
            except RegmdpError:  # which names states of the core
                return solve_whole()
            run = expand_core_run(parts, run, report.values)
            found = run, name, f"{reason}; states outside of cycles by backward induction"
        if run.status is Status.CONVERGED and not self._met_by(run):
            return solve_whole()
        return found

    def _met_by(self, run: Run) -> bool:
        return self.tolerance.met_by(run.certificate, self.mdp, self.regularizer)


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
    if (
        scipy.sparse.issparse(start)
        or isinstance(start, DeterministicPolicy)
        or holds_actions(start)
    ):
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
