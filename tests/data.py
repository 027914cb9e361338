"""Data that tests read but the repository does not hold: folders of ``shared/data`` beside it."""

from pathlib import Path

import pytest

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"


def folder(name: str) -> Path:
    """The folder of a data set; a test that needs it is skipped where it is not there."""
    path = DATA / name
    if not path.is_dir():
        pytest.skip(f"needs the data set {name} in {path}")
    return path
