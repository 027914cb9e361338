"""Runs of the experiment on the exponential chain: the gradient flow, other methods, checks."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from regmdp._internal.arrays import Float
from regmdp._solve import solve
from regmdp.algorithms import NPG, Algorithm, Recorder, SoftmaxPG, SoftPolicyIteration
from regmdp.certificates import evaluate
from regmdp.models import ExponentialChain
from regmdp.regularizers import Regularizer, Shannon
from regmdp.reproduce.experiments.softmax_flow import Flow, LumpedGradient, find_crossings

__all__ = ["FullChainErrors", "Settings", "compare_with_full_chain", "run_other_methods"]


@dataclass(frozen=True)
class Settings:
    """Settings of the experiment.

    Attributes:
        sizes: S, increasing.
        shown_size: The size for the comparison with other methods, one of ``sizes``.
        horizon: H.
        discount: γ.
        temperature: τ of soft policy iteration.
        iterations: Iterations of the other methods.
        small_size: S of the full chain that is compared with the lumped one.
        small_step: η of softmax policy gradient on the full chain.
        points: Number of recorded times.
    """

    sizes: tuple[int, ...] = tuple(round(10 ** (exponent / 2)) for exponent in range(6, 19))
    shown_size: int = 10**8
    horizon: int = 6
    discount: float = 0.97
    temperature: float = 0.01
    iterations: int = 70
    small_size: int = 200
    small_step: float = 1.0
    points: int = 400

    @property
    def step_size(self) -> float:
        """Largest step size with which softmax policy gradient is proved to converge, (1-γ)³/8."""
        return (1.0 - self.discount) ** 3 / 8.0

    def chain(self, size: int) -> ExponentialChain:
        """Return the chain with this number of states."""
        return ExponentialChain(size, self.horizon, self.discount)


@dataclass(frozen=True)
class FullChainErrors:
    """Differences between the lumped and the full chain.

    Attributes:
        gradient: Largest difference of the gradients at a random policy, relative to the largest
            entry.
        crossing_time: Largest relative difference of the crossing times between the iterations of
            the library and the flow.
    """

    gradient: float
    crossing_time: float


def run_other_methods(settings: Settings) -> dict[str, Float[np.ndarray, "n S"]]:
    """Return the (n + 1, S) unregularized values of other methods' policies, lumped chain."""
    mdp = settings.chain(settings.shown_size).lumped()
    methods: dict[str, tuple[Regularizer | None, Algorithm]] = {
        "natural policy gradient": (None, NPG(1.0 - settings.discount)),
        "soft policy iteration": (Shannon(temperature=settings.temperature), SoftPolicyIteration()),
    }
    values = {}
    for name, (regularizer, algorithm) in methods.items():
        recorder = Recorder()
        solve(
            mdp,
            regularizer,
            algorithm,
            tol=0,
            max_iterations=settings.iterations,
            callback=recorder,
        )
        policies = [state.policy for state in recorder.states if state.policy is not None]
        values[name] = np.array([evaluate(mdp, policy).value for policy in policies])
    return values


def compare_with_full_chain(settings: Settings) -> FullChainErrors:
    """Run softmax policy gradient of the library on a full chain, and compare with the flow."""
    chain = settings.chain(settings.small_size)
    flow = Flow.integrate(chain, 2)
    recorder = Recorder()
    solve(
        chain.full(),
        algorithm=SoftmaxPG(settings.small_step),
        tol=0,
        max_iterations=int(1.1 * flow.crossings[-1] / settings.small_step),
        callback=recorder,
    )
    firsts = np.concatenate([[0], np.cumsum(chain.copies)[:-1]])
    counts = find_crossings(chain, np.array([state.value[firsts] for state in recorder.states]))
    ratios = np.array(counts) * settings.small_step / flow.crossings
    return FullChainErrors(
        gradient=_compare_gradients(chain), crossing_time=float(np.max(np.abs(ratios - 1.0)))
    )


def _compare_gradients(chain: ExponentialChain) -> float:
    """Return the largest difference of the gradients at a random policy, relative."""
    mdp, gradient = chain.full(), LumpedGradient(chain)
    logits = np.random.default_rng(0).normal(size=gradient.n)
    policy = gradient.policy(logits)
    of = np.repeat(np.arange(chain.copies.size), chain.copies)
    recorder = Recorder()
    solve(
        mdp,
        algorithm=SoftmaxPG(1.0),
        tol=0,
        max_iterations=0,
        start=policy[of],
        callback=recorder,
    )
    stepped = recorder.states[0].next_policy
    assert stepped is not None
    # a step of size 1 adds the gradient to log π, up to a constant per state
    lumped = gradient(logits)
    expected = np.zeros(policy.shape)
    several = chain.lumped().available & (chain.lumped().available.sum(axis=1) > 1)[:, None]
    expected[several] = lumped
    with np.errstate(divide="ignore", invalid="ignore"):
        difference = np.log(stepped) - np.log(policy[of]) - expected[of]
    spread = [np.ptp(row[allowed]) for row, allowed in zip(difference, mdp.available, strict=True)]
    return float(np.max(spread) / np.max(np.abs(lumped)))
