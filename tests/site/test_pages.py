"""The built site opens without a network, fits a phone, and is legible in light and in dark."""

import re
from html import unescape
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from browser import browser
from site_pages import Visitor, site

__all__ = ["browser", "site"]

CONTRAST = (Path(__file__).parent / "contrast.js").read_text(encoding="utf-8")

#: One page of each kind, and those with the widest tables and formulas.
SAMPLE = (
    "index.html",
    "gallery.html",
    "lecture.html",
    "lessons/bandit.html",
    "reference/regmdp.html",
    "reference/regmdp.MDP.html",
    "reference/regmdp.models.ExponentialChain.html",
    "_modules/regmdp/_solve.html",
)

#: What a newcomer looks for, and a page that answers.
QUESTIONS = (
    ("certified bounds", "guarantees"),
    ("choose regularizer", "choosing"),
    ("estimate discrete choice", "tutorials/rust"),
    ("train network", "deep"),
    ("PRISM files", "formats"),
    ("cluster", "machines"),
    ("action matrices", "reference/regmdp.MDP"),
)


def find_pages(site):
    return sorted(str(file.relative_to(site)) for file in site.rglob("*.html"))


@pytest.mark.parametrize("extent", ["sample", pytest.param("all", marks=pytest.mark.slow)])
def test_pages_open_without_a_network_fit_a_phone_and_are_legible(browser, site, extent):
    problems = {}
    with Visitor(browser, site) as visitor:
        for path in SAMPLE if extent == "sample" else find_pages(site):
            visitor.problems = []
            visitor.open(path)
            found = visitor.problems
            width = visitor.page.evaluate("document.documentElement.scrollWidth")
            if width > 390:
                found.append(f"is {width} pixels wide")
            for scheme in ("light", "dark"):
                visitor.set_scheme(scheme)
                found += [f"{scheme}: contrast {low}" for low in visitor.page.evaluate(CONTRAST)]
            if found:
                problems[path] = found
    assert not problems, "\n".join(f"{path}: {found[:5]}" for path, found in problems.items())


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_contents_beside_a_page_are_legible(browser, site, scheme):
    size = {"width": 1400, "height": 900}
    with Visitor(browser, site, viewport=size, color_scheme=scheme) as visitor:
        for path in (one for one in SAMPLE if not one.startswith("lessons/")):
            visitor.open(path)
            assert visitor.page.locator(".sidebar-tree").is_visible()
            assert visitor.page.evaluate(CONTRAST) == []


def test_the_contrast_is_measured(browser):
    page = browser.new_page()
    page.set_content(
        "<body style='background: white'><p style='color: #777'>4.48 on white</p>"
        "<p style='color: #767676'>4.54 on white</p>"
        "<div style='background: rgb(0 0 0 / 50%)'>"
        "<p style='color: white'>3.98 on half black</p></div></body>"
    )
    low = page.evaluate(CONTRAST)
    assert [text.split()[0] for text in low] == ["4.48", "3.98"]
    page.close()


def test_mathematics_is_typeset(browser, site):
    with Visitor(browser, site) as visitor:
        visitor.open("reference/regmdp.algorithms.Geometric.html")
        formula = visitor.page.locator(".katex").first
        box = formula.bounding_box()
        assert box is not None
        assert box["width"] > 20
        assert "KaTeX" in formula.evaluate("element => getComputedStyle(element).fontFamily")
        assert visitor.page.evaluate("document.fonts.check('16px KaTeX_Math')")
        assert visitor.page.locator(".katex-error").count() == 0


@pytest.mark.parametrize(("question", "answer"), QUESTIONS, ids=[one[1] for one in QUESTIONS])
def test_the_search_finds(browser, site, question, answer):
    with Visitor(browser, site) as visitor:
        visitor.open(f"search.html?q={question.replace(' ', '+')}")
        visitor.page.locator("#search-results li").first.wait_for()
        visitor.page.wait_for_function("document.querySelector('.search-summary') !== null")
        links = visitor.page.locator("#search-results li > a")
        found = [urlsplit(link.get_attribute("href") or "").path for link in links.all()[:5]]
        assert f"{answer}.html" in found
        assert visitor.problems == []


def test_links_lead_somewhere(site):
    texts = {file: file.read_text(encoding="utf-8") for file in site.rglob("*.html")}
    anchors = {file: set(re.findall(r'\bid="([^"]+)"', text)) for file, text in texts.items()}
    broken = []
    for file, text in texts.items():
        for link in set(re.findall(r'<a\b[^>]*\bhref="([^"]*)"', text)):
            url = urlsplit(unescape(link))
            if url.scheme:
                continue
            target = (file.parent / unquote(url.path)).resolve() if url.path else file
            # Sphinx takes one namespace for all names of a source file, where two may have them
            exact = url.fragment and "_modules" not in file.parts and target.suffix == ".html"
            known = not exact or unquote(url.fragment) in anchors.get(target, set())
            if not target.exists() or not known:
                broken.append(f"{file.relative_to(site)}: {link}")
    assert not broken, "\n".join(sorted(broken)[:50])
