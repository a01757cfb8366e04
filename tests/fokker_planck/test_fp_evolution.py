"""Mass, positivity, walls, monitors and refusals of an evolution."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fpsde.density import Normal, Uniform
from fpsde.domain import Interval, Wall
from fpsde.errors import InvalidInput, NotConverged, UnstableStep
from fpsde.fokker_planck import FokkerPlanck, assemble, evolution
from fpsde.grid import Grid


@pytest.fixture
def ou(stand_in):
    return stand_in(lambda x, t: -x, lambda x, t: 1.0, name="OU")


WALLS = st.sampled_from([Wall.NONE, Wall.REFLECTING, Wall.ABSORBING])
DOMAINS = st.one_of(
    st.builds(lambda a, b: Interval(-1.0, 1.0, a, b), WALLS, WALLS), st.just(Interval.between(-1.0, 1.0, Wall.PERIODIC))
)


@settings(
    max_examples=200, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    domain=DOMAINS,
    slopes=st.tuples(*[st.floats(-30, 30)] * 3),
    noise=st.tuples(st.floats(-3, 1), st.floats(-0.9, 0.9)),
    widths=st.lists(st.floats(0.02, 1.0), min_size=5, max_size=60),
    x0=st.floats(-0.4, 0.4),
    dt=st.sampled_from([1e-3, 0.02, 0.5]),
    driven=st.booleans(),
)
def test_mass_is_exact_and_no_cell_is_negative_whatever_the_process(
    stand_in, domain, slopes, noise, widths, x0, dt, driven
):
    a, b, c = slopes
    process = stand_in(
        lambda x, t: (a + b * np.sin(np.pi * x) + c * np.cos(2 * np.pi * x)) * (1 + driven * np.sin(9 * t)),
        lambda x, t: 10 ** noise[0] * (1 + noise[1] * np.sin(np.pi * x)),
        domain,
        time_dependent=driven,
    )
    inner = np.cumsum(widths)[:-1] / np.sum(widths)
    grid = Grid((np.concatenate([[-1.0], 2 * inner - 1, [1.0]]),))
    if not grid.faces[1] < x0 < grid.faces[-2]:
        x0 = float(grid.centres[len(widths) // 2])
    found = FokkerPlanck(process, grid).evolve(x0, t_end=20 * dt, dt=dt, times=[5 * dt, 10 * dt])
    assert found.mass_error <= 1e-13 * np.sqrt(found.n_steps)
    assert found.minimum >= 0
    assert min(law.masses.min() for law in found.laws) >= found.minimum
    lost = np.array([[mass for _, mass in law.atoms] for law in found.laws])
    assert np.all(np.diff(lost, axis=0) >= -1e-15) and np.all(lost >= 0)
    assert found.absorbed == (0.0, 0.0) or Wall.ABSORBING in (domain.low_wall, domain.high_wall)


def test_mass_of_the_start_beyond_the_grid_is_told(stand_in):
    """Of a normal law 5.7e-7 lies beyond walls at five standard deviations."""
    walls = Interval.between(-1, 1, Wall.REFLECTING)
    solver = FokkerPlanck(stand_in(lambda x, t: -x, lambda x, t: 0.5, walls), Grid.uniform((-1, 1), cells=50))
    found = solver.evolve(Normal(0.0, 0.2), t_end=0.3)
    assert found.outside == pytest.approx(5.733e-7, rel=1e-4) and found.mass_error < 1e-12
    assert found.law.mass == pytest.approx(1 - found.outside, abs=1e-12)


def test_mass_stays_exact_over_very_many_steps(ou):
    for dt in (1e-4, 1e-2, 1.0):
        found = FokkerPlanck(ou, Grid.uniform((-8, 8), cells=200)).evolve(0.5, t_end=20_000 * dt, dt=dt)
        assert found.mass_error <= 1e-13


def test_the_equilibrium_does_not_drift(ou):
    solver = FokkerPlanck(ou, Grid.uniform((-8, 8), cells=200))
    at_rest = solver.stationary().law
    after = solver.evolve(at_rest, t_end=1000.0, dt=1.0).law
    np.testing.assert_allclose(after.masses, at_rest.masses, rtol=1e-8, atol=1e-16)


def test_a_step_that_would_go_negative_is_taken_in_halves(stand_in):
    kicked = stand_in(lambda x, t: -20 * (x - np.sin(6 * t)), lambda x, t: 0.02, time_dependent=True)
    solver = FokkerPlanck(kicked, Grid.uniform((-2.5, 2.5), cells=200))
    found = solver.evolve(Normal(1.0, 0.15), t_end=1.0, dt=0.125)
    fine = solver.evolve(Normal(1.0, 0.15), t_end=1.0, dt=1e-3)
    assert found.n_refused > 10 and found.n_steps > 8 + found.n_refused
    assert found.minimum >= 0 and found.law.masses.min() >= 0
    assert np.abs(found.law.masses - fine.law.masses).sum() < 1e-3


def test_a_point_start_needs_no_small_step(ou):
    found = FokkerPlanck(ou, Grid.uniform((-8, 8), cells=2000)).evolve(0.5, t_end=1.0, dt=0.1)
    assert found.n_refused == 0 and found.minimum >= 0
    exact = Normal(0.5 * np.exp(-1), np.sqrt(1 - np.exp(-2)))
    assert np.abs(found.law.masses - exact.cell_masses(found.law.grid.faces)).sum() < 3e-3


def test_exit_probabilities_of_drifted_brownian_motion_are_those_of_the_reference(stand_in):
    v, d, x0 = 2.0, 0.5, 0.3
    right = (1 - np.exp(-v * x0 / d)) / (1 - np.exp(-v / d))
    assert right == pytest.approx(0.7118436595, abs=1e-10)
    process = stand_in(lambda x, t: v, lambda x, t: d, Interval.between(0, 1, Wall.ABSORBING))
    errors = []
    for cells in (40, 80, 160):
        found = FokkerPlanck(process, Grid.uniform((0, 1), cells=cells)).evolve(x0, t_end=15.0, tolerance=1e-9)
        assert sum(found.absorbed) == pytest.approx(1, abs=1e-12)
        assert found.law.atoms == ((0.0, found.absorbed[0]), (1.0, found.absorbed[1]))
        errors.append(abs(found.absorbed[1] - right))
    assert np.all(np.abs(np.log2(np.array(errors[:-1]) / errors[1:]) - 2) < 0.05), errors


@pytest.mark.parametrize(
    ("name", "points"),
    [
        ("Benes", {0.0: 0.0864553978, 2.0: 0.1972814513}),
        ("CIR", {0.5: 0.9609930958, 1.0: 0.9567082087}),
        ("GBM", {1.0: 1.307646185, 1.2: 1.012733218}),
    ],
)
def test_transient_densities_are_those_of_the_reference(known, name, points):
    case = getattr(known, name)
    solver = FokkerPlanck(case.process, Grid.uniform(case.box, cells=2100 if name == "Benes" else 1800))
    law = solver.evolve(case.start, t_end=case.t_end).law
    for x, p in points.items():
        exact = float(np.diff(case.cdf(np.array([x - 1e-4, x + 1e-4])))[0]) / 2e-4
        assert exact == pytest.approx(p, rel=1e-6)
        assert np.interp(x, law.grid.centres, law.average_density) == pytest.approx(p, rel=2e-4)


def zero_gradient(process, grid, t=0.0):
    """The wrong wall: p' = 0 in place of zero total flux, so that the drift carries mass through it."""
    low, high = (float(process.ito_drift(x, t)[0]) for x in (grid.faces[:1], grid.faces[-1:]))
    return replace(assemble(process, grid, t), exits=(-low / grid.widths[0], high / grid.widths[-1]))


