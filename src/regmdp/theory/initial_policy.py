"""The initial policy of a run and its distance from the optimum: the constants of the rates."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from regmdp._internal.arrays import ArrayLike, Float
from regmdp._internal.errors import SolverError
from regmdp._internal.parameters import Instance, Number, checked
from regmdp.evaluation import Exact
from regmdp.improvement.dual_variables import dual_from_policy
from regmdp.mdp import MDP
from regmdp.mdp.deterministic import DeterministicPolicy
from regmdp.policies import check_policy, uniform_policy
from regmdp.problem import check_regularizer
from regmdp.regularizers import Regularizer
from regmdp.theory.optima import Optimum, action_values, compute_optimum, sup_norm

__all__ = ["InitialPolicy", "evaluate_start", "mirror_descent_step", "require_positive_temperature"]


@dataclass(frozen=True, eq=False)
class InitialPolicy:
    """The initial policy of a run, its values, and the optimum.

    Attributes:
        optimum: The optimum.
        policy: (S, A) π_0.
        value: (S,) V_0.
        q: (S, A) Q_0; 0 at forbidden pairs.
    """

    optimum: Optimum
    policy: Float[np.ndarray, "S A"]
    value: Float[np.ndarray, " S"]
    q: Float[np.ndarray, "S A"]

    @property
    def q_distance(self) -> float:
        """‖Q* - Q_0‖ in the sup norm."""
        return float(sup_norm(self.optimum.q - self.q, self.optimum.allowed))

    def dual_distance(self) -> float:
        r"""Return \(\|Q^* - \tau \xi_0\|\) in the sup norm, for the ξ_0 with h*(ξ_0) = h*(Q*/τ).

        For Shannon and KL it is τ‖log π* - log π_0‖.
        """
        mdp, regularizer = self.optimum.mdp, self.optimum.regularizer
        dual = dual_from_policy(mdp, regularizer, regularizer, self.policy)
        return float(
            sup_norm(self.optimum.q - scale_dual(self.optimum, dual), self.optimum.allowed)
        )


def evaluate_start(
    mdp: MDP,
    regularizer: Regularizer | None,
    start: ArrayLike | DeterministicPolicy | None,
    optimum: Optimum | None,
) -> InitialPolicy:
    """Evaluate the initial policy: (S, A) probabilities or (S,) actions; by default uniform."""
    regularizer = check_regularizer(mdp, regularizer)
    optimum = compute_optimum(mdp, regularizer) if optimum is None else optimum
    policy = (
        uniform_policy(mdp, regularizer) if start is None else check_policy(mdp, start, regularizer)
    )
    value = Exact()(mdp, regularizer, policy, np.zeros(mdp.n_states))
    return InitialPolicy(optimum, policy, value, action_values(mdp, regularizer, value))


def scale_dual(optimum: Optimum, dual: Float[np.ndarray, "S A"]) -> Float[np.ndarray, "S A"]:
    """(S, A) ξ up to constants -> (S, A) τξ with h*(ξ) = h*(Q*/τ); 0 at forbidden pairs."""
    regularizer, allowed = optimum.regularizer, optimum.allowed
    tau = np.broadcast_to(np.asarray(regularizer.temperature, dtype=np.float64), allowed.shape[:1])
    scores = np.where(allowed.any(axis=-1, keepdims=True), dual, 0.0)
    shift = np.asarray(
        regularizer.maximum(optimum.q, optimum.mdp.available)
    ) - tau * regularizer.conjugate(scores, allowed)
    return np.where(allowed, tau[:, None] * np.where(allowed, dual, 0.0) + shift[:, None], 0.0)


def require_positive_temperature(regularizer: Regularizer) -> float:
    """Return the temperature, if it is positive and the same in all states.

    Raises:
        SolverError: if it is not.
    """
    values = np.asarray(regularizer.temperature, dtype=np.float64)
    if np.any(values != values.flat[0]) or not values.flat[0] > 0.0:
        raise SolverError(
            "this theorem needs the same positive temperature in all states, not "
            f"{regularizer.temperature!r}"
        )
    return float(values.flat[0])


@checked(
    mdp=Instance(MDP), regularizer=Instance(Regularizer), step_size=Number(above=0.0, finite=False)
)
def mirror_descent_step(mdp: MDP, regularizer: Regularizer, step_size: float) -> float:
    r"""Return the step size of mirror descent that equals natural policy gradient with step size η.

    .. math::
        \eta_\mathrm{MD} = \frac{\eta}{1 - \gamma - \eta \tau}, \qquad
        \alpha = \frac{1}{1 + \eta_\mathrm{MD} \tau} = 1 - \frac{\eta \tau}{1 - \gamma}

    Args:
        mdp: The model, γ < 1.
        regularizer: The regularizer.
        step_size: η, 0 < η ≤ (1-γ)/τ.

    Examples:
        >>> import regmdp as rm
        >>> mdp = rm.models.chain(5, discount=0.5)
        >>> (
        ...     rm.theory.mirror_descent_step(mdp, rm.Shannon(temperature=1.0), 0.25),
        ...     rm.theory.mirror_descent_step(mdp, rm.Shannon(1.0), 0.5),
        ... )
        (1.0, inf)

    References:
        Cen et al. 2022, Operations Research 70(4); Zhan et al. 2023, SIAM Journal on Optimization
        33(2). The exponents are α and 1 - α = ητ/(1-γ); where they are printed as 1 - ητ and ητ,
        this is an erratum.
    """
    tau = float(np.max(np.asarray(regularizer.temperature)))
    left = (1.0 - mdp.discount) / step_size - tau
    return 1.0 / left if left > 1e-12 * tau else np.inf
