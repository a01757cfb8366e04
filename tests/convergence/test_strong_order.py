"""Strong orders on coupled paths: against exact solutions, defects that laws cannot see, refusals."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

import fpsde
from fpsde.checks import Verdict
from fpsde.convergence.strong import with_brownian_motions
from fpsde.errors import InvalidInput, UnstableStep
from fpsde.processes import additive_time_dependent, arctan_process, commuting_linear, geometric_brownian
from fpsde.symbolic import components


def altered(scheme, change):
    """Return the scheme with ``change(dw, dt)`` in place of its increments."""

    def step(model, x, t, dt, noise, *aux):
        return scheme.step(model, x, t, dt, SimpleNamespace(**{**vars(noise), "dw": change(noise.dw, dt)}), *aux)

    return replace(scheme, step=step)


@pytest.mark.parametrize(
    ("process", "scheme", "order"),
    [
        (geometric_brownian(), fpsde.euler_maruyama, 0.5),
        pytest.param(geometric_brownian(), fpsde.milstein, 1.0, marks=pytest.mark.slow),
        pytest.param(geometric_brownian(), fpsde.sriw1, 1.5, marks=pytest.mark.slow),
        pytest.param(arctan_process(), fpsde.milstein, 1.0, marks=pytest.mark.slow),
        pytest.param(arctan_process(), fpsde.milstein_derivative_free, 1.0, marks=pytest.mark.slow),
        pytest.param(additive_time_dependent(), fpsde.euler_maruyama, 1.0, marks=pytest.mark.slow),
        pytest.param(commuting_linear(), fpsde.euler_maruyama, 0.5, marks=pytest.mark.slow),
        pytest.param(commuting_linear(), fpsde.milstein, 1.0, marks=pytest.mark.slow),
    ],
)
def test_orders_against_exact_paths(process, scheme, order, seed) -> None:
    found = fpsde.strong_order(process, scheme, seed=seed, t_end=1.0, alpha=1e-8)
    assert found.source == "exact path" and found.theory == order
    assert found.verdict is Verdict.PASS, found.detail
    assert found.low < order < found.high and found.high - found.low < 0.3
    assert np.all(np.diff(found.errors) < 0) and np.all(found.standard_errors < 0.05 * found.errors)


@pytest.mark.slow
def test_without_an_exact_path_successive_steps_are_compared(seed) -> None:
    found = fpsde.strong_order(fpsde.double_well(), fpsde.euler_maruyama, seed=seed, steps=(64, 128, 256, 512, 1024))
    assert found.source == "successive steps" and len(found.errors) == 4
    assert found.verdict is Verdict.PASS, found.detail
    pendulum = fpsde.underdamped(lambda x: -np.cos(x), 0.5)
    found = fpsde.strong_order(pendulum, fpsde.baoab, seed=seed, x0=(1.0, 0.0), t_end=2.0, alpha=1e-8)
    assert found.verdict is Verdict.PASS, found.detail


@pytest.mark.slow
def test_defects_of_the_noise_are_seen_path_by_path(seed) -> None:
    """Each leaves errors that no longer fall; the sign of dw is invisible in law."""
    gbm, options = geometric_brownian(), {"seed": seed, "t_end": 1.0, "alpha": 1e-8}
    defects = {
        "noise off by 1 %": lambda dw, dt: components([1.01 * v for v in dw]),
        "sqrt dt for dt": lambda dw, dt: components([v * np.sqrt(dt) for v in dw]),
        "the sign of dw": lambda dw, dt: components([-v for v in dw]),
    }
    for name, change in defects.items():
        simulated = altered(fpsde.milstein, change)
        # the Brownian motion beside it must stay what it was: only the process's own channel is changed
        found = fpsde.strong_order(gbm, _only_own(simulated, change), **options)
        assert found.verdict is not Verdict.PASS, name
        assert found.errors[-1] > 0.2 * found.errors[0], name  # Milstein's own fall by a factor of 32
    assert fpsde.strong_order(gbm, fpsde.milstein, **options).verdict is Verdict.PASS


def _only_own(_, change):
    """Milstein whose first component alone reads changed increments."""

    def step(model, x, t, dt, noise, *aux):
        wrong = fpsde.milstein.step(
            model, x, t, dt, SimpleNamespace(**{**vars(noise), "dw": change(noise.dw, dt)}), *aux
        )
        right = fpsde.milstein.step(model, x, t, dt, noise, *aux)
        return components([wrong[0], *right[1:]])

    return replace(fpsde.milstein, step=step)


@pytest.mark.slow
def test_an_ito_drift_taken_for_a_stratonovich_one_has_another_limit(seed) -> None:
    gbm = geometric_brownian(mu=0.4, sigma=0.5)
    wrong = replace(gbm, interpretation=fpsde.STRATONOVICH, factory=None)
    found = fpsde.strong_order(wrong, fpsde.milstein, seed=seed, t_end=1.0)
    assert found.verdict is Verdict.FAIL and found.high < 0.5


@pytest.mark.slow
def test_a_last_step_that_is_dropped_lowers_the_order(seed) -> None:
    def step(model, x, t, dt, noise, *aux):
        moved = fpsde.milstein.step(model, x, t, dt, noise, *aux)
        last = np.where(t + 1.5 * dt > 1.0, 1.0, 0.0)
        return components([moved[0] + last * (x[0] - moved[0]), *moved[1:]])

    found = fpsde.strong_order(geometric_brownian(), replace(fpsde.milstein, step=step), seed=seed, t_end=1.0)
    assert found.verdict is not Verdict.PASS
    assert (
        found.errors[-1]
        > 10 * fpsde.strong_order(geometric_brownian(), fpsde.milstein, seed=seed, t_end=1.0).errors[-1]
    )


@pytest.mark.slow
def test_a_scheme_that_does_not_step_the_brownian_motion_is_not_compared_with_its_exact_path(seed) -> None:
    """Leimkuhler and Matthews' step averages two increments: the component beside the process is not W."""
    found = fpsde.strong_order(additive_time_dependent(), fpsde.leimkuhler_matthews, seed=seed, t_end=1.0)
    assert found.source == "successive steps"
    assert found.verdict is Verdict.PASS and found.theory == 0.5, found.detail


