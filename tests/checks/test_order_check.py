"""Orders without sampling noise: intercept, interval, round-off, planted defects, and what is refused."""

from __future__ import annotations

import json
from collections.abc import Callable

import numpy as np
import pytest

from fpsde import checks
from fpsde.checks import OrderResult, Verdict
from fpsde.errors import InvalidInput, NotConverged

HALVED = 2.0 ** -np.arange(2, 7)


def stationary_variance_error(h: np.ndarray, noise: float = 1.0) -> np.ndarray:
    """Relative error of Var X under Euler-Maruyama, dX = -X dt + sigma dW: noise/(1 - h/2) - 1, exactly."""
    return noise / (1 - h / 2) - 1


@pytest.mark.parametrize(("excess", "slope"), [(0.01, 0.78), (0.02, 0.64), (0.03, 0.55)])
def test_planted_noise_defects_that_pass_a_slope_fail_the_intercept(excess: float, slope: float) -> None:
    """The log-log slope still looks like an order; the intercept reads the defect."""
    errors = stationary_variance_error(HALVED, 1 + excess)
    assert np.polyfit(np.log(HALVED), np.log(errors), 1)[0] == pytest.approx(slope, abs=0.005)
    result = checks.order(HALVED, errors, expected=1)
    assert (result.verdict, result.check) == (Verdict.FAIL, "order: intercept")
    assert result.intercept == pytest.approx(excess, abs=1e-4)
    assert "biased at order 0" in result.detail
    assert result.components[1].verdict is Verdict.PASS  # the order itself is one


def test_the_right_scheme_passes_with_its_order_and_constant() -> None:
    result = checks.order(HALVED, stationary_variance_error(HALVED), expected=1)
    assert result.verdict is Verdict.PASS
    assert (result.low, result.order, result.high) == pytest.approx((0.980, 0.999, 1.017), abs=1e-3)
    assert result.constant == pytest.approx(0.5, rel=2e-3)
    assert abs(result.intercept or 0.0) < 1e-5


@pytest.mark.parametrize("planted", [1e-4, 1e-5])
def test_smaller_steps_see_smaller_defects(planted: float) -> None:
    h = 2.0 ** -np.arange(6, 12)
    assert checks.order(h, stationary_variance_error(h, 1 + planted), expected=1).verdict is Verdict.FAIL
    assert checks.order(h, stationary_variance_error(h), expected=1).verdict is Verdict.PASS


@pytest.mark.parametrize("true", [0.5, 1.0, 1.5, 2.0, 3.0, 4.0])
@pytest.mark.parametrize("claimed", [0.5, 1.0, 1.5, 2.0, 3.0, 4.0])
@pytest.mark.parametrize("ratio", [1.3, 2.0])
def test_only_the_true_order_passes(true: float, claimed: float, ratio: float) -> None:
    h = 0.2 * ratio ** -np.arange(6.0)
    result = checks.order(h, -0.7 * h**true + 0.4 * h ** (true + 1), expected=claimed)
    assert result.verdict is (Verdict.PASS if true == claimed else Verdict.FAIL)
    assert result.low is not None
    assert result.high is not None
    assert result.low < true < result.high


@pytest.mark.parametrize(
    "error", [np.sin, np.tan, lambda h: np.exp(2 * h) - 1, lambda h: h / (1 + h) ** 3, lambda h: h - h**3]
)
def test_smooth_errors_of_order_one_pass(error: Callable[[np.ndarray], np.ndarray]) -> None:
    assert checks.order(HALVED, error(HALVED), expected=1).verdict is Verdict.PASS
    assert checks.order(HALVED, error(HALVED) ** 2, expected=1).verdict is Verdict.FAIL


def test_uneven_ratios_and_both_directions_are_read_alike() -> None:
    h = np.array([0.2, 0.13, 0.07, 0.04, 0.015])
    errors = 2 * h**2 - h**3
    down, up = checks.order(h, errors, expected=2), checks.order(h[::-1], errors[::-1], expected=2)
    assert down.verdict is Verdict.PASS
    assert down.order == up.order == pytest.approx(2.0, abs=0.05)


def test_an_expansion_in_half_orders_is_read_and_not_called_a_bias() -> None:
    result = checks.order(HALVED, HALVED**0.5 + HALVED, expected=1)
    assert (result.verdict, result.check) == (Verdict.FAIL, "order: exponent")
    for error, order in ((HALVED**0.5 + HALVED, 0.5), (HALVED + HALVED**1.5, 1.0), (HALVED**1.5 + HALVED**2, 1.5)):
        assert checks.order(HALVED, error, expected=order).verdict is Verdict.PASS
        assert checks.order(HALVED, error + 0.01, expected=order).check == "order: intercept"


