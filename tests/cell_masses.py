"""Masses of cells: those of normal laws on a plane, sums over coarse cells, and the order at which errors vanish."""

from __future__ import annotations

import numpy as np

from fpsde import checks


def order_of(errors, cells, expected, floor=1e-12):
    """Judge errors on cells of the coarsest grid along the last of them."""
    signed = [float(np.sum(e * errors[-1])) / float(np.abs(errors[-1]).max()) for e in errors]
    return checks.grid_order([1 / n for n in cells], signed, expected=expected, floor=floor)


def gathered(masses, shape):
    """Return the masses of ``shape`` coarse cells."""
    for axis, n in enumerate(shape):
        masses = np.add.reduceat(masses, np.arange(n) * (masses.shape[axis] // n), axis=axis)
    return masses


def normal_masses(mean, covariance, grid):
    """Return the masses of a normal law in two dimensions, by eight Gauss-Legendre nodes for each cell and axis."""
    z, w = np.polynomial.legendre.leggauss(8)
    x, weights = [], []
    for faces in grid.axes:
        h = np.diff(faces)
        x.append((0.5 * (faces[1:] + faces[:-1])[:, None] + 0.5 * h[:, None] * z).ravel())
        weights.append((0.5 * h[:, None] * w).ravel())
    inverse = np.linalg.inv(covariance)
    a, b = x[0][:, None] - mean[0], x[1][None, :] - mean[1]
    density = np.exp(-0.5 * (inverse[0, 0] * a**2 + 2 * inverse[0, 1] * a * b + inverse[1, 1] * b**2))
    density *= np.multiply.outer(*weights) / (2 * np.pi * np.sqrt(np.linalg.det(covariance)))
    n, m = grid.shape
    return density.reshape(n, 8, m, 8).sum(axis=(1, 3))
