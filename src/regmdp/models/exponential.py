"""A chain on which softmax policy gradient takes exponential time."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp

from regmdp._internal.arrays import Float
from regmdp._internal.errors import ModelError
from regmdp._internal.memory import require_memory
from regmdp._internal.parameters import Integer, Number, checked
from regmdp.mdp import MDP

__all__ = ["ExponentialChain", "exponential_chain"]

#: Memory that the states and transitions of a step of the chain take.
BYTES_PER_STEP = 3000.0


@checked(
    ModelError,
    size=Integer(),
    horizon=Integer(3),
    discount=Number(above=0.0, below=1.0),
    leak=Number(above=0.0, maximum=1 / 6),
    boosters=Number(0.0, 1.0),
)
@dataclass(frozen=True)
class ExponentialChain:
    r"""A chain on which softmax policy gradient takes exponential time from the uniform policy.

    It has a few classes of states, some of them with many states. With
    \(\tau_s = \tfrac12\gamma^{2s/3}\), \(r_s = \tfrac12\gamma^{2s/3+5/6}\),
    \(p = c_p(1-\gamma)\) and \(u_s = r_s+\gamma^2p\tau_{s-2}\), primary states s = 3..H and adjoint
    states s = 1..H:

    ==============  ========================  =========================  ===========================
    state           action 0                  action 1                   action 2
    ==============  ========================  =========================  ===========================
    end             0, stay
    buffer 1        \(-\gamma^2\), to end     \(+\gamma^2\), to end
    buffer 2        \(-\gamma^4\), to end     \(+\gamma^4\), to end
    primary 3..H    \(u_s\), to end           0, to adjoint s - 1        \(r_s\), to adjoint s - 2 *
    adjoint 1..H    \(\gamma\tau_s\), to end  0, to primary or buffer s
    booster of x    0, to x
    ==============  ========================  =========================  ===========================

    (*) with probability p, else to end.

    Action 1 is optimal everywhere, and \(V^*(s) = \gamma^{2s}\),
    \(V^*(\text{adjoint } s) = \gamma^{2s+1}\). In primary s, however, its action value is below
    that of action 0 until adjoint s - 1 has learned; until then its probability falls, so that it
    takes longer to rise again. Each state waits for the one before it, and each waiting time is a
    power of the one before.

    The slowness comes from the number of states: the buffers and boosters are classes of many
    states with the same initial policy and the same dynamics. :meth:`lumped` has one state for each
    class. Its values, occupancies and natural gradients are those of the full model; a gradient
    with respect to the logits of one state is that of its class divided by the number of its
    states.

    The construction is that of the paper; its numerical constants were not legible in the copy that
    was used and are reconstructed.

    Args:
        size: S, the number of states of the full model.
        horizon: H, at least 3.
        discount: γ; slow for γ^{2H} ≥ 2/3.
        leak: c_p, at most 1/6.
        boosters: The fraction of the states that are boosters.

    Raises:
        ModelError: if a parameter is out of its range, or there are too few states.

    Examples:
        >>> chain = ExponentialChain(10**8)
        >>> chain.lumped()
        MDP(23 states, 3 actions, 43 transitions (sparse), 39 available pairs, discount 0.97)
        >>> int(chain.copies.sum())
        100000000

    Reference:
        Li, Wei, Chi and Chen, Softmax policy gradient methods can take exponential time to
        converge, Mathematical Programming 201, 2023.
    """

    size: int = 10**8
    horizon: int = 6
    discount: float = 0.97
    leak: float = 1 / 6
    boosters: float = 7 / 12

    def __post_init__(self) -> None:
        if self.size < 2 * self.horizon:
            raise ModelError(
                f"size = {self.size:,} is too small for a horizon of {self.horizon:,}: it must be "
                f"{2 * self.horizon:,} or more"
            )
        require_memory(f"a horizon of {self.horizon:,} steps", BYTES_PER_STEP * self.horizon)
        fewest = int(min(self.copies))
        if fewest < 1:
            raise ModelError(
                f"size = {self.size:,} is too small for a horizon of {self.horizon}: a class would "
                f"have {fewest} states"
            )

    @property
    def kinds(self) -> list[str]:
        """The names of the (n,) classes of states."""
        steps = range(1, self.horizon + 1)
        chain = [*(f"primary {s}" for s in steps[2:]), *(f"adjoint {s}" for s in steps)]
        return ["end", "buffer 1", "buffer 2", *chain, *(f"booster of {x}" for x in chain)]

    @property
    def copies(self) -> np.ndarray:
        """The (n,) numbers of states of the classes."""
        links = 2 * self.horizon - 2
        booster = round(self.boosters * self.size) // links
        buffers = self.size - 1 - links - links * booster
        return np.array([1, buffers // 2, buffers - buffers // 2, *[1] * links, *[booster] * links])

    @checked(ModelError, s=Integer(0))
    def target(self, s: int) -> float:
        """Return τ_s, the value of state s above which its adjoint prefers it."""
        return 0.5 * self.discount ** (2 * s / 3)

    def lumped(self) -> MDP:
        """Return the model of the classes; it starts in each with its fraction of the states."""
        transitions, rewards, available = self._arrays()
        return self._model(transitions, rewards, available, self.copies / self.size, self.kinds)

    def full(self) -> MDP:
        """Return the model of all states, with a uniform initial distribution.

        Its states are those of the lumped model, each repeated as often as its class has states.
        """
        transitions, rewards, available = self._arrays()
        of = np.repeat(np.arange(self.copies.size), self.copies)
        # a transition to a class leads to each of its states with the same probability
        spread = sp.csr_array(
            (1.0 / self.copies[of], (of, np.arange(self.size))), shape=(self.copies.size, self.size)
        )
        rows = [matrix[of] @ spread for matrix in transitions]
        labels = [f"{self.kinds[kind]} ({place})" for place, kind in enumerate(of)]
        return self._model(
            rows, rewards[of], available[of], np.full(self.size, 1.0 / self.size), labels
        )

    def _model(
        self,
        transitions: list,
        rewards: np.ndarray,
        available: np.ndarray,
        initial: np.ndarray,
        labels: list[str],
    ) -> MDP:
        return MDP.from_action_matrices(
            transitions,
            rewards,
            discount=self.discount,
            initial=initial,
            available=available,
            state_labels=labels,
        )

    def _arrays(self) -> tuple[list[sp.csr_array], Float[np.ndarray, "n 3"], np.ndarray]:
        """Return one (n, n) matrix for each action, the (n, 3) rewards and available actions."""
        kinds, gamma, p = self.kinds, self.discount, self.leak * (1.0 - self.discount)
        place = {kind: number for number, kind in enumerate(kinds)}
        matrices = [sp.lil_array((len(kinds), len(kinds))) for _ in range(3)]
        rewards, available = np.zeros((len(kinds), 3)), np.zeros((len(kinds), 3), dtype=np.bool_)

        def act(state: str, action: int, reward: float, *successors: tuple[str, float]) -> None:
            rewards[place[state], action], available[place[state], action] = reward, True
            for successor, weight in successors:
                matrices[action][place[state], place[successor]] = weight

        act("end", 0, 0.0, ("end", 1.0))
        for s in range(1, self.horizon + 1):
            state = f"primary {s}" if s > 2 else f"buffer {s}"
            act(f"adjoint {s}", 0, gamma * self.target(s), ("end", 1.0))
            act(f"adjoint {s}", 1, 0.0, (state, 1.0))
            if s > 2:
                reward = 0.5 * gamma ** (2 * s / 3 + 5 / 6)
                act(state, 0, reward + gamma**2 * p * self.target(s - 2), ("end", 1.0))
                act(state, 1, 0.0, (f"adjoint {s - 1}", 1.0))
                act(state, 2, reward, ("end", 1.0 - p), (f"adjoint {s - 2}", p))
            else:
                act(state, 0, -(gamma ** (2 * s)), ("end", 1.0))
                act(state, 1, gamma ** (2 * s), ("end", 1.0))
        for kind in kinds:
            if kind.startswith("booster"):
                act(kind, 0, 0.0, (kind.removeprefix("booster of "), 1.0))
        return [sp.csr_array(matrix) for matrix in matrices], rewards, available


def exponential_chain(
    size: int = 10**8,
    *,
    horizon: int = 6,
    leak: float = 1 / 6,
    boosters: float = 7 / 12,
    discount: float = 0.97,
) -> MDP:
    """Return a chain on which softmax policy gradient takes exponential time.

    It is :meth:`ExponentialChain.lumped`, with one state for each class. Other methods solve it in
    a few iterations.

    Args:
        size: S, the number of states of the full model.
        horizon: H, at least 3.
        leak: c_p, 0 < c_p ≤ 1/6.
        boosters: The fraction of the states that are boosters.
        discount: γ.

    Returns:
        A model of 4H - 1 states and up to 3 actions.

    Raises:
        ModelError: if a parameter is out of its range, or there are too few states.

    Examples:
        >>> import regmdp as rm
        >>> mdp = rm.models.exponential_chain()
        >>> solution = rm.solve(mdp)
        >>> bool(abs(solution.value[mdp.state_labels.index("primary 6")] - 0.97**12) < 1e-8)
        True

    Reference:
        Li, Wei, Chi and Chen, Mathematical Programming 201, 2023.
    """
    return ExponentialChain(size, horizon, discount, leak, boosters).lumped()
