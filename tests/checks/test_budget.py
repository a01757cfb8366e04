"""The false-alarm budget of a session."""

from __future__ import annotations

import pytest

from fpsde.checks import Budget
from fpsde.errors import InvalidInput


def test_equal_shares_sum_to_the_budget() -> None:
    budget = Budget(1e-6)
    shares = budget.share(84)
    assert sum(shares) == pytest.approx(1e-6, rel=1e-12)
    assert len(set(shares)) == 1
    assert budget.left == pytest.approx(0.0, abs=1e-18)


def test_weights_divide_in_proportion() -> None:
    assert Budget(0.06).share(3, weights=[1, 2, 3]) == pytest.approx((0.01, 0.02, 0.03))


def test_parts_of_a_budget_can_be_divided_one_after_the_other() -> None:
    budget = Budget(1e-6)
    first = budget.share(10, alpha=4e-7)
    second = budget.share(3)
    assert sum(first) + sum(second) == pytest.approx(1e-6, rel=1e-12)


def test_spending_more_than_is_left_is_refused_with_the_numbers() -> None:
    budget = Budget(1e-6)
    budget.share(2, alpha=9e-7)
    with pytest.raises(
        InvalidInput, match=r"3 check\(s\) ask for alpha=2e-07, but 9e-07 of 1e-06 is spent and 1e-07 is left"
    ):
        budget.share(3, alpha=2e-7)
    budget.share(3)
    with pytest.raises(InvalidInput, match="is left; divide the budget once"):
        budget.share(1)


@pytest.mark.parametrize("weights", [[1.0], [1.0, -1.0], [1.0, 0.0]])
def test_weights_that_do_not_fit_are_refused(weights: list[float]) -> None:
    with pytest.raises(InvalidInput, match="give one positive weight for each"):
        Budget().share(2, weights=weights)


def test_a_budget_is_a_probability() -> None:
    with pytest.raises(InvalidInput, match=r"alpha=1.0 must lie strictly between"):
        Budget(1.0)
    with pytest.raises(InvalidInput, match="n_checks=0 must be at least 1"):
        Budget().share(0)
