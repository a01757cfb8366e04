"""Planted defects: each is a scheme with one thing wrong in it, which a study must find, beside its unplanted twin.

Most are seen in laws, without sampling. One is not: the sign of a Lévy area, which only paths show.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from order_problems import altered

import fpsde
from fpsde import checks
from fpsde.checks import OrderResult, Verdict
from fpsde.convergence import stationary_bias, weak_order
from fpsde.convergence.weak_problems import WEAK
from fpsde.integrators import simulate
from fpsde.laws.backward_chain import BackwardChain
from fpsde.laws.frame import Frame
from fpsde.noise import Normals
from fpsde.processes import geometric_brownian, ornstein_uhlenbeck, overdamped, process_named
from fpsde.schemes import euler_maruyama, heun, leimkuhler_matthews, platen_weak2, splitting
from fpsde.schemes.advance import Advance
from fpsde.schemes.inputs import DW
from fpsde.schemes.langevin_pieces import langevin_pieces
from fpsde.symbolic import components

FLOOR = 1e-10
SQUARE = {"x^2": lambda *x: x[0] ** 2}
HALVED = [0.2 / 2**k for k in range(6)]


def mutant(scheme: Any, step: Callable[..., Any], **changes: Any) -> Any:
    """Return the scheme with another step, and all that it claims."""
    return replace(scheme, step=step, **changes)


def scaled_by_dt(scheme: Any) -> Any:
    """The scheme whose increments are dt z in place of sqrt(dt) z."""

    def step(model: Any, x: Any, t: Any, dt: Any, noise: Any, *aux: Any) -> Any:
        dw = components([v * np.sqrt(dt) for v in noise.dw])
        return scheme.step(model, x, t, dt, SimpleNamespace(dw=dw), *aux)

    return mutant(scheme, step)


def dropping_the_last_step(scheme: Any, t_end: float) -> Any:
    """The scheme that stands still in the step that would end at ``t_end``."""

    def step(model: Any, x: Any, t: Any, dt: Any, noise: Any) -> Any:
        moved = scheme.step(model, x, t, dt, noise)
        return x + np.where(t + 1.5 * dt > t_end, 0.0, 1.0) * (moved - x)

    return mutant(scheme, step)


def judged(scheme: Any, problem: str, expected: float) -> OrderResult:
    p = WEAK[problem]
    return checks.order(p.t_end / np.array(p.steps), p.errors(scheme), expected=expected, floor=FLOOR)


def second_moment(process: Any, scheme: Any, **options: Any) -> OrderResult:
    """The verdict on the weak order of E x^2 at t = 1, from steps of 0.2 on."""
    return weak_order(process, scheme, observables=SQUARE, dts=HALVED, t_end=1.0, **options)["x^2"].result


# --- seen by the weak order


def test_increments_that_are_dt_in_place_of_its_root() -> None:
    process = ornstein_uhlenbeck()
    assert second_moment(process, euler_maruyama).verdict is Verdict.PASS
    found = second_moment(process, scaled_by_dt(euler_maruyama))
    assert found.verdict is Verdict.FAIL and "biased at order 0" in found.detail
    # no noise is left in the end: what is missing is the variance of the process
    variance = process.exact.transition(process.setting.x0, 1.0).variance
    assert found.intercept == pytest.approx(-variance, rel=1e-3)


@pytest.mark.parametrize(("factor", "slope"), [(1.01, 0.78), (1.001, 1.00)])
def test_noise_that_is_too_large_is_hidden_by_the_slope_and_found_by_the_intercept(factor: float, slope: float) -> None:
    wrong = altered(euler_maruyama, lambda value: factor * value)
    found = weak_order(ornstein_uhlenbeck(), wrong, observables=SQUARE, dts=HALVED, t_end=1.0)["x^2"]
    fitted = np.polyfit(np.log(found.dts), np.log(np.abs(found.errors)), 1)[0]
    assert fitted == pytest.approx(slope, abs=0.01)  # which many studies would take for a 1
    assert found.result.verdict is Verdict.FAIL and "biased at order 0" in found.result.detail
    variance = ornstein_uhlenbeck().exact.transition(0.0, 1.0).variance
    assert found.result.intercept == pytest.approx((factor**2 - 1) * variance, rel=2e-3)
    assert found.result.intercept_low is not None and found.result.intercept_low > 0


def test_a_stratonovich_drift_taken_for_an_ito_one() -> None:
    """The term sigma sigma'/2 is missing: on geometric Brownian motion E X^2 is that of mu less sigma^2/2."""

    def step(model: Any, x: Any, t: Any, dt: Any, noise: Any) -> Any:
        return x + model.stratonovich_drift(x, t) * dt + model.noise(x, t, noise.dw)

    process = geometric_brownian(mu=0.4, sigma=0.5)
    assert second_moment(process, euler_maruyama, x0=1.0).verdict is Verdict.PASS
    found = second_moment(process, mutant(euler_maruyama, step), x0=1.0)
    assert found.verdict is Verdict.FAIL and "biased at order 0" in found.detail
    assert found.intercept == pytest.approx(np.exp(0.8) - np.exp(0.8 + 0.25), rel=1e-3)


