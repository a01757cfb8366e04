"""A sample against a law: level, power, atoms, what is said, and what must fail."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
from scipy import optimize, stats

from fpsde import checks
from fpsde.checks import CheckResult, Verdict
from fpsde.checks.band_test import sup_distance
from fpsde.checks.design import Design
from fpsde.checks.smooth_test import (
    BIAS_PER_CDF,
    LARGEST,
    SPREAD_PER_CDF,
    mode_sums,
    scale_sensitivity,
    smooth_radius,
    smooth_result,
)
from fpsde.density import FrozenLaw, Law, Mixture, Normal, Point, Uniform
from fpsde.panel_law import PanelLaw

LAW = Normal(0.3, 2.0)


def part(result: CheckResult, name: str) -> CheckResult:
    """The component whose name ends so."""
    return next(c for c in result.components if c.check.endswith(name))


def modes(u: np.ndarray) -> np.ndarray:
    """g_1..g_4 at u, (4, n), from NumPy's own Legendre polynomials."""
    return np.array([math.sqrt(2 * j + 1) * np.polynomial.Legendre.basis(j)(2 * u - 1) for j in (1, 2, 3, 4)])


def double_well() -> PanelLaw:
    return PanelLaw.from_density(lambda x: np.exp(-4 * (x * x - 1) ** 2), np.linspace(-2.6, 2.6, 53), normalise=True)


def draw(law: Law, n: int, rng: np.random.Generator) -> np.ndarray:
    return law.ppf(rng.random(n))


# --- the modes -------------------------------------------------------------------------------------------------------


def test_the_modes_are_orthonormal_and_their_sums_are_right(rng: np.random.Generator) -> None:
    x, w = np.polynomial.legendre.leggauss(12)
    g = modes(0.5 * (x + 1))
    np.testing.assert_allclose(g @ (0.5 * w * g).T, np.eye(4), atol=1e-13)
    u = rng.random(1001)
    np.testing.assert_allclose(mode_sums(u), modes(u).sum(axis=1), rtol=1e-10, atol=1e-10)
    assert np.linalg.norm(modes(np.array([1.0]))) == pytest.approx(LARGEST)


def test_the_constants_of_the_tolerance_are_the_largest_total_variations() -> None:
    u = np.linspace(0, 1, 20_001)
    g = modes(u)

    def largest(variation: Callable[[np.ndarray], float]) -> float:
        starts = np.random.default_rng(3).normal(size=(12, 4))
        return max(-optimize.minimize(lambda a: -variation(a), a, method="Nelder-Mead").fun for a in starts)

    def unit(a: np.ndarray) -> np.ndarray:
        return a @ g / np.linalg.norm(a)

    assert largest(lambda a: float(np.abs(np.diff(unit(a))).sum())) == pytest.approx(BIAS_PER_CDF, rel=1e-4)
    assert largest(lambda a: float(np.abs(np.diff(unit(a) ** 2)).sum())) == pytest.approx(SPREAD_PER_CDF, rel=1e-4)


def test_the_bias_bound_holds_for_any_shift_of_the_distribution_function(rng: np.random.Generator) -> None:
    """|E g| <= C tau for laws on (0, 1) with sup|G - u| <= tau: random steps, and the worst shift for mode 4."""
    tau, u = 0.01, (np.arange(200_000) + 0.5) / 200_000
    slope = np.gradient(modes(u)[3], u)
    for d in (np.sign(slope), *np.sign(rng.normal(size=(5, 20))).repeat(10_000, axis=1)):
        moved = np.sort(np.clip(u - tau * d, 0, 1))  # quantiles of a law within tau
        assert np.linalg.norm(modes(moved).mean(axis=1)) <= BIAS_PER_CDF * tau


# --- level -----------------------------------------------------------------------------------------------------------


def test_p_values_are_uniform_under_the_law(rng: np.random.Generator, assert_uniform: Callable[..., None]) -> None:
    results = [checks.density(rng.normal(0.3, 2.0, size=1000), LAW) for _ in range(1500)]
    assert all(result.verdict is Verdict.PASS for result in results)
    assert_uniform([part(r, "smooth test").p_value for r in results], at_least=0.8)
    assert_uniform([part(r, "distribution function").p_value for r in results], at_least=0.8)


