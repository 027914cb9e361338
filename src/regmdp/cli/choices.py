"""What the options --regularizer, --algorithm and --step-size take."""

from __future__ import annotations

import difflib
from collections.abc import Callable
from enum import StrEnum

import regmdp as rm
from regmdp.algorithms import Algorithm, StepSize

__all__ = ["AlgorithmName", "algorithm", "regularizer", "require_known"]

#: Regularizers by name, KL apart, with the parameters that they have beside the temperature.
REGULARIZERS: dict[str, tuple[Callable[..., rm.Regularizer], tuple[str, ...]]] = {
    "shannon": (rm.Shannon, ()),
    "squared-l2": (rm.SquaredL2, ()),
    "tsallis": (rm.Tsallis, ("q",)),
    "renyi": (rm.Renyi, ("alpha",)),
    "log-barrier": (rm.LogBarrier, ()),
}


class AlgorithmName(StrEnum):
    """What --algorithm takes."""

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


#: Methods without a step size.
WITHOUT: dict[AlgorithmName, Callable[[], Algorithm]] = {
    AlgorithmName.value_iteration: rm.algorithms.ValueIteration,
    AlgorithmName.modified_policy_iteration: rm.algorithms.ModifiedPolicyIteration,
    AlgorithmName.policy_iteration: rm.algorithms.PolicyIteration,
}
#: Methods that have one, and a default for it.
OPTIONAL: dict[AlgorithmName, Callable[..., Algorithm]] = {
    AlgorithmName.soft_policy_iteration: rm.algorithms.SoftPolicyIteration,
    AlgorithmName.homotopic_pmd: rm.algorithms.HomotopicPMD,
}
#: Methods that have to be told one.
REQUIRED: dict[AlgorithmName, Callable[..., Algorithm]] = {
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


def algorithm(name: AlgorithmName, step_size: str | None) -> Algorithm:
    """Return the method of this name, which is not "auto".

    Raises:
        SolverError: if it needs a step size and there is none, or there is one and it has none, or
            it is not one.
    """
    if name in WITHOUT:
        if step_size is not None:
            raise rm.SolverError(f"--algorithm {name} has no step size: leave out --step-size")
        return WITHOUT[name]()
    if name in OPTIONAL:
        return OPTIONAL[name]() if step_size is None else OPTIONAL[name](_step_size(step_size))
    if step_size is None:
        raise rm.SolverError(
            f"--algorithm {name} needs a --step-size: a number, or one of {', '.join(STEP_SIZES)}"
        )
    return REQUIRED[name](_step_size(step_size))


def _step_size(text: str) -> float | StepSize:
    if text in STEP_SIZES:
        return STEP_SIZES[text]()
    try:
        return float(text)
    except ValueError:
        raise rm.SolverError(
            f"--step-size takes a number, or one of {', '.join(STEP_SIZES)}, not {text!r}"
        ) from None


def regularizer(text: str, temperature: float) -> rm.Regularizer:
    """Return the regularizer that a text like ``tsallis:q=1.5`` describes.

    Raises:
        RegularizerError: if there is none of this name, or a parameter is missing, unknown or not a
            number.
    """
    require_known(text)
    name, _, rest = text.partition(":")
    make, parameters = REGULARIZERS[name]
    given: dict[str, float] = {}
    for item in filter(None, rest.split(",")):
        key, equals, value = item.partition("=")
        if not equals or key not in parameters:
            takes = f"takes {', '.join(parameters)}" if parameters else "takes no parameter"
            raise rm.RegularizerError(
                f"--regularizer {name} {takes}, not {item!r}; write {_usage(name)}"
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
            f"--regularizer {name} needs {', '.join(missing)}; write {_usage(name)}"
        )
    return make(**given, temperature=temperature)


def require_known(text: str) -> None:
    """Check that there is a regularizer of the name with which a text begins.

    Raises:
        RegularizerError: if there is none; the message names the nearest.
    """
    name = text.partition(":")[0]
    known = ["none", "kl", *REGULARIZERS]
    if name not in known:
        near = difflib.get_close_matches(name, known, n=1)
        hint = f"; did you mean {near[0]}? " if near else ". "
        raise rm.RegularizerError(
            f"there is no regularizer {name!r}{hint}The regularizers are {', '.join(known)}"
        )


def _usage(name: str) -> str:
    parameters = REGULARIZERS[name][1]
    return name + (":" + ",".join(f"{key}=0.5" for key in parameters) if parameters else "")
