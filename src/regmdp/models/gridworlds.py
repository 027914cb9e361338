"""Gridworlds: rooms, mazes and drawings."""

from __future__ import annotations

from typing import Literal

import numpy as np
import scipy.sparse as sp
from scipy.sparse.csgraph import minimum_spanning_tree

from regmdp._internal.arrays import ArrayLike, Bool, Float
from regmdp._internal.checks import show
from regmdp._internal.errors import ModelError
from regmdp._internal.memory import require_memory
from regmdp._internal.parameters import ArrayOf, Instance, Integer, Number, Text, checked
from regmdp.mdp import MDP, GridLayout
from regmdp.mdp.layouts import CLOCKWISE, join_cells, parse_drawing

__all__ = ["gridworld", "gridworld_from_drawing", "maze", "rooms", "russell_norvig"]

#: The four actions, clockwise: neighbours in this list are perpendicular.
ACTIONS = ("up", "right", "down", "left")
LAYOUTS = ("open", "rooms", "maze")
#: Largest number of cells that get names.
MAX_LABELS = 10_000


#: Row and column of a cell; None is the default.
CELL = ArrayOf("2", "integer") | None


@checked(
    ModelError,
    height=Integer(),
    width=Integer(),
    start=CELL,
    goal=CELL,
    slip=Number(0.0, 1.0),
    goal_reward=Number(),
    step_reward=Number(),
    discount=Number(0.0, 1.0),
)
def gridworld(
    height: int = 11,
    width: int = 11,
    *,
    walls: ArrayLike | Literal["open", "rooms", "maze"] = "rooms",
    start: tuple[int, int] | None = None,
    goal: tuple[int, int] | None = None,
    slip: float = 0.2,
    goal_reward: float = 1.0,
    step_reward: float = 0.0,
    discount: float = 0.99,
) -> MDP:
    r"""Return a gridworld with walls and slip.

    A move goes in its direction with probability 1 - slip, and to either side of it with
    probability slip / 2 each. A move into a wall or the border leaves the state unchanged. Every
    move pays the step reward; entering the goal also pays the goal reward and ends the episode. The
    states are the cells that are not walls, row by row. :func:`gridworld_from_drawing` reads a
    drawing.

    On an open grid without slip, if γ < 1 and the step reward is 0, the value of a cell d ≥ 1 steps
    from the goal is γ^{d-1} times the goal reward.

    Args:
        height: Number of rows.
        width: Number of columns.
        walls: (height, width) bool, True where there is a wall; or one of "open", "rooms"
            (:func:`rooms`) and "maze" (:func:`maze` with seed 0).
        start: Row and column of the first state; by default the first free cell.
        goal: Row and column of the goal; by default the last free cell.
        slip: Probability of going sideways.
        goal_reward: Paid on entering the goal.
        step_reward: Paid on every move.
        discount: γ.

    Returns:
        A sparse model with a state for every free cell, and 4 actions: up, right, down, left. The
        goal is terminal.

    Raises:
        ModelError: if a parameter is out of its range, or start or goal is not a free cell.

    Examples:
        >>> import regmdp as rm
        >>> rm.models.gridworld()
        MDP(104 states, 4 actions, 1,198 transitions (sparse), 412 available pairs, 1 terminal,
            discount 0.99)
        >>> mdp = rm.models.gridworld(100, 100, walls=rm.models.maze(100, 100, rng=1))
        >>> mdp.describe(0, 1)
        'state 0 (row 0, column 0), action 1 (right)'
    """
    require_memory(
        f"arrays of {height:,} × {width:,} cells", 40.0 * height * width, "choose a smaller grid"
    )
    walls = _as_walls(walls, height, width)
    free = np.flatnonzero(~walls.ravel())
    if free.size < 2:
        raise ModelError(
            f"walls leave {free.size} free cells; a gridworld needs at least a start and a goal"
        )
    start_cell = _as_cell("start", start, walls, int(free[0]))
    goal_cell = _as_cell("goal", goal, walls, int(free[-1]))
    if start_cell == goal_cell:
        raise ModelError("start and goal are the same cell; choose another start= or goal=")
    entry = np.zeros((height, width))
    entry.flat[goal_cell] = goal_reward
    cells = np.where(walls, "#", ".")
    cells.flat[goal_cell] = "G"
    initial = np.zeros((height, width))
    initial.flat[start_cell] = 1.0
    return _assemble(cells, entry, initial, slip, step_reward, discount)


