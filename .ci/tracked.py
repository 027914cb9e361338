"""Finds tracked files that do not belong to the project, such as what a script wrote by accident.

    python .ci/tracked.py

The exit code is 1 if one is found. A new file or folder in the root is entered below.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]

#: The folders of the root. What the library writes when it is tried belongs in none of them.
FOLDERS = {
    ".ci",
    ".github",
    "benchmarks",
    "changelog.d",
    "conda",
    "docs",
    "examples",
    "src",
    "tests",
}

#: The files of the root.
FILES = {
    ".gitattributes",
    ".gitignore",
    ".pre-commit-config.yaml",
    "CHANGELOG.md",
    "CITATION.cff",
    "CODE_OF_CONDUCT.md",
    "CONTRIBUTING.md",
    "LICENSE",
    "README.md",
    "SECURITY.md",
    "conftest.py",
    "pyproject.toml",
    "requirements.lock",
}

#: Ends of the names of files that the library writes; none is a source in these folders.
WRITTEN = (".npz", ".npy", ".bin", ".csv", ".tra", ".drn", ".pyc")
SOURCES = (".ci", ".github", "changelog.d", "src")


def find_strays(names: Iterable[str]) -> list[str]:
    """Return the paths, relative to the root, that do not belong to the project."""
    strays = []
    for name in names:
        top, _, rest = name.partition("/")
        known = top in FOLDERS if rest else top in FILES
        if not known or (top in SOURCES and name.endswith(WRITTEN)):
            strays.append(name)
    return strays


def main() -> int:
    """Search the files that git tracks."""
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split("\0")
    names = [name for name in listed if name]
    strays = find_strays(names)
    lines = [f"{name} is tracked, but belongs to no folder of the project" for name in strays]
    print(
        "\n".join([*lines, "remove them, or enter them in .ci/tracked.py"])
        if strays
        else f"{len(names)} tracked files belong to the project"
    )
    return 1 if strays else 0


if __name__ == "__main__":
    sys.exit(main())
