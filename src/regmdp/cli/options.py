"""Arguments and options that several commands share."""

from __future__ import annotations

from typing import Annotated, TypeAlias

import typer

__all__ = [
    "AbsoluteTolOption",
    "DiscountOption",
    "ModelArgument",
    "NormalizeOption",
    "ParameterOption",
    "ReferenceOption",
    "RegularizerOption",
    "TemperatureOption",
]

ModelArgument: TypeAlias = Annotated[
    str,
    typer.Argument(
        help=(
            "A named model (see: regmdp models), a file (.npz, .tra, .drn, .mdp), a folder, or "
            "gymnasium:ID, as in gymnasium:Taxi-v4."
        )
    ),
]
ParameterOption: TypeAlias = Annotated[
    list[str] | None,
    typer.Option(
        "--param",
        "-p",
        help=(
            "Parameter of a named model, as in -p n_states=1000, or rewards=NAME for a file with "
            "several rewards; may be repeated."
        ),
    ),
]
AbsoluteTolOption: TypeAlias = Annotated[
    float | None,
    typer.Option(help="Certified gap in the unit of the rewards, instead of --tol."),
]
DiscountOption: TypeAlias = Annotated[
    float | None, typer.Option(help="Discount, instead of the model's own.")
]
NormalizeOption: TypeAlias = Annotated[
    bool,
    typer.Option(
        "--normalize", help="Divide probabilities by their sums, for files with few digits."
    ),
]
RegularizerOption: TypeAlias = Annotated[
    str,
    typer.Option(
        help=(
            "Regularizer of the policy: none, kl, shannon, squared-l2, tsallis:q=1.5, "
            "renyi:alpha=0.5, log-barrier."
        )
    ),
]
TemperatureOption: TypeAlias = Annotated[
    float | None, typer.Option(help="Temperature of the regularizer, in the unit of the rewards.")
]
ReferenceOption: TypeAlias = Annotated[
    str | None,
    typer.Option(
        help="Reference policy: uniform, one that comes with the model (expert), or a file."
    ),
]
