"""What the library returns is read-only, and so are copies of it and what is unpickled."""

import copy
import pickle
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from bad_input.environment_calls import close_writers
from bad_input.surface import call, find
from bad_input.valid_calls import CALLS
from tiers import tiered

#: Calls that take long, or whose answers are no data.
SKIPPED = ("regmdp.testing", "regmdp.reproduce", "regmdp.deep", "regmdp.plots")
NAMES = [name for name in CALLS if not name.startswith(SKIPPED)]
QUICK = [
    "regmdp.solve",
    "regmdp.learn",
    "regmdp.frontier",
    "regmdp.evaluate",
    "regmdp.theory.trace",
]
QUICK += ["regmdp.KL", "regmdp.Box", "regmdp.choice.Panel", "regmdp.routes.RoadNetwork"]
QUICK += ["regmdp.samples.Dataset.from_pairs", "regmdp.certify_from_samples"]
HOW: dict[str, Callable[[object], object]] = {
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
    "pickle": lambda thing: pickle.loads(pickle.dumps(thing)),
}


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.chdir(tmp_path)
    yield
    close_writers()


@pytest.mark.parametrize("name", tiered(NAMES, QUICK))
def test_copies_of_answers_are_read_only_where_the_answers_are(name: str) -> None:
    answer = call(find(name), CALLS[name]())
    if not type(answer).__module__.startswith("regmdp"):
        return  # such as an array, of which NumPy makes copies
    locked = [place for place, array in list_arrays(answer) if not array.flags.writeable]
    assert locked or name not in QUICK
    for how, make in HOW.items():
        try:
            other = dict(list_arrays(make(answer)))
        except (TypeError, AttributeError, pickle.PicklingError):
            assert name not in QUICK  # it holds a function, or an environment
            continue
        writeable = [place for place in locked if place in other and other[place].flags.writeable]
        assert not writeable, how


def list_arrays(thing: object, place: str = "") -> Iterator[tuple[str, np.ndarray]]:
    """Return the arrays in an object of the library, with their places."""
    if isinstance(thing, np.ndarray):
        yield place, thing
    elif place.count(".") + place.count("[") > 3:
        return
    elif isinstance(thing, tuple | list):
        for index, part in enumerate(thing):
            yield from list_arrays(part, f"{place}[{index}]")
    elif isinstance(thing, dict):
        for key, part in thing.items():
            yield from list_arrays(part, f"{place}[{key!r}]")
    elif type(thing).__module__.startswith("regmdp"):
        for key, part in getattr(thing, "__dict__", {}).items():
            yield from list_arrays(part, f"{place}.{key}")
