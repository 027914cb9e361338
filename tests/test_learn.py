"""Learning from samples: batches of independent runs."""

import numpy as np
import pytest

import regmdp as rm
from regmdp.algorithms import check_and_certify
from regmdp.evaluation import GenerativeModel, Noisy

GARNET = rm.models.garnet(6, 3, 3, rng=np.random.default_rng(0))
ENDING = rm.models.gridworld(3, 3)
MASKED = rm.models.forest(5)
SAMPLED = GenerativeModel(20)

ALGORITHMS = {
    "NPG": (rm.Shannon(0.2), rm.algorithms.NPG(0.2, evaluation=SAMPLED)),
    "NPG without a regularizer": (None, rm.algorithms.NPG(0.2, evaluation=SAMPLED)),
    "soft policy iteration": (
        rm.SquaredL2(np.linspace(0.1, 0.4, 6)),
        rm.algorithms.SoftPolicyIteration(evaluation=SAMPLED),
    ),
    "averaged": (rm.Shannon(0.2), rm.algorithms.SoftPolicyIteration(0.5, evaluation=SAMPLED)),
    "PMD": (rm.Tsallis(1.5, temperature=0.2), rm.algorithms.PMD(1.0, evaluation=SAMPLED)),
    "PMD in the Euclidean norm": (
        rm.Shannon(0.2),
        rm.algorithms.PMD(1.0, mirror=rm.SquaredL2(1.0), evaluation=SAMPLED),
    ),
    "GPMD": (rm.LogBarrier(0.2), rm.algorithms.GPMD(1.0, evaluation=SAMPLED)),
    "GPMD with a sum": (
        rm.Shannon(0.1) + rm.SquaredL2(0.1),
        rm.algorithms.GPMD(1.0, evaluation=SAMPLED),
    ),
    "geometric steps": (None, rm.algorithms.PMD(rm.algorithms.Geometric(), evaluation=SAMPLED)),
    "homotopic": (None, rm.algorithms.HomotopicPMD(evaluation=SAMPLED)),
    "policy iteration": (None, rm.algorithms.PolicyIteration(SAMPLED)),
    "noise": (rm.Shannon(0.2), rm.algorithms.NPG(0.2, evaluation=Noisy(0.1))),
}


def generators(*seeds):
    return [np.random.default_rng(seed) for seed in seeds]


@pytest.mark.parametrize("name", ALGORITHMS)
def test_a_run_does_not_depend_on_the_others(name):
    regularizer, algorithm = ALGORITHMS[name]
    together = rm.learn(GARNET, regularizer, algorithm, max_iterations=4, rng=generators(5, 6, 7))
    alone = rm.learn(GARNET, regularizer, algorithm, max_iterations=4, rng=np.random.default_rng(6))
    assert np.array_equal(together.policy[1], alone.policy[0])
    assert np.array_equal(together.q[1], alone.q[0])
    assert not np.array_equal(together.q[0], together.q[1])
    assert together.samples == alone.samples
    assert np.allclose(together.policy.sum(axis=2), 1.0)


@pytest.mark.parametrize("mdp", [ENDING, MASKED], ids=["ending", "forest"])
def test_masks_and_terminations(mdp):
    algorithm = rm.algorithms.NPG(0.1, evaluation=GenerativeModel(200))
    learned = rm.learn(mdp, rm.Shannon(0.05), algorithm, max_iterations=30, rng=generators(0, 1))
    start = rm.certify(mdp, rm.Shannon(0.05), policy=rm.uniform_policy(mdp)).gap
    for policy in learned.policy:
        assert np.all(policy[~mdp.available] == 0)
        assert np.allclose(policy[~mdp.terminal].sum(axis=1), 1.0)
        assert rm.certify(mdp, rm.Shannon(0.05), policy=policy).gap < 0.5 * start


def test_many_samples_give_the_optimum():
    algorithm = rm.algorithms.SoftPolicyIteration(evaluation=GenerativeModel(100_000, reuse=True))
    learned = rm.learn(
        GARNET, rm.Shannon(0.2), algorithm, max_iterations=10, rng=np.random.default_rng(0)
    )
    assert rm.certify(GARNET, rm.Shannon(0.2), policy=learned.policy[0]).gap < 1e-2