def test_the_noise_of_one_channel_added_to_all_components() -> None:
    """Seen by both components together, and by the second one; what the first does is right."""
    process = fpsde.linear_system([[1.0, 0.0], [0.0, 0.5]], [[0.8, 0.0], [0.0, 0.6]])

    def step(model: Any, x: Any, t: Any, dt: Any, noise: Any) -> Any:
        moved = euler_maruyama.step(model, x, t, dt, noise)
        first = model.channel(0, x, t)[0] * noise.dw[0]
        return components([moved[0], *(m + first for m in moved[1:])])

    u = {"x^2": lambda x, y: x**2, "y^2": lambda x, y: y**2, "x y": lambda x, y: x * y}
    options: dict[str, Any] = {"observables": u, "dts": HALVED, "x0": (1.0, 0.5), "t_end": 1.0}
    right = weak_order(process, euler_maruyama, **options)
    wrong = weak_order(process, mutant(euler_maruyama, step), **options)
    assert all(found.result.verdict is Verdict.PASS for found in right.values())
    assert wrong["x^2"].result.verdict is Verdict.PASS
    assert wrong["y^2"].result.verdict is wrong["x y"].result.verdict is Verdict.FAIL
    # int_0^1 0.8^2 e^(-1.5 s) ds
    assert wrong["x y"].result.intercept == pytest.approx(0.64 * (1 - np.exp(-1.5)) / 1.5, rel=1e-3)


def test_a_quarter_that_is_taken_twice() -> None:
    """Platen's step with 1/16 in place of 1/4: in all of its noise, or in the terms of second order alone."""

    def planted(parts: Callable[[Any, Any, Any], Any]) -> Any:
        def step(model: Any, x: Any, t: Any, dt: Any, noise: Any) -> Any:
            sigma, place, (dw,) = model.channel(0, x, t), x + model.drift(x, t) * dt, noise.three_point
            up, down = (model.channel(0, place + s * sigma * np.sqrt(dt), t + dt) for s in (1, -1))
            quarters = parts((up + down + 2 * sigma) * dw, (up - down) * (dw * dw - dt) / np.sqrt(dt), dw)
            return platen_weak2.step(model, x, t, dt, noise) - (1 / 4 - 1 / 16) * quarters

        return mutant(platen_weak2, step)

    process = geometric_brownian(mu=0.4, sigma=0.8)
    assert second_moment(process, platen_weak2).verdict is Verdict.PASS
    everywhere = second_moment(process, planted(lambda first, second, dw: first + second))
    assert everywhere.verdict is Verdict.FAIL and "biased at order 0" in everywhere.detail
    in_one = second_moment(process, planted(lambda first, second, dw: second))
    assert in_one.verdict is Verdict.FAIL
    # a step of weak order 1 is left, whose variance lacks (1 - 1/16) sigma^4 h^2/2
    assert in_one.order == pytest.approx(1.0, abs=0.02)


