"""Derivatives of solutions, against differences and complex steps, for every regularizer."""

import numpy as np
import pytest
from contract.lists import REGULARIZERS, SOME_REGULARIZERS
from tiers import tiered

import regmdp as rm
from regmdp.gradients import Perturbation, linearize
from regmdp.regularizers import Sum, Unregularized
from regmdp.regularizers.base import with_temperature

N_STATES, N_ACTIONS = 5, 3
SHAPE = (N_STATES, N_ACTIONS)
#: Tolerances of regularizers whose greedy policy or its derivative is computed iteratively.
COARSE_TOLERANCES = {
    "user-defined": 1e-5,
    "separable": 1e-5,
    "separable, parameters per state": 1e-5,
    "convex": 1e-4,
    "Rényi and Shannon": 1e-5,
}
AT_TEMPERATURE_0 = {name for name in REGULARIZERS if "temperature 0" in name}


def make_problem(name, temperature, discount, seed=0):
    """Return a model whose actions are about equally good at a temperature, and a regularizer."""
    rng = np.random.default_rng(seed)
    regularizer = REGULARIZERS[name](SHAPE, rng)
    scale = temperature
    if not isinstance(regularizer, rm.Box | Unregularized):
        per_state = np.ndim(regularizer.temperature) == 1
        regularizer = with_temperature(
            regularizer, temperature * rng.uniform(0.5, 1.0, N_STATES) if per_state else temperature
        )
    if isinstance(regularizer, Sum):
        # the parts have temperatures of their own
        scale = temperature * max(
            part.max_temperature for part in regularizer.parts if not isinstance(part, rm.Box)
        )
    rows = rng.dirichlet(np.ones(N_STATES), size=SHAPE)
    ends = rng.uniform(0.05, 0.3, size=SHAPE) if discount == 1.0 else np.zeros(SHAPE)
    rows *= (1.0 - ends)[..., None]
    value = rng.normal(size=N_STATES)
    rewards = value[:, None] - discount * rows @ value + scale * 0.7 * rng.normal(size=SHAPE)
    available = np.ones(SHAPE, dtype=bool)
    available[1, 2] = False
    mdp = rm.MDP(
        rows,
        rewards,
        discount,
        available=available,
        termination=ends,
        initial=rng.dirichlet(np.ones(N_STATES)),
    )
    return mdp, regularizer, scale, rng


def solve_exactly(mdp, regularizer):
    solution = rm.solve(
        mdp, regularizer, rm.algorithms.PolicyIteration(), tol=1e-14, max_iterations=200
    )
    q = rm.bellman.q_values(mdp, solution.value)
    return (
        solution.value,
        np.where(mdp.available, q, 0.0),
        rm.bellman.greedy(mdp, regularizer, solution.value)[1],
    )


def make_direction(mdp, regularizer, scale, rng):
    """Return a perturbation of all data at once, which changes the policy by order 1."""
    rewards = scale * rng.normal(size=SHAPE)
    rows = mdp.to_array()
    transitions = rng.normal(size=rows.shape) * rows
    transitions -= rows * (
        transitions.sum(axis=-1, keepdims=True) / rows.sum(axis=-1, keepdims=True).clip(1e-9)
    )
    # both signs are possible between 0 and 1
    discount = scale * 1e-2 * (1.0 - mdp.discount) if 0.0 < mdp.discount < 1.0 else None
    temperature = reference = None
    if np.all(np.asarray(regularizer.temperature) > 0) and not isinstance(regularizer, rm.Box):
        temperature = np.asarray(regularizer.temperature) * 0.3
    if isinstance(regularizer, rm.KL):
        reference = 0.3 * regularizer.reference * rng.normal(size=regularizer.reference.shape)
    return Perturbation(rewards, temperature, discount, reference, scale * transitions)


def move_problem(mdp, regularizer, change, step):
    """Return the problem after a step along a perturbation."""
    if change.rewards is not None:
        mdp = mdp.with_rewards(mdp.rewards + step * change.rewards)
    if change.discount is not None:
        mdp = mdp.with_discount(mdp.discount + step * change.discount)
    if change.transitions is not None:
        mdp = rm.MDP(
            mdp.to_array() + step * change.transitions,
            mdp.rewards,
            mdp.discount,
            available=mdp.available,
            termination=mdp.termination,
            initial=mdp.initial,
        )
    if change.temperature is not None:
        regularizer = with_temperature(
            regularizer, np.asarray(regularizer.temperature) + step * change.temperature
        )
    if change.reference is not None:
        regularizer = make_unnormalised_kl(regularizer, step * change.reference)
    return mdp, regularizer