@pytest.mark.parametrize(("n", "alpha"), [(100, 1e-4), (300, 1e-6), (1000, 1e-8)])
def test_the_smooth_test_keeps_tiny_levels_in_small_samples(n: int, alpha: float, rng: np.random.Generator) -> None:
    """Importance sampling: draw from exponential tilts exp(r a.g(u)) along many directions a, and weigh back."""
    radius, g = smooth_radius(n, alpha), modes((np.arange(500) + 0.5) / 500)
    directions = rng.normal(size=(1200, 4))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    tilt = np.exp(radius * directions @ g)  # (directions, cells): the tilted mean is near the boundary
    psi = np.log(tilt.mean(axis=1))
    cdf = np.cumsum(tilt, axis=1) / tilt.sum(axis=1, keepdims=True)
    v = np.array([g[:, np.searchsorted(row, rng.random((2, n)))].mean(axis=2) for row in cdf])
    v = v.transpose(0, 2, 1).reshape(-1, 4)
    log_weight = n * (radius * v @ directions.T - psi)
    top = log_weight.max(axis=1)
    weight = np.exp(-top) / np.mean(np.exp(log_weight - top[:, None]), axis=1)
    level = float(np.mean(weight * (np.linalg.norm(v, axis=1) > radius)))
    assert 0.05 * alpha < level < 1.1 * alpha


def test_the_sup_distance_is_scipys(rng: np.random.Generator) -> None:
    for n in (1, 3, 10, 10, 10, 10, 10, 10, 1000):
        x = np.sort(rng.normal(size=n))
        distance, where = sup_distance(x, stats.norm.cdf(x), np.zeros(n))
        expected = stats.kstest(x, stats.norm.cdf)
        assert abs(distance) == pytest.approx(expected.statistic, rel=1e-13)
        assert (where, math.copysign(1, distance)) == (expected.statistic_location, expected.statistic_sign)


def test_a_failure_is_a_p_value_below_the_level_in_every_part(rng: np.random.Generator) -> None:
    """At a level of 0.9 about as many parts fail as pass, and each agrees with its own p-value."""
    seen = []
    for _ in range(100):
        x, y = rng.normal(size=(2, 40, 300))
        counts = rng.multinomial(1000, [0.2, 0.3, 0.5])
        results = [
            checks.density(x[0], Normal(0.0, 1.0), alpha=0.9),
            checks.density(x[0], Normal(0.0, 1.0), alpha=0.9, tolerance=1e-4),
            checks.moments(x[0], Normal(0.0, 1.0), orders=(1, 2), alpha=0.9, tolerance=0.01),
            checks.innovations(
                np.cumsum(x, axis=0), np.arange(40.0), drift=lambda x, t: 0.0, sigma=lambda x, t: 1.0, alpha=0.9
            ),
            checks.correlation(x[1], y[1], alpha=0.5),
            checks.cells(counts, [0.2, 0.3, 0.5], alpha=0.5),
        ]
        for result in results:
            components = [c for c in result.components or (result,) if c.alpha is not None]
            assert sum(c.alpha for c in components if c.alpha) <= result.alpha * (1 + 1e-12)
            seen += components
    for c in seen:
        assert (c.verdict is Verdict.FAIL) == (c.p_value < c.alpha), c
    assert 0.05 < np.mean([c.verdict is Verdict.FAIL for c in seen]) < 0.95


def test_a_sample_biased_by_the_tolerance_alarms_at_most_at_the_level(
    rng: np.random.Generator, assert_uniform: Callable[..., None]
) -> None:
    """Laws at sup-distance exactly tau: a shift, and a uniform law with the worst step for the fourth mode."""
    tau, n = 0.02, 4000
    shift = 2 * stats.norm.ppf(0.5 + tau / 2)
    u = (np.arange(100_000) + 0.5) / 100_000
    worst = np.sort(np.clip(u - tau * np.sign(np.gradient(modes(u)[3], u)), 0, 1))
    for law, make in (
        (Normal(0.0, 1.0), lambda: rng.normal(shift, 1.0, size=n)),
        (Uniform(0.0, 1.0), lambda: worst[rng.integers(0, len(worst), n)]),
    ):
        results = [checks.density(make(), law, tolerance=tau) for _ in range(400)]
        for name in ("smooth test", "distribution function"):
            assert_uniform([part(r, name).p_value for r in results], at_least=0.0)


