"""The elimination is exact to round-off in every entry, on a line and on a ring."""

from __future__ import annotations

from fractions import Fraction

import numba
import numpy as np
import pytest

from fpsde.fokker_planck.backward import TRANSPOSED
from fpsde.fokker_planck.elimination import CUT, eliminate, factorise, rows, solve, solve_whole
from fpsde.fokker_planck.tridiagonal import STAGE, march
from fpsde.jit import kernel


def random_rates(n: int, ring: bool, decades: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(n)
    left, right = 10 ** rng.uniform(-decades, decades, (2, n)) * rng.uniform(0.5, 1.5, (2, n))
    if not ring:
        left[0] = right[-1] = 0.0
    return left, right


def matrix(left: np.ndarray, right: np.ndarray, exits: tuple[float, float], a: float) -> np.ndarray:
    """Return I - aQ, entry by entry."""
    n = len(left)
    m = np.eye(n)
    for i in range(n):
        for rate, to in ((left[i], (i - 1) % n), (right[i], (i + 1) % n)):
            m[i, i] += a * rate
            m[to, i] -= a * rate
    m[0, 0] += a * exits[0]
    m[-1, -1] += a * exits[1]
    return m


#: Below, at and above the number of cells at which a line is cut, with cells left over and without.
SIZES = [3, 4, 50, CUT, CUT + 7, CUT + 13]


@pytest.mark.parametrize("n", SIZES)
@pytest.mark.parametrize("ring", [False, True])
@pytest.mark.parametrize("a", [1e-3, 1.0, 1e4])
def test_solutions_agree_with_a_dense_solve(n, ring, a):
    left, right = random_rates(n, ring)
    exits = (0.0, 0.0) if ring else (0.3, 0.7)
    b = np.random.default_rng(3).normal(size=n)
    found = b.copy()
    solve(factorise(left, right, *exits, a), found)
    m = matrix(left, right, exits, a)
    np.testing.assert_allclose(m @ found, b, atol=1e-13 * (1 + a))
    np.testing.assert_allclose(found, np.linalg.solve(m, b), rtol=1e-9, atol=1e-9)
    transposed = b.copy()
    solve(factorise(left, right, *exits, a)[TRANSPOSED], transposed)
    np.testing.assert_allclose(m.T @ transposed, b, atol=1e-13 * (1 + a))


def exact_solution(m: list[list[Fraction]], b: list[Fraction]) -> list[Fraction]:
    """Return the solution by Gaussian elimination in rational numbers."""
    n = len(b)
    rows = [[*row, value] for row, value in zip(m, b, strict=True)]
    for i in range(n):
        for j in range(i + 1, n):
            factor = rows[j][i] / rows[i][i]
            rows[j] = [x - factor * y for x, y in zip(rows[j], rows[i], strict=True)]
    x = [Fraction(0)] * n
    for i in reversed(range(n)):
        x[i] = (rows[i][n] - sum(rows[i][j] * x[j] for j in range(i + 1, n))) / rows[i][i]
    return x


@pytest.mark.parametrize("ring", [False, True])
def test_every_entry_keeps_its_relative_accuracy_down_to_the_far_tail(ring):
    n = 12
    left, right = random_rates(n, ring, decades=6)
    b = np.zeros(n)
    b[2] = 1.0
    found = b.copy()
    solve(factorise(left, right, 0.0, 0.0, 1.0), found)
    m = [[Fraction(0)] * n for _ in range(n)]
    for i in range(n):
        m[i][i] = 1 + Fraction(left[i]) + Fraction(right[i])
        m[(i - 1) % n][i] -= Fraction(left[i])
        m[(i + 1) % n][i] -= Fraction(right[i])
    exact = np.array([float(value) for value in exact_solution(m, [Fraction(value) for value in b])])
    assert exact.min() < 1e-12
    np.testing.assert_allclose(found, exact, rtol=1e-14)


@pytest.mark.parametrize("n", [CUT, CUT + 5])
@pytest.mark.parametrize("ring", [False, True])
def test_a_line_in_pieces_is_that_in_one_piece_in_every_digit(n, ring):
    left, right = random_rates(n, ring, decades=6)
    b = np.zeros(n)
    b[n // 3] = 1.0
    whole, factors = b.copy(), np.empty((5, n))
    kept, returned, _, _ = eliminate(left, right, 1.0, 1.0, right[-1], 1.0, True, rows(factors, 0, n))
    factors[1, -1] = 1 / (kept + returned)
    solve_whole(rows(factors, 0, n), whole, True)
    solve(factorise(left, right, 0.0, 0.0, 1.0), b)
    assert 0 < b.min() < 1e-12
    np.testing.assert_allclose(b, whole, rtol=2e-14)
    np.testing.assert_allclose(matrix(left, right, (0.0, 0.0), 1.0) @ b, np.eye(n)[n // 3], atol=1e-9)


def test_kernels_are_compiled_under_the_shared_settings():
    @kernel()
    def ratio(a, b):
        return a / b

    @kernel(numba.float64(numba.float64, numba.float64))
    def eager(a, b):
        return a / b

    assert ratio(1.0, 0.0) == np.inf and np.isnan(ratio(0.0, 0.0)) and eager(1.0, 0.0) == np.inf
    assert len(eager.nopython_signatures) == 1
    for compiled in (ratio, eager, solve, factorise):
        options = compiled.targetoptions
        assert options["error_model"] == "numpy" and options["nogil"] is True
        assert options["fastmath"] is False and options["boundscheck"] is False
        assert type(compiled._cache).__name__ == "FunctionCache"


@pytest.mark.parametrize("ring", [False, True])
def test_a_step_is_positive_up_to_its_stated_limit_and_not_far_beyond(ring):
    left, right = random_rates(40, ring)
    rates, exits = np.array([(left, right)] * 3), np.zeros((3, 2))

    def step(m, dt):
        factors = factorise(left, right, 0.0, 0.0, STAGE * dt)
        fringe = np.zeros(2, dtype=np.int64)
        return march(rates, exits, STAGE * dt, factors, factors, m, np.zeros(2), 1, 0.0, fringe, np.zeros(3))

    limit = (1 + np.sqrt(2)) / (left + right).max()
    assert all(step(point, limit) == (1, point.min()) for point in np.eye(40))
    beyond = [step(point, 8 * limit) for point in np.eye(40)]
    assert sum(taken == 0 and least < 0 for taken, least in beyond) > 20
