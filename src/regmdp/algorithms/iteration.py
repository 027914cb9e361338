"""Value iteration, modified policy iteration and policy iteration, for any regularizer."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np

from regmdp import bellman
from regmdp._internal.arrays import Array, Float, read_only
from regmdp._internal.errors import SolverError
from regmdp._internal.parameters import Instance, Integer, Text, checked
from regmdp.algorithms.loop import MIN_SETTLING_TIME, Algorithm, Start, State
from regmdp.evaluation import (
    Evaluation,
    Exact,
    LinearEvaluation,
    RunBatch,
    SampledEvaluation,
    Sweeps,
)
from regmdp.improvement import Candidate, Greedy, Improvement, ImprovementResult, greedy_policy
from regmdp.mdp import MDP, DecisionProcess
from regmdp.mdp.structure import find_non_terminating_states
from regmdp.policies import uniform_policy
from regmdp.regularizers import Regularizer

__all__ = ["ModifiedPolicyIteration", "PolicyIteration", "PolicyOptimization", "ValueIteration"]

AnyEvaluation = Evaluation | SampledEvaluation
EVALUATION = Instance(Evaluation, SampledEvaluation)
EVALUATION = Instance(Evaluation, SampledEvaluation)

#: An evaluation stops at this fraction of the residual that it removes: more accuracy would be
#: wasted on a policy that changes next.
FORCING = 1e-2
#: The smallest such fraction.
SMALLEST_FORCING = 1e-5
#: Iterations that a method with small steps may make without progress.
PATIENCE_OF_SMALL_STEPS = 100_000


@dataclass(frozen=True)
class ValueIteration(Algorithm):
    r"""Value iteration, V ← T V: hard, soft or sparse, as the regularizer is.

    Starts from V = 0, from the given value, or from one sweep of the given policy over 0. It keeps
    no policy; the greedy one is made at the end. The error shrinks by γ an iteration, the span
    often much faster.

    Examples:
        >>> import regmdp as rm
        >>> rm.solve(
        ...     rm.models.chain(5), algorithm=rm.algorithms.ValueIteration(), tol=1e-6
        ... ).status.word
        'converged'

    References:
        Puterman 1994, *Markov Decision Processes*, section 6.3; Geist, Scherrer & Pietquin 2019,
        ICML, "A theory of regularized Markov decision processes".
    """

    name = "value iteration"

    def check(self, mdp: MDP, regularizer: Regularizer) -> None:
        """Accept every problem."""

    def init(self, mdp: MDP, regularizer: Regularizer, start: Start) -> State:
        value = np.zeros(mdp.n_states) if start.value is None else start.value
        if start.policy is not None and start.value is None:
            value = bellman.policy_backup(mdp, regularizer, start.policy, value)
        return State(value, bellman.backup(mdp, regularizer, value))

    def step(self, mdp: MDP, regularizer: Regularizer, state: State) -> State:
        return State(state.backup, bellman.backup(mdp, regularizer, state.backup))

    def policy(self, mdp: MDP, regularizer: Regularizer, state: State) -> Float[Array, "S A"]:
        return greedy_policy(mdp, regularizer, state.value).policy


@checked(evaluation=EVALUATION, improvement=Instance(Improvement), name=Text())
@dataclass(frozen=True)
class PolicyOptimization(Algorithm):
    """An evaluation and an improvement in turn: π ← improve(π, V), V ← evaluate(π).

    It starts from the given policy, or from the uniform one; or, where the improvement keeps no
    dual variable, from the given value.

    Args:
        evaluation: From a policy to a value, exactly or by sweeps; or to estimated action values,
            from samples.
        improvement: From a policy and a value to a better policy.
        name: The name in summaries.
    """

    evaluation: AnyEvaluation
    improvement: Improvement = field(default_factory=Greedy)
    name: str = "policy optimization"

    @property
    def sampled(self) -> bool:
        """Whether it draws samples."""
        return isinstance(self.evaluation, SampledEvaluation)

    def check(self, mdp: DecisionProcess, regularizer: Regularizer) -> None:
        self.improvement.check(mdp, regularizer)
        if isinstance(self.evaluation, SampledEvaluation):
            self.evaluation.check(mdp.source if isinstance(mdp, RunBatch) else mdp, regularizer)

    def patience(self, mdp: DecisionProcess) -> int:
        if not self.improvement.memoryless:
            return PATIENCE_OF_SMALL_STEPS  # gradient methods may be slow for long
        return 100 if self._exact and mdp.discount < 1.0 else 1000 + 2 * mdp.n_states

    def settling_time(self, mdp: DecisionProcess) -> int:
        if self._exact and self.improvement.memoryless:
            return MIN_SETTLING_TIME  # Newton's method: each iteration should have made progress
        return super().settling_time(mdp)

    def init(self, mdp: DecisionProcess, regularizer: Regularizer, start: Start) -> State:
        policy, dual = self._start(mdp, regularizer, start)
        if self.sampled:
            # an iteration evaluates and improves: before the first, no sample has been drawn
            zero = np.zeros(mdp.n_states)
            return State(zero, zero, improved=policy, dual=dual)
        if start.value is not None and (self.improvement.memoryless or start.policy is None):
            candidate = Candidate(start.value, policy, dual)
            improved = self.improvement(mdp, regularizer, candidate)
            if mdp.discount < 1.0 or not self._exact or not _never_terminates(mdp, improved.policy):
                return _state(candidate, improved, None)
            # the policy that is greedy for this value never terminates and has no value: start
            # without the given value
        guess = np.zeros(mdp.n_states) if start.value is None else start.value
        return self._evaluate_and_improve(mdp, regularizer, Candidate(guess, policy, dual), 0.0)

    def step(self, mdp: DecisionProcess, regularizer: Regularizer, state: State) -> State:
        assert state.improved is not None
        if isinstance(self.evaluation, SampledEvaluation):
            return self._sample_and_improve(mdp, regularizer, state)
        residual = state.backup - state.value
        size = float(np.max(np.abs(residual)))
        candidate = Candidate(state.value, state.improved, state.dual, state.iteration + 1)
        if (
            self.improvement.memoryless
            and isinstance(self.evaluation, LinearEvaluation)
            and mdp.discount < 1.0
        ):
            assert isinstance(mdp, MDP)
            accuracy = forcing(mdp, regularizer, size) * size
            candidate = replace(
                candidate,
                value=self.evaluation.newton(mdp, state.improved, state.value, residual, accuracy),
            )
            return _state(
                candidate, self.improvement(mdp, regularizer, candidate), candidate.policy
            )
        return self._evaluate_and_improve(mdp, regularizer, candidate, FORCING * size)

    def policy(
        self, mdp: DecisionProcess, regularizer: Regularizer, state: State
    ) -> Float[Array, "S A"]:
        # an inexact value is not that of its policy: the next policy is the better one
        policy = state.evaluated if self._exact and state.evaluated is not None else state.improved
        assert policy is not None
        return policy

    def _start(
        self, mdp: DecisionProcess, regularizer: Regularizer, start: Start
    ) -> tuple[Float[Array, "S A"], Float[Array, "S A"] | None]:
        """Return the policy to start from, and its dual variable."""
        if start.policy is not None:
            try:
                return start.policy, self.improvement.initial_dual(mdp, regularizer, start.policy)
            except SolverError:
                if start.value is None:
                    raise
        policy = uniform_policy(mdp, regularizer)
        return policy, self.improvement.initial_dual(mdp, regularizer, policy)

    @property
    def _exact(self) -> bool:
        return isinstance(self.evaluation, Evaluation) and self.evaluation.exact

    def _evaluate_and_improve(
        self, mdp: DecisionProcess, regularizer: Regularizer, candidate: Candidate, accuracy: float
    ) -> State:
        """Evaluate a policy, from a guess at its value, and improve it."""
        evaluation, policy = self.evaluation, read_only(candidate.policy)
        guess = read_only(candidate.value)
        assert isinstance(mdp, MDP)
        assert isinstance(evaluation, Evaluation)
        # a greedy improvement does not need the system, which may be larger than the model
        if isinstance(evaluation, LinearEvaluation) and not self.improvement.memoryless:
            value, system = evaluation.solve_with_system(mdp, regularizer, policy, guess, accuracy)
            candidate = replace(candidate, value=value, system=system)
        else:
            candidate = replace(
                candidate, value=evaluation(mdp, regularizer, policy, guess, accuracy)
            )
        improved = self.improvement(mdp, regularizer, candidate)
        # with the greedy improvement, a value that only approximates the policy's stands alone
        alone = self.improvement.memoryless and not evaluation.exact
        return _state(candidate, improved, None if alone else candidate.policy)

    def _sample_and_improve(
        self, mdp: DecisionProcess, regularizer: Regularizer, state: State
    ) -> State:
        """Estimate the action values of the next policy from samples, and improve it."""
        assert isinstance(mdp, RunBatch)
        assert isinstance(self.evaluation, SampledEvaluation)
        assert state.improved is not None
        estimate = self.evaluation(mdp, regularizer, state.improved, state.estimate)
        candidate = Candidate(
            estimate.value,
            state.improved,
            state.dual,
            state.iteration,
            q=estimate.q,
            gradient=estimate.gradient,
        )
        improved = self.improvement(mdp, regularizer, candidate)
        return replace(
            _state(candidate, improved, state.improved),
            iteration=state.iteration + 1,
            estimate=estimate,
        )


def forcing(mdp: MDP, regularizer: Regularizer, residual: float) -> float:
    r"""Return the fraction of the residual to which a Newton step should be solved.

    A greedy policy whose scores change by δ/τ makes an error of the order δ²/τ: a step leaves that
    much of the residual δ in any case. Without a temperature, a policy takes one action of A and a
    sweep of it costs the A-th part of a sweep of the model; sweeps of the policy are cheaper as
    long as A of them, each reducing the residual by a factor of about 2, still reduce it.
    """
    temperature = regularizer.max_temperature
    left = residual / (2.0 * temperature) if temperature > 0.0 else 2.0**-mdp.n_actions
    return min(FORCING, max(SMALLEST_FORCING, left))


def _never_terminates(mdp: DecisionProcess, policy: Float[Array, "S A"]) -> bool:
    """Whether a policy of an undiscounted model never terminates from some state."""
    return isinstance(mdp, MDP) and bool(
        find_non_terminating_states(mdp, np.asarray(policy) > 0).any()
    )


def _state(
    candidate: Candidate, improved: ImprovementResult, policy: Float[Array, "S A"] | None
) -> State:
    return State(
        candidate.value,
        improved.backup,
        policy,
        improved.policy,
        improved.dual,
        candidate.iteration,
        improved.step,
    )


@checked(evaluation=EVALUATION | None)
def PolicyIteration(evaluation: AnyEvaluation | None = None) -> PolicyOptimization:
    """Policy iteration: exact evaluation, greedy improvement.

    With Shannon entropy it is soft policy iteration.

    It is Newton's method on the regularized Bellman equation: a handful of iterations, quadratic
    near the optimum. Starts from the uniform policy, or from the one that is greedy for the given
    value.

    Args:
        evaluation: By default :class:`regmdp.evaluation.Exact`, which chooses between a
            factorization and Krylov iterations.

    Examples:
        >>> import regmdp as rm
        >>> solution = rm.solve(
        ...     rm.models.chain(5), rm.Shannon(temperature=0.1), rm.algorithms.PolicyIteration()
        ... )
        >>> solution.status.ok, solution.iterations < 10
        (True, True)

    References:
        Howard 1960, *Dynamic Programming and Markov Processes*; Puterman & Brumelle 1979,
        Mathematics of Operations Research 4(1).
    """
    return PolicyOptimization(
        Exact() if evaluation is None else evaluation, name="policy iteration"
    )


@checked(sweeps=Integer())
def ModifiedPolicyIteration(sweeps: int = 20) -> PolicyOptimization:
    """Modified policy iteration: a number of sweeps of evaluation between greedy improvements.

    Args:
        sweeps: Sweeps of evaluation; 1 is value iteration.

    Examples:
        >>> import regmdp as rm
        >>> rm.solve(
        ...     rm.models.chain(5), algorithm=rm.algorithms.ModifiedPolicyIteration(10), tol=1e-6
        ... ).status.word
        'converged'

    References:
        Puterman & Shin 1978, Management Science 24(11); Scherrer et al. 2015, JMLR 16, "Approximate
        modified policy iteration".
    """
    return PolicyOptimization(Sweeps(sweeps), name=f"modified policy iteration ({sweeps} sweeps)")
