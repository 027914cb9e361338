"""All regularizers, algorithms and storages of models, which the tests of this folder check.

Add a new one here, once, to test it.
"""

import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import scipy.sparse as sp

import regmdp as rm
from regmdp.algorithms.adaptive import AdaptivePolicyIteration
from regmdp.mdp import (
    DenseTransitions,
    FunctionTransitions,
    SparseTransitions,
    block_widths,
    transitions,
)
from regmdp.mdp.stacked_transitions import StackedTransitions
from regmdp.problem import Problem
from regmdp.stack import Stack

# ---- regularizers: from the (S, A) shape of a model and a generator to a regularizer ----


def _reference(shape, rng, *, zeros):
    """Draw distributions over the actions, some with zeros; the first action is always positive."""
    weight = rng.exponential(size=shape)
    if zeros:
        weight *= rng.random(shape) < 0.6
    weight[..., 0] += 0.1
    return weight / weight.sum(axis=-1, keepdims=True)


REGULARIZERS = {
    "none": lambda shape, rng: rm.Unregularized(),
    "Shannon": lambda shape, rng: rm.Shannon(temperature=0.3),
    "Shannon, cold": lambda shape, rng: rm.Shannon(temperature=1e-9),
    "Shannon, a temperature per state": lambda shape, rng: rm.Shannon(
        temperature=rng.uniform(0.0, 2.0, size=shape[0])
    ),
    "KL, one reference": lambda shape, rng: rm.KL(
        _reference(shape[1:], rng, zeros=False), temperature=0.3
    ),
    "KL, zeros in the reference": lambda shape, rng: rm.KL(
        _reference(shape, rng, zeros=True), temperature=0.3
    ),
    "KL, everything per state": lambda shape, rng: rm.KL(
        _reference(shape, rng, zeros=True), rng.uniform(0.0, 2.0, size=shape[0])
    ),
    "KL, temperature 0": lambda shape, rng: rm.KL(
        _reference(shape, rng, zeros=True), temperature=0.0
    ),
    "Tsallis, heavy tails": lambda shape, rng: rm.Tsallis(0.5, temperature=0.3),
    "Tsallis, nearly Shannon": lambda shape, rng: rm.Tsallis(1.000001, temperature=0.3),
    "Tsallis, Shannon": lambda shape, rng: rm.Tsallis(1.0, temperature=0.3),
    "Tsallis, sparse": lambda shape, rng: rm.Tsallis(
        1.5, temperature=rng.uniform(0.0, 2.0, size=shape[0])
    ),
    "Tsallis, very sparse": lambda shape, rng: rm.Tsallis(4.0, temperature=0.3),
    "log barrier": lambda shape, rng: rm.LogBarrier(temperature=0.3),
    "log barrier, a temperature per state": lambda shape, rng: rm.LogBarrier(
        temperature=rng.uniform(0.0, 2.0, size=shape[0])
    ),
    "Rényi": lambda shape, rng: rm.Renyi(0.5, temperature=0.3),
    "Rényi, nearly Shannon": lambda shape, rng: rm.Renyi(
        0.999, temperature=rng.uniform(0.0, 2.0, size=shape[0])
    ),
    "weighted ℓ1": lambda shape, rng: rm.WeightedL1(rng.normal(size=shape), temperature=0.3),
    "weighted ℓ1, one for all states": lambda shape, rng: rm.WeightedL1(
        rng.normal(size=shape[1:]), temperature=0.3
    ),
    "squared norm": lambda shape, rng: rm.SquaredL2(temperature=0.3),
    "squared norm, a temperature per state": lambda shape, rng: rm.SquaredL2(
        temperature=rng.uniform(0.0, 2.0, size=shape[0])
    ),
}


class UserSpread(rm.Regularizer):
    """Half the squared distance from uniform, with only ``value`` and ``greedy``."""

    def __init__(self, temperature):
        self.temperature = temperature

    def value(self, p, available=None):
        return 0.5 * np.sum((p - 1.0 / p.shape[-1]) ** 2, axis=-1)

    def greedy(self, y, available=None):
        return rm.SquaredL2(temperature=1.0).greedy(y)


REGULARIZERS["user-defined"] = lambda shape, rng: UserSpread(temperature=0.3)


def _capped(shape, rng):
    """Draw a mask of some actions, without the first."""
    mask = rng.random(shape) < 0.6
    mask[..., 0] = False
    return mask


