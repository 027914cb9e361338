"""The report is one well-formed file that shows the records without external resources."""

import base64
import re
from html.parser import HTMLParser

import pytest
from toy_experiments import experiment

from regmdp.reproduce.report import Chapter, render_page
from regmdp.reproduce.report.page import mathematics_to_html
from regmdp.reproduce.running import run_and_write

VOID = {"meta", "link", "img", "br"}


class Reader(HTMLParser):
    """Parser that checks the order of closing tags and collects elements and text."""

    def __init__(self):
        super().__init__()
        self.open, self.elements, self.text = [], [], []

    def handle_starttag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] not in ("style", "title"):
            self.text.append(data)


def read(html):
    reader = Reader()
    reader.feed(html)
    reader.close()
    assert reader.open == []
    return reader


@pytest.fixture(scope="module")
def chapters(tmp_path_factory):
    output = tmp_path_factory.mktemp("report")
    toys = [experiment("one"), experiment("two", passed=False)]
    records = [
        run_and_write(toy, output / toy.name, lambda fraction, text: None, quick=toy.name == "two")
        for toy in toys
    ]
    return [Chapter.read(toy, record, output) for toy, record in zip(toys, records, strict=True)]


@pytest.fixture(scope="module")
def html(chapters):
    return render_page(chapters)


def test_no_external_resources(html):
    reader = read(html)
    for tag, attributes in reader.elements:
        assert tag not in ("script", "iframe", "object", "embed", "base", "form")
        assert not [name for name in attributes if name.startswith("on")]
        for name in ("src", "href", "srcset", "data", "poster"):
            assert attributes.get(name, "#").startswith(("#", "data:")), attributes
    style = re.findall(r"<style>(.*?)</style>", html, flags=re.DOTALL)
    assert len(style) == 1
    assert not re.search(r"url\(|@import|@font-face", style[0])


def test_text_is_escaped_and_mathematics_is_formatted(html):
    assert "<title> of one" not in html
    assert "The &lt;title&gt; of one" in html
    assert "it &lt;passed&gt;" in html
    assert "size &lt;b&gt;" in html
    assert "x<sub>1</sub> &lt; x<sub>2</sub>" in html
    assert "S<sup>2<sup>H</sup></sup> ≥ 1,   always" in html
    assert 'alt="A curve &#34;rising&#34; &amp; falling."' in html


def test_mathematics_escapes_markup():
    assert mathematics_to_html("a^{<b>}") == "a<sup>&lt;b&gt;</sup>"
    assert mathematics_to_html("{a} _{") == "{a} _{"


def test_internal_links_have_targets(html):
    elements = read(html).elements
    names = [attributes["id"] for _, attributes in elements if "id" in attributes]
    assert len(names) == len(set(names))
    targets = {
        attributes["href"][1:]
        for _, attributes in elements
        if attributes.get("href", "").startswith("#")
    }
    assert targets
    assert targets <= set(names)
    labels = {
        attributes["aria-labelledby"]
        for _, attributes in elements
        if "aria-labelledby" in attributes
    }
    assert labels <= set(names)


def test_figures_have_their_texts(html, chapters):
    images = [attributes for tag, attributes in read(html).elements if tag == "img"]
    assert len(images) == 2
    for attributes, chapter in zip(images, chapters, strict=True):
        kind, _, data = attributes["src"].partition(",")
        assert kind == "data:image/svg+xml;base64"
        assert base64.b64decode(data).decode("utf-8") == chapter.figures["curve"]
        assert attributes["alt"]
        assert int(attributes["width"]) == 288  # 3 inches
    assert html.count("A curve with τ<sub>0</sub> &lt; γ<sup>2</sup> &amp; more.") == 2


def test_outcomes_equal_those_of_the_records(html, chapters):
    text = " ".join(" ".join(read(html).text).split())
    assert "✗ 3 of 4 checks passed" in text
    assert "✓ 2 of 2 passed" in text
    assert "✗ 1 of 2 passed" in text
    assert text.count("✓ pass ") == 3
    assert text.count("✗ fail ") == 1


def test_provenance_is_shown(html, chapters):
    text = " ".join(" ".join(read(html).text).split())
    record = chapters[0].record
    for shown in (
        "regmdp reproduce one",
        "regmdp reproduce two --quick",
        record.date.replace("T", " ").replace("+00:00", " UTC"),
        f"regmdp {record.versions['regmdp']}",
        f"numpy {record.versions['numpy']}",
        f"matplotlib {record.versions['matplotlib']}",
        "size = 5",
        "scales = [1.0, 0.1]",
        "Seed 3",
        "one/curve.csv",
        "An author, A title, 2020.",
        "Beware of one.",
        "Experiment 2 · two · quick settings",
    ):
        assert shown in text, shown


def test_quick_settings_are_only_mentioned_for_quick_runs(chapters):
    html = render_page(chapters[:1])
    assert "Quick settings." not in html
    assert "Not finished." not in html
    assert "✓ 2 of 2 checks passed" in html


def test_unfinished_runs_are_marked(chapters):
    assert "1 experiment of this run is not in this report yet" in render_page(
        chapters, n_missing=1
    )
    assert "2 experiments of this run are not in this report yet" in render_page(
        chapters, n_missing=2
    )


def test_the_same_records_make_the_same_page(chapters, html):
    assert render_page(chapters) == html
