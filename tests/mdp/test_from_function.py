"""Models from functions, against a loop over states, actions and outcomes; and careless models."""

import copy
import itertools
import pickle

import numpy as np
import pytest

import regmdp as rm
from regmdp.mdp import transitions
from regmdp.testing import check_mdp

STOCK, BACKLOG = range(6), range(0, 8, 2)
ORDER, SPEED = [0, 2, 3], ["slow", "fast"]
DEMAND, PACE = {0: 0.25, 1: 0.35, 2: 0.4}, [0, 1]
both = pytest.mark.parametrize("storage", ["sparse", "function"])


def step(stock, backlog, order, speed, demand, late):
    arrives = order * np.where((speed == "fast") | (late == 0), 1, 0)
    left = np.maximum(stock + arrives - demand, 0)
    waiting = np.clip(backlog + 2 * (demand > stock) - 2 * (speed == "fast"), 0, 6)
    reward = 3.0 * np.minimum(stock, demand) - order - 0.5 * backlog
    ends = 0.25 * (waiting == 6)
    return {"backlog": waiting, "stock": left}, reward, ends, stock + order <= 7


def lateness(late, stock, speed):
    chance = np.where(speed == "fast", 0.1, 0.2 + 0.1 * (stock > 3))
    return np.where(late == 1, chance, 1.0 - chance)


def build(storage="sparse", **more):
    return rm.MDP.from_function(
        step,
        {"stock": STOCK, "backlog": BACKLOG},
        {"order": ORDER, "speed": SPEED},
        0.9,
        outcomes={"demand": DEMAND, "late": (PACE, lateness)},
        clip=["stock"],
        storage=storage,
        **more,
    )


def build_by_loop():
    """The same model, pair by pair, with numbers instead of arrays."""
    states = list(itertools.product(STOCK, BACKLOG))
    actions = list(itertools.product(ORDER, SPEED))
    shape = len(states), len(actions)
    rows, rewards, ends = np.zeros((*shape, shape[0])), np.zeros(shape), np.zeros(shape)
    available = np.zeros(shape, dtype=bool)
    for (s, (stock, backlog)), (a, (order, speed)) in itertools.product(
        enumerate(states), enumerate(actions)
    ):
        available[s, a] = stock + order <= 7
        for (demand, chance), late in itertools.product(DEMAND.items(), PACE):
            p = chance * float(lateness(late, stock, speed))
            result = step(stock, backlog, order, speed, demand, late)
            to = states.index((min(int(result[0]["stock"]), 5), int(result[0]["backlog"])))
            rows[s, a, to] += p * (1.0 - float(result[2]))
            rewards[s, a] += p * float(result[1])
            ends[s, a] += p * float(result[2])
    return rm.MDP(rows, rewards, 0.9, available=available, termination=ends)


@both
@pytest.mark.parametrize("pairs_per_block", [1 << 16, 40], ids=["a block", "blocks"])
def test_model_is_that_of_a_loop(storage, pairs_per_block, monkeypatch):
    monkeypatch.setattr(transitions, "MAX_PAIRS_PER_BLOCK", pairs_per_block)
    found, expected = build(storage), build_by_loop()
    check_mdp(found)
    np.testing.assert_allclose(found.to_array(), expected.to_array(), rtol=0, atol=1e-15)
    for name in ("rewards", "termination"):
        np.testing.assert_allclose(getattr(found, name), getattr(expected, name), atol=1e-15)
    np.testing.assert_array_equal(found.available, expected.available)


def test_parts_of_blocks_make_the_same_model(monkeypatch):
    whole = build()
    monkeypatch.setattr("regmdp.mdp.function_storage.MAX_TRANSITIONS_AT_ONCE", 100)
    for storage in ("sparse", "function"):
        assert build(storage).digest == whole.digest


def test_storages_are_the_same_model_to_solvers():
    stored, computed = build(), build("function")
    assert stored.digest == computed.digest
    assert computed.transitions.nbytes == 0
    value = np.random.default_rng(0).normal(size=stored.n_states)
    for policy in (rm.uniform_policy(stored), rm.solve(stored).policy):
        exact = stored.transitions.policy_operator(policy) @ value
        operator = computed.transitions.policy_operator(policy)
        np.testing.assert_allclose(operator @ value, exact, rtol=0, atol=1e-14)
    for regularizer in (None, rm.Shannon(0.2)):
        one, other = rm.solve(stored, regularizer), rm.solve(computed, regularizer)
        np.testing.assert_allclose(one.value, other.value, rtol=0, atol=1e-6)
        assert np.all(one.certificate.lower <= other.certificate.upper)
        assert np.all(other.certificate.lower <= one.certificate.upper)


