"""Ctrl-C outside of a solver: exit code 130, no traceback, and nothing half-written."""

import sys

import numpy as np
import pytest

import regmdp as rm
from regmdp.cli import main

#: A command, and a function that it calls.
CALLS = {
    "solve": (["solve", "chain"], "regmdp.models.build_model"),
    "solve, while it saves": (["solve", "chain"], "regmdp.solution.Solution.save"),
    "certify": (["certify", "chain", "policy.npy"], "regmdp.solve"),
    "show": (["show", "solution.npz"], "regmdp.solution.Solution.lines"),
    "models": (["models"], "regmdp.models.list_models"),
    "convert": (["convert", "chain", "out.npz"], "regmdp._internal.files._sync_folder"),
    "convert to PRISM": (
        ["convert", "chain", "out.tra"],
        "regmdp._internal.files._write_temporary",
    ),
    "frontier": (["frontier", "chain", "--reference", "uniform"], "regmdp.frontier"),
    "reproduce": (["reproduce", "path"], "regmdp.reproduce.running.prepare_output"),
}


@pytest.mark.parametrize("name", CALLS)
def test_an_interrupted_command_leaves_nothing_half_written(name, tmp_path, monkeypatch, capsys):
    words, function = CALLS[name]
    monkeypatch.chdir(tmp_path)
    solution = rm.solve(rm.models.chain())
    np.save("policy.npy", solution.policy)
    solution.save("solution.npz")
    before = sorted(tmp_path.rglob("*"))

    def interrupt(*arguments, **keywords):
        raise KeyboardInterrupt

    monkeypatch.setattr(function, interrupt)
    monkeypatch.setattr(sys, "argv", ["regmdp", *words])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 130
    out, err = capsys.readouterr()
    assert "Traceback" not in out + err
    assert "certified" not in out
    written = [path for path in sorted(tmp_path.rglob("*")) if path not in before]
    whole = ["out.npz"] if name == "convert" else []  # it was in its place already
    assert [path.name for path in written] == whole