def _box(shape, rng):
    """Draw bounds that permit a distribution over any actions that include the first."""
    lower = rng.uniform(0.0, 1.0 / shape[-1], size=shape) * (rng.random(shape) < 0.5)
    upper = np.minimum(1.0, rng.uniform(1.0, 3.0, size=shape) / shape[-1])
    upper[..., 0] = 1.0
    return rm.Box(lower, upper)


def _quadratic(shape, rng):
    """Draw a quadratic form, by which some actions are similar."""
    factor = rng.normal(size=(shape[-1], shape[-1]))
    form = factor @ factor.T / shape[-1]
    return lambda p: 0.5 * np.sum(p * (p @ form), axis=-1), lambda p: p @ form


REGULARIZERS |= {
    "cap": lambda shape, rng: rm.CapBarrier(_capped(shape, rng), 0.4, temperature=0.3),
    "cap, everything per state": lambda shape, rng: rm.CapBarrier(
        _capped(shape, rng),
        rng.uniform(0.1, 1.5, size=shape[0]),
        rng.uniform(0.0, 2.0, size=shape[0]),
    ),
    "cap, temperature 0": lambda shape, rng: rm.CapBarrier(
        _capped(shape[1:], rng), 0.4, temperature=0.0
    ),
    "box": _box,
    "box, one for all states": lambda shape, rng: _box(shape[1:], rng),
    "Shannon and KL": lambda shape, rng: (
        rm.Shannon(rng.uniform(0.0, 1.0, size=shape[0]))
        + rm.KL(_reference(shape, rng, zeros=True), temperature=0.2)
    ),
    "Shannon in a box": lambda shape, rng: rm.Shannon(0.1) + _box(shape, rng),
    "squared norm in a box": lambda shape, rng: (
        rm.SquaredL2(rng.uniform(0.0, 1.0, size=shape[0])) + _box(shape, rng)
    ),
    "Tsallis, log barrier and squared norm": lambda shape, rng: (
        rm.Tsallis(0.5, temperature=0.3) + rm.LogBarrier(1e-3) + rm.SquaredL2(1.0)
    ),
    "cap and price": lambda shape, rng: (
        rm.CapBarrier(_capped(shape, rng), 0.4, temperature=0.3)
        + rm.WeightedL1(rng.normal(size=shape), temperature=0.5)
    ),
    "Rényi and Shannon": lambda shape, rng: (
        rm.Renyi(0.5, temperature=0.5) + rm.Shannon(rng.uniform(0.0, 1.0, size=shape[0]))
    ),
    "separable": lambda shape, rng: rm.Separable(
        lambda p: p**3 / 3, lambda p: p**2, temperature=0.5
    ),
    "separable, parameters per state": lambda shape, rng: rm.Separable(
        lambda p, price, curve: price * p + curve * p**2,
        lambda p, price, curve: price + 2 * curve * p,
        temperature=rng.uniform(0.0, 2.0, size=shape[0]),
        parameters={"price": rng.normal(size=shape), "curve": rng.uniform(0.1, 1.0, size=shape[0])},
    ),
    "convex": lambda shape, rng: rm.Convex(*_quadratic(shape, rng), temperature=0.5),
}

#: The regularizers of the quick tier: sums over actions of each kind, a coupled one, bounds, a sum.
SOME_REGULARIZERS = (
    "none",
    "Shannon",
    "KL, everything per state",
    "Tsallis, sparse",
    "squared norm",
    "log barrier",
    "weighted ℓ1",
    "cap",
    "Rényi",
    "box",
    "Shannon and KL",
    "user-defined",
)

# ---- algorithms ----