def test_without_the_tolerance_the_same_bias_is_found(rng: np.random.Generator) -> None:
    x = rng.normal(2 * stats.norm.ppf(0.51), 1.0, size=40_000)
    assert checks.density(x, Normal(0.0, 1.0)).verdict is Verdict.FAIL
    assert (
        checks.density(x, Normal(0.0, 1.0), tolerance=[("time step", 0.015), ("grid", 0.005)]).verdict is Verdict.PASS
    )


# --- power -----------------------------------------------------------------------------------------------------------


def test_a_defect_of_the_size_of_the_resolution_is_seen_with_the_stated_power(rng: np.random.Generator) -> None:
    """A wrong scale for the smooth test, a wrong place for the band; half the defect is not seen."""
    n, repeats, power = 5000, 300, 0.9
    for name, defect in (("smooth test", "scale"), ("distribution function", "place")):
        resolution = part(checks.density(rng.normal(size=n), Normal(0.0, 1.0), power=power), name).resolution
        assert resolution is not None
        seen = {}
        for share in (1.0, 0.5):
            if defect == "scale":
                scale = _scale_with_modes(share * resolution)
                found = [checks.density(rng.normal(0, scale, size=n), Normal(0.0, 1.0)) for _ in range(repeats)]
            else:
                shift = 2 * stats.norm.ppf(0.5 + share * resolution / 2)
                found = [checks.density(rng.normal(shift, 1.0, size=n), Normal(0.0, 1.0)) for _ in range(repeats)]
            seen[share] = sum(part(r, name).verdict is Verdict.FAIL for r in found)
        assert stats.binom.cdf(seen[1.0], repeats, power) > 1e-6
        assert seen[0.5] < 0.2 * repeats


def _scale_with_modes(size: float) -> float:
    """The scale of a normal sample whose mode means against N(0, 1) have this size."""
    z = stats.norm.ppf((np.arange(20_000) + 0.5) / 20_000)

    def excess(scale: float) -> float:
        return float(np.linalg.norm(modes(stats.norm.cdf(scale * z)).mean(axis=1))) - size

    return float(optimize.brentq(excess, 1.0, 3.0))


@pytest.mark.parametrize(("power", "n"), [(0.99, 1.70e6), (0.999, 2.0e6)])
def test_the_reference_table_of_sample_sizes_for_one_per_cent_of_variance(power: float, n: float) -> None:
    """Neyman smooth, 4 terms, alpha = 1e-8; the triangle form asks for a few per cent more."""
    design = Design.of(alpha=1e-8, power=power)
    result = smooth_result("density", np.zeros(4), int(n), design)
    assert result.resolution is not None
    seen = math.expm1(result.resolution / scale_sensitivity(Normal(0.0, 1.0)))
    assert seen == pytest.approx(0.01, rel=0.05)


def test_the_stated_variance_resolution_is_that_of_the_modes() -> None:
    exact = (_scale_with_modes(1e-4) ** 2 - 1) * scale_sensitivity(Normal(0.0, 1.0))
    assert exact == pytest.approx(1e-4, rel=2e-3)


def test_too_small_samples_are_underpowered_for_a_declared_effect(rng: np.random.Generator) -> None:
    x = rng.normal(size=10_000)
    result = checks.density(x, Normal(0.0, 1.0), effect=0.01)
    assert result.verdict is Verdict.UNDERPOWERED
    assert "not the 0.01 asked for" in result.detail
    assert checks.density(x, Normal(0.0, 1.0), effect=0.1).verdict is Verdict.PASS


