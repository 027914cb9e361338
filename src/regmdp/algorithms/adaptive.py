"""Policy iteration that spends on the evaluation of a policy what the policy deserves."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import cast

import numpy as np

from regmdp import bellman
from regmdp._internal.arrays import Array, Float
from regmdp.algorithms.loop import MIN_SETTLING_TIME, Algorithm, Start, State
from regmdp.algorithms.stopping import Tolerance
from regmdp.evaluation.base import Chain
from regmdp.evaluation.budgeted import (
    BudgetedResult,
    Plan,
    can_factorize,
    evaluate_within,
    measure_size,
)
from regmdp.evaluation.direct import Direct, is_narrow
from regmdp.evaluation.exact import Exact
from regmdp.evaluation.work import (
    copy_work,
    improvement_work,
    least_factorization_work,
    sweep_work,
)
from regmdp.mdp import MDP, DecisionProcess
from regmdp.mdp.deterministic import find_actions
from regmdp.policies import uniform_policy
from regmdp.regularizers import Regularizer

__all__ = ["AdaptivePolicyIteration"]

#: Work of the first evaluation over that of an improvement.
FIRST_SHARE = 4.0
#: Work that is always spent on an evaluation, over that of an improvement.
CHEAP_SHARE = 0.5
FORCING, LIMITING = 0.03, 0.3
EXACT_SHARE = 4.0
#: Largest and smallest fraction of its residual to which a policy is evaluated.
LARGEST_REDUCTION, SMALLEST_REDUCTION = 0.3, 1e-4
#: Iterations without progress after which policies are evaluated exactly, as in the method whose
#: convergence is certain; it stays so until there is progress.
ATTEMPTS = 20


@dataclass(frozen=True, eq=False)
class _Memory:
    """What the iterations have taught.

    Attributes:
        share: Work that an evaluation may cost over that of an improvement.
        reduction: Fraction of the residual to which the next policy should be evaluated.
        krylov: Smallest budget for which Krylov iterations are tried.
        factorizable: Whether a factorization is fast; None if that is not known.
        chain: The chain of the last policy, if the next one is the same.
        best: Smallest residual after an improvement.
        since: Number of improvements after that one.
    """

    share: float = FIRST_SHARE
    reduction: float = LARGEST_REDUCTION
    krylov: float = 0.0
    factorizable: bool | None = None
    chain: Chain | None = None
    best: float = np.inf
    since: int = 0

    @property
    def exact(self) -> bool:
        """Whether policies should be evaluated exactly, since less has led nowhere."""
        return self.since >= ATTEMPTS


@dataclass(frozen=True)
class AdaptivePolicyIteration(Algorithm):
    r"""Inexact policy iteration that adapts to the model while it runs.

    A step evaluates the greedy policy until one of two things happens: the residual has fallen well
    below what the next improvement is expected to leave, or the evaluation has cost as much as it
    may. The expectation is that of Eisenstat and Walker: what the last improvement left of the
    residual before. The budget is doubled when the residual that is left after the improvement is
    mostly that of the evaluation, and halved when it is mostly that of the improvement. What a
    digit costs is measured by the residual and by counted work, so a run is reproducible to the
    bit.

    Args:
        tolerance: The gap to reach, below which no evaluation need go.

    References:
        Eisenstat & Walker 1996, SIAM J. Sci. Comput. 17(1), "Choosing the forcing terms in an
        inexact Newton method"; Puterman & Shin 1978, Management Science 24(11); Gargiani, Sieber,
        Balta, Liao-McPherson & Lygeros 2023, "Inexact policy iteration methods for large-scale
        Markov decision processes".
    """

    tolerance: Tolerance = field(default_factory=Tolerance)

    name = "adaptive policy iteration"

    def check(self, mdp: MDP, regularizer: Regularizer) -> None:
        """Accept every problem."""

    def settling_time(self, mdp: DecisionProcess) -> int:
        return MIN_SETTLING_TIME

    def init(self, mdp: MDP, regularizer: Regularizer, start: Start) -> State:
        value = np.zeros(mdp.n_states) if start.value is None else start.value
        if start.policy is not None and start.value is None:
            value = Exact()(mdp, regularizer, start.policy, value)
        elif start.value is None:
            value = self._value_of_uniform(mdp, regularizer, value)
        if value.any():
            best, policy = bellman.improve(mdp, regularizer, value)
        else:
            best, policy = bellman.improve_zero(mdp, regularizer)
        return State(value, best, None, policy, memory=_Memory())

    def _value_of_uniform(
        self, mdp: MDP, regularizer: Regularizer, value: Float[np.ndarray, " S"]
    ) -> Float[np.ndarray, " S"]:
        """Return the value of the uniform policy, if it is cheap to find, or else the given one."""
        improvement = improvement_work(mdp, regularizer)
        limit = EXACT_SHARE * improvement
        if least_factorization_work(mdp.n_states) > limit:
            return value
        policy = uniform_policy(mdp, regularizer)
        chain = Chain.from_policy(mdp, policy)
        if not (is_narrow(chain) and can_factorize(chain, limit)):
            return value
        rewards = bellman.expected_rewards(mdp, regularizer, policy)
        return Direct().prepare(chain).solve(rewards, value)

    def step(self, mdp: MDP, regularizer: Regularizer, state: State) -> State:
        memory, policy = state.memory, state.improved
        assert isinstance(memory, _Memory)
        assert policy is not None
        residual = state.backup - state.value
        size, _ = measure_size(residual, not mdp.terminates)
        chain = memory.chain or Chain.from_policy(mdp, policy)
        plan = self._make_plan(mdp, regularizer, state, chain, size, memory)
        if memory.exact:
            correction = Exact().prepare(chain).solve(residual, np.zeros_like(residual), plan.floor)
            found = BudgetedResult(correction, plan.floor, 0.0, memory.krylov, None, "exact")
        else:
            found = evaluate_within(chain, residual, plan)
        value = state.value + found.value
        best, improved = bellman.improve(mdp, regularizer, value)
        left, _ = measure_size(best - value, not mdp.terminates)
        learned = _learn(memory, plan, found, size, left)
        learned = replace(
            learned,
            chain=chain if _same(policy, improved) else None,
            best=min(left, memory.best),
            since=0 if left < memory.best else memory.since + 1,
        )
        return State(value, best, None, improved, iteration=state.iteration + 1, memory=learned)

    def policy(self, mdp: MDP, regularizer: Regularizer, state: State) -> Float[Array, "S A"]:
        return cast("Array", state.improved)

    def _make_plan(
        self,
        mdp: MDP,
        regularizer: Regularizer,
        state: State,
        chain: Chain,
        size: float,
        memory: _Memory,
    ) -> Plan:
        """Return what the evaluation of the next policy may cost."""
        accuracy = self.tolerance.absolute or self.tolerance.relative * float(
            np.max(np.abs(state.value))
        )
        enough = 0.2 * accuracy * (1.0 - mdp.discount)
        # a policy that did not change is evaluated for good
        reduction = memory.reduction if memory.chain is None else 0.0
        enough = max(enough, 4e-16 * float(np.max(np.abs(state.backup))))
        goal = max(reduction * size, enough)
        improvement = improvement_work(mdp, regularizer) + copy_work(chain.rows)
        budget = memory.share * improvement
        budget = max(budget, 4.0 * sweep_work(chain.rows))
        if memory.chain is not None:
            budget = max(budget, 1e9) * 1e3
        least = CHEAP_SHARE * improvement
        return Plan(
            goal,
            budget,
            enough,
            least,
            memory.krylov,
            EXACT_SHARE * improvement,
            memory.factorizable,
        )


def _learn(
    memory: _Memory, plan: Plan, found: BudgetedResult, before: float, left: float
) -> _Memory:
    """Return what the next iteration should do otherwise, after an improvement.

    Args:
        memory: What was known before.
        plan: The plan of the evaluation.
        found: Its result.
        before: Size of the residual before the evaluation.
        left: Size of the residual after the improvement.
    """
    share, reduction = memory.share, memory.reduction
    if found.size >= LIMITING * left:
        # the evaluation limits progress
        if found.size > plan.goal:
            share *= 2.0
        reduction *= 0.3
    else:
        if found.size <= 0.03 * left:
            share = max(0.5 * share, FIRST_SHARE)
        reduction = FORCING * left / before
    return replace(
        memory,
        share=share,
        reduction=min(max(reduction, SMALLEST_REDUCTION), LARGEST_REDUCTION),
        krylov=found.krylov,
        factorizable=found.factorizable,
    )


def _same(policy: Array, improved: Array) -> bool:
    """Whether two deterministic policies are the same."""
    old, new = find_actions(policy), find_actions(improved)
    return old is not None and new is not None and np.array_equal(old, new)
