"""A process of array functions, a trained network for instance: it runs array at a time and has no generated kernel.

dX = drift(X, t) dt + sigma(X, t) dW      (Itô)
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any, ClassVar

import numpy as np

from fpsde.arrays import beside
from fpsde.cached import cached_property
from fpsde.domain import LINE, Interval, probes
from fpsde.errors import InvalidInput, Unsuited, unknown_name
from fpsde.noise_class import NoiseType
from fpsde.processes.process import numbers_by_name, tables_at
from fpsde.symbolic import Parameters
from fpsde.user_code import argument_names, place_and_name, refuse_other_arguments
from fpsde.validation import finite_array, integer

#: The classes of noise that may be stated of a function sigma.
STATED = (NoiseType.ADDITIVE, NoiseType.DIAGONAL, NoiseType.SCALAR, NoiseType.GENERAL)
_SHAPES = "a number or (n,) for the same in every component, (d, n) for one each, (d, m, n) for a matrix"


@dataclass(frozen=True, eq=False)
class BlackBox:
    """dX = drift dt + sigma dW in Itô form, by array functions of all particles at once; nothing is known beyond them.

    Parameters
    ----------
    drift : function (x, t) -> (d, n), of positions x (d, n) and a number t, both of them. Unit: (unit of x)/time. Like
        every function here it may take (x, t, p): ``params`` by name, one for each particle, p.k (n,) of a number k and
        (..., n) of an array.
    sigma : the factor of dW: a number, ``(d,)`` for one channel each or ``(d, m)``; or a function (x, t) that returns
        a number or ``(n,)`` (the same in every component), ``(d, n)`` or ``(d, m, n)``. Unit: (unit of x)/sqrt(time).
    dim : the number d of components.
    noise : what kind of noise a function sigma is, since it cannot be read off: ADDITIVE (free of x), DIAGONAL (one
        channel each, sigma_j free of all x but x_j), SCALAR (one channel: ``(d, n)`` is its column) or GENERAL.
        An array is ADDITIVE.
    domain : an :class:`~fpsde.domain.Interval`, or one for each component.
    energy : function (x, t) -> (n,), where there is one: the stationary density is exp(-energy/temperature)/Z.
    params : numbers or arrays by name, for functions that take p, and for a scheme, such as ``temperature``. In a run
        they are arrays of the state's type, so that those of a batch may differ from particle to particle.
    tables : arrays ``(n_steps,)`` that a scheme reads by step, in steps of unit time; the functions do not get them.
    denoiser : function (x, level) -> (d, n), of a process from noise to data: E[X_0 | X_0 + level Z = x].

    Both functions are called once when the process is stated, at points of the domain at t = 0: a wrong shape or
    type, values that are not finite, values that change from call to call, and noise that is not as stated are found
    there. No statement of a finite number of points proves noise to be additive or diagonal; one shows that it is not.

    Schemes that read drift and sigma alone run as array code (:class:`~fpsde.schemes.array_step.ArrayStep`), and so do
    milstein, euler_heun and heun with additive noise, where the derivatives that they take are zero. Those that need
    others or formulas (milstein with noise that depends on x, implicit steps, splittings) are refused with Unsuited.

    On a GPU (``simulate(..., backend=Backend.GPU)``) x is an array of CuPy, and what is returned must be one (or a
    number). NumPy's functions of x compute there by themselves; weights of a network must lie where x does, and since
    the statement itself is tried on NumPy's arrays, ``numpy.asarray(weights, like=x)`` is a way to say it.

    Functions of a module, and objects that pickle, go to other processes (``simulate(..., executor=...)``).

    Raises InvalidInput for a statement that is wrong as above.
    """

    drift: Callable[..., Any]
    sigma: Any
    dim: int
    noise: NoiseType | None = None
    domain: Interval | tuple[Interval, ...] = LINE
    energy: Callable[..., Any] | None = None
    params: Mapping[str, Any] = field(default_factory=dict)
    name: str = "black_box"
    tables: Mapping[str, Any] = field(default_factory=dict)
    denoiser: Callable[..., Any] | None = None

    takes_p: frozenset[str] = field(init=False)  #: which of the functions read parameters
    sigma_is_diagonal: bool = field(init=False)  #: whether each component has one channel, of its own
    channels: int = field(init=False)  #: the number m of driving Brownian motions

    black_box: ClassVar[bool] = True  #: what tells it from a process that can be traced
    sample: ClassVar[None] = None
    rate: ClassVar[None] = None
    factory: ClassVar[None] = None
    allowed: ClassVar[None] = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "dim", integer("dim", self.dim, least=1))
        if len(self.intervals) != self.dim or not all(isinstance(interval, Interval) for interval in self.intervals):
            raise InvalidInput(
                f"domain={self.domain} for dim={self.dim}; give an Interval, or a tuple of one for each component"
            )
        for what in ("drift", "energy", "denoiser"):
            function = getattr(self, what)
            if not callable(function) and (what == "drift" or function is not None):
                raise InvalidInput(f"{what}={function!r} is not a function; give one of (x, t)")
        stated = [what for what in ("drift", "sigma", "energy", "denoiser") if callable(getattr(self, what))]
        object.__setattr__(self, "takes_p", frozenset(what for what in stated if _takes_p(what, getattr(self, what))))
        for what in stated:
            arguments = ["x", "level" if what == "denoiser" else "t", *(["p"] if what in self.takes_p else [])]
            refuse_other_arguments(what, getattr(self, what), arguments)
        for kind, ndim in (("params", None), ("tables", 1)):
            object.__setattr__(self, kind, numbers_by_name(kind, getattr(self, kind), ndim))
        points = _points(self)
        with np.errstate(all="ignore"):
            _refuse_not_finite("drift", self, self.drift_at, points)
            if not callable(self.sigma):
                sigma = _constant(self.sigma, self.dim)
                object.__setattr__(self, "sigma", sigma)
                form = sigma.ndim == 1, sigma.shape[-1]
            else:
                form = _form_of(self, self._value("sigma", points.copy(), 0.0, None), points.shape[1])
            object.__setattr__(self, "sigma_is_diagonal", form[0])
            object.__setattr__(self, "channels", form[1])
            _refuse_not_finite("sigma", self, self.sigma_at, points)
            _refuse_other_noise(self, points)
            if self.energy is not None:
                _refuse_not_finite("energy", self, self.energy_at, points)
            if self.denoiser is not None:
                _refuse_not_finite("denoiser", self, lambda x, t: self.denoised_at(x, 1.0), points, at="level 1")

    def __repr__(self) -> str:
        return f"<black box {self.name}: dX = drift dt + sigma dW (Itô), {self.dim} component(s)>"

    def __getstate__(self) -> dict[str, Any]:
        # a read-only view does not pickle
        return {**self.__dict__, "params": dict(self.params), "tables": dict(self.tables)}

    def __setstate__(self, state: dict[str, Any]) -> None:
        views = {kind: MappingProxyType(state[kind]) for kind in ("params", "tables")}
        self.__dict__.update(state, **views)

    @property
    def intervals(self) -> tuple[Interval, ...]:
        """The domain of each component, ``(d,)``."""
        return self.domain if isinstance(self.domain, tuple) else (self.domain,) * self.dim

    def parameter_values(self) -> np.ndarray:
        """Return the parameters as one float64 vector, in the order of ``params``."""
        return np.concatenate([np.ravel(v) for v in self.params.values()]) if self.params else np.empty(0)

    def with_params(self, **changes: Any) -> BlackBox:
        """Return the same black box with other parameter values."""
        for name in changes:
            if name not in self.params:
                raise unknown_name(f"parameter of {self.name}", name, self.params)
        return replace(self, params={**self.params, **changes})

    def spread(self, vectors: np.ndarray, n: int, dtype: Any) -> dict[str, np.ndarray]:
        """Return the parameters ``(..., n)`` of n particles by name, of which members have equal shares in order.

        ``vectors`` (members, P) are their parameters, each in the order of :meth:`parameter_values`.
        """
        shapes = [np.shape(v) for v in self.params.values()]
        ends = np.cumsum([0, *(int(np.prod(shape)) for shape in shapes)])
        columns = [vectors[:, a:b].T.reshape(*s, -1) for a, b, s in zip(ends, ends[1:], shapes, strict=False)]
        shares = [np.repeat(own, n // len(vectors), axis=-1).astype(dtype) for own in columns]
        return dict(zip(self.params, shares, strict=True))

    def tables_at(self, t: float) -> np.ndarray:
        """Return the entries of the tables at time ``t``, in steps of unit time."""
        return tables_at(self.tables, t, self.name)

    @property
    def statement(self) -> Any:
        """A black box has no formulas: Unsuited."""
        raise Unsuited(
            f"{self.name} is a black box of array functions, without formulas or derivatives; state a Process by "
            "operators and NumPy functions, or take a scheme that reads drift and sigma alone, such as euler_maruyama"
        )

    @property
    def constant_sigma(self) -> np.ndarray | None:
        """sigma where it was given as an array: ``(d,)`` or ``(d, m)``."""
        return None if callable(self.sigma) else self.sigma

    @cached_property
    def noise_types(self) -> frozenset[NoiseType]:
        """The classes of noise that it belongs to, by what is stated and by the number of channels."""
        found = {NoiseType.GENERAL, NoiseType.ADDITIVE if self.noise is None else self.noise}
        if self.channels == 1:
            found.add(NoiseType.SCALAR)
        if self.sigma_is_diagonal and (NoiseType.ADDITIVE in found or self.dim == 1):
            found.add(NoiseType.DIAGONAL)
        return frozenset(found | {NoiseType.COMMUTATIVE}) if len(found) > 1 else frozenset(found)

    def kernel_source(self, scheme: Any, **options: Any) -> str:
        """A black box has no kernel: Unsuited."""
        return scheme.kernel_source(self, **options)

    # what each returns has its shape checked; p are the parameters of each particle by name, those stated if left out

    def drift_at(self, x: np.ndarray, t: float, p: Parameters | None = None) -> np.ndarray:
        """Return the drift at ``x`` (d, n)."""
        return self._like_x("drift", x, t, p)

    def denoised_at(self, x: np.ndarray, level: float, p: Parameters | None = None) -> np.ndarray:
        """Return the denoiser at ``x`` (d, n)."""
        return self._like_x("denoiser", x, level, p)

    def _value(self, what: str, x: np.ndarray, t: float, p: Parameters | None) -> Any:
        """Return what a function gives for ``x``, as an array where x lies."""
        more: tuple[Parameters, ...] = ()
        if what in self.takes_p:
            own = self.spread(self.parameter_values()[None], x.shape[1], x.dtype) if p is None else {}
            more = (Parameters(**{name: beside(v, x) for name, v in own.items()}) if p is None else p,)
        return _real(what, self, getattr(self, what)(x, t, *more), x)

    def _like_x(self, what: str, x: np.ndarray, t: float, p: Parameters | None) -> np.ndarray:
        value = self._value(what, x, t, p)
        if value.shape != x.shape:
            raise InvalidInput(
                f"{what} of {self.name} returned shape {value.shape} for x of shape {x.shape}; equal ones are needed"
            )
        return value

    def sigma_at(self, x: np.ndarray, t: float, p: Parameters | None = None) -> np.ndarray:
        """Return sigma at ``x`` (d, n): its diagonal (d, n) where ``sigma_is_diagonal``, else (d, m, n)."""
        if not callable(self.sigma):
            return np.broadcast_to(beside(self.sigma, x)[..., None], (*self.sigma.shape, x.shape[1]))
        sigma = self._value("sigma", x, t, p)
        rows = x.shape if self.sigma_is_diagonal else (self.dim, self.channels, x.shape[1])
        if sigma.ndim == 2 and not self.sigma_is_diagonal and self.channels == 1:
            sigma = sigma[:, None, :]
        if sigma.shape != rows and (sigma.shape not in ((), x.shape[1:]) or not self.sigma_is_diagonal):
            raise InvalidInput(
                f"sigma of {self.name} returned shape {sigma.shape} for x of shape {x.shape}, and had another form "
                f"when the process was stated; {rows} is needed"
            )
        return np.broadcast_to(sigma, rows)

    def energy_at(self, x: np.ndarray, t: float, p: Parameters | None = None) -> np.ndarray:
        """Return the energy at ``x`` (d, n), ``(n,)``."""
        if self.energy is None:
            raise Unsuited(
                f"{self.name} states no energy, whose density exp(-energy/temperature) this scheme needs; "
                "give BlackBox(..., energy=...)"
            )
        energy = self._value("energy", x, t, p)
        if energy.shape != x.shape[1:]:
            raise InvalidInput(
                f"energy of {self.name} returned shape {energy.shape} for x of shape {x.shape}; {x.shape[1:]} is needed"
            )
        return energy


def _takes_p(what: str, function: Callable) -> bool:
    """Return whether a function reads parameters: its third argument is p, and InvalidInput where its second one is."""
    try:
        names = argument_names(function)
    except InvalidInput:  # a function that does not say what it takes
        return False
    if names[1:] == ["p"]:
        second = "level" if what == "denoiser" else "t"
        raise InvalidInput(
            f"{place_and_name(function)} takes {names}; {what} takes (x, {second}), or (x, {second}, p) where it reads "
            "parameters"
        )
    return names[2:] == ["p"]


def _constant(sigma: Any, d: int) -> np.ndarray:
    """Return sigma given as numbers as its diagonal ``(d,)`` or as a matrix ``(d, m)``."""
    given = finite_array("sigma", sigma)
    if given.ndim == 0:
        return np.full(d, float(given))
    if given.ndim > 2 or given.shape[0] != d:
        raise InvalidInput(f"sigma has shape {given.shape} for dim={d}; a number, ({d},) or ({d}, m) is needed")
    return given


def _real(what: str, process: BlackBox, value: Any, x: Any) -> Any:
    """Return what a function gave for ``x`` as an array of real numbers, where ``x`` lies."""
    try:
        own = isinstance(value, type(x)) and not isinstance(x, np.ndarray)
        array = value if own else np.asarray(value)
    except (TypeError, ValueError) as error:
        raise InvalidInput(f"{what} of {process.name} returned no array of numbers ({error})") from error
    if not own and not isinstance(x, np.ndarray):
        if array.ndim:
            raise InvalidInput(
                f"{what} of {process.name} returned an array of the host for one of a device; it must compute where x "
                "lies: NumPy's functions of x do, and what it holds besides has to be brought there"
            )
        array = beside(array, x)
    if array.dtype.kind not in "fiu":
        raise InvalidInput(f"{what} of {process.name} returned dtype {array.dtype}; real numbers are needed")
    return array


def _form_of(process: BlackBox, sigma: np.ndarray, n: int) -> tuple[bool, int]:
    """Return whether the noise is diagonal by its form, and its number of channels, from sigma at n points."""
    d = process.dim
    if sigma.shape in ((), (n,)) or sigma.shape == (d, n):
        column = process.noise is NoiseType.SCALAR and d > 1
        if column and sigma.ndim < 2:
            raise InvalidInput(
                f"sigma of {process.name} is one number for all components; scalar noise needs its column (d, n)"
            )
        return not column, 1 if column else d
    if sigma.ndim == 3 and (sigma.shape[0], sigma.shape[2]) == (d, n) and sigma.shape[1] > 0:
        return False, sigma.shape[1]
    raise InvalidInput(f"sigma of {process.name} returned shape {sigma.shape} for x of shape {(d, n)}; {_SHAPES}")


def _points(process: BlackBox) -> np.ndarray:
    """Return points of the domain ``(d, n)``: two, and mixtures of them by the bits of the component's number.

    Any two components come from different points in one of the mixtures, so noise of one that reads the other is seen.
    """
    d = process.dim
    first, second = probes(process.intervals)
    bits = np.arange(d)[:, None] >> np.arange(max(1, d.bit_length())) & 1
    mixed = np.where(bits, first[:, None], second[:, None])
    points = np.column_stack([first, second, mixed])
    return points if points.shape[1] != d else np.column_stack([points, first])  # (n,) is not to look like (d,)


def _refuse_not_finite(
    what: str, process: BlackBox, function: Callable, points: np.ndarray, *, at: str = "t=0"
) -> None:
    values = function(points.copy(), 0.0)
    bad = int(np.count_nonzero(~np.isfinite(values)))
    if bad:
        raise InvalidInput(
            f"{what} of {process.name} has {bad} of {values.size} values that are NaN or infinite at {at}, at points "
            f"between {points.min():.3g} and {points.max():.3g}; it must be finite inside of the domain"
        )
    if not np.array_equal(values, function(points.copy(), 0.0)):
        raise InvalidInput(
            f"{what} of {process.name} gave two results when called twice; it must be a function of its arguments "
            "alone, without random numbers (no dropout): noise enters through sigma dW"
        )


def _refuse_other_noise(process: BlackBox, points: np.ndarray) -> None:
    """Raise InvalidInput if sigma is not of the kind that is stated."""
    noise, name = process.noise, process.name
    if process.constant_sigma is not None:
        if noise not in (None, NoiseType.ADDITIVE):
            raise InvalidInput(f"noise={noise} for an array sigma of {name}, which is additive; leave noise out")
        return
    if noise not in STATED:
        raise InvalidInput(
            f"noise={noise} for {name}; what kind of noise a function sigma is must be stated: "
            f"{', '.join(f'NoiseType.{kind.name}' for kind in STATED)}"
        )
    if noise is NoiseType.SCALAR and process.channels != 1:
        raise InvalidInput(
            f"noise={noise} for {name}, whose sigma has {process.channels} channels; scalar noise has one"
        )
    if noise is NoiseType.DIAGONAL and not process.sigma_is_diagonal:
        raise InvalidInput(f"noise={noise} for {name}, whose sigma returned a matrix; give its diagonal (d, n)")
    sigma = process.sigma_at(points.copy(), 0.0)
    if noise is NoiseType.ADDITIVE and not np.all(sigma == sigma[..., :1]):
        raise InvalidInput(
            f"noise={noise} for {name}, whose sigma differs from point to point; additive noise is free of x"
        )
    if noise is NoiseType.DIAGONAL:
        mine = np.where(points == points[:, :1], sigma[:, :1], sigma[:, 1:2])
        if not np.array_equal(sigma, mine):
            i = int(np.argmax(np.any(sigma != mine, axis=1)))
            raise InvalidInput(
                f"noise={noise} for {name}, whose sigma of component {i} changes with other components; diagonal noise "
                "has sigma_j free of all x but x_j: state NoiseType.GENERAL"
            )
