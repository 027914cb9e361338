"""``regmdp convert``, and commands that take model files."""

import pytest
from typer.testing import CliRunner

import regmdp as rm
from regmdp.cli import app


@pytest.fixture
def run(monkeypatch, tmp_path):
    """Run a command in an empty folder."""
    monkeypatch.chdir(tmp_path)
    return lambda *arguments: CliRunner().invoke(
        app, list(arguments), env={"COLUMNS": "200", "NO_COLOR": "1"}
    )


def test_conversion_between_formats(run):
    for source, target in (
        ("gridworld", "a.tra"),
        ("a.tra", "b.drn"),
        ("b.drn", "c.mapped"),
        ("c.mapped", "d.npz"),
    ):
        result = run("convert", source, target)
        assert result.exit_code == 0, result.output
        assert source in result.stdout
        assert ("deadlock" in result.stdout) == (target in ("a.tra", "b.drn"))
    assert rm.io.read_model("d.npz").digest == rm.io.read_model("a.tra").digest
    assert run("convert", "d.npz", "e.npz", "--format", "quantecon").exit_code == 0
    assert run("solve", "e.npz").exit_code == 0
    assert run("solve", "b.drn", "--discount", "0.5").exit_code == 0


def test_impossible_conversions_are_errors(run):
    assert isinstance(run("convert", "gridworld", "x.mdp").exception, rm.FormatError)
    assert isinstance(run("convert", "gridworld", "x.csv").exception, rm.FormatError)
    assert isinstance(run("convert", "gridworld", "x.tra", "--normalize").exception, rm.ModelError)
    assert run("convert", "gridworld", "x.tra").exit_code == 0
    assert isinstance(run("convert", "x.tra", "x.tra").exception, rm.FormatError)
