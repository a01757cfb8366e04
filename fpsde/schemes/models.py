"""The coefficients that a step asks for: as staged SymPy expressions while tracing, or as arrays for plain runs."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

import numpy as np
import sympy as sp

from fpsde.errors import InvalidInput
from fpsde.functions import TABLE
from fpsde.printing import numpy_function
from fpsde.symbolic import Parameters, Traced, components, parameter_symbols, real_symbol, unwrap


class Model(ABC):
    """The coefficients of a process in Itô form, as a step asks for them."""

    def __init__(self, process: Any) -> None:
        self.process = process
        self.statement = process.statement

    @abstractmethod
    def _at(self, what: str, exprs: tuple, x: Any, t: Any) -> np.ndarray:
        """Return expressions of the statement at (x, t), as an object array; ``what`` names them."""

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
                    f"sigma[{i}, {j}] = {sigma[i, j]} of {self.process.name}: "
                    "this scheme needs diagonal noise with sigma_jj a function of x_j alone"
                )
        return self._at("sigma_sigma_x", tuple(sigma[i, i] * sp.diff(sigma[i, i], names[i]) for i in range(d)), x, t)

    def rate(self, t: Any) -> Any:
        """The noise rate beta(t) of a variance-preserving process."""
        if self.statement.rate is None:
            raise InvalidInput(
                f"{self.process.name} states no noise rate beta(t); this scheme needs a variance-preserving process"
            )
        return self._at("rate", (self.statement.rate,), (), t)[0]


class StagedModel(Model):
    """The model of a traced process. Each evaluation of a coefficient becomes a stage: named arguments, named values.

    Stages keep expressions small (a splitting with several force evaluations is never substituted into one formula),
    and ``assignments`` lists them in order, (symbol, expression).
    """

    def __init__(self, process: Any) -> None:
        super().__init__(process)
        self.assignments: list[tuple[sp.Symbol, Any]] = []
        self._known: dict[tuple, Any] = {}
        self.p = Parameters(
            **parameter_symbols(process.params), **parameter_symbols(dict.fromkeys(process.tables, 0.0), TABLE)
        )

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
            place = dict(zip((*self.statement.x[: len(x)], self.statement.t), point, strict=True))
            values = [self.named(sp.sympify(e).xreplace(place)) for e in exprs]
            self._known[key] = components(values)
        return self._known[key]


class ArrayModel(Model):
    """The model of a process on arrays ``(n,)`` of each component: the same steps as plain array code."""

    def __init__(self, process: Any) -> None:
        super().__init__(process)
        self._functions: dict[str, Callable] = {}
        self.p = Parameters(**process.params)

    def _at(self, what: str, exprs: tuple, x: Any, t: float) -> np.ndarray:
        s = self.statement
        if what not in self._functions:
            self._functions[what] = numpy_function([*s.x[: len(x)], s.t, *s.parameters, *s.tables], exprs)
        values = self._functions[what](*x, t, *self.process.parameter_values(), *self.process.tables_at(t))
        return components([np.broadcast_to(v, np.shape(x[0]) if len(x) else ()) for v in values])


def _times_dw(sigma: np.ndarray, dw: np.ndarray) -> np.ndarray:
    """sigma dw by components, leaving out the entries that are zero (diagonal noise costs d products, not d m)."""
    rows = [[(s, w) for s, w in zip(row, dw, strict=True) if not _is_zero(s)] for row in sigma]
    return components([sum((s * w for s, w in row), 0.0) for row in rows])


def _is_zero(s: Any) -> bool:
    return isinstance(s, Traced) and s.expr == 0
