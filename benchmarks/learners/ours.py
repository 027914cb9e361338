"""One run of ours: python ours.py TASK SEED; the last line is a record in JSON."""

import json
import sys
import time

from tasks import TASKS

import regmdp as rm
from regmdp import deep

task, seed = TASKS[sys.argv[1]], int(sys.argv[2])
options = dict(task.options)
if "regularizer" in options:
    name, *arguments = options["regularizer"]
    options["regularizer"] = getattr(rm, name)(*arguments)
learner = getattr(deep, task.method)(task.env, seed=seed, **options)
begin = time.perf_counter()
learner.learn(task.steps)
seconds = time.perf_counter() - begin
returns = learner.evaluate(20, seed=1000)
record = {"greedy": returns.greedy.mean(), "sampled": returns.sampled.mean(), "steps_per_second": learner.steps / seconds}
print(json.dumps(record))
