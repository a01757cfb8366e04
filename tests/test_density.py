"""The laws against SciPy's and against closed forms."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import optimize, special, stats

from fpsde.density import TAIL, CellLaw, FrozenLaw, Law, Mixture, Normal, Point, Uniform
from fpsde.errors import InvalidInput
from fpsde.grid import Grid
from fpsde.panel_law import PanelLaw
from fpsde.panels import panel_rule

TWINS = {
    "normal": (Normal(1.5, 0.3), stats.norm(1.5, 0.3)),
    "far normal": (Normal(-40.0, 2.0), stats.norm(-40, 2)),
    "uniform": (Uniform(-1.0, 2.0), stats.uniform(-1, 3)),
    "gamma": (FrozenLaw(stats.gamma(2.5, scale=0.5)), stats.gamma(2.5, scale=0.5)),
    "singular gamma": (FrozenLaw(stats.gamma(0.5)), stats.gamma(0.5)),
    "student": (FrozenLaw(stats.t(5)), stats.t(5)),
    "log-normal": (FrozenLaw(stats.lognorm(0.4)), stats.lognorm(0.4)),
}
LEVELS = np.array([1e-12, 1e-6, 0.01, 0.3, 0.5, 0.9, 0.999, 1 - 1e-9])
#: Smooth densities, with panels that resolve them to round-off.
SMOOTH = {
    "normal": (stats.norm(0.5, 0.7), np.linspace(-6, 7, 41)),
    "gumbel": (stats.gumbel_r(), np.linspace(-5, 45, 121)),
    "gamma": (stats.gamma(3), np.linspace(0, 60, 61)),
}


def twins(function):
    return pytest.mark.parametrize(("law", "twin"), TWINS.values(), ids=TWINS)(function)


def panel_law(name: str, panels: int | None = None) -> tuple[PanelLaw, object]:
    twin, faces = SMOOTH[name]
    if panels is not None:
        faces = np.linspace(faces[0], faces[-1], panels + 1)
    return PanelLaw.from_density(twin.pdf, faces), twin


# --- laws with a twin in SciPy


@twins
def test_cdf_and_pdf_are_scipys(law, twin):
    x = twin.ppf(LEVELS)
    np.testing.assert_allclose(law.cdf(x), twin.cdf(x), rtol=1e-13)
    np.testing.assert_allclose(law.pdf(x), twin.pdf(x), rtol=1e-13)


@twins
def test_quantiles_are_scipys(law, twin):
    np.testing.assert_allclose(law.ppf(LEVELS), twin.ppf(LEVELS), rtol=1e-12)


@twins
def test_moments_are_scipys(law, twin):
    np.testing.assert_allclose([law.mean, law.variance], [twin.mean(), twin.var()], rtol=1e-13)
    np.testing.assert_allclose([law.moment(k) for k in range(1, 5)], [twin.moment(k) for k in range(1, 5)], rtol=1e-11)


@twins
def test_central_moments_are_scipys(law, twin):
    variance, skewness, excess = twin.stats("vsk")
    assert law.central_moment(3) == pytest.approx(skewness * variance**1.5, rel=1e-10, abs=1e-14)
    assert law.central_moment(4) == pytest.approx((excess + 3) * variance**2, rel=1e-10)


@twins
def test_a_law_one_per_cent_wider_is_told_apart(law, twin):
    x = twin.ppf(LEVELS)
    wider = twin.mean() + 1.01 * (x - twin.mean())
    assert np.max(np.abs(law.cdf(wider) / twin.cdf(x) - 1)) > 1e-3
    assert abs(law.variance / (1.01**2 * twin.var()) - 1) > 1e-3


@twins
def test_the_mass_outside_of_the_range_is_below_round_off(law, twin):
    low, high = law.range()
    assert math.isfinite(low) and math.isfinite(high)
    assert twin.cdf(low) <= 1.01 * TAIL
    assert twin.sf(high) <= 1.01 * TAIL


@twins
def test_cell_masses_are_differences_of_the_distribution_function(law, twin):
    faces = np.linspace(twin.ppf(0.001), twin.ppf(0.999), 30)
    np.testing.assert_allclose(law.cell_masses(faces), np.diff(twin.cdf(faces)), rtol=1e-12)


def test_odd_and_sixth_central_moments_of_a_normal():
    law = Normal(3.0, 2.0)
    np.testing.assert_allclose([law.central_moment(k) for k in range(7)], [1, 0, 4, 0, 48, 0, 960], rtol=1e-14)
    assert law.moment(6) == pytest.approx(stats.norm(3, 2).moment(6), rel=1e-13)


def test_central_moments_beyond_the_fourth_are_quadratures():
    # E (X - 3)^6 of gamma(3): sum_j C(6, j) (-3)^(6 - j) Gamma(3 + j) / Gamma(3)
    exact = sum(math.comb(6, j) * (-3) ** (6 - j) * math.gamma(3 + j) / 2 for j in range(7))
    assert FrozenLaw(stats.gamma(3)).central_moment(6) == pytest.approx(exact, rel=1e-11)


# --- expectations


@pytest.mark.parametrize(
    ("law", "f", "exact"),
    [
        (Normal(0.3, 0.8), np.cos, math.exp(-0.32) * math.cos(0.3)),
        (Uniform(-1.0, 2.0), np.exp, (math.exp(2) - math.exp(-1)) / 3),
        (Point(2.0), np.exp, math.exp(2)),
        (Mixture([0.25, 0.75], [Point(1.0), Uniform(0.0, 1.0)]), np.exp, 0.25 * math.e + 0.75 * (math.e - 1)),
        (FrozenLaw(stats.gamma(0.5)), np.log, float(special.digamma(0.5))),
        (FrozenLaw(stats.beta(2, 0.5)), np.sqrt, float(special.beta(2.5, 0.5) / special.beta(2, 0.5))),
        (FrozenLaw(stats.t(5)), np.abs, 2 * math.sqrt(5) / 4 / float(special.beta(0.5, 2.5))),
    ],
    ids=["normal", "uniform", "point", "mixture", "singular gamma", "singular beta", "student"],
)
def test_expectations_are_closed_forms(law, f, exact):
    assert law.expectation(f) == pytest.approx(exact, rel=1e-13)


def test_equal_panels_would_miss_a_singular_end():
    law = FrozenLaw(stats.gamma(0.5))
    assert abs(Law.expectation(law, np.log) - special.digamma(0.5)) > 1e-3


# --- point masses and mixtures


def test_a_point_is_a_step_and_an_atom():
    law = Point(2.0)
    np.testing.assert_array_equal(law.cdf([1.999, 2.0, 2.001]), [0, 1, 1])
    np.testing.assert_array_equal(law.pdf([1.999, 2.0, 2.001]), [0, 0, 0])
    np.testing.assert_array_equal(law.ppf([0.0, 0.5, 1.0]), [2, 2, 2])
    assert law.atoms == ((2.0, 1.0),)
    assert (law.mean, law.variance) == (2.0, 0.0)


def test_a_normal_mixture_is_the_weighted_sum():
    law = Mixture([0.3, 0.7], [Normal(-2.0, 0.5), Normal(1.0, 1.0)])
    parts = (0.3, stats.norm(-2, 0.5)), (0.7, stats.norm(1, 1))
    x = np.linspace(-5, 5, 41)
    np.testing.assert_allclose(law.cdf(x), sum(w * part.cdf(x) for w, part in parts), rtol=1e-13)
    np.testing.assert_allclose(law.pdf(x), sum(w * part.pdf(x) for w, part in parts), rtol=1e-13)
    for k in range(1, 5):
        assert law.moment(k) == pytest.approx(sum(w * part.moment(k) for w, part in parts), rel=1e-13)
    assert law.mean == pytest.approx(0.1, rel=1e-14)
    # within the parts, and between them: 0.3 * 0.25 + 0.7 * 1 + 0.3 * 0.7 * 3**2
    assert law.variance == pytest.approx(2.665, rel=1e-12)


def test_the_quantiles_of_a_mixture_are_the_roots_of_its_distribution_function():
    law = Mixture([0.3, 0.7], [Normal(-2.0, 0.5), Normal(1.0, 1.0)])
    u = np.array([0.001, 0.2, 0.3, 0.5, 0.99])

    def excess(x: float, level: float) -> float:
        return 0.3 * stats.norm.cdf(x, -2, 0.5) + 0.7 * stats.norm.cdf(x, 1, 1) - level

    roots = [optimize.brentq(excess, -9, 9, args=(level,), xtol=1e-14) for level in u]
    np.testing.assert_allclose(law.ppf(u), roots, atol=1e-12)


def test_the_quantiles_of_two_uniforms_are_piecewise_linear():
    law = Mixture([0.5, 0.5], [Uniform(0.0, 1.0), Uniform(2.0, 4.0)])
    np.testing.assert_allclose(law.ppf([0.1, 0.4, 0.6, 1.0]), [0.2, 0.8, 2.4, 4.0], rtol=1e-15)


def test_atoms_of_a_mixture_carry_their_share():
    law = Mixture([0.4, 0.6], [Point(0.0), Normal(0.0, 1.0)])
    assert law.atoms == ((0.0, 0.4),)
    np.testing.assert_allclose(law.cdf([-1e-12, 0.0]), [0.3, 0.7], atol=1e-12)
    np.testing.assert_allclose(law.ppf([0.31, 0.69]), [0, 0], atol=1e-15)
    assert law.variance == pytest.approx(0.6, rel=1e-13)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Normal(0.0, 0.0), "std=0.0 must be positive"),
        (lambda: Normal(np.nan, 1.0), "centre=nan is not finite"),
        (lambda: Point("a"), "at='a' is not a number"),
        (lambda: Uniform(1.0, 1.0), r"Uniform\(1.0, 1.0\) is empty; low must be below high"),
        (lambda: Uniform(0.0, np.inf), "high=inf is not finite"),
        (lambda: Mixture([1.0], []), "1 weights for 0 laws; give one weight for each law"),
        (lambda: Mixture([], []), "weights is empty"),
        (lambda: Mixture([0.5, 0.6], [Point(0.0), Point(1.0)]), r"must be positive and sum to 1 \(sum is 1.1\)"),
        (lambda: Mixture([1.5, -0.5], [Point(0.0), Point(1.0)]), r"weights \[1.5, -0.5\] must be positive"),
        (lambda: Mixture([1.0], [stats.norm()]), "a mixture is made of laws, but .* is none"),
        (lambda: CellLaw(Grid.uniform((0, 1), cells=4), np.ones(3)), r"masses have shape \(3,\), the grid \(4,\)"),
    ],
)
def test_a_law_that_cannot_be_is_refused(make, message):
    with pytest.raises(InvalidInput, match=message):
        make()


@pytest.mark.parametrize("law", [law for law, _ in TWINS.values()] + [Point(0.0), Mixture([1.0], [Normal(0.0, 1.0)])])
@pytest.mark.parametrize("u", [[0.5, 1.5], [-0.1], [np.nan]])
def test_quantiles_outside_of_0_to_1_are_refused(law, u):
    with pytest.raises(InvalidInput, match=r"a quantile needs 0 <= u <= 1; given u from"):
        law.ppf(u)


# --- panels


def test_panel_rule_is_exact_for_polynomials_up_to_degree_31():
    x, w = panel_rule(np.array([-1.0, 0.5, 2.0]))
    assert np.sum(w * x**31) == pytest.approx((2.0**32 - 1) / 32, rel=1e-14)
    x, w = panel_rule(np.array([-1.0, 1.0]))
    assert abs(np.sum(w * special.eval_legendre(16, x) ** 2)) < 1e-14  # degree 32: its integral is 2/33


@pytest.mark.parametrize("name", SMOOTH)
def test_a_panel_law_is_its_density_to_1e13(name):
    law, twin = panel_law(name)
    x = np.linspace(*law.range(), 1001)
    np.testing.assert_allclose(law.cdf(x), twin.cdf(x), atol=1e-13)
    np.testing.assert_allclose(law.pdf(x), twin.pdf(x), atol=1e-13)
    np.testing.assert_allclose(law.cell_masses(x), np.diff(twin.cdf(x)), atol=1e-13)
    np.testing.assert_allclose([law.mass, law.mean, law.variance], [1, twin.mean(), twin.var()], rtol=1e-13)
    np.testing.assert_allclose(law.ppf([0.01, 0.5, 0.99]), twin.ppf([0.01, 0.5, 0.99]), rtol=1e-12)


@pytest.mark.parametrize("name", SMOOTH)
def test_panels_that_are_too_wide_do_not_reach_1e13(name):
    law, twin = panel_law(name, panels=3)
    x = np.linspace(*law.range(), 1001)
    assert np.max(np.abs(law.cdf(x) - twin.cdf(x))) > 1e-11


def test_a_panel_law_outside_of_its_panels_has_no_density_and_all_of_its_mass():
    law, _ = panel_law("normal")
    np.testing.assert_array_equal(law.pdf([-10, 10]), [0, 0])
    np.testing.assert_allclose(law.cdf([-10, 10]), [0, law.mass], atol=1e-15)


def test_a_panel_law_is_rescaled_only_on_request():
    faces = np.linspace(-9, 9, 61)
    unnormalised = PanelLaw.from_density(lambda x: np.exp(-0.5 * x**2), faces)
    assert unnormalised.mass == pytest.approx(math.sqrt(2 * math.pi), rel=1e-14)
    law = PanelLaw.from_density(lambda x: np.exp(-0.5 * x**2), faces, normalise=True)
    np.testing.assert_allclose(law.cdf(faces), stats.norm.cdf(faces), atol=1e-13)


def test_atoms_of_a_panel_law_are_counted_once():
    half = PanelLaw.from_density(lambda x: np.full(x.shape, 0.5), np.array([0.0, 1.0]))
    law = PanelLaw(half.faces, half.values, points_of_mass=((0.0, 0.5),))
    assert law.mass == pytest.approx(1, rel=1e-14)
    np.testing.assert_allclose(law.cdf([-0.1, 0.0, 0.5, 1.0]), [0, 0.5, 0.75, 1], atol=1e-14)
    assert law.mean == pytest.approx(0.25, rel=1e-14)


# --- cells


def normal_cells(cells: int) -> CellLaw:
    grid = Grid.uniform((-9, 9), cells=cells)
    return CellLaw(grid, np.diff(stats.norm.cdf(grid.faces)))


def test_a_cell_law_is_exact_at_the_faces_and_linear_between():
    law = normal_cells(30)
    faces = law.grid.faces
    np.testing.assert_allclose(law.cdf(faces), stats.norm.cdf(faces), atol=1e-15)
    np.testing.assert_allclose(law.cdf(law.grid.centres), 0.5 * (law.cdf(faces[1:]) + law.cdf(faces[:-1])), atol=1e-15)
    np.testing.assert_array_equal(law.pdf(law.grid.centres), law.average_density)
    np.testing.assert_allclose(law.average_density, np.diff(stats.norm.cdf(faces)) / 0.6, rtol=1e-13)
    np.testing.assert_array_equal(law.pdf([-9.1, 9.1]), [0, 0])


def test_moments_of_a_cell_law_are_of_second_order_in_the_width():
    errors = np.array([normal_cells(n).variance - 1 for n in (36, 72, 144)])
    orders = np.log2(errors[:-1] / errors[1:])
    np.testing.assert_allclose(orders, 2, atol=0.02)


def test_a_cell_law_keeps_negative_masses_and_the_mass_that_it_was_given():
    grid = Grid.uniform((0, 1), cells=4)
    law = CellLaw(grid, np.array([0.5, -0.1, 0.3, 0.1]), points_of_mass=((0.0, 0.1),))
    assert law.average_density[1] == pytest.approx(-0.4)
    assert law.mass == pytest.approx(0.9)
    np.testing.assert_allclose(law.cdf([-1e-9, 0.0, 1.0]), [0, 0.1, 0.9], atol=1e-15)
    assert law.mean == pytest.approx(0.5 * 0.125 - 0.1 * 0.375 + 0.3 * 0.625 + 0.1 * 0.875)
