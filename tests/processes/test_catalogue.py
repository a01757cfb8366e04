"""The catalogue: formulas as stated, parameters, settings that hold the process, readings, refusals."""

from dataclasses import replace

import numpy as np
import pytest

from fpsde.density import Law, Point
from fpsde.domain import Interval
from fpsde.errors import InvalidInput
from fpsde.processes import (
    CATALOGUE,
    ITO,
    KINETIC,
    STRATONOVICH,
    Process,
    cox_ingersoll_ross,
    geometric_brownian,
    jacobi,
    process_named,
)

X = np.array([0.11, 0.35, 0.6, 0.93])
GMM_RATE = 0.1 + 19.9 * 0.3  # at t = 0.3

#: Name: (mu, sigma) at X and t = 0.3 with the default parameters, by hand.
BY_HAND = {
    "brownian": (0 * X + 0.5, 0 * X + 0.8),
    "ornstein_uhlenbeck": (2.0 * (0.5 - X), 0 * X + 0.8),
    "geometric_brownian": (0.4 * X, 0.25 * X),
    "cox_ingersoll_ross": (2.0 * (0.8 - X), 0.35 * np.sqrt(X)),
    "double_well": (-4 * X * (X**2 - 1), 0 * X + np.sqrt(2 * 0.25)),
    "duffing_well": (X - X**3, 0 * X + np.sqrt(2 * 0.5)),
    "tilted_well": (X - X**3 - 0.1, 0 * X + np.sqrt(2 * 0.1)),
    "washboard": (0.5 - np.sin(X), 0 * X + np.sqrt(2 * 0.4)),
    "benes": (np.tanh(X), 0 * X + 1.0),
    "pearson": (-1.5 * X, np.sqrt(2 * 1.5 * 0.05 * (1 + X**2))),
    "jacobi": (-1.5 * (X - 0.4), np.sqrt(2 * 1.5 * 0.02 * X * (1 - X))),
    "variance_preserving": (-0.5 * GMM_RATE * X, 0 * X + np.sqrt(GMM_RATE)),
    "sub_variance_preserving": (
        -0.5 * GMM_RATE * X,
        0 * X + np.sqrt(GMM_RATE * (1 - np.exp(-2 * (0.1 * 0.3 + 19.9 * 0.3**2 / 2)))),
    ),
    "variance_exploding": (0 * X, 0 * X + 0.1 * 20**0.3 * np.sqrt(2 * np.log(20))),
}
BY_HAND |= {
    "tanh_process": (-0.25 * X * (1 - X**2), 0.5 * (1 - X**2)),
    "stiff_tanh": (-(1.0 + 0.25 * X) * (1 - X**2), 0.5 * (1 - X**2)),
    "arctan_process": (-0.25 * np.sin(X) * np.cos(X) ** 3, 0.5 * np.cos(X) ** 2),
    "sinh_process": (0.5 * X + np.sqrt(X**2 + 1), np.sqrt(X**2 + 1)),
    "cube_root": (np.cbrt(X) / 3 + 6 * np.cbrt(X) ** 2, np.cbrt(X) ** 2),
    "additive_time_dependent": (0.5 / np.sqrt(1.3) - X / 2.6, 0 * X + 0.5 / np.sqrt(1.3)),
    "ginzburg_landau": ((1 + 0.125) * X - X**3, 0.5 * X),
}


def breathing(x, t):
    """The drift and sigma of breathing_mixture; the score is the mean of the normals' scores, weighted by density."""
    m, m_slope = 0.5 * np.sin(2 * t), np.cos(2 * t)
    s, s_slope = 1 + 0.3 * np.sin(3 * t), 0.9 * np.cos(3 * t)
    parts = [(w, m + s * mean, s * std) for w, mean, std in ((0.4, -1.0, 0.5), (0.6, 1.0, 0.6))]
    densities = [w / std * np.exp(-((x - mean) ** 2) / (2 * std**2)) for w, mean, std in parts]
    slopes = [-(x - mean) / std**2 * q for q, (_, mean, std) in zip(densities, parts, strict=True)]
    sigma = 0.8 * (1 + 0.4 * np.cos(x))
    v = m_slope + (x - m) * s_slope / s
    return v - sigma * 0.32 * np.sin(x) + sigma**2 / 2 * sum(slopes) / sum(densities), sigma


