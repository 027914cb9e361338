"""Random models with exact values, computed in 60 digits independently of the library.

The stored doubles of a model are taken as exact numbers, including rows that sum to 1 only
approximately. A policy is its rows divided by their exact sums. Without a temperature the optimal
value starts from a linear program (HiGHS), whose vertex is made exact by solving the equation of
its policy; with one it comes from Newton's method. In both cases T V = V is checked at the end.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cache, cached_property

import numpy as np
import scipy.sparse as sp
from mpmath import mp, mpf
from scipy.optimize import linprog

mp.dps = 60
#: Relative distance from T V = V at which a value counts as exact.
TOLERANCE = mpf(10) ** -45

DISCOUNTS = (0.0, 0.1, 0.5, 0.9, 0.99, 0.999, 0.9999, 1.0)
FAMILIES = ("none", "shannon", "kl", "l2")


@dataclass(frozen=True, eq=False)
class Problem:
    """A model and a regularizer, as arrays.

    Their shapes: P (S, A, S); r, available, termination and reference (S, A); initial and
    temperature (S,).
    """

    P: np.ndarray
    r: np.ndarray
    discount: float
    available: np.ndarray
    termination: np.ndarray
    initial: np.ndarray
    family: str = "none"
    temperature: np.ndarray = field(default_factory=lambda: np.zeros(0))
    reference: np.ndarray | None = None
    sparse: bool = False
    seed: int = 0

    @property
    def n_states(self):
        return self.r.shape[0]

    @cached_property
    def actions(self):
        """The permitted actions of each state."""
        usable = self.available if self.reference is None else self.available & (self.reference > 0)
        return [list(np.flatnonzero(row)) for row in usable]

    @cached_property
    def tau(self):
        return (
            [mpf(float(t)) for t in self.temperature]
            if self.family != "none"
            else [mpf(0)] * self.n_states
        )

    @cached_property
    def exact_rewards(self):
        return [
            [mpf(float(x)) if self.available[s, a] else None for a, x in enumerate(row)]
            for s, row in enumerate(self.r)
        ]

    @cached_property
    def exact_rows(self):
        """The list of (successor, γ P) of each pair."""
        gamma = mpf(self.discount)
        return [
            [
                [(int(t), gamma * mpf(float(row[t]))) for t in np.flatnonzero(row)]
                if self.available[s, a]
                else []
                for a, row in enumerate(rows)
            ]
            for s, rows in enumerate(self.P)
        ]

    @cached_property
    def reward_scale(self):
        """The largest reward or temperature; 1 if both are 0."""
        return (
            max(
                float(np.abs(self.r[self.available]).max()),
                float(np.max(self.temperature, initial=0.0)),
            )
            or 1.0
        )

    def mdp(self, **keywords):
        """The library's model, with invalid numbers at unavailable pairs, which it must ignore."""
        import regmdp as rm

        P, r, termination = self.P.copy(), self.r.copy(), self.termination.copy()
        P[~self.available], r[~self.available], termination[~self.available] = -7.0, np.nan, 3.0
        rows = sp.csr_array(P.reshape(-1, self.n_states)) if self.sparse else P
        return rm.MDP(
            rows,
            r,
            self.discount,
            available=self.available,
            termination=termination,
            initial=self.initial,
            **keywords,
        )

    def regularizer(self):
        """The library's regularizer."""
        import regmdp as rm

        tau = self.temperature
        tau = (
            float(tau[0])
            if self.family != "none" and np.all(tau == tau[0]) and self.seed % 2
            else tau
        )
        match self.family:
            case "shannon":
                return rm.Shannon(temperature=tau)
            case "kl":
                return rm.KL(self.reference, temperature=tau)
            case "l2":
                return rm.SquaredL2(temperature=tau)
            case _:
                return None

    # ---- the operators ----

    def q(self, s, a, value):
        total = self.exact_rewards[s][a]
        for t, weight in self.exact_rows[s][a]:
            total += weight * value[t]
        return total

    def cost(self, s, p):
        """τ h(p) of a dict of positive probabilities."""
        if not self.tau[s] or not p:
            return mpf(0)
        match self.family:
            case "shannon":
                h = sum(x * mp.log(x) for x in p.values())
            case "kl":
                h = sum(x * mp.log(x / mpf(float(self.reference[s, a]))) for a, x in p.items())
            case _:
                h = sum(x * x for x in p.values()) / 2
        return self.tau[s] * h

    def best(self, s, value, current=None):
        """The maximum of ⟨p, q⟩ - τ h(p), and a maximiser: of several best actions the current."""
        usable = self.actions[s]
        if not usable:
            return mpf(0), {}
        q = {a: self.q(s, a, value) for a in usable}
        top = max(q.values())
        tau = self.tau[s]
        if not tau:
            action = max(usable, key=lambda a: q[a])
            if current:
                kept = next(iter(current))
                if len(current) == 1 and q[kept] >= top - TOLERANCE * (1 + abs(top)):
                    action = kept
            return top, {action: mpf(1)}
        y = {a: (x - top) / tau for a, x in q.items()}
        if self.family == "l2":
            p = simplex_projection(y)
            return top + tau * (
                sum(x * y[a] for a, x in p.items()) - sum(x * x for x in p.values()) / 2
            ), p
        prior = {
            a: mpf(1) if self.family == "shannon" else mpf(float(self.reference[s, a]))
            for a in usable
        }
        weights = {a: prior[a] * mp.exp(y[a]) for a in usable}
        total = mp.fsum(weights.values())
        return top + tau * mp.log(total), {a: w / total for a, w in weights.items()}

    def value_of(self, policy):
        """(S, A) doubles, or a list of dicts -> the exact value of the normalised policy."""
        n = self.n_states
        if isinstance(policy, np.ndarray):
            policy = [exact_row(row) if self.actions[s] else {} for s, row in enumerate(policy)]
        matrix = [[mpf(int(s == t)) for t in range(n)] for s in range(n)]
        rewards = []
        for s, p in enumerate(policy):
            for a, x in p.items():
                for t, weight in self.exact_rows[s][a]:
                    matrix[s][t] -= x * weight
            rewards.append(
                mp.fsum(x * self.exact_rewards[s][a] for a, x in p.items()) - self.cost(s, p)
            )
        return solve(matrix, rewards)

    @cached_property
    def optimum(self):
        """The exact optimal value. With γ = 1 every loop must lose reward."""
        if not any(self.tau) and self.discount < 1.0:
            start = self._linear_program()
            policy = [self.best(s, start)[1] for s in range(self.n_states)]
        else:
            start, policy = (
                None,
                [{a: mpf(1) / len(usable) for a in usable} for usable in self.actions],
            )
        for _ in range(300):
            value = self.value_of(policy)
            improved = [self.best(s, value, policy[s]) for s in range(self.n_states)]
            scale = max(abs(x) for x in value) + mpf(self.reward_scale)
            if (
                max(abs(best - x) for (best, _), x in zip(improved, value, strict=True))
                <= TOLERANCE * scale
            ):
                if start is not None:
                    tolerance = 1e-5 * float(scale) / (1.0 - self.discount)
                    assert (
                        max(abs(float(x) - y) for x, y in zip(value, start, strict=True))
                        <= tolerance
                    )
                return value
            policy = [p for _, p in improved]
        raise AssertionError("Newton's method did not reach the optimum")

    def _linear_program(self):
        """Minimise Σ V(s) subject to V ≥ r + γ P V."""
        pairs = [(s, a) for s, usable in enumerate(self.actions) for a in usable]
        scale = max(float(np.abs(self.r[self.available]).max()), 1e-300)
        constraints = np.array(
            [self.discount * self.P[s, a] - np.eye(self.n_states)[s] for s, a in pairs]
        )
        limits = np.array([-self.r[s, a] / scale for s, a in pairs])
        free = [(None, None) if usable else (0.0, 0.0) for usable in self.actions]
        found = linprog(
            np.ones(self.n_states), A_ub=constraints, b_ub=limits, bounds=free, method="highs"
        )
        assert found.status == 0, found.message
        return [float(x) * scale for x in found.x]


