"""Places that cannot be written: noticed before the work, and no result is lost after it."""

import errno
from pathlib import Path

import pytest
from typer.testing import CliRunner

import regmdp as rm
from regmdp._internal import files
from regmdp.cli import app, train

COMMANDS = {
    "solve": (["solve", "chain", "-o"], "p.npz", rm, "solve"),
    "convert": (["convert", "chain"], "m.npz", rm.io, "write_model"),
    "convert to PRISM": (["convert", "chain"], "m.tra", rm.io, "write_model"),
    "train": (["train", "CartPole-v1", "-o"], "l.npz", train, "_learn_with_checkpoints"),
    "train's curve": (
        ["train", "CartPole-v1", "--curve"], "c.svg", train, "_learn_with_checkpoints"
    ),
    "frontier": (["frontier", "chain", "--reference", "uniform", "-o"], "f", rm, "frontier"),
    "gallery": (["reproduce", "path", "--quick", "--gallery"], "g.md", None, None),
}  # fmt: skip


def invoke(*words):
    return CliRunner().invoke(app, [str(word) for word in words])


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("place", ["/dev/full", "a file as folder", "a folder", "full disk"])
def test_it_is_noticed_before_the_work(command, place, tmp_path, monkeypatch):
    words, name, module, work = COMMANDS[command]
    monkeypatch.chdir(tmp_path)
    Path("file").write_bytes(b"")
    target = {"a file as folder": Path("file") / name}.get(place, Path(name))
    if place == "/dev/full":
        target = Path("/dev/full")
    elif place == "a folder":
        (target / "f.npz" if command == "frontier" else target).mkdir(parents=True)
        if command == "frontier":
            (target / "frontier.html").mkdir()
    elif place == "full disk":

        def refuse(path, *arguments, **keywords):
            raise OSError(errno.ENOSPC, "No space left on device")

        monkeypatch.setattr(files, "open", refuse, raising=False)
    if module is not None:
        monkeypatch.setattr(module, work, lambda *a, **k: pytest.fail("the work was begun"))
    else:
        monkeypatch.setattr(
            "regmdp.reproduce.running.reproduce", lambda *a, **k: pytest.fail("the work was begun")
        )
    before = sorted(tmp_path.rglob("*"))
    ended = invoke(*words, target)
    kinds = (rm.WriteError, FileNotFoundError, FileExistsError, rm.FormatError)
    assert type(ended.exception) in kinds, ended.output
    assert ("No space left" if place == "full disk" else str(target)) in str(ended.exception)
    assert [path for path in sorted(tmp_path.rglob("*")) if path.name != "f"] == [
        path for path in before if path.name != "f"
    ]


def break_late(monkeypatch, folder):
    """Let the disk of a folder be full, but for an empty file."""
    real = files._write_temporary

    def write(temporary, target, content):
        if Path(target).resolve().is_relative_to(folder.resolve()):
            raise OSError(errno.ENOSPC, "No space left on device")
        real(temporary, target, content)

    monkeypatch.setattr(files, "_write_temporary", write)
    rescue = folder.with_name("rescue")
    rescue.mkdir()
    monkeypatch.setattr(files.tempfile, "tempdir", str(rescue))
    return rescue


def test_a_solution_that_cannot_be_saved_is_not_lost(tmp_path, monkeypatch):
    (tmp_path / "full").mkdir()
    rescue = break_late(monkeypatch, tmp_path / "full")
    ended = invoke("solve", "chain", "-o", tmp_path / "full" / "p.npz")
    (saved,) = rescue.rglob("p.npz")
    assert f"p.npz: No space left on device; the result is in {saved}" in str(ended.exception)
    assert rm.Solution.load(saved).status.ok


def test_a_frontier_that_cannot_be_saved_is_not_lost(tmp_path, monkeypatch):
    (tmp_path / "full").mkdir()
    rescue = break_late(monkeypatch, tmp_path / "full")
    words = ("frontier", "chain", "--reference", "uniform", "--temperatures", "1")
    ended = invoke(*words, "-o", tmp_path / "full")
    (saved,) = rescue.rglob("frontier.html")
    assert str(saved.parent) in str(ended.exception)
    assert len(rm.Frontier.load(saved.with_suffix(".npz"))) == 3


def test_a_learner_that_cannot_be_saved_is_not_lost(tmp_path, monkeypatch):
    from regmdp.deep import A2C

    (tmp_path / "full").mkdir()
    rescue = break_late(monkeypatch, tmp_path / "full")
    words = ("train", "CartPole-v1", "--algorithm", "a2c", "--steps", 40)
    ended = invoke(*words, "-o", tmp_path / "full" / "l.npz")
    (saved,) = rescue.rglob("l.npz")
    assert str(saved) in str(ended.exception)
    assert A2C.load(saved).steps == 40
    # a log that cannot be written keeps what was learned
    monkeypatch.undo()
    ended = invoke(*words, "-o", tmp_path / "l.npz", "--log", "/dev/full")
    assert "cannot write /dev/full: No space left on device" in str(ended.exception)
    assert A2C.load(tmp_path / "l.npz").steps == 40


def test_outputs_of_an_experiment_that_cannot_be_written_are_not_lost(tmp_path, monkeypatch):
    from toy_experiments import experiment

    from regmdp.reproduce.records import Record
    from regmdp.reproduce.running import run_and_write

    real = Path.write_bytes

    def write(path, content):
        if path.resolve().is_relative_to((tmp_path / "full").resolve()):
            raise OSError(errno.ENOSPC, "No space left on device")
        return real(path, content)

    (tmp_path / "full").mkdir()
    rescue = tmp_path / "rescue"
    rescue.mkdir()
    monkeypatch.setattr(Path, "write_bytes", write)
    monkeypatch.setattr(files.tempfile, "tempdir", str(rescue))
    with pytest.raises(rm.WriteError, match="No space left on device; the result is in"):
        run_and_write(experiment("toy"), tmp_path / "full" / "toy", lambda fraction, text: None)
    (saved,) = rescue.rglob("record.json")
    assert Record.load(saved.parent).experiment == "toy"
    assert list((tmp_path / "full").iterdir()) == []
