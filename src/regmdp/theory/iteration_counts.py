r"""Numbers of iterations that suffice for an accuracy ε: the rates, solved for the iteration.

They use log(1/(1-x)) ≥ x, as the literature does, and are therefore slightly larger than where the
bounds cross ε.
"""

from __future__ import annotations

import math
from typing import Literal, NamedTuple

from regmdp._internal.arrays import ArrayLike
from regmdp._internal.checks import LARGE_ROOT
from regmdp._internal.parameters import Instance, Number, Option, checked
from regmdp.mdp import MDP
from regmdp.mdp.deterministic import DeterministicPolicy
from regmdp.policies import POLICY
from regmdp.regularizers import Regularizer
from regmdp.theory.initial_policy import (
    evaluate_start,
    mirror_descent_step,
    require_positive_temperature,
)
from regmdp.theory.optima import Optimum
from regmdp.theory.rates import entropy_npg_bounds
from regmdp.theory.steps import mirror_descent_gap_bound
from regmdp.theory.unregularized import npg_bound, reward_range

__all__ = [
    "IterationCounts",
    "entropy_npg_iterations",
    "gap_iterations",
    "mirror_descent_iterations",
    "npg_iterations",
    "soft_policy_iterations",
]


class IterationCounts(NamedTuple):
    """Numbers of iterations with which two theorems guarantee V*(ρ) - V(ρ) ≤ ε.

    Attributes:
        entropy_npg: 1/(ητ) log(3 C_1/ε) + 1, by the linear rate of V in the sup norm.
        mirror_descent: max{1/(1-γ), (1-γ)/(ητ)} log(‖ρ/ν*‖ C_2/ε), by the potential; ∞ if π* does
            not return to some state with ρ > 0, or if episodes end.
    """

    entropy_npg: int
    mirror_descent: float

    @property
    def smaller(self) -> float:
        """The smaller of the two, which suffices."""
        return min(self.entropy_npg, self.mirror_descent)


@checked(
    mdp=Instance(MDP),
    regularizer=Instance(Regularizer),
    step_size=Number(above=0.0, finite=False),
    accuracy=Number(above=0.0, maximum=LARGE_ROOT),
    quantity=Option("q", "value", "log_policy"),
    optimum=Instance(Optimum) | None,
    start=POLICY | None,
)
def entropy_npg_iterations(
    mdp: MDP,
    regularizer: Regularizer,
    *,
    step_size: float,
    accuracy: float,
    quantity: Literal["q", "value", "log_policy"] = "q",
    start: ArrayLike | DeterministicPolicy | None = None,
    optimum: Optimum | None = None,
) -> int:
    r"""Return a number of iterations of entropy-regularized NPG with error at most ε.

    .. math::
        T = 1 + \left\lceil \frac{1}{\eta\tau} \log \frac{\gamma C_1}{\epsilon} \right\rceil

    for the error of Q in the sup norm; with 3 C_1 for that of V, and 2 C_1/τ for that of log π. C_1
    is that of :func:`entropy_npg_bounds`, whose rate begins at the first iterate.

    Args:
        mdp: The model, γ < 1.
        regularizer: Shannon or KL, with one temperature τ > 0.
        step_size: η, 0 < η ≤ (1-γ)/τ.
        accuracy: ε > 0, in the unit of the rewards for Q and V.
        quantity: Whose error: "q", "value" or "log_policy".
        start: (S, A) π_0; by default uniform.
        optimum: The optimum, if it is known.

    Returns:
        T, at least 1.

    Raises:
        SolverError: if the step size or the accuracy is out of its range, or the quantity is none
            of these.

    Examples:
        >>> import numpy as np, regmdp as rm
        >>> mdp, shannon = rm.models.garnet(5, 3, 2, discount=0.8), rm.Shannon(0.1)
        >>> enough = rm.theory.entropy_npg_iterations(mdp, shannon, step_size=0.5, accuracy=1e-6)
        >>> algorithm = rm.algorithms.NPG(step_size=0.5)
        >>> run = rm.theory.trace(mdp, shannon, algorithm, max_iterations=enough)
        >>> bool(np.max(np.abs(run.optimum.q - run.q[enough])) <= 1e-6)
        True

    References:
        Cen, Cheng, Chen, Wei & Chi 2022, Operations Research 70(4), Theorem 1 and what follows it.
    """
    first = entropy_npg_bounds(
        mdp, regularizer, step_size=step_size, iterations=1, start=start, optimum=optimum
    )
    rate = step_size * require_positive_temperature(regularizer)
    return 1 + _solve_geometric(float(getattr(first, quantity)[1]) / accuracy, rate)


