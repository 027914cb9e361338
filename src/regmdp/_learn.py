"""Entry point: ``learn``, for methods that draw samples; many independent runs as one."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from regmdp._internal.arrays import Array, ArrayLike, Float, freeze
from regmdp._internal.errors import SampleError, SingularError, SolverError
from regmdp._internal.events import CallbackLike, Event, as_callback
from regmdp._internal.fields import ReadOnlyCopies
from regmdp._internal.html import html_rows
from regmdp._internal.parameters import Integer, checked
from regmdp._internal.status import Status
from regmdp.algorithms import Algorithm, PolicyOptimization, Start, State, run_loop
from regmdp.evaluation import RunBatch, tile_regularizer
from regmdp.mdp import MDP, DecisionProcess
from regmdp.mdp.deterministic import DeterministicPolicy
from regmdp.policies import check_policy, require_feasible
from regmdp.problem import check_regularizer
from regmdp.regularizers import Regularizer
from regmdp.samples import RandomStreams

__all__ = ["LearningResult", "learn"]


@dataclass(frozen=True, eq=False)
class LearningResult(ReadOnlyCopies):
    """Result of N runs of a method that draws samples.

    Attributes:
        policy: (N, S, A) their policies.
        q: (N, S, A) their last estimates of action values, those of the policies before; -inf at
            unavailable pairs; NaN if no iteration was made.
        value: (N, S) their last estimates of values; NaN if no iteration was made.
        samples: Transitions that each has drawn.
        iterations: Iterations that each has made.
        error: (N,) bound on the error of q, with the confidence that the evaluation states; None if
            it states none.
        status: How the runs ended.
    """

    policy: Float[np.ndarray, "N S A"]
    q: Float[np.ndarray, "N S A"]
    value: Float[np.ndarray, "N S"]
    samples: int
    iterations: int
    error: Float[np.ndarray, " N"] | None
    status: Status

    def __len__(self) -> int:
        return self.policy.shape[0]

    def __repr__(self) -> str:
        runs = f"{len(self):,} run{'' if len(self) == 1 else 's'}"
        return (
            f"LearningResult({runs} of {self.iterations:,} iterations and {self.samples:,} samples "
            "each)"
        )

    def _repr_html_(self) -> str:
        n_states, n_actions = self.policy.shape[1:]
        rows = [
            ("runs", f"{len(self):,}"),
            ("policies", f"{n_states:,} states, {n_actions:,} actions"),
            ("iterations", f"{self.iterations:,} in each run"),
            ("samples", f"{self.samples:,} in each run"),
            ("status", self.status.word),
        ]
        if self.error is not None:
            stated = f"at most {float(np.max(self.error)):.3g}, as the evaluation states"
            rows.append(("error of q", stated))
        return html_rows("Policies learned from samples", rows)


@checked(max_iterations=Integer(0))
def learn(
    source: DecisionProcess,
    regularizer: Regularizer | None,
    algorithm: Algorithm,
    *,
    max_iterations: int,
    rng: np.random.Generator | Sequence[np.random.Generator],
    start: ArrayLike | DeterministicPolicy | None = None,
    callback: CallbackLike = None,
) -> LearningResult:
    r"""Run a method whose evaluation draws samples, once or many times over in one go.

    No bound comes with the policies: :func:`regmdp.certify` bounds them if the model is known,
    :func:`regmdp.certify_from_samples` from fresh samples if it is not. Methods that draw no
    samples are run by :func:`regmdp.solve`.

    Args:
        source: What samples are drawn from: an MDP, a simulator from :mod:`regmdp.samples`, an
            environment from :func:`regmdp.io.from_vector_env`, a log from
            :func:`regmdp.samples.OfflineMDP`.
        regularizer: h with its temperature τ, or None.
        algorithm: A method with an evaluation that draws samples, as
            ``NPG(step_size=0.1, evaluation=GenerativeModel(100))``.
        max_iterations: How many iterations to make, each an evaluation and an improvement.
        rng: A random generator, for one run; or one for each of several runs. A run does not depend
            on those beside it.
        start: (S, A) policy; by default the uniform one.
        callback: A function, or several, called with an :class:`regmdp.Event` after each iteration.
            Its measures are ``samples``, the transitions drawn so far in each run; its state holds
            the states of all runs: state s of run i is ``i * S + s``. Returning False, or Ctrl-C,
            ends the runs with what there is.

    Returns:
        What the runs have learned.

    Raises:
        SolverError: if an option is out of range, or the method draws nothing.
        SampleError: if the source cannot give what the evaluation asks for.
        InfeasibleError: if γ = 1 and from some state of a model no policy ends the episode.

    Examples:
        >>> import numpy as np, regmdp as rm
        >>> algorithm = rm.algorithms.NPG(
        ...     step_size=1.0, evaluation=rm.evaluation.GenerativeModel(100)
        ... )
        >>> generators = [np.random.default_rng(seed) for seed in range(3)]
        >>> rm.learn(
        ...     rm.models.chain(5), rm.Shannon(0.1), algorithm, max_iterations=20, rng=generators
        ... )
        LearningResult(3 runs of 20 iterations and 20,000 samples each)
    """
    method = _check_method(algorithm)
    if not isinstance(source, DecisionProcess):
        raise SampleError(
            "samples are drawn from an MDP, a simulator, an environment or a log, not from "
            f"{source!r}; for Gymnasium's vector environments there is regmdp.io.from_vector_env, "
            "for logged data regmdp.samples.OfflineMDP"
        )
    single = check_regularizer(source, regularizer)
    batch = RunBatch(source, RandomStreams(rng if isinstance(rng, Sequence) else [rng]))
    policy = (
        None if start is None else np.tile(check_policy(source, start, single), (batch.count, 1))
    )
    tiled = tile_regularizer(single, source, batch.count)
    method.check(batch, tiled)
    if isinstance(source, MDP):
        require_feasible(source, single)
    proceed, begin = as_callback(callback), time.perf_counter()

    def observe(state: State) -> Status | None:
        measures = {"samples": 0 if state.estimate is None else state.estimate.samples}
        if not proceed(Event(state.iteration, time.perf_counter() - begin, measures, state)):
            return Status.STOPPED
        return Status.ITERATION_LIMIT if state.iteration >= max_iterations else None

    def step(state: State) -> State:
        try:
            return method.step(batch, tiled, state)
        except SingularError as error:
            if state.iteration > 0:
                raise  # the run ends with this iterate
            raise SolverError(str(error)) from error

    state, status = run_loop(method.init(batch, tiled, Start(policy=policy)), step, observe)
    return _collect(batch, method.policy(batch, tiled, state), state, status)


def _check_method(algorithm: object) -> PolicyOptimization:
    """Return the method, after checking that it draws samples."""
    if isinstance(algorithm, PolicyOptimization) and algorithm.sampled:
        return algorithm
    given = getattr(algorithm, "name", repr(algorithm))
    raise SolverError(
        "learn needs a method whose evaluation draws samples, as NPG(step_size=0.1, "
        f"evaluation=GenerativeModel(100)); {given} draws none: run it with regmdp.solve"
    )


def _collect(
    batch: RunBatch, policy: Float[Array, "NS A"], state: State, status: Status
) -> LearningResult:
    """Return the result of the runs, each with its own states."""
    estimate, policies = state.estimate, freeze(batch.split(policy))
    if estimate is None:
        nothing = freeze(np.full(policies.shape, np.nan))
        return LearningResult(policies, nothing, nothing[..., 0], 0, 0, None, status)
    return LearningResult(
        policy=policies,
        q=freeze(batch.split(estimate.q)),
        value=freeze(batch.split(estimate.value)),
        samples=estimate.samples,
        iterations=state.iteration,
        error=None if estimate.error is None else freeze(estimate.error),
        status=status,
    )
