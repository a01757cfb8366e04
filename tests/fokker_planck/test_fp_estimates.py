"""Error bars of numbers from three grids: they hold, are not wasteful, and are refused without convergence."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from fpsde.domain import Interval, Wall
from fpsde.errors import InvalidInput, NotConverged
from fpsde.fokker_planck import FokkerPlanck, assemble, estimate_refined, evolve_refined, scale_speed
from fpsde.grid import Grid

RATES = np.array([0.02977959331, 3.310394064, 5.512240298])  # by a sinc basis in test_fp_modes.py
PASSAGE = 33.94574429  # by the double integral in test_fp_passage.py


@pytest.fixture
def well(stand_in):
    return stand_in(lambda x, t: -4 * x * (x**2 - 1), lambda x, t: 0.25, name="double well")


@pytest.mark.parametrize(
    "generator",
    [assemble, pytest.param(scale_speed, marks=pytest.mark.slow)],
    ids=["Scharfetter-Gummel", "natural scale"],
)
def test_error_bars_hold_the_exact_numbers_and_are_not_wasteful(well, generator):
    solver = FokkerPlanck(well, Grid.uniform((-2.4, 2.4), cells=200), assemble=generator)
    rates = estimate_refined(solver, lambda fp: fp.modes(3).eigenvalues)
    assert np.all(np.abs(rates.value - RATES) <= rates.error + 5e-10 * RATES)
    assert np.all(rates.error < 2e-4 * RATES) and np.all(np.abs(rates.order - 2) < 0.2)
    passage = estimate_refined(solver, lambda fp: fp.passage_time(-1.0, 0.0).mean)
    assert abs(passage.value - PASSAGE) <= passage.error < 1e-4 * PASSAGE
    plain = FokkerPlanck(well, Grid.uniform((-2.4, 2.4), cells=800), assemble=generator).modes(3).eigenvalues
    assert np.all(np.abs(rates.value - RATES) < 0.1 * np.abs(plain - RATES))  # extrapolation is worth its while
    moment = estimate_refined(solver, lambda fp: fp.stationary().law.moment(2))
    assert abs(moment.value - 0.9176708607) <= moment.error + 1e-10


def test_doubled_diffusivity_leaves_the_bars(well):
    doubled = FokkerPlanck(replace(well, d=lambda x, t: 0.5), Grid.uniform((-2.8, 2.8), cells=200))
    rates = estimate_refined(doubled, lambda fp: fp.modes(3).eigenvalues)
    assert np.all(np.abs(rates.value - RATES) > 1e3 * rates.error)


def test_a_first_order_wall_is_seen_and_still_bounded(stand_in):
    def far_wall(process, grid, t=0.0):
        q = assemble(process, grid, t)
        return replace(q, exits=(q.exits[0] / 2, q.exits[1] / 2))

    process = stand_in(lambda x, t: 0.0, lambda x, t: 0.5, Interval.between(0, 1, Wall.ABSORBING))
    solver = FokkerPlanck(process, Grid.uniform((0, 1), cells=50), assemble=far_wall)
    found = estimate_refined(solver, lambda fp: fp.modes(1).gap)
    assert 0.8 < found.order < 1.2
    assert abs(found.value - 0.5 * np.pi**2) <= found.error < 0.2


def test_what_does_not_depend_on_the_grid_has_an_error_of_round_off(well):
    solver = FokkerPlanck(well, Grid.uniform((-2.4, 2.4), cells=100))
    found = estimate_refined(solver, lambda fp: [[1.0, fp.stationary().law.mass]])
    assert found.value.shape == (1, 2) and np.all(found.error <= 2e-12) and np.all(found.order == 2)


def test_a_last_difference_that_is_small_by_accident_makes_no_small_bar(well):
    """The first is then taken, a quarter of it, as at order 2; and a regular pair is extrapolated."""
    solver = FokkerPlanck(well, Grid.uniform((-2.4, 2.4), cells=100))
    lucky, regular = ({100: 1.0, 200: 1.04, 400: 1.04 + last} for last in (4e-4, 0.01))
    found = estimate_refined(solver, lambda fp: [numbers[fp.grid.shape[0]] for numbers in (lucky, regular)])
    np.testing.assert_allclose(found.value, [1.0404, 1.05 + 0.01 / 3], rtol=1e-12)
    np.testing.assert_allclose(found.error, [3 * 0.01 / 3, 0.0], atol=1e-11)


def test_a_mean_that_is_zero_needs_a_scale(well):
    solver = FokkerPlanck(well, Grid.uniform((-2.4, 2.4), cells=100))
    found = estimate_refined(solver, lambda fp: fp.stationary().law.mean, scale=1.0)
    assert abs(found.value) <= found.error < 2e-12


def test_numbers_without_convergence_are_refused(well):
    solver = FokkerPlanck(well, Grid.uniform((-2.4, 2.4), cells=100))
    with pytest.raises(NotConverged, match=r"number 1 moved by 0\.1 when the cells were halved, and by 0\.3"):
        estimate_refined(solver, lambda fp: [1.0, {100: 0.0, 200: 0.1, 400: 0.4}[fp.grid.shape[0]]])
    with pytest.raises(InvalidInput, match=r"has shapes \(100,\), \(200,\), \(400,\) on the three grids"):
        estimate_refined(solver, lambda fp: fp.grid.centres)
    with pytest.raises(InvalidInput, match=r"quantity=2 is no function; give a function of the solver"):
        estimate_refined(solver, 2)
    for refined in (lambda: estimate_refined(well, len), lambda: evolve_refined(well, 0.0, t_end=1.0)):
        with pytest.raises(InvalidInput, match=r"_refined takes a solver, not StandIn; FokkerPlanck\(process, grid\)"):
            refined()
