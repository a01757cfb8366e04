"""Brownian motion between walls: conditions at the walls, absorbed mass, and numbers known from elsewhere."""

import numpy as np
import pytest
from scipy import stats
from scipy.integrate import quad

from fpsde.density import Point, Uniform
from fpsde.domain import Interval, Wall
from fpsde.errors import InvalidInput
from fpsde.processes import brownian
from fpsde.processes.spectral import reflected_with_drift

UNIT = {wall: Interval.between(0.0, 1.0, wall) for wall in (Wall.REFLECTING, Wall.ABSORBING, Wall.PERIODIC)}
MIXED = Interval(0.0, 1.0, Wall.ABSORBING, Wall.REFLECTING)
TIMES = [1e-4, 0.01, 0.2, 1.0, 30.0, 1e5]


def slope(law, x, inward):
    """Return the derivative of the density at a wall, from inside."""
    h = inward * 1e-3
    return float(np.array([-25 / 12, 4, -3, 4 / 3, -1 / 4]) @ law.pdf(x + h * np.arange(5)) / h)


@pytest.mark.parametrize("t", TIMES)
@pytest.mark.parametrize(("drift", "domain"), [(d, UNIT[w]) for w in UNIT for d in (0.0, 0.7, -3.0)] + [(0.0, MIXED)])
def test_mass_is_one_at_all_times_with_what_is_absorbed(drift, domain, t) -> None:
    law = brownian(drift, 0.8, domain=domain).exact.transition(0.3, t)
    assert law.expectation(np.ones_like) == pytest.approx(1.0, abs=1e-12)
    assert float(law.cdf(1.0)) == pytest.approx(1.0, abs=1e-12)
    assert law.cdf(np.array([-0.1, 1.2])) == pytest.approx([0.0, 1.0], abs=1e-12)
    assert np.all(law.pdf(np.array([-0.1, 1.2])) == 0)
    assert all(mass >= -1e-15 for _, mass in law.atoms)


@pytest.mark.parametrize(("drift", "sigma"), [(0.0, 0.8), (0.7, 0.8), (-1.5, 0.6)])
def test_reflecting_walls_carry_no_flux(drift, sigma) -> None:
    law = brownian(drift, sigma, domain=UNIT[Wall.REFLECTING]).exact.transition(0.3, 0.2)
    for x, inward in ((0.0, 1), (1.0, -1)):
        flux = drift * float(law.pdf(x)) - sigma**2 / 2 * slope(law, x, inward)
        assert flux == pytest.approx(0.0, abs=1e-6)
    if drift:  # zero gradient is another condition, which this law does not meet
        assert abs(slope(law, 0.0, 1)) > 0.1


@pytest.mark.parametrize(("drift", "sigma"), [(0.0, 0.8), (0.7, 0.8), (-1.5, 0.6)])
def test_absorbed_mass_is_the_flux_into_the_wall(drift, sigma) -> None:
    transition = brownian(drift, sigma, domain=UNIT[Wall.ABSORBING]).exact.transition
    law, dt = transition(0.3, 0.2), 1e-4
    assert law.pdf(np.array([0.0, 1.0])) == pytest.approx([0.0, 0.0], abs=1e-14)
    later, earlier = transition(0.3, 0.2 + dt).atoms, transition(0.3, 0.2 - dt).atoms
    rates = [(b[1] - a[1]) / (2 * dt) for a, b in zip(earlier, later, strict=True)]
    fluxes = [sigma**2 / 2 * slope(law, 0.0, 1), -(sigma**2) / 2 * slope(law, 1.0, -1)]
    assert rates == pytest.approx(fluxes, rel=1e-5)
    assert rates != pytest.approx([2 * flux for flux in fluxes], rel=1e-2)


def test_absorption_at_one_wall_is_inverse_gaussian() -> None:
    drift, sigma, distance, t = 0.9, 0.7, 1.3, 0.8
    domain = Interval(-np.inf, 1.5, Wall.NONE, Wall.ABSORBING)
    ((at, mass),) = brownian(drift, sigma, domain=domain).exact.transition(1.5 - distance, t).atoms
    shape = distance**2 / sigma**2
    first_passage = stats.invgauss(distance / drift / shape, scale=shape)
    assert at == 1.5
    assert mass == pytest.approx(first_passage.cdf(t), rel=1e-12)


def test_exit_from_an_interval_with_drift() -> None:
    """fokker_planck.md, section 4.3: v = 2, D = 1/2 on (0, 1) from 0.3."""
    transition = brownian(2.0, 1.0, domain=UNIT[Wall.ABSORBING]).exact.transition
    (_, left), (_, right) = transition(0.3, 50.0).atoms
    assert right == pytest.approx(0.7118436595, abs=1e-10)
    assert left + right == pytest.approx(1.0, abs=1e-13)
    survival = quad(lambda t: 1 - sum(mass for _, mass in transition(0.3, t).atoms), 0, 10, epsabs=1e-12, limit=200)[0]
    assert survival == pytest.approx(0.2059218298, abs=1e-9)