def exact_row(row):
    """Row of doubles -> probabilities that sum to exactly 1."""
    total = sum(Fraction(float(x)) for x in row)
    return {
        a: mpf(float(x)) * total.denominator / total.numerator for a, x in enumerate(row) if x > 0
    }


def expected(initial, value):
    """The mean of a value under the normalised ρ."""
    return sum((x * value[s] for s, x in exact_row(initial).items()), mpf(0))


def simplex_projection(y):
    """Dict of scores -> positive entries of the nearest distribution (Held et al. 1974)."""
    threshold, total = None, mpf(0)
    for count, x in enumerate(sorted(y.values(), reverse=True), 1):
        total += x
        if x > (total - 1) / count:
            threshold = (total - 1) / count
    return {a: x - threshold for a, x in y.items() if x > threshold}


def solve(matrix, right):
    """Solve a linear system by Gaussian elimination with pivoting, on lists of any numbers."""
    n = len(right)
    rows = [[*row, b] for row, b in zip(matrix, right, strict=True)]
    for k in range(n):
        pivot = max(range(k, n), key=lambda i: abs(rows[i][k]))
        rows[k], rows[pivot] = rows[pivot], rows[k]
        for i in range(k + 1, n):
            factor = rows[i][k] / rows[k][k]
            if factor:
                for j in range(k + 1, n + 1):
                    rows[i][j] -= factor * rows[k][j]
    x = [None] * n
    for k in reversed(range(n)):
        x[k] = (rows[k][n] - sum(rows[k][j] * x[j] for j in range(k + 1, n))) / rows[k][k]
    return x


