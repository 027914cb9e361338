"""Columns of logged data: their names, and how they contradict each other."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Mapping
from typing import Any, Protocol, runtime_checkable

import numpy as np

from regmdp._internal.arrays import ArrayLike, Bool, Int
from regmdp._internal.errors import SampleError
from regmdp._internal.parameters import Text, check_sequence
from regmdp.samples.column import Column, require_rows

__all__ = [
    "Columns",
    "check_episodes",
    "read_columns",
    "read_ends",
]

#: What a column holds, and the names by which it is known: ours and Gymnasium's, D4RL's, Minari's.
NAMES = {
    "state": ("state", "observations"),
    "action": ("action", "actions"),
    "reward": ("reward", "rewards"),
    "next_state": ("next_state", "next_observations"),
    "terminated": ("terminated", "terminals", "terminations"),
    "truncated": ("truncated", "timeouts", "truncations"),
    "done": ("done", "dones"),
    "probability": ("probability",),
    "episode": ("episode",),
    "step": ("step",),
    "time": ("time",),
}
#: Columns that there must be.
REQUIRED = ("state", "action", "reward", "next_state")


@runtime_checkable
class Columns(Protocol):
    """Columns by name, as a dictionary of arrays, a data frame or a structured array has them."""

    def __getitem__(self, name: str, /) -> ArrayLike: ...


def read_columns(columns: Columns, ignore: Collection[str]) -> dict[str, Column]:
    """Return the columns by what they hold, each of the shape (n,), with n > 0.

    Raises:
        SampleError: if a column is missing, unknown or there twice, or has another shape.
    """
    check_sequence("ignore", ignore, Text(), SampleError)
    names = _find_names(columns)
    absent = [name for name in ignore if name not in names]
    if absent:
        raise SampleError(
            f"the column {absent[0]!r} that is to be ignored is not there; there are "
            f"{sorted(names)}"
        )
    kinds = _find_kinds([name for name in names if name not in ignore])
    given = {
        kind: Column(name, _as_array(name, columns, names[name])) for kind, name in kinds.items()
    }
    _require_one_index(columns, [names[name] for name in kinds.values()])
    _require_one_shape(given)
    return given


def read_ends(
    given: Mapping[str, Column], rows: int
) -> tuple[Bool[np.ndarray, " n"], Bool[np.ndarray, " n"] | None]:
    """Return which rows end their episode in the model, and which cut it off, None if unknown.

    A column ``done`` marks both, so it needs one of the others, which must agree with it.
    """
    mask = {
        kind: given[kind].as_mask() for kind in ("terminated", "truncated", "done") if kind in given
    }
    done, terminated = mask.get("done"), mask.get("terminated")
    truncated = mask.get("truncated")
    if done is not None:
        name = given["done"].name
        if terminated is None and truncated is None:
            raise SampleError(
                f"the column {name!r} does not say why an episode ended: call it 'terminated' if "
                "the episode ended in the model, so that nothing more could be earned; call it "
                "'truncated' if it was cut off and could have continued; or give both"
            )
        ends = [part for part in (terminated, truncated) if part is not None]
        early = np.any(ends, axis=0) & ~done
        require_rows(name, ~early, done, "contradicts the column that says that the episode ended")
        if len(ends) == 2:
            missing = done & ~np.any(ends, axis=0)
            what = "contradicts the columns that say that the episode continues"
            require_rows(name, ~missing, done, what)
        terminated = done & ~ends[0] if terminated is None else terminated
        truncated = done & ~terminated if truncated is None else truncated
    return np.zeros(rows, dtype=np.bool_) if terminated is None else terminated, truncated


def check_episodes(
    given: Mapping[str, Column],
    episode: Int[np.ndarray, " n"] | None,
    state: Int[np.ndarray, " n"],
    next_state: Int[np.ndarray, " n"],
    ends: Mapping[str, Bool[np.ndarray, " n"] | None],
) -> None:
    """Check that the rows of each episode follow one another.

    Args:
        given: The columns, for their names, and for those of steps and times.
        episode: (n,) numbers, or None.
        state: (n,) states.
        next_state: (n,) next states.
        ends: (n,) masks of the rows at which an episode ends, by what the column holds.
    """
    if episode is None:
        for kind in ("step", "time"):
            if kind in given:
                raise SampleError(
                    f"the column {kind!r} counts within an episode, so it needs a column "
                    f"'episode'; give that, or ignore=[{kind!r}]"
                )
        return
    require_rows(
        "episode",
        np.diff(episode, prepend=episode[0]) >= 0,
        episode,
        "comes after a larger one; sort the rows by episode",
    )
    continued = episode[1:] == episode[:-1]
    for kind, mask in ends.items():
        if mask is not None:
            early = np.append(continued & mask[:-1], False)
            name = given[kind].name if kind in given else kind
            require_rows(name, ~early, mask, "is true before the last row of the episode")
    require_rows(
        given["state"].name,
        ~np.append(False, continued & (state[1:] != next_state[:-1])),
        state,
        f"is not the {given['next_state'].name} of the previous row of the same episode",
    )
    if "step" in given:
        _check_steps(given["step"], continued)
    if "time" in given:
        _check_times(given["time"], continued)


def _check_steps(column: Column, continued: Bool[np.ndarray, " m"]) -> None:
    """Check that steps count from the same number in each episode, without gaps."""
    step = column.as_indices()
    require_rows(
        column.name,
        ~np.append(False, continued & (step[1:] != step[:-1] + 1)),
        step,
        "is not 1 more than in the previous row of the same episode: rows are missing or not in "
        "order",
    )
    require_rows(
        column.name,
        ~np.append(False, ~continued & (step[1:] != step[0])),
        step,
        f"begins an episode, and the first episode begins with {step[0]}: rows are missing",
    )


def _check_times(column: Column, continued: Bool[np.ndarray, " m"]) -> None:
    """Check that times increase in each episode."""
    if column.values.dtype.kind in "mM":
        time = column.values
        require_rows(column.name, ~np.isnat(time), time, "is no time")
    else:
        time = column.as_numbers()
    require_rows(
        column.name,
        ~np.append(False, continued & ~(time[1:] > time[:-1])),
        time,
        "is not later than in the previous row of the same episode",
    )


def _find_names(columns: object) -> dict[str, Any]:
    """Return the names of the columns as text, and as they are."""
    dtype = getattr(columns, "dtype", None)
    if dtype is not None and getattr(dtype, "names", None):
        return {name: name for name in dtype.names}
    if isinstance(columns, Mapping):
        return {str(name): name for name in columns}
    names = getattr(columns, "columns", None)
    if names is not None:
        return {str(name): name for name in names}
    raise SampleError(
        "the data must be columns by name, as in a dictionary of arrays, not "
        f"{type(columns).__name__}"
    )


def _find_kinds(names: list[str]) -> dict[str, str]:
    """Return the name of the column of each kind."""
    kinds: dict[str, str] = {}
    known = {name: kind for kind, all_names in NAMES.items() for name in all_names}
    unknown = []
    for name in names:
        kind = known.get(name)
        if kind is None:
            unknown.append(name)
        elif kind in kinds:
            raise SampleError(
                f"the columns {kinds[kind]!r} and {name!r} both hold the {kind}; put one of them "
                "into ignore="
            )
        else:
            kinds[kind] = name
    missing = [kind for kind in REQUIRED if kind not in kinds]
    if missing:
        more = f" ({len(missing)} are missing: {missing})" if len(missing) > 1 else ""
        raise SampleError(
            f"the data have no column {missing[0]!r}{more}; there are {sorted(names)}; needed are "
            f"{list(REQUIRED)}"
        )
    if unknown:
        near = difflib.get_close_matches(unknown[0], known, n=1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise SampleError(
            f"nothing is known of the column {unknown[0]!r}{hint} "
            f"({len(unknown)} such: {sorted(unknown)}); give the columns that are not needed as "
            f"ignore={sorted(unknown)}; known are {list(NAMES)}"
        )
    return kinds


def _as_array(name: str, columns: Columns, key: Any) -> np.ndarray:
    """Return a column as an array, without masked entries."""
    values: Any = columns[key]
    try:
        array = np.asarray(values)
    except Exception as problem:  # whatever the array of another library raises
        raise SampleError(f"column {name!r} is no array: {problem}") from None
    mask = np.ma.getmaskarray(values) if isinstance(values, np.ma.MaskedArray) else None
    if mask is not None and mask.ndim == 1:
        require_rows(name, ~mask, np.where(mask, "masked", ""), "is no value")
    return array


def _require_one_index(columns: Columns, keys: list[Any]) -> None:
    """Check that the rows of a dictionary's pandas columns have the same labels."""
    if not isinstance(columns, Mapping):
        return
    labelled = [(key, columns[key]) for key in keys if hasattr(columns[key], "iloc")]
    for key, values in labelled[1:]:
        first, reference = labelled[0]
        if not np.array_equal(np.asarray(reference.index), np.asarray(values.index)):
            raise SampleError(
                f"the columns {first!r} and {key!r} have different indices, so it is not clear "
                "which entries belong together; put them into one data frame, or pass .to_numpy()"
            )


def _require_one_shape(given: Mapping[str, Column]) -> None:
    """Check that there are rows, and that all columns have them."""
    reference = given["action"]
    shape = reference.values.shape
    for name, values in given.values():
        if values.ndim != 1 or values.shape != shape:
            hint = ""
            if values.ndim == 1 and len(shape) == 1 and values.size == shape[0] + 1:
                hint = (
                    "; with the last state of an episode in it, as in Minari, give [:-1] as "
                    "'state' and [1:] as 'next_state'"
                )
            raise SampleError(
                f"column {name!r} has shape {values.shape}, and {reference.name!r} {shape}; all "
                f"must be (n,){hint}"
            )
    if not shape[0]:
        raise SampleError("the data have no rows")
