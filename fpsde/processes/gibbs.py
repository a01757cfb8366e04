"""Stationary laws of one-dimensional gradient processes: exp(-E)/Z, and Stratonovich's formula on a driven ring.

E = U/kT is the energy in units of the temperature. Densities are held on panels that halve until they are resolved.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from fpsde.density import TAIL, Law
from fpsde.domain import Interval, Wall
from fpsde.errors import InvalidInput, NotConverged
from fpsde.known_law import total
from fpsde.panel_law import PanelLaw
from fpsde.panels import panel_rule

Function = Callable[[np.ndarray], np.ndarray]

#: Panels that a density may take; one that needs more is not smooth.
MOST_PANELS = 4096
#: A panel is resolved when its polynomial is off by less than this part of the density there, or of the whole mass, or
#: by less than so many times what the last bit of x changes.
RELATIVE, OF_MASS, LAST_BITS = 1e-12, 1e-15, 64
#: Where a panel is controlled, as parts of its width: the nodes of its halves, and just inside its ends.
_CONTROLS = np.concatenate([panel_rule(np.array([0.0, 0.5, 1.0]))[0], [1e-9, 1 - 1e-9]])
#: Rounds of samples around minima, each eight times denser.
MOST_ROUNDS = 16
#: Samples at most: a potential with wells without end, such as -cos x on the line, is looked at no closer.
MOST_SAMPLES = 2**17
#: Points looked at in each octave of the distance from the centre, on an unbounded side: 2^-30 to 2^64.
OCTAVE = 16
_DISTANCES = 2.0 ** np.arange(-30, 64, 1 / OCTAVE)
#: How much E may change on one panel of a ring, and on all of them.
CLIMBED, MOST_CLIMBED = 8.0, 16_000.0
#: Gauss-Legendre nodes and weights on (0, 1).
_UNIT = panel_rule(np.array([0.0, 1.0]))


def gibbs_law(energy: Function, domain: Interval) -> Law | None:
    """Return the stationary law of dX = -D E'(X) dt + sqrt(2 D) dW on ``domain``, or None where there is none.

    exp(-E)/Z; on a ring, where E may change by a constant in each turn (a tilt), instead
    p(x) ~ exp(-E(x)) int_x^{x + length} exp(E(y)) dy (Stratonovich 1958; Risken, The Fokker-Planck Equation, 11.3).
    There is none beside an absorbing wall, none that float64 can hold where more than 1e-18 of the mass lies beyond
    2^63, and none is computed on a ring around which E rises and falls by more than ``MOST_CLIMBED`` in all.
    ``energy`` maps arrays to arrays. Raises InvalidInput where E is NaN, and for a finite end without a wall
    that can be reached; NotConverged where panels do not resolve the density.
    """
    _refuse_open_ends(energy, domain)
    if Wall.ABSORBING in (domain.low_wall, domain.high_wall):
        return None
    if domain.periodic:
        return _ring_law(energy, domain)
    x, e = _samples(energy, domain)
    lowest = float(e.min())
    density = _exponential(lambda y: lowest - energy(y))
    pieces = 0.5 * np.diff(x) * (np.exp(lowest - e[1:]) + np.exp(lowest - e[:-1]))
    if not _holds_the_tails(pieces, domain):
        return None
    return _resolved(density, _seeds(x, pieces, domain))


def _refuse_open_ends(energy: Function, domain: Interval) -> None:
    """An end is out of reach if int exp(E) diverges there (Feller): if distance * exp(E) does not go to 0."""
    for end, wall, inward in ((domain.low, domain.low_wall, 1.0), (domain.high, domain.high_wall, -1.0)):
        if wall is Wall.NONE and math.isfinite(end):
            distance = np.array([1e-9, 1e-6]) * min(domain.length, max(1.0, abs(end)))
            near, farther = energy(end + inward * distance) + np.log(distance)
            if near < farther - 1e-6:
                raise InvalidInput(
                    f"the process reaches the end {end} of its domain, which has no wall; state one there"
                )


def _exponential(exponent: Function) -> Function:
    """Return exp(exponent), 0 where the exponent overflows downwards, refusing what is not a number below infinity."""

    def density(x: np.ndarray) -> np.ndarray:
        with np.errstate(all="ignore"):
            values = np.exp(exponent(x))
        if not np.isfinite(values).all():
            where = x[~np.isfinite(values)][0]
            raise InvalidInput(
                f"exp(-U/kT) cannot be computed at x={where}: U is not a number there, or lies 700 kT below what was "
                "seen of it around; give a potential that is finite, or bounds that show its wells"
            )
        return values

    return density


def _samples(energy: Function, domain: Interval) -> tuple[np.ndarray, np.ndarray]:
    """Return points of the domain, denser around the minima of the energy, and the energy there, where it is finite."""
    if math.isfinite(domain.length):
        x = np.linspace(domain.low, domain.high, 2049)
    else:
        centre = next((end for end in (domain.low, domain.high) if math.isfinite(end)), 0.0)
        x = centre + np.concatenate([-_DISTANCES[::-1], [0.0], _DISTANCES])
        x = x[(x >= domain.low) & (x <= domain.high)]
    for _ in range(MOST_ROUNDS):
        x, e = _where_finite(energy, x)
        minimal = (e[1:-1] < e[:-2]) & (e[1:-1] <= e[2:])
        steep = np.maximum(e[:-2], e[2:]) > e[1:-1] + 0.1  # else the well is resolved
        lowest = 1 + np.flatnonzero(minimal & steep)
        if not len(lowest) or len(x) + 17 * len(lowest) > MOST_SAMPLES:
            break
        x = np.unique(np.concatenate([x, np.linspace(x[lowest - 1], x[lowest + 1], 17).ravel()]))
    return _where_finite(energy, x)


def _where_finite(energy: Function, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    with np.errstate(all="ignore"):
        e = energy(x)
    if not np.isfinite(e).any():
        raise InvalidInput(f"the energy is finite nowhere between {x[0]} and {x[-1]}; give a potential that is")
    return x[np.isfinite(e)], e[np.isfinite(e)]


def _holds_the_tails(pieces: np.ndarray, domain: Interval) -> bool:
    """Whether the outermost octave of each unbounded side carries a negligible part of the mass."""
    sides = (domain.low, pieces[:OCTAVE]), (domain.high, pieces[-OCTAVE:])
    return all(math.isfinite(end) or outer.sum() <= TAIL * pieces.sum() for end, outer in sides)


def _seeds(x: np.ndarray, pieces: np.ndarray, domain: Interval) -> np.ndarray:
    """Return the first faces: the range of the law, cut at 33 quantiles so that no narrow well lies between nodes."""
    left, right = np.cumsum(pieces), np.cumsum(pieces[::-1])[::-1]
    total = pieces.sum()
    low = domain.low if math.isfinite(domain.low) else x[np.argmax(left > TAIL * total)]
    high = domain.high if math.isfinite(domain.high) else x[len(pieces) - np.argmax(right[::-1] > TAIL * total)]
    quantiles = np.interp(np.linspace(0, 1, 33)[1:-1], left / total, x[1:])
    return np.unique(np.concatenate([[low], quantiles[(quantiles > low) & (quantiles < high)], [high]]))


def _resolved(density: Function, faces: np.ndarray) -> PanelLaw:
    """Return the normalised law of ``density``, with panels halved until their polynomials agree with it."""
    while len(faces) <= MOST_PANELS and np.all(np.diff(faces) > 0):
        coarse = _unresolved(density, faces)
        if not coarse.any():
            return PanelLaw.from_density(density, faces, normalise=True)
        faces = np.sort(np.concatenate([faces, (0.5 * (faces[1:] + faces[:-1]))[coarse]]))
    raise NotConverged(
        f"the stationary density is not resolved by {MOST_PANELS} panels between {faces[0]} and {faces[-1]}; "
        "give a potential that is smooth inside the domain"
    )


def _unresolved(density: Function, faces: np.ndarray) -> np.ndarray:
    """Return which panels' polynomials are off at the nodes of their halves or at their ends, ``(n,)``."""
    law = PanelLaw.from_density(density, faces)
    width = np.diff(faces)
    x = faces[:-1, None] + width[:, None] * _CONTROLS
    values = density(x)
    error = np.abs(law.pdf(x) - values).max(axis=1)
    rounding = np.abs(density(np.nextafter(x, np.inf)) - values).max(axis=1)
    visible = error > np.maximum(RELATIVE * values.max(axis=1), LAST_BITS * rounding)
    return visible & (error * width > OF_MASS * law.mass)


