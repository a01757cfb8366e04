"""Several components against a law: conditional distribution functions, projections, two samples."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from fpsde import checks
from fpsde.checks import Verdict
from fpsde.checks.projection_tests import axes_and_diagonals
from fpsde.checks.rosenblatt import PAIR_BIAS_PER_CDF, conditionals_of
from fpsde.checks.smooth_test import mode_values
from fpsde.density import Mixture, Normal
from fpsde.errors import InvalidInput
from fpsde.grid import Grid
from fpsde.joint_law import JointCellLaw, JointNormal

ALPHA = 1e-8
COVARIANCE = np.array([[1.0, 0.5], [0.5, 2.0]])
LAW = JointNormal(np.array([0.3, -0.2]), COVARIANCE)


def drawn(rng: np.random.Generator, n: int, covariance: np.ndarray = COVARIANCE) -> np.ndarray:
    return LAW.mean[:, None] + np.linalg.cholesky(covariance) @ rng.standard_normal((2, n))


def in_cells(cells: int) -> JointCellLaw:
    """The law in equal cells."""
    normal = stats.multivariate_normal(LAW.mean, COVARIANCE)
    grid = Grid.uniform((-7, 7.6), (-10, 9.6), cells=cells)
    return JointCellLaw.from_density(lambda x, y: normal.pdf(np.stack([x, y], axis=-1)), grid)


def conditionals() -> list:
    """The conditional laws of LAW, written by hand: x_1 given x_0 has mean m_1 + (x_0 - m_0)/2 and variance 1.75."""
    return [
        lambda x: stats.norm.cdf(x[0], 0.3, 1.0),
        lambda x: stats.norm.cdf(x[1], -0.2 + 0.5 * (x[0] - 0.3), np.sqrt(1.75)),
    ]


def test_conditionals_of_a_normal_law_and_of_its_cells_are_those_written_by_hand(rng):
    x = drawn(rng, 2000)

    def errors(law) -> list[float]:
        pairs = zip(conditionals_of(law), conditionals(), strict=True)
        return [np.max(np.abs(f(x[: k + 1]) - by_hand(x[: k + 1]))) for k, (f, by_hand) in enumerate(pairs)]

    assert max(errors(LAW)) < 1e-14
    for coarse, fine in zip(errors(in_cells(100)), errors(in_cells(200)), strict=True):
        assert fine < 1e-3 and 3 < coarse / fine < 5


@pytest.mark.parametrize("law", ["normal", "conditionals", "cells"])
def test_the_law_passes_and_a_wrong_scale_place_or_correlation_fails(law, rng):
    n, judge = 30_000, {"normal": LAW, "conditionals": conditionals(), "cells": in_cells(200)}[law]
    options = {"alpha": ALPHA, "tolerance": 1e-3 if law == "cells" else 0.0}
    x = drawn(rng, n)
    assert checks.joint_density(x, judge, **options).verdict is Verdict.PASS
    turned = drawn(rng, n, np.array([[1.0, 0.38], [0.38, 2.0]]))
    for wrong in (x * [[1.0], [1.1]], x + np.array([[0.1], [0.0]]), turned):
        assert checks.joint_density(wrong, judge, **options).verdict is Verdict.FAIL


def test_what_the_components_hide_alone_is_named_with_their_pair(rng):
    z = rng.standard_normal((3, 30_000))
    z[2] = np.abs(z[2]) * np.sign(z[0] * z[1])  # any two are independent
    free = JointNormal(np.zeros(3), np.eye(3))
    assert checks.joint_density(z, free, alpha=ALPHA).verdict is Verdict.PASS
    z[2] = z[0] * np.where(np.abs(z[0]) < 1.5, 1.0, -1.0)  # normal, and a function of z_0
    result = checks.joint_density(z, free, alpha=ALPHA)
    assert result.verdict is Verdict.FAIL and result.check.startswith("joint density: components 0 and 2")


def test_the_bias_of_a_product_of_modes_is_within_the_bound() -> None:
    u = np.linspace(0, 1, 20_001)
    g = mode_values(u)[:2]
    assert np.abs(g).max() * np.abs(np.diff(g, axis=1)).sum(axis=1).max() == pytest.approx(PAIR_BIAS_PER_CDF, rel=1e-6)


@pytest.mark.slow
def test_a_sample_biased_by_the_tolerance_alarms_at_most_at_the_level(rng, assert_uniform):
    """Both conditional laws are off by tau in the worst step for the pair: given U_0 > 1/2 up, else down."""
    tau, free = 0.02, JointNormal(np.zeros(2), np.eye(2))
    shift = 2 * stats.norm.ppf(0.5 + tau / 2)
    found = []
    for _ in range(120):
        x = rng.standard_normal((2, 1000))
        x[1] += shift * np.sign(x[0])
        found.append(checks.joint_density(x, free, tolerance=tau).components[-1])
        assert found[-1].parts == (("stated", pytest.approx(tau * PAIR_BIAS_PER_CDF)),)
    assert_uniform([part.p_value for part in found], at_least=0.0)
    assert checks.joint_density(np.vstack([x[0], x[1] + 0.5 * np.sign(x[0])]), free).verdict is Verdict.FAIL


# --- projections


def test_projections_of_a_normal_law_of_a_mixture_and_of_a_second_sample(rng):
    n, x = 20_000, drawn(rng, 20_000)
    centres, side = np.array([[2.0, 0.0], [-1.0, 1.0]]), rng.random(n) < 0.3
    mixed = np.where(side, centres[0][:, None], centres[1][:, None]) + rng.standard_normal((2, n))

    def along(a):
        return Mixture([0.3, 0.7], [Normal(float(a @ c), 1.0) for c in centres])

    def swapped(a):
        return Mixture([0.4, 0.6], [Normal(float(a @ c), 1.0) for c in centres])

    for sample, right, wrong in (
        (x, LAW, JointNormal(LAW.mean, COVARIANCE + np.array([[0, 0.3], [0.3, 0]]))),
        (mixed, along, swapped),
        (x, drawn(rng, n), drawn(rng, n, COVARIANCE + np.array([[0, 0.4], [0.4, 0]]))),
    ):
        assert checks.projections(sample, right, alpha=ALPHA).verdict is Verdict.PASS
        assert checks.projections(sample, wrong, alpha=ALPHA).verdict is Verdict.FAIL


def test_a_failure_names_its_direction(rng):
    x = drawn(rng, 20_000)
    x[1] += 0.2
    result = checks.projections(x, LAW, alpha=ALPHA)
    assert result.check == "projection on (0, 1): density: smooth test"
    only = checks.projections(x, LAW, alpha=ALPHA, directions=[[3.0, 0.0]])
    assert only.verdict is Verdict.PASS and only.components[0].alpha == pytest.approx(ALPHA)
    assert axes_and_diagonals(3).shape == (9, 3)


# --- bad input


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda x: checks.joint_density(x[:1], LAW), "1 components and the law 2"),
        (lambda x: checks.joint_density(x, "normal"), "no conditional distribution functions"),
        (lambda x: checks.joint_density(x, JointNormal(np.zeros(2), np.ones((2, 2)))), "is singular"),
        (lambda x: checks.joint_density(x, [lambda x: x, lambda x: x[0]]), "conditional 0 returned shape"),
        (lambda x: checks.joint_density(x[None], LAW), r"shape \(1, 2, 10\)"),
        (lambda x: checks.projections(x, JointNormal(np.zeros(3), np.eye(3))), "2 components and the law 3"),
        (lambda x: checks.projections(x, LAW, directions=[[0.0, 0.0]]), "none of zero"),
        (lambda x: checks.projections(x, x, tolerance=0.1), "without a tolerance"),
    ],
)
def test_shapes_that_disagree_are_refused(call, message):
    with pytest.raises(InvalidInput, match=message):
        call(np.linspace(-1, 1, 20).reshape(2, 10))


def test_a_law_that_is_not_whole_is_refused_and_bad_values_fail():
    twice = JointCellLaw.from_density(lambda x, y: 2.0 + 0 * x, Grid.uniform((0, 1), (0, 1), cells=4))
    with pytest.raises(InvalidInput, match="the cells hold 2 in all, not 1"):
        checks.joint_density(np.zeros((2, 5)), twice)
    with pytest.raises(InvalidInput, match=r"the density is -.* at \(0\..*, 0\..*\); it must be finite"):
        JointCellLaw.from_density(lambda x, y: x - 0.1, twice.grid)
    x = np.zeros((2, 5))
    x[1, 3] = np.nan
    for result in (checks.joint_density(x, LAW), checks.projections(x, LAW)):
        assert result.verdict is Verdict.FAIL and "1 of 10 values are NaN" in result.detail
