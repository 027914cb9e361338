"""One run of regmdp: run_regmdp.py TASK SEED [STEPS]; the last line is a record in JSON."""

import json
import sys
import time

import numpy as np
from curve import Curve
from tasks import RACES, TASKS

import regmdp as rm
from regmdp import deep

task, seed = {**TASKS, **RACES}[sys.argv[1]], int(sys.argv[2])
steps = int(sys.argv[3]) if len(sys.argv) > 3 else task.steps
options = dict(task.options)
if "regularizer" in options:
    name, *arguments = options["regularizer"]
    options["regularizer"] = getattr(rm, name)(
        *(np.array(each) if isinstance(each, tuple) else each for each in arguments)
    )
for network in {"network", "critic"} & set(options):
    options[network] = deep.mlp(**options[network])
learner = getattr(deep, task.method)(task.env, seed=seed, **options)
curve = Curve(steps)
begin = time.perf_counter()
learner.learn(
    steps,
    callback=lambda event: curve.add(int(event.measures["steps"]), learner.environments.returns),
)
seconds = time.perf_counter() - begin
returns = learner.evaluate(20, seed=1000)
record = {
    "greedy": returns.greedy.mean(),
    "sampled": returns.sampled.mean(),
    "steps_per_second": learner.steps / seconds,
}
print(json.dumps({**record, "pace": curve.pace(), "curve": curve.means()}))
