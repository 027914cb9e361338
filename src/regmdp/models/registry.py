"""Registry of named models."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np

from regmdp._internal.errors import ModelError
from regmdp._internal.parameters import Text, checked
from regmdp.mdp import MDP
from regmdp.models.exponential import exponential_chain
from regmdp.models.garnets import garnet
from regmdp.models.gridworlds import gridworld, russell_norvig
from regmdp.models.icu import ICU_NOTICE, icu_sepsis, icu_sepsis_expert
from regmdp.models.queues import queue
from regmdp.models.small import bandit, chain, forest

__all__ = ["NamedModel", "build_model", "find_model", "list_models", "model_names"]


@dataclass(frozen=True)
class NamedModel:
    """A model with a name.

    Attributes:
        name: Name on the command line.
        builder: Function that returns the model; all its parameters have defaults.
        description: One line.
        n_states: S with the default parameters.
        n_actions: A with the default parameters.
        discount: γ with the default parameters.
        answer: Known facts about the optimum.
        notice: Notice to show with results, or an empty string.
        extra: The extra that it needs, or an empty string.
        episode: Noun for an episode.
        references: Policies that come with the model, by name.
    """

    name: str
    builder: Callable[..., MDP]
    description: str
    n_states: int
    n_actions: int
    discount: float
    answer: str
    notice: str = ""
    extra: str = ""
    episode: str = "episode"
    references: Mapping[str, Callable[[], np.ndarray]] = field(default_factory=dict)

    @property
    def parameters(self) -> dict[str, object]:
        """The parameters and their defaults."""
        return {
            name: parameter.default
            for name, parameter in inspect.signature(self.builder).parameters.items()
        }


_MODELS = {
    model.name: model
    for model in (
        NamedModel("bandit", bandit, "Three arms, one state", 1, 3, 0.0, "value 1"),
        NamedModel(
            "chain",
            chain,
            "Walk to the far end of a chain for a reward",
            5,
            2,
            0.9,
            "value 6.561 from state 0",
        ),
        NamedModel(
            "exponential-chain",
            exponential_chain,
            "Softmax policy gradient takes exponential time, other methods do not",
            23,
            3,
            0.97,
            "value discount^(2 s) in primary s",
        ),
        NamedModel(
            "forest",
            forest,
            "Let a forest grow, or cut it before it burns",
            3,
            2,
            0.9,
            "values 26.244, 29.484, 33.484",
        ),
        NamedModel("garnet", garnet, "A random sparse model", 100, 4, 0.95, "none in closed form"),
        NamedModel(
            "gridworld",
            gridworld,
            "Four rooms, four doors, a goal, and slippery floors",
            104,
            4,
            0.99,
            "without walls and slip, discount^(steps - 1)",
        ),
        NamedModel(
            "icu-sepsis",
            icu_sepsis,
            "Treatment of sepsis in intensive care, from hospital records",
            716,
            25,
            1.0,
            "value 0.8751; clinicians 0.7818, uniform policy 0.7801",
            ICU_NOTICE,
            "icu",
            "stay",
            {"expert": icu_sepsis_expert},
        ),
        NamedModel(
            "queue",
            queue,
            "Admit customers to a queue or turn them away",
            51,
            2,
            0.99,
            "a threshold is optimal",
        ),
        NamedModel(
            "russell-norvig",
            russell_norvig,
            "The 4 × 3 world of the textbook",
            11,
            4,
            1.0,
            "value 0.705 from the start",
        ),
    )
}


def model_names() -> tuple[str, ...]:
    """Return the names of the models.

    >>> import regmdp as rm
    >>> rm.models.model_names()
    ('bandit', 'chain', 'exponential-chain', 'forest', 'garnet', 'gridworld',
     'icu-sepsis', 'queue', 'russell-norvig')
    """
    return tuple(_MODELS)


def list_models() -> tuple[NamedModel, ...]:
    """Return all named models, with descriptions, sizes, parameters and known answers.

    >>> import regmdp as rm
    >>> [
    ...     (model.n_states, model.parameters)
    ...     for model in rm.models.list_models()
    ...     if model.name == "chain"
    ... ]
    [(5, {'n_states': 5, 'distraction': 0.0, 'discount': 0.9})]
    """
    return tuple(_MODELS.values())


@checked(ModelError, name=Text())
def find_model(name: str) -> NamedModel:
    """Return the entry of a named model.

    Raises:
        ModelError: if there is none; the message names the nearest ones.

    Examples:
        >>> import regmdp as rm
        >>> rm.models.find_model("bandit").answer
        'value 1'
    """
    model = _MODELS.get(name)
    if model is None:
        raise ModelError(
            f"there is no model named {name!r}{_nearest(name, model_names())}The models are "
            f"{', '.join(_MODELS)}"
        )
    return model


def build_model(name: str, /, **parameters: object) -> MDP:
    """Build a named model.

    Args:
        name: One of :func:`model_names`.
        **parameters: Parameters of its builder; the others keep their defaults.

    Raises:
        ModelError: if there is no such model or parameter (the message names the nearest ones), or
            a value is out of its range.

    Examples:
        >>> import regmdp as rm
        >>> rm.models.build_model("chain", n_states=7)
        MDP(7 states, 2 actions, 14 transitions (sparse), discount 0.9)
        >>> rm.models.build_model("griddworld")
        Traceback (most recent call last):
        ...
        regmdp.ModelError: there is no model named 'griddworld'; did you mean gridworld? ...
    """
    model = find_model(name)
    allowed = model.parameters
    for parameter in parameters:
        if parameter not in allowed:
            listed = ", ".join(f"{key}={default!r}" for key, default in allowed.items())
            raise ModelError(
                f"{name} has no parameter {parameter!r}{_nearest(parameter, tuple(allowed))}It "
                f"takes {listed}"
            )
    return model.builder(**parameters)


def _nearest(word: str, words: tuple[str, ...]) -> str:
    """Return the end of a sentence that suggests the most similar words."""
    near = difflib.get_close_matches(word.lower().replace("_", "-"), words, n=3, cutoff=0.5)
    near = near or difflib.get_close_matches(word, words, n=3, cutoff=0.5)
    return f"; did you mean {' or '.join(near)}? " if near else ". "
