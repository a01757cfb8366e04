"""The chain of laws: verdicts, blame, budget, and what is asked of the caller."""

from dataclasses import replace

import numpy as np
import pytest

from fpsde.chain import verify
from fpsde.checks import Verdict, order
from fpsde.corners import Corners
from fpsde.density import Normal
from fpsde.domain import Interval, Wall
from fpsde.edge_solver import stationary_by_quadrature
from fpsde.errors import InvalidInput
from fpsde.integrators import simulate
from fpsde.plants import plant_named, planted
from fpsde.processes import brownian, double_well, geometric_brownian, ornstein_uhlenbeck, variance_preserving
from fpsde.processes.process import Process
from fpsde.processes.statement import STRATONOVICH
from fpsde.question import blind, projected
from fpsde.schemes import ddpm_step, euler_maruyama, exact_sampling, milstein

ALPHA = 1e-8  # of each session here: a small part of what the suite may spend


def test_round_off_is_the_verdict_where_two_laws_agree() -> None:
    chain = verify(brownian(), euler_maruyama, n_particles=10_000).chains[0]
    order = next(row for edge, row in chain.rows if edge == 2)
    assert order.verdict is Verdict.PASS
    assert order.order is None
    assert "round-off" in order.detail


def test_a_scheme_that_claims_to_be_exact_is_held_to_round_off() -> None:
    """Edge 2 alone is looked at: noise that is one part in a million too large is a failure, without any order."""
    process = ornstein_uhlenbeck()
    wider = replace(process, sample=lambda x, t, dt, z, p: process.sample(x, t, dt, z * (1 + 1e-6), p))
    for one, verdict in ((process, Verdict.PASS), (wider, Verdict.FAIL)):
        order = next(row for edge, row in verify(one, exact_sampling, n_particles=10_000).chains[0].rows if edge == 2)
        assert order.verdict is verdict and order.order is None
        assert "claims to be exact" in order.detail


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


@pytest.mark.slow
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


OWN = Process(drift=lambda x: -np.sin(x) - x, sigma=lambda x: np.sqrt(1 + 0.5 * np.cos(x)), name="own")
ASKED = {"x0": 0.5, "t_end": 1.0, "dt": 0.05, "window": (-7.0, 7.0)}


@pytest.mark.slow
@pytest.mark.parametrize("start", [0.0, 0.5])
def test_absorbed_particles_are_not_taken_for_dependent_ones(start, seed) -> None:
    """Nearly all particles on the wall (or all, from the wall itself): the rest is too rare for a plain correlation."""
    walls = Interval(0.0, 1.0, Wall.ABSORBING, Wall.REFLECTING)
    process = Process(drift=lambda x: 0 * x, sigma=lambda x: 1.0, domain=walls, name="absorbed")
    for k in range(20):
        report = verify(
            process, euler_maruyama, x0=start, t_end=4.0, dt=0.1, n_particles=20_000, seed=seed ^ k, alpha=ALPHA
        )
        assert report.chains[0].verdict(1) is not Verdict.FAIL, str(report)