def test_a_callback_is_called_after_every_iteration_and_may_interrupt():
    seen = []

    def interrupt(event):
        seen.append((event.iteration, event.measures["samples"], event.state.next_policy.shape))
        if event.iteration == 3:
            raise KeyboardInterrupt

    learned = rm.learn(
        GARNET,
        rm.Shannon(0.2),
        ALGORITHMS["NPG"][1],
        max_iterations=50,
        rng=generators(1, 2),
        callback=interrupt,
    )
    assert seen == [(i, 360 * i, (12, 3)) for i in range(4)]
    assert learned.iterations == 3
    assert learned.status is rm.Status.INTERRUPTED
    shorter = rm.learn(
        GARNET, rm.Shannon(0.2), ALGORITHMS["NPG"][1], max_iterations=3, rng=generators(1, 2)
    )
    assert np.array_equal(shorter.policy, learned.policy)


def test_a_run_starts_from_the_given_policy():
    start = np.random.default_rng(3).dirichlet(np.ones(3), size=6)
    exact = rm.algorithms.NPG(0.2, evaluation=Noisy(0.0))
    learned = rm.learn(
        GARNET, rm.Shannon(0.2), exact, max_iterations=1, rng=generators(0, 1), start=start
    )
    expected = rm.solve(
        GARNET, rm.Shannon(0.2), rm.algorithms.NPG(0.2), tol=0, max_iterations=1, start=start
    )
    assert np.allclose(learned.policy[1], expected.policy, atol=1e-12)


def test_a_learned_policy_is_certified_like_any_other():
    algorithm = rm.algorithms.NPG(0.2, evaluation=GenerativeModel(2000))
    optimum = rm.solve(GARNET, rm.Shannon(0.2)).value
    events = []
    result = rm.learn(
        GARNET,
        rm.Shannon(0.2),
        algorithm,
        max_iterations=40,
        rng=np.random.default_rng(0),
        callback=events.append,
    )
    certificate = rm.certify(GARNET, rm.Shannon(0.2), policy=result.policy[0])
    assert np.all(certificate.lower <= optimum)
    assert np.all(optimum <= certificate.upper)
    value = rm.evaluate(GARNET, result.policy[0], rm.Shannon(0.2)).value
    assert np.all(certificate.policy_lower <= value)
    assert np.all(value <= certificate.policy_upper)
    assert [event.iteration for event in events] == list(range(41))
    assert certificate.gap < 0.1


def test_solve_refuses_methods_that_draw_samples_and_learn_the_others():
    with pytest.raises(rm.SolverError, match=r"run it with regmdp\.learn\(mdp, regularizer, algor"):
        rm.solve(GARNET, rm.Shannon(0.2), ALGORITHMS["NPG"][1], max_iterations=3)
    with pytest.raises(rm.SolverError, match=r"draws none: run it with regmdp\.solve"):
        rm.learn(
            GARNET,
            rm.Shannon(0.2),
            rm.algorithms.NPG(0.2),
            max_iterations=3,
            rng=np.random.default_rng(0),
        )


def test_a_callback_that_returns_false_stops_the_runs():
    result = rm.learn(
        GARNET,
        rm.Shannon(0.2),
        ALGORITHMS["NPG"][1],
        max_iterations=10,
        rng=generators(1, 2),
        callback=[lambda event: event.iteration < 3, lambda event: None],
    )
    assert result.status is rm.Status.STOPPED
    assert result.iterations == 3


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"algorithm": None}, "needs a method whose evaluation draws samples"),
        ({"algorithm": rm.algorithms.NPG(0.2)}, "natural policy gradient draws none"),
        ({"algorithm": rm.algorithms.ValueIteration()}, "value iteration draws none"),
        (
            {"algorithm": rm.algorithms.NPG(9.0, evaluation=SAMPLED)},
            r"the step size must be in \(0, \(1-γ\)/τ\]",
        ),
        (
            {"algorithm": rm.algorithms.PMD(rm.algorithms.Adaptive(1.0), evaluation=SAMPLED)},
            "runs would not be independent",
        ),
        (
            {"algorithm": rm.algorithms.PMD(1.0, lookahead=2, evaluation=SAMPLED)},
            "known transition probabilities",
        ),
        (
            {"algorithm": rm.algorithms.SoftmaxPG(0.1, evaluation=SAMPLED)},
            "SoftmaxPG with Rollouts",
        ),
        ({"max_iterations": -1}, "iterations must be an integer"),
        ({"max_iterations": 2.5}, "iterations must be an integer"),
        ({"rng": []}, "at least one random generator"),
        ({"rng": [1, 2]}, "come from numpy.random.Generator objects"),
        ({"start": np.ones((6, 3))}, "the policy sums to 3"),
        ({"regularizer": "entropy"}, "must be a regmdp.Regularizer"),
        ({"source": "FrozenLake-v1"}, "drawn from an MDP, a simulator"),
        ({"source": GARNET.with_discount(1.0)}, "natural policy gradient needs a discount below 1"),
        (
            {
                "source": GARNET.with_discount(1.0),
                "algorithm": ALGORITHMS["soft policy iteration"][1],
            },
            "no policy ends the episode",
        ),
    ],
)
def test_invalid_arguments_are_refused(options, message):
    given = {
        "source": GARNET,
        "regularizer": rm.Shannon(0.2),
        "algorithm": ALGORITHMS["NPG"][1],
        "max_iterations": 2,
    }
    given |= {"rng": np.random.default_rng(0), **options}
    with pytest.raises(rm.RegmdpError, match=message):
        rm.learn(given.pop("source"), given.pop("regularizer"), given.pop("algorithm"), **given)


