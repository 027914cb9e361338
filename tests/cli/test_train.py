"""``regmdp train`` from a user's side."""

import json
import re
import signal
import sys

import numpy as np
import pytest
from tiers import tiered

import regmdp as rm
from regmdp.cli import main
from regmdp.deep import A2C, OnPolicyMDPO


@pytest.fixture
def run(monkeypatch, capsys, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setenv("NO_COLOR", "1")

    def invoke(*arguments):
        monkeypatch.setattr(sys, "argv", ["regmdp", "train", *map(str, arguments)])
        with pytest.raises(SystemExit) as exit_info:
            main()
        return exit_info.value.code or 0, *capsys.readouterr()

    return invoke


@pytest.mark.slow
def test_it_learns_evaluates_saves_logs_and_plots(run, tmp_path):
    options = (
        "--algorithm",
        "a2c",
        "--regularizer",
        "tsallis:q=1.5",
        "--temperature",
        "0.05",
        "--episodes",
        "3",
    )
    code, out, err = run(
        "CartPole-v1",
        *options,
        "--steps",
        "400",
        "-o",
        "first.npz",
        "--log",
        "log.jsonl",
        "--curve",
        "curve.svg",
    )
    assert code == 0, err
    assert "Tsallis(q=1.5, temperature=0.05)" in out
    assert "greedy" in out
    assert "sampled" in out
    assert "400 steps" in err
    lines = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert [line["steps"] for line in lines] == list(range(40, 401, 40))
    assert (tmp_path / "curve.svg").read_text().startswith("<svg")
    learner = A2C.load(tmp_path / "first.npz")
    assert learner.steps == 400

    code, out, err = run(
        "CartPole-v1",
        "--algorithm",
        "a2c",
        "--resume",
        "first.npz",
        "--steps",
        "400",
        "-o",
        "second.npz",
    )
    assert code == 0, err
    assert A2C.load(tmp_path / "second.npz").steps == 800
    resumed = A2C.load(tmp_path / "second.npz").policy(np.zeros((1, 4)))
    np.testing.assert_array_equal(learner.learn(400).policy(np.zeros((1, 4))), resumed)


def test_a_run_goes_on_from_its_file_as_if_nothing_had_happened(run, tmp_path, monkeypatch):
    monkeypatch.setattr("regmdp.cli.train.CHECKPOINT_STEPS", 80)
    command = ("CartPole-v1", "--algorithm", "a2c", "--episodes", "1", "--until")
    assert run(*command, "160", "-o", "whole.npz")[0] == 0
    assert run(*command, "80", "-o", "part.npz", "--log", "log.jsonl")[0] == 0
    with open(tmp_path / "log.jsonl", "a") as log:
        log.write('{"steps": 1')  # half a line, of a run that was killed
    again = ("--resume", "part.npz", "-o", "part.npz", "--log", "log.jsonl")
    code, out, err = run(*command, "160", *again)
    assert code == 0, err
    assert "steps before  80" in out
    whole, part = np.load(tmp_path / "whole.npz"), np.load(tmp_path / "part.npz")
    assert whole.files == part.files
    for name in whole.files:
        np.testing.assert_array_equal(whole[name], part[name])
    lines = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert [line["steps"] for line in lines] == [40, 80, 120, 160]
    # nothing is left to do, and the learner is saved where it was asked for
    code, _, err = run(*command, "160", "--resume", "part.npz", "-o", "third.npz")
    assert code == 0, err
    assert A2C.load(tmp_path / "third.npz").steps == 160


def test_a_log_that_is_no_log_is_kept(run, tmp_path):
    (tmp_path / "notes.txt").write_text("a line\nthe last one")
    command = ("CartPole-v1", "--algorithm", "a2c", "--episodes", "1", "--steps", "40")
    assert run(*command, "--log", "notes.txt")[0] == 0
    assert (tmp_path / "notes.txt").read_text().startswith("a line\nthe last one\n{")


def test_seconds_count_from_the_start_of_the_command(run, tmp_path):
    code, _, err = run("CartPole-v1", "--steps", "12000", "--episodes", "1", "--log", "log.jsonl")
    assert code == 0, err
    seconds = [
        json.loads(line)["seconds"] for line in (tmp_path / "log.jsonl").read_text().splitlines()
    ]
    assert seconds == sorted(seconds)


def test_it_writes_for_tensorboard_and_normalises(run, tmp_path):
    options = (
        "--algorithm",
        "on-policy-mdpo",
        "--normalize",
        "--episodes",
        "1",
        "--steps",
        "1000",
        "--tensorboard",
        "board",
    )
    code, out, err = run("CartPole-v1", *options)
    assert code == 0, err
    assert "on-policy mirror descent policy optimization" in out
    (events,) = (tmp_path / "board").iterdir()
    assert b"critic_error" in events.read_bytes()
    assert OnPolicyMDPO.load(tmp_path / "CartPole-v1-on-policy-mdpo.npz").normalize


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ("CartPole-v1", "--algorithm", "sac", "--normalize"),
            "--normalize is for on-policy methods",
        ),
        (("CartPole-v1", "--temperature", "0.1"), "--regularizer and --temperature go together"),
        (
            ("CartPole-v1", "--regularizer", "shannon"),
            "--regularizer and --temperature go together",
        ),
        (("CartPole-v1", "--steps", "1", "--until", "1"), "--steps and --until exclude each other"),
        (("CartPole-v1", "--until", "-1"), "--until must be an integer, 0 or more"),
        (("CartPole-v1", "-o", "nowhere/x.npz"), "there is no folder nowhere"),
        (("Pendulum-v1", "--algorithm", "gpmd", "--steps", "10"), "is for discrete actions"),
        (
            ("Pendulum-v1", "--regularizer", "renyi:alpha=0.5", "--temperature", "1"),
            "Renyi has no closed form",
        ),
        (("NoSuchThing-v0",), "NoSuchThing"),
    ],
)
def test_errors_are_one_line(run, arguments, message):
    code, out, err = run(*arguments)
    assert code == 1
    assert err.startswith("error: ")
    assert message in err
    assert "Traceback" not in out + err


