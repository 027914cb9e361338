r"""Evaluation by Monte Carlo: from every pair, follow the policy and add up what it is paid."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from regmdp._internal.arrays import Array, Float
from regmdp._internal.errors import SampleError
from regmdp.evaluation.action_sampler import ActionSampler
from regmdp.evaluation.parallel_episodes import (
    count_parallel_episodes,
    require_horizon,
    require_termination,
)
from regmdp.evaluation.sampled import (
    Estimate,
    RunBatch,
    SampledEvaluation,
    require_count,
    require_finite_cost,
    value_of,
)
from regmdp.mdp import MDP, DecisionProcess
from regmdp.regularizers import Regularizer
from regmdp.samples import Simulator

__all__ = ["MonteCarlo"]


@dataclass(frozen=True)
class MonteCarlo(SampledEvaluation):
    r"""Average the returns of a number of episodes begun in every available pair.

    This needs an MDP or a simulator.

    Without a horizon, episodes stop at random, and what they are paid is not discounted,

    .. math::
        \hat Q(s, a) = r_0 + \sum_{t=1}^{T} \bigl( r_t - \tau h(\pi(s_t)) \bigr), \qquad
        \mathbb{P}(T = t) = (1-\gamma) \gamma^t

    which is unbiased. With a horizon H the sum has H terms, and term t the factor \(\gamma^t\): its
    variance is smaller, and its bias is \(\gamma^H\) times the expected value of the state after H
    steps, so at most \(\gamma^H \max |V^\pi|\). An undiscounted episode without a horizon goes on
    until it ends.

    ``Estimate.samples`` counts the transitions; where they differ from run to run it is their mean,
    rounded.

    Args:
        episodes: How many episodes begin in each pair.
        horizon: H, the number of steps; None draws it at random.

    Raises:
        SolverError: if an option is not a positive integer.
        SampleError: if an undiscounted episode without a horizon does not end.

    Examples:
        >>> import numpy as np, regmdp as rm
        >>> algorithm = rm.algorithms.NPG(step_size=0.5, evaluation=rm.evaluation.MonteCarlo(200))
        >>> learned = rm.learn(
        ...     rm.models.chain(5),
        ...     rm.Shannon(0.1),
        ...     algorithm,
        ...     max_iterations=30,
        ...     rng=np.random.default_rng(0),
        ... )
        >>> rm.certify(rm.models.chain(5), rm.Shannon(0.1), policy=learned.policy[0]).gap < 0.1
        True

    References:
        Sutton & Barto 2018, *Reinforcement Learning*, section 5.2 (exploring starts); Agarwal,
        Kakade, Lee & Mahajan 2021, JMLR 22(98), Algorithm 3 and Lemma 36: the geometric horizon.
        There the regularizer is 0.
    """

    episodes: int
    horizon: int | None = None

    def __post_init__(self) -> None:
        require_count("the number of episodes of a pair", self.episodes)
        require_horizon(self.horizon)

    def check(self, source: DecisionProcess, regularizer: Regularizer) -> None:
        if not isinstance(source, MDP | Simulator):
            raise SampleError(
                "MonteCarlo begins episodes in any state and action, which needs an MDP or a "
                f"simulator, not {type(source).__name__}; Rollouts begin where the source does"
            )

    def __call__(
        self,
        batch: RunBatch,
        regularizer: Regularizer,
        policy: Float[Array, "NS A"],
        previous: Estimate | None,
    ) -> Estimate:
        simulator, runs, n_actions, discount = (
            batch.simulator,
            batch.count,
            batch.n_actions,
            batch.discount,
        )
        available = None if batch.all_available else batch.available
        cost = regularizer.cost(policy, available)
        require_finite_cost(cost)
        ours, theirs = batch.streams.branch(), batch.streams.branch()
        choose = ActionSampler(policy)
        pairs = np.flatnonzero(simulator.available.ravel())
        jobs = pairs.size * self.episodes
        shape = (runs, count_parallel_episodes(jobs))
        # a walker without a job stands at the first pair, so that every run draws as many numbers
        pair, state = np.full(shape, pairs[0]), np.full(shape, pairs[0] // n_actions)
        busy, paid = np.zeros(shape, dtype=np.bool_), np.zeros(shape)
        age, begun = np.zeros(shape, dtype=np.int64), np.zeros((runs, 1), dtype=np.int64)
        total, drawn = np.zeros(runs * batch.size * n_actions), 0
        first = np.arange(runs)[:, None] * (batch.size * n_actions)
        while True:
            # whoever has no job takes the next one; job j begins in pair j modulo their number
            job = begun + np.cumsum(~busy, axis=1) - 1
            begins = ~busy & (job < jobs)
            begun += begins.sum(axis=1, keepdims=True)
            pair = np.where(begins, pairs[job % pairs.size], pair)
            state = np.where(begins, pair // n_actions, state)
            age[begins], paid[begins] = 0, 0.0
            busy |= begins
            if not busy.any():
                break
            u, coin = np.moveaxis(ours.uniform(2, shape[1]), 1, 0)
            row = batch.rows(state)
            action = np.where(begins, pair % n_actions, choose(row, u))
            outcome = simulator.draw(state, action, theirs)
            income = outcome.reward - np.where(begins, 0.0, cost[row])
            paid += income if self.horizon is None else income * discount**age
            age += 1
            drawn += int(np.count_nonzero(busy))
            stops = outcome.terminated | (
                coin >= discount if self.horizon is None else age >= self.horizon
            )
            done = busy & stops
            np.add.at(total, (first + pair)[done], paid[done])
            busy &= ~stops
            state = np.where(busy, outcome.next_state, pairs[0] // n_actions)
            if discount == 1.0 and self.horizon is None:
                require_termination(
                    int(age.max(where=busy, initial=0)), int(np.count_nonzero(busy))
                )
        q = total.reshape(policy.shape) / self.episodes
        if available is not None:
            q[~available] = -np.inf
        samples = (0 if previous is None else previous.samples) + round(drawn / runs)
        return Estimate(q, value_of(batch, regularizer, policy, q), samples)
