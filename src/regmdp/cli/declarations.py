"""What an option of the command line may be, declared where the option is.

``Annotated[float | None, option(Number(above=0.0), "Certified gap.")]`` is an option that Typer
reads as a number, and that is checked before the command runs. The tests of bad options are made
from the same declarations.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, no_type_check

import typer

from regmdp import RegmdpError
from regmdp._internal.checks import show
from regmdp._internal.errors import WriteError
from regmdp._internal.files import require_file, require_writable
from regmdp._internal.kinds import Kind
from regmdp.cli.assignments import parse_assignment

__all__ = [
    "Assignment",
    "InputFile",
    "LogFile",
    "OutputFile",
    "OutputFolder",
    "argument",
    "declaration_of",
    "kind_of",
    "option",
]


class PathKind(Kind):
    """The path of a file or folder, which Typer has read."""

    def matches(self, value: object) -> bool:
        return isinstance(value, Path)

    def check(self, name: str, value: Any, model: Any, error: type[RegmdpError]) -> Path:
        self.require(value)
        return value

    @abstractmethod
    def require(self, path: Path) -> None:
        """Check what is there; errors name the path."""


@dataclass(frozen=True)
class InputFile(PathKind):
    """A file that is read."""

    def describe(self) -> str:
        return "a file"

    def require(self, path: Path) -> None:
        require_file(path)


@dataclass(frozen=True)
class OutputFile(PathKind):
    """A file that is written."""

    def describe(self) -> str:
        return "a file that can be written"

    def require(self, path: Path) -> None:
        require_writable(path)


@dataclass(frozen=True)
class LogFile(PathKind):
    """A file to which lines are appended; it may be a device."""

    def describe(self) -> str:
        return "a file that can be appended to"

    def require(self, path: Path) -> None:
        if not path.exists():
            require_writable(path)
        elif path.is_dir():
            raise WriteError(f"cannot write {path}: there is a folder with this name")


@dataclass(frozen=True)
class OutputFolder(PathKind):
    """A folder in which files are written, and which is made if it is missing."""

    def describe(self) -> str:
        return "a folder that can be written"

    def require(self, path: Path) -> None:
        for place in (path, *path.parents):
            if place.is_dir():
                return
            if place.exists():
                raise WriteError(f"cannot write to the folder {path}: {place} is not a folder")


@dataclass(frozen=True)
class Assignment(Kind):
    """A name and a value, as ``n_states=7``."""

    def describe(self) -> str:
        return "name=value"

    def matches(self, value: object) -> bool:
        return isinstance(value, str) and bool(value.partition("=")[0].strip()) and "=" in value

    def check(self, name: str, value: Any, model: Any, error: type[RegmdpError]) -> str:
        parse_assignment(name, value)
        return value


def option(kind: Kind, help: str, *names: str) -> Any:
    """Return an option of a command.

    Args:
        kind: What it may be, or each of its values if it may be repeated.
        help: The text of ``--help``.
        names: How it is written, if not as the name of the parameter.
    """
    read = _find_reader(kind)
    metavar = None if read is None else f"<{read.__name__}>"
    return typer.Option(*names, help=help, callback=_make_check(kind), parser=read, metavar=metavar)


def argument(kind: Kind, help: str) -> Any:
    """Return an argument of a command."""
    return typer.Argument(help=help, callback=_make_check(kind), parser=_find_reader(kind))


def kind_of(parameter: Any) -> Kind | None:
    """Return what an option or argument of a command may be; None for a flag."""
    return getattr(parameter.callback, "kind", None)


def declaration_of(function: Any, name: str) -> Kind:
    """Return what a parameter of a function of the library may be."""
    return function.declarations[name]


def _make_check(kind: Kind) -> Callable[..., Any]:
    """Return a callback that checks the value that Typer has read, if one is given."""

    # Typer finds the parameter by this annotation, but what it gives is not of that class
    @no_type_check
    def check(param: typer.CallbackParam, value: Any) -> Any:
        name = param.opts[0] if param.param_type_name == "option" else param.name
        for one in value if isinstance(value, list | tuple) else [value]:
            if one is not None:
                kind.check(str(name), one, None, RegmdpError)
        is_list = getattr(param, "multiple", False) or param.nargs == -1
        return [] if value is None and is_list else value

    check.kind = kind  # pyright: ignore[reportFunctionMemberAccess]
    return check


def _make_reader(what: str, convert: Callable[[str], Any]) -> Callable[[Any], Any]:
    """Return a function from the text of an option to its value."""

    def read(text: Any) -> Any:
        """Return the value.

        Raises:
            typer.BadParameter: if the text is no such value, or empty, as one from a variable of
                the shell that is not set.
        """
        if not isinstance(text, str):
            return text  # a default
        try:
            if text:
                return convert(text)
        except ValueError:
            raise typer.BadParameter(f"{show(text)} is not a {what}") from None
        raise typer.BadParameter("it is empty")

    read.__name__ = what  # some releases of Typer show it in the help
    return read


def _find_reader(kind: Kind) -> Callable[[Any], Any] | None:
    """Return what reads the text of an option; None if Typer does."""
    if isinstance(kind, PathKind):
        return _make_reader("path", Path)
    if kind.matches(0.5):
        return _make_reader("number", float)
    if kind.matches(0):
        return _make_reader("whole number", int)
    return None
