"""Arguments and options that several commands share."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, TypeAlias

import typer

import regmdp as rm
from regmdp._internal.kinds import Number, Option, Text
from regmdp.cli.declarations import Assignment, argument, declaration_of, option

__all__ = [
    "TOL",
    "AbsoluteTolOption",
    "AvoidOption",
    "DiscountOption",
    "FormatName",
    "FormatOption",
    "GoalOption",
    "GoalRewardsOption",
    "MinimizeOption",
    "ModelArgument",
    "NormalizeOption",
    "ObjectiveName",
    "ObjectiveOption",
    "ParameterOption",
    "ReferenceOption",
    "RegularizerOption",
    "RewardsOption",
    "TemperatureOption",
]

#: What the tolerances of ``solve`` may be.
TOL = declaration_of(rm.solve, "tol")
ABSOLUTE_TOL = declaration_of(rm.solve, "absolute_tol")


class FormatName(StrEnum):
    """Values of --format."""

    npz = "npz"
    mapped = "mapped"
    prism = "prism"
    pexp = "pexp"
    drn = "drn"
    mdptoolbox = "mdptoolbox"
    quantecon = "quantecon"
    cassandra = "cassandra"


ModelArgument: TypeAlias = Annotated[
    str,
    argument(
        Text(),
        "A named model (see: regmdp models), a file (.npz, .tra, .pexp, .drn, .mdp, .pomdp), a "
        "folder, or gymnasium:ID, as in gymnasium:Taxi-v4.",
    ),
]
ParameterOption: TypeAlias = Annotated[
    list[str] | None,
    option(
        Assignment(),
        "Parameter of a named model, as in -p n_states=1000, or rewards=NAME for a file with "
        "several rewards; may be repeated.",
        "--param",
        "-p",
    ),
]
AbsoluteTolOption: TypeAlias = Annotated[
    float | None,
    option(
        ABSOLUTE_TOL,
        "Certified gap in the unit of the rewards, instead of --tol.",
    ),
]
DiscountOption: TypeAlias = Annotated[
    float | None, option(Number(0.0, 1.0), "Discount, instead of the model's own.")
]
FormatOption: TypeAlias = Annotated[
    FormatName | None,
    option(Option(*FormatName), "Format of the model file, instead of that of its extension."),
]
RewardsOption: TypeAlias = Annotated[
    str | None, option(Text(), "Name of the rewards to read, if a file has several.")
]


class ObjectiveName(StrEnum):
    """Values of --objective."""

    reward = "reward"
    reach = "reach"
    steps = "steps"


GoalOption: TypeAlias = Annotated[
    list[str] | None,
    option(
        Text(), "Label, name or number of a state whose reaching ends the episode; may be repeated."
    ),
]
AvoidOption: TypeAlias = Annotated[
    list[str] | None,
    option(
        Text(),
        "Label, name or number of a state not to enter before the goal; may be repeated.",
    ),
]
ObjectiveOption: TypeAlias = Annotated[
    ObjectiveName | None,
    option(
        Option(*ObjectiveName),
        "What counts until the goal: the reward (the default), the probability to reach it, or the "
        "steps.",
    ),
]
MinimizeOption: TypeAlias = Annotated[
    bool, typer.Option("--minimize", help="Minimise it, as a cost, instead of maximising it.")
]
GoalRewardsOption: TypeAlias = Annotated[
    bool, typer.Option("--goal-rewards", help="Count the goal's own rewards, too.")
]
NormalizeOption: TypeAlias = Annotated[
    bool,
    typer.Option(
        "--normalize", help="Divide probabilities by their sums, for files with few digits."
    ),
]
RegularizerOption: TypeAlias = Annotated[
    str,
    option(
        Text(),
        "Regularizer of the policy: none, kl, shannon, squared-l2, tsallis:q=1.5, "
        "renyi:alpha=0.5, log-barrier.",
    ),
]
TemperatureOption: TypeAlias = Annotated[
    float | None,
    option(Number(minimum=0.0), "Temperature of the regularizer, in the unit of the rewards."),
]
ReferenceOption: TypeAlias = Annotated[
    str | None,
    option(Text(), "Reference policy: uniform, one that comes with the model (expert), or a file."),
]
