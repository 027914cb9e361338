"""Independent implementations of the methods as small loops on dense arrays.

Every loop yields (policy, value) pairs from the initial policy on, for models with all actions
available and no termination.
"""

import numpy as np


def parts(mdp):
    """(S, A, S) transitions, (S, A) rewards, γ."""
    return mdp.to_array(), np.asarray(mdp.rewards), mdp.discount


def entropy(policy):
    return np.sum(
        np.where(policy > 0, policy * np.log(np.where(policy > 0, policy, 1.0)), 0.0), axis=1
    )


def half_square(policy):
    return 0.5 * np.sum(policy**2, axis=1)


def nothing(policy):
    return np.zeros(len(policy))


def value_of(mdp, policy, tau=0.0, h=nothing):
    P, r, discount = parts(mdp)
    chain = np.einsum("sa,sat->st", policy, P)
    return np.linalg.solve(
        np.eye(len(r)) - discount * chain, np.sum(policy * r, axis=1) - tau * h(policy)
    )


def q_of(mdp, value):
    P, r, discount = parts(mdp)
    return r + discount * P @ value


def occupancy_of(mdp, policy):
    P, r, discount = parts(mdp)
    chain = np.einsum("sa,sat->st", policy, P)
    return (1 - discount) * np.linalg.solve(
        (np.eye(len(r)) - discount * chain).T, np.asarray(mdp.initial)
    )


def softmax(logits):
    weights = np.exp(logits - logits.max(axis=1, keepdims=True))
    return weights / weights.sum(axis=1, keepdims=True)


def project(points):
    """Euclidean projection of each row on the simplex, by sorting."""
    ordered = -np.sort(-points, axis=1)
    excess = np.cumsum(ordered, axis=1) - 1.0
    count = np.sum(ordered * np.arange(1, points.shape[1] + 1) > excess, axis=1)
    level = excess[np.arange(len(points)), count - 1] / count
    return np.maximum(points - level[:, None], 0.0)


def uniform(mdp):
    return np.full((mdp.n_states, mdp.n_actions), 1.0 / mdp.n_actions)


def npg(mdp, tau, eta, steps, start=None):
    """π⁺ ∝ π^(1-ητ/(1-γ)) exp(ηQ/(1-γ)), in logarithms."""
    policy = uniform(mdp) if start is None else start
    for _ in range(steps + 1):
        value = value_of(mdp, policy, tau, entropy)
        yield policy, value
        horizon = 1.0 / (1.0 - mdp.discount)
        policy = softmax(
            (1.0 - eta * tau * horizon) * np.log(policy) + eta * horizon * q_of(mdp, value)
        )


def gpmd_half_square(mdp, tau, eta, steps, start=None):
    """ξ⁺ = (ξ + ηQ)/(1 + ητ), π = projection of ξ."""
    dual = uniform(mdp) if start is None else start
    for _ in range(steps + 1):
        policy = project(dual)
        value = value_of(mdp, policy, tau, half_square)
        yield policy, value
        dual = (dual + eta * q_of(mdp, value)) / (1.0 + eta * tau)


def pmd(mdp, etas, start=None):
    """π⁺ ∝ π exp(η_k Q), without a regularizer."""
    logits = np.log(uniform(mdp) if start is None else start)
    for eta in [*etas, 0.0]:
        policy = softmax(logits)
        value = value_of(mdp, policy)
        yield policy, value
        logits = logits + eta * q_of(mdp, value)


def homotopic(mdp, steps, start=None):
    """log π⁺ = γ (log π + γ^(-2(k+1)) Q) + (1-γ) log π_0 with π_0 uniform, which cancels."""
    logits = np.log(uniform(mdp) if start is None else start)
    for k in range(steps + 1):
        policy = softmax(logits)
        value = value_of(mdp, policy)
        yield policy, value
        logits = mdp.discount * (logits + mdp.discount ** (-2.0 * (k + 1)) * q_of(mdp, value))


def softmax_pg(mdp, tau, eta, steps, start=None):
    """θ⁺ = θ + η/(1-γ) d_ρ π (Q - τ log π - V)."""
    logits = np.log(uniform(mdp) if start is None else start)
    for _ in range(steps + 1):
        policy = softmax(logits)
        value = value_of(mdp, policy, tau, entropy)
        yield policy, value
        advantage = q_of(mdp, value) - tau * np.log(policy) - value[:, None]
        logits = (
            logits
            + eta / (1.0 - mdp.discount) * occupancy_of(mdp, policy)[:, None] * policy * advantage
        )


def averaged_policy_iteration(mdp, tau, share, steps, start=None):
    """π⁺ = (1-β) π + β softmax(Q/τ)."""
    policy = uniform(mdp) if start is None else start
    for _ in range(steps + 1):
        value = value_of(mdp, policy, tau, entropy)
        yield policy, value
        policy = (1.0 - share) * policy + share * softmax(q_of(mdp, value) / tau)


def optimal_value(mdp, tau=0.0):
    """(S,) V* by value iteration, hard or soft."""
    value = np.zeros(mdp.n_states)
    for _ in range(100_000):
        q = q_of(mdp, value)
        top = q.max(axis=1)
        new = top + tau * np.log(np.sum(np.exp((q - top[:, None]) / tau), axis=1)) if tau else top
        if np.max(np.abs(new - value)) <= 1e-15 * max(1.0, np.max(np.abs(new))):
            return new
        value = new
    return value
