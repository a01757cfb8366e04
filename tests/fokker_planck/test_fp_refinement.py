"""The bound on the error of a refined law holds, is not wasteful, and is refused where grids do not converge."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from fpsde.errors import NotConverged
from fpsde.fokker_planck import FokkerPlanck, assemble, evolve_refined
from fpsde.fokker_planck.refinement import _bounded
from fpsde.grid import Grid


def refined(case, cells=80, **options):
    solver = FokkerPlanck(case.process, Grid.uniform(case.box, cells=cells), **options)
    return evolve_refined(solver, case.start, t_end=case.t_end, t_start=case.t_start, tolerance=1e-5)


def test_the_bounds_hold_and_are_not_wasteful(case):
    found = refined(case)
    faces = found.law.grid.faces
    error = np.abs(found.law.cdf(faces) - case.cdf(faces)).max()
    assert error <= found.tau <= 2 * error
    assert 1.9 < found.order < 2.1
    extrapolated = np.abs(found.cdf - case.cdf(found.faces)).max()
    assert extrapolated <= found.tau_cdf
    assert extrapolated < error / 5
    x = np.linspace(*case.box, 3001)
    assert np.abs(found.law.cdf(x) - case.cdf(x)).max() <= found.tau + found.between


def test_a_bound_counts_the_mass_beyond_the_grid_and_a_difference_that_is_small_by_accident():
    finest, shape = SimpleNamespace(outside=-3e-4, edge=(1e-4, 2e-4)), np.array([0.0, 1.0, 0.5])
    regular, lucky = ([shape, (1 - d) * shape, (1 - d - last) * shape] for d, last in ((0.04, 0.01), (0.04, 0.0004)))
    assert _bounded(finest, regular, 2.0)["tau"] == pytest.approx(1.25 * 0.01 / 3 + 6e-4)
    assert _bounded(finest, lucky, 2.0)["tau"] == pytest.approx(3 * 0.01 / 3 + 6e-4)  # a quarter of the first


def test_doubled_diffusivity_leaves_the_bound(known):
    wide = replace(known.OU, box=(-12, 12))
    wrong = refined(replace(wide, process=replace(wide.process, d=lambda x, t: 2.0)))
    faces = wrong.law.grid.faces
    assert np.abs(wrong.law.cdf(faces) - wide.cdf(faces)).max() > 100 * wrong.tau


def test_a_first_order_wall_is_seen_in_the_order_and_still_bounded(known):
    def far_wall(process, grid, t=0.0):
        q = assemble(process, grid, t)
        return replace(q, exits=(q.exits[0] / 2, q.exits[1] / 2))

    found = refined(known.absorbing, assemble=far_wall)
    faces = found.law.grid.faces
    error = np.abs(found.law.cdf(faces) - known.absorbing.cdf(faces)).max()
    assert 0.8 < found.order < 1.2
    assert error <= found.tau <= 5 * error
    assert np.abs(found.cdf - known.absorbing.cdf(found.faces)).max() <= found.tau_cdf


def test_grids_that_do_not_converge_are_refused(known):
    def hopping(process, grid, t=0.0):
        q = assemble(process, grid, t)
        return replace(q, right=q.right * (2.0 if len(q.right) == 320 else 1.0))

    with pytest.raises(
        NotConverged, match=r"moved by \S+ when the cells were halved, and by \S+ when they were halved again \(order -"
    ):
        refined(replace(known.OU, box=(-12, 12)), assemble=hopping)


def test_nothing_to_refine_gives_a_bound_of_round_off(known):
    case = known.reflecting
    still = replace(case, start=FokkerPlanck(case.process, Grid.uniform((0, 1), cells=80)).stationary().law)
    found = refined(still)
    assert found.tau < 1e-11 and found.order == 2.0


def test_cells_are_cut_on_grids_of_any_widths(known):
    faces = 8 * np.sinh(np.linspace(-2, 2, 101)) / np.sinh(2)
    found = evolve_refined(
        FokkerPlanck(known.OU.process, Grid((faces,))), known.OU.start, t_end=known.OU.t_end, dt=0.02
    )
    assert np.isin(faces, found.law.grid.faces).all() and found.law.grid.shape == (400,)
    error = np.abs(found.law.cdf(found.law.grid.faces) - known.OU.cdf(found.law.grid.faces)).max()
    assert error <= found.tau <= 2 * error
