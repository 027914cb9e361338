"""A virtual environment for each peer, made when it is first needed, and the compiled floor."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

__all__ = ["PEERS", "Peer", "UnavailableError", "default_folder", "library", "python_of"]


class UnavailableError(Exception):
    """A peer cannot take part; the message says why."""


@dataclass(frozen=True)
class Peer:
    """What to install, and which methods there are.

    Attributes:
        installs: The arguments of one pip command after the other. None: the peer lives in the
            environment of the driver.
        methods: For each method, whether it has a tolerance.
        soft: Whether it solves models regularized by Shannon's entropy.
        by_default: Whether it takes part if nobody asks for it.
    """

    name: str
    installs: tuple[tuple[str, ...], ...] | None
    methods: dict[str, bool]
    soft: bool = False
    by_default: bool = True


#: Our methods: what is chosen by default, and every choice that could be made instead.
OURS = (
    "auto",
    "value iteration",
    "MPI(5)",
    "MPI(20)",
    "MPI(50)",
    "MPI(200)",
    "policy iteration",
    "policy iteration, factorized",
    "policy iteration, Krylov",
)

PEERS = {
    peer.name: peer
    for peer in (
        Peer("regmdp", None, dict.fromkeys(OURS, True), soft=True),
        Peer("c", None, {"value iteration": True, "value iteration, 1 thread": True}, soft=True),
        Peer(
            "quantecon",
            (("quantecon",),),
            {"value_iteration": True, "policy_iteration": False, "modified_policy_iteration": True},
        ),
        Peer(
            "pymdptoolbox",
            (("pymdptoolbox", "numpy", "scipy"),),
            {"ValueIteration": True, "PolicyIteration": False, "PolicyIterationModified": True},
        ),
        Peer(
            "mdpsolver",
            (("mdpsolver", "numpy", "scipy"),),
            {
                "value iteration": True,
                "value iteration, 1 thread": True,
                "policy iteration": True,
                "modified policy iteration": True,
                "modified policy iteration, 1 thread": True,
            },
        ),
        # On Linux it requires JAX with CUDA, gigabytes of it, and runs as well without: so what it
        # requires is listed here instead.
        Peer(
            "mdpax",
            (
                ("--no-deps", "mdpax"),
                ("jax", "chex", "hydra-core", "jaxtyping", "loguru", "numpyro", "orbax", "scipy"),
            ),
            {"value iteration": True},
            by_default=False,
        ),
    )
}

#: Seconds that an installation may take.
PATIENCE = 900


def default_folder() -> Path:
    """Return where the environments are kept if nobody says."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "regmdp-peers"


def python_of(peer: Peer, folder: Path) -> Path:
    """Return the Python of a peer's environment, which is made if it is not there yet."""
    if peer.installs is None:
        return Path(sys.executable)
    venv = folder / f"{peer.name}-{sys.version_info.major}.{sys.version_info.minor}"
    python = venv / ("Scripts" if os.name == "nt" else "bin") / "python"
    # written last, so that an installation that was cut off is not taken for one that is finished
    ready = venv / "installed.txt"
    wanted = repr(peer.installs)
    if ready.exists() and ready.read_text() == wanted and python.exists():
        return python
    print(f"installing {peer.name} in {venv}", file=sys.stderr, flush=True)
    shutil.rmtree(venv, ignore_errors=True)
    _run([sys.executable, "-m", "venv", str(venv)], f"no virtual environment for {peer.name}")
    for packages in peer.installs:
        command = [
            str(python),
            "-m",
            "pip",
            "install",
            "--quiet",
            "--disable-pip-version-check",
            *packages,
        ]
        _run(command, f"{peer.name} cannot be installed (is there a network?)")
    ready.write_text(wanted)
    return python


def library(folder: Path) -> Path:
    """Compile floor.c for this machine, unless that is done, and return the library."""
    compiler = shutil.which("gcc")
    if compiler is None:
        raise UnavailableError("the loops in C cannot be compiled: there is no gcc on the PATH")
    source = Path(__file__).with_name("floor.c")
    # -ffast-math would change what is computed, with infinities among it. The macro alone makes
    # glibc declare its vectorized exp().
    flags = [
        "-O3",
        "-march=native",
        "-fopenmp",
        "-fno-math-errno",
        "-D__FAST_MATH__",
        "-shared",
        "-fPIC",
    ]
    version = subprocess.run(
        [compiler, "--version"], capture_output=True, text=True, check=False
    ).stdout
    key = hashlib.sha256(
        "\0".join((source.read_text(), *flags, version, os.uname().nodename)).encode()
    ).hexdigest()[:16]
    target = folder / f"floor-{key}.so"
    if not target.exists():
        folder.mkdir(parents=True, exist_ok=True)
        partial = target.with_suffix(f".{os.getpid()}")
        _run(
            [compiler, *flags, "-o", str(partial), str(source), "-lm"],
            "the loops in C cannot be compiled",
        )
        partial.replace(target)
    return target


def _run(command: list[str], complaint: str) -> None:
    environment = {
        name: value
        for name, value in os.environ.items()
        if name not in ("PYTHONPATH", "PYTHONHOME")
    }
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=PATIENCE, env=environment, check=False
        )
    except subprocess.TimeoutExpired:
        raise UnavailableError(f"{complaint}: it took more than {PATIENCE} s") from None
    except OSError as error:
        raise UnavailableError(f"{complaint}: {error}") from None
    if done.returncode:
        lines = [
            line
            for line in done.stderr.splitlines()
            if line.strip() and not line.startswith("WARNING")
        ]
        raise UnavailableError(
            f"{complaint}: {lines[-1].strip() if lines else f'exit code {done.returncode}'}"
        )
