"""Policies as arrays: the uniform policy, and checks of policies given by users."""

from __future__ import annotations

from typing import Any, cast

import numpy as np
import scipy

from regmdp._internal.array_checks import check_array
from regmdp._internal.arrays import Array, ArrayLike, Bool, Float, Int, assign, block_sum
from regmdp._internal.checks import describe_first
from regmdp._internal.errors import (
    ImproperPolicyError,
    InfeasibleError,
    PolicyError,
    RegmdpError,
    RegularizerError,
)
from regmdp._internal.parameters import ArrayOf, Instance, Kind, checked
from regmdp._internal.sparse import as_csr
from regmdp.mdp import MDP, DecisionProcess
from regmdp.mdp.deterministic import DeterministicPolicy
from regmdp.mdp.numbering import ActionNumbering
from regmdp.mdp.structure import find_end_components, find_non_terminating_states
from regmdp.mdp.transitions import needs_threads
from regmdp.regularizers import Regularizer, Unregularized

__all__ = [
    "POLICY",
    "AnyPolicyOf",
    "PolicyRowsOf",
    "as_columns",
    "by_numbers",
    "check_policy",
    "holds_actions",
    "improper_policy",
    "infeasible",
    "require_ending",
    "require_feasible",
    "uniform_policy",
]


class PolicyRowsOf(Kind):
    """The (S, A) probabilities of a policy of the model among the arguments."""

    needs_model = True

    def describe(self) -> str:
        return "a policy of shape (S, A)"

    def matches(self, value: object) -> bool:
        return (
            isinstance(value, DeterministicPolicy)
            or scipy.sparse.issparse(value)
            or ArrayOf("S A").matches(value)
        )

    def check(self, name: str, value: Any, model: Any, error: type[RegmdpError]) -> Any:
        shape = model.n_states, model.n_actions
        if isinstance(value, DeterministicPolicy) and value.shape == shape:
            return value
        if model.partition.holds(value) and value.shape == shape:
            return model.partition.own_table(value)
        value = as_columns(model, value)
        policy = ArrayOf("S A", minimum=0.0).check(name, value, model, PolicyError)
        with np.errstate(over="ignore"):
            sums = policy.sum(axis=1)
        bad = ~model.terminal & (np.abs(sums - 1.0) > 1e-9)
        if bad.any():
            raise PolicyError(
                describe_first(
                    bad,
                    lambda state: (
                        f"{name} sums to {sums[state]:.12g} in {model.describe(state)}, not to 1"
                    ),
                    "states",
                    "normalise the rows",
                )
            )
        return policy


class AnyPolicyOf(Kind):
    """A policy of the model among the arguments: (S, A) probabilities, or (S,) actions."""

    needs_model = True

    def describe(self) -> str:
        return "a policy, of shape (S, A), or an action a state, of shape (S,)"

    def matches(self, value: object) -> bool:
        return value is not None

    def check(self, name: str, value: Any, model: Any, error: type[RegmdpError]) -> Any:
        if value is None:
            raise error(f"{name} must be {self.describe()}, not None")
        return value if model is None else check_policy(model, value)


#: A policy that is an argument.
POLICY = AnyPolicyOf()


@checked(mdp=Instance(DecisionProcess), regularizer=Instance(Regularizer) | None)
def uniform_policy(
    mdp: DecisionProcess, regularizer: Regularizer | None = None
) -> Float[np.ndarray, "S A"]:
    """Return the (S, A) uniform policy over the available actions that the regularizer allows.

    If the regularizer limits probabilities and is infinite at this policy, the probability of each
    action is instead the same fraction of the way from its lower to its upper limit.

    Examples:
        >>> import numpy as np, regmdp as rm
        >>> rm.uniform_policy(rm.models.bandit()).round(3)
        array([[0.333, 0.333, 0.333]])
        >>> rm.uniform_policy(rm.models.bandit(), rm.Box(0.0, np.array([0.1, 0.8, 0.8])))
        array([[0.05882353, 0.47058824, 0.47058824]])
    """
    regularizer = regularizer or Unregularized()
    if (
        mdp.all_available
        and regularizer.probability_bounds is None
        and regularizer.domain(None) is None
    ):
        return mdp.partition.full_table(1.0 / mdp.n_actions)
    table, allowed = mdp.partition.new_table(), mdp.available
    mdp.partition.each(
        lambda block: assign(block, (table, regularizer.at(block).centre(allowed[block]))),
        shared=False,
    )
    return table


