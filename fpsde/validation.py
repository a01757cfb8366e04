"""What every public door checks of its arguments, so that inner code can trust them."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from fpsde.arrays import on_device
from fpsde.errors import InvalidInput

#: Relative distance from a whole number of steps up to which ``t_end / dt`` counts as whole.
WHOLE_STEPS = 1e-9
#: The times of a run are one array: this many steps take 1 GiB.
MOST_STEPS = 2**27


@dataclass(frozen=True)
class Range:
    """Which finite numbers are allowed: ``holds`` says it of a number, or of each of an array.

    ``words`` end the sentence "theta=-1.0 ..." of one that is not: "must be positive".
    """

    holds: Callable[[Any], Any]
    words: str


REAL = Range(np.isfinite, "is not finite; give a finite number")
POSITIVE = Range(lambda v: v > 0, "must be positive")
#: Strictly between 0 and 1, and with both ends.
FRACTION = Range(lambda v: (v > 0) & (v < 1), "must lie strictly between 0 and 1")
SHARE = Range(lambda v: (v >= 0) & (v <= 1), "must lie in [0, 1]")


def as_given(value: Any) -> str:
    """Return what was given, as messages show it: the ``repr``, in which NumPy's numbers are plain ones."""
    with np.printoptions(legacy="1.25"):  # since 2.0 they are np.float64(0.5) in tuples and lists
        return repr(value)


def finite(name: str, value: Any) -> float:
    """Return ``value`` as a finite float."""
    try:
        if isinstance(value, (str, bytes)):  # float("3") would pass
            raise TypeError
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        raise InvalidInput(f"{name}={as_given(value)} is not a number; give one real number") from None
    if not math.isfinite(number):
        raise InvalidInput(f"{name}={number} {REAL.words}")
    return number


def within(name: str, value: Any, allowed: Range) -> float:
    """Return ``value`` as a finite float of a range."""
    number = finite(name, value)
    if not allowed.holds(number):
        raise InvalidInput(f"{name}={number} {allowed.words}")
    return number


def positive(name: str, value: Any) -> float:
    """Return ``value`` as a finite float above zero."""
    return within(name, value, POSITIVE)


def integer(name: str, value: Any, *, least: int) -> int:
    """Return ``value`` as an int of at least ``least``; floats are refused unless they are whole (1e6)."""
    if isinstance(value, (float, np.floating)) and value.is_integer():
        value = int(value)
    try:
        number = operator.index(value)
    except TypeError:
        raise InvalidInput(f"{name}={as_given(value)} is not a whole number") from None
    if number < least:
        raise InvalidInput(f"{name}={number} must be at least {least}")
    return number


def refuse_no_function(name: str, given: Any, form: str) -> None:
    """Raise InvalidInput unless ``given`` can be called."""
    if not callable(given):
        raise InvalidInput(f"{name}={as_given(given)} is no function; give {form}")


def seed64(value: Any) -> int:
    """Return ``value`` as a seed: a whole number in [0, 2**64)."""
    number = integer("seed", value, least=0)
    if number >= 2**64:
        raise InvalidInput(f"seed={number} does not fit the generator's 64-bit key; give 0 <= seed < 2**64")
    return number


def probability(name: str, value: Any) -> float:
    """Return ``value`` as a float strictly between 0 and 1."""
    return within(name, value, FRACTION)


def share(name: str, value: Any) -> float:
    """Return ``value`` as a float from 0 to 1, both of which it may be."""
    return within(name, value, SHARE)


def finite_array(name: str, values: Any, *, ndim: int | None = None) -> np.ndarray:
    """Return ``values`` as a float64 array without NaN or Inf, refusing complex numbers, text and empty arrays.

    Arrays of a device are refused: see :func:`finite_placed`.
    """
    return _finite(name, _real(name, _of_host(name, values), ndim))


def finite_placed(name: str, values: Any, *, ndim: int | None = None) -> Any:
    """Return what :func:`finite_array` does, where the values lie: on the host, or on a device."""
    return _finite(name, _real(name, values, ndim)) if on_device(values) else finite_array(name, values, ndim=ndim)