@pytest.mark.slow
def test_an_order_above_the_claimed_one_is_printed_and_not_judged(seed) -> None:
    found = fpsde.strong_order(additive_time_dependent(), fpsde.sra1, seed=seed, t_end=1.0)
    assert found.verdict is Verdict.NOT_APPLICABLE
    assert found.low < 2.0 < found.high and found.theory == 1.5
    assert "drops out on this process" in found.detail


@pytest.mark.slow
def test_large_steps_do_not_fail_a_scheme(seed) -> None:
    """tamed_euler reads 0.56 from 32 steps on, which is no order, and 0.5 with smaller steps."""
    early = fpsde.strong_order(geometric_brownian(), fpsde.tamed_euler, seed=seed)
    assert early.verdict is Verdict.UNDERPOWERED and "still too large" in early.detail
    assert early.order is None
    steps = (256, 512, 1024, 2048, 4096)
    found = fpsde.strong_order(geometric_brownian(), fpsde.tamed_euler, seed=seed, steps=steps, n_particles=50_000)
    assert found.verdict is Verdict.PASS, found.detail


def test_too_few_paths_print_no_order(seed) -> None:
    found = fpsde.strong_order(geometric_brownian(), fpsde.euler_maruyama, seed=seed, t_end=1.0, n_particles=150)
    assert found.verdict is Verdict.UNDERPOWERED
    assert found.order is found.low is found.high is None
    assert "take more paths" in found.detail


def test_the_brownian_motions_leave_the_process_as_it_is() -> None:
    process = commuting_linear()
    both = with_brownian_motions(process)
    x = np.array([[0.3], [0.7]])
    assert both.dim == 2 + process.channels
    at = np.concatenate([x, np.zeros((process.channels, 1))])
    assert both.ito_drift(at)[:2] == pytest.approx(process.ito_drift(x))
    assert both.noise_coefficient(at)[:2] == pytest.approx(process.noise_coefficient(x))
    assert both.noise_coefficient(at)[2:, :, 0] == pytest.approx(np.eye(process.channels))


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: fpsde.strong_order(geometric_brownian(), fpsde.platen_weak2, seed=1), InvalidInput, "no strong order"),
        (lambda: fpsde.strong_order(fpsde.levy_area(), fpsde.milstein, seed=1), InvalidInput, "milstein"),
        (
            lambda: fpsde.strong_order(geometric_brownian(), fpsde.milstein, seed=1, steps=(4, 8, 12, 16)),
            InvalidInput,
            "each twice the one before",
        ),
        (lambda: fpsde.strong_order(geometric_brownian(), fpsde.milstein, seed=1, x0=(1, 2)), InvalidInput, "x0 has 2"),
        (
            lambda: fpsde.strong_order(
                fpsde.overdamped(lambda x: x**4), fpsde.euler_maruyama, seed=1, x0=40.0, t_end=1.0, steps=(4, 8, 16, 32)
            ),
            UnstableStep,
            "start from more steps",
        ),
    ],
)  # fmt: skip
def test_what_has_no_order_is_refused(make, error, message) -> None:
    with pytest.raises(error, match=message):
        make()
