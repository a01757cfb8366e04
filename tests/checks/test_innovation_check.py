"""Innovations of whole paths: level, planted defects of a particle code, and what is said of them."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest

from fpsde import checks
from fpsde.checks import CheckResult, Verdict
from fpsde.errors import InvalidInput

H = 0.05


def drift(x: np.ndarray, t: float) -> np.ndarray:
    return -x - 0.2 * np.sin(3 * t)


def sigma(x: np.ndarray, t: float) -> np.ndarray:
    return 0.5 + 0.2 * np.cos(x)


def paths(
    rng: np.random.Generator,
    *,
    steps: int,
    n: int,
    noise: Callable[[np.ndarray, int], np.ndarray] | None = None,
    b: Callable[[np.ndarray, float], np.ndarray] = drift,
) -> tuple[np.ndarray, np.ndarray]:
    """Euler-Maruyama paths (steps + 1, n), all from 0.3; ``noise`` may spoil the normals of a step."""  # fmt: skip
    x, times = np.full((steps + 1, n), 0.3), H * np.arange(steps + 1)
    z = rng.normal(size=(steps, n))
    for k in range(steps):
        dw = z[k] if noise is None else noise(z, k)
        x[k + 1] = x[k] + b(x[k], times[k]) * H + sigma(x[k], times[k]) * math.sqrt(H) * dw
    return x, times


def judged(x: np.ndarray, times: np.ndarray, **design: float) -> CheckResult:
    return checks.innovations(x, times, drift=drift, sigma=sigma, **design)  # type: ignore[arg-type]


def failed(result: CheckResult) -> set[str]:
    return {c.check.removeprefix("innovations: ") for c in result.components if c.verdict is Verdict.FAIL}


@pytest.mark.slow
def test_p_values_of_every_part_are_uniform(rng: np.random.Generator, assert_uniform: Callable[..., None]) -> None:
    results = [judged(*paths(rng, steps=12, n=300)) for _ in range(400)]
    for k, least in enumerate((0.8, 1.0, 1.0, 0.7, 0.7, 1.0)):  # Bonferroni over the lags of the fourth and fifth
        assert_uniform([r.components[k].p_value for r in results], at_least=least)


def test_right_paths_pass_in_both_precisions_and_on_uneven_times(rng: np.random.Generator) -> None:
    x, times = paths(rng, steps=20, n=10_000)
    for given in (x, x.astype(np.float32)):
        result = judged(given, times)
        assert result.verdict is Verdict.PASS
        assert result.n == 200_000
    h = np.array([0.01, 0.2, 0.05])
    uneven = np.concatenate([[0.0], np.cumsum(h)])
    y = np.full((4, 50_000), 0.3)
    for k in range(3):
        y[k + 1] = (
            y[k] + drift(y[k], uneven[k]) * h[k] + sigma(y[k], uneven[k]) * math.sqrt(h[k]) * rng.normal(size=50_000)
        )
    assert judged(y, uneven).verdict is Verdict.PASS
    assert judged(y, np.linspace(0, 0.26, 4)).verdict is Verdict.FAIL


@pytest.mark.parametrize(
    ("noise", "expected"),
    [
        (lambda z, k: 1.03 * z[k], "variance"),
        (lambda z, k: z[k] * math.sqrt(H), "variance"),  # sqrt(dt) -> dt
        (lambda z, k: z[k] + 0.03, "mean"),
        (lambda z, k: np.repeat(z[k, ::2], 2), "correlation between particles"),  # one draw for two particles
        (lambda z, k: np.tile(z[k, : z.shape[1] // 4], 4), None),  # lanes that share their noise
        (lambda z, k: z[k - k % 2], "correlation between steps"),  # one draw for two steps
        (lambda z, k: math.sqrt(1.5) * (2 * np.abs(z[k]) ** 0.5 * np.sign(z[k])) / 2.19, "smooth test"),
    ],
)
def test_defects_of_the_noise_fail_the_part_that_names_them(
    noise: Callable[[np.ndarray, int], np.ndarray], expected: str | None, rng: np.random.Generator
) -> None:
    result = judged(*paths(rng, steps=20, n=4096, noise=noise))
    assert result.verdict is Verdict.FAIL
    assert (expected or "correlation between particles") in failed(result)


def test_a_wrong_drift_is_correlated_with_the_state(rng: np.random.Generator) -> None:
    x, times = paths(rng, steps=40, n=10_000, b=lambda x, t: 1.3 * drift(x, t))
    assert "correlation with the state" in failed(judged(x, times))


def test_one_per_cent_of_noise_is_seen_and_told_with_1600000_increments(rng: np.random.Generator) -> None:
    x, times = paths(rng, steps=50, n=32_000, noise=lambda z, k: 1.01 * z[k])
    result = judged(x, times, alpha=1e-6, effect=0.02)
    assert result.verdict is Verdict.FAIL
    variance = result.components[2]
    assert variance.verdict is Verdict.FAIL
    assert variance.detail.startswith("variance is 1.0")
    assert variance.resolution is not None
    assert variance.resolution < 0.011


def test_too_few_increments_for_the_declared_effect_are_underpowered(rng: np.random.Generator) -> None:
    x, times = paths(rng, steps=10, n=10_000)
    assert judged(x, times, effect=0.01).verdict is Verdict.UNDERPOWERED
    assert judged(x, times, effect=0.1).verdict is Verdict.PASS


def test_one_step_has_no_pairs_of_steps_and_one_place_no_state(rng: np.random.Generator) -> None:
    x, times = paths(rng, steps=1, n=20_000)
    result = judged(x, times)
    assert [c.verdict for c in result.components].count(Verdict.NOT_APPLICABLE) >= 1
    assert result.verdict is Verdict.PASS


def test_bad_values_fail(rng: np.random.Generator) -> None:
    x, times = paths(rng, steps=5, n=1000)
    x[3, 17] = np.nan
    result = judged(x, times)
    assert result.verdict is Verdict.FAIL
    assert "1 of 6000 values" in result.detail


def test_paths_and_coefficients_that_do_not_fit_are_refused(rng: np.random.Generator) -> None:
    x, times = paths(rng, steps=5, n=100)
    with pytest.raises(InvalidInput, match=r"paths have shape \(6, 100\) and times \(5,\)"):
        judged(x, times[1:])
    with pytest.raises(InvalidInput, match="times must strictly increase"):
        judged(x, times[::-1])
    with pytest.raises(InvalidInput, match="dtype int64"):
        judged(x.astype(int), times)
    with pytest.raises(InvalidInput, match=r"sigma is zero at x = 0.3, t = 0"):
        checks.innovations(x, times, drift=drift, sigma=lambda x, t: x - 0.3)
    with pytest.raises(InvalidInput, match=r"drift returned shape \(2,\) for x of shape \(100,\)"):
        checks.innovations(x, times, drift=lambda x, t: np.zeros(2), sigma=sigma)
    with pytest.raises(InvalidInput, match="drift is not finite on the paths at t = 0"):
        checks.innovations(x, times, drift=lambda x, t: np.full(100, np.inf), sigma=sigma)
