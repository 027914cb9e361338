r"""Identities: they hold exactly, up to rounding.

They use visits \(\rho^\top (I - \gamma P_\pi)^{-1}\), which are d_ρ/(1-γ), and so they also hold if
episodes end.
"""

from __future__ import annotations

import numpy as np

from regmdp import bellman
from regmdp._internal.arrays import UNIT_ROUNDOFF, Array, ArrayLike, Float
from regmdp._internal.errors import SolverError
from regmdp._internal.parameters import Instance, Number, checked
from regmdp.algorithms import NPG
from regmdp.certificates import evaluate
from regmdp.evaluation import visits
from regmdp.improvement.dual_variables import subtract_best
from regmdp.mdp import MDP
from regmdp.mdp.deterministic import DeterministicPolicy
from regmdp.policies import POLICY, check_policy
from regmdp.problem import check_regularizer
from regmdp.regularizers import Regularizer
from regmdp.theory.dual_averaging import (
    DualAveragingRun,
    as_exact_dual_averaging,
    bregman_divergence,
    require_exact,
)
from regmdp.theory.optima import Optimum, compute_optimum
from regmdp.theory.report import ComparedValues, Identity, NotApplicableError, UpperBound
from regmdp.theory.runs import Trace, trace
from regmdp.theory.statements import Statement

__all__ = [
    "STATEMENTS",
    "gap_by_divergence",
    "monotone_improvement",
    "performance_difference",
    "three_point_identity",
]

#: Tolerance of an identity, relative to the magnitude of its terms.
IDENTITY_TOLERANCE = 1e-9


@checked(
    mdp=Instance(MDP),
    regularizer=Instance(Regularizer) | None,
    other=POLICY,
    policy=POLICY,
)
def performance_difference(
    mdp: MDP,
    regularizer: Regularizer | None,
    policy: ArrayLike | DeterministicPolicy,
    other: ArrayLike | DeterministicPolicy,
) -> float:
    r"""Return V^π(ρ) - V^π'(ρ) by the regularized performance difference lemma.

    .. math::
        V^\pi(\rho) - V^{\pi'}(\rho)
        = \frac{1}{1-\gamma} E_{s \sim d_\rho^\pi} \left[
        \langle Q^{\pi'}(s), \pi(s) - \pi'(s) \rangle - \tau h(\pi(s)) + \tau h(\pi'(s)) \right]

    Args:
        mdp: The model.
        regularizer: The regularizer, or None.
        policy: (S, A) or (S,) π, whose visits are used.
        other: (S, A) or (S,) π', whose action values are used.

    Examples:
        >>> import numpy as np, regmdp as rm
        >>> mdp, shannon = rm.models.garnet(5, 3, 2), rm.Shannon(0.1)
        >>> one, other = rm.uniform_policy(mdp), np.full((5, 3), [0.1, 0.2, 0.7])
        >>> values = [rm.evaluate(mdp, policy, shannon).initial_value for policy in (one, other)]
        >>> bool(
        ...     np.isclose(
        ...         rm.theory.performance_difference(mdp, shannon, one, other),
        ...         values[0] - values[1],
        ...     )
        ... )
        True

    References:
        Kakade & Langford 2002, ICML, Lemma 6.1, without a regularizer; Lan 2023, Mathematical
        Programming 198, with one. The right side is sometimes printed with π^(t+1) instead of π;
        this is an erratum.
    """
    regularizer = check_regularizer(mdp, regularizer)
    one, two = check_policy(mdp, policy, regularizer), check_policy(mdp, other, regularizer)
    value = evaluate(mdp, two, regularizer).value
    return float(visits(mdp, one) @ (bellman.policy_backup(mdp, regularizer, one, value) - value))


