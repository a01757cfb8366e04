"""Densities in cells that are halved where a step is steep: against quadrature, and against cells that are not."""

from typing import Any

import numpy as np
import pytest

from fpsde.ddpm import moving_cells
from fpsde.ddpm.gauss_cells import GaussCells, joined, onto_halves
from fpsde.ddpm.moving_cells import moving_densities
from fpsde.errors import InvalidInput, NotConverged

STEEP, NOISE = 0.03, 0.1


class Fold:
    """x' ~ N(tanh(x_1/STEEP), NOISE^2) in the first component, N(x_2/2, NOISE^2) in the second."""

    def at(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        A = np.concatenate([np.tanh(x[:1] / STEEP), 0.5 * x[1:]])
        return A, np.repeat(NOISE**2 * np.eye(len(x))[:, :, None], x.shape[1], axis=2)

    def noise(self, dim: int) -> float:
        return NOISE


def second_level(dim: int) -> moving_cells.CellDensity:
    levels = moving_densities(dim, 1.0, [Fold()], last=NOISE)  # type: ignore[list-item]
    next(levels)
    return next(levels)


def exact(y: np.ndarray) -> np.ndarray:
    """By the trapezoid rule, far finer than the step is steep; half of the mass ends near each of -1 and 1."""
    x = np.linspace(-7.0, 7.0, 9001)
    ends, back = np.unique(y[0], return_inverse=True)
    first = np.exp(-0.5 * ((ends[:, None] - np.tanh(x / STEEP)) / NOISE) ** 2) @ np.exp(-0.5 * x**2)
    first = first[back] * (x[1] - x[0]) / (2 * np.pi * NOISE)
    variance = 0.25 + NOISE**2
    others = np.exp(-0.5 * y[1:] ** 2 / variance) / np.sqrt(2 * np.pi * variance)
    return first * others.prod(axis=0)


@pytest.mark.parametrize(("dim", "accuracy"), [(1, 1e-12), (2, 1e-9)])
def test_cells_are_halved_where_a_step_is_steep(dim: int, accuracy: float, monkeypatch: Any) -> None:
    """Between the two hills the density is that of what starts in the steep place; whole cells do not see it."""

    def error() -> float:
        found = second_level(dim)
        y = found.cells.points
        some = np.abs(y[0]) < 0.5
        return float(np.abs(np.exp(found.log_density[some]) - exact(y[:, some])).max())

    assert error() < accuracy
    monkeypatch.setitem(moving_cells.RESOLVED, dim, 1.0)
    assert error() > 1e-3


def test_halved_cells_hold_the_same_polynomials() -> None:
    """Degree 2 order - 1 is summed, and degree order - 1 carried over, exactly; one degree more is not."""
    for degree, carried in ((3, True), (4, False)):
        cells = GaussCells.of_box(2, 1.5, 2, order=4)

        def f(x: np.ndarray, degree: int = degree) -> np.ndarray:
            return (x[0] - 0.3) ** degree * (1 + x[1])

        parts = onto_halves(f(cells.points).reshape(4, -1), 2, 4).ravel()
        assert np.allclose(parts, f(cells.halved().points), atol=1e-12) == carried
    assert cells.weights.sum() == pytest.approx(9.0) == cells.halved().weights.sum()
    for degree, summed in ((7, True), (8, False)):
        sums = [np.sum(one.weights * (one.points[0] - 0.3) ** degree) for one in (cells, cells.halved())]
        assert (abs(sums[0] - sums[1]) < 1e-11 * abs(sums[1])) == summed
    both = joined([cells.only(np.arange(4) < 1), cells.only(np.arange(4) >= 1)])
    np.testing.assert_array_equal(both.points, cells.points)


def test_what_needs_too_many_points_or_is_correlated_is_refused(monkeypatch: Any) -> None:
    class Correlated(Fold):
        def at(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
            A, C = super().at(x)
            return A, C + 0.5 * NOISE**2

    with pytest.raises(InvalidInput, match="noise of a step is correlated"):
        next(moving_densities(2, 1.0, [Correlated()]))  # type: ignore[list-item]
    monkeypatch.setitem(moving_cells.MOST, 1, 300)
    with pytest.raises(NotConverged, match=r"points are needed where a step has noise of 0\.1; at most 300"):
        second_level(1)
