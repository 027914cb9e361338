"""The model and the regularizer that the options of a command describe."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

import regmdp as rm
from regmdp import io, models
from regmdp._internal.mpi import join_launched
from regmdp.cli.assignments import parse_assignment
from regmdp.cli.goal import Goal
from regmdp.cli.methods import make_regularizer, require_regularizer_name
from regmdp.io import formats
from regmdp.policies import check_policy

__all__ = ["LoadedProblem", "ModelSource"]


class ModelSource:
    """Where the options of a command say that the model comes from.

    Attributes:
        name: A named model, a file, a folder, or ``gymnasium:`` and an id.
        parameters: Parameters of a named model, or ``rewards`` of a file.
        discount: γ, instead of the model's own.
        format: Format of a file, instead of that of its extension.
        normalize: Whether rows of a file that nearly sum to 1 are normalised.
        goal: Where the episode ends, and what is asked for until then.
    """

    def __init__(
        self,
        name: str,
        parameters: list[str] | None = None,
        discount: float | None = None,
        format: str | None = None,
        normalize: bool = False,
        rewards: str | None = None,
        goal: Goal | None = None,
    ) -> None:
        self.name, self.parameters = name, _parse_parameters(parameters)
        if rewards is not None:
            self.parameters["rewards"] = rewards
        self.goal = Goal() if goal is None else goal
        self.discount, self.format, self.normalize = discount, format, normalize

    @property
    def is_file(self) -> bool:
        """Whether the name is that of a file or folder."""
        if self.format is not None or formats.is_file_name(self.name):
            return True
        return Path(self.name).is_file() and self.name not in models.model_names()


class LoadedProblem:
    """The model and the regularizer that the options of a command describe.

    Attributes:
        mdp: The model.
        name: Its name.
        regularizer: The regularizer, or None.
    """

    def __init__(
        self, mdp: rm.MDP, name: str, entry: models.NamedModel | None, note: str | None
    ) -> None:
        self.mdp, self.name, self._entry, self._note = mdp, name, entry, note
        self.regularizer: rm.Regularizer | None = None
        self._reference: np.ndarray | None = None

    @classmethod
    def load(
        cls,
        source: ModelSource,
        regularizer: str = "none",
        temperature: float | None = None,
        reference: str | None = None,
    ) -> LoadedProblem:
        """Load the model, set its goal, and make the regularizer."""
        _require_shared(source)
        problem = cls._load_file(source) if source.is_file else cls._load_named(source)
        original = problem.mdp
        problem.mdp = source.goal.apply(original)
        problem._note = "; ".join(filter(None, (problem._note, source.goal.warn(original)))) or None
        problem._set_regularizer(regularizer, temperature, reference)
        return problem

    @classmethod
    def _load_named(cls, source: ModelSource) -> LoadedProblem:
        model, discount, parameters = source.name, source.discount, source.parameters
        if source.normalize:
            raise rm.ModelError(f"--normalize is for model files, which {model} is not")
        if model.startswith("gymnasium:"):
            if discount is None:
                raise rm.ModelError(
                    "an environment has no discount; give one with --discount (1 if its episodes "
                    "terminate)"
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
    def _load_file(cls, source: ModelSource) -> LoadedProblem:
        if source.parameters.keys() - {"rewards"}:
            raise rm.ModelError(
                "for a model file --param takes only rewards=NAME, if it has several rewards"
            )
        rewards = str(source.parameters["rewards"]) if source.parameters else None
        read = formats.read_with_notes(
            source.name,
            format=source.format,
            discount=source.discount,
            rewards=rewards,
            normalize=source.normalize,
            verify=True,
        )
        return cls(read.mdp, Path(source.name).stem, None, "; ".join(read.notes) or None)

    def _set_regularizer(self, name: str, temperature: float | None, reference: str | None) -> None:
        if name == "none":
            if temperature is not None or reference is not None:
                raise rm.RegularizerError("--temperature and --reference need a --regularizer")
            return
        require_regularizer_name(name)
        if temperature is None:
            raise rm.RegularizerError(f"--regularizer {name} needs a --temperature")
        if name == "kl":
            if reference is None:
                raise rm.RegularizerError(
                    "--regularizer kl needs a --reference: uniform, one that comes with the model, "
                    "or a file"
                )
            distribution = self._read_reference(reference)
            self.regularizer = rm.KL(distribution, temperature=temperature)
            self.regularizer.check(self.mdp.available)
            self._reference = np.broadcast_to(distribution, self.mdp.rewards.shape)
            return
        self.regularizer = make_regularizer(name, temperature)
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
            # actions are a policy; a single distribution for all states is not one
            return (
                check_policy(self.mdp, policy)
                if np.issubdtype(policy.dtype, np.integer)
                else policy
            )
        known = ", ".join(["uniform", *own])
        raise rm.PolicyError(
            f"there is no reference policy {reference!r} for {self.name}; give one of {known}, or "
            "the path of a file"
        )

    def announce(self, out: Console) -> None:
        """Print notices about the model, before any result."""
        for text in (self._entry.notice if self._entry else "", self._note):
            if text:
                out.print(text, style="yellow", highlight=False)

    def compare_with_reference(self, policy: np.ndarray) -> list[tuple[str, str]]:
        """Return rows on the policy's reward and its divergence from the reference policy."""
        if self.regularizer is None:
            return []
        policy = check_policy(self.mdp, policy)
        sign = 1.0 if self.mdp.objective is None else self.mdp.objective.sign
        reward = sign * rm.evaluate(self.mdp, policy).initial_value
        rows = [("reward", f"{reward:.10g} from the initial distribution, without the regularizer")]
        if self._reference is None:
            return rows
        episode = self._entry.episode if self._entry else "episode"
        per = f"per {episode}" if self.mdp.discount == 1.0 else "in total, discounted"
        before = sign * rm.evaluate(self.mdp, self._reference).initial_value
        verb = "costs" if sign < 0.0 else "earns"
        return [
            (
                "reward",
                f"{reward:.10g} without the regularizer; the reference policy {verb} {before:.10g}",
            ),
            (
                "moved",
                f"{self._measure_divergence(policy, self._reference):.6g} nats from the reference "
                f"policy {per} (Kullback-Leibler divergence)",
            ),
        ]

    def _measure_divergence(self, policy: np.ndarray, reference: np.ndarray) -> float:
        """Return the divergence of a policy from another one, added up over the steps."""
        unpaid = self.mdp.with_rewards(np.zeros(self.mdp.rewards.shape))
        cost = rm.KL(reference, temperature=1.0)
        return max(-rm.evaluate(unpaid, policy, cost).initial_value, 0.0)


def _require_shared(source: ModelSource) -> None:
    """Check that several processes, if a launcher has started them, can share the model.

    Raises:
        ModelError: if they cannot.
    """
    count = join_launched().size
    if count > 1 and not (Path(source.name).is_dir() and source.format in (None, "mapped")):
        raise rm.ModelError(
            f"{count} processes share a mapped model, and {source.name} is none; write one first, "
            f"without mpiexec: regmdp convert {source.name} FOLDER.mapped"
        )


def _parse_parameters(texts: list[str] | None) -> dict[str, Any]:
    """Return the parameters of texts such as ``n_states=7``; values are JSON or plain text."""
    parameters: dict[str, Any] = {}
    for text in texts or []:
        name, value = parse_assignment("--param", text)
        try:
            parameters[name] = json.loads(value)
        except json.JSONDecodeError:
            parameters[name] = value
    return parameters
