"""Wrong values of every option and argument of every command, made from what each declares.

``python tests/cli/bad_options.py`` prints how many there are.
"""

import sys
from pathlib import Path
from typing import NamedTuple

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[1]))

import numpy as np
import typer

import regmdp as rm
from regmdp._internal.kinds import Kind, Option
from regmdp.cli import app
from regmdp.cli.declarations import (
    Assignment,
    InputFile,
    LogFile,
    OutputFile,
    OutputFolder,
    kind_of,
)

__all__ = ["CALLS", "COMMANDS", "FAILED", "USAGE", "BadOption", "list_bad_options", "make_files"]

FAILED, USAGE = 1, 2

COMMANDS = typer.main.get_command(app).commands
#: A call of each command that ends well, in a folder with the files of :func:`make_files`.
CALLS = {
    "solve": ["chain", "--regularizer", "shannon", "--temperature", "0.1"],
    "certify": ["chain", "policy.npy"],
    "show": ["solution.npz"],
    "models": [],
    "convert": ["chain", "out.npz"],
    "frontier": ["chain", "--reference", "uniform", "--temperatures", "1"],
    "reproduce": ["one"],
    "train": ["CartPole-v1", "--steps", "0", "--episodes", "1", "--algorithm", "a2c"],
}
#: Options without which a wrong value of another one is not read.
NEEDED = {
    ("solve", "step_size"): ["--algorithm", "npg"],
    ("train", "temperature"): ["--regularizer", "shannon"],
    ("train", "regularizer"): ["--temperature", "0.1"],
}

#: Values that look wrong, and are not.
GOOD = {("convert", "target"): ("text.npz",)}

NUMBERS = ("text", "nan", "inf", "-inf", "-1", "0", "1e400", "", "2.5", "9" * 30, "-1e-3", "True")
NUMBERS += ("1,5", "0x10", "[/x]", "a\x1b[31mb", "9" * 5000)
TEXTS = ("", "no such thing", "nan", "-1", "no/such/file.npz", "folder", "file/x.npz", "text.npz")
TEXTS += ("[/x]", "[link=http://x]a[/link]", "a\x1b[31mb", "é", "=", ":", "kl:", "none:", "x" * 300)
TEXTS += ("gymnasium:", "tsallis:q=nan", "shannon:q=1", "1,nan", "0,1", "a:b:c", "pickle.npy")
INPUTS = ("", "no/such/file.npz", "missing.npz", "folder", "file/x", "text.npz", "empty.npz")
INPUTS += ("empty.npy", "pickle.npy", "arrays.npz", "x" * 300, "a\x1b[31mb", "/dev/full")
OUTPUTS = ("", "no/such/folder/file.npz", "file/x.npz", "x" * 300 + ".npz")
ASSIGNMENTS = ("", "text", "=", "=3", "no_such=3", "a\x1b[31mb=1", "[/x]=1", "n_states=nan")
ASSIGNMENTS += ("n_states=-1", "n_states=1e400", "n_states=[1]", "n_states=true", "size=0")
ASSIGNMENTS += (
    "n_states=" + "9" * 15,
    "size=nan",
    "scales=1,2",
    "scales=text",
    "seed=-1",
    "n_states=" + "9" * 30,
)


class BadOption(NamedTuple):
    """A wrong value of one option or argument, and how it should end.

    Attributes:
        command: The command.
        name: The option as it is written, or the name of the argument.
        value: The value.
        words: The words after the command.
        code: The exit code; None if the value may be accepted after all.
    """

    command: str
    name: str
    value: str
    words: list[str]
    code: int | None


def make_files() -> None:
    """Write the files that the calls read, and some that are damaged."""
    solution = rm.solve(rm.models.chain())
    np.save("policy.npy", solution.policy)
    solution.save("solution.npz")
    Path("folder").mkdir()
    Path("file").write_text("text")
    Path("text.npz").write_text("text")
    for name in ("empty.npz", "empty.npy"):
        Path(name).write_bytes(b"")
    np.save("pickle.npy", np.array([{}], dtype=object), allow_pickle=True)
    np.savez("arrays.npz", values=np.ones(5))


