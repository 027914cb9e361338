"""The methods: compositions of an evaluation and an improvement, run by one loop."""

from regmdp.algorithms.checkpoint import Checkpoint, load_checkpoint
from regmdp.algorithms.iteration import (
    ModifiedPolicyIteration,
    PolicyIteration,
    PolicyOptimization,
    ValueIteration,
)
from regmdp.algorithms.learning import (
    SoftActorCritic,
    SoftQLearning,
    StochasticAPMD,
    StochasticPMD,
    StochasticVMD,
)
from regmdp.algorithms.loop import (
    Algorithm,
    History,
    Recorder,
    Run,
    Start,
    State,
    check_and_certify,
    iterate,
    run_loop,
)
from regmdp.algorithms.mirror_descent import GPMD, PMD, TDPMD, HomotopicPMD, ValueMirrorDescent
from regmdp.algorithms.policy_gradient import NPG, FisherNPG, SoftmaxPG, SoftPolicyIteration
from regmdp.algorithms.selection import choose
from regmdp.algorithms.stopping import Tolerance
from regmdp.improvement import (
    Adaptive,
    Constant,
    Geometric,
    GeometricSteps,
    Homotopic,
    Maximum,
    StepSize,
)

__all__ = [
    "GPMD",
    "NPG",
    "PMD",
    "TDPMD",
    "Adaptive",
    "Algorithm",
    "Checkpoint",
    "Constant",
    "FisherNPG",
    "Geometric",
    "GeometricSteps",
    "History",
    "Homotopic",
    "HomotopicPMD",
    "Maximum",
    "ModifiedPolicyIteration",
    "PolicyIteration",
    "PolicyOptimization",
    "Recorder",
    "Run",
    "SoftActorCritic",
    "SoftPolicyIteration",
    "SoftQLearning",
    "SoftmaxPG",
    "Start",
    "State",
    "StepSize",
    "StochasticAPMD",
    "StochasticPMD",
    "StochasticVMD",
    "Tolerance",
    "ValueIteration",
    "ValueMirrorDescent",
    "check_and_certify",
    "choose",
    "iterate",
    "load_checkpoint",
    "run_loop",
]
