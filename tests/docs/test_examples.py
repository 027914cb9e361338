"""The documents: every example runs, every command works and prints what is shown, every link leads
somewhere.
"""

import doctest
import re
import shlex
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from data import folder
from tiers import tiered
from typer.testing import CliRunner

from regmdp.cli import app

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
#: Data sets that a reader of a page has put beside it.
DATA = ("rust_bus", "sioux_falls")
FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE

IDS = [str(page.relative_to(ROOT)) for page in PAGES]
each_page = pytest.mark.parametrize("page", PAGES, ids=IDS)


class Block(NamedTuple):
    """A fenced block: its language, the number of its first line of text, and the text."""

    language: str
    line: int
    text: str


def blocks(page: Path) -> list[Block]:
    found: list[Block] = []
    opened: tuple[str, int] | None = None
    lines = page.read_text(encoding="utf-8").splitlines()
    for number, line in enumerate(lines, start=1):
        if not line.startswith("```"):
            continue
        if opened is None:
            opened = line.removeprefix("```").strip(), number
        else:
            found.append(
                Block(opened[0], opened[1] + 1, "\n".join(lines[opened[1] : number - 1]) + "\n")
            )
            opened = None
    assert opened is None, f"{page}:{opened[1]}: this block is not closed"
    return found


def prose(page: Path) -> str:
    """The page without its fenced blocks."""
    return re.sub(
        r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE
    )


def run_session(page: Path, block: Block, namespace: dict[str, Any]) -> str:
    """Run a block of >>> lines; return what went wrong."""
    report: list[str] = []
    test = doctest.DocTestParser().get_doctest(
        block.text, namespace, page.name, str(page), block.line - 1
    )
    doctest.DocTestRunner(optionflags=FLAGS, verbose=False).run(
        test, out=report.append, clear_globs=False
    )
    namespace.update(test.globs)
    return "".join(report)


def run_script(page: Path, block: Block, namespace: dict[str, Any]) -> str:
    """Run a block of plain code, its lines numbered as in the page; return what went wrong."""
    try:
        exec(compile("\n" * (block.line - 1) + block.text, str(page), "exec"), namespace)
    except Exception:
        return traceback.format_exc()
    return ""


def commands(block: Block) -> Iterator[tuple[int, str, str]]:
    """Line, command and shown output of what a block of commands runs; only a console block shows
    output.
    """
    if block.language not in ("", "console", "sh", "bash"):
        return
    lines = block.text.splitlines()
    for index, line in enumerate(lines):
        prompt = line.startswith("$ ")
        command = line.removeprefix("$ ")
        if not command.startswith("regmdp "):
            continue
        shown = []
        for following in lines[index + 1 :] if prompt else []:
            if following.startswith("$ "):
                break
            shown.append(following)
        yield block.line + index, command, "\n".join(shown)


def run_commands(block: Block) -> str:
    """Run the block's commands; return what went wrong."""
    problems = []
    for line, command, shown in commands(block):
        result = CliRunner().invoke(
            app, shlex.split(command)[1:], env={"COLUMNS": "200", "NO_COLOR": "1"}
        )
        if result.exit_code != 0:
            problems.append(
                f"line {line}: {command} ended with {result.exit_code}: {result.exception!r}\n"
                f"{result.output}"
            )
        elif shown.strip() and not doctest.OutputChecker().check_output(
            shown + "\n", result.stdout, FLAGS
        ):
            problems.append(f"line {line}: {command} printed\n{result.stdout}")
    return "\n".join(problems)


#: Those whose examples take long.
SLOW = {
    ROOT / "docs" / name
    for name in (
        "deep.md",
        "figures.md",
        "sampling.md",
        "tutorials/frontier.md",
        "tutorials/inverse.md",
        "tutorials/rust.md",
    )
}


@pytest.mark.parametrize(
    "page", tiered(PAGES, [page for page in PAGES if page not in SLOW]), ids=IDS
)
def test_blocks_run(page, tmp_path, monkeypatch):
    # one namespace and one folder a page: later blocks use what earlier ones made
    monkeypatch.chdir(tmp_path)
    for name in DATA:
        if f'"{name}"' in page.read_text(encoding="utf-8"):
            (tmp_path / name).symlink_to(folder(name), target_is_directory=True)
    namespace: dict[str, Any] = {"__name__": page.stem}
    problems = []
    for block in blocks(page):
        if block.language == "python":
            run = run_session if ">>> " in block.text else run_script
            problem = run(page, block, namespace)
        else:
            problem = run_commands(block)
        if problem:
            problems.append(f"{page.relative_to(ROOT)}:{block.line}: this block fails\n{problem}")
    if problems:
        pytest.fail("\n\n".join(problems), pytrace=False)


def anchors(page: Path) -> set[str]:
    """The names under which a page's headings can be linked to."""
    headings = re.findall(r"^#+ +(.+?) *$", prose(page), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@each_page
def test_links_lead_somewhere(page):
    broken = []
    for target in re.findall(r"\]\(([^)\s]+)\)", prose(page)):
        if re.match(r"[a-z]+:", target):  # of the web
            continue
        path, _, anchor = target.partition("#")
        file = (page.parent / path).resolve() if path else page
        if not file.exists() or (anchor and anchor not in anchors(file)):
            broken.append(target)
    assert not broken, f"{page.relative_to(ROOT)} links to what is not there: {', '.join(broken)}"


def test_every_page_is_reachable_from_the_index():
    index = prose(ROOT / "docs" / "index.md")
    pages = {page.name for page in (ROOT / "docs").glob("*.md")} - {"index.md"}
    assert pages == {name for name in pages if f"({name})" in index}


def test_the_readme_begins_with_the_two_commands():
    # continuous integration takes them from there
    first = blocks(ROOT / "README.md")[0]
    assert first.language != "python"
    assert first.text.splitlines() == [
        (
            "python -m pip install '.[icu]' && regmdp solve icu-sepsis --regularizer kl "
            "--reference expert --temperature 0.01"
        ),
        "python -m pip install -e '.[dev]' && pytest",
    ]
    assert first.line < 10
