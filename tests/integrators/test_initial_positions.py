"""Where particles start: the forms of x0, their laws, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest
from bare_processes import MODELS, between, ou
from scipy import stats

import fpsde
from fpsde.density import FrozenLaw, Mixture, Normal, Point, Uniform
from fpsde.domain import Interval, Wall
from fpsde.errors import InvalidInput
from fpsde.integrators import simulate
from fpsde.integrators.initial import start_of
from fpsde.panel_law import PanelLaw
from fpsde.processes.process import Process
from fpsde.schemes import euler_maruyama

ALPHA = 1e-8
PLANE = MODELS["two dimensions"][1]
BIMODAL = Mixture([0.3, 0.7], [Normal(-1.0, 0.2), Uniform(0.5, 2.0)])
HALF_LINE = Interval(0.0, np.inf)


def started(x0, process=None, n=1000, seed=1):
    return start_of(x0, process or ou(), n_particles=n, seed=seed)(0, n)


POINTS = {
    "a number": (0.5, ou(), [[0.5]]),
    "a NumPy number": (np.float32(0.5), ou(), [[0.5]]),
    "a whole number": (2, ou(), [[2.0]]),
    "a list of one": ([0.5], ou(), [[0.5]]),
    "a point": (Point(0.5), ou(), [[0.5]]),
    "one number for two components": (0.5, PLANE, [[0.5], [0.5]]),
    "a tuple": ((0.5, -1.0), PLANE, [[0.5], [-1.0]]),
    "points": ([Point(0.5), Point(-1.0)], PLANE, [[0.5], [-1.0]]),
    "a point and a number": ([Point(0.5), -1.0], PLANE, [[0.5], [-1.0]]),
}


@pytest.mark.parametrize("name", POINTS)
def test_points_are_taken_in_every_form(name):
    x0, process, exact = POINTS[name]
    np.testing.assert_array_equal(started(x0, process, 700), np.repeat(exact, 700, axis=1))


@pytest.mark.parametrize(
    "law",
    [
        Normal(0.4, 1.3),
        Uniform(-0.2, 3.0),
        BIMODAL,
        FrozenLaw(stats.gamma(2.5)),
        Mixture([0.5, 0.5], [Normal(0, 1), BIMODAL]),
    ],
    ids=["normal", "uniform", "mixture", "gamma", "nested mixture"],
)
def test_a_law_is_drawn_from(law, seed):
    x = started(law, n=100_000, seed=seed)
    assert x.shape == (1, 100_000) and np.all(np.isfinite(x))
    assert stats.kstest(x[0], law.cdf).pvalue > ALPHA
    assert stats.kstest(x[0], lambda v: law.cdf(v - 0.05)).pvalue < ALPHA


def test_a_mixture_with_points_keeps_their_shares(seed):
    x = started(Mixture([0.25, 0.75], [Point(2.0), Normal(0.0, 1.0)]), n=100_000, seed=seed)[0]
    assert stats.binomtest(int(np.sum(x == 2.0)), 100_000, 0.25).pvalue > ALPHA
    assert stats.kstest(x[x != 2.0], "norm").pvalue > ALPHA


def test_components_are_drawn_independently(seed):
    x = started([Normal(0.0, 1.0), Uniform(0.0, 1.0)], PLANE, 100_000, seed)
    assert stats.kstest(x[0], "norm").pvalue > ALPHA and stats.kstest(x[1], "uniform").pvalue > ALPHA
    assert abs(np.corrcoef(x)[0, 1]) < 6 / np.sqrt(100_000)
    mixed = started([BIMODAL, BIMODAL], PLANE, 100_000, seed)
    assert abs(np.corrcoef(mixed > 0)[0, 1]) < 6 / np.sqrt(100_000)


def test_a_draw_depends_on_seed_and_id_alone(seed):
    start = start_of(BIMODAL, ou(), n_particles=5000, seed=seed)
    whole = start(0, 5000)
    for first, count in [(0, 10), (3, 700), (4999, 1)]:
        np.testing.assert_array_equal(start(first, count), whole[:, first : first + count])
    assert not np.array_equal(whole, started(BIMODAL, n=5000, seed=seed ^ 1))


def test_initial_positions_and_increments_are_independent(seed):
    process = Process(drift=lambda x: 0.0, sigma=lambda x: 1.0)
    x0 = started(Normal(0.0, 1.0), process, 100_000, seed)[0]
    x = simulate(process, euler_maruyama, x0=Normal(0.0, 1.0), t_end=1.0, dt=1.0, n_particles=100_000, seed=seed).x[0]
    w = x - x0
    assert stats.kstest(w, "norm").pvalue > ALPHA and abs(np.mean(x0 * w)) < 6 / np.sqrt(100_000)
    assert abs(np.mean((x0**2 - 1) * (w**2 - 1))) < 12 / np.sqrt(100_000)


def test_given_positions_are_taken_as_they_are():
    x0 = np.random.default_rng(1).normal(size=(2, 1300))
    np.testing.assert_array_equal(started(x0, PLANE, 1300), x0)
    np.testing.assert_array_equal(started(x0[0], ou(), 1300), x0[:1])
    np.testing.assert_array_equal(started(x0[:1], ou(), 1300), x0[:1])
    np.testing.assert_array_equal(started(x0[0].tolist(), ou(), 1300), x0[:1])
    np.testing.assert_array_equal(start_of(x0, PLANE, n_particles=1300, seed=1)(512, 512), x0[:, 512:1024])


def test_the_callers_array_is_not_touched():
    x0 = np.linspace(-1, 1, 600)
    simulate(ou(), euler_maruyama, x0=x0, t_end=1.0, dt=0.1, n_particles=600, seed=1)
    np.testing.assert_array_equal(x0, np.linspace(-1, 1, 600))


@pytest.mark.parametrize("wall", [Wall.REFLECTING, Wall.PERIODIC, Wall.ABSORBING])
@pytest.mark.parametrize(
    "x0",
    [
        -0.7,
        0.9,
        Point(0.9),
        Uniform(-0.7, 0.9),
        Mixture([0.5, 0.5], [Point(-0.7), Uniform(0.0, 0.9)]),
        Normal(0.1, 0.05),
    ],
)
def test_a_start_may_touch_the_walls(x0, wall):
    x = started(x0, ou(domain=between(wall)))
    assert np.all((x >= -0.7) & (x <= 0.9))


def test_a_law_whose_mass_is_rounded_is_not_outside_of_a_line():
    weights = np.full(7, 1 / 7) * (1 - 3e-13)
    started(Mixture(weights, [Normal(float(k), 1.0) for k in range(7)]))
    density = lambda x: np.exp(-0.5 * x**2) / np.sqrt(2 * np.pi) * (1 - 1e-9)  # noqa: E731
    started(PanelLaw.from_density(density, np.linspace(-9, 9, 40)))


BAD = {
    "a point outside": (
        2.0,
        ou(domain=between(Wall.REFLECTING)),
        r"x0=Point\(at=2\.0\) reaches outside of the domain \(-0\.7, 0\.9\) of process",
    ),
    "a point below": (
        Point(-1e-9),
        Process(drift=lambda x: 1 - x, sigma=np.sqrt, domain=HALF_LINE),
        r"reaches outside of the domain \(0\.0, inf\)",
    ),
    "a law that reaches out": (
        Normal(0.0, 1.0),
        ou(domain=between(Wall.REFLECTING)),
        r"x0=Normal\(centre=0\.0, std=1\.0\) reaches outside",
    ),
    "a uniform that reaches out": (Uniform(-0.7, 0.9000001), ou(domain=between(Wall.REFLECTING)), r"reaches outside"),
    "positions outside": (
        np.linspace(-1, 1, 1000),
        ou(domain=between(Wall.ABSORBING)),
        r"200 of 1000 initial positions lie outside of the domain",
    ),
    "NaN": (np.nan, ou(), r"x0 has 1 of 1 values that are NaN or infinite"),
    "NaN among positions": (np.r_[np.zeros(999), np.nan], ou(), r"x0 has 1 of 1000 values that are NaN"),
    "text": ("0.5", ou(), r"x0 has dtype <U3; give real numbers"),
    "nothing": ([], ou(), r"x0 is empty"),
    "a function": (lambda n: np.zeros(n), ou(), r"x0 has dtype object; give real numbers"),
    "complex": (1j, ou(), r"x0 has dtype complex128"),
    "too few positions": (
        np.zeros(999),
        ou(),
        r"x0 has shape \(999,\); \(1, 1000\) positions are needed, component first",
    ),
    "components last": (
        np.zeros((1000, 2)),
        PLANE,
        r"x0 has shape \(1000, 2\); \(2, 1000\) positions are needed, component first",
    ),
    "three components": ((0.0, 0.0, 0.0), PLANE, r"x0 has shape \(3,\); \(2, 1000\) positions"),
    "one law for two components": (
        Normal(0.0, 1.0),
        PLANE,
        r"x0 gives 1 initial laws for a process of dimension 2; give one law or number for each",
    ),
    "three laws": ([Normal(0.0, 1.0)] * 3, PLANE, r"x0 gives 3 initial laws"),
    "a law and text": ([Normal(0.0, 1.0), "a"], PLANE, r"x0='a' is not a number"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_start_is_refused(name):
    x0, process, message = BAD[name]
    with pytest.raises(InvalidInput, match=message):
        started(x0, process)


def test_a_sampler_draws_by_counter(seed):
    """An exponential start: its law (by SciPy), and the same bits for any number of threads."""
    run = {"t_end": 1e-9, "dt": 1e-9, "n_particles": 100_000, "seed": seed}
    slow = fpsde.Process(drift=lambda x: 0 * x, sigma=lambda x: 1e-12, name="slow")
    start = fpsde.Sampler(lambda u: -np.log(u[0]))
    one, two = (fpsde.simulate(slow, fpsde.euler_maruyama, x0=start, threads=k, **run).x for k in (1, 2))
    assert np.array_equal(one, two)
    assert stats.kstest(one[0], "expon").pvalue > 1e-9
    assert stats.kstest(one[0], stats.expon(scale=1.05).cdf).pvalue < 1e-9


@pytest.mark.parametrize(
    ("draw", "message"),
    [
        (lambda u: u[0, :5], "positions are needed"),
        (lambda u: u[0] * np.nan, "NaN"),
        (lambda u: u[0] - 2, "outside of the"),
    ],
)
def test_a_sampler_that_gives_something_else_is_refused(draw, message):
    walls = fpsde.Interval.between(-1.0, 1.0, fpsde.Wall.REFLECTING)
    process = fpsde.Process(drift=lambda x: -x, sigma=lambda x: 1.0, domain=walls)
    with pytest.raises(fpsde.InvalidInput, match=message):
        fpsde.simulate(
            process, fpsde.euler_maruyama, x0=fpsde.Sampler(draw), t_end=1.0, dt=0.1, n_particles=100, seed=1
        )
