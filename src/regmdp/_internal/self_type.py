"""The type of an instance's own class, as type checkers know it.

A run-time check of a single method does not know the class, and takes anything.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from typing import Self
else:
    Self = Any

__all__ = ["Self"]
