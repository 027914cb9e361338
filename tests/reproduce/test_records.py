"""Files of an experiment are complete, exact and readable."""

import json
import os
import subprocess
import sys
from importlib.metadata import version

import numpy as np
import pytest
from toy_experiments import experiment, read, result

import regmdp as rm
from regmdp._internal.temporaries import temporary_path
from regmdp.reproduce.records import Record, format_csv, replace_folder
from regmdp.reproduce.running import run_and_write


@pytest.fixture
def folder(tmp_path):
    run_and_write(experiment("toy"), tmp_path / "toy", lambda fraction, text: None)
    return tmp_path / "toy"


def test_record_round_trip(tmp_path):
    written = run_and_write(
        experiment("toy", passed=False), tmp_path / "toy", lambda fraction, text: None, quick=True
    )
    assert Record.load(tmp_path / "toy") == written
    assert written.quick
    assert (written.n_passed, written.all_passed) == (1, False)
    assert written.matches(experiment("toy").settings(quick=True))
    assert not written.matches(experiment("toy").settings(quick=False))
    assert written.versions["regmdp"] == version("regmdp")
    assert written.date.endswith("+00:00")


def test_folder_contains_the_named_files(folder):
    assert sorted(path.name for path in folder.iterdir()) == [
        "curve.csv",
        "curve.png",
        "curve.svg",
        "record.json",
    ]
    assert [path.name for path in folder.parent.iterdir()] == ["toy"]


def test_data_are_written_exactly(folder):
    columns = read(folder / "curve.csv")
    expected = result(experiment("toy").full).tables["curve"]
    assert [float(text) for text in columns["y"]] == list(expected["y"])
    assert [int(text) for text in columns["x"]] == [0, 1, 2, 3, 4]
    assert columns["kind"] == ['a, "b"'] * 5


def test_numbers_round_trip():
    numbers = np.array([1 / 3, 1e-300, -0.0, np.inf, np.nan, 1e22, 2.0])
    text = format_csv({"a": numbers, "b": np.arange(numbers.size)})
    back = np.array([float(line.split(",")[0]) for line in text.splitlines()[1:]])
    np.testing.assert_array_equal(back, numbers)
    assert np.signbit(back[2])


def test_the_same_settings_write_the_same_files(tmp_path):
    contents = []
    for name in ("one", "two"):
        run_and_write(experiment("toy"), tmp_path / name, lambda fraction, text: None)
        contents.append(
            {
                path.name: path.read_bytes()
                for path in (tmp_path / name).iterdir()
                if path.name != "record.json"
            }
        )
    assert contents[0] == contents[1]


def test_records_of_other_versions_do_not_match(folder):
    data = json.loads((folder / "record.json").read_text())
    data["versions"]["regmdp"] = "0.0.1"
    (folder / "record.json").write_text(json.dumps(data))
    assert not Record.load(folder).matches(experiment("toy").settings(quick=False))


@pytest.mark.parametrize(
    "damage",
    [
        lambda folder: (folder / "record.json").unlink(),
        lambda folder: (folder / "record.json").write_text(
            (folder / "record.json").read_text()[:100]
        ),
        lambda folder: (folder / "record.json").write_text("[]"),
        lambda folder: (folder / "record.json").write_text("{}"),
        lambda folder: (folder / "record.json").write_text('{"kind": "experiment", "format": 99}'),
        lambda folder: (folder / "record.json").write_text(
            '{"kind": "experiment", "format": 1, "more": 1}'
        ),
    ],
)
def test_a_damaged_record_is_refused(folder, damage):
    damage(folder)
    with pytest.raises(rm.FormatError, match="record.json is not the record of an experiment"):
        Record.load(folder)


def test_entries_of_another_type_are_refused(folder):
    path = folder / "record.json"
    text = path.read_text()
    for place, value in [
        (("command",), 7),
        (("quick",), "no"),
        (("seconds",), -1),
        (("settings",), []),
        (("tables",), ["../../secret"]),
        (("tables",), ["9" * 400]),
        (("notes",), [None]),
        (("figures", 0, "name"), "../curve"),
        (("figures", 0, "alt"), {}),
        (("checks", 0, "passed"), "yes"),
        (("numbers", 0), "size"),
        (("changes",), [{"name": "scales", "value": [[[1, 2]]], "full": 3}]),
    ]:
        data = entry = json.loads(text)
        for key in place[:-1]:
            entry = entry[key]
        entry[place[-1]] = value
        path.write_text(json.dumps(data))
        with pytest.raises(rm.FormatError, match=r"record\.json"):
            Record.load(folder)


def test_missing_figures_are_detected(folder):
    (folder / "curve.svg").unlink()
    with pytest.raises(rm.FormatError, match="1 of the files of .* are missing: curve.svg"):
        Record.load(folder)


def test_folders_are_replaced_completely(folder):
    with replace_folder(folder) as write:
        write("record.json", "{}")
        assert (folder / "curve.csv").exists()
    assert [path.name for path in folder.iterdir()] == ["record.json"]
    assert [path.name for path in folder.parent.iterdir()] == ["toy"]


def test_failures_leave_the_folder_unchanged(folder):
    before = {path.name: path.read_bytes() for path in folder.iterdir()}

    def interrupted():
        with replace_folder(folder) as write:
            write("record.json", "{}")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    assert [path.name for path in folder.parent.iterdir()] == ["toy"]


def test_a_failed_move_restores_the_old_folder(folder, monkeypatch):
    moves = []
    rename = os.rename

    def rename_once(source, target):
        moves.append(target)
        if len(moves) == 2:
            raise OSError("no more room")
        rename(source, target)

    def replace():
        with replace_folder(folder) as write:
            write("record.json", "{}")

    monkeypatch.setattr(os, "rename", rename_once)
    with pytest.raises(OSError, match="no more room"):
        replace()
    assert (folder / "curve.csv").exists()
    assert [path.name for path in folder.parent.iterdir()] == ["toy"]


def test_leftovers_of_killed_runs_are_removed(folder):
    killed = subprocess.run(
        [sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, check=True
    )
    part = temporary_path(folder)
    part = part.with_name(
        part.name.replace(f".{os.getpid()}.", f".{killed.stdout.decode().strip()}.")
    )
    part.mkdir()
    (part / "curve.csv").write_text("")
    run_and_write(experiment("toy"), folder, lambda fraction, text: None)
    assert [path.name for path in folder.parent.iterdir()] == ["toy"]


def test_other_folders_are_not_overwritten(tmp_path):
    (tmp_path / "toy").mkdir()
    (tmp_path / "toy" / "thesis.tex").write_text("years of work")
    with pytest.raises(
        FileExistsError,
        match="toy already exists and is not the folder of an experiment; choose another --output",
    ):
        run_and_write(experiment("toy"), tmp_path / "toy", lambda fraction, text: None)
    assert (tmp_path / "toy" / "thesis.tex").read_text() == "years of work"
