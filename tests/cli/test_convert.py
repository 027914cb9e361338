"""``regmdp convert``, and commands that take model files."""

import pytest
from typer.testing import CliRunner

import regmdp as rm
from regmdp.cli import app
from regmdp.cli.options import FormatName
from regmdp.io import formats


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


def test_every_format_has_a_name_on_the_command_line():
    assert list(FormatName) == [entry.name for entry in formats.FORMATS]


def test_impossible_conversions_are_errors(run):
    assert isinstance(run("convert", "gridworld", "x.mdp").exception, rm.FormatError)
    assert isinstance(run("convert", "gridworld", "x.csv").exception, rm.FormatError)
    assert isinstance(run("convert", "gridworld", "x.tra", "--normalize").exception, rm.ModelError)
    assert run("convert", "gridworld", "x.tra").exit_code == 0
    assert isinstance(run("convert", "x.tra", "x.tra").exception, rm.FormatError)


CASSANDRA = """values: reward
states: 3
actions: 1
T: 0
0.33 0.33 0.33
0 1 0
0 0 1
R: 0 : 0 : * : * 1
"""


def test_files_are_read_in_any_format_with_few_digits_and_without_a_discount(run, tmp_path):
    (tmp_path / "machine.txt").write_text(CASSANDRA)
    options = ("--format", "cassandra", "--normalize", "--discount", "0.5")
    for command in (
        ("solve", "machine.txt"),
        ("frontier", "machine.txt", "--reference", "uniform", "--temperatures", "1"),
    ):
        result = run(*command, *options)
        assert result.exit_code == 0, result.output
    assert "0.4" in run("certify", "machine.txt", "machine-policy.npz", *options).stdout
    result = run("convert", "machine.txt", "machine.drn", "--source-format", *options[1:])
    assert result.exit_code == 0, result.output
    assert rm.io.read_model("machine.drn").discount == 0.5
    assert "normalize" in str(run("solve", "machine.txt", *options[:2], *options[3:]).exception)
    assert "--discount" in str(run("solve", "machine.txt", *options[:3]).exception)
    error = run("solve", "machine.txt").exception
    assert isinstance(error, rm.FormatError)
    assert "give one with format= or --format" in str(error)
    assert run("solve", "machine.txt", "--format", "x").exit_code != 0


def test_the_chain_of_a_policy_is_written(run):
    assert run("solve", "gridworld").exit_code == 0
    result = run("convert", "gridworld", "chain.tra", "--policy", "gridworld-policy.npz")
    assert result.exit_code == 0, result.output
    assert "1 action" in result.stdout
    chain, mdp = rm.io.read_model("chain.tra"), rm.models.gridworld()
    assert chain.n_actions == 1
    expected = rm.solve(mdp).initial_value
    assert rm.solve(chain).initial_value == pytest.approx(expected, rel=1e-8)
    result = run("convert", "forest", "chain.drn", "--policy", "gridworld-policy.npz")
    assert isinstance(result.exception, rm.PolicyError)
