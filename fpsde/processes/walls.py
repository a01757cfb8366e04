"""Laws of Brownian motion dX = drift dt + sigma dW on an interval with walls.

    absorbing (one wall or two), any drift     images, weighted by exp(drift (c - x0)/sigma^2)
    reflecting or mixed, drift 0               images: the sign changes with each absorbing wall, not with a reflecting
    reflecting at both ends, with drift        eigenfunctions (:mod:`fpsde.processes.spectral`)
    periodic, any drift                        the wrapped normal law

Other combinations have no closed form here. Absorbed mass is an atom at its wall. Sources: Cox & Miller, The Theory of
Stochastic Processes (1965), section 5.7; Borodin & Salminen, Handbook of Brownian Motion (2002), part II.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from fpsde.density import Law, Point, Uniform
from fpsde.domain import Interval, Wall
from fpsde.errors import InvalidInput
from fpsde.optional import optional
from fpsde.panels import panel_rule
from fpsde.processes.gibbs import gibbs_law
from fpsde.processes.process import Exact, Setting
from fpsde.processes.spectral import MOST_PECLET, reflected_with_drift
from fpsde.processes.transitions import known_from_points, setting_of

special = optional("scipy.special")

#: sigma sqrt(t)/length from which the law between two walls has reached its limit: exp(-(pi/2)^2 8^2/2) = 5e-35.
SPREAD_OUT = 8.0
#: Images whose weight on the interval is below exp(-NEGLIGIBLE) = 3e-20 are left out.
NEGLIGIBLE = 45.0


@dataclass(frozen=True, eq=False)
class ImageSum(Law):
    """sum_k signs[k] exp(log_weights[k]) N(centres[k], std^2) between low and high, with atoms ``points_of_mass``."""

    low: float
    high: float
    centres: np.ndarray
    signs: np.ndarray
    log_weights: np.ndarray
    std: float
    points_of_mass: tuple[tuple[float, float], ...] = ()

    @property
    def atoms(self) -> tuple[tuple[float, float], ...]:
        return self.points_of_mass

    def _standardised(self, x: Any) -> np.ndarray:
        return (np.asarray(x, dtype=float)[..., None] - self.centres) / self.std

    def pdf(self, x: Any) -> np.ndarray:
        x = np.asarray(x, dtype=float)
        terms = np.exp(self.log_weights - 0.5 * self._standardised(x) ** 2) @ self.signs
        return np.where((x < self.low) | (x > self.high), 0.0, terms / (self.std * math.sqrt(2 * math.pi)))

    def cdf(self, x: Any) -> np.ndarray:
        x = np.asarray(x, dtype=float)
        side = np.where(self.centres < self.low, -1.0, 1.0)  # an image on the left is summed by its upper tail

        def upto(end: Any) -> np.ndarray:
            return np.exp(self.log_weights + special.log_ndtr(side * self._standardised(end)))

        smooth = (upto(np.clip(x, self.low, self.high)) - upto(self.low)) @ (side * self.signs)
        return smooth + sum(mass * (x >= at) for at, mass in self.atoms)

    def range(self) -> tuple[float, float]:
        low, high = self.centres.min() - 9 * self.std, self.centres.max() + 9 * self.std
        return max(self.low, float(low)), min(self.high, float(high))

    def expectation(self, f: Callable[[np.ndarray], np.ndarray]) -> float:
        low, high = self.range()
        faces = [np.linspace(low, high, 129)]
        if self.std < (high - low) / 64:  # few images then, each narrower than these panels
            faces += [centre + self.std * np.linspace(-9, 9, 37) for centre in self.centres]
        x, w = panel_rule(np.unique(np.clip(np.concatenate(faces), low, high)))
        return float(np.sum(w * self.pdf(x) * f(x))) + sum(mass * float(f(np.asarray(at))) for at, mass in self.atoms)


def brownian_between_walls(drift: float, sigma: float, domain: Interval) -> Exact:
    """Return the closed forms of Brownian motion on ``domain``; InvalidInput for a finite end without a wall."""
    for end, wall in _ends(domain):
        if math.isfinite(end) and wall is Wall.NONE:
            raise InvalidInput(f"Brownian motion reaches the end {end} of its domain; state a wall there")
    stationary = _stationary(drift, sigma, domain)
    law = _law_from_points(drift, sigma, domain, stationary)
    known = Exact() if law is None else known_from_points(law, domain=domain)
    return replace(known, stationary=None if stationary is None else lambda: stationary)


def _ends(domain: Interval) -> tuple[tuple[float, Wall], tuple[float, Wall]]:
    return (domain.low, domain.low_wall), (domain.high, domain.high_wall)


def _stationary(drift: float, sigma: float, domain: Interval) -> Law | None:
    if domain.periodic or (drift == 0 and domain.low_wall is domain.high_wall is Wall.REFLECTING):
        return Uniform(domain.low, domain.high)
    return gibbs_law(lambda x: -2 * drift / sigma**2 * x, domain)


def _law_from_points(
    drift: float, sigma: float, domain: Interval, stationary: Law | None
) -> Callable[[float, float], Law] | None:
    walls = {domain.low_wall, domain.high_wall}
    if domain.periodic:
        return lambda x0, t: _wrapped(x0 + drift * t, sigma * math.sqrt(t), domain)
    if drift == 0 or Wall.REFLECTING not in walls:
        return lambda x0, t: _from_images(x0, t, drift=drift, sigma=sigma, domain=domain)
    if walls == {Wall.REFLECTING} and stationary and abs(drift) * domain.length / sigma**2 < MOST_PECLET:
        return lambda x0, t: reflected_with_drift(x0, t, drift=drift, sigma=sigma, domain=domain, stationary=stationary)
    return None


def _wrapped(centre: float, std: float, domain: Interval) -> Law:
    """Return the law of N(centre, std^2) wound onto the ring."""
    std = min(std, SPREAD_OUT * domain.length)
    turns = np.arange(-math.ceil(9 * std / domain.length) - 1, math.ceil(9 * std / domain.length) + 2)
    centres = domain.low + (centre - domain.low) % domain.length + domain.length * turns
    return ImageSum(domain.low, domain.high, centres, np.ones(len(turns)), np.zeros(len(turns)), std)


def _from_images(x0: float, t: float, *, drift: float, sigma: float, domain: Interval) -> Law:
    """Return the law of X_t from x0; with drift, Girsanov's factor exp(drift (x - x0)/sigma^2 - drift^2 t/(2 sigma^2)).

    The factor moves the image N(c, sigma^2 t) to N(c + drift t, sigma^2 t) and multiplies it by
    exp(drift (c - x0)/sigma^2); it is 1 at drift 0, where walls may also reflect.
    """
    if (x0, Wall.ABSORBING) in _ends(domain):
        return Point(x0)
    if math.isfinite(domain.length):
        t = min(t, (SPREAD_OUT * domain.length / sigma) ** 2)
    images = centres, signs = _images(x0, domain, reach=_reach(t, drift, sigma, domain))
    absorbed = tuple(
        (end, _absorbed(end, x0, t, drift=drift, sigma=sigma, inward=inward, images=images))
        for (end, wall), inward in zip(_ends(domain), (1.0, -1.0), strict=True)
        if wall is Wall.ABSORBING
    )
    log_weights = drift * (centres - x0) / sigma**2
    return ImageSum(domain.low, domain.high, centres + drift * t, signs, log_weights, sigma * math.sqrt(t), absorbed)


def _reach(t: float, drift: float, sigma: float, domain: Interval) -> float:
    """Return the distance from the interval beyond which an image of x0 has no weight on it."""
    peclet = abs(drift) * domain.length / sigma**2 if math.isfinite(domain.length) else 0.0
    return sigma * math.sqrt(2 * t * (NEGLIGIBLE + peclet))


def _images(x0: float, domain: Interval, *, reach: float) -> tuple[np.ndarray, np.ndarray]:
    """Return x0 and its images in the walls, one wall after the other, with the product of the walls' signs."""
    out, walls = [(x0, 1.0)], _ends(domain)
    for first in (0, 1):
        centre, sign, k = x0, 1.0, first
        while math.isfinite(walls[k][0]) and max(domain.low - centre, centre - domain.high) <= reach:
            end, wall = walls[k]
            centre, sign, k = 2 * end - centre, -sign if wall is Wall.ABSORBING else sign, 1 - k
            out.append((centre, sign))
    return np.array([c for c, _ in out]), np.array([s for _, s in out])


