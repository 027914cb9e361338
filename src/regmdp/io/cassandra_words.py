"""The words of files of Cassandra's format."""

from __future__ import annotations

from pathlib import Path

from regmdp._internal.files import require_file
from regmdp.io.text_files import Text, count_lines, decode_text, require_decoded

__all__ = ["read_words"]

SIGNS = ("+", "-")


def read_words(path: Path) -> Text:
    """Return the words of a file, each as a line of the result."""
    path = require_file(path)
    whole = decode_text(path)
    words: list[str] = []
    numbers: list[int] = []
    for number, line in enumerate(whole.replace(":", " : ").split("\n"), start=1):
        found = _join_signs(line.partition("#")[0].split())
        words += found
        numbers += [number] * len(found)
    require_decoded(path, words, numbers)
    return Text(path, words, numbers, count_lines(whole))


def _join_signs(words: list[str]) -> list[str]:
    """Join signs that stand alone with the words after them."""
    joined: list[str] = []
    for word in words:
        if joined and joined[-1] in SIGNS:
            joined[-1] += word
        else:
            joined.append(word)
    return joined
