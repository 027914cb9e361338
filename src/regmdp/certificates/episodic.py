r"""Bounds for γ = 1, where episodes end.

**Lower bounds.** If a policy π ends with probability 1 and T_π L ≥ L, then L ≤ V^π: iterating T_π,
the contribution of L vanishes.

**Upper bounds.** If T U < U strictly in every state that is not terminal, then U ≥ V^π for every
policy, whether it ends or not: each step loses at least some δ > 0 against U, so a policy that
never ends has value -∞, and for one that ends the contribution of U vanishes. Such a U is the
optimal value of the model in which every step earns a small bonus; policy iteration finds it. Where
policies delay the end for a bonus, U is lifted instead (:mod:`regmdp.certificates.superharmonic`).

The model comes from :func:`regmdp.undiscounted.reduce_model`: sets in which only reward 0 is kept
are collapsed, for no U is strict in them, and some policy ends from every state.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

import numpy as np

from regmdp import bellman
from regmdp._internal.arrays import UNIT_ROUNDOFF, Array, Float
from regmdp._internal.errors import SingularError
from regmdp._internal.status import Status
from regmdp.certificates.certificate import Bounds
from regmdp.certificates.penalties import sweep_error
from regmdp.certificates.superharmonic import find_superharmonic
from regmdp.certificates.user_functions import require_maxima
from regmdp.evaluation import Chain, Exact
from regmdp.improvement import greedy_policy
from regmdp.mdp import MDP
from regmdp.mdp.structure import find_end_components, find_non_terminating_states
from regmdp.policies import uniform_policy
from regmdp.regularizers import Regularizer
from regmdp.rounding import rows_sum_to_one
from regmdp.undiscounted.gain import bound_gains
from regmdp.undiscounted.reduction import chooses_freely

__all__ = ["episodic_bounds", "policy_bounds"]

#: Largest number of states for which an upper bound is searched for at any cost.
FEW_STATES = 2000
#: Largest number of policy iterations in one attempt at an upper bound.
MAX_POLICY_ITERATIONS = 40
#: Factor by which a bonus may raise the value of a candidate beyond what its own steps earn.
MAX_RISE = 16.0
#: Bonuses of the attempts, in units of the rounding error of a sweep.
WIDENINGS = (8.0, 128.0, 2048.0, 32768.0, 2.0**20, 2.0**25)
#: Excess of a bound over the candidate, relative to the largest value, above which it is loose.
LOOSE = 1e-10


def episodic_bounds(
    mdp: MDP,
    regularizer: Regularizer,
    policy: Float[Array, "S A"] | None,
    value: Float[Array, " S"],
) -> Bounds:
    """Bound the optimal value, and the value of a policy that ends the episode.

    Without a policy, that of a greedy one. The search for bounds starts from the (S,) value.
    """
    if policy is None:
        policy = np.asarray(greedy_policy(mdp, regularizer, value).policy)
        if find_non_terminating_states(mdp, policy > 0).any():
            policy = uniform_policy(mdp, regularizer)
    everywhere = np.full(mdp.n_states, np.inf)
    try:
        ending = _EndingPolicy.evaluate(mdp, regularizer, policy, value)
    except SingularError:
        return Bounds(-everywhere, everywhere, -everywhere, everywhere, Status.STALLED)
    policy_lower, policy_upper = ending.bound_value(mdp, regularizer)
    upper, limit = _find_upper_bound(mdp, regularizer, ending)
    return Bounds(policy_lower, upper, policy_lower, np.minimum(upper, policy_upper), limit)


def policy_bounds(
    mdp: MDP, regularizer: Regularizer, policy: Float[Array, "S A"], value: Float[Array, " S"]
) -> tuple[Float[np.ndarray, " S"], Float[np.ndarray, " S"]]:
    """Return (S,) bounds on the value of a policy that ends, found from a (S,) value."""
    return _EndingPolicy.evaluate(mdp, regularizer, policy, value).bound_value(mdp, regularizer)


@dataclass(frozen=True, eq=False)
class _EndingPolicy:
    """A policy that ends, with its computed (S,) value and (S,) expected number of steps."""

    policy: Float[np.ndarray, "S A"]
    value: Float[np.ndarray, " S"]
    steps: Float[np.ndarray, " S"]
    chain: Chain

    @classmethod
    def evaluate(
        cls,
        mdp: MDP,
        regularizer: Regularizer,
        policy: Float[Array, "S A"],
        guess: Float[Array, " S"],
    ) -> _EndingPolicy:
        chain = Chain.from_policy(mdp, policy)
        system = Exact().prepare(chain)
        value = system.solve(bellman.expected_rewards(mdp, regularizer, policy), guess)
        one = np.where(mdp.terminal, 0.0, 1.0)
        return cls(policy, value, system.solve(one, one), chain)

    def has_value(self, mdp: MDP) -> bool:
        """Whether the stored rows, which may sum to more than 1, end in finite expected time.

        Steps w ≥ 0 with w ≥ P_π w + ½ prove that I - P_π has an inverse, and that it is not
        negative.
        """
        terms = min(mdp.n_states, mdp.n_actions * mdp.transitions.branching) + mdp.n_actions
        error = 2 * (terms + 8) * UNIT_ROUNDOFF * float(np.max(np.abs(self.steps)))
        left = self.steps - self.chain.matrix @ self.steps - error
        return bool(np.all(self.steps >= 0.0) and np.all(left[~mdp.terminal] >= 0.5))

    def bound_value(
        self, mdp: MDP, regularizer: Regularizer
    ) -> tuple[Float[np.ndarray, " S"], Float[np.ndarray, " S"]]:
        """Return bounds V ∓ c steps on the value of the policy; their backups confirm c."""
        unbounded = np.where(mdp.terminal, 0.0, np.inf)
        if not self.has_value(mdp):
            return -unbounded, unbounded
        drift = bellman.policy_backup(mdp, regularizer, self.policy, self.value) - self.value
        error = sweep_error(mdp, regularizer, self.value, self.policy)
        margin = 2.0 * (float(np.max(np.abs(drift))) + error)
        bounds = []
        for sign in (-1.0, 1.0):
            bound = sign * unbounded
            for widening in (1.0, 4.0, 64.0, 4096.0):
                candidate = self.value + sign * widening * margin * self.steps
                if not np.isfinite(candidate).all():
                    break
                moved = bellman.policy_backup(mdp, regularizer, self.policy, candidate)
                error = sweep_error(mdp, regularizer, candidate, self.policy)
                inward = sign * (candidate - moved) - error
                if np.all(inward[~mdp.terminal] >= 0.0):
                    bound = candidate
                    break
            bounds.append(np.where(mdp.terminal, 0.0, bound))
        return self._tighten(mdp, regularizer, bounds[0], bounds[1])

    def _tighten(
        self,
        mdp: MDP,
        regularizer: Regularizer,
        lower: Float[np.ndarray, " S"],
        upper: Float[np.ndarray, " S"],
    ) -> tuple[Float[np.ndarray, " S"], Float[np.ndarray, " S"]]:
        """Find bounds by exact differences where a policy delays the end, and those are loose.

        What bounds all policies that use the same pairs bounds this one.
        """
        if not (chooses_freely(regularizer) and rows_sum_to_one(mdp)):
            return lower, upper
        loose = _is_loose(-self.value, -lower), _is_loose(self.value, upper)
        if not any(loose):
            return lower, upper
        used = mdp.with_available(self.policy > 0)
        if loose[0]:
            negative = find_superharmonic(used.with_rewards(-mdp.rewards), -self.value)
            lower = lower if negative is None else np.maximum(lower, -negative)
        if loose[1]:
            above = find_superharmonic(used, self.value)
            upper = upper if above is None else np.minimum(upper, above)
        return lower, upper


def _find_upper_bound(
    mdp: MDP, regularizer: Regularizer, ending: _EndingPolicy
) -> tuple[Float[np.ndarray, " S"], Status | None]:
    """Return an upper bound on the optimal value, +∞ if none is found, and its limit."""
    # policy iteration removes the error of the candidate, so the bonus has to cover only rounding
    least = sweep_error(mdp, regularizer, ending.value) + _mass_slack(mdp, ending.value)
    lifts = chooses_freely(regularizer) and regularizer.domain(None) is None
    lifts = lifts and rows_sum_to_one(mdp)
    widenings = WIDENINGS
    if lifts:
        rise = _expected_rise(mdp, regularizer, ending, WIDENINGS[0] * least)
        quick = _solve_with_bonus(mdp, regularizer, ending, WIDENINGS[0] * least, MAX_RISE * rise)
        if quick is not None and not _is_loose(ending.value, quick):
            return np.where(mdp.terminal, 0.0, quick), None
        loses = _never_ending_loses(mdp, regularizer)
        lifted = find_superharmonic(mdp, ending.value) if loses else None
        found = [bound for bound in (quick, lifted) if bound is not None]
        if found:
            return np.where(mdp.terminal, 0.0, np.min(found, axis=0)), None
        if loses and mdp.n_states > FEW_STATES:
            widenings = ()  # a value that is not yet optimal would take long; a better one follows
    for widening in widenings:
        upper = _solve_with_bonus(mdp, regularizer, ending, widening * least, np.inf)
        if upper is not None:
            return np.where(mdp.terminal, 0.0, upper), None
    return np.where(mdp.terminal, 0.0, np.inf), Status.UNBOUNDED_ABOVE


def _is_loose(value: Float[np.ndarray, " S"], upper: Float[np.ndarray, " S"]) -> bool:
    """Whether a bound may be far above the value, where policies delay the end."""
    excess = float(np.max(upper - value, initial=0.0))
    return excess > LOOSE * float(np.max(np.abs(value), initial=0.0))


def _solve_with_bonus(
    mdp: MDP, regularizer: Regularizer, ending: _EndingPolicy, bonus: float, most: float
) -> Float[np.ndarray, " S"] | None:
    """Solve the model with a bonus in every step, by policy iteration.

    Returns:
        (S,) its value, if that is a bound. None if it exceeds that of the candidate by more than
        ``most``.
    """
    values = islice(_iterate_policies(mdp, regularizer, ending, bonus), MAX_POLICY_ITERATIONS)
    for value in values:
        if np.max(value - ending.value) > most:
            return None  # the bonus delays the end
        if _is_upper_bound(mdp, regularizer, value):
            if regularizer.user_defined:
                best = bellman.backup(mdp, regularizer, value)
                error = sweep_error(mdp, regularizer, value)
                require_maxima(mdp, regularizer, value, best, error)
            return value
    return None


def _expected_rise(
    mdp: MDP, regularizer: Regularizer, ending: _EndingPolicy, bonus: float
) -> float:
    """Return by how much a value rises with a bonus if the steps remain about as many."""
    lack = bellman.backup(mdp, regularizer, ending.value) - ending.value
    in_a_step = bonus + float(np.max(lack, initial=0.0))
    return in_a_step * float(np.max(ending.steps, initial=1.0))


def _iterate_policies(
    mdp: MDP, regularizer: Regularizer, ending: _EndingPolicy, bonus: float
) -> Iterator[Float[np.ndarray, " S"]]:
    """Yield the (S,) values of policy iteration with a bonus in every step, until it settles."""
    raised = mdp.with_rewards(mdp.rewards + bonus)
    policy, value = ending.policy, ending.value + bonus * ending.steps
    before = np.full(mdp.n_states, np.inf)
    while np.isfinite(value).all():
        yield value
        if np.max(np.abs(value - before)) <= sweep_error(raised, regularizer, value):
            return
        before = value
        policy = np.asarray(greedy_policy(raised, regularizer, value, policy).policy)
        if find_non_terminating_states(raised, policy > 0).any():
            return
        rewards = bellman.expected_rewards(raised, regularizer, policy)
        try:
            chain = Chain.from_policy(raised, policy)
            value = Exact().prepare(chain).solve(rewards, value, bonus / 64)
        except SingularError:
            return


def _is_upper_bound(mdp: MDP, regularizer: Regularizer, upper: Float[np.ndarray, " S"]) -> bool:
    """Whether T U < U in every state that is not terminal, by more than rounding."""
    error = sweep_error(mdp, regularizer, upper) + _mass_slack(mdp, upper)
    after = bellman.backup(mdp, regularizer, upper)
    live = ~mdp.terminal
    return bool(np.all(after[live] + error * (1 + 4 * UNIT_ROUNDOFF) < upper[live]))


def _mass_slack(model: MDP, upper: Float[np.ndarray, " S"]) -> float:
    """Return the slack of T U < U for stored rows that sum to 1 + ε: ε max(-U).

    Under a policy that never ends, the total weight of a step may be 1 + ε times that of the step
    before, and a negative U grows with it.
    """
    return model.mass_error * max(0.0, -float(upper.min()))


def _never_ending_loses(mdp: MDP, regularizer: Regularizer) -> bool:
    """Whether it is certain that policies that never end have value -∞."""
    components = find_end_components(mdp, mdp.available)
    _, high = bound_gains(mdp, regularizer, components)
    return bool(np.all(high < 0))
