"""Masses of a plane at later times without steps of time, as sums of terms that are not negative (uniformisation).

exp(tQ) m = sum_k Poisson(k; L t) (1 + Q/L)^k m,      L = max|Q_ii|                 (Jensen 1953)
"""

from __future__ import annotations

from typing import Any

import numpy as np

from fpsde.arrays import Device, host
from fpsde.errors import InvalidInput
from fpsde.fokker_planck.evolution import Trace
from fpsde.fokker_planck.exact_in_time import JUMPS, NEGLIGIBLE
from fpsde.fokker_planck.initial import Start
from fpsde.fokker_planck.plane.generator import PlaneGenerator
from fpsde.fokker_planck.plane.jumps_on_gpu import MatrixOnGpu
from fpsde.optional import optional

sparse = optional("scipy.sparse")

#: A run of more products than this is refused: some minutes on ten thousand cells.
MOST_PRODUCTS = 2e6


def trace_by_sums(
    q: PlaneGenerator,
    start: Start,
    times: np.ndarray,
    fringe: np.ndarray,
    *,
    device: Device | None = None,
    fast: bool = False,
) -> Trace:
    """Return the masses at ``times[1:]``, counted from ``times[0]``; InvalidInput for more than ``MOST_PRODUCTS``.

    Sums are taken on the ``device``, if one is given; ``fast`` fuses products into them.
    """
    refuse_too_many_products(q.max_rate, times, instead="evolve")
    found, walls, products = carried_by_sums(
        q.matrix, q.exits, q.max_rate, start.masses, start.absorbed, times, device=device, fast=fast
    )
    return Trace(
        masses=found,
        absorbed=walls,
        minimum=float(min(start.masses.min(), found.min())),
        edge=tuple((fringe @ found.T).max(axis=1).tolist()),
        dt=None,
        n_steps=products,
        n_refused=0,
        time_error=NEGLIGIBLE * products,
    )


def refuse_too_many_products(rate: float, times: np.ndarray, *, instead: str) -> None:
    """Raise InvalidInput for more than ``MOST_PRODUCTS``, which says what to use ``instead``."""
    products = rate * (times[-1] - times[0])
    if not products < MOST_PRODUCTS:
        raise InvalidInput(
            f"max|Q_ii|={rate:.3g} makes {products:.3g} products with Q up to t={times[-1]}, more than "
            f"{MOST_PRODUCTS:.3g}; use {instead}, or wider cells"
        )


def carried_by_sums(
    matrix: Any,
    exits: Any,
    rate: float,
    masses: Any,
    absorbed: Any,
    times: np.ndarray,
    *,
    device: Device | None,
    fast: bool,
) -> tuple[np.ndarray, np.ndarray, int]:
    """Return masses ``(n_times, n)`` and absorbed mass ``(n_times, k)`` at ``times[1:]``, and the number of products.

    ``matrix`` (n, n) is Q, sparse; ``exits`` (k, n), dense or sparse, are the rates into each of k walls, and ``rate``
    is at least the largest total rate out of a cell.
    """
    jump: Any = sparse.csr_array(sparse.eye_array(len(masses)) + matrix / rate)
    leave, products = exits / rate, 0
    if device is not None:
        jump = MatrixOnGpu(jump, device, fast=fast)
        with device.current():
            masses, absorbed = device.array(masses), device.array(absorbed)
            leave = MatrixOnGpu(leave, device, fast=fast) if sparse.issparse(leave) else device.array(leave)
    rows, walls = [], []
    for dt in np.diff(times):
        pieces = int(np.ceil(rate * dt / JUMPS))
        for _ in range(pieces):
            masses, absorbed, used = _carried(jump, leave, rate * dt / pieces, masses, absorbed)
            products += used
        rows.append(host(masses))
        walls.append(host(absorbed))
    return np.array(rows), np.array(walls), products


def _carried(jump: Any, leave: Any, jumps: float, masses: Any, absorbed: Any) -> tuple[Any, Any, int]:
    """Return masses and absorbed mass after a Poisson number of jumps, of this mean, and the number of products."""
    term, lost, weight, k = masses, np.zeros_like(absorbed), float(np.exp(-jumps)), 0
    out, walls = weight * masses, absorbed.copy()
    while k <= jumps or weight > NEGLIGIBLE:
        lost = lost + leave @ term
        term = jump @ term
        k += 1
        weight *= jumps / k
        out = out + weight * term
        walls += weight * lost
    return out, walls, k
