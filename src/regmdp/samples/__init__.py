"""Where samples come from: simulators, and logged data."""

from regmdp.samples.dataset import Dataset
from regmdp.samples.offline import OfflineMDP
from regmdp.samples.rollout import EpisodicProcess, Rollout, SimulatedRollout, Step
from regmdp.samples.simulator import (
    Outcome,
    Simulator,
    TableSimulator,
    UserSimulator,
    as_simulator,
    draw_categorical,
)
from regmdp.samples.streams import RandomStreams
from regmdp.samples.transition_sampler import TransitionSampler

__all__ = [
    "Dataset",
    "EpisodicProcess",
    "OfflineMDP",
    "Outcome",
    "RandomStreams",
    "Rollout",
    "SimulatedRollout",
    "Simulator",
    "Step",
    "TableSimulator",
    "TransitionSampler",
    "UserSimulator",
    "as_simulator",
    "draw_categorical",
]