ALGORITHMS = {
    "value iteration": rm.algorithms.ValueIteration,
    "modified policy iteration, 1 sweep": lambda: rm.algorithms.ModifiedPolicyIteration(1),
    "modified policy iteration": rm.algorithms.ModifiedPolicyIteration,
    "policy iteration": rm.algorithms.PolicyIteration,
    "policy iteration, factorized": lambda: rm.algorithms.PolicyIteration(rm.evaluation.Direct()),
    "policy iteration, stacked": lambda: rm.algorithms.PolicyIteration(
        rm.evaluation.StackedDirect()
    ),
    "adaptive policy iteration": AdaptivePolicyIteration,
    "policy iteration, Krylov": lambda: rm.algorithms.PolicyIteration(rm.evaluation.Krylov()),
    "soft policy iteration": rm.algorithms.SoftPolicyIteration,
    "soft policy iteration, averaged": lambda: rm.algorithms.SoftPolicyIteration(step_size=0.3),
    "softmax policy gradient": lambda: rm.algorithms.SoftmaxPG(step_size=1.0),
    "natural policy gradient": lambda: rm.algorithms.NPG(step_size=0.1),
    "natural policy gradient, Fisher matrix": lambda: rm.algorithms.FisherNPG(step_size=0.1),
    "policy mirror descent": lambda: rm.algorithms.PMD(step_size=2.0),
    "policy mirror descent, geometric steps": lambda: rm.algorithms.PMD(
        step_size=rm.algorithms.Geometric(ratio=1.2)
    ),
    "policy mirror descent, adaptive steps": lambda: rm.algorithms.PMD(
        step_size=rm.algorithms.Adaptive(1.0)
    ),
    "policy mirror descent, Euclidean": lambda: rm.algorithms.PMD(
        step_size=1.0, mirror=rm.SquaredL2(1.0)
    ),
    "policy mirror descent, lookahead": lambda: rm.algorithms.PMD(
        step_size=rm.algorithms.Adaptive(1.0), lookahead=3
    ),
    "policy mirror descent, one sweep": lambda: rm.algorithms.TDPMD(step_size=2.0),
    "value mirror descent": rm.algorithms.ValueMirrorDescent,
    "generalized policy mirror descent": lambda: rm.algorithms.GPMD(step_size=2.0),
    "generalized policy mirror descent, largest steps": lambda: rm.algorithms.GPMD(
        step_size=rm.algorithms.Maximum()
    ),
    "generalized policy mirror descent, inexact": lambda: rm.algorithms.GPMD(
        step_size=2.0, accuracy=1e-6
    ),
    "homotopic policy mirror descent": rm.algorithms.HomotopicPMD,
    "policy mirror descent, contracting steps": lambda: rm.algorithms.PMD(
        step_size=rm.algorithms.GeometricSteps()
    ),
}

#: Algorithms that draw samples, with few of them.
SAMPLED = {
    "soft Q-learning": lambda: rm.algorithms.SoftQLearning(steps=5, n_envs=2),
    "soft actor-critic": lambda: rm.algorithms.SoftActorCritic(
        steps=5, updates=5, batch_size=8, n_envs=2
    ),
    "stochastic policy mirror descent": lambda: rm.algorithms.StochasticPMD(samples=2),
    "stochastic approximate policy mirror descent": lambda: rm.algorithms.StochasticAPMD(samples=2),
    "stochastic value mirror descent": lambda: rm.algorithms.StochasticVMD(samples=2),
}

#: Certified gap that an algorithm has to reach on the small models, if it is not 1e-6.
TOLERANCES = {
    "softmax policy gradient": 0.1,
    "natural policy gradient": 1e-2,
    "natural policy gradient, Fisher matrix": 1e-2,
    "soft policy iteration, averaged": 1e-4,
    "policy mirror descent": 1e-3,
    "policy mirror descent, Euclidean": 1e-3,
    "policy mirror descent, lookahead": 1e-4,
    "policy mirror descent, adaptive steps": 1e-4,
    "policy mirror descent, one sweep": 1e-2,
    "generalized policy mirror descent": 1e-4,
    "generalized policy mirror descent, inexact": 1e-3,
}

# ---- storages: from the parts of a model to the model ----


class Parts:
    """(S, A, S) transitions, (S, A) rewards, the keywords of MDP, and the discount."""

    def __init__(self, rows, rewards, discount, **keywords):
        self.rows, self.rewards, self.discount, self.keywords = rows, rewards, discount, keywords


def _dense(parts):
    return rm.MDP(parts.rows, parts.rewards, parts.discount, **parts.keywords)


def _sparse(parts):
    n_states = len(parts.rewards)
    return rm.MDP(
        sp.csr_array(parts.rows.reshape(-1, n_states)),
        parts.rewards,
        parts.discount,
        **parts.keywords,
    )


def _coordinates(parts):
    """Successors in random order, with duplicates and zeros."""
    rows = sp.coo_array(parts.rows.reshape(-1, len(parts.rewards)))
    order = np.random.default_rng(0).permutation(rows.nnz)
    row, column, data = rows.row[order], rows.col[order], rows.data[order]
    row, column = np.concatenate((row, row, [0])), np.concatenate((column, column, [0]))
    data = np.concatenate((0.25 * data, 0.75 * data, [0.0]))
    return rm.MDP(
        sp.coo_array((data, (row, column)), shape=rows.shape),
        parts.rewards,
        parts.discount,
        **parts.keywords,
    )


