"""Mutated files of every format: a program, so that a death of the process is seen.

``python file_mutants.py FORMAT COUNT SEED FOLDER`` writes COUNT mutants of a file and reads each. A
mutant is refused with an error of the library, or what is read is a valid object. The last line of
the output is a JSON object with the numbers of both, and the first failures.
"""

import hashlib
import json
import shutil
import sys
import traceback
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

import regmdp as rm

NUMBERS = ["-1", "1e9", "nan", "2147483648", "0", "1e400", "-0.5", "1/0", "9" * 30, "inf", ""]
VALUES = [-1.0, 1e9, np.nan, 2.0**31, 0.0, np.inf, 0.5, -(2.0**31)]


class Format(NamedTuple):
    """A kind of file: how it is written, changed and read, and what a valid object is."""

    write: Callable[[Path], object]
    mutate: Callable[[Path, np.random.Generator], object]
    read: Callable[[Path], Any]
    check: Callable[[Any], object]


# ---- mutations ----


def mutate_bytes(content, rng):
    """Flip bits, cut, or drop, double or overwrite a piece."""
    if not content:
        return bytes(rng.integers(0, 256, 8, dtype=np.uint8))
    start = int(rng.integers(len(content)))
    stop = min(start + int(rng.integers(1, 40)), len(content))
    how = int(rng.integers(5))
    if how == 0:
        changed = bytearray(content)
        for place in rng.integers(0, len(content), int(rng.integers(1, 4))):
            changed[place] ^= 1 << int(rng.integers(8))
        return bytes(changed)
    if how == 1:
        return content[:start]
    middle = {
        2: b"",
        3: 2 * content[start:stop],
        4: bytes(rng.integers(0, 256, stop - start, "u1")),
    }
    return content[:start] + middle[how] + content[stop:]


def mutate_text(text, rng):
    """Drop, double or swap lines, or replace a number."""
    lines = text.split("\n")
    at, how = int(rng.integers(len(lines))), int(rng.integers(5))
    if how == 0:
        del lines[at]
    elif how == 1:
        lines.insert(at, lines[int(rng.integers(len(lines)))])
    elif how == 2:
        other = int(rng.integers(len(lines)))
        lines[at], lines[other] = lines[other], lines[at]
    else:
        words = lines[at].split(" ")
        words[int(rng.integers(len(words)))] = str(rng.choice(NUMBERS))
        lines[at] = " ".join(words)
    return "\n".join(lines)


def mutate_text_file(path, rng):
    content = path.read_bytes()
    if rng.random() < 0.3:
        path.write_bytes(mutate_bytes(content, rng))
    else:
        path.write_bytes(mutate_text(content.decode("utf-8"), rng).encode("utf-8"))


def mutate_array(array, rng):
    """Replace entries, or change the shape or the type."""
    how = int(rng.integers(8))
    if how < 4 and array.size and array.dtype.kind in "fiub":
        changed = array.copy()
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            value = np.array(rng.choice(VALUES)).astype(array.dtype)
        changed.reshape(-1)[int(rng.integers(array.size))] = value
        return changed
    if how == 4 and array.ndim:
        return np.delete(array, 0, axis=int(rng.integers(array.ndim))) if array.size else array
    if how == 5:
        return array[None] if rng.random() < 0.5 else array.reshape(-1)
    if how == 6:
        kinds = ["f4", "i8", "c16", "U8", "?", "u1", "f8", "M8[s]"]
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            try:
                return array.astype(str(rng.choice(kinds)))
            except (ValueError, TypeError):
                return array
    return np.concatenate([array.reshape(-1)] * 2)


def mutate_json(value, rng):
    """Replace one entry somewhere in what JSON holds."""
    if isinstance(value, dict) and value and rng.random() < 0.9:
        key = str(rng.choice(list(value)))
        if rng.random() < 0.1:
            return {name: entry for name, entry in value.items() if name != key}
        return value | {key: mutate_json(value[key], rng)}
    if isinstance(value, list) and value and rng.random() < 0.7:
        place = int(rng.integers(len(value)))
        return [*value[:place], mutate_json(value[place], rng), *value[place + 1 :]]
    others = [-1, 10**9, float("nan"), 2**31, None, "x", [], {}, True, 0.5, 10**400, 1e308]
    return others[int(rng.integers(len(others)))]


def mutate_npz(path, rng):
    """Change the bytes, or an array, or the mapping, mostly without the digest."""
    if rng.random() < 0.3:
        path.write_bytes(mutate_bytes(path.read_bytes(), rng))
        return
    with np.load(path, allow_pickle=False) as archive:
        arrays = dict(archive)
    meta = json.loads(str(arrays["meta"])) if "meta" in arrays else None
    if meta is not None and rng.random() < 0.9:
        meta.pop("digest", None)
    if meta is not None and rng.random() < 0.4:
        meta = mutate_json(meta, rng)
    else:
        name = str(rng.choice([name for name in arrays if name != "meta"]))
        if rng.random() < 0.1:
            del arrays[name]
        else:
            arrays[name] = mutate_array(arrays[name], rng)
    if meta is not None:
        arrays["meta"] = np.array(json.dumps(meta))
    np.savez(path, **arrays)


