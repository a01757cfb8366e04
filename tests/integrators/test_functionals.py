"""Observers of whole paths against plain sums over the paths, and against laws that are known exactly."""

from __future__ import annotations

import numpy as np
import pytest
from bare_processes import ou, two_dimensional
from scipy import stats
from whole_runs import RING

from fpsde.density import Normal
from fpsde.domain import Interval, Wall
from fpsde.errors import InvalidInput
from fpsde.integrators import (
    Autocorrelation,
    Covariance,
    Crossings,
    Displacement,
    FirstPassage,
    Functional,
    Histogram,
    JointHistogram,
    Moments,
    Paths,
    Snapshots,
    Tracked,
    paths,
    simulate,
)
from fpsde.noise import Normals
from fpsde.processes import underdamped
from fpsde.processes.process import Process
from fpsde.processes.walls import brownian_between_walls
from fpsde.schemes import euler_maruyama, leimkuhler_matthews, splitting

ALPHA = 1e-8
N = 700
THREE = Process(
    drift=lambda x: (-x[0], x[0] - x[1], x[1] - x[2]), sigma=lambda x: (0.5, 0.4, 0.3), dim=3, name="chain of three"
)
#: process, where it starts
PROCESSES = {"one": (ou(), 0.1), "two": (two_dimensional(), (0.1, -0.3)), "three": (THREE, (0.1, 0.2, 0.3))}


def run_of(observers, process=None, *, x0=0.1, t_end=4.0, dt=0.125, n=N, seed=4, scheme=euler_maruyama, **more):
    """Return a run, its times and all of its paths, (n, d, steps + 1)."""
    arguments = dict(x0=x0, t_end=t_end, dt=dt, n_particles=n, seed=seed) | more
    run = simulate(process or ou(), scheme, observers=[*observers, Paths(range(n))], **arguments)
    return run, run.results[-1].times, run.results[-1].x


def trapezoid(values, times):
    """Return the integral up to each time, by the trapezoid rule."""
    parts = 0.5 * (values[:, 1:] + values[:, :-1]) * np.diff(times)
    return np.concatenate([np.zeros((len(values), 1)), np.cumsum(parts, axis=1)], axis=1)


# --- paths


@pytest.mark.parametrize("name", PROCESSES)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_paths_are_what_snapshots_show(name, dtype):
    process, x0 = PROCESSES[name]
    times = np.arange(1, 33) * 0.125
    run, grid, x = run_of([Snapshots(times)], process, x0=x0, dtype=dtype)
    assert x.shape == (N, process.dim, 33) and x.dtype == dtype
    np.testing.assert_array_equal(grid, np.arange(33) * 0.125)
    np.testing.assert_array_equal(x[:, :, 0], np.broadcast_to(np.atleast_1d(x0).astype(dtype), (N, process.dim)))
    for k, (_, seen) in enumerate(run.snapshots):
        np.testing.assert_array_equal(x[:, :, k + 1].T, seen)
    np.testing.assert_array_equal(x[:, :, -1].T, run.x)


def test_a_path_passes_from_segment_to_segment_without_a_seam(monkeypatch):
    whole = run_of([], two_dimensional(), x0=(0.1, -0.3))[2]
    monkeypatch.setattr(paths, "SEGMENT", 7)
    np.testing.assert_array_equal(run_of([], two_dimensional(), x0=(0.1, -0.3))[2], whole)


def test_paths_beyond_the_run_are_left_out_and_the_order_is_kept():
    run, _, x = run_of([Paths([650, 5000, 3, 10**12])])
    few = run.results[0]
    assert few.particles.tolist() == [650, 3]
    np.testing.assert_array_equal(few.x, x[[650, 3]])
    none = run_of([Paths([5000])], first_particle=0)[0].results[0]  # a part of a larger run
    assert none.particles.tolist() == [] and none.x.shape == (0, 1, 33)


def test_a_path_of_a_tracked_value_and_of_a_component():
    run, times, x = run_of(
        [Functional(lambda x: x[1], name="area"), Paths([5], of="area"), Paths([5], of=1)],
        two_dimensional(),
        x0=(0.1, -0.3),
    )
    np.testing.assert_allclose(run.results[1].x[0, 0], trapezoid(x[5:6, 1], times)[0], rtol=1e-12, atol=1e-14)
    np.testing.assert_array_equal(run.results[2].x[0, 0], x[5, 1])