@pytest.mark.parametrize(
    ("option", "nearest"), [("--gamma", "--discount"), ("--tau=0.1", "--temperature")]
)
def test_unknown_option_names_the_nearest_one(run, option, nearest):
    code, _, err = run("CartPole-v1", option, "0.9")
    assert code == 2
    assert f"unknown option {option.partition('=')[0]}; did you mean {nearest}" in err


def interrupt_after(monkeypatch, kind, iterations):
    """Press Ctrl-C in an iteration, counted from now; return what undoes it."""
    iterate, count = kind._iterate, []

    def interrupt(self):
        count.append(1)
        measures = iterate(self)
        if len(count) == iterations:  # its random numbers are drawn
            signal.raise_signal(signal.SIGINT)
        return measures

    monkeypatch.setattr(kind, "_iterate", interrupt)


@pytest.mark.parametrize("algorithm", tiered(["a2c", "sac", "trpo"], ["a2c"]))
def test_an_interrupted_run_goes_on_as_if_nothing_had_happened(
    run, tmp_path, monkeypatch, algorithm
):
    kind = getattr(rm.deep, algorithm.upper())
    iteration = {"a2c": 40, "sac": 8, "trpo": 2048}[algorithm]
    chunk, end = 2 * iteration, 6 * iteration
    monkeypatch.setattr("regmdp.cli.train.CHECKPOINT_STEPS", chunk)
    command = ("CartPole-v1", "--algorithm", algorithm, "--episodes", "1", "--until", str(end))
    assert run(*command, "-o", "whole.npz", "--log", "whole.jsonl")[0] == 0
    rng, code, resume = np.random.default_rng(0), 130, []
    for attempt in range(20):
        with monkeypatch.context() as context:
            if attempt < 6:  # the first two in the first chunk
                interrupt_after(context, kind, int(rng.integers(1, 3 if attempt < 2 else 5)))
            code, out, err = run(*command, *resume, "-o", "part.npz", "--log", "part.jsonl")
        assert code in (0, 130), err
        resume = ["--resume", "part.npz"]
        saved = kind.load(tmp_path / "part.npz", env="CartPole-v1").steps
        assert saved % chunk == 0
        assert re.search(rf"^steps +{saved:,} *$", out, re.MULTILINE)
        if attempt == 0:
            assert (code, saved) == (130, 0)
        if code == 0:
            break
    assert code == 0
    whole, part = np.load(tmp_path / "whole.npz"), np.load(tmp_path / "part.npz")
    assert whole.files == part.files
    for name in whole.files:
        np.testing.assert_array_equal(whole[name], part[name], err_msg=name)
    logs = [
        [{**json.loads(line), "seconds": 0} for line in (tmp_path / name).read_text().splitlines()]
        for name in ("whole.jsonl", "part.jsonl")
    ]
    assert logs[0] == logs[1]


def test_an_interrupted_run_that_was_resumed_keeps_its_file_elsewhere(run, tmp_path, monkeypatch):
    command = ("CartPole-v1", "--algorithm", "a2c", "--episodes", "1")
    assert run(*command, "--steps", "80", "-o", "first.npz")[0] == 0
    interrupt_after(monkeypatch, A2C, 2)
    code, out, _ = run(*command, "--resume", "first.npz", "-o", "second.npz")
    assert code == 130
    assert "second.npz" in out
    assert (tmp_path / "second.npz").read_bytes() == (tmp_path / "first.npz").read_bytes()
