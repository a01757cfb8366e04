"""stationary_bias(): the quartic well's table to its digits, harmonic wells in closed form, and a planted defect."""

from __future__ import annotations

import numpy as np
import pytest
from order_problems import altered
from scipy.special import ndtr

from fpsde.checks import Verdict
from fpsde.convergence import stationary_bias
from fpsde.errors import InvalidInput
from fpsde.integrators import simulate
from fpsde.laws import stationary_scheme_law
from fpsde.processes import geometric_brownian, overdamped, underdamped
from fpsde.schemes import (
    aboba,
    baoab,
    euler_maruyama,
    heun,
    leimkuhler_matthews,
    mala,
    oabao,
    obabo,
    platen_weak2,
    tamed_euler,
)

STEPS = (0.1, 0.05, 0.025, 0.0125)
#: Biases of E x^2 in U = x^4/4 - x^2/2 at temperature 1, by an independent computation, in the digits that it gave.
KNOWN = {
    euler_maruyama: ("-2.6127e-02", "-1.177e-02", "-5.631e-03", "-2.763e-03"),
    leimkuhler_matthews: ("-1.686e-03", "-3.454e-04", "-8.117e-05", "-1.979e-05"),
    heun: ("-3.118e-02", "-6.521e-03", "-1.442e-03", "-3.367e-04"),
    tamed_euler: (
        "1.188e-01",
        "4.965e-02",
        "2.231e-02",
        "1.054e-02",
    ),  # its kinks, where the force is zero, cost nothing
}


def quartic():
    return overdamped(lambda x: x**4 / 4 - x**2 / 2, 1.0)


def printed(biases, known) -> list[str]:
    return [f"{bias:.{len(k.lstrip('-').split('e')[0]) - 2}e}" for bias, k in zip(biases, known, strict=True)]


@pytest.mark.parametrize("scheme", KNOWN, ids=lambda s: s.name)
def test_the_quartic_well_has_the_known_biases(scheme) -> None:
    found = stationary_bias(quartic(), scheme, dts=STEPS, tolerance=1e-7)
    assert found.exact[0] == pytest.approx(1.0417972965, abs=1e-9)
    assert found.exact[1] == pytest.approx(1 + found.exact[0], abs=1e-8)
    assert printed(found.biases[:, 0], KNOWN[scheme]) == list(KNOWN[scheme])
    assert found.theory == scheme.stationary_order(quartic())


@pytest.mark.slow
@pytest.mark.parametrize("scheme", [euler_maruyama, leimkuhler_matthews], ids=lambda s: s.name)
def test_the_order_of_the_bias_is_the_one_that_is_claimed(scheme) -> None:
    found = stationary_bias(quartic(), scheme, dts=[0.05 / 2**k for k in range(6)])
    assert found.results["x^2"].verdict is Verdict.PASS, found.results["x^2"].detail
    assert found.results["x^2"].low <= found.theory <= found.results["x^2"].high
    wrong = altered(scheme, lambda value: 1.001 * value)
    biased = stationary_bias(quartic(), wrong, dts=[0.05 / 2**k for k in range(6)])
    assert biased.results["x^2"].verdict is Verdict.FAIL


def test_noise_wrong_by_a_part_in_a_thousand_changes_the_digits() -> None:
    wrong = altered(leimkuhler_matthews, lambda value: 1.001 * value)
    found = stationary_bias(quartic(), wrong, dts=STEPS, tolerance=1e-7)
    assert printed(found.biases[:, 0], KNOWN[leimkuhler_matthews]) != list(KNOWN[leimkuhler_matthews])


@pytest.mark.parametrize("a", [0.1, 0.4])
def test_harmonic_wells_are_the_closed_form(a: float) -> None:
    """k <x^2>/kT = 1/(1 - h k/2) for Euler and Maruyama, 1 for Leimkuhler and Matthews; E x^4 = 3 (E x^2)^2."""
    well = overdamped(lambda x: x**2 / 2, 1.0)
    variance = 1 / (1 - a / 2)
    found = stationary_bias(well, euler_maruyama, dts=[a])
    np.testing.assert_allclose(found.exact + found.biases[0], [variance, 3 * variance**2], rtol=1e-7)
    # N(0, 1) and N(0, s^2) cross at c^2 = log(s^2)/(1 - 1/s^2): half of the distance is 2 (Phi(c) - Phi(c/s))
    c = np.sqrt(np.log(variance) / (1 - 1 / variance))
    distance = 2 * (ndtr(c) - ndtr(c / np.sqrt(variance)))
    assert found.total_variation[0] == pytest.approx(distance, rel=2e-6)
    exact = stationary_bias(well, leimkuhler_matthews, dts=[a])
    assert np.max(np.abs(exact.biases)) < 1e-8 and exact.total_variation[0] < 1e-6


