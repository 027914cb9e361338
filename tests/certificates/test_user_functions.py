"""Users' functions: wrong ones lead to no false certificate, and none can change an argument."""

import numpy as np
import pytest
from tiers import tiered

import regmdp as rm

MDP = rm.models.garnet(8, 4, 3, discount=0.9)
EPISODIC = rm.MDP(
    0.8 * MDP.to_array(), MDP.rewards - 1.0, 1.0, termination=np.full((8, 4), 0.2)
)  # fmt: skip


def half_square(p):
    return 0.5 * np.sum(p * p, axis=-1)


def convex(gradient, function=half_square):
    return rm.Convex(function, gradient, temperature=0.5)


class Subclass(rm.Regularizer):
    """The squared norm, with parts that may be replaced by wrong ones."""

    temperature = 0.5

    def __init__(self, greedy=None, conjugate=None):
        self._right, self._greedy, self._conjugate = rm.SquaredL2(1.0), greedy, conjugate

    def value(self, p, available=None):
        return half_square(p)

    def greedy(self, y, available=None):
        return self._right.greedy(y, available) if self._greedy is None else self._greedy(y)

    def conjugate(self, y, available=None):
        if self._conjugate is None:
            return super().conjugate(y, available)
        return self._conjugate(y)


RIGHT = {
    "Convex": convex(lambda p: p),
    "Separable": rm.Separable(lambda p: 0.5 * p**2, lambda p: p, temperature=0.5),
    "subclass": Subclass(),
    "sum": convex(lambda p: p) + rm.Shannon(0.1),
    "within limits": convex(lambda p: p) + rm.Box(0.05, 0.8),
}
WRONG = {
    "half the gradient": convex(lambda p: 0.5 * p),
    "twice the gradient": convex(lambda p: 2.0 * p),
    "a gradient off by a thousandth": convex(lambda p: 1.001 * p),
    "a gradient with an offset": convex(lambda p: p + 0.01 * np.arange(4)),
    "the gradient of entropy": convex(np.log),
    "a wave": convex(
        lambda p: p + np.cos(20 * p), lambda p: half_square(p) + np.sin(20 * p).sum(axis=-1) / 20
    ),
    "a wrong slope": rm.Separable(lambda p: 0.5 * p**2, lambda p: 0.9 * p, temperature=0.5),
    "a wrong greedy map": Subclass(lambda y: rm.Shannon(1.0).greedy(y)),
    "a conjugate that is too large": Subclass(
        conjugate=lambda y: rm.SquaredL2(1.0).conjugate(y) + 1e-6
    ),
    "a conjugate that is too small": Subclass(
        conjugate=lambda y: rm.SquaredL2(1.0).conjugate(y) - 1e-6
    ),
    "in a sum": convex(lambda p: 0.5 * p) + rm.Shannon(0.1),
    "in a sum of sums over actions": rm.Separable(
        lambda p: 0.5 * p**2, lambda p: 0.9 * p, temperature=0.5
    )
    + rm.SquaredL2(0.1),
    "within limits": convex(lambda p: 0.5 * p) + rm.Box(0.05, 0.8),
    "NaN": convex(lambda p: p, lambda p: np.where(p[..., 0] > 0.5, np.nan, half_square(p))),
}


@pytest.mark.parametrize("kind", RIGHT)
@pytest.mark.parametrize("mdp", [MDP, EPISODIC], ids=["discounted", "episodic"])
def test_right_functions_pass(kind, mdp):
    if mdp is EPISODIC and kind == "within limits":
        mdp = rm.MDP(mdp.to_array(), mdp.rewards, 1.0, termination=mdp.termination)
    assert rm.solve(mdp, RIGHT[kind], tol=1e-6).status.ok
    rm.certify(mdp, RIGHT[kind], value=np.zeros(8))


@pytest.mark.parametrize(
    ("kind", "mdp"),
    tiered(
        [(kind, mdp) for kind in WRONG for mdp in (MDP, EPISODIC)],
        lambda case: case[1] is MDP or case[0] in ("a wrong slope", "a wave"),
    ),
)
def test_wrong_functions_are_refused(kind, mdp):
    value = rm.solve(mdp, RIGHT["Convex"]).value
    with pytest.raises(rm.RegmdpError):
        rm.solve(mdp, WRONG[kind], max_iterations=200)
    with pytest.raises(rm.RegmdpError):
        rm.certify(mdp, WRONG[kind], value=value)


def test_the_message_names_state_and_distributions():
    with pytest.raises(rm.RegularizerError) as caught:
        rm.certify(MDP, WRONG["twice the gradient"], value=np.zeros(8))
    message = str(caught.value)
    assert "in state 1, the greedy distribution [" in message
    assert "is not the maximiser" in message
    assert "check Convex with regmdp.testing.check_regularizer" in message


@pytest.mark.parametrize("kind", ["twice the gradient", "a wrong greedy map"])
def test_wrong_functions_are_refused_by_certificates_from_samples(kind):
    rng = np.random.default_rng(0)
    with pytest.raises(rm.RegularizerError, match="is not the maximiser"):
        rm.certify_from_samples(MDP, WRONG[kind], value=np.zeros(8), samples=50, rng=rng)
    rm.certify_from_samples(MDP, RIGHT["Convex"], value=np.zeros(8), samples=50, rng=rng)


