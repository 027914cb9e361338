"""Policy mirror descent and its relatives."""

from __future__ import annotations

from regmdp._internal.parameters import Instance, Integer, Number, checked
from regmdp.algorithms.iteration import EVALUATION, AnyEvaluation, PolicyOptimization
from regmdp.evaluation import Exact, Sweeps
from regmdp.improvement import (
    DualAveraging,
    Geometric,
    Homotopic,
    HomotopicMirrorDescent,
    Lookahead,
    MirrorDescent,
    StepSize,
)
from regmdp.improvement.step_size_improvement import STEP_SIZE, as_step_size
from regmdp.regularizers import Regularizer, Shannon

__all__ = ["GPMD", "PMD", "TDPMD", "HomotopicPMD", "ValueMirrorDescent"]


@checked(
    step_size=STEP_SIZE,
    mirror=Instance(Regularizer) | None,
    lookahead=Integer(),
    evaluation=EVALUATION | None,
)
def PMD(
    step_size: float | StepSize,
    mirror: Regularizer | None = None,
    lookahead: int = 1,
    evaluation: AnyEvaluation | None = None,
) -> PolicyOptimization:
    r"""Policy mirror descent for any regularizer h.

    \(\pi^+ = \arg\max_p \langle Q, p \rangle - \tau h(p) - D(p, \pi)/\eta\), where D is the
    Kullback-Leibler divergence unless another mirror map is given. With τ > 0 and a constant step
    it converges linearly, by max{γ, 1/(1 + ητκ)} an iteration, where κ is
    :meth:`regmdp.Regularizer.relative_strong_convexity` of h; near the optimum the rate is that of
    :func:`regmdp.theory.local_rates`, which also says whether :func:`GPMD` is faster. Without a
    regularizer it converges linearly with geometric or adaptive steps.

    Args:
        step_size: η > 0, a number or a step size object: ``Constant``, ``Geometric``, ``Adaptive``.
        mirror: The mirror map, a regularizer whose Bregman divergence D is; by default Shannon's,
            for KL. Its temperature is ignored. ``SquaredL2(1.0)`` makes the steps projections.
        lookahead: h ≥ 1, with action values \(r + \gamma P T^{h-1} V\).
        evaluation: How policies are evaluated; exactly by default. With one that draws samples
            the method is run by :func:`regmdp.learn`.

    Examples:
        >>> import regmdp as rm
        >>> mdp = rm.models.chain(5)
        >>> rm.solve(mdp, rm.SquaredL2(0.1), rm.algorithms.PMD(step_size=1.0)).status.word
        'converged'
        >>> adaptive = rm.algorithms.Adaptive(1.0)
        >>> rm.solve(mdp, algorithm=rm.algorithms.PMD(step_size=adaptive, lookahead=2)).status.word
        'converged'

    References:
        Lan 2023, Mathematical Programming 198; Xiao 2022, JMLR 23(282); Johnson, Pike-Burke &
        Rebeschini 2023, NeurIPS; Protopapas & Barakat 2024, NeurIPS.
    """
    descent = _descent(step_size, mirror)
    return PolicyOptimization(
        Exact() if evaluation is None else evaluation,
        descent if lookahead == 1 else Lookahead(descent, lookahead),
        "policy mirror descent",
    )


@checked(step_size=STEP_SIZE, accuracy=Number(minimum=0.0), evaluation=EVALUATION | None)
def GPMD(
    step_size: float | StepSize, accuracy: float = 0.0, evaluation: AnyEvaluation | None = None
) -> PolicyOptimization:
    r"""Generalized policy mirror descent: the divergence is the regularizer's own.

    It is dual averaging, ξ ← (ξ + ηQ)/(1 + ητ) and π = ∇h*(ξ), and works for any convex h, smooth
    or not. The error of Q shrinks by 1 - (1-α)(1-γ) an iteration, α = 1/(1 + ητ). An infinite step
    is regularized policy iteration.

    Args:
        step_size: η > 0, a number or a step size object. It is η of the mirror descent, not divided
            by 1 - γ.
        accuracy: If positive, each subproblem is solved only to this gap of its objective, in the
            unit of the rewards.
        evaluation: How policies are evaluated; exactly by default. With one that draws samples
            the method is run by :func:`regmdp.learn`.

    Examples:
        >>> import regmdp as rm
        >>> mdp = rm.models.chain(5)
        >>> rm.solve(
        ...     mdp, rm.Tsallis(2.0, temperature=0.1), rm.algorithms.GPMD(step_size=1.0)
        ... ).status.word
        'converged'

    References:
        Zhan, Cen, Huang, Chen, Lee & Chi 2023, SIAM Journal on Optimization 33(2), Theorems 1
        and 2.
    """
    return PolicyOptimization(
        Exact() if evaluation is None else evaluation,
        DualAveraging(as_step_size(step_size), accuracy),
        "generalized policy mirror descent",
    )


