"""Every format: what is written comes back, what is damaged is refused with its line."""

import re

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given
from hypothesis import strategies as st
from small_solvers import optimal_value

import regmdp as rm
from regmdp.io import formats
from regmdp.mdp.labels import list_labels
from regmdp.testing import strategies

#: Names of labels, of which the first three mean something else in the files.
LABELS = ("init", "deadlock", "end", "goal", "two words", "0", "ä", "[0] // #", "=")
FAITHFUL = ["x.npz", "x.tra", "x.drn", "x.mapped"]


@st.composite
def models_of_any_kind(draw):
    """Models with discounts up to 1, initial distributions and names."""
    mdp = draw(strategies.mdps(discounts=st.sampled_from((0.0, 0.3, 0.9, 1.0))))
    changes = {}
    if draw(st.booleans()):
        weights = np.array(
            draw(st.lists(st.integers(0, 3), min_size=mdp.n_states, max_size=mdp.n_states)),
            dtype=float,
        )
        if weights.any():
            changes["initial"] = weights / weights.sum()
    names = draw(st.sampled_from((None, "go{}", "turn left {}", 'a"[{}] // #')))
    if names is not None:
        changes["action_labels"] = [names.format(action) for action in range(mdp.n_actions)]
        changes["state_labels"] = [f"ä {state}" for state in range(mdp.n_states)]
    states = st.lists(st.integers(0, mdp.n_states - 1), max_size=3)
    changes["labels"] = draw(st.dictionaries(st.sampled_from(LABELS), states))
    return rm.MDP(
        mdp.transitions.to_csr(),
        mdp.rewards,
        mdp.discount,
        **(
            {"initial": mdp.initial, "available": mdp.available, "termination": mdp.termination}
            | changes
        ),
    )


@pytest.mark.parametrize("name", FAITHFUL)
@given(mdp=models_of_any_kind())
def test_round_trip(tmp_path_factory, name, mdp):
    path = tmp_path_factory.mktemp("model") / name
    rm.io.write_model(mdp, path)
    back = rm.io.read_model(path)
    assert back.digest == mdp.digest
    assert (back.state_labels, back.action_labels) == (mdp.state_labels, mdp.action_labels)
    assert list_labels(back.labels) == list_labels(mdp.labels)


@pytest.mark.parametrize("name", FAITHFUL)
@pytest.mark.parametrize("objective", ["reach", "reward", "steps"])
def test_a_model_with_a_goal_is_read_again(tmp_path, name, objective):
    mdp = rm.models.gridworld(3, 3, discount=1.0).with_labels({"exit": [7, 8]})
    mdp = mdp.with_goal("exit", avoid=4, objective=objective, minimize=True)
    notes = rm.io.write_model(mdp, tmp_path / name)
    back = rm.io.read_model(tmp_path / name)
    assert (back.digest, back.objective) == (mdp.digest, mdp.objective)
    told = name in ("x.tra", "x.drn") and objective != "reach"
    assert any("counts as -inf" in note for note in notes) == told


@pytest.mark.parametrize("name", ["x.tra", "x.drn"])
@given(mdp=models_of_any_kind())
def test_without_metadata_the_decision_problem_is_the_same(tmp_path_factory, name, mdp):
    path = tmp_path_factory.mktemp("model") / name
    rm.io.write_model(mdp, path)
    if name == "x.tra":
        path.with_suffix(".regmdp.json").unlink()
    else:
        path.write_text(path.read_text().partition("\n")[2])
    states, mask = slice(mdp.n_states), ~mdp.terminal
    back = rm.io.read_model(path, discount=mdp.discount)
    assert back.n_states == mdp.n_states + bool(np.any(mdp.termination))
    np.testing.assert_array_equal(back.initial[states] > 0, mdp.initial > 0)
    if mdp.discount < 1:
        np.testing.assert_allclose(optimal_value(back)[states], optimal_value(mdp), atol=1e-9)
    else:
        ours, theirs = rm.solve(mdp, tol=1e-9), rm.solve(back, tol=1e-9)
        np.testing.assert_allclose(theirs.value[states][mask], ours.value[mask], atol=1e-6)


