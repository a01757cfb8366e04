"""Stationary laws exp(-E)/Z against quadrature and closed forms, from narrow wells to heavy tails."""

import numpy as np
import pytest
from scipy import stats
from scipy.integrate import quad

from fpsde.domain import LINE, Interval, Wall
from fpsde.errors import InvalidInput, NotConverged
from fpsde.processes import double_well, duffing_well, tilted_well, washboard
from fpsde.processes.gibbs import gibbs_law

POSITIVE = Interval(0.0, np.inf)
UNIT = Interval(0.0, 1.0)
WALLED = Interval.between(0.0, 1.0, Wall.REFLECTING)

#: Energy, domain, SciPy's law.
NAMED = {
    "normal": (lambda x: (x - 3) ** 2 / 2, LINE, stats.norm(3)),
    "normal, far away": (lambda x: (x - 1000) ** 2 / 2, LINE, stats.norm(1000)),
    "normal, narrow": (lambda x: (x - 0.3) ** 2 / 2e-4, LINE, stats.norm(0.3, 1e-2)),
    "normal, with few bits of x left": (lambda x: (x - 0.3) ** 2 / 2e-16, LINE, stats.norm(0.3, 1e-8)),
    "Laplace": (lambda x: np.abs(x - 0.3), LINE, stats.laplace(0.3)),
    "Student": (lambda x: 2 * np.log1p(x**2), LINE, stats.t(3, scale=3**-0.5)),
    "Cauchy": (lambda x: np.log1p(x**2), LINE, stats.cauchy()),
    "Gamma": (lambda x: x - 1.5 * np.log(x), POSITIVE, stats.gamma(2.5)),
    "Gamma, singular at a wall": (
        lambda x: x + 0.5 * np.log(x),
        Interval(0.0, np.inf, Wall.REFLECTING),
        stats.gamma(0.5),
    ),
    "Beta": (lambda x: -1.3 * np.log(x) - 2 * np.log1p(-x), UNIT, stats.beta(2.3, 3)),
    "exponential": (lambda x: 2 * x, Interval(1.0, np.inf, Wall.REFLECTING), stats.expon(1, 0.5)),
    "exponential, mirrored": (lambda x: -2 * x, Interval(-np.inf, 1.0, Wall.NONE, Wall.REFLECTING), None),
}


@pytest.mark.parametrize("name", NAMED)
def test_a_gibbs_law_is_the_one_that_scipy_knows(name) -> None:
    energy, domain, known = NAMED[name]
    law = gibbs_law(energy, domain)
    u = np.linspace(0.01, 0.99, 98)  # without 1/2, the kink of Laplace's law
    x = 2 - stats.expon(1, 0.5).ppf(1 - u) if known is None else known.ppf(u)
    narrow = name == "normal, with few bits of x left"
    assert law.cdf(x) == pytest.approx(u, abs=1e-6 if narrow else 1e-13)
    assert law.mass == pytest.approx(1.0, abs=1e-14)
    if known is not None and not narrow:
        assert law.pdf(x) == pytest.approx(known.pdf(x), rel=2e-12 if name != "normal, far away" else 1e-11)


def test_two_deep_wells_keep_their_weights() -> None:
    """At temperature 1e-4 the wells are 200 widths apart, and tilted by 0.2 kT."""
    law = gibbs_law(lambda x: ((x**2 - 1) ** 2 + 1e-5 * x) / 1e-4, LINE)
    assert float(law.cdf(0.0)) == pytest.approx(1 / (1 + np.exp(-0.2)), abs=1e-4)
    assert float(law.cdf(0.0)) != pytest.approx(0.5, abs=1e-2)


@pytest.mark.parametrize(
    ("energy", "domain"),
    [
        (lambda x: -x, LINE),
        (lambda x: 0 * x, LINE),
        (lambda x: np.log1p(x**2) / 2, LINE),  # a Cauchy density to the power 1/2
        (lambda x: -0.7 * x, Interval(0.0, np.inf, Wall.REFLECTING)),
        (lambda x: x**2, Interval.between(-1.0, 1.0, Wall.ABSORBING)),
    ],
)
def test_there_is_no_law_where_mass_escapes(energy, domain) -> None:
    assert gibbs_law(energy, domain) is None


#: fokker_planck.md, section 4.4: potential, temperature, Z, <x^2>, {x: p(x)}.
PUBLISHED = [
    (double_well, 0.25, 0.947837833, 0.9176708607, {0.0: 0.0193235997}),
    (double_well, 0.5, 1.410914703, 0.8521361522, {}),
    (double_well, 1.0, 1.973732150, 0.8327454871, {}),
    (duffing_well, 0.1, 15.17019617, 0.8713629081, {0.0: 0.0659187257, 1.0: 0.8030544775}),
    (duffing_well, 1.0, None, 1.0417972965, {}),
]
POTENTIALS = {double_well: lambda x: (x**2 - 1) ** 2, duffing_well: lambda x: x**4 / 4 - x**2 / 2}