def test_samples_too_small_to_fail_are_underpowered() -> None:
    result = checks.density([0.1, -0.2, 0.3], Normal(0.0, 1.0), alpha=1e-8)
    assert result.verdict is Verdict.UNDERPOWERED
    assert "cannot fail" in result.detail


# --- what is said, and negative controls -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("mode", "spoil"),
    [
        ("location", lambda x: x + 0.05),
        ("scale", lambda x: 1.05 * x),
        ("skewness", lambda x: x + 0.03 * (x**2 - 1) - 0.005 * (x**3 - 3 * x)),
        ("tails", lambda x: np.where(np.abs(x) < 0.6745, 0.93 * x, x)),
    ],
)
def test_the_wrong_mode_is_named(
    mode: str, spoil: Callable[[np.ndarray], np.ndarray], rng: np.random.Generator
) -> None:
    x = rng.normal(size=100_000)
    assert checks.density(x, Normal(0.0, 1.0)).verdict is Verdict.PASS
    result = checks.density(spoil(x), Normal(0.0, 1.0))
    assert result.verdict is Verdict.FAIL
    assert f"largest mode is {mode}" in part(result, "smooth test").detail


def test_the_variance_ratio_is_told(rng: np.random.Generator) -> None:
    x = 1.01 * rng.normal(size=2_000_000)
    result = checks.density(x, Normal(0.0, 1.0), alpha=1e-8)
    assert result.verdict is Verdict.FAIL
    assert f"the variance is {np.var(x):.4f} +- 0.0010 times that of the law" in part(result, "smooth test").detail


def test_a_double_well_held_on_panels_passes_and_one_slightly_warmer_fails(rng: np.random.Generator) -> None:
    law = double_well()
    warmer = PanelLaw.from_density(
        lambda x: np.exp(-3.8 * (x * x - 1) ** 2), np.linspace(-2.6, 2.6, 53), normalise=True
    )
    assert checks.density(draw(law, 100_000, rng), law).verdict is Verdict.PASS
    assert checks.density(draw(warmer, 100_000, rng), law).verdict is Verdict.FAIL


def test_laws_without_moments_are_judged_without_them(rng: np.random.Generator) -> None:
    law = FrozenLaw(stats.cauchy())
    result = checks.density(rng.standard_cauchy(50_000), law)
    assert result.verdict is Verdict.PASS
    assert "variance" not in result.detail
    assert checks.density(1.1 * rng.standard_cauchy(50_000), law).verdict is Verdict.FAIL


def test_missing_mass_is_a_difference_like_any_other(rng: np.random.Generator) -> None:
    faces, density = np.linspace(-9, 9, 37), stats.norm.pdf
    x = rng.normal(size=100_000)
    assert checks.density(x, PanelLaw.from_density(density, faces)).verdict is Verdict.PASS
    assert checks.density(x, PanelLaw.from_density(lambda y: (1 - 1e-9) * density(y), faces)).verdict is Verdict.PASS
    assert checks.density(x, PanelLaw.from_density(lambda y: 0.95 * density(y), faces)).verdict is Verdict.FAIL


def test_a_distribution_function_that_is_nan_fails() -> None:
    class Broken(Uniform):
        def cdf(self, x: object) -> np.ndarray:
            return np.where(np.asarray(x) > 0.5, np.nan, x)

    result = checks.density(np.linspace(0.01, 0.99, 1000), Broken(0.0, 1.0))
    assert result.verdict is Verdict.FAIL
    assert all(component.verdict is Verdict.FAIL for component in result.components)


# --- atoms -----------------------------------------------------------------------------------------------------------

ABSORBED = Mixture([0.3, 0.2, 0.5], [Point(0.1), Point(3.0), Uniform(0.1, 3.0)])


def absorbed(n: int, rng: np.random.Generator, *, at_wall: float = 0.3) -> np.ndarray:
    u = rng.random(n)
    inside = rng.uniform(0.1, 3.0, size=n)
    return np.where(u < at_wall, 0.1, np.where(u < at_wall + 0.2, 3.0, inside))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_particles_on_absorbing_walls_are_counted_exactly(dtype: type, rng: np.random.Generator) -> None:
    result = checks.density(absorbed(50_000, rng).astype(dtype), ABSORBED)
    assert result.verdict is Verdict.PASS
    assert [c.check for c in result.components] == [
        "density: smooth test",
        "density: distribution function",
        "density: atoms",
    ]


