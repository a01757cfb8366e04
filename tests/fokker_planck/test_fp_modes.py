"""Modes against closed forms and an independent spectral solution; deep barriers; rings; absorbing walls."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from scipy import linalg
from scipy.integrate import quad

from fpsde.density import CellLaw, Mixture, Normal, Point
from fpsde.domain import Interval, Wall
from fpsde.errors import InvalidInput
from fpsde.fokker_planck import FokkerPlanck, assemble, scale_speed
from fpsde.fokker_planck.initial import starting_masses
from fpsde.grid import Grid

#: The four wells of Prinz et al., J. Chem. Phys. 134 (2011) 174105: weights, sharpness and places of their Gaussians.
BUMPS = ((0.8, 80, 0.0), (0.2, 80, 0.5), (0.5, 40, -0.5))


def prinz_slope(x):
    return 32 * x**7 - sum(8 * a * k * (x - c) * np.exp(-k * (x - c) ** 2) for a, k, c in BUMPS)


def prinz_curvature(x):
    return 224 * x**6 + sum(8 * a * k * (2 * k * (x - c) ** 2 - 1) * np.exp(-k * (x - c) ** 2) for a, k, c in BUMPS)


def test_the_rates_of_four_wells_are_those_of_a_spectral_solution(stand_in):
    exact = sinc_rates(prinz_slope, prinz_curvature, 1.0, 1.5, 280, 3)
    np.testing.assert_allclose(exact, (1.19899385, 7.88850209, 15.3613928), rtol=1e-8)
    process = gradient(stand_in, prinz_slope, 1.0)
    found = [FokkerPlanck(process, Grid.uniform((-1.5, 1.5), cells=n)).modes(3).eigenvalues for n in (400, 800)]
    errors = [rates / exact - 1 for rates in found]
    assert np.all(np.abs(np.log2(errors[0] / errors[1]) - 2) < 0.06), errors
    np.testing.assert_allclose((4 * found[1] - found[0]) / 3, exact, rtol=1e-6)


def sinc_rates(slope, curvature, d, box, points, count):
    """Return the lowest eigenvalues of -D d^2 + U'^2/4D - U''/2, the symmetrised operator, by a sinc basis."""
    h = 2 * box / (points - 1)
    x = np.linspace(-box, box, points)
    i = np.arange(points)
    distance = i[:, None] - i
    with np.errstate(divide="ignore"):
        second = np.where(distance == 0, np.pi**2 / 3, 2.0 * (-1.0) ** distance / distance**2) / h**2
    potential = slope(x) ** 2 / (4 * d) - curvature(x) / 2
    return linalg.eigvalsh(d * second + np.diag(potential), subset_by_index=(1, count))


def gradient(stand_in, slope, d):
    return stand_in(lambda x, t: -slope(x), lambda x, t: d)


WELLS = [
    # U', U'', D, the box of the grid, lambda_1 ... lambda_3 of the reference
    ("(x^2-1)^2", 1.0, 3.0, (0.7486816723, 6.004113671, 11.66069556)),
    ("(x^2-1)^2", 0.5, 2.7, (0.2272733010, 4.078279892, 7.604028342)),
    ("(x^2-1)^2", 0.25, 2.4, (0.02977959331, 3.310394064, 5.512240298)),
    ("(x^2-1)^2", 0.2, 2.4, (0.01110456255, 3.288988498, 5.256621275)),
    ("x^4/4-x^2/2", 1.0, 4.0, (0.7920884266, 3.548889182, 6.843548464)),
    ("x^4/4-x^2/2", 0.5, 3.5, (0.4229446454, 2.314913247, 4.503778815)),
    ("x^4/4-x^2/2", 0.25, 3.0, (0.1871704181, 1.501028418, 2.915173889)),
    ("x^4/4-x^2/2", 0.1, 2.6, (0.03354528731, 0.9273721026, 1.680263767)),
    ("x^4/4-x^2/2", 0.05, 2.3, (0.002776140638, 0.8222471245, 1.314155319)),
    ("x^4/4-x^2/2+0.1x", 0.1, 2.6, (0.04501775347, 0.9540249011, 1.708431017)),
    ("x^4/4", 1.0, 4.0, (1.368592521, 4.453709163, 8.259693724)),
]
SLOPES = {
    "(x^2-1)^2": (lambda x: 4 * x * (x**2 - 1), lambda x: 12 * x**2 - 4),
    "x^4/4-x^2/2": (lambda x: x**3 - x, lambda x: 3 * x**2 - 1),
    "x^4/4": (lambda x: x**3, lambda x: 3 * x**2),
    "x^4/4-x^2/2+0.1x": (lambda x: x**3 - x + 0.1, lambda x: 3 * x**2 - 1),
}


