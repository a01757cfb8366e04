"""Multilevel Monte Carlo: the price of Black and Scholes, exact variances, rates of cost, wrong pairs that are seen."""

import math

import numpy as np
import pytest

import fpsde
from fpsde import multilevel
from fpsde.errors import InvalidInput, NotConverged, UnstableStep
from fpsde.multilevel import (
    Level,
    MultilevelEstimate,
    Rates,
    decay_rates,
    multilevel_estimate,
    multilevel_levels,
    optimal_samples,
)

MARKET = fpsde.geometric_brownian(mu=0.05, sigma=0.2)
PRICE = fpsde.call_price(MARKET, 100.0, strike=100.0, t_end=1.0)
#: Standard errors at a level of 1e-8, both sides.
FAR = 5.73
#: Consistency that a sound pair exceeds with a probability below 1e-8: its unit is at least 4.2 standard errors.
SOUND = 1.4


def payoff(x):
    return math.exp(-0.05) * np.maximum(x - 100.0, 0.0)


def estimate(scheme, accuracy, seed, **options):
    return multilevel_estimate(MARKET, scheme, payoff, x0=100.0, t_end=1.0, accuracy=accuracy, seed=seed, **options)


def test_the_closed_form_is_the_price_that_the_literature_gives() -> None:
    assert pytest.approx(10.4506, abs=5e-5) == PRICE


@pytest.mark.parametrize("scheme", [fpsde.milstein, fpsde.euler_maruyama])
def test_the_price_comes_out_within_its_stated_error(scheme, seed) -> None:
    found = estimate(scheme, 0.05, seed)
    assert found.standard_error <= 0.05 / math.sqrt(2) and found.bias <= 0.05 / math.sqrt(2)
    assert abs(found.value - PRICE) < FAR * found.standard_error + found.bias
    low, high = found.interval(1 - 1e-8)
    assert low < PRICE < high
    assert high - low == pytest.approx(2 * (5.7307 * found.standard_error + found.bias), rel=1e-4)
    assert found.consistency < SOUND
    assert found.cost < found.plain_cost / 3
    # negative control: with a rate of 0.06 the price is another one
    other = fpsde.call_price(fpsde.geometric_brownian(mu=0.06, sigma=0.2), 100.0, strike=100.0, t_end=1.0)
    assert not low < other < high


def exact_level_variance(factor, k, *, mu, sigma, milstein):
    """Return Var(X_f - X_c) at t = 1 of geometric Brownian motion from 1: factor^k and factor^(k-1) steps.

    A coarse step multiplies (X_f^2, X_f X_c, X_c^2) by the expectations of (F^2, F C, C^2), F the product of the fine
    factors and C the coarse factor, polynomials of the fine normals: by Gauss-Hermite nodes, exactly.
    """
    h = factor**-k
    z, w = np.polynomial.hermite_e.hermegauss(4)
    w = w / w.sum()
    grids = np.stack(np.meshgrid(*[z] * factor, indexing="ij")).reshape(factor, -1)
    weights = np.prod(np.stack(np.meshgrid(*[w] * factor, indexing="ij")).reshape(factor, -1), axis=0)

    def step(dt, dw):
        return 1 + mu * dt + sigma * dw + (sigma**2 / 2 * (dw**2 - dt) if milstein else 0.0)

    fine = np.prod(step(h, math.sqrt(h) * grids), axis=0)
    coarse = step(factor * h, math.sqrt(h) * grids.sum(axis=0))
    n = factor ** (k - 1)
    second = [float(weights @ (a * b)) ** n for a, b in ((fine, fine), (fine, coarse), (coarse, coarse))]
    means = [float(weights @ a) ** n for a in (fine, coarse)]
    return second[0] - 2 * second[1] + second[2] - (means[0] - means[1]) ** 2


