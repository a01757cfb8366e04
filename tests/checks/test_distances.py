"""Distances of laws against closed forms and SciPy."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from scipy import integrate, stats

from fpsde.checks.distances import (
    kolmogorov,
    kullback_leibler,
    total_variation,
    wasserstein1,
    wasserstein2,
)
from fpsde.density import CellLaw, FrozenLaw, Law, Mixture, Normal, Point, Uniform
from fpsde.grid import Grid
from fpsde.panel_law import PanelLaw

ALL = (kolmogorov, total_variation, wasserstein1, wasserstein2, kullback_leibler)


def panels(mean: float, std: float) -> PanelLaw:
    faces = np.linspace(mean - 9 * std, mean + 9 * std, 41)
    return PanelLaw.from_density(stats.norm(mean, std).pdf, faces)


@pytest.mark.parametrize("law", [Normal, panels])
@pytest.mark.parametrize("shift", [1e-3, 0.4, 3.0])
def test_two_normals_with_one_spread(law: Callable[[float, float], Law], shift: float) -> None:
    a, b = law(0.0, 1.3), law(shift, 1.3)
    overlap = 2 * stats.norm.cdf(shift / 2.6) - 1
    assert kolmogorov(a, b) == pytest.approx(overlap, rel=1e-9)
    assert total_variation(a, b) == pytest.approx(overlap, rel=1e-9)
    assert wasserstein1(a, b) == pytest.approx(shift, rel=1e-9)
    assert wasserstein2(a, b) == pytest.approx(shift, rel=1e-7)
    if law is Normal:
        assert kullback_leibler(a, b) == pytest.approx(0.5 * (shift / 1.3) ** 2, rel=1e-6)


@pytest.mark.parametrize("ratio", [1.01, 1.5])
def test_two_normals_with_two_spreads(ratio: float) -> None:
    a, b = Normal(0.5, 1.0), Normal(0.5, ratio)
    cross = math.sqrt(2 * math.log(ratio) / (1 - ratio**-2))
    gap = stats.norm.cdf(cross) - stats.norm.cdf(cross / ratio)
    assert kolmogorov(a, b) == pytest.approx(gap, rel=1e-9)
    assert total_variation(a, b) == pytest.approx(2 * gap, rel=1e-9)
    assert wasserstein1(a, b) == pytest.approx((ratio - 1) * math.sqrt(2 / math.pi), rel=1e-9)
    assert wasserstein2(a, b) == pytest.approx(ratio - 1, rel=1e-6)
    assert kullback_leibler(a, b) == pytest.approx(math.log(ratio) + 0.5 * ratio**-2 - 0.5, rel=1e-9)


@pytest.mark.parametrize(
    ("a", "b"), [(stats.lognorm(1.0), stats.lognorm(1.0, scale=1.1)), (stats.gamma(0.7), stats.gamma(0.8))]
)
def test_long_tails_and_singular_ends_against_scipys_quadrature(a: Any, b: Any) -> None:
    def gap(x: Any) -> Any:
        return abs(a.cdf(x) - b.cdf(x))

    cuts = [0, 1e-6, 1e-3, 0.1, 1, 3, 10, 100, 1e4]
    apart = sum(integrate.quad(gap, *ends, limit=200)[0] for ends in pairwise(cuts))
    assert wasserstein1(FrozenLaw(a), FrozenLaw(b)) == pytest.approx(apart, rel=1e-6)
    x = np.geomspace(1e-9, 1e3, 400_001)
    assert kolmogorov(FrozenLaw(a), FrozenLaw(b)) == pytest.approx(np.max(gap(x)), rel=1e-6)


def test_points_are_compared_exactly() -> None:
    assert kolmogorov(Point(0.0), Point(2.5)) == 1
    assert total_variation(Point(0.0), Point(2.5)) == 1
    assert wasserstein1(Point(0.0), Point(2.5)) == pytest.approx(2.5)
    assert wasserstein2(Point(0.0), Point(2.5)) == pytest.approx(2.5)
    assert kullback_leibler(Point(0.0), Point(2.5)) == math.inf


def test_weighted_points_are_carried_exactly() -> None:
    a, b = (Mixture([p, 1 - p], [Point(0.0), Point(2.0)]) for p in (0.3, 0.5))
    assert wasserstein1(a, b) == pytest.approx(0.4, rel=1e-12)
    assert wasserstein2(a, b) == pytest.approx(math.sqrt(0.2 * 4), rel=1e-9)
    assert kolmogorov(a, b) == pytest.approx(0.2, rel=1e-12)
    assert total_variation(a, b) == pytest.approx(0.2, rel=1e-12)


def test_atoms_beside_a_density() -> None:
    law = lambda low, high: Mixture([low, high, 1 - low - high], [Point(0.0), Point(1.0), Uniform(0.0, 1.0)])  # noqa: E731
    a, b = law(0.3, 0.2), law(0.25, 0.35)
    assert total_variation(a, b) == pytest.approx(0.5 * (0.05 + 0.15 + 0.1), rel=1e-12)
    assert kolmogorov(a, b) == pytest.approx(0.15, rel=1e-12)
    # F - G goes from 0.05 at 0 to 0.15 at 1, along a line
    assert wasserstein1(a, b) == pytest.approx(0.1, rel=1e-12)
    assert kullback_leibler(a, b) == pytest.approx(
        0.3 * math.log(0.3 / 0.25) + 0.2 * math.log(0.2 / 0.35) + 0.5 * math.log(0.5 / 0.4), rel=1e-12
    )
    assert wasserstein2(a, b) == pytest.approx(_by_quantiles(a, b), rel=1e-3)


def _by_quantiles(a: Law, b: Law) -> float:
    u = (np.arange(200_000) + 0.5) / 200_000
    return math.sqrt(np.mean((a.ppf(u) - b.ppf(u)) ** 2))


def test_the_distance_in_w1_is_scipys_for_weighted_points(rng: np.random.Generator) -> None:
    x, y = rng.normal(size=(2, 6))
    p, q = rng.dirichlet(np.ones(6), size=2)
    a, b = (Mixture(w, [Point(v) for v in at]) for w, at in ((p, x), (q, y)))
    assert wasserstein1(a, b) == pytest.approx(stats.wasserstein_distance(x, y, p, q), rel=1e-10)


def test_cells_are_compared_as_the_steps_that_they_are() -> None:
    grid = Grid.uniform((-6.0, 6.0), cells=60)
    cells = CellLaw(grid, np.diff(stats.norm.cdf(grid.faces)))
    inner = np.linspace(-6, 6, 600_001)
    gap = np.max(np.abs(cells.cdf(inner) - stats.norm.cdf(inner)))
    assert kolmogorov(cells, Normal(0.0, 1.0)) == pytest.approx(gap, rel=1e-4)
    absolute = np.trapezoid(np.abs(cells.pdf(inner[:-1] + 1e-5) - stats.norm.pdf(inner[:-1] + 1e-5)), inner[:-1])
    assert total_variation(cells, Normal(0.0, 1.0)) == pytest.approx(0.5 * absolute, rel=1e-3)


@pytest.mark.parametrize("law", [Normal(0.2, 1.0), panels(0.2, 1.0), Uniform(0.0, 2.0), Point(1.0)])
def test_a_law_is_at_no_distance_from_itself(law: Law) -> None:
    for distance in ALL:
        assert distance(law, law) == pytest.approx(0.0, abs=1e-12)


def test_distances_are_symmetric_except_for_the_divergence() -> None:
    a, b = Normal(0.0, 1.0), Mixture([0.5, 0.5], [Normal(-1.0, 0.5), Normal(1.0, 0.7)])
    for distance in ALL[:4]:
        assert distance(a, b) == pytest.approx(distance(b, a), rel=1e-12)
    assert kullback_leibler(a, b) != pytest.approx(kullback_leibler(b, a), rel=0.1)


def test_mass_where_the_other_law_has_none_diverges() -> None:
    assert kullback_leibler(Uniform(0.0, 2.0), Uniform(0.0, 1.0)) == math.inf
    assert kullback_leibler(Uniform(0.0, 1.0), Uniform(0.0, 2.0)) == pytest.approx(math.log(2), rel=1e-12)


def test_missing_mass_counts() -> None:
    short = PanelLaw.from_density(lambda x: 0.9 * stats.norm.pdf(x), np.linspace(-9, 9, 41))
    assert kolmogorov(short, Normal(0.0, 1.0)) == pytest.approx(0.1, rel=1e-9)
    assert total_variation(short, Normal(0.0, 1.0)) == pytest.approx(0.05, rel=1e-9)
