"""Coefficients that depend on time, in steps: nanoseconds for a cell and a step, beside a loop of banded solves.

A particle in a harmonic trap whose centre moves: on a line dX = (sin(3 t) - X) dt + sqrt(2 D) dW, in the plane the same
with a trap that goes round in a circle, and once more with noise whose correlation swings: D_12 = R D sin(3 t). Means
follow m' = c(t) - m, variances relax, the covariance follows s' = 2 D_12(t) - 2 s: the law is normal in closed form.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import harness
import numpy as np
from harness import Contestant, Goal, Sense
from rich.table import Table
from scipy import special
from scipy.linalg import solve_banded

from fpsde.density import Normal
from fpsde.fokker_planck import FokkerPlanck
from fpsde.grid import Grid
from fpsde.processes.process import Process
from solvers import central, plane
from solvers.race import Call, clock

D, R, OMEGA, T_END, BOX = 0.5, 0.6, 3.0, 2.0, (-6.0, 6.0)
MEAN, STD = 0.5, 0.6
GOAL_NS = 20.0


def centre(t: float) -> tuple[float, float]:
    """Return where the trap is."""
    return np.sin(OMEGA * t), np.cos(OMEGA * t)


def exact_masses(axes: int, cells: int, *, correlated: bool = False) -> np.ndarray:
    """Return the cell masses at the end: m = s + e^-t (m_0 - s_0) with s(t) the forced oscillation."""
    decay, swing = np.exp(-T_END), 1 + OMEGA**2

    def forced(t: float) -> np.ndarray:
        sine, cosine = centre(t)
        return np.array([(sine - OMEGA * cosine) / swing, (cosine + OMEGA * sine) / swing])

    means = forced(T_END) + decay * (MEAN - forced(0.0))
    std = np.sqrt(D + decay**2 * (STD**2 - D))
    if correlated:
        sine, cosine = centre(T_END)
        mixed = 2 * R * D * (2 * sine - OMEGA * cosine + OMEGA * decay**2) / (4 + OMEGA**2)
        return plane.normal_masses([BOX] * 2, cells, means, np.array([[std**2, mixed], [mixed, std**2]]))
    faces = np.linspace(*BOX, cells + 1)
    found = [np.diff(special.ndtr((faces - m) / std)) for m in means]
    return found[0] if axes == 1 else np.multiply.outer(*found)


def start_masses(axes: int, cells: int) -> np.ndarray:
    """Return the cell masses at the start."""
    one = np.diff(special.ndtr((np.linspace(*BOX, cells + 1) - MEAN) / STD))
    return one if axes == 1 else np.multiply.outer(one, one)


def process(axes: int, *, correlated: bool) -> Process:
    """Return the process."""
    noise = float(np.sqrt(2 * D))

    def swinging(x: Any, t: Any, p: Any) -> Any:
        part = R * np.sin(OMEGA * t)
        return (noise, 0.0), (noise * part, noise * np.sqrt(1 - part**2))

    if axes == 1:
        return Process(drift=lambda x, t, p: np.sin(OMEGA * t) - x, sigma=lambda x, t, p: noise)
    return Process(
        drift=lambda x, t, p: (np.sin(OMEGA * t) - x[0], np.cos(OMEGA * t) - x[1]),
        sigma=swinging if correlated else (lambda x, t, p: ((noise, 0.0), (0.0, noise))),
        dim=2,
    )


def by_fpsde(axes: int, cells: int, steps: int, *, correlated: bool = False) -> Call:
    """The public call with a step that is given."""
    trap, start = process(axes, correlated=correlated), Normal(MEAN, STD)

    def run() -> np.ndarray:
        solver = FokkerPlanck(trap, Grid.uniform(*[BOX] * axes, cells=cells))
        return solver.evolve(start if axes == 1 else [start, start], t_end=T_END, dt=T_END / steps).law.masses

    return run


def banded_loop(axes: int, cells: int, steps: int) -> Call:
    """Crank-Nicolson with the coefficients of the middle of each step, a banded solve for each axis (Strang's order).

    Drift and rates are arrays over all cells, made anew in each step, as for a drift that is no product.
    """

    def run() -> np.ndarray:
        (x,) = central.centres([BOX], cells)
        h, dt, m = x[1] - x[0], T_END / steps, start_masses(axes, cells)
        mid = np.broadcast_to(0.5 * (x[1:] + x[:-1])[:, None], (cells - 1, m.size // cells))

        def along(m: np.ndarray, c: float, dt: float) -> np.ndarray:
            """Return (1 - dt Q / 2)^-1 (1 + dt Q / 2) m with Q along the first axis; lines one after another."""
            z = (c - mid) * h / D
            down = np.where(np.abs(z) < 1e-8, 1 - z / 2, z / np.expm1(z)) * D / h**2
            up = down + z * D / h**2
            flow = dt / 2 * (up * m[:-1] - down * m[1:])
            right = m.copy()
            right[:-1] -= flow
            right[1:] += flow
            bands = np.zeros((3, m.shape[1], cells))
            bands[1] = 1.0
            bands[0, :, 1:], bands[2, :, :-1] = -dt / 2 * down.T, -dt / 2 * up.T
            bands[1, :, :-1] += dt / 2 * up.T
            bands[1, :, 1:] += dt / 2 * down.T
            return solve_banded((1, 1), bands.reshape(3, -1), right.T.ravel(), check_finite=False).reshape(-1, cells).T

        for k in range(steps):
            first, second = centre((k + 0.5) * dt)
            if axes == 1:
                m = along(m.reshape(cells, 1), first, dt).ravel()
            else:
                m = along(m, first, dt / 2)
                m = along(m.T, second, dt).T
                m = along(m, first, dt / 2)
        return m

    return run


@dataclass(frozen=True)
class Size:
    """Cells along an axis and steps, on a line and in the plane."""

    line: tuple[int, int] = (1000, 1000)
    plane: tuple[int, int] = (200, 100)


QUICK = Size((100, 50), (30, 10))


def measured(size: Size, rounds: int, note: Callable[[Any], None]) -> tuple[dict[str, Any], list[Goal]]:
    """Return the record and the goals: nanoseconds of a call by cells and steps, and the error that they leave."""
    table = Table(title="coefficients that depend on time", title_justify="left")
    for heading in ("", "cells", "steps", "ns per cell and step", "L1 error"):
        table.add_column(heading, justify="right" if heading else "left")
    rows, goals = [], []
    in_plane = "in the plane"
    for axes, name, correlated, (cells, steps) in (
        (1, "on a line", False, size.line), (2, in_plane, False, size.plane),
        (2, f"{in_plane}, correlated", True, size.plane),
    ):  # fmt: skip
        calls = {f"fpsde, {name}": by_fpsde(axes, cells, steps, correlated=correlated)}
        if not correlated:  # where no loop of banded solves is of order 2
            calls[f"banded loop, {name}"] = banded_loop(axes, cells, steps)
        exact = exact_masses(axes, cells, correlated=correlated)
        errors = [float(np.abs(call() - exact).sum()) for call in calls.values()]
        work = float(cells**axes * steps)
        timings = harness.measure([Contestant(n, call, work) for n, call in calls.items()], rounds=rounds, clock=clock)
        for timing, error in zip(timings, errors, strict=True):
            ns = 1e9 / timing.rates
            row = {"name": timing.name, "cells": cells, "steps": steps, "ns": float(np.median(ns)), "error": error}
            rows.append(row | {"least_ns": float(ns.min())})
            table.add_row(timing.name, str(cells), str(steps), f"{row['ns']:.3g}", f"{error:.1e}")
        own = rows[-len(calls)]
        claim = f"time-dependent coefficients {name}: ns per cell and step"
        goals.append(Goal(claim, own["ns"], Sense.AT_MOST, GOAL_NS, "ns", also=own["least_ns"]))
    note(table)
    return {"problem": "coefficients that depend on time", "rows": rows}, goals
