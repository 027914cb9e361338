r"""Evaluation by rollouts from the initial distribution, as REINFORCE uses them."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from regmdp._internal.arrays import Array, Bool, Float, Int
from regmdp._internal.errors import SampleError
from regmdp._internal.parameters import Flag, Integer, checked
from regmdp.evaluation.action_sampler import ActionSampler
from regmdp.evaluation.episode_batches import start_episodes
from regmdp.evaluation.parallel_episodes import (
    HORIZON,
    count_parallel_episodes,
    require_stored_steps,
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
from regmdp.samples import EpisodicProcess, Simulator, Step

__all__ = ["Rollouts"]

#: Number of steps of one run that are stored at a time, where whole episodes are needed, and the
#: length that is assumed for episodes without a horizon.
MAX_STORED_STEPS, ASSUMED_LENGTH = 1 << 14, 128
#: Phases of a place: no episode; before the sampled state; in it; after it.
IDLE, BEFORE, AT, AFTER = range(4)


class _SampleSums(NamedTuple):
    """Sums of the samples of all runs, by pair.

    Attributes:
        weight: (N·S·A,) sums of weights.
        returns: (N·S·A,) sums of weighted returns Q̂.
        drawn: Number of transitions drawn in all runs.
    """

    weight: Float[np.ndarray, " NSA"]
    returns: Float[np.ndarray, " NSA"]
    drawn: int


class _Costs(NamedTuple):
    """Costs of the regularizer, and previous values of states.

    Attributes:
        cost: (N·S,) τ h(π).
        slope: (N·S, A) τ h'(π), finite everywhere, 0 at unavailable pairs.
        value: (N·S,) the previous estimate of the value; 0 at first.
        known: (N·S,) whether it was estimated from samples.
    """

    cost: Float[np.ndarray, " NS"]
    slope: Float[np.ndarray, "NS A"]
    value: Float[np.ndarray, " NS"]
    known: Bool[np.ndarray, " NS"]

    def compute_baseline(self, policy: Float[Array, "NS A"]) -> Float[np.ndarray, " NS"]:
        """Return (N·S,) means of Q - τ h'(π) under π, from the previous values."""
        return self.value + self.cost - np.sum(policy * self.slope, axis=1)

    def add_remainder(self, batch: RunBatch, step: Step) -> Float[np.ndarray, "N M"]:
        """Return the (N, M) rewards, with the discounted value of the next state at truncations."""
        if not step.truncated.any():
            return step.reward
        rest = self.value[batch.rows(np.where(step.truncated, step.next_state, 0))]
        return step.reward + np.where(step.truncated, batch.discount * rest, 0.0)


