r"""A run as dual averaging, the common form of natural policy gradient and mirror descent.

.. math::
    \xi^+ = \frac{\xi + \eta Q}{1 + \eta \tau}, \qquad \pi = \nabla h^*(\xi), \qquad
    \alpha = \frac{1}{1 + \eta \tau}

Without a regularizer τ = 0, and h is the mirror map. Natural policy gradient with step size η in
the unit of its own theory has \(1/\eta_\mathrm{MD} = (1-\gamma)/\eta - \tau\) here; a greedy step
has \(1/\eta = 0\).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from regmdp._internal.arrays import UNIT_ROUNDOFF, Array, Bool, Float
from regmdp._internal.fields import ReadOnlyCopies
from regmdp.algorithms import PolicyOptimization
from regmdp.certificates import backup_error
from regmdp.improvement import (
    DualAveraging,
    FisherNaturalGradient,
    Greedy,
    MirrorDescent,
    Mixture,
    NaturalGradient,
)
from regmdp.improvement.dual_variables import MIN_DUAL, normalise_dual, subtract_best
from regmdp.regularizers import KL, Regularizer, Shannon, Unregularized
from regmdp.theory.report import NotApplicableError
from regmdp.theory.runs import Trace, cached_on_run

__all__ = [
    "DualAveragingRun",
    "as_dual_averaging",
    "as_exact_dual_averaging",
    "as_mirror_descent",
    "bregman_divergence",
    "dual_variables",
    "log_policy",
    "require_exact",
    "uniform_temperature",
    "view_as_dual_averaging",
    "view_as_mirror_descent",
]


#: Smallest probability for which a pseudo-inverse of the Fisher matrix has a few correct digits.
MIN_INVERTIBLE_PROBABILITY = 1e-8


@dataclass(frozen=True, eq=False)
class DualAveragingRun(ReadOnlyCopies):
    """A run viewed as dual averaging.

    Attributes:
        run: The run.
        mirror: The regularizer or mirror map h with π = ∇h*(ξ).
        temperature: (S,) τ, 0 without a regularizer.
        inverse_steps: (n,) 1/η_k in the form of this module.
        subproblem_gap: Largest distance of the objective of a step from its maximum; 0 if steps are
            exact.
        evaluation_error: Bound on the errors of the estimated Q_k in all iterations, as the
            evaluation states it; 0 if it is exact.
    """

    run: Trace
    mirror: Regularizer
    temperature: Float[np.ndarray, " S"]
    inverse_steps: Float[np.ndarray, " n"]
    subproblem_gap: float = 0.0
    evaluation_error: float = 0.0

    @cached_property
    def duals(self) -> Float[np.ndarray, "m S A"]:
        """(n + 1, S, A) dual variables ξ_k, up to a constant per state; -inf at forbidden pairs."""
        found = dual_variables(self.run, self.mirror)
        # the initial dual variable of a greedy step has weight 0
        used = np.concatenate(
            [self.inverse_steps[:1] > 0.0, np.ones(len(found) - 1, dtype=np.bool_)]
        )
        if np.any(self.run.allowed & (found[used] <= MIN_DUAL)):
            raise NotApplicableError(
                "its steps are so long that its dual variables overflow double precision"
            )
        return found

    @cached_property
    def divergence_to_optimum(self) -> Float[np.ndarray, "m S"]:
        """(n + 1, S) divergences D(π*, π_k)."""
        policy = self.run.optimum.policy
        return np.stack(
            [bregman_divergence(self.mirror, policy, dual, self.run.allowed) for dual in self.duals]
        )

    @cached_property
    def noise(self) -> Float[np.ndarray, " n"]:
        """(n,) bound on the error of Q_k that has the effect of rounding on π_{k+1}.

        It includes the rounding of the action values, the dual variables and the policy, and the
        error of V_k as the value of π_k.
        """
        return self.step_noise + self.run.mdp.discount * self.run.value_error[:-1]

    @cached_property
    def step_noise(self) -> Float[np.ndarray, " n"]:
        """(n,) bound on the error of Q_k that has the effect of the rounding of a step."""
        run = self.run
        n_actions = run.mdp.n_actions
        errors = []
        for k, inverse in enumerate(self.inverse_steps):
            total = inverse + float(np.max(self.temperature))
            spread = float(np.max(-subtract_best(run.q[k], run.allowed)))
            carried = _largest_finite(self.duals[k]) * inverse if inverse > 0 else 0.0
            of_dual = 16 * UNIT_ROUNDOFF * (spread + carried + total * (n_actions + 8))
            of_policy = 2 * total * self.mirror.rounding(n_actions)
            of_value = backup_error(run.mdp, run.regularizer, run.values[k])
            errors.append(of_value + of_dual + of_policy + self._bound_inverse_rounding(k, spread))
        return np.array(errors)

    def _bound_inverse_rounding(self, iterate: int, spread: float) -> float:
        """Bound the error of the pseudo-inverse of the Fisher matrix."""
        if not isinstance(self.run.improvement, FisherNaturalGradient):
            return 0.0
        least = float(np.min(np.where(self.run.allowed, self.run.policies[iterate], 1.0)))
        return 64 * UNIT_ROUNDOFF * self.run.mdp.n_actions * spread / least

    @property
    def weights(self) -> Float[np.ndarray, " n"]:
        """(n,) weights α_k = 1/(1 + η_k τ) of the previous dual variable, maximal over states."""
        total = self.inverse_steps + float(np.min(self.temperature))
        return np.where(total > 0, self.inverse_steps / np.where(total > 0, total, 1.0), 1.0)

    def require_constant_step(self) -> float:
        """Return η if it is constant, ∞ for greedy steps, and τ > 0 is equal in all states.

        Raises:
            NotApplicableError: otherwise.
        """
        if not uniform_temperature(self.run.regularizer) > 0.0:
            raise NotApplicableError("there is no regularizer, or its temperature is 0")
        first = self.inverse_steps[:1]
        if first.size == 0:
            raise NotApplicableError("no iteration was made")
        if not np.all(np.abs(self.inverse_steps - first) <= 1e-12 * np.abs(first)):
            raise NotApplicableError("its step sizes differ between iterations")
        return float(1.0 / first[0]) if first[0] > 0.0 else np.inf


def as_exact_dual_averaging(run: Trace) -> DualAveragingRun:
    """Return a run as dual averaging with exact values and steps.

    Raises:
        NotApplicableError: if the algorithm is not dual averaging, or it is inexact.
    """
    view = as_dual_averaging(run)
    if view.evaluation_error > 0.0:
        raise NotApplicableError("its policies are not evaluated exactly")
    if view.subproblem_gap > 0.0:
        raise NotApplicableError("its subproblems are solved inexactly")
    return view


@cached_on_run
def as_dual_averaging(run: Trace) -> DualAveragingRun:
    """Return a run as dual averaging, with exact values or with a stated bound on their errors.

    Raises:
        NotApplicableError: if the algorithm is not dual averaging, or states no bound.
    """
    if isinstance(run.algorithm, PolicyOptimization) and run.algorithm.sampled:
        error = float(np.max(run.stated_errors, initial=0.0))
    else:
        require_exact(run)
        error = 0.0
    return replace(view_as_dual_averaging(run), evaluation_error=error)


def view_as_dual_averaging(run: Trace) -> DualAveragingRun:
    """Return a run as dual averaging, whatever its evaluation is.

    Raises:
        NotApplicableError: if its steps are not those of dual averaging.
    """
    if run.lookahead != 1:
        raise NotApplicableError("it uses a lookahead of several steps")
    regularizer, improvement = run.regularizer, run.improvement
    temperature = np.broadcast_to(
        np.asarray(regularizer.temperature, dtype=np.float64), (run.mdp.n_states,)
    )
    entropic = isinstance(regularizer, Shannon | KL | Unregularized)
    plain = isinstance(regularizer, Unregularized)
    match improvement:
        case Greedy() | Mixture(share=1.0):
            if not float(np.min(temperature)) > 0.0:
                raise NotApplicableError("greedy steps without a temperature have no dual variable")
            return DualAveragingRun(run, regularizer, temperature, np.zeros(run.iterations))
        case NaturalGradient() | FisherNaturalGradient() if entropic:
            if isinstance(improvement, FisherNaturalGradient):
                if isinstance(regularizer, KL):
                    raise NotApplicableError(
                        "natural gradients by the Fisher matrix are checked for Shannon entropy "
                        "only"
                    )
                if not np.all(run.visits[:, ~run.mdp.terminal] > 0.0):
                    raise NotApplicableError(
                        "some state is never visited, and therefore never improved"
                    )
                if not np.all(run.policies[:, run.allowed] > MIN_INVERTIBLE_PROBABILITY):
                    raise NotApplicableError(
                        "some probability is too small to invert the Fisher matrix in double "
                        "precision"
                    )
            uniform = uniform_temperature(regularizer)
            # 0 at the largest step, where rounding may give a negative number
            inverse = np.maximum((1.0 - run.mdp.discount) / run.step_sizes - uniform, 0.0)
            mirror = Shannon(temperature=1.0) if plain else regularizer
            return DualAveragingRun(run, mirror, temperature, inverse)
        case DualAveraging():
            return DualAveragingRun(
                run, regularizer, temperature, 1.0 / run.step_sizes, improvement.accuracy
            )
        case MirrorDescent() if plain and improvement.potential.steep:
            return DualAveragingRun(run, improvement.potential, temperature, 1.0 / run.step_sizes)
        case MirrorDescent() if entropic and isinstance(improvement.potential, Shannon):
            return DualAveragingRun(run, regularizer, temperature, 1.0 / run.step_sizes)
        case _:
            raise NotApplicableError(
                f"{run.algorithm.name} with {type(regularizer).__name__} is not dual averaging"
            )


@cached_on_run
def as_mirror_descent(run: Trace) -> DualAveragingRun:
    """Return a run as mirror descent with exact values and steps.

    Raises:
        NotApplicableError: if its steps are neither dual averaging nor proximal, or it is inexact.
    """
    if not isinstance(run.improvement, MirrorDescent) or run.lookahead != 1:
        return as_exact_dual_averaging(run)
    require_exact(run)
    return view_as_mirror_descent(run)


def view_as_mirror_descent(run: Trace) -> DualAveragingRun:
    """Return a run as mirror descent with exact steps, whatever its evaluation is.

    The steps are those of dual averaging, or proximal. For a proximal step in another divergence
    than that of the regularizer, the statements do not use the temperature: it is set to 0.

    Raises:
        NotApplicableError: if the steps are neither, or inexact.
    """
    improvement = run.improvement
    if isinstance(improvement, MirrorDescent) and run.lookahead == 1:
        averages = isinstance(run.regularizer, Shannon | KL | Unregularized) and isinstance(
            improvement.potential, Shannon
        )
        if not averages and not (
            isinstance(run.regularizer, Unregularized) and improvement.potential.steep
        ):
            return DualAveragingRun(
                run, improvement.potential, np.zeros(run.mdp.n_states), 1.0 / run.step_sizes
            )
    view = view_as_dual_averaging(run)
    if view.subproblem_gap > 0.0:
        raise NotApplicableError("its subproblems are solved inexactly")
    return view


def require_exact(run: Trace) -> None:
    """Check that the run consists of policies with their exact values.

    Raises:
        NotApplicableError: if it does not.
    """
    if not isinstance(run.algorithm, PolicyOptimization) or not run.algorithm.evaluation.exact:
        raise NotApplicableError("its policies are not evaluated exactly")
    _ = run.policies


def uniform_temperature(regularizer: Regularizer) -> float:
    """Return the temperature if it is equal in all states.

    Raises:
        NotApplicableError: if it is not.
    """
    values = np.asarray(regularizer.temperature, dtype=np.float64)
    if np.any(values != values.flat[0]):
        raise NotApplicableError("the temperature differs between states")
    return float(values.flat[0])


def dual_variables(run: Trace, mirror: Regularizer) -> Float[np.ndarray, "n S A"]:
    """Return the (n + 1, S, A) dual variables ξ_k of a run for its mirror map.

    For the entropies they are logarithms of the policies, so that they cannot differ from them.
    Otherwise they are the recorded ones, or after a greedy step the action values divided by the
    temperature.
    """
    if isinstance(mirror, Shannon | KL):
        recorded = [None, *_recorded_duals(run)]
        return np.stack([log_policy(run, mirror, k, dual) for k, dual in enumerate(recorded)])
    improvement = run.improvement
    if isinstance(improvement, MirrorDescent) and not mirror.steep:
        # a projection starts from the policy, not from the average
        return np.stack(
            [
                np.asarray(improvement.initial_dual(run.mdp, run.regularizer, policy))
                for policy in run.policies
            ]
        )
    first = improvement.initial_dual(run.mdp, run.regularizer, run.policies[0])
    if first is None:
        # a greedy step does not depend on the previous policy
        first = normalise_dual(np.zeros(run.allowed.shape), run.allowed)
    return np.stack([first, *_recorded_duals(run)])


def _recorded_duals(run: Trace) -> list[Float[np.ndarray, "S A"]]:
    """Return the recorded dual variables of all policies but the first, or Q/τ of greedy steps."""
    tau = np.asarray(run.regularizer.temperature)[..., None]
    used = [
        run.q[k] if state.estimate is None else state.estimate.q
        for k, state in enumerate(run.states[:-1])
    ]
    return [
        normalise_dual(subtract_best(used[k], run.allowed) / tau, run.allowed)
        if state.dual is None
        else np.asarray(state.dual)
        for k, state in enumerate(run.states[:-1])
    ]


def log_policy(
    run: Trace, mirror: Regularizer, iterate: int, dual: Array | None
) -> Float[np.ndarray, "S A"]:
    """(S, A) log π_k, or log π_k/p0 for KL; -inf at forbidden pairs, 0 in terminal states.

    The logarithm of a probability below the range of doubles is taken from the recorded dual
    variable.
    """
    policy = run.policies[iterate]
    small = policy < 1e-290
    with np.errstate(divide="ignore", invalid="ignore"):
        logarithm = np.where(small, -np.inf, np.log(np.where(small, 1.0, policy)))
        if isinstance(mirror, KL):
            logarithm = logarithm - np.where(run.allowed, mirror._log_reference, 0.0)
    if dual is not None:
        # a dual variable is the logarithm up to a constant, which the most probable action gives
        best = np.argmax(policy, axis=-1)[..., None]
        shift = np.take_along_axis(logarithm, best, axis=-1) - np.take_along_axis(
            np.asarray(dual), best, axis=-1
        )
        logarithm = np.where(small & run.allowed, np.asarray(dual) + shift, logarithm)
    return np.where(run.allowed, logarithm, np.where(run.mdp.terminal[:, None], 0.0, -np.inf))


def bregman_divergence(
    mirror: Regularizer,
    policy: Float[Array, "S A"],
    dual: Float[Array, "S A"],
    allowed: Bool[Array, "S A"],
) -> Float[np.ndarray, " S"]:
    r"""(S, A) policy p, dual variable ξ of a policy q -> (S,) divergence D_h(p, q; ξ).

    It is \(h(p) + h^*(\xi) - \langle \xi, p \rangle\). For q = ∇h*(ξ) this is h(p) - h(q) - ⟨ξ, p -
    q⟩, the Bregman divergence; for Shannon and KL it is KL(p‖q). It is 0 in terminal states.
    """
    live = np.any(allowed, axis=-1)
    policy = np.asarray(policy)
    inner = np.sum(np.where(policy > 0, policy * np.where(policy > 0, dual, 0.0), 0.0), axis=-1)
    scores = np.where(live[:, None], dual, 0.0)
    return np.where(
        live, mirror.value(policy, allowed) + mirror.conjugate(scores, allowed) - inner, 0.0
    )


def _largest_finite(dual: Array) -> float:
    """Return the largest absolute value among the finite entries."""
    return float(np.max(np.abs(np.where(np.isfinite(dual), dual, 0.0)), initial=0.0))