BY_HAND["breathing_mixture"] = breathing(X, 0.3)
BY_HAND |= {f"brownian_{wall}": BY_HAND["brownian"] for wall in ("reflecting", "absorbing", "periodic")}


#: Those of one dimension; test_systems.py has the others.
NAMES = [name for name, make in CATALOGUE.items() if make().dim == 1]


def test_the_catalogue_is_complete() -> None:
    assert set(NAMES) == BY_HAND.keys()


@pytest.mark.parametrize("name", NAMES)
def test_coefficients_are_the_formulas_written_by_hand(name) -> None:
    process, (drift, sigma) = process_named(name), BY_HAND[name]
    assert process.name == name
    assert process.interpretation is ITO
    assert process.ito_drift(X, 0.3) == pytest.approx(drift, rel=1e-14, abs=1e-15)
    assert process.noise_coefficient(X, 0.3) == pytest.approx(sigma, rel=1e-14)
    assert process.diffusivity(X, 0.3) == pytest.approx(sigma**2 / 2, rel=1e-14)


@pytest.mark.parametrize("name", NAMES)
def test_an_equation_names_the_parameters(name) -> None:
    process = process_named(name)
    hidden = {"beta_min", "beta_max"} if name.endswith("variance_preserving") else set()
    assert process.equation.startswith("dX = ")
    for parameter in set(process.params) - hidden:
        assert parameter in process.equation


@pytest.mark.parametrize("name", NAMES)
def test_a_setting_is_a_run_of_20_to_200_whole_steps_inside_its_window(name) -> None:
    process = process_named(name)
    setting = process.setting
    steps = setting.t_end / setting.dt
    assert 20 <= round(steps) <= 200
    assert steps == pytest.approx(round(steps), rel=1e-12)
    low, high = setting.window
    assert process.domain.low <= low < high <= process.domain.high
    start = setting.x0 if isinstance(setting.x0, Law) else Point(setting.x0)
    laws = [start]
    if process.exact.marginal:
        laws += [process.exact.marginal(start, setting.t_end * k / 4) for k in range(1, 5)]
    elif process.exact.law:
        laws += [process.exact.law(setting.t_end * k / 4) for k in range(5)]
    elif process.exact.stationary:
        laws.append(process.exact.stationary())
    for law in laws:
        assert float(law.cdf(high) - law.cdf(low)) + sum(m for at, m in law.atoms if at == low) > 1 - 1e-12


@pytest.mark.parametrize("name", NAMES)
def test_every_parameter_can_be_changed(name) -> None:
    process = process_named(name)
    for parameter, value in process.params.items():
        changed = process.with_params(**{parameter: 0.9 * value})
        assert changed.params[parameter] == 0.9 * value
        assert {k: v for k, v in changed.params.items() if k != parameter} == {
            k: v for k, v in process.params.items() if k != parameter
        }
        assert (changed.name, changed.equation) == (process.name, process.equation)
        at = np.array([0.2, 0.7])
        both = [np.concatenate([p.ito_drift(at, 0.3), p.noise_coefficient(at, 0.3)]) for p in (process, changed)]
        assert not np.array_equal(*both)


