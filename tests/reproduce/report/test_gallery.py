"""The written gallery, and the gallery of the documentation."""

import re
from pathlib import Path

from toy_experiments import experiment

from regmdp.reproduce.experiments import EXPERIMENTS
from regmdp.reproduce.report import Chapter, write_gallery
from regmdp.reproduce.running import run_and_write

DOCS = Path(__file__).resolve().parents[3] / "docs"


def test_the_page_shows_every_figure(tmp_path):
    toys = [experiment("one"), experiment("two", passed=False)]
    records = [run_and_write(toy, tmp_path / toy.name, lambda fraction, text: None) for toy in toys]
    chapters = [
        Chapter.read(toy, record, tmp_path) for toy, record in zip(toys, records, strict=True)
    ]
    written = write_gallery(chapters, tmp_path / "shown.md")
    assert [path.relative_to(tmp_path).as_posix() for path in written] == [
        "shown.md",
        "shown/one-curve.svg",
        "shown/two-curve.svg",
    ]
    text = (tmp_path / "shown.md").read_text("utf-8")
    assert '![A curve "rising" &amp; falling.](shown/one-curve.svg)' in text
    assert "A curve with τ<sub>0</sub> &lt; γ<sup>2</sup> &amp; more." in text
    assert "> Beware of one." in text
    assert "`regmdp reproduce two`: 1 of 2 checks passed" in text
    assert (tmp_path / "shown" / "one-curve.svg").read_text("utf-8").strip() == chapters[0].figures[
        "curve"
    ]


def test_the_gallery_of_the_documentation_is_complete():
    text = (DOCS / "gallery.md").read_text("utf-8")
    shown = re.findall(r"\]\(gallery/([^)]*)\)", text)
    assert sorted(shown) == sorted(path.name for path in (DOCS / "gallery").iterdir())
    for one in EXPERIMENTS:
        assert f"## {one.title}" in text
        outcome = re.search(rf"`regmdp reproduce {one.name}`: (\d+) of (\d+) checks passed", text)
        assert outcome is not None, f"{one.name} is missing or incomplete"
        assert outcome[1] == outcome[2]
        assert any(name.startswith(f"{one.name}-") for name in shown)


def test_the_gallery_of_the_documentation_is_small():
    assert sum(path.stat().st_size for path in (DOCS / "gallery").iterdir()) < 3_000_000
