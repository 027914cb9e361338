"""Independent streams of random numbers, one for each run of a batch."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from functools import cached_property

import numpy as np

from regmdp._internal.arrays import Float
from regmdp._internal.checks import show
from regmdp._internal.errors import SampleError

__all__ = ["RandomStreams"]

#: Doubles that are drawn in advance, for all runs together: 8 MiB.
BUFFERED_DOUBLES = 1 << 20


class RandomStreams:
    """N streams of uniform random numbers, each from its own generator.

    A run draws the same numbers whether it is computed alone or together with others. Drawing
    changes the generators: they may have produced more numbers than were used.

    Args:
        generators: One for each run.

    Examples:
        >>> import numpy as np
        >>> both = RandomStreams([np.random.default_rng(1), np.random.default_rng(2)]).uniform(3)
        >>> alone = RandomStreams([np.random.default_rng(2)]).uniform(3)
        >>> bool(np.all(both[1] == alone[0]))
        True
    """

    def __init__(self, generators: Sequence[np.random.Generator]) -> None:
        if not isinstance(generators, Iterable):
            raise SampleError(
                f"the runs need a sequence of random generators, not {show(generators)}"
            )
        self.generators = tuple(generators)
        if not self.generators:
            raise SampleError("at least one random generator is needed")
        wrong = [g for g in self.generators if not isinstance(g, np.random.Generator)]
        if wrong:
            raise SampleError(
                "random numbers come from numpy.random.Generator objects, such as "
                f"numpy.random.default_rng(0), not {show(wrong[0])}"
            )
        if len({id(g) for g in self.generators}) != len(self.generators):
            raise SampleError(
                "the runs must not share a generator; make one for each, as with rng.spawn(n)"
            )
        self._buffer = np.empty((len(self.generators), 0))

    def __len__(self) -> int:
        return len(self.generators)

    @cached_property
    def user_generators(self) -> tuple[np.random.Generator, ...]:
        """One more generator for each run, for a user's function that draws from it as it likes."""
        return tuple(generator.spawn(1)[0] for generator in self.generators)

    def branch(self) -> RandomStreams:
        """Return new streams, each seeded with numbers of the old one.

        How many numbers are drawn from them does not change what the old ones return: runs may
        have different lengths, and a simulator may draw from the generators itself.
        """
        words = (self.uniform(4) * 2.0**32).astype(np.uint32)
        return RandomStreams([np.random.default_rng(seed) for seed in words])

    def uniform(self, *shape: int) -> Float[np.ndarray, "N *shape"]:
        """Return the next (N, *shape) uniform numbers in [0, 1)."""
        size = math.prod(shape)
        if len(self) == 1:
            return self.generators[0].random((1, *shape))
        buffered = self._buffer.shape[1]
        if size > buffered:
            new = max(size - buffered, BUFFERED_DOUBLES // len(self))
            numbers = np.empty((len(self), buffered + new))
            numbers[:, :buffered] = self._buffer
            for generator, row in zip(self.generators, numbers, strict=True):
                generator.random(out=row[buffered:])
            self._buffer = numbers
        taken, self._buffer = self._buffer[:, :size], self._buffer[:, size:]
        return taken.reshape(len(self), *shape)
