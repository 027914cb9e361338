"""Softmax policy gradient with infinitesimal steps, on a chain with one state per class."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.integrate import solve_ivp
from scipy.optimize import brentq

from regmdp._internal.arrays import Float, Int
from regmdp.models import ExponentialChain

__all__ = ["Flow", "LumpedGradient", "find_crossings", "find_watched_states"]


class LumpedGradient:
    """Values and exact gradients on the lumped chain: the copies of a class share their logits.

    Args:
        chain: The chain.
    """

    def __init__(self, chain: ExponentialChain) -> None:
        mdp = chain.lumped()
        self._available = mdp.available
        self._chosen = mdp.available & (mdp.available.sum(axis=1) > 1)[:, None]
        self._transitions = np.where(mdp.available[..., None], mdp.to_array(), 0.0)
        self._rewards, self._discount, self._initial = mdp.rewards, mdp.discount, mdp.initial
        self._copies = chain.copies
        #: Number of logits: one per action of each state with several actions.
        self.n = int(self._chosen.sum())

    def policy(self, logits: Float[np.ndarray, " n"]) -> Float[np.ndarray, "S A"]:
        """Return the (S, A) policy of (n,) logits."""
        scores = np.where(self._available, 0.0, -np.inf)
        scores[self._chosen] = logits
        weights = np.exp(scores - scores.max(axis=1, keepdims=True))
        return weights / weights.sum(axis=1, keepdims=True)

    def value(self, logits: Float[np.ndarray, " n"]) -> Float[np.ndarray, " S"]:
        """Return the (S,) value of the policy of (n,) logits."""
        policy = self.policy(logits)
        return self._inverse(policy) @ (policy * self._rewards).sum(axis=1)

    def __call__(self, logits: Float[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
        """Return the (n,) gradient of the value from the uniform distribution."""
        policy = self.policy(logits)
        inverse = self._inverse(policy)
        q = self._rewards + self._discount * self._transitions @ (
            inverse @ (policy * self._rewards).sum(axis=1)
        )
        visits = (self._initial @ inverse) / self._copies
        # π(a) A(a) as Σ_b π(a) π(b) (Q(a) - Q(b)), which is accurate for nearly deterministic
        # policies
        pairs = policy[:, :, None] * policy[:, None, :] * (q[:, :, None] - q[:, None, :])
        return (visits[:, None] * pairs.sum(axis=2))[self._chosen]

    def _inverse(self, policy: Float[np.ndarray, "S A"]) -> Float[np.ndarray, "S S"]:
        """Return (I - γ P_π)⁻¹."""
        chain = np.einsum("sa,sat->st", policy, self._transitions)
        return np.linalg.inv(np.eye(len(chain)) - self._discount * chain)


@dataclass(frozen=True, eq=False)
class Flow:
    """Softmax policy gradient with infinitesimal steps: θ'(t) = ∇V(θ(t)) from the uniform policy.

    The time t is the scaled number of iterations, step size times iterations. It is integrated in
    log t, because it covers more than fifteen orders of magnitude.

    Attributes:
        crossings: (H,) first time T_s at which V(s) ≥ τ_s.
        times: (m,) times.
        values: (m, S) values of the classes of states.
    """

    crossings: Float[np.ndarray, " H"]
    times: Float[np.ndarray, " m"]
    values: Float[np.ndarray, "m S"]

    @classmethod
    def integrate(cls, chain: ExponentialChain, points: int) -> Flow:
        """Integrate decade by decade to a hundred times the last crossing.

        Args:
            chain: The chain.
            points: Number of recorded times.
        """
        gradient, places = LumpedGradient(chain), find_watched_states(chain)
        targets = np.array([chain.target(s) for s in range(1, chain.horizon + 1)])
        crossings = np.full(chain.horizon, np.inf)
        # until here the policy hardly changes, and one explicit step is enough
        begin = time = np.log(1e-2)
        logits = np.exp(time) * gradient(np.zeros(gradient.n))
        decades: list[Any] = []

        def slope(log_time: float, logits: np.ndarray) -> np.ndarray:
            return np.exp(log_time) * gradient(logits)

        def heights(log_time: float) -> np.ndarray:
            return gradient.value(decades[-1](log_time))[places] - targets

        remaining = 2
        while remaining and len(decades) < 30:
            end = time + np.log(10.0)
            solution = solve_ivp(
                slope, (time, end), logits, method="LSODA", rtol=1e-7, atol=1e-9, dense_output=True
            )
            decades.append(solution.sol)
            for number in np.flatnonzero(
                np.isinf(crossings) & (heights(time) < 0) & (heights(end) >= 0)
            ):
                crossings[number] = np.exp(
                    brentq(lambda at, number=number: heights(at)[number], time, end, xtol=1e-9)
                )
            remaining -= bool(np.isfinite(crossings).all())
            time, logits = end, solution.y[:, -1]
        # nothing changes before this time, because the buffers are slow
        grid = np.linspace(np.log(1e-2 * chain.size), time, points)
        places_in = np.minimum(((grid - begin) / np.log(10.0)).astype(np.int64), len(decades) - 1)
        values = [
            gradient.value(decades[decade](at)) for decade, at in zip(places_in, grid, strict=True)
        ]
        return cls(crossings, np.exp(grid), np.array(values))


def find_watched_states(chain: ExponentialChain) -> Int[np.ndarray, " H"]:
    """Return the indices of buffers 1 and 2 and primaries 3 to H."""
    kinds = chain.kinds
    return np.array(
        [
            kinds.index(f"primary {s}" if s > 2 else f"buffer {s}")
            for s in range(1, chain.horizon + 1)
        ]
    )


def find_crossings(chain: ExponentialChain, values: Float[np.ndarray, "m S"]) -> list[int]:
    """Return the first rows of (m, S) values at which states 1 to H reach their targets, or -1."""
    targets = np.array([chain.target(s) for s in range(1, chain.horizon + 1)])
    reached = values[:, find_watched_states(chain)] >= targets
    return [int(np.argmax(column)) if column.any() else -1 for column in reached.T]
