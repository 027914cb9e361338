"""Textbook solvers on dense arrays, independent of the library, for comparisons."""

import numpy as np
import scipy.sparse as sp


def model_arrays(mdp):
    """Return (S, A, S) transitions, (S, A) rewards, γ and the (S, A) mask."""
    return mdp.to_array(), np.asarray(mdp.rewards), mdp.discount, np.asarray(mdp.available)


def policy_value(mdp, policy):
    """(S, A) policy -> (S,) its value, by one linear solve."""
    P, r, discount, available = model_arrays(mdp)
    live = available.any(axis=1)
    chain = np.einsum("sa,sat->st", policy, P)[np.ix_(live, live)]
    value = np.zeros(len(r))
    value[live] = np.linalg.solve(
        np.eye(live.sum()) - discount * chain, (policy * r).sum(axis=1)[live]
    )
    return value


def optimal_value(mdp, sweeps=10_000):
    """Return the (S,) optimal value, by value iteration and the value of the greedy policy.

    Asserts that the greedy policy cannot be improved.
    """
    P, r, discount, available = model_arrays(mdp)
    P = sp.csr_array(P.reshape(-1, len(r)))
    value = np.zeros(len(r))
    for _ in range(sweeps):
        q = np.where(available, r + discount * (P @ value).reshape(r.shape), -np.inf)
        new = np.where(available.any(axis=1), q.max(axis=1), 0.0)
        done = np.abs(new - value).max() <= 1e-13 * max(1.0, np.abs(new).max())
        value = new
        if done:
            break
    greedy = np.zeros(r.shape)
    greedy[np.arange(len(r)), q.argmax(axis=1)] = 1.0
    value = policy_value(mdp, greedy)
    q = np.where(available, r + discount * (P @ value).reshape(r.shape), -np.inf)
    assert np.all(q <= value[:, None] + 1e-9 * max(1.0, np.abs(value).max()))
    return value