@checked(
    ModelError,
    drawing=Text(),
    slip=Number(0.0, 1.0),
    goal_reward=Number(),
    trap_reward=Number(),
    step_reward=Number(),
    discount=Number(0.0, 1.0),
)
def gridworld_from_drawing(
    drawing: str,
    *,
    slip: float = 0.2,
    goal_reward: float = 1.0,
    trap_reward: float = -1.0,
    step_reward: float = 0.0,
    discount: float = 0.99,
) -> MDP:
    """Return the gridworld of a drawing, one line of text for each row.

    Args:
        drawing: ``.`` is a free cell, ``#`` a wall, ``S`` a start; ``G``, a goal, and ``T``, a
            trap, end the episode. The initial distribution is uniform over the starts; without any,
            over the cells that do not end the episode.
        slip: As for :func:`gridworld`; so are the other parameters.
        goal_reward: Paid on entering a goal.
        trap_reward: Paid on entering a trap.
        step_reward: Paid on every move.
        discount: γ.

    Raises:
        ModelError: if the lines differ in length, or a character has no meaning.

    Examples:
        >>> import regmdp as rm
        >>> mdp = rm.models.gridworld_from_drawing('''
        ...     S.#
        ...     ..G
        ... ''')
        >>> mdp.n_states, mdp.terminal.sum().item()
        (5, 1)
    """
    cells = parse_drawing(drawing)
    if not ((cells == ".") | (cells == "S")).any():
        raise ModelError("the drawing has no free cell to start from: it needs a . or an S")
    entry = np.where(cells == "G", goal_reward, 0.0)
    entry[cells == "T"] = trap_reward
    starts = (cells == "S").astype(np.float64)
    initial = starts / starts.sum() if starts.any() else None
    return _assemble(cells, entry, initial, slip, step_reward, discount)


@checked(ModelError, slip=Number(0.0, 1.0), step_reward=Number(), discount=Number(0.0, 1.0))
def russell_norvig(*, slip: float = 0.2, step_reward: float = -0.04, discount: float = 1.0) -> MDP:
    r"""Return the 4 × 3 world of Russell and Norvig's textbook.

    Its known values, with the default parameters, rounded to three places::

        0.812  0.868  0.918    +1
        0.762   wall  0.660    -1
        0.705  0.655  0.611  0.388

    The book pays the reward of a terminal state in that state. Here it is paid on entering, so
    terminal states have value 0; the values of the others are the same.

    Args:
        slip: Probability of going sideways.
        step_reward: Paid on every move.
        discount: γ.

    Raises:
        ModelError: if a parameter is out of its range.

    Examples:
        >>> import regmdp as rm
        >>> rm.models.russell_norvig()
        MDP(11 states, 4 actions, 96 transitions (sparse), 36 available pairs, 2 terminal,
            discount 1)

    Reference:
        Russell and Norvig, Artificial Intelligence: A Modern Approach, 3rd edition, 2010, figure
        17.3.
    """
    drawing = """
        ...G
        .#.T
        S...
    """
    return gridworld_from_drawing(drawing, slip=slip, step_reward=step_reward, discount=discount)


