"""Trade-off between value and divergence from a reference policy, bounded from both sides."""

from regmdp._frontier.result import Frontier, make_writers
from regmdp._frontier.search import frontier
from regmdp._frontier.temperatures import default_temperatures

__all__ = ["Frontier", "default_temperatures", "frontier", "make_writers"]