@pytest.mark.parametrize(("potential", "d", "box", "reference"), WELLS)
def test_rates_of_wells_are_those_of_a_spectral_solution(stand_in, potential, d, box, reference):
    slope, curvature = SLOPES[potential]
    exact = sinc_rates(slope, curvature, d, box, 240, 3)
    np.testing.assert_allclose(exact, reference, rtol=2e-8)
    found = [
        FokkerPlanck(gradient(stand_in, slope, d), Grid.uniform((-box, box), cells=cells)).modes(3).eigenvalues
        for cells in (200, 400)
    ]
    errors = [rates / exact - 1 for rates in found]
    assert np.all(np.abs(np.log2(errors[0] / errors[1]) - 2) < 0.06)
    np.testing.assert_allclose((4 * found[1] - found[0]) / 3, exact, rtol=3e-6)
    doubled = FokkerPlanck(gradient(stand_in, slope, 2 * d), Grid.uniform((-2 * box, 2 * box), cells=400)).modes(1)
    assert abs(doubled.gap / exact[0] - 1) > 0.1


CLOSED = {
    "OU": (lambda x, t: -x, lambda x, t: 1.0, Interval(), (-8, 8), [1, 2, 3]),
    "reflecting": (
        lambda x, t: 0.0, lambda x, t: 0.5, Interval.between(0, 1, Wall.REFLECTING), (0, 1),
        0.5 * np.pi**2 * np.array([1, 4, 9]),
    ),
    "absorbing": (
        lambda x, t: 0.0, lambda x, t: 0.5, Interval.between(0, 1, Wall.ABSORBING), (0, 1),
        0.5 * np.pi**2 * np.array([1, 4, 9]),
    ),
    "half absorbing": (
        lambda x, t: 0.0, lambda x, t: 0.5, Interval(0, 1, Wall.REFLECTING, Wall.ABSORBING), (0, 1),
        0.5 * np.pi**2 * np.array([0.25, 2.25, 6.25]),
    ),
    "tangent": (
        lambda x, t: -3 * np.tan(x), lambda x, t: 1.0, Interval(-np.pi / 2, np.pi / 2), (-np.pi / 2, np.pi / 2),
        [4, 10, 18],
    ),
    "CIR": (lambda x, t: 1 - x, lambda x, t: 0.125 * x, Interval(0.0), (0, 8), [1, 2, 3]),
    "Morse": (lambda x, t: 2 * np.exp(-x) - 5, lambda x, t: 1.0, Interval(), (-3.3, 17), [4, 6]),
    "Rayleigh": (lambda x, t: 0.7 / x - x, lambda x, t: 0.7, Interval(0.0), (0, 6.5), [2, 4, 6]),
    "Poeschl-Teller": (lambda x, t: -5 * np.tanh(x), lambda x, t: 1.0, Interval(), (-10, 10), [4, 6]),
}  # fmt: skip


#: At 0 Phi changes by more than 1 over a cell however narrow: not in natural scale.
ENTRANCES = ("CIR", "Rayleigh")


@pytest.mark.parametrize(
    ("name", "generator"),
    [(name, f) for name in CLOSED for f in (assemble, scale_speed) if name not in ENTRANCES or f is assemble],
)
def test_rates_known_in_closed_form_are_met_at_order_two(stand_in, name, generator):
    drift, d, domain, box, exact = CLOSED[name]
    errors = []
    for cells in (150, 300, 600):
        solver = FokkerPlanck(stand_in(drift, d, domain), Grid.uniform(box, cells=cells), assemble=generator)
        found = solver.modes(len(exact))
        errors.append(np.abs(found.eigenvalues / exact - 1).max())
        assert found.residual.max() < 1e-13
        assert np.abs(found.left @ found.right.T - np.eye(len(exact))).max() < 1e-12
    assert np.all(np.abs(np.log2(np.array(errors[:-1]) / errors[1:]) - 2) < 0.1), errors
    assert errors[-1] < 3e-3


