"""Transitions of the catalogue drawn by compiled kernels have the laws that the catalogue states."""

import numpy as np
import pytest
from scipy import stats

from fpsde.density import Law, Point
from fpsde.integrators import simulate
from fpsde.processes import CATALOGUE, process_named
from fpsde.schemes import exact_sampling

#: Level of each test.
ALPHA = 1e-8
N = 100_000
SAMPLED = [name for name, make in CATALOGUE.items() if make().sample is not None]
LINE = [name for name in SAMPLED if process_named(name).dim == 1]


def drawn(process, seed):
    """Return the particles after two steps to the end of the process's own setting, (d, n)."""
    s = process.setting
    run = simulate(process, exact_sampling, x0=s.x0, t_end=s.t_end, dt=s.t_end / 2, n_particles=N, seed=seed)
    return np.atleast_2d(run.x)


@pytest.mark.slow  # a second of compilation for each
@pytest.mark.parametrize("name", LINE)
def test_samples_have_the_stated_law(name, seed) -> None:
    process = process_named(name)
    start = process.setting.x0 if isinstance(process.setting.x0, Law) else Point(process.setting.x0)
    x = drawn(process, seed)[0]
    law = process.exact.marginal(start, process.setting.t_end)
    assert stats.kstest(x, law.cdf).pvalue > ALPHA
    spread = float(law.variance) ** 0.5
    assert stats.kstest(x + 0.05 * spread, law.cdf).pvalue < ALPHA


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in SAMPLED if name not in LINE])
def test_samples_have_the_stated_mean_and_variance(name, seed) -> None:
    process = process_named(name)
    x, exact, s = drawn(process, seed), process.exact, process.setting
    mean, variance = exact.mean(s.x0, s.t_end), np.diag(exact.covariance(s.x0, s.t_end))
    z = (x.mean(axis=1) - mean) / np.sqrt(variance / N)
    square = (x - mean[:, None]) ** 2
    z2 = (square.mean(axis=1) - variance) / np.sqrt(square.var(axis=1) / N)
    bound = stats.norm.isf(
        ALPHA / 2 / (4 * process.dim)
    )  # two components, two moments, and room for the estimated error
    assert np.abs([z, z2]).max() < bound
    wrong = 1.05 * variance
    assert (np.abs(square.mean(axis=1) - wrong) / np.sqrt(square.var(axis=1) / N)).max() > bound