def make_unnormalised_kl(regularizer, change):
    """Return a KL whose reference need not sum to 1, so that each probability can change alone."""
    copy = rm.KL.__new__(rm.KL)
    reference = regularizer.reference + change
    with np.errstate(divide="ignore"):
        fields = {
            "reference": reference,
            "temperature": regularizer.temperature,
            "_log_reference": np.log(reference),
        }
    for name, field in fields.items():
        object.__setattr__(copy, name, field)
    return copy


def extrapolate_differences(mdp, regularizer, change, step=1e-4):
    """Return differences of solutions, extrapolated."""
    found = []
    for size in (step, 2 * step):
        ahead, behind = (
            solve_exactly(*move_problem(mdp, regularizer, change, sign * size))
            for sign in (1.0, -1.0)
        )
        found.append([(one - other) / (2 * size) for one, other in zip(ahead, behind, strict=True)])
    return [(4.0 * fine - coarse) / 3.0 for fine, coarse in zip(*found, strict=True)]


@pytest.mark.parametrize(
    ("discount", "temperature"),
    tiered(
        [(0.0, 0.1), (0.9, 0.1), (0.9999, 1e-3), (0.9999, 10.0), (1.0, 1e-3), (1.0, 10.0)],
        [(0.9, 0.1), (1.0, 10.0)],
    ),
)
@pytest.mark.parametrize(
    "name",
    tiered([name for name in REGULARIZERS if name not in AT_TEMPERATURE_0], SOME_REGULARIZERS),
)
def test_derivatives_are_limits_of_differences(name, discount, temperature):
    mdp, regularizer, scale, rng = make_problem(name, temperature, discount)
    linear = linearize(mdp, regularizer, solve_exactly(mdp, regularizer)[0])
    tolerance = COARSE_TOLERANCES.get(name, 3e-6)
    weight, of_q, of_policy = (
        rng.normal(size=N_STATES),
        rng.normal(size=SHAPE) * mdp.available,
        rng.normal(size=SHAPE),
    )
    gradients = [
        linear.gradient(),
        linear.gradient(value=weight, q=of_q),
        linear.gradient(policy=of_policy),
    ]
    change = make_direction(mdp, regularizer, scale, rng)
    value, q, policy = extrapolate_differences(mdp, regularizer, change)
    exact = linear.derivative(change)
    for one, other, part in (
        (exact.value, value, "value"),
        (exact.q, q, "q"),
        (exact.policy, policy, "policy"),
    ):
        size = np.max(np.abs(one)) + (1.0 if part == "policy" else scale)
        assert np.max(np.abs(one - other)) <= tolerance * size, part
    # the gradients, computed backwards, are the same
    numbers = [
        mdp.initial @ exact.value,
        weight @ exact.value + np.sum(of_q * exact.q),
        np.sum(of_policy * exact.policy),
    ]
    for gradient, number, whole in zip(
        gradients, numbers, (exact.value, exact.q, exact.policy), strict=True
    ):
        assert gradient.directional_derivative(change) == pytest.approx(
            number, rel=1e-7, abs=1e-7 * (np.max(np.abs(whole)) + 1e-3 * scale)
        )


@pytest.mark.parametrize("discount", [0.9, 1.0])
@pytest.mark.parametrize(
    "name",
    tiered([name for name in REGULARIZERS if name not in AT_TEMPERATURE_0], SOME_REGULARIZERS),
)
def test_second_derivatives_are_limits_of_differences_of_gradients(name, discount):
    mdp, regularizer, scale, rng = make_problem(name, 0.3, discount, seed=1)
    weight, of_q = rng.normal(size=N_STATES), rng.normal(size=SHAPE) * mdp.available
    change = make_direction(mdp, regularizer, scale, rng)
    gradients, step = [], 1e-4
    for sign in (1.0, -1.0):
        there = move_problem(mdp, regularizer, change, sign * step)
        gradients.append(linearize(*there, solve_exactly(*there)[0]).gradient(value=weight, q=of_q))
    exact = linearize(mdp, regularizer, solve_exactly(mdp, regularizer)[0]).hessian_vector_product(
        change, value=weight, q=of_q
    )
    ahead, behind = gradients
    tolerance = max(1e-5, COARSE_TOLERANCES.get(name, 0.0))
    for part in ("rewards", "temperature", "discount", "reference"):
        if getattr(exact, part) is not None:
            difference = (np.asarray(getattr(ahead, part)) - np.asarray(getattr(behind, part))) / (
                2 * step
            )
            assert np.allclose(
                difference,
                getattr(exact, part),
                rtol=tolerance,
                atol=tolerance * np.max(np.abs(difference)),
            ), part
    other = rng.normal(size=(*SHAPE, N_STATES)) * mdp.to_array()
    difference = (
        ahead.transitions.directional_derivative(other)
        - behind.transitions.directional_derivative(other)
    ) / (2 * step)
    assert exact.transitions.directional_derivative(other) == pytest.approx(
        difference, rel=1e-4, abs=1e-4
    )