@checked(ModelError, height=Integer(), width=Integer())
def rooms(height: int, width: int) -> Bool[np.ndarray, "H W"]:
    r"""Return the (H, W) walls of four rooms with four doors; sides shorter than 5 stay undivided.

    >>> import regmdp as rm
    >>> print(
    ...     "\n".join(
    ...         "".join("_#"[cell] for cell in row) for row in rm.models.rooms(5, 7).astype(int)
    ...     )
    ... )
    ___#___
    _______
    #_###_#
    _______
    ___#___
    """
    require_memory(
        f"arrays of {height:,} × {width:,} cells", 1.0 * height * width, "choose a smaller grid"
    )
    walls = np.zeros((height, width), dtype=np.bool_)
    across, down = height // 2, width // 2
    if height >= 5:
        walls[across] = True
    if width >= 5:
        walls[:, down] = True
    if height >= 5:
        walls[across, [down // 2, (down + width) // 2]] = False
    if width >= 5:
        walls[[across // 2, (across + height) // 2], down] = False
    return walls


@checked(
    ModelError, height=Integer(), width=Integer(), rng=Integer(0) | Instance(np.random.Generator)
)
def maze(height: int, width: int, *, rng: int | np.random.Generator = 0) -> Bool[np.ndarray, "H W"]:
    """Return the (H, W) walls of a random maze with exactly one path between any two free cells.

    The cells with even row and column are free. Passages between them are opened along a spanning
    tree that is minimal for random weights (Kruskal's algorithm).

    Args:
        height: Number of rows.
        width: Number of columns.
        rng: A seed, or a generator to draw from.

    Examples:
        >>> import regmdp as rm
        >>> rm.models.maze(4, 5, rng=0).shape
        (4, 5)
    """
    require_memory(
        f"arrays of {height:,} × {width:,} cells", 1.0 * height * width, "choose a smaller grid"
    )
    if not isinstance(rng, np.random.Generator):
        rng = np.random.default_rng(rng)
    shape = (height + 1) // 2, (width + 1) // 2
    # before SciPy 1.15 the search for a tree takes 32-bit numbers only
    small = shape[0] * shape[1] < np.iinfo(np.int32).max
    cells = np.arange(shape[0] * shape[1], dtype=np.int32 if small else np.int64).reshape(shape)
    one = np.concatenate((cells[:, :-1].ravel(), cells[:-1].ravel()))
    other = np.concatenate((cells[:, 1:].ravel(), cells[1:].ravel()))
    weights = 1.0 + rng.random(one.size)
    graph = sp.csr_array((weights, (one, other)), shape=(cells.size, cells.size))
    tree = minimum_spanning_tree(graph).tocoo()
    (row, column), (next_row, next_column) = (
        np.unravel_index(tree.row, cells.shape),
        np.unravel_index(tree.col, cells.shape),
    )
    walls = np.ones((height, width), dtype=np.bool_)
    walls[::2, ::2] = False
    walls[row + next_row, column + next_column] = False
    return walls


def _as_walls(walls: object, height: int, width: int) -> Bool[np.ndarray, "H W"]:
    if isinstance(walls, str):
        if walls not in LAYOUTS:
            raise ModelError(
                f"walls is {walls!r}; it must be one of {', '.join(LAYOUTS)}, or a (height, width) "
                "array of bools"
            )
        if walls == "open":
            return np.zeros((height, width), dtype=np.bool_)
        return rooms(height, width) if walls == "rooms" else maze(height, width)
    try:
        walls = np.asarray(walls)
    except ValueError:  # rows of different lengths
        raise ModelError(
            f"walls must be a (height, width) array of bools, not {show(walls)}"
        ) from None
    if walls.shape != (height, width):
        raise ModelError(
            f"walls must have shape (height, width) = {(height, width)}, not {walls.shape}"
        )
    if walls.dtype != np.bool_:
        raise ModelError(
            f"walls must be an array of bools, True where there is a wall, not of {walls.dtype}"
        )
    return walls


def _as_cell(name: str, place: ArrayLike | None, walls: np.ndarray, default: int) -> int:
    """Return the flat index of a free cell."""
    if place is None:
        return default
    height, width = walls.shape
    row, column = (int(index) for index in np.asarray(place))
    if not (0 <= row < height and 0 <= column < width):
        raise ModelError(
            f"{name} is row {row}, column {column}, outside the grid of {height} rows and {width} "
            "columns"
        )
    if walls[row, column]:
        raise ModelError(f"{name} is row {row}, column {column}, which is a wall")
    return row * width + column


def _assemble(
    cells: np.ndarray,
    entry: Float[np.ndarray, "H W"],
    initial: Float[np.ndarray, "H W"] | None,
    slip: float,
    step_reward: float,
    discount: float,
) -> MDP:
    """Build the model of a grid.

    Args:
        cells: (H, W) characters of the drawing.
        entry: Reward of entering each cell.
        initial: Distribution of the first cell, or None for the default.
        slip: Probability of going sideways.
        step_reward: Paid on every move.
        discount: γ.
    """
    free, ends = cells != "#", (cells == "G") | (cells == "T")
    row, column = np.nonzero(free)
    n_states = row.size
    # with a border, so that no step leaves the array
    number = np.full((cells.shape[0] + 2, cells.shape[1] + 2), -1, dtype=np.int32)
    number[row + 1, column + 1] = np.arange(n_states)
    stay = np.arange(n_states, dtype=np.int32)
    lands = np.empty((n_states, 4), dtype=np.int32)
    for action, (down, right) in enumerate(CLOCKWISE):
        cell = number[row + 1 + down, column + 1 + right]
        lands[:, action] = np.where(cell < 0, stay, cell)
    successors = np.stack((lands, np.roll(lands, 1, axis=1), np.roll(lands, -1, axis=1)), axis=-1)
    weights = np.array([1.0 - slip, slip / 2, slip / 2])
    rewards = step_reward + entry[free][successors] @ weights
    rows = sp.csr_array(
        (np.tile(weights, 4 * n_states), successors.ravel(), np.arange(0, 12 * n_states + 1, 3)),
        shape=(4 * n_states, n_states),
    )
    labels = None
    if n_states <= MAX_LABELS:
        labels = [
            f"row {r}, column {c}" for r, c in zip(row.tolist(), column.tolist(), strict=True)
        ]
    return MDP(
        rows,
        rewards,
        discount,
        available=np.broadcast_to(~ends[free][:, None], (n_states, 4)),
        initial=None if initial is None else initial[free],
        state_labels=labels,
        action_labels=ACTIONS,
    ).with_layout(GridLayout(join_cells(cells)))
