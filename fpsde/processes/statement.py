"""What a process states, as SymPy expressions: drift and sigma traced from functions, and what follows from them.

The Itô drift, the Stratonovich one and the diffusivity D = sigma sigma^T / 2 are derived here, once.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import sympy as sp

from fpsde.errors import InvalidInput
from fpsde.functions import TABLE
from fpsde.model_functions import call, real_expression, trace
from fpsde.symbolic import Parameters, Traced, components, parameter_symbols, real_symbol, unwrap


class Interpretation(enum.Enum):
    """At which end of a step the noise coefficient is taken: it decides the Itô drift mu (one dimension, b = sigma)."""

    ITO = "Itô"  #: mu = drift
    STRATONOVICH = "Stratonovich"  #: mu = drift + (1/2) b b'
    KINETIC = "kinetic"  #: mu = drift + b b'  (Hänggi-Klimontovich, post-point: flux = drift p - D p')


ITO, STRATONOVICH, KINETIC = Interpretation.ITO, Interpretation.STRATONOVICH, Interpretation.KINETIC


@dataclass(frozen=True)
class Statement:
    """The traced form of a process: SymPy symbols, and what the process is in them."""

    x: tuple[sp.Symbol, ...]
    t: sp.Symbol
    parameters: tuple[sp.Symbol, ...]  #: in the order of :meth:`Process.parameter_values`
    tables: tuple[sp.Symbol, ...]
    drift: tuple[sp.Expr, ...]  #: as stated
    sigma: sp.Matrix  #: (d, m)
    ito_drift: tuple[sp.Expr, ...]
    stratonovich_drift: tuple[sp.Expr, ...]
    diffusivity: sp.Matrix  #: D = sigma sigma^T / 2, (d, d)
    rate: sp.Expr | None = None  #: the noise rate beta(t) of a variance-preserving process
    energy: sp.Expr | None = None  #: the stationary density is exp(-energy/temperature)/Z
    denoiser: tuple[sp.Expr, ...] | None = None  #: E[X_0 | X_0 + level Z = x], with t in the place of the level


def traced(process: Any) -> Statement:
    """Return what a process states; InvalidInput, with file and line, where its functions cannot be traced."""
    d = process.dim
    x = tuple(real_symbol("x" if d == 1 else f"x{i}") for i in range(d))
    t = real_symbol("t")
    constants, tables = parameter_symbols(process.params), parameter_symbols(dict.fromkeys(process.tables, 0.0), TABLE)
    p = Parameters(**constants, **tables)
    arguments = (Traced(x[0]) if d == 1 else tuple(components(x)), Traced(t), p)
    drift = np.atleast_1d(trace(process.drift, *arguments, shape=() if d == 1 else (d,)))
    sigma = sigma_matrix(process.sigma, arguments, d)
    rate = None if process.rate is None else real_expression(call(process.rate, Traced(t), p), process.rate)
    energy = None if process.energy is None else real_expression(call(process.energy, *arguments), process.energy)
    denoiser = None if process.denoiser is None else _traced_denoiser(process, arguments, tables)
    ito_drift = ito_drift_of(tuple(drift), sigma, x, process.interpretation)
    return Statement(
        x=x,
        t=t,
        parameters=tuple(unwrap(v) for value in constants.values() for v in np.ravel(np.asarray(value, dtype=object))),
        tables=tuple(unwrap(value) for value in tables.values()),
        drift=tuple(drift),
        sigma=sigma,
        ito_drift=ito_drift,
        stratonovich_drift=_stratonovich_drift(tuple(drift), ito_drift, sigma, x, process.interpretation),
        diffusivity=(sigma * sigma.T / 2),
        rate=rate,
        energy=energy,
        denoiser=denoiser,
    )


def _traced_denoiser(process: Any, arguments: tuple, tables: Mapping[str, Any]) -> tuple[sp.Expr, ...]:
    """Return the denoiser with the symbol of t in the place of the level."""
    function: Callable = process.denoiser

    def in_place(x: Any, t: Any, p: Any) -> Any:
        return function(x, t, p)

    d = process.dim
    found = tuple(np.atleast_1d(trace(in_place, *arguments, shape=() if d == 1 else (d,))))
    read = set().union(*(e.free_symbols for e in found)) & {unwrap(v) for v in tables.values()}
    if read:
        raise InvalidInput(
            f"the denoiser of {process.name} reads {sorted(map(str, read))}; it is read at levels of its own, between "
            "those of the tables, and may read (x, level) and parameters alone"
        )
    return found


def sigma_matrix(function: Callable, arguments: tuple, d: int) -> sp.Matrix:
    """Return sigma (d, m) as ``function(*arguments)`` states it: a component, d of them, or d rows of m."""
    result = call(function, *arguments)
    given = np.asarray(result if not isinstance(result, Traced) else [result], dtype=object)
    given = np.atleast_1d(given)
    if given.shape == (d,):  # diagonal noise; in one dimension the scalar
        return sp.diag(*(real_expression(v, function) for v in given))
    if given.ndim == 2 and given.shape[0] == d:
        return sp.Matrix(d, given.shape[1], [real_expression(v, function) for v in given.ravel()])
    raise InvalidInput(
        f"sigma returned shape {given.shape}; ({d},) for diagonal noise or ({d}, m) is needed, component first"
    )


def ito_drift_of(drift: tuple, sigma: sp.Matrix, x: tuple, interpretation: Interpretation) -> tuple[sp.Expr, ...]:
    """Return the Itô drift: Stratonovich adds (1/2) sum_jk sigma_kj d_k sigma_ij, kinetic adds sum_j d_j D_ij.

    Source: Hütter & Öttinger, J. Chem. Soc. Faraday Trans. 94 (1998) 1403.
    """
    d = len(x)
    if interpretation is ITO:
        return drift
    if interpretation is STRATONOVICH:
        extra = _half_noise_slope(sigma, x)
    else:
        D = sigma * sigma.T / 2
        extra = [sum((sp.diff(D[i, j], x[j]) for j in range(d)), sp.Integer(0)) for i in range(d)]
    return tuple(b + e for b, e in zip(drift, extra, strict=True))


def _stratonovich_drift(
    drift: tuple, ito_drift: tuple, sigma: sp.Matrix, x: tuple, interpretation: Interpretation
) -> tuple[sp.Expr, ...]:
    """Return the drift of the Stratonovich form of the same process: mu - (1/2) sum_jk sigma_kj d_k sigma_ij."""
    if interpretation is STRATONOVICH:
        return drift
    return tuple(mu - extra for mu, extra in zip(ito_drift, _half_noise_slope(sigma, x), strict=True))


def _half_noise_slope(sigma: sp.Matrix, x: tuple) -> list[sp.Expr]:
    """Return (1/2) sum_jk sigma_kj d_k sigma_ij of each component i."""
    d, m = sigma.shape
    return [
        sum((sigma[k, j] * sp.diff(sigma[i, j], x[k]) for j in range(m) for k in range(d)), sp.Integer(0)) / 2
        for i in range(d)
    ]
