"""Real defects of published solvers, planted one by one: each is caught by a test that passes without it."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.linalg import expm

from fpsde.density import CellLaw, Normal
from fpsde.domain import Interval, Wall
from fpsde.fokker_planck import FokkerPlanck, assemble
from fpsde.fokker_planck.initial import starting_masses
from fpsde.grid import Grid


def well(stand_in, d=0.25):
    return stand_in(lambda x, t: -4 * x * (x**2 - 1), lambda x, t: d, name="well")


GRID = Grid.uniform((-2.4, 2.4), cells=240)


# --- potential and force together doubling D: the drift stated as a force and as a potential, D counted with each


def equipartition_error(process) -> float:
    """Return the relative error of <x U'> = kT: it holds for every potential, and sees D alone."""
    law = FokkerPlanck(process, Grid.uniform((-3, 3), cells=400)).stationary().law
    x = law.grid.centres
    return abs(law.masses @ (x * 4 * x * (x**2 - 1)) / 0.25 - 1)


def test_potential_and_force_together_doubling_d_are_caught_by_equipartition(stand_in):
    assert equipartition_error(well(stand_in)) < 1e-9
    assert equipartition_error(well(stand_in, 2 * 0.25)) > 0.9


def test_potential_and_force_together_doubling_d_are_caught_by_the_short_time_variance(stand_in):
    def spread(process):
        found = FokkerPlanck(process, Grid.uniform((-2.4, 2.4), cells=1600)).evolve(-1.0, t_end=1e-3, tolerance=1e-6)
        return found.law.variance / (2 * 0.25 * 1e-3)

    assert spread(well(stand_in)) == pytest.approx(1, abs=0.01)
    assert spread(well(stand_in, 2 * 0.25)) > 1.9


# --- D(x) silently Ito while the current uses another convention


def variable(stand_in):
    return stand_in(lambda x, t: -x, lambda x, t: 1 + 0.5 * np.sin(x))


def ito_current(process, law) -> np.ndarray:
    """Return mu p - (D p)' at the faces, from the density at the centres."""
    x, h = law.grid.centres, law.grid.widths[0]
    p, middle = law.average_density, law.grid.faces[1:-1]
    flux = process.ito_drift(middle, 0.0) * 0.5 * (p[1:] + p[:-1])
    return flux - np.diff(process.diffusivity(x, 0.0) * p) / h


def fick_current(process, law) -> np.ndarray:
    """Return mu p - D p', the current of the other convention, from the same drift."""
    h, p, middle = law.grid.widths[0], law.average_density, law.grid.faces[1:-1]
    flux = process.ito_drift(middle, 0.0) * 0.5 * (p[1:] + p[:-1])
    return flux - process.diffusivity(middle, 0.0) * np.diff(p) / h


def test_a_current_of_another_convention_is_caught_by_the_balance_of_mass(stand_in):
    """dm/dt of a cell must be the difference of the currents that are reported at its faces."""
    solver = FokkerPlanck(variable(stand_in), Grid.uniform((-7, 7), cells=700))
    laws = solver.evolve(Normal(0.5, 0.7), t_end=0.301, times=[0.299, 0.3], tolerance=1e-9).laws
    change = (laws[2].masses - laws[0].masses) / 0.002
    size = np.abs(change).max()
    reported = solver.thermodynamics(laws[1]).currents
    assert np.abs(change + np.diff(reported)).max() < 1e-3 * size
    for current, caught in ((ito_current, False), (fick_current, True)):
        difference = np.abs(change[1:-1] + np.diff(current(solver.process, laws[1]))).max()
        assert (difference > 0.05 * size) == caught


# --- d(D dp) in place of d^2(D p)


def fick(process, grid, t=0.0):
    """The generator of dp/dt = -(mu p)' + (D p')': the drift lacks D'."""
    slope = 1e-5
    moved = replace(
        process,
        drift=lambda x, s: process.drift(x, s) + (process.d(x + slope, s) - process.d(x - slope, s)) / (2 * slope),
    )
    return assemble(moved, grid, t)