def test_infinite_values_that_are_not_reached_do_not_count():
    def go(place, move):
        return (np.clip(place + move, 0, 3),), -1.0, None, (place > 0) & (place < 3)

    mdp = rm.MDP.from_function(
        lambda place, move, luck: go(place, move * luck),
        {"place": range(4)},
        {"move": [-1, 1]},
        1.0,
        outcomes={"luck": {0: 0.0, 1: 1.0}},
        storage="function",
    )
    value = np.array([0.0, 1.0, 2.0, -np.inf])
    np.testing.assert_array_equal(
        mdp.transitions.matvec(value, slice(0, 4)), [[0, 0], [0, 2], [1, -np.inf], [0, 0]]
    )


def test_discounts_that_differ_leave_the_same_values():
    rng = np.random.default_rng(1)
    discount = rng.uniform(0.5, 0.95, size=(24, 6))

    def make(storage):
        return rm.MDP.from_function(
            step,
            {"stock": STOCK, "backlog": BACKLOG},
            {"order": ORDER, "speed": SPEED},
            discount,
            outcomes={"demand": DEMAND, "late": (PACE, lateness)},
            clip=True,
            storage=storage,
        )

    plain = build()
    expected = rm.MDP(
        plain.to_array(), plain.rewards, discount,
        available=plain.available, termination=plain.termination,
    )  # fmt: skip
    for storage in ("sparse", "function"):
        found = make(storage)
        np.testing.assert_allclose(found.to_array(), expected.to_array(), rtol=0, atol=1e-15)
        np.testing.assert_allclose(found.termination, expected.termination, rtol=0, atol=1e-15)


def test_names_stay_with_the_model(tmp_path):
    mdp = build(initial={"stock": 5, "backlog": 0}, labels={"empty": [0, 1, 2, 3]})
    assert mdp.describe(6, 3) == "state (stock=1, backlog=4), action (order=2, speed=fast)"
    assert mdp.initial[20] == 1.0
    np.testing.assert_array_equal(mdp.layout.state_coordinates()["stock"][:5], [0, 0, 0, 0, 1])
    rm.io.write_model(mdp, tmp_path / "model.npz")
    rm.io.save_mapped(mdp, tmp_path / "folder")
    rm.solve(mdp).save(tmp_path / "solution.npz")
    for other in (
        rm.io.read_model(tmp_path / "model.npz"),
        rm.io.open_mapped(tmp_path / "folder"),
        rm.Solution.load(tmp_path / "solution.npz"),
        pickle.loads(pickle.dumps(mdp)),
        copy.deepcopy(mdp),
    ):
        assert other.layout == mdp.layout


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"clip": False},
            r"function \(step\) leads from state \(stock=4, backlog=0\), action \(order=2, "
            r"speed=slow\) with demand=0, late=0 to stock=6, but the values of stock are 0 to 5; "
            r"\d+ of 864 transitions from 24 states are wrong; .* pass clip=\[\"stock\"\]",
        ),
        ({"clip": ["shock"]}, "clip must be .* did you mean 'stock'"),
        ({"clip": "stock"}, "clip must be True"),
        ({"outcomes": {"demand": DEMAND}}, "the parameter late, which is none of the names"),
        ({"outcomes": {"demand": {0: 0.5, 1: 0.4}, "late": DEMAND}}, "sum to 0.9, not to 1"),
        ({"outcomes": {"demand": {0: 1.5, 1: -0.5}, "late": DEMAND}}, "of demand=1 is -0.5"),
        ({"outcomes": {"stock": DEMAND}}, "the outcome stock has the name of a dimension"),
        (
            {"outcomes": {"demand": DEMAND, "late": (PACE, lambda late, stock: 0.1 * stock)}},
            r"sums to 0 over the values of late in state \(stock=0, backlog=0\)",
        ),
        (
            {"outcomes": {"demand": DEMAND, "late": (PACE, lambda late, stock: late - 0.5)}},
            r"is -0.5 in state \(stock=0, backlog=0\), action .*, late=0",
        ),
        ({"states": {"stock": range(6)}}, "the parameter backlog, which is none"),
        ({"states": {"stock": range(6), "backlog": []}}, "the values of backlog"),
        ({"states": {"stock": [0, 1, 1], "backlog": [0]}}, "1 is listed more than once"),
        ({"states": {"stock": {1, 2}, "backlog": [0]}}, "in their order"),
        ({"states": {"the stock": range(6)}}, "the name of a dimension must be letters"),
        ({"states": {"stock": range(10**6), "backlog": range(10**9)}}, "use fewer values"),
        ({"actions": {}}, "actions is empty"),
        ({"actions": {"stock": [1]}}, "states and actions must have different names"),
        ({"initial": {"stock": 5}}, "a value of backlog, too"),
        ({"initial": {"stock": 9, "backlog": 0}}, "stock=9 is not a value of stock"),
        ({"storage": "functional"}, "did you mean 'function'"),
        ({"function": "step"}, "function must be a function"),
        ({"goal": [3], "aim": 1}, "unexpected keyword argument 'aim'"),
    ],
)  # fmt: skip
def test_careless_models(change, message):
    keywords = {
        "function": step,
        "states": {"stock": STOCK, "backlog": BACKLOG},
        "actions": {"order": ORDER, "speed": SPEED},
        "discount": 0.9,
        "outcomes": {"demand": DEMAND, "late": (PACE, lateness)},
        "clip": True,
        **change,
    }
    with pytest.raises((rm.ModelError, rm.InsufficientMemoryError, TypeError), match=message):
        rm.MDP.from_function(**keywords)


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (lambda x, a: x, r"must return \(next state, reward\)"),
        (lambda x, a: (x, 0.0, 0.0, True, 1), r"must return \(next state, reward\)"),
        (lambda x, a: ((x, a), 0.0), "returns 2 coordinates of the next state, which has 1: x"),
        (lambda x, a: ({"y": x}, 0.0), "must have the coordinates x; x is missing; y is none"),
        (lambda x, a: ({"x": x}, "much"), "reward that .* returns must be an array"),
        (lambda x, a: ({"x": None}, 0.0), "the next x that .* returns must be an array"),
        (lambda x, a: ({"x": x}, np.zeros(3)), r"reward .* has shape \(3,\), which does not"),
        (lambda x, a: ({"x": x + 0.5}, 0.0), r"to x=0.5, but the values of x are 0 to 4"),
        (lambda x, a: ({"x": x * np.nan}, 0.0), "to x=nan"),
        (lambda x, a: ({"x": np.where(x > 3, 9, x)}, 0.0), r"\(x=4\), .* to x=9"),
        (lambda x, a: (x, np.where(x == 2, np.inf, 0.0)), r"state \(x=2\), action .* has inf"),
        (lambda x, a: (x, 0.0, 1.5), "termination is 1.5 in state"),
        (lambda x, a: (x, 0.0, None, 1), "available that .* returns must be an array"),
        (lambda x, a: (x, 0.0, None, False), "makes no action available"),
        (lambda x, a, d: (x, 0.0, None, d > 0), "available depends on the outcome in state"),
        (lambda x, b: (x, 0.0), "the parameter b, which is none of the names"),
        (lambda x, axe: (x, 0.0), "did you mean"),
    ],
)  # fmt: skip
def test_careless_functions(function, message):
    with pytest.raises(rm.ModelError, match=message):
        rm.MDP.from_function(
            function,
            {"x": range(5)},
            {"a": [0, 1], "ax": [0]},
            0.9,
            outcomes={"d": {0: 0.5, 1: 0.5}},
        )


