"""The solver converges to closed forms at its stated orders; slightly wrong solvers do not."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.integrate import solve_ivp
from scipy.linalg import expm

from fpsde.density import Law, Normal
from fpsde.domain import LINE, Interval, Wall
from fpsde.fokker_planck import FokkerPlanck, assemble
from fpsde.fokker_planck.initial import starting_masses
from fpsde.fokker_planck.sides import sides_of
from fpsde.grid import Grid


def orders(errors: list[float]) -> np.ndarray:
    """Return log2 of the ratios of errors under halving."""
    return np.log2(np.array(errors[:-1]) / np.array(errors[1:]))


def test_the_error_is_of_order_two_in_the_cell_width(case):
    observed = orders([case.error(cells) for cells in (80, 160, 320, 640)])
    assert np.all((observed > 1.85) & (observed < 2.15)), observed
    assert 1.95 < observed[-1] < 2.05


def test_a_wall_flux_over_a_whole_cell_is_flagged_as_first_order(known):
    def far_wall(process, grid, t=0.0):
        q = assemble(process, grid, t)
        return replace(q, exits=(q.exits[0] / 2, q.exits[1] / 2))

    observed = orders([known.absorbing.error(cells, assemble=far_wall) for cells in (80, 160, 320, 640)])
    assert np.all((observed > 0.8) & (observed < 1.2)), observed


@pytest.mark.parametrize("name", ["OU", "Benes", "reflecting", "periodic"])
def test_doubled_diffusivity_does_not_converge(known, name):
    right = getattr(known, name)
    box = right.box if right.process.domain.walled else (2 * right.box[0], 2 * right.box[1])
    wrong = replace(right, box=box, process=replace(right.process, d=lambda x, t: 2 * right.process.d(x, t)))
    errors = [wrong.error(cells) for cells in (160, 320)]
    assert min(errors) > 0.01
    assert abs(orders(errors)[0]) < 0.2


def test_stratonovich_drift_read_as_ito_does_not_converge(known):
    shifted = replace(known.GBM.process, drift=lambda x, t: 0.1 * x + 0.045 * x)  # + D'/2
    wrong = [replace(known.GBM, process=shifted).error(cells) for cells in (160, 320)]
    assert min(wrong) > 0.01


class Exact(Law):
    """A law on [0, 1] given by its distribution function."""

    def __init__(self, cdf):
        self._cdf = cdf

    def cdf(self, x):
        return self._cdf(np.asarray(x))

    def pdf(self, x):
        return np.gradient(self.cdf(x), x)

    def range(self):
        return 0.0, 1.0


# Manufactured on [0, 1]: with F the distribution function, the drift [(D p)' - F_t + J] / p has the density p = F'.
def manufactured(stand_in, wall: Wall, through: float):
    """Return a process on [0, 1] with D(x, t) and mu(x, t), and its exact distribution function."""
    amplitude = 0.6 if wall is Wall.PERIODIC else 0.5
    k = 2 * np.pi if wall is Wall.PERIODIC else np.pi

    def cdf(x, t):
        return x + amplitude * np.exp(-t) * np.sin(k * x) / k

    def p(x, t):
        return 1 + amplitude * np.exp(-t) * np.cos(k * x)

    def d(x, t):
        return (0.2 + 0.1 * np.sin(2 * k * x + 1)) * (1 + 0.5 * np.sin(3 * t))

    def drift(x, t):
        slope_d = 0.2 * k * np.cos(2 * k * x + 1) * (1 + 0.5 * np.sin(3 * t))
        slope_p = -amplitude * np.exp(-t) * k * np.sin(k * x)
        fall = amplitude * np.exp(-t) * np.sin(k * x) / k  # -F_t
        return (slope_d * p(x, t) + d(x, t) * slope_p + fall + through) / p(x, t)

    return stand_in(drift, d, Interval.between(0, 1, wall), time_dependent=True), cdf


@pytest.mark.parametrize(("wall", "through"), [(Wall.REFLECTING, 0.0), (Wall.PERIODIC, 0.7)])
def test_manufactured_solutions_with_variable_coefficients_are_met_at_order_two(stand_in, wall, through):
    process, cdf = manufactured(stand_in, wall, through)
    inside, at_wall = [], []
    for cells in (40, 80, 160, 320):
        grid = Grid.uniform((0, 1), cells=cells)
        start = Exact(lambda x: cdf(x, 0.0))
        found = FokkerPlanck(process, grid).evolve(start, t_end=0.5, dt=0.5 / cells)
        density_error = np.abs(found.law.masses - np.diff(cdf(grid.faces, 0.5))) / grid.widths
        inside.append(density_error[1:-1].max())
        at_wall.append(density_error[[0, -1]].max())
    for errors in (inside, at_wall):
        assert np.all((orders(errors) > 1.8) & (orders(errors) < 2.2)), errors


def propagated(solver, start, steps):
    return solver.evolve(start, t_end=0.5, dt=0.5 / steps).law.masses


@pytest.mark.parametrize("start", [0.537, Normal(0.5, 0.5)], ids=["point", "normal"])
def test_the_error_is_of_order_two_in_dt_and_smaller_than_by_backward_euler(stand_in, start):
    solver = FokkerPlanck(stand_in(lambda x, t: -x, lambda x, t: 1 + 0.3 * np.sin(x)), Grid.uniform((-7, 7), cells=120))
    q = solver.generator().dense()
    begin = starting_masses(start, solver.grid, sides_of(LINE, solver.grid)).masses
    exact = expm(0.5 * q) @ begin
    errors = [np.abs(propagated(solver, start, n) - exact).sum() for n in (8, 16, 32, 64, 128)]
    assert np.all((orders(errors) > 1.9) & (orders(errors) < 2.1)), errors
    euler = np.linalg.matrix_power(np.linalg.inv(np.eye(120) - q * (0.5 / 128)), 128) @ begin
    assert np.abs(euler - exact).sum() > 30 * errors[-1]


def test_coefficients_that_depend_on_time_keep_order_two_in_dt(stand_in):
    process, cdf = manufactured(stand_in, Wall.REFLECTING, 0.0)
    solver = FokkerPlanck(process, Grid.uniform((0, 1), cells=40))
    start = Exact(lambda x: cdf(x, 0.0))
    begin = np.diff(cdf(solver.grid.faces, 0.0))
    exact = solve_ivp(
        lambda t, m: solver.generator(t).apply(m), (0, 0.5), begin, "DOP853", rtol=1e-12, atol=1e-14, t_eval=[0.5]
    ).y[:, 0]
    errors = [np.abs(propagated(solver, start, n) - exact).sum() for n in (8, 16, 32, 64)]
    assert np.all((orders(errors) > 1.85) & (orders(errors) < 2.15)), errors
    frozen = FokkerPlanck(replace(process, drift=lambda x, t: process.drift(x, 0.0)), solver.grid)
    late = FokkerPlanck(replace(process, drift=lambda x, t: process.drift(x, t + 0.5 / 64)), solver.grid)
    assert np.abs(propagated(frozen, start, 64) - exact).sum() > 100 * errors[-1]  # coefficients of the start
    assert np.abs(propagated(late, start, 64) - exact).sum() > 10 * errors[-1]  # time off by one step


def test_an_automatic_step_meets_its_tolerance(known):
    steady = known.OU_from_a_point.process
    solver = FokkerPlanck(replace(steady, time_dependent=True), Grid.uniform((-7, 7), cells=120))  # so that it steps
    begin, times = starting_masses(0.537, solver.grid, sides_of(LINE, solver.grid)).masses, (0.01, 0.2, 1.0)
    exact = np.array([expm(t * solver.generator().dense()) @ begin for t in times])
    for tolerance in (1e-3, 1e-5, 1e-7):
        found = solver.evolve(0.537, t_end=1.0, times=times[:2], tolerance=tolerance)
        error = 0.5 * max(np.abs(law.masses - masses).sum() for law, masses in zip(found.laws, exact, strict=True))
        assert found.dt is not None and found.times == times
        assert 0.2 * found.time_error < error < 0.5 * found.time_error <= 0.5 * tolerance


def test_a_tolerance_counts_what_walls_absorb(stand_in):
    """Where one mode is left, what the cells lack the walls have, and the error is twice that of the cells."""
    walls = Interval.between(0, 1, Wall.ABSORBING)
    solver = FokkerPlanck(
        stand_in(lambda x, t: 0.3, lambda x, t: 0.5, walls, time_dependent=True), Grid.uniform((0, 1), cells=30)
    )
    found = solver.evolve(0.4, t_end=0.5, tolerance=1e-4)
    start = starting_masses(0.4, solver.grid, sides_of(walls, solver.grid))
    q = np.zeros((32, 32))
    q[:30, :30], q[30, 0], q[31, 29] = solver.generator().dense(), *solver.generator().exits
    exact = expm(0.5 * q) @ np.r_[start.masses, start.absorbed]
    cells, at_walls = np.abs(found.law.masses - exact[:30]).sum(), np.abs(found.absorbed - exact[30:]).sum()
    assert at_walls == pytest.approx(cells, rel=0.05)
    assert 0.25 * found.time_error < 0.5 * (cells + at_walls) < 0.45 * found.time_error
