"""``mpiexec -n N regmdp solve FOLDER``: results, errors, interrupts, checkpoints and kills."""

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import regmdp as rm

pytest.importorskip("mpi4py")
if shutil.which("mpiexec") is None:
    pytest.skip("there is no mpiexec", allow_module_level=True)

SOLVE = ["solve", "model.mapped", "--regularizer", "shannon", "--temperature", "0.1"]
#: A method that takes a few thousand iterations on the model.
LONG = ["--algorithm", "npg", "--step-size", "1e-4", "--tol", "1e-12"]


def start(count, *words, folder):
    """Start a command in several processes."""
    command = ["mpiexec", "-n", str(count), sys.executable, "-m", "regmdp", *words]
    environment = {**os.environ, "REGMDP_NUM_THREADS": "1"}
    # a group of its own: Ctrl-C is for all of it
    return subprocess.Popen(
        command, cwd=folder, env=environment, text=True, start_new_session=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip


def run(count, *words, folder):
    """Run a command in several processes, and return its exit code, output and errors."""
    process = start(count, *words, folder=folder)
    out, err = process.communicate(timeout=120)
    return process.returncode, out, err


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with a mapped model."""
    path = tmp_path_factory.mktemp("several")
    rm.io.save_mapped(rm.models.garnet(9000, 9, 3, discount=0.99), path / "model.mapped")
    return path


def find_ranks(parent):
    """Return the numbers of the processes that a launcher has started and that run Python."""
    found = subprocess.run(
        ["pgrep", "--parent", str(parent)], capture_output=True, text=True, check=False
    ).stdout.split()
    ranks = []
    for number in map(int, found):
        below = find_ranks(number)
        command = Path(f"/proc/{number}/cmdline").read_bytes()
        ranks += below if below else [number] * (b"python" in command)
    return ranks


def wait_for(path, process):
    """Wait until a file is there."""
    for _ in range(1200):
        if path.exists():
            return
        assert process.poll() is None, process.communicate()
        time.sleep(0.1)
    raise AssertionError(f"{path} is not written")


def test_three_processes_write_what_one_finds(folder):
    code, out, err = run(3, *SOLVE, "-o", "shared.npz", folder=folder)
    assert (code, out.count("converged"), err.count("iteration")) == (0, 1, 1)
    found = rm.Solution.load(folder / "shared.npz")
    alone = rm.solve(rm.io.open_mapped(folder / "model.mapped"), rm.Shannon(0.1))
    for name in ("policy", "value"):
        np.testing.assert_array_equal(getattr(found, name), getattr(alone, name))
    np.testing.assert_array_equal(found.certificate.upper, alone.certificate.upper)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["solve", "chain"], 1, "2 processes share a mapped model, and chain is none"),
        (["models"], 1, "regmdp models is for one process"),
        ([*SOLVE, "--tol", "x"], 2, "'x' is not a number"),
        ([*SOLVE, "--resume"], 1, "--resume needs --checkpoint"),
        ([*SOLVE, "-o", "none/x.npz"], 1, "there is no folder none"),
    ],
)
def test_errors_are_printed_once(folder, words, code, message):
    found, _, err = run(2, *words, folder=folder)
    assert found == code
    assert err.count(message) == 1
    assert err.count("error") == 1


@pytest.mark.slow
@pytest.mark.parametrize("count", [1, 2, 3])
def test_ctrl_c_saves_the_last_iterate_and_another_number_of_processes_goes_on(folder, count):
    result, checkpoint = folder / f"stopped{count}.npz", folder / f"checkpoint{count}.npz"
    words = [*SOLVE, *LONG, "-o", result.name, "--checkpoint", checkpoint.name]
    words += ["--checkpoint-iterations", "3"]
    process = start(count, *words, folder=folder)
    wait_for(checkpoint, process)
    os.killpg(process.pid, signal.SIGINT)
    out, _ = process.communicate(timeout=120)
    assert process.returncode == 130
    assert "interrupted" in out
    stopped = rm.Solution.load(result)
    mdp = rm.io.open_mapped(folder / "model.mapped")
    method = rm.algorithms.NPG(step_size=1e-4)
    again = rm.solve(mdp, rm.Shannon(0.1), method, tol=0, max_iterations=stopped.iterations)
    np.testing.assert_array_equal(stopped.certificate.upper, again.certificate.upper)
    code, out, _ = run(4 - count, *SOLVE, "--checkpoint", checkpoint.name, "--resume",
                       "-o", "resumed.npz", folder=folder)  # fmt: skip
    assert code == 0
    assert rm.Solution.load(folder / "resumed.npz").status.ok


@pytest.mark.slow
def test_a_killed_process_ends_all_and_its_checkpoint_is_whole(folder):
    """Kill one of three processes at random moments, 20 times, and go on each time."""
    rng = random.Random(0)
    mdp = rm.io.open_mapped(folder / "model.mapped")
    checkpoint = folder / "killed.npz"
    words = [
        *SOLVE,
        "--algorithm",
        "value-iteration",
        "--tol",
        "1e-300",
        "--max-iterations",
        "1000000",
    ]
    words += ["-o", "never.npz", "--checkpoint", checkpoint.name, "--resume"]
    residuals, killed = [], 0
    for _ in range(20):
        process = start(3, *words, "--checkpoint-iterations", "1", folder=folder)
        time.sleep(rng.uniform(1.0, 6.0))
        ranks = find_ranks(process.pid)
        assert len(ranks) in (0, 3)  # before they start, or while they work
        os.kill(rng.choice(ranks) if ranks else process.pid, signal.SIGKILL)
        killed += len(ranks) > 0
        process.communicate(timeout=60)  # all of them end
        assert process.returncode != 0
        if checkpoint.exists():
            value = rm.algorithms.load_checkpoint(checkpoint, mdp)
            residuals.append(np.max(np.abs(rm.bellman.residual(mdp, rm.Shannon(0.1), value))))
    assert len(residuals) > 10
    assert killed > 15
    assert residuals == sorted(residuals, reverse=True)
    assert residuals[-1] < residuals[0]
    assert not (folder / "never.npz").exists()
    code, _, _ = run(2, *SOLVE, "--checkpoint", checkpoint.name, "--resume", "-o", "end.npz",
                     folder=folder)  # fmt: skip
    assert code == 0
    leftovers = [path.name for path in folder.iterdir() if path.name.endswith(".part")]
    assert len(leftovers) <= 1  # of the last kill; the next writer removes it
