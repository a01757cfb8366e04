"""The box that holds a chain: where its mass is, extended until no more leaks out of it, or until extending does not help."""

from __future__ import annotations

import numpy as np
from scipy.special import ndtri

from fpsde.density import PANEL_NODES
from fpsde.domain import Interval, Wall
from fpsde.errors import NotConverged
from fpsde.laws.evolution import Chain, Run, run
from fpsde.laws.mesh import Mesh, laid
from fpsde.laws.transition import Region

#: Leak of a step below which an end of the box is far enough.
HELD = 1e-16
#: Mass at an end of the box, over all steps, that is cut off again.
TRIMMED = 1e-18
#: Particles of the pilot, and how many of them on each side are not counted.
PILOTS, DROPPED = 256, 5
#: An end is pushed out to at most so many times its distance from the middle, at once.
MOST_PUSHED = 2.0
#: Trial boxes.
MOST_BOXES = 40


def found_box(chain: Chain, interval: Interval) -> Region:
    """Return the region that holds the chain from start to end, between walls where there are some.

    An end is settled when less than ``HELD`` leaks out there in a step, or when pushing it out has not halved the leak:
    then what leaks comes from inside (a transient chain, or steps that leave the domain).
    """
    if Wall.NONE not in (interval.low_wall, interval.high_wall):
        return Region(float(interval.low), float(interval.high), interval)
    region = _bulk(chain, interval)
    middle, within = 0.5 * (region.low + region.high), region
    fixed = np.array([wall is not Wall.NONE for wall in region.walls])
    before = np.full(2, np.inf)
    for _ in range(MOST_BOXES):
        mesh = laid(chain.widths, region.low, region.high)
        found = run(chain, region, mesh, cuts=0, show=False)
        rates = found.rates.max(axis=0)
        stuck = ~fixed & (rates > 0.5 * before)
        fixed |= stuck
        settled = fixed | (rates <= HELD)
        if settled.all() and not stuck.any():
            return _trimmed(region, mesh, found)
        region = _mixed(within, region, stuck)
        before = np.where(settled, np.inf, rates)
        within, region = region, _extended(region, middle, rates, settled)
    raise NotConverged(
        f"no box holds the chain: out of ({region.low:.4g}, {region.high:.4g}) still leak {rates[0]:.2g} and {rates[1]:.2g} in a "
        "step; state a box, or take a smaller dt"
    )


def _mixed(one: Region, other: Region, take: np.ndarray) -> Region:
    """Return the ends of ``one`` where ``take``, else those of ``other``."""
    return Region(one.low if take[0] else other.low, one.high if take[1] else other.high, one.interval)


def _bulk(chain: Chain, interval: Interval) -> Region:
    """Return the region in which nearly all of a small ensemble of particles stayed; those that explode are replaced."""
    rng = np.random.default_rng(PILOTS)
    x = np.asarray(chain.initial.ppf((np.arange(PILOTS) + 0.5) / PILOTS))
    ends = []
    for row in chain.rows:
        a, b, c = chain.form.coefficients(x, row)
        z = rng.standard_normal(PILOTS)
        x = _inside(a + b * z + c * z**2, interval)
        alive = np.isfinite(x)
        if alive.sum() < PILOTS // 2:
            raise NotConverged(f"the chain explodes: {PILOTS - alive.sum()} of {PILOTS} pilot particles left the finite numbers in one step; take a smaller dt")
        x = np.where(alive, x, rng.choice(x[alive], PILOTS))
        ends.append(np.partition(x, (DROPPED, PILOTS - DROPPED))[[DROPPED, PILOTS - DROPPED]])
    reached = Region(float(np.min(ends, axis=0)[0]), float(np.max(ends, axis=0)[1]), interval)
    walled = np.array([wall is not Wall.NONE for wall in reached.walls])
    return _mixed(Region(interval.low, interval.high, interval), reached, walled)


def _inside(x: np.ndarray, interval: Interval) -> np.ndarray:
    """Mirror particles at the finite ends; it is a pilot, so the kind of wall does not matter."""
    with np.errstate(all="ignore"):
        x = np.where(x < interval.low, 2 * interval.low - x, x)
        x = np.where(x > interval.high, 2 * interval.high - x, x)
    return np.where((x > interval.low) & (x < interval.high), x, np.nan)


def _extended(region: Region, middle: float, rates: np.ndarray, settled: np.ndarray) -> Region:
    """Push each end out that is not settled: as far as a Gaussian tail with that leak would need, within limits."""
    factor = np.clip(-9.0 / ndtri(np.clip(rates, 1e-300, 0.1)), 1.15, MOST_PUSHED)
    interval = region.interval
    low = _pushed(middle - region.low, middle - interval.low, factor[0])
    high = _pushed(region.high - middle, interval.high - middle, factor[1])
    return _mixed(region, Region(middle - low, middle + high, interval), settled)


def _pushed(distance: float, room: float, factor: float) -> float:
    """Return a distance multiplied by ``factor``; where room is finite, the logarithm of the room left is."""
    if not np.isfinite(room):
        return distance * factor
    return room * (1 - (1 - distance / room) ** factor)


def _trimmed(region: Region, mesh: Mesh, found: Run) -> Region:
    """Cut off the panels at open ends in which there never was any mass to speak of."""
    panels = found.peak.reshape(-1, PANEL_NODES).sum(axis=1)
    first = int(np.searchsorted(np.cumsum(panels), TRIMMED))
    last = len(panels) - int(np.searchsorted(np.cumsum(panels[::-1]), TRIMMED))
    low, high = region.walls
    return Region(
        float(mesh.faces[first]) if low is Wall.NONE else region.low,
        float(mesh.faces[last]) if high is Wall.NONE else region.high,
        region.interval,
    )
