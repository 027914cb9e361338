"""The table of docs/lecture.md: its cells, its links, its tests, and its numbers measured again."""

import ast
import importlib
import re
import subprocess
import sys
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from theory import lecture, loops
from theory.lecture import HERE, MEASUREMENTS, NUMBER, NUMBERS, PAGE, TESTS, Measurement, find_rows

import regmdp as rm
from regmdp.reproduce.experiments import EXPERIMENTS
from regmdp.testing import strategies

ROWS = find_rows(PAGE.read_text(encoding="utf-8"))
few = settings(max_examples=settings().max_examples // 2)


# ---- the page ----


def find_empty_cells(rows):
    return [(row[0], k) for row in rows for k, cell in enumerate(row) if not re.search(r"\w", cell)]


@cache
def list_tests(path):
    """Return the names of the tests of a file that are not marked slow."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return {
        node.name
        for node in tree.body
        if isinstance(node, ast.FunctionDef)
        and not any("mark.slow" in ast.unparse(mark) for mark in node.decorator_list)
    }


def find_missing_tests(row):
    """Return the tests of a row that are not in the file that they link to."""
    named = re.findall(r"\[([\w ]+)\]\(([^)]+)\)", row[TESTS])
    assert named, row
    return [
        words
        for words, target in named
        if not (file := (PAGE.parent / target).resolve()).exists()
        or f"test_{words.replace(' ', '_')}" not in list_tests(file)
    ]


def find_unknown_names(row):
    """Return the names of the library in a row that do not exist."""
    return [
        name
        for name in re.findall(r"\b(?:rm|regmdp)\.[A-Za-z_][\w.]*\w", row[HERE])
        if not exists(name)
    ]


def exists(name):
    _, *parts = name.split(".")
    if parts[0] == "deep":
        importlib.import_module("regmdp.deep")
    found = rm
    for part in parts:
        found = getattr(found, part, None)
    return found is not None


def test_there_are_48_rows_without_an_empty_cell():
    assert [int(row[NUMBER]) for row in ROWS] == list(range(1, 49)) == list(MEASUREMENTS)
    assert {len(row) for row in ROWS} == {7}
    assert find_empty_cells(ROWS) == []


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[NUMBER])
def test_what_a_row_names_exists(row):
    assert re.search(r"\]\([\w/.#-]+\)", row[HERE]), "a row links to a page"
    assert re.search(r"`(rm|regmdp)[ .]", row[HERE]) or "gallery.md" in row[HERE]
    assert find_unknown_names(row) == []
    assert find_missing_tests(row) == []
    for name in re.findall(r"regmdp reproduce (\w+)", row[HERE]):
        assert name in {experiment.name for experiment in EXPERIMENTS}
    for name in re.findall(r'statement "([^"]+)"', row[HERE].replace("\\", "")):
        assert name in {statement.name for statement in rm.theory.STATEMENTS}


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[NUMBER])
def test_the_numbers_are_those_that_are_measured(row):
    found = MEASUREMENTS[int(row[NUMBER])]()
    assert found.holds, str(found)
    measured, relation, predicted = row[NUMBERS].split()
    assert relation == found.relation
    # three digits are shown
    assert float(measured) == pytest.approx(found.measured, rel=0.02, abs=1e-12)
    assert float(predicted) == pytest.approx(found.predicted, rel=0.02)


@pytest.mark.slow
def test_pytest_collects_the_tests_of_all_rows():
    named = [re.findall(r"\[([\w ]+)\]\(\.\./([^)]+)\)", row[TESTS]) for row in ROWS]
    expected = {f"{file}::test_{words.replace(' ', '_')}" for row in named for words, file in row}
    files = sorted({name.partition("::")[0] for name in expected})
    command = [sys.executable, "-m", "pytest", "--collect-only", "-q", "-n", "0", *files]
    listed = subprocess.run(
        command, cwd=PAGE.parents[1], capture_output=True, text=True, check=True
    ).stdout
    assert expected <= {line.partition("[")[0] for line in listed.splitlines()}


# ---- the checks of the page find what is wrong ----


def test_wrong_rows_are_found():
    row = list(ROWS[0])
    assert find_empty_cells([row]) == []
    assert find_empty_cells([[*row[:3], "", *row[4:]]]) == [("1", 3)]
    assert find_empty_cells([[*row[:5], "?", row[6]]]) == [("1", 5)]
    row[HERE] = "[`rm.theory.no_such_bound`](theory.md), `rm.theory.check`"
    assert find_unknown_names(row) == ["rm.theory.no_such_bound"]
    row[TESTS] = "[no test](../tests/theory/test_bounds.py), [adaptive](../tests/no.py)"
    assert find_missing_tests(row) == ["no test", "adaptive"]


def test_slow_tests_are_not_enough():
    row = list(ROWS[0])
    slow = "accepted steps are within the trust region and rejected ones change nothing"
    row[TESTS] = f"[{slow}](../tests/deep/test_natural_gradient.py)"
    assert find_missing_tests(row) == [slow]


@pytest.mark.parametrize(
    ("measured", "relation", "predicted"),
    [(1.0, "=", 1.001), (1.0, "≤", 0.999), (1.0, "≥", 1.001), (1.0, "≈", 0.8), (np.nan, "≤", 1.0)],
)
def test_wrong_numbers_do_not_hold(measured, relation, predicted):
    assert not Measurement(measured, relation, predicted).holds


def test_refreshing_replaces_the_numbers_only(monkeypatch):
    monkeypatch.setitem(MEASUREMENTS, 1, lambda: Measurement(0.5, "≤", 1234.5))
    text = "| 1 | π(a\\|s) | b | c | d | 7 = 8 | e |\n\ntext | 2 |\n"
    assert lecture.refresh(text) == text.replace("7 = 8", "0.5 ≤ 1234")


def test_the_script_finds_the_page():
    assert Path(lecture.PAGE).name == "lecture.md"
    assert PAGE.exists()


# ---- statements without another test ----


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("tau", [0.05, 1.0])
def test_the_softmax_of_the_optimal_action_values_is_optimal(seed, tau):
    mdp = rm.models.garnet(6, 3, 3, discount=0.8, rng=seed)
    value = loops.optimal_value(mdp, tau)
    q = loops.q_of(mdp, value)
    best = loops.softmax(q / tau)
    np.testing.assert_allclose(value, tau * np.log(np.exp(q / tau).sum(axis=1)), rtol=1e-10)
    np.testing.assert_allclose(loops.value_of(mdp, best, tau, loops.entropy), value, rtol=1e-9)
    np.testing.assert_allclose(
        rm.theory.compute_optimum(mdp, rm.Shannon(tau)).policy, best, atol=1e-9
    )
    rng = np.random.default_rng(seed)
    for policy in (*rng.dirichlet(np.ones(3), size=(20, 6)), loops.softmax(0.9 * q / tau)):
        assert np.all(loops.value_of(mdp, policy, tau, loops.entropy) < value)


def test_waiting_times_multiply():
    """Every second state of the chain waits by a larger power of the number of states."""
    short, long = lecture.find_waits(10**5), lecture.find_waits(10**8)
    growth = np.log10(long / short) / 3
    # linear for the buffers, then faster and faster
    np.testing.assert_allclose(growth[:2], 1.0, atol=0.01)
    assert np.all(np.diff(growth[1:]) > 0.1)


@few
@given(st.data())
def test_entropy_costs_at_most_its_range(data):
    discounts = st.sampled_from([0.0, 0.5, 0.9])
    mdp = data.draw(strategies.mdps(discounts=discounts), label="model")
    tau = data.draw(st.sampled_from([1e-3, 0.1, 1.0]), label="temperature")
    regularizer = data.draw(
        st.sampled_from([rm.Shannon(tau), rm.SquaredL2(tau), rm.Tsallis(1.5, tau)])
    )
    low, high = regularizer.bounds(mdp.n_actions)
    policy = rm.theory.compute_optimum(mdp, regularizer).policy
    loss = rm.theory.compute_optimum(mdp).value - rm.evaluate(mdp, policy).value
    assert np.max(loss) <= tau * (high - low) / (1 - mdp.discount) + 1e-9


@pytest.mark.parametrize("seed", range(4))
def test_soft_actor_critic_steps_contract(seed):
    mdp, tau = rm.models.garnet(6, 3, 3, discount=0.8, rng=seed), 0.2
    optimal = loops.q_of(mdp, loops.optimal_value(mdp, tau))
    q = np.random.default_rng(seed).normal(size=(6, 3))
    for _ in range(15):
        policy = loops.softmax(q / tau)
        following = rm.bellman.q_policy_backup(mdp, rm.Shannon(tau), policy, q)
        before, after = np.max(np.abs(optimal - q)), np.max(np.abs(optimal - following))
        assert after <= 0.8 * before + 1e-12
        q = following
    # a critic without the entropy of its policy has another limit
    for _ in range(200):
        q = rm.bellman.q_policy_backup(mdp, None, loops.softmax(q / tau), q)
    assert np.max(np.abs(optimal - q)) > 0.01
