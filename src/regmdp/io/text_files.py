"""Lines of text files, and errors that name the line."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from os import PathLike
from pathlib import Path

import numpy as np

from regmdp._internal.arrays import Float, Int
from regmdp._internal.errors import FormatError
from regmdp._internal.files import require_file

__all__ = ["Text", "count_lines", "decode_text", "read_text", "require_decoded"]

#: What stands for a byte that is not text in UTF-8.
SURROGATE_PATTERN = re.compile("[\udc80-\udcff]")


@dataclass(frozen=True)
class Text:
    """The lines of a file without blank lines and comments.

    Attributes:
        path: The file.
        lines: The n lines, stripped.
        numbers: Their numbers in the file, from 1.
        total: The number of lines of the whole file.
    """

    path: Path
    lines: list[str]
    numbers: list[int]
    total: int

    def __len__(self) -> int:
        return len(self.lines)

    def error(self, index: int, problem: str) -> FormatError:
        """Return an error about a line by index; past the end it says that the file ends there."""
        if index < len(self.lines):
            return self.error_at(self.numbers[index], problem)
        return self.error_at(self.total, f"the file ends here; {problem}")

    def error_at(self, number: int, problem: str) -> FormatError:
        """Return an error about a line by its number in the file."""
        return FormatError(f"{self.path}, line {number}: {problem}")

    def integers(
        self, tokens: Sequence[str], indices: Sequence[int], what: str, limit: int | None = None
    ) -> Int[np.ndarray, " n"]:
        """(n,) words and the indices of their lines -> (n,) integers from 0 to ``limit - 1``."""
        try:
            values = np.fromiter(map(int, tokens), np.int64, len(tokens))
            plain = "_" not in "".join(tokens)
        except (ValueError, OverflowError):
            values, plain = np.empty(0, dtype=np.int64), False
        if not plain:
            bad = next(
                i for i, token in enumerate(tokens) if not (token.isdecimal() and len(token) < 19)
            )
            raise self.error(
                indices[bad], f"expected {what}, an integer, and found {tokens[bad]!r}"
            )
        wrong = values < 0 if limit is None else (values < 0) | (values >= limit)
        if wrong.any():
            bad = int(np.argmax(wrong))
            allowed = "of 0 or more" if limit is None else f"from 0 to {limit - 1}"
            raise self.error(indices[bad], f"expected {what} {allowed}, and found {tokens[bad]}")
        return values

    def reals(
        self, tokens: Sequence[str], indices: Sequence[int], what: str
    ) -> Float[np.ndarray, " n"]:
        """(n,) words and the indices of their lines -> (n,) finite numbers; 1/3 is one, too."""
        try:
            values = np.fromiter(map(float, tokens), np.float64, len(tokens))
            plain = "_" not in "".join(tokens)
        except ValueError:
            values, plain = np.empty(0), False
        if not plain:
            values = np.array(
                [
                    self.real(token, index, what)
                    for token, index in zip(tokens, indices, strict=True)
                ]
            )
        wrong = ~np.isfinite(values)
        if wrong.any():
            bad = int(np.argmax(wrong))
            self.real(tokens[bad], indices[bad], what)
        return values

    def probabilities(
        self, tokens: Sequence[str], indices: Sequence[int]
    ) -> Float[np.ndarray, " n"]:
        """(n,) words and the indices of their lines -> (n,) numbers from 0 to 1."""
        values = self.reals(tokens, indices, "a probability")
        wrong = (values < 0) | (values > 1 + 1e-9)
        if wrong.any():
            bad = int(np.argmax(wrong))
            raise self.error(
                indices[bad], f"expected a probability from 0 to 1, and found {tokens[bad]}"
            )
        return values

    def real(self, token: str, index: int, what: str) -> float:
        """Return a word in the line of an index as a finite number."""
        try:
            value = float(Fraction(token)) if "/" in token else float(token)
            if "_" not in token and math.isfinite(value):
                return value
        except (ValueError, ZeroDivisionError, OverflowError):
            pass
        hint = " (models with intervals are not supported)" if token.startswith("[") else ""
        raise self.error(index, f"expected {what}, a finite number, and found {token!r}{hint}")


def read_text(path: str | PathLike[str], comment: str) -> Text:
    """Read the lines of a file.

    Args:
        path: The file.
        comment: The first characters of comment lines.

    Raises:
        FormatError: if it is not text in UTF-8, comments apart.
        FileNotFoundError: if there is no such file.
    """
    path = require_file(path)
    whole = decode_text(path)
    lines = list(map(str.strip, whole.split("\n")))
    numbers = [
        number
        for number, line in enumerate(lines, start=1)
        if line and not line.startswith(comment)
    ]
    kept = [lines[number - 1] for number in numbers]
    require_decoded(path, kept, numbers)
    return Text(path, kept, numbers, count_lines(whole))


def decode_text(path: Path) -> str:
    """Return the text of a file in UTF-8, with surrogates for bytes that are not."""
    return path.read_bytes().decode("utf-8-sig", errors="surrogateescape")


def require_decoded(path: Path, parts: Sequence[str], numbers: Sequence[int]) -> None:
    """Check that no part of a text, each in a line by number, has surrogates.

    Raises:
        FormatError: naming the first line and the byte.
    """
    for part, number in zip(parts, numbers, strict=True):
        if not part.isascii() and (found := SURROGATE_PATTERN.search(part)):
            raise FormatError(
                f"{path}, line {number}: expected text in UTF-8, and found the byte "
                f"0x{ord(found[0]) - 0xDC00:02x}"
            )


def count_lines(whole: str) -> int:
    """Return the number of lines of a text, at least 1."""
    return max(1, whole.count("\n") + (not whole.endswith("\n")))
