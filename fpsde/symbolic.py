"""Tracing: a function written with operators and NumPy ufuncs becomes a SymPy expression.

``Traced`` stands for one real component. Operators, comparisons and NumPy functions on it build SymPy expressions;
whatever cannot be one (a branch, ``math.exp``, an unknown ufunc) is refused with the file and line where it stands.
Derivatives are SymPy's. :mod:`fpsde.printing` turns the expressions into text for each machine.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Mapping, Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np
import sympy as sp
from numpy.lib.mixins import NDArrayOperatorsMixin

from fpsde.arrays import DeviceValues
from fpsde.errors import InvalidInput, unknown_name
from fpsde.functions import (
    PARAMETER,
    absolute,
    expm1,
    log1p,
    logarithm,
    logsumexp,
    maximum,
    minimum,
    power,
    rint,
    root,
    sign,
    where,
)
from fpsde.user_code import user_line

#: NumPy ufuncs that may be used on a component, and what they become.
UFUNCS: dict[str, Callable[..., Any]] = {
    "add": lambda a, b: a + b,
    "subtract": lambda a, b: a - b,
    "multiply": lambda a, b: a * b,
    "divide": lambda a, b: a / b,
    "power": power,
    "float_power": power,
    "negative": lambda a: -a,
    "positive": lambda a: a,
    "reciprocal": lambda a: 1 / a,
    "square": lambda a: a**2,
    "sqrt": root,
    "exp": sp.exp,
    "expm1": expm1,
    "log": logarithm,
    "log1p": log1p,
    "log2": lambda a: sp.log(a) / sp.log(2),
    "log10": lambda a: sp.log(a) / sp.log(10),
    "logaddexp": logsumexp,
    "sin": sp.sin,
    "cos": sp.cos,
    "tan": sp.tan,
    "sinh": sp.sinh,
    "cosh": sp.cosh,
    "tanh": sp.tanh,
    "arctan": sp.atan,
    "arcsinh": sp.asinh,
    "absolute": absolute,
    "fabs": absolute,
    "sign": sign,
    "rint": rint,
    "minimum": minimum,
    "maximum": maximum,
    "less": lambda a, b: a < b,
    "less_equal": lambda a, b: a <= b,
    "greater": lambda a, b: a > b,
    "greater_equal": lambda a, b: a >= b,
    "logical_and": sp.And,
    "logical_or": sp.Or,
    "logical_not": sp.Not,
    "bitwise_and": sp.And,
    "bitwise_or": sp.Or,
    "invert": sp.Not,
}
#: Those that join conditions; all others are of numbers.
_LOGICAL = {"logical_and", "logical_or", "logical_not", "bitwise_and", "bitwise_or", "invert"}


def is_boolean_expression(e: Any) -> bool:
    """Return whether a SymPy expression is a condition."""
    return isinstance(
        e, (sp.logic.boolalg.BooleanFunction, sp.logic.boolalg.BooleanAtom, sp.core.relational.Relational)
    )


def is_condition(value: Any) -> bool:
    """Return whether a component is a condition such as x > 0, traced or as an array of truth values."""
    if isinstance(value, Traced):
        return is_boolean_expression(value.expr)
    return (value if isinstance(value, DeviceValues) else np.asarray(value)).dtype == bool


def _number(value: Any) -> sp.Expr:
    """Return a Python or NumPy number as a SymPy number: integers exactly, floats by their exact binary value."""
    if isinstance(value, (bool, np.bool_)):
        return sp.true if value else sp.false
    if isinstance(value, (int, np.integer)):
        return sp.Integer(int(value))
    if isinstance(value, (float, np.floating)) and np.isfinite(value):
        number = float(value)
        return sp.Integer(int(number)) if number.is_integer() and abs(number) < 2**53 else sp.Float(number)
    if isinstance(value, sp.Expr):
        return value
    raise InvalidInput(
        f"{user_line()}: {value!r} of type {type(value).__name__} cannot enter a traced expression; "
        "use finite real numbers"
    )


class Traced(NDArrayOperatorsMixin):
    """One real component during tracing; ``expr`` is its SymPy expression."""

    __slots__ = ("expr",)

    def __init__(self, expr: Any) -> None:
        self.expr = expr

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **kwargs: Any) -> Any:
        name = ufunc.__name__
        if method != "__call__" or kwargs or name not in UFUNCS:
            what = (
                f"numpy.{name}"
                + ("" if method == "__call__" else f".{method}")
                + (f" with {sorted(kwargs)}" if kwargs else "")
            )
            raise InvalidInput(
                f"{user_line()}: {what} cannot be traced; write the expression with operators and these NumPy "
                f"functions: {', '.join(sorted(UFUNCS))}, where, clip"
            )
        return _each(ufunc, inputs) if _has_array(inputs) else _apply(name, inputs)

    def __array_function__(self, func: Callable, types: Any, args: tuple, kwargs: dict) -> Any:
        if func in (np.where, np.clip) and len(args) == 3 and _has_array(args):
            return _each(func, args)
        if func is np.where and len(args) == 3:
            condition, a, b = (unwrap(arg) for arg in args)
            if not is_boolean_expression(condition) or is_boolean_expression(a) or is_boolean_expression(b):
                raise InvalidInput(
                    f"{user_line()}: np.where({condition}, {a}, {b}); a condition and two numbers are needed"
                )
            return Traced(where(condition, a, b))
        if func is np.clip and len(args) == 3:
            x, low, high = args
            return np.minimum(np.maximum(x, low), high)
        raise InvalidInput(
            f"{user_line()}: numpy.{func.__name__} cannot be traced; "
            "np.where(condition, a, b) and np.clip(x, low, high) can"
        )

    def __bool__(self) -> bool:
        raise InvalidInput(
            f"{user_line()}: a model function may not branch on its arguments (if, while, and, or, not, min, max on "
            f"{self.expr}); write np.where(condition, a, b), np.minimum or np.maximum, and & | ~ for conditions"
        )

    def __float__(self) -> float:
        raise InvalidInput(
            f"{user_line()}: {self.expr} is not a number here; use NumPy's functions (np.exp), not math's (math.exp)"
        )

    __int__ = __index__ = __float__

    def __repr__(self) -> str:
        return f"Traced({self.expr})"


class Components(np.ndarray):
    """An object array of components (or of arrays, in plain runs), on which NumPy's functions act one by one."""

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **kwargs: Any) -> Any:
        plain = [np.asarray(value) if isinstance(value, Components) else value for value in inputs]
        if method == "__call__" and not kwargs and ufunc.signature is None:
            return _each(ufunc, plain)
        if method == "reduce" and plain[0].ndim == 1 and not kwargs.get("keepdims") and "initial" not in kwargs:
            return functools.reduce(ufunc, plain[0])
        result = getattr(ufunc, method)(*plain, **kwargs)
        return result.view(Components) if isinstance(result, np.ndarray) else result

    def __array_function__(self, func: Callable, types: Any, args: Iterable[Any], kwargs: Mapping[str, Any]) -> Any:
        args = tuple(args)
        if func in (np.where, np.clip) and len(args) == 3 and not kwargs:
            return _each(func, args)
        return super().__array_function__(func, types, args, kwargs)


