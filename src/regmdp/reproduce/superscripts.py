"""Superscripts and subscripts in plain text."""

from __future__ import annotations

import re

__all__ = ["scripts_to_html"]

# a group in braces, a number, or a single letter or digit at the end of a word
_SCRIPT = r"(?:\{([^{}]*)\}|(\d+|[A-Za-zα-ω*])(?![A-Za-z0-9_α-ω]))"


def scripts_to_html(text: str) -> str:
    """Replace ^ and _ and their arguments by ``<sup>`` and ``<sub>`` of HTML.

    An argument is a group in braces, which may contain groups, a number, or a single letter. Names
    with an underscore are unchanged.

    >>> scripts_to_html("γ^{t+1} C_1, S^{2^{H}}, V_t(ρ), n_states")
    'γ<sup>t+1</sup> C<sub>1</sub>, S<sup>2<sup>H</sup></sup>, V<sub>t</sub>(ρ), n_states'
    """
    before = None
    while text != before:  # from the innermost group outwards
        before = text
        for sign, tag in ((r"\^", "sup"), (r"(?<=\S)_", "sub")):
            text = re.sub(
                sign + _SCRIPT,
                lambda found, tag=tag: f"<{tag}>{found[1] or found[2]}</{tag}>",
                text,
            )
    return text
