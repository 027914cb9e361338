import numpy as np
import pytest
from contract.lists import REGULARIZERS

from regmdp.testing import check_regularizer


@pytest.mark.parametrize("name", REGULARIZERS)
@pytest.mark.parametrize("n_actions", [1, 2, 4, 9])
def test_regularizer(name, n_actions):
    rng = np.random.default_rng(n_actions)
    check_regularizer(REGULARIZERS[name]((5, n_actions), rng), n_actions, rng=rng)
