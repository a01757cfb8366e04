"""A smooth law held by polynomials on panels."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from fpsde.cached import cached_property
from fpsde.density import Law
from fpsde.panels import PANEL_NODES, TO_LEGENDRE, WEIGHTS, panel_rule


@dataclass(frozen=True, eq=False)
class PanelLaw(Law):
    """A smooth density held as a polynomial on each panel: exact to round-off once the panels resolve it.

    ``faces`` (n + 1,) bound the panels; ``values`` (n, PANEL_NODES) are the density at their Gauss-Legendre nodes, in
    the order of :func:`panel_rule`; ``points_of_mass`` are atoms. The total mass is what it is: it is not rescaled.
    """

    faces: np.ndarray
    values: np.ndarray
    points_of_mass: tuple[tuple[float, float], ...] = ()

    @classmethod
    def from_density(
        cls, density: Callable[[np.ndarray], np.ndarray], faces: np.ndarray, *, normalise: bool = False
    ) -> PanelLaw:
        """Return the law of a density sampled on the panels; ``normalise`` divides by the integral."""
        x, w = panel_rule(faces)
        values = np.asarray(density(x), dtype=float)
        if normalise:
            values = values / np.sum(w * values)
        return cls(np.asarray(faces, dtype=float), values.reshape(-1, PANEL_NODES))

    @property
    def atoms(self) -> tuple[tuple[float, float], ...]:
        return self.points_of_mass

    @cached_property
    def _coefficients(self) -> np.ndarray:  # (PANEL_NODES, n_panels)
        return TO_LEGENDRE @ self.values.T

    @cached_property
    def _integrals(self) -> np.ndarray:
        """Legendre coefficients of the mass from the left end of each panel, (PANEL_NODES + 1, n_panels)."""
        return np.polynomial.legendre.legint(self._coefficients, lbnd=-1, axis=0) * (0.5 * np.diff(self.faces))

    @cached_property
    def _mass_left(self) -> np.ndarray:
        return np.concatenate([[0.0], np.cumsum(self.panel_masses)])

    @cached_property
    def panel_masses(self) -> np.ndarray:
        """The mass of each panel, atoms excluded, ``(n_panels,)``."""
        return 0.5 * np.diff(self.faces) * (self.values @ WEIGHTS)

    @property
    def mass(self) -> float:
        """The total mass, atoms included."""
        return float(self.panel_masses.sum()) + sum(mass for _, mass in self.atoms)

    def _locate(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        panel = np.clip(np.searchsorted(self.faces, x, side="right") - 1, 0, len(self.faces) - 2)
        width = self.faces[panel + 1] - self.faces[panel]
        return panel, np.clip(2 * (x - self.faces[panel]) / width - 1, -1, 1)

    def cdf(self, x: Any) -> np.ndarray:
        x = np.asarray(x, dtype=float)
        panel, s = self._locate(x)
        inside = _clenshaw(self._integrals, panel, s)
        total = self._mass_left[panel] + inside
        return total + sum(mass * (x >= at) for at, mass in self.atoms)

    def pdf(self, x: Any) -> np.ndarray:
        x = np.asarray(x, dtype=float)
        panel, s = self._locate(x)
        outside = (x < self.faces[0]) | (x > self.faces[-1])
        return np.where(outside, 0.0, _clenshaw(self._coefficients, panel, s))

    def range(self) -> tuple[float, float]:
        return float(self.faces[0]), float(self.faces[-1])

    def expectation(self, f: Callable[[np.ndarray], np.ndarray]) -> float:
        x, w = panel_rule(self.faces)
        smooth = float(np.sum(w * self.values.ravel() * f(x)))
        return smooth + sum(mass * float(f(np.asarray(at))) for at, mass in self.atoms)


def _clenshaw(coefficients: np.ndarray, panel: np.ndarray, s: np.ndarray) -> np.ndarray:
    """Return sum_k c[k, panel] P_k(s) by Clenshaw's recurrence."""
    n = len(coefficients) - 1
    b1 = np.zeros(s.shape)
    b2 = np.zeros(s.shape)
    for k in range(n, 0, -1):
        b1, b2 = coefficients[k, panel] + (2 * k + 1) / (k + 1) * s * b1 - (k + 1) / (k + 2) * b2, b1
    return coefficients[0, panel] + s * b1 - 0.5 * b2
