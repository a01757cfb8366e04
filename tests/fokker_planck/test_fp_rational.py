"""The rational exponential: its coefficients, its masses beside other exponentials, and where its error says no."""

from __future__ import annotations

from dataclasses import replace

import mpmath as mp
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fpsde.density import Normal
from fpsde.domain import Interval, Wall
from fpsde.errors import InvalidInput
from fpsde.fokker_planck import FokkerPlanck
from fpsde.fokker_planck.exact_in_time import trace_by_uniformisation
from fpsde.fokker_planck.initial import starting_masses
from fpsde.fokker_planck.rational import LIMIT, POLES, RESIDUES, carried, in_halves, stays_off_ends
from fpsde.grid import Grid

AXIS = -np.concatenate([[0.0], np.logspace(-6, 6, 601)])


def largest_error(residues: np.ndarray) -> float:
    """Return max |r(x) - e^x| on the negative axis, computed with 40 digits from the coefficients as doubles."""
    with mp.workdps(40):
        poles = [mp.mpc(theta) for theta in POLES]
        r = [LIMIT + 2 * mp.re(sum(mp.mpc(a) / (x - t) for a, t in zip(residues, poles, strict=True))) for x in AXIS]
        return float(max(abs(value - mp.exp(x)) for value, x in zip(r, AXIS, strict=True)))


def test_coefficients_are_those_of_the_best_approximation_to_what_doubles_allow():
    rounding = np.finfo(float).eps * np.abs(RESIDUES / POLES).sum()
    assert largest_error(RESIDUES) < rounding < 2e-14
    for j in range(len(RESIDUES)):  # negative control: one digit, the twelfth, of any large coefficient
        wrong = RESIDUES.copy()
        wrong[j] += 1e-11
        assert largest_error(wrong) > 2 * rounding


def test_kernel_evaluates_the_rational_function_at_the_rate_of_one_cell():
    """One cell with an exit of rate k: m(t) = e^-kt, and what has left is 1 - e^-kt."""
    for kt in (0.0, 1e-3, 0.7, 20.0, 1e5):
        masses, absorbed = np.array([1.0]), np.zeros(2)
        in_halves(np.array([kt / 2]), np.zeros(1), 2.0, masses, absorbed)
        np.testing.assert_allclose([masses[0], absorbed[0]], [np.exp(-kt), -np.expm1(-kt)], rtol=0, atol=4e-14)
        assert absorbed[1] == 0


@settings(max_examples=40, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    slopes=st.tuples(*[st.floats(-6, 6)] * 3),
    noise=st.tuples(st.floats(-1, 1), st.floats(-0.9, 0.9)),
    widths=st.lists(st.floats(0.1, 1.0), min_size=5, max_size=40),
    walls=st.tuples(*[st.sampled_from([Wall.REFLECTING, Wall.ABSORBING])] * 2),
    t=st.sampled_from([1e-3, 0.1, 2.0, 1e3]),
)
def test_mass_and_signs_are_kept_and_errors_are_what_halving_moves(stand_in, slopes, noise, widths, walls, t):
    a, b, c = slopes
    process = stand_in(
        lambda x, t: a + b * np.sin(np.pi * x / 2) + c * np.cos(np.pi * x),
        lambda x, t: 10 ** noise[0] * (1 + noise[1] * np.sin(np.pi * x / 2)),
        Interval(-2, 2, *walls),
    )
    grid = Grid((np.concatenate([[-2.0], -2 + 4 * np.cumsum(widths)[:-1] / np.sum(widths), [2.0]]),))
    solver = FokkerPlanck(process, grid)
    found = solver.evolve_by_rational_approximation(float(grid.centres[2]), t_end=t)
    assert found.mass_error < 1e-12 and found.time_error < 1e-10
    assert found.minimum >= -1e-15 * max(found.law.masses.max(), *found.absorbed) and min(found.absorbed) >= -1e-15
    if t < 10:
        exact = solver.evolve_by_uniformisation(float(grid.centres[2]), t_end=t)
        assert np.abs(found.law.masses - exact.law.masses).sum() < 1e-12 + 2 * found.time_error
        np.testing.assert_allclose(found.absorbed, exact.absorbed, rtol=0, atol=1e-12)


