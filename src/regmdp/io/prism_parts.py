"""The parts of a model of PRISM: separate files with the same stem, or sections of one file.

Each has the transitions, and perhaps labels and variables of states and several reward structures.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Iterable
from pathlib import Path

from regmdp._internal.errors import FormatError
from regmdp._internal.files import require_file
from regmdp.io.prism_transitions import COMMENT_PREFIX, read_leading_comments
from regmdp.io.text_files import Text, decode_text, read_text, require_decoded

__all__ = ["CombinedFile", "Parts", "SeparateFiles"]

#: Before version 4.8 there was a colon.
STRUCTURE_PATTERN = re.compile(r'#\s*Reward structure:?\s*(?:"(.*)")?\s*$')
SECTION_PATTERN = re.compile(
    r"#\s*(Transitions|States|Observations|Labels|State rewards|Transition rewards)\b"
)
#: Endings of the files with the same content as sections.
SUFFIXES = {
    "Transitions": ".tra",
    "States": ".sta",
    "Labels": ".lab",
    "State rewards": ".srew",
    "Transition rewards": ".trew",
}


class Parts(ABC):
    """The parts of a model."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @abstractmethod
    def read(self, suffix: str) -> Text | None:
        """Return the text of the part that a file with this ending would hold, if there is one."""

    @abstractmethod
    def read_rewards(self, wanted: str | None) -> tuple[Text | None, Text | None]:
        """Return the rewards of states and of transitions of a structure, by name.

        Raises:
            FormatError: if there is no such structure, or there are several and no name.
        """

    def _choose(self, names: Iterable[str], wanted: str | None) -> str | None:
        """Return the name of the structure to read; None if there is none."""
        known = list(names)
        if wanted is not None and wanted not in known:
            raise FormatError(
                f"{self.path} has no reward structure {wanted!r}; it has: "
                f"{', '.join(known) or 'none'}"
            )
        if wanted is None and len(known) > 1:
            raise FormatError(
                f"{self.path} has several reward structures; choose one with rewards=: "
                f"{', '.join(known)}"
            )
        return wanted if wanted is not None else next(iter(known), None)


class SeparateFiles(Parts):
    """Files with the same stem; those of several reward structures have numbers."""

    def read(self, suffix: str) -> Text | None:
        file = self.path if suffix == ".tra" else self.path.with_suffix(suffix)
        needed = file == self.path
        return read_text(file, COMMENT_PREFIX) if needed or file.exists() else None

    def read_rewards(self, wanted: str | None) -> tuple[Text | None, Text | None]:
        structures: dict[str, tuple[Path, Path]] = {}
        for stem in (self.path.stem, *(f"{self.path.stem}{number}" for number in range(1, 100))):
            files = self.path.with_name(f"{stem}.srew"), self.path.with_name(f"{stem}.trew")
            found = [file for file in files if file.exists()]
            if found:
                structures[_read_structure_name(found) or stem] = files
            if stem == self.path.stem and found and wanted is None:
                break  # without a number there is only one structure
        name = self._choose(structures, wanted)
        if name is None:
            return None, None
        of_states, of_transitions = (
            read_text(file, COMMENT_PREFIX) if file.exists() else None for file in structures[name]
        )
        return of_states, of_transitions


def _read_structure_name(files: list[Path]) -> str:
    """Return the name of the reward structure in some files, or an empty string."""
    for file in files:
        for comment in read_leading_comments(file):
            if (match := STRUCTURE_PATTERN.match(comment)) and match[1]:
                return match[1]
    return ""


class CombinedFile(Parts):
    """A file in sections, each of which begins with a comment; the first are the transitions."""

    def __init__(self, path: Path) -> None:
        super().__init__(require_file(path))
        self._parts: dict[str, Text] = {}
        self._structures: dict[str, dict[str, Text]] = {}
        suffix, name, lines = ".tra", "", list[tuple[int, str]]()
        number = 0
        for number, line in enumerate(map(str.strip, decode_text(path).split("\n")), start=1):
            if line and not line.startswith(COMMENT_PREFIX):
                lines.append((number, line))
                continue
            structure, section = STRUCTURE_PATTERN.match(line), SECTION_PATTERN.match(line)
            if structure or section:
                self._add(suffix, name, lines, number)
                lines = []
            if structure:
                suffix, name = "", structure[1] or ""
            elif section:
                suffix = SUFFIXES.get(section[1], "")
        self._add(suffix, name, lines, number)

    def _add(self, suffix: str, name: str, lines: list[tuple[int, str]], end: int) -> None:
        """Keep the lines of a section, if there are any and it is needed."""
        if not lines or not suffix:
            return
        numbers, texts = [number for number, _ in lines], [line for _, line in lines]
        require_decoded(self.path, texts, numbers)
        text = Text(self.path, texts, numbers, end)
        rewards = suffix in (".srew", ".trew")
        parts = self._find_structure(name, suffix) if rewards else self._parts
        if suffix in parts:
            raise text.error(0, "this section is repeated")
        parts[suffix] = text

    def _find_structure(self, name: str, suffix: str) -> dict[str, Text]:
        """Return the parts of a structure; one without a name is the last that misses this part."""
        last = next(reversed(self._structures), "")
        if not name and last and suffix not in self._structures[last]:
            return self._structures[last]
        name = name or f"{self.path.stem}{len(self._structures) + 1}"
        return self._structures.setdefault(name, {})

    def read(self, suffix: str) -> Text | None:
        return self._parts.get(suffix)

    def read_rewards(self, wanted: str | None) -> tuple[Text | None, Text | None]:
        name = self._choose(self._structures, wanted)
        found = {} if name is None else self._structures[name]
        return found.get(".srew"), found.get(".trew")
