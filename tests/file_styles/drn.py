"""Random ``.drn`` files in all forms that Storm reads."""

import numpy as np


class Numbers:
    """Writes numbers, some of them as placeholders."""

    def __init__(self, stated):
        self.stated, self.placeholders = stated, {}

    def write(self, value):
        text = self.stated.number(value)
        if self.stated.rng.random() > 0.2:
            return text
        name = f"$p{len(self.placeholders)}"
        self.placeholders[name] = text
        return name


class Brackets:
    """Writes rewards; those that are 0 may be left out."""

    def __init__(self, stated, numbers, named):
        self.stated, self.numbers = stated, numbers
        #: Without names, the first brackets say how many rewards there are.
        self.optional = named

    def write(self, values):
        pick = self.stated.pick
        if not len(values):
            return pick("", " []")
        if self.optional and not any(values) and self.stated.rng.random() < 0.5:
            return ""
        self.optional = True
        return f" [{pick(', ', ',').join(map(self.numbers.write, values))}]"


def write_drn(stated):
    """Return the text of a file, and the name of each reward."""
    named = bool(stated.n_rewards) and stated.rng.random() < 0.7
    names = [f"r{i}" if named else f"rew{i}" for i in range(stated.n_rewards)]
    numbers = Numbers(stated)
    body = write_states(stated, numbers, Brackets(stated, numbers, named))
    header = write_header(stated, names if named else [], numbers.placeholders)
    text = stated.pick("\n", "\r\n").join(["// Exported", *header, "@model", *body])
    return text + stated.pick("", "\n"), names


def write_states(stated, numbers, brackets):
    lines = []
    for state, rows in enumerate(stated.rows):
        line = f"state {state}{brackets.write(stated.of_states[:, state])}"
        for label, states in stated.labels.items():
            if state in states:
                line += stated.pick(f" {label}", f' "{label}"')
        lines.append(line)
        for choice, row in enumerate(rows):
            lines += write_choice(stated, brackets, state, choice)
            lines += [
                f"\t\t{t}{stated.pick(' : ', ': ', ':')}{numbers.write(row[t])}"
                for t in np.flatnonzero(row)
            ]
        lines += [stated.pick("//[s=1]", "", "// a comment")] * (stated.rng.random() < 0.2)
    return lines


def write_choice(stated, brackets, state, choice):
    """An action without a name and rewards may be left out, if it is the only one."""
    name, paid = stated.names[state][choice], stated.of_choices[state][:, choice]
    alone = len(stated.rows[state]) == 1 and not any(paid) and not name
    if alone and stated.rng.random() < 0.3:
        return []
    name = name or stated.pick("__NOLABEL__", str(choice))
    return [f"{stated.pick(chr(9), '  ')}action {name}{brackets.write(paid)}"]


def write_header(stated, names, placeholders):
    pick, rng = stated.pick, stated.rng
    sections = [[f"@type: {pick('DTMC', 'dtmc') if stated.chain else pick('MDP', 'mdp')}"]]
    sections += [[f"@value_type: {pick('double', 'rational')}"]] * (rng.random() < 0.5)
    sections += [["@parameters", ""]] * (rng.random() < 0.7)
    if stated.n_rewards or rng.random() < 0.7:
        # without names there is an empty line, or one with spaces
        line = " ".join(names) + pick("", " ") if names else " " * stated.n_rewards
        sections.append(["@reward_models", line])
    sections.append(["@nr_states", str(stated.n_states)])
    sections += [["@nr_choices", str(sum(map(len, stated.rows)))]] * (rng.random() < 0.7)
    if placeholders:
        lines = [f"{name} : {value}" for name, value in placeholders.items()]
        sections.append(["@placeholders", *lines])
    rng.shuffle(sections)
    return [line for section in sections for line in section]
