r"""Linear rates of regularized policy optimization: dual averaging with a constant step size.

Index t of a returned array bounds iterate t. Theorems bound iterate t + 1, so that index 0 is ∞.
"""

from __future__ import annotations

from typing import Literal, NamedTuple, TypeAlias

import numpy as np

from regmdp._internal.arrays import ArrayLike, Float
from regmdp._internal.checks import LARGE_ROOT
from regmdp._internal.errors import SolverError
from regmdp._internal.parameters import Instance, Integer, Number, Option, checked
from regmdp.mdp import MDP
from regmdp.mdp.deterministic import DeterministicPolicy
from regmdp.policies import POLICY
from regmdp.regularizers import KL, Regularizer, Shannon
from regmdp.theory.initial_policy import evaluate_start, require_positive_temperature
from regmdp.theory.optima import Optimum

__all__ = [
    "EntropyNPGBounds",
    "GPMDBounds",
    "Quantity",
    "entropy_npg_bounds",
    "gpmd_bounds",
    "inexact_entropy_npg_bounds",
    "inexact_floor",
    "sharp_inexact_floor",
]


#: Quantities whose errors :func:`sharp_inexact_floor` bounds.
Quantity: TypeAlias = Literal["q", "value", "policy", "log_policy"]


class EntropyNPGBounds(NamedTuple):
    """(n + 1,) bounds in the sup norm on the errors of Q_t, V_t and log π_t."""

    q: Float[np.ndarray, " n"]
    value: Float[np.ndarray, " n"]
    log_policy: Float[np.ndarray, " n"]


class GPMDBounds(NamedTuple):
    """(n + 1,) bounds on the errors of Q_t and V_t (sup norm) and π_t (ℓ1, worst state)."""

    q: Float[np.ndarray, " n"]
    value: Float[np.ndarray, " n"]
    policy: Float[np.ndarray, " n"]


@checked(
    mdp=Instance(MDP),
    regularizer=Instance(Regularizer),
    step_size=Number(above=0.0, finite=False),
    iterations=Integer(0),
    optimum=Instance(Optimum) | None,
    start=POLICY | None,
)
def entropy_npg_bounds(
    mdp: MDP,
    regularizer: Regularizer,
    *,
    step_size: float,
    iterations: int,
    start: ArrayLike | DeterministicPolicy | None = None,
    optimum: Optimum | None = None,
) -> EntropyNPGBounds:
    r"""Bound the errors of entropy-regularized natural policy gradient with exact evaluation.

    .. math::
        \|Q^* - Q_{t+1}\|_\infty \le \gamma C_1 (1 - \eta\tau)^t, \quad
        \|V^* - V_{t+1}\|_\infty \le 3 C_1 (1 - \eta\tau)^t, \quad
        \|\log \pi^* - \log \pi_{t+1}\|_\infty \le \tfrac{2 C_1}{\tau} (1 - \eta\tau)^t, \\
        C_1 = \|Q^* - Q_0\|_\infty + 2 \tau \alpha \|\log \pi^* - \log \pi_0\|_\infty, \qquad
        \alpha = 1 - \frac{\eta\tau}{1-\gamma}

    Args:
        mdp: The model, γ < 1.
        regularizer: Shannon or KL, with one temperature τ > 0.
        step_size: η, 0 < η ≤ (1-γ)/τ.
        iterations: n.
        start: (S, A) π_0; by default uniform.
        optimum: The optimum, if it is known.

    Returns:
        Bounds for t = 0 … n.

    Examples:
        >>> import numpy as np, regmdp as rm
        >>> mdp, shannon = rm.models.garnet(5, 3, 2, discount=0.8), rm.Shannon(0.1)
        >>> bounds = rm.theory.entropy_npg_bounds(mdp, shannon, step_size=1.0, iterations=3)
        >>> run = rm.theory.trace(mdp, shannon, rm.algorithms.NPG(step_size=1.0), max_iterations=3)
        >>> bool(np.all(np.max(np.abs(run.optimum.value - run.values), axis=1) <= bounds.value))
        True
        >>> (bounds.q[2:] / bounds.q[1:-1]).round(6)
        array([0.9, 0.9])

    References:
        Cen, Cheng, Chen, Wei & Chi 2022, Operations Research 70(4), Theorem 1, for Shannon. The
        same proof covers KL, where log π is replaced by log π/p0.
    """
    _require_entropy(regularizer)
    tau = require_positive_temperature(regularizer)
    first = evaluate_start(mdp, regularizer, start, optimum)
    weight = _averaging_weight(mdp, tau, step_size)
    constant = first.q_distance + (2.0 * weight * first.dual_distance() if weight > 0.0 else 0.0)
    errors = constant * _geometric_decay(1.0 - step_size * tau, iterations)
    return EntropyNPGBounds(
        _prepend_infinity(mdp.discount * errors),
        _prepend_infinity(3.0 * errors),
        _prepend_infinity(2.0 / tau * errors),
    )


