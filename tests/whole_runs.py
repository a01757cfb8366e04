"""A run that everything looks at, and all that a run says as bits: what must not depend on how the run is cut."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

import numpy as np

from fpsde.domain import Interval, Wall
from fpsde.integrators import (
    Autocorrelation,
    Covariance,
    Crossings,
    Displacement,
    FirstPassage,
    Functional,
    Histogram,
    JointHistogram,
    Moments,
    Paths,
    Snapshots,
    Tracked,
    simulate,
)
from fpsde.processes.process import Process
from fpsde.schemes import euler_maruyama


def ring(steepness):
    """Return a process on a ring, and beside it on a line where a steep drift makes particles explode."""
    return Process(
        drift=lambda x, t, p: (p.force - np.sin(x[0]), p.steepness * x[1] ** 3 - x[0] + 0.1 * t),
        sigma=lambda x, p: (0.6, p.s),
        dim=2,
        params={"force": 1.5, "s": 0.5, "steepness": steepness},
        domain=(Interval(-np.pi, np.pi, Wall.PERIODIC, Wall.PERIODIC), Interval(-np.inf, np.inf)),
        name="ring",
    )


RING, BURSTING = ring(-0.2), ring(4.0)


def everything(first: int = 0) -> list:
    """Return one of each observer; the paths are of particles from ``first`` on."""
    return [
        Moments([0.5, 2.0], centre=(0.3, 0.0)),
        Covariance(centre=0.1),
        Covariance([1.0, 2.0], of=("area", 0)),
        Histogram(-4.0, 4.0, 20, times=[1.0, 2.0]),
        Histogram(-1.0, 3.0, 9, of="area"),
        JointHistogram((-3.0, -2.0), (3.0, 2.0), (5, 7)),
        Snapshots([0.75, 1.5]),
        Snapshots([1.0], of="largest"),
        Functional(lambda x, t: x[0] * t, name="area", times=[1.0, 2.0]),
        FirstPassage(lambda x: x[1] > 0.4, bins=8),
        Crossings(1.0, times=[2.0]),
        Displacement(times=[0.5, 2.0]),
        Autocorrelation(lambda x: np.cos(x[0]), 0.5, [1.0, 2.0]),
        Tracked("largest", lambda value, before, after, t, dt, p: np.where(after[0] > value, after[0], value), -9.0),
        Paths([first + 700, first + 3, first + 1029]),
        Paths([first + 600], of="area"),
    ]


def watched(**changes):
    """Return a short run of the ring with every observer, with changes."""
    arguments = dict(x0=(0.2, 0.3), t_end=2.0, dt=0.25, n_particles=6 * 512 + 77, seed=11, observers=everything())
    arguments |= changes
    return simulate(arguments.pop("process", RING), arguments.pop("scheme", euler_maruyama), **arguments)


def bits(value):
    """Return a value with its arrays as (type, shape, bytes), so that == compares every bit."""
    if isinstance(value, np.ndarray):
        return value.dtype.str, value.shape, value.tobytes()
    if dataclasses.is_dataclass(value):
        return [bits(getattr(value, field.name)) for field in dataclasses.fields(value)]
    if isinstance(value, Mapping):
        return {name: bits(one) for name, one in value.items()}
    if isinstance(value, (tuple, list)):
        return [bits(one) for one in value]
    return value if isinstance(value, (int, str)) else repr(value)


SAID = ("n_particles", "x", "values", "results", "not_finite", "first_not_finite", "failed", "absorbed")


def bits_of(run):
    """Return all numbers of a run as bits, by name."""
    return {name: bits(getattr(run, name)) for name in SAID}
