"""Regularizers: definitions, masks, temperatures, defaults of the base class, and bad input."""

import numpy as np
import pytest

import regmdp as rm

INF = np.inf


# ---- definitions ----


def test_shannon_is_softmax_and_logsumexp():
    shannon = rm.Shannon(temperature=2.0)
    q = np.array([1.0, 3.0, -INF])
    weights = np.exp(np.array([0.5, 1.5, -INF]))
    np.testing.assert_allclose(shannon.maximiser(q), weights / weights.sum(), rtol=1e-15)
    np.testing.assert_allclose(shannon.maximum(q), 2 * np.log(weights.sum()), rtol=1e-15)
    np.testing.assert_allclose(
        shannon.value(np.array([0.25, 0.75, 0.0])),
        0.25 * np.log(0.25) + 0.75 * np.log(0.75),
        rtol=1e-15,
    )
    assert shannon.value(np.array([0.0, 1.0, 0.0])) == 0.0


def test_kl_to_the_uniform_is_shannon_up_to_a_constant():
    rng = np.random.default_rng(0)
    q, p = rng.normal(size=(7, 5)), rng.dirichlet(np.ones(5), size=7)
    kl, shannon = rm.KL(np.full(5, 0.2), temperature=0.7), rm.Shannon(temperature=0.7)
    np.testing.assert_allclose(kl.maximiser(q), shannon.maximiser(q), rtol=1e-13)
    np.testing.assert_allclose(
        kl.cost(p), shannon.cost(p) + 0.7 * np.log(5), rtol=1e-13, atol=1e-15
    )
    np.testing.assert_allclose(kl.maximum(q), shannon.maximum(q) - 0.7 * np.log(5), rtol=1e-13)


def test_squared_norm_is_the_projection_on_the_simplex():
    # Martins & Astudillo 2016: two actions, p = 1/2 + (y1 - y2)/2, clipped
    norm = rm.SquaredL2(temperature=1.0)
    for difference in (-2.0, -1.0, -0.3, 0.0, 0.5, 1.0, 7.0):
        p = np.clip(0.5 + difference / 2, 0.0, 1.0)
        np.testing.assert_allclose(
            norm.maximiser(np.array([difference, 0.0])), [p, 1 - p], rtol=0, atol=1e-16
        )


def test_unregularized_takes_the_first_of_the_best_actions():
    none = rm.Unregularized()
    np.testing.assert_array_equal(
        none.maximiser(np.array([[1.0, 2.0, 2.0], [3.0, 3.0, 3.0]])), [[0, 1, 0], [1, 0, 0]]
    )
    assert none.temperature == 0.0


@pytest.mark.parametrize("tau", [0.0, 1e-300, 1e-12])
def test_ties_are_shared_at_every_positive_temperature(tau):
    q = np.array([[1.0, 1.0, 0.0]])
    for regularizer in (rm.Shannon(temperature=tau), rm.SquaredL2(temperature=tau)):
        np.testing.assert_array_equal(regularizer.maximiser(q), [[0.5, 0.5, 0.0]])
        np.testing.assert_allclose(regularizer.maximum(q), 1.0, atol=1e-11)


def test_small_probabilities_are_accurate():
    # scores 690 apart: exp(-690) is 2e-300
    p = rm.Shannon(temperature=1.0).maximiser(np.array([0.0, -690.0]))
    assert p[1] > 0
    np.testing.assert_allclose(np.log(p[1]), -690.0, rtol=1e-15)
    np.testing.assert_allclose(
        rm.Shannon(temperature=1.0).subgradient(np.array([1.0, 1e-300])),
        [0.0, -300 * np.log(10)],
        rtol=1e-14,
    )
    assert rm.Shannon(temperature=1e-12).maximum(np.array([1e300, -1e300])) == 1e300


def test_masked_actions_and_states_without_actions():
    q = np.array([[1.0, 5.0], [2.0, 3.0], [-INF, 4.0]])
    available = np.array([[True, False], [False, False], [False, True]])
    for regularizer in (
        rm.Unregularized(),
        rm.Shannon(temperature=1.0),
        rm.SquaredL2(temperature=np.array([1.0, 0.0, 2.0])),
    ):
        np.testing.assert_array_equal(regularizer.maximiser(q, available), [[1, 0], [0, 0], [0, 1]])
        cost = regularizer.cost(regularizer.maximiser(q, available), available)
        np.testing.assert_allclose(
            regularizer.maximum(q, available) + cost, [1.0, 0.0, 4.0], rtol=1e-15
        )
        assert cost[1] == 0.0


def test_kl_forbids_actions_of_probability_0_in_the_reference():
    kl = rm.KL(np.array([0.5, 0.5, 0.0]), temperature=0.0)
    np.testing.assert_array_equal(kl.maximiser(np.array([1.0, 2.0, 3.0])), [0, 1, 0])
    assert kl.maximum(np.array([1.0, 2.0, 3.0])) == 2.0
    cost = rm.KL(np.array([0.5, 0.5, 0.0]), temperature=2.0).cost(
        np.array([[0.0, 0.0, 1.0], [0.5, 0.5, 0.0]])
    )
    np.testing.assert_array_equal(cost, [INF, 0.0])
    np.testing.assert_array_equal(kl.domain(None), [True, True, False])
    assert rm.KL(np.array([0.5, 0.5]), temperature=1.0).domain(None) is None


