"""Many problems at once."""

from regmdp._many.entry import solve_many
from regmdp._many.solutions import SolutionBatch

__all__ = ["SolutionBatch", "solve_many"]
