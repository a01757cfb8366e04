"""Observers of whole paths: integrals, first passages, crossings, displacements, autocorrelations.

Each tracks one number for every particle by a traced function, beside the state, and looks at these numbers: memory
does not grow with the number of steps.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np

from fpsde.domain import Interval
from fpsde.ensemble import Counts, PowerSums, ProductSums
from fpsde.errors import InvalidInput
from fpsde.integrators.looks import Look
from fpsde.integrators.observers import Covariance, Histogram, Moments, Observer, Scene, Taken
from fpsde.model_functions import call
from fpsde.schemes.tracked import Tracked
from fpsde.symbolic import is_condition
from fpsde.validation import finite, increasing, integer


def _of_position(function: Callable, x: Any, t: Any, p: Any) -> Any:
    """Return ``function(x, t, p)`` as a process has it: of the component itself in one dimension, else of a tuple."""
    return call(function, x[0] if len(x) == 1 else tuple(x), t, p)


class Summed(Observer):
    """An observer whose result are the power sums of one tracked number, ``name``, at ``times``."""

    name: str
    times: Sequence[float] | np.ndarray | None

    def looks(self, scene: Scene) -> tuple[Look, ...]:
        return Moments(self.times, of=self.name).looks(scene)

    def read(self, scene: Scene, taken: Sequence[Taken]) -> tuple[PowerSums, ...]:
        return Moments(self.times, of=self.name).read(scene, taken)


@dataclass(frozen=True, eq=False)
class Functional(Summed):
    """The integral of f(X_t, t) along each path, by the trapezoid rule on the steps, at ``times`` (default: the end).

        value = int_0^t f(X_s, s) ds

    ``f`` is written like a drift: (x, t, p) or fewer. Its result is a :class:`~fpsde.ensemble.PowerSums` for each
    time; a :class:`~fpsde.integrators.observers.Histogram` of it is one with ``of=name``.
    """

    f: Callable
    name: str = "functional"
    times: Sequence[float] | np.ndarray | None = None

    def tracked(self, process: Any, times: np.ndarray) -> tuple[Tracked, ...]:
        return (Tracked(self.name, partial(_integrated, self.f)),)


@dataclass(frozen=True)
class Passages:
    """First passages of the particles of a run up to time ``time``."""

    time: float
    n: int
    censored: int  #: particles that have not arrived
    mean: float  #: of the times of those that have; NaN if there are none
    variance: float
    histogram: Counts  #: of their times


@dataclass(frozen=True, eq=False)
class FirstPassage(Observer):
    """The first time at which a particle is seen in ``region``, at the end of a step.

    ``region`` is a condition such as ``lambda x: x > 1.0``, of (x, t, p) or fewer. A particle that starts in it arrives
    with the end of the first step. Passages *within* a step are seen at absorbing walls alone, whose crossing
    probability the step draws: put a wall there and name ``lambda x: x >= wall``; elsewhere the discrete path arrives
    late by O(sqrt(dt)).

    The bins of the result begin half a step after the start, so that each holds the ends of whole steps. In float32
    the state must tell the end of the last step from its start.

    The result is a :class:`Passages`; particles that have not arrived at the end are *censored*: the mean is of those
    that have. For each particle, ``run.values[name]`` holds its time, or -1.
    """

    region: Callable
    name: str = "passage"
    bins: int = 256

    def __post_init__(self) -> None:
        integer("bins", self.bins, least=1)

    def tracked(self, process: Any, times: np.ndarray) -> tuple[Tracked, ...]:
        if times[0] < 0:
            raise InvalidInput(f"the run begins at t={times[0]}; passages are timed from 0 on")
        return (Tracked(self.name, partial(_arrived, self.region), start=-1.0),)

    def _observers(self, scene: Scene) -> tuple[Moments, Histogram]:
        half = _half_step(scene.times)
        low, high = float(scene.times[0]) + half, float(scene.times[-1]) + half
        return Moments(of=self.name), Histogram(low, high, self.bins, of=self.name)

    def looks(self, scene: Scene) -> tuple[Look, ...]:
        _refuse_blurred(scene, float(scene.times[-1]))
        return tuple(look for observer in self._observers(scene) for look in observer.looks(scene))

    def read(self, scene: Scene, taken: Sequence[Taken]) -> Passages:
        moments, histogram = self._observers(scene)
        (sums,), (counts,) = moments.read(scene, taken[:1]), histogram.read(scene, taken[1:])
        censored = int(counts.below[0])  # their number is -1
        arrived = sums.n - censored
        with np.errstate(invalid="ignore"):
            mean = (sums.sums[0, 0] + censored) / np.float64(arrived)
            square = (sums.sums[0, 1] - censored) / np.float64(arrived)
        return Passages(sums.time, sums.n, censored, float(mean), float(square - mean**2), counts)


@dataclass(frozen=True, eq=False)
class Crossings(Summed):
    """How often each particle crossed the surface x_i = at, upwards less downwards: a time-integrated current.

    Its result is a :class:`~fpsde.ensemble.PowerSums` for each of ``times`` (default: the end): mean/t is the mean
    current through the surface. A particle on the surface counts as above it: one that starts there has crossed once
    downwards when it is below, and not at all when it is above. On a periodic component a step that is shorter the
    other way round went that way.
    """

    at: float
    component: int = 0
    name: str = "crossings"
    times: Sequence[float] | np.ndarray | None = None

    def tracked(self, process: Any, times: np.ndarray) -> tuple[Tracked, ...]:
        at = finite("at", self.at)
        i, interval = _component(process, self.component)
        if not interval.low <= at <= interval.high:
            raise InvalidInput(
                f"at={at} lies outside of the domain ({interval.low}, {interval.high}) of {process.name}"
            )
        return (Tracked(self.name, partial(_crossed, at, i, interval)),)


@dataclass(frozen=True, eq=False)
class Displacement(Summed):
    """How far each particle went in a component since the start, turns of a periodic one counted.

    A step of more than half a period counts as one the other way round. Its result is a
    :class:`~fpsde.ensemble.PowerSums` for each of ``times`` (default: the end): mean/t is the mean velocity, and
    variance/(2t) the effective diffusivity.
    """

    component: int = 0
    name: str = "displacement"
    times: Sequence[float] | np.ndarray | None = None

    def tracked(self, process: Any, times: np.ndarray) -> tuple[Tracked, ...]:
        return (Tracked(self.name, partial(_moved, *_component(process, self.component))),)


@dataclass(frozen=True, eq=False)
class Autocorrelation(Observer):
    """Covariance of f(X) at time ``origin`` and at ``times`` from there on, over the particles.

        C(t) = E f(X_origin) f(X_t) - E f(X_origin) E f(X_t)

    ``f`` is written like a drift. The result is a :class:`~fpsde.ensemble.ProductSums` for each time, of
    (f(X_origin), f(X_t)): ``covariance[0, 1]`` is C(t), ``covariance[0, 0]`` the variance at the origin.
    """

    f: Callable
    origin: float
    times: Sequence[float] | np.ndarray
    name: str = "autocorrelation"

    def tracked(self, process: Any, times: np.ndarray) -> tuple[Tracked, ...]:
        origin = finite("origin", self.origin)
        held = partial(_held, self.f, origin + _half_step(times), origin <= times[0])
        return (Tracked(f"{self.name}_origin", held), Tracked(f"{self.name}_now", partial(_latest, self.f)))

    def _covariances(self) -> list[Covariance]:
        """Return what is looked at: lag 0, where it is asked for, and the later times."""
        first, now = f"{self.name}_origin", f"{self.name}_now"
        times = increasing("times of Autocorrelation", self.times)
        if times[0] < self.origin:
            raise InvalidInput(f"times={self.times} of Autocorrelation; none may be before origin={self.origin}")
        later = times[times > self.origin]
        # what is held from the origin on is still there at the end
        lag_zero = [Covariance(of=(first, first))] if len(later) < len(times) else []
        return lag_zero + ([Covariance(later, of=(first, now))] if len(later) else [])

    def looks(self, scene: Scene) -> tuple[Look, ...]:
        if finite("origin", self.origin) != scene.times[0]:
            scene.steps("origin of Autocorrelation", [self.origin])
        looks = tuple(look for one in self._covariances() for look in one.looks(scene))
        _refuse_blurred(scene, float(self.origin))
        return looks

    def read(self, scene: Scene, taken: Sequence[Taken]) -> tuple[ProductSums, ...]:
        out: list[ProductSums] = []
        for one in self._covariances():
            size = len(one.looks(scene))
            seen, taken = one.read(scene, taken[:size]), taken[size:]
            out += seen if one.times is not None else [replace(at, time=float(self.origin)) for at in seen]
        return tuple(out)


# The updates are functions of the module, not closures: those of a black box are to go to another process.


def _integrated(f: Callable, value: Any, before: Any, after: Any, t: Any, dt: Any, p: Any) -> Any:
    return value + 0.5 * dt * (_of_position(f, before, t, p) + _of_position(f, after, t + dt, p))


def _arrived(region: Callable, value: Any, before: Any, after: Any, t: Any, dt: Any, p: Any) -> Any:
    inside = _of_position(region, after, t + dt, p)
    if not is_condition(inside):
        raise InvalidInput(
            "the region of FirstPassage is no condition but a number; give one such as lambda x: x > 1.0"
        )
    return np.where((value < 0.0) & inside, t + dt, value)


def _crossed(
    at: float, i: int, interval: Interval, value: Any, before: Any, after: Any, t: Any, dt: Any, p: Any
) -> Any:
    a, b = before[i], after[i]
    above = np.where(b >= at, 1.0, 0.0) - np.where(a >= at, 1.0, 0.0)
    if not interval.periodic:
        return value + above
    return value + above + np.rint((_shortest(b - a, interval.length) - (b - a)) / interval.length)


def _moved(i: int, interval: Interval, value: Any, before: Any, after: Any, t: Any, dt: Any, p: Any) -> Any:
    step = after[i] - before[i]
    return value + (_shortest(step, interval.length) if interval.periodic else step)


def _held(
    f: Callable, last: float, at_start: bool, value: Any, before: Any, after: Any, t: Any, dt: Any, p: Any
) -> Any:
    """Return f at the origin, which lies before ``last``: at the start of the first step, or at the end of a step."""
    if at_start:
        return np.where(t <= last, _of_position(f, before, t, p), value)
    return np.where(t + dt <= last, _of_position(f, after, t + dt, p), value)


def _latest(f: Callable, value: Any, before: Any, after: Any, t: Any, dt: Any, p: Any) -> Any:
    return _of_position(f, after, t + dt, p)


def _shortest(step: Any, length: float) -> Any:
    return step - length * np.rint(step / length)


def _half_step(times: np.ndarray) -> float:
    return 0.5 * float(np.min(np.diff(times)))


def _refuse_blurred(scene: Scene, t: float) -> None:
    """Raise InvalidInput where the state's type does not tell the times beside ``t`` from one another."""
    if _half_step(scene.times) < 2 * np.spacing(scene.dtype.type(abs(t))):
        raise InvalidInput(
            f"steps of {2 * _half_step(scene.times):.3g} near t={t} are lost in {scene.dtype}; use dtype=numpy.float64"
        )


def _component(process: Any, component: Any) -> tuple[int, Interval]:
    """Return the number of a component and the interval of its domain."""
    i = integer("component", component, least=0)
    if i >= process.dim:
        raise InvalidInput(f"component={component} is none of {process.name}, which has {process.dim}, from 0 on")
    return i, process.intervals[i]