@checked(
    mdp=Instance(MDP),
    regularizer=Instance(Regularizer),
    optimum=Instance(Optimum) | None,
    policy=POLICY,
)
def gap_by_divergence(
    mdp: MDP,
    regularizer: Regularizer,
    policy: ArrayLike | DeterministicPolicy,
    optimum: Optimum | None = None,
) -> float:
    r"""Return V*(ρ) - V^π(ρ), computed as a divergence from the optimal policy.

    .. math::
        V^*(\rho) - V^\pi(\rho)
        = \frac{\tau}{1-\gamma} E_{s \sim d_\rho^\pi} D_h(\pi(s), \pi^*(s); Q^*(s)/\tau)

    For Shannon and KL the divergence is KL(π(s)‖π*(s)), as in the literature. For other h it is the
    Bregman divergence with the subgradient Q*/τ of h at π*. The identity is the performance
    difference lemma for the optimum.

    Args:
        mdp: The model, γ < 1.
        regularizer: The regularizer, τ > 0 in every state.
        policy: (S, A) or (S,) π.
        optimum: The optimum, if it is known.

    Raises:
        SolverError: if there is no regularizer.

    Examples:
        >>> import numpy as np, regmdp as rm
        >>> mdp, shannon = rm.models.garnet(5, 3, 2), rm.Shannon(0.1)
        >>> uniform = rm.uniform_policy(mdp)
        >>> gap = (
        ...     rm.solve(mdp, shannon).initial_value
        ...     - rm.evaluate(mdp, uniform, shannon).initial_value
        ... )
        >>> bool(np.isclose(rm.theory.gap_by_divergence(mdp, shannon, uniform), gap))
        True

    References:
        Mei, Xiao, Szepesvári & Schuurmans 2020, ICML, Lemma 26 ("soft sub-optimality"); Cen et al.
        2022, Operations Research 70(4).
    """
    if not np.all(np.asarray(regularizer.temperature) > 0.0):
        raise SolverError(
            "this identity needs a positive temperature in every state, not "
            f"{regularizer.temperature!r}"
        )
    optimum = compute_optimum(mdp, regularizer) if optimum is None else optimum
    policy = check_policy(mdp, policy, regularizer)
    return float(visits(mdp, policy) @ _weighted_divergence(optimum, policy))


def _weighted_divergence(optimum: Optimum, policy: Float[Array, "S A"]) -> Float[np.ndarray, " S"]:
    """(S, A) policy -> (S,) τ D_h(π, π*; Q*/τ); τ KL(π‖π*) for Shannon and KL."""
    regularizer, allowed = optimum.regularizer, optimum.allowed
    tau = np.broadcast_to(np.asarray(regularizer.temperature, dtype=np.float64), allowed.shape[:1])
    dual = np.where(allowed, subtract_best(optimum.q, allowed) / tau[:, None], -np.inf)
    return tau * bregman_divergence(regularizer, policy, dual, allowed)


def three_point_identity(
    regularizer: Regularizer,
    q: Float[Array, "S A"],
    *,
    inverse_step: float,
    temperature: Float[Array, " S"],
    before: Float[Array, "S A"],
    after: Float[Array, "S A"],
    policy: Float[Array, "S A"],
    comparator: Float[Array, "S A"],
    allowed: Array,
) -> tuple[Float[np.ndarray, " S"], Float[np.ndarray, " S"]]:
    r"""Return both (S,) sides of the three-point identity of a step of mirror descent.

    .. math::
        \langle Q, \pi^+ - p \rangle - \tau h(\pi^+) + \tau h(p)
        = \left( \tfrac{1}{\eta} + \tau \right) D(p, \pi^+)
        + \tfrac{1}{\eta} D(\pi^+, \pi) - \tfrac{1}{\eta} D(p, \pi)

    for any distribution p. This is the usual form divided by η, so that η = ∞ is allowed.

    Args:
        regularizer: The regularizer h, or the mirror map where τ = 0.
        q: (S, A) Q of π.
        inverse_step: 1/η.
        temperature: (S,) τ.
        before: (S, A) dual variable ξ of π.
        after: (S, A) dual variable ξ⁺ of π⁺.
        policy: (S, A) π⁺.
        comparator: (S, A) p.
        allowed: (S, A) mask of the permitted pairs.

    References:
        Chen & Teboulle 1993, SIAM Journal on Optimization 3(3), section 3; Lan 2023, Mathematical
        Programming 198. It is an identity instead of an inequality because h is the mirror map:
        Zhan et al. 2023, SIAM Journal on Optimization 33(2).
    """
    tau = np.asarray(temperature)

    def cost(p: Array) -> Array:
        return np.where(tau > 0, tau * np.where(tau > 0, regularizer.value(p, allowed), 0.0), 0.0)

    left = (
        np.sum((policy - comparator) * np.where(allowed, q, 0.0), axis=-1)
        - cost(policy)
        + cost(comparator)
    )
    right = (inverse_step + tau) * bregman_divergence(regularizer, comparator, after, allowed)
    if inverse_step > 0.0:
        difference = bregman_divergence(regularizer, policy, before, allowed) - bregman_divergence(
            regularizer, comparator, before, allowed
        )
        right = right + inverse_step * difference
    live = np.asarray(allowed).any(axis=-1)
    return np.where(live, left, 0.0), np.where(live, right, 0.0)