# ---- random problems ----


@cache
def problem(seed):
    """Draw the random problem of a seed; consecutive seeds run through discounts and families."""
    rng = np.random.default_rng(seed)
    discount = DISCOUNTS[seed % len(DISCOUNTS)]
    family = FAMILIES[seed // len(DISCOUNTS) % len(FAMILIES)]
    S, A = int(rng.integers(1, 9)), int(rng.integers(1, 6))
    maze = discount == 1.0 and rng.random() < 0.4
    P = _draw_transitions(rng, S, A)
    available = rng.random((S, A)) < rng.choice([0.6, 1.0])
    if not maze and S > 1 and rng.random() < 0.5:
        available[rng.integers(S)] = False
    termination = np.zeros((S, A))
    if discount == 1.0 or rng.random() < 0.3:
        termination = rng.uniform(0.02, 1.0, size=(S, A)) * (
            rng.random((S, A)) < (1.0 if discount == 1.0 else 0.4)
        )
    if maze:
        # only the first action is certain to terminate; the others may form cycles that lose reward
        termination[:, 1:] *= rng.random((S, A - 1)) < 0.2
    P *= (1.0 - termination)[..., None]
    if rng.random() < 0.4:
        P *= 1.0 + rng.uniform(-1e-10, 1e-10, size=(S, A, 1))
    scale = 10.0 ** rng.uniform(-6, 6)
    r = scale * _draw_rewards(rng, S, A)
    if maze:
        r = -scale * rng.uniform(1.0, 2.0, size=(S, A))
    if A > 1 and rng.random() < 0.4:
        one, other = np.sort(rng.choice(A, size=2, replace=False))
        P[:, other], r[:, other], termination[:, other] = P[:, one], r[:, one], termination[:, one]
        available[:, other] = available[:, one]
    if not available.any() or maze:
        available[:, 0] = True
    reference = None
    if family == "kl":
        reference = _draw_reference(rng, available)
        if maze:
            reference = np.where(available, 1.0, 0.0) / np.maximum(
                available.sum(axis=1, keepdims=True), 1
            )
    initial = (
        rng.dirichlet(np.ones(S)) * (1.0 + rng.uniform(-1e-10, 1e-10))
        if rng.random() < 0.7
        else np.eye(S)[rng.integers(S)]
    )
    temperature = _draw_temperature(rng, S, scale, maze) if family != "none" else np.zeros(S)
    return Problem(
        P,
        r,
        discount,
        available,
        termination,
        initial,
        family,
        temperature,
        reference,
        sparse=bool(rng.random() < 0.5),
        seed=seed,
    )


def _draw_temperature(rng, S, scale, maze):
    temperature = np.full(S, scale * 10.0 ** rng.uniform(-7, 1))
    if maze:
        temperature = np.full(S, scale * 10.0 ** rng.uniform(-7, -1))
    match int(rng.integers(4)):
        case 0:
            temperature = temperature * 10.0 ** rng.uniform(-2, 0, size=S)
        case 1:
            temperature[rng.random(S) < 0.5] = 0.0
    return temperature


def _draw_transitions(rng, S, A):
    match int(rng.integers(4)):
        case 0:  # deterministic
            return np.eye(S)[rng.integers(S, size=(S, A))]
        case 1:  # a few successors
            P = rng.random((S, A, S)) * (rng.random((S, A, S)) < 0.4)
            P[..., 0] += np.where(P.sum(axis=-1) == 0, 1.0, 0.0)
            return P / P.sum(axis=-1, keepdims=True)
        case 2:  # probabilities of very different sizes
            P = 10.0 ** rng.uniform(-12, 0, size=(S, A, S))
            return P / P.sum(axis=-1, keepdims=True)
        case _:
            return rng.dirichlet(np.ones(S), size=(S, A))


def _draw_rewards(rng, S, A):
    match int(rng.integers(5)):
        case 0:
            return rng.normal(size=(S, A)) * 10.0 ** rng.uniform(-8, 0, size=(S, A))
        case 1:
            return rng.integers(-1, 2, size=(S, A)).astype(float)
        case 2:  # almost equal
            return 1.0 + 1e-12 * rng.normal(size=(S, A))
        case 3:  # few are not 0
            return rng.normal(size=(S, A)) * (rng.random((S, A)) < 0.2)
        case _:
            return rng.normal(size=(S, A))


def _draw_reference(rng, available):
    weight = rng.dirichlet(np.full(available.shape[1], 0.5), size=available.shape[0]) + 1e-9
    kept = available & (rng.random(available.shape) < 0.7)
    kept |= available & ~kept.any(axis=1, keepdims=True)
    kept[~available.any(axis=1)] = True
    if rng.random() < 0.3:
        kept = np.ones_like(kept)  # weight on actions that do not exist
    weight = weight * kept
    return weight / weight.sum(axis=1, keepdims=True)


def random_policy(rng, problem, *, spread=1.0):
    """Draw (S, A) doubles, positive on some of the permitted actions.

    Rows sum to 1 only within 1e-10, and rows of terminal states are invalid.
    """
    policy = np.zeros(problem.r.shape)
    for s, usable in enumerate(problem.actions):
        if not usable:
            policy[s] = 0.3
            continue
        weight = 10.0 ** rng.uniform(-spread, 0, size=len(usable))
        if problem.discount < 1.0 and len(usable) > 1 and rng.random() < 0.4:
            weight[rng.integers(len(usable))] = 0.0
        policy[s, usable] = weight / weight.sum() * (1.0 + rng.uniform(-1e-10, 1e-10))
    return policy


# ---- certificates ----


def assert_between(lower, truth, upper, what):
    """Assert that numbers of 60 digits are between bounds, up to their own error."""
    error = max((abs(x) for x in truth if mp.isfinite(x)), default=mpf(0)) * mpf(10) ** -50
    for s, x in enumerate(truth):
        assert mpf(float(lower[s])) <= x + error, (
            f"{what}: state {s} is {mp.nstr(x, 25)}, below the bound by "
            f"{mp.nstr(mpf(float(lower[s])) - x, 5)}"
        )
        assert x - error <= mpf(float(upper[s])), (
            f"{what}: state {s} is {mp.nstr(x, 25)}, above the bound by "
            f"{mp.nstr(x - mpf(float(upper[s])), 5)}"
        )


def assert_covers(certificate, initial, optimum, own=None):
    """Assert that a certificate holds for the exact optimal value and the exact policy value."""
    assert_between(certificate.lower, optimum, certificate.upper, "optimum")
    assert (
        mpf(certificate.initial_lower)
        <= expected(initial, optimum)
        <= mpf(certificate.initial_upper)
    )
    if own is not None:
        assert_between(certificate.policy_lower, own, certificate.policy_upper, "policy")
        # where every policy has -∞, none is better
        losses = [best - x for best, x in zip(optimum, own, strict=True) if best != mpf("-inf")]
        assert max(losses, default=mpf(0)) <= mpf(certificate.gap)
        if expected(initial, optimum) != mpf("-inf"):
            lost = expected(initial, optimum) - expected(initial, own)
            assert lost <= mpf(certificate.initial_gap)


# ---- γ = 1, by enumeration ----


def total_reward(P, r, termination):
    """Exact expected total reward of a chain with (S, S) rows of Fractions.

    It is -∞ in states from which rewards other than 0 may recur without end.

    Returns a list of Fractions, None where the value is -∞.
    """
    n = len(r)
    reach = [find_reachable(P, s) for s in range(n)]
    recurrent = [
        all(s in reach[t] for t in reach[s]) and not any(termination[t] for t in reach[s])
        for s in range(n)
    ]
    value = [None] * n
    for s in range(n):
        if recurrent[s] and all(r[t] == 0 for t in reach[s]):
            value[s] = Fraction(0)
    bad = [recurrent[s] and value[s] is None for s in range(n)]
    transient = [s for s in range(n) if not recurrent[s] and not any(bad[t] for t in reach[s])]
    if transient:
        matrix = [[Fraction(int(s == t)) - P[s][t] for t in transient] for s in transient]
        for s, x in zip(transient, solve(matrix, [r[s] for s in transient]), strict=True):
            value[s] = x
    return value


def best_total_reward(P, r, termination, available):
    """The largest total reward over all deterministic policies; 0 in states without actions."""
    n = len(r)
    choices = [list(np.flatnonzero(row)) or [None] for row in available]
    best = [None] * n
    for actions in itertools.product(*choices):
        rows = [
            [Fraction(0)] * n if a is None else [Fraction(float(x)) for x in P[s, a]]
            for s, a in enumerate(actions)
        ]
        rewards = [
            Fraction(0) if a is None else Fraction(float(r[s, a])) for s, a in enumerate(actions)
        ]
        ends = [a is None or termination[s, a] > 0 for s, a in enumerate(actions)]
        for s, x in enumerate(total_reward(rows, rewards, ends)):
            if x is not None and (best[s] is None or x > best[s]):
                best[s] = x
    return best


def find_reachable(P, start):
    """States that the chain can reach from a state, including itself."""
    found, todo = {start}, [start]
    while todo:
        s = todo.pop()
        for t, x in enumerate(P[s]):
            if x and t not in found:
                found.add(t)
                todo.append(t)
    return found


def exact(fractions):
    """Fractions, None for -∞ -> high-precision numbers."""
    return [mpf("-inf") if x is None else mpf(x.numerator) / x.denominator for x in fractions]