def test_fick_in_place_of_ito_is_caught_by_the_stationary_law(stand_in):
    process = variable(stand_in)
    exponent = np.vectorize(lambda x: quad(lambda y: -y / (1 + 0.5 * np.sin(y)), 0, x)[0])
    errors = {}
    for generator in (assemble, fick):
        law = FokkerPlanck(process, Grid.uniform((-7, 7), cells=280), assemble=generator).stationary().law
        x = law.grid.centres
        exact = np.exp(exponent(x)) / (1 + 0.5 * np.sin(x))
        errors[generator] = np.abs(law.masses - exact / exact.sum()).sum()
    assert errors[assemble] < 1e-10 < 0.05 < errors[fick]


def test_fick_in_place_of_ito_is_caught_by_the_mean_of_a_martingale(stand_in):
    """dX = sigma(X) dW in Ito form has a mean that stays; with (D p')' it moves by the mean of D'."""
    process = stand_in(lambda x, t: 0.0, lambda x, t: 1 + 0.5 * np.sin(x))
    grid = Grid.uniform((-12, 12), cells=600)
    means = [
        FokkerPlanck(process, grid, assemble=generator).evolve(0.3, t_end=0.5, dt=0.01).law.mean
        for generator in (assemble, fick)
    ]
    assert abs(means[0] - 0.3) < 1e-8 and abs(means[1] - 0.3) > 0.1


# --- lost equilibrium at a periodic seam


def cut_seam(process, grid, t=0.0):
    """The exponent of the seam read from the wrong side: one period of a potential that does not close."""
    q = assemble(process, grid, t)
    return replace(q, right=np.r_[q.right[:-1], q.right[-1] * np.exp(0.2)])


def test_lost_equilibrium_at_a_periodic_seam_is_caught_by_the_entropy_production(stand_in):
    ring = stand_in(lambda x, t: -np.sin(x), lambda x, t: 0.4, Interval.between(0, 2 * np.pi, Wall.PERIODIC))
    grid = Grid.uniform((0, 2 * np.pi), cells=120)
    for generator, caught in ((assemble, False), (cut_seam, True)):
        solver = FokkerPlanck(ring, grid, assemble=generator)
        at_rest = solver.stationary()
        assert (solver.thermodynamics(at_rest.law).entropy_production > 1e-20) == caught
        assert (abs(at_rest.current) > 1e-13) == caught
        assert np.isrealobj(solver.modes(2).eigenvalues) != caught  # a ring in balance has real rates


# --- zero gradient in place of zero flux


def zero_gradient(process, grid, t=0.0):
    low, high = (float(process.ito_drift(x, t)[0]) for x in (grid.faces[:1], grid.faces[-1:]))
    return replace(assemble(process, grid, t), exits=(-low / grid.widths[0], high / grid.widths[-1]))


def test_zero_gradient_in_place_of_zero_flux_is_caught_by_the_mass(stand_in):
    process = stand_in(lambda x, t: -1.0, lambda x, t: 0.5, Interval.between(0, 1, Wall.REFLECTING))
    grid = Grid.uniform((0, 1), cells=100)
    right, wrong = (
        FokkerPlanck(process, grid, assemble=f).evolve(0.5, t_end=0.5, dt=0.01) for f in (assemble, zero_gradient)
    )
    assert right.mass_error < 1e-13 and wrong.mass_error > 0.05


# --- Picard iteration sold as an implicit step; time off by one: steps, held against the exact exponential


@dataclass(frozen=True)
class Steps:
    """Masses by ``n`` equal steps of a plain method up to t = 1."""

    q: np.ndarray
    start: np.ndarray

    def crank_nicolson(self, n: int) -> np.ndarray:
        a = 0.5 / n * self.q
        step = np.linalg.solve(np.eye(len(a)) - a, np.eye(len(a)) + a)
        return np.linalg.matrix_power(step, n) @ self.start

    def picard(self, n: int, iterations: int = 4) -> np.ndarray:
        """Crank-Nicolson's equation by a few fixed-point iterations: an explicit method."""
        m = self.start
        for _ in range(n):
            new = m
            for _ in range(iterations):
                new = m + 0.5 / n * (self.q @ (m + new))
            m = new
        return m