@checked(
    mdp=Instance(MDP),
    regularizer=Instance(Regularizer),
    step_size=Number(above=0.0, finite=False),
    iterations=Integer(0),
    error=Number(0.0, LARGE_ROOT),
    optimum=Instance(Optimum) | None,
    start=POLICY | None,
)
def inexact_entropy_npg_bounds(
    mdp: MDP,
    regularizer: Regularizer,
    *,
    step_size: float,
    iterations: int,
    error: float,
    start: ArrayLike | DeterministicPolicy | None = None,
    optimum: Optimum | None = None,
) -> tuple[Float[np.ndarray, " n"], Float[np.ndarray, " n"]]:
    r"""Bound the error of Q_t of entropy-regularized NPG with inexact evaluation.

    .. math::
        \|Q^* - Q_{t+1}\|_\infty \le \gamma \left[ (1 - \eta\tau)^t C_1 + C_2 \right],
        \qquad C_2 = \frac{2\delta}{1-\gamma} \left( 1 + \frac{\gamma}{\eta\tau} \right)

    if \(\|\hat Q_t - Q_t\|_\infty \le \delta\), and the same with the floor of
    :func:`sharp_inexact_floor` instead of γ C_2, which does not contain 1/(ητ).

    Args:
        mdp: The model, γ < 1.
        regularizer: Shannon or KL, with one temperature τ > 0.
        step_size: η, 0 < η ≤ (1-γ)/τ.
        iterations: n.
        error: δ ≥ 0, in the unit of the rewards.
        start: (S, A) π_0; by default uniform.
        optimum: The optimum, if it is known.

    Returns:
        Both bounds for t = 0 … n, the published one first.

    Examples:
        >>> import regmdp as rm
        >>> mdp, shannon = rm.models.garnet(5, 3, 2, discount=0.8), rm.Shannon(0.1)
        >>> published, sharp = rm.theory.inexact_entropy_npg_bounds(
        ...     mdp, shannon, step_size=0.1, iterations=5, error=0.01
        ... )
        >>> bool((sharp[1:] < published[1:]).all())
        True

    References:
        Cen et al. 2022, Operations Research 70(4), Theorem 2. The second bound is proved with the
        linear system of :func:`linear_system`, to which the noise adds (1-α)δ and, because a noisy
        step loses at most (1-α)δ²/(2τ), a floor.
    """
    exact = entropy_npg_bounds(
        mdp, regularizer, step_size=step_size, iterations=iterations, start=start, optimum=optimum
    ).q
    tau = require_positive_temperature(regularizer)
    weight = _averaging_weight(mdp, tau, step_size)
    published = mdp.discount * inexact_floor(mdp.discount, weight, evaluation_error=error)
    return exact + published, exact + sharp_inexact_floor(mdp.discount, tau, error)