def test_too_many_particles_on_a_wall_fail(rng: np.random.Generator) -> None:
    result = checks.density(absorbed(50_000, rng, at_wall=0.32), ABSORBED)
    assert part(result, "atoms").verdict is Verdict.FAIL
    assert "x = 0.1 holds" in part(result, "atoms").detail
    assert part(result, "smooth test").verdict is Verdict.PASS  # given that they are inside, they are right


def test_particles_beside_the_wall_are_not_on_it(rng: np.random.Generator) -> None:
    x = absorbed(50_000, rng)
    assert checks.density(np.where(x == 0.1, np.nextafter(0.1, 1), x), ABSORBED).verdict is Verdict.FAIL


def test_a_wrong_law_between_the_walls_fails_the_smooth_test(rng: np.random.Generator) -> None:
    x = absorbed(50_000, rng)
    inside = (x > 0.1) & (x < 3.0)
    result = checks.density(np.where(inside, 0.1 + 2.9 * ((x - 0.1) / 2.9) ** 1.1, x), ABSORBED)
    assert part(result, "smooth test").verdict is Verdict.FAIL
    assert part(result, "atoms").verdict is Verdict.PASS


def test_a_point_law_holds_only_its_point() -> None:
    law = Point(1.5)
    result = checks.density(np.full(1000, 1.5), law)
    assert result.verdict is Verdict.PASS
    assert part(result, "smooth test").verdict is Verdict.NOT_APPLICABLE
    assert checks.density(np.r_[np.full(999, 1.5), 1.4], law).verdict is Verdict.FAIL


def test_an_atom_that_nobody_has_reached_yet_is_no_obstacle(rng: np.random.Generator) -> None:
    faces = np.linspace(0.0, 1.0, 5)
    law = PanelLaw(faces, np.ones((4, 16)), points_of_mass=((0.0, 0.0),))
    x = rng.random(10_000)
    assert checks.density(x, law).verdict is Verdict.PASS
    assert checks.density(np.r_[x, 0.0], law).verdict is Verdict.FAIL


def test_walls_known_within_a_tolerance_alarm_at_most_at_the_level(
    rng: np.random.Generator, assert_uniform: Callable[..., None]
) -> None:
    """0.02 too much on the lower wall, taken from between: sup|F - F_0| is 0.02."""
    results = [checks.density(absorbed(3000, rng, at_wall=0.32), ABSORBED, tolerance=0.02) for _ in range(300)]
    for name in ("smooth test", "distribution function", "atoms"):
        assert_uniform([part(r, name).p_value for r in results], at_least=0.0)


def test_the_law_between_the_walls_is_known_within_twice_the_tolerance(
    rng: np.random.Generator, assert_uniform: Callable[..., None]
) -> None:
    """F - F_0 is -tau at the lower wall and +tau from just inside to the upper one: particles hang beside the wall."""
    tau, n, results = 0.02, 3000, []
    for _ in range(200):
        u, inside = rng.random(n), rng.uniform(0.1, 3.0, size=n)
        edges = np.cumsum([0.3 - tau, 2 * tau, 0.5])
        x = np.select([u < edges[0], u < edges[1], u < edges[2]], [0.1, 0.1 + 1e-9, inside], 3.0)
        results.append(checks.density(x, ABSORBED, tolerance=tau))
    for name in ("smooth test", "distribution function", "atoms"):
        assert_uniform([part(r, name).p_value for r in results], at_least=0.0)
    assert part(checks.density(x, ABSORBED), "smooth test").verdict is Verdict.FAIL
    assert 2 * tau / 0.54 > tau / 0.5  # the sup-distance of the two laws between the walls is more than tau/mass,
    assert part(results[0], "smooth test").tolerance == pytest.approx(
        BIAS_PER_CDF * 2 * tau / 0.5
    )  # so twice is allowed