@pytest.mark.parametrize("format", ["mdptoolbox", "quantecon"])
@given(mdp=strategies.mdps(discounts=st.sampled_from((0.1, 0.5, 0.9, 1.0))))
def test_arrays_of_other_toolboxes_keep_the_values(tmp_path_factory, format, mdp):
    path = tmp_path_factory.mktemp("model") / "x.npz"
    partly = mdp.available.any(axis=1) & ~mdp.available.all(axis=1)
    if format == "mdptoolbox" and partly.any():
        with pytest.raises(rm.ModelError, match="not available"):
            rm.io.write_model(mdp, path, format=format)
        return
    rm.io.write_model(mdp, path, format=format)
    assert formats.read_with_notes(path).format == format
    back = rm.io.read_model(path)
    states = slice(mdp.n_states)
    np.testing.assert_allclose(rm.solve(back).value[states], rm.solve(mdp).value, atol=1e-7)
    np.testing.assert_array_equal(back.initial[states], mdp.initial)
    if np.array_equal(back.terminal[states], mdp.terminal):  # no other state rests
        regularizer = rm.Shannon(temperature=0.5)
        expected = rm.solve(mdp, regularizer).value
        found = rm.solve(back, regularizer).value[states]
        np.testing.assert_allclose(found, expected, atol=1e-7)
    if format == "mdptoolbox" and not mdp.terminates and not back.terminates:
        assert back.digest == mdp.digest


@pytest.mark.parametrize("name", FAITHFUL)
@pytest.mark.parametrize(
    "build",
    [rm.models.gridworld, rm.models.queue, rm.models.forest, lambda: rm.models.garnet(300, 3, 4)],
)
def test_round_trip_of_named_models(tmp_path, name, build):
    mdp = build()
    rm.io.write_model(mdp, tmp_path / name)
    assert rm.io.read_model(tmp_path / name).digest == mdp.digest
    assert rm.io.read_model(tmp_path / name, discount=0.25).discount == 0.25


def test_writing_again_replaces_everything(tmp_path):
    path = tmp_path / "x.tra"
    path.with_suffix(".sta").write_text("(x)\n0:(1)\n")
    for mdp in (rm.models.gridworld(), rm.models.forest()):
        rm.io.write_model(mdp, path)
        assert rm.io.read_model(path).digest == mdp.digest


def test_a_folder_is_read_as_a_mapped_model(tmp_path):
    rm.io.write_model(rm.models.forest(), f"{tmp_path}/here/")
    assert formats.read_with_notes(tmp_path / "here").format == "mapped"
    with pytest.raises(FileExistsError):
        rm.io.write_model(rm.models.forest(), tmp_path / "here", format="mapped")


def test_unknown_formats(tmp_path):
    with pytest.raises(
        rm.FormatError,
        match=r"x\.csv does not have the extension.*npz.*prism \(\.tra.*drn.*mdptoolbox.*cassandra",
    ):
        rm.io.read_model(tmp_path / "x.csv")
    with pytest.raises(rm.FormatError, match="there is no format 'json'; the formats are"):
        rm.io.write_model(rm.models.forest(), tmp_path / "x.npz", format="json")
    with pytest.raises(
        rm.FormatError, match="cassandra can be read but not written; choose one of npz"
    ):
        rm.io.write_model(rm.models.forest(), tmp_path / "x.mdp")
    with pytest.raises(FileNotFoundError, match=r"x\.drn"):
        rm.io.read_model(tmp_path / "x.drn")
    rm.io.write_model(rm.models.forest(), tmp_path / "x.npz")
    with pytest.raises(rm.FormatError, match="rewards= is for files of model checkers"):
        rm.io.read_model(tmp_path / "x.npz", rewards="energy")
    with pytest.raises(rm.FormatError, match="arrays of the format npz, not of quantecon"):
        rm.io.read_model(tmp_path / "x.npz", format="quantecon")
    with pytest.raises(FileNotFoundError, match="there is no folder"):
        rm.io.write_model(rm.models.forest(), tmp_path / "nowhere" / "x.drn")


def test_arrays_that_are_not_a_model(tmp_path):
    path = tmp_path / "x.npz"
    np.savez(path, P=np.ones((2, 2)), weights=np.ones(3))
    with pytest.raises(
        rm.FormatError,
        match=r"holds the arrays P, weights, which are not a model.*mdptoolbox: P, R, discount",
    ):
        rm.io.read_model(path)
    P = np.array([np.eye(2), np.eye(2)])
    for changes, message in (
        ({"P": P[:, :1]}, "P"),
        ({"R": np.ones(7)}, "R has shape"),
        ({"discount": np.ones(2)}, "discount"),
        ({"discount": 1.5}, r"in \[0, 1\]"),
        ({"R": np.array([["a", "b"], ["c", "d"]])}, "x.npz"),
        ({"initial": np.ones(2)}, "initial sums to 2"),
    ):
        np.savez(path, **({"P": P, "R": np.ones((2, 2)), "discount": 0.9} | changes))
        with pytest.raises(rm.FormatError, match=message):
            rm.io.read_model(path)
    np.savez(
        path,
        R=np.ones(2),
        Q=np.eye(2),
        beta=0.5,
        s_indices=np.array([0, 7]),
        a_indices=np.array([0, 0]),
    )
    with pytest.raises(rm.FormatError, match="consistent"):
        rm.io.read_model(path)
    path.write_text("text")
    with pytest.raises(rm.FormatError, match="damaged"):
        rm.io.read_model(path)


