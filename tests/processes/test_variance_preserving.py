"""Variance-preserving processes: schedules and their integrals, the table of betas, the seed's own case."""

import numpy as np
import pytest
from scipy.integrate import quad

from fpsde.density import FrozenLaw, Mixture, Normal, Uniform
from fpsde.errors import InvalidInput
from fpsde.processes import BetaSchedule, constant_beta, ddpm_chain, linear_beta, variance_preserving
from fpsde.smoothed import SmoothedUniform

SCHEDULES = [constant_beta(1.3), linear_beta(), linear_beta(3.0, 0.5, t_end=2.0)]


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_the_integral_of_a_schedule_is_that_of_its_rate(schedule) -> None:
    process = variance_preserving(schedule, Normal(0.4, 0.3))
    for t in (0.2 * schedule.t_end, schedule.t_end):
        grown = quad(lambda s: 2 * float(process.diffusivity(np.zeros(1), s)[0]), 0, t, epsabs=1e-13)[0]
        law = process.exact.transition(1.0, t)
        assert law.mean == pytest.approx(np.exp(-grown / 2), rel=1e-12)
        assert law.variance == pytest.approx(1 - np.exp(-grown), rel=1e-12)


def test_a_schedule_of_ones_own() -> None:
    bump = BetaSchedule(
        rate=lambda t, p: p.size * np.sin(t) ** 2,
        integral=lambda t, p: p.size * (t / 2 - np.sin(2 * t) / 4),
        params={"size": 2.0},
        t_end=3.0,
        remade=lambda size: pytest.fail("not needed here"),
    )
    process = variance_preserving(bump)
    assert process.ito_drift(np.array([0.5]), 1.0) == pytest.approx([-0.5 * np.sin(1.0) ** 2])
    assert process.setting.t_end == 3.0
    assert process.statement.rate is not None


def test_data_decay_component_by_component() -> None:
    """The mean goes to sqrt(abar) m and the variance to abar s^2 + 1 - abar (fokker_planck.md, section 4.5)."""
    process = variance_preserving(linear_beta(0.1, 20.0))
    law = process.exact.marginal(process.setting.x0, 0.5)
    abar = np.exp(-(0.1 * 0.5 + 19.9 * 0.125))
    assert [part.centre for part in law.laws] == pytest.approx([-1.5 * abar**0.5, abar**0.5], rel=1e-13)
    assert [part.std**2 for part in law.laws] == pytest.approx([abar * s**2 + 1 - abar for s in (0.3, 0.5)], rel=1e-13)
    assert law.weights == (0.3, 0.7)


def test_the_standard_normal_law_is_invariant() -> None:
    process = variance_preserving()
    assert process.exact.stationary() == Normal(0.0, 1.0)
    law = process.exact.marginal(Normal(0.0, 1.0), 0.7)
    assert (law.centre, law.std) == (0.0, pytest.approx(1.0, abs=1e-15))


def test_parameters_of_the_schedule_are_parameters_of_the_process() -> None:
    process = variance_preserving(linear_beta(0.1, 20.0), Normal(0.5, 0.2)).with_params(beta_max=5.0)
    assert dict(process.params) == {"beta_min": 0.1, "beta_max": 5.0}
    assert process.setting.x0 == Normal(0.5, 0.2)
    assert process.exact.mean(1.0, 1.0) == pytest.approx(np.exp(-(0.1 + 4.9 / 2) / 2))
    assert process.with_params(data=Normal(0.0, 1.0)).setting.x0 == Normal(0.0, 1.0)
    with pytest.raises(InvalidInput, match=r"unknown parameter of variance_preserving 'beta_mx': did you mean 'beta_m"):
        process.with_params(beta_mx=1.0)


def test_a_changed_rate_keeps_the_end_of_its_schedule() -> None:
    """The rate rises over t_end, so with another end it would be another rate."""
    changed = variance_preserving(linear_beta(0.1, 20.0, t_end=2.0)).with_params(beta_max=5.0)
    assert changed.setting.t_end == 2.0
    assert changed.diffusivity(np.zeros(1), 1.0) == pytest.approx([(0.1 + 4.9 / 2) / 2])
    assert changed.exact.mean(1.0, 2.0) == pytest.approx(np.exp(-(0.1 * 2 + 4.9) / 2))
    assert variance_preserving(constant_beta(1.3, t_end=0.7)).with_params(beta=2.0).setting.t_end == 0.7


def test_the_seeds_own_case() -> None:
    """1000 steps, beta = linspace(1e-4, 0.02, 1000), from U(0, 1): each step reads its own beta."""
    process = ddpm_chain()
    betas = np.linspace(1e-4, 0.02, 1000)
    x = np.array([-1.0, 0.5, 2.0])
    for n in (0, 1, 499, 999):
        assert process.ito_drift(x, float(n)) == pytest.approx(-0.5 * betas[n] * x, rel=1e-15)
        assert process.noise_coefficient(x, float(n)) == pytest.approx(np.full(3, betas[n] ** 0.5), rel=1e-15)
    assert process.setting == process.setting.__class__(Uniform(0.0, 1.0), 1000.0, 1.0, process.setting.window)
    law = process.exact.marginal(Uniform(0.0, 1.0), 1000.0)
    assert isinstance(law, SmoothedUniform)
    assert law.mean == pytest.approx(np.exp(-betas.sum() / 2) / 2, rel=1e-12)
    assert law.variance == pytest.approx(1 - np.exp(-betas.sum()) * 11 / 12, rel=1e-12)
    assert law.mean != pytest.approx(np.sqrt(np.prod(1 - betas)) / 2, rel=1e-3)  # that of the chain is another


def test_a_window_holds_the_data_and_what_becomes_of_them() -> None:
    for process in (variance_preserving(), ddpm_chain(), variance_preserving(data=Uniform(3.0, 4.0))):
        setting = process.setting
        for t in np.linspace(0, setting.t_end, 5):
            law = process.exact.marginal(setting.x0, float(t))
            inside = float(law.cdf(setting.window[1]) - law.cdf(setting.window[0]))
            assert inside > 1 - 1e-12


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: constant_beta(-1.0), r"beta=-1.0 must be positive"),
        (lambda: linear_beta(-0.1, 2.0), r"beta_min=-0.1, beta_max=2.0: a rate is not negative"),
        (lambda: linear_beta(0.0, 0.0), r"beta_min=0.0, beta_max=0.0: .* positive somewhere"),
        (
            lambda: variance_preserving(linear_beta(3.0, 0.5)).exact.mean(1.0, 2.0),
            r"beta = -2 at t=2.0 is negative; the schedule ends at 1.0",
        ),
        (lambda: linear_beta(t_end=0.0), r"t_end=0.0 must be positive"),
        (lambda: ddpm_chain([0.1, 1.5, -0.2]), r"betas\[1\]=1.5, and 1 more of 3, do not lie strictly between 0 and 1"),
        (lambda: ddpm_chain([[0.1]]), r"betas has shape \(1, 1\)"),
        (lambda: ddpm_chain([0.1]).exact.transition(0.0, 2.0), r"t=2.0 lies outside of the table, which holds 1 steps"),
        (lambda: variance_preserving(data=FrozenLaw(None)), r"affine image of a FrozenLaw has no closed form"),
        (
            lambda: variance_preserving(data=Mixture([0.5, 0.5], [Normal(0.0, 1.0), FrozenLaw(None)])),
            r"affine image of a FrozenLaw has no closed form",
        ),
    ],
)
def test_bad_schedules_tables_and_data_are_refused(make, message) -> None:
    with pytest.raises(InvalidInput, match=message):
        make()