@checked(step_size=STEP_SIZE | None, evaluation=EVALUATION | None)
def HomotopicPMD(
    step_size: float | StepSize | None = None, evaluation: AnyEvaluation | None = None
) -> PolicyOptimization:
    r"""Homotopic policy mirror descent: converges to the optimal policy of maximum entropy.

    For problems without a regularizer.

    \(\log \pi^+ = \gamma (\log \pi + \eta_k Q) + (1-\gamma) \log \pi_0\) with π_0 uniform.

    Args:
        step_size: η_k; by default ``Homotopic()``, γ^(-2(k+1)).
        evaluation: How policies are evaluated; exactly by default. With one that draws samples
            the method is run by :func:`regmdp.learn`.

    Examples:
        Two of three actions are optimal; the limit takes both with equal probability, from any
        start:

        >>> import numpy as np, regmdp as rm
        >>> mdp = rm.MDP(np.ones((1, 3, 1)), np.array([[1.0, 1.0, 0.0]]), discount=0.5)
        >>> start = np.array([[0.8, 0.1, 0.1]])
        >>> solution = rm.solve(
        ...     mdp, None, rm.algorithms.HomotopicPMD(), tol=0, max_iterations=40, start=start
        ... )
        >>> solution.policy.round(6)
        array([[0.5, 0.5, 0. ]])

    References:
        Li, Lan & Zhao 2022, "Homotopic policy mirror descent: policy convergence, implicit
        regularization, and improved sample complexity".
    """
    rule = Homotopic() if step_size is None else as_step_size(step_size)
    return PolicyOptimization(
        Exact() if evaluation is None else evaluation,
        HomotopicMirrorDescent(rule),
        "homotopic policy mirror descent",
    )


@checked(step_size=STEP_SIZE, mirror=Instance(Regularizer) | None)
def TDPMD(step_size: float | StepSize, mirror: Regularizer | None = None) -> PolicyOptimization:
    r"""Policy mirror descent with one sweep of evaluation for each step of the policy, V ← T_π V.

    Its values and policies converge like 1/k for any constant step and any start, linearly with a
    regularizer, and like γ^k with adaptive steps; :mod:`regmdp.theory` has these bounds.

    Args:
        step_size: η > 0, a number or a step size object.
        mirror: The mirror map; by default Shannon's, for KL.

    Examples:
        >>> import regmdp as rm
        >>> rm.solve(
        ...     rm.models.chain(5), rm.Shannon(0.1), rm.algorithms.TDPMD(step_size=1.0)
        ... ).status.word
        'converged'

    References:
        Liu, Li & Wei 2025, "On the convergence of policy mirror descent with temporal difference
        evaluation", arXiv 2509.18822; Sutton 1988, Machine Learning 3, for the sweep.
    """
    return PolicyOptimization(
        Sweeps(1), _descent(step_size, mirror), "policy mirror descent with one sweep"
    )


@checked(
    step_size=STEP_SIZE | None, mirror=Instance(Regularizer) | None, evaluation=EVALUATION | None
)
def ValueMirrorDescent(
    step_size: float | StepSize | None = None,
    mirror: Regularizer | None = None,
    evaluation: AnyEvaluation | None = None,
) -> PolicyOptimization:
    r"""Value mirror descent: value iteration whose greedy step is a step of mirror descent.

    .. math::
        \pi_{k+1} = \arg\max_p \langle r + \gamma P V_k, p \rangle - \tau h(p)
        - D(p, \pi_k)/\eta_k, \qquad V_{k+1} = T_{\pi_{k+1}} V_k

    With known transitions it is :func:`TDPMD`, here with steps that grow by 1/γ: the gap under the
    stationary distribution of the optimal policy then shrinks by γ in each iteration for every
    convex regularizer, and the divergence from the optimal policy stays bounded
    (:func:`regmdp.theory.td_pmd_geometric_bound`).

    Args:
        step_size: η_k, a number or a step size object; by default ``Geometric()``.
        mirror: The mirror map; by default Shannon's, for KL.
        evaluation: How policies are evaluated; by one sweep by default. With one that draws samples
            the method is run by :func:`regmdp.learn`.

    Examples:
        >>> import regmdp as rm
        >>> rm.solve(
        ...     rm.models.chain(5), None, rm.algorithms.ValueMirrorDescent(), tol=1e-6
        ... ).status.word
        'converged'

    References:
        Jia & Lan 2026, "Value mirror descent for reinforcement learning", arXiv 2604.06039. The
        update is built from the abstract and the steps are ours: the paper's may differ.
    """
    rule = Geometric() if step_size is None else step_size
    return PolicyOptimization(
        Sweeps(1) if evaluation is None else evaluation,
        _descent(rule, mirror),
        "value mirror descent",
    )


def _descent(step_size: float | StepSize, mirror: Regularizer | None) -> MirrorDescent:
    return MirrorDescent(
        as_step_size(step_size), Shannon(temperature=1.0) if mirror is None else mirror
    )