def mutate_npy(path, rng):
    if rng.random() < 0.5:
        path.write_bytes(mutate_bytes(path.read_bytes(), rng))
    else:
        np.save(path, mutate_array(np.load(path), rng))


def mutate_mapped(folder, rng):
    """Change one file of the folder; sometimes the checksum of the description is made anew."""
    file = sorted(folder.iterdir())[int(rng.integers(len(list(folder.iterdir()))))]
    if file.name == "model.json" and rng.random() < 0.8:
        fields = mutate_json(json.loads(file.read_text()), rng)
        if isinstance(fields, dict):
            fields.pop("seal", None)
            text = json.dumps(fields, sort_keys=True)
            fields["seal"] = hashlib.sha256(text.encode()).hexdigest()
        file.write_text(json.dumps(fields))
    elif file.suffix == ".npy" and rng.random() < 0.5:
        np.save(file, mutate_array(np.load(file), rng))
    elif file.suffix == "" and rng.random() < 0.7:
        kind = np.float64 if file.name == "data" else np.int32
        mutate = mutate_array(np.fromfile(file, dtype=kind), rng)
        mutate.astype(kind, casting="unsafe").tofile(file) if mutate.dtype.kind in "fiub" else None
    else:
        file.write_bytes(mutate_bytes(file.read_bytes(), rng))


# ---- what is valid ----


def check_model(mdp):
    """Check that a model is one: a certificate of it would be right."""
    sums = mdp.transitions.row_sums() + mdp.termination
    assert np.isfinite(mdp.rewards).all()
    assert (np.abs(np.where(mdp.available, sums - 1.0, 0.0)) <= mdp.mass_error + 1e-15).all()
    assert mdp.mass_error < 1e-8
    assert mdp.digest == mdp.compute_digest()
    assert 0.0 <= mdp.discount <= 1.0
    assert abs(mdp.initial.sum() - 1.0) < 1e-8
    backed_up = rm.bellman.backup(mdp, None, np.zeros(mdp.n_states))
    assert np.isfinite(backed_up).all()


def check_solution(solution):
    certificate = solution.certificate
    assert (certificate.lower <= certificate.upper).all()
    assert (certificate.policy_lower <= certificate.policy_upper).all()
    assert not np.isnan(solution.value).any()
    solution.summary()


def check_policy(policy):
    """A policy of a file is checked when it is used."""
    try:
        evaluation = rm.evaluate(MACHINE, policy)
    except rm.RegmdpError:
        return
    assert np.isfinite(evaluation.value).all()


def check_learner(learner):
    assert np.isfinite(learner.policy(np.zeros((1, 4)))).all()


# ---- formats ----


def make_machine():
    """Return a model with names, an action that does not exist, and a termination."""
    P = np.array(
        [[[0.5, 0.5, 0], [0, 0, 1]], [[0, 0.25, 0.5], [0, 0, 0]], [[0, 0, 1], [0.25, 0.75, 0]]]
    )
    return rm.MDP(
        P,
        [[1.0, 0.5], [2.0, 0.0], [-1.0, 0.25]],
        0.9,
        available=[[True, True], [True, False], [True, True]],
        termination=[[0, 0], [0.25, 0], [0, 0]],
        initial=[0.5, 0.25, 0.25],
        state_labels=["good", "worn", "broken"],
        action_labels=["run", "repair"],
    )


MACHINE = make_machine()
SPARSE = rm.MDP(
    MACHINE.transitions.to_csr(),
    MACHINE.rewards,
    MACHINE.discount,
    available=MACHINE.available,
    termination=MACHINE.termination,
)
FULL = rm.models.forest()
CASSANDRA = """discount: 0.95
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


def plain_prism(path):
    """Write PRISM's files as other programs do, without metadata."""
    rm.io.write_model(MACHINE, path)
    path.with_suffix(".regmdp.json").unlink()
    path.with_suffix(".srew").write_text("4 2\n0 1\n1 2.5\n")
    path.with_suffix(".sta").write_text("(x,y)\n0:(0,0)\n1:(0,1)\n2:(1,0)\n3:(1,1)\n")


def mutate_prism(path, rng):
    """Change one of the files that belong together, or remove it."""
    parts = sorted(path.parent.glob(f"{path.stem}.*"))
    part = parts[int(rng.integers(len(parts)))]
    if part.suffix == ".json" and rng.random() < 0.6:
        part.write_text(json.dumps(mutate_json(json.loads(part.read_text()), rng)))
    elif part != path and rng.random() < 0.05:
        part.unlink()
    else:
        mutate_text_file(part, rng)


def plain_drn(path):
    rm.io.write_model(MACHINE, path)
    path.write_text(path.read_text().partition("\n")[2])


