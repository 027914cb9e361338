"""Queues with admission control."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp

from regmdp._internal.errors import ModelError
from regmdp._internal.memory import require_memory
from regmdp._internal.parameters import Integer, Number, checked
from regmdp.mdp import MDP, LineLayout

__all__ = ["queue"]


@checked(
    ModelError,
    capacity=Integer(),
    arrival=Number(0.0, 1.0),
    service=Number(0.0, 1.0),
    reward=Number(),
    holding=Number(),
    discount=Number(0.0, 1.0),
)
def queue(
    capacity: int = 50,
    *,
    arrival: float = 0.4,
    service: float = 0.5,
    reward: float = 5.0,
    holding: float = 0.1,
    discount: float = 0.99,
) -> MDP:
    r"""Return a single-server queue with admission control.

    The state x is the number of customers in the system. In each period one customer arrives
    (probability λ), or the one in service leaves (μ, if there is one), or nothing happens. The
    action admits or rejects an arriving customer. An admitted customer pays R; each customer costs
    h per period.

    .. math::
        r(x, \text{reject}) = -h x, \qquad r(x, \text{admit}) = \lambda R - h x

    If the system is full, *admit* is unavailable. Admitting up to a threshold is optimal. With
    capacity 1, and if it is optimal to admit,

    .. math::
        V^*(0) = \frac{(1 - \gamma (1 - \mu)) \lambda R - \gamma \lambda h}
        {(1 - \gamma)(1 - \gamma (1 - \lambda - \mu))}.

    Args:
        capacity: Largest number of customers, at least 1; S = capacity + 1.
        arrival: λ, probability of an arrival in a period.
        service: μ, probability that the customer in service leaves; λ + μ ≤ 1.
        reward: R, for each admitted customer.
        holding: h, cost per customer and period.
        discount: γ per period.

    Returns:
        A model of capacity + 1 states and 2 actions, *reject* and *admit*, starting empty.

    Raises:
        ModelError: if a parameter is out of its range.

    Examples:
        >>> import regmdp as rm
        >>> mdp = rm.models.queue(capacity=2)
        >>> mdp
        MDP(3 states, 2 actions, 10 transitions (sparse), 5 available pairs, discount 0.99)
        >>> mdp.to_array()[1, 1]
        array([0.5, 0.1, 0.4])

    Reference:
        Naor, The regulation of queue size by levying tolls, Econometrica 37, 1969. Stidham, Optimal
        control of admission to a queueing system, IEEE Transactions on Automatic Control 30, 1985,
        shows that a threshold is optimal. Here time is discrete; a continuous-time queue becomes
        one by uniformization.
    """
    require_memory(
        f"transitions of {capacity + 1:,} states", 40.0 * capacity, "choose a smaller capacity"
    )
    if arrival + service > 1.0 + 1e-12:
        raise ModelError(
            f"arrival + service is {arrival + service:.12g}, but at most one of the two happens in "
            "a period, so it must not exceed 1; make the periods shorter by dividing both by the "
            "same number"
        )
    n_states = capacity + 1
    customers = np.arange(n_states)
    shrinks = np.where(customers > 0, service, 0.0)
    grows = np.stack((np.zeros(n_states), np.where(customers < capacity, arrival, 0.0)), axis=1)
    stays = np.maximum(1.0 - shrinks[:, None] - grows, 0.0)
    successor = np.stack(
        (np.maximum(customers - 1, 0), customers, np.minimum(customers + 1, capacity)), axis=1
    )
    weight = np.stack((np.broadcast_to(shrinks[:, None], grows.shape), stays, grows), axis=-1)
    rows = sp.csr_array(
        (
            weight.ravel(),
            np.repeat(successor, 2, axis=0).ravel(),
            np.arange(0, 6 * n_states + 1, 3),
        ),
        shape=(2 * n_states, n_states),
    )
    available = np.ones((n_states, 2), dtype=np.bool_)
    available[capacity, 1] = False
    with np.errstate(over="ignore"):  # the model refuses what is not finite
        rewards = np.repeat(-holding * customers[:, None], 2, axis=1)
    rewards[:, 1] += arrival * reward
    return MDP(
        rows,
        rewards,
        discount,
        available=available,
        initial=(customers == 0).astype(np.float64),
        action_labels=["reject", "admit"],
    ).with_layout(LineLayout("customers in the system"))
