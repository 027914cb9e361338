r"""The gradient of the value in the logits of a softmax policy, and the Fisher matrix."""

from __future__ import annotations

import numpy as np

from regmdp import bellman
from regmdp._internal.arrays import ArrayLike, Float
from regmdp._internal.parameters import Instance, checked
from regmdp.certificates import evaluate
from regmdp.evaluation import occupancy, visits
from regmdp.improvement import advantage
from regmdp.mdp import MDP
from regmdp.mdp.deterministic import DeterministicPolicy
from regmdp.policies import POLICY, check_policy
from regmdp.problem import check_regularizer
from regmdp.regularizers import Regularizer

__all__ = ["fisher_matrix", "softmax_gradient"]


@checked(
    mdp=Instance(MDP),
    regularizer=Instance(Regularizer) | None,
    policy=POLICY,
)
def softmax_gradient(
    mdp: MDP, regularizer: Regularizer | None, policy: ArrayLike | DeterministicPolicy
) -> Float[np.ndarray, "S A"]:
    r"""Return the gradient of V^π(ρ) in the logits θ of π ∝ exp θ.

    .. math::
        \frac{\partial V^\pi(\rho)}{\partial \theta(s, a)}
        = \frac{d_\rho^\pi(s)}{1-\gamma} \pi(a|s) A(s, a), \qquad
        A = Q - \tau h'(\pi) - \langle \pi, Q - \tau h'(\pi) \rangle

    For Shannon A is the soft advantage Q - τ log π - V. Where π is 0 the gradient is 0.

    Args:
        mdp: The model.
        regularizer: The regularizer, differentiable inside the simplex; or None.
        policy: (S, A) or (S,) π.

    Returns:
        (S, A) gradient, in the unit of the rewards.

    Raises:
        PolicyError: if the policy is not one of this model.

    Examples:
        >>> import numpy as np, regmdp as rm
        >>> arms = rm.models.bandit((1.0, 0.0), discount=0.5)
        >>> rm.theory.softmax_gradient(arms, None, np.array([[0.5, 0.5]]))
        array([[ 0.5, -0.5]])

    References:
        Sutton, McAllester, Singh & Mansour 1999, NIPS; Agarwal, Kakade, Lee & Mahajan 2021, JMLR
        22(98), section 5; Mei, Xiao, Szepesvári & Schuurmans 2020, ICML, section 4, with entropy.
    """
    regularizer = check_regularizer(mdp, regularizer)
    checked = np.asarray(check_policy(mdp, policy, regularizer))
    value = evaluate(mdp, checked, regularizer).value
    q = bellman.q_values(mdp, value)
    soft = advantage(regularizer, checked, q, mdp.available)
    return np.asarray(visits(mdp, checked)[:, None] * checked * soft)


@checked(
    mdp=Instance(MDP),
    policy=POLICY,
)
def fisher_matrix(mdp: MDP, policy: ArrayLike | DeterministicPolicy) -> Float[np.ndarray, "S A A"]:
    r"""Return the diagonal blocks of the Fisher matrix of a softmax policy.

    .. math::
        F_\rho = E_{s \sim d_\rho^\pi,\, a \sim \pi(s)} \left[ \nabla \log \pi(a|s) \,
        \nabla \log \pi(a|s)^\top \right]
        = \mathrm{blockdiag}_s \, d_\rho^\pi(s) (\mathrm{diag}\, \pi_s - \pi_s \pi_s^\top)

    The natural gradient \(F_\rho^\dagger \nabla V^\pi(\rho)\) is A/(1-γ) up to a constant for each
    state, in states with d(s) > 0, so that it does not depend on ρ.

    Args:
        mdp: The model, γ < 1.
        policy: (S, A) or (S,) π.

    Returns:
        (S, A, A) blocks, one for each state; all other entries of the (S·A, S·A) matrix are 0.

    Raises:
        PolicyError: if the policy is not one of this model.
        SolverError: if γ = 1.

    Examples:
        >>> import numpy as np, regmdp as rm
        >>> arms = rm.models.bandit((1.0, 0.0), discount=0.5)
        >>> half = np.array([[0.5, 0.5]])
        >>> fisher = rm.theory.fisher_matrix(arms, half)
        >>> fisher[0]
        array([[ 0.25, -0.25],
               [-0.25,  0.25]])

        The natural gradient is the advantage (1/2, -1/2), divided by 1-γ:

        >>> gradient = rm.theory.softmax_gradient(arms, None, half)
        >>> (np.linalg.pinv(fisher) @ gradient[..., None])[..., 0].round(12)
        array([[ 1., -1.]])

    References:
        Kakade 2001, NIPS, "A natural policy gradient"; Agarwal, Kakade, Lee & Mahajan 2021, JMLR
        22(98), section 5.3 and Lemma 15.
    """
    checked = np.asarray(check_policy(mdp, policy, check_regularizer(mdp, None)))
    # π(1-π) as a sum of products is accurate for small π
    products = checked[:, :, None] * checked[:, None, :] * (1.0 - np.eye(mdp.n_actions))
    covariance = np.eye(mdp.n_actions) * products.sum(axis=-1, keepdims=True) - products
    return np.asarray(occupancy(mdp, checked)[:, None, None] * covariance)
