"""``regmdp reproduce all --quick``: all checks pass, and a browser shows the report offline."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from regmdp.reproduce.experiments import EXPERIMENTS
from regmdp.reproduce.records import Record

pytestmark = pytest.mark.slow

#: Environment variable of continuous integration that makes the browser mandatory.
REQUIRED = "REGMDP_REQUIRE_BROWSER"

DESKTOP, PHONE = (1280, 900), (360, 740)


@pytest.fixture(scope="module")
def ended(tmp_path_factory):
    """The command in a separate process without run-time checks of shapes, which are slow."""
    folder = tmp_path_factory.mktemp("reproduced")
    command = [sys.executable, "-m", "regmdp", "reproduce", "all", "--quick", "--output", "report"]
    return subprocess.run(
        command, cwd=folder, capture_output=True, text=True, check=False
    ), folder / "report"


@pytest.fixture(scope="module")
def output(ended):
    """The output folder of the command."""
    process, folder = ended
    assert folder.is_dir(), process.stderr
    return folder


@pytest.mark.parametrize("name", [one.name for one in EXPERIMENTS])
def test_every_check_passes(output, name):
    record = Record.load(output / name)
    failed = [
        f"{check.claim}: {check.measured}, expected {check.expected}"
        for check in record.checks
        if not check.passed
    ]
    assert not failed
    assert record.checks
    assert record.figures
    assert record.tables
    assert record.numbers


def test_output_of_the_command(ended):
    process, _ = ended
    assert process.returncode == 0, process.stderr
    assert "Warning" not in process.stderr
    for one in EXPERIMENTS:
        assert f"\n{one.name}  " in f"\n{process.stdout}"


@pytest.fixture(scope="module")
def browser():
    path = shutil.which("chromium")
    if path is None:
        if os.environ.get(REQUIRED):
            pytest.fail(f"{REQUIRED} is set, but there is no chromium to open the report in")
        pytest.skip(
            "there is no chromium to open the report in (on Debian: apt-get install chromium)"
        )
    from playwright.sync_api import sync_playwright

    # as root, as in continuous integration, it refuses to start with its sandbox; the opened file
    # is our own
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield opened
        opened.close()


class Opened:
    """The report in a browser that blocks all requests except the one for the report."""

    def __init__(self, browser, report: Path, size=DESKTOP, **options):
        self.requests, self.messages = [], []
        self.page = browser.new_page(viewport={"width": size[0], "height": size[1]}, **options)
        self.page.on("console", lambda message: self.messages.append(message.text))
        self.page.on("pageerror", lambda error: self.messages.append(str(error)))

        def decide(route):
            if route.request.url == report.as_uri():
                route.continue_()
            else:
                self.requests.append(route.request.url)
                route.abort()

        self.page.route("**/*", decide)
        self.page.goto(report.as_uri())
        self.page.wait_for_load_state("networkidle")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.page.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_the_report_opens_without_a_network(browser, output, size, scheme):
    with Opened(browser, output / "report.html", size, color_scheme=scheme) as opened:
        page = opened.page
        assert opened.messages == []
        assert [url for url in opened.requests if not url.startswith("data:")] == []
        expected = sum(len(Record.load(output / one.name).figures) for one in EXPERIMENTS)
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


def test_colours_follow_the_preferred_scheme(browser, output):
    seen = {}
    for scheme in ("light", "dark"):
        with Opened(browser, output / "report.html", color_scheme=scheme) as opened:
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


def test_the_contents_lead_to_the_experiments(browser, output):
    with Opened(browser, output / "report.html") as opened:
        for one in EXPERIMENTS:
            opened.page.locator("nav a", has_text=one.title).click()
            heading = opened.page.locator(f"#{one.name} h2")
            heading.wait_for()
            opened.page.wait_for_function(
                "name => { const box = document.getElementById(name).getBoundingClientRect();"
                " return box.top < innerHeight / 2 && box.bottom > 0; }",
                arg=one.name,
            )
            assert opened.page.url.endswith(f"#{one.name}")


def test_the_keyboard_reaches_the_summary_and_opens_the_details(browser, output):
    with Opened(browser, output / "report.html") as opened:
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


def test_the_page_prints(browser, output):
    with Opened(browser, output / "report.html") as opened:
        printed = opened.page.pdf(format="A4")
        assert printed.startswith(b"%PDF")
        opened.page.emulate_media(media="print")
        assert not opened.page.locator("nav").is_visible()
