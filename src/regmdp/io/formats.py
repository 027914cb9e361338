"""Reading and writing models in all supported file formats, chosen by the file name."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from os import PathLike
from pathlib import Path
from typing import NamedTuple, Unpack

from regmdp._internal.errors import FormatError
from regmdp._internal.mpi import count_launched
from regmdp._internal.parameters import FileName, Flag, Instance, Number, Text, checked
from regmdp.io.cassandra import read_cassandra
from regmdp.io.drn import read_drn, write_drn
from regmdp.io.mapped import open_distributed, open_mapped, save_mapped
from regmdp.io.npz import save_model
from regmdp.io.prism import read_combined, read_prism, write_prism
from regmdp.io.toolbox_files import (
    find_kind,
    read_toolbox_arrays,
    write_mdptoolbox,
    write_quantecon,
)
from regmdp.mdp import MDP, GoalOptions
from regmdp.mdp.mdp import apply_goal
from regmdp.mdp.validation import as_discount

__all__ = [
    "Format",
    "Reading",
    "find_format",
    "is_file_name",
    "read_model",
    "read_with_notes",
    "write_model",
]


class Reading(NamedTuple):
    """A model that was read from a file.

    Attributes:
        mdp: The model.
        format: The name of the file's format.
        notes: Sentences about the file that users should see.
    """

    mdp: MDP
    format: str
    notes: tuple[str, ...]


@dataclass(frozen=True)
class Format:
    """A file format.

    Attributes:
        name: Value of ``format=``.
        suffixes: Endings of the names of its files.
        about: Description in a few words.
        read: Reads a complete model; ``normalize=`` says whether its rows are normalised.
        read_choices: Reads the model of a model checker, which may lack a discount and have
            several rewards; returns it with notes.
        read_with_discount: Reads a complete model, or one without a discount, which is given.
        write: Writes a model and returns notes on the differences; None if it cannot be written.
    """

    name: str
    suffixes: tuple[str, ...]
    about: str
    read: Callable[..., MDP] | None = None
    read_choices: Callable[..., tuple[MDP, tuple[str, ...]]] | None = None
    read_with_discount: Callable[..., MDP] | None = None
    write: Callable[[MDP, Path], tuple[str, ...]] | None = None


def _write_npz(mdp: MDP, path: Path) -> tuple[str, ...]:
    save_model(mdp, path)
    return ()


def _write_mapped(mdp: MDP, path: Path) -> tuple[str, ...]:
    save_mapped(mdp, path)
    return ()


FORMATS = (
    Format(
        "npz",
        (".npz",),
        "regmdp's own",
        read=partial(read_toolbox_arrays, kind="npz"),
        write=_write_npz,
    ),
    Format(
        "mapped",
        (".mapped", "/"),
        "a folder, mapped block by block on use",
        read=open_mapped,
        write=_write_mapped,
    ),
    Format(
        "prism", (".tra",), "explicit files of PRISM", read_choices=read_prism, write=write_prism
    ),
    Format("pexp", (".pexp",), "a combined file of PRISM", read_choices=read_combined),
    Format("drn", (".drn",), "explicit files of Storm", read_choices=read_drn, write=write_drn),
    Format(
        "mdptoolbox",
        (),
        "arrays P, R and discount",
        read=partial(read_toolbox_arrays, kind="mdptoolbox"),
        write=write_mdptoolbox,
    ),
    Format(
        "quantecon",
        (),
        "arrays R, Q and beta",
        read=partial(read_toolbox_arrays, kind="quantecon"),
        write=write_quantecon,
    ),
    Format(
        "cassandra",
        (".mdp", ".pomdp"),
        "Cassandra's MDP files",
        read_with_discount=read_cassandra,
    ),
)


def is_file_name(name: str) -> bool:
    """Return whether a text names a file or folder of a known format, not a named model."""
    if any(name.lower().endswith(suffix) for entry in FORMATS for suffix in entry.suffixes):
        return True
    return Path(name).is_dir() and ((Path(name) / "model.json").exists() or Path(name).name != name)


def find_format(path: str | PathLike[str], name: str | None = None) -> Format:
    """Return the format with a name, or without a name that of a file's extension.

    Raises:
        FormatError: if there is none; the message lists the known ones.
    """
    text = os.fspath(path)
    for entry in FORMATS:
        if entry.name == name or (name is None and text.lower().endswith(entry.suffixes)):
            return entry
    known = ", ".join(
        f"{entry.name} ({' or '.join(entry.suffixes) or '.npz'}: {entry.about})"
        for entry in FORMATS
    )
    what = (
        f"{text} does not have the extension of a model format; give one with format= or --format"
        if name is None
        else f"there is no format {name!r}"
    )
    raise FormatError(f"{what}; the formats are {known}")


@checked(
    FormatError,
    path=FileName(),
    format=Text() | None,
    discount=Number(0.0, 1.0) | None,
    rewards=Text() | None,
    normalize=Flag(),
    verify=Flag(),
)
def read_model(
    path: str | PathLike[str],
    *,
    format: str | None = None,
    discount: float | None = None,
    rewards: str | None = None,
    normalize: bool = False,
    verify: bool = False,
    **goal: Unpack[GoalOptions],
) -> MDP:
    r"""Read a model from a file or folder; the format is that of its extension.

    The formats are ``.npz`` (regmdp's own, MDPtoolbox's or QuantEcon's arrays, distinguished by
    their names), ``.tra`` (PRISM, with ``.lab``, ``.srew``, ``.trew``, ``.sta`` beside it),
    ``.pexp`` (PRISM, the same in one file), ``.drn`` (Storm), ``.mdp`` and ``.pomdp`` (Cassandra,
    with observed states), and a folder (regmdp's own, mapped). A Markov chain is read as a model
    with one action. Files of model checkers have rewards r(s) of states, r(s, a) of choices and
    r(s, a, t) of transitions; the model has the rewards

    \[ r(s) + r(s, a) + \sum_t P(s, a, t)\, r(s, a, t). \]

    These files have no discount; it is 1 if none is given, except for files that
    :func:`write_model` wrote. In files of other programs a state is terminal if all its actions
    only lead to itself with reward 0.

    Args:
        path: The file or folder.
        format: One of ``npz``, ``mapped``, ``prism``, ``pexp``, ``drn``, ``mdptoolbox``,
            ``quantecon`` and ``cassandra``; by default that of the extension.
        discount: γ, instead of the file's own.
        rewards: Name of the rewards to read, if a file of a model checker has several.
        normalize: Whether probabilities that sum to 1 only within 1e-2, because they have few
            digits, are divided by their sums. Otherwise such a file is an error. Rows of a mapped
            folder were checked when it was written, where :class:`ModelWriter` normalises them.
        verify: Whether all rows of a mapped folder are checked when it is opened, and not each
            block when it is used for the first time. Other files are always checked when they are
            read.
        **goal: ``goal``, ``avoid``, ``objective``, ``minimize`` and ``goal_rewards`` of
            :meth:`regmdp.MDP.with_goal`, which is then called. Labels are those of the file.

    Raises:
        ModelError: if a label is unknown, or the goal is no goal of this model.
        FormatError: if the format is unknown or the file is damaged; the message names the line
            and what was expected.
        FileNotFoundError: if there is no such file.

    Examples:
        >>> import tempfile, pathlib, regmdp as rm
        >>> path = pathlib.Path(tempfile.mkdtemp()) / "forest.drn"
        >>> rm.io.write_model(rm.models.forest(), path)
        ('model checkers know no discount: with them rewards count as with discount 1, not 0.9',)
        >>> rm.io.read_model(path)
        MDP(3 states, 2 actions, 9 transitions (sparse), discount 0.9)

    Reference:
        Kwiatkowska, Norman and Parker, PRISM 4.0, CAV 2011; Hensel, Junges, Katoen, Quatmann and
        Volk, The probabilistic model checker Storm, STTT 24, 2022.
    """
    mdp = read_with_notes(
        path,
        format=format,
        discount=discount,
        rewards=rewards,
        normalize=normalize,
        verify=verify,
    ).mdp
    return apply_goal(mdp, goal)


def read_with_notes(
    path: str | PathLike[str],
    *,
    format: str | None = None,
    discount: float | None = None,
    rewards: str | None = None,
    normalize: bool = False,
    verify: bool = False,
) -> Reading:
    """Read a model as :func:`read_model` does, and return it with its format and notes."""
    discount = None if discount is None else as_discount(discount)
    entry = find_format(path, "mapped" if format is None and Path(path).is_dir() else format)
    if entry.name == "npz" and format is None:
        entry = find_format(path, find_kind(Path(path)))
    if entry.read_choices is not None:
        mdp, notes = entry.read_choices(
            Path(path), discount=discount, rewards=rewards, normalize=normalize
        )
        return Reading(mdp, entry.name, notes)
    if rewards is not None:
        raise FormatError(
            f"rewards= is for files of model checkers; {os.fspath(path)} has the format "
            f"{entry.name}"
        )
    if entry.read_with_discount is not None:
        mdp = entry.read_with_discount(Path(path), discount=discount, normalize=normalize)
        return Reading(mdp, entry.name, ())
    assert entry.read is not None
    mdp = (
        (open_distributed if count_launched() > 1 else open_mapped)(path, verify=verify)
        if entry.name == "mapped"
        else entry.read(Path(path), normalize=normalize)
    )
    return Reading(mdp if discount is None else mdp.with_discount(discount), entry.name, ())


@checked(FormatError, mdp=Instance(MDP), path=FileName(), format=Text() | None)
def write_model(
    mdp: MDP, path: str | PathLike[str], *, format: str | None = None
) -> tuple[str, ...]:
    """Write a model to a file or folder.

    The extension chooses the format: ``.npz``, ``.tra``, ``.drn`` or ``.mapped``. From these files
    and folders :func:`read_model` reads the same model. Model checkers have neither a discount nor
    terminating episodes. For them terminal states are absorbing, with reward 0 and the label
    ``deadlock``, and termination leads to an additional such state with the label ``end``. The data
    that their formats cannot hold are written to a file ``.regmdp.json`` beside ``.tra``, and to a
    comment in ``.drn``.

    Args:
        mdp: The model.
        path: The file, which is replaced atomically, or the folder, which must not exist.
        format: As for :func:`read_model`; needed for ``mdptoolbox`` and ``quantecon``.

    Returns:
        Sentences on the differences that other programs see in the file.

    Raises:
        FormatError: if the format is unknown or cannot be written.
        ModelError: if the format cannot hold this model.

    Examples:
        >>> import tempfile, pathlib, regmdp as rm
        >>> path = pathlib.Path(tempfile.mkdtemp()) / "grid.tra"
        >>> mdp = rm.models.gridworld().with_discount(1.0)
        >>> rm.io.write_model(mdp, path)
        ("1 terminal state is absorbing, with reward 0 and the label 'deadlock'",)
        >>> rm.io.read_model(path).digest == mdp.digest
        True
    """
    entry = find_format(path, format)
    if entry.write is None:
        known = ", ".join(other.name for other in FORMATS if other.write is not None)
        raise FormatError(
            f"files of the format {entry.name} can be read but not written; choose one of {known}"
        )
    return entry.write(mdp, Path(path))