def test_one_window_out_of_line_and_one_lucky_pair_decide_nothing() -> None:
    """Errors with given window orders: a coarse outlier is forgiven, two equal orders after a jump are no proof."""

    def errors(*orders: float) -> np.ndarray:
        differences = [1.0]
        for p in orders:
            differences.append(differences[-1] / 2**p)
        tail = differences[-1] / (2 ** orders[-1] - 1)
        return np.append(tail + np.cumsum(differences[::-1])[::-1], tail)

    for orders, verdict in (
        ((2.3, 2.0, 2.0), Verdict.PASS),
        ((2.3, 2.02, 2.0199), Verdict.PASS),
        ((1.995, 1.995, 1.995), Verdict.PASS),  # no order is stated more sharply than 0.01
        ((1.98, 1.98, 1.98), Verdict.FAIL),
        ((1.3, 1.06, 1.06), Verdict.UNDERPOWERED),
        ((1.2, 1.08, 1.04), Verdict.FAIL),
        ((2.0, 1.75, 1.74), Verdict.UNDERPOWERED),
    ):
        result = checks.order(HALVED, errors(*orders), expected=2)
        exponent = next(c for c in result.components if c.check == "order: exponent")
        assert exponent.verdict is verdict, result.detail


def test_an_intercept_that_stands_still_for_one_pair_of_windows_is_no_bias() -> None:
    """c h^3 + d h^4 with d such that the last two intercepts are equal: the fall before them is allowed too."""
    last = {k: _intercept(HALVED, HALVED**k) - _intercept(HALVED[:-1], HALVED[:-1] ** k) for k in (3, 4)}
    errors = HALVED + HALVED**3 - last[3] / last[4] * HALVED**4
    result = checks.order(HALVED, errors, expected=1)
    assert next(c for c in result.components if c.check == "order: intercept").verdict is Verdict.PASS
    assert checks.order(HALVED, errors + 0.01, expected=1).check == "order: intercept"


def _intercept(h: np.ndarray, e: np.ndarray) -> float:
    """a0 of a0 + c h + d h^2 through the last three levels."""
    return float(np.polyfit(h[-3:], e[-3:], 2)[-1])


def test_errors_equal_to_round_off_pass_without_an_order() -> None:
    result = checks.order(HALVED, [3e-15, -2e-16, 0.0, 1e-14, 5e-15], expected=1)
    assert result.verdict is Verdict.PASS
    assert result.order is None
    assert "equal to round-off" in result.detail
    assert checks.order(HALVED, [3e-12, -2e-16, 0.0, 1e-14, 5e-15], expected=1).verdict is not Verdict.PASS


def test_levels_that_meet_round_off_are_left_out_of_the_order() -> None:
    h = 2.0 ** -np.arange(1, 12)
    noise = 1e-13 * np.cos(np.arange(11.0))
    assert checks.order(h, h**4 + h**5 + noise, expected=4, floor=1e-13).verdict is Verdict.PASS
    biased = checks.order(h, h**4 + h**5 + noise + 1e-9, expected=4, floor=1e-13)
    assert biased.verdict is Verdict.FAIL
    assert biased.intercept == pytest.approx(1e-9, rel=0.01)


def test_too_few_levels_above_round_off_are_underpowered() -> None:
    result = checks.order([1.0, 0.1, 0.01, 0.001], [1e-6, 1e-10, 1e-14, -1e-14], expected=4, floor=1e-13)
    assert result.verdict is Verdict.UNDERPOWERED
    assert "take smaller steps, or larger ones where round-off is met" in result.detail


def test_an_interval_that_holds_another_candidate_is_underpowered() -> None:
    h = np.array([0.4, 0.2, 0.1, 0.05])
    result = checks.order(h, h + 3 * h**2 - 12 * h**3, expected=1)
    assert result.verdict is Verdict.UNDERPOWERED
    assert checks.order(h / 16, h / 16 + 3 * (h / 16) ** 2 - 12 * (h / 16) ** 3, expected=1).verdict is Verdict.PASS


@pytest.mark.parametrize("errors", [[0.01] * 5, [1.0, 0.5, 0.25, 0.3, 0.2], [0.1, 0.2, 0.4, 0.8, 1.6]])
def test_errors_that_do_not_converge_fail(errors: list[float]) -> None:
    assert checks.order(HALVED, errors, expected=1).verdict is Verdict.FAIL


def test_the_result_is_json_with_the_fit() -> None:
    result = checks.order(HALVED, np.sin(HALVED), expected=1)
    assert isinstance(result, OrderResult)
    record = json.loads(json.dumps(result.as_dict(), allow_nan=False))
    assert {"order", "low", "high", "intercept", "constant", "check", "verdict", "statistic", "threshold"} <= set(
        record
    )
    assert record["alpha"] == 0