@checked(
    mdp=Instance(MDP),
    regularizer=Instance(Regularizer),
    accuracy=Number(above=0.0, maximum=LARGE_ROOT),
    optimum=Instance(Optimum) | None,
    start=POLICY | None,
)
def soft_policy_iterations(
    mdp: MDP,
    regularizer: Regularizer,
    *,
    accuracy: float,
    start: ArrayLike | DeterministicPolicy | None = None,
    optimum: Optimum | None = None,
) -> int:
    r"""Return a number of regularized policy iterations with ‖Q* - Q_T‖ ≤ ε.

    .. math::
        T = 1 + \left\lceil \frac{1}{1-\gamma}
        \log \frac{\gamma \|Q^* - Q_0\|_\infty}{\epsilon} \right\rceil

    For Shannon it is soft policy iteration, natural policy gradient with η = (1-γ)/τ. As the
    iteration converges quadratically near the optimum, it needs far fewer iterations for small ε.

    Args:
        mdp: The model, γ < 1.
        regularizer: Any.
        accuracy: ε > 0, in the unit of the rewards.
        start: (S, A) π_0; by default uniform.
        optimum: The optimum, if it is known.

    Returns:
        T, at least 1.

    Raises:
        SolverError: if the accuracy is not positive.

    Examples:
        >>> import regmdp as rm
        >>> mdp = rm.models.garnet(5, 3, 2, discount=0.8)
        >>> bool(rm.theory.soft_policy_iterations(mdp, rm.Shannon(0.1), accuracy=1e-6) > 60)
        True

    References:
        Cen et al. 2022, Operations Research 70(4), after Theorem 1, for Shannon.
    """
    first = evaluate_start(mdp, regularizer, start, optimum)
    return 1 + _solve_geometric(mdp.discount * first.q_distance / accuracy, 1.0 - mdp.discount)


@checked(
    mdp=Instance(MDP),
    accuracy=Number(above=0.0, maximum=LARGE_ROOT),
    step_size=Number(above=0.0, finite=False) | None,
    optimum=Instance(Optimum) | None,
    start=POLICY | None,
)
def npg_iterations(
    mdp: MDP,
    *,
    accuracy: float,
    step_size: float | None = None,
    start: ArrayLike | DeterministicPolicy | None = None,
    optimum: Optimum | None = None,
) -> int:
    r"""Return a number of iterations of NPG without a regularizer with V*(ρ) - V_T(ρ) ≤ ε.

    .. math::
        T = \left\lceil \left( \frac{D}{\eta} + \frac{R}{(1-\gamma)^2} \right)
        \frac{1}{\epsilon} \right\rceil \le \frac{2R}{(1-\gamma)^2 \epsilon} + 1

    The second form is the published one, for R = 1, a uniform start and η ≥ (1-γ)² log A. D and R
    are those of :func:`npg_bound`.

    Args:
        mdp: The model, γ < 1.
        accuracy: ε > 0, in the unit of the rewards.
        step_size: η > 0; by default (1-γ)² log A/R.
        start: (S, A) π_0; by default uniform.
        optimum: The optimum without a regularizer, if it is known.

    Returns:
        T, at least 1.

    Raises:
        SolverError: if the accuracy or the step size is not positive.

    Examples:
        >>> import regmdp as rm
        >>> arms = rm.models.bandit((1.0, 0.0), discount=0.5)
        >>> rm.theory.npg_iterations(arms, accuracy=0.01)  # 2/((1-γ)² ε)
        800

    References:
        Agarwal, Kakade, Lee & Mahajan 2021, JMLR 22(98), after Theorem 16.
    """
    low, high = reward_range(mdp)
    if step_size is None:
        spread = max(high - low, 1e-300)
        step_size = max((1.0 - mdp.discount) ** 2 * math.log(mdp.n_actions) / spread, 1e-300)
    bound = npg_bound(mdp, step_size=step_size, iterations=1, start=start, optimum=optimum)
    # a bound that is a whole number of accuracies up to rounding is not rounded up
    return max(1, math.ceil(float(bound[1]) / accuracy * (1.0 - 1e-12)))


