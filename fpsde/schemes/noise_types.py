"""What kind of noise a process has: the classes in which the orders of schemes are stated."""

from __future__ import annotations

from functools import lru_cache
from itertools import combinations
from typing import Any

import sympy as sp

from fpsde.noise_class import NoiseType


def is_black_box(process: Any) -> bool:
    """Return whether a process is array functions without formulas."""
    return getattr(process, "black_box", False)


@lru_cache(maxsize=256)
def noise_types(process: Any) -> frozenset[NoiseType]:
    """Return the classes of noise that a process belongs to, read off its sigma; a black box states them."""
    if is_black_box(process):
        return frozenset(process.noise_types)
    sigma, x = process.statement.sigma, process.statement.x
    found = {NoiseType.GENERAL}
    if process.additive:
        found.add(NoiseType.ADDITIVE)
    if sigma.shape[1] == 1:
        found.add(NoiseType.SCALAR)
    if _is_diagonal(sigma, x):
        found.add(NoiseType.DIAGONAL)
    if len(found) > 1 or _commutes(sigma, x):
        found.add(NoiseType.COMMUTATIVE)
    return frozenset(found)


def along_noise(sigma: sp.Matrix, x: tuple[sp.Symbol, ...]) -> dict[tuple[int, int, int], sp.Expr]:
    """Return the terms L^j sigma_ik = sum_l sigma_lj d(sigma_ik)/dx_l that are not zero, by (i, j, k)."""
    d, m = sigma.shape
    slopes = {(i, k): [sp.diff(sigma[i, k], x_l) for x_l in x] for i in range(d) for k in range(m)}
    terms = {
        (i, j, k): sp.Add(*(sigma[n, j] * slope for n, slope in enumerate(slopes[i, k]) if slope != 0))
        for i in range(d)
        for j in range(m)
        for k in range(m)
    }
    return {place: term for place, term in terms.items() if term != 0}


@lru_cache(maxsize=256)
def meetings(process: Any) -> frozenset[tuple[int, int]]:
    """Return the (j, k) for which channel k reads a component that channel j moves.

    For all others sigma_k is the same all along sigma_j. Of a black box the class of its noise says it.
    """
    channels = range(process.channels)
    if is_black_box(process):
        if NoiseType.ADDITIVE in process.noise_types:
            return frozenset()
        apart = NoiseType.DIAGONAL in process.noise_types
        return frozenset((j, k) for j in channels for k in channels if j == k or not apart)
    sigma, x = process.statement.sigma, process.statement.x
    moved = [{x_l for x_l, entry in zip(x, sigma[:, j], strict=True) if entry != 0} for j in channels]
    read = [set().union(*(entry.free_symbols for entry in sigma[:, k])) for k in channels]
    return frozenset((j, k) for j in channels for k in channels if moved[j] & read[k])


def met_pairs(process: Any) -> tuple[tuple[int, int], ...]:
    """Return the pairs of channels j < k of which one meets the other, in their order."""
    met = meetings(process)
    return tuple((j, k) for j, k in combinations(range(process.channels), 2) if {(j, k), (k, j)} & met)


def _is_diagonal(sigma: sp.Matrix, x: tuple[sp.Symbol, ...]) -> bool:
    d, m = sigma.shape
    entries = [(i, j, sigma[i, j]) for i in range(d) for j in range(m)]
    return d == m and all(not e.free_symbols & (set(x) - {x[i]}) if i == j else e == 0 for i, j, e in entries)


def _commutes(sigma: sp.Matrix, x: tuple[sp.Symbol, ...]) -> bool:
    terms = along_noise(sigma, x)
    d, m = sigma.shape
    pairs = [(i, j, k) for i in range(d) for j, k in combinations(range(m), 2)]
    zero = sp.Integer(0)
    return all(sp.simplify(terms.get((i, j, k), zero) - terms.get((i, k, j), zero)) == 0 for i, j, k in pairs)
