"""What the Fokker-Planck solver returns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from fpsde.density import CellLaw
from fpsde.fokker_planck.generator import Generator
from fpsde.provenance import environment

#: The Peclet number is read where at least this fraction of the mass lies on either side.
BULK = 1e-6


@dataclass(frozen=True)
class Evolution:
    """The law at ``times``, and how well it was computed.

    law, laws
        at the last time; at every time
    absorbed
        mass on the low and on the high wall at the last time (the atoms of ``law`` where the wall absorbs)
    mass_error
        largest departure, over the times, of the total mass (absorbing walls included) from that of the start
    minimum
        smallest mass that a cell ever held
    time_error
        mass moved by the last halving of dt, about three times the error of ``laws``; None where dt was given
    outside
        mass of the initial law that the grid does not hold
    edge
        largest mass that ever lay in the outermost cells at the low and high end, where they cut the domain (else 0)
    peclet
        largest |integral of mu/D| over an edge where the last law is; far above 1 the order in the cell width is 1
    dt, n_steps, n_refused
        last step length; steps taken; steps taken in halves because a mass would have been negative
    """

    law: CellLaw
    laws: tuple[CellLaw, ...]
    times: tuple[float, ...]
    absorbed: tuple[float, float]
    mass_error: float
    minimum: float
    time_error: float | None
    outside: float
    edge: tuple[float, ...]
    peclet: float
    dt: float
    n_steps: int
    n_refused: int
    provenance: dict[str, Any]


@dataclass(frozen=True)
class Stationary:
    """The stationary law, how well it is one, and the current that it carries.

    residual
        sum over cells of |Q m|, divided by the rate at which all of the mass jumps: about 1e-16 for an exact one
    current
        net mass that passes to the right per time, mean over the edges; zero but for round-off unless a ring is driven
    edge, peclet
        as in :class:`Evolution`
    """

    law: CellLaw
    residual: float
    current: float
    edge: tuple[float, float]
    peclet: float
    provenance: dict[str, Any]


def peclet_number(generator: Generator, masses: np.ndarray) -> float:
    """Return the largest |w| over the edges with more than ``BULK`` of the mass on either side; over all of a ring."""
    w = np.abs(generator.exponents)
    if generator.periodic:
        return float(w.max())
    below = np.cumsum(masses)[:-1]
    return float(np.max(w, initial=0.0, where=(below > BULK) & (masses.sum() - below > BULK)))


def provenance(process: Any, generator: Generator, method: str) -> dict[str, Any]:
    """Return what a result was computed from and with, ready for JSON."""
    faces = generator.grid.faces
    return {
        "process": process.name,
        "grid": {"low": float(faces[0]), "high": float(faces[-1]), "cells": len(faces) - 1},
        "method": method,
        "dtype": "float64",
        "environment": environment(),
    }
