"""An initial law as weighted points: its atoms, and quadrature nodes of its density for the first step."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from fpsde.density import CellLaw, FrozenLaw, Law, Mixture
from fpsde.domain import Interval, Wall
from fpsde.errors import InvalidInput, NotConverged
from fpsde.laws.mesh import Mesh, refuse_if_too_many
from fpsde.panel_law import PanelLaw
from fpsde.panels import panel_rule

#: Mass of an initial law that may lie outside of the domain, and that its nodes may miss (which counts as inaccuracy).
OUTSIDE, MISSED = 1e-12, 1e-10
#: Panels over the range of a smooth density, besides those that resolve the kernel.
SMOOTH = 32


@dataclass(frozen=True, eq=False)
class Sources:
    """Points with their masses, both ``(n,)``."""

    x: np.ndarray
    mass: np.ndarray


def refuse_outside(law: Law, interval: Interval, *, what: str) -> None:
    """Raise InvalidInput if part of the law lies outside of the interval, or on an end that has no wall."""
    low, high = interval.low, interval.high
    outside = float(law.cdf(low)) if np.isfinite(low) else 0.0
    outside += 1 - float(law.cdf(high)) if np.isfinite(high) else 0.0
    for at, mass in law.atoms:
        outside -= mass * (at == low and interval.low_wall is not Wall.NONE)
        outside += mass * (at == high and interval.high_wall is Wall.NONE)
    if outside > OUTSIDE:
        raise InvalidInput(
            f"x0 = {law} has {outside:.3g} of its mass outside of {what} ({low}, {high}); give an initial law inside"
        )


def sources_of(law: Law, lay: Callable[[float, float], Mesh], interval: Interval, *, cuts: int) -> Sources:
    """Return the nodes of a law, its panels cut into ``2**cuts`` each; ``lay`` lays panels that resolve the kernel."""
    parts = _parts(law, lay, interval, cuts)
    out = Sources(*(np.concatenate(column) for column in zip(*parts, strict=True)))
    missed = abs(float(out.mass.sum()) - 1)
    if cuts and missed > MISSED:
        raise NotConverged(
            f"{missed:.3g} of the mass of x0 = {law} is missed by its nodes: its density is too rough, or is none"
        )
    return out


def _parts(law: Law, lay: Callable, interval: Interval, cuts: int) -> list[tuple[np.ndarray, np.ndarray]]:
    if isinstance(law, Mixture):
        mixed = zip(law.weights, law.laws, strict=True)
        return [(x, weight * mass) for weight, part in mixed for x, mass in _parts(part, lay, interval, cuts)]
    out = [(np.array([at]), np.array([mass])) for at, mass in law.atoms]
    low, high = law.range()
    low, high = max(low, interval.low), min(high, interval.high)
    if low < high:
        faces = faces_of(law, lay, low, high)
        faces = np.interp(np.arange((len(faces) - 1) * 2**cuts + 1) / 2**cuts, np.arange(len(faces)), faces)
        refuse_if_too_many(len(faces))
        x, w = panel_rule(faces)
        density = law.pdf(x)
        if not np.all(np.isfinite(density)):
            at = x[~np.isfinite(density)][0]
            raise NotConverged(f"the density of x0 = {law} is infinite at x={at:.6g}: too close to a singular end")
        mass = w * density
        out.append((x[mass != 0], mass[mass != 0]))
    return out


def faces_of(law: Law, lay: Callable, low: float, high: float) -> np.ndarray:
    """Return panels that resolve the kernel and the law: its jumps, its singular ends."""
    kernel = lay(low, high).faces
    match law:
        case PanelLaw():
            own = law.faces
        case CellLaw():
            own = law.grid.faces
        case FrozenLaw():  # panels that halve in mass towards both ends, where a density may be singular
            tail = 0.5 ** np.arange(60, 0, -1)
            own = np.concatenate([law.frozen.ppf(tail), law.frozen.isf(tail)])
        case _:
            own = np.linspace(low, high, SMOOTH + 1)
    own = own[(own > low) & (own < high)]
    return np.unique(np.concatenate([kernel, own]))