def test_a_last_step_that_is_dropped() -> None:
    """It costs a scheme of second order its order; one of first order keeps it, and only the constant is another."""
    process = WEAK["variance preserving"].process
    options: dict[str, Any] = {"observables": SQUARE, "dts": [0.125 / 2**k for k in range(4)], "x0": 1.2, "t_end": 1.0}
    found = {}
    for scheme in (heun, euler_maruyama):
        assert weak_order(process, scheme, **options)["x^2"].result.verdict is Verdict.PASS
        found[scheme] = weak_order(process, dropping_the_last_step(scheme, 1.0), **options)["x^2"].result
    assert found[heun].verdict is Verdict.FAIL and found[heun].order == pytest.approx(1.0, abs=0.05)
    assert found[euler_maruyama].verdict is Verdict.PASS


# --- seen by one of the studies, and not by another


def baoab_with_half_the_friction(model: Any, x: Any, t: Any, dt: Any, noise: Any, aux: Any = None) -> Any:
    """BAOAB with c = exp(-gamma h/2); its noise has the strength that belongs to this c."""
    pieces = langevin_pieces(model.process)
    (gamma,), (sigma,) = model.at("friction", pieces.friction, (), t), model.at("sigma", tuple(pieces.sigma), (), t)
    half, q, v = 0.5 * dt, x[0], x[1]
    ((dw,),) = noise.dw_parts
    v = v + half * model.at("force", pieces.force, [q], t)[0]
    q, c = q + half * v, np.exp(-0.5 * gamma * dt)
    v = c * v + np.sqrt((1 - c * c) / (2 * gamma * dt)) * sigma * dw
    q = q + half * v
    return Advance(components([q, v + half * model.at("force", pieces.force, [q], t + dt)[0]]))


def test_half_the_friction_in_baoab_is_seen_on_the_way_and_not_in_the_stationary_law() -> None:
    """c = exp(-gamma h/2) with the noise that belongs to it: a sampler of the right law, of other dynamics."""
    baoab = splitting("BAOAB")
    wrong = mutant(baoab, baoab_with_half_the_friction, auxiliary=(), internal=(), start=None)
    assert judged(baoab, "oscillator", 2.0).verdict is Verdict.PASS
    found = judged(wrong, "oscillator", 2.0)
    assert found.verdict is Verdict.FAIL and "biased at order 0" in found.detail

    moments = Frame(WEAK["oscillator"].axes)
    seconds = moments.holding([lambda x, v: x * x, lambda x, v: x * v, lambda x, v: v * v])
    laws = [BackwardChain(scheme, WEAK["oscillator"].process, moments).stationary(0.4) for scheme in (baoab, wrong)]
    np.testing.assert_allclose(*(law @ seconds for law in laws), atol=1e-12)


def with_a_second_increment(step: Callable[..., Any]) -> Any:
    """Leimkuhler and Matthews's scheme with another step, which also gets independent increments ``noise.other``."""
    return mutant(leimkuhler_matthews, step, inputs=(DW, replace(DW, name="other")))


