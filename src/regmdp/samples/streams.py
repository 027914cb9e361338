"""Independent streams of random numbers, one for each of several runs that are computed together."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np

from regmdp._internal.arrays import Float
from regmdp._internal.errors import SampleError

__all__ = ["RandomStreams"]

#: Doubles that are drawn ahead, for all runs together: 8 MiB.
AHEAD = 1 << 20


class RandomStreams:
    """N streams of uniform random numbers, each from a generator of its own.

    A run draws the same numbers whether it is computed alone or together with others. Drawing
    changes the generators: a few numbers more than were used may have been taken from them.

    Args:
        generators: One a run.

    Examples:
        >>> import numpy as np
        >>> both = RandomStreams([np.random.default_rng(1), np.random.default_rng(2)]).uniform(3)
        >>> alone = RandomStreams([np.random.default_rng(2)]).uniform(3)
        >>> bool(np.all(both[1] == alone[0]))
        True
    """

    def __init__(self, generators: Sequence[Any]) -> None:
        self.generators = tuple(generators)
        if not self.generators:
            raise SampleError("at least one random generator is needed")
        wrong = [g for g in self.generators if not isinstance(g, np.random.Generator)]
        if wrong:
            raise SampleError(
                "randomness comes from numpy.random.Generator objects, as "
                f"numpy.random.default_rng(0), not {wrong[0]!r}"
            )
        if len({id(g) for g in self.generators}) != len(self.generators):
            raise SampleError(
                "the runs must not share a generator; make one each, as with rng.spawn(n)"
            )
        self._ahead = np.empty((len(self.generators), 0))

    def __len__(self) -> int:
        return len(self.generators)

    @cached_property
    def separate(self) -> tuple[np.random.Generator, ...]:
        """One more generator for each run, for what draws in its own way, and not uniform numbers from here."""
        return tuple(generator.spawn(1)[0] for generator in self.generators)

    def branch(self) -> RandomStreams:
        """Return new streams, each begun from numbers of the old one.

        How much is drawn from them then matters to nobody else: runs may go on for different times,
        and a simulator may draw from the generators itself.
        """
        words = (self.uniform(4) * 2.0**32).astype(np.uint32)
        return RandomStreams([np.random.default_rng(seed) for seed in words])

    def uniform(self, *shape: int) -> Float[np.ndarray, "N *shape"]:
        """Return the next (N, *shape) uniform numbers in [0, 1)."""
        size = math.prod(shape)
        if len(self) == 1:
            return self.generators[0].random((1, *shape))
        have = self._ahead.shape[1]
        if size > have:
            new = max(size - have, AHEAD // len(self))
            drawn = np.empty((len(self), have + new))
            drawn[:, :have] = self._ahead
            for generator, row in zip(self.generators, drawn, strict=True):
                generator.random(out=row[have:])
            self._ahead = drawn
        taken, self._ahead = self._ahead[:, :size], self._ahead[:, size:]
        return taken.reshape(len(self), *shape)
