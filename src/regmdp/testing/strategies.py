"""Hypothesis strategies for models, policies, values, scores and regularizers.

They draw small integers, so that a counterexample shrinks to readable numbers. Hypothesis itself is
imported when a strategy is made; it comes with ``pip install 'regmdp[dev]'``.

Examples:
    >>> from hypothesis import given
    >>> import numpy as np, regmdp as rm
    >>> from regmdp.testing import strategies
    >>> @given(strategies.mdps())
    ... def test_backups_are_finite(mdp):
    ...     assert np.isfinite(rm.bellman.backup(mdp, None, np.zeros(mdp.n_states))).all()
    >>> test_backups_are_finite()
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from regmdp._internal.arrays import Float
from regmdp._internal.errors import MissingExtraError
from regmdp.mdp import MDP
from regmdp.policies import permitted
from regmdp.regularizers import KL, Regularizer, Shannon, SquaredL2, Unregularized

if TYPE_CHECKING:
    from hypothesis.strategies import SearchStrategy

__all__ = ["mdps", "policies", "regularizers", "scores", "values"]

#: Default discounts: the bandit, short and long horizons.
DISCOUNTS = (0.0, 0.1, 0.5, 0.9, 0.99)


def _import_strategies() -> Any:
    try:
        from hypothesis import strategies
    except ImportError:
        raise MissingExtraError("hypothesis", "dev") from None
    return strategies


def mdps(
    *,
    max_states: int = 5,
    max_actions: int = 3,
    discounts: SearchStrategy[float] | None = None,
    masks: bool = True,
    endings: bool = True,
) -> SearchStrategy[MDP]:
    """Return a strategy for small models, dense and sparse.

    Args:
        max_states: Largest number of states; at least 1.
        max_actions: Largest number of actions; at least 1.
        discounts: γ; by default a few from 0 to 0.99. Where γ = 1 is drawn, every pair ends the
            episode with some probability.
        masks: Whether actions may be unavailable, and states terminal.
        endings: Whether transitions may end the episode; with γ = 1 they do in any case.

    Examples:
        >>> from hypothesis import strategies as st
        >>> from regmdp.testing import strategies
        >>> undiscounted = strategies.mdps(discounts=st.just(1.0))
    """
    st = _import_strategies()

    @st.composite
    def draw_model(draw: Any) -> MDP:
        n_states, n_actions = draw(st.integers(1, max_states)), draw(st.integers(1, max_actions))
        shape = (n_states, n_actions)
        discount = draw(st.sampled_from(DISCOUNTS) if discounts is None else discounts)
        weights = _draw_array(draw, (*shape, n_states), st.integers(0, 4))
        ending = np.zeros(shape)
        if endings or discount == 1.0:
            ending = _draw_array(draw, shape, st.integers(1 if discount == 1.0 else 0, 3))
        total = weights.sum(axis=2) + ending
        weights[total == 0, 0] = 1.0
        total = np.maximum(total, 1.0)
        available = np.ones(shape, dtype=np.bool_)
        if masks:
            available = _draw_array(draw, shape, st.sampled_from((1, 1, 1, 0))) > 0
            available[0] |= not available.any()
        rewards = _draw_array(draw, shape, st.integers(-16, 16)) / 4
        P: Any = weights / total[:, :, None]
        if draw(st.booleans()):
            import scipy.sparse as sp

            P = sp.csr_array(P.reshape(-1, n_states))
        return MDP(P, rewards, discount, available=available, termination=ending / total)

    return draw_model()


def policies(
    mdp: MDP, regularizer: Regularizer | None = None
) -> SearchStrategy[Float[np.ndarray, "S A"]]:
    """Return a strategy for (S, A) policies, deterministic or mixed, that a regularizer permits."""
    st = _import_strategies()
    allowed = permitted(mdp, regularizer)

    @st.composite
    def draw_policy(draw: Any) -> Float[np.ndarray, "S A"]:
        weights = np.where(allowed, _draw_array(draw, allowed.shape, st.integers(0, 4)), 0.0)
        weights = np.where(weights.any(axis=1, keepdims=True), weights, allowed)
        return weights / np.maximum(weights.sum(axis=1, keepdims=True), 1.0)

    return draw_policy()


def values(mdp: MDP, *, magnitude: float = 16.0) -> SearchStrategy[Float[np.ndarray, " S"]]:
    """Return a strategy for (S,) values of a model, up to a magnitude; 0 in terminal states."""
    st = _import_strategies()

    @st.composite
    def draw_value(draw: Any) -> Float[np.ndarray, " S"]:
        value = _draw_array(draw, (mdp.n_states,), st.integers(-64, 64)) * (magnitude / 64)
        return np.where(mdp.terminal, 0.0, value)

    return draw_value()


def scores(
    n_actions: int = 3, *, n_states: int = 1, magnitude: float = 16.0
) -> SearchStrategy[Float[np.ndarray, "S A"]]:
    """Return a strategy for (S, A) scores, finite, with many ties, up to a magnitude."""
    st = _import_strategies()

    @st.composite
    def draw_scores(draw: Any) -> Float[np.ndarray, "S A"]:
        return _draw_array(draw, (n_states, n_actions), st.integers(-64, 64)) * (magnitude / 64)

    return draw_scores()


def regularizers(mdp: MDP) -> SearchStrategy[Regularizer]:
    """Return a strategy for regularizers of a model, with one temperature or one per state."""
    st = _import_strategies()
    temperature = st.sampled_from((0.0, 1e-3, 0.125, 1.0, 8.0))

    @st.composite
    def draw_regularizer(draw: Any) -> Regularizer:
        kind = draw(st.sampled_from((Unregularized, Shannon, SquaredL2, KL)))
        if kind is Unregularized:
            return Unregularized()
        tau = draw(temperature)
        if draw(st.booleans()):
            tau = _draw_array(draw, (mdp.n_states,), temperature)
        if kind is not KL:
            return kind(temperature=tau)
        weights = np.where(
            mdp.available, _draw_array(draw, mdp.available.shape, st.integers(0, 3)), 0.0
        )
        weights = np.where(weights.any(axis=1, keepdims=True), weights, mdp.available)
        # the row of a terminal state may be empty
        return KL(weights / np.maximum(weights.sum(axis=1, keepdims=True), 1.0), temperature=tau)

    return draw_regularizer()


def _draw_array(
    draw: Any, shape: tuple[int, ...], entries: SearchStrategy[Any]
) -> Float[np.ndarray, "..."]:
    """Draw an array of independent entries."""
    st = _import_strategies()
    size = int(np.prod(shape))
    return np.array(
        draw(st.lists(entries, min_size=size, max_size=size)), dtype=np.float64
    ).reshape(shape)
