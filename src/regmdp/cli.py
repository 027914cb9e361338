"""The command line: parse, load, solve, show."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from enum import StrEnum
from importlib import metadata
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from rich.console import Console
from rich.markup import escape
from rich.status import Status as Spinner
from rich.table import Table

import regmdp as rm
from regmdp import io, models
from regmdp.algorithms import Algorithm, Event
from regmdp.policies import as_policy

__all__ = ["app", "main"]

app = typer.Typer(
    name="regmdp",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)

#: Exit codes beside 0, which says that the tolerance was met.
FAILED, NOT_CONVERGED, INTERRUPTED = 1, 3, 130

#: Seconds between progress lines where no terminal shows a live one.
PROGRESS_EVERY = 10.0


class RegularizerName(StrEnum):
    """What --regularizer takes."""

    none = "none"
    shannon = "shannon"
    kl = "kl"
    squared_l2 = "squared-l2"


class AlgorithmName(StrEnum):
    """What --algorithm takes."""

    auto = "auto"
    value_iteration = "value-iteration"
    modified_policy_iteration = "modified-policy-iteration"
    policy_iteration = "policy-iteration"


ALGORITHMS: dict[AlgorithmName, Callable[[], Algorithm]] = {
    AlgorithmName.value_iteration: rm.algorithms.ValueIteration,
    AlgorithmName.modified_policy_iteration: rm.algorithms.ModifiedPolicyIteration,
    AlgorithmName.policy_iteration: rm.algorithms.PolicyIteration,
}

ModelArgument = Annotated[
    str, typer.Argument(help="A named model (see: regmdp models), a model file (.npz), or gymnasium:ID, as in gymnasium:Taxi-v4.")
]
ParameterOption = Annotated[
    list[str] | None, typer.Option("--param", "-p", help="A parameter of the named model, as in -p n_states=1000; may be repeated.")
]
DiscountOption = Annotated[float | None, typer.Option(help="Discount, in place of the model's own.")]
RegularizerOption = Annotated[RegularizerName, typer.Option(help="Regularizer of the policy.")]
TemperatureOption = Annotated[float | None, typer.Option(help="Temperature of the regularizer, in the unit of the rewards.")]
ReferenceOption = Annotated[
    str | None, typer.Option(help="Reference policy of kl: uniform, one the model comes with (expert), or a file.")
]


@app.callback()
def options(
    version: Annotated[bool, typer.Option("--version", is_eager=True, help="Print the version and exit.")] = False,
) -> None:
    """Solve regularized Markov decision processes, and say how far from optimal the answer can be."""
    if version:
        Console().print(f"regmdp {metadata.version('regmdp')}", highlight=False)
        raise typer.Exit


@app.command()
def solve(
    model: ModelArgument,
    regularizer: RegularizerOption = RegularizerName.none,
    temperature: TemperatureOption = None,
    reference: ReferenceOption = None,
    param: ParameterOption = None,
    discount: DiscountOption = None,
    algorithm: Annotated[AlgorithmName, typer.Option(help="Method.")] = AlgorithmName.auto,
    tol: Annotated[float, typer.Option(help="Certified gap to reach, in the unit of the rewards.")] = 1e-8,
    max_iterations: Annotated[int | None, typer.Option(help="The most iterations to make.")] = None,
    start: Annotated[Path | None, typer.Option(help="A saved solution to go on from, after an interrupt for example.")] = None,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Where to save the policy.")] = None,
) -> None:
    """Solve a model, print the certified answer, and save the policy.

    Exit code: 0 if the tolerance was met, 3 if not, 130 if interrupted (what there is is saved all the same), 1 on an error.
    """
    out = Console()
    problem = _Problem.load(model, param, discount, regularizer, temperature, reference)
    problem.announce(out)
    path = output or Path(f"{problem.name}-policy.npz")
    if not path.parent.is_dir():
        raise FileNotFoundError(f"cannot save to {path}: there is no folder {path.parent}")
    before = None if start is None else rm.Solution.load(start)
    method = "auto" if algorithm is AlgorithmName.auto else ALGORITHMS[algorithm]()
    with _ProgressLine(Console(stderr=True)) as progress:
        solution = rm.solve(
            problem.mdp,
            problem.regularizer,
            method,
            tol=tol,
            max_iterations=max_iterations,
            start=before,
            listeners=[progress],
        )
    rows = [*solution.lines(), *problem.compared(solution.policy)]
    solution.save(path)
    _show(out, [*rows, ("saved", str(path))])
    if solution.status is rm.Status.INTERRUPTED:
        raise typer.Exit(INTERRUPTED)
    if not solution.status.ok:
        raise typer.Exit(NOT_CONVERGED)


@app.command()
def certify(
    model: ModelArgument,
    policy: Annotated[Path, typer.Argument(help="A saved solution, a .npz with an array 'policy', or a .npy.")],
    regularizer: RegularizerOption = RegularizerName.none,
    temperature: TemperatureOption = None,
    reference: ReferenceOption = None,
    param: ParameterOption = None,
    discount: DiscountOption = None,
    tol: Annotated[float | None, typer.Option(help="Exit with code 3 if the gap is larger than this.")] = None,
) -> None:
    """Bound how far anybody's policy is from optimal; the model is solved for it, so that the bound is sharp."""
    out = Console()
    problem = _Problem.load(model, param, discount, regularizer, temperature, reference)
    problem.announce(out)
    judged = io.load_policy(policy)
    optimal = rm.solve(problem.mdp, problem.regularizer)
    certificate = rm.certify(problem.mdp, problem.regularizer, policy=judged, value=optimal.value)
    evaluated = rm.evaluate(problem.mdp, judged, problem.regularizer)
    _show(
        out,
        [
            ("problem", repr(problem.mdp)),
            ("regularizer", "none" if problem.regularizer is None else repr(problem.regularizer)),
            ("policy", str(policy)),
            ("value", f"{evaluated.initial_value:.10g} from the initial distribution"),
            *certificate.lines(problem.mdp.describe(certificate.worst_state)),
            *([] if certificate.limit is None else [("limit", str(certificate.limit))]),
            *problem.compared(judged),
        ],
    )
    if tol is not None and not certificate.gap <= tol:
        raise typer.Exit(NOT_CONVERGED)


