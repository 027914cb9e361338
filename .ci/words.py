"""Finds words that the project does not use, in source files and documents.

    python .ci/words.py [FILE OR FOLDER]...

They are plain to few readers whose first language is another one, or mark a private dialect. The
exit code is 1 if one is found. An exception stands in the list below, with its reason.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]

WORDS = (
    "nobody",
    "anybody",
    "somebody",
    "whoever",
    "for ever",
    "forever",
    "is worth",
    "are worth",
    "what comes of",
    "like that",
    "in place of",
    "told",
    "untold",
    "laid against",
    "of one's own",
    "wander(?:s|ed|ing)?",
    "trembl(?:e|es|ing)",
    "judg(?:e|es|ed|ing)",
    "far-sighted",
    "front door",
    "listeners?",
    "taken out of account",
)

#: (end of a file's name, part of a line that may hold the word there, the reason).
EXCEPTIONS: tuple[tuple[str, str, str], ...] = (("CHANGELOG.md", " → ", "the names before"),)

PATTERN = re.compile(rf"(?<![\w-])(?:{'|'.join(WORDS)})(?![\w-])", re.IGNORECASE)


def find_words(path: Path) -> list[str]:
    """Return the lines of a file that hold one of the words, each with its place."""
    found = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        match = PATTERN.search(line)
        excused = any(str(path).endswith(end) and part in line for end, part, _ in EXCEPTIONS)
        if match and not excused:
            found.append(f"{path.relative_to(ROOT)}:{number}: {match.group()!r}: {line.strip()}")
    return found


def main(arguments: list[str]) -> int:
    """Search the files or folders named, or the sources and all documents."""
    names = arguments or [
        "src",
        "docs",
        "examples",
        "README.md",
        "CONTRIBUTING.md",
        "changelog.d",
        "CHANGELOG.md",
    ]
    listed = subprocess.run(
        ["git", "ls-files", *names], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split()
    files = [ROOT / name for name in listed if name.endswith((".py", ".md", ".html"))]
    found = [line for path in files if path.exists() for line in find_words(path)]
    print("\n".join(found) if found else f"{len(files)} files use none of the words to avoid")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
