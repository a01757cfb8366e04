"""Where a step is not smooth in x: panels end there, since quadrature over a jump or a kink converges slowly."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np
import sympy as sp
from scipy.optimize import brentq
from sympy.core.relational import Relational

from fpsde.functions import absolute, maximum, minimum, rint, sign, where

#: Points of the table in which sign changes are sought.
TABLE = 2049


def switches(exprs: Iterable[sp.Expr]) -> tuple[sp.Expr, ...]:
    """Return the expressions at whose zeros ``exprs`` change their formulas: in |u|, sign u, min, max, where, rint."""
    found: set[sp.Expr] = set()
    for e in exprs:
        found |= {f.args[0] for f in e.atoms(absolute, sign)}
        found |= {f.args[0] - f.args[1] for f in e.atoms(minimum, maximum)}
        found |= {r.lhs - r.rhs for f in e.atoms(where) for r in f.args[0].atoms(Relational)}
        found |= {sp.cos(sp.pi * f.args[0]) for f in e.atoms(rint)}
    return tuple(sorted(found, key=sp.default_sort_key))


def kinks(changes: Callable[..., tuple], row: np.ndarray, low: float, high: float) -> np.ndarray:
    """Return the zeros in (low, high) of the switches ``changes(x, *row)``, increasing."""
    table = np.linspace(low, high, TABLE)
    with np.errstate(all="ignore"):
        signs = [np.sign(np.broadcast_to(v, TABLE)) for v in changes(table, *row)]
        found = [table[1:-1][s[1:-1] == 0] for s in signs if s.any()]
        for k, s in enumerate(signs):
            crossed = np.flatnonzero(s[:-1] * s[1:] < 0)
            ends = zip(table[crossed], table[crossed + 1], strict=True)
            found.append(np.array([brentq(lambda x, k=k: changes(x, *row)[k], *pair, xtol=1e-15) for pair in ends]))
    return np.unique(np.concatenate(found)) if found else np.empty(0)