def permitted(mdp: DecisionProcess, regularizer: Regularizer | None) -> np.ndarray:
    """Return the (S, A) mask of the pairs that are available and that the regularizer allows."""
    domain = None if regularizer is None else regularizer.domain(mdp.available)
    if domain is None:
        return mdp.available
    shape = mdp.available.shape
    return domain if domain.shape == shape else np.broadcast_to(domain, shape)


def check_policy(
    mdp: DecisionProcess,
    policy: ArrayLike | DeterministicPolicy,
    regularizer: Regularizer | None = None,
) -> Float[np.ndarray, "S A"]:
    """Check a policy, and return it with rows that sum to 1 as exactly as doubles can.

    Args:
        mdp: The model.
        policy: (S, A) probabilities, dense or sparse, rows summing to 1 within 1e-9; or (S,)
            integers, the action of each state. Rows of terminal states are ignored.
        regularizer: If given, the policy must lie where it is finite.

    Raises:
        PolicyError: if it is not a policy of this model.
    """
    partition = mdp.partition
    policy = as_columns(mdp, policy)
    if isinstance(policy, DeterministicPolicy):
        found = partition.own_table(_read_actions(mdp, policy.actions))
    elif partition.holds(policy):
        found = partition.own_table(policy).copy_own()
    elif holds_actions(policy):
        actions = check_array("the policy", policy, "integer", error=PolicyError)
        found = partition.own_table(_read_actions(mdp, actions))
    else:
        found = partition.own_table(_read_probabilities(mdp, policy))
    valid = partition.map(
        lambda states: _normalise_rows(mdp, regularizer, found, states),
        shared=needs_threads(mdp.n_states * mdp.n_actions),
    )
    if not all(valid):
        _refuse_policy(mdp, np.asarray(found), regularizer)
    return found


def _refuse_policy(
    mdp: DecisionProcess, policy: Float[np.ndarray, "S A"], regularizer: Regularizer | None
) -> None:
    """Say what is wrong with a policy of which some block of rows is invalid.

    Raises:
        PolicyError: naming the first place.
    """
    live = ~mdp.terminal
    _require_none(mdp, ~((policy >= 0) & np.isfinite(policy)), policy, "which is not a probability")
    _require_none(mdp, (policy > 0) & ~mdp.available, policy, "but that action is not available")
    if regularizer is not None:
        _require_none(
            mdp,
            (policy > 0) & ~permitted(mdp, regularizer),
            policy,
            "which the regularizer forbids: it is infinite there",
        )
    with np.errstate(over="ignore"):
        sums = policy.sum(axis=1)
    bad = live & (np.abs(sums - 1.0) > 1e-9)
    if bad.any():
        raise PolicyError(
            describe_first(
                bad,
                lambda state: (
                    f"the policy sums to {sums[state]:.12g} in {mdp.describe(state)}, not to 1"
                ),
                "states",
                "normalise the rows",
                of=int(np.count_nonzero(live)),
            )
        )
    if regularizer is not None:
        infinite = ~np.isfinite(regularizer.cost(policy, mdp.available))
        if infinite.any():
            raise PolicyError(
                describe_first(
                    infinite,
                    lambda state: (
                        f"the regularizer is infinite at the policy of {mdp.describe(state)}: its "
                        "value would be -∞"
                    ),
                    "states",
                    "give every action some probability",
                )
            )
    raise AssertionError("a block of rows is invalid, but no row of the whole policy is")