@pytest.mark.parametrize(("scheme", "order"), [(fpsde.euler_maruyama, 1.0), (fpsde.milstein, 2.0)])
def test_the_variance_of_a_level_is_the_exact_one_and_falls_with_the_strong_order(scheme, order, seed) -> None:
    gbm = fpsde.geometric_brownian(mu=0.1, sigma=0.2)
    levels = multilevel_levels(gbm, scheme, lambda x: x, x0=1.0, t_end=1.0, n_levels=5, n_samples=100_000, seed=seed)
    exact = [exact_level_variance(4, k, mu=0.1, sigma=0.2, milstein=scheme is fpsde.milstein) for k in range(1, 5)]
    for level, variance in zip(levels[1:], exact, strict=True):
        assert abs(level.variance - variance) < FAR * level.variance_error
        assert 0.2 * variance > 2 * FAR * level.variance_error  # control: a fifth more would be seen
    slopes = -np.diff(np.log(exact)) / math.log(4)
    assert fpsde.checks.order(4.0 ** -np.arange(1, 5), exact, expected=order, candidates=(0.5, 1.0, 1.5, 2.0, 3.0)).low
    assert abs(slopes[-1] - order) < 0.1
    assert abs(decay_rates(levels, 4).beta - np.mean(slopes)) < 0.1


def cost_of(variances, costs, accuracy):
    return float(np.dot(optimal_samples(variances, costs, accuracy), costs))


def test_costs_grow_as_the_theorem_says() -> None:
    """Exact variances of f(x) = x: accuracy^-2 for Milstein, with log^2 for Euler, accuracy^-3 for plain sampling."""
    accuracies = 10.0 ** -np.arange(2, 7)
    # the weak error of both is about 0.02 h, which gives the finest level that each accuracy needs
    n_levels = [max(1, math.ceil(math.log(0.02 * math.sqrt(2) / accuracy, 4)) + 1) for accuracy in accuracies]
    scaled = {}
    for milstein in (True, False):
        variances = [math.expm1(0.25) * math.exp(0.2)]
        variances += [exact_level_variance(4, k, mu=0.1, sigma=0.5, milstein=milstein) for k in range(1, max(n_levels))]
        steps = [4**k + (4 ** (k - 1) if k else 0) for k in range(max(n_levels))]
        costs = [cost_of(variances[:n], steps[:n], a) for n, a in zip(n_levels, accuracies, strict=True)]
        scaled[milstein] = np.array(costs) * accuracies**2
    assert scaled[True][-1] < 1.02 * scaled[True][-2]  # bounded
    # each level of Euler costs as much as every other: the root grows linearly in their number, that is in log accuracy
    per_level = np.diff(np.sqrt(scaled[False])) / np.diff(n_levels)
    assert per_level[1:] == pytest.approx(per_level[-1], rel=0.01)
    assert scaled[False][-1] > 4 * scaled[False][1]  # control: what Milstein's does not do
    assert Rates(1.0, 2.0).cost_exponent == Rates(1.0, 1.0).cost_exponent == 2.0
    assert Rates(1.0, 0.5).cost_exponent == 2.5 and Rates(1.0, 2.0).plain_cost_exponent == 3.0


def test_cost_counted_over_a_range_of_accuracies(seed) -> None:
    """What the driver spends: cost accuracy^2 of Milstein stays, plain sampling pays one power more."""
    runs = [estimate(fpsde.milstein, accuracy, seed) for accuracy in (0.4, 0.1, 0.025)]
    scaled = [run.cost * run.accuracy**2 for run in runs]
    assert max(scaled[1:]) < 2.0 * min(scaled[1:])
    plain = [run.plain_cost * run.standard_error**2 / run.levels[-1].n_steps for run in runs]
    assert plain == pytest.approx([np.mean(plain)] * 3, rel=0.2)  # variance of the payoff: steps carry the growth
    assert runs[-1].levels[-1].n_steps > runs[0].levels[-1].n_steps


def test_two_components_are_a_tuple(seed) -> None:
    process = fpsde.nonnormal_ou()
    found = multilevel_estimate(
        process, fpsde.euler_maruyama, lambda x: x[0] * x[1], x0=(1.0, 0.5), t_end=0.5, accuracy=0.02, seed=seed,
        first_steps=8, factor=2,
    )  # fmt: skip
    mean, covariance = process.exact.mean((1.0, 0.5), 0.5), process.exact.covariance((1.0, 0.5), 0.5)
    assert abs(found.value - (mean[0] * mean[1] + covariance[0, 1])) < FAR * found.standard_error + found.bias


