"""The driving paths as arrays: those of the runs, at every resolution, and their Lévy areas."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from fpsde.errors import InvalidInput
from fpsde.integrators import Paths, increments, levy_areas, simulate
from fpsde.noise import Normals
from fpsde.processes.process import Process
from fpsde.schemes import euler_maruyama

ALPHA = 1e-8
PLANE = Process(drift=lambda x: (0.0, 0.0), sigma=lambda x: (1.0, 1.0), dim=2)


@pytest.mark.parametrize("normals", list(Normals))
@pytest.mark.parametrize("sub", [1, 3])
def test_they_are_the_increments_of_a_run(normals, sub, seed):
    dw = increments(
        seed=seed, dt=0.25, n_steps=7, n_particles=600, channels=2, refinement=sub, first_particle=1024, normals=normals
    )
    run = simulate(
        PLANE,
        euler_maruyama,
        x0=0.0,
        dt=0.25,
        t_end=1.75,
        n_particles=600,
        first_particle=1024,
        seed=seed,
        refinement=sub,
        normals=normals,
        observers=[Paths([1024, 1500])],
    )
    assert dw.shape == (2, 7, 600)
    np.testing.assert_allclose(run.x, dw.sum(axis=1), rtol=0, atol=1e-14)
    (paths,) = run.results
    np.testing.assert_allclose(paths.x[:, :, 1:], np.cumsum(dw[:, :, [0, 476]], axis=1).transpose(2, 0, 1), atol=1e-14)
    other = increments(seed=seed ^ 1, dt=0.25, n_steps=7, n_particles=600, channels=2)
    assert np.abs(other - dw).max() > 0.1


@pytest.mark.parametrize("normals", list(Normals))
def test_a_coarse_path_is_the_sum_of_the_fine_one(normals, seed):
    common = {"seed": seed, "n_particles": 100, "channels": 3, "normals": normals}
    fine = increments(dt=0.125, n_steps=24, **common)
    coarse = increments(dt=0.5, n_steps=6, refinement=4, **common)
    np.testing.assert_allclose(coarse, fine.reshape(3, 6, 4, 100).sum(axis=2), atol=16 * np.finfo(normals.value).eps)


def test_levy_areas_are_those_of_the_polygon(seed):
    dw = np.random.default_rng(seed).normal(size=(2, 12, 5))
    w = np.concatenate([np.zeros((2, 1, 5)), np.cumsum(dw, axis=1)], axis=1)
    area = sum(0.5 * (w[0, k] * dw[1, k] - w[1, k] * dw[0, k]) for k in range(12))
    np.testing.assert_allclose(levy_areas(dw, steps=12), [area], atol=1e-13)
    parts, ends = levy_areas(dw, steps=4), w[:, [0, 4, 8]]
    moved = dw.reshape(2, 3, 4, 5).sum(axis=2)
    between = 0.5 * (ends[0] * moved[1] - ends[1] * moved[0])
    np.testing.assert_allclose(parts.sum(axis=0) + between.sum(axis=0), area, atol=1e-13)  # Chen's relation
    np.testing.assert_allclose(levy_areas(dw[::-1], steps=12), [-area], atol=1e-13)


def test_levy_areas_follow_levys_law(seed):
    """The density of A over T is sech(pi a/T)/T (Lévy 1951): arctan of a sinh is uniform."""
    n_steps, t = 256, 2.0
    dw = increments(seed=seed, dt=t / n_steps, n_steps=n_steps, n_particles=20_000, channels=2)
    (a,) = levy_areas(dw, steps=n_steps)
    cdf = lambda v: 2 / np.pi * np.arctan(np.exp(np.pi * v / t))  # noqa: E731
    # the polygon lacks a share 1/n_steps of the variance: a shift of the distribution function far below its radius
    assert stats.kstest(a, cdf).pvalue > ALPHA
    assert stats.kstest(1.1 * a, cdf).pvalue < ALPHA
    assert abs(np.var(a) / (t**2 / 4 * (1 - 1 / n_steps)) - 1) < 6 * np.sqrt(4 / 20_000)  # kurtosis of sech: 5


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: increments(seed=1, dt=0.0, n_steps=1, n_particles=1), r"dt=0\.0 must be positive"),
        (lambda: increments(seed=1, dt=1.0, n_steps=0, n_particles=1), r"n_steps=0 must be at least 1"),
        (lambda: increments(seed=1, dt=1.0, n_steps=1, n_particles=1, channels=0), r"channels=0 must be"),
        (lambda: increments(seed=1, dt=1.0, n_steps=1, n_particles=1, refinement=0), r"refinement=0 must be"),
        (lambda: increments(seed=-1, dt=1.0, n_steps=1, n_particles=1), r"seed=-1 must be"),
        (lambda: increments(seed=1, dt=1.0, n_steps=1, n_particles=1, normals="float32"), r"normals='float32'; give"),
        (
            lambda: increments(seed=1, dt=1.0, n_steps=10**6, n_particles=10**6, channels=2),
            r"2 channel\(s\), n_steps=1000000 and n_particles=1000000 need 44703\.5 GiB .* on this machine; take fewer",
        ),
        (lambda: levy_areas(np.zeros((3, 4, 5)), steps=2), r"dw has shape \(3, 4, 5\) and steps=2"),
        (lambda: levy_areas(np.zeros((2, 4, 5)), steps=3), r"steps=3; \(2, n_steps, n\) with n_steps a multiple"),
        (lambda: levy_areas(np.zeros((2, 4)), steps=2), r"dw has shape \(2, 4\); 3 dimension"),
    ],
)
def test_bad_input_is_refused(call, message):
    with pytest.raises(InvalidInput, match=message):
        call()
