"""Krylov methods for (I - γ P) x = b as generators, which their caller may leave at any time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TypeAlias

import numpy as np

from regmdp._internal.arrays import Float
from regmdp._internal.heartbeat import beat
from regmdp.evaluation.base import Chain

__all__ = ["KrylovMethod", "bicgstab", "gmres"]

#: Products between two restarts of GMRES.
RESTART = 30
#: A new direction smaller than this part of the residual is rounding: the solution is exact.
EXHAUSTED = 1e-14

#: The number of products, the (S,) solution and its (S,) residual, again and again. The arrays are
#: changed by the next step.
Steps: TypeAlias = Iterator[tuple[int, Float[np.ndarray, " S"], Float[np.ndarray, " S"]]]
#: From a chain and (S,) b to the steps of a method.
KrylovMethod: TypeAlias = Callable[[Chain, Float[np.ndarray, " S"]], Steps]


def bicgstab(chain: Chain, b: Float[np.ndarray, " S"]) -> Steps:
    """Iterate BiCGSTAB, two products a step.

    After a breakdown the numbers are not finite.

    References:
        van der Vorst 1992, SIAM J. Sci. Stat. Comput. 13(2).
    """
    x, r = np.zeros_like(b), b.copy()
    shadow, p, v = b.copy(), np.zeros_like(b), np.zeros_like(b)
    rho = alpha = omega = 1.0
    products = 0
    while True:
        new_rho = float(shadow @ r)
        p -= omega * v
        p *= new_rho / rho * alpha / omega if rho * omega else np.nan
        p += r
        v = p - chain.propagate(p)
        along = float(shadow @ v)
        alpha, rho = new_rho / along if along else np.nan, new_rho
        r -= alpha * v
        t = r - chain.propagate(r)
        square = float(t @ t)
        omega = float(t @ r) / square if square else 0.0
        x += alpha * p
        x += omega * r
        r -= omega * t
        products += 2
        yield products, x, r


def gmres(chain: Chain, b: Float[np.ndarray, " S"]) -> Steps:
    """Iterate GMRES, a step for each restart; it ends where no new direction is left.

    References:
        Saad & Schultz 1986, SIAM J. Sci. Stat. Comput. 7(3).
    """
    x, residual, products = np.zeros_like(b), b.copy(), 0
    basis = np.empty((RESTART + 1, b.size))
    while (norm := float(np.sqrt(residual @ residual))) > 0.0:
        basis[0] = residual / norm
        columns, used = np.zeros((RESTART + 1, RESTART)), RESTART
        for j in range(RESTART):
            v = basis[j] - chain.propagate(basis[j])
            for _ in range(2):  # once is not enough for orthogonality
                part = basis[: j + 1] @ v
                v -= part @ basis[: j + 1]
                columns[: j + 1, j] += part
            columns[j + 1, j] = length = float(np.sqrt(v @ v))
            if not length > EXHAUSTED:
                used = j + 1
                basis[used] = 0.0
                break
            basis[j + 1] = v / length
            beat()
        hessenberg = columns[: used + 1, :used]
        if not np.isfinite(hessenberg).all():
            return
        target = np.zeros(used + 1)
        target[0] = norm
        weights = np.linalg.lstsq(hessenberg, target)[0]
        x += weights @ basis[:used]
        residual -= (hessenberg @ weights) @ basis[: used + 1]
        products += used
        yield products, x, residual
        if used < RESTART:
            return
