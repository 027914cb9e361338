r"""Mirror descent on the simplex, and the bound on its regret.

Policy mirror descent makes this step in every state, with the gradient -Q.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from regmdp._internal.array_checks import check_array
from regmdp._internal.arrays import ArrayLike, Bool, Float
from regmdp._internal.checks import describe_first
from regmdp._internal.errors import PolicyError, SolverError
from regmdp._internal.fields import ReadOnlyCopies
from regmdp._internal.parameters import ArrayOf, Distributions, Instance, Integer, Number, checked
from regmdp.improvement.dual_variables import (
    check_mirror_map,
    normalise_dual,
    policy_from_dual,
    subtract_best,
)
from regmdp.regularizers import Regularizer

__all__ = [
    "SimplexTrajectory",
    "mirror_descent_on_simplex",
    "mirror_descent_regret",
    "mirror_descent_regret_bound",
]


@dataclass(frozen=True, eq=False)
class SimplexTrajectory(ReadOnlyCopies):
    r"""The points of mirror descent on the simplex, and what lies between them.

    A step is \(p_t \to \xi_t \to \zeta_t \to p_{t+1}\): the map to the dual space, the gradient
    step there, and the map back with the projection in one. Dual variables are defined up to a
    constant; here their maximum is 0.

    Attributes:
        mirror: h, the mirror map.
        points: (n + 1, A) the distributions p_0 … p_n.
        duals: (n + 1, A) ξ_t, a subgradient of h at p_t; -inf at actions that h forbids.
        gradients: (n, A) g_t.
        step_sizes: (n,) η_t.
        moved: (n, A) ζ_t = ξ_t - η_t g_t, with p_{t+1} = ∇h*(ζ_t). It differs from ξ_{t+1} by what
            the projection removes: by a normal of the simplex at p_{t+1}, and by nothing if h is
            steep.
    """

    mirror: Regularizer
    points: Float[np.ndarray, "n A"]
    duals: Float[np.ndarray, "n A"]
    gradients: Float[np.ndarray, "m A"]
    step_sizes: Float[np.ndarray, " m"]
    moved: Float[np.ndarray, "m A"]

    def __repr__(self) -> str:
        n_steps, n_actions = self.gradients.shape
        return f"SimplexTrajectory({n_steps} steps with {n_actions} actions, {self.mirror!r})"

    @property
    def average(self) -> Float[np.ndarray, " A"]:
        r"""(A,) average of p_0 … p_{n-1} with weights η; without steps it is p_0."""
        if not self.step_sizes.size:
            return self.points[0]
        return np.average(self.points[:-1], axis=0, weights=self.step_sizes)


@checked(
    mirror=Instance(Regularizer),
    step_size=Number(above=0.0, finite=False) | ArrayOf("n"),
    iterations=Integer(0),
)
def mirror_descent_on_simplex(
    gradient: Callable[[Float[np.ndarray, " A"]], ArrayLike] | ArrayLike,
    start: ArrayLike,
    mirror: Regularizer,
    *,
    step_size: ArrayLike,
    iterations: int,
) -> SimplexTrajectory:
    r"""Minimise a convex function on the simplex by mirror descent.

    .. math::
        \xi_t \in \partial h(p_t), \qquad \zeta_t = \xi_t - \eta_t g_t, \qquad
        p_{t+1} = \nabla h^*(\zeta_t)
        = \arg\min_p \; \eta_t \langle g_t, p \rangle + D_h(p, p_t; \xi_t)

    The conjugate h* is that over the simplex, so that its gradient maps back from the dual space
    and projects at once. With h = ½‖p‖² it is the projection of p - ηg, with Shannon's entropy
    p⁺ ∝ p exp(-ηg). If h is not steep, as ½‖p‖², a point may have probabilities of 0, and the next
    step starts from a subgradient of h there, not from ζ: dual averaging keeps ζ instead.

    Args:
        gradient: The gradient, or a subgradient, of a convex function: a function from (A,)
            distributions to (A,) arrays. Or an array: (A,), the gradient of a linear function, or
            (n, A), one for each step.
        start: (A,) p_0.
        mirror: h; its temperature is ignored.
        step_size: η > 0, a number or (n,).
        iterations: n.

    Returns:
        The points and their dual variables.

    Raises:
        PolicyError: if the start is not a distribution, or h has no subgradient there.
        SolverError: if a step size or a gradient is wrong.

    Examples:
        The distribution nearest to (0.5, 0.7, -0.2) is (0.4, 0.6, 0):

        >>> import numpy as np, regmdp as rm
        >>> target = np.array([0.5, 0.7, -0.2])
        >>> for mirror in (rm.SquaredL2(1.0), rm.Shannon(1.0), rm.Tsallis(1.5, 1.0)):
        ...     run = rm.theory.mirror_descent_on_simplex(
        ...         lambda p: p - target, np.full(3, 1 / 3), mirror, step_size=0.5, iterations=60
        ...     )
        ...     print(run.points[-1].round(3))
        [0.4 0.6 0. ]
        [0.4 0.6 0. ]
        [0.4 0.6 0. ]

    References:
        Nemirovski & Yudin 1983, "Problem complexity and method efficiency in optimization"; Beck &
        Teboulle 2003, Operations Research Letters 31(3), equation 3.11; Bubeck 2015, Foundations
        and Trends in Machine Learning 8(3-4), section 4.2.
    """
    p, mirror, allowed = _check_start(start, mirror)
    step_sizes = _check_step_sizes(step_size, iterations)
    find_gradient = _as_function(gradient, p.size, iterations)
    points, duals = [p], [_find_dual(mirror, p, allowed)]
    gradients, moved = [], []
    for t in range(iterations):
        g = find_gradient(t, points[-1])
        step = step_sizes[t] * subtract_best(-g, allowed)
        zeta = normalise_dual(np.where(allowed, duals[-1], 0.0) + step, allowed)
        p = policy_from_dual(mirror, zeta, allowed)
        gradients.append(g)
        moved.append(zeta)
        points.append(p)
        # where h is steep ζ is a subgradient at the new point, also if a probability underflows
        duals.append(zeta if mirror.steep else _find_dual(mirror, p, allowed))
    empty = np.empty((0, p.size))
    return SimplexTrajectory(
        mirror,
        np.stack(points),
        np.stack(duals),
        np.stack(gradients) if gradients else empty,
        step_sizes,
        np.stack(moved) if moved else empty,
    )


@checked(run=Instance(SimplexTrajectory))
def mirror_descent_regret(run: SimplexTrajectory, comparator: ArrayLike) -> Float[np.ndarray, " n"]:
    r"""Return the average regret of mirror descent against a distribution, after each step.

    .. math::
        \frac{\sum_{t<k} \eta_t \langle g_t, p_t - u \rangle}{\sum_{t<k} \eta_t},
        \qquad k = 1 \dots n

    If the g_t are gradients of a convex f, it is at least f at the average of p_0 … p_{k-1} with
    weights η_t, minus f(u), and at least the smallest f(p_t) - f(u).

    Args:
        run: The run.
        comparator: (A,) u.

    Examples:
        >>> import numpy as np, regmdp as rm
        >>> run = rm.theory.mirror_descent_on_simplex(
        ...     [1.0, 0.0], [0.5, 0.5], rm.Shannon(1.0), step_size=1.0, iterations=3
        ... )
        >>> rm.theory.mirror_descent_regret(run, [0.0, 1.0]).round(4)
        array([0.5   , 0.3845, 0.296 ])
    """
    u = _check_comparator(run, comparator)
    gains = run.step_sizes * np.einsum("ta,ta->t", run.gradients, run.points[:-1] - u)
    return np.cumsum(gains) / np.cumsum(run.step_sizes)


@checked(run=Instance(SimplexTrajectory))
def mirror_descent_regret_bound(
    run: SimplexTrajectory, comparator: ArrayLike
) -> Float[np.ndarray, " n"]:
    r"""Bound :func:`mirror_descent_regret` by the divergence from the start and the gradients.

    .. math::
        \frac{\sum_{t<k} \eta_t \langle g_t, p_t - u \rangle}{\sum_{t<k} \eta_t}
        \le \frac{D_h(u, p_0; \xi_0)
        + \tfrac{1}{2\mu} \sum_{t<k} \eta_t^2 \|g_t\|^2}{\sum_{t<k} \eta_t}

    if h is μ-strongly convex in ℓ1. A constant added to a gradient changes no step, so that ‖g‖ is
    the smallest sup norm, half of max g - min g. With \(\|g_t\| \le L\), the step size \(\eta =
    \frac{1}{L} \sqrt{2 \mu D/n}\) gives \(L \sqrt{2 D/(\mu n)}\): for Shannon from the uniform
    distribution at most \(L \sqrt{2 \log A/n}\).

    Args:
        run: The run.
        comparator: (A,) u.

    Returns:
        The bounds after 1 … n steps; ∞ where the divergence is, or if no μ is known.

    Examples:
        >>> import numpy as np, regmdp as rm
        >>> run = rm.theory.mirror_descent_on_simplex(
        ...     [1.0, 0.0], [0.5, 0.5], rm.Shannon(1.0), step_size=1.0, iterations=3
        ... )
        >>> rm.theory.mirror_descent_regret_bound(run, [0.0, 1.0]).round(4)
        array([0.8181, 0.4716, 0.356 ])

    References:
        Beck & Teboulle 2003, Operations Research Letters 31(3), Theorem 4.1; Bubeck 2015,
        Foundations and Trends in Machine Learning 8(3-4), Theorem 4.2. There the norm of g is the
        sup norm, and the subgradients of h are gradients.
    """
    u = _check_comparator(run, comparator)
    modulus = run.mirror.strong_convexity(u.size)
    if not modulus > 0.0:
        return np.full(run.step_sizes.size, np.inf)
    allowed = _find_domain(run.mirror, u.size)
    distance = float(run.mirror.divergence(u, run.points[0], run.duals[0]))
    norms = 0.5 * np.ptp(run.gradients[:, allowed], axis=1)
    errors = np.cumsum((run.step_sizes * norms) ** 2) / (2.0 * modulus)
    return (distance + errors) / np.cumsum(run.step_sizes)


def _find_dual(
    mirror: Regularizer, p: Float[np.ndarray, " A"], allowed: Bool[np.ndarray, " A"]
) -> Float[np.ndarray, " A"]:
    """Return a subgradient of h at p with maximum 0, and -inf at forbidden actions."""
    slope = np.asarray(mirror.subgradient(p, allowed))
    return normalise_dual(np.where(allowed, slope, 0.0), allowed)


def _find_domain(mirror: Regularizer, n_actions: int) -> Bool[np.ndarray, " A"]:
    """Return the (A,) mask of the actions that h permits."""
    domain = mirror.domain(None)
    return np.broadcast_to(True if domain is None else np.asarray(domain), (n_actions,))


def _check_start(
    start: ArrayLike, given: object
) -> tuple[Float[np.ndarray, " A"], Regularizer, Bool[np.ndarray, " A"]]:
    """Return the start, the mirror map for one state, and the mask of the actions it permits.

    Raises:
        PolicyError: if the start is not a distribution, or the mirror map has no subgradient there.
        SolverError: if the mirror map is not a regularizer.
    """
    mirror = check_mirror_map(given)
    p = _check_distribution("the start", start)
    mirror.check(np.ones((1, p.size), dtype=np.bool_))
    mirror = mirror.at(0)
    allowed = _find_domain(mirror, p.size)
    missing = allowed & ~(p > 0)
    if mirror.steep and missing.any():
        raise PolicyError(
            describe_first(
                missing,
                lambda action: (
                    f"the start gives action {action} probability 0, where {mirror!r} is "
                    "infinitely steep: no step would change it"
                ),
                "actions",
                "mix the start with the uniform distribution",
            )
        )
    if np.any((p > 0) & ~allowed) or not np.isfinite(mirror.value(p)):
        raise PolicyError(f"{mirror!r} is infinite at the start; start where it is finite")
    return p, mirror, allowed


def _check_comparator(run: SimplexTrajectory, comparator: ArrayLike) -> Float[np.ndarray, " A"]:
    u = _check_distribution("the comparator", comparator)
    if u.size != run.points.shape[1]:
        raise PolicyError(
            f"the comparator must have {run.points.shape[1]} probabilities, as the points have, "
            f"not {u.size}"
        )
    return u


def _check_distribution(name: str, values: ArrayLike) -> Float[np.ndarray, " A"]:
    """Return a distribution with a sum of 1.

    Raises:
        PolicyError: if it is none.
    """
    p = Distributions("A").check(name, values, None, PolicyError)
    return p / p.sum()


def _check_step_sizes(step_size: ArrayLike, n_steps: int) -> Float[np.ndarray, " n"]:
    """Return the (n,) step sizes.

    Raises:
        SolverError: if they are not n positive numbers.
    """
    given = check_array("step_size", step_size)
    if given.shape not in ((), (n_steps,)):
        raise SolverError(
            f"step_size must be a number or of shape (n,) = ({n_steps},), not {given.shape}"
        )
    wrong = ~((given > 0.0) & np.isfinite(given))
    if wrong.any():
        raise SolverError(
            describe_first(
                np.atleast_1d(wrong),
                lambda t: f"step_size must be positive and finite, not {given.ravel()[t]:g}",
                "step sizes",
            )
        )
    return np.broadcast_to(given, (n_steps,))


def _as_function(
    gradient: Callable[[Float[np.ndarray, " A"]], ArrayLike] | ArrayLike,
    n_actions: int,
    n_steps: int,
) -> Callable[[int, Float[np.ndarray, " A"]], Float[np.ndarray, " A"]]:
    """Return a function from the number of a step and a point to the checked gradient."""
    shape = (n_actions,)
    if callable(gradient):
        return lambda t, p: _check_gradient(gradient(p.copy()), f"after {t} steps", shape)
    given = _check_gradient(gradient, "given", shape, (n_steps, n_actions))
    rows = np.broadcast_to(given, (n_steps, n_actions))
    return lambda t, p: rows[t]


def _check_gradient(
    values: ArrayLike, where: str, *shapes: tuple[int, ...]
) -> Float[np.ndarray, "*shape"]:
    """Return a gradient of finite numbers, with one of several shapes.

    Raises:
        SolverError: if it is anything else.
    """
    g = check_array(f"the gradient {where}", values)
    if g.shape not in shapes:
        wanted = " or ".join(map(str, shapes))
        raise SolverError(f"the gradient {where} must have shape {wanted}, not {g.shape}")
    if not np.all(np.isfinite(g)):
        index = tuple(int(i) for i in np.argwhere(~np.isfinite(g))[0])
        raise SolverError(f"the gradient {where} is {g[index]} at {index}; it must be finite")
    return g
