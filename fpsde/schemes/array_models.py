"""The coefficients that a step asks for, as arrays: those of a traced process, and those of a black box."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from fpsde.arrays import bare, beside
from fpsde.noise_class import NoiseType
from fpsde.printing import numpy_function
from fpsde.schemes.conormal import conormals
from fpsde.schemes.models import Model
from fpsde.schemes.noise_types import is_black_box
from fpsde.symbolic import Components, Parameters, Values, components, values_of


class ArrayModel(Model):
    """The model of a process on arrays ``(n,)`` of each component: the same steps as plain array code."""

    def __init__(self, process: Any) -> None:
        super().__init__(process)
        self._functions: dict[str, Callable] = {}
        self._numbers, self._params = process.parameter_values(), process.params
        self.p = array_parameters(self._params)

    def with_numbers(self, numbers: np.ndarray) -> ArrayModel:
        """Return the model with other parameters, in the order of ``process.parameter_values()``."""
        other = copy.copy(self)  # its functions are shared: they take the parameters as arguments
        other._numbers, other._params = numbers, _by_name(self.process.params, numbers)
        other.p = array_parameters(other._params)
        return other

    def at_time(self, t: float) -> ArrayModel:
        """Return the model with the entries of the tables at time ``t`` among its parameters: itself without tables."""
        if not self.process.tables:
            return self
        other = copy.copy(self)  # threads at different times share this one
        other.p = array_parameters({**self._params, **_tables_by_name(self.process, t)})
        return other

    def at(self, what: str, exprs: tuple, x: Any, t: float) -> np.ndarray:
        return self._evaluated(what, exprs, x, t, self.process.tables_at(t))

    def denoiser_at(self, x: Any, level: Any) -> np.ndarray:
        no_tables = np.full(len(self.process.tables), np.nan)  # what stands in the place of t is no time
        return self._evaluated("denoiser", self.statement.denoiser, x, level, no_tables)

    def _evaluated(self, what: str, exprs: tuple, x: Any, t: Any, tables: np.ndarray) -> np.ndarray:
        s = self.statement
        if what not in self._functions:
            self._functions[what] = numpy_function([*s.x[: len(x)], s.t, *s.parameters, *s.tables], exprs)
        values = self._functions[what](*x, t, *self._numbers, *tables)
        return components([np.broadcast_to(v, np.shape(x[0] if len(x) else t)).view(Values) for v in values])


class BlackBoxModel(Model):
    """The model of a black box on arrays ``(n,)`` of each component, of the host or of a device.

    What needs formulas raises Unsuited.

    A coefficient that is asked for again at the point of the last time is not evaluated again: the channels of one
    stage cost one call of sigma. So a model is of one thread, and :meth:`at_time` gives each step one of its own.
    """

    def __init__(self, process: Any) -> None:
        super().__init__(process)
        self._last: dict[str, tuple[tuple, np.ndarray]] = {}
        self._of_functions: Callable[[Any], Parameters | None] = _those_stated
        self.p = array_parameters(process.params)

    def with_numbers(self, numbers: np.ndarray) -> BlackBoxModel:
        """Return the model with other parameters, in the order of ``process.parameter_values()``."""
        other, spread = self._apart(), self.process.spread
        other.p = array_parameters(_by_name(self.process.params, numbers))
        other._of_functions = lambda x: Parameters(
            **{name: beside(v, x) for name, v in spread(numbers[None], x.shape[1], x.dtype).items()}
        )
        return other

    def with_values(self, values: Mapping[str, Any]) -> BlackBoxModel:
        """Return the model with parameters ``(..., n)`` by name for n particles, which lie where these do."""
        other, given = self._apart(), Parameters(**values)
        other._of_functions = lambda x: given
        other.p = Parameters(
            **{name: values_of(v) if v.ndim == 1 else _components_of(v) for name, v in values.items()}
        )
        return other

    def _apart(self) -> BlackBoxModel:
        other = BlackBoxModel.__new__(BlackBoxModel)  # copy.copy would go by __reduce__
        other.__dict__.update(self.__dict__, _last={})
        return other

    def __reduce__(self) -> tuple[type, tuple]:
        return BlackBoxModel, (self.process,)  # to another process without the values of the last time

    def at_time(self, t: float) -> BlackBoxModel:
        """Return a model of its own, with the entries of the tables at time ``t`` among its parameters."""
        other = self._apart()
        if self.process.tables:
            other.p = Parameters(**{**vars(self.p), **_tables_by_name(self.process, t)})
        return other

    def at(self, what: str, exprs: tuple, x: Any, t: Any) -> np.ndarray:
        return self.statement

    def drift(self, x: Any, t: Any) -> np.ndarray:
        return _rows(self._evaluated(self.process.drift_at, x, t))

    def sigma(self, x: Any, t: Any) -> np.ndarray:
        value = self._evaluated(self.process.sigma_at, x, t)
        if not self.process.sigma_is_diagonal:
            return _rows(value.reshape(-1, value.shape[-1])).reshape(value.shape[:2])
        out = np.full((len(value), len(value)), 0.0, dtype=object)
        for i, row in enumerate(value):
            out[i, i] = values_of(row)
        return out.view(Components)

    def noise(self, x: Any, t: Any, dw: Any) -> np.ndarray:
        value = self._evaluated(self.process.sigma_at, x, t)
        if self.process.sigma_is_diagonal:
            return components([values_of(row) * w for row, w in zip(value, dw, strict=True)])
        w = _stacked(dw)
        constant = self.process.constant_sigma
        return _rows(np.einsum("imn,mn->in", value, w) if constant is None else beside(constant, w) @ w)

    def channel(self, k: int, x: Any, t: Any) -> np.ndarray:
        value = self._evaluated(self.process.sigma_at, x, t)
        if not self.process.sigma_is_diagonal:
            return _rows(value[:, k])
        return components([values_of(value[k]) if i == k else 0.0 for i in range(len(value))])

    def variance(self, i: int, x: Any, t: Any) -> Any:
        row = self._evaluated(self.process.sigma_at, x, t)[i]
        return values_of(row * row if self.process.sigma_is_diagonal else np.sum(row * row, axis=0))

    def conormal(self, i: int, x: Any, t: Any) -> dict[int, Any]:
        return dict(conormals(self.process)[i])

    def stratonovich_drift(self, x: Any, t: Any) -> np.ndarray:
        # free of x, sigma has no derivative: there the two drifts are one
        return self.drift(x, t) if NoiseType.ADDITIVE in self.process.noise_types else self.statement

    def along_noise(self, x: Any, t: Any) -> dict[tuple[int, int, int], Any]:
        return {} if NoiseType.ADDITIVE in self.process.noise_types else self.statement

    def energy(self, x: Any, t: Any) -> Any:
        return values_of(self._evaluated(self.process.energy_at, x, t))

    def denoiser_at(self, x: Any, level: Any) -> np.ndarray:
        return _rows(self._evaluated(self.process.denoised_at, x, level))

    def _evaluated(self, function: Callable, x: Any, t: float) -> np.ndarray:
        point = (*x, t)
        if function.__name__ in self._last:
            last, value = self._last[function.__name__]
            if len(last) == len(point) and all(a is b for a, b in zip(last, point, strict=True)):
                return value
        stacked = _stacked(x)
        value = function(stacked, t, self._of_functions(stacked) if self.process.takes_p else None)
        self._last[function.__name__] = (point, value)
        return value


def array_model(process: Any) -> ArrayModel | BlackBoxModel:
    """Return the model of a process as array code."""
    return BlackBoxModel(process) if is_black_box(process) else ArrayModel(process)


def _by_name(params: Mapping[str, Any], numbers: np.ndarray) -> dict[str, Any]:
    """Return numbers as parameters of these names and shapes."""
    ends = np.cumsum([np.size(value) for value in params.values()])
    parts = np.split(numbers, ends[:-1])
    return {
        name: part.reshape(np.shape(value)) if np.ndim(value) else float(part[0])
        for (name, value), part in zip(params.items(), parts, strict=False)
    }


def _those_stated(x: Any) -> None:
    """Functions of a black box get the parameters that it states."""
    return None


def _components_of(values: Any) -> np.ndarray:
    """Return an array ``(..., n)`` as components ``(...)`` of n values each."""
    out = np.empty(values.shape[:-1], dtype=object)
    for index in np.ndindex(out.shape):
        out[index] = values_of(values[index])
    return out.view(Components)


def _tables_by_name(process: Any, t: float) -> dict[str, float]:
    """Return the entries of the tables of a process at time ``t``."""
    return dict(zip(process.tables, process.tables_at(t), strict=True))


def _rows(values: np.ndarray) -> np.ndarray:
    """Return the rows of an array ``(d, n)`` as components."""
    return components([values_of(row) for row in values])


def _stacked(values: Any) -> np.ndarray:
    """Return components, arrays ``(n,)`` or numbers, as a new array ``(d, n)`` where these lie."""
    arrays = [np.asarray(v) if isinstance(v, Values) else bare(v) for v in values]
    like = max(arrays, key=_size)
    kind = np.result_type(*(getattr(v, "dtype", v) for v in arrays))
    out = np.empty_like(like, dtype=kind, shape=(len(arrays), _size(like)))
    for row, value in zip(out, arrays, strict=True):
        row[:] = value
    return out


def _size(value: Any) -> int:
    return getattr(value, "size", 1)


def array_parameters(params: Mapping[str, Any]) -> Parameters:
    """Return parameters for array code: an array among them is components, as it is in a trace."""
    return Parameters(
        **{name: v.astype(object).view(Components) if isinstance(v, np.ndarray) else v for name, v in params.items()}
    )