def test_fresh_noise_in_both_halves_of_leimkuhler_and_matthews() -> None:
    """Where it moves and where it is seen must share one increment; each of the two ways to forget it is found."""
    well = overdamped(lambda x: x**2 / 2, 1.0)
    dts = [0.1 / 2**k for k in range(4)]

    def seen_with_another(model: Any, x: Any, t: Any, dt: Any, noise: Any, aux: Any) -> Any:
        half = 0.5 * model.noise(x, t, noise.other)
        return Advance(x + model.drift(x + half, t) * dt + model.noise(x, t, noise.dw), aux={"place": x + half})

    def both_fresh(model: Any, x: Any, t: Any, dt: Any, noise: Any) -> Any:
        average = [0.5 * (a + b) for a, b in zip(noise.dw, noise.other, strict=True)]
        return x + model.drift(x, t) * dt + model.noise(x, t, average)

    right = stationary_bias(well, leimkuhler_matthews, dts=dts)
    assert right.theory == 2.0 and right.results["x^2"].verdict is Verdict.PASS
    assert np.max(np.abs(right.biases)) < 1e-8
    drifting = stationary_bias(well, with_a_second_increment(seen_with_another), dts=dts)
    assert drifting.results["x^2"].verdict is Verdict.FAIL
    assert drifting.results["x^2"].order == pytest.approx(1.0, abs=0.02)
    memoryless = replace(with_a_second_increment(both_fresh), auxiliary=(), internal=(), observed=None)
    halved = stationary_bias(well, memoryless, dts=dts).results["x^2"]
    assert halved.verdict is Verdict.FAIL and halved.intercept == pytest.approx(-0.5, abs=1e-3)


# --- not seen in laws


def area_of_the_other_sign(model: Any, x: Any, t: Any, dt: Any, noise: Any) -> Any:
    """Euler and Maruyama with dA = -(X dW2 - Y dW1)/2."""
    moved = euler_maruyama.step(model, x, t, dt, noise)
    return components([moved[0], moved[1], 2 * x[2] - moved[2]])


def test_no_law_sees_the_sign_of_a_levy_area() -> None:
    """(X, Y, -A) has the law of (X, Y, A): turned about the x axis, the path of the plane is as likely."""
    process, wrong = process_named("levy_area"), mutant(euler_maruyama, area_of_the_other_sign)
    u = {
        "A": lambda x, y, a: a,
        "A^2": lambda x, y, a: a**2,
        "A x y": lambda x, y, a: a * x * y,
        "A^2 x^2": lambda x, y, a: (a * x) ** 2,
    }
    options: dict[str, Any] = {"observables": u, "dts": [0.25 / 2**k for k in range(5)], "t_end": 1.0}
    right, flipped = (weak_order(process, scheme, **options) for scheme in (euler_maruyama, wrong))
    for name, found in right.items():
        assert found.result.verdict is flipped[name].result.verdict is Verdict.PASS
        np.testing.assert_allclose(flipped[name].errors, found.errors, atol=1e-13)
    assert right["A^2"].exact == pytest.approx(0.25, rel=1e-12)  # T^2/4
    assert abs(right["A^2"].errors[0]) > 0.05


@pytest.mark.slow
def test_paths_see_the_sign_of_a_levy_area(seed: int) -> None:
    """Against the area of the same path read four times as finely as the smallest step."""
    process, steps, finest = process_named("levy_area"), (8, 16, 32, 64), 256

    def areas(scheme: Any, n: int) -> np.ndarray:
        run = simulate(
            process, scheme, x0=(0.0, 0.0, 0.0), t_end=1.0, dt=1 / n, refinement=finest // n, n_particles=10_000,
            seed=seed, normals=Normals.FLOAT64,
        )  # fmt: skip
        return run.positions[2]

    path = areas(euler_maruyama, finest)
    wrong = mutant(euler_maruyama, area_of_the_other_sign)
    e, planted = (
        np.array([np.sqrt(np.mean((areas(s, n) - path) ** 2)) for n in steps]) for s in (euler_maruyama, wrong)
    )
    h = 1 / np.array(steps)
    # E A_h^2 = (1 - h)/4, and what the finest area adds to it is orthogonal: E (A - A_h)^2 = (h - h_finest)/4. The mean
    # of 10 000 squares has a relative standard deviation of 2 %.
    np.testing.assert_allclose(e**2, (h - 1 / finest) / 4, rtol=0.15)
    np.testing.assert_allclose(planted**2, (1 - h) + (h - 1 / finest) / 4, rtol=0.15)