class Values(np.ndarray):
    """The values ``(n,)`` of one component for n particles: one component to ``Components``, as ``Traced`` is."""

    def __array_function__(self, func: Callable, types: Any, args: Iterable[Any], kwargs: Mapping[str, Any]) -> Any:
        args = tuple(args)
        if func in (np.where, np.clip) and any(isinstance(arg, Components) for arg in args):
            return _each(func, args)
        result = super().__array_function__(func, types, args, kwargs)
        return result.view(Values) if func is np.where else result


def values_of(array: Any) -> Any:
    """Return an array ``(n,)``, of the host or of a device, as the values of one component."""
    return array.view(Values) if isinstance(array, np.ndarray) else DeviceValues(array)


def _has_array(values: Sequence[Any]) -> bool:
    return any(isinstance(value, np.ndarray) and value.ndim for value in values)


def _each(function: Callable, args: Sequence[Any]) -> Any:
    """Return ``function`` of each element, arrays broadcast against each other."""
    out = np.frompyfunc(function, len(args), 1)(*(np.asarray(boxed(arg)) for arg in args))
    return out.view(Components) if isinstance(out, np.ndarray) else out


def boxed(value: Any) -> Any:
    """Return a component as a 0-d object array, so that it broadcasts against arrays of components."""
    if not isinstance(value, (Traced, Values, DeviceValues)):
        return value
    box = np.empty((), dtype=object)
    box[()] = value
    return box


def _apply(name: str, inputs: Sequence[Any]) -> Traced:
    values = [unwrap(value) for value in inputs]
    for value in values:
        if is_boolean_expression(value) != (name in _LOGICAL):
            needed = (
                "conditions such as x > 0"
                if name in _LOGICAL
                else "numbers; np.where(condition, 1.0, 0.0) makes one of a condition"
            )
            raise InvalidInput(f"{user_line()}: numpy.{name} of {value}; it takes {needed}")
    return Traced(UFUNCS[name](*values))


def unwrap(value: Any) -> Any:
    """Return the SymPy expression of a component, or of a plain number."""
    if isinstance(value, Traced):
        return value.expr
    if isinstance(value, np.ndarray) and value.ndim == 0:
        return unwrap(value[()])
    return _number(value)


def _method(name: str) -> Callable[[Traced], Traced]:
    # NumPy calls these methods when a ufunc meets an object array of components (mixtures with array parameters).
    return lambda self: _apply(name, (self,))


for _name in (
    "exp",
    "expm1",
    "log",
    "log1p",
    "log2",
    "log10",
    "sqrt",
    "fabs",
    "square",
    "sin",
    "cos",
    "tan",
    "sinh",
    "cosh",
    "tanh",
    "arctan",
    "arcsinh",
    "sign",
    "rint",
):
    setattr(Traced, _name, _method(_name))


def real_symbol(name: str) -> sp.Symbol:
    """Return a real symbol: without the assumption derivatives of |x| and sign(x) come out in re and im."""
    return sp.Symbol(name, real=True)


def components(values: Sequence[Any]) -> Components:
    """Return ``(d,)`` components: symbols, expressions, or arrays ``(n,)`` each."""
    out = np.empty(len(values), dtype=object)
    for i, value in enumerate(values):
        out[i] = Traced(value) if isinstance(value, (sp.Expr, sp.logic.boolalg.Boolean)) else value
    return out.view(Components)


class Parameters(SimpleNamespace):
    """Parameters by name, as ``p.name``; a name that is not there gives an error with the nearest one."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        if not vars(self):
            raise InvalidInput(f"p.{name} is read, and there are no parameters; params={{{name!r}: ...}} is missing")
        raise unknown_name("parameter", name, vars(self))


def parameter_symbols(params: Mapping[str, Any], prefix: str = PARAMETER) -> dict[str, Any]:
    """Return for each parameter a real symbol, or for an array components of the same shape."""
    symbols: dict[str, Any] = {}
    for name, value in params.items():
        shape = np.shape(value)
        flat = [Traced(real_symbol(f"{prefix}{i if shape else ''}_{name}")) for i in range(int(np.prod(shape)))]
        symbols[name] = components(flat).reshape(shape) if shape else flat[0]
    return symbols
