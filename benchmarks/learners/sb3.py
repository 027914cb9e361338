"""One run of Stable-Baselines3: python sb3.py TASK SEED; the last line is a record in JSON."""

import json
import sys
import time

import numpy as np
import sb3_contrib
import stable_baselines3
import torch
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.evaluation import evaluate_policy
from tasks import TASKS

task, seed = TASKS[sys.argv[1]], int(sys.argv[2])
torch.set_num_threads(2)
options = dict(task.peer_options)
copies = make_vec_env(task.env, n_envs=options.pop("n_envs", 1), seed=seed)
kind = getattr(stable_baselines3, task.peer, None) or getattr(sb3_contrib, task.peer)
model = kind("MlpPolicy", copies, seed=seed, device="cpu", **options)
begin = time.perf_counter()
model.learn(task.steps)
seconds = time.perf_counter() - begin
fresh = make_vec_env(task.env, n_envs=1, seed=1000)
greedy, sampled = (
    float(np.mean(evaluate_policy(model, fresh, 20, deterministic=each, return_episode_rewards=True)[0])) for each in (True, False)
)
print(json.dumps({"greedy": greedy, "sampled": sampled, "steps_per_second": model.num_timesteps / seconds}))
