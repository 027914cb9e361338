r"""Mirror descent with one sweep of evaluation per step: rates from any start, and their proofs.

The iteration of ``TDPMD``, and of ``ValueMirrorDescent`` with known transitions, is

.. math::
    \pi_{k+1} = \arg\max_p \langle Q_k, p \rangle - \tau h(p) - D(p, \pi_k)/\eta_k, \quad
    Q_k = r + \gamma P V_k, \quad V_{k+1} = T_{\pi_{k+1}} V_k

The values V_k are not those of the policies. All bounds rest on three facts. (i) The three-point
inequality of the step, for any policy p with \(\delta_k = V^* - V_k\), \(D_k = D(\pi^*, \pi_k)\):

.. math::
    T_p V_k - V_{k+1} \le (D(p, \pi_k) - D(p, \pi_{k+1}))/\eta_k, \qquad
    \delta_{k+1} \le \gamma P_{\pi^*} \delta_k + (D_k - D_{k+1})/\eta_k

(ii) If \(V_0 \le T_{\pi_0} V_0\), then \(V_k \le V_{k+1} \le V^{\pi_{k+1}}\). (iii) Subtracting c
from V_0 changes no policy and subtracts \(\gamma^k c\) from V_k; with
\(c = \max_s (V_0 - T_{\pi_0} V_0)_+/(1-\gamma)\) the start satisfies (ii). If episodes end, (iii)
holds for the model with an absorbing state at their end. Index k of a returned array bounds
iterate k.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import scipy.sparse as sp

from regmdp import bellman
from regmdp._internal.arrays import Array, ArrayLike, Float
from regmdp._internal.checks import LARGE_ROOT
from regmdp._internal.errors import SolverError
from regmdp._internal.parameters import ArrayOf, Instance, Integer, Number, checked
from regmdp.certificates import backup_error
from regmdp.evaluation import Chain, Exact, Sweeps
from regmdp.improvement import Adaptive, DualAveraging, MirrorDescent
from regmdp.improvement.dual_variables import dual_from_policy
from regmdp.mdp import MDP
from regmdp.mdp.deterministic import DeterministicPolicy
from regmdp.policies import POLICY, check_policy, uniform_policy
from regmdp.problem import check_regularizer, check_value
from regmdp.regularizers import Regularizer, Shannon
from regmdp.theory.dual_averaging import (
    DualAveragingRun,
    bregman_divergence,
    view_as_dual_averaging,
    view_as_mirror_descent,
)
from regmdp.theory.initial_policy import require_positive_temperature, scale_dual
from regmdp.theory.optima import Optimum, action_values, compute_optimum
from regmdp.theory.report import ComparedValues, NotApplicableError, UpperBound
from regmdp.theory.runs import Trace, cached_on_run
from regmdp.theory.statements import Statement

__all__ = [
    "STATEMENTS",
    "TDPMDBounds",
    "td_pmd_adaptive_bound",
    "td_pmd_geometric_bound",
    "td_pmd_linear_bounds",
    "td_pmd_sublinear_bounds",
]

#: The default mirror map, that of the Kullback-Leibler divergence.
KL_MIRROR_MAP = Shannon(temperature=1.0)


class TDPMDBounds(NamedTuple):
    r"""(n + 1,) bounds on the largest entries of \(V^* - V_t\) and of \(V^* - V^{\pi_t}\)."""

    value: Float[np.ndarray, " n"]
    policy: Float[np.ndarray, " n"]


@dataclass(frozen=True, eq=False)
class _Start:
    """The initial policy and value of a run, and the optimum.

    Attributes:
        optimum: The optimum.
        policy: (S, A) π_0.
        value: (S,) V_0.
    """

    optimum: Optimum
    policy: Float[np.ndarray, "S A"]
    value: Float[np.ndarray, " S"]

    @property
    def gap(self) -> Float[np.ndarray, " S"]:
        """(S,) δ_0 = V* - V_0."""
        return self.optimum.value - self.value

    @property
    def decrease(self) -> float:
        """The largest decrease of V_0 by a sweep of π_0, at least 0."""
        mdp, regularizer = self.optimum.mdp, self.optimum.regularizer
        swept = bellman.policy_backup(mdp, regularizer, self.policy, self.value)
        return float(np.max(self.value - swept, initial=0.0))

    @property
    def shift(self) -> float:
        """The constant c of fact (iii)."""
        return self.decrease / (1.0 - self.optimum.mdp.discount)

    def divergence(self, mirror: Regularizer) -> Float[np.ndarray, " S"]:
        """(S,) D(π*, π_0); infinite if π_0 is on the boundary, where the method cannot start."""
        optimum = self.optimum
        try:
            dual = dual_from_policy(optimum.mdp, optimum.regularizer, mirror, self.policy)
        except SolverError:
            return np.full(optimum.mdp.n_states, np.inf)
        return bregman_divergence(mirror, optimum.policy, dual, optimum.allowed)


def _make_start(
    mdp: MDP,
    regularizer: Regularizer | None,
    start: ArrayLike | DeterministicPolicy | None,
    value: ArrayLike | None,
    optimum: Optimum | None,
) -> _Start:
    """Return the start of a run; by default the uniform policy, and one sweep of it over 0."""
    checked = check_regularizer(mdp, regularizer)
    optimum = compute_optimum(mdp, checked) if optimum is None else optimum
    policy = uniform_policy(mdp, checked) if start is None else check_policy(mdp, start, checked)
    first = (
        bellman.policy_backup(mdp, checked, policy, np.zeros(mdp.n_states))
        if value is None
        else check_value(mdp, value)
    )
    return _Start(optimum, np.asarray(policy), np.asarray(first))


@checked(
    mdp=Instance(MDP),
    regularizer=Instance(Regularizer) | None,
    step_size=Number(above=0.0, finite=False),
    iterations=Integer(0),
    mirror=Instance(Regularizer),
    optimum=Instance(Optimum) | None,
    start=POLICY | None,
)
def td_pmd_sublinear_bounds(
    mdp: MDP,
    regularizer: Regularizer | None = None,
    *,
    step_size: float,
    iterations: int,
    mirror: Regularizer = KL_MIRROR_MAP,
    start: ArrayLike | DeterministicPolicy | None = None,
    value: ArrayLike | None = None,
    optimum: Optimum | None = None,
) -> TDPMDBounds:
    r"""Bound the errors of mirror descent with one sweep: O(1/t) for any constant step and start.

    .. math::
        V^* - V^{\pi_t} \le \frac{x}{t}, \qquad V^* - V_t \le \frac{x}{t} - \gamma^t c, \qquad
        x = (I - \gamma P_{\pi^*})^{-1} (\gamma P_{\pi^*} \delta_0 + D_0/\eta)
        + \frac{\gamma c}{1-\gamma}

    in every state. From the shifted start the gaps do not increase (ii), and the sum of (i) over
    the steps is \((I - \gamma P_{\pi^*}) \sum_{k=1}^t \delta_k \le \gamma P_{\pi^*} \delta_0
    + D_0/\eta\); the inverse of the matrix has no negative entries. In the sup norm
    \(x \le (\gamma \|\delta_0 + c\| + \|D_0\|/\eta)/(1-\gamma)\), without the number of states or
    actions. With steps that do not decrease, η is the first.

    Args:
        mdp: The model, γ < 1.
        regularizer: The regularizer, or None.
        step_size: η > 0, of mirror descent.
        iterations: n.
        mirror: The mirror map of D; the regularizer itself for GPMD's divergence.
        start: (S, A) π_0; by default uniform.
        value: (S,) V_0; by default one sweep of π_0 over 0, as the method does.
        optimum: The optimum, if it is known.

    Returns:
        Bounds for t = 0 … n, in the worst state; ∞ at 0.

    Examples:
        >>> import numpy as np, regmdp as rm
        >>> mdp = rm.models.garnet(5, 3, 2, discount=0.8)
        >>> bounds = rm.theory.td_pmd_sublinear_bounds(mdp, step_size=1.0, iterations=20)
        >>> run = rm.theory.trace(mdp, None, rm.algorithms.TDPMD(1.0), max_iterations=20)
        >>> bool(np.all((run.optimum.value - run.values).max(axis=1) <= bounds.value))
        True

    References:
        Liu, Li & Wei 2025, "On the convergence of policy mirror descent with temporal difference
        evaluation", arXiv 2509.18822, whose abstract states the rate O(1/T), for any constant step
        size and any initialization. The constants and the proof are ours.
    """
    first = _make_start(mdp, regularizer, start, value, optimum)
    discount, shift = mdp.discount, first.shift
    divergence = first.divergence(mirror)
    times = np.arange(1, iterations + 1)
    if not np.all(np.isfinite(divergence)):
        infinite = np.full(iterations + 1, np.inf)
        return TDPMDBounds(infinite, infinite)
    chain = Chain.from_policy(mdp, first.optimum.policy)
    source = chain.propagate(first.gap) + divergence / step_size
    constant = float(np.max(_sum_discounted(chain, source), initial=0.0))
    constant += discount * shift / (1.0 - discount)
    policy = np.concatenate([[np.inf], constant / times])
    return TDPMDBounds(policy - shift * discount ** np.arange(iterations + 1.0), policy)


@checked(
    mdp=Instance(MDP),
    regularizer=Instance(Regularizer),
    step_size=Number(above=0.0, finite=False),
    iterations=Integer(0),
    optimum=Instance(Optimum) | None,
    start=POLICY | None,
)
def td_pmd_linear_bounds(
    mdp: MDP,
    regularizer: Regularizer,
    *,
    step_size: float,
    iterations: int,
    start: ArrayLike | DeterministicPolicy | None = None,
    value: ArrayLike | None = None,
    optimum: Optimum | None = None,
) -> TDPMDBounds:
    r"""Bound the errors of dual averaging with one sweep, for τ > 0: the rate of exact evaluation.

    .. math::
        V^* - V^{\pi_{t+1}} \le \varrho^t C, \qquad
        V^* - V_{t+1} \le \varrho^t C - \gamma^{t+1} c, \qquad
        \varrho = 1 - (1-\alpha)(1-\gamma), \quad \alpha = \frac{1}{1 + \eta\tau}, \\
        C = (1-\alpha) \max (Q^* - Q_0 + \gamma c) + \alpha \max (Q^* - \tau\xi_0)_+
        + \alpha \max (\tau\xi_0 - Q_0 + \gamma c)_+

    where τξ_0 is the dual variable of π_0 with h*(ξ_0) = h*(Q*/τ); if episodes end, the first and
    the last maximum are at least γc. The step is
    \(\tau\xi_{k+1} = \alpha \tau\xi_k + (1-\alpha) Q_k\). From the shifted start Q_k does not
    decrease, so that \((\tau\xi_k - Q_k)_+ \le \alpha^k E\), the last maximum; hence
    \(V^* - V_{k+1} \le \max (Q^* - \tau\xi_{k+1}) + \alpha^{k+1} E\), as with exact values, and
    \(z_k = \alpha \max(Q^* - \tau\xi_k)_+ + (1-\alpha) \max (Q^* - Q_k)\) obeys
    \(z_{k+1} \le \varrho z_k + (1-\alpha) \gamma \alpha^{k+1} E\).

    Args:
        mdp: The model, γ < 1.
        regularizer: The regularizer, with one temperature τ > 0; D is its own divergence.
        step_size: η > 0, of mirror descent; ∞ for regularized value iteration.
        iterations: n.
        start: (S, A) π_0; by default uniform.
        value: (S,) V_0; by default one sweep of π_0 over 0, as the method does.
        optimum: The optimum, if it is known.

    Returns:
        Bounds for t = 0 … n, in the worst state; ∞ at 0.

    Examples:
        >>> import numpy as np, regmdp as rm
        >>> mdp, shannon = rm.models.garnet(5, 3, 2, discount=0.8), rm.Shannon(0.1)
        >>> bounds = rm.theory.td_pmd_linear_bounds(mdp, shannon, step_size=10.0, iterations=20)
        >>> run = rm.theory.trace(mdp, shannon, rm.algorithms.TDPMD(10.0), max_iterations=20)
        >>> bool(np.all((run.optimum.value - run.values).max(axis=1) <= bounds.value))
        True
        >>> (bounds.policy[2:4] / bounds.policy[1:3]).round(6)
        array([0.9, 0.9])

    References:
        Ours; the rate is that of Cen et al. 2022 and Zhan et al. 2023 with exact evaluation. That
        value mirror descent converges linearly is stated in the abstract of Jia & Lan 2026, "Value
        mirror descent for reinforcement learning", arXiv 2604.06039.
    """
    tau = require_positive_temperature(regularizer)
    first = _make_start(mdp, regularizer, start, value, optimum)
    optimum, shift, discount = first.optimum, first.shift, mdp.discount
    weight = 0.0 if np.isinf(step_size) else 1.0 / (1.0 + step_size * tau)
    q = action_values(mdp, optimum.regularizer, first.value) - discount * shift
    # Q* - Q_0 + γc in the absorbing state
    least = discount * shift if mdp.terminates else 0.0
    constant = (1.0 - weight) * _largest(optimum.q - q, optimum, least)
    if weight > 0.0:
        dual = dual_from_policy(mdp, optimum.regularizer, optimum.regularizer, first.policy)
        scores = scale_dual(optimum, dual)
        constant += weight * _largest(optimum.q - scores, optimum, 0.0)
        constant += weight * _largest(scores - q, optimum, least)
    rate = 1.0 - (1.0 - weight) * (1.0 - discount)
    policy = np.concatenate([[np.inf], constant * rate ** np.arange(float(iterations))])
    return TDPMDBounds(policy - shift * discount ** np.arange(iterations + 1.0), policy)


@checked(
    mdp=Instance(MDP),
    regularizer=Instance(Regularizer) | None,
    initial=Number(above=0.0, maximum=LARGE_ROOT),
    iterations=Integer(0),
    optimum=Instance(Optimum) | None,
    start=POLICY | None,
)
def td_pmd_adaptive_bound(
    mdp: MDP,
    regularizer: Regularizer | None = None,
    *,
    initial: float,
    iterations: int,
    start: ArrayLike | DeterministicPolicy | None = None,
    value: ArrayLike | None = None,
    optimum: Optimum | None = None,
) -> Float[np.ndarray, " n"]:
    r"""Bound V* - V_k of mirror descent with one sweep and adaptive steps: the rate γ.

    .. math::
        V^* - V_k \le \gamma^k \left( \max (\delta_0)_+
        + \frac{\gamma (1-\gamma^k)}{1-\gamma} c_0 \right), \qquad
        \eta_k \ge \max_s \frac{D(p, \pi_k(s))}{c_k}, \quad c_k = \gamma^{2(k+1)} c_0

    for a distribution p that is greedy for Q_k: by (i) V_{k+1} is within c_k of T V_k, so that
    \(\delta_{k+1} \le \gamma P_{\pi^*} \delta_k + c_k\). The start is any, and c_0 is divided by
    1-γ, not by its square as with exact evaluation. From above, V_k - V* ≤ γ^k max (V_0 - V*)_+.

    Args:
        mdp: The model, γ < 1.
        regularizer: The regularizer, or None.
        initial: c_0, in the unit of the rewards.
        iterations: n.
        start: (S, A) π_0, which determines V_0 if that is not given; by default uniform.
        value: (S,) V_0; by default one sweep of π_0 over 0, as the method does.
        optimum: The optimum, if it is known.

    Returns:
        Bounds for k = 0 … n, in the worst state.

    Examples:
        >>> import numpy as np, regmdp as rm
        >>> mdp = rm.models.garnet(5, 3, 2, discount=0.8)
        >>> bound = rm.theory.td_pmd_adaptive_bound(mdp, initial=0.1, iterations=20)
        >>> algorithm = rm.algorithms.TDPMD(rm.algorithms.Adaptive(0.1))
        >>> run = rm.theory.trace(mdp, None, algorithm, max_iterations=20)
        >>> bool(np.all((run.optimum.value - run.values).max(axis=1) <= bound + 1e-12))
        True

    References:
        Liu, Li & Wei 2025, arXiv 2509.18822, whose abstract states the rate γ, without the numbers
        of states and actions, for adaptive steps. The rule of the steps is that of Johnson,
        Pike-Burke & Rebeschini 2023, NeurIPS; the constants and the proof are ours.
    """
    first = _make_start(mdp, regularizer, start, value, optimum)
    powers = mdp.discount ** np.arange(iterations + 1.0)
    added = mdp.discount * (1.0 - powers) / (1.0 - mdp.discount) * initial
    return powers * (float(np.max(first.gap, initial=0.0)) + added)


@checked(
    mdp=Instance(MDP),
    regularizer=Instance(Regularizer) | None,
    initial=Number(above=0.0, maximum=LARGE_ROOT),
    iterations=Integer(0),
    mirror=Instance(Regularizer),
    errors=ArrayOf("n", minimum=0.0, maximum=LARGE_ROOT, empty=True) | None,
    optimum=Instance(Optimum) | None,
    start=POLICY | None,
)
def td_pmd_geometric_bound(
    mdp: MDP,
    regularizer: Regularizer | None = None,
    *,
    initial: float,
    iterations: int,
    mirror: Regularizer = KL_MIRROR_MAP,
    errors: Float[Array, " m"] | None = None,
    start: ArrayLike | DeterministicPolicy | None = None,
    value: ArrayLike | None = None,
    optimum: Optimum | None = None,
) -> Float[np.ndarray, " n"]:
    r"""Bound V*(ν*) - V_k(ν*) of mirror descent with one sweep and steps that grow by 1/γ.

    .. math::
        V^*(\nu^*) - V_k(\nu^*) + \frac{D_k(\nu^*)}{\gamma\eta_k}
        \le \gamma^k \left( V^*(\nu^*) - V_0(\nu^*) + \frac{D_0(\nu^*)}{\gamma\eta_0} \right)

    where ν* is stationary under π*, for any convex regularizer or none: the left side shrinks by γ,
    by (i). With \(\eta_k = \eta_0 \gamma^{-k}\) the divergence from the optimal policy stays
    bounded, \(D_k(\nu^*) \le D_0(\nu^*) + \gamma\eta_0 (V^*(\nu^*) - V_0(\nu^*)
    + \max (V_0 - V^*)_+)\).

    With estimated action values \(\hat Q_k\), from which V_{k+1} is also computed, the right side
    becomes Φ_k with \(\Phi_{k+1} = \gamma \Phi_k + e_k\) and
    \(e_k \ge \max (r + \gamma P V_k - \hat Q_k)\): only what is too low counts.

    Args:
        mdp: The model, 0 < γ < 1.
        regularizer: The regularizer, or None.
        initial: η_0.
        iterations: n.
        mirror: The mirror map of D; the regularizer itself for GPMD's divergence.
        errors: (n,) e_k of estimated action values; by default 0.
        start: (S, A) π_0; by default uniform.
        value: (S,) V_0; by default one sweep of π_0 over 0, as the method does.
        optimum: The optimum, if it is known.

    Returns:
        Bounds for k = 0 … n.

    Raises:
        SolverError: if γ = 0, or episodes end, so that there is no ν*.

    Examples:
        >>> import numpy as np, regmdp as rm
        >>> mdp = rm.models.garnet(5, 3, 2, discount=0.8)
        >>> bound = rm.theory.td_pmd_geometric_bound(mdp, initial=1.0, iterations=20)
        >>> algorithm = rm.algorithms.ValueMirrorDescent(rm.algorithms.Geometric(1.0))
        >>> run = rm.theory.trace(mdp, None, algorithm, max_iterations=20)
        >>> bool(np.all((run.optimum.value - run.values) @ run.optimum.stationary <= bound + 1e-12))
        True

    References:
        The abstract of Jia & Lan 2026, "Value mirror descent for reinforcement learning", arXiv
        2604.06039, states linear convergence and, for its stochastic form, that the divergence
        stays bounded. Lan 2023, Mathematical Programming 198, has this potential with exact
        evaluation. The constants and the proof are ours.
    """
    if not mdp.discount > 0.0:
        raise SolverError("steps that grow by 1/γ need a discount above 0")
    first = _make_start(mdp, regularizer, start, value, optimum)
    nu = first.optimum.stationary
    if nu is None:
        raise SolverError("the optimal policy has no stationary distribution, because episodes end")
    constant = nu @ (first.gap + first.divergence(mirror) / (mdp.discount * initial))
    bounds = [float(constant)]
    for error in np.zeros(iterations) if errors is None else np.asarray(errors)[:iterations]:
        bounds.append(mdp.discount * bounds[-1] + float(error))
    return np.array(bounds)


def _sum_discounted(chain: Chain, source: Float[Array, " S"]) -> Float[np.ndarray, " S"]:
    r"""(S,) b -> (S,) \((I - \gamma P)^{-1} b\)."""
    from scipy.sparse.linalg import spsolve  # slow to import

    system = sp.eye_array(chain.n_states) - chain.discount * sp.csr_array(chain.matrix)
    return np.atleast_1d(spsolve(sp.csc_array(system), source))


def _largest(difference: Float[Array, "S A"], optimum: Optimum, least: float) -> float:
    """Return the largest entry at the permitted pairs, at least some number."""
    return float(np.max(np.where(optimum.allowed, difference, least), initial=least))


# ---- comparison with runs ----


def _require_one_sweep(run: Trace) -> None:
    """Check that a run is mirror descent with one sweep per step."""
    improvement = run.improvement
    if getattr(run.algorithm, "evaluation", None) != Sweeps(1):
        raise NotApplicableError("its evaluation is not one sweep")
    if not isinstance(improvement, MirrorDescent | DualAveraging) or run.lookahead != 1:
        raise NotApplicableError("its steps are not those of mirror descent")
    if not run.mdp.discount < 1.0:
        raise NotApplicableError("the discount is 1")
    if run.iterations == 0:
        raise NotApplicableError("no iteration was made")


def _view(run: Trace) -> DualAveragingRun:
    """Return a run with one sweep as mirror descent with exact steps."""
    _require_one_sweep(run)
    view = view_as_mirror_descent(run)
    if view.subproblem_gap > 0.0:
        raise NotApplicableError("its subproblems are solved inexactly")
    return view


def _start_of(run: Trace) -> _Start:
    return _Start(run.optimum, run.policies[0], run.values[0])


@cached_on_run
def _bound_rounding(run: Trace) -> Float[np.ndarray, " n"]:
    r"""(n + 1,) bound on the accumulated rounding in V_k, from the rounding ε of a step.

    A step loses at most 4ε. Monotonicity is violated by at most 8ε/(1-γ) in a step, and the mean of
    k gaps differs from the last by at most k/2 times that.
    """
    horizon = 1.0 / (1.0 - run.mdp.discount)
    sweeps = [backup_error(run.mdp, run.regularizer, value) for value in run.values]
    noise = float(np.max(_view(run).step_noise, initial=0.0)) + max(sweeps) + run.optimum.q_error
    count = np.arange(run.iterations + 1.0)
    return run.optimum.error + 4.0 * (1.0 + count) * horizon**2 * noise


def _largest_gap(run: Trace) -> Float[np.ndarray, " n"]:
    return np.max(run.optimum.value - run.values, axis=1)


@cached_on_run
def _policy_gap(run: Trace) -> Float[np.ndarray, " n"]:
    r"""(n + 1,) largest \(V^* - V^{\pi_k}\), by exact evaluation."""
    evaluate = Exact()
    values = [
        evaluate(run.mdp, run.regularizer, np.asfortranarray(policy), run.optimum.value)
        for policy in run.policies
    ]
    return np.max(run.optimum.value - np.stack(values), axis=1)


def _compare(
    run: Trace, measured: Float[np.ndarray, " n"], predicted: Float[np.ndarray, " n"]
) -> ComparedValues:
    return ComparedValues(
        np.arange(1, run.iterations + 1), measured[1:], predicted[1:], _bound_rounding(run)[1:]
    )


def _compare_monotonicity(run: Trace) -> ComparedValues:
    _view(run)
    decrease = np.max(run.values[:-1] - run.values[1:], axis=1)
    powers = run.mdp.discount ** np.arange(run.iterations)
    predicted = powers * _start_of(run).decrease
    return _compare(run, np.append(0.0, decrease), np.append(0.0, predicted))


def _compare_from_above(run: Trace) -> ComparedValues:
    _view(run)
    excess = float(np.max(-_start_of(run).gap, initial=0.0))
    predicted = excess * run.mdp.discount ** np.arange(run.iterations + 1.0)
    return _compare(run, np.max(run.values - run.optimum.value, axis=1), predicted)


@cached_on_run
def _bound_sublinear(run: Trace) -> TDPMDBounds:
    view = _view(run)
    inverse = view.inverse_steps
    if np.any(np.diff(inverse) > 1e-12 * inverse[:-1]):
        raise NotApplicableError("its step sizes decrease")
    return td_pmd_sublinear_bounds(
        run.mdp, run.regularizer, step_size=1.0 / float(inverse[0]), iterations=run.iterations,
        mirror=view.mirror, start=run.policies[0], value=run.values[0], optimum=run.optimum,
    )  # fmt: skip


@cached_on_run
def _bound_linear(run: Trace) -> TDPMDBounds:
    _require_one_sweep(run)
    view = view_as_dual_averaging(run)
    if view.subproblem_gap > 0.0:
        raise NotApplicableError("its subproblems are solved inexactly")
    return td_pmd_linear_bounds(
        run.mdp, run.regularizer, step_size=view.require_constant_step(),
        iterations=run.iterations, start=run.policies[0], value=run.values[0],
        optimum=run.optimum,
    )  # fmt: skip


def _compare_sublinear(run: Trace) -> ComparedValues:
    return _compare(run, _largest_gap(run), _bound_sublinear(run).value)


def _compare_sublinear_policy(run: Trace) -> ComparedValues:
    return _compare(run, _policy_gap(run), _bound_sublinear(run).policy)


def _compare_linear(run: Trace) -> ComparedValues:
    return _compare(run, _largest_gap(run), _bound_linear(run).value)


def _compare_linear_policy(run: Trace) -> ComparedValues:
    return _compare(run, _policy_gap(run), _bound_linear(run).policy)


def _compare_adaptive(run: Trace) -> ComparedValues:
    _view(run)
    improvement = run.improvement
    if not isinstance(improvement, MirrorDescent) or not isinstance(
        improvement.step_size, Adaptive
    ):
        raise NotApplicableError("its step sizes are not adaptive")
    bound = td_pmd_adaptive_bound(
        run.mdp, run.regularizer, initial=improvement.step_size.initial,
        iterations=run.iterations, start=run.policies[0], value=run.values[0],
        optimum=run.optimum,
    )  # fmt: skip
    return _compare(run, _largest_gap(run), bound)


def _require_growing(run: Trace) -> DualAveragingRun:
    """Return a run whose steps grow by 1/γ or more, and that has a ν*."""
    view = _view(run)
    if run.optimum.stationary is None:
        raise NotApplicableError(
            "episodes end, so the optimal policy has no stationary distribution"
        )
    grown = view.inverse_steps[1:] <= run.mdp.discount * view.inverse_steps[:-1] * (1.0 + 1e-12)
    if not run.mdp.discount > 0.0 or not np.all(grown):
        raise NotApplicableError("its step sizes do not grow by 1/γ")
    return view


def _compare_growing(run: Trace) -> ComparedValues:
    view = _require_growing(run)
    bound = td_pmd_geometric_bound(
        run.mdp, run.regularizer, initial=1.0 / float(view.inverse_steps[0]),
        iterations=run.iterations, mirror=view.mirror, start=run.policies[0],
        value=run.values[0], optimum=run.optimum,
    )  # fmt: skip
    return _compare(run, (run.optimum.value - run.values) @ run.optimum.stationary, bound)


def _compare_divergence(run: Trace) -> ComparedValues:
    """D_k(ν*)/(γη_k) against γ^k (δ_0(ν*) + max (V_0 - V*)_+ + D_0(ν*)/(γη_0))."""
    view = _require_growing(run)
    first, nu, discount = _start_of(run), run.optimum.stationary, run.mdp.discount
    divergence = view.divergence_to_optimum[:-1] @ nu
    scale = view.inverse_steps / discount
    constant = nu @ first.gap + np.max(-first.gap, initial=0.0) + divergence[0] * scale[0]
    predicted = float(constant) * discount ** np.arange(float(run.iterations))
    return ComparedValues(
        np.arange(run.iterations), divergence * scale, predicted, _bound_rounding(run)[:-1]
    )


STATEMENTS = (
    Statement(
        "one sweep: monotone values",
        "Liu, Li & Wei 2025 name the argument; proof in regmdp.theory.td_pmd",
        UpperBound,
        _compare_monotonicity,
    ),
    Statement(
        "one sweep: from above", "proof in regmdp.theory.td_pmd", UpperBound, _compare_from_above
    ),
    Statement(
        "one sweep: sublinear gap",
        "O(1/T): Liu, Li & Wei 2025, with the constants of td_pmd_sublinear_bounds",
        UpperBound,
        _compare_sublinear,
    ),
    Statement(
        "one sweep: sublinear gap of π",
        "td_pmd_sublinear_bounds",
        UpperBound,
        _compare_sublinear_policy,
    ),
    Statement("one sweep: linear gap", "td_pmd_linear_bounds", UpperBound, _compare_linear),
    Statement(
        "one sweep: linear gap of π", "td_pmd_linear_bounds", UpperBound, _compare_linear_policy
    ),
    Statement(
        "one sweep: adaptive steps",
        "γ^k: Liu, Li & Wei 2025, with the constants of td_pmd_adaptive_bound",
        UpperBound,
        _compare_adaptive,
    ),
    Statement(
        "one sweep: growing steps",
        "linear: Jia & Lan 2026, with the constants of td_pmd_geometric_bound",
        UpperBound,
        _compare_growing,
    ),
    Statement(
        "one sweep: bounded divergence", "td_pmd_geometric_bound", UpperBound, _compare_divergence
    ),
)