def test_half_line_that_reflects() -> None:
    """fokker_planck.md, section 4.5: D = 1/2, x0 = 1, t = 1, p(0) = 2 g(1)."""
    domain = Interval(0.0, np.inf, Wall.REFLECTING, Wall.NONE)
    law = brownian(0.0, 1.0, domain=domain).exact.transition(1.0, 1.0)
    assert law.pdf(0.0) == pytest.approx(0.4839414490, abs=1e-10)
    mirrored = Interval(-np.inf, 0.0, Wall.NONE, Wall.REFLECTING)
    other = brownian(0.0, 1.0, domain=mirrored).exact.transition(-1.0, 1.0)
    x = np.linspace(0, 4, 9)
    assert other.pdf(-x) == pytest.approx(law.pdf(x), abs=1e-15)
    assert other.cdf(-x) == pytest.approx(1 - law.cdf(x), abs=1e-15)


@pytest.mark.parametrize("t", [0.003, 0.05, 0.5])
def test_images_and_eigenfunctions_give_one_law(t) -> None:
    x = np.linspace(0, 1, 21)
    images = brownian(0.0, 0.8, domain=UNIT[Wall.REFLECTING]).exact.transition(0.3, t)
    series = reflected_with_drift(
        0.3, t, drift=0.0, sigma=0.8, domain=UNIT[Wall.REFLECTING], stationary=Uniform(0.0, 1.0)
    )
    assert series.pdf(x) == pytest.approx(images.pdf(x), abs=1e-12)
    assert series.cdf(x) == pytest.approx(images.cdf(x), abs=1e-13)


def test_a_reflected_law_of_short_time_is_the_free_one() -> None:
    free = brownian(0.7, 0.8).exact.transition(0.5, 0.002)
    law = brownian(0.7, 0.8, domain=UNIT[Wall.REFLECTING]).exact.transition(0.5, 0.002)
    x = np.linspace(0.35, 0.65, 13)
    assert law.cdf(x) == pytest.approx(free.cdf(x), abs=1e-12)


@pytest.mark.parametrize("wall", [Wall.ABSORBING, Wall.PERIODIC])
@pytest.mark.parametrize("t", [1e-9, 1e-6, 1e-4])
def test_moments_of_a_law_of_short_time_are_those_of_the_free_one(t, wall) -> None:
    """Far narrower than the panels of the interval."""
    law = brownian(0.7, 0.8, domain=UNIT[wall]).exact.transition(0.4, t)
    assert law.mean == pytest.approx(0.4 + 0.7 * t, abs=1e-13)
    assert law.expectation(lambda x: (x - 0.4 - 0.7 * t) ** 2) == pytest.approx(0.64 * t, rel=1e-9)


def test_a_law_on_the_ring_is_the_free_one_wound_up() -> None:
    free = brownian(0.7, 0.8).exact.transition(0.3, 1.3)
    law = brownian(0.7, 0.8, domain=UNIT[Wall.PERIODIC]).exact.transition(0.3, 1.3)
    x = np.linspace(0, 1, 11)
    assert law.pdf(x) == pytest.approx(sum(free.pdf(x + n) for n in range(-12, 13)), abs=1e-14)
    assert law.pdf(0.0) == pytest.approx(law.pdf(1.0), abs=1e-14)


def test_a_particle_on_an_absorbing_wall_stays() -> None:
    transition = brownian(0.7, 0.8, domain=UNIT[Wall.ABSORBING]).exact.transition
    assert transition(1.0, 0.5) == Point(1.0)


def test_what_has_no_closed_form_is_not_given() -> None:
    for domain in (MIXED, Interval(0.0, np.inf, Wall.REFLECTING, Wall.NONE)):
        process = brownian(0.5, domain=domain)
        assert process.exact.transition is None
        assert process.setting.window is not None
    assert brownian(30.0, domain=UNIT[Wall.REFLECTING]).exact.transition is None  # the series would lose its digits
    assert brownian(0.5, domain=Interval(0.0, np.inf, Wall.REFLECTING, Wall.NONE)).exact.stationary is None
    assert brownian(0.0, domain=UNIT[Wall.ABSORBING]).exact.stationary is None
    assert brownian(0.0, domain=MIXED).exact.stationary is None


def test_settings_lie_inside_the_walls() -> None:
    half_lines = [Interval(1.0, np.inf, Wall.ABSORBING, Wall.NONE), Interval(-np.inf, 1.0, Wall.NONE, Wall.ABSORBING)]
    for domain in [*UNIT.values(), MIXED, *half_lines]:
        setting = brownian(0.5, domain=domain).setting
        low, high = setting.window
        assert domain.low <= low < setting.x0 < high <= domain.high


def test_points_and_ends_outside_are_refused() -> None:
    with pytest.raises(InvalidInput, match=r"Brownian motion reaches the end 0.0 of its domain; state a wall there"):
        brownian(domain=Interval(0.0, 1.0))
    with pytest.raises(InvalidInput, match=r"x0=1.1 lies outside of the domain \(0.0, 1.0\)"):
        brownian(domain=UNIT[Wall.REFLECTING]).exact.transition(1.1, 1.0)