def test_picard_iteration_sold_as_an_implicit_step_is_caught_by_large_steps(stand_in):
    """An L-stable step of any size keeps the equilibrium and the size of a law; an explicit one explodes."""
    solver = FokkerPlanck(well(stand_in), GRID)
    q = solver.generator()
    start = Normal(-0.8, 0.2).cell_masses(GRID.faces)
    n = 20  # dt max|Q_ii| is far above the limit of any explicit method
    assert q.max_rate / n > 60
    exact = expm(q.dense()) @ start
    ours = solver.evolve(CellLaw(GRID, start), t_end=1.0, dt=1 / n).law.masses
    steps = Steps(q.dense(), start)
    with np.errstate(over="ignore", invalid="ignore"):
        picard = steps.picard(n)
    assert np.abs(ours - exact).sum() < 1e-3
    assert not np.abs(picard - exact).sum() < 1e3
    assert np.abs(steps.crank_nicolson(n) - exact).sum() < 1e-2  # the equation that it claims to solve is harmless


def test_a_time_step_off_by_one_is_caught_by_the_exact_exponential(stand_in):
    """A run that takes one step too many is of order 1; and a law that is asked for at a time is that law."""
    process = stand_in(lambda x, t: -x, lambda x, t: 1 + 0.3 * np.sin(x))
    solver = FokkerPlanck(process, Grid.uniform((-7, 7), cells=120))
    exact = solver.evolve_by_uniformisation(0.4, t_end=1.0, times=[0.5])
    errors = []
    for n in (16, 32, 64):
        row = []
        for steps in (n, n + 1):  # the second one: the same dt, one step more
            found = solver.evolve(0.4, t_end=steps / n, dt=1 / n).law.masses
            row.append(np.abs(found - exact.law.masses).sum())
        errors.append(row)
    right, late = np.log2(np.array(errors[:-1]) / np.array(errors[1:])).T
    assert np.all(right > 1.85) and np.all(late < 1.3) and errors[-1][1] > 20 * errors[-1][0]
    laws = solver.evolve(0.4, t_end=1.0, times=[0.5], dt=1 / 64).laws
    early = solver.evolve(0.4, t_end=1.0, times=[0.5 - 1 / 64], dt=1 / 64).laws
    assert np.abs(laws[0].masses - exact.laws[0].masses).sum() < 1e-3
    assert np.abs(early[0].masses - exact.laws[0].masses).sum() > 5e-3


def test_coefficients_a_step_late_are_caught_by_a_driven_oscillator(stand_in):
    """dX = -X dt + cos(2t) dt + sqrt(2) dW: the mean is known, and lags by a step if the drift is read a step late."""

    def mean(late):
        driven = stand_in(lambda x, t: -x + np.cos(2 * (t - late)), lambda x, t: 1.0, time_dependent=True)
        return FokkerPlanck(driven, Grid.uniform((-8, 8), cells=160)).evolve(0.0, t_end=1.0, dt=1 / 64).law.mean

    exact = (np.cos(2) + 2 * np.sin(2) - np.exp(-1)) / 5
    assert abs(mean(0) - exact) < 2e-4
    assert abs(mean(1 / 64) - exact) > 2e-3


# --- central advection going negative


def central(process, grid, t=0.0):
    """J = mu (p_i + p_(i+1))/2 - (D p)': a generator only while the Peclet number of every edge is below 2."""
    h, x = grid.widths[0], grid.faces[1:-1]
    mu, d = process.ito_drift(x, t), process.diffusivity(grid.centres, t)
    up, down = d[:-1] / h**2 + mu / (2 * h), d[1:] / h**2 - mu / (2 * h)
    return np.diag(up, -1) + np.diag(down, 1) - np.diag(np.r_[up, 0] + np.r_[0, down])


def test_central_advection_going_negative_is_caught_by_signs_of_q_and_of_masses(stand_in):
    steep = stand_in(lambda x, t: -20 * x, lambda x, t: 0.1)
    grid = Grid.uniform((-2, 2), cells=60)
    solver = FokkerPlanck(steep, grid)
    q, wrong = solver.generator().dense(), central(steep, grid)
    assert np.abs(solver.generator().exponents).max() > 10
    off = ~np.eye(60, dtype=bool)
    assert q[off].min() >= 0 > -1 > wrong[off].min()
    np.testing.assert_allclose(wrong.sum(axis=0), 0, atol=1e-10)  # it keeps mass: only signs give it away
    start = starting_masses(1.2, grid, solver._sides).masses
    found = solver.evolve(1.2, t_end=0.05, dt=0.005)
    assert found.minimum >= 0 and found.law.masses.min() >= 0
    assert (expm(0.05 * wrong) @ start).min() < -1e-3
