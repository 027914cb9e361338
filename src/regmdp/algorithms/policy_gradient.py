"""Softmax policy gradient, natural policy gradient and soft policy iteration."""

from __future__ import annotations

from regmdp._internal.parameters import Number, checked
from regmdp.algorithms.iteration import EVALUATION, AnyEvaluation, PolicyOptimization
from regmdp.evaluation import Exact
from regmdp.improvement import (
    FisherNaturalGradient,
    Mixture,
    NaturalGradient,
    SoftmaxGradient,
    StepSize,
)
from regmdp.improvement.step_size_improvement import STEP_SIZE, as_step_size

__all__ = ["NPG", "FisherNPG", "SoftPolicyIteration", "SoftmaxPG"]


@checked(step_size=STEP_SIZE, evaluation=EVALUATION | None)
def SoftmaxPG(
    step_size: float | StepSize, evaluation: AnyEvaluation | None = None
) -> PolicyOptimization:
    r"""Softmax policy gradient: gradient ascent on the logits, with exact gradients of V(ρ).

    With Shannon it is entropy-regularized policy gradient; any h that is finite in the interior of
    the simplex is allowed. The number of iterations may be exponential in the horizon, and only
    states that are reached from ρ improve.

    Args:
        step_size: η > 0, a number, ``Maximum()`` for the inverse of the smoothness constant, or
            another step size object.
        evaluation: How policies are evaluated; exactly by default. With one that draws samples
            the method is run by :func:`regmdp.learn`.

    Examples:
        >>> import regmdp as rm
        >>> solution = rm.solve(
        ...     rm.models.bandit(),
        ...     rm.Shannon(1.0),
        ...     rm.algorithms.SoftmaxPG(step_size=0.1),
        ...     tol=1e-6,
        ... )
        >>> solution.status.ok, solution.iterations > 100
        (True, True)

    References:
        Agarwal, Kakade, Lee & Mahajan 2021, JMLR 22(98), section 5; Mei, Xiao, Szepesvári &
        Schuurmans 2020, ICML, Theorem 6; Li, Wei, Chi & Chen 2023, Mathematical Programming 201,
        "Softmax policy gradient methods can take exponential time to converge".
    """
    return PolicyOptimization(
        Exact() if evaluation is None else evaluation,
        SoftmaxGradient(as_step_size(step_size)),
        "softmax policy gradient",
    )


@checked(step_size=STEP_SIZE, evaluation=EVALUATION | None)
def NPG(step_size: float | StepSize, evaluation: AnyEvaluation | None = None) -> PolicyOptimization:
    r"""Natural policy gradient in closed form.

    \(\pi^+ \propto \pi^{1-\eta\tau/(1-\gamma)} \exp(\eta Q/(1-\gamma))\), without a regularizer,
    with Shannon, or with KL. Its rate does not depend on the size of the model: with τ > 0 the
    error shrinks by 1 - ητ an iteration. At its largest step size it is soft policy iteration.

    Args:
        step_size: η, a number or a step size object, with 0 < η ≤ (1-γ)/τ; any η > 0 without a
            regularizer.
        evaluation: How policies are evaluated; exactly by default. With one that draws samples
            the method is run by :func:`regmdp.learn`.

    Examples:
        >>> import regmdp as rm
        >>> mdp = rm.models.chain(5)
        >>> rm.solve(mdp, rm.Shannon(0.1), rm.algorithms.NPG(step_size=0.5)).status.word
        'converged'
        >>> rm.solve(mdp, rm.Shannon(0.1), rm.algorithms.NPG(step_size=2.0))
        Traceback (most recent call last):
        ...
        regmdp.SolverError: the step size must be in (0, (1-γ)/τ] = (0, 1], not 2; ...

    References:
        Kakade 2001, NIPS; Agarwal, Kakade, Lee & Mahajan 2021, JMLR 22(98), Theorem 16; Cen, Cheng,
        Chen, Wei & Chi 2022, Operations Research 70(4), Theorem 1.
    """
    return PolicyOptimization(
        Exact() if evaluation is None else evaluation,
        NaturalGradient(as_step_size(step_size)),
        "natural policy gradient",
    )


@checked(step_size=STEP_SIZE, evaluation=EVALUATION | None)
def FisherNPG(
    step_size: float | StepSize, evaluation: AnyEvaluation | None = None
) -> PolicyOptimization:
    r"""Natural policy gradient by the Fisher matrix, for teaching and for checks.

    \(\theta \leftarrow \theta + \eta F_\rho^\dagger \nabla_\theta V^\pi(\rho)\). It makes the same
    policies as :func:`NPG` if all states are reached from ρ, at the cost of a pseudo-inverse for
    each state.

    Args:
        step_size: η, a number or a step size object, with 0 < η ≤ (1-γ)/τ.
        evaluation: How policies are evaluated; exactly by default. With one that draws samples
            the method is run by :func:`regmdp.learn`.

    Examples:
        >>> import regmdp as rm
        >>> rm.solve(
        ...     rm.models.chain(5), rm.Shannon(0.1), rm.algorithms.FisherNPG(step_size=0.5)
        ... ).status.word
        'converged'

    References:
        Kakade 2001, NIPS, "A natural policy gradient".
    """
    return PolicyOptimization(
        Exact() if evaluation is None else evaluation,
        FisherNaturalGradient(as_step_size(step_size)),
        "natural policy gradient (Fisher matrix)",
    )


@checked(step_size=Number(above=0.0, maximum=1.0), evaluation=EVALUATION | None)
def SoftPolicyIteration(
    step_size: float = 1.0, evaluation: AnyEvaluation | None = None
) -> PolicyOptimization:
    r"""Soft policy iteration for any regularizer.

    \(\pi \leftarrow (1-\beta) \pi + \beta \nabla h^*(Q/\tau)\). At β = 1 it is regularized policy
    iteration, quadratic near the optimum; below, it is conservative policy iteration.

    Args:
        step_size: β, a number with 0 < β ≤ 1.
        evaluation: How policies are evaluated; exactly by default. With one that draws samples
            the method is run by :func:`regmdp.learn`.

    Examples:
        >>> import regmdp as rm
        >>> mdp = rm.models.chain(5)
        >>> fast = rm.solve(mdp, rm.Shannon(0.1), rm.algorithms.SoftPolicyIteration())
        >>> slow = rm.solve(mdp, rm.Shannon(0.1), rm.algorithms.SoftPolicyIteration(step_size=0.5))
        >>> fast.iterations < slow.iterations
        True

    References:
        Kakade & Langford 2002, ICML; Haarnoja et al. 2017, ICML; Cen et al. 2022, Operations
        Research 70(4), Theorem 3.
    """
    averaged = "" if step_size == 1.0 else ", averaged"
    return PolicyOptimization(
        Exact() if evaluation is None else evaluation,
        Mixture(step_size),
        f"soft policy iteration{averaged}",
    )
