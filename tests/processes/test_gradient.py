"""Processes from a potential or a log-density: forces, stationary laws, settings, refusals."""

import numpy as np
import pytest

from fpsde.density import Normal
from fpsde.domain import Interval, Wall
from fpsde.errors import InvalidInput
from fpsde.processes import Process, Setting, langevin_of, overdamped, underdamped, washboard

X = np.linspace(-1.7, 1.9, 13)


def test_the_force_is_minus_the_derivative_of_the_potential() -> None:
    process = overdamped(lambda x, p: p.k * np.cos(x) + np.exp(-(x**2)) * x + np.abs(x), 0.3, params={"k": 1.7})
    force = 1.7 * np.sin(X) - np.exp(-(X**2)) * (1 - 2 * X**2) - np.sign(X)
    assert process.ito_drift(X) == pytest.approx(force, abs=1e-14)
    assert process.diffusivity(X) == pytest.approx(np.full(13, 0.3), abs=1e-16)


@pytest.mark.parametrize(
    "potential",
    [
        lambda x: (x - 0.4) ** 2,
        lambda x, p: (x - p.c) ** 2,
        lambda x, t, p: (x - p.c) ** 2,
        lambda x, t: (x - 0.4) ** 2,
    ],
)
def test_a_potential_takes_x_t_p_or_fewer(potential) -> None:
    process = overdamped(potential, 0.5, params={"c": 0.4})
    assert process.ito_drift(X) == pytest.approx(-2 * (X - 0.4))
    law = process.exact.stationary()
    assert law.cdf(X) == pytest.approx(Normal(0.4, 0.5).cdf(X), abs=1e-14)


def test_array_parameters_enter_the_stationary_law() -> None:
    process = overdamped(lambda x, p: p.c[0] * x**2 + p.c[1] * x, 0.5, params={"c": [1.0, -0.8]})
    assert process.exact.stationary().mean == pytest.approx(0.4, abs=1e-13)
    assert process.with_params(c=[2.0, -0.8]).exact.stationary().mean == pytest.approx(0.2, abs=1e-13)


def test_a_force_that_depends_on_time_has_no_stationary_law() -> None:
    process = overdamped(lambda x, t: (x - np.sin(t)) ** 2 / 2)
    assert process.exact.stationary is None
    assert process.ito_drift(X, 0.7) == pytest.approx(np.sin(0.7) - X)


def test_langevin_of_a_mixture_samples_the_mixture() -> None:
    def log_q(x, p):
        return np.log(0.3 * np.exp(-((x + 1.5) ** 2) / 0.18) / 0.3 + 0.7 * np.exp(-((x - 1) ** 2) / 0.5) / 0.5)

    law = langevin_of(log_q).exact.stationary()
    assert law.cdf(X) == pytest.approx(0.3 * Normal(-1.5, 0.3).cdf(X) + 0.7 * Normal(1.0, 0.5).cdf(X), abs=1e-13)
    far = langevin_of(log_q).ito_drift(np.array([-40.0, 60.0]))  # where both densities underflow
    assert far == pytest.approx([41 / 0.25, -59 / 0.25], rel=1e-13)


@pytest.mark.parametrize(("delta", "variance"), [(1.0, 1.0), (2**0.5, 2.0), (2.0, 4.0)])
def test_noise_of_another_size_samples_a_power(delta, variance) -> None:
    """Claims A2 to A4: with sigma = delta, (delta^2/2) log p = log q up to a constant; here log q = -x^2/4."""
    process = langevin_of(lambda x: -(x**2) / 4, delta**2 / 2)
    assert process.noise_coefficient(X) == pytest.approx(np.full(13, delta))
    assert process.exact.stationary().variance == pytest.approx(variance, rel=1e-13)


def test_a_cauchy_density_is_sampled_with_small_noise_only() -> None:
    """Claim A2: q^(2/delta^2) of a Cauchy q cannot be normalised from delta = 2 on."""
    assert langevin_of(lambda x: -np.log1p(x**2), 0.5).exact.stationary is not None
    assert langevin_of(lambda x: -np.log1p(x**2), 2.0).exact.stationary is None