@pytest.mark.parametrize("n_actions", [2, 40])
def test_of_many_actions_the_best_are_compared(n_actions):
    mdp = rm.models.garnet(5, n_actions, 2, discount=0.5)
    with pytest.raises(rm.RegularizerError, match="is not the maximiser"):
        rm.certify(mdp, convex(lambda p: 0.9 * p), value=np.zeros(5))


@pytest.mark.parametrize("seed", tiered(range(300), 12))
def test_no_certificate_with_a_wrong_gradient_is_further_off_than_the_comparison(seed):
    rng = np.random.default_rng(seed)
    n_actions = int(rng.integers(2, 7))
    mdp = rm.models.garnet(6, n_actions, 2, discount=0.9, rng=seed)
    size, tau = 10.0 ** rng.uniform(-9, 0), 10.0 ** rng.uniform(-2, 0.5)
    offset, mixture = rng.normal(size=n_actions), rng.normal(size=(n_actions, n_actions))
    gradient = (
        lambda p: p + size * offset,
        lambda p: p * (1.0 + size),
        lambda p: p + size * (p @ mixture),
        lambda p: p + size * p**3,
    )[seed % 4]
    wrong = rm.Convex(half_square, gradient, temperature=tau)
    try:
        found = rm.solve(mdp, wrong, max_iterations=300).certificate
    except rm.RegularizerError:
        return
    best = rm.solve(mdp, rm.SquaredL2(tau), tol=1e-12).certificate
    # twice the error of a backup, over all steps; a mixture of directions may be a little better
    slack = 20 * tau * wrong.rounding(n_actions) / (1.0 - mdp.discount)
    assert np.max(best.lower - found.upper) <= slack
    assert np.max(found.lower - best.upper) <= slack


# ---- arguments are read-only ----


def writes(array, *_, **__):
    array *= 0.5
    return array


def writes_action(array, action, *_):
    action[...] = 0
    return array, array


ATTEMPTS = {
    "greedy": lambda: rm.solve(MDP, Subclass(greedy=writes)),
    "conjugate": lambda: rm.solve(MDP, Subclass(conjugate=lambda y: writes(y)[..., 0])),
    "function": lambda: rm.solve(MDP, convex(lambda p: p, lambda p: half_square(writes(p)))),
    "gradient": lambda: rm.solve(MDP, convex(writes)),
    "phi": lambda: rm.solve(MDP, rm.Separable(writes, lambda p: p, 0.5)),
    "slope": lambda: rm.solve(MDP, rm.Separable(lambda p: p**2, writes, 0.5)),
    "parameters": lambda: rm.solve(
        MDP,
        rm.Separable(
            lambda p, c: writes(c) + p**2, lambda p, c: 2 * p, 0.5, parameters={"c": np.ones(8)}
        ),
    ),
    "simulator": lambda: rm.samples.UserSimulator(
        lambda s, a, rng: writes_action(s, a), n_states=2, n_actions=2, discount=0.5
    ).sample(np.zeros(3, int), np.zeros(3, int), np.random.default_rng(0)),
    "utilities": lambda: rm.choice.UtilityFunction(writes, writes, ["x"]).values(np.ones(1)),
    "their derivative": lambda: rm.choice.UtilityFunction(writes, writes, ["x"]).derivative(
        np.ones(1)
    ),
    "a parametric model": lambda: rm.gradients.value_and_gradient(
        rm.gradients.ModelFunction(writes, writes, mdp=MDP), np.ones(3), rm.Shannon(0.1)
    ),
}


@pytest.mark.parametrize("kind", ATTEMPTS)
def test_users_functions_cannot_change_their_arguments(kind):
    with pytest.raises(ValueError, match="read-only"):
        ATTEMPTS[kind]()


@pytest.mark.parametrize("name", ["value", "backup", "policy", "next_policy"])
def test_callbacks_cannot_change_an_iterate(name):
    def callback(event):
        array = getattr(event.state, name)
        if array is not None:
            with pytest.raises(ValueError, match="read-only"):
                array *= 0.0
            seen.append(event)

    seen = []
    for method in (rm.algorithms.ValueIteration(), rm.algorithms.PolicyIteration()):
        solution = rm.solve(MDP, rm.Shannon(0.1), method, callback=callback)
        assert solution.status.ok
    assert seen


def test_callbacks_cannot_change_what_has_been_learned():
    def callback(event):
        if event.state.estimate is not None:
            for name in ("q", "value"):
                with pytest.raises(ValueError, match="read-only"):
                    getattr(event.state.estimate, name)[:] = 0.0
            seen.append(event)

    seen = []
    rm.learn(
        MDP, rm.Shannon(0.1), rm.algorithms.SoftQLearning(steps=5), max_iterations=3,
        rng=np.random.default_rng(0), callback=callback,
    )  # fmt: skip
    assert seen


def test_evaluations_of_users_cannot_change_their_arguments():
    class Careless(rm.evaluation.Evaluation):
        exact = True

        def __call__(self, mdp, regularizer, policy, guess, accuracy=0.0):
            for array in (policy, guess, mdp.rewards):
                with pytest.raises(ValueError, match="read-only"):
                    array[:] = 0.0
            calls.append(guess)
            return rm.evaluation.Exact()(mdp, regularizer, policy, guess, accuracy)

    calls = []
    method = rm.algorithms.PolicyIteration(Careless())
    assert rm.solve(MDP, rm.Shannon(0.1), method).status.ok
    assert len(calls) > 1
