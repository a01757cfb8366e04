"""Stationary laws against quadrature, on lines and driven rings, down to the far tails."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats
from scipy.integrate import cumulative_simpson, quad, simpson

from fpsde.domain import Interval, Wall
from fpsde.errors import InvalidInput
from fpsde.fokker_planck import FokkerPlanck, assemble
from fpsde.fokker_planck.stationary_law import residual
from fpsde.grid import Grid
from fpsde.processes import rotating_ou


def well(stand_in, temperature: float):
    return stand_in(lambda x, t: -4 * x * (x**2 - 1), lambda x, t: temperature, name="double well")


@pytest.mark.parametrize(
    ("temperature", "z", "square", "at_zero"),
    [
        (0.25, 0.947837833, 0.9176708607, 0.0193235997),
        (0.5, 1.410914703, 0.8521361522, None),
        (1.0, 1.973732150, 0.8327454871, None),
    ],
)
def test_the_double_well_has_the_stationary_numbers_of_the_reference(stand_in, temperature, z, square, at_zero):
    norm = quad(lambda x: np.exp(-((x**2 - 1) ** 2) / temperature), -5, 5, epsabs=1e-13)[0]
    second = quad(lambda x: x**2 * np.exp(-((x**2 - 1) ** 2) / temperature), -5, 5, epsabs=1e-13)[0] / norm
    assert norm == pytest.approx(z, abs=1e-9) and second == pytest.approx(square, abs=1e-10)
    box = 2.5 + temperature
    found = FokkerPlanck(well(stand_in, temperature), Grid.uniform((-box, box), cells=401)).stationary()
    x, p = found.law.grid.centres, found.law.average_density
    assert found.law.masses @ x**2 == pytest.approx(second, abs=1e-8)
    assert p[200] == pytest.approx(np.exp(-1 / temperature) / norm, rel=1e-8)
    if at_zero:
        assert p[200] == pytest.approx(at_zero, abs=1e-9)
    assert found.residual < 1e-14 and abs(found.current) < 1e-13
    doubled = FokkerPlanck(well(stand_in, 2 * temperature), Grid.uniform((-3.5, 3.5), cells=401)).stationary()
    assert abs(doubled.law.masses @ doubled.law.grid.centres**2 - second) > 0.01


def test_the_residual_of_a_law_that_does_not_stay_is_not_zero(stand_in):
    """On a line and in a plane: a law tilted by a thousandth changes at about that part of the rate of its jumps."""
    plane = FokkerPlanck(rotating_ou(), Grid.uniform((-6, 6), (-6, 6), cells=30))
    for solver in (FokkerPlanck(well(stand_in, 0.5), Grid.uniform((-3, 3), cells=60)), plane):
        q, masses = solver.generator(), solver.stationary().law.masses.ravel()
        tilted = masses * (1 + 1e-3 * (-1) ** np.arange(len(masses)))
        assert residual(q, masses) == solver.stationary().residual < 1e-14 < 1e-4 < residual(q, tilted) < 1e-2


def test_masses_far_below_round_off_keep_their_digits(stand_in):
    found = FokkerPlanck(well(stand_in, 0.01), Grid.uniform((-1.8, 1.8), cells=901)).stationary()
    u = (found.law.grid.centres**2 - 1) ** 2
    expected = np.exp(-(u - u.min()) / 0.01)
    assert expected[450] < 1e-43 and expected[0] < 1e-200
    np.testing.assert_allclose(found.law.masses, expected / expected.sum(), rtol=1e-9)


@pytest.mark.parametrize("cells", [200, 400])
def test_cir_and_jacobi_reach_their_gamma_and_beta_laws(stand_in, cells):
    cir = stand_in(lambda x, t: 1 - x, lambda x, t: 0.125 * x, Interval(0.0))
    jacobi = stand_in(lambda x, t: 0.4 - x, lambda x, t: 0.1 * x * (1 - x), Interval(0, 1))
    for process, box, exact in ((cir, (0, 6), stats.gamma(8, scale=1 / 8)), (jacobi, (0, 1), stats.beta(4, 6))):
        grid = Grid.uniform(box, cells=cells)
        error = np.abs(FokkerPlanck(process, grid).stationary().law.masses - np.diff(exact.cdf(grid.faces))).sum()
        assert error < 1.0 * (grid.widths[0] / exact.std()) ** 2 / 24 * 2
        wrong = np.abs(np.diff(exact.cdf(1.02 * grid.faces)) - np.diff(exact.cdf(grid.faces))).sum()
        assert wrong > 5 * error


def washboard(stand_in, force: float):
    return stand_in(
        lambda x, t: force + 2 * np.sin(x),
        lambda x, t: 0.3 * (1 + 0.5 * np.cos(x)),
        Interval.between(0, 2 * np.pi, Wall.PERIODIC),
    )


def ring_by_quadrature(process, points: int = 512) -> tuple[np.ndarray, float]:
    """Return p at ``points`` of the ring and the current J: J = mu p - (D p)' solved by an integrating factor e^phi,

    D p = J e^phi(x) (integral of e^-phi over the period after x) / (1 - e^-phi(period)).
    """
    n = 8 * points
    dx = 2 * np.pi / n
    x = dx * np.arange(2 * n + 1)
    phi = cumulative_simpson(process.ito_drift(x, 0.0) / process.diffusivity(x, 0.0), dx=dx, initial=0)
    ahead = [simpson(np.exp(phi[i] - phi[i : i + n + 1]), dx=dx) for i in range(0, n, 8)]
    p = np.array(ahead) / (1 - np.exp(-phi[n])) / process.diffusivity(x[:n:8], 0.0)
    current = 1 / (p.sum() * 2 * np.pi / points)
    return p * current, current


def test_a_driven_ring_has_the_current_of_the_cyclic_formula(stand_in):
    process = washboard(stand_in, 1.5)
    p, current = ring_by_quadrature(process)
    assert current > 0.02
    errors = []
    for cells in (64, 128, 256):
        found = FokkerPlanck(process, Grid.uniform((0, 2 * np.pi), cells=cells)).stationary()
        at_centres = p[256 // cells :: 512 // cells]
        errors.append((abs(found.current - current), np.abs(found.law.average_density - at_centres).max()))
        assert found.residual < 1e-14
    ratios = np.log2(np.array(errors[:-1]) / np.array(errors[1:]))
    assert np.all((ratios > 1.9) & (ratios < 2.1)), errors


def test_a_ring_without_drive_carries_no_current_and_a_lost_seam_is_seen(stand_in):
    ring = washboard(stand_in, 0.0)
    grid = Grid.uniform((0, 2 * np.pi), cells=100)
    found = FokkerPlanck(ring, grid).stationary()
    assert abs(found.current) < 1e-14
    q = assemble(ring, grid)
    ratios = q.right * found.law.masses / np.roll(q.left * found.law.masses, -1)
    np.testing.assert_allclose(ratios, 1, rtol=1e-11)  # detailed balance on every edge, the seam among them

    def wrong_seam(process, grid, t=0.0):
        q = assemble(process, grid, t)
        return replace(q, right=np.r_[q.right[:-1], 2 * q.right[-1]])

    wrong = FokkerPlanck(ring, grid, assemble=wrong_seam).stationary()
    assert abs(wrong.current) > 1e6 * abs(found.current)


def test_a_long_evolution_ends_in_the_stationary_law(stand_in):
    for process, box in ((washboard(stand_in, 1.5), (0, 2 * np.pi)), (well(stand_in, 0.5), (-3, 3))):
        solver = FokkerPlanck(process, Grid.uniform(box, cells=100))
        end = solver.evolve(1.0, t_end=400.0, dt=2.0).law
        np.testing.assert_allclose(end.masses, solver.stationary().law.masses, rtol=1e-9, atol=1e-15)


def test_processes_without_a_stationary_law_are_refused(stand_in):
    still = stand_in(lambda x, t: 0.0, lambda x, t: 0.5, name="brownian")
    cases = [
        (replace(still, time_dependent=True), r"brownian depends on time and has no stationary law"),
        (replace(still, domain=Interval(-3, 3, Wall.REFLECTING, Wall.ABSORBING)), r"brownian is absorbed at a wall"),
        (
            still,
            r"grid \[-3\.0, 3\.0\] does not hold brownian: 0\.0167 of the mass lay in the 1 outermost cell\(s\)",
        ),
        (replace(still, drift=lambda x, t: -3e4 * x), r"x=-2\.\d+ are \S+ up and 0 down \(Peclet number 1\.74e\+04\)"),
    ]
    for process, message in cases:
        with pytest.raises(InvalidInput, match=message):
            FokkerPlanck(process, Grid.uniform((-3, 3), cells=60)).stationary()


@pytest.mark.parametrize("stretched", [False, True])
def test_a_grid_too_coarse_for_the_law_is_reported_with_numbers(stand_in, stretched):
    """OU with theta = 4, D = 1: the correlation length is 1/2, and mu/D reaches 4 x where the law is."""
    for cells in (16, 32, 128):
        faces = 4 * np.linspace(-1, 1, cells + 1)
        faces = faces + (0.3 * np.sin(np.pi * faces / 4) if stretched else 0)
        process = stand_in(lambda x, t: -4 * x, lambda x, t: 1.0)
        found = FokkerPlanck(process, Grid((faces,))).stationary()
        if not stretched:
            assert found.cells_per_length == pytest.approx(0.5 / (8 / cells), rel=1e-9)
        assert ("correlation length has" in " ".join(found.doubts)) == (found.cells_per_length < 3) == (cells < 48)
        assert ("Peclet number reaches" in " ".join(found.doubts)) == (found.peclet > 2)
        assert bool(found.doubts) == (cells < 128)
    moved = FokkerPlanck(process, Grid.uniform((-4, 4), cells=32)).evolve(0.5, t_end=1.0, dt=0.1)
    assert len(moved.doubts) == 2 and "2 times the cells" in moved.doubts[1]


def test_a_ring_is_looked_at_all_round(stand_in):
    found = FokkerPlanck(washboard(stand_in, 1.5), Grid.uniform((0, 2 * np.pi), cells=12)).stationary()
    slope = (
        np.abs(np.diff([(1.5 + 2 * np.sin(x)) / (0.3 + 0.15 * np.cos(x)) for x in np.linspace(0, 7, 7001)])).max()
        / 1e-3
    )
    assert found.cells_per_length == pytest.approx(slope**-0.5 / (2 * np.pi / 12), rel=0.15)
