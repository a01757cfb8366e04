"""Particles that leave the representable range: who, how many and when, as a plain run of the same noise has it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from bare_processes import ou
from whole_runs import bits_of

import fpsde
from fpsde.integrators import (
    Autocorrelation,
    Covariance,
    Functional,
    Histogram,
    Moments,
    Paths,
    Snapshots,
    increments,
    shards,
    simulate,
)
from fpsde.noise import Normals
from fpsde.processes.process import Process
from fpsde.schemes import euler_maruyama, leimkuhler_matthews, milstein

N, STEPS, DT, FIRST = 3 * 512 + 100, 60, 0.25, 1024
CUBIC = Process(drift=lambda x: -(x**3), sigma=lambda x: 1.5)


def run_of(process=CUBIC, **changes):
    arguments = dict(x0=0.5, t_end=STEPS * DT, dt=DT, n_particles=N, seed=21, first_particle=FIRST)
    return simulate(process, euler_maruyama, **arguments | changes)


def plain(dtype, normals):
    """Return for each particle the step after which it was not finite, or 0, by the formula on arrays."""
    dw = increments(seed=21, dt=1.0, n_steps=STEPS, n_particles=N, first_particle=FIRST, normals=normals)[0]
    x, out = np.full(N, dtype(0.5)), np.zeros(N, int)
    with np.errstate(all="ignore"):
        for s in range(STEPS):
            x = x + (-(x * x * x)) * dtype(DT) + dtype(1.5 * np.sqrt(DT)) * dw[s].astype(dtype)
            out[(out == 0) & ~np.isfinite(x)] = s + 1
    return out


def first_of(steps):
    """Return (step, particle) of the first explosion."""
    when = np.where(steps > 0, steps, STEPS + 1)
    return int(when.min()), FIRST + int(np.argmin(when))


@pytest.mark.parametrize(
    ("dtype", "normals"),
    [(np.float64, Normals.FLOAT32), (np.float64, Normals.FLOAT64), (np.float32, Normals.FLOAT32)],
)
@pytest.mark.parametrize("segment", [1024, 7, 1])
def test_explosions_are_those_of_a_plain_run_particle_by_particle(dtype, normals, segment, monkeypatch):
    steps = plain(dtype, normals)
    assert 50 < np.count_nonzero(steps) < N - 50 and np.unique(steps).size > 20  # there is something to find
    monkeypatch.setattr(shards, "SEGMENT", segment)
    run = run_of(dtype=dtype, normals=normals)
    np.testing.assert_array_equal(~np.isfinite(run.x[0]), steps > 0)
    assert run.not_finite == np.count_nonzero(steps) and run.first_not_finite == first_of(steps)


def test_the_step_is_found_for_each_particle_alone():
    steps = plain(np.float64, Normals.FLOAT32)
    for block in range(0, N, 512):
        count = min(512, N - block)
        own = steps[block : block + count]
        run = run_of(first_particle=FIRST + block, n_particles=count)
        when, who = first_of(own)
        assert (run.not_finite, run.first_not_finite) == (np.count_nonzero(own), (when, who + block))
    paths = run_of(observers=[Paths(range(FIRST, FIRST + 300))]).results[0].x[:, 0]
    finite = np.isfinite(paths)
    np.testing.assert_array_equal(np.where(finite.all(axis=1), 0, np.argmin(finite, axis=1)), steps[:300])


def test_the_first_is_that_of_the_lowest_id_among_equals():
    still = Process(drift=lambda x: np.where(x > 1.0, 1e308 * x, 0.0), sigma=lambda x: 0.0)
    x0 = np.zeros(N)
    x0[[700, 900, 901]] = 2.0
    for size in (None, 512):
        run = run_of(still, x0=x0, dt=7.5, t_end=15.0, shard_size=size)
        assert (run.not_finite, run.first_not_finite) == (3, (1, FIRST + 700))


def test_padding_that_explodes_is_not_counted():
    """The last block is filled up with copies of the last particle, whose noise is that of ids beyond the run."""
    steps = plain(np.float64, Normals.FLOAT32)
    for count in (1, 5, 30, 100):
        run = run_of(n_particles=count)
        assert run.not_finite == np.count_nonzero(steps[:count])
        assert (run.first_not_finite is None) == (run.not_finite == 0)


def test_no_explosion_costs_no_bit():
    """A block in which a particle explodes runs a second time; the others, and all that is seen, do not change."""
    with_one = np.full(N, 0.1)
    with_one[777] = 1e200
    observers = [Snapshots([1.0, 2.0]), Histogram(-3.0, 3.0, 9), Functional(lambda x: x)]
    process = Process(drift=lambda x: -np.where(np.abs(x) > 1e100, x**3, x), sigma=lambda x: 1.0)
    lone, none = (run_of(process, x0=x0, observers=observers, t_end=2.0) for x0 in (with_one, np.full(N, 0.1)))
    assert (lone.not_finite, lone.first_not_finite) == (1, (1, FIRST + 777))
    assert (none.not_finite, none.first_not_finite) == (0, None)
    others = np.arange(N) != 777
    for a, b in (
        (lone.x, none.x),
        (lone.snapshot(1.0), none.snapshot(1.0)),
        (lone.values["functional"][None], none.values["functional"][None]),
    ):
        assert a[:, others].tobytes() == b[:, others].tobytes()
    counts, plainly = lone.histograms[0], none.histograms[0]
    assert counts.nan[0] == 1 and counts.counts.sum() + counts.below[0] + counts.above[0] == N - 1
    assert np.abs(counts.counts - plainly.counts).sum() <= 1


def test_nothing_is_averaged_in_silence():
    run = run_of(
        observers=[
            Moments([DT, STEPS * DT]),
            Covariance(),
            Functional(lambda x: x**2, name="square"),
            Autocorrelation(lambda x: np.tanh(x), 0.0, [STEPS * DT], name="tanh"),
            Histogram(-3.0, 3.0, 9),
        ]
    )
    moments, (covariance,), (square,), (tanh,), (counts,) = run.results
    assert run.not_finite > 50
    assert np.isfinite(moments[0].mean[0]) and np.isnan(moments[1].mean[0]) and np.isnan(moments[1].variance[0])
    assert np.isnan(covariance.covariance[0, 0]) and not np.isfinite(square.mean[0])
    assert np.isnan(tanh.covariance[0, 1])
    found = run.x[0]
    assert counts.nan[0] == np.count_nonzero(np.isnan(found)) > 0
    assert counts.counts.sum() + counts.below[0] + counts.above[0] + counts.nan[0] == N
    with pytest.raises(fpsde.InvalidInput, match=r"the 0\.5 quantile .* of 1636 particles .* NaN"):
        counts.quantile(0.5)


def test_an_explosion_in_any_component_counts_once():
    both = Process(drift=lambda x: (-(x[0] ** 3), -(x[1] ** 3)), sigma=lambda x: (1.5, 1.7), dim=2, name="two cubic")
    run = run_of(both, x0=(0.5, 0.5))
    lost = ~np.isfinite(run.x)
    assert np.any(lost[0] & lost[1]) and np.any(lost[0] ^ lost[1])
    assert run.not_finite == np.count_nonzero(lost.any(axis=0))


def test_what_a_scheme_observes_is_what_explodes():
    run = simulate(CUBIC, leimkuhler_matthews, x0=0.5, t_end=30.0, dt=0.5, n_particles=N, seed=21)
    assert run.not_finite == np.count_nonzero(~np.isfinite(run.x[0])) > 50


def test_a_black_box_counts_like_a_kernel():
    box = fpsde.BlackBox(drift=lambda x, t: -(x * x * x), sigma=1.5, dim=1)
    a, b = run_of(box), run_of(Process(drift=lambda x: -(x * x * x), sigma=lambda x: 1.5))
    assert (a.not_finite, a.first_not_finite) == (b.not_finite, b.first_not_finite)
    steps = plain(np.float64, Normals.FLOAT32)
    assert (a.not_finite, a.first_not_finite) == (np.count_nonzero(steps), first_of(steps))


def test_a_stable_run_says_none():
    for scheme in (euler_maruyama, milstein):
        run = simulate(ou(), scheme, x0=0.1, t_end=1.0, dt=0.25, n_particles=N, seed=21)
        assert (run.not_finite, run.first_not_finite) == (0, None) and bits_of(run)["not_finite"] == 0


def test_a_particle_that_is_not_finite_for_a_while_alone_has_not_exploded():
    """2 becomes infinite and returns to 0; -3 becomes infinite for good, in the same block."""

    def step(model, x, t, dt, noise):
        huge = np.where(np.abs(x) > 1.5, x * 1e308, x)
        return np.where(x > 1e300, 0.0, huge)

    passing = replace(euler_maruyama, step=step)
    x0 = np.full(512, 1.0)
    x0[[3, 40, 41]], x0[[7, 300]] = 2.0, -3.0
    run = simulate(CUBIC, passing, x0=x0, t_end=4.0, dt=1.0, n_particles=512, seed=1)
    assert (run.not_finite, run.first_not_finite) == (2, (1, 7))
    assert np.all(run.x[0, [3, 40, 41]] == 0.0)