def test_second_derivatives_are_symmetric():
    mdp, regularizer, scale, rng = make_problem("KL, one reference", 0.5, 0.95)
    linear = linearize(mdp, regularizer, solve_exactly(mdp, regularizer)[0])
    one, other = (make_direction(mdp, regularizer, scale, rng) for _ in range(2))
    assert linear.hessian_vector_product(one).directional_derivative(other) == pytest.approx(
        linear.hessian_vector_product(other).directional_derivative(one), rel=1e-9
    )


def solve_soft(rewards, rows, discount, temperature, reference, available):
    """Solve V = τ log Σ p̄ exp(Q/τ) by Newton's method; complex arguments carry derivatives."""
    value = np.zeros(
        len(rewards), dtype=np.result_type(rewards, rows, discount, temperature, reference)
    )
    for _ in range(200):
        scores = (rewards + discount * rows @ value) / temperature
        top = np.max(np.where(available, scores.real, -np.inf), axis=1)
        weights = np.where(
            available, reference * np.exp(np.where(available, scores - top[:, None], 0.0)), 0.0
        )
        policy = weights / weights.sum(axis=1, keepdims=True)
        best = temperature * (top + np.log(weights.sum(axis=1)))
        matrix = np.eye(len(rewards)) - discount * np.einsum("sa,sat->st", policy, rows)
        value = value + np.linalg.solve(matrix, best - value)
    return value, policy


@pytest.mark.parametrize("discount", [0.9, 0.9999, 1.0])
@pytest.mark.parametrize("temperature", [1e-3, 0.1, 10.0])
def test_derivatives_are_those_of_complex_steps(temperature, discount):
    mdp, regularizer, scale, rng = make_problem("KL, one reference", temperature, discount)
    linear = linearize(mdp, regularizer, solve_exactly(mdp, regularizer)[0])
    change = make_direction(mdp, regularizer, scale, rng)
    step = 1e-30j
    value, policy = solve_soft(
        mdp.rewards + step * change.rewards,
        mdp.to_array() + step * change.transitions,
        mdp.discount + step * (change.discount or 0.0),
        temperature + step * change.temperature,
        regularizer.reference + step * change.reference,
        mdp.available,
    )
    exact = linear.derivative(change)
    assert np.allclose(
        exact.value, value.imag / 1e-30, rtol=1e-9, atol=1e-9 * np.max(np.abs(exact.value))
    )
    assert np.allclose(
        exact.policy, policy.imag / 1e-30, rtol=1e-7, atol=1e-8 * np.max(np.abs(exact.policy))
    )
    assert linear.gradient().directional_derivative(change) == pytest.approx(
        mdp.initial @ value.imag / 1e-30, rel=1e-9
    )


