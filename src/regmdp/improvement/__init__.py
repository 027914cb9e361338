"""Improvements: from a value, or from action values, to a better policy."""

from regmdp.improvement.greedy import Greedy, Improved

__all__ = ["Greedy", "Improved"]