def test_the_same_seed_gives_the_same_bits_and_more_samples_go_on(seed, monkeypatch) -> None:
    options = {"x0": 100.0, "t_end": 1.0, "n_levels": 2, "seed": seed}
    once = multilevel_levels(MARKET, fpsde.milstein, payoff, n_samples=4096, **options)
    assert once == multilevel_levels(MARKET, fpsde.milstein, payoff, n_samples=4096, **options)
    monkeypatch.setattr(multilevel, "BATCH", 1024)
    again = multilevel_levels(MARKET, fpsde.milstein, payoff, n_samples=4096, **options)
    assert again[1].variance == pytest.approx(once[1].variance, rel=1e-12)


def test_chains_that_do_not_belong_together_are_said_so(seed, monkeypatch) -> None:
    """The coarse chain of another process: means no longer telescope."""
    real = multilevel.simulate

    def planted(process, scheme, *, refinement, **options):
        market = MARKET if refinement == 1 else fpsde.geometric_brownian(mu=0.08, sigma=0.2)
        return real(market, scheme, refinement=refinement, **options)

    sound = estimate(fpsde.milstein, 0.1, seed)
    assert sound.consistency < SOUND
    monkeypatch.setattr(multilevel, "simulate", planted)
    levels = multilevel_levels(
        MARKET, fpsde.milstein, payoff, x0=100.0, t_end=1.0, n_levels=3, n_samples=100_000, seed=seed
    )
    wrong = MultilevelEstimate(10.0, 0.1, 0.1, 0.1, levels, Rates(1.0, 2.0), {})
    assert wrong.consistency > 1
    assert "not one chain with two steps" in wrong.doubts[0]


def test_a_digital_payoff_has_heavy_differences(seed) -> None:
    levels = multilevel_levels(
        MARKET, fpsde.milstein, lambda x: np.where(x > 100.0, 1.0, 0.0), x0=100.0, t_end=1.0, n_levels=5,
        n_samples=30_000, seed=seed,
    )  # fmt: skip
    assert levels[-1].kurtosis > 20 > levels[0].kurtosis


def test_moments_of_a_level() -> None:
    y = np.array([1.0, -2.0, 0.5, 4.0])
    level = Level(4, 5, (0.0,) * 5, (0.0, 0.0)).with_more(y[:2], y[:2]).with_more(y[2:], y[2:])
    assert (level.n_samples, level.mean, level.variance) == (4, y.mean(), pytest.approx(y.var()))
    assert level.kurtosis == pytest.approx(np.mean((y - y.mean()) ** 4) / y.var() ** 2)
    assert (level.fine_mean, level.fine_variance) == (y.mean(), pytest.approx(y.var()))


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"accuracy": 0.0}, InvalidInput, "accuracy=0.0 must be positive"),
        ({"factor": 1}, InvalidInput, "factor=1"),
        ({"first_steps": 0}, InvalidInput, "first_steps=0"),
        ({"x0": np.zeros((1, 5))}, InvalidInput, "x0 holds positions of particles"),
        ({"f": lambda x: x[:3]}, InvalidInput, r"f returned shape \(3,\)"),
        ({"f": lambda x: np.where(x > 0, np.nan, x)}, InvalidInput, "not all finite"),
        ({"scheme": fpsde.exact_sampling}, InvalidInput, "refine"),
    ],
)  # fmt: skip
def test_bad_input_is_refused(change, error, message) -> None:
    options = {"x0": 100.0, "t_end": 1.0, "accuracy": 1.0, "seed": 1, **change}
    scheme, f = options.pop("scheme", fpsde.milstein), options.pop("f", payoff)
    with pytest.raises(error, match=message):
        multilevel_estimate(MARKET, scheme, f, **options)


def test_steps_that_explode_and_a_bias_that_stays_are_said_so(seed, monkeypatch) -> None:
    quartic = fpsde.overdamped(lambda x: x**4, 0.5)
    with pytest.raises(UnstableStep, match="first_steps="):
        multilevel_estimate(
            quartic, fpsde.euler_maruyama, lambda x: x**2, x0=50.0, t_end=1.0, accuracy=0.1, seed=seed, first_steps=8
        )
    monkeypatch.setattr(multilevel, "MOST_LEVELS", 3)
    with pytest.raises(NotConverged, match="after 3 levels, with 16 steps"):
        multilevel_estimate(
            fpsde.geometric_brownian(mu=1.0, sigma=0.1), fpsde.euler_maruyama, lambda x: x, x0=1.0, t_end=1.0,
            accuracy=0.005, seed=seed,
        )  # fmt: skip
