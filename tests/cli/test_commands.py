"""The command line: its output, the files that it saves, and its exit codes."""

import json
import os
import signal
import subprocess
import sys
import time
from typing import NamedTuple

import numpy as np
import pytest
from typer.testing import CliRunner

import regmdp as rm
from regmdp.cli import app, main

CONVERGED, FAILED, USAGE, NOT_MET, INTERRUPTED = 0, 1, 2, 3, 130


class Result(NamedTuple):
    """The exit code and the output of a command."""

    code: int
    out: str
    err: str

    def row(self, name: str) -> str:
        """The text of the row with a name."""
        found = [
            line.partition(" ")[2].strip()
            for line in self.out.splitlines()
            if line.partition(" ")[0] == name
        ]
        assert len(found) == 1, f"{len(found)} rows {name!r} in\n{self.out}"
        return found[0]

    def number(self, name: str) -> float:
        """The first number of the row with a name."""
        return float(self.row(name).split()[0])


@pytest.fixture
def run(monkeypatch, capsys, tmp_path):
    """Run the command line in an empty folder, errors included, as the installed program does."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "250")
    monkeypatch.setenv("NO_COLOR", "1")
    for name in ("FORCE_COLOR", "CLICOLOR_FORCE", "PY_COLORS", "GITHUB_ACTIONS"):
        monkeypatch.delenv(name, raising=False)

    def invoke(*arguments):
        monkeypatch.setattr(sys, "argv", ["regmdp", *map(str, arguments)])
        with pytest.raises(SystemExit) as exit_:
            main()
        out, err = capsys.readouterr()
        return Result(exit_.value.code or 0, out, err)

    return invoke


def assert_error(result: Result, *words: str) -> None:
    """Check that a command printed only one message on stderr, and that it contains some words."""
    assert result.code == FAILED
    assert result.err.startswith("error: ")
    assert len(result.err.splitlines()) == 1
    assert "Traceback" not in result.err + result.out
    for word in words:
        assert word in result.err


# -------------------------------------------------------------------------------------------- solve

TEMPERATURE = 0.1
REGULARIZERS = {
    "none": ([], lambda mdp: None),
    "shannon": (["--temperature", TEMPERATURE], lambda mdp: rm.Shannon(temperature=TEMPERATURE)),
    "kl": (
        ["--temperature", TEMPERATURE, "--reference", "uniform"],
        lambda mdp: rm.KL(rm.uniform_policy(mdp), temperature=TEMPERATURE),
    ),
    "squared-l2": (
        ["--temperature", TEMPERATURE],
        lambda mdp: rm.SquaredL2(temperature=TEMPERATURE),
    ),
    "tsallis:q=1.5": (
        ["--temperature", TEMPERATURE],
        lambda mdp: rm.Tsallis(1.5, temperature=TEMPERATURE),
    ),
    "renyi:alpha=0.5": (
        ["--temperature", TEMPERATURE],
        lambda mdp: rm.Renyi(0.5, temperature=TEMPERATURE),
    ),
    "log-barrier": (
        ["--temperature", TEMPERATURE],
        lambda mdp: rm.LogBarrier(temperature=TEMPERATURE),
    ),
}


@pytest.mark.parametrize("name", REGULARIZERS)
def test_solve_with_each_regularizer(run, name):
    options, make = REGULARIZERS[name]
    result = run("solve", "queue", "--regularizer", name, *options)
    assert result.code == CONVERGED
    expected = rm.solve(rm.models.queue(), make(rm.models.queue()))
    assert result.number("value") == pytest.approx(expected.initial_value, rel=1e-9)
    assert result.row("status").startswith("converged")
    assert result.row("saved") == "queue-policy.npz"
    saved = rm.Solution.load("queue-policy.npz")
    np.testing.assert_array_equal(saved.policy, expected.policy)
    # without the regularizer: what the policy earns
    if make(rm.models.queue()) is None:
        assert "reward" not in result.out
    else:
        earned = rm.evaluate(rm.models.queue(), saved.policy).initial_value
        assert result.number("reward") == pytest.approx(earned, rel=1e-9)


@pytest.mark.parametrize(
    "name", ["auto", "value-iteration", "modified-policy-iteration", "policy-iteration"]
)
def test_solve_with_each_algorithm(run, name):
    result = run("solve", "chain", "--algorithm", name)
    assert result.code == CONVERGED
    assert result.number("value") == pytest.approx(6.561, abs=1e-8)
    assert result.row("method").startswith(
        "policy iteration" if name == "auto" else name.replace("-", " ")
    )
    low, high = (float(word) for word in result.row("optimum").split() if word[0].isdigit())
    assert low <= 6.561 <= high


SHANNON = ["--regularizer", "shannon", "--temperature", "0.1"]


@pytest.mark.parametrize(
    ("name", "options", "method"),
    [
        ("soft-policy-iteration", SHANNON, "soft policy iteration"),
        (
            "soft-policy-iteration",
            [*SHANNON, "--step-size", "0.5"],
            "soft policy iteration, averaged",
        ),
        (
            "softmax-pg",
            [*SHANNON, "--step-size", "2", "--absolute-tol", "0.1"],
            "softmax policy gradient",
        ),
        ("npg", [*SHANNON, "--step-size", "maximum"], "natural policy gradient"),
        ("npg", [*SHANNON, "--step-size", "0.5"], "natural policy gradient"),
        ("pmd", ["--step-size", "geometric"], "policy mirror descent"),
        ("pmd", ["--step-size", "adaptive"], "policy mirror descent"),
        ("gpmd", [*SHANNON, "--step-size", "5"], "generalized policy mirror descent"),
        ("homotopic-pmd", [], "homotopic policy mirror descent"),
        ("td-pmd", [*SHANNON, "--step-size", "5"], "policy mirror descent with one sweep"),
        ("value-mirror-descent", SHANNON, "value mirror descent"),
    ],
)
def test_solve_with_each_policy_optimization(run, name, options, method):
    result = run("solve", "chain", "--algorithm", name, *options)
    assert result.code == CONVERGED
    assert result.row("method").startswith(f"{method}, ")
    expected = rm.solve(rm.models.chain(), rm.Shannon(0.1) if SHANNON[0] in options else None)
    assert result.number("value") == pytest.approx(
        expected.initial_value, abs=0.1 if "--absolute-tol" in options else 1e-7
    )


def test_progress_goes_to_stderr(run):
    result = run("solve", "chain")
    assert result.err.startswith("iteration ")
    assert "residual" in result.err
    assert "iteration 1 " not in result.out


def test_parameters_discount_and_output(run, tmp_path):
    result = run(
        "solve",
        "chain",
        "-p",
        "n_states=7",
        "--param",
        "distraction=0.5",
        "--discount",
        "0.5",
        "-o",
        "here.npz",
    )
    assert result.code == CONVERGED
    assert rm.Solution.load("here.npz").policy.shape == (7, 2)
    assert result.number("value") == pytest.approx(
        rm.solve(rm.models.chain(7, distraction=0.5, discount=0.5)).initial_value, abs=1e-8
    )
    assert [path.name for path in tmp_path.iterdir()] == ["here.npz"]


def test_a_dash_in_a_parameter_is_an_underscore(run):
    assert "7 states" in run("solve", "chain", "-p", "n-states=7").row("problem")


def test_solve_a_model_file(run):
    rm.io.save_model(rm.models.forest(), "trees.npz")
    result = run("solve", "trees.npz")
    assert result.code == CONVERGED
    assert result.row("saved") == "trees-policy.npz"
    np.testing.assert_allclose(
        rm.Solution.load("trees-policy.npz").value, [26.244, 29.484, 33.484], atol=1e-8
    )


def test_solve_an_environment(run):
    result = run("solve", "gymnasium:FrozenLake-v1", "--discount", 1)
    assert result.code == CONVERGED
    assert result.number("value") == pytest.approx(14 / 17, abs=1e-9)
    assert "time limit" in result.out.splitlines()[0]


def test_parameters_of_an_environment(run):
    result = run("solve", "gymnasium:FrozenLake-v1", "--discount", 1, "-p", "is_slippery=false")
    assert result.number("value") == pytest.approx(1.0, abs=1e-9)


def test_reference_from_a_file(run):
    reference = np.full((5, 2), [0.3, 0.7])
    np.save("reference.npy", reference)
    result = run(
        "solve",
        "chain",
        "--regularizer",
        "kl",
        "--reference",
        "reference.npy",
        "--temperature",
        0.2,
    )
    assert result.code == CONVERGED
    mdp, kl = rm.models.chain(), rm.KL(reference, temperature=0.2)
    solution = rm.solve(mdp, kl)
    assert result.number("value") == pytest.approx(solution.initial_value, rel=1e-9)
    # the regularizer costs its temperature times the divergence
    earned = rm.evaluate(mdp, solution.policy).initial_value
    assert result.number("moved") == pytest.approx(
        (earned - solution.initial_value) / 0.2, rel=1e-5
    )


def test_icu_sepsis_without_a_regularizer(run):
    result = run("solve", "icu-sepsis")
    assert result.code == CONVERGED
    assert result.row("value").startswith("0.8751")
    assert "research only" in result.out.splitlines()[0]


def test_icu_sepsis_near_the_clinicians(run):
    result = run(
        "solve",
        "icu-sepsis",
        "--regularizer",
        "kl",
        "--reference",
        "expert",
        "--temperature",
        "0.01",
    )
    assert result.code == CONVERGED
    assert result.number("value") == pytest.approx(0.8114352767, abs=2e-10)
    assert "research only" in result.out.splitlines()[0]
    assert result.row("reward").endswith("the reference policy earns 0.7818448903")
    assert "nats from the reference policy per stay" in result.row("moved")
    certificate = rm.Solution.load("icu-sepsis-policy.npz").certificate
    assert certificate.gap < 1e-8


def test_exit_code_3_at_the_iteration_limit(run):
    result = run("solve", "chain", "--algorithm", "value-iteration", "--max-iterations", 1)
    assert result.code == NOT_MET
    assert result.row("status").startswith("iteration limit")
    assert rm.Solution.load("chain-policy.npz").status is rm.Status.ITERATION_LIMIT


def test_exit_code_3_at_the_rounding_limit(run):
    result = run("solve", "chain", "--tol", "1e-30")
    assert result.code == NOT_MET
    assert result.row("status").startswith("rounding limit")


# ------------------------------------------------------------------------------------------ certify


def test_certify_a_saved_solution(run):
    run("solve", "queue", "--regularizer", "shannon", "--temperature", 0.1)
    result = run(
        "certify",
        "queue",
        "queue-policy.npz",
        "--regularizer",
        "shannon",
        "--temperature",
        0.1,
        "--tol",
        "1e-8",
    )
    assert result.code == 0
    assert result.number("value") == pytest.approx(
        rm.Solution.load("queue-policy.npz").initial_value, rel=1e-9
    )


def test_certify_action_numbers(run):
    np.save("wait.npy", np.zeros(5, dtype=np.int64))
    result = run("certify", "chain", "wait.npy")
    assert result.code == 0
    assert result.number("value") == pytest.approx(
        rm.evaluate(rm.models.chain(), np.zeros(5, dtype=np.int64)).initial_value
    )
    certificate = rm.certify(rm.models.chain(), policy=np.zeros(5, dtype=np.int64))
    assert f"{certificate.gap:.3g}" in result.row("gap")


def test_certify_exits_with_3_if_the_gap_is_too_large(run):
    np.savez("uniform.npz", policy=np.full((5, 2), 0.5))
    assert run("certify", "chain", "uniform.npz", "--tol", "1e-3").code == NOT_MET
    assert run("certify", "chain", "uniform.npz", "--tol", "100").code == 0
    assert run("certify", "chain", "uniform.npz", "--absolute-tol", "1e-3").code == NOT_MET
    assert run("certify", "chain", "uniform.npz", "--absolute-tol", "1e3").code == 0


def test_certify_shows_the_notice_of_the_model(run):
    np.save("expert.npy", rm.models.icu_sepsis_expert())
    result = run("certify", "icu-sepsis", "expert.npy")
    assert result.code == 0
    assert "research only" in result.out.splitlines()[0]
    assert result.row("value").startswith("0.7818448903")


def test_certify_against_a_reference(run):
    np.save("uniform.npy", np.full((5, 2), 0.5))
    options = ["--regularizer", "kl", "--reference", "uniform", "--temperature", 0.1]
    assert run("certify", "chain", "uniform.npy", *options).number("moved") == 0.0


def test_certify_action_numbers_against_a_reference(run):
    np.save("ahead.npy", np.ones(5, dtype=np.int64))
    options = ["--regularizer", "kl", "--reference", "uniform", "--temperature", 0.1]
    # log 2 nats a step, for 1 / (1 - 0.9) discounted steps
    assert run("certify", "chain", "ahead.npy", *options).number("moved") == pytest.approx(
        10 * np.log(2), rel=1e-5
    )


def test_reference_of_one_distribution_for_all_states(run):
    np.save("reference.npy", np.array([0.3, 0.7]))
    result = run(
        "solve",
        "chain",
        "--regularizer",
        "kl",
        "--reference",
        "reference.npy",
        "--temperature",
        0.2,
    )
    assert result.code == CONVERGED


# ---------------------------------------------------------------------------------- show and models


def test_show_prints_the_summary_again(run):
    solved = run("solve", "chain", "--regularizer", "squared-l2", "--temperature", 0.5)
    shown = run("show", "chain-policy.npz")
    assert shown.code == 0
    for name in ("problem", "regularizer", "method", "value", "optimum", "gap", "status"):
        assert shown.row(name) == solved.row(name)


def test_models_lists_all_models():
    listed = CliRunner().invoke(app, ["models"], env={"COLUMNS": "250"})
    assert listed.exit_code == 0
    for entry in rm.models.list_models():
        row = next(
            line.split() for line in listed.stdout.splitlines() if line.startswith(f"{entry.name} ")
        )
        assert row[1:4] == [f"{entry.n_states:,}", f"{entry.n_actions:,}", f"{entry.discount:g}"]


@pytest.mark.parametrize("name", rm.models.model_names())
def test_models_shows_the_parameters_of_one(name):
    shown = CliRunner().invoke(app, ["models", name], env={"COLUMNS": "250"})
    assert shown.exit_code == 0
    for parameter in rm.models.find_model(name).parameters:
        assert f"{parameter}=" in shown.stdout


def test_models_of_an_unknown_name(run):
    assert_error(run("models", "griddworld"), "did you mean gridworld?")


def test_the_version_needs_no_command(run):
    result = run("--version")
    assert result.code == 0
    assert result.out == f"regmdp {rm.__version__}\n"


def test_help_names_the_commands():
    shown = CliRunner().invoke(app, ["--help"], env={"COLUMNS": "120"})
    assert shown.exit_code == 0
    for command in ("solve", "certify", "show", "models", "convert", "frontier", "reproduce"):
        assert command in shown.stdout


# ------------------------------------------------------------------------------------------- errors


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["griddworld"], ["no model named 'griddworld'", "did you mean gridworld?"]),
        (["zzz"], ["no model named 'zzz'", "bandit, chain"]),
        (["chain", "--discount", "1.5"], ["discount must be a number in [0, 1]", "1.5"]),
        (["chain", "--discount", "nan"], ["discount must be a number in [0, 1]"]),
        (["chain", "--discount", "1"], ["there is no optimum: from state 0 some policy"]),
        (["chain", "-p", "lenght=7"], ["no parameter 'lenght'", "n_states=5"]),
        (["chain", "-p", "n_state=7"], ["no parameter 'n_state'", "did you mean n_states?"]),
        (["chain", "-p", "n_states"], ["name=value", "'n_states'"]),
        (["chain", "-p", "n_states=0"], ["n_states must be an integer, 1 or more"]),
        (["missing.npz"], ["missing.npz"]),
        (["chain", "--temperature", "0.1"], ["need a --regularizer"]),
        (["chain", "--regularizer", "shannon"], ["needs a --temperature"]),
        (
            ["chain", "--regularizer", "shannon", "--temperature", "-1"],
            ["temperature must be a finite number, 0 or more, not -1"],
        ),
        (["chain", "--regularizer", "shannon", "--temperature", "nan"], ["temperature", "finite"]),
        (
            ["chain", "--regularizer", "shannon", "--temperature", "1", "--reference", "uniform"],
            ["takes no --reference"],
        ),
        (["chain", "--regularizer", "kl", "--temperature", "0.1"], ["needs a --reference"]),
        (
            ["chain", "--regularizer", "kl", "--temperature", "0.1", "--reference", "expert"],
            ["no reference policy 'expert'"],
        ),
        (
            ["chain", "--regularizer", "tsalis:q=2", "--temperature", "1"],
            ["no regularizer 'tsalis'", "did you mean tsallis?"],
        ),
        (["chain", "--regularizer", "entropy"], ["no regularizer 'entropy'"]),
        (
            ["chain", "--regularizer", "foo", "--temperature", "1"],
            ["no regularizer 'foo'. The regularizers are none, kl"],
        ),
        (
            ["chain", "--regularizer", "tsallis", "--temperature", "1"],
            ["needs q; write tsallis:q=0.5"],
        ),
        (
            ["chain", "--regularizer", "tsallis:q=0", "--temperature", "1"],
            ["q must be a finite number above 0, not 0.0"],
        ),
        (
            ["chain", "--regularizer", "tsallis:q=big", "--temperature", "1"],
            ["q of --regularizer tsallis must be a number"],
        ),
        (["chain", "--regularizer", "tsallis:r=1", "--temperature", "1"], ["takes q, not 'r=1'"]),
        (
            ["chain", "--regularizer", "shannon:q=1", "--temperature", "1"],
            ["shannon takes no parameter"],
        ),
        (["chain", "--algorithm", "npg"], ["npg needs a --step-size"]),
        (
            ["chain", "--algorithm", "npg", "--step-size", "big"],
            ["takes a number, or one of maximum", "'big'"],
        ),
        (
            ["chain", "--algorithm", "npg", "--step-size", "-1"],
            ["step_size must be a number in (0, 1e+250], not -1"],
        ),
        (
            ["chain", "--algorithm", "npg", "--step-size", "2", *SHANNON],
            ["(0, (1-γ)/τ] = (0, 1], not 2"],
        ),
        (["chain", "--algorithm", "value-iteration", "--step-size", "1"], ["has no step size"]),
        (["chain", "--step-size", "1"], ["needs an --algorithm"]),
        (
            ["chain", "--algorithm", "gpmd", "--step-size", "1"],
            ["GPMD measures its steps by the regularizer"],
        ),
        (["chain", "--tol", "-1"], ["tol must be a finite number, 0 or more"]),
        (["chain", "--tol", "0"], ["max_iterations"]),
        (["chain", "--max-iterations", "-1"], ["--max-iterations must be an integer, 0 or more"]),
        (["chain", "-o", "nowhere/policy.npz"], ["nowhere/policy.npz", "no folder nowhere"]),
        (["gymnasium:FrozenLake-v1"], ["--discount"]),
        (["gymnasium:Blackjack-v1", "--discount", "1"], ["Blackjack", "no transition table"]),
        (["gymnasium:NoSuchLake-v1", "--discount", "1"], ["no environment 'NoSuchLake-v1'"]),
    ],
    ids=lambda value: " ".join(value) if value and value[0] != "--" else None,
)
def test_solve_reports_errors(run, arguments, words, tmp_path):
    assert_error(run("solve", *arguments), *words)
    assert list(tmp_path.iterdir()) == []


def test_damaged_files_are_errors(run, tmp_path):
    rm.io.save_model(rm.models.chain(), "model.npz")
    whole = (tmp_path / "model.npz").read_bytes()
    (tmp_path / "model.npz").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "text.npz").write_text("not an archive")
    for name in ("model.npz", "text.npz"):
        assert_error(run("solve", name), name, "damaged")
        assert_error(run("certify", "chain", name), name, "damaged")
        assert_error(run("show", name), name, "damaged")


def test_files_of_another_kind_are_errors(run):
    rm.io.save_model(rm.models.chain(), "model.npz")
    np.savez("arrays.npz", values=np.ones(5))
    assert_error(run("show", "model.npz"), "holds a model, not a solution")
    assert_error(run("certify", "chain", "arrays.npz"), "no array named 'policy'", "values")
    assert_error(run("solve", "model.npz", "-p", "n_states=3"), "--param takes only rewards=NAME")


@pytest.mark.parametrize(
    ("policy", "words"),
    [
        (np.full((3, 2), 0.5), ["shape (S, A) = (5, 2)", "(3, 2)"]),
        (np.full(4, 1), ["shape (S,) = (5,)", "(4,)"]),
        (np.full(5, 2), ["takes action 2 in state 0", "from 0 to 1"]),
        (np.full((5, 2), 0.4), ["sums to 0.8 in state 0", "5 of 5 states"]),
        (np.full((5, 2), [1.5, -0.5]), ["-0.5", "not a probability"]),
    ],
)
def test_certify_reports_errors(run, policy, words):
    np.save("policy.npy", policy)
    assert_error(run("certify", "chain", "policy.npy"), *words)


def test_certify_rejects_a_policy_that_does_not_terminate(run):
    # always up: the cells beside the left wall are never left
    np.save("policy.npy", np.zeros(11, dtype=np.int64))
    assert_error(
        run("certify", "russell-norvig", "policy.npy", "-p", "slip=0"),
        "does not end the episode from state",
    )


def test_a_reference_of_the_wrong_shape_is_an_error(run):
    np.save("reference.npy", np.full((3, 2), 0.5))
    assert_error(
        run(
            "solve",
            "chain",
            "--regularizer",
            "kl",
            "--reference",
            "reference.npy",
            "--temperature",
            1,
        ),
        "3 entries",
        "5 states",
    )


def test_certify_without_the_file(run):
    assert_error(run("certify", "chain", "missing.npy"), "missing.npy")


WRONG_USAGE = [
    [],
    ["solve"],
    ["solve", "chain", "--algorithm", "entropy"],
    ["solve", "chain", "--tol", "x"],
    ["sole", "chain"],
]


@pytest.mark.parametrize("arguments", WRONG_USAGE)
def test_wrong_usage_exits_with_2(run, arguments):
    assert run(*arguments).code == USAGE


# ------------------------------------------------------------------------------------- as a process


def test_the_module_is_a_program(tmp_path):
    command = [sys.executable, "-m", "regmdp", "solve", "chain", "-p", "n_states=many"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == FAILED
    assert done.stdout == ""
    assert done.stderr == "error: n_states must be an integer, 1 or more, not 'many'\n"


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGINT to send")
def test_an_interrupt_saves_the_last_iterate(tmp_path):
    # the program with a line for every iteration, so that its progress can be read, and with
    # Python's own handler, because a process that is started in the background ignores SIGINT
    code = (
        "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); import "
        "regmdp.cli.progress as progress; progress.PROGRESS_EVERY = 0.0; from regmdp.cli import "
        "main; main()"
    )
    # value iteration gains a factor 0.99999 an iteration: it would take a million of them
    options = [
        "solve",
        "gridworld",
        "-p",
        "height=40",
        "-p",
        "width=40",
        "--discount",
        "0.99999",
        "--regularizer",
        "shannon",
        "--temperature",
        "0.001",
        "--algorithm",
        "value-iteration",
        "--output",
        "policy.npz",
    ]
    errors = tmp_path / "stderr"
    with open(errors, "wb") as stderr:
        process = subprocess.Popen(
            [sys.executable, "-c", code, *options],
            cwd=tmp_path,
            env={**os.environ, "COLUMNS": "250"},
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
        )
        try:
            deadline = time.monotonic() + 60
            while b"iteration 50 " not in errors.read_bytes():
                assert process.poll() is None, errors.read_text()
                assert time.monotonic() < deadline, errors.read_text()
                time.sleep(0.02)
            process.send_signal(signal.SIGINT)
            out, _ = process.communicate(timeout=60)
        finally:
            process.kill()
    assert process.returncode == INTERRUPTED
    assert "interrupted: stopped by the user" in out
    assert "Traceback" not in errors.read_text()
    saved = rm.Solution.load(tmp_path / "policy.npz")
    assert saved.status is rm.Status.INTERRUPTED
    assert saved.iterations >= 50
    # the bounds hold for the interrupted run: compare with policy iteration, which is fast
    mdp = rm.models.gridworld(40, 40, discount=0.99999)
    certificate, optimum = (
        saved.certificate,
        rm.solve(mdp, rm.Shannon(temperature=0.001), tol=1e-6).certificate,
    )
    assert np.all(certificate.lower <= optimum.upper)
    assert np.all(optimum.lower <= certificate.upper)
    assert certificate.gap > 1.0
    with np.load(tmp_path / "policy.npz") as archive:
        assert json.loads(str(archive["meta"]))["status"] == "INTERRUPTED"