def test_toolbox_arrays_of_other_programs(tmp_path):
    P = np.array([[[0.5, 0.5], [0.8, 0.2]], [[0.0, 1.0], [0.1, 0.9]]])
    np.savez(tmp_path / "x.npz", P=P, R=np.array([[5.0, 10.0], [-1.0, 2.0]]), discount=0.9)
    np.testing.assert_allclose(
        optimal_value(rm.io.read_model(tmp_path / "x.npz")),
        [42.4418604651, 36.0465116279],
        rtol=1e-10,
    )
    R, Q = (
        np.array([[5.0, 10.0], [-1.0, -np.inf]]),
        np.array([[[0.5, 0.5], [0.0, 1.0]], [[0.0, 1.0], [0.5, 0.5]]]),
    )
    np.savez(tmp_path / "y.npz", R=R, Q=Q, beta=np.array([0.95]))
    np.testing.assert_allclose(
        optimal_value(rm.io.read_model(tmp_path / "y.npz")), [-8.5714285714, -20.0], rtol=1e-9
    )


def test_arrays_above_the_size_limit(tmp_path):
    n = 20_000
    mdp = rm.MDP(sp.eye_array(n, format="csr"), np.zeros((n, 1)), 0.5)
    for format in ("mdptoolbox", "quantecon"):
        with pytest.raises(rm.ModelError, match="most of them zeros"):
            rm.io.write_model(mdp, tmp_path / "x.npz", format=format)
    assert not list(tmp_path.iterdir())


# ------------------------------------------------------------------------------------ damaged files


def ending():
    """A model of which everything has to be written: termination, a terminal state, names."""
    return rm.MDP(
        np.array(
            [
                [[0.5, 0.25, 0.0], [0.0, 1.0, 0.0]],
                [[0.0, 0.0, 1.0], [0.5, 0.0, 0.5]],
                [[0.0] * 3] * 2,
            ]
        ),
        np.array([[1.0, -2.5], [0.125, 3.0], [0.0, 0.0]]),
        0.75,
        available=[[True, True], [True, True], [False, False]],
        termination=[[0.25, 0.0], [0.0, 0.0], [0.0, 0.0]],
        action_labels=["go", "stay"],
    )


def mutants(text):
    """The text, cut off after each line, or with one word changed, dropped or doubled."""
    lines = text.split("\n")
    for end in range(len(lines) - 1):
        yield "\n".join(lines[:end]) + "\n" * bool(end)
    for match in re.finditer(r"[^\s:]+|:", text):
        for word in (
            "",
            "x",
            "-1",
            "99999999999999999999",
            "nan",
            "1_0",
            "7",
            "[",
            '"',
            "\x00",
            f"{match[0]} {match[0]}",
        ):
            yield text[: match.start()] + word + text[match.end() :]
    yield text + "x"
    yield text[: len(text) // 2]


def refused_or_read(path, content, *, whole):
    """Read a model of which one file has this content; return None if that is refused with a
    message that names the file.
    """
    path.write_text(content)
    try:
        return rm.io.read_model(whole)
    except rm.FormatError as error:
        message = str(error)
    assert str(path.parent) in message
    return None


@pytest.mark.parametrize("suffix", [".tra", ".lab", ".srew", ".trew", ".regmdp.json"])
def test_damage_to_written_prism_files_is_detected(tmp_path, suffix):
    path = tmp_path / "x.tra"
    rm.io.write_model(ending(), path)
    digest = rm.io.read_model(path).digest
    part = path.with_suffix(suffix)
    text = part.read_text()
    for content in mutants(text):
        back = refused_or_read(part, content, whole=path)
        assert back is None or back.digest == digest, content


def test_damage_to_written_storm_files_is_detected(tmp_path):
    path = tmp_path / "x.drn"
    rm.io.write_model(ending(), path)
    digest, text = rm.io.read_model(path).digest, path.read_text()
    first = text.index("\n")
    for content in (
        *(text[: first + 1] + rest for rest in mutants(text[first + 1 :])),
        *(text[:end] for end in range(3, first)),
    ):
        back = refused_or_read(path, content, whole=path)
        assert back is None or back.digest == digest, content