def test_a_function_that_changes_its_arguments():
    def careless(x, a):
        x += a
        return x, 0.0

    with pytest.raises(rm.ModelError, match="careless writes into an array that is read-only"):
        rm.MDP.from_function(careless, {"x": range(5)}, {"a": [0, 1]}, 0.9)


def test_grids_of_numbers_match_up_to_rounding():
    grid = np.linspace(0.0, 1.0, 11)
    mdp = rm.MDP.from_function(
        lambda level, change: (np.round(level + change, 3), level),
        {"level": grid},
        {"change": [-0.1, 0.1]},
        0.9,
        clip=["level"],
    )
    assert mdp.to_array()[3, 1, 4] == 1.0
    assert mdp.describe(3) == "state (level=0.3)"


def test_unreachable_successors_need_not_exist():
    mdp = rm.MDP.from_function(
        lambda x, a, jump: (x + jump, 1.0, x + jump > 4),
        {"x": range(5)},
        {"a": [0]},
        0.9,
        outcomes={"jump": ([0, 1, 7], [0.5, 0.5, 0.0])},
    )
    assert mdp.termination[4, 0] == 0.5
    assert mdp.transitions.to_csr().nnz == 9


def test_files_of_computed_transitions_hold_the_stored_ones(tmp_path, monkeypatch):
    monkeypatch.setattr(transitions, "MAX_PAIRS_PER_BLOCK", 40)
    computed = build("function")
    monkeypatch.setattr(
        type(computed.transitions), "to_sparse", lambda self: pytest.fail("all rows in memory")
    )
    rm.io.save_mapped(computed, tmp_path / "folder")
    assert rm.io.open_mapped(tmp_path / "folder", verify=True).digest == build().digest