def test_settings_follow_the_potential() -> None:
    setting = overdamped(lambda x: 50 * (x - 3) ** 2, 0.25).setting  # rate 100, std 0.05
    assert setting.x0 == pytest.approx(3 - 0.8416 * 0.05, abs=1e-4)
    assert setting.t_end == pytest.approx(4 / 100, rel=1e-9)
    assert setting.dt == pytest.approx(0.05 / 100, rel=1e-9)
    assert setting.window == pytest.approx((3 - 7.35 * 0.05, 3 + 7.35 * 0.05), abs=1e-3)
    own = overdamped(lambda x: x**2, setting=Setting(x0=0.2, t_end=3.0, dt=0.1)).setting
    assert (own.x0, own.t_end, own.dt) == (0.2, 3.0, 0.1)
    assert own.window[0] < -5 < 5 < own.window[1]
    from_law = overdamped(lambda x: x**2, setting=Setting(x0=Normal(6.0, 0.1)))
    assert from_law.setting.window[1] == pytest.approx(6 + 7.35 * 0.1, abs=1e-2)
    assert overdamped(lambda x: x**2, setting=Setting(window=(-2.0, 2.0))).setting.window == (-2.0, 2.0)


@pytest.mark.parametrize(
    ("domain", "x0"),
    [
        (Interval.between(1.0, 3.0, Wall.ABSORBING), 1.6),
        (Interval(1.0, np.inf, Wall.ABSORBING), 2.0),
        (Interval(-np.inf, 1.0, Wall.NONE, Wall.ABSORBING), 0.0),
    ],
)
def test_without_a_stationary_law_a_run_starts_inside(domain, x0) -> None:
    process = overdamped(lambda x: x**2, domain=domain)
    assert process.exact.stationary is None
    assert process.setting.x0 == pytest.approx(x0)


def test_a_flat_potential_between_walls_is_uniform_and_spreads() -> None:
    process = overdamped(lambda x: 0 * x, 0.5, domain=Interval.between(0.0, 1.0, Wall.REFLECTING))
    assert process.exact.stationary().cdf(0.3) == pytest.approx(0.3, abs=1e-15)
    assert process.setting.t_end == pytest.approx(4 / 12 / 0.5)


def test_changed_parameters_change_everything_that_follows() -> None:
    cold = washboard(tilt=0.0).with_params(temperature=0.1)
    assert cold.params["temperature"] == 0.1
    assert cold.name == "washboard"
    x = np.linspace(0, 6, 13)
    flat = cold.exact.stationary().pdf(x) * np.exp(-np.cos(x) / 0.1)
    assert flat == pytest.approx(np.full(13, flat[0]), rel=1e-10)


def of_two(x):
    first, second = x
    return first**2 + second**2


@pytest.mark.parametrize("potential", [lambda x: x[0] ** 2, of_two, lambda x: sum(v**2 for v in x)])
@pytest.mark.parametrize("made", [overdamped, underdamped])
def test_a_forgotten_dim_is_said(made, potential) -> None:
    with pytest.raises(
        InvalidInput, match=r"with dim=1, x is the component itself: write x in place of x\[0\], or give"
    ):
        made(potential)
    made(potential, dim=2)


@pytest.mark.parametrize("made", [overdamped, underdamped])
def test_a_potential_is_one_number(made) -> None:
    with pytest.raises(InvalidInput, match=r"a potential returns one number, and pair returned 2: give the potential"):

        def pair(x):
            return x[0], x[1]

        made(pair, dim=2)


def test_parameters_that_are_not_there_are_asked_for() -> None:
    with pytest.raises(
        InvalidInput, match=r"p\.k is read, and there are no parameters; params=\{'k': \.\.\.\} is missing"
    ):
        Process(drift=lambda x, p: -p.k * x, sigma=lambda x: 1.0)
    with pytest.raises(InvalidInput, match=r"unknown parameter 'k': known are rate"):
        Process(drift=lambda x, p: -p.k * x, sigma=lambda x: 1.0, params={"rate": 1.0})


def test_bad_potentials_are_refused() -> None:
    with pytest.raises(InvalidInput, match=r"temperature=-1.0 must be positive"):
        overdamped(lambda x: x**2, -1.0)
    with pytest.raises(InvalidInput, match=r"give it as temperature="):
        overdamped(lambda x: x**2, params={"temperature": 1.0})
    with pytest.raises(InvalidInput, match=r"test_gradient.py:\d+: .*np.where"):
        overdamped(lambda x: x**2 if x > 0 else -x)
    with pytest.raises(InvalidInput, match=r"unknown parameter 'kk': did you mean 'k'"):
        overdamped(lambda x, p: p.kk * x**2, params={"k": 1.0})
    with pytest.raises(InvalidInput, match=r"unknown parameter of overdamped 'temprature': did you mean 'temperature'"):
        overdamped(lambda x: x**2).with_params(temprature=2.0)
