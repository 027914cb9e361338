r"""Comparison of a user's greedy policies with other policies.

A bound on the optimum is only right if the maximum of \(\langle p, q \rangle - \tau h(p)\) is. For
the regularizers of this library that is proved and tested; for a user's functions it is compared,
at the action values of the certificate, with the objective of other distributions, near and far.
That refutes a wrong maximum, and does not prove a right one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from regmdp import bellman
from regmdp._internal.arrays import Array, Bool, Float, one_hot
from regmdp._internal.checks import describe_first
from regmdp._internal.errors import RegularizerError
from regmdp.bellman import Block, expectation
from regmdp.mdp import MDP
from regmdp.regularizers import ProbabilityBounds, Regularizer

__all__ = ["require_maxima", "require_maximum"]

#: Largest number of vertices of the simplex in whose directions alternatives lie.
MAX_DIRECTIONS = 16

#: Fractions of the way to a vertex at which alternatives lie.
FRACTIONS = tuple(8.0**-k for k in range(8))


def require_maxima(
    mdp: MDP,
    regularizer: Regularizer,
    value: Float[Array, " S"],
    maximum: Float[np.ndarray, " S"],
    error: float,
) -> None:
    """Check (S,) T V with :func:`require_maximum` in all states, if the regularizer is a user's."""
    if regularizer.user_defined:
        bellman.map_blocks(
            mdp,
            regularizer,
            value,
            lambda block: require_maximum(block, maximum[block.states], error, mdp.describe),
        )


def require_maximum(
    block: Block,
    maximum: Float[np.ndarray, " b"],
    error: float,
    describe: Callable[[int], str],
) -> None:
    """Check that no other distribution has a larger objective, if the regularizer is a user's.

    Compared are, for up to 16 actions, the distributions that lie 1, 1/8, … and 8^-7 of the way
    from the greedy one to that action, and the greedy one itself.

    Args:
        block: Action values of some states.
        maximum: (b,) their regularized maxima.
        error: Bound on the rounding error of the maxima, that of the regularizer included.
        describe: Names a state of the model.

    Raises:
        RegularizerError: naming the first state with a better distribution, or with a maximum that
            the greedy distribution does not attain.
    """
    if not block.regularizer.user_defined:
        return
    greedy = np.asarray(block.maximiser())
    live = np.ones(len(maximum), dtype=np.bool_)
    if block.available is not None:
        live = np.any(block.available, axis=-1)
    first = block.states.start or 0

    def refuse(bad: Bool[np.ndarray, " b"], explain: Callable[[int], str]) -> None:
        bad = bad & live
        if bad.any():
            raise RegularizerError(
                describe_first(
                    bad,
                    lambda row: f"in {describe(first + row)}, {explain(row)}",
                    "states",
                    f"check {type(block.regularizer).__name__} with "
                    "regmdp.testing.check_regularizer",
                    of=int(np.count_nonzero(live)),
                )
            )

    attained = _objective(block, greedy)
    with np.errstate(invalid="ignore"):  # both may be -∞
        differs = ~(np.abs(attained - maximum) <= 2.0 * error)
    refuse(
        differs,
        lambda row: (
            f"the maximum of ⟨p, q⟩ - τ h(p) is said to be {maximum[row]:.12g}, but the greedy "
            f"distribution {_format(greedy[row])} has {attained[row]:.12g} at the action values "
            f"{_format(block.q[row])}"
        ),
    )
    for other in _iterate_alternatives(block, greedy):
        objective = _objective(block, other)
        refuse(
            ~(objective <= maximum + 2.0 * error),
            lambda row, other=other, objective=objective: (
                f"the greedy distribution {_format(greedy[row])} is not the maximiser: "
                f"⟨p, q⟩ - τ h(p) is {maximum[row]:.12g} there, and {objective[row]:.12g} at "
                f"{_format(other[row])}, for the action values {_format(block.q[row])}; h may not "
                "be convex, or its gradient or greedy map wrong"
            ),
        )


def _objective(block: Block, p: Float[np.ndarray, "b A"]) -> Float[np.ndarray, " b"]:
    """Return (b,) ⟨p, q⟩ - τ h(p)."""
    return expectation(p, block.q) - block.regularizer.cost(p, block.available)


def _iterate_alternatives(
    block: Block, greedy: Float[np.ndarray, "b A"]
) -> Iterator[Float[np.ndarray, "b A"]]:
    """Yield (b, A) distributions on the lines from the greedy ones to vertices."""
    part, n_actions = block.regularizer, greedy.shape[-1]
    allowed = part.domain(block.available)
    bounds = (part.probability_bounds or ProbabilityBounds(0.0, 1.0)).broadcast(
        greedy.shape, None if allowed is None else np.broadcast_to(allowed, greedy.shape), greedy
    )
    for action in _choose_actions(block.q, bounds.upper > 0):
        vertex = bounds.linear_maximiser(one_hot(action, n_actions))
        for fraction in FRACTIONS:
            yield greedy + fraction * (vertex - greedy)


def _choose_actions(q: Float[np.ndarray, "b A"], allowed: Bool[Array, "b A"]) -> np.ndarray:
    """Return (n, b) actions: all, or those with the largest values and some between them."""
    order = np.argsort(-np.where(allowed, q, -np.inf), axis=-1, kind="stable").T
    if len(order) <= MAX_DIRECTIONS:
        return order
    best = order[: MAX_DIRECTIONS // 2]
    rest = np.linspace(len(best), len(order) - 1, MAX_DIRECTIONS - len(best)).astype(np.int64)
    return np.concatenate((best, order[rest]))


def _format(values: Float[np.ndarray, " A"]) -> str:
    return np.array2string(values, precision=6, separator=", ", threshold=8)
