"""The driver's end of a worker: start it, send it commands, and end it when it takes too long."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import signal
import subprocess
import threading
from pathlib import Path
from typing import Any

__all__ = ["TooLongError", "Worker", "WorkerError"]

HERE = Path(__file__).parent
#: Seconds to start in, imports and compilation at import included.
START = 120.0


class WorkerError(Exception):
    """A worker answered with an error, or died."""


class TooLongError(Exception):
    """A command took longer than its limit, and the worker was ended."""


class Worker:
    """A process in which one peer holds one model. It is started when it is needed, and again after
    it was ended.
    """

    def __init__(
        self, name: str, python: Path, threads: int, memory: int, floor: Path | None, log: Path
    ) -> None:
        self.name, self.versions = name, {}
        self._command = [str(python), str(HERE / "worker.py"), name, str(memory), str(threads)]
        self._environment = {
            key: value
            for key, value in os.environ.items()
            if key not in ("PYTHONPATH", "PYTHONHOME")
        }
        for variable in ("OMP", "OPENBLAS", "MKL", "NUMBA", "REGMDP"):
            self._environment[f"{variable}_NUM_THREADS"] = str(threads)
        # Threads of OpenMP that wait for each other would otherwise spin, which takes ten times as
        # long where something else runs.
        self._environment.setdefault("OMP_WAIT_POLICY", "passive")
        self._environment["FLOOR_LIBRARY"] = str(floor or "")
        # a folder of peers that is only read stays as it is
        self._environment["PYTHONDONTWRITEBYTECODE"] = "1"
        self._log = log
        #: How often the process was started: what it compiled is lost with it.
        self.starts = 0
        self._model: Path | None = None
        self._process: subprocess.Popen[str] | None = None
        self._answers: queue.SimpleQueue[str] = queue.SimpleQueue()

    def load(self, model: Path, limit: float) -> None:
        """Give the worker a model, which a worker that is started again will read again."""
        self._model = None
        self.versions = self.ask({"do": "load", "model": str(model)}, limit + START)["versions"]
        self._model = model

    def reload(self, limit: float) -> None:
        """Give the worker its model again, so that nothing is left of earlier solutions."""
        if self._model is not None:
            self.load(self._model, limit)

    def ask(self, command: dict[str, Any], limit: float) -> dict[str, Any]:
        """Send a command and return the answer.

        Raises:
            TooLongError: if the answer takes longer than the limit, in seconds.
            WorkerError: if the answer is an error, or there is none.
        """
        if self._process is None or self._process.poll() is not None:
            self._start()
            if self._model is not None:
                self._exchange({"do": "load", "model": str(self._model)}, 10 * limit + START)
        return self._exchange(command, limit)

    def stop(self) -> None:
        """End the process and what it has started."""
        process, self._process = self._process, None
        if process is None:
            return
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)  # it leads a group of its own
        process.wait()
        for stream in (process.stdin, process.stdout):
            if stream is not None:
                stream.close()

    def _start(self) -> None:
        self.stop()
        self.starts += 1
        with self._log.open("a") as log:
            self._process = subprocess.Popen(
                self._command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                env=self._environment,
                start_new_session=True,
            )
        # Reading in a thread is the portable way to wait for a line no longer than so many seconds.
        # Each process has its own queue.
        self._answers = queue.SimpleQueue()
        threading.Thread(
            target=_forward, args=(self._process.stdout, self._answers), daemon=True
        ).start()

    def _exchange(self, command: dict[str, Any], limit: float) -> dict[str, Any]:
        process = self._process
        assert process is not None
        assert process.stdin is not None
        try:
            process.stdin.write(json.dumps(command) + "\n")
            process.stdin.flush()
            line = self._answers.get(timeout=limit)
        except queue.Empty:
            self.stop()
            raise TooLongError(f"> {limit:g} s") from None
        except BrokenPipeError:
            line = ""
        if not line:
            code = process.wait()
            self.stop()
            raise WorkerError(f"the process died (exit code {code}): {self._last_words()}")
        answer = json.loads(line)
        if "error" in answer:
            raise WorkerError(answer["error"])
        return answer

    def _last_words(self) -> str:
        lines = self._log.read_text(errors="replace").strip().splitlines()
        return lines[-1].strip()[:200] if lines else "it said nothing"


def _forward(lines: Any, answers: queue.SimpleQueue[str]) -> None:
    """Put every line, and at the end an empty one, where the driver waits for it."""
    try:
        for line in lines:
            answers.put(line)
    except ValueError:
        pass  # closed by stop()
    answers.put("")