def test_a_start_that_drift_carries_is_seen_by_halving_and_refused(stand_in):
    """Deep in a tail the law moves as along a characteristic, where the pseudospectrum is not on the real axis."""
    solver = FokkerPlanck(stand_in(lambda x, t: -4 * x, lambda x, t: 1.0), Grid.uniform((-8, 8), cells=200))
    q, seen = solver.generator(), {}
    for x0 in (0.5, 6.0):
        start, times = starting_masses(x0, solver.grid, solver._sides), np.array([0.0, 0.1])
        found, exact = (method(q, start, times, (1, 1)) for method in (carried, trace_by_uniformisation))
        seen[x0] = found.time_error, 0.5 * np.abs(found.masses - exact.masses).sum()
        assert seen[x0][1] < seen[x0][0] + 1e-13
    assert seen[0.5][0] < 2e-13 and seen[6.0][1] > 1e-11
    with pytest.raises(
        InvalidInput, match=r"halves moves \S+ of the mass.* drift carries the start at x=5\.96 too fast"
    ):
        solver.evolve_by_rational_approximation(6.0, t_end=0.1)
    with pytest.raises(InvalidInput, match=r"masses fall to -\S+ of the largest, where -1e-15 is round-off"):
        replace(solver, grid=Grid.uniform((-8, 8), cells=400)).evolve_by_rational_approximation(4.0, t_end=0.01)
    assert solver.evolve_by_rational_approximation(Normal(1.0, 0.3), t_end=0.1).time_error < 1e-12


def test_a_ring_is_refused(stand_in):
    ring = stand_in(lambda x, t: 1.0, lambda x, t: 0.1, Interval.between(-2, 2, Wall.PERIODIC))
    solver = FokkerPlanck(ring, Grid.uniform((-2, 2), cells=40))
    with pytest.raises(InvalidInput, match="a ring may be driven, and its eigenvalues far from the negative real axis"):
        solver.evolve_by_rational_approximation(0.0, t_end=1.0)


@pytest.mark.parametrize(
    ("x0", "t", "walls", "box", "method"),
    [
        (0.5, 2.0, Interval(), (-8, 8), "rational approximation of order 16"),
        (Normal(0.5, 0.3), 2.0, Interval(), (-8, 8), "rational approximation of order 16"),
        (0.5, 2.0, Interval.between(-2, 2, Wall.ABSORBING), (-2, 2), "rational approximation of order 16"),
        (6.0, 0.1, Interval(), (-8, 8), "TR-BDF2"),  # drift carries it
        (0.5, 2.0, Interval.between(-2, 2, Wall.PERIODIC), (-2, 2), "TR-BDF2"),
    ],
)
def test_evolution_takes_steps_only_where_it_must(stand_in, x0, t, walls, box, method):
    solver = FokkerPlanck(stand_in(lambda x, t: -4 * x, lambda x, t: 1.0, walls), Grid.uniform(box, cells=200))
    found = solver.evolve(x0, t_end=t, times=[t / 3], tolerance=1e-7)
    assert found.provenance["method"].endswith(method) and (found.dt is None) == (method != "TR-BDF2")
    exact = solver.evolve_by_uniformisation(x0, t_end=t, times=[t / 3])
    for law, other in zip(found.laws, exact.laws, strict=True):
        assert 0.5 * np.abs(law.masses - other.masses).sum() < found.time_error <= 1e-7
    stepped = solver.evolve(x0, t_end=t, dt=t / 300)
    assert stepped.provenance["method"].endswith("TR-BDF2") and stepped.dt == t / 300


def test_mass_that_visits_a_cut_end_between_the_times_is_refused_as_in_steps(stand_in):
    """From 7.7 the law spreads to the end at 8 and is back in the middle at t = 2, the only time asked for."""
    solver = FokkerPlanck(stand_in(lambda x, t: -x, lambda x, t: 2.0), Grid.uniform((-8, 8), cells=200))
    q, start, times = solver.generator(), starting_masses(7.7, solver.grid, solver._sides), np.array([0.0, 2.0])
    assert max(carried(q, start, times, solver._fringe).edge) < 1e-6  # it looks well at t = 2
    assert not stays_off_ends(q, start, solver._fringe)
    with pytest.raises(InvalidInput, match=r"does not hold stand-in: \S+ of the mass lay"):
        solver.evolve(7.7, t_end=2.0)
    steep = FokkerPlanck(stand_in(lambda x, t: -1e4 * x, lambda x, t: 1.0), solver.grid)
    assert min(steep.generator().lower) == 0 and not stays_off_ends(steep.generator(), start, steep._fringe)
    assert steep.evolve(0.0, t_end=1.0).law.mass == pytest.approx(1, abs=1e-12)
    inside = starting_masses(0.0, solver.grid, solver._sides)
    assert stays_off_ends(q, inside, solver._fringe)
