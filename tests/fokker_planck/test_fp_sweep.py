"""Mass and sign over random processes, grids, walls and generators, by every way through time, on lines and planes."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fpsde.domain import Interval, Wall
from fpsde.errors import InvalidInput
from fpsde.fokker_planck import (
    FokkerPlanck,
    PlaneFokkerPlanck,
    Stepping,
    assemble,
    assemble_plane,
    scale_speed,
    speed_measure,
)
from fpsde.grid import Grid

WALLS = st.sampled_from([Wall.REFLECTING, Wall.ABSORBING])
DOMAINS = st.one_of(
    st.builds(lambda a, b: Interval(-1.0, 1.0, a, b), WALLS, WALLS), st.just(Interval.between(-1.0, 1.0, Wall.PERIODIC))
)
NUMBERS = {
    "slopes": st.tuples(*[st.floats(-6, 6)] * 3),
    "strength": st.floats(-1, 1),
    "bend": st.floats(-0.9, 0.9),
    "t": st.sampled_from([1e-3, 0.05, 0.4]),
}
LINES = {
    **NUMBERS,
    "domain": DOMAINS,
    "widths": st.lists(st.floats(0.3, 1.0), min_size=5, max_size=24),
    "generator": st.sampled_from([assemble, scale_speed]),
    "driven": st.booleans(),
}
PLANES = {
    **NUMBERS,
    "domain": st.tuples(DOMAINS, DOMAINS),
    "turn": st.floats(-8, 8),
    "correlation": st.sampled_from([0.0, 0.6, -0.9]),
    "widths": st.tuples(*[st.lists(st.floats(0.3, 1.0), min_size=5, max_size=9)] * 2),
    "generator": st.sampled_from([assemble_plane, speed_measure]),
    "driven": st.booleans(),
}


def faces_of(widths):
    """Return faces on (-1, 1) of cells with widths in these proportions."""
    return np.r_[-1.0, 2 * np.cumsum(widths)[:-1] / np.sum(widths) - 1, 1.0]


def in_steps(found):
    """Steps and uniformisation add and give nothing: they keep mass to rounding, and no cell is negative."""
    assert found.mass_error <= 1e-13 * np.sqrt(found.n_steps)
    assert found.minimum >= 0


def by_exponentials(found, round_off=0.0):
    """``round_off`` is what a result says that rounding may make of a mass."""
    assert found.mass_error <= max(1e-10, len(found.laws[0].masses) * round_off)
    assert found.minimum >= -max(1e-15 * max(law.masses.max() for law in found.laws), round_off)


def by_modes(solver, x0, t):
    """An expansion in modes says what rounding may make of a mass, or is refused where that may be above 1e-10.

    It divides by the root of the stationary law at the start, which may be small: the bound is the result's own.
    """
    try:
        found = solver.evolve_by_modes(x0, t_end=t)
    except InvalidInput as refusal:
        assert "an expansion in modes would be off by" in str(refusal)
        return
    assert found.time_error < 1e-10
    by_exponentials(found, found.time_error)


def the_line_holds(domain, slopes, strength, bend, t, widths, generator, driven):
    a, b, c = slopes
    process = SimpleNamespace(
        name="line",
        dim=1,
        domain=domain,
        time_dependent=driven,
        ito_drift=lambda x, s: (a + b * np.sin(np.pi * x) + c * np.cos(2 * np.pi * x)) * (1 + driven * np.sin(9 * s)),
        diffusivity=lambda x, s: 10**strength * (1 + bend * np.sin(np.pi * x)),
    )
    solver = FokkerPlanck(process, Grid((faces_of(widths),)), assemble=generator)
    x0 = float(solver.grid.centres[len(widths) // 2])
    in_steps(solver.evolve(x0, t_end=t, dt=t / 10, times=[t / 2]))
    if not driven:
        in_steps(solver.evolve_by_uniformisation(x0, t_end=t))
        if not domain.periodic:
            by_modes(solver, x0, t)
            by_exponentials(solver.evolve_by_rational_approximation(x0, t_end=t))


def the_plane_holds(domain, slopes, strength, bend, t, turn, correlation, widths, generator, driven):
    """A drift with a gradient and a rotation; with a correlation noise is the same everywhere, and cells are equal."""
    a, b, c = slopes
    first, second = 10**strength, 0.7

    def drift(x, s):
        swing = 1 + driven * np.sin(9 * s)
        u, v = np.sin(np.pi * x[0]), np.cos(np.pi * x[1])
        return np.stack([a + b * u + turn * v, c * v - turn * u]) * swing

    def diffusivity(x, s):
        one = np.ones_like(x[0])
        varied = first * (1 + bend * np.sin(np.pi * x[1]) * (correlation == 0))
        off = correlation * np.sqrt(first * second)
        return np.array([[varied * one, off * one], [off * one, second * one]])

    process = SimpleNamespace(
        name="plane", dim=2, intervals=domain, energy=None, time_dependent=driven, ito_drift=drift,
        diffusivity=diffusivity,
    )  # fmt: skip
    axes = tuple(faces_of(one if correlation == 0 else np.ones(len(one))) for one in widths)
    solver = PlaneFokkerPlanck(process, Grid(axes), assemble=generator)
    x0 = tuple(float(0.5 * (f[1:] + f[:-1])[len(f) // 2]) for f in solver.grid.axes)
    for stepping in Stepping:
        if stepping is Stepping.EXACT_LINES and (driven or correlation != 0):
            continue  # refused
        if stepping is Stepping.SPLIT and not solver.generator().on_lines:
            continue
        in_steps(solver.evolve(x0, t_end=t, dt=t / 4, times=[t / 2], stepping=stepping))
    if not driven:
        in_steps(solver.evolve_by_uniformisation(x0, t_end=t))


@settings(max_examples=20, deadline=None, derandomize=True)
@given(**LINES)
def test_twenty_lines_keep_mass_and_sign(**drawn):
    the_line_holds(**drawn)


@settings(max_examples=12, deadline=None, derandomize=True)
@given(**PLANES)
def test_twelve_planes_keep_mass_and_sign(**drawn):
    the_plane_holds(**drawn)


@pytest.mark.slow
@settings(max_examples=200, deadline=None, derandomize=True)
@given(**LINES)
def test_two_hundred_lines_keep_mass_and_sign(**drawn):
    the_line_holds(**drawn)


@pytest.mark.slow
@settings(max_examples=200, deadline=None, derandomize=True)
@given(**PLANES)
def test_two_hundred_planes_keep_mass_and_sign(**drawn):
    the_plane_holds(**drawn)


def test_an_explicit_step_and_a_rate_that_does_not_arrive_are_seen():
    """Negative controls: the same assertions on an explicit Euler step that is too long, and on a column that leaks."""
    process = SimpleNamespace(
        name="line", dim=1, domain=Interval.between(-1.0, 1.0, Wall.REFLECTING), time_dependent=False,
        ito_drift=lambda x, s: -x, diffusivity=lambda x, s: 0.4 + 0 * x,
    )  # fmt: skip
    solver = FokkerPlanck(process, Grid.uniform((-1, 1), cells=20))
    start, q = np.eye(20)[10], solver.generator().dense()
    leaking = q - np.diag(1e-9 * (np.arange(20) == 10))
    for matrix, dt, message in ((q, 0.02, "minimum"), (leaking, 1e-3, "mass_error")):
        masses = start + dt * (matrix @ start)
        found = SimpleNamespace(
            mass_error=abs(masses.sum() - start.sum()),
            minimum=masses.min(),
            n_steps=1,
            laws=[SimpleNamespace(masses=masses)],
        )
        with pytest.raises(AssertionError, match=message):
            in_steps(found)
    for round_off in (0.0, 1e-15 * masses.max()):
        with pytest.raises(AssertionError, match="minimum"):
            by_exponentials(SimpleNamespace(**vars(found) | {"minimum": -2e-15 * masses.max()}), round_off)
