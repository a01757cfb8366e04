"""Masses of a plane at later times without steps of time, as sums of terms that are not negative (uniformisation).

exp(tQ) m = sum_k Poisson(k; L t) (1 + Q/L)^k m,      L = max|Q_ii|                 (Jensen 1953)
"""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from fpsde.arrays import Device, host
from fpsde.errors import InvalidInput
from fpsde.fokker_planck.evolution import Trace
from fpsde.fokker_planck.exact_in_time import JUMPS, NEGLIGIBLE
from fpsde.fokker_planck.initial import Start
from fpsde.fokker_planck.plane.generator import PlaneGenerator
from fpsde.fokker_planck.plane.jumps_on_gpu import Entries, MatrixOnGpu
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
        q.entries, q.exits, q.max_rate, start.masses, start.absorbed, times, device=device, fast=fast
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
    entries: Entries,
    exits: np.ndarray | Entries,
    rate: float,
    masses: Any,
    absorbed: Any,
    times: np.ndarray,
    *,
    device: Device | None,
    fast: bool,
) -> tuple[np.ndarray, np.ndarray, int]:
    """Return masses ``(n_times, n)`` and absorbed mass ``(n_times, k)`` at ``times[1:]``, and the number of products.

    ``entries`` are those of Q (n, n); ``exits`` (k, n), or their entries, are the rates into each of k walls, and
    ``rate`` is at least the largest total rate out of a cell. The ``device``, if there is one, is the current one.
    """
    n, (rows_of, columns, values) = len(masses), entries
    here = np.arange(n)
    chances = np.concatenate([here, rows_of]), np.concatenate([here, columns]), np.r_[np.ones(n), values / rate]
    made = _sparse if device is None else partial(MatrixOnGpu, device=device, fast=fast)
    jump, products = made(chances, (n, n)), 0
    there = np.asarray if device is None else device.array
    masses, absorbed = there(masses), there(absorbed)
    if isinstance(exits, np.ndarray):
        leave = there(exits / rate)
    else:
        leave = made((exits[0], exits[1], exits[2] / rate), (len(absorbed), n))
    rows, walls = [], []
    for dt in np.diff(times):
        pieces = int(np.ceil(rate * dt / JUMPS))
        for _ in range(pieces):
            masses, absorbed, used = _carried(jump, leave, rate * dt / pieces, masses, absorbed)
            products += used
        rows.append(host(masses))
        walls.append(host(absorbed))
    return np.array(rows), np.array(walls), products


def _sparse(entries: Entries, shape: tuple[int, int]) -> Any:
    rows, columns, values = entries
    return sparse.csr_array((values, (rows, columns)), shape=shape)


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
