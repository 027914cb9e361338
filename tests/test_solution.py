"""Solutions: saved, loaded and printed, and damaged files."""

import os

import numpy as np
import pytest

import regmdp as rm
from regmdp._internal import array_files
from regmdp.certificates import Bounds, Certificate

ARRAYS = ("lower", "upper", "policy_lower", "policy_upper")
NUMBERS = ("gap", "worst_state", "initial_lower", "initial_upper", "initial_gap", "limit")


def make_free_loop():
    """Return an undiscounted model with a loop of total reward 0.

    Only its graph can show an upper bound on the optimum.
    """
    P = np.zeros((3, 2, 3))
    P[0, 0, 1] = P[1, 0, 0] = 1.0
    P[0, 1, 2] = P[1, 1, 2] = 1.0
    r = np.array([[1.0, -5.0], [-1.0, -5.0], [0.0, 0.0]])
    return rm.MDP(P, r, 1.0, available=np.array([[True, True], [True, True], [False, False]]))


SOLUTIONS = {
    "discounted": lambda: rm.solve(rm.models.garnet(20, 3, 4), rm.Shannon(temperature=0.1)),
    "undiscounted": lambda: rm.solve(
        rm.models.gridworld().with_discount(1.0), rm.KL(np.full(4, 0.25), temperature=0.1)
    ),
    "not converged": lambda: rm.solve(
        rm.models.chain(5), algorithm=rm.algorithms.ValueIteration(), max_iterations=2
    ),
    "infinite bounds": lambda: rm.solve(make_free_loop()),
    "exactly three iterations": lambda: rm.solve(rm.models.chain(5), tol=0, max_iterations=3),
}


@pytest.mark.parametrize("name", SOLUTIONS)
def test_a_loaded_solution_equals_the_saved_one(name, tmp_path):
    solution = SOLUTIONS[name]()
    solution.save(tmp_path / "policy.npz")
    again = rm.Solution.load(tmp_path / "policy.npz")
    for field in ("policy", "value", "initial"):
        np.testing.assert_array_equal(getattr(again, field), getattr(solution, field))
        assert not getattr(again, field).flags.writeable
    for field in ARRAYS:
        np.testing.assert_array_equal(
            getattr(again.certificate, field), getattr(solution.certificate, field)
        )
    for field in NUMBERS:
        assert getattr(again.certificate, field) == getattr(solution.certificate, field)
    for field in ("iteration", "residual", "gap", "value", "seconds"):
        np.testing.assert_array_equal(
            getattr(again.history, field), getattr(solution.history, field)
        )
    assert again.status is solution.status
    assert again.provenance == solution.provenance
    assert again.summary() == solution.summary()
    assert repr(again) == repr(solution)
    assert [path.name for path in tmp_path.iterdir()] == ["policy.npz"]


def test_the_case_of_infinite_bounds_has_infinite_bounds():
    solution = SOLUTIONS["infinite bounds"]()
    assert np.isinf(solution.certificate.upper).any()
    assert solution.status is rm.Status.UNBOUNDED_ABOVE
    assert solution.certificate.limit is rm.Status.UNBOUNDED_ABOVE
    assert "inf" in solution.summary()


def test_a_saved_policy_can_be_certified(tmp_path):
    mdp, regularizer = rm.models.garnet(20, 3, 4), rm.Shannon(temperature=0.1)
    solution = rm.solve(mdp, regularizer)
    solution.save(tmp_path / "policy.npz")
    again = rm.Solution.load(tmp_path / "policy.npz")
    assert rm.certify(mdp, regularizer, policy=again.policy).gap <= 1e-8
    assert again.provenance.model_digest == mdp.digest


def test_a_solution_is_read_only():
    solution = rm.solve(rm.models.chain(3))
    with pytest.raises(AttributeError):
        solution.value = np.zeros(3)
    for array in (
        solution.policy,
        solution.value,
        solution.certificate.lower,
        solution.history.gap,
    ):
        with pytest.raises(ValueError, match="read-only"):
            array[...] = 0.0


def test_the_summary_states_problem_method_and_status():
    lines = dict(rm.solve(rm.models.garnet(20, 3, 4), rm.Shannon(temperature=0.5)).lines())
    assert lines["problem"].startswith("MDP(20 states, 3 actions")
    assert lines["regularizer"] == "Shannon(temperature=0.5)"
    assert lines["method"].startswith("policy iteration, ")
    assert lines["status"].startswith("converged: ")
    assert "problem" not in rm.solve(rm.models.chain(3)).provenance.options
    assert rm.solve(rm.models.chain(3)).provenance.options["tol"] == 1e-9