@app.command()
def show(solution: Annotated[Path, typer.Argument(help="A saved solution.")]) -> None:
    """Print the summary of a saved solution."""
    _show(Console(), rm.Solution.load(solution).lines())


@app.command("models")
def list_models(name: Annotated[str | None, typer.Argument(help="Show this model's parameters.")] = None) -> None:
    """List the named models with their sizes, or show one and its parameters."""
    out = Console()
    if name is not None:
        entry = models.find(name)
        _show(
            out,
            [
                ("model", entry.name),
                ("", entry.description),
                ("size", f"{entry.n_states:,} states, {entry.n_actions:,} actions, discount {entry.discount:g}"),
                ("answer", entry.answer),
                *[("-p", f"{parameter}={_as_typed(default)}") for parameter, default in entry.parameters.items()],
                *([("install", f"python -m pip install 'regmdp[{entry.extra}]'")] if entry.extra else []),
                *([("notice", entry.notice)] if entry.notice else []),
            ],
        )
        return
    table = Table("model", "states", "actions", "discount", "what it is", "known answer", box=None, pad_edge=False)
    table.columns[0].no_wrap = True
    for entry in models.catalogue():
        table.add_row(
            entry.name, f"{entry.n_states:,}", f"{entry.n_actions:,}", f"{entry.discount:g}", entry.description, entry.answer
        )
    out.print(table, highlight=False)
    out.print("Sizes are those of the default parameters; regmdp models NAME shows them.", style="dim", highlight=False)


def _as_typed(default: Any) -> str:
    """Show a default as it would be typed after -p."""
    return json.dumps(default) if default is None or isinstance(default, int | float | str | bool | list | tuple) else str(default)


