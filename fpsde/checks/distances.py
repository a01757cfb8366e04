"""Distances of two laws of one real variable, by quadrature: nothing is sampled.

With F, G the distribution functions and f, g the densities:

    kolmogorov        sup |F - G|
    total_variation   (1/2) integral |f - g| + (1/2) sum over atoms of |difference of mass|
    wasserstein1      integral |F - G| dx                                          (unit of x)
    wasserstein2      (integral over (0, 1) of (F^-1 - G^-1)^2 du)^(1/2)            (unit of x)
    kullback_leibler  integral f ln(f/g) dx + sum over atoms                        (nats; not symmetric)
    jensen_shannon    half of both divergences from (f + g)/2                        (nats; at most ln 2)
    hellinger         ((1/2) integral (sqrt f - sqrt g)^2 dx + sum over atoms)^(1/2) (at most 1)

|F - G| has its extremes where f = g, so sup and total variation are read off F - G at those points; the integrals are
Gauss-Legendre panels that end at every face, atom and change of sign, within the ranges of both laws. Laws are used as
they are: missing mass counts.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from scipy import special

from fpsde.checks.atoms import atoms_of
from fpsde.density import CellLaw, Law, Mixture
from fpsde.panel_law import PanelLaw
from fpsde.panels import panel_rule

#: Quantiles of each law, equal in normal scores, and equal parts of its range, between which panels lie.
_SCORES = np.linspace(-8.2, 8.2, 257)
_PARTS = 64
#: Mass of the first law that may lie where the second has none before their divergence is infinite.
_NOTHING = 1e-14


def kolmogorov(first: Law, second: Law) -> float:
    """Return sup |F - G|."""
    return float(np.max(np.abs(_extremes(first, second))))


def total_variation(first: Law, second: Law) -> float:
    """Return half of the L1 distance of densities and atoms, which is half of the total variation of F - G."""
    return 0.5 * float(np.sum(np.abs(np.diff(_extremes(first, second), prepend=0.0))))


def wasserstein1(first: Law, second: Law) -> float:
    """Return the integral of |F - G|: the mean distance over which mass has to be carried."""
    points = _breaks(first, second)
    points = np.union1d(points, _sign_changes(lambda x: first.cdf(x) - second.cdf(x), points))
    x, w = panel_rule(points)
    return float(np.sum(w * np.abs(first.cdf(x) - second.cdf(x))))


def wasserstein2(first: Law, second: Law) -> float:
    """Return the L2 distance of the quantile functions, integrated in normal scores s, u = Phi(s).

    Both laws are cut at the normal scores +-8.2 (mass 1e-16 on each side): what lies beyond them is left out.
    """
    steps = [special.ndtri(level) for law in (first, second) for level in _levels_of_atoms(law)]
    s, w = panel_rule(np.union1d(_SCORES, [step for step in steps if abs(step) < _SCORES[-1]]))
    u, weight = special.ndtr(s), w * np.exp(-0.5 * s**2) / math.sqrt(2 * math.pi)
    return math.sqrt(float(np.sum(weight * (first.ppf(u) - second.ppf(u)) ** 2)))


def kullback_leibler(first: Law, second: Law) -> float:
    """Return E ln(f/g) under the first law, its divergence from the second; inf where f has mass and g has none."""
    x, w = panel_rule(_breaks(first, second))
    f, g = first.pdf(x), second.pdf(x)
    if float(np.sum(w * f * (g <= 0))) > _NOTHING:
        return math.inf
    seen = (f > 0) & (g > 0)
    smooth = float(np.sum(w[seen] * f[seen] * np.log(f[seen] / g[seen])))
    mine, theirs = (dict(zip(a.positions, a.masses, strict=True)) for a in map(atoms_of, (first, second)))
    held = {at: mass for at, mass in mine.items() if mass > 0}
    if any(theirs.get(at, 0.0) <= 0 for at in held):
        return math.inf
    return smooth + sum(mass * math.log(mass / theirs[at]) for at, mass in held.items())


def jensen_shannon(first: Law, second: Law) -> float:
    """Return the mean divergence of both laws from their mixture at equal weights."""
    between = Mixture([0.5, 0.5], [first, second])
    return 0.5 * (kullback_leibler(first, between) + kullback_leibler(second, between))


def hellinger(first: Law, second: Law) -> float:
    """Return ((1/2) integral of (sqrt f - sqrt g)^2 and the same of the masses of the atoms)^(1/2)."""
    x, w = panel_rule(_breaks(first, second))
    smooth = float(np.sum(w * (np.sqrt(first.pdf(x)) - np.sqrt(second.pdf(x))) ** 2))
    atoms = [atoms_of(law) for law in (first, second)]
    at = np.union1d(*(found.positions for found in atoms))
    return math.sqrt(0.5 * (smooth + float(np.sum(np.diff([np.sqrt(a.at(at)) for a in atoms], axis=0) ** 2))))


def _faces(law: Law) -> np.ndarray:
    """Return the points where the law is not smooth, and the ends of its range."""
    atoms = [at for at, _ in law.atoms]
    inner = [_faces(part) for part in law.laws] if isinstance(law, Mixture) else []
    if isinstance(law, PanelLaw | CellLaw):
        inner = [law.faces if isinstance(law, PanelLaw) else law.grid.faces]
    return np.unique(np.concatenate([law.range(), atoms, *inner]))


def _breaks(first: Law, second: Law) -> np.ndarray:
    """Return the ends of the panels, sorted: where either law is not smooth, its quantiles, and parts of its range."""
    pieces = [_faces(law) for law in (first, second)]
    pieces += [law.ppf(special.ndtr(_SCORES)) for law in (first, second)]
    pieces += [np.linspace(*law.range(), _PARTS + 1) for law in (first, second)]
    return np.unique(np.concatenate(pieces))


def _sign_changes(h: Callable[[np.ndarray], np.ndarray], points: np.ndarray) -> np.ndarray:
    """Return where ``h`` changes its sign, by bisection; three points inside each gap are looked at."""
    x = np.interp(np.arange(4 * len(points) - 3) / 4, np.arange(len(points)), points)
    sign = h(x) > 0
    turns = np.flatnonzero(sign[1:] != sign[:-1])
    low, high, was = x[turns], x[turns + 1], sign[turns]
    for _ in range(60):
        middle = 0.5 * (low + high)
        same = (h(middle) > 0) == was
        low, high = np.where(same, middle, low), np.where(same, high, middle)
    return 0.5 * (low + high)


def _extremes(first: Law, second: Law) -> np.ndarray:
    """Return F - G from left to right at every point where it can turn, both sides of each atom, (m,)."""
    points = _breaks(first, second)
    x = np.union1d(points, _sign_changes(lambda y: first.pdf(y) - second.pdf(y), points))
    after = first.cdf(x) - second.cdf(x)
    before = after - (atoms_of(first).at(x) - atoms_of(second).at(x))
    return np.column_stack([before, after]).ravel()


def _levels_of_atoms(law: Law) -> list[float]:
    """Return the values of u at which the quantile function of the law stops being smooth."""
    at = _faces(law)
    return np.unique(np.concatenate([law.cdf(at), law.cdf(at) - atoms_of(law).at(at)])).tolist()
