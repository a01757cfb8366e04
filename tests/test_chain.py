"""The chain of laws: verdicts, blame, budget, and what is asked of the caller."""

import numpy as np
import pytest

from fpsde.chain import verify
from fpsde.checks import Verdict
from fpsde.density import Normal
from fpsde.edges import projected
from fpsde.errors import InvalidInput
from fpsde.processes import brownian, double_well, geometric_brownian, ornstein_uhlenbeck
from fpsde.processes.process import STRATONOVICH, Process
from fpsde.schemes import ddpm_step, euler_maruyama, milstein

ALPHA = 1e-8  # of each session here: a small part of what the suite may spend


def test_round_off_is_the_verdict_where_two_laws_agree() -> None:
    chain = verify(brownian(), euler_maruyama, n_particles=10_000).chains[0]
    order = next(row for edge, row in chain.rows if edge == 2)
    assert order.verdict is Verdict.PASS
    assert order.order is None
    assert "round-off" in order.detail


def test_the_weak_order_of_euler_is_one_with_no_intercept() -> None:
    order = next(
        row
        for edge, row in verify(ornstein_uhlenbeck(), euler_maruyama, n_particles=10_000).chains[0].rows
        if edge == 2
    )
    assert order.low <= 1.0 <= order.high
    assert order.high - order.low < 0.1
    assert abs(order.intercept) < 1e-6


def test_a_law_as_start_is_judged_against_the_marginal(seed) -> None:
    run = {"n_particles": 200_000, "seed": seed, "alpha": ALPHA}
    report = verify(ornstein_uhlenbeck(), euler_maruyama, x0=Normal(0.2, 0.3), **run)
    assert report.holds, report.chains[0].blame


def test_a_user_process_without_closed_form_is_judged_by_the_fokker_planck_solution(seed) -> None:
    own = Process(
        drift=lambda x, t, p: -p.k * np.sin(x) - x,
        sigma=lambda x: np.sqrt(1 + 0.5 * np.cos(x)),
        params={"k": 1.0},
        interpretation=STRATONOVICH,
        name="own",
    )
    run = {"n_particles": 200_000, "seed": seed, "alpha": ALPHA}
    report = verify(own, euler_maruyama, x0=0.5, t_end=1.0, dt=0.05, window=(-7.0, 7.0), **run)
    assert report.holds, report.chains[0].blame
    assert "extrapolated" in report.chains[0].reference.source


def test_a_small_sample_is_not_a_pass_for_moments() -> None:
    report = verify(double_well(), euler_maruyama, n_particles=200)
    assert not report.holds
    assert report.exit_code == 2
    assert "underpowered" in report.chains[0].blame


def test_the_session_spends_its_budget_once() -> None:
    chain = verify(ornstein_uhlenbeck(), euler_maruyama, n_particles=10_000, alpha=1e-5).chains[0]
    spent = sum(row.alpha or 0.0 for _, row in chain.rows)
    assert 0 < spent <= 1e-5 * (1 + 1e-12)


def test_a_scheme_that_does_not_apply_is_refused_by_name() -> None:
    with pytest.raises(InvalidInput, match="noise rate"):
        verify(ornstein_uhlenbeck(), ddpm_step, n_particles=1000)


def test_milstein_on_multiplicative_noise_holds(seed) -> None:
    report = verify(geometric_brownian(), milstein, n_particles=200_000, seed=seed, alpha=ALPHA)
    assert report.holds, report.chains[0].blame


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"dt": -0.1}, "dt=-0.1 must be positive"),
        ({"dt": 0.3, "t_end": 1.0}, "does not divide"),
        ({"n_particles": 0}, "n_particles=0 must be at least 2"),
        ({"n_particles": 10.5}, "not a whole number"),
        ({"seed": -1}, "seed=-1"),
        ({"window": (2.0, -2.0)}, "window must strictly increase"),
        ({"x0": np.nan}, "x0=nan is not finite"),
        ({"alpha": 2.0}, "alpha=2.0"),
    ],
)
def test_bad_input_is_refused_with_its_value(changes, message) -> None:
    with pytest.raises(InvalidInput, match=message):
        verify(double_well(), euler_maruyama, **{"n_particles": 1000, **changes})


def test_a_process_of_two_components_is_refused() -> None:
    flat = Process(drift=lambda x: (-x[0], -x[1]), sigma=lambda x: (1.0, 1.0), dim=2)
    with pytest.raises(InvalidInput, match="dim=2"):
        verify(flat, euler_maruyama)


def test_a_process_without_window_asks_for_one() -> None:
    own = Process(drift=lambda x: -x, sigma=lambda x: 1.0, name="own")
    with pytest.raises(InvalidInput, match=r"give window=\(low, high\)"):
        verify(own, euler_maruyama)


def test_the_projection_keeps_the_sign_and_the_size_of_the_leading_error() -> None:
    lead = np.array([0.0, -2.0, 1.0])
    assert projected(np.array([lead, -0.5 * lead, 0.25 * lead])) == pytest.approx([2.0, -1.0, 0.5])
