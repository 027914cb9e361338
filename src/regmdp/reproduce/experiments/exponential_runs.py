"""Runs of the experiment on the exponential chain: the gradient flow, other methods, checks."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated

import numpy as np

from regmdp._internal.arrays import Float
from regmdp._internal.kinds import Integer, Number
from regmdp._solve import solve
from regmdp.algorithms import NPG, Algorithm, Recorder, SoftmaxPG, SoftPolicyIteration
from regmdp.certificates import evaluate
from regmdp.models import ExponentialChain
from regmdp.regularizers import Regularizer, Shannon
from regmdp.reproduce.experiments.softmax_flow import Flow, LumpedGradient, find_crossings
from regmdp.reproduce.settings import Items, check_fields, format_setting, require

__all__ = ["FullChainErrors", "Settings", "compare_with_full_chain", "run_other_methods"]

#: Largest number of iterations on the full chain.
MOST_STEPS = 50_000


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
        seed: Seed of the policy at which gradients are compared.
    """

    sizes: Annotated[
        tuple[Annotated[int, Integer(10, 10**12)], ...], Items(least=2, most=30, order="increasing")
    ] = tuple(round(10 ** (exponent / 2)) for exponent in range(6, 19))
    shown_size: int = 10**8
    horizon: Annotated[int, Integer(3, 8)] = 6
    discount: Annotated[float, Number(0.5, 0.9999)] = 0.97
    temperature: Annotated[float, Number(1e-6, 1e3)] = 0.01
    iterations: Annotated[int, Integer(1, 100_000)] = 70
    small_size: Annotated[int, Integer(10, 1000)] = 200
    small_step: Annotated[float, Number(0.1, 10.0)] = 1.0
    points: Annotated[int, Integer(2, 10_000)] = 400
    seed: Annotated[int, Integer(0)] = 0

    def __post_init__(self) -> None:
        check_fields(self)
        require(
            self.shown_size in self.sizes,
            f"shown_size must be one of sizes, {format_setting(self.sizes)}, not {self.shown_size}",
        )
        require(
            self.discount ** (2 * self.horizon) >= 2.0 / 3.0,
            "the chain is slow only if discount^(2 horizon) is at least 2/3, not "
            f"{self.discount ** (2 * self.horizon):.3g}: use a larger discount or a smaller "
            "horizon",
        )
        for size in (self.sizes[0], self.small_size):
            self.chain(size)  # it refuses a size that is too small for the horizon

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
            the library and the flow; NaN if they were not compared.
        rounding: Largest such difference that counting whole iterations explains.
    """

    gradient: float
    crossing_time: float
    rounding: float


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
    steps = 1.1 * float(np.max(flow.crossings)) / settings.small_step
    if steps > MOST_STEPS:
        return FullChainErrors(_compare_gradients(chain, settings.seed), math.nan, math.nan)
    recorder = Recorder()
    solve(
        chain.full(),
        algorithm=SoftmaxPG(settings.small_step),
        tol=0,
        max_iterations=int(steps),
        callback=recorder,
    )
    firsts = np.concatenate([[0], np.cumsum(chain.copies)[:-1]])
    counts = find_crossings(chain, np.array([state.value[firsts] for state in recorder.states]))
    ratios = np.array(counts) * settings.small_step / flow.crossings
    return FullChainErrors(
        gradient=_compare_gradients(chain, settings.seed),
        crossing_time=float(np.max(np.abs(ratios - 1.0))),
        rounding=float(settings.small_step / np.min(flow.crossings)),
    )


def _compare_gradients(chain: ExponentialChain, seed: int) -> float:
    """Return the largest difference of the gradients at a random policy, relative."""
    mdp, gradient = chain.full(), LumpedGradient(chain)
    logits = np.random.default_rng(seed).normal(size=gradient.n)
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
