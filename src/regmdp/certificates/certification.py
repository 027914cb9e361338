"""Certify or evaluate any policy or value."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import cast

import numpy as np

from regmdp import bellman
from regmdp._internal.arrays import Array, ArrayLike, Float, freeze
from regmdp._internal.bounds import require_bounds
from regmdp._internal.errors import SolverError
from regmdp._internal.fields import ReadOnlyCopies
from regmdp._internal.html import html_rows
from regmdp.certificates.certificate import Bounds, Certificate
from regmdp.certificates.discounted import discounted_bounds
from regmdp.certificates.episodic import episodic_bounds, policy_bounds
from regmdp.evaluation import Exact
from regmdp.mdp import MDP, initial_value
from regmdp.mdp.deterministic import DeterministicPolicy
from regmdp.mdp.partition import together
from regmdp.mdp.structure import find_pairs_leading_to
from regmdp.policies import check_policy
from regmdp.problem import Problem
from regmdp.regularizers import Regularizer
from regmdp.undiscounted import reduce_model, restrict_to_policy

__all__ = ["PolicyEvaluation", "certify", "evaluate"]


@together
def certify(
    mdp: MDP,
    regularizer: Regularizer | None = None,
    *,
    policy: ArrayLike | DeterministicPolicy | None = None,
    value: ArrayLike | None = None,
) -> Certificate:
    """Bound how far a policy, or the policy that is greedy for a value, is from optimal.

    The bounds do not depend on how the candidate was computed. The optimum is bounded from the
    value, by one sweep, or else from the value of the policy: valid bounds, but wide ones if that
    is far from the optimum. For a sharp bound on a poor policy, give it together with the value of
    a solution. With γ = 1 the optimum is searched for, which costs a few evaluations.

    Args:
        mdp: The model.
        regularizer: The regularizer of the problem; none by default.
        policy: (S, A) probabilities, or (S,) action numbers.
        value: (S,) value, of any origin. Without a policy, its greedy policy is certified; with
            γ = 1 the uniform one instead if the greedy one never ends.

    Returns:
        The certificate.

    Raises:
        SolverError: if neither is given, or the value is not (S,) finite numbers.
        PolicyError: if the policy is not one of this model.
        InfeasibleError: if γ = 1 and from some state no policy ends the episode, and it is not
            certain that all of them lose without bound.
        ImproperPolicyError: if γ = 1 and this policy neither ends it, nor stays where nothing is
            paid, though another one would.

    Examples:
        >>> import numpy as np, regmdp as rm
        >>> mdp = rm.models.chain(5)
        >>> certificate = rm.certify(mdp, rm.Shannon(temperature=0.1), value=np.zeros(5))
        >>> bool(np.all(certificate.lower <= certificate.upper))
        True
    """
    if policy is None and value is None:
        raise SolverError("certify needs a policy or a value")
    problem = Problem.check(mdp, regularizer)
    regularizer = problem.regularizer
    witness = None if value is None else problem.check_value(value)
    checked = None if policy is None else check_policy(mdp, policy, regularizer)
    if mdp.discount == 1.0:
        return Certificate.from_bounds(
            mdp.initial, _bound_total_reward(mdp, regularizer, checked, witness)
        )
    if checked is None:
        assert witness is not None
        bounds = bound_values(mdp, regularizer, None, witness)
    else:
        own = Exact()(mdp, regularizer, checked, np.zeros(mdp.n_states))
        bounds = bound_values(mdp, regularizer, checked, own)
        if witness is not None:
            bounds = bounds.intersection(bound_values(mdp, regularizer, checked, witness))
    return Certificate.from_bounds(mdp.initial, bounds)


def _bound_total_reward(
    mdp: MDP,
    regularizer: Regularizer,
    policy: Float[Array, "S A"] | None,
    value: Float[Array, " S"] | None,
) -> Bounds:
    """Bound the optimum and the value of a policy of an undiscounted model.

    The optimum is searched for in the reduced model, starting from the value if there is one.
    """
    reduction = reduce_model(mdp, regularizer)
    if reduction is None and policy is not None:
        restriction = restrict_to_policy(mdp, regularizer, policy)
        if restriction.mdp is mdp:  # the policy ends from every state
            own = Exact()(mdp, regularizer, policy, np.zeros(mdp.n_states))
            return episodic_bounds(mdp, regularizer, policy, own)
    own = None if policy is None else _bound_policy(mdp, regularizer, policy)
    guess = np.zeros(mdp.n_states) if value is None else value
    if value is None and own is not None:
        guess = np.where(np.isfinite(own[0]), own[0], 0.0)
    if reduction is None:
        best = episodic_bounds(mdp, regularizer, None, guess)
    else:
        start = reduction.reduce_value(guess)
        best = episodic_bounds(reduction.reduced, reduction.regularizer, None, start)
        best = best.map(reduction.expand_value)
    if own is None:
        return best
    _, lower, upper = own
    return replace(
        best, lower=np.maximum(best.lower, lower), policy_lower=lower, policy_upper=upper
    )


def _bound_policy(
    mdp: MDP, regularizer: Regularizer, policy: Float[Array, "S A"]
) -> tuple[Float[np.ndarray, " S"], Float[np.ndarray, " S"], Float[np.ndarray, " S"]]:
    """Return the (S,) value of a policy of an undiscounted model, with (S,) bounds on it."""
    left = restrict_to_policy(mdp, regularizer, policy)
    value = Exact()(left.mdp, regularizer, left.policy, np.zeros(mdp.n_states))
    bounds = policy_bounds(left.mdp, regularizer, left.policy, value)
    value, lower, upper = (left.expand_value(numbers) for numbers in (value, *bounds))
    return value, lower, upper


def bound_values(
    mdp: MDP,
    regularizer: Regularizer,
    policy: Float[Array, "S A"] | None,
    value: Float[Array, " S"],
) -> Bounds:
    """Bound the optimum and the value of a checked or the greedy policy from a (S,) value."""
    if mdp.discount < 1.0:
        return discounted_bounds(mdp, regularizer, policy, value)
    return episodic_bounds(mdp, regularizer, policy, value)


@dataclass(frozen=True, eq=False)
class PolicyEvaluation(ReadOnlyCopies):
    """The value of a policy.

    Attributes:
        value: (S,) value V^π, in the unit of the rewards.
        q: (S, A) action values Q^π, without the regularizer on the first action; -inf at
            unavailable pairs.
        lower: (S,) certified lower bound on V^π.
        upper: (S,) certified upper bound on V^π.
        initial_value: V^π from the initial distribution ρ.
    """

    value: Float[np.ndarray, " S"]
    q: Float[np.ndarray, "S A"]
    lower: Float[np.ndarray, " S"]
    upper: Float[np.ndarray, " S"]
    initial_value: float

    def __post_init__(self) -> None:
        require_bounds("the policy's value of the states", self.lower, self.upper)

    def __repr__(self) -> str:
        width = float(np.max(self.upper - self.lower))
        return (
            f"PolicyEvaluation(from the initial distribution {self.initial_value:.12g}; bounds at "
            f"most {width:.3g} apart)"
        )

    def _repr_html_(self) -> str:
        width = f"at most {float(np.max(self.upper - self.lower)):.3g} apart"
        value = f"{self.initial_value:.12g} from the initial distribution"
        return html_rows("Value of a policy", [("value", value), ("bounds", width)])


@together
def evaluate(
    mdp: MDP,
    policy: ArrayLike | DeterministicPolicy,
    regularizer: Regularizer | None = None,
) -> PolicyEvaluation:
    r"""Evaluate a policy, \(V^\pi = (I - \gamma P_\pi)^{-1} (r_\pi - \tau h(\pi))\), with bounds.

    Args:
        mdp: The model.
        policy: (S, A) probabilities, or (S,) action numbers.
        regularizer: Its cost is part of the value; none by default.

    Returns:
        The value, the action values and certified bounds.

    Raises:
        PolicyError: if the policy is not one of this model, or the regularizer is infinite at it.
        InfeasibleError: if γ = 1 and from some state no policy ends the episode, and it is not
            certain that all of them lose without bound.
        ImproperPolicyError: if γ = 1 and this policy neither ends it, nor stays where nothing is
            paid, though another one would.

    Examples:
        >>> import numpy as np, regmdp as rm
        >>> rm.evaluate(rm.models.bandit(), np.array([[0.5, 0.5, 0.0]])).value
        array([0.95])
    """
    problem = Problem.check(mdp, regularizer)
    regularizer = problem.regularizer
    checked = check_policy(mdp, policy, regularizer)
    if mdp.discount < 1.0:
        value = Exact()(mdp, regularizer, checked, np.zeros(mdp.n_states))
        bounds = discounted_bounds(mdp, regularizer, checked, value)
        lower, upper = bounds.policy_lower, bounds.policy_upper
    else:
        value, lower, upper = _bound_policy(mdp, regularizer, checked)
    return PolicyEvaluation(
        value=freeze(value),
        q=_action_values(mdp, value),
        lower=freeze(lower),
        upper=freeze(upper),
        initial_value=initial_value(mdp, value),
    )


def _action_values(mdp: MDP, value: Float[Array, " S"]) -> Float[np.ndarray, "S A"]:
    """(S,) value, perhaps -∞ -> (S, A) action values; -∞ where a pair may lead to -∞."""
    lost = np.isneginf(value)
    q = np.asarray(bellman.q_values(mdp, np.where(lost, 0.0, value)))
    if lost.any():
        q = np.where(find_pairs_leading_to(mdp, lost), -np.inf, q)
    # sparse in a ragged model
    return freeze(q) if mdp.numbering is None else cast("np.ndarray", mdp.to_sparse(q))
