"""The osmotic velocity: what ties the drift of a diffusion to its density.

    mu = v + u,    u_i = d_j D_ij + D_ij d_j log p        (sums over j)

The Fokker-Planck equation dp/dt = -d_i(mu_i p) + d_i d_j(D_ij p) then reads dp/dt = -d_i(v_i p): p is carried by the
current velocity v alone. Reversed in time, v changes its sign and u does not.
Source: Nelson, Dynamical Theories of Brownian Motion (1967), section 13, for constant D.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import sympy as sp

from fpsde.processes.gradient import potential_at
from fpsde.processes.statement import sigma_matrix


def osmotic_velocity(log_density: Callable, sigma: Callable, x: Any, t: Any, p: Any) -> list[sp.Expr]:
    """Return u at ``x``, a traced component or a tuple of them; log p may lack a constant."""
    parts = x if isinstance(x, tuple) else (x,)
    symbols, d = [x_i.expr for x_i in parts], len(parts)
    b = sigma_matrix(sigma, (x, t, p), d)
    D = b * b.T / 2
    slopes = [sp.diff(potential_at(log_density, x, t, p), x_i) for x_i in symbols]
    return [
        sum((sp.diff(D[i, j], symbols[j]) + D[i, j] * slopes[j] for j in range(d)), sp.Integer(0)) for i in range(d)
    ]
