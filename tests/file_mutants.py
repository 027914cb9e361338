"""Mutated files of every format: a program, so that a death of the process is seen.

``python file_mutants.py FORMAT COUNT SEED FOLDER`` writes COUNT mutants of a file and reads each. A
mutant is refused with an error of the library, or what is read is a valid object. The last line of
the output is a JSON object with the numbers of both, and the first failures.
"""

import json
import shutil
import sys
import traceback
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from file_mutations import (
    mutate_json,
    mutate_mapped,
    mutate_npy,
    mutate_npz,
    mutate_text_file,
)
from toy_experiments import experiment

import regmdp as rm
from regmdp.reproduce import report
from regmdp.reproduce.records import Record
from regmdp.reproduce.running import run_and_write


class Format(NamedTuple):
    """A kind of file: how it is written, changed and read, and what a valid object is."""

    write: Callable[[Path], object]
    mutate: Callable[[Path, np.random.Generator], object]
    read: Callable[[Path], Any]
    check: Callable[[Any], object]


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


def check_layout(mdp):
    check_model(mdp)
    if mdp.layout is not None:
        mdp.layout.require_fit(mdp.n_states, mdp.n_actions)


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


def mutate_one_of(pattern):
    """Return a function that changes one of the text files of a folder."""

    def mutate(folder, rng):
        files = sorted(folder.glob(pattern))
        file = files[int(rng.integers(len(files)))]
        if rng.random() < 0.03:
            file.unlink()
        else:
            mutate_text_file(file, rng)

    return mutate


def mutate_prism(path, rng):
    """Change one of the files that belong together, or remove it."""
    parts = sorted(path.parent.glob(f"{path.stem}*.*"))
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


def plain_chain(path):
    """Write a Markov chain for PRISM, with rewards of transitions."""
    path.write_text("3 4\n0 0 0.5 a\n0 1 1/2 b\n1 2 1\n2 2 1\n")
    path.with_suffix(".lab").write_text('0="init" 1="goal"\n0: 0\n2: 1\n')
    for number, header in ((1, '# Reward structure "r"\n'), (2, '# Reward structure: "q"\n')):
        folder, stem = path.parent, f"{path.stem}{number}"
        (folder / f"{stem}.srew").write_text(f"{header}3 1\n1 2\n")
        (folder / f"{stem}.trew").write_text(f"{header}3 2\n0 0 1\n0 1 {number}\n")


def old_storm(path):
    """Write the files of Storm before ``.drn``."""
    path.write_text("mdp\n0 0 0 0.5\n0 0 1 0.5\n0 1 2 1\n1 0 2 1\n2 0 2 1\n")
    path.with_suffix(".lab").write_text("#DECLARATION\ninit done\n#END\n0 init\n2 done\n")
    path.with_suffix(".r.state.rew").write_text("0 1\n1 2.5\n")
    path.with_suffix(".r.trans.rew").write_text("0 0 0 3\n0 0 1 1\n")


def combined_prism(path):
    """Write the sections of one file."""
    path.write_text(
        "# Transitions (MDP)\n3 3 4\n0 0 1 0.5 a\n0 0 2 0.5 a\n1 0 2 1 b\n2 0 2 1\n\n"
        '# States\n(s)\n0:(0)\n1:(1)\n2:(2)\n\n# Labels\n0="init" 1="goal"\n0: 0\n2: 1\n\n'
        '# Reward structure "r"\n# State rewards\n3 1\n1 2.5\n\n'
        '# Reward structure "r"\n# Transition rewards\n3 3 1\n0 0 1 4\n'
    )


#: With what may be left out, and with what need not be there.
BARE_DRN = """@type: DTMC
@placeholders
$p : 0.5
$q : $p
@reward_models

@nr_states
3
@model
state 0 [1,2] init
\taction 0 [0.5,0]
\t\t0 : $p
\t\t1 : 1/2
state 1 [2,1]
\t2 : 1
state 2 done "in the end"
\t2 : 1
"""


def read_second(path):
    return rm.io.read_model(path, rewards="q" if path.suffix == ".tra" else "rew1")


def make_learner():
    from regmdp.deep import A2C, mlp

    return A2C("CartPole-v1", network=mlp((4,)), critic=mlp((4,)), n_envs=1, normalize=True)


