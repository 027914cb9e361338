"""A recorded run, with the quantities that the statements compare."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, wraps
from typing import Any, TypeVar

import numpy as np

from regmdp import bellman
from regmdp._internal.arrays import Array, ArrayLike, Bool, Float
from regmdp._internal.errors import SolverError
from regmdp._internal.fields import ReadOnlyCopies
from regmdp._internal.parameters import ArrayOf, Instance, Integer, SequenceOf, checked
from regmdp._learn import learn
from regmdp._solve import solve
from regmdp.algorithms import Algorithm, PolicyOptimization, Recorder, State
from regmdp.algorithms.iteration import FORCING
from regmdp.certificates import backup_error
from regmdp.certificates.discounted import discounted_bounds
from regmdp.evaluation import Exact, visits
from regmdp.improvement import Candidate, Improvement, Lookahead, StepSizeImprovement
from regmdp.improvement.dual_variables import subtract_best
from regmdp.mdp import MDP
from regmdp.mdp.deterministic import DeterministicPolicy
from regmdp.policies import permitted
from regmdp.problem import check_regularizer
from regmdp.regularizers import Regularizer
from regmdp.solution import Solution
from regmdp.theory.optima import Optimum, action_values, compute_optimum
from regmdp.theory.report import NotApplicableError

__all__ = ["Trace", "cached_on_run", "trace"]

Cached = TypeVar("Cached")


@dataclass(frozen=True, eq=False)
class Trace(ReadOnlyCopies):
    """A run with its problem.

    Only the kind and the parameters of the algorithm are used. The optimum, the action values and
    the rounding errors are computed here; so are the values of the policies of a method that draws
    samples.

    Attributes:
        mdp: The model, γ < 1.
        regularizer: The regularizer; ``Unregularized()`` if there is none.
        algorithm: The method that is said to have made the iterates.
        states: The n + 1 iterates, including the initial one. The estimate of an iterate is the one
            that its policy was improved with.

    Examples:
        :func:`trace` makes one. From recorded iterates:

        >>> import regmdp as rm
        >>> mdp, shannon, algorithm = rm.models.chain(5), rm.Shannon(0.1), rm.algorithms.NPG(0.5)
        >>> recorder = rm.algorithms.Recorder()
        >>> _ = rm.solve(mdp, shannon, algorithm, tol=1e-6, callback=recorder)
        >>> rm.theory.check(rm.theory.Trace(mdp, shannon, algorithm, recorder.states)).holds
        True
    """

    mdp: MDP
    regularizer: Regularizer
    algorithm: Algorithm
    states: Sequence[State]

    @property
    def dimensions(self) -> dict[str, int]:
        """The numbers of states, S, and of actions, A."""
        return {"S": self.mdp.n_states, "A": self.mdp.n_actions}

    @classmethod
    @checked(
        mdp=Instance(MDP),
        regularizer=Instance(Regularizer) | None,
        algorithm=Instance(Algorithm),
        states=SequenceOf(Instance(State), minimum=1),
    )
    def from_learning(
        cls,
        mdp: MDP,
        regularizer: Regularizer | None,
        algorithm: Algorithm,
        states: Sequence[State],
    ) -> Trace:
        """Return the run of a method that draws samples, with the exact values of its policies.

        Args:
            mdp: The model, γ < 1.
            regularizer: The regularizer, or None.
            algorithm: The method.
            states: The states recorded by a callback of :func:`regmdp.learn`, for one generator.

        Raises:
            SolverError: if the states hold several runs.

        Examples:
            >>> import numpy as np, regmdp as rm
            >>> mdp, shannon = rm.models.chain(5), rm.Shannon(0.1)
            >>> algorithm = rm.algorithms.NPG(0.5, evaluation=rm.evaluation.Noisy(1e-3))
            >>> recorder, rng = rm.algorithms.Recorder(), np.random.default_rng(0)
            >>> _ = rm.learn(mdp, shannon, algorithm, max_iterations=5, rng=rng, callback=recorder)
            >>> run = rm.theory.Trace.from_learning(mdp, shannon, algorithm, recorder.states)
            >>> rm.theory.check(run).holds
            True
        """
        regularizer = check_regularizer(mdp, regularizer)
        value, evaluated = np.zeros(mdp.n_states), []
        following: list[State | None] = [*states[1:], None]
        for state, after in zip(states, following, strict=True):
            policy = state.next_policy
            if policy is None or policy.shape[0] != mdp.n_states:
                raise SolverError(
                    "the states must be those of one run of a method that draws samples, on "
                    f"{mdp.n_states} states"
                )
            value = Exact()(mdp, regularizer, np.asfortranarray(policy), value)
            own = State(value, bellman.backup(mdp, regularizer, value), policy)
            if after is not None:
                own = replace(
                    own, improved=after.improved, dual=after.dual, step=after.step,
                    estimate=after.estimate,
                )  # fmt: skip
            evaluated.append(replace(own, iteration=state.iteration))
        return cls(mdp, regularizer, algorithm, tuple(evaluated))

    @cached_property
    def _cache(self) -> dict[str, Any]:
        """Results of the functions decorated with :func:`cached_on_run`, by their full names."""
        return {}

    @property
    def iterations(self) -> int:
        """Number of iterations n."""
        return len(self.states) - 1

    @cached_property
    def optimum(self) -> Optimum:
        """The optimum to the limit of rounding, with a bound on its error."""
        return compute_optimum(self.mdp, self.regularizer)

    @cached_property
    def allowed(self) -> Bool[np.ndarray, "S A"]:
        """(S, A) mask of the permitted pairs."""
        return np.asarray(permitted(self.mdp, self.regularizer))

    @property
    def improvement(self) -> Improvement:
        """The improvement of the algorithm, without its lookahead if it has one."""
        if not isinstance(self.algorithm, PolicyOptimization):
            raise NotApplicableError(
                f"{self.algorithm.name} does not consist of an evaluation and an improvement"
            )
        improvement = self.algorithm.improvement
        return improvement.improvement if isinstance(improvement, Lookahead) else improvement

    @property
    def lookahead(self) -> int:
        """Depth of the lookahead, 1 if there is none."""
        improvement = (
            self.algorithm.improvement if isinstance(self.algorithm, PolicyOptimization) else None
        )
        return improvement.depth if isinstance(improvement, Lookahead) else 1

    @cached_property
    def values(self) -> Float[np.ndarray, "n S"]:
        """(n + 1, S) values V_k."""
        return np.stack([state.value for state in self.states])

    @cached_property
    def policies(self) -> Float[np.ndarray, "n S A"]:
        """(n + 1, S, A) policies π_k with the values V_k.

        Raises:
            NotApplicableError: if the values are not those of policies.
        """
        policies = [state.policy for state in self.states]
        if any(policy is None for policy in policies):
            raise NotApplicableError("its values are not the values of its policies")
        return np.stack([np.asarray(policy) for policy in policies])

    @cached_property
    def q(self) -> Float[np.ndarray, "n S A"]:
        """(n + 1, S, A) action values r + γ P V_k; 0 at forbidden pairs."""
        return np.stack([action_values(self.mdp, self.regularizer, value) for value in self.values])

    @cached_property
    def evaluation_errors(self) -> tuple[Float[np.ndarray, " n"], Float[np.ndarray, " n"]]:
        """(n + 1,) error that an exact evaluation may leave in V_k, and (n + 1,) rounding on top.

        An iterative evaluation stops at a fraction of the previous residual; a factorization has no
        such error.
        """
        horizon = 1.0 / (1.0 - self.mdp.discount)
        backups = [self.regularizer.maximum(q, self.mdp.available) for q in self.q[:-1]]
        residuals = [
            np.max(np.abs(np.where(self.mdp.terminal, 0.0, b) - v))
            for b, v in zip(backups, self.values, strict=False)
        ]
        rounding = [
            4.0 * horizon * backup_error(self.mdp, self.regularizer, value) for value in self.values
        ]
        return np.array([0.0, *(FORCING * horizon * residual for residual in residuals)]), np.array(
            rounding
        )

    @cached_property
    def stated_errors(self) -> Float[np.ndarray, " n"]:
        """(n,) bounds on the errors of the estimated Q_k, as the evaluation states them.

        Raises:
            NotApplicableError: if it states none.
        """
        estimates = [state.estimate for state in self.states[:-1]]
        errors = [
            float(np.max(estimate.error))
            for estimate in estimates
            if estimate is not None and estimate.error is not None
        ]
        if len(errors) < len(estimates):
            raise NotApplicableError("its evaluation states no bound on its errors")
        return np.array(errors)

    @property
    def value_error(self) -> Float[np.ndarray, " n"]:
        """(n + 1,) certified error of V_k, at most that of an exact evaluation.

        The limit ensures that wrong values are not excused as inaccurate ones.
        """
        return np.minimum(self.certified_error, sum(self.evaluation_errors))

    @cached_property
    def certified_error(self) -> Float[np.ndarray, " n"]:
        """(n + 1,) certified distance of V_k from the value of π_k, in the worst state."""
        errors = []
        for policy, value in zip(self.policies, self.values, strict=True):
            bounds = discounted_bounds(self.mdp, self.regularizer, policy, value)
            errors.append(
                np.max(
                    np.maximum(bounds.policy_upper - value, value - bounds.policy_lower),
                    initial=0.0,
                )
            )
        return np.array(errors)

    @cached_property
    def step_sizes(self) -> Float[np.ndarray, " n"]:
        """(n,) step sizes η_k in the unit of the method, computed by its rule.

        Step sizes reported by the run are not used.
        """
        improvement = self.improvement
        if not isinstance(improvement, StepSizeImprovement):
            raise NotApplicableError(f"{self.algorithm.name} has no step size")
        steps = []
        for k in range(self.iterations):
            policy, value = self.policies[k], self.states[k].value
            for _ in range(self.lookahead - 1):
                value = bellman.backup(self.mdp, self.regularizer, value)
            dual = (
                self.states[k - 1].dual
                if k > 0
                else improvement.initial_dual(self.mdp, self.regularizer, policy)
            )
            candidate = Candidate(value, policy, dual, k, self.lookahead)
            steps.append(improvement.step_size(self.mdp, self.regularizer, candidate, improvement))
        return np.array(steps, dtype=np.float64)

    @cached_property
    def visits(self) -> Float[np.ndarray, "n S"]:
        """(n + 1, S) expected discounted visits of the policies from ρ, d/(1-γ)."""
        return np.stack([visits(self.mdp, policy) for policy in self.policies])

    def require_stationary(self) -> Float[np.ndarray, " S"]:
        """Return (S,) the stationary distribution ν* of π*.

        Raises:
            NotApplicableError: if there is none because episodes end.
        """
        if self.optimum.stationary is None:
            raise NotApplicableError(
                "episodes end, so the optimal policy has no stationary distribution"
            )
        return self.optimum.stationary

    @property
    def values_from_start(self) -> Float[np.ndarray, " n"]:
        """(n + 1,) V_k(ρ)."""
        return self.values @ self.mdp.initial

    @checked(policy=ArrayOf("S A", minimum=0.0, maximum=1.0 + 1e-9))
    def cost(self, policy: Float[Array, "S A"]) -> Float[np.ndarray, " S"]:
        """(S, A) policy -> (S,) τ h(π)."""
        return np.asarray(self.regularizer.cost(policy, self.mdp.available))

    @checked(policy=ArrayOf("S A", minimum=0.0, maximum=1.0 + 1e-9), iterate=Integer(0))
    def step_gain(self, policy: Float[Array, "S A"], iterate: int) -> Float[np.ndarray, " S"]:
        """(S, A) policy -> (S,) gain of one step over π_k: ⟨Q_k, π - π_k⟩ - τh(π) + τh(π_k)."""
        if iterate >= len(self.policies):
            raise SolverError(f"there is no iterate {iterate}; there are {len(self.policies)}")
        current = self.policies[iterate]
        difference = np.sum(
            (np.asarray(policy) - current) * subtract_best(self.q[iterate], self.allowed), axis=-1
        )
        return difference - self.cost(policy) + self.cost(current)

    def __repr__(self) -> str:
        return (
            f"Trace({self.algorithm.name}, {self.iterations} iterations on {self.mdp!r} with "
            f"{self.regularizer!r})"
        )


def cached_on_run(compute: Callable[[Trace], Cached]) -> Callable[[Trace], Cached]:
    """Decorate a function of a run so that its result is computed once and kept with the run."""
    key = f"{compute.__module__}.{compute.__qualname__}"

    @wraps(compute)
    @checked(run=Instance(Trace))
    def cached(run: Trace) -> Cached:
        if key not in run._cache:
            run._cache[key] = compute(run)
        return run._cache[key]

    return cached


@checked(
    mdp=Instance(MDP),
    regularizer=Instance(Regularizer) | None,
    algorithm=Instance(Algorithm),
    max_iterations=Integer(0),
)
def trace(
    mdp: MDP,
    regularizer: Regularizer | None,
    algorithm: Algorithm,
    *,
    max_iterations: int,
    start: Solution | ArrayLike | DeterministicPolicy | None = None,
    rng: np.random.Generator | None = None,
) -> Trace:
    """Run a method and record all iterates.

    A method whose evaluation draws samples is run by :func:`regmdp.learn`; the values of its
    policies are then computed exactly.

    Args:
        mdp: The model, γ < 1.
        regularizer: The regularizer, or None.
        algorithm: The method.
        max_iterations: Number of iterations; fewer only if the method stops by itself.
        start: Initial policy or solution, as for :func:`regmdp.solve`; the default is uniform.
        rng: Random generator of a method that draws samples; None for the others.

    Returns:
        The run.

    Raises:
        SolverError: if the method draws samples and there is no generator, or the reverse.

    Examples:
        >>> import regmdp as rm
        >>> run = rm.theory.trace(
        ...     rm.models.chain(5), rm.Shannon(0.1), rm.algorithms.NPG(0.5), max_iterations=10
        ... )
        >>> run.iterations, run.policies.shape
        (10, (11, 5, 2))

        Values with errors of at most δ:

        >>> import numpy as np
        >>> algorithm = rm.algorithms.NPG(0.5, evaluation=rm.evaluation.Noisy(delta=0.01))
        >>> rng = np.random.default_rng(0)
        >>> run = rm.theory.trace(
        ...     rm.models.chain(5), rm.Shannon(0.1), algorithm, max_iterations=10, rng=rng
        ... )
        >>> rm.theory.check(run)["error of Q, sharp floor"].holds
        True
    """
    regularizer = check_regularizer(mdp, regularizer)
    recorder = Recorder()
    if isinstance(algorithm, PolicyOptimization) and algorithm.sampled:
        if rng is None:
            raise SolverError(
                f"{algorithm.name} draws samples: give rng=numpy.random.default_rng(seed)"
            )
        policy = start.policy if isinstance(start, Solution) else start
        learn(
            mdp,
            regularizer,
            algorithm,
            max_iterations=max_iterations,
            rng=rng,
            start=policy,
            callback=recorder,
        )
        return Trace.from_learning(mdp, regularizer, algorithm, recorder.states)
    if rng is not None:
        raise SolverError(f"{algorithm.name} draws no samples: leave out rng")
    solve(
        mdp,
        regularizer,
        algorithm,
        tol=0.0,
        max_iterations=max_iterations,
        start=start,
        callback=recorder,
    )
    return Trace(mdp, regularizer, algorithm, tuple(recorder.states))
