"""Bad values of every option and argument of every command: a message and an exit code."""

import sys
from zlib import crc32

import numpy as np
import pytest
import typer
from tiers import tiered

import regmdp as rm
from regmdp.cli import app, main

COMMANDS = typer.main.get_command(app).commands
#: Values that no option takes, or that options which take a text handle as such.
BAD = ("nan", "-5", "2.5", "1e400", "9" * 30, "", "[/x]", "[link=http://x]a[/link]", "a\x1b[31mb")
BAD += ("no/such/folder/file", "=", "é", "inf", "-1e-3", "None")
#: A call of each command that ends well, in a folder with the files that it reads.
CALLS = {
    "solve": ["chain", "--regularizer", "shannon", "--temperature", "0.1"],
    "certify": ["chain", "policy.npy"],
    "show": ["solution.npz"],
    "models": [],
    "convert": ["chain", "out.npz"],
    "frontier": ["chain"],
    "reproduce": ["--list"],
    "train": ["CartPole-v1", "--steps", "0", "--episodes", "1", "--algorithm", "a2c"],
}
#: Parameters that take these values: files that are written, and positive numbers.
ACCEPTED = {
    "output": BAD,
    "log": BAD,
    "curve": BAD,
    "tensorboard": BAD,
    **dict.fromkeys(("temperature", "tol", "absolute_tol"), ("2.5", "9" * 30)),
    "seed": ("9" * 30,),
}
#: The quick tier tests one case of so many.
ONE_IN = 12


def list_cases():
    """Return (command, name of the parameter, bad value)."""
    return [
        (command, parameter.name, value)
        for command, declared in COMMANDS.items()
        for parameter in declared.params
        if parameter.name != "help" and not getattr(parameter, "is_flag", False)
        for value in BAD
    ]


def _is_quick(case):
    return case[0] != "train" and crc32(repr(case).encode()) % ONE_IN == 0


def test_every_command_has_a_call():
    assert COMMANDS.keys() == CALLS.keys()


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder with a model, a policy and a solution."""
    monkeypatch.chdir(tmp_path)
    solution = rm.solve(rm.models.chain())
    np.save("policy.npy", solution.policy)
    solution.save("solution.npz")
    return tmp_path


def _arguments(command, name, value):
    """Return the arguments of the valid call, with one replaced or added."""
    arguments = list(CALLS[command])
    parameters = [p for p in COMMANDS[command].params if p.param_type_name == "argument"]
    for place, parameter in enumerate(parameters):
        if parameter.name == name:
            return [*arguments[:place], value, *arguments[place + 1 :]]
    option = next(p for p in COMMANDS[command].params if p.name == name).opts[0]
    if option in arguments:
        place = arguments.index(option)
        return [*arguments[: place + 1], value, *arguments[place + 2 :]]
    return [*arguments, option, value]


@pytest.mark.parametrize(("command", "name", "value"), tiered(list_cases(), _is_quick))
def test_bad_values_get_a_message(command, name, value, folder, monkeypatch, capsys):
    arguments = _arguments(command, name, value)
    monkeypatch.setattr(sys, "argv", ["regmdp", command, *arguments])
    with pytest.raises(SystemExit) as exit_:
        main()
    out, err = capsys.readouterr()
    assert "\x1b[31mb" not in out + err  # colours of the text, which would be shown as such
    if exit_.value.code in (1, 2):
        assert err.strip()
    else:
        assert not exit_.value.code
        assert value in ACCEPTED[name]


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        ("--steps", "-5", "--steps must be an integer, 0 or more, not -5"),
        ("--steps", "9" * 30, "--steps must be an integer of 64 bits"),
        ("--episodes", "0", "--episodes must be an integer, 1 or more, not 0"),
    ],
)
def test_numbers_of_steps_and_episodes_are_checked_first(
    option, value, message, folder, monkeypatch, capsys
):
    monkeypatch.setattr(sys, "argv", ["regmdp", "train", "CartPole-v1", option, value])
    with pytest.raises(SystemExit) as exit_:
        main()
    assert exit_.value.code == 1
    assert message in capsys.readouterr().err


def test_counts():
    parameters = {(command, name) for command, name, _ in list_cases()}
    print(f"{len(COMMANDS)} commands, {len(parameters)} parameters, {len(list_cases())} values")  # noqa: T201
    assert len(parameters) > 5 * len(COMMANDS)


@pytest.mark.parametrize(
    ("label", "shown"),
    [
        ("[/x]", "([/x])"),
        ("[link=http://x]a[/link]", "([link=http://x]a[/link])"),
        (":bug:", "(:bug:)"),
        ("a\nstatus converged", r"(a\nstatus converged)"),
        ("a\x1b]8;;http://x\x1b\\", r"(a\x1b]8;;http://x\x1b\)"),
    ],
)
def test_labels_are_shown_as_text(label, shown, folder, monkeypatch, capsys):
    model = rm.MDP(np.eye(1)[None], [[1.0]], 0.9, state_labels=[label])
    rm.io.save_model(model, "model.npz")
    monkeypatch.setenv("COLUMNS", "250")
    monkeypatch.setattr(sys, "argv", ["regmdp", "solve", "model.npz"])
    with pytest.raises(SystemExit) as exit_:
        main()
    assert not exit_.value.code
    assert shown in capsys.readouterr().out


def test_file_names_are_shown_as_text(folder, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["regmdp", "solve", "[/x]\x1b[31m[bold]\n.npz"])
    with pytest.raises(SystemExit):
        main()
    assert r"there is no file [/x]\x1b[31m[bold]" in capsys.readouterr().err
