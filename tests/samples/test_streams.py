"""RandomStreams: the numbers of a run do not depend on the other runs."""

import numpy as np
import pytest

import regmdp as rm
from regmdp.samples import RandomStreams


def generators(*seeds):
    return [np.random.default_rng(seed) for seed in seeds]


@pytest.mark.parametrize("sizes", [(3, 5, 7), (1,), (2_000_000, 3), (0, 4)])
def test_a_run_draws_the_same_numbers_alone_and_together(sizes):
    together, alone = RandomStreams(generators(1, 2, 3)), RandomStreams(generators(2))
    for size in sizes:
        assert np.array_equal(together.uniform(size)[1], alone.uniform(size)[0])


def test_the_numbers_do_not_depend_on_the_sizes_of_the_draws():
    whole = np.random.default_rng(5).random(1000)
    for number in (1, 4):
        streams = RandomStreams(generators(5, *range(10, 9 + number)))
        parts = [streams.uniform(size)[0] for size in (1, 99, 400, 500)]
        assert np.array_equal(np.concatenate(parts), whole)


def test_several_dimensions_are_filled_in_order():
    both = RandomStreams(generators(1, 2)).uniform(3, 4)
    assert both.shape == (2, 3, 4)
    assert np.array_equal(both[0].ravel(), np.random.default_rng(1).random(12))


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ([], "at least one random generator"),
        ([3], "come from numpy.random.Generator objects"),
        ([np.random], "come from numpy.random.Generator objects"),
    ],
)
def test_objects_that_are_no_generators_are_refused(given, message):
    with pytest.raises(rm.SampleError, match=message):
        RandomStreams(given)


def test_runs_must_not_share_a_generator():
    rng = np.random.default_rng(0)
    with pytest.raises(rm.SampleError, match="must not share a generator"):
        RandomStreams([rng, rng])
