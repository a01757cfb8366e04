"""The coefficients that a step asks for: as staged SymPy expressions while tracing, or as arrays for plain runs."""

from __future__ import annotations

from typing import Any

import numpy as np
import sympy as sp

from fpsde.errors import InvalidInput
from fpsde.symbolic import TABLE, Parameters, Traced, components, parameter_symbols, real_symbol, unwrap


class StagedModel:
    """The model of a traced process. Each evaluation of a coefficient becomes a stage: named arguments, named values.

    Stages keep expressions small (a splitting with several force evaluations is never substituted into one formula),
    and ``assignments`` lists them in order, (symbol, expression).
    """

    def __init__(self, process: Any) -> None:
        self.statement = process.statement
        self.name = process.name
        self.assignments: list[tuple[sp.Symbol, Any]] = []
        self._known: dict[tuple, Any] = {}
        self.p = Parameters(**parameter_symbols(process.params), **parameter_symbols(dict.fromkeys(process.tables, 0.0), TABLE))

    def named(self, e: Any) -> sp.Symbol:
        """Return a symbol that stands for ``e``; symbols and numbers stand for themselves."""
        e = unwrap(e)
        if e.is_Symbol or e.is_number:
            return e
        symbol = real_symbol(f"u{len(self.assignments)}")
        self.assignments.append((symbol, e))
        return symbol

    def _at(self, what: str, exprs: tuple, x: Any, t: Any) -> np.ndarray:
        """Return the named values of expressions in (x, t) at a stage."""
        point = (*(self.named(v) for v in x), self.named(t))
        key = (what, *point)
        if key not in self._known:
            place = dict(zip((*self.statement.x, self.statement.t), point, strict=True))
            values = [self.named(sp.sympify(e).xreplace(place)) for e in exprs]
            self._known[key] = components(values)
        return self._known[key]

    def drift(self, x: Any, t: Any) -> np.ndarray:
        """The Itô drift, (d,)."""
        return self._at("drift", self.statement.ito_drift, x, t)

    def sigma(self, x: Any, t: Any) -> np.ndarray:
        """sigma, (d, m)."""
        return self._at("sigma", tuple(self.statement.sigma), x, t).reshape(self.statement.sigma.shape)

    def noise(self, x: Any, t: Any, dw: Any) -> np.ndarray:
        """sigma dw, (d,)."""
        return _times_dw(self.sigma(x, t), dw)

    def sigma_sigma_x(self, x: Any, t: Any) -> np.ndarray:
        """sigma_jj d(sigma_jj)/dx_j, (d,), for diagonal noise in which sigma_jj depends on x_j alone (checked)."""
        sigma, names = self.statement.sigma, self.statement.x
        d, m = sigma.shape
        for i, j in np.ndindex(d, m):
            foreign = sigma[i, j].free_symbols & (set(names) - {names[i]})
            if (i != j and sigma[i, j] != 0) or foreign:
                raise InvalidInput(
                    f"sigma[{i}, {j}] = {sigma[i, j]} of {self.name}: this scheme needs diagonal noise with sigma_jj a function of x_j alone"
                )
        return self._at("sigma_sigma_x", tuple(sigma[i, i] * sp.diff(sigma[i, i], names[i]) for i in range(d)), x, t)

    def rate(self, t: Any) -> Traced:
        """The noise rate beta(t) of a variance-preserving process."""
        if self.statement.rate is None:
            raise InvalidInput(f"{self.name} states no noise rate beta(t); this scheme needs a variance-preserving process")
        return Traced(self.named(self.statement.rate.xreplace({self.statement.t: self.named(t)})))


class ArrayModel:
    """The model of a process on arrays ``(n,)`` of each component: the same steps as plain array code."""

    def __init__(self, process: Any) -> None:
        self.process = process
        self.p = Parameters(**process.params)

    def drift(self, x: Any, t: float) -> np.ndarray:
        return components(list(self.process.ito_drift(np.stack(list(x)), t))) if len(x) > 1 else components([self.process.ito_drift(x[0], t)])

    def sigma(self, x: Any, t: float) -> np.ndarray:
        values = self.process.noise_coefficient(x[0] if len(x) == 1 else np.stack(list(x)), t)
        d, m = self.process.statement.sigma.shape
        return components(list(np.reshape(values, (d * m, -1)))).reshape(d, m)

    def noise(self, x: Any, t: float, dw: Any) -> np.ndarray:
        return _times_dw(self.sigma(x, t), dw)


def _times_dw(sigma: np.ndarray, dw: np.ndarray) -> np.ndarray:
    """sigma dw by components, leaving out the entries that are zero (diagonal noise costs d products, not d m)."""
    rows = [[(s, w) for s, w in zip(row, dw, strict=True) if not _is_zero(s)] for row in sigma]
    return components([sum((s * w for s, w in row), 0.0) for row in rows])


def _is_zero(s: Any) -> bool:
    return isinstance(s, Traced) and s.expr == 0
