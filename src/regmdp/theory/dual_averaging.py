r"""A run as dual averaging, the form that natural policy gradient and the mirror descents have in common.

.. math::
    \xi^+ = \frac{\xi + \eta Q}{1 + \eta \tau}, \qquad \pi = \nabla h^*(\xi), \qquad \alpha = \frac{1}{1 + \eta \tau}

Without a regularizer τ = 0, and h is the mirror map. Natural policy gradient with step size η in
the unit of its own theory has \(1/\eta_\mathrm{MD} = (1-\gamma)/\eta - \tau\) here; a greedy step
has \(1/\eta = 0\).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from regmdp._internal.arrays import UNIT_ROUNDOFF, Array, Bool, Float
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
from regmdp.improvement.base import LOWEST, normalise_dual, subtract_best
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
]


#: Probabilities above which a pseudo-inverse of the Fisher matrix is good to a few digits.
INVERTIBLE = 1e-8


@dataclass(frozen=True, eq=False)
class DualAveragingRun:
    """A run as dual averaging.

    Attributes:
        run: The run.
        mirror: The regularizer, or mirror map, whose greedy policies the policies are.
        temperature: (S,) τ, 0 without a regularizer.
        inverse_steps: (n,) 1/η_k in the form of this module.
        subproblem_gap: How far from its maximum the objective of a step may be; 0 if steps are
            exact.
    """

    run: Trace
    mirror: Regularizer
    temperature: Float[np.ndarray, " S"]
    inverse_steps: Float[np.ndarray, " n"]
    subproblem_gap: float = 0.0

    @cached_property
    def duals(self) -> Float[np.ndarray, "m S A"]:
        """(n + 1, S, A) dual variables ξ_k, up to a constant for each state; -inf at pairs that are not permitted."""
        found = dual_variables(self.run, self.mirror)
        # what a greedy step starts from has no weight
        used = np.concatenate(
            [self.inverse_steps[:1] > 0.0, np.ones(len(found) - 1, dtype=np.bool_)]
        )
        if np.any(self.run.allowed & (found[used] <= LOWEST)):
            raise NotApplicableError(
                "its steps are too long for its dual variables to be kept in doubles"
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
        """(n,) bound on the error of Q_k that does to π_{k+1} what rounding did: of the action values, the duals and the policy."""
        run = self.run
        n_actions = run.mdp.n_actions
        errors = []
        for k, inverse in enumerate(self.inverse_steps):
            total = inverse + float(np.max(self.temperature))
            spread = float(np.max(-subtract_best(run.q[k], run.allowed)))
            kept = _largest(self.duals[k]) * inverse if inverse > 0 else 0.0
            of_dual = 16 * UNIT_ROUNDOFF * (spread + kept + total * (n_actions + 8))
            of_policy = 2 * total * self.mirror.rounding(n_actions)
            of_value = run.mdp.discount * run.value_error[k] + backup_error(
                run.mdp, run.regularizer, run.values[k]
            )
            errors.append(of_value + of_dual + of_policy + self._of_inverse(k, spread))
        return np.array(errors)

    def _of_inverse(self, iterate: int, spread: float) -> float:
        """Bound what a pseudo-inverse of the Fisher matrix may be off: its condition goes with the least probability."""
        if not isinstance(self.run.improvement, FisherNaturalGradient):
            return 0.0
        least = float(np.min(np.where(self.run.allowed, self.run.policies[iterate], 1.0)))
        return 64 * UNIT_ROUNDOFF * self.run.mdp.n_actions * spread / least

    @property
    def weights(self) -> Float[np.ndarray, " n"]:
        """(n,) α_k = 1/(1 + η_k τ), the weight of the old dual variable; the largest of all states."""
        total = self.inverse_steps + float(np.min(self.temperature))
        return np.where(total > 0, self.inverse_steps / np.where(total > 0, total, 1.0), 1.0)

    def require_constant_step(self) -> float:
        """Return η if it is the same in all iterations, ∞ for greedy steps, and τ > 0 in all states alike.

        Raises:
            Inapplicable: if it is not.
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
    """Return a run as dual averaging with exact steps.

    Raises:
        Inapplicable: if its algorithm is not a form of it, or its steps are inexact.
    """
    view = as_dual_averaging(run)
    if view.subproblem_gap > 0.0:
        raise NotApplicableError("its subproblems are solved inexactly")
    return view


@cached_on_run
def as_dual_averaging(run: Trace) -> DualAveragingRun:
    """Return a run as dual averaging.

    Raises:
        Inapplicable: if its algorithm is not a form of it.
    """
    require_exact(run)
    if run.lookahead != 1:
        raise NotApplicableError("it looks several steps ahead")
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
                        "natural gradients by the Fisher matrix are followed for Shannon entropy "
                        "only"
                    )
                if not np.all(run.visits[:, ~run.mdp.terminal] > 0.0):
                    raise NotApplicableError("some state is never visited, and so never improved")
                if not np.all(run.policies[:, run.allowed] > INVERTIBLE):
                    raise NotApplicableError(
                        "some probability is too small for the Fisher matrix to be inverted in "
                        "doubles"
                    )
            uniform = uniform_temperature(regularizer)
            # 0 at the end of the range, where rounding may leave a little less
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
                f"{run.algorithm.name} with {type(regularizer).__name__} is no dual averaging"
            )


