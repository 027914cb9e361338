r"""The proof that the potential of mirror descent contracts, step by step, as statements.

With Δ_k(p) = ⟨Q_k, p - π_k⟩ - τh(p) + τh(π_k), the gain of one step over π_k in a state, and ν*
stationary under π*:

.. math::
    V_{k+1}(\nu^*) - V_k(\nu^*)
    &= \tfrac{1}{1-\gamma} E_{s \sim d_{\nu^*}^{(k+1)}} \Delta_k(\pi_{k+1})
    \ge E_{s \sim \nu^*} \Delta_k(\pi_{k+1}), \\
    E_{s \sim \nu^*} \Delta_k(\pi_{k+1})
    &= E_{s \sim \nu^*} \Delta_k(\pi^*)
    + E_{s \sim \nu^*} [\Delta_k(\pi_{k+1}) - \Delta_k(\pi^*)], \\
    E_{s \sim \nu^*} \Delta_k(\pi^*) &= (1-\gamma) (V^*(\nu^*) - V_k(\nu^*)), \\
    E_{s \sim \nu^*} [\Delta_k(\pi_{k+1}) - \Delta_k(\pi^*)]
    &\ge (\tfrac{1}{\eta} + \tau) E_{s \sim \nu^*} D(\pi^*, \pi_{k+1})
    - \tfrac{1}{\eta} E_{s \sim \nu^*} D(\pi^*, \pi_k)

The first inequality holds because Δ_k(π_{k+1}) ≥ 0 in each state and
\(d_{\nu^*}^{(k+1)} \ge (1-\gamma) \nu^*\). Together they are the statement on the potential.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from regmdp._internal.arrays import UNIT_ROUNDOFF, Array, ArrayLike, Float
from regmdp._internal.errors import SolverError
from regmdp._internal.parameters import Distributions, Instance, checked
from regmdp.evaluation import Chain, Exact
from regmdp.mdp import MDP
from regmdp.mdp.deterministic import DeterministicPolicy
from regmdp.policies import POLICY, check_policy
from regmdp.problem import check_regularizer
from regmdp.theory.dual_averaging import as_mirror_descent
from regmdp.theory.identities import IDENTITY_TOLERANCE
from regmdp.theory.report import ComparedValues, Identity, UpperBound
from regmdp.theory.runs import Trace, cached_on_run
from regmdp.theory.statements import Statement
from regmdp.theory.steps import measure_potential

__all__ = ["STATEMENTS", "occupancy_ratio"]


@checked(
    mdp=Instance(MDP),
    distribution=Distributions("S"),
    policy=POLICY,
)
def occupancy_ratio(
    mdp: MDP, policy: ArrayLike | DeterministicPolicy, distribution: Float[Array, " S"]
) -> float:
    r"""Return the smallest ratio of the discounted occupancy to its initial distribution.

    .. math::
        \min_{s : \nu(s) > 0} \frac{d_\nu^\pi(s)}{\nu(s)} \ge 1 - \gamma

    The bound holds for every policy and every ν, because the first visit alone contributes
    (1-γ) ν.

    Args:
        mdp: The model, γ < 1.
        policy: (S, A) or (S,) π.
        distribution: (S,) ν.

    Raises:
        SolverError: if γ = 1, or the distribution is not one on the states.

    Examples:
        >>> import numpy as np, regmdp as rm
        >>> mdp = rm.models.chain(3, discount=0.5)
        >>> uniform = rm.uniform_policy(mdp)
        >>> round(rm.theory.occupancy_ratio(mdp, uniform, np.array([0.0, 1.0, 0.0])), 12)
        0.5625
        >>> nu = rm.theory.stationary_distribution(mdp, uniform)
        >>> round(rm.theory.occupancy_ratio(mdp, uniform, nu), 12)
        1.0

    References:
        Lan 2023, Mathematical Programming 198, in the proof of Theorem 1. Erratum: the factor is
        sometimes printed as \(\|d^{\pi^*}/d^{(t+1)}\|_\infty\), without the exponent -1.
    """
    if not mdp.discount < 1.0:
        raise SolverError("the occupancy needs a discount below 1")
    nu = np.asarray(distribution)
    checked = check_policy(mdp, policy, check_regularizer(mdp, None))
    ratio, _ = _measure_occupancy_ratio(mdp, checked, nu)
    return float(np.min(ratio))


def _measure_occupancy_ratio(
    mdp: MDP, policy: Float[Array, "S A"], nu: Float[np.ndarray, " S"]
) -> tuple[Float[np.ndarray, " S"], Float[np.ndarray, " S"]]:
    """Return (S,) d_ν/ν, ∞ where ν is 0, and (S,) bounds on its errors, by the residual."""
    chain = Chain.from_policy(mdp, policy)
    visits = Exact().prepare(chain).solve_transposed(nu)
    residual = np.sum(np.abs(nu + mdp.discount * (chain.matrix.T @ visits) - visits))
    error = residual + 8.0 * UNIT_ROUNDOFF * (mdp.n_states + 8) / (1.0 - mdp.discount)
    reached = nu > 0.0
    safe = np.where(reached, nu, 1.0)
    return (
        np.where(reached, (1.0 - mdp.discount) * visits / safe, np.inf),
        np.where(reached, error / safe, 0.0),
    )


# ---- comparison with runs ----


class _Gains(NamedTuple):
    """Gains of the steps of a run.

    Attributes:
        taken: (n, S) Δ_k(π_{k+1}).
        optimal: (n, S) Δ_k(π*).
        scale: (n,) magnitude of their terms.
    """

    taken: Float[np.ndarray, "n S"]
    optimal: Float[np.ndarray, "n S"]
    scale: Float[np.ndarray, " n"]


@cached_on_run
def _measure_gains(run: Trace) -> _Gains:
    shape = (run.iterations, run.mdp.n_states)
    best = run.optimum.policy
    taken = [run.step_gain(run.policies[k + 1], k) for k in range(run.iterations)]
    optimal = [run.step_gain(best, k) for k in range(run.iterations)]
    highest = np.max(np.abs(run.cost(best)))
    scale = [
        np.max(np.abs(run.q[k])) + np.max(np.abs(run.cost(run.policies[k]))) + highest
        for k in range(run.iterations)
    ]
    return _Gains(np.reshape(taken, shape), np.reshape(optimal, shape), np.array(scale))


def _compare_occupancy_ratio(run: Trace) -> ComparedValues:
    as_mirror_descent(run)
    nu = measure_potential(run).stationary
    ratios, slacks = np.empty(run.iterations), np.empty(run.iterations)
    for k in range(run.iterations):
        ratio, error = _measure_occupancy_ratio(run.mdp, run.policies[k + 1], nu)
        worst = int(np.argmin(ratio + error))
        ratios[k], slacks[k] = ratio[worst], error[worst]
    least = np.full(run.iterations, 1.0 - run.mdp.discount)
    return ComparedValues(np.arange(1, run.iterations + 1), least, ratios, slacks)


def _compare_gain_in_states(run: Trace) -> ComparedValues:
    view, gains = as_mirror_descent(run), _measure_gains(run)
    total = view.inverse_steps + run.regularizer.max_temperature
    slack = 4.0 * (view.noise + total * view.mirror.rounding(run.mdp.n_actions))
    slack = slack + 32.0 * UNIT_ROUNDOFF * (run.mdp.n_actions + 8) * gains.scale
    return ComparedValues(
        np.arange(1, run.iterations + 1),
        np.zeros(run.iterations),
        np.min(gains.taken, axis=1, initial=np.inf),
        slack,
    )


def _compare_gain_from_stationary(run: Trace) -> ComparedValues:
    potential, gains = measure_potential(run), _measure_gains(run)
    slack = potential.slack + 32.0 * UNIT_ROUNDOFF * (run.mdp.n_actions + 8) * gains.scale
    return ComparedValues(
        np.arange(1, run.iterations + 1),
        gains.taken @ potential.stationary,
        potential.gap[:-1] - potential.gap[1:],
        slack,
    )


def _compare_optimal_gain(run: Trace) -> ComparedValues:
    potential, gains = measure_potential(run), _measure_gains(run)
    return ComparedValues(
        np.arange(1, run.iterations + 1),
        gains.optimal @ potential.stationary,
        (1.0 - run.mdp.discount) * potential.gap[:-1],
        potential.slack + IDENTITY_TOLERANCE * gains.scale,
    )


def _compare_three_points(run: Trace) -> ComparedValues:
    view = as_mirror_descent(run)
    potential, gains = measure_potential(run), _measure_gains(run)
    lower = np.empty(run.iterations)
    for k, inverse in enumerate(view.inverse_steps):
        after = (inverse + view.temperature) * potential.divergence[k + 1]
        before = inverse * potential.divergence[k] if inverse > 0.0 else 0.0
        lower[k] = potential.stationary @ (after - before)
    slack = potential.slack + 64.0 * UNIT_ROUNDOFF * (run.mdp.n_actions + 8) * gains.scale
    return ComparedValues(
        np.arange(1, run.iterations + 1),
        lower,
        (gains.taken - gains.optimal) @ potential.stationary,
        slack,
    )


SOURCE = "in the proof of Lan 2023, Theorem 1; Zhan et al. 2023"

STATEMENTS = (
    Statement(
        "occupancy ratio",
        f"d_ν*/ν* ≥ 1-γ for the occupancy of the next policy: {SOURCE}",
        UpperBound,
        _compare_occupancy_ratio,
    ),
    Statement(
        "gain in each state",
        f"⟨Q, π⁺ - π⟩ - τh(π⁺) + τh(π) ≥ 0: {SOURCE}",
        UpperBound,
        _compare_gain_in_states,
    ),
    Statement(
        "gain from ν*",
        f"E_ν* of the gain in each state ≤ V⁺(ν*) - V(ν*): {SOURCE}",
        UpperBound,
        _compare_gain_from_stationary,
    ),
    Statement(
        "optimal gain from ν*",
        f"E_ν*[⟨Q, π* - π⟩ - τh(π*) + τh(π)] = (1-γ) gap(ν*): {SOURCE}",
        Identity,
        _compare_optimal_gain,
    ),
    Statement(
        "three points from ν*",
        f"E_ν*[⟨Q, π⁺ - π*⟩ - τh(π⁺) + τh(π*)] ≥ (1/η + τ) E D(π*, π⁺) - E D(π*, π)/η: {SOURCE}",
        UpperBound,
        _compare_three_points,
    ),
)
