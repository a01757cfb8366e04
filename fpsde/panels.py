"""Gauss-Legendre quadrature on panels, and the polynomials through values at their nodes."""

from __future__ import annotations

from functools import cache

import numpy as np

#: Gauss-Legendre nodes in each panel of a piecewise law.
PANEL_NODES = 16
_gauss = cache(np.polynomial.legendre.leggauss)
_NODES, WEIGHTS = _gauss(PANEL_NODES)
#: (PANEL_NODES, PANEL_NODES): values at the nodes to Legendre coefficients, exact for the interpolating polynomial.
TO_LEGENDRE = (np.polynomial.legendre.legvander(_NODES, PANEL_NODES - 1) * WEIGHTS[:, None]).T * (
    np.arange(PANEL_NODES)[:, None] + 0.5
)


def panel_rule(faces: np.ndarray, *, nodes: int = PANEL_NODES) -> tuple[np.ndarray, np.ndarray]:
    """Return nodes and weights ``(n_panels * nodes,)`` of composite Gauss-Legendre quadrature on panels."""
    x, w = _gauss(nodes)
    half = 0.5 * np.diff(faces)[:, None]
    middle = 0.5 * (faces[1:] + faces[:-1])[:, None]
    return (middle + half * x).ravel(), (half * w).ravel()


def panel_weights(faces: np.ndarray, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the panel of each ``x`` (n,) and the weights (n, PANEL_NODES) of the values at its nodes in those at x.

    Between the nodes of a panel a function is the polynomial through them.
    """
    panel = np.clip(np.searchsorted(faces, x, side="right") - 1, 0, len(faces) - 2)
    s = 2 * (x - faces[panel]) / (faces[panel + 1] - faces[panel]) - 1
    return panel, np.polynomial.legendre.legvander(s, PANEL_NODES - 1) @ TO_LEGENDRE
