"""Does a run keep its law, run back as it runs forward, and move as its generator says? Answers from particles alone.

Each statement is of the form E g = 0 over independent particles (``zero_means``), so none needs a density:

- stationarity: a law that is kept has E f(X_k) = E f(X_0) for every f;
- reversibility: under detailed balance (X_0, X_k) and (X_k, X_0) have one law: E [f(X_0) g(X_k) - f(X_k) g(X_0)] = 0;
- martingale: with P f(x, t, h) = E[f(X_{t+h}) | X_t = x] of one step, sum_k f(X_{k+1}) - P f(X_k) has mean 0 (Dynkin's
  formula of a discrete chain); f + h L f in its place is right to O(h^2) a step, which a tolerance must allow.

Sources: Kent (1978, Adv. Appl. Probab. 10, 819: reversible diffusions); Ethier & Kurtz (1986), Markov Processes,
Proposition 4.1.7 (Dynkin's martingale).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import combinations
from typing import Any

import numpy as np

from fpsde.checks.budget import SESSION_ALPHA
from fpsde.checks.design import POWER, Design, bad_values
from fpsde.checks.result import CheckResult
from fpsde.checks.zero_means import zero_means
from fpsde.errors import InvalidInput
from fpsde.validation import increasing

#: A function of the state: of ``(n,)`` where there is one component, else of ``(d, n)``; it returns ``(n,)``.
Function = Callable[[np.ndarray], Any]
StepMean = Callable[[np.ndarray, float, float], Any]


def stationarity(
    before: Any,
    after: Any,
    *,
    functions: Mapping[str, Function] | None = None,
    alpha: float = SESSION_ALPHA,
    tolerance: Any = 0.0,
    power: float = POWER,
    effect: float | None = None,
) -> CheckResult:
    """Return whether E f(``after``) = E f(``before``) for each function: whether a run keeps the law it starts from.

    Parameters
    ----------
    before, after : (n,) or (d, n): the same n particles at two times, started independently from the law in question
    functions : by name, of (n,) or (d, n), that return (n,); each gets an equal share of ``alpha``. All monomials up
        to the second degree unless given
    tolerance : bound on |E f(after) - E f(before)|, a number or (name, value) pairs that add
    power, effect : UNDERPOWERED unless a difference of this size is seen with this power

    A particle counts once, so that steps between ``before`` and ``after`` may depend on one another in any way. NaN and
    infinite values make it FAIL. Raises InvalidInput for shapes that disagree.
    """  # fmt: skip
    design = Design.of(alpha=alpha, power=power, tolerance=tolerance, effect=effect)
    x, y = _pairs(before, after)
    if n_bad := _not_finite(x, y):
        return bad_values("stationarity", n_bad, x.size + y.size, design)
    chosen = monomials(len(np.atleast_2d(x))) if functions is None else functions
    return zero_means("stationarity", {name: _at(f, y, name) - _at(f, x, name) for name, f in chosen.items()}, design)


def reversibility(
    before: Any,
    after: Any,
    *,
    pairs: Mapping[str, tuple[Function, Function]] | None = None,
    alpha: float = SESSION_ALPHA,
    tolerance: Any = 0.0,
    power: float = POWER,
    effect: float | None = None,
) -> CheckResult:
    """Return whether E f(X_0) g(X_k) = E f(X_k) g(X_0) for each pair (f, g): detailed balance, seen between two times.

    All two of the monomials up to the second degree unless ``pairs`` are given, by name; the rest as in
    :func:`stationarity`. For underdamped dynamics let ``g`` and ``f`` of
    ``after`` be read with the velocities turned round: detailed balance holds in that sense only.
    """
    design = Design.of(alpha=alpha, power=power, tolerance=tolerance, effect=effect)
    x, y = _pairs(before, after)
    if n_bad := _not_finite(x, y):
        return bad_values("reversibility", n_bad, x.size + y.size, design)
    chosen = _two_of(monomials(len(np.atleast_2d(x)))) if pairs is None else pairs
    values = {
        name: _at(f, x, name) * _at(g, y, name) - _at(f, y, name) * _at(g, x, name) for name, (f, g) in chosen.items()
    }
    return zero_means("reversibility", values, design)


def martingale(
    paths: Any,
    times: Any,
    *,
    functions: Mapping[str, tuple[Function, StepMean]],
    alpha: float = SESSION_ALPHA,
    tolerance: Any = 0.0,
    power: float = POWER,
    effect: float | None = None,
) -> CheckResult:
    """Return whether sum_k f(X_{k+1}) - P f(X_k) has mean zero for each f: whether steps move as they should.

    Parameters
    ----------
    paths : (m + 1, n) or (m + 1, d, n) independent paths; times : (m + 1,) strictly increasing
    functions : by name, (f, step mean): step_mean(x, t, h) = E[f(X_{t+h}) | X_t = x], exactly for the scheme (for
        Euler-Maruyama and f = x^2: (x + b h)^2 + sigma^2 h), or f + h L f within a tolerance of O(h)
    tolerance : bound on the mean of the sum, a number or (name, value) pairs that add
    power, effect : UNDERPOWERED unless a mean of this size is seen with this power

    NaN and infinite values make it FAIL. Raises InvalidInput for shapes that disagree.
    """  # fmt: skip
    design = Design.of(alpha=alpha, power=power, tolerance=tolerance, effect=effect)
    x, grid = np.asarray(paths, dtype=np.float64), increasing("times", times)
    if x.ndim not in (2, 3) or len(x) != len(grid) or len(grid) < 2:
        raise InvalidInput(
            f"paths have shape {x.shape} and times {grid.shape}; give paths (m + 1, n) or (m + 1, d, n) and times "
            f"(m + 1,) with at least one step"
        )
    if n_bad := _not_finite(x):
        return bad_values("martingale", n_bad, x.size, design)
    return zero_means("martingale", {name: _drifted(x, grid, *pair, name) for name, pair in functions.items()}, design)


def _drifted(x: np.ndarray, grid: np.ndarray, f: Function, mean: StepMean, name: str) -> np.ndarray:
    """Return the sum of f(X_{k+1}) - P f(X_k) over the steps, (n,)."""
    total = np.zeros(x.shape[-1])
    for k in range(len(grid) - 1):
        t, h = float(grid[k]), float(grid[k + 1] - grid[k])
        total += _at(f, x[k + 1], name) - _shaped(mean(x[k], t, h), x[k], name)
    return total


def _pairs(before: Any, after: Any) -> tuple[np.ndarray, np.ndarray]:
    x, y = (np.asarray(getattr(side, "x", side), dtype=np.float64) for side in (before, after))
    x, y = (side[0] if side.ndim == 2 and len(side) == 1 else side for side in (x, y))
    if x.shape != y.shape or x.ndim not in (1, 2):
        raise InvalidInput(
            f"before has shape {x.shape} and after {y.shape}; give the same particles at two times, (n,) or (d, n) each"
        )
    return x, y


def _not_finite(*arrays: np.ndarray) -> int:
    return sum(int(np.count_nonzero(~np.isfinite(array))) for array in arrays)


def _at(f: Function, x: np.ndarray, name: str) -> np.ndarray:
    return _shaped(f(x), x, name)


def _shaped(value: Any, x: np.ndarray, name: str) -> np.ndarray:
    array = np.asarray(value, dtype=np.float64)
    if array.shape != x.shape[-1:]:
        raise InvalidInput(
            f"the function {name!r} returned shape {array.shape} for a state of shape {x.shape}; return one number for "
            f"each particle, {x.shape[-1:]}"
        )
    return array


def monomials(d: int, degree: int = 2) -> dict[str, Function]:
    """Return the monomials of d components up to a degree, by name ("x", "x^2"; "x0 x1"), as functions of the state."""
    out: dict[str, Function] = {}
    for powers in _exponents(d, degree):
        out[_named(powers)] = _monomial(powers)
    return out


def _two_of(functions: Mapping[str, Function]) -> dict[str, tuple[Function, Function]]:
    return {f"{a}, {b}": (functions[a], functions[b]) for a, b in combinations(functions, 2)}


def _exponents(d: int, degree: int) -> Sequence[tuple[int, ...]]:
    every = [p for p in np.ndindex(*(degree + 1,) * d) if 1 <= sum(p) <= degree]
    return sorted(every, key=lambda p: (sum(p), [-k for k in p]))


def _named(powers: tuple[int, ...]) -> str:
    names = ["x"] if len(powers) == 1 else [f"x{i}" for i in range(len(powers))]
    return " ".join(name if k == 1 else f"{name}^{k}" for name, k in zip(names, powers, strict=True) if k)


def _monomial(powers: tuple[int, ...]) -> Function:
    def value(x: np.ndarray) -> np.ndarray:
        rows = np.atleast_2d(x)
        return np.prod([row**k for row, k in zip(rows, powers, strict=True) if k], axis=0)

    return value