def test_the_summary_names_the_worst_state():
    mdp = rm.MDP(np.eye(2)[:, None, :], [[1.0], [0.0]], 0.9, state_labels=["left", "right"])
    assert "left" in rm.solve(mdp).summary() or "right" in rm.solve(mdp).summary()


# ---- certificates ----


def test_a_certificate_with_infinite_bounds_has_an_infinite_gap():
    inf = np.array([np.inf, 1.0])
    certificate = Certificate.from_bounds(
        np.array([0.0, 1.0]), Bounds(-inf, inf, np.array([-np.inf, 0.0]), inf)
    )
    assert certificate.gap == np.inf
    assert certificate.worst_state == 0
    # the bounds of the second state, the initial one, are finite
    assert 1.0 <= certificate.initial_gap <= 1.0 + 1e-14
    assert "inf" in repr(certificate)
    both = Certificate.from_bounds(np.array([1.0, 0.0]), Bounds(-inf, inf, inf, inf))
    assert both.gap == np.inf


# ---- files ----


@pytest.fixture
def saved(tmp_path):
    path = tmp_path / "policy.npz"
    rm.solve(rm.models.chain(5)).save(path)
    return path


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError):
        rm.Solution.load(tmp_path / "missing.npz")


@pytest.mark.parametrize("keep", [0, 1, 10, 100, 1000, -1, -100])
def test_a_truncated_file_is_refused(saved, keep):
    saved.write_bytes(saved.read_bytes()[:keep])
    with pytest.raises(rm.FormatError, match="policy.npz is not a file of NumPy arrays"):
        rm.Solution.load(saved)


def test_a_file_with_a_changed_byte_is_refused(saved):
    whole = bytearray(saved.read_bytes())
    middle = whole.find(b"policy.npy") + 200
    whole[middle] ^= 0xFF
    saved.write_bytes(whole)
    with pytest.raises(rm.FormatError, match="damaged"):
        rm.Solution.load(saved)


def test_a_file_of_another_kind_is_refused(tmp_path):
    path = tmp_path / "other.npz"
    path.write_text("policy")
    with pytest.raises(rm.FormatError, match="other.npz is not a file of NumPy arrays"):
        rm.Solution.load(path)
    np.savez(path, policy=np.zeros(3))
    with pytest.raises(rm.FormatError, match="other.npz is not a regmdp file"):
        rm.Solution.load(path)
    np.savez(
        path, meta=np.array({"kind": "solution"}, dtype=object)
    )  # needs a pickle, which could run any code
    with pytest.raises(rm.FormatError, match="other.npz is not a file.*allow_pickle"):
        rm.Solution.load(path)
    rm.io.save_model(rm.models.chain(3), path)
    with pytest.raises(rm.FormatError, match="other.npz holds a model, not a solution"):
        rm.Solution.load(path)


def test_a_file_of_a_newer_version_is_refused(saved, monkeypatch):
    monkeypatch.setattr(array_files, "FORMAT", array_files.FORMAT + 1)
    rm.solve(rm.models.chain(5)).save(saved)
    monkeypatch.undo()
    with pytest.raises(rm.FormatError, match="written by a newer version of regmdp"):
        rm.Solution.load(saved)


@pytest.mark.parametrize("lacking", ["policy", "certificate_upper", "history_gap"])
def test_an_incomplete_file_is_refused(saved, lacking):
    arrays, meta = array_files.read_arrays(saved, "solution")
    del arrays[lacking]
    array_files.write_arrays(saved, "solution", arrays, meta)
    with pytest.raises(
        rm.FormatError, match=f"is not a complete solution: '{lacking}' is missing or wrong"
    ):
        rm.Solution.load(saved)


def changed(array, place, number):
    array = array.copy()
    array[place] = number
    return array


