"""The box that holds a chain: where its mass is, extended until no more leaks out, or until extending does not help."""

from __future__ import annotations

import numpy as np
from scipy.special import ndtri

from fpsde.domain import LINE, Interval, Wall
from fpsde.errors import NotConverged, UnstableStep
from fpsde.laws.evolution import Run, Runs, run
from fpsde.laws.markov_chain import Chain
from fpsde.laws.mesh import WIDTH
from fpsde.laws.transition import Region

#: Leak of a step below which an end of the box is far enough.
HELD = 1e-16
#: Share of the leak up to which pushing an end out has helped.
HELPED = 0.9
#: Particles of the pilot, and steps in which one that has left for good leaves the finite numbers.
PILOTS, FLIGHT = 256, 10
#: First steps that the pilot takes.
MOST_PILOTED = 5_000
#: An end is pushed out to at most so many times its distance from the middle, in kernel widths, at once.
MOST_PUSHED = 1.6
#: A box with so many times the panels of the first one is not needed for what stays.
MOST_GROWN = 16
#: Trial boxes.
MOST_BOXES = 40


def found_box(chain: Chain, interval: Interval, *, runs: Runs = run) -> Region:
    """Return the region that holds the chain in what ``runs`` gives, between walls where there are some.

    An end is settled when less than ``HELD`` leaks out there in a step, or when pushing it out helps no more: then what
    leaks comes from inside (a transient chain, or steps that leave the domain).
    """
    if Wall.NONE not in (interval.low_wall, interval.high_wall):
        return Region(float(interval.low), float(interval.high), interval)
    region = _bulk(chain, interval)
    fixed = np.array([wall is not Wall.NONE for wall in region.walls])
    faces, before = chain.start_mesh(region.low, region.high).faces, np.full(2, np.inf)
    middle, most_faces = float(faces[len(faces) // 2]), MOST_GROWN * len(faces)
    within = region
    for _ in range(MOST_BOXES):
        found = runs(chain, region, cuts=0, show=False)
        rates = found.rates
        stuck = ~fixed & (rates > HELPED * before)
        fixed |= stuck
        settled = fixed | (rates <= HELD)
        if settled.all() and not stuck.any():
            return _trimmed(region, found)
        within, before = _mixed(within, region, stuck), np.where(settled, np.inf, rates)
        region = _extended(chain, within, middle, rates, settled)
        if not _affordable(chain, region, most_faces):
            region, fixed = within, fixed | ~settled
    raise UnstableStep(
        f"no box holds the chain: out of ({region.low:.4g}, {region.high:.4g}) still leak {rates[0]:.2g} and "
        f"{rates[1]:.2g} in a step; state a box, or take a smaller dt"
    )


def _affordable(chain: Chain, region: Region, most_faces: int) -> bool:
    """Return whether the region has no more panels than allowed: steps from too far out overshoot more and more."""
    try:
        return len(chain.start_mesh(region.low, region.high).faces) <= most_faces
    except NotConverged:
        return False


def _mixed(one: Region, other: Region, take: np.ndarray) -> Region:
    """Return the ends of ``one`` where ``take``, else those of ``other``."""
    return Region(one.low if take[0] else other.low, one.high if take[1] else other.high, one.interval)


def _bulk(chain: Chain, interval: Interval) -> Region:
    """Return the region in which the particles of a small ensemble stayed, those left out that exploded later on.

    A particle that explodes is replaced by another one with its past; ``FLIGHT`` more steps find those under way.
    """
    rng = np.random.default_rng(PILOTS)
    quantiles = chain.initial.ppf((np.arange(PILOTS // 2) + 0.5) / (PILOTS // 2))
    x = np.concatenate([quantiles, np.linspace(quantiles[0], quantiles[-1], PILOTS // 2)])
    lowest, highest = np.full(PILOTS, np.inf), np.full(PILOTS, -np.inf)
    for n in range(min(len(chain.rows), MOST_PILOTED) + FLIGHT):
        with np.errstate(all="ignore"):
            x = chain.form.pilot(x, chain.rows[min(n, len(chain.rows) - 1)], rng)
            x = x if interval == LINE else _inside(x, interval)
        if n < min(len(chain.rows), MOST_PILOTED):
            lowest, highest = np.minimum(lowest, x), np.maximum(highest, x)
        alive = np.isfinite(x)
        if alive.sum() < PILOTS // 2:
            raise UnstableStep(
                f"the chain explodes: {PILOTS - alive.sum()} of {PILOTS} pilot particles left the domain, or the "
                "finite numbers, in one step; take a smaller dt"
            )
        if not alive.all():
            heirs = np.where(alive, np.arange(PILOTS), rng.choice(np.flatnonzero(alive), PILOTS))
            x, lowest, highest = x[heirs], lowest[heirs], highest[heirs]
    walled = np.array([interval.low_wall is not Wall.NONE, interval.high_wall is not Wall.NONE])
    reached = Region(float(lowest.min()), float(highest.max()), interval)
    return _mixed(Region(float(interval.low), float(interval.high), interval), reached, walled)


def _inside(x: np.ndarray, interval: Interval) -> np.ndarray:
    """Mirror particles at the finite ends; it is a pilot, so the kind of wall does not matter."""
    x = np.where(x < interval.low, 2 * interval.low - x, x)
    x = np.where(x > interval.high, 2 * interval.high - x, x)
    return np.where((x > interval.low) & (x < interval.high), x, np.nan)


def _extended(chain: Chain, region: Region, middle: float, rates: np.ndarray, settled: np.ndarray) -> Region:
    """Push out each end that is not settled: as far as a Gaussian tail with that leak would need, within limits.

    Distance from the middle is counted in kernel widths, so an end where sigma vanishes is never reached.
    """
    factor = np.clip(-9.0 / ndtri(np.clip(rates, 1e-300, 0.1)), 1.15, MOST_PUSHED)
    faces = chain.start_mesh(region.low, region.high).faces
    below = int(np.searchsorted(faces, middle))
    widths = np.ceil((factor - 1) * WIDTH * [below, len(faces) - 1 - below]).astype(int)
    low = region.low if settled[0] else _pushed(chain, region.low, region.interval.low, widths[0])
    high = region.high if settled[1] else _pushed(chain, region.high, region.interval.high, widths[1])
    return Region(low, high, region.interval)


def _pushed(chain: Chain, start: float, towards: float, widths: int) -> float:
    """Return ``start`` moved by so many kernel widths, each at most half of the way that is left."""
    x, outward = start, np.sign(towards - start)
    for _ in range(widths):
        x += outward * min(chain.noise_at(x), 0.5 * abs(towards - x))
    return float(x)


def _trimmed(region: Region, found: Run) -> Region:
    """Return the region without those parts at its open ends in which there never was any mass to speak of."""
    low, high = region.walls
    return Region(
        max(region.low, found.extent[0]) if low is Wall.NONE else region.low,
        min(region.high, found.extent[1]) if high is Wall.NONE else region.high,
        region.interval,
    )
