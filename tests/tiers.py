"""What the quick tier of the tests leaves out.

``pytest`` alone runs the quick tier, ``pytest --full`` everything. A whole test that takes long is
marked ``@pytest.mark.slow``; of one with many cases ``tiered`` keeps some::

    @pytest.mark.parametrize("seed", tiered(range(480), 12))
    @pytest.mark.parametrize("name", tiered(REGULARIZERS, ("Shannon", "box")))
"""

from collections.abc import Callable, Collection, Iterable

import pytest


def tiered(values: Iterable, quick: int | Collection | Callable) -> list:
    """Return the values of a parameter, those marked slow that the quick tier leaves out.

    Args:
        values: The values; a tuple is one for each of several parameters, as in ``parametrize``.
        quick: Those that the quick tier keeps: how many from the first on, which ones, or a
            function that is true for them. A case is in the quick tier if all its parameters are.
    """
    values = list(values)
    if isinstance(quick, int):
        kept = set(range(quick))
    elif callable(quick):
        kept = {i for i, value in enumerate(values) if quick(value)}
    else:
        missing = [value for value in quick if value not in values]
        assert not missing, f"these are no values of the parameter: {missing}"
        kept = {i for i, value in enumerate(values) if value in quick}
    return [value if i in kept else _mark_slow(value) for i, value in enumerate(values)]


def _mark_slow(value):
    return pytest.param(*value if isinstance(value, tuple) else (value,), marks=pytest.mark.slow)
