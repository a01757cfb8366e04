"""Three exact evolutions against a matrix exponential and each other; mass, signs, and where each is refused."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy import special
from scipy.linalg import expm

from fpsde.density import CellLaw, Normal
from fpsde.domain import Interval, Wall
from fpsde.errors import InvalidInput
from fpsde.fokker_planck import FokkerPlanck, exact_in_time, scale_speed
from fpsde.fokker_planck.initial import starting_masses
from fpsde.grid import Grid

METHODS = ["evolve_by_modes", "evolve_by_rational_approximation", "evolve_by_uniformisation"]
DOMAINS = {
    "line": Interval(),
    "absorbing": Interval.between(-2, 2, Wall.ABSORBING),
    "reflecting": Interval.between(-2, 2, Wall.REFLECTING),
    "half": Interval(-2, 2, Wall.REFLECTING, Wall.ABSORBING),
    "ring": Interval.between(-2, 2, Wall.PERIODIC),
}


def wavy(stand_in, domain):
    pull = 4.0 if domain == Interval() else 0.0
    return stand_in(
        lambda x, t: 0.5 + np.sin(np.pi * x / 2) - pull * x, lambda x, t: 0.4 + 0.1 * np.cos(np.pi * x / 2), domain
    )


@pytest.mark.parametrize("generator", [None, scale_speed], ids=["Scharfetter-Gummel", "natural scale"])
@pytest.mark.parametrize("domain", DOMAINS)
@pytest.mark.parametrize("method", METHODS)
def test_masses_are_those_of_the_matrix_exponential(stand_in, domain, method, generator):
    if domain == "ring" and method != "evolve_by_uniformisation":
        return  # refused: below
    options = {} if generator is None else {"assemble": generator}
    solver = FokkerPlanck(wavy(stand_in, DOMAINS[domain]), Grid.uniform((-2, 2), cells=70), **options)
    found = getattr(solver, method)(0.3, t_start=1.0, t_end=2.5, times=[1.1, 1.8])
    start = starting_masses(0.3, solver.grid, solver._sides).masses
    q = solver.generator()
    for t, law in zip(found.times, found.laws, strict=True):
        exact = expm((t - 1.0) * q.dense()) @ start
        np.testing.assert_allclose(law.masses, exact, atol=1e-13)
        assert law.mass == pytest.approx(1, abs=1e-12)
    said = 1e-11 if method == "evolve_by_modes" else 1e-12  # its bound is for the worst of starts
    assert found.mass_error < 1e-12 and found.time_error < said
    assert found.minimum >= (0 if method == "evolve_by_uniformisation" else -1e-15) * found.law.masses.max()
    stepped = solver.evolve(0.3, t_end=1.5, tolerance=1e-7)
    assert np.abs(stepped.law.masses - found.law.masses).sum() < 1e-7
    np.testing.assert_allclose(stepped.absorbed, found.absorbed, atol=1e-7)
    assert (sum(found.absorbed) > 0.01) == (domain in ("absorbing", "half"))
    late = getattr(solver, method)(0.3, t_start=1.0, t_end=2.5 + 0.0015)  # a time that is off by one step of 0.0015
    assert np.abs(late.law.masses - found.law.masses).sum() > 1e-7


@settings(max_examples=40, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    slopes=st.tuples(*[st.floats(-6, 6)] * 3),
    noise=st.tuples(st.floats(-1, 1), st.floats(-0.9, 0.9)),
    widths=st.lists(st.floats(0.1, 1.0), min_size=5, max_size=40),
    domain=st.sampled_from(sorted(set(DOMAINS) - {"line"})),
    t=st.sampled_from([1e-3, 0.1, 2.0]),
)
def test_uniformisation_keeps_mass_and_signs_whatever_the_process(stand_in, slopes, noise, widths, domain, t):
    a, b, c = slopes
    process = stand_in(
        lambda x, t: a + b * np.sin(np.pi * x / 2) + c * np.cos(np.pi * x),
        lambda x, t: 10 ** noise[0] * (1 + noise[1] * np.sin(np.pi * x / 2)),
        DOMAINS[domain],
    )
    grid = Grid((np.concatenate([[-2.0], -2 + 4 * np.cumsum(widths)[:-1] / np.sum(widths), [2.0]]),))
    found = FokkerPlanck(process, grid).evolve_by_uniformisation(float(grid.centres[2]), t_end=t)
    assert found.mass_error <= 1e-13 * np.sqrt(found.n_steps)
    assert found.minimum >= 0 and min(found.absorbed) >= 0


def test_a_mass_in_the_far_tail_keeps_its_digits_by_uniformisation(stand_in):
    """A walk with equal rates r is at distance k with the probability e^(-2rt) I_k(2rt)."""
    solver = FokkerPlanck(stand_in(lambda x, t: 0.0, lambda x, t: 0.5), Grid.uniform((-8.02, 8.02), cells=401))
    start = CellLaw(solver.grid, np.eye(401)[200])
    found = solver.evolve_by_uniformisation(start, t_end=0.2).law.masses
    exact = special.ive(np.abs(np.arange(401) - 200), 0.2 / 0.04**2)
    far = exact > 1e-18
    assert exact[far].min() < 1e-17
    np.testing.assert_allclose(found[far], exact[far], rtol=1e-9)
    by_modes = solver.evolve_by_modes(start, t_end=0.2).law.masses
    assert np.abs(by_modes - exact).max() < 1e-14 and np.abs(by_modes[far] / exact[far] - 1).max() > 0.1


def test_modes_say_what_rounding_makes_of_a_mass(stand_in):
    """Beside uniformisation, which subtracts nothing: the bound holds, and the length of the start alone is none."""
    of_bound, of_length = [], []
    for drift, noise, t in ((4.0, 9.0, 0.4), (-2.0, 6.0, 2.0), (3.0, 1.0, 0.05), (0.0, 0.1, 1e-3)):
        process = stand_in(lambda x, s, a=drift: a * np.sin(3 * x), lambda x, s, d=noise: d, DOMAINS["reflecting"])
        solver = FokkerPlanck(process, Grid.uniform((-2, 2), cells=30))
        modes, sums = (method(-1.5, t_end=t) for method in (solver.evolve_by_modes, solver.evolve_by_uniformisation))
        error = np.abs(modes.law.masses - sums.law.masses).max()
        start, stationary = starting_masses(-1.5, solver.grid, solver._sides).masses, solver.stationary().law.masses
        length = np.linalg.norm(start / np.sqrt(stationary / stationary.max()))
        of_bound.append(error / modes.time_error)
        of_length.append(error / (length * np.finfo(float).eps))
    assert max(of_bound) < 1 < max(of_length)


def test_what_cannot_be_carried_exactly_is_refused(stand_in, monkeypatch):
    ou = stand_in(lambda x, t: -x, lambda x, t: 1.0, name="OU")
    solver = FokkerPlanck(ou, Grid.uniform((-8, 8), cells=100))
    for method in METHODS:
        with pytest.raises(InvalidInput, match="OU depends on time and is not carried exactly in time; use evolve"):
            getattr(FokkerPlanck(replace(ou, time_dependent=True), solver.grid), method)(0.0, t_end=1.0)
        with pytest.raises(InvalidInput, match=r"t_end=0\.0 must come after"):
            getattr(solver, method)(0.0, t_end=0.0)
        still = FokkerPlanck(replace(ou, drift=lambda x, t: 0.0), solver.grid)
        with pytest.raises(InvalidInput, match=r"does not hold OU"):
            getattr(still, method)(7.75, t_end=1e-3)
    with pytest.raises(InvalidInput, match="a ring may be driven"):
        FokkerPlanck(wavy(stand_in, DOMAINS["ring"]), Grid.uniform((-2, 2), cells=40)).evolve_by_modes(0.0, t_end=1.0)
    deep = FokkerPlanck(replace(ou, drift=lambda x, t: -4 * x), Grid.uniform((-8, 8), cells=200))
    with pytest.raises(
        InvalidInput, match=r"x=7\.\d+, where the stationary law is \S+e-\d+ of its largest, .* use evol"
    ):
        deep.evolve_by_modes(Normal(6.0, 0.3), t_end=1.0)
    assert deep.evolve_by_uniformisation(Normal(6.0, 0.3), t_end=1.0).minimum >= 0
    monkeypatch.setattr(exact_in_time, "MOST_JUMPS", 50)
    with pytest.raises(InvalidInput, match=r"max\|Q_ii\|=\S+ makes \S+ jumps up to t=1\.0, more than 50"):
        solver.evolve_by_uniformisation(0.0, t_end=1.0)
