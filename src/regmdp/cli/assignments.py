"""Options of the form NAME=VALUE."""

from __future__ import annotations

from regmdp import RegmdpError

__all__ = ["parse_assignment"]


def parse_assignment(option: str, text: str) -> tuple[str, str]:
    """Return the name and the value of a text such as ``n_states=7``.

    Dashes in the name become underscores.

    Args:
        option: The option, for the message.
        text: The text.

    Raises:
        RegmdpError: if there is no name or no equals sign.
    """
    name, equals, value = text.partition("=")
    if not equals or not name.strip():
        raise RegmdpError(f"{option} takes name=value, not {text!r}")
    return name.strip().replace("-", "_"), value
