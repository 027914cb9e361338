"""What users may pass to the methods of regularizers, and that calls from within check nothing."""

import numpy as np
import pandas as pd
import pytest

import regmdp as rm

Q = np.array([[1.0, 5.0], [2.0, 1.0], [3.0, 0.0]])
MASK = np.array([[True, False], [True, True], [False, False]])
METHODS = ["maximum", "maximiser", "greedy", "conjugate"]


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (Q + 0j, "must be an array of numbers, not of complex128; take the real part"),
        (Q.astype(str), "must be an array of numbers"),
        (Q.astype("M8[s]"), "measure times in a unit"),
        (Q > 0, "must be an array of numbers, not of bool"),
        (np.ma.array(Q, mask=Q > 4), r"\[0, 1\] is masked, which is no value"),
        (pd.DataFrame(Q, index=[2, 0, 1]), "the index of . is not 0, 1, …, 2"),
        (np.array([[1.0, np.nan], [1.0, 2.0]]), r"\[0, 1\] is nan, not a number below ∞; 1 of 4"),
        (np.array([np.inf, 0.0]), r"\[0\] is inf, not a number below ∞"),
        (np.array([[0.0, 1.0], [-np.inf] * 2]), r"\[1, :\] is -inf at every available action"),
        (np.zeros((0, 2)), "must not be empty"),
        (2.0, "must be an array of shape"),
    ],
)
def test_wrong_scores_are_errors(name: str, wrong: object, message: str) -> None:
    with pytest.raises(rm.RegularizerError, match=message):
        getattr(rm.Shannon(0.5), name)(wrong)


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (MASK[:2], r"available must have the shape of ., \(3, 2\), or \(A,\), not \(2, 2\)"),
        (MASK[:, :1], r"not \(3, 1\)"),
        (np.ones((2, 3, 2), bool), r"not \(2, 3, 2\)"),
        (MASK * 2.0, "available must be an array of True or False, not of float64"),
        (np.array([[True, None]] * 3), r"available\[0, 1\] is None"),
    ],
)
def test_wrong_masks_are_errors(name: str, wrong: object, message: str) -> None:
    with pytest.raises(rm.RegularizerError, match=message):
        getattr(rm.Shannon(0.5), name)(Q, wrong)


@pytest.mark.parametrize("name", ["value", "cost", "subgradient"])
@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (np.full((3, 2), 7.0), r"p\[0, 0\] is 7.0, not 1.001 or less; 6 of 6"),
        (np.array([[0.5, 0.4]] * 3), r"p\[0\] sums to 0.9, not to 1; 2 of 3 rows"),
        (np.array([[0.5, 0.5]] * 3), r"p\[0, 1\] is 0.5, but this action is not available; 1 of"),
        (np.array([[1.0, -1.0]] * 3), r"p\[0, 1\] is -1.0, not 0 or more"),
    ],
)
def test_wrong_distributions_are_errors(name: str, wrong: np.ndarray, message: str) -> None:
    with pytest.raises(rm.RegularizerError, match=message):
        getattr(rm.Shannon(0.5), name)(wrong, MASK)


def test_fields_must_fit() -> None:
    with pytest.raises(rm.RegularizerError, match=r"\(3, 4\), which does not fit weights of Weigh"):
        rm.WeightedL1(np.ones(2), 0.5).maximum(np.zeros((3, 4)))
    with pytest.raises(rm.RegularizerError, match=r"does not fit temperature of Shannon, of shape"):
        rm.Shannon(np.ones(2)).maximum(Q)
    with pytest.raises(rm.RegularizerError, match="does not fit temperature of Sum"):
        (rm.Shannon(0.5) + rm.SquaredL2(np.ones(4))).greedy(Q)
    with pytest.raises(rm.RegularizerError, match="Box permits no policy in state 0: the upper"):
        rm.Box(0.0, 0.6).maximiser(Q, MASK)
    with pytest.raises(rm.RegularizerError, match="states must be an integer"):
        rm.Shannon(np.ones(2)).at(2)


class Cold(rm.Regularizer):
    """A regularizer of a user, whose temperature nothing has checked."""

    def __init__(self, temperature: object) -> None:
        self.temperature = temperature

    def value(self, p, available=None):
        return rm.Shannon(1.0).value(1.5 * p, available)  # not a distribution

    def greedy(self, y, available=None):
        return rm.Shannon(1.0).greedy(y, available)


@pytest.mark.parametrize("wrong", [-1.0, np.nan, "warm", np.array([1.0, -1.0, 1.0])])
def test_wrong_temperatures_of_users_regularizers_are_errors(wrong: object) -> None:
    with pytest.raises(rm.RegularizerError, match="temperature"):
        Cold(wrong).maximum(Q)


@pytest.mark.parametrize("regularizer", [rm.Shannon(0.5), rm.SquaredL2(0.5), rm.Renyi(0.5, 1.0)])
def test_scores_of_actions_that_are_not_available_do_not_count(regularizer) -> None:
    assert (regularizer.greedy(Q, MASK)[~MASK] == 0.0).all()
    without = np.where(MASK, Q, np.nan)
    direction = np.where(MASK, 1.0, np.nan)
    for name in METHODS:
        method = getattr(regularizer, name)
        np.testing.assert_array_equal(method(without, MASK), method(Q, MASK))
    product = regularizer.hessian_vector_product(without, direction, MASK)
    assert (product[~MASK] == 0.0).all()


def test_what_the_library_and_its_users_functions_pass_on_is_not_checked() -> None:
    inside: dict[str, object] = {"__name__": "regmdp.some_module"}
    exec("def call(method, p): return method(p)", inside)
    wrong = np.array([7.0, 7.0])
    assert np.isfinite(inside["call"](rm.Shannon(1.0).value, wrong))
    assert np.isfinite(Cold(1.0).value(np.array([0.5, 0.5])))
    with pytest.raises(rm.RegularizerError):
        rm.Shannon(1.0).value(wrong)


def test_arrays_of_jax_stay_what_they_are_and_tracers_pass() -> None:
    jax = pytest.importorskip("jax")
    jnp = jax.numpy
    shannon, q, mask = rm.Shannon(0.5), jnp.asarray(Q), jnp.asarray(MASK)
    assert isinstance(shannon.maximiser(q, mask), jax.Array)
    expected = shannon.maximum(Q, MASK)
    np.testing.assert_allclose(jax.jit(shannon.maximum)(q, mask), expected, rtol=1e-6)
    np.testing.assert_allclose(jax.vmap(shannon.maximum)(q, mask), expected, rtol=1e-6)
    gradient = jax.grad(lambda q: shannon.maximum(q, mask).sum())(q)
    np.testing.assert_allclose(gradient, shannon.maximiser(Q, MASK), rtol=1e-6)
    with pytest.raises(rm.RegularizerError, match="complex"):
        shannon.maximum(q + 0j)


def test_tables_of_several_policies_have_fields_per_state() -> None:
    """(2, S, A) scores of a regularizer without a formula, with a temperature per state."""
    convex = rm.Convex(
        lambda p: 0.5 * np.sum(p * p, axis=-1), lambda p: p, np.array([0.5, 1.0, 2.0])
    )
    tables = np.stack([Q, Q[::-1]])
    found = convex.maximiser(tables)
    for one, table in zip(found, tables, strict=True):
        np.testing.assert_array_equal(one, convex.maximiser(table))
