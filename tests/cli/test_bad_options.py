"""Wrong values of every option of every command: one sentence, an exit code, and no result."""

import sys
from zlib import crc32

import numpy as np
import pytest
from cli.bad_options import (
    CALLS,
    COMMANDS,
    FAILED,
    BadOption,
    describe_counts,
    list_bad_options,
    make_files,
)
from tiers import tiered
from toy_experiments import experiment

import regmdp as rm
from regmdp.cli import main
from regmdp.cli.declarations import kind_of
from regmdp.reproduce import experiments

#: The quick tier tests one wrong value of so many.
ONE_IN = 12


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder with a model, a policy and a solution, and experiments that take no time."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.setattr(experiments, "EXPERIMENTS", (experiment("one"),))
    make_files()
    return tmp_path


@pytest.fixture
def run(folder, monkeypatch, capsys):
    """Run the program in the folder: its exit code, its output and its errors."""

    def invoke(*words):
        monkeypatch.setattr(sys, "argv", ["regmdp", *words])
        with pytest.raises(SystemExit) as ended:
            main()
        return ended.value.code or 0, *capsys.readouterr()

    return invoke


def test_every_command_has_a_call():
    assert COMMANDS.keys() == CALLS.keys()


def test_every_option_declares_what_it_may_be():
    flags = {
        parameter.opts[0]
        for command in COMMANDS.values()
        for parameter in command.params
        if kind_of(parameter) is None
    }
    assert flags == {"--goal-rewards", "--minimize", "--normalize", "--quick", "--resume"}


@pytest.mark.parametrize("command", sorted(set(COMMANDS) - {"train"}))
def test_the_calls_end_well(command, run):
    code, _, err = run(command, *CALLS[command])
    assert code == 0, err


@pytest.mark.parametrize("command", COMMANDS)
def test_the_help_lists_every_option(command, run):
    code, out, err = run(command, "--help")
    assert (code, err) == (0, "")
    for parameter in COMMANDS[command].params:
        assert (parameter.opts[0] if parameter.opts else parameter.name) in out
    assert all(command in run("--help")[1] for command in COMMANDS)


@pytest.mark.parametrize(
    "words",
    [["--no-such-option"], ["--version=3"], ["no-such-command"], ["--help=3"], ["-z"], [""]],
)
def test_wrong_options_of_the_program_get_one_sentence(words, run):
    code, out, err = run(*words)
    assert (code, out) == (2, "")
    assert err.startswith("error: ")
    assert len(err.splitlines()) == 1


@pytest.mark.parametrize("command", COMMANDS)
def test_wrong_values_get_one_sentence(command, run, folder):
    _require_sentences(filter(_is_quick, list_bad_options(command)), run, folder)


@pytest.mark.slow
@pytest.mark.parametrize("command", tiered(COMMANDS, 0))
def test_all_wrong_values_get_one_sentence(command, run, folder):
    _require_sentences(list_bad_options(command), run, folder)


def _is_quick(one: BadOption):
    early = one.code == 2 or one.command != "train"  # before JAX is imported
    return early and crc32(repr(one).encode()) % ONE_IN == 0


def _require_sentences(cases, run, folder):
    before = sorted(folder.rglob("*"))
    problems = []
    for one in cases:
        try:
            code, out, err = run(one.command, *one.words)
        except Exception as error:
            problems.append(f"{_show(one)}: {type(error).__name__}: {error}")
            continue
        new = [path for path in sorted(folder.rglob("*")) if path not in before]
        if one.code is None and code in (0, 3):
            _remove(new)
            continue
        wrong = _describe_problem(one, code, out, err)
        wrong += [f"it wrote {', '.join(map(str, new))}"] if new else []
        _remove(new)
        problems += [f"{_show(one)}: {', '.join(wrong)}: {err}"] if wrong else []
    assert not problems, "\n".join(["", *problems])


def _remove(paths):
    for path in reversed(paths):
        if path.is_dir():
            path.rmdir()
        else:
            path.unlink()


def _show(one: BadOption):
    return " ".join(["regmdp", one.command, *(repr(word)[:60] for word in one.words)])


def _describe_problem(one: BadOption, code, out, err):
    """Return what is wrong with the answer to a wrong value."""
    wrong = []
    if code != (one.code or FAILED):
        wrong.append(f"exit code {code}, not {one.code or FAILED}")
    if out:
        wrong.append(f"output {out!r}")
    if not err.startswith("error: ") or len(err.splitlines()) != 1 or "Traceback" in err:
        wrong.append("not one sentence")
    if "\x1b[31mb" in err:
        wrong.append("the value's colours")
    return wrong


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--steps=-5"], "--steps must be an integer, 0 or more, not -5"),
        (["--steps", "9" * 30], "--steps must be an integer of 64 bits"),
        (["--episodes", "0"], "--episodes must be an integer, 1 or more, not 0"),
        (["--steps", "2.5"], "invalid value for '--steps': '2.5' is not a whole number; see"),
        (["--output="], "it is empty; see"),
    ],
)
def test_options_are_checked_before_the_work(words, message, run):
    assert message in run("train", "CartPole-v1", *words)[2]


def test_counts():
    print(describe_counts())  # noqa: T201
    parameters = sum(len(command.params) for command in COMMANDS.values())
    assert sum(len(list_bad_options(command)) for command in COMMANDS) > 10 * parameters


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
def test_labels_are_shown_as_text(label, shown, run, monkeypatch):
    model = rm.MDP(np.eye(1)[None], [[1.0]], 0.9, state_labels=[label])
    rm.io.save_model(model, "model.npz")
    monkeypatch.setenv("COLUMNS", "250")
    code, out, _ = run("solve", "model.npz")
    assert code == 0
    assert shown in out


def test_file_names_are_shown_as_text(run):
    err = run("solve", "[/x]\x1b[31m[bold]\n.npz")[2]
    assert r"there is no file [/x]\x1b[31m[bold]" in err
