"""Currents, entropy production and free energy in the plane: closed forms, balances, and what is refused."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.linalg import solve_continuous_lyapunov

from fpsde import checks
from fpsde.density import CellLaw, Normal
from fpsde.domain import Interval, Wall
from fpsde.errors import InvalidInput
from fpsde.fokker_planck import FokkerPlanck
from fpsde.fokker_planck.plane.generator import centres
from fpsde.grid import Grid
from fpsde.joint_law import JointCellLaw
from fpsde.processes import (
    double_well,
    linear_system,
    ornstein_uhlenbeck,
    overdamped,
    rotating_ou,
    underdamped,
    underdamped_washboard,
)
from fpsde.processes.process import Process

A = np.array([[1.0, -0.8], [0.3, 0.5]])
D = np.array([[1.0, 0.6], [0.6, 0.8]])
TILTED = overdamped(lambda x: x[0] ** 4 / 4 + x[1] ** 2 + 0.5 * x[0] * x[1], 0.5, dim=2)
GRID = Grid.uniform((-3.5, 3.5), (-4, 4), cells=(30, 28))


def dissipation(a, d):
    """Return tr(V^T D^-1 V S) of dX = -A X dt + sqrt(2D) dW at rest, where V x = (-A + D S^-1) x is the mean drift."""
    s = solve_continuous_lyapunov(a, 2 * d)
    v = -a + d @ np.linalg.inv(s)
    return float(np.trace(v.T @ np.linalg.inv(d) @ v @ s))


def test_a_turning_process_dissipates_what_its_closed_form_says_at_order_two() -> None:
    """A = theta + omega J, D = 1: 2 omega^2/theta; and a non-normal A with correlated noise."""
    turning = 1.0 * np.eye(2) + 0.7 * np.array([[0, -1], [1, 0]])
    assert dissipation(turning, np.eye(2)) == pytest.approx(2 * 0.7**2, rel=1e-14)
    sizes = (36, 48, 64, 84)
    for process, a, d, box in (
        (rotating_ou(1.0, 0.7), turning, np.eye(2), ((-5.5, 5.5), (-5.5, 5.5))),
        (linear_system(A, np.linalg.cholesky(2 * D)), A, D, ((-7, 7), (-6, 6))),
    ):
        exact, errors = dissipation(a, d), []
        for cells in sizes:
            solver = FokkerPlanck(process, Grid.uniform(*box, cells=cells))
            at_rest = solver.stationary()
            found = solver.thermodynamics(at_rest.law)
            errors.append(found.entropy_production - exact)
            assert found.medium == pytest.approx(found.entropy_production, rel=1e-9)
            assert abs(found.system) < 1e-11 and found.free_energy == pytest.approx(0, abs=1e-12)
            np.testing.assert_array_equal(found.current_density, at_rest.current)
        order = checks.grid_order([1 / cells for cells in sizes], errors, expected=2)
        assert order.verdict is checks.Verdict.PASS, (errors, order)
        assert abs(dissipation(a * [[1, 1.05], [1, 1]], d) - exact) > 5 * abs(errors[-1])


def test_nothing_is_dissipated_at_rest_in_a_potential() -> None:
    solver = FokkerPlanck(TILTED, GRID)
    found = solver.thermodynamics(solver.stationary().law)
    assert found.entropy_production < 1e-25 and abs(found.free_energy) < 1e-13
    assert np.abs(found.currents).max() < 1e-14
    pushed = FokkerPlanck(
        Process(
            drift=lambda x: (-(x[0] ** 3) - 0.5 * x[1] + 0.01 * x[1], -2 * x[1] - 0.5 * x[0]),
            sigma=lambda x: (1.0, 1.0),
            dim=2,
        ),
        GRID,
    )
    assert pushed.thermodynamics(pushed.stationary().law).entropy_production > 1e-6  # a hundredth of a force is seen


def test_the_free_energy_falls_by_what_is_dissipated_in_a_potential() -> None:
    solver = FokkerPlanck(TILTED, GRID)
    run = solver.evolve((Normal(0.5, 0.4), Normal(0.2, 0.4)), t_end=0.302, times=[0.298, 0.3], dt=0.002)
    before, now, after = (solver.thermodynamics(law) for law in run.laws)
    assert (after.free_energy - before.free_energy) / 0.004 == pytest.approx(-now.entropy_production, rel=1e-4)
    assert now.system + now.medium == pytest.approx(now.entropy_production, rel=1e-12)


@pytest.mark.parametrize("wall", [Wall.REFLECTING, Wall.PERIODIC])
def test_the_free_energy_never_rises_where_probability_circulates(wall) -> None:
    process = Process(
        drift=lambda x: (1.0 + np.sin(np.pi * x[1]), -2 * np.sin(np.pi * x[0])),
        sigma=lambda x: ((0.8, 0.0), (0.4, 0.6)),
        dim=2,
        domain=(Interval.between(-1, 1, wall),) * 2,
    )
    solver = FokkerPlanck(process, Grid.uniform((-1, 1), (-1, 1), cells=16))
    run = solver.evolve((0.3, -0.2), t_end=0.4, dt=0.02, times=0.02 * np.arange(1, 20))
    found = [solver.thermodynamics(law) for law in run.laws]
    free = np.array([one.free_energy for one in found])
    assert np.all(np.diff(free) < 0) and free[-1] >= -1e-13
    assert min(one.entropy_production for one in found) > -np.diff(free).max()
    for one, law in zip(found, run.laws, strict=True):  # what the edges carry is what the cells lose
        into = np.bincount(one.heads, one.currents, 256) - np.bincount(one.tails, one.currents, 256)
        np.testing.assert_allclose(into, solver.generator().matrix @ law.masses.ravel(), atol=1e-12)


def test_two_independent_lines_add_up_to_their_plane() -> None:
    """To round-off: rates, masses and their logarithms are those of each line."""
    pair = overdamped(lambda x: (x[0] ** 2 - 1) ** 2 + x[1] ** 2 / 2, 0.5, dim=2)
    lines = (double_well(0.5), ornstein_uhlenbeck(theta=1.0, mean=0.0, sigma=1.0))
    starts = (Normal(0.3, 0.4), Normal(-0.5, 0.5))
    grids = (Grid.uniform((-2.5, 2.5), cells=30), Grid.uniform((-4, 4), cells=20))
    solvers = [FokkerPlanck(process, grid) for process, grid in zip(lines, grids, strict=True)]
    found = [s.evolve_by_uniformisation(start, t_end=0.2).law for s, start in zip(solvers, starts, strict=True)]
    laws = [CellLaw(law.grid, law.masses / law.mass) for law in found]
    alone = [s.thermodynamics(law) for s, law in zip(solvers, laws, strict=True)]
    grid = Grid((grids[0].faces, grids[1].faces))
    joint = JointCellLaw(grid, np.multiply.outer(*(law.masses for law in laws)))
    found = FokkerPlanck(pair, grid).thermodynamics(joint)
    for name in ("entropy_production", "system", "medium", "free_energy"):
        assert getattr(found, name) == pytest.approx(sum(getattr(one, name) for one in alone), rel=1e-9), name
    flux = found.current_density[0].sum(axis=1) * np.diff(grid.axes[1])[0]
    np.testing.assert_allclose(flux, 0.5 * (alone[0].currents[1:] + alone[0].currents[:-1]), atol=1e-12)


def test_walls_that_absorb_leave_no_free_energy() -> None:
    process = replace(TILTED, domain=(Interval.between(-1, 1, Wall.ABSORBING), Interval()))
    solver = FokkerPlanck(process, Grid.uniform((-1, 1), (-4, 4), cells=(10, 24)))
    found = solver.thermodynamics(solver.evolve((0.1, 0.0), t_end=0.1, dt=0.01).law)
    assert found.free_energy is None and found.entropy_production > 0


def test_klein_and_kramers_dissipate_by_friction_and_noise_alone() -> None:
    """D E[(d_v log(p/p_s))^2] of a normal law N(m, S) in a harmonic well, at order 2, and nothing in Gibbs's law."""
    g, kT, m, s = 0.5, 0.4, np.array([0.4, 0.3]), np.array([[0.3, 0.08], [0.08, 0.25]])
    rate = g * kT * (m[1] ** 2 / kT**2 + s[1, 1] / kT**2 - 2 / kT + np.linalg.inv(s)[1, 1])
    free = 0.5 * (np.trace(s) / kT + m @ m / kT - 2 - np.log(np.linalg.det(s) / kT**2))
    process = underdamped(lambda x: x**2 / 2, kT, friction=g)
    sizes, errors, losses = (30, 40, 54, 72), [], []
    for cells in sizes:
        solver = FokkerPlanck(process, Grid.uniform((-4, 4), (-4, 4), cells=cells))
        away = centres(solver.grid) - m[:, None]
        masses = np.exp(-0.5 * np.einsum("in,ij,jn->n", away, np.linalg.inv(s), away))
        law = JointCellLaw(solver.grid, (masses / masses.sum()).reshape(solver.grid.shape))
        found = solver.thermodynamics(law)
        assert found.free_energy == pytest.approx(free, abs=1e-8)
        assert found.system + found.medium == pytest.approx(found.entropy_production, rel=1e-12)
        errors.append(found.entropy_production - rate)
        change = solver.generator().matrix @ law.masses.ravel()
        falls = -change @ np.log(law.masses / solver.stationary().law.masses).ravel()
        losses.append(falls - found.entropy_production)
    for error, expected in ((errors, 2), (losses, 1)):
        order = checks.grid_order([1 / cells for cells in sizes], error, expected=expected)
        assert order.verdict is checks.Verdict.PASS, (error, order)
    assert min(losses) > 0
    hotter = FokkerPlanck(underdamped(lambda x: x**2 / 2, 1.05 * kT, friction=g), law.grid).thermodynamics(law)
    assert abs(hotter.entropy_production - rate) > 5 * abs(errors[-1])
    assert abs(solver.thermodynamics(solver.stationary().law).entropy_production) < 1e-25


def test_forces_that_are_no_gradient_another_grid_and_negative_masses_are_refused() -> None:
    ring = Grid.uniform((0, 2 * np.pi), (-4, 4), cells=20)
    kramers = FokkerPlanck(underdamped_washboard(), ring)
    with pytest.raises(InvalidInput, match=r"mass passes from x=\(.*\) to \(.*\) and cannot come back \(\d+ of \d+ ed"):
        kramers.thermodynamics(kramers.stationary().law)
    solver = FokkerPlanck(TILTED, GRID)
    for law in (kramers.stationary().law, Normal(0.0, 1.0)):
        with pytest.raises(InvalidInput, match="needs a law on the cells of this solver's grid, not"):
            solver.thermodynamics(law)
    masses = solver.stationary().law.masses
    with pytest.raises(
        InvalidInput, match=r"a mass is -0\.001, where the largest is \S+: negative masses have no entr"
    ):
        solver.thermodynamics(JointCellLaw(GRID, np.where(masses == masses.max(), -1e-3, masses)))
    rounded = np.where(masses < 1e-20, -1e-20, masses)
    assert abs(solver.thermodynamics(JointCellLaw(GRID, rounded)).entropy_production) < 1e-15
