"""Features that no data can tell apart are named."""

import numpy as np
import pytest
import scipy.sparse as sp

import regmdp as rm
from regmdp.applications._feature_checks import require_effect, require_independent

G = np.random.default_rng(0)
X = G.normal(size=(50, 3))
NAMES = ["toll", "time", "turns"]


def kinds(matrix):
    return [matrix, sp.csr_array(matrix)]


def test_features_that_differ_are_accepted():
    for matrix in kinds(X * [1e-200, 1.0, 1e200]):
        require_effect(matrix, NAMES, "here")
        require_independent(matrix, NAMES, "here")
    require_independent(np.zeros((5, 0)), [], "here")
    # to seven digits the same, and yet different
    require_independent(np.column_stack((X[:, 0], X[:, 0] + 1e-5 * X[:, 1])), NAMES[:2], "here")


@pytest.mark.parametrize("check", [require_effect, require_independent])
def test_features_that_are_zero_are_named(check):
    for matrix in kinds(X * [1.0, 0.0, 1.0]):
        with pytest.raises(rm.SampleError, match="^the feature 'time' is 0 on links, so no data"):
            check(matrix, NAMES, "on links")
    for matrix in kinds(X * [0.0, 1.0, 0.0]):
        with pytest.raises(rm.ModelError, match=r"'toll' is 0 on links \(2 of 3 features are"):
            check(matrix, NAMES, "on links", error=rm.ModelError)


def test_features_that_combine_to_zero_are_named():
    for matrix in kinds(np.column_stack((X[:, 0], X[:, 1], -1e-6 * X[:, 0]))):
        with pytest.raises(
            rm.SampleError, match="^the features 'toll' and 'turns' are linearly dependent here, so"
        ):
            require_independent(matrix, NAMES, "here")
    sums = np.column_stack((X[:, 0], X[:, 1], X[:, 0] + X[:, 1]))
    with pytest.raises(rm.SampleError, match="^the features 'toll', 'time' and 'turns' are lin"):
        require_independent(sums, NAMES, "here")