def test_runs_on_a_user_simulator_do_not_depend_on_each_other():
    def sample(state, action, rng):
        return rng.integers(0, 3, state.shape), rng.normal(size=state.shape)

    simulator = rm.samples.UserSimulator(sample, 3, 2, 0.9)
    for evaluation in (
        GenerativeModel(5),
        rm.evaluation.TD(20),
        rm.evaluation.Rollouts(4),
        rm.evaluation.MonteCarlo(2),
    ):
        algorithm = rm.algorithms.NPG(0.2, evaluation=evaluation)
        together = rm.learn(
            simulator, rm.Shannon(0.2), algorithm, max_iterations=2, rng=generators(5, 6, 7)
        )
        alone = rm.learn(simulator, rm.Shannon(0.2), algorithm, max_iterations=2, rng=generators(6))
        assert np.array_equal(together.q[1], alone.q[0]), evaluation


def test_a_learned_policy_that_never_ends_is_returned_without_bounds():
    """Leaving costs 1 now or later, so that errors decide, and some policies never leave."""
    mdp = rm.MDP(
        np.array([[[1.0], [0.0]]]),
        np.array([[-1e-9, -1.0]]),
        1.0,
        termination=np.array([[0.0, 1.0]]),
    )
    algorithm = rm.algorithms.PolicyIteration(Noisy(0.1))
    result = rm.learn(mdp, None, algorithm, max_iterations=1, rng=generators(*range(8)))
    staying = [k for k in range(8) if result.policy[k, 0, 0] == 1.0]
    assert 0 < len(staying) < 8
    for k in staying:
        with pytest.raises(rm.ImproperPolicyError, match="does not end the episode"):
            rm.certify(mdp, policy=result.policy[k])
        policy, certificate = check_and_certify(
            mdp, rm.Unregularized(), result.policy[k], result.value[k]
        )
        assert np.array_equal(policy, result.policy[k])
        assert certificate.gap == np.inf


@pytest.mark.parametrize("k", [0, 1, 5])
@pytest.mark.parametrize("name", ["NPG", "PMD", "GPMD", "SoftPolicyIteration"])
def test_an_iteration_is_one_evaluation_and_one_improvement(name, k):
    make = getattr(rm.algorithms, name)
    regularizer = rm.Shannon(0.1)
    exact = rm.solve(GARNET, regularizer, make(0.1), tol=0, max_iterations=k)
    noisy = rm.learn(
        GARNET,
        regularizer,
        make(0.1, evaluation=Noisy(0.0)),
        max_iterations=k,
        rng=np.random.default_rng(0),
    )
    assert noisy.iterations == k
    np.testing.assert_allclose(noisy.policy[0], exact.policy, atol=1e-12)


def test_no_iteration_draws_no_sample():
    result = rm.learn(
        GARNET, rm.Shannon(0.1), ALGORITHMS["NPG"][1], max_iterations=0, rng=generators(0, 1)
    )
    assert result.samples == result.iterations == 0
    assert np.isnan(result.q).all()
    assert np.isnan(result.value).all()
    assert np.array_equal(result.policy[0], rm.uniform_policy(GARNET))
