"""``regmdp reproduce`` from the user's point of view."""

import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
from toy_experiments import SettingsWithoutSeed, experiment
from typer.testing import CliRunner

import regmdp as rm
from regmdp.cli import app
from regmdp.reproduce import experiments
from regmdp.reproduce.records import Record

OK, FAILED, CHECK_FAILED, INTERRUPTED = 0, 1, 3, 130

TOYS = (experiment("one"), experiment("two", passed=False), experiment("three"))


@pytest.fixture
def run(monkeypatch, tmp_path):
    """Run the command in an empty folder, with toy experiments."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(experiments, "EXPERIMENTS", TOYS)

    def invoke(*arguments):
        return CliRunner().invoke(
            app, ["reproduce", *map(str, arguments)], env={"COLUMNS": "200", "NO_COLOR": "1"}
        )

    return invoke


def test_without_a_name_the_experiments_are_listed(run, tmp_path):
    ended = run()
    assert ended.exit_code == OK
    for one in TOYS:
        assert f"What {one.name} & co show." in ended.stdout
    assert "regmdp reproduce all" in ended.stdout
    assert list(tmp_path.iterdir()) == []


def test_all_real_experiments_are_listed():
    ended = CliRunner().invoke(app, ["reproduce"], env={"COLUMNS": "250"})
    for one in experiments.EXPERIMENTS:
        assert any(line.startswith(f"{one.name} ") for line in ended.stdout.splitlines())


def test_one_is_run_and_reported(run, tmp_path):
    ended = run("one")
    assert ended.exit_code == OK
    assert ended.stdout.startswith("one  2 of 2 checks passed")
    assert "checks  2 of 2 passed" in ended.stdout
    assert f"report  {Path('regmdp-report/report.html')}" in ended.stdout
    assert [path.name for path in tmp_path.iterdir()] == ["regmdp-report"]
    assert not Record.load(tmp_path / "regmdp-report" / "one").quick
    # progress is not part of the output
    assert "(1 of 1)" in ended.stderr
    assert "(1 of 1)" not in ended.stdout


def test_failed_checks_are_shown_and_set_the_exit_code(run):
    ended = run("all", "--quick", "--output", "here")
    assert ended.exit_code == CHECK_FAILED
    assert "two  1 of 2 checks passed" in ended.stdout
    assert "  failed: it <passed>: False, expected True" in ended.stdout
    assert "checks  5 of 6 passed" in ended.stdout
    assert all(Record.load(Path("here") / one.name).quick for one in TOYS)


def test_resume_shows_earlier_experiments(run):
    run("one", "-o", "here")
    ended = run("three", "one", "-o", "here", "--resume")
    assert ended.exit_code == OK
    assert "one  2 of 2 checks passed, from an earlier run" in ended.stdout
    assert ended.stdout.index("one") < ended.stdout.index("three")
    assert "one (" not in ended.stderr
    assert "three (2 of 2)" in ended.stderr


def test_the_gallery_is_written_on_demand(run, tmp_path):
    (tmp_path / "docs").mkdir()
    ended = run("one", "three", "--gallery", "docs/gallery.md")
    assert ended.exit_code == OK
    assert "gallery  docs/gallery.md" in ended.stdout
    assert (tmp_path / "docs" / "gallery.md").is_file()
    assert sorted(path.name for path in (tmp_path / "docs" / "gallery").iterdir()) == [
        "one-curve.svg",
        "three-curve.svg",
    ]


def test_gallery_without_a_folder_is_refused_before_running(run, tmp_path):
    ended = run("one", "--gallery", "nowhere/gallery.md")
    assert isinstance(ended.exception, FileNotFoundError)
    assert "no folder nowhere" in str(ended.exception)
    assert list(tmp_path.iterdir()) == []


def test_settings_and_the_seed_are_changed(run):
    ended = run("one", "--quick", "--set", "size=4", "--set", "scales=2,1", "--seed", 9, "-o", "x")
    assert ended.exit_code == OK, ended.output
    assert "  setting size = 4 (full run: 5)\n" in ended.stdout
    assert "  setting scales = 2.0,1.0 (full run: 1.0,0.1)\n" in ended.stdout
    record = Record.load(Path("x") / "one")
    assert record.settings == {"size": 4, "scales": [2.0, 1.0], "seed": 9}
    assert record.quick
    assert record.command == (
        "regmdp reproduce one --quick --set size=4 --set scales=2.0,1.0 --seed 9"
    )
    page = (Path("x") / "report.html").read_text("utf-8")
    assert page.count("<strong>Changed settings.</strong>") == 2  # at the top and in the chapter
    assert page.count("size = 4</span> (full run: 5)") == 2
    again = run(*record.command.split()[2:], "-o", "y")
    assert again.exit_code == OK
    assert Record.load(Path("y") / "one").settings == record.settings


def test_without_changes_no_setting_is_mentioned(run):
    ended = run("one", "-o", "x")
    assert "setting" not in ended.stdout
    page = (Path("x") / "report.html").read_text("utf-8")
    assert "full run" not in page
    assert Record.load(Path("x") / "one").changes == ()


def test_settings_of_several_experiments(run):
    ended = run("all", "--seed", 5, "-o", "x")
    assert ended.exit_code == CHECK_FAILED
    assert all(Record.load(Path("x") / one.name).settings["seed"] == 5 for one in TOYS)


def test_resuming_keeps_runs_with_the_same_settings_only(run):
    run("one", "--set", "size=4", "-o", "x")
    same = run("one", "--set", "size=4", "-o", "x", "--resume")
    assert "from an earlier run" in same.stdout
    for changes in ([], ["--set", "size=3"], ["--set", "size=4", "--seed", "7"]):
        run("one", "--set", "size=4", "-o", "x")
        other = run("one", *changes, "-o", "x", "--resume")
        assert "from an earlier run" not in other.stdout, changes
        expected = TOYS[0].settings(False, dict([change.split("=") for change in changes[1:2]]))
        assert Record.load(Path("x") / "one").settings["size"] == expected["size"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["one", "--set", "sizes=3"], "has no setting 'sizes'; did you mean 'size'? Its settings "),
        (["one", "--set", "size=x"], "experiment 'one': size must be an integer in [1, 100], not"),
        (["one", "--set", "size"], "--set takes name=value, not 'size'"),
        (["one", "--set", "=3"], "--set takes name=value, not '=3'"),
        (["one", "--set", "size=3", "--set", "size=4"], "size is set 2 times; set it once"),
        (["one", "--set", "seed=3", "--seed", "4"], "seed is set 2 times; set it once"),
        (["still", "--seed", "4"], "experiment 'still' draws no random numbers, so it takes no"),
        (
            ["one", "still", "--seed", "4"],
            "'seed' cannot be set for all selected experiments: 1 of 2 draw no random numbers: "
            "still; run them separately",
        ),
        (
            ["all", "--set", "scales=1"],
            "'scales' cannot be set for all selected experiments: 1 of 4 have no setting 'scales': "
            "still; run them separately",
        ),
        (["one", "three", "--set", "size=0"], "experiment 'one': size must be an integer"),
    ],
)
def test_wrong_settings_are_refused_before_running(run, monkeypatch, tmp_path, arguments, message):
    still = replace(TOYS[0], name="still", full=SettingsWithoutSeed(), quick=SettingsWithoutSeed(3))
    monkeypatch.setattr(experiments, "EXPERIMENTS", (*TOYS, still))
    ended = run(*arguments)
    assert isinstance(ended.exception, rm.RegmdpError)
    assert message in str(ended.exception)
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_name_is_refused(monkeypatch, capsys, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["regmdp", "reproduce", "bandit", "scalling"])
    from regmdp.cli import main

    with pytest.raises(SystemExit) as ended:
        main()
    out, err = capsys.readouterr()
    assert ended.value.code == FAILED
    assert out == ""
    assert err.startswith(
        "error: there is no experiment named 'scalling'; did you mean scaling? The experiments are "
        "bandit, "
    )
    assert len(err.splitlines()) == 1
    assert list(tmp_path.iterdir()) == []


def test_missing_extras_show_the_install_command(tmp_path):
    code = "import sys; sys.modules['mpltern'] = None; from regmdp.cli import main; main()"
    ended = subprocess.run(
        [sys.executable, "-c", code, "reproduce", "bandit"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == FAILED
    assert ended.stderr == (
        "error: this needs the package 'mpltern'; install it with: python -m pip install "
        "'regmdp[plots]'\n"
    )
    assert list(tmp_path.iterdir()) == []


# a run that is interrupted during a solve
PROGRAM = """
import signal; signal.signal(signal.SIGINT, signal.default_int_handler)
import regmdp as rm
from regmdp.reproduce import experiments
from regmdp.cli import main
from toy_experiments import experiment, result

