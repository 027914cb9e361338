"""Named models compare their sizes with the memory before they allocate."""

import pytest

import regmdp as rm


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: rm.models.garnet(10**7, 1000, 1000), "10,000,000,000,000 transitions"),
        (lambda: rm.models.chain(10**13), "10,000,000,000,000 states"),
        (lambda: rm.models.forest(10**13), "10,000,000,000,000 states"),
        (lambda: rm.models.queue(10**13), "10,000,000,000,001 states"),
        (lambda: rm.models.gridworld(10**7, 10**7), "10,000,000 × 10,000,000 cells"),
        (lambda: rm.models.maze(10**7, 10**7), "10,000,000 × 10,000,000 cells"),
        (lambda: rm.models.rooms(10**7, 10**7), "10,000,000 × 10,000,000 cells"),
    ],
)
def test_sizes_that_no_memory_holds_are_refused(build, message):
    with pytest.raises(rm.InsufficientMemoryError, match=f"{message}.*choose"):
        build()