@checked(episodes=Integer(), horizon=HORIZON, baseline=Flag())
@dataclass(frozen=True)
class Rollouts(SampledEvaluation):
    r"""Estimate the gradient of the value from ρ, and action values, from episodes of the policy.

    Without a horizon each episode gives one sample. It stops at random, with probability 1 - γ in
    each state; the state s where it stops is distributed as the occupancy \(d_\rho^\pi\). There an
    action a is taken, and the return Q̂ is that of an independent geometric horizon, as in
    :class:`MonteCarlo`. The mean over the episodes of

    .. math::
        \frac{1}{1-\gamma} \bigl( \hat Q - \tau h'_a(\pi(s)) - b(s) \bigr)
        \nabla_\theta \log \pi_\theta(a|s), \qquad
        \nabla_\theta \log \pi_\theta(a|s) = e_a - \pi(s)

    is an unbiased estimate of the gradient with respect to the logits θ. An episode that ends
    before the sampled state counts as 0.

    With a horizon H, or without discount, whole episodes are used: the mean of
    \(\sum_{t<H} \gamma^t (\hat Q_t - \tau h'_{a_t} - b(s_t)) \nabla \log \pi(a_t|s_t)\), where Q̂_t
    is the return from step t to step H. The ℓ1 norm of its bias is at most
    \(\gamma^H (2H \max |V| + \max |A| / (1-\gamma))\), A being the advantage. An undiscounted
    episode without a horizon continues until it ends.

    ``Estimate.q`` holds the averages of Q̂ for each pair, in whole episodes weighted with
    \(\gamma^t\). A pair that was not visited gets the action value with advantage 0 relative to the
    baseline, or, without one, to the mean of the visited actions, so that the improvement does not
    move it; a state that was not visited does not change. ``Estimate.value`` is the value that
    follows, and the previous one in states that were not visited.

    After a truncation by a time limit the value of the previous iteration is used, 0 at first. An
    environment cannot be reset at will: the steps between a sample and the end of its episode are
    not used.

    An action whose probability is 0 is never tried: use methods with positive policies, not greedy
    ones without a regularizer.

    ``Estimate.samples`` counts the transitions: their mean over the runs, rounded.

    Args:
        episodes: Number of episodes, each started from the initial distribution.
        horizon: H, the number of steps of an episode; None draws it at random.
        baseline: Whether to subtract b(s), the mean of Q - τ h' under π according to the previous
            value. It does not depend on the new samples, so the estimate stays unbiased, with a
            smaller variance.

    Raises:
        SolverError: if an option is not a positive integer.
        SampleError: if an undiscounted episode without a horizon does not end.
        InsufficientMemoryError: if the steps of a long horizon do not fit into memory.

    Examples:
        >>> import numpy as np, regmdp as rm
        >>> algorithm = rm.algorithms.SoftmaxPG(
        ...     step_size=0.5, evaluation=rm.evaluation.Rollouts(200)
        ... )
        >>> learned = rm.learn(
        ...     rm.models.bandit(),
        ...     rm.Shannon(0.1),
        ...     algorithm,
        ...     max_iterations=50,
        ...     rng=np.random.default_rng(0),
        ... )
        >>> rm.certify(rm.models.bandit(), rm.Shannon(0.1), policy=learned.policy[0]).gap < 0.1
        True

    References:
        Williams 1992, Machine Learning 8, "Simple statistical gradient-following algorithms for
        connectionist reinforcement learning", equation 11; Sutton, McAllester, Singh & Mansour
        2000, NIPS, Theorem 1; Agarwal, Kakade, Lee & Mahajan 2021, JMLR 22(98): the two geometric
        horizons; Kakade 2001, NIPS, Theorem 1, and Peters & Schaal 2008,
        Neurocomputing 71: averages for each pair are the compatible approximation of the natural
        gradient, with a constant for each state. The term with h' is not in these: it is the
        gradient of h.
    """

    episodes: int
    horizon: int | None = None
    baseline: bool = True

    def check(self, source: DecisionProcess, regularizer: Regularizer) -> None:
        if not isinstance(source, MDP | Simulator | EpisodicProcess):
            raise SampleError(
                "Rollouts follow a policy in an MDP, a simulator or an environment, not in "
                f"{type(source).__name__}"
            )

    def __call__(
        self,
        batch: RunBatch,
        regularizer: Regularizer,
        policy: Float[Array, "NS A"],
        previous: Estimate | None,
    ) -> Estimate:
        costs = _compute_costs(batch, regularizer, policy, previous)
        whole = self.horizon is not None or batch.discount == 1.0
        sums = (
            self._run_whole_episodes(batch, policy, costs)
            if whole
            else self._run_stopped_episodes(batch, policy, costs)
        )
        weight, returns = sums.weight.reshape(policy.shape), sums.returns.reshape(policy.shape)
        score = costs.compute_baseline(policy)
        known = costs.known if self.baseline else np.zeros_like(costs.known)
        b = np.where(known, score, 0.0)[:, None]
        push = (
            (returns - weight * (costs.slope + b))
            / self.episodes
            / (1.0 if whole else 1.0 - batch.discount)
        )
        gradient = push - policy * push.sum(axis=1, keepdims=True)

        visited = weight > 0
        q = np.where(visited, returns / np.where(visited, weight, 1.0), 0.0)
        share = np.where(visited, policy, 0.0)
        mass = share.sum(axis=1)
        mean = np.sum(share * (q - costs.slope), axis=1) / np.where(mass > 0, mass, 1.0)
        unvisited = np.where(known | ~(mass > 0), score, mean)[:, None] + costs.slope
        q = np.where(visited, q, unvisited)
        if not batch.all_available:
            q = np.where(batch.available, q, -np.inf)
        return Estimate(
            q,
            evaluate_q(batch, regularizer, policy, q),
            (0 if previous is None else previous.samples) + round(sums.drawn / batch.count),
            gradient=gradient,
            memory=costs.known | visited.any(axis=1),
        )

    def _run_stopped_episodes(
        self, batch: RunBatch, policy: Float[Array, "NS A"], costs: _Costs
    ) -> _SampleSums:
        """Draw one sample from each episode, in states distributed as the occupancy."""
        episodes = start_episodes(batch, count_parallel_episodes(self.episodes))
        sampler, streams = ActionSampler(policy), batch.streams.branch()
        discount, n_actions = batch.discount, batch.n_actions
        shape = episodes.state.shape
        phase, started = np.full(shape, IDLE), np.zeros((shape[0], 1), dtype=np.int64)
        pair, returns = np.zeros(shape, dtype=np.int64), np.zeros(shape)
        weight, total, drawn = np.zeros(policy.size), np.zeros(policy.size), 0
        fresh = np.ones(shape, dtype=np.bool_)
        while True:
            u, coin, first = np.moveaxis(streams.uniform(3, shape[1]), 1, 0)
            # the first episodes to start count; the first to end would be too short
            starts = fresh & (started + np.cumsum(fresh, axis=1) <= self.episodes)
            started += starts.sum(axis=1, keepdims=True)
            state = episodes.state
            phase = np.where(starts, np.where(first < discount, BEFORE, AT), phase)
            phase = np.where(fresh & batch.terminal[state], IDLE, phase)  # it has no step
            if not (phase > IDLE).any() and (started == self.episodes).all():
                return _SampleSums(weight, total, drawn)
            row = batch.rows(state)
            action = sampler(row, u)
            step, transitions = episodes.step(action, phase > IDLE)
            drawn += transitions
            at_sample = phase == AT
            pair = np.where(at_sample, row * n_actions + action, pair)
            reward = costs.add_remainder(batch, step)
            income = reward - np.where(at_sample, 0.0, costs.cost[row])
            returns = np.where(at_sample, income, returns + income)
            over, stops = step.terminated | step.truncated, coin >= discount
            done = (phase >= AT) & (over | stops)
            np.add.at(weight, pair[done], 1.0)
            np.add.at(total, pair[done], returns[done])
            following = np.where(phase == BEFORE, np.where(stops, AT, BEFORE), AFTER)
            phase = np.where(done | over | (phase == IDLE), IDLE, following)
            fresh = episodes.renew(step, phase > IDLE)

    def _run_whole_episodes(
        self, batch: RunBatch, policy: Float[Array, "NS A"], costs: _Costs
    ) -> _SampleSums:
        """Use every step of every episode, up to the horizon."""
        sampler, discount, n_actions = ActionSampler(policy), batch.discount, batch.n_actions
        parallel = max(1, MAX_STORED_STEPS // (self.horizon or ASSUMED_LENGTH))
        parallel = min(self.episodes, parallel)
        weight, total, drawn, finished = np.zeros(policy.size), np.zeros(policy.size), 0, 0
        while finished < self.episodes:
            episodes, streams = start_episodes(batch, parallel), batch.streams.branch()
            width = episodes.state.shape[1]
            alive = np.arange(width) < self.episodes - finished
            alive = alive & ~batch.terminal[episodes.state]
            steps: list[tuple[Int[Array, "N M"], Float[Array, "N M"], Bool[Array, "N M"]]] = []
            for t in itertools.count():
                if not alive.any() or t == self.horizon:
                    break
                require_stored_steps(t, alive.size, self.horizon)
                row = batch.rows(episodes.state)
                action = sampler(row, streams.uniform(width))
                step, transitions = episodes.step(action, alive)
                drawn += transitions
                steps.append((row * n_actions + action, costs.add_remainder(batch, step), alive))
                alive = alive & ~(step.terminated | step.truncated)
                episodes.renew(step, alive)
                if self.horizon is None:
                    require_termination(t, int(np.count_nonzero(alive)))
            rest = np.zeros(episodes.state.shape)  # returns from the next step on
            for t in reversed(range(len(steps))):
                pair, income, alive = steps[t]
                returns = income + discount * rest
                np.add.at(weight, pair[alive], discount**t)
                np.add.at(total, pair[alive], discount**t * returns[alive])
                rest = np.where(alive, returns - costs.cost[pair // n_actions], 0.0)
            finished += width
        return _SampleSums(weight, total, drawn)


def _compute_costs(
    batch: RunBatch,
    regularizer: Regularizer,
    policy: Float[Array, "NS A"],
    previous: Estimate | None,
) -> _Costs:
    """Return the costs of the policy, and the previous values."""
    available = None if batch.all_available else batch.available
    cost = regularizer.cost(policy, available)
    require_finite_cost(cost)
    tau = np.broadcast_to(
        np.asarray(regularizer.temperature, dtype=np.float64)[..., None], policy.shape
    )
    slope = regularizer.subgradient(policy, available)
    # a steep h has no slope where the policy is 0: such a pair is never visited, and gets the least
    # slope of its state
    finite = np.isfinite(slope) & batch.available
    least = np.min(np.where(finite, slope, np.inf), axis=1, keepdims=True)
    slope = np.where(finite, slope, np.where(batch.available & np.isfinite(least), least, 0.0))
    n_states = policy.shape[0]
    if previous is None:
        return _Costs(cost, tau * slope, np.zeros(n_states), np.zeros(n_states, dtype=np.bool_))
    return _Costs(cost, tau * slope, previous.value, previous.memory)