@checked(
    mdp=Instance(MDP),
    regularizer=Instance(Regularizer),
    step_size=Number(above=0.0, finite=False),
    iterations=Integer(0),
    evaluation_error=Number(0.0, LARGE_ROOT),
    subproblem_gap=Number(0.0),
    optimum=Instance(Optimum) | None,
    start=POLICY | None,
)
def gpmd_bounds(
    mdp: MDP,
    regularizer: Regularizer,
    *,
    step_size: float,
    iterations: int,
    evaluation_error: float = 0.0,
    subproblem_gap: float = 0.0,
    start: ArrayLike | DeterministicPolicy | None = None,
    optimum: Optimum | None = None,
) -> GPMDBounds:
    r"""Bound the errors of exact or inexact generalized policy mirror descent, for any convex h.

    .. math::
        \|Q^* - Q_{k+1}\|_\infty \le \gamma \left( C_1 \kappa^k + C_2 \right), \quad
        \|V^* - V_{k+1}\|_\infty \le (\gamma + 2) \left( C_1 \kappa^k + C_2 \right), \quad
        \|\pi^* - \pi_{k+1}\|_1 \le \frac{C_1 \kappa^k + C_2}{\mu\tau}, \\
        \alpha = \frac{1}{1 + \eta\tau}, \qquad \kappa = 1 - (1 - \alpha)(1 - \gamma), \qquad
        C_1 = \|Q^* - Q_0\|_\infty + 2 \alpha \|Q^* - \tau \xi_0\|_\infty

    C_2 is :func:`inexact_floor`, 0 if evaluation and subproblems are exact. With a gap e2 of the
    subproblems the bound on V increases by (1-α) e2, and that on the policy by
    \(\sqrt{2 (1-\alpha) e_2/(\mu\tau)}\). The bound on the policy is ∞ unless h is μ-strongly
    convex in ℓ1.

    Args:
        mdp: The model, γ < 1.
        regularizer: Any, with one temperature τ > 0.
        step_size: η > 0 of mirror descent; ``inf`` is regularized policy iteration.
        iterations: n.
        evaluation_error: e1 with ‖Q̂ - Q‖ ≤ e1 in the sup norm, in the unit of the rewards.
        subproblem_gap: e2, largest distance of the objective ⟨Q, p⟩ - τh(p) - D(p, π)/η from its
            maximum.
        start: (S, A) π_0; by default uniform.
        optimum: The optimum, if it is known.

    Returns:
        Bounds for k = 0 … n.

    Examples:
        >>> import numpy as np, regmdp as rm
        >>> mdp, sparse = rm.models.garnet(5, 3, 2, discount=0.8), rm.SquaredL2(0.5)
        >>> bounds = rm.theory.gpmd_bounds(mdp, sparse, step_size=2.0, iterations=3)
        >>> (bounds.q[2:] / bounds.q[1:-1]).round(6)
        array([0.9, 0.9])

    References:
        Zhan, Cen, Huang, Chen, Lee & Chi 2023, SIAM Journal on Optimization 33(2), Theorem 1
        (exact) and Theorem 2 (inexact). ξ_0 is defined up to a constant per state, chosen such that
        h*(ξ_0) = h*(Q*/τ).
    """
    tau = require_positive_temperature(regularizer)
    first = evaluate_start(mdp, regularizer, start, optimum)
    weight = 1.0 / (1.0 + step_size * tau)
    constant = first.q_distance + (2.0 * weight * first.dual_distance() if weight > 0.0 else 0.0)
    floor = inexact_floor(
        mdp.discount, weight, evaluation_error=evaluation_error, subproblem_gap=subproblem_gap
    )
    errors = (
        constant * _geometric_decay(1.0 - (1.0 - weight) * (1.0 - mdp.discount), iterations) + floor
    )
    modulus = regularizer.strong_convexity(mdp.n_actions)
    missed = (1.0 - weight) * subproblem_gap
    policy = (
        errors / (modulus * tau) + np.sqrt(2.0 * missed / (modulus * tau))
        if modulus > 0.0
        else np.full_like(errors, np.inf)
    )
    return GPMDBounds(
        _prepend_infinity(mdp.discount * errors),
        _prepend_infinity((mdp.discount + 2.0) * errors + missed),
        _prepend_infinity(policy),
    )


@checked(
    discount=Number(0.0, 1.0),
    weight=Number(0.0, 1.0),
    evaluation_error=Number(0.0, LARGE_ROOT),
    subproblem_gap=Number(0.0),
)
def inexact_floor(
    discount: float, weight: float, *, evaluation_error: float = 0.0, subproblem_gap: float = 0.0
) -> float:
    r"""Return the error floor C_2 of inexact dual averaging; γ C_2 is that of Q.

    .. math::
        C_2 = \frac{1}{1-\gamma} \left[ \left( 2 + \frac{2\gamma}{(1-\gamma)(1-\alpha)} \right) e_1
        + \left( 1 + \frac{2\gamma}{(1-\gamma)(1-\alpha)} \right) e_2 \right]

    For natural policy gradient (1-γ)(1-α) = ητ, and without e2 this is
    \(\frac{2\delta}{1-\gamma}(1 + \frac{\gamma}{\eta\tau})\).

    Args:
        discount: γ.
        weight: α = 1/(1 + ητ) of mirror descent, 1 - ητ/(1-γ) of natural policy gradient.
        evaluation_error: e1, in the unit of the rewards.
        subproblem_gap: e2, in the unit of the rewards.

    Examples:
        >>> import regmdp as rm
        >>> round(rm.theory.inexact_floor(0.5, 0.5, evaluation_error=0.01), 6)
        0.12

    References:
        Zhan et al. 2023, SIAM Journal on Optimization 33(2), Theorem 2; Cen et al. 2022, Operations
        Research 70(4), Theorem 2.
    """
    if evaluation_error == 0.0 and subproblem_gap == 0.0:
        return 0.0
    gain = (1.0 - discount) * (1.0 - weight)
    propagated = 2.0 * discount / gain if discount > 0.0 else 0.0
    return ((2.0 + propagated) * evaluation_error + (1.0 + propagated) * subproblem_gap) / (
        1.0 - discount
    )