# --- integrals


@pytest.mark.parametrize("name", PROCESSES)
def test_a_functional_is_the_trapezoid_rule_on_the_path(name):
    process, x0 = PROCESSES[name]
    first = (lambda x: x) if process.dim == 1 else (lambda x: x[0])
    f = Functional(lambda x, t: np.sin(first(x)) * t + 1.0, times=[1.0, 4.0])
    run, times, x = run_of([f], process, x0=x0)
    exact = trapezoid(np.sin(x[:, 0]) * times + 1.0, times)
    np.testing.assert_allclose(run.values["functional"], exact[:, -1], rtol=1e-12)
    for sums, column in zip(run.result(f), (8, 32), strict=True):
        np.testing.assert_allclose(sums.mean, exact[:, column].mean(), rtol=1e-12)
        np.testing.assert_allclose(sums.variance, exact[:, column].var(), rtol=1e-9)
    wrong = np.cumsum((np.sin(x[:, 0]) * times + 1.0)[:, :-1] * np.diff(times), axis=1)[:, -1]  # left ends
    assert np.abs(wrong - run.values["functional"]).min() > 1e-6


def test_a_functional_reads_parameters_and_an_uneven_grid():
    process = two_dimensional()
    grid = np.array([0.5, 0.6, 1.0, 1.3, 2.5])
    run, times, x = run_of([Functional(lambda x, t, p: p.g * x[1] ** 2)], process, x0=(0.1, -0.3), times=grid,
                           t_end=None, dt=None)  # fmt: skip
    np.testing.assert_allclose(run.values["functional"], trapezoid(0.6 * x[:, 1] ** 2, times)[:, -1], rtol=1e-12)


def test_a_functional_integrates_what_a_scheme_observes():
    place = Snapshots([4.0], of="place")
    run, times, x = run_of([Functional(lambda x: x**2), place], scheme=leimkuhler_matthews)
    assert np.all(x[:, 0, 0] == 0.1)
    np.testing.assert_allclose(run.values["functional"], trapezoid(x[:, 0] ** 2, times)[:, -1], rtol=1e-12)
    np.testing.assert_array_equal(run.result(place)[0][1], run.x)
    assert "place" not in run.values  # it is x


def test_an_own_tracked_function_sees_both_ends_of_each_step():
    longest = Tracked("longest", lambda v, a, b, t, dt, p: np.where(np.abs(b[0] - a[0]) > v, np.abs(b[0] - a[0]), v))
    late = Tracked("late", lambda v, a, b, t, dt, p: np.where(t + dt > 3.9, p.theta * b[0], v), start=7.0)
    run, _, x = run_of([longest, late, Moments(of="longest"), Histogram(0.0, 2.0, 5, of="longest")])
    exact = np.abs(np.diff(x[:, 0])).max(axis=1)
    np.testing.assert_array_equal(run.result(longest), exact)
    np.testing.assert_allclose(run.values["late"], 1.3 * x[:, 0, -1], rtol=1e-15)
    np.testing.assert_allclose(run.moments[0].mean, exact.mean(), rtol=1e-13)
    np.testing.assert_array_equal(run.histograms[0].counts[0], np.histogram(exact, bins=5, range=(0, 2))[0])


def test_a_tracked_function_reads_the_state_of_a_scheme():
    process = underdamped(lambda x: 0.5 * x**2, temperature=0.5, friction=1.0, mass=1.0)
    seen = Tracked("seen", lambda v, a, b, t, dt, p, aux: aux["work"] + aux["heat"], reads_state=True)
    tracking = splitting("BAOAB", track_work=True)
    run, _, _ = run_of([seen, Moments(of="work")], process, x0=(0.5, 0.0), scheme=tracking)
    both = run.values["work"] + run.values["heat"]
    np.testing.assert_allclose(run.values["seen"], both, rtol=1e-12, atol=1e-14)
    assert np.unique(both).size > N // 2
    np.testing.assert_allclose(run.moments[0].mean, run.values["work"].mean(), rtol=1e-10, atol=1e-14)


# --- first passages


def first_passages(x, inside, times):
    """Return the first time after the start at which each path is inside, or -1."""
    hit = inside(x)[:, 1:]
    return np.where(hit.any(axis=1), times[1:][np.argmax(hit, axis=1)], -1.0)


