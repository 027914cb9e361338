"""Random sets of explicit files in all forms that versions of PRISM write."""

import numpy as np

#: How a comment names a reward structure; None stands for no comment.
TITLES = {"named": ' "{}"', "before 4.8": ': "{}"', "without a name": "", "no comment": None}


def write_prism(stated):
    """Return the texts of files by their endings, and names and rewards of transitions."""
    files = {".tra": write_transitions(stated), ".lab": write_labels(stated)}
    if stated.rng.random() < 0.5:
        lines = ["(x)", *(f"{s}:({s})" for s in range(stated.n_states))]
        files[".sta"] = join(stated, lines)
    title = TITLES[stated.pick(*TITLES)]
    names, of_transitions = [], []
    for which in range(stated.n_rewards):
        ending = "" if stated.n_rewards == 1 else str(which + 1)
        names.append(f"r{which}" if title else f"m{ending}")
        more = draw_rewards(stated)
        of_transitions.append(more)
        for suffix, what, (first, lines) in (
            (".srew", "State", list_state_rewards(stated, which)),
            (".trew", "Transition", list_transition_rewards(stated, which, more)),
        ):
            comment = ""
            if title is not None:
                comment = f"# Reward structure{title.format(names[-1])}\n# {what} rewards\n"
            if lines or what == "State" or stated.rng.random() < 0.8:
                files[ending + suffix] = comment + join(stated, [[*first, len(lines)], *lines])
    return files, names, of_transitions


#: Comments before sections of one file.
SECTIONS = {
    ".tra": "# Transitions",
    ".sta": "# States",
    ".lab": "# Labels",
    ".srew": "# State rewards",
    ".trew": "# Transition rewards",
}


def combine(stated, files, names):
    """Return the text of one file with the same content, and the names of the rewards in it."""
    head = f"{SECTIONS['.tra']} ({'DTMC' if stated.chain else 'MDP'})"
    sections = [f"{head}\n{files['.tra']}"]
    named = bool(names) and names[0].startswith("r")
    present = [ending for ending in (".sta", ".lab") if ending in files]
    sections += [f"{SECTIONS[ending]}\n{files[ending]}" for ending in present]
    for which, name in enumerate(names):
        number = "" if len(names) == 1 else str(which + 1)
        title = f' "{name}"' if named else ""
        for suffix in (".srew", ".trew"):
            if number + suffix in files:
                body = "\n".join(
                    line for line in files[number + suffix].splitlines() if not line.startswith("#")
                )
                sections.append(f"# Reward structure{title}\n{SECTIONS[suffix]}\n{body}\n")
    listed = names if named else [f"m{which + 1}" for which in range(len(names))]
    return stated.pick("\n", "\n\n").join(sections), listed


def list_places(stated):
    """The words before a successor, and the row, of each choice."""
    return [
        (s, c, f"{s}" if stated.chain else f"{s} {c}", row)
        for s, rows in enumerate(stated.rows)
        for c, row in enumerate(rows)
    ]


def list_sizes(stated):
    sizes = [stated.n_states, sum(map(len, stated.rows))]
    return sizes[:1] if stated.chain else sizes


def write_transitions(stated):
    kind = "DTMC" if stated.chain else "MDP"
    lines = []
    for s, c, place, row in list_places(stated):
        name = stated.pick("", "tau") if stated.chain else stated.names[s][c]
        lines += [
            f"{place} {t} {stated.number(row[t])} {name}".strip() for t in np.flatnonzero(row)
        ]
    if stated.rng.random() < 0.3:
        stated.rng.shuffle(lines)
    comment = stated.pick("", "# Transitions\n", f"# Transitions ({kind})\n")
    return comment + join(stated, [[*list_sizes(stated), len(lines)], *lines])


def write_labels(stated):
    lines = [" ".join(f'{i}="{label}"' for i, label in enumerate(stated.labels))]
    for s in range(stated.n_states):
        marks = [str(i) for i, states in enumerate(stated.labels.values()) if s in states]
        lines += [f"{s}: {' '.join(marks)}"] if marks else []
    return stated.pick("", "# Labels\n") + join(stated, lines)


def draw_rewards(stated):
    """Rewards of the transitions of some choices."""
    rng = stated.rng
    return [
        [rng.integers(-4, 5, stated.n_states) * (rng.random() < 0.3) for _ in rows]
        for rows in stated.rows
    ]


def list_state_rewards(stated, which):
    paid = stated.of_states[which]
    lines = [f"{s} {stated.number(paid[s])}" for s in np.flatnonzero(paid)]
    return [stated.n_states], lines


def list_transition_rewards(stated, which, more):
    lines = []
    for s, c, place, row in list_places(stated):
        paid = stated.of_choices[s][which, c] + more[s][c]
        lines += [f"{place} {t} {stated.number(paid[t])}" for t in np.flatnonzero(row) if paid[t]]
    return list_sizes(stated), lines


def join(stated, lines):
    texts = [line if isinstance(line, str) else " ".join(map(str, line)) for line in lines]
    return stated.pick("\n", "\r\n", " \n").join(texts) + stated.pick("", "\n", "\n\n")