def test_a_wall_of_zero_gradient_loses_mass_and_is_seen(stand_in):
    process = stand_in(lambda x, t: 1.0, lambda x, t: 0.5, Interval.between(0, 1, Wall.REFLECTING))
    grid = Grid.uniform((0, 1), cells=100)
    right = FokkerPlanck(process, grid).evolve(0.5, t_end=0.5, dt=0.01)
    wrong = FokkerPlanck(process, grid, assemble=zero_gradient).evolve(0.5, t_end=0.5, dt=0.01)
    assert right.mass_error < 1e-13
    assert wrong.mass_error > 0.05 and wrong.absorbed == (0.0, 0.0)


def test_laws_are_returned_at_the_times_asked_for_and_at_the_end(ou):
    solver = FokkerPlanck(ou, Grid.uniform((-8, 8), cells=200))
    found = solver.evolve(0.5, t_start=1.0, t_end=3.0, times=[1.5, 2.0], dt=0.25)
    assert found.times == (1.5, 2.0, 3.0) and found.law is found.laws[-1] and found.dt == 0.25
    alone = solver.evolve(0.5, t_end=1.0, dt=0.25)
    np.testing.assert_allclose(found.laws[1].masses, alone.law.masses, rtol=1e-12)
    again = solver.evolve(alone.law, t_end=1.0, dt=0.25)
    assert abs(again.law.mean - 0.5 * np.exp(-2)) < 5e-3
    assert found.provenance["process"] == "OU" and found.provenance["grid"]["cells"] == 200
    json.dumps(found.provenance)
    assert found.time_error is None and alone.n_steps == 4 + 2  # the first step is three


