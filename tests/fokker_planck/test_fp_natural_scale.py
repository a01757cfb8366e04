"""The generator by scale function and speed measure: what it is exact in, its orders, and the table of its errors."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from scipy.integrate import quad

from fpsde.domain import Interval, Wall
from fpsde.errors import InvalidInput
from fpsde.fokker_planck import FokkerPlanck, assemble, scale_speed
from fpsde.grid import Grid

#: U = (x^2 - 1)^2 at D = 0.25: lambda_1 and lambda_2 by another method in test_fp_modes.py.
LAMBDA = (0.02977959331, 3.310394064)


def well(stand_in, d: float = 0.25):
    return stand_in(lambda x, t: -4 * x * (x**2 - 1), lambda x, t: d, name="double well")


def orders(errors: list[float]) -> np.ndarray:
    return np.log2(np.array(errors[:-1]) / np.array(errors[1:]))


def test_stationary_masses_are_those_of_the_cells_and_not_centre_values(stand_in):
    process = stand_in(lambda x, t: -x, lambda x, t: 1 + 0.3 * np.sin(x))
    grid = Grid.uniform((-7, 7), cells=70)

    def speed(x):
        return np.exp(quad(lambda y: -y / (1 + 0.3 * np.sin(y)), 0, x, epsrel=1e-13)[0]) / (1 + 0.3 * np.sin(x))

    masses = np.array([quad(speed, a, b, epsabs=0, epsrel=1e-12)[0] for a, b in pairwise(grid.faces)])
    masses /= masses.sum()
    found = FokkerPlanck(process, grid, assemble=scale_speed).stationary()
    np.testing.assert_allclose(found.law.masses, masses, rtol=1e-10)
    assert found.provenance["method"].startswith("scale function and speed measure")
    by_centres = FokkerPlanck(process, grid).stationary().law.masses
    assert np.abs(by_centres - masses).max() > 1e-4 * masses.max()


@pytest.mark.parametrize(
    "name", ["OU", "GBM", "reflecting", "absorbing", "half_absorbing", "periodic", "CIR", "Benes", "VP"]
)
def test_the_error_is_of_order_two_in_the_cell_width(known, name):
    case = getattr(known, name)
    case = replace(case, tolerance=max(case.tolerance, 1e-7))
    observed = orders([case.error(cells, assemble=scale_speed) for cells in (80, 160, 320)])
    assert np.all((observed > 1.85) & (observed < 2.2)), observed


def test_a_wall_at_a_whole_cell_is_flagged_as_first_order(known):
    def far_wall(process, grid, t=0.0):
        q = scale_speed(process, grid, t)
        return replace(q, exits=(q.exits[0] / 2, q.exits[1] / 2))

    observed = orders([known.absorbing.error(cells, assemble=far_wall) for cells in (80, 160, 320)])
    assert np.all((observed > 0.8) & (observed < 1.2)), observed


def test_the_table_of_errors_of_the_reference(stand_in):
    """Relative errors of lambda_1, lambda_2 and the time from -1 to 0; of the committor at -0.2, absolute."""
    time = 33.94574429
    expected = {  # assemble: {cells: (lambda_1, lambda_2, time, committor)}; None where the reference has no number
        assemble: {50: (1.0e-2, None, -1.0e-2, 7.9e-4), 100: (2.6e-3, -2.4e-3, None, None)},
        scale_speed: {50: (1.9e-4, None, None, None), 100: (4.9e-5, -5.2e-3, None, None)},
    }
    for generator, rows in expected.items():
        for cells, (slow, fast, passage, between) in rows.items():
            solver = FokkerPlanck(well(stand_in), Grid.uniform((-2.5, 2.5), cells=cells), assemble=generator)
            rates = solver.modes(2).eigenvalues
            assert rates[0] / LAMBDA[0] - 1 == pytest.approx(slow, rel=0.05)
            if fast is not None:
                assert rates[1] / LAMBDA[1] - 1 == pytest.approx(fast, rel=0.05)
            if passage is not None:
                assert solver.passage_time(-1.0, 0.0).mean / time - 1 == pytest.approx(
                    passage, rel=0.2
                )  # there 0 is a centre
            else:
                assert abs(solver.passage_time(-1.0, 0.0).mean / time - 1) < abs(slow)
            if between is not None:
                assert committor_error(solver, -0.25) == pytest.approx(between, rel=0.5)


def committor_error(solver, x):
    def scale(low, high):
        return quad(lambda y: np.exp(4 * (y**2 - 1) ** 2), low, high, epsrel=1e-13)[0]

    return float(solver.committor(-1.0, 1.0)(x)) - scale(-1, x) / scale(-1, 1)


def test_committors_are_exact_at_the_centres(stand_in):
    for cells, exact in ((50, 0.25), (100, 0.375)):  # centres of the cells between -1 and 1, which are 20 and 40
        grid = Grid.uniform((-2.5, 2.5), cells=cells)
        x = -1 + grid.widths[0] * (np.floor(exact * 40 * cells / 100) + 0.5)
        assert abs(committor_error(FokkerPlanck(well(stand_in), grid, assemble=scale_speed), x)) < 1e-13
        assert abs(committor_error(FokkerPlanck(well(stand_in), grid), x)) > 1e-5


def test_a_wall_130_kt_high_takes_nothing_from_the_slow_rate(stand_in):
    errors = []
    for box in (1.9, 2.5):  # U/D is 27 and 110 at the wall; at 2.6 it is 133
        solver = FokkerPlanck(well(stand_in), Grid.uniform((-box - 0.1, box + 0.1), cells=400), assemble=scale_speed)
        errors.append(solver.modes(1).eigenvalues[0] / LAMBDA[0] - 1)
    assert errors[1] == pytest.approx(errors[0], rel=0.8) and abs(errors[1]) < 5e-6
    assert well(stand_in).drift(2.6, 0) and (2.6**2 - 1) ** 2 / 0.25 > 130


def test_columns_sum_to_minus_the_exits_on_rough_grids(stand_in):
    widths = np.random.default_rng(3).uniform(0.2, 1.0, 60)
    grid = Grid((np.r_[-3.0, -3 + 6 * np.cumsum(widths[:-1]) / widths.sum(), 3.0],))
    for wall in Wall:
        process = stand_in(
            lambda x, t: 0.5 + 3 * np.sin(np.pi * x / 3), lambda x, t: 1.0, Interval.between(-3, 3, wall)
        )
        if wall is Wall.NONE:
            process = replace(process, domain=Interval())
        q = scale_speed(process, grid)
        out = np.zeros(60)
        out[[0, -1]] = q.exits
        np.testing.assert_allclose(q.dense().sum(axis=0), -out, atol=1e-12 * q.max_rate)
        assert np.all(q.dense() - np.diag(q.diag) >= 0) and (min(q.exits) > 0) == (wall is Wall.ABSORBING)


def test_modes_of_steep_cells_are_seen_in_their_peclet_number(stand_in):
    """In natural scale a cell over which Phi falls by w is left at a rate of about e^(-w/2): slow modes of its own."""
    grid = Grid.uniform((-2.5, 2.5), cells=50)
    wrong, right = (FokkerPlanck(well(stand_in), grid, assemble=f).modes(2) for f in (scale_speed, assemble))
    assert wrong.eigenvalues[1] < 0.5 * LAMBDA[1] and right.eigenvalues[1] == pytest.approx(LAMBDA[1], rel=0.02)
    assert wrong.peclet[1] > 5 and wrong.edge[1] > 0.1
    assert max(right.peclet) < 4.1 and wrong.peclet[0] < 4.1 and max(right.edge) < 1e-6


def test_a_change_over_a_cell_out_of_range_is_refused(stand_in):
    with pytest.raises(
        InvalidInput, match=r"changes by 2\.9e\+03 between the centres at x=-2\.95 and -2\.85; .*700 the largest"
    ):
        scale_speed(stand_in(lambda x, t: -1e4 * x, lambda x, t: 1.0), Grid.uniform((-3, 3), cells=60))


@pytest.mark.parametrize("sign", [-1, 1])
def test_a_change_out_of_range_over_the_seam_of_a_ring_is_refused_and_on_a_line_there_is_none(stand_in, sign):
    """Phi changes by 760 over the seam alone, so that the rate across it underflows one way only."""
    grid = Grid.uniform((0, 1), cells=8)

    def beside_the_seam(x, t):
        return np.where(np.abs(x - 0.5) > 0.4375, sign * 6080.0, 0.0)

    ring, line = (
        stand_in(beside_the_seam, lambda x, t: 1.0, Interval.between(0, 1, wall))
        for wall in (Wall.PERIODIC, Wall.REFLECTING)
    )
    with pytest.raises(
        InvalidInput, match=rf"changes by {sign * 760:.3g} between the centres at x=0\.9375 and 0\.0625"
    ):
        scale_speed(ring, grid)
    assert min(scale_speed(line, grid).left[1:]) > 0