def test_closed_forms_move_with_the_parameters() -> None:
    changed = process_named("ornstein_uhlenbeck", theta=3.0, mean=-1.0)
    assert changed.exact.stationary().mean == -1.0
    assert changed.exact.mean(1.0, 0.5) == pytest.approx(-1 + 2 * np.exp(-1.5))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda: process_named("double_wel"),
            r"unknown process 'double_wel': did you mean 'double_well'\? known are additive_time_dependent,",
        ),
        (lambda: process_named("jacobi", thetta=1.0), r"unknown parameter of jacobi 'thetta': did you mean 'theta'"),
        (lambda: process_named("benes", sigma=2.0), r"unknown parameter of benes 'sigma'"),
        (lambda: process_named("brownian", sigma=-1.0), r"sigma=-1.0 must be positive"),
        (lambda: process_named("brownian", drift=float("inf")), r"drift=inf is not finite"),
        (lambda: process_named("ornstein_uhlenbeck", theta=0.0), r"theta=0.0 must be positive"),
        (lambda: process_named("geometric_brownian", sigma="x"), r"sigma='x' is not a number"),
        (
            lambda: process_named("cox_ingersoll_ross", sigma=2.0),
            r"2 kappa theta = 3.2 is below sigma\^2 = 4: .* sigma <= 1.78885",
        ),
        (lambda: process_named("pearson", a=1.0), r"a=1.0 must lie strictly between 0 and 1"),
        (lambda: process_named("jacobi", a=0.5), r"a=0.5 is above min\(mean, 1 - mean\) = 0.4"),
        (lambda: process_named("jacobi", mean=1.2), r"mean=1.2 must lie strictly between 0 and 1"),
        (lambda: process_named("double_well", temperature=0.0), r"temperature=0.0 must be positive"),
        (lambda: process_named("washboard", tilt=float("nan")), r"tilt has 1 of 1 values that are NaN or infinite"),
        (lambda: process_named("variance_preserving", beta_min=-1.0), r"beta_min=-1.0, beta_max=20.0: a rate"),
        (lambda: process_named("tanh_process", a=0.0), r"a=0.0 must be positive"),
        (lambda: process_named("stiff_tanh", alpha=np.inf), r"alpha=inf is not finite"),
        (lambda: process_named("stiff_tanh", beta=-1.0), r"beta=-1.0 must be positive"),
        (lambda: process_named("arctan_process", a=-0.5), r"a=-0.5 must be positive"),
        (lambda: process_named("additive_time_dependent", alpha=0.0), r"alpha=0.0 must be positive"),
        (lambda: process_named("ginzburg_landau", alpha=-1.0), r"alpha=-1.0 must be positive"),
        (lambda: process_named("sinh_process", a=2.0), r"unknown parameter of sinh_process 'a'"),
    ],
)
def test_bad_names_and_values_are_refused_with_their_numbers(make, message) -> None:
    with pytest.raises(InvalidInput, match=message):
        make()


def test_an_end_that_is_just_out_of_reach_needs_no_wall() -> None:
    """At 2 kappa theta = sigma^2 the exponent of the gamma law is 0, and at a = mean that of the beta law is."""
    root = process_named("cox_ingersoll_ross", kappa=2.0, theta=0.25, sigma=1.0)
    assert root.exact.stationary().pdf(1e-12) == pytest.approx(4.0)
    assert process_named("jacobi", mean=0.4, a=0.4).exact.stationary().pdf(1e-12) == pytest.approx(1.5)


def test_the_stratonovich_twin_of_geometric_brownian_motion() -> None:
    """dX = (mu - sigma^2/2) X dt + sigma X o dW is dX = mu X dt + sigma X dW; the kinetic twin has mu - sigma^2."""
    ito = geometric_brownian(0.4, 0.25)
    for reading, shift in ((STRATONOVICH, 0.25**2 / 2), (KINETIC, 0.25**2)):
        twin = Process(
            drift=lambda x, t, p: (p.mu - p.shift) * x,
            sigma=lambda x, t, p: p.sigma * x,
            params={"mu": 0.4, "sigma": 0.25, "shift": shift},
            interpretation=reading,
            domain=Interval(0.0, np.inf),
        )
        assert twin.ito_drift(X) == pytest.approx(ito.ito_drift(X), rel=1e-14)
        assert replace(twin, interpretation=ITO).ito_drift(X) != pytest.approx(ito.ito_drift(X), rel=1e-2)


@pytest.mark.parametrize("make", [cox_ingersoll_ross, jacobi])
def test_readings_add_half_or_all_of_the_gradient_of_the_diffusivity(make) -> None:
    """b b'/2 = D'/2 (Stratonovich) and b b' = D' (kinetic), here against differences of D."""
    process, h = make(), 1e-3
    slope = (process.diffusivity(X + h) - process.diffusivity(X - h)) / (2 * h)  # exact: D is quadratic
    for reading, part in ((ITO, 0.0), (STRATONOVICH, 0.5), (KINETIC, 1.0)):
        read = replace(process, interpretation=reading)
        assert read.ito_drift(X) - process.ito_drift(X) == pytest.approx(part * slope, abs=1e-12)
