"""Small models, data and functions for valid calls."""

from functools import cache

import numpy as np

import regmdp as rm

POLICY = np.array([[0.5, 0.5], [0.25, 0.75], [1.0, 0.0]])
VALUE = np.array([1.0, 2.0, 3.0])
Q = np.array([[1.0, 0.0], [2.0, 1.5], [0.5, 1.0]])
REWARDS = np.array([[0.0, 1.0], [2.0, 0.5], [1.0, 0.0]])
MASK = np.array([[True, True], [True, True], [True, False]])


@cache
def transitions() -> np.ndarray:
    """Return (3, 2, 3) transition probabilities."""
    return np.random.default_rng(0).dirichlet(np.ones(3), (3, 2))


@cache
def model() -> rm.MDP:
    """Return a small model."""
    return rm.MDP(transitions(), REWARDS, 0.9)


@cache
def log() -> rm.samples.Dataset:
    """Return episodes of the model."""
    return rm.samples.Dataset.from_episodes(
        model(), np.full((3, 2), 0.5), 20, 5, np.random.default_rng(0)
    )


@cache
def bounds() -> tuple[np.ndarray, np.ndarray]:
    """Return (3,) lower and upper bounds."""
    return VALUE - 1.0, VALUE + 1.0


def rng(seed: int = 0) -> np.random.Generator:
    """Return a generator."""
    return np.random.default_rng(seed)


def sampled() -> object:
    """Return a method that draws samples."""
    return rm.algorithms.NPG(1.0, rm.evaluation.GenerativeModel(3))


def listen(event: rm.Event) -> None:
    """Do nothing with an event."""


def draw_next(state: np.ndarray, action: np.ndarray, rng: np.random.Generator) -> tuple:
    """Stay, and pay 1."""
    return state, np.ones(state.shape)


def half_square(p: np.ndarray) -> np.ndarray:
    """Return half the sum of squares of each row."""
    return 0.5 * (p * p).sum(axis=-1)


def identity(p: np.ndarray) -> np.ndarray:
    """Return the argument."""
    return p


def half_square_entry(p: np.ndarray) -> np.ndarray:
    """Return half the square of each entry."""
    return 0.5 * p * p
