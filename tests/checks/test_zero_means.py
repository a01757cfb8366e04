"""Means that must be zero: their tails, their power, and the checks that are made of them."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from fpsde import checks
from fpsde.checks import Verdict
from fpsde.checks.design import Design
from fpsde.checks.dynamics import monomials
from fpsde.checks.zero_means import skewed_tail, student_cut, zero_means
from fpsde.errors import InvalidInput

ALPHA = 1e-8


def design(alpha: float = ALPHA, **options: object) -> Design:
    return Design.of(**({"alpha": alpha, "power": 0.999} | options))


def ou_steps(
    rng: np.random.Generator, x: np.ndarray, *, n_steps: int, h: float = 0.1, noise: float = 1.0
) -> np.ndarray:
    """Return paths (n_steps + 1, n) of Euler-Maruyama for dX = -X dt + sqrt(2) dW."""
    paths = [x]
    for _ in range(n_steps):
        paths.append((1 - h) * paths[-1] + noise * math.sqrt(2 * h) * rng.standard_normal(x.shape))
    return np.array(paths)


#: The variance that this chain keeps at h = 0.1.
KEPT = 2 * 0.1 / (1 - 0.9**2)

# --- tails


def test_the_cut_of_normal_values_is_students() -> None:
    for n, alpha in ((5, 1e-2), (100, 1e-8)):
        cut, exponent = student_cut(n, alpha, 0.0)
        assert cut == pytest.approx(stats.t.isf(alpha / 2, n - 1), rel=1e-12)
        assert exponent == 0.0


def alarms_of(g: np.ndarray, alpha: float) -> int:
    """The number of rows (n,) whose mean is beyond the cut; no cut at these levels is below 3."""
    n, mean, spread = g.shape[1], g.mean(axis=1), g.std(axis=1, ddof=1)
    skewness = np.mean(((g - mean[:, None]) / spread[:, None]) ** 3, axis=1)
    pairs = zip(np.abs(mean) * math.sqrt(n) / spread, skewness, strict=True)
    return sum(t > 3 and t > student_cut(n, alpha, float(s))[0] for t, s in pairs)


@pytest.mark.parametrize("name", ["normal", "exponential", "product"])
def test_a_right_mean_alarms_as_often_as_stated(name, rng, assert_rate):
    """Skewness 0, 2 and 0 with kurtosis 6; the cut is where the correction for skewness matters, and is estimated."""
    n, repeats, alpha = 400, 10_000, 1e-3
    x = rng.standard_normal((repeats, n))
    g = {"normal": x, "exponential": x**2 - 1, "product": x * rng.standard_normal((repeats, n))}[name]
    alarms = alarms_of(g, alpha)
    assert stats.binom.sf(alarms - 1, repeats, alpha) > 1e-8, alarms
    if name == "normal":
        assert_rate(alarms, repeats, alpha)


@pytest.mark.slow
def test_a_mean_of_few_skew_values_alarms_no_more_often_than_stated(rng):
    """Squares of normal values, a hundred of them: the exponent of the correction is 6 at this level."""
    repeats, alpha = 60_000, 1e-4
    alarms = sum(alarms_of(rng.standard_normal((2000, 100)) ** 2 - 1, alpha) for _ in range(repeats // 2000))
    assert stats.binom.sf(alarms - 1, repeats, alpha) > 1e-8, alarms


def test_the_tail_of_a_skew_mean_falls_and_a_gross_error_fails_in_any_sample(rng):
    for n, skewness in ((20, 4.0), (100, -2.8), (10_000, 0.3)):
        tails = [skewed_tail(t, n, skewness) for t in np.linspace(0.0, 60.0, 500)]
        assert tails[0] == 1 and np.all(np.diff(tails) <= 0) and tails[-1] < 1e-3
    g = rng.exponential(size=100) - 1
    assert zero_means("means", {"g": g + 5.0}, design()).verdict is Verdict.FAIL


def test_a_level_that_a_small_skew_sample_cannot_keep_gives_no_pass(rng):
    g = rng.exponential(size=300) - 1
    result = zero_means("means", {"g": g - g.mean()}, design())
    assert result.verdict is Verdict.UNDERPOWERED and "too small for the tails" in result.detail


def test_an_error_of_the_resolution_is_seen_with_the_stated_power(rng, assert_rate):
    n, repeats, power = 100, 4000, 0.9
    seen = 0
    resolution = zero_means(
        "means", {"g": stats.norm.ppf((np.arange(n) + 0.5) / n)}, design(1e-3, power=power)
    ).resolution
    for g in rng.standard_normal((repeats, n)):
        seen += zero_means("means", {"g": g + resolution}, design(1e-3, power=power)).verdict is Verdict.FAIL
    assert stats.binom.cdf(seen, repeats, 0.87) > 1e-8 and stats.binom.sf(seen - 1, repeats, 0.93) > 1e-8, seen


def test_a_tolerance_is_forgiven_and_no_more(rng):
    g = rng.standard_normal(100_000)
    allowed = design(tolerance=[("scheme", 0.05), ("grid", 0.01)])
    assert zero_means("means", {"g": g + 0.06}, allowed).verdict is Verdict.PASS
    assert zero_means("means", {"g": g + 0.1}, allowed).verdict is Verdict.FAIL
    assert zero_means("means", {"g": g + 0.06}, design()).verdict is Verdict.FAIL


def test_values_that_do_not_vary_are_their_mean() -> None:
    assert zero_means("means", {"g": np.full(10, 0.5)}, design()).verdict is Verdict.FAIL
    assert zero_means("means", {"g": np.zeros(10)}, design()).verdict is Verdict.NOT_APPLICABLE


def test_values_that_are_not_finite_fail() -> None:
    result = zero_means("means", {"g": np.array([1.0, np.nan, -1.0])}, design())
    assert result.verdict is Verdict.FAIL and "1 of 3 values are NaN" in result.detail


# --- stationarity, reversibility, martingales


def test_a_chain_keeps_its_own_law_and_not_the_one_of_the_process(rng):
    start = rng.standard_normal(200_000)
    kept = ou_steps(rng, math.sqrt(KEPT) * start, n_steps=5)
    moved = ou_steps(rng, start, n_steps=5)
    assert checks.stationarity(kept[0], kept[-1], alpha=ALPHA).verdict is Verdict.PASS
    result = checks.stationarity(moved[0], moved[-1], alpha=ALPHA)
    assert result.verdict is Verdict.FAIL and result.check == "stationarity: x^2"
    assert checks.stationarity(moved[0], moved[-1], alpha=ALPHA, tolerance=KEPT - 1).verdict is Verdict.PASS


def rotated(rng: np.random.Generator, x: np.ndarray, turning: float, h: float = 0.1) -> np.ndarray:
    """One exact step of dX = (-1 + turning J) X dt + sqrt(2) dW, which keeps N(0, 1) for any turning."""
    c, s = math.exp(-h) * math.cos(turning * h), math.exp(-h) * math.sin(turning * h)
    return np.array([[c, -s], [s, c]]) @ x + math.sqrt(1 - math.exp(-2 * h)) * rng.standard_normal(x.shape)


def test_a_current_is_seen_by_reversibility_and_by_nothing_else(rng):
    x = rng.standard_normal((2, 100_000))
    still, turning = rotated(rng, x, 0.0), rotated(rng, x, 0.5)
    assert checks.stationarity(x, turning, alpha=ALPHA).verdict is Verdict.PASS
    assert checks.reversibility(x, still, alpha=ALPHA).verdict is Verdict.PASS
    result = checks.reversibility(x, turning, alpha=ALPHA)
    assert result.verdict is Verdict.FAIL and result.check == "reversibility: x0, x1"
    # E [X_0 Y_h - X_h Y_0] = 2 e^-h sin(0.05)
    assert result.statistic == pytest.approx(2 * math.exp(-0.1) * math.sin(0.05), abs=0.03)


def test_steps_move_as_their_mean_says(rng):
    h = 0.1
    means = {
        "x": (lambda x: x, lambda x, t, h: (1 - h) * x),
        "x^2": (lambda x: x**2, lambda x, t, h: ((1 - h) * x) ** 2 + 2 * h),
    }
    times = h * np.arange(21)
    for noise, verdict in ((1.0, Verdict.PASS), (1.02, Verdict.FAIL)):
        paths = ou_steps(rng, np.zeros(100_000), n_steps=20, noise=noise)
        result = checks.martingale(paths, times, functions=means, alpha=ALPHA)
        assert result.verdict is verdict
    assert result.check == "martingale: x^2"
    # each of the 20 steps adds (1.02^2 - 1) 2 h
    assert result.statistic == pytest.approx(20 * 0.0404 * 0.2, abs=0.07)


def test_the_generator_is_right_within_a_tolerance_of_first_order(rng):
    """f + h L f leaves out h^2 x^2 a step: within h^2 times the sum of E x^2 it holds, without it fails."""
    means = {"x^2": (lambda x: x**2, lambda x, t, h: x**2 + h * (2 - 2 * x**2))}
    paths, times = ou_steps(rng, np.full(400_000, 2.0), n_steps=10), 0.1 * np.arange(11)
    left_out = 0.01 * float(sum(KEPT + (4 - KEPT) * 0.9 ** (2 * k) for k in range(10)))
    assert checks.martingale(paths, times, functions=means, alpha=ALPHA).verdict is Verdict.FAIL
    assert checks.martingale(paths, times, functions=means, alpha=ALPHA, tolerance=left_out).verdict is Verdict.PASS


# --- score


def mixture_score(x: np.ndarray) -> np.ndarray:
    """Score of the mixture of N(-1, 1/4) and N(1, 1/4) at equal weights."""
    return 4 * (np.tanh(4 * x) - x)


def test_a_sample_of_the_law_with_this_score_passes_and_a_wider_one_fails(rng):
    n = 200_000
    x = rng.choice([-1.0, 1.0], n) + 0.5 * rng.standard_normal(n)
    assert checks.score(x, mixture_score, alpha=ALPHA).verdict is Verdict.PASS
    assert checks.score(1.02 * x, mixture_score, alpha=ALPHA).verdict is Verdict.FAIL
    assert checks.score(x + 0.03, mixture_score, alpha=ALPHA).verdict is Verdict.FAIL


def test_a_score_in_the_plane_sees_a_wrong_correlation(rng):
    covariance = np.array([[1.0, 0.5], [0.5, 2.0]])
    x = np.linalg.cholesky(covariance) @ rng.standard_normal((2, 100_000))

    def score(x):
        return -np.linalg.solve(covariance, x)

    assert checks.score(x, score, alpha=ALPHA).verdict is Verdict.PASS
    wrong = np.linalg.cholesky(covariance - [[0, 0.05], [0.05, 0]]) @ rng.standard_normal((2, 100_000))
    assert checks.score(wrong, score, alpha=ALPHA).verdict is Verdict.FAIL


def test_weights_of_modes_far_apart_are_not_seen_as_stated(rng):
    """The blind spot that the module names: 70 % and 30 % in place of halves, ten standard deviations apart."""
    n = 100_000
    x = np.where(rng.random(n) < 0.7, -5.0, 5.0) + rng.standard_normal(n)
    assert checks.score(x, lambda x: 5 * np.tanh(5 * x) - x, alpha=ALPHA).verdict is Verdict.PASS


# --- names and bad input


def test_monomials_are_named_and_evaluated() -> None:
    x = np.array([[2.0, 3.0], [5.0, 7.0]])
    found = {name: f(x).tolist() for name, f in monomials(2).items()}
    assert found == {"x0": [2, 3], "x1": [5, 7], "x0^2": [4, 9], "x0 x1": [10, 21], "x1^2": [25, 49]}
    assert list(monomials(1, 3)) == ["x", "x^2", "x^3"]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda x: checks.stationarity(x, x[:-1]), "before has shape"),
        (lambda x: checks.stationarity(x, x, functions={}), "no functions"),
        (lambda x: checks.stationarity(x, x, functions={"sum": np.sum}), "'sum' returned shape"),
        (lambda x: checks.martingale(x, [0.0, 1.0], functions={}), "paths have shape"),
        (lambda x: checks.score(x, lambda x: 1.0), "score returned shape"),
        (lambda x: checks.score(x[:1], lambda x: x), "more than one value"),
        (lambda x: checks.score(x, lambda x: x, scale=0.0), "scale"),
    ],
)
def test_shapes_that_disagree_are_refused(call, message):
    with pytest.raises(InvalidInput, match=message):
        call(np.linspace(-1, 1, 10))