def as_columns(mdp: DecisionProcess, policy: Any) -> Any:
    """Return a policy in the order of the model's arrays, dense; what is no policy unchanged.

    In a ragged model, a sparse one and actions have the actions' own numbers.

    Raises:
        PolicyError: if it takes an action that does not exist.
    """
    if isinstance(policy, DeterministicPolicy) or mdp.partition.holds(policy):
        return policy
    if mdp.numbering is None:
        return _as_dense(mdp, policy) if scipy.sparse.issparse(policy) else policy
    if not scipy.sparse.issparse(policy) and holds_actions(policy):
        actions = check_array("the policy", policy, "integer", error=PolicyError)
        return _find_columns(mdp, mdp.numbering, actions)
    return mdp.numbering.to_columns("the policy", policy, PolicyError)


def _as_dense(mdp: DecisionProcess, policy: Any) -> np.ndarray:
    rows = as_csr("the policy", policy, error=PolicyError)
    shape = mdp.n_states, mdp.n_actions
    if rows.shape != shape:
        raise PolicyError(f"a policy must have shape (S, A) = {shape}, not {rows.shape}")
    return rows.toarray(order="F")


def _find_columns(
    mdp: DecisionProcess, numbering: ActionNumbering, actions: Int[np.ndarray, " S"]
) -> DeterministicPolicy | np.ndarray:
    """(S,) numbers of actions -> the policy that takes them."""
    if actions.shape != (mdp.n_states,):
        return actions  # which is refused with a message
    place = numbering.find(np.arange(mdp.n_states), actions)
    missing = (place < 0) & ~mdp.terminal
    if missing.any():
        raise PolicyError(
            describe_first(
                missing,
                lambda state: (
                    f"the policy takes action {int(actions[state])} in {mdp.describe(state)}, "
                    "which is not available there"
                ),
                "states",
            )
        )
    columns = np.where(mdp.terminal, -1, numbering.column[place])
    return DeterministicPolicy(columns, mdp.n_actions)


def by_numbers(mdp: DecisionProcess, policy: Float[np.ndarray, "S A"]) -> Float[np.ndarray, "S A"]:
    """Return a policy as a user sees it: in a ragged model sparse, by the actions' own numbers."""
    if mdp.numbering is None:
        return policy
    sparse = mdp.numbering.to_sparse(policy)
    sparse = sparse.copy()
    sparse.eliminate_zeros()
    for part in (sparse.data, sparse.indices, sparse.indptr):
        part.flags.writeable = False
    # which has the part of NumPy's interface that most users of a policy need
    return cast("np.ndarray", sparse)


def _normalise_rows(
    mdp: DecisionProcess,
    regularizer: Regularizer | None,
    policy: Float[np.ndarray, "S A"],
    states: slice,
) -> bool:
    """Divide rows of a policy by their sums, in place, if they are valid; return whether."""
    p, live = policy[states], ~mdp.terminal[states]
    allowed = None if mdp.all_available else mdp.available[states]
    with np.errstate(over="ignore"):
        sums = block_sum(p)
    if not (np.min(p) >= 0.0 and np.all(np.abs(sums[live] - 1.0) <= 1e-9)):
        return False
    part = None if regularizer is None else regularizer.at(states)
    if part is not None:
        allowed = part.domain(allowed)
    if allowed is not None and np.any((p > 0) & ~allowed):
        return False
    p /= np.where(live, sums, 1.0)[:, None]
    return part is None or bool(
        np.isfinite(part.cost(p, None if mdp.all_available else mdp.available[states])).all()
    )


def holds_actions(policy: object) -> bool:
    """Whether a policy holds action numbers: it has one dimension, and its entries are integers."""
    if scipy.sparse.issparse(policy):
        return False
    try:
        array = np.asarray(policy)
    except Exception:  # check_array says what is wrong with it
        return False
    return array.ndim == 1 and array.size > 0 and array.dtype.kind in "iu"


def _read_probabilities(mdp: DecisionProcess, policy: ArrayLike) -> np.ndarray:
    shape = (mdp.n_states, mdp.n_actions)
    policy = np.array(check_array("the policy", policy, error=PolicyError), order="F")
    if policy.shape != shape:
        raise PolicyError(
            f"a policy must have shape (S, A) = {shape}, or (S,) if it holds action numbers, not "
            f"{policy.shape}"
        )
    if mdp.terminal.any():
        policy[mdp.terminal] = 0.0
    return policy