WRONG_CONTENT = {
    "crossed bounds": ("certificate_lower", lambda a: changed(a, 2, 1e9), "in state 2"),
    "crossed bounds of the policy": ("certificate_policy_upper", lambda a: a - 1e9, "5 of 5"),
    "a bound that is NaN": ("certificate_upper", lambda a: changed(a, 0, np.nan), "contradict"),
    "bounds of fewer states": ("certificate_lower", lambda a: a[:3], "has shape"),
    "a value that is NaN": ("value", lambda a: changed(a, 1, np.nan), "value is NaN in 1 states"),
    "a value of more states": ("value", lambda a: np.append(a, 0.0), "value has shape"),
    "a value of text": ("value", lambda a: a.astype(str), "entries of the type"),
    "a policy of one axis": ("policy", lambda a: a[:, 0], "policy has shape"),
    "a policy of 7s": ("policy", lambda a: 7 * a, "policy is not a distribution"),
    "a negative probability": ("policy", lambda a: changed(a, 0, [2.0, -1.0]), "is not"),
    "a policy with NaN": ("policy", lambda a: changed(a, (3, 0), np.nan), "row 3"),
    "no initial distribution": ("initial", lambda a: 0 * a, "initial is not a distribution"),
    "a shorter history": ("history_gap", lambda a: a[:-1], "history_gap has shape"),
    "iterations that descend": ("history_iteration", lambda a: -a - 1, "do not ascend"),
    "iterations that are no integers": ("history_iteration", lambda a: a + 0.5, "of the type"),
}  # fmt: skip


@pytest.mark.parametrize("case", WRONG_CONTENT)
def test_wrong_content_is_refused(saved, case):
    name, change, message = WRONG_CONTENT[case]
    arrays, meta = array_files.read_arrays(saved, "solution")
    array_files.write_arrays(saved, "solution", arrays | {name: change(arrays[name])}, meta)
    with pytest.raises(rm.FormatError, match=rf"policy\.npz does not hold .*{message}"):
        rm.Solution.load(saved)


@pytest.mark.parametrize(
    "entries",
    [
        {"status": "FINE"},
        {"status": None},
        {"limit": "FINE"},
        {"provenance": None},
        {"provenance": {"problem": "p", "regularizer": "r", "algorithm": 7}},
        {"provenance": {"problem": "p", "regularizer": "r", "algorithm": "a", "options": []}},
        {"provenance": {"problem": "p"}},
        {"provenance": {"other": "p"}},
        {"layout": 3},
        {"layout": {}},
        {"action_labels": ["one"]},
    ],
)
def test_wrong_entries_are_refused(saved, entries):
    arrays, meta = array_files.read_arrays(saved, "solution")
    array_files.write_arrays(saved, "solution", arrays, meta | entries)
    with pytest.raises(rm.FormatError, match=r"policy\.npz"):
        rm.Solution.load(saved)


def test_an_edited_file_is_refused(saved):
    """A file whose numbers were replaced by others that could be right."""
    arrays = dict(np.load(saved))
    np.savez(saved, **arrays)
    assert rm.Solution.load(saved).certificate.gap < 1e-8
    arrays["certificate_upper"] = arrays["certificate_lower"].copy()
    np.savez(saved, **arrays)
    with pytest.raises(rm.FormatError, match="was changed after it was written"):
        rm.Solution.load(saved)


@pytest.mark.parametrize(
    "error", [OSError("disk full"), KeyboardInterrupt()], ids=["full disk", "Ctrl-C"]
)
@pytest.mark.parametrize("when", ["while writing", "before it is moved", "while it is flushed"])
def test_a_crash_while_writing_leaves_the_old_file(saved, monkeypatch, error, when):
    before = saved.read_bytes()

    def crash(*arguments, **keywords):
        raise error

    if when == "while writing":
        real = np.lib.format.write_array

        def half(file, array, *arguments, **keywords):
            if array.ndim == 2:
                crash()
            return real(file, array, *arguments, **keywords)

        monkeypatch.setattr(np.lib.format, "write_array", half)
    else:
        monkeypatch.setattr(os, "replace" if when == "before it is moved" else "fsync", crash)
    other = rm.solve(rm.models.chain(7))
    with pytest.raises(type(error)):
        other.save(saved)
    monkeypatch.undo()
    assert saved.read_bytes() == before
    assert [path.name for path in saved.parent.iterdir()] == ["policy.npz"]
    assert rm.Solution.load(saved).value.size == 5
    other.save(saved)
    assert rm.Solution.load(saved).value.size == 7


def test_saving_to_a_missing_folder_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="cannot write .*policy.npz: there is no folder"):
        rm.solve(rm.models.chain(3)).save(tmp_path / "nowhere" / "policy.npz")
