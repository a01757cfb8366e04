"""The generator of a plane whose stationary law is that of the cells, not of their centres.

Along an axis the density p of detailed balance changes from the centre of a cell by the factor e^Phi D(centre)/D, Phi
being the integral of mu/D (where noise is correlated and D the same everywhere, of D^-1 mu). Its mean over cell i is so
r_i times its value at the centre, r_i being the product of the means of this factor along the two axes, with an error
of order 4 in the cell width. In the generator of ``assembly``

    Q' = Q diag(1/r)

the density at the centre of a cell is read from its mass as m_i / (r_i volume_i). Columns still sum to zero, rates are
not negative, and masses in detailed balance stay so: where Q keeps p at the centres, Q' keeps r p. In one component
this is the speed measure of ``natural_scale``, whose means the r_i are; there it comes with the scale function.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from fpsde.errors import InvalidInput
from fpsde.fokker_planck.natural_scale import NODES, WEIGHTS, outward_integrals
from fpsde.fokker_planck.plane.assembly import generator_of, stream_at
from fpsde.fokker_planck.plane.coefficients import Coefficients, noisy_axes, plane_sides
from fpsde.fokker_planck.plane.generator import PlaneGenerator, widths
from fpsde.grid import Grid
from fpsde.validation import finite

#: Correlated noise is the same everywhere if D varies by less than this part of its largest entry.
EQUAL = 1e-12


def speed_measure(process: Any, grid: Grid, t: float = 0.0) -> PlaneGenerator:
    """Return the generator of a ``process`` of two components whose masses in detailed balance are those of the cells.

    It takes what :func:`~fpsde.fokker_planck.plane.assembly.assemble_plane` takes, and is given to
    ``FokkerPlanck(process, grid, assemble=speed_measure)``. Stationary masses without a current, and those of Klein and
    Kramers, are of order 4 in the cell width, on cells of any widths and at reflecting walls; a law with a current and
    laws on the way are of order 2, as they are without it (1 along an axis without noise). Nothing is gained where Phi
    changes by much more than 1 over a cell.

    Raises
    ------
    InvalidInput
        as ``assemble_plane``; if correlated noise varies; if an axis has no noise and the process states no law that a
        flow along it keeps; if a mean over a cell overflows, which asks for narrower cells
    """
    if grid.dim != 2:
        raise InvalidInput(f"speed_measure takes a grid of two dimensions, not {grid.dim}; in one, give scale_speed")
    read = Coefficients(process, grid, finite("t", t), plane_sides(process, grid))
    q = generator_of(read)
    with np.errstate(over="ignore"):
        r = _means(read)
    _refuse_overflow(read, r)
    families = [replace(edges, up=edges.up / r[edges.tails], down=edges.down / r[edges.heads]) for edges in q.families]
    return PlaneGenerator(grid, families, q.exits / r, f"{q.flux}, speed measure", q.shares)


def _means(read: Coefficients) -> np.ndarray:
    """Return the mean of p over each cell as a part of p at its centre, ``(n,)``: a mean along each axis."""
    points, d, stream = read.in_halves(NODES), read.d, stream_at(read)
    shape = (2, 2, len(NODES), -1)  # axis, half, node, cell
    if stream is not None:
        factor = np.exp(stream.reduced(read.x) - stream.reduced(points).reshape(shape))
    else:
        mu = read.drift(points).reshape(2, *shape)
        if d[0, 1].any():
            _refuse_variable(read)
            slopes, falls = np.einsum("ij,ji...->i...", np.linalg.inv(d[:, :, 0]), mu), [1.0, 1.0]
        else:
            _refuse_silent(read)
            there = read.diffusivity(points).reshape(2, 2, *shape)
            slopes = [mu[k, k] / there[k, k, k] for k in (0, 1)]
            falls = [d[k, k] / there[k, k, k] for k in (0, 1)]
        half = 0.5 * widths(read.grid)
        factor = np.stack([np.exp(outward_integrals(half[k], slopes[k])[0]) * falls[k] for k in (0, 1)])
    return (0.5 * (WEIGHTS @ factor).sum(axis=1)).prod(axis=0)


def _refuse_variable(read: Coefficients) -> None:
    d, x = read.d, read.x
    i = int(np.argmax(np.abs(d - d[:, :, :1]).max(axis=(0, 1))))
    if np.abs(d[:, :, i] - d[:, :, 0]).max() > EQUAL * np.abs(d[:, :, 0]).max():
        raise InvalidInput(
            f"the noise of {read.process.name} is correlated and D={d[:, :, 0].tolist()} at x={tuple(x[:, 0].tolist())}"
            f", {d[:, :, i].tolist()} at x={tuple(x[:, i].tolist())}; speed_measure takes correlated noise with one D: "
            "leave it out"
        )


def _refuse_silent(read: Coefficients) -> None:
    noisy = noisy_axes(read.d)
    if not all(noisy):
        raise InvalidInput(
            f"{read.process.name} has no noise along axis {noisy.index(False)} and states no law that the flow along "
            "it keeps; speed_measure cannot weigh its cells: leave it out"
        )


def _refuse_overflow(read: Coefficients, r: np.ndarray) -> None:
    if not np.isfinite(r).all():
        i = int(np.argmin(np.isfinite(r)))
        raise InvalidInput(
            f"the stationary density of {read.process.name} changes beyond the range of float64 over the cell at "
            f"x={tuple(read.x[:, i].tolist())}; use narrower cells or a smaller box"
        )
