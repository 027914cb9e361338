"""Several experiments in sequence: finished ones are kept, missing ones are run."""

import os
import re
import signal
import subprocess
import sys

import pytest
from toy_experiments import RecordingDisplay, experiment

import regmdp as rm
from regmdp.reproduce.records import Record
from regmdp.reproduce.running import reproduce


def interrupting(settings, progress):
    progress(0.5, "half of it")
    raise KeyboardInterrupt


def failing(settings, progress):
    raise ZeroDivisionError("a bug")


def shown(output):
    """Names of the experiments in the report, in order."""
    return re.findall(
        r'<section class="experiment" id="([^"]*)"', (output / "report.html").read_text("utf-8")
    )


def test_experiments_are_run_recorded_and_reported(tmp_path):
    toys = [experiment("one"), experiment("two", passed=False)]
    display = RecordingDisplay()
    outcome = reproduce(toys, toys, tmp_path / "out", display)
    assert display.calls == [
        ("started", "one"),
        ("finished", "one"),
        ("started", "two"),
        ("finished", "two"),
    ]
    assert outcome.report == tmp_path / "out" / "report.html"
    assert shown(tmp_path / "out") == ["one", "two"]
    assert not outcome.all_passed
    assert not outcome.interrupted
    assert outcome.records == {
        name: Record.load(tmp_path / "out" / name) for name in ("one", "two")
    }
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "one",
        "report.html",
        "two",
    ]


def test_interrupts_keep_finished_experiments(tmp_path):
    toys = [experiment("one"), experiment("two", interrupting), experiment("three")]
    display = RecordingDisplay()
    outcome = reproduce(toys, toys, tmp_path, display)
    assert outcome.interrupted
    assert list(outcome.records) == ["one"]
    assert display.calls == [("started", "one"), ("finished", "one"), ("started", "two")]
    assert shown(tmp_path) == ["one"]
    assert "2 experiments of this run are not in this report yet" in (
        tmp_path / "report.html"
    ).read_text("utf-8")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["one", "report.html"]


def test_early_interrupts_leave_no_report(tmp_path):
    toys = [experiment("one", interrupting)]
    outcome = reproduce(toys, toys, tmp_path, RecordingDisplay())
    assert (outcome.interrupted, outcome.report, outcome.records) == (True, None, {})
    assert list(tmp_path.iterdir()) == []


def test_resume_runs_missing_experiments_only(tmp_path):
    reproduce(
        [experiment("one"), experiment("two", interrupting)], [], tmp_path, RecordingDisplay()
    )
    date = Record.load(tmp_path / "one").date
    display = RecordingDisplay()
    toys = [experiment("one", failing), experiment("two")]
    outcome = reproduce(toys, toys, tmp_path, display, resume=True)
    assert display.calls == [("resumed", "one"), ("started", "two"), ("finished", "two")]
    assert outcome.records["one"].date == date
    assert shown(tmp_path) == ["one", "two"]


def test_without_resume_all_experiments_run_again(tmp_path):
    toys = [experiment("one")]
    reproduce(toys, toys, tmp_path, RecordingDisplay())
    display = RecordingDisplay()
    reproduce(toys, toys, tmp_path, display)
    assert display.calls == [("started", "one"), ("finished", "one")]


def test_other_settings_are_not_resumed(tmp_path):
    toys = [experiment("one")]
    reproduce(toys, toys, tmp_path, RecordingDisplay(), quick=True)
    display = RecordingDisplay()
    outcome = reproduce(toys, toys, tmp_path, display, resume=True)
    assert display.calls == [("started", "one"), ("finished", "one")]
    assert not outcome.records["one"].quick


def test_a_damaged_record_is_not_resumed(tmp_path):
    toys = [experiment("one")]
    reproduce(toys, toys, tmp_path, RecordingDisplay())
    (tmp_path / "one" / "curve.svg").unlink()
    display = RecordingDisplay()
    reproduce(toys, toys, tmp_path, display, resume=True)
    assert display.calls == [("started", "one"), ("finished", "one")]


def test_report_includes_other_experiments_in_the_folder(tmp_path):
    known = [experiment("one"), experiment("two"), experiment("three")]
    reproduce([known[2]], known, tmp_path, RecordingDisplay())
    reproduce([known[0]], known, tmp_path, RecordingDisplay())
    assert shown(tmp_path) == ["one", "three"]
    # selected experiments are not shown from earlier runs
    reproduce([known[0], experiment("three", interrupting)], known, tmp_path, RecordingDisplay())
    assert shown(tmp_path) == ["one"]


def test_errors_keep_finished_experiments(tmp_path):
    with pytest.raises(ZeroDivisionError):
        reproduce([experiment("one"), experiment("two", failing)], [], tmp_path, RecordingDisplay())
    assert shown(tmp_path) == ["one"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["one", "report.html"]


def test_other_folders_are_detected_before_computing(tmp_path):
    (tmp_path / "two").mkdir()
    (tmp_path / "two" / "thesis.tex").write_text("years of work")
    display = RecordingDisplay()
    with pytest.raises(FileExistsError):
        reproduce([experiment("one"), experiment("two")], [], tmp_path, display)
    assert display.calls == []


@pytest.mark.parametrize("package", ["matplotlib", "mpltern", "jinja2"])
def test_missing_extras_are_detected_before_computing(package, tmp_path):
    code = f"""
import sys
sys.modules[{package!r}] = None
from pathlib import Path
from toy_experiments import RecordingDisplay, experiment
from regmdp.reproduce.running import reproduce
reproduce([experiment("one")], [], Path({str(tmp_path)!r}), RecordingDisplay())
"""
    path = os.pathsep.join([os.path.dirname(os.path.dirname(__file__)), *sys.path])
    ended = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (
        f"this needs the package '{package}'; install it with: python -m pip install "
        "'regmdp[plots]'"
    ) in ended.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGINT to send")
def test_results_of_interrupted_solves_are_discarded(tmp_path):
    # the solver handles the interrupt and returns its current result
    statuses = []

    def solving(settings, progress):
        def stop(event):
            if event.iteration == 3:
                os.kill(os.getpid(), signal.SIGINT)

        mdp = rm.models.chain()
        solution = rm.solve(
            mdp,
            algorithm=rm.algorithms.ValueIteration(),
            tol=0,
            max_iterations=50,
            callback=stop,
        )
        statuses.append(solution.status)
        return experiment("two").run(settings, progress)

    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        outcome = reproduce(
            [experiment("one"), experiment("two", solving)], [], tmp_path, RecordingDisplay()
        )
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    finally:
        signal.signal(signal.SIGINT, before)
    assert statuses == [rm.Status.INTERRUPTED]
    assert outcome.interrupted
    assert list(outcome.records) == ["one"]
    assert not (tmp_path / "two").exists()
