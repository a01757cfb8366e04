"""Mixtures in the plane: components, scores, and the noised mixture by the Fokker-Planck equation."""

import numpy as np
import pytest
from scipy import integrate, stats

from fpsde.density import Normal
from fpsde.errors import InvalidInput
from fpsde.gaussian_mixture import GaussianMixture, mixture_log_density, round_mixture
from fpsde.processes import (
    constant_beta,
    langevin_of,
    linear_beta,
    noised_mixture,
    variance_preserving,
)

DATA = round_mixture([0.25, 0.75], [[-1.0, 0.5], [0.8, -0.3]], [0.3, 0.6])
FIRST = np.array([1 / 280, -4 / 105, 1 / 5, -4 / 5, 0, 4 / 5, -1 / 5, 4 / 105, -1 / 280])
SECOND = np.array([-1 / 560, 8 / 315, -1 / 5, 8 / 5, -205 / 72, 8 / 5, -1 / 5, 8 / 315, -1 / 560])
X = np.random.default_rng(3).uniform(-1.5, 1.5, (2, 20))


def test_a_component_is_the_density_integrated_over_the_other() -> None:
    for i in (0, 1):
        for at in (-0.8, 0.4):

            def along(y, i=i, at=at):
                return float(DATA.pdf(np.insert(np.array([y]), i, at)[:, None])[0])

            marginal = integrate.quad(along, -8, 8, epsabs=1e-13, points=[-1, 0.8])[0]
            assert DATA.component(i).pdf(at) == pytest.approx(marginal, rel=1e-10)
            assert DATA.component(1 - i).pdf(at) != pytest.approx(marginal, rel=1e-2)
        assert DATA.component(i).mean == pytest.approx(DATA.mean[i], abs=1e-14)
        assert DATA.component(i).variance == pytest.approx(DATA.covariance[i, i], abs=1e-14)
    apart = 0.25 * 0.75 * (-1.8) * 0.8
    assert DATA.covariance[0, 1] == pytest.approx(apart)


def test_the_density_in_three_dimensions_is_that_of_scipy() -> None:
    means, stds = np.array([[-1.0, 0.5, 0.2], [0.8, -0.3, 0.4]]), (0.3, 0.6)
    mixture = round_mixture([0.25, 0.75], means, stds)
    x = np.random.default_rng(5).uniform(-1.0, 1.0, (3, 9))
    parts = [stats.multivariate_normal(m, s**2).pdf(x.T) for m, s in zip(means, stds, strict=True)]
    assert mixture.pdf(x) == pytest.approx(0.25 * parts[0] + 0.75 * parts[1], rel=1e-12)


@pytest.mark.parametrize("schedule", [constant_beta(1.3), linear_beta(0.2, 3.0)])
def test_the_noised_mixture_solves_the_fokker_planck_equation(schedule) -> None:
    """dp/dt = (beta/2) sum_i d_i(x_i p + d_i p), by central differences of order 8."""
    process, t, h, dt = noised_mixture(schedule, DATA), 0.4, 0.01, 0.004

    def density(x, at=t):
        return process.exact.marginal(DATA, at).pdf(x)

    p_t = sum(w * density(X, t + k * dt) for w, k in zip(FIRST, range(-4, 5), strict=True)) / dt
    flux = 0.0
    for unit in np.eye(2)[..., None]:
        at = [X + k * h * unit for k in range(-4, 5)]
        flux += sum(w * (unit * x).sum(axis=0) * density(x) for w, x in zip(FIRST, at, strict=True)) / h
        flux += sum(w * density(x) for w, x in zip(SECOND, at, strict=True)) / h**2
    rate = process.diffusivity(X[:, :1], t)[0, 0, 0]
    assert p_t == pytest.approx(rate * flux, abs=1e-9)
    assert p_t != pytest.approx(1.01 * rate * flux, abs=1e-4)


def test_one_component_is_the_process_in_one_dimension() -> None:
    plane, line = noised_mixture(linear_beta(0.2, 3.0), DATA), variance_preserving(linear_beta(0.2, 3.0))
    x = np.linspace(-2, 2, 9)
    for i in (0, 1):
        expected = line.exact.marginal(DATA.component(i), 0.7)
        assert plane.exact.marginal(DATA, 0.7).component(i).cdf(x) == pytest.approx(expected.cdf(x), abs=1e-14)
        assert plane.exact.component(i, [0.4, -1.1], 0.7).cdf(x) == pytest.approx(
            line.exact.transition([0.4, -1.1][i], 0.7).cdf(x), abs=1e-14
        )
    assert plane.exact.stationary_component(1) == Normal(0.0, 1.0)