def test_at_selects_the_states_of_per_state_fields():
    rng = np.random.default_rng(0)
    kl = rm.KL(rng.dirichlet(np.ones(3), size=5), temperature=np.arange(5.0))
    part = kl.at(slice(1, 3))
    np.testing.assert_array_equal(part.temperature, [1.0, 2.0])
    np.testing.assert_array_equal(part.reference, kl.reference[1:3])
    shared = rm.KL(np.array([0.2, 0.8]), temperature=1.0)
    assert shared.at(slice(0, 1)) is shared


def test_regularizers_are_immutable_and_copy_arrays():
    reference, temperature = np.array([[0.5, 0.5]]), np.array([1.0])
    kl = rm.KL(reference, temperature=temperature)
    reference[:] = 0.0
    temperature[:] = 9.0
    np.testing.assert_array_equal(kl.reference, [[0.5, 0.5]])
    assert kl.temperature[0] == 1.0
    with pytest.raises(ValueError, match="read-only"):
        kl.reference[0] = 0.0
    with pytest.raises(AttributeError):
        rm.Shannon(temperature=1.0).temperature = 2.0


def test_repr():
    assert repr(rm.Shannon(temperature=0.5)) == "Shannon(temperature=0.5)"
    assert (
        repr(rm.KL(np.array([0.5, 0.5]), temperature=0.5))
        == "KL(reference of shape (2,), temperature=0.5)"
    )
    assert repr(rm.Unregularized()) == "Unregularized()"


def test_the_subgradient_of_renyi_is_0_in_terminal_states():
    p = np.array([[0.25, 0.75, 0.0], [0.0, 0.0, 0.0], [1 / 3, 1 / 3, 1 / 3]])
    available = np.array([[True, True, True], [False, False, False], [True, True, True]])
    renyi = rm.Renyi(0.5, temperature=1.0)
    with np.errstate(all="raise"):
        slope, masked = renyi.subgradient(p, available), renyi.subgradient(p[::2], ~available[::2])
    # -p^-1/2 / Σ p^1/2
    np.testing.assert_allclose(
        slope[0], [-2 / (0.5 + 0.75**0.5), -1 / 0.75**0.5 / (0.5 + 0.75**0.5), -INF], rtol=1e-15
    )
    np.testing.assert_array_equal(slope[1], 0.0)
    np.testing.assert_allclose(slope[2], -1.0, rtol=1e-15)
    np.testing.assert_array_equal(masked, 0.0)  # whatever their probabilities are


@pytest.mark.parametrize(
    "y", [[0.0, 0.0, 0.0, 0.0], [0.0, 0.0, -1e-6, -1e-6], [0.0, -1e-9, -1e-3, -1.0]]
)
def test_a_slope_with_a_kink_takes_few_evaluations(y):
    calls = 0

    def slope(p):
        nonlocal calls
        calls += 1
        return 2 * np.maximum(p - 0.25, 0.0)

    p = rm.Separable(lambda p: np.maximum(p - 0.25, 0.0) ** 2, slope, temperature=1.0).greedy(
        np.array(y)
    )
    assert calls < 2000
    assert abs(p.sum() - 1.0) <= 1e-15


# ---- defaults of the base class ----


class UserShannon(rm.Regularizer):
    """The negative entropy with only ``value`` and ``greedy``."""

    def __init__(self, temperature):
        self.temperature = temperature

    def value(self, p, available=None):
        return rm.Shannon(temperature=1.0).value(p)

    def greedy(self, y, available=None):
        return rm.Shannon(temperature=1.0).greedy(y)


def test_defaults_from_value_and_greedy():
    rng = np.random.default_rng(0)
    user, shannon = UserShannon(0.3), rm.Shannon(temperature=0.3)
    y = rng.normal(size=(6, 4))
    np.testing.assert_allclose(user.conjugate(y), shannon.conjugate(y), rtol=1e-14)
    np.testing.assert_allclose(user.bounds(4), shannon.bounds(4), rtol=1e-14)
    p = rng.dirichlet(np.ones(4), size=6)
    slope = user.subgradient(p)
    np.testing.assert_allclose(
        slope - slope.max(axis=1, keepdims=True),
        np.log(p / p.max(axis=1, keepdims=True)),
        atol=1e-5,
    )
    available = np.array([True, True, False, True])
    q = np.where(available, p, 0.0) / np.where(available, p, 0.0).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(
        shannon.greedy(user.subgradient(q, np.broadcast_to(available, q.shape))), q, atol=1e-6
    )
    assert user.strong_convexity(4) == 0.0