def ring_velocity(energy: Function, domain: Interval, law: Law, *, diffusivity: float) -> float:
    """Return the mean velocity lim E X_t/t of dX = -D E'(X) dt + sqrt(2 D) dW on a ring, turns counted.

    v = length J,  J = D (1 - e^{E(low + length) - E(low)}) p(x)/int_x^{x + length} exp(E(y) - E(x)) dy  at every x;
    with 1 = int p it is Stratonovich's double integral (Risken, The Fokker-Planck Equation, section 11.3). ``law`` is
    the stationary law p; x is taken where p is large, so that p(x) keeps its digits.
    """
    gain = float(np.diff(energy(np.array([domain.low, domain.high])))[0])
    faces = np.linspace(domain.low, domain.high, 513)
    k = int(np.argmax(law.pdf(faces)))
    x, e_x = faces[k], float(energy(faces[k : k + 1])[0])
    y, w = panel_rule(faces)
    turned = np.where(y < x, gain, 0.0)  # y < x stands for y + length
    integral = float(np.sum(w * _exponential(lambda points: energy(points) - e_x + turned)(y)))
    return domain.length * diffusivity * -math.expm1(gain) * float(law.pdf(x)) / integral


def _ring_law(energy: Function, domain: Interval) -> Law | None:
    """Return p(x) ~ int_x^{x + length} exp(E(y) - E(x)) dy, summed in logarithms: E may span thousands of kT."""
    faces = _ring_faces(energy, domain)
    if faces is None:
        return None
    y, w = panel_rule(faces)
    gain = float(np.diff(energy(faces[[0, -1]]))[0])
    parts = total((energy(y) + np.log(w)).reshape(len(faces) - 1, -1).T)  # the log of int exp(E) over each panel
    before = np.concatenate([[-np.inf], np.logaddexp.accumulate(parts)])  # from the low end to each face
    after = np.concatenate([np.logaddexp.accumulate(parts[::-1])[::-1], [-np.inf]])

    def inside(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        """The log of int_a^b exp(E), a and b in one panel."""
        with np.errstate(divide="ignore"):  # where a = b
            logs = [np.log(w * (b - a)) + energy(a + s * (b - a)) for s, w in zip(*_UNIT, strict=True)]
        return total(np.stack(logs))

    def log_density(x: np.ndarray) -> np.ndarray:
        k = np.clip(np.searchsorted(faces, x, side="right") - 1, 0, len(faces) - 2)
        this_turn = [inside(x, faces[k + 1]), after[k + 1]]
        next_turn = [gain + before[k], gain + inside(faces[k], x)]
        return total(np.stack(this_turn + next_turn)) - energy(x)

    largest = float(log_density(faces).max())
    return _resolved(_exponential(lambda x: log_density(x) - largest), faces)


def _ring_faces(energy: Function, domain: Interval) -> np.ndarray | None:
    """Return faces of panels on which E changes by a few kT at most and exp(E) is resolved; None if too many."""
    x = np.linspace(domain.low, domain.high, 8193)
    e = energy(x)
    _exponential(lambda y: energy(y) - e.max())(x)  # refuses what is not a number
    climbed = np.concatenate([[0.0], np.cumsum(np.abs(np.diff(e)))])
    if climbed[-1] > MOST_CLIMBED:
        return None
    counted = climbed / CLIMBED + 64 * np.linspace(0, 1, len(x))
    faces = np.interp(np.linspace(0, counted[-1], math.ceil(counted[-1]) + 1), counted, x)
    at_faces = energy(faces)
    return _resolved(_exponential(lambda y: energy(y) - np.interp(y, faces, at_faces)), faces).faces