@pytest.mark.parametrize("copies", [pytest.param(2, marks=pytest.mark.slow), 4])
def test_draws_used_twice_far_apart_fail_on_edge_one(copies, seed) -> None:
    def repeated(process, scheme, *, n_particles, **run):
        part = simulate(process, scheme, n_particles=n_particles // copies, **run)
        x = np.tile(part.positions, (1, copies))
        seen = tuple(tuple((t, np.tile(s, (1, copies))) for t, s in one) for one in part.results)
        return replace(part, n_particles=x.shape[1], requested=x.shape[1], held=x, results=seen)

    report = verify(OWN, euler_maruyama, n_particles=100_000, seed=seed, corners=Corners(particles=repeated), **ASKED)
    assert report.chains[0].verdict(1) is Verdict.FAIL


def test_a_wrong_solver_is_blamed_where_only_the_coefficients_are_known(seed) -> None:
    chain = verify(OWN, euler_maruyama, seed=seed, corners=planted(plant_named("D not halved"), OWN), **ASKED).chains[0]
    assert chain.verdict(3) is Verdict.FAIL
    assert chain.verdict(2) is Verdict.NOT_JUDGED


@pytest.mark.slow
def test_nothing_known_means_that_no_side_is_blamed(seed) -> None:
    driven = Process(drift=lambda x, t: np.cos(3 * t) - x, sigma=lambda x: np.sqrt(1 + 0.5 * np.cos(x)), name="driven")
    corners = planted(plant_named("D not halved"), driven)
    chain = verify(driven, euler_maruyama, n_particles=50_000, seed=seed, corners=corners, **ASKED).chains[0]
    assert chain.verdict(2) is Verdict.FAIL
    assert "no closed form says which" in chain.blame


def test_the_stationary_law_by_quadrature_is_the_gibbs_law() -> None:
    well = double_well()
    law = stationary_by_quadrature(well, (-2.4, 2.4))
    x = np.linspace(-2, 2, 41)
    assert law.cdf(x) == pytest.approx(well.exact.stationary().cdf(x), abs=1e-10)
    assert stationary_by_quadrature(variance_preserving(), (-5.0, 5.0)) is None


def test_a_step_that_is_too_large_is_not_judged_and_the_message_says_so() -> None:
    for process, changes in (
        (double_well(), {"t_end": 10.0, "dt": 0.5}),
        (ornstein_uhlenbeck(), {"t_end": 1e3, "dt": 10.0}),
    ):
        report = verify(process, euler_maruyama, n_particles=1000, **changes)
        assert report.exit_code == 2, str(report)
        assert "smaller" in str(report)


def test_a_single_step_can_be_verified(seed) -> None:
    report = verify(
        ornstein_uhlenbeck(), euler_maruyama, t_end=0.1, dt=0.1, n_particles=200_000, seed=seed, alpha=ALPHA
    )
    assert report.chains[0].verdict(1) is Verdict.PASS, str(report)


def test_what_is_no_process_or_scheme_is_refused() -> None:
    for process, scheme in ((OWN, "euler_maruyama"), ("ornstein_uhlenbeck", euler_maruyama)):
        with pytest.raises(InvalidInput, match="takes a Process and a Scheme"):
            verify(process, scheme, **ASKED)
    with pytest.raises(InvalidInput, match="window has 3 entries"):
        verify(OWN, euler_maruyama, **{**ASKED, "window": (-6, 0, 6)})


def test_a_report_prints_one_line_for_each_chain() -> None:
    report = verify(brownian(), euler_maruyama, n_particles=20_000)
    assert str(report) == "brownian, euler_maruyama: all edges hold"


@pytest.mark.parametrize(
    ("scheme", "low", "high"),
    [
        (euler_maruyama, Wall.ABSORBING, Wall.REFLECTING),
        pytest.param(milstein, Wall.REFLECTING, Wall.REFLECTING, marks=pytest.mark.slow),
        pytest.param(milstein, Wall.ABSORBING, Wall.ABSORBING, marks=pytest.mark.slow),
    ],
)
def test_the_stated_order_at_walls_is_the_measured_one(scheme, low, high, seed) -> None:
    """Drift and noise that vary up to the wall: the order is judged against the Fokker-Planck solution."""
    walls = Interval(0.0, 2.0, low, high)
    process = Process(drift=lambda x: 1 - x, sigma=lambda x: 0.6 + 0.1 * x, domain=walls, name="walled")
    report = verify(process, scheme, x0=0.7, t_end=0.5, dt=0.0125, n_particles=200_000, seed=seed, alpha=ALPHA)
    order = next(row for edge, row in report.chains[0].rows if row.check == "weak order")
    assert report.holds, str(report)
    assert order.low <= scheme.weak_order(process) <= order.high


def test_agreement_to_a_coarse_floor_is_not_taken_for_agreement() -> None:
    """Errors below what the reference is good to: an order check that could not have failed is not a pass."""
    hidden = order([0.4, 0.2, 0.1, 0.05], [4e-5, 2e-5, 1e-5, 5e-6], expected=1.0, floor=1e-4)
    assert hidden.verdict is Verdict.PASS
    assert blind(hidden, 1e-4)
    seen = order([0.4, 0.2, 0.1, 0.05], [4e-5, 2e-5, 1e-5, 5e-6], expected=1.0, floor=1e-12)
    assert not blind(seen, 1e-12)
    assert not blind(order([0.4, 0.2, 0.1, 0.05], [1e-15] * 4, expected=1.0), 1e-13)


@pytest.mark.slow
def test_a_jump_of_the_drift_still_holds(seed) -> None:
    process = Process(drift=lambda x: np.where(x > 0.2, -1.5, 1.0), sigma=lambda x: 0.8, name="jump")
    asked = {"x0": 0.5, "t_end": 1.0, "dt": 0.05, "window": (-5.0, 5.0)}
    report = verify(process, euler_maruyama, n_particles=100_000, seed=seed, alpha=ALPHA, **asked)
    assert report.chains[0].verdict(1) is Verdict.PASS, str(report)
    assert report.chains[0].verdict(3) is not Verdict.FAIL, str(report)
