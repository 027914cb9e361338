"""--goal, --avoid, --objective and --minimize of the commands that take a model."""

import numpy as np
import pytest
from typer.testing import CliRunner

import regmdp as rm
from regmdp.cli import app


@pytest.fixture
def run(monkeypatch, tmp_path):
    """Run a command in a folder with a file of a model with labels and two rewards."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "robot.drn").write_text(ROBOT)

    def invoke(*arguments):
        return CliRunner().invoke(app, arguments, env={"COLUMNS": "200", "NO_COLOR": "1"})

    return invoke


ROBOT = """\
@type: MDP
@parameters

@reward_models
time energy
@nr_states
4
@nr_choices
6
@model
state 0 [0, 0] init
\taction wait [0, 0]
\t\t0 : 1
\taction walk [4, 1]
\t\t2 : 1
\taction jump [1, 3]
\t\t1 : 0.5
\t\t3 : 0.5
state 1 [1, 0]
\taction back [1, 0]
\t\t0 : 1
state 2 [0, 0] goal1
\taction stay [7, 7]
\t\t2 : 1
state 3 [0, 0] trap
\taction stay [0, 0]
\t\t3 : 1
"""


def row(result, name):
    assert result.exit_code == 0, result.output
    return next(line for line in result.output.splitlines() if line.startswith(name + " "))


@pytest.mark.parametrize(
    ("options", "value"),
    [
        ("--rewards time --goal goal1 --minimize", "4"),
        ("--rewards energy --goal goal1 --minimize", "1"),
        ("-p rewards=energy --goal 2 --minimize --goal-rewards", "8"),
        ("--rewards time --goal goal1 --objective steps --minimize", "1"),
        ("--rewards time --goal goal1 --objective reach", "1"),
        ("--rewards time --goal goal1 --objective reach --minimize", "0"),
        ("--rewards time --goal 1 --avoid goal1 --objective reach", "0.5"),
        ("--rewards time --goal 1 --goal goal1 --avoid trap --objective steps --minimize", "1"),
        ("--rewards time --goal 1 --minimize", "inf"),
    ],
)
def test_questions_of_model_checkers(run, options, value):
    result = run("solve", "robot.drn", *options.split())
    assert row(result, "value").split()[1] == value
    kind = "minimum" if "--minimize" in options else "maximum"
    assert f"the {kind} " in row(result, "value")
    low, high = (float(word) for word in row(result, "optimum").split()[2::2])
    assert low <= float(value) <= high
    assert row(run("show", "robot-policy.npz"), "value") == row(result, "value")
    certified = run("certify", "robot.drn", "robot-policy.npz", *options.split())
    assert row(certified, "value") == row(result, "value")


def test_a_converted_model_keeps_its_labels_and_its_goal(run):
    assert run("convert", "robot.drn", "a.npz", "--rewards", "time").exit_code == 0
    assert rm.io.read_model("a.npz").labels["trap"].tolist() == [False, False, False, True]
    result = run("convert", "a.npz", "b.tra", "--goal", "goal1", "--minimize")
    assert "counts as -inf" in result.output
    assert row(run("solve", "b.tra"), "value").split()[1] == "4"


def test_a_frontier_of_costs(run):
    np.save("moves.npy", [[0, 0.5, 0.5, 0, 0], [0, 0, 0, 1, 0], [0, 0, 0, 0, 1], [0, 0, 0, 0, 1]])
    options = ("--rewards", "time", "--goal", "2", "--goal", "3", "--minimize")
    result = run("frontier", "robot.drn", "--reference", "moves.npy", *options)
    assert result.exit_code == 0, result.output
    assert "negated rewards, minus the minimum expected reward until the goal" in result.output


def test_a_goal_that_no_transition_enters_is_announced(run):
    options = ("--discount", "1", "--goal", "15", "--objective", "reach")
    result = run("solve", "gymnasium:FrozenLake-v1", *options)
    assert "no transition leads to the goal" in result.output
    assert row(result, "value").split()[1] == "0"
    result = run("solve", "robot.drn", "--rewards", "time", "--goal", "goal1", "--minimize")
    assert "no transition" not in result.output


def test_a_regularized_cost_is_compared_with_that_of_the_reference(run):
    # by the reference each of wait, walk and jump has 1/3; a jump lands in the trap
    question = ("--rewards", "time", "--goal", "goal1", "--goal", "trap", "--minimize")
    options = ("--regularizer", "kl", "--reference", "uniform", "--temperature", "0.01")
    result = run("solve", "robot.drn", *question, *options)
    assert "until the goal, with the regularizer" in row(result, "value")
    assert "4 without the regularizer; the reference policy costs 4" in row(result, "reward")
    # where the trap is not a goal, it has no answer; without it x = (x + 1)/3, x = exp(-divergence)
    result = run("solve", "robot.drn", *question[:4], "--minimize", *options)
    assert "4 without the regularizer; the reference policy costs inf" in row(result, "reward")
    assert float(row(result, "moved").split()[1]) == pytest.approx(np.log(2), abs=1e-4)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--goal", "gaol1"), "did you mean 'goal1'"),
        (("--goal", "9"), "states run from 0 to 3"),
        (("--goal", "-1"), "no label '-1'"),
        (("--avoid", "goal1"), "--avoid needs a --goal"),
        (("--minimize",), "--minimize needs a --goal"),
        (("--objective", "reward"), "--objective needs a --goal"),
        (("--goal-rewards",), "--goal-rewards needs a --goal"),
        (("--goal", "goal1", "--avoid", "2"), "both a goal and to be avoided"),
        (("--goal", "goal1"), "never reaches the goal"),
    ],
)
def test_wrong_goals_are_errors(run, options, message):
    result = run("solve", "robot.drn", "--rewards", "time", *options)
    assert isinstance(result.exception, rm.RegmdpError)
    assert message in str(result.exception)
