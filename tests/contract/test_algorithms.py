import numpy as np
import pytest
from contract.lists import ALGORITHMS, TOLERANCES

from regmdp.testing import check_algorithm


@pytest.mark.parametrize("name", ALGORITHMS)
def test_algorithm(name):
    # other models for each
    seed = list(ALGORITHMS).index(name)
    check_algorithm(ALGORITHMS[name](), tol=TOLERANCES.get(name, 1e-6), rng=np.random.default_rng(seed))
