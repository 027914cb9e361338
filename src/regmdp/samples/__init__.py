"""Where samples come from: simulators, and logged data."""

from regmdp.samples.dataset import Dataset
from regmdp.samples.log import Log
from regmdp.samples.simulator import (
    Outcome,
    Simulator,
    TableSimulator,
    UserSimulator,
    as_simulator,
    draw_from,
)
from regmdp.samples.streams import RandomStreams
from regmdp.samples.table import Table
from regmdp.samples.walk import Episodic, SimulatedWalk, Step, Walk

__all__ = [
    "Dataset",
    "Episodic",
    "Log",
    "Outcome",
    "RandomStreams",
    "SimulatedWalk",
    "Simulator",
    "Step",
    "Table",
    "TableSimulator",
    "UserSimulator",
    "Walk",
    "as_simulator",
    "draw_from",
]
