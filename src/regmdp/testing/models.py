"""Checks of models: storage, masks, probabilities and conversions."""

from __future__ import annotations

from typing import Any

import numpy as np

from regmdp._internal.arrays import UNIT_ROUNDOFF, Array, Bool, Float
from regmdp._internal.parameters import Instance, checked
from regmdp.mdp import MDP
from regmdp.mdp.labels import list_labels
from regmdp.mdp.validation import MASS_TOLERANCE
from regmdp.testing._require import format_array, require, require_nonpositive

__all__ = ["check_mdp"]


@checked(mdp=Instance(MDP))
def check_mdp(mdp: MDP) -> None:
    """Check a model, in particular the storage of its transitions.

    Checked are the rows and masks; that blocks, conversions and the chains of policies have the
    same probabilities; that nothing can be written to; and that conversions to other formats and
    back return the same model. A user-defined storage that passes works with the rest of the
    library.

    Args:
        mdp: The model; small enough that its dense (S, A, S) form fits into memory.

    Raises:
        AssertionError: with what is wrong, where and by how much.

    Examples:
        >>> import regmdp as rm
        >>> rm.testing.check_mdp(rm.models.chain(5))
    """
    _check_shapes(mdp)
    _check_blocks(mdp)
    rows = mdp.transitions.to_dense()
    _check_rows(mdp, rows)
    _check_conversions(mdp, rows)
    _check_products(mdp, rows)
    _check_transpose(mdp, rows)
    _check_fields(mdp)
    _check_read_only(mdp)
    _check_round_trips(mdp)


def _check_shapes(mdp: MDP) -> None:
    shape = (mdp.n_states, mdp.n_actions)
    for name in ("rewards", "available", "termination"):
        found = getattr(mdp, name).shape
        require(
            found == shape, f"{name} has shape {found}, but the transitions have (S, A) = {shape}"
        )
    for name in ("initial", "terminal"):
        found = getattr(mdp, name).shape
        require(found == shape[:1], f"{name} has shape {found}, but there are {shape[0]} states")
    dense = mdp.transitions.to_dense().shape
    require(
        dense == (*shape, shape[0]),
        f"to_dense() returns shape {dense}, not (S, A, S) = {(*shape, shape[0])}",
    )
    flat = mdp.transitions.to_csr().shape
    expected = (shape[0] * shape[1], shape[0])
    require(flat == expected, f"to_csr() returns shape {flat}, not (S·A, S) = {expected}")
    n_names = mdp.space.n_action_numbers
    for name, count in (("state_labels", shape[0]), ("action_labels", n_names)):
        labels = getattr(mdp, name)
        require(
            labels is None or len(labels) == count,
            f"{name} has not one name for each of the {count}",
        )


def _check_blocks(mdp: MDP) -> None:
    expected = 0
    for block in mdp.transitions.blocks:
        fits = block.start == expected and block.stop > block.start and block.step in (None, 1)
        require(
            fits,
            f"the blocks do not partition the states: one is {block}, but the next state in line "
            f"is {expected}",
        )
        expected = block.stop
    require(
        expected == mdp.n_states,
        f"the blocks end at state {expected}, but there are {mdp.n_states} states",
    )


def _check_rows(mdp: MDP, rows: Float[np.ndarray, "S A S"]) -> None:
    require_nonpositive(
        np.where(np.isfinite(rows) & (rows >= 0), 0.0, np.inf),
        lambda at: (
            f"the probability from {mdp.describe(*at[:2])} to {mdp.describe(at[2])} is {rows[at]}"
        ),
    )
    ignored = ~mdp.available[:, :, None] & (rows != 0)
    require(
        not ignored.any(),
        f"the row of an unavailable pair is not empty: {_describe_pair(mdp, ignored.any(axis=2))}",
    )
    sums = rows.sum(axis=2) + mdp.termination
    off = np.where(mdp.available, np.abs(sums - 1.0), 0.0)
    require_nonpositive(
        off - MASS_TOLERANCE - mdp.n_states * UNIT_ROUNDOFF,
        lambda at: (
            f"the row of {mdp.describe(*at)} and its termination sum to {sums[at]:.17g}, not to 1"
        ),
    )
    require_nonpositive(
        off - mdp.mass_error - 2 * mdp.n_states * UNIT_ROUNDOFF,
        lambda at: (
            f"the row of {mdp.describe(*at)} is off 1 by {off[at]:.3g}, more than mass_error = "
            f"{mdp.mass_error:.3g}"
        ),
    )
    successors = np.count_nonzero(rows, axis=2)
    require_nonpositive(
        successors - mdp.transitions.branching,
        lambda at: (
            f"{mdp.describe(*at)} has {successors[at]} successors, but branching says "
            f"{mdp.transitions.branching} at most"
        ),
    )
    require(
        mdp.transitions.n_stored >= np.count_nonzero(rows),
        f"n_stored is {mdp.transitions.n_stored}, but {np.count_nonzero(rows)} probabilities are "
        "positive",
    )


