"""Checks of a learner's options: their values, and their names."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterable, Mapping
from typing import ClassVar

from regmdp._internal.errors import SolverError
from regmdp._internal.kinds import Kind

__all__ = ["INT32_MAX", "CheckedOptions", "check_names"]

#: The largest number that compiled functions can count to.
INT32_MAX = 2**31 - 1

#: Option names of other libraries and of papers, and the names that mean the same here.
SYNONYMS: dict[str, tuple[str, ...]] = {
    "alpha": ("regularizer", "munchausen"),
    "backtrack_iters": ("line_search_steps",),
    "cg_damping": ("damping",),
    "cg_iters": ("conjugate_gradient_steps",),
    "cg_max_steps": ("conjugate_gradient_steps",),
    "critic_lr": ("critic_learning_rate",),
    "delta": ("max_kl",),
    "ent_coef": ("temperature", "regularizer"),
    "entropy_coef": ("temperature", "regularizer"),
    "environment": ("env",),
    "eta": ("step_size",),
    "gamma": ("discount",),
    "gradient_steps": ("train_freq",),
    "lam": ("gae_lambda",),
    "lambda_": ("gae_lambda",),
    "line_search_max_iter": ("line_search_steps",),
    "lr": ("learning_rate", "critic_learning_rate"),
    "max_norm": ("max_grad_norm",),
    "memory": ("buffer_size",),
    "minibatch": ("batch_size",),
    "minibatch_size": ("batch_size",),
    "n_critic_updates": ("critic_epochs",),
    "n_epochs": ("epochs", "critic_epochs"),
    "n_steps": ("horizon",),
    "n_workers": ("workers",),
    "noise": ("noise_persistence",),
    "num_envs": ("n_envs",),
    "num_epochs": ("epochs", "critic_epochs"),
    "num_steps": ("horizon",),
    "policy": ("network",),
    "random_state": ("seed",),
    "rate": ("learning_rate", "critic_learning_rate"),
    "replay_size": ("buffer_size",),
    "rng": ("seed",),
    "start_steps": ("learning_starts",),
    "target_kl": ("max_kl",),
    "tau": ("polyak", "temperature", "regularizer"),
    "temperature": ("regularizer",),
    "update_every": ("train_freq",),
    "value_network": ("critic",),
    "vf_coef": ("critic_weight",),
    "warmup": ("learning_starts",),
}

#: What the message shows where the name alone does not say how to use the option.
HINTS = {"regularizer": "regularizer=Shannon(temperature=…)"}


def check_names(method: str, given: Iterable[str], known: Collection[str]) -> None:
    """Raise SolverError for the first unknown option, with the known ones that are nearest.

    Examples:
        >>> check_names("TRPO", ["gamma"], ["discount", "horizon"])
        Traceback (most recent call last):
        regmdp.SolverError: unknown option 'gamma' of TRPO; did you mean 'discount'?
    """
    for name in given:
        if name not in known:
            nearest = [repr(HINTS.get(option, option)) for option in find_nearest(name, known)]
            advice = (
                f"did you mean {' or '.join(nearest)}?"
                if nearest
                else f"the options are {', '.join(sorted(known))}"
            )
            raise SolverError(f"unknown option {name!r} of {method}; {advice}")


def find_nearest(name: str, known: Collection[str]) -> list[str]:
    """Return the known options that mean the same as a name, or else the one spelled most alike."""
    synonyms = [option for option in SYNONYMS.get(name.lower(), ()) if option in known]
    return synonyms or difflib.get_close_matches(name.lower(), known, n=1)


class CheckedOptions:
    """A base of classes whose options are checked whenever they are set, in subclasses too.

    Numbers become Python's, which files can hold.
    """

    #: What each option may be; those of the base classes are added.
    declarations: ClassVar[Mapping[str, Kind]] = {}

    def __init_subclass__(cls, **keywords: object) -> None:
        """Add the declarations of the base classes."""
        super().__init_subclass__(**keywords)
        declared: dict[str, Kind] = {}
        for base in reversed(cls.__mro__):
            declared |= vars(base).get("declarations", {})
        cls.declarations = declared

    def __setattr__(self, name: str, value: object) -> None:
        """Set an attribute.

        Raises:
            SolverError: if it is an option, and the value is none of it.
        """
        kind = self.declarations.get(name)
        checked = value if kind is None else kind.check(name, value, None, SolverError)
        super().__setattr__(name, checked)