@pytest.mark.parametrize(("well", "temperature", "z", "second", "density"), PUBLISHED)
def test_wells_have_the_published_stationary_laws(well, temperature, z, second, density) -> None:
    def weight(x):
        return np.exp(-POTENTIALS[well](x) / temperature)

    by_quadrature = quad(weight, -6, 6, epsabs=0, epsrel=1e-12, limit=200)[0]
    law = well(temperature).exact.stationary()
    assert law.moment(2) == pytest.approx(second, abs=1e-10)
    assert law.moment(2) == pytest.approx(
        quad(lambda x: x**2 * weight(x), -6, 6, epsabs=1e-13)[0] / by_quadrature, rel=1e-10
    )
    assert law.pdf(0.7) == pytest.approx(weight(0.7) / by_quadrature, rel=1e-12)
    for x, p in density.items():
        assert law.pdf(x) == pytest.approx(p, abs=1e-10)
    if z is not None:
        assert weight(0.7) / law.pdf(0.7) == pytest.approx(z, rel=1e-9)


def test_a_tilt_fills_the_left_well() -> None:
    assert float(tilted_well(0.1, 0.1).exact.stationary().cdf(0.0)) > 0.8
    assert float(tilted_well(-0.1, 0.1).exact.stationary().cdf(0.0)) < 0.2


@pytest.mark.parametrize(
    ("energy", "domain", "end"),
    [
        (lambda x: x, POSITIVE, "0.0"),
        (
            lambda x: x - 0.9 * np.log(x),
            POSITIVE,
            "0.0",
        ),  # a Bessel process of dimension 1.9 reaches 0, from 2 on it does not
        (lambda x: x + 0.5 * np.log(x), POSITIVE, "0.0"),
        (lambda x: -2 * np.log(x) - 0.9 * np.log1p(-x), UNIT, "1.0"),
    ],
)
def test_an_end_in_reach_needs_a_wall(energy, domain, end) -> None:
    with pytest.raises(InvalidInput, match=f"reaches the end {end} of its domain, which has no wall"):
        gibbs_law(energy, domain)


def test_an_end_just_out_of_reach_needs_none() -> None:
    assert gibbs_law(lambda x: x - np.log(x), POSITIVE).mean == pytest.approx(2.0, abs=1e-12)


def test_energies_that_cannot_be_held_are_refused() -> None:
    with pytest.raises(InvalidInput, match=r"finite nowhere between"):
        gibbs_law(lambda x: np.full(x.shape, np.inf), WALLED)
    with pytest.raises(InvalidInput, match=r"exp\(-U/kT\) cannot be computed at x=0\.5"):
        gibbs_law(lambda x: np.where(np.abs(x - 0.51) < 0.005, np.nan, x), WALLED)
    with pytest.raises(NotConverged, match=r"not resolved by 4096 panels"):
        gibbs_law(lambda x: 0.1 * np.floor(1e4 * x), WALLED)


def test_wells_without_end_leave_no_law() -> None:
    """-cos x on the line has no normalisable law, and is not looked at for ever."""
    assert gibbs_law(lambda x: -np.cos(x), LINE) is None


def stratonovich(temperature: float, tilt: float) -> tuple[np.ndarray, np.ndarray]:
    """The density of the washboard behind a barrier by the trapezoid rule, its exponents shifted by the largest."""
    x, s = np.arange(800) * (2 * np.pi / 800), np.linspace(0, 2 * np.pi, 3001)[:, None]
    exponent = (np.cos(x) - np.cos(x + s) - tilt * s) / temperature
    p = np.exp(exponent - exponent.max()).sum(axis=0)
    return x, p / (p.sum() * x[1])


@pytest.mark.parametrize("temperature", [0.002, 0.001])
def test_a_cold_ring_keeps_its_law_though_its_exponentials_would_overflow(temperature) -> None:
    x, p = stratonovich(temperature, 0.5)
    process = washboard(temperature=temperature)
    law = process.exact.stationary()
    assert np.ptp(np.cos(x) + 0.5 * x) / temperature > 745  # exp(-U/kT) underflows between bottom and top
    np.testing.assert_allclose(law.pdf(x), p, atol=1e-9 * p.max())
    assert law.mean == pytest.approx(np.sum(x * p) * x[1], rel=1e-10)
    # beside the normal law of the well, N(arcsin(tilt), kT/cos), it is O(kT) off; another temperature is seen
    assert law.variance == pytest.approx(temperature / np.cos(np.arcsin(0.5)), rel=3 * temperature)
    other = stratonovich(1.001 * temperature, 0.5)[1]
    assert np.abs(law.pdf(x) - other).max() > 1e-4 * p.max()
    # Kramers: 2 pi times the rate over the barrier, whose exponent is (sqrt(3) - pi/3)/kT
    rate = np.cos(np.arcsin(0.5)) / (2 * np.pi) * np.exp(-(np.sqrt(3) - np.pi / 3) / temperature)
    assert process.exact.velocity() == pytest.approx(2 * np.pi * rate, rel=3 * temperature)


def test_no_law_is_computed_on_a_ring_of_too_many_kt() -> None:
    assert washboard(tilt=100.0, temperature=0.1).exact.stationary().mass == pytest.approx(1.0, abs=1e-13)
    assert washboard(tilt=100.0, temperature=0.001).exact.stationary is None
