"""``regmdp convert``: write a model in another format."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import regmdp as rm
from regmdp import io
from regmdp._internal.files import require_new_folder, require_writable
from regmdp._internal.kinds import Option, Text
from regmdp.cli.declarations import InputFile, argument, option
from regmdp.cli.goal import Goal
from regmdp.cli.loaded_problem import LoadedProblem, ModelSource
from regmdp.cli.options import (
    AvoidOption,
    DiscountOption,
    FormatName,
    FormatOption,
    GoalOption,
    GoalRewardsOption,
    MinimizeOption,
    ModelArgument,
    NormalizeOption,
    ObjectiveOption,
    ParameterOption,
    RewardsOption,
)
from regmdp.cli.progress import show_rows
from regmdp.cli.terminal import open_console
from regmdp.io import formats

__all__ = ["convert"]


def convert(
    source: ModelArgument,
    target: Annotated[
        str, argument(Text(), "The file: .npz, .tra (PRISM), .drn (Storm), or NAME.mapped.")
    ],
    format: Annotated[
        FormatName | None,
        option(
            Option(*FormatName),
            "Format to write, instead of that of the extension; needed for mdptoolbox and "
            "quantecon.",
        ),
    ] = None,
    param: ParameterOption = None,
    rewards: RewardsOption = None,
    discount: DiscountOption = None,
    goal: GoalOption = None,
    avoid: AvoidOption = None,
    objective: ObjectiveOption = None,
    minimize: MinimizeOption = False,
    goal_rewards: GoalRewardsOption = False,
    source_format: FormatOption = None,
    normalize: NormalizeOption = False,
    policy: Annotated[
        Path | None,
        option(
            InputFile(),
            "Write the Markov chain that this policy induces: a saved solution, a .npz with an "
            "array 'policy', or a .npy.",
        ),
    ] = None,
) -> None:
    """Write a model, or the Markov chain of a policy, in another format.

    What other programs see differently is printed.
    """
    out = open_console()
    entry = formats.find_format(target, format)
    if entry.write is None:
        raise rm.FormatError(f"{target} has the format {entry.name}, which cannot be written")
    if Path(target).exists() and Path(source).exists() and Path(target).samefile(source):
        raise rm.FormatError(f"{source} and {target} are the same file")
    if entry.name == "mapped":
        require_new_folder(Path(target))
    else:
        require_writable(target)
    question = Goal(goal, avoid, objective, minimize, goal_rewards)
    problem = LoadedProblem.load(
        ModelSource(source, param, discount, source_format, normalize, rewards, question)
    )
    problem.announce(out)
    mdp = problem.mdp if policy is None else rm.induced_chain(problem.mdp, io.load_policy(policy))
    notes = io.write_model(mdp, target, format=format)
    show_rows(
        out,
        [
            ("read", f"{source}: {problem.mdp!r}"),
            *([] if policy is None else [("chain", f"of {policy}: {mdp!r}")]),
            ("written", f"{target}: {entry.about}"),
            *(("note", note) for note in notes),
        ],
    )