@checked(
    mdp=Instance(MDP),
    regularizer=Instance(Regularizer),
    step_size=Number(above=0.0, finite=False),
    accuracy=Number(above=0.0, maximum=LARGE_ROOT),
    optimum=Instance(Optimum) | None,
    start=POLICY | None,
)
def mirror_descent_iterations(
    mdp: MDP,
    regularizer: Regularizer,
    *,
    step_size: float,
    accuracy: float,
    start: ArrayLike | DeterministicPolicy | None = None,
    optimum: Optimum | None = None,
) -> float:
    r"""Return a number of iterations of regularized mirror descent with V*(ρ) - V_T(ρ) ≤ ε.

    .. math::
        T = \left\lceil \max\left\{ \frac{1}{1-\gamma}, \frac{1 + \eta\tau}{\eta\tau} \right\}
        \log\left( \left\| \frac{\rho}{\nu^*} \right\|_\infty
        \frac{C_2}{\epsilon} \right) \right\rceil

    In the unit of natural policy gradient (1 + ητ)/(ητ) is (1-γ)/(ητ). C_2 is that of
    :func:`mirror_descent_gap_bound`.

    Args:
        mdp: The model, γ < 1.
        regularizer: Any, with one temperature τ > 0.
        step_size: η > 0 of mirror descent; ``inf`` is regularized policy iteration.
        accuracy: ε > 0, in the unit of the rewards.
        start: (S, A) π_0; by default uniform.
        optimum: The optimum, if it is known.

    Returns:
        T, a whole number; ∞ if π* does not return to some state with ρ > 0.

    Raises:
        SolverError: if the accuracy is not positive, or episodes end, so that there is no ν*.

    Examples:
        >>> import regmdp as rm
        >>> mdp, shannon = rm.models.garnet(5, 3, 2, discount=0.8), rm.Shannon(0.1)
        >>> enough = rm.theory.mirror_descent_iterations(mdp, shannon, step_size=2.0, accuracy=1e-6)
        >>> bound = rm.theory.mirror_descent_gap_bound(
        ...     mdp, shannon, step_size=2.0, iterations=int(enough)
        ... )
        >>> bool(bound[-1] <= 1e-6)
        True

    References:
        Lan 2023, Mathematical Programming 198, Theorem 1 and its corollary. Erratum: the count is
        sometimes printed with a product of two logarithms instead of the logarithm of a product.
    """
    tau = require_positive_temperature(regularizer)
    first = float(
        mirror_descent_gap_bound(
            mdp, regularizer, step_size=step_size, iterations=0, start=start, optimum=optimum
        )[0]
    )
    if not first < math.inf:
        return math.inf
    average = 1.0 if step_size == math.inf else step_size * tau / (1.0 + step_size * tau)
    return float(_solve_geometric(first / accuracy, min(1.0 - mdp.discount, average)))


@checked(
    mdp=Instance(MDP),
    regularizer=Instance(Regularizer),
    step_size=Number(above=0.0, finite=False),
    accuracy=Number(above=0.0, maximum=LARGE_ROOT),
    optimum=Instance(Optimum) | None,
    start=POLICY | None,
)
def gap_iterations(
    mdp: MDP,
    regularizer: Regularizer,
    *,
    step_size: float,
    accuracy: float,
    start: ArrayLike | DeterministicPolicy | None = None,
    optimum: Optimum | None = None,
) -> IterationCounts:
    r"""Return the numbers of iterations of both theorems on entropy-regularized NPG for a gap ε.

    .. math::
        \frac{1}{\eta\tau} \log \frac{3 C_1}{\epsilon} \qquad \text{and} \qquad
        \max\left\{ \frac{1}{1-\gamma}, \frac{1-\gamma}{\eta\tau} \right\}
        \log\left( \left\| \frac{\rho}{\nu^*} \right\|_\infty \frac{C_2}{\epsilon} \right)

    for V*(ρ) - V_T(ρ) ≤ ε; the smaller of the two suffices. For short steps, ητ ≤ (1-γ)², the
    second is smaller by the factor 1-γ, up to logarithms. Near the largest step both are 1/(1-γ)
    times a logarithm, and the first is smaller if ‖ρ/ν*‖ is large.

    Args:
        mdp: The model, γ < 1.
        regularizer: Shannon or KL, with one temperature τ > 0.
        step_size: η of natural policy gradient, 0 < η ≤ (1-γ)/τ.
        accuracy: ε > 0, in the unit of the rewards.
        start: (S, A) π_0; by default uniform.
        optimum: The optimum, if it is known.

    Raises:
        SolverError: if the step size or the accuracy is out of its range.

    Examples:
        >>> import regmdp as rm
        >>> mdp, shannon = rm.models.garnet(5, 3, 2, discount=0.95), rm.Shannon(0.1)
        >>> counts = rm.theory.gap_iterations(mdp, shannon, step_size=1e-3, accuracy=1e-3)
        >>> counts.mirror_descent < counts.entropy_npg
        True
        >>> counts.smaller == counts.mirror_descent
        True

    References:
        Cen et al. 2022, Operations Research 70(4), Theorem 1; Lan 2023, Mathematical Programming
        198, Theorem 1.
    """
    first = evaluate_start(mdp, regularizer, start, optimum)
    by_sup_norm = entropy_npg_iterations(
        mdp,
        regularizer,
        step_size=step_size,
        accuracy=accuracy,
        quantity="value",
        start=first.policy,
        optimum=first.optimum,
    )
    if first.optimum.stationary is None:
        return IterationCounts(by_sup_norm, math.inf)
    by_potential = mirror_descent_iterations(
        mdp,
        regularizer,
        step_size=mirror_descent_step(mdp, regularizer, step_size),
        accuracy=accuracy,
        start=first.policy,
        optimum=first.optimum,
    )
    return IterationCounts(by_sup_norm, by_potential)


def _solve_geometric(ratio: float, rate: float) -> int:
    """Return the smallest whole t ≥ log(ratio)/rate, so that ratio · (1 - rate)^t ≤ 1."""
    return max(0, math.ceil(math.log(ratio) / rate)) if ratio > 1.0 else 0
