"""Sentences about what a run has shown, for captions and alternative texts."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["count_things", "join_names", "join_sentences"]


def count_things(number: int, total: int, things: str) -> str:
    """Return how many of some things there are, as the object of a sentence.

    >>> count_things(3, 3, "panels"), count_things(2, 3, "panels"), count_things(0, 3, "panels")
    ('all 3 panels', '2 of 3 panels', 'none of 3 panels')
    """
    if number == total:
        return f"all {total} {things}"
    return f"{number if number else 'none'} of {total} {things}"


def join_names(names: Sequence[str]) -> str:
    """Return names as a list in a sentence.

    >>> join_names(["a"]), join_names(["a", "b"]), join_names(["a", "b", "c"])
    ('a', 'a and b', 'a, b and c')
    """
    return " and ".join(filter(None, [", ".join(names[:-1]), names[-1]]))


def join_sentences(*parts: str | tuple[bool, str]) -> str:
    """Return sentences joined by spaces; one with a condition is left out unless it holds.

    >>> join_sentences("A.", (True, "B."), (False, "C."))
    'A. B.'
    """
    chosen = (part if isinstance(part, str) else part[1] if part[0] else "" for part in parts)
    return " ".join(filter(None, chosen))
