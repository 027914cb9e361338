"""One case: the same model for all, answers equally right, runs in turn."""

from __future__ import annotations

import statistics
import sys
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from client import TooLongError, Worker, WorkerError
from environments import PEERS
from model import Model, backup

__all__ = ["Record", "Rules", "race"]

#: The error allowed, relative to the largest value, or to 1 if that is larger.
TARGET = 1e-8
#: How much better than that the reference must be.
MARGIN = 0.1
#: A tolerance, relative as well, with which a solver that starts afresh makes hardly more than one
#: step.
LOOSE = 1e6


@dataclass(frozen=True)
class Rules:
    """Repetitions, and the seconds that one solution may take."""

    repetitions: int
    limit: float
    folder: Path


@dataclass
class Record:
    """What was measured of one method on one case; ``note`` says why there is no ratio, if there is
    none.
    """

    case: str
    states: int
    actions: int
    transitions: int
    discount: float
    regularizer: str
    peer: str
    method: str
    versions: dict[str, str] = field(default_factory=dict)
    tolerance: float | None = None
    error: float | None = None
    seconds: list[float] = field(default_factory=list)
    ratios: list[float] = field(default_factory=list)
    prepare: float | None = None
    peak: int | None = None
    note: str = ""

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON wants it."""
        return asdict(self)


class Contestant:
    """One method of one peer on the present case."""

    def __init__(
        self, record: Record, worker: Worker, temperature: float | None, truth: Truth, rules: Rules
    ) -> None:
        self.record, self.worker, self.temperature, self.truth, self.rules = (
            record,
            worker,
            temperature,
            truth,
            rules,
        )
        self.has_tolerance = PEERS[record.peer].methods[record.method]
        self.spent = 0.0
        self._elapsed = 0.0
        self._warm = 0
        self._out = rules.folder / f"{record.peer}.npy"

    def solve(self, tolerance: float | None) -> tuple[float, float]:
        """Solve once; return the seconds and the true error, which the doubt about the reference is
        part of.
        """
        command = {
            "do": "prepare",
            "method": self.record.method,
            "tolerance": tolerance,
            "temperature": self.temperature,
        }
        begin = time.perf_counter()
        try:
            self.record.prepare = self.worker.ask(command, 10 * self.rules.limit)["seconds"]
        except TooLongError:
            # what converts for long may still solve quickly, so that this says nothing about the
            # time of a solution
            raise WorkerError(
                f"a solution is not prepared within {10 * self.rules.limit:g} s"
            ) from None
        try:
            answer = self.worker.ask({"do": "solve", "out": str(self._out)}, self.rules.limit)
        except TooLongError:
            self.spent += self.rules.limit
            raise
        self.spent += answer["seconds"]
        self._elapsed += time.perf_counter() - begin
        self._warm = self.worker.starts
        self.record.peak = max(self.record.peak or 0, answer["peak"])
        return answer["seconds"], self.truth.error(np.load(self._out))

    def tired(self, limits: float) -> bool:
        """Whether the solutions took that many limits, or five times as long with all that is not
        timed.
        """
        return (
            self.spent > limits * self.rules.limit or self._elapsed > 5 * limits * self.rules.limit
        )

    def rest(self) -> None:
        """Begin to count the time again."""
        self.spent = self._elapsed = 0.0

    def warm_up(self) -> None:
        """Solve once if the process was started again since the last time, for it may have to
        compile something.
        """
        if self._warm != self.worker.starts:
            self.solve(self.record.tolerance)

    def qualify(self) -> None:
        """Find the tolerance with which the answer is right enough, the loosest one as far as that
        is cheap to find.
        """
        record, allowed = self.record, self.truth.allowed
        first = allowed if self.has_tolerance else None
        try:
            _, error = self.solve(first)
            record.tolerance, record.error = first, error / self.truth.scale
            if record.peer == "regmdp" or not self.has_tolerance:
                # our tolerance is what is certified, and stays as it is
                if not error <= allowed:
                    record.note = f"wrong by {record.error:.1e}, which nothing there improves"
                return
            assert first is not None
            good, bad = self._loosen(first) if error <= allowed else self._tighten(first, error)
            if good is not None:
                self._narrow(good, bad)
        except TooLongError:
            # a tolerance that was found before is good all the same
            if record.error is None:
                record.note = f"> {self.rules.limit:g} s"
            elif record.error * self.truth.scale > allowed:
                record.note = (
                    f"wrong by {record.error:.1e} at the tolerance shown, and > "
                    f"{self.rules.limit:g} s at a tighter one"
                )
        except WorkerError as failure:
            if record.error is None or record.error * self.truth.scale > allowed:
                record.note = str(failure)

    def confirm(self) -> None:
        """Solve once more with nothing left of what was solved before: a peer that starts from its
        last answer hides its error.

        It hides its time, too. So one that makes a single step with a loose tolerance must be as
        wrong after that step when it has just found the answer as when it has not.
        """
        record, found = self.record, self.record.error
        try:
            self.worker.reload(10 * self.rules.limit)
            loose = LOOSE * self.truth.scale if self.has_tolerance else None
            before = self.solve(loose)[1] if loose else 0.0
            error = self.solve(record.tolerance)[1]
            after = self.solve(loose)[1] if loose else 0.0
        except (WorkerError, TooLongError) as trouble:
            record.note = str(trouble)
            return
        record.error = error / self.truth.scale
        if not error <= self.truth.allowed:
            record.note = (
                f"wrong by {record.error:.1e} from a fresh start, after {found:.1e} when it had "
                "solved the model before"
            )
        elif after < 0.5 * before and before > self.truth.allowed:
            record.note = "it starts from its last answer, so that its times mean nothing"

    def _accept(self, tolerance: float, error: float) -> bool:
        if error <= self.truth.allowed:
            self.record.tolerance, self.record.error = tolerance, error / self.truth.scale
            return True
        return False

    def _loosen(self, good: float) -> tuple[float, float]:
        for _ in range(12):
            if self.tired(1.0):
                break
            if not self._accept(10 * good, self.solve(10 * good)[1]):
                return good, 10 * good
            good *= 10
        return good, good

    def _tighten(self, bad: float, error: float) -> tuple[float | None, float]:
        """Divide by 10, 100, 10^4 and so on, for some peers' stopping rules do not bound the error
        and need absurd tolerances.
        """
        stuck, step = 0, 1
        while stuck < 3 and step <= 128:
            tighter = bad * 10.0**-step
            previous, error = error, self.solve(tighter)[1]
            if self._accept(tighter, error):
                return tighter, bad
            self.record.tolerance, self.record.error = tighter, error / self.truth.scale
            stuck = stuck + 1 if error >= 0.999 * previous else 0
            bad, step = tighter, 2 * step
        self.record.note = f"wrong by {error / self.truth.scale:.1e} whatever the tolerance"
        return None, bad

    def _narrow(self, good: float, bad: float) -> None:
        """Bisect between a tolerance that will do and one that will not, on the logarithm, down to
        a factor of 2.
        """
        while bad > 2 * good and not self.tired(2.0):
            middle = 10 ** ((np.log10(good) + np.log10(bad)) / 2)
            if self._accept(middle, self.solve(middle)[1]):
                good = middle
            else:
                bad = middle


@dataclass(frozen=True)
class Truth:
    """The optimal value, up to a bound on the error, and the error that is allowed to others."""

    value: np.ndarray
    bound: float

    @property
    def scale(self) -> float:
        """Return max(1, |V*|)."""
        return max(1.0, float(np.abs(self.value).max()))

    @property
    def allowed(self) -> float:
        """Return the error up to which an answer takes part."""
        return TARGET * self.scale

    def error(self, value: np.ndarray) -> float:
        """Return the largest error that the value can have."""
        if value.shape != self.value.shape or not np.isfinite(value).all():
            return float("inf")
        return float(np.abs(value - self.value).max()) + self.bound


def race(
    base: dict[str, Any],
    model: Model,
    workers: dict[str, Worker],
    temperature: float | None,
    rules: Rules,
) -> list[Record]:
    """Run every method on the model that the workers have loaded, and return what was measured.

    Args:
        base: The fields of a record that describe the case.
        model: The model.
        workers: The peers that take part, regmdp first.
        temperature: That of Shannon's entropy, or None without a regularizer.
        rules: How often, how long, and where files go.
    """
    records = [
        Record(**base, peer=name, method=method, versions=worker.versions)
        for name, worker in workers.items()
        if temperature is None or PEERS[name].soft
        for method in PEERS[name].methods
    ]
    try:
        truth = _truth(workers["regmdp"], model, temperature, rules)
    except (WorkerError, TooLongError) as trouble:
        for record in records:
            record.note = f"no reference: {trouble}"
        return records
    contestants = [
        Contestant(record, workers[record.peer], temperature, truth, rules) for record in records
    ]
    for contestant in contestants:
        contestant.qualify()
        if not contestant.record.note:
            contestant.confirm()
        _say(
            f"  {contestant.record.peer} {contestant.record.method}: "
            f"{contestant.record.note or 'qualified'}"
        )
    _repeat([contestant for contestant in contestants if not contestant.record.note], rules)
    ours = records[0]
    for record in records:
        if not record.note and not ours.note:
            record.ratios = [
                theirs / mine for theirs, mine in zip(record.seconds, ours.seconds, strict=False)
            ]
    return records


def _truth(worker: Worker, model: Model, temperature: float | None, rules: Rules) -> Truth:
    out = rules.folder / "reference.npy"
    answer = worker.ask(
        {"do": "reference", "temperature": temperature, "out": str(out)}, 20 * rules.limit
    )
    truth = Truth(np.load(out), answer["error_bound"])
    if not truth.bound <= MARGIN * truth.allowed:
        raise WorkerError(
            f"it is certain only up to {truth.bound:.1e}, and the error allowed is "
            f"{truth.allowed:.1e}"
        )
    # The bound is ours. This one is not: a value whose backup differs by so much is that far from
    # the fixed point, at most.
    doubt = float(np.abs(backup(model, truth.value, temperature) - truth.value).max()) / (
        1.0 - model.discount
    )
    if not doubt <= MARGIN * truth.allowed:
        raise WorkerError(
            f"its backup says that it may be wrong by {doubt:.1e}, and the error allowed is "
            f"{truth.allowed:.1e}"
        )
    return truth


def _repeat(contestants: list[Contestant], rules: Rules) -> None:
    """Let the methods run in turn, so that whatever else the machine does hits all of them."""
    for contestant in contestants:
        contestant.rest()
    for repetition in range(rules.repetitions):
        # every other round runs backwards: nobody has always the same neighbour
        for contestant in contestants if repetition % 2 == 0 else contestants[::-1]:
            record = contestant.record
            # one that takes long has been measured well enough after one round; its ratio is then
            # from the rounds it took part in
            if record.note or contestant.tired(3.0):
                continue
            try:
                contestant.warm_up()
                seconds, error = contestant.solve(record.tolerance)
            except (WorkerError, TooLongError) as trouble:
                record.note = f"{trouble} in one of the repetitions"
                continue
            record.seconds.append(seconds)
            record.error = max(record.error or 0.0, error / contestant.truth.scale)
            if error > contestant.truth.allowed:
                record.note = f"wrong by {record.error:.1e} in one of the repetitions"


def spread(numbers: list[float], digits: int = 3) -> str:
    """Return the median, and in brackets the least and the greatest."""
    median = statistics.median(numbers)
    return f"{median:.{digits}g} ({min(numbers):.{digits}g} to {max(numbers):.{digits}g})"


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
