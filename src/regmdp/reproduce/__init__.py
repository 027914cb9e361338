"""The experiments of the documentation and their report: ``regmdp reproduce``.

:func:`run` runs one of them with settings of your choice:

>>> import regmdp as rm
>>> run = rm.reproduce.run("frontier", quick=True, n_states=12, policies=20)
>>> run.all_passed, run.figure_names
(True, ('frontier',))
"""

from regmdp.reproduce.experiment_run import ExperimentRun, run

__all__ = ["ExperimentRun", "run"]
