"""The types that users' type checkers see, without what the project is developed with."""

import inspect
import json
import os
import re
import subprocess
import sys
import tomllib
from importlib.metadata import distribution
from pathlib import Path

import pytest
from packaging.requirements import Requirement

import regmdp as rm

PAGE = Path(__file__).with_name("page.py")
ROOT = Path(__file__).resolve().parents[2]


def needed():
    """Return the names of the distributions that the library needs, without any extra."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    left, known = list(project["dependencies"]), set()
    while left:
        requirement = Requirement(left.pop())
        marker = requirement.marker
        if requirement.name not in known and (marker is None or marker.evaluate({"extra": ""})):
            known.add(requirement.name)
            left += distribution(requirement.name).requires or []
    return known


@pytest.fixture(scope="module")
def interpreter(tmp_path_factory):
    """Return the Python of an environment that holds the library and what it needs, no extra."""
    folder = tmp_path_factory.mktemp("environment")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
    (packages,) = folder.glob("lib/python*/site-packages")
    (packages / "regmdp").symlink_to(ROOT / "src" / "regmdp")
    for name in needed():
        files = distribution(name).files or []
        for top in {file.parts[0] for file in files if file.parts[0] not in ("..", "__pycache__")}:
            place = packages / top
            if not place.exists():
                place.symlink_to(distribution(name).locate_file(top))
    assert not list(packages.glob("jax")), "jax is an extra"
    return folder / "bin" / "python"


def expected_from_page():
    """Return the numbers of the lines with errors, and the types by the numbers of their lines."""
    lines = list(enumerate(PAGE.read_text(encoding="utf-8").splitlines(), 1))
    errors = {number for number, line in lines if line.endswith("# error")}
    types = {
        number: line.split("# type: ")[1]
        for number, line in lines
        if line.startswith("reveal_type")
    }
    return errors, types


def run(command, tmp_path):
    # what an environment variable would add to the path is not in the user's environment
    environment = {name: text for name, text in os.environ.items() if name != "PYTHONPATH"}
    return subprocess.run(
        command,
        capture_output=True,
        text=True,
        timeout=300,
        cwd=tmp_path,
        env=environment,
        check=False,
    ).stdout


def read_pyright(output):
    found = json.loads(output)["generalDiagnostics"]
    by_line = [(item["range"]["start"]["line"] + 1, item) for item in found]
    errors = {line for line, item in by_line if item["severity"] == "error"}
    return errors, {
        line: re.findall(r'Type of ".*" is "(.*)"', item["message"])[0]
        for line, item in by_line
        if item["severity"] == "information"
    }


def read_mypy(output):
    errors, types = set(), {}
    for line in output.splitlines():
        match = re.match(r"\S*page\.py:(\d+): (error|note): (.*)", line)
        if match and match[2] == "error":
            errors.add(int(match[1]))
        elif match and "Revealed type" in match[3]:
            types[int(match[1])] = match[3]
    return errors, types


def commands(interpreter):
    return {
        "pyright": (
            [sys.executable, "-m", "pyright", "--outputjson", "--pythonpath", interpreter, PAGE],
            read_pyright,
        ),
        "mypy": (
            [sys.executable, "-m", "mypy", "--python-executable", interpreter, PAGE],
            read_mypy,
        ),
    }


@pytest.mark.parametrize("checker", ["pyright", "mypy"])
def test_type_checkers_see_arrays_and_find_wrong_arguments(checker, interpreter, tmp_path):
    command, read = commands(interpreter)[checker]
    output = run(list(map(str, command)), tmp_path)
    found, revealed = read(output)
    errors, types = expected_from_page()
    assert found == errors, output
    assert set(revealed) == set(types)
    wrong = {line: revealed[line] for line, kind in types.items() if kind not in revealed[line]}
    assert not wrong


#: Parameters that hold what depends on the method, and contents of JSON files.
WITHOUT_TYPE = {("Estimate", "memory"), ("Event", "state"), ("NetworkFunctions", "spec")}


PACKAGES = (
    "algorithms bellman choice deep evaluation gradients improvement io irl mdp models off_policy "
    "regularizers routes samples testing theory"
)


@pytest.mark.parametrize("name", PACKAGES.split())
def test_public_signatures_have_types(name):
    untyped = []
    package = getattr(rm, name)
    for each in [getattr(package, public) for public in package.__all__] + [
        getattr(rm, public) for public in rm.__all__
    ]:
        if not callable(each):
            continue
        try:
            signature = inspect.signature(each)
        except (TypeError, ValueError):  # an alias of types, or a class of another kind
            continue
        types = {one.name: one.annotation for one in signature.parameters.values()}
        untyped += [
            (each.__name__, parameter)
            for parameter, annotation in {**types, "return": signature.return_annotation}.items()
            if re.search(r"\bAny\b", str(annotation))
        ]
    assert set(untyped) <= WITHOUT_TYPE