def _read_actions(mdp: DecisionProcess, actions: np.ndarray) -> DeterministicPolicy:
    if actions.shape != (mdp.n_states,):
        raise PolicyError(
            f"a policy of action numbers must have shape (S,) = ({mdp.n_states},), not "
            f"{actions.shape}"
        )
    actions = np.where(mdp.terminal, 0, actions)
    bad = (actions < 0) | (actions >= mdp.n_actions)
    if bad.any():
        raise PolicyError(
            describe_first(
                bad,
                lambda state: (
                    f"the policy takes action {int(actions[state])} in {mdp.describe(state)}, but "
                    f"actions run from 0 to {mdp.n_actions - 1}"
                ),
                "states",
            )
        )
    return DeterministicPolicy(np.where(mdp.terminal, -1, actions), mdp.n_actions)


def _require_none(mdp: DecisionProcess, bad: np.ndarray, policy: np.ndarray, why: str) -> None:
    if bad.any():
        raise PolicyError(
            describe_first(
                bad,
                lambda state, action: (
                    f"the policy gives {mdp.describe(state, action)} probability "
                    f"{policy[state, action]:.6g}, {why}"
                ),
                "entries",
            )
        )


def require_feasible(mdp: MDP, regularizer: Regularizer | None = None) -> None:
    """Undiscounted model: check that from every state some permitted policy ends the episode.

    If the regularizer limits probabilities, the permitted pairs do not say which policies end: then
    all policies have to end.

    Raises:
        InfeasibleError: naming the first state from which none does.
        RegularizerError: if it limits probabilities, and some policy does not end.
    """
    if mdp.discount < 1.0:
        return
    if regularizer is not None and regularizer.probability_bounds is not None:
        loops = find_end_components(mdp, permitted(mdp, regularizer)).component >= 0
        if loops.any():
            raise RegularizerError(
                f"{type(regularizer).__name__} limits probabilities, which in an undiscounted "
                "model requires that every policy ends the episode; from "
                f"{mdp.describe(int(np.argmax(loops)))} one may never end it (such states: "
                f"{int(np.count_nonzero(loops))}); use a discount below 1"
            )
    stuck = find_non_terminating_states(mdp, permitted(mdp, regularizer))
    if stuck.any():
        raise infeasible(mdp, stuck)


def infeasible(
    mdp: MDP, stuck: Bool[np.ndarray, " S"], state: int | None = None, why: str = ""
) -> InfeasibleError:
    """Return the error for (S,) states from which no policy ends, naming one: the first if None."""
    named = int(np.argmax(stuck)) if state is None else state
    reasons = ", and ".join(filter(None, ["the model is not discounted", why]))
    return InfeasibleError(
        f"no policy ends the episode from {mdp.describe(named)} (such states: "
        f"{int(np.count_nonzero(stuck))}), and {reasons}; use a discount "
        "below 1, or mark where episodes end: termination= on transitions, or available=False "
        "for every action of a terminal state"
    )


def require_ending(mdp: MDP, policy: Float[Array, "S A"]) -> None:
    """Undiscounted model: check that this policy ends the episode from every state.

    Raises:
        ImproperPolicyError: naming the first state from which it does not.
    """
    if mdp.discount < 1.0:
        return
    stuck = find_non_terminating_states(mdp, np.asarray(policy) > 0)
    if stuck.any():
        require_feasible(mdp)
        raise improper_policy(mdp, stuck)


def improper_policy(mdp: MDP, stuck: Bool[np.ndarray, " S"]) -> ImproperPolicyError:
    """Return the error for (S,) states from which a policy does not end, though others do."""
    return ImproperPolicyError(
        f"this policy does not end the episode from {mdp.describe(int(np.argmax(stuck)))} (such "
        f"states: {int(np.count_nonzero(stuck))}), and the model is not discounted; other policies "
        "do end it"
    )