def test_the_peclet_number_is_read_where_the_law_is(stand_in):
    quartic = stand_in(lambda x, t: -(x**3), lambda x, t: 1.0)
    found = FokkerPlanck(quartic, Grid.uniform((-8, 8), cells=160)).stationary()
    assert 1.0 < found.peclet < 4.0**3 * 0.1
    assert FokkerPlanck(quartic, Grid.uniform((-8, 8), cells=160)).generator().exponents.max() > 40


def test_mass_that_reaches_a_cut_end_is_refused_even_if_it_leaves_again(stand_in):
    swing = stand_in(
        lambda x, t: 20 * (2.8 * np.sin(np.pi * t) - x), lambda x, t: 0.05, time_dependent=True, name="swing"
    )
    with pytest.raises(
        InvalidInput, match=r"grid \[-3\.0, 3\.0\] does not hold swing: \S+ of the mass lay in the 2 outermost"
    ):
        FokkerPlanck(swing, Grid.uniform((-3, 3), cells=120)).evolve(0.0, t_end=1.0, dt=0.01)
    wide = FokkerPlanck(swing, Grid.uniform((-4, 4), cells=160)).evolve(0.0, t_end=1.0, dt=0.01)
    assert max(wide.edge) < 1e-6
    assert abs(wide.law.mean) < 0.5


def test_bad_arguments_are_refused_with_their_numbers(ou):
    solver = FokkerPlanck(ou, Grid.uniform((-8, 8), cells=200))
    for options, message in (
        ({"t_end": 0.0}, r"t_end=0\.0 must come after t_start=0\.0"),
        ({"t_end": np.inf}, r"t_end=inf is not finite"),
        ({"t_end": 1.0, "dt": 0.3}, r"from t=0\.0 to t=1\.0: dt=0\.3 does not divide t_end=1\.0"),
        ({"t_end": 1.0, "dt": 0.25, "times": [0.4]}, r"from t=0\.0 to t=0\.4: dt=0\.25 does not divide"),
        ({"t_end": 1.0, "dt": -1}, r"dt=-1\.0 must be positive"),
        ({"t_end": 1.0, "dt": 0.1, "tolerance": 1e-3}, r"dt=0\.1 and tolerance=0\.001 were both given"),
        ({"t_end": 1.0, "tolerance": 0}, r"tolerance=0\.0 must be positive"),
        ({"t_end": 1.0, "times": [0.5, 2.0]}, r"times run from 0\.5 to 2\.0; they must lie in \(0\.0, 1\.0\]"),
        ({"t_end": 1.0, "times": [0.5, 0.5]}, r"times must strictly increase"),
        ({"t_end": 1.0, "times": []}, r"times is empty"),
    ):
        with pytest.raises(InvalidInput, match=message):
            solver.evolve(0.5, **options)
    with pytest.raises(InvalidInput, match=r"the grid has 2 dimension\(s\), where one is needed"):
        FokkerPlanck(ou, Grid.uniform((-1, 1), (-1, 1), cells=10))
    with pytest.raises(InvalidInput, match=r"the process has 3 dimension\(s\), where one or two can be solved on a"):
        FokkerPlanck(replace(ou, dim=3), solver.grid)
    with pytest.raises(InvalidInput, match=r"reaches outside of the domain"):
        FokkerPlanck(replace(ou, domain=Interval(0, np.inf)), solver.grid)
    with pytest.raises(InvalidInput, match=r"t=nan is not finite"):
        solver.generator(np.nan)


def test_a_tolerance_out_of_reach_is_refused(ou, monkeypatch):
    monkeypatch.setattr(evolution, "MOST_STEPS", 500)
    solver = FokkerPlanck(ou, Grid.uniform((-8, 8), cells=50))
    with pytest.raises(
        NotConverged, match=r"tolerance=1e-14 is not reached: with 512 steps the last halving of dt still moved"
    ):
        solver.evolve(0.5, t_end=1.0, tolerance=1e-14)


def test_a_step_that_no_halving_makes_positive_is_refused(ou):
    def broken(process, grid, t=0.0):
        return replace(assemble(process, grid, t), exits=(np.nan, 0.0))

    with pytest.raises(
        UnstableStep, match=r"the step of 0\.05 from t=0\.05 leaves a cell with the mass nan after 0 halvings"
    ):
        FokkerPlanck(ou, Grid.uniform((-8, 8), cells=50), assemble=broken).evolve(Uniform(-1, 1), t_end=1.0, dt=0.1)