@pytest.mark.parametrize("scheme", [baoab, aboba], ids=lambda s: s.name)
def test_positions_of_an_oscillator_are_exact_and_velocities_are_not(scheme) -> None:
    oscillator = underdamped(lambda x: x**2 / 2, 1.0)
    u = {"x^2": lambda x, v: x**2, "v^2": lambda x, v: v**2}
    found = stationary_bias(oscillator, scheme, dts=[0.4], observables=u, tolerance=1e-6)
    velocity = {"baoab": 1 - 0.04, "aboba": 1 / (1 - 0.04)}[scheme.name]
    np.testing.assert_allclose(found.exact + found.biases[0], [1.0, velocity], atol=1e-5)


def test_laws_of_an_oscillator_are_as_far_from_gibbs_s_as_their_variances_say() -> None:
    """BAOAB leaves N(0, 1) in x and N(0, 1 - b) in v, OABAO the other way round, b = h^2/4: one distance of normals."""
    oscillator, b = underdamped(lambda x: x**2 / 2, 1.0), 0.04
    c = np.sqrt(-np.log(1 - b) * (1 - b) / b)
    distance = 2 * (ndtr(c / np.sqrt(1 - b)) - ndtr(c))
    for scheme in (baoab, oabao):
        found = stationary_bias(oscillator, scheme, dts=[0.4], tolerance=1e-4)
        assert found.total_variation[0] == pytest.approx(distance, rel=2e-3)
        assert found.total_variation_accuracy[0] < 5e-3 * distance
        variance = {"baoab": 1.0, "oabao": 1 - b}[scheme.name]
        np.testing.assert_allclose(found.exact + found.biases[0], [variance, 3 * variance**2], atol=1e-4)


def test_mala_keeps_the_law_of_the_process_to_round_off() -> None:
    found = stationary_bias(quartic(), mala, dts=[0.05])
    assert np.max(np.abs(found.biases)) < 1e-12 and found.total_variation[0] < 1e-12
    proposed = stationary_bias(quartic(), euler_maruyama, dts=[0.05], tolerance=1e-4)  # if every move were accepted
    assert abs(proposed.biases[0, 0]) > 1e-2 and proposed.total_variation[0] > 1e-2


def test_the_distance_of_a_transient_chain_is_that_of_its_density() -> None:
    """At h = 0.1 Euler and Maruyama's chain leaves the quartic well: weights at nodes alone would not settle."""
    found = stationary_bias(quartic(), euler_maruyama, dts=[0.1], tolerance=1e-5)
    law = stationary_scheme_law(quartic(), euler_maruyama, dt=0.1).law
    x = np.linspace(-7, 7, 40001)
    gibbs = np.exp(x**2 / 2 - x**4 / 4)
    gibbs = gibbs / np.trapezoid(gibbs, x)
    assert found.total_variation[0] == pytest.approx(0.5 * np.trapezoid(np.abs(law.pdf(x) - gibbs), x), rel=1e-6)
    assert found.total_variation_accuracy[0] < 1e-9


def test_discrete_noise_has_no_density_to_compare() -> None:
    found = stationary_bias(overdamped(lambda x: x**2 / 2, 1.0), platen_weak2, dts=[0.1], tolerance=1e-6)
    assert np.isnan(found.total_variation[0]) and np.all(np.isfinite(found.biases))


@pytest.mark.slow
def test_a_double_well_with_velocities_settles_where_its_particles_do(seed: int) -> None:
    """OBABO at h = 0.3, whose E x^4 is off by 0.05; the particles see that, and nothing of what is left."""
    well = underdamped(lambda x: x**4 / 4 - x**2 / 2, 1.0)
    found = stationary_bias(well, obabo, dts=[0.3], tolerance=1e-4)
    run = simulate(well, obabo, x0=(1.0, 0.0), t_end=24.0, dt=0.3, n_particles=2_000_000, seed=seed)
    assert run.not_finite == 0
    fourth = run.positions[0] ** 4
    radius = 5.8 * np.std(fourth) / np.sqrt(len(fourth))  # a level of 1e-8
    assert radius < 0.5 * abs(found.biases[0, 1])
    assert abs(np.mean(fourth) - found.exact[1] - found.biases[0, 1]) < radius
    assert abs(np.mean(fourth) - found.exact[1]) > radius


def test_a_process_without_an_energy_is_refused() -> None:
    with pytest.raises(InvalidInput, match="states no energy"):
        stationary_bias(geometric_brownian(), euler_maruyama, dts=[0.1])
