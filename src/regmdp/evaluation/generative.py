r"""Evaluation by an empirical model: draw every pair a number of times, and evaluate the policy in the model that this gives."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import scipy

from regmdp._internal.arrays import Array, Float, Int
from regmdp._internal.errors import SampleError, SingularError, SolverError
from regmdp.evaluation.sample_schedules import GeometricSamples, samples_at
from regmdp.evaluation.sampled import Estimate, RunBatch, SampledEvaluation, require_count, value_of
from regmdp.mdp import MDP, DecisionProcess
from regmdp.regularizers import Regularizer
from regmdp.samples import RandomStreams, Simulator, TableSimulator

__all__ = ["GenerativeModel"]

#: Doubles in the arrays of a group of runs that are evaluated together: 32 MiB.
TOGETHER = 1 << 22
#: Steps that an episode may take on average before it counts as endless.
LONGEST = 1e12
#: States up to which the runs are evaluated together, by dense factorizations.
DENSE = 256


@dataclass(frozen=True, eq=False)
class Empirical:
    """Empirical models of N runs, each pair of which was drawn n times; rows of unavailable pairs are empty.

    Attributes:
        rewards: (N, S·A) mean rewards.
        dense: (N, S·A, S) frequencies of the next states, or None.
        sparse: N arrays of shape (S·A, S), in place of them.
        samples: Transitions that were drawn for it, in each run.
    """

    rewards: Float[np.ndarray, "N SA"]
    dense: Float[np.ndarray, "N SA S"] | None
    sparse: tuple[scipy.sparse.csr_array, ...]
    samples: int


@dataclass(frozen=True)
class GenerativeModel(SampledEvaluation):
    r"""Draw every available pair n times, and evaluate the policy in the empirical model this gives.

    Its values there are \((I - \gamma \hat P_\pi)^{-1} \hat r_\pi\).

    The estimate comes with a bound on its error that holds in each iteration with probability at
    least ``confidence``, if the range of the rewards is known. Drawn afresh, the samples are
    independent of the policy, and Hoeffding's inequality for its value, with a union over the
    pairs, bounds ‖Q̂ - Q‖ by \((\gamma W \epsilon + R \epsilon) / (1-\gamma)\), where W is the
    largest difference that values can have, R that of the rewards, and
    \(\epsilon = \sqrt{\log(4SA/\beta)/(2n)}\). Reused samples are not independent of the policy;
    there W is multiplied by the width of a confidence set for the whole row.

    Args:
        samples: n, how often each pair is drawn: a number, or :class:`GeometricSamples`, for more and more
            from iteration to iteration.
        reuse: Whether the model that was drawn in the first iteration serves in all.
        confidence: 1 - β of the bound.

    Examples:
        >>> import numpy as np, regmdp as rm
        >>> algorithm = rm.algorithms.SoftPolicyIteration(
        ...     evaluation=rm.evaluation.GenerativeModel(1000)
        ... )
        >>> mdp, rng = rm.models.chain(5), np.random.default_rng(0)
        >>> result = rm.learn(mdp, rm.Shannon(0.1), algorithm, max_iterations=10, rng=rng)
        >>> rm.certify(mdp, rm.Shannon(0.1), policy=result.policy[0]).gap < 0.1
        True

    References:
        Agarwal, Kakade & Yang 2020, COLT, "Model-based reinforcement learning with a generative
        model is minimax optimal"; Li, Wei, Chi & Chen 2024, Operations Research 72(1), "Breaking
        the sample size barrier in model-based reinforcement learning with a generative model";
        Weissman et al. 2003, HPL-2003-97, "Inequalities for the L1 deviation of the empirical
        distribution".
    """

    samples: int | GeometricSamples
    reuse: bool = False
    confidence: float = 0.95

    def __post_init__(self) -> None:
        if not isinstance(self.samples, GeometricSamples):
            require_count("the number of samples of a pair", self.samples)
        elif self.reuse:
            raise SolverError(
                "samples that are reused are drawn once, in the first iteration: give their "
                "number, not GeometricSamples"
            )
        if not 0.0 < self.confidence < 1.0:
            raise SolverError(f"the confidence must be between 0 and 1, not {self.confidence}")

    def check(self, source: DecisionProcess, regularizer: Regularizer) -> None:
        if not isinstance(source, MDP | Simulator):
            raise SampleError(
                f"a generative model is an MDP or a simulator, not {type(source).__name__}"
            )
        if isinstance(self.samples, GeometricSamples):
            self.samples.check(source)

    def __call__(
        self,
        batch: RunBatch,
        regularizer: Regularizer,
        policy: Float[Array, "NS A"],
        previous: Estimate | None,
    ) -> Estimate:
        memory = None if previous is None else previous.memory
        iteration, kept = (0, None) if memory is None else memory
        number = samples_at(self.samples, iteration, batch.discount)
        model = empirical(batch.simulator, batch.streams, number) if kept is None else kept
        q = model_q(model, batch, regularizer, policy)
        drawn = (0 if previous is None else previous.samples) + (
            model.samples if kept is None else 0
        )
        error = self._error(batch, regularizer, number)
        memory = (iteration + 1, model if self.reuse else None)
        return Estimate(
            q, value_of(batch, regularizer, policy, q), drawn, error=error, memory=memory
        )

    def _error(
        self, batch: RunBatch, regularizer: Regularizer, samples: int
    ) -> Float[np.ndarray, " N"] | None:
        """Return the (N,) bound on ‖Q̂ - Q‖ that holds with the confidence in one iteration, in each run."""
        simulator, discount = batch.simulator, batch.discount
        ends_of = (
            np.broadcast_to(end, simulator.available.shape)
            for end in (simulator.lowest_reward, simulator.highest_reward)
        )
        lowest, highest = (end[simulator.available] for end in ends_of)
        low, high = float(lowest.min()), float(highest.max())
        least, most = regularizer.bounds(batch.n_actions)
        tau = regularizer.max_temperature
        cost = tau * (most - least) if tau else 0.0
        if discount >= 1.0 or not math.isfinite(high - low) or not math.isfinite(cost):
            return None
        ends = (
            bool(batch.terminal.any())
            or not isinstance(simulator, TableSimulator)
            or simulator.mdp.terminates
        )
        top, bottom = high - min(tau * least, 0.0), low - max(tau * most, 0.0)
        width = ((max(top, 0.0) - min(bottom, 0.0)) if ends else (high - low + cost)) / (
            1.0 - discount
        )
        noise = float(np.max(highest - lowest))
        pairs = int(np.count_nonzero(simulator.available))
        beta = 1.0 - self.confidence
        epsilon = math.sqrt(math.log(4.0 * pairs / beta) / (2.0 * samples))
        if self.reuse:
            # ½‖P̂ - P‖₁ ≤ √(((k+1) log 2 + log(2SA/β)) / (2n)) for k successors and the end
            branching = (
                simulator.mdp.transitions.branching
                if isinstance(simulator, TableSimulator)
                else batch.size
            )
            spread = min(
                1.0,
                math.sqrt(
                    ((branching + 1) * math.log(2.0) + math.log(2.0 * pairs / beta))
                    / (2.0 * samples)
                ),
            )
        else:
            spread = epsilon
        return np.full(
            batch.count, (discount * width * spread + noise * epsilon) / (1.0 - discount)
        )


def empirical(simulator: Simulator, streams: RandomStreams, samples: int) -> Empirical:
    """Draw every available pair n times in each run."""
    n_states, size, runs = simulator.n_states, simulator.available.size, len(streams)
    pairs = np.flatnonzero(simulator.available.ravel())
    if isinstance(simulator, TableSimulator):
        transition, frequency = simulator.sampler.draw_frequencies(pairs, samples, streams)
        # the rewards of a table are the same every time
        rewards = np.broadcast_to(
            np.where(simulator.available, simulator.mdp.rewards, 0.0).ravel(), (runs, size)
        )
    else:
        rewards, transition, frequency = _asked(simulator, pairs, streams, samples)
    drawn = pairs.size * samples
    if n_states <= DENSE and size * n_states <= TOGETHER:
        dense = np.zeros((runs, size * n_states))
        dense[:, transition] = frequency
        return Empirical(rewards, dense.reshape(runs, size, n_states), (), drawn)
    places = np.divmod(transition, n_states)
    rows = (
        scipy.sparse.csr_array(
            (row[row > 0], tuple(place[row > 0] for place in places)), shape=(size, n_states)
        )
        for row in frequency
    )
    return Empirical(rewards, None, tuple(rows), drawn)


def _asked(
    simulator: Simulator, pairs: Int[Array, " p"], streams: RandomStreams, samples: int
) -> tuple[Float[np.ndarray, "N SA"], Int[np.ndarray, " k"], Float[np.ndarray, "N k"]]:
    """Draw from any simulator: the mean rewards, and what :meth:`TransitionSampler.draw_frequencies` returns."""
    n_states, runs = simulator.n_states, len(streams)
    rewards, codes = np.zeros((runs, simulator.available.size)), [[] for _ in range(runs)]
    step = max(1, TOGETHER // (pairs.size * runs))
    for first in range(0, samples, step):
        number = min(step, samples - first)
        pair = np.broadcast_to(np.tile(pairs, number), (runs, pairs.size * number))
        outcome = simulator.draw(*np.divmod(pair, simulator.n_actions), streams)
        rewards[:, pairs] += outcome.reward.reshape(runs, number, pairs.size).sum(axis=1)
        for run in range(runs):
            went = ~outcome.terminated[run]
            codes[run].append(
                np.unique(
                    pair[run][went] * n_states + outcome.next_state[run][went], return_counts=True
                )
            )
    transition = np.unique(np.concatenate([part[0] for parts in codes for part in parts]))
    frequency = np.zeros((runs, transition.size))
    for run, parts in enumerate(codes):
        for code, count in parts:
            frequency[run, np.searchsorted(transition, code)] += count
    return rewards / samples, transition, frequency / samples


def model_q(
    model: Empirical, batch: RunBatch, regularizer: Regularizer, policy: Float[Array, "NS A"]
) -> Float[np.ndarray, "NS A"]:
    """(N·S, A) policies -> (N·S, A) their action values in the empirical models of the runs; -inf at unavailable pairs."""
    available = None if batch.all_available else batch.available
    cost = batch.split(regularizer.cost(policy, available))
    weights = batch.split(policy)
    rewards = model.rewards.reshape(weights.shape)
    expected = np.sum(weights * rewards, axis=-1) - cost
    q = np.empty(weights.shape)
    for runs, value in _values(model, weights, expected, batch.discount):
        q[runs] = rewards[runs] + batch.discount * _expectation(model, runs, value).reshape(
            weights[runs].shape
        )
    flat = q.reshape(policy.shape)
    if available is not None:
        flat[~available] = -np.inf
    return flat


def _values(
    model: Empirical,
    policy: Float[np.ndarray, "N S A"],
    rewards: Float[np.ndarray, "N S"],
    discount: float,
) -> Iterator[tuple[slice, Float[np.ndarray, "n S"]]]:
    """Yield the values of the policies in the models of some of the runs, until all are done."""
    runs, n_states, n_actions = policy.shape
    step = 1 if model.dense is None else max(1, TOGETHER // (n_states * n_states * n_actions))
    for first in range(0, runs, step):
        some = slice(first, min(first + step, runs))
        try:
            if model.dense is not None:
                rows = model.dense[some].reshape(-1, n_states, n_actions, n_states)
                chain = np.matmul(policy[some][:, :, None, :], rows)[:, :, 0, :]
                right = np.stack((rewards[some], np.ones((len(chain), n_states))), axis=-1)
                value, steps = np.moveaxis(
                    np.linalg.solve(np.eye(n_states) - discount * chain, right), -1, 0
                )
            else:
                places = np.arange(n_states).repeat(n_actions), np.arange(n_states * n_actions)
                weights = scipy.sparse.csr_array(
                    (policy[first].ravel(), places), shape=(n_states, n_states * n_actions)
                )
                system = scipy.sparse.eye_array(n_states) - discount * (
                    weights @ model.sparse[first]
                )
                right = np.stack((rewards[first], np.ones(n_states)), axis=-1)
                from scipy.sparse.linalg import splu  # slow to import

                value, steps = splu(scipy.sparse.csc_array(system)).solve(right).T[:, None]
        except (np.linalg.LinAlgError, RuntimeError):
            raise _endless(first) from None
        # where the matrix is singular but for rounding, the number of steps to the end is of any
        # size and sign
        if not (np.all(steps >= 0.5) and np.all(steps <= LONGEST)):
            raise _endless(first)
        yield some, value


def _endless(run: int) -> SingularError:
    return SingularError(
        f"in the empirical model of run {run} the policy goes on for ever without discount; draw "
        "more samples of each pair, or use a discount below 1"
    )


def _expectation(
    model: Empirical, runs: slice, value: Float[np.ndarray, "n S"]
) -> Float[np.ndarray, "n SA"]:
    """(n, S) values of some of the runs -> (n, S·A) their expectations after each pair."""
    if model.dense is not None:
        return np.matmul(model.dense[runs], value[..., None])[..., 0]
    return (model.sparse[runs.start] @ value[0])[None]
