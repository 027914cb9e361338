r"""Evaluation by Monte Carlo: the mean return of episodes that start in every pair."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from regmdp._internal.arrays import Array, Bool, Float, Int
from regmdp._internal.errors import SampleError
from regmdp._internal.parameters import Integer, checked
from regmdp.evaluation.action_sampler import ActionSampler
from regmdp.evaluation.parallel_episodes import (
    HORIZON,
    count_parallel_episodes,
    require_termination,
)
from regmdp.evaluation.sampled import (
    Estimate,
    RunBatch,
    SampledEvaluation,
    evaluate_q,
    require_finite_cost,
)
from regmdp.mdp import MDP, DecisionProcess
from regmdp.regularizers import Regularizer
from regmdp.samples import Simulator

__all__ = ["MonteCarlo"]


@checked(episodes=Integer(), horizon=HORIZON)
@dataclass(frozen=True)
class MonteCarlo(SampledEvaluation):
    r"""Average the returns of a number of episodes from every available pair.

    This needs an MDP or a simulator.

    Without a horizon, episodes stop at random, and rewards are not discounted,

    .. math::
        \hat Q(s, a) = r_0 + \sum_{t=1}^{T} \bigl( r_t - \tau h(\pi(s_t)) \bigr), \qquad
        \mathbb{P}(T = t) = (1-\gamma) \gamma^t

    which is unbiased. With a horizon H the sum has H terms, and term t the factor \(\gamma^t\): its
    variance is smaller, and its bias is \(\gamma^H\) times the expected value of the state after H
    steps, so at most \(\gamma^H \max |V^\pi|\). An undiscounted episode without a horizon continues
    until it ends.

    ``Estimate.samples`` counts the transitions: their mean over the runs, rounded.

    Args:
        episodes: Number of episodes from each pair.
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
        Kakade, Lee & Mahajan 2021, JMLR 22(98), sampling for natural policy gradient: the geometric
        horizon. There the regularizer is 0.
    """

    episodes: int
    horizon: int | None = None

    def check(self, source: DecisionProcess, regularizer: Regularizer) -> None:
        if not isinstance(source, MDP | Simulator):
            raise SampleError(
                "MonteCarlo starts episodes in any state and action, which needs an MDP or a "
                f"simulator, not {type(source).__name__}; Rollouts start where the source does"
            )

    def __call__(
        self,
        batch: RunBatch,
        regularizer: Regularizer,
        policy: Float[Array, "NS A"],
        previous: Estimate | None,
    ) -> Estimate:
        simulator, n_actions, discount = batch.simulator, batch.n_actions, batch.discount
        available = None if batch.all_available else batch.available
        cost = regularizer.cost(policy, available)
        require_finite_cost(cost)
        # a simulator may draw from the generators itself, so actions are drawn from others
        actions, outcomes = batch.streams.branch(), batch.streams.branch()
        sampler = ActionSampler(policy)
        pairs = np.flatnonzero(simulator.available.ravel())
        places = _Places(pairs, self.episodes, batch.count, n_actions)
        total, drawn = np.zeros(batch.count * batch.size * n_actions), 0
        first = np.arange(batch.count)[:, None] * (batch.size * n_actions)
        while True:
            starts = places.start_episodes()
            if not places.busy.any():
                break
            u, coin = np.moveaxis(actions.uniform(2, places.busy.shape[1]), 1, 0)
            row = batch.rows(places.state)
            action = np.where(starts, places.pair % n_actions, sampler(row, u))
            outcome = simulator.draw(places.state, action, outcomes)
            income = outcome.reward - np.where(starts, 0.0, cost[row])
            places.sums += income if self.horizon is None else income * discount**places.age
            places.age += 1
            drawn += int(np.count_nonzero(places.busy))
            stops = outcome.terminated | (
                coin >= discount if self.horizon is None else places.age >= self.horizon
            )
            done = places.move(outcome.next_state, stops)
            np.add.at(total, (first + places.pair)[done], places.sums[done])
            if discount == 1.0 and self.horizon is None:
                places.require_termination()
        q = total.reshape(policy.shape) / self.episodes
        if available is not None:
            q[~available] = -np.inf
        samples = (0 if previous is None else previous.samples) + round(drawn / batch.count)
        return Estimate(q, evaluate_q(batch, regularizer, policy, q), samples)


class _Places:
    """Places for parallel episodes, M in each run; episode j starts in pair j modulo their number.

    Args:
        pairs: (p,) available pairs.
        episodes: Number of episodes from each pair.
        runs: N.
        n_actions: A.

    Attributes:
        pair: (N, M) first pairs of the episodes.
        state: (N, M) current states.
        busy: (N, M) whether an episode is running.
        sums: (N, M) returns so far.
        age: (N, M) steps so far.
    """

    pair: Int[np.ndarray, "N M"]
    state: Int[np.ndarray, "N M"]
    busy: Bool[np.ndarray, "N M"]
    sums: Float[np.ndarray, "N M"]
    age: Int[np.ndarray, "N M"]

    def __init__(
        self, pairs: Int[np.ndarray, " p"], episodes: int, runs: int, n_actions: int
    ) -> None:
        self._pairs, self._total, self._n_actions = pairs, pairs.size * episodes, n_actions
        shape = (runs, count_parallel_episodes(self._total))
        # an idle place draws from the first pair, so that the numbers drawn do not depend on the
        # other runs
        self._idle_state = pairs[0] // n_actions
        self.pair, self.state = np.full(shape, pairs[0]), np.full(shape, self._idle_state)
        self.busy, self.sums = np.zeros(shape, dtype=np.bool_), np.zeros(shape)
        self.age, self._started = np.zeros(shape, dtype=np.int64), np.zeros((runs, 1), dtype=int)

    def start_episodes(self) -> Bool[np.ndarray, "N M"]:
        """Start the next episodes in idle places: (N, M) where."""
        episode = self._started + np.cumsum(~self.busy, axis=1) - 1
        starts = ~self.busy & (episode < self._total)
        self._started += starts.sum(axis=1, keepdims=True)
        self.pair = np.where(starts, self._pairs[episode % self._pairs.size], self.pair)
        self.state = np.where(starts, self.pair // self._n_actions, self.state)
        self.age[starts], self.sums[starts] = 0, 0.0
        self.busy |= starts
        return starts

    def move(
        self, next_state: Int[Array, "N M"], stops: Bool[Array, "N M"]
    ) -> Bool[np.ndarray, "N M"]:
        """Move to (N, M) next states, and stop some episodes: (N, M) where one was running."""
        done = self.busy & stops
        self.busy &= ~stops
        self.state = np.where(self.busy, next_state, self._idle_state)
        return done

    def require_termination(self) -> None:
        """Check that the episodes end."""
        longest = int(self.age.max(where=self.busy, initial=0))
        require_termination(longest, int(np.count_nonzero(self.busy)))