@pytest.mark.parametrize("discount", [0.9, 1.0])
@pytest.mark.parametrize(
    "name",
    tiered([name for name in REGULARIZERS if name not in AT_TEMPERATURE_0], SOME_REGULARIZERS),
)
def test_errors_bound_the_gradients_of_rough_solutions(name, discount):
    mdp, regularizer, scale, rng = make_problem(name, 0.3, discount, seed=2)
    exact = linearize(mdp, regularizer, solve_exactly(mdp, regularizer)[0])
    of_policy = rng.normal(size=SHAPE)
    for size in (1e-9, 1e-4, 1e-2):
        rough = linearize(
            mdp, regularizer, exact.value + size * scale * rng.uniform(-1.0, 1.0, N_STATES)
        )
        for weights in ({}, {"policy": of_policy}):
            one, other = exact.gradient(**weights), rough.gradient(**weights)
            errors, change = other.errors, make_direction(mdp, regularizer, scale, rng)
            assert abs(
                one.directional_derivative(change) - other.directional_derivative(change)
            ) <= other.directional_error(change)
            assert np.sum(np.abs(one.rewards - other.rewards)) <= errors.rewards
            assert (
                np.sum(np.abs(np.asarray(one.temperature) - np.asarray(other.temperature)))
                <= errors.temperature
            )
            assert abs(one.discount - other.discount) <= errors.discount
            if one.reference is not None:
                assert np.all(np.abs(one.reference - other.reference) <= errors.reference)


@pytest.mark.parametrize(
    "name", ["Shannon", "Tsallis, sparse", "KL, one reference", "squared norm", "log barrier"]
)
def test_errors_are_small_at_accurate_solutions(name):
    mdp, regularizer, _, rng = make_problem(name, 0.3, 0.9)
    linear = linearize(mdp, regularizer, solve_exactly(mdp, regularizer)[0])
    assert linear.gradient().errors.rewards < 1e-7
    assert linear.gradient(policy=rng.normal(size=SHAPE)).errors.rewards < 1e-7


def test_an_action_of_reference_probability_0_has_a_one_sided_derivative():
    mdp, _, _, rng = make_problem("Shannon", 0.3, 0.9)
    reference = np.array([0.4, 0.6, 0.0])
    regularizer = rm.KL(reference, temperature=0.3)
    linear = linearize(mdp, regularizer, solve_exactly(mdp, regularizer)[0])
    change, step = np.array([-0.2, 0.1, 0.3]), 1e-7
    value, _, policy = solve_exactly(mdp, make_unnormalised_kl(regularizer, step * change))
    exact = linear.derivative(Perturbation(reference=change))
    assert np.allclose((value - linear.value) / step, exact.value, rtol=1e-5)
    assert np.allclose((policy - linear.policy) / step, exact.policy, atol=1e-5)
    assert linear.gradient().directional_derivative(
        Perturbation(reference=change)
    ) == pytest.approx(mdp.initial @ exact.value)
    weights = rng.normal(size=SHAPE)
    assert linear.gradient(policy=weights).directional_derivative(
        Perturbation(reference=change)
    ) == pytest.approx(np.sum(weights * exact.policy))


def test_kinks_are_reported():
    arms = rm.models.bandit().with_rewards([[1.0, 0.5, 0.0]])
    at_kink, clear = (
        linearize(arms, rm.SquaredL2(tau), rm.solve(arms, rm.SquaredL2(tau), tol=1e-13))
        for tau in (0.5, 0.4)
    )
    assert at_kink.kinks.tolist() == [[False, True, False]]
    assert "one-sided" in at_kink.note
    assert "action 1" in at_kink.note
    assert not clear.kinks.any()
    assert clear.note == ""
    # with two best actions and no regularizer the value has no derivative either
    tied = linearize(arms.with_rewards([[1.0, 1.0, 0.0]]), None, np.array([1.0]))
    assert tied.kinks.sum() == 2
    assert tied.gradient().errors.rewards > 0.9


@pytest.mark.parametrize(
    "evaluation", [rm.evaluation.Direct(), rm.evaluation.Krylov(), rm.evaluation.Exact()]
)
@pytest.mark.parametrize("storage", ["dense", "sparse"])
def test_all_evaluations_and_storages_agree(evaluation, storage):
    mdp = rm.models.garnet(400, 3, branching=5, discount=0.99)
    if storage == "dense":
        mdp = rm.MDP(mdp.to_array(), mdp.rewards, mdp.discount)
    soft = rm.Shannon(temperature=0.1)
    solution = rm.solve(mdp, soft, absolute_tol=1e-8)
    gradient = linearize(mdp, soft, solution, evaluation=evaluation).gradient()
    policy = rm.bellman.greedy(mdp, soft, solution.value)[1]
    assert np.allclose(
        gradient.rewards, rm.visits(mdp, policy)[:, None] * policy, rtol=1e-6, atol=1e-10
    )
    assert gradient.errors.rewards < 1e-4


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            Perturbation(rewards=np.zeros((2, 2))),
            r"a change of rewards must have shape \(1, 3\), not \(2, 2\)",
        ),
        (
            Perturbation(temperature=np.zeros(4)),
            r"a change of the temperature must have shape \(\)",
        ),
        (Perturbation(reference=np.zeros(3)), "the reference cannot change: Shannon has none"),
        (
            Perturbation(transitions=np.zeros((3, 3, 3))),
            r"an array over transitions must have shape \(S, A, S\) = \(1, 3, 1\)",
        ),
    ],
)
def test_invalid_perturbations_are_refused(change, message):
    arms, soft = rm.models.bandit(), rm.Shannon(temperature=1.0)
    linear = linearize(arms, soft, rm.solve(arms, soft))
    with pytest.raises(rm.SolverError, match=message):
        linear.derivative(change)


