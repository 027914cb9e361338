"""The examples run, say what they found, and agree with what is published."""

import runpy
from pathlib import Path

import pytest

FOLDER = Path(__file__).resolve().parents[1] / "examples"
NAMES = sorted(path.name for path in FOLDER.glob("*.py"))


@pytest.mark.parametrize("name", NAMES)
def test_example_agrees_with_what_is_published(name, capsys):
    runpy.run_path(str(FOLDER / name))
    assert capsys.readouterr().out.strip()


def test_every_example_compares_and_is_listed():
    listed = (FOLDER / "README.md").read_text(encoding="utf-8")
    for name in NAMES:
        text = (FOLDER / name).read_text(encoding="utf-8")
        assert "assert" in text, f"{name} compares nothing"
        assert f"[{name}]({name})" in listed, f"README.md does not list {name}"
