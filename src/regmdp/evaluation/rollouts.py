r"""Evaluation by rollouts: episodes that begin where the source begins them, as REINFORCE uses them."""

from __future__ import annotations

import itertools
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from regmdp._internal.arrays import Array, Bool, Float, Int
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
from regmdp.samples import EpisodicProcess, Simulator, Step

__all__ = ["Rollouts"]

#: Steps of one run that are kept in memory at a time, where whole episodes have to be.
KEPT = 1 << 14
#: What a walker is about: nothing; on its way to the state that it samples; in that state; behind
#: it.
IDLE, SEARCHING, FOUND, TAIL = range(4)


class Sums(NamedTuple):
    """What the samples of all runs add up to, pair by pair.

    Attributes:
        weight: (N·S·A,) weights of the samples.
        paid: (N·S·A,) weighted returns Q̂.
        drawn: Transitions that were drawn, in all runs together.
    """

    weight: Float[np.ndarray, " NSA"]
    paid: Float[np.ndarray, " NSA"]
    drawn: int


class Prices(NamedTuple):
    """What the regularizer costs, and what the future is worth where an episode is cut off.

    Attributes:
        cost: (N·S,) τ h(π).
        slope: (N·S, A) τ h'(π), finite everywhere, 0 at unavailable pairs.
        value: (N·S,) value estimated before; 0 at first.
        known: (N·S,) whether it was estimated from samples.
    """

    cost: Float[np.ndarray, " NS"]
    slope: Float[np.ndarray, "NS A"]
    value: Float[np.ndarray, " NS"]
    known: Bool[np.ndarray, " NS"]

    def level(self, policy: Float[Array, "NS A"]) -> Float[np.ndarray, " NS"]:
        """Return the (N·S,) mean of Q - τ h'(π) under π, as the value estimated before has it."""
        return self.value + self.cost - np.sum(policy * self.slope, axis=1)


