"""The command: what it prints and writes, and what it answers to wrong options."""

import csv

import numpy as np
import pytest
from typer.testing import CliRunner

import regmdp as rm
from regmdp.cli import app

NOTICE = "ICU-Sepsis (Choudhary, Gupta and Thomas 2024)"


def run(*words):
    return CliRunner().invoke(
        app, ["frontier", *map(str, words)], env={"COLUMNS": "200", "NO_COLOR": "1"}
    )


def test_prints_the_points_and_writes_the_folder(tmp_path):
    result = run(
        "chain", "--reference", "uniform", "--temperatures", "1,0.1", "-o", tmp_path / "out"
    )
    assert result.exit_code == 0, result.output
    assert "∞ (reference)" in result.stdout
    assert "half of the largest gain" in result.stdout
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        f"frontier.{kind}" for kind in ("csv", "html", "npz", "png", "svg")
    }
    found = rm.Frontier.load(tmp_path / "out" / "frontier.npz")
    assert found.temperature.tolist() == [np.inf, 1.0, 0.1, 0.0]
    with open(tmp_path / "out" / "frontier.csv", encoding="utf-8") as file:
        assert [float(row["value"]) for row in csv.DictReader(file)] == found.value.tolist()
    page = (tmp_path / "out" / "frontier.html").read_text("utf-8")
    assert "data:image/svg+xml" in page
    assert found.describe_half_gain()[1:] in page
    assert "http" not in page.replace("http://www.w3.org", "")


def test_the_notice_of_a_model_is_on_the_screen_and_on_the_page(tmp_path):
    pytest.importorskip("icu_sepsis")
    result = run(
        "icu-sepsis", "--reference", "expert", "--temperatures", "0.01", "-o", tmp_path / "out"
    )
    assert result.exit_code == 0, result.output
    assert NOTICE in result.stdout
    assert NOTICE in (tmp_path / "out" / "frontier.html").read_text("utf-8")
    found = rm.Frontier.load(tmp_path / "out" / "frontier.npz")
    assert found.value[[0, -1]] == pytest.approx([0.7818, 0.8751], abs=1e-4)


@pytest.mark.parametrize("point", [1, 2])
def test_an_interrupt_writes_what_is_finished(tmp_path, monkeypatch, point):
    from regmdp.cli import frontier as command

    monkeypatch.setattr(command._Points, "__call__", lambda _, event: interrupt(event, point))
    result = run(
        "chain", "--reference", "uniform", "--temperatures", "1,0.1", "-o", tmp_path / "out"
    )
    assert result.exit_code == 130, result.output
    assert "interrupted" in result.stdout
    assert len(rm.Frontier.load(tmp_path / "out" / "frontier.npz")) == point
    assert "Interrupted." in (tmp_path / "out" / "frontier.html").read_text("utf-8")


def interrupt(event, point):
    if event.measures["points"] == point:
        raise KeyboardInterrupt


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["chain"], "say where to start from with --reference"),
        (["chain", "--reference", "expert"], "there is no reference policy 'expert' for chain"),
        (["chain", "--reference", "uniform", "--temperatures", "1,hot"], "'hot' is none"),
        (["chain", "--reference", "uniform", "--temperatures", ""], "'' is none"),
        (
            ["chain", "--reference", "uniform", "--temperatures", "1,0"],
            "must be a finite number above 0, not 0",
        ),
        (
            ["chain", "--reference", "uniform", "--temperatures", "1,-1"],
            "must be a finite number above 0, not -1",
        ),
        (
            ["chain", "--reference", "uniform", "--temperatures", "1,1"],
            "the temperature 1 is given 2 times",
        ),
        (["chain", "--reference", "uniform", "-o", "nowhere/out"], "there is no folder nowhere"),
    ],
)
def test_wrong_options(words, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = run(*words)
    assert result.exit_code == 1
    assert message in str(result.exception)


def test_a_reference_that_is_empty_in_a_state(tmp_path):
    empty = np.full((5, 2), 0.5)
    empty[3] = 0.0
    np.save(tmp_path / "empty.npy", empty)
    result = run("chain", "--reference", tmp_path / "empty.npy")
    assert result.exit_code == 1
    assert "state 3" in str(result.exception)
