"""Models from and to files of every format that is known here, chosen by the file's name."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from os import PathLike
from pathlib import Path
from typing import NamedTuple

from regmdp._internal.errors import FormatError
from regmdp.io.arrays import kind_of, read_arrays_of, write_mdptoolbox, write_quantecon
from regmdp.io.cassandra import read_cassandra
from regmdp.io.drn import read_drn, write_drn
from regmdp.io.mapped import open_mapped, save_mapped
from regmdp.io.npz import save_model
from regmdp.io.prism import read_prism, write_prism
from regmdp.mdp import MDP

__all__ = [
    "Format",
    "Reading",
    "format_of",
    "is_file_name",
    "read_model",
    "read_with_notes",
    "write_model",
]


class Reading(NamedTuple):
    """A model, the name of the format that it was read from, and what to say of it."""

    mdp: MDP
    format: str
    notes: tuple[str, ...]


@dataclass(frozen=True)
class Format:
    """A format of files.

    Attributes:
        name: What ``format=`` takes.
        suffixes: How names of its files end.
        about: What it is.
        read: Reads a model that is complete.
        read_choices: Reads a model of choices, which may lack a discount and have several rewards.
        write: Writes a model and says what is different in the file, or None if it is only read.
    """

    name: str
    suffixes: tuple[str, ...]
    about: str
    read: Callable[[Path], MDP] | None = None
    read_choices: Callable[..., tuple[MDP, tuple[str, ...]]] | None = None
    write: Callable[[MDP, Path], tuple[str, ...]] | None = None


def _save(mdp: MDP, path: Path) -> tuple[str, ...]:
    save_model(mdp, path)
    return ()


def _save_mapped(mdp: MDP, path: Path) -> tuple[str, ...]:
    save_mapped(mdp, path)
    return ()


FORMATS = (
    Format("npz", (".npz",), "regmdp's own", read=partial(read_arrays_of, kind="npz"), write=_save),
    Format(
        "mapped",
        (".mapped", "/"),
        "a folder, mapped block by block while it is used",
        read=open_mapped,
        write=_save_mapped,
    ),
    Format(
        "prism", (".tra",), "explicit files of PRISM", read_choices=read_prism, write=write_prism
    ),
    Format("drn", (".drn",), "explicit files of Storm", read_choices=read_drn, write=write_drn),
    Format(
        "mdptoolbox",
        (),
        "arrays P, R and discount",
        read=partial(read_arrays_of, kind="mdptoolbox"),
        write=write_mdptoolbox,
    ),
    Format(
        "quantecon",
        (),
        "arrays R, Q and beta",
        read=partial(read_arrays_of, kind="quantecon"),
        write=write_quantecon,
    ),
    Format("cassandra", (".mdp",), "Cassandra's MDP files", read=read_cassandra),
)


def is_file_name(name: str) -> bool:
    """Say whether a text is the name of a file or a folder of a known format, and not of a model that a folder is called like."""
    if any(name.endswith(suffix) for entry in FORMATS for suffix in entry.suffixes):
        return True
    return Path(name).is_dir() and ((Path(name) / "model.json").exists() or Path(name).name != name)


def format_of(path: str | PathLike[str], name: str | None = None) -> Format:
    """Return the format of this name, or without one that of files called like this.

    Raises:
        FormatError: if there is none; the message lists those that there are.
    """
    text = os.fspath(path)
    for entry in FORMATS:
        if entry.name == name or (name is None and text.endswith(entry.suffixes)):
            return entry
    known = ", ".join(
        f"{entry.name} ({' or '.join(entry.suffixes) or '.npz'}: {entry.about})"
        for entry in FORMATS
    )
    what = (
        f"{text} has no extension of a format of models"
        if name is None
        else f"there is no format {name!r}"
    )
    raise FormatError(f"{what}; known are {known}")


def read_model(
    path: str | PathLike[str],
    *,
    format: str | None = None,
    discount: float | None = None,
    rewards: str | None = None,
    normalize: bool = False,
) -> MDP:
    r"""Read a model from a file or folder; the format is that of its extension.

    ``.npz`` (ours, MDPtoolbox's or QuantEcon's arrays, told apart by their names), ``.tra`` (PRISM,
    with ``.lab``, ``.srew``, ``.trew``, ``.sta`` beside it), ``.drn`` (Storm), ``.mdp``
    (Cassandra), a folder (ours, mapped). Files of model checkers have rewards r(s) of states,
    r(s, a) of choices and r(s, a, t) of transitions, and

    \[ r(s) + r(s, a) + \sum_t P(s, a, t)\, r(s, a, t) \]

    is what is read; they have no discount, and 1 is taken if none is given, except from files that
    :func:`write_model` wrote.

    Args:
        path: Where it is.
        format: One of ``npz``, ``mapped``, ``prism``, ``drn``, ``mdptoolbox``, ``quantecon`` and
            ``cassandra``, whatever the extension is.
        discount: γ, in place of the file's own.
        rewards: Which rewards to read, if a file of a model checker has several.
        normalize: Whether probabilities of a file of a model checker that sum to 1 only within
            1e-3, for they were written with few digits, are divided by their sums. Otherwise such a
            file is refused.

    Raises:
        FormatError: if the format is not known, or the file is damaged; the message names the line
            and what was expected.
        FileNotFoundError: if there is none.

    Examples:
        >>> import tempfile, pathlib, regmdp as rm
        >>> path = pathlib.Path(tempfile.mkdtemp()) / "forest.drn"
        >>> rm.io.write_model(rm.models.forest(), path)
        ()
        >>> rm.io.read_model(path)
        MDP(3 states, 2 actions, 9 transitions (sparse), discount 0.9)

    Reference:
        Kwiatkowska, Norman and Parker, PRISM 4.0, CAV 2011; Hensel, Junges, Katoen, Quatmann and
        Volk, The probabilistic model checker Storm, STTT 24, 2022.
    """
    return read_with_notes(
        path, format=format, discount=discount, rewards=rewards, normalize=normalize
    ).mdp


def read_with_notes(
    path: str | PathLike[str],
    *,
    format: str | None = None,
    discount: float | None = None,
    rewards: str | None = None,
    normalize: bool = False,
) -> Reading:
    """Read a model as :func:`read_model` does, and return with it what has to be said of it."""
    entry = format_of(path, "mapped" if format is None and Path(path).is_dir() else format)
    if entry.name == "npz" and format is None:
        entry = format_of(path, kind_of(Path(path)))
    if entry.read_choices is not None:
        mdp, notes = entry.read_choices(
            Path(path), discount=discount, rewards=rewards, normalize=normalize
        )
        return Reading(mdp, entry.name, notes)
    if rewards is not None or normalize:
        option = "rewards=" if rewards is not None else "normalize="
        raise FormatError(
            f"{option} is for files of model checkers; {os.fspath(path)} is of the format "
            f"{entry.name}"
        )
    assert entry.read is not None
    mdp = entry.read(Path(path))
    return Reading(mdp if discount is None else mdp.with_discount(discount), entry.name, ())


def write_model(
    mdp: MDP, path: str | PathLike[str], *, format: str | None = None
) -> tuple[str, ...]:
    """Write a model to a file or folder; the format is that of its extension, ``.npz``, ``.tra``, ``.drn`` or ``.mapped``.

    What is written to ``.npz``, ``.tra``, ``.drn`` and folders comes back as the same model. A
    model checker knows neither a discount nor an end of episodes: it reads a model in which a
    terminal state leads to itself for ever, with the label ``deadlock``, and termination to one
    more such state, with the label ``end``. What it has no word for is written beside ``.tra`` in a
    file ``.regmdp.json``, and in a comment of ``.drn``.

    Args:
        mdp: The model.
        path: Where to write. A file is replaced whole or not at all; a folder must not exist.
        format: As for :func:`read_model`; ``mdptoolbox`` and ``quantecon`` write their arrays, and are
            chosen only so.

    Returns:
        What another program finds different in the file, a sentence each.

    Raises:
        FormatError: if the format is not known, or is only read.
        ModelError: if the format cannot hold this model.

    Examples:
        >>> import tempfile, pathlib, regmdp as rm
        >>> path = pathlib.Path(tempfile.mkdtemp()) / "grid.tra"
        >>> rm.io.write_model(rm.models.gridworld(), path)
        ("1 terminal state leads to itself for ever at no reward, with the label 'deadlock'",)
        >>> rm.io.read_model(path).digest == rm.models.gridworld().digest
        True
    """
    entry = format_of(path, format)
    if entry.write is None:
        known = ", ".join(other.name for other in FORMATS if other.write is not None)
        raise FormatError(
            f"files of the format {entry.name} are read, not written; written are {known}"
        )
    return entry.write(mdp, Path(path))