def make_learner():
    from regmdp.deep import A2C, mlp

    return A2C("CartPole-v1", network=mlp((4,)), critic=mlp((4,)), n_envs=1, normalize=True)


def load_learner(path):
    from regmdp.deep import A2C

    return A2C.load(path)


class Table:
    """An environment with a transition table, as Gymnasium's toy-text ones."""

    def __init__(self, table):
        from gymnasium import spaces

        self.P, self.unwrapped, self.spec = table, self, None
        self.observation_space, self.action_space = spaces.Discrete(3), spaces.Discrete(2)


def write_table(path):
    rows = {
        str(state): {
            str(action): [
                [float(MACHINE.to_array()[state, action, target]) or 0.25, target, 1.0, False]
                for target in range(3)
            ]
            for action in range(2)
        }
        for state in range(3)
    }
    for actions in rows.values():
        for entries in actions.values():
            total = sum(entry[0] for entry in entries)
            for entry in entries:
                entry[0] /= total
    path.write_text(json.dumps(rows))


def read_table(path):
    content = json.loads(path.read_text())
    if isinstance(content, dict):
        content = {int(state): actions for state, actions in content.items()}
        content = {
            state: {int(action): entries for action, entries in actions.items()}
            if isinstance(actions, dict)
            else actions
            for state, actions in content.items()
        }
    return rm.io.from_gymnasium(Table(content), discount=0.9)


def mutate_table(path, rng):
    path.write_text(json.dumps(mutate_json(json.loads(path.read_text()), rng)))


def write_policy(path):
    np.save(path, rm.uniform_policy(MACHINE))


def write_policies(path):
    np.savez(path, policy=rm.uniform_policy(MACHINE), more=np.arange(3))


def model_file(mdp, **options):
    return lambda path: rm.io.write_model(mdp, path, **options)


def read(path):
    return rm.io.read_model(path, verify=True)


FORMATS = {
    "dense.npz": Format(model_file(MACHINE), mutate_npz, read, check_model),
    "sparse.npz": Format(model_file(SPARSE), mutate_npz, read, check_model),
    "m.mapped": Format(model_file(MACHINE), mutate_mapped, rm.io.open_mapped, check_model),
    "solution.npz": Format(
        lambda path: rm.solve(MACHINE).save(path), mutate_npz, rm.Solution.load, check_solution
    ),
    "frontier.npz": Format(
        lambda path: rm.frontier(MACHINE, rm.uniform_policy(MACHINE), [1.0]).save(path),
        mutate_npz,
        rm.Frontier.load,
        lambda frontier: frontier.summary(),
    ),
    "policy.npy": Format(write_policy, mutate_npy, rm.io.load_policy, check_policy),
    "policy.npz": Format(write_policies, mutate_npz, rm.io.load_policy, check_policy),
    "m.drn": Format(model_file(MACHINE), mutate_text_file, read, check_model),
    "plain.drn": Format(plain_drn, mutate_text_file, read, check_model),
    "m.tra": Format(model_file(MACHINE), mutate_prism, read, check_model),
    "plain.tra": Format(plain_prism, mutate_prism, read, check_model),
    "m.mdp": Format(lambda path: path.write_text(CASSANDRA), mutate_text_file, read, check_model),
    "toolbox.npz": Format(model_file(FULL, format="mdptoolbox"), mutate_npz, read, check_model),
    "quantecon.npz": Format(model_file(FULL, format="quantecon"), mutate_npz, read, check_model),
    "learner.npz": Format(
        lambda path: make_learner().save(path), mutate_npz, load_learner, check_learner
    ),
    "table.json": Format(write_table, mutate_table, read_table, check_model),
}


def remove(path):
    for entry in path.parent.iterdir():
        shutil.rmtree(entry) if entry.is_dir() else entry.unlink()


def run_mutants(name, count, seed, folder, *, announce=lambda number: None):
    """Read mutants; return how many were refused, valid and failures, and the first failures."""
    kind, rng = FORMATS[name], np.random.default_rng(seed)
    original, path = Path(folder) / "original" / name, Path(folder) / "mutant" / name
    original.parent.mkdir()
    path.parent.mkdir()
    kind.write(original)
    kind.check(kind.read(original))
    counts, failures = {"refused": 0, "valid": 0}, []
    for number in range(count):
        remove(path)
        shutil.copytree(original.parent, path.parent, dirs_exist_ok=True)
        kind.mutate(path, rng)
        announce(number)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error")
                kind.check(kind.read(path))
            counts["valid"] += 1
        except (rm.RegmdpError, FileNotFoundError):
            counts["refused"] += 1
        except Exception:
            failures.append(f"mutant {number}\n{traceback.format_exc()}")
    return counts | {"failures": len(failures), "first": failures[:3]}


def print_line(value):
    sys.stdout.write(f"{value}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    report = run_mutants(
        sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4], announce=print_line
    )
    print_line(json.dumps(report))
