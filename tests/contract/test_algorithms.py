import numpy as np
import pytest
from contract.lists import ALGORITHMS

from regmdp.testing import check_algorithm


@pytest.mark.parametrize("name", ALGORITHMS)
@pytest.mark.parametrize("seed", [0, 1])
def test_algorithm(name, seed):
    check_algorithm(ALGORITHMS[name](), rng=np.random.default_rng(seed))
