"""What a splitting of underdamped dynamics reads off the statement of a process: force, friction, noise of v."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import sympy as sp

from fpsde.errors import Unsuited

_NEEDED = (
    "a splitting needs d = 2k components (x_1 .. x_k, v_1 .. v_k) with dx_i = v_i dt without noise and "
    "dv_i = (B_i(x, t) - gamma_i v_i) dt + sigma_i dW, where gamma and sigma are free of x and v, and noise that is "
    "correlated only between components of one friction; fpsde.underdamped(potential) is such a process"
)


@dataclass(frozen=True)
class Pieces:
    """dx = v dt,  dv = (force(x, t) - friction v) dt + sigma dW, by SymPy expressions; x and v have k components."""

    force: tuple[sp.Expr, ...]  #: B_i, force over mass, (k,)
    friction: tuple[sp.Expr, ...]  #: gamma_i, (k,), in 1/time
    sigma: sp.Matrix  #: the rows of sigma that move v, (k, m)


@lru_cache(maxsize=64)
def langevin_pieces(process: Any) -> Pieces:
    """Return the pieces of a process in velocity form; Unsuited says which part of the form it does not have."""
    s = process.statement
    k, odd = divmod(len(s.x), 2)
    if odd:
        raise Unsuited(f"{process.name} has {len(s.x)} components, which is odd; {_NEEDED}")
    x, v = s.x[:k], s.x[k:]
    for x_i, v_i, mu in zip(x, v, s.ito_drift, strict=False):
        if sp.expand(mu - v_i) != 0:
            raise Unsuited(f"the drift of {x_i} in {process.name} is {mu}, not {v_i}; {_NEEDED}")
    if any(s.sigma[:k, :]):
        raise Unsuited(f"noise acts on {', '.join(map(str, x))} of {process.name}; {_NEEDED}")
    slopes = [[sp.expand(-sp.diff(mu, v_j)) for v_j in v] for mu in s.ito_drift[k:]]
    friction = tuple(slopes[i][i] for i in range(k))
    sigma = s.sigma[k:, :]
    varying = set().union(*(e.free_symbols for e in (*(e for row in slopes for e in row), *sigma))) & set(s.x)
    if varying:
        names = ", ".join(sorted(map(str, varying)))
        raise Unsuited(f"friction or noise of {process.name} depend on {names}; {_NEEDED}")
    covariance = sigma * sigma.T
    for i in range(k):
        for j in range(i):
            if slopes[i][j] != 0 or slopes[j][i] != 0:
                raise Unsuited(f"the friction of {process.name} couples {v[j]} and {v[i]}; {_NEEDED}")
            if friction[i] != friction[j] and sp.expand(covariance[i, j]) != 0:
                raise Unsuited(f"{v[j]} and {v[i]} of {process.name} share noise but not friction; {_NEEDED}")
    at_rest = dict.fromkeys(v, sp.Integer(0))
    return Pieces(tuple(mu.xreplace(at_rest) for mu in s.ito_drift[k:]), friction, sigma)
