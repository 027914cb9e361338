"""What a user writes, with the errors that a type checker has to find.

A line that ends in ``# error`` is one, and no other line is; ``# type: T`` says what the type of
the expression contains in both checkers.
"""

import numpy as np

import regmdp as rm

P = np.full((3, 2, 3), 1 / 3)
r = np.zeros((3, 2))

mdp = rm.MDP(P, r, discount=0.9)
lists = rm.MDP([[[1.0]]], [[0.0]], 0.5)
matrices = rm.MDP.from_action_matrices([P[:, 0], P[:, 1]], r, 0.9)
sliced = mdp.with_discount(0.5).with_rewards(r)

question = rm.MDP(P, r, 1.0, labels={"end": [2], "ditch": r[:, 0] > 0}, goal="end", minimize=True)
named = mdp.with_goal(["end", "last"], avoid=[0], objective="reach")
reveal_type(question.labels["end"])  # type: ndarray
reveal_type(rm.solve(question).objective_value)  # type: ndarray

solution = rm.solve(mdp, rm.Shannon(temperature=0.1), tol=1e-6)
reveal_type(solution.value)  # type: ndarray
reveal_type(solution.policy)  # type: ndarray
reveal_type(solution.certificate.gap)  # type: float
reveal_type(solution.certificate.lower)  # type: ndarray
reveal_type(solution.status)  # type: Status
reveal_type(solution.initial_value)  # type: float

again = rm.solve(mdp, rm.KL([0.5, 0.5], 0.2), start=solution)
warm = rm.solve(mdp, start=np.zeros(3), algorithm=rm.algorithms.ValueIteration())
per_state = rm.solve(mdp, rm.Tsallis(1.5, temperature=[0.1, 0.2, 0.3]) + rm.Box(0.0, 0.9))

certificate = rm.certify(mdp, rm.Shannon(0.1), policy=solution.policy)
reveal_type(certificate.upper)  # type: ndarray
evaluation = rm.evaluate(mdp, [0, 1, 0])
reveal_type(evaluation.q)  # type: ndarray
reveal_type(rm.visits(mdp, np.array([0, 1, 0])))  # type: ndarray

frontier = rm.frontier(mdp, rm.uniform_policy(mdp), [1.0, 0.1])
reveal_type(frontier.value)  # type: ndarray
reveal_type(frontier.solutions[0].value)  # type: ndarray

result = rm.learn(
    mdp,
    rm.Shannon(0.1),
    rm.algorithms.NPG(step_size=0.1, evaluation=rm.evaluation.GenerativeModel(10)),
    max_iterations=3,
    rng=np.random.default_rng(0),
    callback=lambda event: event.measures["samples"] < 100,
)
reveal_type(result.policy)  # type: ndarray
reveal_type(rm.models.chain(5))  # type: MDP
reveal_type(rm.Event(0, 0.0).iteration)  # type: int

reveal_type(rm.__version__)  # type: str

rm.Shanon(temperature=0.1)  # error
rm.Shannon(temperature="hot")  # error
rm.KL("clinicians", temperature=0.1)  # error
rm.Tsallis(None, temperature=0.1)  # error
rm.solve(mdp, start="nonsense")  # error
rm.solve(mdp, "shannon")  # error
rm.solve(P, rm.Shannon(0.1))  # error
rm.solve(mdp, algorithm="value iteration")  # error
rm.solve(mdp, tol="small")  # error
rm.solve(mdp, max_iterations=0.5)  # error
rm.solve(mdp, listeners=[])  # error
rm.certify(mdp, policy="greedy")  # error
rm.evaluate(mdp, None)  # error
rm.learn(mdp, None, rm.algorithms.PolicyIteration(), max_iterations=3, rng=0)  # error
rm.MDP(P, r, discount="0.9")  # error
rm.algorithms.NPG(step_size="large")  # error
rm.frontier(mdp, rm.uniform_policy(mdp), "cold")  # error
solution.value.unknown  # error
solution.gap_of_the_certificate  # error
mdp.with_goal(2, objective="reaches")  # error
rm.MDP(P, r, 1.0, goals=[2])  # error
