"""Empirical models: mean rewards and frequencies of next states, and the action values in them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import scipy

from regmdp._internal.arrays import Array, Float, Int
from regmdp._internal.errors import SingularError
from regmdp.evaluation.sampled import RunBatch
from regmdp.regularizers import Regularizer
from regmdp.samples import RandomStreams, Simulator, TableSimulator

__all__ = [
    "MAX_DENSE_STATES",
    "EmpiricalModels",
    "compute_q",
    "draw_empirical_models",
    "expect_next_values",
]

#: Doubles in the arrays of a group of runs that are evaluated together: 32 MiB.
GROUP_SIZE = 1 << 22
#: Mean number of steps of an episode above which it counts as endless.
MAX_MEAN_STEPS = 1e12
#: Number of states up to which runs are evaluated together, by dense factorizations.
MAX_DENSE_STATES = 256


@dataclass(frozen=True, eq=False)
class EmpiricalModels:
    """Empirical models of N runs; rows of unavailable pairs are empty.

    Attributes:
        rewards: (N, S·A) mean rewards.
        dense: (N, S·A, S) frequencies of the next states, or None.
        sparse: N arrays of shape (S·A, S), if ``dense`` is None.
        samples: Number of transitions drawn for it in each run.
    """

    rewards: Float[np.ndarray, "N SA"]
    dense: Float[np.ndarray, "N SA S"] | None
    sparse: tuple[scipy.sparse.csr_array, ...]
    samples: int


def draw_empirical_models(
    simulator: Simulator, streams: RandomStreams, samples: int
) -> EmpiricalModels:
    """Draw every available pair n times in each run."""
    n_states, size, runs = simulator.n_states, simulator.available.size, len(streams)
    pairs = np.flatnonzero(simulator.available.ravel())
    if isinstance(simulator, TableSimulator):
        transition, frequency = simulator.sampler.draw_frequencies(pairs, samples, streams)
        # the rewards of a model are the same every time
        rewards = np.broadcast_to(
            np.where(simulator.available, simulator.mdp.rewards, 0.0).ravel(), (runs, size)
        )
    else:
        rewards, transition, frequency = _sample_simulator(simulator, pairs, streams, samples)
    drawn = pairs.size * samples
    if n_states <= MAX_DENSE_STATES and size * n_states <= GROUP_SIZE:
        dense = np.zeros((runs, size * n_states))
        dense[:, transition] = frequency
        return EmpiricalModels(rewards, dense.reshape(runs, size, n_states), (), drawn)
    places = np.divmod(transition, n_states)
    rows = (
        scipy.sparse.csr_array(
            (row[row > 0], tuple(place[row > 0] for place in places)), shape=(size, n_states)
        )
        for row in frequency
    )
    return EmpiricalModels(rewards, None, tuple(rows), drawn)


def _sample_simulator(
    simulator: Simulator, pairs: Int[Array, " p"], streams: RandomStreams, samples: int
) -> tuple[Float[np.ndarray, "N SA"], Int[np.ndarray, " k"], Float[np.ndarray, "N k"]]:
    """Return mean rewards, and transitions and frequencies as the sampler of a model does."""
    n_states, runs = simulator.n_states, len(streams)
    rewards, codes = np.zeros((runs, simulator.available.size)), [[] for _ in range(runs)]
    step = max(1, GROUP_SIZE // (pairs.size * runs))
    for first in range(0, samples, step):
        number = min(step, samples - first)
        pair = np.broadcast_to(np.tile(pairs, number), (runs, pairs.size * number))
        outcome = simulator.draw(*np.divmod(pair, simulator.n_actions), streams)
        rewards[:, pairs] += outcome.reward.reshape(runs, number, pairs.size).sum(axis=1)
        for run in range(runs):
            continued = ~outcome.terminated[run]
            codes[run].append(
                np.unique(
                    pair[run][continued] * n_states + outcome.next_state[run][continued],
                    return_counts=True,
                )
            )
    transition = np.unique(np.concatenate([part[0] for parts in codes for part in parts]))
    frequency = np.zeros((runs, transition.size))
    for run, parts in enumerate(codes):
        for code, count in parts:
            frequency[run, np.searchsorted(transition, code)] += count
    return rewards / samples, transition, frequency / samples


def expect_next_values(
    model: EmpiricalModels, batch: RunBatch, value: Float[Array, " NS"]
) -> Float[np.ndarray, "NS A"]:
    r"""(N·S,) values -> (N·S, A) \(\gamma \hat P V\) in the empirical models; 0 if unavailable."""
    values = batch.split(np.asarray(value))
    if model.dense is not None:
        expected = _expect_next_value(model, slice(None), values)
    else:
        expected = np.stack([rows @ one for rows, one in zip(model.sparse, values, strict=True)])
    return batch.discount * expected.reshape(batch.count * batch.size, batch.n_actions)


def compute_q(
    model: EmpiricalModels, batch: RunBatch, regularizer: Regularizer, policy: Float[Array, "NS A"]
) -> Float[np.ndarray, "NS A"]:
    """(N·S, A) policies -> (N·S, A) action values in the empirical models; -∞ if unavailable."""
    available = None if batch.all_available else batch.available
    cost = batch.split(regularizer.cost(policy, available))
    weights = batch.split(policy)
    rewards = model.rewards.reshape(weights.shape)
    expected = np.sum(weights * rewards, axis=-1) - cost
    q = np.empty(weights.shape)
    for runs, value in _solve_groups(model, weights, expected, batch.discount):
        q[runs] = rewards[runs] + batch.discount * _expect_next_value(model, runs, value).reshape(
            weights[runs].shape
        )
    flat = q.reshape(policy.shape)
    if available is not None:
        flat[~available] = -np.inf
    return flat


def _solve_groups(
    model: EmpiricalModels,
    policy: Float[np.ndarray, "N S A"],
    rewards: Float[np.ndarray, "N S"],
    discount: float,
) -> Iterator[tuple[slice, Float[np.ndarray, "n S"]]]:
    """Yield slices of runs and the values of their policies, until all are done."""
    runs, n_states, n_actions = policy.shape
    step = 1 if model.dense is None else max(1, GROUP_SIZE // (n_states * n_states * n_actions))
    for first in range(0, runs, step):
        group = slice(first, min(first + step, runs))
        right = np.stack((rewards[group], np.ones(rewards[group].shape)), axis=-1)
        try:
            if model.dense is not None:
                value, steps = _solve_dense(model.dense[group], policy[group], right, discount)
            else:
                value, steps = _solve_sparse(model.sparse[first], policy[first], right[0], discount)
        except (np.linalg.LinAlgError, RuntimeError):
            raise _endless_error(first) from None
        # if the matrix is singular up to rounding, the computed number of steps to the end may have
        # any size and sign
        if not (np.all(steps >= 0.5) and np.all(steps <= MAX_MEAN_STEPS)):
            raise _endless_error(first)
        yield group, value


def _solve_dense(
    frequencies: Float[np.ndarray, "n SA S"],
    policy: Float[np.ndarray, "n S A"],
    right: Float[np.ndarray, "n S two"],
    discount: float,
) -> tuple[Float[np.ndarray, "n S"], Float[np.ndarray, "n S"]]:
    """Solve for the values and the discounted numbers of steps of some runs."""
    n_states, n_actions = policy.shape[1:]
    rows = frequencies.reshape(-1, n_states, n_actions, n_states)
    chain = np.matmul(policy[:, :, None, :], rows)[:, :, 0, :]
    value, steps = np.moveaxis(np.linalg.solve(np.eye(n_states) - discount * chain, right), -1, 0)
    return value, steps


def _solve_sparse(
    frequencies: scipy.sparse.csr_array,
    policy: Float[np.ndarray, "S A"],
    right: Float[np.ndarray, "S two"],
    discount: float,
) -> tuple[Float[np.ndarray, "1 S"], Float[np.ndarray, "1 S"]]:
    """Solve for the value and the discounted number of steps of one run."""
    from scipy.sparse.linalg import splu  # slow to import

    n_states, n_actions = policy.shape
    places = np.arange(n_states).repeat(n_actions), np.arange(n_states * n_actions)
    weights = scipy.sparse.csr_array(
        (policy.ravel(), places), shape=(n_states, n_states * n_actions)
    )
    system = scipy.sparse.eye_array(n_states) - discount * (weights @ frequencies)
    value, steps = splu(scipy.sparse.csc_array(system)).solve(right).T[:, None]
    return value, steps


def _endless_error(run: int) -> SingularError:
    """Return the error about a policy that never ends in the empirical model of a run."""
    return SingularError(
        f"in the empirical model of run {run} the undiscounted policy never ends the episode; draw "
        "more samples of each pair, or use a discount below 1"
    )


def _expect_next_value(
    model: EmpiricalModels, runs: slice, value: Float[np.ndarray, "n S"]
) -> Float[np.ndarray, "n SA"]:
    """(n, S) values of some runs -> (n, S·A) expected values of the next states."""
    if model.dense is not None:
        return np.matmul(model.dense[runs], value[..., None])[..., 0]
    return (model.sparse[runs.start] @ value[0])[None]