@pytest.mark.parametrize("bins", [1, 8, 32])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_first_passages_are_those_of_the_paths(bins, dtype):
    observer = FirstPassage(lambda x: x > 0.9, bins=bins)
    run, times, x = run_of([observer], dtype=dtype)
    exact = first_passages(x[:, 0], lambda v: v > dtype(0.9), times)
    np.testing.assert_array_equal(run.values["passage"], exact)
    passages, arrived = run.result(observer), exact[exact > 0]
    assert passages.censored == np.count_nonzero(exact < 0) > 30 and passages.n == N and passages.time == 4.0
    assert passages.mean == pytest.approx(arrived.mean(), rel=1e-12)
    assert passages.variance == pytest.approx(arrived.var(), rel=1e-9)
    # each bin holds the ends of whole steps
    np.testing.assert_allclose(passages.histogram.faces[0, [0, -1]], [0.0625, 4.0625], rtol=1e-6)
    steps = np.rint(arrived / 0.125).astype(int)
    np.testing.assert_array_equal(passages.histogram.counts[0], np.bincount((steps - 1) * bins // 32, minlength=bins))
    assert passages.histogram.above[0] == passages.histogram.nan[0] == 0


def test_nobody_and_everybody_arrives():
    nobody, everybody = FirstPassage(lambda x: x > 50.0, name="no"), FirstPassage(lambda x: x < 50.0, name="all")
    run, _, _ = run_of([nobody, everybody])
    assert run.result(nobody).censored == N and np.isnan(run.result(nobody).mean)
    assert run.result(nobody).histogram.counts.sum() == 0
    assert run.result(everybody).censored == 0 and run.result(everybody).mean == 0.125  # the end of the first step


def test_a_region_may_move_and_be_of_several_components():
    observer = FirstPassage(lambda x, t, p: (x[0] ** 2 + x[1] ** 2 > 0.1 + t) & (x[0] > 0), bins=4)
    run, times, x = run_of([observer], two_dimensional(), x0=(0.1, -0.3))
    exact = first_passages(x, lambda v: (v[:, 0] ** 2 + v[:, 1] ** 2 > 0.1 + times) & (v[:, 0] > 0), times)
    np.testing.assert_array_equal(run.values["passage"], exact)
    assert 0 < np.count_nonzero(exact > 0) < N


@pytest.mark.parametrize(
    ("drift", "domain"),
    [
        (0.5, Interval(-np.inf, 1.0, Wall.NONE, Wall.ABSORBING)),
        (0.0, Interval(-1.0, 1.0, Wall.ABSORBING, Wall.ABSORBING)),
    ],
    ids=["inverse Gaussian", "sine series"],
)
def test_passages_of_an_absorbing_wall_follow_its_exact_law(drift, domain, seed):
    """Brownian motion steps exactly and crosses by the bridge: the law at the ends of steps is that of the process."""
    n, t_end, dt = 100_000, 2.0, 0.25
    process = Process(drift=lambda x: drift, sigma=lambda x: 1.0, domain=domain)
    observer = FirstPassage(lambda x: (x >= 1.0) | (x <= -1.0) if np.isfinite(domain.low) else x >= 1.0, bins=8)
    arguments = dict(x0=0.2, t_end=t_end, dt=dt, n_particles=n, seed=seed, observers=[observer])
    passages = simulate(process, euler_maruyama, **arguments).result(observer)
    times = np.arange(1, 9) * dt
    if np.isinf(domain.low):
        cdf = stats.invgauss(mu=1 / (0.5 * 0.8), scale=0.8**2).cdf(times)
    else:
        law = brownian_between_walls(drift, 1.0, domain)
        cdf = np.array([sum(mass for _, mass in law.transition(0.2, t).atoms) for t in times])
    expected = n * np.diff(np.concatenate([[0.0], cdf, [1.0]]))
    found = np.append(passages.histogram.counts[0], passages.censored)
    assert stats.chisquare(found, expected).pvalue > ALPHA
    uncorrected = n * np.diff(np.concatenate([[0.0], 0.98 * cdf, [1.0]]))
    assert stats.chisquare(found, uncorrected).pvalue < ALPHA  # 2 % fewer would be seen


# --- currents


def unwound(x, length):
    """Return a path on a ring, unwound: each step the shorter way round."""
    steps = np.diff(x)
    steps = steps - length * np.rint(steps / length)
    return np.concatenate([x[:, :1], x[:, :1] + np.cumsum(steps, axis=1)], axis=1)


@pytest.mark.parametrize("at", [0.3, -np.pi, 3.0])
def test_crossings_and_displacements_are_those_of_the_unwound_path(at):
    crossings, displacement = Crossings(at, times=[2.0, 40.0]), Displacement(times=[2.0, 40.0])
    run, _, x = run_of([crossings, displacement], RING, x0=(0.2, 0.0), t_end=40.0, n=300)
    y = unwound(x[:, 0], 2 * np.pi)
    assert y.max() > 20  # several turns
    turns = np.floor((y - at) / (2 * np.pi))
    np.testing.assert_array_equal(run.values["crossings"], turns[:, -1] - turns[:, 0])
    np.testing.assert_allclose(run.values["displacement"], y[:, -1] - y[:, 0], rtol=0, atol=1e-11)
    for sums, column in zip(run.result(displacement), (16, 320), strict=True):
        assert sums.mean[0] == pytest.approx((y[:, column] - y[:, 0]).mean(), abs=1e-12)
    for sums, column in zip(run.result(crossings), (16, 320), strict=True):
        assert sums.mean[0] == pytest.approx((turns[:, column] - turns[:, 0]).mean(), abs=1e-12)
    naive = x[:, 0, -1] - x[:, 0, 0]
    assert np.abs(naive - run.values["displacement"]).max() > 6


def test_crossings_and_displacements_on_a_line():
    crossings, displacement = Crossings(0.5, component=1), Displacement(1.0)
    # it starts on the surface, which counts as above it
    run, _, x = run_of([crossings, displacement], two_dimensional(), x0=(0.1, 0.5))
    assert {*run.values["crossings"]} == {-1.0, 0.0}
    np.testing.assert_array_equal(run.values["crossings"], (x[:, 1, -1] >= 0.5).astype(float) - (x[:, 1, 0] >= 0.5))
    np.testing.assert_allclose(run.values["displacement"], x[:, 1, -1] - x[:, 1, 0], rtol=0, atol=1e-13)


def test_the_velocity_on_a_driven_ring_is_its_current(seed):
    """Constant force on a ring: displacements are normal, mean f t and variance sigma^2 t, for any step."""
    n, t_end = 40_000, 4.0
    ring = Process(drift=lambda x: 0.7, sigma=lambda x: 0.9, domain=Interval(0.0, 2.0, Wall.PERIODIC, Wall.PERIODIC))
    displacement, crossings = Displacement(), Crossings(1.0)
    arguments = dict(x0=0.0, t_end=t_end, dt=0.0625, n_particles=n, seed=seed, normals=Normals.FLOAT64)
    run = simulate(ring, euler_maruyama, observers=[displacement, crossings], **arguments)
    exact = stats.norm(0.7 * t_end, 0.9 * np.sqrt(t_end))
    assert stats.kstest(run.values["displacement"], exact.cdf).pvalue > ALPHA
    assert stats.kstest(run.values["displacement"], lambda v: exact.cdf(v - 0.1)).pvalue < ALPHA
    np.testing.assert_array_equal(run.values["crossings"], np.floor((run.values["displacement"] + 1.0) / 2.0))


# --- autocorrelations


@pytest.mark.parametrize("origin", [0.0, 1.0, 3.875])
def test_an_autocorrelation_is_the_covariance_of_two_snapshots(origin):
    observer = Autocorrelation(lambda x, t: np.cos(x + t), origin, [3.9375, 4.0])
    run, times, x = run_of([observer], x0=Normal(0.1, 0.5), dt=0.0625)
    a = np.cos(x[:, 0, int(origin * 16)] + origin)
    np.testing.assert_allclose(run.values["autocorrelation_origin"], a, rtol=1e-15, atol=1e-15)
    for sums, column in zip(run.result(observer), (63, 64), strict=True):
        exact = np.cov(a, np.cos(x[:, 0, column] + times[column]), bias=True)
        np.testing.assert_allclose(sums.covariance, exact, rtol=1e-11, atol=1e-15)


@pytest.mark.parametrize("origin", [0.0, 1.0, 4.0])
@pytest.mark.parametrize("later", [[], [4.5]])
def test_the_autocorrelation_at_lag_zero_is_the_variance(origin, later):
    observer = Autocorrelation(lambda x, t: np.cos(x + t), origin, [origin, *later])
    run, _, x = run_of([observer, Moments()], x0=Normal(0.1, 0.5), dt=0.25, t_end=4.5)
    a = np.cos(x[:, 0, int(origin * 4)] + origin)
    found = run.result(observer)
    assert [sums.time for sums in found] == [origin, *later]
    np.testing.assert_allclose(found[0].covariance, np.full((2, 2), a.var()), rtol=1e-11)
    if later:
        np.testing.assert_allclose(found[1].covariance, np.cov(a, np.cos(x[:, 0, -1] + 4.5), bias=True), rtol=1e-11)
    np.testing.assert_allclose(run.moments[0].mean, x[:, 0, -1].mean(), rtol=1e-12)


@pytest.mark.parametrize("origin", [0.5, 2.0, 2.1])
def test_the_origin_of_an_autocorrelation_on_an_uneven_grid(origin):
    """Its longest step is fifteen times its shortest: half of another step would reach beyond the next time."""
    grid = np.array([0.5, 2.0, 2.1, 2.3, 2.5])
    observer = Autocorrelation(lambda x: x, origin, [2.5])
    run, times, x = run_of([observer], times=grid, t_end=None, dt=None)
    np.testing.assert_array_equal(run.values["autocorrelation_origin"], x[:, 0, list(times).index(origin)])


def test_the_autocorrelation_of_a_stationary_chain_is_its_multiplier_to_the_power(seed):
    """x' = (1 - theta dt) x + sigma dW at its own stationary variance: C(k dt) = (1 - theta dt)^k Var."""
    n, dt, theta, sigma = 200_000, 0.25, 1.0, 0.8
    variance = sigma**2 * dt / (1 - (1 - theta * dt) ** 2)
    process = Process(drift=lambda x: -theta * x, sigma=lambda x: sigma)
    observer = Autocorrelation(lambda x: x, 0.5, [0.75, 1.5, 2.5])
    arguments = dict(x0=Normal(0.0, np.sqrt(variance)), t_end=2.5, dt=dt, n_particles=n, seed=seed)
    sums = simulate(process, euler_maruyama, observers=[observer], normals=Normals.FLOAT64, **arguments).result(
        observer
    )
    for one, k in zip(sums, (1, 4, 8), strict=True):
        rho, exact = (1 - theta * dt) ** k, np.exp(-theta * dt * k)
        found = one.covariance[0, 1] / np.sqrt(one.covariance[0, 0] * one.covariance[1, 1])
        z = (np.arctanh(found) - np.arctanh(rho)) * np.sqrt(n - 3)  # Fisher's transform
        assert abs(z) < stats.norm.isf(ALPHA / 2)
        assert abs(np.arctanh(found) - np.arctanh(exact)) * np.sqrt(n - 3) > stats.norm.isf(ALPHA / 2)


# --- sums and counts of two values


def test_covariances_are_numpys():
    observer = Covariance([1.0, 4.0], centre=(0.2, -0.1, 0.3))
    mixed = Covariance(of=("area", 2), centre=0.5)
    run, _, x = run_of([observer, mixed, Functional(lambda x: x[0], name="area")], THREE, x0=(0.1, 0.2, 0.3), n=N)
    for sums, column in zip(run.result(observer), (8, 32), strict=True):
        np.testing.assert_allclose(sums.covariance, np.cov(x[:, :, column].T, bias=True), rtol=1e-11)
        np.testing.assert_allclose(sums.mean, x[:, :, column].mean(axis=0), rtol=1e-12)
    (sums,) = run.result(mixed)
    np.testing.assert_allclose(sums.covariance, np.cov(run.values["area"], run.x[2], bias=True), rtol=1e-11)


def test_joint_counts_are_numpys():
    observer = JointHistogram((-0.5, -0.4), (0.5, 0.3), (6, 5), times=[1.0, 4.0], of=(0, 2))
    run, _, x = run_of([observer], THREE, x0=(0.1, 0.2, 0.3))
    for counts, column in zip(run.result(observer), (8, 32), strict=True):
        exact, *faces = np.histogram2d(x[:, 0, column], x[:, 2, column], bins=(6, 5), range=[(-0.5, 0.5), (-0.4, 0.3)])
        np.testing.assert_array_equal(counts.counts, exact)
        assert counts.outside == N - exact.sum() and 0 < counts.outside < N
        for a, b in zip(counts.faces, faces, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-15, atol=1e-16)


@pytest.mark.parametrize("q", [0.01, 0.25, 0.5, 0.9, 0.999])
def test_quantiles_lie_within_a_bin_of_the_samples(q):
    run, _, x = run_of([Histogram(-3.0, 3.0, 40)])
    counts = run.histograms[0]
    at = np.sort(x[:, 0, -1])[[max(int(np.floor(q * N)) - 1, 0), min(int(np.ceil(q * N)), N - 1)]]
    assert at[0] - 0.15 <= counts.quantile(q)[0] <= at[1] + 0.15
    assert abs(counts.quantile(min(q + 0.2, 0.9999))[0] - at[0]) > 0.15 or q > 0.9


def test_a_quantile_beside_the_bins_is_refused():
    counts = run_of([Histogram(0.4, 0.6, 5)])[0].histograms[0]
    with pytest.raises(InvalidInput, match=r"the 0\.01 quantile of component 0 is not in the bins: of 700 particles"):
        counts.quantile(0.01)
    with pytest.raises(InvalidInput, match=r"q=1\.5 must lie strictly between 0 and 1"):
        counts.quantile(1.5)


# --- what is refused

BAD = {
    "one name twice": ([Functional(lambda x: x), Functional(lambda x: x**2)], "functional names two tracked values"),
    "off the grid": ([Functional(lambda x: x, times=[0.3])], r"at t=0\.3 is not the end of a step"),
    "no function": ([Functional(3)], "3 is not a Python function; give one of"),
    "no region": ([FirstPassage(lambda x: x)], r"the region of FirstPassage is no condition but a number; give"),
    "paths of nobody": ([Paths([N, 10**6])], rf"particles=\[{N}, 1000000\] of Paths; the {N} of this run are 0 \.\."),
    "no number": ([Functional(lambda x: (x, x))], "of type tuple cannot enter"),
    "name of no text": ([Functional(lambda x: x, name=3)], r"name=3 of a tracked value; give a word"),
    "empty name": ([FirstPassage(lambda x: x > 0, name="")], r"name='' of a tracked value"),
    "crossing NaN": ([Crossings(np.nan)], r"at=nan is not finite"),
    "crossing of no component": ([Crossings(0.0, component=1)], r"component=1 is none of process, which has 1, from 0"),
    "displacement of no component": ([Displacement(-1)], r"component=-1 must be at least 0"),
    "displacement of half a component": ([Displacement(0.5)], r"component=0\.5 is not a whole number"),
    "origin off the grid": ([Autocorrelation(lambda x: x, 0.3, [1.0])], r"origin of Autocorrelation at t=0\.3 is not"),
    "origin too late": ([Autocorrelation(lambda x: x, 1.0, [0.5])], r"times=\[0\.5\] .*before origin=1\.0"),
    "origin too early": ([Autocorrelation(lambda x: x, -1.0, [0.5])], r"origin of Autocorrelation at t=-1\.0"),
    "no times": ([Autocorrelation(lambda x: x, 0.0, None)], r"times of Autocorrelation has dtype object"),
    "empty times": ([Autocorrelation(lambda x: x, 0.0, [])], r"times of Autocorrelation is empty"),
    "unknown name": ([Covariance(of=("nope", 0))], r"unknown name to observe 'nope'"),
    "unknown name of paths": ([Paths([1], of="nope")], r"unknown name to observe 'nope'"),
    "covariance of no component": ([Covariance(of=3)], r"of=3 is no component; the process has 1"),
    "plane of one component": ([JointHistogram((0, 0), (1, 1))], r"of=1 is no component"),
    "centres": ([Covariance(centre=(1.0, 2.0))], r"centre=\(1\.0, 2\.0\) of Covariance has shape \(2,\)"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_observers_are_refused_with_their_values(name):
    observers, message = BAD[name]
    with pytest.raises(InvalidInput, match=message):
        run_of(observers)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: FirstPassage(lambda x: x > 0, bins=0), r"bins=0 must be at least 1"),
        (lambda: JointHistogram(0.0, 1.0), r"low=0\.0, high=1\.0, bins=\(64, 64\), of=\(0, 1\) .*two of each"),
        (lambda: JointHistogram((0.0, 1.0), (1.0, 1.0)), r"JointHistogram\(1\.0, 1\.0\) is empty"),
        (
            lambda: JointHistogram((0, 0), (1, 1), (10**6, 10**6)),
            r"bins=\(1000000, 1000000\) .*at most 2147483644 cells",
        ),
        (lambda: Histogram(0.0, 1.0, 2**31), r"bins=2147483648 of Histogram; at most 2147483644"),
        (lambda: Paths([]), r"particles=\[\] of Paths; give different ids, one at least"),
        (lambda: Paths([3, 3]), r"particles=\[3, 3\] of Paths; give different ids"),
        (lambda: Paths([-1]), r"particles=-1 must be at least 0"),
        (lambda: Paths(3), r"particles=3 of Paths; give a list of ids"),
        (lambda: Tracked("a", 3), r"update=3 of a; give a function"),
        (
            lambda: Tracked("a", lambda v, x: x),
            r"takes \['v', 'x'\]; update of a takes \(value, before, after, t, dt, p\)",
        ),
        (lambda: Tracked("a", lambda v, a, b, t, dt, p: v, reads_state=True), r"takes \(value, .* dt, p, aux\)"),
        (lambda: Tracked("a", lambda v: v, start=np.nan), r"start=nan is not finite"),
        (lambda: Tracked("a", lambda v: v, start="x"), r"start='x' is not a number"),
    ],
)
def test_what_is_no_observer_is_refused_where_it_is_stated(make, message):
    with pytest.raises(InvalidInput, match=message):
        make()


def test_a_name_of_the_state_is_refused():
    with pytest.raises(InvalidInput, match="place names two tracked values"):
        run_of([Functional(lambda x: x, name="place")], scheme=leimkuhler_matthews)


def test_a_surface_outside_of_the_domain_is_refused():
    with pytest.raises(InvalidInput, match=r"at=4\.0 lies outside of the domain \(-3\.14"):
        run_of([Crossings(4.0)], RING, x0=(0.2, 0.0))


def test_passages_are_timed_from_zero_on():
    """The time of those that have not arrived is -1."""
    with pytest.raises(InvalidInput, match=r"the run begins at t=-1\.0; passages are timed from 0 on"):
        run_of([FirstPassage(lambda x: x > 0)], times=np.array([-1.0, 0.0, 1.0]), t_end=None, dt=None)


def test_times_that_float32_loses_are_refused():
    times = 1000.0 + np.arange(9) * 1e-4
    arguments = dict(times=times, t_end=None, dt=None, x0=0.1)
    for one in (FirstPassage(lambda x: x > 0), Autocorrelation(lambda x: x, times[3], times[5:6])):
        with pytest.raises(InvalidInput, match=r"steps of 0\.0001 near t=1000\.\d+ are lost in float32; use .*float64"):
            run_of([one], dtype=np.float32, **arguments)
        run_of([one], **arguments)
    with pytest.raises(InvalidInput, match=r"low=1\.0, high=1\.000000001 are one number in float32"):
        run_of([Histogram(1.0, 1.000000001, 4)], dtype=np.float32)


def test_what_would_not_fit_in_memory_says_its_size_first():
    message = r"1000000 particles need 0?\d+\.\d GiB for positions, snapshots and paths and \d+\.\d GiB for histograms"
    big = dict(x0=0.1, t_end=1.0, dt=1e-6, n_particles=10**6, seed=1)
    with pytest.raises(InvalidInput, match=message):
        simulate(ou(), euler_maruyama, observers=[Paths(range(10**5))], **big)
    moments = Moments(np.arange(1, 10**6 + 1) * 1e-6)
    with pytest.raises(InvalidInput, match=message):
        simulate(ou(), euler_maruyama, observers=[moments], threads=1000, **big)
    fine = JointHistogram((0, 0), (1, 1), (40_000, 40_000), times=np.arange(1, 101) * 0.01)
    with pytest.raises(InvalidInput, match=message):
        simulate(two_dimensional(), euler_maruyama, observers=[fine], **big)
