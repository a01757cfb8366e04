"""Calls of model functions, of x, t and p or fewer: with arrays, or traced into SymPy expressions."""

from __future__ import annotations

from collections.abc import Callable
from numbers import Real
from typing import Any

import numpy as np
import sympy as sp

from fpsde.errors import InvalidInput
from fpsde.symbolic import Traced, Values, boxed, is_boolean_expression, unwrap
from fpsde.user_code import argument_names, place_and_name, raised_at

#: Words of Python's errors where one component is read as several.
_OF_SEVERAL = ("subscriptable", "unpack", "iterable", "len()")


def call(function: Callable, *args: Any) -> Any:
    """Call a model function with as many of ``args`` (x, t, p) as its signature names.

    ``(x)``, ``(x, t)``, ``(x, p)`` and ``(x, t, p)`` are understood; ``p`` is recognised by its name.
    """
    *values, p = args
    names = argument_names(function)
    if names and names[-1] == "p":
        names.pop()
        values_used = [*values[: len(names)], p]
    else:
        values_used = values[: len(names)]
    if len(names) > 1 and names[1] != "t":
        raise InvalidInput(
            f"{place_and_name(function)} takes {names}: the second argument is the time t; "
            f"parameters are read from p, as p.{names[1]}"
        )
    if len(names) > len(values):
        raise InvalidInput(
            f"{place_and_name(function)} takes {len(names)} arguments {names}; "
            "a model function takes (x, t, p) or fewer"
        )
    try:
        return function(*values_used)
    except (TypeError, AttributeError) as error:
        single = isinstance(values[0], (Traced, Values)) and any(word in str(error) for word in _OF_SEVERAL)
        raise InvalidInput(
            f"{raised_at(error)}: {error}; a model function uses operators and NumPy functions on its components"
            + ("; with dim=1, x is the component itself: write x in place of x[0], or give dim=2 or more" * single)
        ) from error


def trace(function: Callable, *args: Any, shape: tuple[int, ...] = ()) -> np.ndarray:
    """Return the expressions of ``function(*args)`` as an object array of ``shape`` of SymPy expressions."""
    result = call(function, *args)
    out = np.empty(shape, dtype=object)
    given = np.asarray(boxed(result)) if isinstance(result, Traced) else np.asarray(result, dtype=object)
    if given.shape != shape:
        raise InvalidInput(
            f"{place_and_name(function)} returned shape {given.shape}; {shape} is needed "
            "(component first: drift (d,), sigma (d, m))"
        )
    for index in np.ndindex(shape):
        out[index] = real_expression(given[index], function)
    return out


def real_expression(value: Any, function: Callable) -> sp.Expr:
    """Return the expression of what ``function`` returned; InvalidInput if it is no real number."""
    e = unwrap(value) if isinstance(value, Traced) or (isinstance(value, Real) and np.isfinite(float(value))) else None
    if e is None or is_boolean_expression(e) or e.has(sp.nan, sp.zoo, sp.oo, -sp.oo, sp.I):
        raise InvalidInput(
            f"{place_and_name(function)} returned {value if e is None else e}; a finite real number is needed "
            "(np.where makes one of a condition)"
        )
    return e
