"""Updates of the workers of A3C: increments, none of which is lost, in a fixed order of events."""

import numpy as np
import pytest

from regmdp.deep import A3C, asynchronous
from regmdp.deep.normalization import Normalizer, merge_moments

RATE = 0.1
FIRST, SECOND = np.float32([1.0, -2.0, 0.5]), np.float32([-3.0, 1.0, 2.0])


class Interrupted(np.ndarray):
    """An array to which another worker writes between a read of it and the next write."""

    pending = None

    def __array_ufunc__(self, ufunc, method, *inputs, out=None, **keywords):
        plain = [np.asarray(x) if isinstance(x, Interrupted) else x for x in inputs]
        if out is not None:
            # added in place, element by element: the other worker writes before
            self._interrupt()
            getattr(ufunc, method)(*plain, out=tuple(np.asarray(x) for x in out), **keywords)
            return out[0]
        result = getattr(ufunc, method)(*plain, **keywords)
        self._interrupt()
        return result

    def _interrupt(self):
        pending, self.pending = self.pending, None
        if pending is not None:
            pending()


def make_shared():
    shared = object.__new__(asynchronous._SharedArrays)  # without files
    shared.params = np.float32([1.0, 2.0, 3.0])
    shared.squared_gradients = np.float32([0.5, 0.1, 0.2])
    return shared


def interrupt(shared, name):
    """Let the second worker step while the first updates one of the arrays."""
    array = getattr(shared, name).view(Interrupted)
    array.pending = lambda: asynchronous._add_step(shared, SECOND, RATE)
    setattr(shared, name, array)


def test_interleaved_steps_are_both_kept_in_the_parameters():
    shared = make_shared()
    start, first = shared.params.copy(), 0.99 * shared.squared_gradients + 0.01 * FIRST**2
    both = 0.99 * first + 0.01 * SECOND**2
    interrupt(shared, "params")
    asynchronous._add_step(shared, FIRST, RATE)
    expected = start - RATE * FIRST / np.sqrt(first + 1e-5) - RATE * SECOND / np.sqrt(both + 1e-5)
    np.testing.assert_allclose(np.asarray(shared.params), expected, rtol=1e-6)


def test_interleaved_steps_are_both_kept_in_the_statistics():
    shared = make_shared()
    start = shared.squared_gradients.copy()
    interrupt(shared, "squared_gradients")
    asynchronous._add_step(shared, FIRST, RATE)
    expected = start + 0.01 * (FIRST**2 - start) + 0.01 * (SECOND**2 - start)
    np.testing.assert_allclose(np.asarray(shared.squared_gradients), expected, rtol=1e-6)


def test_overwriting_loses_the_other_step():
    # what the two tests above would see if a worker wrote back what it computed from a read
    shared = make_shared()
    interrupt(shared, "params")
    shared.params[:] = shared.params - FIRST
    np.testing.assert_allclose(np.asarray(shared.params), np.float32([0.0, 4.0, 2.5]))


def test_samples_of_both_workers_are_kept_in_the_moments(tmp_path, monkeypatch):
    first, second = (A3C("CartPole-v1", workers=2, horizon=8, seed=seed) for seed in (0, 1))
    shared, unravel = first._share_state(tmp_path)
    for learner in (first, second):
        learner._state = asynchronous.convert_to_numpy(unravel(np.asarray(shared.params)))
    collect = A3C._collect

    def collect_after_the_other(learner):
        if learner is first:  # the moments have been read, and not yet written
            asynchronous._update_shared(second, shared, 1)
        return collect(learner)

    monkeypatch.setattr(A3C, "_collect", collect_after_the_other)
    asynchronous._update_shared(first, shared, 0)
    assert merge_moments(shared.moments)[0] == 16.0
    np.testing.assert_array_equal(shared.moments[:, 0], [8.0, 8.0, 0.0])
    np.testing.assert_allclose(shared.moments[0], first._normalizer.latest_moments)


def test_merged_moments_are_those_of_all_samples():
    rng = np.random.default_rng(0)
    samples = 1e3 + rng.normal(size=(30, 4))
    rows = [
        np.concatenate([[len(part)], part.mean(axis=0), part.var(axis=0)])
        for part in np.split(samples, [3, 4, 20])
    ]
    merged = merge_moments(np.stack([*rows, np.zeros(9)]))
    np.testing.assert_allclose(
        merged, np.concatenate([[30], samples.mean(axis=0), samples.var(axis=0)]), rtol=1e-9
    )


def test_merged_moments_without_samples_are_the_first():
    first = Normalizer(2, 0.9).moments
    np.testing.assert_array_equal(merge_moments(np.stack([first, 2.0 * first])), first)


@pytest.mark.parametrize("count", [1, 3])
def test_latest_moments_are_those_of_the_latest_steps(count):
    normalizer, rng = Normalizer(2, 0.5), np.random.default_rng(1)
    for _ in range(count):
        observations = rng.normal(size=(5, 1, 2))
        normalizer.add(observations, np.ones((5, 1)), np.ones((5, 1), dtype=bool), np.zeros(1))
    latest = normalizer.latest_moments
    assert latest[0] == 5.0
    np.testing.assert_allclose(latest[1:3], observations.mean(axis=(0, 1)))
    assert normalizer.moments[0] == 5.0 * count
