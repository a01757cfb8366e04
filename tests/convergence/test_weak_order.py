"""weak_order(): its errors against closed forms, its orders on laws of every kind, and planted defects."""

from __future__ import annotations

import numpy as np
import pytest
from order_problems import altered

from fpsde import checks
from fpsde.checks import Verdict
from fpsde.convergence import weak_order
from fpsde.domain import Interval, Wall
from fpsde.errors import InvalidInput, NotConverged
from fpsde.processes import brownian, double_well, geometric_brownian, ornstein_uhlenbeck, process_named, washboard
from fpsde.schemes import euler_maruyama, exact_sampling, heun, milstein, platen_weak2, sra1, tamed_euler

SQUARE = {"x^2": lambda *x: x[0] ** 2}


def halved(dt: float, levels: int = 6) -> list[float]:
    return [dt / 2**k for k in range(levels)]


def test_errors_on_geometric_brownian_motion_are_the_closed_form() -> None:
    process = geometric_brownian()
    mu, sigma = process.params["mu"], process.params["sigma"]
    found = weak_order(process, euler_maruyama, observables=SQUARE, dts=halved(0.1), x0=1.3, t_end=1.0)["x^2"]
    exact = 1.3**2 * np.exp(2 * mu + sigma**2)
    chain = [1.3**2 * ((1 + mu * h) ** 2 + sigma**2 * h) ** (1 / h) for h in found.dts]
    np.testing.assert_allclose(found.errors, np.array(chain) - exact, rtol=1e-9)
    assert found.exact == pytest.approx(exact, rel=1e-12)
    assert found.result.verdict is Verdict.PASS


def test_the_process_is_the_closed_form_on_a_line_with_ends() -> None:
    """E of tanh, which is no polynomial, under the normal law of an Ornstein-Uhlenbeck process."""
    process = ornstein_uhlenbeck()
    found = weak_order(process, euler_maruyama, observables={"tanh": np.tanh}, dts=halved(0.2), x0=0.5, t_end=2.0)
    law = process.exact.transition(0.5, 2.0)
    z, w = np.polynomial.hermite_e.hermegauss(120)
    exact = np.tanh(law.mean + np.sqrt(law.variance) * z) @ w / w.sum()
    assert found["tanh"].exact == pytest.approx(exact, abs=1e-9)
    assert found["tanh"].result.verdict is Verdict.PASS


@pytest.mark.parametrize(
    "scheme", [euler_maruyama, heun, sra1, pytest.param(tamed_euler, marks=pytest.mark.slow)], ids=lambda s: s.name
)
def test_orders_in_a_double_well_are_those_claimed(scheme) -> None:
    process = double_well()
    found = weak_order(process, scheme, observables=SQUARE, dts=halved(0.02))["x^2"]
    claimed, result = scheme.weak_order(process), found.result
    assert result.verdict is Verdict.PASS, result.detail
    assert result.high - result.low <= 0.1 and result.low <= claimed <= result.high
    assert result.intercept_low < 0.0 < result.intercept_high
    assert checks.order(found.dts, found.errors, expected=claimed + 1.0).verdict is Verdict.FAIL
    assert np.all(found.accuracy < 1e-3 * np.abs(found.errors))  # the leading term does not vanish


def test_discrete_noise_is_judged_by_a_process_that_has_its_own() -> None:
    """Platen's step takes no normals; E tanh of the process beside it, on a line with ends, is summed over some."""
    found = weak_order(
        ornstein_uhlenbeck(), platen_weak2, observables={"tanh": np.tanh}, dts=halved(0.1, 5), t_end=1.0, tolerance=1e-8
    )["tanh"]
    assert found.result.verdict is Verdict.PASS, found.result.detail
    normal = ornstein_uhlenbeck().exact.transition(ornstein_uhlenbeck().setting.x0, 1.0)
    z, w = np.polynomial.hermite_e.hermegauss(120)
    assert found.exact == pytest.approx(np.tanh(normal.mean + np.sqrt(normal.variance) * z) @ w / w.sum(), abs=1e-8)


def test_orders_hold_on_a_ring_and_of_noise_that_does_not_commute() -> None:
    ring = weak_order(washboard(), euler_maruyama, observables={"cos": np.cos}, dts=halved(0.2), t_end=1.0)
    linear = process_named("noncommuting_linear")
    plane = weak_order(linear, euler_maruyama, observables=SQUARE, dts=halved(0.25), x0=linear.setting.x0, t_end=1.0)
    assert ring["cos"].result.verdict is plane["x^2"].result.verdict is Verdict.PASS
    assert plane["x^2"].exact == pytest.approx(np.exp(-1.0), rel=1e-12)


@pytest.mark.parametrize("factor", [1.01, 1.001])
def test_noise_that_is_slightly_wrong_is_found_by_the_intercept(factor: float) -> None:
    wrong = altered(milstein, lambda value: factor * value)
    for process, dt in ((double_well(), 0.02), (geometric_brownian(), 0.1)):
        found = weak_order(process, wrong, observables=SQUARE, dts=halved(dt), t_end=1.0)["x^2"]
        assert found.result.verdict is Verdict.FAIL
        assert "biased at order 0" in found.result.detail
        assert not found.result.intercept_low <= 0.0 <= found.result.intercept_high


def test_the_usual_observable_is_a_square_or_on_a_ring_a_cosine() -> None:
    (name,) = found = weak_order(geometric_brownian(), milstein, dts=halved(0.1), t_end=1.0)
    given = weak_order(geometric_brownian(), milstein, observables=SQUARE, dts=halved(0.1), t_end=1.0)["x^2"]
    assert name == "x^2" and np.array_equal(found[name].errors, given.errors)
    (name,) = found = weak_order(washboard(), euler_maruyama, dts=halved(0.2), t_end=1.0)
    assert name == "cos(2 pi x/6.283)" and found[name].result.verdict is Verdict.PASS


def test_what_cannot_be_measured_is_refused() -> None:
    dts = halved(0.1, 4)
    walled = brownian(domain=Interval.between(0.0, 1.0, Wall.REFLECTING))
    with pytest.raises(InvalidInput, match="expectations have kinks"):
        weak_order(walled, euler_maruyama, observables=SQUARE, dts=dts, x0=0.5, t_end=1.0)
    with pytest.raises(InvalidInput, match="claims to be exact"):
        weak_order(ornstein_uhlenbeck(), exact_sampling, observables=SQUARE, dts=dts, t_end=1.0)
    with pytest.raises(InvalidInput, match="no observables"):
        weak_order(double_well(), euler_maruyama, observables={}, dts=dts, t_end=1.0)
    with pytest.raises(InvalidInput, match="x0 has 2 components"):
        weak_order(double_well(), euler_maruyama, observables=SQUARE, dts=dts, x0=(0.0, 1.0), t_end=1.0)
    with pytest.raises(NotConverged, match="smoother observable"):
        weak_order(
            ornstein_uhlenbeck(), euler_maruyama, observables={"sign": np.sign}, dts=dts, t_end=1.0, tolerance=1e-12
        )