@checked(
    mdp=Instance(MDP),
    regularizer=Instance(Regularizer) | None,
    step_size=Number(above=0.0, finite=False),
    policy=POLICY,
)
def monotone_improvement(
    mdp: MDP,
    regularizer: Regularizer | None,
    policy: ArrayLike | DeterministicPolicy,
    *,
    step_size: float,
) -> float:
    r"""Return V^{π⁺}(ρ) - V^π(ρ) of a step of entropy-regularized natural policy gradient.

    .. math::
        V^+(\rho) - V(\rho) = E_{s \sim d_\rho^{\pi^+}} \left[
        \left( \tfrac{1}{\eta} - \tfrac{\tau}{1-\gamma} \right) KL(\pi^+ \| \pi)
        + \tfrac{1}{\eta} KL(\pi \| \pi^+) \right]

    With the step size of mirror descent, \(1/\eta_\mathrm{MD} = (1-\gamma)/\eta - \tau\), the same
    holds for any h with its Bregman divergence; :func:`check` compares this form with runs:

    .. math::
        V^+(\rho) - V(\rho)
        = \frac{1}{1-\gamma} E_{s \sim d_\rho^{\pi^+}}
        \left[ \tfrac{1}{\eta_\mathrm{MD}} D(\pi^+, \pi)
        + \left( \tfrac{1}{\eta_\mathrm{MD}} + \tau \right) D(\pi, \pi^+) \right]

    Args:
        mdp: The model, γ < 1.
        regularizer: Shannon or KL, or None for τ = 0.
        policy: (S, A) π, positive at every permitted pair.
        step_size: η of natural policy gradient, 0 < η ≤ (1-γ)/τ.

    Examples:
        >>> import numpy as np, regmdp as rm
        >>> mdp, shannon = rm.models.garnet(5, 3, 2), rm.Shannon(0.1)
        >>> run = rm.theory.trace(mdp, shannon, rm.algorithms.NPG(step_size=0.2), max_iterations=1)
        >>> gained = run.values_from_start[1] - run.values_from_start[0]
        >>> predicted = rm.theory.monotone_improvement(
        ...     mdp, shannon, rm.uniform_policy(mdp), step_size=0.2
        ... )
        >>> bool(np.isclose(gained, predicted))
        True

    References:
        Cen, Cheng, Chen, Wei & Chi 2022, Operations Research 70(4), Lemma 1 ("performance
        improvement").
    """
    run = trace(mdp, regularizer, NPG(step_size), max_iterations=1, start=policy)
    return float(_step_gain(as_exact_dual_averaging(run), 0) @ run.visits[1])


def _step_gain(view: DualAveragingRun, iterate: int) -> Float[np.ndarray, " S"]:
    """Return (S,) (1/η) D(π⁺, π) + (1/η + τ) D(π, π⁺) of one step."""
    run, inverse = view.run, view.inverse_steps[iterate]
    back = bregman_divergence(
        view.mirror, run.policies[iterate], view.duals[iterate + 1], run.allowed
    )
    gain = (inverse + view.temperature) * back
    if inverse > 0.0:
        gain = gain + inverse * bregman_divergence(
            view.mirror, run.policies[iterate + 1], view.duals[iterate], run.allowed
        )
    return gain


# ---- comparison with runs ----


def _compare_evaluation(run: Trace) -> ComparedValues:
    require_exact(run)
    allowed, rounding = run.evaluation_errors
    return ComparedValues(np.arange(run.iterations + 1), run.certified_error, allowed, rounding)


def _identity_scale(run: Trace, iterate: int) -> float:
    """Return the magnitude of the terms of an identity between V_k and V_{k+1}, per visit."""
    cost = np.abs(run.cost(run.policies[iterate])) + np.abs(run.cost(run.policies[iterate + 1]))
    return float(
        np.max(np.abs(run.values[iterate]) + np.max(np.abs(run.q[iterate]), axis=1) + cost)
    )


def _compare_performance_difference(run: Trace) -> ComparedValues:
    require_exact(run)
    steps = np.arange(run.iterations)
    start = run.values_from_start
    gained = np.array(
        [run.visits[k + 1] @ run.step_gain(run.policies[k + 1], k) for k in range(run.iterations)]
    )
    scale = np.array([_identity_scale(run, k) for k in range(run.iterations)])
    rounding = (
        run.value_error[1:] + (1.0 + 2.0 * np.sum(run.visits[1:], axis=1)) * run.value_error[:-1]
    )
    return ComparedValues(steps + 1, np.diff(start), gained, IDENTITY_TOLERANCE * scale + rounding)


