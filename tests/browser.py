"""The browser in which tests open pages: Debian's chromium, driven by Playwright."""

import os
import shutil

import pytest

#: Environment variable of continuous integration that makes the browser mandatory.
REQUIRED = "REGMDP_REQUIRE_BROWSER"


@pytest.fixture(scope="module")
def browser():
    path = shutil.which("chromium")
    if path is None:
        if os.environ.get(REQUIRED):
            pytest.fail(f"{REQUIRED} is set, but there is no chromium to open the pages in")
        pytest.skip(
            "there is no chromium to open the pages in (on Debian: apt-get install chromium)"
        )
    from playwright.sync_api import sync_playwright

    # as root, as in continuous integration, it refuses to start with its sandbox; the opened files
    # are our own
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield opened
        opened.close()
