"""One run of Stable-Baselines3: run_sb3.py TASK SEED [STEPS]; it ends with a record in JSON."""

import json
import sys
import time

import numpy as np
import sb3_contrib
import stable_baselines3
from curve import Curve
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.evaluation import evaluate_policy
from stable_baselines3.common.vec_env import VecNormalize
from tasks import RACES, TASKS


class CurveCallback(BaseCallback):
    """Adds the returns of the episodes to a curve."""

    def __init__(self, curve: Curve) -> None:
        super().__init__()
        self._curve, self._returns = curve, []

    def _on_step(self) -> bool:
        self._returns += [
            info["episode"]["r"] for info in self.locals["infos"] if "episode" in info
        ]
        self._curve.add(self.num_timesteps, self._returns)
        return True


task, seed = {**TASKS, **RACES}[sys.argv[1]], int(sys.argv[2])
steps = int(sys.argv[3]) if len(sys.argv) > 3 else task.steps

options = dict(task.sb3_options)
copies = make_vec_env(task.env, n_envs=options.pop("n_envs", 1), seed=seed)
normalize = options.pop("normalize", False)
if normalize:
    copies = VecNormalize(copies, gamma=options.get("gamma", 0.99))
kind = getattr(stable_baselines3, task.sb3_method, None) or getattr(sb3_contrib, task.sb3_method)
model = kind("MlpPolicy", copies, seed=seed, device="cpu", **options)
curve = Curve(steps)
begin = time.perf_counter()
model.learn(steps, callback=CurveCallback(curve))
seconds = time.perf_counter() - begin
fresh = make_vec_env(task.env, n_envs=1, seed=1000)
if normalize:
    fresh = VecNormalize(fresh, training=False, norm_reward=False)
    fresh.obs_rms = copies.obs_rms
greedy, sampled = (
    float(
        np.mean(
            evaluate_policy(model, fresh, 20, deterministic=each, return_episode_rewards=True)[0]
        )
    )
    for each in (True, False)
)
record = {
    "greedy": greedy,
    "sampled": sampled,
    "steps_per_second": model.num_timesteps / seconds,
    "pace": curve.pace(),
    "curve": curve.means(),
}
print(json.dumps(record))