def test_the_eigenfunctions_of_ou_are_hermite_polynomials(stand_in):
    solver = FokkerPlanck(stand_in(lambda x, t: -x, lambda x, t: 1.0), Grid.uniform((-8, 8), cells=800))
    found, x = solver.modes(3), solver.grid.centres
    near = np.abs(x) < 4
    for left, hermite in zip(found.left, (x, (x**2 - 1) / np.sqrt(2), (x**3 - 3 * x) / np.sqrt(6)), strict=True):
        np.testing.assert_allclose(left[near], hermite[near], atol=2e-3)
    np.testing.assert_allclose(found.right, found.left * found.stationary, rtol=1e-14)
    json.dumps(found.provenance)


@pytest.mark.parametrize("d", [0.04, 0.01, 0.004])
def test_rates_over_barriers_of_hundreds_of_kt_keep_their_digits(stand_in, d):
    """lambda_1 tends to 2/(tau from -1 to 1), by quadrature, with a correction of the size of lambda_1 itself."""
    top = quad(lambda y: np.exp(((y**2 - 1) ** 2 - 1) / d), -1, 1, points=[0], epsrel=1e-12)[0]
    below = quad(lambda y: np.exp(-((y**2 - 1) ** 2) / d), -2.5, 0, points=[-1], epsrel=1e-12)[0]
    rate = 2 * d / (top * below) * np.exp(-1 / d)  # the barrier is crossed one way or the other
    process = gradient(stand_in, SLOPES["(x^2-1)^2"][0], d)
    found = FokkerPlanck(process, Grid.uniform((-1.9, 1.9), cells=1600), assemble=scale_speed).modes(1)
    assert found.gap == pytest.approx(rate, rel=2e-4)
    assert found.residual.max() < 1e-12
    np.testing.assert_allclose(found.left[0][[400, 1200]], [-1, 1], atol=1e-3)
    if d < 0.02:  # a solver of the matrix itself returns its round-off
        q = assemble(process, Grid.uniform((-1.9, 1.9), cells=1600))
        lost = linalg.eigh_tridiagonal(-q.diag, -np.sqrt(q.lower * q.upper), True, select="i", select_range=(1, 1))
        assert abs(lost[0] / rate - 1) > 1


def ring(stand_in, tilt):
    domain = Interval.between(0, 2 * np.pi, Wall.PERIODIC)
    return stand_in(lambda x, t: tilt - np.sin(x), lambda x, t: 0.4, domain)


def fourier_rates(tilt, d, waves, count):
    """Return the slowest rates of p_t = -((tilt - sin x) p)_x + d p_xx on the ring, in a Fourier basis."""
    k = np.arange(-waves, waves + 1)
    identity = np.eye(len(k))
    up, down = np.roll(identity, 1, axis=0), np.roll(identity, -1, axis=0)  # times e^ix, e^-ix
    up[0], down[-1] = 0, 0
    operator = -1j * k[:, None] * (tilt * identity - (up - down) / 2j) - np.diag(d * k**2.0)
    rates = -linalg.eigvals(operator)
    return rates[np.argsort(rates.real)][1 : count + 1]


@pytest.mark.parametrize("tilt", [0.0, 0.5, 2.0])
def test_rings_have_the_rates_of_a_fourier_basis(stand_in, tilt):
    exact = fourier_rates(tilt, 0.4, 30, 4)
    found = [FokkerPlanck(ring(stand_in, tilt), Grid.uniform((0, 2 * np.pi), cells=n)).modes(4) for n in (80, 160)]
    values = [np.sort_complex(modes.eigenvalues) for modes in found]
    errors = [np.abs(rates - np.sort_complex(exact)).max() for rates in values]
    assert abs(np.log2(errors[0] / errors[1]) - 2) < 0.1
    for modes in found:
        assert modes.residual.max() < 1e-12
        assert np.abs(modes.left @ modes.right.T - np.eye(4)).max() < 1e-9
        assert np.isrealobj(modes.eigenvalues) == (tilt == 0)
    if tilt:
        assert np.abs(found[0].eigenvalues.imag).min() > 0.1
        odd = FokkerPlanck(ring(stand_in, tilt), Grid.uniform((0, 2 * np.pi), cells=80)).modes(1)
        assert len(odd.eigenvalues) == 2  # with the other half of the pair


