"""The front door."""

from __future__ import annotations

import platform
from functools import cache
from typing import Any, Literal

import numpy as np

from regmdp._internal.arrays import Array, Float
from regmdp._internal.errors import ImproperPolicyError, PolicyError, SolverError
from regmdp._internal.events import CallbackLike
from regmdp._learn import sampled_run
from regmdp.algorithms import Algorithm, PolicyOptimization, Start, choose, iterate
from regmdp.certificates import require_bounded
from regmdp.mdp import MDP
from regmdp.policies import check_policy, require_ending, require_feasible
from regmdp.problem import check_regularizer, check_value
from regmdp.regularizers import Regularizer, Unregularized
from regmdp.solution import Provenance, Solution

__all__ = ["solve"]

#: Iterations allowed if the caller does not say.
MAX_ITERATIONS = 1_000_000


def solve(
    mdp: MDP,
    regularizer: Regularizer | None = None,
    algorithm: Algorithm | Literal["auto"] = "auto",
    *,
    tol: float = 1e-8,
    max_iterations: int | None = None,
    start: Any = None,
    callback: CallbackLike = None,
    rng: np.random.Generator | None = None,
) -> Solution:
    r"""Find a policy that is best from every state, and bound how far from optimal it can be.

    What is maximised is \(V^\pi = E[\sum_t \gamma^t (r_t - \tau h(\pi(s_t)))]\).

    Args:
        mdp: The model.
        regularizer: h with its temperature τ; none by default.
        algorithm: A method from :mod:`regmdp.algorithms`; "auto" chooses one, and the solution says
            which and why.
        tol: The certified gap to reach, in the worst state and in the unit of the rewards. 0
            switches the stopping rules off: then exactly ``max_iterations`` iterations are made.
        max_iterations: The most iterations to make; a million by default.
        start: A (S,) value; a policy, as (S, A) probabilities or (S,) integers; or a
            :class:`Solution`, of which the method takes what it needs. By default the uniform
            policy, or the value 0 for a method that keeps no policy.
        callback: A function, or several, called with an :class:`regmdp.Event` after each iteration.
            Returning False, or Ctrl-C, ends the run with what there is.
        rng: The random generator of a method whose evaluation draws samples. Such a method makes
            ``max_iterations`` iterations; its last policy is then evaluated exactly, and certified
            like any other. :func:`learn` runs it many times over, and where the model is not known.

    Returns:
        The solution. Its status says how the run ended; its certificate holds whatever the status.

    Raises:
        SolverError: if an option is out of range.
        RegularizerError: if the regularizer does not fit the model.
        PolicyError: if the start is not a policy of the model.
        InfeasibleError: if γ = 1 and from some state no policy ends the episode.
        ImproperPolicyError: if γ = 1 and the start is a policy that does not end it.
        UnboundedError: if γ = 1 and some policy gains without limit.

    Examples:
        >>> import regmdp as rm
        >>> solution = rm.solve(rm.models.chain(5), rm.Shannon(temperature=0.1))
        >>> solution.status.ok, solution.certificate.gap <= 1e-8
        (True, True)
    """
    if not isinstance(mdp, MDP):
        raise SolverError(
            f"the model must be a regmdp.MDP, not {type(mdp).__name__}; build one with MDP(P, r, "
            "discount=…)"
        )
    regularizer = check_regularizer(mdp, regularizer)
    tol, limit = _stopping(tol, max_iterations)
    reason = ""
    if isinstance(algorithm, str):
        if algorithm != "auto":
            raise SolverError(
                'algorithm must be "auto" or a method such as regmdp.algorithms.ValueIteration(), '
                f"not {algorithm!r}"
            )
    elif not isinstance(algorithm, Algorithm):
        raise SolverError(
            f"algorithm must be a method from regmdp.algorithms, not {algorithm!r}; did you forget "
            "the parentheses?"
        )
    else:
        algorithm.check(mdp, regularizer)
    require_feasible(mdp, regularizer)
    require_bounded(mdp, regularizer)
    first = _start(mdp, regularizer, start)
    if isinstance(algorithm, str):
        algorithm, first, reason = choose(mdp, regularizer, first)
    if isinstance(algorithm, PolicyOptimization) and algorithm.sampled:
        if rng is None:
            raise SolverError(
                "this method draws samples: give it a random generator, "
                "rng=numpy.random.default_rng(seed)"
            )
        if max_iterations is None:
            raise SolverError(
                "a method that draws samples cannot tell when it is done: say how many iterations, "
                "max_iterations=…"
            )
        run = sampled_run(
            mdp,
            regularizer,
            algorithm,
            rng=rng,
            policy=first.policy,
            tol=tol,
            iterations=limit,
            callback=callback,
        )
    elif rng is not None:
        raise SolverError(
            "this method draws no samples, so it has no use for rng; give it an evaluation that "
            "does, or leave rng out"
        )
    else:
        run = iterate(
            mdp,
            regularizer,
            algorithm,
            start=first,
            tol=tol,
            max_iterations=limit,
            callback=callback,
        )
    provenance = Provenance(
        problem=repr(mdp),
        regularizer="none" if isinstance(regularizer, Unregularized) else repr(regularizer),
        algorithm=algorithm.name,
        reason=reason,
        options={
            "tol": tol,
            "max_iterations": max_iterations,
            "start": "default" if start is None else type(start).__name__,
        },
        model_digest=mdp.digest,
        worst_state=mdp.describe(run.certificate.worst_state),
        versions=_versions(),
    )
    return Solution(
        run.policy, run.value, run.certificate, run.status, run.history, mdp.initial, provenance
    )


def _stopping(tol: Any, max_iterations: Any) -> tuple[float, int]:
    try:
        tol = float(tol)
    except (TypeError, ValueError):
        raise SolverError(f"tol must be a number, not {tol!r}") from None
    if not (tol >= 0.0 and np.isfinite(tol)):
        raise SolverError(f"tol must be finite and not negative, not {tol}")
    if max_iterations is None:
        if tol == 0.0:
            raise SolverError(
                "tol=0 makes exactly max_iterations iterations, so say how many: max_iterations=…"
            )
        return tol, MAX_ITERATIONS
    if (
        isinstance(max_iterations, bool)
        or not isinstance(max_iterations, int | np.integer)
        or max_iterations < 0
    ):
        raise SolverError(f"max_iterations must be an integer, 0 or more, not {max_iterations!r}")
    return tol, int(max_iterations)


def _start(mdp: MDP, regularizer: Regularizer, start: Any) -> Start:
    if start is None:
        return Start()
    if isinstance(start, Solution):
        return Start(check_value(mdp, start.value), _fitting(mdp, regularizer, start.policy))
    if np.ndim(start) == 2 or (np.ndim(start) == 1 and np.asarray(start).dtype.kind in "iu"):
        policy = check_policy(mdp, start, regularizer)
        require_ending(mdp, policy)
        return Start(policy=policy)
    return Start(value=check_value(mdp, start))


def _fitting(mdp: MDP, regularizer: Regularizer, policy: Array) -> Float[np.ndarray, "S A"] | None:
    """Return the policy of a solution if it is one of this problem, too; the solution may be another regularizer's."""
    try:
        policy = check_policy(mdp, policy, regularizer)
        require_ending(mdp, policy)
    except (PolicyError, ImproperPolicyError):
        return None
    return policy


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
