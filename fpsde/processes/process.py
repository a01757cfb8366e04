"""A stochastic process, stated once: drift, sigma, interpretation and domain.

    dX = drift(X, t) dt + sigma(X, t) dW      (Itô, Stratonovich or kinetic, as stated)

Everything else is derived from this one statement: the Itô drift, the diffusivity D = sigma sigma^T / 2 that enters the
Fokker-Planck equation  dp/dt = -d_i(mu_i p) + d_i d_j (D_ij p),  the terms of the schemes, and the kernels.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any

import numpy as np
import sympy as sp

from fpsde.cached import cached_property
from fpsde.density import Law
from fpsde.domain import LINE, Interval
from fpsde.errors import InvalidInput, unknown_name
from fpsde.printing import numpy_function
from fpsde.processes.allowed import Allowed, refuse_forbidden
from fpsde.processes.statement import ITO, Interpretation, Statement, traced
from fpsde.user_code import refuse_other_arguments
from fpsde.validation import finite_array, integer


@dataclass(frozen=True)
class Exact:
    """What is known of a process in closed form; ``None`` where nothing is.

    ``transition(x0, t)`` is the law of X_t given X_0 = x0 at time 0; ``marginal(initial, t)`` the law of X_t from the
    initial law; ``stationary()`` the stationary law; ``mean(x0, t)`` and ``variance(x0, t)`` moments from a point.
    ``path(x0, t, w)`` is X_t itself, from x0 at time 0 and the values w = W_t of the driving Brownian motions:
    arrays ``(n,)`` with one component and one channel, else x0 ``(d,)``, w ``(m, n)``, and ``(d, n)`` comes back.
    ``velocity()`` is the mean velocity lim E X_t/t of a process on a ring, turns counted.

    With d > 1, x0 and ``mean(x0, t)`` are ``(d,)``, and in place of the laws there are ``covariance(x0, t)``
    ``(d, d)``, ``component(i, x0, t)``, the law of component i, and of the stationary law ``stationary_mean()``
    ``(d,)``, ``stationary_covariance()`` ``(d, d)`` and ``stationary_component(i)``. A marginal, where it is known, is
    a record of the kind of its initial law (:class:`~fpsde.gaussian_mixture.GaussianMixture`).

    ``law(t)`` is the law of X_t of a process that is stated together with its start, ``law(0)``, such as a
    manufactured one: a Law, or with d > 1 a record that has its ``mean`` and ``component(i)``.
    """

    transition: Callable[[float, float], Law] | None = None
    marginal: Callable[[Any, float], Any] | None = None
    stationary: Callable[[], Law] | None = None
    mean: Callable[[Any, float], Any] | None = None
    variance: Callable[[float, float], float] | None = None
    path: Callable[[Any, float, Any], Any] | None = None
    velocity: Callable[[], float] | None = None
    covariance: Callable[[Any, float], np.ndarray] | None = None
    component: Callable[[int, Any, float], Law] | None = None
    stationary_mean: Callable[[], np.ndarray] | None = None
    stationary_covariance: Callable[[], np.ndarray] | None = None
    stationary_component: Callable[[int], Law] | None = None
    law: Callable[[float], Any] | None = None


@dataclass(frozen=True)
class Setting:
    """A run of a process that is fair to all three corners: where it starts, how long, how fine, on which window.

    ``window`` holds the mass of the process up to ``t_end`` (the Fokker-Planck grid covers it); ``dt`` is a step at
    which the schemes leave the domain with probability below 1e-12. With d > 1, ``x0`` is a tuple of d numbers.
    """

    x0: float | Law | tuple[float, ...] = 0.0
    t_end: float = 1.0
    dt: float = 0.05
    window: tuple[float, float] | None = None


@dataclass(frozen=True, eq=False)
class Process:
    """dX = drift dt + sigma dW, stated by two functions of (x, t, p) written with operators and NumPy ufuncs.

    Parameters
    ----------
    drift : function (x, t, p) -> component(s), or fewer of these arguments; ``p`` holds the parameters by name.
        With ``dim = 1``, x is the component itself and so is the result; with d > 1, a tuple of d components, and
        returns d. Unit: (unit of x)/time.
    sigma : function (x, t, p) -> the factor of dW: a component (d = 1), d of them (diagonal noise), or d rows of m.
        Unit: (unit of x)/sqrt(time).
    params : numbers or arrays, by name; run-time values, so changing one compiles nothing.
    tables : arrays ``(n_steps,)``, also in ``p``, read by step (the beta_n of a discrete chain, steps of unit time).
    interpretation : ITO (default), STRATONOVICH or KINETIC. Never guessed.
    domain : where the process lives and which walls it has; one :class:`~fpsde.domain.Interval` for each component.
    energy : function (x, t, p), where there is one: the stationary density is exp(-energy/p.temperature)/Z.
    potential : function (x, t, p), where the drift is -(mobility) grad potential: its underdamped twin is made of it.
    sample : function (x, t, dt, z, p), where the transition can be drawn: X_{t+dt} given X_t = x, from standard normals
        z, one for each component.
    denoiser : function (x, level, p) -> component(s), of a process that goes from noise to data:
        E[X_0 | X_0 + level Z = x], with X_0 the data and Z standard normal. It reads no tables.
    allowed : what the parameters may be, where that is stated (:class:`~fpsde.processes.allowed.Allowed`): all members
        of a batch are then checked at once.

    Raises
    ------
    InvalidInput   if a function cannot be traced (with file and line), returns a wrong shape, or a value is not finite.
    """

    drift: Callable
    sigma: Callable
    dim: int = 1
    params: Mapping[str, Any] = field(default_factory=dict)
    tables: Mapping[str, Any] = field(default_factory=dict)
    interpretation: Interpretation = ITO
    domain: Interval | tuple[Interval, ...] = LINE
    name: str = "process"
    equation: str = ""
    exact: Exact = field(default_factory=Exact)
    setting: Setting = field(default_factory=Setting)
    rate: Callable | None = None
    energy: Callable | None = None
    potential: Callable | None = None
    sample: Callable | None = None
    denoiser: Callable | None = None
    factory: Callable[..., Process] | None = None
    allowed: Allowed | None = None
    arguments: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "dim", integer("dim", self.dim, least=1))
        if not isinstance(self.interpretation, Interpretation):
            raise InvalidInput(
                f"interpretation={self.interpretation!r}; give fpsde.ITO, fpsde.STRATONOVICH or fpsde.KINETIC"
            )
        for kind, ndim in (("params", None), ("tables", 1)):
            object.__setattr__(self, kind, numbers_by_name(kind, getattr(self, kind), ndim))
        if self.allowed is not None:
            refuse_forbidden(self.allowed, self.params, self.name)
        overlap = set(self.params) & set(self.tables)
        if overlap:
            raise InvalidInput(f"{sorted(overlap)} are both parameters and tables; a name is one or the other")
        if len(self.intervals) != self.dim or not all(isinstance(interval, Interval) for interval in self.intervals):
            raise InvalidInput(
                f"domain={self.domain} for dim={self.dim}; give an Interval, or a tuple of one for each component"
            )
        if self.sample is not None:
            refuse_other_arguments("sample", self.sample, ("x", "t", "dt", "z", "p"))
        if self.denoiser is not None:
            refuse_other_arguments("denoiser", self.denoiser, ("x", "level", "p"))
        # traced now, so that a mistake is reported where the process is stated; twice, so that chance is found
        if traced(self) != self.statement:
            raise InvalidInput(
                f"drift or sigma of {self.name} gave two expressions when called twice; they must be functions of "
                "(x, t, p) alone, without random numbers: noise enters through sigma dW"
            )

    def __repr__(self) -> str:
        numbers = ", ".join(f"{name}={_short(value)}" for name, value in self.params.items())
        form = self.equation or f"dX = drift dt + sigma dW ({self.interpretation.value}), {self.dim} component(s)"
        return f"<process {self.name}({numbers}): {form}>"

    @property
    def intervals(self) -> tuple[Interval, ...]:
        """The domain of each component, ``(d,)``."""
        return self.domain if isinstance(self.domain, tuple) else (self.domain,) * self.dim

    @cached_property
    def statement(self) -> Statement:
        """The process as SymPy expressions, traced from its functions."""
        return traced(self)

    @property
    def channels(self) -> int:
        """The number m of driving Brownian motions."""
        return self.statement.sigma.shape[1]

    @cached_property
    def time_dependent(self) -> bool:
        """Whether drift or sigma depend on time, directly or through a table."""
        return bool(self._read & {self.statement.t, *self.statement.tables})

    @property
    def piecewise_constant(self) -> bool:
        """Whether drift and sigma depend on time through tables alone: they stand still within a step."""
        return self.time_dependent and self.statement.t not in self._read

    @cached_property
    def _read(self) -> set[sp.Symbol]:
        """The symbols in drift and sigma."""
        return set().union(*(e.free_symbols for e in (*self.statement.drift, *self.statement.sigma)))

    @cached_property
    def additive(self) -> bool:
        """Whether the noise is additive: sigma does not depend on x."""
        return not set().union(*(e.free_symbols for e in self.statement.sigma)) & set(self.statement.x)

    @cached_property
    def constant_diffusivity(self) -> np.ndarray | None:
        """D ``(d, d)`` where it depends neither on x nor on time, and is finite, else None."""
        s = self.statement
        if set().union(*(e.free_symbols for e in s.sigma)) & {*s.x, s.t, *s.tables}:
            return None
        found = self.diffusivity(np.zeros((self.dim, 1) if self.dim > 1 else 1)).reshape(self.dim, self.dim)
        return found if np.isfinite(found).all() else None

    def parameter_values(self) -> np.ndarray:
        """Return the parameters as one float64 vector, in the order of ``statement.parameters``."""
        return np.concatenate([np.ravel(v) for v in self.params.values()]) if self.params else np.empty(0)

    @cached_property
    def _numbers(self) -> tuple[np.float64, ...]:
        return tuple(self.parameter_values())

    def table_values(self, step: int) -> np.ndarray:
        """Return the entries of the tables at ``step``."""
        return np.array([values[step] for values in self.tables.values()])

    def tables_at(self, t: float) -> np.ndarray:
        """Return the entries of the tables at time ``t``, in steps of unit time."""
        return tables_at(self.tables, t, self.name)

    def with_params(self, **changes: Any) -> Process:
        """Return the same process with other parameter values (and its closed forms with them)."""
        known = self.arguments if self.factory else self.params
        for name in changes:
            if name not in known:
                raise unknown_name(f"parameter of {self.name}", name, known)
        if self.factory:
            return self.factory(**{**self.arguments, **changes})
        return replace(self, params={**self.params, **changes}, exact=Exact())

    def ito_drift(self, x: Any, t: float = 0.0) -> np.ndarray:
        """Return the Itô drift mu(x, t), the shape of ``x``: ``(n,)`` or a scalar with dim 1, else ``(d, n)``."""
        return self._evaluate("ito_drift", x, t)

    def diffusivity(self, x: Any, t: float = 0.0) -> np.ndarray:
        """Return D = sigma sigma^T / 2 at ``x``: shape ``(n,)`` with dim 1, else ``(d, d, n)``."""
        return self._evaluate("diffusivity", x, t)

    def noise_coefficient(self, x: Any, t: float = 0.0) -> np.ndarray:
        """Return sigma(x, t), the factor of dW: shape ``(n,)`` with dim 1, else ``(d, m, n)``."""
        return self._evaluate("sigma", x, t)

    def kernel_source(self, scheme: Any, **options: Any) -> str:
        """Return the text of the kernel that a scheme runs on this process; options as of ``scheme.kernel_source``."""
        if not hasattr(scheme, "kernel_source"):
            raise InvalidInput(f"{scheme!r} is not a scheme; give one such as fpsde.euler_maruyama")
        return scheme.kernel_source(self, **options)

    @cached_property
    def _functions(self) -> dict[str, Callable]:
        s = self.statement
        arguments = [*s.x, s.t, *s.parameters, *s.tables]
        parts = {"ito_drift": s.ito_drift, "diffusivity": tuple(s.diffusivity), "sigma": tuple(s.sigma)}
        return {name: numpy_function(arguments, exprs) for name, exprs in parts.items()}

    def _evaluate(self, what: str, x: Any, t: float) -> np.ndarray:
        x = np.asarray(x, dtype=float)
        if self.dim > 1 and (x.ndim == 0 or x.shape[0] != self.dim):
            raise InvalidInput(f"x has shape {x.shape}; ({self.dim}, n) is needed, component first")
        columns = (x,) if self.dim == 1 else tuple(x)
        tables = self.tables_at(t) if self.tables else ()
        values = self._functions[what](*columns, t, *self._numbers, *tables)
        if self.dim == 1:
            (value,), out = values, np.empty(x.shape)
            out[...] = value
            return out
        out = np.empty((len(values), *columns[0].shape))
        for i, value in enumerate(values):
            out[i] = value
        return out if what == "ito_drift" else out.reshape(self.dim, -1, *columns[0].shape)


def tables_at(tables: Mapping[str, np.ndarray], t: float, name: str) -> np.ndarray:
    """Return the entries of ``tables`` at time ``t``, in steps of unit time; ``name`` is that of their process."""
    if not tables:
        return np.empty(0)
    last = min(len(v) for v in tables.values()) - 1
    step = int(np.floor(t + 1e-9))
    if not 0 <= step <= last + 1:
        raise InvalidInput(f"t={t} lies outside of the tables of {name}, which hold steps 0 to {last} of unit time")
    return np.array([values[min(step, last)] for values in tables.values()])


def _short(value: Any) -> str:
    """Return a parameter in a few characters."""
    if isinstance(value, float):
        return f"{value:g}"
    return str(value.tolist()) if value.size <= 4 else f"array{value.shape}"


def numbers_by_name(kind: str, given: Any, ndim: int | None) -> Mapping[str, Any]:
    """Return the values of ``params`` or ``tables`` as floats and float64 arrays, read-only."""
    if not isinstance(given, Mapping):
        raise InvalidInput(f"{kind}={given!r}; give a dictionary of names and values")
    for name in given:
        if not (isinstance(name, str) and name.isidentifier()):
            raise InvalidInput(f"{name!r} in {kind} cannot be read as p.name; use letters, digits and underscores")
    values = {name: finite_array(name, value, ndim=ndim) for name, value in given.items()}
    return MappingProxyType({name: value if value.ndim else float(value) for name, value in values.items()})
