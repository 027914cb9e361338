"""A browser shows the report of ``regmdp reproduce`` without a network."""

import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
from browser import browser

from regmdp.reproduce.experiments import EXPERIMENTS, Experiment
from regmdp.reproduce.records import Record

__all__ = ["browser"]

DESKTOP, PHONE = (1280, 900), (360, 740)

#: Experiments that end within seconds.
SHORT = [one for one in EXPERIMENTS if one.name in ("iterations", "frontier")]


@dataclass
class Report:
    """The page of some experiments."""

    page: Path
    experiments: list[Experiment]


@pytest.fixture(scope="module", params=["short", pytest.param("all", marks=pytest.mark.slow)])
def report(request, tmp_path_factory):
    """The report of a command in a process of its own, without run-time checks of shapes."""
    experiments = SHORT if request.param == "short" else list(EXPERIMENTS)
    folder = tmp_path_factory.mktemp("browser")
    names = [one.name for one in experiments]
    command = [sys.executable, "-m", "regmdp", "reproduce", *names, "--quick", "--output", "report"]
    ended = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    return Report(folder / "report" / "report.html", experiments)


class Opened:
    """The report in a browser that blocks all requests except the one for the report."""

    def __init__(self, browser, page: Path, size=DESKTOP, **options):
        self.requests, self.messages = [], []
        self.page = browser.new_page(viewport={"width": size[0], "height": size[1]}, **options)
        self.page.on("console", lambda message: self.messages.append(message.text))
        self.page.on("pageerror", lambda error: self.messages.append(str(error)))

        def decide(route):
            if route.request.url == page.as_uri():
                route.continue_()
            else:
                self.requests.append(route.request.url)
                route.abort()

        self.page.route("**/*", decide)
        self.page.goto(page.as_uri())
        self.page.wait_for_load_state("networkidle")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.page.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_the_report_opens_without_a_network(browser, report, size, scheme):
    with Opened(browser, report.page, size, color_scheme=scheme) as opened:
        page = opened.page
        assert opened.messages == []
        assert [url for url in opened.requests if not url.startswith("data:")] == []
        expected = sum(
            len(Record.load(report.page.parent / one.name).figures) for one in report.experiments
        )
        images = page.locator("figure img")
        assert images.count() == expected
        for number in range(expected):
            image = images.nth(number)
            image.scroll_into_view_if_needed()
            box = image.bounding_box()
            assert box is not None
            assert min(box["width"], box["height"]) > 50
            assert image.is_visible()
            assert image.evaluate("image => image.complete && image.naturalWidth > 0")
            assert image.get_attribute("alt")
        # wide tables and figures scroll, the page does not
        assert page.evaluate("document.documentElement.scrollWidth") <= size[0]


def brightness(color):
    return sum(int(channel) for channel in re.findall(r"\d+", color)[:3]) / 765


def test_colours_follow_the_preferred_scheme(browser, report):
    seen = {}
    for scheme in ("light", "dark"):
        with Opened(browser, report.page, color_scheme=scheme) as opened:
            of = (
                "element => [getComputedStyle(element).backgroundColor, "
                "getComputedStyle(element).color]"
            )
            seen[scheme] = [brightness(color) for color in opened.page.locator("body").evaluate(of)]
            card = opened.page.locator(".card").first.evaluate(of)[0]
            assert brightness(card) == 1.0
    assert seen["light"][0] > 0.9
    assert seen["light"][1] < 0.3
    assert seen["dark"][0] < 0.2
    assert seen["dark"][1] > 0.8


def test_the_contents_lead_to_the_experiments(browser, report):
    with Opened(browser, report.page) as opened:
        for one in report.experiments:
            opened.page.locator("nav a", has_text=one.title).click()
            heading = opened.page.locator(f"#{one.name} h2")
            heading.wait_for()
            opened.page.wait_for_function(
                "name => { const box = document.getElementById(name).getBoundingClientRect();"
                " return box.top < innerHeight / 2 && box.bottom > 0; }",
                arg=one.name,
            )
            assert opened.page.url.endswith(f"#{one.name}")


def test_the_keyboard_reaches_the_summary_and_opens_the_details(browser, report):
    with Opened(browser, report.page) as opened:
        page = opened.page
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.textContent") == "Skip to the summary"
        page.keyboard.press("Enter")
        assert page.url.endswith("#summary")
        details = page.locator("details").first
        details.locator("summary").focus()
        page.keyboard.press("Enter")
        assert details.evaluate("element => element.open")
        assert details.locator("dl").is_visible()


def test_the_page_prints(browser, report):
    with Opened(browser, report.page) as opened:
        printed = opened.page.pdf(format="A4")
        assert printed.startswith(b"%PDF")
        opened.page.emulate_media(media="print")
        assert not opened.page.locator("nav").is_visible()
