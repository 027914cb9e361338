"""Bounds next to huge penalties: sharp, and compared with exact numbers."""

import mpmath
import numpy as np
import pytest
from mpmath import mp, mpf
from tiers import tiered

import regmdp as rm
from regmdp import bellman
from regmdp.certificates.penalties import sweep_error

S, A = 4, 3
CASES = [(seed, kind) for seed in range(600) for kind in ("hard", "entropy", "total", "divergence")]


class Problem:
    """A random model with huge penalties, whose numbers are exact multiples of powers of 2."""

    def __init__(self, seed, kind):
        rng = np.random.default_rng(seed)
        weights = rng.multinomial(64, rng.dirichlet(np.ones(S + 1) * 0.4, size=(S, A))) / 64.0
        self.P, self.ends = weights[..., :S], weights[..., S]
        self.gamma = 1.0 if kind == "total" else float(rng.choice([0.5, 0.875, 0.984375]))
        rewards = rng.integers(-40, 41, size=(S, A)) * 2.0 ** -float(rng.integers(0, 40))
        if kind == "total":
            # every step may end, so that every policy ends
            self.P, self.ends = self.P / 2, 0.5 + self.ends / 2
        huge = rng.random((S, A)) < rng.uniform(0.2, 0.7)
        huge[np.arange(S), rng.integers(A, size=S)] = False
        size = 10.0 ** rng.uniform(3, 14)
        self.R = np.where(huge, -size * rng.uniform(0.5, 1.0, size=(S, A)), rewards)
        self.tau = 2.0 ** float(rng.integers(-6, 4))
        self.regularizer = None
        self.reference = np.full((S, A), 1.0)
        if kind == "entropy":
            self.regularizer = rm.Shannon(self.tau)
        if kind == "divergence":
            self.reference = rng.multinomial(61, np.ones(A) / A, size=S) + 1.0
            self.reference /= 64.0
            self.regularizer = rm.KL(self.reference, temperature=self.tau)
        self.mdp = rm.MDP(self.P, self.R, self.gamma, termination=self.ends)
        self.rng = rng

    def q(self, value):
        """Return the exact action values of a (S,) value."""
        return [
            [
                mpf(self.R[s, a])
                + mpf(self.gamma) * sum(mpf(self.P[s, a, t]) * value[t] for t in range(S))
                for a in range(A)
            ]
            for s in range(S)
        ]

    def maximum(self, q, s):
        """Return the exact regularized maximum, and the policy that attains it."""
        top = max(q)
        if self.regularizer is None:
            best = q.index(top)
            return top, [mpf(a == best) for a in range(A)]
        tau = mpf(self.tau)
        weights = [mpf(self.reference[s, a]) * mpmath.exp((q[a] - top) / tau) for a in range(A)]
        total = sum(weights)
        return top + tau * mpmath.log(total), [weight / total for weight in weights]

    def step(self, p, q, s):
        """Return ⟨p, q⟩ - τ h(p)."""
        found = sum(p[a] * q[a] for a in range(A))
        if self.regularizer is None:
            return found
        cost = sum(p[a] * mpmath.log(p[a] / mpf(self.reference[s, a])) for a in range(A) if p[a])
        return found - mpf(self.tau) * cost

    def value_of(self, policy):
        """Return the exact value of a policy."""
        matrix, right = mpmath.matrix(S, S), mpmath.matrix(S, 1)
        for s in range(S):
            right[s] = self.step(policy[s], [mpf(x) for x in self.R[s]], s)
            for t in range(S):
                moves = sum(policy[s][a] * mpf(self.P[s, a, t]) for a in range(A))
                matrix[s, t] = mpf(s == t) - mpf(self.gamma) * moves
        return list(mpmath.lu_solve(matrix, right))

    def optimum(self):
        """Return the optimal value, by policy iteration with 80 digits."""
        value = [mpf(0)] * S
        for _ in range(60):
            q = self.q(value)
            found = self.value_of([self.maximum(q[s], s)[1] for s in range(S)])
            change = max(abs(one - other) for one, other in zip(found, value, strict=True))
            value = found
            if change < mpf(10) ** -50:
                return value
        raise AssertionError("policy iteration has not converged")


def normalised(policy):
    rows = [[mpf(x) for x in row] for row in np.asarray(policy)]
    return [[x / sum(row) for x in row] for row in rows]


def difference(found, exact):
    return max(abs(mpf(float(one)) - other) for one, other in zip(found, exact, strict=True))


@pytest.mark.parametrize(("seed", "kind"), tiered(CASES, 80))
def test_bounds_hold_next_to_huge_penalties(seed, kind):
    with mp.workdps(80):
        problem = Problem(seed, kind)
        mdp, regularizer = problem.mdp, problem.regularizer
        optimum = problem.optimum()
        near = np.array([float(x) for x in optimum])
        scale = np.abs(near).max()
        noise = scale * 10.0 ** problem.rng.uniform(-17, 1) * problem.rng.normal(size=S)
        part = regularizer or rm.Unregularized()
        for value in (near, near + noise):
            exact = [mpf(x) for x in value]
            q = problem.q(exact)
            # one sweep
            best, greedy = bellman.greedy(mdp, regularizer, value)
            maxima = [problem.maximum(q[s], s)[0] for s in range(S)]
            assert difference(best, maxima) <= sweep_error(mdp, part, value)
            mixed = problem.rng.dirichlet(np.ones(A), size=S)
            small = 10.0 ** -problem.rng.uniform(0, 20, size=(S, A))
            for policy in (greedy, mixed, small / small.sum(axis=1, keepdims=True)):
                own = bellman.policy_backup(mdp, regularizer, policy, value)
                steps = [problem.step(p, q[s], s) for s, p in enumerate(normalised(policy))]
                assert difference(own, steps) <= sweep_error(mdp, part, value, policy)
            # certificates
            certificate = rm.certify(mdp, regularizer, value=value)
            for s in range(S):
                assert mpf(certificate.lower[s]) <= optimum[s] <= mpf(certificate.upper[s])
        solution = rm.solve(mdp, regularizer)
        own = problem.value_of(normalised(solution.policy))
        bounds = solution.certificate
        for s in range(S):
            assert mpf(bounds.lower[s]) <= optimum[s] <= mpf(bounds.upper[s])
            assert mpf(bounds.policy_lower[s]) <= own[s] <= mpf(bounds.policy_upper[s])
            assert optimum[s] - own[s] <= bounds.gap
        # and they are sharp: no penalty enters unless it is paid
        tau = problem.tau if regularizer else 0.0
        assert solution.status.ok or bounds.gap <= 1e-9 * (scale + tau)