def test_a_user_defined_regularizer_is_solved_and_certified():
    mdp = rm.models.garnet(20, 3, 4)
    own, ours = rm.solve(mdp, UserShannon(0.3)), rm.solve(mdp, rm.Shannon(temperature=0.3))
    assert own.status.ok
    np.testing.assert_allclose(own.value, ours.value, rtol=0, atol=1e-8)


# ---- bad input ----


@pytest.mark.parametrize(
    ("temperature", "message"),
    [
        (-0.1, r"^temperature must be a finite number, 0 or more, not -0\.1$"),
        (np.nan, "^temperature must be a finite number, 0 or more, not nan$"),
        (INF, "^temperature must be a finite number, 0 or more, not inf$"),
        (
            "hot",
            r"^temperature must be a number, 0 or more, or an array of shape \(S,\), not 'hot'$",
        ),
        (True, r"^temperature must be a number, 0 or more, or an array of shape \(S,\), not True$"),
        (["hot", "cold"], "^temperature must be an array of numbers, not of <U4"),
        (np.ones((2, 2)), r"^temperature must be an array of shape \(S,\), not \(2, 2\)$"),
        (
            np.array([1.0, -2.0, 0.5]),
            r"^temperature of state 1 must be finite and 0 or more, not -2\.0; 1 of 3 states is "
            "wrong$",
        ),
        (
            np.array([1.0, np.nan, np.inf]),
            r"^temperature\[1\] is nan, not a finite number; 2 of 3 entries are wrong$",
        ),
    ],
)
@pytest.mark.parametrize(
    "make", [rm.Shannon, rm.SquaredL2, lambda temperature: rm.KL(np.array([0.5, 0.5]), temperature)]
)
def test_bad_temperatures(make, temperature, message):
    with pytest.raises(rm.RegularizerError, match=message):
        make(temperature=temperature)


@pytest.mark.parametrize(
    ("reference", "message"),
    [
        (
            np.array([0.5, 0.4]),
            r"row 0 of the reference sums to 0\.9, not to 1; normalise them",
        ),
        (
            np.array([[0.5, 0.5], [0.1, 0.1], [0.7, 0.7]]),
            r"row 1 of the reference sums to 0\.2, not to 1; 2 of 3 rows are wrong; normalise them",
        ),
        (
            np.array([[0.5, 0.5], [1.5, -0.5]]),
            r"the reference has -0\.5 at \(1, 1\), .* not a probability; 1 of 4 entries is wrong",
        ),
        (
            np.array([np.nan, 1.0]),
            r"the reference has nan at \(0,\), .* not a probability; 1 of 2 entries is wrong",
        ),
        (np.zeros((2, 0)), r"the reference must have shape \(S, A\) or \(A,\), not \(2, 0\)"),
    ],
)
def test_bad_references(reference, message):
    with pytest.raises(rm.PolicyError, match=message):
        rm.KL(reference, temperature=1.0)


def test_a_reference_must_cover_an_available_action_of_every_state():
    mdp = rm.MDP(
        np.full((3, 2, 3), 1 / 3),
        np.zeros((3, 2)),
        0.9,
        available=np.array([[True, True], [True, False], [False, True]]),
        state_labels=["up", "down", "left"],
    )
    with pytest.raises(
        rm.RegularizerError,
        match="every available action of state 1 .*probability 0.*; 1 of 3 states is wrong",
    ):
        rm.solve(mdp, rm.KL(np.array([0.0, 1.0]), temperature=1.0))
    rm.KL(np.array([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]]), temperature=1.0).check(mdp.available)


def test_a_reference_may_be_empty_in_terminal_states():
    mdp = rm.MDP(
        np.full((2, 2, 2), 0.5),
        np.ones((2, 2)),
        0.9,
        available=np.array([[True, True], [False, False]]),
    )
    solution = rm.solve(mdp, rm.KL(np.array([[0.5, 0.5], [0.0, 0.0]]), temperature=1.0))
    np.testing.assert_allclose(solution.value, [1 / (1 - 0.45), 0.0], rtol=1e-8)


@pytest.mark.parametrize(
    ("regularizer", "message"),
    [
        (rm.Shannon(temperature=np.ones(3)), "temperature of Shannon has 3 entries for 5 states"),
        (
            rm.KL(np.full((4, 2), 0.5), temperature=1.0),
            "reference of KL has 4 entries for 5 states",
        ),
        (
            rm.KL(np.full(3, 1 / 3), temperature=1.0),
            r"the reference must have the model's shape \(S, A\) = \(5, 2\) or \(A,\)",
        ),
    ],
)
def test_a_regularizer_that_does_not_fit_the_model(regularizer, message):
    with pytest.raises(rm.RegularizerError, match=message):
        rm.solve(rm.models.chain(5), regularizer)


def test_a_regularizer_without_a_temperature():
    class WithoutTemperature(UserShannon):
        def __init__(self):
            pass

    with pytest.raises(
        rm.RegularizerError,
        match="WithoutTemperature has no temperature; give it one, a number or one per state",
    ):
        rm.solve(rm.models.chain(5), WithoutTemperature())
