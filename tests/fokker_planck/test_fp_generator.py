"""Q itself: signs, column sums, detailed balance, walls, and the coefficients that it refuses."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.integrate import quad

from fpsde.domain import LINE, Interval, Wall
from fpsde.errors import InvalidInput
from fpsde.fokker_planck import assemble
from fpsde.grid import Grid

RING = Interval.between(-3, 3, Wall.PERIODIC)
ABSORBING = Interval.between(-3, 3, Wall.ABSORBING)
REFLECTING = Interval.between(-3, 3, Wall.REFLECTING)


def rough_grid(cells: int = 60) -> Grid:
    widths = np.random.default_rng(5).uniform(0.2, 1.0, cells)
    return Grid((np.r_[-3.0, -3 + 6 * np.cumsum(widths[:-1]) / widths.sum(), 3.0],))


@pytest.fixture
def wavy(stand_in):
    """A drift and a diffusivity that are periodic on [-3, 3], and drive a ring round."""
    k = np.pi / 3
    return stand_in(lambda x, t: 0.5 + 3 * np.sin(k * x) + t, lambda x, t: 1 + 0.3 * np.cos(k * x))


@pytest.mark.parametrize("domain", [LINE, RING, ABSORBING, REFLECTING], ids=["line", "ring", "absorbing", "reflecting"])
@pytest.mark.parametrize("grid", [Grid.uniform((-3, 3), cells=37), rough_grid()], ids=["uniform", "rough"])
def test_columns_sum_to_minus_the_exits_and_rates_are_not_negative(wavy, domain, grid):
    generator = assemble(replace(wavy, domain=domain), grid)
    q = generator.dense()
    out = np.zeros(len(q))
    out[[0, -1]] = generator.exits
    np.testing.assert_allclose(q.sum(axis=0), -out, atol=1e-12 * generator.max_rate)
    assert np.all(q - np.diag(np.diag(q)) >= 0)
    assert (min(generator.exits) > 0) == (domain is ABSORBING)
    assert (q[0, -1] > 0 and q[-1, 0] > 0) == (domain is RING)
    assert generator.max_rate == -np.diag(q).min()
    m = np.random.default_rng(1).uniform(size=len(q))
    np.testing.assert_allclose(generator.apply(m), q @ m, atol=1e-12 * generator.max_rate)


@pytest.mark.parametrize(
    "grid", [Grid.uniform((-7, 7), cells=140), Grid((7 * np.sinh(np.linspace(-2, 2, 141)) / np.sinh(2),))]
)
def test_the_equilibrium_is_exact_to_round_off_for_a_variable_diffusivity(stand_in, grid):
    process = stand_in(lambda x, t: -x, lambda x, t: 1 + 0.3 * np.sin(x))
    q = assemble(process, grid)
    exponent = np.array(
        [quad(lambda y: -y / (1 + 0.3 * np.sin(y)), 0, x, epsabs=1e-14, epsrel=1e-13)[0] for x in grid.centres]
    )
    m = grid.widths * np.exp(exponent) / (1 + 0.3 * np.sin(grid.centres))
    assert np.abs(q.apply(m)).sum() < 1e-14 * (-q.diag @ m)
    np.testing.assert_allclose(q.lower * m[:-1], q.upper * m[1:], rtol=1e-12)  # detailed balance
    plain = grid.widths * np.exp(exponent)  # of (D p')' in place of (D p)'': another process
    assert np.abs(q.apply(plain)).sum() > 1e-4 * (-q.diag @ plain)


def test_the_seam_is_an_edge_like_any_other(wavy):
    ring = replace(wavy, domain=RING)
    q = assemble(ring, Grid.uniform((-3, 3), cells=40)).dense()
    turned = assemble(
        replace(ring, drift=lambda x, t: ring.drift(x + 1.5, t), d=lambda x, t: ring.d(x + 1.5, t)),
        Grid.uniform((-3, 3), cells=40),
    ).dense()
    np.testing.assert_allclose(np.roll(turned, (10, 10), axis=(0, 1)), q, rtol=1e-12, atol=1e-12)


def test_coefficients_are_read_at_the_time_given(wavy):
    grid = Grid.uniform((-3, 3), cells=20)
    later = replace(wavy, drift=lambda x, t: wavy.drift(x, 2.0))
    np.testing.assert_array_equal(assemble(wavy, grid, 2.0).dense(), assemble(later, grid).dense())
    assert not np.allclose(assemble(wavy, grid, 2.0).dense(), assemble(wavy, grid).dense())


def test_an_end_where_the_diffusivity_vanishes_is_never_read(stand_in):
    def never_at_zero(x, t):
        assert np.all(x > 0) and np.all(x < 1)
        return 0.1 * x * (1 - x)

    jacobi = stand_in(lambda x, t: 0.5 - x, never_at_zero, Interval(0, 1))
    assert np.isfinite(assemble(jacobi, Grid.uniform((0, 1), cells=10)).dense()).all()


def test_the_exponent_of_an_edge_is_its_peclet_number(stand_in):
    q = assemble(stand_in(lambda x, t: 3.0, lambda x, t: 0.5), Grid.uniform((0, 1), cells=10))
    np.testing.assert_allclose(q.exponents, 3 * 0.1 / 0.5)
    assert len(q.exponents) == 9


@pytest.mark.parametrize(
    ("drift", "d", "message"),
    [
        (lambda x: -x, lambda x: x, r"diffusivity of stand-in is -2\.9\d* at x=-2\.9.*finite and positive"),
        (lambda x: -x, lambda x: 0 * x, r"diffusivity of stand-in is 0\.0 at x=.*t=0\.5 \(\d+ of \d+ points\)"),
        (
            lambda x: np.where(x > 1, np.nan, x),
            lambda x: 1 + 0 * x,
            r"drift of stand-in is nan at x=1\.0.*must be finite",
        ),
        (lambda x: -x, lambda x: np.where(x > 1, np.inf, 1), r"diffusivity of stand-in is inf at x=1\.0"),
        (lambda x: -x, lambda x: 1e307 + 0 * x, r"(left|right)\[\d+\]=inf at x=.*rates must be finite"),
    ],
)
def test_coefficients_out_of_range_are_refused_where_they_are(stand_in, drift, d, message):
    process = stand_in(lambda x, t: drift(x), lambda x, t: d(x))
    with np.errstate(over="ignore"), pytest.raises(InvalidInput, match=message):
        assemble(process, Grid.uniform((-3, 3), cells=30), 0.5)


def test_rates_of_another_shape_are_refused(wavy):
    q = assemble(wavy, Grid.uniform((-3, 3), cells=30))
    with pytest.raises(InvalidInput, match=r"left has shape \(29,\), the grid \(30,\)"):
        replace(q, left=q.left[1:])


@pytest.mark.parametrize(
    ("domain", "box", "message"),
    [
        (Interval(0, np.inf), (-1, 3), r"grid \[-1\.0, 3\.0\] reaches outside of the domain \(0, inf\)"),
        (RING, (-3, 2), r"grid \[-3\.0, 2\.0\] does not fill the periodic domain \[-3, 3\]"),
    ],
)
def test_a_grid_that_does_not_fit_the_domain_is_refused(wavy, domain, box, message):
    with pytest.raises(InvalidInput, match=message):
        assemble(replace(wavy, domain=domain), Grid.uniform(box, cells=30))