def _by_action(parts):
    return rm.MDP.from_action_matrices(
        parts.rows.transpose(1, 0, 2), parts.rewards, parts.discount, **parts.keywords
    )


def _by_action_sparse(parts):
    matrices = [sp.csr_array(matrix) for matrix in parts.rows.transpose(1, 0, 2)]
    return rm.MDP.from_action_matrices(matrices, parts.rewards, parts.discount, **parts.keywords)


def _pairs(parts):
    """The available pairs in random order."""
    available = parts.keywords.get("available", np.ones(parts.rewards.shape, dtype=bool))
    state, action = np.nonzero(available)
    order = np.random.default_rng(0).permutation(state.size)
    state, action = state[order], action[order]
    keywords = {name: value for name, value in parts.keywords.items() if name != "available"}
    if "termination" in keywords:
        keywords["termination"] = keywords["termination"][state, action]
    n_states, n_actions = parts.rewards.shape
    return rm.MDP.from_pairs(
        state, action, parts.rows[state, action], parts.rewards[state, action], parts.discount,
        n_states=n_states, n_actions=n_actions, **keywords,
    )  # fmt: skip


def _by_function(storage):
    """A function whose outcome is the next state, or the end of the episode."""

    def stored(parts):
        n_states, n_actions = parts.rewards.shape
        keywords = dict(parts.keywords)
        ends = keywords.pop("termination", np.zeros(parts.rewards.shape))
        available = keywords.pop("available", np.ones(parts.rewards.shape, dtype=bool))
        chance = np.concatenate((parts.rows, ends[..., None]), axis=2)

        def step(state, action, target):
            return (
                np.minimum(target, n_states - 1),
                parts.rewards[state, action],
                target == n_states,
                available[state, action],
            )

        mdp = rm.MDP.from_function(
            step,
            {"state": range(n_states)},
            {"action": range(n_actions)},
            parts.discount,
            outcomes={
                "target": (
                    range(n_states + 1),
                    lambda state, action, target: chance[state, action, target],
                )
            },
            initial=keywords.get("initial"),
            storage=storage,
        )
        names = {name: tuple(keywords[name]) for name in keywords if name.endswith("labels")}
        return rm.MDP.from_checked(replace(mdp._data, space=replace(mdp.space, **names)))

    return stored


#: Number of actions that makes small models ragged: an array with a column for each is large.
MANY_ACTIONS = 100_000