def report_solving(event):
    if event.iteration == 100:
        print("solving", flush=True)

def long(settings, progress):
    rm.solve(rm.models.chain(), algorithm=rm.algorithms.ValueIteration(), tol=0,
             max_iterations=10**9, callback=report_solving)
    return result(settings)

experiments.EXPERIMENTS = (experiment("one"), experiment("two", {run}), experiment("three"))
main()
"""


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGINT to send")
def test_interrupts_keep_finished_experiments_and_resume_continues(tmp_path):
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(Path(__file__).resolve().parents[1]), *sys.path]),
        "COLUMNS": "200",
    }

    def start(run):
        return subprocess.Popen(
            [
                sys.executable,
                "-c",
                PROGRAM.format(run=run),
                "reproduce",
                "all",
                "-o",
                "out",
                "--resume",
            ],
            cwd=tmp_path,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    process = start("long")
    try:
        printed = []
        deadline = time.monotonic() + 120
        while "solving" not in "".join(printed):
            assert time.monotonic() < deadline
            line = process.stdout.readline()
            assert line, process.stderr.read()
            printed.append(line)
        process.send_signal(signal.SIGINT)
        rest, err = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == INTERRUPTED
    assert "Traceback" not in err
    out = "".join(printed) + rest
    assert "one  2 of 2 checks passed" in out
    assert "interrupted: 1 of 3 finished and kept; continue with --resume" in out
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["one", "report.html"]

    process = start("None")
    out, err = process.communicate(timeout=120)
    assert process.returncode == OK, err
    assert "one  2 of 2 checks passed, from an earlier run" in out
    assert "one (" not in err
    assert "checks  6 of 6 passed" in out