def _absorbed(
    end: float, x0: float, t: float, *, drift: float, sigma: float, inward: float, images: tuple[np.ndarray, np.ndarray]
) -> float:
    """Return the mass absorbed at ``end`` up to t: half of each image's first-passage probability, with its sign.

    The flux of N(c, sigma^2 t) through the wall is half of the first-passage density from the distance |c - end|.
    """
    centres, signs = images
    kappa, speed, std = drift / sigma**2, abs(drift), sigma * math.sqrt(t)
    distance = np.abs(centres - end)
    there = special.log_ndtr((speed * t - distance) / std) - abs(kappa) * distance
    beyond = special.log_ndtr(-(speed * t + distance) / std) + abs(kappa) * distance
    passed = np.exp(kappa * (end - x0) + there) + np.exp(kappa * (end - x0) + beyond)
    return float(0.5 * np.sum(signs * np.sign(inward * (centres - end)) * passed))


def walled_setting(known: Exact, *, drift: float, sigma: float, domain: Interval) -> Setting:
    """Return a run that feels the walls: sigma^2 t_end = (0.4 length)^2 between two, one unit of time beside one."""
    if math.isfinite(domain.length):
        t_end = (0.4 * domain.length / sigma) ** 2
        return Setting(domain.low + 0.3 * domain.length, t_end, dt=t_end / 40, window=(domain.low, domain.high))
    x0 = domain.low + 0.8 * sigma if math.isfinite(domain.low) else domain.high - 0.8 * sigma
    if known.marginal is not None:
        return setting_of(known, x0, t_end=1.0, n_steps=40)
    # reflected, X - wall is at most twice as far as the free process has gone
    far = 2 * (abs(drift) + 9 * sigma) + 0.8 * sigma
    window = (domain.low, domain.low + far) if math.isfinite(domain.low) else (domain.high - far, domain.high)
    return Setting(x0, 1.0, dt=1 / 40, window=window)