def _describe_pair(mdp: MDP, bad: Bool[np.ndarray, "S A"]) -> str:
    state, action = (int(i) for i in np.unravel_index(np.argmax(bad), bad.shape))
    return f"{mdp.describe(state, action)}, {int(np.count_nonzero(bad))} in all"


def _check_conversions(mdp: MDP, rows: Float[np.ndarray, "S A S"]) -> None:
    flat = mdp.transitions.to_csr().toarray().reshape(rows.shape)
    require_nonpositive(
        np.abs(flat - rows),
        lambda at: (
            f"to_csr() has {flat[at]:.17g} from {mdp.describe(*at[:2])} to state {at[2]}, but "
            f"to_dense() {rows[at]:.17g}"
        ),
    )
    by_action = mdp.to_action_matrices()
    for action, matrix in enumerate(by_action):
        require(
            np.array_equal(matrix.toarray(), rows[:, action]),
            f"to_action_matrices()[{action}] is not the matrix of action {action}",
        )
    require(
        len(by_action) == mdp.n_actions,
        f"to_action_matrices() has {len(by_action)} matrices for {mdp.n_actions} actions",
    )
    sums = mdp.transitions.row_sums()
    require_nonpositive(
        np.abs(sums - rows.sum(axis=2)) - 2 * (mdp.n_states + 2) * UNIT_ROUNDOFF,
        lambda at: (
            f"row_sums() has {sums[at]:.17g} for {mdp.describe(*at)}, whose row sums to "
            f"{rows[at].sum():.17g}"
        ),
    )


def probe_values(mdp: MDP) -> list[Float[np.ndarray, " S"]]:
    """Return (S,) values: constant, of mixed sign and size, and the indicator of the last state."""
    state = np.arange(mdp.n_states)
    return [
        np.ones(mdp.n_states),
        np.cos(1.0 + 7.0 * state) * 10.0 ** (state % 4),
        (state == mdp.n_states - 1).astype(np.float64),
    ]


def probe_policies(mdp: MDP) -> list[Float[np.ndarray, "S A"]]:
    """Return (S, A) policies: the first and last available action, uniform, and a mixture."""
    available = np.asarray(mdp.available)
    uneven = np.where(
        available, 1.0 + np.cos(np.arange(available.size).reshape(available.shape)) ** 2, 0.0
    )
    tables = [
        np.zeros(available.shape),
        np.zeros(available.shape),
        available.astype(np.float64),
        uneven,
    ]
    states = np.flatnonzero(~mdp.terminal)
    tables[0][states, available[states].argmax(axis=1)] = 1.0
    tables[1][states, mdp.n_actions - 1 - available[states, ::-1].argmax(axis=1)] = 1.0
    return [
        np.asfortranarray(table / np.maximum(table.sum(axis=1, keepdims=True), 1e-300))
        for table in tables
    ]


