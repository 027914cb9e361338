"""``rm.reproduce.run``: one experiment from Python."""

import re
import subprocess
import sys

import pytest
from toy_experiments import SettingsWithoutSeed, experiment, result

import regmdp as rm
from regmdp.reproduce import experiments
from regmdp.reproduce.base import Experiment
from regmdp.reproduce.records import Record


def make_toys():
    noted = experiment("noted", lambda settings, progress: note(settings))
    still = Experiment(
        name="still",
        title="",
        summary="",
        theory=(),
        sources=(),
        full=SettingsWithoutSeed(),
        quick=SettingsWithoutSeed(2),
        run=lambda settings, progress: None,
    )
    return experiment("one"), experiment("two", passed=False), noted, still


def note(settings):
    made = result(settings)
    return type(made)(
        made.tables, made.figures, made.numbers, made.checks, ("No known x_{1} < 2 for this.",)
    )


@pytest.fixture(autouse=True)
def toys(monkeypatch):
    monkeypatch.setattr(experiments, "EXPERIMENTS", make_toys())


def test_a_run_holds_data_numbers_checks_and_figures():
    found = rm.reproduce.run("one")
    assert found.tables["curve"]["x"].tolist() == [0, 1, 2, 3, 4]
    assert [number.what for number in found.numbers] == ["size <b>", "sum"]
    assert found.all_passed
    assert found.changes == ()
    assert found.command == "regmdp reproduce one"
    assert found.figure_names == ("curve",)
    assert found.draw().axes[0].lines
    assert found.draw("curve").axes[0].lines
    with pytest.raises(rm.RegmdpError, match="figure must be 'curve', not 'curves'; did you mean"):
        found.draw("curves")
    assert repr(found) == "ExperimentRun('one', 2 of 2 checks passed)"


def test_settings_are_changed_by_name():
    found = rm.reproduce.run("one", quick=True, size=4, seed=9)
    assert found.tables["curve"]["x"].size == 4
    assert [(one.name, one.value, one.full) for one in found.changes] == [
        ("size", 4, 5),
        ("seed", 9, 3),
    ]
    assert found.command == "regmdp reproduce one --quick --set size=4 --seed 9"
    assert repr(found) == "ExperimentRun('one', 2 of 2 checks passed, size=4, seed=9)"
    assert "setting size = 4 (full run: 5)" in str(found)
    assert not (
        found.tables["curve"]["y"] == rm.reproduce.run("one", size=4).tables["curve"]["y"]
    ).any()


@pytest.mark.parametrize(
    ("name", "changes", "message"),
    [
        ("won", {}, "the experiment must be 'one', 'two', .*, not 'won'"),
        ("all", {}, "the experiment must be"),
        (3, {}, "the experiment must be"),
        ("one", {"sizes": 3}, "no setting 'sizes'; did you mean 'size'[?] .* size, scales, seed"),
        ("one", {"size": 0}, "experiment 'one': size must be an integer"),
        ("one", {"seed": -1}, "experiment 'one': seed must be an integer, 0 or more"),
        ("still", {"seed": 3}, "experiment 'still' draws no random numbers, so it takes no seed"),
    ],
)
def test_wrong_arguments_are_refused(name, changes, message):
    with pytest.raises(rm.RegmdpError, match=message):
        rm.reproduce.run(name, **changes)


def test_progress_is_reported():
    seen = []
    rm.reproduce.run("one", progress=lambda fraction, text: seen.append(fraction))
    assert seen == [0.0, 1.0]


def test_the_text_names_failed_checks_and_notes():
    text = str(rm.reproduce.run("two"))
    assert text.startswith("The <title> of two: 1 of 2 checks passed\n")
    assert "  passed  1 < 2: 1; expected less than 2\n" in text
    assert "  FAILED  it <passed>: False; expected True" in text
    assert "No known x_{1} < 2 for this." in str(rm.reproduce.run("noted"))


def test_a_notebook_shows_checks_settings_numbers_and_figures():
    page = rm.reproduce.run("two", size=4)._repr_html_()
    assert "The &lt;title&gt; of two: 1 of 2 checks passed" in page
    assert "✗ fail" in page
    assert "it &lt;passed&gt;" in page
    assert "Settings that differ from the full run" in page
    assert ">size<" in page
    assert "size &lt;b&gt;" in page
    assert page.count('<img src="data:image/svg+xml;base64,') == 1
    assert 'alt="A curve &quot;rising&quot; &amp; falling."' in page
    assert "A curve with τ<sub>0</sub> &lt; γ<sup>2</sup> &amp; more." in page
    assert not re.search("<script|<title>", page)
    plain = rm.reproduce.run("noted")._repr_html_()
    assert "Settings that differ" not in plain
    assert "No known x<sub>1</sub> &lt; 2 for this." in plain


def test_saving_writes_what_the_command_writes(tmp_path):
    report = rm.reproduce.run("noted", size=4).save(tmp_path / "out")
    assert report == tmp_path / "out" / "report.html"
    record = Record.load(tmp_path / "out" / "noted")
    assert record.settings["size"] == 4
    assert record.notes == ("No known x_{1} < 2 for this.",)
    assert [tuple(change) for change in record.changes] == [("size", 4, 5)]
    assert record.command == "regmdp reproduce noted --set size=4"
    assert record.matches(experiments.EXPERIMENTS[2].settings(False, {"size": "4"}))
    rm.reproduce.run("one").save(tmp_path / "out")
    page = report.read_text("utf-8")
    assert page.count('<section class="experiment"') == 2
    (tmp_path / "else" / "one").mkdir(parents=True)
    (tmp_path / "else" / "one" / "thesis.tex").write_text("years of work")
    with pytest.raises(FileExistsError):
        rm.reproduce.run("one").save(tmp_path / "else")


def test_scripts_need_no_main_guard(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(
        "import math\n"
        "from regmdp.reproduce.parallel import map_in_processes\n"
        "print('started', flush=True)\n"
        "print(map_in_processes(math.factorial, [3, 4], lambda f, t: None, str, processes=2))\n"
    )
    ended = subprocess.run(
        [sys.executable, str(script)], capture_output=True, text=True, check=True, timeout=120
    )
    assert ended.stdout == "started\n[6, 24]\n"
