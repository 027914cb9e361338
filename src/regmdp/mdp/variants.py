"""The ``with_…`` methods of a model: the same model with other rewards, labels, actions or goal."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from regmdp._internal.arrays import ArrayLike, Float
from regmdp._internal.errors import ModelError
from regmdp._internal.parameters import Instance, checked
from regmdp._internal.self_type import Self
from regmdp._internal.width_table import WidthTable
from regmdp.mdp.assembly import add_goal
from regmdp.mdp.decision_process import DecisionProcess
from regmdp.mdp.dense_transitions import DenseTransitions, store_dense
from regmdp.mdp.goals import end_at_goal
from regmdp.mdp.labels import StatesLike
from regmdp.mdp.layouts import Layout
from regmdp.mdp.model_data import (
    ModelData,
    check_initial,
    check_model,
    check_rewards,
    keep_pairs,
)
from regmdp.mdp.objective import Objective, ObjectiveKind
from regmdp.mdp.ragged_assembly import check_pair_rewards
from regmdp.mdp.sparse_transitions import store_sparse
from regmdp.mdp.transitions import Transitions
from regmdp.mdp.validation import as_available, as_discount, as_rewards

__all__ = ["ModelVariants"]


class ModelVariants(DecisionProcess):
    """A model that returns changed copies of itself."""

    transitions: Transitions
    rewards: Float[np.ndarray, "S A"]
    termination: Float[np.ndarray, "S A"]
    objective: Objective | None

    @classmethod
    @abstractmethod
    def from_checked(cls, data: ModelData) -> Self:
        """Return the model of data that have been checked; nothing is checked again."""

    @property
    @abstractmethod
    def _data(self) -> ModelData:
        """The data of the model."""

    @property
    @abstractmethod
    def endless_value(self) -> float:
        """What an undiscounted episode counts that never ends, and pays nothing any more."""

    def with_goal(
        self,
        goal: StatesLike,
        avoid: StatesLike | None = None,
        *,
        objective: ObjectiveKind = "reward",
        minimize: bool = False,
        goal_rewards: bool = False,
    ) -> Self:
        r"""Return the model in which reaching a goal ends the episode.

        The states keep their numbers, and the initial distribution is the same. The transitions are
        copied, those of a mapped model into memory.

        "reach" has the value \(E[\gamma^T]\) with T the number of steps to the goal, ∞ if it is not
        reached: with γ = 1 the probability of reaching it. "reward" and "steps" are the expected
        sum of rewards, or number of steps, until then, of which minimised ones are negated. With
        γ = 1 they follow the convention of model checkers: an episode that never reaches the goal
        counts as ∞. If it is minimised, the value is -∞ in states from which no policy reaches a
        goal with probability 1. If it is maximised, and a policy may stay away from the goal where
        nothing is paid, solvers raise :class:`~regmdp.UnboundedError`.

        Args:
            goal: A label, a list of labels, state numbers, or a (S,) mask.
            avoid: States that must not be entered before the goal, in the same form.
            objective: "reward", the rewards until the goal; "reach", the probability of reaching
                it; or "steps", the number of steps until then.
            minimize: Whether it is minimised. The rewards of the model are then negated.
            goal_rewards: Whether the goal's own rewards count, once, for objective="reward".

        Raises:
            ModelError: if a label is unknown, or no state is in the goal, or one is both in the
                goal and to be avoided; or if a reward with γ < 1 has states to avoid.

        Examples:
            The shortest way to the end of a chain, and the probability of reaching it.

            >>> import numpy as np, regmdp as rm
            >>> P = np.array([[[0.5, 0.5], [0.0, 1.0]], [[0.0, 1.0], [0.0, 1.0]]])
            >>> mdp = rm.MDP(P, [[1.0, 3.0], [1.0, 1.0]], discount=1, labels={"end": [1]})
            >>> rm.solve(mdp.with_goal("end", minimize=True)).objective_value.round(6)
            array([2., 0.])
            >>> rm.solve(mdp.with_goal("end", objective="reach")).objective_value.round(6)
            array([1., 1.])

        Reference:
            Forejt, Kwiatkowska, Norman and Parker, Automated verification techniques for
            probabilistic systems, 2011, sections 4 and 5.
        """
        data = end_at_goal(self._data, goal, avoid, objective, minimize, goal_rewards)
        return self.from_checked(data)

    def with_objective(self, objective: Objective | None) -> Self:
        """Return the same model, with the same rewards, that stand for something else.

        Files use it; :meth:`with_goal` changes the rewards, too.
        """
        if not isinstance(objective, Objective | None):
            raise ModelError(f"objective must be a regmdp.mdp.Objective or None, not {objective!r}")
        return self.from_checked(replace(self._data, objective=objective))

    def with_labels(self, labels: Mapping[str, ArrayLike] | None) -> Self:
        """Return the same model with other labels: sets of states by name, as numbers or masks.

        >>> import regmdp as rm
        >>> rm.models.chain(3).with_labels({"ends": [0, 2]}).labels["ends"]
        array([ True, False,  True])
        """
        return self.from_checked(add_goal(self._data, {} if labels is None else labels, {}))

    def with_discount(self, discount: float) -> Self:
        """Return the same model with another discount γ.

        Discounts that differ between pairs are kept in proportion: γ is then the largest.

        Raises:
            ModelError: if the model has a goal whose rewards mean something else without a
                discount, and one of the two discounts is 1.

        Examples:
            >>> import regmdp as rm
            >>> rm.models.chain(5).with_discount(0.5).discount
            0.5
        """
        checked = as_discount(discount)
        if self.endless_value and (checked == 1.0) != (self.discount == 1.0):
            raise ModelError(
                f"the {self.objective} is another model with discount {checked:g} than with "
                f"{self.discount:.15g}: set the discount first, and then the goal"
            )
        return self.from_checked(replace(self._data, discount=checked))

    def with_rewards(self, rewards: ArrayLike) -> Self:
        """Return the same model with other (S, A) rewards, which are not probabilities any more."""
        given = self._to_columns("rewards", rewards)
        if isinstance(given, WidthTable):
            checked = check_pair_rewards(self.space, given)
        else:
            checked = check_rewards(self.space, as_rewards(given, self.rewards.shape))
        objective = self.objective if self.endless_value else None
        return self.from_checked(replace(self._data, rewards=checked, objective=objective))

    def with_available(self, available: ArrayLike) -> Self:
        """Return the same model without the actions for which this (S, A) mask is False."""
        given = self._to_columns("available", available)
        kept = as_available(given, self.rewards.shape) & self.available
        if isinstance(self.transitions, DenseTransitions):
            stored: Transitions = store_dense(self.transitions.to_dense(), kept)
        else:
            index = np.arange(kept.size).reshape(kept.shape)
            stored = store_sparse(self.transitions.to_csr(), index, kept)
        data = check_model(
            stored,
            np.array(self.rewards, order="F"),
            self.discount,
            space=keep_pairs(self.space, kept),
            initial=self.initial,
            termination=self.termination,
        )
        return self.from_checked(replace(data, objective=self.objective))

    @checked(ModelError, layout=Instance(Layout) | None)
    def with_layout(self, layout: Layout | None) -> Self:
        """Return the same model with another layout, which figures use, or without one.

        Raises:
            ModelError: if the layout has another number of states or actions.

        Examples:
            >>> import regmdp as rm
            >>> rm.models.chain(3).with_layout(rm.LineLayout("distance")).layout
            LineLayout(label='distance', positions=None)
        """
        if layout is not None:
            layout.require_fit(self.n_states, self.space.n_action_numbers)
        return self.from_checked(replace(self._data, space=replace(self.space, layout=layout)))

    def with_initial(self, initial: ArrayLike | None) -> Self:
        """Return the same model with another (S,) initial distribution ρ; None is the default."""
        return self.from_checked(replace(self._data, initial=check_initial(self.space, initial)))

    def _to_columns(self, name: str, given: Any) -> Any:
        """Return what a user gives for all pairs by columns; unchanged what is not by numbers."""
        return given if self.numbering is None else self.numbering.to_columns(name, given)