@dataclass(frozen=True)
class Rollouts(SampledEvaluation):
    r"""Estimate the gradient of the value from ρ, and the action values along the way, from episodes that follow the policy.

    Without a horizon each episode gives one sample. It stops at random, with probability 1 - γ in
    each state; the state s where it stops is distributed as the occupancy \(d_\rho^\pi\). From
    there an action a is taken, and the return Q̂ is that of an independent geometric horizon, as in
    :class:`MonteCarlo`. The mean over the episodes of

    .. math::
        \frac{1}{1-\gamma} \bigl( \hat Q - \tau h'_a(\pi(s)) - b(s) \bigr) \nabla_\theta \log \pi_\theta(a|s), \qquad
        \nabla_\theta \log \pi_\theta(a|s) = e_a - \pi(s)

    is an unbiased estimate of the gradient with respect to the logits θ. An episode that ends on
    the way there counts as 0.

    With a horizon H, or without discount, whole episodes are used: the mean of
    \(\sum_{t<H} \gamma^t (\hat Q_t - \tau h'_{a_t} - b(s_t)) \nabla \log \pi(a_t|s_t)\), where Q̂_t
    is the return from step t on, up to step H. The ℓ1 norm of its bias is at most
    \(\gamma^H (2H \max |V| + \max |A| / (1-\gamma))\), A being the advantage. An undiscounted
    episode without a horizon goes on until it ends.

    ``Estimate.q`` holds the averages of Q̂ for each pair, in whole episodes weighted with
    \(\gamma^t\). A pair that was not visited gets the action value whose advantage is 0, so that
    the improvement leaves it where it is relative to the baseline, or, without one, to the mean of
    the actions that were visited; a state that was not visited is left as it is. ``Estimate.value``
    is the value that follows, and the old one where no episode came.

    An episode that a time limit cuts off is taken to go on with the value of the iteration before,
    0 at first. An environment cannot be sent back to its beginning: what comes between a sample and
    the end of its episode is thrown away.

    An action whose probability is 0 is never tried: methods whose policies stay positive go with
    this, not greedy ones without a regularizer.

    ``Estimate.samples`` counts the transitions; where they differ from run to run it is their mean,
    rounded.

    Args:
        episodes: How many episodes, each begun in the initial distribution.
        horizon: H, the number of steps of an episode; None draws it at random.
        baseline: Whether to subtract b(s), the mean of Q - τ h' under π according to the value
            estimated in the iteration before. It does not depend on the new samples, so that the
            estimate stays unbiased, and has a smaller variance.

    Raises:
        SolverError: if an option is not a positive integer.
        SampleError: if an undiscounted episode without a horizon does not end.

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
        2000, NIPS, Theorem 1; Agarwal, Kakade, Lee & Mahajan 2021, JMLR 22(98), Algorithm 3: the
        two geometric horizons; Kakade 2001, NIPS, Theorem 1, and Peters & Schaal 2008,
        Neurocomputing 71: averages for each pair are the compatible approximation of the natural
        gradient, with a constant for each state. The term with h' is not in these: it is the
        gradient of h.
    """

    episodes: int
    horizon: int | None = None
    baseline: bool = True

    def __post_init__(self) -> None:
        require_count("the number of episodes", self.episodes)
        require_horizon(self.horizon)

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
        prices = _prices(batch, regularizer, policy, previous)
        whole = self.horizon is not None or batch.discount == 1.0
        sums = self._whole(batch, policy, prices) if whole else self._stopped(batch, policy, prices)
        weight, paid = sums.weight.reshape(policy.shape), sums.paid.reshape(policy.shape)
        level = prices.level(policy)
        known = prices.known if self.baseline else np.zeros_like(prices.known)
        b = np.where(known, level, 0.0)[:, None]
        push = (
            (paid - weight * (prices.slope + b))
            / self.episodes
            / (1.0 if whole else 1.0 - batch.discount)
        )
        gradient = push - policy * push.sum(axis=1, keepdims=True)

        visited = weight > 0
        q = np.where(visited, paid / np.where(visited, weight, 1.0), 0.0)
        share = np.where(visited, policy, 0.0)
        mass = share.sum(axis=1)
        mean = np.sum(share * (q - prices.slope), axis=1) / np.where(mass > 0, mass, 1.0)
        still = np.where(known | ~(mass > 0), level, mean)[:, None] + prices.slope
        q = np.where(visited, q, still)
        if not batch.all_available:
            q = np.where(batch.available, q, -np.inf)
        return Estimate(
            q,
            value_of(batch, regularizer, policy, q),
            (0 if previous is None else previous.samples) + round(sums.drawn / batch.count),
            gradient=gradient,
            memory=prices.known | visited.any(axis=1),
        )

    def _stopped(self, batch: RunBatch, policy: Float[Array, "NS A"], prices: Prices) -> Sums:
        """Draw one sample an episode, in states distributed as the occupancy."""
        walkers = _walkers(batch, count_parallel_episodes(self.episodes))
        choose, ours, discount, n_actions = (
            ActionSampler(policy),
            batch.streams.branch(),
            batch.discount,
            batch.n_actions,
        )
        shape = walkers.state.shape
        phase, begun = np.full(shape, IDLE), np.zeros((shape[0], 1), dtype=np.int64)
        pair, paid = np.zeros(shape, dtype=np.int64), np.zeros(shape)
        weight, total, drawn = np.zeros(policy.size), np.zeros(policy.size), 0
        fresh = np.ones(shape, dtype=np.bool_)
        while True:
            u, coin, first = np.moveaxis(ours.uniform(3, shape[1]), 1, 0)
            # the first episodes to begin are the ones that count: the first to end would be too
            # short ones
            begins = fresh & (begun + np.cumsum(fresh, axis=1) <= self.episodes)
            begun += begins.sum(axis=1, keepdims=True)
            state = walkers.state
            phase = np.where(begins, np.where(first < discount, SEARCHING, FOUND), phase)
            phase = np.where(fresh & batch.terminal[state], IDLE, phase)  # it ended as it began
            if not (phase > IDLE).any() and (begun == self.episodes).all():
                return Sums(weight, total, drawn)
            row = batch.rows(state)
            action = choose(row, u)
            step, acted = walkers.step(action, phase > IDLE)
            drawn += acted
            found = phase == FOUND
            pair = np.where(found, row * n_actions + action, pair)
            income = _income(batch, prices, step) - np.where(found, 0.0, prices.cost[row])
            paid = np.where(found, income, paid + income)
            over, stops = step.terminated | step.truncated, coin >= discount
            done = (phase >= FOUND) & (over | stops)
            np.add.at(weight, pair[done], 1.0)
            np.add.at(total, pair[done], paid[done])
            behind = np.where(phase == SEARCHING, np.where(stops, FOUND, SEARCHING), TAIL)
            phase = np.where(done | over | (phase == IDLE), IDLE, behind)
            fresh = walkers.renew(step, phase > IDLE)

    def _whole(self, batch: RunBatch, policy: Float[Array, "NS A"], prices: Prices) -> Sums:
        """Use every step of every episode, up to the horizon."""
        choose, discount, n_actions = ActionSampler(policy), batch.discount, batch.n_actions
        together = min(self.episodes, max(1, KEPT // (self.horizon or 128)))
        weight, total, drawn, finished = np.zeros(policy.size), np.zeros(policy.size), 0, 0
        while finished < self.episodes:
            walkers, ours = _walkers(batch, together), batch.streams.branch()
            width = walkers.state.shape[1]
            alive = (np.arange(width) < self.episodes - finished) & ~batch.terminal[walkers.state]
            log: list[tuple[Int[Array, "N M"], Float[Array, "N M"], Bool[Array, "N M"]]] = []
            for t in itertools.count():
                if not alive.any() or t == self.horizon:
                    break
                row = batch.rows(walkers.state)
                action = choose(row, ours.uniform(width))
                step, acted = walkers.step(action, alive)
                drawn += acted
                log.append((row * n_actions + action, _income(batch, prices, step), alive))
                alive = alive & ~(step.terminated | step.truncated)
                walkers.renew(step, alive)
                if self.horizon is None:
                    require_termination(t, int(np.count_nonzero(alive)))
            rest = np.zeros(walkers.state.shape)  # what the steps after this one are worth
            for t in reversed(range(len(log))):
                pair, income, alive = log[t]
                paid = income + discount * rest
                np.add.at(weight, pair[alive], discount**t)
                np.add.at(total, pair[alive], discount**t * paid[alive])
                rest = np.where(alive, paid - prices.cost[pair // n_actions], 0.0)
            finished += width
        return Sums(weight, total, drawn)


class _Walkers(ABC):
    """Walkers that follow policies, with what happens to those that have nothing to do.

    Attributes:
        state: (N, M) where they are.
    """

    state: Int[np.ndarray, "N M"]

    @abstractmethod
    def step(self, action: Int[Array, "N M"], busy: Bool[Array, "N M"]) -> tuple[Step, int]:
        """Take (N, M) actions: what comes of them, and how many transitions that took."""

    @abstractmethod
    def renew(self, step: Step, busy: Bool[Array, "N M"]) -> Bool[np.ndarray, "N M"]:
        """Move on after a step: which walkers stand at the beginning of an episode."""


class _Simulated(_Walkers):
    """Walkers of a simulator: whoever is idle begins anew at once."""

    def __init__(self, batch: RunBatch, count: int) -> None:
        self._simulator, self._begin, self._go = (
            batch.simulator,
            batch.streams.branch(),
            batch.streams.branch(),
        )
        self._home = int(np.argmin(self._simulator.terminal))
        self.state = self._simulator.draw_initial_states(self._begin, count)

    def step(self, action: Int[Array, "N M"], busy: Bool[Array, "N M"]) -> tuple[Step, int]:
        # the idle draw as well, somewhere, so that each run draws as many numbers whatever the
        # others do
        state, action = (
            np.where(busy, self.state, self._home),
            np.where(busy, action, self._idle_action),
        )
        next_state, reward, terminated = self._simulator.draw(state, action, self._go)
        self.state = next_state
        return Step(
            next_state, reward, terminated, np.zeros(terminated.shape, dtype=np.bool_)
        ), int(np.count_nonzero(busy))

    def renew(self, step: Step, busy: Bool[Array, "N M"]) -> Bool[np.ndarray, "N M"]:
        self.state = np.where(
            busy, step.next_state, self._simulator.draw_initial_states(self._begin, busy.shape[1])
        )
        return ~busy

    @property
    def _idle_action(self) -> int:
        return int(np.argmax(self._simulator.available[self._home]))


class _Walking(_Walkers):
    """Walkers of an environment, which begin anew only when it says so."""

    def __init__(self, batch: RunBatch, count: int) -> None:
        assert isinstance(batch.source, EpisodicProcess)
        self._rollout = batch.source.start_rollout(
            batch.source.n_envs or count, batch.streams.branch()
        )
        self.state = self._rollout.state

    def step(self, action: Int[Array, "N M"], busy: Bool[Array, "N M"]) -> tuple[Step, int]:
        resetting = self._rollout.resetting
        acted = action.size - (0 if resetting is None else int(np.count_nonzero(resetting)))
        return self._rollout.step(action), acted

    def renew(self, step: Step, busy: Bool[Array, "N M"]) -> Bool[np.ndarray, "N M"]:
        self.state, resetting = self._rollout.state, self._rollout.resetting
        over = step.terminated | step.truncated
        return np.asarray(over if resetting is None else over & ~resetting)


def _walkers(batch: RunBatch, count: int) -> _Walkers:
    """Begin M episodes in each run; an environment may insist on an M of its own."""
    return (
        _Walking(batch, count)
        if isinstance(batch.source, EpisodicProcess)
        else _Simulated(batch, count)
    )


def _income(batch: RunBatch, prices: Prices, step: Step) -> Float[np.ndarray, "N M"]:
    """Return the (N, M) rewards, with what would have come after where an episode was cut off."""
    if not step.truncated.any():
        return step.reward
    rest = prices.value[batch.rows(np.where(step.truncated, step.next_state, 0))]
    return step.reward + np.where(step.truncated, batch.discount * rest, 0.0)


def _prices(
    batch: RunBatch,
    regularizer: Regularizer,
    policy: Float[Array, "NS A"],
    previous: Estimate | None,
) -> Prices:
    """Return what the evaluation needs to know besides the samples."""
    available = None if batch.all_available else batch.available
    cost = regularizer.cost(policy, available)
    require_finite_cost(cost)
    tau = np.broadcast_to(
        np.asarray(regularizer.temperature, dtype=np.float64)[..., None], policy.shape
    )
    slope = regularizer.subgradient(policy, available)
    # a steep h has no slope where the policy is 0: such a pair is never visited, and it stands
    # behind those that are
    finite = np.isfinite(slope) & batch.available
    least = np.min(np.where(finite, slope, np.inf), axis=1, keepdims=True)
    slope = np.where(finite, slope, np.where(batch.available & np.isfinite(least), least, 0.0))
    n_states = policy.shape[0]
    if previous is None:
        return Prices(cost, tau * slope, np.zeros(n_states), np.zeros(n_states, dtype=np.bool_))
    return Prices(cost, tau * slope, previous.value, previous.memory)
