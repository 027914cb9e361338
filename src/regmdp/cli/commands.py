"""``regmdp solve``, ``certify`` and ``show``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

import regmdp as rm
from regmdp import io
from regmdp._internal.files import save_or_rescue
from regmdp._internal.kinds import Integer, Number, Option, Text
from regmdp.cli.declarations import InputFile, OutputFile, argument, declaration_of, option
from regmdp.cli.exit_codes import INTERRUPTED, NOT_MET
from regmdp.cli.goal import Goal
from regmdp.cli.loaded_problem import LoadedProblem, ModelSource
from regmdp.cli.methods import AlgorithmName, make_algorithm
from regmdp.cli.options import (
    TOL,
    AbsoluteTolOption,
    AvoidOption,
    DiscountOption,
    FormatOption,
    GoalOption,
    GoalRewardsOption,
    MinimizeOption,
    ModelArgument,
    NormalizeOption,
    ObjectiveOption,
    ParameterOption,
    ReferenceOption,
    RegularizerOption,
    RewardsOption,
    TemperatureOption,
)
from regmdp.cli.progress import IterationLine, show_rows
from regmdp.cli.terminal import open_console
from regmdp.mdp.objective import describe_value

__all__ = ["certify", "show", "solve"]

#: What the largest number of iterations may be.
MAX_ITERATIONS = declaration_of(rm.solve, "max_iterations")


def solve(
    model: ModelArgument,
    regularizer: RegularizerOption = "none",
    temperature: TemperatureOption = None,
    reference: ReferenceOption = None,
    param: ParameterOption = None,
    rewards: RewardsOption = None,
    discount: DiscountOption = None,
    goal: GoalOption = None,
    avoid: AvoidOption = None,
    objective: ObjectiveOption = None,
    minimize: MinimizeOption = False,
    goal_rewards: GoalRewardsOption = False,
    format: FormatOption = None,
    normalize: NormalizeOption = False,
    algorithm: Annotated[
        AlgorithmName, option(Option(*AlgorithmName), "Method.")
    ] = AlgorithmName.auto,
    step_size: Annotated[
        str | None,
        option(
            Text(), "Step size of the method: a number, maximum, geometric, adaptive or homotopic."
        ),
    ] = None,
    tol: Annotated[
        float,
        option(
            TOL,
            "Certified gap to reach, divided by the size of the values.",
        ),
    ] = 1e-9,
    absolute_tol: AbsoluteTolOption = None,
    max_iterations: Annotated[
        int | None,
        option(MAX_ITERATIONS, "Largest number of iterations."),
    ] = None,
    start: Annotated[
        Path | None,
        option(InputFile(), "A saved solution to continue from, for example after an interrupt."),
    ] = None,
    checkpoint: Annotated[
        Path | None,
        option(OutputFile(), "File to which the value is written while the run goes on."),
    ] = None,
    checkpoint_minutes: Annotated[
        float, option(Number(above=0.0), "Minutes between checkpoints.")
    ] = 10.0,
    checkpoint_iterations: Annotated[
        int | None, option(Integer(), "Iterations between checkpoints.")
    ] = None,
    resume: Annotated[
        bool,
        typer.Option("--resume", help="Start from the file of --checkpoint, if it is there."),
    ] = False,
    output: Annotated[
        Path | None, option(OutputFile(), "File for the solution.", "--output", "-o")
    ] = None,
) -> None:
    """Solve a model, print the policy's value with certified bounds, and save the solution.

    Under mpiexec, all processes share the model, which must be a mapped folder.

    Exit code: 0 if the tolerance was met, 3 if not, 130 if interrupted (the last iterate is saved),
    1 on an error.
    """
    out = open_console()
    question = Goal(goal, avoid, objective, minimize, goal_rewards)
    source = ModelSource(model, param, discount, format, normalize, rewards, question)
    problem = LoadedProblem.load(source, regularizer, temperature, reference)
    problem.announce(out)
    path = output or Path(f"{problem.name}-policy.npz")
    OutputFile().require(path)
    before = None if start is None else rm.Solution.load(start)
    if resume and checkpoint is None:
        raise rm.SolverError("--resume needs --checkpoint, the file to go on from")
    if resume and checkpoint is not None and checkpoint.exists():
        before = rm.algorithms.load_checkpoint(checkpoint, problem.mdp)
    method = make_algorithm(algorithm, step_size)
    with IterationLine(open_console(stderr=True)) as progress:
        solution = rm.solve(
            problem.mdp,
            problem.regularizer,
            method,
            tol=tol,
            absolute_tol=absolute_tol,
            max_iterations=max_iterations,
            start=before,
            callback=[
                progress,
                *_make_checkpoints(
                    checkpoint, problem.mdp, checkpoint_minutes, checkpoint_iterations
                ),
            ],
        )
    save_or_rescue(path, solution.save)
    rows = [*solution.lines(), *problem.compare_with_reference(solution.policy)]
    show_rows(out, [*rows, ("saved", str(path))])
    if solution.status is rm.Status.INTERRUPTED:
        raise typer.Exit(INTERRUPTED)
    if not solution.status.ok:
        raise typer.Exit(NOT_MET)


def _make_checkpoints(
    path: Path | None, mdp: rm.MDP, minutes: float, iterations: int | None
) -> list[rm.algorithms.Checkpoint]:
    """Return the callbacks that write checkpoints: one if there is a path."""
    if path is None:
        return []
    return [rm.algorithms.Checkpoint(path, mdp, minutes=minutes, iterations=iterations)]


def certify(
    model: ModelArgument,
    policy: Annotated[
        Path, argument(InputFile(), "A saved solution, a .npz with an array 'policy', or a .npy.")
    ],
    regularizer: RegularizerOption = "none",
    temperature: TemperatureOption = None,
    reference: ReferenceOption = None,
    param: ParameterOption = None,
    rewards: RewardsOption = None,
    discount: DiscountOption = None,
    goal: GoalOption = None,
    avoid: AvoidOption = None,
    objective: ObjectiveOption = None,
    minimize: MinimizeOption = False,
    goal_rewards: GoalRewardsOption = False,
    format: FormatOption = None,
    normalize: NormalizeOption = False,
    tol: Annotated[
        float | None,
        option(
            TOL,
            "Exit with code 3 if the gap, divided by the size of the values, is larger.",
        ),
    ] = None,
    absolute_tol: AbsoluteTolOption = None,
) -> None:
    """Bound how far a policy is from optimal; the model is solved to make the bound tight.

    Exit code: 0 if no tolerance is given or it was met, 3 if not, 1 on an error.
    """
    asked = tol is not None or absolute_tol is not None
    tolerance = rm.algorithms.Tolerance.check(0.0 if tol is None else tol, absolute_tol)
    out = open_console()
    question = Goal(goal, avoid, objective, minimize, goal_rewards)
    source = ModelSource(model, param, discount, format, normalize, rewards, question)
    problem = LoadedProblem.load(source, regularizer, temperature, reference)
    problem.announce(out)
    candidate = io.load_policy(policy)
    optimal = rm.solve(problem.mdp, problem.regularizer)
    certificate = rm.certify(
        problem.mdp, problem.regularizer, policy=candidate, value=optimal.value
    )
    evaluated = rm.evaluate(problem.mdp, candidate, problem.regularizer)
    show_rows(
        out,
        [
            ("problem", repr(problem.mdp)),
            ("regularizer", "none" if problem.regularizer is None else repr(problem.regularizer)),
            ("policy", str(policy)),
            (
                "value",
                describe_value(
                    evaluated.initial_value,
                    problem.mdp.objective,
                    problem.regularizer is not None,
                ),
            ),
            *certificate.lines(
                problem.mdp.describe(certificate.worst_state),
                negated=problem.mdp.objective is not None and problem.mdp.objective.minimize,
            ),
            *([] if certificate.limit is None else [("limit", str(certificate.limit))]),
            *problem.compare_with_reference(candidate),
        ],
    )
    if asked and not tolerance.met_by(
        certificate, problem.mdp, problem.regularizer or rm.Unregularized()
    ):
        raise typer.Exit(NOT_MET)


def show(solution: Annotated[Path, argument(InputFile(), "A saved solution.")]) -> None:
    """Print the summary of a saved solution."""
    show_rows(open_console(), rm.Solution.load(solution).lines())
