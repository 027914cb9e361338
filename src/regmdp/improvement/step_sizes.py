"""Step sizes: the theory's largest, geometric, adaptive, homotopic and contracting."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from regmdp._internal.arrays import UNIT_ROUNDOFF, Float
from regmdp._internal.errors import SolverError
from regmdp._internal.parameters import Number, checked
from regmdp.bellman import Block
from regmdp.improvement.base import Candidate, map_action_values
from regmdp.improvement.step_size_improvement import (
    MAX_STEP_SIZE,
    STEP_SIZE_NUMBER,
    StepSize,
    StepSizeImprovement,
)
from regmdp.mdp import DecisionProcess, TiledProcess
from regmdp.regularizers import Regularizer, Shannon

__all__ = [
    "Adaptive",
    "Geometric",
    "GeometricSteps",
    "Homotopic",
    "Maximum",
    "contracting_step_size",
    "require_proper_discount",
]


@dataclass(frozen=True)
class Maximum(StepSize):
    """The largest step size for which the theory of the method holds.

    For entropy-regularized NPG it is (1-γ)/τ, which is soft policy iteration; for GPMD it is ∞,
    which is regularized policy iteration; for softmax policy gradient it is the inverse of the
    smoothness constant.

    Examples:
        >>> import regmdp as rm
        >>> algorithm = rm.algorithms.NPG(step_size=rm.algorithms.Maximum())
        >>> rm.solve(rm.models.chain(5), rm.Shannon(temperature=0.1), algorithm).iterations < 10
        True
    """

    unbounded = False

    def check(self, mdp: DecisionProcess) -> None:
        """Accept every model."""

    def __call__(
        self,
        mdp: DecisionProcess,
        regularizer: Regularizer,
        candidate: Candidate,
        improvement: StepSizeImprovement,
    ) -> float:
        return improvement.max_step_size(mdp, regularizer)


@checked(initial=STEP_SIZE_NUMBER | None, ratio=Number(minimum=1.0) | None)
@dataclass(frozen=True)
class Geometric(StepSize):
    r"""Step sizes that grow by a constant factor, \(\eta_k = \eta_0 c^k\).

    With c ≥ 1/γ and η_0 ≥ ((1-γ)/γ) D, where D is the divergence of the optimal policy from the
    start, unregularized policy mirror descent converges linearly. Growth stops at 1e250.

    Args:
        initial: η_0; by default ((1-γ)/γ) log A, enough from a uniform start.
        ratio: c ≥ 1; by default 1/γ.

    Examples:
        >>> import regmdp as rm
        >>> rm.solve(
        ...     rm.models.chain(5), algorithm=rm.algorithms.PMD(step_size=rm.algorithms.Geometric())
        ... ).status.word
        'converged'

    References:
        Xiao 2022, JMLR 23(282), "On the convergence rates of policy gradient methods".
    """

    initial: float | None = None
    ratio: float | None = None

    unbounded = True

    def check(self, mdp: DecisionProcess) -> None:
        if mdp.discount == 1.0 and (self.initial is None or self.ratio is None):
            raise SolverError(
                "geometric step sizes follow from a discount below 1; for an undiscounted model "
                "give initial and ratio"
            )

    def __call__(
        self,
        mdp: DecisionProcess,
        regularizer: Regularizer,
        candidate: Candidate,
        improvement: StepSizeImprovement,
    ) -> float:
        gamma = mdp.discount
        inverse = 1.0 / gamma if gamma > 0 else MAX_STEP_SIZE
        initial = self.initial or min(
            MAX_STEP_SIZE,
            max((1.0 - gamma) * inverse * math.log(max(mdp.n_actions, 2)), UNIT_ROUNDOFF),
        )
        ratio = inverse if self.ratio is None else self.ratio
        return _exp_capped(math.log(initial) + candidate.iteration * math.log(ratio))


@checked(initial=STEP_SIZE_NUMBER)
@dataclass(frozen=True)
class Adaptive(StepSize):
    r"""The step size \(\eta_k = \max_s D(p_s, \pi_k(s))/c_k\) of policy mirror descent.

    With it the method converges at least as fast as policy iteration. Here p_s is the greedy
    distribution nearest to π_k(s), and \(c_k = \gamma^{2h(k+1)} c_0\) with a lookahead of depth h.
    Unregularized:
    \(\|V^* - V_k\| \le \gamma^{hk} (\|V^* - V_0\| + c_0/(1-\gamma)^2)\). Growth stops at 1e250.

    Args:
        initial: c_0, positive, in the unit of the rewards.

    Examples:
        >>> import regmdp as rm
        >>> rm.solve(
        ...     rm.models.chain(5),
        ...     algorithm=rm.algorithms.PMD(step_size=rm.algorithms.Adaptive(1.0)),
        ... ).status.word
        'converged'

    References:
        Johnson, Pike-Burke & Rebeschini 2023, NeurIPS, "Optimal convergence rate for exact policy
        mirror descent in discounted Markov decision processes"; Protopapas & Barakat 2024, NeurIPS,
        "Policy mirror descent with lookahead".
    """

    initial: float = 1.0

    unbounded = True

    def check(self, mdp: DecisionProcess) -> None:
        if mdp.discount == 1.0:
            raise SolverError(
                "adaptive step sizes need a discount below 1; for an undiscounted model give a "
                "number, or Geometric"
            )
        if isinstance(mdp, TiledProcess):
            raise SolverError(
                "an adaptive step size depends on all states, so runs would not be independent; "
                "give a number, or Geometric"
            )

    def __call__(
        self,
        mdp: DecisionProcess,
        regularizer: Regularizer,
        candidate: Candidate,
        improvement: StepSizeImprovement,
    ) -> float:
        mirror = improvement.mirror_map(regularizer)
        dual = (
            improvement.initial_dual(mdp, regularizer, candidate.policy)
            if candidate.dual is None
            else candidate.dual
        )
        assert dual is not None
        divergence = max(
            map_action_values(
                mdp, regularizer, candidate, lambda block: _max_divergence(block, mirror, dual)
            )
        )
        gamma = mdp.discount
        shrinking = (
            2
            * candidate.depth
            * (candidate.iteration + 1)
            * (math.log(gamma) if gamma > 0 else -MAX_STEP_SIZE)
        )
        # with a divergence of 0 any step size is right
        return _exp_capped(
            math.log(max(divergence, UNIT_ROUNDOFF)) - math.log(self.initial) - shrinking
        )


def _max_divergence(block: Block, mirror: Regularizer, dual: Float[np.ndarray, "S A"]) -> float:
    """(S, A) dual variable of a policy -> the largest divergence of greedy ones in a block."""
    divergence = _greedy_divergence(block, mirror.at(block.states), dual[block.states])
    live = (
        np.ones(divergence.shape, dtype=np.bool_)
        if block.available is None
        else block.available.any(axis=-1)
    )
    return float(np.max(divergence, where=live, initial=0.0))


def _greedy_divergence(
    block: Block, mirror: Regularizer, dual: Float[np.ndarray, "b A"]
) -> Float[np.ndarray, " b"]:
    """(b, A) dual variable of a policy -> (b,) divergence of a greedy distribution from it."""
    allowed = block.regularizer.domain(block.available)
    if (
        np.ndim(block.regularizer.temperature) == 0
        and block.regularizer.temperature == 0
        and isinstance(mirror, Shannon)
    ):
        # the nearest distribution over the best actions is π_k, restricted to them
        q = block.q if allowed is None else np.where(allowed, block.q, -np.inf)
        best = np.where(q == np.max(q, axis=-1, keepdims=True), dual, -np.inf)
        return mirror.conjugate(dual) - mirror.conjugate(best)
    greedy = block.regularizer.maximiser(block.q, block.available)
    inner = np.sum(greedy * np.where(greedy > 0, dual, 0.0), axis=-1)
    # D(p, π) = h(p) + h*(ξ) - ⟨p, ξ⟩
    return mirror.value(greedy, allowed) + mirror.conjugate(dual, allowed) - inner


@checked(initial=STEP_SIZE_NUMBER | None)
@dataclass(frozen=True)
class Homotopic(StepSize):
    r"""The step sizes of homotopic policy mirror descent, \(\eta_k = \eta_0 \gamma^{-2k}\).

    Growth stops at 1e250.

    Args:
        initial: η_0; by default γ^-2.

    References:
        Li, Lan & Zhao 2022, "Homotopic policy mirror descent: policy convergence, implicit
        regularization, and improved sample complexity".
    """

    initial: float | None = None

    unbounded = True

    def check(self, mdp: DecisionProcess) -> None:
        if not 0.0 < mdp.discount < 1.0:
            raise SolverError(
                "homotopic step sizes need a discount strictly between 0 and 1, not "
                f"{mdp.discount:g}"
            )

    def __call__(
        self,
        mdp: DecisionProcess,
        regularizer: Regularizer,
        candidate: Candidate,
        improvement: StepSizeImprovement,
    ) -> float:
        shrink = math.log(mdp.discount)
        initial = -2 * shrink if self.initial is None else math.log(self.initial)
        return _exp_capped(initial - 2 * candidate.iteration * shrink)


@dataclass(frozen=True)
class GeometricSteps(StepSize):
    r"""The step size with \(1 + \eta \tau = 1/\gamma\).

    With it the error of policy mirror descent decreases by γ per iteration. If temperatures differ,
    τ is the smallest.

    Examples:
        >>> import regmdp as rm
        >>> algorithm = rm.algorithms.PMD(step_size=rm.algorithms.GeometricSteps())
        >>> rm.solve(rm.models.chain(5), rm.SquaredL2(0.1), algorithm).status.word
        'converged'

    References:
        Lan 2023, Mathematical Programming 198, "Policy mirror descent for reinforcement learning".
    """

    unbounded = False

    def check(self, mdp: DecisionProcess) -> None:
        require_proper_discount(mdp)

    def __call__(
        self,
        mdp: DecisionProcess,
        regularizer: Regularizer,
        candidate: Candidate,
        improvement: StepSizeImprovement,
    ) -> float:
        temperature = float(np.min(regularizer.temperature))
        if temperature == 0.0:
            raise SolverError(
                "the step size with 1 + ητ = 1/γ needs a positive temperature in every state; "
                "without one, use StochasticAPMD"
            )
        return contracting_step_size(mdp.discount, temperature)


def contracting_step_size(discount: float, temperature: float) -> float:
    """Return η with 1 + ητ = 1/γ."""
    return min((1.0 - discount) / (discount * temperature), MAX_STEP_SIZE)


def require_proper_discount(mdp: DecisionProcess) -> None:
    """Check that the discount is neither 0 nor 1.

    Raises:
        SolverError: if it is.
    """
    if not 0.0 < mdp.discount < 1.0:
        raise SolverError(
            "the step size with 1 + ητ = 1/γ needs a discount strictly between 0 and 1, not "
            f"{mdp.discount:g}"
        )


def _exp_capped(logarithm: float) -> float:
    """Return the exponential, at most the largest step size."""
    return math.exp(min(logarithm, math.log(MAX_STEP_SIZE)))
