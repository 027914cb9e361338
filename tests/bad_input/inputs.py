"""The bad inputs of every public callable, and how many there are.

``python tests/bad_input/inputs.py`` prints the counts and what is not covered. The files that
valid calls need are written into the current folder; the script itself leaves none.
"""

import contextlib
import inspect
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[1]))

from bad_input.bad_values import bad_values
from bad_input.environment_calls import close_writers
from bad_input.exempt import why_exempt
from bad_input.hand_checked import why_hand_checked
from bad_input.surface import find, public_callables
from bad_input.valid_calls import CALLS

from regmdp._internal.kinds import Kind

__all__ = ["BadInput", "declarations_of", "describe_counts", "list_inputs", "list_uncovered"]


class BadInput(NamedTuple):
    """One argument replaced by a bad value."""

    parameter: str
    label: str
    value: object


def list_inputs(name: str) -> Iterator[BadInput]:
    """Return the bad inputs of a callable."""
    good, declarations = CALLS[name](), declarations_of(name)
    for parameter in inspect.signature(find(name)).parameters.values():
        if parameter.name in good and parameter.name != "self":
            for label, value in bad_values(
                parameter, good[parameter.name], declarations.get(parameter.name)
            ):
                yield BadInput(parameter.name, label, value)


def declarations_of(name: str) -> dict[str, Kind]:
    """Return what a callable declares of its parameters."""
    function = find(name)
    if inspect.isclass(function) and not hasattr(function, "declarations"):
        function = function.__init__
    return dict(getattr(function, "declarations", {}))


def list_uncovered() -> list[str]:
    """Return the public callables that have neither a valid call nor a reason to have none."""
    covered = {name.partition("#")[0] for name in CALLS}
    return [name for name in public_callables() if name not in covered and why_exempt(name) is None]


def list_parameters() -> list[tuple[str, str]]:
    """Return the callables and their parameters that have bad inputs."""
    pairs = {
        (name.partition("#")[0], one.parameter): None for name in CALLS for one in list_inputs(name)
    }
    return list(pairs)


def list_unexplained() -> list[str]:
    """Return the parameters that have neither a declaration nor a reason to have none."""
    return [
        f"{name} {parameter} has no declaration"
        for name, parameter in list_parameters()
        if parameter not in declarations_of(name) and why_hand_checked(name, parameter) is None
    ]


def describe_counts() -> str:
    """Return the numbers of callables, of their parameters and of the bad inputs."""
    parameters = list_parameters()
    declared = sum(parameter in declarations_of(name) for name, parameter in parameters)
    tested = {name.partition("#")[0] for name in CALLS}
    exempt = [name for name in public_callables() if name not in tested and why_exempt(name)]
    return (
        f"{len(public_callables())} public callables with parameters: {len(tested)} tested, "
        f"{len(exempt)} exempt, {len(list_uncovered())} uncovered; "
        f"{len(parameters)} parameters: {declared} declared, {len(parameters) - declared} checked "
        f"by hand, {len(list_unexplained())} of them without a reason; "
        f"{sum(len(list(list_inputs(name))) for name in CALLS)} inputs"
    )


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        print("\n".join([describe_counts(), *list_uncovered(), *list_unexplained()]))  # noqa: T201
        close_writers()