def test_a_start_between_the_last_centre_of_a_ring_and_the_first_is_on_the_ring(stand_in):
    free = replace(ring(stand_in, 0.0), drift=lambda x, t: 0.0)
    modes = FokkerPlanck(free, Grid.uniform((0, 2 * np.pi), cells=40)).modes(2)
    for start in (0.0, 0.03, 2 * np.pi - 0.03):  # a quarter of a cell would be 0.04
        found = modes.relaxation(np.sin, start, times=[0.0, 1.0])
        np.testing.assert_allclose(found, np.sin(start) * np.exp([0.0, -0.4]), atol=2e-4)


@pytest.mark.parametrize("tilt", [None, 0.5])
def test_all_modes_together_are_the_evolution(stand_in, tilt):
    if tilt is None:
        solver = FokkerPlanck(
            stand_in(lambda x, t: -x, lambda x, t: 1 + 0.3 * np.sin(x)), Grid.uniform((-7, 7), cells=60)
        )
    else:
        solver = FokkerPlanck(ring(stand_in, tilt), Grid.uniform((0, 2 * np.pi), cells=60))
    modes = solver.modes(59)
    start = starting_masses(1.0, solver.grid, solver._sides).masses
    times = [0.01, 0.3, 2.0]
    exact = [np.cos(solver.grid.centres) @ linalg.expm(t * solver.generator().dense()) @ start for t in times]
    law = CellLaw(solver.grid, start)
    np.testing.assert_allclose(modes.relaxation(np.cos, law, times=times), exact, rtol=1e-9)
    few = solver.modes(4).relaxation(np.cos, law, times=times)
    assert abs(few[0] - exact[0]) > 1e-4 and few[2] == pytest.approx(exact[2], rel=1e-4)
    m = modes.stationary
    f = np.cos(solver.grid.centres)
    assert modes.autocorrelation(np.cos, times=0.0) == pytest.approx(m @ f**2 - (m @ f) ** 2, rel=1e-9)


def test_the_mean_of_ou_relaxes_from_a_point_and_from_a_law_as_its_closed_form(stand_in):
    solver = FokkerPlanck(stand_in(lambda x, t: -x, lambda x, t: 1.0), Grid.uniform((-8, 8), cells=400))
    modes, times = solver.modes(1), np.array([0.2, 1.0, 3.0])
    exact = 0.537 * np.exp(-times)
    for start in (0.537, Normal(0.537, 0.3), Mixture((0.5, 0.5), (Point(0.337), Normal(0.737, 0.1)))):
        np.testing.assert_allclose(modes.relaxation(lambda x: x, start, times=times), exact, rtol=1e-3)
    np.testing.assert_allclose(modes.autocorrelation(lambda x: x, times=times), np.exp(-times), rtol=1e-3)


def test_modes_that_cannot_be_had_are_refused(stand_in):
    ou = stand_in(lambda x, t: -x, lambda x, t: 1.0, name="OU")
    solver = FokkerPlanck(ou, Grid.uniform((-8, 8), cells=50))
    for count, message in ((0, "count=0 must be at least 1"), (50, r"count=50 modes were asked for; 50 cells have 49")):
        with pytest.raises(InvalidInput, match=message):
            solver.modes(count)
    with pytest.raises(InvalidInput, match="OU depends on time and has no modes"):
        FokkerPlanck(replace(ou, time_dependent=True), solver.grid).modes(1)
    with pytest.raises(InvalidInput, match=r"grid \[-3\.0, 3\.0\] does not hold OU"):
        FokkerPlanck(ou, Grid.uniform((-3, 3), cells=50)).modes(1)
    with pytest.raises(InvalidInput, match="at most 2000 cells; the grid has 2001"):
        FokkerPlanck(ring(stand_in, 0.5), Grid.uniform((0, 2 * np.pi), cells=2001)).modes(1)
    there = r"the start has the mass {} at x=9, outside of the grid \[-8, 8\]; extend the grid, or start inside of it"
    mixture = Mixture([0.75, 0.25], [Normal(0, 1), Point(np.float64(9.0))])
    for start, mass in ((9.0, "1"), (mixture, "0.25")):
        with pytest.raises(InvalidInput, match=there.format(mass)):
            solver.modes(1).relaxation(np.cos, start, times=1.0)
    absorbing = replace(ou, domain=Interval.between(-1, 1, Wall.ABSORBING))
    modes = FokkerPlanck(absorbing, Grid.uniform((-1, 1), cells=50)).modes(1)
    with pytest.raises(InvalidInput, match="no stationary law to correlate in"):
        modes.autocorrelation(np.cos, times=1.0)
