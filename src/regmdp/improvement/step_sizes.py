"""Step sizes: constant, the theory's largest, geometric, adaptive, homotopic."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from numbers import Real
from typing import Any

import numpy as np

from regmdp._internal.arrays import UNIT_ROUNDOFF, Float
from regmdp._internal.errors import SolverError
from regmdp.bellman import Block
from regmdp.improvement.base import Candidate, Improvement, map_action_values
from regmdp.mdp import DecisionProcess, TiledProcess
from regmdp.regularizers import Regularizer, Shannon

__all__ = [
    "Adaptive",
    "Constant",
    "Geometric",
    "Homotopic",
    "Maximum",
    "StepSize",
    "StepSizeImprovement",
    "as_step_size",
]

#: GeometricSamples step sizes stop growing here; the steps are greedy long before.
LARGEST = 1e250


class StepSize(ABC):
    """A rule that says how far the next improvement goes. Immutable."""

    #: Whether it may exceed any limit, sooner or later.
    unbounded: bool

    @abstractmethod
    def check(self, mdp: DecisionProcess) -> None:
        """Check that the rule is defined for this model.

        Raises:
            SolverError: if it is not.
        """

    @abstractmethod
    def __call__(
        self,
        mdp: DecisionProcess,
        regularizer: Regularizer,
        candidate: Candidate,
        improvement: StepSizeImprovement,
    ) -> float:
        """Return the step size of the next improvement."""


class StepSizeImprovement(Improvement):
    """An improvement with a step size."""

    step_size: StepSize

    @abstractmethod
    def mirror_map(self, regularizer: Regularizer) -> Regularizer:
        """Return the mirror map: its Bregman divergence is what a step is measured by."""

    @abstractmethod
    def max_step_size(self, mdp: DecisionProcess, regularizer: Regularizer) -> float:
        """Return the largest step size of the theory; inf if there is none."""


@dataclass(frozen=True)
class Constant(StepSize):
    """The same step size η in each iteration. A plain number stands for it.

    Args:
        value: η, positive and finite.

    Examples:
        >>> import regmdp as rm
        >>> rm.algorithms.NPG(step_size=0.1).improvement.step_size
        Constant(value=0.1)
    """

    value: float

    unbounded = False

    def __post_init__(self) -> None:
        if not (self.value > 0 and math.isfinite(self.value)):
            raise SolverError(f"a step size must be positive and finite, not {self.value}")
        if self.value > LARGEST:
            raise SolverError(
                f"a step size must be at most {LARGEST:g}, not {self.value:g}; policy iteration is "
                "the limit"
            )

    def check(self, mdp: DecisionProcess) -> None:
        """Take every model."""

    def __call__(
        self,
        mdp: DecisionProcess,
        regularizer: Regularizer,
        candidate: Candidate,
        improvement: StepSizeImprovement,
    ) -> float:
        return float(self.value)


@dataclass(frozen=True)
class Maximum(StepSize):
    """The largest step size for which the method's theorem holds.

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
        """Take every model."""

    def __call__(
        self,
        mdp: DecisionProcess,
        regularizer: Regularizer,
        candidate: Candidate,
        improvement: StepSizeImprovement,
    ) -> float:
        return improvement.max_step_size(mdp, regularizer)


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
        Xiao 2022, JMLR 23(282), "On the convergence rates of policy gradient methods", Theorem 10.
    """

    initial: float | None = None
    ratio: float | None = None

    unbounded = True

    def __post_init__(self) -> None:
        if self.initial is not None:
            Constant(self.initial)
        if self.ratio is not None and not self.ratio >= 1.0:
            raise SolverError(
                f"the ratio of a geometric step size must be at least 1, not {self.ratio}"
            )

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
        inverse = 1.0 / gamma if gamma > 0 else LARGEST
        initial = self.initial or min(
            LARGEST, max((1.0 - gamma) * inverse * math.log(max(mdp.n_actions, 2)), UNIT_ROUNDOFF)
        )
        ratio = inverse if self.ratio is None else self.ratio
        return _capped(math.log(initial) + candidate.iteration * math.log(ratio))


@dataclass(frozen=True)
class Adaptive(StepSize):
    r"""The step size with which policy mirror descent keeps up with policy iteration, \(\eta_k = \max_s D(p_s, \pi_k(s))/c_k\).

    Here p_s is the greedy distribution nearest to π_k(s), and \(c_k = \gamma^{2h(k+1)} c_0\) with a
    lookahead of depth h. Unregularized:
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

    def __post_init__(self) -> None:
        Constant(self.initial)

    def check(self, mdp: DecisionProcess) -> None:
        if mdp.discount == 1.0:
            raise SolverError(
                "adaptive step sizes need a discount below 1; for an undiscounted model give a "
                "number, or Geometric"
            )
        if isinstance(mdp, TiledProcess):
            raise SolverError(
                "adaptive step sizes would join runs that are to be independent; give a number, or "
                "Geometric"
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
        known = np.asarray(dual)
        far = max(
            map_action_values(
                mdp, regularizer, candidate, lambda block: _farthest(block, mirror, known)
            )
        )
        gamma = mdp.discount
        shrinking = (
            2
            * candidate.depth
            * (candidate.iteration + 1)
            * (math.log(gamma) if gamma > 0 else -LARGEST)
        )
        # with a divergence of 0 any step will do
        return _capped(math.log(max(far, UNIT_ROUNDOFF)) - math.log(self.initial) - shrinking)


def _farthest(block: Block, mirror: Regularizer, dual: Float[np.ndarray, "S A"]) -> float:
    """(S, A) dual variable of a policy -> the largest divergence, in a block, of a greedy distribution from that policy."""
    divergence = _to_greedy(block, mirror.at(block.states), dual[block.states])
    live = (
        np.ones(divergence.shape, dtype=np.bool_)
        if block.available is None
        else block.available.any(axis=-1)
    )
    return float(np.max(divergence, where=live, initial=0.0))


def _to_greedy(
    block: Block, mirror: Regularizer, dual: Float[np.ndarray, "b A"]
) -> Float[np.ndarray, " b"]:
    """(b, A) dual variable of a policy -> (b,) divergence of a greedy distribution from that policy."""
    allowed = block.regularizer.domain(block.available)
    if (
        np.ndim(block.regularizer.temperature) == 0
        and block.regularizer.temperature == 0
        and isinstance(mirror, Shannon)
    ):
        # of the distributions over the best actions the nearest is π_k itself, restricted to them
        q = block.q if allowed is None else np.where(allowed, block.q, -np.inf)
        best = np.where(q == np.max(q, axis=-1, keepdims=True), dual, -np.inf)
        return mirror.conjugate(dual) - mirror.conjugate(best)
    greedy = block.regularizer.maximiser(block.q, block.available)
    inner = np.sum(np.where(greedy > 0, greedy * np.where(greedy > 0, dual, 0.0), 0.0), axis=-1)
    # D(p, π) = h(p) + h*(ξ) - ⟨p, ξ⟩
    return mirror.value(greedy, allowed) + mirror.conjugate(dual, allowed) - inner


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

    def __post_init__(self) -> None:
        if self.initial is not None:
            Constant(self.initial)

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
        return _capped(initial - 2 * candidate.iteration * shrink)


def fixed_step(
    improvement: StepSizeImprovement, mdp: DecisionProcess, regularizer: Regularizer
) -> float | None:
    """Check a step size, and return that of every iteration if it is the same in all: inf where the theory knows no largest one."""
    improvement.step_size.check(mdp)
    if improvement.step_size.unbounded:
        return None
    nothing = Candidate(np.zeros(mdp.n_states), np.zeros((mdp.n_states, mdp.n_actions)))
    return improvement.step_size(mdp, regularizer, nothing, improvement)


def require_finite_step(
    improvement: StepSizeImprovement, mdp: DecisionProcess, regularizer: Regularizer
) -> None:
    """Check that the step size is not the largest of a theory that knows none.

    Raises:
        SolverError: if it is.
    """
    step = fixed_step(improvement, mdp, regularizer)
    if step is not None and math.isinf(step):
        raise SolverError(
            "every positive step size is allowed here, so there is no largest one: give a number"
        )


def require_step_within(
    improvement: StepSizeImprovement, mdp: DecisionProcess, regularizer: Regularizer, formula: str
) -> None:
    """Check a step size against the largest one, where that is the end of its range.

    Raises:
        SolverError: stating the range.
    """
    require_finite_step(improvement, mdp, regularizer)
    largest, step = (
        improvement.max_step_size(mdp, regularizer),
        fixed_step(improvement, mdp, regularizer),
    )
    if math.isinf(largest) or (step is not None and step <= largest * (1.0 + 1e-12)):
        return
    given = (
        f"{type(improvement.step_size).__name__}, which grows without limit"
        if step is None
        else f"{step:.6g}"
    )
    raise SolverError(
        f"the step size must be in (0, {formula}] = (0, {largest:.6g}], not {given}; the largest "
        "is Maximum()"
    )


def _capped(logarithm: float) -> float:
    return math.exp(min(logarithm, math.log(LARGEST)))


def as_step_size(step_size: Any) -> StepSize:
    """Return a step size object; a number is a constant one.

    Raises:
        SolverError: if it is neither, or not positive and finite.
    """
    if isinstance(step_size, StepSize):
        return step_size
    if isinstance(step_size, bool) or not isinstance(step_size, Real):
        raise SolverError(
            f"a step size is a number or a step size object such as Geometric(), not {step_size!r}"
        )
    return Constant(float(step_size))
