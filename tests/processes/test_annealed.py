"""Annealed Langevin dynamics: Euler-Maruyama on the process is the published algorithm, step by step."""

from __future__ import annotations

import numpy as np
import pytest
from bare_kernels import LANES, rows_of

import fpsde
from fpsde.errors import InvalidInput
from fpsde.noise import Normals
from fpsde.processes import annealed_langevin

LEVELS = (2.0, 1.0, 0.5)


def gaussian_score(x, p):
    """The score of data N(mean, spread^2) plus noise of standard deviation noise_level."""
    return (p.mean - x) / (p.spread**2 + p.noise_level**2)


def gaussian(**changes):
    given = {"step": 0.3, "steps_per_level": 4, "params": {"mean": 0.7, "spread": 0.2}, **changes}
    return annealed_langevin(gaussian_score, LEVELS, **given)


def algorithm(x, z, step=0.3, each=4):
    """Algorithm 1 of the paper on the same normals ``z`` (steps, n), for that score."""
    for i, level in enumerate(LEVELS):
        alpha = step * level**2 / LEVELS[-1] ** 2
        for k in range(each):
            x = x + alpha / 2 * (0.7 - x) / (0.2**2 + level**2) + np.sqrt(alpha) * z[i * each + k]
    return x


def test_euler_steps_of_the_process_are_the_algorithm(seed):
    process = gaussian()
    run = fpsde.simulate(
        process,
        fpsde.euler_maruyama,
        x0=1.5,
        t_end=process.setting.t_end,
        dt=process.setting.dt,
        n_particles=LANES,
        seed=seed,
        normals=Normals.FLOAT64,
    )
    z = rows_of(Normals.FLOAT64, range(12), seed=seed)
    np.testing.assert_allclose(run.positions[0], algorithm(1.5, z), rtol=1e-12, atol=1e-12)
    with pytest.raises(AssertionError):
        np.testing.assert_allclose(run.positions[0], algorithm(1.5, z, step=0.3001), rtol=1e-12, atol=1e-12)


def test_the_law_of_the_algorithm_on_normal_data_is_the_recursion():
    process = gaussian()
    law = fpsde.scheme_law(process, fpsde.euler_maruyama, x0=process.setting.x0, t_end=12.0, dt=1.0).law
    mean, variance = 0.0, 4.0
    for level in np.repeat(LEVELS, 4):
        alpha = 0.3 * level**2 / 0.25
        shrink = alpha / (2 * (0.04 + level**2))
        mean, variance = mean + shrink * (0.7 - mean), (1 - shrink) ** 2 * variance + alpha
    assert law.mean == pytest.approx(mean, rel=1e-12) and law.variance == pytest.approx(variance, rel=1e-12)


def test_two_components_have_a_score_each(seed):
    process = annealed_langevin(
        lambda x, p: (-x[0] / p.noise_level**2, (1 - x[1]) / p.noise_level**2),
        LEVELS, step=0.2, steps_per_level=1, dim=2,
    )  # fmt: skip
    x = np.random.default_rng(seed).normal(size=(2, 5))
    for n, level in enumerate(LEVELS):
        alpha = 0.2 * level**2 / 0.25
        exact = alpha / 2 * np.array([-x[0], 1 - x[1]]) / level**2
        np.testing.assert_allclose(process.ito_drift(x, float(n)), exact, rtol=1e-13)
        np.testing.assert_allclose(process.diffusivity(x, float(n))[1, 1], alpha / 2, rtol=1e-13)


def test_parameters_change_what_follows_from_them():
    changed = gaussian(name="my_data").with_params(mean=-1.0, step=0.1, steps_per_level=2)
    assert changed.params["mean"] == -1.0 and len(changed.tables["noise_level"]) == 6
    np.testing.assert_allclose(changed.tables["step_size"], np.repeat([1.6, 0.4, 0.1], 2))
    assert changed.name == "my_data" and changed.setting.t_end == 6.0 and changed.setting.x0.variance == 4.0


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"noise_levels": [1.0, 1.0]}, "give at least one, falling, all positive"),
        ({"noise_levels": [1.0, 0.0]}, "falling, all positive"),
        ({"noise_levels": []}, "noise_levels"),
        ({"noise_levels": [1.0, np.nan]}, "noise_levels"),
        ({"step": 0.0}, "step"),
        ({"steps_per_level": 0}, "steps_per_level"),
        ({"params": {"step_size": 1.0}}, "names itself"),
        ({"score": lambda x, p: float(x)}, "not a number here"),
    ],
)
def test_bad_input_is_refused(changes, message):
    given = {"score": lambda x, p: -x / p.noise_level, "noise_levels": LEVELS, "step": 0.1, "steps_per_level": 3}
    with pytest.raises(InvalidInput, match=message):
        annealed_langevin(**{**given, **changes})