def _check_products(mdp: MDP, rows: Float[np.ndarray, "S A S"]) -> None:
    for value in probe_values(mdp):
        exact = rows @ value
        slack = 2 * (mdp.n_states + 2) * UNIT_ROUNDOFF * (rows @ np.abs(value))
        product = np.zeros(exact.shape)
        kept = value.copy()
        for block in mdp.transitions.blocks:
            part = mdp.transitions.matvec(value, block)
            expected = mdp.rewards[block].shape
            require(
                part.shape == expected,
                f"matvec() over states {block} returns shape {part.shape}, not {expected}",
            )
            product[block, : part.shape[1]] = part
        require(np.array_equal(value, kept), "matvec() writes into the value it is given")
        require_nonpositive(
            np.abs(product - exact) - slack,
            lambda at, got=product, want=exact, v=value: (
                f"matvec() gives {got[at]:.17g} for {mdp.describe(*at)}, but its row times the "
                f"value is {want[at]:.17g}, with the value {format_array(v)}"
            ),
        )
        for policy in probe_policies(mdp):
            _check_chain(mdp, policy, value, exact, slack)


def _check_transpose(mdp: MDP, rows: Float[np.ndarray, "S A S"]) -> None:
    """Check that rmatvec() is the transpose of matvec()."""
    weights = np.cos(1.0 + 3.0 * np.arange(rows.shape[0] * rows.shape[1])).reshape(rows.shape[:2])
    given = mdp.partition.own_table(weights)
    got = np.sum(
        [mdp.transitions.rmatvec(given[block], block) for block in mdp.transitions.blocks], axis=0
    )
    want = np.einsum("sa,sat->t", weights, rows)
    allowed = 2 * (weights.size + 2) * UNIT_ROUNDOFF * np.einsum("sa,sat->t", np.abs(weights), rows)
    require_nonpositive(
        np.abs(got - want) - allowed,
        lambda at: (
            f"rmatvec() brings {got[at]:.17g} to state {at[0]}, but the rows bring {want[at]:.17g}"
        ),
    )


def _check_chain(
    mdp: MDP,
    policy: Float[np.ndarray, "S A"],
    value: Float[np.ndarray, " S"],
    exact: Float[np.ndarray, "S A"],
    slack: Float[np.ndarray, "S A"],
) -> None:
    matrix: Array = mdp.transitions.policy_matrix(mdp.partition.own_table(policy))
    shape = (mdp.n_states, mdp.n_states)
    require(
        matrix.shape == shape, f"policy_matrix() returns shape {matrix.shape}, not (S, S) = {shape}"
    )
    moved = np.asarray(matrix @ value)
    expected = (policy * exact).sum(axis=1)
    allowed = (policy * slack).sum(axis=1) + 2 * (mdp.n_actions + 2) * UNIT_ROUNDOFF * (
        policy * np.abs(exact)
    ).sum(axis=1)
    require_nonpositive(
        np.abs(moved - expected) - 2 * allowed,
        lambda at: (
            f"policy_matrix() takes the value to {moved[at]:.17g} in {mdp.describe(at[0])}, but "
            f"the rows, mixed by the policy {format_array(policy[at])}, take it to "
            f"{expected[at]:.17g}"
        ),
    )


def _check_fields(mdp: MDP) -> None:
    require(0.0 <= mdp.discount <= 1.0, f"the discount is {mdp.discount}")
    require(
        np.array_equal(mdp.terminal, ~mdp.available.any(axis=1)),
        "terminal is not where no action is available",
    )
    require(
        mdp.all_available == bool(mdp.available.all()),
        f"all_available is {mdp.all_available}, which the mask contradicts",
    )
    require(np.isfinite(mdp.rewards).all(), "some rewards are not finite")
    require(not mdp.rewards[~mdp.available].any(), "an unavailable pair has a reward")
    require(
        not mdp.termination[~mdp.available].any(),
        "an unavailable pair has a termination probability",
    )
    require((mdp.termination >= 0).all(), "a termination probability is negative")
    require((mdp.initial >= 0).all(), "an initial probability is negative")
    require(
        abs(mdp.initial.sum() - 1.0) <= MASS_TOLERANCE, f"initial sums to {mdp.initial.sum():.17g}"
    )
    ends = bool(mdp.terminal.any() or (mdp.termination > 0).any())
    require(
        mdp.terminates == ends,
        f"terminates is {mdp.terminates}, which termination and terminal contradict",
    )
    largest = float(np.abs(mdp.rewards).max())
    require(
        mdp.reward_bound >= largest,
        f"reward_bound is {mdp.reward_bound}, but a reward has the size {largest}",
    )


