"""What the options of a command describe: a model and a regularizer."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

import regmdp as rm
from regmdp import io, models
from regmdp.cli import choices
from regmdp.io import formats
from regmdp.policies import check_policy

__all__ = ["Problem"]


class Problem:
    """What the options of a command describe: a model, with a name, and a regularizer."""

    def __init__(
        self, mdp: rm.MDP, name: str, entry: models.NamedModel | None, note: str | None
    ) -> None:
        self.mdp, self.name, self._entry, self._note = mdp, name, entry, note
        self.regularizer: rm.Regularizer | None = None
        self._reference: np.ndarray | None = None

    @classmethod
    def load(
        cls,
        model: str,
        parameters: list[str] | None,
        discount: float | None,
        regularizer: str,
        temperature: float | None,
        reference: str | None,
        *,
        normalize: bool = False,
    ) -> Problem:
        """Read the model and make the regularizer."""
        problem = cls._model(model, _parameters(parameters), discount, normalize)
        problem._regularize(regularizer, temperature, reference)
        return problem

    @classmethod
    def _model(
        cls, model: str, parameters: dict[str, Any], discount: float | None, normalize: bool
    ) -> Problem:
        if formats.is_file_name(model):
            return cls._file(model, parameters, discount, normalize)
        if normalize:
            raise rm.ModelError(f"--normalize is for model files, which {model} is not")
        if model.startswith("gymnasium:"):
            if discount is None:
                raise rm.ModelError(
                    "an environment has no discount of its own: say one with --discount (1 if its "
                    "episodes end)"
                )
            name = model.removeprefix("gymnasium:")
            return cls(
                io.from_gymnasium(name, discount=discount, **parameters),
                name.replace("/", "-"),
                None,
                io.time_limit_note(name),
            )
        mdp = models.build_model(model, **parameters)
        return cls(
            mdp if discount is None else mdp.with_discount(discount),
            model,
            models.find_model(model),
            None,
        )

    @classmethod
    def _file(
        cls, path: str, parameters: dict[str, Any], discount: float | None, normalize: bool
    ) -> Problem:
        if parameters.keys() - {"rewards"}:
            raise rm.ModelError(
                "a model file takes no --param but rewards=NAME, where it has several rewards"
            )
        rewards = str(parameters["rewards"]) if parameters else None
        read = formats.read_with_notes(
            path, discount=discount, rewards=rewards, normalize=normalize
        )
        return cls(read.mdp, Path(path).stem, None, "; ".join(read.notes) or None)

    def _regularize(self, name: str, temperature: float | None, reference: str | None) -> None:
        if name == "none":
            if temperature is not None or reference is not None:
                raise rm.RegularizerError("--temperature and --reference need a --regularizer")
            return
        choices.require_known(name)
        if temperature is None:
            raise rm.RegularizerError(f"--regularizer {name} needs a --temperature")
        if name == "kl":
            if reference is None:
                raise rm.RegularizerError(
                    "--regularizer kl needs a --reference: uniform, one the model comes with, or a "
                    "file"
                )
            distribution = self._read_reference(reference)
            self.regularizer = rm.KL(distribution, temperature=temperature)
            self.regularizer.check(self.mdp.available)
            self._reference = np.broadcast_to(distribution, self.mdp.rewards.shape)
            return
        self.regularizer = choices.regularizer(name, temperature)
        if reference is not None:
            raise rm.RegularizerError(f"--regularizer {name} takes no --reference; only kl does")

    def _read_reference(self, reference: str) -> np.ndarray:
        own = {} if self._entry is None else self._entry.references
        if reference in own:
            return own[reference]()
        if reference == "uniform":
            return rm.uniform_policy(self.mdp)
        if Path(reference).exists():
            policy = io.load_policy(reference)
            # action numbers are a policy as well, a distribution for all states is none
            return (
                check_policy(self.mdp, policy)
                if np.issubdtype(policy.dtype, np.integer)
                else policy
            )
        known = ", ".join(["uniform", *own])
        raise rm.PolicyError(
            f"there is no reference policy {reference!r} for {self.name}: say one of {known}, or "
            "the path of a file"
        )

    def announce(self, out: Console) -> None:
        """Print what has to be said before any result."""
        for text in (self._entry.notice if self._entry else "", self._note):
            if text:
                out.print(text, style="yellow", highlight=False)

    def compared(self, policy: np.ndarray) -> list[tuple[str, str]]:
        """Say what the policy earns without the regularizer, and how far it is from the reference."""
        if self.regularizer is None:
            return []
        policy = check_policy(self.mdp, policy)
        reward = rm.evaluate(self.mdp, policy).initial_value
        rows = [
            ("reward", f"{reward:.10g} from the initial distribution, the regularizer left out")
        ]
        if self._reference is None:
            return rows
        episode = self._entry.episode if self._entry else "episode"
        per = f"per {episode}" if self.mdp.discount == 1.0 else "in all, discounted"
        moved = float(
            rm.visits(self.mdp, policy) @ self.regularizer.value(policy, self.mdp.available)
        )
        before = rm.evaluate(self.mdp, self._reference).initial_value
        return [
            (
                "reward",
                (
                    f"{reward:.10g} without the regularizer, where the reference policy earns "
                    f"{before:.10g}"
                ),
            ),
            (
                "moved",
                f"{moved:.6g} nats from the reference policy {per} (Kullback-Leibler divergence)",
            ),
        ]


def _parameters(texts: list[str] | None) -> dict[str, Any]:
    parameters = {}
    for text in texts or []:
        name, equals, value = text.partition("=")
        if not equals:
            raise rm.ModelError(f"--param takes name=value, not {text!r}")
        try:
            parameters[name.replace("-", "_")] = json.loads(value)
        except json.JSONDecodeError:
            parameters[name.replace("-", "_")] = value
    return parameters
