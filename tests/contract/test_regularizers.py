"""Checks of every regularizer."""

import numpy as np
import pytest
from contract.lists import REGULARIZERS
from tiers import tiered

from regmdp.testing import check_regularizer

#: Regularizers that need the slow numerical method, with their only number of actions.
SLOW = {"convex": 3, "Rényi and Shannon": 3}
CASES = [
    (name, n) for name in REGULARIZERS for n in ((SLOW[name],) if name in SLOW else (1, 2, 4, 9))
]


@pytest.mark.parametrize(("name", "n_actions"), tiered(CASES, lambda case: case[1] == 4))
def test_regularizer(name, n_actions):
    rng = np.random.default_rng(n_actions)
    check_regularizer(REGULARIZERS[name]((5, n_actions), rng), n_actions, rng=rng)