def _check_read_only(mdp: MDP) -> None:
    named = {
        name: getattr(mdp, name)
        for name in ("rewards", "initial", "available", "termination", "terminal")
    }
    named |= {
        f"array {number} of the transitions": array
        for number, array in enumerate(mdp.transitions.iterate_arrays())
    }
    for name, array in named.items():
        require(not array.flags.writeable, f"{name} can be written to")
    digest = mdp.compute_digest()
    require(
        mdp.digest == digest,
        "the digest is not that of the data: something was written into the model",
    )
    _check_writable("to_dense()", mdp.transitions.to_dense())
    _check_writable("to_csr()", mdp.transitions.to_csr().data)
    _check_writable("to_array()", mdp.to_array())
    for matrix in mdp.to_action_matrices():
        _check_writable("to_action_matrices()", matrix.data)
    for policy in probe_policies(mdp):
        matrix = mdp.transitions.policy_matrix(mdp.partition.own_table(policy))
        _check_writable(
            "policy_matrix()", matrix if isinstance(matrix, np.ndarray) else matrix.data
        )
    for block in mdp.transitions.blocks:
        _check_writable("matvec()", mdp.transitions.matvec(np.ones(mdp.n_states), block))
    after = mdp.compute_digest()
    require(
        after == digest,
        "writing into what to_dense(), to_csr(), policy_matrix() or matvec() returned changes the "
        "model",
    )
    try:
        mdp.discount = 0.5
    except AttributeError:
        return
    raise AssertionError("the discount can be assigned to")


def _check_writable(name: str, array: np.ndarray) -> None:
    require(
        array.flags.writeable,
        f"what {name} returns cannot be written to, so it is not new: the model holds it",
    )
    array[...] = -1.0


def _list_arrays(mdp: MDP) -> list[np.ndarray]:
    """Return the numbers of a model by its pairs, in the order of states and actions' numbers."""
    state, action, rows, rewards = mdp.to_pairs()
    ends = mdp.to_sparse(mdp.termination)
    return [
        *(state, action, rewards, mdp.initial, mdp.terminal),
        *(rows.data, rows.indices, rows.indptr),
        *(ends.data, np.array(ends.shape)),
    ]


def _rebuild_from_pairs(mdp: MDP, keywords: dict[str, Any]) -> MDP:
    state, action, rows, rewards = mdp.to_pairs()
    ends = mdp.to_sparse(mdp.termination)
    more = keywords | {"available": None, "termination": ends.data}
    return MDP.from_pairs(
        *(state, action, rows, rewards, mdp.discount),
        n_states=mdp.n_states,
        n_actions=ends.shape[1],
        **more,
    )


def _check_round_trips(mdp: MDP) -> None:
    keywords: dict[str, Any] = {
        name: getattr(mdp, name)
        for name in (
            "initial",
            "available",
            "termination",
            "state_labels",
            "action_labels",
            "labels",
        )
    }
    again = {
        "to_pairs": _rebuild_from_pairs(mdp, keywords),
        "with_discount": mdp.with_discount(mdp.discount),
        "with_rewards": mdp.with_rewards(mdp.rewards),
        "with_initial": mdp.with_initial(mdp.initial),
        "with_available": mdp.with_available(mdp.available),
    }
    if mdp.numbering is None:  # an array has a column for each number of an action
        again |= {
            "to_array": MDP(mdp.to_array(), mdp.rewards, mdp.discount, **keywords),
            "to_csr": MDP(mdp.transitions.to_csr(), mdp.rewards, mdp.discount, **keywords),
            "to_action_matrices": MDP.from_action_matrices(
                mdp.to_action_matrices(), mdp.rewards, mdp.discount, **keywords
            ),
        }
    for name, other in again.items():
        same = all(map(np.array_equal, _list_arrays(other), _list_arrays(mdp)))
        same = same and (other.discount, other.state_labels, other.action_labels) == (
            mdp.discount,
            mdp.state_labels,
            mdp.action_labels,
        )
        same = same and list_labels(other.labels) == list_labels(mdp.labels)
        require(same, f"the model that {name}() leads to is not the same as this one")
    other = mdp.with_objective(None).with_discount(0.25 if mdp.discount != 0.25 else 0.5)
    require(other.digest != mdp.digest, "another discount has the same digest")