@cached_on_run
def as_mirror_descent(run: Trace) -> DualAveragingRun:
    """Return a run as mirror descent with exact steps: dual averaging, or proximal steps.

    Of a proximal step in a divergence that is not the regularizer's, the temperature plays no part
    in what is proved here: it is 0.

    Raises:
        Inapplicable: if it is neither.
    """
    improvement = run.improvement
    if isinstance(improvement, MirrorDescent) and run.lookahead == 1:
        require_exact(run)
        own = isinstance(run.regularizer, Shannon | KL | Unregularized) and isinstance(
            improvement.potential, Shannon
        )
        if not own and not (
            isinstance(run.regularizer, Unregularized) and improvement.potential.steep
        ):
            return DualAveragingRun(
                run, improvement.potential, np.zeros(run.mdp.n_states), 1.0 / run.step_sizes
            )
    return as_exact_dual_averaging(run)


def require_exact(run: Trace) -> None:
    """Check that the run is a sequence of policies with their exact values.

    Raises:
        Inapplicable: if it is not.
    """
    if not isinstance(run.algorithm, PolicyOptimization) or not run.algorithm.evaluation.exact:
        raise NotApplicableError("its policies are not evaluated exactly")
    _ = run.policies


def uniform_temperature(regularizer: Regularizer) -> float:
    """Return the temperature if it is the same in all states.

    Raises:
        Inapplicable: if it is not.
    """
    values = np.asarray(regularizer.temperature, dtype=np.float64)
    if np.any(values != values.flat[0]):
        raise NotApplicableError("the temperature differs between states")
    return float(values.flat[0])


def dual_variables(run: Trace, mirror: Regularizer) -> Float[np.ndarray, "n S A"]:
    """Return the (n + 1, S, A) dual variables ξ_k of a run, as its mirror map has them.

    With the entropies they are logarithms of the policies, which the run has to be true to;
    elsewhere those that it kept, and after a greedy step the action values divided by the
    temperature.
    """
    if isinstance(mirror, Shannon | KL):
        kept = [None, *_kept(run)]
        return np.stack([log_policy(run, mirror, k, dual) for k, dual in enumerate(kept)])
    improvement = run.improvement
    if isinstance(improvement, MirrorDescent) and not mirror.steep:
        # a projection starts from the policy, not from what has been averaged
        return np.stack(
            [
                np.asarray(improvement.initial_dual(run.mdp, run.regularizer, policy))
                for policy in run.policies
            ]
        )
    first = improvement.initial_dual(run.mdp, run.regularizer, run.policies[0])
    if first is None:
        # a greedy step does not depend on where it starts
        first = normalise_dual(np.zeros(run.allowed.shape), run.allowed)
    return np.stack([first, *_kept(run)])


def _kept(run: Trace) -> list[Float[np.ndarray, "S A"]]:
    """Return the dual variables of all policies but the first, as the run kept them, or of a greedy step Q/τ."""
    tau = np.asarray(run.regularizer.temperature)[..., None]
    return [
        normalise_dual(subtract_best(run.q[k], run.allowed) / tau, run.allowed)
        if state.dual is None
        else np.asarray(state.dual)
        for k, state in enumerate(run.states[:-1])
    ]


def log_policy(
    run: Trace, mirror: Regularizer, iterate: int, dual: Array | None
) -> Float[np.ndarray, "S A"]:
    """(S, A) log π_k, or log π_k/p0 for KL; -inf at pairs that are not permitted, 0 in terminal states.

    Where a probability is too small for a double, its logarithm is taken from the dual variable
    that the run kept.
    """
    policy = run.policies[iterate]
    small = policy < 1e-290
    with np.errstate(divide="ignore", invalid="ignore"):
        logarithm = np.where(small, -np.inf, np.log(np.where(small, 1.0, policy)))
        if isinstance(mirror, KL):
            logarithm = logarithm - np.where(run.allowed, mirror._log_reference, 0.0)
    if dual is not None:
        # a dual variable is the logarithm up to a constant, known from the most probable action
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
    r"""(S, A) policy p and dual variable ξ of another one, q -> (S,) \(D_h(p, q; \xi) = h(p) + h^*(\xi) - \langle \xi, p \rangle\).

    For q = ∇h*(ξ) this is h(p) - h(q) - ⟨ξ, p - q⟩, the Bregman divergence; for Shannon and KL it
    is KL(p‖q). It is 0 in terminal states.
    """
    live = allowed.any(axis=-1)
    policy = np.asarray(policy)
    inner = np.sum(np.where(policy > 0, policy * np.where(policy > 0, dual, 0.0), 0.0), axis=-1)
    scores = np.where(live[:, None], dual, 0.0)
    return np.where(
        live, mirror.value(policy, allowed) + mirror.conjugate(scores, allowed) - inner, 0.0
    )


def _largest(dual: Array) -> float:
    return float(np.max(np.abs(np.where(np.isfinite(dual), dual, 0.0)), initial=0.0))
