"""With one-hot observations the deep methods are equal to the tabular methods."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import regmdp as rm
from regmdp.deep import A2C, GPMD, MDPO, SAC, TRPO, OnPolicyMDPO, Simplex, mlp
from regmdp.deep.actor_critic import actor_critic_loss
from regmdp.deep.mirror_descent import dual_step
from regmdp.deep.natural_gradient import conjugate_gradient, fisher_product
from regmdp.deep.off_policy import PolicyBatch, munchausen_bonus
from regmdp.deep.on_policy import Batch
from regmdp.deep.on_policy_mirror_descent import mirror_descent_loss
from regmdp.deep.replay import Transitions

TEMPERATURE = 0.2


@pytest.fixture(autouse=True)
def double_precision():
    with jax.enable_x64(True):
        yield


@pytest.fixture(scope="module")
def mdp():
    return rm.models.garnet(6, 3, 4, rng=0, discount=0.8)


def linear_params(values):
    """Return parameters of a linear network with these (S, K) outputs for one-hot states."""
    values = jnp.asarray(values)
    return [(values, jnp.zeros(values.shape[1]))]


def one_hot_states(mdp):
    return jnp.eye(mdp.n_states)


def make_tabular(kind, mdp, regularizer, **options):
    return kind(
        lambda: rm.io.to_gymnasium(mdp, max_steps=20),
        regularizer=regularizer,
        discount=mdp.discount,
        network=mlp((), output_scale=0.01),
        critic=mlp(()),
        **options,
    )


@pytest.mark.parametrize(
    "regularizer", [rm.Shannon(TEMPERATURE), rm.Tsallis(1.5, TEMPERATURE)], ids=repr
)
def test_dual_step_equals_tabular_gpmd(mdp, regularizer):
    step_size = 2.0
    recorder = rm.algorithms.Recorder()
    algorithm = rm.algorithms.GPMD(step_size=step_size)
    rm.solve(mdp, regularizer, algorithm, tol=0, max_iterations=4, callback=recorder)
    simplex = Simplex(regularizer)
    for before, after in zip(recorder.states[1:], recorder.states[2:], strict=False):
        q = rm.bellman.q_values(mdp, rm.evaluate(mdp, after.policy, regularizer).value)
        xi = dual_step(jnp.asarray(before.dual), jnp.asarray(q), TEMPERATURE, step_size)
        np.testing.assert_allclose(np.asarray(simplex.policy(xi)), after.next_policy, atol=1e-6)


def test_natural_direction_equals_tabular_natural_policy_gradient(mdp):
    rng = np.random.default_rng(0)
    xi = jnp.asarray(rng.normal(size=(mdp.n_states, mdp.n_actions)))
    simplex = Simplex(rm.Shannon(0.0))
    policy = np.asarray(simplex.policy(xi))
    evaluated = rm.evaluate(mdp, policy)
    advantage = jnp.asarray(evaluated.q - evaluated.value[:, None])

    def outputs(params):
        return params.reshape(xi.shape)

    def objective(params):
        return jnp.mean(jnp.sum(simplex.policy(outputs(params)) * advantage, axis=-1))

    params = xi.ravel()
    gradient = jax.grad(objective)(params)
    direction = conjugate_gradient(
        lambda v: fisher_product(outputs, simplex.curvature, params, v), gradient, 100
    )
    step_size = 0.3
    # multiplicative weights: π exp(η A/(1-γ))
    expected = policy * np.exp(step_size / (1 - mdp.discount) * np.asarray(advantage))
    expected /= expected.sum(axis=-1, keepdims=True)
    recorder = rm.algorithms.Recorder()
    rm.solve(
        mdp,
        None,
        rm.algorithms.NPG(step_size=step_size),
        tol=0,
        max_iterations=1,
        start=policy,
        callback=recorder,
    )
    np.testing.assert_allclose(recorder.states[0].next_policy, expected, atol=1e-10)
    moved = simplex.policy(outputs(params + step_size / (1 - mdp.discount) * direction))
    np.testing.assert_allclose(np.asarray(moved), expected, atol=1e-6)


@pytest.mark.parametrize(
    "regularizer",
    [rm.Shannon(TEMPERATURE), rm.Tsallis(1.5, TEMPERATURE), rm.SquaredL2(TEMPERATURE)],
    ids=repr,
)
def test_fixed_point_of_sac_is_the_regularized_optimum(mdp, regularizer):
    solution = rm.solve(mdp, regularizer, tol=1e-12)
    q = rm.bellman.q_values(mdp, solution.value)
    learner = make_tabular(SAC, mdp, regularizer)
    policy, critics = (
        {"network": linear_params(q / TEMPERATURE)},
        [linear_params(q), linear_params(q)],
    )
    mean, h = learner.expected_values(policy, critics, one_hot_states(mdp), jax.random.key(0))
    np.testing.assert_allclose(np.asarray(mean - TEMPERATURE * h), solution.value, atol=1e-6)
    batch = PolicyBatch(one_hot_states(mdp), TEMPERATURE, jax.random.key(0))

    def loss(policy):
        return learner.policy_loss(policy, {"critics": critics}, batch)

    gradient = jax.grad(loss)(policy)["network"][0][0]
    np.testing.assert_allclose(np.asarray(gradient), 0.0, atol=1e-9)
    other_gradient = jax.grad(loss)({"network": linear_params(0.5 * q / TEMPERATURE)})["network"][
        0
    ][0]
    assert np.max(np.abs(np.asarray(other_gradient))) > 1e-4


@pytest.mark.parametrize("alpha", [0.3, 0.9])
@pytest.mark.parametrize(
    "regularizer",
    [
        rm.Shannon(TEMPERATURE),
        rm.Tsallis(1.5, TEMPERATURE),
        rm.KL(np.array([0.5, 0.3, 0.2]), TEMPERATURE),
    ],
    ids=["Shannon", "Tsallis", "KL"],
)
def test_fixed_point_with_munchausen_is_the_optimum_at_a_lower_temperature(mdp, regularizer, alpha):
    cooler = replace(regularizer, temperature=(1 - alpha) * TEMPERATURE)
    solution = rm.solve(mdp, cooler, tol=1e-12)
    simplex = Simplex(regularizer)
    # with ξ = q~/((1-α)τ) for the action values q~ of that optimum, q = q~ + α τ (ξ - h*(ξ)) must
    # be a fixed point
    xi = jnp.asarray(rm.bellman.q_values(mdp, solution.value) / ((1 - alpha) * TEMPERATURE))
    xi = xi - alpha * simplex.conjugate(xi)[:, None]
    q = TEMPERATURE * xi
    learner = make_tabular(SAC, mdp, regularizer, munchausen=alpha, munchausen_clip=-1e6)
    pairs = np.indices((mdp.n_states, mdp.n_actions)).reshape(2, -1)
    zeros = jnp.zeros(pairs.shape[1])
    batch = Transitions(
        one_hot_states(mdp)[pairs[0]],
        jnp.asarray(pairs[1]),
        zeros,
        one_hot_states(mdp)[pairs[0]],
        zeros,
    )
    policy = {"network": linear_params(xi)}
    bonus = np.asarray(munchausen_bonus(learner, policy, batch, TEMPERATURE)).reshape(q.shape)
    mean, h = learner.expected_values(
        policy, [linear_params(q), linear_params(q)], one_hot_states(mdp), jax.random.key(0)
    )
    updated = rm.bellman.q_values(mdp, np.asarray(mean - TEMPERATURE * h)) + bonus
    np.testing.assert_allclose(updated, np.asarray(q), atol=1e-6)
    np.testing.assert_allclose(np.asarray(simplex.policy(xi)), solution.policy, atol=1e-6)
    clipped = make_tabular(SAC, mdp, regularizer, munchausen=alpha, munchausen_clip=-1e-3)
    assert np.min(
        np.asarray(munchausen_bonus(clipped, policy, batch, TEMPERATURE))
    ) == pytest.approx(-1e-3 * alpha)


@pytest.mark.parametrize("temperature", [0.0, TEMPERATURE])
def test_minimiser_of_on_policy_mirror_descent_is_the_mirror_step(mdp, temperature):
    step_size, unit = 0.7, 3.0
    learner = make_tabular(OnPolicyMDPO, mdp, rm.Shannon(temperature))
    advantage = np.random.default_rng(0).normal(size=(mdp.n_states, mdp.n_actions))
    advantage -= advantage.mean(axis=-1, keepdims=True)  # of the uniform policy
    pairs = np.indices(advantage.shape).reshape(2, -1)
    zero = jnp.zeros((pairs.shape[1], mdp.n_actions))
    batch = Batch(
        one_hot_states(mdp)[pairs[0]],
        jnp.asarray(pairs[1]),
        zero,
        jnp.asarray(advantage.ravel()),
        zero[:, 0],
        unit,
    )
    deviation = advantage.std() + 1e-8
    # argmax ⟨A, p⟩/σ - τ h(p)/(σ u) - D(p, uniform)/η
    xi = advantage / deviation / (1 / step_size + temperature / (deviation * unit))
    gradient = jax.grad(lambda policy: mirror_descent_loss(learner, policy, step_size, batch))
    np.testing.assert_allclose(
        np.asarray(gradient({"network": linear_params(xi)})["network"][0][0]), 0.0, atol=1e-9
    )
    assert (
        np.max(np.abs(np.asarray(gradient({"network": linear_params(0.5 * xi)})["network"][0][0])))
        > 1e-4
    )


@pytest.mark.slow
def test_tsallis_with_q_near_1_equals_shannon():
    xi = jnp.asarray(np.random.default_rng(0).normal(size=(5, 4)))
    near, shannon = Simplex(rm.Tsallis(1.0 + 1e-8, 0.1)), Simplex(rm.Shannon(0.1))
    np.testing.assert_allclose(
        np.asarray(near.policy(xi)), np.asarray(shannon.policy(xi)), atol=1e-6
    )
    np.testing.assert_allclose(
        np.asarray(near.conjugate(xi)), np.asarray(shannon.conjugate(xi)), atol=1e-6
    )


def test_mdpo_with_a_very_large_step_size_equals_sac(mdp):
    regularizer = rm.Shannon(TEMPERATURE)
    soft = make_tabular(SAC, mdp, regularizer)
    mirror = make_tabular(MDPO, mdp, regularizer, step_size=1e12)
    short = make_tabular(MDPO, mdp, regularizer, step_size=0.1)
    rng = np.random.default_rng(0)
    policy, anchor, *critics = (
        linear_params(rng.normal(size=(mdp.n_states, mdp.n_actions))) for _ in range(4)
    )
    batch = PolicyBatch(one_hot_states(mdp), TEMPERATURE, jax.random.key(0))
    state = {"critics": critics, "anchor": {"network": anchor}}
    gradients = [
        jax.grad(
            lambda policy, learner=learner: learner.policy_loss(
                policy,
                {**state, "step_size": learner._state["step_size"]}
                if learner is not soft
                else state,
                batch,
            )
        )({"network": policy})["network"][0][0]
        for learner in (soft, mirror, short)
    ]
    np.testing.assert_allclose(np.asarray(gradients[1]), np.asarray(gradients[0]), atol=1e-9)
    assert np.max(np.abs(np.asarray(gradients[2] - gradients[0]))) > 1e-3


def test_minimiser_of_gpmd_loss_is_the_dual_step(mdp):
    learner = make_tabular(GPMD, mdp, rm.Shannon(TEMPERATURE), step_size=3.0)
    rng = np.random.default_rng(0)
    anchor, q = rng.normal(size=(2, mdp.n_states, mdp.n_actions))
    state = {
        "critics": [linear_params(q), linear_params(q)],
        "anchor": {"network": linear_params(anchor)},
        "step_size": 3.0,
    }
    batch = PolicyBatch(one_hot_states(mdp), TEMPERATURE, jax.random.key(0))
    target = np.asarray(dual_step(jnp.asarray(anchor), jnp.asarray(q), TEMPERATURE, 3.0))
    assert float(learner.policy_loss({"network": linear_params(target)}, state, batch)) < 1e-20
    assert (
        float(
            learner.policy_loss(
                {"network": linear_params(target + rng.normal(size=(mdp.n_states, 1)))},
                state,
                batch,
            )
        )
        < 1e-20
    )
    assert float(learner.policy_loss({"network": linear_params(anchor)}, state, batch)) > 1e-4


def test_actor_critic_gradient_is_the_score_function_gradient(mdp):
    learner = make_tabular(A2C, mdp, rm.Shannon(0.0), critic_weight=0.0, n_envs=2)
    batch = learner._collect()
    networks = {"policy": learner._state["policy"], "critic": learner._state["critic"]}

    def surrogate(policy):
        logarithm = jax.nn.log_softmax(learner._compute_xi(policy, batch.observation))
        return -jnp.mean(
            jnp.take_along_axis(logarithm, batch.action[:, None], axis=-1)[:, 0] * batch.advantage
        )

    gradient = jax.grad(lambda networks: actor_critic_loss(learner, networks, batch))(networks)[
        "policy"
    ]
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(np.asarray(a), np.asarray(b), atol=1e-6),
        gradient,
        jax.grad(surrogate)(networks["policy"]),
    )


@pytest.mark.slow
def test_network_policy_can_be_certified():
    env = rm.io.from_gymnasium("FrozenLake-v1", discount=0.95)
    mdp = env[0] if isinstance(env, tuple) else env
    learner = TRPO("FrozenLake-v1", discount=0.95, seed=0).learn(1024)
    policy = learner.policy(np.arange(mdp.n_states))
    certificate = rm.certify(mdp, policy=policy)
    exact = rm.evaluate(mdp, policy).initial_value
    assert certificate.policy_lower @ mdp.initial <= exact + 1e-9
    best = rm.solve(mdp).value @ mdp.initial
    assert exact <= best + 1e-9
    assert certificate.gap >= 0.0