@pytest.mark.parametrize(
    ("dts", "errors", "more", "message"),
    [
        ([0.1, 0.05, 0.025], [1, 2, 3], {}, "dts has 3 levels; at least 4"),
        ([0.1, 0.2, 0.05, 0.4], [1, 2, 3, 4], {}, "strictly decreasing or strictly increasing"),
        ([0.1, 0.05, 0.05, 0.02], [1, 2, 3, 4], {}, "strictly decreasing or strictly increasing"),
        ([0.2, 0.1, 0.05, -0.1], [1, 2, 3, 4], {}, "give positive sizes"),
        ([0.4, 0.2, 0.1, 0.05], [1, 2, 3], {}, "3 errors for 4 levels"),
        ([0.4, 0.2, 0.1, 0.05], [1, 2, np.nan, 3], {}, "errors has 1 of 4 values that are NaN"),
        ([0.4, 0.2, 0.1, 0.05], [1, 2, 3, 4], {"expected": 0}, "expected=0.0 must be positive"),
        ([0.4, 0.2, 0.1, 0.05], [1, 2, 3, 4], {"floor": -1.0}, "floor=-1.0 is negative"),
    ],
)
def test_bad_input_is_refused(dts: list[float], errors: list[float], more: dict[str, float], message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        checks.order(dts, errors, **{"expected": 1, **more})


# --- grids -----------------------------------------------------------------------------------------------------------

X = np.linspace(0.0, 3.0, 31)


def solutions(widths: np.ndarray, *, order: float = 2.0, bias: float = 0.0) -> np.ndarray:
    """Solutions with a smooth error that goes to zero like h^order, (n_grids, n_points)."""
    h = np.asarray(widths)[:, None]
    return np.sin(X) + bias + h**order * np.cos(2 * X) + 0.3 * h ** (order + 2) * X


def test_grid_errors_are_judged_like_those_of_time_steps() -> None:
    widths = 0.4 * 2.0 ** -np.arange(5)
    errors = np.max(np.abs(solutions(widths) - np.sin(X)), axis=1)
    assert checks.grid_order(widths, errors, expected=2).verdict is Verdict.PASS
    assert checks.grid_order(widths, errors, expected=1).verdict is Verdict.FAIL
    assert checks.grid_order(widths, errors + 0.01, expected=2).check == "grid order: intercept"


def test_solutions_without_an_exact_one_show_their_order_and_not_their_bias() -> None:
    widths = 0.4 * 2.0 ** -np.arange(5)
    for bias in (0.0, 0.01):
        result = checks.grid_order(widths, solutions(widths, bias=bias), expected=2)
        assert result.verdict is Verdict.PASS
        assert result.intercept is None
    first = checks.grid_order(widths, solutions(widths, order=1.0), expected=2)
    assert first.verdict is Verdict.FAIL
    assert first.order == pytest.approx(1.0, abs=0.05)
    same = checks.grid_order(widths, np.tile(np.sin(X), (5, 1)), expected=2)
    assert (same.verdict, same.order) == (Verdict.PASS, None)


@pytest.mark.parametrize("ratio", [1.5, 2.0])
@pytest.mark.parametrize("order", [1.0, 2.0, 4.0])
def test_the_grid_convergence_index_bounds_the_error(ratio: float, order: float) -> None:
    widths = 0.2 * ratio ** -np.arange(3.0)
    found = checks.grid_convergence(widths, solutions(widths, order=order), expected=order)
    error = float(np.max(np.abs(solutions(widths, order=order)[-1] - np.sin(X))))
    assert found.safety == 1.25
    assert found.order == pytest.approx(order, rel=0.1)
    assert error < found.tau < 1.5 * error
    assert found.asymptotic == pytest.approx(1.0, abs=0.15)


def test_an_order_that_is_not_the_formal_one_gets_the_larger_safety_factor() -> None:
    widths = np.array([0.2, 0.1, 0.05])
    found = checks.grid_convergence(widths, solutions(widths, order=1.0), expected=2)
    error = float(np.max(np.abs(solutions(widths, order=1.0)[-1] - np.sin(X))))
    assert found.safety == 3.0
    assert error < found.tau < 4 * error
    better = checks.grid_convergence(widths, solutions(widths, order=4.0), expected=2)
    assert better.tau == pytest.approx(3.0 * np.max(np.abs(np.diff(solutions(widths, order=4.0), axis=0)[-1])) / 3)


def test_grids_that_agree_have_no_error_and_grids_that_diverge_are_refused() -> None:
    widths = [0.2, 0.1, 0.05]
    assert checks.grid_convergence(widths, np.tile(np.sin(X), (3, 1)), expected=2).tau == 0
    with pytest.raises(NotConverged, match="no order can be read"):
        checks.grid_convergence(widths, solutions(np.array([0.05, 0.1, 0.2])), expected=2)
    with pytest.raises(InvalidInput, match=r"too close together; refine by 1\.1 or more"):
        checks.grid_convergence([0.2, 0.19, 0.1], solutions(np.array([0.2, 0.19, 0.1])), expected=2)
    with pytest.raises(InvalidInput, match="2 solutions for 3 levels"):
        checks.grid_convergence(widths, solutions(np.array([0.2, 0.1])), expected=2)