def list_bad_options(command: str) -> list[BadOption]:
    """Return the wrong values of each parameter of a command, and wrong usages of it."""
    found = _list_wrong_usages(command)
    for parameter in COMMANDS[command].params:
        kind = kind_of(parameter)
        if kind is not None:
            good = GOOD.get((command, parameter.name), ())
            values = [value for value in _list_values(kind) if value not in good]
            found += [_make(command, parameter, value) for value in values]
    return found


def _list_values(kind: Kind) -> tuple[str, ...]:
    """Return wrong values of a kind of option."""
    if kind.matches(0):
        return NUMBERS
    if isinstance(kind, Option):
        first = kind.options[0]
        return ("", "no such thing", "-1", first.upper(), first[:-1], f"{first} ", "a\x1b[31mb")
    if isinstance(kind, InputFile):
        return INPUTS
    if isinstance(kind, OutputFile):
        return (*OUTPUTS, "folder", "/dev/full")
    if isinstance(kind, LogFile):
        return (*OUTPUTS, "folder")
    if isinstance(kind, OutputFolder):
        return ("", "file", "file/x", "/dev/full/x", "x" * 300)
    return ASSIGNMENTS if isinstance(kind, Assignment) else TEXTS


def _make(command: str, parameter: object, value: str) -> BadOption:
    """Return a call with one wrong value in place of a good one, or added to it."""
    is_option = parameter.param_type_name == "option"
    name = parameter.opts[0] if is_option else parameter.name
    words = [*CALLS[command], *NEEDED.get((command, parameter.name), [])]
    if is_option:
        if name in words and not isinstance(kind_of(parameter), Assignment):
            del words[words.index(name) : words.index(name) + 2]
        words += [f"{name}={value}"]
    else:
        arguments = [p for p in COMMANDS[command].params if p.param_type_name == "argument"]
        place = arguments.index(parameter)
        words[place : place + 1] = [value]
        words[place:place] = ["--"] if value.startswith("-") else []
        if "--" in words:  # what follows is no option
            words = [*words[place + 2 :], *words[: place + 2]]
    return BadOption(command, name, value, words, _expect(kind_of(parameter), value))


def _expect(kind: Kind, value: str) -> int | None:
    """Return the exit code that the declaration of an option demands; None if it accepts."""
    if isinstance(kind, Option):
        return USAGE
    if isinstance(kind, InputFile):
        return FAILED if value else USAGE
    if isinstance(kind, OutputFile | LogFile | OutputFolder):
        return FAILED if value else USAGE
    if not kind.matches(0):
        return FAILED
    try:
        number = float(value) if kind.matches(0.5) else int(value)
    except ValueError:
        return USAGE
    try:
        kind.check("it", number, None, rm.RegmdpError)
    except rm.RegmdpError:
        return FAILED
    return None


def _list_wrong_usages(command: str) -> list[BadOption]:
    """Return calls with unknown options, too many arguments, or values where none belong."""
    good = CALLS[command]
    calls = {"unknown option": [*good, "--no-such-option"], "unknown letter": [*good, "-z"]}
    if not any(p.nargs == -1 for p in COMMANDS[command].params):
        calls["too many"] = [*good, *["one"] * 3]
    if any(p.param_type_name == "argument" and p.required for p in COMMANDS[command].params):
        calls["too few"] = []
    for parameter in COMMANDS[command].params:
        if parameter.param_type_name == "option" and parameter.name != "help":
            flag = kind_of(parameter) is None
            name = parameter.opts[0]
            calls[f"{name} {'with a' if flag else 'without'} value"] = [
                *good,
                f"{name}=yes" if flag else name,
            ]
    return [BadOption(command, name, "", words, USAGE) for name, words in calls.items()]


def describe_counts() -> str:
    """Return how many commands, options and wrong values there are."""
    parameters = sum(len(command.params) for command in COMMANDS.values())
    values = sum(len(list_bad_options(command)) for command in COMMANDS)
    return f"{len(COMMANDS)} commands, {parameters} options and arguments, {values} wrong values"


if __name__ == "__main__":
    print(describe_counts())  # noqa: T201
