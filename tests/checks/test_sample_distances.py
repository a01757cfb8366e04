"""Distances of samples: their values, errors and floors."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from fpsde.checks import distances, sample_distances
from fpsde.checks.sample_distances import (
    binned,
    energy_distance,
    estimated,
    mmd,
    sliced_wasserstein,
    transport,
    wasserstein1,
)
from fpsde.density import Mixture, Normal, Point, Uniform
from fpsde.errors import BackendUnavailable, InvalidInput
from fpsde.grid import Grid
from fpsde.optional import installed, optional


def test_jensen_shannon_and_hellinger_are_their_closed_forms() -> None:
    a, b = Normal(0.0, 1.0), Normal(0.7, 1.6)
    overlap = math.sqrt(2 * 1.6 / (1 + 1.6**2)) * math.exp(-0.25 * 0.7**2 / (1 + 1.6**2))
    assert distances.hellinger(a, b) == pytest.approx(math.sqrt(1 - overlap), rel=1e-9)
    assert distances.jensen_shannon(Uniform(0.0, 1.0), Uniform(2.0, 3.0)) == pytest.approx(math.log(2), rel=1e-9)
    halves, point = Mixture([0.5, 0.5], [Point(0.0), Point(1.0)]), Point(0.0)
    assert distances.hellinger(halves, point) == pytest.approx(math.sqrt(1 - math.sqrt(0.5)), rel=1e-12)
    mixed = 0.5 * math.log(1 / 0.75) + 0.5 * (0.5 * math.log(0.5 / 0.75) + 0.5 * math.log(2))
    assert distances.jensen_shannon(halves, point) == pytest.approx(mixed, rel=1e-12)
    assert distances.jensen_shannon(a, b) == pytest.approx(distances.jensen_shannon(b, a), rel=1e-12)


def test_distances_of_points_are_sums_by_hand(rng):
    x, y = rng.standard_normal((1, 6)), rng.standard_normal((1, 4))
    assert wasserstein1(x, y) == pytest.approx(stats.wasserstein_distance(x[0], y[0]), rel=1e-14)
    twelve = np.sort(np.repeat(x[0], 2)), np.sort(np.repeat(y[0], 3))  # samples of one size have the same law
    assert sliced_wasserstein(x, y) == pytest.approx(np.sqrt(np.mean((twelve[0] - twelve[1]) ** 2)), rel=1e-12)
    assert energy_distance(x, y) == pytest.approx(stats.energy_distance(x[0], y[0]) ** 2, rel=1e-10)
    kernel = [[np.mean(np.exp(-0.5 * (a[0][:, None] - b[0]) ** 2 / 0.49)) for b in (x, y)] for a in (x, y)]
    assert mmd(0.7)(x, y) ** 2 == pytest.approx(kernel[0][0] + kernel[1][1] - 2 * kernel[0][1], rel=1e-10)
    tv = binned(distances.total_variation, Grid.uniform((-6, 6), cells=3))(x, y)
    shares = [np.histogram(v[0], [-6, -2, 2, 6])[0] / v.shape[1] for v in (x, y)]
    assert tv == pytest.approx(0.5 * np.abs(shares[0] - shares[1]).sum(), rel=1e-10, abs=1e-12)


def test_the_value_is_near_that_of_the_laws_and_the_floor_is_what_equal_laws_show(rng):
    x, shift = rng.standard_normal((2, 2000)), np.array([[0.6], [0.0]])
    found = estimated(sliced_wasserstein, x + shift, lambda n, rng: rng.standard_normal((2, n)))
    exact = 0.6 * math.sqrt(0.5)  # along (cos, sin): 0.6 cos, whose mean square over the four directions is a half
    assert abs(found.value - exact) < 6 * found.error and found.floor < 0.2 * exact
    same = estimated(sliced_wasserstein, x, rng.standard_normal((2, 2000)))
    assert 0.3 * same.floor < same.value < 3 * same.floor
    assert str(found).endswith(f"(equal laws: {found.floor:.2g})")


@pytest.mark.slow
def test_the_error_is_the_spread_of_the_value_over_samples(rng):
    grid = Grid.uniform((-9, 9), cells=30)
    for distance in (wasserstein1, energy_distance, mmd(1.0), binned(distances.hellinger, grid)):
        found = [estimated(distance, 1.0 + rng.standard_normal(150), rng.standard_normal(150)) for _ in range(50)]
        ratio = np.mean([e.error for e in found]) / np.std([e.value for e in found], ddof=1)
        assert 0.6 < ratio < 1.6, (distance, ratio)


@pytest.mark.skipif(not installed("ot"), reason="POT is not installed")
def test_transport_in_one_component_is_that_of_the_quantiles(rng):
    x, y = rng.standard_normal((1, 40)), 1 + rng.standard_normal((1, 30))
    assert transport(1)(x, y) == pytest.approx(wasserstein1(x, y), rel=1e-9)
    assert transport(2)(x, y) == pytest.approx(sliced_wasserstein(x, y), rel=1e-9)
    plane = rng.standard_normal((2, 30))
    assert transport(2)(plane, plane + np.array([[3.0], [4.0]])) == pytest.approx(5.0, rel=1e-9)


def test_a_package_that_is_missing_is_named_as_it_is_installed():
    with pytest.raises(BackendUnavailable, match="pip install POT"):
        optional("no_such_module_of_pot", package="POT").emd2()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda x: estimated(wasserstein1, x[:39], x), "40 or more"),
        (lambda x: estimated(wasserstein1, np.where(x > 0.9, np.nan, x), x), "5 NaN or infinite"),
        (lambda x: estimated(wasserstein1, np.vstack([x, x]), np.vstack([x, x])), "takes one component"),
        (lambda x: estimated(binned(distances.hellinger, Grid.uniform((0, 0.5), cells=3)), x, x), "beside the grid"),
        (lambda x: sample_distances.mmd(0.0), "scale"),
        (lambda x: sample_distances.transport(0), "p=0"),
    ],
)
def test_samples_that_do_not_fit_are_refused(call, message):
    with pytest.raises(InvalidInput, match=message):
        call(np.linspace(0, 1, 50))
