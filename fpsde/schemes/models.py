"""The coefficients that a step asks for, and these as staged SymPy expressions, while a step is traced."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import numpy as np
import sympy as sp

from fpsde.errors import Unsuited
from fpsde.functions import TABLE
from fpsde.schemes.conormal import conormals
from fpsde.schemes.noise_types import along_noise, meetings, met_pairs
from fpsde.symbolic import Parameters, Traced, components, parameter_symbols, real_symbol, unwrap


class Model(ABC):
    """The coefficients of a process in Itô form, as a step asks for them."""

    def __init__(self, process: Any) -> None:
        self.process = process

    p: Parameters  #: the parameters and tables, by name

    @property
    def statement(self) -> Any:
        """The process in symbols; Unsuited for a black box, which has none."""
        return self.process.statement

    @abstractmethod
    def at(self, what: str, exprs: tuple, x: Any, t: Any) -> np.ndarray:
        """Return expressions in the symbols of the statement at (x, t), as an object array.

        ``what`` names them: under one name the same expressions must come every time.
        """

    def staged(self, values: Any) -> np.ndarray:
        """Return components as they are; while tracing under names, so that what is built on them stays small."""
        return components(list(values))

    def drift(self, x: Any, t: Any) -> np.ndarray:
        """The Itô drift, (d,)."""
        return self.at("drift", self.statement.ito_drift, x, t)

    def sigma(self, x: Any, t: Any) -> np.ndarray:
        """sigma, (d, m)."""
        return self.at("sigma", tuple(self.statement.sigma), x, t).reshape(self.statement.sigma.shape)

    def noise(self, x: Any, t: Any, dw: Any) -> np.ndarray:
        """sigma dw, (d,)."""
        return times_dw(self.sigma(x, t), dw)

    def channel(self, k: int, x: Any, t: Any) -> np.ndarray:
        """sigma_k, the column of channel k, (d,)."""
        return self.at(f"sigma of channel {k}", tuple(self.statement.sigma[:, k]), x, t)

    def meets(self, j: int, k: int) -> bool:
        """Whether channel k reads a component that channel j moves; else sigma_k is the same all along sigma_j."""
        return (j, k) in meetings(self.process)

    def met_pairs(self) -> tuple[tuple[int, int], ...]:
        """The pairs of channels j < k of which one meets the other."""
        return met_pairs(self.process)

    def variance(self, i: int, x: Any, t: Any) -> Any:
        """sum_k sigma_ik^2, the variance of component i in a unit of time."""
        return sum((s * s for s in self.sigma(x, t)[i] if not _is_zero(s)), 0.0)

    def conormal(self, i: int, x: Any, t: Any) -> dict[int, Any]:
        """D_ij/D_ii where it is not zero, by j: how far a reflecting wall moves x_j while it moves x_i by 1."""
        ratios = conormals(self.process)[i]
        return dict(zip(ratios, self.at(f"conormal of component {i}", tuple(ratios.values()), x, t), strict=True))

    def stratonovich_drift(self, x: Any, t: Any) -> np.ndarray:
        """The drift of the Stratonovich form of the process, (d,)."""
        return self.at("stratonovich_drift", self.statement.stratonovich_drift, x, t)

    def drift_jacobian(self, x: Any, t: Any) -> np.ndarray:
        """d(drift_i)/dx_j, (d, d)."""
        s = self.statement
        slopes = tuple(sp.diff(mu, x_j) for mu in s.ito_drift for x_j in s.x)
        return self.at("drift_jacobian", slopes, x, t).reshape(len(s.x), len(s.x))

    def along_noise(self, x: Any, t: Any) -> dict[tuple[int, int, int], Any]:
        """L^j sigma_ik = sum_l sigma_lj d(sigma_ik)/dx_l where that is not zero, by (i, j, k)."""
        terms = along_noise(self.statement.sigma, self.statement.x)
        return dict(zip(terms, self.at("along_noise", tuple(terms.values()), x, t), strict=True))

    def energy(self, x: Any, t: Any) -> Any:
        """The energy: the stationary density is exp(-energy/temperature)/Z."""
        if self.statement.energy is None:
            raise Unsuited(
                f"{self.process.name} states no energy, whose density exp(-energy/temperature) this scheme needs; "
                "give Process(..., energy=...), or take overdamped(potential) or underdamped(potential)"
            )
        return self.at("energy", (self.statement.energy,), x, t)[0]

    def sample(self, x: Any, t: Any, dt: Any, z: Any) -> np.ndarray:
        """X_{t+dt} given X_t = x, drawn from standard normals z (d,), where the process can say it; (d,)."""
        if self.process.sample is None:
            raise Unsuited(
                f"{self.process.name} states no transition that can be drawn; the scheme needs Process(..., sample=...)"
            )
        if self.process.dim == 1:
            return components([self.process.sample(x[0], t, dt, z[0], self.p)])
        return components(list(self.process.sample(tuple(x), t, dt, tuple(z), self.p)))

    def denoised(self, x: Any, level: Any) -> np.ndarray:
        """E[X_0 | X_0 + level Z = x] of the data X_0 that a process from noise to data ends in, (d,)."""
        if self.process.denoiser is None:
            raise Unsuited(
                f"{self.process.name} states no denoiser; this scheme needs a process from noise to data, such as "
                "fpsde.denoising_chain"
            )
        return self.denoiser_at(x, level)

    def denoiser_at(self, x: Any, level: Any) -> np.ndarray:
        """The denoiser that the process states, at (x, level), (d,)."""
        return self.at("denoiser", self.statement.denoiser, x, level)

    def rate(self, t: Any) -> Any:
        """The noise rate beta(t) of a variance-preserving process."""
        if self.statement.rate is None:
            raise Unsuited(
                f"{self.process.name} states no noise rate beta(t); this scheme needs a variance-preserving process"
            )
        return self.at("rate", (self.statement.rate,), (), t)[0]


class StagedModel(Model):
    """The model of a traced process. Each evaluation of a coefficient becomes a stage: named arguments, named values.

    Stages keep expressions small (a splitting with several force evaluations is never substituted into one formula),
    and ``assignments`` lists them in order, (symbol, expression).
    """

    def __init__(self, process: Any) -> None:
        super().__init__(process)
        self.assignments: list[tuple[sp.Symbol, Any]] = []
        self._known: dict[tuple, Any] = {}
        self._named: dict[Any, sp.Symbol] = {}
        self.p = Parameters(
            **parameter_symbols(process.params), **parameter_symbols(dict.fromkeys(process.tables, 0.0), TABLE)
        )

    def named(self, e: Any) -> sp.Symbol:
        """Return the symbol that stands for ``e``; symbols and numbers stand for themselves."""
        e = unwrap(e)
        if e.is_Symbol or e.is_number:
            return e
        if e not in self._named:
            self._named[e] = real_symbol(f"u{len(self.assignments)}")
            self.assignments.append((self._named[e], e))
        return self._named[e]

    def staged(self, values: Any) -> np.ndarray:
        return components([self.named(v) for v in values])

    def at(self, what: str, exprs: tuple, x: Any, t: Any) -> np.ndarray:
        """Return the named values of expressions in (x, t) at a stage."""
        point = (*(self.named(v) for v in x), self.named(t))
        key = (what, *point)
        if key not in self._known:
            place = dict(zip((*self.statement.x[: len(x)], self.statement.t), point, strict=True))
            values = [self.named(sp.sympify(e).xreplace(place)) for e in exprs]
            self._known[key] = components(values)
        return self._known[key]


def times_dw(sigma: np.ndarray, dw: np.ndarray) -> np.ndarray:
    """Return sigma dw by components without the entries that are zero (diagonal noise costs d products, not d m)."""
    rows = [[(s, w) for s, w in zip(row, dw, strict=True) if not _is_zero(s)] for row in sigma]
    return components([sum((s * w for s, w in row), 0.0) for row in rows])


def _is_zero(s: Any) -> bool:
    return s.expr == 0 if isinstance(s, Traced) else isinstance(s, float) and s == 0
