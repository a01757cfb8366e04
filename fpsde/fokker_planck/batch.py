"""One process with many values of its parameters on one grid, in steps side by side or by sums over jumps."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

import numpy as np

from fpsde.arrays import Device
from fpsde.errors import UnstableStep
from fpsde.fokker_planck.batch_lines import Lines, rates_and_exits
from fpsde.fokker_planck.batch_members import MembersInTime
from fpsde.fokker_planck.evolution import MOST_STEPS, run_as_asked, trace
from fpsde.fokker_planck.exact_in_time import NEGLIGIBLE
from fpsde.fokker_planck.generator import Generator
from fpsde.fokker_planck.initial import Start
from fpsde.fokker_planck.plane.exact import carried_by_sums, refuse_too_many_products
from fpsde.fokker_planck.stepper import MAX_HALVINGS
from fpsde.fokker_planck.tridiagonal import GAMMA


@dataclass(frozen=True, eq=False)
class BatchTrace:
    """Masses ``(n_times, m, n)`` and absorbed mass ``(n_times, m, 2)`` of m members, and what was seen of each.

    ``extremes`` (m, 3) are the smallest mass of a cell, and the largest in the watched cells at the low and high end.
    """

    masses: np.ndarray
    absorbed: np.ndarray
    extremes: np.ndarray
    dt: float | None
    n_steps: np.ndarray
    n_refused: np.ndarray


class BatchStepper:
    """Lines side by side in time, damped at the start; a step that would make a mass negative is halved for its line.

    As :class:`~fpsde.fokker_planck.propagator.Propagator` does for one: no line knows of the others.
    """

    def __init__(
        self,
        lines: Lines,
        masses: np.ndarray,
        floor: np.ndarray,
        fringe: tuple[int, int],
        named: Callable[[int], str],
    ) -> None:
        self._lines, self._fringe, self._named = lines, fringe, named
        self._sweeps = lines.alike
        self._masses, self._floor = self._sweeps.load(masses), floor
        self._absorbed = self._sweeps.load(np.zeros((len(masses), 2)))
        self.extremes = np.zeros((len(masses), 3))
        self.extremes[:, 0] = masses.min(axis=1)
        self.n_steps, self.n_refused = np.zeros((2, len(masses)), dtype=np.int64)

    @property
    def masses(self) -> np.ndarray:
        return self._sweeps.lines(self._masses)

    @property
    def absorbed(self) -> np.ndarray:
        return self._sweeps.lines(self._absorbed)

    def start(self, t: float, dt: float) -> None:
        """Take the damped first step from ``t``."""
        for end in (t + dt / 4, t + dt / 2):
            lost = self._lines.at(end).backward_euler(dt / 4, self._masses)
            for k in np.flatnonzero(~np.isfinite(self._least(self._masses))).tolist():
                self._lines.refuse(k, end)
            self._absorbed = self._absorbed + lost
            self.n_steps += 1
        self.advance(t + dt / 2, dt / 2, 1)

    def advance(self, t: float, dt: float, n_steps: int, halvings: int = 0) -> None:
        """Take ``n_steps`` steps of ``dt`` from ``t``; those that are refused, in halves."""
        for done in range(n_steps):
            begin = t + done * dt
            new, lost = self._lines.step(begin, t + (done + 1) * dt, dt, self._masses)
            least, taken = self._least(new), np.ones(len(self._floor), dtype=np.int64)
            refused = np.flatnonzero(~(least >= self._floor))  # a NaN fills every cell, and is not >= anything
            if len(refused):
                new, lost, least, taken = self._in_halves(refused, begin, dt, halvings, new, lost, least)
            self._masses, self._absorbed = new, self._absorbed + lost
            self._see(least)
            self.n_steps += taken

    def _least(self, masses: Any) -> np.ndarray:
        """Return the smallest mass of each line."""
        return self._sweeps.lines(masses.min(axis=1)[:, None])[:, 0]

    def _see(self, least: np.ndarray) -> None:
        self.extremes[:, 0] = np.minimum(self.extremes[:, 0], least)
        low, high = self._fringe
        n = self._masses.shape[1]
        for place, cells in ((1, slice(0, low)), (2, slice(n - high, n))):
            if cells.start < cells.stop:
                there = self._sweeps.lines(self._masses[:, cells].sum(axis=1)[:, None])[:, 0]
                self.extremes[:, place] = np.maximum(self.extremes[:, place], there)

    def _in_halves(
        self, refused: np.ndarray, t: float, dt: float, halvings: int, new: Any, lost: Any, least: np.ndarray
    ) -> tuple[Any, Any, np.ndarray, np.ndarray]:
        """Return new, lost, least and the steps taken, with what two halves of the step make of the refused lines."""
        if halvings == MAX_HALVINGS or not np.isfinite(least[refused]).all():
            k = int(refused[np.argmin(np.where(np.isfinite(least[refused]), 0.0, -1.0))])
            self._lines.refuse(k, t, t + GAMMA * dt, t + dt)
            raise UnstableStep(
                f"a step of {dt:.3g} leaves a cell with the mass {least[k]:.3g} after {halvings} halvings in "
                f"{self._named(k)}; its rates are out of range: use wider cells or a smaller box"
            )
        part = BatchStepper(
            self._lines.some(refused), self.masses[refused], self._floor[refused], self._fringe,
            lambda k: self._named(int(refused[k])),
        )  # fmt: skip
        part.advance(t, dt / 2, 2, halvings + 1)
        masses, entered, taken = self._sweeps.lines(new), self._sweeps.lines(lost), np.ones_like(self.n_steps)
        masses[refused], entered[refused], taken[refused] = part.masses, part.absorbed, part.n_steps
        self.n_refused[refused] += 1 + part.n_refused
        self.extremes[refused, 1:] = np.maximum(self.extremes[refused, 1:], part.extremes[:, 1:])
        least = least.copy()
        least[refused] = part.extremes[:, 0]
        return self._sweeps.load(masses), self._sweeps.load(entered), least, taken


def batch_as_asked(
    lines: Lines,
    start: Start,
    times: np.ndarray,
    *,
    dt: float | None,
    tolerance: float | None,
    fringe: tuple[int, int],
    named: Callable[[int], str],
) -> tuple[BatchTrace, float | None]:
    """Return the trace in steps of ``dt``, or else to ``tolerance``, and what the last halving of dt moved."""
    masses = np.tile(start.masses, (lines.count, 1))
    floor = np.full(lines.count, np.minimum(start.masses, 0.0).sum())

    def run(steps: np.ndarray) -> BatchTrace:
        stepper = BatchStepper(lines, masses, floor, fringe, named)
        return trace_of_batch(stepper, start, times, steps)

    found, moved, _ = run_as_asked(run, _moved, times, dt=dt, tolerance=tolerance, most=MOST_STEPS)
    return found, moved


def batch_one_by_one(
    members: MembersInTime,
    start: Start,
    times: np.ndarray,
    *,
    dt: float | None,
    tolerance: float | None,
    fringe: tuple[int, int],
) -> tuple[BatchTrace, float | None]:
    """Return what :func:`batch_as_asked` returns, of members that are carried one after another."""

    def run(steps: np.ndarray) -> BatchTrace:
        found = []
        for k in range(members.count):
            with members.named(k):
                found.append(trace(members.propagator(k, start, fringe), times, steps))
        return BatchTrace(
            masses=np.stack([one.masses for one in found], axis=1),
            absorbed=np.stack([one.absorbed for one in found], axis=1),
            extremes=np.array([(one.minimum, *one.edge) for one in found]),
            dt=found[0].dt,
            n_steps=np.array([one.n_steps for one in found]),
            n_refused=np.array([one.n_refused for one in found]),
        )

    traced, moved, _ = run_as_asked(run, _moved, times, dt=dt, tolerance=tolerance, most=MOST_STEPS)
    return traced, moved


def _moved(one: BatchTrace, other: BatchTrace) -> float:
    """Return the largest total variation distance over members and times."""
    cells = np.abs(one.masses - other.masses).sum(axis=2)
    walls = np.abs(one.absorbed - other.absorbed).sum(axis=2)
    return float((cells + walls).max()) / 2


def trace_of_batch(stepper: BatchStepper, start: Start, times: np.ndarray, steps: np.ndarray) -> BatchTrace:
    """Return the masses at ``times[1:]``, reached from ``times[0]`` in ``steps`` equal steps on each interval."""
    dts, seen = np.diff(times) / steps, []
    for k, (t, dt) in enumerate(zip(times[:-1].tolist(), dts.tolist(), strict=True)):
        if k == 0:
            stepper.start(t, dt)
            stepper.advance(t + dt, dt, int(steps[k]) - 1)
        else:
            stepper.advance(t, dt, int(steps[k]))
        seen.append((stepper.masses, start.absorbed + stepper.absorbed))
    masses, absorbed = (np.array(values) for values in zip(*seen, strict=True))
    return BatchTrace(
        masses=masses,
        absorbed=absorbed,
        extremes=stepper.extremes,
        dt=float(dts[-1]),
        n_steps=stepper.n_steps,
        n_refused=stepper.n_refused,
    )


def batch_by_sums(
    members: Sequence[Generator],
    start: Start,
    times: np.ndarray,
    *,
    fringe: tuple[int, int],
    device: Device | None,
    fast: bool,
    named: Callable[[int], AbstractContextManager[None]],
) -> tuple[BatchTrace, float]:
    """Return the trace by uniformisation with one rate for all members, and what is left off of the sums.

    The members are the blocks of one matrix. The extremes are those at the times asked for. InvalidInput for too many
    products, with the member that has the fastest cell.
    """
    m, n = len(members), len(start.masses)
    rates, exits = rates_and_exits(members)
    cells = np.arange(m * n).reshape(m, n)
    out = -np.array([q.diag for q in members])
    fastest = int(out.max(axis=1).argmax())
    with named(fastest):
        refuse_too_many_products(float(out[fastest].max()), times, instead="evolve_batch")
    entries = [
        (cells, cells, -out),
        (np.roll(cells, 1, 1), cells, rates[:, 0]),
        (np.roll(cells, -1, 1), cells, rates[:, 1]),
    ]
    to, of, values = (np.concatenate([one[k].ravel() for one in entries]) for k in range(3))
    held = np.flatnonzero(values)
    leave = np.arange(2 * m), cells[:, [0, -1]].ravel(), exits.ravel()
    found, walls, products = carried_by_sums(
        (to[held], of[held], values[held]), leave, float(out.max()), np.tile(start.masses, m),
        np.tile(start.absorbed, m), times, device=device, fast=fast,
    )  # fmt: skip
    masses, (low, high) = found.reshape(-1, m, n), fringe
    least = np.minimum(masses.min(axis=(0, 2)), start.masses.min())
    at_ends = [part.sum(axis=2).max(axis=0) for part in (masses[:, :, :low], masses[:, :, n - high :])]
    trace = BatchTrace(
        masses=masses,
        absorbed=walls.reshape(-1, m, 2),
        extremes=np.stack([least, *at_ends], axis=1),
        dt=None,
        n_steps=np.full(m, products),
        n_refused=np.zeros(m, dtype=np.int64),
    )
    return trace, NEGLIGIBLE * products