def _ragged(parts):
    """Pairs whose actions are numbered differently in each state; some are unavailable."""
    n_states, n_columns = parts.rewards.shape
    exists = parts.keywords.get("available", np.ones(parts.rewards.shape, dtype=bool))
    # behind its last available action a state has none
    listed = np.logical_or.accumulate(exists[:, ::-1], axis=1)[:, ::-1]
    state, column = np.nonzero(listed)
    action = 9001 * column + 17 * state
    keywords = dict(parts.keywords)
    if "available" in keywords:
        available = np.zeros((n_states, MANY_ACTIONS), dtype=bool)
        available[state, action] = exists[state, column]
        keywords["available"] = available
    if "termination" in keywords:
        keywords["termination"] = keywords["termination"][state, column]
    if "action_labels" in keywords:
        names = keywords["action_labels"]
        keywords["action_labels"] = [names[a // 9001 % n_columns] for a in range(MANY_ACTIONS)]
    return rm.MDP.from_pairs(
        state, action, parts.rows[state, column], parts.rewards[state, column], parts.discount,
        n_states=n_states, n_actions=MANY_ACTIONS, **keywords,
    )  # fmt: skip


def _own_widths(parts):
    """The same, with blocks that have their own numbers of columns where γ is below 1."""
    names = ("MIN_SKEWED_SIZE", "MAX_PADDING", "COST_OF_BLOCK")
    whole = {name: getattr(block_widths, name) for name in names}
    try:
        for name in names:
            setattr(block_widths, name, 0)
        return _in_blocks(_ragged, 9)(parts)
    finally:
        for name, limit in whole.items():
            setattr(block_widths, name, limit)


#: Folder of mapped models, deleted when the tests end.
FOLDER = tempfile.TemporaryDirectory(prefix="regmdp-mapped-")


def _mapped(parts):
    path = Path(FOLDER.name) / str(len(list(Path(FOLDER.name).iterdir())))
    rm.io.save_mapped(_sparse(parts), path)
    return rm.io.open_mapped(path)


def _in_blocks(store, pairs_per_block):
    def stored(parts):
        whole = transitions.MAX_PAIRS_PER_BLOCK
        transitions.MAX_PAIRS_PER_BLOCK = pairs_per_block
        try:
            return store(parts)
        finally:
            transitions.MAX_PAIRS_PER_BLOCK = whole

    return stored


STORAGES = {
    "dense": _dense,
    "dense, a block for each state": _in_blocks(_dense, 1),
    "dense, blocks": _in_blocks(_dense, 9),
    "sparse": _sparse,
    "sparse, a block for each state": _in_blocks(_sparse, 1),
    "sparse, blocks": _in_blocks(_sparse, 9),
    "sparse, from coordinates": _coordinates,
    "from_action_matrices": _by_action,
    "from_action_matrices, sparse": _by_action_sparse,
    "from_pairs": _pairs,
    "from_pairs, blocks": _in_blocks(_pairs, 9),
    "from_function": _by_function("sparse"),
    "from_function, blocks": _in_blocks(_by_function("sparse"), 9),
    "function": _by_function("function"),
    "function, blocks": _in_blocks(_by_function("function"), 9),
    "mapped": _mapped,
    "mapped, blocks": _in_blocks(_mapped, 9),
    "ragged": _ragged,
    "ragged, blocks": _in_blocks(_ragged, 9),
    "ragged, own widths": _own_widths,
}


def _stacked(parts):
    """The model alone, as one of several side by side."""
    mdp = _dense(parts)
    stack = Stack([Problem(mdp, rm.Unregularized())])
    return mdp.from_checked(replace(mdp._data, transitions=stack.mdp.transitions))


STORAGES["stacked"] = _stacked

#: The classes of the storages.
TRANSITIONS = (DenseTransitions, FunctionTransitions, SparseTransitions, StackedTransitions)

# ---- models: from a generator to the parts of a model ----


def _parts(
    rng,
    n_states,
    n_actions,
    discount,
    *,
    masked=False,
    terminal=0,
    ends=False,
    labels=False,
    tied=False,
):
    shape = (n_states, n_actions)
    rows = rng.dirichlet(np.ones(n_states), size=shape) * (rng.random((*shape, n_states)) < 0.5)
    rows[..., 0] += 0.05
    ending = rng.uniform(0.05, 0.3, size=shape) if ends else np.zeros(shape)
    rows *= ((1.0 - ending) / rows.sum(axis=2))[..., None]
    rewards = rng.integers(-1, 2, size=shape) * 1.0 if tied else rng.normal(size=shape)
    keywords = {}
    if ends:
        keywords["termination"] = ending
    if masked or terminal:
        available = rng.random(shape) < 0.6 if masked else np.ones(shape, dtype=bool)
        available[:, 0] = True  # the references of KL cover this action
        available[n_states - terminal :] = False
        keywords["available"] = available
    if labels:
        keywords["state_labels"] = [f"s{state}" for state in range(n_states)]
        keywords["action_labels"] = [f"a{action}" for action in range(n_actions)]
        keywords["initial"] = rng.dirichlet(np.ones(n_states))
    return Parts(rows, rewards, discount, **keywords)


MODELS = {
    "discounted": lambda rng: _parts(rng, 11, 3, 0.9),
    "masked": lambda rng: _parts(rng, 11, 4, 0.95, masked=True),
    "labelled, with terminal states": lambda rng: _parts(
        rng, 12, 3, 0.99, masked=True, terminal=2, labels=True
    ),
    "ending": lambda rng: _parts(rng, 10, 2, 0.9, ends=True, labels=True),
    "undiscounted": lambda rng: _parts(rng, 11, 3, 1.0, masked=True, terminal=1, ends=True),
    "tied": lambda rng: _parts(rng, 10, 3, 0.5, tied=True),
    "bandit": lambda rng: _parts(rng, 10, 3, 0.0),
    "one state": lambda rng: _parts(rng, 1, 3, 0.9),
    "one action": lambda rng: _parts(rng, 10, 1, 0.9),
}
