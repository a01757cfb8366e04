"""Expectations by the backward equation: closed forms, duality with the forward equation, and its range."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.linalg import expm

from fpsde.density import Normal
from fpsde.domain import Interval, Wall
from fpsde.errors import InvalidInput, NotConverged, UnstableStep
from fpsde.fokker_planck import FokkerPlanck, assemble, backward
from fpsde.fokker_planck.initial import starting_masses
from fpsde.grid import Grid


@pytest.fixture
def ou(stand_in):
    return stand_in(lambda x, t: -x, lambda x, t: 1.0, name="OU")


@pytest.mark.slow
def test_moments_of_ou_from_every_start_are_met_at_order_two(ou):
    errors = []
    for cells in (100, 200, 400):
        solver = FokkerPlanck(ou, Grid.uniform((-9, 9), cells=cells))
        found = solver.expectation(np.square, t_end=0.7, tolerance=1e-7)
        x = np.linspace(-3, 3, 13)
        errors.append(np.abs(found(x) - (x**2 * np.exp(-1.4) + 1 - np.exp(-1.4))).max())
        np.testing.assert_allclose(found(solver.grid.centres), found.values, rtol=1e-12)
    assert np.all(np.abs(np.log2(np.array(errors[:-1]) / errors[1:]) - 2) < 0.2), errors


@pytest.mark.parametrize("domain", [Interval(), Interval.between(-3, 3, Wall.PERIODIC)], ids=["line", "ring"])
@pytest.mark.parametrize("driven", [False, True])
def test_forward_and_backward_give_one_number(stand_in, domain, driven):
    """f . exp(tQ) m = (exp(tQ^T) f) . m, with coefficients that depend on time as well."""
    process = stand_in(
        lambda x, t: (np.sin(np.pi * x / 3) + 0.5) * (1 + driven * t) - 3 * x * (domain == Interval()),
        lambda x, t: (0.5 + 0.1 * np.cos(np.pi * x / 3)) * (1 + driven * np.sin(3 * t) / 2),
        domain,
        time_dependent=driven,
    )
    solver = FokkerPlanck(process, Grid.uniform((-3, 3), cells=60))
    forward = solver.evolve(0.4, t_start=0.2, t_end=1.2, dt=1 / 400).law.expectation(np.cos)
    back = solver.expectation(np.cos, t_start=0.2, t_end=1.2, dt=1 / 400)
    start = starting_masses(0.4, solver.grid, solver._sides).masses
    assert back.values @ start == pytest.approx(forward, abs=2e-6)
    assert back.dt == 1 / 400 and back.time_error is None and back.n_steps == 402
    if driven:  # run in the wrong direction of time it is another number
        turned = replace(process, drift=lambda x, t: process.drift(x, 1.4 - t), d=lambda x, t: process.d(x, 1.4 - t))
        wrong = FokkerPlanck(turned, solver.grid).expectation(np.cos, t_start=0.2, t_end=1.2, dt=1 / 400)
        assert abs(wrong.values @ start - forward) > 1e-3


def test_steps_are_of_order_two_and_tolerances_are_met(ou):
    solver = FokkerPlanck(ou, Grid.uniform((-8, 8), cells=120))
    step = lambda x: np.where(x > 0.3, 1.0, 0.0)  # noqa: E731
    exact = expm(solver.generator().dense().T) @ step(solver.grid.centres)
    errors = [np.abs(solver.expectation(step, t_end=1.0, dt=1 / n).values - exact).max() for n in (8, 16, 32, 64)]
    assert np.all(np.abs(np.log2(np.array(errors[:-1]) / errors[1:]) - 2) < 0.15), errors
    for tolerance in (1e-3, 1e-5):
        found = solver.expectation(step, t_end=1.0, tolerance=tolerance)
        assert np.abs(found.values - exact).max() < 0.5 * found.time_error <= 0.5 * tolerance
    assert found.values.min() >= -1e-12 and found.values.max() <= 1 + 1e-12


def test_what_a_wall_has_absorbed_counts_with_f_there(stand_in):
    process = stand_in(lambda x, t: 2.0, lambda x, t: 0.5, Interval.between(0, 1, Wall.ABSORBING))
    solver = FokkerPlanck(process, Grid.uniform((0, 1), cells=200))
    for f in (lambda x: 3 + x, lambda x: (x >= 1) * 1.0):
        forward = solver.evolve(0.3, t_end=0.2, tolerance=1e-8).law
        assert solver.expectation(f, t_end=0.2, tolerance=1e-7)(0.3) == pytest.approx(forward.expectation(f), abs=2e-5)
    later = solver.expectation(lambda x: (x >= 1) * 1.0, t_end=30.0)  # in the end the splitting probability
    assert later(0.3) == pytest.approx((1 - np.exp(-1.2)) / (1 - np.exp(-4)), abs=1e-5)
    np.testing.assert_allclose(later(np.array([0.0, 1.0])), [0, 1], atol=1e-12)


def test_a_step_out_of_the_range_of_f_is_taken_in_halves(stand_in):
    kicked = stand_in(lambda x, t: -20 * (x - np.sin(6 * t)), lambda x, t: 0.02, time_dependent=True)
    solver = FokkerPlanck(kicked, Grid.uniform((-2.5, 2.5), cells=200))
    found = solver.expectation(lambda x: (np.abs(x) < 0.05) * 1.0, t_end=1.0, dt=0.125)
    assert found.n_refused > 0
    assert found.values.min() >= -1e-12 and found.values.max() <= 1 + 1e-12


def test_bad_arguments_are_refused_with_their_numbers(ou, monkeypatch):
    solver = FokkerPlanck(ou, Grid.uniform((-8, 8), cells=50))
    for f, options, message in (
        (np.cos, {"t_end": 0.0}, r"t_end=0\.0 must come after t_start=0\.0"),
        (np.cos, {"t_end": 1.0, "dt": 0.3}, r"dt=0\.3 does not divide"),
        (np.cos, {"t_end": 1.0, "dt": 0.1, "tolerance": 1e-3}, r"were both given"),
        (np.cos, {"t_end": 1.0, "tolerance": -1}, r"tolerance=-1\.0 must be positive"),
        (1.0, {"t_end": 1.0}, r"f=1\.0 is no function; give a function of arrays"),
        (lambda x: x[:3], {"t_end": 1.0}, r"f returned shape \(3,\) for \(50,\) points"),
        (lambda x: np.where(x > 1, np.nan, x), {"t_end": 1.0}, r"f is nan at x=1\.1\d*; it must be finite"),
    ):
        with pytest.raises(InvalidInput, match=message):
            solver.expectation(f, **options)
    with pytest.raises(InvalidInput, match=r"x from 9\.0 to 9\.0 reaches beyond the points"):
        solver.expectation(np.cos, t_end=1.0)(9.0)
    monkeypatch.setattr(backward, "MOST_STEPS", 50)
    with pytest.raises(NotConverged, match=r"tolerance=1e-11 is not reached: with 64 steps"):
        solver.expectation(np.cos, t_end=1.0, tolerance=1e-11)

    def broken(process, grid, t=0.0):
        return replace(assemble(process, grid, t), exits=(np.nan, 0.0))

    with pytest.raises(UnstableStep, match="leaves the range of f after 0 halvings"):
        FokkerPlanck(ou, solver.grid, assemble=broken).expectation(np.cos, t_end=1.0, dt=0.1)


def test_the_mean_of_a_nonlinear_drift_is_that_of_its_closed_form(known):
    case = known.Benes
    found = FokkerPlanck(case.process, Grid.uniform((-16, 16), cells=1000)).expectation(lambda x: x, t_end=2.0)
    up = np.exp(0.5) / (2 * np.cosh(0.5))
    exact = up * Normal(2.5, 1.0).mean + (1 - up) * Normal(-1.5, 1.0).mean
    assert exact == pytest.approx(1.4242343145, abs=1e-9)
    assert found(0.5) == pytest.approx(exact, abs=2e-4)