def test_perturbations_of_other_numbers_are_refused():
    with pytest.raises(rm.SolverError, match=r"rewards\[0, 1\] is nan, not a finite number"):
        Perturbation(rewards=np.array([[0.0, np.nan, 0.0]]))
    with pytest.raises(rm.SolverError, match=r"transitions must be an array of shape \(S, A, T\)"):
        Perturbation(transitions=np.zeros((3, 3)))


def test_temperature_0_has_no_derivative():
    arms = rm.models.bandit()
    linear = linearize(arms, rm.Shannon(temperature=0.0), rm.solve(arms))
    with pytest.raises(rm.RegularizerError, match="at temperature 0 there is no derivative"):
        linear.derivative(Perturbation(temperature=1.0))


def test_given_values_are_checked():
    stay, leave = np.array([[1.0]]), np.array([[0.0]])
    mdp = rm.MDP(np.stack([stay, leave], axis=1), [[1.0, 0.0]], 1.0, termination=[[0.0, 1.0]])
    with pytest.raises(rm.UnboundedError):
        linearize(mdp, rm.Shannon(temperature=0.1), np.array([5.0]))
    with pytest.raises(rm.SolverError, match=r"the value must have shape \(S,\) = \(1,\)"):
        linearize(mdp, None, np.zeros(3))


def test_parameters_of_rewards_and_of_the_whole_model():
    mdp, regularizer, _, rng = make_problem("KL, one reference", 0.3, 0.9)
    features = rng.normal(size=(*SHAPE, 2))
    linear = rm.gradients.RewardFeatures(mdp, features)
    theta = np.array([0.3, -0.2])
    found = rm.gradients.value_and_gradient(linear, theta, regularizer)
    whole = rm.gradients.ModelFunction(
        lambda x: mdp.with_rewards(mdp.rewards + features @ x).with_discount(0.9 + 0.01 * x[0]),
        lambda x: [
            Perturbation(rewards=features[:, :, 0], discount=0.01),
            Perturbation(rewards=features[:, :, 1]),
        ],
    )
    other = rm.gradients.value_and_gradient(whole, theta, regularizer, start=found.solution)
    for parameters, exact in ((linear, found), (whole, other)):
        ahead, behind = (
            [
                rm.gradients.value_and_gradient(parameters, theta + sign * step, regularizer).value
                for step in 1e-5 * np.eye(2)
            ]
            for sign in (1.0, -1.0)
        )
        assert np.allclose((np.array(ahead) - behind) / 2e-5, exact.gradient, rtol=1e-6)
        assert np.all(exact.gradient_error < 1e-6)
        assert exact.value_error < 1e-9


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda mdp: rm.gradients.RewardFeatures(mdp, np.zeros((2, 2))),
            r"features must have shape \(S, A, K\) = \(1, 3, K\)",
        ),
        (
            lambda mdp: rm.gradients.RewardFeatures(mdp, np.zeros((1, 3, 1))).check_parameters(
                [1.0, 2.0]
            ),
            r"the parameters must have shape \(1,\)",
        ),
        (
            lambda mdp: rm.gradients.ModelFunction(lambda x: x, lambda x: x).model(np.zeros(1)),
            "the function returns rewards, so the model is needed too",
        ),
        (
            lambda mdp: rm.gradients.ModelFunction(lambda x: mdp, lambda x: []).perturbations(
                np.zeros(1)
            ),
            "the derivative must return one Perturbation for each of the 1 parameters",
        ),
    ],
)
def test_bad_parameters_are_refused(make, message):
    with pytest.raises(rm.SolverError, match=message):
        make(rm.models.bandit())
