"""Regularizers and methods by the names of the options --regularizer and --algorithm."""

from __future__ import annotations

import difflib
from collections.abc import Callable
from enum import StrEnum
from typing import Literal

import regmdp as rm
from regmdp.algorithms import Algorithm, StepSize

__all__ = ["AlgorithmName", "make_algorithm", "make_regularizer", "require_regularizer_name"]

#: Regularizers by name, without KL, and their parameters besides the temperature.
REGULARIZERS: dict[str, tuple[Callable[..., rm.Regularizer], tuple[str, ...]]] = {
    "shannon": (rm.Shannon, ()),
    "squared-l2": (rm.SquaredL2, ()),
    "tsallis": (rm.Tsallis, ("q",)),
    "renyi": (rm.Renyi, ("alpha",)),
    "log-barrier": (rm.LogBarrier, ()),
}


class AlgorithmName(StrEnum):
    """Values of --algorithm."""

    auto = "auto"
    value_iteration = "value-iteration"
    modified_policy_iteration = "modified-policy-iteration"
    policy_iteration = "policy-iteration"
    soft_policy_iteration = "soft-policy-iteration"
    softmax_pg = "softmax-pg"
    npg = "npg"
    pmd = "pmd"
    gpmd = "gpmd"
    homotopic_pmd = "homotopic-pmd"
    td_pmd = "td-pmd"
    value_mirror_descent = "value-mirror-descent"


#: Methods without a step size.
WITHOUT_STEP_SIZE: dict[AlgorithmName, Callable[[], Algorithm]] = {
    AlgorithmName.value_iteration: rm.algorithms.ValueIteration,
    AlgorithmName.modified_policy_iteration: rm.algorithms.ModifiedPolicyIteration,
    AlgorithmName.policy_iteration: rm.algorithms.PolicyIteration,
}
#: Methods whose step size has a default.
WITH_DEFAULT_STEP_SIZE: dict[AlgorithmName, Callable[..., Algorithm]] = {
    AlgorithmName.soft_policy_iteration: rm.algorithms.SoftPolicyIteration,
    AlgorithmName.homotopic_pmd: rm.algorithms.HomotopicPMD,
    AlgorithmName.value_mirror_descent: rm.algorithms.ValueMirrorDescent,
}
#: Methods that need a step size.
WITH_STEP_SIZE: dict[AlgorithmName, Callable[..., Algorithm]] = {
    AlgorithmName.softmax_pg: rm.algorithms.SoftmaxPG,
    AlgorithmName.npg: rm.algorithms.NPG,
    AlgorithmName.pmd: rm.algorithms.PMD,
    AlgorithmName.gpmd: rm.algorithms.GPMD,
    AlgorithmName.td_pmd: rm.algorithms.TDPMD,
}
STEP_SIZES: dict[str, Callable[[], StepSize]] = {
    "maximum": rm.algorithms.Maximum,
    "geometric": rm.algorithms.Geometric,
    "adaptive": rm.algorithms.Adaptive,
    "homotopic": rm.algorithms.Homotopic,
}


def make_algorithm(name: AlgorithmName, step_size: str | None) -> Algorithm | Literal["auto"]:
    """Return the method with a name.

    Raises:
        SolverError: if the step size is missing, unused, or not a number or a known rule.
    """
    if name is AlgorithmName.auto:
        if step_size is not None:
            raise rm.SolverError("--step-size needs an --algorithm that has one")
        return "auto"
    if name in WITHOUT_STEP_SIZE:
        if step_size is not None:
            raise rm.SolverError(f"--algorithm {name} has no step size; omit --step-size")
        return WITHOUT_STEP_SIZE[name]()
    if step_size is not None:
        makers = WITH_DEFAULT_STEP_SIZE | WITH_STEP_SIZE
        return makers[name](_make_step_size(step_size))
    if name in WITH_DEFAULT_STEP_SIZE:
        return WITH_DEFAULT_STEP_SIZE[name]()
    raise rm.SolverError(
        f"--algorithm {name} needs a --step-size: a number, or one of {', '.join(STEP_SIZES)}"
    )


def _make_step_size(text: str) -> float | StepSize:
    """Return a number, or the step-size rule with a name."""
    if text in STEP_SIZES:
        return STEP_SIZES[text]()
    try:
        return float(text)
    except ValueError:
        raise rm.SolverError(
            f"--step-size takes a number, or one of {', '.join(STEP_SIZES)}, not {text!r}"
        ) from None


def make_regularizer(text: str, temperature: float) -> rm.Regularizer:
    """Return the regularizer that a text such as ``tsallis:q=1.5`` describes.

    Raises:
        RegularizerError: if the name is unknown, or a parameter is missing, unknown or not a
            number.
    """
    require_regularizer_name(text)
    name, _, rest = text.partition(":")
    if name not in REGULARIZERS:
        known = ", ".join(REGULARIZERS)
        raise rm.RegularizerError(f"--regularizer {text} is not possible here; give one of {known}")
    make, parameters = REGULARIZERS[name]
    given: dict[str, float] = {}
    for item in filter(None, rest.split(",")):
        key, equals, value = item.partition("=")
        if not equals or key not in parameters:
            takes = f"takes {', '.join(parameters)}" if parameters else "takes no parameter"
            raise rm.RegularizerError(
                f"--regularizer {name} {takes}, not {item!r}; write {_describe_usage(name)}"
            )
        try:
            given[key] = float(value)
        except ValueError:
            raise rm.RegularizerError(
                f"{key} of --regularizer {name} must be a number, not {value!r}"
            ) from None
    missing = [key for key in parameters if key not in given]
    if missing:
        raise rm.RegularizerError(
            f"--regularizer {name} needs {', '.join(missing)}; write {_describe_usage(name)}"
        )
    return make(**given, temperature=temperature)


def require_regularizer_name(text: str) -> None:
    """Check the name of the regularizer in a text such as ``tsallis:q=1.5``.

    Raises:
        RegularizerError: if it is unknown; the message suggests the nearest name.
    """
    name = text.partition(":")[0]
    known = ["none", "kl", *REGULARIZERS]
    if name not in known:
        near = difflib.get_close_matches(name, known, n=1)
        hint = f"; did you mean {near[0]}? " if near else ". "
        raise rm.RegularizerError(
            f"there is no regularizer {name!r}{hint}The regularizers are {', '.join(known)}"
        )


def _describe_usage(name: str) -> str:
    """Return an example of a regularizer with its parameters."""
    parameters = REGULARIZERS[name][1]
    return name + (":" + ",".join(f"{key}=0.5" for key in parameters) if parameters else "")