def _compare_gap(run: Trace) -> ComparedValues:
    require_exact(run)
    if not np.all(np.asarray(run.regularizer.temperature) > 0.0):
        raise NotApplicableError("there is no regularizer, or its temperature is 0 somewhere")
    every = np.arange(run.iterations + 1)
    gap = run.mdp.initial @ run.optimum.value - run.values_from_start
    predicted = np.array(
        [
            visits_k @ _weighted_divergence(run.optimum, p)
            for visits_k, p in zip(run.visits, run.policies, strict=True)
        ]
    )
    count = np.sum(run.visits, axis=1)
    rounding = (
        run.optimum.error
        + run.value_error
        + count * (run.optimum.q_error + _bound_divergence_rounding(run))
    )
    return ComparedValues(
        every,
        gap,
        predicted,
        IDENTITY_TOLERANCE * np.maximum(np.abs(gap), np.abs(predicted)) + rounding,
    )


def _bound_divergence_rounding(run: Trace) -> float:
    """Bound the rounding error of one τ D_h(π, π*; Q*/τ)."""
    tau, n_actions = run.regularizer.max_temperature, run.mdp.n_actions
    spread = float(np.max(-subtract_best(run.optimum.q, run.allowed)))
    return (
        4 * tau * run.regularizer.rounding(n_actions) + 8 * (n_actions + 4) * UNIT_ROUNDOFF * spread
    )


def _compare_three_point(run: Trace) -> ComparedValues:
    view = as_exact_dual_averaging(run)
    steps = np.arange(run.iterations)
    measured, predicted, slack = np.empty(steps.size), np.empty(steps.size), np.empty(steps.size)
    comparator = run.optimum.policy
    for k in range(run.iterations):
        q = subtract_best(run.q[k], run.allowed)
        inverse = float(view.inverse_steps[k])
        before, after = view.duals[k], view.duals[k + 1]
        left, right = three_point_identity(
            view.mirror,
            q,
            inverse_step=inverse,
            temperature=view.temperature,
            before=before,
            after=after,
            policy=run.policies[k + 1],
            comparator=comparator,
            allowed=run.allowed,
        )
        spread = np.max(np.abs(q), axis=1)
        far = (
            np.max(np.where(np.isfinite(before) & run.allowed, np.abs(before), 0.0), axis=1)
            if inverse > 0
            else np.zeros(1)
        )
        scale = (
            spread
            + inverse * far
            + (inverse + view.temperature) * view.mirror.magnitude(run.mdp.n_actions)
        )
        worst = int(
            np.argmax(
                np.nan_to_num(np.abs(left - right) / np.where(scale > 0, scale, 1.0), nan=np.inf)
            )
        )
        measured[k], predicted[k], slack[k] = (
            left[worst],
            right[worst],
            IDENTITY_TOLERANCE * scale[worst],
        )
    rounding = 4 * (
        view.noise
        + (view.inverse_steps + run.regularizer.max_temperature)
        * view.mirror.rounding(run.mdp.n_actions)
    )
    return ComparedValues(steps + 1, measured, predicted, slack + rounding)


def _compare_monotone_improvement(run: Trace) -> ComparedValues:
    view = as_exact_dual_averaging(run)
    steps = np.arange(run.iterations)
    gained = np.diff(run.values_from_start)
    predicted = np.array([run.visits[k + 1] @ _step_gain(view, k) for k in range(run.iterations)])
    count = np.sum(run.visits[1:], axis=1)
    rounding = run.value_error[1:] + run.value_error[:-1] + 4 * count * _bound_step_rounding(view)
    return ComparedValues(
        steps + 1,
        gained,
        predicted,
        IDENTITY_TOLERANCE * np.maximum(np.abs(gained), np.abs(predicted)) + rounding,
    )


def _bound_step_rounding(view: DualAveragingRun) -> Float[np.ndarray, " n"]:
    """(n,) bound on the rounding error of both sides of a one-step identity in a state."""
    n_actions = view.run.mdp.n_actions
    total = view.inverse_steps + view.run.regularizer.max_temperature
    return view.noise + total * (2 * view.mirror.rounding(n_actions))


STATEMENTS = (
    Statement(
        "evaluation",
        "V = (I - γP)⁻¹(r - τh): the values are those of the policies",
        UpperBound,
        _compare_evaluation,
    ),
    Statement(
        "performance difference",
        "Kakade & Langford 2002, Lemma 6.1, with a regularizer",
        Identity,
        _compare_performance_difference,
    ),
    Statement(
        "gap by divergence",
        "Mei et al. 2020, Lemma 26: τ/(1-γ) E KL(π‖π*), for Shannon and KL",
        Identity,
        _compare_gap,
    ),
    Statement(
        "three points",
        "Chen & Teboulle 1993; Lan 2023; Zhan et al. 2023",
        Identity,
        _compare_three_point,
    ),
    Statement(
        "monotone improvement", "Cen et al. 2022, Lemma 1", Identity, _compare_monotone_improvement
    ),
)
