"""Currents, entropy production and free energy: closed forms, balances, and the second law on random processes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fpsde.density import Normal
from fpsde.domain import Interval, Wall
from fpsde.errors import InvalidInput
from fpsde.fokker_planck import FokkerPlanck, scale_speed
from fpsde.grid import Grid


@pytest.fixture
def ou(stand_in):
    return stand_in(lambda x, t: -x, lambda x, t: 1.0, name="OU")


def test_a_gaussian_that_relaxes_has_the_free_energy_and_dissipation_of_its_closed_form(ou):
    """F = (s^2 + m^2 - 1 - log s^2)/2 and -dF/dt = m^2 + (s - 1/s)^2 for N(m, s^2) under OU with D = 1."""
    errors = []
    for cells in (100, 200, 400):
        grid = Grid.uniform((-8, 8), cells=cells)
        start = FokkerPlanck(ou, grid).evolve(Normal(1.0, 0.6), t_end=0.3, tolerance=1e-8).law
        found = FokkerPlanck(ou, grid).thermodynamics(start)
        m, v = np.exp(-0.3), 1 + (0.36 - 1) * np.exp(-0.6)
        free, rate = (v + m**2 - 1 - np.log(v)) / 2, m**2 + v + 1 / v - 2
        errors.append((abs(found.free_energy - free), abs(found.entropy_production - rate)))
        assert found.system + found.medium == pytest.approx(found.entropy_production, rel=1e-12)
        exact = (-grid.faces + (grid.faces - m) / v) * Normal(m, np.sqrt(v)).pdf(grid.faces)  # J = mu p - p'
        assert np.abs(found.currents - exact).max() < 30 * grid.widths[0] ** 2
    ratios = np.log2(np.array(errors[:-1]) / np.array(errors[1:]))
    assert np.all(np.abs(ratios - 2) < 0.2), errors


def test_the_free_energy_falls_by_what_is_dissipated(ou):
    solver = FokkerPlanck(ou, Grid.uniform((-8, 8), cells=200))
    laws = solver.evolve_by_uniformisation(Normal(1.0, 0.5), t_end=0.501, times=[0.499, 0.5]).laws
    before, now, after = (solver.thermodynamics(law) for law in laws)
    slope = (after.free_energy - before.free_energy) / 0.002
    assert slope == pytest.approx(-now.entropy_production, rel=1e-5)


@settings(max_examples=60, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    slopes=st.tuples(*[st.floats(-4, 4)] * 3),
    noise=st.tuples(st.floats(-1, 0.5), st.floats(-0.8, 0.8)),
    drive=st.floats(-3, 3),
    wall=st.sampled_from([Wall.REFLECTING, Wall.PERIODIC]),
    x0=st.floats(-0.9, 0.9),
    dt=st.sampled_from([1e-3, 0.02, 0.3]),
    natural=st.booleans(),
)
def test_the_free_energy_never_rises_and_entropy_production_is_not_negative(
    stand_in, slopes, noise, drive, wall, x0, dt, natural
):
    a, b, c = slopes
    process = stand_in(
        lambda x, t: drive + a * np.sin(np.pi * x) + b * np.cos(np.pi * x) + c * np.sin(2 * np.pi * x),
        lambda x, t: 10 ** noise[0] * (1 + noise[1] * np.sin(np.pi * x)),
        Interval.between(-1, 1, wall),
    )
    options = {"assemble": scale_speed} if natural else {}
    solver = FokkerPlanck(process, Grid.uniform((-1, 1), cells=60), **options)
    run = solver.evolve(x0, t_end=20 * dt, dt=dt, times=dt * np.arange(1, 20))
    found = [solver.thermodynamics(law) for law in run.laws]
    free = np.array([one.free_energy for one in found])
    assert np.all(np.diff(free) <= 1e-13) and free[-1] >= -1e-13
    assert min(one.entropy_production for one in found) >= 0
    if wall is Wall.REFLECTING:
        assert all(one.currents[0] == one.currents[-1] == 0 for one in found)
    backwards = free[::-1]
    assert not np.all(np.diff(backwards) <= 1e-13) or np.ptp(free) < 1e-11  # the test can fail


def test_a_driven_ring_dissipates_its_work(stand_in):
    force, d = 0.8, 0.4
    ring = stand_in(lambda x, t: force - np.sin(x), lambda x, t: d, Interval.between(0, 2 * np.pi, Wall.PERIODIC))
    solver = FokkerPlanck(ring, Grid.uniform((0, 2 * np.pi), cells=200))
    at_rest = solver.stationary()
    found = solver.thermodynamics(at_rest.law)
    assert found.entropy_production == pytest.approx(at_rest.current * 2 * np.pi * force / d, rel=1e-9)
    assert found.medium == pytest.approx(found.entropy_production, rel=1e-9)
    assert abs(found.system) < 1e-12 and found.free_energy == pytest.approx(0, abs=1e-14)
    np.testing.assert_allclose(found.currents, at_rest.current, rtol=1e-9)
    assert len(found.currents) == 201
    still = stand_in(lambda x, t: -np.sin(x), lambda x, t: d, ring.domain)
    calm = FokkerPlanck(still, solver.grid)
    assert calm.thermodynamics(calm.stationary().law).entropy_production < 1e-25


def test_walls_take_current_and_leave_no_free_energy(stand_in):
    process = stand_in(lambda x, t: 0.0, lambda x, t: 0.5, Interval.between(0, 1, Wall.ABSORBING))
    solver = FokkerPlanck(process, Grid.uniform((0, 1), cells=50))
    law = solver.evolve(0.3, t_end=0.1, tolerance=1e-7).law
    found = solver.thermodynamics(law)
    assert found.free_energy is None and found.currents[0] < 0 < found.currents[-1]
    lost = solver.generator().apply(law.masses).sum()
    assert found.currents[-1] - found.currents[0] == pytest.approx(-lost, rel=1e-12)


def test_a_law_on_another_grid_is_refused(ou):
    solver = FokkerPlanck(ou, Grid.uniform((-8, 8), cells=50))
    other = FokkerPlanck(ou, Grid.uniform((-8, 8), cells=60)).stationary().law
    for law in (other, Normal(0.0, 1.0)):
        with pytest.raises(InvalidInput, match="needs a law on the cells of this solver's grid"):
            solver.thermodynamics(law)
