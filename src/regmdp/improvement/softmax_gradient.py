r"""Gradient ascent on the logits of a softmax policy, plain and natural.

With π ∝ exp θ and \(g = \nabla h(\pi)\), the gradient of the value from ρ is

.. math::
    \frac{\partial V^\pi(\rho)}{\partial \theta(s, a)} =
    \frac{d_\rho^\pi(s)}{1-\gamma} \pi(a|s) A(s, a), \qquad
    A = Q - \tau g - \langle \pi, Q - \tau g \rangle

For Shannon entropy A is the soft advantage Q - τ log π - V.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from regmdp._internal.arrays import Array, Bool, Float
from regmdp._internal.checks import describe_first
from regmdp._internal.errors import SolverError
from regmdp.bellman import Block
from regmdp.evaluation import Chain, Exact
from regmdp.improvement.base import BlockRule, Candidate
from regmdp.improvement.dual_variables import normalise_dual, policy_from_dual, subtract_best
from regmdp.improvement.step_size_improvement import (
    StepSizeImprovement,
    find_fixed_step,
    require_discount,
    require_step_within,
)
from regmdp.mdp import MDP, DecisionProcess
from regmdp.policies import permitted
from regmdp.regularizers import Regularizer, Shannon, Unregularized

__all__ = ["FisherNaturalGradient", "SoftmaxGradient", "advantage"]

#: The mirror map of the parametrization: logits are dual variables of Shannon entropy.
SOFTMAX = Shannon(temperature=0.0)
#: Relative size below which eigenvalues of a Fisher matrix count as 0: its null space, the
#: constants, has eigenvalues of the size of rounding errors.
EIGENVALUE_TOLERANCE = 1e-13


def advantage(
    regularizer: Regularizer,
    policy: Float[Array, "b A"],
    q: Float[Array, "b A"],
    available: Bool[Array, "b A"] | None,
) -> Float[np.ndarray, "b A"]:
    """(b, A) policy and its action values -> (b, A) regularized advantage, 0 where π is 0.

    It is Q - τ h'(π) minus its mean under π.

    Args:
        regularizer: h with its temperature, for b states.
        policy: (b, A) π.
        q: (b, A) Q.
        available: (b, A) mask, or None.
    """
    used = policy > 0
    slope = regularizer.subgradient(policy, available)
    price = np.asarray(regularizer.temperature)[..., None] * np.where(used, slope, 0.0)
    net = np.where(used, subtract_best(q, used) - price, 0.0)
    return np.where(used, net - np.sum(policy * net, axis=-1, keepdims=True), 0.0)


@dataclass(frozen=True, init=False)
class SoftmaxGradient(StepSizeImprovement):
    r"""Gradient ascent on the logits, \(\theta^+ = \theta + \eta \nabla_\theta V^\pi(\rho)\).

    A state that ρ does not reach is never improved: ρ should be positive everywhere.

    Args:
        step_size: η > 0, a number or a step size object. Convergence is proved up to
            :meth:`max_step_size`.

    References:
        Agarwal, Kakade, Lee & Mahajan 2021, JMLR 22(98), section 5; Mei, Xiao, Szepesvári &
        Schuurmans 2020, ICML, section 4: with entropy.
    """

    def mirror_map(self, regularizer: Regularizer) -> Regularizer:
        return SOFTMAX

    def max_step_size(self, mdp: DecisionProcess, regularizer: Regularizer) -> float:
        r"""Return the inverse smoothness constant, \((1-\gamma)^3/(8R + \tau(4 + 8 \log A))\).

        R is the range of the rewards.

        References:
            Agarwal et al. 2021, Theorem 10 (τ = 0, R = 1); Mei et al. 2020, Theorem 6 (Shannon
            entropy, R = 1).
        """
        if not isinstance(regularizer, Unregularized | Shannon):
            raise SolverError(
                "the theory's largest step size is known without a regularizer and with Shannon; "
                "give a number"
            )
        require_discount(mdp, "the theory's largest step size of softmax policy gradient")
        mdp = _require_model(mdp)
        rewards = mdp.rewards[mdp.available]
        low, high = float(np.min(rewards)), float(np.max(rewards))
        if mdp.terminates:  # after the end of an episode rewards are 0
            low, high = min(low, 0.0), max(high, 0.0)
        curvature = 8.0 * (high - low) + regularizer.max_temperature * (
            4.0 + 8.0 * math.log(mdp.n_actions)
        )
        if not curvature > 0:
            raise SolverError(
                "all rewards are the same and there is no regularizer, so there is no largest step "
                "size; give a number"
            )
        return (1.0 - mdp.discount) ** 3 / curvature

    def check(self, mdp: DecisionProcess, regularizer: Regularizer) -> None:
        find_fixed_step(self, mdp, regularizer)
        _require_finite(mdp, regularizer)

    def make_rule(
        self, mdp: DecisionProcess, regularizer: Regularizer, candidate: Candidate, step: float
    ) -> BlockRule:
        logits = candidate.require_dual()
        visits = _count_visits(mdp, candidate) if candidate.gradient is None else None

        def rule(block: Block, allowed: Array | None) -> tuple[Array, Array]:
            policy = candidate.policy[block.states]
            if visits is not None:
                gradient = (
                    visits[block.states, None]
                    * policy
                    * advantage(block.regularizer, policy, block.q, block.available)
                )
            else:
                assert candidate.gradient is not None
                gradient = candidate.gradient[block.states]
            moved = normalise_dual(
                np.where(
                    gradient != 0, logits[block.states] + step * gradient, logits[block.states]
                ),
                allowed,
            )
            return policy_from_dual(SOFTMAX, moved, allowed), moved

        return rule


@dataclass(frozen=True, init=False)
class FisherNaturalGradient(StepSizeImprovement):
    r"""Natural policy gradient with the Fisher matrix.

    The step is \(\theta^+ = \theta + \eta F_\rho^\dagger \nabla_\theta V^\pi(\rho)\).

    The Fisher matrix has one block for each state,
    \(d_\rho(s) (\mathrm{diag}\,\pi_s - \pi_s \pi_s^\top)\), and a state that is never visited is
    not improved. In the others the policies are those of :class:`NaturalGradient`, at the cost of a
    pseudo-inverse for each state and up to its accuracy: a probability p has a relative error of
    about 1e-16/p, and below 1e-13 it does not change.

    Args:
        step_size: η, a number or a step size object, with 0 < η ≤ (1-γ)/τ.

    References:
        Kakade 2001, NIPS, "A natural policy gradient"; Agarwal, Kakade, Lee & Mahajan 2021, JMLR
        22(98), section 5.3.
    """

    def mirror_map(self, regularizer: Regularizer) -> Regularizer:
        return SOFTMAX

    def max_step_size(self, mdp: DecisionProcess, regularizer: Regularizer) -> float:
        temperature = regularizer.max_temperature
        return (1.0 - mdp.discount) / temperature if temperature > 0 else math.inf

    def check(self, mdp: DecisionProcess, regularizer: Regularizer) -> None:
        require_discount(mdp, "natural policy gradient")
        _require_finite(mdp, regularizer)
        require_step_within(self, mdp, regularizer, "(1-γ)/τ")

    def make_rule(
        self, mdp: DecisionProcess, regularizer: Regularizer, candidate: Candidate, step: float
    ) -> BlockRule:
        logits = candidate.require_dual()
        visits = _count_visits(mdp, candidate)

        def rule(block: Block, allowed: Array | None) -> tuple[Array, Array]:
            policy, count = candidate.policy[block.states], visits[block.states, None]
            gradient = (
                count * policy * advantage(block.regularizer, policy, block.q, block.available)
            )
            # diag π - ππᵀ: as the rows sum to 0, π(1-π) is a sum of products, which is accurate for
            # small π
            products = policy[:, :, None] * policy[:, None, :] * (1.0 - np.eye(mdp.n_actions))
            covariance = np.eye(mdp.n_actions) * products.sum(axis=-1, keepdims=True) - products
            fisher = (1.0 - mdp.discount) * count[..., None] * covariance
            # where the policy is deterministic to rounding, the matrix counts as 0
            fisher *= np.max(fisher, axis=(-2, -1), keepdims=True) > 1e-290
            direction = (
                np.linalg.pinv(fisher, rtol=EIGENVALUE_TOLERANCE, hermitian=True)
                @ gradient[..., None]
            )[..., 0]
            current = logits[block.states]
            moved = normalise_dual(
                np.where(direction != 0, current + step * direction, current), allowed
            )
            return policy_from_dual(SOFTMAX, moved, allowed), moved

        return rule


def _require_model(mdp: DecisionProcess) -> MDP:
    """Return the model if its transition probabilities are known.

    Raises:
        SolverError: if they are not.
    """
    if not isinstance(mdp, MDP):
        raise SolverError(
            "this needs a model with known transition probabilities; to learn from samples use "
            "SoftmaxPG with Rollouts, which estimate the gradient, and a number for the step size, "
            "or NPG in closed form"
        )
    return mdp


def _count_visits(mdp: DecisionProcess, candidate: Candidate) -> Float[np.ndarray, " S"]:
    """Return the (S,) expected discounted number of visits to each state under the policy."""
    system = candidate.system
    if system is None:
        system = Exact().prepare(Chain.from_policy(_require_model(mdp), candidate.policy))
    return np.maximum(system.solve_transposed(mdp.initial), 0.0)


def _require_finite(mdp: DecisionProcess, regularizer: Regularizer) -> None:
    """Check that h is finite in the interior of the simplex, which gradient steps may reach.

    Raises:
        SolverError: naming the first state where it is not.
    """
    allowed = permitted(mdp, regularizer)
    counts = np.maximum(allowed.sum(axis=1, keepdims=True), 1)
    for action in range(mdp.n_actions):
        close = 0.999 * (np.arange(mdp.n_actions) == action) + 0.001 * allowed / counts
        nearly = np.where(allowed[:, [action]], close, allowed / counts)
        infinite = ~np.isfinite(regularizer.cost(nearly, mdp.available)) & allowed[:, action]
        if infinite.any():
            raise SolverError(
                describe_first(
                    infinite,
                    lambda state: (
                        f"{type(regularizer).__name__} is infinite inside the simplex in "
                        f"{mdp.describe(state)}, which gradient steps on logits may reach"
                    ),
                    "states",
                    "use GPMD or PMD",
                )
            )
