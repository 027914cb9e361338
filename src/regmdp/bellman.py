r"""The regularized Bellman operators, block by block.

.. math::
    Q(s, a) = r(s, a) + \gamma \sum_t P(s, a, t) V(t), \qquad
    (T V)(s) = \max_p \langle p, Q(s) \rangle - \tau h(p), \qquad
    (T_\pi V)(s) = \langle \pi(s), Q(s) \rangle - \tau h(\pi(s))

Both are monotone, and adding a constant c to V adds γc. The same operators on action values are

.. math::
    (T Q)(s, a) = r(s, a) + \gamma \sum_t P(s, a, t) \max_p \{\langle p, Q(t) \rangle - \tau h(p)\}

and the same with π(t) for p. Several threads work on blocks of states; no temporary array is larger
than a block.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import NamedTuple, TypeVar, cast

import numpy as np

from regmdp._internal.arrays import Array, Bool, Float, array_namespace, assign
from regmdp._internal.checks import LARGE_ROOT
from regmdp._internal.parameters import ArrayOf, Instance, checked
from regmdp.mdp import MDP, DecisionProcess
from regmdp.policies import PolicyRowsOf
from regmdp.regularizers import Regularizer, Unregularized

__all__ = [
    "backup",
    "backup_of_zero",
    "expected_rewards",
    "expected_values",
    "greedy",
    "improve",
    "improve_zero",
    "next_state_weights",
    "policy_backup",
    "q_backup",
    "q_policy_backup",
    "q_values",
    "residual",
]

MODEL = Instance(MDP)
REGULARIZER = Instance(Regularizer)
#: Values may be -∞: those of an undiscounted model from which no episode ends.
VALUE = ArrayOf("S", infinite=(-np.inf,))
Q_VALUES = ArrayOf("S A", infinite=(-np.inf,), ignored=True)
POLICY = PolicyRowsOf()


class Block(NamedTuple):
    """The states of one block, and the data that a backup needs.

    Attributes:
        states: The states.
        q: Action values.
        available: Mask of the available actions; None if all are.
        regularizer: The regularizer of these states.
    """

    states: slice
    q: Float[np.ndarray, "b A"]
    available: Bool[np.ndarray, "b A"] | None
    regularizer: Regularizer

    def maximum(self) -> Float[np.ndarray, " b"]:
        """Return the largest regularized value of each state."""
        return self.regularizer.maximum(self.q, self.available)

    def maximiser(self) -> Float[np.ndarray, "b A"]:
        """Return the policy that attains the maximum."""
        return self.regularizer.maximiser(self.q, self.available)

    def relative_to_best(self, found: Float[np.ndarray, " b"]) -> Float[np.ndarray, " b"]:
        """(b,) maxima -> their differences from the largest action value that is allowed, τ h*.

        0 where no action is allowed.
        """
        allowed = self.regularizer.domain(self.available)
        usable = True if allowed is None else np.broadcast_to(allowed, self.q.shape)
        best = np.max(self.q, axis=-1, where=usable, initial=-np.inf)
        return np.where(np.isfinite(best), found - best, 0.0)

    def policy_value(self, policy: Float[Array, "S A"]) -> Float[np.ndarray, " b"]:
        """(S, A) policy -> (b,) its regularized values in the states of the block."""
        p = np.asarray(policy[self.states])
        return expectation(p, self.q) - self.regularizer.cost(p, self.available)


Result = TypeVar("Result")


def visit_blocks(
    mdp: MDP,
    regularizer: Regularizer,
    value: Float[Array, " S"],
    work: Callable[[Block], object],
    *vectors: np.ndarray,
) -> None:
    """(S,) value -> calls of a function with its action values, block by block.

    Args:
        mdp: The model.
        regularizer: The regularizer.
        value: (S,) value.
        work: The function. Several threads call it, so it must not depend on the order of the
            blocks, and must write only the entries of its own states.
        vectors: The (S,) arrays that it writes. Several processes may share the blocks; what is
            written in an array that is not named here stays with its process.
    """
    mdp.transitions.visit_blocks(
        lambda states: work(make_block(mdp, regularizer, value, states)), *vectors
    )


def map_blocks(
    mdp: MDP,
    regularizer: Regularizer,
    value: Float[Array, " S"],
    work: Callable[[Block], Result],
    *vectors: np.ndarray,
) -> list[Result]:
    """Do what :func:`visit_blocks` does, and return the results of the function, in order."""
    return mdp.transitions.map_blocks(
        lambda states: work(make_block(mdp, regularizer, value, states)), *vectors
    )


def make_block(
    mdp: MDP, regularizer: Regularizer, value: Float[Array, " S"], states: slice
) -> Block:
    """(S,) value -> its action values at the states of one block."""
    q = mdp.transitions.matvec(value, states)
    q *= mdp.discount
    q += mdp.rewards[states]
    return Block(
        states, q, None if mdp.all_available else mdp.available[states], regularizer.at(states)
    )


def iterate_blocks(
    process: DecisionProcess, regularizer: Regularizer, q: Float[Array, "S A"]
) -> Iterator[Block]:
    """(S, A) action values -> their cache-sized blocks of states, in order."""
    for states in process.partition.blocks:
        available = None if process.all_available else process.available[states]
        yield Block(states, np.asfortranarray(q[states]), available, regularizer.at(states))


@checked(mdp=MODEL, value=VALUE)
def q_values(mdp: MDP, value: Float[Array, " S"]) -> Float[np.ndarray, "S A"]:
    """(S,) value -> (S, A) action values r + γ P V; -inf at unavailable pairs.

    Examples:
        >>> import numpy as np, regmdp as rm
        >>> rm.bellman.q_values(rm.models.bandit(), np.zeros(1))
        array([[1. , 0.9, 0.1]])
    """
    table = mdp.partition.new_table()
    visit_blocks(mdp, Unregularized(), value, lambda block: assign(block.states, (table, block.q)))
    q = mdp.partition.whole(table)
    if not mdp.all_available:
        q[~mdp.available] = -np.inf
    return q


@checked(mdp=MODEL, value=VALUE)
def expected_values(mdp: MDP, value: Float[Array, " S"]) -> Float[np.ndarray, "S A"]:
    """(S,) value V -> (S, A) P V, its expectation after one step; 0 at unavailable pairs.

    Examples:
        >>> import numpy as np, regmdp as rm
        >>> rm.bellman.expected_values(rm.models.chain(3), np.array([1.0, 2.0, 4.0]))
        array([[1., 2.],
               [1., 4.],
               [1., 4.]])
    """
    out, transitions = mdp.partition.new_table(), mdp.transitions
    transitions.visit_blocks(
        lambda states: assign(states, (out, transitions.matvec(value, states)))
    )
    return mdp.partition.whole(out)


@checked(mdp=MODEL, weights=ArrayOf("S A", minimum=-LARGE_ROOT, maximum=LARGE_ROOT))
def next_state_weights(mdp: MDP, weights: Float[Array, "S A"]) -> Float[np.ndarray, " S"]:
    r"""(S, A) weights w -> (S,) weights of the next states, \(\sum_{s,a} w(s,a) P(t|s,a)\).

    The transpose of :func:`expected_values`.

    Examples:
        >>> import numpy as np, regmdp as rm
        >>> rm.bellman.next_state_weights(rm.models.chain(3), np.ones((3, 2)))
        array([3., 1., 2.])
    """
    transitions = mdp.transitions
    return transitions.partition.add_up(
        lambda states: transitions.rmatvec(weights[states], states), shared=transitions.shared
    )


@checked(mdp=MODEL, regularizer=REGULARIZER | None, value=VALUE)
def backup(
    mdp: MDP, regularizer: Regularizer | None, value: Float[Array, " S"]
) -> Float[np.ndarray, " S"]:
    """(S,) value V -> (S,) the regularized Bellman backup T V.

    Examples:
        >>> import numpy as np, regmdp as rm
        >>> mdp = rm.models.bandit()
        >>> rm.bellman.backup(mdp, None, np.zeros(1))
        array([1.])
        >>> rm.bellman.backup(mdp, rm.Shannon(temperature=1.0), np.zeros(1)).round(4)
        array([1.8379])
    """
    regularizer = regularizer or Unregularized()
    out = np.empty(mdp.n_states)
    visit_blocks(
        mdp,
        regularizer,
        value,
        lambda block: assign(block.states, (out, block.maximum())),
        out,
    )
    return out


@checked(mdp=MODEL, regularizer=REGULARIZER)
def backup_of_zero(mdp: MDP, regularizer: Regularizer) -> Float[np.ndarray, " S"]:
    """Return (S,) T 0, the largest regularized reward of one step, without reading transitions."""
    out = np.empty(mdp.n_states)
    _visit_reward_blocks(
        mdp, regularizer, lambda block: assign(block.states, (out, block.maximum())), out
    )
    return out


@checked(mdp=MODEL, regularizer=REGULARIZER | None, value=VALUE)
def residual(
    mdp: MDP, regularizer: Regularizer | None, value: Float[Array, " S"]
) -> Float[np.ndarray, " S"]:
    """(S,) value V -> (S,) T V - V. If γ < 1, it is 0 only at the optimal value."""
    return backup(mdp, regularizer, value) - value


@checked(mdp=MODEL, regularizer=REGULARIZER | None, value=VALUE)
def greedy(
    mdp: MDP, regularizer: Regularizer | None, value: Float[Array, " S"]
) -> tuple[Float[np.ndarray, " S"], Float[np.ndarray, "S A"]]:
    """(S,) value V -> (S,) backup T V, and (S, A) the policy that attains it.

    Examples:
        >>> import numpy as np, regmdp as rm
        >>> _, policy = rm.bellman.greedy(
        ...     rm.models.bandit(), rm.SquaredL2(temperature=1.0), np.zeros(1)
        ... )
        >>> policy
        array([[0.55, 0.45, 0.  ]])
    """
    best, policy = improve(mdp, regularizer or Unregularized(), value)
    return best, np.asarray(policy)


@checked(mdp=MODEL, regularizer=REGULARIZER, value=VALUE)
def improve(
    mdp: MDP, regularizer: Regularizer, value: Float[Array, " S"]
) -> tuple[Float[np.ndarray, " S"], Float[Array, "S A"]]:
    """Return the result of :func:`greedy`, without a regularizer as a deterministic policy."""
    return _improve(mdp, regularizer, partial(visit_blocks, mdp, regularizer, value))


def _improve(
    mdp: MDP, regularizer: Regularizer, visit: Callable[..., None]
) -> tuple[Float[np.ndarray, " S"], Float[Array, "S A"]]:
    """Return the maxima of the blocks that a function visits, and the policy that attains them."""
    best = np.empty(mdp.n_states)
    if isinstance(regularizer, Unregularized):
        actions = np.empty(mdp.n_states, dtype=np.int32)
        visit(
            lambda block: assign(
                block.states,
                *zip((best, actions), regularizer.best(block.q, block.available), strict=True),
            ),
            best,
            actions,
        )
        # it has the part of NumPy's interface that users of a policy need
        return best, cast("Array", mdp.partition.deterministic(actions))
    policy = mdp.partition.new_table()
    visit(
        lambda block: assign(block.states, (best, block.maximum()), (policy, block.maximiser())),
        best,
    )
    return best, policy


@checked(mdp=MODEL, regularizer=REGULARIZER)
def improve_zero(
    mdp: MDP, regularizer: Regularizer
) -> tuple[Float[np.ndarray, " S"], Float[Array, "S A"]]:
    """Return the result of :func:`improve` for the value 0, without reading transitions."""
    return _improve(mdp, regularizer, partial(_visit_reward_blocks, mdp, regularizer))


@checked(mdp=MODEL, regularizer=REGULARIZER | None, policy=POLICY, value=VALUE)
def policy_backup(
    mdp: MDP,
    regularizer: Regularizer | None,
    policy: Float[Array, "S A"],
    value: Float[Array, " S"],
) -> Float[np.ndarray, " S"]:
    """(S, A) policy π and (S,) value V -> (S,) T_π V; -inf where τ > 0 and h(π) is infinite."""
    regularizer = regularizer or Unregularized()
    out = np.empty(mdp.n_states)
    visit_blocks(
        mdp,
        regularizer,
        value,
        lambda block: assign(block.states, (out, block.policy_value(policy))),
        out,
    )
    return out


@checked(mdp=MODEL, regularizer=REGULARIZER | None, q=Q_VALUES)
def q_backup(
    mdp: MDP, regularizer: Regularizer | None, q: Float[Array, "S A"]
) -> Float[np.ndarray, "S A"]:
    r"""(S, A) action values Q -> (S, A) the regularized Bellman backup T Q; -inf if unavailable.

    T is monotone and a contraction in the sup norm over the available pairs:
    ‖T Q - T Q'‖ ≤ γ ‖Q - Q'‖. Its fixed point is Q*. With Shannon entropy it is r + γ P τ
    logsumexp(Q/τ), without a regularizer r + γ P max Q. A terminal state has value 0 whatever its
    row of Q.

    Args:
        mdp: The model.
        regularizer: The regularizer; None for none.
        q: (S, A) Q. At unavailable pairs it is ignored.

    Examples:
        >>> import numpy as np, regmdp as rm
        >>> mdp = rm.models.garnet(20, 4, 3, discount=0.9)
        >>> shannon = rm.Shannon(temperature=0.1)
        >>> q = np.zeros((20, 4))
        >>> for _ in range(300):
        ...     q = rm.bellman.q_backup(mdp, shannon, q)
        >>> best = rm.solve(mdp, shannon, tol=1e-12).value
        >>> bool(np.max(np.abs(q - rm.bellman.q_values(mdp, best))) < 1e-11)
        True

    References:
        Cen, Cheng, Chen, Wei & Chi 2022, Operations Research 70(4), equation 35 and Lemma 2, for
        entropy; Geist, Scherrer & Pietquin 2019, ICML, Proposition 2, for any h.
    """
    regularizer = regularizer or Unregularized()
    return q_values(mdp, _map_q_blocks(mdp, regularizer, q, lambda block: block.maximum()))


@checked(mdp=MODEL, regularizer=REGULARIZER | None, policy=POLICY, q=Q_VALUES)
def q_policy_backup(
    mdp: MDP,
    regularizer: Regularizer | None,
    policy: Float[Array, "S A"],
    q: Float[Array, "S A"],
) -> Float[np.ndarray, "S A"]:
    r"""(S, A) policy π and action values Q -> (S, A) T_π Q; -inf at unavailable pairs.

    \((T_\pi Q)(s, a) = r(s, a) + \gamma \sum_t P(s, a, t) (\langle \pi(t), Q(t) \rangle - \tau
    h(\pi(t)))\). It is monotone, a γ-contraction like :func:`q_backup`, nowhere above it, and its
    fixed point is the Q of π. It is -inf where a next state has τ > 0 and h(π) infinite.

    Args:
        mdp: The model.
        regularizer: The regularizer; None for none.
        policy: (S, A) π.
        q: (S, A) Q. At unavailable pairs it is ignored.

    Examples:
        >>> import numpy as np, regmdp as rm
        >>> mdp, shannon = rm.models.chain(3), rm.Shannon(temperature=0.1)
        >>> policy = rm.uniform_policy(mdp)
        >>> q = rm.bellman.q_values(mdp, rm.evaluate(mdp, policy, shannon).value)
        >>> np.allclose(rm.bellman.q_policy_backup(mdp, shannon, policy, q), q)
        True

    References:
        As :func:`q_backup`.
    """
    regularizer = regularizer or Unregularized()
    value = _map_q_blocks(mdp, regularizer, q, lambda block: block.policy_value(policy))
    infinite = np.isneginf(value)
    found = q_values(mdp, np.where(infinite, 0.0, value))
    if infinite.any():
        # the product of a probability 0 and -inf would not be a number
        found[expected_values(mdp, infinite.astype(np.float64)) * mdp.discount > 0.0] = -np.inf
    return found


def _map_q_blocks(
    mdp: MDP,
    regularizer: Regularizer,
    q: Float[Array, "S A"],
    value: Callable[[Block], Float[np.ndarray, " b"]],
) -> Float[np.ndarray, " S"]:
    """(S, A) action values -> (S,) a function of their blocks, such as their regularized maximum.

    At unavailable pairs Q is replaced by the best of the state, which is finite.
    """
    out = np.empty(mdp.n_states)
    for block in iterate_blocks(mdp, regularizer, q):
        if block.available is not None:
            top = np.max(np.where(block.available, block.q, -np.inf), axis=1, keepdims=True)
            best = np.where(top > -np.inf, top, 0.0)
            known = block._replace(q=np.where(block.available, block.q, best))
        else:
            known = block
        out[block.states] = value(known)
    return out


def expectation(p: Float[Array, "*batch A"], q: Float[Array, "*batch A"]) -> Float[Array, "*batch"]:
    """(…, A) distributions and (…, A) values -> (…) ⟨p, q⟩, or 0 where p is 0 everywhere.

    The largest value is subtracted before the sum: the rounding error of the sum of p then has
    little effect.
    """
    xp = array_namespace(p, q)
    top = xp.max(q, axis=-1, keepdims=True)
    relative = xp.sum(p * (q - top), axis=-1)
    return xp.where(xp.any(p > 0, axis=-1), top[..., 0] + relative, 0.0)


@checked(mdp=MODEL, regularizer=REGULARIZER | None, policy=POLICY)
def expected_rewards(
    mdp: MDP, regularizer: Regularizer | None, policy: Float[Array, "S A"]
) -> Float[np.ndarray, " S"]:
    """(S, A) policy -> (S,) regularized reward of one step, ⟨π, r⟩ - τ h(π)."""
    regularizer = regularizer or Unregularized()
    out = np.empty(mdp.n_states)
    _visit_reward_blocks(
        mdp,
        regularizer,
        lambda block: assign(block.states, (out, block.policy_value(policy))),
        out,
    )
    return out


def _visit_reward_blocks(
    mdp: MDP, regularizer: Regularizer, work: Callable[[Block], None], *vectors: np.ndarray
) -> None:
    """Call a function with the blocks whose action values are the rewards of one step.

    It writes (S,) vectors.
    """
    mdp.transitions.visit_blocks(
        lambda states: work(_make_reward_block(mdp, regularizer, states)), *vectors
    )


def _make_reward_block(mdp: MDP, regularizer: Regularizer, states: slice) -> Block:
    """Return a block whose action values are the rewards of one step."""
    return Block(
        states,
        mdp.rewards[states],
        None if mdp.all_available else mdp.available[states],
        regularizer.at(states),
    )
