"""Observers: what they saw is what a snapshot at the same time shows, to the last count and bit."""

from __future__ import annotations

import numpy as np
import pytest
from bare_processes import MODELS, ou
from hypothesis import given
from hypothesis import strategies as st

from fpsde.density import Uniform
from fpsde.errors import InvalidInput
from fpsde.integrators import Histogram, Moments, Snapshots, simulate
from fpsde.integrators.looks import joined
from fpsde.integrators.loop import LANES, POWERS
from fpsde.integrators.observers import Scene
from fpsde.integrators.tallies import grown, tree_nodes, tree_total
from fpsde.noise import Normals
from fpsde.processes.process import Process
from fpsde.schemes import euler_maruyama

TIMES = [0.2, 0.5, 1.0]


def seen(observer, process=None, *, x0=0.1, n=5000, seed=1, **more):
    """Return a run with an observer and snapshots at the same times."""
    return simulate(
        process or ou(),
        euler_maruyama,
        x0=x0,
        t_end=1.0,
        dt=0.1,
        n_particles=n,
        seed=seed,
        observers=[observer, Snapshots(TIMES)],
        **more,
    )


def tree_sums(x, centre):
    """Return sum (x - centre)^k, k = 1 .. 4, in the order that is promised: lanes by halves, blocks by pairs."""
    padded = np.full(-(-x.size // LANES) * LANES, centre)
    padded[: x.size] = x
    d = padded.astype(float).reshape(-1, LANES) - centre
    powers = np.stack([d, d * d, d * (d * d), (d * d) * (d * d)], axis=-1)
    while powers.shape[1] > 1:
        half = powers.shape[1] // 2
        powers = powers[:, :half] + powers[:, half:]
    return tree_total(tree_nodes(powers[:, 0], 0))


# --- moments


@pytest.mark.parametrize("n", [1, 511, 512, 513, 5000])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_power_sums_are_those_of_the_positions_bit_for_bit(n, dtype, seed):
    run = seen(Moments(TIMES, centre=0.25), n=n, seed=seed, dtype=dtype)
    for moments, (time, x) in zip(run.moments, run.snapshots, strict=True):
        assert moments.time == pytest.approx(time) and moments.n == n
        np.testing.assert_array_equal(moments.sums[0], tree_sums(x[0], 0.25))


def test_mean_and_variance_are_those_of_the_positions(seed):
    process = MODELS["two dimensions"][1]
    run = simulate(
        process,
        euler_maruyama,
        x0=(0.3, -1.0),
        t_end=1.0,
        dt=0.1,
        n_particles=3000,
        seed=seed,
        observers=[Moments(centre=(0.3, -1.0))],
    )
    np.testing.assert_array_equal(run.moments[0].centre, [0.3, -1.0])
    np.testing.assert_allclose(run.moments[0].mean, run.x.mean(axis=1), rtol=1e-13)
    np.testing.assert_allclose(run.moments[0].variance, run.x.var(axis=1), rtol=1e-12)


def test_a_centre_near_the_mean_keeps_digits(seed):
    process = Process(drift=lambda x: 0.0, sigma=lambda x: 1e-3)
    near, far = (seen(Moments(centre=c), process, x0=1e6, seed=seed) for c in (1e6, 0.0))
    exact = np.var(near.x[0])
    assert near.moments[0].variance[0] == pytest.approx(exact, rel=1e-9)
    assert abs(far.moments[0].variance[0] / exact - 1) > 1e-3


def padded_tree(values):
    """Return the sum by pairs, pairs of pairs and so on, of the values with zeros after them."""
    padded = np.concatenate([values, np.zeros((512 - len(values), 2))])
    while len(padded) > 1:
        padded = padded[0::2] + padded[1::2]
    return padded[0]


@given(st.integers(1, 300), st.integers(1, 70))
def test_tree_sums_do_not_depend_on_the_cut(n, size):
    values = np.random.default_rng(n).normal(size=(n, 2)) * 10.0 ** np.arange(n)[:, None]
    order = np.random.default_rng(size).permutation(range(0, n, size))
    cut: dict = {}
    for i in order:
        cut = grown(cut, tree_nodes(values[i : i + size], i))
    np.testing.assert_array_equal(tree_total(cut), tree_total(tree_nodes(values, 0)))
    np.testing.assert_array_equal(tree_total(cut), padded_tree(values))


def test_sums_in_another_order_would_differ():
    values = np.random.default_rng(3).normal(size=(1000, 5))
    cut = np.stack([values[i : i + 3].sum(axis=0) for i in range(0, 1000, 3)])
    assert not np.array_equal(tree_total(tree_nodes(cut, 0)), tree_total(tree_nodes(values, 0)))


# --- histograms


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize(
    ("low", "high", "bins"), [(-1.0, 1.5, 50), (0.05, 0.3, 7), (-0.2, 0.7, 1), (-30.0, 40.0, 1000)]
)
def test_counts_are_numpys(low, high, bins, dtype, seed):
    run = seen(Histogram(low, high, bins, times=TIMES), n=20_000, seed=seed, dtype=dtype, normals=Normals.FLOAT32)
    for counts, (_, x) in zip(run.histograms, run.snapshots, strict=True):
        x = x[0].astype(float)
        a, b = counts.faces[0, [0, -1]]
        assert a <= low < a + 1e-5 and b <= high < b + 1e-5 and (dtype is np.float32 or (a, b) == (low, high))
        np.testing.assert_array_equal(counts.faces[0], np.linspace(a, b, bins + 1))
        inside = x[(x >= a) & (x < b)]
        np.testing.assert_array_equal(counts.counts[0], np.histogram(inside, bins=bins, range=(a, b))[0])
        assert (counts.below[0], counts.above[0], counts.nan[0]) == (np.sum(x < a), np.sum(x >= b), 0)
        assert counts.counts.dtype == np.int64 and counts.counts.shape == (1, bins)


def test_counts_below_above_and_nan_are_kept_apart():
    process = Process(drift=lambda x: 0.0, sigma=lambda x: 0.0)
    x0 = np.concatenate([np.full(7, -5.0), np.full(600, 0.5), np.full(11, 5.0), [0.0, 1.0]])
    run = simulate(
        process, euler_maruyama, x0=x0, t_end=1.0, dt=0.5, n_particles=620, seed=1, observers=[Histogram(0.0, 1.0, 4)]
    )
    counts = run.histograms[0]
    assert counts.counts.tolist() == [[1, 0, 600, 0]] and (counts.below[0], counts.above[0], counts.nan[0]) == (
        7,
        12,
        0,
    )
    exploding = Process(drift=lambda x: np.where(x > 0.2, np.sqrt(-np.abs(x)), 0.0), sigma=lambda x: 0.0)
    counts = simulate(
        exploding, euler_maruyama, x0=x0, t_end=1.0, dt=0.5, n_particles=620, seed=1, observers=[Histogram(0.0, 1.0, 4)]
    ).histograms[0]
    assert counts.nan[0] == 612 and counts.counts.sum() == 1 and counts.below[0] == 7


def test_infinite_positions_are_above_and_below():
    process = Process(drift=lambda x: 1e300 * x**3, sigma=lambda x: 0.0)
    x0 = np.concatenate([np.full(3, -10.0), np.full(5, 10.0)])
    run = simulate(
        process, euler_maruyama, x0=x0, t_end=1.0, dt=1.0, n_particles=8, seed=1, observers=[Histogram(0.0, 1.0, 4)]
    )
    big = simulate(
        process,
        euler_maruyama,
        x0=x0 * 1e30,
        t_end=1.0,
        dt=1.0,
        n_particles=8,
        seed=1,
        observers=[Histogram(0.0, 1.0, 4)],
    )
    assert run.not_finite == 0 and big.not_finite == 8
    for counts in (run.histograms[0], big.histograms[0]):
        assert (counts.below[0], counts.above[0]) == (3, 5)


def test_each_component_has_its_own_counts(seed):
    run = simulate(
        MODELS["two dimensions"][1],
        euler_maruyama,
        x0=(0.3, -1.0),
        t_end=1.0,
        dt=0.1,
        n_particles=3000,
        seed=seed,
        observers=[Histogram(-2.0, 2.0, 9)],
    )
    for i in (0, 1):
        inside = run.x[i][(run.x[i] >= -2) & (run.x[i] < 2)]
        np.testing.assert_array_equal(run.histograms[0].counts[i], np.histogram(inside, bins=9, range=(-2, 2))[0])


# --- snapshots


def test_a_snapshot_is_the_end_of_a_run_to_that_time(seed):
    run = seen(Moments(), seed=seed)
    for time in TIMES:
        short = simulate(ou(), euler_maruyama, x0=0.1, t_end=time, dt=0.1, n_particles=5000, seed=seed)
        np.testing.assert_array_equal(run.snapshot(time), short.x)
    assert [t for t, _ in run.snapshots] == pytest.approx(TIMES)
    with pytest.raises(InvalidInput, match=r"no snapshot at t=0\.3; there are \[0\.2"):
        run.snapshot(0.3)


def test_observers_change_nothing_of_the_run(seed):
    plain = simulate(ou(), euler_maruyama, x0=0.1, t_end=1.0, dt=0.1, n_particles=5000, seed=seed)
    watched = seen(Histogram(0.0, 1.0, times=np.arange(1, 11) * 0.1), seed=seed)
    np.testing.assert_array_equal(plain.x, watched.x)


# --- times

GRID = np.arange(11) * 0.1


def scene(grid=GRID, dim=1, dtype=np.float64):
    return Scene(grid, dim, 0, {}, np.dtype(dtype))


def test_times_are_found_on_uniform_and_other_grids():
    assert scene().steps("Moments", [0.1, 0.3, 1.0]).tolist() == [1, 3, 10]
    grid = np.array([0.0, 0.001, 0.5, 3.0])
    assert scene(grid).steps("Histogram", [0.001, 3.0]).tolist() == [1, 3]
    assert scene(grid).steps("Moments", None).tolist() == [3]  # the end, if nothing is said


def test_times_up_to_rounding_are_found():
    assert scene().steps("Snapshots", [0.1 + 0.2, 0.7 - 1e-12]).tolist() == [3, 7]


def test_what_is_due_in_a_part_of_the_run_is_what_is_due_in_the_whole():
    here = scene()
    looks = joined([o.looks(here) for o in (Moments([0.1, 0.3, 1.0]), Snapshots([0.7]), Histogram(0, 1, times=[0.3]))])
    whole = looks.due(0, 10)
    assert whole[:, 0].tolist() == [0, -1, 1, -1, -1, -1, -1, -1, -1, 2]
    assert np.flatnonzero(whole[:, 1] >= 0).tolist() == [6] and np.flatnonzero(whole[:, 2] >= 0).tolist() == [2]
    np.testing.assert_array_equal(np.concatenate([looks.due(0, 3), looks.due(3, 4), looks.due(4, 10)]), whole)


BAD = {
    "off the grid": (
        Moments([0.25]),
        r"Moments at t=0\.25 is not the end of a step; the grid runs from 0\.0 to 1\.0 with steps near 0\.1",
    ),
    "the start": (Snapshots([0.0]), r"Snapshots at t=0\.0 is not the end of a step"),
    "beyond the end": (Histogram(0, 1, times=[0.5, 1.1]), r"Histogram at t=1\.1 is not the end of a step"),
    "before the start": (Snapshots([-0.1]), r"Snapshots at t=-0\.1 is not the end of a step"),
    "unsorted": (
        Snapshots([0.5, 0.2]),
        r"times of Snapshots must strictly increase, but .*\[0\]=0\.5 is followed by 0\.2",
    ),
    "twice": (Moments([0.5, 0.5]), r"times of Moments must strictly increase"),
    "twice, nearly": (
        Moments([0.5, 0.5 + 1e-12]),
        r"two times of Moments name one step, which ends at t=0\.5; give each step once",
    ),
    "empty": (Moments([]), r"times of Moments is empty"),
    "NaN": (Snapshots([np.nan]), r"times of Snapshots has 1 of 1 values that are NaN or infinite"),
    "centre": (
        Moments(centre=(0.0, 1.0)),
        r"centre=\(0\.0, 1\.0\) of Moments has shape \(2,\); give one number, or one for each of 1",
    ),
    "centre NaN": (Moments(centre=np.nan), r"centre has 1 of 1 values that are NaN"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_times_and_centres_are_refused(name):
    observer, message = BAD[name]
    with pytest.raises(InvalidInput, match=message):
        observer.looks(scene())


def test_two_observers_of_one_kind_keep_their_results_apart(seed):
    early, late = Moments([0.1]), Moments([0.2], centre=0.5)
    run = simulate(
        ou(), euler_maruyama, x0=0.1, t_end=0.2, dt=0.1, n_particles=1000, seed=seed, observers=[early, late]
    )
    (first,), (second,) = run.result(early), run.result(late)
    assert (first.time, second.time) == (0.1, 0.2) and run.moments == (first,)
    np.testing.assert_allclose(second.mean, run.x.mean(axis=1), rtol=1e-12)
    with pytest.raises(InvalidInput, match="is none of the 2 observers of this run"):
        run.result(Moments([0.1]))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((1.0, 1.0), r"Histogram\(1\.0, 1\.0\) is empty; low must be below high"),
        ((2.0, 1.0), r"is empty"),
        ((0.0, np.inf), r"high=inf is not finite"),
        ((np.nan, 1.0), r"low=nan is not finite"),
        ((0.0, 1.0, 0), r"bins=0 must be at least 1"),
        ((0.0, 1.0, 2.5), r"bins=2\.5 is not a whole number"),
    ],
)
def test_a_bad_histogram_is_refused(arguments, message):
    with pytest.raises(InvalidInput, match=message):
        Histogram(*arguments)


def test_the_four_powers_are_what_the_kernel_sums():
    assert POWERS == 4


@given(low=st.floats(-1e3, 1e3), length=st.floats(1e-3, 1e3), bins=st.integers(1, 1000))
def test_the_high_end_itself_lies_above(low, length, bins):
    _, _, scale = scene().cell(low, low + length, bins)
    assert ((low + length) - low) * scale >= bins
    assert scale == pytest.approx(bins / length, rel=1e-9)


def test_uniform_particles_fill_the_bins_evenly(seed):
    process = Process(drift=lambda x: 0.0, sigma=lambda x: 0.0)
    run = simulate(
        process,
        euler_maruyama,
        x0=Uniform(0.0, 1.0),
        t_end=1.0,
        dt=1.0,
        n_particles=200_000,
        seed=seed,
        observers=[Histogram(0.0, 1.0, 20)],
    )
    counts = run.histograms[0].counts[0]
    assert counts.sum() == 200_000 and np.sum((counts - 10_000) ** 2 / 10_000) < 80  # chi2 with 19 degrees: 2e-9