@checked(
    discount=Number(0.0, 1.0),
    temperature=Number(above=0.0),
    error=Number(0.0, LARGE_ROOT),
    modulus=Number(above=0.0),
    quantity=Option("q", "value", "policy", "log_policy"),
)
def sharp_inexact_floor(
    discount: float,
    temperature: float,
    error: float,
    modulus: float = 1.0,
    quantity: Quantity = "q",
) -> float:
    r"""Return an error floor for inexact evaluation, without the factor 1/(ητ).

    .. math::
        F_V = \frac{1}{1-\gamma} \left( 2\delta
        + \frac{\gamma \delta^2}{2 \mu \tau (1-\gamma)} \right), \qquad
        F_Q = \gamma F_V, \qquad
        F_\pi = \frac{F_Q + \delta}{\mu\tau}, \qquad
        F_{\log \pi} = \frac{2 (F_Q + \delta)}{\tau}

    are the floors of Q, V, π in ℓ1, and log π, the latter for Shannon and KL. The rates to them are
    those of exact evaluation: with the C_1 and κ of :func:`gpmd_bounds`

    .. math::
        \|Q^* - Q_{k+1}\|_\infty \le \gamma C_1 \kappa^k + F_Q, \quad
        \|V^* - V_{k+1}\|_\infty \le C_1 \kappa^k + F_V, \quad
        \|\pi^* - \pi_{k+1}\|_1 \le \frac{C_1 \kappa^k}{\mu\tau} + F_\pi

    With \(\delta \le \frac{1-\gamma}{\gamma} \min\{\epsilon/4, \sqrt{\epsilon\tau}/2\}\) the
    floor of Q is at most 5ε/8, for μ = 1.

    Args:
        discount: γ.
        temperature: τ > 0.
        error: δ, in the unit of the rewards.
        modulus: μ, modulus of strong convexity of h in ℓ1; 1 for Shannon and KL.
        quantity: Whose error: "q", "value", "policy" or "log_policy".

    Examples:
        >>> import regmdp as rm
        >>> gamma, tau, epsilon = 0.9, 0.1, 0.01
        >>> delta = (1 - gamma) / gamma * min(epsilon / 4, (epsilon * tau) ** 0.5 / 2)
        >>> rm.theory.sharp_inexact_floor(gamma, tau, delta) <= 5 / 8 * epsilon
        True

    References:
        A refinement of Cen et al. 2022, Operations Research 70(4), Theorem 2. The gain of a step is
        at least \(\langle Q, \pi^+ - \pi \rangle\) minus noise, D(π⁺, π)/η + (1/η + τ) D(π, π⁺) -
        δ‖π⁺ - π‖_1 ≥ -(1-α)δ²/(2μτ), instead of -2δ; so the largest entry E_k of τξ_k - Q_k is at
        most α^k E_0 + δ + γδ²/(2μτ(1-γ)). With it V* - V_k ≤ ‖Q* - τξ_k‖ + E_k, as h* is
        1-Lipschitz, and ‖Q* - τξ_{k+1}‖ ≤ α ‖Q* - τξ_k‖ + (1-α) (‖Q* - Q_k‖ + δ): the errors minus
        F_Q and F_Q + δ obey the linear system of the exact method, :func:`linear_system`. With δ =
        0 this is ‖V* - V_{k+1}‖ ≤ C_1 κ^k, where the published constants are 3 and γ + 2.
    """
    step_loss = discount * error**2 / (2.0 * modulus * temperature * (1.0 - discount))
    of_value = (2.0 * error + step_loss) / (1.0 - discount)
    of_dual = discount * of_value + error
    floors = {
        "q": discount * of_value,
        "value": of_value,
        "policy": of_dual / (modulus * temperature),
        "log_policy": 2.0 * of_dual / temperature,
    }
    return floors[quantity]


def _geometric_decay(rate: float, iterations: int) -> Float[np.ndarray, " n"]:
    """Return (n,) rate^t, the decay for iterate t + 1."""
    # at the largest step 1 - ητ = γ, and rounding may give a negative number if γ = 0
    return max(rate, 0.0) ** np.arange(iterations)


def _prepend_infinity(bounds: Float[np.ndarray, " n"]) -> Float[np.ndarray, " m"]:
    """(n,) bounds on iterates 1 … n -> (n + 1,) with ∞ for iterate 0."""
    return np.concatenate([[np.inf], bounds])


def _averaging_weight(mdp: MDP, tau: float, step_size: float) -> float:
    """Return α = 1 - ητ/(1-γ) of natural policy gradient.

    Raises:
        SolverError: if the step size is outside of (0, (1-γ)/τ].
    """
    largest = (1.0 - mdp.discount) / tau
    if not 0.0 < step_size <= largest * (1.0 + 1e-12):
        raise SolverError(
            f"the step size must be in (0, (1-γ)/τ] = (0, {largest:.6g}], not {step_size:.6g}"
        )
    return max(0.0, 1.0 - step_size / largest)


def _require_entropy(regularizer: Regularizer) -> None:
    """Check that the regularizer is Shannon or KL."""
    if not isinstance(regularizer, Shannon | KL):
        raise SolverError(
            f"this theorem is about Shannon and KL, not {type(regularizer).__name__}; see "
            "gpmd_bounds"
        )