def load_learner(path):
    from regmdp.deep import A2C

    return A2C.load(path)


def make_learner_with_memory():
    from regmdp.deep import SAC, mlp

    options = {"batch_size": 4, "buffer_size": 16, "learning_starts": 5}
    small = {"network": mlp((4,)), "critic": mlp((4,))}
    return SAC("CartPole-v1", n_envs=1, **small, **options).learn(10)


def load_learner_with_memory(path):
    from regmdp.deep import SAC

    return SAC.load(path)


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


def write_routes(folder):
    """Write a network of three nodes, with trips and demand."""
    folder.mkdir()
    texts = {
        "node.csv": "fid,x,y\n1,0,0\n2,1,0.5\n3,2,0\n",
        "link.csv": "fid,O,D,length,toll\n1,1,2,1.5,0\n2,2,3,1,1\n3,1,3,3,0\n4,3,1,2.5,0\n",
        "data_G0.csv": "trip_id,link_id\n7,1\n7,2\n8,3\n9,4\n",
        "od.csv": "origin,destination,flow\n1,3,10\n3,1,2.5\n",
    }
    for name, text in texts.items():
        (folder / name).write_text(text)


def check_routes(data):
    rm.routes.LinkFeatures(
        data.network, {"length": rm.routes.link_attribute(data.network, "length")}
    )
    assert data.trips.offsets[-1] == data.trips.links.size
    assert np.isfinite(data.demand.flow).all()


def write_buses(folder):
    """Write the readings of four buses, as in the second of Rust's groups."""
    folder.mkdir()
    months = np.arange(49)
    for bus in range(4):
        header = [4000 + bus, 1, 80, 0, 0, 30_000 if bus % 2 else 0, 0, 0, 0, 1, 81]
        odometer = 900 * bus + 1500 * months
        lines = "\n".join(map(str, [*header, *odometer.tolist()]))
        with open(folder / "rt50.asc", "a") as file:
            file.write(lines + "\n")


def check_buses(panel):
    assert 0 <= panel.state.min() <= panel.state.max() < 90
    assert set(np.unique(panel.choice)) <= {0, 1}


def write_record(folder):
    run_and_write(experiment("toy"), folder, lambda fraction, text: None)


def mutate_record(folder, rng):
    path = folder / "record.json"
    if rng.random() < 0.8:
        path.write_text(json.dumps(mutate_json(json.loads(path.read_text()), rng)))
    else:
        mutate_text_file(path, rng)


def read_record(folder):
    return folder, Record.load(folder)


def check_record(found):
    """The report shows the record."""
    folder, record = found
    report.render_page([report.Chapter.read(experiment("toy"), record, folder.parent)])


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
    "chain.tra": Format(plain_chain, mutate_prism, read_second, check_model),
    "storm.tra": Format(old_storm, mutate_prism, read, check_model),
    "m.pexp": Format(combined_prism, mutate_text_file, read, check_model),
    "bare.drn": Format(
        lambda path: path.write_text(BARE_DRN), mutate_text_file, read_second, check_model
    ),
    "m.mdp": Format(lambda path: path.write_text(CASSANDRA), mutate_text_file, read, check_model),
    "toolbox.npz": Format(model_file(FULL, format="mdptoolbox"), mutate_npz, read, check_model),
    "quantecon.npz": Format(model_file(FULL, format="quantecon"), mutate_npz, read, check_model),
    "learner.npz": Format(
        lambda path: make_learner().save(path), mutate_npz, load_learner, check_learner
    ),
    "grid.npz": Format(model_file(rm.models.gridworld()), mutate_npz, read, check_layout),
    "routes": Format(write_routes, mutate_one_of("*.csv"), rm.routes.read_folder, check_routes),
    "buses": Format(
        write_buses,
        mutate_one_of("*.asc"),
        lambda path: rm.choice.read_buses(path, [2]),
        check_buses,
    ),
    "toy": Format(write_record, mutate_record, read_record, check_record),
    "learner-sac.npz": Format(
        lambda path: make_learner_with_memory().save(path),
        mutate_npz,
        load_learner_with_memory,
        check_learner,
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
