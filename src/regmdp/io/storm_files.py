"""The explicit files of Storm before ``.drn``: as PRISM's, but without counts.

The first line of the ``.tra`` file is ``dtmc`` or ``mdp``. The ``.lab`` file declares labels, and
names those of states. Rewards are in files ``NAME.state.rew`` and ``NAME.trans.rew`` with the same
stem. All are read as if PRISM had written them.
"""

from __future__ import annotations

from pathlib import Path

from regmdp._internal.files import require_file
from regmdp.io.checker_kinds import require_supported
from regmdp.io.prism_parts import Parts
from regmdp.io.prism_transitions import COMMENT_PREFIX
from regmdp.io.text_files import Text, count_lines, decode_text, read_text, require_decoded

__all__ = ["StormFiles", "names_kind"]

ENDINGS = (".state.rew", ".trans.rew")


def names_kind(path: Path) -> bool:
    """Return whether the first line of a file is a word: the kind of model in Storm's files."""
    with open(require_file(path), encoding="utf-8-sig", errors="replace") as lines:
        for line in map(str.strip, lines):
            if line and not line.startswith(COMMENT_PREFIX):
                return line.isalpha()
    return False


class StormFiles(Parts):
    """Files with the same stem."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        text = read_text(path, COMMENT_PREFIX)
        self._chain = require_supported(text.lines[0], text, text.numbers[0])
        lines, words = range(1, len(text)), [line.split() for line in text.lines[1:]]
        places = [row[: 2 if self._chain else 3] for row in words]
        states = [row[0] for row in places] + [row[-1] for row in places]
        found = text.integers(states, [*lines, *lines], "a state")
        n_states = int(found.max(initial=0)) + 1
        self._sizes = f"{n_states}"
        if not self._chain:
            self._sizes += f" {len({tuple(row[:2]) for row in places})}"
        self._n_states = n_states
        self._transitions = _announce(text, self._sizes, 1)

    def read(self, suffix: str) -> Text | None:
        if suffix == ".tra":
            return self._transitions
        file = self.path.with_suffix(suffix)
        return _read_labels(file) if suffix == ".lab" and file.exists() else None

    def read_rewards(self, wanted: str | None) -> tuple[Text | None, Text | None]:
        structures: dict[str, dict[str, Path]] = {}
        for file in sorted(self.path.parent.iterdir()):
            ending = next((ending for ending in ENDINGS if file.name.endswith(ending)), None)
            stem = file.name.removesuffix(ending or "")
            if ending and (stem == self.path.stem or stem.startswith(f"{self.path.stem}.")):
                name = stem.removeprefix(f"{self.path.stem}.")
                structures.setdefault(name, {})[ending] = file
        name = self._choose(structures, wanted)
        files = {} if name is None else structures[name]
        of_states, of_transitions = (
            self._read_rewards(files.get(ending), sizes)
            for ending, sizes in zip(ENDINGS, (f"{self._n_states}", self._sizes), strict=True)
        )
        return of_states, of_transitions

    def _read_rewards(self, file: Path | None, sizes: str) -> Text | None:
        return None if file is None else _announce(read_text(file, COMMENT_PREFIX), sizes, 0)


def _announce(text: Text, sizes: str, start: int) -> Text:
    """Return lines from an index on, after a line with some sizes and their number."""
    lines, numbers = text.lines[start:], text.numbers[start:]
    first = text.numbers[0] if text.numbers else 1
    return Text(text.path, [f"{sizes} {len(lines)}", *lines], [first, *numbers], text.total)


def _read_labels(path: Path) -> Text:
    """Return the labels as PRISM writes them: ``0="init"``, and numbers for each state."""
    whole = decode_text(path)
    lines = [
        (number, line)
        for number, line in enumerate(map(str.strip, whole.split("\n")), start=1)
        if line
    ]
    numbers, texts = [number for number, _ in lines], [line for _, line in lines]
    require_decoded(path, texts, numbers)
    text = Text(path, texts, numbers, count_lines(whole))
    if "#DECLARATION" not in texts or "#END" not in texts:
        raise text.error(0, "expected labels between #DECLARATION and #END")
    first, end = texts.index("#DECLARATION"), texts.index("#END")
    names = " ".join(texts[first + 1 : end]).split()
    marks = {name: str(index) for index, name in enumerate(names)}
    found = [" ".join(f'{index}="{name}"' for name, index in marks.items())]
    for index in range(end + 1, len(texts)):
        state, *given = texts[index].split()
        unknown = [name for name in given if name not in marks]
        if unknown:
            raise text.error(index, f"the label {unknown[0]!r} is not declared")
        found.append(f"{state}: {' '.join(marks[name] for name in given)}")
    return Text(path, found, [numbers[first], *numbers[end + 1 :]], text.total)
