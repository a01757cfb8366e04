"""The rates that a driven plane with correlated noise computes on its lines make up the generator, at every end."""

from __future__ import annotations

import numpy as np
import pytest

from fpsde.domain import LINE, Interval, Wall
from fpsde.fokker_planck import assemble_plane
from fpsde.fokker_planck.plane import assembly
from fpsde.fokker_planck.plane.coefficients import Coefficients, plane_sides
from fpsde.fokker_planck.plane.driven_lines import driven_lines
from fpsde.fokker_planck.plane.lines import cells_on
from fpsde.fokker_planck.seven_points import NEIGHBOURS, seven_point_weight
from fpsde.grid import Grid
from fpsde.processes.process import Process

RING, WALLED = Interval.between(-3, 3, Wall.PERIODIC), Interval.between(-3, 3, Wall.REFLECTING)
LOST_LOW, LOST_HIGH = Interval(-3, 3, Wall.ABSORBING, Wall.REFLECTING), Interval(-3, 3, Wall.NONE, Wall.ABSORBING)
ENDS = {
    "no ends": (LINE, LINE),
    "ring across": (RING, WALLED),
    "ring along": (WALLED, RING),
    "torus": (RING, RING),
    "walls": (LOST_LOW, LOST_HIGH),
}


@pytest.mark.parametrize("name", ENDS)
@pytest.mark.parametrize("t", [0.3, 1.1])
def test_computed_rates_are_those_of_the_assembly_and_so_is_what_leaves(name, t):
    """D_12 > 0 at the first time and below zero at the second: mass moves along the other diagonal."""
    process = Process(  # that of test_plane_diagonals, whose kernels are compiled once
        lambda x, t: (np.sin(3 * t) - x[0] + 0.8 * x[1], -0.3 * x[0] - 0.5 * x[1]),
        lambda x, t: ((1.0, 0.0), (0.6 * np.sin(4 * t), 0.9)),
        dim=2,
        domain=ENDS[name],
    )
    grid = Grid.uniform((-3, 3), (-3, 3), cells=(11, 13))
    q, sides = assemble_plane(process, grid, t), plane_sides(process, grid)
    off_diagonal, leaves, families = np.zeros((q.size, q.size)), np.zeros(q.size), []
    for lines in driven_lines(process, grid, sides, correlated=True):
        bad, (rates, exits, *_), _ = lines.at(t)
        cells = cells_on(lines.way, grid.shape)
        left, right = np.moveaxis(rates, 3, 1).reshape(-1, 2, cells.shape[1])[: len(cells)].swapaxes(0, 1)
        family = np.zeros_like(off_diagonal)
        np.add.at(family, (np.roll(cells, 1, axis=1), cells), left)
        np.add.at(family, (np.roll(cells, -1, axis=1), cells), right)
        at_ends = np.moveaxis(exits, 2, 1).reshape(-1, 2)[: len(cells)]
        np.add.at(leaves, cells[:, [0, -1]], at_ends)
        either_way = {lines.offset, (-lines.offset[0], -lines.offset[1])}
        assert bad == 0 and bool(either_way & {*q.offsets}) == family.any()
        off_diagonal += family
        families.append(family)
    expected = q.matrix.toarray()
    np.fill_diagonal(expected, 0.0)
    np.testing.assert_allclose(off_diagonal, expected, rtol=0, atol=1e-12 * q.max_rate)
    np.testing.assert_allclose(leaves, q.exits.sum(axis=0), rtol=0, atol=1e-12 * q.max_rate)
    assert len(families) == len(NEIGHBOURS) and leaves.any() == (name == "walls")
    assert min(np.abs(one).max() for one in families if one.any()) > 1e-3 * q.max_rate


def test_the_seven_point_stencil_is_selling_s_where_it_is_enough():
    grid = Grid.uniform((-3, 3), (-3, 3), cells=(11, 13))
    process = Process(
        lambda x: (-x[0], -x[1]),
        lambda x: ((1.0, 0.0), (0.3 * np.sin(x[0]), 0.9)),
        dim=2,
        domain=ENDS["walls"],
    )
    read, h = Coefficients(process, grid, 0.0, plane_sides(process, grid)), np.array([6 / 11, 6 / 13])
    seven, selling = {}, {}
    for found, jumps in ((seven, assembly._to_neighbours(read, h)), (selling, assembly._to_lattice(read, h))):
        for offset, rho in jumps:
            found[tuple(offset)] = found.get(tuple(offset), 0.0) + rho
    assert {*seven} == {*selling} == {*NEIGHBOURS} and all(rho.min() >= 0 and rho.any() for rho in seven.values())
    for offset, rho in seven.items():
        np.testing.assert_allclose(rho, selling[offset], rtol=0, atol=1e-15 * seven[1, 0].max())
        inside = seven_point_weight(offset, read.d, h, 0.0)  # without what walls add
        assert (np.abs(inside - selling[offset]).max() > 1e-3 * rho.max()) == (0 in offset)
