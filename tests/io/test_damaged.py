"""Files of other programs, damaged at random: either a model comes out, or an error that names the
line; never anything else.
"""

import numpy as np
import pytest

import regmdp as rm

CASSANDRA = """# a machine that wears
discount: 0.95
values: reward
states: good worn broken
actions: run repair
start: 0.5 0.5 0.0
T: run : good
0.8 0.2 0.0
T: run : worn
0.0 0.7 0.3
T: run : broken
0.0 0.0 1.0
T: repair
1.0 0.0 0.0
1.0 0.0 0.0
1.0 0.0 0.0
R: run : good : * : * 1.0
R: run : worn : * : * 0.6
R: repair : * : * : * -1.0
"""
PRISM = {
    "machine.tra": (
        "3 5 8\n0 0 0 0.5 a\n0 0 1 0.5 a\n0 1 2 1 b\n1 0 1 0.25 a\n1 0 2 0.75 a\n1 1 0 0.5 b\n1 1 "
        "2 0.5 b\n2 0 2 1 a\n"
    ),
    "machine.lab": '0="init" 1="deadlock"\n0: 0\n2: 1\n',
    "machine.srew": "3 2\n0 1\n1 2.5\n",
}
STORM = """@type: MDP
@parameters

@reward_models
reward
@nr_states
3
@nr_choices
5
@model
state 0 [1] init
\taction a [0.5]
\t\t0 : 0.5
\t\t1 : 0.5
\taction b [0]
\t\t2 : 1
state 1 [2]
\taction a [0]
\t\t1 : 0.25
\t\t2 : 0.75
\taction b [0]
\t\t0 : 0.5
\t\t2 : 0.5
state 2 [0] deadlock
\taction a [0]
\t\t2 : 1
"""
#: The file that is damaged, the one that is read, and all files by name.
CASES = {
    "Cassandra's": ("machine.mdp", "machine.mdp", {"machine.mdp": CASSANDRA}),
    "Storm's": ("machine.drn", "machine.drn", {"machine.drn": STORM}),
    **{name: (name, "machine.tra", PRISM) for name in PRISM},
}
WORDS = [
    "x",
    "-1",
    "1e400",
    "nan",
    "",
    "0.5",
    "7",
    "99",
    ":",
    "*",
    '"',
    "[",
    "state",
    "identity",
    "1/0",
    "inf",
    "9" * 30,
    "é",
    "\t",
]


def damaged(text, rng):
    """The text, cut off, or with a word changed, or with a line doubled or lost."""
    lines = text.split("\n")
    at, how = int(rng.integers(len(lines))), int(rng.integers(5))
    if how == 0:
        return "\n".join(lines[:at])
    if how == 1:
        return text[: int(rng.integers(len(text)))]
    if how == 2:
        words = lines[at].split(" ")
        words[int(rng.integers(len(words)))] = str(rng.choice(WORDS))
        lines[at] = " ".join(words)
    elif how == 3:
        lines.insert(at, lines[int(rng.integers(len(lines)))])
    else:
        del lines[at]
    return "\n".join(lines)


@pytest.mark.parametrize("case", CASES)
def test_a_damaged_file_is_an_error_that_names_the_line(case, tmp_path):
    name, read, files = CASES[case]
    for other, text in files.items():
        (tmp_path / other).write_text(text, encoding="utf-8")
    assert rm.io.read_model(tmp_path / read).n_states == 3
    rng, refused = np.random.default_rng(0), []
    for _ in range(300):
        text = damaged(files[name], rng)
        (tmp_path / name).write_text(text, encoding="utf-8")
        try:
            rm.io.read_model(tmp_path / read)
        except rm.FormatError as error:
            refused.append((str(error), text))
    assert [found for found in refused if "line" not in found[0]] == []
    assert len(refused) > 150
