"""The words of files of Cassandra's format."""

from __future__ import annotations

from pathlib import Path

from regmdp._internal.errors import FormatError
from regmdp._internal.files import require_file
from regmdp.io.text_files import Text

__all__ = ["read_words"]

SIGNS = ("+", "-")


def read_words(path: Path) -> Text:
    """Return the words of a file, each as a line of the result."""
    content = require_file(path).read_bytes()
    try:
        whole = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise FormatError(
            f"{path}, line {line}: expected text in UTF-8, and found the byte "
            f"0x{content[error.start]:02x}"
        ) from None
    words: list[str] = []
    numbers: list[int] = []
    for number, line in enumerate(whole.replace(":", " : ").split("\n"), start=1):
        found = _join_signs(line.partition("#")[0].split())
        words += found
        numbers += [number] * len(found)
    return Text(path, words, numbers, max(1, whole.count("\n") + (not whole.endswith("\n"))))


def _join_signs(words: list[str]) -> list[str]:
    """Join signs that stand alone with the words after them."""
    joined: list[str] = []
    for word in words:
        if joined and joined[-1] in SIGNS:
            joined[-1] += word
        else:
            joined.append(word)
    return joined
