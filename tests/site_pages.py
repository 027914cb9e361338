"""The built site, and a browser page that sees its files and no network."""

import mimetypes
import os
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

#: Environment variable that names another folder in which the site has been built.
PLACE = "REGMDP_SITE"

#: Environment variable of continuous integration that makes the built site mandatory.
REQUIRED = "REGMDP_REQUIRE_SITE"

#: Where the browser believes the site to be. The name is reserved, so that it exists nowhere.
ORIGIN = "http://site.invalid"

PHONE = {"width": 390, "height": 844}


def find_site() -> Path | None:
    """Return the folder of the site; None if it has not been built, and need not be."""
    folder = Path(os.environ.get(PLACE) or Path(__file__).resolve().parents[1] / "build/docs/html")
    built = (folder / "index.html").exists()
    return folder if built or os.environ.get(REQUIRED) else None


@pytest.fixture(scope="module")
def site():
    """The folder of the site."""
    folder = find_site()
    assert folder is not None, "the site is not built: make -C docs html"
    assert (folder / "index.html").exists(), f"{REQUIRED} is set, but the site is not in {folder}"
    return folder


class Visitor:
    """A page of a browser that gets the files of the site, and nothing else.

    Attributes:
        page: The page, of Playwright.
        problems: Messages on the console, and requests that were refused.
    """

    def __init__(self, browser, site: Path, **options):
        self.site, self.problems = site, []
        self.page = browser.new_page(**{"viewport": PHONE, **options})
        self.page.on("console", lambda message: self.problems.append(message.text))
        self.page.on("pageerror", lambda error: self.problems.append(str(error)))
        self.page.route("**/*", self._answer)

    def _answer(self, route):
        url = urlsplit(route.request.url)
        file = self.site / unquote(url.path).lstrip("/")
        if f"{url.scheme}://{url.netloc}" != ORIGIN or not file.is_file():
            self.problems.append(f"asks for {route.request.url}")
            route.abort()
            return
        kind = mimetypes.guess_type(file.name)[0] or "application/octet-stream"
        route.fulfill(body=file.read_bytes(), content_type=f"{kind}; charset=utf-8")

    def open(self, path: str) -> None:
        self.page.goto(f"{ORIGIN}/{path}")
        self.page.wait_for_load_state("load")

    def set_scheme(self, scheme: str) -> None:
        """Prefer light or dark, and wait until the page has changed its colours."""
        self.page.emulate_media(color_scheme=scheme)
        self.page.wait_for_function(
            "scheme => matchMedia(`(prefers-color-scheme: ${scheme})`).matches", arg=scheme
        )
        self.page.evaluate("new Promise(done => requestAnimationFrame(() => done()))")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.page.close()