class _Problem:
    """What the options of a command describe: a model, with a name, and a regularizer."""

    def __init__(self, mdp: rm.MDP, name: str, entry: models.NamedModel | None, note: str | None) -> None:
        self.mdp, self.name, self._entry, self._note = mdp, name, entry, note
        self.regularizer: rm.Regularizer | None = None
        self._reference: np.ndarray | None = None

    @classmethod
    def load(
        cls,
        model: str,
        parameters: list[str] | None,
        discount: float | None,
        regularizer: RegularizerName,
        temperature: float | None,
        reference: str | None,
    ) -> _Problem:
        """Read the model and make the regularizer."""
        problem = cls._model(model, _parameters(parameters), discount)
        problem._regularize(regularizer, temperature, reference)
        return problem

    @classmethod
    def _model(cls, model: str, parameters: dict[str, Any], discount: float | None) -> _Problem:
        if model.startswith("gymnasium:"):
            if discount is None:
                raise rm.ModelError("an environment has no discount of its own: say one with --discount (1 if its episodes end)")
            name = model.removeprefix("gymnasium:")
            return cls(
                io.from_gymnasium(name, discount=discount, **parameters), name.replace("/", "-"), None, io.time_limit_note(name)
            )
        if model.endswith(".npz"):
            if parameters:
                raise rm.ModelError("a model file takes no --param")
            mdp, name, entry = io.load(model), Path(model).stem, None
        else:
            mdp, name, entry = models.build(model, **parameters), model, models.find(model)
        return cls(mdp if discount is None else mdp.with_discount(discount), name, entry, None)

    def _regularize(self, regularizer: RegularizerName, temperature: float | None, reference: str | None) -> None:
        if regularizer is RegularizerName.none:
            if temperature is not None or reference is not None:
                raise rm.RegularizerError("--temperature and --reference need a --regularizer")
            return
        if temperature is None:
            raise rm.RegularizerError(f"--regularizer {regularizer} needs a --temperature")
        if regularizer is RegularizerName.kl:
            if reference is None:
                raise rm.RegularizerError("--regularizer kl needs a --reference: uniform, one the model comes with, or a file")
            distribution = self._read_reference(reference)
            self.regularizer = rm.KL(distribution, temperature=temperature)
            self.regularizer.check(self.mdp.available)
            self._reference = np.broadcast_to(distribution, self.mdp.rewards.shape)
            return
        if reference is not None:
            raise rm.RegularizerError(f"--regularizer {regularizer} takes no --reference; only kl does")
        kinds = {RegularizerName.shannon: rm.Shannon, RegularizerName.squared_l2: rm.SquaredL2}
        self.regularizer = kinds[regularizer](temperature=temperature)

    def _read_reference(self, reference: str) -> np.ndarray:
        own = {} if self._entry is None else self._entry.references
        if reference in own:
            return own[reference]()
        if reference == "uniform":
            return rm.uniform_policy(self.mdp)
        if Path(reference).exists():
            policy = io.load_policy(reference)
            # action numbers are a policy as well, a distribution for all states is none
            return as_policy(self.mdp, policy) if np.issubdtype(policy.dtype, np.integer) else policy
        known = ", ".join(["uniform", *own])
        raise rm.PolicyError(
            f"there is no reference policy {reference!r} for {self.name}: say one of {known}, or the path of a file"
        )

    def announce(self, out: Console) -> None:
        """Print what has to be said before any result."""
        for text in (self._entry.notice if self._entry else "", self._note):
            if text:
                out.print(text, style="yellow", highlight=False)

    def compared(self, policy: np.ndarray) -> list[tuple[str, str]]:
        """Say what the policy earns without the regularizer, and how far it is from the reference."""
        if self.regularizer is None:
            return []
        policy = as_policy(self.mdp, policy)
        reward = rm.evaluate(self.mdp, policy).initial_value
        rows = [("reward", f"{reward:.10g} from the initial distribution, the regularizer left out")]
        if self._reference is None:
            return rows
        episode = self._entry.episode if self._entry else "episode"
        per = f"per {episode}" if self.mdp.discount == 1.0 else "in all, discounted"
        moved = float(rm.visits(self.mdp, policy) @ self.regularizer.value(policy, self.mdp.available))
        before = rm.evaluate(self.mdp, self._reference).initial_value
        return [
            ("reward", f"{reward:.10g} without the regularizer, where the reference policy earns {before:.10g}"),
            ("moved", f"{moved:.6g} nats from the reference policy {per} (Kullback-Leibler divergence)"),
        ]


def _parameters(texts: list[str] | None) -> dict[str, Any]:
    parameters = {}
    for text in texts or []:
        name, equals, value = text.partition("=")
        if not equals:
            raise rm.ModelError(f"--param takes name=value, not {text!r}")
        try:
            parameters[name.replace("-", "_")] = json.loads(value)
        except json.JSONDecodeError:
            parameters[name.replace("-", "_")] = value
    return parameters


class _ProgressLine:
    """A listener that shows how far the iterations are: live on a terminal, now and then elsewhere, and once at the end."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._spinner = Spinner("starting", console=console) if console.is_terminal else None
        self._last = time.monotonic()
        self._text = ""

    def __enter__(self) -> _ProgressLine:
        if self._spinner:
            self._spinner.start()
        return self

    def __call__(self, event: Event) -> None:
        self._text = (
            f"iteration {event.iteration:,}   residual {event.residual:.2e}   gap about {event.gap:.2e}   "
            f"value {event.value:.8g}   {event.seconds:.1f} s"
        )
        now = time.monotonic()
        if now - self._last >= (0.1 if self._spinner else PROGRESS_EVERY):
            self._last = now
            if self._spinner:
                self._spinner.update(self._text)
            else:
                self._line()

    def __exit__(self, *_: object) -> None:
        if self._spinner:
            self._spinner.stop()
        if self._text:
            self._line()

    def _line(self) -> None:
        self._console.print(self._text, style="dim", highlight=False, soft_wrap=True)


def _show(out: Console, rows: list[tuple[str, str]]) -> None:
    table = Table.grid(padding=(0, 2))
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for name, text in rows:
        table.add_row(name, text)
    out.print(table, highlight=False)


def main() -> None:
    """Run the command line; errors of the library become one message and exit code 1."""
    try:
        app()
    except (rm.RegmdpError, OSError) as error:
        Console(stderr=True).print(f"[bold red]error[/]: {escape(str(error))}", highlight=False, soft_wrap=True)
        sys.exit(FAILED)


if __name__ == "__main__":
    main()