def _of_host(name: str, values: Any) -> np.ndarray:
    try:
        return np.asarray(values)
    except ValueError:
        raise InvalidInput(f"{name} has rows of different lengths; give a rectangular array") from None
    except (TypeError, RuntimeError) as error:  # a tensor on a device, or one that requires grad
        raise InvalidInput(f"{name} is no array of the host ({error}); copy its numbers to the host first") from error


def _real(name: str, array: Any, ndim: int | None) -> Any:
    if array.dtype.kind not in "fiub":
        raise InvalidInput(f"{name} has dtype {array.dtype}; give real numbers")
    if array.size == 0:
        raise InvalidInput(f"{name} is empty; give at least one value")
    if ndim is not None and array.ndim != ndim:
        raise InvalidInput(f"{name} has shape {array.shape}; {ndim} dimension(s) are needed")
    return array.astype(np.float64)


def _finite(name: str, array: Any) -> Any:
    bad = array.size - int(np.count_nonzero(np.isfinite(array)))  # counting takes a third of the time of asking for all
    if bad:
        raise InvalidInput(f"{name} has {bad} of {array.size} values that are NaN or infinite; all must be finite")
    return array


def increasing(name: str, values: Any) -> np.ndarray:
    """Return ``values`` as a strictly increasing 1-D float64 array."""
    array = _real(name, _of_host(name, values), 1)
    rises = array[1:] > array[:-1]
    i = int(rises.argmin()) if len(rises) else 0  # the first place where it does not, if there is one
    if (not len(rises) or rises[i]) and math.isfinite(array[0]) and math.isfinite(array[-1]):
        return array  # what increases from one finite number to another is finite in between
    _finite(name, array)
    raise InvalidInput(f"{name} must strictly increase, but {name}[{i}]={array[i]} is followed by {array[i + 1]}")


def whole_steps(t_end: Any, dt: Any) -> int:
    """Return the number of steps of length ``dt`` in ``t_end``, refusing a ``dt`` that does not divide it."""
    horizon, step = positive("t_end", t_end), positive("dt", dt)
    if horizon / step > MOST_STEPS:
        steps = f"{horizon / step:.3g} steps in t_end={horizon}, more than {MOST_STEPS} (1 GiB of times)"
        raise InvalidInput(f"dt={step} makes {steps}; take dt >= {horizon / MOST_STEPS:.3g}, or several shorter runs")
    if not _divides(step, horizon):
        below, above = horizon / (math.floor(horizon / step) + 1), horizon / max(1, math.floor(horizon / step))
        raise InvalidInput(f"dt={step} does not divide t_end={horizon}; take dt={below:.12g} or dt={above:.12g}")
    return round(horizon / step)


def _divides(step: float, horizon: float) -> bool:
    n = round(horizon / step)
    return n >= 1 and abs(horizon / step - n) <= WHOLE_STEPS * n


def dividing_step(t_end: Any, dt: float) -> float:
    """Return the longest step that divides ``t_end`` and is no longer than ``dt``, a default that nobody typed."""
    horizon = positive("t_end", t_end)
    if horizon / dt > MOST_STEPS or _divides(dt, horizon):  # too many are refused where they are counted
        return dt
    return horizon / math.ceil(horizon / dt)


def time_grid(*, t_end: Any = None, dt: Any = None, times: Sequence[float] | np.ndarray | None = None) -> np.ndarray:
    """Return the times ``(n_steps + 1,)`` of a run: uniform from ``t_end`` and ``dt``, or the ``times`` given."""
    if times is not None:
        if t_end is not None or dt is not None:
            raise InvalidInput("times were given together with t_end or dt; give either times, or t_end and dt")
        grid = increasing("times", times)
        if len(grid) < 2:
            raise InvalidInput(f"times has {len(grid)} entry; a run needs a start and at least one later time")
        return grid
    if t_end is None or dt is None:
        raise InvalidInput(f"t_end={t_end} and dt={dt}: give both, or give times")
    n = whole_steps(t_end, dt)
    return np.arange(n + 1) * (float(t_end) / n)


def longest_step(grid: np.ndarray, dt: Any) -> float:
    """Return the longest step of the times of a run: the ``dt`` that was given, or read off the times if none was."""
    return float(np.max(np.diff(grid))) if dt is None else float(dt)
