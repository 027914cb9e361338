"""Many problems at once."""

from regmdp._many.solutions import SolutionBatch
from regmdp._many.solve_many import solve_many

__all__ = ["SolutionBatch", "solve_many"]