def test_the_score_is_the_gradient_of_the_log_density() -> None:
    process = langevin_of(mixture_log_density, dim=2, params=DATA.params)
    h = 0.01
    for i, unit in enumerate(np.eye(2)[..., None]):
        slope = sum(w * np.log(DATA.pdf(X + k * h * unit)) for w, k in zip(FIRST, range(-4, 5), strict=True)) / h
        assert process.ito_drift(X)[i] == pytest.approx(slope, abs=1e-8)
    far = process.ito_drift(np.array([[90.0], [70.0]]))  # where the density underflows
    assert far[:, 0] == pytest.approx([(0.8 - 90) / 0.36, (-0.3 - 70) / 0.36], rel=1e-12)
    moved = process.with_params(means=DATA.means + 0.1)
    assert moved.ito_drift(X + 0.1) == pytest.approx(process.ito_drift(X), rel=1e-12)
    assert moved.statement == process.statement


@pytest.mark.parametrize("lean", [0.0, 0.12])
def test_as_model_function_and_as_record_a_mixture_of_any_covariances_is_one(lean) -> None:
    covariances = np.array([[[0.5, lean], [lean, 0.1]], [[0.2, -lean], [-lean, 0.3]]])
    law = GaussianMixture([0.4, 0.6], [[-1.0, 0.5], [0.8, -0.3]], covariances)
    parts = [stats.multivariate_normal(m, c).pdf(X.T) for m, c in zip(law.means, covariances, strict=True)]
    assert law.pdf(X) == pytest.approx(0.4 * parts[0] + 0.6 * parts[1], rel=1e-12)
    noisy = law.noised(0.8, 0.3)
    assert law.log_density(X, 0.8, 0.3) == pytest.approx(np.log(noisy.pdf(X)), rel=1e-12)
    process = langevin_of(mixture_log_density, dim=2, params=noisy.params)
    assert ("axes" in process.params) is (lean != 0)
    assert process.ito_drift(X) == pytest.approx(law.score(X, 0.8, 0.3), rel=1e-12, abs=1e-13)
    assert process.ito_drift(X) != pytest.approx(law.score(X, 0.8, 0.31), rel=1e-3)
    assert noisy.component(1).variance == pytest.approx(noisy.covariance[1, 1], rel=1e-12)


def test_parameters_and_data_can_be_changed() -> None:
    changed = noised_mixture().with_params(beta_max=5.0, data=DATA)
    assert changed.params["beta_max"] == 5.0
    assert changed.setting.x0 == pytest.approx(tuple(DATA.mean))
    assert noised_mixture(linear_beta(t_end=2.0)).with_params(beta_max=5.0).setting.t_end == 2.0
    x = np.array([[0.3], [-0.4]])
    assert changed.exact.marginal(DATA, 0.5).pdf(x) != pytest.approx(noised_mixture().exact.marginal(DATA, 0.5).pdf(x))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: round_mixture([0.5, 0.6], [[0, 0], [1, 1]], [1, 1]), r"weights=\[0.5, 0.6\] must be positive and sum"),
        (lambda: round_mixture([1.0], [[0, 0]], [0.0]), r"stds=\[0.0\] must be positive"),
        (lambda: round_mixture([1.0], [[0, 0]], [-1.0]), r"stds=\[-1.0\] must be positive"),
        (
            lambda: round_mixture([1.0], [[0, 0], [1, 1]], [1.0]),
            r"weights \(1,\), means \(2, 2\), covariances \(1, 2, 2\)",
        ),
        (lambda: round_mixture([1.0], [0.0], [1.0]), r"means has shape \(1,\); 2 dimension"),
        (lambda: noised_mixture(data=round_mixture([1.0], [[0.0]], [1.0])), r"take fpsde.variance_preserving"),
        (lambda: noised_mixture().exact.marginal(Normal(0, 1), 0.5), r"no closed form from Normal"),
        (lambda: noised_mixture().exact.mean([1.0], 0.5), r"x0 has 1 components; 2 are needed"),
        (lambda: noised_mixture(linear_beta(1.0, 0.0)).exact.marginal(DATA, 2.0), r"at t=2.0 is negative"),
    ],
)
def test_bad_mixtures_and_times_are_refused(make, message) -> None:
    with pytest.raises(InvalidInput, match=message):
        make()
