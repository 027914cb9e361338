"""The graph of an undiscounted model: where episodes can terminate, and where they need not.

All functions take ``allowed``, a (S, A) mask of the pairs that may be used. Only the positions of
the positive probabilities matter.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, MutableMapping
from dataclasses import dataclass

import numpy as np
import scipy

from regmdp._internal.arrays import Array, Bool, Int
from regmdp.mdp.mdp import MDP
from regmdp.mdp.transitions import Transitions

__all__ = [
    "EndComponents",
    "count_reachable",
    "find_end_components",
    "find_entries",
    "find_non_terminating_states",
    "find_pairs_leading_to",
    "find_states_reaching",
    "find_surely_ending_pairs",
    "find_terminating_policy",
    "label_strong_components",
    "pick_distinct",
    "rows_of",
    "state_graph",
]

#: The rows of models whose graph was looked at, as they are looked at several times.
_ROWS: MutableMapping[Transitions, scipy.sparse.csr_array] = weakref.WeakKeyDictionary()


def pick_distinct(
    numbers: Int[np.ndarray, " n"], place: Int[np.ndarray, " m"]
) -> Int[np.ndarray, " k"]:
    """Return the distinct numbers, each once, in time proportional to their count.

    Args:
        numbers: (n,) numbers from 0 to m - 1.
        place: (m,) numbers of any values, which are overwritten.
    """
    # of the places where a number stands, the one written last stays
    own = np.arange(numbers.size)
    place[numbers] = own
    return numbers[place[numbers] == own]


def find_entries(
    pointers: Int[np.ndarray, " p"], rows: Int[np.ndarray, " n"]
) -> tuple[Int[np.ndarray, " k"], Int[np.ndarray, " n"]]:
    """Return the positions of all entries of some rows, row by row, and how many each has."""
    starts = pointers[rows]
    lengths = pointers[rows + 1] - starts
    ends = np.cumsum(lengths)
    return np.arange(ends[-1] if ends.size else 0) + np.repeat(
        starts - ends + lengths, lengths
    ), lengths


def count_reachable(
    successors: Callable[[Int[np.ndarray, " k"]], Int[np.ndarray, " n"]],
    n_states: int,
    state: int,
    steps: int,
    limit: int,
) -> int:
    """Return the number of states within a few steps of one, itself included.

    Args:
        successors: Returns the next states of some states.
        n_states: S.
        state: The first state.
        steps: The number of steps.
        limit: The count stops once it has reached this.
    """
    known = np.zeros(n_states, dtype=np.bool_)
    frontier = np.array([state])
    known[frontier] = True
    count = 1
    for _ in range(steps):
        ahead = np.zeros(n_states, dtype=np.bool_)
        ahead[successors(frontier)] = True
        frontier = np.flatnonzero(ahead & ~known)[:limit]
        known[frontier] = True
        count += frontier.size
        if count >= limit or not frontier.size:
            break
    return count


def find_non_terminating_states(
    mdp: MDP, allowed: Bool[Array, "S A"], ends: Bool[np.ndarray, " S"] | None = None
) -> Bool[np.ndarray, " S"]:
    """Return (S,) bool: the states from which the allowed pairs cannot terminate the episode.

    If there are none, the policy that uses all allowed pairs terminates with probability 1 from
    every state.

    Args:
        mdp: The model.
        allowed: (S, A) mask of the pairs that may be used.
        ends: (S,) mask of states where the episode ends too, besides the terminal ones.
    """
    reached, _ = _search_back(mdp, np.asarray(allowed), ends)
    return ~reached


def find_terminating_policy(
    mdp: MDP, allowed: Bool[Array, "S A"], ends: Bool[np.ndarray, " S"] | None = None
) -> Int[np.ndarray, " S"]:
    """Return (S,) allowed actions under which the episode terminates with probability 1.

    Each state gets an action that may take a step of a shortest path to the end: of those, the one
    after which the shortest path is shortest on average. An action that seldom takes such a step,
    and mostly leads away, would end too, but only after a time that is exponential in the path.
    -1 where the episode ends, and in states from which the allowed pairs cannot terminate it.

    Args:
        mdp: The model.
        allowed: (S, A) mask of the pairs that may be used.
        ends: (S,) mask of states where the episode ends too, besides the terminal ones.
    """
    allowed = np.asarray(allowed)
    reached, towards = _search_back(mdp, allowed, ends)
    end = mdp.n_states
    distance = _count_steps(towards, reached)
    terminates = np.asarray(mdp.termination) > 0
    rows = rows_of(mdp)
    pair = np.repeat(np.arange(rows.shape[0]), np.diff(rows.indptr))
    closer = (distance[rows.indices] < distance[pair // mdp.n_actions]) & (rows.data > 0)
    steps_closer = np.zeros(allowed.shape, dtype=np.bool_)
    steps_closer.ravel()[pair[closer]] = True
    steps_closer |= terminates & (towards == end)[:, None]
    steps_closer &= allowed & reached[:, None]
    if ends is not None:
        steps_closer &= ~ends[:, None]
    # of states that do not reach the end the distance is larger than any other
    average = (rows @ distance.astype(np.float64)).reshape(allowed.shape)
    best = np.where(steps_closer, average, np.inf).argmin(axis=1)
    return np.where(steps_closer.any(axis=1), best, -1)


def _count_steps(
    towards: Int[np.ndarray, " S"], reached: Bool[np.ndarray, " S"]
) -> Int[np.ndarray, " S"]:
    """Return (S,) the number of steps to node S along a tree; S + 1 where it is not reached."""
    end = reached.size
    ahead = np.append(np.where(reached, towards, end), end)
    steps = np.append(reached.astype(np.int64), 0)
    while (ahead != end).any():  # each round doubles the steps that are counted
        steps += steps[ahead]
        ahead = ahead[ahead]
    return np.where(reached, steps[:end], end + 1)


def find_surely_ending_pairs(
    mdp: MDP, allowed: Bool[Array, "S A"], ends: Bool[np.ndarray, " S"] | None = None
) -> tuple[Bool[np.ndarray, " S"], Bool[np.ndarray, "S A"]]:
    """Find the states from which some policy terminates with probability 1.

    Pairs that may lead to a state from which nothing terminates are removed, until none is left
    (de Alfaro 1997, chapter 3; the greatest fixed point of almost sure reachability).

    Args:
        mdp: The model.
        allowed: (S, A) mask of the pairs that may be used.
        ends: (S,) mask of states where the episode ends too, besides the terminal ones.

    Returns:
        (S,) bool, these states; and (S, A) bool, the allowed pairs of these states that lead only
        to these states.
    """
    kept = np.array(np.asarray(allowed), order="C")
    while True:
        lost = find_non_terminating_states(mdp, kept, ends)
        removed = kept & (find_pairs_leading_to(mdp, lost) | lost[:, None])
        if not removed.any():
            return ~lost, kept
        kept &= ~removed


def find_pairs_leading_to(mdp: MDP, targets: Bool[np.ndarray, " S"]) -> Bool[np.ndarray, "S A"]:
    """Return (S, A) bool: the pairs whose next state may be one of the targets."""
    weights = rows_of(mdp) @ targets.astype(np.float64)
    return weights.reshape(mdp.rewards.shape) > 0.0


def find_states_reaching(
    mdp: MDP, allowed: Bool[Array, "S A"], targets: Bool[np.ndarray, " S"]
) -> Bool[np.ndarray, " S"]:
    """Return (S,) bool: the states from which allowed pairs may lead to one of the targets."""
    graph = state_graph(rows_of(mdp), np.asarray(allowed))
    return _search_from(graph, targets)[0]


def _search_back(
    mdp: MDP, allowed: Bool[np.ndarray, "S A"], ends: Bool[np.ndarray, " S"] | None
) -> tuple[Bool[np.ndarray, " S"], Int[np.ndarray, " S"]]:
    """Search backwards from the end of the episode, which is node S.

    Returns:
        (S,) bool, the states that reach the end; and (S,) the next node of each on a shortest path.
    """
    leads_out = mdp.terminal | (allowed & (np.asarray(mdp.termination) > 0)).any(axis=1)
    if ends is not None:
        leads_out = leads_out | ends
    return _search_from(state_graph(rows_of(mdp), allowed), leads_out)


def _search_from(
    graph: scipy.sparse.csr_array, ends: Bool[np.ndarray, " S"]
) -> tuple[Bool[np.ndarray, " S"], Int[np.ndarray, " S"]]:
    """Search a graph backwards from a node S behind the (S,) ends."""
    end = ends.size
    into = scipy.sparse.csc_array(graph)
    positive = into.data > 0
    counts = np.concatenate(([0], np.cumsum(positive)))[into.indptr]
    targets = np.concatenate((into.indices[positive], np.flatnonzero(ends)))
    backwards = scipy.sparse.csr_array(
        (np.ones(targets.size), targets, np.append(counts, targets.size)), shape=(end + 1, end + 1)
    )
    # slow to import, and needed for undiscounted models only
    from scipy.sparse.csgraph import breadth_first_order

    order, predecessor = breadth_first_order(
        backwards, end, directed=True, return_predecessors=True
    )
    reached = np.zeros(end + 1, dtype=np.bool_)
    reached[order] = True
    return reached[:end], predecessor[:end]


def rows_of(mdp: MDP) -> scipy.sparse.csr_array:
    """Return the (SA, S) rows of the pairs, which are put in order once; not to be written to."""
    if mdp.transitions not in _ROWS:
        _ROWS[mdp.transitions] = mdp.transitions.to_csr()
    return _ROWS[mdp.transitions]


def state_graph(
    rows: scipy.sparse.csr_array, allowed: Bool[np.ndarray, "S A"]
) -> scipy.sparse.csr_array:
    """(S, S) graph with an edge where an allowed pair leads with positive probability."""
    n_states, n_actions = allowed.shape
    kept = np.flatnonzero(allowed.ravel())
    edges = rows if kept.size == allowed.size else rows[kept]
    pointers = np.concatenate(
        ([0], np.cumsum(np.bincount(kept // n_actions, np.diff(edges.indptr), n_states)))
    ).astype(np.int64)
    return scipy.sparse.csr_array(
        (edges.data > 0, edges.indices, pointers), shape=(n_states, n_states)
    )


def label_strong_components(graph: scipy.sparse.csr_array) -> Int[np.ndarray, " S"]:
    """Return (S,) numbers of the strongly connected components, each after all it leads to.

    Args:
        graph: (S, S) its edges, not to be written to. Zeros are edges, too.
    """
    # slow to import
    from scipy.sparse.csgraph import connected_components

    if not graph.has_canonical_format:
        # with an edge twice, SciPy's search finds other components, or does not end, unless it
        # converts the numbers of the graph first
        graph = graph.copy()
        graph.sum_duplicates()
    return connected_components(graph, directed=True, connection="strong")[1]


@dataclass(frozen=True)
class EndComponents:
    """Maximal end components: sets of states that some policy never leaves, without terminating.

    Attributes:
        component: (S,) number of the state's component, or -1 if it is in none.
        pairs: (S, A) mask of the pairs that stay inside the component of their state.
        count: The number of components.
    """

    component: Int[np.ndarray, " S"]
    pairs: Bool[np.ndarray, "S A"]
    count: int


def find_end_components(mdp: MDP, allowed: Bool[Array, "S A"]) -> EndComponents:
    """Decompose the allowed pairs into maximal end components.

    Strongly connected components are computed repeatedly, each time without the pairs that may
    leave theirs, until no pair does (de Alfaro 1997, chapter 3).
    """
    n_states, n_actions = mdp.n_states, mdp.n_actions
    alive = np.array(np.asarray(allowed) & (np.asarray(mdp.termination) == 0), order="C")
    if not alive.any():
        return EndComponents(np.full(n_states, -1), alive, 0)
    rows = rows_of(mdp)
    pair = np.repeat(np.arange(rows.shape[0]), np.diff(rows.indptr))
    into = scipy.sparse.csc_array(rows)
    while True:
        _remove_dead_ends(alive, into)
        if not alive.any():
            return EndComponents(np.full(n_states, -1), alive, 0)
        label = label_strong_components(state_graph(rows, alive))
        leaves = np.zeros(alive.size, dtype=np.bool_)
        leaves[pair[label[pair // n_actions] != label[rows.indices]]] = True
        leaves = leaves.reshape(alive.shape) & alive
        if not leaves.any():
            break
        alive &= ~leaves
    inside = alive.any(axis=1)
    component = np.full(n_states, -1)
    names, component[inside] = np.unique(label[inside], return_inverse=True)
    return EndComponents(component, alive, names.size)


def _remove_dead_ends(alive: Bool[np.ndarray, "S A"], into: scipy.sparse.csc_array) -> None:
    """Remove in place every pair that may lead to a state without pairs, level by level."""
    n_actions = alive.shape[1]
    flat = alive.reshape(-1)
    count = alive.sum(axis=1)
    place = np.zeros(alive.size, dtype=np.int64)
    dead = np.flatnonzero(count == 0)
    while dead.size:
        starts, ends = into.indptr[dead], into.indptr[dead + 1]
        lengths = ends - starts
        offsets = np.arange(lengths.sum()) - np.repeat(np.cumsum(lengths) - lengths, lengths)
        hit = into.indices[np.repeat(starts, lengths) + offsets]
        hit = pick_distinct(hit[flat[hit]], place)
        flat[hit] = False
        states = hit // n_actions
        np.subtract.at(count, states, 1)
        dead = pick_distinct(states[count[states] == 0], place)
